//! The log in its own order: entries, what they name, time, and the tree made again.

use std::collections::BTreeSet;

use super::{At, BATCH, Check, narrowed};
use crate::{
    domain::{entry::Entry, id::Digest, json},
    exchange::ports::{ReadFailed, Stored},
    log::tree::{Hash, Node},
};

/// An index past the last entry of any log.
const FAR: u64 = 1 << 62;

/// What a pass over the log remembers beside the check itself.
#[derive(Default)]
struct Pass {
    /// The sizes at which roots are asked for.
    wanted: BTreeSet<u64>,
    nodes: Vec<(Node, Hash)>,
}

impl Check {
    /// Reads all entries that the log had when this began.
    pub(super) async fn entries(&mut self, wanted: BTreeSet<u64>) {
        let stored = self.log(|| self.store.tree()).await;
        self.size = match &stored {
            Ok(edge) => edge.size(),
            Err(ReadFailed) => self.measure().await,
        };
        let mut pass = Pass { wanted, ..Pass::default() };
        self.root_at(&pass);
        let mut next = 0;
        while next < self.size && !self.faults.is_full() {
            let count = BATCH.min(self.size - next);
            let check = &*self;
            let rows = narrowed(next, count, |from, count| {
                let limit = usize::try_from(count).unwrap_or(usize::MAX);
                check.log(move || check.store.log(from, limit))
            });
            for (index, row) in rows.await {
                match row {
                    Ok(stored) if stored.index == index => self.entry(&mut pass, stored).await,
                    _ => self.unread(&mut pass, index).await,
                }
            }
            self.nodes(&mut pass).await;
            next += count;
        }
        match stored {
            _ if next < self.size => {
                let what = format!("there are too many faults: entries from {next} on were not looked at");
                self.faults.add(At::Entry { index: next, stream: None, kind: None }, what);
                self.edge = None;
            }
            Err(ReadFailed) => {
                let what = "they cannot be read, or are not those of the log and of the tree's nodes";
                self.faults.add(At::Tree, what);
            }
            Ok(stored) => match &self.edge {
                Some(edge) if *edge == stored => {}
                Some(edge) => {
                    let what = format!("the entries have the root {}, and {} is stored", edge.root(), stored.root());
                    self.faults.add(At::Tree, what);
                }
                None => self.faults.add(At::Tree, "an entry is missing: they cannot be held against the entries"),
            },
        }
    }

    /// How many entries there are, of a log that does not say so: past the last one nothing is read, and that is no failure.
    async fn measure(&self) -> u64 {
        let past = async |index| matches!(self.store.digests(index, 1).await, Ok(digests) if digests.is_empty());
        if !past(FAR).await {
            return self.readable().await;
        }
        let mut most = 1_u64;
        while most < FAR && !past(most).await {
            most <<= 1;
        }
        let (mut least, mut most) = (0, most);
        while least < most {
            let middle = least + (most - least) / 2;
            if past(middle).await { most = middle } else { least = middle + 1 }
        }
        least
    }

    /// The same, where not even it is told that there is nothing past the last one: up to the first entry that cannot be read, and with it.
    async fn readable(&self) -> u64 {
        let mut index = 0;
        while let Ok(digests) = self.store.digests(index, 1).await {
            if digests.is_empty() {
                return index;
            }
            index += 1;
        }
        index + 1
    }

    async fn entry(&mut self, pass: &mut Pass, stored: Stored) {
        let Stored { index, entry, bytes, digest, objects } = &stored;
        let at = || At::Entry { index: *index, stream: Some(entry.stream.clone()), kind: Some(entry.kind) };
        self.counts.entries += 1;
        let (mut faults, mut needs) = (Vec::new(), Vec::new());
        // A backend may have compared all this; that it has is not taken for granted.
        if Digest::of(bytes) != *digest {
            faults.push("its bytes do not have its digest".to_owned());
            needs.push(*digest);
        }
        if json::parse::<Entry>(bytes).as_ref() != Ok(entry) {
            faults.push("its bytes are not the canonical form of what they say".to_owned());
        }
        let names = entry.documents.iter().chain(&entry.statements);
        if objects.len() != entry.documents.len() + entry.statements.len() {
            faults.push("not all that it names is there".to_owned());
            needs.extend(names.clone());
        }
        for (name, object) in names.clone().zip(objects) {
            if Digest::of(object) != *name {
                faults.push(format!("what it names {name} has another digest"));
                needs.push(*name);
            }
        }
        for name in names {
            if let Some(what) = self.unnamed(name, *index).await {
                faults.push(format!("what it names {name} {what}"));
            }
        }
        self.counts.objects += objects.len() as u64;
        if self.time.is_some_and(|before| entry.time < before) {
            faults.push("its time is before that of the entry before it".to_owned());
        }
        self.time = self.time.max(Some(entry.time));
        if !faults.is_empty() {
            self.wrong.insert(*index);
        }
        for what in faults {
            self.faults.add_needing(at(), what, needs.clone());
        }
        self.in_log.add(*index, *digest);
        self.grow(pass, *digest);
        let bytes = bytes.len() + objects.iter().map(Vec::len).sum::<usize>();
        self.pace.spend_row(bytes).await;
    }

    /// What is wrong with the answer to which entry first named this, which this entry names: a repeat gets its first answer by it.
    async fn unnamed(&mut self, name: &Digest, index: u64) -> Option<&'static str> {
        match self.log(|| self.store.first_naming(*name)).await {
            Ok(Some(Stored { index: first, entry, bytes, .. })) => {
                self.pace.spend_row(bytes.len()).await;
                let names = entry.documents.contains(name) || entry.statements.contains(name);
                (first > index || !names).then_some("is said to be first named by another entry")
            }
            Ok(None) => Some("is said to be first named by none"),
            // The first one may be damaged, and is named then.
            Err(ReadFailed) => {
                self.damaged.is_empty().then_some("is said to be first named by an entry that cannot be read")
            }
        }
    }

    /// An entry that cannot be read. Its digest may still be there, and then the tree goes on.
    async fn unread(&mut self, pass: &mut Pass, index: u64) {
        self.damaged.insert(index);
        let one = async |index| self.log(|| self.store.digests(index, 1)).await.ok()?.first().copied();
        let (digest, next) = (one(index).await, one(index + 1).await);
        // No two entries have one digest: what is read from here on is then the next one.
        let digest = digest.filter(|digest| Some(*digest) != next);
        let what = if digest.is_some() {
            "it, or something that it names, was changed or is missing"
        } else {
            "it is missing, or cannot be read at all"
        };
        if let Some(digest) = digest.filter(|_| !self.faults.is_full()) {
            self.nameless.insert(digest, self.faults.listed().len());
        }
        self.faults.add_needing(At::Entry { index, stream: None, kind: None }, what, digest.into_iter().collect());
        match digest {
            Some(digest) => self.grow(pass, digest),
            None => self.edge = None,
        }
    }

    fn grow(&mut self, pass: &mut Pass, digest: Digest) {
        let Some(edge) = &mut self.edge else { return };
        let inner = |node: Node, hash| {
            if node.level() > 0 {
                pass.nodes.push((node, hash));
            }
        };
        if edge.append(Hash::of_entry(digest), inner).is_err() {
            self.edge = None;
        }
        self.root_at(pass);
    }
    fn root_at(&mut self, pass: &Pass) {
        if let Some(edge) = self.edge.as_ref().filter(|edge| pass.wanted.contains(&edge.size())) {
            self.roots.insert(edge.size(), edge.root());
        }
    }

    /// Compares the nodes that have become complete with those that are stored.
    async fn nodes(&mut self, pass: &mut Pass) {
        let computed = std::mem::take(&mut pass.nodes);
        let asked: Vec<Node> = computed.iter().map(|(node, _)| *node).collect();
        let check = &*self;
        let rows = narrowed(0, asked.len() as u64, |from, count| {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let nodes = asked.get(at(from)..at(from + count)).unwrap_or_default().to_vec();
            check.log(move || check.store.nodes(nodes.clone()))
        });
        for ((node, hash), (_, stored)) in computed.into_iter().zip(rows.await) {
            self.counts.nodes += 1;
            // Over an entry whose digest may be the wrong one nothing is known of the node: the root will tell.
            let doubtful = self.damaged.range(node.leaves()).next().is_some();
            let what = match stored {
                Ok(stored) if stored == hash || doubtful => continue,
                Ok(_) => "it is not the hash of what is below it",
                Err(ReadFailed) => "it is missing, or cannot be read",
            };
            self.faults.add(At::Node { level: node.level(), index: node.index() }, what);
        }
    }
}
