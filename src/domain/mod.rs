//! What a communiqué is and what may be done to it: pure and synchronous. No clock, network, database or wire type.
//! Time and randomness are arguments.

pub mod act;
pub mod certified;
pub mod charter;
pub mod document;
pub mod entry;
pub mod id;
pub mod json;
pub mod key;
pub mod life;
pub mod manifest;
pub mod memo;
pub mod message;
pub mod powers;
pub mod refusal;
pub mod register;
pub mod remark;
pub mod seats;
pub mod statement;
pub mod succession;
pub mod text;
pub mod time;
pub mod trust;
pub mod view;
pub mod words;

#[cfg(test)]
pub(crate) mod samples;
