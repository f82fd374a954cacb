//! Copies of a database that another process may be writing to.
//!
//! By `VACUUM INTO`, and not page by page (SQLite's backup API): it reads one snapshot, so whatever is written meanwhile neither gets in nor
//! begins it anew; it reads rows by their trees, so a file whose pages are damaged is an error and no faithful copy of the damage; the
//! copy is one file in rollback mode, that can be read where nothing can be written, and has none of the pages that were given up.
//! What SQLite leaves to its caller is done here: the copy is synced.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    OpenError,
    connection::{self, BUSY},
    migrations::{self, Schema},
};

/// Copies a log, as it is at one moment, into a new file that its owner alone may read. Durable on return, but for the folder's entry.
///
/// # Errors
/// [`OpenError`]. What was written of the copy is left where it is.
pub fn copy_log(from: &Path, to: &Path) -> Result<(), OpenError> {
    copy(from, to, &migrations::LOG)
}

/// Copies content as [`copy_log`] does a log.
///
/// # Errors
/// [`OpenError`]. What was written of the copy is left where it is.
pub fn copy_content(from: &Path, to: &Path) -> Result<(), OpenError> {
    copy(from, to, &migrations::CONTENT)
}

/// Holds the lock of a database, which need not be there yet: until it is dropped no process opens it for writing.
///
/// # Errors
/// [`OpenError::InUse`], [`OpenError::Machine`].
pub fn hold(path: &Path) -> Result<File, OpenError> {
    connection::hold(path)
}

fn copy(from: &Path, to: &Path, schema: &Schema) -> Result<(), OpenError> {
    connection::examined(from, schema)?;
    let machine = |source| OpenError::Machine { path: to.to_owned(), source };
    // SQLite would make it for all to read; into an empty file it copies too.
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    drop(new.open(to).map_err(machine)?);
    let name = to.to_str().ok_or_else(|| machine(io::Error::other("its name is not UTF-8")))?;

    let failed = |source| OpenError::Database { path: from.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(from, flags).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    db.execute_batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;").map_err(failed)?;
    db.execute("VACUUM INTO ?1", [name]).map_err(failed)?;
    drop(db);
    OpenOptions::new().write(true).open(to).and_then(|file| file.sync_all()).map_err(machine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exchange::ports::Store as _,
        store::{
            contract::{Chain, Place as _, append, party},
            sqlite::{Options, SqliteStore},
        },
    };

    #[tokio::test]
    async fn a_copy_is_one_file_of_one_moment_and_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let (path, to) = (dir.path().join("log"), dir.path().join("copy"));
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let mut chain = Chain::new(party(1));
        store.place(append(vec![chain.next(1, vec![b"a document".to_vec()])])).await.unwrap();
        copy_log(&path, &to).unwrap();
        store.place(append(vec![chain.next(1, vec![])])).await.unwrap();
        let error = copy_log(&path, &to).unwrap_err().to_string();
        assert!(error.contains("exists"), "{error}");
        let copy = SqliteStore::reading(&to, Options::default()).unwrap();
        assert_eq!(copy.log(0, 9).await.unwrap(), store.log(0, 1).await.unwrap());
        assert_eq!(copy.tree().await.unwrap().size(), 1);
        assert!(copy.place(append(vec![chain.next(1, vec![])])).await.is_err());
        drop(copy);
        let beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!beside.iter().any(|name| name.to_string_lossy().starts_with("copy-")), "{beside:?}");
    }
}
