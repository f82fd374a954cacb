//! The exchange's door and its services: mutual TLS, who stands at it, how many, what each may ask.

pub mod call;
pub mod gate;
pub mod listener;
mod log;
pub mod peer;
pub mod serve;
mod services;
mod turns;
pub mod watch;
