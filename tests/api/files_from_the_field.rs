//! Files, texts and heads of requests that people really send.

use serde_json::{Value, json};

use crate::book::{Book, alias_path, assert_refused, invalid};
use crate::from_the_field::{CSV, DECIMAL, NDJSON, NUMBER, book};
use crate::transfer::{counts, export, import};

#[test]
fn a_file_may_have_what_spreadsheets_put_into_it() {
    let book = book();
    for (file, number) in [
        ("sep=;\r\nalias;msisdn;\r\nanna;447700900101;\r\n", NUMBER),
        ("alias,msisdn\nanna,447700900101.0\n", NUMBER),
        (
            "alias,msisdn,CITY\nanna,447700900101,Leeds\n,,\n,,\n",
            NUMBER,
        ),
        ("Alias,MSISDN,City\nanna,447700900101,Leeds\n", NUMBER),
        ("alias\tmsisdn\nanna\t'+447700900101\n", NUMBER),
    ] {
        let reply = import(&book, "?mode=upsert&dryRun=true", CSV, file);
        assert_eq!(counts(&reply), [1, 1, 0, 0, 0], "{file}: {}", reply.body);
        assert_eq!(counts(&import(&book, "", CSV, file)), [1, 1, 0, 0, 0]);
        assert_eq!(book.numbers(), [number]);
        assert_eq!(
            book.call("DELETE", &format!("/{number}")).send().status,
            200
        );
    }
    let json = r#"{"alias":"anna","msisdn":"447700900101.0"}"#;
    assert_eq!(
        import(&book, "", NDJSON, json).json()["errors"][0]["message"],
        DECIMAL
    );
    for (file, found) in [
        (
            "First Name,Last Name,Labels,Phone 1 - Label,Phone 1 - Value\nAnna,E,* my,Mobile,+44 7700 900101\n",
            "First Name, Last Name, Labels, Phone 1 - Label, Phone 1 - Value",
        ),
        (
            "\"First Name\",\"Last Name\",\"Mobile Phone\"\r\n\"Anna\",\"E\",\"+44 7700 900101\"\r\n",
            "First Name, Last Name, Mobile Phone",
        ),
    ] {
        let message = format!(
            "Line 1: The first line must name the columns alias and msisdn, missing: alias, msisdn, found: {found}"
        );
        assert_refused(&import(&book, "", CSV, file), invalid(&message));
    }
    let western: &[u8] = b"alias;msisdn;Ort\r\nZo\xeb;447700900101;K\xf6ln\r\n";
    let refused = import(&book, "", CSV, western);
    assert_eq!(
        refused.json()["errors"][0]["message"],
        "Row is not text in UTF-8"
    );
    assert_eq!(
        counts(&import(&book, "?encoding=windows-1252", CSV, western)),
        [1, 1, 0, 0, 0]
    );
    let wide: Vec<u8> = "\u{feff}alias\tmsisdn\r\nÅsa\t447700900102\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(counts(&import(&book, "", CSV, wide)), [1, 1, 0, 0, 0]);
    assert_eq!(book.aliases("sortField=alias"), ["Zoë", "Åsa"]);
    assert_refused(
        &import(&book, "?encoding=latin1", CSV, western),
        invalid("Parameter encoding must be utf-8 or windows-1252"),
    );
}

#[test]
fn an_export_with_a_mark_opens_rightly_in_a_spreadsheet_and_comes_back() {
    let book = book();
    book.contact_of("Zoë", NUMBER);
    let plain = export(&book, CSV).body;
    let marked = book.call("GET", "/export?bom=true").send();
    assert_eq!(marked.body, format!("\u{feff}{plain}"));
    assert_eq!(
        counts(&import(&book, "?mode=upsert", CSV, marked.body)),
        [1, 0, 0, 1, 0]
    );
    let wrong = book.call("GET", "/export?bom=1").send();
    assert_refused(&wrong, invalid("Parameter bom must be true or false"));
    let json = book
        .call("GET", "/export?bom=true")
        .header("Accept", NDJSON)
        .send();
    assert_refused(&json, invalid("Parameter bom is for CSV alone"));
}

#[test]
fn a_merge_keeps_what_a_file_does_not_name_and_a_dry_run_says_what_an_upsert_clears() {
    let meta = |book: &Book| {
        let full = book.call("GET", &alias_path("anna")).send().json();
        full["record"]["meta"].clone()
    };
    let stored = r#"{"alias":"anna","msisdn":"447700900101","meta":{"CONSENT":"yes","CITY":"Leeds","n":{"a":1,"b":2}}}"#;
    let file = "alias,msisdn,CITY\nanna,447700900101,York\nnew,447700900102,York\n";
    let with = book();
    with.contact(stored);
    let dry = import(&with, "?mode=upsert&dryRun=true", CSV, file).json();
    assert_eq!(dry["summary"]["cleared"], 2);
    let bulk = json!({"mode": "upsert", "dryRun": true, "contacts": [{"alias": "anna", "msisdn": NUMBER}]});
    let bulk = with
        .call("POST", "/bulk")
        .json(bulk.to_string())
        .send()
        .json();
    assert_eq!(bulk["summary"]["cleared"], 3);
    let merged = import(&with, "?mode=merge", CSV, file);
    assert_eq!(counts(&merged), [2, 1, 1, 0, 0]);
    assert_eq!(merged.json()["summary"].get("cleared"), None);
    assert_eq!(
        meta(&with),
        json!({"CONSENT": "yes", "CITY": "York", "n": {"a": 1, "b": 2}})
    );
    assert_eq!(
        counts(&import(&with, "?mode=merge", CSV, file)),
        [2, 0, 0, 2, 0]
    );
    // A patch removes by null, and what it creates has none.
    let items = json!([
        {"alias": "anna", "msisdn": NUMBER, "meta": {"CONSENT": null, "n": {"b": null}}},
        {"alias": "made", "msisdn": NUMBER, "meta": {"x": null, "y": 1}},
    ]);
    let bulk = json!({"mode": "merge", "contacts": items}).to_string();
    let bulk = with.call("POST", "/bulk").json(bulk).send().json();
    assert_eq!(bulk["results"][0]["status"], "updated");
    assert_eq!(bulk["results"][1]["status"], "created");
    assert_eq!(meta(&with), json!({"CITY": "York", "n": {"a": 1}}));
    let made = with.call("GET", &alias_path("made")).send().json();
    assert_eq!(made["record"]["meta"], json!({"y": 1}));
    let lines = items.as_array().unwrap().iter().map(Value::to_string);
    let lines: Vec<String> = lines.collect();
    assert_eq!(
        counts(&import(&with, "?mode=merge", NDJSON, lines.join("\n"))),
        [2, 0, 0, 2, 0]
    );
    let upserted = import(&with, "?mode=upsert", CSV, file);
    assert_eq!(counts(&upserted), [2, 0, 1, 1, 0]);
    assert_eq!(meta(&with), json!({"CITY": "York"}));
    let may_not = with.server.key(&["create:Contacts"]);
    let refused = with
        .server
        .call("POST", "/contacts/import?mode=merge")
        .key(&may_not);
    let refused = refused.header("Content-Type", CSV).body(file).send();
    assert_eq!(
        refused.message(),
        "API Key is not permitted to perform this action. (update:Contacts)"
    );
}

#[test]
fn a_text_is_ready_or_says_that_it_is_not() {
    let book = book();
    book.contact(
        r#"{"alias":"anna","msisdn":"447700900101","meta":{"NAME":"Anna","PRÉNOM":"Zoë"}}"#,
    );
    book.contact_of("bob", "447700900102");
    book.contact_of("bobs desk", "447700900102");
    for (text, filled) in [
        ("Hi {{ NAME }}", "Hi Anna"),
        ("{{PRE\u{301}NOM}} {{pre\u{301}nom}}", "Zoë Zoë"),
        ("Dear {{TITLE|friend}} {{name | you}}", "Dear friend Anna"),
    ] {
        let resolved = book.resolve(&json!({"recipients": ["anna"], "text": text}));
        assert_eq!(resolved["recipients"][0]["text"], filled, "{text}");
        assert_eq!(resolved["recipients"][0].get("missing"), None);
    }
    let ask = |on_missing: Option<&str>| {
        let mut body = json!({"recipients": ["bob", "bobs desk", "anna"], "text": "Dear {{NAME}}"});
        if let Some(word) = on_missing {
            body["onMissing"] = json!(word);
        }
        let resolved = book.resolve(&body);
        let statuses = resolved["results"].as_array().unwrap().iter();
        let statuses: Vec<String> = statuses
            .map(|one| one["status"].as_str().unwrap().to_owned())
            .collect();
        (statuses.join(" "), resolved)
    };
    for word in [None, Some("keep")] {
        let (statuses, resolved) = ask(word);
        assert_eq!(statuses, "ok duplicate ok");
        let bob = json!({"alias": "bob", "msisdn": "447700900102", "text": "Dear {{NAME}}", "missing": ["NAME"]});
        assert_eq!(resolved["recipients"][0], bob);
        assert_eq!(resolved["results"][0]["missing"], json!(["NAME"]));
    }
    let (statuses, resolved) = ask(Some("empty"));
    assert_eq!(statuses, "ok duplicate ok");
    assert_eq!(resolved["recipients"][0]["text"], "Dear ");
    assert_eq!(resolved["recipients"][0]["missing"], json!(["NAME"]));
    let (statuses, resolved) = ask(Some("skip"));
    assert_eq!(statuses, "incomplete incomplete ok");
    assert_eq!(resolved["recipients"].as_array().unwrap().len(), 1);
    assert_eq!(resolved["results"][0]["missing"], json!(["NAME"]));
    assert_eq!(resolved["results"][0].get("text"), None);
    for wrong in [json!("drop"), json!(1), json!("")] {
        let body = json!({"recipients": ["bob"], "text": "x", "onMissing": wrong});
        let call = book.call("POST", "/resolve").json(body.to_string());
        assert_refused(
            &call.send(),
            invalid("OnMissing must be keep, empty or skip"),
        );
    }
}

#[test]
fn json_comes_with_a_mark_and_under_other_labels() {
    let book = book();
    let contact = |n: usize| json!({"alias": n.to_string(), "msisdn": NUMBER}).to_string();
    for (n, content_type) in [
        "application/json",
        "application/json; charset=utf8",
        "application/json; charset=\"UTF-8\"",
        "Application/JSON;Charset=UTF8",
    ]
    .into_iter()
    .enumerate()
    {
        let call = book.call("POST", "").header("Content-Type", content_type);
        let reply = call.body(format!("\u{feff}{}", contact(n))).send();
        assert_eq!(reply.status, 200, "{content_type}: {}", reply.body);
    }
    let id = book.list("")["records"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let patch = "application/merge-patch+json";
    let change = |method: &str| {
        let call = book
            .call(method, &format!("/{id}"))
            .header("Content-Type", patch);
        call.body(r#"{"meta":{"a":1}}"#).send().status
    };
    assert_eq!(change("PATCH"), 200);
    assert_eq!(change("POST"), 415);
    let latin = book
        .call("POST", "")
        .header("Content-Type", "application/json; charset=latin1");
    assert_eq!(latin.body(contact(9)).send().status, 415);
}
