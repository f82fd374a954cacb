//! The package: how a published communiqué is archived and carried.

pub mod zip;
