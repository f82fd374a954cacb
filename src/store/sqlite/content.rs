//! Content: texts, annexes and packages, in chunks of one size, so that any offset is found without reading what precedes it.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, named_params, params};
use tokio::{sync::oneshot, time::Instant};

use super::{
    OpenError, Options,
    connection::{self, Fault, Readers, count, digest, integer},
    migrations, seals,
    writer::Writer,
};
use crate::{
    domain::{
        id::{CommuniqueId, Digest},
        time::Time,
    },
    exchange::ports::{
        Begin, Content, NotBegun, Owner, PARTIAL_SECONDS, PARTIALS_LIMIT, Package, ReadFailed, STAMP_LIMIT, Seal,
        Shown, Stage, WriteFailed,
    },
    store::content::{CHUNK, GATHERED, QUEUE_LIMIT, STAGE_IDLE, STAGE_LIMIT, STAGES_LIMIT, UPLOADS_LIMIT},
};

/// Content in an SQLite file of its own. While it lives, no other process can open the same file for writing: it holds a
/// lock on `<path>.lock`, which stays there, empty.
///
/// A push or a seal that fails loses its stage: the caller begins anew.
///
/// Dropping it waits for what is queued.
pub struct SqliteContent {
    // Dropped before the writer: SQLite moves its write-ahead log into the database where the last connection that is closed can write.
    readers: Readers,
    /// None where it was opened for reading alone.
    writer: Option<Writer<Request>>,
    failed: Failed,
}

/// Forgets what earlier runs left of stages.
const FORGET: &str = "DELETE FROM chunks WHERE blob IN (SELECT blob FROM stages)";
/// The last blob.
const LAST: &str =
    "SELECT max(coalesce((SELECT max(id) FROM blobs), 0), coalesce((SELECT max(blob) FROM partials), 0))";
/// What was uploaded for a communiqué.
const UPLOADED: &str = "SELECT DISTINCT blob FROM uploads WHERE communique = ?1";

/// When the writing thread last failed, if it has written nothing since.
type Failed = Arc<Mutex<Option<Instant>>>;

impl SqliteContent {
    /// Opens the content, making it if the path does not exist, and forgets the stages of earlier runs, but for what is
    /// kept of uploads. Blocks: meant for the start of a process.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (db, lock) = connection::writer(path, &migrations::CONTENT)?;
        let failed = |source| OpenError::Database { path: path.to_owned(), source };
        // What is erased is overwritten.
        db.execute_batch(&format!("PRAGMA secure_delete = ON; BEGIN IMMEDIATE; {FORGET}; DELETE FROM stages; COMMIT"))
            .map_err(failed)?;
        let last: i64 = db.query_row(LAST, [], |row| row.get(0)).map_err(failed)?;
        let next = u64::try_from(last).unwrap_or(0) + 1;
        let mut shelves = Shelves::new(db, next);
        let failed = shelves.failed.clone();
        let writer = Writer::start("content writer", QUEUE_LIMIT, lock, move |batch| shelves.take(batch))
            .map_err(|source| OpenError::Machine { path: path.to_owned(), source })?;
        Ok(Self { writer: Some(writer), readers: Readers::new(path, options), failed })
    }

    /// Opens content that is there for reading alone: also what another process writes to, and what is damaged. Nothing is made,
    /// migrated, forgotten or looked at yet; whatever is to be written fails.
    ///
    /// # Errors
    /// [`OpenError`] for a file that is no content of this program's schema.
    pub fn reading(path: &Path, options: Options) -> Result<Self, OpenError> {
        connection::examined(path, &migrations::CONTENT)?;
        Ok(Self { writer: None, readers: Readers::new(path, options), failed: Failed::default() })
    }

    async fn ask(&self, what: What) -> Result<u64, ReadFailed> {
        self.ask_to_begin(what).await.map_err(|_| ReadFailed)
    }
    async fn ask_to_write(&self, what: What) -> Result<u64, WriteFailed> {
        self.ask_to_begin(what).await.map_err(|why| match why {
            NotBegun::Failed(why) => why,
            _ => WriteFailed::Failed,
        })
    }
    async fn ask_to_begin(&self, what: What) -> Result<u64, NotBegun> {
        let (answer, outcome) = oneshot::channel();
        let sent = match &self.writer {
            Some(writer) => writer.send(Request { what, answer }).await.is_ok(),
            None => false,
        };
        if !sent {
            tracing::error!(
                "the content's writing thread is gone, or it was opened for reading alone; restart the exchange"
            );
            return Err(WriteFailed::Failed.into());
        }
        outcome.await.unwrap_or(Err(WriteFailed::Failed.into()))
    }
}

#[async_trait]
impl Content for SqliteContent {
    fn failed(&self) -> Option<Duration> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    async fn stage(&self) -> Result<Stage, WriteFailed> {
        self.ask_to_write(What::Stage).await.map(Stage)
    }

    async fn begin(&self, begin: Begin) -> Result<Stage, NotBegun> {
        self.ask_to_begin(What::Begin(Box::new(begin))).await.map(Stage)
    }

    async fn park(&self, stage: Stage) {
        // What cannot be written now is kept as far as it was written before.
        let _ = self.ask(What::Park(stage.0)).await;
    }

    async fn kept(&self, owner: &Owner, digest: Digest, now: Time) -> Result<u64, ReadFailed> {
        self.ask(What::Kept(owner.clone(), digest, now)).await
    }

    async fn kept_bytes(&self, owner: &Owner, digest: Digest, offset: u64, most: usize) -> Result<Vec<u8>, ReadFailed> {
        let owner = owner.clone();
        let read = move |db: &Connection| match partial(db, &owner, digest)? {
            Some(kept) => chunked(db, kept.blob, kept.held, offset, most),
            None => Ok(Vec::new()),
        };
        self.readers.read("a kept upload", read).await
    }

    async fn expire(&self, now: Time) -> Result<u64, ReadFailed> {
        self.ask(What::Expire(now)).await
    }

    async fn push(&self, stage: Stage, bytes: Vec<u8>) -> Result<(), WriteFailed> {
        self.ask_to_write(What::Push(stage.0, bytes)).await.map(drop)
    }

    async fn seal(&self, stage: Stage, digest: Digest, size: u64, seal: Seal) -> Result<(), WriteFailed> {
        self.ask_to_write(What::Seal(stage.0, digest, size, seal)).await.map(drop)
    }

    async fn discard(&self, stage: Stage) {
        // A stage that cannot be forgotten now is forgotten at the next start.
        let _ = self.ask(What::Discard(stage.0)).await;
    }

    async fn purge(&self, communique: CommuniqueId) -> Result<(), ReadFailed> {
        self.ask(What::Purge(communique)).await.map(drop)
    }

    async fn uploaded(&self, owner: &Owner, digest: Digest) -> Result<Option<u64>, ReadFailed> {
        let owner = owner.clone();
        let read = move |db: &Connection| {
            let size: Option<i64> = db
                .prepare_cached(
                    "SELECT b.size FROM blobs b JOIN uploads u ON u.blob = b.id
                     WHERE b.digest = ?1 AND u.party = ?2 AND u.communique = ?3",
                )?
                .query_row(params![digest.as_bytes(), owner.party.as_str(), owner.communique.to_string()], |r| r.get(0))
                .optional()?;
            size.map(count).transpose()
        };
        self.readers.read("an upload", read).await
    }

    async fn uploaded_for(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed> {
        let read = move |db: &Connection| {
            let sql =
                "SELECT 1 FROM uploads WHERE communique = ?1 UNION ALL SELECT 1 FROM partials WHERE communique = ?1";
            let mut held = db.prepare_cached(sql)?;
            let mut found = Vec::new();
            for communique in among {
                if held.exists([communique.to_string()])? {
                    found.push(communique);
                }
            }
            Ok(found)
        };
        self.readers.read("what was uploaded for communiqués", read).await
    }

    async fn held(&self, owner: &Owner) -> Result<u64, ReadFailed> {
        let owner = owner.clone();
        let read = move |db: &Connection| {
            let sum: i64 = db
                .prepare_cached(
                    "SELECT coalesce(sum(b.size), 0) FROM uploads u JOIN blobs b ON b.id = u.blob
                     WHERE u.party = ?1 AND u.communique = ?2",
                )?
                .query_row([owner.party.as_str(), &owner.communique.to_string()], |row| row.get(0))?;
            count(sum)
        };
        self.readers.read("a sum of uploads", read).await
    }

    async fn package(&self, communique: CommuniqueId) -> Result<Option<Package>, ReadFailed> {
        let sql =
            "SELECT b.digest, b.size, p.witnesses, p.stamped, p.head FROM packages p JOIN blobs b ON b.id = p.blob
                   WHERE p.communique = ?1";
        self.readers.read("a package", move |db| package(db, sql, communique)).await
    }

    async fn original(&self, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, ReadFailed> {
        let sql =
            "SELECT b.digest, b.size, 0, 0, '' FROM originals p JOIN blobs b ON b.id = p.blob WHERE p.communique = ?1";
        let found = self.readers.read("a package that lies in another", move |db| package(db, sql, communique)).await?;
        Ok(found.map(|package| (package.digest, package.size)))
    }

    async fn keep_stamp(&self, communique: CommuniqueId, stamp: Vec<u8>) -> Result<(), ReadFailed> {
        self.ask(What::Stamp(communique, stamp)).await.map(drop)
    }

    async fn stamp(&self, communique: CommuniqueId) -> Result<Option<Vec<u8>>, ReadFailed> {
        let read = move |db: &Connection| {
            let mut found = db.prepare_cached("SELECT response FROM stamps WHERE communique = ?1")?;
            Ok(found.query_row([communique.to_string()], |row| row.get(0)).optional()?)
        };
        self.readers.read("a time stamp", read).await
    }

    async fn unstamped(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed> {
        let read = move |db: &Connection| {
            let mut found = db.prepare_cached("SELECT 1 FROM stamps WHERE communique = ?1")?;
            let mut without = Vec::new();
            for communique in among {
                if !found.exists([communique.to_string()])? {
                    without.push(communique);
                }
            }
            Ok(without)
        };
        self.readers.read("time stamps", read).await
    }

    async fn sealed(&self, after: Option<Digest>, limit: usize) -> Result<Vec<(Digest, u64)>, ReadFailed> {
        let read = move |db: &Connection| {
            // No digest is empty: all come after it.
            let after = after.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default();
            let mut statement =
                db.prepare_cached("SELECT digest, size FROM blobs WHERE digest > ?1 ORDER BY digest LIMIT ?2")?;
            let rows = statement.query_map(params![after, integer(limit as u64)], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
            })?;
            rows.map(|row| row.map_err(Fault::from).and_then(|(name, size)| Ok((digest(&name)?, count(size)?))))
                .collect()
        };
        self.readers.read("the list of content", read).await
    }

    async fn sizes(&self, of: Vec<Digest>) -> Result<Vec<Option<u64>>, ReadFailed> {
        let read = move |db: &Connection| {
            let mut size = db.prepare_cached("SELECT size FROM blobs WHERE digest = ?1")?;
            let mut ask = |digest: &Digest| {
                let found: Option<i64> = size.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
                found.map(count).transpose()
            };
            of.iter().map(&mut ask).collect()
        };
        self.readers.read("sizes of content", read).await
    }

    async fn seals(&self, digest: Digest) -> Result<Vec<Seal>, ReadFailed> {
        self.readers.read("the seals of content", move |db| seals::of(db, digest)).await
    }

    async fn read(&self, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.readers.read("content", move |db| piece(db, digest, offset, most)).await
    }
}

fn package(db: &Connection, sql: &str, communique: CommuniqueId) -> Result<Option<Package>, Fault> {
    let found = db
        .prepare_cached(sql)?
        .query_row([communique.to_string()], |row| {
            let shown = (row.get::<_, i64>(2)?, row.get(3)?, row.get(4)?);
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, shown))
        })
        .optional()?;
    let made = |(name, size, (witnesses, stamped, head)): (Vec<u8>, _, _)| {
        let shown = Shown { witnesses: count(witnesses)?, stamped, head };
        Ok(Package { digest: digest(&name)?, size: count(size)?, shown })
    };
    found.map(made).transpose()
}

fn piece(db: &Connection, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, Fault> {
    let found = db
        .prepare_cached("SELECT id, size FROM blobs WHERE digest = ?1")?
        .query_row([digest.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((blob, size)) = found else { return Ok(None) };
    chunked(db, blob, count(size)?, offset, most).map(Some)
}

/// At most `most` bytes of a blob's or a stage's first `size`, from this offset on.
fn chunked(db: &Connection, blob: i64, size: u64, offset: u64, most: usize) -> Result<Vec<u8>, Fault> {
    let left = size.saturating_sub(offset);
    let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(most);
    let mut piece = Vec::with_capacity(wanted);
    let mut statement = db.prepare_cached("SELECT bytes FROM chunks WHERE blob = ?1 AND n = ?2")?;
    while piece.len() < wanted {
        let at = offset + piece.len() as u64;
        let (n, skip) = (at / CHUNK as u64, usize::try_from(at % CHUNK as u64).unwrap_or(0));
        let chunk: Vec<u8> = statement
            .query_row(params![blob, integer(n)], |row| row.get(0))
            .optional()?
            .ok_or(Fault::Damaged("a chunk is missing"))?;
        let rest = chunk.get(skip..).filter(|rest| !rest.is_empty()).ok_or(Fault::Damaged("a chunk is short"))?;
        piece.extend(rest.iter().take(wanted - piece.len()));
    }
    Ok(piece)
}

/// What is kept of an upload.
struct Partial {
    blob: i64,
    size: u64,
    held: u64,
}

fn partial(db: &Connection, owner: &Owner, digest: Digest) -> Result<Option<Partial>, Fault> {
    let found = db
        .prepare_cached("SELECT blob, size, held FROM partials WHERE party = ?1 AND communique = ?2 AND digest = ?3")?
        .query_row(params![owner.party.as_str(), owner.communique.to_string(), digest.as_bytes()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    found.map(|(blob, size, held)| Ok(Partial { blob, size: count(size)?, held: count(held)? })).transpose()
}

struct Request {
    what: What,
    answer: oneshot::Sender<Result<u64, NotBegun>>,
}

enum What {
    Stage,
    Begin(Box<Begin>),
    Park(u64),
    Kept(Owner, Digest, Time),
    Expire(Time),
    Push(u64, Vec<u8>),
    Seal(u64, Digest, u64, Seal),
    Discard(u64),
    Purge(CommuniqueId),
    Stamp(CommuniqueId, Vec<u8>),
}

/// A stage in memory: what is not yet written, and how much is.
struct Pending {
    /// Which chunks are its own.
    blob: u64,
    chunks: u64,
    tail: Vec<u8>,
    size: u64,
    heard: Instant,
    upload: Option<Coming>,
}

/// An upload under way.
struct Coming {
    begin: Begin,
    /// Whether it is kept if it breaks off.
    kept: bool,
}

impl Pending {
    fn of_blob(blob: u64, upload: Option<Coming>) -> Self {
        Self { blob, chunks: 0, tail: Vec::new(), size: 0, heard: Instant::now(), upload }
    }
    /// The upload, if it is kept.
    fn kept(&self) -> Option<&Begin> {
        self.upload.as_ref().filter(|upload| upload.kept).map(|upload| &upload.begin)
    }
    fn is_kept_of(&self, owner: &Owner, digest: Digest) -> bool {
        self.kept().is_some_and(|begin| begin.owner == *owner && begin.digest == digest)
    }
}

/// The writing thread's own.
struct Shelves {
    db: Connection,
    stages: HashMap<u64, Pending>,
    /// The next stage's name: never given twice, so that whoever was overtaken cannot touch what goes on without him.
    next_stage: u64,
    /// The next blob.
    next: u64,
    /// Blobs whose chunks are still to be deleted.
    dropped: Vec<u64>,
    /// Whether the transaction under way erases what was content.
    purged: bool,
    failed: Failed,
}

impl Shelves {
    fn new(db: Connection, next: u64) -> Self {
        Self {
            db,
            stages: HashMap::new(),
            next_stage: 1,
            next,
            dropped: Vec::new(),
            purged: false,
            failed: Failed::default(),
        }
    }

    /// One transaction, begun when there is something to write. If it fails, every request of the batch fails, and every
    /// stage that it touched is forgotten: what memory says of them may no longer be what the file holds.
    fn take(&mut self, batch: Vec<Request>) {
        let mut answers = Vec::with_capacity(batch.len());
        let mut touched = Vec::new();
        let mut broken = None;
        let changes = self.db.total_changes();
        for Request { what, answer } in batch {
            if let What::Push(stage, _) | What::Seal(stage, ..) = &what {
                touched.push(*stage);
            }
            let opens = matches!(what, What::Stage | What::Begin(_));
            let outcome = match broken {
                Some(_) => Err(WriteFailed::Failed.into()),
                None => self.answer(what).unwrap_or_else(|fault| {
                    match fault {
                        Fault::Refused(reason) => tracing::error!(reason, "content is not taken"),
                        fault => broken = Some(fault),
                    }
                    Err(WriteFailed::Failed.into())
                }),
            };
            answers.push((answer, outcome, opens));
        }
        let ended = match broken {
            Some(fault) => Err(fault),
            None if self.db.is_autocommit() => Ok(()),
            None => self.commit(),
        };
        // A transaction that changes nothing writes nothing, also on a disk that takes nothing.
        if ended.is_err() || self.db.total_changes() > changes {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = ended.is_err().then(Instant::now);
        }
        if let Err(fault) = &ended {
            tracing::error!(%fault, "cannot write content");
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "cannot roll back");
            }
            // Of an upload that is kept, the file still holds what was committed before, and its row says how much.
            let gone = touched.iter().filter_map(|stage| self.stages.remove(stage)).map(|pending| pending.blob);
            self.dropped.extend(gone);
        }
        let ended = ended.map_err(|fault| if fault.is_full() { WriteFailed::Full } else { WriteFailed::Failed });
        for (answer, outcome, opens) in answers {
            if let (Err(_), Ok(stage), true) = (&ended, &outcome, opens) {
                self.stages.remove(stage);
            }
            // A caller that has gone no longer asks. A stage that it never heard of is nobody's, and would keep its place.
            // Nothing was pushed to it: what is kept of its upload is in the file.
            if let Err(Ok(stage)) = answer.send(ended.map_err(NotBegun::Failed).and(outcome))
                && opens
            {
                self.stages.remove(&stage);
            }
        }
    }

    fn answer(&mut self, what: What) -> Result<Result<u64, NotBegun>, Fault> {
        match what {
            What::Stage => {
                if !self.room(STAGES_LIMIT, |_| true)? {
                    return Err(Fault::Refused("too many stages are open"));
                }
                Ok(Ok(self.open(None)))
            }
            What::Begin(begin) => self.begin_upload(*begin),
            What::Park(stage) => self.park(stage).map(Ok),
            What::Kept(owner, digest, now) => self.kept(&owner, digest, now).map(Ok),
            What::Expire(now) => self.expire(now).map(Ok),
            What::Push(stage, bytes) => self.push(stage, &bytes).map(Ok),
            What::Seal(stage, digest, size, seal) => self.seal(stage, digest, size, &seal).map(Ok),
            What::Purge(communique) => self.purge(communique).map(Ok),
            What::Stamp(communique, stamp) => self.keep_stamp(communique, &stamp).map(Ok),
            What::Discard(stage) => {
                self.forget(stage)?;
                if !self.dropped.is_empty() {
                    self.begin()?;
                }
                Ok(Ok(0))
            }
        }
    }

    /// Whether there is a place among so many for such stages; the idlest gives way if it has been silent for long.
    fn room(&mut self, limit: usize, counts: impl Fn(&Pending) -> bool) -> Result<bool, Fault> {
        let counted = || self.stages.iter().filter(|(_, pending)| counts(pending));
        if counted().count() < limit {
            return Ok(true);
        }
        let idlest = counted().min_by_key(|(_, pending)| pending.heard).map(|(id, p)| (*id, p.heard.elapsed()));
        match idlest {
            Some((id, idle)) if idle >= STAGE_IDLE => self.park(id).map(|_| true),
            _ => Ok(false),
        }
    }

    fn open(&mut self, upload: Option<Coming>) -> u64 {
        let blob = self.next;
        self.next += 1;
        self.name(Pending::of_blob(blob, upload))
    }

    fn name(&mut self, pending: Pending) -> u64 {
        let stage = self.next_stage;
        self.next_stage += 1;
        self.stages.insert(stage, pending);
        stage
    }

    fn begin_upload(&mut self, begin: Begin) -> Result<Result<u64, NotBegun>, Fault> {
        self.expire(begin.now)?;
        let rival = self.stages.iter().find(|(_, p)| p.is_kept_of(&begin.owner, begin.digest));
        let rival = rival.map(|(id, pending)| (*id, pending.heard.elapsed()));
        let kept = match rival {
            Some((stage, silent)) if begin.offset > 0 => {
                if silent < begin.silence {
                    return Ok(Err(NotBegun::UnderWay));
                }
                self.park(stage)?;
                partial(&self.db, &begin.owner, begin.digest)?
            }
            // Both streams bring it from its first byte; the first one is kept.
            Some(_) => None,
            None => partial(&self.db, &begin.owner, begin.digest)?,
        };
        if begin.offset > 0 {
            let Some(kept) = &kept else { return Ok(Err(NotBegun::Offset { held: 0 })) };
            if kept.size != begin.size {
                return Ok(Err(NotBegun::Size { size: kept.size }));
            }
            if kept.held != begin.offset {
                return Ok(Err(NotBegun::Offset { held: kept.held }));
            }
        }
        if self.claimed(&begin)?.saturating_add(begin.size) > begin.quota {
            return Ok(Err(NotBegun::Quota));
        }
        if !self.room(UPLOADS_LIMIT, |pending| pending.upload.is_some())? || !self.room(STAGES_LIMIT, |_| true)? {
            return Ok(Err(NotBegun::Full));
        }
        if begin.offset == 0 {
            if let Some(old) = kept {
                self.forget_kept(old.blob)?;
            }
            let kept = rival.is_none() && self.thin_out(&begin)?;
            return Ok(Ok(self.open(Some(Coming { begin, kept }))));
        }
        let Some(kept) = kept else { return Ok(Err(NotBegun::Offset { held: 0 })) };
        self.begin()?;
        self.db
            .prepare_cached("UPDATE partials SET begun = ?2 WHERE blob = ?1")?
            .execute([kept.blob, begin.now.unix()])?;
        // A last chunk that is not whole stays in the file until it is written again, whole.
        let chunks = kept.held / CHUNK as u64;
        let tail = chunked(&self.db, kept.blob, kept.held, chunks * CHUNK as u64, CHUNK)?;
        let blob = count(kept.blob)?;
        let size = kept.held;
        Ok(Ok(self.name(Pending { chunks, tail, size, ..Pending::of_blob(blob, Some(Coming { begin, kept: true })) })))
    }

    /// The bytes that an owner holds sealed, has kept, and has announced in uploads under way; this upload left out.
    fn claimed(&self, begin: &Begin) -> Result<u64, Fault> {
        let Begin { owner, digest, .. } = begin;
        let (party, communique) = (owner.party.as_str(), owner.communique.to_string());
        let filed: i64 = self
            .db
            .prepare_cached(
                "SELECT (SELECT coalesce(sum(b.size), 0) FROM uploads u JOIN blobs b ON b.id = u.blob
                         WHERE u.party = :party AND u.communique = :communique)
                      + (SELECT coalesce(sum(held), 0) FROM partials
                         WHERE party = :party AND communique = :communique AND digest <> :digest)",
            )?
            .query_row(
                named_params! { ":party": party, ":communique": communique, ":digest": digest.as_bytes() },
                |row| row.get(0),
            )?;
        let mut claimed = count(filed)?;
        for pending in self.stages.values() {
            let Some(Coming { begin: other, kept }) = &pending.upload else { continue };
            if other.owner == *owner {
                // What of it is among the kept was counted above.
                let counted = if *kept && other.digest != *digest { self.filed(pending)? } else { 0 };
                claimed = claimed.saturating_add(other.size.saturating_sub(counted));
            }
        }
        Ok(claimed)
    }

    /// How many bytes of a stage the file says that it holds.
    fn filed(&self, pending: &Pending) -> Result<u64, Fault> {
        let held: Option<i64> = self
            .db
            .prepare_cached("SELECT held FROM partials WHERE blob = ?1")?
            .query_row([integer(pending.blob)], |row| row.get(0))
            .optional()?;
        held.map_or(Ok(0), count)
    }

    /// Makes room among what is kept for a party. Whether there is any.
    fn thin_out(&mut self, begin: &Begin) -> Result<bool, Fault> {
        let party = begin.owner.party.as_str();
        let open =
            self.stages.values().filter(|p| p.kept().is_some_and(|b| b.owner.party == begin.owner.party)).count();
        let kept: Vec<i64> = self
            .db
            .prepare_cached("SELECT blob FROM partials WHERE party = ?1 ORDER BY begun, blob")?
            .query_map([party], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut parked: std::collections::VecDeque<i64> =
            kept.into_iter().filter(|blob| !self.is_open(*blob)).collect();
        while open + parked.len() >= PARTIALS_LIMIT {
            let Some(oldest) = parked.pop_front() else { return Ok(false) };
            self.forget_kept(oldest)?;
        }
        Ok(true)
    }

    fn is_open(&self, blob: i64) -> bool {
        self.stages.values().any(|pending| integer(pending.blob) == blob)
    }

    /// Forgets what has been kept for too long; answers how many uploads.
    fn expire(&mut self, now: Time) -> Result<u64, Fault> {
        let stale: Vec<i64> = self
            .db
            .prepare_cached("SELECT blob FROM partials WHERE begun < ?1")?
            .query_map([now.plus(-PARTIAL_SECONDS).unix()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut forgotten = 0;
        for blob in stale {
            if !self.is_open(blob) {
                self.forget_kept(blob)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    fn forget_kept(&mut self, blob: i64) -> Result<(), Fault> {
        self.begin()?;
        self.db.prepare_cached("DELETE FROM partials WHERE blob = ?1")?.execute([blob])?;
        self.dropped.push(count(blob)?);
        Ok(())
    }

    fn kept(&mut self, owner: &Owner, digest: Digest, now: Time) -> Result<u64, Fault> {
        self.expire(now)?;
        let open = self.stages.iter().find(|(_, p)| p.is_kept_of(owner, digest)).map(|(id, _)| *id);
        if let Some(stage) = open {
            self.begin()?;
            self.write(stage, true)?;
        }
        Ok(partial(&self.db, owner, digest)?.map_or(0, |kept| kept.held))
    }

    /// Writes what has come of an upload and closes its stage; forgets any other stage.
    fn park(&mut self, stage: u64) -> Result<u64, Fault> {
        if !self.stages.get(&stage).is_some_and(|pending| pending.kept().is_some() && pending.size > 0) {
            self.forget(stage)?;
            return Ok(0);
        }
        self.begin()?;
        self.write(stage, true)?;
        self.stages.remove(&stage);
        Ok(0)
    }

    fn push(&mut self, stage: u64, bytes: &[u8]) -> Result<u64, Fault> {
        let pending = self.stages.get_mut(&stage).ok_or(Fault::Refused("there is no such stage"))?;
        let size = pending.size.saturating_add(bytes.len() as u64);
        if size > STAGE_LIMIT {
            self.forget(stage)?;
            return Err(Fault::Refused("the stage is too large"));
        }
        pending.size = size;
        pending.heard = Instant::now();
        pending.tail.extend_from_slice(bytes);
        if pending.tail.len() < GATHERED {
            return Ok(0);
        }
        self.begin()?;
        self.write(stage, false)?;
        Ok(0)
    }

    /// Writes a stage's whole chunks, and with `all` the last one too, which stays to be written again once it is whole.
    fn write(&mut self, stage: u64, all: bool) -> Result<(), Fault> {
        let pending = self.stages.get_mut(&stage).ok_or(Fault::Refused("there is no such stage"))?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO chunks (blob, n, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (blob, n) DO UPDATE SET bytes = excluded.bytes",
        )?;
        let blob = integer(pending.blob);
        let (whole, rest) = pending.tail.as_chunks::<CHUNK>();
        for chunk in whole {
            insert.execute(params![blob, integer(pending.chunks), chunk])?;
            pending.chunks += 1;
        }
        if all && !rest.is_empty() {
            insert.execute(params![blob, integer(pending.chunks), rest])?;
        }
        pending.tail = rest.to_vec();
        let Some(Begin { owner, digest, size, now, .. }) = pending.kept() else {
            // What is all written is sealed at once.
            if !all {
                let named = "INSERT INTO stages (blob) VALUES (?1) ON CONFLICT (blob) DO NOTHING";
                self.db.prepare_cached(named)?.execute([blob])?;
            }
            return Ok(());
        };
        let held = if all { pending.size } else { pending.chunks * CHUNK as u64 };
        self.db
            .prepare_cached(
                "INSERT INTO partials (party, communique, digest, blob, size, held, begun)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (blob) DO UPDATE SET held = excluded.held",
            )?
            .execute(params![
                owner.party.as_str(),
                owner.communique.to_string(),
                digest.as_bytes(),
                blob,
                integer(*size),
                integer(held),
                now.unix()
            ])?;
        Ok(())
    }

    fn seal(&mut self, stage: u64, digest: Digest, size: u64, seal: &Seal) -> Result<u64, Fault> {
        let pending = self.stages.get(&stage).ok_or(Fault::Refused("there is no such stage"))?;
        let own = pending.blob;
        if pending.size != size {
            self.forget(stage)?;
            return Err(Fault::Refused("the stage has another size than its seal says"));
        }
        self.begin()?;
        let known = self
            .db
            .prepare_cached("SELECT id, size FROM blobs WHERE digest = ?1")?
            .query_row([digest.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let blob = match known {
            Some((blob, held)) => {
                self.forget(stage)?;
                if held != integer(size) {
                    return Err(Fault::Refused("other bytes are held under this digest"));
                }
                blob
            }
            None => {
                // It becomes content: nothing is left to be kept.
                if let Some(pending) = self.stages.get_mut(&stage) {
                    pending.upload = None;
                }
                self.write(stage, true)?;
                self.db
                    .prepare_cached("INSERT INTO blobs (id, digest, size) VALUES (?1, ?2, ?3)")?
                    .execute(params![integer(own), digest.as_bytes(), integer(size)])?;
                for sql in ["DELETE FROM partials WHERE blob = ?1", "DELETE FROM stages WHERE blob = ?1"] {
                    self.db.prepare_cached(sql)?.execute([integer(own)])?;
                }
                self.stages.remove(&stage);
                integer(own)
            }
        };
        match seal {
            Seal::Upload(owner) => self
                .db
                .prepare_cached(
                    "INSERT INTO uploads (party, communique, blob) VALUES (?1, ?2, ?3)
                     ON CONFLICT (party, communique, blob) DO NOTHING",
                )?
                .execute(params![owner.party.as_str(), owner.communique.to_string(), blob])?,
            Seal::Original(communique) => self
                .db
                .prepare_cached(
                    "INSERT INTO originals (communique, blob) VALUES (?1, ?2)
                     ON CONFLICT (communique) DO UPDATE SET blob = excluded.blob",
                )?
                .execute(params![communique.to_string(), blob])?,
            Seal::Package(communique, shown) => self.seal_package(*communique, blob, shown)?,
        };
        Ok(0)
    }

    /// Puts a package in the place of the one before, whose bytes are dropped.
    fn seal_package(&mut self, communique: CommuniqueId, blob: i64, shown: &Shown) -> Result<usize, Fault> {
        let id = communique.to_string();
        let former = self
            .db
            .prepare_cached("SELECT blob, witnesses, stamped FROM packages WHERE communique = ?1 AND blob <> ?2")?
            .query_row(params![id, blob], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let former = match former {
            Some((former, witnesses, stamped)) => {
                let before = Shown { witnesses: count(witnesses)?, stamped, head: String::new() };
                if shown.lacks_of(&before) {
                    self.drop_unused(blob)?;
                    return Ok(0);
                }
                Some(former)
            }
            None => None,
        };
        self.db
            .prepare_cached(
                "INSERT INTO packages (communique, blob, witnesses, stamped, head) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (communique) DO UPDATE SET blob = excluded.blob, witnesses = excluded.witnesses,
                    stamped = excluded.stamped, head = excluded.head",
            )?
            .execute(params![id, blob, integer(shown.witnesses), shown.stamped, shown.head])?;
        if let Some(former) = former {
            self.drop_unused(former)?;
        }
        Ok(0)
    }

    /// What the table does not take is refused, and fails no other request.
    fn keep_stamp(&mut self, communique: CommuniqueId, stamp: &[u8]) -> Result<u64, Fault> {
        if stamp.is_empty() || stamp.len() > STAMP_LIMIT {
            return Err(Fault::Refused("a time stamp has too many bytes, or none"));
        }
        self.begin()?;
        let sql = "INSERT INTO stamps (communique, response) VALUES (?1, ?2) ON CONFLICT (communique) DO NOTHING";
        self.db.prepare_cached(sql)?.execute(params![communique.to_string(), stamp])?;
        Ok(0)
    }

    /// Drops content that nothing holds any more.
    fn drop_unused(&mut self, blob: i64) -> Result<(), Fault> {
        let unused = "DELETE FROM blobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM uploads WHERE blob = ?1)
                      AND NOT EXISTS (SELECT 1 FROM packages WHERE blob = ?1)
                      AND NOT EXISTS (SELECT 1 FROM originals WHERE blob = ?1)";
        self.db.prepare_cached(unused)?.execute([blob])?;
        self.dropped.push(count(blob)?);
        Ok(())
    }

    /// Deleted bytes are overwritten: the file is opened with `secure_delete`.
    fn purge(&mut self, communique: CommuniqueId) -> Result<u64, Fault> {
        let of_it = |p: &Pending| p.upload.as_ref().is_some_and(|u| u.begin.owner.communique == communique);
        let open: Vec<_> = self.stages.iter().filter(|(_, p)| of_it(p)).map(|(id, _)| *id).collect();
        for stage in open {
            self.forget(stage)?;
        }
        self.begin()?;
        let id = communique.to_string();
        let blobs = |sql| -> Result<Vec<i64>, Fault> {
            Ok(self.db.prepare_cached(sql)?.query_map([&id], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        let sealed = blobs(UPLOADED)?;
        let kept = blobs("SELECT blob FROM partials WHERE communique = ?1")?;
        self.db.prepare_cached("DELETE FROM uploads WHERE communique = ?1")?.execute([&id])?;
        for blob in sealed {
            self.drop_unused(blob)?;
        }
        for blob in kept {
            self.forget_kept(blob)?;
        }
        self.purged = true;
        Ok(0)
    }

    fn begin(&self) -> Result<(), Fault> {
        if self.db.is_autocommit() {
            connection::run(&self.db, "BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// Forgets a stage now, and that it was kept; its chunks go with the next transaction.
    fn forget(&mut self, stage: u64) -> Result<(), Fault> {
        match self.stages.remove(&stage) {
            Some(pending) if pending.kept().is_some() => self.forget_kept(integer(pending.blob)),
            Some(pending) if pending.chunks > 0 => {
                self.dropped.push(pending.blob);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<(), Fault> {
        // What a failed commit sealed after all, as recovery may find, is content and stays.
        let sql = "DELETE FROM chunks WHERE blob = ?1 AND NOT EXISTS (SELECT 1 FROM blobs WHERE id = ?1)
                   AND NOT EXISTS (SELECT 1 FROM partials WHERE blob = ?1)";
        for blob in &self.dropped {
            self.db.prepare_cached(sql)?.execute([integer(*blob)])?;
            self.db.prepare_cached("DELETE FROM stages WHERE blob = ?1")?.execute([integer(*blob)])?;
        }
        connection::run(&self.db, "COMMIT")?;
        self.dropped.clear();
        if std::mem::take(&mut self.purged) {
            // So that nothing erased stays in the write-ahead log. A reader may hold it back; then the next one truncates it.
            let _ = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
