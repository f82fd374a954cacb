//! What the targets share: where seeds come from, and packages that are edited and sealed again.

pub mod bits;
pub mod package;
pub mod seeds;
pub mod shown;
pub mod wire;
