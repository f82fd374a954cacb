//! The certified copy: the depositary's attestation of what was published (VCLT, article 77).

use serde::{Deserialize, Serialize};

use super::{
    id::{CommuniqueId, Digest, ExchangeName},
    json::{self, Form},
    message::Message,
    refusal::Refusal,
    statement::Body,
    time::Time,
};
use crate::msg;

/// By the depositary key. It speaks for no party, and so names none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedCopy {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// Digest of the signed manifest.
    pub manifest: Digest,
    /// Digest of the `published` entry.
    pub published: Digest,
    /// That entry's index in the log.
    pub index: u64,
    /// The `published` entry's time: the copy is the same whenever it is made.
    pub time: Time,
}

impl Form for CertifiedCopy {
    const NAME: &'static str = "certified-copy";
    const LIMIT: usize = 4 << 10;
    fn called() -> Message {
        msg!("form" => "certified-copy")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::integer("certified-copy.index", self.index, 0)
    }
}
impl Body for CertifiedCopy {}
