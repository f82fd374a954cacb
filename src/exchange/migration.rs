//! A log and its content, carried from one store to another: entry by entry, each checked, to the same root.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    append::listing,
    load::Folds,
    ports::{
        Append, AppendError, Content, Listing, ListingQuery, NewEntry, Object, ReadFailed, Seal, Store, Stored,
        WriteFailed,
    },
};
use crate::{
    domain::{
        document::Document,
        entry::StreamId,
        id::{CommuniqueId, Digest},
        life::Life,
        refusal::Refusal,
    },
    log::tree::{Edge, Hash, Plan},
};

/// Entries that are read at a time, and most that one append takes.
const BATCH: usize = 512;
/// Bytes of entries and objects after which an append ends.
const BATCH_BYTES: usize = 8 << 20;
/// Pieces in which content is carried, in bytes.
const PIECE: usize = 1 << 20;
/// Rows that are read at a time.
const ROWS: usize = 1000;

/// One side.
#[derive(Clone)]
pub struct Side {
    /// Its log.
    pub store: Arc<dyn Store>,
    /// Its content.
    pub content: Arc<dyn Content>,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So many of so many entries.
    Entries(u64, u64),
    /// So many pieces of content were looked at.
    Content(u64),
}

/// What was carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Entries that there are now, and how many were there before.
    pub entries: (u64, u64),
    /// The root, which is the same on both sides.
    pub root: Hash,
    /// Pieces of content that there are, and how many of them were there before.
    pub content: (u64, u64),
    /// Time stamps that there are.
    pub stamps: u64,
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries: (entries, before), root, content: (content, there), stamps } = self;
        write!(
            f,
            "{entries} entries, {before} of them were there; root {root}, the same on both sides\n\
             {content} pieces of content, {there} of them were there; {stamps} time stamps\n\
             all of it was read again, and is sound"
        )
    }
}

/// What keeps it from going on. What was carried stays, and is gone on from.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The target holds something else.
    #[error("the target holds another log: its {size} entries are not the first of the source's; name an empty one")]
    Another {
        /// How many entries it has.
        size: u64,
    },
    /// The source was read, and what came is not what was named.
    #[error("the source is damaged: content {digest} is not there, or was changed; check it with communiqued fsck")]
    Changed {
        /// What was named.
        digest: Digest,
    },
    /// The two have not the same root.
    #[error("the roots differ after {size} entries: {from} and {to}; the target is not to be used")]
    Roots {
        /// The size.
        size: u64,
        /// The source's root.
        from: Hash,
        /// The target's.
        to: Hash,
    },
    /// Somebody appends to the source.
    #[error(
        "the source has grown meanwhile: stop every exchange that serves it, and begin again: it goes on from here"
    )]
    Grown,
    /// Somebody else writes to the target.
    #[error(
        "the target does not take an entry ({0}): stop whatever else writes to it, and begin again: it goes on from here"
    )]
    Append(#[from] AppendError),
    /// One of the two cannot be read or written.
    #[error("a store fails ({0}); its messages say why; begin again: it goes on from here")]
    Store(#[from] ReadFailed),
    /// The target cannot be written.
    #[error("a store fails ({0}); its messages say why; begin again: it goes on from here")]
    Content(#[from] WriteFailed),
    /// The log does not fold.
    #[error("the log does not agree with itself: {0}")]
    Log(#[from] Refusal),
}

/// Carries everything from one store to another that is empty, or that holds the beginning of it.
///
/// The same again goes on where it ended. Uploads that broke off are not carried.
///
/// # Errors
/// [`Stopped`].
pub async fn migrate(from: &Side, to: &Side, mut told: impl FnMut(Progress)) -> Result<Carried, Stopped> {
    let source = from.store.tree().await?;
    let target = to.store.tree().await?;
    let before = target.size();
    begins_alike(from, &source, &target).await?;
    entries(from, to, before, source.size(), &mut told).await?;
    let (root, target) = (source.root(), to.store.tree().await?);
    if (target.size(), target.root()) != (source.size(), root) {
        return Err(Stopped::Roots { size: source.size(), from: root, to: target.root() });
    }
    for cosignature in from.store.cosignatures().await?.into_iter().rev() {
        to.store.cosign(cosignature).await?;
    }
    let content = content(from, to, &mut told).await?;
    let stamps = stamps(from, to).await?;
    if from.store.tree().await? != source {
        return Err(Stopped::Grown);
    }
    Ok(Carried { entries: (source.size(), before), root, content, stamps })
}

/// That what the target holds is the beginning of the source.
async fn begins_alike(from: &Side, source: &Edge, target: &Edge) -> Result<(), Stopped> {
    let another = Stopped::Another { size: target.size() };
    if target.size() == 0 {
        return Ok(());
    }
    if target.size() > source.size() {
        return Err(another);
    }
    let plan = Plan::root(target.size()).map_err(Refusal::from)?;
    let mut nodes = from.store.nodes(plan.nodes().collect()).await?.into_iter();
    let roots = plan.build(|_| nodes.next().ok_or(ReadFailed))?;
    if roots.first() == Some(&target.root()) { Ok(()) } else { Err(another) }
}

async fn entries(from: &Side, to: &Side, begin: u64, end: u64, told: &mut impl FnMut(Progress)) -> Result<(), Stopped> {
    let (folds, mut next) = (Folds::default(), begin);
    while next < end {
        let mut batch = from.store.log(next, BATCH).await?;
        let mut bytes = 0;
        let within = batch.iter().take_while(|stored| {
            let before = bytes;
            bytes += stored.bytes.len() + stored.objects.iter().map(Vec::len).sum::<usize>();
            before == 0 || bytes <= BATCH_BYTES
        });
        batch.truncate(within.count());
        if batch.is_empty() {
            return Err(Stopped::Grown);
        }
        next += batch.len() as u64;
        let listings = listings(to, &folds, &batch).await?;
        let new = |stored: Stored| {
            let objects = stored.objects.into_iter().map(Object::new).collect();
            Ok(NewEntry { entry: Document::parse(stored.bytes)?, objects })
        };
        let entries = batch.into_iter().map(new).collect::<Result<_, Refusal>>()?;
        to.store.append(Append { expect: vec![], entries, listings, unlogged: vec![] }).await?;
        told(Progress::Entries(next, end));
    }
    Ok(())
}

/// The rows of the communiqués that these entries carry on, from what the target holds of them.
async fn listings(to: &Side, folds: &Folds, batch: &[Stored]) -> Result<Vec<Listing>, Stopped> {
    let mut lives: BTreeMap<CommuniqueId, Life> = BTreeMap::new();
    for stored in batch {
        let StreamId::Communique(id) = stored.entry.stream else { continue };
        let life = match lives.entry(id) {
            std::collections::btree_map::Entry::Occupied(life) => life.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(folds.life(&*to.store, id).await?.life().clone())
            }
        };
        life.apply(stored.recorded())?;
    }
    Ok(lives.iter().map(|(id, life)| listing(*id, life)).collect::<Result<_, _>>()?)
}

/// Everything that is sealed, as whatever it is sealed. Answers how much there is, and how much of it was there.
async fn content(from: &Side, to: &Side, told: &mut impl FnMut(Progress)) -> Result<(u64, u64), Stopped> {
    let (mut after, mut all, mut there) = (None, 0, 0);
    loop {
        let page = from.content.sealed(after, ROWS).await?;
        let Some((last, _)) = page.last() else { return Ok((all, there)) };
        after = Some(*last);
        for (digest, size) in page {
            let has: Vec<Seal> = to.content.seals(digest).await?;
            let lacks: Vec<Seal> = from.content.seals(digest).await?.into_iter().filter(|s| !has.contains(s)).collect();
            there += u64::from(lacks.is_empty());
            for seal in lacks {
                carry(from, to, (digest, size), seal).await?;
            }
            all += 1;
            told(Progress::Content(all));
        }
    }
}

async fn carry(from: &Side, to: &Side, (digest, size): (Digest, u64), seal: Seal) -> Result<(), Stopped> {
    let stage = to.content.stage().await?;
    let (mut hash, mut offset) = (Sha256::new(), 0);
    while offset < size {
        let piece = from.content.read(digest, offset, PIECE).await?.unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        hash.update(&piece);
        offset += piece.len() as u64;
        to.content.push(stage, piece).await?;
    }
    if offset != size || Digest::from_bytes(hash.finalize().into()) != digest {
        to.content.discard(stage).await;
        return Err(Stopped::Changed { digest });
    }
    Ok(to.content.seal(stage, digest, size, seal).await?)
}

/// The time stamps of all that is published. Answers how many there are.
async fn stamps(from: &Side, to: &Side) -> Result<u64, Stopped> {
    let (mut after, mut stamps) = (None, 0);
    loop {
        let page = from.store.listings(ListingQuery { after, limit: ROWS, ..ListingQuery::default() }).await?;
        let Some(last) = page.last() else { return Ok(stamps) };
        after = Some(last.communique);
        let all: Vec<_> = page.iter().map(|row| row.communique).collect();
        let without: BTreeSet<_> = from.content.unstamped(all.clone()).await?.into_iter().collect();
        for communique in all.into_iter().filter(|id| !without.contains(id)) {
            if let Some(stamp) = from.content.stamp(communique).await? {
                to.content.keep_stamp(communique, stamp).await?;
                stamps += 1;
            }
        }
    }
}
