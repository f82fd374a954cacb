//! The package: how a published communiqué is archived and carried, and how anybody verifies it. Knows the
//! domain and the log's formats alone.

pub mod bag;
pub mod check;
pub mod evidence;
mod known;
mod replay;
pub mod stamp;
pub mod verdict;
pub mod verify;
pub mod write;
pub mod zip;
