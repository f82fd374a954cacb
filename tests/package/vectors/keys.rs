//! Which keys may be enrolled.

use communique::domain::{
    json::{base64, unbase64},
    key::{PublicKey, Signer as _},
};
use serde::Serialize;

use crate::played::key;

/// `x` of a JWK, and whether the key may be enrolled.
#[derive(Serialize)]
pub struct Key {
    accepted: bool,
    says: String,
    x: String,
}

/// 2^255 − 19, the field's order, from its lowest byte.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    p
};

/// Bytes of this shape: the first, those between, the last.
fn bytes(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    (bytes[0], bytes[31]) = (first, last);
    bytes
}

/// A point plus the point of order two: (x, y) becomes (−x, −y).
pub fn twisted(point: [u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = 0;
    for n in 0..32 {
        let y = if n == 31 { point[n] & 0x7f } else { point[n] };
        let difference = i16::from(P[n]) - i16::from(y) - borrow;
        borrow = i16::from(difference < 0);
        out[n] = difference.rem_euclid(256) as u8;
    }
    out[31] |= !point[31] & 0x80;
    out
}

fn hex(digits: &str) -> [u8; 32] {
    let bytes = (0..32).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap());
    bytes.collect::<Vec<_>>().try_into().unwrap()
}

pub fn made() -> Vec<Key> {
    let good = key(10).public().to_bytes();
    let mut rows = vec![
        (true, "a sample key".to_owned(), good),
        (
            true,
            "the key of RFC 8032, section 7.1, test 1".into(),
            hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
        ),
        (false, "a sample key, plus the point of order two".into(), twisted(good)),
        (false, "another sample key, plus the point of order two".into(), twisted(key(11).public().to_bytes())),
        (false, "the identity, of order one".into(), bytes(1, 0, 0)),
        (false, "the point of order two, y = −1".into(), bytes(0xec, 0xff, 0x7f)),
        (false, "a point of order four, y = 0".into(), bytes(0, 0, 0)),
        (false, "the other point of order four".into(), bytes(0, 0, 0x80)),
        (
            false,
            "a point of order eight".into(),
            hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        ),
        (
            false,
            "a second point of order eight".into(),
            hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
        ),
        (
            false,
            "a third point of order eight".into(),
            hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        ),
        (
            false,
            "a fourth point of order eight".into(),
            hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        ),
        (false, "not canonical: the identity, with the sign of x set where x = 0".into(), bytes(1, 0, 0x80)),
        (false, "not canonical: y = −1, with the sign of x set where x = 0".into(), bytes(0xec, 0xff, 0xff)),
    ];
    for (sign, last) in [("clear", 0x7f), ("set", 0xff)] {
        for y in 0..19 {
            let says = format!("not canonical: y = {y} written as 2^255 − 19 + {y}, the sign of x {sign}");
            rows.push((false, says, bytes(0xed + y, 0xff, last)));
        }
    }
    // Small y that are no point, and of small ones that are, those with a component of torsion.
    let small = (2..=18).map(|y| bytes(y, 0, 0));
    let on_curve = |b: &[u8; 32]| !format!("{:?}", PublicKey::from_bytes(b)).contains("no point");
    let (on, off): (Vec<_>, Vec<_>) = small.partition(on_curve);
    rows.extend(off.iter().map(|b| (false, format!("no point of the curve has y = {}", b[0]), *b)));
    let free = |b: &[u8; 32]| PublicKey::from_bytes(b).is_ok();
    rows.extend(on.iter().map(|b| {
        let what = if free(b) { "of prime order" } else { "with a component of torsion" };
        (free(b), format!("y = {}, a point {what}", b[0]), *b)
    }));
    let mut keys: Vec<_> =
        rows.into_iter().map(|(accepted, says, bytes)| Key { accepted, says, x: base64(&bytes) }).collect();
    let x = base64(&good);
    let written = [
        ("31 bytes", base64(&good[..31])),
        ("33 bytes", base64(&[&good[..], &[0]].concat())),
        ("nothing", String::new()),
        ("with padding", format!("{x}=")),
        ("with a line feed", format!("{x}\n")),
        ("with unused bits set", unused_bits_set(&x)),
        ("in the alphabet of plain base64", base64(&key(13).public().to_bytes()).replace('-', "+").replace('_', "/")),
    ];
    keys.extend(written.into_iter().map(|(says, x)| Key { accepted: false, says: says.into(), x }));
    for Key { accepted, says, x } in &keys {
        let jwk = serde_json::json!({ "crv": "Ed25519", "kty": "OKP", "x": x });
        assert_eq!(serde_json::from_value::<PublicKey>(jwk).is_ok(), *accepted, "{says}");
    }
    assert!(keys.iter().any(|k| k.x.contains('+') || k.x.contains('/')));
    keys
}

/// The same bytes in base64url, with the last letter's unused bits not zero.
pub fn unused_bits_set(encoded: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (most, last) = encoded.split_at(encoded.len() - 1);
    let at = LETTERS.iter().position(|letter| [*letter] == last.as_bytes()).unwrap();
    assert!(!encoded.len().is_multiple_of(4) && unbase64(encoded).is_some());
    format!("{most}{}", char::from(LETTERS[at + 1]))
}
