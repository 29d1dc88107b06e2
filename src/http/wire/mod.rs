//! The forms in which requests and answers travel. No handler, no store.

pub(crate) mod body;
pub(crate) mod body_permits;
pub(crate) mod condition;
pub(crate) mod cookie;
pub(crate) mod counted;
pub(crate) mod envelope;
pub(crate) mod idempotency;
pub(crate) mod import_record;
pub(crate) mod key_fields;
pub(crate) mod key_record;
pub(crate) mod many;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod segment;
pub(crate) mod upload;
