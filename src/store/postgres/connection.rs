//! Connections: made over TLS to the host that can be written to, with bounds on everything that a server could keep one waiting for.

use std::{
    error::Error as _,
    fmt,
    future::poll_fn,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
    TimeoutType, Timeouts,
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, error::Elapsed, timeout},
};
use tokio_postgres::{
    AsyncMessage, Client, Config, Statement,
    config::{Host, SslMode, TargetSessionAttrs},
    error::{DbError, Severity, SqlState},
};

use super::{
    COMMIT_DEADLINE, CONNECT_DEADLINE, OpenError, READERS_LIMIT, SERVER_LEAST, STATEMENT_DEADLINE, Settings,
    durability,
    known::Known,
    migrations::{self, Schema},
    tls::Tls,
};
use crate::{domain::id::Digest, exchange::ports::ReadFailed};

/// What a connection sets for itself. Whoever holds a lock and says nothing more (a process that was stopped, a machine that is gone)
/// is ended by the server, so that it holds up nobody for long.
const SESSION: &str = "SET lock_timeout = '5s'; SET statement_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = warning; \
     SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC'";
/// After how long without a sign of life the system gives a connection up.
const SILENCE: Duration = Duration::from_secs(15);
/// How often a read is tried: by another connection, if it failed with the one that it had.
const TRIES: u32 = 3;
/// Where PostgreSQL listens if an address does not say.
const PORT: u16 = 5432;
/// How long a reader waits for a connection of the pool.
const WAIT: Duration = Duration::from_secs(10);

/// What goes wrong inside. Goes to the operator's log; the caller learns only that it failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{}", Said(.0))]
    Sql(#[from] tokio_postgres::Error),
    #[error("no connection: {0}")]
    Pool(String),
    #[error("no answer within the time that a statement has")]
    Silent(#[from] Elapsed),
    #[error("it is not known whether it is stored")]
    Unknown,
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    #[error("refused: {0}")]
    Refused(&'static str),
    #[error(transparent)]
    Less(#[from] OpenError),
}

/// What the server said, without its details: they may quote rows.
struct Said<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(said) => write!(f, "PostgreSQL: {} ({})", said.message(), said.code().code()),
            None => match self.0.source() {
                Some(source) => write!(f, "PostgreSQL: {}: {source}", self.0),
                None => write!(f, "PostgreSQL: {}", self.0),
            },
        }
    }
}

/// Whether an error ended one statement alone: the server said so itself, and goes on.
pub(super) fn is_of_a_statement(error: &tokio_postgres::Error) -> bool {
    let is_error = |said: &DbError| said.parsed_severity() == Some(Severity::Error);
    error.as_db_error().is_some_and(is_error)
}

/// Whether a server answers, and yet gets nothing done: what is locked on it stays so.
pub(super) fn is_stuck(fault: &Fault) -> bool {
    match fault {
        Fault::Sql(error) => error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE),
        Fault::Silent(_) => true,
        _ => false,
    }
}

/// Whether there is no room on the server's disk.
pub(super) fn is_full(fault: &Fault) -> bool {
    matches!(fault, Fault::Sql(error) if error.code() == Some(&SqlState::DISK_FULL))
}

/// A database, and how it is reached.
#[derive(Clone)]
pub(super) struct Database {
    /// One for each host.
    hosts: Vec<Config>,
    tls: Tls,
    pub(super) standbys: u32,
    /// What each server must hold to be taken for this database's.
    known: Option<Arc<Known>>,
    course: Arc<Mutex<Course>>,
}

/// Which server is used, by all connections of this process: what one of them reads must be what another writes to.
struct Course {
    host: usize,
    /// Changes with the server, and whenever it is in doubt. A connection of an earlier epoch is made anew.
    epoch: u64,
    since: Instant,
}

/// One connection, and what the server says beside its answers.
pub(super) struct Session {
    pub(super) client: Client,
    /// How often it has warned.
    warnings: Arc<AtomicU64>,
    /// How many notifications have come.
    pub(super) notified: watch::Receiver<u64>,
    driver: JoinHandle<()>,
    /// What the server promises, asked for with each commit.
    pub(super) promises: Statement,
    /// When it was made.
    pub(super) epoch: u64,
    /// Which of the hosts it leads to.
    host: usize,
}

impl Session {
    pub(super) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Acquire)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Database {
    /// Reads the address. Opens no connection.
    pub(super) fn new(settings: &Settings, known: Option<Arc<Known>>) -> Result<Self, OpenError> {
        let address = |what| OpenError::Address { what };
        let mut config: Config = settings.url.parse().map_err(|_| address("cannot be read"))?;
        if config.get_password().is_some() {
            return Err(address(
                "has a password in it, where logs and process lists show it (store.password_file has a place for it)",
            ));
        }
        if config.get_ssl_mode() == SslMode::Disable {
            return Err(address("switches TLS off"));
        }
        if config.get_hosts().is_empty() || config.get_hosts().iter().any(|host| !matches!(host, Host::Tcp(_))) {
            return Err(address("names no host, or a socket of this machine"));
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(address("names no user, or no database"));
        }
        if let Some(password) = &settings.password {
            config.password(password);
        }
        let course = Course { host: 0, epoch: 0, since: Instant::now() };
        Ok(Self {
            hosts: each_host(&config),
            tls: Tls(settings.tls.clone()),
            standbys: settings.standbys,
            known,
            course: Arc::new(Mutex::new(course)),
        })
    }

    fn course<T>(&self, of: impl FnOnce(&mut Course) -> T) -> T {
        of(&mut self.course.lock().unwrap_or_else(PoisonError::into_inner))
    }
    pub(super) fn epoch(&self) -> u64 {
        self.course(|course| course.epoch)
    }
    /// Has every connection made anew: the server that they lead to may no longer be the one.
    pub(super) fn doubt(&self) {
        self.course(|course| {
            course.epoch += 1;
            course.since = Instant::now();
        });
    }

    /// Whether there is more than one.
    pub(super) fn has_others(&self) -> bool {
        self.hosts.len() > 1
    }
    /// Whether this connection leads to the server that is used.
    pub(super) fn uses(&self, session: &Session) -> bool {
        self.course(|course| course.host == session.host)
    }
    /// Has every connection made anew, and the other servers asked before the one that this led to: it answers, and gets nothing done. So
    /// does a primary whose Patroni died and whose standby took its place: it lets itself be written to, and no commit of it ever ends.
    pub(super) fn leave(&self, stuck: &Session) {
        self.course(|course| {
            if course.host == stuck.host {
                course.host = (course.host + 1) % self.hosts.len();
            }
        });
        self.doubt();
    }

    /// Makes a connection to the first server that answers in time, can be written to, and holds what it must: the one that was used
    /// last, then the others.
    pub(super) async fn connect(&self) -> Result<Session, Fault> {
        let first = self.course(|course| course.host);
        let mut fault = Fault::Refused("there is no host");
        for n in 0..self.hosts.len() {
            let host = (first + n) % self.hosts.len();
            let Some(config) = self.hosts.get(host) else { continue };
            let epoch = self.epoch();
            let made = async {
                let session = connect(config, &self.tls, epoch, host).await?;
                if let Some(known) = &self.known {
                    known.check(&session.client).await?;
                }
                Ok(session)
            };
            match timeout(CONNECT_DEADLINE, made).await.unwrap_or_else(|elapsed| Err(elapsed.into())) {
                Ok(mut session) => {
                    if self.course(|course| std::mem::replace(&mut course.host, host)) != host {
                        self.doubt();
                        session.epoch = self.epoch();
                    }
                    return Ok(session);
                }
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    /// Makes a connection, and tables of this schema if there are none; refuses what is newer, older, or promises less.
    pub(super) async fn prepared(&self, schema: &Schema) -> Result<Session, OpenError> {
        let unreachable = |fault: Fault| OpenError::Unreachable { why: fault.to_string() };
        let session = self.connect().await.map_err(unreachable)?;
        let prepared = async {
            let sql = format!(
                "SELECT current_setting('server_version_num')::bigint AS number, version(), {}",
                durability::COLUMNS
            );
            let said = |error: tokio_postgres::Error| unreachable(error.into());
            let row = session.client.query_one(&sql, &[]).await.map_err(said)?;
            if row.try_get::<_, i64>("number").map_err(said)? < i64::from(SERVER_LEAST) {
                return Err(OpenError::Old { found: row.try_get("version").map_err(said)? });
            }
            durability::check(&row, self.standbys)?;
            migrations::behind(&session.client, schema).await
        };
        let behind =
            timeout(COMMIT_DEADLINE, prepared).await.unwrap_or_else(|elapsed| Err(unreachable(elapsed.into())))?;
        if behind {
            // Steps over a long log take the time that they take.
            migrations::run(&session.client, schema).await?;
        }
        Ok(session)
    }
}

/// The same with one host each.
fn each_host(all: &Config) -> Vec<Config> {
    let ports = all.get_ports();
    let host = |(n, host): (usize, &Host)| {
        let mut one = Config::new();
        let (Host::Tcp(name), port) = (host, ports.get(n).or(ports.first()).copied().unwrap_or(PORT)) else {
            return None;
        };
        one.host(name).port(port);
        one.user(all.get_user()?).dbname(all.get_dbname()?);
        if let Some(password) = all.get_password() {
            one.password(password);
        }
        if let Some(options) = all.get_options() {
            one.options(options);
        }
        one.ssl_mode(SslMode::Require)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .application_name("communiqued")
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_user_timeout(SILENCE)
            .keepalives(true)
            .keepalives_idle(SILENCE);
        Some(one)
    };
    all.get_hosts().iter().enumerate().filter_map(host).collect()
}

async fn connect(config: &Config, tls: &Tls, epoch: u64, host: usize) -> Result<Session, Fault> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let (warnings, (notify, notified)) = (Arc::new(AtomicU64::new(0)), watch::channel(0));
    let warned = warnings.clone();
    // What comes before an answer is counted before whoever waits for the answer hears it.
    let driver = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            match message {
                AsyncMessage::Notice(notice) if notice.parsed_severity() == Some(Severity::Warning) => {
                    tracing::warn!(message = notice.message(), "PostgreSQL warns");
                    warned.fetch_add(1, Ordering::Release);
                }
                AsyncMessage::Notification(_) => notify.send_modify(|n| *n += 1),
                _ => {}
            }
        }
    });
    client.batch_execute(SESSION).await?;
    let promises = client.prepare(&format!("SELECT {}", durability::COLUMNS)).await?;
    Ok(Session { client, warnings, notified, driver, promises, epoch, host })
}

/// A bounded number of connections for reading, to the server that is used.
pub(super) struct Readers {
    database: Database,
    pool: Pool,
}

impl Readers {
    pub(super) fn new(database: &Database, readers: usize) -> Result<Self, OpenError> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(Config::new(), Pooled(database.clone()), config);
        let timeouts = Timeouts { wait: Some(WAIT), create: Some(CONNECT_DEADLINE), recycle: Some(WAIT) };
        let known = database.known.clone();
        let holds = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let known = known.clone();
            Box::pin(async move {
                let Some(known) = known else { return Ok(()) };
                known.check(client).await.map_err(|fault| HookError::message(fault.to_string()))
            })
        });
        let course = database.course.clone();
        let is_new = Hook::sync_fn(move |_: &mut ClientWrapper, metrics| {
            let since = course.lock().unwrap_or_else(PoisonError::into_inner).since;
            if metrics.age() < since.elapsed() { Ok(()) } else { Err(HookError::message("it is of an earlier epoch")) }
        });
        let pool = Pool::builder(manager)
            .post_create(holds)
            .pre_recycle(is_new)
            .max_size(readers.clamp(1, READERS_LIMIT))
            .timeouts(timeouts)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Unreachable { why: error.to_string() })?;
        Ok(Self { database: database.clone(), pool })
    }

    /// A connection of the pool. Where none can be made, another server is looked for.
    pub(super) async fn get(&self) -> Result<Object, Fault> {
        match self.pool.get().await {
            Ok(db) => Ok(db),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(Fault::Pool("all are busy".to_owned())),
            Err(_) => {
                drop(self.database.connect().await?);
                self.pool.get().await.map_err(|error| match error {
                    PoolError::Backend(error) => Fault::Sql(error),
                    error => Fault::Pool(error.to_string()),
                })
            }
        }
    }

    /// What a try to read has come to: an end, or another try. A connection that failed takes those like it along: they lead to the same
    /// server.
    pub(super) fn settle<T>(
        &self,
        what: &'static str,
        outcome: Result<Result<T, Fault>, Elapsed>,
        tries: &mut u32,
    ) -> ControlFlow<Result<T, ReadFailed>> {
        let fault = match outcome.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(found) => return ControlFlow::Break(Ok(found)),
            Err(fault) => fault,
        };
        *tries += 1;
        let of_connection = match &fault {
            Fault::Sql(error) => !is_of_a_statement(error),
            Fault::Silent(_) => true,
            _ => false,
        };
        if of_connection {
            self.database.doubt();
            if *tries < TRIES {
                return ControlFlow::Continue(());
            }
        }
        tracing::error!(what, %fault, "cannot read the store");
        ControlFlow::Break(Err(ReadFailed))
    }
}

/// Reads by a connection of the pool, within the time that a statement has; by another one, if the connection fails.
macro_rules! read {
    ($readers:expr, $what:literal, $db:ident => $read:expr) => {{
        let mut tries = 0;
        loop {
            let outcome = match $readers.get().await {
                Ok($db) => {
                    let reading = async { $read };
                    tokio::time::timeout($crate::store::postgres::STATEMENT_DEADLINE, reading).await
                }
                Err(fault) => Ok(Err(fault)),
            };
            if let std::ops::ControlFlow::Break(outcome) = $readers.settle($what, outcome, &mut tries) {
                break outcome;
            }
        }
    }};
}
pub(super) use read;

/// Makes the pool's connections as [`connect`] does, to the server that is used.
struct Pooled(Database);

impl Connect for Pooled {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(async move {
            loop {
                let (host, epoch) = self.0.course(|course| (course.host, course.epoch));
                let config = self.0.hosts.get(host).cloned().unwrap_or_default();
                let (client, connection) = config.connect(self.0.tls.clone()).await?;
                let driver = tokio::spawn(async move {
                    // Whoever uses it is told.
                    let _ = connection.await;
                });
                client.batch_execute(SESSION).await?;
                if self.0.epoch() == epoch {
                    return Ok((client, driver));
                }
                driver.abort();
            }
        })
    }
}

/// Within the time that a statement has.
pub(super) async fn in_time<T>(statement: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
    Ok(tokio::time::timeout(STATEMENT_DEADLINE, statement).await??)
}

/// An SQL integer for a count of ours. All counts end far below 2^63; were one above, it would match nothing.
pub(super) fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A count of ours from an SQL integer.
pub(super) fn count(n: i64) -> Result<u64, Fault> {
    u64::try_from(n).map_err(|_| Fault::Damaged("a count is negative"))
}

/// A digest from a column.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, Fault> {
    <[u8; 32]>::try_from(bytes).map(Digest::from_bytes).map_err(|_| Fault::Damaged("a digest is not 32 bytes"))
}
