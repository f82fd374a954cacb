//! Tiles as those who fetch them read them. No program of ours does: tests stand for those who do.

use std::collections::BTreeSet;

use super::*;
use crate::log::tree::{Hash, Plan};

/// Bytes of one leaf in a bundle: its length in two bytes, and a digest.
pub(super) const LEAF_BYTES: usize = 34;

impl Tile {
    /// The tile at this level and place as a tree of so many leaves has it; none if it would be empty.
    #[must_use]
    pub fn of_tree(level: u32, index: u64, size: u64) -> Option<Self> {
        Some(Self { level, index, width: width(level, index, size)? })
    }
    /// The hashes in its bytes.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if these are not as many as its width says.
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<Hash>, Fault> {
        match bytes.as_chunks::<32>() {
            (hashes, []) if hashes.len() as u64 == self.width => {
                Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
            }
            _ => Err(Fault::malformed(msg!("a tile"), msg!("it has not as many bytes as its path says"))),
        }
    }
    /// The tile of a tree of so many leaves from which a node's hash can be had.
    #[must_use]
    pub fn holding(node: Node, size: u64) -> Option<Self> {
        let tile = Self::of_tree(node.level() / HEIGHT, (node.index() << (node.level() % HEIGHT)) / WIDTH, size)?;
        (node.leaves().end <= size).then_some(tile)
    }
    /// The hash of a node, from the hashes of its tile; none if it is of another tile. It is as true as the tile: a proof that is built
    /// from tiles is verified like any other.
    #[must_use]
    pub fn hash_of(self, node: Node, hashes: &[Hash]) -> Option<Hash> {
        let (tile, up) = (node.level() / HEIGHT, node.level() % HEIGHT);
        let start = (node.index() << up)
            .checked_sub(self.index * WIDTH)
            .filter(|start| *start < WIDTH && tile == self.level)?;
        let mut row = hashes.get(start as usize..start as usize + (1 << up))?.to_vec();
        while row.len() > 1 {
            row = row.as_chunks().0.iter().map(|[left, right]| Hash::of_children(left, right)).collect();
        }
        row.first().copied()
    }
    /// The tiles of a tree of so many leaves that must be fetched to build what is planned. The plan must be of a tree that is not
    /// larger.
    #[must_use]
    pub fn needed(plan: &Plan, size: u64) -> BTreeSet<Self> {
        plan.nodes().filter_map(|node| Self::holding(node, size)).collect()
    }
}

impl Bundle {
    /// The bundle at this place as a tree of so many leaves has it; none if it would be empty.
    #[must_use]
    pub fn of_tree(index: u64, size: u64) -> Option<Self> {
        Some(Self { index, width: width(0, index, size)? })
    }
    /// The digests in its bytes.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if these are not as many as its width says, or a leaf is not of 32 bytes.
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<Digest>, Fault> {
        let refuse =
            || Fault::malformed(msg!("a bundle of entries"), msg!("it does not hold as many digests as its path says"));
        let (leaves, []) = bytes.as_chunks::<LEAF_BYTES>() else { return Err(refuse()) };
        let digests = leaves.iter().map(|leaf| match leaf.split_first_chunk() {
            Some(([0, 32], digest)) => digest.try_into().map(Digest::from_bytes).map_err(|_| refuse()),
            _ => Err(refuse()),
        });
        let digests: Vec<_> = digests.collect::<Result<_, _>>()?;
        if digests.len() as u64 == self.width { Ok(digests) } else { Err(refuse()) }
    }
}
