//! Payloads of statements: what each member may be, and what may not stand together.

use serde_json::{Value, json};

use super::members::{DIGEST, Form, MOST, Made, OTHER_ID, Rows, languages, with};

/// What is made of a good payload of this type.
pub fn made(rows: &mut Rows, typ: &str, good: &Value) -> Vec<Made> {
    rows.closed(good, &[""]);
    rows.members(good, &[("/founding", Form::Digest), ("/exchange", Form::Exchange)]);
    let party = if typ == "certified-copy" { vec![] } else { vec![("/party", Form::Party)] };
    rows.members(good, &party);
    let names: Vec<_> =
        good.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name).collect();
    for name in names {
        // What may be null in a good one is looked at below.
        if !matches!((typ, name.as_str()), ("act", "place" | "opening")) {
            rows.never_null(good, &[format!("/{name}").as_str()]);
        }
    }
    match typ {
        "act" => acts(rows, good),
        "adoption" => {
            let table = [("/charter", Form::Digest), ("/version", Form::Number(1, MOST)), ("/time", Form::Time)];
            rows.members(good, &table);
        }
        "certified-copy" => {
            let table = [
                ("/communique", Form::Id),
                ("/manifest", Form::Digest),
                ("/published", Form::Digest),
                ("/index", Form::Number(0, MOST)),
                ("/time", Form::Time),
            ];
            rows.members(good, &table);
        }
        "powers" => powers(rows, good),
        "revocation" => {
            rows.members(good, &[("/grant", Form::Digest), ("/reason", Form::Prose), ("/time", Form::Time)]);
            for (says, bytes, valid) in over(24 << 10) {
                // A quotation mark is one byte of prose and two of JSON.
                let lacks = bytes - with(good, [("/reason", "".into())]).to_string().len();
                let reason = "\"".repeat(lacks / 2) + &"a".repeat(lacks % 2);
                rows.push(&says, valid, with(good, [("/reason", reason.into())]));
            }
        }
        "trust" => trust(rows, good),
        other => panic!("no such type: {other}"),
    }
    rows.take()
}

/// A payload at its limit, and above.
fn over(limit: usize) -> [(String, usize, bool); 2] {
    [(format!("{limit} bytes"), limit, true), (format!("{} bytes", limit + 1), limit + 1, false)]
}

/// Whether a member of an act has to be there.
#[derive(Clone, Copy, PartialEq)]
enum May {
    Must,
    Free,
    Never,
}
use May::{Free, Must, Never};

/// What each act has: opening, reason, texts of a declaration, digest of a declaration, what it confirms.
#[rustfmt::skip]
const ACTS: &[(&str, May, May, May, May, May)] = &[
    ("confirm",            Must,  Never, Never, Never, Must),
    ("declare",            Never, Never, Must,  Never, Never),
    ("decline",            Must,  Must,  Never, Never, Never),
    ("initial",            Never, Never, Never, Never, Never),
    ("object",             Never, Must,  Never, Never, Never),
    ("open",               Never, Never, Never, Never, Never),
    ("propose",            Never, Never, Never, Never, Never),
    ("purge",              Never, Never, Never, Never, Never),
    ("release",            Must,  Never, Never, Never, Never),
    ("sign",               Must,  Never, Never, Free,  Never),
    ("sign_ad_referendum", Must,  Never, Never, Free,  Never),
    ("withdraw",           Free,  Free,  Never, Never, Never),
];

fn acts(rows: &mut Rows, good: &Value) {
    let table = [
        ("/charter", Form::Digest),
        ("/manifest", Form::Digest),
        ("/grant", Form::Digest),
        ("/opening", Form::Digest),
        ("/communique", Form::Id),
        ("/revision", Form::Number(1, 999)),
        ("/time", Form::Time),
        ("/place", Form::Line),
    ];
    rows.members(good, &table);
    rows.good("no place", good, [("/place", Value::Null)]);
    rows.bad("another act", good, [("/act", "ratify".into())]);
    rows.bad("an act in capitals", good, [("/act", "Sign".into())]);
    rows.bad("an act that is an integer", good, [("/act", 0.into())]);
    for (act, opening, reason, texts, declared, confirms) in ACTS {
        let members = [
            ("opening", *opening, DIGEST.into()),
            ("reason", *reason, "Motif d’exemple.".into()),
            ("declaration", *texts, json!({ "fr": "Déclaration d’exemple." })),
            ("confirms", *confirms, DIGEST.into()),
        ];
        let mut base = with(good, [("/act", (*act).into())]);
        for (name, may, value) in &members {
            let value = if *may == Must { value.clone() } else { Value::Null };
            base = with(&base, [(format!("/{name}").as_str(), value)]);
        }
        rows.good(act, &base, []);
        for (name, may, value) in members {
            let pointer = format!("/{name}");
            match may {
                Must => rows.bad(&format!("{act} without {name}"), &base, [(pointer.as_str(), Value::Null)]),
                Free => rows.good(&format!("{act} with {name}"), &base, [(pointer.as_str(), value)]),
                Never => rows.bad(&format!("{act} with {name}"), &base, [(pointer.as_str(), value)]),
            }
        }
        let made = [("/declaration", DIGEST.into())];
        rows.push(&format!("{act} with the digest of a declaration"), *declared == Free, with(&base, made));
        if *confirms == Must {
            rows.members(&base, &[("/confirms", Form::Digest)]);
        }
        if *reason != Never {
            rows.members(&base, &[("/reason", Form::Prose)]);
        }
        if *declared == Free {
            rows.members(&base, &[("/declaration", Form::Digest)]);
        }
        if *texts == Must {
            declarations(rows, &base);
        }
    }
}

fn declarations(rows: &mut Rows, declare: &Value) {
    let (bad, good) = Form::Names.values();
    for ((what, value), valid) in bad.iter().map(|row| (row, false)).chain(good.iter().map(|row| (row, true))) {
        // Two spaces may stand in prose.
        let valid = valid || what == "a line with two spaces";
        rows.push(&format!("declaration: {what}"), valid, with(declare, [("/declaration", value.clone())]));
    }
    let (bad, good) = Form::Prose.values();
    for ((what, value), valid) in bad.iter().map(|row| (row, false)).chain(good.iter().map(|row| (row, true))) {
        rows.push(&format!("declaration/fr: {what}"), valid, with(declare, [("/declaration/fr", value.clone())]));
    }
    for (says, bytes, valid) in over(48 << 10) {
        let long = with(declare, [("/declaration", languages(3, ""))]);
        let mut lacks = bytes - long.to_string().len();
        let long = ["aa", "ab", "ac"].iter().fold(long, |long, lang| {
            let here = lacks.min(16 << 10);
            lacks -= here;
            with(&long, [(format!("/declaration/{lang}").as_str(), "a".repeat(here).into())])
        });
        assert_eq!((lacks, long.to_string().len()), (0, bytes));
        rows.push(&says, valid, long);
    }
}

fn powers(rows: &mut Rows, good: &Value) {
    rows.closed(good, &["/holder", "/key"]);
    let table = [
        ("/holder/id", Form::Holder),
        ("/holder/names", Form::Names),
        ("/holder/names/fr", Form::Line),
        ("/holder/titles", Form::Names),
        ("/holder/titles/fr", Form::Line),
        ("/key", Form::Key),
        ("/not_before", Form::Time),
        ("/not_after", Form::Time),
    ];
    rows.members(good, &table);
    rows.never_null(good, &["/holder/id", "/holder/names", "/holder/titles", "/acts/0"]);
    rows.bad("acts by number", good, [("/acts", json!({ "0": "sign" }))]);
    rows.bad("an act that is an integer", good, [("/acts", json!([0]))]);
    rows.bad("an act in capitals", good, [("/acts", json!(["Sign"]))]);
    rows.bad("one act, in no list", good, [("/acts", "sign".into())]);
    for (act, ..) in ACTS {
        rows.good(&format!("to {act}"), good, [("/acts", json!([act]))]);
    }

    let id = good["scope"].as_str().unwrap_or("01a207a2-3280-7707-8707-070707070707");
    let scoped = with(good, [("/scope", json!([id]))]);
    rows.members(&scoped, &[("/scope/0", Form::Id)]);
    rows.never_null(&scoped, &["/scope/0"]);
    rows.good("for two communiqués", good, [("/scope", json!([id, OTHER_ID]))]);
    rows.bad("for two communiqués in another order", good, [("/scope", json!([OTHER_ID, id]))]);
    rows.bad("for a communiqué twice", good, [("/scope", json!([id, id]))]);
    rows.bad("for a communiqué in no list", good, [("/scope", id.into())]);
    let many = |count: u64| -> Value { (0..count).map(|n| format!("01a207a2-3280-7707-8707-{n:012x}")).collect() };
    rows.good("for 256 communiqués", good, [("/scope", many(256))]);
    rows.bad("for 257 communiqués", good, [("/scope", many(257))]);

    rows.bad("they end a second before they begin", good, [("/not_before", "2026-12-23T09:00:01Z".into())]);
    rows.good("they end in the second in which they begin", good, [("/not_before", "2026-12-23T09:00:00Z".into())]);

    for (says, bytes, valid) in over(64 << 10) {
        let mut long = with(good, [("/holder/names", languages(32, "a")), ("/holder/titles", languages(32, "a"))]);
        let mut lacks = bytes - long.to_string().len();
        for map in ["names", "titles"] {
            for line in long["holder"][map].as_object_mut().unwrap().values_mut() {
                let grown = lacks.min(1023);
                lacks -= grown;
                *line = "a".repeat(1 + grown).into();
            }
        }
        assert_eq!(lacks, 0);
        rows.push(&says, valid, long);
    }
}

fn trust(rows: &mut Rows, good: &Value) {
    let table = [
        ("/serial", Form::Number(1, MOST)),
        ("/revoked/0", Form::Digest),
        ("/certificates/0", Form::Bytes(8192)),
        ("/time", Form::Time),
    ];
    rows.members(good, &table);
    let certificates = ["AA", "AQ", "Ag", "Aw", "BA", "BQ", "Bg", "Bw", "CA"];
    rows.good("8 certificates", good, [("/certificates", json!(certificates[..8]))]);
    rows.bad("9 certificates", good, [("/certificates", json!(certificates))]);
    // -A is the byte f8, which comes after 00, and its letters before those of it.
    rows.good("certificates sorted by bytes, not by letters", good, [("/certificates", json!(["AA", "-A"]))]);
    rows.bad("certificates sorted by letters", good, [("/certificates", json!(["-A", "AA"]))]);
    let many = |count: u64| -> Value { (0..count).map(|n| format!("{n:064x}")).collect() };
    rows.good("none revoked", good, [("/revoked", json!([]))]);
    rows.good("512 revoked", good, [("/revoked", many(512))]);
    rows.bad("513 revoked", good, [("/revoked", many(513))]);
    rows.bad("one revoked twice", good, [("/revoked", json!([DIGEST, DIGEST]))]);
    rows.bad("revoked in another order", good, [("/revoked", json!([DIGEST, "0".repeat(64)]))]);
}
