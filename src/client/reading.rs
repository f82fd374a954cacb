//! Reading: what the exchange sends is believed only as far as it follows from the pinned charter. Every digest is
//! computed again, every statement verified, before anything is shown or signed.

use std::collections::BTreeMap;

use crate::domain::{
    act::{Act, ActKind},
    charter::{Adoption, Charter},
    document::Document,
    entry::{Entry, Kind},
    id::{CommuniqueId, Digest, Lang, PartyId},
    json,
    life::State,
    manifest::Manifest,
    powers::Powers,
    refusal::Refusal,
    register::{self, verify_act},
    seats::Grants,
    statement::{Statement, Unverified},
    text,
    view::{ActView, CommuniqueView, RevisionView},
};

/// The charter that a party has pinned.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The charter in force, as far as this side knows.
    pub charter: Document<Charter>,
    /// Digest of charter 1.
    pub founding: Digest,
}

impl Pinned {
    /// Takes a charter whose fingerprint is the pin, got by hand.
    ///
    /// # Errors
    /// [`Refusal::WrongDigest`] for another charter.
    pub fn new(charter: Vec<u8>, pin: Digest) -> Result<Self, Refusal> {
        let actual = Digest::of(&charter);
        if actual != pin {
            return Err(Refusal::WrongDigest { expected: pin, actual });
        }
        let charter = Document::<Charter>::parse(charter)?;
        if charter.version != 1 {
            return Err(Refusal::NotOffered { feature: "a charter after the first".into() });
        }
        Ok(Self { founding: charter.digest(), charter })
    }
    /// That every party has adopted it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] naming the party that has not; what fails to verify.
    pub fn adopted(&self, adoptions: &[String]) -> Result<Vec<Statement<Adoption>>, Refusal> {
        let mut verified = Vec::new();
        for compact in adoptions {
            verified.push(register::adopt(&self.charter, Unverified::parse(compact)?)?);
        }
        for party in &self.charter.parties {
            if !verified.iter().any(|a| a.body().party == party.id) {
                return Err(Refusal::not_found("adoption of the charter by", &party.id));
            }
        }
        Ok(verified)
    }
    /// Verifies full powers under the authority key of their party.
    ///
    /// # Errors
    /// [`Refusal::UnknownParty`], [`Refusal::Disagrees`], [`Refusal::SignatureInvalid`].
    pub fn powers(&self, compact: &str) -> Result<Statement<Powers>, Refusal> {
        let unverified = Unverified::<Powers>::parse(compact)?;
        let claims = unverified.claims();
        let key = self.charter.party(&claims.party)?.authority;
        same("powers.founding", self.founding, claims.founding)?;
        same("powers.exchange", &self.charter.exchange, &claims.exchange)?;
        unverified.verify(&key)
    }
}

/// Verified full powers by digest.
#[derive(Clone, Debug, Default)]
pub struct GrantBook(BTreeMap<Digest, Statement<Powers>>);

impl GrantBook {
    /// Adds verified powers.
    pub fn add(&mut self, powers: Statement<Powers>) {
        self.0.insert(powers.digest(), powers);
    }
    /// The powers of this digest.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<&Statement<Powers>> {
        self.0.get(digest)
    }
}
impl Grants for GrantBook {
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<&Powers> {
        Some(self.0.get(digest)?.body()).filter(|p| p.party == *party)
    }
}

/// A revision whose manifest and proposal were verified.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The manifest.
    pub manifest: Document<Manifest>,
    /// The act that proposed it.
    pub propose: Statement<Act>,
}

impl Revision {
    /// Checks what the exchange says is a revision of this communiqué.
    ///
    /// # Errors
    /// What does not follow from the pin.
    pub fn check(pinned: &Pinned, id: CommuniqueId, view: &RevisionView, grants: &GrantBook) -> Result<Self, Refusal> {
        let manifest = Document::<Manifest>::parse(view.manifest.clone())?;
        same("manifest.communique", id, manifest.communique)?;
        same("manifest.founding", pinned.founding, manifest.founding)?;
        same("manifest.exchange", &pinned.charter.exchange, &manifest.exchange)?;
        same("manifest.charter", pinned.charter.digest(), manifest.charter)?;
        let propose = on(&manifest, &view.propose, grants)?;
        same("act.act", ActKind::Propose, propose.body().act)?;
        Ok(Self { manifest, propose })
    }
}

/// The grants that a view's acts name, to be fetched before it is checked.
///
/// # Errors
/// [`Refusal::Malformed`] for what is no act.
pub fn grants_named(view: &CommuniqueView) -> Result<Vec<Digest>, Refusal> {
    let shown = view.acts.iter().filter_map(|a| match a {
        ActView::Shown { statement, .. } => Some(statement),
        ActView::Escrowed { .. } => None,
    });
    let mut named = Vec::new();
    for compact in [&view.newest.propose].into_iter().chain(shown) {
        named.push(Unverified::<Act>::parse(compact)?.claims().grant);
    }
    named.sort();
    named.dedup();
    Ok(named)
}

/// A communiqué as it stands, verified.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The state that the exchange reports.
    pub state: State,
    /// The newest revision.
    pub newest: Revision,
    /// The acts on it that can be seen.
    pub acts: Vec<Statement<Act>>,
    /// Whose signatures lie in escrow, unseen: the exchange's word.
    pub escrowed: Vec<PartyId>,
    /// The digest of the `opened` entry: what a signature names.
    pub opening: Option<Digest>,
    /// Whether it was declined.
    pub declined: bool,
}

impl Reading {
    /// Checks what the exchange says of a communiqué.
    ///
    /// # Errors
    /// What does not follow from the pin, or contradicts itself.
    pub fn check(
        pinned: &Pinned,
        id: CommuniqueId,
        view: &CommuniqueView,
        grants: &GrantBook,
    ) -> Result<Self, Refusal> {
        same("communique", id, view.communique)?;
        let newest = Revision::check(pinned, id, &view.newest, grants)?;
        let (mut acts, mut escrowed) = (Vec::new(), Vec::new());
        for act in &view.acts {
            match act {
                ActView::Shown { statement, .. } => acts.push(on(&newest.manifest, statement, grants)?),
                ActView::Escrowed { party, .. } => escrowed.push(party.clone()),
            }
        }
        let opening = match &view.opened {
            Some(receipt) => Some(opened(&newest, &acts, &receipt.entry)?),
            None => None,
        };
        if view.state == State::Open && opening.is_none() {
            return Err(Refusal::not_found("opened entry of", id));
        }
        Ok(Self { state: view.state, newest, acts, escrowed, opening, declined: view.declined })
    }
}

/// The opening must name this manifest, and exactly the initials (or the opening act) that can be seen.
fn opened(newest: &Revision, acts: &[Statement<Act>], bytes: &[u8]) -> Result<Digest, Refusal> {
    let entry: Entry = json::parse(bytes)?;
    if entry.kind != Kind::Opened || entry.documents != [newest.manifest.digest()] {
        return Err(Refusal::disagrees("opened", newest.manifest.digest(), "an entry of something else"));
    }
    let openers: Vec<_> = acts.iter().filter(|a| matches!(a.body().act, ActKind::Initial | ActKind::Open)).collect();
    if entry.statements != openers.iter().map(|a| a.digest()).collect::<Vec<_>>() {
        return Err(Refusal::disagrees("opened.statements", "the initials that are there", "others"));
    }
    let initialled =
        |party: &PartyId| openers.iter().any(|a| a.body().act == ActKind::Initial && a.body().party == *party);
    let by_proposer =
        openers.iter().any(|a| a.body().act == ActKind::Open && a.body().party == newest.manifest.proposer);
    if !by_proposer && !newest.manifest.parties.iter().all(initialled) {
        return Err(Refusal::disagrees("opened.statements", "an initial of every party", "fewer"));
    }
    Ok(Digest::of(bytes))
}

/// An act that verifies and speaks of this manifest.
fn on(manifest: &Document<Manifest>, compact: &str, grants: &GrantBook) -> Result<Statement<Act>, Refusal> {
    let act = verify_act(Unverified::parse(compact)?, grants)?;
    same("act.manifest", manifest.digest(), act.body().manifest)?;
    same("act.communique", manifest.communique, act.body().communique)?;
    same("act.revision", manifest.revision, act.body().revision)?;
    if !manifest.parties.contains(&act.body().party) {
        return Err(Refusal::UnknownParty { party: act.body().party.clone() });
    }
    Ok(act)
}

/// The texts of a manifest, checked against its digests and the text rules.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::WrongDigest`], [`Refusal::TextRules`].
pub fn texts(manifest: &Manifest, mut bytes: BTreeMap<Lang, Vec<u8>>) -> Result<BTreeMap<Lang, String>, Refusal> {
    let mut texts = BTreeMap::new();
    for t in &manifest.texts {
        let bytes = bytes.remove(&t.lang).ok_or_else(|| Refusal::not_found("text", &t.lang))?;
        let actual = Digest::of(&bytes);
        if actual != t.sha256 {
            return Err(Refusal::WrongDigest { expected: t.sha256, actual });
        }
        let words = text::check_text(&bytes, t.dir).map_err(|faults| Refusal::TextRules {
            lang: t.lang.to_string(),
            faults: faults.first().map(ToString::to_string).unwrap_or_default(),
        })?;
        texts.insert(t.lang.clone(), words.to_owned());
    }
    Ok(texts)
}

fn same<T: PartialEq + ToString>(member: &str, expected: T, actual: T) -> Result<(), Refusal> {
    if expected == actual { Ok(()) } else { Err(Refusal::disagrees(member, expected.to_string(), actual.to_string())) }
}
