//! The public face of the log: checkpoint, tiles and bundles of digests (C2SP tlog-tiles). It tells how many entries there are and
//! their digests, and nothing of what they say.

use super::Exchange;
use crate::{
    domain::refusal::Refusal,
    log::{
        checkpoint::Head,
        cosignature::Cosigner,
        note::SignatureLine,
        tile::{Bundle, Resource},
    },
};

impl Exchange {
    /// The bytes of a resource of the public log; none of one that the last signed head does not cover, or not in this width.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`]; of the checkpoint, and of what no head covers yet, those of [`Exchange::newest`].
    pub async fn resource(&self, resource: Resource) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(match resource {
            Resource::Checkpoint => Some(self.public_head().await?.to_string().into_bytes()),
            Resource::Tile(tile) if self.covers(|size| tile.is_in(size)).await? => {
                let hashes = self.store.nodes(tile.nodes().collect()).await?;
                Some(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
            }
            Resource::Bundle(bundle) if self.covers(|size| bundle.is_in(size)).await? => {
                let entries = bundle.entries();
                // A bundle has at most `WIDTH` entries.
                let digests = self.store.digests(entries.start, (entries.end - entries.start) as usize).await?;
                Some(Bundle::format(digests))
            }
            Resource::Tile(_) | Resource::Bundle(_) => None,
        })
    }
    /// The newest head, with the cosignatures that there are of this very head: those of others would ask for heads to be signed anew,
    /// for whoever reads.
    async fn public_head(&self) -> Result<Head, Refusal> {
        let head = self.head().await?;
        let (standing, size) = (self.charter_in_force().await?, head.checkpoint().size());
        let mut counted = Vec::new();
        for kept in self.store.cosignatures().await?.into_iter().filter(|kept| kept.size == size) {
            let cosigner = standing.party(&kept.party).ok().and_then(Cosigner::of_party);
            let lines = SignatureLine::parse_all(kept.line.as_bytes())?;
            let (Some(cosigner), Some(line)) = (cosigner, lines.into_iter().next()) else { continue };
            // Of a key that has been replaced since, the line does not verify.
            if cosigner.verify(head.note().text(), &line).is_ok() {
                counted.push(line);
            }
        }
        Ok(head.with(counted)?)
    }
    /// Whether a signed head has it: the last one, or one of what the store holds by now.
    async fn covers(&self, is_in: impl Fn(u64) -> bool) -> Result<bool, Refusal> {
        if self.last_head().await.is_some_and(|head| is_in(head.checkpoint().size())) {
            return Ok(true);
        }
        Ok(is_in(self.head().await?.checkpoint().size()))
    }
}
