//! The log read again by rules of its own, and what was told of it.

use std::collections::{BTreeMap, BTreeSet};

use communique::{
    domain::{
        act::{Act, ActKind},
        entry::{Kind, StreamId},
        id::CommuniqueId,
    },
    exchange::ports::Stored,
    log::tree::{Edge, Hash},
};

use crate::{
    clients::Record,
    watchers::{Heard, Told},
    world::claims,
};

/// How much was found of each, and how much there was to find.
#[derive(Default, Debug)]
pub struct Judged {
    /// Acknowledged and not in the log where it was said to be.
    pub lost: usize,
    /// Acts that stand in the log more than once.
    pub doubled: usize,
    /// Acts on another revision than the newest.
    pub stale: usize,
    /// Entries that a watcher was told out of order, otherwise than they are, or not at all.
    pub disordered: usize,
    /// Signatures of others that were shown although the communiqué was never completed.
    pub unescrowed: usize,
    pub completed_twice: usize,
    /// Heads with another root than the log has at their size.
    pub forked: usize,
    /// Different heads that were shown.
    pub heads: usize,
    pub completed: usize,
    pub escrowed: usize,
}

impl Judged {
    pub fn is_clean(&self) -> bool {
        let found =
            [self.lost, self.doubled, self.stale, self.disordered, self.unescrowed, self.completed_twice, self.forked];
        found == [0; 7]
    }
}

pub fn judge(log: &[Stored], record: &Record, heard: &[Heard]) -> Judged {
    let mut judged = Judged::default();
    for (act, index, entry) in &record.acknowledged {
        let there = usize::try_from(*index).ok().and_then(|index| log.get(index));
        let is_there = there.is_some_and(|stored| stored.digest == *entry && stored.entry.statements.contains(act));
        judged.lost += usize::from(!is_there);
    }
    let mut roots = BTreeMap::new();
    let mut tree = Edge::default();
    for stored in log {
        tree.append(Hash::of_entry(stored.digest), |_, _| ()).unwrap();
        roots.insert(tree.size(), tree.root());
    }
    let heads: BTreeSet<_> = record.heads.iter().copied().collect();
    judged.heads = heads.len();
    judged.forked = heads.iter().filter(|(size, root)| roots.get(size) != Some(root)).count();

    let completed = replay(log, &mut judged);
    for heard in heard {
        watched(log, heard, &completed, &mut judged);
    }
    judged
}

/// Plays each communiqué again: its newest revision, and what was done on which. Answers those that were completed.
fn replay(log: &[Stored], judged: &mut Judged) -> BTreeSet<CommuniqueId> {
    let (mut once, mut newest, mut completed) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for stored in log {
        let StreamId::Communique(id) = stored.entry.stream else { continue };
        match stored.entry.kind {
            Kind::Revision | Kind::Act => {
                let objects = &stored.objects[stored.entry.documents.len()..];
                for (digest, bytes) in stored.entry.statements.iter().zip(objects) {
                    judged.doubled += usize::from(!once.insert(*digest));
                    let act: Act = claims(std::str::from_utf8(bytes).unwrap());
                    let last = newest.entry(id).or_insert(0);
                    if act.act == ActKind::Propose {
                        judged.stale += usize::from(act.revision != *last + 1);
                        *last = act.revision;
                    } else {
                        judged.stale += usize::from(act.revision != *last);
                    }
                }
            }
            Kind::Completed => {
                judged.completed += 1;
                judged.completed_twice += usize::from(!completed.insert(id));
            }
            _ => {}
        }
    }
    completed
}

/// Holds what a watcher was told against the log.
fn watched(log: &[Stored], heard: &Heard, completed: &BTreeSet<CommuniqueId>, judged: &mut Judged) {
    let mut next = 0;
    for (index, told) in &heard.told {
        let Some(stored) = usize::try_from(*index).ok().and_then(|index| log.get(index)) else {
            judged.disordered += 1;
            continue;
        };
        judged.disordered += usize::from(*index < next);
        next = index + 1;
        match told {
            Told::Shown(digest, entry) => {
                judged.disordered += usize::from(*digest != stored.digest);
                let StreamId::Communique(id) = entry.stream else { continue };
                let of_others = signature_of(stored).is_some_and(|party| party != heard.of);
                judged.unescrowed += usize::from(of_others && !completed.contains(&id));
            }
            Told::Escrowed(id) => {
                judged.escrowed += 1;
                judged.disordered += usize::from(stored.entry.stream != StreamId::Communique(*id));
            }
        }
    }
    // Each of these parties is named by every communiqué here: it is told of every entry of them.
    let told: BTreeSet<u64> = heard.told.iter().map(|(index, _)| *index).collect();
    let of_all = log.iter().filter(|stored| matches!(stored.entry.stream, StreamId::Communique(_)));
    judged.disordered += of_all.filter(|stored| !told.contains(&stored.index)).count();
}

/// Whose signature an entry is, if it is one.
fn signature_of(stored: &Stored) -> Option<String> {
    let bytes = (stored.entry.kind == Kind::Act).then(|| stored.objects.last()).flatten()?;
    let act: Act = claims(std::str::from_utf8(bytes).unwrap());
    matches!(act.act, ActKind::Sign).then(|| act.party.to_string())
}
