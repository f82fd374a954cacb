//! A real PostgreSQL for tests: a server of the test's own, in a folder of its own, that ends with it.
//!
//! Clients come as the exchange does, over TLS with a password; the test itself looks in, and breaks things, as superuser through a
//! socket that nobody else reaches. Needs PostgreSQL's server and `psql`, and util-linux. Knows nothing of the crate, so that unit tests
//! can include it as well.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, waits for other programs, and needs not all of this"
)]

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How long a server may take to start or to end. Alone it needs a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// Below the ports that Linux gives to clients, so that one stays free while its server is down.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// The longest folder whose socket still has a name that Linux takes (107 bytes).
const MAX_FOLDER: usize = 80;
/// The role that databases belong to.
const ROLE: &str = "communique";

/// On for all that is tested: the exchange runs on nothing less durable. Nothing is left in the machine's shared memory.
const SETTINGS: &str = "
listen_addresses = 'localhost'
max_connections = 200
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
wal_level = replica
fsync = on
full_page_writes = on
synchronous_commit = on
password_encryption = scram-sha-256
ssl = on
ssl_min_protocol_version = 'TLSv1.3'
ssl_cert_file = '../server.pem'
ssl_key_file = '../server.key'
log_min_messages = warning
";

/// The socket lies in the server's own folder (0700).
const ADMISSIONS: &str = "
local   all          all                     trust
local   replication  all                     trust
hostssl all          communique  127.0.0.1/32  scram-sha-256
hostssl all          communique  ::1/128       scram-sha-256
";

/// Waits until nobody holds its standard input any more, which is so also when the test was killed; then ends the server of the folder,
/// if it is that one still, and removes its shared memory and the folder.
const JANITOR: &str = r#"
cat >/dev/null
folder=$1
cd "$folder/data" || exit
alive() { [ "$(readlink "/proc/$pid/cwd")" = "$folder/data" ]; }
if read -r pid <postmaster.pid 2>/dev/null && alive; then
    kill -QUIT "$pid"
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
    tries=0
    while alive; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || kill -KILL "$pid"
        sleep 0.05
    done
fi
segment=$(sed -n 7p postmaster.pid 2>/dev/null)
[ -z "$segment" ] || ipcrm -m "${segment##* }"
cd / && rm -rf "$folder"
"#;

/// A server of PostgreSQL. Dropping it ends the server and removes its folder.
pub struct Cluster {
    programs: PathBuf,
    user: Option<User>,
    folder: PathBuf,
    port: u16,
    server: Mutex<Option<Child>>,
    janitor: Option<(Child, ChildStdin)>,
}

/// A database, and what a client needs to reach it.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// `postgres://communique@localhost:PORT/NAME`.
    pub url: String,
    /// The certificate of the authority that the server's certificate is of, in PEM.
    pub ca: PathBuf,
    /// Holds the role's password and nothing else. Mode 0600.
    pub password_file: PathBuf,
}

/// Who the server runs as when the tests run as root: PostgreSQL does not.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// The one that all tests of this process share. None, with a word why, if PostgreSQL is not installed; where `CI` is set that is a
    /// failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("")).as_ref()
    }

    /// One of the test's own, with further lines of `postgresql.conf`. None as for [`Cluster::shared`].
    pub fn start(settings: &str) -> Option<Self> {
        let programs = programs()?;
        let mut cluster = Self::prepare(programs);
        let password = random_hex();
        let data = cluster.folder.join("data");
        let mut initdb = cluster.command("initdb");
        initdb.args(["--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "-k", "-U", "postgres", "-A", "trust"]);
        succeed(initdb.arg("-D").arg(&data), "");
        let (ca, certificate, key) = certificates();
        cluster.write("ca.pem", &ca);
        cluster.write("server.pem", &certificate);
        cluster.write("server.key", &key);
        cluster.configure(settings);
        fs::write(cluster.folder.join("password"), &password).unwrap();
        fs::set_permissions(cluster.folder.join("password"), fs::Permissions::from_mode(0o600)).unwrap();
        cluster.port = free_port();
        cluster.start_again();
        cluster.sql("postgres", &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'"));
        Some(cluster)
    }

    /// A hot standby of this one, which follows it under this name: `synchronous_standby_names` may ask for it. It has a port of its
    /// own, and serves the same certificate, databases and password.
    pub fn standby(&self, name: &str) -> Self {
        let mut standby = Self::prepare(self.programs.clone());
        let mut copy = standby.command("pg_basebackup");
        copy.args(["--no-sync", "--checkpoint=fast", "--write-recovery-conf", "--wal-method=stream", "-d"]);
        let primary =
            format!("host={} port={} user=postgres application_name={name}", self.folder.display(), self.port);
        succeed(copy.arg(primary).arg("-D").arg(standby.folder.join("data")), "");
        for file in ["ca.pem", "server.pem", "server.key"] {
            standby.write(file, &fs::read_to_string(self.folder.join(file)).unwrap());
        }
        fs::copy(self.folder.join("password"), standby.folder.join("password")).unwrap();
        standby.configure("");
        standby.port = free_port();
        standby.start_again();
        standby
    }

    /// An empty database of this name, which is the role's.
    pub fn database(&self, name: &str) -> Database {
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        self.reach(name)
    }

    /// What a client needs to reach a database of this name on this server.
    pub fn reach(&self, name: &str) -> Database {
        Database {
            name: name.to_owned(),
            url: format!("postgres://{ROLE}@localhost:{}/{name}", self.port),
            ca: self.folder.join("ca.pem"),
            password_file: self.folder.join("password"),
        }
    }

    /// Runs SQL as superuser, each statement on its own, and answers what it prints: a row a line, columns divided by `|`.
    ///
    /// # Panics
    /// With the server's words, at the first statement that fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-f", "-", "-d", database]);
        let printed = succeed(psql.arg("-h").arg(&self.folder).arg("-p").arg(self.port.to_string()), sql);
        printed.trim_end().to_owned()
    }

    /// Where it listens, on `localhost`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged: warnings and errors.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Ends it without a checkpoint, as `pg_ctl stop -m immediate` does. Connections break.
    pub fn stop_immediately(&self) {
        self.signal(Signal::QUIT);
        self.ended();
    }

    /// Kills each of its processes, as a machine that fails does.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.ended();
    }

    /// Sends a signal to the server, and to each of its processes where it is not one that the server passes on: STOP, CONT and KILL.
    pub fn signal(&self, signal: Signal) {
        let server = self.server.lock().unwrap();
        let pid = server.as_ref().expect("it runs").id();
        let mut processes = vec![pid];
        if [Signal::STOP, Signal::CONT, Signal::KILL].contains(&signal) {
            processes.extend(children(pid));
        }
        for process in processes {
            // One may have ended since.
            let _ = kill_process(Pid::from_raw(process.try_into().unwrap()).unwrap(), signal);
        }
    }

    /// Starts it where it was ended, with what it has, on the same port; returns once it takes connections.
    ///
    /// # Panics
    /// With what it logged, if it does not start.
    pub fn start_again(&self) {
        let mut server = self.server.lock().unwrap();
        assert!(server.is_none(), "it runs");
        let mut postgres = self.command("postgres");
        let log = fs::File::create(self.folder.join("log")).unwrap();
        postgres.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        postgres.arg("-p").arg(self.port.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Not to be ended by what a terminal sends to the test.
        let mut child = postgres.process_group(0).spawn().unwrap();
        let pid = child.id().to_string();
        let state = self.folder.join("data/postmaster.pid");
        wait_for("PostgreSQL takes connections", || {
            assert!(child.try_wait().unwrap().is_none(), "PostgreSQL did not start:\n{}", self.log());
            let state = fs::read_to_string(&state).unwrap_or_default();
            state.lines().next() == Some(&pid) && state.lines().nth(7).is_some_and(|word| word.trim_end() == "ready")
        });
        *server = Some(child);
    }

    /// Waits until no process of it is left.
    fn ended(&self) {
        let mut child = self.server.lock().unwrap().take().expect("it runs");
        child.wait().unwrap();
        let data = self.folder.join("data");
        wait_for("PostgreSQL's processes end", || {
            let processes = fs::read_dir("/proc").unwrap().flatten();
            !processes.into_iter().any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|at| at == data))
        });
    }

    /// A folder, and who cleans it up.
    fn prepare(programs: PathBuf) -> Self {
        let user = geteuid().is_root().then(unprivileged);
        let folder = TempDir::with_prefix("pg-").unwrap().keep();
        assert!(
            folder.as_os_str().len() <= MAX_FOLDER,
            "{} is too long for a socket in it; set TMPDIR",
            folder.display()
        );
        if let Some(user) = user {
            chown(&folder, Some(user.uid), Some(user.gid)).unwrap();
        }
        let mut janitor = Command::new("sh");
        janitor.args(["-c", JANITOR, "janitor"]).arg(&folder);
        janitor.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut janitor = janitor.process_group(0).spawn().unwrap();
        let held = janitor.stdin.take().unwrap();
        Self { programs, user, folder, port: 0, server: Mutex::new(None), janitor: Some((janitor, held)) }
    }

    /// One of PostgreSQL's programs, run as who may run it.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(User { uid, gid }) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}"));
                command.arg("--clear-groups").arg("--").arg(program);
                command
            }
        };
        command.current_dir(&self.folder).env("LC_ALL", "C.UTF-8");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command
    }

    fn configure(&self, settings: &str) {
        self.write("data/postgresql.conf", &format!("{SETTINGS}{settings}\n"));
        self.write("data/pg_hba.conf", ADMISSIONS);
    }

    /// Writes a file that is the server's. Mode 0600, as its key needs it.
    fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(user) = self.user {
            chown(&path, Some(user.uid), Some(user.gid)).unwrap();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((mut janitor, held)) = self.janitor.take() {
            drop(held);
            let _ = janitor.wait();
            if let Some(mut server) = self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
                let _ = server.kill();
                let _ = server.wait();
            }
        }
    }
}

/// Where PostgreSQL's programs are: those of PATH, or the newest of Debian's.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        versions.filter_map(|at| Some((at.file_name().to_str()?.parse().ok()?, at.path().join("bin")))).collect();
    versions.sort();
    places.extend(versions.into_iter().rev().map(|(_, place)| place));
    let whole = |place: &PathBuf| ["initdb", "postgres"].iter().all(|program| place.join(program).is_file());
    // A link in PATH leads to where the others are, too.
    let found = places.iter().find(|place| whole(place)).and_then(|place| fs::canonicalize(place.join("initdb")).ok());
    let found = found.and_then(|initdb| Some(initdb.parent()?.to_owned())).filter(|place| place.join("psql").is_file());
    if found.is_none() {
        let how = "PostgreSQL is missing; install Debian's package postgresql-15";
        assert!(std::env::var_os("CI").is_none(), "{how}");
        // Not by a print macro: the test runner keeps what these print to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {how}");
    }
    found
}

/// The account `postgres`, or `nobody`.
fn unprivileged() -> User {
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let fields: Vec<&str> = accounts.lines().map(|l| l.split(':').collect()).find(|f: &Vec<&str>| f[0] == name)?;
        Some(User { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
    };
    of("postgres").or_else(|| of("nobody")).expect("an account to run PostgreSQL as: `postgres` or `nobody`")
}

/// An authority's certificate, and a server's for `localhost` with its key, in PEM.
fn certificates() -> (String, String, String) {
    let key = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "PostgreSQL of a test");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let authority_key = key();
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let (mut params, key) = (rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap(), key());
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    (authority, certificate, key.serialize_pem())
}

/// A port of `localhost` that nobody listens on.
fn free_port() -> u16 {
    let free = || {
        let port = PORTS.start + u16::from_ne_bytes(random()) % (PORTS.end - PORTS.start);
        std::net::TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    };
    (0..100).find_map(|_| free()).expect("one of 100 ports is free")
}

fn random_hex() -> String {
    random::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// The processes that this one has started.
fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        sleep(PAUSE);
    }
}

/// Runs it with this input, and answers what it prints.
#[track_caller]
fn succeed(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // What fails early reads no further; its own words follow.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
