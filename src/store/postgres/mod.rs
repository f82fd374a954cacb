//! The store for more than one machine: PostgreSQL, which any number of exchanges write to at once.
//!
//! None of them leads. Each commits what waits for it in one transaction (group commit), and every transaction that appends takes the
//! row of the tree for itself first, so that the database alone says what follows what: streams' lengths and the tree are compared under
//! that row, and no other lock is used.
//!
//! An answer means that the bytes are on the disk, and on as many standbys as are demanded. What PostgreSQL leaves unsaid is unknown
//! here: a commit that ends in a warning (of a synchronous wait that was cancelled), in silence or with its connection. What others
//! have committed may be visible and yet be lost with the primary, if their wait was cancelled; nothing read is answered before a
//! commit of our own after it has been taken by all who must (`Log::settle`).

mod blobs;
mod connection;

mod content;
mod durability;
mod known;
mod log;

mod migrations;
mod rows;

#[cfg(test)]
#[path = "../../../tests/postgres/cluster.rs"]
mod cluster;
mod stages;
#[cfg(test)]
mod tests;
mod tls;
mod transaction;
mod tree;

use std::{sync::Arc, time::Duration};

pub use content::PostgresContent;
pub use log::PostgresStore;

/// Most connections that read, of one store: so many of the server's `max_connections` may each of log and content take, beside two of the
/// log and [`WRITERS_LIMIT`](transaction::WRITERS_LIMIT) of content.
pub const READERS_LIMIT: usize = 64;
/// The oldest server that is served, as PostgreSQL counts: 14.
pub const SERVER_LEAST: u32 = 140_000;
/// How long a connection may take to be made to one of the hosts.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long a statement may take, but a commit: a server that is stopped and keeps its connections is given up then.
pub const STATEMENT_DEADLINE: Duration = Duration::from_secs(10);
/// How long a commit may take. Without standby it waits; then it is unknown, and is found out by asking again.
pub const COMMIT_DEADLINE: Duration = Duration::from_secs(20);

/// How a database is reached.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://USER@HOST:PORT[,HOST:PORT…]/DATABASE`; no password. Of several hosts, that one is taken which can be written to.
    pub url: String,
    /// The password, where the server asks for one.
    pub password: Option<Vec<u8>>,
    /// Whom to trust as the server, and who we are. There is no connection without TLS.
    pub tls: Arc<rustls::ClientConfig>,
    /// How many standbys must have taken a commit before it is answered. At 0 the primary's disk alone counts.
    pub standbys: u32,
    /// Reads that run at once; held within 1 and [`READERS_LIMIT`].
    pub readers: usize,
}

/// Why a database is not used, and what to do about it. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none, or asks for what is not offered.
    #[error("store.url {what}; write postgres://USER@HOST:PORT/DATABASE, with several HOST:PORT divided by commas")]
    Address {
        /// What is wrong with it.
        what: &'static str,
    },
    /// No connection was made.
    #[error("cannot reach the database: {why}; check store.url, the server and its certificate, and the password")]
    Unreachable {
        /// What was said.
        why: String,
    },
    /// The server promises less than an answer of the exchange does.
    #[error("the database may lose what it has committed: {what}; {next}")]
    Durability {
        /// What it promises less.
        what: String,
        /// What to do.
        next: &'static str,
    },
    /// The server is older than [`SERVER_LEAST`].
    #[error("PostgreSQL {found} is too old; 14 or later is needed")]
    Old {
        /// What the server says that it is.
        found: String,
    },
    /// A newer program has written to it.
    #[error(
        "the database has schema {found} of {kind}, this program knows up to {known}; run the newer program, or restore a backup"
    )]
    Newer {
        /// Log or content.
        kind: &'static str,
        /// The schema in the database.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// What the database holds does not agree with itself.
    #[error("the database is damaged: {what}; leave it as it is, and restore the newest verified backup beside it")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The database refused.
    #[error("the database refuses: {why}")]
    Database {
        /// What it said.
        why: String,
    },
}
