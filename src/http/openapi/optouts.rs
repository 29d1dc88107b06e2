//! The calls about opt-outs.

use serde_json::{Value, json};

use super::contacts::{sent_msisdn, stored_msisdn};
use super::described::{Described, Tag};
use super::failures::ERROR;
use super::parameters;
use super::shapes::{Record, Shape, array, named, number, text, time, word};
use crate::error::Error;
use crate::http::optouts::{NUMBERS_MAX, OPTOUT_BODY_BYTES_MAX, OPTOUTS_BODY_BYTES_MAX};
use crate::http::wire::envelope::Refusal;
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

pub(crate) fn bulk() -> Described {
    let sent = json!({"msisdns": ["+44 7900 000 0001", "12"]});
    let error = json!(Refusal::from(Invalid::MsisdnFormat).error_body());
    let results = json!([
        {"index": 0, "status": "created", "msisdn": "4479000000001"},
        {"index": 1, "status": "error", "error": error},
    ]);
    let summary = json!({"total": 2, "created": 1, "unchanged": 0, "failed": 1});
    Described::new(
        "bulkOptouts",
        Tag::Optouts,
        "Notes of many numbers that they want no messages",
    )
    .note("A bad number never fails the others. One that is opted out already is `unchanged`.")
    .takes_json("Optouts", &sent, OPTOUTS_BODY_BYTES_MAX)
    .answers(
        Record::succeeded()
            .with("summary", named("OptoutsSummary"))
            .with(
                "results",
                array(named("OptoutResult"), "One for each number, in order"),
            ),
        &json!({"success": true, "summary": summary, "results": results}),
    )
    .refuses([Invalid::Msisdns])
    .writes()
}

pub(crate) fn list() -> Described {
    let msisdn = "Selects the opt-out that holds for this number; two where it is opted out in \
                  an older spelling as well";
    Described::new(
        "listOptouts",
        Tag::Optouts,
        "Lists the numbers that want no messages",
    )
    .note("The oldest first. Who walks by `cursor` meets each once that is there all the while.")
    .takes_query([parameters::query("msisdn", text(msisdn))])
    .takes_query(parameters::page())
    .takes_query([parameters::cursor()])
    .answers_page_or_next("Optout", &example())
    .refuses([Invalid::MsisdnFormat])
    .reads_many()
}

pub(crate) fn get() -> Described {
    Described::new("getOptout", Tag::Optouts, "Answers the opt-out of a number")
        .note("It holds for an older spelling of the number, too, and is answered as it is stored.")
        .segment("msisdn", text("The number, as people write it"))
        .answers_record("Optout", &example())
        .refuses([Invalid::MsisdnFormat])
        .refuses([Error::OptoutNotFound])
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
    let numbers = array(sent_msisdn(), "")
        .min_items(Some(1))
        .max_items(Some(NUMBERS_MAX));
    let many = Record::new("Many numbers")
        .closed()
        .with("msisdns", numbers);
    let summary = Record::new("How many came to what")
        .with("total", number(0, ""))
        .with("created", number(0, ""))
        .with("unchanged", number(0, ""))
        .with("failed", number(0, ""));
    let result = Record::new("What came of one number")
        .with("index", number(0, "Its place in the request"))
        .with("status", word(["created", "unchanged", "error"], ""))
        .maybe("msisdn", stored_msisdn())
        .maybe("error", named(ERROR));
    vec![
        ("NewOptout", new.into()),
        ("Optout", optout.into()),
        ("Optouts", many.into()),
        ("OptoutsSummary", summary.into()),
        ("OptoutResult", result.into()),
    ]
}
