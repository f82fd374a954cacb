//! Loading: streams folded into what a decision looks at. Folds are kept and carried on from where they stood; a kept
//! fold can be dropped at any time, and the log tells the same again.

use std::{
    collections::BTreeMap,
    hash::Hash,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;

use super::ports::{Object, ReadFailed, Store, Stored, WriteFailed};
use crate::{
    domain::{
        act::Act,
        document::Document,
        entry::{Entry, Position, Recorded, StreamId},
        id::{CommuniqueId, PartyId},
        life::Life,
        manifest::Manifest,
        refusal::Refusal,
        register::PartyRecord,
        remark::Remarks,
        statement::Statement,
        succession::{Charters, Standing},
        time::Time,
        view::Receipt,
    },
    msg,
};

/// How many folds of a kind are kept: those that were asked for last.
const KEPT: usize = 4096;
/// How many bytes of documents and statements the folds of a kind that are kept hold. In memory, parsed, it is some three times as much.
const KEPT_BYTES: usize = 128 << 20;
/// How many entries are read at a time.
const BATCH: usize = 512;

/// What a stream amounts to.
pub(super) trait Fold: Clone + Default {
    fn position(&self) -> Position;
    fn bytes(&self) -> usize;
    fn apply(&mut self, stored: &Stored) -> Result<(), Refusal>;
}

macro_rules! fold {
    ($($ty:ty),+) => {$(
        impl Fold for $ty {
            fn position(&self) -> Position { Self::position(self) }
            fn bytes(&self) -> usize { Self::bytes(self) }
            fn apply(&mut self, stored: &Stored) -> Result<(), Refusal> { Self::apply(self, stored.recorded()) }
        }
    )+};
}
fold!(Charters, PartyRecord, Life, Remarks);

impl Stored {
    /// As a fold reads it.
    #[must_use]
    pub fn recorded(&self) -> Recorded<'_> {
        Recorded { index: self.index, digest: self.digest, entry: &self.entry, objects: &self.objects }
    }
}

impl From<ReadFailed> for Refusal {
    fn from(_: ReadFailed) -> Self {
        Refusal::StoreFailed
    }
}

impl From<WriteFailed> for Refusal {
    fn from(why: WriteFailed) -> Self {
        match why {
            WriteFailed::Full => Refusal::StoreFull,
            WriteFailed::Failed => Refusal::StoreFailed,
            WriteFailed::Unknown => Refusal::OutcomeUnknown,
        }
    }
}

struct Kept<K: Hash + Eq, F>(Mutex<Shelf<K, F>>);

/// Folds, and the sum of their bytes.
struct Shelf<K: Hash + Eq, F> {
    folds: LruCache<K, Held<F>>,
    bytes: usize,
}

/// A fold that is kept.
struct Held<F> {
    fold: Arc<F>,
    bytes: usize,
    /// The store's mark before it was read, or before its first entry was appended.
    mark: Option<u64>,
}

impl<K: Hash + Eq, F> Default for Kept<K, F> {
    fn default() -> Self {
        Self(Mutex::new(Shelf { folds: LruCache::unbounded(), bytes: 0 }))
    }
}

impl<K: Hash + Eq, F: Fold> Shelf<K, F> {
    /// Keeps a fold that was read after this mark, unless another call has carried it further meanwhile. One too large to be kept with
    /// others is kept alone: it would have to be read whole by every call.
    fn keep(&mut self, key: K, fold: Arc<F>, mark: Option<u64>) {
        let length = fold.position().length;
        if let Some(held) = self.folds.get_mut(&key).filter(|held| held.fold.position().length >= length) {
            if held.fold.position().length == length {
                held.mark = held.mark.max(mark);
            }
            return;
        }
        let bytes = fold.bytes();
        self.bytes -= self.folds.pop(&key).map_or(0, |held| held.bytes);
        while self.folds.len() >= KEPT || self.bytes + bytes > KEPT_BYTES {
            let Some((_, oldest)) = self.folds.pop_lru() else { break };
            self.bytes -= oldest.bytes;
        }
        self.bytes += bytes;
        self.folds.put(key, Held { fold, bytes, mark });
    }
}

impl<K: Hash + Eq + Clone, F: Fold> Kept<K, F> {
    fn shelf(&self) -> MutexGuard<'_, Shelf<K, F>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What is kept, and the mark that it was read after.
    fn held(&self, key: &K) -> Option<(Arc<F>, Option<u64>)> {
        self.shelf().folds.get(key).map(|held| (held.fold.clone(), held.mark))
    }
    async fn load(&self, store: &dyn Store, key: K, stream: StreamId) -> Result<Arc<F>, Refusal> {
        let held = self.held(&key);
        if let Some((fold, Some(mark))) = &held
            && store.stands(&stream, fold.position().length, *mark)
        {
            return Ok(fold.clone());
        }
        let mut fold = held.map(|(fold, _)| fold).unwrap_or_default();
        let mark = store.mark();
        loop {
            let entries = store.stream(&stream, fold.position().length, BATCH).await?;
            let last = entries.len() < BATCH;
            for stored in &entries {
                if stored.entry.stream != stream {
                    return Err(Refusal::Inconsistent {
                        what: msg!("entry {index} is not of {stream}", index = stored.index, stream),
                    });
                }
                // What the log holds was parsed before it was taken: if it does not parse now, the log is not what it was. The
                // fault itself may quote a draft, and stays out of the operator's log.
                let folded = Arc::make_mut(&mut fold).apply(stored);
                folded.map_err(|_| Refusal::Inconsistent {
                    what: msg!("entry {index} does not fold", index = stored.index),
                })?;
            }
            if last {
                break;
            }
        }
        // Nothing is kept of streams that are not there: anybody can ask for any number of them.
        if fold.position().length > 0 {
            self.shelf().keep(key, fold.clone(), mark);
        }
        Ok(fold)
    }
}

/// What was handed in for a communiqué, read and verified: what the first of its new entries records.
#[derive(Clone)]
pub struct Handed {
    /// The manifest, of a proposal.
    pub manifest: Option<Document<Manifest>>,
    /// The act.
    pub act: Statement<Act>,
}

impl Handed {
    /// What the entry names, in its order.
    pub fn objects(&self) -> Vec<Object> {
        self.manifest.iter().map(Object::from).chain([Object::from(&self.act)]).collect()
    }
}

/// Carries a life on by an entry that is made here, and by what was handed in for it, without reading that again.
pub(super) fn carry(
    life: &mut Life,
    index: u64,
    entry: &Document<Entry>,
    handed: Option<&Handed>,
) -> Result<(), Refusal> {
    let recorded = Recorded { index, digest: entry.digest(), entry, objects: &[] };
    match handed {
        Some(Handed { manifest, act }) => life.apply_read(recorded, manifest.clone(), act.clone()),
        None => life.apply(recorded),
    }
}

/// A communiqué's life, and the bytes of the entries that it came of: what receipts are made of.
#[derive(Clone, Default)]
pub struct Course {
    life: Life,
    entries: BTreeMap<u64, Arc<[u8]>>,
    bytes: usize,
}

impl Course {
    /// The life alone.
    pub fn life(&self) -> &Life {
        &self.life
    }
    /// The receipt of the entry of this index, without a proof; none if it is not of this stream.
    pub fn receipt(&self, index: u64) -> Option<Receipt> {
        self.entries.get(&index).map(|entry| Receipt { index, entry: entry.to_vec(), proof: None })
    }
    fn keep(&mut self, index: u64, entry: &[u8]) {
        self.bytes += entry.len();
        self.entries.insert(index, entry.into());
    }
}

impl Deref for Course {
    type Target = Life;
    fn deref(&self) -> &Life {
        &self.life
    }
}

impl Fold for Course {
    fn position(&self) -> Position {
        self.life.position()
    }
    fn bytes(&self) -> usize {
        self.life.bytes() + self.bytes
    }
    fn apply(&mut self, stored: &Stored) -> Result<(), Refusal> {
        self.keep(stored.index, &stored.bytes);
        self.life.apply(stored.recorded())
    }
}

/// Several parties' streams.
pub type Records = BTreeMap<PartyId, Arc<PartyRecord>>;

/// The folds that are kept.
#[derive(Default)]
pub struct Folds {
    charters: Kept<(), Charters>,
    parties: Kept<PartyId, PartyRecord>,
    lives: Kept<CommuniqueId, Course>,
    remarks: Kept<CommuniqueId, Remarks>,
}

impl Folds {
    /// The stream `exchange`.
    pub async fn charters(&self, store: &dyn Store) -> Result<Arc<Charters>, Refusal> {
        self.charters.load(store, (), StreamId::Exchange).await
    }
    /// The stream `exchange` as far as it was read last; nothing if it never was.
    pub fn charters_read(&self) -> Option<Arc<Charters>> {
        self.charters.held(&()).map(|(fold, _)| fold)
    }
    /// A party's stream.
    pub async fn party(&self, store: &dyn Store, id: &PartyId) -> Result<Arc<PartyRecord>, Refusal> {
        self.parties.load(store, id.clone(), StreamId::Party(id.clone())).await
    }
    /// Several parties' streams.
    pub async fn parties(&self, store: &dyn Store, ids: impl IntoIterator<Item = PartyId>) -> Result<Records, Refusal> {
        Look { folds: self, store, kept: false }.parties(ids).await
    }
    /// Carries a communiqué on by what this process has appended: entries, of which the first are of its stream, from this index on, and
    /// what was handed in for them. Only if it begins with them, or what is kept stands just before that. The mark is the store's, before
    /// the append.
    pub fn carry(
        &self,
        id: CommuniqueId,
        mark: Option<u64>,
        first: u64,
        entries: &[Document<Entry>],
        mut handed: Option<Handed>,
    ) {
        let begins = entries.first().is_some_and(|first| first.seq == 0);
        let new = || begins.then(|| (Arc::default(), mark));
        let Some((mut course, mark)) = self.lives.held(&id).or_else(new) else { return };
        let carried = Arc::make_mut(&mut course);
        for (index, entry) in (first..).zip(entries).filter(|(_, entry)| entry.stream == StreamId::Communique(id)) {
            carried.keep(index, entry.bytes());
            // What does not fold is not kept: it is read again, and told then.
            if carry(&mut carried.life, index, entry, handed.take().as_ref()).is_err() {
                return;
            }
        }
        self.lives.shelf().keep(id, course, mark);
    }
    /// A communiqué's stream; empty if there is none.
    pub async fn life(&self, store: &dyn Store, id: CommuniqueId) -> Result<Arc<Course>, Refusal> {
        self.lives.load(store, id, StreamId::Communique(id)).await
    }
    /// A communiqué's stream of remarks, counted; empty if there is none.
    pub async fn remarks(&self, store: &dyn Store, id: CommuniqueId) -> Result<Arc<Remarks>, Refusal> {
        self.remarks.load(store, id, StreamId::Remarks(id)).await
    }
}

/// What a decision looks at.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub folds: &'a Folds,
    pub store: &'a dyn Store,
    /// Whether what is kept may do, though the log may have grown since. The append compares, and nothing else may follow of it.
    pub kept: bool,
}

impl Look<'_> {
    fn held<K: Hash + Eq + Clone, F: Fold>(&self, folds: &Kept<K, F>, key: &K) -> Option<Arc<F>> {
        folds.held(key).filter(|_| self.kept).map(|(fold, _)| fold)
    }
    /// As [`Folds::charters`].
    pub async fn charters(&self) -> Result<Arc<Charters>, Refusal> {
        match self.held(&self.folds.charters, &()) {
            Some(fold) => Ok(fold),
            None => self.folds.charters(self.store).await,
        }
    }
    /// As [`Folds::life`].
    pub async fn life(&self, id: CommuniqueId) -> Result<Arc<Course>, Refusal> {
        match self.held(&self.folds.lives, &id) {
            Some(fold) => Ok(fold),
            None => self.folds.life(self.store, id).await,
        }
    }
    /// As [`Folds::parties`].
    pub async fn parties(&self, ids: impl IntoIterator<Item = PartyId>) -> Result<Records, Refusal> {
        let mut records = BTreeMap::new();
        for id in ids {
            let record = match self.held(&self.folds.parties, &id) {
                Some(fold) => fold,
                None => self.folds.party(self.store, &id).await?,
            };
            records.insert(id, record);
        }
        Ok(records)
    }
}

/// The charter in force at this log time.
///
/// # Errors
/// [`Refusal::Inconsistent`] in a log that was never founded.
pub fn in_force(charters: &Charters, now: Time) -> Result<Arc<Standing>, Refusal> {
    charters
        .in_force(now)
        .ok_or_else(|| Refusal::Inconsistent { what: msg!("no charter is in force; found the exchange first") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Weight(usize, u64);
    impl Fold for Weight {
        fn position(&self) -> Position {
            Position { length: self.1, last: None }
        }
        fn bytes(&self) -> usize {
            self.0
        }
        fn apply(&mut self, _: &Stored) -> Result<(), Refusal> {
            Ok(())
        }
    }

    #[test]
    fn what_is_kept_is_bounded_by_bytes_and_never_goes_back() {
        let kept = Kept::<u8, Weight>::default();
        let mut shelf = kept.0.lock().unwrap();
        let mut keep = |key, bytes, length| {
            shelf.keep(key, Arc::new(Weight(bytes, length)), None);
            let mut held: Vec<_> = shelf.folds.iter().map(|(key, held)| (*key, held.fold.1)).collect();
            held.sort_unstable();
            (held, shelf.bytes)
        };
        assert_eq!(keep(1, KEPT_BYTES / 2, 5), (vec![(1, 5)], KEPT_BYTES / 2));
        assert_eq!(keep(1, 7, 4), (vec![(1, 5)], KEPT_BYTES / 2), "a slower call's");
        assert_eq!(keep(2, KEPT_BYTES / 2, 1), (vec![(1, 5), (2, 1)], KEPT_BYTES));
        assert_eq!(keep(3, 1, 1), (vec![(2, 1), (3, 1)], KEPT_BYTES / 2 + 1), "the oldest makes room");
        assert_eq!(keep(4, 2 * KEPT_BYTES, 1), (vec![(4, 1)], 2 * KEPT_BYTES));
        assert_eq!(keep(4, 3, 2), (vec![(4, 2)], 3));
    }
}
