//! Reading: what the exchange sends is believed only as far as it follows from the pinned charter. Every digest is
//! computed again, every statement verified, before anything is shown or signed.

use std::collections::BTreeMap;

use crate::domain::{
    act::{Act, ActKind},
    charter::{Adoption, Charter},
    document::Document,
    entry::{Entry, Kind, StreamId},
    id::{CommuniqueId, Digest, Lang, PartyId},
    json,
    life::State,
    manifest::{Initialling, Manifest},
    powers::Powers,
    refusal::{Refusal, same},
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

/// The opening must name this manifest, and be by exactly the acts that can be seen and that its procedure asks for.
fn opened(newest: &Revision, acts: &[Statement<Act>], bytes: &[u8]) -> Result<Digest, Refusal> {
    let (entry, manifest): (Entry, _) = (json::parse(bytes)?, &newest.manifest);
    let stream = StreamId::Communique(manifest.communique);
    if entry.kind != Kind::Opened || entry.documents != [manifest.digest()] || entry.stream != stream {
        return Err(Refusal::disagrees("opened", manifest.digest(), "an entry of something else"));
    }
    let openers: Vec<_> = acts.iter().filter(|a| matches!(a.body().act, ActKind::Initial | ActKind::Open)).collect();
    if entry.statements != openers.iter().map(|a| a.digest()).collect::<Vec<_>>() {
        return Err(Refusal::disagrees("opened.statements", "the initials that are there", "others"));
    }
    let by = |kind, party: &PartyId| openers.iter().any(|a| a.body().act == kind && a.body().party == *party);
    match manifest.procedure.initialling {
        Initialling::Waived if !by(ActKind::Open, &manifest.proposer) => {
            Err(Refusal::disagrees("opened.statements", "an opening by the proposer", "none"))
        }
        Initialling::Required if !manifest.parties.iter().all(|party| by(ActKind::Initial, party)) => {
            Err(Refusal::disagrees("opened.statements", "an initial of every party", "fewer"))
        }
        Initialling::Waived | Initialling::Required => Ok(Digest::of(bytes)),
    }
}

/// An act that verifies under its full powers, and that they cover.
///
/// # Errors
/// [`Refusal::UnknownGrant`], [`Refusal::SignatureInvalid`], [`Refusal::GrantForbids`].
pub fn covered(compact: &str, grants: &GrantBook) -> Result<Statement<Act>, Refusal> {
    let act = verify_act(Unverified::parse(compact)?, grants)?;
    let body = act.body();
    grants.grant(&body.party, &body.grant).ok_or(Refusal::UnknownGrant { grant: body.grant })?.cover(body)?;
    Ok(act)
}

/// An act that holds and speaks of this manifest.
fn on(manifest: &Document<Manifest>, compact: &str, grants: &GrantBook) -> Result<Statement<Act>, Refusal> {
    let act = covered(compact, grants)?;
    let body = act.body();
    same("act.manifest", manifest.digest(), body.manifest)?;
    same("act.founding", manifest.founding, body.founding)?;
    same("act.exchange", &manifest.exchange, &body.exchange)?;
    same("act.charter", manifest.charter, body.charter)?;
    same("act.communique", manifest.communique, body.communique)?;
    same("act.revision", manifest.revision, body.revision)?;
    if !manifest.parties.contains(&body.party) {
        return Err(Refusal::UnknownParty { party: body.party.clone() });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::Salt,
        powers::Powers,
        samples::{World, key, noon},
        view::Receipt,
    };

    fn pinned(world: &World) -> Pinned {
        Pinned { charter: world.charter.clone(), founding: world.founding() }
    }
    fn book(world: &World) -> GrantBook {
        let mut book = GrantBook::default();
        for held in world.records.values().flat_map(|r| r.grants().values()) {
            book.add(pinned(world).powers(&held.compact).unwrap());
        }
        book
    }
    fn receipt() -> Receipt {
        Receipt { index: 0, entry: vec![] }
    }
    /// What an exchange would show that opened the revision by these acts.
    fn shown(world: &World, acts: &[Statement<Act>]) -> CommuniqueView {
        let newest = world.life.newest().unwrap();
        let entry = Entry {
            documents: vec![newest.manifest.digest()],
            files: None,
            kind: Kind::Opened,
            previous: Some(Digest::of(b"before")),
            salt: Salt::new([0; 32]),
            seq: 9,
            statements: acts.iter().map(Statement::digest).collect(),
            stream: StreamId::Communique(world.id),
            time: noon(),
        };
        let view = |a: &Statement<Act>| ActView::Shown { statement: a.compact().into(), receipt: receipt() };
        CommuniqueView {
            communique: world.id,
            state: State::Open,
            newest: RevisionView {
                manifest: newest.manifest.bytes().to_vec(),
                propose: newest.propose.compact.clone(),
                receipt: receipt(),
            },
            opened: Some(Receipt { index: 9, entry: json::encode(&entry) }),
            acts: acts.iter().map(view).collect(),
            declined: false,
        }
    }
    fn signed(world: &World, kind: ActKind, of: &str, holder: &str) -> Statement<Act> {
        Statement::sign(world.act(kind, of, holder), &key(&format!("{of}.{holder}"))).unwrap()
    }
    fn check(world: &World, acts: &[Statement<Act>]) -> Result<Option<Digest>, &'static str> {
        let view = shown(world, acts);
        Reading::check(&pinned(world), world.id, &view, &book(world)).map(|r| r.opening).map_err(|r| r.reason())
    }

    #[test]
    fn an_opening_is_by_what_the_manifest_asks() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        world.propose().unwrap();
        let initials = [("north", "a1"), ("south", "a1")].map(|(p, h)| signed(&world, ActKind::Initial, p, h));
        assert!(check(&world, &initials).is_ok_and(|o| o.is_some()));
        assert_eq!(check(&world, &initials[..1]), Err("DISAGREES"));
        let by_proposer = signed(&world, ActKind::Open, "north", "a1");
        assert_eq!(check(&world, std::slice::from_ref(&by_proposer)), Err("DISAGREES"), "initials are required");

        let mut world = World::new(&[("north", 1), ("south", 1)]);
        let mut manifest = world.manifest();
        manifest.procedure.initialling = Initialling::Waived;
        world.propose_as(manifest, |act| act).unwrap();
        assert!(check(&world, &[signed(&world, ActKind::Open, "north", "a1")]).is_ok_and(|o| o.is_some()));
        assert_eq!(check(&world, &[signed(&world, ActKind::Open, "south", "a1")]), Err("DISAGREES"));
    }

    #[test]
    fn an_act_outside_its_full_powers_is_not_believed() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        let narrow = Powers { acts: vec![ActKind::Propose], ..world.powers("south", "clerk1") };
        world.grant(narrow).unwrap();
        world.propose().unwrap();
        let acts =
            [signed(&world, ActKind::Initial, "north", "a1"), signed(&world, ActKind::Initial, "south", "clerk1")];
        assert_eq!(check(&world, &acts), Err("GRANT_FORBIDS"));
    }
}
