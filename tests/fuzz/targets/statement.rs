//! Statements: what parses is the one encoding of its body, and verifies under the key that signs it and no other.
#![no_main]

use std::sync::LazyLock;

use communique::domain::{
    act::Act,
    certified::CertifiedCopy,
    charter::Adoption,
    json::{self, base64},
    key::{SecretKey, Signer as _},
    powers::{Powers, Revocation},
    statement::{Body, STATEMENT_LIMIT, Statement, Unverified},
    trust::Trust,
};

static OURS: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_seed(&[1; 32]));
static OTHER: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_seed(&[2; 32]));

fn check(data: &[u8]) {
    body::<Act>(data);
    body::<Adoption>(data);
    body::<CertifiedCopy>(data);
    body::<Powers>(data);
    body::<Revocation>(data);
    body::<Trust>(data);
}

fn body<B: Body>(data: &[u8]) {
    // A payload: signed, it is a statement.
    if let Ok(body) = json::parse::<B>(data) {
        let signed = Statement::sign(body, &*OURS).expect("a body within its bounds can be signed");
        let again = || Unverified::<B>::parse(signed.compact()).expect("what was signed parses");
        // Any one bit of it is looked at.
        let mut bytes = signed.compact().as_bytes().to_vec();
        let at =
            data.iter().fold(0, |sum: usize, b| sum.wrapping_mul(31).wrapping_add(usize::from(*b))) % (8 * bytes.len());
        bytes[at / 8] ^= 1 << (at % 8);
        let flipped = std::str::from_utf8(&bytes).ok().and_then(|s| Unverified::<B>::parse(s).ok());
        assert!(flipped.is_none_or(|statement| statement.verify(&OURS.public()).is_err()), "bit {at} is not looked at");
        assert!(again().is_by(&OURS.public()) && !again().is_by(&OTHER.public()));
        assert!(again().verify(&OTHER.public()).is_err());
        assert_eq!(again().verify(&OURS.public()).map(|s| json::encode(s.body())).as_deref(), Ok(data));
        return;
    }
    let Ok(compact) = std::str::from_utf8(data) else { return };
    let Ok(statement) = Unverified::<B>::parse(compact) else { return };
    assert!(compact.len() <= STATEMENT_LIMIT);
    let payload = base64(&json::encode(statement.claims()));
    assert_eq!(compact.split('.').nth(1), Some(payload.as_str()));
    // Seeds are by the vectors' keys, which are not this one.
    assert!(statement.verify(&OTHER.public()).is_err() || is_by_other(compact));
}

/// A fuzzer cannot sign; a vector may be by this key all the same.
fn is_by_other(compact: &str) -> bool {
    let (signed, signature) = compact.rsplit_once('.').expect("three parts");
    OTHER.sign(signed.as_bytes()).is_ok_and(|own| base64(&own) == signature)
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("statement"), |data: &[u8]| check(data));
