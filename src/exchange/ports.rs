//! What the exchange needs from outside: a log that is the database, a place for content, a clock. The comments are the
//! contract; every backend passes the same test of it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    domain::{
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest, PartyId},
        life::State,
        statement::{Body, Statement},
        time::Time,
    },
    log::tree::{Edge, Growth, Hash, Node},
};

pub use crate::package::evidence::STAMP_LIMIT;

/// A document or a statement's compact form, kept byte for byte, named by its digest. However it is made, the bytes have the digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    digest: Digest,
    bytes: Vec<u8>,
}

impl Object {
    /// Names bytes by their digest.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<F> From<&Document<F>> for Object {
    fn from(document: &Document<F>) -> Self {
        Self { digest: document.digest(), bytes: document.bytes().to_vec() }
    }
}

impl<B: Body> From<&Statement<B>> for Object {
    fn from(statement: &Statement<B>) -> Self {
        Self { digest: statement.digest(), bytes: statement.compact().into() }
    }
}

/// An entry to be appended, and the objects that it names and the log does not hold yet.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The entry.
    pub entry: Document<Entry>,
    /// Objects first named by this entry. The store keeps, for each, the index of this entry.
    pub objects: Vec<Object>,
}

/// One row of the list of communiqués: a projection, rebuilt from the log at any time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Which.
    pub communique: CommuniqueId,
    /// Its state after the append.
    pub state: State,
    /// Its newest revision.
    pub revision: u64,
    /// The newest revision's manifest.
    pub manifest: Digest,
    /// The parties that it names. Fixed at creation.
    pub parties: Vec<PartyId>,
}

/// An atomic append.
#[derive(Clone, Debug)]
pub struct Append {
    /// Every stream that the decision read, with the length that it saw.
    pub expect: Vec<(StreamId, u64)>,
    /// What to append, in order. Each entry's `seq` continues its stream.
    pub entries: Vec<NewEntry>,
    /// The rows of the communiqués that change, each once.
    pub listings: Vec<Listing>,
    /// Of the objects that its entries name, those that no entry may have named before: what is sent a second time conflicts.
    pub unlogged: Vec<Digest>,
}

/// Why nothing was appended, or it is not known whether it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// A stream that the decision read has grown, or an object was logged before. Nothing was stored: read again, decide again.
    #[error("a stream has grown, or an object was logged before")]
    Conflict,
    /// An entry's time is before the log's last. Nothing was stored: read the clock again, decide again.
    #[error("the log is at {0}")]
    Behind(Time),
    /// Nothing was stored: there is no room for it. The same append may be taken once there is.
    #[error("the store is full")]
    Full,
    /// Nothing was stored, and trying again now would not help.
    #[error("the store failed")]
    Failed,
    /// It may or may not be stored. Never answered for what is known to be one or the other.
    #[error("the outcome is unknown")]
    Unknown,
}

/// A read that failed. The reason is in the operator's log, where the store wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the store cannot be read")]
pub struct ReadFailed;

/// Why content was not written, or it is not known whether it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteFailed {
    /// Nothing was stored: there is no room for it.
    #[error("the store is full")]
    Full,
    /// Nothing was stored. The reason is in the operator's log, where the store wrote it.
    #[error("the store failed")]
    Failed,
    /// It may or may not be stored.
    #[error("the outcome is unknown")]
    Unknown,
}

impl From<ReadFailed> for WriteFailed {
    fn from(_: ReadFailed) -> Self {
        Self::Failed
    }
}
/// Of what writes only so that it may be relied upon, nobody asks why it failed.
impl From<WriteFailed> for ReadFailed {
    fn from(_: WriteFailed) -> Self {
        Self
    }
}

/// Where an append went.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The index of its first entry; the others follow it without a gap.
    pub index: u64,
    /// What the commit added to the tree: this append, and all that shared the commit with it.
    pub growth: Arc<Growth>,
}

/// A witness's word on a head of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosignature {
    /// The tree's size.
    pub size: u64,
    /// Whose key it is by.
    pub party: PartyId,
    /// The signature line (C2SP signed-note), with its newline.
    pub line: String,
}

/// How many heads keep their cosignatures: those of larger sizes push out the others.
pub const COSIGNED_LIMIT: usize = 16;

/// An entry as the log holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its place in the log, from 0, without gaps.
    pub index: u64,
    /// What it says.
    pub entry: Entry,
    /// Its bytes, exactly as appended.
    pub bytes: Vec<u8>,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes of the documents and then of the statements that it names, in its order.
    pub objects: Vec<Vec<u8>>,
}

/// Which rows of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListingQuery {
    /// Only communiqués that name this party.
    pub party: Option<PartyId>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only what has not [ended](State::ended).
    pub open: bool,
    /// Only after this id: the last of the page before.
    pub after: Option<CommuniqueId>,
    /// At most so many rows.
    pub limit: usize,
}

impl ListingQuery {
    /// The states that it asks for, if not for all.
    #[must_use]
    pub fn states(&self) -> Option<Vec<State>> {
        let wanted = |state: &State| self.state.is_none_or(|only| only == *state) && !(self.open && state.ended());
        (self.state.is_some() || self.open).then(|| State::ALL.into_iter().filter(wanted).collect())
    }
}

/// The log. It is the only truth; all else is rebuilt from it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Appends all of it or nothing. When it returns `Ok`, the entries survive a power cut. Only the store gives indices.
    ///
    /// Every entry is a leaf of the tree, whose hashes are stored in the same transaction. That the tree before was the one that the
    /// last transaction left is compared first; if it was not, nothing is appended.
    ///
    /// The lengths of all streams in `expect` are compared in the same transaction that appends, against what earlier
    /// appends of the same batch have done. Entry times never go back. If the caller is dropped while it waits, the append
    /// still happens or not, as a whole.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// A stream's entries from this `seq` on, in order, at most `limit`. An unknown stream is empty. Sees every append
    /// that had returned before the call.
    async fn stream(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed>;

    /// From when on [`Store::stands`] can tell of what is read, or appended, after this call. None where only reading tells, as where others append too.
    fn mark(&self) -> Option<u64> {
        None
    }

    /// Whether a stream is known, without reading, to be as long still as it was read after this mark. Never true once what made it longer
    /// can be read.
    fn stands(&self, _stream: &StreamId, _length: u64, _mark: u64) -> bool {
        false
    }

    /// The log's entries from this index on, in order, at most `limit`.
    async fn log(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed>;

    /// The log's last entry; none in an empty log.
    async fn last(&self) -> Result<Option<Stored>, ReadFailed>;

    /// The entry that first named this object, if any did.
    async fn first_naming(&self, object: Digest) -> Result<Option<Stored>, ReadFailed>;

    /// The `purged` entries from this index on, in order, at most `limit`: where each is, and of which communiqué. A store for which a
    /// log may be long does not read what lies between.
    async fn purged(&self, from: u64, limit: usize) -> Result<Vec<(u64, CommuniqueId)>, ReadFailed> {
        let (mut found, mut next) = (Vec::new(), from);
        while found.len() < limit {
            let Some(stored) = self.log(next, 1).await?.pop() else { break };
            next = stored.index + 1;
            if let (Kind::Purged, StreamId::Communique(id)) = (stored.entry.kind, stored.entry.stream) {
                found.push((stored.index, id));
            }
        }
        Ok(found)
    }

    /// The tree over all entries, as the last transaction left it.
    async fn tree(&self) -> Result<Edge, ReadFailed>;

    /// The hashes of these nodes, in their order. A node that is not complete yet cannot be read.
    async fn nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, ReadFailed>;

    /// The digests of the entries from this index on, at most `limit`.
    async fn digests(&self, from: u64, limit: usize) -> Result<Vec<Digest>, ReadFailed>;

    /// Keeps a cosignature, durably: the last one of a party on a head of a size. Those of the [`COSIGNED_LIMIT`] largest sizes are
    /// kept.
    async fn cosign(&self, cosignature: Cosignature) -> Result<(), ReadFailed>;

    /// The cosignatures that are kept, by descending size and then by party.
    async fn cosignatures(&self) -> Result<Vec<Cosignature>, ReadFailed>;

    /// Rows of the list by ascending id. Stable under writes: a row never moves, and none is skipped between pages. What it takes does
    /// not grow with the rows that the query passes over.
    async fn listings(&self, query: ListingQuery) -> Result<Vec<Listing>, ReadFailed>;

    /// The names of the streams that have entries, by ascending name from after this one on, at most `limit`, which is 1 at least; none
    /// once there are no more. What is not the name of a stream is passed over. What it takes does not grow with the entries that the streams
    /// have.
    async fn streams(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamId>, ReadFailed>;

    /// Ticks when another process may have appended. It only wakes, and may stay silent; it ends where no other can append.
    fn heard(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

/// Who put content there, and for which communiqué: content is usable by its uploader alone until a manifest names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The uploading party.
    pub party: PartyId,
    /// Any id: content comes before revision 1.
    pub communique: CommuniqueId,
}

/// Bytes on their way in. A store forgets them at start and by [`Content::discard`], but for what it keeps of uploads:
/// at least what was pushed before the last mebibyte of one that was cut by a crash, all of one that was parked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stage(pub u64);

/// What sealed bytes become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seal {
    /// Content of a communiqué, for its uploader.
    Upload(Owner),
    /// The package of a published communiqué, with this evidence. It takes the place of the one before, unless it lacks something that that
    /// one shows: two exchanges may make one at once. Then that one stays, and this one is dropped.
    Package(CommuniqueId, Shown),
    /// The package of a published communiqué as it lies in that of what corrects it, without proofs.
    Original(CommuniqueId),
}

/// What the evidence of a package shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// How many witnesses.
    pub witnesses: u64,
    /// Whether a time stamp.
    pub stamped: bool,
    /// The head, with its signature and cosignatures, as text. Empty in the row of a package that an earlier program made.
    pub head: String,
}

impl Shown {
    /// Whether something that the other shows is not shown.
    #[must_use]
    pub fn lacks_of(&self, other: &Self) -> bool {
        self.witnesses < other.witnesses || other.stamped && !self.stamped
    }
}

/// A package that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// Of its bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// What its evidence shows.
    pub shown: Shown,
}

/// An upload that is to begin, or to go on from the bytes that are kept of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begin {
    /// Whose, and for which communiqué.
    pub owner: Owner,
    /// What the whole is said to be. Nobody has checked it yet.
    pub digest: Digest,
    /// How large the whole is said to be, in bytes.
    pub size: u64,
    /// From which byte on bytes come: 0 begins, the number of bytes kept goes on.
    pub offset: u64,
    /// Most bytes that the owner may hold, sealed, kept and announced together.
    pub quota: u64,
    /// How long another stream of the same upload must have been silent for this one to go on in its place.
    pub silence: Duration,
    /// The exchange's clock: what was last written to longer ago than [`PARTIAL_SECONDS`] is forgotten first.
    pub now: Time,
}

/// Why an upload did not begin. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotBegun {
    /// Another number of bytes is kept.
    #[error("{held} bytes are kept")]
    Offset {
        /// How many.
        held: u64,
    },
    /// What is kept was announced with another size.
    #[error("{size} bytes were announced before")]
    Size {
        /// Which.
        size: u64,
    },
    /// It would go on where another stream is still bringing bytes.
    #[error("another stream brings the same content")]
    UnderWay,
    /// The owner would hold more than the quota.
    #[error("the quota is reached")]
    Quota,
    /// Every place for uploads is taken.
    #[error("every place for uploads is taken")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] WriteFailed),
}

/// How long what came of a broken upload is kept, in seconds since the upload was last begun or gone on with.
pub const PARTIAL_SECONDS: i64 = 48 * 3600;
/// Broken uploads kept for one party. Of more, those begun the longest ago are forgotten, so that none is ever refused for it.
pub const PARTIALS_LIMIT: usize = 16;
/// Texts, annexes and packages by digest, in a store of their own, so that a large annex never queues before a signature.
/// Never whole in memory: written and read in pieces.
#[async_trait]
pub trait Content: Send + Sync + 'static {
    /// How long ago it last failed to write, if it has written nothing since. A store that knows of no such state says `None`.
    fn failed(&self) -> Option<Duration> {
        None
    }
    /// Opens a new stage for what the exchange makes itself. Uploads can never take all of its places.
    async fn stage(&self) -> Result<Stage, WriteFailed>;
    /// Opens a stage for an upload. Quota, kept bytes and places are compared in one step, so that no two callers pass
    /// together where one would.
    ///
    /// From offset 0 it begins anew, and what was kept of it is forgotten; beside a stream that brings the same content it
    /// begins too, and is not kept if it breaks. From any other offset it goes on with what is kept, which must be that
    /// many bytes, of the same owner, digest and size.
    async fn begin(&self, begin: Begin) -> Result<Stage, NotBegun>;
    /// Keeps what came of an upload that broke off, for a later [`Content::begin`]. Other stages are forgotten.
    async fn park(&self, stage: Stage);
    /// How many bytes of this upload are kept, durably; 0 for none. Of one under way, what has come so far.
    async fn kept(&self, owner: &Owner, digest: Digest, now: Time) -> Result<u64, ReadFailed>;
    /// At most `most` bytes of what is kept of this upload, from this offset on; empty at the end or if nothing is kept.
    async fn kept_bytes(&self, owner: &Owner, digest: Digest, offset: u64, most: usize) -> Result<Vec<u8>, ReadFailed>;
    /// Forgets what was kept of uploads for longer than [`PARTIAL_SECONDS`], also when nobody begins one; answers how many. Neither what
    /// is sealed nor an upload under way is ever forgotten so.
    async fn expire(&self, now: Time) -> Result<u64, ReadFailed>;
    /// Adds bytes at the stage's end.
    async fn push(&self, stage: Stage, bytes: Vec<u8>) -> Result<(), WriteFailed>;
    /// Makes the stage's bytes content of this digest and size, which the caller computed. Durable on return. The same
    /// digest again is not stored twice. Sealing what is already sealed for the same owner is no error.
    async fn seal(&self, stage: Stage, digest: Digest, size: u64, seal: Seal) -> Result<(), WriteFailed>;
    /// Forgets a stage.
    async fn discard(&self, stage: Stage);
    /// The size of content that this owner sealed.
    async fn uploaded(&self, owner: &Owner, digest: Digest) -> Result<Option<u64>, ReadFailed>;
    /// The bytes that all seals of this owner hold together.
    async fn held(&self, owner: &Owner) -> Result<u64, ReadFailed>;
    /// Erases everything that anybody uploaded for this communiqué, sealed or kept, but for what another communiqué holds too.
    /// Durable on return; nothing left is no error.
    async fn purge(&self, communique: CommuniqueId) -> Result<(), ReadFailed>;
    /// Those of these communiqués for which anybody has uploaded anything that is still there, sealed or kept, in their order. A store that
    /// cannot tell says all.
    async fn uploaded_for(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed> {
        Ok(among)
    }
    /// A communiqué's package, once sealed.
    async fn package(&self, communique: CommuniqueId) -> Result<Option<Package>, ReadFailed>;
    /// Digest and size of a communiqué's package as it lies in another, once sealed.
    async fn original(&self, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, ReadFailed>;
    /// Keeps the time stamp of a published communiqué, durably: the first one for ever. It has 1 to
    /// [`STAMP_LIMIT`] bytes.
    async fn keep_stamp(&self, communique: CommuniqueId, stamp: Vec<u8>) -> Result<(), ReadFailed>;
    /// The time stamp that is kept of a communiqué.
    async fn stamp(&self, communique: CommuniqueId) -> Result<Option<Vec<u8>>, ReadFailed>;
    /// Those of these communiqués of which no time stamp is kept, in their order.
    async fn unstamped(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed>;
    /// What is sealed, by ascending digest from after this one on: digest and size, at most `limit`. Stable under writes: what is there
    /// all the while is never skipped between pages.
    async fn sealed(&self, after: Option<Digest>, limit: usize) -> Result<Vec<(Digest, u64)>, ReadFailed>;
    /// The sizes of these, in their order; none for what is not there.
    async fn sizes(&self, of: Vec<Digest>) -> Result<Vec<Option<u64>>, ReadFailed>;
    /// As what this content is sealed: by owner, then by communiqué as original and as package. Nothing for what is not there.
    async fn seals(&self, digest: Digest) -> Result<Vec<Seal>, ReadFailed>;
    /// At most `most` bytes from this offset on; empty at the end, `None` if there is no such content.
    async fn read(&self, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, ReadFailed>;
}

/// The exchange's clock, and its source of randomness: both are the machine's.
pub trait Machine: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Time;
    /// 32 random bytes from the system's source.
    fn random(&self) -> [u8; 32];
    /// What the clock should show, where there is reason not to believe what it shows. Nothing is written then: log time never goes
    /// back, so an entry of a wrong time would lock everybody out, or let what has a deadline lapse.
    fn suspect(&self) -> Option<Time> {
        None
    }
}
