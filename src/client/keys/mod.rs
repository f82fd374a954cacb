//! Signing keys, wherever they lie.

pub mod keyfile;
