//! Acts: what a holder of full powers does to a communiqué.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    id::{CommuniqueId, Digest, ExchangeName, PartyId},
    json::{self, Form},
    refusal::Refusal,
    statement::Body,
    time::Time,
    words::{Line, Prose},
};

/// The acts of this version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Refuses this revision, with reasons, once it is open.
    Decline,
    /// Authenticates the text as final (VCLT, article 10).
    Initial,
    /// Opens the newest revision for signature, where initialling is waived.
    Open,
    /// Puts forward a revision.
    Propose,
    /// Signs definitively.
    Sign,
}

impl ActKind {
    /// Every act, by name.
    pub const ALL: [ActKind; 5] = [ActKind::Decline, ActKind::Initial, ActKind::Open, ActKind::Propose, ActKind::Sign];
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActKind::Decline => "decline",
            ActKind::Initial => "initial",
            ActKind::Open => "open",
            ActKind::Propose => "propose",
            ActKind::Sign => "sign",
        }
    }
    /// Whether it speaks of an opening, and so can only be made after one.
    #[must_use]
    pub fn needs_opening(self) -> bool {
        matches!(self, ActKind::Sign | ActKind::Decline)
    }
}
impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for ActKind {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == s)
            .ok_or_else(|| Refusal::malformed("act", "is none of decline, initial, open, propose, sign"))
    }
}

/// A member that no act of this version fills: it parses only as `null`.
pub type Absent = ();

/// What one holder does, under one grant, to one revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Which act.
    pub act: ActKind,
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// For whom.
    pub party: PartyId,
    /// Digest of the charter in force.
    pub charter: Digest,
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// Which revision.
    pub revision: u64,
    /// Digest of that revision's manifest.
    pub manifest: Digest,
    /// Digest of the `opened` entry; null before.
    pub opening: Option<Digest>,
    /// Digest of the full powers under which it is done.
    pub grant: Digest,
    /// When, as the signer says.
    pub time: Time,
    /// Where, as the signer says.
    pub place: Option<Line>,
    /// Why; in `decline` and in no other.
    pub reason: Option<Prose>,
    /// No act of this version carries a declaration.
    pub declaration: Absent,
    /// No act of this version confirms another.
    pub confirms: Absent,
}

impl Form for Act {
    const NAME: &'static str = "act";
    const LIMIT: usize = 48 << 10;
    fn check(&self) -> Result<(), Refusal> {
        json::integer("act.revision", self.revision, 1)?;
        if self.opening.is_some() != self.act.needs_opening() {
            return Err(Refusal::malformed("act.opening", "is present in sign and decline and in no other"));
        }
        if self.reason.is_some() != (self.act == ActKind::Decline) {
            return Err(Refusal::malformed("act.reason", "is present in decline and in no other"));
        }
        Ok(())
    }
}
impl Body for Act {}
