//! Whole packages, good and bad, by the crate's public face alone. `played` makes them; other tests and benchmarks include that file.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, and CI says by the environment that no tool may be missing"
)]

mod courses;
mod foreign;
mod format;
mod played;
mod table;
mod vectors;

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read, Seek, SeekFrom},
};

use communique::domain::{
    entry::{Entry, StreamId},
    id::{Digest, Lang},
    json,
    manifest::{Initialling, Status},
    powers::Revocation,
    statement::Unverified,
};
use communique::package::{
    bag::{self, PartDigests, PartHasher},
    evidence::Evidence,
    verdict::Verdict,
    verify::{text, verify},
    write::{Contents, Gathering, Logged, PackageWriter, Until},
};
use played::{Plan, Played, Turn};

fn outcome(played: &Played) -> String {
    match played.verify() {
        Verdict::Failed { check, detail } => format!("{check}: {detail}"),
        other => format!("{}: {:?}", other.name(), other.to_json()["detail"]),
    }
}

/// What the exchange does: gather, then write in pieces, emptying the buffer all the while.
fn gathered(played: &Played) -> Contents {
    let communique = played.stream(&StreamId::Communique(played.manifest.communique));
    let published: Entry = json::parse(&played.published.1).unwrap();
    let until = Until { index: played.published.0, time: published.time };
    let before = gather(played, communique.clone(), Until { index: u64::MAX, ..until }, played.published.0);
    let after = gather(played, communique, until, u64::MAX);
    assert!(before == after, "the same is chosen when it is decided and when it is built");
    after
}

/// Gathers from the log as it was before this index.
fn gather(played: &Played, communique: Vec<Logged>, until: Until, before: u64) -> Contents {
    let held = |logged: Vec<Logged>| logged.into_iter().filter(move |l| l.index < before);
    let exchange = held(played.stream(&StreamId::Exchange));
    let mut gathering = Gathering::new(held(communique), exchange, until).unwrap();
    let wanted: Vec<_> = gathering.wanted().map(|(p, g)| (p.clone(), *g)).collect();
    for (party, grant) in wanted {
        let stream: Vec<_> = held(played.stream(&StreamId::Party(party))).collect();
        let named = |l: &&Logged| l.objects.iter().any(|o| Digest::of(o) == grant);
        let revokes = |l: &&Logged| {
            let revocation = |o: &Vec<u8>| Unverified::<Revocation>::parse(std::str::from_utf8(o).unwrap());
            l.objects.iter().filter_map(|o| revocation(o).ok()).any(|r| r.claims().grant == grant)
        };
        gathering.grant(stream.iter().find(named).unwrap().clone(), stream.iter().find(revokes).cloned()).unwrap();
    }
    if let Some(rectifies) = gathering.rectifies() {
        let zip = &played.files[&bag::original_path(rectifies.communique)];
        gathering.original(Digest::of(zip), zip.len() as u64, played.below.clone());
    }
    gathering.finish().unwrap()
}

fn written(played: &Played, contents: &Contents) -> Vec<u8> {
    assert_eq!(contents.proven(played.published.0), played.proven);
    assert!(written_with(played, contents, None) == played.lying, "the same without evidence");
    written_with(played, contents, Some(played.evidence()))
}

fn written_with(played: &Played, contents: &Contents, evidence: Option<Evidence>) -> Vec<u8> {
    let mut parts = BTreeMap::new();
    for part in contents.parts() {
        let mut hasher = PartHasher::default();
        played.files[&part.path].chunks(7).for_each(|piece| hasher.update(piece));
        parts.insert(part.path, hasher.finish());
    }
    let published = (played.published.0, played.published.1.as_slice());
    let mut writer = PackageWriter::new(vec![], contents, published, &played.certified, &parts, evidence).unwrap();
    let mut out = std::mem::take(writer.target());
    while let Some(path) = writer.next_part().map(|p| p.path.clone()) {
        for piece in played.files[&path].chunks(5) {
            writer.part_bytes(piece).unwrap();
            out.append(writer.target());
        }
        writer.end_part().unwrap();
        out.append(writer.target());
    }
    out.extend(writer.finish().unwrap());
    out
}

#[test]
fn good_packages_are_proven_under_a_pin_and_only_consistent_without() {
    for parties in [2, 3, 5] {
        for quorum in [1, 3] {
            for initialling in [Initialling::Required, Initialling::Waived] {
                let mut plan = Plan::new(parties, quorum, initialling);
                plan.also_manifest(|m| m.procedure.deadline = Some(played::start().plus(86_400)));
                let played = plan.play();
                assert_eq!(outcome(&played), "proven: Null", "{parties} {quorum} {initialling:?}");
                let unpinned = verify(Cursor::new(&played.zip), None);
                assert_eq!((unpinned.name(), unpinned.exit_code()), ("unpinned", 3));
                let contents = gathered(&played);
                assert!(written(&played, &contents) == played.zip, "the writer makes the same bytes");
                let published: Entry = json::parse(&played.published.1).unwrap();
                assert_eq!(published.files, Some(contents.files()));
                assert_eq!(contents.step().documents, published.documents);
                let findings = played.verify();
                let findings = findings.findings().unwrap();
                assert_eq!(findings.parties.len(), parties);
                assert!(findings.parties.iter().all(|p| p.signatories.len() == quorum));
            }
        }
    }
}

#[test]
fn a_first_revision_is_proven() {
    let mut plan = Plan::plain();
    plan.also_manifest(|m| (m.revision, m.previous) = (1, None));
    assert_eq!(outcome(&plan.play()), "proven: Null");
}

#[test]
fn what_is_a_translation_is_not_equally_authentic() {
    let mut plan = Plan::plain();
    plan.texts[1].status = Status::Translation;
    let verdict = plan.play().verify();
    let authentic: Vec<_> = verdict.findings().unwrap().authentic().map(|text| text.lang.as_str()).collect();
    assert_eq!(authentic, ["ar"]);
}

#[test]
fn unreadable_is_not_wrong() {
    /// Fails once it is asked for bytes beyond a point.
    struct Worn(Cursor<Vec<u8>>, u64);
    impl Read for Worn {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.position() < self.1 {
                return Err(io::Error::other("worn out\u{1b}[31m"));
            }
            self.0.read(buffer)
        }
    }
    impl Seek for Worn {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let zip = Plan::plain().play().zip;
    let end = zip.len() as u64;
    for bad_until in [1, end / 2, end] {
        let found = verify(Worn(Cursor::new(zip.clone()), bad_until), None);
        let Verdict::CannotRead { detail } = &found else { panic!("{found:?}") };
        assert_eq!(found.exit_code(), 2);
        assert!(!detail.to_string().contains('\u{1b}'), "{detail:?}");
    }
}

#[test]
fn no_flipped_byte_is_proven() {
    let played = Plan::new(2, 1, Initialling::Waived).play();
    let pin = Some(played.charter.digest());
    let mut zip = played.zip.clone();
    // All of them take minutes in a dev build; the container's own tests flip every bit of a small archive.
    for at in (0..zip.len()).step_by(61) {
        let bit = 1 << (at % 8);
        zip[at] ^= bit;
        assert!([1, 2].contains(&verify(Cursor::new(&zip), pin).exit_code()), "byte {at}");
        zip[at] ^= bit;
    }
    assert_eq!(verify(Cursor::new(&zip), pin).exit_code(), 0);
}

/// The same inside the archive, whose checksums are made again: what is left are digests, signatures, comparison.
#[test]
fn no_flipped_byte_of_any_file_is_proven() {
    let played = Plan::new(2, 1, Initialling::Waived).play();
    for (n, (path, bytes)) in played.files.iter().enumerate() {
        let path: &'static str = path.clone().leak();
        for at in (n % 11..bytes.len()).step_by(bytes.len() / 8 + 1) {
            let mut plan = Plan::new(2, 1, Initialling::Waived);
            // As it lies in another, it has no proofs, and shorter lists.
            plan.bag = Box::new(move |f| f.get_mut(path).into_iter().flat_map(|b| b.get_mut(at)).for_each(|b| *b ^= 1));
            assert!([1, 2].contains(&plan.play().verify().exit_code()), "{path} at {at}");
        }
    }
}

#[test]
fn without_a_pin_nobody_is_said_to_have_signed() {
    let played = Plan::plain().play();
    let pinned = played.verify().to_json();
    assert_eq!(pinned["proven"], true);
    assert_eq!(pinned["findings"]["parties"][0]["names"]["fr"], "Partie d’exemple 1");
    assert_eq!(pinned["findings"]["parties"][0]["signatories"][1]["holder"], "holder-1");
    assert_eq!(pinned["findings"]["pinned_version"], 1);
    let unpinned = verify(Cursor::new(&played.zip), None).to_json();
    assert_eq!((&unpinned["proven"], &unpinned["exit_code"]), (&false.into(), &3.into()));
    assert_eq!(unpinned["findings"]["parties"][0]["claims_to_be"]["fr"], "Partie d’exemple 1");
    assert!(!unpinned.to_string().contains("signed") && !unpinned.to_string().contains("signator"));
    let members = |v: &serde_json::Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let failed = verify(Cursor::new(b"no"), None).to_json();
    assert_eq!(members(&pinned), members(&failed), "the shape is one");
}

#[test]
fn a_text_is_offered_only_as_it_was_verified() {
    let played = Plan::plain().play();
    let verdict = played.verify();
    let findings = verdict.findings().unwrap();
    let arabic = Lang::parse("ar").unwrap();
    assert_eq!(text(Cursor::new(&played.zip), findings, &arabic).as_deref(), Ok(played::ARABIC));
    assert!(text(Cursor::new(&played.zip), findings, &Lang::parse("ru").unwrap()).is_err());
    let mut plan = Plan::plain();
    plan.bag = Box::new(|f| f.get_mut("data/texts/ar.txt").unwrap()[1] ^= 1);
    assert!(text(Cursor::new(plan.play().zip), findings, &arabic).is_err());
}

#[test]
fn a_package_is_gathered_only_from_a_completed_revision() {
    let mut plan = Plan::plain();
    plan.without(Turn::Completed);
    let played = plan.play();
    let communique = StreamId::Communique(played.manifest.communique);
    let exchange = || played.stream(&StreamId::Exchange);
    let unfinished = played.stream(&communique).into_iter().filter(|l| l.index != played.published.0);
    let until = Until { index: u64::MAX, time: played::start().plus(86_400) };
    assert!(Gathering::new(unfinished, exchange(), until).is_err());
    assert!(Gathering::new([], exchange(), until).is_err());
    let whole = Plan::plain().play();
    let mut gathering = Gathering::new(whole.stream(&communique), whole.stream(&StreamId::Exchange), until).unwrap();
    assert_eq!(gathering.wanted().count(), 4);
    assert!(gathering.grant(whole.stream(&StreamId::Exchange)[0].clone(), None).is_err(), "no grant");
    assert!(gathering.finish().is_err(), "grants are missing");
}

#[test]
fn the_writer_takes_only_what_the_manifest_names() {
    let played = Plan::plain().play();
    let contents = gathered(&played);
    let published = (played.published.0, played.published.1.as_slice());
    let good: BTreeMap<_, _> =
        contents.manifest().parts().map(|p| (p.path.clone(), PartDigests::of(&played.files[&p.path]))).collect();
    let begin = |parts: &BTreeMap<_, _>| {
        PackageWriter::new(vec![], &contents, published, &played.certified, parts, Some(played.evidence()))
    };
    assert!(begin(&BTreeMap::new()).is_err());
    let mut other = good.clone();
    other.insert("data/texts/fr.txt".into(), PartDigests::of(b"other\n"));
    assert!(begin(&other).is_err());
    let mut writer = begin(&good).unwrap();
    let size = writer.next_part().unwrap().size as usize;
    writer.part_bytes(&vec![0; size]).unwrap();
    assert!(writer.end_part().is_err(), "other bytes of the same length");
    assert!(begin(&good).unwrap().finish().is_err(), "parts are missing");
}
