//! What every backend checks of an append before it writes a row, and how it answers whoever asked.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

use crate::{
    domain::{entry::StreamId, id::Digest, time::Time},
    exchange::ports::{Append, AppendError, Appended},
};

/// Most entries of one append.
pub const ENTRIES_LIMIT: usize = 1024;
/// Most streams that one append compares, and most objects that it says are new.
pub const EXPECT_LIMIT: usize = 4096;
/// Most bytes of one append, entries and objects together.
pub const BYTES_LIMIT: usize = 64 << 20;

/// What can be checked without a row, before the queue: an append that never could go in never gets there.
pub(super) fn examine(append: &Append) -> Result<(), AppendError> {
    examined(append).map_err(breach)
}

fn examined(append: &Append) -> Result<(), &'static str> {
    if append.entries.is_empty() {
        return Err("it appends nothing");
    }
    if append.entries.len() > ENTRIES_LIMIT
        || append.expect.len() > EXPECT_LIMIT
        || append.unlogged.len() > EXPECT_LIMIT
    {
        return Err("it has too many entries, streams or new objects");
    }
    if size(append) > BYTES_LIMIT {
        return Err("it is too large");
    }
    let mut time = None;
    for new in &append.entries {
        if time.replace(new.entry.time).is_some_and(|before| before > new.entry.time) {
            return Err("its entries go back in time");
        }
        let named: HashSet<_> = new.entry.documents.iter().chain(&new.entry.statements).collect();
        if new.objects.iter().any(|object| !named.contains(&object.digest())) {
            return Err("an object is not named by its entry");
        }
    }
    Ok(())
}

/// The bytes of an append, entries and objects together.
pub(super) fn size(append: &Append) -> usize {
    append
        .entries
        .iter()
        .map(|e| e.entry.bytes().len() + e.objects.iter().map(|o| o.bytes().len()).sum::<usize>())
        .sum()
}

/// Whether these are the numbers from `from` on, none left out. `from` is the caller's and may be the largest there is.
pub(super) fn gapless(from: u64, numbers: impl Iterator<Item = u64>) -> bool {
    (0..).zip(numbers).all(|(n, number)| from.checked_add(n) == Some(number))
}

/// Those of these that are names of streams.
pub(super) fn parsed(names: &[impl AsRef<[u8]>]) -> Vec<StreamId> {
    let name = |name: &[u8]| {
        let name = std::str::from_utf8(name).ok()?;
        name.parse().ok().filter(|stream: &StreamId| stream.to_string() == name)
    };
    names.iter().filter_map(|bytes| name(bytes.as_ref())).collect()
}

/// A stream's end.
#[derive(Clone, Copy)]
pub(super) struct Tip {
    pub(super) length: u64,
    pub(super) last: Option<Digest>,
}

/// What a backend tells of its rows, with all that earlier appends of the same transaction have done.
pub(super) trait Rows {
    /// Why it cannot tell.
    type Fault;
    /// Where a stream ends. A damaged end refuses the append.
    fn tip(&mut self, stream: &StreamId) -> Result<Tip, Refused<Self::Fault>>;
    /// Whether it holds an object. One that was changed refuses the append.
    fn holds(&mut self, object: &Digest) -> Result<bool, Refused<Self::Fault>>;
}

/// Why one append of a transaction does not go in.
pub(super) enum Refused<F> {
    /// It alone: nothing of it was written.
    This(AppendError),
    /// The database fails: the transaction cannot go on.
    All(F),
}

/// Checks one append against the rows, and against the time of the log's last entry. Answers where the streams that it carries on will
/// end.
pub(super) fn check<'a, R: Rows>(
    append: &'a Append,
    last: Option<Time>,
    rows: &mut R,
) -> Result<HashMap<&'a StreamId, Tip>, Refused<R::Fault>> {
    let no = |error| Err(Refused::This(error));
    for (stream, length) in &append.expect {
        if rows.tip(stream)?.length != *length {
            return no(AppendError::Conflict);
        }
    }
    let mut tips: HashMap<&StreamId, Tip> = HashMap::new();
    let mut given = HashSet::new();
    for new in &append.entries {
        let entry = &new.entry;
        let tip = match tips.get(&entry.stream) {
            Some(tip) => *tip,
            None => rows.tip(&entry.stream)?,
        };
        if entry.seq < tip.length {
            return no(AppendError::Conflict);
        }
        if entry.seq > tip.length || entry.previous != tip.last {
            return no(breach("an entry does not continue its stream"));
        }
        if let Some(last) = last.filter(|last| entry.time < *last) {
            return no(AppendError::Behind(last));
        }
        given.extend(new.objects.iter().map(|object| object.digest()));
        for named in entry.documents.iter().chain(&entry.statements) {
            match rows.holds(named)? {
                true if append.unlogged.contains(named) => return no(AppendError::Conflict),
                false if !given.contains(named) => return no(breach("an entry names an object that is not there")),
                _ => {}
            }
        }
        tips.insert(&entry.stream, Tip { length: entry.seq + 1, last: Some(entry.digest()) });
    }
    Ok(tips)
}

/// An append that no correct caller makes: refused, and told to the operator.
fn breach(reason: &'static str) -> AppendError {
    tracing::error!(reason, "an append breaks the store's contract");
    AppendError::Failed
}

/// A caller's place. Answers on its own if it is dropped, so that a writer that dies leaves no caller without the truth.
pub(super) struct Ticket {
    answer: Option<oneshot::Sender<Result<Appended, AppendError>>>,
    /// Whether its append may be stored from now on.
    pub(super) committing: bool,
}

impl Ticket {
    /// A place, and where its answer will be heard.
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<Appended, AppendError>>) {
        let (answer, outcome) = oneshot::channel();
        (Self { answer: Some(answer), committing: false }, outcome)
    }
    pub(super) fn answer(mut self, outcome: Result<Appended, AppendError>) {
        self.send(outcome);
    }
    fn send(&mut self, outcome: Result<Appended, AppendError>) {
        if let Some(answer) = self.answer.take() {
            // A caller that has gone no longer asks; the append stands or falls without it.
            let _ = answer.send(outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.send(Err(if self.committing { AppendError::Unknown } else { AppendError::Failed }));
    }
}
