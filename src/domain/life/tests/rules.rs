//! One test for each rule of the acts.

use super::*;
use crate::domain::{
    entry::{Entry, StreamId},
    manifest::Rectifies,
    powers::Revocation,
    register::PartyRecord,
    words::{Line, Prose},
};

const NONE: Option<Time> = None;

/// A communiqué of `aa`, `bb` and `cc` with this procedure.
fn drafted(initialling: Initialling, deadline: Option<Time>, embargo: Option<Time>) -> World {
    let mut world = World::new(&THREE);
    revise(&mut world, initialling, deadline, embargo).unwrap();
    world
}

fn revise(
    world: &mut World,
    initialling: Initialling,
    deadline: Option<Time>,
    embargo: Option<Time>,
) -> Result<(), Refusal> {
    let mut manifest = world.manifest();
    manifest.procedure = Procedure { initialling, deadline, embargo };
    world.propose_as(manifest, |a| a)
}

fn entries(world: &World, kind: Kind) -> Vec<&Entry> {
    world.log.iter().map(|l| &l.entry).filter(|e| e.kind == kind).collect()
}

#[test]
fn an_objection_keeps_it_from_opening_until_the_next_revision() {
    let mut world = drafted(Initialling::Required, NONE, NONE);
    does(&mut world, ActKind::Initial, "aa", "a1").unwrap();
    does(&mut world, ActKind::Object, "bb", "a1").unwrap();
    does(&mut world, ActKind::Initial, "bb", "a1").unwrap();
    assert_eq!(does(&mut world, ActKind::Initial, "cc", "a1"), Ok(1), "the last initial opens nothing");
    assert_eq!(world.life.state(), State::Drafting);
    assert!(world.life.newest().unwrap().objected());
    world.propose().unwrap();
    assert!(!world.life.newest().unwrap().objected(), "it falls with the revision");
    assert_eq!(reason(does(&mut world, ActKind::Sign, "aa", "a1")), "NOT_NOW", "and so do the initials");
    world.open();
    assert_eq!(world.life.state(), State::Open);

    let mut world = drafted(Initialling::Waived, NONE, NONE);
    does(&mut world, ActKind::Object, "cc", "a1").unwrap();
    let refusal = does(&mut world, ActKind::Open, "aa", "a1").unwrap_err();
    assert!(refusal.to_string().contains("an objection stands"), "{refusal}");
    revise(&mut world, Initialling::Waived, NONE, NONE).unwrap();
    assert_eq!(does(&mut world, ActKind::Open, "aa", "a1"), Ok(2));
    assert_eq!(reason(does(&mut world, ActKind::Open, "aa", "a1")), "NOT_NOW", "it opens once");
}

#[test]
fn initials_are_given_once_by_each_party_and_listed_where_it_opens() {
    let mut world = drafted(Initialling::Required, NONE, NONE);
    let mut given = Vec::new();
    for of in ["cc", "aa", "bb"] {
        does(&mut world, ActKind::Initial, of, "a1").unwrap();
        given.push(last(&world));
        if of != "bb" {
            assert_eq!(reason(does(&mut world, ActKind::Initial, of, "b1")), "SEAT_TAKEN");
        }
    }
    assert_eq!(entries(&world, Kind::Opened).first().map(|e| &e.statements), Some(&given));
    assert_eq!(reason(does(&mut drafted(Initialling::Waived, NONE, NONE), ActKind::Initial, "aa", "a1")), "NOT_NOW");
    assert_eq!(reason(does(&mut drafted(Initialling::Required, NONE, NONE), ActKind::Open, "aa", "a1")), "NOT_NOW");
}

#[test]
fn objections_and_declarations_are_for_all_to_read_and_few() {
    for kind in [ActKind::Object, ActKind::Declare] {
        let mut world = drafted(Initialling::Required, NONE, NONE);
        for n in 0..TALK_LIMIT {
            let outcome = does_with(&mut world, kind, "bb", "a1", |a| a.time = a.time.plus(n as i64));
            assert_eq!(outcome, Ok(1));
        }
        for act in &world.life.newest().unwrap().acts {
            assert!(world.life.may_see(&party("aa"), &act.act));
        }
        assert_eq!(reason(does(&mut world, kind, "bb", "b1")), "LIMIT_REACHED", "{kind}");
        assert_eq!(does(&mut world, kind, "cc", "a1"), Ok(1), "each party has its own");
        world.propose().unwrap();
        assert_eq!(does(&mut world, kind, "bb", "a1"), Ok(1), "and each revision");
    }
}

#[test]
fn a_signature_is_given_with_a_declaration_of_its_own_party() {
    let mut world = drafted(Initialling::Required, NONE, NONE);
    does(&mut world, ActKind::Declare, "bb", "a1").unwrap();
    let declared = last(&world);
    does(&mut world, ActKind::Object, "cc", "a1").unwrap();
    let objected = last(&world);
    world.propose().unwrap();
    world.open();
    for kind in [ActKind::Sign, ActKind::SignAdReferendum] {
        for (of, what) in [("cc", declared), ("cc", objected), ("bb", objected), ("bb", Digest::of(b"unknown"))] {
            let carrying = |a: &mut Act| a.declaration = Some(Declaration::Made(what));
            assert_eq!(reason(does_with(&mut world, kind, of, "a1", carrying)), "NOT_FOUND", "{kind} {of}");
        }
    }
    let carrying = |a: &mut Act| a.declaration = Some(Declaration::Made(declared));
    does_with(&mut world, ActKind::SignAdReferendum, "bb", "b1", carrying).unwrap();
    does_with(&mut world, ActKind::Sign, "bb", "a1", carrying).unwrap();
}

#[test]
fn a_signature_ad_referendum_takes_a_seat_and_counts_once_confirmed() {
    let mut world = opened(&THREE);
    let mut counted = Vec::new();
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    counted.push(last(&world));
    does(&mut world, ActKind::SignAdReferendum, "aa", "d1").unwrap();
    let ad_referendum = last(&world);
    counted.push(ad_referendum);
    // Of two that wait, one is confirmed; the other does not count.
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    let other = last(&world);
    assert_eq!(does(&mut world, ActKind::Sign, "cc", "a1"), Ok(1), "aa has not signed yet");
    counted.push(last(&world));
    assert_eq!(world.life.state(), State::Open);
    for kind in [ActKind::Sign, ActKind::SignAdReferendum] {
        assert_eq!(reason(does(&mut world, kind, "aa", "a1")), "SEAT_TAKEN", "{kind} by who holds the seat");
    }
    let of_aa = |a: &mut Act| a.confirms = Some(ad_referendum);
    assert_eq!(reason(does_with(&mut world, ActKind::Confirm, "bb", "b1", of_aa)), "SEAT_TAKEN");
    assert_eq!(does_with(&mut world, ActKind::Confirm, "aa", "b1", of_aa), Ok(2));
    counted.push(last(&world));
    assert_eq!(world.life.state(), State::Complete);
    let completed = entries(&world, Kind::Completed);
    assert_eq!(completed.first().map(|e| &e.statements), Some(&counted), "exactly what counts, in log order");
    assert!(!counted.contains(&other));
}

#[test]
fn who_confirms_what() {
    let mut world = opened(&[("aa", 2), ("bb", 2)]);
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    let waiting = last(&world);
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    let definitive = last(&world);
    let confirm = |world: &mut World, of: &str, holder: &str, what: Digest| {
        does_with(world, ActKind::Confirm, of, holder, |a| a.confirms = Some(what))
    };
    assert_eq!(reason(confirm(&mut world, "bb", "b1", waiting)), "NOT_FOUND", "another party's");
    assert_eq!(reason(confirm(&mut world, "bb", "b1", definitive)), "NOT_FOUND", "a definitive one");
    assert_eq!(reason(confirm(&mut world, "aa", "b1", Digest::of(b"none"))), "NOT_FOUND", "none");
    let mut revoked = world.clone();
    let grant = revoked.grant_of("aa", "a1");
    revoked.revoke("aa", grant).unwrap();
    assert_eq!(reason(confirm(&mut revoked, "aa", "b1", waiting)), "NOT_NOW", "one under revoked powers");
    confirm(&mut world, "aa", "b1", waiting).unwrap();
    let confirmed = last(&world);
    assert_eq!(reason(confirm(&mut world, "aa", "c1", waiting)), "NOT_NOW", "twice");
    // The confirmation counts no more if its own powers end, and can be given again.
    let grant = world.grant_of("aa", "b1");
    world.revoke("aa", grant).unwrap();
    confirm(&mut world, "aa", "c1", waiting).unwrap();
    does(&mut world, ActKind::Sign, "aa", "d1").unwrap();
    assert_eq!(does(&mut world, ActKind::Sign, "bb", "b1"), Ok(2));
    assert!(!entries(&world, Kind::Completed)[0].statements.contains(&confirmed));
    // One's own can be confirmed too: it takes a second, deliberate act.
    let mut world = opened(&[("aa", 1), ("bb", 1)]);
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    assert_eq!(does(&mut world, ActKind::Confirm, "aa", "a1"), Ok(1));
}

#[test]
fn a_quorum_counts_what_is_confirmed_with_what_is_definitive() {
    let mut world = opened(&[("aa", 2), ("bb", 1)]);
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    does(&mut world, ActKind::Sign, "aa", "a1").unwrap();
    assert_eq!(does(&mut world, ActKind::SignAdReferendum, "aa", "b1"), Ok(1));
    assert_eq!(world.life.state(), State::Open);
    assert_eq!(does(&mut world, ActKind::Confirm, "aa", "c1"), Ok(2));
    assert_eq!(world.life.state(), State::Complete);

    // Another may sign in the place of one who waits.
    let mut world = opened(&[("aa", 1), ("bb", 1)]);
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    let waiting = last(&world);
    does(&mut world, ActKind::Sign, "aa", "b1").unwrap();
    assert_eq!(reason(does(&mut world, ActKind::Confirm, "aa", "c1")), "SEAT_TAKEN", "aa has signed");
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    assert!(!entries(&world, Kind::Completed)[0].statements.contains(&waiting));
}

#[test]
fn signatures_that_never_count_are_bounded() {
    let mut world = opened(&THREE);
    for n in 0..=SPARE_SIGNATURES {
        let mut powers = world.powers("aa", &format!("s{n}"));
        powers.key = public(&format!("aa.s{n}"));
        world.grant(powers).unwrap();
        does(&mut world, ActKind::SignAdReferendum, "aa", &format!("s{n}")).unwrap();
    }
    assert_eq!(reason(does(&mut world, ActKind::SignAdReferendum, "aa", "a1")), "LIMIT_REACHED");
    does(&mut world, ActKind::Sign, "aa", "a1").unwrap();
}

#[test]
fn a_party_that_signed_may_decline_and_its_signature_is_sealed_for_ever() {
    let mut world = opened(&THREE);
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    let sealed: Vec<Act> = world.life.newest().unwrap().acts.iter().map(|a| a.act.clone()).collect();
    does(&mut world, ActKind::Decline, "bb", "a1").unwrap();
    assert!(world.life.newest().unwrap().sealed());
    for kind in [ActKind::Sign, ActKind::SignAdReferendum, ActKind::Confirm, ActKind::Decline, ActKind::Release] {
        assert_eq!(reason(does(&mut world, kind, "cc", "a1")), "NOT_NOW", "{kind}");
    }
    assert_eq!(reason(does(&mut world, ActKind::Initial, "cc", "a1")), "NOT_NOW");
    world.propose().unwrap();
    assert_eq!(reason(does(&mut world, ActKind::Sign, "aa", "a1")), "NOT_NOW", "a new revision is initialled anew");
    world.open();
    world.sign_all();
    world.publish().unwrap();
    for act in sealed.iter().filter(|a| a.act.is_signature()) {
        for viewer in ["aa", "bb", "cc"] {
            assert_eq!(world.life.may_see(&party(viewer), act), viewer == act.party.as_str(), "{viewer} {}", act.party);
        }
    }
}

#[test]
fn a_draft_is_its_proposers_to_take_back_and_what_is_open_everyones() {
    let mut world = drafted(Initialling::Required, NONE, NONE);
    assert_eq!(reason(does(&mut world, ActKind::Withdraw, "bb", "a1")), "NOT_YOUR_ACT");
    does_with(&mut world, ActKind::Withdraw, "aa", "a1", |a| a.reason = Some(Prose::new("Plus d’objet.").unwrap()))
        .unwrap();
    assert_eq!(world.life.state(), State::Withdrawn);

    let mut world = opened(&THREE);
    assert_eq!(does(&mut world, ActKind::Withdraw, "cc", "a1"), Ok(1));
    assert_eq!(reason(does(&mut world, ActKind::Withdraw, "cc", "b1")), "SEAT_TAKEN", "once for a party");
    does(&mut world, ActKind::Withdraw, "aa", "a1").unwrap();
    assert_eq!(world.life.state(), State::Open);
    let mut declined = world.clone();
    does(&mut world, ActKind::Withdraw, "bb", "a1").unwrap();
    assert_eq!(world.life.state(), State::Withdrawn);
    assert_eq!(world.life.withdrawn().map(|p| p.index), Some(world.log.len() as u64 - 1));

    // What two of three wished of one opening is not carried into the next.
    does(&mut declined, ActKind::Decline, "bb", "a1").unwrap();
    declined.propose().unwrap();
    declined.open();
    does(&mut declined, ActKind::Withdraw, "bb", "a1").unwrap();
    assert_eq!(declined.life.state(), State::Open);
    for of in ["aa", "cc"] {
        does(&mut declined, ActKind::Withdraw, of, "a1").unwrap();
    }
    assert_eq!(declined.life.state(), State::Withdrawn);

    // Nor into the draft that it becomes again: there the proposer takes it back alone, and again.
    let mut returned = opened(&THREE);
    for of in ["aa", "bb"] {
        does(&mut returned, ActKind::Withdraw, of, "a1").unwrap();
    }
    succeed(&mut returned, |charter| charter.witnesses = 1);
    assert_eq!(reason(does(&mut returned, ActKind::Withdraw, "cc", "a1")), "NOT_YOUR_ACT");
    assert_eq!(does(&mut returned, ActKind::Withdraw, "aa", "a1"), Ok(1));
    assert_eq!(returned.life.state(), State::Withdrawn);
}

#[test]
fn a_withdrawal_says_whether_it_speaks_of_the_opening() {
    let mut world = opened(&THREE);
    assert_eq!(reason(does_with(&mut world, ActKind::Withdraw, "aa", "a1", |a| a.opening = None)), "DISAGREES");
    let mut world = drafted(Initialling::Required, NONE, NONE);
    let opening = |a: &mut Act| a.opening = Some(Digest::of(b"some opening"));
    assert_eq!(reason(does_with(&mut world, ActKind::Withdraw, "aa", "a1", opening)), "DISAGREES");
}

#[test]
fn once_the_proposer_has_left_any_named_party_takes_the_draft_back() {
    for open in [false, true] {
        let mut world = World::new(&[("aa", 1), ("bb", 1), ("cc", 1), ("zz", 1)]);
        let mut manifest = world.manifest();
        manifest.parties.pop();
        world.propose_as(manifest, |a| a).unwrap();
        if open {
            world.open();
        }
        succeed(&mut world, |charter| drop(charter.parties.remove(0)));
        assert_eq!(world.life.state(), State::Drafting);
        assert_eq!(reason(does(&mut world, ActKind::Withdraw, "aa", "a1")), "UNKNOWN_PARTY");
        assert_eq!(reason(does(&mut world, ActKind::Withdraw, "zz", "a1")), "NOT_YOUR_ACT");
        let manifest = world.manifest();
        assert_eq!(reason(proposes(&mut world, manifest, "bb")), "UNKNOWN_PARTY", "it can only be withdrawn");
        for kind in [ActKind::Initial, ActKind::Object, ActKind::Declare, ActKind::Open] {
            assert!(does(&mut world, kind, "bb", "a1").is_err(), "{kind}");
        }
        assert_eq!(does(&mut world, ActKind::Withdraw, "bb", "a1"), Ok(1));
        assert_eq!(world.life.state(), State::Withdrawn);
    }
}

#[test]
fn an_embargo_is_lifted_by_all_in_open_and_in_complete() {
    let embargo = Some(noon().plus(600));
    let mut world = drafted(Initialling::Required, NONE, embargo);
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "a1")), "NOT_NOW");
    world.open();
    does(&mut world, ActKind::Release, "aa", "a1").unwrap();
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "b1")), "SEAT_TAKEN");
    world.sign_all();
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "b1")), "SEAT_TAKEN", "it holds in complete");
    does(&mut world, ActKind::Release, "bb", "a1").unwrap();
    assert_eq!(world.publish(), Err(Refusal::Embargoed { until: noon().plus(600) }), "cc has not released it");
    does(&mut world, ActKind::Release, "cc", "a1").unwrap();
    world.publish().unwrap();

    // It falls with the revision.
    let mut world = drafted(Initialling::Required, NONE, embargo);
    world.open();
    for of in ["aa", "bb", "cc"] {
        does(&mut world, ActKind::Release, of, "a1").unwrap();
    }
    does(&mut world, ActKind::Decline, "cc", "a1").unwrap();
    revise(&mut world, Initialling::Required, NONE, embargo).unwrap();
    world.open();
    world.sign_all();
    assert_eq!(reason(world.publish()), "EMBARGOED");

    // There is nothing to release without one.
    let mut world = opened(&THREE);
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "a1")), "NOT_NOW");
    world.sign_all();
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "a1")), "NOT_NOW");
}

#[test]
fn under_a_later_charter_a_complete_one_waits_for_the_end_of_its_embargo() {
    let mut world = drafted(Initialling::Required, NONE, Some(noon().plus(600)));
    world.open();
    world.sign_all();
    succeed(&mut world, |charter| charter.witnesses = 1);
    assert_eq!(world.life.state(), State::Complete, "a succession changes nothing of what is complete");
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "a1")), "DISAGREES");
    world.now = noon().plus(600);
    world.publish().unwrap();
}

#[test]
fn what_is_open_lapses_after_its_deadline() {
    let deadline = noon().plus(60);
    let mut world = drafted(Initialling::Required, Some(deadline), NONE);
    let mut draft = world.clone();
    world.open();
    does(&mut world, ActKind::Sign, "aa", "a1").unwrap();
    let signed = world.life.newest().unwrap().acts.last().unwrap().act.clone();
    world.now = deadline;
    assert_eq!(world.life.due(&world.standing(), world.now), None, "the deadline itself is in time");
    world.now = deadline.plus(1);
    let due = world.life.due(&world.standing(), world.now).unwrap();
    assert_eq!((due.kind, due.statements), (Kind::Lapsed, vec![]));
    assert_eq!(due.documents, vec![world.life.newest().unwrap().manifest.digest()]);
    world.settle();
    assert_eq!(world.life.state(), State::Lapsed);
    assert_eq!(world.life.due(&world.standing(), world.now), None, "once");
    for kind in ActKind::ALL.into_iter().filter(|k| !matches!(k, ActKind::Propose | ActKind::Purge)) {
        assert_eq!(reason(does(&mut world, kind, "aa", "b1")), "NOT_NOW", "{kind}");
    }
    assert_eq!(reason(world.propose()), "NOT_NOW");
    assert!(!world.life.may_see(&party("bb"), &signed), "sealed for ever");

    // A draft does not lapse; it cannot be opened, and another revision gives it more time.
    does(&mut draft, ActKind::Initial, "aa", "a1").unwrap();
    draft.now = deadline.plus(1);
    assert_eq!(draft.life.due(&draft.standing(), draft.now), None);
    assert_eq!(reason(does(&mut draft, ActKind::Initial, "bb", "a1")), "DEADLINE_PASSED");
    does(&mut draft, ActKind::Object, "bb", "a1").unwrap();
    let passed = Some(draft.now);
    assert_eq!(reason(revise(&mut draft, Initialling::Waived, passed, NONE)), "DEADLINE_PASSED");
    let later = draft.now.plus(60);
    revise(&mut draft, Initialling::Waived, Some(later), NONE).unwrap();
    draft.now = later.plus(1);
    assert_eq!(reason(does(&mut draft, ActKind::Open, "aa", "a1")), "DEADLINE_PASSED");

    // What is complete does not lapse.
    let mut complete = drafted(Initialling::Required, Some(deadline), NONE);
    complete.open();
    complete.sign_all();
    complete.now = deadline.plus(1);
    assert_eq!(complete.life.due(&complete.standing(), complete.now), None);
    complete.publish().unwrap();
}

#[test]
fn a_confirmation_is_a_signature_and_comes_before_the_deadline() {
    let deadline = noon().plus(60);
    let mut world = drafted(Initialling::Required, Some(deadline), NONE);
    world.open();
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    let late = |a: &mut Act| a.time = deadline.plus(1);
    assert_eq!(reason(does_with(&mut world, ActKind::Confirm, "aa", "b1", late)), "DEADLINE_PASSED");
    does_with(&mut world, ActKind::Confirm, "aa", "b1", |a| a.time = deadline).unwrap();
}

/// Whatever comes first happens, however late the exchange gets to log it.
#[test]
fn a_succession_before_the_deadline_returns_it_and_one_after_finds_it_lapsed() {
    let deadline = noon().plus(60);
    for (succession, kind) in [(60, Kind::Returned), (61, Kind::Lapsed)] {
        let mut world = drafted(Initialling::Required, Some(deadline), NONE);
        world.open();
        world.now = noon().plus(succession);
        let next = world.successor(|charter| charter.witnesses = 1);
        world.propose_charter(&next, "aa", "authority of aa").unwrap();
        world.adopt(&next, "bb", "authority of bb").unwrap();
        world.adopt(&next, "cc", "authority of cc").unwrap();
        assert_eq!(world.standing().digest(), next.digest());
        world.now = noon().plus(600);
        assert_eq!(world.life.due(&world.standing(), world.now).map(|s| s.kind), Some(kind), "after {succession} s");
    }
}

#[test]
fn texts_are_erased_once_every_party_that_is_left_has_asked() {
    let mut world = opened(&THREE);
    assert_eq!(reason(does(&mut world, ActKind::Purge, "aa", "a1")), "NOT_NOW");
    for of in ["aa", "bb", "cc"] {
        does(&mut world, ActKind::Withdraw, of, "a1").unwrap();
    }
    let mut asked = Vec::new();
    for of in ["bb", "aa"] {
        assert_eq!(does(&mut world, ActKind::Purge, of, "a1"), Ok(1));
        asked.push(last(&world));
        assert_eq!(reason(does(&mut world, ActKind::Purge, of, "b1")), "SEAT_TAKEN", "once for a party");
    }
    assert_eq!(world.life.purged(), None);
    let mut left = world.clone();
    assert_eq!(does(&mut world, ActKind::Purge, "cc", "a1"), Ok(2));
    asked.push(last(&world));
    assert_eq!(entries(&world, Kind::Purged)[0].statements, asked);
    assert_eq!(world.life.purged().map(|p| p.index), Some(world.log.len() as u64 - 1));
    assert_eq!(world.life.state(), State::Withdrawn);
    for of in ["aa", "cc"] {
        assert_eq!(reason(does(&mut world, ActKind::Purge, of, "b1")), "SEAT_TAKEN", "it is done");
    }

    // The one that had not asked leaves: it is not waited for, and who is left asks again.
    succeed(&mut left, |charter| drop(charter.parties.pop()));
    assert_eq!(reason(does(&mut left, ActKind::Purge, "cc", "a1")), "UNKNOWN_PARTY");
    assert_eq!(does(&mut left, ActKind::Purge, "aa", "b1"), Ok(2));
    assert_eq!(reason(does(&mut left, ActKind::Purge, "bb", "b1")), "SEAT_TAKEN");

    // It left before: the others suffice.
    let mut fewer = drafted(Initialling::Required, NONE, NONE);
    does(&mut fewer, ActKind::Withdraw, "aa", "a1").unwrap();
    succeed(&mut fewer, |charter| drop(charter.parties.pop()));
    assert_eq!(does(&mut fewer, ActKind::Purge, "aa", "a1"), Ok(1));
    assert_eq!(does(&mut fewer, ActKind::Purge, "bb", "a1"), Ok(2));
}

#[test]
fn a_life_tells_its_size_its_files_and_its_end() {
    let mut world = drafted(Initialling::Required, Some(noon().plus(60)), None);
    let newest = world.life.newest().unwrap().clone();
    let first = newest.manifest.bytes().len() + newest.propose.compact.len();
    assert_eq!(world.life.bytes(), first);
    let part = newest.manifest.parts().next().unwrap();
    assert_eq!((world.life.part(part.sha256), world.life.part(Digest::of(b"another"))), (Some(part), None));
    assert_eq!(world.life.deadline(), None, "none runs while it is a draft");
    world.open();
    let acts = world.life.newest().unwrap().acts.iter().map(|act| act.compact.len()).sum::<usize>();
    assert!(acts > 0);
    assert_eq!((world.life.bytes(), world.life.deadline()), (first + acts, Some(noon().plus(60))));
    assert_eq!(world.life.lapsed(), None);
    world.now = noon().plus(61);
    world.settle();
    let lapsed = world.life.lapsed().unwrap();
    assert_eq!((world.life.state(), lapsed.time, world.life.deadline()), (State::Lapsed, world.now, None));
}

#[test]
fn revision_1_is_proposed_by_the_proposer_that_it_names() {
    let mut world = World::new(&THREE);
    let (other, grant) = (party("bb"), world.grant_of("bb", "a1"));
    let manifest = world.manifest();
    let refused = world.propose_as(manifest.clone(), |act| Act { party: other.clone(), grant, ..act });
    assert_eq!(refused.map_err(|refusal| refusal.reason()), Err("DISAGREES"));
    world.propose_as(manifest, |act| act).unwrap();
    // A later one may be by any party, and so may the first that a package shows.
    let later = world.manifest();
    world.life = Life::after(Past { revisions: 1, manifest: later.previous, ..Past::default() });
    let proposed = world.propose_as(later, |act| Act { party: other, grant, ..act });
    assert_eq!(proposed.map_err(|refusal| refusal.reason()), Ok(()));
}

/// A published communiqué of `aa`, `bb` and `cc`, and a world where nothing of the document that corrects it is there yet.
fn published() -> (World, Rectifies) {
    let mut world = opened(&THREE);
    world.sign_all();
    world.publish().unwrap();
    let rectifies = Rectifies {
        communique: world.id,
        manifest: world.life.newest().unwrap().manifest.digest(),
        entry: world.life.published().unwrap().entry,
    };
    world.original = Some(std::mem::take(&mut world.life));
    world.id = CommuniqueId::new(1_772_452_900_000, &[2; 10]);
    (world, rectifies)
}

#[test]
fn a_rectification_names_what_is_published_and_is_of_the_same_parties() {
    type Change = fn(&mut Manifest, &Rectifies);
    let (world, rectifies) = published();
    let rows: [(&str, Change, &str); 6] = [
        ("right", |_, _| {}, "done"),
        (
            "another manifest",
            |m, r| m.rectifies = Some(Rectifies { manifest: Digest::of(b"wrong"), ..*r }),
            "DISAGREES",
        ),
        ("another entry", |m, r| m.rectifies = Some(Rectifies { entry: Digest::of(b"wrong"), ..*r }), "DISAGREES"),
        (
            "another communiqué",
            |m, r| m.rectifies = Some(Rectifies { communique: CommuniqueId::new(1, &[9; 10]), ..*r }),
            "DISAGREES",
        ),
        ("fewer parties", |m, _| drop(m.parties.pop()), "DISAGREES"),
        ("another order", |m, _| m.parties.reverse(), "done"),
    ];
    for (what, change, outcome) in rows {
        let mut world = world.clone();
        let mut manifest = world.manifest();
        manifest.rectifies = Some(rectifies);
        change(&mut manifest, &rectifies);
        assert_eq!(reason(world.propose_as(manifest, |a| a)), outcome, "{what}");
    }
    // Nothing there, or not published yet.
    let mut complete = opened(&THREE);
    complete.sign_all();
    for original in [None, Some(Life::default()), Some(complete.life)] {
        let mut world = world.clone();
        world.original = original;
        let mut manifest = world.manifest();
        manifest.rectifies = Some(rectifies);
        assert_eq!(reason(world.propose_as(manifest, |a| a)), "NOT_FOUND");
    }
    // Not of the document itself.
    let mut itself = world.manifest();
    itself.communique = rectifies.communique;
    itself.rectifies = Some(rectifies);
    assert_eq!(reason(Document::of(&itself)), "MALFORMED");
}

#[test]
fn what_a_document_rectifies_is_fixed_at_creation() {
    let (mut world, rectifies) = published();
    let mut manifest = world.manifest();
    manifest.rectifies = Some(rectifies);
    world.propose_as(manifest, |a| a).unwrap();
    let mut without = world.manifest();
    without.rectifies = None;
    assert_eq!(reason(world.propose_as(without, |a| a)), "MALFORMED");
    world.propose().unwrap();

    let (mut world, rectifies) = published();
    world.propose().unwrap();
    let mut with = world.manifest();
    with.rectifies = Some(rectifies);
    assert_eq!(reason(world.propose_as(with, |a| a)), "MALFORMED");
}

#[test]
fn a_rectification_does_not_wait_for_a_party_that_left() {
    let (mut world, rectifies) = published();
    succeed(&mut world, |charter| drop(charter.parties.pop()));
    let mut manifest = world.manifest();
    manifest.rectifies = Some(rectifies);
    let mut all = manifest.clone();
    all.parties = vec![party("aa"), party("bb"), party("cc")];
    assert_eq!(reason(world.propose_as(all, |a| a)), "UNKNOWN_PARTY");
    world.propose_as(manifest, |a| a).unwrap();
}

#[test]
fn a_signatory_is_substituted_by_a_new_grant_in_the_same_revision() {
    let mut world = opened(&THREE);
    does(&mut world, ActKind::Sign, "aa", "a1").unwrap();
    let first = last(&world);
    assert_eq!(reason(does(&mut world, ActKind::Sign, "aa", "b1")), "SEAT_TAKEN", "its one seat is filled");
    let grant = world.grant_of("aa", "a1");
    world.revoke("aa", grant).unwrap();
    for kind in [ActKind::Sign, ActKind::Decline, ActKind::Withdraw] {
        assert_eq!(reason(does(&mut world, kind, "aa", "a1")), "GRANT_FORBIDS", "{kind} after the revocation");
    }
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    assert_eq!(does(&mut world, ActKind::Sign, "cc", "a1"), Ok(1), "the seat given before counts no more");
    assert_eq!(world.life.state(), State::Open);
    let mut substitute = world.powers("aa", "e1");
    substitute.key = public("aa.e1");
    world.grant(substitute).unwrap();
    assert_eq!(does(&mut world, ActKind::Sign, "aa", "e1"), Ok(2), "in the same revision");
    assert!(!entries(&world, Kind::Completed)[0].statements.contains(&first));
}

#[test]
fn the_same_holder_signs_again_under_new_powers() {
    let mut world = opened(&THREE);
    does(&mut world, ActKind::Sign, "aa", "a1").unwrap();
    let old = world.grant_of("aa", "a1");
    world.revoke("aa", old).unwrap();
    let mut powers = world.powers("aa", "a1");
    powers.not_after = powers.not_after.plus(1);
    let new = world.grant(powers).unwrap();
    does_with(&mut world, ActKind::Sign, "aa", "a1", |a| a.grant = new).unwrap();
    let again = does_with(&mut world, ActKind::Sign, "aa", "a1", |a| (a.grant, a.time) = (new, a.time.plus(1)));
    assert_eq!(reason(again), "SEAT_TAKEN");
    does(&mut world, ActKind::Sign, "bb", "a1").unwrap();
    assert_eq!(does(&mut world, ActKind::Sign, "cc", "a1"), Ok(2));
}

#[test]
fn a_revocation_after_completion_changes_nothing() {
    let mut world = drafted(Initialling::Required, NONE, Some(noon().plus(600)));
    world.open();
    world.sign_all();
    let before = world.life.clone();
    let grant = world.grant_of("aa", "a1");
    world.revoke("aa", grant).unwrap();
    assert_eq!(reason(does(&mut world, ActKind::Release, "aa", "a1")), "GRANT_FORBIDS");
    assert_eq!((&before, world.life.due(&world.standing(), world.now)), (&world.life, None));
    does(&mut world, ActKind::Release, "aa", "b1").unwrap();
    world.now = noon().plus(600);
    world.publish().unwrap();
}

#[test]
fn which_revocations_are_taken() {
    let mut world = World::new(&THREE);
    let grant = world.grant_of("aa", "a1");
    let signed = |world: &World, of: &str, grant: Digest, with: &str, change: fn(&mut Revocation)| {
        let mut body = world.revocation(of, grant);
        change(&mut body);
        Statement::sign(body, &key(with)).unwrap()
    };
    type Row = (&'static str, &'static str, Option<Digest>, &'static str, fn(&mut Revocation), &'static str);
    let rows: [Row; 8] = [
        ("unknown grant", "aa", Some(Digest::of(b"none")), "authority of aa", |_| {}, "UNKNOWN_GRANT"),
        ("another party's grant", "bb", None, "authority of bb", |_| {}, "UNKNOWN_GRANT"),
        ("another authority", "aa", None, "authority of bb", |_| {}, "SIGNATURE_INVALID"),
        ("its holder's key", "aa", None, "aa.a1", |_| {}, "SIGNATURE_INVALID"),
        ("another exchange", "aa", None, "authority of aa", |r| r.exchange = "o.example".parse().unwrap(), "DISAGREES"),
        ("another founding", "aa", None, "authority of aa", |r| r.founding = Digest::of(b"other"), "DISAGREES"),
        ("no party", "yy", None, "authority of yy", |_| {}, "UNKNOWN_PARTY"),
        ("right", "aa", None, "authority of aa", |_| {}, "done"),
    ];
    for (what, of, of_grant, with, change, outcome) in rows {
        let statement = signed(&world, of, of_grant.unwrap_or(grant), with, change);
        assert_eq!(reason(world.submit_revocation(&statement)), outcome, "{what}");
    }
    let again = signed(&world, "aa", grant, "authority of aa", |r| r.time = r.time.plus(1));
    assert_eq!(reason(world.submit_revocation(&again)), "ALREADY_EXISTS");
    let held = world.records[&party("aa")].revocation(grant).unwrap();
    assert_eq!((held.body.grant, held.place.index), (grant, world.log.len() as u64 - 1));
}

/// An act can say what it likes of its place and time: only the log's order counts, so an act logged after the revocation is
/// refused whatever time it claims.
#[test]
fn an_act_dated_before_the_revocation_and_logged_after_it_is_refused() {
    let mut world = opened(&THREE);
    world.now = noon().plus(60);
    let grant = world.grant_of("aa", "a1");
    world.revoke("aa", grant).unwrap();
    let early = |a: &mut Act| (a.time, a.place) = (noon(), Some(Line::new("Exempleville").unwrap()));
    assert_eq!(reason(does_with(&mut world, ActKind::Sign, "aa", "a1", early)), "GRANT_FORBIDS");
}

#[test]
fn no_stranger_names_itself_into_a_communique() {
    let mut world = at(Stage::Plain, Initialling::Required, false);
    let mut manifest = world.manifest();
    manifest.parties.push(party("zz"));
    assert_eq!(reason(proposes(&mut world, manifest, "zz")), "DISAGREES");
    let mut instead = world.manifest();
    (instead.parties, instead.proposer) = (vec![party("bb"), party("zz")], party("zz"));
    assert_eq!(reason(proposes(&mut world, instead, "zz")), "DISAGREES");
}

#[test]
fn powers_hold_from_their_first_second_to_their_last() {
    let world = opened(&THREE);
    let powers = world.powers("aa", "a1");
    let at = |time| reason(powers.cover(&Act { time, ..world.act(ActKind::Sign, "aa", "a1") }));
    let (first, last) = (powers.not_before, powers.not_after);
    assert_eq!([first.plus(-1), first, last, last.plus(1)].map(at), ["GRANT_FORBIDS", "done", "done", "GRANT_FORBIDS"]);
}

#[test]
fn a_partys_record_knows_how_many_bytes_it_keeps() {
    let mut world = World::new(&THREE);
    let grant = world.grant_of("aa", "a1");
    world.revoke("aa", grant).unwrap();
    world.trust("aa", 1, "authority of aa").unwrap();
    let of_aa = world.log.iter().filter(|l| l.entry.stream == StreamId::Party(party("aa")));
    let logged = of_aa.flat_map(|l| &l.objects).map(Vec::len).sum::<usize>();
    assert_eq!((world.records[&party("aa")].bytes(), PartyRecord::default().bytes()), (logged, 0));
}

#[test]
fn what_was_published_lists_what_corrects_it() {
    let (mut world, rectifies) = published();
    let mut manifest = world.manifest();
    manifest.rectifies = Some(rectifies);
    let correction = Document::of(&manifest).unwrap();
    world.life = world.original.take().unwrap();
    world.id = rectifies.communique;
    assert_eq!(world.life.rectified(), []);
    let step = Step { kind: Kind::Rectified, documents: vec![correction.digest()], statements: vec![] };
    world.log(vec![step], &[correction.bytes().to_vec()]);
    let place = world.log.last().unwrap().recorded().place();
    assert_eq!(world.life.rectified(), [(manifest.communique, place)]);
}

/// Who does not see another's signature still knows where the stream stands.
#[test]
fn a_sealed_entry_is_passed_over_and_counted() {
    let mut world = opened(&THREE);
    let mut of_another = world.life.clone();
    does(&mut world, ActKind::Sign, "aa", "a1").unwrap();
    of_another.pass_sealed(world.log.last().unwrap().digest);
    assert_eq!(of_another.position(), world.life.position());
    let signs = |life: &Life| life.newest().unwrap().acts.iter().any(|a| a.act.act == ActKind::Sign);
    assert_eq!((signs(&of_another), signs(&world.life)), (false, true));
}

#[test]
fn every_state_has_one_name() {
    for state in State::ALL {
        assert_eq!(state.to_string().parse(), Ok(state));
    }
    assert_eq!(reason("Open".parse::<State>()), "MALFORMED");
}
