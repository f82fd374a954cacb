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
                let published: crate::domain::entry::Entry = crate::domain::json::parse(&played.published.1).unwrap();
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

/// A row: the check that must fail, what is done, and how.
type Row = (Check, &'static str, Change);
type Change = fn(&mut Plan);

const SIGN: ActKind = ActKind::Sign;
const INITIAL: ActKind = ActKind::Initial;

fn rename(files: &mut fixture::Files, from: &str, to: &str) {
    let bytes = files.remove(from).unwrap();
    files.insert(to.into(), bytes);
}
fn first_statement(files: &fixture::Files) -> String {
    files.keys().find(|p| p.starts_with("data/statements/")).unwrap().clone()
}
fn append(files: &mut fixture::Files, path: &str, bytes: &[u8]) {
    files.get_mut(path).unwrap().extend_from_slice(bytes);
}

const TABLE: &[Row] = &[
    (Check::Zip, "a byte follows the end", |p| p.zip = Box::new(|z| z.push(0))),
    (Check::Zip, "no zip at all", |p| p.zip = Box::new(|z| *z = b"not a package".to_vec())),
    (Check::Zip, "empty", |p| p.zip = Box::new(Vec::clear)),
    (Check::Zip, "cut short", |p| p.zip = Box::new(|z| z.truncate(z.len() / 2))),
    (Check::Zip, "the two headers of the first file disagree", |p| p.zip = Box::new(|z| z[10] ^= 1)),
    (Check::Zip, "a doubled file", |p| {
        // The writer refuses to write it, so one name is changed into another's in both of its headers.
        p.zip = Box::new(|z| {
            let (from, to) = (b"tagmanifest-sha256.txt", b"tagmanifest-sha512.txt");
            for at in 0..z.len() - from.len() {
                if z[at..].starts_with(from) && z[at - 1] == b'/' {
                    z[at..at + to.len()].copy_from_slice(to);
                }
            }
        });
    }),
    (Check::Zip, "an escaping file", |p| {
        p.zip = Box::new(|z| {
            let (from, to) = (b"communique-0", b"../../../../");
            for at in 0..z.len() - from.len() {
                if z[at..].starts_with(from) {
                    z[at..at + to.len()].copy_from_slice(to);
                }
            }
        });
    }),
    (Check::BagLayout, "another order", |p| p.archive = Box::new(|a| a.swap(0, 1))),
    (Check::BagLayout, "data out of order", |p| p.archive = Box::new(|a| a.swap(8, 9))),
    (Check::BagLayout, "no folder", |p| {
        p.archive = Box::new(|a| a.iter_mut().for_each(|(n, _)| *n = n.split_once('/').unwrap().1.to_owned()));
    }),
    (Check::BagLayout, "a file beside the folder", |p| p.archive = Box::new(|a| a.push(("note.txt".into(), vec![1])))),
    (Check::BagLayout, "two folders", |p| {
        p.archive = Box::new(|a| {
            let other = crate::domain::id::CommuniqueId::new(1, &[1; 10]);
            a.last_mut().unwrap().0 = format!("{}/{}", bag::folder(other), bag::CERTIFIED_PATH);
        });
    }),
    (Check::BagLayout, "the folder of another communiqué", |p| {
        p.archive = Box::new(|a| {
            let other = bag::folder(crate::domain::id::CommuniqueId::new(1, &[1; 10]));
            a.iter_mut().for_each(|(n, _)| *n = format!("{other}/{}", n.split_once('/').unwrap().1));
        });
    }),
    (Check::FileMissing, "no README", |p| p.after = Box::new(|f| drop(f.remove(bag::README_PATH)))),
    (Check::FileMissing, "no bag-info.txt", |p| p.bag = Box::new(|f| drop(f.remove("bag-info.txt")))),
    (Check::FileMissing, "no manifest", |p| p.bag = Box::new(|f| drop(f.remove(bag::MANIFEST_PATH)))),
    (Check::FileMissing, "no certified copy", |p| p.bag = Box::new(|f| drop(f.remove(bag::CERTIFIED_PATH)))),
    (Check::FileMissing, "no annex", |p| p.before = Box::new(|f| drop(f.remove("data/annexes/1.pdf")))),
    (Check::FileMissing, "a renamed text", |p| {
        p.before = Box::new(|f| rename(f, "data/texts/fr.txt", "data/texts/ru.txt"))
    }),
    (Check::FileMissing, "a statement that an entry names", |p| {
        p.before = Box::new(|f| drop(f.remove(&first_statement(f))));
    }),
    (Check::FileMissing, "no charter", |p| p.before = Box::new(|f| drop(f.remove(&bag::charter_path(1))))),
    (Check::Manifest, "the manifest is not in canonical form", |p| {
        p.before = Box::new(|f| append(f, bag::MANIFEST_PATH, b"\n"));
    }),
    (Check::Manifest, "a manifest over its limit", |p| {
        p.before = Box::new(|f| append(f, bag::MANIFEST_PATH, &[b' '; 512 << 10]));
    }),
    (Check::FileExtra, "a stray payload file", |p| {
        p.before = Box::new(|f| drop(f.insert("data/x.txt".into(), vec![1])))
    }),
    (Check::FileExtra, "a stray tag file", |p| p.bag = Box::new(|f| drop(f.insert("evidence/x.txt".into(), vec![1])))),
    (Check::FileExtra, "a text that the manifest does not name", |p| {
        p.before = Box::new(|f| drop(f.insert("data/texts/ru.txt".into(), b"x\n".to_vec())));
    }),
    (Check::FileExtra, "an index with a leading zero", |p| {
        p.before = Box::new(|f| rename(f, &bag::entry_path(0), "data/entries/00.json"));
    }),
    (Check::FileExtra, "a statement that no entry names", |p| {
        p.before = Box::new(|f| {
            let stray = fixture::stray_statement();
            f.insert(bag::statement_path(Digest::of(&stray)), stray);
        });
    }),
    (Check::FileExtra, "full powers that no act names", |p| {
        p.insert_before(Turn::Propose(0, 0), Turn::Grant(1, 5));
    }),
    (Check::FileExtra, "an adoption after completion", |p| p.insert_after(Turn::Completed, Turn::Adopt(0))),
    (Check::Charter, "a charter not in canonical form", |p| {
        p.before = Box::new(|f| append(f, &bag::charter_path(1), b" "));
    }),
    (Check::Charter, "a charter under another version", |p| {
        p.before = Box::new(|f| rename(f, &bag::charter_path(1), &bag::charter_path(3)));
    }),
    (Check::CharterChain, "a second charter", |p| p.insert_before(Turn::Propose(0, 0), Turn::Succession)),
    (Check::CharterChain, "a manifest of another founding", |p| {
        p.also_manifest(|m| m.founding = Digest::of(b"a rehearsal"));
    }),
    (Check::Pin, "another fingerprint", |p| p.pin = Some(Digest::of(b"another charter"))),
    (Check::Statement, "a statement under another's digest", |p| {
        p.before = Box::new(|f| append(f, &first_statement(f), b"\n"));
    }),
    (Check::Entry, "an entry not in canonical form", |p| {
        p.before = Box::new(|f| append(f, &bag::entry_path(0), b"\n"))
    }),
    (Check::Entry, "an entry of another communiqué", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Act {
                e.stream = StreamId::Communique(crate::domain::id::CommuniqueId::new(1, &[1; 10]));
            }
        });
    }),
    (Check::Entry, "a trust statement's entry", |p| p.insert_before(Turn::Grant(0, 0), Turn::Trust(0))),
    (Check::Entry, "an act's entry in the stream of the exchange", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Adoption {
                e.kind = Kind::Act;
            }
        });
    }),
    (Check::Entry, "the opening in the stream of the exchange", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Opened {
                e.stream = StreamId::Exchange;
            }
        });
    }),
    (Check::Entry, "an act's entry that names it twice", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Act {
                e.statements.push(e.statements[0]);
            }
        });
    }),
    (Check::Entry, "a charter's entry that names it twice", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Charter {
                e.documents.push(e.documents[0]);
            }
        });
    }),
    (Check::Entry, "an adoption's entry that names it twice", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Adoption {
                e.statements.push(e.statements[0]);
            }
        });
    }),
    (Check::Entry, "a grant's entry that names it twice", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Powers {
                e.statements.push(e.statements[0]);
            }
        });
    }),
    (Check::EntryChain, "log time goes back", |p| p.insert_before(Turn::Completed, Turn::Wait(-61))),
    (Check::EntryChain, "a gap in the exchange's stream", |p| {
        p.entry = Box::new(|e| {
            if e.stream == StreamId::Exchange && e.seq > 0 {
                e.seq += 1;
            }
        });
    }),
    (Check::EntryChain, "an entry that does not name the one before", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Opened {
                e.previous = Some(Digest::of(b"another"));
            }
        });
    }),
    (Check::EntryChain, "an act that does not name the one before", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Act && e.seq == 8 {
                e.previous = Some(Digest::of(b"another"));
            }
        });
    }),
    (Check::EntryChain, "published does not name the one before", |p| {
        p.published = Box::new(|e| e.previous = Some(Digest::of(b"another")));
    }),
    (Check::EntryChain, "a party's next entry does not name the one before", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Powers && e.seq == 2 {
                e.previous = Some(Digest::of(b"another"));
            }
        });
    }),
    (Check::EntryChain, "a party's stream goes back", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Powers && e.seq == 2 {
                e.seq = 1;
            }
        });
    }),
    (Check::EntryChain, "completion apart from the last signature", |p| {
        p.insert_before(Turn::Completed, Turn::Others(1));
    }),
    (Check::EntryChain, "a revision too early in its stream", |p| p.also_manifest(|m| m.revision = 9)),
    (Check::Adoption, "a party that did not adopt", |p| p.without(Turn::Adopt(1))),
    (Check::Adoption, "adopted after the revision", |p| {
        p.without(Turn::Adopt(1));
        p.insert_after(Turn::Propose(0, 0), Turn::Adopt(1));
    }),
    (Check::Adoption, "an adoption by another key", |p| {
        p.signer = Box::new(|kind, party, _| (kind == "adoption" && party == 1).then_some(authority(0)));
    }),
    (Check::Adoption, "an adoption of another exchange", |p| {
        p.adoption = Box::new(|a| a.exchange = "rehearsal.example".parse().unwrap());
    }),
    (Check::Adoption, "an adoption of another charter", |p| {
        p.adoption = Box::new(|a| a.charter = Digest::of(b"another"));
    }),
    (Check::Grant, "full powers by another authority", |p| {
        p.signer = Box::new(|kind, party, _| (kind == "powers" && party == 1).then_some(authority(0)));
    }),
    (Check::Grant, "full powers of a rehearsal", |p| p.powers = Box::new(|g| g.founding = Digest::of(b"rehearsal"))),
    (Check::Grant, "full powers in another party's stream", |p| {
        p.powers = Box::new(|g| g.party = fixture::party(usize::from(g.party == fixture::party(0))));
        p.signer = Box::new(|kind, party, _| (kind == "powers").then_some(authority(1 - party)));
    }),
    (Check::Grant, "full powers logged after the act", |p| {
        p.without(Turn::Grant(1, 1));
        p.insert_after(Turn::Act(SIGN, 1, 1), Turn::Grant(1, 1));
        p.script.swap_remove(p.position(Turn::Completed));
    }),
    (Check::Grant, "full powers that do not allow the act", |p| {
        p.powers = Box::new(|g| g.acts.retain(|a| *a != SIGN));
    }),
    (Check::Grant, "full powers for another communiqué", |p| {
        p.powers = Box::new(|g| g.scope = Some(vec![crate::domain::id::CommuniqueId::new(1, &[1; 10])]));
    }),
    (Check::Grant, "full powers that have ended", |p| p.powers = Box::new(|g| g.not_after = g.not_before)),
    (Check::Grant, "one key of two parties' holders", |p| {
        p.powers = Box::new(|g| {
            if g.holder.id.as_str() == "holder-1" {
                g.key = crate::domain::key::Signer::public(&fixture::key(99));
            }
        });
        p.signer = Box::new(|kind, _, holder| (kind == "act" && holder == 1).then_some(99));
    }),
    (Check::Grant, "full powers for the depositary's key", |p| {
        p.powers = Box::new(|g| g.key = crate::domain::key::Signer::public(&fixture::key(fixture::DEPOSITARY)));
        p.signer = Box::new(|kind, _, _| (kind == "act").then_some(fixture::DEPOSITARY));
    }),
    (Check::Act, "a signature by another holder's key", |p| {
        p.signer = Box::new(|kind, party, holder| (kind == "act" && party == 1).then(|| official(0, holder)));
    }),
    (Check::Act, "an altered signature", |p| {
        p.compact = Box::new(|c| {
            // One letter of the signature of every act; its digests follow, so that nothing else is out of place.
            if crate::domain::statement::Unverified::<crate::domain::act::Act>::parse(c).is_ok() {
                let at = c.rfind('.').unwrap() + 2;
                let letter = if &c[at..=at] == "A" { "B" } else { "A" };
                c.replace_range(at..=at, letter);
            }
        });
    }),
    (Check::Act, "acts without a revision's entry", |p| p.without(Turn::Propose(0, 0))),
    (Check::Act, "an act of a rehearsal", |p| p.act = Box::new(|a| a.founding = Digest::of(b"rehearsal"))),
    (Check::Act, "an act of another exchange", |p| p.act = Box::new(|a| a.exchange = "other.example".parse().unwrap())),
    (Check::Act, "an act under another charter", |p| p.act = Box::new(|a| a.charter = Digest::of(b"another"))),
    (Check::Act, "an act on another manifest", |p| p.act = Box::new(|a| a.manifest = Digest::of(b"another"))),
    (Check::Act, "an act on another revision", |p| p.act = Box::new(|a| a.revision = 3)),
    (Check::Act, "an act on another communiqué", |p| {
        p.act = Box::new(|a| a.communique = crate::domain::id::CommuniqueId::new(1, &[1; 10]));
    }),
    (Check::Act, "a signature for another opening", |p| {
        p.act = Box::new(|a| a.opening = a.opening.map(|_| Digest::of(b"another")));
    }),
    (Check::Act, "an act from the future", |p| p.act = Box::new(|a| a.time = a.time.plus(301))),
    (Check::Act, "a signature before the opening", |p| {
        p.act = Box::new(|a| {
            if a.act == SIGN {
                a.time = a.time.plus(-3000);
            }
        });
        p.insert_after(Turn::Opened, Turn::Wait(2000));
        p.powers = Box::new(|g| g.not_before = g.not_before.plus(-86_400));
    }),
    (Check::Act, "a declination, and it was signed all the same", |p| {
        p.insert_before(Turn::Act(SIGN, 1, 1), Turn::Act(ActKind::Decline, 0, 0));
    }),
    (Check::Act, "opened by its proposer though initials are required", |p| {
        p.script.retain(|t| !matches!(t, Turn::Act(INITIAL, ..)));
        p.insert_before(Turn::Opened, Turn::Act(ActKind::Open, 0, 0));
    }),
    (Check::Deadline, "signed after the deadline", |p| {
        p.also_manifest(|m| m.procedure.deadline = Some(fixture::start().plus(3600)));
        p.insert_before(Turn::Act(SIGN, 1, 1), Turn::Wait(3600));
    }),
    (Check::Opening, "opened before all had initialled", |p| {
        let last = p.script.remove(p.position(Turn::Act(INITIAL, 1, 0)));
        p.insert_after(Turn::Opened, last);
    }),
    (Check::Opening, "opened without a word", |p| p.script.retain(|t| !matches!(t, Turn::Act(INITIAL, ..)))),
    (Check::Opening, "the opening lists an initial less", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Opened {
                e.statements.pop();
            }
        });
    }),
    (Check::Opening, "the opening lists another document", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Opened {
                e.documents.clear();
            }
        });
    }),
    (Check::Seats, "completed with a seat empty", |p| p.without(Turn::Act(SIGN, 1, 1))),
    (Check::Seats, "one holder with two keys and two full powers", |p| {
        p.powers = Box::new(|g| g.holder.id = "holder-0".parse().unwrap());
    }),
    (Check::Seats, "one holder signs twice", |p| {
        let at = p.position(Turn::Act(SIGN, 0, 1));
        p.script.insert(at, Turn::Act(SIGN, 0, 0));
    }),
    (Check::Completion, "completion lists a signature less", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Completed {
                e.statements.pop();
            }
        });
    }),
    (Check::Completion, "published at the last signature, without completion", |p| p.without(Turn::Completed)),
    (Check::Published, "published though a seat is empty", |p| {
        p.without(Turn::Completed);
        p.without(Turn::Act(SIGN, 1, 1));
    }),
    (Check::Published, "an entry follows published", |p| p.late = vec![Turn::Adopt(0)]),
    (Check::Published, "published records no manifest", |p| p.published = Box::new(|e| e.documents.clear())),
    (Check::Published, "no published entry", |p| {
        p.after = Box::new(|f| {
            let index = |path: &String| path.strip_prefix("data/entries/")?.strip_suffix(".json")?.parse::<u64>().ok();
            let last = f.keys().filter_map(index).max().unwrap();
            f.remove(&bag::entry_path(last));
        });
    }),
    (Check::Embargo, "published before the embargo", |p| {
        p.also_manifest(|m| m.procedure.embargo = Some(fixture::start().plus(86_400)));
    }),
    (Check::PublishedList, "a file less", |p| {
        p.published = Box::new(|e| drop(e.files.as_mut().unwrap().pop()));
    }),
    (Check::PublishedList, "a file more", |p| {
        p.published = Box::new(|e| {
            let sha256 = Digest::of(bag::README.as_bytes());
            e.files
                .as_mut()
                .unwrap()
                .insert(0, crate::domain::entry::FileDigest { path: bag::README_PATH.into(), sha256 });
        });
    }),
    (Check::PublishedList, "a file's digest", |p| {
        p.published = Box::new(|e| e.files.as_mut().unwrap()[2].sha256 = Digest::of(b"another"));
    }),
    (Check::CertifiedCopy, "by another key", |p| {
        p.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(authority(0)));
    }),
    (Check::CertifiedCopy, "of another manifest", |p| p.certified = Box::new(|c| c.manifest = Digest::of(b"another"))),
    (Check::CertifiedCopy, "of another index", |p| p.certified = Box::new(|c| c.index += 1)),
    (Check::CertifiedCopy, "of another entry", |p| p.certified = Box::new(|c| c.published = Digest::of(b"another"))),
    (Check::CertifiedCopy, "of another time", |p| p.certified = Box::new(|c| c.time = c.time.plus(1))),
    (Check::TextDigest, "an altered text", |p| {
        p.after = Box::new(|f| f.get_mut("data/texts/fr.txt").unwrap()[0] ^= 32)
    }),
    (Check::TextDigest, "a longer text", |p| p.after = Box::new(|f| append(f, "data/texts/fr.txt", b"x\n"))),
    (Check::TextRules, "a text that reads otherwise than it signs", |p| {
        p.text = Box::new(|t| t.insert(3, '\u{202e}'));
    }),
    (Check::TextRules, "a text with CRLF", |p| p.text = Box::new(|t| *t = t.replace('\n', "\r\n"))),
    (Check::AnnexDigest, "an altered annex", |p| {
        p.after = Box::new(|f| f.get_mut("data/annexes/1.pdf").unwrap()[0] ^= 1);
    }),
    (Check::AnnexDigest, "a longer annex", |p| p.after = Box::new(|f| append(f, "data/annexes/1.pdf", b" "))),
    (Check::Readme, "another README", |p| p.after = Box::new(|f| append(f, bag::README_PATH, b"Trust me.\n"))),
    (Check::Readme, "a README of the same length", |p| {
        p.after = Box::new(|f| f.get_mut(bag::README_PATH).unwrap()[0] ^= 32);
    }),
    (Check::BagDeclaration, "another BagIt version", |p| {
        p.bag = Box::new(|f| {
            f.insert("bagit.txt".into(), bag::BAGIT.replace("1.0", "0.9").into_bytes());
            retag(f);
        });
    }),
    (Check::BagInfo, "a line more", |p| {
        p.bag = Box::new(|f| {
            append(f, "bag-info.txt", b"Contact-Name: A. Forger\n");
            retag(f);
        });
    }),
    (Check::BagManifest, "a file less in one of two manifests", |p| {
        p.bag = Box::new(|f| {
            let lines = f.get_mut("manifest-sha512.txt").unwrap();
            let first = lines.iter().position(|b| *b == b'\n').unwrap();
            lines.drain(..=first);
            retag(f);
        });
    }),
    (Check::BagManifest, "a digest in capitals", |p| {
        p.bag = Box::new(|f| {
            f.get_mut("manifest-sha256.txt").unwrap()[..64].make_ascii_uppercase();
            retag(f);
        });
    }),
    (Check::BagTagmanifest, "a tag file less", |p| {
        p.bag = Box::new(|f| {
            let lines = f.get_mut("tagmanifest-sha512.txt").unwrap();
            let first = lines.iter().position(|b| *b == b'\n').unwrap();
            lines.drain(..=first);
        });
    }),
    (Check::ZipForm, "another time", |p| p.time = Some(super::zip::DosTime::new(2026, 1, 1, 0, 0, 0))),
    (Check::ZipForm, "a record that is not deflated", |p| p.stored = vec![bag::MANIFEST_PATH]),
];

/// Makes the tag manifests again for tag files that were changed.
fn retag(files: &mut fixture::Files) {
    for (name, sha512) in [("tagmanifest-sha256.txt", false), ("tagmanifest-sha512.txt", true)] {
        let tags = files.iter().filter(|(path, _)| !path.starts_with("data/") && !path.starts_with("tagmanifest"));
        let lines = tags.map(|(path, bytes)| {
            let digests = PartDigests::of(bytes);
            let digest = if sha512 { digests.sha512.to_string() } else { digests.sha256.to_string() };
            format!("{digest}  {path}\n")
        });
        let lines = lines.collect::<String>();
        files.insert(name.into(), lines.into_bytes());
    }
}

#[test]
fn each_check_refuses_what_breaks_it_alone() {
    let mut wrong = vec![];
    for (check, what, change) in TABLE {
        let mut plan = Plan::plain();
        change(&mut plan);
        let played = plan.play();
        let found = played.verify();
        let json = found.to_json();
        if json["check"] != check.id() || found.exit_code() != 1 || found.findings().is_some() {
            wrong.push(format!("{check}, {what}: {}", outcome(&played)));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    let rows: BTreeSet<_> = TABLE.iter().map(|(check, ..)| *check).collect();
    let all: BTreeSet<_> = Check::ALL.iter().copied().collect();
    assert_eq!(rows, all, "every check has a row");
}

#[test]
fn what_is_foreign_is_not_judged() {
    let rows: &[(&str, Change)] = &[
        ("suite", |p| {
            p.after = Box::new(|f| replace(f, &bag::charter_path(1), r#"["Ed25519"]"#, r#"["Ed25519","ML-DSA-65"]"#));
        }),
        ("charter format", |p| {
            p.after = Box::new(|f| replace(f, &bag::charter_path(1), "communique.v1.charter", "communique.v2.charter"));
        }),
        ("format", |p| {
            p.after = Box::new(|f| replace(f, bag::MANIFEST_PATH, "communique.v1.manifest", "communique.v2.manifest"));
        }),
        ("text rules", |p| p.after = Box::new(|f| replace(f, bag::MANIFEST_PATH, "text.v1", "text.v2"))),
    ];
    for (what, change) in rows {
        let mut plan = Plan::plain();
        change(&mut plan);
        let found = plan.play().verify();
        assert_eq!((found.name(), found.exit_code()), ("cannot_judge", 2), "{what}: {found:?}");
        assert!(found.findings().is_none());
    }
}

fn replace(files: &mut fixture::Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files.remove(path).unwrap()).unwrap();
    assert!(text.contains(from), "{path}");
    files.insert(path.into(), text.replace(from, to).into_bytes());
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
        assert!(!detail.contains('\u{1b}'), "{detail:?}");
    }
}

#[test]
fn no_flipped_byte_is_proven() {
    let played = Plan::new(2, 1, Initialling::Waived).play();
    let pin = Some(played.charter.digest());
    let mut zip = played.zip.clone();
    // All of them take minutes in a dev build; the container's own tests flip every bit of a small archive.
    let step = if std::env::var_os("COMMUNIQUE_TEST_SLOW").is_some() { 1 } else { 61 };
    for at in (0..zip.len()).step_by(step) {
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
            plan.bag = Box::new(move |f| f.get_mut(path).unwrap()[at] ^= 1);
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
    assert_eq!(text(Cursor::new(&played.zip), findings, &arabic).as_deref(), Ok(fixture::ARABIC));
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
    assert!(Gathering::new(unfinished, exchange()).is_err());
    assert!(Gathering::new([], exchange()).is_err());
    let whole = Plan::plain().play();
    let mut gathering = Gathering::new(whole.stream(&communique), whole.stream(&StreamId::Exchange)).unwrap();
    assert_eq!(gathering.wanted().count(), 4);
    assert!(gathering.grant(whole.stream(&StreamId::Exchange)[0].clone()).is_err(), "no grant");
    assert!(gathering.finish().is_err(), "grants are missing");
}

#[test]
fn the_writer_takes_only_what_the_manifest_names() {
    let played = Plan::plain().play();
    let contents = gathered(&played);
    let published = (played.published.0, played.published.1.as_slice());
    let good: BTreeMap<_, _> =
        contents.manifest().parts().map(|p| (p.path.clone(), PartDigests::of(&played.files[&p.path]))).collect();
    let begin = |parts: &BTreeMap<_, _>| PackageWriter::new(vec![], &contents, published, &played.certified, parts);
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

/// Whether to go on without a foreign tool: aloud on a user's machine, never in CI.
fn skip(tool: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{tool} is missing, and CI must not skip");
    eprintln!("SKIPPED: {tool} is not on this machine");
}

/// Writes a bag's files below a folder, as a person would who unpacks it.
fn unpack(played: &Played, folder: &std::path::Path) {
    for (path, bytes) in &played.files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

#[test]
fn the_readme_tells_commands_that_work() {
    let have = |tool: &str| std::process::Command::new(tool).arg("version").output().is_ok_and(|o| o.status.success());
    if !have("openssl") {
        return skip("openssl");
    }
    let commands: String =
        bag::README.lines().filter_map(|l| l.strip_prefix("    ")).map(|l| format!("{l}\n")).collect();
    assert_eq!(commands.matches('#').count(), 6, "five commands, and the one `#` of the shell:\n{commands}");
    let played = Plan::plain().play();
    let folder = tempfile::tempdir().unwrap();
    unpack(&played, folder.path());
    let run = |file: &str, seed: u8| {
        let public = crate::domain::key::Signer::public(&fixture::key(seed)).to_bytes();
        std::process::Command::new("sh")
            .args(["-ec", &commands])
            .env("F", file)
            .env("X", crate::domain::json::base64(&public))
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let right = run(bag::CERTIFIED_PATH, fixture::DEPOSITARY);
    let said = String::from_utf8_lossy(&right.stdout).into_owned();
    assert!(right.status.success(), "{said}\n{}", String::from_utf8_lossy(&right.stderr));
    for expected in [
        "Signature Verified Successfully",
        "data/communique.json: OK",
        "evidence/certified-copy.jws: OK",
        &played.charter.digest().to_string(),
        r#""typ":"communique.v1.certified-copy""#,
        &format!(r#""manifest":"{}""#, played.manifest.digest()),
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(!run(bag::CERTIFIED_PATH, fixture::authority(0)).status.success(), "another key");
    let statements = played.files.keys().filter(|p| p.starts_with("data/statements/"));
    let by_authority = statements.filter(|p| run(p, authority(0)).status.success()).count();
    assert_eq!(by_authority, 3, "one adoption and two full powers of the first party");
    std::fs::write(folder.path().join("data/texts/fr.txt"), "Autre texte.\n").unwrap();
    assert!(!run(bag::CERTIFIED_PATH, fixture::DEPOSITARY).status.success(), "an altered text");
}

#[test]
fn bagit_finds_the_bag_valid() {
    let python = std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let python = |args: &[&str]| std::process::Command::new(&python).args(args).output();
    if !python(&["-c", "import bagit"]).is_ok_and(|o| o.status.success()) {
        return skip("the Python package bagit");
    }
    let played = Plan::plain().play();
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("package.zip");
    std::fs::write(&zip, &played.zip).unwrap();
    let script = "import sys, zipfile, bagit\n\
                  zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])\n\
                  bag = bagit.Bag(sys.argv[2] + '/' + sys.argv[3])\n\
                  bag.validate()\n\
                  print(bag.version, bag.info['Payload-Oxum'])";
    let out = folder.path().join("out");
    let name = bag::folder(played.manifest.communique);
    let ran = python(&["-c", script, zip.to_str().unwrap(), out.to_str().unwrap(), &name]).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("1.0 "));
    std::fs::write(out.join(&name).join("data/texts/fr.txt"), "Autre texte.\n").unwrap();
    let script = "import sys, bagit; bagit.Bag(sys.argv[1]).validate()";
    assert!(!python(&["-c", script, out.join(&name).to_str().unwrap()]).unwrap().status.success());
}

const FORMAT: &str = include_str!("../../docs/FORMAT.md");

/// The lines of the blocks that begin with this word, with what follows it on the fence.
fn blocks(word: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let fence = format!("```{word} ");
    let mut rest = FORMAT.lines();
    let mut found = vec![];
    while let Some(line) = rest.next() {
        if let Some(name) = line.strip_prefix(&fence) {
            found.push((name, rest.by_ref().take_while(|l| *l != "```").collect()));
        }
    }
    found
}

#[test]
fn the_format_shows_a_true_example() {
    let played = Plan::new(2, 1, Initialling::Waived).play();
    assert_eq!(outcome(&played), "proven: Null");
    let text = |path: &str| String::from_utf8(played.files[path].clone()).unwrap();
    let exact = blocks("exact");
    assert!(exact.len() >= 5);
    for (path, lines) in exact {
        assert_eq!(lines.concat(), text(path), "{path}");
    }
    for (part, word) in ["header", "payload"].into_iter().enumerate() {
        assert!(!blocks(word).is_empty());
        for (path, lines) in blocks(word) {
            let compact = text(path);
            let decoded = crate::domain::json::unbase64(compact.split('.').nth(part).unwrap()).unwrap();
            assert_eq!(lines.concat().as_bytes(), decoded, "{path}");
        }
    }
    let names = super::zip::Archive::open(Cursor::new(&played.zip), super::zip::Limits::PACKAGE).unwrap();
    let listing: String =
        names.entries().iter().map(|e| format!("{:>7}  {}\n", e.size, e.name.split_once('/').unwrap().1)).collect();
    assert!(FORMAT.contains(&format!("```listing\n{listing}```")), "the listing is\n{listing}");
    assert!(FORMAT.contains(&format!("`{}`, is the manifest's name", played.manifest.digest())));
}

#[test]
fn the_format_names_every_check_and_limit() {
    let rows: Vec<_> = Check::ALL.iter().map(|c| format!("| `{}` | {} |", c.id(), c.line())).collect();
    assert!(FORMAT.contains(&format!("| check | what must hold |\n| --- | --- |\n{}\n\n", rows.join("\n"))));
    use crate::domain::{
        act::Act,
        certified::CertifiedCopy,
        charter::{self, Adoption, Charter},
        entry::{self, Entry},
        json::Form,
        life, manifest,
        manifest::Manifest,
        powers::{self, Powers},
        register, statement,
        text::TEXT_LIMIT,
        trust::{self, Trust},
        words,
    };
    let package = super::zip::Limits::PACKAGE;
    let limits: &[(&str, u64)] = &[
        ("a charter", Charter::LIMIT as u64),
        ("an adoption, its payload", Adoption::LIMIT as u64),
        ("a trust statement, its payload", Trust::LIMIT as u64),
        ("full powers, their payload", Powers::LIMIT as u64),
        ("a manifest", Manifest::LIMIT as u64),
        ("an act, its payload", Act::LIMIT as u64),
        ("a certified copy, its payload", CertifiedCopy::LIMIT as u64),
        ("an entry", Entry::LIMIT as u64),
        ("a statement in compact form", statement::STATEMENT_LIMIT as u64),
        ("a certificate in DER", charter::CERTIFICATE_LIMIT as u64),
        ("a line of text", words::LINE_LIMIT as u64),
        ("prose", words::PROSE_LIMIT as u64),
        ("a text", TEXT_LIMIT as u64),
        ("an annex", manifest::ANNEX_LIMIT),
        ("all texts and annexes of a manifest", manifest::PARTS_LIMIT),
        ("all records of a package (and its README, tag files and certified copy)", super::write::RECORDS_LIMIT as u64),
        ("languages of a document", words::LANGUAGES_LIMIT as u64),
        ("parties of a charter", charter::PARTIES_LIMIT as u64),
        ("quorum of a party", charter::QUORUM_LIMIT),
        ("annexes", manifest::ANNEXES_LIMIT as u64),
        ("revisions of a communiqué", manifest::REVISIONS_LIMIT),
        ("acts on one revision", life::ACTS_LIMIT as u64),
        ("grants of a party", register::GRANTS_LIMIT as u64),
        ("communiqués that full powers list", powers::SCOPE_LIMIT as u64),
        ("CA certificates in a trust statement", trust::AUTHORITIES_LIMIT as u64),
        ("revoked certificates in a trust statement", trust::REVOKED_LIMIT as u64),
        ("documents, and statements, that an entry names", entry::NAMED_LIMIT as u64),
        ("files that `published` lists", entry::FILES_LIMIT as u64),
        ("files of an archive", package.entries as u64),
        ("length of a name in an archive", package.name as u64),
        ("inflated bytes per deflated byte, above 65,536 inflated bytes", package.ratio),
        ("clock tolerance in seconds", life::CLOCK_TOLERANCE as u64),
    ];
    let grouped = |n: u64| {
        let digits = n.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        groups.join(",")
    };
    let rows: Vec<_> = limits.iter().map(|(name, value)| format!("| {name} | {} |", grouped(*value))).collect();
    let table = format!("| limit | value |\n| --- | --- |\n{}\n\n", rows.join("\n"));
    assert!(FORMAT.contains(&table), "the table is\n{table}");
}
