use std::convert::Infallible;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Fault,
    checkpoint::{Checkpoint, Head, Log, Origin, Unverified},
    cosignature::{Cosigner, TIMESTAMP_LIMIT, cosign},
    note::{KeyName, SignatureLine, Verifier},
    proof::{Path, Proof},
    tree::{Edge, Hash, Node, Plan},
    witness::{AddCheckpoint, No},
};
use crate::{
    domain::{
        id::Digest,
        key::{SecretKey, Signer as _},
        time::Time,
    },
    msg,
};

/// The examples of C2SP tlog-checkpoint and tlog-cosignature. They come without keys.
const SPEC_TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const SPEC_LINES: &str = "— example.com/behind-the-sofa \
    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 \
    jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
/// The old size and proof of the example of C2SP tlog-witness, which ends in the same checkpoint.
const SPEC_REQUEST: &str = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
    /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n";

const ORIGIN: &str = "exchange.sample.example/log";
const TIME: u64 = 1_679_315_147;

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn name(name: &str) -> KeyName {
    KeyName::parse(name).unwrap()
}

fn log() -> Log {
    Log::new(Origin::parse(ORIGIN).unwrap(), vec![Verifier::new(name(ORIGIN), key().public())])
}

/// A log of entries with made-up digests: every node, and roots and heads of every size.
struct Grown(std::collections::BTreeMap<Node, Hash>);

impl Grown {
    fn to(size: u64) -> Self {
        let (mut edge, mut nodes) = (Edge::default(), std::collections::BTreeMap::new());
        for index in 0..size {
            edge.append(leaf(index), |node, hash| assert!(nodes.insert(node, hash).is_none())).unwrap();
        }
        Self(nodes)
    }
    fn build(&self, plan: Result<Plan, Fault>) -> Vec<Hash> {
        let Ok(hashes) = plan.unwrap().build(|node| Ok::<_, Infallible>(self.0[&node]));
        hashes
    }
    fn root(&self, size: u64) -> Hash {
        self.build(Plan::root(size)).first().copied().unwrap_or(Hash::EMPTY)
    }
    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::new(Origin::parse(ORIGIN).unwrap(), size, self.root(size)).unwrap()
    }
    fn head(&self, size: u64) -> Head {
        Head::sign(self.checkpoint(size), &key()).unwrap()
    }
    fn proof(&self, index: u64, size: u64) -> Proof {
        Proof::new(index, self.build(Plan::inclusion(index, size)), self.head(size)).unwrap()
    }
    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        let proof = self.build(Plan::consistency(old, new));
        AddCheckpoint { old, proof, checkpoint: self.head(new).into_unverified() }
    }
}

fn leaf(index: u64) -> Hash {
    Hash::of_entry(Digest::of(&index.to_be_bytes()))
}

#[test]
fn the_examples_of_the_specifications_are_read_and_written() {
    let text = format!("{SPEC_TEXT}\n{SPEC_LINES}");
    let parsed = Unverified::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (parsed.claims().origin().as_str(), parsed.claims().size()),
        ("example.com/behind-the-sofa", 20_852_163)
    );
    assert_eq!((parsed.note().to_string(), parsed.claims().to_string()), (text.clone(), SPEC_TEXT.to_owned()));
    let request = format!("{SPEC_REQUEST}{text}");
    let parsed = AddCheckpoint::parse(request.as_bytes()).unwrap();
    assert_eq!((parsed.old, parsed.proof.len(), parsed.to_string()), (20_852_014, 4, request));
    // The cosignature of the example says the time that the message of the example says.
    let line = SignatureLine::parse_all(SPEC_LINES.as_bytes()).unwrap().remove(1);
    assert_eq!(line.signature()[..8], TIME.to_be_bytes());
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for bad in [
        String::new(),
        "\n".into(),
        "o\n".into(),
        "o\n1\n".into(),
        format!("o\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n 1\n{root}\n"),
        format!("o\n1 \n{root}\n"),
        format!("o\n9223372036854775808\n{root}\n"),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\n\nx\n"),
        format!("o\n1\n{root} \n"),
        format!("o\n1\n{}\n", root.trim_end_matches('=')),
        format!("o\n1\n{}\n", root.replace("q2I=", "q2J=")),
        format!("o\n1\n{}\n", &root[4..]),
        format!("o\n1\nAAAA{root}\n"),
        format!("o\n1\n{}\n", root.replace('/', "_")),
        format!("o\r\n1\r\n{root}\r\n"),
        format!("o\u{1}\n1\n{root}\n"),
        format!("{}\n1\n{root}\n", "o".repeat(256)),
        format!("o\n1\n{root}\n{}", "x\n".repeat(17)),
        format!("o\n1\n{root}\n{}\n", "x".repeat((8 << 10) - 49)),
    ] {
        assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
    }
    for good in [
        format!("an origin + spaces\n0\n{root}\n"),
        format!("{}\n9223372036854775807\n{root}\n", "o".repeat(255)),
        format!("o\n1\n{root}\n{}", "x\n".repeat(16)),
        format!("o\n1\n{root}\n{}\n", "x".repeat((8 << 10) - 50)),
    ] {
        assert_eq!(good.parse::<Checkpoint>().map(|parsed| parsed.to_string()), Ok(good));
    }
    let origin = Origin::parse("o").unwrap();
    assert!(Checkpoint::new(origin.clone(), 0, leaf(0)).is_err());
    assert!(Checkpoint::new(origin.clone(), u64::MAX, leaf(0)).is_err());
    assert!(Checkpoint::new(origin, 0, Hash::EMPTY).is_ok());
}

#[test]
fn a_head_counts_if_its_log_signed_it() {
    let grown = Grown::to(9);
    let head = grown.head(9);
    let text = head.to_string();
    let verify = |text: &str, log: &Log| Unverified::parse(text.as_bytes()).and_then(|head| head.verify(log));
    assert_eq!(verify(&text, &log()), Ok(head.clone()));

    let other_key = Verifier::new(name(ORIGIN), SecretKey::from_seed(&[2; 32]).public());
    let unknown = Log::new(log().origin().clone(), vec![other_key.clone()]);
    assert_eq!(verify(&text, &unknown), Err(Fault::Unsigned { origin: ORIGIN.into() }));
    assert_eq!(
        verify(&text, &Log::new(log().origin().clone(), vec![])),
        Err(Fault::Unsigned { origin: ORIGIN.into() })
    );
    let both = Log::new(log().origin().clone(), vec![other_key, log().keys()[0].clone()]);
    assert_eq!(verify(&text, &both), Ok(head.clone()));
    let elsewhere = Log::new(Origin::parse("another").unwrap(), log().keys().to_vec());
    assert!(matches!(verify(&text, &elsewhere), Err(Fault::OtherLog { .. })));
    let forged = text.replace("\n9\n", "\n8\n");
    assert_eq!(verify(&forged, &log()), Err(Fault::SignatureInvalid { name: ORIGIN.into() }));
    // One line that verifies does not mend another of the same key that does not.
    let spoilt = head.with(grown.head(8).note().lines().to_vec()).unwrap();
    assert_eq!(verify(&spoilt.to_string(), &log()), Err(Fault::SignatureInvalid { name: ORIGIN.into() }));
    // An extension line is covered by the signature, and so kept.
    let extended: Checkpoint = format!("{}more\n", grown.checkpoint(9)).parse().unwrap();
    let extended = Head::sign(extended, &key()).unwrap();
    assert_eq!(
        verify(&extended.to_string(), &log()).map(|head| head.checkpoint().extensions().to_vec()),
        Ok(vec!["more".into()])
    );
    assert!(verify(&extended.to_string().replace("more", "less"), &log()).is_err());
}

#[test]
fn no_head_is_signed_that_does_not_continue_the_last() {
    let grown = Grown::to(9);
    let last = grown.head(5);
    let proof = grown.build(Plan::consistency(5, 9));
    assert_eq!(last.sign_next(grown.checkpoint(9), &proof, &key()), Ok(grown.head(9)));
    assert_eq!(last.sign_next(grown.checkpoint(5), &[], &key()), Ok(last.clone()));
    let with = |size, root| Checkpoint::new(log().origin().clone(), size, root).unwrap();
    let refused = |next, proof: &[Hash]| last.sign_next(next, proof, &key()).unwrap_err();
    assert_eq!(refused(with(5, leaf(0)), &[]), Fault::Forked { size: 5 });
    assert_eq!(refused(grown.checkpoint(4), &[]), Fault::Shrunk { old: 5, new: 4 });
    assert_eq!(refused(with(9, leaf(0)), &proof), Fault::Inconsistent { old: 5, new: 9 });
    assert_eq!(refused(grown.checkpoint(9), &proof[1..]), Fault::Inconsistent { old: 5, new: 9 });
    let elsewhere = Checkpoint::new(Origin::parse("another").unwrap(), 9, grown.root(9)).unwrap();
    assert!(matches!(refused(elsewhere, &proof), Fault::OtherLog { .. }));
}

#[test]
fn a_cosignature_says_when_and_over_what() {
    let grown = Grown::to(9);
    let (head, witness) = (grown.head(9), SecretKey::from_seed(&[3; 32]));
    let witness_name = name("mfa-0.sample.example/witness");
    let cosigner = Cosigner::new(witness_name.clone(), witness.public());
    assert_eq!(cosigner.to_string().parse::<Cosigner>().as_ref(), Ok(&cosigner));
    assert!(cosigner.to_string().parse::<Verifier>().is_err(), "a key has one type");

    let line = cosign(&head, &witness_name, TIME, &witness).unwrap();
    // The message word by word, as "Ed25519 signed message" shows it.
    let message = format!("cosignature/v1\ntime 1679315147\n{}", grown.checkpoint(9));
    assert_eq!(line.signature()[..8], TIME.to_be_bytes());
    assert!(witness.public().verifies(message.as_bytes(), &line.signature()[8..]));

    assert_eq!(cosigner.time_in(head.note()), Ok(None));
    let later = cosign(&head, &witness_name, TIME + 1, &witness).unwrap();
    let cosigned = head.clone().with([later, line.clone()]).unwrap();
    assert_eq!(cosigner.time_in(cosigned.note()), Ok(Some(TIME + 1)));
    let again = Unverified::parse(cosigned.to_string().as_bytes()).unwrap().verify(&log());
    assert_eq!(again, Ok(cosigned));

    let invalid = Err(Fault::SignatureInvalid { name: witness_name.to_string() });
    let mut lines = vec![cosign(&grown.head(8), &witness_name, TIME, &witness).unwrap()];
    for bit in 0..line.signature().len() * 8 {
        let mut signature = line.signature().to_vec();
        signature[bit / 8] ^= 1 << (bit % 8);
        lines.push(SignatureLine::new(line.hint().clone(), signature));
    }
    for length in [0, 7, 8, 71] {
        lines.push(SignatureLine::new(line.hint().clone(), line.signature()[..length].to_vec()));
    }
    for bad in lines {
        assert_eq!(cosigner.time_in(head.clone().with([bad]).unwrap().note()), invalid);
    }
    // A log's own signature is no cosignature, whatever key id is written before it.
    let own = SignatureLine::new(line.hint().clone(), head.note().lines()[0].signature().to_vec());
    assert_eq!(cosigner.verify(head.note().text(), &own).map(Some), invalid);
    // A line in another name is another cosigner's, though the message does not say so.
    let renamed = Cosigner::new(name("mfa-1.sample.example/witness"), witness.public());
    assert!(renamed.verify(head.note().text(), &line).is_err());
    for time in [0, TIMESTAMP_LIMIT + 1, u64::MAX] {
        assert!(cosign(&head, &witness_name, time, &witness).is_err());
    }
    let late = cosign(&head, &witness_name, TIMESTAMP_LIMIT, &witness).unwrap();
    assert_eq!(cosigner.verify(head.note().text(), &late), Ok(TIMESTAMP_LIMIT));
}

#[test]
fn a_cosignature_of_no_moment_is_none() {
    let (head, witness) = (Grown::to(9).head(9), SecretKey::from_seed(&[3; 32]));
    let cosigner = Cosigner::new(name("mfa-0.sample.example/witness"), witness.public());
    let hint = cosign(&head, &name("mfa-0.sample.example/witness"), TIME, &witness).unwrap().hint().clone();
    let text = head.note().text();
    let last = Time::parse("9998-12-31T23:59:59Z").unwrap().unix() as u64;
    for (time, holds) in
        [(0, false), (1, true), (TIME, true), (last, true), (last + 1, false), (TIMESTAMP_LIMIT, false)]
    {
        let signature = witness.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).unwrap();
        let line = SignatureLine::new(hint.clone(), [time.to_be_bytes().as_slice(), &signature].concat());
        assert_eq!(cosigner.verify(text, &line), Ok(time), "it is one, with whatever time");
        assert_eq!(cosigner.moment(text, &line).is_ok(), holds, "{time}");
    }
}

#[test]
fn a_proof_stands_alone() {
    let grown = Grown::to(9);
    for (index, size) in [(0, 1), (0, 9), (5, 9), (8, 9), (6, 7)] {
        let proof = grown.proof(index, size);
        let text = proof.to_string();
        assert_eq!(Proof::parse(text.as_bytes()).as_ref(), Ok(&proof));
        assert_eq!(proof.verify(leaf(index), &log()), Ok(grown.head(size)));
        let no = Err(Fault::NotIncluded { index, size });
        assert_eq!(proof.verify(leaf(index + 1), &log()), no);
        // No byte can change unseen. (Of a head alone, one by one, the tests above tell.)
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let verified = Proof::parse(&bytes).and_then(|proof| proof.verify(leaf(index), &log()));
            assert!(verified.is_err(), "{index} of {size}: byte {at}");
        }
    }
    assert!(Proof::new(9, vec![], grown.head(9)).is_err());
    assert!(Proof::new(0, vec![leaf(0); 64], grown.head(9)).is_err());
}

#[test]
fn malformed_proofs_are_refused() {
    let grown = Grown::to(5);
    let good = grown.proof(3, 5).to_string();
    let extra = good.replace("@v1\n", "@v1\nextra YWdl\n");
    let parsed = Proof::parse(extra.as_bytes()).unwrap();
    assert_eq!((parsed.extra(), parsed.to_string()), (Some(b"age".as_slice()), extra.clone()));
    assert!(parsed.verify(leaf(3), &log()).is_ok());
    assert_eq!((parsed.index(), parsed.hashes()), (3, &*grown.build(Plan::inclusion(3, 5))));
    let with = |bytes| {
        Proof::parse(good.replace("@v1\n", &format!("@v1\nextra {}\n", STANDARD.encode(vec![7; bytes]))).as_bytes())
    };
    assert!(with(64 << 10).is_ok_and(|proof| proof.extra() == Some(&[7; 64 << 10])));
    assert!(matches!(with((64 << 10) + 1), Err(Fault::TooLarge { limit: 0x1_0000, .. })));
    for (what, bad) in [
        ("another version", good.replace("@v1", "@v2")),
        ("no header", good.replace("c2sp.org/tlog-proof@v1\n", "")),
        ("no index", good.replace("index 3\n", "")),
        ("leading zero", good.replace("index 3", "index 03")),
        ("no number", good.replace("index 3", "index x")),
        ("two spaces", good.replace("index 3", "index  3")),
        ("empty extra", good.replace("@v1\n", "@v1\nextra \n")),
        ("extra without padding", good.replace("@v1\n", "@v1\nextra YQ\n")),
        ("extra twice", extra.replace("@v1\n", "@v1\nextra YWdl\n")),
        ("extra behind the index", good.replace("index 3\n", "index 3\nextra YWdl\n")),
        ("no empty line", good.replacen("\n\n", "\n", 1)),
        ("two empty lines", good.replacen("\n\n", "\n\n\n", 1)),
        ("CRLF", good.replace('\n', "\r\n")),
        ("too many hashes", good.replace("index 3\n", &format!("index 3\n{}", format!("{}\n", leaf(0)).repeat(64)))),
        ("no hash", good.replace("index 3\n", "index 3\nAAAA\n")),
        ("no checkpoint", good.split("\n\n").next().unwrap_or_default().to_owned() + "\n\n"),
        ("nothing", String::new()),
        ("more", good.clone() + "\n"),
    ] {
        assert!(Proof::parse(bad.as_bytes()).is_err(), "{what}");
    }
    let full = |bytes: usize| good.replacen("\n\n", &format!("\n\n{}", "x".repeat(bytes - good.len())), 1);
    let over = |bytes: usize| Path::parse(full(bytes).as_bytes()).err();
    let limit = 640 << 10;
    assert_eq!(over(limit), None);
    assert_eq!(over(limit + 1), Some(Fault::TooLarge { what: msg!("a proof, in bytes,"), limit: limit as u64 }));
    let limit = good.replace("index 3\n", &format!("index 3\n{}", format!("{}\n", leaf(0)).repeat(60)));
    assert!(Proof::parse(limit.as_bytes()).and_then(|proof| proof.verify(leaf(3), &log())).is_err());
}

#[test]
fn a_witness_answers_as_the_specification_tells() {
    let grown = Grown::to(9);
    let at = |size| Some((size, grown.root(size)));
    let status = |request: &AddCheckpoint, log: Option<&Log>, last| request.judge(log, last).map_err(|no| no.status());
    assert_eq!(status(&grown.request(0, 5), Some(&log()), None), Ok(grown.head(5)));
    assert_eq!(status(&grown.request(5, 9), Some(&log()), at(5)), Ok(grown.head(9)));
    assert_eq!(status(&grown.request(9, 9), Some(&log()), at(9)), Ok(grown.head(9)));
    assert_eq!(AddCheckpoint::parse(grown.request(5, 9).to_string().as_bytes()), Ok(grown.request(5, 9)));

    let elsewhere = Log::new(Origin::parse("another").unwrap(), log().keys().to_vec());
    assert_eq!(status(&grown.request(5, 9), None, at(5)), Err(404));
    assert_eq!(status(&grown.request(5, 9), Some(&elsewhere), at(5)), Err(404));
    let unknown = Log::new(log().origin().clone(), vec![]);
    assert_eq!(status(&grown.request(5, 9), Some(&unknown), at(5)), Err(403));
    // Without a good signature nothing else is told, also not where the witness stands.
    assert_eq!(status(&grown.request(5, 9), Some(&unknown), at(6)), Err(403));
    let mut back = grown.request(5, 9);
    back.old = 10;
    assert_eq!(status(&back, Some(&log()), at(5)), Err(400));
    assert_eq!(grown.request(5, 9).judge(Some(&log()), at(6)), Err(No::Conflict { size: 6 }));
    assert_eq!(grown.request(5, 9).judge(Some(&log()), None), Err(No::Conflict { size: 0 }));
    let mut other = grown.request(5, 9);
    other.proof[0] = leaf(0);
    assert_eq!(status(&other, Some(&log()), at(5)), Err(422));
    let mut more = grown.request(0, 9);
    more.proof.push(leaf(0));
    assert_eq!(status(&more, Some(&log()), None), Err(422));
    let fork = Some((9, leaf(0)));
    assert_eq!(grown.request(9, 9).judge(Some(&log()), fork), Err(No::Unprocessable(Fault::Forked { size: 9 })));
    let bare: Checkpoint = format!("{ORIGIN}\n0\n{}\n", leaf(0)).parse().unwrap();
    let bare = AddCheckpoint { old: 0, proof: vec![], checkpoint: Head::sign(bare, &key()).unwrap().into_unverified() };
    assert_eq!(status(&bare, Some(&log()), None), Err(422));

    let good = grown.request(5, 9).to_string();
    for bad in [
        good.replace("old 5\n", ""),
        good.replace("old 5", "old 05"),
        good.replace("old 5", "old  5"),
        good.replace("old 5", "Old 5"),
        good.replacen("\n\n", "\n", 1),
        good.replace("old 5\n", "old 5\nAAAA\n"),
        good.replace("old 5\n", &format!("old 5\n{}", format!("{}\n", leaf(0)).repeat(64))),
    ] {
        assert!(AddCheckpoint::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_request_has_so_many_bytes_and_no_more() {
    let of = |bytes| AddCheckpoint::parse(&vec![b'x'; bytes]);
    assert!(matches!(of(520 << 10), Err(Fault::Malformed { .. })));
    assert!(matches!(of((520 << 10) + 1), Err(Fault::TooLarge { .. })));
}
