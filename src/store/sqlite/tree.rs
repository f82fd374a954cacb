//! The log's tree: inner nodes by number, and the size and root that the last transaction left.

use rusqlite::{Connection, OptionalExtension, params};

use super::connection::{Fault, count, digest, integer};
use crate::{
    domain::id::Digest,
    exchange::ports::{COSIGNED_LIMIT, Cosignature},
    log::tree::{Edge, Growth, Hash, Node, Plan, verify_inclusion},
};

/// Digests that are read at a time while a tree is made for a log that had none.
const BATCH: usize = 4096;

/// Makes the tree of a log that was written before there were trees. A tree that covers a part of the log alone is damage.
pub(super) fn complete(db: &mut Connection) -> Result<(), Fault> {
    let change = db.transaction()?;
    let (mut entries, (size, _)) = (0, row(&change)?);
    if size == 0 {
        let mut growth = Growth::of(Edge::default());
        loop {
            let batch = digests(&change, entries, BATCH)?;
            if batch.is_empty() {
                break;
            }
            for digest in &batch {
                grow(&change, &mut growth, *digest)?;
            }
            entries += batch.len() as u64;
            // What was kept of it is in the rows by now.
            growth = Growth::of(growth.after().clone());
        }
        replace(&change, &Edge::default(), growth.after())?;
    }
    change.commit()?;
    Ok(())
}

/// Adds an entry's leaf, and stores every node that it completes.
pub(super) fn grow(db: &Connection, growth: &mut Growth, entry: Digest) -> Result<(), Fault> {
    let mut nodes = Vec::new();
    let grown = growth.append(Hash::of_entry(entry), |number, hash| nodes.push((number, hash)));
    grown.map_err(|_| Fault::Damaged("the log is too long"))?;
    let mut insert = db.prepare_cached("INSERT INTO nodes (n, hash) VALUES (?1, ?2)")?;
    for (number, hash) in nodes {
        insert.execute(params![integer(number), hash.as_bytes()])?;
    }
    Ok(())
}

/// Puts the tree as it is in the place of the tree as it was; damage if that is not what is there.
pub(super) fn replace(db: &Connection, before: &Edge, after: &Edge) -> Result<(), Fault> {
    let rows =
        db.prepare_cached("UPDATE tree SET size = ?1, root = ?2 WHERE size = ?3 AND root = ?4")?.execute(params![
            integer(after.size()),
            after.root().as_bytes(),
            integer(before.size()),
            before.root().as_bytes()
        ])?;
    if rows == 1 { Ok(()) } else { Err(Fault::Damaged("the tree is not the one that was left")) }
}

/// The edge of the tree, from its nodes, compared with size and root that the last transaction left and with the log's length.
pub(super) fn edge(db: &Connection) -> Result<Edge, Fault> {
    let (size, root) = row(db)?;
    let entries: Option<i64> = db.prepare_cached("SELECT max(idx) FROM entries")?.query_row([], |row| row.get(0))?;
    let entries = entries.map(count).transpose()?.map_or(0, |last| last + 1);
    if entries != size {
        return Err(Fault::Damaged("the log has not as many entries as its tree has leaves"));
    }
    let whole = Edge::nodes(size).map_err(|_| Fault::Damaged("the tree is too large"))?;
    let edge = Edge::new(size, hashes(db, &whole)?).map_err(|_| Fault::Damaged("the tree's edge is not whole"))?;
    if edge.root() == root { Ok(edge) } else { Err(Fault::Damaged("the tree does not have the root that was left")) }
}

/// Whether the tree has this entry as its leaf of this index.
pub(super) fn covers(db: &Connection, edge: &Edge, index: u64, entry: Digest) -> Result<bool, Fault> {
    let plan = Plan::inclusion(index, edge.size()).map_err(|_| Fault::Damaged("the tree has no such leaf"))?;
    let proof = plan.build(|node| hash(db, node))?;
    Ok(verify_inclusion(Hash::of_entry(entry), index, edge.size(), edge.root(), &proof).is_ok())
}

/// The hashes of these nodes.
pub(super) fn hashes(db: &Connection, nodes: &[Node]) -> Result<Vec<Hash>, Fault> {
    nodes.iter().map(|node| hash(db, *node)).collect()
}

/// The digests of the entries from this index on.
pub(super) fn digests(db: &Connection, from: u64, limit: usize) -> Result<Vec<Digest>, Fault> {
    let mut statement = db.prepare_cached("SELECT digest FROM entries WHERE idx >= ?1 ORDER BY idx LIMIT ?2")?;
    let rows = statement.query_map(params![integer(from), integer(limit as u64)], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|row| digest(&row?)).collect()
}

/// Keeps a cosignature, and those of the largest sizes.
pub(super) fn cosign(db: &Connection, new: &Cosignature) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO cosignatures (size, party, line) VALUES (?1, ?2, ?3)
         ON CONFLICT (size, party) DO UPDATE SET line = excluded.line",
    )?
    .execute(params![integer(new.size), new.party.as_str(), new.line])?;
    db.prepare_cached(
        "DELETE FROM cosignatures WHERE size < (
             SELECT min(size) FROM (SELECT DISTINCT size FROM cosignatures ORDER BY size DESC LIMIT ?1)
         )",
    )?
    .execute([integer(COSIGNED_LIMIT as u64)])?;
    Ok(())
}

/// The cosignatures that are kept.
pub(super) fn cosignatures(db: &Connection) -> Result<Vec<Cosignature>, Fault> {
    let mut statement = db.prepare_cached("SELECT size, party, line FROM cosignatures ORDER BY size DESC, party")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    rows.map(|row| {
        let (size, party, line) = row?;
        let party = party.parse().map_err(|_| Fault::Damaged("a cosignature names no party"))?;
        Ok(Cosignature { size: count(size)?, party, line })
    })
    .collect()
}

fn row(db: &Connection) -> Result<(u64, Hash), Fault> {
    let (size, root) = db
        .prepare_cached("SELECT size, root FROM tree")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    Ok((count(size)?, bytes(&root)?))
}

fn hash(db: &Connection, node: Node) -> Result<Hash, Fault> {
    const MISSING: Fault = Fault::Damaged("a node of the tree is missing");
    let ask = |sql: &str, number| {
        db.prepare_cached(sql)?.query_row([integer(number)], |row| row.get::<_, Vec<u8>>(0)).optional()
    };
    match node.number() {
        Some(number) => bytes(&ask("SELECT hash FROM nodes WHERE n = ?1", number)?.ok_or(MISSING)?),
        None => {
            let entry = ask("SELECT digest FROM entries WHERE idx = ?1", node.index())?.ok_or(MISSING)?;
            Ok(Hash::of_entry(digest(&entry)?))
        }
    }
}

fn bytes(blob: &[u8]) -> Result<Hash, Fault> {
    blob.try_into().map(Hash::from_bytes).map_err(|_| Fault::Damaged("a hash is not 32 bytes"))
}
