//! `communiqued`: the exchange. Makes its files, founds it, checks its configuration, serves it; checks, copies and restores its data.

#[path = "communique/manual.rs"]
mod manual;

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args as Arguments, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use communique::{
    app::{
        backup,
        config::{Config, Data, Kind, Problem, Store},
        fsck, init, mend, migrate, serve, telemetry,
    },
    domain::{charter::Charter, id::ExchangeName, json::Form as _, statement::STATEMENT_LIMIT, text},
};

/// Calls make and drop many small things on several threads: docs/PERFORMANCE.md has what it is worth.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Wrong arguments or a wrong configuration (sysexits.h, EX_USAGE).
const USAGE: u8 = 64;

/// Keeps and serves an exchange of joint communiqués.
///
/// A new exchange: `init` makes keys, certificates, a configuration and host.json; the parties put host.json into a
/// charter and adopt it (`communique charter`); `found` enters the charter into the log; `serve` serves.
///
/// Its data: `fsck` reads all of it again, `backup` makes a copy that was checked, `restore` an exchange's data of one.
///
/// Exit codes: 0 done, 1 failed or damaged, 64 wrong arguments or configuration.
#[derive(Parser)]
#[command(name = "communiqued", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make what an exchange starts from: two keys, a server CA and certificate, a configuration, host.json.
    ///
    /// Nothing is overwritten. Move tls/ca-key.pem off the machine afterwards: serving needs the server's own key alone.
    Init {
        /// The directory, new or empty.
        dir: PathBuf,
        /// The exchange's name: the DNS name that the parties will call.
        #[arg(long, value_name = "NAME")]
        exchange: ExchangeName,
        /// Where the parties reach it.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
        listen: SocketAddr,
        /// Where health and metrics are read.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9443")]
        http: SocketAddr,
    },
    /// Enter charter 1 into an empty log, with every party's adoption and first trust statement.
    Found {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The charter, as `communique charter draft` wrote it.
        #[arg(long, value_name = "FILE")]
        charter: PathBuf,
        /// Every party's adoption, as `communique charter adopt` wrote it.
        #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
        adoption: Vec<PathBuf>,
        /// Every party's trust statement, as `communique trust sign` wrote it.
        #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
        trust: Vec<PathBuf>,
    },
    /// Serve until SIGTERM or SIGINT, then let what runs end.
    Serve {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Believe this machine's clock, however long ago the exchange last ran. Look at the clock first: log time never goes back.
        #[arg(long)]
        accept_clock: bool,
    },
    /// Check a configuration and this machine against it, and say everything that is wrong at once.
    Check {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read everything that the exchange has stored again and hold it against itself: also while it serves, and only reading.
    ///
    /// Every entry and what it names, the chains of streams, the tree and its root, the list of communiqués, log.head, cosignatures; every
    /// text, annex, package and time stamp. Each damaged thing is named, with what restores it. 0: all is sound; 1: it is not.
    Fsck {
        #[command(flatten)]
        place: Place,
        /// Read so many mebibytes a second at most; 0 for no limit. What SQLite itself checks of log.sqlite is not held to it.
        #[arg(long, value_name = "N", default_value_t = 0)]
        mib_per_second: u64,
        /// Put back what is damaged from this folder, of files that are named by the digests that are needed, or of a backup, and read
        /// everything again. Only while the exchange is stopped.
        #[arg(long, value_name = "DIR")]
        mend_from: Option<PathBuf>,
        /// For programs: one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy the exchange's data, also while it serves, into a folder of its own, and check the copy as `fsck` does.
    ///
    /// The folder is a backup once it holds backup.json, which is written last. The exchange's keys, its certificates and its configuration
    /// are not in it: keep them elsewhere.
    Backup {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The folder, new or empty.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Check the copy at so many mebibytes a second at most; 0 for no limit.
        #[arg(long, value_name = "N", default_value_t = 0)]
        mib_per_second: u64,
    },
    /// Make an exchange's data of a backup, where there is none. The backup is checked before, and what was copied after.
    ///
    /// What was acknowledged since the backup is lacking. If log.head lies where it is restored, how much is said, and the exchange refuses
    /// to write until the parties have agreed: see 'Backup' in docs/OPERATIONS.md.
    Restore {
        /// The backup. It is only read.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Carry an exchange's log and content from one store to another, and read all of it again there.
    ///
    /// Stop every exchange that serves the source before. Every entry and every text is checked as it is carried; the log's root must be the
    /// same at the end. Interrupted, the same command goes on where it ended. Uploads that broke off are not carried. Afterwards set
    /// store.url in the configuration; data.directory, with log.head, stays as it is.
    Migrate {
        /// Where it is: sqlite:DIRECTORY or postgres://USER@HOST:PORT/DATABASE.
        #[arg(long, value_name = "URL")]
        from: String,
        /// Where it is to be: empty, or the beginning of the same.
        #[arg(long, value_name = "URL")]
        to: String,
        #[command(flatten)]
        database: Database,
    },
    /// Write the manual: a man page for each command.
    Man {
        /// The directory. Pages of an earlier version are overwritten.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print what a shell is to run so that it completes commands and options.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// What ends a command, by its code.
const EXIT: [(u8, &str); 3] = [
    (0, "Done."),
    (1, "Failed. The sentence on standard error says why."),
    (USAGE, "Wrong arguments or a wrong configuration. Nothing was begun, and no port was bound."),
];
const ENVIRONMENT: [(&str, &str); 1] = [(
    "COMMUNIQUE__SECTION__SETTING",
    "A setting of the configuration, which stands over the file: COMMUNIQUE__LIMITS__CONNECTIONS=512. One that is unknown is refused.",
)];
const FILES: [(&str, &str); 3] = [
    ("/etc/communiqued/communiqued.toml", "The configuration that the systemd unit names."),
    ("/var/lib/communiqued/", "The log and the texts, where that configuration says so."),
    (
        "/usr/share/doc/communiqued/examples/communiqued.toml",
        "Every setting with its default, as the Debian package has it.",
    ),
];

/// What the page of the program says beside its arguments.
fn beside(page: &str) -> Vec<manual::Section> {
    if page != "communiqued" {
        return Vec::new();
    }
    let named = |rows: &[(&str, &'static str)]| rows.iter().map(|(name, what)| ((*name).to_owned(), *what)).collect();
    vec![
        ("EXIT STATUS", EXIT.iter().map(|(code, what)| (code.to_string(), *what)).collect()),
        ("ENVIRONMENT", named(&ENVIRONMENT)),
        ("FILES", named(&FILES)),
    ]
}

/// How a database is reached.
#[derive(Arguments)]
struct Database {
    /// PEM: the authorities that the database's certificate may be of; those of the system, if it is left out.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The file with the role's password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How many standbys must take each commit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    synchronous_standbys: u32,
}

impl Database {
    fn store(&self, url: String) -> Store {
        let default = Store::default();
        Store {
            url,
            ca: self.ca.clone().unwrap_or(default.ca),
            password_file: self.password_file.clone().unwrap_or_default(),
            synchronous_standbys: self.synchronous_standbys,
            connections: default.connections,
        }
    }
}

/// Where an exchange's data lies.
#[derive(Arguments)]
#[group(required = true, multiple = false)]
struct Place {
    /// The configuration, which names the folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder itself: of a copy, or on a machine without the configuration.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    /// The folder, and the exchange's name where the configuration says it.
    fn data(self) -> Result<(Data, Option<String>), Failure> {
        match self {
            Self { config: Some(path), .. } => {
                let config = loaded(&path)?;
                Ok((config.data, Some(config.exchange.name)))
            }
            Self { data, .. } => Ok((Data::at(data.unwrap_or_default()), None)),
        }
    }
}

/// An exit code, and lines for standard error.
struct Failure(u8, Vec<String>);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(1, vec![error.to_string()])
    }
}

/// An exit code, and what goes to standard output.
struct Said(u8, String);

impl From<String> for Said {
    fn from(said: String) -> Self {
        Self(0, said)
    }
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(answer) => {
            if !answer.use_stderr() {
                // Help and version are answers too. Whether anybody still reads them changes nothing.
                let _ = answer.print();
                return ExitCode::SUCCESS;
            }
            // It quotes the arguments.
            let lines = answer.render().to_string();
            let mut stderr = io::stderr().lock();
            lines.lines().for_each(|line| drop(writeln!(stderr, "{}", text::escape_line(line))));
            return ExitCode::from(USAGE);
        }
    };
    match run(args.command) {
        Ok(Said(code, said)) => {
            let _ = io::stdout().lock().write_all(said.as_bytes());
            ExitCode::from(code)
        }
        Err(Failure(code, lines)) => {
            let mut stderr = io::stderr().lock();
            for line in lines {
                let _ = writeln!(stderr, "communiqued: {}", text::escape_line(&line));
            }
            ExitCode::from(code)
        }
    }
}

fn run(command: Command) -> Result<Said, Failure> {
    match command {
        Command::Init { dir, exchange, listen, http } => {
            init::init(&dir, &exchange, &listen.to_string(), &http.to_string())?;
            let dir = text::escape_line(&dir.display().to_string());
            Ok(format!(
                "{dir} holds the exchange {exchange}.\n\
                 Next: give {dir}/host.json to whoever drafts the charter (`communique charter draft --host`), move \
                 {dir}/tls/ca-key.pem to a safe place, and found the exchange once every party has adopted the charter.\n"
            )
            .into())
        }
        Command::Found { config, charter, adoption, trust } => {
            let config = checked(&config)?;
            telemetry::init(&config.telemetry)?;
            let charter = read(&charter, Charter::LIMIT)?;
            let (adoptions, trusts) = (statements(&adoption)?, statements(&trust)?);
            let fingerprint = runtime()?.block_on(serve::found(&config, charter, adoptions, trusts))?;
            Ok(format!(
                "founded; the charter's fingerprint, which every party compares with the one that it computed, is\n{fingerprint}\n"
            )
            .into())
        }
        Command::Serve { config, accept_clock } => {
            let mut config = checked(&config)?;
            if accept_clock {
                config.clock.off_days = u64::MAX;
            }
            telemetry::init(&config.telemetry)?;
            let runtime = runtime()?;
            let shutdown = {
                let _inside = runtime.enter();
                asked_to_stop()?
            };
            // For whoever asked for port 0, and for people who start it by hand; what follows is the log's.
            let bound = |at: serve::Bound| {
                let log = at.log.map(|log| format!("; the public log on {log}")).unwrap_or_default();
                let _ = writeln!(io::stdout(), "serving on {}; health and metrics on {}{log}", at.exchange, at.http);
            };
            runtime.block_on(serve::serve(config, bound, shutdown))?;
            Ok(String::new().into())
        }
        Command::Man { out } => {
            let pages = manual::pages(Args::command(), "8", &beside, &str::to_owned)?;
            fs::create_dir_all(&out)?;
            pages.iter().try_for_each(|(name, page)| fs::write(out.join(name), page))?;
            Ok(format!("{} man pages are in {}\n", pages.len(), text::escape_line(&out.display().to_string())).into())
        }
        Command::Completions { shell } => Ok(String::from_utf8(manual::completion(Args::command(), shell))?.into()),
        Command::Check { config } => {
            checked(&config)?;
            Ok("the configuration is good, and this machine can run on it\n".to_owned().into())
        }
        Command::Fsck { place: Place { config: Some(config), .. }, mib_per_second, mend_from, json }
            if loaded(&config)?.store.kind() == Some(Kind::Postgres) =>
        {
            if mend_from.is_some() {
                return Err(in_database("what is damaged there is restored by its own backup"));
            }
            let report = runtime()?.block_on(fsck::of_database(&loaded(&config)?, mib_per_second))?;
            let said = if json { format!("{}\n", fsck::to_json(&report)) } else { fsck::to_text(&report) };
            Ok(Said(u8::from(!report.faults.is_empty()), said))
        }
        Command::Fsck { place, mib_per_second, mend_from, json } => {
            let (data, exchange) = place.data()?;
            let runtime = runtime()?;
            let check = || runtime.block_on(fsck::fsck(&data, exchange.as_deref(), mib_per_second));
            let mut report = check()?;
            if let Some(from) = mend_from.filter(|_| !report.faults.is_empty()) {
                let mended = runtime.block_on(mend::mend(&data, &report, &from))?;
                let _ = writeln!(io::stderr(), "{mended} put back; everything is read again");
                report = check()?;
            }
            let said = if json { format!("{}\n", fsck::to_json(&report)) } else { fsck::to_text(&report) };
            Ok(Said(u8::from(!report.faults.is_empty()), said))
        }
        Command::Backup { config, to, mib_per_second } => {
            let config = loaded(&config)?;
            if config.store.kind() == Some(Kind::Postgres) {
                return Err(in_database(
                    "back it up by its own means (pg_basebackup and its archive), or carry a checked copy into files with communiqued \
                     migrate while no exchange serves",
                ));
            }
            back_up(&config, &to, mib_per_second).map(Said::from)
        }
        Command::Migrate { from, to, database } => {
            let (from, to) = (database.store(from), database.store(to));
            let told = |step: &str| drop(writeln!(io::stderr(), "communiqued: {step}"));
            let carried = runtime()?.block_on(migrate::migrate(&from, &to, told))?;
            Ok(format!("{carried}\n").into())
        }
        Command::Restore { place: Place { config: Some(config), .. }, .. }
            if loaded(&config)?.store.kind() == Some(Kind::Postgres) =>
        {
            Err(in_database("restore the files with --data, and carry them there with communiqued migrate"))
        }
        Command::Restore { from, place } => {
            let (data, exchange) = place.data()?;
            let restored = runtime()?.block_on(backup::restore(&from, &data, exchange.as_deref()));
            let restored = restored.map_err(|error| failed(&error, None))?;
            Ok(restored.told(&data).into())
        }
    }
}

/// Why a command for files is not for this exchange.
fn in_database(next: &str) -> Failure {
    Failure(1, vec![format!("the log and the content are in PostgreSQL: {next}")])
}

fn back_up(config: &Config, to: &Path, mib_per_second: u64) -> Result<String, Failure> {
    let runtime = runtime()?;
    let stopped = {
        let _inside = runtime.enter();
        asked_to_stop()?
    };
    let told = |step| drop(writeln!(io::stderr(), "communiqued: {step}"));
    let ended = runtime.block_on(async {
        tokio::select! {
            made = backup::backup(&config.data, &config.exchange.name, to, mib_per_second, told) => Some(made),
            () = stopped => None,
        }
    });
    // A copy that is under way is not waited for.
    runtime.shutdown_background();
    let shown = text::escape_line(&to.display().to_string());
    let left = format!("{shown} is no backup: it has no backup.json. Remove it, and take the backup again");
    match ended {
        Some(Ok(made)) => Ok(made.told(to)),
        // Nothing was written there.
        Some(Err(error @ backup::BackupError::NotEmpty(_))) => Err(failed(&error, None)),
        Some(Err(error)) => Err(failed(&error, Some(left))),
        None => Err(Failure(1, vec!["it was interrupted".to_owned(), left])),
    }
}

/// Why not, what a check found, and what to do.
fn failed(error: &backup::BackupError, then: Option<String>) -> Failure {
    let found = error.report().map(fsck::to_text).unwrap_or_default();
    Failure(1, found.lines().map(str::to_owned).chain([error.to_string()]).chain(then).collect())
}

/// The configuration, as far as it can be read: whether this machine can serve on it is not asked.
fn loaded(path: &Path) -> Result<Config, Failure> {
    Config::load(path, environment().into_iter()).map_err(wrong)
}

fn wrong(problems: Vec<Problem>) -> Failure {
    Failure(USAGE, problems.iter().map(ToString::to_string).collect())
}

/// The configuration, if nothing is wrong with it.
fn checked(path: &Path) -> Result<Config, Failure> {
    let config = loaded(path)?;
    let problems = config.check();
    if problems.is_empty() { Ok(config) } else { Err(wrong(problems)) }
}

/// Variables that are not UTF-8 are nobody's settings here.
fn environment() -> Vec<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "a binary reads the environment and hands it down")]
    let variables = std::env::vars_os();
    variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Ends when the service is asked to stop. The handlers stand before a port is bound: an early signal is not lost.
fn asked_to_stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    })
}

/// A file, whole, up to a limit in bytes.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |e: &dyn fmt::Display| Failure(1, vec![format!("{}: {e}", path.display())]);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| failed(&e))?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() > limit {
        return Err(failed(&format_args!("more than {limit} bytes: this is some other file")));
    }
    Ok(bytes)
}

/// Statements, one per file; a final line feed is allowed, since people pass these files on.
fn statements(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let statement = |path: &PathBuf| {
        let bytes = read(path, STATEMENT_LIMIT + 1)?;
        let compact = String::from_utf8(bytes)
            .map_err(|_| Failure(1, vec![format!("{}: not a statement: not UTF-8", path.display())]))?;
        Ok(compact.strip_suffix('\n').unwrap_or(&compact).to_owned())
    };
    paths.iter().map(statement).collect()
}
