//! Logs of any size: the streams of a founded exchange, and a tree over digests of numbers.

use std::collections::HashMap;

use super::*;
use crate::log::{
    checkpoint::{Head, Log, Unverified},
    cosignature::{Cosigner, cosign},
    note::KeyName,
};

/// A founded exchange whose tree is another's.
struct Leaves {
    founded: Arc<Memory>,
    grown: Mutex<Grown>,
}

#[derive(Default)]
struct Grown {
    digests: Vec<Digest>,
    edge: Edge,
    nodes: HashMap<Node, Hash>,
}

/// An exchange whose log has so many leaves, and what makes it longer.
pub(crate) struct LongLog {
    /// The exchange.
    pub exchange: Arc<Exchange>,
    leaves: Arc<Leaves>,
    world: World,
}

/// The digest of the entry of this index.
pub(crate) fn digest(index: u64) -> Digest {
    Digest::of(&index.to_be_bytes())
}

impl LongLog {
    /// One of two parties, of which North runs a witness.
    pub async fn of(size: u64) -> Self {
        let witness = |charter: &mut Charter| charter.parties[0].witness = Some(key("witness").public());
        let house = House::in_world(World::changed(&[("north", 1), ("south", 1)], witness)).await;
        let leaves = Arc::new(Leaves { founded: house.memory.clone(), grown: Mutex::default() });
        let keys = vec![Arc::new(key("log")) as Arc<dyn Signer>, Arc::new(key("depositary"))];
        let exchange = Exchange::new(leaves.clone(), house.memory.clone(), house.machine, keys, Arc::default());
        let long = Self { exchange: Arc::new(exchange), leaves, world: house.world };
        long.grow(size);
        long
    }
    /// Grows to so many leaves. No head is signed of them yet.
    pub fn grow(&self, size: u64) {
        let mut grown = self.leaves.grown.lock().unwrap();
        let Grown { digests, edge, nodes } = &mut *grown;
        for index in digests.len() as u64..size {
            digests.push(digest(index));
            edge.append(Hash::of_entry(digest(index)), |node, hash| nodes.extend([(node, hash)])).unwrap();
        }
    }
    /// The tree as it is.
    pub fn edge(&self) -> Edge {
        self.leaves.grown.lock().unwrap().edge.clone()
    }
    /// The log as its readers know it.
    pub fn log(&self) -> Log {
        Log::of_charter(&self.world.charter.log).unwrap()
    }
    /// The charter.
    pub fn charter(&self) -> Document<Charter> {
        self.world.charter.clone()
    }
    /// The cosignatures that are kept, by size.
    pub async fn cosignatures(&self) -> Vec<(u64, String)> {
        let kept = self.leaves.cosignatures().await.unwrap();
        kept.into_iter().map(|kept| (kept.size, kept.line)).collect()
    }
    /// The party that runs a witness.
    pub fn party(&self) -> crate::domain::charter::Party {
        self.world.charter.parties[0].clone()
    }
    /// Its witness.
    pub fn witness(&self) -> Cosigner {
        Cosigner::of_party(&self.party()).unwrap()
    }
    /// What its witness says of a head.
    pub fn cosign(&self, head: &Head) -> String {
        let name = KeyName::parse(self.witness().hint().name().as_str()).unwrap();
        cosign(head, &name, 1, &key("witness")).unwrap().to_string()
    }
    /// Verifies a checkpoint.
    pub fn verify(&self, note: &[u8]) -> Head {
        Unverified::parse(note).unwrap().verify(&self.log()).unwrap()
    }
}

#[async_trait]
impl Store for Leaves {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.founded.append(append).await
    }
    async fn stream(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        self.founded.stream(stream, from, limit).await
    }
    async fn log(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        self.founded.log(from, limit).await
    }
    async fn last(&self) -> Result<Option<Stored>, ReadFailed> {
        self.founded.last().await
    }
    async fn first_naming(&self, object: Digest) -> Result<Option<Stored>, ReadFailed> {
        self.founded.first_naming(object).await
    }
    async fn tree(&self) -> Result<Edge, ReadFailed> {
        Ok(self.grown.lock().unwrap().edge.clone())
    }
    async fn nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, ReadFailed> {
        let grown = self.grown.lock().unwrap();
        nodes.iter().map(|node| grown.nodes.get(node).copied().ok_or(ReadFailed)).collect()
    }
    async fn digests(&self, from: u64, limit: usize) -> Result<Vec<Digest>, ReadFailed> {
        Ok(self.grown.lock().unwrap().digests.iter().skip(from as usize).take(limit).copied().collect())
    }
    async fn cosign(&self, cosignature: Cosignature) -> Result<(), ReadFailed> {
        self.founded.cosign(cosignature).await
    }
    async fn cosignatures(&self) -> Result<Vec<Cosignature>, ReadFailed> {
        self.founded.cosignatures().await
    }
    async fn listings(&self, query: ListingQuery) -> Result<Vec<Listing>, ReadFailed> {
        self.founded.listings(query).await
    }
    async fn streams(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamId>, ReadFailed> {
        self.founded.streams(after, limit).await
    }
}
