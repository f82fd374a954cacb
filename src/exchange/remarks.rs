//! Remarks: taken, and listed straight from their stream, with rights asked for each.

use super::{
    Exchange,
    access::{AddRemark, ListRemarks, Permit},
    filling::Filling,
    load::in_force,
    sight::{Scope, Sight},
};
use crate::domain::{
    document::Document,
    entry::StreamId,
    id::CommuniqueId,
    refusal::Refusal,
    remark::{Remark, Remarks},
    view::{Page, Receipt, RemarkView},
};

/// Most entries that one page of remarks looks at, whatever it passes over.
const SCAN_LIMIT: usize = 4096;
/// How many entries are read at a time.
const BATCH: usize = 256;

impl Exchange {
    /// Takes a remark, by the caller's own party. Sent again, the same document gets the first answer.
    ///
    /// # Errors
    /// [`Refusal::NotYourParty`]; what [`Remarks::remark`] refuses.
    pub async fn remark(&self, permit: Permit<AddRemark>, remark: Vec<u8>) -> Result<Receipt, Refusal> {
        let remark = &Document::<Remark>::parse(remark)?;
        // So that who is named, which the decision asks of the remark's party, is asked of the caller's.
        permit.own(&remark.party)?;
        self.decide(&[remark.digest()], |now| {
            Box::pin(async move {
                let id = remark.communique;
                // Read, and not compared at the append: its parties are fixed, and no revision goes away.
                let life = self.folds.life(&*self.store, id).await?;
                let charters = self.folds.charters(&*self.store).await?;
                let standing = in_force(&charters, now)?;
                let remarks: &Remarks = &*self.folds.remarks(&*self.store, id).await?;
                let step = remarks.remark(remark, &life, &standing, now)?;
                let stream = (StreamId::Remarks(id), remarks.position());
                self.one(now, [], stream, step, remark.into())
            })
        })
        .await
    }

    /// The remarks that the caller may read, in log order, of one revision or of all; `after` is how many entries of the
    /// stream the pages before have looked at. A page may be short, or empty, and yet not the last. Each row
    /// comes with where it is in the stream, counted from 1.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn remarks(
        &self,
        permit: Permit<ListRemarks>,
        id: CommuniqueId,
        revision: Option<u64>,
        after: u64,
        limit: usize,
    ) -> Result<Page<(u64, RemarkView)>, Refusal> {
        self.visible_life(&permit, id).await?;
        let stream = StreamId::Remarks(id);
        let (mut page, mut next) = (Filling::new(limit), after);
        loop {
            let batch = self.store.stream(&stream, next, BATCH).await?;
            let last = batch.len() < BATCH;
            for stored in batch {
                if page.is_full() || next - after >= SCAN_LIMIT as u64 {
                    return Ok(page.more());
                }
                next += 1;
                let scope = self.scope(&stored).await?;
                let of_revision = match &scope {
                    Scope::Remark(_, remark) => revision.is_none_or(|n| n == remark.revision),
                    _ => false,
                };
                if !of_revision || self.sight(permit.party(), &stored, &scope).await? != Sight::Shown {
                    page.pass(next);
                    continue;
                }
                let remark = stored.recorded().document(0)?.to_vec();
                let receipt = Receipt { index: stored.index, entry: stored.bytes, proof: None };
                page.push(next, remark.len(), (next, RemarkView { remark, receipt }));
            }
            if last {
                return Ok(page.end());
            }
        }
    }
}
