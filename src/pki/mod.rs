//! Certificates for mutual TLS (RFC 5280, RFC 8446): whose they are, whether they hold, how they are made.
//!
//! One trust domain and one set of authorities per party: a certificate that names a party must chain to that party's
//! own authorities. Knows only `domain`; reads no clock: time is an argument, or rustls' own.

pub mod authority;
mod certificate;
pub mod client;
pub mod issue;
pub mod leaf;
pub mod pem;
pub mod server;
pub mod trust;

#[cfg(test)]
pub(crate) mod samples;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The only application protocol spoken over these connections (RFC 9113, section 3.2).
pub const ALPN: &[u8] = b"h2";

/// The one cryptographic provider, named at every builder so that no process-wide default decides.
/// Its first key exchange is X25519MLKEM768, so that traffic recorded today stays closed to a quantum computer.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
