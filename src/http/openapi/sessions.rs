//! The calls about sessions.

use serde_json::{Value, json};

use super::described::{Described, Tag};
use super::keys::own_key;
use super::shapes::{Record, Shape, named_or_null, text, time};
use crate::error::Error;
use crate::http::sessions::CODE_BODY_BYTES_MAX;
use crate::invalid::Invalid;

pub(crate) fn current() -> Described {
    let answer = Record::succeeded().with("record", named_or_null("OwnKey"));
    Described::new("currentSession", Tag::Keys, "Tells who is signed in")
        .note("By the session's cookie alone; `null` where it names none that still holds.")
        .answers(answer, &json!({"success": true, "record": null}))
        .refuses([
            Error::OtherSite,
            Error::AddressNotAllowed,
            Error::TooManyFailures { wait_s: 1 },
            Error::TooFast {
                per_second: 50,
                wait_s: 1,
            },
            Error::StorageUnreadable,
        ])
}

pub(crate) fn open() -> Described {
    opened("openSession", "Signs a browser in, for 12 hours").note(
        "The key has to be in `Authorization`; the answer sets the cookie that stands in for it.",
    )
}

pub(crate) fn open_by_code() -> Described {
    opened(
        "openSessionByCode",
        "Signs a browser in by the code of the first start, once",
    )
    .takes_json(
        "SignInCode",
        &json!({"code": "000000000000000000000000"}),
        CODE_BODY_BYTES_MAX,
    )
    .refuses([Invalid::CodeMissing])
    .refuses([
        Error::CodeInvalid,
        Error::OtherSite,
        Error::AddressNotAllowed,
        Error::TooManyFailures { wait_s: 1 },
        Error::StorageUnreadable,
    ])
}

pub(crate) fn end() -> Described {
    Described::new("endSession", Tag::Keys, "Signs a browser out")
        .note("Ends the session that the cookie names, and takes the cookie away.")
        .answers_done()
        .with_header("Set-Cookie")
        .refuses([Error::SessionNotFound])
        .writes()
}

fn opened(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Keys, summary)
        .answers_record("OpenedSession", &example())
        .with_header("Set-Cookie")
        .writes()
}

fn example() -> Value {
    json!({
        "id": "000000000000",
        "name": "shop",
        "permissions": ["create:Contacts", "read:Contacts"],
        "expires_on": null,
        "session_expires_on": "2026-11-28T03:37:26.422Z",
    })
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let ends = time("When the session ends, if its key does not end earlier");
    let code = text("24 characters, `0-9A-Za-z`");
    vec![
        (
            "OpenedSession",
            own_key().with("session_expires_on", ends).into(),
        ),
        (
            "SignInCode",
            Record::new("").with("code", code).closed().into(),
        ),
    ]
}
