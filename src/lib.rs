//! Joint communiqués, drafted, signed and published by states that do not trust one another's machines.

pub mod app;
pub mod http;
pub mod observe;
