//! What is read from the log, checked on the way out.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Object;
use tokio_postgres::{Row, types::ToSql};

use super::connection::{Fault, count, digest, integer};
use crate::{
    domain::{
        entry::{Entry, StreamId},
        id::{CommuniqueId, Digest},
        json,
    },
    exchange::ports::{Listing, ListingQuery, Stored},
    store::append::parsed,
};

/// Rows of `idx, bytes, digest`, each checked against its digest, with its objects.
pub(super) async fn entries(db: &Object, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Stored>, Fault> {
    let rows = db.query(&db.prepare_cached(sql).await?, values).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (index, bytes, named): (i64, Vec<u8>, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let digest = digest(named)?;
        if Digest::of(&bytes) != digest {
            return Err(Fault::Damaged("an entry does not have its digest"));
        }
        let entry: Entry = json::parse(&bytes).map_err(|_| Fault::Damaged("an entry cannot be parsed"))?;
        found.push(Stored { index: count(index)?, entry, bytes, digest, objects: Vec::new() });
    }
    let names: HashSet<Digest> = found.iter().flat_map(|stored| named(&stored.entry)).copied().collect();
    let objects = objects(db, &names).await?;
    for stored in &mut found {
        let bytes = |name| objects.get(name).cloned().ok_or(Fault::Damaged("an object is missing or changed"));
        stored.objects = named(&stored.entry).map(bytes).collect::<Result<_, _>>()?;
    }
    Ok(found)
}

fn named(entry: &Entry) -> impl Iterator<Item = &Digest> {
    entry.documents.iter().chain(&entry.statements)
}

/// Those of these objects that are there and unchanged.
async fn objects(db: &Object, names: &HashSet<Digest>) -> Result<HashMap<Digest, Vec<u8>>, Fault> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = db.prepare_cached("SELECT bytes FROM objects WHERE digest = ANY($1)").await?;
    let names: Vec<&[u8]> = names.iter().map(|name| &name.as_bytes()[..]).collect();
    let rows = db.query(&sql, &[&names]).await?;
    let of = |row: &Row| {
        let bytes: Vec<u8> = row.try_get(0)?;
        Ok((Digest::of(&bytes), bytes))
    };
    rows.iter().map(of).collect()
}

/// The names of streams after $1, $2 of them. Each is looked for in the index after the one before, so that no entry is read for it.
const STREAMS: &str = "WITH RECURSIVE names (name, n) AS (
        SELECT min(stream), 1::bigint FROM entries WHERE stream > $1
        UNION ALL
        SELECT (SELECT min(stream) FROM entries WHERE stream > name), n + 1 FROM names WHERE name IS NOT NULL AND n < $2)
    SELECT name FROM names WHERE name IS NOT NULL ORDER BY n";

pub(super) async fn streams(db: &Object, after: Option<&StreamId>, limit: usize) -> Result<Vec<StreamId>, Fault> {
    // No name is empty: all come after it.
    let mut after = after.map(StreamId::to_string).unwrap_or_default();
    let sql = db.prepare_cached(STREAMS).await?;
    loop {
        let rows = db.query(&sql, &[&after, &integer(limit as u64)]).await?;
        let names = rows.iter().map(|row| row.try_get::<_, String>(0)).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = names.last() else { return Ok(Vec::new()) };
        let found = parsed(&names);
        if !found.is_empty() {
            return Ok(found);
        }
        after.clone_from(last);
    }
}

/// A page of the list.
pub(super) async fn listings(db: &Object, query: &ListingQuery) -> Result<Vec<Listing>, Fault> {
    let Some(sql) = page(query) else { return Ok(vec![]) };
    let party = query.party.as_ref().map(ToString::to_string);
    let after = query.after.map(|id| id.to_string()).unwrap_or_default();
    let rows = db.query(&db.prepare_cached(&sql).await?, &[&party, &after, &integer(query.limit as u64)]).await?;
    let damaged = |what| move |_| Fault::Damaged(what);
    rows.into_iter()
        .map(|row| {
            let parties = row.try_get::<_, Vec<String>>(4)?.into_iter();
            if row.try_get(5)? {
                return Err(Fault::Damaged("a row of the list has another state for a party"));
            }
            Ok(Listing {
                communique: CommuniqueId::parse(row.try_get(0)?)
                    .map_err(|_| Fault::Damaged("a row of the list has no id"))?,
                state: row
                    .try_get::<_, &str>(1)?
                    .parse()
                    .map_err(|_| Fault::Damaged("a row of the list has no state"))?,
                revision: count(row.try_get(2)?)?,
                manifest: digest(row.try_get(3)?)?,
                parties: parties
                    .map(|party| party.parse().map_err(damaged("a row of the list names no party")))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

/// The SQL of a page, of a party $1, after $2, of $3 rows; none if it is empty whatever there is. Each state has rows of its own in an
/// index, by id, of which no more than a page are read.
fn page(query: &ListingQuery) -> Option<String> {
    let (id, of) = match &query.party {
        Some(_) => ("communique", "communique_parties WHERE party = $1"),
        None => ("id", "communiques WHERE $1::text IS NULL"),
    };
    let rows = |state: &str| format!("(SELECT {id} AS id FROM {of} AND {id} > $2{state} ORDER BY {id} LIMIT $3)");
    let rows = match query.states() {
        None => rows(""),
        Some(states) => {
            let each = states.iter().map(|state| rows(&format!(" AND state = '{state}'")));
            each.reduce(|all, more| format!("{all} UNION ALL {more}"))?
        }
    };
    // LATERAL and LIMIT fix the order of the loops: first which, then what of it.
    Some(format!(
        "SELECT c.id, c.state, c.revision, c.manifest,
                ARRAY(SELECT party FROM communique_parties WHERE communique = c.id ORDER BY n),
                EXISTS (SELECT FROM communique_parties p WHERE p.communique = c.id AND p.state <> c.state)
         FROM (SELECT id FROM ({rows}) r ORDER BY id LIMIT $3) o
         CROSS JOIN LATERAL (SELECT * FROM communiques WHERE communiques.id = o.id LIMIT 1) c ORDER BY o.id"
    ))
}
