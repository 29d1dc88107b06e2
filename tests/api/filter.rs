//! `GET /addressbook/contacts`: each filter alone, and some together.

use serde_json::{Value, json};

use crate::book::Book;
use crate::list::{contact, texts};

/// A query from decoded parameters.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(parameters).unwrap()
}

impl Book {
    /// Asserts which aliases a list shows, sorted by alias, and their total.
    pub(super) fn finds(&self, parameters: &[(&str, &str)], expected: &[&str]) {
        let sorted = format!("{}&sortField=alias&limit=1000", query(parameters));
        let list = self.list(&sorted);
        assert_eq!(texts(&list, "alias"), expected, "{parameters:?}");
        assert_eq!(list["total"], expected.len(), "{parameters:?}");
        let by_cursor = self.list(&format!("{sorted}&cursor="));
        assert_eq!(texts(&by_cursor, "alias"), expected, "{parameters:?}");
    }
}

/// A book whose contacts all have one number.
fn named(aliases: &[&str]) -> Book {
    let book = Book::start();
    book.fill(aliases.iter().map(|alias| contact(alias, "4479000000001")));
    book
}

#[test]
fn alias_finds_the_one_contact_of_exactly_this_alias() {
    let book = named(&["John", "Zoë", "john", "john 2", "jöhn"]);
    for (alias, found) in [
        ("john", "john"),
        ("John", "John"),
        (" john\t", "john"),
        ("john 2", "john 2"),
        ("Zoe\u{308}", "Zoë"),
    ] {
        book.finds(&[("alias", alias)], &[found]);
    }
    for nobody in ["JOHN", "joh", "john%", "j_hn", "Zoe", "4479000000001"] {
        book.finds(&[("alias", nobody)], &[]);
    }
}

#[test]
fn msisdn_finds_a_number_however_it_is_written() {
    let book = Book::start();
    book.fill([
        contact("a", "4479000000001"),
        contact("b", "+44 79 000 000 001"),
        contact("c", "447900000000"),
        contact("d", "44790000000011"),
    ]);
    for written in [
        "4479000000001",
        "+4479000000001",
        "004479000000001",
        "+44 (79) 0000-000.01",
        " 44 79000000 001 ",
    ] {
        book.finds(&[("msisdn", written)], &["a", "b"]);
    }
    book.finds(&[("msisdn", "447900000000")], &["c"]);
    book.finds(&[("msisdn", "7900000000")], &[]);
}

#[test]
fn alias_prefix_compares_from_the_first_character_exactly() {
    let book = named(&[
        "%",
        "%a",
        "A b",
        "a b",
        "ab",
        "a\u{10ffff}",
        "b",
        "é",
        "\u{d7ff}x",
        "\u{e000}",
        "\u{10ffff}",
    ]);
    book.finds(&[("aliasPrefix", "a")], &["a b", "ab", "a\u{10ffff}"]);
    book.finds(&[("aliasPrefix", "a ")], &["a b"]);
    book.finds(&[("aliasPrefix", "A")], &["A b"]);
    book.finds(&[("aliasPrefix", "%")], &["%", "%a"]);
    book.finds(&[("aliasPrefix", "_")], &[]);
    book.finds(&[("aliasPrefix", "e")], &[]);
    book.finds(&[("aliasPrefix", "é")], &["é"]);
    book.finds(&[("aliasPrefix", "\u{d7ff}")], &["\u{d7ff}x"]);
    book.finds(&[("aliasPrefix", "\u{10ffff}")], &["\u{10ffff}"]);
    book.finds(&[("aliasPrefix", "a\u{10ffff}")], &["a\u{10ffff}"]);
    book.finds(&[("aliasPrefix", "\0")], &[]);
}

#[test]
fn search_finds_a_part_of_alias_or_number() {
    let book = Book::start();
    book.fill([
        contact("1234", "4479000000001"),
        contact("John 44", "1234567"),
        contact("jane", "7654321"),
    ]);
    book.finds(&[("search", "44")], &["1234", "John 44"]);
    book.finds(&[("search", "1234")], &["1234", "John 44"]);
    book.finds(&[("search", "7654321")], &["jane"]);
    book.finds(&[("search", "n")], &["John 44", "jane"]);
    book.finds(&[("search", " ")], &["John 44"]);
    book.finds(&[("search", "jane7654321")], &[]);
}

#[test]
fn search_ignores_the_case_of_ascii_letters_alone() {
    let book = named(&["JOHN É", "john é", "straße", "İz"]);
    book.finds(&[("search", "jOhN")], &["JOHN É", "john é"]);
    book.finds(&[("search", "é")], &["john é"]);
    book.finds(&[("search", "N É")], &["JOHN É"]);
    book.finds(&[("search", "SS")], &[]);
    book.finds(&[("search", "STRAßE")], &["straße"]);
    book.finds(&[("search", "iz")], &[]);
}

#[test]
fn wildcards_and_escapes_are_ordinary_characters_of_a_search() {
    let book = named(&[
        "%", "*", "50% off", "50x off", "?", "[a]", "\\", "\\%", "_", "a", "a_b", "axb",
    ]);
    book.finds(&[("search", "%")], &["%", "50% off", "\\%"]);
    book.finds(&[("search", "_")], &["_", "a_b"]);
    book.finds(&[("search", "\\")], &["\\", "\\%"]);
    book.finds(&[("search", "\\%")], &["\\%"]);
    book.finds(&[("search", "a_b")], &["a_b"]);
    book.finds(&[("search", "50% o")], &["50% off"]);
    book.finds(&[("search", "*")], &["*"]);
    book.finds(&[("search", "?")], &["?"]);
    book.finds(&[("search", "[a]")], &["[a]"]);
    book.finds(&[("search", "%%")], &[]);
}

#[test]
fn a_search_for_what_no_contact_holds_finds_none() {
    let book = named(&["john"]);
    for text in ["\0", "jo\0hn", "\0john", "john\0", "ohn\0x", "\u{fffd}"] {
        book.finds(&[("search", text)], &[]);
    }
}

#[test]
fn filters_hold_all_at_once() {
    let book = Book::start();
    let body = |alias: &str, msisdn: &str, meta: Value| json!({"alias": alias, "msisdn": msisdn, "meta": meta});
    book.fill([
        body("ann", "1111111", json!({"A": 1, "B": "x"})),
        body("anna", "1111111", json!({"A": 1, "B": "y"})),
        body("bob", "1111111", json!({"A": 1, "B": "x"})),
        body("annika", "2222222", json!({"A": 2, "B": "x"})),
    ]);
    book.finds(
        &[("aliasPrefix", "ann"), ("msisdn", "1111111")],
        &["ann", "anna"],
    );
    book.finds(&[("meta.A", "1"), ("meta.B", "x")], &["ann", "bob"]);
    book.finds(&[("search", "n"), ("meta.B", "x")], &["ann", "annika"]);
    book.finds(
        &[
            ("aliasPrefix", "a"),
            ("search", "NN"),
            ("msisdn", "+1111111"),
            ("meta.A", "1.0"),
            ("meta.B", "x"),
        ],
        &["ann"],
    );
    book.finds(
        &[("alias", "ann"), ("aliasPrefix", "an"), ("search", "1")],
        &["ann"],
    );
    book.finds(&[("alias", "ann"), ("msisdn", "2222222")], &[]);
    book.finds(&[("meta.A", "1"), ("meta.C", "1")], &[]);
}

#[test]
fn values_that_no_contact_could_have_are_refused() {
    let book = Book::start();
    let alias_long = "é".repeat(129);
    let characters = "Alias contains characters that are not allowed";
    let format = "Msisdn must be a phone number in international format";
    let prefix = "Parameter aliasPrefix must be 1 to 128 characters";
    let search = "Parameter search must be 1 to 128 characters";
    for (name, value, message) in [
        ("alias", "", "Alias is required"),
        ("alias", " ", "Alias is required"),
        (
            "alias",
            alias_long.as_str(),
            "Alias must be at most 128 characters",
        ),
        ("alias", "a\0", characters),
        ("alias", "a\u{202e}", characters),
        ("alias", "..", characters),
        ("msisdn", "", "Msisdn is required"),
        ("msisdn", "john", format),
        ("msisdn", "123456", format),
        ("msisdn", "1234567890123456", format),
        ("msisdn", "0790000000", format),
        ("aliasPrefix", "", prefix),
        ("aliasPrefix", alias_long.as_str(), prefix),
        ("search", "", search),
        ("search", alias_long.as_str(), search),
    ] {
        book.refused(&query(&[(name, value)]), message);
    }
    book.fill([contact(&alias_long[2..], "4479000000001")]);
    for name in ["alias", "aliasPrefix", "search"] {
        book.finds(&[(name, &alias_long[2..])], &[&alias_long[2..]]);
    }
}

#[test]
fn what_looks_like_sql_is_text() {
    let book = named(&["john", "x' OR '1'='1"]);
    let attacks = [
        "' OR 1=1--",
        "'; DROP TABLE contacts; --",
        "\" OR \"\"=\"",
        "x') OR 1=1 --",
        "?1",
        ":a",
        "1 UNION SELECT hash FROM api_keys",
    ];
    for attack in attacks {
        for name in [
            "alias",
            "aliasPrefix",
            "search",
            "meta.A",
            &format!("meta.{attack}"),
        ] {
            book.finds(&[(name, attack)], &[]);
        }
        book.refused(
            &query(&[("msisdn", attack)]),
            "Msisdn must be a phone number in international format",
        );
        book.refused(
            &query(&[("sortField", attack)]),
            "Parameter sortField must be created_on, alias or msisdn",
        );
        book.refused(
            &query(&[("sortDir", attack)]),
            "Parameter sortDir must be ASC or DESC",
        );
        book.refused(
            &query(&[("limit", attack)]),
            "Parameter limit must be a whole number from 1 to 1000",
        );
    }
    book.finds(&[("search", "' OR '")], &["x' OR '1'='1"]);
    assert_eq!(book.server.stored(), 2);
}

#[test]
fn bytes_that_are_no_text_find_no_contact() {
    let book = named(&["\u{fffd}", "x\u{fffd}y"]);
    book.finds(&[("search", "\u{fffd}")], &["x\u{fffd}y", "\u{fffd}"]);
    for bytes in ["alias=%FF", "alias=x%FFy", "aliasPrefix=x%C3", "search=%FF"] {
        let reply = book.page(bytes);
        assert!(!reply.body.contains('\u{fffd}'), "{bytes}: {}", reply.body);
    }
}
