//! The embedded store: SQLite, one file for the log and one for content.
//!
//! Each file has one writing thread in one process; it commits what is waiting in one transaction (group commit), in WAL mode
//! with `synchronous=FULL`, so that an answer means that the bytes survive a power cut. Reading happens on a bounded number
//! of blocking threads with connections of their own, never on the runtime's workers.

mod connection;
mod content;
mod copy;
mod inspect;
mod log;
mod mend;
mod migrations;
mod rows;
mod seals;
mod tree;
mod writer;

use std::{io, path::PathBuf};

pub use content::SqliteContent;
pub use copy::{copy_content, copy_log, hold};
pub use inspect::{inspect_content, inspect_log, kept_of};
pub use log::SqliteStore;
pub use mend::Mending;

/// How a database is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Reads that run at once, each on a thread and a connection of its own; held within 1 and [`READERS_LIMIT`].
    pub readers: usize,
}

impl Default for Options {
    /// Four readers: enough to keep a small machine's disk busy while one of them reads a long stream.
    fn default() -> Self {
        Self { readers: 4 }
    }
}

/// Most reading connections to one database.
pub const READERS_LIMIT: usize = 64;

/// Why a database was not opened, and what to do about it. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, holds the lock file.
    #[error("{path} is in use by another process; stop that one first, or give this one a data directory of its own")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The lock file or the writing thread could not be made.
    #[error(
        "cannot prepare {path}: {source}; check that its directory exists and that this user may write there, \
         and that the system's limits on files and threads are not reached"
    )]
    Machine {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What lies in the write-ahead log could not be made durable.
    #[error("cannot make durable what {path} holds: {source}; mend the disk or make room on it, then start again")]
    Disk {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error(
        "cannot open {path}: {source}; check the disk and the file's owner, and if the file is damaged \
         restore the newest verified backup"
    )]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// What the file holds does not agree with itself.
    #[error("{path} is damaged: {what}; leave it as it is, and restore the newest verified backup beside it")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The file is an SQLite database of something else.
    #[error("{path} is not {expected}; check the configured paths")]
    Foreign {
        /// The database.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// A newer program has written the file.
    #[error("{path} has schema {found}, this program knows up to {known}; run the newer program, or restore a backup")]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// An older program has written the file, and it was to be read as it is.
    #[error(
        "{path} has schema {found}, this program reads {known}; serve the exchange with this program once, which brings the file \
         there, or use the program that wrote it"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The schema that this program reads.
        known: i64,
    },
    /// The linked SQLite may lose what it has committed.
    #[error("SQLite {found} can damage a WAL database; build with the bundled library, 3.51.3 or later")]
    Library {
        /// The library's number: 3051003 is 3.51.3.
        found: i32,
    },
    /// A setting on which durability rests did not take effect.
    #[error("{path} refuses {setting}; put it on a local disk whose file system supports locks and shared memory")]
    Setting {
        /// The database.
        path: PathBuf,
        /// The pragma and its value.
        setting: &'static str,
    },
}
