//! The table of rights, every cell of it; the rules of each act; histories at random.

use proptest::prelude::*;

use super::*;
use crate::domain::id::CommuniqueId;
use crate::domain::{
    manifest::Procedure,
    samples::{World, key, noon, party, public},
};

const THREE: [(&str, u64); 3] = [("aa", 1), ("bb", 1), ("cc", 1)];

/// A world in this state, the newest revision declined or not.
fn in_state(state: State, initialling: Initialling) -> World {
    let mut world = World::new(&THREE);
    let mut manifest = world.manifest();
    manifest.procedure.initialling = initialling;
    world.propose_as(manifest, |a| a).unwrap();
    if state == State::Drafting {
        return world;
    }
    match initialling {
        Initialling::Required => world.open(),
        Initialling::Waived => {
            world.submit(world.act(ActKind::Open, "aa", "a1")).unwrap();
        }
    }
    if state == State::Open {
        return world;
    }
    world.sign_all();
    if state == State::Published {
        world.publish().unwrap();
    }
    assert_eq!(world.life.state(), state);
    world
}

/// Every act × state × relation × initialling: exactly these are allowed. The list is written out by hand, from the text of
/// the rules and not from the table.
#[test]
fn every_cell_of_the_table() {
    let mut allowed = Vec::new();
    for initialling in [Initialling::Required, Initialling::Waived] {
        for state in State::ALL {
            for kind in ActKind::ALL {
                for who in ["aa", "bb", "stranger"] {
                    let mut world = in_state(state, initialling);
                    let outcome = if who == "stranger" {
                        stranger(&mut world, kind)
                    } else if kind == ActKind::Propose {
                        let manifest = world.manifest();
                        let grant = world.grant_of(who, "b1");
                        world.propose_as(manifest, |a| Act { party: party(who), grant, ..a })
                    } else {
                        world.submit(world.act(kind, who, "b1")).map(drop)
                    };
                    match outcome {
                        Ok(()) => allowed.push((initialling, state, kind, who)),
                        Err(refusal) => assert!(
                            matches!(
                                refusal,
                                Refusal::NotNow { .. } | Refusal::NotYourAct { .. } | Refusal::Disagrees { .. }
                            ),
                            "{initialling:?} {state} {kind} {who}: {refusal:?}"
                        ),
                    }
                }
            }
        }
    }
    use ActKind::*;
    use Initialling::*;
    let both = |i, s, k| [(i, s, k, "aa"), (i, s, k, "bb")];
    let mut expected = Vec::new();
    expected.extend(both(Required, State::Drafting, Initial));
    expected.extend(both(Required, State::Drafting, Propose));
    expected.extend(both(Required, State::Open, Decline));
    expected.extend(both(Required, State::Open, Sign));
    expected.push((Waived, State::Drafting, Open, "aa"));
    expected.extend(both(Waived, State::Drafting, Propose));
    expected.extend(both(Waived, State::Open, Decline));
    expected.extend(both(Waived, State::Open, Sign));
    assert_eq!(allowed, expected);
}

/// A party of the charter that the manifest does not name.
fn stranger(world: &mut World, kind: ActKind) -> Result<(), Refusal> {
    let mut outside = World::new(&[("aa", 1), ("bb", 1), ("cc", 1), ("zz", 1)]);
    let mut manifest = outside.manifest();
    manifest.parties = vec![party("aa"), party("bb"), party("cc")];
    manifest.procedure.initialling = world.life.newest().unwrap().manifest.procedure.initialling;
    outside.propose_as(manifest, |a| a)?;
    if world.life.state() != State::Drafting {
        match outside.life.newest().unwrap().manifest.procedure.initialling {
            Initialling::Required => {
                for p in ["aa", "bb", "cc"] {
                    outside.submit(outside.act(ActKind::Initial, p, "a1")).unwrap();
                }
            }
            Initialling::Waived => {
                outside.submit(outside.act(ActKind::Open, "aa", "a1")).unwrap();
            }
        }
    }
    if kind == ActKind::Propose {
        let manifest = outside.manifest();
        let grant = outside.grant_of("zz", "a1");
        return outside.propose_as(manifest, |a| Act { party: party("zz"), grant, ..a });
    }
    outside.submit(outside.act(kind, "zz", "a1")).map(drop)
}

#[test]
fn it_opens_with_the_last_initial_and_completes_with_the_last_signature() {
    let mut world = World::new(&[("aa", 2), ("bb", 1)]);
    world.propose().unwrap();
    assert_eq!(world.submit(world.act(ActKind::Initial, "aa", "a1")), Ok(1));
    assert_eq!(world.submit(world.act(ActKind::Initial, "bb", "a1")), Ok(2));
    assert_eq!(world.life.state(), State::Open);
    assert_eq!(world.submit(world.act(ActKind::Sign, "bb", "a1")), Ok(1));
    assert_eq!(world.submit(world.act(ActKind::Sign, "aa", "a1")), Ok(1));
    assert_eq!(world.life.state(), State::Open);
    assert_eq!(world.submit(world.act(ActKind::Sign, "aa", "b1")), Ok(2));
    assert_eq!(world.life.state(), State::Complete);
}

#[test]
fn one_holder_fills_one_seat_whatever_keys() {
    let mut world = World::new(&[("aa", 2), ("bb", 1)]);
    let mut second = world.powers("aa", "a1");
    second.key = public("a second key of a1");
    let second = world.grant(second).unwrap();
    world.propose().unwrap();
    world.open();
    world.submit(world.act(ActKind::Sign, "aa", "a1")).unwrap();
    let again = Act { time: world.now.plus(1), ..world.act(ActKind::Sign, "aa", "a1") };
    assert_eq!(world.submit(again).unwrap_err().reason(), "SEAT_TAKEN");
    let other_key = Act { grant: second, ..world.act(ActKind::Sign, "aa", "a1") };
    let signed = Statement::sign(other_key, &key("a second key of a1")).unwrap();
    assert_eq!(world.judge(&signed).unwrap_err().reason(), "SEAT_TAKEN");
    assert_eq!(world.life.state(), State::Open);
    world.submit(world.act(ActKind::Sign, "aa", "b1")).unwrap();
    let beyond = world.submit(world.act(ActKind::Sign, "aa", "c1")).unwrap_err();
    assert_eq!(beyond.reason(), "SEAT_TAKEN", "two seats are filled, and there is no third");
}

#[test]
fn a_charter_whose_seats_no_package_could_hold_does_not_parse() {
    let ids: Vec<String> = (0..33).map(|n| format!("p{n}")).collect();
    let with_quorum = |quorum| {
        let parties: Vec<_> = ids.iter().map(|id| (id.as_str(), quorum)).collect();
        Document::of(&crate::domain::samples::charter(&parties)).map(drop).map_err(|r| r.reason())
    };
    assert_eq!((with_quorum(15), with_quorum(16)), (Ok(()), Err("TOO_LARGE")));
    assert_eq!((with_quorum(0), with_quorum(17)), (Err("MALFORMED"), Err("MALFORMED")));
}

#[test]
fn a_declination_seals_what_was_signed() {
    let mut world = in_state(State::Open, Initialling::Required);
    world.submit(world.act(ActKind::Sign, "bb", "a1")).unwrap();
    world.submit(world.act(ActKind::Decline, "cc", "a1")).unwrap();
    assert_eq!(world.life.state(), State::Drafting);
    for kind in [ActKind::Initial, ActKind::Open, ActKind::Sign, ActKind::Decline] {
        assert!(world.submit(world.act(kind, "aa", "b1")).is_err(), "{kind} on a declined revision");
    }
    let sealed = world.life.newest().unwrap().acts.iter().find(|a| a.act.act == ActKind::Sign).unwrap().act.clone();
    world.propose().unwrap();
    world.open();
    world.sign_all();
    assert_eq!(world.life.state(), State::Complete);
    assert!(world.life.may_see(&party("bb"), &sealed));
    assert!(!world.life.may_see(&party("aa"), &sealed), "a sealed signature stays sealed after a later completion");
}

#[test]
fn escrow_opens_with_completion_alone() {
    let mut world = in_state(State::Open, Initialling::Required);
    world.submit(world.act(ActKind::Sign, "bb", "a1")).unwrap();
    let act = world.life.newest().unwrap().acts.last().unwrap().act.clone();
    assert!(world.life.may_see(&party("bb"), &act) && !world.life.may_see(&party("aa"), &act));
    world.submit(world.act(ActKind::Sign, "aa", "a1")).unwrap();
    assert!(!world.life.may_see(&party("aa"), &act));
    world.submit(world.act(ActKind::Sign, "cc", "a1")).unwrap();
    assert!(world.life.may_see(&party("aa"), &act));
}

/// Every member of an act that can lie, and the refusal it meets.
#[test]
fn an_act_that_disagrees_is_refused() {
    type Change = fn(&mut Act);
    let wrong = Digest::of(b"wrong");
    let rows: [(&str, Change, &str); 13] = [
        ("founding", |a| a.founding = Digest::of(b"wrong"), "DISAGREES"),
        ("exchange", |a| a.exchange = "other.example".parse().unwrap(), "DISAGREES"),
        ("charter", |a| a.charter = Digest::of(b"wrong"), "DISAGREES"),
        ("communique", |a| a.communique = CommuniqueId::new(1, &[9; 10]), "DISAGREES"),
        ("older revision", |a| a.revision = 1, "STALE_REVISION"),
        ("later revision", |a| a.revision = 9, "STALE_REVISION"),
        ("manifest", |a| a.manifest = Digest::of(b"wrong"), "DISAGREES"),
        ("opening", |a| a.opening = Some(Digest::of(b"wrong")), "DISAGREES"),
        ("grant", |a| a.grant = Digest::of(b"wrong"), "UNKNOWN_GRANT"),
        ("too early", |a| a.time = a.time.plus(-301), "TIME_OUT_OF_BOUNDS"),
        ("too late", |a| a.time = a.time.plus(301), "TIME_OUT_OF_BOUNDS"),
        ("before its grant", |a| a.time = a.time.plus(-90_000), "GRANT_FORBIDS"),
        ("after its grant", |a| a.time = a.time.plus(90_000), "GRANT_FORBIDS"),
    ];
    for (what, change, reason) in rows {
        let mut world = World::new(&THREE);
        world.propose().unwrap();
        world.propose().unwrap();
        world.open();
        let mut act = world.act(ActKind::Sign, "bb", "a1");
        change(&mut act);
        assert_eq!(world.submit(act).unwrap_err().reason(), reason, "{what}");
    }
    let mut world = World::new(&THREE);
    let manifest = world.manifest();
    for change in [
        |m: &mut Manifest| m.founding = Digest::of(b"wrong"),
        |m: &mut Manifest| m.exchange = "other.example".parse().unwrap(),
        |m: &mut Manifest| m.charter = Digest::of(b"wrong"),
    ] {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        let same = manifest.clone();
        let adjust = |a: Act| Act { founding: same.founding, exchange: same.exchange, charter: same.charter, ..a };
        assert_eq!(world.propose_as(manifest, adjust).unwrap_err().reason(), "DISAGREES");
    }
    let mut foreign = manifest.clone();
    foreign.parties.push(party("nobody"));
    assert_eq!(world.propose_as(foreign, |a| a).unwrap_err().reason(), "UNKNOWN_PARTY");
    let mut orphan = manifest;
    (orphan.revision, orphan.previous) = (2, Some(wrong));
    assert_eq!(world.propose_as(orphan, |a| a).unwrap_err().reason(), "STALE_REVISION");
}

#[test]
fn what_is_fixed_at_creation_stays() {
    let mut world = World::new(&THREE);
    world.propose().unwrap();
    let next = world.manifest();
    let mut fewer = next.clone();
    fewer.parties.pop();
    let mut other = next.clone();
    other.proposer = party("bb");
    let mut reordered = next.clone();
    reordered.parties.reverse();
    let mut unrelated = next;
    unrelated.previous = Some(Digest::of(b"unrelated"));
    for manifest in [fewer, other, reordered, unrelated] {
        let refusal = world.propose_as(manifest, |a| a).unwrap_err();
        assert_eq!(refusal.reason(), "DISAGREES", "{refusal}");
    }
}

#[test]
fn grants_bound_acts_scope_and_dates() {
    type Change = fn(&mut Powers);
    let rows: [(&str, Change); 4] = [
        ("acts", |p| p.acts = vec![ActKind::Propose]),
        ("scope", |p| p.scope = Some(vec![CommuniqueId::new(1, &[9; 10])])),
        ("expired", |p| p.not_after = noon().plus(-1)),
        ("not yet", |p| p.not_before = noon().plus(1)),
    ];
    for (what, change) in rows {
        let mut world = World::new(&THREE);
        let mut powers = world.powers("aa", "e1");
        powers.key = public("aa.e1");
        change(&mut powers);
        world.grant(powers).unwrap();
        world.propose().unwrap();
        let act = world.act(ActKind::Initial, "aa", "e1");
        assert_eq!(world.submit(act).unwrap_err().reason(), "GRANT_FORBIDS", "{what}");
    }
}

#[test]
fn deadline_and_embargo_hold() {
    let mut world = World::new(&THREE);
    let mut manifest = world.manifest();
    manifest.procedure = Procedure {
        initialling: Initialling::Required,
        deadline: Some(noon().plus(60)),
        embargo: Some(noon().plus(600)),
    };
    let mut past = manifest.clone();
    past.procedure.deadline = Some(noon());
    assert_eq!(world.propose_as(past, |a| a).unwrap_err().reason(), "DEADLINE_PASSED");
    world.propose_as(manifest, |a| a).unwrap();
    world.open();
    world.submit(world.act(ActKind::Sign, "aa", "a1")).unwrap();
    let late = Act { time: noon().plus(61), ..world.act(ActKind::Sign, "bb", "a1") };
    assert_eq!(world.submit(late).unwrap_err().reason(), "DEADLINE_PASSED");
    let timely = world.act(ActKind::Sign, "bb", "a1");
    world.now = noon().plus(61);
    assert_eq!(world.submit(timely.clone()).unwrap_err().reason(), "DEADLINE_PASSED");
    world.now = noon().plus(60);
    world.submit(timely).unwrap();
    world.submit(world.act(ActKind::Sign, "cc", "a1")).unwrap();
    assert_eq!(world.publish(), Err(Refusal::Embargoed { until: noon().plus(600) }));
    world.now = noon().plus(600);
    world.publish().unwrap();
}

#[test]
fn a_key_has_one_role_one_party_one_holder() {
    let mut world = World::new(&THREE);
    let rows = [
        ("a charter's key", "aa", "e1", "authority of bb"),
        ("the log's key", "aa", "e1", "log"),
        ("another holder's", "aa", "e1", "aa.a1"),
        ("another party's", "bb", "a1", "aa.a1"),
    ];
    for (what, of, holder, name) in rows {
        let mut powers = world.powers(of, holder);
        powers.key = public(name);
        assert_eq!(world.grant(powers).unwrap_err().reason(), "KEY_REFUSED", "{what}");
    }
}

#[derive(Clone, Debug)]
enum Move {
    Propose(usize),
    Act(usize, usize, usize),
    Publish,
    Replay(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        2 => (0usize..3).prop_map(Move::Propose),
        12 => (0usize..ActKind::ALL.len(), 0usize..3, 0usize..3).prop_map(|(k, p, h)| Move::Act(k, p, h)),
        1 => Just(Move::Publish),
        1 => (0usize..8).prop_map(Move::Replay),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is tried in whatever order: no seat counts twice, nobody sees escrow early, complete only if every party's
    /// quorum signed the same manifest, and what was said is said once.
    #[test]
    fn random_histories(moves in moves(), quorum in 1u64..3) {
        let mut world = World::new(&[("aa", quorum), ("bb", 1), ("cc", 1)]);
        let ids = ["aa", "bb", "cc"];
        let holders = ["a1", "b1", "c1"];
        world.propose().unwrap();
        let mut said: Vec<Act> = Vec::new();
        for m in moves {
            let complete_before = world.life.completed().is_some();
            match m {
                Move::Propose(p) => {
                    let grant = world.grant_of(ids[p], "a1");
                    let _ = world.propose_as(world.manifest(), |a| Act { party: party(ids[p]), grant, ..a });
                }
                Move::Act(k, p, h) => {
                    let act = world.act(ActKind::ALL[k], ids[p], holders[h]);
                    if act.act != ActKind::Propose && world.submit(act.clone()).is_ok() {
                        said.push(act);
                    }
                }
                Move::Publish => { let _ = world.publish(); }
                Move::Replay(n) => if let Some(act) = said.get(n).filter(|a| a.act != ActKind::Decline).cloned() {
                    prop_assert!(world.submit(act).is_err(), "the same act counted twice");
                },
            }
            world.now = world.now.plus(1);
            let newest = world.life.newest().unwrap();
            let signs: Vec<_> = newest.acts.iter().filter(|a| a.act.act == ActKind::Sign).collect();
            let mut seats: Vec<_> = signs.iter()
                .map(|a| (a.act.party.clone(), world.records[&a.act.party].grants()[&a.act.grant].body.holder.id.clone()))
                .collect();
            let all = seats.len();
            seats.sort();
            seats.dedup();
            prop_assert_eq!(all, seats.len(), "a seat filled twice");
            for p in &world.charter.parties {
                let theirs = seats.iter().filter(|(id, _)| *id == p.id).count() as u64;
                prop_assert!(theirs <= p.quorum, "more seats of {} than it has", p.id);
            }
            if world.life.completed().is_some() {
                for p in &world.charter.parties {
                    let theirs = seats.iter().filter(|(id, _)| *id == p.id).count() as u64;
                    prop_assert!(theirs >= p.quorum, "complete without {}", p.id);
                }
                prop_assert!(signs.iter().all(|a| a.act.manifest == newest.manifest.digest()));
            } else {
                prop_assert!(!complete_before, "completion undone");
                for revision in world.life.revisions() {
                    for a in revision.acts.iter().filter(|a| a.act.act == ActKind::Sign) {
                        for viewer in ids.iter().filter(|v| a.act.party.as_str() != **v) {
                            prop_assert!(!world.life.may_see(&party(viewer), &a.act), "escrow read early");
                        }
                    }
                }
            }
        }
    }
}

/// What waits for whom, written by hand; and whatever is said to wait can be done.
#[test]
fn what_is_awaited_can_be_done() {
    use Initialling::{Required, Waived};
    let expect: [(State, Initialling, &[ActKind], &[ActKind]); 8] = [
        (State::Drafting, Required, &[ActKind::Initial], &[ActKind::Initial]),
        (State::Drafting, Waived, &[ActKind::Open], &[]),
        (State::Open, Required, &[ActKind::Sign], &[ActKind::Sign]),
        (State::Open, Waived, &[ActKind::Sign], &[ActKind::Sign]),
        (State::Complete, Required, &[], &[]),
        (State::Complete, Waived, &[], &[]),
        (State::Published, Required, &[], &[]),
        (State::Published, Waived, &[], &[]),
    ];
    for (state, initialling, proposers, others) in expect {
        for (who, expected) in [("aa", proposers), ("bb", others), ("stranger", &[][..])] {
            let mut world = in_state(state, initialling);
            assert_eq!(world.awaited(who), expected, "{state} {initialling:?} {who}");
            for kind in expected {
                world.submit(world.act(*kind, who, "b1")).unwrap();
                assert!(!world.awaited(who).contains(kind), "{kind} was done");
            }
        }
    }
    // After a declination a new revision waits for everybody.
    let mut world = in_state(State::Open, Required);
    world.submit(world.act(ActKind::Decline, "cc", "a1")).unwrap();
    assert_eq!(world.awaited("bb"), [ActKind::Propose]);
    // A quorum of two waits until both have signed; a deadline that has passed waits for nothing.
    let mut world = World::new(&[("aa", 2), ("bb", 1)]);
    let deadline = noon().plus(60);
    let mut manifest = world.manifest();
    manifest.procedure.deadline = Some(deadline);
    world.propose_as(manifest, |a| a).unwrap();
    world.open();
    for holder in ["a1", "b1"] {
        assert_eq!(world.awaited("aa"), [ActKind::Sign]);
        world.submit(world.act(ActKind::Sign, "aa", holder)).unwrap();
    }
    assert_eq!(world.awaited("aa"), []);
    assert_eq!(world.awaited("bb"), [ActKind::Sign]);
    world.now = deadline.plus(1);
    assert_eq!(world.awaited("bb"), []);
}
