//! The API document, and values held against its shapes: the keywords of JSON Schema that it
//! uses, and no others. What `.ci/run` does not reach: the answers of the real server.

use serde_json::Value;

use crate::harness::run;

/// Keywords that describe, or that the validators of `.ci/run` hold the examples against.
const NOT_HELD: [&str; 4] = ["description", "default", "format", "pattern"];

/// The document as the command line prints it.
pub(super) fn printed() -> String {
    let output = run(&["openapi"]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The same, read.
pub(super) fn document() -> Value {
    serde_json::from_str(&printed()).unwrap()
}

/// What is wrong with `value`, if anything. An object of an answer may have no member that
/// is not told of, though clients are told to expect more one day.
pub(super) fn wrong(document: &Value, shape: &Value, value: &Value) -> Option<String> {
    let shape = resolved(document, shape);
    if let Some(all) = shape.get("allOf") {
        return joined(document, all.as_array().unwrap(), value);
    }
    let mut keywords = shape.as_object().unwrap().iter();
    let found = keywords.find_map(|(keyword, rule)| {
        let found = keyword_wrong(document, keyword, rule, value)?;
        Some(format!("{found} ({keyword})"))
    });
    found.or_else(|| untold(shape, value))
}

/// What a reference names.
pub(super) fn resolved<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    while let Some(place) = value.get("$ref") {
        let place = place.as_str().unwrap();
        let pointer = place.strip_prefix('#').unwrap();
        let found = document.pointer(pointer);
        value = found.unwrap_or_else(|| panic!("there is no {place}"));
    }
    value
}

/// One object of several shapes: each has its own members.
fn joined(document: &Value, all: &[Value], value: &Value) -> Option<String> {
    let mut told = serde_json::Map::new();
    for shape in all {
        let shape = resolved(document, shape);
        let required = shape.get("required").and_then(Value::as_array);
        let lacking = required.into_iter().flatten();
        for name in lacking.map(|name| name.as_str().unwrap()) {
            if value.get(name).is_none() {
                return Some(format!("{value} lacks {name}"));
            }
        }
        told.extend(shape["properties"].as_object().unwrap().clone());
    }
    let whole = serde_json::json!({"type": "object", "properties": told});
    wrong(document, &whole, value)
}

fn keyword_wrong(document: &Value, keyword: &str, rule: &Value, value: &Value) -> Option<String> {
    let is_right = match keyword {
        "type" => match rule {
            Value::Array(types) => types.iter().any(|one| has_type(one, value)),
            one => has_type(one, value),
        },
        "oneOf" => {
            let shapes = rule.as_array().unwrap().iter();
            let fitting = shapes.filter(|shape| wrong(document, shape, value).is_none());
            fitting.count() == 1
        }
        "enum" => rule.as_array().unwrap().contains(value) || value.is_null(),
        "required" => {
            let mut names = rule.as_array().unwrap().iter();
            names.all(|name| value.is_null() || value.get(name.as_str().unwrap()).is_some())
        }
        "properties" => {
            let members = rule.as_object().unwrap().iter();
            return members
                .filter_map(|(name, shape)| Some((name, shape, value.get(name)?)))
                .find_map(|(name, shape, member)| {
                    Some(format!("{name}: {}", wrong(document, shape, member)?))
                });
        }
        "items" => {
            let mut items = value.as_array().into_iter().flatten();
            return items.find_map(|item| wrong(document, rule, item));
        }
        "additionalProperties" if rule.is_object() => {
            let mut members = value.as_object().into_iter().flatten();
            return members.find_map(|(_, member)| wrong(document, rule, member));
        }
        "additionalProperties" => true,
        "propertyNames" => {
            let mut names = value.as_object().into_iter().flatten();
            return names.find_map(|(name, _)| wrong(document, rule, &Value::from(name.as_str())));
        }
        "minimum" => value.is_null() || value.as_f64() >= rule.as_f64(),
        "maximum" => value.is_null() || value.as_f64() <= rule.as_f64(),
        "minLength" | "minItems" | "minProperties" => {
            value.is_null() || size(value) >= rule.as_u64()
        }
        "maxLength" | "maxItems" | "maxProperties" => {
            value.is_null() || size(value) <= rule.as_u64()
        }
        "uniqueItems" => true,
        _ => NOT_HELD.contains(&keyword),
    };
    (!is_right).then(|| format!("{value} is not {rule}"))
}

fn has_type(of: &Value, value: &Value) -> bool {
    match of.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("no type is called {other}"),
    }
}

fn size(value: &Value) -> Option<u64> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return None,
    };
    u64::try_from(size).ok()
}

/// A member that the shape does not tell of.
fn untold(shape: &Value, value: &Value) -> Option<String> {
    let told = shape.get("properties")?.as_object()?;
    let allows_more = shape
        .get("additionalProperties")
        .is_some_and(|more| *more != false);
    let mut members = value.as_object()?.keys();
    let untold = members.find(|name| !allows_more && !told.contains_key(*name))?;
    Some(format!("{untold} is not told of"))
}
