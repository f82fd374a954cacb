//! Bad days of one machine: an exchange that is killed, whose power is cut, whose disk is full or fails. A real `communiqued serve` over
//! mutual TLS, clients that act at once, and a ledger outside that keeps what was acknowledged. docs/RELIABILITY.md says what is tested
//! and what is modelled.
//!
//! ```text
//! CRASH_CYCLES=1000 cargo test --release --test crash -- --nocapture      cycles: N acknowledged: M lost: 0 doubled: 0
//! DISK_POINTS=50 …                                                        disk_full: 50 io_errors: 50 …
//! CRASH_SEED=N …                                                          the same choices again, where threads allow it
//! ```
//!
//! Another store is tested by another [`exchange::Kind`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test says what it expects by failing, and how many there were by printing"
)]

#[path = "crash/chance.rs"]
mod chance;
#[path = "crash/clients.rs"]
mod clients;
#[path = "postgres/cluster.rs"]
mod cluster;
#[path = "crash/cycles.rs"]
mod cycles;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/exchange.rs"]
mod exchange;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "foreign/missing.rs"]
mod missing;
#[path = "crash/opening.rs"]
mod opening;
#[path = "service/ports.rs"]
mod ports;
#[allow(dead_code, reason = "the world of the tests of the service")]
#[path = "service/world.rs"]
mod world;

/// A count from the environment, else this.
fn count(variable: &str, otherwise: usize) -> usize {
    match std::env::var(variable) {
        Ok(count) => count.parse().unwrap_or_else(|_| panic!("{variable} is no count: {count}")),
        Err(_) => otherwise,
    }
}
