//! The map. Each room knows only those below it; `tests/tidy.rs` holds the table of allowed arrows.

pub mod domain;
pub mod exchange;
pub mod store;
