//! Short ways to write down the shapes of JSON (JSON Schema 2020-12).

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, SchemaFormat, SchemaType};
use utoipa::openapi::{
    AllOfBuilder, Content, ContentBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type,
};

/// What a value looks like: written here, or named in the document's components.
pub(super) type Shape = RefOr<Schema>;

/// The shape that has this name in the components.
pub(super) fn named(name: &str) -> Shape {
    Ref::from_schema_name(name).into()
}

/// A string.
pub(super) fn text(description: &str) -> ObjectBuilder {
    of_type(Type::String, description)
}

/// A string of one of a few words.
pub(super) fn word<'a>(
    words: impl IntoIterator<Item = &'a str>,
    description: &str,
) -> ObjectBuilder {
    text(description).enum_values(Some(words))
}

/// A point in time.
pub(super) fn time(description: &str) -> ObjectBuilder {
    text(description).format(Some(SchemaFormat::Custom("date-time".to_owned())))
}

/// A UUID.
pub(super) fn uuid(description: &str) -> ObjectBuilder {
    text(description).format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

/// A whole number from `least` on.
pub(super) fn number(least: u32, description: &str) -> ObjectBuilder {
    of_type(Type::Integer, description).minimum(Some(least))
}

/// `true` or `false`.
pub(super) fn flag(description: &str) -> ObjectBuilder {
    of_type(Type::Boolean, description)
}

fn of_type(of: Type, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(of)
        .description(some(description))
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The same, or `null`.
pub(super) fn or_null(shape: ObjectBuilder, of: Type) -> ObjectBuilder {
    shape.schema_type(SchemaType::Array(vec![of, Type::Null]))
}

/// The shape that has this name in the components, or `null`.
pub(super) fn named_or_null(name: &str) -> Shape {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(named(name)).item(null).into()
}

/// An array.
pub(super) fn array(items: impl Into<Shape>, description: &str) -> ArrayBuilder {
    ArrayBuilder::new()
        .items(items.into())
        .description(some(description))
}

/// An object whose members are known by name.
pub(super) struct Record(ObjectBuilder);

impl Record {
    /// Begins one.
    pub(super) fn new(description: &str) -> Self {
        Self(of_type(Type::Object, description))
    }

    /// Begins an answer's, which says that it succeeded.
    pub(super) fn succeeded() -> Self {
        Self::new("").with("success", flag("").enum_values(Some([true])))
    }

    /// A member that is always there.
    pub(super) fn with(self, name: &str, shape: impl Into<Shape>) -> Self {
        Self(self.0.property(name, shape).required(name))
    }

    /// A member that may be absent.
    pub(super) fn maybe(self, name: &str, shape: impl Into<Shape>) -> Self {
        Self(self.0.property(name, shape))
    }

    /// Refuses every other member, as each request does.
    pub(super) fn closed(self) -> Self {
        Self(
            self.0
                .additional_properties(Some(AdditionalProperties::FreeForm(false))),
        )
    }

    /// Needs so many members.
    pub(super) fn at_least(self, members: usize) -> Self {
        Self(self.0.min_properties(Some(members)))
    }
}

impl From<Record> for Shape {
    fn from(record: Record) -> Self {
        record.0.into()
    }
}

/// Both at once.
pub(super) fn both(one: Shape, other: Shape) -> Shape {
    AllOfBuilder::new().item(one).item(other).into()
}

/// A body of this shape, with an example.
pub(super) fn content(shape: Shape, example: Value) -> Content {
    ContentBuilder::new()
        .schema(Some(shape))
        .example(Some(example))
        .build()
}
