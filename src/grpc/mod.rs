//! The exchange's door: mutual TLS, who stands at it, and how many.

pub mod gate;
pub mod listener;
pub mod peer;
