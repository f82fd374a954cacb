//! The charter: who the parties are, with which keys, and how it may change. And its adoption.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    id::{Digest, ExchangeName, PartyId, TrustDomain},
    json::{self, Form, base64, unbase64},
    key::{PublicKey, SUITE},
    message::Message,
    refusal::Refusal,
    statement::{Body, Type},
    time::Time,
    words::{Line, Names},
};
use crate::msg;

/// Most parties of a charter.
pub const PARTIES_LIMIT: usize = 64;
/// Largest quorum of a party.
pub const QUORUM_LIMIT: u64 = 16;
/// Most seats of all parties together: the sum of their quorums. So a package of all their acts stays within its limits.
pub const SEATS_LIMIT: u64 = 512;
/// Largest X.509 certificate carried in a document, in bytes of DER.
pub const CERTIFICATE_LIMIT: usize = 8 << 10;

/// An X.509 certificate in DER; base64url without padding in JSON. Opaque here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Der(Vec<u8>);

impl Der {
    /// Checks the size.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] above [`CERTIFICATE_LIMIT`].
    pub fn new(der: Vec<u8>) -> Result<Self, Refusal> {
        if der.len() > CERTIFICATE_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("a certificate in bytes"), limit: CERTIFICATE_LIMIT as u64 });
        }
        Ok(Self(der))
    }
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
impl TryFrom<String> for Der {
    type Error = Refusal;
    fn try_from(s: String) -> Result<Self, Refusal> {
        unbase64(&s)
            .ok_or_else(|| Refusal::malformed("certificate", msg!("not base64url without padding")))
            .and_then(Self::new)
    }
}
impl From<Der> for String {
    fn from(der: Der) -> String {
        base64(&der.0)
    }
}

/// How many parties of a charter must adopt the next one, whether they stay or leave. Fixed by charter 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Succession {
    /// Every one.
    Unanimous,
    /// All but one may suffice, so that one lost key does not block the others for ever. From three parties up.
    AllButOne,
}

/// A party as the charter lists it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Its id, never reused.
    pub id: PartyId,
    /// Its names by language.
    pub names: Names,
    /// The SPIFFE trust domain of its certificates.
    pub trust_domain: TrustDomain,
    /// Signs its adoptions, trust statements, full powers.
    pub authority: PublicKey,
    /// How many holders must sign for it: 1 … [`QUORUM_LIMIT`].
    pub quorum: u64,
    /// Cosigns heads of the log; null if it runs no witness.
    pub witness: Option<PublicKey>,
}

/// The exchange's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKey {
    /// The checkpoint's origin line (C2SP tlog-checkpoint): no spaces and no `+`.
    pub origin: Line,
    /// Signs heads.
    pub key: PublicKey,
}

/// The founding or a later agreement of the parties on who they are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// `communique.v1.charter`.
    pub r#type: Type,
    /// The exchange that it is for.
    pub exchange: ExchangeName,
    /// From 1.
    pub version: u64,
    /// Digest of the version before; null in version 1.
    pub previous: Option<Digest>,
    /// How the next one is adopted.
    pub succession: Succession,
    /// When a later version comes into force at the latest; null in version 1.
    pub adopt_by: Option<Time>,
    /// Two or more, by id.
    pub parties: Vec<Party>,
    /// How many witnesses a package should show.
    pub witnesses: u64,
    /// The log.
    pub log: LogKey,
    /// The exchange's key for certified copies.
    pub depositary: PublicKey,
    /// The CA that the exchange's server certificates chain to.
    pub server_ca: Der,
    /// Signature suites, sorted. This version judges `["Ed25519"]`.
    pub suites: Vec<String>,
}

impl Charter {
    /// Every key that the charter gives a role. None of them may hold full powers.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.roles().map(|(key, _)| key)
    }
    /// Every key with its role, in words that name the party.
    pub fn roles(&self) -> impl Iterator<Item = (&PublicKey, String)> {
        let parties = self.parties.iter().flat_map(|p| {
            let witness = p.witness.as_ref().map(|key| (key, format!("witness of {}", p.id)));
            [Some((&p.authority, format!("authority of {}", p.id))), witness].into_iter().flatten()
        });
        parties.chain([(&self.log.key, "log".to_owned()), (&self.depositary, "depositary".to_owned())])
    }
}

impl Form for Charter {
    const NAME: &'static str = "charter";
    const LIMIT: usize = 512 << 10;
    fn called() -> Message {
        msg!("form" => "charter")
    }
    fn check(&self) -> Result<(), Refusal> {
        self.r#type.check::<Self>()?;
        if let Some(suite) = self.suites.iter().find(|s| *s != SUITE) {
            return Err(Refusal::SuiteUnknown { suite: suite.clone() });
        }
        json::count("charter.suites", self.suites.len(), 1, 1)?;
        json::integer("charter.version", self.version, 1)?;
        json::count("charter.parties", self.parties.len(), 2, PARTIES_LIMIT)?;
        json::ascending("charter.parties", self.parties.iter().map(|p| &p.id))?;
        if self.witnesses > self.parties.len() as u64 {
            return Err(Refusal::malformed(
                "charter.witnesses",
                msg!("asks for more witnesses than there are parties"),
            ));
        }
        if (self.previous.is_none(), self.adopt_by.is_none()) != (self.version == 1, self.version == 1) {
            return Err(Refusal::malformed(
                "charter.previous",
                msg!("previous and adopt_by are null in version 1 and in no other"),
            ));
        }
        if self.succession == Succession::AllButOne && self.parties.len() < 3 {
            return Err(Refusal::malformed("charter.succession", msg!("all_but_one needs three parties or more")));
        }
        let origin = self.log.origin.as_str();
        if origin.len() > 255 || !origin.bytes().all(|b| b.is_ascii_graphic() && b != b'+') {
            return Err(Refusal::malformed(
                "charter.log.origin",
                msg!("must be ASCII without spaces or '+', at most 255 bytes"),
            ));
        }
        let mut domains = BTreeSet::new();
        for party in &self.parties {
            let field = |member: &str| format!("charter.parties.{}.{member}", party.id);
            if !(1..=QUORUM_LIMIT).contains(&party.quorum) {
                return Err(Refusal::malformed(
                    field("quorum"),
                    msg!(
                        "{quorum} is not within 1 … {quorum_limit}",
                        quorum = party.quorum,
                        quorum_limit = QUORUM_LIMIT
                    ),
                ));
            }
            if !domains.insert(&party.trust_domain) {
                return Err(Refusal::malformed(field("trust_domain"), msg!("is another party's already")));
            }
        }
        if self.parties.iter().map(|p| p.quorum).sum::<u64>() > SEATS_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("the sum of all quorums"), limit: SEATS_LIMIT });
        }
        let mut keys = BTreeSet::new();
        for key in self.keys() {
            if !keys.insert(key) {
                return Err(Refusal::KeyRefused {
                    problem: msg!("{key} stands twice in the charter; one key has one role", key),
                });
            }
        }
        Ok(())
    }
}

/// A party's consent to a charter, by its authority key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Who adopts.
    pub party: PartyId,
    /// Digest of what is adopted.
    pub charter: Digest,
    /// Its version.
    pub version: u64,
    /// When, as the signer says.
    pub time: Time,
}

impl Form for Adoption {
    const NAME: &'static str = "adoption";
    const LIMIT: usize = 4 << 10;
    fn called() -> Message {
        msg!("form" => "adoption")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::integer("adoption.version", self.version, 1)
    }
}
impl Body for Adoption {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_its_bytes_up_to_the_limit() {
        let der = Der::new(vec![1, 2, 250]).unwrap();
        assert_eq!(der.as_bytes(), [1, 2, 250]);
        assert_eq!(Der::try_from(String::from(der.clone())), Ok(der));
        assert!(Der::new(vec![0; CERTIFICATE_LIMIT]).is_ok() && Der::new(vec![0; CERTIFICATE_LIMIT + 1]).is_err());
    }
}
