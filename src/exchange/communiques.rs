//! Communiqués: proposing, acting, reading.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Exchange,
    access::{
        GetCommunique, GetRevision, ListActs, ListCommuniques, ListRevisions, Method, Permit, ProposeRevision,
        SubmitAct,
    },
    append::{Decision, Plan},
    filling::Filling,
    load::in_force,
    ports::{ListingQuery, Owner},
};
use crate::domain::{
    act::{Act, ActKind},
    document::Document,
    entry::{Position, StreamId},
    id::{CommuniqueId, PartyId},
    life::{Context, Life, LoggedAct, Revision, State},
    manifest::{Manifest, PARTS_LIMIT, Part, RECTIFICATIONS_LIMIT},
    refusal::Refusal,
    register::{PartyRecord, verify_act},
    statement::Unverified,
    text,
    view::{ActView, CommuniqueView, Page, Receipt, RevisionView, Summary},
};
use crate::package::write::within;

/// A communiqué whose manifests and statements have more bytes than this takes no further revision. Every call on it folds
/// them all; ordinary ones, revised as often as may be, stay far below.
pub const HISTORY_LIMIT: usize = 64 << 20;

type Records = BTreeMap<PartyId, Arc<PartyRecord>>;

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
        self.decide(|now| {
            Box::pin(async move {
                if let Some(receipt) = self.repeat(act.digest()).await? {
                    return Ok(Decision::Repeat(receipt));
                }
                let id = manifest.communique;
                let life = self.folds.life(&*self.store, id).await?;
                if life.exists() {
                    if manifest.revision == 1 {
                        return Err(Refusal::AlreadyExists { what: format!("communiqué {id}") });
                    }
                    visible(&life, permit.party(), id)?;
                    bounded(life.bytes())?;
                } else if manifest.revision != 1 {
                    return Err(Refusal::not_found("communiqué", id));
                }
                let charters = self.folds.charters(&*self.store).await?;
                if let Some(plan) = self.due(id, &life, &charters, now)? {
                    return Ok(Decision::Due(plan));
                }
                let standing = in_force(&charters, now)?;
                let records = self.folds.parties(&*self.store, vec![act.claims().party.clone()]).await?;
                let verified = verify_act(act.clone(), &records)?;
                let original = match manifest.rectifies {
                    Some(rectifies) => Some(self.folds.life(&*self.store, rectifies.communique).await?),
                    None => None,
                };
                let original = original.as_deref();
                let context = Context { standing: &standing, grants: &records, original, now };
                let steps = life.propose(manifest, &verified, context)?;
                self.correctable(manifest).await?;
                self.parts_usable(&life, manifest, permit.party()).await?;

                let stream = StreamId::Communique(id);
                let mut plan = Plan::new(
                    now,
                    positions(&records)
                        .chain([(StreamId::Exchange, charters.position()), (stream.clone(), life.position())]),
                );
                let objects = vec![manifest.bytes().to_vec(), verified.compact().into()];
                plan.steps(&*self.machine, &stream, life.position(), steps, objects, None)?;
                plan.list(id, &life)?;
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
                let what = "documents that correct one another".into();
                return Err(Refusal::LimitReached { what, limit: RECTIFICATIONS_LIMIT as u64 });
            }
            let original = self.folds.life(&*self.store, rectifies.communique).await?;
            if depth == 1 {
                let (_, size) = self.built(rectifies.communique, &original).await?;
                if manifest.parts().map(|p| p.size).sum::<u64>() + size > PARTS_LIMIT {
                    let what = "texts, annexes and the package of what is corrected, in bytes,".into();
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
                    return Err(Refusal::WrongSize { what: path, expected: size, actual });
                }
                Some(_) => {}
            }
        }
        for t in &manifest.texts {
            let bytes = self.whole(t.sha256, text::TEXT_LIMIT).await?;
            text::check_text(&bytes, t.dir).map_err(|faults| Refusal::TextRules {
                lang: t.lang.to_string(),
                faults: faults.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join("; "),
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
            return Err(Refusal::malformed("act.act", "propose comes with its manifest, by ProposeRevision"));
        }
        let (act, permit) = (&act, &permit);
        self.decide(|now| {
            Box::pin(async move {
                if let Some(receipt) = self.repeat(act.digest()).await? {
                    return Ok(Decision::Repeat(receipt));
                }
                let id = act.claims().communique;
                let life = self.folds.life(&*self.store, id).await?;
                visible(&life, permit.party(), id)?;
                let charters = self.folds.charters(&*self.store).await?;
                if let Some(plan) = self.due(id, &life, &charters, now)? {
                    return Ok(Decision::Due(plan));
                }
                let standing = in_force(&charters, now)?;
                // Completion counts the seats of all, under the grants of all.
                let records = self.folds.parties(&*self.store, life.parties().to_vec()).await?;
                let verified = verify_act(act.clone(), &records)?;
                let context = Context { standing: &standing, grants: &records, original: None, now };
                let steps = life.act(&verified, context)?;
                if let Some(record) = records.get(&verified.body().party) {
                    within(&life, record, &verified)?;
                }

                let stream = StreamId::Communique(id);
                let mut plan = Plan::new(
                    now,
                    positions(&records)
                        .chain([(StreamId::Exchange, charters.position()), (stream.clone(), life.position())]),
                );
                plan.steps(&*self.machine, &stream, life.position(), steps, vec![verified.compact().into()], None)?;
                plan.list(id, &life)?;
                Ok(Decision::Append(plan))
            })
        })
        .await
    }

    /// A communiqué as it stands.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for unknown and foreign alike.
    pub async fn communique(&self, permit: Permit<GetCommunique>, id: CommuniqueId) -> Result<CommuniqueView, Refusal> {
        let life = self.visible_life(&permit, id).await?;
        let newest = life.newest().ok_or_else(|| Refusal::not_found("communiqué", id))?;
        let opened = match newest.opened {
            Some(place) => Some(self.receipt_at(place.index).await?),
            None => None,
        };
        let mut acts = Vec::with_capacity(newest.acts.len());
        for act in &newest.acts {
            acts.push(self.act_view(&life, permit.party(), act).await?);
        }
        Ok(CommuniqueView {
            communique: id,
            state: life.state(),
            newest: self.revision_view(newest).await?,
            opened,
            acts,
            declined: newest.declined,
            returned: newest.returned,
            purged: life.purged().is_some(),
        })
    }

    /// The communiqués that name the caller's party, by id; `after` is the last one seen.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn communiques(
        &self,
        permit: Permit<ListCommuniques>,
        state: Option<State>,
        after: Option<CommuniqueId>,
        limit: usize,
    ) -> Result<Page<Summary>, Refusal> {
        let query = ListingQuery { party: Some(permit.party().clone()), state, after, limit: limit + 1 };
        let mut page = Filling::new(limit);
        for listing in self.store.listings(query).await? {
            if page.is_full() {
                return Ok(page.more());
            }
            let life = self.folds.life(&*self.store, listing.communique).await?;
            let manifest = life.newest().map(|r| r.manifest.bytes().to_vec()).unwrap_or_default();
            let (communique, state, revision) = (listing.communique, listing.state, listing.revision);
            page.push(communique, manifest.len(), Summary { communique, state, revision, manifest });
        }
        Ok(page.end())
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
            Some(revision) => self.revision_view(revision).await,
            None => Err(Refusal::not_found("revision", number)),
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
            let row = self.revision_view(revision).await?;
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
    ) -> Result<Arc<Life>, Refusal> {
        let life = self.folds.life(&*self.store, id).await?;
        visible(&life, permit.party(), id)?;
        Ok(life)
    }

    async fn revision_view(&self, revision: &Revision) -> Result<RevisionView, Refusal> {
        Ok(RevisionView {
            manifest: revision.manifest.bytes().to_vec(),
            propose: revision.propose.compact.clone(),
            receipt: self.receipt_at(revision.propose.place.index).await?,
        })
    }

    /// Escrow: another's signature shows only that it is there, until all have signed.
    async fn act_view(&self, life: &Life, viewer: &PartyId, act: &LoggedAct) -> Result<ActView, Refusal> {
        if life.may_see(viewer, &act.act) {
            let receipt = self.receipt_at(act.place.index).await?;
            Ok(ActView::Shown { statement: act.compact.clone(), receipt })
        } else {
            Ok(ActView::Escrowed { party: act.act.party.clone(), act: act.act.act, revision: act.act.revision })
        }
    }
}

/// Unknown and foreign answer alike.
fn visible(life: &Life, party: &PartyId, id: CommuniqueId) -> Result<(), Refusal> {
    if life.parties().contains(party) { Ok(()) } else { Err(Refusal::not_found("communiqué", id)) }
}

fn bounded(bytes: usize) -> Result<(), Refusal> {
    if bytes > HISTORY_LIMIT {
        return Err(Refusal::LimitReached {
            what: "bytes of one communiqué's history".into(),
            limit: HISTORY_LIMIT as u64,
        });
    }
    Ok(())
}

fn positions(records: &Records) -> impl Iterator<Item = (StreamId, Position)> {
    records.iter().map(|(id, record)| (StreamId::Party(id.clone()), record.position()))
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
