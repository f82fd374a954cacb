//! Log entries: the documents that everything that happens is written in. They name documents and statements by digest.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    id::{CommuniqueId, Digest, PartyId, Salt},
    json::{self, Form},
    message::Message,
    refusal::Refusal,
    time::Time,
};
use crate::msg;

/// What an entry records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A charter was put forward: the document. It is in force once adopted.
    Charter,
    /// A party adopted a charter: the statement.
    Adoption,
    /// A party's newest CA set: the statement.
    Trust,
    /// Full powers: the statement.
    Powers,
    /// Full powers end: the statement.
    Revocation,
    /// A revision: the manifest, and the act that proposes it.
    Revision,
    /// Any other act: the statement.
    Act,
    /// The exchange opened a revision for signature: the acts that opened it.
    Opened,
    /// Every party's quorum of seats counts: the signatures that count.
    Completed,
    /// The document is public: the package's files by path and digest.
    Published,
    /// The deadline passed before every party had signed: the manifest.
    Lapsed,
    /// The charter that it was opened under is no longer in force, and it is drafted again: the manifest.
    Returned,
    /// A rectification of it is public: the rectification's manifest.
    Rectified,
    /// Every party asked for it, and the texts and annexes are erased: the acts that asked.
    Purged,
    /// A remark: the document. Only in a stream of remarks, never in a package.
    Remark,
}

/// The stream that an entry belongs to. A decision reads whole streams, and appends only if none of them grew.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StreamId {
    /// Charters and adoptions: `exchange`.
    Exchange,
    /// A party's trust and powers: `party/<id>`.
    Party(PartyId),
    /// A communiqué: `communique/<id>`.
    Communique(CommuniqueId),
    /// The remarks on a communiqué: `remarks/<id>`.
    Remarks(CommuniqueId),
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange => f.write_str("exchange"),
            Self::Party(id) => write!(f, "party/{id}"),
            Self::Communique(id) => write!(f, "communique/{id}"),
            Self::Remarks(id) => write!(f, "remarks/{id}"),
        }
    }
}
crate::tell_as_words!(StreamId);
impl FromStr for StreamId {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        match s.split_once('/') {
            None if s == "exchange" => Ok(Self::Exchange),
            Some(("party", id)) => Ok(Self::Party(id.parse()?)),
            Some(("communique", id)) => Ok(Self::Communique(id.parse()?)),
            Some(("remarks", id)) => Ok(Self::Remarks(id.parse()?)),
            _ => Err(Refusal::malformed(
                "entry.stream",
                msg!("is none of exchange, party/<id>, communique/<id>, remarks/<id>"),
            )),
        }
    }
}
impl TryFrom<String> for StreamId {
    type Error = Refusal;
    fn try_from(s: String) -> Result<Self, Refusal> {
        s.parse()
    }
}
impl From<StreamId> for String {
    fn from(s: StreamId) -> String {
        s.to_string()
    }
}

/// A file of a package and its digest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// The path below the package's top folder.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// One entry of the log. Its digest is the leaf of the log's tree and the `previous` of its stream's next entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Digests of the documents that it records, in the kind's order.
    pub documents: Vec<Digest>,
    /// In `published` alone: every other file of the package's `data/` but its `README.txt`, by path.
    pub files: Option<Vec<FileDigest>>,
    /// What it records.
    pub kind: Kind,
    /// Digest of the stream's entry before it; null in the first.
    pub previous: Option<Digest>,
    /// Keeps the digest from confirming a guess.
    pub salt: Salt,
    /// Its number within the stream, from 0.
    pub seq: u64,
    /// Digests of the statements that it records, in the kind's order.
    pub statements: Vec<Digest>,
    /// The stream.
    pub stream: StreamId,
    /// Log time: the exchange's clock, never before the entry that precedes it in the log.
    pub time: Time,
}

/// Most documents or statements that one entry names.
pub const NAMED_LIMIT: usize = 1024;
/// Most files that a `published` entry lists.
pub const FILES_LIMIT: usize = 32 << 10;

impl Form for Entry {
    const NAME: &'static str = "entry";
    const LIMIT: usize = 8 << 20;
    fn called() -> Message {
        msg!("form" => "entry")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::integer("entry.seq", self.seq, 0)?;
        json::count("entry.documents", self.documents.len(), 0, NAMED_LIMIT)?;
        json::count("entry.statements", self.statements.len(), 0, NAMED_LIMIT)?;
        if self.files.is_some() != (self.kind == Kind::Published) {
            return Err(Refusal::malformed("entry.files", msg!("is present in a published entry and in no other")));
        }
        if let Some(files) = &self.files {
            json::count("entry.files", files.len(), 1, FILES_LIMIT)?;
            json::ascending("entry.files", files.iter().map(|f| &f.path))?;
        }
        if self.previous.is_none() != (self.seq == 0) {
            return Err(Refusal::malformed(
                "entry.previous",
                msg!("is null in a stream's first entry and in no other"),
            ));
        }
        Ok(())
    }
}

/// Where a stream ends: what its next entry continues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// How many entries it has.
    pub length: u64,
    /// Digest of its last entry.
    pub last: Option<Digest>,
}

impl Position {
    /// Passes over entries that are not known, so that this one continues it. It never goes back.
    pub fn pass_gap(&mut self, entry: &Entry) {
        if entry.seq > self.length {
            *self = Self { length: entry.seq, last: entry.previous };
        }
    }
    /// Goes on over the stream's next entry.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if the entry does not continue this position.
    pub fn advance(&mut self, entry: &Entry, digest: Digest) -> Result<(), Refusal> {
        if (entry.seq, entry.previous) != (self.length, self.last) {
            return Err(Refusal::Inconsistent {
                what: msg!("entry {seq} of {stream} does not continue it", seq = entry.seq, stream = entry.stream),
            });
        }
        *self = Self { length: self.length + 1, last: Some(digest) };
        Ok(())
    }
}

/// An entry as a fold reads it: with its place in the log and the objects that it names.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Its index in the log.
    pub index: u64,
    /// Its digest.
    pub digest: Digest,
    /// What it says.
    pub entry: &'a Entry,
    /// The bytes of the documents and then of the statements that it names, in its order.
    pub objects: &'a [Vec<u8>],
}

impl Recorded<'_> {
    /// Where and when.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { index: self.index, entry: self.digest, time: self.entry.time }
    }
    /// The bytes of its document of this number.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if it names none.
    pub fn document(&self, n: usize) -> Result<&[u8], Refusal> {
        self.entry
            .documents
            .get(n)
            .and(self.objects.get(n))
            .map(Vec::as_slice)
            .ok_or_else(|| self.lacks(msg!("document")))
    }
    /// The compact form of its statement of this number.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if it names none, or the bytes are not UTF-8.
    pub fn statement(&self, n: usize) -> Result<&str, Refusal> {
        let bytes = self.entry.statements.get(n).and(self.objects.get(self.entry.documents.len() + n));
        bytes.and_then(|b| std::str::from_utf8(b).ok()).ok_or_else(|| self.lacks(msg!("statement")))
    }
    fn lacks(&self, what: Message) -> Refusal {
        Refusal::Inconsistent { what: msg!("entry {index} lacks a {what}", index = self.index, what) }
    }
}

/// Where and when something was logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The entry's index in the log.
    pub index: u64,
    /// The entry's digest.
    pub entry: Digest,
    /// Log time.
    pub time: Time,
}

/// What a decision asks to be logged: an entry without its place, time and salt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What it records.
    pub kind: Kind,
    /// Digests of its documents.
    pub documents: Vec<Digest>,
    /// Digests of its statements.
    pub statements: Vec<Digest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_spelling() {
        for good in ["exchange", "party/north", "communique/019cae6b-6600-7101-8101-010101010101"] {
            assert_eq!(good.parse::<StreamId>().unwrap().to_string(), good);
        }
        for bad in ["", "exchange/", "exchanges", "party", "party/", "communique/1", "log/north"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_entry_names_is_found_by_its_number() {
        let names = |kinds: &[u8]| kinds.iter().map(|n| Digest::of(&[*n])).collect();
        let entry = Entry {
            documents: names(b"ab"),
            files: None,
            kind: Kind::Act,
            previous: None,
            salt: Salt::new([0; 32]),
            seq: 0,
            statements: names(b"cd"),
            stream: StreamId::Exchange,
            time: Time::from_unix(0),
        };
        let objects = ["a", "b", "c", "d"].map(|object| object.as_bytes().to_vec());
        let recorded = Recorded { index: 7, digest: Digest::of(b""), entry: &entry, objects: &objects };
        assert_eq!((recorded.document(0), recorded.document(1)), (Ok(&b"a"[..]), Ok(&b"b"[..])));
        assert_eq!((recorded.statement(0), recorded.statement(1)), (Ok("c"), Ok("d")));
        assert!(recorded.document(2).is_err() && recorded.statement(2).is_err());
        let few = Recorded { objects: &objects[..3], ..recorded };
        assert!(few.statement(1).is_err());
    }
}
