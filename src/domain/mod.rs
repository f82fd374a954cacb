//! What a communiqué is and what may be done to it: pure and synchronous. No clock, network, database or wire type.
//! Time and randomness are arguments.

pub mod entry;
pub mod id;
pub mod json;
pub mod key;
pub mod life;
pub mod refusal;
pub mod statement;
pub mod time;
