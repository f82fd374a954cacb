//! Whole packages, good and bad. The table has a row for every check: a package in which all else is consistent.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Cursor, Read, Seek, SeekFrom},
};

use super::{
    bag::{self, PartDigests, PartHasher},
    check::Check,
    fixture::{self, Plan, Played, Turn, authority, official},
    verdict::Verdict,
    verify::{text, verify},
    write::{Contents, Gathering, PackageWriter},
};
use crate::domain::{
    act::ActKind,
    entry::{Kind, StreamId},
    id::{Digest, Lang},
    manifest::Initialling,
};

fn outcome(played: &Played) -> String {
    match played.verify() {
        Verdict::Failed { check, detail } => format!("{check}: {detail}"),
        other => format!("{}: {:?}", other.name(), other.to_json()["detail"]),
    }
}

/// What the exchange does: gather, then write in pieces, emptying the buffer all the while.
fn gathered(played: &Played) -> Contents {
    let communique = played.stream(&StreamId::Communique(played.manifest.communique));
    let mut gathering = Gathering::new(communique, played.stream(&StreamId::Exchange)).unwrap();
    let wanted: Vec<_> = gathering.wanted().map(|(p, g)| (p.clone(), *g)).collect();
    for (party, grant) in wanted {
        let named = |l: &super::write::Logged| l.objects.iter().any(|o| Digest::of(o) == grant);
        let entry = played.stream(&StreamId::Party(party)).into_iter().find(named).unwrap();
        gathering.grant(entry).unwrap();
    }
    gathering.finish().unwrap()
}

fn written(played: &Played, contents: &Contents) -> Vec<u8> {
    let mut parts = BTreeMap::new();
    for part in contents.manifest().parts() {
        let mut hasher = PartHasher::default();
        played.files[&part.path].chunks(7).for_each(|piece| hasher.update(piece));
        parts.insert(part.path, hasher.finish());
    }
    let published = (played.published.0, played.published.1.as_slice());
    let mut writer = PackageWriter::new(vec![], contents, published, &played.certified, &parts).unwrap();
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
                plan.also_manifest(|m| m.procedure.deadline = Some(fixture::start().plus(86_400)));
                let played = plan.play();
                assert_eq!(outcome(&played), "proven: Null", "{parties} {quorum} {initialling:?}");
                let unpinned = verify(Cursor::new(&played.zip), None);
                assert_eq!((unpinned.name(), unpinned.exit_code()), ("unpinned", 3));
                let contents = gathered(&played);
                assert!(written(&played, &contents) == played.zip, "the writer makes the same bytes");
                let published: crate::domain::entry::Entry =
                    crate::domain::json::parse(&played.published.1).unwrap();
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
