//! Ed25519 by the rule as it is written in `docs/FORMAT.md`: Wycheproof's tests, and signatures that verifiers disagree on,
//! with what each verifier says of them, which `docs/ED25519.md` publishes.

use std::{collections::BTreeMap, fs, path::Path};

use communique::domain::{id::Digest, key::PublicKey};
use curve25519_dalek::{
    constants::ED25519_BASEPOINT_POINT,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cases::{self, ORDER, challenge, plus_orders},
    judges::{Judge, Statement, here},
    missing::missing,
};

#[test]
fn wycheproof_is_judged_by_the_written_rule() {
    /// Where the rule and Wycheproof differ, and why: nowhere.
    const DIFFERENT: &[(u32, &str)] = &[];
    /// Of the file as it was published.
    const PUBLISHED: &str = "752d2ea7d7c6cf4736381b6cbacb61f8182b126ab7cd9b058f00c50084975536";
    let file = fs::read(vectors("wycheproof/ed25519_test.json")).unwrap();
    assert_eq!(Digest::of(&file).to_string(), PUBLISHED);
    let file: Wycheproof = serde_json::from_slice(&file).unwrap();
    let mut counted = BTreeMap::new();
    for group in &file.groups {
        let key: [u8; 32] = unhex(&group.public_key.pk).try_into().unwrap();
        for test in &group.tests {
            let (text, signature) = (unhex(&test.msg), unhex(&test.sig));
            let different = DIFFERENT.iter().any(|(id, _)| *id == test.id);
            let expected = (test.result == "valid") != different;
            assert!(["valid", "invalid"].contains(&test.result.as_str()), "{}", test.id);
            assert_eq!(
                written_rule(&key, &text, &signature).is_ok(),
                expected,
                "the rule: {} {}",
                test.id,
                test.comment
            );
            assert_eq!(ours(&key, &text, &signature).is_ok(), expected, "ours: {} {}", test.id, test.comment);
            *counted.entry((test.result.as_str(), expected)).or_insert(0) += 1;
            if expected {
                none_like_it(&key, &text, &signature.try_into().unwrap());
            }
        }
    }
    assert_eq!(counted, [(("valid", true), 88), (("invalid", false), 63)].into());
    assert_eq!(file.number, 151);
}

#[test]
fn our_verdict_on_each_case_is_the_written_rule() {
    let cases = cases::all();
    for case in &cases {
        let (text, signature) = case.statement.cut();
        let rule = written_rule(&case.statement.key, text, &signature);
        assert_eq!(ours(&case.statement.key, text, &signature), rule, "{}", case.name);
        assert_eq!(rule.is_ok(), case.name == "plain", "{}", case.name);
        // A case that nobody could accept would show nothing: the equation holds for every one, with the cofactor at least.
        assert_eq!(case.holds, (!case.name.ends_with("-cofactor"), true), "{}", case.name);
    }
    let signature = |name: &str| cases.iter().find(|c| c.name == name).unwrap().statement.cut().1;
    assert_eq!(signature("key-order-1"), signature("key-order-1-other-text"), "one signature, two texts");
}

#[test]
fn no_key_is_enrolled_in_a_second_encoding() {
    // The y-coordinates that have a second encoding below 2^255, with both signs of x.
    let unreduced = (0..19).flat_map(|n| [0, 0x80].map(|sign| cases::unreduced(n, sign)));
    let points: Vec<_> = unreduced.filter_map(|bytes| Some((bytes, CompressedEdwardsY(bytes).decompress()?))).collect();
    // Each is of small order or has torsion, so that to ask for the canonical encoding refuses nothing besides.
    let sound = points.iter().filter(|(_, point)| point.is_torsion_free() && !point.is_small_order()).count();
    assert_eq!((points.len(), sound), (24, 0));
    for (bytes, _) in points {
        assert!(PublicKey::from_bytes(&bytes).is_err(), "{}", hex(&bytes));
    }
}

#[test]
fn the_published_vectors_are_these_cases() {
    let cases = cases::all().into_iter().map(|case| {
        let (text, signature) = case.statement.cut();
        let text = std::str::from_utf8(text).unwrap();
        json!({ "case": case.name, "key": hex(&case.statement.key), "text": text, "signature": hex(&signature) })
    });
    let expected = format!("{:#}\n", Value::from_iter(cases));
    let published = vectors("ed25519/cases.json");
    if fs::read_to_string(&published).unwrap_or_default() != expected {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases.json");
        fs::write(&made, expected).unwrap();
        panic!("{} is not what the cases make: {} is", published.display(), made.display());
    }
}

#[test]
fn the_document_tells_what_each_verifier_says() {
    let cases = cases::all();
    let statements: Vec<_> = cases.iter().map(|c| c.statement.clone()).collect();
    let mut rows = table("| case | ");
    let columns = rows.remove(0);
    assert_eq!(
        rows.iter().map(|r| r[0].as_str()).collect::<Vec<_>>(),
        cases.iter().map(|c| c.name).collect::<Vec<_>>()
    );
    let told: Vec<_> = table("| case: ").into_iter().skip(1).map(|r| r[0].clone()).collect();
    assert_eq!(told, cases.iter().map(|c| c.name).collect::<Vec<_>>(), "each case is explained");

    let versions: BTreeMap<_, _> =
        table("| verifier | ").into_iter().skip(1).map(|r| (r[0].clone(), r[1].clone())).collect();
    assert_eq!(versions.keys().collect::<Vec<_>>(), {
        let mut names: Vec<_> = columns[2..].iter().collect();
        names.sort();
        names
    });
    let mut right = rows.clone();
    for (at, name) in columns.iter().enumerate().skip(1) {
        let Some((version, verdicts)) = verdicts(name, &statements) else { continue };
        let told = versions.get(name);
        // Which openssl there is is not ours to choose.
        if version.is_some() && version.as_ref() != told && name != "openssl" {
            missing(
                &format!("{name} {}, of which docs/ED25519.md tells,", told.unwrap()),
                "`pip install -r requirements.txt` and `npm ci` in tests/foreign",
            );
            continue;
        }
        right.iter_mut().zip(verdicts).for_each(|(row, verdict)| row[at] = verdict.into());
    }
    let lines = right.iter().map(|row| format!("| `{}` | {} |\n", row[0], row[1..].join(" | ")));
    assert!(right == rows, "docs/ED25519.md tells otherwise than\n{}", lines.collect::<String>());
}

/// The version of a verifier, if it has one, and its words for each; `None` if it is not on this machine.
fn verdicts(name: &str, statements: &[Statement]) -> Option<(Option<String>, Vec<&'static str>)> {
    let cut: Vec<_> = statements.iter().map(|s| (s.key, s.cut())).collect();
    let word = |accepts: bool| if accepts { "accepts" } else { "refuses" };
    let judge = match name {
        "communique" => {
            let ours = cut.iter().map(|(key, (text, signature))| match ours(key, text, signature) {
                Ok(()) => "accepts",
                Err(Refused::Key) => "refuses the key",
                Err(Refused::Signature) => "refuses the signature",
            });
            return Some((None, ours.collect()));
        }
        "ed25519-dalek" => {
            let dalek = |key: &[u8; 32], text: &[u8], signature: &[u8]| {
                let signature = ed25519_dalek::Signature::from_slice(signature).unwrap();
                ed25519_dalek::VerifyingKey::from_bytes(key)
                    .is_ok_and(|key| ed25519_dalek::Verifier::verify(&key, text, &signature).is_ok())
            };
            let said = cut.iter().map(|(key, (text, signature))| word(dalek(key, text, signature)));
            return Some((Some(locked("ed25519-dalek")), said.collect()));
        }
        "aws-lc-rs" => {
            let said = cut.iter().map(|(key, (text, signature))| {
                word(webpki::aws_lc_rs::ED25519.verify_signature(key, text, signature).is_ok())
            });
            return Some((Some(locked("aws-lc-rs")), said.collect()));
        }
        "openssl" => Judge::Openssl,
        "jose" => Judge::Node("jose"),
        "@noble/ed25519" => Judge::Node("@noble/ed25519"),
        "cryptography" => Judge::Python("cryptography"),
        "joserfc" => Judge::Python("joserfc"),
        "jwcrypto" => Judge::Python("jwcrypto"),
        "pycryptodome" => Judge::Python("pycryptodome"),
        "pynacl" => Judge::Python("pynacl"),
        other => panic!("docs/ED25519.md tells of a verifier that nobody asks: {other}"),
    };
    let said = judge.says(statements)?;
    Some((Some(said.version), said.verdicts.iter().map(|v| word(v.is_none())).collect()))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    Key,
    Signature,
}

/// What the domain says.
fn ours(key: &[u8; 32], text: &[u8], signature: &[u8]) -> Result<(), Refused> {
    let key = PublicKey::from_bytes(key).map_err(|_| Refused::Key)?;
    if key.verifies(text, signature) { Ok(()) } else { Err(Refused::Signature) }
}

/// What `docs/FORMAT.md` says under "Keys and statements", with nothing but the arithmetic taken from a library.
fn written_rule(key: &[u8; 32], text: &[u8], signature: &[u8]) -> Result<(), Refused> {
    let canonical = |bytes: [u8; 32]| {
        let point = CompressedEdwardsY(bytes).decompress()?;
        (point.compress().0 == bytes && !point.is_small_order()).then_some(point)
    };
    let free: fn(&EdwardsPoint) -> bool = |p| p.is_torsion_free();
    let a = canonical(*key).filter(free).ok_or(Refused::Key)?;
    let (r, s) = signature.split_at_checked(32).ok_or(Refused::Signature)?;
    let (r, s) = (<[u8; 32]>::try_from(r).unwrap(), <[u8; 32]>::try_from(s).map_err(|_| Refused::Signature)?);
    let below = s.iter().rev().lt(ORDER.iter().rev());
    let point = canonical(r).filter(|_| below).ok_or(Refused::Signature)?;
    let left = ED25519_BASEPOINT_POINT * Scalar::from_bytes_mod_order(s);
    if left == point + a * challenge(&r, key, text) { Ok(()) } else { Err(Refused::Signature) }
}

/// From a signature that counts nobody makes another that does, over the same text or the next.
fn none_like_it(key: &[u8; 32], text: &[u8], signature: &[u8; 64]) {
    let (r, s): ([u8; 32], [u8; 32]) = (signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap());
    for times in 1..=15 {
        let other = [r, plus_orders(s, times)].concat();
        assert_eq!(ours(key, text, &other), Err(Refused::Signature), "S + {times} L");
    }
    for bit in (0..512).step_by(5) {
        let mut other = *signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(ours(key, text, &other), Err(Refused::Signature), "bit {bit}");
    }
    assert_eq!(ours(key, &[text, b"."].concat(), signature), Err(Refused::Signature), "a longer text");
    assert_eq!(ours(key, text, &[&signature[..], &[0]].concat()), Err(Refused::Signature), "a longer signature");
}

#[derive(Deserialize)]
struct Wycheproof {
    #[serde(rename = "numberOfTests")]
    number: usize,
    #[serde(rename = "testGroups")]
    groups: Vec<Group>,
}
#[derive(Deserialize)]
struct Group {
    #[serde(rename = "publicKey")]
    public_key: Key,
    tests: Vec<Test>,
}
#[derive(Deserialize)]
struct Key {
    pk: String,
}
#[derive(Deserialize)]
struct Test {
    #[serde(rename = "tcId")]
    id: u32,
    comment: String,
    msg: String,
    sig: String,
    result: String,
}

fn vectors(file: &str) -> std::path::PathBuf {
    here().with_file_name("vectors").join(file)
}
fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
/// The rows of the document's table that begins so, its head first; code marks taken off.
fn table(head: &str) -> Vec<Vec<String>> {
    const DOCUMENT: &str = include_str!("../../docs/ED25519.md");
    let cells = |line: &str| line.split('|').map(|c| c.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let lines = DOCUMENT.lines().skip_while(|l| !l.starts_with(head)).take_while(|l| l.starts_with('|'));
    let rows: Vec<_> = lines.filter(|l| !l.starts_with("| ---")).map(|l| cells(l)[1..].to_vec()).collect();
    assert!(rows.len() > 1, "no table {head:?}");
    rows.into_iter()
        .map(|mut r| {
            r.pop();
            r
        })
        .collect()
}
/// The version of a crate that is in use.
fn locked(name: &str) -> String {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let (_, after) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
    after.split('"').next().unwrap().to_owned()
}
