//! Texts that are filled, and what is said of those that are not.

use super::*;
use crate::contact::{Alias, Contact, ContactId, Msisdn};
use crate::meta::Meta;
use crate::moment::Moment;
use proptest::prelude::*;

fn contact(meta: &str) -> FullContact {
    FullContact {
        contact: Contact {
            id: ContactId::from_uuid(uuid::Uuid::nil()),
            alias: Alias::parse("john").expect("an alias"),
            msisdn: Msisdn::parse("15550000000").expect("a number"),
        },
        meta: Meta::parse(serde_json::from_str(meta).expect("JSON")).expect("meta"),
        updated_on: Moment::from_millis(0),
        groups: Vec::new(),
    }
}

fn parsed(text: &str) -> Result<Template, Invalid> {
    Template::parse(text, OnMissing::Keep)
}

fn render(text: &str, meta: &str) -> (String, Vec<String>) {
    let template = parsed(text).expect("a text");
    let rendered = template.render(&contact(meta), usize::MAX).expect("room");
    let missing = template.missing(&rendered).map(str::to_owned).collect();
    (rendered.text, missing)
}

#[test]
fn the_documented_text_is_filled() {
    let text = "Hello {{NAME}}, how is the weather in {{CITY}}?";
    let (filled, missing) = render(text, r#"{"NAME":"John","CITY":"London"}"#);
    assert_eq!(filled, "Hello John, how is the weather in London?");
    assert!(missing.is_empty());
}

#[test]
fn a_name_is_found_exactly_then_in_any_case_then_among_our_own() {
    let meta = r#"{"NAME":"A","name":"B","City":"C","alias":"D"}"#;
    for (text, filled) in [
        ("{{NAME}}{{name}}", "AB"),
        ("{{CITY}}", "C"),
        ("{{Name}}", "{{Name}}"),
        ("{{ALIAS}}", "D"),
        ("{{MSISDN}} {{msisdn}}", "15550000000 15550000000"),
        ("{{ NAME }}{{\tname\u{A0}}}", "AB"),
        ("{{ city}}", "C"),
    ] {
        assert_eq!(render(text, meta).0, filled, "{text}");
    }
    assert_eq!(render("{{Alias}}", "{}").0, "john");
    assert_eq!(
        render("{{alias}}", r#"{"ALIAS":"A","Alias":"B"}"#).0,
        "john"
    );
}

#[test]
fn a_name_is_found_in_any_unicode_form() {
    let meta = "{\"PRÉNOM\":\"Zoë\",\" Ort \":\"Köln\"}";
    assert_eq!(render("{{PRE\u{301}NOM}}", meta).0, "Zoë");
    assert_eq!(render("{{pre\u{301}nom}}", meta).0, "Zoë");
    assert_eq!(render("{{ORT}}", meta).0, "Köln");
    let both = "{\"É\":\"1\",\"E\u{301}\":\"2\"}";
    assert_eq!(render("{{É}}{{E\u{301}}}{{é}}", both).0, "12{{é}}");
}

#[test]
fn what_stands_behind_the_last_bar_stands_in() {
    let meta = r#"{"NAME":"Ada","a|b":"bar","z":null,"e":""}"#;
    for (text, filled) in [
        ("{{NAME|friend}}", "Ada"),
        ("{{ name |friend}}", "Ada"),
        ("{{TITLE|friend}}", "friend"),
        ("{{TITLE| dear friend }}", " dear friend "),
        ("{{TITLE|}}", ""),
        ("{{z|none}}", "none"),
        ("{{e|none}}", ""),
        ("{{a|b}}", "bar"),
        ("{{a|b|c}}", "bar"),
        ("{{x|y|c}}", "c"),
        ("{{alias|x}}", "john"),
        ("{{|x}}", "x"),
        ("{{TITLE|{NAME}}}", "{NAME}"),
    ] {
        let (rendered, missing) = render(text, meta);
        assert_eq!(rendered, filled, "{text}");
        assert!(missing.is_empty(), "{text}");
    }
}

#[test]
fn values_have_the_text_that_was_sent_and_some_have_none() {
    let meta = r#"{"n":1.50,"e":1e400,"t":true,"s":"","z":null,"o":{},"a":[1]}"#;
    let (filled, missing) = render("{{n}}|{{e}}|{{t}}|{{s}}|{{z}}|{{o}}|{{a}}|{{z}}", meta);
    assert_eq!(filled, "1.50|1e400|true||{{z}}|{{o}}|{{a}}|{{z}}");
    assert_eq!(missing, ["z", "o", "a"]);
}

#[test]
fn braces_that_are_no_placeholder_stay() {
    let meta = r#"{"N":"x"}"#;
    for (text, filled) in [
        ("{{{N}}}", "{x}"),
        ("{{ {{N}}", "{{ x"),
        ("{{N", "{{N"),
        ("N}}", "N}}"),
        ("{N}", "{N}"),
        ("}}{{", "}}{{"),
        ("{{}}", "{{}}"),
    ] {
        assert_eq!(render(text, meta).0, filled, "{text}");
    }
}

#[test]
fn a_text_has_1_to_4096_characters() {
    assert!(parsed(&"é".repeat(4096)).is_ok());
    assert_eq!(parsed(&"é".repeat(4097)), Err(Invalid::Text));
    assert_eq!(parsed(""), Err(Invalid::Text));
}

proptest! {
    #[test]
    fn values_are_never_expanded_again(value in "[{}NAB ]{0,12}", text in "([{}]{1,3}|N|A|x){0,12}y") {
        let meta = serde_json::json!({"N": value, "A": "{{N}}"}).to_string();
        let (filled, _) = render(&text, &meta);
        let template = parsed(&text).expect("a text");
        let expected: String = template.parts.iter().map(|part| match part {
            Part::Literal(text) => text.clone(),
            Part::Placeholder(at) => match template.names[*at].exact.as_str() {
                "N" => value.clone(),
                "A" => "{{N}}".to_owned(),
                name => format!("{{{{{name}}}}}"),
            },
        }).collect();
        prop_assert_eq!(filled, expected);
    }

    #[test]
    fn everything_between_braces_is_filled_or_missing(text in "(\\{\\{|\\}\\}|N|é| |\\{|\\}){0,16}.") {
        let (filled, missing) = render(&text, "{}");
        prop_assert_eq!(&filled, &text, "without values the text is as it was");
        let template = parsed(&text).expect("a text");
        for part in &template.parts {
            match part {
                Part::Placeholder(at) => prop_assert!(missing.contains(&template.names[*at].exact)),
                // What is left holds no whole placeholder.
                Part::Literal(text) => {
                    let opened = text.find("{{").map(|at| text[at..].contains("}}"));
                    prop_assert_ne!(opened, Some(true));
                }
            }
        }
    }
}
