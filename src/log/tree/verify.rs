//! Verifying proofs, by the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2: no tree is rebuilt, nothing but the proof is needed.

use super::{Fault, Hash, within_limit};

/// Verifies that a leaf is the one of this index in the tree of this size and root.
///
/// # Errors
/// [`Fault::NotInTree`], [`Fault::NotIncluded`]; [`Fault::TooLarge`] over [`super::SIZE_LIMIT`].
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, root: Hash, proof: &[Hash]) -> Result<(), Fault> {
    within_limit(size)?;
    if index >= size {
        return Err(Fault::NotInTree { index, size });
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut hash = leaf;
    for sibling in proof {
        match climb.step() {
            Some(Side::Left) => hash = Hash::of_children(sibling, &hash),
            Some(Side::Right) => hash = Hash::of_children(&hash, sibling),
            None => return Err(Fault::NotIncluded { index, size }),
        }
    }
    if climb.last == 0 && hash == root { Ok(()) } else { Err(Fault::NotIncluded { index, size }) }
}

/// Verifies that the tree of the new size and root continues that of the old size and root. Every tree continues the one without
/// leaves, whose root is [`Hash::EMPTY`]; of that and of a tree of the same size the proof is empty.
///
/// # Errors
/// [`Fault::Shrunk`], [`Fault::Forked`], [`Fault::Inconsistent`]; [`Fault::TooLarge`] over [`super::SIZE_LIMIT`].
pub fn verify_consistency(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> Result<(), Fault> {
    let ((old, old_root), (new, new_root)) = (old, new);
    within_limit(new)?;
    if old > new {
        return Err(Fault::Shrunk { old, new });
    }
    let inconsistent = Fault::Inconsistent { old, new };
    let bare = [(old, old_root), (new, new_root)].iter().all(|(size, root)| *size > 0 || *root == Hash::EMPTY);
    if !bare {
        return Err(Fault::Forked { size: 0 });
    }
    if old == new && old_root != new_root {
        return Err(Fault::Forked { size: new });
    }
    if old == 0 || old == new {
        return if proof.is_empty() { Ok(()) } else { Err(inconsistent) };
    }
    // Where the old tree is one complete subtree, its root is the first hash, and the proof leaves it out.
    let (first, rest) = match proof.split_first() {
        Some(_) if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(inconsistent),
    };
    let up = (old - 1).trailing_ones();
    let mut climb = Climb { node: (old - 1) >> up, last: (new - 1) >> up };
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        match climb.step() {
            Some(Side::Left) => {
                old_hash = Hash::of_children(sibling, &old_hash);
                new_hash = Hash::of_children(sibling, &new_hash);
            }
            Some(Side::Right) => new_hash = Hash::of_children(&new_hash, sibling),
            None => return Err(inconsistent),
        }
    }
    if climb.last == 0 && old_hash == old_root && new_hash == new_root { Ok(()) } else { Err(inconsistent) }
}

/// On which side of the path the proof's next hash lies.
enum Side {
    Left,
    Right,
}

/// The way up: the index of the node and that of the last one at the same height.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Goes up to where the next sibling is joined; none at the root, where no sibling is.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        // The last node of a height has no right sibling: it rises alone until it is a right child. (It is not 0: the last is not.)
        let left = self.node & 1 == 1 || self.node == self.last;
        let up = if left { self.node.trailing_zeros() + 1 } else { 1 };
        self.node >>= up;
        self.last >>= up;
        Some(if left { Side::Left } else { Side::Right })
    }
}
