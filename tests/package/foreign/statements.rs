//! Statements, by every verifier of such that is installed: each is accepted under the key that it is by, and refused once
//! anything in it is another.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use communique::domain::{
    charter::Der, id::Digest, key::PublicKey, statement::Statement as Signed, time::Time, trust::Trust,
};
use serde_json::Value;

use super::judges::{Judge, Statement};
use crate::{
    outcome,
    played::{self, Plan, Played, authority, key},
};

/// All that judge statements as such, and bare `openssl`.
const JUDGES: [Judge; 4] = [Judge::Openssl, Judge::Python("jwcrypto"), Judge::Python("joserfc"), Judge::Node("jose")];

/// Every statement of these packages with what it is, and a trust statement, which no package carries.
fn statements() -> Vec<(String, Statement)> {
    let mut keys = BTreeMap::new();
    let mut all = BTreeMap::new();
    let mut add = |compact: &str| {
        let payload = part(compact, 1);
        if let Ok(key) = serde_json::from_value::<PublicKey>(payload["key"].clone()) {
            keys.insert(key.thumbprint(), key);
        }
        all.insert(compact.to_owned(), payload);
    };
    let mut enrolled = vec![];
    let plans =
        [Plan::substitution(), Plan::succession(), Plan::ad_referendum(), Plan::declarations(), Plan::released()];
    for plan in plans {
        let played = plan.play();
        assert_eq!(outcome(&played), "proven: Null");
        for (path, bytes) in &played.files {
            if path.ends_with(".jws") {
                add(std::str::from_utf8(bytes).unwrap());
            } else if path.starts_with("data/charters/") {
                let charter: Value = serde_json::from_slice(bytes).unwrap();
                let parties = charter["parties"].as_array().unwrap().iter().map(|p| &p["authority"]);
                let read = |jwk: &Value| serde_json::from_value::<PublicKey>(jwk.clone()).unwrap();
                enrolled.extend(parties.chain([&charter["depositary"]]).map(read));
            }
        }
    }
    add(&trust(&Plan::plain().play()));
    keys.extend(enrolled.into_iter().map(|key| (key.thumbprint(), key)));
    // Of a package that is proven, each statement is by the key that its header tells.
    let by = |compact: &str| keys[part(compact, 0)["kid"].as_str().unwrap()].to_bytes();
    let kind = |compact: &str, payload: &Value| {
        let act = payload["act"].as_str().map(|act| format!(" {act}")).unwrap_or_default();
        format!("{}{act}", part(compact, 0)["typ"].as_str().unwrap().trim_start_matches("communique.v1."))
    };
    all.iter().map(|(jws, p)| (kind(jws, p), Statement { jws: jws.clone(), key: by(jws) })).collect()
}

fn trust(played: &Played) -> String {
    let claims = Trust {
        founding: played.charter.digest(),
        exchange: played.charter.exchange.clone(),
        party: played::party(0),
        serial: 1,
        certificates: vec![Der::new(vec![0x30, 0]).unwrap()],
        revoked: vec![Digest::of(b"a certificate")],
        time: Time::parse("2026-11-23T09:00:00Z").unwrap(),
    };
    Signed::sign(claims, &key(authority(0))).unwrap().compact().to_owned()
}

fn part(compact: &str, n: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(compact.split('.').nth(n).unwrap()).unwrap()).unwrap()
}

/// Everything that must not pass, from one statement and another.
fn tampered(right: &Statement, other: &Statement) -> Vec<(String, Statement)> {
    let parts: [Vec<u8>; 3] = {
        let decoded = right.jws.split('.').map(|p| URL_SAFE_NO_PAD.decode(p).unwrap());
        decoded.collect::<Vec<_>>().try_into().unwrap()
    };
    let with = |n: usize, bytes: Vec<u8>| {
        let mut parts = parts.clone();
        parts[n] = bytes;
        Statement { jws: parts.map(|p| URL_SAFE_NO_PAD.encode(p)).join("."), key: right.key }
    };
    let of = |jws: &str, n: usize| URL_SAFE_NO_PAD.decode(jws.split('.').nth(n).unwrap()).unwrap();
    let flipped = |n: usize, at: usize| {
        let mut bytes = parts[n].clone();
        bytes[at] ^= 1;
        with(n, bytes)
    };
    let header = String::from_utf8(parts[0].clone()).unwrap();
    let headed = |from: &str, to: &str| {
        assert!(header.contains(from), "{from} is not in {header}");
        with(0, header.replace(from, to).into_bytes())
    };
    let last = parts[1].len() - 1;
    let mut bad = vec![
        ("the header's kid".to_owned(), headed("\"kid\":\"", "\"kid\":\"A")),
        ("the header's typ".to_owned(), headed("communique.v1.", "communique.v2.")),
        ("the header says that nothing is signed".to_owned(), headed("EdDSA", "none")),
        ("a member more in the header".to_owned(), headed("{\"alg\"", "{\"aaa\":1,\"alg\"")),
        ("another's payload".to_owned(), with(1, of(&other.jws, 1))),
        ("another's signature".to_owned(), with(2, of(&other.jws, 2))),
        ("no signature".to_owned(), with(2, vec![])),
        ("a signature cut short".to_owned(), with(2, parts[2][..63].to_vec())),
        ("nothing but zeros for a signature".to_owned(), with(2, vec![0; 64])),
        ("another key".to_owned(), Statement { key: other.key, ..right.clone() }),
    ];
    bad.extend([1, last / 3, last / 2, last - 1].map(|at| (format!("byte {at} of the payload"), flipped(1, at))));
    bad.extend([0, 31, 32, 62].map(|at| (format!("byte {at} of the signature"), flipped(2, at))));
    bad
}

#[test]
fn foreign_verifiers_accept_every_statement_and_refuse_it_tampered_with() {
    let all = statements();
    let one_of_each: BTreeMap<_, _> = all.iter().cloned().collect();
    let kinds: Vec<_> = one_of_each.keys().map(String::as_str).collect();
    let acts = ["act confirm", "act declare", "act initial", "act propose", "act release", "act sign"];
    let expected =
        [&acts[..], &["act sign_ad_referendum", "adoption", "certified-copy", "powers", "revocation", "trust"]];
    assert_eq!(kinds, expected.concat());
    let mut asked: Vec<_> = all.into_iter().map(|(kind, s)| (kind, "as published".to_owned(), s)).collect();
    let published = asked.len();
    let others: Vec<_> = one_of_each.values().collect();
    for (kind, right) in &one_of_each {
        let other = others.iter().find(|s| s.key != right.key).unwrap();
        asked.extend(tampered(right, other).into_iter().map(|(what, s)| (kind.clone(), what, s)));
    }
    let all: Vec<_> = asked.iter().map(|(.., s)| s.clone()).collect();
    for judge in JUDGES {
        let Some(said) = judge.says(&all) else { continue };
        for (n, ((kind, what, _), verdict)) in asked.iter().zip(&said.verdicts).enumerate() {
            let judge = (judge.name(), &said.version);
            assert_eq!(verdict.is_none(), n < published, "{judge:?}: {kind}: {what}: {verdict:?}");
        }
    }
}
