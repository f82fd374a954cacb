//! Documents and entries: what is one, and what is out of bounds.

use communique::{
    domain::{
        charter::Charter,
        document::Document,
        entry::Entry,
        json,
        key::Signer as _,
        manifest::{Initialling, Manifest},
        remark::Remark,
    },
    package::bag,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    members::{DIGEST, Form, MOST, OTHER_ID, Rows, languages, with, without},
    pieces,
};
use crate::played::{Plan, key};

/// A document, and whether it is one of this kind.
#[derive(Serialize)]
pub struct Given {
    #[serde(serialize_with = "pieces::serialize")]
    document: String,
    /// Whether it is of another version, suite or text rules, of which a verifier says that it cannot judge.
    foreign: bool,
    kind: &'static str,
    says: String,
    valid: bool,
}

fn holds(kind: &str, document: &str) -> bool {
    let bytes = document.as_bytes();
    match kind {
        "charter" => Document::<Charter>::parse(bytes.to_vec()).is_ok(),
        "entry" => json::parse::<Entry>(bytes).is_ok(),
        "remark" => Document::<Remark>::parse(bytes.to_vec()).is_ok(),
        _ => Document::<Manifest>::parse(bytes.to_vec()).is_ok(),
    }
}

/// A change of a good document: what it comes to, whether that is one too, what is replaced by what, at its first place.
type Row = (&'static str, bool, &'static str, &'static str);

const MANIFESTS: &[Row] = &[
    ("another legal effect", true, r#""political""#, r#""binding""#),
    ("a legal effect that there is not", false, r#""political""#, r#""moral""#),
    (
        "no annexes",
        true,
        r#"[{"media_type":"application/pdf","sha256":"69945e0a36572812a45f342fb4af5e287c3c3b250e833a4c8d8c60e046278b4a","size":37,"titles":{"ar":"ملحق نموذجي","fr":"Annexe d’exemple"}}]"#,
        "[]",
    ),
    ("an annex of no bytes", false, r#""size":37"#, r#""size":0"#),
    ("an annex at its limit", true, r#""size":37"#, r#""size":67108864"#),
    ("an annex above its limit", false, r#""size":37"#, r#""size":67108865"#),
    ("a text at its limit", true, r#""size":45"#, r#""size":1048576"#),
    ("a text above its limit", false, r#""size":45"#, r#""size":1048577"#),
    ("a text of no bytes", false, r#""size":45"#, r#""size":0"#),
    ("an annex of a media type that there is not", false, "application/pdf", "application/zip"),
    ("an annex with a title in no language", false, r#"{"ar":"ملحق نموذجي","fr":"Annexe d’exemple"}"#, "{}"),
    (
        "an annex with a title in one language",
        true,
        r#"{"ar":"ملحق نموذجي","fr":"Annexe d’exemple"}"#,
        r#"{"fr":"Annexe d’exemple"}"#,
    ),
    (
        "no meeting",
        true,
        r#""meeting":{"date":"2026-11-23","host":"sample-0","places":{"ar":"مدينة نموذجية","fr":"Ville d’exemple"}}"#,
        r#""meeting":null"#,
    ),
    ("a meeting without a host", true, r#""host":"sample-0""#, r#""host":null"#),
    ("a host that is no party", false, r#""host":"sample-0""#, r#""host":"sample-7""#),
    ("a day that there is not", false, "2026-11-23", "2026-02-29"),
    ("a day of a leap year", true, "2026-11-23", "2028-02-29"),
    ("a day in year 9999", false, "2026-11-23", "9999-01-01"),
    ("the last day of year 9998", true, "2026-11-23", "9998-12-31"),
    ("a day of 1969", false, "2026-11-23", "1969-12-31"),
    ("a deadline in a leap second", false, r#""deadline":null"#, r#""deadline":"2026-12-31T23:59:60Z""#),
    ("the last deadline that there is", true, r#""deadline":null"#, r#""deadline":"9998-12-31T23:59:59Z""#),
    ("a deadline in year 9999", false, r#""deadline":null"#, r#""deadline":"9999-01-01T00:00:00Z""#),
    ("a deadline at 24 o’clock", false, r#""deadline":null"#, r#""deadline":"2026-12-31T24:00:00Z""#),
    ("a party twice", false, r#"["sample-1","sample-0"]"#, r#"["sample-0","sample-0"]"#),
    ("one party", false, r#"["sample-1","sample-0"]"#, r#"["sample-0"]"#),
    ("the parties in another order", true, r#"["sample-1","sample-0"]"#, r#"["sample-0","sample-1"]"#),
    ("a party id of one letter", false, r#"["sample-1","#, r#"["s","#),
    ("a party id of 32 letters", true, r#"["sample-1","#, r#"["abcdefghijklmnopqrstuvwxyz-01234","#),
    ("a party id of 33 letters", false, r#"["sample-1","#, r#"["abcdefghijklmnopqrstuvwxyz-012345","#),
    ("a party id that begins with a digit", false, r#"["sample-1","#, r#"["1-sample","#),
    ("a party id with a capital", false, r#"["sample-1","#, r#"["Sample-1","#),
    ("a proposer that is no party", false, r#""proposer":"sample-0""#, r#""proposer":"sample-7""#),
    ("revision 0", false, r#""revision":2"#, r#""revision":0"#),
    ("revision 999", true, r#""revision":2"#, r#""revision":999"#),
    ("revision 1000", false, r#""revision":2"#, r#""revision":1000"#),
    ("a first revision that names one before", false, r#""revision":2"#, r#""revision":1"#),
    (
        "titles in other languages than the texts",
        false,
        r#""titles":{"ar":"بيان نموذجي","fr""#,
        r#""titles":{"ar":"بيان نموذجي","es""#,
    ),
    ("a title less than texts", false, r#""titles":{"ar":"بيان نموذجي","#, r#""titles":{"#),
    ("a title with a space at its end", false, "Communiqué d’exemple", "Communiqué d’exemple "),
    ("a title with two spaces", false, "Communiqué d’exemple", "Communiqué  d’exemple"),
    ("a title of nothing", false, "Communiqué d’exemple", ""),
    ("a title that is not composed", false, "Communiqué d’exemple", "Communique\u{301} d’exemple"),
    ("a text that runs in no direction", false, r#""dir":"rtl""#, r#""dir":"auto""#),
    ("a text that is a translation", true, r#""status":"authentic""#, r#""status":"translation""#),
    ("it corrects itself", false, r#""rectifies":null"#, ITSELF),
    ("it corrects another", true, r#""rectifies":null"#, ANOTHER),
    ("a digest of 63 digits", false, r#""previous":"b7"#, r#""previous":"b"#),
    (
        "a salt of 31 bytes",
        false,
        r#""salt":"BbOr8leaXrZkA814vlV_2GBjOh_iEDx2QgMN7-MsZX8""#,
        r#""salt":"BbOr8leaXrZkA814vlV_2GBjOh_iEDx2QgMN7-MsZQ""#,
    ),
    ("a salt with unused bits set", false, "MsZX8", "MsZX9"),
    ("an id in capitals", false, "01a207a2-3280-7707-8707-070707070707", "01A207A2-3280-7707-8707-070707070707"),
    ("an id of version 4", false, "01a207a2-3280-7707-8707-070707070707", "01a207a2-3280-4707-8707-070707070707"),
    ("an id of another variant", false, "01a207a2-3280-7707-8707-070707070707", "01a207a2-3280-7707-c707-070707070707"),
    ("an exchange of one label", false, "exchange.sample.example", "exchange"),
    ("an exchange in capitals", false, "exchange.sample.example", "Exchange.sample.example"),
    ("an exchange that ends in a dot", false, "exchange.sample.example", "exchange.sample.example."),
    ("a member more", false, r#""annexes""#, r#""a":null,"annexes""#),
    ("another type", false, "communique.v1.manifest", "communique.v1.charter"),
];

const ITSELF: &str = r#""rectifies":{"communique":"01a207a2-3280-7707-8707-070707070707","entry":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8","manifest":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8"}"#;
const ANOTHER: &str = r#""rectifies":{"communique":"01a207a2-3280-7707-8707-070707070708","entry":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8","manifest":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8"}"#;

const CHARTERS: &[Row] = &[
    ("version 1 with adopt_by", false, r#""adopt_by":null"#, r#""adopt_by":"2026-11-24T09:00:00Z""#),
    ("all_but_one of two parties", false, r#""unanimous""#, r#""all_but_one""#),
    ("a quorum of none", false, r#""quorum":1"#, r#""quorum":0"#),
    ("a quorum of 16", true, r#""quorum":1"#, r#""quorum":16"#),
    ("a quorum of 17", false, r#""quorum":1"#, r#""quorum":17"#),
    ("as many witnesses as parties", true, r#""witnesses":0"#, r#""witnesses":2"#),
    ("more witnesses than parties", false, r#""witnesses":0"#, r#""witnesses":3"#),
    ("two parties of one trust domain", false, "mfa-1.sample.example", "mfa-0.sample.example"),
    ("parties in another order", false, r#""id":"sample-0""#, r#""id":"sample-7""#),
    ("a party twice", false, r#""id":"sample-1""#, r#""id":"sample-0""#),
    (
        "one key of two roles",
        false,
        "Zr5-Myx6RTMyvZ0Kf32wVfXF7xoGraZtmLOftoEMRzo",
        "Q6cucUQBdi32a2jCbfvfJoKq7J8kdOykYT5CSg-6_Tw",
    ),
    (
        "a key of small order",
        false,
        "Zr5-Myx6RTMyvZ0Kf32wVfXF7xoGraZtmLOftoEMRzo",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ),
    ("a key of another curve", false, r#""crv":"Ed25519""#, r#""crv":"X25519""#),
    ("a key of another type", false, r#""kty":"OKP""#, r#""kty":"EC""#),
    ("a key with a member more", false, r#""kty":"OKP""#, r#""kid":"a","kty":"OKP""#),
    ("a log's origin with a space", false, "exchange.sample.example/log", "exchange.sample.example /log"),
    ("a log's origin with +", false, "exchange.sample.example/log", "exchange.sample.example/+log"),
    ("a log's origin in other letters", false, "exchange.sample.example/log", "exchange.sample.example/é"),
    ("no suite", false, r#"["Ed25519"]"#, "[]"),
    ("one suite twice", false, r#"["Ed25519"]"#, r#"["Ed25519","Ed25519"]"#),
    ("a certificate of no bytes, into which nobody looks", true, r#""server_ca":"MAA""#, r#""server_ca":"""#),
    ("names in no language", false, r#"{"ar":"طرف نموذجي 0","fr":"Partie d’exemple 0"}"#, "{}"),
    ("a language with script and region", true, r#""fr":"Partie d’exemple 0""#, r#""zh-Hans-CN":"Partie d’exemple 0""#),
    (
        "a language that no file can be named after",
        false,
        r#""ar":"طرف نموذجي 0","fr""#,
        r#""ar":"طرف نموذجي 0","con""#,
    ),
    ("a key's name for a trust domain", false, "mfa-0.sample.example", "mfa_0.sample.example"),
];

const ENTRIES: &[Row] = &[
    ("first in its stream, and names one before", false, r#""seq":6"#, r#""seq":0"#),
    ("files in an entry that is not published", false, r#""files":null"#, r#""files":[]"#),
    ("a kind that there is not", false, r#""kind":"act""#, r#""kind":"note""#),
    ("a stream that there is not", false, r#""stream":"communique/"#, r#""stream":"communiques/"#),
    (
        "a stream of no communiqué",
        false,
        r#""stream":"communique/01a207a2-3280-7707-8707-070707070707""#,
        r#""stream":"communique/""#,
    ),
    ("seq at the limit of integers", true, r#""seq":6"#, r#""seq":9007199254740991"#),
    ("seq above the limit of integers", false, r#""seq":6"#, r#""seq":9007199254740992"#),
    (
        "a type, as a document has it",
        false,
        r#""time":"2026-11-23T09:08:00Z""#,
        r#""time":"2026-11-23T09:08:00Z","type":"communique.v1.entry""#,
    ),
];

/// Members of a manifest: what each may be, and what may not stand together.
fn manifests(rows: &mut Rows, good: &Value) {
    rows.closed(good, &["", "/texts/0", "/annexes/0", "/meeting", "/procedure"]);
    let table = [
        ("/founding", Form::Digest),
        ("/charter", Form::Digest),
        ("/previous", Form::Digest),
        ("/texts/0/sha256", Form::Digest),
        ("/annexes/0/sha256", Form::Digest),
        ("/salt", Form::Salt),
        ("/exchange", Form::Exchange),
        ("/communique", Form::Id),
        ("/parties/0", Form::Party),
        ("/annexes/0/titles", Form::Names),
        ("/annexes/0/titles/fr", Form::Line),
        ("/annexes/0/media_type", Form::Word(MEDIA_TYPES)),
        ("/annexes/0/size", Form::Number(1, 64 << 20)),
        ("/texts/0/size", Form::Number(1, 1 << 20)),
        ("/texts/0/dir", Form::Word(&["ltr", "rtl"])),
        ("/texts/0/status", Form::Word(&["authentic", "translation"])),
        ("/titles/fr", Form::Line),
        ("/meeting/places", Form::Names),
        ("/meeting/places/fr", Form::Line),
        ("/meeting/date", Form::Date),
        ("/legal_effect", Form::Word(&["political", "binding"])),
        ("/procedure/initialling", Form::Word(&["required", "waived"])),
        ("/procedure/deadline", Form::Time),
        ("/procedure/embargo", Form::Time),
        ("/revision", Form::Number(1, 999)),
    ];
    rows.members(good, &table);
    rows.never_null(good, &["/founding", "/charter", "/texts/0/sha256", "/annexes/0/sha256", "/salt", "/communique"]);
    rows.never_null(good, &["/exchange", "/proposer", "/rules", "/titles", "/parties", "/texts", "/annexes"]);
    rows.never_null(good, &["/meeting/date", "/meeting/places", "/procedure", "/procedure/initialling"]);
    rows.never_null(good, &["/legal_effect", "/texts/0/lang", "/texts/0/dir", "/texts/0/status", "/parties/0"]);
    rows.good(
        "the first revision, which names none before",
        good,
        [("/revision", 1.into()), ("/previous", Value::Null)],
    );
    rows.bad("a first revision that is true", good, [("/revision", true.into()), ("/previous", Value::Null)]);
    rows.bad("a second revision that names none before", good, [("/previous", Value::Null)]);
    rows.bad("the type of an act", good, [("/type", "communique.v1.act".into())]);
    rows.bad("a type with more behind it", good, [("/type", "communique.v1.manifest.more".into())]);
    rows.bad("a type of no family", good, [("/type", "manifest".into())]);
    rows.bad("a type that is null", good, [("/type", Value::Null)]);
    rows.bad("rules that are no string", good, [("/rules", 1.into())]);
    rows.bad("a proposer that is an integer", good, [("/proposer", 0.into())]);
    rows.bad("a host that is an integer", good, [("/meeting/host", 0.into())]);

    let parties = |count: usize| -> Value { (0..count).map(|n| format!("sample-{n}")).collect() };
    rows.good("64 parties", good, [("/parties", parties(64))]);
    rows.bad("65 parties", good, [("/parties", parties(65))]);
    rows.bad("parties by number", good, [("/parties", json!({ "0": "sample-0", "1": "sample-1" }))]);

    // One text alone, so that its language stands with no other.
    let text = |lang: &str| json!({ "dir": "ltr", "lang": lang, "sha256": DIGEST, "size": 9, "status": "authentic" });
    let (bad, fine) = Form::Names.values();
    let tags = bad.iter().map(|tag| (tag, false)).chain(fine.iter().map(|tag| (tag, true)));
    for ((what, titles), valid) in tags.filter(|((what, _), _)| !what.starts_with("in ") && !what.starts_with("a line"))
    {
        let Some(tag) = titles.as_object().and_then(|titles| titles.keys().next()) else { continue };
        let changes = [("/texts", json!([text(tag)])), ("/titles", titles.clone())];
        rows.push(what, valid, with(good, changes));
    }
    let many = |count| {
        let titles = languages(count, "Exemple");
        let texts: Value = titles.as_object().unwrap().keys().map(|tag| text(tag)).collect();
        [("/texts", texts), ("/titles", titles)]
    };
    rows.good("32 texts", good, many(32));
    rows.bad("33 texts", good, many(33));
    rows.bad("no text", good, [("/texts", json!([]))]);
    let turned = json!([good["texts"][1], good["texts"][0]]);
    rows.bad("texts in another order", good, [("/texts", turned)]);
    rows.bad("a text twice", good, [("/texts/-", good["texts"][1].clone())]);
    let translations = [("/texts/0/status", "translation".into()), ("/texts/1/status", "translation".into())];
    rows.bad("no text that is authentic", good, translations);
    rows.bad("a title more than texts", good, [("/titles/ru", "Exemple".into())]);

    let annex = |size: u64| with(&good["annexes"][0], [("/size", size.into())]);
    let annexes = |count: usize| Value::from(vec![annex(1); count]);
    rows.good("99 annexes", good, [("/annexes", annexes(99))]);
    rows.bad("100 annexes", good, [("/annexes", annexes(100))]);
    rows.bad("annexes by number", good, [("/annexes", json!({ "1": annex(1) }))]);
    let texts = 45 + good["texts"][1]["size"].as_u64().unwrap();
    assert_eq!(good["texts"][0]["size"], 45);
    let together = |more: u64| {
        let mut all = vec![annex(64 << 20); 15];
        all.push(annex((64 << 20) - texts + more));
        Value::from(all)
    };
    rows.good("texts and annexes of 1 GiB together", good, [("/annexes", together(0))]);
    rows.bad("texts and annexes of 1 GiB and a byte together", good, [("/annexes", together(1))]);

    let corrects = with(good, [("/rectifies", json!({ "communique": OTHER_ID, "entry": DIGEST, "manifest": DIGEST }))]);
    rows.closed(&corrects, &["/rectifies"]);
    let table = [
        ("/rectifies/manifest", Form::Digest),
        ("/rectifies/entry", Form::Digest),
        ("/rectifies/communique", Form::Id),
    ];
    rows.members(&corrects, &table);
    rows.never_null(&corrects, &["/rectifies/manifest", "/rectifies/entry", "/rectifies/communique"]);

    let mut long =
        with(good, [("/annexes", Value::from(vec![with(&annex(1), [("/titles", languages(32, "a"))]); 16]))]);
    for (says, bytes, valid) in OVER {
        fill(&mut long, "/annexes", "/titles", 512 << 10, *bytes);
        rows.push(says, *valid, long.clone());
    }
}

const MEDIA_TYPES: &[&str] = &["application/pdf", "image/jpeg", "image/png", "image/tiff", "text/csv", "text/plain"];

/// A document at its limit, and above: by how many bytes.
const OVER: &[(&str, usize, bool)] = &[("at its limit", 0, true), ("a byte above its limit", 1, false)];

/// Makes the lines that stand in each item of a list longer until there are `limit` bytes, and so many more.
fn fill(value: &mut Value, list: &str, map: &str, limit: usize, more: usize) {
    let mut lacks = limit + more - value.to_string().len();
    for item in value.pointer_mut(list).unwrap().as_array_mut().unwrap() {
        for line in item.pointer_mut(map).unwrap().as_object_mut().unwrap().values_mut() {
            let length = line.as_str().unwrap().len();
            let grown = lacks.min(1024 - length);
            lacks -= grown;
            *line = "a".repeat(length + grown).into();
        }
    }
    assert_eq!(lacks, 0);
}

fn charters(rows: &mut Rows, good: &Value) {
    let jwk = |seed| serde_json::to_value(key(seed).public()).unwrap();
    let party = |n: usize, quorum: u64| {
        json!({ "authority": jwk(2000 + n as u32), "id": format!("sample-{n:02}"), "names": { "fr": "Exemple" },
            "quorum": quorum, "trust_domain": format!("mfa-{n}.example"), "witness": null })
    };
    let of = |count: usize, quorum: u64| -> Value { (0..count).map(|n| party(n, quorum)).collect() };
    rows.closed(good, &["", "/parties/0", "/log", "/log/key", "/depositary", "/parties/0/authority"]);
    let table = [
        ("/exchange", Form::Exchange),
        ("/parties/0/trust_domain", Form::Domain),
        ("/parties/0/id", Form::Party),
        ("/parties/0/names", Form::Names),
        ("/parties/0/names/fr", Form::Line),
        ("/parties/0/authority", Form::Key),
        ("/parties/0/witness", Form::Key),
        ("/log/key", Form::Key),
        ("/depositary", Form::Key),
        ("/parties/0/quorum", Form::Number(1, 16)),
        ("/witnesses", Form::Number(0, 2)),
        ("/server_ca", Form::Bytes(8192)),
    ];
    rows.members(good, &table);
    rows.never_null(
        good,
        &["/exchange", "/parties", "/parties/0/trust_domain", "/parties/0/id", "/parties/0/authority"],
    );
    rows.never_null(good, &["/log", "/log/origin", "/log/key", "/depositary", "/server_ca", "/suites", "/succession"]);

    // All that is of a later charter alone.
    let time = "2026-11-24T09:00:00Z";
    let later = with(good, [("/version", 2.into()), ("/previous", DIGEST.into()), ("/adopt_by", time.into())]);
    rows.good("version 2", &later, []);
    rows.members(
        &later,
        &[("/version", Form::Number(1, MOST)), ("/previous", Form::Digest), ("/adopt_by", Form::Time)],
    );
    rows.bad("version 2 that names none before", &later, [("/previous", Value::Null)]);
    rows.bad("version 2 without adopt_by", &later, [("/adopt_by", Value::Null)]);
    rows.bad("version: true, of the first", good, [("/version", true.into())]);
    rows.bad("version 1 that names one before", good, [("/previous", DIGEST.into())]);

    let three = with(good, [("/parties", of(3, 1))]);
    rows.members(&three, &[("/succession", Form::Word(&["all_but_one"]))]);
    rows.bad("one party", good, [("/parties", of(1, 1))]);
    rows.good("64 parties", good, [("/parties", of(64, 1))]);
    rows.bad("65 parties", good, [("/parties", of(65, 1))]);
    rows.bad("parties by number", good, [("/parties", json!({ "0": party(0, 1), "1": party(1, 1) }))]);
    let seats = with(good, [("/parties", of(33, 16))]);
    rows.good("quorums of 512 together", good, [("/parties", of(32, 16))]);
    rows.bad("quorums of 513 together", &seats, [("/parties/32/quorum", 1.into())]);
    rows.bad("three witnesses of two parties", good, [("/witnesses", 3.into())]);

    let witnessed = with(good, [("/parties/0/witness", jwk(95)), ("/parties/1/witness", jwk(96))]);
    rows.good("witnesses of both parties", &witnessed, []);
    for (says, from, to) in [
        ("one key of authority and witness", "/parties/0/authority", "/parties/0/witness"),
        ("one key of two parties’ witnesses", "/parties/0/witness", "/parties/1/witness"),
        ("one key of a party and the log", "/parties/1/authority", "/log/key"),
        ("one key of a party and the depositary", "/parties/1/authority", "/depositary"),
        ("one key of a witness and the log", "/parties/1/witness", "/log/key"),
        ("one key of a witness and the depositary", "/parties/1/witness", "/depositary"),
        ("one key of log and depositary", "/log/key", "/depositary"),
    ] {
        rows.bad(says, &witnessed, [(to, witnessed.pointer(from).unwrap().clone())]);
    }

    rows.good("a log’s origin of one letter", good, [("/log/origin", "o".into())]);
    rows.good("a log’s origin of 255 bytes", good, [("/log/origin", "~".repeat(255).into())]);
    rows.bad("a log’s origin of 256 bytes", good, [("/log/origin", "~".repeat(256).into())]);
    for (says, origin) in [("of nothing", ""), ("with a control", "log\u{7f}"), ("with a line feed after it", "log\n")]
    {
        rows.bad(&format!("a log’s origin {says}"), good, [("/log/origin", origin.into())]);
    }
    rows.bad("a log’s origin that is an integer", good, [("/log/origin", 7.into())]);
    rows.bad("a suite that is no string", good, [("/suites", json!([1]))]);
    rows.bad("a suite and what is none", good, [("/suites", json!(["Ed25519", null]))]);
    rows.bad("the type of a manifest", good, [("/type", "communique.v1.manifest".into())]);
    rows.bad("a type with more behind it", good, [("/type", "communique.v1.charters".into())]);
    rows.bad("a type that is null", good, [("/type", Value::Null)]);

    let mut long = with(good, [("/parties", of(16, 1))]);
    for item in long["parties"].as_array_mut().unwrap() {
        item["names"] = languages(32, "a");
    }
    for (says, bytes, valid) in OVER {
        fill(&mut long, "/parties", "/names", 512 << 10, *bytes);
        rows.push(says, *valid, long.clone());
    }
}

fn entries(rows: &mut Rows, good: &Value) {
    const STREAM: &str = "communique/01a207a2-3280-7707-8707-070707070707";
    let file = |path: &str| json!({ "path": path, "sha256": DIGEST });
    let files = |paths: &[&str]| -> Value { paths.iter().map(|path| file(path)).collect() };
    let published = with(good, [("/kind", "published".into()), ("/files", files(&["a", "b"]))]);
    let documented = with(good, [("/documents", json!([DIGEST]))]);
    rows.closed(good, &[""]);
    rows.closed(&published, &["/files/0"]);
    rows.members(good, &[("/kind", Form::Word(KINDS))]);
    let table = [
        ("/previous", Form::Digest),
        ("/documents/0", Form::Digest),
        ("/statements/0", Form::Digest),
        ("/seq", Form::Number(0, MOST)),
        ("/salt", Form::Salt),
        ("/time", Form::Time),
    ];
    rows.members(&documented, &table);
    rows.members(&published, &[("/files/1/sha256", Form::Digest)]);
    rows.never_null(&documented, &["/documents", "/documents/0", "/statements", "/statements/0", "/salt", "/time"]);
    rows.never_null(good, &["/kind", "/stream"]);

    rows.good("first in its stream", good, [("/seq", 0.into()), ("/previous", Value::Null)]);
    rows.bad("not the first in its stream, and names none before", good, [("/previous", Value::Null)]);
    for name in ["documents", "statements"] {
        let (pointer, many) = (format!("/{name}"), |count| Value::from(vec![DIGEST; count]));
        rows.good(&format!("no {name}"), good, [(pointer.as_str(), json!([]))]);
        rows.good(&format!("1,024 {name}"), good, [(pointer.as_str(), many(1024))]);
        rows.bad(&format!("1,025 {name}"), good, [(pointer.as_str(), many(1025))]);
        rows.bad(&format!("{name} by number"), good, [(pointer.as_str(), json!({ "0": DIGEST }))]);
    }

    rows.good("published", &published, []);
    for (says, value) in [
        ("null", Value::Null),
        ("none", json!([])),
        ("by path", json!({ "a": DIGEST })),
        ("in another order", files(&["b", "a"])),
        ("one twice", files(&["a", "a"])),
        ("by UTF-16", files(&["\u{1d11e}", "\u{ff5e}"])),
        ("a path alone", json!(["a"])),
        ("a path that is an integer", json!([{ "path": 1, "sha256": DIGEST }])),
        ("a path that is null", json!([{ "path": null, "sha256": DIGEST }])),
    ] {
        rows.bad(&format!("published, files: {says}"), &published, [("/files", value)]);
    }
    for (says, paths) in [
        ("of any name", &["", "\t", "../a", "/", "C:\\a", "a//b"][..]),
        ("by bytes of UTF-8, not by UTF-16", &["\u{ff5e}", "\u{1d11e}"]),
        ("not by segments", &["a", "a-b", "a/b"]),
    ] {
        rows.good(&format!("published, files: {says}"), &published, [("/files", files(paths))]);
    }
    rows.bad("files of an act", good, [("/files", files(&["a"]))]);

    for stream in ["exchange", "party/sample-0", "remarks/01a207a2-3280-7707-8707-070707070707"] {
        rows.good(&format!("in {stream}"), good, [("/stream", stream.into())]);
    }
    for stream in [
        "",
        "Exchange",
        "exchange/",
        "exchange/a",
        "exchanges",
        "party",
        "party/",
        "party/S",
        "party/sample_0",
        "party/sample-0/",
        "parties/sample-0",
        "/sample-0",
        "communique",
        "communique/sample-0",
        "remarks",
        "remarks/sample-0",
        "exchange\n",
        "remark/01a207a2-3280-7707-8707-070707070707",
        "remarks/01A207A2-3280-7707-8707-070707070707",
        "communique/01a207a2-3280-4707-8707-070707070707",
        "communique/01A207A2-3280-7707-8707-070707070707",
        "communique/01a207a2328077078707070707070707",
    ] {
        rows.bad(&format!("in {stream:?}"), good, [("/stream", stream.into())]);
    }
    rows.bad("a line feed after its stream", good, [("/stream", format!("{STREAM}\n").into())]);
    rows.bad("a stream that is an integer", good, [("/stream", 7.into())]);

    for (says, bytes, valid) in OVER {
        let rest = with(&published, [("/files", files(&[""]))]).to_string().len();
        let long = [("/files", files(&["a".repeat((8 << 20) + bytes - rest).as_str()]))];
        rows.push(says, *valid, with(&published, long));
    }
}

/// Every kind of entry that has no files.
const KINDS: &[&str] = &[
    "charter",
    "adoption",
    "trust",
    "powers",
    "revocation",
    "revision",
    "act",
    "opened",
    "completed",
    "lapsed",
    "returned",
    "rectified",
    "purged",
    "remark",
];

fn remarks(rows: &mut Rows, good: &Value) {
    rows.closed(good, &[""]);
    let table = [
        ("/salt", Form::Salt),
        ("/founding", Form::Digest),
        ("/exchange", Form::Exchange),
        ("/communique", Form::Id),
        ("/revision", Form::Number(1, 999)),
        ("/party", Form::Party),
        ("/author", Form::Line),
        ("/audience", Form::Word(&["all", "own"])),
        ("/text", Form::Prose),
        ("/time", Form::Time),
    ];
    rows.members(good, &table);
    let members =
        ["/salt", "/founding", "/exchange", "/communique", "/party", "/author", "/audience", "/text", "/time"];
    rows.never_null(good, &members);
    rows.good("in no language", good, [("/lang", Value::Null)]);
    rows.good("in a language with a script", good, [("/lang", "zh-Hant".into())]);
    rows.bad("in a language in capitals", good, [("/lang", "FR".into())]);
    rows.bad("in a language that no file can be named after", good, [("/lang", "con".into())]);
    rows.bad("the type of a manifest", good, [("/type", "communique.v1.manifest".into())]);
}

/// Documents of other versions of the format, and what is none at all although it says that it is one.
fn foreign(kind: &str, good: &Value) -> Vec<(String, bool, Value)> {
    // It is nested one deep itself.
    let nested = |depth: usize| (1..depth).fold(Value::Null, |inner, _| json!([inner]));
    let typed = |name: &str| with(good, [("/type", format!("communique.{name}.{kind}").into())]);
    let other = &typed("v2");
    let mut rows = vec![
        ("of another version", true, other.clone()),
        ("of a version with more digits", true, typed("v10")),
        ("of a version that is no number", true, typed("v")),
        ("of another family", false, typed("w1")),
        (
            "of another version, with other members",
            true,
            without(&with(other, [("/z", json!({ "a": [true] }))]), "/exchange"),
        ),
        ("of another version, nested 127 deep", true, with(other, [("/z", nested(127))])),
        ("of another version, nested 128 deep", false, with(other, [("/z", nested(128))])),
        ("of another version, with the largest integer", true, with(other, [("/z", MOST.into())])),
        ("of another version, with a larger integer", false, with(other, [("/z", (MOST + 1).into())])),
        ("of another version, with a negative integer", false, with(other, [("/z", json!(-1))])),
        ("of another version, with a fraction", false, with(other, [("/z", json!(1.5))])),
        ("of another version, with a member of others’ letters", false, with(other, [("/é", Value::Null)])),
        ("of another version, with such a member within", false, with(other, [("/z", json!([{ "é": null }]))])),
    ];
    if kind == "manifest" {
        rows.extend([
            ("other text rules", true, with(good, [("/rules", "text.v2".into())])),
            ("other text rules, of another type", true, with(&typed("w1"), [("/rules", "text.v2".into())])),
            ("other text rules, without a type", true, without(&with(good, [("/rules", "text.v2".into())]), "/type")),
            ("rules of no name", true, with(good, [("/rules", "".into())])),
        ]);
    } else {
        rows.extend([
            ("another suite", true, with(good, [("/suites", json!(["Ed448"]))])),
            ("another suite beside the one", true, with(good, [("/suites", json!(["Ed25519", "ML-DSA-65"]))])),
            ("another suite beside what is none", true, with(good, [("/suites", json!([1, "Ed448"]))])),
            ("a suite that stands in no list", false, with(good, [("/suites", "Ed448".into())])),
        ]);
    }
    rows.into_iter().map(|(says, foreign, value)| (says.to_owned(), foreign, value)).collect()
}

/// Whether a package cannot be judged with this document in it.
fn is_foreign(kind: &'static str, document: &str) -> bool {
    let mut plan = Plan::new(2, 1, Initialling::Waived);
    let (path, bytes) =
        if kind == "manifest" { (bag::MANIFEST_PATH.to_owned(), document) } else { (bag::charter_path(1), document) };
    let bytes = bytes.as_bytes().to_vec();
    plan.after = Box::new(move |files| drop(files.insert(path.clone(), bytes.clone())));
    plan.play().verify().name() == "cannot_judge"
}

fn remark(manifest: &Value) -> Value {
    json!({ "audience": "all", "author": "Délégation d’exemple", "communique": manifest["communique"],
        "exchange": manifest["exchange"], "founding": manifest["founding"], "lang": "fr", "party": "sample-0", "revision": 2,
        "salt": manifest["salt"], "text": "Remarque d’exemple.", "time": "2026-11-23T09:08:00Z", "type": "communique.v1.remark" })
}

pub fn made() -> Vec<Given> {
    let played = Plan::new(2, 1, Initialling::Waived).play();
    let text = |path: &str| String::from_utf8(played.files[path].clone()).unwrap();
    let manifest = text("data/communique.json");
    let remark = remark(&serde_json::from_str(&manifest).unwrap()).to_string();
    type Members = fn(&mut Rows, &Value);
    let goods: [(_, _, &[Row], Members); 4] = [
        ("manifest", manifest, MANIFESTS, manifests),
        ("charter", text("data/charters/1.json"), CHARTERS, charters),
        ("entry", text("data/entries/13.json"), ENTRIES, entries),
        ("remark", remark, &[], remarks),
    ];
    let (mut all, mut rows): (Vec<Given>, _) = (vec![], Rows::default());
    for (kind, good, changes, members) in goods {
        let value: Value = serde_json::from_str(&good).unwrap();
        assert_eq!(value.to_string(), good, "what is made of values is in canonical form");
        let given = |says: String, valid, document| Given { document, foreign: false, kind, says, valid };
        for (says, valid, from, to) in changes {
            assert!(good.contains(from), "{kind}: {from}");
            all.push(given((*says).into(), *valid, good.replacen(from, to, 1)));
        }
        let forms = [
            ("a line feed after it", format!("{good}\n")),
            ("a space before it", format!(" {good}")),
            ("a byte order mark before it", format!("\u{feff}{good}")),
            ("a space within", good.replacen(':', ": ", 1)),
            (
                "a member twice",
                good.replacen("\"salt\"", "\"salt\":null,\"salt\"", 1).replacen("\"log\"", "\"log\":null,\"log\"", 1),
            ),
            ("a needless escape", good.replacen("sample", "s\\u0061mple", 1).replacen("\"act\"", "\"\\u0061ct\"", 1)),
            ("a list around it", format!("[{good}]")),
            ("nothing", String::new()),
        ];
        members(&mut rows, &value);
        let made = rows.take().into_iter().map(|made| given(made.says, made.valid, made.value.to_string()));
        // What stands there already is not made again.
        for one in made {
            if one.document != good && all.iter().all(|other| other.kind != kind || other.document != one.document) {
                all.push(one);
            }
        }
        all.push(given("good".into(), true, good.clone()));
        all.extend(forms.map(|(says, document)| given(says.into(), false, document)));
        if matches!(kind, "manifest" | "charter") {
            for (says, foreign, value) in foreign(kind, &value) {
                let document = value.to_string();
                assert_eq!(is_foreign(kind, &document), foreign, "{kind}: {says}");
                all.push(Given { foreign, ..given(says, false, document) });
            }
        }
    }
    let misjudged = all.iter().filter(|given| holds(given.kind, &given.document) != given.valid);
    let misjudged: Vec<_> = misjudged.map(|given| (given.kind, &given.says, given.valid)).collect();
    assert!(misjudged.is_empty(), "{misjudged:#?}");
    all
}
