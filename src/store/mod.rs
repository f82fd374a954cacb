//! Where the exchange keeps things: backends of [`crate::exchange::ports`]. Every backend passes the one test in `contract`.

mod append;
pub mod content;
pub mod postgres;
pub mod sqlite;

#[cfg(test)]
mod contract;
