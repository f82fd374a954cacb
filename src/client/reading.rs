//! Reading: what the exchange sends is believed only as far as it follows from the pinned charter. Every digest is
//! computed again, every statement verified, before anything is shown or signed.

use std::{collections::BTreeMap, sync::Arc};

use super::auditing::evidence::Logged;
use crate::{
    domain::{
        act::{Act, ActKind},
        charter::Charter,
        document::Document,
        entry::{Entry, Kind, Recorded, StreamId},
        id::{CommuniqueId, Digest, ExchangeName, Lang, PartyId},
        json,
        life::{self, State},
        manifest::{Initialling, Manifest},
        powers::{Powers, Revocation},
        refusal::{Refusal, same},
        register::verify_act,
        seats::{Grant, Grants},
        statement::{Body, Statement, Unverified},
        succession::{Charters, SUCCESSION_BYTES_LIMIT, SUCCESSION_ENTRIES_LIMIT, Standing},
        text,
        time::Time,
        trust::Trust,
        view::{ActView, CharterView, CommuniqueView, RevisionView},
    },
    msg,
};

/// Largest file of charters, in bytes: a chain of them, one per line.
pub const CHARTERS_FILE_LIMIT: usize = SUCCESSION_BYTES_LIMIT;

/// The charter that a party has pinned, and those that follow from it.
#[derive(Clone, Debug)]
pub struct Pinned {
    pin: Digest,
    /// From charter 1 to the newest known.
    chain: Vec<Arc<Standing>>,
}

impl Pinned {
    /// Takes charters from version 1 on, one per line, each naming the one before. One of them has the fingerprint that is the
    /// pin, got by hand; those before it are proven by it, those after it are believed when [`Pinned::follow`] has seen them
    /// adopted.
    ///
    /// # Errors
    /// [`Refusal::WrongDigest`] if none has the fingerprint; [`Refusal::Disagrees`] for charters that are no chain.
    pub fn new(file: &[u8], pin: Digest) -> Result<Self, Refusal> {
        let charters = charters(file)?;
        let newest = charters.last().map_or(pin, Document::digest);
        if charters.iter().all(|c| c.digest() != pin) {
            return Err(Refusal::WrongDigest { expected: pin, actual: newest });
        }
        let mut chain: Vec<Arc<Standing>> = Vec::new();
        for charter in charters {
            let since = Time::from_unix(0);
            chain.push(Arc::new(match chain.first() {
                None => Standing::first(charter, since),
                Some(first) => Standing::claimed(charter, first.digest()),
            }));
        }
        Ok(Self { pin, chain })
    }
    /// The newest charter known, and who is a party under it.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        // There is always one: `new` and `follow` refuse to make an empty chain.
        &self.chain[self.chain.len() - 1]
    }
    /// The newest charter known.
    #[must_use]
    pub fn charter(&self) -> &Document<Charter> {
        self.standing().charter()
    }
    /// Digest of charter 1.
    #[must_use]
    pub fn founding(&self) -> Digest {
        self.standing().founding()
    }
    /// The exchange's name.
    #[must_use]
    pub fn exchange(&self) -> &ExchangeName {
        self.standing().exchange()
    }
    /// Every charter known, from version 1.
    pub fn chain(&self) -> impl DoubleEndedIterator<Item = &Standing> {
        self.chain.iter().map(|s| &**s)
    }
    /// The charter of this digest.
    ///
    /// # Errors
    /// [`Refusal::Disagrees`] for one that does not follow from the pin.
    pub fn of(&self, charter: Digest) -> Result<&Standing, Refusal> {
        self.chain().find(|s| s.digest() == charter).ok_or_else(|| {
            Refusal::disagrees("charter", msg!("one that follows from the pinned charter by adoption"), charter)
        })
    }
    /// Follows the succession that the exchange shows: every charter in force must have been adopted by those whom its
    /// predecessor binds. The times of adoptions are the exchange's word.
    ///
    /// # Errors
    /// What does not verify; [`Refusal::Disagrees`] if the pinned charter is not in the chain.
    pub fn follow(&mut self, views: &[CharterView], now: Time) -> Result<(), Refusal> {
        self.follow_records(records(views), now)
    }
    /// The same of what was written down of a succession.
    ///
    /// # Errors
    /// As [`Pinned::follow`].
    pub fn follow_logged(&mut self, succession: &[Logged], now: Time) -> Result<(), Refusal> {
        let records = succession.iter().map(|l| (l.index, l.entry.as_bytes(), l.object.as_bytes())).collect();
        self.follow_records(records, now)
    }
    fn follow_records(&mut self, records: Vec<(u64, &[u8], &[u8])>, now: Time) -> Result<(), Refusal> {
        let (charters, newest) = decided_again(records, now)?;
        let chain = charters.chain(newest);
        if chain.iter().all(|s| s.digest() != self.pin) {
            return Err(Refusal::disagrees(
                "charter",
                msg!("a chain with the pinned {charter}", charter = self.pin),
                msg!("another value" => "another"),
            ));
        }
        self.chain = chain;
        Ok(())
    }
    /// Verifies full powers under an authority key that their party has or had.
    ///
    /// # Errors
    /// [`Refusal::UnknownParty`], [`Refusal::Disagrees`], [`Refusal::SignatureInvalid`].
    pub fn powers(&self, compact: &str) -> Result<Statement<Powers>, Refusal> {
        self.by_authority(compact, |body: &Powers| (&body.exchange, body.founding, &body.party))
    }
    /// Verifies a revocation under an authority key that its party has or had.
    ///
    /// # Errors
    /// As [`Pinned::powers`].
    pub fn revocation(&self, compact: &str) -> Result<Statement<Revocation>, Refusal> {
        self.by_authority(compact, |body: &Revocation| (&body.exchange, body.founding, &body.party))
    }
    /// Verifies a trust statement under an authority key that its party has or had.
    ///
    /// # Errors
    /// As [`Pinned::powers`].
    pub fn trust(&self, compact: &str) -> Result<Statement<Trust>, Refusal> {
        self.by_authority(compact, |body: &Trust| (&body.exchange, body.founding, &body.party))
    }
    /// Verifies what is for this exchange and by this party's authority, under that of its keys which signed it, or its newest.
    fn by_authority<B: Body>(
        &self,
        compact: &str,
        said: impl Fn(&B) -> (&ExchangeName, Digest, &PartyId),
    ) -> Result<Statement<B>, Refusal> {
        let unverified = Unverified::<B>::parse(compact)?;
        let (exchange, founding, party) = said(unverified.claims());
        self.standing().addressed(exchange, founding)?;
        let keys = || self.chain().rev().filter_map(|s| Some(s.party(party).ok()?.authority));
        let key = keys().find(|key| unverified.is_by(key)).or_else(|| keys().next());
        let key = key.ok_or_else(|| Refusal::UnknownParty { party: party.clone() })?;
        unverified.verify(&key)
    }
}

/// Folds the charters and adoptions that the exchange shows, each decided on again; and the time of the newest, or now. That the
/// succession is the pinned one is not asked.
///
/// # Errors
/// What does not verify, or follow from what was before it; [`Refusal::TooLarge`] for more than an exchange takes.
pub fn succession(views: &[CharterView], now: Time) -> Result<(Charters, Time), Refusal> {
    decided_again(records(views), now)
}

/// What views of charters record: where, the entry, and the charter or adoption.
pub(super) fn records(views: &[CharterView]) -> Vec<(u64, &[u8], &[u8])> {
    let mut records: Vec<(u64, &[u8], &[u8])> = Vec::new();
    for view in views {
        records.push((view.receipt.index, &view.receipt.entry, &view.charter));
        records.extend(view.adoptions.iter().map(|a| (a.receipt.index, &*a.receipt.entry, a.statement.as_bytes())));
    }
    records
}

/// [`succession`], of what is recorded at these indices: entry, and charter or adoption.
///
/// # Errors
/// As [`succession`].
pub(super) fn decided_again(mut records: Vec<(u64, &[u8], &[u8])>, now: Time) -> Result<(Charters, Time), Refusal> {
    // An exchange that shows more has taken what it must refuse: what was open for adoption at the limit is far less again.
    if records.len() as u64 > 2 * SUCCESSION_ENTRIES_LIMIT {
        let limit = 2 * SUCCESSION_ENTRIES_LIMIT;
        return Err(Refusal::TooLarge { what: msg!("what the exchange shows of charters, in entries,"), limit });
    }
    records.sort_by_key(|(index, ..)| *index);
    let mut charters = Charters::default();
    let mut newest = now;
    for (index, bytes, object) in records {
        let entry: Entry = json::parse(bytes)?;
        let named = entry.documents.iter().chain(&entry.statements);
        if entry.stream != StreamId::Exchange || !named.eq([&Digest::of(object)]) {
            return Err(Refusal::disagrees(
                "charter",
                msg!("an entry that names it"),
                msg!("an entry of something else"),
            ));
        }
        newest = newest.max(entry.time);
        let objects = [object.to_vec()];
        let recorded = Recorded { index, digest: Digest::of(bytes), entry: &entry, objects: &objects };
        charters.decide_again(recorded, None, |_| false)?;
        charters.apply(recorded)?;
    }
    Ok((charters, newest))
}

/// The charters of a file: canonical documents, one per line, from version 1, each naming the one before.
///
/// # Errors
/// What does not parse; [`Refusal::Disagrees`] for charters that are no chain.
pub fn charters(file: &[u8]) -> Result<Vec<Document<Charter>>, Refusal> {
    let mut charters: Vec<Document<Charter>> = Vec::new();
    for line in file.strip_suffix(b"\n").unwrap_or(file).split(|b| *b == b'\n') {
        let charter = Document::<Charter>::parse(line.to_vec())?;
        let previous = charters.last().map(Document::digest);
        if charter.previous != previous || charter.version != charters.len() as u64 + 1 {
            return Err(Refusal::Disagrees {
                member: "charter.previous".into(),
                expected: msg!("the one on the line before, from charter 1 on"),
                actual: msg!("another value" => "another"),
            });
        }
        charters.push(charter);
    }
    Ok(charters)
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
    /// Revocations are left out: what was done before one stands, and the exchange's log says which came first.
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<Grant<'_>> {
        let held = self.0.get(digest).filter(|held| held.body().party == *party)?;
        Some(Grant { powers: held.body(), compact: held.compact(), revoked: None })
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
        pinned.standing().addressed(&manifest.exchange, manifest.founding)?;
        let propose = on(pinned, &manifest, &view.propose, grants)?;
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
    /// Whether another charter came into force while it was open.
    pub returned: bool,
    /// Whether its texts were erased.
    pub purged: bool,
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
                ActView::Shown { statement, .. } => acts.push(on(pinned, &newest.manifest, statement, grants)?),
                // What confirms a signature is none of its own.
                ActView::Escrowed { act: ActKind::Confirm, .. } => {}
                ActView::Escrowed { party, .. } => escrowed.push(party.clone()),
            }
        }
        let opening = match &view.opened {
            Some(receipt) => Some(opened(&newest, &acts, &receipt.entry)?),
            None => None,
        };
        if view.state == State::Open && opening.is_none() {
            return Err(Refusal::not_found(msg!("`opened` entry of the communiqué"), id));
        }
        let CommuniqueView { state, declined, returned, purged, .. } = *view;
        Ok(Self { state, newest, acts, escrowed, opening, declined, returned, purged })
    }
}

/// The opening must name this manifest, and be by exactly the acts that can be seen and that its procedure asks for.
fn opened(newest: &Revision, acts: &[Statement<Act>], bytes: &[u8]) -> Result<Digest, Refusal> {
    let (entry, manifest): (Entry, _) = (json::parse(bytes)?, &newest.manifest);
    let stream = StreamId::Communique(manifest.communique);
    if entry.kind != Kind::Opened || entry.documents != [manifest.digest()] || entry.stream != stream {
        return Err(Refusal::disagrees("opened", manifest.digest(), msg!("an entry of something else")));
    }
    let openers: Vec<_> = acts.iter().filter(|a| matches!(a.body().act, ActKind::Initial | ActKind::Open)).collect();
    if entry.statements != openers.iter().map(|a| a.digest()).collect::<Vec<_>>() {
        return Err(Refusal::disagrees(
            "opened.statements",
            msg!("the initials that are there"),
            msg!("another value" => "others"),
        ));
    }
    let by = |kind, party: &PartyId| openers.iter().any(|a| a.body().act == kind && a.body().party == *party);
    match manifest.procedure.initialling {
        Initialling::Waived if !by(ActKind::Open, &manifest.proposer) => Err(Refusal::disagrees(
            "opened.statements",
            msg!("an opening by the proposer"),
            msg!("another value" => "none"),
        )),
        Initialling::Required if !manifest.parties.iter().all(|party| by(ActKind::Initial, party)) => {
            Err(Refusal::disagrees(
                "opened.statements",
                msg!("an initial of every party"),
                msg!("another value" => "fewer"),
            ))
        }
        Initialling::Waived | Initialling::Required => Ok(Digest::of(bytes)),
    }
}

/// An act that verifies under its full powers, which cover it under the charter that it names.
///
/// # Errors
/// [`Refusal::UnknownGrant`], [`Refusal::SignatureInvalid`], [`Refusal::GrantForbids`].
pub fn covered(pinned: &Pinned, compact: &str, grants: &GrantBook) -> Result<Statement<Act>, Refusal> {
    let act = verify_act(Unverified::parse(compact)?, grants)?;
    let body = act.body();
    pinned.standing().addressed(&body.exchange, body.founding)?;
    let grant = grants.grant(&body.party, &body.grant).ok_or(Refusal::UnknownGrant { grant: body.grant })?;
    grant.covering(body, pinned.of(body.charter)?)?;
    Ok(act)
}

/// An act that holds and speaks of this manifest.
fn on(
    pinned: &Pinned,
    manifest: &Document<Manifest>,
    compact: &str,
    grants: &GrantBook,
) -> Result<Statement<Act>, Refusal> {
    let act = covered(pinned, compact, grants)?;
    life::members(manifest, act.body())?;
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
        let bytes = bytes.remove(&t.lang).ok_or_else(|| Refusal::not_found(msg!("text"), &t.lang))?;
        let actual = Digest::of(&bytes);
        if actual != t.sha256 {
            return Err(Refusal::WrongDigest { expected: t.sha256, actual });
        }
        let words = text::check_text(&bytes, t.dir).map_err(|faults| Refusal::TextRules {
            lang: t.lang.to_string(),
            faults: text::faults(faults.iter().take(1)),
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
        Pinned::new(world.charter.bytes(), world.charter.digest()).unwrap()
    }
    fn book(world: &World) -> GrantBook {
        let mut book = GrantBook::default();
        for held in world.records.values().flat_map(|r| r.grants().values()) {
            book.add(pinned(world).powers(&held.compact).unwrap());
        }
        book
    }
    fn receipt() -> Receipt {
        Receipt { index: 0, entry: vec![], proof: None }
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
            opened: Some(Receipt { index: 9, entry: json::encode(&entry), proof: None }),
            acts: acts.iter().map(view).collect(),
            declined: false,
            returned: false,
            purged: false,
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
