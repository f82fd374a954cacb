//! The life of a communiqué: state × act → entries or refusal. The exchange decides by it, its replay folds by it, and the
//! verifier of packages runs the same decisions again.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use super::{
    act::{Act, ActKind, Declaration},
    document::Document,
    entry::{Kind, Place, Position, Recorded, Step},
    id::{CommuniqueId, Digest, PartyId},
    manifest::{Initialling, Manifest, Part},
    message::{Fact, Message, Tell},
    powers::Powers,
    refusal::{Refusal, same},
    seats::{Grants, Tally},
    statement::{Statement, Unverified},
    succession::Standing,
    time::Time,
};
use crate::msg;

/// Where a communiqué stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// The text is being settled.
    Drafting,
    /// Open for signature.
    Open,
    /// Every party has signed.
    Complete,
    /// Public.
    Published,
    /// Taken back before every party had signed.
    Withdrawn,
    /// The deadline passed before every party had signed.
    Lapsed,
}

/// Whose act it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The party of revision 1; any that the manifest names, once that one has left.
    Proposer,
    /// Any party that the manifest names.
    Named,
}

/// The table of rights: act, a state in which it is allowed, and whose it is then.
pub const ACTS: [(ActKind, State, Relation); 15] = {
    use ActKind as Act;
    use Relation::{Named, Proposer};
    use State::{Complete, Drafting, Lapsed, Open, Withdrawn};
    [
        (Act::Propose, Drafting, Named),
        (Act::Object, Drafting, Named),
        (Act::Declare, Drafting, Named),
        (Act::Initial, Drafting, Named),
        (Act::Open, Drafting, Proposer),
        (Act::Sign, Open, Named),
        (Act::SignAdReferendum, Open, Named),
        (Act::Confirm, Open, Named),
        (Act::Decline, Open, Named),
        (Act::Withdraw, Drafting, Proposer),
        (Act::Withdraw, Open, Named),
        (Act::Release, Open, Named),
        (Act::Release, Complete, Named),
        (Act::Purge, Withdrawn, Named),
        (Act::Purge, Lapsed, Named),
    ]
};

/// When this act is made, or what to do instead: for whoever asks for it in another state.
#[must_use]
pub fn advice(act: ActKind) -> Message {
    match act {
        ActKind::Propose => msg!("a new text needs a new communiqué, or a declination first"),
        ActKind::Object => msg!("objections are made while the text is settled; once it is open, decline it"),
        ActKind::Declare => msg!("declarations are made while the text is settled"),
        ActKind::Initial => msg!("initials are given while the text is settled"),
        ActKind::Open => msg!("it is opened once, by its proposer"),
        ActKind::Sign | ActKind::SignAdReferendum => msg!("it is signed once it is open and until it is complete"),
        ActKind::Confirm => msg!("a signature is confirmed while it is open"),
        ActKind::Decline => msg!("while drafting, object or propose another text instead"),
        ActKind::Withdraw => msg!("it is withdrawn before every party has signed"),
        ActKind::Release => msg!("publication is released once it is open and until it is published"),
        ActKind::Purge => msg!("texts are erased of what was withdrawn or has lapsed alone"),
    }
}

/// How far an act's time may lie ahead of log time, and before the entry that it builds on, in seconds.
pub const CLOCK_TOLERANCE: i64 = 300;
/// Most objections, and most declarations, of one party on one revision.
pub const TALK_LIMIT: usize = 4;
/// How many signatures beyond its quorum one party may give on one revision, where some do not count since their powers
/// ended or they were never confirmed.
pub const SPARE_SIGNATURES: u64 = 16;

/// An act in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedAct {
    /// What it says.
    pub act: Act,
    /// The statement, compact.
    pub compact: String,
    /// The statement's digest.
    pub digest: Digest,
    /// Where it was logged.
    pub place: Place,
}

impl LoggedAct {
    /// A verified act, logged there.
    #[must_use]
    pub fn of(act: Statement<Act>, place: Place) -> Self {
        let (act, compact, digest) = act.into_parts();
        Self { act, compact, digest, place }
    }
}

/// A revision and what was done to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision {
    /// The manifest.
    pub manifest: Document<Manifest>,
    /// The act that proposed it.
    pub propose: LoggedAct,
    /// The other acts on it, in log order. Shared: a life is copied with each act that it is carried on by.
    pub acts: Vec<Arc<LoggedAct>>,
    /// The `opened` entry.
    pub opened: Option<Place>,
    /// Whether a party declined it.
    pub declined: bool,
    /// Whether another charter came into force while it was open.
    pub returned: bool,
}

impl Revision {
    /// Whether it can no longer be signed: what was signed stays sealed for ever, and a new revision is needed.
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.declined || self.returned
    }
    /// Whether a party objects to it: it does not open.
    #[must_use]
    pub fn objected(&self) -> bool {
        self.of_kind(ActKind::Object).next().is_some()
    }
    fn by<'a>(&'a self, kind: ActKind, party: &'a PartyId) -> impl Iterator<Item = &'a LoggedAct> {
        self.of_kind(kind).filter(move |a| a.act.party == *party)
    }
    /// Whether every party that it names has done this, under this opening.
    fn by_all(&self, kind: ActKind, opening: Option<Digest>) -> bool {
        self.manifest.parties.iter().all(|p| self.by(kind, p).any(|a| a.act.opening == opening))
    }
    fn of_kind(&self, kind: ActKind) -> impl Iterator<Item = &LoggedAct> {
        self.acts.iter().map(AsRef::as_ref).filter(move |a: &&LoggedAct| a.act.act == kind)
    }
}

/// What went before the first entry that is known: nothing, unless a package is replayed from its signed revision on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Past {
    /// How many revisions there were.
    pub revisions: u64,
    /// The last one's manifest.
    pub manifest: Option<Digest>,
    /// Where the stream stood.
    pub position: Position,
    /// The declarations made until then, with their parties.
    pub declarations: BTreeMap<Digest, PartyId>,
}

/// A communiqué as its stream tells it. Everything else is derived.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Life {
    past: Past,
    position: Position,
    /// Shared, so that a copy of a long life costs little.
    revisions: Vec<Arc<Revision>>,
    completed: Option<Place>,
    published: Option<Place>,
    withdrawn: Option<Place>,
    lapsed: Option<Place>,
    purged: Option<Place>,
    /// The published rectifications of it, in log order.
    rectified: Vec<(CommuniqueId, Place)>,
}

/// What a decision looks at beside the communiqué itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The charter in force.
    pub standing: &'a Standing,
    /// The grants that the log holds.
    pub grants: &'a dyn Grants,
    /// What the manifest rectifies, if that exists.
    pub original: Option<&'a Life>,
    /// Log time of the decision.
    pub now: Time,
}

impl Life {
    /// A life whose first known entry is not the stream's first.
    #[must_use]
    pub fn after(past: Past) -> Self {
        Self { position: past.position, past, ..Self::default() }
    }
    /// Whether there is anything yet.
    #[must_use]
    pub fn exists(&self) -> bool {
        !self.revisions.is_empty()
    }
    /// Where its stream stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
    /// The state; `Drafting` also before revision 1.
    #[must_use]
    pub fn state(&self) -> State {
        match self.revisions.last() {
            _ if self.published.is_some() => State::Published,
            _ if self.completed.is_some() => State::Complete,
            _ if self.withdrawn.is_some() => State::Withdrawn,
            _ if self.lapsed.is_some() => State::Lapsed,
            Some(r) if r.opened.is_some() && !r.sealed() => State::Open,
            _ => State::Drafting,
        }
    }
    /// The newest revision.
    #[must_use]
    pub fn newest(&self) -> Option<&Revision> {
        self.revisions.last().map(|r| &**r)
    }
    /// The known revisions, oldest first.
    pub fn revisions(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.iter().map(|r| &**r)
    }
    /// How many bytes its manifests and statements have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |r: &Revision| {
            let acts = r.acts.iter().map(|a| a.compact.len()).sum::<usize>();
            r.manifest.bytes().len() + r.propose.compact.len() + acts
        };
        self.revisions().map(of).sum()
    }
    /// The parties that it names; none before revision 1.
    #[must_use]
    pub fn parties(&self) -> &[PartyId] {
        self.newest().map_or(&[], |r| &r.manifest.parties)
    }
    /// The `completed` entry.
    #[must_use]
    pub fn completed(&self) -> Option<Place> {
        self.completed
    }
    /// The `published` entry.
    #[must_use]
    pub fn published(&self) -> Option<Place> {
        self.published
    }
    /// The deadline that runs while it is open.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.newest().filter(|_| self.state() == State::Open)?.manifest.procedure.deadline
    }
    /// Where the act stands that withdrew it.
    #[must_use]
    pub fn withdrawn(&self) -> Option<Place> {
        self.withdrawn
    }
    /// The `lapsed` entry.
    #[must_use]
    pub fn lapsed(&self) -> Option<Place> {
        self.lapsed
    }
    /// The `purged` entry: texts and annexes are gone.
    #[must_use]
    pub fn purged(&self) -> Option<Place> {
        self.purged
    }
    /// The published rectifications of it, in log order, each with its `rectified` entry here.
    #[must_use]
    pub fn rectified(&self) -> &[(CommuniqueId, Place)] {
        &self.rectified
    }
    /// The file of this digest that any of its revisions names.
    #[must_use]
    pub fn part(&self, digest: Digest) -> Option<Part> {
        self.revisions().rev().flat_map(|r| r.manifest.parts()).find(|p| p.sha256 == digest)
    }
    /// Whether this party may see the act's bytes: another's signature only once all have signed, and never after a
    /// declination.
    #[must_use]
    pub fn may_see(&self, viewer: &PartyId, act: &Act) -> bool {
        let released =
            || self.completed.is_some() && self.newest().is_some_and(|r| r.manifest.digest() == act.manifest);
        !act.act.is_signature() || act.party == *viewer || released()
    }
    /// The party whose declaration this is, if it was made on any revision.
    fn declared_by(&self, declaration: Digest) -> Option<&PartyId> {
        let made = self.revisions().flat_map(|r| r.of_kind(ActKind::Declare)).find(|a| a.digest == declaration);
        made.map(|a| &a.act.party).or_else(|| self.past.declarations.get(&declaration))
    }

    /// Decides on a revision and the act that proposes it.
    ///
    /// # Errors
    /// The refusal; nothing is to be logged.
    pub fn propose(
        &self,
        manifest: &Document<Manifest>,
        act: &Statement<Act>,
        ctx: Context<'_>,
    ) -> Result<Vec<Step>, Refusal> {
        let body = act.body();
        if body.act != ActKind::Propose {
            return Err(Refusal::disagrees("act.act", ActKind::Propose, body.act));
        }
        members(manifest, body)?;
        if !manifest.parties.contains(&body.party) {
            return Err(foreign(body));
        }
        self.allowed(body, ctx.standing)?;
        for party in &manifest.parties {
            ctx.standing.party(party)?;
        }
        let before = self.newest().map(|r| &r.manifest);
        let newest = self.past.revisions + self.revisions.len() as u64;
        if manifest.revision != newest + 1 {
            return Err(Refusal::StaleRevision { revision: manifest.revision.saturating_sub(1), newest });
        }
        let previous = before.map(Document::digest).or(self.past.manifest);
        same("manifest.previous", shown(previous), shown(manifest.previous))?;
        match before {
            None if newest == 0 => same("manifest.proposer", &body.party, &manifest.proposer)?,
            None => {}
            Some(before) => {
                same("manifest.proposer", &before.proposer, &manifest.proposer)?;
                if before.rectifies != manifest.rectifies {
                    return Err(Refusal::malformed("manifest.rectifies", msg!("is fixed at creation")));
                }
                if before.parties != manifest.parties {
                    return Err(Refusal::disagrees("manifest.parties", list(&before.parties), list(&manifest.parties)));
                }
            }
        }
        rectifiable(manifest, ctx)?;
        in_force(body, ctx)?;
        same("manifest.charter", ctx.standing.digest(), manifest.charter)?;
        covering(body, ctx)?;
        timely(body, self.newest().map(|r| r.propose.place.time), ctx.now)?;
        if let Some(deadline) = manifest.procedure.deadline.filter(|d| *d <= ctx.now) {
            return Err(Refusal::DeadlinePassed { deadline });
        }
        Ok(vec![Step { kind: Kind::Revision, documents: vec![manifest.digest()], statements: vec![act.digest()] }])
    }

    /// Decides on any other act.
    ///
    /// # Errors
    /// The refusal; nothing is to be logged.
    pub fn act(&self, act: &Statement<Act>, ctx: Context<'_>) -> Result<Vec<Step>, Refusal> {
        let body = act.body();
        let newest = self.newest().ok_or_else(|| Refusal::not_found(msg!("communiqué"), body.communique))?;
        if body.act == ActKind::Propose {
            return Err(Refusal::malformed("act.act", msg!("propose comes with its manifest, by ProposeRevision")));
        }
        if !newest.manifest.parties.contains(&body.party) {
            return Err(foreign(body));
        }
        self.allowed(body, ctx.standing)?;
        if body.revision != newest.manifest.revision {
            return Err(Refusal::StaleRevision { revision: body.revision, newest: newest.manifest.revision });
        }
        members(&newest.manifest, body)?;
        let ends = matches!(body.act, ActKind::Withdraw | ActKind::Purge);
        if newest.declined && !ends {
            return Err(self.not_now(body.act, msg!("this revision was declined: a new revision is needed")));
        }
        if newest.returned && !ends {
            return Err(self.not_now(body.act, msg!("another charter is in force: a new revision is needed")));
        }
        let opened = newest.opened.filter(|_| matches!(self.state(), State::Open | State::Complete));
        same("act.opening", shown(opened.map(|o| o.entry)), shown(body.opening))?;
        in_force(body, ctx)?;
        let powers = covering(body, ctx)?;
        timely(body, Some(newest.opened.unwrap_or(newest.propose.place).time), ctx.now)?;
        let binds = body.act.is_signature() || matches!(body.act, ActKind::Initial | ActKind::Open);
        let deadline = newest.manifest.procedure.deadline.filter(|d| binds && ctx.now.max(body.time) > *d);
        if let Some(deadline) = deadline {
            return Err(Refusal::DeadlinePassed { deadline });
        }

        let mut steps = vec![Step { kind: Kind::Act, documents: vec![], statements: vec![act.digest()] }];
        steps.extend(match body.act {
            ActKind::Initial | ActKind::Open => self.toward_opening(newest, act)?,
            ActKind::Object | ActKind::Declare => {
                if newest.by(body.act, &body.party).count() >= TALK_LIMIT {
                    let what = msg!("acts of this kind ({act}) by one party on one revision", act = body.act);
                    return Err(Refusal::LimitReached { what, limit: TALK_LIMIT as u64 });
                }
                None
            }
            ActKind::Sign | ActKind::SignAdReferendum | ActKind::Confirm => self.signature(newest, act, powers, ctx)?,
            ActKind::Release if newest.manifest.procedure.embargo.is_none() => {
                return Err(self.not_now(body.act, msg!("there is no embargo to release it from")));
            }
            ActKind::Release | ActKind::Withdraw => {
                once(newest, body)?;
                None
            }
            ActKind::Purge => {
                // Who has left can no longer ask.
                let mut here = newest.manifest.parties.iter().filter(|p| ctx.standing.party(p).is_ok());
                let asked = |p: &PartyId| *p == body.party || newest.by(ActKind::Purge, p).next().is_some();
                let all = here.all(asked);
                // Where the one that had not asked has left since, another asks again.
                if !all || self.purged.is_some() {
                    once(newest, body)?;
                }
                all.then(|| {
                    let asked = newest.of_kind(ActKind::Purge).map(|a| a.digest).chain([act.digest()]).collect();
                    Step { kind: Kind::Purged, documents: vec![], statements: asked }
                })
            }
            ActKind::Decline | ActKind::Propose => None,
        });
        Ok(steps)
    }

    /// An initial, or the act of opening: whether it opens.
    fn toward_opening(&self, newest: &Revision, act: &Statement<Act>) -> Result<Option<Step>, Refusal> {
        let body = act.body();
        let statements = match (body.act, newest.manifest.procedure.initialling) {
            (ActKind::Open, Initialling::Waived) if newest.objected() => {
                return Err(self.not_now(body.act, msg!("an objection stands: a new revision is needed")));
            }
            (ActKind::Open, Initialling::Waived) => vec![act.digest()],
            (ActKind::Open, Initialling::Required) => {
                return Err(self.not_now(body.act, msg!("it opens by itself once every party has initialled it")));
            }
            (_, Initialling::Waived) => {
                return Err(self.not_now(body.act, msg!("initialling is waived: its proposer opens it")));
            }
            (_, Initialling::Required) => {
                once(newest, body)?;
                let initialled = |p: &PartyId| *p == body.party || newest.by(ActKind::Initial, p).next().is_some();
                if newest.objected() || !newest.manifest.parties.iter().all(initialled) {
                    return Ok(None);
                }
                newest.of_kind(ActKind::Initial).map(|a| a.digest).chain([act.digest()]).collect()
            }
        };
        Ok(Some(Step { kind: Kind::Opened, documents: vec![newest.manifest.digest()], statements }))
    }

    /// One more signature, or the confirmation of one: the seat must be free; if it is the last one that was missing, the set
    /// is complete.
    fn signature(
        &self,
        newest: &Revision,
        act: &Statement<Act>,
        powers: &Powers,
        ctx: Context<'_>,
    ) -> Result<Option<Step>, Refusal> {
        let body = act.body();
        let Some(opened) = newest.opened else {
            return Err(self.not_now(body.act, msg!("it is not open yet")));
        };
        let signed = || newest.acts.iter().filter(|a| a.act.act.is_signature()).map(|a| (&a.act, a.digest));
        let before = Tally::of(&newest.manifest, opened.entry, ctx.standing, ctx.grants, signed());
        if before.has_signed(&body.party)? {
            return Err(Refusal::SeatTaken {
                holder: msg!("{party}, by as many as its quorum asks,", party = body.party),
            });
        }
        if let Some(confirmed) = body.confirms {
            if !newest.by(ActKind::SignAdReferendum, &body.party).any(|a| a.digest == confirmed) {
                return Err(Refusal::not_found(msg!("signature ad referendum of this party"), confirmed));
            }
            if !before.awaits_confirmation(&body.party, confirmed) {
                return Err(self.not_now(body.act, msg!("that signature is confirmed already, or no longer counts")));
            }
        } else if before.holds(&body.party, &powers.holder.id) {
            return Err(Refusal::SeatTaken { holder: powers.holder.id.message() });
        }
        let limit = ctx.standing.party(&body.party)?.quorum + SPARE_SIGNATURES;
        if newest.by(body.act, &body.party).count() as u64 >= limit {
            return Err(Refusal::LimitReached { what: msg!("signatures of one party on one revision"), limit });
        }
        if let Some(Declaration::Made(declaration)) = body.declaration
            && self.declared_by(declaration) != Some(&body.party)
        {
            return Err(Refusal::not_found(msg!("declaration of this party"), declaration));
        }
        let all = signed().chain([(body, act.digest())]);
        let after = Tally::of(&newest.manifest, opened.entry, ctx.standing, ctx.grants, all);
        if !after.complete()? {
            return Ok(None);
        }
        let signatures = signed().map(|(_, digest)| digest).chain([act.digest()]);
        let statements = signatures.filter(|digest| after.counts(*digest)).collect();
        Ok(Some(Step { kind: Kind::Completed, documents: vec![newest.manifest.digest()], statements }))
    }

    /// What time or another charter has made due, and the exchange logs by itself before anything else: an open communiqué
    /// lapses after its deadline, and returns to drafting when its charter is no longer in force.
    #[must_use]
    pub fn due(&self, standing: &Standing, now: Time) -> Option<Step> {
        let newest = self.newest().filter(|_| self.state() == State::Open)?;
        let returns = newest.manifest.charter != standing.digest();
        // What came first, however late it is logged.
        let before = |deadline| returns && standing.since() <= deadline;
        let deadline = newest.manifest.procedure.deadline;
        let lapses = deadline.is_some_and(|deadline| now > deadline && !before(deadline));
        let kind = if lapses { Kind::Lapsed } else { Kind::Returned };
        (lapses || returns).then(|| Step { kind, documents: vec![newest.manifest.digest()], statements: vec![] })
    }

    /// Decides whether it may be published now.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] unless it is complete, [`Refusal::Embargoed`] before the agreed time, unless every party has
    /// released it.
    pub fn publish(&self, now: Time) -> Result<&Revision, Refusal> {
        let newest = match (self.state(), self.newest()) {
            (State::Complete, Some(newest)) => newest,
            (state, _) => {
                return Err(Refusal::NotNow {
                    act: msg!("publication"),
                    state: state.message(),
                    advice: msg!("every party must have signed first"),
                });
            }
        };
        let released = |r: &Revision| r.opened.is_some_and(|o| r.by_all(ActKind::Release, Some(o.entry)));
        match newest.manifest.procedure.embargo.filter(|e| now < *e && !released(newest)) {
            Some(until) => Err(Refusal::Embargoed { until }),
            None => Ok(newest),
        }
    }

    /// What of this communiqué waits for this party: the acts that would bring it on and that the party could do now. Empty
    /// for a party that it does not name, and where nothing is left to do. The one answer for inboxes and filters; that a
    /// holder's powers cover the act is not asked.
    #[must_use]
    pub fn awaited(&self, party: &PartyId, ctx: Context<'_>) -> Vec<ActKind> {
        if self.state().ended() {
            return vec![];
        }
        let Some(newest) = self.newest().filter(|r| r.manifest.parties.contains(party)) else { return vec![] };
        let Ok(listed) = ctx.standing.party(party) else { return vec![] };
        let passed = newest.manifest.procedure.deadline.is_some_and(|deadline| ctx.now > deadline);
        let outdated = newest.manifest.charter != ctx.standing.digest();
        match (self.state(), newest.opened) {
            (State::Drafting, _) if newest.sealed() || newest.objected() || passed || outdated => {
                vec![ActKind::Propose]
            }
            (State::Drafting, _) => match newest.manifest.procedure.initialling {
                Initialling::Required if newest.by(ActKind::Initial, party).next().is_none() => vec![ActKind::Initial],
                Initialling::Waived if newest.manifest.proposer == *party => vec![ActKind::Open],
                Initialling::Required | Initialling::Waived => vec![],
            },
            (State::Open, Some(opened)) if !passed && !outdated => {
                let signed = newest.acts.iter().filter(|a| a.act.act.is_signature()).map(|a| (&a.act, a.digest));
                let tally = Tally::of(&newest.manifest, opened.entry, ctx.standing, ctx.grants, signed);
                let (counting, pending) = tally.seats(party);
                let confirm = (pending > 0 && counting < listed.quorum).then_some(ActKind::Confirm);
                let sign = (counting + pending < listed.quorum).then_some(ActKind::Sign);
                [confirm, sign].into_iter().flatten().collect()
            }
            _ => vec![],
        }
    }

    fn allowed(&self, act: &Act, standing: &Standing) -> Result<(), Refusal> {
        let state = self.state();
        let rows = || ACTS.iter().filter(|(kind, ..)| *kind == act.act);
        let Some((_, _, relation)) = rows().find(|(_, when, _)| *when == state) else {
            return Err(self.not_now(act.act, advice(act.act)));
        };
        let proposer = self.newest().map(|r| &r.manifest.proposer).filter(|p| standing.party(p).is_ok());
        if *relation == Relation::Proposer && proposer.is_some_and(|proposer| *proposer != act.party) {
            return Err(Refusal::NotYourAct { act: act.act.message(), whose: msg!("the proposer") });
        }
        Ok(())
    }
    fn not_now(&self, act: ActKind, advice: Message) -> Refusal {
        Refusal::NotNow { act: act.message(), state: self.state().message(), advice }
    }

    /// Folds the stream's next entry. The log is trusted to hold only what was decided; that it fits together is checked.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], or what its bytes fail to parse with.
    pub fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        match r.entry.kind {
            Kind::Revision => {
                let manifest = Document::parse(r.document(0)?.to_vec())?;
                self.fold(r, Some(manifest), Some(logged(r)?))
            }
            Kind::Act => self.fold(r, None, Some(logged(r)?)),
            _ => self.fold(r, None, None),
        }
    }
    /// Folds the stream's next entry as [`Life::apply`] does, if it records this act, or a revision with this manifest, which the
    /// caller has read.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`].
    pub fn apply_read(
        &mut self,
        r: Recorded<'_>,
        manifest: Option<Document<Manifest>>,
        act: Statement<Act>,
    ) -> Result<(), Refusal> {
        self.fold(r, manifest, Some(LoggedAct::of(act, r.place())))
    }
    /// Passes over the stream's next entry, of which its reader sees only that it is there: a signature in escrow, with this digest.
    /// What it would bring about is not known then.
    pub fn pass_sealed(&mut self, digest: Digest) {
        self.position = Position { length: self.position.length + 1, last: Some(digest) };
    }
    fn fold(
        &mut self,
        r: Recorded<'_>,
        manifest: Option<Document<Manifest>>,
        act: Option<LoggedAct>,
    ) -> Result<(), Refusal> {
        let inconsistent =
            || Refusal::Inconsistent { what: msg!("entry {index} does not fit its communiqué", index = r.index) };
        let mut position = self.position;
        position.advance(r.entry, r.digest)?;
        match r.entry.kind {
            Kind::Revision => {
                let (manifest, propose) = manifest.zip(act).ok_or_else(inconsistent)?;
                let revision =
                    Revision { manifest, propose, acts: vec![], opened: None, declined: false, returned: false };
                self.revisions.push(Arc::new(revision));
            }
            Kind::Act => {
                let act = act.ok_or_else(inconsistent)?;
                let newest = Arc::make_mut(self.revisions.last_mut().ok_or_else(inconsistent)?);
                let (kind, opening) = (act.act.act, act.act.opening);
                newest.declined |= kind == ActKind::Decline;
                newest.acts.push(Arc::new(act));
                // While it is open, every party must withdraw it; a draft is its proposer's to take back.
                if kind == ActKind::Withdraw && (opening.is_none() || newest.by_all(kind, opening)) {
                    self.withdrawn = Some(r.place());
                }
            }
            Kind::Opened => {
                Arc::make_mut(self.revisions.last_mut().ok_or_else(inconsistent)?).opened = Some(r.place());
            }
            Kind::Completed => self.completed = Some(r.place()),
            Kind::Published => self.published = Some(r.place()),
            Kind::Lapsed => self.lapsed = Some(r.place()),
            Kind::Returned => {
                Arc::make_mut(self.revisions.last_mut().ok_or_else(inconsistent)?).returned = true;
            }
            Kind::Rectified => {
                let rectification: Document<Manifest> = Document::parse(r.document(0)?.to_vec())?;
                self.rectified.push((rectification.communique, r.place()));
            }
            Kind::Purged => self.purged = Some(r.place()),
            Kind::Charter | Kind::Adoption | Kind::Trust | Kind::Powers | Kind::Revocation | Kind::Remark => {
                return Err(inconsistent());
            }
        }
        self.position = position;
        Ok(())
    }
}

fn logged(r: Recorded<'_>) -> Result<LoggedAct, Refusal> {
    let compact = r.statement(0)?.to_owned();
    let unverified = Unverified::<Act>::parse(&compact)?;
    Ok(LoggedAct { act: unverified.claims().clone(), digest: unverified.digest(), compact, place: r.place() })
}

/// Checks the members that an act must share with its manifest.
///
/// # Errors
/// [`Refusal::Disagrees`].
pub fn members(manifest: &Document<Manifest>, act: &Act) -> Result<(), Refusal> {
    same("act.founding", manifest.founding, act.founding)?;
    same("act.exchange", &manifest.exchange, &act.exchange)?;
    // What takes a communiqué back outlives the charter that it was drafted under.
    if !matches!(act.act, ActKind::Withdraw | ActKind::Purge) {
        same("act.charter", manifest.charter, act.charter)?;
    }
    same("act.communique", manifest.communique, act.communique)?;
    same("act.revision", manifest.revision, act.revision)?;
    same("act.manifest", manifest.digest(), act.manifest)
}

/// The act is for this exchange and under the charter in force.
fn in_force(act: &Act, ctx: Context<'_>) -> Result<(), Refusal> {
    same("act.founding", ctx.standing.founding(), act.founding)?;
    same("act.exchange", ctx.standing.exchange(), &act.exchange)?;
    same("act.charter", ctx.standing.digest(), act.charter)
}

fn covering<'a>(act: &Act, ctx: Context<'a>) -> Result<&'a Powers, Refusal> {
    let grant = ctx.grants.grant(&act.party, &act.grant).ok_or(Refusal::UnknownGrant { grant: act.grant })?;
    grant.covering(act, ctx.standing)
}

/// Some acts a party does once, whoever does it for the party.
fn once(newest: &Revision, act: &Act) -> Result<(), Refusal> {
    if newest.by(act.act, &act.party).any(|a| a.act.opening == act.opening) {
        return Err(Refusal::SeatTaken { holder: msg!("{party}, as a party,", party = act.party) });
    }
    Ok(())
}

/// A rectification names what is published, and is signed by the same parties, as far as they are still there.
fn rectifiable(manifest: &Manifest, ctx: Context<'_>) -> Result<(), Refusal> {
    let Some(rectifies) = &manifest.rectifies else { return Ok(()) };
    let published = ctx.original.and_then(|life| Some((life.published()?, life.newest()?)));
    let (published, signed) =
        published.ok_or_else(|| Refusal::not_found(msg!("published communiqué"), rectifies.communique))?;
    same("manifest.rectifies.communique", signed.manifest.communique, rectifies.communique)?;
    same("manifest.rectifies.manifest", signed.manifest.digest(), rectifies.manifest)?;
    same("manifest.rectifies.entry", published.entry, rectifies.entry)?;
    let mut there: Vec<_> = signed.manifest.parties.iter().filter(|p| ctx.standing.party(p).is_ok()).cloned().collect();
    let mut named = manifest.parties.clone();
    there.sort();
    named.sort();
    same("manifest.parties", list(&there), list(&named))
}

fn timely(act: &Act, builds_on: Option<Time>, now: Time) -> Result<(), Refusal> {
    within_bounds(act.time, builds_on, now)
}

/// The one rule of claimed times: not before what it builds on, not after log time, but for [`CLOCK_TOLERANCE`].
pub(super) fn within_bounds(time: Time, builds_on: Option<Time>, now: Time) -> Result<(), Refusal> {
    let earliest = builds_on.map_or(Time::from_unix(0), |t| t.plus(-CLOCK_TOLERANCE));
    let latest = now.plus(CLOCK_TOLERANCE);
    if (earliest..=latest).contains(&time) { Ok(()) } else { Err(Refusal::TimeOutOfBounds { time, earliest, latest }) }
}

fn foreign(act: &Act) -> Refusal {
    Refusal::NotYourAct { act: act.act.message(), whose: msg!("the parties that the manifest names") }
}

fn shown(digest: Option<Digest>) -> Message {
    digest.map_or_else(|| Message::words("null"), |d| d.message())
}

fn list(parties: &[PartyId]) -> String {
    parties.iter().map(PartyId::as_str).collect::<Vec<_>>().join(", ")
}

impl State {
    /// Every state.
    pub const ALL: [State; 6] =
        [State::Drafting, State::Open, State::Complete, State::Published, State::Withdrawn, State::Lapsed];
    /// Whether nothing more can come of it: then [`Life::awaited`] is empty for every party.
    #[must_use]
    pub fn ended(self) -> bool {
        match self {
            State::Drafting | State::Open | State::Complete => false,
            State::Published | State::Withdrawn | State::Lapsed => true,
        }
    }
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Drafting => "drafting",
            State::Open => "open",
            State::Complete => "complete",
            State::Published => "published",
            State::Withdrawn => "withdrawn",
            State::Lapsed => "lapsed",
        }
    }
}
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl Tell for State {
    fn tell(&self) -> Fact {
        match self {
            State::Drafting => msg!("state" => "drafting"),
            State::Open => msg!("state" => "open"),
            State::Complete => msg!("state" => "complete"),
            State::Published => msg!("state" => "published"),
            State::Withdrawn => msg!("state" => "withdrawn"),
            State::Lapsed => msg!("state" => "lapsed"),
        }
        .into()
    }
}
impl FromStr for State {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|v| v.as_str() == s).ok_or_else(|| {
            Refusal::malformed("state", msg!("is none of {join}", join = Self::ALL.map(Self::as_str).join(", ")))
        })
    }
}

#[cfg(test)]
mod tests;
