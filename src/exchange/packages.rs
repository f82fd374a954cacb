//! Packages: `data/` is one function of log and content, the evidence beside it what the log and its witnesses have signed by now.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
};

use super::{
    CHUNK_LIMIT, Exchange,
    content::Staged,
    load,
    ports::{Package, Seal, Shown, Stored, WriteFailed},
};
use crate::{
    domain::{
        certified::CertifiedCopy,
        entry::{Place, StreamId},
        id::{CommuniqueId, Digest},
        key::Signer,
        life::Life,
        manifest::{Manifest, Part},
        refusal::Refusal,
        statement::Statement,
        succession::Standing,
    },
    msg,
    package::{
        bag::{PartDigests, PartHasher},
        evidence::Evidence,
        write::{Contents, Gathering, Logged, PackageWriter, Until},
    },
};

/// How many entries of a stream are read at a time.
const BATCH: usize = 512;

/// A package as it lies in that of what corrects it: digest, size in bytes, and the entries that it and those below it show.
type Lying = (Digest, u64, BTreeSet<u64>);

impl Exchange {
    /// The package; made when it is first asked for, and again when more witnesses have cosigned than its evidence shows, until there
    /// are as many as the charter wants, and when a time stamp has come. It never shows less than the one before.
    pub(super) async fn built(&self, id: CommuniqueId, life: &Life) -> Result<Package, Refusal> {
        let published = life.published().ok_or_else(|| Refusal::not_found(msg!("publication"), id))?;
        let standing = load::in_force(&*self.folds.charters(&*self.store).await?, published.time)?;
        let enough = async |Shown { witnesses, stamped, .. }: &Shown| {
            if !stamped && self.content.unstamped(vec![id]).await?.is_empty() {
                return Ok::<_, Refusal>(false);
            }
            let wanted = standing.charter().witnesses;
            Ok(*witnesses >= wanted || !self.may_show_more(*witnesses, published.index).await?)
        };
        if let Some(package) = self.content.package(id).await?
            && enough(&package.shown).await?
        {
            return Ok(package);
        }
        let contents = self.contents_of(id, life, published).await?;
        // One at a time: a package costs a pass over all its files, and whoever waited for the same one finds it built.
        let _building = self.building.lock().await;
        let kept = self.content.package(id).await?;
        if let Some(package) = &kept
            && enough(&package.shown).await?
        {
            return Ok(package.clone());
        }
        match (self.made(id, &contents, &standing, published, kept.as_ref()).await, kept) {
            // Keys of a charter that was succeeded may be gone: what they have signed is served on.
            (Err(Refusal::KeyMissing { .. }), Some(kept)) => Ok(kept),
            (made, _) => made,
        }
    }

    /// Made, in the place of this one if it shows more than that.
    async fn made(
        &self,
        id: CommuniqueId,
        contents: &Contents,
        standing: &Standing,
        published: Place,
        kept: Option<&Package>,
    ) -> Result<Package, Refusal> {
        let stamp = self.content.stamp(id).await?;
        let before = kept.map(|package| &package.shown);
        let (evidence, shown) = self.evidence(standing, &contents.proven(published.index), before, stamp).await?;
        let gains = |before: &Shown| {
            let more = shown.witnesses > before.witnesses || shown.stamped && !before.stamped;
            more && shown.witnesses >= before.witnesses
        };
        if let Some(package) = kept.filter(|package| !gains(&package.shown)) {
            return Ok(package.clone());
        }
        let seal = Seal::Package(id, shown);
        self.written(id, contents, published, Some(evidence), seal).await?;
        // Another exchange may have made one that shows more, which stays then.
        self.content.package(id).await?.ok_or(Refusal::StoreFailed)
    }

    /// What a manifest corrects, as it lies in the package of the correction. Boxed, since that may correct another.
    pub(super) fn original<'a>(
        &'a self,
        manifest: &'a Manifest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Lying>, Refusal>> + Send + 'a>> {
        Box::pin(async move {
            let Some(rectifies) = manifest.rectifies else { return Ok(None) };
            let id = rectifies.communique;
            let life = self.folds.life(&*self.store, id).await?;
            let published = life.published().ok_or_else(|| Refusal::not_found(msg!("publication"), id))?;
            let contents = self.contents_of(id, &life, published).await?;
            let proven = contents.proven(published.index);
            let _building = self.building.lock().await;
            let (digest, size) = match self.content.original(id).await? {
                Some(made) => made,
                None => self.written(id, &contents, published, None, Seal::Original(id)).await?,
            };
            Ok(Some((digest, size, proven)))
        })
    }

    async fn contents_of(&self, id: CommuniqueId, life: &Life, published: Place) -> Result<Contents, Refusal> {
        let original = match life.newest() {
            Some(newest) => self.original(&newest.manifest).await?,
            None => None,
        };
        self.contents(id, Until { index: published.index, time: published.time }, original).await
    }

    async fn written(
        &self,
        id: CommuniqueId,
        contents: &Contents,
        published: Place,
        evidence: Option<Evidence>,
        seal: Seal,
    ) -> Result<(Digest, u64), Refusal> {
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
            &**self.certifier(contents)?,
        )?;
        let parts = self.examined(contents).await?;
        let writer =
            PackageWriter::new(Vec::new(), contents, (entry.index, &entry.entry), &certified, &parts, evidence)
                .map_err(|e| unwritable(&e))?;
        let stage = Staged::open(&self.content).await?;
        let (digest, size) = self.fill(writer, &stage).await?;
        stage.seal(digest, size, seal).await?;
        Ok((digest, size))
    }

    /// The depositary's key of the charter that was in force at publication: not of that second, in which another may have
    /// come into force since.
    pub(super) fn certifier(&self, contents: &Contents) -> Result<&Arc<dyn Signer>, Refusal> {
        let charter =
            contents.charter().ok_or_else(|| Refusal::Inconsistent { what: msg!("no charter was in force") })?;
        self.key(msg!("key" => "depositary"), &charter.depositary)
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
                return Err(Refusal::Inconsistent {
                    what: msg!("content {sha256} has other bytes", sha256 = part.sha256),
                });
            }
            examined.insert(part.path, digests);
        }
        Ok(examined)
    }

    /// What belongs into the package, of all that was logged until then, with the original as it lies in it.
    pub(super) async fn contents(
        &self,
        id: CommuniqueId,
        until: Until,
        original: Option<Lying>,
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
        if let Some((digest, size, proven)) = original {
            gathering.original(digest, size, proven);
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

async fn drain(buffer: &mut Vec<u8>, stage: &Staged, hash: &mut PartHasher) -> Result<(), WriteFailed> {
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
    Refusal::Inconsistent { what: msg!("the package cannot be written: {error}", error) }
}
