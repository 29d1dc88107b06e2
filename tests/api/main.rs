//! The contract, as its callers see it: real HTTP against the real program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../harness/mod.rs"]
mod harness;

mod body;
mod concurrency;
mod create;
mod envelope;
mod keys;
mod permissions;
