//! Runs the log of a package again: each entry must be what the rules of the domain decide from those before it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    check::{Check, Failure},
    write::Contents,
};
use crate::domain::{
    entry::{Entry, Kind, Position, Recorded, Step, StreamId},
    id::{Digest, PartyId},
    key::PublicKey,
    life::{Context, Life, Past},
    powers::Powers,
    refusal::Refusal,
    register::{self, PartyRecord},
    statement::{Body, Unverified},
    succession::{Charters, Standing},
    time::Time,
};

/// An entry of the package with what it names.
pub(super) struct Record {
    pub index: u64,
    pub digest: Digest,
    pub entry: Entry,
    pub objects: Vec<Vec<u8>>,
}

impl Record {
    fn recorded(&self) -> Recorded<'_> {
        Recorded { index: self.index, digest: self.digest, entry: &self.entry, objects: &self.objects }
    }
    fn fails(&self, check: Check, why: impl std::fmt::Display) -> Failure {
        check.fails(format!("entry {}: {why}", self.index))
    }
    fn statement<B: Body>(&self, check: Check) -> Result<Unverified<B>, Failure> {
        self.recorded().statement(0).and_then(|compact| Unverified::parse(compact)).map_err(|e| self.fails(check, e))
    }
    /// Demands that it records exactly this.
    fn is(&self, step: &Step, check: Check) -> Result<(), Failure> {
        let Entry { kind, documents, statements, .. } = &self.entry;
        if (kind, documents, statements) == (&step.kind, &step.documents, &step.statements) {
            Ok(())
        } else {
            Err(self.fails(check, format!("it is not the {:?} entry that the rules ask for here", step.kind)))
        }
    }
}

/// What the log of a package comes to.
#[derive(Default)]
pub(super) struct Replay {
    pub charters: Charters,
    pub parties: BTreeMap<PartyId, PartyRecord>,
    pub life: Life,
    /// What the last act made due and the log has not shown yet.
    due: VecDeque<Step>,
    /// Index and time of the entry before.
    before: Option<(u64, Time)>,
}

/// Replays every entry, in log order, up to `published`.
pub(super) fn replay(contents: &Contents, records: &[Record]) -> Result<Replay, Failure> {
    let mut replay = Replay { life: Life::after(past(contents, records)?), ..Replay::default() };
    for record in records {
        replay.next(contents, record)?;
        replay.before = Some((record.index, record.entry.time));
    }
    if replay.life.published().is_none() {
        return Err(Check::Published.fails("the entries do not end with published"));
    }
    replay.unused_grant().map_or(Ok(replay), Err)
}

/// Where the communiqué's stream stood before the signed revision.
fn past(contents: &Contents, records: &[Record]) -> Result<Past, Failure> {
    let of_communique = |r: &&Record| matches!(r.entry.stream, StreamId::Communique(_));
    let first = records.iter().find(of_communique).ok_or_else(|| Check::Published.fails("there is no entry of it"))?;
    let revisions = contents.manifest().revision.saturating_sub(1);
    let Entry { seq, previous, .. } = first.entry;
    if seq < revisions || (seq == 0) != (revisions == 0) {
        return Err(first.fails(Check::EntryChain, "it is too early in its stream for this revision"));
    }
    Ok(Past {
        revisions,
        manifest: contents.manifest().previous,
        position: Position { length: seq, last: previous },
        ..Past::default()
    })
}

impl Replay {
    fn next(&mut self, contents: &Contents, record: &Record) -> Result<(), Failure> {
        let chain = |e: Refusal| record.fails(Check::EntryChain, e);
        if self.before.is_some_and(|(_, time)| record.entry.time < time) {
            return Err(record.fails(Check::EntryChain, "log time goes back"));
        }
        if self.life.published().is_some() {
            return Err(record.fails(Check::Published, "published is not the last entry"));
        }
        let of_communique = matches!(record.entry.stream, StreamId::Communique(_));
        if let Some(step) = self.due.pop_front() {
            let check = if step.kind == Kind::Opened { Check::Opening } else { Check::Completion };
            record.is(&step, check)?;
            if !of_communique {
                return Err(record.fails(Check::Entry, "it stands in another stream"));
            }
            if self.before.is_some_and(|(index, _)| index + 1 != record.index) {
                return Err(record.fails(Check::EntryChain, "it does not follow the act that made it due"));
            }
            return self.life.apply(record.recorded()).map_err(chain);
        }
        if self.life.completed().is_some() && !of_communique {
            return Err(record.fails(Check::FileExtra, "what was logged after completion does not belong here"));
        }
        match (&record.entry.stream, record.entry.kind) {
            (StreamId::Exchange, kind @ (Kind::Charter | Kind::Adoption)) => {
                let check = if kind == Kind::Charter { Check::CharterChain } else { Check::Adoption };
                let taken = |key: &PublicKey| self.parties.values().any(|r| r.holds_key(key));
                let step = self.charters.decide_again(record.recorded(), taken);
                record.is(&step.map_err(|e| record.fails(check, e))?, Check::Entry)?;
                self.charters.apply_after_gap(record.recorded()).map_err(chain)
            }
            (StreamId::Party(party), Kind::Powers) => {
                self.grant(party, record)?;
                let of_party = self.parties.entry(party.clone()).or_default();
                of_party.apply_after_gap(record.recorded()).map_err(chain)
            }
            (StreamId::Communique(_), Kind::Published) => {
                self.life.publish(record.entry.time).map_err(|e| match e {
                    Refusal::Embargoed { .. } => record.fails(Check::Embargo, e),
                    _ => record.fails(Check::Published, e),
                })?;
                record.is(&contents.step(), Check::Published)?;
                self.life.apply(record.recorded()).map_err(chain)
            }
            (StreamId::Communique(_), Kind::Revision | Kind::Act) => {
                let mut steps = VecDeque::from(self.decide(contents, record)?);
                if let Some(step) = steps.pop_front() {
                    record.is(&step, Check::Entry)?;
                }
                self.due = steps;
                self.life.apply(record.recorded()).map_err(chain)
            }
            (StreamId::Communique(_), Kind::Opened) => Err(record.fails(Check::Opening, "nothing opened it here")),
            (StreamId::Communique(_), Kind::Completed) => {
                Err(record.fails(Check::Seats, "not every party's quorum of seats is filled"))
            }
            _ => Err(record.fails(Check::Entry, "its kind does not belong to its stream, or not into a package")),
        }
    }

    /// Verifies full powers.
    fn grant(&self, party: &PartyId, record: &Record) -> Result<(), Failure> {
        let standing = self.in_force(record)?;
        let powers: Unverified<Powers> = record.statement(Check::Grant)?;
        // In another party's stream they are nobody's: a grant is looked up by party, and must be of that party.
        let empty = PartyRecord::default();
        let own = self.parties.get(party).unwrap_or(&empty);
        let others = self.parties.iter().filter(|(id, _)| *id != party).map(|(_, r)| r);
        let (_, step) =
            own.grant(powers, &self.charters, &standing, others).map_err(|e| record.fails(Check::Grant, e))?;
        record.is(&step, Check::Entry)
    }

    /// Decides again on an act: what must be logged.
    fn decide(&self, contents: &Contents, record: &Record) -> Result<Vec<Step>, Failure> {
        let standing = self.in_force(record)?;
        let refused = |e: Refusal| {
            let check = match e {
                Refusal::SeatTaken { .. } => Check::Seats,
                Refusal::DeadlinePassed { .. } => Check::Deadline,
                Refusal::UnknownGrant { .. } | Refusal::GrantForbids { .. } => Check::Grant,
                _ => Check::Act,
            };
            record.fails(check, e)
        };
        let act = register::verify_act(record.statement(Check::Act)?, &self.parties).map_err(refused)?;
        let context = Context { standing: &standing, grants: &self.parties, original: None, now: record.entry.time };
        match record.entry.kind {
            Kind::Revision => self.life.propose(contents.manifest(), &act, context),
            _ => self.life.act(&act, context),
        }
        .map_err(refused)
    }

    fn in_force(&self, record: &Record) -> Result<Arc<Standing>, Failure> {
        let standing = self.charters.in_force(record.entry.time);
        standing.ok_or_else(|| record.fails(Check::Adoption, "no charter was in force: not every party had adopted it"))
    }

    /// A grant that no act names.
    fn unused_grant(&self) -> Option<Failure> {
        let signed = self.life.newest()?;
        let used: BTreeSet<_> =
            signed.acts.iter().chain([&signed.propose]).map(|a| (&a.act.party, &a.act.grant)).collect();
        let logged = self.parties.iter().flat_map(|(party, r)| r.grants().keys().map(move |grant| (party, grant)));
        let unused = logged.into_iter().find(|grant| !used.contains(grant));
        unused.map(|(party, grant)| Check::FileExtra.fails(format!("no act names the full powers {grant} of {party}")))
    }
}
