//! What HTTP cannot show of the writer: its limits, and failures between a
//! request's checks and its commit.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::address::AddressRanges;
use crate::contact::{Alias, Msisdn, NewContact};
use crate::key::{KeyName, KeyTerms};
use crate::meta::Meta;
use crate::permission::{Permission, PermissionSet};
use crate::store::sqlite::batch::BATCH_ROWS_MAX;
use crate::store::sqlite::{contacts, key_changes};
use crate::token::{NewSecret, SecretHash, Token};

/// A writer on a new file with one key, and a second connection beside it.
struct Bench {
    writer: Arc<Writer>,
    grant: Grant,
    other: Connection,
    _directory: TempDir,
}

fn bench(prepare: impl FnOnce(&Connection)) -> Bench {
    let directory = tempfile::tempdir().expect("made");
    let path: PathBuf = directory.path().join("book.db");
    let mut database = Database::open_or_create(&path, None).expect("opened");
    let secret = NewSecret {
        token: Token::generate().expect("random"),
        hash: SecretHash::from_phc("unused".to_owned()),
    };
    let terms = KeyTerms {
        name: KeyName::parse("test").expect("a name"),
        permissions: PermissionSet::all(),
        expires_on: None,
        allowed_ips: AddressRanges::default(),
        rate_limit: None,
    };
    let key = database.create_key(&secret, &terms).expect("stored");
    let credential = database
        .transaction(|transaction| Ok(keys::credential(transaction, key.id)?))
        .expect("read")
        .expect("the key");
    prepare(&database.connection);
    let needs = &[Permission::CreateContacts];
    Bench {
        writer: Arc::new(
            Writer::start(database, Damage::default(), Measures::default()).expect("started"),
        ),
        grant: Grant::new(&credential, needs, [127, 0, 0, 1].into()).expect("allowed"),
        other: Connection::open(&path).expect("opened"),
        _directory: directory,
    }
}

fn contact(number: u32, meta: &str) -> NewContact {
    NewContact {
        alias: Alias::parse(&format!("contact {number}")).expect("an alias"),
        msisdn: Msisdn::parse("4479000000001").expect("a number"),
        meta: Meta::parse(serde_json::from_str(meta).expect("JSON")).expect("meta"),
    }
}

impl Bench {
    /// A grant of another key, of this id.
    fn another_grant(&self, id: &str) -> Grant {
        let copy = "INSERT INTO api_keys (id, name, hash, tag, permissions, created_on)
            SELECT ?1, name, hash, tag, permissions, created_on FROM api_keys LIMIT 1";
        self.other.execute(copy, [id]).expect("copied");
        let id = KeyId::parse(id).expect("an id");
        let credential = keys::credential(&self.other, id)
            .expect("read")
            .expect("the key");
        Grant::new(&credential, &[], [127, 0, 0, 1].into()).expect("allowed")
    }

    async fn create(&self, contact: NewContact) -> Result<(), Error> {
        let work = move |transaction: &Transaction<'_>| contacts::insert(transaction, contact);
        self.writer.submit(self.grant, work).await.map(|_| ())
    }

    fn stored(&self) -> u32 {
        let count = "SELECT count(*) FROM contacts";
        self.other
            .query_row(count, [], |row| row.get(0))
            .expect("counted")
    }
}

#[tokio::test]
async fn a_key_revoked_after_its_check_writes_nothing() {
    let bench = bench(|_| {});
    bench.create(contact(0, "{}")).await.expect("stored");
    let revoke = "UPDATE api_keys SET revoked_on = 1";
    bench.other.execute(revoke, []).expect("revoked");
    let refused = bench.create(contact(1, "{}")).await;
    assert_eq!(refused, Err(Error::KeyInvalid));
    assert_eq!(bench.stored(), 1);
}

#[tokio::test]
async fn a_key_narrowed_after_its_check_writes_nothing() {
    let bench = bench(|_| {});
    let narrow = "UPDATE api_keys SET permissions = 'read:Contacts'";
    bench.other.execute(narrow, []).expect("narrowed");
    let refused = bench.create(contact(0, "{}")).await;
    assert_eq!(
        refused,
        Err(Error::NotPermitted(Permission::CreateContacts))
    );
    assert_eq!(bench.stored(), 0);
}

#[tokio::test]
async fn a_key_kept_to_another_address_after_its_check_writes_nothing() {
    let bench = bench(|_| {});
    let narrow = "UPDATE api_keys SET allowed_ips = '10.0.0.0/8'";
    bench.other.execute(narrow, []).expect("narrowed");
    let refused = bench.create(contact(0, "{}")).await;
    assert_eq!(refused, Err(Error::AddressNotAllowed));
    assert_eq!(bench.stored(), 0);
}

#[tokio::test]
async fn a_key_revoked_in_the_same_transaction_writes_nothing_behind_it() {
    let bench = bench(|_| {});
    bench
        .other
        .execute_batch("BEGIN IMMEDIATE")
        .expect("locked");
    let before = bench.create(contact(0, "{}"));
    let grant = bench.grant;
    let revoke = bench.writer.submit(grant, move |transaction| {
        key_changes::revoke(transaction, None, grant.key(), true)
    });
    let behind = bench.create(contact(1, "{}"));
    // All three are queued, in this order, before the lock is given back.
    let unlock = async { bench.other.execute_batch("COMMIT").expect("unlocked") };
    let (before, revoked, behind, ()) = tokio::join!(before, revoke, behind, unlock);
    assert_eq!((before, revoked), (Ok(()), Ok(())));
    assert_eq!(behind, Err(Error::KeyInvalid));
    assert_eq!(bench.stored(), 1);
}

#[tokio::test]
async fn a_full_disk_stores_nothing_and_the_writer_goes_on() {
    let bench = bench(|connection| {
        connection
            .pragma_update(None, "max_page_count", 13)
            .expect("limited");
    });
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(16_000));
    let mut acknowledged: u32 = 0;
    let full = loop {
        match bench.create(contact(acknowledged, &large)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, Error::StorageFull);
    assert_eq!(bench.stored(), acknowledged);
    bench
        .create(contact(99, "{}"))
        .await
        .expect("a small one fits");
    assert_eq!(bench.stored(), acknowledged + 1);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_late_job_is_withdrawn() {
    let bench = bench(|_| {});
    bench
        .other
        .execute_batch("BEGIN IMMEDIATE")
        .expect("locked");
    let mut waiting = JoinSet::new();
    // One job is in the writer's hands, which wait for the lock; once it is
    // there, the queue has room for exactly its limit.
    let mut submit = |number| {
        let (writer, grant) = (Arc::clone(&bench.writer), bench.grant);
        let work = move |transaction: &Transaction<'_>| {
            contacts::insert(transaction, contact(number, "{}")).map(|_| ())
        };
        waiting.spawn(async move { writer.submit(grant, work).await });
    };
    for number in 0..QUEUE_JOBS_MAX as u32 + 100 {
        submit(number);
    }
    let begun = std::time::Instant::now();
    let (mut at_once, mut withdrawn) = (0, 0);
    while let Some(outcome) = waiting.join_next().await {
        assert_eq!(outcome.expect("ran"), Err(Error::Busy));
        if begun.elapsed() < QUEUE_WAIT_MAX / 2 {
            at_once += 1;
        } else {
            withdrawn += 1;
        }
    }
    assert!((99..=100).contains(&at_once), "{at_once} at once");
    assert_eq!(at_once + withdrawn, QUEUE_JOBS_MAX + 100);
    bench.other.execute_batch("COMMIT").expect("unlocked");
    // Until the writer has thrown the withdrawn jobs away, the queue stays full.
    while bench.create(contact(5000, "{}")).await == Err(Error::Busy) {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.stored(), 1, "what was withdrawn is never stored");
}

#[tokio::test]
async fn a_panic_in_one_job_does_not_end_the_writing() {
    let bench = bench(|_| {});
    let panics = |_: &Transaction<'_>| -> Result<(), Failure> { panic!("a fault of ours") };
    let outcome = bench.writer.submit(bench.grant, panics).await;
    assert_eq!(outcome, Err(Error::Internal));
    bench.create(contact(0, "{}")).await.expect("stored");
    assert_eq!(bench.stored(), 1);
}

#[tokio::test]
async fn what_is_queued_at_the_stop_is_written_and_later_jobs_are_refused() {
    let bench = bench(|_| {});
    let queued = bench.create(contact(0, "{}"));
    let stopped = async { bench.writer.stop() };
    let (stored, ()) = tokio::join!(queued, stopped);
    assert_eq!(stored, Ok(()));
    let late = bench.create(contact(1, "{}")).await;
    assert_eq!(late, Err(Error::Stopping));
    assert_eq!(bench.stored(), 1);
}

/// The order in which jobs are written that are queued while another process
/// writes: each by its name, its key and its rows.
async fn order_of(bench: &Bench, jobs: &[(&'static str, Grant, usize)]) -> Vec<&'static str> {
    let begin = "BEGIN IMMEDIATE";
    bench.other.execute_batch(begin).expect("locked");
    // The writer takes this one, and waits with it for the lock.
    let first = bench.writer.submit(bench.grant, |_| Ok(()));
    let written = Arc::new(Mutex::new(Vec::new()));
    let mut all = JoinSet::new();
    for (name, grant, rows) in jobs.iter().copied() {
        let (writer, written) = (Arc::clone(&bench.writer), Arc::clone(&written));
        all.spawn(async move {
            let work = move |_: &Transaction<'_>| {
                written.lock().expect("sound").push(name);
                Ok(())
            };
            writer.submit_rows(grant, rows, work).await
        });
    }
    let unlock = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        bench.other.execute_batch("COMMIT").expect("unlocked");
    };
    let (first, ()) = tokio::join!(first, unlock);
    assert_eq!(first, Ok(()));
    while let Some(outcome) = all.join_next().await {
        assert_eq!(outcome.expect("ran"), Ok(()));
    }
    let written = written.lock().expect("sound");
    written.clone()
}

#[tokio::test]
async fn small_jobs_go_before_large_ones_whose_keys_take_turns() {
    let bench = bench(|_| {});
    let (one, two) = (bench.grant, bench.another_grant("second000000"));
    let three = bench.another_grant("third0000000");
    let large = BATCH_ROWS_MAX + 1;
    let jobs = [
        ("large 1a", one, large),
        ("large 1b", one, large),
        ("large 2a", two, large),
        ("small a", two, 1),
        ("small b", one, 1),
        ("large 1c", one, large),
        ("large 3a", three, large),
    ];
    let expected = [
        "small a", "small b", "large 1a", "large 2a", "large 3a", "large 1b", "large 1c",
    ];
    assert_eq!(order_of(&bench, &jobs).await, expected);
}
