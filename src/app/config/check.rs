//! Whether this machine can run on the settings.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tracing_subscriber::EnvFilter;

use super::{Config, Kind, Problem, Store, Timestamp, WITNESSES_LIMIT, Witness};
use crate::{http::post::Place, store::postgres::READERS_LIMIT};

/// Most standbys that can be demanded.
const STANDBYS_LIMIT: u32 = 16;

/// Largest certificate or key file that is read, in bytes.
pub const MAX_PEM_BYTES: u64 = 1024 * 1024;

impl Config {
    /// Whether this machine can run on these settings: files that are there and kept safe, a directory that can be
    /// written to, two ports, limits that limit and leave room to work. Everything that is wrong, at once.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_addresses(&mut problems);
        self.check_files(&mut problems);
        self.check_witnesses(&mut problems);
        self.check_timestamp(&mut problems);
        self.check_data(&mut problems);
        self.check_store(&mut problems);
        self.check_limits(&mut problems);
        if let Err(error) = EnvFilter::try_new(&self.telemetry.filter) {
            let what = format!("{:?} is no filter: {error}", self.telemetry.filter);
            problems.push(Problem::new("telemetry.filter", what, "write it as in \"info,communique=debug\""));
        }
        problems
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let (grpc, http) = (self.listen.address, self.http.listen);
        if overlap(grpc, http) {
            let what = format!("{http} is also the port of listen.address");
            problems.push(Problem::new("http.listen", what, "give health and metrics a port of their own"));
        }
        let Some(log) = self.log.listen else { return };
        for (other, taken) in [("listen.address", grpc), ("http.listen", http)] {
            if overlap(log, taken) {
                let what = format!("{log} is also the port of {other}");
                problems.push(Problem::new("log.listen", what, "give the public log a port of its own"));
            }
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
        for next in &self.keys.next {
            check_secret("keys.next", next, problems);
        }
        if self.keys.log == self.keys.depositary {
            let what = "is the same file as keys.log";
            problems.push(Problem::new("keys.depositary", what, "make a second key: the two sign different things"));
        }
    }

    fn check_witnesses(&self, problems: &mut Vec<Problem>) {
        const KEY: &str = "log.witness";
        let witnesses = &self.log.witness;
        if witnesses.len() > WITNESSES_LIMIT {
            let next = format!("ask {WITNESSES_LIMIT} at most");
            problems.push(Problem::new(KEY, format!("names {} witnesses", witnesses.len()), next));
        }
        for (n, witness) in witnesses.iter().enumerate() {
            let Witness { party, url, ca } = witness;
            if witnesses.iter().take(n).any(|before| before.party == *party) {
                let next = "a party has one witness key: name it once";
                problems.push(Problem::new(KEY, format!("{party} is named twice"), next));
            }
            match Place::parse(url) {
                Err(what) => problems.push(Problem::new(
                    KEY,
                    format!("{url:?} of {party} {what}"),
                    "write its prefix, as in \"https://witness.example/\"",
                )),
                Ok(place) if place.is_secure() => {
                    let file = witness.authorities();
                    let before = problems.len();
                    check_readable(KEY, file, problems);
                    if problems.len() == before
                        && let Err(what) = read_certificates(file)
                    {
                        problems.push(Problem::new(KEY, what, "give the authority of its certificate as ca, in PEM"));
                    }
                }
                Ok(_) if ca.is_some() => {
                    let what = format!("{party} has a ca, but its url is not of https");
                    problems.push(Problem::new(KEY, what, "write https, or leave the ca out"));
                }
                Ok(_) => {}
            }
        }
    }

    fn check_timestamp(&self, problems: &mut Vec<Problem>) {
        const KEY: &str = "timestamp.ca";
        let Timestamp { url, ca } = &self.timestamp;
        if url.is_empty() {
            return;
        }
        match Place::parse(url) {
            Err(what) => problems.push(Problem::new(
                "timestamp.url",
                format!("{url:?} {what}"),
                "write its address, as in \"https://tsa.example/tsr\"",
            )),
            Ok(place) if place.is_secure() => {
                let before = problems.len();
                check_readable(KEY, ca, problems);
                if problems.len() == before
                    && let Err(what) = read_certificates(ca)
                {
                    problems.push(Problem::new(KEY, what, "give the authority of its certificate, in PEM"));
                }
            }
            Ok(_) if *ca != Timestamp::default().ca => {
                problems.push(Problem::new(
                    KEY,
                    "is set, but timestamp.url is not of https",
                    "write https, or leave it out",
                ));
            }
            Ok(_) => {}
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

    fn check_store(&self, problems: &mut Vec<Problem>) {
        let Store { url, ca, password_file, connections, .. } = &self.store;
        match self.store.kind() {
            None => {
                let next = "write sqlite:, sqlite:DIRECTORY, or postgres://USER@HOST:PORT/DATABASE";
                problems.push(Problem::new("store.url", format!("begins with {:?}", self.store.scheme()), next));
            }
            Some(Kind::Sqlite(_)) => {
                let default = Store::default();
                if (ca, password_file, self.store.synchronous_standbys) != (&default.ca, &default.password_file, 0) {
                    let next = "leave out what belongs to postgres://";
                    problems.push(Problem::new("store.url", format!("is {url:?}, which has none of the rest"), next));
                }
            }
            Some(Kind::Postgres) => {
                let before = problems.len();
                check_readable("store.ca", ca, problems);
                if problems.len() == before
                    && let Err(what) = read_certificates(ca)
                {
                    let next = "give the authority of the database's certificate, in PEM";
                    problems.push(Problem::new("store.ca", what, next));
                }
                if !password_file.as_os_str().is_empty() {
                    check_secret("store.password_file", password_file, problems);
                }
            }
        }
        if !(1..=READERS_LIMIT).contains(connections) {
            let next = format!("choose from 1 to {READERS_LIMIT}");
            problems.push(Problem::new("store.connections", format!("is {connections}"), next));
        }
        if self.store.synchronous_standbys > STANDBYS_LIMIT {
            let what = format!("is {}", self.store.synchronous_standbys);
            problems.push(Problem::new(
                "store.synchronous_standbys",
                what,
                format!("choose from 0 to {STANDBYS_LIMIT}"),
            ));
        }
    }

    fn check_limits(&self, problems: &mut Vec<Problem>) {
        const DAY: u64 = 24 * 60 * 60;
        const PLACES: RangeInclusive<u64> = 1..=1_000_000;
        const SECONDS: RangeInclusive<u64> = 1..=DAY;
        let limits = &self.limits;
        let bounds: [(&str, u64, RangeInclusive<u64>); 22] = [
            ("clock.off_days", self.clock.off_days, 1..=3650),
            ("scrub.mib_per_second", self.scrub.mib_per_second, 1..=1024),
            ("scrub.pause_minutes", self.scrub.pause_minutes, 1..=7 * DAY / 60),
            ("limits.header_bytes", limits.header_bytes.into(), 4 * 1024..=1024 * 1024),
            ("limits.connections", wide(limits.connections), PLACES),
            ("limits.connections_per_party", wide(limits.connections_per_party), PLACES),
            ("limits.streams_per_connection", limits.streams_per_connection.into(), 1..=10_000),
            ("limits.handshakes", wide(limits.handshakes), PLACES),
            ("limits.handshakes_per_address", wide(limits.handshakes_per_address), PLACES),
            ("limits.handshake_seconds", limits.handshake_seconds, 1..=300),
            ("limits.request_seconds", limits.request_seconds, 1..=3600),
            ("limits.transfer_seconds", limits.transfer_seconds, SECONDS),
            ("limits.calls_per_party", wide(limits.calls_per_party), PLACES),
            ("limits.uploads_per_party", wide(limits.uploads_per_party), PLACES),
            ("limits.watchers_per_party", wide(limits.watchers_per_party), PLACES),
            ("limits.heartbeat_seconds", limits.heartbeat_seconds, 1..=3600),
            ("limits.slow_reader_seconds", limits.slow_reader_seconds, 1..=3600),
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
}

/// Whether two listeners want one port. Port 0 asks the system for a free one.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let wide = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && wide
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
    use std::path::PathBuf;

    use super::super::load::known_keys;
    use super::super::load::tests::{MINIMAL, keys, load};
    use super::*;

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
        let url = "https://tsa.example/tsr".to_owned();
        let asks = Config { timestamp: Timestamp { url, ca: config.tls.certificate.clone() }, ..config.clone() };
        assert_eq!(asks.check(), []);
        let url = "http://tsa.example".to_owned();
        assert_eq!(Config { timestamp: Timestamp { url, ..Timestamp::default() }, ..config.clone() }.check(), []);
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
            (&["log.listen"], |config, _| config.log.listen = Some(config.listen.address)),
            (&["log.listen"], |config, _| config.log.listen = Some(config.http.listen)),
            (&["log.witness"], |config, _| config.log.witness = vec![witness("ftp://witness.example/", None)]),
            (&["log.witness"], |config, _| {
                config.log.witness = vec![witness("http://witness.example/", None); 2];
            }),
            (&["log.witness"], |config, _| {
                let ca = config.tls.certificate.clone();
                config.log.witness = vec![witness("http://witness.example/", Some(ca))];
            }),
            (&["log.witness"], |config, directory| {
                config.log.witness = vec![witness("https://witness.example/", Some(directory.join("none")))];
            }),
            (&["log.witness"], |config, _| {
                config.log.witness = vec![witness("https://witness.example/", Some(config.tls.key.clone()))];
            }),
            (&["log.witness"], |config, _| {
                let named =
                    |n| Witness { party: format!("p{n}").parse().unwrap(), ..witness("http://w.example", None) };
                config.log.witness = (0..=WITNESSES_LIMIT).map(named).collect();
            }),
            (&["timestamp.url"], |config, _| config.timestamp.url = "tsa.example/tsr".to_owned()),
            (&["timestamp.url"], |config, _| config.timestamp.url = "http://tsa.example/?sha256".to_owned()),
            (&["timestamp.ca"], |config, _| {
                let ca = config.tls.certificate.clone();
                config.timestamp = Timestamp { url: "http://tsa.example/tsr".to_owned(), ca };
            }),
            (&["timestamp.ca"], |config, directory| {
                let ca = directory.join("none");
                config.timestamp = Timestamp { url: "https://tsa.example/tsr".to_owned(), ca };
            }),
            (&["timestamp.ca"], |config, _| {
                let ca = config.tls.key.clone();
                config.timestamp = Timestamp { url: "https://tsa.example/tsr".to_owned(), ca };
            }),
            (&["store.url"], |config, _| config.store.url = "mysql://root:secret@db.example/communique".to_owned()),
            (&["store.url"], |config, _| config.store.synchronous_standbys = 1),
            (&["store.ca"], |config, directory| {
                config.store.url = "postgres://communique@db.example/communique".to_owned();
                config.store.ca = directory.join("none");
            }),
            (&["store.password_file"], |config, _| {
                config.store.url = "postgres://communique@db.example/communique".to_owned();
                config.store.ca = config.tls.certificate.clone();
                config.store.password_file = config.tls.certificate.clone();
            }),
            (&["store.connections"], |config, _| config.store.connections = 0),
            (&["store.connections"], |config, _| config.store.connections = READERS_LIMIT + 1),
            (&["store.synchronous_standbys"], |config, _| {
                config.store.url = "postgres://communique@db.example/communique".to_owned();
                config.store.ca = config.tls.certificate.clone();
                config.store.synchronous_standbys = STANDBYS_LIMIT + 1;
            }),
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
            assert!(!config.check().iter().any(|problem| problem.to_string().contains("secret")), "fault {number}");
        }

        fn witness(url: &str, ca: Option<PathBuf>) -> Witness {
            Witness { party: "north".parse().unwrap(), url: url.to_owned(), ca }
        }

        fn open_up(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn every_limit_refuses_zero() {
        let directory = tempfile::tempdir().unwrap();
        let limits = known_keys()
            .into_iter()
            .filter(|key| key.starts_with("limits.") || key.starts_with("scrub.") || key.starts_with("clock."));
        let limits: Vec<String> = limits.collect();
        assert!(limits.len() > 13);
        let whole = complete(directory.path());
        for key in limits {
            let (section, name) = key.split_once('.').unwrap();
            let loaded = load(&format!("{MINIMAL}\n[{section}]\n{name} = 0"), &[]).unwrap();
            let config = Config { limits: loaded.limits, clock: loaded.clock, scrub: loaded.scrub, ..whole.clone() };
            assert!(keys(&config.check()).contains(&key.as_str()), "{key}");
        }
    }

    #[test]
    fn two_ports_that_the_system_chooses_are_two() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = complete(directory.path());
        config.listen.address.set_port(0);
        config.http.listen.set_port(0);
        config.log.listen = Some(config.http.listen);
        config.log.witness = vec![Witness {
            party: "north".parse().unwrap(),
            url: "https://witness.example/deep/prefix".to_owned(),
            ca: Some(config.tls.certificate.clone()),
        }];
        assert_eq!(config.check(), []);
    }
}
