//! What many packages of one exchange share is checked once: their charters, and how their logs begin.
//!
//! Both are remembered by digests of all that they were judged from, so nothing is believed of one package because of another.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use super::{
    check::Failure,
    replay::{Indexed, Replay},
};
use crate::domain::{charter::Charter, document::Document, id::Digest};

/// How many charters, and how many beginnings, are remembered; then it is forgotten and begun anew.
const REMEMBERED: usize = 64;
/// Most bytes of a beginning that is remembered.
const BYTES: usize = 1 << 20;

/// What was found good in earlier packages.
#[derive(Default)]
pub(super) struct Known {
    charters: RwLock<HashMap<Digest, Arc<Document<Charter>>>>,
    /// By a digest of the entries, each with its index. An entry names all that it records by digest.
    beginnings: RwLock<HashMap<Digest, Arc<Replay>>>,
}

impl Known {
    /// The charter of these bytes.
    pub(super) fn charter<E>(
        &self,
        bytes: Vec<u8>,
        parse: impl FnOnce(Vec<u8>) -> Result<Document<Charter>, E>,
    ) -> Result<Arc<Document<Charter>>, E> {
        let digest = Digest::of(&bytes);
        match recall(&self.charters, digest) {
            Some(charter) => Ok(charter),
            None => Ok(remember(&self.charters, digest, parse(bytes)?)),
        }
    }
    /// What the log comes to after these entries, which are the first of a package.
    pub(super) fn beginning(
        &self,
        entries: &[Indexed],
        play: impl FnOnce() -> Result<Replay, Failure>,
    ) -> Result<Replay, Failure> {
        let mut all = Vec::with_capacity(entries.len() * 40);
        for e in entries {
            all.extend_from_slice(&e.index.to_be_bytes());
            all.extend_from_slice(e.digest.as_bytes());
        }
        let digest = Digest::of(&all);
        if let Some(played) = recall(&self.beginnings, digest) {
            return Ok((*played).clone());
        }
        let played = play()?;
        if played.bytes() <= BYTES {
            remember(&self.beginnings, digest, played.clone());
        }
        Ok(played)
    }
}

fn recall<T>(of: &RwLock<HashMap<Digest, Arc<T>>>, digest: Digest) -> Option<Arc<T>> {
    of.read().ok()?.get(&digest).cloned()
}

fn remember<T>(of: &RwLock<HashMap<Digest, Arc<T>>>, digest: Digest, found: T) -> Arc<T> {
    let found = Arc::new(found);
    if let Ok(mut held) = of.write() {
        if held.len() >= REMEMBERED {
            held.clear();
        }
        held.insert(digest, found.clone());
    }
    found
}
