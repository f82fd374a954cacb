//! From the file and the environment to [`Config`], with everything that is wrong said at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use config::{ConfigError, FileFormat, Source, Value, ValueKind};
use rustls::pki_types::DnsName;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::{Config, Data, Exchange, Http, Keys, Kind, Limits, Listen, Log, Problem, Store, Telemetry, Timestamp, Tls};

/// What the names of environment variables begin with. `COMMUNIQUE__LIMITS__CONNECTIONS` is `limits.connections`.
pub const ENVIRONMENT_PREFIX: &str = "COMMUNIQUE__";

/// Largest configuration file that is read, in bytes. A larger one is some other file.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

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
        let text = read_file(path).map_err(|problem| vec![problem])?;
        Self::parse(path, &text, environment)
    }

    /// As [`Config::load`], of the text of a file; its `path` is what paths in it are relative to.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn parse(
        path: &Path,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let file = read_toml(path, text).map_err(|problem| vec![problem])?;
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

    fn resolved(mut self, directory: &Path) -> Self {
        let paths = [
            &mut self.timestamp.ca,
            &mut self.data.directory,
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.keys.log,
            &mut self.keys.depositary,
        ];
        let asked = self.log.witness.iter_mut().filter_map(|witness| witness.ca.as_mut());
        let password = Some(&mut self.store.password_file).filter(|file| !file.as_os_str().is_empty());
        let of_store = [&mut self.store.ca].into_iter().chain(password);
        for path in paths.into_iter().chain(&mut self.keys.next).chain(asked).chain(of_store) {
            *path = directory.join(&*path);
        }
        if let Some(Kind::Sqlite(files)) = self.store.kind()
            && !files.is_empty()
        {
            self.data.files = Some(directory.join(files));
        }
        self
    }

    /// Settings that stand in for the required ones when another is tried alone, and that show which keys there are.
    pub(super) fn sample() -> Self {
        let path = PathBuf::from("sample");
        Self {
            exchange: Exchange { name: "exchange.example".to_owned() },
            listen: Listen::default(),
            http: Http::default(),
            log: Log::default(),
            timestamp: Timestamp::default(),
            data: Data::at(path.clone()),
            store: Store::default(),
            tls: Tls { certificate: path.clone(), key: path.clone() },
            keys: Keys { log: path.clone(), depositary: path, next: Vec::new() },
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

fn read_file(path: &Path) -> Result<String, Problem> {
    let shown = path.display().to_string();
    let open = |error: std::io::Error| Problem::new(&shown, error.to_string(), "name the configuration with --config");
    let mut text = String::new();
    let mut file = fs::File::open(path).map_err(open)?.take(MAX_FILE_BYTES + 1);
    file.read_to_string(&mut text).map_err(open)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        let what = format!("is larger than {MAX_FILE_BYTES} bytes");
        return Err(Problem::new(shown, what, "name the configuration with --config"));
    }
    Ok(text)
}

fn read_toml(path: &Path, text: &str) -> Result<BTreeMap<String, Value>, Problem> {
    let shown = path.display().to_string();
    match config::File::from_str(text, FileFormat::Toml).collect() {
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
pub(super) fn known_keys() -> BTreeSet<String> {
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
pub(super) fn number<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<N, D::Error> {
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

pub(super) fn dns_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if lower && DnsName::try_from(name.as_str()).is_ok() {
        Ok(name)
    } else {
        Err(D::Error::custom(format!("is {name:?}, expected a DNS name in small letters")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Format;
    use super::*;

    pub(crate) const MINIMAL: &str = "
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

    pub(crate) fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        load_in(tempfile::tempdir().unwrap().path(), text, environment)
    }

    pub(crate) fn keys(problems: &[Problem]) -> Vec<&str> {
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
    fn the_public_log_is_off_unless_it_is_asked_for() {
        assert_eq!(load(MINIMAL, &[]).unwrap().log, Log::default());
        let text = format!(
            "{MINIMAL}
            [log]
            listen = \"[::1]:80\"
            [[log.witness]]
            party = \"north\"
            url = \"http://witness.example/\"
            [[log.witness]]
            party = \"south\"
            url = \"https://witness.example/south\"
            ca = \"south.pem\""
        );
        let directory = tempfile::tempdir().unwrap();
        let log = load_in(directory.path(), &text, &[("COMMUNIQUE__LOG__LISTEN", "[::1]:81")]).unwrap().log;
        assert_eq!(log.listen, Some("[::1]:81".parse().unwrap()));
        let [north, south] = &*log.witness else { panic!("{log:?}") };
        assert_eq!((north.party.as_str(), &*north.url), ("north", "http://witness.example/"));
        assert_eq!(north.authorities(), Path::new(super::super::SYSTEM_AUTHORITIES));
        assert_eq!(south.authorities(), directory.path().join("south.pem"));

        for (wrong, word) in [
            ("listen = \"anywhere\"", "log.listen"),
            ("witness = [{ party = \"north\" }]", "log.witness"),
            ("witness = [{ party = \"Not One\", url = \"http://w\" }]", "log.witness"),
            ("witness = [{ party = \"north\", url = \"http://w\", pin = 1 }]", "log.witness"),
            ("address = \"[::1]:80\"", "log.address"),
        ] {
            let problems = load(&format!("{MINIMAL}\n[log]\n{wrong}"), &[]).unwrap_err();
            assert_eq!(keys(&problems), [word], "{problems:?}");
        }
    }

    #[test]
    fn an_authority_is_asked_for_time_stamps_if_it_is_named() {
        assert_eq!(load(MINIMAL, &[]).unwrap().timestamp, Timestamp::default());
        assert_eq!(Timestamp::default().url, "");
        let directory = tempfile::tempdir().unwrap();
        let text = format!("{MINIMAL}\n[timestamp]\nurl = \"https://tsa.example/tsr\"\nca = \"tsa.pem\"");
        let stamps = load_in(directory.path(), &text, &[]).unwrap().timestamp;
        assert_eq!((&*stamps.url, stamps.ca), ("https://tsa.example/tsr", directory.path().join("tsa.pem")));
        let off = load_in(directory.path(), &text, &[("COMMUNIQUE__TIMESTAMP__URL", "")]).unwrap().timestamp;
        assert_eq!(off.url, "");
        let problems = load(&format!("{MINIMAL}\n[timestamp]\nurl = 1\npolicy = \"1.2\""), &[]).unwrap_err();
        assert_eq!(keys(&problems), ["timestamp.policy"], "{problems:?}");
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
        assert_eq!((&opened_config.log, &config.log), (&Log::default(), &Log::default()));
        assert_eq!((&opened_config.store, &config.store), (&Store::default(), &Store::default()));
        assert_eq!((opened_config.timestamp, config.timestamp), (Timestamp::default(), Timestamp::default()));
        for key in known_keys() {
            let name = key.split('.').next_back().unwrap();
            assert!(opened.lines().any(|line| line.starts_with(&format!("{name} = "))), "{key} is not shown");
        }
    }
}
