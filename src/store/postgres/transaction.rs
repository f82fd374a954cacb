//! Transactions that write content: any number at once, each on a connection of its own.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_postgres::{Row, error::SqlState, types::ToSql};

use super::{
    COMMIT_DEADLINE,
    connection::{Database, Fault, Session, in_time, is_full, is_of_a_statement, is_stuck},
    durability,
    log::Ended,
};
use crate::exchange::ports::WriteFailed;

/// Connections that write content, of one exchange; further transactions wait for one.
pub const WRITERS_LIMIT: usize = 4;
/// How often a transaction is tried of which nothing was committed: over another connection, or after a deadlock.
const TRIES: u32 = 3;
/// How often whoever waits for a commit that was given up looks whether its server is still used.
const LINGERING: Duration = Duration::from_secs(1);

/// Values for a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The connections, made when they are needed.
pub(super) struct Writers {
    database: Database,
    idle: Mutex<Vec<Session>>,
    places: Arc<Semaphore>,
}

impl Writers {
    /// `first` is a connection that is there already.
    pub(super) fn new(database: Database, first: Session) -> Self {
        Self { database, idle: Mutex::new(vec![first]), places: Arc::new(Semaphore::new(WRITERS_LIMIT)) }
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'_>, Fault> {
        let busy = || Fault::Pool("each that writes content is busy".into());
        let place = timeout(COMMIT_DEADLINE, self.places.clone().acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(busy)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let idle = idle.filter(|session| session.epoch == self.database.epoch());
        let session = match idle {
            Some(session) => session,
            None => self.database.connect().await?,
        };
        in_time(session.client.batch_execute("BEGIN")).await?;
        Ok(Transaction { writers: self, session, place })
    }

    /// What a transaction has come to: an end, or another try, if another may succeed and nothing of it was committed, or it may be
    /// committed twice. A connection that failed takes the idle ones along: they lead to the same server.
    pub(super) fn settle<T>(
        &self,
        what: &'static str,
        outcome: Result<T, Fault>,
        may_be_twice: bool,
        tries: &mut u32,
    ) -> ControlFlow<Result<T, WriteFailed>> {
        let fault = match outcome {
            Ok(done) => return ControlFlow::Break(Ok(done)),
            Err(fault) => fault,
        };
        *tries += 1;
        let (again, elsewhere) = match &fault {
            Fault::Sql(error) if is_of_a_statement(error) => match error.code() {
                Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE) => (true, false),
                Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => (true, true),
                _ => (false, false),
            },
            Fault::Sql(_) | Fault::Silent(_) => (true, true),
            // On the same server it would wait for the same once more.
            Fault::Unknown => (may_be_twice && *tries == 1 && self.database.has_others(), false),
            _ => (false, false),
        };
        if elsewhere {
            self.database.doubt();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        if again && *tries < TRIES {
            return ControlFlow::Continue(());
        }
        tracing::error!(what, %fault, "cannot write content");
        ControlFlow::Break(Err(match fault {
            Fault::Unknown => WriteFailed::Unknown,
            fault if is_full(&fault) => WriteFailed::Full,
            _ => WriteFailed::Failed,
        }))
    }
}

/// A transaction. Dropped before its end, it ends with its connection.
pub(super) struct Transaction<'a> {
    writers: &'a Writers,
    session: Session,
    place: OwnedSemaphorePermit,
}

impl Transaction<'_> {
    /// Runs a statement; answers how many rows it touched.
    pub(super) async fn run(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        in_time(self.session.client.execute(sql, values)).await
    }

    /// The rows that a statement answers.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        in_time(self.session.client.query(sql, values)).await
    }

    /// The only row that a statement answers, if it answers any.
    pub(super) async fn row(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        in_time(self.session.client.query_opt(sql, values)).await
    }

    /// Makes this a transaction that writes, and takes no row for it. What writes nothing is committed without waiting for the disk and
    /// the standbys; what writes has waited for all that was committed before it too, also by others.
    pub(super) async fn settle(&self) -> Result<(), Fault> {
        self.rows("SELECT pg_logical_emit_message(true, 'communique', '')", &[]).await.map(drop)
    }

    /// Commits what went well, and undoes what did not. Of a commit that did not end, or ended in
    /// a warning, it is not known whether it is stored.
    pub(super) async fn end<T>(self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        let ended = match &outcome {
            Ok(_) => self.commit().await,
            Err(Fault::Sql(error)) if !is_of_a_statement(error) => return outcome,
            Err(fault) => {
                if is_stuck(fault) {
                    self.writers.database.leave(&self.session);
                }
                if matches!(fault, Fault::Silent(_)) {
                    return outcome;
                }
                in_time(self.session.client.batch_execute("ROLLBACK")).await
            }
        };
        match (ended, outcome) {
            (Err(fault), Ok(_)) => {
                self.linger();
                Err(fault)
            }
            (Err(_), outcome) => outcome,
            (Ok(()), outcome) => {
                self.writers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.session);
                outcome
            }
        }
    }

    /// Keeps its place until the server has answered, is gone, or is left for another: a commit that waits for a standby does not notice
    /// that nobody waits for it, and each of them holds one of the server's connections.
    fn linger(self) {
        let Self { session, place, writers } = self;
        let database = writers.database.clone();
        tokio::spawn(async move {
            let _place = place;
            let answered = session.client.batch_execute("");
            tokio::pin!(answered);
            while timeout(LINGERING, &mut answered).await.is_err() && database.uses(&session) {}
        });
    }

    async fn commit(&self) -> Result<(), Fault> {
        let promises = format!("SELECT {}", durability::COLUMNS);
        let row = self.row(&promises, &[]).await?.ok_or(Fault::Damaged("a setting is missing"))?;
        durability::check(&row, self.writers.database.standbys)?;
        match self.session.commit(self.writers.database.standbys).await {
            Ended::Stored => Ok(()),
            Ended::Undone(fault) => Err(fault),
            Ended::Unknown => {
                self.writers.database.leave(&self.session);
                Err(Fault::Unknown)
            }
        }
    }
}

/// Runs a transaction to its end; again, if it failed before its commit. One that may be done `twice` is also done again where its commit is
/// unknown and there is another server.
macro_rules! transact {
    ($writers:expr, $what:literal, twice $db:ident => $body:expr) => {
        $crate::store::postgres::transaction::transact!(@ $writers, $what, true, $db => $body)
    };
    ($writers:expr, $what:literal, $db:ident => $body:expr) => {
        $crate::store::postgres::transaction::transact!(@ $writers, $what, false, $db => $body)
    };
    (@ $writers:expr, $what:literal, $twice:literal, $db:ident => $body:expr) => {{
        let mut tries = 0;
        loop {
            let outcome = match $writers.begin().await {
                Ok($db) => {
                    let outcome = async { Ok::<_, $crate::store::postgres::connection::Fault>($body) }.await;
                    $db.end(outcome).await
                }
                Err(fault) => Err(fault),
            };
            if let std::ops::ControlFlow::Break(outcome) = $writers.settle($what, outcome, $twice, &mut tries) {
                break outcome;
            }
        }
    }};
}
pub(super) use transact;
