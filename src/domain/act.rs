//! Acts: what a holder of full powers does to a communiqué.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    id::{CommuniqueId, Digest, ExchangeName, Lang, PartyId},
    json::{self, Form},
    refusal::Refusal,
    statement::Body,
    time::Time,
    words::{LANGUAGES_LIMIT, Line, Prose},
};

/// The acts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Confirms a signature that was given ad referendum.
    Confirm,
    /// Says how its party understands the text (an interpretative declaration).
    Declare,
    /// Refuses this revision, with reasons, once it is open.
    Decline,
    /// Authenticates the text as final (VCLT, article 10).
    Initial,
    /// Objects to this revision, with reasons, while the text is settled.
    Object,
    /// Opens the newest revision for signature, where initialling is waived.
    Open,
    /// Puts forward a revision.
    Propose,
    /// Agrees that the texts of what was withdrawn or has lapsed are erased.
    Purge,
    /// Agrees to publication before the embargo's end.
    Release,
    /// Signs definitively.
    Sign,
    /// Signs subject to confirmation by the capital (VCLT, article 12, paragraph 2 b).
    SignAdReferendum,
    /// Takes the communiqué back.
    Withdraw,
}

/// In which states of a communiqué's opening an act names the `opened` entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opening {
    Always,
    Never,
    /// While it is open, and not while it is drafted.
    Either,
}

impl ActKind {
    /// Every act, by name.
    pub const ALL: [ActKind; 12] = [
        ActKind::Confirm,
        ActKind::Declare,
        ActKind::Decline,
        ActKind::Initial,
        ActKind::Object,
        ActKind::Open,
        ActKind::Propose,
        ActKind::Purge,
        ActKind::Release,
        ActKind::Sign,
        ActKind::SignAdReferendum,
        ActKind::Withdraw,
    ];
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActKind::Confirm => "confirm",
            ActKind::Declare => "declare",
            ActKind::Decline => "decline",
            ActKind::Initial => "initial",
            ActKind::Object => "object",
            ActKind::Open => "open",
            ActKind::Propose => "propose",
            ActKind::Purge => "purge",
            ActKind::Release => "release",
            ActKind::Sign => "sign",
            ActKind::SignAdReferendum => "sign_ad_referendum",
            ActKind::Withdraw => "withdraw",
        }
    }
    /// Whether it speaks of an opening, and so can only be made after one.
    #[must_use]
    pub fn needs_opening(self) -> bool {
        self.opening() == Opening::Always
    }
    fn opening(self) -> Opening {
        use ActKind::{Confirm, Decline, Release, Sign, SignAdReferendum, Withdraw};
        match self {
            Confirm | Decline | Release | Sign | SignAdReferendum => Opening::Always,
            Withdraw => Opening::Either,
            _ => Opening::Never,
        }
    }
    /// Whether it is held in escrow until every party has signed.
    #[must_use]
    pub fn is_signature(self) -> bool {
        matches!(self, ActKind::Sign | ActKind::SignAdReferendum | ActKind::Confirm)
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
            .ok_or_else(|| Refusal::malformed("act", format!("is none of {}", Self::ALL.map(Self::as_str).join(", "))))
    }
}

/// A declaration: what a `declare` says, or the one that a signature is given with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Declaration {
    /// The digest of the declaring act, in a signature of the same party.
    Made(Digest),
    /// The declaration by language, in `declare`.
    Texts(BTreeMap<Lang, Prose>),
}

impl<'de> Deserialize<'de> for Declaration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        // By hand, since the derived form of an untagged enum does not say what is wrong with either.
        impl<'de> Visitor<'de> for Either {
            type Value = Declaration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by language, or the digest of a declaring act")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Declaration, E> {
                Digest::parse(s).map(Declaration::Made).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Declaration, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Declaration::Texts)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

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
    /// Digest of the `opened` entry that it speaks of; null while the text is settled.
    pub opening: Option<Digest>,
    /// Digest of the full powers under which it is done.
    pub grant: Digest,
    /// When, as the signer says.
    pub time: Time,
    /// Where, as the signer says.
    pub place: Option<Line>,
    /// Why; in `object` and `decline` always, in `withdraw` if its party wishes, in no other.
    pub reason: Option<Prose>,
    /// The declaration that `declare` makes; in a signature the one that it is given with, or null.
    pub declaration: Option<Declaration>,
    /// Digest of the signature ad referendum that `confirm` confirms; null in every other.
    pub confirms: Option<Digest>,
}

impl Form for Act {
    const NAME: &'static str = "act";
    const LIMIT: usize = 48 << 10;
    fn check(&self) -> Result<(), Refusal> {
        json::integer("act.revision", self.revision, 1)?;
        use ActKind::{Confirm, Declare, Decline, Object, Sign, SignAdReferendum, Withdraw};
        let opening = self.act.opening();
        if opening != Opening::Either && self.opening.is_some() != (opening == Opening::Always) {
            return Err(Refusal::malformed("act.opening", "is null in acts on a draft and in no other"));
        }
        if self.act != Withdraw && self.reason.is_some() != matches!(self.act, Object | Decline) {
            return Err(Refusal::malformed(
                "act.reason",
                "is present in object and decline, and beside them in withdraw alone",
            ));
        }
        let declares = match (&self.declaration, self.act) {
            (Some(Declaration::Texts(texts)), Declare) => {
                json::count("act.declaration", texts.len(), 1, LANGUAGES_LIMIT)?;
                true
            }
            (None, kind) => kind != Declare,
            (Some(Declaration::Made(_)), Sign | SignAdReferendum) => true,
            _ => false,
        };
        if !declares {
            return Err(Refusal::malformed(
                "act.declaration",
                "is texts in declare, the digest of a declaring act or null in a signature, null in every other",
            ));
        }
        if self.confirms.is_some() != (self.act == Confirm) {
            return Err(Refusal::malformed("act.confirms", "is present in confirm and in no other"));
        }
        Ok(())
    }
}
impl Body for Act {}
