//! What many packages of one exchange share is checked once: their charters, and how their logs begin.
//!
//! Both are remembered by digests of all that they were judged from, so nothing is believed of one package because of another.

use std::sync::Arc;

use super::{
    check::Failure,
    replay::{Indexed, Replay},
    write::Contents,
};
use crate::domain::{charter::Charter, document::Document, id::Digest, memo::Memo};

/// How many charters are remembered, and how many beginnings, which are larger: those of one folder are few.
const CHARTERS: usize = 64;
const BEGINNINGS: usize = 8;
/// Most bytes that a beginning that is remembered records.
const BYTES: usize = 1 << 20;

/// What was found good in earlier packages.
pub(super) struct Known {
    charters: Memo<Digest, Document<Charter>>,
    /// By a digest of the entries, each with its index. An entry names all that it records by digest.
    beginnings: Memo<Digest, Arc<Replay>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { charters: Memo::new(CHARTERS), beginnings: Memo::new(BEGINNINGS) }
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
    /// What the log comes to after these entries, which are the first of a package.
    pub(super) fn beginning(
        &self,
        contents: &Contents,
        entries: &[Indexed],
        play: impl FnOnce() -> Result<Replay, Failure>,
    ) -> Result<Replay, Failure> {
        let documents = entries.iter().flat_map(|e| &e.entry.documents).filter_map(|d| contents.document(*d));
        let statements = entries.iter().flat_map(|e| &e.entry.statements).filter_map(|d| contents.statement(*d));
        if documents.chain(statements).map(<[u8]>::len).sum::<usize>() > BYTES {
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
