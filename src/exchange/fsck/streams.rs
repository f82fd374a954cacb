//! The streams, one after the other by the store's own list of them: each is read from its beginning, its chain checked, folded as a
//! decision folds it, and let go. So what a check holds does not grow with the log. That they have the log's entries, and no others, a sum
//! tells; only where it does not are they looked for one by one.

use std::collections::BTreeSet;

use super::{At, BATCH, Check, ROWS, communiques::Rows, content::Noted, narrowed};
use crate::{
    domain::{
        entry::{Position, StreamId},
        id::Digest,
        register::PartyRecord,
        remark::Remarks,
        succession::Charters,
    },
    exchange::{
        load::Fold,
        ports::{ReadFailed, Stored},
    },
};

/// Of entries at their places in the log: the same in whatever order they are read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    pub(super) fn add(&mut self, index: u64, digest: Digest) {
        let both = Digest::of(&[&index.to_be_bytes()[..], digest.as_bytes()].concat());
        for (sum, word) in self.0.iter_mut().zip(both.as_bytes().chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_be_bytes(word.try_into().unwrap_or_default()));
        }
    }
}

/// A stream as it was read.
pub(super) struct Course<F> {
    /// What it comes to; none if it cannot be folded, which is a fault.
    pub(super) fold: Option<F>,
    /// How many of its entries were read, of those that the log had when this began.
    pub(super) entries: u64,
    pub(super) noted: Noted,
    position: Position,
    /// The place in the log of its last entry.
    last: Option<u64>,
}

/// How far a stream was read.
#[derive(Default)]
pub(super) struct Reached {
    next: u64,
    /// Read one after the other, since something among more could not be.
    single: bool,
    /// How many in turn could not be read.
    failed: usize,
    /// Whether any could not: then a gap is no fault of its own.
    pub(super) holes: bool,
    ended: bool,
}

impl Check {
    pub(super) async fn streams(&mut self) {
        // Packages and heads are judged by them.
        self.charters = self.walk::<Charters>(&StreamId::Exchange).await.fold.unwrap_or_default();
        let (mut rows, mut after, mut limit) = (Rows::default(), None, ROWS);
        while !self.faults.is_full() {
            match self.log(|| self.store.streams(after.clone(), limit)).await {
                Ok(page) if page.is_empty() => break,
                Ok(page) => {
                    for stream in &page {
                        self.one(stream, &mut rows).await;
                    }
                    after = page.last().cloned();
                }
                Err(ReadFailed) if limit > 1 => limit = 1,
                Err(ReadFailed) => {
                    let after = after.map_or("its beginning".to_owned(), |stream| stream.to_string());
                    self.faults.add(At::Streams, format!("it cannot be read on after {after}"));
                    break;
                }
            }
        }
        if !self.faults.is_full() {
            self.unnamed_rows(rows).await;
            self.strays().await;
        }
    }

    async fn one(&mut self, stream: &StreamId, rows: &mut Rows) {
        match stream {
            StreamId::Exchange => {}
            StreamId::Party(_) => drop(self.walk::<PartyRecord>(stream).await),
            StreamId::Remarks(_) => drop(self.walk::<Remarks>(stream).await),
            StreamId::Communique(id) => self.listed(*id, rows).await,
        }
    }

    /// Reads a stream, once in a check.
    pub(super) async fn walk<F: Fold>(&mut self, stream: &StreamId) -> Course<F> {
        let mut course = Course {
            fold: Some(F::default()),
            entries: 0,
            noted: Noted::default(),
            position: Position::default(),
            last: None,
        };
        let mut reached = Reached::default();
        while let Some(entries) = self.next_of(stream, &mut reached).await {
            // Past what cannot be read nothing folds.
            course.fold.take_if(|_| reached.holes);
            for stored in &entries {
                self.follow(&mut course, stream, stored, reached.holes).await;
            }
        }
        course.fold.take_if(|_| reached.holes);
        self.counts.streams += u64::from(course.entries > 0);
        course
    }

    /// The next entries of a stream, past what cannot be read; none at its end. If the log has what could not be read, that is found where
    /// the sums differ; else it is named in the log's order, and the next one may tell its stream.
    pub(super) async fn next_of(&self, stream: &StreamId, at: &mut Reached) -> Option<Vec<Stored>> {
        while !at.ended {
            let limit = if at.single { 1 } else { usize::try_from(BATCH).unwrap_or(1) };
            match self.log(|| self.store.stream(stream, at.next, limit)).await {
                Ok(entries) => {
                    at.next += entries.len() as u64;
                    at.ended = entries.len() < limit;
                    at.failed = 0;
                    return Some(entries);
                }
                Err(ReadFailed) if !at.single => at.single = true,
                Err(ReadFailed) => {
                    at.holes = true;
                    at.next += 1;
                    at.failed += 1;
                    at.ended = at.failed > self.damaged.len();
                }
            }
        }
        None
    }

    /// The next entry of a stream.
    async fn follow<F: Fold>(&mut self, course: &mut Course<F>, stream: &StreamId, stored: &Stored, holes: bool) {
        let bytes = stored.bytes.len() + stored.objects.iter().map(Vec::len).sum::<usize>();
        self.pace.spend_row(bytes).await;
        if stored.index < self.size {
            self.in_streams.add(stored.index, stored.digest);
            course.entries += 1;
        }
        let fault =
            if stored.entry.stream == *stream { self.chained(course, stored, holes) } else { Some(UNFIT.to_owned()) };
        let sound = fault.is_none() && !self.wrong.contains(&stored.index);
        if sound {
            course.noted.entry(stored);
        } else {
            course.fold = None;
        }
        // What does not fold may quote a draft, which no terminal need show.
        let unfit = course.fold.as_mut().is_some_and(|fold| fold.apply(stored).is_err());
        if unfit {
            course.fold = None;
        }
        if let Some(what) = fault.or_else(|| unfit.then(|| UNFIT.to_owned())) {
            let (stream, kind) = (Some(stored.entry.stream.clone()), Some(stored.entry.kind));
            self.faults.add(At::Entry { index: stored.index, stream, kind }, what);
        }
    }

    /// What is wrong with how it continues its stream.
    fn chained<F>(&mut self, course: &mut Course<F>, stored: &Stored, holes: bool) -> Option<String> {
        let Stored { index, entry, digest, .. } = stored;
        if entry.seq > course.position.length && holes {
            // What lies between may be what could not be read: the digest tells.
            if let Some(number) = entry.previous.and_then(|previous| self.nameless.remove(&previous))
                && let Some(At::Entry { stream, .. }) =
                    self.faults.listed_mut().get_mut(number).map(|found| &mut found.at)
            {
                *stream = Some(entry.stream.clone());
            }
            course.position.pass_gap(entry);
        }
        let Position { length, last } = course.position;
        let early = course.last.replace(*index).is_some_and(|before| before > *index);
        let fault = if early {
            Some(format!(
                "it is number {} of its stream, where number {} comes",
                entry.seq,
                entry.seq.saturating_sub(1)
            ))
        } else if course.position.advance(entry, *digest).is_ok() {
            None
        } else if entry.seq == length {
            let last = last.map_or("none".into(), |digest| digest.to_string());
            Some(format!("it names another entry before it than its stream has ({last})"))
        } else {
            Some(format!("it is number {} of its stream, where number {length} comes", entry.seq))
        };
        if fault.is_some() {
            course.position = Position { length: entry.seq.saturating_add(1), last: Some(*digest) };
        }
        fault
    }

    /// What the log has and the streams have not, where their sums differ. What could not be read in the log's order is named already.
    async fn strays(&mut self) {
        if self.in_streams == self.in_log {
            return;
        }
        let (mut next, mut told) = (0, BTreeSet::new());
        while next < self.size && !self.faults.is_full() {
            let check = &*self;
            let rows = narrowed(next, BATCH.min(self.size - next), |from, count| {
                let limit = usize::try_from(count).unwrap_or(usize::MAX);
                check.log(move || check.store.log(from, limit))
            });
            for (index, row) in rows.await {
                let Some(Stored { entry, digest, .. }) = row.ok().filter(|stored| stored.index == index) else {
                    continue;
                };
                let found = self.log(|| self.store.stream(&entry.stream, entry.seq, 1)).await;
                self.pace.spend_row(0).await;
                let what = match found.as_deref() {
                    Ok([found]) if (found.index, found.digest) == (index, digest) => continue,
                    Ok([]) | Err(ReadFailed) => "it is not found as the stream's, though the log has it",
                    Ok(_) => "the log has other entries of it than are found as the stream's",
                };
                if told.insert(entry.stream.clone()) {
                    self.faults.add(At::Stream { stream: entry.stream, seq: entry.seq }, what);
                }
            }
            next += BATCH;
        }
        if told.is_empty() && self.damaged.is_empty() {
            self.faults.add(At::Streams, "it has other entries than the log");
        }
    }
}

const UNFIT: &str = "it does not fit what its stream says before it";
