//! `GET /addressbook/contacts?meta.NAME=`: what equals a member of a meta.

use serde_json::{Value, json};

use crate::book::Book;
use crate::filter::query;
use crate::list::contact;

fn with_meta(alias: &str, meta: &str) -> Value {
    json!({"alias": alias, "msisdn": "4479000000001", "meta": serde_json::from_str::<Value>(meta).unwrap()})
}

#[test]
fn meta_finds_strings_exactly() {
    let book = Book::start();
    book.fill([
        with_meta("a", r#"{"CITY":"London"}"#),
        with_meta("b", r#"{"CITY":"london"}"#),
        with_meta("c", r#"{"city":"London"}"#),
        with_meta("d", r#"{"CITY":"London "}"#),
        with_meta("e", r#"{"CITY":["London"],"x":{"CITY":"London"}}"#),
        with_meta("f", r#"{"CITY":""}"#),
        with_meta("g", r#"{"CITY":"Zu\u0308rich \"%_\\ 😀\n"}"#),
    ]);
    book.finds(&[("meta.CITY", "London")], &["a"]);
    book.finds(&[("meta.CITY", "london")], &["b"]);
    book.finds(&[("meta.city", "London")], &["c"]);
    book.finds(&[("meta.CITY", "London ")], &["d"]);
    book.finds(&[("meta.CITY", "")], &["f"]);
    book.finds(&[("meta.CITY", "Zu\u{308}rich \"%_\\ 😀\n")], &["g"]);
    for nobody in [
        "Londo%",
        "[\"London\"]",
        "\"London\"",
        "Zürich",
        "\0",
        "London\0",
    ] {
        book.finds(&[("meta.CITY", nobody)], &[]);
    }
}

#[test]
fn meta_finds_numbers_as_numbers() {
    let book = Book::start();
    for (alias, number) in [
        ("a", "1"),
        ("b", "1.0"),
        ("c", "1e0"),
        ("d", "10E-1"),
        ("e", "2"),
        ("f", "\"1\""),
        ("g", "-0"),
        ("h", "0.1"),
        ("i", "1.5e-7"),
        ("j", "true"),
        ("k", "9007199254740993"),
        ("l", "9007199254740992"),
        ("m", "1e300"),
        ("n", "-17"),
    ] {
        let body =
            format!(r#"{{"alias":"{alias}","msisdn":"4479000000001","meta":{{"N":{number}}}}}"#);
        assert_eq!(book.server.create(&book.key, body).status, 200);
    }
    book.finds(&[("meta.N", "1")], &["a", "b", "c", "d", "f"]);
    for one in ["1.0", "1e0", "10e-1", "0.1e1", "1E+0"] {
        book.finds(&[("meta.N", one)], &["a", "b", "c", "d"]);
    }
    book.finds(&[("meta.N", "2.0")], &["e"]);
    book.finds(&[("meta.N", "0")], &["g"]);
    book.finds(&[("meta.N", "1e-1")], &["h"]);
    book.finds(&[("meta.N", "0.00000015")], &["i"]);
    book.finds(&[("meta.N", "9007199254740993")], &["k"]);
    book.finds(&[("meta.N", "9007199254740992")], &["l"]);
    book.finds(&[("meta.N", "10e299")], &["m"]);
    book.finds(&[("meta.N", "-17.0")], &["n"]);
    for no_number in [
        "01", "+1", "1.", ".1", "0x1", "1,0", "1_0", "one", "NaN", "inf",
    ] {
        book.finds(&[("meta.N", no_number)], &[]);
    }
}

#[test]
fn meta_tells_numbers_of_any_size_apart() {
    let book = Book::start();
    let numbers = [
        "18446744073709551615",
        "18446744073709551614",
        "123456789012345678901234567890",
        "123456789012345678901234567891",
        "1e400",
        "-1e400",
        "1e401",
        "1e-400",
        "0",
    ];
    for number in numbers {
        let body =
            format!(r#"{{"alias":"{number}","msisdn":"4479000000001","meta":{{"N":{number}}}}}"#);
        assert_eq!(book.server.create(&book.key, body).status, 200);
    }
    let mut wrong = Vec::new();
    for number in numbers {
        let found = book.aliases(&query(&[("meta.N", number)]));
        if found != [number] {
            wrong.push((number, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn meta_finds_true_false_and_null_by_word() {
    let book = Book::start();
    book.fill(
        [
            "true", "false", "null", "\"true\"", "\"null\"", "1", "0", "[]", "{}",
        ]
        .map(|value| with_meta(value, &format!(r#"{{"K":{value}}}"#))),
    );
    book.fill([contact("no member", "1234567")]);
    book.finds(&[("meta.K", "true")], &["\"true\"", "true"]);
    book.finds(&[("meta.K", "false")], &["false"]);
    book.finds(&[("meta.K", "null")], &["\"null\"", "null"]);
    book.finds(&[("meta.K", "1")], &["1"]);
    book.finds(&[("meta.K", "0")], &["0"]);
    for nobody in ["True", "NULL", "", "[]", "{}", "\"true\""] {
        book.finds(&[("meta.K", nobody)], &[]);
    }
}

#[test]
fn a_name_in_meta_may_have_any_character() {
    let book = Book::start();
    let names = [
        "a.b", "a b", " ", "\"", "a\"b", "'", "\\", "\\\\", "a\\nb", "\n", "$", "$.a", "[0]",
        "a[0]", "é", "e\u{301}", "😀", ".", "%", "_", "*", "#", "a=b", "a&b", "a+b", "NAME",
        "name", "\u{1}", "0", "/",
    ];
    book.fill(names.iter().enumerate().map(|(number, name)| {
        json!({"alias": format!("{number:02}"), "msisdn": "4479000000001", "meta": {*name: "here", "a": {"b": "here"}}})
    }));
    for (number, name) in names.iter().enumerate() {
        let parameter = format!("meta.{name}");
        book.finds(&[(&parameter, "here")], &[&format!("{number:02}")]);
        book.finds(&[(&parameter, "elsewhere")], &[]);
    }
    book.finds(&[("meta.a", "here")], &[]);
    book.finds(&[("meta.nobody", "null")], &[]);
}

#[test]
fn sixteen_names_of_meta_are_the_most() {
    let book = Book::start();
    let members: Vec<String> = (0..17).map(|number| format!(r#""{number}":"x""#)).collect();
    book.fill([with_meta("all", &format!("{{{}}}", members.join(",")))]);
    let names: Vec<String> = (0..17).map(|number| format!("meta.{number}")).collect();
    let mut parameters: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let message = "Parameter meta.NAME may be given for at most 16 names";
    book.refused(&query(&parameters), message);
    parameters.pop();
    book.finds(&parameters, &["all"]);
    parameters[15].1 = "y";
    book.finds(&parameters, &[]);
}

#[test]
fn a_number_with_white_space_around_it_is_a_text() {
    let book = Book::start();
    book.fill([
        with_meta("number", r#"{"N":1}"#),
        with_meta("text", r#"{"N":" 1"}"#),
    ]);
    book.finds(&[("meta.N", " 1")], &["text"]);
    for nobody in ["1 ", "\n1", "1\t"] {
        book.finds(&[("meta.N", nobody)], &[]);
    }
}

#[test]
fn meta_finds_a_number_by_the_digits_that_were_sent() {
    let book = Book::start();
    let numbers = [
        "0.1",
        "51.507351",
        "-0.127758",
        "240663000127.02502",
        "221081823457.64838",
        "9.081404891174467e+142",
        "3.0857894137963574e-86",
        "1.7976931348623157e308",
        "5e-324",
    ];
    for number in numbers {
        let body =
            format!(r#"{{"alias":"{number}","msisdn":"4479000000001","meta":{{"N":{number}}}}}"#);
        assert_eq!(book.server.create(&book.key, body).status, 200);
    }
    let found = numbers.map(|number| book.aliases(&query(&[("meta.N", number)])));
    assert_eq!(found, numbers.map(|number| [number]));
}

#[test]
fn a_whole_number_may_be_asked_for_with_decimals_whatever_its_size() {
    let book = Book::start();
    book.fill([with_meta("large", r#"{"N":9007199254740993}"#)]);
    book.finds(&[("meta.N", "9007199254740993")], &["large"]);
    book.finds(&[("meta.N", "9007199254740992.0")], &[]);
    book.finds(&[("meta.N", "9007199254740993.0")], &["large"]);
}

#[test]
fn a_query_has_at_most_64_parameters_and_values_have_a_length() {
    let book = Book::start();
    let refused = |query: &str| {
        let reply = book.call("GET", &format!("?{query}")).send();
        (reply.status, reply.message())
    };
    let parameters = |count: usize| {
        let names = (0..count).map(|number| format!("p{number}=1"));
        names.collect::<Vec<_>>().join("&")
    };
    let too_many = (400, "There must be at most 64 parameters".to_owned());
    assert_eq!(refused(&parameters(65)), too_many);
    assert_eq!(refused(&"&".repeat(16_000)), too_many);
    assert_eq!(refused(&parameters(64)).1, "Unknown parameter: p0");
    let value = |characters: usize| format!("meta.a={}", "x".repeat(characters));
    let too_long = "Parameter meta.NAME must be at most 1024 characters";
    assert_eq!(refused(&value(1025)).1, too_long);
    let fits = book.call("GET", &format!("?{}", value(1024))).send();
    assert_eq!(fits.status, 200);
}
