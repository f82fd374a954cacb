//! Statements, good ones of every type, and what no verifier may take for one.

use communique::domain::{
    act::{Act, ActKind},
    certified::CertifiedCopy,
    charter::{Adoption, Der},
    id::Digest,
    json::{base64, unbase64},
    key::{PublicKey, Signer as _},
    powers::Powers,
    powers::Revocation,
    statement::{Body, STATEMENT_LIMIT, Statement, Unverified},
    trust::Trust,
};
use serde::Serialize;
use sha2::{Digest as _, Sha512};

use super::{
    keys::{twisted, unused_bits_set},
    members::{Made, Rows},
    payloads, pieces,
};
use crate::played::{self, Plan, Played, Seed, authority, key, official};

/// A compact form, and whether it is a statement of this type by this key.
#[derive(Serialize)]
pub struct Said {
    #[serde(serialize_with = "pieces::serialize")]
    compact: String,
    key: PublicKey,
    says: String,
    typ: String,
    valid: bool,
}

const PREFIX: &str = "communique.v1.";

/// Changes of good payloads: the type, what it comes to, whether that is a statement, what is replaced by what.
const BOUNDS: &[(&str, &str, bool, &str, &str)] = &[
    ("act", "revision 0", false, r#""revision":2"#, r#""revision":0"#),
    ("act", "no place", true, r#""place":"Ville d’exemple""#, r#""place":null"#),
    ("act", "a signature with a reason", false, r#""reason":null"#, r#""reason":"Motif d’exemple""#),
    ("act", "a signature that confirms", false, r#""confirms":null"#, CONFIRMS),
    (
        "act",
        "a signature with words for a declaration",
        false,
        r#""declaration":null"#,
        r#""declaration":{"fr":"Exemple"}"#,
    ),
    ("act", "initials for an opening", false, r#""act":"sign""#, r#""act":"initial""#),
    ("adoption", "version 0", false, r#""version":1"#, r#""version":0"#),
    ("adoption", "a party id with a capital", false, r#""party":"sample-0""#, r#""party":"Sample-0""#),
    ("certified-copy", "a large index", true, r#""index":"#, r#""index":90071992547409"#),
    ("certified-copy", "an index above the limit of integers", false, r#""index":"#, r#""index":900719925474099"#),
    ("powers", "one act", true, ACTS, r#""acts":["sign"]"#),
    ("powers", "no acts", false, ACTS, r#""acts":[]"#),
    ("powers", "an act twice", false, ACTS, r#""acts":["sign","sign"]"#),
    ("powers", "acts in another order", false, ACTS, r#""acts":["sign","initial"]"#),
    ("powers", "an act that there is not", false, ACTS, r#""acts":["ratify"]"#),
    ("powers", "for one communiqué", true, r#""scope":null"#, r#""scope":["01a207a2-3280-7707-8707-070707070707"]"#),
    ("powers", "for no communiqué", false, r#""scope":null"#, r#""scope":[]"#),
    ("powers", "they end before they begin", false, r#""not_after":"2026-12-23"#, r#""not_after":"2026-11-22"#),
    ("powers", "they hold for one second", true, r#""not_after":"2026-12-23"#, r#""not_after":"2026-11-23"#),
    ("powers", "a holder id with a dot", true, r#""id":"holder-2""#, r#""id":"a.holder""#),
    ("powers", "a holder id of one letter", false, r#""id":"holder-2""#, r#""id":"h""#),
    (
        "powers",
        "a holder without titles",
        false,
        r#""titles":{"ar":"صفة نموذجية","fr":"Titre d’exemple"}"#,
        r#""titles":{}"#,
    ),
    ("revocation", "without a reason", false, r#""reason":"Fin de mission (exemple).""#, r#""reason":"""#),
    ("revocation", "a reason of two paragraphs", true, "Fin de mission (exemple).", "Fin de mission.\\n\\n(Exemple.)"),
    (
        "revocation",
        "a reason that ends with a line feed",
        false,
        "Fin de mission (exemple).",
        "Fin de mission (exemple).\\n",
    ),
    ("trust", "serial 0", false, r#""serial":1"#, r#""serial":0"#),
    ("trust", "no certificate", false, r#""certificates":["MAA"]"#, r#""certificates":[]"#),
    ("trust", "a certificate twice", false, r#""certificates":["MAA"]"#, r#""certificates":["MAA","MAA"]"#),
    (
        "trust",
        "certificates sorted by their bytes",
        true,
        r#""certificates":["MAA"]"#,
        r#""certificates":["AA","MAA"]"#,
    ),
    ("trust", "certificates in another order", false, r#""certificates":["MAA"]"#, r#""certificates":["MAA","AA"]"#),
];
const ACTS: &str = r#""acts":["confirm","declare","decline","initial","object","open","propose","purge","release","sign","sign_ad_referendum","withdraw"]"#;
const CONFIRMS: &str = r#""confirms":"badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8""#;

fn holds(typ: &str, compact: &str, key: &PublicKey) -> bool {
    fn is<B: Body>(compact: &str, key: &PublicKey) -> bool {
        Unverified::<B>::parse(compact).is_ok_and(|statement| statement.verify(key).is_ok())
    }
    match typ.strip_prefix(PREFIX).unwrap() {
        "act" => is::<Act>(compact, key),
        "adoption" => is::<Adoption>(compact, key),
        "certified-copy" => is::<CertifiedCopy>(compact, key),
        "powers" => is::<Powers>(compact, key),
        "revocation" => is::<Revocation>(compact, key),
        "trust" => is::<Trust>(compact, key),
        other => panic!("no such type: {other}"),
    }
}

/// The first statement of the package that is of this type and by this key.
fn of(played: &Played, typ: &str, seed: Seed) -> String {
    let statements = played.files.iter().filter(|(path, _)| path.ends_with(".jws"));
    let statements = statements.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap());
    let typ = format!("{PREFIX}{typ}");
    // Of acts, a signature.
    let other =
        |compact: &&String| Unverified::<Act>::parse(compact).is_ok_and(|act| act.claims().act != ActKind::Sign);
    let mut statements = statements.filter(|compact| !other(&compact));
    statements.find(|compact| holds(&typ, compact, &key(seed).public())).unwrap()
}

fn trust(played: &Played) -> Trust {
    Trust {
        founding: played.charter.digest(),
        exchange: played.charter.exchange.clone(),
        party: played::party(0),
        serial: 1,
        certificates: vec![Der::new(vec![0x30, 0]).unwrap()],
        revoked: vec![Digest::of(b"a sample certificate")],
        time: played::start(),
    }
}

/// Signs any header and payload.
fn raw(header: &str, payload: &[u8], seed: Seed) -> String {
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload));
    let signature = key(seed).sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64(&signature))
}

pub fn made() -> Vec<Said> {
    let played = Plan::substitution().play();
    let signer = official(0, 0);
    let act = of(&played, "act", signer);
    let mut rows: Vec<(&str, Seed, String, String, bool)> = vec![];
    let good = [
        ("act", signer, act.clone()),
        ("adoption", authority(0), of(&played, "adoption", authority(0))),
        ("certified-copy", played::DEPOSITARY, of(&played, "certified-copy", played::DEPOSITARY)),
        ("powers", authority(1), of(&played, "powers", authority(1))),
        ("revocation", authority(1), of(&played, "revocation", authority(1))),
        ("trust", authority(0), Statement::sign(trust(&played), &key(authority(0))).unwrap().compact().to_owned()),
    ];
    for (typ, seed, compact) in &good {
        rows.push((typ, *seed, "good".into(), compact.clone(), true));
        rows.push((
            typ,
            official(0, 1),
            "by another key than the one that it must be by".into(),
            compact.clone(),
            false,
        ));
        let (header, payload) = opened(compact);
        let changed = altered(&payload);
        let parts: Vec<_> = compact.split('.').collect();
        let tampered = format!("{}.{}.{}", parts[0], base64(changed.as_bytes()), parts[2]);
        let says = "its time was changed, and it was not signed again";
        rows.push((typ, *seed, says.into(), tampered, false));
        rows.push((typ, *seed, "its time was changed, signed".into(), raw(&header, changed.as_bytes(), *seed), true));
    }
    for (typ, seed, compact) in &good[1..] {
        rows.push(("act", *seed, format!("good, but of the type {typ}"), compact.clone(), false));
    }
    for (typ, says, valid, from, to) in BOUNDS {
        let (_, seed, compact) = good.iter().find(|(of, ..)| of == typ).unwrap();
        let (header, payload) = opened(compact);
        assert!(payload.contains(from), "{typ}: {from} in {payload}");
        let changed = raw(&header, payload.replacen(from, to, 1).as_bytes(), *seed);
        rows.push((typ, *seed, format!("payload: {says}, signed"), changed, *valid));
    }
    let mut made = Rows::default();
    for (typ, seed, compact) in &good {
        let (header, payload) = opened(compact);
        let value: serde_json::Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(value.to_string(), payload, "what is made of values is in canonical form");
        for Made { says, valid, value } in payloads::made(&mut made, typ, &value) {
            let compact = raw(&header, value.to_string().as_bytes(), *seed);
            // What stands there already is not made again.
            if rows.iter().all(|(other, _, _, known, _)| other != typ || *known != compact) {
                rows.push((typ, *seed, format!("payload: {says}, signed"), compact, valid));
            }
        }
    }
    rows.extend(bad(&act, signer).into_iter().map(|(says, compact)| ("act", signer, says.to_owned(), compact, false)));
    let said = |(typ, seed, says, compact, valid): (&str, Seed, String, String, bool)| Said {
        compact,
        key: key(seed).public(),
        says,
        typ: format!("{PREFIX}{typ}"),
        valid,
    };
    let all: Vec<_> = rows.into_iter().map(said).collect();
    let misjudged = all.iter().filter(|s| holds(&s.typ, &s.compact, &s.key) != s.valid);
    let misjudged: Vec<_> = misjudged.map(|s| (&s.typ, &s.says, s.valid)).collect();
    assert!(misjudged.is_empty(), "{misjudged:#?}");
    all
}

/// Header and payload of a compact form.
fn opened(compact: &str) -> (String, String) {
    let part = |n| String::from_utf8(unbase64(compact.split('.').nth(n).unwrap()).unwrap()).unwrap();
    (part(0), part(1))
}

/// The payload with another time: as good as it was.
fn altered(payload: &str) -> String {
    let at = payload.find(":00Z\"").unwrap();
    format!("{}:01Z{}", &payload[..at], &payload[at + 4..])
}

/// What was made of a good act.
fn bad(act: &str, signer: Seed) -> Vec<(&'static str, String)> {
    let [head, body, signature] = act.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let decoded = |part| String::from_utf8(unbase64(part).unwrap()).unwrap();
    let (header, payload) = (decoded(head), decoded(body));
    let bytes: [u8; 64] = unbase64(signature).unwrap().try_into().unwrap();
    let kid = key(signer).public().thumbprint();
    let signed = |header: &str| raw(header, payload.as_bytes(), signer);
    let with = |from: &str, to: &str| {
        assert!(payload.contains(from), "{from}");
        raw(&header, payload.replacen(from, to, 1).as_bytes(), signer)
    };
    let resigned = |signature: &[u8]| format!("{head}.{body}.{}", base64(signature));
    let message = format!("{head}.{body}");
    let mut altered = bytes;
    altered[0] ^= 1;
    let without_place = {
        let place = payload.find("\"place\"").unwrap();
        let end = payload[place..].find("\"reason\"").unwrap() + place;
        format!("{}{}", &payload[..place], &payload[end..])
    };
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    vec![
        (
            "header: members in another order",
            signed(&format!(r#"{{"alg":"EdDSA","typ":"communique.v1.act","kid":"{kid}"}}"#)),
        ),
        ("header: with spaces", signed(&header.replace(':', ": "))),
        ("header: a line feed after it", signed(&format!("{header}\n"))),
        ("header: a member more", signed(&header.replace("{", r#"{"a":1,"#))),
        ("header: crit", signed(&header.replace(r#""kid""#, r#""crit":["exp"],"kid""#))),
        ("header: b64 is false", signed(&header.replace(r#""kid""#, r#""b64":false,"kid""#))),
        ("header: a member twice", signed(&header.replace("{", r#"{"alg":"EdDSA","#))),
        ("header: without kid", signed(r#"{"alg":"EdDSA","typ":"communique.v1.act"}"#)),
        ("header: without typ", signed(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#))),
        ("header: the key itself, and no kid", {
            let jwk = serde_json::to_string(&key(signer).public()).unwrap();
            signed(&format!(r#"{{"alg":"EdDSA","jwk":{jwk},"typ":"communique.v1.act"}}"#))
        }),
        ("header: alg Ed25519", signed(&header.replace("EdDSA", "Ed25519"))),
        ("header: alg ES256", signed(&header.replace("EdDSA", "ES256"))),
        ("header: alg HS256", signed(&header.replace("EdDSA", "HS256"))),
        ("header: alg eddsa", signed(&header.replace("EdDSA", "eddsa"))),
        ("header: alg none, signed all the same", signed(&header.replace("EdDSA", "none"))),
        ("header: alg none, without a signature", {
            format!("{}.{body}.", base64(header.replace("EdDSA", "none").as_bytes()))
        }),
        ("header: kid of another key", signed(&header.replace(&kid, &key(authority(0)).public().thumbprint()))),
        ("header: kid in hexadecimal", signed(&header.replace(&kid, &Digest::of(b"kid").to_string()))),
        ("header: typ of full powers", signed(&header.replace(".act", ".powers"))),
        ("header: typ of another version", signed(&header.replace(".v1.", ".v2."))),
        ("header: typ with application/", signed(&header.replace("communique.v1", "application/communique.v1"))),
        ("header: typ in capitals", signed(&header.replace("communique.v1.act", "COMMUNIQUE.V1.ACT"))),
        ("header: escaped", signed(&header.replace("EdDSA", "\\u0045dDSA"))),
        ("header: nothing", format!(".{body}.{signature}")),
        ("payload: nothing", format!("{head}..{signature}")),
        ("signature: nothing", format!("{head}.{body}.")),
        ("padding after the payload", format!("{head}.{body}=.{signature}")),
        ("padding after the signature", format!("{act}==")),
        ("unused bits set in the signature", format!("{head}.{body}.{}", unused_bits_set(signature))),
        ("signature in the alphabet of plain base64", {
            // Another act whose signature has such letters.
            let plain = (0..).map(|n| with("Ville d’exemple", &format!("Ville d’exemple {n}")));
            let plain = plain.into_iter().find(|c| c.rsplit('.').next().unwrap().contains('-')).unwrap();
            let (signed, signature) = plain.rsplit_once('.').unwrap();
            format!("{signed}.{}", signature.replace('-', "+").replace('_', "/"))
        }),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{act}.{signature}")),
        ("four parts, the last empty", format!("{act}.")),
        ("a line feed after it", format!("{act}\n")),
        ("a space before it", format!(" {act}")),
        ("a line feed within the payload", format!("{head}.{}\n{}.{signature}", &body[..64], &body[64..])),
        ("JSON serialisation", { format!(r#"{{"payload":"{body}","protected":"{head}","signature":"{signature}"}}"#) }),
        ("nothing at all", String::new()),
        ("payload: a line feed after it, signed", raw(&header, format!("{payload}\n").as_bytes(), signer)),
        ("payload: a byte order mark before it, signed", raw(&header, format!("\u{feff}{payload}").as_bytes(), signer)),
        ("payload: a space within, signed", with(",", ", ")),
        ("payload: a needless escape, signed", with("\"sample-0\"", "\"\\u0073ample-0\"")),
        ("payload: a letter escaped that may stand, signed", with("’", "\\u2019")),
        ("payload: members in another order, signed", {
            let (first, rest) = payload.split_once(',').unwrap();
            raw(&header, format!("{{{},{}}}", rest.trim_end_matches('}'), &first[1..]).as_bytes(), signer)
        }),
        ("payload: a member twice, signed", with("\"revision\":2", "\"revision\":2,\"revision\":2")),
        ("payload: a member unknown, signed", with("{", "{\"a\":1,")),
        ("payload: a member missing, signed", raw(&header, without_place.as_bytes(), signer)),
        ("payload: an integer with a fraction, signed", with("\"revision\":2", "\"revision\":2.0")),
        ("payload: an integer with an exponent, signed", with("\"revision\":2", "\"revision\":2e0")),
        ("payload: an integer as a string, signed", with("\"revision\":2", "\"revision\":\"2\"")),
        ("payload: a negative integer, signed", with("\"revision\":2", "\"revision\":-2")),
        ("payload: an integer above 2^53, signed", with("\"revision\":2", "\"revision\":9007199254740993")),
        ("payload: a digest in capitals, signed", {
            let at = payload.find("\"charter\":\"").unwrap() + 11;
            let digest = &payload[at..at + 64];
            with(digest, &digest.to_uppercase())
        }),
        ("payload: a time with an offset, signed", with("Z\"", "+00:00\"")),
        ("payload: a time with a fraction, signed", with("Z\"", ".0Z\"")),
        ("payload: a time in small letters, signed", with("T09", "t09")),
        ("payload: an act that there is not, signed", {
            let at = payload.find("\"act\":\"").unwrap();
            let end = payload[at + 7..].find('"').unwrap() + at + 8;
            with(&payload[at..end], "\"act\":\"ratify\"")
        }),
        ("payload: a place that strikes through what is read, signed", with("Ville", "V\u{336}ille")),
        ("payload: a place with a line break, signed", with("Ville d’", "Ville\\nd’")),
        ("payload: not UTF-8, signed", raw(&header, &[payload.as_bytes(), &[0xff]].concat(), signer)),
        ("payload: half a surrogate pair, signed", with("Ville", "\\ud800")),
        ("payload: null, signed", raw(&header, b"null", signer)),
        ("payload: lists in lists, deeply, signed", with("\"reason\":null", &format!("\"reason\":{deep}"))),
        ("above the limit of a statement", format!("{act}{}", "A".repeat(STATEMENT_LIMIT))),
        ("signature: by another key", raw(&header, payload.as_bytes(), authority(0))),
        ("signature: over the payload alone", resigned(&key(signer).sign(payload.as_bytes()).unwrap())),
        ("signature: a bit of R was changed", resigned(&altered)),
        ("signature: S + L", resigned(&plus_order(bytes))),
        ("signature: 63 bytes", resigned(&bytes[..63])),
        ("signature: 65 bytes", resigned(&[&bytes[..], &[0]].concat())),
        ("signature: 64 bytes of nothing", resigned(&[0; 64])),
        ("signature: R is the identity, and the equation holds", {
            let mut identity = [0; 32];
            identity[0] = 1;
            resigned(&forged(identity, [0; 32], signer, message.as_bytes()))
        }),
        ("signature: R plus the point of order two, and the equation holds with the cofactor alone", {
            let nonce: Seed = 98;
            let r = scalar(nonce);
            resigned(&forged(twisted(key(nonce).public().to_bytes()), r, signer, message.as_bytes()))
        }),
    ]
}

/// The order of the group, from its lowest byte (RFC 8032, section 5.1).
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature with S + L.
pub fn plus_order(mut signature: [u8; 64]) -> [u8; 64] {
    let mut carry = 0;
    for n in 0..32 {
        let sum = u16::from(signature[32 + n]) + u16::from(L[n]) + carry;
        signature[32 + n] = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    signature
}

/// The private scalar of a sample key (RFC 8032, section 5.1.5).
fn scalar(seed: Seed) -> [u8; 32] {
    let mut scalar: [u8; 32] = Sha512::digest(key(seed).seed().as_slice())[..32].try_into().unwrap();
    scalar[0] &= 248;
    scalar[31] = scalar[31] & 127 | 64;
    scalar
}

/// A signature with this R, where S is `r` + k·a modulo L: what a verifier with another rule may accept.
fn forged(r_point: [u8; 32], r: [u8; 32], signer: Seed, message: &[u8]) -> [u8; 64] {
    let public = key(signer).public().to_bytes();
    let k = Sha512::new().chain_update(r_point).chain_update(public).chain_update(message).finalize();
    let bits = |bytes: &[u8]| (0..bytes.len() * 8).rev().map(|n| bytes[n / 8] >> (n % 8) & 1 == 1).collect::<Vec<_>>();
    // One step of double-and-add for each bit of k, modulo L.
    let a = reduced(&bits(&scalar(signer)));
    let mut s = [0; 32];
    for bit in bits(&k) {
        s = add(s, s);
        if bit {
            s = add(s, a);
        }
    }
    let s = add(s, reduced(&bits(&r)));
    [r_point, s].concat().try_into().unwrap()
}

/// The number of these bits, the highest first, modulo L.
fn reduced(bits: &[bool]) -> [u8; 32] {
    let mut one = [0; 32];
    one[0] = 1;
    bits.iter().fold([0; 32], |n, bit| if *bit { add(add(n, n), one) } else { add(n, n) })
}

/// a + b modulo L, for a and b below L.
fn add(a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    let (mut sum, mut carry) = ([0; 32], 0);
    for n in 0..32 {
        let both = u16::from(a[n]) + u16::from(b[n]) + carry;
        sum[n] = both as u8;
        carry = both >> 8;
    }
    let below = sum.iter().rev().cmp(L.iter().rev()).is_lt();
    if below {
        return sum;
    }
    let mut borrow = 0;
    for n in 0..32 {
        let difference = i16::from(sum[n]) - i16::from(L[n]) - borrow;
        borrow = i16::from(difference < 0);
        sum[n] = difference.rem_euclid(256) as u8;
    }
    sum
}
