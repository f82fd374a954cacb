//! Tiles (C2SP tlog-tiles): the tree and its leaves as files that never change, which any web server or cache can hand out.
//!
//! A tile holds 256 hashes of one height of the tree, or fewer at its right edge. A bundle holds the data of as many leaves; here the
//! digests of entries, and so nothing that says what the log holds.

use std::{fmt, str::FromStr};

use super::{Fault, lines, tree::Node};
use crate::{domain::id::Digest, msg};

/// Hashes of a full tile, and leaves of a full bundle ("Merkle Tree").
pub const WIDTH: u64 = 256;
/// Levels of the tree between two levels of tiles.
const HEIGHT: u32 = 8;
/// Highest level of tiles that a tree of less than 2^63 leaves has. Paths may name levels up to 63, which no tree has.
pub const LEVEL_LIMIT: u32 = 7;
/// Longest path, in bytes.
const PATH_LIMIT: usize = 64;
/// A tile: full, or partial with its first hashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tile {
    level: u32,
    index: u64,
    width: u64,
}

impl Tile {
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
}

/// The data of leaves in a row: full, or partial with the first ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bundle {
    index: u64,
    width: u64,
}

impl Bundle {
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
        let refuse =
            || Fault::malformed(msg!("a path of the log"), msg!("there is no such tile, bundle or checkpoint"));
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

#[cfg(test)]
mod reading;
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{reading::LEAF_BYTES, *};
    use crate::log::tree::{Edge, Hash, Plan, verify_consistency, verify_inclusion};

    fn digest(index: u64) -> Digest {
        Digest::of(&index.to_be_bytes())
    }

    fn grown(size: u64) -> BTreeMap<Node, Hash> {
        let (mut edge, mut nodes) = (Edge::default(), BTreeMap::new());
        for index in 0..size {
            edge.append(Hash::of_entry(digest(index)), |node, hash| assert!(nodes.insert(node, hash).is_none()))
                .unwrap();
        }
        nodes
    }

    #[test]
    fn each_resource_has_one_path() {
        for path in [
            "checkpoint",
            "tile/0/000",
            "tile/0/999",
            "tile/0/x001/000",
            // The index 1234067 of "Merkle Tree".
            "tile/0/x001/x234/067",
            "tile/1/x001/x234/067.p/1",
            "tile/7/000.p/127",
            "tile/entries/000.p/255",
            "tile/entries/x001/x234/067",
        ] {
            assert_eq!(path.parse::<Resource>().map(|resource| resource.to_string()), Ok(path.to_owned()));
        }
        let tile = Tile { level: 0, index: 1_234_067, width: WIDTH };
        assert_eq!("tile/0/x001/x234/067".parse(), Ok(Resource::Tile(tile)));
        for bad in [
            "",
            "/checkpoint",
            "checkpoint/",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/001/",
            "tile/0/x001",
            "tile/0/x000/001",
            "tile/0/001/000",
            "tile/0/x1/000",
            "tile/0/X001/000",
            "tile/0/-01",
            "tile/00/000",
            "tile/8/000",
            "tile/63/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/7/000",
            "tile/7/000.p/128",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/",
            "tile/0/000.p/1/",
            "tile/0/000.q/1",
            "tile/Entries/000",
            "tile/entries/x999/x999/x999/x999/x999/999",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "tile/0/\u{663}00",
        ] {
            assert!(bad.parse::<Resource>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        // "Partial Tiles": a tree of 70,000.
        let width = |level, index, size| Tile::of_tree(level, index, size).map(|tile| tile.width);
        let tree = |level, index| width(level, index, 70_000);
        assert_eq!([tree(0, 272), tree(0, 273), tree(0, 274)], [Some(256), Some(112), None]);
        assert_eq!([tree(1, 0), tree(1, 1), tree(1, 2)], [Some(256), Some(17), None]);
        assert_eq!([tree(2, 0), tree(2, 1), tree(3, 0), tree(8, 0)], [Some(1), None, None, None]);
        assert_eq!([width(0, 0, 256), width(0, 1, 256), width(1, 0, 256)], [Some(256), None, Some(1)]);
        assert_eq!(width(7, 0, i64::MAX as u64), Some(127));
        assert_eq!(width(u32::MAX, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn proofs_are_built_from_the_tiles_that_they_need() {
        let (size, nodes) = (66_000, grown(66_000));
        let fetch = |plan: &Plan| {
            let mut fetched = BTreeMap::new();
            for tile in Tile::needed(plan, size) {
                assert!(tile.is_in(size));
                let bytes: Vec<u8> = tile.nodes().flat_map(|node| *nodes[&node].as_bytes()).collect();
                fetched.insert(tile, tile.parse(&bytes).unwrap());
            }
            assert!(fetched.len() <= 6, "{fetched:?}");
            plan.build(|node| {
                let tile = Tile::holding(node, size).ok_or("no tile")?;
                tile.hash_of(node, fetched.get(&tile).ok_or("not fetched")?).ok_or("not in its tile")
            })
            .unwrap()
        };
        let root = |size| fetch(&Plan::root(size).unwrap())[0];
        for index in [0, 1, 255, 256, 65_535, 65_536, 65_791, 65_792, 65_999] {
            let proof = fetch(&Plan::inclusion(index, size).unwrap());
            assert_eq!(verify_inclusion(Hash::of_entry(digest(index)), index, size, root(size), &proof), Ok(()));
        }
        for old in [1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 65_999, 66_000] {
            let proof = fetch(&Plan::consistency(old, size).unwrap());
            assert_eq!(verify_consistency((old, root(old)), (size, root(size)), &proof), Ok(()), "{old}");
        }
        for (node, hash) in nodes.iter().step_by(97) {
            let tile = Tile::holding(*node, size).unwrap();
            let hashes: Vec<_> = tile.nodes().map(|node| nodes[&node]).collect();
            assert_eq!(tile.hash_of(*node, &hashes), Some(*hash), "{node:?}");
            let short = &hashes[..hashes.len().min(1)];
            assert!(tile.hash_of(*node, short).is_none_or(|same| same == *hash));
        }
        assert_eq!(Tile::holding(Node::new(0, size).unwrap(), size), None);
    }

    #[test]
    fn a_tile_has_the_bytes_that_its_path_says() {
        let tile = Tile::of_tree(0, 0, 3).unwrap();
        assert!(tile.parse(&[0; 96]).is_ok());
        for bytes in [0, 32, 64, 95, 97, 128] {
            assert!(tile.parse(&vec![0; bytes]).is_err(), "{bytes}");
        }
        assert!(tile.is_in(4) && !tile.is_in(2));
    }

    #[test]
    fn a_bundle_holds_digests_alone() {
        let bundle = Bundle::of_tree(1, 259).unwrap();
        assert_eq!(bundle.entries(), 256..259);
        assert!(bundle.is_in(260) && !bundle.is_in(258));
        assert_eq!(Bundle::of_tree(1, 256), None);
        let bytes = Bundle::format(bundle.entries().map(digest));
        assert_eq!((bytes.len(), &bytes[..2]), (3 * LEAF_BYTES, [0, 32].as_slice()));
        assert_eq!(bundle.parse(&bytes), Ok(bundle.entries().map(digest).collect()));
        assert_eq!(Hash::of_entry(digest(256)), Hash::of_leaf(&bytes[2..LEAF_BYTES]));
        let mut longer = bytes.clone();
        longer[1] = 33;
        for bad in [&bytes[1..], &bytes[..LEAF_BYTES], &[], &longer] {
            assert!(bundle.parse(bad).is_err());
        }
    }
}
