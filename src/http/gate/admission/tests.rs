//! What strangers cost, counted at the door itself.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderValue};
use tempfile::TempDir;

use super::*;
use crate::address::AddressRanges;
use crate::http::gate::state::Settings;
use crate::key::{KeyName, KeyTerms};
use crate::permission::PermissionSet;
use crate::store::{Operator, Store};
use crate::token::NewSecret;

struct Door {
    state: Arc<State>,
    secret: NewSecret,
    directory: TempDir,
}

/// The door of an address book with one key.
fn door() -> Door {
    let directory = tempfile::tempdir().expect("made");
    let path = directory.path().join("book.db");
    let mut database = Operator::open_or_create(&path, None).expect("opened");
    let secret = NewSecret::generate().expect("random");
    let terms = KeyTerms {
        name: KeyName::parse("test").expect("a name"),
        permissions: PermissionSet::all(),
        expires_on: None,
        allowed_ips: AddressRanges::default(),
        rate_limit: None,
    };
    database.create_key(&secret, &terms).expect("stored");
    let store = Arc::new(Store::start(database, 2).expect("started"));
    Door {
        state: Arc::new(State::new(store, Settings::default())),
        secret,
        directory,
    }
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

#[actix_web::test]
async fn a_million_forged_tokens_of_a_known_key_run_no_argon2() {
    const FORGED: u64 = 1_000_000;
    let door = door();
    let id = door.secret.token.id();
    for number in 0..FORGED {
        let token = Token::forged(id, number);
        let refused = door
            .state
            .identify(&bearer(token.expose()), Moment::now(), true)
            .await;
        assert!(matches!(refused, Err(Error::KeyInvalid)), "{number}");
    }
    let metrics = &door.state.metrics;
    // One in four thousand million has the right tag by chance.
    let (tag, secret) = (
        metrics.counted(Stage::WrongTag),
        metrics.counted(Stage::WrongSecret),
    );
    assert_eq!((tag + secret, secret <= 2), (FORGED, true));
    assert_eq!(metrics.counted(Stage::Verified), 0);
}

#[actix_web::test]
async fn a_thousand_first_uses_of_one_key_at_once_run_one_argon2() {
    let door = door();
    let uses: Vec<_> = (0..1000)
        .map(|_| {
            let (state, headers) = (Arc::clone(&door.state), bearer(door.secret.token.expose()));
            rt::spawn(async move { state.identify(&headers, Moment::now(), true).await.is_ok() })
        })
        .collect();
    for used in uses {
        assert!(used.await.expect("ran"));
    }
    let metrics = &door.state.metrics;
    assert_eq!(metrics.counted(Stage::Verified), 1);
    assert_eq!(metrics.counted(Stage::Remembered), 999);
}

#[actix_web::test]
async fn a_malformed_token_costs_no_database_access() {
    let door = door();
    // Nothing can be read any more: whoever asks the database gets that error.
    std::fs::remove_file(door.directory.path().join("book.db")).expect("removed");
    let asked = door
        .state
        .identify(&bearer(door.secret.token.expose()), Moment::now(), true)
        .await;
    assert!(matches!(asked, Err(Error::StorageUnreadable)));
    for wrong in ["", "abk_", "nonsense", &"x".repeat(66)] {
        let refused = door
            .state
            .identify(&bearer(wrong), Moment::now(), true)
            .await;
        assert!(matches!(refused, Err(Error::KeyInvalid)), "{wrong}");
    }
    assert_eq!(door.state.metrics.counted(Stage::Malformed), 4);
}
