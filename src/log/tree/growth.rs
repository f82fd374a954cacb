//! What one commit adds to a tree, kept in memory: enough to prove each of its entries, and that it continues the tree before it,
//! without a look at the store.

use std::collections::HashMap;

use super::{Edge, Fault, Hash, Node, Plan};

/// A tree before and after some leaves were appended, with every hash that proofs of these leaves are made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Growth {
    before: Edge,
    after: Edge,
    /// The complete subtrees of the tree before, and all that became complete since: of a new leaf, every sibling to its left is one
    /// of the former or among the latter, every sibling to its right is made of the latter.
    nodes: HashMap<Node, Hash>,
}

impl Growth {
    /// Nothing added yet to this tree.
    #[must_use]
    pub fn of(before: Edge) -> Self {
        let nodes = Node::cover(0..before.size).into_iter().zip(before.peaks.iter().copied()).collect();
        Self { after: before.clone(), before, nodes }
    }
    /// Appends a leaf and hands over every inner node that thereby becomes complete: what a store keeps with the entry.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] at [`super::SIZE_LIMIT`].
    pub fn append(&mut self, leaf: Hash, mut keep: impl FnMut(u64, Hash)) -> Result<(), Fault> {
        let nodes = &mut self.nodes;
        self.after.append(leaf, |node, hash| {
            nodes.insert(node, hash);
            if let Some(number) = node.number() {
                keep(number, hash);
            }
        })
    }
    /// The tree as it was.
    #[must_use]
    pub fn before(&self) -> &Edge {
        &self.before
    }
    /// The tree as it is.
    #[must_use]
    pub fn after(&self) -> &Edge {
        &self.after
    }
    /// The proof that a leaf is in the tree as it is; none for a leaf that was there before, whose proof only the store has.
    #[must_use]
    pub fn inclusion(&self, index: u64) -> Option<Vec<Hash>> {
        self.build(&Plan::inclusion(index, self.after.size).ok()?)
    }
    /// The proof that the tree as it is continues the tree as it was.
    #[must_use]
    pub fn consistency(&self) -> Option<Vec<Hash>> {
        self.build(&Plan::consistency(self.before.size, self.after.size).ok()?)
    }
    fn build(&self, plan: &Plan) -> Option<Vec<Hash>> {
        plan.build(|node| self.nodes.get(&node).copied().ok_or(())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::id::Digest,
        log::tree::{verify_consistency, verify_inclusion},
    };

    fn leaf(n: u64) -> Hash {
        Hash::of_entry(Digest::of(&n.to_be_bytes()))
    }

    #[test]
    fn every_growth_proves_itself_and_each_of_its_leaves() {
        let mut before = Edge::default();
        for size in 0..70 {
            let mut growth = Growth::of(before.clone());
            for added in 1..20 {
                growth.append(leaf(size + added - 1), |_, _| ()).unwrap();
                let (old, new) = (growth.before(), growth.after());
                assert_eq!((old.size(), new.size()), (size, size + added));
                let proof = growth.consistency().unwrap();
                verify_consistency((size, old.root()), (new.size(), new.root()), &proof).unwrap();
                for index in size..size + added {
                    let proof = growth.inclusion(index).unwrap();
                    verify_inclusion(leaf(index), index, new.size(), new.root(), &proof).unwrap();
                }
                assert_eq!(growth.inclusion(size + added), None);
            }
            before.append(leaf(size), |_, _| ()).unwrap();
        }
    }

    #[test]
    fn a_leaf_of_before_is_the_stores_to_prove() {
        let mut growth = Growth::of(Edge::default());
        (0..6).for_each(|n| growth.append(leaf(n), |_, _| ()).unwrap());
        let mut growth = Growth::of(growth.after().clone());
        growth.append(leaf(6), |_, _| ()).unwrap();
        assert_eq!(growth.inclusion(0), None);
        assert!(growth.inclusion(6).is_some());
    }

    #[test]
    fn inner_nodes_are_kept_under_their_numbers_without_gaps() {
        let mut kept = Vec::new();
        let mut growth = Growth::of(Edge::default());
        (0..40).for_each(|n| growth.append(leaf(n), |number, _| kept.push(number)).unwrap());
        assert!(kept.iter().copied().eq(0..kept.len() as u64));
    }
}
