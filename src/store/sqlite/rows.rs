//! What is read from the log, checked on the way out.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter, types::Value};

use super::connection::{Fault, count, digest, integer};
use crate::{
    domain::{
        entry::Entry,
        id::{CommuniqueId, Digest, PartyId},
        json,
    },
    exchange::ports::{Listing, ListingQuery, Stored},
};

/// Rows of `idx, bytes, digest`, each checked against its digest, with its objects.
pub(super) fn entries(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Stored>, Fault> {
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?));
    let mut statement = db.prepare_cached(sql)?;
    let mut found = Vec::new();
    for row in statement.query_map(values, row)? {
        let (index, bytes, named) = row?;
        let digest = digest(&named)?;
        if Digest::of(&bytes) != digest {
            return Err(Fault::Damaged("an entry does not have its digest"));
        }
        let entry: Entry = json::parse(&bytes).map_err(|_| Fault::Damaged("an entry cannot be parsed"))?;
        let names = entry.documents.iter().chain(&entry.statements);
        let objects = names.map(|name| object(db, name)).collect::<Result<_, _>>()?;
        found.push(Stored { index: count(index)?, entry, bytes, digest, objects });
    }
    Ok(found)
}

fn object(db: &Connection, name: &Digest) -> Result<Vec<u8>, Fault> {
    let bytes: Option<Vec<u8>> = db
        .prepare_cached("SELECT bytes FROM objects WHERE digest = ?1")?
        .query_row([name.as_bytes()], |row| row.get(0))
        .optional()?;
    bytes.filter(|bytes| Digest::of(bytes) == *name).ok_or(Fault::Damaged("an object is missing or changed"))
}

/// A page of the list.
pub(super) fn listings(db: &Connection, query: &ListingQuery) -> Result<Vec<Listing>, Fault> {
    let mut sql = String::from("SELECT c.id, c.state, c.revision, c.manifest FROM communiques c");
    let mut values: Vec<Value> = Vec::new();
    let mut conditions = Vec::new();
    if let Some(party) = &query.party {
        // CROSS JOIN fixes the order of the loops: the party's rows come by id, so that a page is read and nothing sorted.
        sql = sql.replace("communiques c", "communique_parties p CROSS JOIN communiques c ON c.id = p.communique");
        conditions.push("p.party = ?");
        values.push(Value::Text(party.to_string()));
    }
    let id = if query.party.is_some() { "p.communique" } else { "c.id" };
    let after = format!("{id} > ?");
    if let Some(last) = query.after {
        conditions.push(&after);
        values.push(Value::Text(last.to_string()));
    }
    if let Some(state) = query.state {
        conditions.push("c.state = ?");
        values.push(Value::Text(state.as_str().to_owned()));
    }
    if !conditions.is_empty() {
        sql = format!("{sql} WHERE {}", conditions.join(" AND "));
    }
    sql = format!("{sql} ORDER BY {id} LIMIT ?");
    values.push(Value::Integer(integer(query.limit as u64)));
    let row = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, Vec<u8>>(3)?))
    };
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for row in statement.query_map(params_from_iter(values), row)? {
        let (id, state, revision, manifest) = row?;
        let parties = parties(db, &id)?;
        found.push(Listing {
            communique: CommuniqueId::parse(&id).map_err(|_| Fault::Damaged("a row of the list has no id"))?,
            state: state.parse().map_err(|_| Fault::Damaged("a row of the list has no state"))?,
            revision: count(revision)?,
            manifest: digest(&manifest)?,
            parties,
        });
    }
    Ok(found)
}

fn parties(db: &Connection, communique: &str) -> Result<Vec<PartyId>, Fault> {
    db.prepare_cached("SELECT party FROM communique_parties WHERE communique = ?1 ORDER BY n")?
        .query_map([communique], |row| row.get::<_, String>(0))?
        .map(|party| party?.parse().map_err(|_| Fault::Damaged("a row of the list names no party")))
        .collect()
}
