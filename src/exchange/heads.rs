//! Signed heads of the log, and what is proven against them.
//!
//! A head is signed of what the store has committed, and only if it continues the last one that this process signed or was handed at
//! start, or is a part of it. So two heads of one size with different roots cannot be signed: of one store the commit decides what there is at a size,
//! however many processes sign, and a store that shows another past is refused.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, OnceLock, PoisonError},
};

use tokio::sync::{Mutex, OnceCell};

use super::{
    Exchange,
    access::{GetCheckpoint, GetConsistencyProof, GetInclusionProof, ListDigests, Permit, SubmitCosignature},
    load,
    ports::{Cosignature, Shown},
};
use crate::{
    domain::{
        charter::LogKey,
        id::{Digest, PartyId},
        message::{Message, Tell},
        refusal::Refusal,
        succession::Standing,
        view::Receipt,
    },
    log::{
        Fault,
        checkpoint::{Checkpoint, Head, Log, Origin, Unverified},
        cosignature::Cosigner,
        note::SignatureLine,
        proof::Proof,
        tree::{Edge, Growth, Hash, Plan, verify_consistency},
    },
    msg,
    package::evidence::{Evidence, archived},
};

/// How far the time of a cosignature may lie ahead of the exchange's clock, in seconds.
const AHEAD_SECONDS: i64 = 300;

/// Most digests that are listed at once.
pub const DIGESTS_LIMIT: usize = 32_768;

/// How many of the last heads are remembered, and how many of the last commits.
const REMEMBERED: usize = 64;
/// What this process has signed of the log.
#[derive(Default)]
pub(super) struct Heads {
    /// The last heads. Whoever signs holds them, so that heads are signed one after another.
    signed: Mutex<Signed>,
    /// The last commits with their heads: one is signed for all that shared a commit.
    commits: std::sync::Mutex<VecDeque<Made>>,
    /// Why nothing more is signed, and thus nothing more appended. There is no way back but a new start.
    doubt: OnceLock<Message>,
    /// How many were signed.
    #[cfg(test)]
    pub(super) count: std::sync::atomic::AtomicU64,
}

/// What one commit made, and its head.
type Made = (Arc<Growth>, Arc<OnceCell<Head>>);

/// The last heads that this process signed, the newest in front, each with the key that signed it.
#[derive(Default)]
struct Signed(VecDeque<(LogKey, Head)>);

impl Signed {
    fn last(&self) -> Option<&Head> {
        self.0.front().map(|(_, head)| head)
    }
    /// The head of this size, if this key signed one.
    fn of_size(&self, size: u64, by: &LogKey) -> Option<&Head> {
        let mut heads = self.0.iter().filter(|(key, _)| key == by).map(|(_, head)| head);
        heads.find(|head| head.checkpoint().size() == size)
    }
    fn remember(&mut self, by: LogKey, head: Head) {
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front((by, head));
    }
}

/// A head, and the hashes that show that it continues another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Continued {
    /// The later head.
    pub head: Head,
    /// The consistency proof (RFC 6962, section 2.1.2).
    pub proof: Vec<Hash>,
}

/// The newest head, and the one that witnesses know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Newest {
    /// The newest head.
    pub head: Head,
    /// The largest head with cosignatures of witnesses of the charter in force, if there is one.
    pub cosigned: Option<Head>,
}

impl Exchange {
    /// Takes up what was signed last before this process began. Nothing is appended to a log that does not continue it.
    ///
    /// # Errors
    /// [`Refusal::LogInDoubt`] if the log does not continue it; [`Refusal::StoreFailed`].
    pub async fn take_up(&self, known: &Checkpoint) -> Result<(), Refusal> {
        let mut signed = self.heads.signed.lock().await;
        let edge = self.store.tree().await?;
        let known = place(known);
        let proof = self.consistency_of(known.0, edge.size()).await?;
        verify_consistency(known, (edge.size(), edge.root()), &proof).map_err(|fault| self.doubt(&fault))?;
        let standing = self.charter_in_force().await?;
        signed.remember(standing.charter().log.clone(), self.sign((edge.size(), edge.root()), &standing)?);
        Ok(())
    }
    /// The newest head that this process signed.
    pub async fn last_head(&self) -> Option<Head> {
        self.heads.signed.lock().await.last().cloned()
    }
    /// Why nothing is appended any more, if so.
    pub(super) fn undoubted(&self) -> Result<(), Refusal> {
        match self.heads.doubt.get() {
            Some(why) => Err(Refusal::LogInDoubt { why: why.clone() }),
            None => Ok(()),
        }
    }
    /// The receipt of an entry that was appended, with its proof against the head of what its commit made.
    pub(super) async fn receipt_under(
        &self,
        index: u64,
        entry: Vec<u8>,
        growth: &Arc<Growth>,
    ) -> Result<Receipt, Refusal> {
        let head = self.head_of(growth).await?;
        let hashes = match growth.inclusion(index) {
            Some(hashes) => hashes,
            None => self.hashes(&Plan::inclusion(index, head.checkpoint().size())?).await?,
        };
        let proof = Proof::new(index, hashes, head)?.to_string();
        Ok(Receipt { index, entry, proof: Some(proof) })
    }
    /// An earlier receipt, with its proof against the newest head.
    pub(super) async fn proven(&self, receipt: Receipt) -> Result<Receipt, Refusal> {
        let proof = self.proof_of(receipt.index).await?.to_string();
        Ok(Receipt { proof: Some(proof), ..receipt })
    }

    /// The newest head, and the largest that witnesses have cosigned.
    ///
    /// # Errors
    /// [`Refusal::LogInDoubt`], [`Refusal::StoreFailed`], [`Refusal::KeyMissing`].
    pub async fn checkpoint(&self, _: Permit<GetCheckpoint>) -> Result<Newest, Refusal> {
        self.newest().await
    }
    /// The newest head, and the largest that witnesses have cosigned: for whoever may read the public log.
    ///
    /// # Errors
    /// As [`Exchange::checkpoint`].
    pub async fn newest(&self) -> Result<Newest, Refusal> {
        let head = self.head().await?;
        Ok(Newest { cosigned: self.cosigned(head.checkpoint().size()).await?, head })
    }
    /// The proof that an entry is in the log, under the newest head.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an index beyond the log; those of [`Exchange::checkpoint`].
    pub async fn inclusion(&self, _: Permit<GetInclusionProof>, index: u64) -> Result<Proof, Refusal> {
        self.proof_of(index).await
    }
    /// The head of this size, or the newest, and the proof that it continues the one of the size `old`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for sizes that the log does not have, or the wrong way round; those of [`Exchange::checkpoint`].
    pub async fn consistency(
        &self,
        _: Permit<GetConsistencyProof>,
        old: u64,
        new: Option<u64>,
    ) -> Result<Continued, Refusal> {
        self.continued(old, new).await
    }
    /// The head of this size, or the newest, and the proof that it continues the one of the size `old`: for the exchange itself, which
    /// asks witnesses.
    ///
    /// # Errors
    /// As [`Exchange::consistency`].
    pub async fn continued(&self, old: u64, new: Option<u64>) -> Result<Continued, Refusal> {
        let head = match new {
            Some(size) => self.head_at(size, &*self.charter_in_force().await?).await?,
            None => self.head().await?,
        };
        let proof = self.hashes(&Plan::consistency(old, head.checkpoint().size())?).await?;
        Ok(Continued { head, proof })
    }
    /// The digests of the entries from this index on: at most [`DIGESTS_LIMIT`].
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an index beyond the log's end; [`Refusal::StoreFailed`].
    pub async fn digests(&self, _: Permit<ListDigests>, start: u64) -> Result<Vec<Digest>, Refusal> {
        let found = self.store.digests(start, DIGESTS_LIMIT).await?;
        if found.is_empty() && start > self.store.tree().await?.size() {
            return Err(Refusal::malformed("start", msg!("is beyond the end of the log")));
        }
        Ok(found)
    }
    /// Keeps a cosignature of the caller's party on the head of this size.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if the charter in force gives the party no witness key; [`Refusal::Malformed`] for a line that is none, a
    /// size that the log does not have, or a time ahead of the clock; [`Refusal::SignatureInvalid`]; those of [`Exchange::checkpoint`].
    pub async fn submit_cosignature(
        &self,
        permit: Permit<SubmitCosignature>,
        size: u64,
        line: &str,
    ) -> Result<(), Refusal> {
        let standing = self.charter_in_force().await?;
        let none = || Refusal::not_found(msg!("witness key of the party"), permit.party());
        let cosigner = witness_of(&standing, permit.party()).ok_or_else(none)?;
        let lines = SignatureLine::parse_all(line.as_bytes()).unwrap_or_default();
        let [line] = lines.as_slice() else {
            return Err(Refusal::malformed("cosignature", msg!("it is not one signature line of a note")));
        };
        let head = self.head_at(size, &standing).await?;
        let invalid = |_| Refusal::SignatureInvalid { statement: msg!("cosignature") };
        self.not_ahead(cosigner.verify(head.note().text(), line).map_err(invalid)?)?;
        self.keep(Cosignature { size, party: permit.party().clone(), line: line.to_string() }).await
    }
    /// Keeps the cosignature in what a party's witness answered when it was asked for one of this head: the latest, if there are more.
    /// Lines of other keys are not looked at (C2SP tlog-witness, "add-checkpoint").
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if the charter in force gives the party no witness key; [`Refusal::Malformed`] for an answer without a line by
    /// that key, or a time ahead of the clock; [`Refusal::SignatureInvalid`]; [`Refusal::StoreFailed`].
    pub async fn keep_answer(&self, party: &PartyId, head: &Head, answer: &[u8]) -> Result<(), Refusal> {
        let standing = self.charter_in_force().await?;
        let none = || Refusal::not_found(msg!("witness key of the party"), party);
        let cosigner = witness_of(&standing, party).ok_or_else(none)?;
        let malformed = |problem: Message| Refusal::malformed("cosignature", problem);
        let lines = SignatureLine::parse_all(answer).map_err(|fault| malformed(fault.message()))?;
        let mut latest: Option<(u64, SignatureLine)> = None;
        for line in lines.into_iter().filter(|line| line.hint() == cosigner.hint()) {
            let invalid = |_| Refusal::SignatureInvalid { statement: msg!("cosignature") };
            let time = cosigner.verify(head.note().text(), &line).map_err(invalid)?;
            if latest.as_ref().is_none_or(|(before, _)| *before <= time) {
                latest = Some((time, line));
            }
        }
        let (time, line) =
            latest.ok_or_else(|| malformed(msg!("none of its lines is by the witness of {party}", party)))?;
        self.not_ahead(time)?;
        let size = head.checkpoint().size();
        self.keep(Cosignature { size, party: party.clone(), line: line.to_string() }).await
    }
    /// That a cosignature's time, in seconds since 1970 began, is not ahead of the clock.
    fn not_ahead(&self, time: u64) -> Result<(), Refusal> {
        let latest = self.machine.now().plus(AHEAD_SECONDS).unix();
        if i64::try_from(time).map_or(true, |time| time > latest) {
            return Err(Refusal::malformed(
                "cosignature",
                msg!("its time is ahead of the exchange's clock; set yours"),
            ));
        }
        Ok(())
    }
    /// Keeps a cosignature that was verified.
    pub(super) async fn keep(&self, cosignature: Cosignature) -> Result<(), Refusal> {
        Ok(self.store.cosign(cosignature).await?)
    }
    /// The largest head of at most this size that witnesses of the charter in force have cosigned.
    async fn cosigned(&self, most: u64) -> Result<Option<Head>, Refusal> {
        let standing = self.charter_in_force().await?;
        let mut kept = self.store.cosignatures().await?;
        kept.retain(|kept| kept.size <= most);
        for of_one in kept.chunk_by(|a, b| a.size == b.size) {
            let head = self.cosigned_by(&standing, of_one).await?;
            if head.note().lines().len() > 1 {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }
    /// The head of the size of these cosignatures, as it is archived under this charter, with those that count under it.
    async fn cosigned_by(&self, standing: &Standing, kept: &[Cosignature]) -> Result<Head, Refusal> {
        let head = self.head_at(kept.first().map_or(0, |kept| kept.size), standing).await?;
        let mut lines = Vec::new();
        for kept in kept {
            lines.extend(SignatureLine::parse_all(kept.line.as_bytes())?);
        }
        Ok(archived(&head.with(lines)?, standing)?)
    }
    /// Whether more witnesses than these seem to have cosigned a head that covers the entry of this index.
    pub(super) async fn may_show_more(&self, witnesses: u64, index: u64) -> Result<bool, Refusal> {
        let kept = self.store.cosignatures().await?;
        let mut sizes = kept.chunk_by(|a, b| a.size == b.size);
        Ok(sizes.any(|kept| kept.len() as u64 > witnesses && kept.first().is_some_and(|kept| kept.size > index)))
    }
    /// What proves these entries in a package under this charter: the head that most witnesses have cosigned, else the first that
    /// covers them all. Cosignatures are kept for few heads, so the one that the package showed before stays, unless another has more.
    pub(super) async fn evidence(
        &self,
        standing: &Standing,
        entries: &BTreeSet<u64>,
        before: Option<&Shown>,
        stamp: Option<Vec<u8>>,
    ) -> Result<(Evidence, Shown), Refusal> {
        let least = entries.last().map_or(1, |last| last + 1);
        let again = match before {
            Some(before) => self.head_again(&before.head, standing).await?,
            None => None,
        };
        let mut best = match again.filter(|head| head.checkpoint().size() >= least) {
            Some(head) => head,
            None => self.head_at(least, standing).await?,
        };
        let kept = self.store.cosignatures().await?;
        for kept in kept.chunk_by(|a, b| a.size == b.size).filter(|kept| kept.iter().all(|kept| kept.size >= least)) {
            let head = self.cosigned_by(standing, kept).await?;
            if head.note().lines().len() > best.note().lines().len() {
                best = head;
            }
        }
        let size = best.checkpoint().size();
        let plans = entries.iter().map(|index| Ok((*index, Plan::inclusion(*index, size)?)));
        let plans: BTreeMap<_, _> = plans.collect::<Result<_, Refusal>>()?;
        let nodes = plans.values().flat_map(Plan::nodes).collect();
        let mut hashes = self.store.nodes(nodes).await?.into_iter();
        let mut proofs = BTreeMap::new();
        for (index, plan) in &plans {
            proofs.insert(*index, plan.build(|_| hashes.next().ok_or(Refusal::StoreFailed))?);
        }
        let witnesses = best.note().lines().len() as u64 - 1;
        let shown = Shown { witnesses, stamped: stamp.is_some(), head: best.to_string() };
        Ok((Evidence::new(best, proofs, stamp)?, shown))
    }
    /// A head that was archived under this charter before, if the log still is what it says.
    async fn head_again(&self, note: &str, standing: &Standing) -> Result<Option<Head>, Refusal> {
        let Ok(log) = Log::of_charter(&standing.charter().log) else { return Ok(None) };
        let Ok(head) = Unverified::parse(note.as_bytes()).and_then(|head| head.verify(&log)) else {
            return Ok(None);
        };
        let now = self.head_at(head.checkpoint().size(), standing).await?;
        Ok(if now.checkpoint() == head.checkpoint() { Some(archived(&head, standing)?) } else { None })
    }

    /// The head of what this commit made.
    async fn head_of(&self, growth: &Arc<Growth>) -> Result<Head, Refusal> {
        let cell = {
            let mut commits = self.heads.commits.lock().unwrap_or_else(PoisonError::into_inner);
            let known = commits.iter().find(|(known, _)| Arc::ptr_eq(known, growth)).map(|(_, cell)| cell.clone());
            known.unwrap_or_else(|| {
                commits.truncate(REMEMBERED - 1);
                commits.push_front((growth.clone(), Arc::default()));
                commits.front().map(|(_, cell)| cell.clone()).unwrap_or_default()
            })
        };
        cell.get_or_try_init(|| self.sign_growth(growth)).await.cloned()
    }
    async fn sign_growth(&self, growth: &Growth) -> Result<Head, Refusal> {
        let (before, after) = (growth.before(), growth.after());
        let mut signed = self.heads.signed.lock().await;
        let last = signed.last().map(|head| place(head.checkpoint()));
        let at = last.map_or(before.size(), |last| last.0);
        match growth.consistency() {
            Some(proof) if at == before.size() => self.sign_next(&mut signed, after, &proof).await,
            // Whoever made the commits between has not asked yet, or is another process.
            _ if at < after.size() => {
                let proof = self.consistency_of(at, after.size()).await?;
                self.sign_next(&mut signed, after, &proof).await
            }
            // Later ones were quicker: it is a part of what was signed.
            _ => {
                let (of, newest) = ((after.size(), after.root()), last.unwrap_or((0, Hash::EMPTY)));
                let proof = self.consistency_of(of.0, newest.0).await?;
                verify_consistency(of, newest, &proof).map_err(|fault| self.doubt(&fault))?;
                self.sign(of, &*self.charter_read().await?)
            }
        }
    }
    /// The newest head.
    pub(super) async fn head(&self) -> Result<Head, Refusal> {
        self.head_now(&mut *self.heads.signed.lock().await).await
    }
    /// The head of what the store holds now: signed, if this process has signed less.
    async fn head_now(&self, signed: &mut Signed) -> Result<Head, Refusal> {
        let edge = self.store.tree().await?;
        let proof = self.consistency_of(signed.last().map_or(0, |head| head.checkpoint().size()), edge.size()).await?;
        self.sign_next(signed, &edge, &proof).await
    }
    /// The head of a size that the log had, signed as under this charter, once it was found to be a part of the newest.
    async fn head_at(&self, size: u64, standing: &Standing) -> Result<Head, Refusal> {
        if let Some(head) = self.heads.signed.lock().await.of_size(size, &standing.charter().log) {
            return Ok(head.clone());
        }
        let at = place(self.head().await?.checkpoint());
        if size == 0 || size > at.0 {
            return Err(Refusal::malformed("size", msg!("the log has heads of 1 to {at} leaves", at = at.0)));
        }
        let root = self.hashes(&Plan::root(size)?).await?.into_iter().next().unwrap_or(Hash::EMPTY);
        let proof = self.consistency_of(size, at.0).await?;
        verify_consistency((size, root), at, &proof).map_err(|fault| self.doubt(&fault))?;
        self.sign((size, root), standing)
    }
    /// Signs what continues the last head, and remembers it.
    async fn sign_next(&self, signed: &mut Signed, next: &Edge, proof: &[Hash]) -> Result<Head, Refusal> {
        self.undoubted()?;
        let next = (next.size(), next.root());
        if let Some(head) = signed.last() {
            let at = place(head.checkpoint());
            verify_consistency(at, next, proof).map_err(|fault| self.doubt(&fault))?;
            if at == next {
                return Ok(head.clone());
            }
        }
        let standing = self.charter_read().await?;
        let head = self.sign(next, &standing)?;
        signed.remember(standing.charter().log.clone(), head.clone());
        Ok(head)
    }
    /// The charter in force as it was read last: whoever decides reads the charters just before, and a head under the key of the one before
    /// would count as well.
    async fn charter_read(&self) -> Result<Arc<Standing>, Refusal> {
        match self.folds.charters_read() {
            Some(charters) => load::in_force(&charters, self.machine.now()),
            None => self.charter_in_force().await,
        }
    }
    /// Signs with the log's key that this charter names.
    fn sign(&self, (size, root): (u64, Hash), standing: &Standing) -> Result<Head, Refusal> {
        self.undoubted()?;
        let LogKey { origin, key } = &standing.charter().log;
        let checkpoint = Checkpoint::new(Origin::parse(origin.as_str())?, size, root)?;
        #[cfg(test)]
        self.heads.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Head::sign(checkpoint, &**self.key(msg!("key" => "log"), key)?)?)
    }
    async fn proof_of(&self, index: u64) -> Result<Proof, Refusal> {
        let head = self.head().await?;
        let hashes = self.hashes(&Plan::inclusion(index, head.checkpoint().size())?).await?;
        Ok(Proof::new(index, hashes, head)?)
    }
    /// The hashes that must show that what the store holds continues what was signed.
    async fn consistency_of(&self, old: u64, new: u64) -> Result<Vec<Hash>, Refusal> {
        let plan = Plan::consistency(old, new).map_err(|fault| self.doubt(&fault))?;
        self.hashes(&plan).await
    }
    async fn hashes(&self, plan: &Plan) -> Result<Vec<Hash>, Refusal> {
        let mut hashes = self.store.nodes(plan.nodes().collect()).await?.into_iter();
        // The plan asks for its nodes in the order in which it named them.
        plan.build(|_| hashes.next().ok_or(Refusal::StoreFailed))
    }
    /// Ends all writing.
    fn doubt(&self, fault: &Fault) -> Refusal {
        let why = self.heads.doubt.get_or_init(|| fault.message());
        tracing::error!(%why, "the log is in doubt: nothing more is written");
        Refusal::LogInDoubt { why: why.clone() }
    }
}

/// The witness of a party under this charter; none of who is absent.
fn witness_of(standing: &Standing, party: &PartyId) -> Option<Cosigner> {
    Cosigner::of_parties(standing).find_map(|(id, cosigner)| (id == party).then_some(cosigner))
}

fn place(checkpoint: &Checkpoint) -> (u64, Hash) {
    (checkpoint.size(), checkpoint.root())
}

impl From<Fault> for Refusal {
    /// As what was asked: what is in doubt is told by [`Refusal::LogInDoubt`] where it is found.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotInTree { .. } | Fault::Shrunk { .. } => Self::malformed("index", fault.message()),
            Fault::TooLarge { what, limit } => Self::TooLarge { what, limit },
            fault => Self::Inconsistent { what: fault.message() },
        }
    }
}
