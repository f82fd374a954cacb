//! Histories at random: acts of every kind by whoever, grants, revocations, successions, days that pass, repeats. After each
//! step the rules that must hold whatever happened, counted by this file's own arithmetic.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::{charter::Succession, entry::Place, id::HolderId, register::verify_act, statement::Unverified};

const IDS: [&str; 4] = ["aa", "bb", "cc", "zz"];
const HOLDERS: [&str; 3] = ["a1", "b1", "c1"];
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
        kind: usize,
        by: usize,
        holder: usize,
        grant: usize,
        confirms: usize,
    },
    /// The same act by every party that the communiqué names, each by this holder.
    All {
        kind: usize,
        holder: usize,
    },
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
    /// Every party adopts the newest proposal.
    AdoptAll,
    Publish,
    Repeat(usize),
    Pass(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let (party, holder) = (0usize..IDS.len(), 0usize..HOLDERS.len());
    let kind = 0usize..ActKind::ALL.len();
    let of = |wanted: &[ActKind]| {
        let positions = wanted.iter().map(|k| ActKind::ALL.iter().position(|a| a == k).unwrap());
        prop::sample::select(positions.collect::<Vec<_>>())
    };
    let toward = of(&[ActKind::Initial, ActKind::Sign]);
    let together =
        of(&[ActKind::Initial, ActKind::Sign, ActKind::Sign, ActKind::Release, ActKind::Withdraw, ActKind::Purge]);
    let act = |kind: BoxedStrategy<usize>| {
        (kind, party.clone(), holder.clone(), 0usize..3, 0usize..3)
            .prop_map(|(kind, by, holder, grant, confirms)| Move::Act { kind, by, holder, grant, confirms })
    };
    let propose = (party.clone(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let step = prop_oneof![
        4 => propose.prop_map(|(by, waived, deadline, embargo)| Move::Propose { by, waived, deadline, embargo }),
        16 => act(kind.boxed()),
        6 => act(toward.boxed()),
        8 => (together, holder.clone()).prop_map(|(kind, holder)| Move::All { kind, holder }),
        2 => (party.clone(), holder.clone()).prop_map(|(to, holder)| Move::Grant { to, holder }),
        2 => (party.clone(), holder.clone()).prop_map(|(of, holder)| Move::Revoke { of, holder }),
        2 => (party.clone(), 0usize..4, party.clone()).prop_map(|(by, change, of)| Move::Charter { by, change, of }),
        3 => (0usize..3, party.clone(), 0usize..KEYS).prop_map(|(which, by, key)| Move::Adopt { which, by, key }),
        1 => Just(Move::AdoptAll),
        1 => Just(Move::Publish),
        4 => (0usize..64).prop_map(Move::Repeat),
        2 => prop::sample::select(vec![1i64, 30, 301, 3600, 20_000]).prop_map(Move::Pass),
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
    fn new(quorum: u64, succession: Succession) -> Self {
        let world = World::under(&[("aa", quorum), ("bb", 1), ("cc", 1), ("zz", 1)], succession);
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
        if kind == ActKind::Confirm {
            let waiting: Vec<_> = newest.of_kind(ActKind::SignAdReferendum).map(|a| a.digest).collect();
            act.confirms = waiting.get(confirms % waiting.len().max(1)).copied().or(act.confirms);
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
                if ActKind::ALL[kind] != ActKind::Propose {
                    self.submit(ActKind::ALL[kind], IDS[by], HOLDERS[holder], grant, confirms);
                }
            }
            Move::All { kind, holder } => {
                for of in self.world.life.parties().to_vec() {
                    self.submit(ActKind::ALL[kind], of.as_str(), HOLDERS[holder], 0, 0);
                }
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
            Move::AdoptAll => {
                let charter = self.world.charters.versions().next_back().map(|(c, _)| c.clone()).unwrap();
                for of in IDS {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn random_histories(moves in moves(), quorum in 1u64..3, all_but_one in any::<bool>()) {
        let succession = if all_but_one { Succession::AllButOne } else { Succession::Unanimous };
        let mut history = History::new(quorum, succession);
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
    }
}
