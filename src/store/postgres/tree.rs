//! The log's tree: inner nodes by number, and the size and root that the last transaction left.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};

use super::{
    connection::{Fault, count, digest, integer},
    known::Place,
};
use crate::{
    domain::id::Digest,
    exchange::ports::Cosignature,
    log::tree::{Edge, Hash, Node},
};

/// The tree's size and root, and the last entry, in one snapshot: [`Left::of`] reads it.
pub(super) const LEFT: &str = "SELECT t.size, t.root, e.idx, e.digest, e.time FROM tree t \
     LEFT JOIN (SELECT idx, digest, time FROM entries ORDER BY idx DESC LIMIT 1) e ON true";

/// What the last transaction left.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// The last entry's digest and time; none in an empty log.
    pub(super) last: Option<(Digest, i64)>,
}

impl Left {
    pub(super) fn of(row: &Row) -> Result<Self, Fault> {
        let (size, root) = (count(row.try_get(0)?)?, hash(row.try_get(1)?)?);
        let last = match row.try_get::<_, Option<i64>>(2)? {
            Some(index) => Some((count(index)?, digest(row.try_get(3)?)?, row.try_get(4)?)),
            None => None,
        };
        if last.map_or(0, |(index, ..)| index + 1) != size {
            return Err(Fault::Damaged("the log has not as many entries as its tree has leaves"));
        }
        Ok(Self { size, root, last: last.map(|(_, digest, time)| (digest, time)) })
    }
    /// Whether this is its edge.
    pub(super) fn is(&self, edge: &Edge) -> bool {
        (edge.size(), edge.root()) == (self.size, self.root)
    }
    /// Where the last entry is.
    pub(super) fn place(&self) -> Option<Place> {
        self.last.map(|(digest, _)| Place { index: self.size - 1, digest })
    }
}

/// The edge of the tree of this size and root, from its nodes.
pub(super) async fn edge(db: &Client, left: &Left) -> Result<Edge, Fault> {
    let whole = Edge::nodes(left.size).map_err(|_| Fault::Damaged("the tree is too large"))?;
    let hashes = hashes(db, &whole).await?;
    let edge = Edge::new(left.size, hashes).map_err(|_| Fault::Damaged("the tree's edge is not whole"))?;
    if edge.root() == left.root {
        Ok(edge)
    } else {
        Err(Fault::Damaged("the tree does not have the root that was left"))
    }
}

/// The hashes of these nodes.
pub(super) async fn hashes(db: &Client, nodes: &[Node]) -> Result<Vec<Hash>, Fault> {
    let inner: Vec<i64> = nodes.iter().filter_map(|node| node.number()).map(integer).collect();
    let leaves: Vec<i64> =
        nodes.iter().filter(|node| node.number().is_none()).map(|node| integer(node.index())).collect();
    let (mut of_inner, mut of_leaves) = (HashMap::new(), HashMap::new());
    if !inner.is_empty() {
        for row in db.query("SELECT n, hash FROM nodes WHERE n = ANY($1)", &[&inner]).await? {
            of_inner.insert(row.try_get::<_, i64>(0)?, hash(row.try_get(1)?)?);
        }
    }
    if !leaves.is_empty() {
        for row in db.query("SELECT idx, digest FROM entries WHERE idx = ANY($1)", &[&leaves]).await? {
            of_leaves.insert(row.try_get::<_, i64>(0)?, Hash::of_entry(digest(row.try_get(1)?)?));
        }
    }
    let found = nodes.iter().map(|node| match node.number() {
        Some(number) => of_inner.get(&integer(number)),
        None => of_leaves.get(&integer(node.index())),
    });
    found.map(|hash| hash.copied().ok_or(Fault::Damaged("a node of the tree is missing"))).collect()
}

/// Rows of `size, party, line`.
pub(super) fn cosignature(row: &Row) -> Result<Cosignature, Fault> {
    let party = row.try_get::<_, &str>(1)?.parse().map_err(|_| Fault::Damaged("a cosignature names no party"))?;
    Ok(Cosignature { size: count(row.try_get(0)?)?, party, line: row.try_get(2)? })
}

fn hash(bytes: &[u8]) -> Result<Hash, Fault> {
    bytes.try_into().map(Hash::from_bytes).map_err(|_| Fault::Damaged("a hash is not 32 bytes"))
}
