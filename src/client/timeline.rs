//! A communiqué's entries, one after another: each must be what the log's own chain says, and speak of what was shown before.

use std::collections::BTreeSet;

use super::reading::Revision;
use crate::domain::{
    act::{Act, ActKind},
    entry::{Entry, Kind, Position, StreamId},
    id::{CommuniqueId, Digest, PartyId},
    json,
    refusal::{Refusal, same},
    statement::Statement,
    time::Time,
    view::{EventView, Happening},
};

/// Something that was done to a communiqué.
#[derive(Clone, Debug)]
pub struct Happened {
    /// The entry's index in the log.
    pub index: u64,
    /// Log time: the exchange's clock. Unknown of what lies in escrow.
    pub time: Option<Time>,
    /// What it was.
    pub what: What,
}

/// What was done.
#[derive(Clone, Debug)]
pub enum What {
    /// A revision was proposed. Verified.
    Revision(Box<Revision>),
    /// Another act. Verified.
    Act(Box<Statement<Act>>),
    /// Another party's signature, in escrow: the exchange's word.
    Escrowed {
        /// Whose.
        party: PartyId,
        /// Which act.
        act: ActKind,
        /// On which revision.
        revision: u64,
    },
    /// What the exchange wrote itself: it opened, completed, published.
    Noted(Kind),
}

/// An entry whose bytes hold together.
pub(super) enum Step {
    Escrowed { party: PartyId, act: ActKind, revision: u64 },
    Logged(Entry, Vec<Vec<u8>>),
}

/// What was shown so far.
pub(super) struct Timeline {
    id: CommuniqueId,
    /// Where the stream stands; its last digest is not known after an entry in escrow.
    length: u64,
    last: Option<Option<Digest>>,
    index: Option<u64>,
    manifests: BTreeSet<Digest>,
    pub time: Option<Time>,
    pub happened: Vec<Happened>,
}

impl Timeline {
    pub fn of(id: CommuniqueId) -> Self {
        Self {
            id,
            length: 0,
            last: Some(None),
            index: None,
            manifests: BTreeSet::new(),
            time: None,
            happened: Vec::new(),
        }
    }

    /// Takes the next event: it must be the next of the stream, come later in the log, and have the objects that it names.
    pub fn next(&mut self, event: &EventView) -> Result<Step, Refusal> {
        if self.index.is_some_and(|before| event.index <= before) {
            return Err(Refusal::disagrees("event.index", "an index after the one before", event.index));
        }
        self.index = Some(event.index);
        match &event.happening {
            Happening::Escrowed { communique, party, act, revision } => {
                same("event.communique", self.id, *communique)?;
                (self.length, self.last, self.time) = (self.length + 1, None, None);
                Ok(Step::Escrowed { party: party.clone(), act: *act, revision: *revision })
            }
            Happening::Shown(logged) => {
                let entry: Entry = json::parse(&logged.entry)?;
                same("entry.stream", StreamId::Communique(self.id), entry.stream.clone())?;
                let digest = Digest::of(&logged.entry);
                let mut position = Position { length: self.length, last: self.last.unwrap_or(entry.previous) };
                position.advance(&entry, digest)?;
                named(&entry, &logged.objects)?;
                if entry.kind != Kind::Revision && !entry.documents.iter().all(|d| self.manifests.contains(d)) {
                    return Err(Refusal::disagrees("entry.documents", "a manifest that was shown", "another"));
                }
                (self.length, self.last, self.time) = (position.length, Some(position.last), Some(entry.time));
                Ok(Step::Logged(entry, logged.objects.clone()))
            }
        }
    }

    /// What was verified of the event taken last.
    pub fn knows(&mut self, what: &What) -> Result<(), Refusal> {
        match what {
            What::Revision(revision) => {
                self.manifests.insert(revision.manifest.digest());
            }
            What::Act(act) if !self.manifests.contains(&act.body().manifest) => {
                return Err(Refusal::disagrees("act.manifest", "a manifest that was shown", act.body().manifest));
            }
            What::Act(_) | What::Escrowed { .. } | What::Noted(_) => {}
        }
        Ok(())
    }
}

/// That objects are the ones that an entry names, by digest and in its order.
///
/// # Errors
/// [`Refusal::Disagrees`], [`Refusal::WrongDigest`].
pub fn named(entry: &Entry, objects: &[Vec<u8>]) -> Result<(), Refusal> {
    let names: Vec<_> = entry.documents.iter().chain(&entry.statements).collect();
    same("event.objects", names.len(), objects.len())?;
    for (name, bytes) in names.into_iter().zip(objects) {
        let actual = Digest::of(bytes);
        if actual != *name {
            return Err(Refusal::WrongDigest { expected: *name, actual });
        }
    }
    Ok(())
}
