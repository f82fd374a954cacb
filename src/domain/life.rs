//! The life of a communiqué: state × act → entries or refusal. The exchange decides by it, its replay folds by it, and the
//! verifier of packages runs the same decisions again.

use std::{fmt, str::FromStr, sync::Arc};

use super::{
    act::{Act, ActKind},
    charter::Charter,
    document::Document,
    entry::{Kind, Place, Position, Recorded, Step},
    id::{Digest, PartyId},
    manifest::{Initialling, Manifest, Part},
    powers::Powers,
    refusal::{Refusal, same},
    seats::{Grants, Tally},
    statement::{Statement, Unverified},
    time::Time,
};

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
}

/// Whose act it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The party of revision 1.
    Proposer,
    /// Any party that the manifest names.
    Named,
}

/// The table of rights: act, the state in which it is allowed, whose it is, and what to do instead otherwise.
pub const ACTS: [(ActKind, State, Relation, &str); 5] = [
    (ActKind::Propose, State::Drafting, Relation::Named, "a new text needs a new communiqué, or a declination first"),
    (ActKind::Initial, State::Drafting, Relation::Named, "initials are given while the text is settled"),
    (ActKind::Open, State::Drafting, Relation::Proposer, "it is opened once, by its proposer"),
    (ActKind::Sign, State::Open, Relation::Named, "it is signed once it is open and until it is complete"),
    (ActKind::Decline, State::Open, Relation::Named, "while drafting, propose another text instead"),
];

/// How far an act's time may lie ahead of log time, and before the entry that it builds on, in seconds.
pub const CLOCK_TOLERANCE: i64 = 300;

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

/// A revision and what was done to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision {
    /// The manifest.
    pub manifest: Document<Manifest>,
    /// The act that proposed it.
    pub propose: LoggedAct,
    /// The other acts on it, in log order.
    pub acts: Vec<LoggedAct>,
    /// The `opened` entry.
    pub opened: Option<Place>,
    /// Whether a party declined it: its signatures are sealed for ever.
    pub declined: bool,
}

impl Revision {
    fn of_kind(&self, kind: ActKind) -> impl Iterator<Item = &LoggedAct> {
        self.acts.iter().filter(move |a| a.act.act == kind)
    }
}

/// What went before the first entry that is known: nothing, unless a package is replayed from its signed revision on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Past {
    /// How many revisions there were.
    pub revisions: u64,
    /// The last one's manifest.
    pub manifest: Option<Digest>,
    /// Where the stream stood.
    pub position: Position,
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
}

/// What a decision looks at beside the communiqué itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The charter in force.
    pub charter: &'a Document<Charter>,
    /// The grants that the log holds.
    pub grants: &'a dyn Grants,
    /// Log time of the decision.
    pub now: Time,
}

impl Life {
    /// A life whose first known entry is not the stream's first.
    #[must_use]
    pub fn after(past: Past) -> Self {
        Self { past, position: past.position, ..Self::default() }
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
            Some(r) if r.opened.is_some() && !r.declined => State::Open,
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
    /// The file of this digest that any of its revisions names.
    #[must_use]
    pub fn part(&self, digest: Digest) -> Option<Part> {
        self.revisions().rev().flat_map(|r| r.manifest.parts()).find(|p| p.sha256 == digest)
    }
    /// Whether this party may see the act's bytes: another's signature only once all have signed, and never after a
    /// declination.
    #[must_use]
    pub fn may_see(&self, viewer: &PartyId, act: &Act) -> bool {
        act.act != ActKind::Sign || act.party == *viewer || (self.completed.is_some() && self.is_newest(act.manifest))
    }
    fn is_newest(&self, manifest: Digest) -> bool {
        self.newest().is_some_and(|r| r.manifest.digest() == manifest)
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
        self.allowed(body)?;
        for party in &manifest.parties {
            ctx.charter.party(party)?;
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
                if before.parties != manifest.parties {
                    return Err(Refusal::disagrees("manifest.parties", list(&before.parties), list(&manifest.parties)));
                }
            }
        }
        in_force(body, ctx)?;
        same("manifest.charter", ctx.charter.digest(), manifest.charter)?;
        if let Some(deadline) = manifest.procedure.deadline.filter(|d| *d <= ctx.now) {
            return Err(Refusal::DeadlinePassed { deadline });
        }
        covering(body, ctx)?;
        timely(body, self.newest().map(|r| r.propose.place.time), ctx.now)?;
        Ok(vec![Step { kind: Kind::Revision, documents: vec![manifest.digest()], statements: vec![act.digest()] }])
    }

    /// Decides on any other act.
    ///
    /// # Errors
    /// The refusal; nothing is to be logged.
    pub fn act(&self, act: &Statement<Act>, ctx: Context<'_>) -> Result<Vec<Step>, Refusal> {
        let body = act.body();
        let newest = self.newest().ok_or_else(|| Refusal::not_found("communiqué", body.communique))?;
        if body.act == ActKind::Propose {
            return Err(Refusal::malformed("act.act", "propose comes with its manifest, by ProposeRevision"));
        }
        if !newest.manifest.parties.contains(&body.party) {
            return Err(foreign(body));
        }
        self.allowed(body)?;
        if body.revision != newest.manifest.revision {
            return Err(Refusal::StaleRevision { revision: body.revision, newest: newest.manifest.revision });
        }
        members(&newest.manifest, body)?;
        if newest.declined {
            return Err(self.not_now(body.act, "this revision was declined: a new revision is needed"));
        }
        if body.act.needs_opening() {
            same("act.opening", shown(newest.opened.map(|o| o.entry)), shown(body.opening))?;
        }
        in_force(body, ctx)?;
        let powers = covering(body, ctx)?;
        timely(body, Some(newest.opened.unwrap_or(newest.propose.place).time), ctx.now)?;

        let manifest = newest.manifest.digest();
        let mut steps = vec![Step { kind: Kind::Act, documents: vec![], statements: vec![act.digest()] }];
        let opened = |statements| Step { kind: Kind::Opened, documents: vec![manifest], statements };
        match (body.act, newest.manifest.procedure.initialling) {
            (ActKind::Initial, Initialling::Waived) => {
                return Err(self.not_now(body.act, "initialling is waived: its proposer opens it"));
            }
            (ActKind::Open, Initialling::Required) => {
                return Err(self.not_now(body.act, "it opens by itself once every party has initialled it"));
            }
            (ActKind::Initial, Initialling::Required) => {
                if newest.of_kind(ActKind::Initial).any(|a| a.act.party == body.party) {
                    return Err(Refusal::SeatTaken { holder: format!("{}, as a party,", body.party) });
                }
                let initialled =
                    |p: &PartyId| *p == body.party || newest.of_kind(ActKind::Initial).any(|a| a.act.party == *p);
                if newest.manifest.parties.iter().all(initialled) {
                    let mut initials: Vec<_> = newest.of_kind(ActKind::Initial).map(|a| a.digest).collect();
                    initials.push(act.digest());
                    steps.push(opened(initials));
                }
            }
            (ActKind::Open, Initialling::Waived) => steps.push(opened(vec![act.digest()])),
            (ActKind::Sign, _) => steps.extend(self.sign(newest, act, powers, ctx)?),
            (ActKind::Decline | ActKind::Propose, _) => {}
        }
        Ok(steps)
    }

    /// One more signature: the seat must be free; if it is the last one that was missing, the set is complete.
    fn sign(
        &self,
        newest: &Revision,
        act: &Statement<Act>,
        powers: &Powers,
        ctx: Context<'_>,
    ) -> Result<Option<Step>, Refusal> {
        let body = act.body();
        let Some(opened) = newest.opened else {
            return Err(self.not_now(body.act, "it is not open yet"));
        };
        if let Some(deadline) = newest.manifest.procedure.deadline.filter(|d| ctx.now.max(body.time) > *d) {
            return Err(Refusal::DeadlinePassed { deadline });
        }
        let signed = || newest.of_kind(ActKind::Sign).map(|a| &a.act);
        let tally = |acts| Tally::of(&newest.manifest, opened.entry, ctx.charter, ctx.grants, acts);
        let before = tally(signed().collect::<Vec<_>>());
        if before.holds(&body.party, &powers.holder.id) {
            return Err(Refusal::SeatTaken { holder: powers.holder.id.to_string() });
        }
        if before.has_signed(&body.party)? {
            return Err(Refusal::SeatTaken { holder: format!("{}, by as many as its quorum asks,", body.party) });
        }
        if !tally(signed().chain([body]).collect()).complete()? {
            return Ok(None);
        }
        let statements = newest.of_kind(ActKind::Sign).map(|a| a.digest).chain([act.digest()]).collect();
        Ok(Some(Step { kind: Kind::Completed, documents: vec![newest.manifest.digest()], statements }))
    }

    /// Decides whether it may be published now.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] unless it is complete, [`Refusal::Embargoed`] before the agreed time.
    pub fn publish(&self, now: Time) -> Result<&Revision, Refusal> {
        let newest = match (self.state(), self.newest()) {
            (State::Complete, Some(newest)) => newest,
            (state, _) => {
                return Err(Refusal::NotNow {
                    act: "publication".into(),
                    state: state.to_string(),
                    advice: "every party must have signed first".into(),
                });
            }
        };
        match newest.manifest.procedure.embargo.filter(|e| now < *e) {
            Some(until) => Err(Refusal::Embargoed { until }),
            None => Ok(newest),
        }
    }

    /// What of this communiqué waits for this party: the acts that would bring it on and that the party could do now. Empty
    /// for a party that it does not name, and where nothing is left to do. The one answer for inboxes and filters; that a
    /// holder's powers cover the act is not asked.
    #[must_use]
    pub fn awaited(&self, party: &PartyId, ctx: Context<'_>) -> Vec<ActKind> {
        let Some(newest) = self.newest().filter(|r| r.manifest.parties.contains(party)) else { return vec![] };
        let passed = newest.manifest.procedure.deadline.is_some_and(|deadline| ctx.now > deadline);
        let initialled = || newest.of_kind(ActKind::Initial).any(|a| a.act.party == *party);
        match (self.state(), newest.opened) {
            (State::Drafting, _) if newest.declined => vec![ActKind::Propose],
            (State::Drafting, _) => match newest.manifest.procedure.initialling {
                Initialling::Required if !initialled() => vec![ActKind::Initial],
                Initialling::Waived if newest.manifest.proposer == *party => vec![ActKind::Open],
                Initialling::Required | Initialling::Waived => vec![],
            },
            (State::Open, Some(opened)) if !passed => {
                let signed = newest.of_kind(ActKind::Sign).map(|a| &a.act);
                let tally = Tally::of(&newest.manifest, opened.entry, ctx.charter, ctx.grants, signed);
                // A party that the charter no longer lists signs nothing.
                if tally.has_signed(party).unwrap_or(true) { vec![] } else { vec![ActKind::Sign] }
            }
            (State::Open | State::Complete | State::Published, _) => vec![],
        }
    }

    fn allowed(&self, act: &Act) -> Result<(), Refusal> {
        let state = self.state();
        for (kind, when, relation, advice) in ACTS {
            if kind == act.act {
                if when != state {
                    return Err(self.not_now(kind, advice));
                }
                let proposer = self.newest().map(|r| &r.manifest.proposer);
                if relation == Relation::Proposer && proposer != Some(&act.party) {
                    return Err(Refusal::NotYourAct { act: kind.to_string(), whose: "the proposer".into() });
                }
                return Ok(());
            }
        }
        Err(self.not_now(act.act, "no rule allows it"))
    }
    fn not_now(&self, act: ActKind, advice: &str) -> Refusal {
        Refusal::NotNow { act: act.to_string(), state: self.state().to_string(), advice: advice.into() }
    }

    /// Folds the stream's next entry. The log is trusted to hold only what was decided; that it fits together is checked.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], or what its bytes fail to parse with.
    pub fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        let inconsistent = || Refusal::Inconsistent { what: format!("entry {} does not fit its communiqué", r.index) };
        let mut position = self.position;
        position.advance(r.entry, r.digest)?;
        match r.entry.kind {
            Kind::Revision => {
                let manifest = Document::parse(r.document(0)?.to_vec())?;
                let propose = logged(r)?;
                let revision = Revision { manifest, propose, acts: vec![], opened: None, declined: false };
                self.revisions.push(Arc::new(revision));
            }
            Kind::Act => {
                let act = logged(r)?;
                let newest = Arc::make_mut(self.revisions.last_mut().ok_or_else(inconsistent)?);
                newest.declined |= act.act.act == ActKind::Decline;
                newest.acts.push(act);
            }
            Kind::Opened => {
                Arc::make_mut(self.revisions.last_mut().ok_or_else(inconsistent)?).opened = Some(r.place());
            }
            Kind::Completed => self.completed = Some(r.place()),
            Kind::Published => self.published = Some(r.place()),
            Kind::Charter | Kind::Adoption | Kind::Trust | Kind::Powers | Kind::Remark => return Err(inconsistent()),
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

/// The members that an act must share with its manifest.
fn members(manifest: &Document<Manifest>, act: &Act) -> Result<(), Refusal> {
    same("act.founding", manifest.founding, act.founding)?;
    same("act.exchange", &manifest.exchange, &act.exchange)?;
    same("act.charter", manifest.charter, act.charter)?;
    same("act.communique", manifest.communique, act.communique)?;
    same("act.revision", manifest.revision, act.revision)?;
    same("act.manifest", manifest.digest(), act.manifest)
}

/// The act is for this exchange and under the charter in force.
fn in_force(act: &Act, ctx: Context<'_>) -> Result<(), Refusal> {
    same("act.founding", ctx.founding, act.founding)?;
    same("act.exchange", &ctx.charter.exchange, &act.exchange)?;
    same("act.charter", ctx.charter.digest(), act.charter)
}

fn covering<'a>(act: &Act, ctx: Context<'a>) -> Result<&'a Powers, Refusal> {
    let powers = ctx.grants.grant(&act.party, &act.grant).ok_or(Refusal::UnknownGrant { grant: act.grant })?;
    powers.cover(act)?;
    Ok(powers)
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
    Refusal::NotYourAct { act: act.act.to_string(), whose: "the parties that the manifest names".into() }
}

fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "null".into(), |d| d.to_string())
}

fn list(parties: &[PartyId]) -> String {
    parties.iter().map(PartyId::as_str).collect::<Vec<_>>().join(", ")
}

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [State::Drafting, State::Open, State::Complete, State::Published];
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Drafting => "drafting",
            State::Open => "open",
            State::Complete => "complete",
            State::Published => "published",
        }
    }
}
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for State {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|v| v.as_str() == s)
            .ok_or_else(|| Refusal::malformed("state", "is none of drafting, open, complete, published"))
    }
}

#[cfg(test)]
mod tests;
