//! The table of rights, every cell of it; the rules of each act; histories at random.

mod awaited;
mod histories;
mod rules;

use super::*;
use crate::domain::{
    charter::Charter,
    manifest::Procedure,
    samples::{World, key, noon, party, public},
};

const THREE: [(&str, u64); 3] = [("aa", 1), ("bb", 1), ("cc", 1)];

/// Where a communiqué stands, as finely as the rules look at it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Plain,
    Objected,
    Declined,
    Returned,
    Open,
    Complete,
    Published,
    Withdrawn,
    Lapsed,
}

const STAGES: [(Stage, State); 9] = [
    (Stage::Plain, State::Drafting),
    (Stage::Objected, State::Drafting),
    (Stage::Declined, State::Drafting),
    (Stage::Returned, State::Drafting),
    (Stage::Open, State::Open),
    (Stage::Complete, State::Complete),
    (Stage::Published, State::Published),
    (Stage::Withdrawn, State::Withdrawn),
    (Stage::Lapsed, State::Lapsed),
];

/// A communiqué of `aa`, `bb` and `cc` at this stage; `zz` is a party that it does not name. Where it is or was open, `aa` and
/// `bb` have signed ad referendum.
fn at(stage: Stage, initialling: Initialling, embargo: bool) -> World {
    let mut world = World::new(&[("aa", 1), ("bb", 1), ("cc", 1), ("zz", 1)]);
    let mut manifest = world.manifest();
    manifest.parties.pop();
    manifest.procedure = Procedure {
        initialling,
        deadline: (stage == Stage::Lapsed).then(|| noon().plus(60)),
        embargo: embargo.then(|| noon().plus(600)),
    };
    world.propose_as(manifest, |a| a).unwrap();
    match stage {
        Stage::Plain => return world,
        Stage::Objected => {
            does(&mut world, ActKind::Object, "cc", "a1").unwrap();
            return world;
        }
        Stage::Withdrawn => {
            does(&mut world, ActKind::Withdraw, "aa", "a1").unwrap();
            return world;
        }
        _ => {}
    }
    match initialling {
        Initialling::Required => world.open(),
        Initialling::Waived => drop(does(&mut world, ActKind::Open, "aa", "a1").unwrap()),
    }
    for of in ["aa", "bb"] {
        does(&mut world, ActKind::SignAdReferendum, of, "c1").unwrap();
    }
    match stage {
        Stage::Declined => drop(does(&mut world, ActKind::Decline, "cc", "a1").unwrap()),
        Stage::Returned => succeed(&mut world, |charter| charter.witnesses = 1),
        Stage::Complete | Stage::Published => world.sign_all(),
        Stage::Lapsed => {
            world.now = noon().plus(61);
            world.settle();
        }
        _ => {}
    }
    if stage == Stage::Published {
        world.now = noon().plus(600);
        world.publish().unwrap();
    }
    world
}

/// Every party adopts this change of the charter, and what is due is logged.
fn succeed(world: &mut World, change: impl FnOnce(&mut Charter)) {
    let next = world.successor(change);
    let parties = world.standing().party_ids();
    for (n, of) in parties.iter().map(PartyId::as_str).enumerate() {
        let with = world.authority(of);
        match n {
            0 => world.propose_charter(&next, of, &with).unwrap(),
            _ => world.adopt(&next, of, &with).unwrap(),
        }
    }
    assert_eq!(world.standing().digest(), next.digest());
    world.settle();
}

/// A communiqué of all these parties, open for signature.
fn opened(parties: &[(&str, u64)]) -> World {
    let mut world = World::new(parties);
    world.propose().unwrap();
    world.open();
    world
}

fn does(world: &mut World, kind: ActKind, of: &str, holder: &str) -> Result<usize, Refusal> {
    world.submit(world.act(kind, of, holder))
}

fn does_with(
    world: &mut World,
    kind: ActKind,
    of: &str,
    holder: &str,
    change: impl FnOnce(&mut Act),
) -> Result<usize, Refusal> {
    let mut act = world.act(kind, of, holder);
    change(&mut act);
    world.submit(act)
}

fn proposes(world: &mut World, manifest: Manifest, of: &str) -> Result<(), Refusal> {
    let grant = world.grant_of(of, "b1");
    world.propose_as(manifest, |a| Act { party: party(of), grant, ..a })
}

fn reason<T>(outcome: Result<T, Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.reason(), |_| "done")
}

/// What the newest revision's last act is called.
fn last(world: &World) -> Digest {
    world.life.newest().unwrap().acts.last().unwrap().digest
}

/// What may be done, by the text of the rules and not by the table in the code.
fn expected(kind: ActKind, stage: Stage, who: &str, initialling: Initialling, embargo: bool) -> bool {
    use ActKind as Act;
    use Stage::{Complete, Declined, Lapsed, Objected, Open, Plain, Returned, Withdrawn};
    let (named, proposer) = (who != "zz", who == "aa");
    match (kind, stage) {
        // While it is drafted, whatever went before, a named party may put another text forward, and its proposer take it back.
        (Act::Propose, Plain | Objected | Declined | Returned) => named,
        (Act::Withdraw, Plain | Objected | Declined | Returned) => proposer,
        // A text that was declined, or whose charter is gone, is talked about no more.
        (Act::Object | Act::Declare, Plain | Objected) => named,
        (Act::Initial, Plain | Objected) => named && initialling == Initialling::Required,
        (Act::Open, Plain) => proposer && initialling == Initialling::Waived,
        (Act::Sign | Act::SignAdReferendum | Act::Confirm | Act::Decline | Act::Withdraw, Open) => named,
        (Act::Release, Open | Complete) => named && embargo,
        (Act::Purge, Withdrawn | Lapsed) => named,
        _ => false,
    }
}

/// Every act × stage of every state × relation × initialling × embargo: exactly what is expected is allowed.
#[test]
fn every_cell_of_the_table() {
    let (mut cells, mut allowed) = (0, 0);
    for initialling in [Initialling::Required, Initialling::Waived] {
        for (stage, state) in STAGES {
            for embargo in [false, true] {
                let world = at(stage, initialling, embargo);
                assert_eq!(world.life.state(), state, "{stage:?}");
                for kind in ActKind::ALL {
                    for who in ["aa", "bb", "zz"] {
                        let mut world = world.clone();
                        let before = (world.life.clone(), world.log.len());
                        let manifest = world.manifest();
                        let outcome = match kind {
                            ActKind::Propose => proposes(&mut world, manifest, who),
                            _ => does(&mut world, kind, who, "b1").map(drop),
                        };
                        let cell = format!("{kind} by {who} in {stage:?}, {initialling:?}, embargo {embargo}");
                        assert_eq!(
                            outcome.is_ok(),
                            expected(kind, stage, who, initialling, embargo),
                            "{cell}: {outcome:?}"
                        );
                        (cells, allowed) = (cells + 1, allowed + usize::from(outcome.is_ok()));
                        let Err(refusal) = outcome else { continue };
                        let fits = match who {
                            "zz" => matches!(refusal, Refusal::NotYourAct { .. }),
                            _ => matches!(
                                refusal,
                                Refusal::NotNow { .. } | Refusal::NotYourAct { .. } | Refusal::Disagrees { .. }
                            ),
                        };
                        assert!(fits, "{cell}: {refusal:?}");
                        assert_eq!(before, (world.life, world.log.len()), "{cell} left a trace");
                    }
                }
            }
        }
    }
    assert_eq!((cells, allowed), (1296, 154));
}

/// The request to publish is no act: exactly when it is complete, and the embargo passed or lifted by all.
#[test]
fn publication_waits_for_completion_and_embargo() {
    for (stage, _) in STAGES {
        for embargo in [false, true] {
            let mut world = at(stage, Initialling::Required, embargo);
            let outcome = reason(world.publish());
            let expected = match (stage, embargo) {
                (Stage::Complete, false) => "done",
                (Stage::Complete, true) => "EMBARGOED",
                _ => "NOT_NOW",
            };
            assert_eq!(outcome, expected, "{stage:?}, embargo {embargo}");
        }
    }
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
    let first = world.grant_of("aa", "a1");
    let mut second = world.powers("aa", "a1");
    second.key = public("a second key of a1");
    world.propose().unwrap();
    world.open();
    let second = world.grant(second).unwrap();
    let signs = Act { grant: first, ..world.act(ActKind::Sign, "aa", "a1") };
    world.submit(signs.clone()).unwrap();
    let again = Act { time: world.now.plus(1), ..signs };
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
    let mut world = opened(&THREE);
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
    let mut world = opened(&THREE);
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
