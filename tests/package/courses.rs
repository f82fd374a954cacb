//! What a negotiation may come to: each course is written as the exchange would write it, proven, and found to be what it is.

use std::io::Cursor;

use super::{gathered, outcome, written};
use crate::played::{self, Plan, Played, Turn, key};
use communique::{
    domain::{act::ActKind, entry::Entry, id::Digest, json, key::Signer as _, manifest::Initialling},
    package::{
        check::Check,
        verdict::{Capacity, Findings, Verdict},
        verify::verify,
    },
};

/// Plays it, and demands that the exchange's own writer makes the same bytes and that it is proven.
fn proven(plan: &Plan) -> (Played, Findings) {
    let played = plan.play();
    assert_eq!(outcome(&played), "proven: Null");
    let contents = gathered(&played);
    assert!(written(&played, &contents) == played.zip, "the writer makes the same bytes");
    let published: Entry = json::parse(&played.published.1).unwrap();
    assert_eq!(published.files, Some(contents.files()));
    let unpinned = verify(Cursor::new(&played.zip), None);
    assert_eq!(unpinned.exit_code(), 3);
    let said = unpinned.to_json().to_string();
    assert!(!said.contains("signed") && !said.contains("signator"), "{said}");
    let findings = played.verify().findings().unwrap().clone();
    (played, findings)
}

#[test]
fn charters_that_succeeded_one_another_are_in_it() {
    let (played, findings) = proven(&Plan::succession());
    let since = |n: usize| findings.charters[n].since;
    assert_eq!(findings.charters.iter().map(|c| c.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(since(0) < since(1) && since(2) == played::start().plus(7201));
    assert_eq!(findings.charters[2].absent, [played::party(4)]);
    assert_eq!((findings.charter_version, findings.parties.len()), (3, 3));
    assert_eq!(findings.pinned, Some(1));
    for n in [1, 2] {
        let pinned = verify(Cursor::new(&played.zip), Some(findings.charters[n].fingerprint));
        assert_eq!(pinned.findings().unwrap().pinned, Some(n as u64 + 1), "any version is a pin");
    }
}

#[test]
fn a_charter_that_came_into_force_after_completion_is_in_it() {
    let mut plan = Plan::plain();
    plan.successors = vec![Box::new(|c| c.depositary = key(91).public())];
    plan.script.extend([Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Failed(0)]);
    plan.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(91));
    let (_, findings) = proven(&plan);
    assert_eq!((findings.charter_version, findings.charters.len()), (1, 2));
    plan.signer = Box::new(|_, _, _| None);
    assert!(
        matches!(plan.play().verify(), Verdict::Failed { check: Check::CertifiedCopy, .. }),
        "the depositary before"
    );
}

#[test]
fn whose_full_powers_ended_before_completion_did_not_sign() {
    let (_, findings) = proven(&Plan::substitution());
    let names = |p: usize| findings.parties[p].signatories.iter().map(|s| s.deed.holder.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["holder-2", "holder-0"], vec!["holder-0", "holder-1"]));
    let [left_out] = findings.parties[0].uncounted.as_slice() else { panic!("{findings:?}") };
    assert_eq!((left_out.deed.holder.as_str(), left_out.revoked.is_some()), ("holder-1", true));
    let revoked: Vec<_> = findings.parties[1].signatories.iter().map(|s| s.revoked.is_some()).collect();
    assert_eq!(revoked, [true, false], "after completion, which changes nothing but is told");
}

#[test]
fn a_declaration_given_with_a_signature_that_does_not_count_is_told() {
    let (_, findings) = proven(&Plan::declared_in_vain());
    let party = &findings.parties[0];
    assert!(party.signatories.iter().all(|s| s.declaration.is_none()), "{party:?}");
    assert_eq!((party.uncounted.len(), party.declarations.len()), (1, 1));
}

#[test]
fn what_was_signed_ad_referendum_counts_once_confirmed() {
    let (_, findings) = proven(&Plan::ad_referendum());
    let signed = &findings.parties[1].signatories;
    let Capacity::AdReferendum(confirmed) = &signed[0].capacity else { panic!("{signed:?}") };
    assert_eq!((signed[0].deed.holder.as_str(), confirmed.holder.as_str()), ("holder-0", "holder-1"));
    assert_eq!(signed[1].capacity, Capacity::Definitive);
    let [left_out] = findings.parties[0].uncounted.as_slice() else { panic!("{findings:?}") };
    assert_eq!((left_out.ad_referendum, left_out.revoked.is_some()), (true, false));
}

#[test]
fn declarations_are_in_it_with_the_signatures_that_name_them() {
    let (_, findings) = proven(&Plan::declarations());
    let given = |p: usize| findings.parties[p].signatories.iter().map(|s| s.declaration.as_ref().map(|d| d.revision));
    assert_eq!(given(1).collect::<Vec<_>>(), [Some(1), Some(1)], "on the revision before");
    assert_eq!(given(0).collect::<Vec<_>>(), [Some(2), Some(2)]);
    assert_eq!((findings.parties[1].declarations.len(), findings.parties[0].declarations.len()), (0, 1));
    let mut unnamed = Plan::declarations();
    unnamed.act = Box::new(|a| a.declaration = a.declaration.take().filter(|_| !a.act.is_signature()));
    assert!(outcome(&unnamed.play()).starts_with("FILE-EXTRA"));
    // The exchange leaves it out.
    let contents = gathered(&unnamed.play());
    let chosen = contents.files().iter().filter(|f| f.path.contains("/entries/")).count();
    assert_eq!(chosen + 2, unnamed.play().files.keys().filter(|p| p.contains("/entries/")).count());
}

#[test]
fn what_every_party_released_is_published_early() {
    let (_, findings) = proven(&Plan::released());
    let released: Vec<_> = findings.releases.iter().map(|r| r.party.as_str()).collect();
    assert_eq!(released, ["sample-0", "sample-1"]);
}

#[test]
fn one_party_alone_does_not_take_it_back() {
    let mut plan = Plan::plain();
    plan.insert_after(Turn::Opened, Turn::Act(ActKind::Withdraw, 0, 0));
    proven(&plan);
}

#[test]
fn a_correction_of_a_correction_holds_both() {
    let first = Plan::plain().play();
    let second = Plan::correcting(first.clone()).play();
    let (third, findings) = proven(&Plan::correcting(second.clone()));
    let original = findings.original.as_ref().unwrap();
    assert_eq!(original.published_entry, Digest::of(&second.published.1));
    let original = original.original.as_ref().unwrap();
    assert_eq!((original.communique, original.pinned), (first.manifest.communique, Some(1)));
    let json = third.verify().to_json();
    assert_eq!(json["findings"]["rectifies"]["rectifies"]["rectifies"], serde_json::Value::Null);
    assert_eq!(json["findings"]["rectifies"]["rectifies"]["communique"], first.manifest.communique.to_string());
    // The charter may have been succeeded since.
    let mut later = Plan::correcting(second);
    later.successors = vec![Box::new(|c| c.witnesses = 1)];
    later.under = 2;
    later.script.splice(0..0, [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)]);
    let (_, findings) = proven(&later);
    assert_eq!((findings.charter_version, findings.original.unwrap().charter_version), (2, 1));
}

#[test]
fn corrections_of_corrections_end_somewhere() {
    let light = |original: Played| {
        let mut plan = Plan::correcting(original);
        plan.also_manifest(|m| m.procedure.initialling = Initialling::Waived);
        plan.script.retain(|t| !matches!(t, Turn::Act(ActKind::Initial, ..)));
        plan.insert_before(Turn::Opened, Turn::Act(ActKind::Open, 0, 0));
        plan.play()
    };
    let mut played = Plan::plain().play();
    for _ in 0..8 {
        played = light(played);
    }
    assert_eq!(outcome(&played), "proven: Null");
    let too_deep = outcome(&light(played));
    assert!(too_deep.starts_with("RECTIFIES") && too_deep.contains("more than 8"), "{too_deep}");
}
