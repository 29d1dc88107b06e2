//! The contract, as its callers see it: real HTTP against the real program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../harness/mod.rs"]
mod harness;

mod auth_test;
mod body;
mod book;
mod concurrency;
mod conditional;
mod connections;
mod create;
mod cursor;
mod delete;
mod envelope;
mod filter;
mod filter_meta;
mod filter_model;
mod get;
mod keys;
mod list;
mod merge;
mod optouts;
mod permissions;
mod put;
mod round_trip;
mod update;
