//! What entries name that lies in files of its own: one reading of it for whoever fetches these, and for whoever checks them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    entry::{Entry, Kind, StreamId},
    id::{CommuniqueId, Digest},
    json,
    manifest::{Manifest, Part},
};

/// Texts and annexes by their digest, with the entry of the first manifest that names each.
pub(super) type Parts = BTreeMap<Digest, (u64, Part)>;

#[derive(Debug, Default)]
pub(super) struct Wanted {
    parts: BTreeMap<CommuniqueId, Parts>,
    purged: BTreeSet<CommuniqueId>,
    published: BTreeMap<CommuniqueId, u64>,
}

impl Wanted {
    /// What an entry says of what else is to be there, or is erased.
    pub(super) fn learn(&mut self, index: u64, entry: &Entry, objects: &[Vec<u8>]) {
        let StreamId::Communique(id) = entry.stream else { return };
        self.mark(index, entry.kind, id);
        let manifest = objects.first().filter(|_| entry.kind == Kind::Revision);
        let Some(manifest) = manifest.and_then(|bytes| json::parse::<Manifest>(bytes).ok()) else { return };
        let known = self.parts.entry(id).or_default();
        for part in manifest.parts() {
            known.entry(part.sha256).or_insert((index, part));
        }
    }
    /// The same, of an entry that names nothing.
    pub(super) fn mark(&mut self, index: u64, kind: Kind, id: CommuniqueId) {
        match kind {
            Kind::Published => _ = self.published.insert(id, index),
            Kind::Purged => _ = self.purged.insert(id),
            _ => {}
        }
    }
    /// The communiqués whose texts were not erased, with what they name.
    pub(super) fn standing(&self) -> impl Iterator<Item = (CommuniqueId, &Parts)> {
        self.parts.iter().filter(|(id, _)| !self.purged.contains(id)).map(|(id, parts)| (*id, parts))
    }
    /// What was erased, but for what another communiqué names too.
    pub(super) fn erased(&self) -> impl Iterator<Item = (CommuniqueId, &(u64, Part))> {
        let stands: BTreeSet<Digest> = self.standing().flat_map(|(_, parts)| parts.keys()).copied().collect();
        let of = |id: &CommuniqueId| self.parts.get(id).into_iter().flat_map(Parts::values);
        let named = self.purged.iter().flat_map(move |id| of(id).map(|part| (*id, part)));
        named.filter(move |(_, (_, part))| !stands.contains(&part.sha256))
    }
    /// The communiqués whose texts were erased.
    pub(super) fn purged(&self) -> &BTreeSet<CommuniqueId> {
        &self.purged
    }
    /// What is published, with the entry that says so.
    pub(super) fn published(&self) -> &BTreeMap<CommuniqueId, u64> {
        &self.published
    }
}
