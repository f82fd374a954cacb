//! The Merkle tree of RFC 6962, section 2.1: hashes, the complete subtrees that are kept, and growing by one leaf.
//!
//! A leaf's data is the digest of the log's entry, 32 bytes, and never the entry: so the public tree tells nothing. An append makes
//! one leaf and, on average, one inner node. A store keeps inner nodes alone (32 bytes each, under the number that
//! [`Node::number`] gives): a leaf's hash follows from the entry's digest, which it has anyway.

mod growth;
mod plan;
#[cfg(test)]
mod tests;
mod verify;

use std::{fmt, ops::Range, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::Fault;
use crate::{domain::id::Digest, msg};

pub use growth::Growth;
pub use plan::Plan;
pub use verify::{verify_consistency, verify_inclusion};

/// Most leaves of a tree: 2^63 − 1, as far as C2SP programs in Go count.
pub const SIZE_LIMIT: u64 = i64::MAX as u64;
/// Most hashes of an inclusion proof: the height of the largest tree.
pub const INCLUSION_LIMIT: usize = 63;
/// Most hashes of a consistency proof: one more than the height of the largest tree. Up to 2^62 leaves 63 are enough, which is what C2SP
/// tlog-witness lets one send.
pub const CONSISTENCY_LIMIT: usize = 64;

/// The hash of a node of the tree: SHA-256, with a prefix that keeps leaves and inner nodes apart. Not an entry's digest, so it is
/// another type. Written in base64 (RFC 4648, section 4), as in all C2SP texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The root of the tree without leaves: SHA-256 of nothing (RFC 6962, section 2.1).
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);
    /// The leaf of an entry of the log: the leaf whose data is the entry's digest.
    #[must_use]
    pub fn of_entry(digest: Digest) -> Self {
        Self::of_leaf(digest.as_bytes())
    }
    /// The leaf with this data: SHA-256 of 0x00 and the data.
    #[must_use]
    pub fn of_leaf(data: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
    }
    /// The node over these two: SHA-256 of 0x01 and both.
    #[must_use]
    pub fn of_children(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }
    /// A hash that was kept or received.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
impl FromStr for Hash {
    type Err = Fault;
    fn from_str(s: &str) -> Result<Self, Fault> {
        let bytes = STANDARD.decode(s).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| Fault::malformed(msg!("a hash"), msg!("it is not 32 bytes in base64")))
    }
}
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}
crate::tell_as_words!(Hash);
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A complete subtree: 2^`level` leaves from `index` · 2^`level` on. Once its last leaf is there, its hash never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node {
    level: u32,
    index: u64,
}

impl Node {
    /// The subtree at this height (leaves are 0) and place; none if it would lie beyond [`SIZE_LIMIT`] leaves.
    #[must_use]
    pub fn new(level: u32, index: u64) -> Option<Self> {
        (level < 63 && index < SIZE_LIMIT >> level).then_some(Self { level, index })
    }
    /// Its height above the leaves: 0 … 62.
    #[must_use]
    pub fn level(self) -> u32 {
        self.level
    }
    /// How many subtrees of the same height are to its left.
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }
    /// The indices of its leaves.
    #[must_use]
    pub fn leaves(self) -> Range<u64> {
        self.index << self.level..(self.index + 1) << self.level
    }
    /// Whether it is an inner node, thus one that a store keeps: its number in the order in which inner nodes come to be, without
    /// gaps, from 0. None for a leaf.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        // Before its last leaf comes, n leaves have made n − popcount(n) inner nodes. Then the leaf makes one at each height.
        let before = self.leaves().end - 1;
        let height = u64::from(self.level.checked_sub(1)?);
        Some(before - u64::from(before.count_ones()) + height)
    }
    /// The complete subtrees that cover these leaves, the largest that fit from the left. The range begins where a subtree as large
    /// as its first one may begin: true of every range that a tree or proof is made of.
    fn cover(leaves: Range<u64>) -> Vec<Self> {
        let mut nodes = Vec::new();
        let mut start = leaves.start;
        while start < leaves.end {
            let level = (leaves.end - start).ilog2();
            nodes.push(Self { level, index: start >> level });
            start += 1 << level;
        }
        nodes
    }
}

/// The right edge of a tree: all that is needed to append, and to say the root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edge {
    size: u64,
    /// The hashes of the complete subtrees of which the tree consists, from the largest, left, to the smallest.
    peaks: Vec<Hash>,
}

impl Edge {
    /// The nodes whose hashes make the edge of a tree of so many leaves, in the order that [`Edge::new`] takes.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] over [`SIZE_LIMIT`].
    pub fn nodes(size: u64) -> Result<Vec<Node>, Fault> {
        within_limit(size)?;
        Ok(Node::cover(0..size))
    }
    /// The edge of a tree of so many leaves, from what was kept of it.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] over [`SIZE_LIMIT`]; [`Fault::Malformed`] if there is not one hash for each node.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Result<Self, Fault> {
        within_limit(size)?;
        if hashes.len() != size.count_ones() as usize {
            return Err(Fault::malformed(
                msg!("the edge of a tree"),
                msg!("it has not as many hashes as complete subtrees"),
            ));
        }
        Ok(Self { size, peaks: hashes })
    }
    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
    /// The hashes of the complete subtrees that it consists of, as [`Edge::new`] takes them.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }
    /// The root of the tree (RFC 6962, section 2.1: `MTH`).
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks).unwrap_or(Hash::EMPTY)
    }
    /// Appends a leaf and hands over every node that thereby becomes complete, from the leaf up: what a store keeps with the entry.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] at [`SIZE_LIMIT`].
    pub fn append(&mut self, leaf: Hash, mut keep: impl FnMut(Node, Hash)) -> Result<(), Fault> {
        within_limit(self.size.saturating_add(1))?;
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        keep(node, hash);
        // A right child has its left sibling as the last peak.
        while node.index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = Hash::of_children(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            keep(node, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }
}

/// The root over hashes of complete subtrees, from the largest to the smallest; none of none.
fn fold(peaks: &[Hash]) -> Option<Hash> {
    peaks.iter().rev().copied().reduce(|right, left| Hash::of_children(&left, &right))
}

fn within_limit(size: u64) -> Result<(), Fault> {
    if size > SIZE_LIMIT {
        Err(Fault::TooLarge { what: msg!("a tree, in leaves,"), limit: SIZE_LIMIT })
    } else {
        Ok(())
    }
}
