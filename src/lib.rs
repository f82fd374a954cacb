//! map

pub mod package;
