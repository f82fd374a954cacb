//! Trust: which certificate authorities a party's machines and officials are known by.

use serde::{Deserialize, Serialize};

use super::{
    charter::Der,
    id::{Digest, ExchangeName, PartyId},
    json::{self, Form},
    message::Message,
    refusal::Refusal,
    statement::Body,
    time::Time,
};
use crate::msg;

/// Most CA certificates of one party: the one in use, the next, and room for both again.
pub const AUTHORITIES_LIMIT: usize = 8;
/// Most revoked leaf certificates that one statement lists.
pub const REVOKED_LIMIT: usize = 512;

/// A party's newest CA set and the leaves that it shuts out, by its authority key. In force when logged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Whose.
    pub party: PartyId,
    /// Above the one before; from 1.
    pub serial: u64,
    /// CA certificates, sorted by their bytes.
    pub certificates: Vec<Der>,
    /// SHA-256 of leaf certificates (DER) that are refused, sorted.
    pub revoked: Vec<Digest>,
    /// When, as the signer says.
    pub time: Time,
}

impl Form for Trust {
    const NAME: &'static str = "trust";
    const LIMIT: usize = 96 << 10;
    fn called() -> Message {
        msg!("form" => "trust")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::integer("trust.serial", self.serial, 1)?;
        json::count("trust.certificates", self.certificates.len(), 1, AUTHORITIES_LIMIT)?;
        json::ascending("trust.certificates", &self.certificates)?;
        json::count("trust.revoked", self.revoked.len(), 0, REVOKED_LIMIT)?;
        json::ascending("trust.revoked", &self.revoked)
    }
}
impl Body for Trust {}
