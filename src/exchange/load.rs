//! Loading: streams folded into what a decision looks at. Folds are kept and carried on from where they stood; a kept
//! fold can be dropped at any time, and the log tells the same again.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use super::ports::{ReadFailed, Store, Stored};
use crate::{
    domain::{
        entry::{Position, Recorded, StreamId},
        id::{CommuniqueId, PartyId},
        life::Life,
        refusal::Refusal,
        register::PartyRecord,
        remark::Remarks,
        succession::{Charters, Standing},
        time::Time,
    },
    msg,
};

/// How many folds of a kind are kept before all are dropped.
const KEPT: usize = 4096;
/// How many bytes of documents and statements the folds of a kind hold before all are dropped. In memory, parsed, it is some
/// three times as much.
const KEPT_BYTES: usize = 128 << 20;
/// How many entries are read at a time.
const BATCH: usize = 512;

/// What a stream amounts to.
pub(super) trait Fold: Clone + Default {
    fn position(&self) -> Position;
    fn bytes(&self) -> usize;
    fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal>;
}

macro_rules! fold {
    ($($ty:ty),+) => {$(
        impl Fold for $ty {
            fn position(&self) -> Position { Self::position(self) }
            fn bytes(&self) -> usize { Self::bytes(self) }
            fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> { Self::apply(self, r) }
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

struct Kept<K, F>(Mutex<Shelf<K, F>>);

/// Folds with their bytes, and the sum of these.
struct Shelf<K, F> {
    folds: HashMap<K, (Arc<F>, usize)>,
    bytes: usize,
}

impl<K, F> Default for Kept<K, F> {
    fn default() -> Self {
        Self(Mutex::new(Shelf { folds: HashMap::new(), bytes: 0 }))
    }
}

impl<K: Hash + Eq, F: Fold> Shelf<K, F> {
    /// Keeps a fold, unless another call has carried it further meanwhile. One too large to be kept with others is kept alone:
    /// it would have to be read whole by every call.
    fn keep(&mut self, key: K, fold: Arc<F>) {
        if self.folds.get(&key).is_some_and(|(held, _)| held.position().length >= fold.position().length) {
            return;
        }
        let bytes = fold.bytes();
        self.bytes -= self.folds.remove(&key).map_or(0, |(_, bytes)| bytes);
        if self.folds.len() >= KEPT || self.bytes + bytes > KEPT_BYTES {
            self.folds.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.folds.insert(key, (fold, bytes));
    }
}

impl<K: Hash + Eq + Clone, F: Fold> Kept<K, F> {
    async fn load(&self, store: &dyn Store, key: K, stream: StreamId) -> Result<Arc<F>, Refusal> {
        let kept = {
            let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.folds.get(&key).map(|(fold, _)| fold.clone())
        };
        let mut fold = kept.unwrap_or_default();
        let mut grown = false;
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
                let folded = Arc::make_mut(&mut fold).apply(stored.recorded());
                folded.map_err(|_| Refusal::Inconsistent {
                    what: msg!("entry {index} does not fold", index = stored.index),
                })?;
                grown = true;
            }
            if last {
                break;
            }
        }
        if grown {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(key, fold.clone());
        }
        Ok(fold)
    }
}

/// Several parties' streams.
pub type Records = BTreeMap<PartyId, Arc<PartyRecord>>;

/// The folds that are kept.
#[derive(Default)]
pub struct Folds {
    charters: Kept<(), Charters>,
    parties: Kept<PartyId, PartyRecord>,
    lives: Kept<CommuniqueId, Life>,
    remarks: Kept<CommuniqueId, Remarks>,
}

impl Folds {
    /// The stream `exchange`.
    pub async fn charters(&self, store: &dyn Store) -> Result<Arc<Charters>, Refusal> {
        self.charters.load(store, (), StreamId::Exchange).await
    }
    /// The stream `exchange` as far as it was read last; nothing if it never was.
    pub fn charters_read(&self) -> Option<Arc<Charters>> {
        let shelf = self.charters.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.folds.get(&()).map(|(fold, _)| fold.clone())
    }
    /// A party's stream.
    pub async fn party(&self, store: &dyn Store, id: &PartyId) -> Result<Arc<PartyRecord>, Refusal> {
        self.parties.load(store, id.clone(), StreamId::Party(id.clone())).await
    }
    /// Several parties' streams.
    pub async fn parties(&self, store: &dyn Store, ids: impl IntoIterator<Item = PartyId>) -> Result<Records, Refusal> {
        let mut records = BTreeMap::new();
        for id in ids {
            let record = self.party(store, &id).await?;
            records.insert(id, record);
        }
        Ok(records)
    }
    /// A communiqué's stream; empty if there is none.
    pub async fn life(&self, store: &dyn Store, id: CommuniqueId) -> Result<Arc<Life>, Refusal> {
        self.lives.load(store, id, StreamId::Communique(id)).await
    }
    /// A communiqué's stream of remarks, counted; empty if there is none.
    pub async fn remarks(&self, store: &dyn Store, id: CommuniqueId) -> Result<Arc<Remarks>, Refusal> {
        self.remarks.load(store, id, StreamId::Remarks(id)).await
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
        fn apply(&mut self, _: Recorded<'_>) -> Result<(), Refusal> {
            Ok(())
        }
    }

    #[test]
    fn what_is_kept_is_bounded_by_bytes_and_never_goes_back() {
        let kept = Kept::<u8, Weight>::default();
        let mut shelf = kept.0.lock().unwrap();
        let mut keep = |key, bytes, length| {
            shelf.keep(key, Arc::new(Weight(bytes, length)));
            let mut held: Vec<_> = shelf.folds.iter().map(|(key, (fold, _))| (*key, fold.1)).collect();
            held.sort_unstable();
            (held, shelf.bytes)
        };
        assert_eq!(keep(1, KEPT_BYTES / 2, 5), (vec![(1, 5)], KEPT_BYTES / 2));
        assert_eq!(keep(1, 7, 4), (vec![(1, 5)], KEPT_BYTES / 2), "a slower call's");
        assert_eq!(keep(2, KEPT_BYTES / 2, 1), (vec![(1, 5), (2, 1)], KEPT_BYTES));
        assert_eq!(keep(3, 1, 1), (vec![(3, 1)], 1));
        assert_eq!(keep(4, 2 * KEPT_BYTES, 1), (vec![(4, 1)], 2 * KEPT_BYTES));
        assert_eq!(keep(4, 3, 2), (vec![(4, 2)], 3));
    }
}
