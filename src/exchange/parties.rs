//! Trust and full powers.

use std::sync::Arc;

use super::{
    Exchange,
    access::{GetPowers, ListPowers, ListTrust, Permit, SubmitPowers, SubmitRevocation, SubmitTrust},
    append::positions,
    filling::Filling,
    load::in_force,
};
use crate::pki::authority::Authority;
use crate::{
    domain::{
        entry::StreamId,
        id::{Digest, PartyId},
        powers::{Powers, Revocation},
        refusal::Refusal,
        register::{Held, PartyRecord},
        statement::{Body, Unverified},
        trust::Trust,
        view::{Attested, Page, PowersView, Receipt},
    },
    msg,
};

impl Exchange {
    /// Takes a party's new trust statement. Any party may carry it: the signature decides.
    ///
    /// # Errors
    /// What [`crate::domain::register::PartyRecord::trust`] refuses; certificates that are no authorities.
    pub async fn submit_trust(&self, _: Permit<SubmitTrust>, compact: &str) -> Result<Receipt, Refusal> {
        let statement = Unverified::<Trust>::parse(compact)?;
        for certificate in &statement.claims().certificates {
            Authority::parse(certificate.as_bytes())?;
        }
        let statement = &statement;
        let receipt = self
            .decide(&[statement.digest()], |now| {
                Box::pin(async move {
                    let party = &statement.claims().party;
                    let charters = self.folds.charters(&*self.store).await?;
                    let standing = in_force(&charters, now)?;
                    standing.party(party)?;
                    let record = self.folds.party(&*self.store, party).await?;
                    let (verified, step) = record.trust(statement.clone(), &standing)?;
                    let stream = (StreamId::Party(party.clone()), record.position());
                    let read = [(StreamId::Exchange, charters.position())];
                    self.one(now, read, stream, step, (&verified).into())
                })
            })
            .await?;
        self.trust_changed.send_modify(|epoch| *epoch += 1);
        Ok(receipt)
    }

    /// The trust statements in force, by party; `after` is the last party seen.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn trusts(
        &self,
        _: Permit<ListTrust>,
        after: Option<&PartyId>,
        limit: usize,
    ) -> Result<Page<Attested>, Refusal> {
        let parties = self.charter_in_force().await?.party_ids();
        let records = self.folds.parties(&*self.store, parties).await?;
        let held = records.values().filter_map(|record| record.trusted());
        let mut page = Filling::new(limit);
        for held in held.filter(|held| after.is_none_or(|after| held.body.party > *after)) {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = Attested { statement: held.compact.clone(), receipt: self.receipt_of(held).await? };
            page.push(&held.body.party, held.compact.len(), row);
        }
        Ok(page.end())
    }

    /// Takes full powers, by the caller's own party.
    ///
    /// # Errors
    /// [`Refusal::NotYourParty`]; what [`crate::domain::register::PartyRecord::grant`] refuses.
    pub async fn submit_powers(&self, permit: Permit<SubmitPowers>, compact: &str) -> Result<Receipt, Refusal> {
        let statement = Unverified::<Powers>::parse(compact)?;
        permit.own(&statement.claims().party)?;
        let statement = &statement;
        self.decide(&[statement.digest()], |now| {
            Box::pin(async move {
                let party = &statement.claims().party;
                let charters = self.folds.charters(&*self.store).await?;
                let standing = in_force(&charters, now)?;
                // A key is one party's: the decision reads what every other party has granted, also those that left.
                let records = self.folds.parties(&*self.store, charters.ever_parties(now)).await?;
                let record = records.get(party).ok_or_else(|| Refusal::UnknownParty { party: party.clone() })?;
                let others = records.iter().filter(|(id, _)| *id != party).map(|(_, record)| &**record);
                let (verified, step) = record.grant(statement.clone(), &charters, &standing, others)?;
                let stream = (StreamId::Party(party.clone()), record.position());
                let read = positions(&records).chain([(StreamId::Exchange, charters.position())]);
                self.one(now, read, stream, step, (&verified).into())
            })
        })
        .await
    }

    /// Takes the end of a grant, by the caller's own party.
    ///
    /// # Errors
    /// [`Refusal::NotYourParty`]; what [`crate::domain::register::PartyRecord::revoke`] refuses.
    pub async fn submit_revocation(&self, permit: Permit<SubmitRevocation>, compact: &str) -> Result<Receipt, Refusal> {
        let statement = Unverified::<Revocation>::parse(compact)?;
        permit.own(&statement.claims().party)?;
        let statement = &statement;
        self.decide(&[statement.digest()], |now| {
            Box::pin(async move {
                let party = &statement.claims().party;
                let charters = self.folds.charters(&*self.store).await?;
                let record = self.folds.party(&*self.store, party).await?;
                let (verified, step) = record.revoke(statement.clone(), &*in_force(&charters, now)?)?;
                let stream = (StreamId::Party(party.clone()), record.position());
                let read = [(StreamId::Exchange, charters.position())];
                self.one(now, read, stream, step, (&verified).into())
            })
        })
        .await
    }

    /// Full powers in the log, of one party or of all, in log order; `after` is the index of the last one seen.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn powers_list(
        &self,
        _: Permit<ListPowers>,
        party: Option<&PartyId>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<PowersView>, Refusal> {
        let records = self.every_party().await?;
        let mut grants: Vec<_> = records
            .iter()
            .flat_map(|r| r.grants().values())
            .filter(|g| party.is_none_or(|p| g.body.party == *p) && after.is_none_or(|after| g.place.index > after))
            .collect();
        grants.sort_by_key(|g| g.place.index);
        let mut page = Filling::new(limit);
        for held in grants {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = self.powers_view(&records, held).await?;
            page.push(held.place.index, held.compact.len(), row);
        }
        Ok(page.end())
    }

    /// Full powers by digest.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn powers(&self, _: Permit<GetPowers>, digest: Digest) -> Result<PowersView, Refusal> {
        let records = self.every_party().await?;
        match records.iter().find_map(|record| record.grants().get(&digest)) {
            Some(held) => self.powers_view(&records, held).await,
            None => Err(Refusal::not_found(msg!("full powers"), digest)),
        }
    }

    async fn powers_view(&self, records: &[Arc<PartyRecord>], held: &Held<Powers>) -> Result<PowersView, Refusal> {
        let digest = Digest::of(held.compact.as_bytes());
        let revocation = match records.iter().find_map(|record| record.revocation(digest)) {
            Some(held) => Some(Attested { statement: held.compact.clone(), receipt: self.receipt_of(held).await? }),
            None => None,
        };
        Ok(PowersView { statement: held.compact.clone(), receipt: self.receipt_of(held).await?, revocation })
    }

    /// Of every party that any charter has ever listed: what those who left have granted still explains what they signed.
    async fn every_party(&self) -> Result<Vec<Arc<PartyRecord>>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let ids = charters.ever_parties(self.machine.now());
        Ok(self.folds.parties(&*self.store, ids).await?.into_values().collect())
    }

    async fn receipt_of<B: Body>(&self, held: &Held<B>) -> Result<Receipt, Refusal> {
        self.receipt_at(held.place.index).await
    }

    /// The entry of this index, as a receipt.
    pub(super) async fn receipt_at(&self, index: u64) -> Result<Receipt, Refusal> {
        let entry = self.store.log(index, 1).await?.pop();
        let entry = entry.ok_or_else(|| Refusal::Inconsistent { what: msg!("the log has no entry {index}", index) })?;
        Ok(Receipt { index, entry: entry.bytes, proof: None })
    }
}
