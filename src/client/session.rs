//! A session: the pinned charter, the exchange behind it, and the full powers verified so far. What it hands out follows
//! from the pin; what it sends was made from what it handed out.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

use super::{
    acting::{self, Circumstances},
    auditing::evidence::Logged,
    dossier::{self, Earlier, Entered, Held, Papers, Proposed, Shown},
    drafting::Upload,
    granted::Granted,
    reading::{self, GrantBook, Pinned, Reading, Revision},
    receipts::{self, Case, Receipts},
    remote::{Connection, Remote, RemoteError},
    road::{Proxies, Road},
    succeeding::{self, Version},
    timeline::{Happened, Step, Timeline, What},
};
use crate::{
    domain::{
        act::{Act, ActKind},
        charter::{Adoption, Charter},
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest, Lang, PartyId},
        json,
        key::Signer,
        life::State,
        manifest::{Manifest, Part, Rectifies},
        powers::{Powers, Revocation},
        refusal::{Refusal, same},
        remark::Remark,
        statement::{Statement, Unverified},
        time::Time,
        trust::Trust,
        view::{ActView, CommuniqueView, ListFilter, PublicationView, Receipt, RevisionView},
    },
    msg,
};

/// How often a communiqué is asked for while others act on it.
const LOOKS: usize = 4;

/// A party's side of an exchange.
pub struct Session {
    pinned: Pinned,
    remote: Remote,
    book: Mutex<GrantBook>,
    /// What is known of the log; without a place to keep it in, as long as the session lasts.
    receipts: Receipts,
    /// The charters as the exchange showed them: what evidence of a lie begins with.
    succession: Arc<Vec<Logged>>,
    now: Time,
}

/// Is told which file is being sent, and how many of its bytes have been.
pub type Watch = Arc<dyn Fn(&Upload, u64) + Send + Sync>;

/// A row of the list of communiqués: the manifest is under the pinned charter; the state is the exchange's word.
#[derive(Clone, Debug)]
pub struct Row {
    /// The state that the exchange reports.
    pub state: State,
    /// The newest manifest that it shows.
    pub manifest: Document<Manifest>,
    /// What waits for the caller's party, as the exchange says.
    pub awaited: Vec<ActKind>,
}

/// What was done to a communiqué over all its revisions.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The acts that can be seen, in log order.
    pub acts: Vec<Statement<Act>>,
    /// Whose signatures on which revision lie in escrow, unseen: the exchange's word.
    pub escrowed: Vec<(PartyId, u64)>,
}

impl History {
    /// Checks what the exchange shows of the acts on a communiqué: each verifies under its full powers, which cover it.
    ///
    /// # Errors
    /// What does not follow from the pin; an act on another communiqué.
    pub fn check(pinned: &Pinned, id: CommuniqueId, views: &[ActView], book: &GrantBook) -> Result<Self, Refusal> {
        let mut history = Self::default();
        for view in views {
            match view {
                ActView::Shown { statement, .. } => {
                    let act = reading::covered(pinned, statement, book)?;
                    same("act.communique", id, act.body().communique)?;
                    history.acts.push(act);
                }
                ActView::Escrowed { party, revision, .. } => history.escrowed.push((party.clone(), *revision)),
            }
        }
        Ok(history)
    }
}

impl Pinned {
    /// The connection to the exchange that the charters name, by the CAs that they name.
    #[must_use]
    pub fn connection(&self, road: Road, certificate_pem: Vec<u8>, key_pem: Vec<u8>) -> Connection {
        Connection {
            road,
            server_name: self.exchange().to_string(),
            server_cas: self.chain().map(|s| s.charter().server_ca.as_bytes().to_vec()).collect(),
            certificate_pem,
            key_pem,
        }
    }
}

impl Session {
    /// Connects to the exchange that the charter names, by the CA that it names, and follows the succession of charters.
    ///
    /// # Errors
    /// As [`Remote::connect`].
    pub async fn open(
        pinned: Pinned,
        address: &str,
        certificate_pem: Vec<u8>,
        key_pem: Vec<u8>,
        now: Time,
    ) -> Result<Self, RemoteError> {
        Self::open_by(pinned, Road::new([address], Proxies::default())?, certificate_pem, key_pem, now).await
    }
    /// The same by a road of several addresses, or through a proxy.
    ///
    /// # Errors
    /// As [`Remote::connect`].
    pub async fn open_by(
        pinned: Pinned,
        road: Road,
        certificate_pem: Vec<u8>,
        key_pem: Vec<u8>,
        now: Time,
    ) -> Result<Self, RemoteError> {
        let connection = pinned.connection(road, certificate_pem, key_pem);
        let remote = Remote::connect(&connection).await?;
        Self::begun(pinned, remote, now).await
    }
    /// The same over a connection that is there.
    ///
    /// # Errors
    /// What the exchange refuses; [`RemoteError::Local`] for charters that do not follow from the pin.
    pub async fn begun(pinned: Pinned, remote: Remote, now: Time) -> Result<Self, RemoteError> {
        let mut session = Self::over(pinned, remote);
        session.now = now;
        session.follow().await?;
        Ok(session)
    }
    /// Demands that charters and log go on from what is kept here, and from now on keeps what they say, and every receipt.
    ///
    /// # Errors
    /// [`RemoteError::Contradicted`] if they do not; [`RemoteError::Io`] for what cannot be kept.
    pub async fn keep(&mut self, receipts: Receipts) -> Result<(), RemoteError> {
        self.receipts = receipts;
        let before = self.receipts.head()?;
        let note = self.remote.checkpoint().await?;
        // A charter may have come into force since the charters were read.
        if receipts::is_foreign(&self.case(), note.as_bytes()) || self.receipts.knows_later(&self.case())? {
            self.follow().await?;
        }
        let case = self.case();
        self.receipts.charters(&case)?;
        self.receipts.newest(&case, &note, before.as_ref().map(|head| head.claims()), &self.remote).await?;
        Ok(())
    }
    /// Follows the succession of charters.
    async fn follow(&mut self) -> Result<(), RemoteError> {
        let views = self.remote.charters().await?;
        self.pinned.follow(&views, self.now)?;
        self.succession = Arc::new(receipts::succession(&views));
        Ok(())
    }
    /// A session over a connection that is there.
    #[must_use]
    pub fn over(pinned: Pinned, remote: Remote) -> Self {
        Self {
            pinned,
            remote,
            book: Mutex::default(),
            receipts: Receipts::unkept(),
            succession: Arc::default(),
            now: Time::from_unix(0),
        }
    }
    /// The charter that everything here follows from.
    #[must_use]
    pub fn pinned(&self) -> &Pinned {
        &self.pinned
    }
    /// The exchange, unchecked.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }
    /// What is kept of the log.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }
    /// Under which charters the log is judged.
    pub(super) fn case(&self) -> Case<'_> {
        Case { pinned: &self.pinned, succession: self.succession.clone(), now: self.now }
    }
    /// Demands that an answer proves that what was sent is in the log, and keeps it.
    async fn proven(&self, receipt: &Receipt, kind: Kind, sent: Digest) -> Result<(), RemoteError> {
        acknowledges(receipt, kind, sent)?;
        let note = receipt.proof.as_deref().and_then(|text| text.split_once("\n\n"));
        if note.is_some_and(|(_, note)| receipts::is_foreign(&self.case(), note.as_bytes())) {
            // What was sent may have brought another charter into force, which names another log.
            let views = self.remote.charters().await?;
            let mut pinned = self.pinned.clone();
            pinned.follow(&views, self.now)?;
            let case = Case { pinned: &pinned, succession: Arc::new(receipts::succession(&views)), now: self.now };
            return self.receipts.receipt(&case, receipt, &self.remote).await;
        }
        self.receipts.receipt(&self.case(), receipt, &self.remote).await
    }
    /// Full powers that were verified in this session.
    #[must_use]
    pub fn grant(&self, digest: &Digest) -> Option<Statement<Powers>> {
        self.book().find(digest).cloned()
    }

    /// A communiqué as it stands, verified.
    ///
    /// # Errors
    /// What the exchange refuses; [`RemoteError::Local`] for what does not follow from the pin.
    pub async fn read(&self, id: CommuniqueId) -> Result<Reading, RemoteError> {
        let view = self.remote.communique(id).await?;
        self.gather(reading::grants_named(&view)?).await?;
        Ok(Reading::check(&self.pinned, id, &view, &self.book())?)
    }
    /// One revision, verified.
    ///
    /// # Errors
    /// As [`Self::read`]; [`Refusal::Disagrees`] if another revision came.
    pub async fn revision(&self, id: CommuniqueId, number: u64) -> Result<Revision, RemoteError> {
        let view = self.remote.revision(id, number).await?;
        self.gather([Unverified::<Act>::parse(&view.propose)?.claims().grant]).await?;
        let revision = Revision::check(&self.pinned, id, &view, &self.book())?;
        if revision.manifest.revision != number {
            return Err(Refusal::disagrees("manifest.revision", number, revision.manifest.revision).into());
        }
        Ok(revision)
    }
    /// Every act on a communiqué, each verified under its full powers, which cover it. That it speaks of a manifest that was shown is
    /// checked by [`Self::read`] alone.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn history(&self, id: CommuniqueId) -> Result<History, RemoteError> {
        let views = self.remote.acts(id).await?;
        for view in &views {
            if let ActView::Shown { statement, .. } = view {
                self.gather([Unverified::<Act>::parse(statement)?.claims().grant]).await?;
            }
        }
        Ok(History::check(&self.pinned, id, &views, &self.book())?)
    }
    /// All that must be seen before an act of this party, as it comes: [`Dossier::check`] judges it. It is compared with the newest
    /// revision before the newest of all that was seen, if one is named, or that the party acted on.
    ///
    /// # Errors
    /// What the exchange refuses; [`RemoteError::Local`] for what cannot be read at all.
    pub async fn papers(&self, id: CommuniqueId, party: &PartyId, seen: Option<u64>) -> Result<Papers, RemoteError> {
        let (view, acts) = self.agreeing(id).await?;
        let newest_proof = self.remote.inclusion(view.newest.receipt.index).await?;
        let opened = match view.opened {
            Some(receipt) => {
                let proof = self.remote.inclusion(receipt.index).await?;
                Some(Entered::of(receipt, proof)?)
            }
            None => None,
        };
        let mut papers = Papers {
            succession: self.succession.to_vec(),
            head: self.remote.checkpoint().await?,
            party: party.clone(),
            communique: view.communique,
            state: view.state.to_string(),
            declined: view.declined,
            returned: view.returned,
            purged: view.purged,
            newest: Proposed::of(view.newest, newest_proof)?,
            opened,
            acts: view.acts.into_iter().map(Shown::of).collect(),
            history: acts.into_iter().map(Shown::of).collect(),
            powers: vec![],
            texts: BTreeMap::new(),
            earlier: None,
        };
        // What is asked for below is what the manifest says, so this much is read of it before all of it is checked.
        let manifest = self.of_this_exchange(papers.newest.manifest.clone().into_bytes())?;
        if !papers.purged {
            papers.texts = self.raw_texts(&manifest).await?;
            papers.earlier = match papers.before(party, seen, manifest.revision)? {
                Some(number) => {
                    let view = self.remote.revision(id, number).await?;
                    let manifest = self.of_this_exchange(view.manifest.clone())?;
                    Some(Earlier::of(view, self.raw_texts(&manifest).await?)?)
                }
                None => None,
            };
        }
        let mut named = Papers::grants_named(&papers.statements())?;
        for view in self.remote.powers_list(Some(party)).await? {
            named.remove(&Digest::of(view.statement.as_bytes()));
            papers.powers.push(Held::of(view)?);
        }
        for digest in named {
            papers.powers.push(Held::of(self.remote.powers(digest).await?)?);
        }
        self.joined(&papers).await?;
        Ok(papers)
    }
    /// A communiqué as it stands and the acts on all its revisions, asked for again if somebody acted in between.
    async fn agreeing(&self, id: CommuniqueId) -> Result<(CommuniqueView, Vec<ActView>), RemoteError> {
        let mut looks = 0;
        loop {
            let view = self.remote.communique(id).await?;
            let acts = self.remote.acts(id).await?;
            looks += 1;
            if looks == LOOKS || dossier::alike(&view, &acts)? {
                return Ok((view, acts));
            }
        }
    }
    /// Demands that the heads of papers go on from what is kept here of the log.
    async fn joined(&self, papers: &Papers) -> Result<(), RemoteError> {
        let case = self.case();
        for head in papers.heads(&case.logs()) {
            self.receipts.join(&case, &head, &self.remote).await?;
        }
        Ok(())
    }
    /// The communiqués that the caller may see, as far as the filter wants them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<Row>, RemoteError> {
        let mut rows = Vec::new();
        for summary in self.remote.communiques(filter).await? {
            let manifest = self.of_this_exchange(summary.manifest)?;
            same("manifest.communique", summary.communique, manifest.communique)?;
            same("manifest.revision", summary.revision, manifest.revision)?;
            same("deadline", shown(manifest.procedure.deadline), shown(summary.deadline))?;
            rows.push(Row { state: summary.state, manifest, awaited: summary.awaited });
        }
        Ok(rows)
    }
    /// The texts of a manifest that was verified.
    ///
    /// # Errors
    /// What the exchange refuses; bytes that are not what the manifest says.
    pub async fn texts(&self, manifest: &Manifest) -> Result<BTreeMap<Lang, String>, RemoteError> {
        Ok(reading::texts(manifest, self.text_bytes(manifest).await?)?)
    }
    async fn text_bytes(&self, manifest: &Manifest) -> Result<BTreeMap<Lang, Vec<u8>>, RemoteError> {
        let mut bytes = BTreeMap::new();
        for text in &manifest.texts {
            let mut sink = Bounded { inner: Vec::new(), left: text.size };
            self.remote.download(manifest.communique, text.sha256, &mut sink, &|_| ()).await?;
            bytes.insert(text.lang.clone(), sink.inner);
        }
        Ok(bytes)
    }
    async fn raw_texts(&self, manifest: &Manifest) -> Result<BTreeMap<Lang, String>, RemoteError> {
        let bytes = self.text_bytes(manifest).await?;
        let text = |(lang, bytes): (Lang, Vec<u8>)| match String::from_utf8(bytes) {
            Ok(words) => Ok((lang, words)),
            Err(_) => Err(Refusal::malformed(msg!("the text {lang}", lang), msg!("is not UTF-8"))),
        };
        Ok(bytes.into_iter().map(text).collect::<Result<_, _>>()?)
    }
    /// Writes a file that a verified manifest names to `sink`; no more than its size, and it fails unless the digest is
    /// right.
    ///
    /// # Errors
    /// As [`Self::texts`].
    pub async fn part(
        &self,
        id: CommuniqueId,
        part: &Part,
        sink: impl AsyncWrite + Unpin + Send,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), RemoteError> {
        let mut sink = Bounded { inner: sink, left: part.size };
        let actual = self.remote.download(id, part.sha256, &mut sink, progress).await?;
        if actual != part.size {
            return Err(Refusal::WrongSize { what: msg!("what the exchange sent"), expected: part.size, actual }.into());
        }
        Ok(())
    }

    /// The full powers of a party (of all, without one) in log order, verified.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn grants(&self, party: Option<&PartyId>) -> Result<Vec<Granted>, RemoteError> {
        let mut grants = Vec::new();
        for view in self.remote.powers_list(party).await? {
            let granted = Granted::check(&self.pinned, &view)?;
            if let Some(party) = party {
                same("powers.party", party, &granted.powers.body().party)?;
            }
            self.book().add(granted.powers.clone());
            grants.push(granted);
        }
        Ok(grants)
    }
    /// The full powers that name this key, in log order.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn my_grants(&self, signer: &dyn Signer, party: Option<&PartyId>) -> Result<Vec<Granted>, RemoteError> {
        let mut grants = self.grants(party).await?;
        grants.retain(|granted| granted.powers.body().key == signer.public());
        Ok(grants)
    }
    /// The full powers of this digest, verified.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn powers(&self, digest: Digest) -> Result<Granted, RemoteError> {
        let granted = Granted::check(&self.pinned, &self.remote.powers(digest).await?)?;
        same("powers", digest, granted.powers.digest())?;
        Ok(granted)
    }
    /// Hands in full powers that verify under the pinned charter.
    ///
    /// # Errors
    /// What does not verify; what the exchange refuses.
    pub async fn submit_powers(&self, compact: &str) -> Result<(Statement<Powers>, Receipt), RemoteError> {
        let grant = self.pinned.powers(compact)?;
        let receipt = self.remote.submit_powers(compact).await?;
        self.proven(&receipt, Kind::Powers, grant.digest()).await?;
        Ok((grant, receipt))
    }
    /// Hands in the end of a grant, if it verifies under the pinned charter.
    ///
    /// # Errors
    /// What does not verify; what the exchange refuses.
    pub async fn submit_revocation(&self, compact: &str) -> Result<(Statement<Revocation>, Receipt), RemoteError> {
        let revocation = self.pinned.revocation(compact)?;
        let receipt = self.remote.submit_revocation(compact).await?;
        self.proven(&receipt, Kind::Revocation, revocation.digest()).await?;
        Ok((revocation, receipt))
    }
    /// Puts forward the charter that is to succeed the one in force, with an adoption of it.
    ///
    /// # Errors
    /// What the exchange refuses.
    pub async fn propose_charter(&self, next: &Document<Charter>, adoption: &str) -> Result<Receipt, RemoteError> {
        let receipt = self.remote.propose_charter(next.bytes(), adoption).await?;
        self.proven(&receipt, Kind::Charter, next.digest()).await?;
        Ok(receipt)
    }
    /// Hands in an adoption of a charter that was put forward, whoever made it.
    ///
    /// # Errors
    /// What is no adoption; what the exchange refuses.
    pub async fn submit_adoption(&self, compact: &str) -> Result<(Adoption, Receipt), RemoteError> {
        let adoption = Unverified::<Adoption>::parse(compact)?;
        let receipt = self.remote.submit_adoption(compact).await?;
        self.proven(&receipt, Kind::Adoption, adoption.digest()).await?;
        Ok((adoption.claims().clone(), receipt))
    }
    /// Every charter that was put forward, with who has adopted it: the succession as the pinned charter proves it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn succession(&self, now: Time) -> Result<Vec<Version>, RemoteError> {
        let (charters, newest) = reading::succession(&self.remote.charters().await?, now)?;
        if charters.founding() != Some(self.pinned.founding()) {
            return Err(Refusal::disagrees(
                "charter",
                msg!("the pinned succession"),
                msg!("another value" => "another"),
            )
            .into());
        }
        Ok(succeeding::versions(&charters, newest))
    }
    /// Each party's trust statement in force, verified.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn trusts(&self) -> Result<Vec<Statement<Trust>>, RemoteError> {
        let views = self.remote.trusts().await?;
        Ok(views.iter().map(|view| self.pinned.trust(&view.statement)).collect::<Result<_, _>>()?)
    }
    /// Hands in a trust statement that verifies under the pinned charter.
    ///
    /// # Errors
    /// What does not verify; what the exchange refuses.
    pub async fn submit_trust(&self, compact: &str) -> Result<(Statement<Trust>, Receipt), RemoteError> {
        let trust = self.pinned.trust(compact)?;
        let receipt = self.remote.submit_trust(compact).await?;
        self.proven(&receipt, Kind::Trust, trust.digest()).await?;
        Ok((trust, receipt))
    }

    /// Uploads a draft's files, one after another.
    ///
    /// # Errors
    /// A file that cannot be read; what the exchange refuses.
    pub async fn upload(&self, id: CommuniqueId, uploads: &[Upload], progress: Watch) -> Result<(), RemoteError> {
        for upload in uploads {
            let file = tokio::fs::File::open(&upload.file).await.map_err(|e| {
                RemoteError::Io(io::Error::new(e.kind(), msg!("{file}: {error}", file = upload.file, error = e)))
            })?;
            let (progress, of) = (Arc::clone(&progress), upload.clone());
            self.remote.upload(id, upload.sha256, upload.size, file, move |sent| progress(&of, sent)).await?;
        }
        Ok(())
    }
    /// Signs the act that proposes this manifest, and sends both. The files must be uploaded before.
    ///
    /// # Errors
    /// What the grant does not cover; what the exchange refuses.
    pub async fn propose(
        &self,
        manifest: &Document<Manifest>,
        grant: &Statement<Powers>,
        signer: &dyn Signer,
        circumstances: Circumstances,
    ) -> Result<Receipt, RemoteError> {
        let act = acting::sign(acting::proposal(manifest, grant, circumstances), grant, signer)?;
        self.carry(act.compact(), Some(manifest)).await
    }
    /// Sends an act that is signed, and the manifest if it proposes one. Sent again, the same bytes get the same receipt.
    ///
    /// # Errors
    /// What the exchange refuses.
    pub async fn carry(&self, act: &str, proposed: Option<&Document<Manifest>>) -> Result<Receipt, RemoteError> {
        let digest = Digest::of(act.as_bytes());
        let (kind, receipt) = match proposed {
            Some(manifest) => (Kind::Revision, self.remote.propose(manifest.bytes(), act).await?),
            None => (Kind::Act, self.remote.act(act).await?),
        };
        self.proven(&receipt, kind, digest).await?;
        Ok(receipt)
    }
    /// An act that was signed elsewhere, if it verifies under its full powers, which cover it.
    ///
    /// # Errors
    /// What does not verify; what the exchange refuses.
    pub async fn signed(&self, compact: &str) -> Result<Statement<Act>, RemoteError> {
        self.gather([Unverified::<Act>::parse(compact)?.claims().grant]).await?;
        Ok(reading::covered(&self.pinned, compact, &self.book())?)
    }
    /// Full powers that were verified in this session, all of them.
    #[must_use]
    pub fn granted(&self) -> GrantBook {
        self.book().clone()
    }
    /// Signs any other act on what was read, and sends it.
    ///
    /// # Errors
    /// What the grant does not cover; what the exchange refuses.
    pub async fn act(
        &self,
        reading: &Reading,
        kind: ActKind,
        grant: &Statement<Powers>,
        signer: &dyn Signer,
        circumstances: Circumstances,
    ) -> Result<Receipt, RemoteError> {
        let act = acting::sign(acting::act(&self.pinned, reading, kind, grant, circumstances)?, grant, signer)?;
        self.carry(act.compact(), None).await
    }
    /// Adds a remark.
    ///
    /// # Errors
    /// What the exchange refuses.
    pub async fn add_remark(&self, remark: &Document<Remark>) -> Result<Receipt, RemoteError> {
        let receipt = self.remote.add_remark(remark.bytes()).await?;
        self.proven(&receipt, Kind::Remark, remark.digest()).await?;
        Ok(receipt)
    }
    /// The remarks that the caller may read, of one revision or of all, in log order, each what its entry names. They are the
    /// exchange's word: nobody signs them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn remarks(
        &self,
        id: CommuniqueId,
        revision: Option<u64>,
    ) -> Result<Vec<(Document<Remark>, Entry)>, RemoteError> {
        let mut remarks = Vec::new();
        for view in self.remote.remarks(id, revision).await? {
            let remark = Document::<Remark>::parse(view.remark)?;
            same("remark.communique", id, remark.communique)?;
            self.pinned.standing().addressed(&remark.exchange, remark.founding)?;
            let entry = acknowledges(&view.receipt, Kind::Remark, remark.digest())?;
            remarks.push((remark, entry));
        }
        Ok(remarks)
    }
    /// Everything that was done to a communiqué, in log order: every entry follows the one before as far as both can be seen,
    /// every manifest and act is verified. Log times are the exchange's word.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn timeline(&self, id: CommuniqueId) -> Result<Vec<Happened>, RemoteError> {
        let mut timeline = Timeline::of(id);
        for event in self.remote.events(id).await? {
            let what = match timeline.next(&event)? {
                Step::Escrowed { party, act, revision } => What::Escrowed { party, act, revision },
                Step::Logged(entry, objects) => {
                    let statements: Vec<&str> = objects
                        .iter()
                        .skip(entry.documents.len())
                        .map(|bytes| std::str::from_utf8(bytes))
                        .collect::<Result<_, _>>()
                        .map_err(|_| Refusal::malformed("event.objects", msg!("is not UTF-8")))?;
                    let statement = || {
                        statements
                            .first()
                            .copied()
                            .ok_or_else(|| Refusal::not_found(msg!("statement of the communiqué"), id))
                    };
                    match entry.kind {
                        Kind::Revision => {
                            let manifest = objects.first().cloned().unwrap_or_default();
                            let propose = statement()?.to_owned();
                            self.gather([Unverified::<Act>::parse(&propose)?.claims().grant]).await?;
                            let receipt = Receipt { index: event.index, entry: vec![], proof: None };
                            let view = RevisionView { manifest, propose, receipt };
                            What::Revision(Box::new(Revision::check(&self.pinned, id, &view, &self.book())?))
                        }
                        Kind::Act => {
                            let compact = statement()?;
                            self.gather([Unverified::<Act>::parse(compact)?.claims().grant]).await?;
                            let act = reading::covered(&self.pinned, compact, &self.book())?;
                            same("act.communique", id, act.body().communique)?;
                            What::Act(Box::new(act))
                        }
                        kind => What::Noted(kind),
                    }
                }
            };
            timeline.knows(&what)?;
            timeline.happened.push(Happened { index: event.index, time: timeline.time, what });
        }
        Ok(timeline.happened)
    }
    /// Asks for publication. The same answer every time.
    ///
    /// # Errors
    /// What the exchange refuses.
    pub async fn publish(&self, id: CommuniqueId) -> Result<PublicationView, RemoteError> {
        let publication = self.remote.publish(id).await?;
        self.of_publication(id, &publication)?;
        self.proven(&publication.receipt, Kind::Published, Digest::of(&publication.manifest)).await?;
        Ok(publication)
    }
    /// A publication: where its package is, what its manifest says.
    ///
    /// # Errors
    /// What the exchange refuses.
    pub async fn publication(&self, id: CommuniqueId) -> Result<PublicationView, RemoteError> {
        let publication = self.remote.publication(id).await?;
        self.of_publication(id, &publication)?;
        Ok(publication)
    }
    /// What a rectification of this publication says that it corrects, with the manifest that was signed and the newest
    /// rectification of it.
    ///
    /// # Errors
    /// What the exchange refuses; a `published` entry of something else.
    pub async fn rectifiable(
        &self,
        id: CommuniqueId,
    ) -> Result<(Rectifies, Document<Manifest>, Option<CommuniqueId>), RemoteError> {
        let publication = self.publication(id).await?;
        let manifest = self.of_this_exchange(publication.manifest)?;
        let entry: Entry = json::parse(&publication.receipt.entry)?;
        let published = entry.kind == Kind::Published && entry.documents == [manifest.digest()];
        if !published || entry.stream != StreamId::Communique(id) {
            return Err(Refusal::disagrees("published", manifest.digest(), msg!("an entry of something else")).into());
        }
        let entry = Digest::of(&publication.receipt.entry);
        let rectifies = Rectifies { communique: id, manifest: manifest.digest(), entry };
        Ok((rectifies, manifest, publication.rectified_by))
    }

    /// Verifies the full powers of these digests, and notes them; fetched are those that are not known yet.
    async fn gather(&self, digests: impl IntoIterator<Item = Digest>) -> Result<(), RemoteError> {
        for digest in digests {
            if self.grant(&digest).is_none() {
                let grant = self.pinned.powers(&self.remote.powers(digest).await?.statement)?;
                same("powers", digest, grant.digest())?;
                self.book().add(grant);
            }
        }
        Ok(())
    }
    fn book(&self) -> MutexGuard<'_, GrantBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn of_this_exchange(&self, manifest: Vec<u8>) -> Result<Document<Manifest>, Refusal> {
        let manifest = Document::<Manifest>::parse(manifest)?;
        self.pinned.standing().addressed(&manifest.exchange, manifest.founding)?;
        Ok(manifest)
    }
    fn of_publication(&self, id: CommuniqueId, view: &PublicationView) -> Result<(), Refusal> {
        same("publication", id, view.communique)?;
        same("manifest.communique", id, self.of_this_exchange(view.manifest.clone())?.communique)
    }
}

fn shown(time: Option<Time>) -> String {
    time.map_or_else(|| "null".into(), |time| time.to_string())
}

/// The receipt must be for what was sent: an entry of this kind that names the document or statement. Answers the entry.
fn acknowledges(receipt: &Receipt, kind: Kind, sent: Digest) -> Result<Entry, Refusal> {
    let entry: Entry = json::parse(&receipt.entry)?;
    if entry.kind != kind || !entry.documents.iter().chain(&entry.statements).any(|named| *named == sent) {
        return Err(Refusal::disagrees("receipt", sent, msg!("an entry of something else")));
    }
    Ok(entry)
}

/// Takes what the manifest announced, and no byte more, whatever the exchange sends.
struct Bounded<W> {
    inner: W,
    left: u64,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Bounded<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.len() as u64 > self.left {
            return Poll::Ready(Err(io::Error::other(msg!("the exchange sends more than the manifest announces"))));
        }
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.left -= written as u64;
        Poll::Ready(Ok(written))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::domain::id::Salt;

    #[tokio::test]
    async fn no_more_is_taken_than_was_announced() {
        let mut sink = Bounded { inner: Vec::new(), left: 4 };
        sink.write_all(b"four").await.unwrap();
        assert!(sink.write_all(b"!").await.is_err());
        assert_eq!(sink.inner, b"four");
    }

    /// What reads a list can be spawned, by programs that do several things at once. It compiles.
    #[test]
    fn what_reads_can_be_spawned() {
        fn sent(_: impl Future<Output: Send> + Send) {}
        let _ = |session: &'static Session, id: CommuniqueId, filter: &'static ListFilter| {
            sent(session.read(id));
            sent(session.history(id));
            sent(session.timeline(id));
            sent(session.remarks(id, None));
            sent(session.list(filter));
            sent(session.grants(None));
            sent(session.succession(Time::from_unix(0)));
            sent(session.trusts());
        };
    }

    #[test]
    fn a_receipt_must_name_what_was_sent() {
        let (ours, theirs) = (Digest::of(b"ours"), Digest::of(b"theirs"));
        let entry = Entry {
            documents: vec![],
            files: None,
            kind: Kind::Act,
            previous: None,
            salt: Salt::new([0; 32]),
            seq: 0,
            statements: vec![ours],
            stream: StreamId::Exchange,
            time: Time::from_unix(0),
        };
        let receipt = Receipt { index: 1, entry: json::encode(&entry), proof: None };
        assert_eq!(acknowledges(&receipt, Kind::Act, ours), Ok(entry));
        assert!(acknowledges(&receipt, Kind::Act, theirs).is_err());
        assert!(acknowledges(&receipt, Kind::Powers, ours).is_err());
        assert!(acknowledges(&Receipt { index: 1, entry: b"{}".to_vec(), proof: None }, Kind::Act, ours).is_err());
    }
}
