//! The contract, as its callers see it: real HTTP against the real program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../harness/mod.rs"]
mod harness;

mod audit;
mod auth_test;
mod base_path;
mod body;
mod book;
mod bulk;
mod bulk_model;
mod bulk_modes;
mod concurrency;
mod conditional;
mod connections;
mod create;
mod cursor;
mod delete;
mod envelope;
mod files_from_the_field;
mod filter;
mod filter_meta;
mod filter_model;
mod from_the_field;
mod get;
mod group_contact;
mod group_filter;
mod group_resolve;
mod groups;
mod idempotency;
mod idempotency_room;
mod key_calls;
mod key_end;
mod key_escalation;
mod key_origin;
mod key_ring;
mod key_rotation;
mod keys;
mod limits;
mod list;
mod members;
mod merge;
mod optouts;
mod permissions;
mod pipelined;
mod put;
mod ready;
mod resolve;
mod resolve_limits;
mod resolve_memory;
mod round_trip;
mod strangers;
mod transfer;
mod transfer_streams;
mod update;
mod waiting_answers;
