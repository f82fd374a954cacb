//! The log: entries, the objects that they name, and the list of communiqués.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::oneshot;

use super::{
    OpenError, Options,
    connection::{self, Fault, Readers, count, integer},
    migrations,
    rows::{entries, listings, purged, streams},
    tree,
    writer::Writer,
};
use crate::{
    domain::{
        entry::{Entry, StreamId},
        id::{CommuniqueId, Digest},
        json,
        time::Time,
    },
    exchange::ports::{
        Append, AppendError, Appended, Cosignature, Listing, ListingQuery, NewEntry, ReadFailed, Store, Stored,
    },
    log::tree::{Edge, Growth, Hash, Node},
    store::append::{Refused, Rows, Ticket, Tip, check, examine, gapless},
};

/// Appends that wait for the writing thread; further callers wait for a place.
pub const QUEUE_LIMIT: usize = 1024;
/// Streams whose ends the writer remembers; beyond it forgets all and reads them again as needed.
const TIPS_LIMIT: usize = 65_536;
/// Commits between two checkpoints that are asked for.
const CHECKPOINT_COMMITS: u32 = 64;

/// The log in an SQLite file. While it lives, no other process can open the same file for writing:
/// it holds a lock on `<path>.lock`, which stays there, empty.
///
/// Dropping it waits for the appends that are queued.
pub struct SqliteStore {
    // Dropped before the writer: SQLite moves its write-ahead log into the database where the last connection that is closed can write.
    readers: Readers,
    /// None where it was opened for reading alone.
    writer: Option<Writer<Request>>,
    grown: Arc<RwLock<Grown>>,
}

/// How long the streams are that grew since a mark: nobody else appends, so all others are as they were.
#[derive(Default)]
struct Grown {
    mark: u64,
    lengths: HashMap<StreamId, u64>,
}

impl Grown {
    /// These streams are about to be so long.
    fn grew(&mut self, streams: HashMap<StreamId, u64>) {
        if self.lengths.len() + streams.len() > TIPS_LIMIT {
            self.forget();
        }
        self.lengths.extend(streams);
    }
    /// Begins anew: nothing is known of what was read before.
    fn forget(&mut self) {
        self.mark += 1;
        self.lengths.clear();
    }
}

impl SqliteStore {
    /// Opens the log, making it if the path does not exist. Blocks: meant for the start of a process.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (mut db, lock) = connection::writer(path, &migrations::LOG)?;
        let damaged = |fault: connection::Fault| fault.on_opening(path);
        tree::complete(&mut db).map_err(damaged)?;
        let edge = Some(tree::edge(&db).map_err(damaged)?);
        let grown = Arc::<RwLock<Grown>>::default();
        let mut log = Log {
            db,
            grown: grown.clone(),
            unlooked: 0,
            head: None,
            edge,
            tips: HashMap::new(),
            #[cfg(test)]
            commits: 0,
            #[cfg(test)]
            lies: false,
        };
        let writer = Writer::start("log writer", QUEUE_LIMIT, lock, move |batch| log.take(batch))
            .map_err(|source| OpenError::Machine { path: path.to_owned(), source })?;
        Ok(Self { writer: Some(writer), readers: Readers::new(path, options), grown })
    }

    /// Opens a log that is there for reading alone: also one that another process writes to, and one that is damaged. Nothing is made,
    /// migrated or looked at yet; whatever is appended fails.
    ///
    /// # Errors
    /// [`OpenError`] for a file that is no log of this program's schema.
    pub fn reading(path: &Path, options: Options) -> Result<Self, OpenError> {
        connection::examined(path, &migrations::LOG)?;
        Ok(Self { writer: None, readers: Readers::new(path, options), grown: Arc::default() })
    }

    async fn send(&self, request: Request) -> Result<(), ()> {
        match &self.writer {
            Some(writer) => writer.send(request).await.map_err(drop),
            None => Err(()),
        }
    }

    /// Runs on the writing thread, between batches.
    #[cfg(test)]
    async fn inspect<T: Send + 'static>(&self, look: impl FnOnce(&mut Log) -> T + Send + 'static) -> T {
        let (answer, found) = oneshot::channel();
        let look = Box::new(move |log: &mut Log| drop(answer.send(look(log))));
        assert!(self.send(Request::Inspect(look)).await.is_ok());
        found.await.unwrap()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        examine(&append)?;
        let (ticket, outcome) = Ticket::new();
        if self.send(Request::Append(append, ticket)).await.is_err() {
            tracing::error!(
                "the log's writing thread is gone, or it was opened for reading alone; restart the exchange"
            );
            return Err(AppendError::Failed);
        }
        outcome.await.unwrap_or(Err(AppendError::Unknown))
    }

    async fn stream(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        let stream = stream.clone();
        let read = move |db: &Connection| {
            let sql = "WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
            let found = entries(db, sql, params![stream.to_string(), integer(from), integer(limit as u64)])?;
            let whole =
                gapless(from, found.iter().map(|e| e.entry.seq)) && found.iter().all(|e| e.entry.stream == stream);
            if whole { Ok(found) } else { Err(Fault::Damaged("a stream has a gap or another stream's entry")) }
        };
        self.readers.read("a stream", read).await
    }

    fn mark(&self) -> Option<u64> {
        self.writer.as_ref().map(|_| self.grown.read().unwrap_or_else(PoisonError::into_inner).mark)
    }

    fn stands(&self, stream: &StreamId, length: u64, mark: u64) -> bool {
        let grown = self.grown.read().unwrap_or_else(PoisonError::into_inner);
        self.writer.is_some() && mark == grown.mark && grown.lengths.get(stream).is_none_or(|now| *now == length)
    }

    async fn log(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        let read = move |db: &Connection| {
            let sql = "WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
            let found = entries(db, sql, params![integer(from), integer(limit as u64)])?;
            if gapless(from, found.iter().map(|e| e.index)) {
                Ok(found)
            } else {
                Err(Fault::Damaged("the log has a gap"))
            }
        };
        self.readers.read("the log", read).await
    }

    async fn last(&self) -> Result<Option<Stored>, ReadFailed> {
        let sql = "ORDER BY idx DESC LIMIT 1";
        self.readers.read("the log's last entry", |db: &Connection| Ok(entries(db, sql, [])?.pop())).await
    }

    async fn first_naming(&self, object: Digest) -> Result<Option<Stored>, ReadFailed> {
        let read = move |db: &Connection| {
            let sql = "WHERE idx = (SELECT idx FROM objects WHERE digest = ?1)";
            Ok(entries(db, sql, params![object.as_bytes()])?.pop())
        };
        self.readers.read("an object's first entry", read).await
    }

    async fn purged(&self, from: u64, limit: usize) -> Result<Vec<(u64, CommuniqueId)>, ReadFailed> {
        self.readers.read("what was purged", move |db| purged(db, from, limit)).await
    }

    async fn tree(&self) -> Result<Edge, ReadFailed> {
        self.readers.read("the tree's edge", tree::edge).await
    }

    async fn nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, ReadFailed> {
        self.readers.read("nodes of the tree", move |db| tree::hashes(db, &nodes)).await
    }

    async fn digests(&self, from: u64, limit: usize) -> Result<Vec<Digest>, ReadFailed> {
        self.readers.read("digests of entries", move |db| tree::digests(db, from, limit)).await
    }

    async fn cosign(&self, cosignature: Cosignature) -> Result<(), ReadFailed> {
        let (answer, outcome) = oneshot::channel();
        self.send(Request::Cosign(cosignature, answer)).await.map_err(|()| ReadFailed)?;
        outcome.await.unwrap_or(Err(ReadFailed))
    }

    async fn cosignatures(&self) -> Result<Vec<Cosignature>, ReadFailed> {
        self.readers.read("cosignatures", tree::cosignatures).await
    }

    async fn listings(&self, query: ListingQuery) -> Result<Vec<Listing>, ReadFailed> {
        self.readers.read("the list", move |db| listings(db, &query)).await
    }

    async fn streams(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamId>, ReadFailed> {
        self.readers.read("the names of streams", move |db| streams(db, after, limit)).await
    }
}

/// What the writing thread is asked.
enum Request {
    Append(Append, Ticket),
    Cosign(Cosignature, oneshot::Sender<Result<(), ReadFailed>>),
    #[cfg(test)]
    Inspect(Box<dyn FnOnce(&mut Log) + Send>),
}

/// The log's end: the next index, and the time that no entry may precede.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head {
    next: u64,
    time: Option<Time>,
}

/// An entry that others follow, as it was read and checked.
struct Last {
    index: u64,
    entry: Entry,
    digest: Digest,
}

/// The writing thread's own: its connection, and what it remembers of the tables.
struct Log {
    db: Connection,
    /// Commits since a checkpoint was asked for.
    unlooked: u32,
    head: Option<Head>,
    /// The edge of the tree, as the last transaction left it.
    edge: Option<Edge>,
    tips: HashMap<StreamId, Tip>,
    /// What readers are told of commits that succeeded.
    grown: Arc<RwLock<Grown>>,
    /// Commits that succeeded.
    #[cfg(test)]
    commits: u64,
    /// Makes commits succeed and say that they failed, as when a sync fails after the write.
    #[cfg(test)]
    lies: bool,
}

impl Log {
    fn take(&mut self, batch: Vec<Request>) {
        let mut appends = Vec::with_capacity(batch.len());
        for request in batch {
            match request {
                Request::Append(append, ticket) => appends.push((append, ticket)),
                Request::Cosign(cosignature, answer) => {
                    let outcome = tree::cosign(&self.db, &cosignature).map_err(|fault| {
                        tracing::error!(%fault, "cannot keep a cosignature");
                        ReadFailed
                    });
                    // Whoever asked may have gone.
                    let _ = answer.send(outcome);
                }
                #[cfg(test)]
                Request::Inspect(look) => {
                    self.append_all(std::mem::take(&mut appends));
                    look(self);
                }
            }
        }
        if !appends.is_empty() {
            self.append_all(appends);
        }
    }

    /// One transaction. Answers come after its end: a conflict with an append that then fails would not be true.
    fn append_all(&mut self, appends: Vec<(Append, Ticket)>) {
        let mut placed = Vec::with_capacity(appends.len());
        let (mut refused, mut grown) = (Vec::new(), HashMap::new());
        let begun = self.begin();
        let (before, mut growth) = match begun {
            Ok((head, edge)) => (head, Growth::of(edge)),
            Err(fault) => return self.abandon(&fault, appends.into_iter().map(|(_, ticket)| ticket)),
        };
        let mut appends = appends.into_iter();
        let fault = loop {
            let Some((append, ticket)) = appends.next() else { break None };
            match self.place(&append, &mut growth) {
                Ok(first) => {
                    grown.extend(append.entries.iter().map(|new| (new.entry.stream.clone(), new.entry.seq + 1)));
                    placed.push((first, ticket));
                }
                Err(Refused::This(error)) => refused.push((error, ticket)),
                Err(Refused::All(fault)) => {
                    refused.push((AppendError::Failed, ticket));
                    break Some(fault);
                }
            }
        };
        let fault = fault.or_else(|| match placed.is_empty() {
            true => None,
            false => tree::replace(&self.db, growth.before(), growth.after()).err(),
        });
        if let Some(fault) = fault {
            let tickets = placed.into_iter().map(|(_, ticket)| ticket).chain(refused.into_iter().map(|(_, t)| t));
            return self.abandon(&fault, tickets.chain(appends.map(|(_, ticket)| ticket)));
        }
        let outcome = if placed.is_empty() {
            self.undo();
            Ok(())
        } else {
            for (_, ticket) in &mut placed {
                ticket.committing = true;
            }
            // Before it can be read: what others read of these streams meanwhile is read again.
            self.grown().grew(grown);
            self.commit(before)
        };
        match outcome {
            Ok(()) => self.edge = Some(growth.after().clone()),
            Err(_) => self.grown().forget(),
        }
        let growth = Arc::new(growth);
        for (index, ticket) in placed {
            ticket.answer(outcome.map(|()| Appended { index, growth: growth.clone() }));
        }
        for (error, ticket) in refused {
            ticket.answer(Err(if outcome.is_ok() { error } else { AppendError::Failed }));
        }
    }

    fn grown(&self) -> RwLockWriteGuard<'_, Grown> {
        self.grown.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&mut self) -> Result<(Head, Edge), Fault> {
        connection::run(&self.db, "BEGIN IMMEDIATE")?;
        let edge = match self.edge.take() {
            Some(edge) => edge,
            None => tree::edge(&self.db)?,
        };
        self.edge = Some(edge.clone());
        Ok((self.head()?, edge))
    }

    /// Gives up the transaction before its commit: nothing of it can have been stored.
    fn abandon(&mut self, fault: &Fault, tickets: impl Iterator<Item = Ticket>) {
        tracing::error!(%fault, "cannot append");
        self.roll_back();
        let full = fault.is_full();
        for ticket in tickets {
            ticket.answer(Err(if full { AppendError::Full } else { AppendError::Failed }));
        }
    }

    /// Ends a transaction, and forgets what its rows have taught.
    fn roll_back(&mut self) {
        self.undo();
        self.head = None;
        self.edge = None;
        self.tips.clear();
    }

    /// Ends a transaction, if one is open.
    fn undo(&self) {
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
    }

    fn commit(&mut self, before: Head) -> Result<(), AppendError> {
        let outcome = connection::run(&self.db, "COMMIT").map(drop);
        #[cfg(test)]
        let outcome = self.told(outcome);
        let Err(error) = outcome else {
            self.checkpoint();
            return Ok(());
        };
        tracing::error!(%error, "a commit failed");
        self.roll_back();
        if self.surely_undone(&error, before) {
            let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
            return Err(if full { AppendError::Full } else { AppendError::Failed });
        }
        tracing::error!("it is not known whether the commit is on the disk");
        Err(AppendError::Unknown)
    }

    /// SQLite moves its write-ahead log into the database by itself, and says nothing where it cannot: nothing is lost then, but the file
    /// grows. Now and then it is asked, for the operator to hear of it.
    fn checkpoint(&mut self) {
        self.unlooked += 1;
        if self.unlooked < CHECKPOINT_COMMITS {
            return;
        }
        self.unlooked = 0;
        if let Err(error) = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::error!(%error, "cannot move the write-ahead log into the database, and it grows; look at the disk");
        }
    }

    /// Counts commits, and lies about them if a test asks for it.
    #[cfg(test)]
    fn told(&mut self, outcome: rusqlite::Result<()>) -> rusqlite::Result<()> {
        use rusqlite::ffi::{Error, SQLITE_IOERR};
        outcome?;
        self.commits += 1;
        if self.lies { Err(rusqlite::Error::SqliteFailure(Error::new(SQLITE_IOERR), None)) } else { Ok(()) }
    }

    /// Whether a failed commit can no longer appear, not even after a power cut.
    ///
    /// A sync that fails may leave a whole commit in the write-ahead log's file, which recovery would take for stored.
    /// SQLite's next commit is written over it; so a small one is made at once, and when it is durable, the failed one is
    /// gone. Where the error itself says that no commit was written, that is not needed.
    fn surely_undone(&mut self, error: &rusqlite::Error, before: Head) -> bool {
        use ErrorCode::{ConstraintViolation, DatabaseBusy, DatabaseLocked, DiskFull};
        if !self.db.is_autocommit() || self.head().ok() != Some(before) {
            self.head = None;
            return false;
        }
        let unwritten =
            matches!(error.sqlite_error_code(), Some(ConstraintViolation | DatabaseBusy | DatabaseLocked | DiskFull));
        unwritten
            || match self.db.execute("UPDATE settled SET n = n + 1", []) {
                Ok(_) => true,
                Err(error) => {
                    tracing::error!(%error, "cannot write over the failed commit");
                    false
                }
            }
    }

    /// Checks one append against the tables and all before it in the batch, then writes its rows.
    fn place(&mut self, append: &Append, growth: &mut Growth) -> Result<u64, Refused<Fault>> {
        let head = self.head().map_err(Refused::All)?;
        let tips = check(append, head.time, self)?;
        let next = self.write_all(append, head.next, growth).map_err(Refused::All)?;
        if self.tips.len() >= TIPS_LIMIT {
            self.tips.clear();
        }
        self.tips.extend(tips.into_iter().map(|(stream, tip)| (stream.clone(), tip)));
        self.head = Some(Head { next, time: append.entries.last().map(|new| new.entry.time) });
        Ok(head.next)
    }

    /// Writes the rows of an append. Answers the index after its last entry.
    fn write_all(&self, append: &Append, from: u64, growth: &mut Growth) -> Result<u64, Fault> {
        let mut next = from;
        for new in &append.entries {
            self.write(next, new)?;
            tree::grow(&self.db, growth, new.entry.digest())?;
            next += 1;
        }
        for listing in &append.listings {
            self.list(listing)?;
        }
        Ok(next)
    }

    fn write(&self, index: u64, new: &NewEntry) -> rusqlite::Result<()> {
        let entry = &new.entry;
        self.db
            .prepare_cached(
                "INSERT INTO entries (idx, stream, seq, bytes, digest, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                integer(index),
                entry.stream.to_string(),
                integer(entry.seq),
                entry.bytes(),
                entry.digest().as_bytes(),
                entry.time.unix()
            ])?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO objects (digest, idx, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (digest) DO NOTHING",
        )?;
        for object in &new.objects {
            insert.execute(params![object.digest().as_bytes(), integer(index), object.bytes()])?;
        }
        Ok(())
    }

    fn list(&self, listing: &Listing) -> rusqlite::Result<()> {
        let id = listing.communique.to_string();
        let row = params![id, listing.state.as_str(), integer(listing.revision), listing.manifest.as_bytes()];
        let known = self
            .db
            .prepare_cached("UPDATE communiques SET state = ?2, revision = ?3, manifest = ?4 WHERE id = ?1")?
            .execute(row)?;
        if known > 0 {
            self.db
                .prepare_cached("UPDATE communique_parties SET state = ?2 WHERE communique = ?1 AND state <> ?2")?
                .execute(params![id, listing.state.as_str()])?;
            return Ok(());
        }
        self.db
            .prepare_cached("INSERT INTO communiques (id, state, revision, manifest) VALUES (?1, ?2, ?3, ?4)")?
            .execute(row)?;
        let mut insert = self
            .db
            .prepare_cached("INSERT INTO communique_parties (communique, n, party, state) VALUES (?1, ?2, ?3, ?4)")?;
        for (n, party) in (0_i64..).zip(&listing.parties) {
            insert.execute(params![id, n, party.as_str(), listing.state.as_str()])?;
        }
        Ok(())
    }

    fn head(&mut self) -> Result<Head, Fault> {
        if let Some(head) = self.head {
            return Ok(head);
        }
        let head = match self.last("SELECT idx, seq, digest, bytes, time FROM entries ORDER BY idx DESC LIMIT 1", [])? {
            Some(Last { index, entry, .. }) => Head { next: index + 1, time: Some(entry.time) },
            None => Head { next: 0, time: None },
        };
        self.head = Some(head);
        Ok(head)
    }

    /// The row that a query finds, with its bytes held against its digest, its columns, and the tree that the last transaction left:
    /// what a new entry continues must be what was signed.
    fn last(&self, sql: &str, values: impl rusqlite::Params) -> Result<Option<Last>, Fault> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let index = count(row.get(0)?)?;
        let (named, bytes) = (row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?);
        let digest = Digest::of(&bytes);
        if digest.as_bytes().as_slice() != named {
            return Err(damaged(index, "its bytes do not have its digest"));
        }
        let entry: Entry = json::parse(&bytes).map_err(|_| damaged(index, "its bytes are no entry"))?;
        if (integer(entry.seq), entry.time.unix()) != (row.get(1)?, row.get(4)?) {
            return Err(damaged(index, "its row has another number or time than its bytes say"));
        }
        // What this transaction wrote is no leaf yet.
        if let Some(edge) = self.edge.as_ref().filter(|edge| index < edge.size())
            && !tree::covers(&self.db, edge, index, digest)?
        {
            return Err(damaged(index, "it is not the leaf that the tree has, or a node beside it was changed"));
        }
        Ok(Some(Last { index, entry, digest }))
    }
}

impl Rows for Log {
    type Fault = Fault;

    fn tip(&mut self, stream: &StreamId) -> Result<Tip, Refused<Fault>> {
        if let Some(tip) = self.tips.get(stream) {
            return Ok(*tip);
        }
        let sql = "SELECT idx, seq, digest, bytes, time FROM entries WHERE stream = ?1 ORDER BY seq DESC LIMIT 1";
        let tip = match self.last(sql, [stream.to_string()]).map_err(alone)? {
            Some(Last { index, entry, .. }) if entry.stream != *stream => {
                return Err(alone(damaged(index, "its row has another stream than its bytes say")));
            }
            Some(Last { entry, digest, .. }) => Tip { length: entry.seq + 1, last: Some(digest) },
            None => Tip { length: 0, last: None },
        };
        if self.tips.len() >= TIPS_LIMIT {
            self.tips.clear();
        }
        self.tips.insert(stream.clone(), tip);
        Ok(tip)
    }

    fn holds(&mut self, object: &Digest) -> Result<bool, Refused<Fault>> {
        let sql = "SELECT bytes FROM objects WHERE digest = ?1";
        let found = self
            .db
            .prepare_cached(sql)
            .and_then(|mut held| held.query_row([object.as_bytes()], |row| row.get::<_, Vec<u8>>(0)).optional());
        let Some(bytes) = found.map_err(|error| Refused::All(error.into()))? else { return Ok(false) };
        if Digest::of(&bytes) == *object {
            return Ok(true);
        }
        tracing::error!(%object, "a document or statement that an append names was changed; {FSCK}");
        Err(Refused::This(AppendError::Failed))
    }
}

/// What the operator is to do about a damaged row.
const FSCK: &str = "run communiqued fsck, which says what restores it";

/// Tells the operator which entry is damaged.
fn damaged(index: u64, what: &'static str) -> Fault {
    tracing::error!(entry = index, what, "an entry, or its row, was changed");
    Fault::Damaged(what)
}

/// A damaged row refuses the append that relies on it. What fails otherwise fails the batch.
fn alone(fault: Fault) -> Refused<Fault> {
    match fault {
        Fault::Damaged(what) => {
            tracing::error!(what, "an append is refused: what it relies on was changed; {FSCK}");
            Refused::This(AppendError::Failed)
        }
        fault => Refused::All(fault),
    }
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::contract::{self, Chain, Place as _, append, party};

    crate::store::contract::store_contract!(|path: &Path| SqliteStore::open(path, Options::default()).unwrap());

    /// A figure, not a rule: durable appends of one small entry, 64 callers at once. Take it from a release build, with
    /// `TMPDIR` on the disk in question.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "measures"]
    #[expect(clippy::disallowed_macros, reason = "a figure is for whoever asked for it")]
    async fn rate() {
        const EACH: usize = 200;
        let (_dir, store) = sample();
        let store = Arc::new(store);
        let work: Vec<Vec<_>> = (0..64)
            .map(|n| {
                let mut chain = Chain::new(party(n));
                (0..EACH)
                    .map(|m| append(vec![chain.next(1, vec![format!("{n} {m} {:900}", "").into_bytes()])]))
                    .collect()
            })
            .collect();
        let begun = tokio::time::Instant::now();
        let tasks: Vec<_> = work
            .into_iter()
            .map(|appends| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for append in appends {
                        store.place(append).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let (seconds, commits) = (begun.elapsed().as_secs_f64(), store.inspect(|log| log.commits).await);
        println!("{:.0} appends/s in {commits} commits", 64.0 * EACH as f64 / seconds);
    }

    async fn one(store: &SqliteStore, chain: &mut Chain) -> Result<u64, AppendError> {
        store.place(append(vec![chain.next(1, vec![])])).await
    }

    fn sample() -> (tempfile::TempDir, SqliteStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("log"), Options::default()).unwrap();
        (dir, store)
    }

    /// A start writes again and syncs all of what is left of it.
    #[tokio::test]
    async fn a_store_that_ends_leaves_no_write_ahead_log() {
        let (dir, store) = sample();
        one(&store, &mut Chain::new(party(1))).await.unwrap();
        assert_eq!(store.tree().await.unwrap().size(), 1);
        let left = dir.path().join("log-wal");
        assert!(left.exists());
        drop(store);
        assert!(!left.exists());
    }

    /// Keeps the writing thread busy until the sender is dropped.
    async fn hold(store: &SqliteStore) -> std::sync::mpsc::SyncSender<()> {
        let (open, gate) = std::sync::mpsc::sync_channel(1);
        let look = Box::new(move |_: &mut Log| assert!(gate.recv().is_err()));
        assert!(store.send(Request::Inspect(look)).await.is_ok());
        gathered(store, 0).await;
        open
    }

    /// Waits until so many requests wait: they will be one batch.
    async fn gathered(store: &SqliteStore, waiting: usize) {
        while store.writer.as_ref().unwrap().waiting() != waiting {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn appends_that_wait_share_a_commit() {
        let (_dir, store) = sample();
        let store = Arc::new(store);
        let gate = hold(&store).await;
        let release = async {
            gathered(&store, 64).await;
            drop(gate)
        };
        tokio::join!(release, contract::crowd(&store, 64));
        assert_eq!(store.inspect(|log| log.commits).await, 1);
    }

    #[tokio::test]
    async fn a_refusal_in_a_batch_is_of_one_append_alone() {
        let (_dir, store) = sample();
        let mut chains = [1, 1, 2, 3].map(|n| Chain::new(party(n)));
        let mut new = chains.iter_mut().map(|chain| append(vec![chain.next(1, vec![])]));
        let (first, rival, other, mut wrong) =
            (new.next().unwrap(), new.next().unwrap(), new.next().unwrap(), new.next().unwrap());
        wrong.expect.push((party(2), 0));
        let gate = hold(&store).await;
        let release = async {
            gathered(&store, 4).await;
            drop(gate)
        };
        let answers =
            tokio::join!(release, store.place(first), store.place(rival), store.place(other), store.place(wrong));
        let conflict = Err(AppendError::Conflict);
        assert_eq!(answers, ((), Ok(0), conflict, Ok(1), conflict));
        assert_eq!(store.inspect(|log| log.commits).await, 1);
        assert_eq!(store.log(0, 9).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_failed_commit_fails_all_that_shared_it() {
        let (_dir, store) = sample();
        store.inspect(|log| log.db.commit_hook(Some(|| true)).unwrap()).await;
        let mut chains = [1, 1, 2].map(|n| Chain::new(party(n)));
        let mut new = chains.iter_mut().map(|chain| append(vec![chain.next(1, vec![])]));
        let (first, rival, other) = (new.next().unwrap(), new.next().unwrap(), new.next().unwrap());
        let gate = hold(&store).await;
        let release = async {
            gathered(&store, 3).await;
            drop(gate)
        };
        let answers = tokio::join!(release, store.place(first), store.place(rival), store.place(other));
        let failed = Err(AppendError::Failed);
        assert_eq!(answers, ((), failed, failed, failed));
        assert_eq!(store.log(0, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_failed_commit_stores_nothing_and_the_next_append_works() {
        let (_dir, store) = sample();
        let mut chain = Chain::new(party(1));
        assert_eq!(one(&store, &mut chain).await, Ok(0));
        let before = chain.clone();
        store.inspect(|log| log.db.commit_hook(Some(|| true)).unwrap()).await;
        assert_eq!(one(&store, &mut chain).await, Err(AppendError::Failed));
        store.inspect(|log| log.db.commit_hook(None::<fn() -> bool>).unwrap()).await;
        assert_eq!(store.log(0, 9).await.unwrap().len(), 1);
        let mut chain = before;
        assert_eq!(one(&store, &mut chain).await, Ok(1));
        assert_eq!(store.stream(&party(1), 0, 9).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_full_disk_stores_nothing_and_appends_work_when_there_is_room() {
        let (_dir, store) = sample();
        let mut chain = Chain::new(party(1));
        assert_eq!(one(&store, &mut chain).await, Ok(0));
        let before = chain.clone();
        let large = vec![vec![7; 1 << 20]];
        let limit = |pages: &'static str| {
            move |log: &mut Log| log.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap()
        };
        store.inspect(limit("1")).await;
        let full = append(vec![chain.next(1, large.clone())]);
        assert_eq!(store.place(full).await, Err(AppendError::Full));
        store.inspect(limit("1000000")).await;
        assert_eq!(store.log(0, 9).await.unwrap().len(), 1);
        let mut chain = before;
        assert_eq!(store.place(append(vec![chain.next(1, large)])).await, Ok(1));
    }

    #[tokio::test]
    async fn a_commit_that_fails_and_yet_is_stored_is_unknown() {
        let (_dir, store) = sample();
        let mut chain = Chain::new(party(1));
        store.inspect(|log| log.lies = true).await;
        assert_eq!(one(&store, &mut chain).await, Err(AppendError::Unknown));
        store.inspect(|log| log.lies = false).await;
        // The entry is there; what the writer remembers says so too.
        assert_eq!(one(&store, &mut chain).await, Ok(1));
        assert_eq!(store.log(0, 9).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_failed_commit_that_left_no_trace_is_written_over() {
        let (_dir, store) = sample();
        let settled = store
            .inspect(|log| {
                let before = log.head().unwrap();
                let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
                let undone = log.surely_undone(&rusqlite::Error::SqliteFailure(error, None), before);
                let n: i64 = log.db.query_row("SELECT n FROM settled", [], |row| row.get(0)).unwrap();
                log.db.pragma_update(None, "query_only", true).unwrap();
                (undone, n, log.surely_undone(&rusqlite::Error::SqliteFailure(error, None), before))
            })
            .await;
        assert_eq!(settled, (true, 1, false));
    }

    #[tokio::test]
    async fn a_writing_thread_that_died_fails_every_append() {
        let (_dir, store) = sample();
        let look = Box::new(|_: &mut Log| panic!("on purpose"));
        assert!(store.send(Request::Inspect(look)).await.is_ok());
        let mut chain = Chain::new(party(1));
        assert_eq!(one(&store, &mut chain).await, Err(AppendError::Failed));
        assert_eq!(store.log(0, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn changed_bytes_are_not_read_as_if_they_were_the_log() {
        let (_dir, store) = sample();
        let mut chain = Chain::new(party(1));
        let entry = chain.next(1, vec![b"a document".to_vec()]);
        let name = entry.objects[0].digest();
        store.place(append(vec![entry])).await.unwrap();
        store.inspect(|log| log.db.execute("UPDATE objects SET bytes = x'00'", []).unwrap()).await;
        assert_eq!(store.first_naming(name).await, Err(ReadFailed));
        store.inspect(|log| log.db.execute("UPDATE entries SET bytes = x'00'", []).unwrap()).await;
        assert_eq!(store.log(0, 1).await, Err(ReadFailed));
        assert_eq!(store.log(1, 1).await, Ok(vec![]));
    }

    /// A log of three entries, changed by this SQL behind the store's back, and what opening it then says.
    async fn changed(sql: &'static str) -> Result<SqliteStore, String> {
        let (dir, store) = sample();
        let mut chain = Chain::new(party(1));
        for n in 0..3 {
            assert_eq!(one(&store, &mut chain).await, Ok(n));
        }
        store.inspect(move |log| log.db.execute_batch(sql).unwrap()).await;
        drop(store);
        SqliteStore::open(&dir.path().join("log"), Options::default()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_log_and_a_tree_that_disagree_are_not_opened() {
        for (sql, what) in [
            ("UPDATE tree SET root = zeroblob(32)", "does not have the root"),
            ("UPDATE nodes SET hash = zeroblob(32) WHERE n = 0", "does not have the root"),
            ("UPDATE entries SET digest = zeroblob(32) WHERE idx = 2", "does not have the root"),
            ("DELETE FROM entries WHERE idx = 2", "not as many entries"),
            ("DELETE FROM nodes", "a node of the tree is missing"),
            ("UPDATE tree SET size = 2", "not as many entries"),
            ("UPDATE nodes SET hash = x'00'", "not 32 bytes"),
        ] {
            let error = changed(sql).await.err().unwrap_or_default();
            assert!(error.contains("is damaged") && error.contains(what), "{sql}: {error}");
        }
    }

    #[tokio::test]
    async fn a_log_without_a_tree_gets_its_own() {
        let untouched = changed("").await.unwrap().tree().await;
        let made = changed(
            "DELETE FROM nodes;
             UPDATE tree SET size = 0, root = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        );
        // Another log of the same entries: samples have no random salt.
        assert_eq!(made.await.unwrap().tree().await, untouched);
    }

    #[tokio::test]
    async fn a_tree_that_changed_behind_its_back_takes_no_entry() {
        let (_dir, store) = sample();
        let mut chain = Chain::new(party(1));
        assert_eq!(one(&store, &mut chain).await, Ok(0));
        store.inspect(|log| log.db.execute("UPDATE tree SET root = zeroblob(32)", []).unwrap()).await;
        for _ in 0..2 {
            assert_eq!(one(&store, &mut chain.clone()).await, Err(AppendError::Failed));
        }
        assert_eq!(store.tree().await, Err(ReadFailed));
    }

    #[tokio::test]
    async fn the_lock_is_free_once_the_store_is_dropped() {
        let (dir, store) = sample();
        let path = dir.path().join("log");
        let second = SqliteStore::open(&path, Options::default()).err().unwrap();
        assert!(second.to_string().contains("in use"), "{second}");
        drop(store);
        SqliteStore::open(&path, Options::default()).unwrap();
    }
}
