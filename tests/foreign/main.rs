//! What programs of others say of our signatures, and we of theirs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, and the environment says which foreign programs there are"
)]

mod cases;
mod ed25519;
mod judges;
mod missing;
