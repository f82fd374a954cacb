//! The use cases over a log and content in memory.

mod damage;
mod heads;
mod histories;
mod kept;
pub(crate) mod leaves;
pub(crate) mod stamps;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    access::{
        GetPublication, ListCommuniques, Permit, ProposeCharter, ProposeRevision, PublishCommunique, SubmitAct,
        SubmitAdoption, SubmitRevocation, UploadContent,
    },
    ports::*,
    *,
};
use crate::domain::document::Document;
use crate::domain::{
    act::ActKind,
    charter::{Adoption, Charter},
    entry::{Entry, Kind, Position, StreamId},
    id::{CommuniqueId, Digest, Role, Salt},
    json,
    life::{Life, State},
    manifest::{ANNEXES_LIMIT, Annex, Manifest, MediaType, Rectifies},
    powers::Revocation,
    samples::{World, key, noon, party},
    statement::Statement,
    time::Time,
    view::{ListFilter, Receipt},
    words::{LINE_LIMIT, Line, Names, Prose},
};
use crate::log::tree::{Edge, Growth, Hash, Node};
use crate::package::verify::verify;

/// A log and content in memory, which a test can make fail or stand still.
#[derive(Default)]
pub(super) struct Memory {
    log: Mutex<Vec<Stored>>,
    objects: Mutex<HashMap<Digest, Vec<u8>>>,
    rows: Mutex<std::collections::BTreeMap<CommuniqueId, Listing>>,
    stages: Mutex<HashMap<u64, Vec<u8>>>,
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    uploads: Mutex<HashMap<(Owner, Digest), u64>>,
    packages: Mutex<HashMap<CommuniqueId, Package>>,
    originals: Mutex<HashMap<CommuniqueId, (Digest, u64)>>,
    stamps: Mutex<HashMap<CommuniqueId, Vec<u8>>>,
    next: AtomicUsize,
    /// How often the log was read on.
    pub reads: AtomicUsize,
    /// How often a stream was read, or the first entry of an object.
    looks: AtomicUsize,
    /// Appends fail.
    pub full: AtomicBool,
    /// Nothing can be erased.
    stuck: AtomicBool,
    /// What was erased.
    erased: Mutex<Vec<CommuniqueId>>,
    /// When uploads were to be forgotten.
    pub expired: Mutex<Vec<Time>>,
    /// Pushes wait until they are told to go on.
    pub held_back: AtomicBool,
    go: Notify,
    cosigned: Mutex<Vec<Cosignature>>,
    /// How often the tree was read.
    pub tree_reads: AtomicUsize,
    /// What another appends just before the next append.
    quicker: Mutex<Option<NewEntry>>,
    /// How many reads there were of log and content, and which of them fail.
    asked: AtomicUsize,
    unreadable: Mutex<std::ops::Range<usize>>,
    /// What is done before the read of this number.
    meanwhile: Mutex<Option<(usize, Meanwhile)>>,
    /// What is read as streams, where it is not the log.
    aside: Mutex<Option<Vec<Stored>>>,
    /// An entry that cannot be read.
    lost: Mutex<Option<u64>>,
    /// Streams that are not listed.
    unlisted: Mutex<Vec<StreamId>>,
}

type Meanwhile = Box<dyn FnOnce(&Memory) + Send>;

impl Memory {
    fn there(&self) -> Result<(), ReadFailed> {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        let meanwhile = self.meanwhile.lock().unwrap().take_if(|(when, _)| *when == n);
        if let Some((_, change)) = meanwhile {
            change(self);
        }
        if self.unreadable.lock().unwrap().contains(&n) { Err(ReadFailed) } else { Ok(()) }
    }
    fn all_there(&self, found: Vec<Stored>) -> Result<Vec<Stored>, ReadFailed> {
        let lost = *self.lost.lock().unwrap();
        if found.iter().any(|s| Some(s.index) == lost) { Err(ReadFailed) } else { Ok(found) }
    }
}

fn tree_of(log: &[Stored]) -> Edge {
    let mut edge = Edge::default();
    log.iter().for_each(|stored| edge.append(Hash::of_entry(stored.digest), |_, _| ()).unwrap());
    edge
}

#[async_trait]
impl Store for Memory {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(AppendError::Failed);
        }
        let quicker = self.quicker.lock().unwrap().take();
        if let Some(entry) = quicker {
            self.append(Append { expect: vec![], entries: vec![entry], listings: vec![], unlogged: vec![] }).await?;
        }
        let mut log = self.log.lock().unwrap();
        let first = log.len() as u64;
        if let Some(last) =
            log.last().map(|s| s.entry.time).filter(|last| append.entries.iter().any(|e| e.entry.time < *last))
        {
            return Err(AppendError::Behind(last));
        }
        for (stream, length) in &append.expect {
            if log.iter().filter(|s| s.entry.stream == *stream).count() as u64 != *length {
                return Err(AppendError::Conflict);
            }
        }
        let mut objects = self.objects.lock().unwrap();
        let names_again = |new: &NewEntry| {
            let mut named = new.entry.documents.iter().chain(&new.entry.statements);
            named.any(|named| append.unlogged.contains(named) && objects.contains_key(named))
        };
        if append.entries.iter().any(names_again) {
            return Err(AppendError::Conflict);
        }
        let mut growth = Growth::of(tree_of(&log));
        for new in append.entries {
            objects.extend(new.objects.iter().map(|o| (o.digest(), o.bytes().to_vec())));
            let named = new.entry.documents.iter().chain(&new.entry.statements);
            let named = named.map(|d| objects[d].clone()).collect();
            let (index, digest) = (log.len() as u64, new.entry.digest());
            growth.append(Hash::of_entry(digest), |_, _| ()).unwrap();
            log.push(Stored {
                index,
                entry: Entry::clone(&new.entry),
                bytes: new.entry.bytes().to_vec(),
                digest,
                objects: named,
            });
        }
        for row in append.listings {
            self.rows.lock().unwrap().insert(row.communique, row);
        }
        Ok(Appended { index: first, growth: Arc::new(growth) })
    }
    async fn tree(&self) -> Result<Edge, ReadFailed> {
        self.there()?;
        self.tree_reads.fetch_add(1, Ordering::Relaxed);
        Ok(tree_of(&self.log.lock().unwrap()))
    }
    async fn nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, ReadFailed> {
        self.there()?;
        self.tree_reads.fetch_add(1, Ordering::Relaxed);
        let log = self.log.lock().unwrap();
        let of = |node: Node| tree_of(&log[node.leaves().start as usize..node.leaves().end as usize]).root();
        Ok(nodes.into_iter().map(of).collect())
    }
    async fn digests(&self, from: u64, limit: usize) -> Result<Vec<Digest>, ReadFailed> {
        self.there()?;
        Ok(self.log.lock().unwrap().iter().skip(from as usize).take(limit).map(|stored| stored.digest).collect())
    }
    async fn cosign(&self, cosignature: Cosignature) -> Result<(), ReadFailed> {
        let mut kept = self.cosigned.lock().unwrap();
        kept.retain(|known| (known.size, &known.party) != (cosignature.size, &cosignature.party));
        kept.push(cosignature);
        kept.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.party.cmp(&b.party)));
        Ok(())
    }
    async fn cosignatures(&self) -> Result<Vec<Cosignature>, ReadFailed> {
        self.there()?;
        Ok(self.cosigned.lock().unwrap().clone())
    }
    async fn stream(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.there()?;
        let (log, aside) = (self.log.lock().unwrap(), self.aside.lock().unwrap());
        let of = aside.as_ref().unwrap_or(&log).iter().filter(|s| s.entry.stream == *stream && s.entry.seq >= from);
        let mut of: Vec<_> = of.cloned().collect();
        of.sort_by_key(|s| s.entry.seq);
        of.truncate(limit);
        self.all_there(of)
    }
    async fn log(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        self.there()?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.all_there(self.log.lock().unwrap().iter().filter(|s| s.index >= from).take(limit).cloned().collect())
    }
    async fn last(&self) -> Result<Option<Stored>, ReadFailed> {
        Ok(self.log.lock().unwrap().last().cloned())
    }
    async fn first_naming(&self, object: Digest) -> Result<Option<Stored>, ReadFailed> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.there()?;
        let names = |s: &&Stored| s.entry.documents.contains(&object) || s.entry.statements.contains(&object);
        Ok(self.log.lock().unwrap().iter().find(names).cloned())
    }
    async fn listings(&self, query: ListingQuery) -> Result<Vec<Listing>, ReadFailed> {
        self.there()?;
        let rows = self.rows.lock().unwrap();
        let wanted = |l: &&Listing| {
            query.party.as_ref().is_none_or(|p| l.parties.contains(p))
                && query.states().is_none_or(|states| states.contains(&l.state))
                && query.after.is_none_or(|id| l.communique > id)
        };
        Ok(rows.values().filter(wanted).take(query.limit).cloned().collect())
    }
    async fn streams(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamId>, ReadFailed> {
        self.there()?;
        let (log, unlisted) = (self.log.lock().unwrap(), self.unlisted.lock().unwrap());
        let listed = log.iter().map(|stored| &stored.entry.stream).filter(|stream| !unlisted.contains(stream));
        let mut names: Vec<_> = listed.map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        let after = after.map(|stream| stream.to_string()).unwrap_or_default();
        // One at a time, so that much may happen in between.
        let names = names.into_iter().filter(|name| *name > after).take(limit.min(1));
        Ok(names.map(|name| name.parse().unwrap()).collect())
    }
}

#[async_trait]
impl Content for Memory {
    async fn stage(&self) -> Result<Stage, WriteFailed> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        self.stages.lock().unwrap().insert(id, vec![]);
        Ok(Stage(id))
    }
    /// Keeps nothing of what breaks off.
    async fn begin(&self, begin: Begin) -> Result<Stage, NotBegun> {
        if begin.offset > 0 {
            return Err(NotBegun::Offset { held: 0 });
        }
        Ok(self.stage().await?)
    }
    async fn park(&self, stage: Stage) {
        self.discard(stage).await;
    }
    async fn kept(&self, _: &Owner, _: Digest, _: Time) -> Result<u64, ReadFailed> {
        Ok(0)
    }
    async fn expire(&self, now: Time) -> Result<u64, ReadFailed> {
        self.expired.lock().unwrap().push(now);
        Ok(0)
    }
    async fn kept_bytes(&self, _: &Owner, _: Digest, _: u64, _: usize) -> Result<Vec<u8>, ReadFailed> {
        Ok(Vec::new())
    }
    async fn push(&self, stage: Stage, bytes: Vec<u8>) -> Result<(), WriteFailed> {
        if self.held_back.load(Ordering::Relaxed) {
            self.go.notified().await;
        }
        self.stages.lock().unwrap().get_mut(&stage.0).ok_or(ReadFailed)?.extend(bytes);
        Ok(())
    }
    async fn seal(&self, stage: Stage, digest: Digest, size: u64, seal: Seal) -> Result<(), WriteFailed> {
        let bytes = self.stages.lock().unwrap().remove(&stage.0).ok_or(ReadFailed)?;
        self.blobs.lock().unwrap().insert(digest, bytes);
        match seal {
            Seal::Upload(owner) => drop(self.uploads.lock().unwrap().insert((owner, digest), size)),
            Seal::Package(id, shown) => {
                self.packages.lock().unwrap().insert(id, Package { digest, size, shown });
            }
            Seal::Original(id) => {
                self.originals.lock().unwrap().insert(id, (digest, size));
            }
        }
        Ok(())
    }
    async fn discard(&self, stage: Stage) {
        self.stages.lock().unwrap().remove(&stage.0);
    }
    async fn purge(&self, communique: CommuniqueId) -> Result<(), ReadFailed> {
        if self.stuck.load(Ordering::Relaxed) {
            return Err(ReadFailed);
        }
        self.erased.lock().unwrap().push(communique);
        Ok(())
    }
    async fn uploaded(&self, owner: &Owner, digest: Digest) -> Result<Option<u64>, ReadFailed> {
        Ok(self.uploads.lock().unwrap().get(&(owner.clone(), digest)).copied())
    }
    async fn held(&self, owner: &Owner) -> Result<u64, ReadFailed> {
        Ok(self.uploads.lock().unwrap().iter().filter(|((o, _), _)| o == owner).map(|(_, size)| size).sum())
    }
    async fn original(&self, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, ReadFailed> {
        self.there()?;
        Ok(self.originals.lock().unwrap().get(&communique).copied())
    }
    async fn package(&self, communique: CommuniqueId) -> Result<Option<Package>, ReadFailed> {
        self.there()?;
        Ok(self.packages.lock().unwrap().get(&communique).cloned())
    }
    async fn keep_stamp(&self, communique: CommuniqueId, stamp: Vec<u8>) -> Result<(), ReadFailed> {
        self.stamps.lock().unwrap().entry(communique).or_insert(stamp);
        Ok(())
    }
    async fn stamp(&self, communique: CommuniqueId) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.there()?;
        Ok(self.stamps.lock().unwrap().get(&communique).cloned())
    }
    async fn unstamped(&self, among: Vec<CommuniqueId>) -> Result<Vec<CommuniqueId>, ReadFailed> {
        let stamps = self.stamps.lock().unwrap();
        Ok(among.into_iter().filter(|id| !stamps.contains_key(id)).collect())
    }
    async fn sealed(&self, after: Option<Digest>, limit: usize) -> Result<Vec<(Digest, u64)>, ReadFailed> {
        self.there()?;
        let blobs = self.blobs.lock().unwrap();
        let mut sealed: Vec<_> = blobs.iter().map(|(digest, bytes)| (*digest, bytes.len() as u64)).collect();
        sealed.sort_unstable();
        Ok(sealed.into_iter().filter(|(digest, _)| after.is_none_or(|after| *digest > after)).take(limit).collect())
    }
    async fn sizes(&self, of: Vec<Digest>) -> Result<Vec<Option<u64>>, ReadFailed> {
        self.there()?;
        let blobs = self.blobs.lock().unwrap();
        Ok(of.iter().map(|digest| blobs.get(digest).map(|bytes| bytes.len() as u64)).collect())
    }
    async fn seals(&self, digest: Digest) -> Result<Vec<Seal>, ReadFailed> {
        self.there()?;
        let (uploads, originals) = (self.uploads.lock().unwrap(), self.originals.lock().unwrap());
        let uploads = uploads.keys().filter(|(_, of)| *of == digest).map(|(owner, _)| Seal::Upload(owner.clone()));
        let originals = originals.iter().filter(|(_, (of, _))| *of == digest).map(|(id, _)| Seal::Original(*id));
        let packages = self.packages.lock().unwrap();
        let packages = packages.iter().filter(|(_, package)| package.digest == digest);
        let packages = packages.map(|(id, package)| Seal::Package(*id, package.shown.clone()));
        Ok(uploads.chain(originals).chain(packages).collect())
    }
    async fn read(&self, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.there()?;
        let blobs = self.blobs.lock().unwrap();
        Ok(blobs.get(&digest).map(|b| b.iter().skip(offset as usize).take(most).copied().collect()))
    }
}

/// Noon but for so many seconds, and whether it is then not believed; and always the same randomness.
#[derive(Default)]
pub(super) struct Still(AtomicI64, AtomicBool);
impl Machine for Still {
    fn now(&self) -> Time {
        noon().plus(self.0.load(Ordering::Relaxed))
    }
    fn random(&self) -> [u8; 32] {
        [7; 32]
    }
    fn suspect(&self) -> Option<Time> {
        self.1.load(Ordering::Relaxed).then(noon)
    }
}

/// An exchange in memory of the sample world's charter and full powers.
pub(super) struct House {
    pub exchange: Arc<Exchange>,
    pub memory: Arc<Memory>,
    pub machine: Arc<Still>,
    /// Whose parties, keys and full powers these are.
    pub world: World,
}

impl House {
    async fn of(parties: &[(&str, u64)]) -> Self {
        Self::in_world(World::new(parties)).await
    }
    async fn in_world(world: World) -> Self {
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
                if kind == Kind::Charter { (vec![object.digest()], vec![]) } else { (vec![], vec![object.digest()]) };
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
            let entry = Document::made(entry).unwrap();
            position.advance(&entry, entry.digest()).unwrap();
            let new = NewEntry { entry, objects: vec![object] };
            memory
                .append(Append { expect: vec![], entries: vec![new], listings: vec![], unlogged: vec![] })
                .await
                .unwrap();
        }
        let keys = ["log", "depositary", "next log", "next depositary"];
        let keys = keys.map(|name| Arc::new(key(name)) as Arc<dyn Signer>).into();
        let machine = Arc::new(Still::default());
        let (store, content) = (memory.clone(), memory.clone());
        let exchange = Arc::new(Exchange::new(store, content, machine.clone(), keys, Arc::default()));
        Self { exchange, memory, machine, world }
    }
    /// A communiqué of which the list says that it is open, and the log what nobody can fold.
    async fn break_one(&self) -> CommuniqueId {
        let communique = CommuniqueId::new(1_600_000_000_000, &[0; 10]);
        let entry = Entry {
            documents: vec![],
            files: None,
            kind: Kind::Opened,
            previous: None,
            salt: Salt::new([0; 32]),
            seq: 0,
            statements: vec![],
            stream: StreamId::Communique(communique),
            time: noon(),
        };
        let new = NewEntry { entry: Document::made(entry).unwrap(), objects: vec![] };
        let parties = vec![party("north"), party("south")];
        let listing = Listing { communique, state: State::Open, revision: 1, manifest: Digest::of(b""), parties };
        let append = Append { expect: vec![], entries: vec![new], listings: vec![listing], unlogged: vec![] };
        self.memory.append(append).await.unwrap();
        communique
    }
    /// Whether the entry of this index is of a communiqué.
    fn of_life(&self, index: u64) -> bool {
        matches!(self.memory.log.lock().unwrap()[index as usize].entry.stream, StreamId::Communique(_))
    }
    fn permit<M: access::Method>(of: &str) -> Permit<M> {
        Permit::ask(&party(of), Role::System).unwrap()
    }
    async fn upload(&self, of: &str, id: CommuniqueId, bytes: &[u8]) {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        let mut upload = self.exchange.upload(Self::permit::<UploadContent>(of), id, digest, size, 0).await.unwrap();
        upload.push(bytes.to_vec()).await.unwrap();
        upload.finish().await.unwrap();
    }
    /// Hands in another act on the newest revision.
    async fn submit(&mut self, kind: ActKind, of: &str) -> Result<Receipt, Refusal> {
        self.world.life = self.exchange.folds.life(&*self.memory, self.world.id).await?.life().clone();
        let act = Statement::sign(self.world.act(kind, of, "a1"), &key(&format!("{of}.a1")))?;
        self.exchange.act(Self::permit::<SubmitAct>(of), act.compact()).await
    }
    /// North and South sign a text that has nothing to hide.
    async fn complete() -> Self {
        let mut house = Self::of(&[("north", 1), ("south", 1)]).await;
        house.upload("north", house.world.id, TEXT).await;
        house.propose(&house.world.manifest()).await.unwrap();
        for (kind, of) in [(ActKind::Initial, "north"), (ActKind::Initial, "south")] {
            house.submit(kind, of).await.unwrap();
        }
        for (kind, of) in [(ActKind::Sign, "north"), (ActKind::Sign, "south")] {
            house.submit(kind, of).await.unwrap();
        }
        house
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
async fn a_clock_behind_the_log_makes_it_unready_and_writes_nothing() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    let manifest = house.world.manifest();
    assert_eq!(house.exchange.ready().await, Ok(()));
    house.machine.0.store(-1, Ordering::Relaxed);
    let suspect = Refusal::ClockSuspect { last: noon(), now: noon().plus(-1) };
    assert_eq!(house.exchange.ready().await, Err(suspect.clone()));
    let founded = house.memory.log.lock().unwrap().len();
    assert_eq!(house.propose(&manifest).await, Err(suspect));
    assert_eq!(house.memory.log.lock().unwrap().len(), founded);
    house.machine.0.store(0, Ordering::Relaxed);
    assert_eq!(house.exchange.ready().await, Ok(()));
    house.propose(&manifest).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_not_believed_writes_and_forgets_nothing() {
    const YEARS: i64 = 5 * 365 * 86_400;
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    let manifest = house.world.manifest();
    house.propose(&manifest).await.unwrap();
    let before = house.memory.log.lock().unwrap().len();
    for years in [YEARS, -YEARS] {
        house.machine.0.store(years, Ordering::Relaxed);
        house.machine.1.store(true, Ordering::Relaxed);
        let suspect = Refusal::ClockSuspect { last: noon(), now: noon().plus(years) };
        assert_eq!(house.exchange.ready().await, Err(suspect.clone()));
        // The act claims the time of noon: a clock that is behind refuses it for that.
        let refused = house.submit(ActKind::Initial, "north").await.unwrap_err();
        assert!(refused == suspect || years < 0 && refused.reason() == "TIME_OUT_OF_BOUNDS", "{refused}");
        assert_eq!(house.exchange.expire_uploads().await, Err(suspect));
        let permit = House::permit::<access::GetCommunique>("south");
        assert!(house.exchange.communique(permit, house.world.id).await.is_ok(), "it is read all the same");
        assert_eq!(house.memory.log.lock().unwrap().len(), before);
        assert!(house.memory.expired.lock().unwrap().is_empty());
    }
    house.machine.0.store(0, Ordering::Relaxed);
    house.machine.1.store(false, Ordering::Relaxed);
    assert_eq!(house.exchange.ready().await, Ok(()));
    // What was decided while it was ahead is decided again.
    let plan = append::Plan::new(noon().plus(YEARS), []);
    assert_eq!(house.exchange.land(plan).await, Ok(None));
    house.submit(ActKind::Initial, "north").await.unwrap();
    assert_eq!(house.exchange.expire_uploads().await, Ok(0));
    assert_eq!(*house.memory.expired.lock().unwrap(), [noon()]);
}

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

#[tokio::test]
async fn a_page_of_large_manifests_ends_by_its_bytes() {
    const MANY: usize = 9;
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    let long = Line::new("a".repeat(LINE_LIMIT)).unwrap();
    let titles = Names::new(["ar", "en", "fr", "ru"].map(|l| (l.parse().unwrap(), long.clone()))).unwrap();
    let (sha256, size) = (Digest::of(TEXT), TEXT.len() as u64);
    let annex = Annex { titles, media_type: MediaType::Pdf, size, sha256 };
    for n in 0..MANY {
        house.world.id = CommuniqueId::new(1_772_452_800_000, &[n as u8; 10]);
        house.upload("north", house.world.id, TEXT).await;
        let annexes = vec![annex.clone(); ANNEXES_LIMIT];
        house.propose(&Manifest { annexes, ..house.world.manifest() }).await.unwrap();
    }
    let (mut after, mut pages) = (None, vec![]);
    loop {
        let permit = House::permit::<ListCommuniques>("south");
        let page = house.exchange.communiques(permit, &ListFilter::default(), after, 1000).await.unwrap();
        pages.push(page.rows.iter().map(|r| r.manifest.len()).collect::<Vec<_>>());
        if page.next.is_empty() {
            break;
        }
        after = Some(page.next.parse().unwrap());
    }
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), MANY);
    for page in &pages {
        let (last, rest) = page.split_last().unwrap();
        assert!(*last > 400_000 && rest.iter().sum::<usize>() <= PAGE_BYTES, "{pages:?}");
    }
}

#[tokio::test]
async fn a_build_that_is_given_up_leaves_no_stage() {
    let house = House::complete().await;
    house.memory.held_back.store(true, Ordering::Relaxed);
    let permit = House::permit::<PublishCommunique>("north");
    let asked = tokio::time::timeout(Duration::from_millis(50), house.exchange.publish(permit, house.world.id));
    assert!(asked.await.is_err(), "the content stands still");
    tokio::task::yield_now().await;
    assert_eq!(house.memory.stages.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_package_that_many_ask_for_is_built_once() {
    let house = House::complete().await;
    house.memory.held_back.store(true, Ordering::Relaxed);
    let permit = House::permit::<PublishCommunique>("north");
    let asked = tokio::time::timeout(Duration::from_millis(50), house.exchange.publish(permit, house.world.id));
    assert!(asked.await.is_err(), "published, but not built");
    let before = house.memory.next.load(Ordering::Relaxed);
    let ask = || house.exchange.publication(House::permit::<GetPublication>("south"), house.world.id);
    let let_go = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.memory.held_back.store(false, Ordering::Relaxed);
        house.memory.go.notify_waiters();
    };
    let (one, two, ()) = tokio::join!(ask(), ask(), let_go);
    assert_eq!(one.unwrap().package, two.unwrap().package);
    assert_eq!(house.memory.next.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn what_is_not_published_is_named_to_its_parties_alone() {
    let house = House::complete().await;
    let ask = |of: &str| house.exchange.publication(House::permit::<GetPublication>(of), house.world.id);
    assert_eq!(ask("south").await.map_err(|r| r.reason()), Err("NOT_PUBLISHED"));
    assert_eq!(ask("east").await.map_err(|r| r.reason()), Err("NOT_FOUND"));
}

#[tokio::test]
async fn an_exchange_that_cannot_append_is_not_ready() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    let manifest = house.world.manifest();
    assert_eq!(house.exchange.ready().await, Ok(()));
    house.memory.full.store(true, Ordering::Relaxed);
    assert_eq!(house.propose(&manifest).await, Err(Refusal::StoreFailed));
    assert_eq!(house.exchange.ready().await, Err(Refusal::StoreFailed));
    house.memory.full.store(false, Ordering::Relaxed);
    house.propose(&manifest).await.unwrap();
    assert_eq!(house.exchange.ready().await, Ok(()));
}

/// A filter that passes over much reads a bounded number of rows for each page, and loses none.
#[tokio::test]
async fn a_page_looks_at_so_many_communiques_and_no_more() {
    let mut house = House::of(&[("north", 1), ("south", 1), ("east", 1)]).await;
    // Older than the real one, and of no interest to the filter.
    for n in 0..2 * SCAN_LIMIT as u64 + 7 {
        let communique = CommuniqueId::new(1_600_000_000_000 + n, &[0; 10]);
        let parties = vec![party("north"), party("south")];
        let row = Listing { communique, state: State::Drafting, revision: 1, manifest: Digest::of(b""), parties };
        house.memory.rows.lock().unwrap().insert(communique, row);
    }
    let manifest = house.world.manifest();
    house.upload(manifest.proposer.as_str(), house.world.id, TEXT).await;
    house.propose(&manifest).await.unwrap();
    let filter = ListFilter { party: Some(party("east")), ..ListFilter::default() };
    let (mut after, mut pages) = (None, vec![]);
    loop {
        let permit = House::permit::<ListCommuniques>("south");
        let page = house.exchange.communiques(permit, &filter, after, 10).await.unwrap();
        pages.push(page.rows.len());
        if page.next.is_empty() {
            break;
        }
        after = Some(page.next.parse().unwrap());
    }
    assert_eq!(pages, [0, 0, 1]);
}

/// What one watcher has read serves the others; whoever is far behind reads on its own; nothing is lost between the two.
#[tokio::test]
async fn watchers_share_what_they_read() {
    let house = House::complete().await;
    let end = house.memory.log.lock().unwrap().len() as u64;
    let watch = |of: &str, from| house.exchange.watch(House::permit::<access::Watch>(of), Some(from), None);
    let read = async |of: &str, from| {
        let mut watching = watch(of, from).await.unwrap();
        let mut all = vec![];
        while watching.next_index() < end {
            all.extend(watching.events().await.unwrap().into_iter().map(|e| e.index));
        }
        (all, watching)
    };
    assert_eq!(read("north", end - 2).await.0, [end - 2, end - 1]);
    let before = house.memory.reads.load(Ordering::Relaxed);
    assert_eq!(read("south", end - 2).await.0, [end - 2, end - 1], "kept from the first");
    assert_eq!(house.memory.reads.load(Ordering::Relaxed), before, "read once");
    assert_eq!(read("south", 0).await.0, (0..end).collect::<Vec<_>>(), "behind what is kept");
    assert_eq!(read("east", 0).await.0, (0..end).filter(|n| !house.of_life(*n)).collect::<Vec<_>>(), "a stranger");

    // An append wakes who waits; one whose caller hung up is found all the same, when the log is looked at.
    let (_, mut waiting) = read("south", end).await;
    let publish = house.exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id);
    let (woken, published) = tokio::join!(waiting.events(), publish);
    published.unwrap();
    assert_eq!(woken.unwrap().len(), 1);
    let next = waiting.next_index();
    let quiet = house.memory.log.lock().unwrap().last().unwrap().clone();
    let unheard = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.memory.log.lock().unwrap().push(Stored { index: next, ..quiet });
    };
    let found = async { tokio::time::timeout(Duration::from_secs(30), waiting.events()).await.expect("looked at") };
    let (found, ()) = tokio::join!(found, unheard);
    assert_eq!(found.unwrap()[0].index, next);
}

/// The verdict on a package under the sample world's charter.
async fn verified(house: &House, id: CommuniqueId) -> serde_json::Value {
    let permit = House::permit::<GetPublication>("south");
    let (digest, _) = house.exchange.publication(permit, id).await.unwrap().package;
    let zip = house.memory.blobs.lock().unwrap()[&digest].clone();
    verify(std::io::Cursor::new(zip), Some(house.world.charter.digest())).to_json()
}

/// What the exchange publishes, it has decided with all that was logged before: also with what is logged while it decides.
#[tokio::test]
async fn full_powers_that_end_while_it_is_published_are_told() {
    let house = House::complete().await;
    let revocation = |of: &str| {
        let revocation = Revocation {
            founding: house.world.charter.digest(),
            exchange: house.world.charter.exchange.clone(),
            party: party(of),
            grant: house.world.grant_of(of, "a1"),
            reason: Prose::new("Fin de mission (exemple).").unwrap(),
            time: noon(),
        };
        Statement::sign(revocation, &key(&format!("authority of {of}"))).unwrap()
    };
    let (north, signed) = (party("north"), revocation("north"));
    let record = house.exchange.folds.party(&*house.memory, &north).await.unwrap();
    let entry = Entry {
        documents: vec![],
        files: None,
        kind: Kind::Revocation,
        previous: record.position().last,
        salt: Salt::new([9; 32]),
        seq: record.position().length,
        statements: vec![signed.digest()],
        stream: StreamId::Party(north),
        time: noon(),
    };
    let (entry, objects) = (Document::made(entry).unwrap(), vec![Object::from(&signed)]);
    *house.memory.quicker.lock().unwrap() = Some(NewEntry { entry, objects });
    house.exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id).await.unwrap();
    assert!(house.memory.quicker.lock().unwrap().is_none());
    let verdict = verified(&house, house.world.id).await;
    assert_eq!(verdict["verdict"], "proven", "{verdict}");
    let signatory = |p: usize| &verdict["findings"]["parties"][p]["signatories"][0];
    assert!(signatory(0)["revoked"]["logged"].is_string(), "{verdict}");
    assert!(signatory(1)["revoked"].is_null());
    // What ends in the same second, after publication, is no part of it, however late the package is built.
    let permit = House::permit::<SubmitRevocation>("south");
    house.exchange.submit_revocation(permit, revocation("south").compact()).await.unwrap();
    let built = std::mem::take(&mut *house.memory.packages.lock().unwrap());
    assert_eq!(verified(&house, house.world.id).await, verdict);
    assert_eq!(built, *house.memory.packages.lock().unwrap(), "the same bytes");
}

#[tokio::test]
async fn a_rectification_carries_its_original_and_is_told_of_it() {
    let mut house = House::complete().await;
    let original = house.world.id;
    let publish = |house: &House| {
        let (exchange, id) = (house.exchange.clone(), house.world.id);
        async move { exchange.publish(House::permit::<PublishCommunique>("north"), id).await }
    };
    let first = publish(&house).await.unwrap();
    assert_eq!(first.rectified_by, None);
    let mut corrected = original;
    for n in [2, 3] {
        let life = house.exchange.folds.life(&*house.memory, corrected).await.unwrap();
        let rectifies = Rectifies {
            communique: corrected,
            manifest: life.newest().unwrap().manifest.digest(),
            entry: life.published().unwrap().entry,
        };
        house.world.life = Life::default();
        house.world.id = CommuniqueId::new(1_772_452_800_000, &[n; 10]);
        house.upload("north", house.world.id, TEXT).await;
        let manifest = Manifest { rectifies: Some(rectifies), ..house.world.manifest() };
        house.propose(&manifest).await.unwrap();
        for kind in [ActKind::Initial, ActKind::Sign] {
            house.submit(kind, "north").await.unwrap();
            house.submit(kind, "south").await.unwrap();
        }
        let before = house.memory.log.lock().unwrap().len();
        let published = publish(&house).await.unwrap();
        assert_eq!(publish(&house).await.unwrap(), published, "asked again, the same");
        assert_eq!(house.memory.log.lock().unwrap().len() - before, 2, "published here, rectified there");
        corrected = house.world.id;
    }
    let verdict = verified(&house, corrected).await;
    assert_eq!(verdict["verdict"], "proven", "{verdict}");
    assert_eq!(verdict["findings"]["rectifies"]["rectifies"]["communique"], original.to_string());
    let permit = House::permit::<GetPublication>("south");
    let first = house.exchange.publication(permit, original).await.unwrap();
    assert_eq!(first.rectified_by, Some(corrected), "the newest");
    // A content store that was lost is made again from the log, from the original on.
    let taken = || {
        (
            house.memory.packages.lock().unwrap().remove(&corrected),
            std::mem::take(&mut *house.memory.originals.lock().unwrap()),
        )
    };
    let lost = taken();
    assert_eq!((lost.0.is_some(), lost.1.len()), (true, 2));
    assert_eq!(verified(&house, corrected).await, verdict);
    assert_eq!(taken(), lost, "the same bytes");
}

#[tokio::test]
async fn what_cannot_be_settled_keeps_nothing_else_from_it() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.break_one().await;
    house.upload("north", house.world.id, TEXT).await;
    let mut manifest = house.world.manifest();
    manifest.procedure.deadline = Some(noon().plus(100));
    house.propose(&manifest).await.unwrap();
    house.submit(ActKind::Initial, "north").await.unwrap();
    house.submit(ActKind::Initial, "south").await.unwrap();
    let state = async || house.exchange.folds.life(&*house.memory, house.world.id).await.unwrap().state();
    assert_eq!(house.exchange.settle().await.map_err(|r| r.reason()), Err("INCONSISTENT"));
    assert_eq!(state().await, State::Open);
    house.machine.0.store(101, Ordering::Relaxed);
    assert_eq!(house.exchange.settle().await.map_err(|r| r.reason()), Err("INCONSISTENT"), "it is told each time");
    assert_eq!(state().await, State::Lapsed);
}

#[tokio::test]
async fn a_charter_that_was_put_forward_is_acknowledged_whatever_comes_of_what_is_due() {
    let house = House::of(&[("north", 1), ("south", 1)]).await;
    house.break_one().await;
    let next = Charter {
        version: 2,
        previous: Some(house.world.charter.digest()),
        adopt_by: Some(noon().plus(86_400)),
        witnesses: 1,
        ..(*house.world.charter).clone()
    };
    let next = Document::of(&next).unwrap();
    let adopt = |of: &str, charter: Digest| {
        let adoption = Adoption {
            founding: house.world.charter.digest(),
            exchange: next.exchange.clone(),
            party: party(of),
            charter,
            version: 2,
            time: noon(),
        };
        Statement::sign(adoption, &key(&format!("authority of {of}"))).unwrap().compact().to_owned()
    };
    let permit = || House::permit::<ProposeCharter>("north");
    let other = adopt("north", Digest::of(b"another charter"));
    let propose = |adoption: String| {
        let (exchange, bytes) = (house.exchange.clone(), next.bytes().to_vec());
        async move { exchange.propose_charter(permit(), bytes, &adoption).await }
    };
    assert_eq!(propose(other).await.map_err(|r| r.reason()), Err("DISAGREES"));
    let first = propose(adopt("north", next.digest())).await.unwrap();
    assert_eq!(propose(adopt("north", next.digest())).await, Ok(first));
    let permit = House::permit::<SubmitAdoption>("south");
    house.exchange.submit_adoption(permit, &adopt("south", next.digest())).await.unwrap();
    assert_eq!(house.exchange.charter_in_force().await.unwrap().digest(), next.digest());
}

#[tokio::test]
async fn what_could_not_be_erased_at_once_is_erased_at_the_next_look() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    house.propose(&house.world.manifest()).await.unwrap();
    house.exchange.settle().await.unwrap();
    house.submit(ActKind::Withdraw, "north").await.unwrap();
    house.submit(ActKind::Purge, "north").await.unwrap();
    house.memory.stuck.store(true, Ordering::Relaxed);
    house.submit(ActKind::Purge, "south").await.expect("the act is logged, and says so");
    let erased = || house.memory.erased.lock().unwrap().clone();
    house.exchange.settle().await.unwrap();
    assert_eq!(erased(), []);
    house.memory.stuck.store(false, Ordering::Relaxed);
    house.exchange.settle().await.unwrap();
    assert_eq!(erased(), [house.world.id]);
    house.exchange.settle().await.unwrap();
    assert_eq!(erased(), [house.world.id], "once");
}

/// The exchange goes on with the keys that the next charter gives it, and is not ready without them.
#[tokio::test]
async fn a_succession_gives_the_exchange_new_keys() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    let next = house.world.successor(|c| {
        c.log.key = key("next log").public();
        c.depositary = key("next depositary").public();
    });
    let adopted = |of: &str| house.world.adoption(&next, of, &format!("authority of {of}")).compact().to_owned();
    let permit = House::permit::<ProposeCharter>("north");
    house.exchange.propose_charter(permit, next.bytes().to_vec(), &adopted("north")).await.unwrap();
    house.exchange.submit_adoption(House::permit::<SubmitAdoption>("north"), &adopted("south")).await.unwrap();
    house.world.propose_charter(&next, "north", "authority of north").unwrap();
    house.world.adopt(&next, "south", "authority of south").unwrap();
    assert_eq!(house.exchange.ready().await, Ok(()));

    house.upload("north", house.world.id, TEXT).await;
    house.propose(&house.world.manifest()).await.unwrap();
    for kind in [ActKind::Initial, ActKind::Sign] {
        for of in ["north", "south"] {
            house.submit(kind, of).await.unwrap();
        }
    }
    house.exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id).await.unwrap();
    let verdict = verified(&house, house.world.id).await;
    assert_eq!(verdict["proven"], true, "{verdict}");
    assert_eq!(verdict["findings"]["charter_version"], 2);

    let (store, content) = (house.memory.clone(), house.memory.clone());
    let old: Vec<Arc<dyn Signer>> = vec![Arc::new(key("log")), Arc::new(key("depositary"))];
    let without = Exchange::new(store, content, house.machine.clone(), old, Arc::default());
    assert_eq!(without.ready().await.map_err(|r| r.reason()), Err("KEY_MISSING"));
}

/// Of two acts at once none is lost: the second is decided again, on what the first made of the communiqué.
#[tokio::test]
async fn what_another_did_meanwhile_is_decided_on_again() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    house.propose(&house.world.manifest()).await.unwrap();
    let id = house.world.id;
    let life = house.exchange.folds.life(&*house.memory, id).await.unwrap();
    house.world.life = life.life().clone();
    let act = Statement::sign(house.world.act(ActKind::Initial, "north", "a1"), &key("north.a1")).unwrap();
    let entry = Entry {
        documents: vec![],
        files: None,
        kind: Kind::Act,
        previous: life.position().last,
        salt: Salt::new([0; 32]),
        seq: life.position().length,
        statements: vec![act.digest()],
        stream: StreamId::Communique(id),
        time: noon(),
    };
    let (entry, objects) = (Document::made(entry).unwrap(), vec![Object::from(&act)]);
    *house.memory.quicker.lock().unwrap() = Some(NewEntry { entry, objects });
    house.submit(ActKind::Initial, "south").await.unwrap();
    let life = house.exchange.folds.life(&*house.memory, id).await.unwrap();
    assert_eq!(life.state(), State::Open, "both initials count");
    let log = house.memory.log.lock().unwrap();
    let of_it = log.iter().filter(|s| s.entry.stream == StreamId::Communique(id));
    assert!(of_it.map(|s| s.entry.seq).eq(0..life.position().length));
}
