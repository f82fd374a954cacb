//! The tools as typed: arguments in, exit codes and words out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stderr,
    clippy::zombie_processes,
    reason = "a test says what it expects by failing, and runs programs in an environment of its own"
)]

mod agents;
mod archives;
mod auditing;
#[allow(dead_code, reason = "what other tests ask openssl")]
#[path = "../foreign/authority.rs"]
mod authority;
mod away;
mod backups;
mod ceremony;
mod clocks;
mod daily;
mod desk;
mod doctor;
mod doors;
mod drafters;
mod flips;
mod guides;
mod hostile;
mod job;
#[allow(dead_code, reason = "whether openssl is there, and no other judge")]
#[path = "../foreign/judges.rs"]
mod judges;
mod keys;
mod languages;
mod mirror;
#[path = "../foreign/missing.rs"]
mod missing;
mod offline;
mod page;
#[allow(dead_code, reason = "the sample packages of all tests")]
#[path = "../package/played.rs"]
mod played;
mod secrets;
mod stamps;
mod stories;
mod succession;
mod terminal;
mod tokens;
mod walkthrough;
