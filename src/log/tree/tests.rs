use std::{collections::BTreeMap, convert::Infallible};

use proptest::prelude::*;

use super::*;

fn hash(hex: &str) -> Hash {
    Hash::from_bytes(*Digest::parse(hex).unwrap().as_bytes())
}

/// Data of the eight leaves with which Certificate Transparency's own tests begin (trillian, transparency-dev/merkle `testonly`).
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
/// The roots of the trees of 0 … 8 of them, from the same place.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Nodes of the same tree.
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAF_2: &str = "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7";
const LEAF_3: &str = "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const LEAF_6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const LEAF_7: &str = "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1";
const PAIR_0: &str = ROOTS[2];
const PAIR_1: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const PAIR_2: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const PAIR_3: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const FOUR_0: &str = ROOTS[4];
const FOUR_1: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

/// The right side of the tree of seven, over [`PAIR_2`] and [`LEAF_6`]: `l` in the figures of RFC 6962, section 2.1.3.
const THREE_1: &str = "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e";

/// The root as RFC 6962, section 2.1 defines it, word by word.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::EMPTY,
        [leaf] => *leaf,
        _ => {
            let left = (leaves.len() - 1).ilog2();
            let (left, right) = leaves.split_at(1 << left);
            Hash::of_children(&root_of(left), &root_of(right))
        }
    }
}

/// `PATH` of RFC 6962, section 2.1.1.
fn path_of(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let left = 1 << (leaves.len() - 1).ilog2();
    let (left, right) = leaves.split_at(left);
    let (mut path, sibling) =
        if index < left.len() { (path_of(index, left), right) } else { (path_of(index - left.len(), right), left) };
    path.push(root_of(sibling));
    path
}

/// `SUBPROOF` of RFC 6962, section 2.1.2.
fn subproof_of(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known { Vec::new() } else { vec![root_of(leaves)] };
    }
    let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
    let (mut proof, sibling) = if old <= left.len() {
        (subproof_of(old, left, known), right)
    } else {
        (subproof_of(old - left.len(), right, false), left)
    };
    proof.push(root_of(sibling));
    proof
}

/// A log as a store keeps it: the leaves, and inner nodes by number.
#[derive(Default)]
struct Kept {
    leaves: Vec<Hash>,
    inner: Vec<Hash>,
    edge: Edge,
}

impl Kept {
    fn grown(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut kept = Self::default();
        leaves.into_iter().for_each(|leaf| kept.append(leaf));
        kept
    }
    fn of_size(size: u64) -> Self {
        Self::grown((0..size).map(|n| Hash::of_entry(Digest::of(&n.to_be_bytes()))))
    }
    fn append(&mut self, leaf: Hash) {
        let Self { leaves, inner, edge } = self;
        edge.append(leaf, |node, hash| match node.number() {
            None => leaves.push(hash),
            Some(number) => {
                assert_eq!(number, inner.len() as u64, "inner nodes come without gaps");
                inner.push(hash);
            }
        })
        .unwrap();
    }
    fn read(&self, node: Node) -> Hash {
        node.number().map_or_else(|| self.leaves[node.index() as usize], |number| self.inner[number as usize])
    }
    fn build(&self, plan: Result<Plan, Fault>) -> Vec<Hash> {
        let Ok(hashes) = plan.unwrap().build(|node| Ok::<_, Infallible>(self.read(node)));
        hashes
    }
    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        self.build(Plan::inclusion(index, size))
    }
    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        self.build(Plan::consistency(old, new))
    }
    fn root(&self, size: u64) -> Hash {
        root_of(&self.leaves[..size as usize])
    }
}

#[test]
fn the_trees_of_certificate_transparency() {
    let kept = Kept::grown(LEAVES.iter().map(|data| Hash::of_leaf(data)));
    assert_eq!(Hash::EMPTY.as_bytes(), Digest::of(b"").as_bytes());
    let mut edge = Edge::default();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(edge.root(), hash(root), "size {size}");
        assert_eq!(kept.root(size as u64), hash(root), "size {size}");
        if let Some(data) = LEAVES.get(size) {
            edge.append(Hash::of_leaf(data), |_, _| ()).unwrap();
        }
    }
    // Inclusion proofs of transparency-dev/merkle, and of RFC 6962, section 2.1.3: leaves 0, 3, 4 and 6 of 7.
    for (index, size, proof) in [
        (0, 1, vec![]),
        (0, 8, vec![LEAF_1, PAIR_1, FOUR_1]),
        (5, 8, vec![LEAF_4, PAIR_3, FOUR_0]),
        (2, 3, vec![PAIR_0]),
        (3, 7, vec![LEAF_2, PAIR_0, THREE_1]),
        (6, 7, vec![PAIR_2, FOUR_0]),
    ] {
        let proof: Vec<_> = proof.into_iter().map(hash).collect();
        assert_eq!(kept.inclusion(index, size), proof, "{index} of {size}");
        let leaf = Hash::of_leaf(LEAVES[index as usize]);
        assert_eq!(verify_inclusion(leaf, index, size, hash(ROOTS[size as usize]), &proof), Ok(()));
    }
    // Consistency proofs of transparency-dev/merkle, and of RFC 6962, section 2.1.3: 3, 4 and 6 to 7.
    for (old, new, proof) in [
        (1, 1, vec![]),
        (1, 8, vec![LEAF_1, PAIR_1, FOUR_1]),
        (2, 5, vec![PAIR_1, LEAF_4]),
        (6, 8, vec![PAIR_2, PAIR_3, FOUR_0]),
        (7, 8, vec![LEAF_6, LEAF_7, PAIR_2, FOUR_0]),
        (3, 7, vec![LEAF_2, LEAF_3, PAIR_0, THREE_1]),
        (4, 7, vec![THREE_1]),
        (6, 7, vec![PAIR_2, LEAF_6, FOUR_0]),
    ] {
        let proof: Vec<_> = proof.into_iter().map(hash).collect();
        assert_eq!(kept.consistency(old, new), proof, "{old} to {new}");
        let root = |size: u64| (size, hash(ROOTS[size as usize]));
        assert_eq!(verify_consistency(root(old), root(new), &proof), Ok(()));
    }
}

#[test]
fn what_is_kept_gives_every_root_and_proof() {
    let kept = Kept::of_size(130);
    for size in 0..=130 {
        let leaves = &kept.leaves[..size as usize];
        let root = root_of(leaves);
        let edge = Edge::nodes(size).unwrap().into_iter().map(|node| kept.read(node)).collect();
        let edge = Edge::new(size, edge).unwrap();
        assert_eq!((edge.root(), Edge::new(size, edge.peaks().to_vec())), (root, Ok(edge.clone())));
        assert_eq!(Kept::grown(leaves.iter().copied()).edge.root(), root);
        assert_eq!(kept.build(Plan::root(size)), Vec::from_iter((size > 0).then_some(root)));
        for index in 0..size {
            let proof = kept.inclusion(index, size);
            assert_eq!(proof, path_of(index as usize, leaves), "{index} of {size}");
            assert_eq!(
                verify_inclusion(leaves[index as usize], index, size, root, &proof),
                Ok(()),
                "{index} of {size}"
            );
        }
        for old in 0..=size {
            let proof = kept.consistency(old, size);
            let expected = if old == 0 { Vec::new() } else { subproof_of(old as usize, leaves, true) };
            assert_eq!(proof, expected, "{old} to {size}");
            let old_root = root_of(&leaves[..old as usize]);
            assert_eq!(verify_consistency((old, old_root), (size, root), &proof), Ok(()), "{old} to {size}");
        }
    }
    assert_eq!(kept.inner.len(), 130 - 2, "an entry costs less than one inner node");
}

/// Every proof that is one change away: a bit in each hash, one left out, one more, two exchanged.
fn changed(proof: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        let mut other = proof.to_vec();
        other[at].0[bit / 8 % 32] ^= 1 << (bit % 8);
        all.push(other);
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        all.push(shorter);
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    for at in 0..=proof.len() {
        for more in [Hash::EMPTY, proof.get(at).copied().unwrap_or(Hash([7; 32]))] {
            let mut longer = proof.to_vec();
            longer.insert(at, more);
            all.push(longer);
        }
    }
    all
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut hash = hash;
    hash.0[bit / 8 % 32] ^= 1 << (bit % 8);
    hash
}

#[test]
fn no_inclusion_proof_holds_for_anything_else() {
    let kept = Kept::of_size(40);
    for size in 1..=40_u64 {
        let root = kept.root(size);
        for index in 0..size {
            let bit = (index * 7 + size) as usize;
            let (leaf, proof) = (kept.leaves[index as usize], kept.inclusion(index, size));
            let holds =
                |leaf, index, size, root, proof: &[Hash]| verify_inclusion(leaf, index, size, root, proof).is_ok();
            assert!(holds(leaf, index, size, root, &proof));
            assert!(!holds(flipped(leaf, bit), index, size, root, &proof));
            assert!(!holds(leaf, index, size, flipped(root, bit), &proof));
            for other in (0..=size).filter(|other| *other != index) {
                assert!(!holds(leaf, other, size, root, &proof), "{other} for {index} of {size}");
            }
            for proof in changed(&proof, bit) {
                assert!(!holds(leaf, index, size, root, &proof), "{index} of {size}: {proof:?}");
            }
            // The size is bound by the signed root; of itself a proof shows only what is on its way.
            for other in (0..=40).filter(|other| *other != size) {
                assert!(!holds(leaf, index, other, kept.root(other), &proof), "{index} of {size} in {other}");
            }
        }
    }
}

#[test]
fn no_consistency_proof_holds_for_anything_else() {
    let kept = Kept::of_size(40);
    for new in 1..=40_u64 {
        for old in 1..=new {
            let bit = (old * 7 + new) as usize;
            let (old_root, new_root, proof) = (kept.root(old), kept.root(new), kept.consistency(old, new));
            let holds = |old, new, proof: &[Hash]| verify_consistency(old, new, proof).is_ok();
            assert!(holds((old, old_root), (new, new_root), &proof));
            assert!(!holds((old, flipped(old_root, bit)), (new, new_root), &proof));
            assert!(!holds((old, old_root), (new, flipped(new_root, bit)), &proof));
            for proof in changed(&proof, bit) {
                assert!(!holds((old, old_root), (new, new_root), &proof), "{old} to {new}: {proof:?}");
            }
            for other in (1..=40).filter(|other| *other != old && *other != new) {
                assert!(!holds((other, kept.root(other)), (new, new_root), &proof), "{other} for {old} to {new}");
                assert!(!holds((old, old_root), (other, kept.root(other)), &proof), "{old} to {other} for {new}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let kept = Kept::of_size(9);
    let root = |size| (size, kept.root(size));
    let other = Hash([7; 32]);
    assert_eq!(verify_consistency(root(9), root(8), &[]), Err(Fault::Shrunk { old: 9, new: 8 }));
    assert_eq!(verify_consistency(root(9), (9, other), &[]), Err(Fault::Forked { size: 9 }));
    assert_eq!(verify_consistency((0, other), root(9), &[]), Err(Fault::Forked { size: 0 }));
    assert_eq!(verify_consistency((0, Hash::EMPTY), (0, other), &[]), Err(Fault::Forked { size: 0 }));
    assert_eq!(verify_consistency((0, Hash::EMPTY), root(9), &[]), Ok(()));
    assert_eq!(verify_consistency((0, Hash::EMPTY), root(9), &[other]), Err(Fault::Inconsistent { old: 0, new: 9 }));
    assert_eq!(verify_consistency(root(9), root(9), &[other]), Err(Fault::Inconsistent { old: 9, new: 9 }));
    assert_eq!(verify_consistency(root(8), root(9), &[]), Err(Fault::Inconsistent { old: 8, new: 9 }));
    assert_eq!(verify_inclusion(other, 9, 9, root(9).1, &[]), Err(Fault::NotInTree { index: 9, size: 9 }));
    assert_eq!(verify_inclusion(other, 0, 0, Hash::EMPTY, &[]), Err(Fault::NotInTree { index: 0, size: 0 }));
    assert_eq!(verify_inclusion(other, 8, 9, root(9).1, &[]), Err(Fault::NotIncluded { index: 8, size: 9 }));
    assert_eq!(Plan::inclusion(9, 9), Err(Fault::NotInTree { index: 9, size: 9 }));
    assert_eq!(Plan::consistency(9, 8), Err(Fault::Shrunk { old: 9, new: 8 }));
    let limit = Fault::TooLarge { what: msg!("a tree, in leaves,"), limit: SIZE_LIMIT };
    assert_eq!(Plan::inclusion(0, SIZE_LIMIT + 1), Err(limit.clone()));
    assert_eq!(Plan::root(u64::MAX), Err(limit.clone()));
    assert_eq!(Edge::nodes(SIZE_LIMIT + 1), Err(limit.clone()));
    assert_eq!(verify_inclusion(other, 0, u64::MAX, other, &[]), Err(limit.clone()));
    assert_eq!(verify_consistency((1, other), (u64::MAX, other), &[]), Err(limit.clone()));
    let mut full = Edge::new(SIZE_LIMIT, vec![other; 63]).unwrap();
    assert_eq!(full.append(other, |_, _| ()), Err(limit));
    assert!(Edge::new(3, vec![other]).is_err());
}

#[test]
fn numbers_of_nodes_have_no_gaps() {
    let mut numbers = BTreeMap::new();
    for level in 1..10 {
        for index in 0..1024 >> level {
            let node = Node::new(level, index).unwrap();
            assert_eq!(numbers.insert(node.number().unwrap(), node), None);
        }
    }
    assert_eq!(numbers.keys().copied().collect::<Vec<_>>(), (0..1022).collect::<Vec<_>>());
    assert_eq!(Node::new(63, 0), None);
    assert_eq!(Node::new(62, 1), None);
    assert_eq!(Node::new(62, 0).map(|node| node.leaves()), Some(0..1 << 62));
    assert_eq!(Node::new(0, SIZE_LIMIT), None);
    assert_eq!(Node::new(0, SIZE_LIMIT - 1).and_then(|node| node.number()), None);
    assert_eq!(Node::new(62, 0).unwrap().number(), Some((1 << 62) - 2));
}

/// What a node's hash is in a tree too large to build: anything, but always the same.
fn made_up(node: Node) -> Hash {
    Hash::of_leaf(format!("{node:?}").as_bytes())
}

proptest! {
    /// Proofs of any size of tree: the complete subtrees are made up, and the root follows from them.
    #[test]
    fn proofs_of_huge_trees_verify(size in 1..=SIZE_LIMIT, pick in any::<u64>()) {
        let index = pick % size;
        let inclusion = Plan::inclusion(index, size).unwrap();
        let proof = inclusion.build(|node| Ok::<_, Infallible>(made_up(node))).unwrap();
        prop_assert!(proof.len() <= INCLUSION_LIMIT);
        // By the recursive definition, not by the algorithm.
        let leaf = made_up(Node::new(0, index).unwrap());
        let root = climb(index, 0..size, leaf, &proof);
        prop_assert_eq!(verify_inclusion(leaf, index, size, root, &proof), Ok(()));
        prop_assert!(verify_inclusion(leaf, index ^ 1, size, root, &proof).is_err() || proof.is_empty());

        let old = 1 + index;
        let consistency = Plan::consistency(old, size).unwrap();
        prop_assert!(consistency.build(|node| Ok::<_, Infallible>(made_up(node))).unwrap().len() <= CONSISTENCY_LIMIT);
    }

    /// Consistency of huge trees: an edge that is grown by leaves, read as what the proof needs.
    #[test]
    fn huge_trees_that_grow_are_consistent(old in 1..=SIZE_LIMIT - 300, more in 0..300_u64) {
        let mut known: BTreeMap<Node, Hash> = Edge::nodes(old).unwrap().into_iter().map(|node| (node, made_up(node))).collect();
        let mut edge = Edge::new(old, known.values().rev().copied().collect()).unwrap();
        let start = (old, edge.root());
        for n in 0..more {
            edge.append(Hash::of_entry(Digest::of(&n.to_be_bytes())), |node, hash| { known.insert(node, hash); }).unwrap();
        }
        let plan = Plan::consistency(old, old + more).unwrap();
        let proof = plan.build(|node| known.get(&node).copied().ok_or(node)).unwrap();
        prop_assert_eq!(verify_consistency(start, (old + more, edge.root()), &proof), Ok(()));
        if more > 0 {
            prop_assert!(verify_consistency((old, Hash([7; 32])), (old + more, edge.root()), &proof).is_err());
        }
    }

    #[test]
    fn verifying_never_panics(a in any::<u64>(), b in any::<u64>(), n in 0..70_usize) {
        let proof = vec![Hash([7; 32]); n];
        prop_assert!(verify_inclusion(Hash::EMPTY, a, b, Hash::EMPTY, &proof).is_err());
        prop_assert!(verify_consistency((a, Hash::EMPTY), (b, Hash([1; 32])), &proof).is_err() || a == 0);
        if let Ok(plan) = Plan::consistency(a, b) {
            prop_assert!(plan.nodes().count() < 64 * 64);
        }
    }
}

/// The root that a proof leads to, by the definition of `PATH` and not by the algorithm of RFC 9162.
fn climb(index: u64, tree: Range<u64>, leaf: Hash, proof: &[Hash]) -> Hash {
    let leaves = tree.end - tree.start;
    if leaves == 1 {
        return leaf;
    }
    let middle = tree.start + (1 << (leaves - 1).ilog2());
    let (sibling, rest) = proof.split_last().unwrap();
    if index < middle {
        Hash::of_children(&climb(index, tree.start..middle, leaf, rest), sibling)
    } else {
        Hash::of_children(sibling, &climb(index, middle..tree.end, leaf, rest))
    }
}
