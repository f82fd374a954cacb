//! Connections: the one that writes, with its lock, and the few that read.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};
use tokio::sync::Semaphore;

use super::{
    OpenError, Options, READERS_LIMIT,
    migrations::{self, Schema},
};
use crate::{domain::id::Digest, exchange::ports::ReadFailed};

/// The first SQLite without the race by which a WAL reset could damage a database.
const LIBRARY_LEAST: i32 = 3_051_003;
/// How long a statement waits for another connection's lock: only checkpoints and foreign tools ever hold one.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;
/// The pages that the connection that writes keeps, in KiB: the upper levels of all indices of a long log are among them.
const WRITER_KEPT: u32 = 8192;
/// As for [`WRITER_KEPT`], of each one that reads: so few that a short log fills them as well.
const READER_KEPT: u32 = 4096;
/// The size to which the write-ahead log's file is cut back after a checkpoint, in bytes.
const WAL_KEPT: i64 = 64 << 20;
/// How much of it is written again at a time, in bytes.
const PIECE: usize = 1 << 20;

/// What goes wrong inside. Goes to the operator's log; the caller learns only that it failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("SQLite: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    #[error("refused: {0}")]
    Refused(&'static str),
}

impl Fault {
    /// Whether there is no room on the disk.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
    /// As what keeps a store from opening.
    pub(super) fn on_opening(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Sql(source) => OpenError::Database { path, source },
            Self::Damaged(what) | Self::Refused(what) => OpenError::Damaged { path, what },
        }
    }
}

/// Opens the connection that writes. The file is the lock: it is held until dropped, by one process at a time.
pub(super) fn writer(path: &Path, schema: &Schema) -> Result<(Connection, File), OpenError> {
    let found = rusqlite::version_number();
    if found < LIBRARY_LEAST {
        return Err(OpenError::Library { found });
    }
    let lock = lock(path)?;
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    migrations::examine(&db, path, schema)?;
    rewrite(&beside(path, "-wal")).map_err(|source| OpenError::Disk { path: path.to_owned(), source })?;
    settings(&db, path)?;
    migrations::run(&mut db, schema).map_err(failed)?;
    // A process that was killed between writing and syncing leaves commits that can be read and yet be lost. The checkpoint
    // syncs them before anybody reads, and what it moves into the database.
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0)).map_err(failed)?;
    if busy != 0 {
        return Err(OpenError::InUse { path: path.to_owned() });
    }
    Ok((db, lock))
}

/// Writes a write-ahead log again as it is, and syncs it, before anybody rests on it.
///
/// Where a sync failed, the system takes the pages for written all the same: a later sync succeeds and means nothing. What was
/// committed by a process that was killed or gave up may be among them. Pages that are written again are synced in truth.
fn rewrite(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let length = file.read(&mut piece)?;
        if length == 0 {
            return file.sync_all();
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(piece.get(..length).unwrap_or_default())?;
        at += length as u64;
    }
}

/// The path with this behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let name = beside(path, ".lock");
    let failed = |source| OpenError::Machine { path: name.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Sets what durability rests on and reads it back: SQLite answers success to a pragma that it ignores.
fn settings(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let refused = |setting| OpenError::Setting { path: path.to_owned(), setting };
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(refused("journal_mode = WAL"));
    }
    db.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;",
    )
    .map_err(failed)?;
    db.query_row(&format!("PRAGMA journal_size_limit = {WAL_KEPT}"), [], |_| Ok(())).map_err(failed)?;
    db.execute_batch(&format!("PRAGMA cache_size = -{WRITER_KEPT}")).map_err(failed)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    statements(db).map_err(failed)?;
    for (pragma, value, setting) in [("synchronous", 2, "synchronous = FULL"), ("foreign_keys", 1, "foreign_keys = ON")]
    {
        let found: i64 = db.pragma_query_value(None, pragma, |row| row.get(0)).map_err(failed)?;
        if found != value {
            return Err(refused(setting));
        }
    }
    Ok(())
}

/// A bounded number of connections that only read.
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path, options: Options) -> Self {
        let permits = Arc::new(Semaphore::new(options.readers.clamp(1, READERS_LIMIT)));
        Self { path: path.to_owned(), idle: Arc::default(), permits }
    }

    /// Reads within one snapshot, on a blocking thread. A caller that is dropped meanwhile frees its place only when the
    /// read has ended, so that the bound holds.
    pub(super) async fn read<T, F>(&self, what: &'static str, read: F) -> Result<T, ReadFailed>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ReadFailed)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = kept.map_or_else(|| reader(&path), Ok)?;
            let found = snapshot(&db, read)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            Ok::<_, Fault>(found)
        });
        let failed = match task.await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "the reading thread ended".to_owned(),
        };
        tracing::error!(what, failed, "cannot read the store");
        Err(ReadFailed)
    }
}

/// Opens a connection that only reads a file of exactly this schema, which is there: nothing is made, migrated or locked.
pub(super) fn examined(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    let found = rusqlite::version_number();
    if found < LIBRARY_LEAST {
        return Err(OpenError::Library { found });
    }
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let db = reader(path).map_err(failed)?;
    migrations::examine(&db, path, schema)?;
    let (found, known) = migrations::versions(&db, schema).map_err(failed)?;
    if found == known { Ok(db) } else { Err(OpenError::Older { path: path.to_owned(), found, known }) }
}

/// Holds the lock of a file, which need not be there yet: until it is dropped nobody else opens it for writing.
pub(super) fn hold(path: &Path) -> Result<File, OpenError> {
    lock(path)
}

pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")?;
    db.execute_batch(&format!("PRAGMA cache_size = -{READER_KEPT}"))?;
    statements(&db)?;
    Ok(db)
}

/// Keeps prepared statements, and their plans: otherwise SQLite plans by what is bound, and prepares a statement again for each call.
fn statements(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Within one snapshot. A connection that a read failed on is not used again.
fn snapshot<T>(db: &Connection, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    run(db, "BEGIN")?;
    let found = read(db)?;
    run(db, "COMMIT")?;
    Ok(found)
}

/// Runs a statement that has no rows, prepared once.
pub(super) fn run(db: &Connection, sql: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute([])
}

/// An SQL integer for a count of ours. All counts end far below 2^63; were one above, it would match nothing.
pub(super) fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A count of ours from an SQL integer.
pub(super) fn count(n: i64) -> Result<u64, Fault> {
    u64::try_from(n).map_err(|_| Fault::Damaged("a count is negative"))
}

/// A digest from an SQL blob.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, Fault> {
    <[u8; 32]>::try_from(bytes).map(Digest::from_bytes).map_err(|_| Fault::Damaged("a digest is not 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::migrations::LOG;

    #[test]
    fn the_writer_syncs_every_commit_and_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (db, lock) = writer(&path, &LOG).unwrap();
        let ask = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((ask("synchronous"), ask("foreign_keys")), (2, 1));
        let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        let second = writer(&path, &LOG).err().unwrap();
        assert!(matches!(second, OpenError::InUse { .. }), "{second}");
        drop((db, lock));
        writer(&path, &LOG).unwrap();
    }

    #[test]
    fn a_refused_file_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(db);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(writer(&path, &LOG), Err(OpenError::Foreign { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(&path, "no database at all, but long enough to be looked at").unwrap();
        assert!(matches!(writer(&path, &LOG), Err(OpenError::Database { .. })));
        assert!(matches!(writer(&dir.path().join("none/log"), &LOG), Err(OpenError::Machine { .. })));
    }

    #[test]
    fn readers_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _writer = writer(&path, &LOG).unwrap();
        assert!(reader(&path).unwrap().execute("INSERT INTO settled VALUES (1)", []).is_err());
    }
}
