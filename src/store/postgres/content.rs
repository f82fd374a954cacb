//! Content in PostgreSQL. In memory an exchange has only the last mebibyte of each stage that comes to it; all that several exchanges must
//! agree on is compared in the database.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};

use super::{
    OpenError, Settings, blobs,
    connection::{Database, Fault, Readers, count, read},
    migrations,
    stages::{self, HEARD, Pending},
    transaction::{Writers, transact},
};
use crate::{
    domain::{
        id::{CommuniqueId, Digest},
        time::Time,
    },
    exchange::ports::{Begin, Content, NotBegun, Owner, Package, ReadFailed, STAMP_LIMIT, Seal, Stage, WriteFailed},
    store::content::{GATHERED, QUEUE_LIMIT, STAGE_IDLE, STAGE_LIMIT, STAGES_LIMIT, UPLOADS_LIMIT},
};

/// Uploads of which is remembered that they last; beyond it all are asked for again.
const LASTING_LIMIT: usize = 1024;

/// Content in a PostgreSQL database, which any number of exchanges may use at once.
///
/// A push or a seal that fails loses its stage: the caller begins anew. What a caller asks to be written is written or not as a whole,
/// also if the caller has gone.
///
/// Of a stage under way at another exchange, [`Content::kept`] says what that one has written: all but the last mebibyte.
///
/// What is there may be lost with the primary server, if whoever sealed it was not told that it lasts. [`Content::uploaded`], on which
/// entries rest, therefore commits before it answers. A package, or one that lies in another, is made again from the log where it is
/// lost, and what is made from it is committed after it; so these are answered as they are found.
///
/// What is erased can be read no longer, but PostgreSQL overwrites nothing: its pages keep the bytes until VACUUM and new rows take their
/// place, and its write-ahead log, archives of that, and backups keep them as long as they are kept.
pub struct PostgresContent(Arc<Shelves>);

/// What the callers of one exchange share.
struct Shelves {
    writers: Writers,
    readers: Readers,
    queue: Arc<Semaphore>,
    open: Mutex<Open>,
    /// Rows of uploads that have been committed before a commit of our own.
    lasting: Mutex<HashSet<i64>>,
}

#[derive(Default)]
struct Open {
    stages: HashMap<u64, Place>,
    /// The last stage's name: none is given twice, so that whoever was overtaken cannot touch what goes on without him.
    last: u64,
}

/// A place for a stage.
struct Place {
    upload: Option<Coming>,
    heard: Instant,
    /// None while it is being opened, and once it is closed.
    pending: Arc<tokio::sync::Mutex<Option<Pending>>>,
}

/// An upload under way.
struct Coming {
    owner: Owner,
    digest: Digest,
    /// Whether it is kept if it breaks off.
    kept: bool,
}

impl PostgresContent {
    /// Opens the content, making its tables if there are none. Forgets no stage: it may be another exchange's.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let database = Database::new(settings, None)?;
        let session = database.prepared(&migrations::CONTENT).await?;
        let readers = Readers::new(&database, settings.readers)?;
        Ok(Self(Arc::new(Shelves {
            writers: Writers::new(database, session),
            readers,
            queue: Arc::new(Semaphore::new(QUEUE_LIMIT)),
            open: Mutex::default(),
            lasting: Mutex::default(),
        })))
    }

    /// Does this to its end, also if the caller goes meanwhile: a transaction that is cut costs its connection.
    async fn whole<T, E, F>(&self, work: impl FnOnce(Arc<Shelves>) -> F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ReadFailed> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let place = self.0.queue.clone().acquire_owned().await.map_err(|_| ReadFailed)?;
        let work = work(self.0.clone());
        let done = tokio::spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
        done.await.unwrap_or(Err(ReadFailed.into()))
    }

    async fn opened(&self, begin: Option<Begin>) -> Result<Stage, NotBegun> {
        let (answer, outcome) = oneshot::channel();
        let work = |shelves: Arc<Shelves>| async move {
            // A stage whose caller has gone is nobody's, and would keep its place.
            if let Err(Ok(Stage(stage))) = answer.send(shelves.begin(begin).await) {
                shelves.park(stage).await;
            }
            Ok::<_, WriteFailed>(())
        };
        self.whole(work).await?;
        outcome.await.unwrap_or(Err(WriteFailed::Failed.into()))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What breaks the contract, or comes too late.
fn refused(reason: &'static str) -> ReadFailed {
    tracing::error!(reason, "content is not taken");
    ReadFailed
}

impl Shelves {
    async fn begin(&self, begin: Option<Begin>) -> Result<Stage, NotBegun> {
        if let Some(begin) = begin.as_ref().filter(|begin| begin.offset > 0)
            && let Some((rival, heard)) = self.kept_stage(&begin.owner, begin.digest)
        {
            if heard.elapsed() < begin.silence {
                return Err(NotBegun::UnderWay);
            }
            self.park(rival).await;
        }
        let stage = self.place(begin.as_ref()).await?;
        let opened = transact!(self.writers, "a stage that begins", twice db => match &begin {
            Some(begin) => stages::begin(&db, begin).await?,
            None => Ok(stages::open(&db).await?),
        });
        match opened.unwrap_or_else(|why| Err(why.into())) {
            Ok(pending) => {
                if let Some(place) = locked(&self.open).stages.get_mut(&stage) {
                    if let Some(upload) = &mut place.upload {
                        upload.kept = pending.kept;
                    }
                    // Nobody else knows the stage yet.
                    place.pending = Arc::new(tokio::sync::Mutex::new(Some(pending)));
                    return Ok(Stage(stage));
                }
                Err(WriteFailed::Failed.into())
            }
            Err(why) => {
                locked(&self.open).stages.remove(&stage);
                Err(why)
            }
        }
    }

    /// Takes a place. When all are taken, the idlest stage gives way if it has been silent for long.
    async fn place(&self, begin: Option<&Begin>) -> Result<u64, NotBegun> {
        loop {
            let idlest = {
                let mut open = locked(&self.open);
                let uploads = open.stages.values().filter(|place| place.upload.is_some()).count();
                let full_of_uploads = begin.is_some() && uploads >= UPLOADS_LIMIT;
                if !full_of_uploads && open.stages.len() < STAGES_LIMIT {
                    open.last += 1;
                    let coming =
                        |begin: &Begin| Coming { owner: begin.owner.clone(), digest: begin.digest, kept: false };
                    let place = Place { upload: begin.map(coming), heard: Instant::now(), pending: Arc::default() };
                    let stage = open.last;
                    open.stages.insert(stage, place);
                    return Ok(stage);
                }
                let counted = open.stages.iter().filter(|(_, place)| !full_of_uploads || place.upload.is_some());
                counted.min_by_key(|(_, place)| place.heard).map(|(stage, place)| (*stage, place.heard))
            };
            match idlest {
                Some((stage, heard)) if heard.elapsed() >= STAGE_IDLE => self.park(stage).await,
                _ => return Err(NotBegun::Full),
            }
        }
    }

    /// The stage here of this upload that is kept, and when bytes last came to it.
    fn kept_stage(&self, owner: &Owner, digest: Digest) -> Option<(u64, Instant)> {
        let open = locked(&self.open);
        let is_it = |upload: &Coming| upload.kept && upload.owner == *owner && upload.digest == digest;
        let found = open.stages.iter().find(|(_, place)| place.upload.as_ref().is_some_and(is_it));
        found.map(|(stage, place)| (*stage, place.heard))
    }

    async fn push(&self, stage: u64, bytes: &[u8]) -> Result<(), WriteFailed> {
        let place = locked(&self.open).stages.get_mut(&stage).map(|place| {
            place.heard = Instant::now();
            place.pending.clone()
        });
        let place = place.ok_or_else(|| refused("there is no such stage"))?;
        let mut place = place.lock().await;
        let pending = place.as_mut().ok_or_else(|| refused("there is no such stage"))?;
        pending.size = pending.size.saturating_add(bytes.len() as u64);
        if pending.size > STAGE_LIMIT {
            self.lose(stage, place.take()).await;
            return Err(refused("the stage is too large").into());
        }
        pending.tail.extend_from_slice(bytes);
        if pending.tail.len() < GATHERED && pending.touched.elapsed() < HEARD {
            return Ok(());
        }
        self.write(stage, &mut place, false).await
    }

    /// Writes to a stage, or loses it.
    async fn write(&self, stage: u64, place: &mut Option<Pending>, all: bool) -> Result<(), WriteFailed> {
        let Some(pending) = place else { return Ok(()) };
        let written = transact!(self.writers, "a stage", db => stages::advance(&db, pending, all, false).await?);
        match written {
            Ok(()) => pending.advanced(all),
            Err(_) => self.lose(stage, place.take()).await,
        }
        written
    }

    async fn lose(&self, stage: u64, pending: Option<Pending>) {
        locked(&self.open).stages.remove(&stage);
        self.close(pending, true).await;
    }

    /// Takes a stage away: whoever still writes to it comes to an end first.
    async fn take(&self, stage: u64) -> Option<Pending> {
        let place = locked(&self.open).stages.remove(&stage)?;
        place.pending.lock().await.take()
    }

    async fn park(&self, stage: u64) {
        let Some(pending) = self.take(stage).await else { return };
        if pending.kept && pending.size > 0 {
            let parked = transact!(self.writers, "an upload that broke off", db => stages::advance(&db, &pending, true, true).await?);
            if parked.is_ok() {
                return;
            }
        }
        // What cannot be written now is kept as far as it was written before.
        self.close(Some(pending), true).await;
    }

    /// Gives up a stage's rows. Where that fails, they are forgotten as those of an exchange that has died.
    async fn close(&self, pending: Option<Pending>, keep: bool) {
        let Some(pending) = pending else { return };
        let keep = keep && pending.kept;
        let _ = transact!(self.writers, "a stage that ends", db => stages::close(&db, &pending, keep).await?);
    }

    async fn kept(&self, owner: &Owner, digest: Digest, now: Time) -> Result<u64, ReadFailed> {
        if let Some((stage, _)) = self.kept_stage(owner, digest) {
            let place = locked(&self.open).stages.get(&stage).map(|place| place.pending.clone());
            if let Some(place) = place {
                // Where that fails, the row says what is kept.
                let _ = self.write(stage, &mut *place.lock().await, true).await;
            }
        }
        let (party, communique) = (owner.party.as_str(), owner.communique.to_string());
        let sql = "SELECT held FROM stages WHERE kept AND party = $1 AND communique = $2 AND digest = $3";
        let kept = transact!(self.writers, "a kept upload", twice db => {
            stages::expire(&db, now).await?;
            let row = db.row(sql, &[&party, &communique, &&digest.as_bytes()[..]]).await?;
            row.map_or(Ok(0), |row| count(row.try_get(0)?))?
        })?;
        Ok(kept)
    }

    async fn seal(&self, stage: u64, digest: Digest, size: u64, seal: &Seal) -> Result<(), WriteFailed> {
        let pending = self.take(stage).await.ok_or_else(|| refused("there is no such stage"))?;
        if pending.size != size {
            self.close(Some(pending), false).await;
            return Err(refused("the stage has another size than its seal says").into());
        }
        let sealed =
            transact!(self.writers, "content that is sealed", db => blobs::seal(&db, &pending, digest, seal).await?);
        match sealed {
            Ok(upload) => self.lasts(upload),
            Err(failed) => {
                self.close(Some(pending), true).await;
                return Err(failed);
            }
        }
        Ok(())
    }

    fn lasts(&self, upload: Option<i64>) {
        let mut lasting = locked(&self.lasting);
        if lasting.len() >= LASTING_LIMIT {
            lasting.clear();
        }
        lasting.extend(upload);
    }

    /// An upload, committed by all who must. In one transaction: a server that is the primary no longer shows it, but cannot commit.
    async fn lasting(&self, owner: &Owner, digest: Digest) -> Result<Option<u64>, ReadFailed> {
        let (party, communique) = (owner.party.as_str(), owner.communique.to_string());
        let upload = transact!(self.writers, "an upload", twice db => {
            let row = db.row(blobs::UPLOADED, &[&party, &communique, &&digest.as_bytes()[..]]).await?;
            db.settle().await?;
            blobs::uploaded(row.as_ref())?
        })?;
        self.lasts(upload.map(|(id, _)| id));
        Ok(upload.map(|(_, size)| size))
    }

    async fn purge(&self, communique: CommuniqueId) -> Result<(), ReadFailed> {
        let of_it = |place: &Place| place.upload.as_ref().is_some_and(|upload| upload.owner.communique == communique);
        locked(&self.open).stages.retain(|_, place| !of_it(place));
        transact!(self.writers, "what is erased", twice db => blobs::purge(&db, communique).await?)?;
        Ok(())
    }

    async fn keep_stamp(&self, communique: CommuniqueId, stamp: &[u8]) -> Result<(), ReadFailed> {
        let sql = "INSERT INTO stamps (communique, response) VALUES ($1, $2) ON CONFLICT (communique) DO NOTHING";
        transact!(self.writers, "a time stamp", twice db => {
            db.run(sql, &[&communique.to_string(), &stamp]).await?;
            // The first one may be another exchange's that does not know yet whether it will last.
            db.settle().await?;
        })?;
        Ok(())
    }
}

#[async_trait]
impl Content for PostgresContent {
    async fn stage(&self) -> Result<Stage, WriteFailed> {
        self.opened(None).await.map_err(|why| match why {
            NotBegun::Failed(why) => why,
            _ => WriteFailed::Failed,
        })
    }

    async fn begin(&self, begin: Begin) -> Result<Stage, NotBegun> {
        self.opened(Some(begin)).await
    }

    async fn park(&self, stage: Stage) {
        let work = |shelves: Arc<Shelves>| async move {
            shelves.park(stage.0).await;
            Ok::<_, ReadFailed>(())
        };
        // What fails is in the log.
        let _ = self.whole(work).await;
    }

    async fn kept(&self, owner: &Owner, digest: Digest, now: Time) -> Result<u64, ReadFailed> {
        let owner = owner.clone();
        self.whole(|shelves| async move { shelves.kept(&owner, digest, now).await }).await
    }

    async fn kept_bytes(&self, owner: &Owner, digest: Digest, offset: u64, most: usize) -> Result<Vec<u8>, ReadFailed> {
        let read =
            read!(self.0.readers, "a kept upload", db => blobs::kept_piece(&db, owner, digest, offset, most).await);
        read.map(Option::unwrap_or_default)
    }

    async fn expire(&self, now: Time) -> Result<u64, ReadFailed> {
        self.whole(|shelves| async move {
            Ok(transact!(shelves.writers, "what was kept for too long", twice db => stages::expire(&db, now).await?)?)
        })
        .await
    }

    async fn push(&self, stage: Stage, bytes: Vec<u8>) -> Result<(), WriteFailed> {
        self.whole(|shelves| async move { shelves.push(stage.0, &bytes).await }).await
    }

    async fn seal(&self, stage: Stage, digest: Digest, size: u64, seal: Seal) -> Result<(), WriteFailed> {
        self.whole(|shelves| async move { shelves.seal(stage.0, digest, size, &seal).await }).await
    }

    async fn discard(&self, stage: Stage) {
        let work = |shelves: Arc<Shelves>| async move {
            let pending = shelves.take(stage.0).await;
            shelves.close(pending, false).await;
            Ok::<_, ReadFailed>(())
        };
        let _ = self.whole(work).await;
    }

    async fn purge(&self, communique: CommuniqueId) -> Result<(), ReadFailed> {
        self.whole(|shelves| async move { shelves.purge(communique).await }).await
    }

    async fn uploaded(&self, owner: &Owner, digest: Digest) -> Result<Option<u64>, ReadFailed> {
        let (party, communique, name) = (owner.party.as_str(), owner.communique.to_string(), &digest.as_bytes()[..]);
        let found = read!(self.0.readers, "an upload", db => {
            let statement = db.prepare_cached(blobs::UPLOADED).await?;
            blobs::uploaded(db.query_opt(&statement, &[&party, &communique, &name]).await?.as_ref())
        });
        match found? {
            None => Ok(None),
            Some((id, size)) if locked(&self.0.lasting).contains(&id) => Ok(Some(size)),
            Some(_) => {
                let owner = owner.clone();
                self.whole(|shelves| async move { shelves.lasting(&owner, digest).await }).await
            }
        }
    }

    async fn held(&self, owner: &Owner) -> Result<u64, ReadFailed> {
        read!(self.0.readers, "a sum of uploads", db => blobs::held(&db, owner).await)
    }

    async fn package(&self, communique: CommuniqueId) -> Result<Option<Package>, ReadFailed> {
        read!(self.0.readers, "a package", db => blobs::package(&db, communique).await)
    }

    async fn original(&self, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, ReadFailed> {
        read!(self.0.readers, "a package that lies in another", db => blobs::original(&db, communique).await)
    }

    async fn keep_stamp(&self, communique: CommuniqueId, stamp: Vec<u8>) -> Result<(), ReadFailed> {
        if stamp.is_empty() || stamp.len() > STAMP_LIMIT {
            return Err(refused("a time stamp has too many bytes, or none"));
        }
        self.whole(|shelves| async move { shelves.keep_stamp(communique, &stamp).await }).await
    }

    async fn stamp(&self, communique: CommuniqueId) -> Result<Option<Vec<u8>>, ReadFailed> {
        read!(self.0.readers, "a time stamp", db => {
            let statement = db.prepare_cached("SELECT response FROM stamps WHERE communique = $1").await?;
            let row = db.query_opt(&statement, &[&communique.to_string()]).await?;
            row.map(|row| Ok::<_, Fault>(row.try_get(0)?)).transpose()
        })
    }

    async fn uploaded_for(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed> {
        let ids: Vec<_> = among.iter().map(ToString::to_string).collect();
        let found: HashSet<String> = read!(self.0.readers, "what was uploaded for communiqués", db => {
            let sql = "SELECT communique FROM uploads WHERE communique = ANY($1)
                       UNION SELECT communique FROM stages WHERE communique = ANY($1)";
            let rows = db.query(&db.prepare_cached(sql).await?, &[&ids]).await?;
            rows.iter().map(|row| Ok::<_, Fault>(row.try_get(0)?)).collect()
        })?;
        Ok(among.into_iter().zip(ids).filter(|(_, id)| found.contains(id)).map(|(communique, _)| communique).collect())
    }

    async fn unstamped(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed> {
        let ids: Vec<_> = among.iter().map(ToString::to_string).collect();
        let stamped: HashSet<String> = read!(self.0.readers, "time stamps", db => {
            let sql = "SELECT communique FROM stamps WHERE communique = ANY($1)";
            let rows = db.query(&db.prepare_cached(sql).await?, &[&ids]).await?;
            rows.iter().map(|row| Ok::<_, Fault>(row.try_get(0)?)).collect()
        })?;
        Ok(among
            .into_iter()
            .zip(ids)
            .filter(|(_, id)| !stamped.contains(id))
            .map(|(communique, _)| communique)
            .collect())
    }

    async fn sealed(&self, after: Option<Digest>, limit: usize) -> Result<Vec<(Digest, u64)>, ReadFailed> {
        read!(self.0.readers, "the list of content", db => blobs::sealed(&db, after, limit).await)
    }

    async fn sizes(&self, of: Vec<Digest>) -> Result<Vec<Option<u64>>, ReadFailed> {
        read!(self.0.readers, "sizes of content", db => blobs::sizes(&db, &of).await)
    }

    async fn seals(&self, digest: Digest) -> Result<Vec<Seal>, ReadFailed> {
        read!(self.0.readers, "the seals of content", db => blobs::seals(&db, digest).await)
    }

    async fn read(&self, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, ReadFailed> {
        read!(self.0.readers, "content", db => blobs::piece(&db, digest, offset, most).await)
    }
}

#[cfg(test)]
mod tests;
