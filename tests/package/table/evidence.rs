//! What can be wrong with a package's proofs, its head and the cosignatures of it, while the rest is consistent.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use communique::{
    domain::{id::Digest, key::Signer, manifest::Initialling},
    log::tree::Hash,
    package::{
        bag::{self, PartDigests},
        check::Check,
        evidence::{PROOF_LIMIT, STAMP_LIMIT},
    },
};

use super::Row;
use crate::{
    played::{self, LOG, Plan, Turn, authority, cosignature_line, key, signature_line, witness},
    vectors::plus_order,
};

pub const TABLE: &[Row] = &[
    (Check::FileMissing, "no proof of an entry", |p| {
        p.evidence = Box::new(|f| drop(f.remove("evidence/5.tlog-proof")));
    }),
    (Check::FileMissing, "no proof of an entry of the original", |p| {
        let original = Plan::small().play();
        let published = format!("evidence/{}.tlog-proof", original.published.0);
        *p = Plan::correcting(original);
        p.evidence = Box::new(move |f| drop(f.remove(&published).unwrap()));
    }),
    (Check::FileExtra, "a proof of an entry that is not here", |p| {
        // Of one that is in the log, and proven as all others are.
        p.also_proven = vec![3];
    }),
    (Check::FileExtra, "a proof whose number has a leading zero", |p| {
        p.evidence = Box::new(|f| drop(f.insert("evidence/00.tlog-proof".into(), f["evidence/0.tlog-proof"].clone())));
    }),
    // Two that tell where the largest number of a path ends: the copy is judged after the layout, and before the proofs.
    (Check::FileExtra, "a proof whose number is 2^64, and a certified copy by another key", |p| {
        p.evidence = Box::new(|f| drop(f.insert(numbered("18446744073709551616"), f["evidence/0.tlog-proof"].clone())));
        p.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(91));
    }),
    (Check::CertifiedCopy, "by another key, and a proof whose number is 2^64-1", |p| {
        p.evidence = Box::new(|f| drop(f.insert(numbered("18446744073709551615"), f["evidence/0.tlog-proof"].clone())));
        p.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(91));
    }),
    (Check::FileExtra, "a proof whose number is 2^64-1", |p| {
        p.evidence = Box::new(|f| drop(f.insert(numbered("18446744073709551615"), f["evidence/0.tlog-proof"].clone())));
    }),
    (Check::FileExtra, "an empty time stamp", |p| p.stamp = Some(vec![])),
    (Check::FileExtra, "a time stamp over its limit", |p| p.stamp = Some(vec![0x30; STAMP_LIMIT + 1])),
    (Check::Rectifies, "an original with proofs of its own", |p| {
        let mut original = Plan::small().play();
        original.lying.clone_from(&original.zip);
        *p = Plan::correcting(original);
    }),
    // Its tag manifests list neither, so that only where they lie is wrong.
    (Check::Rectifies, "an original with a proof that it does not list", |p| {
        let mut original = Plan::small();
        original.bag = Box::new(|f| {
            f.entry(bag::proof_path(0)).or_insert(b"sample".to_vec());
        });
        *p = Plan::correcting(original.play());
    }),
    (Check::Rectifies, "an original with a time stamp that it does not list", |p| {
        let mut original = Plan::small();
        original.bag = Box::new(|f| drop(f.insert(bag::STAMP_PATH.into(), vec![0x30])));
        *p = Plan::correcting(original.play());
    }),
    (Check::Rectifies, "an original with a time stamp that its tag manifests list", |p| {
        let mut original = Plan::small();
        original.bag = Box::new(|f| {
            let stamp = vec![0x30];
            for (path, digest) in bag::TAG_MANIFESTS.into_iter().zip(digests_of(&stamp)) {
                // By path it is the last of all.
                f.get_mut(path).unwrap().extend(format!("{digest}  {}\n", bag::STAMP_PATH).into_bytes());
            }
            f.insert(bag::STAMP_PATH.into(), stamp);
        });
        *p = Plan::correcting(original.play());
    }),
    (Check::LogProof, "a proof that names another index", |p| {
        p.evidence = proof(5, |t| *t = t.replace("index 5", "index 6"))
    }),
    (Check::LogProof, "the proof of another entry", |p| {
        p.evidence = Box::new(|f| drop(f.insert("evidence/5.tlog-proof".into(), f["evidence/6.tlog-proof"].clone())));
    }),
    (Check::LogProof, "the hashes of another entry's proof", |p| {
        p.evidence = Box::new(|f| {
            let other = String::from_utf8(f["evidence/6.tlog-proof"].clone()).unwrap();
            f.insert("evidence/5.tlog-proof".into(), other.replace("index 6", "index 5").into_bytes());
        });
    }),
    (Check::LogProof, "an index with a leading zero", |p| {
        p.evidence = proof(5, |t| *t = t.replace("index 5", "index 05"))
    }),
    (Check::LogProof, "a proof of another format", |p| p.evidence = proof(5, |t| *t = t.replace("@v1", "@v2"))),
    (Check::LogProof, "extra data", |p| p.evidence = proof(5, |t| *t = t.replace("@v1\n", "@v1\nextra YWdl\n"))),
    (Check::LogProof, "no empty line before the checkpoint", |p| {
        p.evidence = proof(5, |t| *t = t.replacen("\n\n", "\n", 1))
    }),
    (Check::LogProof, "a first proof that ends with its last hash, without LF", |p| {
        p.evidence = proof(0, |t| t.truncate(t.find("\n\n").unwrap()));
    }),
    (Check::LogProof, "a first proof that begins with an empty line", |p| p.evidence = proof(0, |t| t.insert(0, '\n'))),
    (Check::LogProof, "a proof that begins with two empty lines", |p| {
        p.evidence = proof(5, |t| t.insert_str(0, "\n\n"))
    }),
    (Check::LogProof, "a second empty line in one proof", |p| {
        p.evidence = proof(5, |t| *t = t.replacen("\n\n", "\n\n\n", 1))
    }),
    (Check::LogProof, "a hash of 31 bytes", |p| {
        p.evidence = proof(5, |t| change_line(t, 2, |hash| resize(hash, 31)));
    }),
    (Check::LogProof, "a hash of 33 bytes", |p| {
        p.evidence = proof(5, |t| change_line(t, 2, |hash| resize(hash, 33)));
    }),
    (Check::LogProof, "64 hashes in the first proof, and a head with an altered signature", |p| {
        hashes_and_bad_head(p, 64)
    }),
    // By number the one without bytes comes first; by name, or as they lie in the archive, the other does, whose content is not what
    // its headers say.
    (Check::LogProof, "no bytes in the proof of entry 5, and another byte in that of entry 10", |p| {
        p.evidence = Box::new(|f| f.get_mut("evidence/5.tlog-proof").unwrap().clear());
        p.zip = Box::new(|z| {
            damage(z, b"/evidence/10.tlog-proof");
        });
    }),
    (Check::LogProof, "a proof without bytes, and an altered text", |p| {
        p.evidence = Box::new(|f| f.get_mut("evidence/5.tlog-proof").unwrap().clear());
        p.after = Box::new(|f| f.get_mut("data/texts/fr.txt").unwrap()[0] ^= 32);
    }),
    // Without the one comparison it would lead to the root: above the leaves, both trees are the same to all who are proven.
    (Check::LogProof, "a head whose size is the last entry's index", |p| {
        p.head = Box::new(|t| {
            change_line(t, 1, |size| {
                let last = size.parse::<u64>().unwrap() - 1;
                assert!(last % 2 == 1, "only an odd one is taken for a right child");
                *size = last.to_string();
            });
        });
    }),
    // All hashes lead to the root of the perfect tree; what is left of the size is seen at the end alone.
    (Check::LogProof, "a head of a larger tree than its root is of", |p| {
        p.size = Some(32);
        p.head = Box::new(|t| change_line(t, 1, |size| *size = "33".into()));
    }),
    (Check::LogProof, "an altered hash", |p| {
        p.evidence = proof(5, |t| {
            change_line(t, 2, |hash| hash.replace_range(..1, if hash.starts_with('A') { "B" } else { "A" }))
        });
    }),
    (Check::LogProof, "a hash with unused bits set", |p| p.evidence = proof(5, |t| change_line(t, 2, loosen))),
    (Check::LogProof, "a hash less", |p| p.evidence = proof(5, |t| *t = lines_but(t, &[3]))),
    (Check::LogProof, "a hash more", |p| {
        p.evidence = proof(5, |t| change_line(t, 2, |hash| *hash = format!("{hash}\n{hash}")));
    }),
    (Check::LogProof, "two hashes that change places", |p| {
        p.evidence = proof(5, |t| {
            let swapped: Vec<_> = t.lines().collect();
            *t = [&swapped[..2], &[swapped[3], swapped[2]], &swapped[4..], &[""]].concat().join("\n");
        });
    }),
    (Check::LogProof, "another checkpoint of the same log in one proof", |p| {
        let mut later = Plan::small();
        later.later = 3;
        let other = later.play().files["evidence/5.tlog-proof"].clone();
        p.evidence = Box::new(move |f| drop(f.insert("evidence/5.tlog-proof".into(), other.clone())));
    }),
    (Check::LogProof, "one proof without a cosignature that all others have", |p| {
        *p = Plan::cosigned();
        p.evidence = proof(5, |t| *t = lines_but(t, &[t.lines().count() - 1]));
    }),
    (Check::LogProof, "a head of another root", |p| {
        p.head = Box::new(|t| change_line(t, 2, |root| *root = STANDARD.encode(Digest::of(b"another").as_bytes())));
    }),
    (Check::LogProof, "a head of a smaller tree than its entries need", |p| p.size = Some(12)),
    (Check::LogProof, "a head of no tree", |p| {
        p.head = Box::new(|t| {
            change_line(t, 1, |size| *size = "0".into());
            change_line(t, 2, |root| *root = STANDARD.encode(Digest::of(b"").as_bytes()));
        });
    }),
    // What is over the limit is not read, so nobody finds that its content is another than its headers say. No good one is as long.
    (Check::LogProof, "a first proof of a byte over the limit, with another byte", |p| {
        long_and_damaged(p, PROOF_LIMIT + 1)
    }),
    (Check::Zip, "a first proof of as many bytes as may be, with another byte", |p| long_and_damaged(p, PROOF_LIMIT)),
    (Check::LogProof, "the proof of an entry of the original has an altered hash", |p| {
        *p = Plan::correcting(Plan::small().play());
        // It is the first entry of the original's communiqué, so the correction has none at this index.
        p.evidence = proof(10, |t| change_line(t, 3, |hash| *hash = STANDARD.encode([7; 32])));
    }),
    (Check::LogHead, "a head that another key signed", |p| p.log_key = Some(91)),
    (Check::LogHead, "a head by the log key of the charter before", |p| {
        p.successors = vec![Box::new(|c| c.log.key = Signer::public(&key(91)))];
        p.under = 2;
        for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)] {
            p.insert_before(Turn::Propose(0, 0), turn);
        }
    }),
    (Check::LogHead, "a head of another origin", |p| {
        p.head = Box::new(|t| change_line(t, 0, |origin| *origin = "other.sample.example/log".into()));
    }),
    (Check::LogHead, "an extension line", |p| p.head = Box::new(|t| t.push_str("sample\n"))),
    (Check::LogHead, "a size with a leading zero", |p| {
        p.head = Box::new(|t| change_line(t, 1, |size| size.insert(0, '0')))
    }),
    (Check::LogHead, "a size of 2^53", |p| p.size = Some(1 << 53)),
    (Check::LogHead, "a size of 2^63-1", |p| p.size = Some((1 << 63) - 1)),
    (Check::LogHead, "a size of 2^63", |p| {
        p.head = Box::new(|t| change_line(t, 1, |size| *size = "9223372036854775808".into()));
    }),
    (Check::LogHead, "a size with 2^64 added", |p| {
        p.head = Box::new(|t| {
            change_line(t, 1, |size| *size = (size.parse::<u128>().unwrap() + (1 << 64)).to_string());
        });
    }),
    (Check::LogHead, "63 hashes in the first proof, and a head with an altered signature", |p| {
        hashes_and_bad_head(p, 63)
    }),
    (Check::LogHead, "a root of 31 bytes", |p| p.head = Box::new(|t| change_line(t, 2, |root| resize(root, 31)))),
    (Check::LogHead, "a root of 33 bytes", |p| p.head = Box::new(|t| change_line(t, 2, |root| resize(root, 33)))),
    (Check::LogHead, "two empty lines before the checkpoint", |p| p.note = Box::new(|n| n.insert(0, '\n'))),
    (Check::LogHead, "no empty line before the signatures", |p| {
        p.note = Box::new(|n| *n = n.replacen("\n\n", "\n", 1))
    }),
    (Check::LogHead, "an en dash before the signature", |p| {
        p.note = Box::new(|n| *n = n.replace('\u{2014}', "\u{2013}"))
    }),
    (Check::LogHead, "a root with unused bits set", |p| p.head = Box::new(|t| change_line(t, 2, loosen))),
    (Check::LogHead, "no root", |p| p.head = Box::new(|t| *t = lines_but(t, &[2]))),
    (Check::LogHead, "an altered signature of the log", |p| p.note = line_of_note(0, |raw| raw[40] ^= 1)),
    (Check::LogHead, "a signature of the log with S plus the order of the group", |p| {
        p.note = line_of_note(0, |raw| plus(raw, 4))
    }),
    (Check::LogHead, "a signature of the log with unused bits set", |p| {
        p.note = Box::new(|n| change_line(n, 4, loosen))
    }),
    (Check::LogHead, "another key id", |p| p.note = line_of_note(0, |raw| raw[0] ^= 1)),
    (Check::LogHead, "the log's signature in another name", |p| {
        p.note = Box::new(|n| {
            let text = text_of(n);
            *n = format!("{text}\n{}", signature_line("sample", 1, LOG, &[], text.as_bytes()));
        });
    }),
    (Check::LogHead, "no signature", |p| p.note = Box::new(|n| *n = format!("{}\n", text_of(n)))),
    (Check::LogHead, "a signature line that does not end", |p| p.note = Box::new(|n| n.truncate(n.len() - 1))),
    (Check::LogHead, "two empty lines before the signatures", |p| {
        p.note = Box::new(|n| *n = n.replace("\n\n", "\n\n\n"))
    }),
    (Check::LogHead, "a hyphen before the signature", |p| p.note = Box::new(|n| *n = n.replace('—', "-"))),
    (Check::LogHead, "a cosignature before the log's signature", |p| {
        *p = Plan::cosigned();
        p.note = Box::new(|n| {
            let lines: Vec<_> = n.lines().collect();
            *n = [&lines[..4], &[lines[5], lines[4]], &lines[6..], &[""]].concat().join("\n");
        });
    }),
    (Check::Witness, "a cosignature by a stranger", |p| {
        let line =
            |text: &str| signature_line("stranger.sample.example/witness", 4, 99, &TIME.to_be_bytes(), &message(text));
        p.note = Box::new(move |n| n.push_str(&line(&text_of(n))));
    }),
    (Check::Witness, "an en dash before a cosignature", |p| {
        *p = Plan::cosigned();
        p.note = Box::new(|n| change_line(n, 5, |line| *line = line.replace('\u{2014}', "\u{2013}")));
    }),
    (Check::Witness, "a cosignature in the name of a party without a witness", |p| {
        *p = Plan::small().witnessed(1, 1, &[0, 1]);
    }),
    (Check::Witness, "a cosignature by the witness of a party that left", |p| {
        *p = Plan::new(3, 1, Initialling::Required).witnessed(3, 1, &[2]);
        p.successors = vec![Box::new(|c| drop(c.parties.pop()))];
        p.under = 2;
        p.also_manifest(|m| m.parties.retain(|id| *id != played::party(2)));
        p.script.retain(|t| !matches!(t, Turn::Grant(2, _) | Turn::Act(_, 2, _)));
        for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Adopt(2)] {
            p.insert_before(Turn::Propose(0, 0), turn);
        }
    }),
    (Check::Witness, "a cosignature by the witness of a party that is absent", |p| {
        *p = Plan::succession();
        let joins = std::mem::replace(&mut p.successors[1], Box::new(|_| ()));
        p.successors[1] = Box::new(move |c| {
            joins(c);
            let listed = c.parties.iter_mut().find(|listed| listed.id == played::party(4)).unwrap();
            listed.witness = Some(Signer::public(&key(witness(4))));
        });
        p.cosigners = vec![4];
    }),
    (Check::Witness, "two cosignatures by one witness", |p| p.cosign(&[0, 0])),
    (Check::Witness, "cosignatures out of order", |p| p.cosign(&[1, 0])),
    (Check::Witness, "an altered time", |p| p.cosigned_with(1, |raw| raw[11] ^= 1)),
    (Check::Witness, "an altered cosignature", |p| p.cosigned_with(2, |raw| raw[50] ^= 1)),
    (Check::Witness, "a cosignature with S plus the order of the group", |p| p.cosigned_with(1, |raw| plus(raw, 12))),
    (Check::Witness, "a byte less in a cosignature", |p| p.cosigned_with(1, |raw| raw.truncate(75))),
    (Check::Witness, "another key id in a cosignature", |p| p.cosigned_with(1, |raw| raw[0] ^= 1)),
    (Check::Witness, "a cosignature with unused bits set", |p| {
        *p = Plan::cosigned();
        p.note = Box::new(|n| change_line(n, 5, loosen));
    }),
    (Check::Witness, "a cosignature without a time", |p| {
        *p = Plan::cosigned();
        p.note = last_line(|text| cosignature_line(text, 1, 0));
    }),
    (Check::Witness, "a cosignature of the year 9999", |p| {
        *p = Plan::cosigned();
        p.note = last_line(|text| cosignature_line(text, 1, 253_370_764_800));
    }),
    (Check::Witness, "a cosignature of another head", |p| {
        *p = Plan::cosigned();
        p.note = last_line(|text| cosignature_line(&text.replacen('\n', "\n1", 1), 1, TIME));
    }),
    (Check::Witness, "a cosignature by the party's authority key", |p| {
        *p = Plan::cosigned();
        p.note = last_line(|text| signature_line(NAME, 4, authority(1), &TIME.to_be_bytes(), &message(text)));
    }),
    (Check::Witness, "a witness that signs as a log does", |p| {
        *p = Plan::cosigned();
        p.note = last_line(|text| signature_line(NAME, 1, witness(1), &[], text.as_bytes()));
    }),
    (Check::Witness, "a cosignature in another name", |p| {
        *p = Plan::cosigned();
        p.note = last_line(|text| signature_line("sample-1", 4, witness(1), &TIME.to_be_bytes(), &message(text)));
    }),
    (Check::Witness, "a cosignature of a party whose trust domain is too long", |p| {
        *p = Plan::cosigned();
        p.also_charter(|c| c.parties[1].trust_domain = format!("{0}.{0}.{0}.{0}", "x".repeat(62)).parse().unwrap());
        p.note = last_line(|text| {
            let name = format!("{0}.{0}.{0}.{0}/witness", "x".repeat(62));
            signature_line(&name, 4, witness(1), &TIME.to_be_bytes(), &message(text))
        });
    }),
    (Check::Witness, "a second signature of the log", |p| {
        p.note = Box::new(|n| {
            let line = n.lines().nth(4).unwrap().to_owned();
            n.push_str(&format!("{line}\n"));
        });
    }),
    (Check::Witness, "an empty line at the end", |p| p.note = Box::new(|n| n.push('\n'))),
    (Check::Witness, "a cosignature line that does not end", |p| {
        *p = Plan::cosigned();
        p.note = Box::new(|n| n.truncate(n.len() - 1));
    }),
];

/// When witnesses cosign that cosign otherwise than they should; how one of them is called.
const TIME: u64 = 1_795_430_000;
const NAME: &str = "mfa-1.sample.example/witness";

impl Plan {
    /// Witnesses of both parties, of which these cosign.
    fn cosign(&mut self, cosigners: &[usize]) {
        *self = Self::small().witnessed(2, 1, cosigners);
    }
    /// Both cosign; the bytes of one line are changed.
    fn cosigned_with(&mut self, line: usize, change: fn(&mut Vec<u8>)) {
        *self = Self::cosigned();
        self.note = line_of_note(line, change);
    }
}

/// The path of a proof of this number.
fn numbered(digits: &str) -> String {
    format!("evidence/{digits}.tlog-proof")
}
/// What the two tag manifests say of these bytes.
fn digests_of(bytes: &[u8]) -> [String; 2] {
    let tags = bag::tag_files(
        &Plan::small().play().manifest,
        played::start(),
        &BTreeMap::new(),
        &BTreeMap::from([(bag::STAMP_PATH.to_owned(), PartDigests::of(bytes))]),
    );
    bag::TAG_MANIFESTS.map(|path| {
        let (_, text) = tags.iter().find(|(tag, _)| *tag == path).unwrap();
        let text = std::str::from_utf8(text).unwrap();
        let line = text.lines().find(|line| line.ends_with(bag::STAMP_PATH)).unwrap();
        line.split(' ').next().unwrap().to_owned()
    })
}
/// Changes the first byte of a file in the archive, and no checksum. The path has a slash before it, so that no line of a tag manifest
/// is meant; the package as it lies in another has no such file.
fn damage(zip: &mut [u8], path: &[u8]) {
    let at = zip.windows(path.len()).position(|w| w == path);
    at.into_iter().for_each(|at| zip[at + path.len()] ^= 1);
}
/// The first proof has so many bytes, of which one is changed in the archive alone.
fn long_and_damaged(p: &mut Plan, bytes: usize) {
    p.evidence = Box::new(move |files| files.get_mut("evidence/0.tlog-proof").unwrap().resize(bytes, b'\n'));
    p.zip = Box::new(|z| damage(z, b"/evidence/0.tlog-proof"));
}
/// The first proof has so many hashes, and the head an altered signature.
fn hashes_and_bad_head(p: &mut Plan, hashes: usize) {
    p.note = line_of_note(0, |raw| raw[40] ^= 1);
    p.evidence = Box::new(move |files| {
        let path = bag::proof_path(0);
        let text = String::from_utf8(files[&path].clone()).unwrap();
        let (upper, note) = text.split_once("\n\n").unwrap();
        let kept: Vec<_> = upper.lines().take(2).collect();
        let more = format!("\n{}", Hash::of_leaf(b"sample")).repeat(hashes);
        files.insert(path, format!("{}{more}\n\n{note}", kept.join("\n")).into_bytes());
    });
}
/// The same bytes in base64, cut or with zeros behind.
fn resize(base64: &mut String, bytes: usize) {
    let mut raw = STANDARD.decode(&*base64).unwrap();
    raw.resize(bytes, 0);
    *base64 = STANDARD.encode(raw);
}
/// Changes the proof of this entry alone.
fn proof(index: u64, change: fn(&mut String)) -> Box<dyn Fn(&mut played::Files)> {
    Box::new(move |files| {
        let path = bag::proof_path(index);
        let mut text = String::from_utf8(files.remove(&path).unwrap()).unwrap();
        let before = text.clone();
        change(&mut text);
        assert_ne!(before, text);
        files.insert(path, text.into_bytes());
    })
}
/// Changes a line, counted from 0.
fn change_line(text: &mut String, at: usize, change: impl Fn(&mut String)) {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines[at]);
    *text = lines.join("\n") + "\n";
}
/// All lines but these.
fn lines_but(text: &str, without: &[usize]) -> String {
    let kept = text.lines().enumerate().filter(|(n, _)| !without.contains(n));
    kept.map(|(_, line)| format!("{line}\n")).collect()
}
/// Sets a bit of base64 that nothing is read from.
fn loosen(base64: &mut String) {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = base64.trim_end_matches('=').len() - 1;
    let letter = LETTERS.find(&base64[at..=at]).unwrap();
    base64.replace_range(at..=at, &LETTERS[letter + 1..letter + 2]);
}
/// Changes the bytes of a signature line of the note: the log's is 0.
fn line_of_note(line: usize, change: fn(&mut Vec<u8>)) -> Box<dyn Fn(&mut String)> {
    Box::new(move |note| {
        change_line(note, 4 + line, |line| {
            let at = line.rfind(' ').unwrap() + 1;
            let mut raw = STANDARD.decode(&line[at..]).unwrap();
            change(&mut raw);
            line.replace_range(at.., &STANDARD.encode(raw));
        });
    })
}
/// The same signature, which begins at this byte, with S plus the order of the group.
fn plus(raw: &mut Vec<u8>, from: usize) {
    let signature = plus_order(raw[from..].try_into().unwrap());
    raw.splice(from.., signature);
}
/// Makes the note's last line anew from its text.
fn last_line(make: fn(&str) -> String) -> Box<dyn Fn(&mut String)> {
    Box::new(move |note| *note = lines_but(note, &[note.lines().count() - 1]) + &make(&text_of(note)))
}
/// The text of a note.
fn text_of(note: &str) -> String {
    note.split_once("\n\n").unwrap().0.to_owned() + "\n"
}
/// What a witness signs.
fn message(text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {TIME}\n{text}").into_bytes()
}
