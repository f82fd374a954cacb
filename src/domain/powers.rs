//! Full powers (VCLT, article 7): who may act for a party, with which key, in what, and when.

use serde::{Deserialize, Serialize};

use super::{
    act::{Act, ActKind},
    id::{CommuniqueId, Digest, ExchangeName, HolderId, PartyId},
    json::{self, Form},
    key::PublicKey,
    message::Message,
    refusal::Refusal,
    statement::Body,
    time::Time,
    words::{Names, Prose},
};
use crate::msg;

/// Most communiqués that one grant's scope lists.
pub const SCOPE_LIMIT: usize = 256;

/// The person who holds the powers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Unique within the party: one holder fills one seat.
    pub id: HolderId,
    /// His or her name by language.
    pub names: Names,
    /// His or her title by language.
    pub titles: Names,
}

/// A grant, by the authority key of its party in the charter in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Powers {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// For whom the holder acts.
    pub party: PartyId,
    /// Who acts.
    pub holder: Holder,
    /// With which key. One key has one holder.
    pub key: PublicKey,
    /// What he or she may do, sorted.
    pub acts: Vec<ActKind>,
    /// In which communiqués, sorted; null for all.
    pub scope: Option<Vec<CommuniqueId>>,
    /// From when on.
    pub not_before: Time,
    /// Until when, inclusive.
    pub not_after: Time,
}

impl Powers {
    /// Whether this grant covers the act: what, in which communiqué, when.
    ///
    /// # Errors
    /// [`Refusal::GrantForbids`] saying which does not.
    pub fn cover(&self, act: &Act) -> Result<(), Refusal> {
        let forbid = |problem: Message| Err(Refusal::GrantForbids { problem });
        if !self.acts.contains(&act.act) {
            return forbid(msg!("they do not allow to {act}", act = act.act));
        }
        if self.scope.as_ref().is_some_and(|scope| !scope.contains(&act.communique)) {
            return forbid(msg!("they do not extend to communiqué {communique}", communique = act.communique));
        }
        if act.time < self.not_before || act.time > self.not_after {
            return forbid(msg!(
                "they hold from {not_before} to {not_after}, the act is of {time}",
                not_before = self.not_before,
                not_after = self.not_after,
                time = act.time
            ));
        }
        Ok(())
    }
}

impl Form for Powers {
    const NAME: &'static str = "powers";
    const LIMIT: usize = 64 << 10;
    fn called() -> Message {
        msg!("form" => "powers")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::count("powers.acts", self.acts.len(), 1, ActKind::ALL.len())?;
        json::ascending("powers.acts", self.acts.iter().map(|a| a.as_str()))?;
        if let Some(scope) = &self.scope {
            json::count("powers.scope", scope.len(), 1, SCOPE_LIMIT)?;
            json::ascending("powers.scope", scope)?;
        }
        if self.not_before > self.not_after {
            return Err(Refusal::malformed("powers.not_after", msg!("is before not_before")));
        }
        Ok(())
    }
}
impl Body for Powers {}

/// The end of a grant, by the authority key of its party in the charter in force. In force when logged; what was complete
/// before stays so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Whose grant.
    pub party: PartyId,
    /// Digest of the grant.
    pub grant: Digest,
    /// Why, for all to read.
    pub reason: Prose,
    /// When, as the signer says.
    pub time: Time,
}

impl Form for Revocation {
    const NAME: &'static str = "revocation";
    const LIMIT: usize = 24 << 10;
    fn called() -> Message {
        msg!("form" => "revocation")
    }
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
impl Body for Revocation {}
