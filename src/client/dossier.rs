//! The dossier of an act: all that whoever acts must see before, checked from the pin.
//!
//! [`Papers`] are what an exchange showed, as it came, and nothing in them is believed. They are gathered by a session, or read from a
//! request file; [`Dossier::check`] judges both alike, so that a machine without network checks as much as one that has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    acting::{self, Circumstances},
    auditing::evidence::{self, Logged},
    granted::Granted,
    reading::{self, GrantBook, Pinned, Reading, Revision},
    seen::Seen,
    session::History,
};
use crate::{
    domain::{
        act::{Act, ActKind, Declaration},
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest, Lang, PartyId},
        json::{self, Form as _},
        key::Signer,
        manifest::Manifest,
        message::Tell,
        powers::Powers,
        refusal::{Refusal, same},
        statement::{Statement, Unverified},
        time::Time,
        view::{ActView, Attested, CommuniqueView, PowersView, Receipt, RevisionView},
        words::{Line, Prose},
    },
    log::{
        checkpoint::{self, Head, Log},
        proof::Proof,
    },
    msg,
};

/// An entry of the log, as it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entered {
    /// Its index.
    pub index: u64,
    /// Its bytes.
    pub entry: String,
    /// The tlog-proof that it is in the log.
    pub proof: String,
}

/// An act, as far as it was shown: one of the two is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The statement.
    pub statement: Option<String>,
    /// Of another party's signature in escrow, only that it is there.
    pub escrowed: Option<Escrowed>,
}

/// That a signature lies in escrow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escrowed {
    /// Whose.
    pub party: PartyId,
    /// Which act.
    pub act: ActKind,
    /// On which revision.
    pub revision: u64,
}

/// A revision, as it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// The manifest's bytes.
    pub manifest: String,
    /// The act that proposed it.
    pub propose: String,
    /// Where it was logged.
    pub entered: Entered,
}

/// Full powers, as they came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The statement.
    pub statement: String,
    /// Their end, if they were revoked.
    pub revoked: Option<Ended>,
}

/// A revocation, as it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The statement.
    pub statement: String,
    /// The entry that logged it, which says when.
    pub entry: String,
}

/// An earlier revision with its texts, as they came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The manifest's bytes.
    pub manifest: String,
    /// The act that proposed it.
    pub propose: String,
    /// Its texts.
    pub texts: BTreeMap<Lang, String>,
}

/// What an exchange showed of a communiqué, as it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    /// Charters and adoptions, in log order.
    pub succession: Vec<Logged>,
    /// The newest head of the log, signed.
    pub head: String,
    /// The party that is to act.
    pub party: PartyId,
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// Its state.
    pub state: String,
    /// Whether the newest revision was declined.
    pub declined: bool,
    /// Whether another charter came into force while it was open.
    pub returned: bool,
    /// Whether its texts were erased.
    pub purged: bool,
    /// The newest revision.
    pub newest: Proposed,
    /// The entry that opened it.
    pub opened: Option<Entered>,
    /// The acts on it.
    pub acts: Vec<Shown>,
    /// The acts on all revisions.
    pub history: Vec<Shown>,
    /// Every full powers of the party that is to act, in log order, and those under which somebody acted.
    pub powers: Vec<Held>,
    /// The texts, unless they were erased.
    pub texts: BTreeMap<Lang, String>,
    /// The revision to compare it with.
    pub earlier: Option<Earlier>,
}

/// What is to be done, and with which words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Which act.
    pub act: ActKind,
    /// Where it is done.
    pub place: Option<Line>,
    /// Why.
    pub reason: Option<Prose>,
    /// What is declared, or the declaration that a signature is given with.
    pub declaration: Option<Declaration>,
    /// The signature ad referendum that is confirmed.
    pub confirms: Option<Digest>,
}

/// All that must be seen before an act, checked.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// The charters, from the pin.
    pub pinned: Pinned,
    /// The party that is to act.
    pub party: PartyId,
    /// The communiqué as it stands.
    pub reading: Reading,
    /// Every act on every revision.
    pub history: History,
    /// Its texts; none if they were erased.
    pub texts: BTreeMap<Lang, String>,
    /// An earlier revision with its texts.
    pub earlier: Option<(Revision, BTreeMap<Lang, String>)>,
    /// When the newest thing of these papers was logged: the exchange's word, proven to be in its log.
    pub logged: Time,
    /// How many entries the log had.
    pub size: u64,
    book: GrantBook,
    grants: Vec<Granted>,
}

/// An act that can be done, as far as the papers tell: what it is done under, and what it speaks of.
#[derive(Clone, Debug)]
pub struct Prepared<'a> {
    dossier: &'a Dossier,
    wish: &'a Wish,
    /// The full powers.
    pub grant: &'a Statement<Powers>,
    /// The signature that is confirmed.
    pub confirmed: Option<&'a Statement<Act>>,
    /// The declaration that a signature is given with.
    pub with: Option<&'a Statement<Act>>,
}

impl Dossier {
    /// Checks papers: every digest is computed again, every statement verified from the pin up, every list held against the others. `now`
    /// only says which charters time alone has brought into force.
    ///
    /// # Errors
    /// Whatever does not follow from the pin, does not hold by itself, or contradicts something else in the papers.
    pub fn check(pinned: &Pinned, papers: &Papers, now: Time) -> Result<Self, Refusal> {
        let mut pinned = pinned.clone();
        pinned.follow_logged(&papers.succession, now)?;
        let (mut book, mut grants) = (GrantBook::default(), Vec::new());
        for held in &papers.powers {
            let granted = Granted::check(&pinned, &held.view())?;
            book.add(granted.powers.clone());
            grants.push(granted);
        }
        let id = papers.communique;
        let view = papers.view()?;
        let reading = Reading::check(&pinned, id, &view, &book)?;
        let history = History::check(&pinned, id, &views(&papers.history)?, &book)?;
        agrees(&reading, &history)?;

        let manifest = &reading.newest.manifest;
        let logs = Logs { pinned: &pinned, stream: StreamId::Communique(id) };
        let proposed =
            logs.proven(&papers.newest.entered, Kind::Revision, manifest.digest(), Some(&reading.newest.propose))?;
        let opened = match &papers.opened {
            Some(entered) => Some(logs.proven(entered, Kind::Opened, manifest.digest(), None)?),
            None => None,
        };
        let (texts, earlier) = if reading.purged {
            (BTreeMap::new(), None)
        } else {
            let earlier =
                papers.earlier.as_ref().map(|earlier| before(&pinned, &reading, earlier, &book)).transpose()?;
            (reading::texts(manifest, bytes(&papers.texts))?, earlier)
        };
        let size = logs.head(&papers.head)?;
        let logged = opened.map_or(proposed.time, |opened| opened.time.max(proposed.time));
        Ok(Self { pinned, party: papers.party.clone(), reading, history, texts, earlier, logged, size, book, grants })
    }

    /// The newest revision's manifest.
    #[must_use]
    pub fn manifest(&self) -> &Document<Manifest> {
        &self.reading.newest.manifest
    }
    /// Full powers under which somebody acted, or that the acting party gave.
    #[must_use]
    pub fn book(&self) -> &GrantBook {
        &self.book
    }
    /// The digests of the acting party's full powers that name this key.
    #[must_use]
    pub fn grants_of(&self, key: &dyn Signer) -> Vec<Digest> {
        self.own().filter(|g| g.powers.body().key == key.public()).map(|g| g.powers.digest()).collect()
    }
    /// The acting party's full powers, in log order.
    fn own(&self) -> impl Iterator<Item = &Granted> {
        self.grants.iter().filter(|g| g.powers.body().party == self.party)
    }
    /// Which full powers were revoked, and when.
    #[must_use]
    pub fn revoked(&self) -> BTreeMap<Digest, Time> {
        let end = |g: &Granted| g.revoked.as_ref().map(|(_, time)| (g.powers.digest(), *time));
        self.grants.iter().filter_map(end).collect()
    }
    /// The declarations of every party on earlier revisions; those on the newest are among its acts.
    pub fn declared_before(&self) -> impl Iterator<Item = &Statement<Act>> {
        let newest = self.manifest().digest();
        self.history.acts.iter().filter(move |a| a.body().act == ActKind::Declare && a.body().manifest != newest)
    }
    /// The declarations of a party, the newest first.
    pub fn declarations<'a>(&'a self, party: &'a PartyId) -> impl Iterator<Item = &'a Statement<Act>> {
        let acts = self.history.acts.iter().rev();
        acts.filter(move |a| a.body().act == ActKind::Declare && a.body().party == *party)
    }
    /// The signatures ad referendum of a party that wait to be confirmed: their full powers still stand.
    #[must_use]
    pub fn unconfirmed(&self, party: &PartyId) -> Vec<&Statement<Act>> {
        let revoked = self.revoked();
        let stands = |a: &&Statement<Act>| !revoked.contains_key(&a.body().grant);
        acting::unconfirmed(&self.reading, party).into_iter().filter(stands).collect()
    }
    /// Demands that the papers go on from what was seen of the communiqué before.
    ///
    /// # Errors
    /// [`Refusal::Disagrees`] if a revision that was seen is gone, or is another one now.
    pub fn goes_on_from(&self, seen: &Seen) -> Result<(), Refusal> {
        let newest = self.manifest();
        if newest.revision < seen.revision {
            return Err(Refusal::disagrees(
                "the newest revision",
                msg!("{revision} or later, which was shown here before", revision = seen.revision),
                newest.revision,
            ));
        }
        let earlier = self.earlier.iter().map(|(revision, _)| &revision.manifest);
        let manifests = earlier.chain([newest]).map(|m| (m.revision, m.digest()));
        let spoken = self.history.acts.iter().map(|a| (a.body().revision, a.body().manifest));
        match manifests.chain(spoken).find(|(revision, digest)| *revision == seen.revision && *digest != seen.manifest)
        {
            Some((revision, digest)) => Err(Refusal::disagrees(
                &format!("the manifest of revision {revision}"),
                msg!("{digest}, which was shown here before", digest = seen.manifest),
                digest,
            )),
            None => Ok(()),
        }
    }

    /// Whether the acting party can do this now, as far as the papers tell, whoever does it.
    ///
    /// # Errors
    /// [`Refusal::NotNow`], [`Refusal::NotYourAct`], [`Refusal::DeadlinePassed`].
    pub fn allows(&self, act: ActKind, now: Time) -> Result<(), Refusal> {
        if !self.manifest().parties.contains(&self.party) {
            let whose = msg!("the parties that the manifest names");
            return Err(Refusal::NotYourAct { act: act.message(), whose });
        }
        acting::allowed(&self.pinned, &self.reading, act, &self.party, now)
    }

    /// Finds the full powers for an act, and demands that it can be done, as far as the papers tell.
    ///
    /// # Errors
    /// [`Refusal::GrantForbids`], [`Refusal::NotNow`], [`Refusal::NotYourAct`], [`Refusal::DeadlinePassed`]; [`Refusal::NotFound`] for a
    /// declaration or a signature that it speaks of and that is not there; a form that no act has.
    pub fn prepare<'a>(&'a self, wish: &'a Wish, key: &dyn Signer, now: Time) -> Result<Prepared<'a>, Refusal> {
        let manifest = self.manifest();
        let grant = acting::choose(&self.pinned, self.own(), key, wish.act, manifest, now)?;
        let party = &self.party;
        self.allows(wish.act, now)?;
        let confirmed = match wish.confirms {
            Some(digest) => {
                let found = self.unconfirmed(party).into_iter().find(|a| a.digest() == digest);
                Some(found.ok_or_else(|| Refusal::not_found(msg!("signature ad referendum to confirm"), digest))?)
            }
            None => None,
        };
        let with = match &wish.declaration {
            Some(Declaration::Made(digest)) => {
                let found = self.declarations(party).find(|a| a.digest() == *digest);
                Some(found.ok_or_else(|| Refusal::not_found(msg!("declaration of your party"), digest))?)
            }
            Some(Declaration::Texts(_)) | None => None,
        };
        let prepared = Prepared { dossier: self, wish, grant, confirmed, with };
        let act = prepared.act(now)?;
        act.check()?;
        grant.body().cover(&act)?;
        Ok(prepared)
    }
}

impl Prepared<'_> {
    /// What was asked for.
    #[must_use]
    pub fn wish(&self) -> &Wish {
        self.wish
    }
    /// The papers that it follows from.
    #[must_use]
    pub fn dossier(&self) -> &Dossier {
        self.dossier
    }
    /// Who acts.
    #[must_use]
    pub fn party(&self) -> &PartyId {
        &self.grant.body().party
    }
    /// What is signed.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] for an act that needs an opening, where there is none.
    pub fn act(&self, time: Time) -> Result<Act, Refusal> {
        let Wish { act, place, reason, declaration, confirms } = self.wish.clone();
        let circumstances = Circumstances { time, place, reason, declaration, confirms };
        acting::act(&self.dossier.pinned, &self.dossier.reading, act, self.grant, circumstances)
    }
    /// Signs it.
    ///
    /// # Errors
    /// As [`acting::sign`].
    pub fn sign(&self, key: &dyn Signer, time: Time) -> Result<Statement<Act>, Refusal> {
        acting::sign(self.act(time)?, self.grant, key)
    }
}

/// Whether the acts on the newest revision are the same in both answers; if not, somebody acted in between, or one of them is a lie.
///
/// # Errors
/// [`Refusal::Malformed`] for what is no act.
pub(super) fn alike(view: &CommuniqueView, acts: &[ActView]) -> Result<bool, Refusal> {
    let newest = Digest::of(&view.newest.manifest);
    let mut on_newest = BTreeSet::new();
    for act in acts {
        if let ActView::Shown { statement, .. } = act {
            let unverified = Unverified::<Act>::parse(statement)?;
            let act = unverified.claims();
            if act.manifest == newest && act.act != ActKind::Propose {
                on_newest.insert(statement.as_str());
            }
        }
    }
    let shown = |act: &'_ ActView| match act {
        ActView::Shown { statement, .. } => Some(statement.clone()),
        ActView::Escrowed { .. } => None,
    };
    let seen: BTreeSet<String> = view.acts.iter().filter_map(shown).collect();
    Ok(seen.iter().map(String::as_str).eq(on_newest))
}

/// The two lists of acts must go together: what one shows of the newest revision and the other does not was left out there, and no act
/// is on a revision that is not shown.
fn agrees(reading: &Reading, history: &History) -> Result<(), Refusal> {
    let newest = reading.newest.manifest.digest();
    let on_newest = |a: &&Statement<Act>| a.body().manifest == newest && a.body().act != ActKind::Propose;
    let shown = reading.newest.manifest.revision;
    let newer = history.acts.iter().map(|a| a.body().revision).find(|n| *n > shown);
    if let Some(newer) = newer {
        return Err(Refusal::disagrees("the newest revision", format!("{newer}, on which somebody acted"), shown));
    }
    let one: BTreeSet<_> = reading.acts.iter().map(Statement::digest).collect();
    let other: BTreeSet<_> = history.acts.iter().filter(on_newest).map(Statement::digest).collect();
    if one == other {
        return Ok(());
    }
    Err(Refusal::disagrees("the list of acts on this revision", "the same, whichever way it is asked for", "another"))
}

/// The earlier revision, if it is one of this communiqué that the newest came after.
fn before(
    pinned: &Pinned,
    reading: &Reading,
    earlier: &Earlier,
    book: &GrantBook,
) -> Result<(Revision, BTreeMap<Lang, String>), Refusal> {
    let newest = &reading.newest.manifest;
    let revision = Revision::check(pinned, newest.communique, &earlier.view(), book)?;
    let manifest = &revision.manifest;
    if manifest.revision >= newest.revision {
        return Err(Refusal::disagrees("the earlier revision", "one before the newest", manifest.revision));
    }
    if manifest.revision + 1 == newest.revision {
        let previous = newest.previous.map_or_else(|| "null".into(), |digest| digest.to_string());
        same("manifest.previous", manifest.digest().to_string(), previous)?;
    }
    let texts = reading::texts(manifest, bytes(&earlier.texts))?;
    Ok((revision, texts))
}

/// The log of the pinned exchange, and one stream in it.
struct Logs<'a> {
    pinned: &'a Pinned,
    stream: StreamId,
}

impl Logs<'_> {
    /// The entry, which must be of this kind and name this manifest, and this statement where there is one alone; and be in the log.
    fn proven(
        &self,
        entered: &Entered,
        kind: Kind,
        manifest: Digest,
        statement: Option<&Statement<Act>>,
    ) -> Result<Entry, Refusal> {
        let entry: Entry = json::parse(entered.entry.as_bytes())?;
        let names = entry.kind == kind && entry.documents == [manifest] && entry.stream == self.stream;
        if !names || statement.is_some_and(|statement| entry.statements != [statement.digest()]) {
            return Err(Refusal::disagrees("the log's entry", manifest, "an entry of something else"));
        }
        let index = entered.index;
        let unproven = |why: &dyn Tell| {
            Refusal::disagrees(
                "the proof",
                msg!("one that entry {index} is in the exchange's log", index),
                why.message(),
            )
        };
        let proof = Proof::parse(entered.proof.as_bytes()).map_err(|fault| unproven(&fault))?;
        if proof.index() != index {
            return Err(unproven(&msg!("one of entry {index}", index = proof.index())));
        }
        let digest = Digest::of(entered.entry.as_bytes());
        let head = evidence::under(&proof, digest, &evidence::logs(self.pinned.chain()));
        head.map_err(|fault| unproven(&fault)).map(drop)?;
        Ok(entry)
    }
    /// How many entries the head has, if the log signed it.
    fn head(&self, note: &str) -> Result<u64, Refusal> {
        let logs = evidence::logs(self.pinned.chain());
        let head = checkpoint::Unverified::parse(note.as_bytes()).and_then(|head| evidence::signed(&head, &logs));
        let head =
            head.map_err(|fault| Refusal::disagrees("the head", "one that the exchange's log has signed", fault))?;
        Ok(head.checkpoint().size())
    }
}

impl Papers {
    /// The full powers that the acts name.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is no act.
    pub(super) fn grants_named(statements: &[&str]) -> Result<BTreeSet<Digest>, Refusal> {
        statements.iter().map(|compact| Ok(Unverified::<Act>::parse(compact)?.claims().grant)).collect()
    }
    /// The heads in them that one of these logs signed. What nobody signed is what they are refused for.
    pub(super) fn heads(&self, logs: &[Log]) -> Vec<Head> {
        let entered = [Some(&self.newest.entered), self.opened.as_ref()].into_iter().flatten();
        let proven = entered.filter_map(|e| e.proof.split_once("\n\n")).map(|(_, note)| note);
        let notes = proven.chain([self.head.as_str()]);
        let signed = |note: &str| {
            let head = checkpoint::Unverified::parse(note.as_bytes()).ok()?;
            evidence::signed(&head, logs).ok()
        };
        notes.filter_map(signed).collect()
    }
    /// Every act in them, as it came.
    pub(super) fn statements(&self) -> Vec<&str> {
        let shown = self.acts.iter().chain(&self.history).filter_map(|a| a.statement.as_deref());
        let earlier = self.earlier.iter().map(|earlier| earlier.propose.as_str());
        shown.chain([self.newest.propose.as_str()]).chain(earlier).collect()
    }
    /// Which revision the newest is to be compared with: the newest before it of the one that was seen and those that the party acted
    /// on. None if there is none, or if the newest itself was seen.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is no act.
    pub(super) fn before(&self, party: &PartyId, seen: Option<u64>, newest: u64) -> Result<Option<u64>, Refusal> {
        let mut known: BTreeSet<u64> = seen.into_iter().collect();
        for compact in self.history.iter().filter_map(|a| a.statement.as_deref()) {
            let unverified = Unverified::<Act>::parse(compact)?;
            if unverified.claims().party == *party {
                known.insert(unverified.claims().revision);
            }
        }
        Ok(known.into_iter().rfind(|n| *n < newest && seen != Some(newest)))
    }
    fn view(&self) -> Result<CommuniqueView, Refusal> {
        Ok(CommuniqueView {
            communique: self.communique,
            state: self.state.parse()?,
            newest: self.newest.view(),
            opened: self.opened.as_ref().map(Entered::receipt),
            acts: views(&self.acts)?,
            declined: self.declined,
            returned: self.returned,
            purged: self.purged,
        })
    }
}

impl Entered {
    /// What came.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is no text.
    pub(super) fn of(receipt: Receipt, proof: String) -> Result<Self, Refusal> {
        Ok(Self { index: receipt.index, entry: utf8("entry", receipt.entry)?, proof })
    }
    fn receipt(&self) -> Receipt {
        Receipt { index: self.index, entry: self.entry.clone().into_bytes(), proof: None }
    }
}

impl Proposed {
    /// What came.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is no text.
    pub(super) fn of(view: RevisionView, proof: String) -> Result<Self, Refusal> {
        let RevisionView { manifest, propose, receipt } = view;
        Ok(Self { manifest: utf8("manifest", manifest)?, propose, entered: Entered::of(receipt, proof)? })
    }
    fn view(&self) -> RevisionView {
        RevisionView {
            manifest: self.manifest.clone().into_bytes(),
            propose: self.propose.clone(),
            receipt: self.entered.receipt(),
        }
    }
}

impl Earlier {
    /// What came.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is no text.
    pub(super) fn of(view: RevisionView, texts: BTreeMap<Lang, String>) -> Result<Self, Refusal> {
        Ok(Self { manifest: utf8("manifest", view.manifest)?, propose: view.propose, texts })
    }
    fn view(&self) -> RevisionView {
        RevisionView {
            manifest: self.manifest.clone().into_bytes(),
            propose: self.propose.clone(),
            receipt: Receipt { index: 0, entry: vec![], proof: None },
        }
    }
}

impl Held {
    /// What came.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is no text.
    pub(super) fn of(view: PowersView) -> Result<Self, Refusal> {
        let revoked = view.revocation.map(|Attested { statement, receipt }| {
            Ok::<_, Refusal>(Ended { statement, entry: utf8("entry", receipt.entry)? })
        });
        Ok(Self { statement: view.statement, revoked: revoked.transpose()? })
    }
    fn view(&self) -> PowersView {
        let end = |ended: &Ended| {
            let receipt = Receipt { index: 0, entry: ended.entry.clone().into_bytes(), proof: None };
            Attested { statement: ended.statement.clone(), receipt }
        };
        PowersView {
            statement: self.statement.clone(),
            receipt: Receipt { index: 0, entry: vec![], proof: None },
            revocation: self.revoked.as_ref().map(end),
        }
    }
}

impl Shown {
    /// What came.
    #[must_use]
    pub(super) fn of(view: ActView) -> Self {
        match view {
            ActView::Shown { statement, .. } => Self { statement: Some(statement), escrowed: None },
            ActView::Escrowed { party, act, revision } => {
                Self { statement: None, escrowed: Some(Escrowed { party, act, revision }) }
            }
        }
    }
}

/// Acts as they are read: where each was logged is not asked.
fn views(acts: &[Shown]) -> Result<Vec<ActView>, Refusal> {
    let view = |act: &Shown| match (&act.statement, &act.escrowed) {
        (Some(statement), None) => Ok(ActView::Shown {
            statement: statement.clone(),
            receipt: Receipt { index: 0, entry: vec![], proof: None },
        }),
        (None, Some(Escrowed { party, act, revision })) => {
            Ok(ActView::Escrowed { party: party.clone(), act: *act, revision: *revision })
        }
        _ => Err(Refusal::malformed("acts", msg!("has one that is neither shown nor in escrow"))),
    };
    acts.iter().map(view).collect()
}

fn bytes(texts: &BTreeMap<Lang, String>) -> BTreeMap<Lang, Vec<u8>> {
    texts.iter().map(|(lang, words)| (lang.clone(), words.clone().into_bytes())).collect()
}

fn utf8(what: &str, bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|_| Refusal::malformed(what, msg!("is not UTF-8")))
}
