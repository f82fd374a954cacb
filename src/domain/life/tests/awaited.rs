//! What waits for whom, written by hand; and whatever is said to wait can be done.

use super::*;

#[test]
fn what_is_awaited_can_be_done() {
    use ActKind::{Confirm, Initial, Open, Propose, Sign};
    use Initialling::{Required, Waived};
    let of = |stage, initialling| -> [(&str, &[ActKind]); 4] {
        let each = |aa, bb, cc| [("aa", aa), ("bb", bb), ("cc", cc), ("zz", &[][..])];
        match (stage, initialling) {
            (Stage::Plain, Required) => each(&[Initial], &[Initial], &[Initial]),
            (Stage::Plain, Waived) => each(&[Open], &[], &[]),
            (Stage::Objected | Stage::Declined | Stage::Returned, _) => each(&[Propose], &[Propose], &[Propose]),
            // Two have signed ad referendum, and could not sign once more.
            (Stage::Open, _) => each(&[Confirm], &[Confirm], &[Sign]),
            (Stage::Complete | Stage::Published | Stage::Withdrawn | Stage::Lapsed, _) => each(&[], &[], &[]),
        }
    };
    for (stage, _) in STAGES {
        for initialling in [Required, Waived] {
            for (who, expected) in of(stage, initialling) {
                let mut world = at(stage, initialling, false);
                assert_eq!(world.awaited(who), expected, "{stage:?} {initialling:?} {who}");
                for kind in expected {
                    let manifest = world.manifest();
                    let done = match kind {
                        Propose => proposes(&mut world, manifest, who),
                        kind => does(&mut world, *kind, who, "b1").map(drop),
                    };
                    assert_eq!(done, Ok(()), "{stage:?} {kind} {who}");
                    assert!(!world.awaited(who).contains(kind), "{kind} was done");
                }
            }
        }
    }
}

#[test]
fn a_quorum_waits_until_all_have_signed_and_a_deadline_for_nothing() {
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
    world.now = deadline;
    assert_eq!(world.awaited("bb"), [ActKind::Sign], "its last second is within it");
    world.now = deadline.plus(1);
    assert_eq!(world.awaited("bb"), []);
}

#[test]
fn a_draft_that_can_no_longer_be_signed_waits_for_the_next_revision() {
    let mut world = World::new(&THREE);
    let mut manifest = world.manifest();
    manifest.procedure.deadline = Some(noon().plus(60));
    world.propose_as(manifest, |a| a).unwrap();
    assert_eq!(world.awaited("aa"), [ActKind::Initial]);
    let mut late = world.clone();
    late.now = noon().plus(61);
    assert_eq!(late.awaited("aa"), [ActKind::Propose], "its deadline has passed");
    succeed(&mut world, |charter| charter.witnesses = 1);
    assert_eq!(world.awaited("aa"), [ActKind::Propose], "its charter is no longer in force");
}

#[test]
fn what_is_no_longer_needed_is_not_awaited() {
    let mut world = opened(&THREE);
    does(&mut world, ActKind::SignAdReferendum, "aa", "a1").unwrap();
    assert_eq!(world.awaited("aa"), [ActKind::Confirm]);
    does(&mut world, ActKind::Sign, "aa", "b1").unwrap();
    assert_eq!(world.awaited("aa"), [], "another has filled the seat");
}
