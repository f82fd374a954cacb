//! What happened: the log read on from an index, each entry as far as the caller may see it. The log is the one source;
//! that this exchange appended only says when to look.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex, watch};

use super::{
    Exchange,
    access::{ListEvents, Permit, Watch},
    filling::Filling,
    ports::Stored,
    sight::{Escrowed, Scope, Sight},
};
use crate::{
    domain::{
        entry::StreamId,
        id::{CommuniqueId, PartyId},
        refusal::Refusal,
        view::{EventView, Happening, Logged, Page},
    },
    msg,
};

/// How many entries are read at a time.
const BATCH: usize = 64;
/// How many entries are kept for whoever comes next.
const KEPT: usize = 1024;
/// How many bytes of entries and objects are kept.
const KEPT_BYTES: usize = 32 << 20;

/// How many spans of own entries are remembered.
const OWN: usize = 1024;

/// How often the log is looked at when nobody said that it has grown.
const LOOK: Duration = Duration::from_secs(5);

/// An entry, read once for all watchers: what it says, and whom it is for. What a party may see of it is asked anew by each.
pub(super) struct Seen {
    stored: Stored,
    logged: Arc<Logged>,
    scope: Scope,
}

impl Seen {
    fn bytes(&self) -> usize {
        self.logged.entry.len() + self.logged.objects.iter().map(Vec::len).sum::<usize>()
    }
}

/// The log's newest entries, without a gap, so that a thousand watchers read them once.
#[derive(Default)]
pub(super) struct Recent(Mutex<Tail>);

#[derive(Default)]
struct Tail {
    entries: VecDeque<Arc<Seen>>,
    bytes: usize,
}

impl Tail {
    /// The index after the last one kept.
    fn next(&self) -> Option<u64> {
        self.entries.back().map(|seen| seen.stored.index + 1)
    }
    /// At most a batch from this index on; nothing if they are not kept.
    fn from(&self, index: u64) -> Vec<Arc<Seen>> {
        let first = self.entries.front().map_or(u64::MAX, |seen| seen.stored.index);
        let Some(skip) = index.checked_sub(first).and_then(|n| usize::try_from(n).ok()) else { return vec![] };
        self.entries.iter().skip(skip).take(BATCH).cloned().collect()
    }
    /// Keeps what follows; what lies apart begins anew.
    fn keep(&mut self, seen: &[Arc<Seen>]) {
        let Some(first) = seen.first() else { return };
        if self.next() != Some(first.stored.index) {
            self.entries.clear();
            self.bytes = 0;
        }
        for seen in seen {
            self.bytes += seen.bytes();
            self.entries.push_back(seen.clone());
        }
        while self.entries.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

/// Spans of the log that this process appended and has told of, from their first index to that after their last: whoever looks for what
/// others have appended need not read them.
#[derive(Default)]
pub(super) struct Own(std::sync::Mutex<BTreeMap<u64, u64>>);

impl Own {
    /// Adds a span. Some oldest ones may be forgotten.
    pub(super) fn add(&self, mut first: u64, mut end: u64) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, _)) = spans.range(..first).next_back().filter(|(_, until)| **until == first) {
            first = *before;
        }
        if let Some(until) = spans.remove(&end) {
            end = until;
        }
        spans.insert(first, end);
        if spans.len() > OWN {
            spans.pop_first();
        }
    }
    /// The first index from this on that is in none. What lies before is forgotten.
    fn past(&self, mut from: u64) -> u64 {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(span) = spans.first_entry().filter(|span| *span.key() <= from) {
            from = from.max(span.remove());
        }
        from
    }
}

/// A watcher: where it stands, and for whom it looks. Every entry passes once, in log order.
pub struct Watching {
    exchange: Arc<Exchange>,
    party: PartyId,
    of: Option<CommuniqueId>,
    next: u64,
    grown: watch::Receiver<u64>,
}

impl Exchange {
    /// Begins to watch from this index (from the log's end, without one), all that the caller may see or one communiqué.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an index beyond the log's end; [`Refusal::NotFound`] for a communiqué that does not name
    /// the caller's party.
    pub async fn watch(
        self: &Arc<Self>,
        permit: Permit<Watch>,
        from: Option<u64>,
        of: Option<CommuniqueId>,
    ) -> Result<Watching, Refusal> {
        if let Some(id) = of {
            self.visible_life(&permit, id).await?;
        }
        let end = self.store.last().await?.map_or(0, |last| last.index + 1);
        let next = from.unwrap_or(end);
        if next > end {
            return Err(Refusal::malformed(
                "from_index",
                msg!(
                    "is beyond the log's end: the next entry has the index {end}; was this read from another exchange?",
                    end
                ),
            ));
        }
        let party = permit.party().clone();
        Ok(Watching { exchange: self.clone(), party, of, next, grown: self.grown.subscribe() })
    }

    /// The entries of a communiqué's own stream, in log order, as [`Exchange::watch`] shows them; `after` is how many the
    /// pages before have looked at. Each row comes with where it is in the stream, counted from 1.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn events(
        &self,
        permit: Permit<ListEvents>,
        id: CommuniqueId,
        after: u64,
        limit: usize,
    ) -> Result<Page<(u64, EventView)>, Refusal> {
        self.visible_life(&permit, id).await?;
        let (mut page, mut next) = (Filling::new(limit), after);
        loop {
            let batch = self.store.stream(&StreamId::Communique(id), next, BATCH).await?;
            let last = batch.len() < BATCH;
            for stored in batch {
                if page.is_full() {
                    return Ok(page.more());
                }
                next += 1;
                let seen = self.seen(stored).await?;
                match self.event(permit.party(), &seen).await? {
                    Some(event) => page.push(next, seen.bytes(), (next, event)),
                    None => page.pass(next),
                }
            }
            if last {
                return Ok(page.end());
            }
        }
    }

    /// Ticks when another process may have appended; ends where none can.
    #[must_use]
    pub fn heard(&self) -> watch::Receiver<u64> {
        self.store.heard()
    }

    /// Reads on from this index (from the log's end, without one) what other processes may have appended: watchers are woken, and the door
    /// where trust or the charter may have changed. Answers where to go on.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::Inconsistent`].
    pub async fn look(&self, from: Option<u64>) -> Result<u64, Refusal> {
        let mut next = match from {
            Some(from) => from,
            None => self.store.last().await?.map_or(0, |last| last.index + 1),
        };
        loop {
            // Where somebody watches, the entries are read in any case, once for all, and without a gap.
            if self.grown.receiver_count() == 0 {
                next = self.own.past(next);
            }
            let batch = self.batch(next).await?;
            let Some(last) = batch.last() else { return Ok(next) };
            next = last.stored.index + 1;
            let of_trust =
                |seen: &Arc<Seen>| matches!(seen.stored.entry.stream, StreamId::Exchange | StreamId::Party(_));
            if batch.iter().any(of_trust) {
                self.trust_changed.send_modify(|epoch| *epoch += 1);
            }
        }
    }

    async fn seen(&self, stored: Stored) -> Result<Seen, Refusal> {
        let scope = self.scope(&stored).await?;
        let logged = Arc::new(Logged { entry: stored.bytes.clone(), objects: stored.objects.clone() });
        Ok(Seen { stored, logged, scope })
    }

    /// What this party may see of the entry, now.
    async fn event(&self, party: &PartyId, seen: &Seen) -> Result<Option<EventView>, Refusal> {
        let happening = match self.sight(party, &seen.stored, &seen.scope).await? {
            Sight::Hidden => return Ok(None),
            Sight::Shown => Happening::Shown(seen.logged.clone()),
            Sight::Escrowed(communique, Escrowed { party, act, revision }) => {
                Happening::Escrowed { communique, party, act, revision }
            }
        };
        Ok(Some(EventView { index: seen.stored.index, happening }))
    }

    /// The next entries from this index on; empty at the log's end.
    async fn batch(&self, from: u64) -> Result<Vec<Arc<Seen>>, Refusal> {
        // Who waits for the same entries waits here, and finds them read. Whoever is far behind reads on its own.
        let mut tail = self.recent.0.lock().await;
        let kept = tail.from(from);
        if !kept.is_empty() {
            return Ok(kept);
        }
        let behind = tail.next().is_some_and(|next| from < next);
        if behind {
            drop(tail);
            return self.read(from).await;
        }
        let read = self.read(from).await?;
        tail.keep(&read);
        if let Some(next) = tail.next() {
            // Whoever was not told, since whoever appended had hung up, hears it now.
            self.grown.send_if_modified(|told| std::mem::replace(told, next.max(*told)) < next);
        }
        Ok(read)
    }

    async fn read(&self, from: u64) -> Result<Vec<Arc<Seen>>, Refusal> {
        let mut read = Vec::new();
        for stored in self.store.log(from, BATCH).await? {
            read.push(Arc::new(self.seen(stored).await?));
        }
        Ok(read)
    }
}

impl Watching {
    /// The index from which on nothing was given out yet: where to watch again.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.next
    }
    /// Waits until the log has grown beyond where this stands, and gives what may be seen of the next entries. That may be
    /// nothing; [`Self::next_index`] has moved all the same.
    ///
    /// Dropped while it waits, it has not moved.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::Inconsistent`].
    pub async fn events(&mut self) -> Result<Vec<EventView>, Refusal> {
        loop {
            // Marked before the log is read: what is appended in between wakes again.
            self.grown.mark_unchanged();
            let batch = self.exchange.batch(self.next).await?;
            let Some(last) = batch.last() else {
                // An append whose caller hung up tells nobody: the log is looked at now and then all the same.
                match tokio::time::timeout(LOOK, self.grown.changed()).await {
                    Ok(Ok(())) | Err(_) => continue,
                    Ok(Err(_)) => return Err(Refusal::Draining),
                }
            };
            let next = last.stored.index + 1;
            let mut events = Vec::new();
            for seen in &batch {
                if self.concerns(&seen.stored)
                    && let Some(event) = self.exchange.event(&self.party, seen).await?
                {
                    events.push(event);
                }
            }
            self.next = next;
            return Ok(events);
        }
    }
    fn concerns(&self, stored: &Stored) -> bool {
        self.of.is_none_or(|of| match &stored.entry.stream {
            StreamId::Communique(id) | StreamId::Remarks(id) => *id == of,
            StreamId::Exchange | StreamId::Party(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_spans_are_passed_over_and_no_other_entry_is() {
        let own = Own::default();
        // Whoever appends tells of it in any order.
        for (first, end) in [(7, 9), (3, 5), (5, 7), (11, 12)] {
            own.add(first, end);
        }
        assert_eq!(*own.0.lock().unwrap(), BTreeMap::from([(3, 9), (11, 12)]));
        assert_eq!([own.past(2), own.past(3), own.past(10), own.past(11), own.past(11)], [2, 9, 10, 12, 11]);
        for n in 0..=OWN as u64 {
            own.add(20 + 2 * n, 21 + 2 * n);
        }
        assert_eq!((own.past(20), own.past(22)), (20, 23), "the oldest is forgotten, and read again");
    }
}
