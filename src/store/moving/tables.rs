//! What is moved: tables with their columns, and rows in a form that both engines know.

use std::fmt;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{MoveError, one_line};
use Kind::{Bytes, Flag, Id, Integer, Json, Short, Text};

/// A value of a row.
#[derive(Clone, Debug)]
pub(in crate::store) enum Value {
    /// There is none.
    Null,
    /// A number, or 0 and 1 for a flag.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes, those of a UUID among them.
    Bytes(Vec<u8>),
}

/// What a column holds.
#[derive(Clone, Copy)]
pub(in crate::store) enum Kind {
    /// A UUID.
    Id,
    /// A text without NUL, which PostgreSQL does not take.
    Text,
    /// A JSON text.
    Json,
    /// Bytes.
    Bytes,
    /// A number of 64 bits.
    Integer,
    /// A number of 16 bits.
    Short,
    /// 0 or 1.
    Flag,
}

/// A column that is moved: its name in both engines, what it holds, whether it may be null.
pub(in crate::store) type Column = (&'static str, Kind, bool);

/// What is moved. Sessions are not: whoever was signed in signs in again, as after a
/// restore. What is only counted is counted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Table {
    Contacts,
    Optouts,
    Groups,
    Memberships,
    ApiKeys,
    KeyUses,
    Idempotency,
    Audit,
}

impl Table {
    /// In an order in which each names only what was moved before it.
    pub(in crate::store) const ALL: [Self; 8] = [
        Self::Contacts,
        Self::Optouts,
        Self::Groups,
        Self::Memberships,
        Self::ApiKeys,
        Self::KeyUses,
        Self::Idempotency,
        Self::Audit,
    ];

    pub(in crate::store) fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Optouts => "optouts",
            Self::Groups => "groups",
            Self::Memberships => "memberships",
            Self::ApiKeys => "api_keys",
            Self::KeyUses => "key_uses",
            Self::Idempotency => "idempotency",
            Self::Audit => "audit",
        }
    }

    /// Its columns, the first ones those of its key.
    pub(in crate::store) fn columns(self) -> &'static [Column] {
        match self {
            Self::Contacts => &[
                ("id", Id, false),
                ("alias", Text, false),
                ("msisdn", Text, false),
                ("meta", Json, false),
                ("updated_on", Integer, false),
            ],
            Self::Optouts => &[("msisdn", Text, false), ("created_on", Integer, false)],
            // Those that are deleted are not moved, nor what is still to be swept of them.
            Self::Groups => &[("id", Id, false), ("name", Text, false)],
            Self::Memberships => &[
                ("group_id", Id, false),
                ("contact_id", Id, false),
                ("alias", Text, false),
            ],
            Self::ApiKeys => &[
                ("id", Text, false),
                ("name", Text, false),
                ("hash", Text, false),
                ("tag", Bytes, false),
                ("permissions", Text, false),
                ("created_on", Integer, false),
                ("expires_on", Integer, true),
                ("revoked_on", Integer, true),
                ("allowed_ips", Text, false),
                ("rate_limit", Integer, true),
                ("replaced_by", Text, true),
                ("created_by", Text, true),
            ],
            Self::KeyUses => &[("key_id", Text, false), ("last_used_on", Integer, false)],
            Self::Idempotency => &[
                ("key_id", Text, false),
                ("name", Text, false),
                ("fingerprint", Bytes, false),
                ("created_on", Integer, false),
                ("status", Short, false),
                ("etag", Text, true),
                ("body", Bytes, false),
                ("is_deflated", Flag, false),
            ],
            Self::Audit => &[
                ("id", Integer, false),
                ("created_on", Integer, false),
                ("action", Text, false),
                ("actor", Text, true),
                ("target", Text, true),
                ("permission", Text, true),
                ("address", Text, true),
                ("changes", Text, true),
            ],
        }
    }

    fn key_columns(self) -> usize {
        match self {
            Self::Memberships | Self::Idempotency => 2,
            Self::Contacts
            | Self::Optouts
            | Self::Groups
            | Self::ApiKeys
            | Self::KeyUses
            | Self::Audit => 1,
        }
    }

    /// The names of its columns.
    pub(in crate::store) fn column_names(self) -> String {
        let names: Vec<&str> = self.columns().iter().map(|(name, _, _)| *name).collect();
        names.join(", ")
    }

    /// The order in which its rows are read: byte by byte, so the same in both engines.
    pub(in crate::store) fn key_names(self) -> String {
        let key = &self.columns()[..self.key_columns()];
        let names: Vec<&str> = key.iter().map(|(name, _, _)| *name).collect();
        names.join(", ")
    }

    /// Says of one of its rows what is wrong with it.
    pub(in crate::store) fn error(self, row: &[Value], reason: impl fmt::Display) -> MoveError {
        let key: Vec<String> = row[..self.key_columns()]
            .iter()
            .map(Value::to_string)
            .collect();
        MoveError::Row {
            table: self.name(),
            row: key.join(" "),
            reason: one_line(&reason.to_string()),
        }
    }

    /// Refuses a row that only one of the engines might take: of a hand, or a damaged disk.
    pub(super) fn check(self, row: &[Value]) -> Result<(), MoveError> {
        for ((name, kind, is_nullable), value) in self.columns().iter().zip(row) {
            if let Some(reason) = fault(*kind, *is_nullable, value) {
                return Err(self.error(row, format_args!("{name} {reason}")));
            }
        }
        Ok(())
    }
}

fn fault(kind: Kind, is_nullable: bool, value: &Value) -> Option<&'static str> {
    match (kind, value) {
        (_, Value::Null) => (!is_nullable).then_some("is missing"),
        (Id, Value::Bytes(id)) => (id.len() != 16).then_some("has not 16 bytes"),
        (Text | Json, Value::Text(text)) if text.contains('\0') => Some("has a NUL in it"),
        (Json, Value::Text(text)) => {
            let parsed: Result<&RawValue, _> = serde_json::from_str(text);
            parsed.is_err().then_some("is no JSON")
        }
        (Short, Value::Integer(number)) => {
            i16::try_from(*number).is_err().then_some("is out of range")
        }
        (Flag, Value::Integer(flag)) => (!(0..=1).contains(flag)).then_some("is neither 0 nor 1"),
        (Text, Value::Text(_)) | (Bytes, Value::Bytes(_)) | (Integer, Value::Integer(_)) => None,
        (Id | Bytes, _) => Some("is not bytes"),
        (Text | Json, _) => Some("is no text in UTF-8"),
        (Integer | Short | Flag, _) => Some("is no whole number"),
    }
}

impl Value {
    /// Bytes that it takes, about.
    pub(in crate::store) fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => size_of::<i64>(),
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// As a row is named to people.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Integer(number) => number.fmt(out),
            Self::Text(text) => text.escape_debug().fmt(out),
            Self::Bytes(bytes) => match Uuid::from_slice(bytes) {
                Ok(id) => id.fmt(out),
                Err(_) => write!(out, "{bytes:02x?}"),
            },
        }
    }
}
