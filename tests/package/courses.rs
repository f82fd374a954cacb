//! What a negotiation may come to: each course is written as the exchange would write it, proven, and found to be what it is.

use std::{cell::Cell, io::Cursor};

use super::{gathered, outcome, table::remove_logged, written};
use crate::played::{self, Plan, Played, Turn, key};
use communique::{
    domain::{
        act::ActKind,
        entry::{Entry, Kind, StreamId},
        id::{Digest, Salt},
        json,
        key::Signer as _,
        manifest::Initialling,
    },
    package::{
        bag,
        check::Check,
        verdict::{Capacity, Findings, Verdict},
        verify::verify,
        write::{Logged, RECORDS_LIMIT},
        zip::{Archive, Limits},
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

#[test]
fn each_signature_ad_referendum_has_its_own_confirmation() {
    use ActKind::{Confirm, Sign, SignAdReferendum};
    let mut plan = Plan::plain();
    let at = plan.position(Turn::Act(Sign, 0, 0));
    let turns = [(SignAdReferendum, 0), (Confirm, 0), (SignAdReferendum, 1), (Confirm, 1)];
    plan.script.splice(at..at + 2, turns.map(|(kind, h)| Turn::Act(kind, 0, h)));
    let (_, findings) = proven(&plan);
    let confirmed = findings.parties.iter().flat_map(|p| &p.signatories).filter_map(|s| match &s.capacity {
        Capacity::AdReferendum(by) => Some((s.deed.holder.as_str(), by.holder.as_str())),
        _ => None,
    });
    assert_eq!(confirmed.collect::<Vec<_>>(), [("holder-0", "holder-0"), ("holder-1", "holder-1")]);
}

#[test]
fn an_earlier_declaration_stands_as_early_as_its_revision_allows() {
    let declared = |revision: u64| {
        let mut plan = Plan::declarations();
        plan.also_manifest(move |m| m.revision = revision);
        plan
    };
    let played = declared(2).play();
    let first = played.stream(&StreamId::Communique(played.manifest.communique))[0].clone();
    let seq = json::parse::<Entry>(&first.bytes).unwrap().seq;
    // Each revision before took an entry at least.
    proven(&declared(seq + 1));
    let early = outcome(&declared(seq + 2).play());
    assert!(early.starts_with("ENTRY-CHAIN") && early.contains("too early in its stream for its revision"), "{early}");
}

#[test]
fn an_earlier_declaration_is_made_by_a_clock_that_is_little_ahead() {
    for (seconds, holds) in [(300, true), (301, false)] {
        let mut plan = Plan::declarations();
        plan.act = Box::new(move |a| {
            if a.act == ActKind::Declare && a.revision == 1 {
                a.time = a.time.plus(seconds);
            }
        });
        assert_eq!(plan.play().verify().name() == "proven", holds, "{seconds}");
    }
}

#[test]
fn what_is_published_as_its_embargo_ends_was_not_released_early() {
    let published = |until| {
        let mut plan = Plan::released();
        plan.also_manifest(move |m| m.procedure.embargo = Some(until));
        plan.play()
    };
    let played = published(played::start().plus(86_400));
    let time = json::parse::<Entry>(&played.published.1).unwrap().time;
    for (until, releases) in [(time, 0), (time.plus(1), 2)] {
        let verdict = published(until).verify();
        assert_eq!(verdict.findings().unwrap().releases.len(), releases, "{until}");
    }
}

#[test]
fn a_revision_is_put_forward_once() {
    let mut plan = Plan::plain();
    plan.insert_after(Turn::Propose(0, 0), Turn::Propose(0, 1));
    assert_ne!(plan.play().verify().name(), "proven");
}

/// Nothing is read that a verifier would have to hold in memory beyond that.
#[test]
fn the_records_of_a_package_have_so_many_bytes_and_no_more() {
    let zip = Plan::small().play().zip;
    let counted = |name: &str| {
        let path = name.split_once('/').unwrap().1;
        let elsewhere = ["data/texts/", "data/annexes/", "tagmanifest-"].iter().any(|start| path.starts_with(start));
        !elsewhere && !path.ends_with(".tlog-proof")
    };
    let archive = Archive::open(Cursor::new(&zip), Limits::PACKAGE).unwrap();
    let bytes: u64 = archive.entries().iter().filter(|e| counted(&e.name)).map(|e| e.size).sum();
    let room = RECORDS_LIMIT - bytes as usize;
    for (bytes, over) in [(room, false), (room + 1, true)] {
        let mut plan = Plan::small();
        let path = bag::statement_path(Digest::of(b"more"));
        plan.bag = Box::new(move |files| drop(files.insert(path.clone(), vec![0; bytes])));
        let outcome = outcome(&plan.play());
        assert_eq!(outcome.contains("the records have more"), over, "{outcome}");
    }
}

/// A correction whose party 0 acts under two full powers that the original does not show, and shows none of the two that the original
/// shows.
fn under_new_powers() -> Plan {
    let original = Plan::plain().play();
    let shown: Vec<Entry> = of_party_0(&original).iter().map(|l| json::parse(&l.bytes).unwrap()).collect();
    let mut plan = Plan::correcting(original);
    for turn in &mut plan.script {
        match turn {
            Turn::Propose(0, h) | Turn::Act(_, 0, h) => *h += 2,
            _ => {}
        }
    }
    plan.script.splice(0..0, [Turn::Grant(0, 2), Turn::Grant(0, 3)]);
    plan.before = Box::new(move |files| remove_logged(files, |entry| shown.contains(entry)));
    plan
}
fn of_party_0(played: &Played) -> Vec<Logged> {
    played.stream(&StreamId::Party(played::party(0)))
}

#[test]
fn what_a_correction_shows_of_a_stream_goes_on_from_what_its_original_shows() {
    proven(&under_new_powers());
    let before = Some(Digest::of(&of_party_0(&Plan::plain().play())[1].bytes));
    let another = Some(Digest::of(b"another"));
    for (what, seq, previous, holds) in [
        ("it follows at once", 3, before, true),
        ("it follows another", 3, another, false),
        ("one is between", 4, another, true),
        ("many are between", 9, another, true),
        ("it stands in the same place", 2, before, false),
    ] {
        let mut plan = under_new_powers();
        let first = Cell::new(true);
        plan.entry = Box::new(move |e| {
            if e.kind == Kind::Powers && first.replace(false) {
                (e.seq, e.previous) = (seq, previous);
            }
        });
        let outcome = outcome(&plan.play());
        let said = if holds { "proven" } else { "RECTIFIES: the original's streams go on otherwise than these" };
        assert!(outcome.starts_with(said), "{what}: {outcome}");
    }
}

#[test]
fn a_correction_and_its_original_show_the_same_of_an_entry() {
    let mut plan = Plan::correcting(Plan::plain().play());
    plan.before = Box::new(|files| {
        let of_1 = StreamId::Party(played::party(1));
        let read = |bytes: &Vec<u8>| json::parse::<Entry>(bytes).ok();
        let last = |e: &Entry| e.stream == of_1 && e.seq == 2;
        let (path, mut entry) =
            files.iter().find_map(|(path, bytes)| Some((path.clone(), read(bytes).filter(last)?))).unwrap();
        entry.salt = Salt::new([0; 32]);
        files.insert(path, json::encode(&entry));
    });
    let outcome = outcome(&plan.play());
    assert!(outcome.starts_with("RECTIFIES: the original is of another log"), "{outcome}");
}
