//! The streams, folded as a decision folds them, and the list of communiqués held against what they come to.

use std::collections::BTreeSet;

use super::{At, BATCH, Check, ROWS};
use crate::{
    domain::{
        entry::StreamId, id::CommuniqueId, life::Life, register::PartyRecord, remark::Remarks, succession::Charters,
    },
    exchange::{
        append,
        load::Fold,
        ports::{Listing, ListingQuery, ReadFailed},
    },
};

/// How often a row of the list is held against its stream again: it changes with the stream, and both are read one after the other.
const ATTEMPTS: usize = 16;

impl Check {
    pub(super) async fn streams(&mut self) {
        let streams: Vec<_> = self.streams.keys().cloned().collect();
        let mut lives = BTreeSet::new();
        for stream in streams {
            match &stream {
                StreamId::Exchange => {
                    if let Some(charters) = self.folded::<Charters>(&stream).await {
                        self.charters = charters;
                    }
                }
                StreamId::Party(_) => drop(self.folded::<PartyRecord>(&stream).await),
                StreamId::Remarks(_) => drop(self.folded::<Remarks>(&stream).await),
                StreamId::Communique(id) => drop(lives.insert(*id)),
            }
        }
        self.counts.communiques = lives.len() as u64;
        self.listings(&lives).await;
    }

    /// What a stream comes to; nothing if it cannot be folded, which is a fault.
    async fn folded<F: Fold>(&mut self, stream: &StreamId) -> Option<F> {
        if self.streams.get(stream).is_some_and(|seen| seen.broken) {
            return None;
        }
        let fold = self.fold::<F>(stream).await;
        if fold.is_none()
            && let Some(seen) = self.streams.get_mut(stream)
        {
            seen.broken = true;
        }
        fold
    }
    async fn fold<F: Fold>(&mut self, stream: &StreamId) -> Option<F> {
        let mut fold = F::default();
        let mut limit = usize::try_from(BATCH).unwrap_or(1);
        loop {
            let seq = fold.position().length;
            let at = At::Stream { stream: stream.clone(), seq };
            let entries = match self.log(|| self.store.stream(stream, seq, limit)).await {
                Ok(entries) => entries,
                // One after the other, up to the one.
                Err(ReadFailed) if limit > 1 => {
                    limit = 1;
                    continue;
                }
                Err(ReadFailed) => {
                    let read = self.streams.get(stream).map_or(0, |seen| seen.position.length);
                    // What could not be read in the log's order either is named there.
                    if seq < read || self.damaged.is_empty() {
                        self.faults.add(at, "it is not found as the stream's, though the log has it");
                    }
                    return None;
                }
            };
            let last = entries.len() < limit;
            for stored in entries {
                let bytes = stored.bytes.len() + stored.objects.iter().map(Vec::len).sum::<usize>();
                self.pace.spend_row(bytes).await;
                // What does not fold may quote a draft, which no terminal need show.
                if stored.entry.stream != *stream || fold.apply(&stored).is_err() {
                    let (stream, kind) = (Some(stored.entry.stream), Some(stored.entry.kind));
                    let at = At::Entry { index: stored.index, stream, kind };
                    self.faults.add(at, "it does not fit what its stream says before it");
                    return None;
                }
            }
            if last {
                break;
            }
        }
        let reached = fold.position();
        let before = self.streams.get(stream).map(|seen| seen.position).unwrap_or_default();
        if reached.length < before.length || reached.length == before.length && reached.last != before.last {
            let at = At::Stream { stream: stream.clone(), seq: reached.length.min(before.length) };
            self.faults.add(at, "the log has other entries of it than are found as the stream's");
            return None;
        }
        Some(fold)
    }

    /// The list, row by row.
    async fn listings(&mut self, lives: &BTreeSet<CommuniqueId>) {
        let mut listed = BTreeSet::new();
        let (mut after, mut limit) = (None, ROWS);
        loop {
            let query = ListingQuery { after, limit, ..ListingQuery::default() };
            match self.log(|| self.store.listings(query.clone())).await {
                Ok(rows) => {
                    let last = rows.len() < limit;
                    for row in rows {
                        listed.insert(row.communique);
                        self.listing(&row, after).await;
                        after = Some(row.communique);
                    }
                    if last {
                        break;
                    }
                }
                Err(ReadFailed) if limit > 1 => limit = 1,
                // The row after this one: the log knows which that is.
                Err(ReadFailed) => {
                    let next = lives.iter().find(|id| after.is_none_or(|after| **id > after)).copied();
                    self.faults.add(At::Listing(next), "its row cannot be read");
                    let Some(next) = next else { break };
                    listed.insert(next);
                    self.life(next).await;
                    after = Some(next);
                }
            }
            if self.faults.is_full() {
                return;
            }
        }
        for id in lives.difference(&listed) {
            self.faults.add(At::Listing(Some(*id)), "it is not there, though the log has the communiqué");
            self.life(*id).await;
        }
    }

    async fn life(&mut self, id: CommuniqueId) -> Option<Life> {
        self.folded::<Life>(&StreamId::Communique(id)).await
    }

    /// A row, and what its stream says; `before` is the row before it.
    async fn listing(&mut self, row: &Listing, before: Option<CommuniqueId>) {
        let id = row.communique;
        let mut row = row.clone();
        for _ in 0..ATTEMPTS {
            let Some(life) = self.life(id).await else { return };
            let Ok(folded) = append::listing(id, &life) else {
                return self.faults.add(At::Listing(Some(id)), "the log has no such communiqué");
            };
            if folded == row {
                return;
            }
            let query = ListingQuery { after: before, limit: 1, ..ListingQuery::default() };
            let again = self.log(|| self.store.listings(query.clone())).await.unwrap_or_default().pop();
            match again.filter(|again| again.communique == id && *again != row) {
                // It has changed: so has its stream.
                Some(again) => row = again,
                None => {
                    let what = format!(
                        "it says {}, revision {}; the log says {}, revision {}{}",
                        row.state,
                        row.revision,
                        folded.state,
                        folded.revision,
                        if (row.state, row.revision) == (folded.state, folded.revision) {
                            ", with other parties or another manifest"
                        } else {
                            ""
                        }
                    );
                    return self.faults.add(At::Listing(Some(id)), what);
                }
            }
        }
        self.faults.add(At::Listing(Some(id)), "it changed whenever it was looked at: check again when less is done");
    }
}
