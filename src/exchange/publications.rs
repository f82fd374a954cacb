//! Publication: the `published` entry, and the package, which is one function of log and content.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use super::{
    CHUNK_LIMIT, Download, Exchange,
    access::{DownloadPackage, GetPublication, ListPublications, Method, Permit, PublishCommunique},
    append::{Decision, Plan, positions},
    content::Staged,
    filling::Filling,
    ports::{ListingQuery, ReadFailed, Seal, Stored},
};
use crate::{
    domain::{
        certified::CertifiedCopy,
        entry::{Kind, Step, StreamId},
        id::{CommuniqueId, Digest},
        key::Signer,
        life::{Life, State},
        manifest::{Manifest, Part, RECTIFICATIONS_LIMIT},
        refusal::Refusal,
        statement::Statement,
        view::{Page, PublicationView},
    },
    package::{
        bag::{PartDigests, PartHasher},
        write::{Contents, Gathering, Logged, PackageWriter, Until},
    },
};

/// How many entries of a stream are read at a time.
const BATCH: usize = 512;

/// A package under way. Boxed, since what it corrects is built by the same.
type Building<'a> = Pin<Box<dyn Future<Output = Result<(Digest, u64), Refusal>> + Send + 'a>>;

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
                plan.carry_on(&*self.machine, (id, &life), steps, vec![], files)?;
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
        let query = ListingQuery { party: None, state: Some(State::Published), after, limit: limit + 1 };
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
        let (digest, size) = self.built(id, &life).await?;
        Ok(Download { content: self.content.clone(), digest, size })
    }

    /// The life of what is published; otherwise only a party that it names learns that there is something.
    async fn published_to<M: Method>(&self, permit: &Permit<M>, id: CommuniqueId) -> Result<Arc<Life>, Refusal> {
        let life = self.folds.life(&*self.store, id).await?;
        match life.published() {
            Some(_) => Ok(life),
            None if life.parties().contains(permit.party()) => Err(Refusal::NotPublished { communique: id }),
            None => Err(Refusal::not_found("publication", id)),
        }
    }

    async fn publication_view(&self, id: CommuniqueId) -> Result<PublicationView, Refusal> {
        let life = self.folds.life(&*self.store, id).await?;
        let package = self.built(id, &life).await?;
        let (Some(published), Some(newest)) = (life.published(), life.newest()) else {
            return Err(Refusal::not_found("publication", id));
        };
        Ok(PublicationView {
            communique: id,
            manifest: newest.manifest.bytes().to_vec(),
            published: published.time,
            receipt: self.receipt_at(published.index).await?,
            package,
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

    /// Digest and size of the package; built when it is first asked for, what it corrects first.
    pub(super) fn built<'a>(&'a self, id: CommuniqueId, life: &'a Life) -> Building<'a> {
        Box::pin(self.build(id, life))
    }
    async fn build(&self, id: CommuniqueId, life: &Life) -> Result<(Digest, u64), Refusal> {
        let published = life.published().ok_or_else(|| Refusal::not_found("publication", id))?;
        if let Some(package) = self.content.package(id).await? {
            return Ok(package);
        }
        let original = match life.newest() {
            Some(newest) => self.original(&newest.manifest).await?,
            None => None,
        };
        // One at a time: a package costs a pass over all its files, and whoever waited for the same one finds it built.
        let _building = self.building.lock().await;
        if let Some(package) = self.content.package(id).await? {
            return Ok(package);
        }
        let until = Until { index: published.index, time: published.time };
        let contents = self.contents(id, until, original).await?;
        let entry = self.receipt_at(published.index).await?;
        let certified = Statement::sign(
            CertifiedCopy {
                founding: contents.manifest().founding,
                exchange: contents.manifest().exchange.clone(),
                communique: id,
                manifest: contents.manifest().digest(),
                published: published.entry,
                index: published.index,
                time: published.time,
            },
            &**self.certifier(&contents)?,
        )?;
        let parts = self.examined(&contents).await?;
        let writer = PackageWriter::new(Vec::new(), &contents, (entry.index, &entry.entry), &certified, &parts)
            .map_err(|e| unwritable(&e))?;
        let stage = Staged::open(&self.content).await?;
        let (digest, size) = self.fill(writer, &stage).await?;
        stage.seal(digest, size, Seal::Package(id)).await?;
        Ok((digest, size))
    }

    /// The depositary's key of the charter that was in force at publication: not of that second, in which another may have
    /// come into force since.
    fn certifier(&self, contents: &Contents) -> Result<&Arc<dyn Signer>, Refusal> {
        let charter =
            contents.charter().ok_or_else(|| Refusal::Inconsistent { what: "no charter was in force".into() })?;
        self.key("depositary", &charter.depositary)
    }

    /// Writes the package piece by piece into the stage.
    async fn fill(&self, mut writer: PackageWriter<Vec<u8>>, stage: &Staged) -> Result<(Digest, u64), Refusal> {
        let mut hash = PartHasher::default();
        while let Some(Part { sha256, .. }) = writer.next_part().cloned() {
            let mut offset = 0;
            loop {
                let piece = self.content.read(sha256, offset, CHUNK_LIMIT).await?.ok_or(Refusal::StoreFailed)?;
                if piece.is_empty() {
                    break;
                }
                offset += piece.len() as u64;
                writer.part_bytes(&piece).map_err(|e| unwritable(&e))?;
                drain(writer.target(), stage, &mut hash).await?;
            }
            writer.end_part().map_err(|e| unwritable(&e))?;
        }
        let mut rest = writer.finish().map_err(|e| unwritable(&e))?;
        drain(&mut rest, stage, &mut hash).await?;
        let done = hash.finish();
        Ok((done.sha256, done.size))
    }

    /// One pass over every text, annex and original: what the archive must say before it holds them.
    async fn examined(&self, contents: &Contents) -> Result<BTreeMap<String, PartDigests>, Refusal> {
        let mut examined = BTreeMap::new();
        for part in contents.parts() {
            let (mut hash, mut offset) = (PartHasher::default(), 0);
            loop {
                let piece = self.content.read(part.sha256, offset, CHUNK_LIMIT).await?.ok_or(Refusal::StoreFailed)?;
                if piece.is_empty() {
                    break;
                }
                offset += piece.len() as u64;
                hash.update(&piece);
            }
            let digests = hash.finish();
            if digests.sha256 != part.sha256 {
                return Err(Refusal::Inconsistent { what: format!("content {} has other bytes", part.sha256) });
            }
            examined.insert(part.path, digests);
        }
        Ok(examined)
    }

    /// Digest and size of the package of what a manifest corrects.
    async fn original(&self, manifest: &Manifest) -> Result<Option<(Digest, u64)>, Refusal> {
        let Some(rectifies) = manifest.rectifies else { return Ok(None) };
        let original = self.folds.life(&*self.store, rectifies.communique).await?;
        self.built(rectifies.communique, &original).await.map(Some)
    }

    /// What belongs into the package, of all that was logged until then, with digest and size of the original's.
    async fn contents(
        &self,
        id: CommuniqueId,
        until: Until,
        original: Option<(Digest, u64)>,
    ) -> Result<Contents, Refusal> {
        let communique = self.logged(&StreamId::Communique(id)).await?;
        let mut gathering = Gathering::new(communique, self.logged(&StreamId::Exchange).await?, until)?;
        let wanted: Vec<_> = gathering.wanted().map(|(party, grant)| (party.clone(), *grant)).collect();
        for (party, grant) in wanted {
            let stored = self.store.first_naming(grant).await?.ok_or(Refusal::UnknownGrant { grant })?;
            let record = self.folds.party(&*self.store, &party).await?;
            let revocation = match record.revocation(grant) {
                Some(held) => self.store.log(held.place.index, 1).await?.pop(),
                None => None,
            };
            gathering.grant(logged(stored), revocation.map(logged))?;
        }
        if let Some((digest, size)) = original {
            gathering.original(digest, size);
        }
        gathering.finish()
    }

    async fn logged(&self, stream: &StreamId) -> Result<Vec<Logged>, Refusal> {
        let mut all: Vec<Logged> = Vec::new();
        loop {
            let batch = self.store.stream(stream, all.len() as u64, BATCH).await?;
            let last = batch.len() < BATCH;
            all.extend(batch.into_iter().map(logged));
            if last {
                return Ok(all);
            }
        }
    }
}

async fn drain(buffer: &mut Vec<u8>, stage: &Staged, hash: &mut PartHasher) -> Result<(), ReadFailed> {
    let bytes = std::mem::take(buffer);
    hash.update(&bytes);
    for piece in bytes.chunks(CHUNK_LIMIT) {
        stage.push(piece.to_vec()).await?;
    }
    Ok(())
}

fn logged(stored: Stored) -> Logged {
    Logged { index: stored.index, bytes: stored.bytes, objects: stored.objects }
}

fn unwritable(error: &std::io::Error) -> Refusal {
    Refusal::Inconsistent { what: format!("the package cannot be written: {error}") }
}
