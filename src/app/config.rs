//! The configuration: one TOML file, over defaults, under the environment.
//!
//! A setting is taken from the environment (`COMMUNIQUE__SECTION__KEY`), else from the file, else from the default that
//! the field's documentation gives a reason for. What is not known is refused, in the file and in the environment alike:
//! a misspelt limit that silently stays at its default is worse than a service that does not start.
//!
//! [`Config::load`] says whether the settings can be read, [`Config::check`] whether this machine can run on them. Both
//! answer with everything that is wrong at once. Nothing here opens a port.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::id::PartyId;

mod check;
mod load;

pub use check::MAX_PEM_BYTES;
pub use load::{ENVIRONMENT_PREFIX, MAX_FILE_BYTES};

/// The settings of one exchange. Paths are resolved against the directory of the file that was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this exchange is.
    pub exchange: Exchange,
    /// Where the exchange is reached.
    #[serde(default)]
    pub listen: Listen,
    /// Where health and metrics are reached.
    #[serde(default)]
    pub http: Http,
    /// Who may read the public log, and which witnesses are asked to cosign its heads.
    #[serde(default)]
    pub log: Log,
    /// Who stamps what is published with the time.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// This machine's own directory.
    pub data: Data,
    /// Where the log and the texts are kept.
    #[serde(default)]
    pub store: Store,
    /// The server's own certificate.
    pub tls: Tls,
    /// The service's two keys.
    pub keys: Keys,
    /// What is logged, and how.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// When the machine's clock is not believed.
    #[serde(default)]
    pub clock: Clock,
    /// How log and content are read again for damage while the exchange serves.
    #[serde(default)]
    pub scrub: Scrub,
    /// The limits of everything that a caller can make grow.
    #[serde(default)]
    pub limits: Limits,
}

/// Who this exchange is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The DNS name of the exchange, in small letters, as the charter and the server's certificate give it. Required.
    #[serde(deserialize_with = "load::dns_name")]
    pub name: String,
}

/// Where the exchange is reached (gRPC over mutual TLS, and nothing else).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address and port. Default `127.0.0.1:8443`: a service that nobody has configured is not on the network.
    pub address: SocketAddr,
}

/// Where health and metrics are reached (plain HTTP, read-only, no drafts and no signatures).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port. Default `127.0.0.1:9443`: probes and the metrics collector run beside the service.
    pub listen: SocketAddr,
}

/// The log before the public and its witnesses: digests and signed heads, nothing of what entries say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Address and port where anybody may read checkpoint and tiles (C2SP tlog-tiles), in plain HTTP. Default: nowhere.
    pub listen: Option<SocketAddr>,
    /// Witnesses that the exchange asks for their cosignatures. Default: none; witnesses that come by themselves need no row.
    pub witness: Vec<Witness>,
}

/// A witness that is asked (C2SP tlog-witness).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// The party that runs it: its key is the one that the charter in force gives that party.
    pub party: PartyId,
    /// Its submission prefix: `https://…` or `http://…`. What is asked and answered is public, and signed on both sides.
    pub url: String,
    /// PEM: the authorities that its certificate may be of, for `https`. Default: those of the system, [`SYSTEM_AUTHORITIES`].
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// Most witnesses that are asked.
pub const WITNESSES_LIMIT: usize = 64;

/// Where the system keeps the authorities that it trusts, in PEM.
pub const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Witness {
    /// The file of the authorities that its certificate may be of.
    #[must_use]
    pub fn authorities(&self) -> &Path {
        self.ca.as_deref().unwrap_or(Path::new(SYSTEM_AUTHORITIES))
    }
}

/// An authority that stamps what is published (RFC 3161). Nothing waits for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timestamp {
    /// Its address: `https://…` or `http://…`. Default: empty, and nobody is asked.
    pub url: String,
    /// PEM: the authorities that its server's certificate may be of, for `https`. Default: those of the system,
    /// [`SYSTEM_AUTHORITIES`]. They say nothing of whom verifiers of stamps trust.
    pub ca: PathBuf,
}

/// This machine's own directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The directory that holds `log.head` and `log.clock`, and with the embedded store `log.sqlite` and `content.sqlite`; on a local disk that honours
    /// fsync. Each of several exchanges over one database has its own. Required.
    pub directory: PathBuf,
    /// Where the embedded store's files are, if not there.
    #[serde(skip)]
    files: Option<PathBuf>,
}

impl Data {
    /// Data whose files all lie in this directory.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { directory, files: None }
    }

    /// The log: every entry, and the projections that can be rebuilt from them.
    pub fn log(&self) -> PathBuf {
        self.files().join("log.sqlite")
    }

    /// The last head that was signed of it.
    pub fn head(&self) -> PathBuf {
        self.directory.join("log.head")
    }

    /// When the exchange last ran.
    pub fn clock(&self) -> PathBuf {
        self.directory.join("log.clock")
    }

    /// The texts and annexes that entries name by digest.
    pub fn content(&self) -> PathBuf {
        self.files().join("content.sqlite")
    }

    fn files(&self) -> &Path {
        self.files.as_ref().unwrap_or(&self.directory)
    }
}

/// Where the log and the texts are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:` (in `data.directory`) or `sqlite:DIRECTORY`: the embedded store, for one machine. `postgres://…`: PostgreSQL, for any
    /// number of exchanges. Default `sqlite:`: nothing else has to be installed.
    pub url: String,
    /// PEM: the authorities that the database's certificate may be of; it must bear the host's name. Default: those of the system.
    pub ca: PathBuf,
    /// The file with the role's password, for `postgres://`. Not readable by others. Default: empty, and there is none.
    pub password_file: PathBuf,
    /// How many standbys must have taken a commit before it is answered. Default 0: the primary's disk alone. With less than this the
    /// exchange does not run.
    #[serde(deserialize_with = "load::number")]
    pub synchronous_standbys: u32,
    /// Connections to the database for reading, for the log and for content each. Default 8.
    #[serde(deserialize_with = "load::number")]
    pub connections: usize,
}

/// Which store an address means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// The embedded one, in this directory (or in `data.directory`, if it is empty).
    Sqlite(&'a str),
    /// PostgreSQL.
    Postgres,
}

impl Store {
    /// What an address begins with: all of it that may be shown, since a password may follow.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.split(':').next().unwrap_or_default()
    }

    /// Which store it is; none for an address of something else.
    #[must_use]
    pub fn kind(&self) -> Option<Kind<'_>> {
        match self.url.split_once(':')? {
            ("sqlite", directory) => Some(Kind::Sqlite(directory)),
            ("postgres" | "postgresql", _) => Some(Kind::Postgres),
            _ => None,
        }
    }
}

/// The server's own certificate. Parties' certificates are in the log, not here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM: the server's leaf, then the certificates between it and the charter's server CA. Required.
    pub certificate: PathBuf,
    /// PEM: the leaf's private key. Not readable by others. Required.
    pub key: PathBuf,
}

/// The service's two keys: they sign log heads and certified copies, nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The key that signs the log's heads. Not readable by others. Required.
    pub log: PathBuf,
    /// The key that signs certified copies. Not readable by others. Required.
    pub depositary: PathBuf,
    /// Keys that take the place of these under the next charter: there before it is proposed. Not readable by others.
    #[serde(default)]
    pub next: Vec<PathBuf>,
}

/// What is logged, and how. Logs go to standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Default `text`: a service that is tried out is read by a person.
    pub format: Format,
    /// Directives of `tracing`, such as `info,communique=debug`. Default `info`.
    pub filter: String,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum Format {
    /// One line of text for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("is {other:?}, expected \"text\" or \"json\"")),
        }
    }
}

/// When the machine's clock is not believed. It cannot be switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// How many days the clock may have gone on since the exchange last ran, 1 to 3650; if it is more, nothing is written unless the
    /// exchange is started with `--accept-clock`. Default 7: longer than it is switched off without somebody there when it starts again.
    #[serde(deserialize_with = "load::number")]
    pub off_days: u64,
}

/// How log and content are read again for damage while the exchange serves. It cannot be switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scrub {
    /// Mebibytes that are read in a second at most, 1 to 1024; beside many calls an eighth. Default 4: a gibibyte in some five minutes, and
    /// little of any disk or processor.
    #[serde(deserialize_with = "load::number")]
    pub mib_per_second: u64,
    /// Minutes from the end of a pass to the next, 1 to 10080, a week. Default 60.
    #[serde(deserialize_with = "load::number")]
    pub pause_minutes: u64,
}

/// The limits of everything that a caller can make grow. None can be switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest HTTP/2 header list, in bytes. Default 16 KiB.
    #[serde(deserialize_with = "load::number")]
    pub header_bytes: u32,
    /// Open connections in all. Default 4096.
    #[serde(deserialize_with = "load::number")]
    pub connections: usize,
    /// Open connections of one party. Default 256: one party cannot take the places of the others.
    #[serde(deserialize_with = "load::number")]
    pub connections_per_party: usize,
    /// Concurrent calls on one connection. Default 64.
    #[serde(deserialize_with = "load::number")]
    pub streams_per_connection: u32,
    /// Handshakes under way in all. Default 256.
    #[serde(deserialize_with = "load::number")]
    pub handshakes: usize,
    /// Handshakes under way from one address. Default 32: silent sockets of one address cannot fill every place.
    #[serde(deserialize_with = "load::number")]
    pub handshakes_per_address: usize,
    /// Time for a handshake, in seconds. Default 10.
    #[serde(deserialize_with = "load::number")]
    pub handshake_seconds: u64,
    /// Time for a call that transfers no content, in seconds. Default 60.
    #[serde(deserialize_with = "load::number")]
    pub request_seconds: u64,
    /// Time for an upload or a download, in seconds. Default 600: 64 MiB at one megabit a second.
    #[serde(deserialize_with = "load::number")]
    pub transfer_seconds: u64,
    /// Calls of one party under way, over all its connections. Default 256: its busiest system keeps a machine's cores at
    /// work, and no party holds more memory than that many messages.
    #[serde(deserialize_with = "load::number")]
    pub calls_per_party: usize,
    /// Uploads of one party under way. Default 8.
    #[serde(deserialize_with = "load::number")]
    pub uploads_per_party: usize,
    /// Watchers of one party, each a stream of events. Default 32: some for each of its systems and desks.
    #[serde(deserialize_with = "load::number")]
    pub watchers_per_party: usize,
    /// Time after which a stream of events that had nothing to say says that it lives, in seconds. Default 30: less than what
    /// networks forget silent connections after.
    #[serde(deserialize_with = "load::number")]
    pub heartbeat_seconds: u64,
    /// Time for which a watcher's full queue may stay full before the watcher is dropped, with the index to resume from, in
    /// seconds. Default 30.
    #[serde(deserialize_with = "load::number")]
    pub slow_reader_seconds: u64,
    /// Time between HTTP/2 keepalive pings, and the time for the answer, in seconds. Default 30.
    #[serde(deserialize_with = "load::number")]
    pub keepalive_seconds: u64,
    /// Age at which a connection is asked to end, in seconds. Default 3600: certificates are looked at again.
    #[serde(deserialize_with = "load::number")]
    pub connection_age_seconds: u64,
    /// Entries of a list's page when the caller does not say. Default 50.
    #[serde(deserialize_with = "load::number")]
    pub page_default: u32,
    /// Entries of a list's page at most. Default 1000.
    #[serde(deserialize_with = "load::number")]
    pub page_max: u32,
    /// Time for open calls to end when the service is stopped, in seconds. Default 20: less than what service managers
    /// wait before they kill.
    #[serde(deserialize_with = "load::number")]
    pub drain_seconds: u64,
}

impl Default for Listen {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8443)) }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9443)) }
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self { url: String::new(), ca: SYSTEM_AUTHORITIES.into() }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite:".to_owned(),
            ca: SYSTEM_AUTHORITIES.into(),
            password_file: PathBuf::new(),
            synchronous_standbys: 0,
            connections: 8,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { format: Format::Text, filter: "info".to_owned() }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self { off_days: 7 }
    }
}

impl Default for Scrub {
    fn default() -> Self {
        Self { mib_per_second: 4, pause_minutes: 60 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            connections: 4096,
            connections_per_party: 256,
            streams_per_connection: 64,
            handshakes: 256,
            handshakes_per_address: 32,
            handshake_seconds: 10,
            request_seconds: 60,
            transfer_seconds: 600,
            calls_per_party: 256,
            uploads_per_party: 8,
            watchers_per_party: 32,
            heartbeat_seconds: 30,
            slow_reader_seconds: 30,
            keepalive_seconds: 30,
            connection_age_seconds: 3600,
            page_default: 50,
            page_max: 1000,
            drain_seconds: 20,
        }
    }
}

/// One thing that is wrong, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting (`limits.connections`), or the file where no setting can be named.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do next.
    pub next: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.what, self.next)
    }
}

impl Problem {
    fn new(key: impl Into<String>, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), next: next.into() }
    }
}
