//! Serving and founding an exchange.

use std::future::Future;

use super::config::Config;
use crate::domain::id::Digest;

/// What stopped it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It is not there.
    #[error("this build cannot serve")]
    Absent,
}

/// Serves until `shutdown` resolves, then drains.
///
/// # Errors
/// [`ServeError`].
#[allow(clippy::unused_async)]
pub async fn serve(_config: Config, _shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
    Err(ServeError::Absent)
}

/// Founds an exchange; gives back the charter's fingerprint.
///
/// # Errors
/// [`ServeError`].
#[allow(clippy::unused_async)]
pub async fn found(
    _config: &Config,
    _charter: Vec<u8>,
    _adoptions: Vec<String>,
    _trusts: Vec<String>,
) -> Result<Digest, ServeError> {
    Err(ServeError::Absent)
}
