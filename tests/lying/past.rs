//! A past that the host makes up: the log as it lies in the store, changed, linked anew, with the tree, heads and packages that follow
//! from it. All of it is signed with the exchange's own keys, which a host holds.

use std::collections::{BTreeMap, BTreeSet};

use communique::{
    client::keys::keyfile,
    domain::{
        certified::CertifiedCopy,
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest},
        json,
        key::SecretKey,
        statement::Statement,
    },
    log::{
        checkpoint::{Checkpoint, Head, Origin},
        note::SignatureLine,
        proof::Proof,
        tree::{Edge, Hash, Node, Plan},
    },
    package::{
        bag::PartDigests,
        evidence::Evidence,
        write::{Gathering, Logged, PackageWriter, Until},
    },
    wire::v1,
};
use rusqlite::OpenFlags;

use crate::{
    host::Lies,
    world::{PATIENCE, World},
};

/// An entry, with what it names.
#[derive(Clone)]
pub struct Row {
    pub entry: Entry,
    pub objects: Vec<Vec<u8>>,
}

impl Row {
    pub fn bytes(&self) -> Vec<u8> {
        json::encode(&self.entry)
    }
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes())
    }
    /// Whether it records this statement.
    pub fn records(&self, compact: &str) -> bool {
        self.objects.iter().any(|object| object == compact.as_bytes())
    }
}

/// What the host would have the log be.
#[derive(Clone)]
pub struct Past {
    pub rows: Vec<Row>,
    origin: Origin,
    pub key: SecretKeys,
    content: BTreeMap<Digest, Vec<u8>>,
}

/// The exchange's keys, as its host has them.
#[derive(Clone)]
pub struct SecretKeys {
    pub log: std::sync::Arc<SecretKey>,
    pub depositary: std::sync::Arc<SecretKey>,
}

fn open(path: &std::path::Path) -> rusqlite::Connection {
    let db = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db
}

impl Past {
    /// The log as it is.
    pub fn of(world: &World) -> Self {
        let db = open(&world.config.data.log());
        let mut stored = db.prepare("SELECT bytes FROM entries ORDER BY idx").unwrap();
        let entries: Vec<Vec<u8>> = stored.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut object = db.prepare("SELECT bytes FROM objects WHERE digest = ?1").unwrap();
        let mut rows = Vec::new();
        for bytes in entries {
            let entry: Entry = json::parse(&bytes).unwrap();
            let named = entry.documents.iter().chain(&entry.statements);
            // What an act that opens or completes is about was recorded before; an entry names it again.
            let objects =
                named.map(|digest| object.query_row([digest.as_bytes()], |row| row.get(0)).unwrap()).collect();
            rows.push(Row { entry, objects });
        }
        let db = open(&world.config.data.content());
        let mut pieces = db
            .prepare("SELECT b.digest, c.bytes FROM blobs b JOIN chunks c ON c.blob = b.id ORDER BY b.id, c.n")
            .unwrap();
        let mut content: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        let pieces = pieces.query_map([], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
        for (digest, bytes) in pieces.map(Result::unwrap) {
            content.entry(Digest::from_bytes(digest)).or_default().extend(bytes);
        }
        let origin = Origin::parse(world.pinned.charter().log.origin.as_str()).unwrap();
        let key = |path: &std::path::Path| keyfile::read_plain(path).unwrap().into();
        let key = SecretKeys { log: key(&world.config.keys.log), depositary: key(&world.config.keys.depositary) };
        Self { rows, origin, key, content }
    }
    pub fn size(&self) -> u64 {
        self.rows.len() as u64
    }
    pub fn row(&self, index: u64) -> &Row {
        &self.rows[usize::try_from(index).unwrap()]
    }
    /// The index of the entry that is so.
    pub fn find(&self, is: impl Fn(&Row) -> bool) -> u64 {
        self.rows.iter().position(is).expect("there is such an entry") as u64
    }
    /// As the log was when it had so many entries.
    pub fn first(mut self, size: u64) -> Self {
        self.rows.truncate(usize::try_from(size).unwrap());
        self
    }
    /// Without an entry, and with all streams linked again.
    pub fn without(mut self, index: u64) -> Self {
        self.rows.remove(usize::try_from(index).unwrap());
        self.linked()
    }
    /// With one entry changed, and all streams linked again.
    pub fn with(mut self, index: u64, change: impl FnOnce(&mut Row)) -> Self {
        change(&mut self.rows[usize::try_from(index).unwrap()]);
        self.linked()
    }
    /// With one more entry at the end, made from the last of its stream.
    pub fn and(mut self, stream: &StreamId, change: impl FnOnce(&mut Row)) -> Self {
        let last = self.rows.iter().rev().find(|row| row.entry.stream == *stream).unwrap();
        let mut next = Row { objects: vec![], ..last.clone() };
        (next.entry.documents, next.entry.statements, next.entry.files) = (vec![], vec![], None);
        change(&mut next);
        next.entry.time = next.entry.time.max(self.rows.last().unwrap().entry.time);
        self.rows.push(next);
        self.linked()
    }
    /// Numbers and links the streams, as the exchange would have.
    pub fn linked(mut self) -> Self {
        let mut ends: BTreeMap<String, (u64, Digest)> = BTreeMap::new();
        for row in &mut self.rows {
            let end = ends.get(&row.entry.stream.to_string()).copied();
            row.entry.seq = end.map_or(0, |(length, _)| length);
            row.entry.previous = end.map(|(_, last)| last);
            ends.insert(row.entry.stream.to_string(), (row.entry.seq + 1, row.digest()));
        }
        self
    }

    fn hash(&self, node: Node) -> Hash {
        let leaves = node.leaves();
        match node.level() {
            0 => Hash::of_entry(self.row(leaves.start).digest()),
            level => {
                let child = |index| self.hash(Node::new(level - 1, index).unwrap());
                Hash::of_children(&child(node.index() * 2), &child(node.index() * 2 + 1))
            }
        }
    }
    fn built(&self, plan: &Plan) -> Vec<Hash> {
        plan.build(|node| Ok::<_, ()>(self.hash(node))).unwrap()
    }
    /// The head of the tree of so many entries, signed by the log's key.
    pub fn head(&self, size: u64) -> Head {
        self.head_by(size, &self.key.log)
    }
    pub fn head_by(&self, size: u64, signer: &SecretKey) -> Head {
        let hashes = Edge::nodes(size).unwrap().into_iter().map(|node| self.hash(node)).collect();
        let root = Edge::new(size, hashes).unwrap().root();
        Head::sign(Checkpoint::new(self.origin.clone(), size, root).unwrap(), signer).unwrap()
    }
    pub fn newest(&self) -> Head {
        self.head(self.size())
    }
    pub fn proof(&self, index: u64) -> Proof {
        self.proof_under(index, self.newest())
    }
    pub fn proof_under(&self, index: u64, head: Head) -> Proof {
        let size = head.checkpoint().size();
        Proof::new(index, self.built(&Plan::inclusion(index, size).unwrap()), head).unwrap()
    }
    pub fn consistency(&self, old: u64, new: u64) -> Vec<Vec<u8>> {
        self.built(&Plan::consistency(old, new).unwrap()).iter().map(|hash| hash.as_bytes().to_vec()).collect()
    }
    pub fn receipt(&self, index: u64) -> v1::Receipt {
        v1::Receipt { index, entry: self.row(index).bytes(), proof: self.proof(index).to_string() }
    }
    /// The whole log service as it would be, had this been the past.
    pub fn told(&self) -> Lies {
        let past = [(); 4].map(|()| self.clone());
        let [heads, proofs, joins, digests] = past;
        Lies::default()
            .instead("GetCheckpoint", move |_| {
                let checkpoint = heads.newest().to_string();
                Some(v1::GetCheckpointResponse { checkpoint, cosigned_checkpoint: String::new() })
            })
            .instead("GetInclusionProof", move |call| {
                let index = call.asked::<v1::GetInclusionProofRequest>().index;
                (index < proofs.size())
                    .then(|| v1::GetInclusionProofResponse { proof: proofs.proof(index).to_string() })
            })
            .instead("GetConsistencyProof", move |call| {
                let v1::GetConsistencyProofRequest { old_size, new_size } = call.asked();
                let new = if new_size == 0 { joins.size() } else { new_size };
                (old_size <= new && new <= joins.size()).then(|| v1::GetConsistencyProofResponse {
                    checkpoint: joins.head(new).to_string(),
                    hashes: joins.consistency(old_size, new),
                })
            })
            .instead("ListDigests", move |call| {
                let start = usize::try_from(call.asked::<v1::ListDigestsRequest>().start).unwrap();
                let rows = digests.rows.iter().skip(start);
                Some(v1::ListDigestsResponse { digests: rows.flat_map(|row| *row.digest().as_bytes()).collect() })
            })
    }

    /// What a watcher hears who may see all of it: every entry from the one asked for on, at once.
    pub fn watched(&self) -> Lies {
        let past = self.clone();
        let told = std::sync::Mutex::new(BTreeSet::new());
        Lies::default().streamed("Watch", move |call, _: v1::WatchResponse| {
            // One answer to each question; what else the exchange says in it is not passed on.
            if !told.lock().unwrap().insert(call.number) {
                return vec![];
            }
            let from = call.asked::<v1::WatchRequest>().from_index.unwrap_or(0);
            let shown = (from..past.size()).map(|index| {
                let row = past.row(index);
                let logged = v1::LoggedEntry { entry: row.bytes(), objects: row.objects.clone() };
                v1::watch_response::Item::Event(v1::Event { index, view: Some(v1::event::View::Shown(logged)) })
            });
            shown.map(|item| v1::WatchResponse { item: Some(item) }).collect()
        })
    }

    /// The package of a communiqué whose `published` entry is among these, as an exchange with this past would write it.
    pub fn package(&self, id: CommuniqueId) -> Vec<u8> {
        self.package_with(id, |_| ())
    }
    /// The same, with something changed at the last.
    pub fn package_with(&self, id: CommuniqueId, change: impl FnOnce(&mut Made)) -> Vec<u8> {
        let stream = StreamId::Communique(id);
        let index = self.find(|row| row.entry.stream == stream && row.entry.kind == Kind::Published);
        let until = Until { index, time: self.row(index).entry.time };
        let mut gathering = Gathering::new(self.stream(&stream), self.stream(&StreamId::Exchange), until).unwrap();
        for (party, grant) in gathering.wanted().map(|(p, g)| (p.clone(), *g)).collect::<Vec<_>>() {
            let of = StreamId::Party(party);
            let entries = self.stream(&of);
            let named = |l: &&Logged| json::parse::<Entry>(&l.bytes).unwrap().statements == [grant];
            let granted = entries.iter().find(named).unwrap().clone();
            let ends = |l: &&Logged| {
                json::parse::<Entry>(&l.bytes).unwrap().kind == Kind::Revocation && {
                    let compact = String::from_utf8(l.objects[0].clone()).unwrap();
                    crate::world::claims::<communique::domain::powers::Revocation>(&compact).grant == grant
                }
            };
            gathering.grant(granted, entries.iter().find(ends).cloned()).unwrap();
        }
        let contents = gathering.finish().unwrap();
        let (mut told, files) = (self.clone(), contents.files());
        // What was published lists what the package holds: the last that a forger puts right.
        told = told.with(index, |row| row.entry.files = Some(files));
        let manifest = contents.manifest();
        let copy = CertifiedCopy {
            founding: manifest.founding,
            exchange: manifest.exchange.clone(),
            communique: id,
            manifest: manifest.digest(),
            published: told.row(index).digest(),
            index,
            time: told.row(index).entry.time,
        };
        let mut made = Made {
            copy,
            depositary: self.key.depositary.clone(),
            head: told.head(index + 1),
            lines: vec![],
            leaves: BTreeMap::new(),
            bare: false,
        };
        change(&mut made);
        let size = made.head.checkpoint().size();
        let head = made.head.with(made.lines).unwrap();
        let plan = |index: u64| Plan::inclusion(made.leaves.get(&index).copied().unwrap_or(index), size).unwrap();
        let proven: BTreeSet<u64> = contents.proven(index);
        let hashes = proven.into_iter().map(|index| (index, told.built(&plan(index)))).collect();
        let evidence = (!made.bare).then(|| Evidence::new(head, hashes, None).unwrap());
        let certified = Statement::sign(made.copy, &*made.depositary).unwrap();
        let parts = contents.parts().map(|part| (part.path, PartDigests::of(&self.content[&part.sha256])));
        let published = (index, &*told.row(index).bytes());
        let mut writer =
            PackageWriter::new(Vec::new(), &contents, published, &certified, &parts.collect(), evidence).unwrap();
        while let Some(sha256) = writer.next_part().map(|part| part.sha256) {
            writer.part_bytes(&self.content[&sha256]).unwrap();
            writer.end_part().unwrap();
        }
        writer.finish().unwrap()
    }
    fn stream(&self, of: &StreamId) -> Vec<Logged> {
        let rows = (0..).zip(&self.rows).filter(|(_, row)| row.entry.stream == *of);
        rows.map(|(index, row)| Logged { index, bytes: row.bytes(), objects: row.objects.clone() }).collect()
    }
}

/// What of a package is signed last.
pub struct Made {
    pub copy: CertifiedCopy,
    pub depositary: std::sync::Arc<SecretKey>,
    pub head: Head,
    /// Signature lines behind the log's own.
    pub lines: Vec<SignatureLine>,
    /// Of which entry instead of this one the proof is.
    pub leaves: BTreeMap<u64, u64>,
    /// Without proofs.
    pub bare: bool,
}

/// A key of the host's that no charter names.
pub fn stranger() -> SecretKey {
    crate::world::key("a key that no charter names")
}
