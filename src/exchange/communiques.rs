//! Communiqués: proposing, acting, reading.

use std::sync::Arc;

use super::{
    Exchange,
    access::{
        GetCommunique, GetRevision, ListActs, ListCommuniques, ListRevisions, Method, Permit, ProposeRevision,
        SubmitAct,
    },
    append::{Decision, Plan, positions},
    filling::Filling,
    load::{Course, Handed, in_force},
    ports::{Listing, ListingQuery, Owner},
    sight::{Escrowed, act_sight, visible},
};
use crate::package::{evidence::ORIGINALS_ENTRIES_LIMIT, write::within};
use crate::{
    domain::{
        act::{Act, ActKind},
        document::Document,
        entry::StreamId,
        id::{CommuniqueId, PartyId},
        life::{Context, Life, LoggedAct, Revision},
        manifest::{Manifest, PARTS_LIMIT, Part, RECTIFICATIONS_LIMIT},
        message::Tell,
        refusal::Refusal,
        register::verify_act,
        statement::Unverified,
        text,
        view::{ActView, CommuniqueView, ListFilter, Page, Receipt, RevisionView, Summary},
    },
    msg,
};

/// A communiqué whose manifests and statements have more bytes than this takes no further revision. Every call on it folds
/// them all; ordinary ones, revised as often as may be, stay far below.
pub const HISTORY_LIMIT: usize = 64 << 20;

/// Most communiqués that one page of the list looks at, whatever its filter passes over.
pub const SCAN_LIMIT: usize = 1000;
/// How many rows of the list are read at a time.
const SCAN_CHUNK: usize = 128;

impl Exchange {
    /// Takes a revision: its manifest and the act that proposes it. Revision 1 creates the communiqué.
    ///
    /// # Errors
    /// [`Refusal::NotYourParty`], [`Refusal::ContentMissing`], [`Refusal::TextRules`]; what [`Life::propose`] refuses.
    pub async fn propose(
        &self,
        permit: Permit<ProposeRevision>,
        manifest: Vec<u8>,
        act: &str,
    ) -> Result<Receipt, Refusal> {
        let act = Unverified::<Act>::parse(act)?;
        let manifest = Document::<Manifest>::parse(manifest)?;
        let claims = act.claims();
        permit.own(&claims.party)?;
        // Before the repeat is looked for: the first answer is to this act with its own manifest, and to nothing else.
        if claims.act != ActKind::Propose {
            return Err(Refusal::disagrees("act.act", ActKind::Propose, claims.act));
        }
        if claims.manifest != manifest.digest() {
            return Err(Refusal::disagrees("act.manifest", manifest.digest(), claims.manifest));
        }
        let (act, manifest, permit) = (&act, &manifest, &permit);
        self.decide_at_once(&[act.digest()], |now, look| {
            Box::pin(async move {
                let id = manifest.communique;
                let life = look.life(id).await?;
                if life.exists() {
                    if manifest.revision == 1 {
                        return Err(Refusal::AlreadyExists { what: msg!("communiqué {id}", id) });
                    }
                    visible(&life, permit.party(), id)?;
                    bounded(life.bytes())?;
                } else if manifest.revision != 1 {
                    return Err(Refusal::not_found(msg!("communiqué"), id));
                }
                let charters = look.charters().await?;
                let standing = in_force(&charters, now)?;
                if let Some(plan) = self.due((id, &life), (&standing, charters.position()), now)? {
                    return Ok(Decision::Due(plan));
                }
                let records = look.parties([act.claims().party.clone()]).await?;
                let verified = verify_act(act.clone(), &records)?;
                let original = match manifest.rectifies {
                    Some(rectifies) => Some(look.life(rectifies.communique).await?),
                    None => None,
                };
                let original = original.as_ref().map(|original| original.life());
                let context = Context { standing: &standing, grants: &records, original, now };
                let steps = life.propose(manifest, &verified, context)?;
                self.correctable(manifest).await?;
                self.parts_usable(&life, manifest, permit.party()).await?;

                let read = positions(&records).chain([(StreamId::Exchange, charters.position())]);
                let mut plan = Plan::new(now, read);
                let handed = Handed { manifest: Some(manifest.clone()), act: verified };
                plan.carry_on(&*self.machine, (id, &life), steps, Some(handed), None)?;
                Ok(Decision::Append(plan))
            })
        })
        .await
    }

    /// The package of what it corrects fits into its own, beside its own texts and annexes, and the chain of corrections is not
    /// too long.
    async fn correctable(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let (mut corrected, mut depth) = (manifest.rectifies, 0);
        while let Some(rectifies) = corrected {
            depth += 1;
            if depth > RECTIFICATIONS_LIMIT {
                let what = msg!("documents that correct one another");
                return Err(Refusal::LimitReached { what, limit: RECTIFICATIONS_LIMIT as u64 });
            }
            let original = self.folds.life(&*self.store, rectifies.communique).await?;
            if depth == 1
                && let Some((_, size, entries)) = self.original(manifest).await?
            {
                if entries.len() > ORIGINALS_ENTRIES_LIMIT {
                    let what = msg!("entries in the packages of what is corrected");
                    return Err(Refusal::LimitReached { what, limit: ORIGINALS_ENTRIES_LIMIT as u64 });
                }
                if manifest.parts().map(|p| p.size).sum::<u64>() + size > PARTS_LIMIT {
                    let what = msg!("texts, annexes and the package of what is corrected, in bytes,");
                    return Err(Refusal::TooLarge { what, limit: PARTS_LIMIT });
                }
            }
            corrected = original.newest().and_then(|r| r.manifest.rectifies);
        }
        Ok(())
    }

    /// Every file that the manifest names is there for this party, of the announced size; every text obeys the text rules.
    async fn parts_usable(&self, life: &Life, manifest: &Manifest, party: &PartyId) -> Result<(), Refusal> {
        let owner = Owner { party: party.clone(), communique: manifest.communique };
        for Part { path, size, sha256 } in manifest.parts() {
            let held = match life.part(sha256) {
                Some(named) => Some(named.size),
                None => self.content.uploaded(&owner, sha256).await?,
            };
            match held {
                None => return Err(Refusal::ContentMissing { digest: sha256 }),
                Some(actual) if actual != size => {
                    return Err(Refusal::WrongSize { what: path.message(), expected: size, actual });
                }
                Some(_) => {}
            }
        }
        for t in &manifest.texts {
            let bytes = self.whole(t.sha256, text::TEXT_LIMIT).await?;
            text::check_text(&bytes, t.dir).map_err(|faults| Refusal::TextRules {
                lang: t.lang.to_string(),
                faults: text::faults(faults.iter().take(3)),
            })?;
        }
        Ok(())
    }

    /// Takes any act but `propose`.
    ///
    /// # Errors
    /// [`Refusal::NotYourParty`], [`Refusal::NotFound`]; what [`Life::act`] refuses.
    pub async fn act(&self, permit: Permit<SubmitAct>, act: &str) -> Result<Receipt, Refusal> {
        let act = Unverified::<Act>::parse(act)?;
        permit.own(&act.claims().party)?;
        if act.claims().act == ActKind::Propose {
            return Err(Refusal::malformed("act.act", msg!("propose comes with its manifest, by ProposeRevision")));
        }
        let (act, permit) = (&act, &permit);
        let id = act.claims().communique;
        let handed_in = [act.digest()];
        let deciding = self.decide_at_once(&handed_in, |now, look| {
            Box::pin(async move {
                let life = look.life(id).await?;
                visible(&life, permit.party(), id)?;
                let charters = look.charters().await?;
                let standing = in_force(&charters, now)?;
                if let Some(plan) = self.due((id, &life), (&standing, charters.position()), now)? {
                    return Ok(Decision::Due(plan));
                }
                // Completion counts the seats of all, under the grants of all.
                let records = look.parties(life.parties().iter().cloned()).await?;
                let verified = verify_act(act.clone(), &records)?;
                let context = Context { standing: &standing, grants: &records, original: None, now };
                let steps = life.act(&verified, context)?;
                if let Some(record) = records.get(&verified.body().party) {
                    within(&life, record, &verified)?;
                }

                let read = positions(&records).chain([(StreamId::Exchange, charters.position())]);
                let mut plan = Plan::new(now, read);
                let handed = Handed { manifest: None, act: verified };
                plan.carry_on(&*self.machine, (id, &life), steps, Some(handed), None)?;
                Ok(Decision::Append(plan))
            })
        });
        let receipt = deciding.await?;
        if act.claims().act == ActKind::Purge {
            // What cannot be erased now is at the next look: the act is logged all the same.
            self.due.wants(id);
            let _ = self.settle_one(id).await;
        }
        Ok(receipt)
    }

    /// A communiqué as it stands.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for unknown and foreign alike.
    pub async fn communique(&self, permit: Permit<GetCommunique>, id: CommuniqueId) -> Result<CommuniqueView, Refusal> {
        let life = self.visible_life(&permit, id).await?;
        let newest = life.newest().ok_or_else(|| Refusal::not_found(msg!("communiqué"), id))?;
        let opened = match newest.opened {
            Some(place) => Some(self.receipt_in(&life, place.index).await?),
            None => None,
        };
        let mut acts = Vec::with_capacity(newest.acts.len());
        for act in &newest.acts {
            acts.push(self.act_view(&life, permit.party(), act).await?);
        }
        Ok(CommuniqueView {
            communique: id,
            state: life.state(),
            newest: self.revision_view(&life, newest).await?,
            opened,
            acts,
            declined: newest.declined,
            returned: newest.returned,
            purged: life.purged().is_some(),
        })
    }

    /// The communiqués that name the caller's party, by id, as far as the filter wants them; `after` is the last one seen. A
    /// page looks at [`SCAN_LIMIT`] of them at most, and may so be short, or empty, and yet not the last.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn communiques(
        &self,
        permit: Permit<ListCommuniques>,
        filter: &ListFilter,
        mut after: Option<CommuniqueId>,
        limit: usize,
    ) -> Result<Page<Summary>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let now = self.machine.now();
        let standing = in_force(&charters, now)?;
        let records = self.folds.parties(&*self.store, standing.party_ids()).await?;
        let context = Context { standing: &standing, grants: &records, original: None, now };
        let (mut page, mut scanned) = (Filling::new(limit), 0);
        let passes_over = filter.party.is_some() || filter.awaiting || filter.text.is_some();
        let chunk = if passes_over { SCAN_CHUNK } else { SCAN_CHUNK.min(limit + 1) };
        loop {
            let party = Some(permit.party().clone());
            // Of what has ended nothing is awaited: the years do not make the inbox slower.
            let query = ListingQuery { party, state: filter.state, open: filter.awaiting, after, limit: chunk };
            let listings = self.store.listings(query).await?;
            let last = listings.len() < chunk;
            for listing in listings {
                if page.is_full() || scanned >= SCAN_LIMIT {
                    return Ok(page.more());
                }
                scanned += 1;
                after = Some(listing.communique);
                match self.summary(permit.party(), filter, &listing, context).await? {
                    Some(row) => page.push(listing.communique, row.manifest.len(), row),
                    None => page.pass(listing.communique),
                }
            }
            if last {
                return Ok(page.end());
            }
        }
    }

    /// The row of a communiqué, if the filter wants it. What it says is all of one moment: that of the fold.
    async fn summary(
        &self,
        caller: &PartyId,
        filter: &ListFilter,
        listing: &Listing,
        context: Context<'_>,
    ) -> Result<Option<Summary>, Refusal> {
        if filter.party.as_ref().is_some_and(|party| !listing.parties.contains(party)) {
            return Ok(None);
        }
        let life = self.folds.life(&*self.store, listing.communique).await?;
        let Some(newest) = life.newest() else { return Ok(None) };
        let awaited = life.awaited(caller, context);
        let wanted = filter.state.is_none_or(|state| state == life.state())
            && (!filter.awaiting || !awaited.is_empty())
            && filter.text.as_ref().is_none_or(|text| newest.manifest.titles.mention(text));
        Ok(wanted.then(|| Summary {
            communique: listing.communique,
            state: life.state(),
            revision: newest.manifest.revision,
            manifest: newest.manifest.bytes().to_vec(),
            deadline: newest.manifest.procedure.deadline,
            awaited,
        }))
    }

    /// One revision.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn revision(
        &self,
        permit: Permit<GetRevision>,
        id: CommuniqueId,
        number: u64,
    ) -> Result<RevisionView, Refusal> {
        let life = self.visible_life(&permit, id).await?;
        let revision = life.revisions().find(|r| r.manifest.revision == number);
        match revision {
            Some(revision) => self.revision_view(&life, revision).await,
            None => Err(Refusal::not_found(msg!("revision"), number)),
        }
    }

    /// Revisions above `after`, oldest first.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn revisions(
        &self,
        permit: Permit<ListRevisions>,
        id: CommuniqueId,
        after: u64,
        limit: usize,
    ) -> Result<Page<RevisionView>, Refusal> {
        let life = self.visible_life(&permit, id).await?;
        let mut page = Filling::new(limit);
        for revision in life.revisions().filter(|r| r.manifest.revision > after) {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = self.revision_view(&life, revision).await?;
            page.push(revision.manifest.revision, row.manifest.len() + row.propose.len(), row);
        }
        Ok(page.end())
    }

    /// The acts on all revisions but their proposals, in log order, from the `after`th on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn acts(
        &self,
        permit: Permit<ListActs>,
        id: CommuniqueId,
        after: usize,
        limit: usize,
    ) -> Result<Page<ActView>, Refusal> {
        let life = self.visible_life(&permit, id).await?;
        let mut page = Filling::new(limit);
        for (n, act) in life.revisions().flat_map(|r| &r.acts).enumerate().skip(after) {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = self.act_view(&life, permit.party(), act).await?;
            page.push(n + 1, act.compact.len(), row);
        }
        Ok(page.end())
    }

    /// The communiqué's life, if it names the permit's party.
    pub(super) async fn visible_life<M: Method>(
        &self,
        permit: &Permit<M>,
        id: CommuniqueId,
    ) -> Result<Arc<Course>, Refusal> {
        let life = self.folds.life(&*self.store, id).await?;
        visible(&life, permit.party(), id)?;
        Ok(life)
    }

    /// The entry of this index of a communiqué's stream, as a receipt.
    async fn receipt_in(&self, life: &Course, index: u64) -> Result<Receipt, Refusal> {
        match life.receipt(index) {
            Some(receipt) => Ok(receipt),
            None => self.receipt_at(index).await,
        }
    }

    async fn revision_view(&self, life: &Course, revision: &Revision) -> Result<RevisionView, Refusal> {
        Ok(RevisionView {
            manifest: revision.manifest.bytes().to_vec(),
            propose: revision.propose.compact.clone(),
            receipt: self.receipt_in(life, revision.propose.place.index).await?,
        })
    }

    async fn act_view(&self, life: &Course, viewer: &PartyId, act: &LoggedAct) -> Result<ActView, Refusal> {
        match act_sight(life, viewer, &act.act) {
            None => {
                let receipt = self.receipt_in(life, act.place.index).await?;
                Ok(ActView::Shown { statement: act.compact.clone(), receipt })
            }
            Some(Escrowed { party, act, revision }) => Ok(ActView::Escrowed { party, act, revision }),
        }
    }
}

fn bounded(bytes: usize) -> Result<(), Refusal> {
    if bytes > HISTORY_LIMIT {
        return Err(Refusal::LimitReached {
            what: msg!("bytes of one communiqué's history"),
            limit: HISTORY_LIMIT as u64,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_bounded() {
        assert_eq!(bounded(HISTORY_LIMIT), Ok(()));
        assert_eq!(bounded(HISTORY_LIMIT + 1).map_err(|r| r.reason()), Err("LIMIT_REACHED"));
    }
}
