//! Small requests to resolve whose answers, or what is read for them, would take
//! the memory of the server.

use serde_json::json;

use crate::book::{Book, JOHN};
use crate::bulk;
use crate::harness::peak_memory_kib;

/// What a small request may make the server take.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

fn grown_by(book: &Book, body: &serde_json::Value) -> (u16, u64) {
    let before = peak_memory_kib(book.server.pid());
    let reply = book.call("POST", "/resolve").json(body.to_string()).send();
    (reply.status, peak_memory_kib(book.server.pid()) - before)
}

#[test]
fn the_groups_of_recipients_are_not_read() {
    let book = Book::start();
    book.contact(JOHN);
    let fill = book.server.in_sql(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
            INSERT INTO groups (id, name, members) SELECT randomblob(16), printf('%0120d', n), 1 FROM n;
        INSERT INTO memberships (group_id, contact_id)
            SELECT groups.id, contacts.id FROM groups CROSS JOIN contacts;
        UPDATE counters SET value = 1000 WHERE name = 'groups'",
        "INSERT INTO groups (id, name)
            SELECT gen_random_uuid(), lpad(n::text, 120, '0') FROM generate_series(1, 1000) AS n;
        INSERT INTO group_counts (group_id, slot, members) SELECT id, 0, 1 FROM groups;
        INSERT INTO memberships (group_id, alias, contact_id)
            SELECT groups.id, contacts.alias, contacts.id FROM groups CROSS JOIN contacts;
        UPDATE counters SET value = 1000 WHERE name = 'groups' AND slot = 0",
    );
    book.server.change(fill);
    let (status, grown) = grown_by(&book, &json!({"recipients": vec!["john"; 5_000]}));
    assert_eq!(status, 200);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
}

#[test]
fn placeholders_without_a_value_count_before_they_are_held() {
    let book = Book::start();
    let contacts: Vec<String> = (0..9_000)
        .map(|number| {
            format!(
                r#"{{"alias":"{number}","msisdn":"{}"}}"#,
                15_550_000_000_u64 + number
            )
        })
        .collect();
    assert_eq!(bulk::send(&book, bulk::body_of(&contacts)).status, 200);
    let aliases: Vec<String> = (0..9_000).map(|number| number.to_string()).collect();
    // Names of one or two letters, each missing for each recipient.
    let names: Vec<String> = ('a'..='z')
        .flat_map(|one| ('a'..='z').map(move |other| format!("{{{{{one}{other}}}}}")))
        .collect();
    let (status, grown) = grown_by(
        &book,
        &json!({"recipients": aliases, "text": names.concat()}),
    );
    assert_eq!(status, 400, "the answer would be too large");
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
}
