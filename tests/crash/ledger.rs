//! What was acknowledged, kept outside of the exchange, and held against its log.

use std::collections::BTreeSet;

use communique::{
    domain::{
        entry::{Entry, Kind},
        id::{CommuniqueId, Digest},
        json,
        view::Receipt,
    },
    exchange::ports::Store,
    log::{
        checkpoint::{Log, Unverified},
        proof::Proof,
        tree::{Edge, Hash},
    },
};

use crate::exchange::Sessions;

/// An act that the exchange has answered with a proven receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Acknowledged {
    act: Digest,
    index: u64,
    entry: Digest,
}

#[derive(Default)]
pub struct Ledger {
    acknowledged: Vec<Acknowledged>,
    /// Uploads that were acknowledged and not looked for yet.
    uploads: Vec<(&'static str, CommuniqueId, Digest)>,
    /// How many of the acts were looked for.
    looked: usize,
    /// The largest head that a client was shown.
    seen: (u64, Option<Hash>),
    /// The tree over all entries, as far as they were looked at, and their digests.
    tree: Edge,
    digests: Vec<Digest>,
    /// Acknowledged acts and uploads that were not there.
    pub lost: usize,
}

impl Ledger {
    /// How many acts were acknowledged.
    pub fn acts(&self) -> usize {
        self.acknowledged.len()
    }
    pub fn act(&mut self, act: &str, receipt: &Receipt) {
        let proof = Proof::parse(receipt.proof.as_deref().unwrap_or_default().as_bytes()).unwrap();
        let head = proof.checkpoint().claims();
        if head.size() > self.seen.0 {
            self.seen = (head.size(), Some(head.root()));
        }
        let entry: Entry = json::parse(&receipt.entry).unwrap();
        let act = Digest::of(act.as_bytes());
        assert!(entry.statements.contains(&act), "a receipt of something else");
        self.acknowledged.push(Acknowledged { act, index: receipt.index, entry: Digest::of(&receipt.entry) });
    }
    pub fn upload(&mut self, of: &'static str, id: CommuniqueId, digest: Digest) {
        self.uploads.push((of, id, digest));
    }

    /// Holds the log, as it is served now, against all that was acknowledged: each act at its index, under a signed head that continues
    /// every one that was seen; each upload whole.
    pub async fn look(&mut self, sessions: &Sessions) {
        let session = &sessions["east"];
        let log = Log::of_charter(&session.pinned().charter().log).unwrap();
        let head = session.remote().checkpoint().await.unwrap();
        let head = Unverified::parse(head.as_bytes()).unwrap().verify(&log).unwrap();
        let (size, root) = (head.checkpoint().size(), head.checkpoint().root());
        assert!(
            size >= self.seen.0.max(self.tree.size()),
            "the log has shrunk to {size} entries, {} were seen",
            self.seen.0
        );
        while self.tree.size() < size {
            let digests = session.remote().digests(self.tree.size()).await.unwrap();
            for digest in digests.as_chunks::<32>().0.iter().take(usize::try_from(size - self.tree.size()).unwrap()) {
                let digest = Digest::from_bytes(*digest);
                self.digests.push(digest);
                self.tree.append(Hash::of_entry(digest), |_, _| ()).unwrap();
                if self.tree.size() == self.seen.0 {
                    assert_eq!(Some(self.tree.root()), self.seen.1, "the log does not continue a head that was shown");
                }
            }
        }
        assert_eq!(self.tree.root(), root, "the log does not continue what it was");
        self.seen = (size, Some(root));
        for act in &self.acknowledged[self.looked..] {
            let at = usize::try_from(act.index).ok().and_then(|index| self.digests.get(index));
            self.lost += usize::from(at != Some(&act.entry));
        }
        self.looked = self.acknowledged.len();
        for (of, id, digest) in std::mem::take(&mut self.uploads) {
            let (_, whole) = sessions[of].remote().upload_held(id, digest).await.unwrap();
            self.lost += usize::from(!whole);
        }
    }

    /// How many acknowledged acts the store no longer has at their index: for a log that may have shrunk.
    pub async fn lacking(&self, store: &dyn Store) -> usize {
        let mut lacking = 0;
        for act in &self.acknowledged {
            let found = store.digests(act.index, 1).await.unwrap();
            lacking += usize::from(found.first() != Some(&act.entry));
        }
        lacking
    }

    /// Reads the whole log, and answers how often an act stands in it again. Every act that was acknowledged stands in it.
    pub async fn doubled(&self, store: &dyn Store) -> usize {
        let (mut once, mut doubled, mut from) = (BTreeSet::new(), 0, 0);
        loop {
            let entries = store.log(from, 1024).await.unwrap();
            if entries.is_empty() {
                break;
            }
            from += entries.len() as u64;
            // An opening names the initials again, whose entries it rests on.
            let entries = entries.into_iter().filter(|stored| stored.entry.kind != Kind::Opened);
            let statements = entries.flat_map(|stored| stored.entry.statements);
            doubled += statements.filter(|statement| !once.insert(*statement)).count();
        }
        let lacking = self.acknowledged.iter().filter(|act| !once.contains(&act.act)).count();
        assert_eq!(lacking, 0, "acts that were acknowledged stand nowhere");
        doubled
    }
}
