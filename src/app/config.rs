//! The configuration: one TOML file, over defaults, under the environment.
//!
//! A setting is taken from the environment (`COMMUNIQUE__SECTION__KEY`), else from the file, else from the default that
//! the field's documentation gives a reason for. What is not known is refused, in the file and in the environment alike:
//! a misspelt limit that silently stays at its default is worse than a service that does not start.
//!
//! [`Config::load`] says whether the settings can be read, [`Config::check`] whether this machine can run on them. Both
//! answer with everything that is wrong at once. Nothing here opens a port.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use config::{ConfigError, FileFormat, Source, Value, ValueKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// What the names of environment variables begin with. `COMMUNIQUE__LIMITS__CONNECTIONS` is `limits.connections`.
pub const ENVIRONMENT_PREFIX: &str = "COMMUNIQUE__";

/// Largest configuration file that is read, in bytes. A larger one is some other file.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Largest certificate or key file that is read, in bytes.
pub const MAX_PEM_BYTES: u64 = 1024 * 1024;

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
    /// Where the log and the texts are kept.
    pub data: Data,
    /// The server's own certificate.
    pub tls: Tls,
    /// The service's two keys.
    pub keys: Keys,
    /// What is logged, and how.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// The limits of everything that a caller can make grow.
    #[serde(default)]
    pub limits: Limits,
}

/// Who this exchange is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The DNS name of the exchange, in small letters, as the charter and the server's certificate give it. Required.
    #[serde(deserialize_with = "dns_name")]
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

/// Where the log and the texts are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The directory that holds `log.sqlite` and `content.sqlite`, on a local disk that honours fsync. Required.
    pub directory: PathBuf,
}

impl Data {
    /// The log: every entry, and the projections that can be rebuilt from them.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log.sqlite")
    }

    /// The texts and annexes that entries name by digest.
    pub fn content(&self) -> PathBuf {
        self.directory.join("content.sqlite")
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

/// The limits of everything that a caller can make grow. None can be switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest gRPC message, in bytes. Default 4 MiB: a text (1 MiB) with its statement fits four times over, larger
    /// content is sent in chunks.
    #[serde(deserialize_with = "number")]
    pub message_bytes: usize,
    /// Largest HTTP/2 header list, in bytes. Default 16 KiB.
    #[serde(deserialize_with = "number")]
    pub header_bytes: u32,
    /// Open connections in all. Default 4096.
    #[serde(deserialize_with = "number")]
    pub connections: usize,
    /// Open connections of one party. Default 256: one party cannot take the places of the others.
    #[serde(deserialize_with = "number")]
    pub connections_per_party: usize,
    /// Concurrent calls on one connection. Default 64.
    #[serde(deserialize_with = "number")]
    pub streams_per_connection: u32,
    /// Handshakes under way in all. Default 256.
    #[serde(deserialize_with = "number")]
    pub handshakes: usize,
    /// Handshakes under way from one address. Default 32: silent sockets of one address cannot fill every place.
    #[serde(deserialize_with = "number")]
    pub handshakes_per_address: usize,
    /// Time for a handshake, in seconds. Default 10.
    #[serde(deserialize_with = "number")]
    pub handshake_seconds: u64,
    /// Time for a call that transfers no content, in seconds. Default 60.
    #[serde(deserialize_with = "number")]
    pub request_seconds: u64,
    /// Time for an upload or a download, in seconds. Default 600: 64 MiB at one megabit a second.
    #[serde(deserialize_with = "number")]
    pub transfer_seconds: u64,
    /// Uploads of one party under way. Default 8.
    #[serde(deserialize_with = "number")]
    pub uploads_per_party: usize,
    /// Time without a call after which a connection is closed, in seconds. Default 300.
    #[serde(deserialize_with = "number")]
    pub idle_seconds: u64,
    /// Time between HTTP/2 keepalive pings, and the time for the answer, in seconds. Default 30.
    #[serde(deserialize_with = "number")]
    pub keepalive_seconds: u64,
    /// Age at which a connection is asked to end, in seconds. Default 3600: certificates are looked at again.
    #[serde(deserialize_with = "number")]
    pub connection_age_seconds: u64,
    /// Entries of a list's page when the caller does not say. Default 50.
    #[serde(deserialize_with = "number")]
    pub page_default: u32,
    /// Entries of a list's page at most. Default 1000.
    #[serde(deserialize_with = "number")]
    pub page_max: u32,
    /// Time for open calls to end when the service is stopped, in seconds. Default 20: less than what service managers
    /// wait before they kill.
    #[serde(deserialize_with = "number")]
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

impl Default for Telemetry {
    fn default() -> Self {
        Self { format: Format::Text, filter: "info".to_owned() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 4 * 1024 * 1024,
            header_bytes: 16 * 1024,
            connections: 4096,
            connections_per_party: 256,
            streams_per_connection: 64,
            handshakes: 256,
            handshakes_per_address: 32,
            handshake_seconds: 10,
            request_seconds: 60,
            transfer_seconds: 600,
            uploads_per_party: 8,
            idle_seconds: 300,
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

/// Settings without a default: nobody can guess them.
const REQUIRED: [&str; 6] =
    ["exchange.name", "data.directory", "tls.certificate", "tls.key", "keys.log", "keys.depositary"];

impl Config {
    /// Reads the file at `path`, and over it the variables of `environment` whose names begin with
    /// [`ENVIRONMENT_PREFIX`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once: a file that cannot be read or is no TOML, unknown settings, values of the
    /// wrong kind, required settings that are missing.
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, Vec<Problem>> {
        let file = read_file(path).map_err(|problem| vec![problem])?;
        let settings = settings(path, &file, environment);

        let known = known_keys();
        let mut problems: Vec<Problem> = settings
            .iter()
            .filter_map(|setting| {
                if known.contains(&setting.key) {
                    setting.try_alone().err()
                } else {
                    let what = format!("{} sets what is no setting", setting.origin);
                    Some(Problem::new(&setting.key, what, suggestion(&setting.key, &known)))
                }
            })
            .collect();
        for required in REQUIRED {
            if !settings.iter().any(|setting| setting.key == required) {
                let variable = format!("{ENVIRONMENT_PREFIX}{}", required.to_uppercase().replace('.', "__"));
                let next = format!("set it in {} or as {variable}", path.display());
                problems.push(Problem::new(required, "is required and has no default", next));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }

        // In order, so that what the environment says stands over what the file says.
        let mut builder = config::Config::builder();
        for setting in &settings {
            builder = builder
                .set_override(&setting.key, setting.value.clone())
                .map_err(|error| vec![setting.problem(&error)])?;
        }
        let loaded: Self = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| vec![Problem::new(path.display().to_string(), said(&error), "mend the file")])?;
        Ok(loaded.resolved(path.parent().unwrap_or(Path::new(""))))
    }

    /// Whether this machine can run on these settings: files that are there and kept safe, a directory that can be
    /// written to, two ports, limits that limit and leave room to work. Everything that is wrong, at once.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_addresses(&mut problems);
        self.check_files(&mut problems);
        self.check_data(&mut problems);
        self.check_limits(&mut problems);
        if let Err(error) = EnvFilter::try_new(&self.telemetry.filter) {
            let what = format!("{:?} is no filter: {error}", self.telemetry.filter);
            problems.push(Problem::new("telemetry.filter", what, "write it as in \"info,communique=debug\""));
        }
        problems
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let (grpc, http) = (self.listen.address, self.http.listen);
        let overlap = grpc.ip() == http.ip() || grpc.ip().is_unspecified() || http.ip().is_unspecified();
        // Port 0 asks the system for a free one.
        if grpc.port() == http.port() && grpc.port() != 0 && overlap {
            let what = format!("{http} is also the port of listen.address");
            problems.push(Problem::new("http.listen", what, "give health and metrics a port of their own"));
        }
    }

    fn check_files(&self, problems: &mut Vec<Problem>) {
        let before = problems.len();
        check_readable("tls.certificate", &self.tls.certificate, problems);
        if problems.len() == before
            && let Err(what) = read_certificates(&self.tls.certificate)
        {
            let next = "put the server's leaf first, then its issuers, in PEM";
            problems.push(Problem::new("tls.certificate", what, next));
        }

        let before = problems.len();
        check_secret("tls.key", &self.tls.key, problems);
        if problems.len() == before && PrivateKeyDer::from_pem_file(&self.tls.key).is_err() {
            let what = format!("{} holds no private key in PEM", self.tls.key.display());
            problems.push(Problem::new("tls.key", what, "give the key that belongs to tls.certificate, unencrypted"));
        }

        check_secret("keys.log", &self.keys.log, problems);
        check_secret("keys.depositary", &self.keys.depositary, problems);
        if self.keys.log == self.keys.depositary {
            let what = "is the same file as keys.log";
            problems.push(Problem::new("keys.depositary", what, "make a second key: the two sign different things"));
        }
    }

    fn check_data(&self, problems: &mut Vec<Problem>) {
        let directory = &self.data.directory;
        let shown = directory.display();
        match fs::metadata(directory) {
            Err(error) => {
                let next = format!("make it: mkdir -p {shown}");
                problems.push(Problem::new("data.directory", format!("{shown}: {error}"), next));
            }
            Ok(found) if !found.is_dir() => {
                problems.push(Problem::new("data.directory", format!("{shown} is no directory"), "name a directory"));
            }
            // Permissions say too little (read-only mounts, quotas): a file that is made and removed says all.
            Ok(_) => {
                if let Err(error) = tempfile::tempfile_in(directory) {
                    let next = "let the account that runs the exchange write to it";
                    problems.push(Problem::new("data.directory", format!("{shown}: {error}"), next));
                }
            }
        }
    }

    fn check_limits(&self, problems: &mut Vec<Problem>) {
        const DAY: u64 = 24 * 60 * 60;
        const PLACES: RangeInclusive<u64> = 1..=1_000_000;
        const SECONDS: RangeInclusive<u64> = 1..=DAY;
        let limits = &self.limits;
        let bounds: [(&str, u64, RangeInclusive<u64>); 17] = [
            ("limits.message_bytes", wide(limits.message_bytes), 64 * 1024..=64 * 1024 * 1024),
            ("limits.header_bytes", limits.header_bytes.into(), 4 * 1024..=1024 * 1024),
            ("limits.connections", wide(limits.connections), PLACES),
            ("limits.connections_per_party", wide(limits.connections_per_party), PLACES),
            ("limits.streams_per_connection", limits.streams_per_connection.into(), 1..=10_000),
            ("limits.handshakes", wide(limits.handshakes), PLACES),
            ("limits.handshakes_per_address", wide(limits.handshakes_per_address), PLACES),
            ("limits.handshake_seconds", limits.handshake_seconds, 1..=300),
            ("limits.request_seconds", limits.request_seconds, 1..=3600),
            ("limits.transfer_seconds", limits.transfer_seconds, SECONDS),
            ("limits.uploads_per_party", wide(limits.uploads_per_party), PLACES),
            ("limits.idle_seconds", limits.idle_seconds, SECONDS),
            ("limits.keepalive_seconds", limits.keepalive_seconds, 1..=3600),
            ("limits.connection_age_seconds", limits.connection_age_seconds, 60..=7 * DAY),
            ("limits.page_default", limits.page_default.into(), 1..=10_000),
            ("limits.page_max", limits.page_max.into(), 1..=10_000),
            ("limits.drain_seconds", limits.drain_seconds, 1..=3600),
        ];
        for (key, value, range) in bounds {
            if !range.contains(&value) {
                let next = format!("choose from {} to {}", range.start(), range.end());
                problems.push(Problem::new(key, format!("is {value}"), next));
            }
        }
        // A part that is larger than the whole says that one of the two was misread.
        let parts = [
            ("limits.page_default", u64::from(limits.page_default), "limits.page_max", u64::from(limits.page_max)),
            (
                "limits.connections_per_party",
                wide(limits.connections_per_party),
                "limits.connections",
                wide(limits.connections),
            ),
            (
                "limits.handshakes_per_address",
                wide(limits.handshakes_per_address),
                "limits.handshakes",
                wide(limits.handshakes),
            ),
        ];
        for (part, value, whole, most) in parts {
            if value > most {
                let what = format!("is {value}, more than {whole} ({most})");
                problems.push(Problem::new(part, what, format!("lower it, or raise {whole}")));
            }
        }
    }

    fn resolved(mut self, directory: &Path) -> Self {
        let paths = [
            &mut self.data.directory,
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.keys.log,
            &mut self.keys.depositary,
        ];
        for path in paths {
            *path = directory.join(&*path);
        }
        self
    }

    /// Settings that stand in for the required ones when another is tried alone, and that show which keys there are.
    fn sample() -> Self {
        let path = PathBuf::from("sample");
        Self {
            exchange: Exchange { name: "exchange.example".to_owned() },
            listen: Listen::default(),
            http: Http::default(),
            data: Data { directory: path.clone() },
            tls: Tls { certificate: path.clone(), key: path.clone() },
            keys: Keys { log: path.clone(), depositary: path },
            telemetry: Telemetry::default(),
            limits: Limits::default(),
        }
    }
}

/// One value, from the file or from the environment.
struct Setting {
    key: String,
    value: Value,
    origin: String,
}

impl Setting {
    /// Whether the value is of the right kind, with every other setting as it should be. Deserialising the whole would
    /// stop at the first mistake.
    fn try_alone(&self) -> Result<(), Problem> {
        let sample = config::Config::try_from(&Config::sample()).map_err(|error| self.problem(&error))?;
        config::Config::builder()
            .add_source(sample)
            .set_override(&self.key, self.value.clone())
            .and_then(|builder| builder.build())
            .and_then(config::Config::try_deserialize::<Config>)
            .map(|_| ())
            .map_err(|error| self.problem(&error))
    }

    fn problem(&self, error: &ConfigError) -> Problem {
        Problem::new(&self.key, said(error), format!("mend it in {}", self.origin))
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Value>, Problem> {
    let shown = path.display().to_string();
    let open = |error: std::io::Error| Problem::new(&shown, error.to_string(), "name the configuration with --config");
    let mut text = String::new();
    let mut file = fs::File::open(path).map_err(open)?.take(MAX_FILE_BYTES + 1);
    file.read_to_string(&mut text).map_err(open)?;
    if wide(text.len()) > MAX_FILE_BYTES {
        let what = format!("is larger than {MAX_FILE_BYTES} bytes");
        return Err(Problem::new(shown, what, "name the configuration with --config"));
    }
    match config::File::from_str(&text, FileFormat::Toml).collect() {
        Ok(settings) => Ok(settings.into_iter().collect()),
        Err(error) => Err(Problem::new(shown, said(&error), "write it as TOML: [section], then key = value")),
    }
}

/// The settings of the file, then those of the environment.
fn settings(
    path: &Path,
    file: &BTreeMap<String, Value>,
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<Setting> {
    let origin = path.display().to_string();
    let mut settings = Vec::new();
    for (section, value) in file {
        let setting = |key: String, value: &Value| Setting { key, value: value.clone(), origin: origin.clone() };
        match &value.kind {
            ValueKind::Table(table) => {
                let sorted: BTreeMap<_, _> = table.iter().collect();
                settings.extend(sorted.into_iter().map(|(key, value)| setting(format!("{section}.{key}"), value)));
            }
            _ => settings.push(setting(section.clone(), value)),
        }
    }
    let variables: BTreeMap<String, String> =
        environment.filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)).collect();
    for (name, value) in variables {
        let key = name.trim_start_matches(ENVIRONMENT_PREFIX).to_lowercase().replace("__", ".");
        // Text, as it stands: a number is made of it where a number is wanted, and nowhere else.
        settings.push(Setting { key, value: Value::new(Some(&name), ValueKind::String(value)), origin: name });
    }
    settings
}

/// Every key that can be set, as `section.key`. The struct is the one list.
fn known_keys() -> BTreeSet<String> {
    let sections = serde_json::to_value(Config::sample()).unwrap_or_default();
    let sections = sections.as_object().into_iter().flatten();
    sections
        .flat_map(|(section, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, _)| format!("{section}.{key}"))
        })
        .collect()
}

fn suggestion(key: &str, known: &BTreeSet<String>) -> String {
    let section = key.split('.').next().unwrap_or_default();
    let keys: Vec<&str> = known.iter().filter_map(|known| known.strip_prefix(section)?.strip_prefix('.')).collect();
    if keys.is_empty() {
        let sections: BTreeSet<&str> = known.iter().filter_map(|known| known.split('.').next()).collect();
        format!("remove it; sections are {}", sections.into_iter().collect::<Vec<_>>().join(", "))
    } else {
        format!("remove it; settings of [{section}] are {}", keys.join(", "))
    }
}

/// What the library found, without the key and the origin, which are said beside it.
fn said(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => said(error),
        ConfigError::Type { unexpected, expected, .. } => format!("is {unexpected}, expected {expected}"),
        ConfigError::FileParse { cause, .. } => format!("is no TOML: {}", cause.to_string().trim_end()),
        other => other.to_string(),
    }
}

/// A whole number, from a number or from the digits that the environment gives.
///
/// The library alone would round `1.5`, and take `true` and `"on"` for 1.
fn number<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<N, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number, zero or more")
        }

        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }

        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
            u64::try_from(value).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
        }

        fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<u64, E> {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = value.parse().ok().filter(|_| digits);
            parsed.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
        }
    }

    let value = deserializer.deserialize_any(Whole)?;
    N::try_from(value).map_err(|_| D::Error::custom(format!("is {value}, too large")))
}

fn dns_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if lower && DnsName::try_from(name.as_str()).is_ok() {
        Ok(name)
    } else {
        Err(D::Error::custom(format!("is {name:?}, expected a DNS name in small letters")))
    }
}

fn check_readable(key: &str, path: &Path, problems: &mut Vec<Problem>) -> Option<fs::Metadata> {
    let shown = path.display();
    let found = fs::File::open(path).and_then(|file| file.metadata());
    let (what, next) = match found {
        Err(error) => (format!("{shown}: {error}"), "make it with `communiqued init`, or name the right file"),
        Ok(found) if !found.is_file() => (format!("{shown} is no file"), "name a file"),
        Ok(found) if found.len() == 0 => (format!("{shown} is empty"), "name the right file"),
        Ok(found) if found.len() > MAX_PEM_BYTES => {
            (format!("{shown} is larger than {MAX_PEM_BYTES} bytes"), "name the right file")
        }
        Ok(found) => return Some(found),
    };
    problems.push(Problem::new(key, what, next));
    None
}

/// A key file: others may do nothing with it, the group may read it at most (service managers hand secrets over so).
fn check_secret(key: &str, path: &Path, problems: &mut Vec<Problem>) {
    const FORBIDDEN: u32 = 0o037;
    let Some(found) = check_readable(key, path, problems) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & FORBIDDEN != 0 {
        let shown = path.display();
        let what = format!("{shown} is open to others (mode {mode:04o})");
        problems.push(Problem::new(
            key,
            what,
            format!("close it: chmod 600 {shown}; if others had access, replace the key"),
        ));
    }
}

fn read_certificates(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| format!("{shown}: {error}"))?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| format!("{shown}: {error}"))?;
    if certificates.is_empty() { Err(format!("{shown} holds no certificate in PEM")) } else { Ok(()) }
}

fn wide(value: usize) -> u64 {
    // No machine that this runs on has addresses of more than 64 bits.
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "
        [exchange]
        name = \"exchange.example\"
        [data]
        directory = \"data\"
        [tls]
        certificate = \"tls/server.pem\"
        key = \"tls/server.key\"
        [keys]
        log = \"/keys/log.pem\"
        depositary = \"keys/depositary.pem\"
    ";

    fn load_in(directory: &Path, text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        let path = directory.join("communiqued.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        load_in(tempfile::tempdir().unwrap().path(), text, environment)
    }

    fn keys(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|problem| problem.key.as_str()).collect()
    }

    #[test]
    fn the_minimum_is_enough_and_paths_start_at_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = load_in(directory.path(), MINIMAL, &[]).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.telemetry, Telemetry::default());
        assert_eq!(config.listen.address.to_string(), "127.0.0.1:8443");
        assert_eq!(config.data.log(), directory.path().join("data/log.sqlite"));
        assert_eq!(config.tls.key, directory.path().join("tls/server.key"));
        assert_eq!(config.keys.log, Path::new("/keys/log.pem"));
    }

    #[test]
    fn the_environment_stands_over_the_file_and_the_file_over_the_default() {
        let text = format!("{MINIMAL}\n[limits]\npage_max = 7\npage_default = 5\n[telemetry]\nformat = \"json\"");
        let environment = [
            ("COMMUNIQUE__LIMITS__PAGE_MAX", "9"),
            ("COMMUNIQUE__LISTEN__ADDRESS", "[::1]:5"),
            ("COMMUNIQUE__TELEMETRY__FILTER", "007"),
            ("COMMUNIQUE__EXCHANGE__NAME", "007.example"),
            ("COMMUNIQUE_LIMITS_PAGE_MAX", "of another program"),
            ("PATH", "/bin"),
        ];
        let config = load(&text, &environment).unwrap();
        assert_eq!(config.limits, Limits { page_max: 9, page_default: 5, ..Limits::default() });
        assert_eq!(config.listen.address.to_string(), "[::1]:5");
        assert_eq!(config.telemetry, Telemetry { format: Format::Json, filter: "007".to_owned() });
        assert_eq!(config.exchange.name, "007.example");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text = "
            stray = 1
            [exchange]
            name = \"Not A Name\"
            [limits]
            conections = 5
            connections = 1.5
            page_max = -1
            page_default = true
            streams_per_connection = 4294967296
            [telemetry]
            format = \"yaml\"
            [data]
            directory = \"d\"
            [nowhere]
            to = \"go\"
        ";
        let environment = [
            ("COMMUNIQUE__LIMITS__HANDSHAKES", "on"),
            ("COMMUNIQUE__LIMITS__DRAIN_SECONDS", "+5"),
            ("COMMUNIQUE__LISTEN__ADDRESS", "localhost"),
            ("COMMUNIQUE__LISTEN", "x"),
            ("COMMUNIQUE__LIMITS__PAGE__MAX", "5"),
            ("COMMUNIQUE__", "x"),
            ("COMMUNIQUE__LIMITS__A[0]", "x"),
        ];
        let problems = load(text, &environment).unwrap_err();
        let mut found = keys(&problems);
        found.sort_unstable();
        let mut expected = [
            "",
            "exchange.name",
            "keys.depositary",
            "keys.log",
            "limits.a[0]",
            "limits.conections",
            "limits.connections",
            "limits.drain_seconds",
            "limits.handshakes",
            "limits.page.max",
            "limits.page_default",
            "limits.page_max",
            "limits.streams_per_connection",
            "listen",
            "listen.address",
            "nowhere.to",
            "stray",
            "telemetry.format",
            "tls.certificate",
            "tls.key",
        ];
        expected.sort_unstable();
        assert_eq!(found, expected, "{problems:#?}");

        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let shows = |key: &str, words: &[&str]| {
            let line = shown.iter().find(|line| line.starts_with(&format!("{key}: "))).unwrap();
            assert!(words.iter().all(|word| line.contains(word)), "{line}");
        };
        shows("limits.handshakes", &["\"on\"", "whole number", "COMMUNIQUE__LIMITS__HANDSHAKES"]);
        shows("limits.connections", &["1.5", "whole number", "communiqued.toml"]);
        shows("limits.conections", &["no setting", "connections_per_party"]);
        shows("nowhere.to", &["sections are data, exchange"]);
        shows("telemetry.format", &["yaml", "\"text\" or \"json\""]);
        shows("tls.key", &["required", "COMMUNIQUE__TLS__KEY"]);
        shows("limits.streams_per_connection", &["too large"]);
    }

    #[test]
    fn a_file_that_is_none_is_one_problem() {
        assert_eq!(load("[exchange\n", &[]).unwrap_err().len(), 1);
        assert_eq!(load(&"#".repeat(300_000), &[]).unwrap_err().len(), 1);
        let problems = Config::load(Path::new("/nowhere/communiqued.toml"), std::iter::empty()).unwrap_err();
        assert_eq!(keys(&problems), ["/nowhere/communiqued.toml"]);
    }

    /// A configuration whose files are all there, in `directory`.
    fn complete(directory: &Path) -> Config {
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(["exchange.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let mut config = Config::sample();
        let put = |name: &str, text: &str, mode: u32| {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        config.tls.certificate = put("server.pem", &leaf.pem(), 0o644);
        config.tls.key = put("server.key", &key.serialize_pem(), 0o600);
        config.keys.log = put("log.pem", "sample", 0o440);
        config.keys.depositary = put("depositary.pem", "sample", 0o400);
        config.data.directory = directory.to_owned();
        config
    }

    #[test]
    fn a_machine_that_is_ready_has_no_problem() {
        let directory = tempfile::tempdir().unwrap();
        let config = complete(directory.path());
        assert_eq!(config.check(), []);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "the check leaves nothing behind");
    }

    #[test]
    fn each_fault_of_the_machine_is_found() {
        type Break = fn(&mut Config, &Path);
        let faults: &[(&[&str], Break)] = &[
            (&["tls.certificate"], |config, _| config.tls.certificate.set_file_name("none")),
            (&["tls.certificate"], |config, _| config.tls.certificate = config.tls.key.clone()),
            (&["tls.key"], |config, _| config.tls.key = config.keys.log.clone()),
            (&["tls.key"], |config, _| open_up(&config.tls.key, 0o604)),
            (&["keys.log"], |config, _| open_up(&config.keys.log, 0o620)),
            (&["keys.depositary"], |config, _| open_up(&config.keys.depositary, 0o601)),
            (&["keys.depositary"], |config, _| config.keys.depositary = config.keys.log.clone()),
            (&["keys.log"], |config, directory| config.keys.log = directory.to_owned()),
            (&["keys.log"], |config, _| fs::write(&config.keys.log, "").unwrap()),
            (&["data.directory"], |config, _| config.data.directory = config.keys.log.clone()),
            (&["data.directory"], |config, directory| config.data.directory = directory.join("none")),
            (&["data.directory"], |config, _| config.data.directory = PathBuf::from("/proc/self")),
            (&["http.listen"], |config, _| config.http.listen = config.listen.address),
            (&["http.listen"], |config, _| config.http.listen.set_port(config.listen.address.port())),
            (&["telemetry.filter"], |config, _| config.telemetry.filter = "communique=loud".to_owned()),
            (&["limits.page_default"], |config, _| config.limits.page_default = config.limits.page_max + 1),
            (&["limits.page_max", "limits.page_default"], |config, _| config.limits.page_max = 0),
            (&["limits.connections_per_party"], |config, _| config.limits.connections = 100),
            (&["limits.handshakes_per_address"], |config, _| config.limits.handshakes = 31),
            (&["limits.connection_age_seconds"], |config, _| config.limits.connection_age_seconds = 1),
        ];
        for (number, (expected, fault)) in faults.iter().enumerate() {
            let directory = tempfile::tempdir().unwrap();
            let mut config = complete(directory.path());
            fault(&mut config, directory.path());
            assert_eq!(keys(&config.check()), *expected, "fault {number}");
        }

        fn open_up(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn every_limit_refuses_zero() {
        let directory = tempfile::tempdir().unwrap();
        let limits: Vec<String> = known_keys().into_iter().filter(|key| key.starts_with("limits.")).collect();
        assert!(limits.len() > 10);
        let whole = complete(directory.path());
        for key in limits {
            let text = format!("{MINIMAL}\n[limits]\n{} = 0", key.trim_start_matches("limits."));
            let config = Config { limits: load(&text, &[]).unwrap().limits, ..whole.clone() };
            assert!(keys(&config.check()).contains(&key.as_str()), "{key}");
        }
    }

    #[test]
    fn two_ports_that_the_system_chooses_are_two() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = complete(directory.path());
        config.listen.address.set_port(0);
        config.http.listen.set_port(0);
        assert_eq!(config.check(), []);
    }

    /// The commented configuration that we ship loads, names every setting, and shows the defaults.
    #[test]
    fn the_shipped_configuration_is_complete_and_true() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/communiqued.toml");
        let config = Config::load(&path, std::iter::empty()).unwrap();
        assert_eq!(config.limits, Limits::default());

        let text = fs::read_to_string(&path).unwrap();
        // What is commented out is a default: with every comment opened, the defaults must come out again.
        let opened: String = text
            .lines()
            .map(|line| line.strip_prefix("#= ").unwrap_or(line))
            .fold(String::new(), |all, line| all + line + "\n");
        let opened_config = load(&opened, &[]).unwrap();
        assert_eq!(opened_config.limits, Limits::default());
        assert_eq!(opened_config.telemetry, config.telemetry);
        assert_eq!(opened_config.http, config.http);
        for key in known_keys() {
            let name = key.split('.').next_back().unwrap();
            assert!(opened.lines().any(|line| line.starts_with(&format!("{name} = "))), "{key} is not shown");
        }
    }
}
