//! The console as people meet it: a real browser on the real program. Where chromium or
//! its chromedriver is missing, each test says that it is skipped.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on panics, and nothing of it is for others"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod addresses;
mod book;
mod browser;
mod ended;
mod first_contact;
mod groups;
mod import;
mod keyboard;
mod keys;
mod late;
mod mend;
mod meta;
mod million;
mod offline;
mod page;
mod permitted;
mod pictures;
mod screens;
mod text;
