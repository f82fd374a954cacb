//! Documents and entries: what is one, and what is out of bounds.

use communique::domain::{
    charter::Charter,
    document::Document,
    entry::Entry,
    json,
    manifest::{Initialling, Manifest},
};
use serde::Serialize;

use crate::played::Plan;

/// A document, and whether it is one of this kind.
#[derive(Serialize)]
pub struct Given {
    document: String,
    kind: &'static str,
    says: String,
    valid: bool,
}

fn holds(kind: &str, document: &str) -> bool {
    let bytes = document.as_bytes();
    match kind {
        "charter" => Document::<Charter>::parse(bytes.to_vec()).is_ok(),
        "entry" => json::parse::<Entry>(bytes).is_ok(),
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
    ("texts in another order", false, r#""lang":"ar""#, r#""lang":"ru""#),
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
    ("a member that is missing", false, r#""meeting":{"#, r#""meetings":{"#),
    ("another type", false, "communique.v1.manifest", "communique.v1.charter"),
];

const ITSELF: &str = r#""rectifies":{"communique":"01a207a2-3280-7707-8707-070707070707","entry":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8","manifest":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8"}"#;
const ANOTHER: &str = r#""rectifies":{"communique":"01a207a2-3280-7707-8707-070707070708","entry":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8","manifest":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8"}"#;

const CHARTERS: &[Row] = &[
    ("version 0", false, r#""version":1"#, r#""version":0"#),
    ("version 2 that names none before", false, r#""version":1"#, r#""version":2"#),
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
    ("a language in capitals", false, r#""fr":"Partie d’exemple 0""#, r#""FR":"Partie d’exemple 0""#),
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

pub fn made() -> Vec<Given> {
    let played = Plan::new(2, 1, Initialling::Waived).play();
    let text = |path: &str| String::from_utf8(played.files[path].clone()).unwrap();
    let goods = [
        ("manifest", text("data/communique.json"), MANIFESTS),
        ("charter", text("data/charters/1.json"), CHARTERS),
        ("entry", text("data/entries/13.json"), ENTRIES),
    ];
    let mut all = vec![];
    for (kind, good, rows) in goods {
        for (says, valid, from, to) in rows {
            assert!(good.contains(from), "{kind}: {from}");
            all.push(Given { document: good.replacen(from, to, 1), kind, says: (*says).into(), valid: *valid });
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
        all.push(Given { says: "good".into(), valid: true, document: good, kind });
        all.extend(forms.map(|(says, document)| Given { document, kind, says: says.into(), valid: false }));
    }
    let misjudged = all.iter().filter(|given| holds(given.kind, &given.document) != given.valid);
    let misjudged: Vec<_> = misjudged.map(|given| (given.kind, &given.says, given.valid)).collect();
    assert!(misjudged.is_empty(), "{misjudged:#?}");
    all
}
