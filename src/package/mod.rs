//! The package: how a published communiqué is archived and carried, and how anybody verifies it. Knows the domain alone.

pub mod bag;
pub mod check;
mod known;
mod replay;
pub mod verdict;
pub mod verify;
pub mod write;
pub mod zip;
