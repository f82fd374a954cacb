//! Loading: streams folded into what a decision looks at. Folds are kept and carried on from where they stood; a kept
//! fold can be dropped at any time, and the log tells the same again.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use super::ports::{ReadFailed, Store, Stored};
use crate::domain::{
    charter::Charter,
    document::Document,
    entry::{Position, Recorded, StreamId},
    id::{CommuniqueId, Digest, PartyId},
    life::Life,
    refusal::Refusal,
    register::{Charters, PartyRecord},
};

/// How many folds of a kind are kept before all are dropped.
const KEPT: usize = 4096;
/// How many entries are read at a time.
const BATCH: usize = 512;

/// What a stream amounts to.
trait Fold: Clone + Default {
    fn position(&self) -> Position;
    fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal>;
}

macro_rules! fold {
    ($($ty:ty),+) => {$(
        impl Fold for $ty {
            fn position(&self) -> Position { Self::position(self) }
            fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> { Self::apply(self, r) }
        }
    )+};
}
fold!(Charters, PartyRecord, Life);

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

struct Kept<K, F>(Mutex<HashMap<K, Arc<F>>>);

impl<K, F> Default for Kept<K, F> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, F: Fold> Kept<K, F> {
    async fn load(&self, store: &dyn Store, key: K, stream: StreamId) -> Result<Arc<F>, Refusal> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let mut fold = kept.unwrap_or_default();
        let mut grown = false;
        loop {
            let entries = store.stream(&stream, fold.position().length, BATCH).await?;
            let last = entries.len() < BATCH;
            for stored in &entries {
                if stored.entry.stream != stream {
                    return Err(Refusal::Inconsistent { what: format!("entry {} is not of {stream}", stored.index) });
                }
                Arc::make_mut(&mut fold).apply(stored.recorded())?;
                grown = true;
            }
            if last {
                break;
            }
        }
        if grown {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(key, fold.clone());
        }
        Ok(fold)
    }
}

/// The folds that are kept.
#[derive(Default)]
pub struct Folds {
    charters: Kept<(), Charters>,
    parties: Kept<PartyId, PartyRecord>,
    lives: Kept<CommuniqueId, Life>,
}

impl Folds {
    /// The stream `exchange`.
    pub async fn charters(&self, store: &dyn Store) -> Result<Arc<Charters>, Refusal> {
        self.charters.load(store, (), StreamId::Exchange).await
    }
    /// A party's stream.
    pub async fn party(&self, store: &dyn Store, id: &PartyId) -> Result<Arc<PartyRecord>, Refusal> {
        self.parties.load(store, id.clone(), StreamId::Party(id.clone())).await
    }
    /// Several parties' streams.
    pub async fn parties(
        &self,
        store: &dyn Store,
        ids: Vec<PartyId>,
    ) -> Result<BTreeMap<PartyId, Arc<PartyRecord>>, Refusal> {
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
}

/// The charter in force and the founding one's digest.
///
/// # Errors
/// [`Refusal::Inconsistent`] in a log that was never founded.
pub fn in_force(charters: &Charters) -> Result<(&Document<Charter>, Digest), Refusal> {
    charters
        .in_force()
        .zip(charters.founding())
        .ok_or_else(|| Refusal::Inconsistent { what: "no charter is in force; found the exchange first".into() })
}
