//! Log entries: the documents that everything that happens is written in. They name documents and statements by digest.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    id::{CommuniqueId, Digest, PartyId, Salt},
    json::{self, Form},
    refusal::Refusal,
    time::Time,
};

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
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange => f.write_str("exchange"),
            Self::Party(id) => write!(f, "party/{id}"),
            Self::Communique(id) => write!(f, "communique/{id}"),
        }
    }
}
impl FromStr for StreamId {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        match s.split_once('/') {
            None if s == "exchange" => Ok(Self::Exchange),
            Some(("party", id)) => Ok(Self::Party(id.parse()?)),
            Some(("communique", id)) => Ok(Self::Communique(id.parse()?)),
            _ => Err(Refusal::malformed("entry.stream", "is none of exchange, party/<id>, communique/<id>")),
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
pub const FILES_LIMIT: usize = 4096;

impl Form for Entry {
    const NAME: &'static str = "entry";
    const LIMIT: usize = 1 << 20;
    fn check(&self) -> Result<(), Refusal> {
        json::integer("entry.seq", self.seq, 0)?;
        json::count("entry.documents", self.documents.len(), 0, NAMED_LIMIT)?;
        json::count("entry.statements", self.statements.len(), 0, NAMED_LIMIT)?;
        if self.files.is_some() != (self.kind == Kind::Published) {
            return Err(Refusal::malformed("entry.files", "is present in a published entry and in no other"));
        }
        if let Some(files) = &self.files {
            json::count("entry.files", files.len(), 1, FILES_LIMIT)?;
            json::ascending("entry.files", files.iter().map(|f| &f.path))?;
        }
        if self.previous.is_none() != (self.seq == 0) {
            return Err(Refusal::malformed("entry.previous", "is null in a stream's first entry and in no other"));
        }
        Ok(())
    }
}
