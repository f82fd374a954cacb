//! Publication: the `published` entry, and who gets to see what is published.

use std::sync::Arc;

use super::{
    Download, Exchange,
    access::{DownloadPackage, GetPublication, ListPublications, Method, Permit, PublishCommunique},
    append::{Decision, Plan, positions},
    filling::Filling,
    load::Course,
    ports::{ListingQuery, Package},
};
use crate::{
    domain::{
        entry::{Kind, Step, StreamId},
        id::CommuniqueId,
        life::{Life, State},
        manifest::RECTIFICATIONS_LIMIT,
        refusal::Refusal,
        view::{Page, PublicationView},
    },
    msg,
    package::write::Until,
};

impl Exchange {
    /// Publishes a complete communiqué. Asked again, answers the same.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotNow`], [`Refusal::Embargoed`].
    pub async fn publish(
        &self,
        permit: Permit<PublishCommunique>,
        id: CommuniqueId,
    ) -> Result<PublicationView, Refusal> {
        let permit = &permit;
        self.decide(&[], |now| {
            Box::pin(async move {
                let life = self.visible_life(permit, id).await?;
                if let Some(published) = life.published() {
                    return Ok(Decision::Repeat(self.receipt_at(published.index).await?));
                }
                let manifest = life.publish(now)?.manifest.clone();
                // Where the streams stand is read before what they hold: what is logged in between makes it decide again.
                let charters = self.folds.charters(&*self.store).await?;
                let records = self.folds.parties(&*self.store, manifest.parties.clone()).await?;
                let mut read = vec![(StreamId::Exchange, charters.position())];
                read.extend(positions(&records));
                let corrected = match manifest.rectifies {
                    Some(rectifies) => {
                        let original = self.folds.life(&*self.store, rectifies.communique).await?;
                        let stream = StreamId::Communique(rectifies.communique);
                        read.push((stream.clone(), original.position()));
                        Some((stream, original))
                    }
                    None => None,
                };
                let original = self.original(&manifest).await?;
                let contents = self.contents(id, Until { index: u64::MAX, time: now }, original).await?;
                self.certifier(&contents)?;
                let (steps, files) = (vec![contents.step()], Some(contents.files()));
                let mut plan = Plan::new(now, read);
                plan.carry_on(&*self.machine, (id, &life), steps, None, files)?;
                if let Some((stream, original)) = corrected {
                    let step = Step { kind: Kind::Rectified, documents: vec![manifest.digest()], statements: vec![] };
                    plan.steps(&*self.machine, &stream, original.position(), vec![step], vec![], None)?;
                }
                Ok(Decision::Append(plan))
            })
        })
        .await?;
        let view = self.publication_view(id).await?;
        Ok(PublicationView { receipt: self.proven(view.receipt).await?, ..view })
    }

    /// A published communiqué. Open to every party.
    ///
    /// # Errors
    /// [`Refusal::NotPublished`] to a party that the communiqué names; to every other [`Refusal::NotFound`], whether it
    /// exists or not.
    pub async fn publication(
        &self,
        permit: Permit<GetPublication>,
        id: CommuniqueId,
    ) -> Result<PublicationView, Refusal> {
        self.published_to(&permit, id).await?;
        self.publication_view(id).await
    }

    /// What is published, by id; `after` is the last one seen.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn publications(
        &self,
        _: Permit<ListPublications>,
        after: Option<CommuniqueId>,
        limit: usize,
    ) -> Result<Page<PublicationView>, Refusal> {
        let query = ListingQuery { state: Some(State::Published), after, limit: limit + 1, ..Default::default() };
        let mut page = Filling::new(limit);
        for listing in self.store.listings(query).await? {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = self.publication_view(listing.communique).await?;
            page.push(listing.communique, row.manifest.len() + row.receipt.entry.len(), row);
        }
        Ok(page.end())
    }

    /// The package of a published communiqué.
    ///
    /// # Errors
    /// As [`Exchange::publication`].
    pub async fn package(&self, permit: Permit<DownloadPackage>, id: CommuniqueId) -> Result<Download, Refusal> {
        let life = self.published_to(&permit, id).await?;
        let Package { digest, size, .. } = self.built(id, &life).await?;
        Ok(Download { content: self.content.clone(), digest, size })
    }

    /// The life of what is published; otherwise only a party that it names learns that there is something.
    async fn published_to<M: Method>(&self, permit: &Permit<M>, id: CommuniqueId) -> Result<Arc<Course>, Refusal> {
        let life = self.folds.life(&*self.store, id).await?;
        match life.published() {
            Some(_) => Ok(life),
            None if life.parties().contains(permit.party()) => Err(Refusal::NotPublished { communique: id }),
            None => Err(Refusal::not_found(msg!("publication"), id)),
        }
    }

    async fn publication_view(&self, id: CommuniqueId) -> Result<PublicationView, Refusal> {
        let life = self.folds.life(&*self.store, id).await?;
        let Package { digest, size, .. } = self.built(id, &life).await?;
        let (Some(published), Some(newest)) = (life.published(), life.newest()) else {
            return Err(Refusal::not_found(msg!("publication"), id));
        };
        Ok(PublicationView {
            communique: id,
            manifest: newest.manifest.bytes().to_vec(),
            published: published.time,
            receipt: self.receipt_at(published.index).await?,
            package: (digest, size),
            rectified_by: self.newest_rectification(&life).await?,
        })
    }

    /// The newest published rectification, or the newest of that one.
    async fn newest_rectification(&self, life: &Life) -> Result<Option<CommuniqueId>, Refusal> {
        let mut newest = life.rectified().last().map(|(id, _)| *id);
        for _ in 1..RECTIFICATIONS_LIMIT {
            let Some(id) = newest else { break };
            match self.folds.life(&*self.store, id).await?.rectified().last() {
                Some((id, _)) => newest = Some(*id),
                None => break,
            }
        }
        Ok(newest)
    }
}
