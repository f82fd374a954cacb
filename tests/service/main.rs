//! The service from outside: a real exchange on a free port with SQLite on disk, reached only over mutual TLS. Each module
//! is a subject; what they share is a small [`world`] of sample parties.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod api;
mod bad_input;
#[path = "../postgres/cluster.rs"]
mod cluster;
mod course;
mod door;
mod examples;
mod foreign;
#[allow(dead_code, reason = "the host of the lying exchange")]
#[path = "../lying/host.rs"]
mod host;
mod languages;
mod load;
mod migration;
#[path = "../foreign/missing.rs"]
mod missing;
mod negotiation;
#[allow(dead_code, reason = "what the host of the lying exchange makes up")]
#[path = "../lying/past.rs"]
mod past;
mod rights;
mod road;
mod watch;
mod witness;
mod witness_auditing;
mod world;
