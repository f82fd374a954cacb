//! The last signed head, in a file beside the log: what a log that was rolled back, restored or exchanged is found out by.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::serve::ServeError;
use crate::{
    domain::refusal::Refusal,
    exchange::Exchange,
    log::{checkpoint::Unverified, note::NOTE_LIMIT},
};

/// How often the newest head is written. A log that is rolled back by no more than what was signed since is found out by witnesses
/// and by whoever holds a receipt, not here.
const INTERVAL: Duration = Duration::from_secs(1);

/// Hands the last head that was written to the exchange. Of a log that does not continue it nothing is written any more, and the
/// exchange says so; it can still be read.
///
/// # Errors
/// [`ServeError::Io`] for a file that cannot be read or is none; what keeps the store from being read.
pub(super) async fn take_up(exchange: &Exchange, path: &Path) -> Result<(), ServeError> {
    let failed = |error| ServeError::Io(path.to_owned(), error);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            warn!(path = %path.display(), "no head was kept: the log is taken as it is found");
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    let head = bytes.get(..NOTE_LIMIT.min(bytes.len())).unwrap_or_default();
    let head = Unverified::parse(head).map_err(|fault| failed(io::Error::new(ErrorKind::InvalidData, fault)))?;
    match exchange.take_up(head.claims()).await {
        Ok(()) | Err(Refusal::LogInDoubt { .. }) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Keeps the newest head in the file, until `stop`, and once more then.
pub(super) async fn follow(exchange: Arc<Exchange>, path: Arc<Path>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    loop {
        let last = tokio::select! {
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let newest = exchange.last_head().await.map(|head| head.to_string());
        if let Some(head) = newest.clone().filter(|_| newest != kept) {
            let path = path.clone();
            match tokio::task::spawn_blocking(move || keep(&path, &head)).await {
                Ok(Ok(())) => kept = newest,
                Ok(Err(error)) => error!(%error, "the newest head was not kept; it is tried again"),
                Err(error) => error!(%error, "the newest head was not kept; it is tried again"),
            }
        }
        if last {
            return;
        }
    }
}

/// Writes the file whole or not at all, durably.
fn keep(path: &Path, head: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&new)?;
    file.write_all(head.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
