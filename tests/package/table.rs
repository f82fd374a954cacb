//! A row for every check: a package that breaks it, and in which all else is signed, linked and listed consistently.

mod evidence;

use std::{cell::Cell, collections::BTreeSet, sync::LazyLock};

use super::{
    outcome,
    vectors::{plus_order, unused_bits_set},
};
use crate::played::{self, Plan, Turn, authority, official};
use communique::{
    domain::{
        act::{Act, ActKind, Declaration},
        entry::{Entry, FileDigest, Kind, StreamId},
        id::{CommuniqueId, Digest},
        json,
        key::Signer,
        manifest::Initialling,
        powers::Powers,
        statement::{Body, STATEMENT_LIMIT, Unverified},
    },
    package::{
        bag::{self, PartDigests},
        check::Check,
        verdict::Verdict,
        zip::DosTime,
    },
};

/// A row: the check that must fail, what is done to [`Plan::small`], and how.
type Row = (Check, &'static str, Change);
type Change = fn(&mut Plan);

const SIGN: ActKind = ActKind::Sign;
const INITIAL: ActKind = ActKind::Initial;

fn rename(files: &mut played::Files, from: &str, to: &str) {
    let bytes = files.remove(from).unwrap();
    files.insert(to.into(), bytes);
}
fn first_statement(files: &played::Files) -> String {
    files.keys().find(|p| p.starts_with("data/statements/")).unwrap().clone()
}
fn append(files: &mut played::Files, path: &str, bytes: &[u8]) {
    files.get_mut(path).unwrap().extend_from_slice(bytes);
}

/// Where the central directory begins.
fn central(zip: &[u8]) -> usize {
    let end = zip.len() - 22;
    u32::from_le_bytes(zip[end + 16..end + 20].try_into().unwrap()) as usize
}
/// Changes a field of the first file in both of its headers, where it lies at these places.
fn both_headers(zip: &mut [u8], local: usize, in_directory: usize, change: fn(&mut [u8])) {
    let directory = central(zip);
    change(&mut zip[local..]);
    change(&mut zip[directory + in_directory..]);
}
/// Changes the signature of every statement of this type; digests follow, so that nothing else is out of place.
fn signatures<B: Body>(change: fn(&str) -> String) -> Box<dyn Fn(&mut String)> {
    Box::new(move |compact| {
        if Unverified::<B>::parse(compact).is_ok() {
            let at = compact.rfind('.').unwrap() + 1;
            compact.replace_range(at.., &change(&compact[at..]));
        }
    })
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
    (Check::Zip, "a file of another time than all others", |p| {
        p.zip = Box::new(|z| both_headers(z, 10, 12, |time| time[0] ^= 1));
    }),
    (Check::Zip, "encrypted, as its flags say", |p| p.zip = Box::new(|z| both_headers(z, 6, 8, |flags| flags[0] |= 1))),
    (Check::Zip, "a symbolic link, as its attributes say", |p| {
        p.zip = Box::new(|z| {
            let at = central(z) + 38;
            z[at..at + 4].copy_from_slice(&0xA1FF_0000_u32.to_le_bytes());
        });
    }),
    (Check::Zip, "a comment on the archive", |p| {
        p.zip = Box::new(|z| {
            let end = z.len();
            z[end - 2] = 6;
            z.extend_from_slice(b"sample");
        });
    }),
    (Check::Zip, "deflated, as its headers say", |p| {
        p.zip = Box::new(|z| both_headers(z, 8, 10, |method| method[0] = 8))
    }),
    (Check::Zip, "another size before compression", |p| {
        p.zip = Box::new(|z| both_headers(z, 22, 24, |size| size[0] ^= 1))
    }),
    (Check::Zip, "a later version of the form", |p| {
        p.zip = Box::new(|z| both_headers(z, 4, 6, |needed| needed[0] = 20));
    }),
    (Check::BagLayout, "another order", |p| p.archive = Box::new(|a| a.swap(0, 1))),
    (Check::BagLayout, "data out of order", |p| p.archive = Box::new(|a| a.swap(8, 9))),
    (Check::BagLayout, "no folder", |p| {
        p.archive = Box::new(|a| a.iter_mut().for_each(|(n, _)| *n = n.split_once('/').unwrap().1.to_owned()));
    }),
    (Check::BagLayout, "a file beside the folder", |p| p.archive = Box::new(|a| a.push(("note.txt".into(), vec![1])))),
    (Check::BagLayout, "two folders", |p| {
        p.archive = Box::new(|a| {
            let other = CommuniqueId::new(1, &[1; 10]);
            a[1].0 = format!("{}/bag-info.txt", bag::folder(other));
        });
    }),
    (Check::BagLayout, "the folder of another communiqué", |p| {
        p.archive = Box::new(|a| {
            let other = bag::folder(CommuniqueId::new(1, &[1; 10]));
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
    (Check::FileExtra, "an index above 2^64", |p| {
        p.before = Box::new(|f| rename(f, &bag::entry_path(0), "data/entries/18446744073709551616.json"));
    }),
    (Check::FileExtra, "a statement that no entry names", |p| {
        p.before = Box::new(|f| {
            let stray = played::stray_statement();
            f.insert(bag::statement_path(Digest::of(&stray)), stray);
        });
    }),
    (Check::FileExtra, "full powers that no act names", |p| {
        p.insert_before(Turn::Propose(0, 0), Turn::Grant(1, 5));
    }),
    (Check::FileExtra, "full powers after completion that no act names", |p| {
        p.insert_after(Turn::Completed, Turn::Grant(1, 5));
    }),
    (Check::FileExtra, "the end of full powers that are not here", |p| {
        p.insert_before(Turn::Propose(0, 0), Turn::Revoke(1, 5));
    }),
    (Check::FileExtra, "the end of full powers of a party that has none here", |p| {
        p.insert_before(Turn::Grant(0, 0), Turn::Revoke(1, 0));
    }),
    (Check::FileExtra, "an earlier declaration that no signature names", |p| {
        *p = Plan::declarations();
        p.act = Box::new(|a| a.declaration = a.declaration.take().filter(|_| !a.act.is_signature()));
    }),
    (Check::FileExtra, "a charter that did not come into force", |p| {
        p.successors = vec![Box::new(|_| ())];
        p.insert_before(Turn::Propose(0, 0), Turn::Succession);
        p.insert_before(Turn::Propose(0, 0), Turn::Adopt(0));
    }),
    (Check::FileExtra, "an original of nothing", |p| {
        let zip = Plan::small().play().zip;
        p.before = Box::new(move |f| drop(f.insert(bag::original_path(played::id(5)), zip.clone())));
    }),
    (Check::FileExtra, "a second original", |p| {
        let original = Plan::small().play();
        *p = Plan::correcting(original.clone());
        p.before = Box::new(move |f| drop(f.insert(bag::original_path(played::id(5)), original.zip.clone())));
    }),
    (Check::FileMissing, "no original", |p| {
        *p = Plan::correcting(Plan::small().play());
        p.before = Box::new(|f| drop(f.remove(&bag::original_path(played::id(0)))));
    }),
    (Check::Rectifies, "an altered original", |p| {
        let mut original = Plan::small().play();
        let middle = original.lying.len() / 2;
        original.lying[middle] ^= 1;
        *p = Plan::correcting(original);
    }),
    (Check::Rectifies, "an original that breaks a rule", |p| {
        let mut broken = Plan::small();
        broken.without(Turn::Adopt(1));
        *p = Plan::correcting(broken.play());
    }),
    (Check::Rectifies, "an original of the original that is altered", |p| {
        let mut first = Plan::small().play();
        let middle = first.lying.len() / 2;
        first.lying[middle] ^= 1;
        *p = Plan::correcting(Plan::correcting(first).play());
    }),
    (Check::Rectifies, "another original than the one that is named", |p| {
        let mut original = Plan::small().play();
        let mut other = Plan::small();
        other.text = Box::new(|t| t.push_str("\nAutrement.\n"));
        original.lying = other.play().lying;
        *p = Plan::correcting(original);
    }),
    (Check::Rectifies, "another communiqué under the original's name", |p| {
        let mut original = Plan::small().play();
        original.lying = Plan::correcting(original.clone()).play().lying;
        *p = Plan::correcting(original);
    }),
    (Check::Rectifies, "an original of another founding", |p| {
        let mut other = Plan::plain();
        other.charter = Box::new(|c| {
            c.parties.truncate(2);
            c.parties.iter_mut().for_each(|p| p.quorum = 2);
            c.witnesses = 1;
        });
        *p = Plan::correcting(other.play().under_the_log_of(Plan::plain().play()));
    }),
    (Check::Rectifies, "an original of another log", |p| {
        let mut other = Plan::small();
        other.script.insert(0, Turn::Wait(1));
        *p = Plan::correcting(other.play().under_the_log_of(Plan::small().play()));
    }),
    (Check::Rectifies, "an original that was published later", |p| {
        *p = Plan::correcting(Plan::small().play().before_publication());
        p.script.retain(|t| !matches!(t, Turn::Others(_)));
        p.insert_after(Turn::Propose(0, 0), Turn::Others(9));
    }),
    (Check::Rectifies, "an original of a log whose streams go otherwise", |p| {
        let (mut other, mut log) = (Plan::small(), Plan::small());
        other.insert_before(Turn::Grant(0, 0), Turn::Others(100));
        log.script.push(Turn::Others(200));
        *p = Plan::correcting(other.play().under_the_log_of(log.play()));
    }),
    (Check::Rectifies, "full powers whose end the original shows", |p| {
        *p = Plan::correcting(ended_after_completion().play());
        p.before = Box::new(|f| remove_logged(f, |e| e.kind == Kind::Revocation));
    }),
    (Check::Rectifies, "full powers whose end the original of the original shows", |p| {
        let mut second = Plan::correcting(ended_after_completion().play());
        // The same holder under other full powers; the ended ones are in the first alone.
        second.script.insert(0, Turn::Grant(0, 2));
        for kind in [INITIAL, SIGN] {
            let at = second.position(Turn::Act(kind, 0, 0));
            second.script[at] = Turn::Act(kind, 0, 2);
        }
        let at = second.position(Turn::Propose(0, 0));
        second.script[at] = Turn::Propose(0, 2);
        let ended = |e: &Entry| e.kind == Kind::Revocation || (e.kind, e.seq) == (Kind::Powers, 1);
        let of_0 = |e: &Entry| e.stream == StreamId::Party(played::party(0));
        second.before = Box::new(move |f| remove_logged(f, |e| ended(e) && of_0(e)));
        *p = Plan::correcting(second.play());
        let newer = |e: &Entry| e.kind == Kind::Powers && e.seq == 3;
        p.before = Box::new(move |f| remove_logged(f, |e| of_0(e) && (e.kind == Kind::Revocation || newer(e))));
    }),
    (Check::Rectifies, "without an adoption that the original shows", |p| {
        let mut original = Plan::small();
        original.successors = vec![Box::new(|c| played::join(c, 2))];
        original.under = 2;
        for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Adopt(2)] {
            original.insert_before(Turn::Propose(0, 0), turn);
        }
        let original = original.play();
        assert_eq!(outcome(&original), "proven: Null");
        *p = Plan::correcting(original);
        p.under = 2;
        p.script.insert(0, Turn::Wait(2 * 86_400));
        p.before = Box::new(|f| remove_logged(f, |e| e.kind == Kind::Adoption && e.seq == 6));
    }),
    (Check::Rectifies, "an original that hides a charter that was in force", |p| {
        let mut original = Plan::small();
        original.successors = vec![Box::new(|c| c.witnesses = 1)];
        for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)] {
            original.insert_before(Turn::Propose(0, 0), turn);
        }
        original.before = Box::new(|f| {
            remove_logged(f, |e| e.stream == StreamId::Exchange && e.seq > 2);
            f.remove(&bag::charter_path(2));
        });
        let original = original.play();
        assert_eq!(outcome(&original), "proven: Null");
        *p = Plan::correcting(original);
        p.under = 2;
    }),
    (Check::Act, "a correction by some of the parties alone", |p| {
        *p = Plan::correcting(Plan::new(3, 2, Initialling::Required).play());
    }),
    (Check::Charter, "a charter not in canonical form", |p| {
        p.before = Box::new(|f| append(f, &bag::charter_path(1), b" "));
    }),
    (Check::Charter, "a charter under another version", |p| {
        p.before = Box::new(|f| rename(f, &bag::charter_path(1), &bag::charter_path(3)));
    }),
    (Check::CharterChain, "a version is left out", |p| {
        p.successors = vec![Box::new(|c| c.version = 3)];
        p.insert_before(Turn::Propose(0, 0), Turn::Succession);
    }),
    (Check::CharterChain, "a version that names another before it", |p| {
        p.successors = vec![Box::new(|c| c.previous = Some(Digest::of(b"another")))];
        p.insert_before(Turn::Propose(0, 0), Turn::Succession);
    }),
    (Check::CharterChain, "a version that was late when it was put forward", |p| {
        p.successors = vec![Box::new(|c| c.adopt_by = Some(played::start()))];
        p.insert_before(Turn::Propose(0, 0), Turn::Succession);
    }),
    (Check::CharterChain, "a version that is put forward as the 4,097th entry", |p| {
        *p = Plan::late_succession(1);
    }),
    (Check::CharterChain, "a party that left comes back under its id", |p| {
        *p = Plan::succession();
        p.successors[1] = Box::new(|c| c.parties[2].id = played::party(2));
    }),
    (Check::CharterChain, "an authority becomes the depositary", |p| {
        p.successors = vec![Box::new(|c| {
            c.depositary = c.parties[0].authority;
            c.parties[0].authority = Signer::public(&played::key(95));
        })];
        p.insert_before(Turn::Propose(0, 0), Turn::Succession);
    }),
    (Check::CharterChain, "a holder of full powers becomes an authority", |p| {
        p.successors = vec![Box::new(|c| c.parties[0].authority = Signer::public(&played::key(official(0, 0))))];
        p.insert_before(Turn::Propose(0, 0), Turn::Succession);
    }),
    (Check::FileExtra, "who leaves does not consent", |p| {
        *p = Plan::new(3, 1, Initialling::Required);
        p.successors = vec![Box::new(|c| c.parties.truncate(2))];
        for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)] {
            p.insert_before(Turn::Propose(0, 0), turn);
        }
    }),
    (Check::Adoption, "an adoption by a key that is neither old nor new", |p| {
        *p = Plan::succession();
        p.adoption = Box::new(|_| ());
        p.signer = Box::new(|kind, party, _| (kind == "adoption" && party == 3).then_some(77));
    }),
    (Check::Adoption, "an adoption that comes too late", |p| {
        *p = Plan::succession();
        let at = p.script.iter().rposition(|t| *t == Turn::Adopt(3)).unwrap();
        p.script.insert(at, Turn::Wait(7200));
    }),
    (Check::Adoption, "an adoption a second after adopt_by", |p| {
        p.successors = vec![Box::new(|_| ())];
        p.under = 2;
        for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)] {
            p.insert_before(Turn::Propose(0, 0), turn);
        }
        let last = p.play().verify().findings().unwrap().charters[1].since;
        p.successors = vec![Box::new(move |c| c.adopt_by = Some(last.plus(-1)))];
    }),
    (Check::Adoption, "an adoption once more", |p| p.insert_after(Turn::Completed, Turn::Adopt(0))),
    (Check::Grant, "full powers by an authority key that was replaced", |p| {
        rekeyed(p, Turn::Grant(1, 0));
        p.insert_before(Turn::Grant(1, 0), Turn::Rekey(1, authority(1)));
    }),
    (Check::Grant, "full powers by an authority key that was replaced since", |p| rekeyed(p, Turn::Propose(0, 0))),
    (Check::Grant, "signed under full powers that had ended", |p| {
        p.insert_before(Turn::Act(SIGN, 1, 0), Turn::Revoke(1, 0));
    }),
    (Check::Grant, "full powers ended by another party's key", |p| {
        *p = Plan::substitution();
        p.signer = Box::new(|kind, _, _| (kind == "revocation").then_some(77));
    }),
    (Check::Grant, "full powers ended in another party's stream", |p| {
        *p = Plan::substitution();
        p.revocation = Box::new(|r| r.party = played::party(usize::from(r.party == played::party(0))));
    }),
    (Check::Grant, "full powers ended twice", |p| {
        *p = Plan::substitution();
        p.insert_after(Turn::Completed, Turn::Revoke(1, 1));
    }),
    (Check::Grant, "an end of full powers of a rehearsal", |p| {
        *p = Plan::substitution();
        p.revocation = Box::new(|r| r.founding = Digest::of(b"rehearsal"));
    }),
    (Check::Act, "another act than a declaration before the signed revision", |p| {
        p.insert_before(Turn::Propose(0, 0), Turn::Act(ActKind::Initial, 0, 0));
    }),
    (Check::Act, "an earlier declaration on another communiqué", |p| {
        *p = Plan::declarations();
        p.act = earlier(|a| a.communique = CommuniqueId::new(1, &[1; 10]));
    }),
    (Check::Act, "an earlier declaration of a rehearsal", |p| {
        *p = Plan::declarations();
        p.act = earlier(|a| a.founding = Digest::of(b"rehearsal"));
    }),
    (Check::Act, "an earlier declaration under another charter", |p| {
        *p = Plan::declarations();
        p.act = earlier(|a| a.charter = Digest::of(b"another"));
    }),
    (Check::Act, "an earlier declaration on another manifest of the revision before", |p| {
        *p = Plan::declarations();
        p.act = earlier(|a| a.manifest = Digest::of(b"another"));
    }),
    (Check::Act, "an earlier declaration from the future", |p| {
        *p = Plan::declarations();
        p.act = earlier(|a| a.time = a.time.plus(301));
    }),
    (Check::Act, "an earlier declaration by another key", |p| {
        *p = Plan::declarations();
        p.signer = Box::new(|kind, party, holder| (kind == "act" && (party, holder) == (0, 0)).then_some(77));
    }),
    (Check::Grant, "an earlier declaration that the full powers do not cover", |p| {
        *p = Plan::declarations();
        p.powers = Box::new(|g| g.acts.retain(|a| *a != ActKind::Declare));
    }),
    (Check::EntryChain, "an earlier declaration too early in the stream", |p| {
        *p = Plan::declarations();
        p.also_manifest(|m| m.revision = 8);
    }),
    (Check::EntryChain, "a revision that does not follow the declaration before it", |p| {
        *p = Plan::declarations();
        p.without(Turn::Gap(2));
        p.entry = Box::new(|e| {
            if e.kind == Kind::Revision {
                e.previous = Some(Digest::of(b"another"));
            }
        });
    }),
    (Check::Act, "a signature given with another party's declaration", |p| {
        *p = Plan::declarations();
        let made: std::cell::RefCell<Option<Declaration>> = None.into();
        p.act = Box::new(move |a| {
            let mut made = made.borrow_mut();
            if a.act == SIGN && a.party == played::party(0) {
                made.clone_from(&a.declaration);
            } else if a.act == SIGN {
                a.declaration.clone_from(&made);
            }
        });
    }),
    (Check::Act, "a confirmation of what was signed definitively", |p| {
        *p = Plan::plain();
        p.insert_before(Turn::Act(SIGN, 1, 1), Turn::Act(ActKind::Confirm, 1, 0));
    }),
    (Check::Act, "a confirmation of what was confirmed", |p| {
        *p = Plan::ad_referendum();
        let at = p.position(Turn::Act(ActKind::Confirm, 0, 1));
        p.without(Turn::Act(SIGN, 0, 1));
        p.script.insert(at, Turn::Act(ActKind::Confirm, 0, 1));
    }),
    (Check::Act, "a release from no embargo", |p| p.insert_after(Turn::Opened, Turn::Act(ActKind::Release, 0, 0))),
    (Check::Act, "taken back by every party, and signed all the same", |p| {
        p.insert_after(Turn::Opened, Turn::Act(ActKind::Withdraw, 1, 0));
        p.insert_after(Turn::Opened, Turn::Act(ActKind::Withdraw, 0, 0));
    }),
    (Check::Act, "declined, taken back by its proposer for the second time, and signed all the same", |p| {
        for (act, party) in [(ActKind::Withdraw, 0), (ActKind::Decline, 1), (ActKind::Withdraw, 0)] {
            p.insert_after(Turn::Opened, Turn::Act(act, party, 0));
        }
        let before = Cell::new(0);
        p.act = Box::new(move |act| {
            before.set(if act.act == ActKind::Propose {
                0
            } else {
                before.get() + u8::from(act.act == ActKind::Withdraw)
            });
            act.opening = act.opening.take().filter(|_| (act.act, before.get()) != (ActKind::Withdraw, 2));
        });
    }),
    (Check::Opening, "opened though a party objects", |p| {
        p.insert_after(Turn::Propose(0, 0), Turn::Act(ActKind::Object, 1, 0));
    }),
    (Check::Entry, "it lapsed", |p| p.insert_after(Turn::Opened, Turn::Mark(Kind::Lapsed))),
    (Check::Entry, "it returned to drafting", |p| p.insert_after(Turn::Opened, Turn::Mark(Kind::Returned))),
    (Check::Entry, "it was rectified before it was published", |p| {
        p.insert_after(Turn::Completed, Turn::Mark(Kind::Rectified));
    }),
    (Check::Entry, "taken back by all, and its texts were erased, as all had asked", |p| *p = Plan::purged()),
    (Check::Completion, "taken back by all, and its texts were not erased, as all had asked", |p| {
        *p = Plan::purged();
        p.without(Turn::Mark(Kind::Purged));
    }),
    (Check::Entry, "its texts were erased", |p| p.insert_after(Turn::Completed, Turn::Mark(Kind::Purged))),
    (Check::Seats, "completed with a signature under full powers that had ended", |p| {
        *p = Plan::plain();
        p.insert_after(Turn::Act(SIGN, 1, 0), Turn::Revoke(1, 0));
    }),
    (Check::Seats, "completed with a signature that was not confirmed", |p| {
        *p = Plan::plain();
        let at = p.position(Turn::Act(SIGN, 1, 1));
        p.script[at] = Turn::Act(ActKind::SignAdReferendum, 1, 1);
    }),
    (Check::Seats, "more sign than the quorum asks", |p| {
        *p = Plan::plain();
        p.insert_before(Turn::Propose(0, 0), Turn::Grant(0, 2));
        p.insert_after(Turn::Act(SIGN, 0, 1), Turn::Act(SIGN, 0, 2));
    }),
    (Check::Completion, "completion lists a signature that does not count", |p| {
        *p = Plan::substitution();
        let given = std::cell::RefCell::new(vec![]);
        p.entry = Box::new(move |e| match e.kind {
            Kind::Opened => given.borrow_mut().clear(),
            Kind::Act => given.borrow_mut().extend(e.statements.first().copied()),
            Kind::Completed => e.statements.clone_from(&given.borrow()),
            _ => {}
        });
    }),
    (Check::Embargo, "not every party released it", |p| {
        *p = Plan::released();
        p.without(Turn::Act(ActKind::Release, 1, 1));
    }),
    (Check::CharterChain, "a manifest of another founding", |p| {
        p.also_manifest(|m| m.founding = Digest::of(b"a rehearsal"));
    }),
    (Check::Pin, "another fingerprint", |p| p.pin = Some(Digest::of(b"another charter"))),
    (Check::Statement, "a statement under another's digest", |p| {
        p.before = Box::new(|f| append(f, &first_statement(f), b"\n"));
    }),
    (Check::Statement, "a statement above its limit", |p| {
        p.before = Box::new(|f| {
            let long = vec![b'A'; STATEMENT_LIMIT + 1];
            f.insert(bag::statement_path(Digest::of(&long)), long);
        });
    }),
    (Check::Entry, "an entry not in canonical form", |p| {
        p.before = Box::new(|f| append(f, &bag::entry_path(0), b"\n"))
    }),
    (Check::Entry, "an entry of another communiqué", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Act {
                e.stream = StreamId::Communique(CommuniqueId::new(1, &[1; 10]));
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
    (Check::Entry, "a remark among the acts", |p| {
        p.entry = Box::new(|e| {
            if e.kind == Kind::Act {
                e.kind = Kind::Remark;
            }
        });
    }),
    (Check::Entry, "an act in a stream of remarks", |p| {
        p.entry = Box::new(|e| {
            if let (Kind::Act, StreamId::Communique(id)) = (e.kind, &e.stream) {
                e.stream = StreamId::Remarks(*id);
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
    (Check::Entry, "an act that is logged twice", |p| {
        p.insert_after(Turn::Propose(0, 0), Turn::Act(ActKind::Declare, 1, 0));
        p.insert_after(Turn::Propose(0, 0), Turn::Act(ActKind::Declare, 1, 0));
    }),
    (Check::Entry, "published lists its files in another order", |p| {
        p.published = Box::new(|e| e.files.as_mut().unwrap().reverse());
    }),
    (Check::Entry, "full powers that are logged twice", |p| p.insert_after(Turn::Grant(0, 0), Turn::Grant(0, 0))),
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
    (Check::EntryChain, "a charter put forward without a word", |p| {
        rekeyed(p, Turn::Propose(0, 0));
        p.insert_after(Turn::Succession, Turn::Others(1));
    }),
    (Check::EntryChain, "a charter put forward by a party that it admits", |p| {
        *p = Plan::succession();
        let at = p.position(Turn::Succession);
        p.without(Turn::Adopt(3));
        p.script.insert(at + 1, Turn::Adopt(3));
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
        *p = Plan::plain();
        p.entry = Box::new(|e| {
            if e.kind == Kind::Powers && e.seq == 2 {
                e.previous = Some(Digest::of(b"another"));
            }
        });
    }),
    (Check::EntryChain, "a party's stream goes back", |p| {
        *p = Plan::plain();
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
    (Check::Adoption, "a party founds twice", |p| p.insert_after(Turn::Adopt(0), Turn::Adopt(0))),
    (Check::Adoption, "an adoption of another exchange", |p| {
        p.adoption = Box::new(|a| a.exchange = "rehearsal.example".parse().unwrap());
    }),
    (Check::Adoption, "an adoption of another charter", |p| {
        p.adoption = Box::new(|a| a.charter = Digest::of(b"another"));
    }),
    (Check::Grant, "full powers by another authority", |p| {
        p.signer = Box::new(|kind, party, _| (kind == "powers" && party == 1).then_some(authority(0)));
    }),
    (Check::Grant, "full powers in base64url with unused bits set", |p| {
        p.compact = signatures::<Powers>(unused_bits_set)
    }),
    (Check::Grant, "full powers of a rehearsal", |p| p.powers = Box::new(|g| g.founding = Digest::of(b"rehearsal"))),
    (Check::Grant, "full powers in another party's stream", |p| {
        p.powers = Box::new(|g| g.party = played::party(usize::from(g.party == played::party(0))));
        p.signer = Box::new(|kind, party, _| (kind == "powers").then_some(authority(1 - party)));
    }),
    (Check::Grant, "full powers logged after the act", |p| {
        *p = Plan::plain();
        p.without(Turn::Grant(1, 1));
        p.insert_after(Turn::Act(SIGN, 1, 1), Turn::Grant(1, 1));
        p.script.swap_remove(p.position(Turn::Completed));
    }),
    (Check::Grant, "full powers that do not allow the act", |p| {
        p.powers = Box::new(|g| g.acts.retain(|a| *a != SIGN));
    }),
    (Check::Grant, "full powers for another communiqué", |p| {
        p.powers = Box::new(|g| g.scope = Some(vec![CommuniqueId::new(1, &[1; 10])]));
    }),
    (Check::Grant, "full powers that have ended", |p| p.powers = Box::new(|g| g.not_after = g.not_before)),
    (Check::Grant, "one key of two parties' holders", |p| {
        *p = Plan::plain();
        p.powers = Box::new(|g| {
            if g.holder.id.as_str() == "holder-1" {
                g.key = Signer::public(&played::key(99));
            }
        });
        p.signer = Box::new(|kind, _, holder| (kind == "act" && holder == 1).then_some(99));
    }),
    (Check::Grant, "full powers for the depositary's key", |p| {
        p.powers = Box::new(|g| g.key = Signer::public(&played::key(played::DEPOSITARY)));
        p.signer = Box::new(|kind, _, _| (kind == "act").then_some(played::DEPOSITARY));
    }),
    (Check::Act, "a signature by another holder's key", |p| {
        p.signer = Box::new(|kind, party, holder| (kind == "act" && party == 1).then(|| official(0, holder)));
    }),
    (Check::Act, "an altered signature", |p| {
        p.compact = signatures::<Act>(|signature| {
            let letter = if signature[1..].starts_with('A') { "B" } else { "A" };
            format!("{}{letter}{}", &signature[..1], &signature[2..])
        });
    }),
    (Check::Act, "a signature whose S is above the group's order", |p| {
        p.compact = signatures::<Act>(|signature| {
            let bytes = json::unbase64(signature).unwrap().try_into().unwrap();
            json::base64(&plus_order(bytes))
        });
    }),
    (Check::Act, "acts without a revision's entry", |p| p.without(Turn::Propose(0, 0))),
    (Check::Act, "a manifest of another exchange", |p| {
        p.also_manifest(|m| m.exchange = "rehearsal.example".parse().unwrap());
    }),
    (Check::Act, "five declarations of one party", |p| {
        for _ in 0..5 {
            p.insert_after(Turn::Propose(0, 0), Turn::Wait(1));
            p.insert_after(Turn::Propose(0, 0), Turn::Act(ActKind::Declare, 1, 0));
        }
    }),
    (Check::Act, "initials where they are waived", |p| {
        *p = Plan::new(2, 1, Initialling::Waived);
        p.insert_after(Turn::Propose(0, 0), Turn::Act(INITIAL, 1, 0));
    }),
    (Check::Act, "opened by another than its proposer", |p| {
        *p = Plan::new(2, 1, Initialling::Waived);
        let at = p.position(Turn::Act(ActKind::Open, 0, 0));
        p.script[at] = Turn::Act(ActKind::Open, 1, 0);
    }),
    (Check::Act, "an act of a rehearsal", |p| p.act = Box::new(|a| a.founding = Digest::of(b"rehearsal"))),
    (Check::Act, "an act of another exchange", |p| p.act = Box::new(|a| a.exchange = "other.example".parse().unwrap())),
    (Check::Act, "an act under another charter", |p| p.act = Box::new(|a| a.charter = Digest::of(b"another"))),
    (Check::Act, "an act on another manifest", |p| p.act = Box::new(|a| a.manifest = Digest::of(b"another"))),
    (Check::Act, "an act on another revision", |p| p.act = Box::new(|a| a.revision = 3)),
    (Check::Act, "an act on another communiqué", |p| {
        p.act = Box::new(|a| a.communique = CommuniqueId::new(1, &[1; 10]));
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
        p.insert_before(Turn::Act(SIGN, 1, 0), Turn::Act(ActKind::Decline, 0, 0));
    }),
    (Check::Act, "opened by its proposer though initials are required", |p| {
        p.script.retain(|t| !matches!(t, Turn::Act(INITIAL, ..)));
        p.insert_before(Turn::Opened, Turn::Act(ActKind::Open, 0, 0));
    }),
    (Check::Deadline, "signed after the deadline", |p| {
        p.also_manifest(|m| m.procedure.deadline = Some(played::start().plus(3600)));
        p.insert_before(Turn::Act(SIGN, 1, 0), Turn::Wait(3600));
    }),
    (Check::Deadline, "signed a second after the deadline", |p| {
        let signed = Plan::small().play().verify().findings().unwrap().completed;
        p.also_manifest(move |m| m.procedure.deadline = Some(signed.plus(-1)));
    }),
    (Check::Deadline, "put forward after its deadline", |p| {
        p.also_manifest(|m| m.procedure.deadline = Some(played::start()));
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
    (Check::Seats, "completed with a seat empty", |p| p.without(Turn::Act(SIGN, 1, 0))),
    (Check::Seats, "one holder with two keys and two full powers", |p| {
        *p = Plan::plain();
        p.powers = Box::new(|g| g.holder.id = "holder-0".parse().unwrap());
    }),
    (Check::Seats, "one holder signs twice", |p| {
        *p = Plan::plain();
        let at = p.position(Turn::Act(SIGN, 0, 1));
        p.script.insert(at, Turn::Act(SIGN, 0, 0));
    }),
    (Check::Seats, "a party initials twice", |p| {
        *p = Plan::plain();
        p.insert_after(Turn::Act(INITIAL, 0, 0), Turn::Act(INITIAL, 0, 1));
    }),
    (Check::Seats, "a party releases it twice", |p| {
        *p = Plan::released();
        p.insert_after(Turn::Completed, Turn::Act(ActKind::Release, 0, 1));
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
        p.without(Turn::Act(SIGN, 1, 0));
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
        p.also_manifest(|m| m.procedure.embargo = Some(played::start().plus(86_400)));
    }),
    (Check::Embargo, "published a second before the embargo's end", |p| {
        let published = Plan::small().play().verify().findings().unwrap().published;
        p.also_manifest(move |m| m.procedure.embargo = Some(published.plus(1)));
    }),
    (Check::PublishedList, "a file less", |p| {
        p.published = Box::new(|e| drop(e.files.as_mut().unwrap().pop()));
    }),
    (Check::PublishedList, "a file more", |p| {
        p.published = Box::new(|e| {
            let sha256 = Digest::of(bag::README.as_bytes());
            e.files.as_mut().unwrap().insert(0, FileDigest { path: bag::README_PATH.into(), sha256 });
        });
    }),
    (Check::PublishedList, "a file's digest", |p| {
        p.published = Box::new(|e| e.files.as_mut().unwrap()[2].sha256 = Digest::of(b"another"));
    }),
    (Check::CertifiedCopy, "by another key", |p| {
        p.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(authority(0)));
    }),
    (Check::CertifiedCopy, "by the depositary of the charter before", |p| {
        p.successors = vec![Box::new(|c| c.depositary = Signer::public(&played::key(91)))];
        p.script.extend([Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)]);
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
    (Check::TextRules, "a text that is struck through", |p| p.text = Box::new(|t| t.insert(3, '\u{336}'))),
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
    (Check::ZipForm, "another time", |p| p.time = Some(DosTime::new(2026, 1, 1, 0, 0, 0))),
];

/// The full powers of one who signed end after completion.
fn ended_after_completion() -> Plan {
    let mut plan = Plan::small();
    plan.insert_after(Turn::Completed, Turn::Revoke(0, 0));
    plan
}

/// Takes entries out, with the statements that they record.
pub fn remove_logged(files: &mut played::Files, which: impl Fn(&Entry) -> bool) {
    let entries = files.iter().filter(|(path, _)| path.starts_with("data/entries/"));
    let entries: Vec<(String, Entry)> = entries.map(|(p, bytes)| (p.clone(), json::parse(bytes).unwrap())).collect();
    let mut gone = entries.iter().filter(|(_, e)| which(e)).peekable();
    assert!(gone.peek().is_some());
    for (path, entry) in gone {
        files.remove(path);
        entry.statements.iter().for_each(|digest| drop(files.remove(&bag::statement_path(*digest))));
    }
}

/// Before this turn, party 1 gets another authority key.
fn rekeyed(p: &mut Plan, before: Turn) {
    p.successors = vec![Box::new(|c| c.parties[1].authority = Signer::public(&played::key(90)))];
    p.under = 2;
    for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Rekey(1, 90), Turn::Adopt(1)] {
        p.insert_before(before, turn);
    }
}

/// Changes the declaration on the earlier revision alone.
fn earlier(change: fn(&mut Act)) -> Box<dyn Fn(&mut Act)> {
    Box::new(move |a| {
        if a.act == ActKind::Declare && a.revision == 1 {
            change(a);
        }
    })
}

/// Makes the tag manifests again for tag files that were changed.
fn retag(files: &mut played::Files) {
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

/// What no verifier of this version can judge.
const FOREIGN: &[(&str, Change)] = &[
    ("another suite", |p| {
        p.after = Box::new(|f| replace(f, &bag::charter_path(1), r#"["Ed25519"]"#, r#"["Ed25519","ML-DSA-65"]"#));
    }),
    ("a charter of another format", |p| {
        p.after = Box::new(|f| replace(f, &bag::charter_path(1), "communique.v1.charter", "communique.v2.charter"));
    }),
    ("a manifest of another format", |p| {
        p.after = Box::new(|f| replace(f, bag::MANIFEST_PATH, "communique.v1.manifest", "communique.v2.manifest"));
    }),
    ("other text rules", |p| p.after = Box::new(|f| replace(f, bag::MANIFEST_PATH, "text.v1", "text.v2"))),
];

fn replace(files: &mut played::Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files.remove(path).unwrap()).unwrap();
    assert!(text.contains(from), "{path}");
    files.insert(path.into(), text.replace(from, to).into_bytes());
}

/// A row's package, and what the verifier says of it.
pub struct Judged {
    /// The check that it must fail; none where it cannot be judged.
    pub check: Option<Check>,
    pub what: &'static str,
    pub pin: Digest,
    pub zip: Vec<u8>,
    pub verdict: Verdict,
}

/// Every row, played and verified once for all tests.
pub fn judged() -> &'static [Judged] {
    static JUDGED: LazyLock<Vec<Judged>> = LazyLock::new(|| {
        let rows = TABLE.iter().chain(evidence::TABLE).map(|(check, what, change)| (Some(*check), *what, *change));
        let foreign = FOREIGN.iter().map(|(what, change)| (None, *what, *change));
        side_by_side(&rows.chain(foreign).collect::<Vec<_>>(), |(check, what, change)| {
            let mut plan = Plan::small();
            change(&mut plan);
            let played = plan.play();
            let verdict = played.verify();
            Judged { check: *check, what, pin: played.pin_given(), zip: played.zip, verdict }
        })
    });
    &JUDGED
}

/// Makes something of each, on all cores.
pub fn side_by_side<R: Sync, T: Send>(rows: &[R], make: impl Fn(&R) -> T + Sync) -> Vec<T> {
    let (threads, make) = (std::thread::available_parallelism().map_or(1, usize::from), &make);
    let mut made: Vec<(usize, T)> = std::thread::scope(|scope| {
        let share = |first: usize| {
            scope.spawn(move || {
                let mine = rows.iter().enumerate().skip(first).step_by(threads);
                mine.map(|(n, row)| (n, make(row))).collect::<Vec<_>>()
            })
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    made.sort_by_key(|(n, _)| *n);
    made.into_iter().map(|(_, made)| made).collect()
}

#[test]
fn what_is_foreign_is_not_judged() {
    let mut foreign = 0;
    for Judged { what, verdict, .. } in judged().iter().filter(|row| row.check.is_none()) {
        assert_eq!((verdict.name(), verdict.exit_code()), ("cannot_judge", 2), "{what}: {verdict:?}");
        assert!(verdict.findings().is_none());
        foreign += 1;
    }
    assert_eq!(foreign, 4);
}

#[test]
fn each_check_refuses_what_breaks_it_alone() {
    let mut wrong = vec![];
    for Judged { check, what, verdict, .. } in judged() {
        let Some(check) = check else { continue };
        let json = verdict.to_json();
        if json["check"] != check.id() || verdict.exit_code() != 1 || verdict.findings().is_some() {
            wrong.push(format!("{check}, {what}: {verdict:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    let rows: BTreeSet<_> = TABLE.iter().chain(evidence::TABLE).map(|(check, ..)| *check).collect();
    let all: BTreeSet<_> = Check::ALL.iter().copied().collect();
    assert_eq!(rows, all, "every check has a row");
}
