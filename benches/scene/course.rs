//! A long log, made fast: by the store's own writer, with true documents and true signatures, so that `communiqued fsck` finds
//! nothing to say of it.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::sync::Arc;

use communique::{
    domain::{
        act::{Act, ActKind},
        document::Document,
        entry::{Entry, Kind, Position, StreamId},
        id::{CommuniqueId, Digest, Salt},
        key::SecretKey,
        life::State,
        manifest::Manifest,
        statement::Statement,
        time::Time,
    },
    exchange::ports::{Append, Content, Listing, NewEntry, Object, Owner, Seal, Store},
};
use tokio::sync::mpsc;

use crate::world::{World, key, now, party, sign};

/// The one text that all manifests name.
pub const TEXT: &str = "Texte d'essai.\n";
/// Entries of one append.
const AT_ONCE: u64 = 1024;
/// The id of the first communiqué tells this time, in milliseconds; each other one a millisecond more. Ids that are made now sort
/// after all of them.
const FIRST: u64 = 1_700_000_000_000;
/// What each entry of a long communiqué is, from one revision to the next: the revision, and what the others say to it.
const TALK: u64 = 10;

/// Communiqués, one after the other.
pub struct Course {
    form: Arc<Form>,
    parties: Vec<&'static str>,
    first: u64,
    next: u64,
}

/// What all communiqués share.
struct Form {
    manifest: Manifest,
    propose: Act,
    key: SecretKey,
}

impl Course {
    /// Of these parties; the first proposes, by its holder `a`.
    pub fn new(world: &World, parties: Vec<&'static str>) -> Self {
        let who = format!("{}.a", parties[0]);
        let manifest = world.manifest(id(0), &parties, TEXT);
        let propose = world.act(ActKind::Propose, &who, &Document::of(&manifest).unwrap(), None);
        let form = Form { manifest, propose: Act { place: None, ..propose }, key: key(&who) };
        Self { form: Arc::new(form), parties, first: 0, next: 0 }
    }
    /// The same of other parties, whose communiqués come after those of this one, which gets no more.
    pub fn then(&self, world: &World, parties: Vec<&'static str>) -> Self {
        Self { first: self.next, next: self.next, ..Self::new(world, parties) }
    }
    /// The numbers of those that there are.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.next
    }
    /// The id of the nth.
    pub fn id(&self, n: u64) -> CommuniqueId {
        id(n)
    }
    /// The manifest of the nth: the same at each call.
    pub fn manifest(&self, n: u64) -> Document<Manifest> {
        self.form.manifest(n)
    }
    /// Seals the text, so that further revisions that name it are taken.
    pub async fn seal_text(&self, content: &dyn Content) {
        let owner = Owner { party: party(self.parties[0]), communique: id(0) };
        let stage = content.stage().await.unwrap();
        content.push(stage, TEXT.as_bytes().to_vec()).await.unwrap();
        let digest = Digest::of(TEXT.as_bytes());
        content.seal(stage, digest, TEXT.len() as u64, Seal::Upload(owner)).await.unwrap();
    }
    /// Proposes so many more. The proposer withdraws the first `ended` of them.
    pub async fn extend(&mut self, store: &dyn Store, count: u64, ended: u64) {
        let (first, time) = (self.next, time_of(store).await);
        let each = AT_ONCE / 2;
        let batches = count.div_ceil(each);
        let cores = std::thread::available_parallelism().unwrap().get() as u64;
        // Each core signs every so manyeth append; they are taken in turn, so that the log has the order of the ids.
        let mut signed: Vec<_> = (0..cores)
            .map(|core| {
                let (form, (send, receive)) = (self.form.clone(), mpsc::channel(2));
                std::thread::spawn(move || {
                    for batch in (core..batches).step_by(usize::try_from(cores).unwrap()) {
                        let numbers = batch * each..count.min((batch + 1) * each);
                        let append = form.append(numbers.map(|n| (first + n, n < ended)), time);
                        // Whoever waited for it may have failed.
                        if send.blocking_send(append).is_err() {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        for batch in 0..batches {
            let append = signed[usize::try_from(batch % cores).unwrap()].recv().await.expect("it was signed");
            store.append(append).await.unwrap();
        }
        self.next += count;
    }
    /// Adds one communiqué whose stream has so many entries: revisions, and after each the objections and declarations of the other
    /// parties. Answers its newest manifest.
    pub async fn long(&mut self, world: &World, store: &dyn Store, entries: u64) -> Document<Manifest> {
        let (n, time) = (self.next, time_of(store).await);
        self.next += 1;
        let who = |n: u64| format!("{}.a", self.parties[usize::try_from(n).unwrap() % self.parties.len()]);
        let mut manifest = self.manifest(n);
        let (mut stream, mut new) = (Stream::of(manifest.communique, time), Vec::new());
        for seq in 0..entries {
            let talk = seq % TALK;
            if talk == 0 {
                if seq > 0 {
                    manifest = Document::of(&world.next(&manifest, TEXT)).unwrap();
                }
                let propose = self.form.propose(&manifest, time);
                new.push(stream.revision(&manifest, propose));
            } else {
                let kind = if talk % 2 == 1 { ActKind::Object } else { ActKind::Declare };
                let who = who((talk - 1) / 2);
                let act = Act { time, ..world.act(kind, &who, &manifest, None) };
                new.push(stream.act(sign(act, &key(&who))));
            }
        }
        let mut new = new.into_iter().peekable();
        while new.peek().is_some() {
            let entries = new.by_ref().take(usize::try_from(AT_ONCE).unwrap()).collect();
            let listings = vec![listing(&manifest, State::Drafting)];
            store.append(Append { expect: vec![], entries, listings, unlogged: vec![] }).await.unwrap();
        }
        manifest
    }
}

impl Form {
    fn manifest(&self, n: u64) -> Document<Manifest> {
        Document::of(&Manifest { communique: id(n), salt: salt(0, n), ..self.manifest.clone() }).unwrap()
    }
    fn propose(&self, manifest: &Document<Manifest>, time: Time) -> String {
        self.sign(ActKind::Propose, manifest, time)
    }
    fn sign(&self, act: ActKind, manifest: &Document<Manifest>, time: Time) -> String {
        let act = Act {
            act,
            communique: manifest.communique,
            revision: manifest.revision,
            manifest: manifest.digest(),
            time,
            ..self.propose.clone()
        };
        Statement::sign(act, &self.key).unwrap().into_parts().1
    }
    /// The append of communiqués of these numbers, with whether each is withdrawn.
    fn append(&self, numbers: impl Iterator<Item = (u64, bool)>, time: Time) -> Append {
        let mut append = Append { expect: vec![], entries: vec![], listings: vec![], unlogged: vec![] };
        for (n, ended) in numbers {
            let manifest = self.manifest(n);
            let mut stream = Stream::of(manifest.communique, time);
            append.entries.push(stream.revision(&manifest, self.propose(&manifest, time)));
            if ended {
                append.entries.push(stream.act(self.sign(ActKind::Withdraw, &manifest, time)));
            }
            let state = if ended { State::Withdrawn } else { State::Drafting };
            append.listings.push(listing(&manifest, state));
        }
        append
    }
}

/// The stream of a communiqué that is made.
pub struct Stream {
    id: CommuniqueId,
    position: Position,
    time: Time,
}

impl Stream {
    pub fn of(id: CommuniqueId, time: Time) -> Self {
        Self { id, position: Position::default(), time }
    }
    fn revision(&mut self, manifest: &Document<Manifest>, propose: String) -> NewEntry {
        self.entry(Kind::Revision, vec![manifest.bytes().to_vec()], propose)
    }
    pub fn act(&mut self, act: String) -> NewEntry {
        self.entry(Kind::Act, vec![], act)
    }
    fn entry(&mut self, kind: Kind, documents: Vec<Vec<u8>>, statement: String) -> NewEntry {
        let documents: Vec<_> = documents.into_iter().map(Object::new).collect();
        let statement = Object::new(statement.into_bytes());
        let entry = Entry {
            documents: documents.iter().map(|document| document.digest()).collect(),
            files: None,
            kind,
            previous: self.position.last,
            salt: Salt::new(*Digest::of(statement.digest().as_bytes()).as_bytes()),
            seq: self.position.length,
            statements: vec![statement.digest()],
            stream: StreamId::Communique(self.id),
            time: self.time,
        };
        let entry = Document::made(entry).unwrap();
        self.position.advance(&entry, entry.digest()).unwrap();
        NewEntry { entry, objects: documents.into_iter().chain([statement]).collect() }
    }
}

/// Now, but never before the log's last entry.
async fn time_of(store: &dyn Store) -> Time {
    store.last().await.unwrap().map_or_else(now, |last| last.entry.time.max(now()))
}

fn id(n: u64) -> CommuniqueId {
    CommuniqueId::new(FIRST + n, &[7; 10])
}

fn salt(what: u64, n: u64) -> Salt {
    let mut salt = [0; 32];
    salt[..8].copy_from_slice(&what.to_be_bytes());
    salt[8..16].copy_from_slice(&n.to_be_bytes());
    Salt::new(salt)
}

fn listing(manifest: &Document<Manifest>, state: State) -> Listing {
    Listing {
        communique: manifest.communique,
        state,
        revision: manifest.revision,
        manifest: manifest.digest(),
        parties: manifest.parties.clone(),
    }
}
