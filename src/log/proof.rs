//! Proofs that stand alone (C2SP tlog-proof): that one entry is in a log, with the signed checkpoint that says so.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Fault,
    checkpoint::{Head, Log, Unverified},
    lines,
    note::NOTE_LIMIT,
    tree::{Hash, INCLUSION_LIMIT, verify_inclusion},
};
use crate::{domain::message::Message, msg};

/// The first line ("Format").
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The ending of a file's name that holds one.
pub const EXTENSION: &str = "tlog-proof";
/// Largest extra data, in bytes.
pub const EXTRA_LIMIT: usize = 64 << 10;
/// Largest proof, in bytes.
pub const PROOF_LIMIT: usize = NOTE_LIMIT + 2 * EXTRA_LIMIT;

/// A proof, as it was made or read: it proves nothing until it was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: Unverified,
}

impl Proof {
    /// The proof of the entry of this index under this head, without extra data.
    ///
    /// # Errors
    /// [`Fault::NotInTree`]; [`Fault::TooLarge`] for more than [`INCLUSION_LIMIT`] hashes.
    pub fn new(index: u64, hashes: Vec<Hash>, head: Head) -> Result<Self, Fault> {
        let size = head.checkpoint().size();
        if index >= size {
            return Err(Fault::NotInTree { index, size });
        }
        if hashes.len() > INCLUSION_LIMIT {
            return Err(Fault::TooLarge { what: hashes_called(), limit: INCLUSION_LIMIT as u64 });
        }
        Ok(Self { extra: None, index, hashes, checkpoint: head.into_unverified() })
    }
    /// Parses a proof ("Format").
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let (path, note) = Path::parse(bytes)?;
        let Path { extra, index, hashes } = path;
        Ok(Self { extra, index, hashes, checkpoint: Unverified::parse(note)? })
    }
    /// Extra data of the application: signed by nobody. Evidence of a package has none.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }
    /// The index of the entry.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
    /// The hashes of the inclusion proof, from the leaf's sibling up.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }
    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Unverified {
        &self.checkpoint
    }
    /// Verifies that this leaf is the entry of this proof's index in the log ("Verifying a tlog proof", 2 and 4). Cosignatures (3) are
    /// the caller's to look for in the head that it answers, and extra data to accept or not.
    ///
    /// # Errors
    /// Those of [`Unverified::verify`] and [`verify_inclusion`].
    pub fn verify(&self, leaf: Hash, log: &Log) -> Result<Head, Fault> {
        let head = self.checkpoint.clone().verify(log)?;
        verify_inclusion(leaf, self.index, head.checkpoint().size(), head.checkpoint().root(), &self.hashes)?;
        Ok(head)
    }
}
impl fmt::Display for Proof {
    /// Writes the proof byte for byte as it was parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint.note())
    }
}

/// A proof without its checkpoint: where the entry is, and what leads from it to the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// As in [`Proof::extra`].
    pub extra: Option<Vec<u8>>,
    /// As in [`Proof::index`].
    pub index: u64,
    /// As in [`Proof::hashes`].
    pub hashes: Vec<Hash>,
}

impl Path {
    /// Parses a proof up to its checkpoint, whose bytes it answers as they are: of many proofs with one checkpoint, that is judged
    /// once.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Fault> {
        let refuse = |problem: Message| Fault::malformed(msg!("a proof"), problem);
        if bytes.len() > PROOF_LIMIT {
            return Err(Fault::TooLarge { what: msg!("a proof, in bytes,"), limit: PROOF_LIMIT as u64 });
        }
        let end = bytes.windows(2).position(|pair| pair == b"\n\n");
        let (path, note) = end
            .and_then(|end| Some((bytes.get(..end)?, bytes.get(end + 2..)?)))
            .ok_or_else(|| refuse(msg!("it has no empty line before its checkpoint")))?;
        let mut lines = lines::text(path, || msg!("a proof, in bytes,"), PROOF_LIMIT)?.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(refuse(msg!("its first line does not name the format")));
        }
        let mut line = lines.next().unwrap_or_default();
        let extra = line.strip_prefix("extra ").map(read_extra).transpose()?;
        if extra.is_some() {
            line = lines.next().unwrap_or_default();
        }
        let index =
            line.strip_prefix("index ").and_then(lines::decimal).ok_or_else(|| refuse(msg!("it names no index")))?;
        let hashes = lines::hashes(lines, hashes_called, INCLUSION_LIMIT)?;
        Ok((Self { extra, index, hashes }, note))
    }
}

/// What the hashes are called when there are too many.
fn hashes_called() -> Message {
    msg!("hashes of an inclusion proof")
}

fn read_extra(base64: &str) -> Result<Vec<u8>, Fault> {
    let extra = STANDARD.decode(base64).ok().filter(|extra| !extra.is_empty());
    let extra =
        extra.ok_or_else(|| Fault::malformed(msg!("a proof"), msg!("its extra data is empty or not base64")))?;
    if extra.len() > EXTRA_LIMIT {
        return Err(Fault::TooLarge { what: msg!("extra data of a proof, in bytes,"), limit: EXTRA_LIMIT as u64 });
    }
    Ok(extra)
}
