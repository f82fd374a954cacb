//! What a verification found: for programs as JSON, for people as data that a tool renders.

use serde_json::{Value, json};

use super::{check::Check, replay::Replay, write::Contents};
use crate::domain::{
    act::ActKind,
    id::{CommuniqueId, Digest, ExchangeName, HolderId, PartyId},
    manifest::{Annex, LegalEffect, Manifest, Meeting, Procedure, Status, Text},
    seats::Grants as _,
    time::Time,
    words::Names,
};

/// What no package proves, whatever the verdict.
pub const NOT_PROVEN: [&str; 3] = [
    "later charters, revocations and rectifications are unknown to a package",
    "that no other acts were made is the exchange's word",
    "escrow and embargo are promises of the depositary",
];

/// The outcome.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Every check passed, and the charter is the one that the reader brought the fingerprint of.
    Proven(Box<Findings>),
    /// Every other check passed, but nobody said which charter to believe: anybody can make such a package.
    Unpinned(Box<Findings>),
    /// A check failed. Nothing of the content is offered.
    Failed {
        /// The first that failed.
        check: Check,
        /// How, safe to show.
        detail: String,
    },
    /// The bytes could not be read.
    CannotRead {
        /// Why, safe to show.
        detail: String,
    },
    /// Of a suite, format or rules that this program does not know.
    CannotJudge {
        /// Which, safe to show.
        detail: String,
    },
}

impl Verdict {
    /// 0 proven, 1 something fails, 2 cannot read or cannot judge, 3 consistent but unpinned.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Proven(_) => 0,
            Self::Failed { .. } => 1,
            Self::CannotRead { .. } | Self::CannotJudge { .. } => 2,
            Self::Unpinned(_) => 3,
        }
    }
    /// Its name for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proven(_) => "proven",
            Self::Unpinned(_) => "unpinned",
            Self::Failed { .. } => "failed",
            Self::CannotRead { .. } => "cannot_read",
            Self::CannotJudge { .. } => "cannot_judge",
        }
    }
    /// What was found; nothing unless the package is whole.
    #[must_use]
    pub fn findings(&self) -> Option<&Findings> {
        match self {
            Self::Proven(findings) | Self::Unpinned(findings) => Some(findings),
            _ => None,
        }
    }
    /// The verdict as JSON, in the shape that `docs/FORMAT.md` gives: members are always there, `null` where inapplicable.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (check, detail) = match self {
            Self::Failed { check, detail } => (Some(check.id()), Some(detail)),
            Self::CannotRead { detail } | Self::CannotJudge { detail } => (None, Some(detail)),
            Self::Proven(_) | Self::Unpinned(_) => (None, None),
        };
        json!({
            "verdict": self.name(),
            "proven": matches!(self, Self::Proven(_)),
            "exit_code": self.exit_code(),
            "check": check,
            "detail": detail,
            "findings": self.findings().map(Findings::to_json),
            "not_proven": NOT_PROVEN,
        })
    }
}

/// What a whole package says. Believed as far as its charter is: see [`Findings::pinned`].
#[derive(Clone, PartialEq, Debug)]
pub struct Findings {
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// The exchange.
    pub exchange: ExchangeName,
    /// The revision that counts.
    pub revision: u64,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Its titles.
    pub titles: Names,
    /// Fingerprint of charter 1.
    pub founding: Digest,
    /// Fingerprint of the charter that judged.
    pub charter: Digest,
    /// Its version.
    pub charter_version: u64,
    /// The version that the reader's fingerprint is of; without one, every name here is only claimed.
    pub pinned: Option<u64>,
    /// The parties in protocol order.
    pub parties: Vec<PartyFound>,
    /// The texts.
    pub texts: Vec<Text>,
    /// The annexes.
    pub annexes: Vec<Annex>,
    /// The meeting.
    pub meeting: Option<Meeting>,
    /// What it is meant to be.
    pub legal_effect: LegalEffect,
    /// How it was to be signed and published.
    pub procedure: Procedure,
    /// Log time of completion.
    pub completed: Time,
    /// Log time of publication.
    pub published: Time,
    /// Log index of the `published` entry.
    pub published_index: u64,
    /// Digest of the `published` entry.
    pub published_entry: Digest,
    /// How many witnesses the charter wants. This version of the package carries none.
    pub witnesses_wanted: u64,
}

/// A party and who signed for it.
#[derive(Clone, PartialEq, Debug)]
pub struct PartyFound {
    /// Its id.
    pub id: PartyId,
    /// Its names, as the charter gives them.
    pub names: Names,
    /// How many holders had to sign.
    pub quorum: u64,
    /// Who did, in log order.
    pub signatories: Vec<Signatory>,
}

/// A holder of full powers who signed.
#[derive(Clone, PartialEq, Debug)]
pub struct Signatory {
    /// His or her id within the party.
    pub holder: HolderId,
    /// Names, as the full powers give them.
    pub names: Names,
    /// Titles, as the full powers give them.
    pub titles: Names,
    /// When, as the signatory says.
    pub time: Time,
    /// Where, as the signatory says.
    pub place: Option<String>,
    /// Log time.
    pub logged: Time,
    /// Log index.
    pub index: u64,
}

impl Findings {
    /// Gathers them from a package that passed every check.
    pub(super) fn of(contents: &Contents, replay: &Replay, pinned: Option<u64>) -> Option<Self> {
        let (completed, published) = replay.life.completed().zip(replay.life.published())?;
        let charter = replay.charters.in_force(completed.time)?;
        let signed = replay.life.newest()?;
        let Manifest { parties, titles, texts, annexes, meeting, legal_effect, procedure, .. } = &**contents.manifest();
        let parties = parties.iter().map(|id| {
            let listed = charter.party(id).ok()?;
            let of_party = signed.acts.iter().filter(|a| a.act.act == ActKind::Sign && a.act.party == *id);
            let signatories = of_party.map(|a| {
                let powers = replay.parties.grant(id, &a.act.grant)?.powers;
                Some(Signatory {
                    holder: powers.holder.id.clone(),
                    names: powers.holder.names.clone(),
                    titles: powers.holder.titles.clone(),
                    time: a.act.time,
                    place: a.act.place.as_ref().map(|p| p.as_str().to_owned()),
                    logged: a.place.time,
                    index: a.place.index,
                })
            });
            Some(PartyFound {
                id: id.clone(),
                names: listed.names.clone(),
                quorum: listed.quorum,
                signatories: signatories.collect::<Option<_>>()?,
            })
        });
        Some(Self {
            communique: contents.manifest().communique,
            exchange: contents.manifest().exchange.clone(),
            revision: contents.manifest().revision,
            manifest: contents.manifest().digest(),
            titles: titles.clone(),
            founding: replay.charters.founding()?,
            charter: charter.digest(),
            charter_version: charter.charter().version,
            pinned,
            parties: parties.collect::<Option<_>>()?,
            texts: texts.clone(),
            annexes: annexes.clone(),
            meeting: meeting.clone(),
            legal_effect: *legal_effect,
            procedure: procedure.clone(),
            completed: completed.time,
            published: published.time,
            published_index: published.index,
            published_entry: published.entry,
            witnesses_wanted: charter.charter().witnesses,
        })
    }
    /// Whether any text here is authentic, and so equally so with the others that are.
    pub fn authentic(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter().filter(|t| t.status == Status::Authentic)
    }

    /// Without a pin, names are claims, and nobody is said to have put a name to anything.
    fn to_json(&self) -> Value {
        let (names, who) = if self.pinned.is_some() { ("names", "signatories") } else { ("claims_to_be", "claimants") };
        let parties: Vec<_> = self
            .parties
            .iter()
            .map(|p| {
                let signatories: Vec<_> = p
                    .signatories
                    .iter()
                    .map(|s| {
                        json!({
                            "holder": s.holder, names: s.names, "titles": s.titles, "time": s.time, "place": s.place,
                            "logged": s.logged, "index": s.index,
                        })
                    })
                    .collect();
                json!({ "id": p.id, names: p.names, "quorum": p.quorum, who: signatories })
            })
            .collect();
        json!({
            "communique": self.communique,
            "exchange": self.exchange,
            "revision": self.revision,
            "manifest": self.manifest,
            "titles": self.titles,
            "founding": self.founding,
            "charter": self.charter,
            "charter_version": self.charter_version,
            "pinned_version": self.pinned,
            "parties": parties,
            "texts": self.texts,
            "annexes": self.annexes,
            "meeting": self.meeting,
            "legal_effect": self.legal_effect,
            "procedure": self.procedure,
            "completed": self.completed,
            "published": self.published,
            "published_index": self.published_index,
            "published_entry": self.published_entry,
            "witnesses": { "wanted": self.witnesses_wanted, "found": 0 },
        })
    }
}
