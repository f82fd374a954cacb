//! The list of communiqués, held row by row against what their streams come to. Both are read by rising id, side by side.

use std::collections::VecDeque;

use super::{At, Check, ROWS, streams::Reached};
use crate::{
    domain::{entry::StreamId, id::CommuniqueId, life::Life},
    exchange::{
        append,
        ports::{Listing, ListingQuery, ReadFailed},
    },
};

/// How often a row of the list is held against its stream again: it changes with the stream, and both are read one after the other.
const ATTEMPTS: usize = 16;

/// The list, as far as it was read.
pub(super) struct Rows {
    page: VecDeque<Listing>,
    /// The last row that was taken, or that could not be read.
    after: Option<CommuniqueId>,
    limit: usize,
    ended: bool,
}

impl Default for Rows {
    fn default() -> Self {
        Self { page: VecDeque::new(), after: None, limit: ROWS, ended: false }
    }
}

/// A row, and the one before it.
struct Row {
    listing: Listing,
    before: Option<CommuniqueId>,
}

impl Rows {
    /// The next row, if it is of a communiqué up to this one.
    fn take(&mut self, most: Option<CommuniqueId>) -> Option<Row> {
        let listing = self.page.pop_front_if(|row| most.is_none_or(|most| row.communique <= most))?;
        let before = self.after.replace(listing.communique);
        Some(Row { listing, before })
    }
}

impl Check {
    /// A communiqué that has entries, with its row, and the rows before it.
    pub(super) async fn listed(&mut self, id: CommuniqueId, rows: &mut Rows) {
        loop {
            if self.fill(rows).await.is_err() {
                // The row after the last one that could be read: the streams know which that is.
                self.faults.add(At::Listing(Some(id)), "its row cannot be read");
                rows.after = Some(id);
                self.communique(id, None).await;
                return;
            }
            let Some(row) = rows.take(Some(id)) else { break };
            let of = row.listing.communique;
            self.communique(of, Some(row)).await;
            if of == id {
                return;
            }
        }
        // What has come since the list was read was not in the log when this began.
        if self.communique(id, None).await {
            self.faults.add(At::Listing(Some(id)), "it is not there, though the log has the communiqué");
        }
    }

    /// The rows that are left once all streams were read.
    pub(super) async fn unnamed_rows(&mut self, mut rows: Rows) {
        while !self.faults.is_full() {
            if self.fill(&mut rows).await.is_err() {
                self.faults.add(At::Listing(None), "its row cannot be read");
                return;
            }
            let Some(row) = rows.take(None) else { return };
            self.communique(row.listing.communique, Some(row)).await;
        }
    }

    /// Reads the list on, if no row is left of what was read.
    async fn fill(&mut self, rows: &mut Rows) -> Result<(), ReadFailed> {
        while rows.page.is_empty() && !rows.ended {
            let query = ListingQuery { after: rows.after, limit: rows.limit, ..ListingQuery::default() };
            match self.log(|| self.store.listings(query.clone())).await {
                Ok(page) => {
                    rows.ended = page.len() < rows.limit;
                    rows.page = page.into();
                }
                Err(ReadFailed) if rows.limit > 1 => rows.limit = 1,
                Err(ReadFailed) => return Err(ReadFailed),
            }
        }
        Ok(())
    }
    /// The row of a communiqué as it is now, somewhere after this one: others may have come between.
    async fn row_of(&self, id: CommuniqueId, mut after: Option<CommuniqueId>) -> Option<Listing> {
        loop {
            let query = ListingQuery { after, limit: 1, ..ListingQuery::default() };
            let row = self.log(|| self.store.listings(query.clone())).await.unwrap_or_default().pop()?;
            if row.communique >= id {
                return Some(row).filter(|row| row.communique == id);
            }
            after = Some(row.communique);
        }
    }

    /// A communiqué and all that it needs. Whether the log had any entry of it when this began.
    async fn communique(&mut self, id: CommuniqueId, row: Option<Row>) -> bool {
        let course = self.walk::<Life>(&StreamId::Communique(id)).await;
        let there = course.entries > 0;
        self.counts.communiques += u64::from(there);
        if let (Some(row), Some(life)) = (row, course.fold) {
            self.compare(row, life).await;
        }
        self.needs(id, course.noted).await;
        there
    }

    /// A row, and what its stream says.
    async fn compare(&mut self, row: Row, mut life: Life) {
        let Row { listing: mut row, before } = row;
        let id = row.communique;
        for _ in 0..ATTEMPTS {
            let Ok(folded) = append::listing(id, &life) else {
                return self.faults.add(At::Listing(Some(id)), "the log has no such communiqué");
            };
            if folded == row {
                return;
            }
            let again = self.row_of(id, before).await;
            let Some(later) = self.life_again(id).await else {
                // What keeps it from being folded is found by the next check.
                return;
            };
            match again {
                // Either has changed since it was read.
                Some(again) if again != row || append::listing(id, &later).as_ref() != Ok(&folded) => {
                    (row, life) = (again, later);
                }
                _ => {
                    return self.faults.add(At::Listing(Some(id)), differing(&row, &folded));
                }
            }
        }
        self.faults.add(At::Listing(Some(id)), "it changed whenever it was looked at: check again when less is done");
    }
    async fn life_again(&mut self, id: CommuniqueId) -> Option<Life> {
        let (stream, mut life, mut reached) = (StreamId::Communique(id), Life::default(), Reached::default());
        while let Some(entries) = self.next_of(&stream, &mut reached).await {
            for stored in &entries {
                self.pace.spend_row(stored.bytes.len()).await;
                life.apply(stored.recorded()).ok()?;
            }
        }
        (!reached.holes).then_some(life)
    }
}

/// What a row says that the log does not.
fn differing(row: &Listing, folded: &Listing) -> String {
    let alike = (row.state, row.revision) == (folded.state, folded.revision);
    format!(
        "it says {}, revision {}; the log says {}, revision {}{}",
        row.state,
        row.revision,
        folded.state,
        folded.revision,
        if alike { ", with other parties or another manifest" } else { "" }
    )
}
