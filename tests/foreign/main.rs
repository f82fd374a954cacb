//! What programs of others say of our signatures and key files, and we of theirs.

mod cases;
mod ed25519;
mod judges;
mod keys;
