//! What many packages of one exchange share is checked once: their charters, entries of other streams than their own, and how their
//! logs begin.
//!
//! All are remembered by digests of all that they were judged from, so nothing is believed of one package because of another.

use std::sync::Arc;

use super::{
    check::Failure,
    replay::{Indexed, Replay},
    write::Contents,
};
use crate::domain::{
    charter::Charter,
    document::Document,
    entry::{Entry, StreamId},
    id::Digest,
    json,
    memo::Memo,
    refusal::Refusal,
};

/// How many charters are remembered, and how many beginnings, which are larger: those of one folder are few.
const CHARTERS: usize = 64;
const BEGINNINGS: usize = 8;
/// How many entries of other streams than a communiqué's are remembered, and how many bytes each may have.
const ENTRIES: usize = 4096;
const ENTRY_BYTES: usize = 1 << 10;
/// Most bytes that a beginning that is remembered records.
const BYTES: usize = 1 << 20;

/// What was found good in earlier packages.
pub(super) struct Known {
    charters: Memo<Digest, Document<Charter>>,
    entries: Memo<Digest, Arc<Entry>>,
    /// By a digest of the entries, each with its index. An entry names all that it records by digest.
    beginnings: Memo<Digest, Arc<Replay>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { charters: Memo::new(CHARTERS), entries: Memo::new(ENTRIES), beginnings: Memo::new(BEGINNINGS) }
    }
}

impl Known {
    /// The charter of these bytes.
    pub(super) fn charter<E>(
        &self,
        bytes: Vec<u8>,
        parse: impl FnOnce(Vec<u8>) -> Result<Document<Charter>, E>,
    ) -> Result<Document<Charter>, E> {
        self.charters.get(Digest::of(&bytes), || parse(bytes))
    }
    /// The entry of these bytes and this digest.
    pub(super) fn entry(&self, digest: Digest, bytes: &[u8]) -> Result<Arc<Entry>, Refusal> {
        if let Some(entry) = self.entries.held(&digest) {
            return Ok(entry);
        }
        let entry = Arc::new(json::parse::<Entry>(bytes)?);
        if bytes.len() <= ENTRY_BYTES && !matches!(entry.stream, StreamId::Communique(_)) {
            self.entries.hold(digest, entry.clone());
        }
        Ok(entry)
    }
    /// What the log comes to after these entries, which are the first of a package.
    pub(super) fn beginning(
        &self,
        contents: &Contents,
        entries: &[Indexed],
        play: impl FnOnce() -> Result<Replay, Failure>,
    ) -> Result<Replay, Failure> {
        if contents.recorded(entries).map(|(_, bytes)| bytes.len()).sum::<usize>() > BYTES {
            return play();
        }
        let mut all = Vec::with_capacity(entries.len() * 40);
        for e in entries {
            all.extend_from_slice(&e.index.to_be_bytes());
            all.extend_from_slice(e.digest.as_bytes());
        }
        self.beginnings.get(Digest::of(&all), || play().map(Arc::new)).map(|played| (*played).clone())
    }
}
