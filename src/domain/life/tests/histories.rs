//! Histories at random: acts of every kind by whoever, grants, revocations, successions, days that pass, repeats. After each
//! step the rules that must hold whatever happened, counted by this file's own arithmetic.

use std::{cell::RefCell, collections::BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::domain::{charter::Succession, entry::Place, id::HolderId, register::verify_act, statement::Unverified};

const IDS: [&str; 4] = ["aa", "bb", "cc", "zz"];
const HOLDERS: [&str; 3] = ["a1", "b1", "c1"];
/// Histories tried.
const CASES: u32 = 80;
/// Tried again as long as something was never met: so many at a time, so often at most.
const MORE: (u32, usize) = (20, 20);
/// Longest history, in steps.
const STEPS: usize = 90;
/// Most keys that a party has as its authority, one after the other.
const KEYS: usize = 4;

#[derive(Clone, Debug)]
enum Move {
    /// The next revision: by whom, with what procedure.
    Propose {
        by: usize,
        waived: bool,
        deadline: bool,
        embargo: bool,
    },
    /// An act of this kind by a holder, under one of the grants that he or she has.
    Act {
        kind: ActKind,
        by: usize,
        holder: usize,
        grant: usize,
        confirms: usize,
    },
    /// The same act by every party that the communiqué names, each by this holder.
    All {
        kind: ActKind,
        holder: usize,
    },
    /// Whatever opens the newest revision.
    Open,
    Grant {
        to: usize,
        holder: usize,
    },
    Revoke {
        of: usize,
        holder: usize,
    },
    Charter {
        by: usize,
        change: usize,
        of: usize,
    },
    Adopt {
        which: usize,
        by: usize,
        key: usize,
    },
    /// Every party adopts the newest proposal, but for this one, if there is one of this number.
    AdoptAll {
        but: usize,
    },
    Publish,
    Repeat(usize),
    Pass(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    use ActKind::{Confirm, Declare, Decline, Initial, Object, Open, Purge, Release, Sign, SignAdReferendum, Withdraw};
    let (party, holder) = (0usize..IDS.len(), 0usize..HOLDERS.len());
    // What ends or blocks a history is rarer than what carries it on.
    let kinds = [
        (2, Confirm),
        (1, Declare),
        (1, Decline),
        (2, Initial),
        (1, Object),
        (2, Open),
        (1, Purge),
        (2, Release),
        (4, Sign),
        (4, SignAdReferendum),
        (1, Withdraw),
    ];
    let kinds: Vec<_> = kinds.into_iter().flat_map(|(n, kind)| std::iter::repeat_n(kind, n)).collect();
    let together = vec![Initial, Open, Sign, Sign, SignAdReferendum, Confirm, Release, Purge];
    let act = (prop::sample::select(kinds), party.clone(), holder.clone(), 0usize..3, 0usize..3)
        .prop_map(|(kind, by, holder, grant, confirms)| Move::Act { kind, by, holder, grant, confirms });
    let propose = (party.clone(), any::<bool>(), prop::bool::weighted(0.5), prop::bool::weighted(0.4));
    let all = |kind| holder.clone().prop_map(move |holder| Move::All { kind, holder });
    let step = prop_oneof![
        6 => propose.prop_map(|(by, waived, deadline, embargo)| Move::Propose { by, waived, deadline, embargo }),
        40 => act,
        24 => (prop::sample::select(together), holder.clone()).prop_map(|(kind, holder)| Move::All { kind, holder }),
        8 => Just(Move::Open),
        1 => all(Withdraw),
        4 => (party.clone(), holder.clone()).prop_map(|(to, holder)| Move::Grant { to, holder }),
        4 => (party.clone(), holder.clone()).prop_map(|(of, holder)| Move::Revoke { of, holder }),
        4 => (party.clone(), 0usize..4, party.clone()).prop_map(|(by, change, of)| Move::Charter { by, change, of }),
        6 => (0usize..3, party.clone(), 0usize..KEYS).prop_map(|(which, by, key)| Move::Adopt { which, by, key }),
        4 => (0usize..8).prop_map(|but| Move::AdoptAll { but }),
        3 => Just(Move::Publish),
        6 => (0usize..64).prop_map(Move::Repeat),
        6 => prop::sample::select(vec![1i64, 301, 3601, 10_000]).prop_map(Move::Pass),
    ];
    prop::collection::vec(step, 1..STEPS)
}

fn authority_key(of: &str, n: usize) -> String {
    match n {
        0 => format!("authority of {of}"),
        n => format!("authority of {of} {}", n + 1),
    }
}

/// What cannot be undone, once it is there.
type Ends = [Option<Place>; 5];

/// A history on its way, and what was seen on it.
struct History {
    world: World,
    /// The acts that were taken, each with its index in the log.
    taken: Vec<Statement<Act>>,
    ends: Ends,
    /// What was in force at moments that have passed.
    seen: Vec<(Time, Vec<Arc<Standing>>)>,
    grants: i64,
}

impl History {
    fn new(world: World) -> Self {
        let mut history = Self { world, taken: Vec::new(), ends: [None; 5], seen: Vec::new(), grants: 0 };
        let mut manifest = history.world.manifest();
        manifest.parties.pop();
        history.world.propose_as(manifest, |a| a).unwrap();
        history
    }
    fn grant(&self, of: &str, holder: &str, n: usize) -> Option<Digest> {
        let record = self.world.records.get(&party(of))?;
        let held: Vec<_> = record.grants().iter().filter(|(_, g)| g.body.holder.id.as_str() == holder).collect();
        // What stands first, so that histories go on.
        let standing = held.iter().find(|(digest, _)| record.revocation(**digest).is_none());
        match n {
            0 => standing.or(held.first()).map(|(digest, _)| **digest),
            n => held.get(n % held.len().max(1)).map(|(digest, _)| **digest),
        }
    }
    fn submit(&mut self, kind: ActKind, of: &str, holder: &str, grant: usize, confirms: usize) {
        let Some(grant) = self.grant(of, holder, grant) else { return };
        let mut act = self.world.act(kind, of, holder);
        act.grant = grant;
        let newest = self.world.life.newest().unwrap();
        if kind == ActKind::Confirm && confirms > 0 {
            let waiting: Vec<_> = newest.of_kind(ActKind::SignAdReferendum).map(|a| a.digest).collect();
            act.confirms = waiting.get(confirms - 1).copied().or(act.confirms);
        }
        if kind == ActKind::Sign && confirms == 2 {
            let declared = self.world.life.revisions().flat_map(|r| r.of_kind(ActKind::Declare)).last();
            act.declaration = declared.map(|a| Declaration::Made(a.digest));
        }
        let signed = Statement::sign(act.clone(), &key(&format!("{of}.{holder}"))).unwrap();
        // An exact repeat is answered before the rules are asked.
        if self.taken.iter().all(|a| a.digest() != signed.digest()) && self.world.submit(act).is_ok() {
            self.taken.push(signed);
        }
    }
    fn all(&mut self, kind: ActKind, holder: &str) {
        for of in self.world.life.parties().to_vec() {
            self.submit(kind, of.as_str(), holder, 0, 0);
        }
    }
    fn play(&mut self, step: Move) {
        match step {
            Move::Propose { by, waived, deadline, embargo } => {
                let mut manifest = self.world.manifest();
                let later = |set: bool, seconds| set.then(|| self.world.now.plus(seconds));
                manifest.procedure = Procedure {
                    initialling: if waived { Initialling::Waived } else { Initialling::Required },
                    deadline: later(deadline, 600),
                    embargo: later(embargo, 900),
                };
                let Some(grant) = self.grant(IDS[by], HOLDERS[1], 0) else { return };
                let _ = self.world.propose_as(manifest, |a| Act { party: party(IDS[by]), grant, ..a });
            }
            Move::Act { kind, by, holder, grant, confirms } => {
                self.submit(kind, IDS[by], HOLDERS[holder], grant, confirms);
            }
            Move::All { kind, holder } => self.all(kind, HOLDERS[holder]),
            Move::Open => {
                self.all(ActKind::Open, "b1");
                self.all(ActKind::Initial, "b1");
            }
            Move::Grant { to, holder } => {
                self.grants += 1;
                let mut powers = self.world.powers(IDS[to], HOLDERS[holder]);
                powers.not_after = powers.not_after.plus(self.grants);
                let _ = self.world.grant(powers);
            }
            Move::Revoke { of, holder } => {
                if let Some(grant) = self.grant(IDS[of], HOLDERS[holder], 0) {
                    let _ = self.world.revoke(IDS[of], grant);
                }
            }
            Move::Charter { by, change, of } => {
                let next_key = (0..KEYS).find(|n| {
                    let named = public(&authority_key(IDS[of], *n));
                    !self.world.charters.names_key(&named)
                });
                let mut next = Charter::clone(self.world.standing().charter());
                let standing = self.world.standing();
                (next.version, next.previous) = (next.version + 1, Some(standing.digest()));
                next.adopt_by = Some(self.world.now.plus(3600));
                next.parties.retain(|p| standing.party(&p.id).is_ok());
                let at = next.parties.iter().position(|p| p.id.as_str() == IDS[of]);
                match (change, at, next_key) {
                    (0, Some(at), _) => next.parties[at].quorum = 3 - next.parties[at].quorum.min(2),
                    (1, Some(at), _) if next.parties.len() > 3 => drop(next.parties.remove(at)),
                    (2, Some(at), Some(n)) => next.parties[at].authority = public(&authority_key(IDS[of], n)),
                    _ => next.witnesses = 1 - next.witnesses.min(1),
                }
                let Ok(next) = Document::of(&next) else { return };
                let with = self.world.authority(IDS[by]);
                let _ = self.world.propose_charter(&next, IDS[by], &with);
            }
            Move::Adopt { which, by, key } => {
                let charter = self.world.charters.versions().rev().nth(which).map(|(c, _)| c.clone());
                if let Some(charter) = charter {
                    let _ = self.world.adopt(&charter, IDS[by], &authority_key(IDS[by], key));
                }
            }
            Move::AdoptAll { but } => {
                let charter = self.world.charters.versions().next_back().map(|(c, _)| c.clone()).unwrap();
                for of in IDS.into_iter().enumerate().filter(|(n, _)| *n != but).map(|(_, of)| of) {
                    for n in 0..KEYS {
                        let _ = self.world.adopt(&charter, of, &authority_key(of, n));
                    }
                }
            }
            Move::Publish => drop(self.world.publish()),
            Move::Repeat(n) => self.repeat(n),
            Move::Pass(seconds) => self.pass(seconds),
        }
    }
    fn pass(&mut self, seconds: i64) {
        self.seen.push((self.world.now, self.world.charters.chain(self.world.now)));
        self.world.now = self.world.now.plus(seconds);
    }
    /// The rules alone, without the exchange's answer to an exact repeat, let nothing be done twice.
    fn repeat(&self, n: usize) {
        let Some(signed) = self.taken.get(n % self.taken.len().max(1)) else { return };
        let verified = verify_act(Unverified::parse(signed.compact()).unwrap(), &self.world.records).unwrap();
        let steps = self.world.judge(&verified).unwrap_or_default();
        match signed.body().act {
            // Words may be said twice, and no more.
            ActKind::Object | ActKind::Declare => assert!(steps.len() <= 1),
            // Asked again where the one that had not asked has left.
            ActKind::Purge => assert!(steps.is_empty() || steps.len() == 2 && self.world.life.purged().is_none()),
            kind => assert!(steps.is_empty(), "the same {kind} counted twice"),
        }
    }

    /// The holders whose seats count, by this file's own arithmetic: under grants not revoked before this index.
    fn seats(&self, revision: &Revision, of: &PartyId, before: u64) -> BTreeSet<HolderId> {
        let record = &self.world.records[of];
        let stands = |a: &&LoggedAct| {
            a.act.party == *of && record.revocation(a.act.grant).is_none_or(|r| r.place.index > before)
        };
        let holder = |a: &LoggedAct| record.grants()[&a.act.grant].body.holder.id.clone();
        let confirmed: BTreeSet<_> =
            revision.of_kind(ActKind::Confirm).filter(stands).filter_map(|a| a.act.confirms).collect();
        let definitive = revision.of_kind(ActKind::Sign).filter(stands).map(holder);
        let referred = revision.of_kind(ActKind::SignAdReferendum).filter(stands);
        definitive.chain(referred.filter(|a| confirmed.contains(&a.digest)).map(holder)).collect()
    }
    fn check(&mut self) {
        let world = &self.world;
        let (life, newest) = (&world.life, world.life.newest().unwrap());
        let ends = [life.completed(), life.published(), life.withdrawn(), life.lapsed(), life.purged()];
        for (before, now) in self.ends.iter().zip(ends) {
            assert!(before.is_none() || *before == now, "undone: {before:?} is now {now:?}");
        }
        self.ends = ends;
        assert!(life.withdrawn().is_none() && life.lapsed().is_none() || life.completed().is_none());

        // Escrow.
        for revision in life.revisions() {
            let complete = life.completed().is_some() && revision == newest;
            for a in &revision.acts {
                for viewer in IDS.map(party) {
                    let may = !a.act.act.is_signature() || viewer == a.act.party || complete;
                    assert_eq!(life.may_see(&viewer, &a.act), may, "{} of {} by {viewer}", a.act.act, a.act.party);
                }
            }
        }

        match (life.state(), life.completed()) {
            (State::Open, _) => {
                let standing = world.standing();
                assert_eq!(newest.manifest.charter, standing.digest());
                let all = newest.manifest.parties.iter().all(|p| {
                    let filled = self.seats(newest, p, u64::MAX - 1).len() as u64;
                    let quorum = standing.party(p).unwrap().quorum;
                    assert!(filled <= quorum, "{p} fills {filled} seats of {quorum}");
                    filled == quorum
                });
                assert!(!all, "all have signed, and it is not complete");
            }
            (_, Some(completed)) => {
                assert!(!newest.sealed());
                let chain = world.charters.chain(completed.time);
                let judged = chain.iter().find(|s| s.digest() == newest.manifest.charter).unwrap();
                let entry = &world.log[usize::try_from(completed.index).unwrap()].entry;
                let listed: Vec<_> = newest.acts.iter().filter(|a| entry.statements.contains(&a.digest)).collect();
                let order: Vec<_> = listed.iter().map(|a| a.digest).collect();
                assert_eq!(order, entry.statements, "in log order, once each");
                for p in &newest.manifest.parties {
                    let quorum = judged.party(p).unwrap().quorum;
                    let seats = self.seats(newest, p, completed.index);
                    assert_eq!(seats.len() as u64, quorum, "seats of {p}");
                    let theirs = || listed.iter().filter(|a| a.act.party == *p);
                    let of = |kind| theirs().filter(move |a| a.act.act == kind).count() as u64;
                    assert_eq!(of(ActKind::Sign) + of(ActKind::SignAdReferendum), quorum, "listed for {p}");
                    assert_eq!(of(ActKind::Confirm), of(ActKind::SignAdReferendum), "confirmed for {p}");
                    assert!(theirs().all(|a| {
                        let grant = &world.records[p].grants()[&a.act.grant];
                        let authority = &judged.party(p).unwrap().authority;
                        a.act.manifest == newest.manifest.digest()
                            && a.act.charter == judged.digest()
                            && grant.place.index < a.place.index
                            && crate::domain::statement::is_by::<Powers>(&grant.compact, authority)
                    }));
                }
            }
            _ => {}
        }
    }
    fn check_log(&mut self) {
        self.pass(0);
        let (life, charters, records) = self.world.replayed();
        assert!(life == self.world.life, "another life when read again");
        assert!(charters == self.world.charters, "other charters when read again");
        assert!(records == self.world.records, "other records when read again");
        for (time, chain) in &self.seen {
            assert_eq!(self.world.charters.chain(*time), *chain, "at {time}");
            assert_eq!(charters.chain(*time), *chain, "at {time}, read again");
        }
        let mut logged = BTreeSet::new();
        for act in self.world.life.revisions().flat_map(|r| &r.acts) {
            assert!(logged.insert(act.digest), "logged twice: {}", act.digest);
        }
    }
}

/// What a history came to, for a count of what was tried.
fn reached(world: &World) -> BTreeSet<String> {
    let state = [world.life.state().to_string()];
    let kinds = world.log.iter().map(|l| format!("{:?}", l.entry.kind));
    let acts = world.life.revisions().flat_map(|r| &r.acts).map(|a| a.act.act.to_string());
    let chain = world.charters.chain(world.now);
    let versions = (chain.len() > 1).then(|| "succession".to_owned());
    let by_day = chain.iter().any(|s| !s.absent().is_empty()).then(|| "absent".to_owned());
    let rekeyed =
        chain.iter().flat_map(|s| s.parties()).any(|p| p.authority != public(&authority_key(p.id.as_str(), 0)));
    let rekeyed = rekeyed.then(|| "another key".to_owned());
    state.into_iter().chain(kinds).chain(acts).chain(versions).chain(by_day).chain(rekeyed).collect()
}

/// What every run of them must have met: a history that comes to nothing shows nothing.
const MET: [&str; 15] = [
    "Completed",
    "Published",
    "Lapsed",
    "Returned",
    "Purged",
    "Revocation",
    "confirm",
    "release",
    "withdrawn",
    "decline",
    "object",
    "declare",
    "succession",
    "another key",
    "absent",
];

#[test]
fn random_histories() {
    let of = |quorum| [("aa", quorum), ("bb", 1), ("cc", 1), ("zz", 1)];
    let rules = [Succession::Unanimous, Succession::AllButOne];
    let worlds: Vec<_> =
        [1, 2].into_iter().flat_map(|quorum| rules.map(|rule| World::under(&of(quorum), rule))).collect();
    let met = RefCell::new(BTreeSet::new());
    // What is rare may not be met the first time.
    for cases in [CASES].into_iter().chain([MORE.0; MORE.1]) {
        if let Err(failure) = run(&worlds, &met, cases) {
            panic!("{failure}");
        }
        if MET.iter().all(|what| met.borrow().contains(*what)) {
            return;
        }
    }
    panic!("never met: {:?}", MET.iter().filter(|what| !met.borrow().contains(**what)).collect::<Vec<_>>());
}

fn run(worlds: &[World], met: &RefCell<BTreeSet<String>>, cases: u32) -> Result<(), String> {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(moves(), 0..worlds.len()), |(moves, world)| {
        let mut history = History::new(worlds[world].clone());
        for step in moves {
            history.world.settle();
            history.play(step);
            history.world.settle();
            history.check();
            history.pass(1);
        }
        history.check_log();
        for n in 0..history.taken.len() {
            history.repeat(n);
        }
        met.borrow_mut().extend(reached(&history.world));
        Ok(())
    });
    outcome.map_err(|failure| failure.to_string())
}
