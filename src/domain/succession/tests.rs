//! One charter after another: who must adopt it, what it admits and ends, and what nobody can force or block.

use super::*;
use crate::domain::{
    act::ActKind,
    charter::Der,
    life::State,
    samples::{World, key, names, noon, party, public},
};

const FOUR: [&str; 4] = ["aa", "bb", "cc", "dd"];

fn world(ids: &[&str], succession: Succession) -> World {
    let parties: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
    World::under(&parties, succession)
}
fn unanimous() -> World {
    world(&FOUR, Succession::Unanimous)
}
fn all_but_one() -> World {
    world(&FOUR, Succession::AllButOne)
}

fn authority(of: &str) -> String {
    format!("authority of {of}")
}

fn reason<T>(outcome: Result<T, Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.reason(), |_| "done")
}

fn newcomer(id: &str, with: &str) -> Party {
    Party {
        id: party(id),
        names: names(&format!("Échantillon {id}")),
        trust_domain: format!("{id}.example").parse().unwrap(),
        authority: public(with),
        quorum: 1,
        witness: None,
    }
}

fn joined(charter: &mut Charter, id: &str, with: &str) {
    charter.parties.push(newcomer(id, with));
    charter.parties.sort_by(|a, b| a.id.cmp(&b.id));
}
fn left(charter: &mut Charter, id: &str) {
    charter.parties.retain(|p| p.id.as_str() != id);
}
fn rekeyed(charter: &mut Charter, id: &str, with: &str) {
    charter.parties.iter_mut().find(|p| p.id.as_str() == id).unwrap().authority = public(with);
}

/// Each adopts with its first key.
fn adopt_all(world: &mut World, charter: &Document<Charter>, by: &[&str]) {
    for of in by {
        world.adopt(charter, of, &authority(of)).unwrap();
    }
}
/// The first puts it forward, the others adopt.
fn carry(world: &mut World, charter: &Document<Charter>, by: &[&str]) {
    world.propose_charter(charter, by[0], &authority(by[0])).unwrap();
    adopt_all(world, charter, &by[1..]);
}
fn in_force(world: &World, charter: &Document<Charter>) -> bool {
    world.standing().digest() == charter.digest()
}
fn after(world: &World, charter: &Document<Charter>) -> Time {
    assert!(charter.adopt_by.unwrap() >= world.now);
    charter.adopt_by.unwrap().plus(1)
}

#[test]
fn it_is_in_force_with_the_last_adoption() {
    for mut world in [unanimous(), all_but_one()] {
        let next = world.successor(|c| c.witnesses = 1);
        carry(&mut world, &next, &["cc", "aa", "bb"]);
        assert!(!in_force(&world, &next), "before its day, every one that it lists must have adopted");
        world.now = noon().plus(7);
        adopt_all(&mut world, &next, &["dd"]);
        assert!(in_force(&world, &next));
        let standing = world.standing();
        assert_eq!((standing.since(), standing.absent().len()), (noon().plus(7), 0));
        assert_eq!((standing.founding(), standing.charter().version), (world.founding(), 2));
        assert_eq!(standing.party_ids(), FOUR.map(party));
    }
}

#[test]
fn at_its_day_enough_adoptions_put_it_in_force_and_too_few_never() {
    let rows: [(Succession, &[&str], bool); 5] = [
        (Succession::Unanimous, &["aa", "bb", "cc"], false),
        (Succession::Unanimous, &["aa"], false),
        (Succession::AllButOne, &["aa", "bb", "cc"], true),
        (Succession::AllButOne, &["aa", "bb"], false),
        (Succession::AllButOne, &["aa"], false),
    ];
    for (succession, by, enough) in rows {
        let mut world = world(&FOUR, succession);
        let next = world.successor(|c| c.witnesses = 1);
        carry(&mut world, &next, by);
        let day = after(&world, &next);
        world.now = day.plus(-1);
        assert!(!in_force(&world, &next), "{succession:?} {by:?} on the day itself");
        world.now = day;
        assert_eq!(in_force(&world, &next), enough, "{succession:?} {by:?}");
        world.now = day.plus(1_000_000);
        assert_eq!(in_force(&world, &next), enough, "{succession:?} {by:?} much later");
        assert_eq!(reason(world.adopt(&next, "dd", "authority of dd")), "SUCCESSION", "too late");
        if enough {
            assert_eq!((world.standing().since(), world.standing().absent()), (day, &[party("dd")].into()));
        }
    }
}

#[test]
fn who_did_not_adopt_in_time_is_no_party() {
    let mut world = all_but_one();
    world.propose().unwrap();
    let granted = world.powers("dd", "e1");
    let next = world.successor(|c| c.witnesses = 1);
    carry(&mut world, &next, &["aa", "bb", "cc"]);
    world.now = after(&world, &next);
    let standing = world.standing();
    assert_eq!(reason(standing.party(&party("dd"))), "UNKNOWN_PARTY");
    assert_eq!(standing.party_ids(), ["aa", "bb", "cc"].map(party));
    assert_eq!(reason(world.grant(granted)), "UNKNOWN_PARTY");
    assert_eq!(reason(world.trust("dd", 1, "authority of dd")), "UNKNOWN_PARTY");
    let act = world.act(ActKind::Object, "dd", "a1");
    assert!(world.submit(act).is_err());
    assert_eq!(reason(world.propose()), "UNKNOWN_PARTY", "a manifest that names it");
    let again = world.successor(|c| c.witnesses = 2);
    assert_eq!(
        reason(world.propose_charter(&again, "dd", "authority of dd")),
        "SUCCESSION",
        "it lists dd, who is gone"
    );
    let without = world.successor(|c| left(c, "dd"));
    assert_eq!(reason(world.propose_charter(&without, "dd", "authority of dd")), "UNKNOWN_PARTY");
    carry(&mut world, &without, &["aa", "bb"]);
    assert_eq!(reason(world.adopt(&without, "dd", "authority of dd")), "UNKNOWN_PARTY", "it is not asked any more");
    adopt_all(&mut world, &without, &["cc"]);
    assert!(in_force(&world, &without));
}

#[test]
fn a_newcomer_adopts_by_its_own_key_and_is_absent_without() {
    let mut world = unanimous();
    let next = world.successor(|c| joined(c, "ee", "authority of ee"));
    assert_eq!(reason(world.propose_charter(&next, "ee", "authority of ee")), "UNKNOWN_PARTY", "it is no party yet");
    carry(&mut world, &next, &FOUR);
    assert!(!in_force(&world, &next));
    assert_eq!(reason(world.adopt(&next, "ee", "authority of aa")), "SIGNATURE_INVALID");
    let mut late = world.clone();
    adopt_all(&mut world, &next, &["ee"]);
    assert!(in_force(&world, &next));
    let granted = world.powers("ee", "a1");
    world.grant(granted).unwrap();

    late.now = after(&late, &next);
    assert!(in_force(&late, &next));
    assert_eq!(late.standing().absent(), &[party("ee")].into());
    // It was never a party, and may still become one.
    let again = late.successor(|_| {});
    carry(&mut late, &again, &FOUR);
    adopt_all(&mut late, &again, &["ee"]);
    assert!(late.standing().party(&party("ee")).is_ok());
}

#[test]
fn a_newcomer_puts_nothing_in_force_in_the_place_of_others() {
    // As many adoptions as all but one of four, but not by the four.
    let mut world = all_but_one();
    let next = world.successor(|c| joined(c, "ee", "authority of ee"));
    carry(&mut world, &next, &["aa", "bb", "ee"]);
    world.now = after(&world, &next);
    assert!(!in_force(&world, &next));
}

#[test]
fn who_leaves_is_asked_as_who_stays() {
    let mut world = unanimous();
    let next = world.successor(|c| left(c, "dd"));
    carry(&mut world, &next, &["aa", "bb", "cc"]);
    assert!(!in_force(&world, &next), "unanimous: dd has not consented");
    let mut late = world.clone();
    late.now = after(&late, &next);
    assert!(!in_force(&late, &next), "nor by the day");
    adopt_all(&mut world, &next, &["dd"]);
    assert!(in_force(&world, &next));
    assert_eq!(reason(world.standing().party(&party("dd"))), "UNKNOWN_PARTY");

    let mut world = all_but_one();
    let next = world.successor(|c| left(c, "dd"));
    carry(&mut world, &next, &["aa", "bb"]);
    assert!(!in_force(&world, &next), "two of four shut nobody out");
    adopt_all(&mut world, &next, &["cc"]);
    assert!(in_force(&world, &next), "all that it lists, and all but one of those before");
}

#[test]
fn two_of_four_do_not_shut_out_the_others_with_parties_of_their_own() {
    let mut world = all_but_one();
    let next = world.successor(|c| {
        left(c, "cc");
        left(c, "dd");
        joined(c, "ee", "authority of ee");
    });
    carry(&mut world, &next, &["aa", "bb", "ee"]);
    assert!(!in_force(&world, &next));
    world.now = after(&world, &next);
    assert!(!in_force(&world, &next));
}

/// All but one of two would be one alone.
#[test]
fn where_two_are_left_both_are_asked() {
    let mut world = world(&["aa", "bb", "cc"], Succession::AllButOne);
    let second = world.successor(|c| c.witnesses = 1);
    carry(&mut world, &second, &["aa", "bb"]);
    world.now = after(&world, &second);
    assert_eq!(world.standing().party_ids(), ["aa", "bb"].map(party));
    let alone = world.successor(|c| {
        left(c, "bb");
        left(c, "cc");
        joined(c, "ee", "authority of ee");
        joined(c, "ff", "authority of ff");
    });
    let mut both = world.clone();
    carry(&mut world, &alone, &["aa", "ee", "ff"]);
    assert!(!in_force(&world, &alone));
    world.now = after(&world, &alone);
    assert!(!in_force(&world, &alone));
    carry(&mut both, &alone, &["aa", "bb", "ee", "ff"]);
    assert!(in_force(&both, &alone));
}

#[test]
fn a_changed_key_adopts_beside_the_old_one() {
    let mut world = unanimous();
    let next = world.successor(|c| rekeyed(c, "dd", "authority of dd 2"));
    carry(&mut world, &next, &["aa", "bb", "cc", "dd"]);
    assert!(!in_force(&world, &next), "the new key has not adopted");
    world.adopt(&next, "dd", "authority of dd 2").unwrap();
    assert!(in_force(&world, &next));

    let mut world = unanimous();
    carry(&mut world, &next, &["aa", "bb", "cc"]);
    world.adopt(&next, "dd", "authority of dd 2").unwrap();
    assert!(!in_force(&world, &next), "unanimous: the old key has not consented");
    world.now = after(&world, &next);
    assert!(!in_force(&world, &next));
}

#[test]
fn a_lost_key_is_replaced_under_all_but_one() {
    let mut world = all_but_one();
    let next = world.successor(|c| rekeyed(c, "dd", "authority of dd 2"));
    assert_eq!(
        reason(world.propose_charter(&next, "dd", "authority of dd 2")),
        "SIGNATURE_INVALID",
        "anybody could list a key and propose with it"
    );
    carry(&mut world, &next, &["aa", "bb", "cc"]);
    assert_eq!(reason(world.adopt(&next, "dd", "some other key")), "SIGNATURE_INVALID");
    assert!(!in_force(&world, &next));
    world.adopt(&next, "dd", "authority of dd 2").unwrap();
    assert!(in_force(&world, &next));
    let third = world.successor(|c| c.witnesses = 1);
    assert_eq!(
        reason(world.propose_charter(&third, "dd", "authority of dd")),
        "SIGNATURE_INVALID",
        "the old one is dead"
    );
    world.propose_charter(&third, "dd", "authority of dd 2").unwrap();
}

/// One party lists the others with keys of its own making, and adopts with these in their names.
#[test]
fn made_up_keys_neither_bind_nor_exhaust_another_party() {
    let mut world = unanimous();
    let made_up = world.successor(|c| {
        for of in ["bb", "cc", "dd"] {
            rekeyed(c, of, &format!("made up for {of}"));
        }
    });
    world.propose_charter(&made_up, "aa", "authority of aa").unwrap();
    for of in ["bb", "cc", "dd"] {
        world.adopt(&made_up, of, &format!("made up for {of}")).unwrap();
    }
    assert!(!in_force(&world, &made_up));
    let good = world.successor(|c| c.witnesses = 1);
    assert_eq!(reason(world.propose_charter(&good, "aa", "authority of aa")), "SUCCESSION", "aa itself is bound");
    carry(&mut world, &good, &["bb", "cc", "dd"]);
    let day = after(&world, &good);
    world.now = day;
    assert!(!in_force(&world, &made_up));
}

#[test]
fn nobody_adopts_two_in_the_same_place_before_the_first_has_failed() {
    let mut world = all_but_one();
    let first = world.successor(|c| c.witnesses = 1);
    let second = world.successor(|c| {
        c.witnesses = 2;
        c.adopt_by = c.adopt_by.map(|by| by.plus(3600));
    });
    carry(&mut world, &first, &["aa", "bb"]);
    world.propose_charter(&second, "cc", "authority of cc").unwrap();
    assert_eq!(reason(world.adopt(&second, "aa", "authority of aa")), "SUCCESSION");
    assert_eq!(reason(world.adopt(&first, "cc", "authority of cc")), "SUCCESSION");
    adopt_all(&mut world, &second, &["dd"]);
    assert!(!in_force(&world, &first) && !in_force(&world, &second));
    world.now = first.adopt_by.unwrap();
    assert_eq!(reason(world.adopt(&second, "aa", "authority of aa")), "SUCCESSION", "the day itself");
    world.now = first.adopt_by.unwrap().plus(1);
    assert!(!in_force(&world, &first), "two of four were too few");
    assert_eq!(reason(world.adopt(&first, "dd", "authority of dd")), "SUCCESSION");
    adopt_all(&mut world, &second, &["aa", "bb"]);
    assert!(in_force(&world, &second));
}

#[test]
fn of_two_the_one_with_enough_wins_and_the_other_is_over() {
    let mut world = all_but_one();
    let first = world.successor(|c| c.witnesses = 1);
    let second = world.successor(|c| {
        c.witnesses = 2;
        c.adopt_by = c.adopt_by.map(|by| by.plus(3600));
    });
    carry(&mut world, &first, &["aa", "bb", "cc"]);
    world.propose_charter(&second, "dd", "authority of dd").unwrap();
    world.now = after(&world, &first);
    assert!(in_force(&world, &first));
    assert_eq!(reason(world.adopt(&second, "aa", "authority of aa")), "SUCCESSION");
    world.now = second.adopt_by.unwrap().plus(1);
    assert!(in_force(&world, &first));
}

#[test]
fn what_is_adopted_is_what_was_put_forward() {
    let mut world = unanimous();
    let next = world.successor(|c| c.witnesses = 1);
    assert_eq!(reason(world.adopt(&next, "aa", "authority of aa")), "NOT_FOUND", "before it is put forward");
    world.propose_charter(&next, "aa", "authority of aa").unwrap();
    assert_eq!(
        reason(world.propose_charter(&next, "bb", "authority of bb")),
        "ALREADY_EXISTS",
        "it is adopted instead"
    );
    type Change = fn(&mut Adoption);
    let rows: [(&str, Change, &str, &str); 8] = [
        ("version", |a| a.version = 3, "authority of bb", "DISAGREES"),
        ("founding", |a| a.founding = Digest::of(b"other"), "authority of bb", "DISAGREES"),
        ("exchange", |a| a.exchange = "other.example".parse().unwrap(), "authority of bb", "DISAGREES"),
        ("charter", |a| a.charter = Digest::of(b"other"), "authority of bb", "NOT_FOUND"),
        ("stranger", |a| a.party = party("yy"), "authority of yy", "UNKNOWN_PARTY"),
        ("another's key", |_| {}, "authority of cc", "SIGNATURE_INVALID"),
        ("a holder's key", |_| {}, "bb.a1", "SIGNATURE_INVALID"),
        ("right", |_| {}, "authority of bb", "done"),
    ];
    for (what, change, with, outcome) in rows {
        let mut body = world.adoption(&next, "bb", "authority of bb").body().clone();
        change(&mut body);
        let signed = Statement::sign(body, &key(with)).unwrap();
        let decided = world.charters.adopt(Unverified::parse(signed.compact()).unwrap(), world.now);
        assert_eq!(reason(decided), outcome, "{what}");
    }
    world.adopt(&next, "bb", "authority of bb").unwrap();
    world.now = world.now.plus(1);
    assert_eq!(reason(world.adopt(&next, "bb", "authority of bb")), "ALREADY_EXISTS");
    let first = world.charter.clone();
    assert_eq!(
        reason(world.adopt(&first, "bb", "authority of bb")),
        "SUCCESSION",
        "what is in force is not adopted again"
    );
}

#[test]
fn what_may_succeed() {
    type Change = fn(&mut Charter);
    let rows: [(&str, Change, &str); 16] = [
        ("nothing changed", |_| {}, "done"),
        ("version", |c| c.version = 3, "DISAGREES"),
        ("previous", |c| c.previous = Some(Digest::of(b"other")), "DISAGREES"),
        ("exchange", |c| c.exchange = "other.example".parse().unwrap(), "DISAGREES"),
        ("succession", |c| c.succession = Succession::AllButOne, "MALFORMED"),
        ("due now", |c| c.adopt_by = Some(noon()), "MALFORMED"),
        ("due in a second", |c| c.adopt_by = Some(noon().plus(1)), "done"),
        ("due in 366 days", |c| c.adopt_by = Some(noon().plus(ADOPTION_PERIOD)), "done"),
        ("due later", |c| c.adopt_by = Some(noon().plus(ADOPTION_PERIOD + 1)), "MALFORMED"),
        ("a holder's key", |c| rekeyed(c, "bb", "cc.b1"), "KEY_REFUSED"),
        ("a holder's key as the log's", |c| c.log.key = public("cc.b1"), "KEY_REFUSED"),
        (
            "the depositary's as a witness",
            |c| {
                c.depositary = public("x");
                c.parties[0].witness = Some(public("depositary"))
            },
            "KEY_REFUSED",
        ),
        (
            "another party's",
            |c| {
                rekeyed(c, "bb", "x");
                rekeyed(c, "cc", "authority of bb")
            },
            "KEY_REFUSED",
        ),
        ("a new log key", |c| c.log.key = public("log 2"), "done"),
        ("a new depositary key", |c| c.depositary = public("depositary 2"), "done"),
        ("a new server CA", |c| c.server_ca = Der::new(vec![0x30, 1, 0]).unwrap(), "done"),
    ];
    for (what, change, outcome) in rows {
        let mut world = unanimous();
        let next = world.successor(change);
        assert_eq!(reason(world.propose_charter(&next, "aa", "authority of aa")), outcome, "{what}");
    }
    // The adoption that comes with it is of it.
    let world = unanimous();
    let (next, other) = (world.successor(|c| c.witnesses = 1), world.successor(|c| c.witnesses = 2));
    let adoption = Unverified::parse(world.adoption(&other, "aa", "authority of aa").compact()).unwrap();
    assert_eq!(reason(world.charters.propose(&next, adoption, |_| false, world.now)), "DISAGREES");
}

#[test]
fn ids_and_keys_are_never_used_again() {
    let mut world = unanimous();
    let second = world.successor(|c| {
        left(c, "dd");
        rekeyed(c, "cc", "authority of cc 2");
        c.log.key = public("log 2");
    });
    carry(&mut world, &second, &FOUR);
    world.adopt(&second, "cc", "authority of cc 2").unwrap();
    assert!(in_force(&world, &second));
    type Change = fn(&mut Charter);
    let rows: [(&str, Change, &str); 6] = [
        ("the id of one who left", |c| joined(c, "dd", "authority of dd 2"), "SUCCESSION"),
        ("the key of one who left", |c| joined(c, "ee", "authority of dd"), "KEY_REFUSED"),
        ("the dead key of a party", |c| rekeyed(c, "cc", "authority of cc"), "KEY_REFUSED"),
        ("the dead key of the log", |c| c.log.key = public("log"), "KEY_REFUSED"),
        ("a dead key in another role", |c| c.depositary = public("log"), "KEY_REFUSED"),
        ("another newcomer", |c| joined(c, "ee", "authority of ee"), "done"),
    ];
    for (what, change, outcome) in rows {
        let mut world = world.clone();
        let next = world.successor(change);
        assert_eq!(reason(world.propose_charter(&next, "aa", "authority of aa")), outcome, "{what}");
    }
    for with in ["authority of cc", "authority of dd", "log"] {
        let mut powers = world.powers("aa", "e1");
        powers.key = public(with);
        assert_eq!(reason(world.grant(powers)), "KEY_REFUSED", "{with}");
    }
}

/// The roles of a charter count from its day on, also where nothing was logged since.
#[test]
fn keys_of_a_charter_that_its_day_put_in_force_have_their_roles() {
    let mut world = all_but_one();
    let second = world.successor(|c| joined(c, "ee", "authority of ee"));
    carry(&mut world, &second, &["aa", "bb", "cc"]);
    world.adopt(&second, "ee", "authority of ee").unwrap();
    world.now = after(&world, &second);
    assert!(in_force(&world, &second));
    let third = world.successor(|c| {
        left(c, "dd");
        rekeyed(c, "ee", "authority of ee 2");
        joined(c, "ff", "authority of ee");
    });
    assert_eq!(reason(world.propose_charter(&third, "aa", "authority of aa")), "KEY_REFUSED");
}

#[test]
fn adoptions_over_one_charter_are_bounded() {
    let mut world = unanimous();
    for n in 0..ADOPTIONS_LIMIT {
        let next = world.successor(|c| c.server_ca = Der::new(vec![n as u8]).unwrap());
        world.propose_charter(&next, "aa", "authority of aa").unwrap();
        world.now = after(&world, &next);
    }
    let next = world.successor(|c| c.witnesses = 1);
    assert_eq!(reason(world.propose_charter(&next, "aa", "authority of aa")), "LIMIT_REACHED");
    world.propose_charter(&next, "bb", "authority of bb").unwrap();
    assert_eq!(reason(world.adopt(&next, "aa", "authority of aa")), "LIMIT_REACHED");
}

#[test]
fn under_a_dead_authority_key_grants_die_and_under_others_they_stand() {
    let mut world = unanimous();
    let dead = world.grant_of("cc", "a1");
    let next = world.successor(|c| rekeyed(c, "cc", "authority of cc 2"));
    carry(&mut world, &next, &FOUR);
    world.adopt(&next, "cc", "authority of cc 2").unwrap();
    world.propose().unwrap();
    for holder in ["a1", "b1"] {
        let act = world.act(ActKind::Initial, "cc", holder);
        assert_eq!(reason(world.submit(act)), "GRANT_FORBIDS");
    }
    for of in ["aa", "bb", "dd"] {
        world.submit(world.act(ActKind::Initial, of, "a1")).unwrap();
    }
    // The new key revokes what the old one gave, and gives powers anew.
    world.revoke("cc", dead).unwrap();
    let mut powers = world.powers("cc", "e1");
    powers.key = public("cc.e1");
    world.grant(powers).unwrap();
    assert_eq!(world.submit(world.act(ActKind::Initial, "cc", "e1")), Ok(2));
    assert_eq!(world.life.state(), State::Open);
    let by_the_old = Statement::sign(world.powers("cc", "f1"), &key("authority of cc")).unwrap();
    let record = &world.records[&party("cc")];
    let decided =
        record.grant(Unverified::parse(by_the_old.compact()).unwrap(), &world.charters, &world.standing(), []);
    assert_eq!(reason(decided), "SIGNATURE_INVALID");
}

#[test]
fn trust_serials_rise_under_one_key_and_begin_anew_under_the_next() {
    let mut world = unanimous();
    for (serial, outcome) in [(5, "done"), (5, "STALE_SERIAL"), (4, "STALE_SERIAL"), (6, "done"), (900, "done")] {
        assert_eq!(reason(world.trust("cc", serial, "authority of cc")), outcome, "{serial}");
    }
    assert_eq!(reason(world.trust("cc", 901, "authority of bb")), "SIGNATURE_INVALID");
    assert_eq!(reason(world.trust("aa", 1, "authority of aa")), "done", "each party counts its own");
    let next = world.successor(|c| rekeyed(c, "cc", "authority of cc 2"));
    carry(&mut world, &next, &FOUR);
    world.adopt(&next, "cc", "authority of cc 2").unwrap();
    let rows = [
        (901, "authority of cc", "SIGNATURE_INVALID"),
        (1, "authority of cc 2", "done"),
        (1, "authority of cc 2", "STALE_SERIAL"),
        (2, "authority of cc 2", "done"),
    ];
    for (serial, with, outcome) in rows {
        assert_eq!(reason(world.trust("cc", serial, with)), outcome, "{serial} {with}");
    }
    assert_eq!(world.records[&party("cc")].trusted().map(|t| t.body.serial), Some(2));
    assert_eq!(reason(world.trust("aa", 1, "authority of aa")), "STALE_SERIAL", "an unchanged key goes on counting");
}

#[test]
fn what_is_open_returns_to_drafting_sealed_and_a_draft_needs_a_new_revision() {
    for open in [true, false] {
        let mut world = unanimous();
        world.propose().unwrap();
        if open {
            world.open();
            world.submit(world.act(ActKind::Sign, "bb", "a1")).unwrap();
        }
        let next = world.successor(|c| c.witnesses = 1);
        carry(&mut world, &next, &["aa", "bb", "cc"]);
        assert_eq!(world.life.due(&world.standing(), world.now), None, "not before it is in force");
        adopt_all(&mut world, &next, &["dd"]);
        let due = world.life.due(&world.standing(), world.now);
        assert_eq!(due.map(|step| step.kind), open.then_some(Kind::Returned));
        world.settle();
        assert_eq!(world.life.state(), State::Drafting);
        assert_eq!(world.life.due(&world.standing(), world.now), None, "once");
        assert_eq!((world.life.newest().unwrap().returned, world.life.newest().unwrap().sealed()), (open, open));
        for kind in [ActKind::Initial, ActKind::Object, ActKind::Declare, ActKind::Sign, ActKind::Decline] {
            let mut act = world.act(kind, "cc", "a1");
            assert!(world.submit(act.clone()).is_err(), "{kind}");
            act.charter = world.founding();
            let outcome = reason(world.submit(act));
            assert_eq!(outcome, if open || kind.needs_opening() { "NOT_NOW" } else { "DISAGREES" }, "{kind}");
        }
        if open {
            let sealed = world.life.newest().unwrap().acts.last().unwrap().act.clone();
            assert!(sealed.act.is_signature() && !world.life.may_see(&party("aa"), &sealed));
        }
        let mut old = world.manifest();
        old.charter = world.founding();
        assert_eq!(reason(world.propose_as(old, |a| a)), "DISAGREES");
        world.propose().unwrap();
        world.open();
        world.sign_all();
        assert_eq!(world.life.state(), State::Complete);
    }
}

#[test]
fn a_quorum_changes_with_the_charter_and_not_before() {
    let mut world = unanimous();
    world.propose().unwrap();
    world.open();
    let next = world.successor(|c| c.parties[0].quorum = 2);
    carry(&mut world, &next, &FOUR);
    world.settle();
    world.propose().unwrap();
    world.open();
    for of in FOUR {
        assert_eq!(world.submit(world.act(ActKind::Sign, of, "a1")), Ok(1));
    }
    assert_eq!(world.submit(world.act(ActKind::Sign, "aa", "b1")), Ok(2));
}

#[test]
fn what_a_reader_decides_again_is_what_was_logged() {
    let mut world = all_but_one();
    let second = world.successor(|c| c.witnesses = 1);
    carry(&mut world, &second, &["aa", "bb", "cc"]);
    world.now = after(&world, &second);
    let third = world.successor(|c| left(c, "dd"));
    carry(&mut world, &third, &["aa", "bb", "cc"]);
    let mut read = Charters::default();
    for logged in world.log.iter().filter(|l| matches!(l.entry.kind, Kind::Charter | Kind::Adoption)) {
        let recorded = logged.recorded();
        let step = read.decide_again(recorded, None, |_| false).unwrap();
        assert_eq!((step.kind, &step.statements), (logged.entry.kind, &logged.entry.statements));
        read.apply(recorded).unwrap();
        // Not twice.
        let again = crate::domain::entry::Recorded { index: recorded.index + 1, ..recorded };
        if read.in_force(recorded.entry.time).is_some() {
            assert!(read.decide_again(again, None, |_| false).is_err(), "{:?}", logged.entry.kind);
        }
        assert_eq!(reason(read.clone().apply(recorded)), "INCONSISTENT");
    }
    assert_eq!(read, world.charters);
    assert!(in_force(&world, &third));
}

/// The chain at every moment: as it was when the moment came, after all that followed, and read again from the log.
#[test]
fn what_was_in_force_at_a_time_never_changes() {
    let mut world = all_but_one();
    let mut seen = Vec::new();
    let mut pass = |world: &mut World, seconds: i64| {
        for _ in 0..seconds {
            seen.push((world.now, world.charters.chain(world.now)));
            world.now = world.now.plus(1);
        }
    };
    let soon = |c: &mut Charter, now: Time| c.adopt_by = Some(now.plus(3));
    pass(&mut world, 2);
    // One by its day, without a party; one that fails; one by all; one proposed in the very second of the day after.
    let now = world.now;
    let second = world.successor(|c| soon(c, now));
    carry(&mut world, &second, &["aa", "bb"]);
    pass(&mut world, 1);
    adopt_all(&mut world, &second, &["cc"]);
    pass(&mut world, 3);
    assert!(in_force(&world, &second));
    let now = world.now;
    let fails = world.successor(|c| {
        left(c, "dd");
        soon(c, now);
    });
    carry(&mut world, &fails, &["aa"]);
    pass(&mut world, 5);
    let third = world.successor(|c| left(c, "dd"));
    carry(&mut world, &third, &["cc", "bb"]);
    pass(&mut world, 2);
    adopt_all(&mut world, &third, &["aa"]);
    pass(&mut world, 2);
    assert!(in_force(&world, &third));
    let now = world.now;
    let fourth = world.successor(|c| {
        c.witnesses = 1;
        soon(c, now);
    });
    carry(&mut world, &fourth, &["aa", "bb"]);
    pass(&mut world, 6);
    assert!(in_force(&world, &fourth));
    let (_, replayed, _) = world.replayed();
    assert_eq!(replayed, world.charters);
    // A clock behind the whole log still finds the charter that the exchange was founded on.
    let founded = world.charters.chain(noon().plus(-1));
    assert_eq!(founded.iter().map(|s| s.digest()).collect::<Vec<_>>(), [world.founding()]);
    for (time, chain) in seen {
        assert_eq!(world.charters.chain(time), chain, "{time}");
        assert_eq!(replayed.chain(time), chain, "{time}, read again");
        assert_eq!(world.charters.in_force(time), chain.last().cloned());
    }
}

#[test]
fn an_exchange_is_founded_by_all() {
    let world = unanimous();
    let adoptions = |without: usize| {
        let all = FOUR.iter().map(|of| world.adoption(&world.charter, of, &authority(of)));
        let all = all.map(|a| Unverified::parse(a.compact()).unwrap());
        all.enumerate().filter(|(n, _)| *n != without).map(|(_, a)| a).collect::<Vec<_>>()
    };
    let trusts = |without: usize| {
        let mut world = world.clone();
        FOUR.iter().for_each(|of| world.trust(of, 1, &authority(of)).unwrap());
        let held = world.records.values().map(|r| Unverified::parse(&r.trusted().unwrap().compact).unwrap());
        held.enumerate().filter(|(n, _)| *n != without).map(|(_, t)| t).collect::<Vec<_>>()
    };
    let charter = &world.charter;
    assert_eq!(reason(found(charter, adoptions(9), trusts(9))), "done");
    assert_eq!(reason(found(charter, adoptions(3), trusts(9))), "NOT_FOUND");
    assert_eq!(reason(found(charter, adoptions(9), trusts(0))), "NOT_FOUND");
    let twice = [adoptions(9), adoptions(9)].concat();
    assert_eq!(reason(found(charter, twice, trusts(9))), "ALREADY_EXISTS");
    let twice = [trusts(9), trusts(9)].concat();
    assert_eq!(reason(found(charter, adoptions(9), twice)), "ALREADY_EXISTS");
    let second = world.successor(|_| {});
    assert_eq!(reason(found(&second, adoptions(9), trusts(9))), "DISAGREES");
    let other = Document::of(&Charter { witnesses: 1, ..Charter::clone(charter) }).unwrap();
    assert_eq!(reason(found(&other, adoptions(9), trusts(9))), "DISAGREES");
}

#[test]
fn no_charter_is_put_forward_beyond_the_bounds() {
    let mut charters = unanimous().charters;
    let room = |charters: &Charters, seq| reason(charters.has_room(seq));
    assert_eq!(room(&charters, SUCCESSION_ENTRIES_LIMIT - 1), "done");
    assert_eq!(room(&charters, SUCCESSION_ENTRIES_LIMIT), "LIMIT_REACHED");
    let left = SUCCESSION_BYTES_LIMIT - charters.bytes();
    charters.adoptions[0].compact += &"x".repeat(left - 1);
    assert_eq!(room(&charters, 0), "done");
    charters.adoptions[0].compact.push('x');
    assert_eq!(room(&charters, 0), "LIMIT_REACHED");
}

#[test]
fn who_was_a_party_at_any_time_is_remembered() {
    let mut world = unanimous();
    let next = world.successor(|c| {
        left(c, "dd");
        joined(c, "ee", "authority of ee");
    });
    carry(&mut world, &next, &["aa", "bb", "cc", "dd"]);
    world.now = world.now.plus(7);
    adopt_all(&mut world, &next, &["ee"]);
    assert_eq!(world.charters.ever_parties(noon()), FOUR.map(party).into());
    assert_eq!(world.charters.ever_parties(world.now), ["aa", "bb", "cc", "dd", "ee"].map(party).into());
}

#[test]
fn the_first_charter_stands_since_its_time() {
    let world = unanimous();
    let first = Standing::first(world.charter.clone(), noon());
    assert_eq!((first.since(), first.founding(), first.digest()), (noon(), world.founding(), world.founding()));
    assert_eq!((world.charters.founding(), Charters::default().founding()), (Some(world.founding()), None));
}

#[test]
fn a_charter_is_adopted_to_the_last_second_of_its_day() {
    let mut world = unanimous();
    let next = world.successor(|c| c.witnesses = 1);
    carry(&mut world, &next, &["aa", "bb", "cc"]);
    world.now = next.adopt_by.unwrap();
    adopt_all(&mut world, &next, &["dd"]);
    assert!(in_force(&world, &next));
}

#[test]
fn nothing_but_charter_1_begins_the_stream() {
    let world = unanimous();
    let at = |kind| world.log.iter().find(|l| l.entry.kind == kind).unwrap().clone();
    let of = |charter: &Document<Charter>| {
        let mut logged = at(Kind::Charter);
        logged.entry.documents = vec![charter.digest()];
        logged.objects = vec![charter.bytes().to_vec()];
        logged
    };
    let judged = |charters: &Charters, logged: &crate::domain::samples::Logged| {
        reason(charters.decide_again(logged.recorded(), None, |_| false))
    };
    let (first, second) = (of(&world.charter), of(&world.successor(|c| c.witnesses = 1)));
    let mut read = Charters::default();
    assert_eq!((judged(&read, &first), judged(&read, &second)), ("done", "INCONSISTENT"));
    assert_eq!(judged(&read, &at(Kind::Adoption)), "INCONSISTENT", "of nothing");
    read.apply(first.recorded()).unwrap();
    let another = of(&World::changed(&[("aa", 1), ("bb", 1)], |c| c.witnesses = 1).charter);
    assert_eq!((judged(&read, &another), judged(&read, &second)), ("INCONSISTENT", "INCONSISTENT"));
}

/// Even if a log has what nobody decided.
#[test]
fn a_successor_names_what_it_succeeds_and_counts_on() {
    type Change = fn(&mut Charter);
    let rows: [(Change, bool); 3] =
        [(|_| (), true), (|c| c.version += 1, false), (|c| c.previous = Some(Digest::of(b"another")), false)];
    for (change, succeeds) in rows {
        let mut world = unanimous();
        let next = world.successor(change);
        let step = |kind, documents, statements| vec![Step { kind, documents, statements }];
        world.record_charters(step(Kind::Charter, vec![next.digest()], vec![]), vec![next.bytes().to_vec()]);
        for of in FOUR {
            let adoption = world.adoption(&next, of, &authority(of));
            let steps = step(Kind::Adoption, vec![], vec![adoption.digest()]);
            world.record_charters(steps, vec![adoption.compact().into()]);
        }
        assert_eq!(in_force(&world, &next), succeeds);
    }
}
