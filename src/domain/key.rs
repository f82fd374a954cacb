//! Ed25519 keys: which may be enrolled, and the one strict rule by which a signature counts. The only file that names
//! the signature library.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    id::Digest,
    json::{base64, unbase64},
    memo::Memo,
    message::{Fact, Message, Tell},
    refusal::Refusal,
};
use crate::msg;

/// The one signature suite of this version, as a charter's `suites` names it.
pub const SUITE: &str = "Ed25519";

/// Keys that were enrolled, by their bytes. Most callers meet the same few again and again, and that a point is free of torsion
/// costs as much to see as a signature.
static ENROLLED: Memo<[u8; 32], PublicKey> = Memo::new(4096);

/// An enrolled Ed25519 public key (RFC 8032): canonical, on the curve, and free of torsion, so that every sound
/// implementation judges its signatures alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Enrols 32 bytes.
    ///
    /// # Errors
    /// [`Refusal::KeyRefused`] for an encoding that is not canonical, a point off the curve, of small order, or with a
    /// component of torsion.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Refusal> {
        ENROLLED.get(*bytes, || Self::enrol(bytes))
    }
    fn enrol(bytes: &[u8; 32]) -> Result<Self, Refusal> {
        let refuse = |problem: Message| Refusal::KeyRefused { problem };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| refuse(msg!("it is no point of the curve")))?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(refuse(msg!("its encoding is not canonical")));
        }
        if !point.is_torsion_free() || key.is_weak() {
            return Err(refuse(msg!("it is of small order, or mixed with a point of small order")));
        }
        Ok(Self(key))
    }
    /// Its 32 bytes (RFC 8032, section 5.1.2).
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
    /// Its id: the JWK thumbprint (RFC 7638, with RFC 8037) in base64url. Always computed, never read.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        base64(Digest::of(&super::json::encode(&Jwk::from(*self))).as_bytes())
    }
    /// Whether this key made this signature over these bytes, by the strict rule: S and R canonical, no point of small
    /// order, the equation without the cofactor.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        <&[u8; 64]>::try_from(signature).is_ok_and(|s| self.0.verify_strict(message, &Signature::from_bytes(s)).is_ok())
    }
}
impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_bytes().cmp(&other.to_bytes())
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.thumbprint())
    }
}

/// The JSON form of a key (RFC 7517, RFC 8037): exactly `crv`, `kty`, `x`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    crv: String,
    kty: String,
    x: String,
}
impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        Self { crv: "Ed25519".into(), kty: "OKP".into(), x: base64(&key.to_bytes()) }
    }
}
impl TryFrom<Jwk> for PublicKey {
    type Error = Refusal;
    fn try_from(jwk: Jwk) -> Result<Self, Refusal> {
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return Err(Refusal::KeyRefused { problem: msg!("it is not an Ed25519 key of type OKP") });
        }
        let bytes = unbase64(&jwk.x)
            .and_then(|v| v.try_into().ok())
            .ok_or_else(|| Refusal::KeyRefused { problem: msg!("x is not 32 bytes in base64url without padding") })?;
        Self::from_bytes(&bytes)
    }
}
impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Jwk::from(*self).serialize(s)
    }
}
impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Jwk::deserialize(d)?.try_into().map_err(serde::de::Error::custom)
    }
}

/// Something that holds one private key and signs with it: a key file, a token.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public(&self) -> PublicKey;
    /// The Ed25519 signature over these bytes, by this key and no other: what asks another program for it verifies what comes.
    ///
    /// # Errors
    /// What went wrong, in words for the person who holds the key.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Message>;
}

impl Tell for PublicKey {
    fn tell(&self) -> Fact {
        Fact::Words(format!("{self:?}"))
    }
}

/// A private key in memory, wiped when dropped. The pair is one object: no caller can join a foreign public half to it.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of this seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }
    /// The seed, to be put into a key file.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}
impl Signer for SecretKey {
    fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Message> {
        Ok(self.0.sign(message).to_bytes())
    }
}
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8037_thumbprint() {
        // RFC 8037, appendix A.3.
        let x = unbase64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = PublicKey::from_bytes(&x.try_into().unwrap()).unwrap();
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn keys_are_in_the_order_of_their_bytes_and_of_one_kind() {
        let mut keys = [1, 2, 3, 4].map(|seed| SecretKey::from_seed(&[seed; 32]).public());
        keys.sort_by_key(PublicKey::to_bytes);
        assert!(keys.is_sorted() && keys[0].partial_cmp(&keys[1]) == Some(std::cmp::Ordering::Less));
        let x = base64(&keys[0].to_bytes());
        for (kty, crv, good) in [("OKP", "Ed25519", true), ("OKP", "X25519", false), ("EC", "Ed25519", false)] {
            let jwk = Jwk { crv: crv.into(), kty: kty.into(), x: x.clone() };
            assert_eq!(PublicKey::try_from(jwk).is_ok(), good, "{kty} {crv}");
        }
    }

    #[test]
    fn weak_and_odd_points_are_not_enrolled() {
        let mut identity = [0; 32];
        identity[0] = 1;
        // y = p + 1, the identity again, not canonical (RFC 8032, section 5.1.3).
        let mut unreduced = [0xff; 32];
        unreduced[0] = 0xee;
        unreduced[31] = 0x7f;
        let two = {
            let mut b = [0; 32];
            b[0] = 2;
            b
        };
        for bad in [identity, [0; 32], unreduced, two, [0xff; 32]] {
            assert!(PublicKey::from_bytes(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_point_with_torsion_is_not_enrolled() {
        use ed25519_dalek::SigningKey;
        let mut order_two = [0xff; 32]; // y = -1: a point of order two
        order_two[0] = 0xec;
        order_two[31] = 0x7f;
        let torsion = VerifyingKey::from_bytes(&order_two).unwrap().to_edwards();
        let mixed = SigningKey::from_bytes(&[7; 32]).verifying_key().to_edwards() + torsion;
        assert!(PublicKey::from_bytes(mixed.compress().as_bytes()).is_err());
    }

    #[test]
    fn a_changed_message_or_signature_does_not_verify() {
        let key = SecretKey::from_seed(&[1; 32]);
        let good = key.sign(b"text").unwrap();
        assert!(key.public().verifies(b"text", &good));
        assert!(!key.public().verifies(b"texT", &good));
        assert!(!key.public().verifies(b"text", &good[..63]));
        for bit in 0..512 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verifies(b"text", &bad), "bit {bit}");
        }
    }
}
