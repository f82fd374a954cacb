//! The store that is configured, opened.

use std::{fs, io, path::PathBuf, sync::Arc};

use super::config::{Config, Kind, Store as Settings};
use crate::{
    domain::refusal::Refusal,
    exchange::ports::{Content, Store},
    pki,
    store::{
        postgres::{self, PostgresContent, PostgresStore},
        sqlite::{self, Options, SqliteContent, SqliteStore},
    },
};

/// Longest password that is read from a file, in bytes.
const PASSWORD_LIMIT: usize = 1024;

/// What keeps a store from being opened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpenError {
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("store.ca: {0}")]
    Authorities(Refusal),
}

/// Opens the log.
///
/// # Errors
/// [`OpenError`], which says what to do.
pub(super) async fn log(config: &Config) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match config.store.kind() {
        Some(Kind::Postgres) => Arc::new(PostgresStore::open(&reached(&config.store)?).await?),
        _ => Arc::new(SqliteStore::open(&config.data.log(), Options::default())?),
    })
}

/// Opens the content.
///
/// # Errors
/// [`OpenError`], which says what to do.
pub(super) async fn content(config: &Config) -> Result<Arc<dyn Content>, OpenError> {
    Ok(match config.store.kind() {
        Some(Kind::Postgres) => Arc::new(PostgresContent::open(&reached(&config.store)?).await?),
        _ => Arc::new(SqliteContent::open(&config.data.content(), Options::default())?),
    })
}

/// How the configured database is reached.
fn reached(store: &Settings) -> Result<postgres::Settings, OpenError> {
    let read = |path: &PathBuf| fs::read(path).map_err(|error| OpenError::Io(path.clone(), error));
    let password = match &store.password_file {
        Some(file) => {
            let mut password = read(file)?;
            password.truncate(PASSWORD_LIMIT);
            // Editors end a file with a line's end.
            Some(password.trim_ascii_end().to_vec())
        }
        None => None,
    };
    Ok(postgres::Settings {
        url: store.url.clone(),
        password,
        tls: pki::client::known_by(&read(&store.ca)?).map_err(OpenError::Authorities)?,
        standbys: store.synchronous_standbys,
        readers: store.connections,
    })
}
