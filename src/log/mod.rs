//! The transparency log: Merkle tree, proofs, notes, checkpoints, cosignatures, tiles. Pure and synchronous, like the domain, which
//! is all that it knows: bytes, times and keys are arguments, and nothing here reads a store or a clock.
//!
//! Formats are those of C2SP (<https://c2sp.org>): `signed-note`, `tlog-checkpoint`, `tlog-cosignature`, `tlog-proof`,
//! `tlog-tiles`, `tlog-witness`; the tree is that of RFC 6962, section 2.1, with SHA-256. Whatever is read here is written back as the
//! same bytes: each text has one spelling, and any other is refused.

use crate::{
    domain::message::{Fact, Message, Tell},
    msg,
};

pub mod checkpoint;
pub mod cosignature;
mod lines;
pub mod note;
pub mod proof;
#[cfg(test)]
mod tests;
pub mod tile;
pub mod tree;
pub mod witness;

/// Why something of a log is not believed. The sentences are for people; which check failed is the variant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Bytes that are not what they should be, or are spelled otherwise.
    Malformed {
        /// Which text.
        what: Message,
        /// What is wrong with it.
        problem: Message,
    },
    /// Over a written limit.
    TooLarge {
        /// What was measured, with its unit.
        what: Message,
        /// The most that it may be.
        limit: u64,
    },
    /// A public key that is not enrolled, or that does not have the key id that is written beside it.
    KeyRefused {
        /// The key's name.
        name: String,
        /// What is wrong with it.
        problem: Message,
    },
    /// A signature line of a known key does not verify: then nothing in the note counts.
    SignatureInvalid {
        /// The key's name.
        name: String,
    },
    /// No key that counts has signed.
    Unsigned {
        /// For which log, or as which cosigner, a signature was looked for.
        origin: String,
    },
    /// The checkpoint is another log's.
    OtherLog {
        /// The log that was expected.
        expected: String,
        /// The origin line.
        actual: String,
    },
    /// A signer failed.
    SigningFailed {
        /// The key's name.
        name: String,
        /// What the signer said.
        problem: Message,
    },
    /// The index lies beyond the tree.
    NotInTree {
        /// The entry's index.
        index: u64,
        /// The tree's size in leaves.
        size: u64,
    },
    /// An inclusion proof that does not lead to the root.
    NotIncluded {
        /// The entry's index.
        index: u64,
        /// The tree's size in leaves.
        size: u64,
    },
    /// A later tree that is smaller.
    Shrunk {
        /// The size seen before.
        old: u64,
        /// The size now.
        new: u64,
    },
    /// Two trees of one size with different roots.
    Forked {
        /// The size of both.
        size: u64,
    },
    /// A consistency proof that does not join the two roots.
    Inconsistent {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
}

impl Tell for Fault {
    fn tell(&self) -> Fact {
        match self {
            Self::Malformed { what, problem } => msg!("{what}: {problem}", what, problem),
            Self::TooLarge { what, limit } => msg!("{what} is over the limit of {limit}", what, limit),
            Self::KeyRefused { name, problem } => msg!("the key of {name} is refused: {problem}", name, problem),
            Self::SignatureInvalid { name } => msg!("a signature in the name of {name} does not verify", name),
            Self::Unsigned { origin } => msg!("no key known for {origin} has signed this", origin),
            Self::OtherLog { expected, actual } => msg!(
                "this is a checkpoint of {actual}, not of {expected}",
                actual = format!("{actual:?}"),
                expected = format!("{expected:?}")
            ),
            Self::SigningFailed { name, problem } => msg!("signing as {name} failed: {problem}", name, problem),
            Self::NotInTree { index, size } => {
                msg!("there is no entry {index} in a tree of {size} leaves", index, size)
            }
            Self::NotIncluded { index, size } => {
                msg!("the proof does not lead from entry {index} to the root of the tree of {size} leaves", index, size)
            }
            Self::Shrunk { old, new } => {
                msg!("the tree has {new} leaves, after it had {old}: it was rolled back", new, old)
            }
            Self::Forked { size } => {
                msg!("two trees of {size} leaves have different roots: the log shows two truths", size)
            }
            Self::Inconsistent { old, new } => {
                msg!("the proof does not show that the tree of {new} leaves continues the one of {old}", new, old)
            }
        }
        .into()
    }
}
crate::told!(Fault);

impl Fault {
    fn malformed(what: Message, problem: Message) -> Self {
        Self::Malformed { what, problem }
    }
}
