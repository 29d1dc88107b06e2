//! A self-hosted address book: contacts behind permission-checked API keys,
//! one binary, one SQLite file.
//!
//! The binary in `main.rs` is a thin shell around this library. In reading
//! order: the nouns (what a contact and a key are), the store (the only rooms
//! that know SQL), HTTP (the only rooms that know its library) and the other verbs of
//! the command line. ARCHITECTURE.md has the map and the invariants.

pub mod error;
pub mod invalid;
pub mod json;

pub mod address;
pub mod base62;
pub mod base_path;
pub mod bucket;
pub mod budget;
pub mod bulk;
pub mod change;
pub mod contact;
pub mod cursor;
pub mod event;
pub mod fields;
pub mod group;
pub mod id;
pub mod idempotency;
pub mod key;
pub mod membership;
pub mod meta;
pub mod moment;
pub mod msisdn;
pub mod optout;
pub mod origin;
pub mod permission;
pub mod resolve;
pub mod selection;
pub mod session;
pub mod session_hash;
pub mod template;
pub mod text;
pub mod token;
pub mod transfer;

pub mod files;
pub mod keyring;
pub mod permits;
pub mod sign_in;
pub mod store;

pub mod http;

pub mod allocator;
pub mod cli;
pub mod command;
pub mod logging;
