//! What a verification found: for programs as JSON, for people as data that a tool renders.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use super::{
    check::Check,
    evidence::LogFound,
    replay::Replay,
    write::{self, Contents},
};
use crate::{
    domain::{
        act::{ActKind, Declaration},
        charter::Party,
        id::{CommuniqueId, Digest, ExchangeName, HolderId, Lang, PartyId},
        life::LoggedAct,
        manifest::{Annex, LegalEffect, Manifest, Meeting, Procedure, Status, Text},
        message::{Fact, Message, Tell},
        seats::Grants as _,
        succession::Standing,
        text,
        time::Time,
        words::{Names, Prose},
    },
    msg,
};

/// What no package proves, whatever the verdict.
#[must_use]
pub fn not_proven() -> [Message; 4] {
    [
        msg!("later charters, revocations and rectifications are unknown to a package"),
        msg!(
            "that these entries are in the log is proven; that nothing else was logged, such as other acts, adoptions and revocations, is the exchange's word"
        ),
        msg!("without witnesses of parties that one trusts, the log may be one that the exchange shows to nobody else"),
        msg!("escrow and embargo are promises of the depositary"),
    ]
}

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
        detail: Detail,
    },
    /// The bytes could not be read.
    CannotRead {
        /// Why, safe to show.
        detail: Detail,
    },
    /// Of a suite, format or rules that this program does not know.
    CannotJudge {
        /// Which, safe to show.
        detail: Detail,
    },
}

/// Most characters of a detail, before those that hide are written out.
pub const DETAIL_LIMIT: usize = 1000;

/// What failed or could not be read or judged. It may quote the file: in its English words, which the verdict in JSON has, nothing of
/// it reaches a terminal raw, and not all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detail(Message);

impl Detail {
    /// Says it with this.
    #[must_use]
    pub fn new(message: Message) -> Self {
        Self(message)
    }
}
impl Tell for Detail {
    fn tell(&self) -> Fact {
        self.0.tell()
    }
}
impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.0.to_string();
        let cut =
            detail.char_indices().nth(DETAIL_LIMIT).map_or(&*detail, |(at, _)| detail.get(..at).unwrap_or_default());
        let more = if cut.len() < detail.len() { " …" } else { "" };
        write!(f, "{}{more}", text::escape_line(cut))
    }
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
            Self::Failed { check, detail } => (Some(check.id()), Some(detail.to_string())),
            Self::CannotRead { detail } | Self::CannotJudge { detail } => (None, Some(detail.to_string())),
            Self::Proven(_) | Self::Unpinned(_) => (None, None),
        };
        json!({
            "verdict": self.name(),
            "proven": matches!(self, Self::Proven(_)),
            "exit_code": self.exit_code(),
            "check": check,
            "detail": detail,
            "findings": self.findings().map(Findings::to_json),
            "not_proven": not_proven().map(|line| line.to_string()),
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
    /// Every charter that came into force before publication, from version 1.
    pub charters: Vec<CharterFound>,
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
    /// Who released it for publication before the embargo's end, in log order.
    pub releases: Vec<Release>,
    /// What it corrects, verified from its own package.
    pub original: Option<Box<Findings>>,
    /// What is shown of the log. None of an original: what is proven of that is proven with the whole.
    pub log: Option<LogFound>,
}

/// A charter that came into force.
#[derive(Clone, PartialEq, Debug)]
pub struct CharterFound {
    /// Its version.
    pub version: u64,
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// From when on it was in force.
    pub since: Time,
    /// Whom it lists and who did not adopt it in time: no parties.
    pub absent: Vec<PartyId>,
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
    /// Signatures that were given and do not count.
    pub uncounted: Vec<Uncounted>,
    /// Declarations that no signature that counts was given with.
    pub declarations: Vec<DeclarationFound>,
}

/// A person who acted, and when.
#[derive(Clone, PartialEq, Debug)]
pub struct Deed {
    /// His or her id within the party.
    pub holder: HolderId,
    /// Names, as the full powers give them.
    pub names: Names,
    /// Titles, as the full powers give them.
    pub titles: Names,
    /// When, as he or she says.
    pub time: Time,
    /// Where, as he or she says.
    pub place: Option<String>,
    /// Log time.
    pub logged: Time,
    /// Log index.
    pub index: u64,
}

/// A holder of full powers who signed.
#[derive(Clone, PartialEq, Debug)]
pub struct Signatory {
    /// Who and when.
    pub deed: Deed,
    /// How it was signed.
    pub capacity: Capacity,
    /// The declaration that the signature was given with.
    pub declaration: Option<DeclarationFound>,
    /// The end of the full powers after completion, which changes nothing.
    pub revoked: Option<Ended>,
}

/// How a signature binds (VCLT, article 12).
#[derive(Clone, PartialEq, Debug)]
pub enum Capacity {
    /// At once.
    Definitive,
    /// Subject to this confirmation.
    AdReferendum(Deed),
}

/// A signature that was given and does not count.
#[derive(Clone, PartialEq, Debug)]
pub struct Uncounted {
    /// Who and when.
    pub deed: Deed,
    /// Whether it was given ad referendum.
    pub ad_referendum: bool,
    /// The end of the full powers before completion; without one, no confirmation of it counts.
    pub revoked: Option<Ended>,
}

/// A declaration.
#[derive(Clone, PartialEq, Debug)]
pub struct DeclarationFound {
    /// Who made it and when.
    pub deed: Deed,
    /// On which revision.
    pub revision: u64,
    /// What it says, by language.
    pub texts: BTreeMap<Lang, Prose>,
}

/// The end of full powers.
#[derive(Clone, PartialEq, Debug)]
pub struct Ended {
    /// Log time.
    pub logged: Time,
    /// Why.
    pub reason: String,
}

/// A party's consent to publication before the embargo's end.
#[derive(Clone, PartialEq, Debug)]
pub struct Release {
    /// The party.
    pub party: PartyId,
    /// Who and when.
    pub deed: Deed,
}

impl Replay {
    fn deed(&self, a: &LoggedAct) -> Option<Deed> {
        let holder = &self.parties.grant(&a.act.party, &a.act.grant)?.powers.holder;
        Some(Deed {
            holder: holder.id.clone(),
            names: holder.names.clone(),
            titles: holder.titles.clone(),
            time: a.act.time,
            place: a.act.place.as_ref().map(|p| p.as_str().to_owned()),
            logged: a.place.time,
            index: a.place.index,
        })
    }
    fn declaration(&self, a: &LoggedAct) -> Option<DeclarationFound> {
        match &a.act.declaration {
            Some(Declaration::Texts(texts)) => {
                Some(DeclarationFound { deed: self.deed(a)?, revision: a.act.revision, texts: texts.clone() })
            }
            _ => None,
        }
    }
    /// The end of the powers under which it was done, with its log index.
    fn ended(&self, a: &LoggedAct) -> Option<(u64, Ended)> {
        let held = self.parties.get(&a.act.party)?.revocation(a.act.grant)?;
        let reason = held.body.reason.as_str().to_owned();
        Some((held.place.index, Ended { logged: held.place.time, reason }))
    }
    fn party(&self, id: &PartyId, listed: &Party, completed: u64) -> Option<PartyFound> {
        let acts = || {
            self.life
                .newest()
                .into_iter()
                .flat_map(|r| &r.acts)
                .map(AsRef::as_ref)
                .filter(|a: &&LoggedAct| a.act.party == *id)
        };
        let of_kind = |kind| acts().filter(move |a| a.act.act == kind);
        let (mut signatories, mut uncounted) = (vec![], vec![]);
        for a in acts().filter(|a| matches!(a.act.act, ActKind::Sign | ActKind::SignAdReferendum)) {
            let (deed, ad_referendum) = (self.deed(a)?, a.act.act == ActKind::SignAdReferendum);
            let ended = self.ended(a);
            if !self.counted.contains(&a.digest) {
                let revoked = ended.filter(|(index, _)| *index < completed).map(|(_, ended)| ended);
                uncounted.push(Uncounted { deed, ad_referendum, revoked });
                continue;
            }
            let capacity = if ad_referendum {
                let confirms = |c: &&LoggedAct| c.act.confirms == Some(a.digest) && self.counted.contains(&c.digest);
                Capacity::AdReferendum(self.deed(of_kind(ActKind::Confirm).find(confirms)?)?)
            } else {
                Capacity::Definitive
            };
            let made = |digest| acts().find(|d| d.digest == digest).or_else(|| self.declarations.get(&digest));
            let declaration = named_by(a).and_then(made).and_then(|made| self.declaration(made));
            signatories.push(Signatory { deed, capacity, declaration, revoked: ended.map(|(_, ended)| ended) });
        }
        let named: Vec<_> = acts().filter(|a| self.counted.contains(&a.digest)).filter_map(named_by).collect();
        let earlier = self.declarations.values().filter(|d| d.act.party == *id);
        let alone = earlier.chain(of_kind(ActKind::Declare)).filter(|d| !named.contains(&d.digest));
        Some(PartyFound {
            id: id.clone(),
            names: listed.names.clone(),
            quorum: listed.quorum,
            signatories,
            uncounted,
            declarations: alone.filter_map(|d| self.declaration(d)).collect(),
        })
    }
}

/// The declaration that a signature names.
fn named_by(a: &LoggedAct) -> Option<Digest> {
    write::given_with(&a.act)
}

impl Findings {
    /// Gathers them from a package that passed every check.
    pub(super) fn of(contents: &Contents, replay: &Replay, original: Option<Self>) -> Option<Self> {
        let (completed, published) = replay.life.completed().zip(replay.life.published())?;
        let chain = replay.charters.chain(published.time);
        // Not the one of that second: another may have come into force in it, after completion.
        let charter = chain.iter().find(|s| s.digest() == contents.manifest().charter)?;
        let signed = replay.life.newest()?;
        let Manifest { parties, titles, texts, annexes, meeting, legal_effect, procedure, .. } = &**contents.manifest();
        let parties = parties.iter().map(|id| replay.party(id, charter.party(id).ok()?, completed.index));
        let early = procedure.embargo.is_some_and(|until| published.time < until);
        let releases = signed.acts.iter().filter(|a| early && a.act.act == ActKind::Release);
        let releases = releases.map(|a| Some(Release { party: a.act.party.clone(), deed: replay.deed(a)? }));
        Some(Self {
            communique: contents.manifest().communique,
            exchange: contents.manifest().exchange.clone(),
            revision: contents.manifest().revision,
            manifest: contents.manifest().digest(),
            titles: titles.clone(),
            founding: replay.charters.founding()?,
            charter: charter.digest(),
            charter_version: charter.charter().version,
            charters: chain.iter().map(|s| CharterFound::of(s)).collect(),
            pinned: None,
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
            releases: releases.collect::<Option<_>>()?,
            original: original.map(Box::new),
            log: None,
        })
    }
    /// Says which version the reader's fingerprint is of; the originals are of the same charters.
    pub(super) fn pin(&mut self, version: Option<u64>) {
        self.pinned = version;
        if let Some(original) = &mut self.original {
            original.pin(version);
        }
    }
    /// Whether any text here is authentic, and so equally so with the others that are.
    pub fn authentic(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter().filter(|t| t.status == Status::Authentic)
    }

    /// Without a pin, names are claims, and nobody is said to have put a name to anything.
    fn to_json(&self) -> Value {
        let pinned = self.pinned.is_some();
        let (names, who) = if pinned { ("names", "signatories") } else { ("claims_to_be", "claimants") };
        let deed = |d: &Deed| {
            json!({
                "holder": d.holder, names: d.names, "titles": d.titles, "time": d.time, "place": d.place,
                "logged": d.logged, "index": d.index,
            })
        };
        let with = |mut value: Value, members: Value| {
            if let (Some(value), Value::Object(members)) = (value.as_object_mut(), members) {
                value.extend(members);
            }
            value
        };
        let ended = |e: &Ended| json!({ "logged": e.logged, "reason": e.reason });
        let declaration =
            |d: &DeclarationFound| with(deed(&d.deed), json!({ "revision": d.revision, "texts": d.texts }));
        let signatory = |s: &Signatory| {
            let (capacity, confirmed) = match &s.capacity {
                Capacity::Definitive => ("definitive", None),
                Capacity::AdReferendum(confirmed) => ("ad_referendum", Some(deed(confirmed))),
            };
            let members = json!({
                "capacity": capacity, "confirmed": confirmed, "declaration": s.declaration.as_ref().map(declaration),
                "revoked": s.revoked.as_ref().map(ended),
            });
            with(deed(&s.deed), members)
        };
        let uncounted = |u: &Uncounted| {
            let capacity = if u.ad_referendum { "ad_referendum" } else { "definitive" };
            with(deed(&u.deed), json!({ "capacity": capacity, "revoked": u.revoked.as_ref().map(ended) }))
        };
        let party = |p: &PartyFound| {
            json!({
                "id": p.id, names: p.names, "quorum": p.quorum,
                who: p.signatories.iter().map(signatory).collect::<Vec<_>>(),
                "uncounted": p.uncounted.iter().map(uncounted).collect::<Vec<_>>(),
                "declarations": p.declarations.iter().map(declaration).collect::<Vec<_>>(),
            })
        };
        let charter = |c: &CharterFound| json!({ "version": c.version, "fingerprint": c.fingerprint, "since": c.since, "absent": c.absent });
        let log = |l: &LogFound| json!({ "origin": l.origin, "size": l.size, "root": l.root.to_string() });
        let witnesses = |l: &LogFound| {
            let parties: Vec<_> = l.witnesses.iter().map(|w| json!({ "party": w.party, "time": w.time })).collect();
            json!({ "wanted": l.wanted, "found": parties.len(), "parties": parties })
        };
        let release = |r: &Release| with(deed(&r.deed), json!({ "party": r.party }));
        json!({
            "communique": self.communique,
            "exchange": self.exchange,
            "revision": self.revision,
            "manifest": self.manifest,
            "titles": self.titles,
            "founding": self.founding,
            "charter": self.charter,
            "charter_version": self.charter_version,
            "charters": self.charters.iter().map(charter).collect::<Vec<_>>(),
            "pinned_version": self.pinned,
            "parties": self.parties.iter().map(party).collect::<Vec<_>>(),
            "texts": self.texts,
            "annexes": self.annexes,
            "meeting": self.meeting,
            "legal_effect": self.legal_effect,
            "procedure": self.procedure,
            "completed": self.completed,
            "published": self.published,
            "published_index": self.published_index,
            "published_entry": self.published_entry,
            "releases": self.releases.iter().map(release).collect::<Vec<_>>(),
            "rectifies": self.original.as_ref().map(|o| o.to_json()),
            "log": self.log.as_ref().map(log),
            "witnesses": self.log.as_ref().map(witnesses),
            "timestamp": self.log.as_ref().map(|l| l.stamped),
        })
    }
}

impl CharterFound {
    pub(super) fn of(standing: &Standing) -> Self {
        Self {
            version: standing.charter().version,
            fingerprint: standing.digest(),
            since: standing.since(),
            absent: standing.absent().iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_told_in_part_and_says_so() {
        let of = |characters: usize| Detail::new(Message::words("é".repeat(characters))).to_string();
        assert_eq!(of(DETAIL_LIMIT), "é".repeat(DETAIL_LIMIT));
        assert_eq!(of(DETAIL_LIMIT + 1), format!("{} …", "é".repeat(DETAIL_LIMIT)));
    }
}
