//! The use cases over a log and content in memory.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    access::{Permit, ProposeRevision, SubmitAct, UploadContent},
    ports::*,
    *,
};
use crate::domain::{
    act::ActKind,
    charter::Adoption,
    entry::{Entry, Kind, Position, StreamId},
    id::{CommuniqueId, Digest, Role, Salt},
    json,
    manifest::Manifest,
    samples::{World, key, noon, party},
    statement::Statement,
    view::Receipt,
};

/// A log and content in memory, which a test can make fail or stand still.
#[derive(Default)]
pub(super) struct Memory {
    log: Mutex<Vec<Stored>>,
    objects: Mutex<HashMap<Digest, Vec<u8>>>,
    rows: Mutex<std::collections::BTreeMap<CommuniqueId, Listing>>,
    stages: Mutex<HashMap<u64, Vec<u8>>>,
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    uploads: Mutex<HashMap<(Owner, Digest), u64>>,
    packages: Mutex<HashMap<CommuniqueId, (Digest, u64)>>,
    next: AtomicUsize,
    /// Appends fail.
    pub full: AtomicBool,
    /// Pushes wait until they are told to go on.
    pub held_back: AtomicBool,
    go: Notify,
}

#[async_trait]
impl Store for Memory {
    async fn append(&self, append: Append) -> Result<u64, AppendError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(AppendError::Failed);
        }
        let mut log = self.log.lock().unwrap();
        let first = log.len() as u64;
        for (stream, length) in &append.expect {
            if log.iter().filter(|s| s.entry.stream == *stream).count() as u64 != *length {
                return Err(AppendError::Conflict);
            }
        }
        let mut objects = self.objects.lock().unwrap();
        for new in append.entries {
            objects.extend(new.objects.into_iter().map(|o| (o.digest, o.bytes)));
            let named = new.entry.documents.iter().chain(&new.entry.statements);
            let named = named.map(|d| objects[d].clone()).collect();
            let (index, digest) = (log.len() as u64, Digest::of(&new.bytes));
            log.push(Stored { index, entry: new.entry, bytes: new.bytes, digest, objects: named });
        }
        if let Some(row) = append.listing {
            self.rows.lock().unwrap().insert(row.communique, row);
        }
        Ok(first)
    }
    async fn stream(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        let log = self.log.lock().unwrap();
        let of = log.iter().filter(|s| s.entry.stream == *stream && s.entry.seq >= from);
        Ok(of.take(limit).cloned().collect())
    }
    async fn log(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        Ok(self.log.lock().unwrap().iter().filter(|s| s.index >= from).take(limit).cloned().collect())
    }
    async fn first_naming(&self, object: Digest) -> Result<Option<Stored>, ReadFailed> {
        let names = |s: &&Stored| s.entry.documents.contains(&object) || s.entry.statements.contains(&object);
        Ok(self.log.lock().unwrap().iter().find(names).cloned())
    }
    async fn listings(&self, query: ListingQuery) -> Result<Vec<Listing>, ReadFailed> {
        let rows = self.rows.lock().unwrap();
        let wanted = |l: &&Listing| {
            query.party.as_ref().is_none_or(|p| l.parties.contains(p))
                && query.state.is_none_or(|s| l.state == s)
                && query.after.is_none_or(|id| l.communique > id)
        };
        Ok(rows.values().filter(wanted).take(query.limit).cloned().collect())
    }
}

#[async_trait]
impl Content for Memory {
    async fn stage(&self) -> Result<Stage, ReadFailed> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        self.stages.lock().unwrap().insert(id, vec![]);
        Ok(Stage(id))
    }
    async fn push(&self, stage: Stage, bytes: Vec<u8>) -> Result<(), ReadFailed> {
        if self.held_back.load(Ordering::Relaxed) {
            self.go.notified().await;
        }
        self.stages.lock().unwrap().get_mut(&stage.0).ok_or(ReadFailed)?.extend(bytes);
        Ok(())
    }
    async fn seal(&self, stage: Stage, digest: Digest, size: u64, seal: Seal) -> Result<(), ReadFailed> {
        let bytes = self.stages.lock().unwrap().remove(&stage.0).ok_or(ReadFailed)?;
        self.blobs.lock().unwrap().insert(digest, bytes);
        match seal {
            Seal::Upload(owner) => drop(self.uploads.lock().unwrap().insert((owner, digest), size)),
            Seal::Package(id) => drop(self.packages.lock().unwrap().insert(id, (digest, size))),
        }
        Ok(())
    }
    async fn discard(&self, stage: Stage) {
        self.stages.lock().unwrap().remove(&stage.0);
    }
    async fn uploaded(&self, owner: &Owner, digest: Digest) -> Result<Option<u64>, ReadFailed> {
        Ok(self.uploads.lock().unwrap().get(&(owner.clone(), digest)).copied())
    }
    async fn held(&self, owner: &Owner) -> Result<u64, ReadFailed> {
        Ok(self.uploads.lock().unwrap().iter().filter(|((o, _), _)| o == owner).map(|(_, size)| size).sum())
    }
    async fn package(&self, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, ReadFailed> {
        Ok(self.packages.lock().unwrap().get(&communique).copied())
    }
    async fn read(&self, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, ReadFailed> {
        let blobs = self.blobs.lock().unwrap();
        Ok(blobs.get(&digest).map(|b| b.iter().skip(offset as usize).take(most).copied().collect()))
    }
}

/// Always noon, and always the same randomness.
struct Still;
impl Machine for Still {
    fn now(&self) -> Time {
        noon()
    }
    fn random(&self) -> [u8; 32] {
        [7; 32]
    }
}

/// An exchange in memory of the sample world's charter and full powers.
pub(super) struct House {
    pub exchange: Arc<Exchange>,
    pub memory: Arc<Memory>,
    /// Whose parties, keys and full powers these are.
    pub world: World,
}

impl House {
    async fn of(parties: &[(&str, u64)]) -> Self {
        let world = World::new(parties);
        let memory = Arc::new(Memory::default());
        let mut positions: HashMap<StreamId, Position> = HashMap::new();
        let charter = &world.charter;
        let mut first = vec![(StreamId::Exchange, Kind::Charter, charter.bytes().to_vec())];
        for p in &charter.parties {
            let signer = key(&format!("authority of {}", p.id));
            let adoption = Adoption {
                founding: charter.digest(),
                exchange: charter.exchange.clone(),
                party: p.id.clone(),
                charter: charter.digest(),
                version: 1,
                time: noon(),
            };
            let compact = Statement::sign(adoption, &signer).unwrap().compact().to_owned();
            first.push((StreamId::Exchange, Kind::Adoption, compact.into_bytes()));
        }
        for (id, record) in &world.records {
            let mut held: Vec<_> = record.grants().values().collect();
            held.sort_by_key(|h| h.place.index);
            let compact = held.into_iter().map(|h| h.compact.clone().into_bytes());
            first.extend(compact.map(|c| (StreamId::Party(id.clone()), Kind::Powers, c)));
        }
        for (n, (stream, kind, bytes)) in first.into_iter().enumerate() {
            let position = positions.entry(stream.clone()).or_default();
            let object = Object::new(bytes);
            let (documents, statements) =
                if kind == Kind::Charter { (vec![object.digest], vec![]) } else { (vec![], vec![object.digest]) };
            let entry = Entry {
                documents,
                files: None,
                kind,
                previous: position.last,
                salt: Salt::new([n as u8; 32]),
                seq: position.length,
                statements,
                stream,
                time: noon(),
            };
            let bytes = json::encode(&entry);
            position.advance(&entry, Digest::of(&bytes)).unwrap();
            let new = NewEntry { entry, bytes, objects: vec![object] };
            memory.append(Append { expect: vec![], entries: vec![new], listing: None }).await.unwrap();
        }
        let signer = Arc::new(key("depositary"));
        let exchange = Arc::new(Exchange::new(memory.clone(), memory.clone(), Arc::new(Still), signer, Arc::default()));
        Self { exchange, memory, world }
    }
    fn permit<M: access::Method>(of: &str) -> Permit<M> {
        Permit::ask(&party(of), Role::System).unwrap()
    }
    async fn upload(&self, of: &str, id: CommuniqueId, bytes: &[u8]) {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        let mut upload = self.exchange.upload(Self::permit::<UploadContent>(of), id, digest, size).await.unwrap();
        upload.push(bytes.to_vec()).await.unwrap();
        upload.finish().await.unwrap();
    }
    /// Hands in a manifest by its proposer.
    async fn propose(&mut self, manifest: &Manifest) -> Result<Receipt, Refusal> {
        let document = Document::of(manifest)?;
        let of = manifest.proposer.to_string();
        self.world.id = manifest.communique;
        let act = self.world.act_on(ActKind::Propose, &of, "a1", &document);
        let act = Statement::sign(act, &key(&format!("{of}.a1")))?;
        let permit = Self::permit::<ProposeRevision>(&of);
        self.exchange.propose(permit, document.bytes().to_vec(), act.compact()).await
    }
}

const TEXT: &[u8] = b"Texte d'essai.\n";

#[tokio::test]
async fn a_repeat_is_of_the_same_manifest_by_the_same_method() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    let manifest = house.world.manifest();
    let founded = house.memory.log.lock().unwrap().len() as u64;
    let first = house.propose(&manifest).await.unwrap();
    assert_eq!(house.propose(&manifest).await, Ok(first));
    let appended = house.memory.log.lock().unwrap().len() as u64 - founded;
    assert_eq!((appended, house.exchange.metrics.entries()), (1, 1), "a repeat appends and counts nothing");

    let document = Document::of(&manifest).unwrap();
    let act =
        Statement::sign(house.world.act_on(ActKind::Propose, "north", "a1", &document), &key("north.a1")).unwrap();
    let other = Document::of(&Manifest { salt: Salt::new([8; 32]), ..manifest }).unwrap();
    let permit = House::permit::<ProposeRevision>("north");
    let refused = house.exchange.propose(permit, other.bytes().to_vec(), act.compact()).await;
    assert_eq!(refused.map_err(|r| r.reason()), Err("DISAGREES"), "a manifest that was never logged");
    let refused = house.exchange.act(House::permit::<SubmitAct>("north"), act.compact()).await;
    assert_eq!(refused.map_err(|r| r.reason()), Err("MALFORMED"), "a proposal without its manifest");
}
