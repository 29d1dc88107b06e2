//! The calls about opt-outs.

use serde_json::{Value, json};

use super::contacts::{sent_msisdn, stored_msisdn};
use super::described::{Described, Tag};
use super::shapes::{Record, Shape, text, time};
use crate::error::Error;
use crate::http::optouts::OPTOUT_BODY_BYTES_MAX;
use crate::invalid::Invalid;

pub(crate) fn create() -> Described {
    let sent = json!({"msisdn": "+44 7900 000 0001"});
    Described::new(
        "createOptout",
        Tag::Optouts,
        "Notes that a number wants no messages",
    )
    .note("Done twice, it answers the first record.")
    .takes_json("NewOptout", &sent, OPTOUT_BODY_BYTES_MAX)
    .answers_record("Optout", &example())
    .refuses([Invalid::MsisdnMissing, Invalid::MsisdnFormat])
    .writes()
}

pub(crate) fn list() -> Described {
    Described::new(
        "listOptouts",
        Tag::Optouts,
        "Lists the numbers that want no messages",
    )
    .answers_page("Optout", &example())
    .reads_many()
}

pub(crate) fn delete() -> Described {
    Described::new("deleteOptout", Tag::Optouts, "Takes a number off that list")
        .segment("msisdn", text("The number, as people write it"))
        .answers_done()
        .refuses([Invalid::MsisdnFormat])
        .refuses([Error::OptoutNotFound])
        .writes()
}

fn example() -> Value {
    json!({"msisdn": "4479000000001", "created_on": "2026-11-23T15:24:23.692Z"})
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let new = Record::new("A number")
        .closed()
        .with("msisdn", sent_msisdn());
    let optout = Record::new("A number that wants no messages")
        .with("msisdn", stored_msisdn())
        .with("created_on", time("Since when"));
    vec![("NewOptout", new.into()), ("Optout", optout.into())]
}
