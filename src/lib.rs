//! The map. Each room knows only those below it; `tests/tidy.rs` holds the table of allowed arrows.

pub mod app;
pub mod client;
pub mod domain;
pub mod exchange;
pub mod grpc;
pub mod http;
pub mod language;
pub mod log;
pub mod observe;
pub mod package;
pub mod pki;
pub mod store;
pub mod wire;
