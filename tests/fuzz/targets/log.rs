//! The log's texts: notes, checkpoints, proofs, requests to witnesses, paths of tiles; and evidence of a lie. Each has one spelling, and
//! what nobody signed is nobody's.
#![no_main]

use std::{fmt::Display, sync::LazyLock};

use communique::{
    client::auditing::evidence::{Evidence, Weight},
    domain::{
        id::Digest,
        json,
        key::{SecretKey, Signer as _},
        time::Time,
    },
    log::{
        Fault,
        checkpoint::{Log, Origin, Unverified},
        cosignature::Cosigner,
        note::{KeyName, Note, SignatureLine, Verifier},
        proof::{Path, Proof},
        tile::Resource,
        tree::Hash,
        witness::AddCheckpoint,
    },
};

static OURS: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_seed(&[9; 32]));

fn check(data: &[u8]) {
    again(data, Note::parse(data));
    again(data, Proof::parse(data));
    again(data, AddCheckpoint::parse(data));
    if let Ok((path, note)) = Path::parse(data) {
        assert!(data.ends_with(note) && path.hashes.len() <= 63);
    }
    if let Ok(lines) = SignatureLine::parse_all(data) {
        assert_eq!(lines.iter().map(ToString::to_string).collect::<String>().as_bytes(), data);
    }
    if let Ok(unverified) = Unverified::parse(data) {
        assert_eq!(unverified.note().to_string().as_bytes(), data);
        strangers(&unverified);
    }
    if let Ok(proof) = Proof::parse(data) {
        strangers(proof.checkpoint());
    }
    if let Ok(evidence) = json::parse::<Evidence>(data) {
        assert_eq!(evidence.to_bytes(), data);
        // Whoever wrote it, it is judged; and under another pin than its own it shows nothing.
        drop(evidence.judge(None, Time::from_unix(1_795_424_400)));
        let judged = evidence.judge(Some(Digest::of(b"another")), Time::from_unix(1_795_424_400));
        assert!(judged.weight == Weight::Nothing && !judged.pinned);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    again(data, text.parse::<Resource>());
    again(data, text.parse::<Hash>());
    again(data, text.parse::<Verifier>());
    again(data, text.parse::<Cosigner>());
}

/// A key that signed nothing of it signed nothing of it, whatever the log calls itself.
fn strangers(checkpoint: &Unverified) {
    let origin = checkpoint.claims().origin().as_str();
    if let (Ok(origin), Ok(name)) = (Origin::parse(origin), KeyName::parse(origin)) {
        let log = Log::new(origin, vec![Verifier::new(name.clone(), OURS.public())]);
        assert!(checkpoint.clone().verify(&log).is_err());
        assert!(!matches!(Cosigner::new(name, OURS.public()).time_in(checkpoint.note()), Ok(Some(_))));
    }
}

/// What is read is written again to the same bytes; what is not is refused in words that fit a terminal.
fn again(data: &[u8], read: Result<impl Display, Fault>) {
    match read {
        Ok(read) => assert_eq!(read.to_string().as_bytes(), data),
        Err(fault) => assert!(!fault.to_string().chars().any(char::is_control), "{fault}"),
    }
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("log"), |data: &[u8]| check(data));
