//! A file brought in: looked at first, then stored, and what is bad in it said by its line.

use crate::page::{contact, signed_in_with_all};

/// Four rows, of which two are bad.
const FILE: &str = "alias,msisdn,CITY\n\
    john,447900900001,London\n\
    jane,not a number,Paris\n\
    ,447900900003,Berlin\n\
    maria,34600000001,\"Madrid <b>\"\n";

#[test]
fn a_file_is_tried_first_and_its_bad_rows_are_told_by_line_and_reason() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("contacts.csv");
    std::fs::write(&file, FILE).unwrap();
    let path = "/addressbook/contacts/import?dryRun=true";
    let tried = server.call("POST", path).key(&key);
    let tried = tried.header("Content-Type", "text/csv").body(FILE).send();
    let errors = tried.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 2, "{}", tried.body);

    page.go_to("#/import");
    page.sees("h1", "Import");
    page.give("input[type=file]", file.to_str().unwrap());
    page.sees("h2", "Dry run");
    page.sees(".figures", "2");
    for error in &errors {
        page.sees(".rejects", error["message"].as_str().unwrap());
        page.sees(".rejects .digits", &error["line"].to_string());
    }
    page.sees(".main", "Madrid <b>");
    assert_eq!(
        server.stored(),
        0,
        "nothing is stored before somebody says so"
    );

    page.click("Import 2 contacts");
    page.sees("h2", "2 contacts imported");
    assert_eq!(server.stored(), 2);
    assert_eq!(contact(&server, &key, "john")["meta"]["CITY"], "London");
    page.click("Show the contacts");
    page.sees(".top .count", "2 contacts");
}

#[test]
fn a_file_without_its_columns_is_refused_in_the_words_of_the_server() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("people.csv");
    let text = "name,phone\njohn,447900900001\n";
    std::fs::write(&file, text).unwrap();
    let tried = server.call("POST", "/addressbook/contacts/import?dryRun=true");
    let tried = tried.key(&key).header("Content-Type", "text/csv");
    let said = tried.body(text).send().message();
    page.expects("the server responded with a status of 400");
    page.go_to("#/import");
    page.sees("h1", "Import");
    page.give("input[type=file]", file.to_str().unwrap());
    page.sees(".main [role=alert]", &said);
    assert_eq!(server.stored(), 0);
}
