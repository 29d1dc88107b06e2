//! The parameters of paths and queries, as the API document has them.

use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::{ObjectBuilder, Required};

use super::shapes::{self, Shape, flag, number, text, word};
use crate::http::wire::query::{
    LIMIT_DEFAULT, LIMIT_MAX, META_FILTERS_MAX, META_PREFIX, META_VALUE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
};

/// A segment of a path.
pub(super) fn segment(name: &str, shape: ObjectBuilder) -> Parameter {
    let mut parameter = query(name, shape);
    parameter.parameter_in = ParameterIn::Path;
    parameter.required = Required::True;
    parameter
}

/// A parameter of a query.
pub(super) fn query(name: &str, shape: ObjectBuilder) -> Parameter {
    // Readers look for what it does beside its name.
    let mut shape = shape.build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(shape.description.take())
        .schema(Some(shape))
        .build()
}

/// `offset` and `limit`.
pub(super) fn page() -> [Parameter; 2] {
    let offset = number(0, "Skips so many").default(Some(json!(0)));
    let limit = number(1, "How many the page has at most")
        .maximum(Some(LIMIT_MAX))
        .default(Some(json!(LIMIT_DEFAULT)));
    [query("offset", offset), query("limit", limit)]
}

/// `cursor`.
pub(super) fn cursor() -> Parameter {
    let says = "Goes through everything page by page, in place of `offset`: empty to begin, \
                then the `next` of the answer before";
    query("cursor", text(says))
}

/// A parameter that is `true` or `false`.
pub(super) fn switch(name: &str, description: &str) -> Parameter {
    query(name, flag(description).default(Some(json!(false))))
}

/// What selects contacts.
pub(super) fn selection() -> Vec<Parameter> {
    let sort_field = word(
        ["created_on", "alias", "msisdn"],
        "What the list is sorted by; then by id",
    );
    let sort_dir = word(["ASC", "DESC"], "In which direction; in any case");
    let part = |description| {
        text(description)
            .min_length(Some(1))
            .max_length(Some(TEXT_CHARACTERS_MAX))
    };
    vec![
        query("sortField", sort_field.default(Some(json!("created_on")))),
        query("sortDir", sort_dir.default(Some(json!("ASC")))),
        query("alias", text("Selects the contact with exactly this alias")),
        query("msisdn", text("Selects the contacts with this number")),
        query(
            "group",
            shapes::uuid("Selects the members of the group with this id"),
        ),
        query(
            "optedOut",
            flag("Selects contacts whose number is opted out, or those whose is not"),
        ),
        query(
            "aliasPrefix",
            part("Selects aliases that begin with these characters"),
        ),
        query(
            "search",
            part(
                "Selects contacts whose alias or number contains this text; ASCII letters match in either case",
            ),
        ),
        meta(),
        query(
            "include",
            word(["meta"], "Adds each contact's `meta` to the answer"),
        ),
    ]
}

/// Filters by members of `meta`: parameters whose names are not known.
fn meta() -> Parameter {
    let description = format!(
        "Selects contacts whose `meta` has this member with this value, as `{META_PREFIX}CITY=Paris`: \
         a string exactly, a number as a number, `true`, `false` and `null` by word. \
         Each member of this object is a parameter of its own."
    );
    let name = text("").pattern(Some(format!("^{}.+$", META_PREFIX.replace('.', "\\."))));
    let shape = ObjectBuilder::new()
        .description(Some(description))
        .property_names(Some(Shape::from(name)))
        .additional_properties(Some(text("").max_length(Some(META_VALUE_CHARACTERS_MAX))))
        .max_properties(Some(META_FILTERS_MAX));
    let parameter = ParameterBuilder::from(query("meta", shape));
    parameter
        .style(Some(ParameterStyle::Form))
        .explode(Some(true))
        .example(Some(json!({})))
        .build()
}
