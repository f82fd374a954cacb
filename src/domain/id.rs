//! Names of things: parties, communiqués, exchanges, digests, callers. A value of these types is well formed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest as _, Sha256};

use super::{
    message::{Fact, Tell},
    refusal::Refusal,
};
use crate::msg;

/// Declares a validated string newtype with its grammar in one function.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:expr, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the name.
            ///
            /// # Errors
            /// [`Refusal::Malformed`] if the string is outside the grammar above.
            pub fn parse(s: impl Into<String>) -> Result<Self, Refusal> {
                let s = s.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&s) { Ok(Self(s)) } else { Err(Refusal::malformed($what, $crate::msg!("{written} is none", written = quoted(&s)))) }
            }
            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl TryFrom<String> for $name {
            type Error = Refusal;
            fn try_from(s: String) -> Result<Self, Refusal> { Self::parse(s) }
        }
        impl FromStr for $name {
            type Err = Refusal;
            fn from_str(s: &str) -> Result<Self, Refusal> { Self::parse(s) }
        }
        impl From<$name> for String { fn from(n: $name) -> String { n.0 } }
        impl fmt::Display for $name { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) } }
        impl fmt::Debug for $name { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) } }
        $crate::tell_as_words!($name);
    };
}

name!(
    /// A party's id, never reused: `[a-z][a-z0-9-]{1,31}`.
    PartyId, msg!("a party id ({form})", form = "[a-z][a-z0-9-]{1,31}"),
    |s| (2..=32).contains(&s.len()) && s.starts_with(|c: char| c.is_ascii_lowercase()) && s.bytes().all(lower_digit_dash)
);
name!(
    /// A holder of full powers within his or her party: `[a-z][a-z0-9.-]{1,63}`. The seat is (party, holder).
    HolderId, msg!("a holder id ({form})", form = "[a-z][a-z0-9.-]{1,63}"),
    |s| (2..=64).contains(&s.len()) && s.starts_with(|c: char| c.is_ascii_lowercase()) && s.bytes().all(|b| lower_digit_dash(b) || b == b'.')
);
name!(
    /// An exchange's name: a DNS name in lower case, at least two labels, at most 253 bytes.
    ExchangeName, msg!("an exchange name (a DNS name in lower case)"),
    |s| dns_name(s) && s.contains('.')
);
name!(
    /// A SPIFFE trust domain (SPIFFE-ID, section 2.1), here a DNS name in lower case.
    TrustDomain, msg!("a trust domain (a DNS name in lower case)"),
    dns_name
);
name!(
    /// A language tag (RFC 5646) in the case that it is registered in: `fr`, `ar`, `zh-Hant`, `pt-BR`; at most 35 bytes.
    Lang, msg!("a language tag such as fr, ru, ar or zh-Hant"),
    language_tag
);

fn lower_digit_dash(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

fn dns_name(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 253
        && s.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(lower_digit_dash)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn language_tag(s: &str) -> bool {
    let mut parts = s.split('-');
    let primary = parts.next().unwrap_or_default();
    s.len() <= 35
        // Names of devices where a package may be unpacked: a text could not be kept under them.
        && !["aux", "con", "nul", "prn"].contains(&primary)
        && (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|p| match p.len() {
            2 => p.bytes().all(|b| b.is_ascii_uppercase()),
            3 => p.bytes().all(|b| b.is_ascii_digit()),
            4 => p.starts_with(|c: char| c.is_ascii_uppercase()) && p.bytes().skip(1).all(|b| b.is_ascii_lowercase()),
            5..=8 => p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            _ => false,
        })
}

/// What an error message quotes of outside data: at most 80 characters.
fn quoted(s: &str) -> String {
    format!("{:?}", s.chars().take(80).collect::<String>())
}

/// A SHA-256 digest, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
    /// A digest computed elsewhere, such as over a stream.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// Parses 64 lower-case hex digits.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for anything else.
    pub fn parse(s: &str) -> Result<Self, Refusal> {
        unhex(s).map(Self).ok_or_else(|| {
            Refusal::malformed("digest", msg!("{written} is not 64 lower-case hex digits", written = quoted(s)))
        })
    }
}

/// Straight from the text: an entry may list thousands.
impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl de::Visitor<'_> for Read {
            type Value = Digest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Digest, E> {
                Digest::parse(s).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Read)
    }
}
impl FromStr for Digest {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::parse(s)
    }
}
impl From<Digest> for String {
    fn from(d: Digest) -> String {
        hex(&d.0)
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The two digits of each byte: a package's tag files are little else.
static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let (mut pairs, mut byte) = ([[0; 2]; 256], 0);
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// What each digit stands for; 255 for what is none.
static NIBBLES: [u8; 256] = {
    let (mut nibbles, mut value) = ([u8::MAX; 256], 0);
    while value < 16 {
        nibbles[HEX[value][1] as usize] = value as u8;
        value += 1;
    }
    nibbles
};

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        digits.extend_from_slice(&HEX[usize::from(*byte)]);
    }
    String::from_utf8(digits).unwrap_or_default()
}

fn unhex(s: &str) -> Option<[u8; 32]> {
    let (pairs, []) = s.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut wrong = 0;
    let out = pairs.map(|[high, low]| {
        let (high, low) = (NIBBLES[usize::from(high)], NIBBLES[usize::from(low)]);
        wrong |= high | low;
        (high << 4).wrapping_add(low)
    });
    (wrong != u8::MAX).then_some(out)
}

/// 32 random bytes that keep a digest from confirming a guessed draft; base64url without padding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt([u8; 32]);

impl Salt {
    /// Takes bytes that the caller drew from the system's random source.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }
}
impl TryFrom<String> for Salt {
    type Error = Refusal;
    fn try_from(s: String) -> Result<Self, Refusal> {
        super::json::unbase64(&s)
            .and_then(|v| v.try_into().ok())
            .map(Self)
            .ok_or_else(|| Refusal::malformed("salt", msg!("not 32 bytes in base64url without padding")))
    }
}
impl From<Salt> for String {
    fn from(s: Salt) -> String {
        super::json::base64(&s.0)
    }
}

/// A communiqué's id: a UUID of version 7 (RFC 9562), lower case with hyphens, chosen by the client of revision 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommuniqueId(uuid::Uuid);

impl CommuniqueId {
    /// Makes an id from the time, in milliseconds since 1970, and ten random bytes.
    #[must_use]
    pub fn new(unix_millis: u64, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_millis, random).into_uuid())
    }
    /// Parses the canonical form.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for another version, variant, case or spelling.
    pub fn parse(s: &str) -> Result<Self, Refusal> {
        uuid::Uuid::try_parse(s)
            .ok()
            .filter(|u| u.get_version_num() == 7 && u.get_variant() == uuid::Variant::RFC4122)
            .map(Self)
            .filter(|id| id.to_string() == s)
            .ok_or_else(|| {
                Refusal::malformed(
                    "communique",
                    msg!("{written} is not a lower-case UUID of version 7", written = quoted(s)),
                )
            })
    }
}
impl TryFrom<String> for CommuniqueId {
    type Error = Refusal;
    fn try_from(s: String) -> Result<Self, Refusal> {
        Self::parse(&s)
    }
}
impl FromStr for CommuniqueId {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::parse(s)
    }
}
impl From<CommuniqueId> for String {
    fn from(id: CommuniqueId) -> String {
        id.to_string()
    }
}
impl fmt::Display for CommuniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}
impl fmt::Debug for CommuniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a certificate may do for its party; the table of rights is by role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// A ministry's own system: every method, for its party; it may carry what an official signed elsewhere.
    System,
    /// An official with the client tool.
    Official,
    /// The ministry's administrator: charter, trust and full powers.
    Authority,
    /// A witness of the log.
    Witness,
    /// Reads what is published.
    Archivist,
}

impl Role {
    /// Every role, for tables and tests.
    pub const ALL: [Role; 5] = [Role::System, Role::Official, Role::Authority, Role::Witness, Role::Archivist];

    /// The role as a SPIFFE id's first path segment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::Official => "official",
            Role::Authority => "authority",
            Role::Witness => "witness",
            Role::Archivist => "archivist",
        }
    }
}
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl Tell for Role {
    fn tell(&self) -> Fact {
        match self {
            Role::System => msg!("role" => "system"),
            Role::Official => msg!("role" => "official"),
            Role::Authority => msg!("role" => "authority"),
            Role::Witness => msg!("role" => "witness"),
            Role::Archivist => msg!("role" => "archivist"),
        }
        .into()
    }
}
impl FromStr for Role {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|r| r.as_str() == s).ok_or_else(|| {
            Refusal::malformed(
                "role",
                msg!(
                    "{written} is none of {choices}",
                    written = quoted(s),
                    choices = "system, official, authority, witness, archivist"
                ),
            )
        })
    }
}

/// A caller's identity: `spiffe://<trust domain>/<role>/<name>` (SPIFFE-ID), the one URI of its certificate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpiffeId {
    /// Names the party.
    pub trust_domain: TrustDomain,
    /// What it may do.
    pub role: Role,
    /// Which of them: `[a-z0-9][a-z0-9._-]{0,62}`.
    pub name: String,
}

impl FromStr for SpiffeId {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        let bad = || {
            Refusal::malformed(
                "spiffe id",
                msg!("{written} is not {form}", written = quoted(s), form = "spiffe://<trust domain>/<role>/<name>"),
            )
        };
        let rest = s.strip_prefix("spiffe://").ok_or_else(bad)?;
        let mut parts = rest.splitn(3, '/');
        let (Some(domain), Some(role), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let name_ok = (1..=63).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.bytes().all(|b| lower_digit_dash(b) || b == b'.' || b == b'_');
        if !name_ok {
            return Err(bad());
        }
        Ok(Self { trust_domain: domain.parse()?, role: role.parse()?, name: name.to_owned() })
    }
}
impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.trust_domain, self.role, self.name)
    }
}

crate::tell_as_words!(Digest, CommuniqueId, SpiffeId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::json;

    #[test]
    fn a_digest_is_sixty_four_hex_digits_and_what_is_none_is_quoted_in_part() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(Digest::parse(&good).unwrap().to_string(), good);
        for wrong in ["0g", "g0", "gg", "zz", "AB", "//", "é"] {
            let bad = format!("{}{wrong}", &good[..64 - wrong.len()]);
            assert!(Digest::parse(&bad).is_err(), "{bad}");
        }
        for byte in (0..=u8::MAX).filter(|byte| !HEX.iter().any(|pair| pair[1] == *byte)) {
            assert_eq!(NIBBLES[usize::from(byte)], u8::MAX, "{byte}");
        }
        let said = Digest::parse(&"x".repeat(99)).unwrap_err().to_string();
        assert_eq!(said, format!("digest: {:?} is not 64 lower-case hex digits", "x".repeat(80)));
        let said = serde_json::from_str::<Digest>("7").unwrap_err().to_string();
        assert!(said.contains("expected a digest"), "{said}");
        assert_eq!(json::encode(&Digest::parse(&good).unwrap()), format!("{good:?}").into_bytes());
    }

    #[test]
    fn names_have_one_spelling() {
        for good in ["ab", "aes", "a-1", &"a".repeat(32)] {
            assert!(PartyId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "1a", "A1", "a_b", "-ab", "é1", &"a".repeat(33), "ab\n"] {
            assert!(PartyId::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["localhost", "a..b", ".a.b", "a.b.", "A.b", "-a.b", "a-.b", "a b.c"] {
            assert!(ExchangeName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["fr", "zh-Hant", "pt-BR", "es-419", "sl-nedis"] {
            assert!(Lang::parse(good).is_ok(), "{good}");
        }
        for bad in ["FR", "f", "con", "aux-FR", "fr-", "zh-hant", "pt-br", "fr_FR", "x"] {
            assert!(Lang::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn uuid_must_be_of_version_7_and_canonical() {
        let id = CommuniqueId::new(1_750_000_000_000, &[7; 10]);
        assert_eq!(CommuniqueId::parse(&id.to_string()), Ok(id));
        for bad in [
            id.to_string().to_uppercase(),
            id.to_string().replace('-', ""),
            "c232ab00-9414-41ec-b3c8-9f6bdeced846".into(),
            format!("{{{id}}}"),
        ] {
            assert!(CommuniqueId::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spiffe_ids() {
        let s = "spiffe://mfa.north.example/official/a.sample";
        assert_eq!(s.parse::<SpiffeId>().map(|i| i.to_string()), Ok(s.to_owned()));
        for bad in [
            "spiffe://mfa.north.example/official",
            "spiffe://mfa.north.example/king/a",
            "spiffe://MFA.example/official/a",
            "spiffe://mfa.example/official/a/b",
            "spiffe://mfa.example/official/",
            "https://mfa.example/official/a",
            "spiffe://mfa.example/official/a?b",
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_are_lower_case_hex() {
        let d = Digest::of(b"");
        assert_eq!(d.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Digest::parse(&d.to_string()), Ok(d));
        assert!(Digest::parse(&d.to_string().to_uppercase()).is_err());
        assert!(Digest::parse(&d.to_string()[1..]).is_err());
    }
}
