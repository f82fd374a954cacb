//! Signatures that verifiers disagree on, made from points and scalars, always the same.
//!
//! B is the base point, L its order, A = `[a]B` an honest key, T a point of order 8, k the challenge SHA-512(R, key, text)
//! modulo L. A verifier *without the cofactor* asks `[S]B = R + [k]key`, one *with* it asks the same times 8.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use curve25519_dalek::{
    constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION},
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
    traits::Identity as _,
};
use serde_json::json;
use sha2::{Digest as _, Sha512};

use crate::judges::Statement;

/// One signature.
pub struct Case {
    /// Its row in `docs/ED25519.md`.
    pub name: &'static str,
    pub statement: Statement,
    /// Whether the equation holds without the cofactor, R compared as a point; and with it.
    pub holds: (bool, bool),
}

/// The order of the base point, 2^252 + 27742317777372353535851937790883648493, little-endian.
pub const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// k, of what is signed (RFC 8032, section 5.1.7).
pub fn challenge(r: &[u8], key: &[u8], text: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(text).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// A secret that everybody may know.
fn scalar(name: &str) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(name).into())
}

/// Bytes plus so many times the order, as integers.
pub fn plus_orders(bytes: [u8; 32], times: u16) -> [u8; 32] {
    let mut sum = bytes;
    let mut carry = 0;
    for (byte, order) in sum.iter_mut().zip(ORDER) {
        let all = u16::from(*byte) + u16::from(order) * times + carry;
        (*byte, carry) = ((all & 0xff) as u8, all >> 8);
    }
    assert_eq!(carry, 0, "more than 32 bytes");
    sum
}

/// 2^255 − 19 + `n`, with `n` below 19: a y-coordinate that is not reduced; and the sign of x, 0 or 0x80.
pub const fn unreduced(n: u8, sign: u8) -> [u8; 32] {
    let mut y = [0xff; 32];
    y[0] = 0xed + n;
    y[31] = 0x7f | sign;
    y
}

/// y = 1, x = 0, and the sign of x set all the same.
const NEGATIVE_ZERO: [u8; 32] = {
    let mut y = [0; 32];
    y[0] = 1;
    y[31] = 0x80;
    y
};

/// What a signature is made of: the bytes of R and key, the points that they stand for, S for a challenge.
struct Recipe<'a> {
    key: [u8; 32],
    r: [u8; 32],
    s: &'a dyn Fn(Scalar) -> [u8; 32],
    /// Which challenges will do: a text is looked for that has one.
    fits: &'a dyn Fn(Scalar) -> bool,
}

impl Recipe<'_> {
    fn text(name: &str, n: u32) -> String {
        let part = |v: serde_json::Value| URL_SAFE_NO_PAD.encode(v.to_string());
        format!("{}.{}", part(json!({ "alg": "EdDSA" })), part(json!({ "case": name, "n": n })))
    }
    fn make(&self, name: &'static str) -> Case {
        let challenge_of = |text: &str| challenge(&self.r, &self.key, text.as_bytes());
        let text = (0..10_000).map(|n| Self::text(name, n)).find(|text| (self.fits)(challenge_of(text))).unwrap();
        let k = challenge_of(&text);
        let s = (self.s)(k);
        let jws = format!("{text}.{}", URL_SAFE_NO_PAD.encode([self.r, s].concat()));
        let point = |bytes| CompressedEdwardsY(bytes).decompress().unwrap();
        let left = B * Scalar::from_bytes_mod_order(s) - point(self.key) * k - point(self.r);
        let holds = (left == EdwardsPoint::identity(), left.mul_by_cofactor() == EdwardsPoint::identity());
        Case { name, statement: Statement { jws, key: self.key }, holds }
    }
}

/// All cases, in the order of the document.
pub fn all() -> Vec<Case> {
    let bytes = |point: EdwardsPoint| point.compress().0;
    let (a, r) = (scalar("sample key"), scalar("sample nonce"));
    let (key, nonce) = (bytes(B * a), bytes(B * r));
    let torsion = EIGHT_TORSION[1];
    let (mixed_key, mixed_nonce) = (bytes(B * a + torsion), bytes(B * r + torsion));
    let neutral = bytes(EdwardsPoint::identity());
    let vanishes = |point: EdwardsPoint| point == EdwardsPoint::identity();

    let honest = |k: Scalar| (r + k * a).to_bytes();
    let by_key_alone = |k: Scalar| (k * a).to_bytes();
    let by_nonce_alone = |_: Scalar| r.to_bytes();
    let any = |_: Scalar| true;
    let hidden = |k: Scalar| vanishes(torsion * k);

    // Nobody's key: S is the nonce, and the text is one whose challenge makes the key vanish.
    let nobodys = |key: [u8; 32], name| {
        let point = CompressedEdwardsY(key).decompress().unwrap();
        Recipe { key, r: nonce, s: &by_nonce_alone, fits: &|k| vanishes(point * k) }.make(name)
    };
    let nothing = || {
        let point = CompressedEdwardsY([0; 32]).decompress().unwrap();
        let fits = |k| vanishes(point * k + point);
        Recipe { key: [0; 32], r: [0; 32], s: &|_| [0; 32], fits: &fits }.make("all-zero")
    };
    let mixed =
        |r: [u8; 32], fits: &dyn Fn(Scalar) -> bool, name| Recipe { key: mixed_key, r, s: &honest, fits }.make(name);
    let under_an_honest_key =
        |r: [u8; 32], s: &dyn Fn(Scalar) -> [u8; 32], name| Recipe { key, r, s, fits: &any }.make(name);
    vec![
        under_an_honest_key(nonce, &honest, "plain"),
        nobodys(neutral, "key-order-1"),
        nobodys(neutral, "key-order-1-other-text"),
        nobodys(bytes(EIGHT_TORSION[4]), "key-order-2"),
        nobodys(bytes(EIGHT_TORSION[2]), "key-order-4"),
        nobodys(bytes(EIGHT_TORSION[1]), "key-order-8"),
        nothing(),
        nobodys(unreduced(1, 0), "key-unreduced-1"),
        nobodys(unreduced(0, 0), "key-unreduced-0"),
        nobodys(NEGATIVE_ZERO, "key-negative-zero"),
        mixed(nonce, &hidden, "key-mixed"),
        mixed(mixed_nonce, &|k| vanishes(torsion * k + torsion), "key-and-r-mixed"),
        mixed(nonce, &|k| !hidden(k), "key-mixed-cofactor"),
        under_an_honest_key(neutral, &by_key_alone, "r-order-1"),
        under_an_honest_key(unreduced(1, 0), &by_key_alone, "r-unreduced"),
        under_an_honest_key(NEGATIVE_ZERO, &by_key_alone, "r-negative-zero"),
        under_an_honest_key(bytes(torsion), &by_key_alone, "r-order-8-cofactor"),
        under_an_honest_key(mixed_nonce, &honest, "r-mixed-cofactor"),
        under_an_honest_key(nonce, &|k| plus_orders(honest(k), 1), "s-plus-l"),
        under_an_honest_key(nonce, &|k| plus_orders(honest(k), 8), "s-plus-8l"),
    ]
}
