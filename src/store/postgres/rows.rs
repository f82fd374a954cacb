//! What is read from the log, checked on the way out.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Object;
use tokio_postgres::{Row, types::ToSql};

use super::connection::{Fault, count, digest, integer};
use crate::{
    domain::{
        entry::Entry,
        id::{CommuniqueId, Digest},
        json,
    },
    exchange::ports::{Listing, ListingQuery, Stored},
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

/// A page of the list.
pub(super) async fn listings(db: &Object, query: &ListingQuery) -> Result<Vec<Listing>, Fault> {
    let (party, state) = (query.party.as_ref().map(ToString::to_string), query.state.map(|state| state.as_str()));
    let after = query.after.map(|id| id.to_string()).unwrap_or_default();
    // Of a party's rows, its own index gives them in order; without one, the list's.
    let from = if party.is_some() {
        "communique_parties p JOIN communiques c ON c.id = p.communique WHERE p.party = $1 AND p.communique > $2"
    } else {
        "communiques c WHERE $1::text IS NULL AND c.id > $2"
    };
    let order = if party.is_some() { "p.communique" } else { "c.id" };
    let sql = format!(
        "SELECT c.id, c.state, c.revision, c.manifest,
                ARRAY(SELECT party FROM communique_parties WHERE communique = c.id ORDER BY n)
         FROM {from} AND ($3::text IS NULL OR c.state = $3) ORDER BY {order} LIMIT $4"
    );
    let rows =
        db.query(&db.prepare_cached(&sql).await?, &[&party, &after, &state, &integer(query.limit as u64)]).await?;
    let damaged = |what| move |_| Fault::Damaged(what);
    rows.into_iter()
        .map(|row| {
            let parties = row.try_get::<_, Vec<String>>(4)?.into_iter();
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
