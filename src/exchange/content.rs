//! Content: texts and annexes on their way in and out, never whole in memory.

use std::{sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};

use super::{
    Exchange,
    access::{DownloadContent, GetUpload, Permit, UploadContent},
    ports::{Begin, Content, NotBegun, Owner, Seal, Stage, WriteFailed},
};
use crate::{
    domain::{
        id::{CommuniqueId, Digest},
        manifest::{ANNEX_LIMIT, PARTS_LIMIT},
        refusal::Refusal,
    },
    msg,
};

/// Largest piece sent or taken at a time, in bytes.
pub const CHUNK_LIMIT: usize = 256 << 10;
/// Most that one party may hold uploaded for one communiqué, in bytes: what one revision can name.
pub const HELD_LIMIT: u64 = PARTS_LIMIT;

/// How long the stream of an upload must have been silent before another may go on in its place: a connection that is dead
/// is not always known to be, and two that live must not take turns.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(5);

/// A stage that is somebody's. Dropped before it is sealed, what came of an upload is kept, and all else forgotten.
pub(super) struct Staged {
    content: Arc<dyn Content>,
    stage: Option<Stage>,
}

impl Staged {
    pub(super) async fn open(content: &Arc<dyn Content>) -> Result<Self, WriteFailed> {
        Ok(Self { content: content.clone(), stage: Some(content.stage().await?) })
    }
    async fn begin(content: &Arc<dyn Content>, begin: Begin) -> Result<Self, NotBegun> {
        Ok(Self { content: content.clone(), stage: Some(content.begin(begin).await?) })
    }
    async fn discard(mut self) {
        if let Some(stage) = self.stage.take() {
            self.content.discard(stage).await;
        }
    }
    pub(super) async fn push(&self, bytes: Vec<u8>) -> Result<(), WriteFailed> {
        self.content.push(self.stage.ok_or(WriteFailed::Failed)?, bytes).await
    }
    pub(super) async fn seal(mut self, digest: Digest, size: u64, seal: Seal) -> Result<(), WriteFailed> {
        self.content.seal(self.stage.take().ok_or(WriteFailed::Failed)?, digest, size, seal).await
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let (Some(stage), Ok(runtime)) = (self.stage.take(), tokio::runtime::Handle::try_current()) {
            let content = self.content.clone();
            runtime.spawn(async move { content.park(stage).await });
        }
    }
}

/// An upload under way. Dropped unfinished, what came is kept for a later one to go on from; see [`Upload::forget`].
pub struct Upload {
    /// None for what is held already: it is checked again, and stored once.
    stage: Option<Staged>,
    owner: Owner,
    digest: Digest,
    size: u64,
    seen: u64,
    hash: Sha256,
}

impl Upload {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] for a piece over the limit, [`Refusal::WrongSize`] beyond the announced size.
    pub async fn push(&mut self, bytes: Vec<u8>) -> Result<(), Refusal> {
        if bytes.len() > CHUNK_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("a piece of an upload in bytes"), limit: CHUNK_LIMIT as u64 });
        }
        self.seen += bytes.len() as u64;
        if self.seen > self.size {
            return Err(self.wrong_size());
        }
        self.hash.update(&bytes);
        match &self.stage {
            Some(stage) => Ok(stage.push(bytes).await?),
            None => Ok(()),
        }
    }
    /// Forgets it: what came is wrong, and nothing shall go on from it.
    pub async fn forget(mut self) {
        if let Some(stage) = self.stage.take() {
            stage.discard().await;
        }
    }
    /// Checks size and digest over the whole, also over what earlier streams brought, and makes it durable.
    ///
    /// # Errors
    /// [`Refusal::WrongSize`] if bytes are lacking: what came is kept, since a caller that hangs up looks like one that has
    /// ended. [`Refusal::WrongDigest`]: nothing is stored or kept then.
    pub async fn finish(mut self) -> Result<(), Refusal> {
        if self.seen != self.size {
            return Err(self.wrong_size());
        }
        let actual = Digest::from_bytes(std::mem::take(&mut self.hash).finalize().into());
        if actual != self.digest {
            let wrong = Refusal::WrongDigest { expected: self.digest, actual };
            self.forget().await;
            return Err(wrong);
        }
        if let Some(stage) = self.stage.take() {
            stage.seal(self.digest, self.size, Seal::Upload(self.owner.clone())).await?;
        }
        Ok(())
    }
    fn wrong_size(&self) -> Refusal {
        Refusal::WrongSize { what: msg!("the upload"), expected: self.size, actual: self.seen }
    }
}

impl Exchange {
    /// Begins an upload, or goes on with one from this offset. Any communiqué id is accepted, unknown and foreign alike:
    /// content comes before revision 1. What was kept is hashed again here: nobody's word is taken for it.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::LimitReached`], [`Refusal::WrongOffset`], [`Refusal::WrongSize`] (announced with
    /// another before), [`Refusal::Busy`].
    pub async fn upload(
        &self,
        permit: Permit<UploadContent>,
        communique: CommuniqueId,
        digest: Digest,
        size: u64,
        offset: u64,
    ) -> Result<Upload, Refusal> {
        if size == 0 {
            return Err(Refusal::malformed("size", msg!("is 0; there is nothing to upload")));
        }
        if size > ANNEX_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("an annex in bytes"), limit: ANNEX_LIMIT });
        }
        let owner = Owner { party: permit.party().clone(), communique };
        // An exact repeat is taken again, checked again, and stored once.
        let sealed = self.content.uploaded(&owner, digest).await?.is_some();
        let stage = if sealed {
            None
        } else {
            let (owner, now) = (owner.clone(), self.machine.now());
            let begin = Begin { owner, digest, size, offset, quota: HELD_LIMIT, silence: TAKEOVER_SILENCE, now };
            Some(Staged::begin(&self.content, begin).await.map_err(|why| not_begun(why, offset, size))?)
        };
        let mut upload = Upload { stage, owner, digest, size, seen: 0, hash: Sha256::new() };
        while upload.seen < offset {
            let most = usize::try_from(offset - upload.seen).unwrap_or(usize::MAX).min(CHUNK_LIMIT);
            let piece = if sealed {
                self.content.read(digest, upload.seen, most).await?.unwrap_or_default()
            } else {
                self.content.kept_bytes(&upload.owner, digest, upload.seen, most).await?
            };
            if piece.is_empty() {
                return Err(Refusal::WrongOffset { offset, held: upload.seen });
            }
            upload.seen += piece.len() as u64;
            upload.hash.update(&piece);
        }
        Ok(upload)
    }

    /// How many bytes are held of an upload of the caller's party, and whether that is all. Of another's, as of none, 0.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn uploaded(
        &self,
        permit: Permit<GetUpload>,
        communique: CommuniqueId,
        digest: Digest,
    ) -> Result<(u64, bool), Refusal> {
        let owner = Owner { party: permit.party().clone(), communique };
        match self.content.uploaded(&owner, digest).await? {
            Some(size) => Ok((size, true)),
            None => Ok((self.content.kept(&owner, digest, self.machine.now()).await?, false)),
        }
    }

    /// Forgets uploads that broke off and were not gone on with for [`PARTIAL_SECONDS`](super::ports::PARTIAL_SECONDS); answers how many.
    /// To be asked again now and then.
    ///
    /// What is sealed stays, also if no manifest ever names it. A revision that names it may be between its check and its entry, in this
    /// process or in another, and an append of unknown outcome may show the entry only after the next start: no look can tell that
    /// nothing names it.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::ClockSuspect`].
    pub async fn expire_uploads(&self) -> Result<u64, Refusal> {
        self.believed()?;
        Ok(self.content.expire(self.machine.now()).await?)
    }

    /// The size of content that the caller may read: of a communiqué that names the party and the digest, or its own upload.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for unknown and foreign alike; [`Refusal::Purged`].
    pub async fn download(
        &self,
        permit: Permit<DownloadContent>,
        communique: CommuniqueId,
        digest: Digest,
    ) -> Result<Download, Refusal> {
        let life = self.folds.life(&*self.store, communique).await?;
        let named = life.parties().contains(permit.party()).then(|| life.part(digest)).flatten();
        if named.is_some() && life.purged().is_some() {
            return Err(Refusal::Purged { communique });
        }
        let size = match named {
            Some(part) => Some(part.size),
            None => self.content.uploaded(&Owner { party: permit.party().clone(), communique }, digest).await?,
        };
        let size = size.ok_or_else(|| Refusal::not_found(msg!("content"), digest))?;
        Ok(Download { content: self.content.clone(), digest, size })
    }

    /// Small content, whole.
    pub(super) async fn whole(&self, digest: Digest, limit: usize) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        loop {
            let piece = self.content.read(digest, bytes.len() as u64, CHUNK_LIMIT).await?;
            let piece = piece.ok_or(Refusal::ContentMissing { digest })?;
            if piece.is_empty() {
                return Ok(bytes);
            }
            if bytes.len() + piece.len() > limit {
                return Err(Refusal::TooLarge { what: msg!("a text in bytes"), limit: limit as u64 });
            }
            bytes.extend_from_slice(&piece);
        }
    }
}

/// What the caller of an upload is told.
fn not_begun(why: NotBegun, offset: u64, size: u64) -> Refusal {
    match why {
        NotBegun::Offset { held } => Refusal::WrongOffset { offset, held },
        NotBegun::Size { size: expected } => {
            Refusal::WrongSize { what: msg!("what this upload would go on with"), expected, actual: size }
        }
        NotBegun::UnderWay => Refusal::Busy { what: msg!("another stream of your party brings the same content") },
        NotBegun::Quota => {
            Refusal::LimitReached { what: msg!("bytes uploaded for one communiqué"), limit: HELD_LIMIT }
        }
        NotBegun::Full => Refusal::Busy { what: msg!("every place for uploads is taken") },
        NotBegun::Failed(why) => why.into(),
    }
}

/// Content that the caller may read, piece by piece.
pub struct Download {
    pub(super) content: Arc<dyn Content>,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Download {
    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
    /// The next piece from this offset on; empty at the end.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn piece(&self, offset: u64) -> Result<Vec<u8>, Refusal> {
        self.content.read(self.digest, offset, CHUNK_LIMIT).await?.ok_or(Refusal::StoreFailed)
    }
}
