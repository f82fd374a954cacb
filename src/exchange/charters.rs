//! Charters: reading them, and the succession of one by another.

use std::sync::Arc;

use super::{
    Exchange,
    access::{GetCharter, ListCharters, Permit, ProposeCharter, SubmitAdoption},
    append::{Decision, Plan, positions},
    filling::Filling,
    ports::Object,
};
use crate::{
    domain::{
        charter::{Adoption, Charter},
        document::Document,
        entry::{Place, StreamId},
        refusal::{Refusal, same},
        statement::Unverified,
        succession::{Charters, Standing},
        view::{Attested, CharterView, Page, Receipt},
    },
    msg,
};

impl Exchange {
    /// The charter of this version, or the one in force.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn charter(&self, _: Permit<GetCharter>, version: Option<u64>) -> Result<CharterView, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let chain = charters.chain(self.machine.now());
        let found = match version {
            None => chain.last(),
            Some(version) => chain.iter().find(|s| s.charter().version == version),
        };
        let unknown = || Refusal::not_found(msg!("charter"), version.unwrap_or(0));
        let digest = found.ok_or_else(unknown)?.digest();
        let (charter, place) = charters.versions().find(|(c, _)| c.digest() == digest).ok_or_else(unknown)?;
        self.charter_view(&charters, &chain, charter, *place).await
    }
    /// Every charter that was put forward, in log order; `after` is the index of the last one seen.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn charters(
        &self,
        _: Permit<ListCharters>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<CharterView>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let chain = charters.chain(self.machine.now());
        let mut page = Filling::new(limit);
        for (charter, place) in charters.versions().filter(|(_, place)| after.is_none_or(|after| place.index > after)) {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = self.charter_view(&charters, &chain, charter, *place).await?;
            let bytes = row.charter.len() + row.adoptions.iter().map(|a| a.statement.len()).sum::<usize>();
            page.push(place.index, bytes, row);
        }
        Ok(page.end())
    }

    async fn charter_view(
        &self,
        charters: &Charters,
        chain: &[Arc<Standing>],
        charter: &Document<Charter>,
        place: Place,
    ) -> Result<CharterView, Refusal> {
        let mut adoptions = Vec::new();
        for held in charters.adoptions_of(charter.digest()) {
            let receipt = self.receipt_at(held.place.index).await?;
            adoptions.push(Attested { statement: held.compact.clone(), receipt });
        }
        let standing = chain.iter().find(|s| s.digest() == charter.digest());
        Ok(CharterView {
            charter: charter.bytes().to_vec(),
            receipt: self.receipt_at(place.index).await?,
            adoptions,
            in_force: standing.map(|s| s.since()),
            absent: standing.map(|s| s.absent().iter().cloned().collect()).unwrap_or_default(),
        })
    }

    /// Takes a charter that is to succeed the one in force, with the adoption of the party that proposes it.
    ///
    /// # Errors
    /// What [`Charters::propose`] refuses.
    pub async fn propose_charter(
        &self,
        _: Permit<ProposeCharter>,
        charter: Vec<u8>,
        adoption: &str,
    ) -> Result<Receipt, Refusal> {
        let charter = Document::<Charter>::parse(charter)?;
        let adoption = Unverified::<Adoption>::parse(adoption)?;
        // Before the repeat is looked for: the first answer is to this charter with its own adoption.
        same("adoption.charter", charter.digest(), adoption.claims().charter)?;
        let (charter, adoption) = (&charter, &adoption);
        let receipt = self
            .decide(&[adoption.digest(), charter.digest()], |now| {
                Box::pin(async move {
                    // A charter that this exchange cannot serve would end it.
                    self.serves(charter)?;
                    let charters = self.folds.charters(&*self.store).await?;
                    // A key of the charter must be no holder's: the decision reads what every party has granted.
                    let records = self.folds.parties(&*self.store, charters.ever_parties(now)).await?;
                    let taken = |key: &_| records.values().any(|r| r.holds_key(key));
                    let (verified, steps) = charters.propose(charter, adoption.clone(), taken, now)?;
                    let read = positions(&records).chain([(StreamId::Exchange, charters.position())]);
                    let mut plan = Plan::new(now, read);
                    let (stream, objects) = (StreamId::Exchange, vec![Object::from(charter)]);
                    let [proposed, adopted] = steps
                        .try_into()
                        .map_err(|_| Refusal::Inconsistent { what: msg!("a proposed charter is two entries") })?;
                    let after =
                        plan.steps(&*self.machine, &stream, charters.position(), vec![proposed], objects, None)?;
                    plan.steps(&*self.machine, &stream, after, vec![adopted], vec![Object::from(&verified)], None)?;
                    Ok(Decision::Append(plan))
                })
            })
            .await?;
        // What this makes due and cannot be done now is due at the next look: what was handed in is logged all the same.
        let _ = self.settle().await;
        Ok(receipt)
    }

    /// Takes an adoption of a charter that was put forward. Any party may carry it: the signature decides.
    ///
    /// # Errors
    /// What [`Charters::adopt`] refuses.
    pub async fn submit_adoption(&self, _: Permit<SubmitAdoption>, adoption: &str) -> Result<Receipt, Refusal> {
        let adoption = Unverified::<Adoption>::parse(adoption)?;
        let adoption = &adoption;
        let receipt = self
            .decide(&[adoption.digest()], |now| {
                Box::pin(async move {
                    let charters = self.folds.charters(&*self.store).await?;
                    let (verified, step) = charters.adopt(adoption.clone(), now)?;
                    let stream = (StreamId::Exchange, charters.position());
                    self.one(now, [], stream, step, (&verified).into())
                })
            })
            .await?;
        // What this makes due and cannot be done now is due at the next look: what was handed in is logged all the same.
        let _ = self.settle().await;
        Ok(receipt)
    }
}
