//! What is asked of a witness, and when it may cosign (C2SP tlog-witness, "add-checkpoint"): the texts and the judgement, without the
//! HTTP around them and without what it keeps.

use std::fmt;

use super::{
    Fault,
    checkpoint::{Head, Log, Unverified},
    lines,
    note::NOTE_LIMIT,
    tree::{Hash, verify_consistency},
};
use crate::{domain::message::Message, msg};

/// Most hashes of the consistency proof in a request ("add-checkpoint"): enough up to 2^62 leaves.
pub const HASHES_LIMIT: usize = 63;
/// Largest request, in bytes.
pub const REQUEST_LIMIT: usize = NOTE_LIMIT + (8 << 10);
/// The type of the body that says the size of the last head when [`No::Conflict`] is answered.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddCheckpoint {
    /// The size from which on the proof shows consistency: that of the last head that the witness cosigned, or 0.
    pub old: u64,
    /// The consistency proof.
    pub proof: Vec<Hash>,
    /// The checkpoint to be cosigned.
    pub checkpoint: Unverified,
}

/// Why a witness does not cosign: one variant for each status that the specification names.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum No {
    /// The request is none, or names an old size over the new one.
    #[error("{0}")]
    BadRequest(Fault),
    /// The witness does not know the log.
    #[error("this witness does not know the log {origin:?}")]
    UnknownLog {
        /// The origin line.
        origin: String,
    },
    /// No key known for the log has signed, or a signature by one does not verify.
    #[error("{0}")]
    Forbidden(Fault),
    /// The proof begins elsewhere than where the witness stands. Also when nothing is kept of the log: then it stands at 0.
    #[error("the last head cosigned has {size} leaves; send a proof from there on")]
    Conflict {
        /// Size of the last head that it cosigned.
        size: u64,
    },
    /// The checkpoint does not continue what was cosigned: if it is signed, that is evidence against the log.
    #[error("{0}")]
    Unprocessable(Fault),
}

impl No {
    /// The status of the answer in HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
            Self::UnknownLog { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Unprocessable(_) => 422,
        }
    }
}

impl AddCheckpoint {
    /// Parses the body of a request.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`]: a [`No::BadRequest`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let refuse = |problem: Message| Fault::malformed(msg!("a request for a cosignature"), problem);
        let text = lines::text(bytes, || msg!("a request for a cosignature, in bytes,"), REQUEST_LIMIT)?;
        let (head, note) =
            text.split_once("\n\n").ok_or_else(|| refuse(msg!("it has no empty line before its checkpoint")))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(lines::decimal);
        let old = old.ok_or_else(|| refuse(msg!("it names no old size")))?;
        let proof = lines::hashes(lines, || msg!("hashes of a consistency proof"), HASHES_LIMIT)?;
        Ok(Self { old, proof, checkpoint: Unverified::parse(note.as_bytes())? })
    }
    /// Whether a witness may cosign: it knows the log by this origin and these keys, or not, and last cosigned a head of this size and
    /// root, or none. The head that it answers must be kept durably before it is cosigned, and no other request of the same log may
    /// be judged in between.
    ///
    /// # Errors
    /// [`No`], checked in the order in which the specification tells.
    pub fn judge(&self, log: Option<&Log>, last: Option<(u64, Hash)>) -> Result<Head, No> {
        let origin = self.checkpoint.claims().origin();
        let log =
            log.filter(|log| log.origin() == origin).ok_or_else(|| No::UnknownLog { origin: origin.to_string() })?;
        let head = self.checkpoint.clone().verify(log).map_err(No::Forbidden)?;
        let (new, root) = (head.checkpoint().size(), head.checkpoint().root());
        if self.old > new {
            return Err(No::BadRequest(Fault::Shrunk { old: self.old, new }));
        }
        let (size, last) = last.unwrap_or((0, Hash::EMPTY));
        if self.old != size {
            return Err(No::Conflict { size });
        }
        verify_consistency((size, last), (new, root), &self.proof).map_err(No::Unprocessable)?;
        Ok(head)
    }
}
impl fmt::Display for AddCheckpoint {
    /// Writes the body of the request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint.note())
    }
}
