//! Content: texts, annexes and packages, in chunks of one size, so that any offset is found without reading what precedes it.

use std::{collections::HashMap, path::Path, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::{sync::oneshot, time::Instant};

use super::{
    OpenError, Options,
    connection::{self, Fault, Readers, count, digest, integer},
    migrations,
    writer::Writer,
};
use crate::{
    domain::id::{CommuniqueId, Digest},
    exchange::ports::{Content, Owner, ReadFailed, Seal, Stage},
};

/// The size of every chunk but a blob's last, in bytes.
pub const CHUNK: usize = 256 << 10;
/// What a stage gathers in memory before it is written, in bytes: a sync for each mebibyte, not for each push.
pub const GATHERED: usize = 4 * CHUNK;
/// Most stages open at once; together they hold at most 128 MiB in memory.
pub const STAGES_LIMIT: usize = 128;
/// Most bytes of one stage: far above every limit of the exchange, and a bound nevertheless.
pub const STAGE_LIMIT: u64 = 4 << 30;
/// When all places for stages are taken, one that has been silent for so long is forgotten for a new one.
pub const STAGE_IDLE: Duration = Duration::from_secs(300);

/// Requests that wait for the writing thread, each with the bytes of one push; further callers wait for a place.
pub const QUEUE_LIMIT: usize = 64;

/// Content in an SQLite file of its own. While it lives, no other process can open the same file for writing: it holds a
/// lock on `<path>.lock`, which stays there, empty.
///
/// A push or a seal that fails loses its stage: the caller begins anew.
///
/// Dropping it waits for what is queued.
pub struct SqliteContent {
    writer: Writer<Request>,
    readers: Readers,
}

impl SqliteContent {
    /// Opens the content, making it if the path does not exist, and forgets the stages of earlier runs. Blocks: meant for
    /// the start of a process.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (db, lock) = connection::writer(path, &migrations::CONTENT)?;
        let failed = |source| OpenError::Database { path: path.to_owned(), source };
        db.execute("DELETE FROM chunks WHERE blob NOT IN (SELECT id FROM blobs)", []).map_err(failed)?;
        let last: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM blobs", [], |row| row.get(0)).map_err(failed)?;
        let next = u64::try_from(last).unwrap_or(0) + 1;
        let mut shelves = Shelves { db, stages: HashMap::new(), next, dropped: Vec::new() };
        let writer = Writer::start("content writer", QUEUE_LIMIT, lock, move |batch| shelves.take(batch))
            .map_err(|source| OpenError::Machine { path: path.to_owned(), source })?;
        Ok(Self { writer, readers: Readers::new(path, options) })
    }

    async fn ask(&self, what: What) -> Result<u64, ReadFailed> {
        let (answer, outcome) = oneshot::channel();
        if self.writer.send(Request { what, answer }).await.is_err() {
            tracing::error!("the content's writing thread is gone; restart the exchange");
            return Err(ReadFailed);
        }
        outcome.await.unwrap_or(Err(ReadFailed))
    }
}

#[async_trait]
impl Content for SqliteContent {
    async fn stage(&self) -> Result<Stage, ReadFailed> {
        self.ask(What::Stage).await.map(Stage)
    }

    async fn push(&self, stage: Stage, bytes: Vec<u8>) -> Result<(), ReadFailed> {
        self.ask(What::Push(stage.0, bytes)).await.map(drop)
    }

    async fn seal(&self, stage: Stage, digest: Digest, size: u64, seal: Seal) -> Result<(), ReadFailed> {
        self.ask(What::Seal(stage.0, digest, size, seal)).await.map(drop)
    }

    async fn discard(&self, stage: Stage) {
        // A stage that cannot be forgotten now is forgotten at the next start.
        let _ = self.ask(What::Discard(stage.0)).await;
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

    async fn package(&self, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, ReadFailed> {
        let read = move |db: &Connection| {
            let found = db
                .prepare_cached(
                    "SELECT b.digest, b.size FROM packages p JOIN blobs b ON b.id = p.blob WHERE p.communique = ?1",
                )?
                .query_row([communique.to_string()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
                .optional()?;
            found.map(|(name, size)| Ok((digest(&name)?, count(size)?))).transpose()
        };
        self.readers.read("a package", read).await
    }

    async fn read(&self, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.readers.read("content", move |db| piece(db, digest, offset, most)).await
    }
}

fn piece(db: &Connection, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, Fault> {
    let found = db
        .prepare_cached("SELECT id, size FROM blobs WHERE digest = ?1")?
        .query_row([digest.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((blob, size)) = found else { return Ok(None) };
    let left = count(size)?.saturating_sub(offset);
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
    Ok(Some(piece))
}

struct Request {
    what: What,
    answer: oneshot::Sender<Result<u64, ReadFailed>>,
}

enum What {
    Stage,
    Push(u64, Vec<u8>),
    Seal(u64, Digest, u64, Seal),
    Discard(u64),
}

/// A stage in memory: what is not yet written, and how much is.
struct Pending {
    chunks: u64,
    tail: Vec<u8>,
    size: u64,
    heard: Instant,
}

/// The writing thread's own.
struct Shelves {
    db: Connection,
    stages: HashMap<u64, Pending>,
    next: u64,
    /// Stages whose chunks are still to be deleted.
    dropped: Vec<u64>,
}

impl Shelves {
    /// One transaction, begun when there is something to write. If it fails, every request of the batch fails, and every
    /// stage that it touched is forgotten: what memory says of them may no longer be what the file holds.
    fn take(&mut self, batch: Vec<Request>) {
        let mut answers = Vec::with_capacity(batch.len());
        let mut touched = Vec::new();
        let mut broken = None;
        for Request { what, answer } in batch {
            if let What::Push(stage, _) | What::Seal(stage, ..) = &what {
                touched.push(*stage);
            }
            let opens = matches!(what, What::Stage);
            let outcome = match broken {
                Some(_) => Err(ReadFailed),
                None => self.answer(what).map_err(|fault| {
                    match fault {
                        Fault::Refused(reason) => tracing::error!(reason, "content is not taken"),
                        fault => broken = Some(fault),
                    }
                    ReadFailed
                }),
            };
            answers.push((answer, outcome, opens));
        }
        let ended = match broken {
            Some(fault) => Err(fault),
            None if self.db.is_autocommit() => Ok(()),
            None => self.commit(),
        };
        if let Err(fault) = &ended {
            tracing::error!(%fault, "cannot write content");
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "cannot roll back");
            }
            for stage in &touched {
                self.stages.remove(stage);
            }
            self.dropped.append(&mut touched);
        }
        for (answer, outcome, opens) in answers {
            // A caller that has gone no longer asks. A stage that it never heard of is nobody's, and would keep its place.
            if let Err(Ok(stage)) = answer.send(if ended.is_ok() { outcome } else { Err(ReadFailed) })
                && opens
            {
                self.forget(stage);
            }
        }
    }

    fn answer(&mut self, what: What) -> Result<u64, Fault> {
        match what {
            What::Stage => self.open(),
            What::Push(stage, bytes) => self.push(stage, &bytes),
            What::Seal(stage, digest, size, seal) => self.seal(stage, digest, size, &seal),
            What::Discard(stage) => {
                self.forget(stage);
                if !self.dropped.is_empty() {
                    self.begin()?;
                }
                Ok(0)
            }
        }
    }

    fn open(&mut self) -> Result<u64, Fault> {
        if self.stages.len() >= STAGES_LIMIT {
            let idlest = self.stages.iter().min_by_key(|(_, pending)| pending.heard);
            match idlest.map(|(id, pending)| (*id, pending.heard.elapsed())) {
                Some((id, idle)) if idle >= STAGE_IDLE => self.forget(id),
                _ => return Err(Fault::Refused("too many stages are open")),
            }
        }
        let id = self.next;
        self.next += 1;
        self.stages.insert(id, Pending { chunks: 0, tail: Vec::new(), size: 0, heard: Instant::now() });
        Ok(id)
    }

    fn push(&mut self, stage: u64, bytes: &[u8]) -> Result<u64, Fault> {
        let pending = self.stages.get_mut(&stage).ok_or(Fault::Refused("there is no such stage"))?;
        let size = pending.size.saturating_add(bytes.len() as u64);
        if size > STAGE_LIMIT {
            self.forget(stage);
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

    /// Writes a stage's whole chunks, and its last one too when it ends.
    fn write(&mut self, stage: u64, ends: bool) -> Result<(), Fault> {
        let pending = self.stages.get_mut(&stage).ok_or(Fault::Refused("there is no such stage"))?;
        let mut insert = self.db.prepare_cached("INSERT INTO chunks (blob, n, bytes) VALUES (?1, ?2, ?3)")?;
        let (whole, rest) = pending.tail.as_chunks::<CHUNK>();
        let last = (ends && !rest.is_empty()).then_some(rest);
        for chunk in whole.iter().map(<[u8; CHUNK]>::as_slice).chain(last) {
            insert.execute(params![integer(stage), integer(pending.chunks), chunk])?;
            pending.chunks += 1;
        }
        pending.tail = if ends { Vec::new() } else { rest.to_vec() };
        Ok(())
    }

    fn seal(&mut self, stage: u64, digest: Digest, size: u64, seal: &Seal) -> Result<u64, Fault> {
        let pending = self.stages.get(&stage).ok_or(Fault::Refused("there is no such stage"))?;
        if pending.size != size {
            self.forget(stage);
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
                self.forget(stage);
                if held != integer(size) {
                    return Err(Fault::Refused("other bytes are held under this digest"));
                }
                blob
            }
            None => {
                self.write(stage, true)?;
                self.db
                    .prepare_cached("INSERT INTO blobs (id, digest, size) VALUES (?1, ?2, ?3)")?
                    .execute(params![integer(stage), digest.as_bytes(), integer(size)])?;
                self.stages.remove(&stage);
                integer(stage)
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
            // A package is made again after a crash before it was announced; the newest is the one announced.
            Seal::Package(communique) => self
                .db
                .prepare_cached(
                    "INSERT INTO packages (communique, blob) VALUES (?1, ?2)
                     ON CONFLICT (communique) DO UPDATE SET blob = excluded.blob",
                )?
                .execute(params![communique.to_string(), blob])?,
        };
        Ok(0)
    }

    fn begin(&self) -> Result<(), Fault> {
        if self.db.is_autocommit() {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// Forgets a stage now; its chunks go with the next transaction.
    fn forget(&mut self, stage: u64) {
        if self.stages.remove(&stage).is_some_and(|pending| pending.chunks > 0) {
            self.dropped.push(stage);
        }
    }

    fn commit(&mut self) -> Result<(), Fault> {
        // What a failed commit sealed after all, as recovery may find, is content and stays.
        let sql = "DELETE FROM chunks WHERE blob = ?1 AND NOT EXISTS (SELECT 1 FROM blobs WHERE id = ?1)";
        for stage in &self.dropped {
            self.db.prepare_cached(sql)?.execute([integer(*stage)])?;
        }
        self.db.execute_batch("COMMIT")?;
        self.dropped.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::owner;

    crate::store::contract::content_contract!(|path: &Path| SqliteContent::open(path, Options::default()).unwrap());

    fn chunks(path: &Path) -> i64 {
        let db = Connection::open(path).unwrap();
        db.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn what_is_dropped_leaves_no_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("content");
        let content = SqliteContent::open(&path, Options::default()).unwrap();
        let bytes = vec![3; GATHERED + 5];
        let (kept, twin, gone, left) = (
            content.stage().await.unwrap(),
            content.stage().await.unwrap(),
            content.stage().await.unwrap(),
            content.stage().await.unwrap(),
        );
        for stage in [kept, twin, gone, left] {
            content.push(stage, bytes.clone()).await.unwrap();
        }
        assert_eq!(chunks(&path), 16);
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        content.seal(kept, digest, size, Seal::Upload(owner(1, 1))).await.unwrap();
        content.seal(twin, digest, size, Seal::Upload(owner(2, 1))).await.unwrap();
        content.discard(gone).await;
        assert_eq!(chunks(&path), 5 + 4);
        drop(content);
        let content = SqliteContent::open(&path, Options::default()).unwrap();
        assert_eq!(chunks(&path), 5);
        assert_eq!(content.read(digest, 0, usize::MAX).await, Ok(Some(bytes)));
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_upload_and_the_next_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("content");
        let (db, _lock) = connection::writer(&path, &migrations::CONTENT).unwrap();
        let mut shelves = Shelves { db, stages: HashMap::new(), next: 1, dropped: Vec::new() };
        let limit = |shelves: &Shelves, pages: u32| {
            shelves.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        };
        let ask = |shelves: &mut Shelves, what| {
            let (answer, mut outcome) = oneshot::channel();
            shelves.take(vec![Request { what, answer }]);
            outcome.try_recv().unwrap()
        };
        let stage = ask(&mut shelves, What::Stage).unwrap();
        ask(&mut shelves, What::Push(stage, vec![1; GATHERED])).unwrap();
        limit(&shelves, 1);
        assert_eq!(ask(&mut shelves, What::Push(stage, vec![1; GATHERED])), Err(ReadFailed));
        limit(&shelves, 1_000_000);
        assert_eq!(ask(&mut shelves, What::Push(stage, vec![1])), Err(ReadFailed), "a broken stage is gone");
        let stage = ask(&mut shelves, What::Stage).unwrap();
        ask(&mut shelves, What::Push(stage, vec![1; GATHERED])).unwrap();
        let seal = Seal::Upload(owner(1, 1));
        ask(&mut shelves, What::Seal(stage, Digest::of(&[1; GATHERED]), GATHERED as u64, seal)).unwrap();
        assert_eq!(chunks(&path), 4);
    }

    #[test]
    fn a_stage_whose_caller_has_gone_keeps_no_place() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _lock) = connection::writer(&dir.path().join("content"), &migrations::CONTENT).unwrap();
        let mut shelves = Shelves { db, stages: HashMap::new(), next: 1, dropped: Vec::new() };
        let (gone, _) = oneshot::channel();
        let (here, mut outcome) = oneshot::channel();
        shelves.take(vec![Request { what: What::Stage, answer: gone }, Request { what: What::Stage, answer: here }]);
        let kept = outcome.try_recv().unwrap().unwrap();
        assert_eq!(shelves.stages.keys().collect::<Vec<_>>(), [&kept]);
    }

    #[tokio::test]
    async fn stages_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let content = SqliteContent::open(&dir.path().join("content"), Options::default()).unwrap();
        let first = content.stage().await.unwrap();
        for _ in 1..STAGES_LIMIT {
            content.stage().await.unwrap();
        }
        assert_eq!(content.stage().await, Err(ReadFailed));
        content.discard(first).await;
        assert!(content.stage().await.is_ok());
    }
}
