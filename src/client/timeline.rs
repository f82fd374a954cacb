//! A communiqué's entries, one after another: each must be what the log's own chain says, and speak of what was shown before.

use std::collections::BTreeSet;

use super::reading::Revision;
use crate::{
    domain::{
        act::{Act, ActKind},
        entry::{Entry, Kind, Position, StreamId},
        id::{CommuniqueId, Digest, PartyId},
        json,
        refusal::{Refusal, same},
        statement::Statement,
        time::Time,
        view::{EventView, Happening},
    },
    msg,
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
            return Err(Refusal::disagrees("event.index", msg!("an index after the one before"), event.index));
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
                // What else is noted may speak of another communiqué's manifest.
                let of_ours = matches!(entry.kind, Kind::Opened | Kind::Completed | Kind::Published);
                if of_ours && !entry.documents.iter().all(|d| self.manifests.contains(d)) {
                    return Err(Refusal::disagrees(
                        "entry.documents",
                        msg!("a manifest that was shown"),
                        msg!("another value" => "another"),
                    ));
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
                return Err(Refusal::disagrees("act.manifest", msg!("a manifest that was shown"), act.body().manifest));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{id::Salt, view::Logged};

    fn id(n: u8) -> CommuniqueId {
        CommuniqueId::new(1_750_000_000_000, &[n; 10])
    }
    fn party() -> PartyId {
        PartyId::parse("north").unwrap()
    }
    /// An entry of communiqué 1 that names these documents, as an event.
    fn event(index: u64, kind: Kind, seq: u64, previous: Option<Digest>, documents: &[&[u8]]) -> EventView {
        let entry = Entry {
            documents: documents.iter().map(|d| Digest::of(d)).collect(),
            files: None,
            kind,
            previous,
            salt: Salt::new([0; 32]),
            seq,
            statements: vec![],
            stream: StreamId::Communique(id(1)),
            time: Time::from_unix(1_750_000_000 + i64::try_from(seq).unwrap()),
        };
        let objects = documents.iter().map(|d| d.to_vec()).collect();
        EventView { index, happening: Happening::Shown(Arc::new(Logged { entry: json::encode(&entry), objects })) }
    }
    fn escrowed(index: u64, of: u8) -> EventView {
        let happening = Happening::Escrowed { communique: id(of), party: party(), act: ActKind::Sign, revision: 1 };
        EventView { index, happening }
    }
    fn digest(event: &EventView) -> Option<Digest> {
        match &event.happening {
            Happening::Shown(logged) => Some(Digest::of(&logged.entry)),
            Happening::Escrowed { .. } => None,
        }
    }
    /// What becomes of these events, one after another.
    fn read(events: &[EventView]) -> Vec<&'static str> {
        let mut timeline = Timeline::of(id(1));
        timeline.manifests.insert(Digest::of(b"manifest"));
        events.iter().map(|event| timeline.next(event).map_or_else(|refusal| refusal.reason(), |_| "OK")).collect()
    }

    #[test]
    fn each_entry_follows_the_one_before() {
        let first = event(3, Kind::Revision, 0, None, &[b"manifest"]);
        let second = event(5, Kind::Opened, 1, digest(&first), &[b"manifest"]);
        let fourth = event(9, Kind::Completed, 3, Some(Digest::of(b"unseen")), &[b"manifest"]);
        let fifth = event(10, Kind::Opened, 4, digest(&fourth), &[b"manifest"]);
        assert_eq!(read(&[first.clone(), second.clone(), escrowed(7, 1), fourth.clone(), fifth]), ["OK"; 5]);
        // One left out, one for another, out of order, of another communiqué.
        assert_eq!(read(std::slice::from_ref(&second)), ["INCONSISTENT"]);
        assert_eq!(read(&[first.clone(), second.clone(), fourth]), ["OK", "OK", "INCONSISTENT"]);
        let other = event(5, Kind::Opened, 1, Some(Digest::of(b"another")), &[b"manifest"]);
        assert_eq!(read(&[first.clone(), other]), ["OK", "INCONSISTENT"]);
        let early = event(2, Kind::Opened, 1, digest(&first), &[b"manifest"]);
        assert_eq!(read(&[first.clone(), early]), ["OK", "DISAGREES"]);
        assert_eq!(read(&[first.clone(), escrowed(3, 1)]), ["OK", "DISAGREES"], "an index twice");
        assert_eq!(read(&[first.clone(), escrowed(7, 2)]), ["OK", "DISAGREES"]);
        let mut foreign = Timeline::of(id(2));
        assert_eq!(foreign.next(&first).map_err(|r| r.reason()).err(), Some("DISAGREES"));
    }

    #[test]
    fn an_entry_comes_with_what_it_names_and_speaks_of_what_was_shown() {
        let first = event(3, Kind::Revision, 0, None, &[b"manifest"]);
        let unknown = event(5, Kind::Opened, 1, digest(&first), &[b"another manifest"]);
        assert_eq!(read(&[first.clone(), unknown]), ["OK", "DISAGREES"]);
        for (objects, reason) in [
            (vec![], "DISAGREES"),
            (vec![b"manifest".to_vec(), vec![]], "DISAGREES"),
            (vec![b"Manifest".to_vec()], "WRONG_DIGEST"),
        ] {
            let Happening::Shown(logged) = &first.happening else { panic!() };
            let logged = Logged { objects, ..Logged::clone(logged) };
            let changed = EventView { happening: Happening::Shown(Arc::new(logged)), ..first.clone() };
            assert_eq!(read(&[changed]), [reason]);
        }
    }
}
