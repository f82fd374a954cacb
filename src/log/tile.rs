//! Tiles (C2SP tlog-tiles): the tree and its leaves as files that never change, which any web server or cache can hand out.
//!
//! A tile holds 256 hashes of one height of the tree, or fewer at its right edge. A bundle holds the data of as many leaves; here the
//! digests of entries, and so nothing that says what the log holds.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{
    Fault, lines,
    tree::{Hash, Node, Plan},
};
use crate::domain::id::Digest;

/// Hashes of a full tile, and leaves of a full bundle ("Merkle Tree").
pub const WIDTH: u64 = 256;
/// Levels of the tree between two levels of tiles.
const HEIGHT: u32 = 8;
/// Highest level of tiles that a tree of less than 2^63 leaves has. Paths may name levels up to 63, which no tree has.
pub const LEVEL_LIMIT: u32 = 7;
/// Longest path, in bytes.
const PATH_LIMIT: usize = 64;
/// Bytes of one leaf in a bundle: its length in two bytes, and a digest.
const LEAF_BYTES: usize = 34;

/// A tile: full, or partial with its first hashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tile {
    level: u32,
    index: u64,
    width: u64,
}

impl Tile {
    /// The tile at this level and place as a tree of so many leaves has it; none if it would be empty.
    #[must_use]
    pub fn of_tree(level: u32, index: u64, size: u64) -> Option<Self> {
        Some(Self { level, index, width: width(level, index, size)? })
    }
    /// Its level: 0 … [`LEVEL_LIMIT`].
    #[must_use]
    pub fn level(self) -> u32 {
        self.level
    }
    /// Its place within the level.
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }
    /// How many hashes it has: 1 … [`WIDTH`].
    #[must_use]
    pub fn width(self) -> u64 {
        self.width
    }
    /// Whether a tree of so many leaves has it, in this width or a larger one.
    #[must_use]
    pub fn is_in(self, size: u64) -> bool {
        width(self.level, self.index, size).is_some_and(|width| self.width <= width)
    }
    /// The nodes whose hashes it holds, in order.
    pub fn nodes(self) -> impl Iterator<Item = Node> {
        let start = self.index * WIDTH;
        (start..start + self.width).filter_map(move |index| Node::new(self.level * HEIGHT, index))
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
            _ => Err(Fault::malformed("a tile", "it has not as many bytes as its path says")),
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

/// The data of leaves in a row: full, or partial with the first ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bundle {
    index: u64,
    width: u64,
}

impl Bundle {
    /// The bundle at this place as a tree of so many leaves has it; none if it would be empty.
    #[must_use]
    pub fn of_tree(index: u64, size: u64) -> Option<Self> {
        Some(Self { index, width: width(0, index, size)? })
    }
    /// The indices of the entries whose digests it holds.
    #[must_use]
    pub fn entries(self) -> std::ops::Range<u64> {
        self.index * WIDTH..self.index * WIDTH + self.width
    }
    /// Whether a tree of so many leaves has it, in this width or a larger one.
    #[must_use]
    pub fn is_in(self, size: u64) -> bool {
        self.entries().end <= size
    }
    /// Its bytes ("Log entries"), from the digests of its entries: each leaf's length, big-endian in two bytes, and its data.
    pub fn format(digests: impl IntoIterator<Item = Digest>) -> Vec<u8> {
        digests.into_iter().flat_map(|digest| [0, 32].into_iter().chain(*digest.as_bytes())).collect()
    }
    /// The digests in its bytes.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if these are not as many as its width says, or a leaf is not of 32 bytes.
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<Digest>, Fault> {
        let refuse = || Fault::malformed("a bundle of entries", "it does not hold as many digests as its path says");
        let (leaves, []) = bytes.as_chunks::<LEAF_BYTES>() else { return Err(refuse()) };
        let digests = leaves.iter().map(|leaf| match leaf.split_first_chunk() {
            Some(([0, 32], digest)) => digest.try_into().map(Digest::from_bytes).map_err(|_| refuse()),
            _ => Err(refuse()),
        });
        let digests: Vec<_> = digests.collect::<Result<_, _>>()?;
        if digests.len() as u64 == self.width { Ok(digests) } else { Err(refuse()) }
    }
}

/// What a log serves below its prefix ("APIs").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// The newest checkpoint: the only one that changes.
    Checkpoint,
    /// A tile of the tree.
    Tile(Tile),
    /// A bundle of entries.
    Bundle(Bundle),
}

impl FromStr for Resource {
    type Err = Fault;
    /// Parses a path below the prefix, without a slash in front. Each resource has one path.
    fn from_str(path: &str) -> Result<Self, Fault> {
        let refuse = || Fault::malformed("a path of the log", "there is no such tile, bundle or checkpoint");
        if path == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        let rest = path.strip_prefix("tile/").filter(|rest| rest.len() <= PATH_LIMIT).ok_or_else(refuse)?;
        let (kind, place) = rest.split_once('/').ok_or_else(refuse)?;
        let (index, width) = match place.split_once(".p/") {
            Some((index, width)) => {
                (index, lines::decimal(width).filter(|w| (1..WIDTH).contains(w)).ok_or_else(refuse)?)
            }
            None => (place, WIDTH),
        };
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_start_matches('0');
        let index = lines::decimal(if digits.is_empty() { "0" } else { digits }).ok_or_else(refuse)?;
        let (found, level) = if kind == "entries" {
            (Self::Bundle(Bundle { index, width }), 0)
        } else {
            let level = lines::decimal(kind).and_then(|level| u32::try_from(level).ok()).ok_or_else(refuse)?;
            (Self::Tile(Tile { level, index, width }), level)
        };
        // No tree is so large that it has a tile further to the right; so nothing overflows that is counted from here on.
        let last = index.checked_mul(WIDTH).and_then(|start| start.checked_add(width - 1)).ok_or_else(refuse)?;
        let exists = level <= LEVEL_LIMIT && Node::new(level * HEIGHT, last).is_some();
        if exists && found.to_string() == path { Ok(found) } else { Err(refuse()) }
    }
}
impl fmt::Display for Resource {
    /// Writes the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match self {
            Self::Checkpoint => return f.write_str("checkpoint"),
            Self::Tile(Tile { level, index, width }) => {
                write!(f, "tile/{level}/")?;
                (*index, *width)
            }
            Self::Bundle(Bundle { index, width }) => {
                f.write_str("tile/entries/")?;
                (*index, *width)
            }
        };
        let mut groups = vec![format!("{:03}", index % 1000)];
        let mut rest = index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        if width < WIDTH { write!(f, ".p/{width}") } else { Ok(()) }
    }
}

/// How many hashes the tile has in a tree of so many leaves ("Partial Tiles"); none if none.
fn width(level: u32, index: u64, size: u64) -> Option<u64> {
    let hashes = size.checked_shr(level.checked_mul(HEIGHT)?)?;
    let width = hashes.checked_sub(index.checked_mul(WIDTH)?)?.min(WIDTH);
    (level <= LEVEL_LIMIT && width > 0).then_some(width)
}
