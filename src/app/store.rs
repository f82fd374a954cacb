//! The store that is configured, opened.

use std::{fs, io, path::PathBuf, sync::Arc};

use super::config::{Data, Kind, Store as Settings};
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
pub(super) async fn log(store: &Settings, data: &Data) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match store.kind() {
        Some(Kind::Postgres) => Arc::new(PostgresStore::open(&reached(store)?).await?),
        _ => Arc::new(SqliteStore::open(&data.log(), Options::default())?),
    })
}

/// Opens the content.
///
/// # Errors
/// [`OpenError`], which says what to do.
pub(super) async fn content(store: &Settings, data: &Data) -> Result<Arc<dyn Content>, OpenError> {
    Ok(match store.kind() {
        Some(Kind::Postgres) => Arc::new(PostgresContent::open(&reached(store)?).await?),
        _ => Arc::new(SqliteContent::open(&data.content(), Options::default())?),
    })
}

/// How the configured database is reached.
fn reached(store: &Settings) -> Result<postgres::Settings, OpenError> {
    let read = |path: &PathBuf| fs::read(path).map_err(|error| OpenError::Io(path.clone(), error));
    let password = if store.password_file.as_os_str().is_empty() {
        None
    } else {
        let password = read(&store.password_file)?;
        // Editors end a file with a line's end.
        let password = password.trim_ascii_end();
        if password.is_empty() || password.len() > PASSWORD_LIMIT {
            let why = format!("it holds no password of 1 to {PASSWORD_LIMIT} bytes");
            return Err(OpenError::Io(store.password_file.clone(), io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Some(password.to_vec())
    };
    Ok(postgres::Settings {
        url: store.url.clone(),
        password,
        tls: pki::client::known_by(&read(&store.ca)?).map_err(OpenError::Authorities)?,
        standbys: store.synchronous_standbys,
        readers: store.connections,
    })
}
