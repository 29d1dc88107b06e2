//! Spellings of numbers and aliases that people really send. Each means what it says, or is
//! refused by words of its own.

use addressbook::contact::{Alias, Msisdn};
use serde_json::{Value, json};

use crate::book::{Book, alias_path, assert_refused, invalid};
use crate::filter::query;
use crate::harness::{PERMISSIONS, Reply};
use crate::transfer::{counts, export, import};

pub(super) const CSV: &str = "text/csv";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const NUMBER: &str = "447700900101";
const TRUNK: &str = "Msisdn must not have a 0 behind the country code";
pub(super) const DECIMAL: &str = "Msisdn must not have a decimal part";
const CHARACTERS: &str = "Alias contains characters that are not allowed";

/// A book whose key may do everything.
pub(super) fn book() -> Book {
    let mut book = Book::start();
    book.key = book.server.key(&PERMISSIONS);
    book
}

impl Book {
    fn optout(&self, msisdn: &str) -> Reply {
        let call = self
            .server
            .call("POST", "/addressbook/optouts")
            .key(&self.key);
        call.json(json!({"msisdn": msisdn}).to_string()).send()
    }

    pub(super) fn resolve(&self, body: &Value) -> Value {
        let call = self.server.call("POST", "/addressbook/contacts/resolve");
        let reply = call.key(&self.key).json(body.to_string()).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    pub(super) fn numbers(&self) -> Vec<String> {
        let list = self.list("limit=1000");
        let records = list["records"].as_array().unwrap().iter();
        records
            .map(|one| one["msisdn"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Stores a contact as older rules would have.
    fn store_old(&self, alias: &str, msisdn: &str) {
        self.contact_of("to be made old", "15550000000");
        let (made, old) = (format!("'{alias}'"), "WHERE alias = 'to be made old'");
        let update =
            format!("UPDATE contacts SET alias = {made}, msisdn = '{msisdn}', checksum = 0 {old}");
        // What rows are distributed by cannot be updated.
        let replace = format!(
            "INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
            SELECT id, {made}, '{msisdn}', meta, updated_on FROM contacts {old};
            DELETE FROM contacts {old}"
        );
        self.server.change(self.server.in_sql(&update, &replace));
    }
}

fn create(book: &Book, alias: &str, msisdn: &str) -> Reply {
    let body = json!({"alias": alias, "msisdn": msisdn}).to_string();
    book.server.create(&book.key, body)
}

/// Every way in which a number comes in answers a spelling in the same way.
#[test]
fn one_reader_reads_numbers_wherever_they_come_in() {
    for (spelled, expected) in [
        ("\u{202a}+447700900101\u{202c}", Ok(NUMBER)),
        ("+44\u{a0}7700\u{a0}900101", Ok(NUMBER)),
        ("+44\u{2011}7700\u{2011}900101", Ok(NUMBER)),
        ("+44 (7700) 900\u{2013}101", Ok(NUMBER)),
        ("\u{feff}00447700900101", Ok(NUMBER)),
        ("447700900101\u{2060}", Ok(NUMBER)),
        ("447700900101.00", Err(DECIMAL)),
        ("447700900101.5", Err(DECIMAL)),
        ("+44 (0)7700 900101", Err(TRUNK)),
        ("0044 07700 900101", Err(TRUNK)),
        ("447700900101 2", Err("Msisdn must be one number")),
        ("4.477E+11", Err("Msisdn was rounded by a spreadsheet")),
        (
            "\u{3164}447700900101",
            Err("Msisdn must be a phone number in international format: U+3164 at character 1"),
        ),
        (
            "٤٤٧٧٠٠٩٠٠١٠١",
            Err("Msisdn must be a phone number in international format"),
        ),
    ] {
        let book = book();
        let assert = |reply: &Reply, what: &str| match expected {
            Ok(_) => assert_eq!(reply.status, 200, "{spelled:?} by {what}: {}", reply.body),
            Err(message) => assert_eq!(
                (reply.status, reply.message().as_str()),
                (400, message),
                "{spelled:?} by {what}"
            ),
        };
        assert(&create(&book, "created", spelled), "create");
        let put = book
            .call("PUT", "/alias/put")
            .json(json!({"msisdn": spelled}).to_string());
        assert(&put.send(), "put");
        let id = book.contact_of("changed", "15550000000");
        for method in ["POST", "PATCH"] {
            let body = json!({"msisdn": spelled}).to_string();
            assert(
                &book.call(method, &format!("/{id}")).json(body).send(),
                method,
            );
        }
        assert(&book.optout(spelled), "opt-out");
        let filtered = book.page(&query(&[("msisdn", spelled)]));
        assert(&filtered, "filter");
        let bulk = json!({"contacts": [{"alias": "of a bulk", "msisdn": spelled}]}).to_string();
        let bulk = book.call("POST", "/bulk").json(bulk).send().json();
        let item = &bulk["results"][0]["error"]["message"];
        let rows = [
            import(
                &book,
                "",
                CSV,
                format!("alias,msisdn\nof a file,\"{spelled}\"\n"),
            ),
            import(
                &book,
                "",
                NDJSON,
                json!({"alias": "of lines", "msisdn": spelled}).to_string(),
            ),
        ];
        for row in rows {
            let told = &row.json()["errors"][0]["message"];
            let expected = expected.err().map_or(Value::Null, Value::from);
            assert_eq!((item, told), (&expected, &expected), "{spelled:?}");
        }
        let encoded = query(&[("", spelled)])[1..].replace('+', "%20");
        let deleted = book
            .server
            .call("DELETE", &format!("/addressbook/optouts/{encoded}"));
        assert(&deleted.key(&book.key).send(), "opting in");
        if let Ok(number) = expected {
            assert!(
                book.numbers().iter().all(|stored| stored == number),
                "{:?}",
                book.numbers()
            );
            assert_eq!(filtered.json()["total"], 3);
        } else {
            assert_eq!(book.numbers(), ["15550000000"]);
        }
    }
}

#[test]
fn an_opt_out_holds_however_its_number_is_or_was_spelled() {
    let text = json!({"recipients": ["anna"]});
    for stored in [NUMBER, "4407700900101"] {
        for opted_out in [
            NUMBER,
            "+44 7700 900101",
            "0044\u{a0}7700\u{2011}900101",
            "4407700900101",
        ] {
            let book = self::book();
            book.store_old("anna", stored);
            let reply = book.optout(opted_out);
            if opted_out.starts_with("440") && stored == NUMBER {
                // Nobody has it: a spelling that is refused opts nobody out.
                assert_refused(&reply, invalid(TRUNK));
                continue;
            }
            assert_eq!(reply.status, 200, "{opted_out}: {}", reply.body);
            let status = book.resolve(&text)["results"][0]["status"].clone();
            assert_eq!(status, "opted_out", "{stored} by {opted_out}");
            assert_eq!(
                book.optout(NUMBER).body,
                reply.body,
                "it is the first record"
            );
            let path = format!("/addressbook/optouts/{NUMBER}");
            assert_eq!(
                book.server
                    .call("DELETE", &path)
                    .key(&book.key)
                    .send()
                    .status,
                200
            );
            assert_eq!(book.resolve(&text)["results"][0]["status"], "ok");
        }
    }
    // A spelling that is refused takes no opt-out back, and tells of none.
    let book = self::book();
    assert_eq!(book.optout(NUMBER).status, 200);
    assert_refused(&book.optout("4407700900101"), invalid(TRUNK));
    let path = "/addressbook/optouts/4407700900101";
    let taken_back = book.server.call("DELETE", path).key(&book.key).send();
    assert_refused(&taken_back, invalid(TRUNK));
    assert_eq!(book.optout(NUMBER).status, 200);
    // An opt-out that is stored since older rules holds for the number of today.
    let book = self::book();
    book.contact_of("anna", NUMBER);
    let one = book.server.in_sql("", " AND slot = 0");
    book.server.change(&format!(
        "INSERT INTO optouts VALUES ('4407700900101', 1);
        UPDATE counters SET value = value + 1 WHERE name = 'optouts'{one}"
    ));
    assert_eq!(book.resolve(&text)["results"][0]["status"], "opted_out");
    // Two spellings of one number are sent to once.
    book.optout(NUMBER);
    let path = "/addressbook/optouts/4407700900101";
    assert_eq!(
        book.server
            .call("DELETE", path)
            .key(&book.key)
            .send()
            .status,
        200
    );
    book.store_old("again", "4407700900101");
    let both = book.resolve(&json!({"recipients": ["anna", "again"]}));
    assert_eq!(both["results"][1]["status"], "duplicate");
    let both = book.resolve(&json!({"recipients": ["again", "anna"]}));
    assert_eq!(both["results"][1]["status"], "duplicate");
}

#[test]
fn what_older_rules_stored_is_found_changed_exported_imported_and_deleted_as_it_stands() {
    let (alias, number) = ("Zoë\u{200b}", "4407700900101");
    assert!(Alias::parse(alias).unwrap().check_new().is_err());
    assert!(Msisdn::parse(number).unwrap().check_new().is_err());
    let book = book();
    // Where it is not stored, it is refused, and never not found.
    for (query, message) in [
        (query(&[("msisdn", number)]), TRUNK),
        (query(&[("alias", alias)]), CHARACTERS),
    ] {
        assert_refused(&book.page(&query), invalid(message));
    }
    assert_refused(
        &book.call("GET", &alias_path(alias)).send(),
        invalid(CHARACTERS),
    );
    assert_refused(
        &book.call("DELETE", &format!("/{number}")).send(),
        invalid(TRUNK),
    );
    assert_refused(&create(&book, alias, NUMBER), invalid(CHARACTERS));
    assert_refused(&create(&book, "b", number), invalid(TRUNK));
    let put = |body: &Value| {
        book.call("PUT", &alias_path(alias))
            .json(body.to_string())
            .send()
    };
    assert_refused(&put(&json!({"msisdn": NUMBER})), invalid(CHARACTERS));
    book.store_old(alias, number);
    for found in [
        query(&[("msisdn", number)]),
        query(&[("alias", alias)]),
        query(&[("search", number)]),
    ] {
        assert_eq!(book.list(&found)["total"], 1, "{found}");
    }
    let got = book.call("GET", &alias_path(alias)).send().json();
    let id = got["record"]["id"].as_str().unwrap().to_owned();
    // A write that leaves both as they are is none of their business.
    let patch = |body: &Value| {
        book.call("PATCH", &format!("/{id}"))
            .json(body.to_string())
            .send()
    };
    let patched = patch(&json!({"alias": alias, "msisdn": number, "meta": {"a": 1}}));
    assert_eq!(patched.json()["outcome"], "updated", "{}", patched.body);
    assert_eq!(
        put(&json!({"msisdn": number, "meta": {"a": 1}})).json()["outcome"],
        "unchanged"
    );
    for format in [CSV, NDJSON] {
        let file = export(&book, format).body;
        for mode in ["upsert", "merge"] {
            let again = import(&book, &format!("?mode={mode}"), format, file.as_str());
            assert_eq!(counts(&again), [1, 0, 0, 1, 0], "{}", again.body);
        }
    }
    let other = book.contact_of("other", "15550000000");
    let change = |body: Value| {
        book.call("PATCH", &format!("/{other}"))
            .json(body.to_string())
            .send()
    };
    assert_refused(&change(json!({"msisdn": number})), invalid(TRUNK));
    assert_refused(
        &change(json!({"alias": format!("{alias}{alias}")})),
        invalid(CHARACTERS),
    );
    let sent = book.resolve(&json!({"recipients": [alias]}));
    assert_eq!(sent["recipients"][0]["msisdn"], number);
    assert_eq!(
        book.call("DELETE", &format!("/{number}")).send().status,
        200
    );
    assert_eq!(book.list("")["total"], 1);
}

#[test]
fn an_alias_shows_its_edges() {
    let book = book();
    for alias in [
        "Zoë\u{200b}",
        "Zoë\u{feff}",
        "Zoë\u{2060}",
        "Zoë\u{ad}",
        "\u{3164}",
        "\u{feff}Zoë",
        "\u{200d}",
        "a\u{e0001}",
    ] {
        assert_refused(&create(&book, alias, NUMBER), invalid(CHARACTERS));
        let group = book
            .server
            .call("POST", "/addressbook/groups")
            .key(&book.key);
        let group = group.json(json!({"name": alias}).to_string()).send();
        assert_refused(
            &group,
            invalid("Name contains characters that are not allowed"),
        );
    }
    for alias in [
        "👩\u{200d}🚀",
        "❤\u{fe0f}",
        "क\u{94d}\u{200d}",
        "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
        "नम\u{200c}स्ते",
    ] {
        assert_eq!(create(&book, alias, NUMBER).status, 200, "{alias}");
    }
}

#[test]
fn filters_find_by_a_spelling_what_their_siblings_find_by_it() {
    let book = book();
    book.contact_of("Zoë Smith", NUMBER);
    book.contact_of("4-4", "15550000000");
    let finds = |name: &str, value: &str, expected: &[&str]| book.finds(&[(name, value)], expected);
    for spelled in [
        "+44 7700 900101",
        "+44 (7700) 900-101",
        "0044 7700 900101",
        "447700900101",
        "\u{202a}+447700900101\u{202c}",
    ] {
        finds("search", spelled, &["Zoë Smith"]);
        finds("msisdn", spelled, &["Zoë Smith"]);
    }
    for part in ["7700 900", "+44 77", "(7700) 900", "7700\u{a0}90", "0101"] {
        finds("search", part, &["Zoë Smith"]);
    }
    // A part of an alias keeps what separates numbers.
    finds("search", "4-4", &["4-4", "Zoë Smith"]);
    finds("search", "-", &["4-4"]);
    for spelled in [
        "Zoë Smith",
        "Zoe\u{308} Smith",
        " Zoë Smith ",
        "\u{a0}Zoe\u{308} Smith",
    ] {
        for name in ["alias", "search"] {
            finds(name, spelled, &["Zoë Smith"]);
        }
        assert_eq!(book.call("GET", &alias_path(spelled)).send().status, 200);
    }
    for prefix in ["Zoë", "Zoe\u{308}", "\tZoe\u{308} ", "Zoë S"] {
        finds("aliasPrefix", prefix, &["Zoë Smith"]);
    }
    for (wrong, message) in [
        (
            "offset=99999999999999999999",
            "Parameter offset must be a whole number, 0 or more",
        ),
        (
            "offset=18446744073709551616",
            "Parameter offset must be a whole number, 0 or more",
        ),
        (
            "limit=99999999999999999999",
            "Parameter limit must be a whole number from 1 to 1000",
        ),
    ] {
        assert_refused(&book.page(wrong), invalid(message));
    }
}

#[test]
fn a_taken_alias_says_whose_it_is_to_a_key_that_may_read() {
    let book = book();
    let id = book.contact_of("anna", NUMBER);
    let other = book.contact_of("other", NUMBER);
    let link = format!("</addressbook/contacts/{id}>; rel=\"item\"");
    let body = json!({"alias": "anna", "msisdn": NUMBER}).to_string();
    let blind = book.server.key(&["create:Contacts", "update:Contacts"]);
    for (key, expected) in [(&book.key, link.as_str()), (&blind, "")] {
        let call = |method: &str, path: &str| {
            let call = book
                .server
                .call(method, &format!("/addressbook/contacts{path}"));
            call.key(key).json(body.as_str()).send()
        };
        for reply in [
            call("POST", ""),
            call("POST", &format!("/{other}")),
            call("PATCH", &format!("/{other}")),
        ] {
            assert_refused(&reply, invalid("Alias already exists"));
            assert_eq!(reply.header("link"), expected);
        }
    }
    assert_eq!(create(&book, "anna ", "12").header("link"), "");
    let once = book
        .call("POST", "")
        .header("Idempotency-Key", "1")
        .json(body.as_str())
        .send();
    assert_refused(&once, invalid("Alias already exists"));
    assert_eq!(once.header("link"), link);
}
