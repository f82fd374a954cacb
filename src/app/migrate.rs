//! `communiqued migrate`: an exchange's log and content, carried from one store to another.

use std::{path::PathBuf, sync::Arc};

use super::{
    config::{Data, Kind, Store as Address},
    store::{self, OpenError},
};
use crate::{
    exchange::{
        fsck::{self, Report, Scope},
        migration::{Carried, Progress, Side, Stopped, migrate as carry},
    },
    store::sqlite::{self, Options, SqliteContent, SqliteStore},
};

/// Why nothing, or not all, was carried.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum MigrateError {
    #[error("--{0} is {1:?}; write sqlite:DIRECTORY or postgres://USER@HOST:PORT/DATABASE")]
    Address(&'static str, String),
    #[error("{0}: {1}")]
    Open(&'static str, OpenError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("what was carried was read again, and is not sound; the target is not to be used:\n{}", super::fsck::to_text(.0))]
    Unsound(Box<Report>),
}

/// Progress is told for each so many entries or pieces of content.
const STEP: u64 = 10_000;

/// Carries everything, reads it again, and says what there is. `told` hears how far it has come.
///
/// The source's files are held meanwhile, so that no exchange serves them; a database must not be served by anybody, and that it has not
/// grown is asked at the end.
///
/// # Errors
/// [`MigrateError`]; what was carried stays, and is gone on from.
pub async fn migrate(from: &Address, to: &Address, mut told: impl FnMut(&str)) -> Result<Carried, MigrateError> {
    let (source, _held) = source(from).await?;
    let target = side("to", to).await?;
    let mut before = String::new();
    let step = |progress| {
        let now = match progress {
            Progress::Entries(done, all) if done == all => format!("{all} entries are there"),
            Progress::Entries(done, all) => format!("{} of {all} entries", done / STEP * STEP),
            Progress::Content(done) => format!("{} pieces of content", done / STEP * STEP),
        };
        if before != now {
            told(&now);
            before = now;
        }
    };
    let carried = carry(&source, &target, step).await?;
    let report = fsck::fsck(target.store, target.content, Scope::default()).await;
    if report.faults.is_empty() { Ok(carried) } else { Err(MigrateError::Unsound(Box::new(report))) }
}

/// The locks of the source's files.
type Held = Vec<std::fs::File>;

async fn source(address: &Address) -> Result<(Side, Held), MigrateError> {
    let failed = |error| MigrateError::Open("from", error);
    let Some(Kind::Sqlite(directory)) = address.kind() else { return Ok((side("from", address).await?, Vec::new())) };
    let data = files("from", address, directory)?;
    let open = || -> Result<_, sqlite::OpenError> {
        let held = vec![sqlite::hold(&data.log())?, sqlite::hold(&data.content())?];
        let store = Arc::new(SqliteStore::reading(&data.log(), Options::default())?);
        let content = Arc::new(SqliteContent::reading(&data.content(), Options::default())?);
        Ok((Side { store, content }, held))
    };
    open().map_err(|error| failed(error.into()))
}

async fn side(which: &'static str, address: &Address) -> Result<Side, MigrateError> {
    let failed = |error| MigrateError::Open(which, error);
    let data = match address.kind() {
        Some(Kind::Sqlite(directory)) => files(which, address, directory)?,
        Some(Kind::Postgres) => Data::at(PathBuf::new()),
        None => return Err(MigrateError::Address(which, address.scheme().to_owned())),
    };
    let store = store::log(address, &data).await.map_err(failed)?;
    let content = store::content(address, &data).await.map_err(failed)?;
    Ok(Side { store, content })
}

fn files(which: &'static str, address: &Address, directory: &str) -> Result<Data, MigrateError> {
    if directory.is_empty() {
        return Err(MigrateError::Address(which, address.url.clone()));
    }
    Ok(Data::at(directory.into()))
}
