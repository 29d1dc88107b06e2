//! The real program: its command line, its stops, its crashes, its faults.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../harness/mod.rs"]
mod harness;

mod behind_its_back;
mod clock;
mod command_line;
mod crash;
mod damage;
mod disk_room;
mod fault;
mod initial_key;
mod keep;
mod key_last;
mod key_verbs;
mod limits_page;
mod linear;
mod live_keys;
mod migrate;
mod migrate_broken;
mod notify;
mod owner;
mod pages;
mod postgres_crash;
mod postgres_failover;
mod postgres_tls;
mod proxy;
mod readme;
mod refusal;
mod retry;
mod sessions;
mod settings;
mod sign_in;
mod stop;
mod sweep;
mod tls;
mod transfer;
mod transfer_crash;
mod upgrade;
mod warnings;
mod watching;
