//! What is read from the log, checked on the way out.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connection::{Fault, count, digest, integer};
use crate::{
    domain::{
        entry::{Entry, StreamId},
        id::{CommuniqueId, Digest, PartyId},
        json,
    },
    exchange::ports::{Listing, ListingQuery, Stored},
    store::append::parsed,
};

/// The entries that the end of a query finds, each checked against its digest and its columns, with its objects.
pub(super) fn entries(db: &Connection, which: &str, values: impl rusqlite::Params) -> Result<Vec<Stored>, Fault> {
    let row = |row: &Row<'_>| {
        let columns = (row.get::<_, String>(3)?, row.get::<_, i64>(4)?, row.get::<_, i64>(5)?);
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?, columns))
    };
    let mut statement =
        db.prepare_cached(&format!("SELECT idx, bytes, digest, stream, seq, time FROM entries {which}"))?;
    let mut found = Vec::new();
    for row in statement.query_map(values, row)? {
        let (index, bytes, named, columns) = row?;
        let digest = digest(&named)?;
        if Digest::of(&bytes) != digest {
            return Err(Fault::Damaged("an entry does not have its digest"));
        }
        let entry: Entry = json::parse(&bytes).map_err(|_| Fault::Damaged("an entry cannot be parsed"))?;
        if columns != (entry.stream.to_string(), integer(entry.seq), entry.time.unix()) {
            return Err(Fault::Damaged("an entry's row has another stream, number or time than its bytes say"));
        }
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

/// The `purged` entries from this index on. INDEXED BY: an index of every entry has them too.
const PURGED: &str = "SELECT idx, stream FROM entries INDEXED BY entries_purged
                      WHERE instr(bytes, x'226b696e64223a2270757267656422') > 0 AND idx >= ?1 ORDER BY idx LIMIT ?2";

pub(super) fn purged(db: &Connection, from: u64, limit: usize) -> Result<Vec<(u64, CommuniqueId)>, Fault> {
    let mut statement = db.prepare_cached(PURGED)?;
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let rows = statement.query_map(params![integer(from), integer(limit as u64)], row)?;
    rows.map(|row| {
        let (index, stream) = row?;
        match stream.parse() {
            Ok(StreamId::Communique(id)) => Ok((count(index)?, id)),
            _ => Err(Fault::Damaged("what was purged is no communiqué")),
        }
    })
    .collect()
}

/// The names of streams after ?1, ?2 of them. Each is looked for in the index after the one before, so that no entry is read for it. What is
/// no text comes after all text, and is no name.
const STREAMS: &str = "WITH RECURSIVE names (name, n) AS (
        SELECT min(stream), 1 FROM entries WHERE stream > CAST(?1 AS TEXT) AND stream < x''
        UNION ALL
        SELECT (SELECT min(stream) FROM entries WHERE stream > name AND stream < x''), n + 1 FROM names
        WHERE name IS NOT NULL AND n < ?2)
    SELECT name FROM names WHERE name IS NOT NULL ORDER BY n";

pub(super) fn streams(db: &Connection, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamId>, Fault> {
    // No name is empty: all come after it.
    let mut after = after.map(|stream| stream.to_string().into_bytes()).unwrap_or_default();
    let mut statement = db.prepare_cached(STREAMS)?;
    loop {
        // Text that was changed need not be UTF-8.
        let name = |row: &Row<'_>| Ok(row.get_ref(0)?.as_bytes()?.to_vec());
        let names = statement.query_map(params![after, integer(limit as u64)], name)?;
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let Some(last) = names.last() else { return Ok(Vec::new()) };
        let found = parsed(&names);
        if !found.is_empty() {
            return Ok(found);
        }
        after.clone_from(last);
    }
}

/// A page of the list.
pub(super) fn listings(db: &Connection, query: &ListingQuery) -> Result<Vec<Listing>, Fault> {
    let Some(sql) = page(query) else { return Ok(vec![]) };
    let party = query.party.as_ref().map(ToString::to_string);
    let after = query.after.map(|id| id.to_string()).unwrap_or_default();
    let row = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, Vec<u8>>(3)?))
    };
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for row in statement.query_map(params![party, after, integer(query.limit as u64)], row)? {
        let (id, state, revision, manifest) = row?;
        let parties = parties(db, &id, &state)?;
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

/// The SQL of a page, of a party ?1, after ?2, of ?3 rows; none if it is empty whatever there is. Each state has rows of its own in an
/// index, by id, of which no more than a page are read.
fn page(query: &ListingQuery) -> Option<String> {
    let (id, of) = match &query.party {
        Some(_) => ("communique", "communique_parties WHERE party = ?1 AND"),
        None => ("id", "communiques WHERE"),
    };
    let rows = format!("SELECT {id} AS id FROM {of} {id} > ?2");
    let rows = match query.states() {
        None => rows,
        Some(states) => {
            let each = states.iter().map(|state| format!("{rows} AND state = '{state}'"));
            each.reduce(|all, more| format!("{all} UNION ALL {more}"))?
        }
    };
    // CROSS JOIN fixes the order of the loops: first which, then what of it.
    Some(format!(
        "SELECT c.id, c.state, c.revision, c.manifest FROM ({rows} ORDER BY 1 LIMIT ?3) o
         CROSS JOIN communiques c ON c.id = o.id ORDER BY o.id"
    ))
}

fn parties(db: &Connection, communique: &str, state: &str) -> Result<Vec<PartyId>, Fault> {
    let mut statement =
        db.prepare_cached("SELECT n, party, state FROM communique_parties WHERE communique = ?1 ORDER BY n")?;
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
    let mut parties = Vec::new();
    for row in statement.query_map([communique], row)? {
        let (n, party, of_party) = row?;
        if of_party != state {
            return Err(Fault::Damaged("a row of the list has another state for a party"));
        }
        if n != integer(parties.len() as u64) {
            return Err(Fault::Damaged("a row of the list lacks a party"));
        }
        parties.push(party.parse().map_err(|_| Fault::Damaged("a row of the list names no party"))?);
    }
    Ok(parties)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::{
        domain::life::State,
        exchange::ports::{Append, ReadFailed, Store as _},
        store::{
            contract::{Chain, append, party},
            sqlite::{Options, SqliteStore, connection::reader},
        },
    };

    #[test]
    fn a_page_reads_no_row_that_it_does_not_show() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(SqliteStore::open(&path, Options::default()).unwrap());
        let db = Connection::open(&path).unwrap();
        for party in [None, Some("sample".parse::<PartyId>().unwrap())] {
            for (state, open) in [(None, false), (Some(State::Open), false), (None, true), (Some(State::Open), true)] {
                let query = ListingQuery { party: party.clone(), state, open, ..ListingQuery::default() };
                let sql = format!("EXPLAIN QUERY PLAN {}", page(&query).unwrap());
                let mut statement = db.prepare(&sql).unwrap();
                let steps: Vec<String> = statement
                    .query_map(params!["sample", "", 1], |row| row.get(3))
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap();
                let searches = steps.iter().filter(|step| step.starts_with("SEARCH communique")).count();
                assert_eq!(searches, if open && state.is_none() { 3 } else { 1 }, "{steps:?}");
                for step in &steps {
                    let bounded = step.starts_with("SCAN o") || step == "USE TEMP B-TREE FOR ORDER BY";
                    assert!(!step.starts_with("SCAN") || bounded, "{steps:?}");
                    if let Some(search) = step.strip_prefix("SEARCH communique") {
                        let ordered = search.contains("USING COVERING INDEX") && search.contains(">?)");
                        assert!(ordered && (state.is_none() && !open || search.contains("state=?")), "{steps:?}");
                    }
                }
            }
        }
        let plan = format!("EXPLAIN QUERY PLAN {PURGED}");
        let step: String = db.query_row(&plan, [0, 1], |row| row.get(3)).unwrap();
        assert!(step.contains("USING INDEX entries_purged (idx>?)"), "{step}");
        let plan = format!("EXPLAIN QUERY PLAN {STREAMS}");
        let mut statement = db.prepare(&plan).unwrap();
        let steps = statement.query_map(params!["", 1], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).filter(|step| step.contains("entries")).collect();
        let search = "SEARCH entries USING COVERING INDEX sqlite_autoindex_entries_1 (stream>? AND stream<?)";
        assert_eq!(steps, [search; 2]);
        assert_eq!(page(&ListingQuery { state: Some(State::Lapsed), open: true, ..ListingQuery::default() }), None);
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(SqliteStore::open(&path, Options::default()).unwrap());
        let db = reader(&path).unwrap();
        let last = "SELECT idx FROM entries WHERE stream = ?1 AND ?2 = ?2 AND ?3 = ?3 ORDER BY seq DESC LIMIT 1";
        let few = "SELECT idx FROM entries WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
        for sql in [last, few, &page(&ListingQuery::default()).unwrap()] {
            let mut statement = db.prepare(sql).unwrap();
            for n in [1, 2] {
                assert!(statement.query(params!["sample", n, n]).unwrap().next().unwrap().is_none());
                statement.clear_bindings();
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }

    #[tokio::test]
    async fn what_is_no_name_of_a_stream_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        store.append(append((0..9).map(|n| Chain::new(party(n)).next(1, vec![])).collect())).await.unwrap();
        let db = Connection::open(&path).unwrap();
        for (n, changed) in ["CAST(x'ff' AS TEXT)", "x'ff'", "'party'", "7", "''"].iter().enumerate() {
            db.execute(&format!("UPDATE entries SET stream = {changed} WHERE idx = {n}"), []).unwrap();
        }
        for limit in [1, 2, 99] {
            let (mut found, mut after) = (vec![], None);
            loop {
                let page = store.streams(after, limit).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                found.extend(page);
            }
            assert_eq!(found, [5, 6, 7, 8].map(party), "{limit}");
        }
    }

    #[tokio::test]
    async fn a_state_that_is_not_the_same_for_all_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let listing = Listing {
            communique: CommuniqueId::new(1, &[7; 10]),
            state: State::Open,
            revision: 1,
            manifest: Digest::of(b""),
            parties: vec!["aa".parse().unwrap(), "bb".parse().unwrap()],
        };
        let entries = vec![Chain::new(party(1)).next(1, vec![])];
        store.append(Append { listings: vec![listing], ..append(entries) }).await.unwrap();
        let query = ListingQuery { limit: 9, ..ListingQuery::default() };
        assert_eq!(store.listings(query.clone()).await.unwrap().len(), 1);
        let db = Connection::open(&path).unwrap();
        db.execute("UPDATE communique_parties SET state = 'lapsed' WHERE party = 'bb'", []).unwrap();
        assert_eq!(store.listings(query).await, Err(ReadFailed));
    }
}
