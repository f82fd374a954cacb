//! Runs the log of a package again: each entry must be what the rules of the domain decide from those before it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    bag::PartDigests,
    check::{Check, Failure},
    known::Known,
    write::{Contents, given_with},
};
use crate::{
    domain::{
        act::{Act, ActKind},
        charter::{Adoption, Charter},
        document::Document,
        entry::{Entry, Kind, Position, Recorded, Step, StreamId},
        id::{Digest, PartyId},
        key::PublicKey,
        life::{CLOCK_TOLERANCE, Context, Life, LoggedAct, Past},
        message::{Message, Tell},
        powers::{Powers, Revocation},
        refusal::Refusal,
        register::{self, PartyRecord},
        seats::Grants as _,
        statement::{Body, Statement, Unverified},
        succession::{Charters, Standing},
        time::Time,
    },
    msg,
};

/// An entry of the package.
pub(super) struct Indexed {
    pub index: u64,
    pub digest: Digest,
    /// Shared with other packages of the log.
    pub entry: Arc<Entry>,
}

impl Indexed {
    /// With what it names. Made for one entry at a time, and with the bytes of the first document and the first statement
    /// alone: no more of either is ever looked into, and an entry may name as much as a package holds.
    pub(super) fn record<'a>(&'a self, contents: &'a Contents) -> Record<'a> {
        let Entry { documents, statements, .. } = &*self.entry;
        let first = documents.first().and_then(|digest| contents.document(*digest));
        let said = statements.first().and_then(|digest| contents.statement(*digest));
        let mut objects = vec![vec![]; documents.len() + statements.len()];
        for (at, bytes) in [(0, first), (documents.len(), said)] {
            if let (Some(object), Some(bytes)) = (objects.get_mut(at), bytes) {
                *object = bytes.to_vec();
            }
        }
        let charter = documents.first().and_then(|digest| contents.charter_of(*digest));
        Record { index: self.index, digest: self.digest, entry: &self.entry, charter, objects }
    }
}

/// An entry of the package with what it names.
pub(super) struct Record<'a> {
    pub index: u64,
    pub digest: Digest,
    pub entry: &'a Entry,
    /// The charter that it records, read.
    pub charter: Option<&'a Document<Charter>>,
    objects: Vec<Vec<u8>>,
}

impl Record<'_> {
    pub(super) fn recorded(&self) -> Recorded<'_> {
        Recorded { index: self.index, digest: self.digest, entry: self.entry, objects: &self.objects }
    }
    fn fails(&self, check: Check, why: impl Tell) -> Failure {
        check.fails(msg!("entry {index}: {why}", index = self.index, why))
    }
    fn statement<B: Body>(&self, check: Check) -> Result<Unverified<B>, Failure> {
        self.recorded().statement(0).and_then(|compact| Unverified::parse(compact)).map_err(|e| self.fails(check, e))
    }
    /// Demands that it records exactly this.
    fn is(&self, step: &Step, check: Check) -> Result<(), Failure> {
        let Entry { kind, documents, statements, .. } = self.entry;
        if (kind, documents, statements) == (&step.kind, &step.documents, &step.statements) {
            Ok(())
        } else {
            Err(self.fails(
                check,
                msg!("it is not the {kind} entry that the rules ask for here", kind = format!("{:?}", step.kind)),
            ))
        }
    }
}

/// What the log of a package comes to.
#[derive(Clone, Default)]
pub(super) struct Replay {
    pub charters: Charters,
    pub parties: BTreeMap<PartyId, PartyRecord>,
    pub life: Life,
    /// The declarations made on earlier revisions, with where the communiqué's stream then stood.
    pub declarations: BTreeMap<Digest, LoggedAct>,
    earlier: Position,
    /// What was logged so far.
    statements: BTreeSet<Digest>,
    /// The signatures and confirmations that count, as `completed` lists them.
    pub counted: BTreeSet<Digest>,
    /// The later charter that the entry before put forward: its proposer's adoption follows.
    proposed: Option<Digest>,
    /// What the last act made due and the log has not shown yet.
    due: VecDeque<Step>,
    /// Index and time of the entry before.
    before: Option<(u64, Time)>,
    /// What the bag says of all that the entries before the communiqué's own record, and of these, by digest.
    pub shared: Arc<BTreeMap<Digest, PartDigests>>,
}

/// Replays every entry, in log order, up to `published`. `original` is the life of what the manifest corrects.
pub(super) fn replay(
    contents: &Contents,
    entries: &[Indexed],
    original: Option<&Life>,
    known: &Known,
) -> Result<Replay, Failure> {
    let Some(first) = entries.iter().position(|e| matches!(e.entry.stream, StreamId::Communique(_))) else {
        return Err(Check::Published.fails(msg!("there is no entry of it")));
    };
    let (before, own) = entries.split_at(first);
    let mut replay = known.beginning(contents, before, || {
        let mut replay = Replay::default();
        replay.all(contents, before, original)?;
        replay.shared =
            Arc::new(contents.recorded(before).map(|(d, bytes)| (d, PartDigests::beside(d, bytes))).collect());
        Ok(replay)
    })?;
    replay.all(contents, own, original)?;
    let Some(published) = replay.life.published() else {
        return Err(Check::Published.fails(msg!("the entries do not end with published")));
    };
    replay.unused(published.time).map_or(Ok(replay), Err)
}

impl Replay {
    fn all(&mut self, contents: &Contents, entries: &[Indexed], original: Option<&Life>) -> Result<(), Failure> {
        for indexed in entries {
            let record = &indexed.record(contents);
            self.next(contents, record, original)?;
            // What made others due is named again by them alone.
            let first = !matches!(record.entry.kind, Kind::Opened | Kind::Completed);
            if first && !record.entry.statements.iter().all(|digest| self.statements.insert(*digest)) {
                return Err(record.fails(Check::Entry, msg!("what it records was logged before")));
            }
            self.before = Some((record.index, record.entry.time));
        }
        Ok(())
    }
    fn next(&mut self, contents: &Contents, record: &Record<'_>, original: Option<&Life>) -> Result<(), Failure> {
        let chain = |e: Refusal| record.fails(Check::EntryChain, e);
        if self.before.is_some_and(|(_, time)| record.entry.time < time) {
            return Err(record.fails(Check::EntryChain, msg!("log time goes back")));
        }
        if self.life.published().is_some() {
            return Err(record.fails(Check::Published, msg!("published is not the last entry")));
        }
        if let Some(step) = self.due.pop_front() {
            let check = if step.kind == Kind::Opened { Check::Opening } else { Check::Completion };
            record.is(&step, check)?;
            if !matches!(record.entry.stream, StreamId::Communique(_)) {
                return Err(record.fails(Check::Entry, msg!("it stands in another stream")));
            }
            if self.before.is_some_and(|(index, _)| index + 1 != record.index) {
                return Err(record.fails(Check::EntryChain, msg!("it does not follow the act that made it due")));
            }
            if step.kind == Kind::Completed {
                self.counted = step.statements.into_iter().collect();
            }
            return self.life.apply(record.recorded()).map_err(chain);
        }
        if let Some(charter) = self.proposed.take() {
            self.proposer(charter, record)?;
        }
        match (&record.entry.stream, record.entry.kind) {
            (StreamId::Exchange, kind @ (Kind::Charter | Kind::Adoption)) => {
                let check = if kind == Kind::Charter { Check::CharterChain } else { Check::Adoption };
                let taken = |key: &PublicKey| self.parties.values().any(|r| r.holds_key(key));
                let step = self.charters.decide_again(record.recorded(), record.charter, taken);
                record.is(&step.map_err(|e| record.fails(check, e))?, Check::Entry)?;
                // Before the first is in force, there is no proposal that could have failed.
                if self.charters.in_force(record.entry.time).is_none() {
                    return self.charters.apply(record.recorded()).map_err(chain);
                }
                self.proposed = record.entry.documents.first().copied();
                self.charters.apply_after_gap(record.recorded(), record.charter).map_err(chain)
            }
            (StreamId::Party(party), kind @ (Kind::Powers | Kind::Revocation)) => {
                let step = if kind == Kind::Powers { self.grant(party, record) } else { self.revoke(party, record) };
                record.is(&step?, Check::Entry)?;
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
            (StreamId::Communique(_), Kind::Act) if !self.life.exists() => self.declared(contents, record),
            (StreamId::Communique(_), kind @ (Kind::Revision | Kind::Act)) => {
                if kind == Kind::Revision && !self.life.exists() {
                    self.life = Life::after(self.past(contents, record)?);
                }
                let (act, steps) = self.decide(contents, record, original)?;
                let mut steps = VecDeque::from(steps);
                if let Some(step) = steps.pop_front() {
                    record.is(&step, Check::Entry)?;
                }
                self.due = steps;
                self.life.apply_read(record.recorded(), Some(contents.manifest().clone()), act).map_err(chain)
            }
            (StreamId::Communique(_), Kind::Opened) => {
                Err(record.fails(Check::Opening, msg!("nothing opened it here")))
            }
            (StreamId::Communique(_), Kind::Completed) => {
                Err(record.fails(Check::Seats, msg!("not every party's quorum of seats is filled")))
            }
            _ => Err(record.fails(Check::Entry, msg!("its kind does not belong to its stream, or not into a package"))),
        }
    }

    /// Demands that this is the adoption of the charter that was just put forward, by a party of the one in
    /// force with the key that it has there.
    fn proposer(&self, charter: Digest, record: &Record<'_>) -> Result<(), Failure> {
        let apart = || {
            record.fails(Check::EntryChain, msg!("it is not its proposer's adoption of the charter put forward before"))
        };
        if record.entry.kind != Kind::Adoption || self.before.is_some_and(|(index, _)| index + 1 != record.index) {
            return Err(apart());
        }
        let adoption: Unverified<Adoption> = record.statement(Check::Adoption)?;
        let standing = self.in_force(record)?;
        let by_its_key = standing.party(&adoption.claims().party).is_ok_and(|party| adoption.is_by(&party.authority));
        if by_its_key && adoption.claims().charter == charter { Ok(()) } else { Err(apart()) }
    }

    /// Where the communiqué's stream stood before the signed revision, and what had been declared.
    fn past(&mut self, contents: &Contents, record: &Record<'_>) -> Result<Past, Failure> {
        let revisions = contents.manifest().revision.saturating_sub(1);
        let Entry { seq, previous, .. } = *record.entry;
        if seq < revisions || (seq == 0) != (revisions == 0) {
            return Err(record.fails(Check::EntryChain, msg!("it is too early in its stream for this revision")));
        }
        self.earlier.pass_gap(record.entry);
        if self.earlier != (Position { length: seq, last: previous }) {
            return Err(record.fails(Check::EntryChain, msg!("it does not continue the declarations before it")));
        }
        let declared = self.declarations.iter().map(|(digest, made)| (*digest, made.act.party.clone()));
        Ok(Past {
            revisions,
            manifest: contents.manifest().previous,
            position: self.earlier,
            declarations: declared.collect(),
        })
    }

    /// Judges an act before the signed revision: a declaration on an earlier one. Of its revision no more is known than that
    /// it was this communiqué's, and for the last one its manifest.
    fn declared(&mut self, contents: &Contents, record: &Record<'_>) -> Result<(), Failure> {
        let fails = |why: Message| record.fails(Check::Act, why);
        let standing = self.in_force(record)?;
        let act = register::verify_act(record.statement(Check::Act)?, &self.parties).map_err(|e| refused(record, e))?;
        let (body, manifest) = (act.body(), contents.manifest());
        if body.act != ActKind::Declare {
            return Err(fails(msg!("nothing but declarations stands before the signed revision")));
        }
        let ours = (manifest.communique, manifest.founding, &manifest.exchange);
        if (body.communique, body.founding, &body.exchange) != ours || !manifest.parties.contains(&body.party) {
            return Err(fails(msg!("it is not a declaration of one of the parties on this communiqué")));
        }
        let last = body.revision + 1 == manifest.revision;
        if body.revision >= manifest.revision || last && manifest.previous != Some(body.manifest) {
            return Err(fails(msg!("it is not on an earlier revision")));
        }
        if body.charter != standing.digest() {
            return Err(fails(msg!("it is under another charter than the one in force")));
        }
        if body.time > record.entry.time.plus(CLOCK_TOLERANCE) {
            return Err(fails(msg!("its time is in the future")));
        }
        let grant = self.parties.grant(&body.party, &body.grant);
        let covering = grant.ok_or(Refusal::UnknownGrant { grant: body.grant });
        covering.and_then(|grant| grant.covering(body, &standing)).map_err(|e| refused(record, e))?;
        let step = Step { kind: Kind::Act, documents: vec![], statements: vec![act.digest()] };
        record.is(&step, Check::Entry)?;
        if record.entry.seq < body.revision {
            return Err(record.fails(Check::EntryChain, msg!("it is too early in its stream for its revision")));
        }
        self.earlier.pass_gap(record.entry);
        let advanced = self.earlier.advance(record.entry, record.digest);
        advanced.map_err(|e| record.fails(Check::EntryChain, e))?;
        self.declarations.insert(act.digest(), LoggedAct::of(act, record.recorded().place()));
        Ok(())
    }

    /// Verifies full powers.
    fn grant(&self, party: &PartyId, record: &Record<'_>) -> Result<Step, Failure> {
        let standing = self.in_force(record)?;
        let powers: Unverified<Powers> = record.statement(Check::Grant)?;
        if powers.claims().party != *party {
            return Err(record.fails(Check::Grant, msg!("they stand in another party's stream")));
        }
        let empty = PartyRecord::default();
        let own = self.parties.get(party).unwrap_or(&empty);
        let others = self.parties.iter().filter(|(id, _)| *id != party).map(|(_, r)| r);
        let granted = own.grant(powers, &self.charters, &standing, others);
        granted.map(|(_, step)| step).map_err(|e| record.fails(Check::Grant, e))
    }

    /// Verifies the end of full powers that are here.
    fn revoke(&self, party: &PartyId, record: &Record<'_>) -> Result<Step, Failure> {
        let standing = self.in_force(record)?;
        let revocation: Unverified<Revocation> = record.statement(Check::Grant)?;
        if revocation.claims().party != *party {
            return Err(record.fails(Check::Grant, msg!("it stands in another party's stream")));
        }
        let empty = PartyRecord::default();
        let own = self.parties.get(party).unwrap_or(&empty);
        own.revoke(revocation, &standing).map(|(_, step)| step).map_err(|e| match e {
            Refusal::UnknownGrant { .. } => {
                record.fails(Check::FileExtra, msg!("it revokes full powers that are not here"))
            }
            e => record.fails(Check::Grant, e),
        })
    }

    /// Decides again on an act: the act, and what must be logged.
    fn decide(
        &self,
        contents: &Contents,
        record: &Record<'_>,
        original: Option<&Life>,
    ) -> Result<(Statement<Act>, Vec<Step>), Failure> {
        let standing = self.in_force(record)?;
        let refused = |e: Refusal| refused(record, e);
        let act = register::verify_act(record.statement(Check::Act)?, &self.parties).map_err(refused)?;
        let context = Context { standing: &standing, grants: &self.parties, original, now: record.entry.time };
        let steps = match record.entry.kind {
            Kind::Revision => self.life.propose(contents.manifest(), &act, context),
            _ => self.life.act(&act, context),
        };
        Ok((act, steps.map_err(refused)?))
    }

    fn in_force(&self, record: &Record<'_>) -> Result<Arc<Standing>, Failure> {
        let standing = self.charters.in_force(record.entry.time);
        standing.ok_or_else(|| {
            record.fails(Check::Adoption, msg!("no charter was in force: not every party had adopted it"))
        })
    }

    /// What is here for nothing: a grant that no act names, a declaration that no signature names, a charter that did not come
    /// into force.
    fn unused(&self, published: Time) -> Option<Failure> {
        let signed = self.life.newest()?;
        let acts = || signed.acts.iter().map(AsRef::as_ref).chain([&signed.propose]);
        let used: BTreeSet<_> =
            acts().chain(self.declarations.values()).map(|a| (&a.act.party, &a.act.grant)).collect();
        let logged = self.parties.iter().flat_map(|(party, r)| r.grants().keys().map(move |grant| (party, grant)));
        if let Some((party, grant)) = logged.into_iter().find(|grant| !used.contains(grant)) {
            return Some(Check::FileExtra.fails(msg!("no act names the full powers {grant} of {party}", grant, party)));
        }
        let named: BTreeSet<_> = acts().filter_map(|a| given_with(&a.act)).collect();
        if let Some(digest) = self.declarations.keys().find(|digest| !named.contains(digest)) {
            return Some(Check::FileExtra.fails(msg!("no signature names the earlier declaration {digest}", digest)));
        }
        let chain: BTreeSet<_> = self.charters.chain(published).iter().map(|s| s.digest()).collect();
        let failed = self.charters.versions().find(|(charter, _)| !chain.contains(&charter.digest()));
        failed.map(|(charter, _)| {
            let why = msg!("charter {version} did not come into force before publication", version = charter.version);
            Check::FileExtra.fails(why)
        })
    }
}

/// The check that a refused act fails.
fn refused(record: &Record<'_>, refusal: Refusal) -> Failure {
    let check = match refusal {
        Refusal::SeatTaken { .. } => Check::Seats,
        Refusal::DeadlinePassed { .. } => Check::Deadline,
        Refusal::UnknownGrant { .. } | Refusal::GrantForbids { .. } => Check::Grant,
        _ => Check::Act,
    };
    record.fails(check, refusal)
}
