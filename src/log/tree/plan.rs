//! What roots and proofs are made of, before any hash is read: so that a store can fetch all of it at once.

use std::{iter, ops::Range};

use super::{Fault, Hash, Node, fold, within_limit};

/// The parts of a root or proof: each of its hashes is folded from the hashes of one or more complete subtrees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    parts: Vec<Vec<Node>>,
}

impl Plan {
    /// The root of a tree of so many leaves: one part; none for the tree without leaves.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] over [`super::SIZE_LIMIT`].
    pub fn root(size: u64) -> Result<Self, Fault> {
        within_limit(size)?;
        Ok(Self::of(iter::once(0..size).filter(|whole| !whole.is_empty())))
    }
    /// The proof that a leaf is in a tree of so many leaves (RFC 6962, section 2.1.1: `PATH`), from the leaf's sibling up.
    ///
    /// # Errors
    /// [`Fault::NotInTree`] if it has no such leaf; [`Fault::TooLarge`] over [`super::SIZE_LIMIT`].
    pub fn inclusion(index: u64, size: u64) -> Result<Self, Fault> {
        within_limit(size)?;
        if index >= size {
            return Err(Fault::NotInTree { index, size });
        }
        let mut siblings = Vec::new();
        let mut tree = 0..size;
        while let Some((left, right)) = split(&tree) {
            let (inside, sibling) = if index < right.start { (left, right) } else { (right, left) };
            siblings.push(sibling);
            tree = inside;
        }
        Ok(Self::of(siblings.into_iter().rev()))
    }
    /// The proof that a tree continues an earlier one (RFC 6962, section 2.1.2: `PROOF`). It has no parts if both have the same size,
    /// or the earlier one no leaves: then there is nothing to show.
    ///
    /// # Errors
    /// [`Fault::Shrunk`] if the later one is smaller; [`Fault::TooLarge`] over [`super::SIZE_LIMIT`].
    pub fn consistency(old: u64, new: u64) -> Result<Self, Fault> {
        within_limit(new)?;
        if old > new {
            return Err(Fault::Shrunk { old, new });
        }
        let mut ranges = Vec::new();
        let mut tree = 0..if old == 0 { 0 } else { new };
        // Where the old tree ends, at every height; its own root is known to whoever asks, and so left out.
        while tree.end > old
            && let Some((left, right)) = split(&tree)
        {
            let (inside, sibling) = if old <= right.start { (left, right) } else { (right, left) };
            ranges.push(sibling);
            tree = inside;
        }
        if tree.start > 0 {
            ranges.push(tree);
        }
        Ok(Self::of(ranges.into_iter().rev()))
    }
    /// The nodes that must be read, each once, in the order in which [`Plan::build`] asks for them.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        self.parts.iter().flatten().copied()
    }
    /// The root or proof, from the hashes of its nodes.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn build<E>(&self, mut read: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
        let mut hashes = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let part: Vec<_> = part.iter().map(|node| read(*node)).collect::<Result<_, E>>()?;
            hashes.extend(fold(&part));
        }
        Ok(hashes)
    }
    fn of(ranges: impl Iterator<Item = Range<u64>>) -> Self {
        Self { parts: ranges.map(Node::cover).collect() }
    }
}

/// The two sides of a tree of more than one leaf: the left one has the largest power of two of leaves that is less than all.
fn split(tree: &Range<u64>) -> Option<(Range<u64>, Range<u64>)> {
    let leaves = tree.end - tree.start;
    let left = 1 << leaves.checked_sub(1)?.checked_ilog2()?;
    Some((tree.start..tree.start + left, tree.start + left..tree.end))
}
