//! What the ports do not show of the two files: their pages and indices, columns that repeat what entries say, rows that belong to
//! nothing. And of an entry that cannot be read, what its row still tells.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;

use super::{
    OpenError,
    connection::{self, Fault, count, digest, integer},
    migrations::{self, Schema},
};
use crate::{
    domain::{
        entry::Entry,
        id::{CommuniqueId, Digest, PartyId},
        json,
        time::Time,
    },
    exchange::{
        fsck::{At, Faults},
        ports::STAMP_LIMIT,
    },
    store::content::CHUNK,
};

/// Most faults of a file's pages that SQLite is asked for.
const PAGES_LIMIT: u64 = 100;
/// What content holds of published communiqués alone.
const OF_PUBLISHED: [&str; 3] = ["packages", "originals", "stamps"];

/// Looks at a log's file.
///
/// # Errors
/// [`OpenError`] for a file that is no log of this program's schema.
pub fn inspect_log(path: &Path) -> Result<Faults, OpenError> {
    let db = connection::examined(path, &migrations::LOG)?;
    let mut file = File::new(&db, path);
    file.pages(&migrations::LOG, &[]);
    file.look("entries", entries);
    file.look("objects", objects);
    file.look("nodes", tree);
    Ok(file.faults)
}

/// Looks at a content's file.
///
/// # Errors
/// [`OpenError`] for a file that is no content of this program's schema.
pub fn inspect_content(path: &Path) -> Result<Faults, OpenError> {
    let db = connection::examined(path, &migrations::CONTENT)?;
    let mut file = File::new(&db, path);
    // Every chunk that counts is read and hashed in any case, by its index.
    file.pages(&migrations::CONTENT, &["chunks"]);
    file.look("uploads and partials", uploads);
    for table in OF_PUBLISHED {
        file.look(table, |db, at, faults| {
            let mut statement = db.prepare(&format!("SELECT communique FROM {table}"))?;
            for id in statement.query_map([], |row| row.get::<_, String>(0))? {
                if CommuniqueId::parse(&id?).is_err() {
                    faults.add(at.clone(), format!("a row of {table} is of no communiqué"));
                }
            }
            Ok(())
        });
    }
    file.look("stamps", |db, at, faults| {
        let sql = "SELECT count(*) FROM stamps WHERE length(response) NOT BETWEEN 1 AND ?1";
        let wrong: i64 = db.query_row(sql, [integer(STAMP_LIMIT as u64)], |row| row.get(0))?;
        if wrong > 0 {
            faults.add(at, format!("{wrong} time stamps are empty or too large"));
        }
        Ok(())
    });
    Ok(file.faults)
}

/// The communiqués of which a content's file holds packages or time stamps, by rising id from after this one on: at most so many, and none
/// once there are no more. That they are published only the log can say.
///
/// # Errors
/// [`OpenError`] for a file that is no content of this program's schema, or that cannot be read.
pub fn kept_of(path: &Path, after: Option<CommuniqueId>, limit: usize) -> Result<Vec<CommuniqueId>, OpenError> {
    let db = connection::examined(path, &migrations::CONTENT)?;
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let each = OF_PUBLISHED.map(|table| format!("SELECT communique FROM {table} WHERE communique > ?1"));
    let sql = format!("{} ORDER BY 1 LIMIT ?2", each.join(" UNION "));
    let mut statement = db.prepare(&sql).map_err(failed)?;
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows = statement.query_map(params![after, integer(limit as u64)], |row| row.get::<_, String>(0));
    let names = rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    // A row of none was found by the look at the file.
    Ok(names.iter().filter_map(|name| CommuniqueId::parse(name).ok()).collect())
}

/// A file under inspection.
struct File<'a> {
    db: &'a Connection,
    at: At,
    faults: Faults,
}

impl<'a> File<'a> {
    fn new(db: &'a Connection, path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { db, at: At::File(name), faults: Faults::default() }
    }

    /// Looks at a part of it within one snapshot. What keeps it from being read is a fault too.
    fn look(&mut self, what: &str, mut look: impl FnMut(&Connection, At, &mut Faults) -> Result<(), Fault>) {
        let (at, faults) = (self.at.clone(), &mut self.faults);
        let looked = self.db.unchecked_transaction().map_err(Fault::from).and_then(|snapshot| {
            look(&snapshot, at, faults)?;
            Ok(snapshot.commit()?)
        });
        if let Err(fault) = looked {
            self.faults.add(self.at.clone(), format!("{what}: {fault}"));
        }
    }

    /// That pages, rows and indices are whole, and that what names a row of another table finds it.
    fn pages(&mut self, schema: &Schema, but: &[&str]) {
        self.look("pages", |db, at, faults| {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
            let mut tables = db.prepare(sql)?;
            let tables = tables.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
            let fresh = Connection::open_in_memory()?;
            schema.steps.iter().try_for_each(|step| fresh.execute_batch(step))?;
            let layout = "SELECT coalesce(group_concat(type || name || tbl_name || coalesce(sql, ''), char(10)), '')
                          FROM (SELECT * FROM sqlite_schema ORDER BY type, name)";
            let ask = |db: &Connection| db.query_row(layout, [], |row| row.get::<_, String>(0));
            if ask(db)? != ask(&fresh)? {
                faults.add(at.clone(), "its tables are not those of this program");
            }
            // One table at a time where some are left out; else the whole file, with the pages that are free.
            let asked: Vec<String> = if but.is_empty() {
                vec![format!("PRAGMA integrity_check({PAGES_LIMIT})")]
            } else {
                let named = tables.iter().filter(|table| !but.contains(&table.as_str()));
                named.map(|table| format!("PRAGMA integrity_check(\"{}\")", table.replace('"', "\"\""))).collect()
            };
            for sql in asked {
                let mut statement = db.prepare(&sql)?;
                for row in statement.query_map([], |row| row.get::<_, String>(0))? {
                    let said = row?;
                    if said != "ok" {
                        faults.add(at.clone(), format!("SQLite says: {}", said.replace('\n', " ")));
                    }
                }
            }
            let mut lost = db.prepare("PRAGMA foreign_key_check")?;
            let lost = lost.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, String>(2)?))
            })?;
            for row in lost {
                let (table, row, of) = row?;
                // The table's name is the schema's, which was compared.
                let sql = format!("SELECT communique FROM \"{}\" WHERE rowid = ?1", table.replace('"', "\"\""));
                let id = db.query_row(&sql, [row], |row| row.get::<_, String>(0)).ok();
                let what = format!("a row of {table} names one of {of} that is not there");
                match id.as_deref().map(|id| (id, CommuniqueId::parse(id))) {
                    Some((_, Ok(id))) if ["packages", "originals"].contains(&table.as_str()) => {
                        faults.add(At::Package(id), what);
                    }
                    Some((id, _)) => faults.add(at.clone(), format!("{what}: it is of {id}")),
                    None => faults.add(at.clone(), what),
                }
            }
            Ok(())
        });
    }
}

/// Each row against what its bytes say, in the log's order.
fn entries(db: &Connection, at: At, faults: &mut Faults) -> Result<(), Fault> {
    let mut statement = db.prepare("SELECT idx, stream, seq, time, bytes, digest FROM entries ORDER BY idx")?;
    let mut object = db.prepare("SELECT bytes, idx FROM objects WHERE digest = ?1")?;
    let mut rows = statement.query([])?;
    let mut next = 0;
    while let Some(row) = rows.next()? {
        let index = count(row.get(0)?)?;
        if index != next {
            faults.add(
                At::Entry { index: next, stream: None, kind: None },
                format!("there is no row; the next is {index}"),
            );
        }
        next = index + 1;
        let columns =
            (|| Ok::<_, rusqlite::Error>((row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?)))();
        let bytes = row.get::<_, Vec<u8>>(4).unwrap_or_default();
        let stream = columns.as_ref().ok().and_then(|(stream, ..)| stream.parse().ok());
        // Of bytes that were changed the kind may still be legible.
        let kind = || {
            let value: Value = serde_json::from_slice(&bytes).ok()?;
            serde_json::from_value(value.get("kind")?.clone()).ok()
        };
        let (mut wrong, mut needs) = (Vec::new(), Vec::new());
        let named = row.get::<_, Vec<u8>>(5).ok().and_then(|named| digest(&named).ok());
        if named != Some(Digest::of(&bytes)) {
            wrong.push("its bytes do not have its digest".to_owned());
            needs.extend(named);
        }
        match json::parse::<Entry>(&bytes) {
            Err(_) => wrong.push("its bytes are no entry".to_owned()),
            Ok(entry) => {
                let says = (entry.stream.to_string(), integer(entry.seq), entry.time.unix());
                if columns.as_ref().ok() != Some(&says) {
                    wrong.push("its row has another stream, number or time than its bytes say".to_owned());
                }
                for name in entry.documents.iter().chain(&entry.statements) {
                    let found = object
                        .query_row([name.as_bytes()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
                        .optional();
                    let what = match found {
                        Ok(Some((bytes, _))) if Digest::of(&bytes) != *name => "was changed".to_owned(),
                        Ok(Some((_, first))) if first > integer(index) => {
                            wrong.push(format!("what it names {name} is said to be first named by entry {first}"));
                            continue;
                        }
                        Ok(Some(_)) => continue,
                        Ok(None) => "is not there".to_owned(),
                        Err(error) => format!("cannot be read: {error}"),
                    };
                    wrong.push(format!("what it names {name} {what}"));
                    needs.push(*name);
                }
            }
        }
        if !wrong.is_empty() {
            faults.add_needing(At::Entry { index, stream, kind: kind() }, wrong.join("; "), needs);
        }
        if faults.is_full() {
            faults.add(at, "more rows were not looked at");
            return Ok(());
        }
    }
    Ok(())
}

/// That each is named by the entry that its row says.
fn objects(db: &Connection, at: At, faults: &mut Faults) -> Result<(), Fault> {
    let mut statement = db.prepare(
        "SELECT o.digest, o.idx, e.bytes FROM objects o LEFT JOIN entries e ON e.idx = o.idx ORDER BY o.idx",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name = row.get::<_, Vec<u8>>(0).ok().and_then(|name| digest(&name).ok());
        let bytes = row.get::<_, Option<Vec<u8>>>(2)?.unwrap_or_default();
        // An entry that cannot be parsed is a fault of its own.
        let Ok(entry) = json::parse::<Entry>(&bytes) else { continue };
        let mut names = entry.documents.iter().chain(&entry.statements);
        if name.is_none_or(|name| !names.any(|named| *named == name)) {
            let index = row.get::<_, i64>(1)?;
            let shown = name.map_or("without a digest".to_owned(), |name| name.to_string());
            faults.add(at.clone(), format!("the object {shown} is not named by entry {index}, as its row says"));
        }
        if faults.is_full() {
            return Ok(());
        }
    }
    Ok(())
}

/// That there are as many nodes as the tree has, under their numbers, and one row for what there is one of.
fn tree(db: &Connection, at: At, faults: &mut Faults) -> Result<(), Fault> {
    let ask = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    for table in ["tree", "settled"] {
        if ask(&format!("SELECT count(*) FROM {table}"))? != 1 {
            faults.add(at.clone(), format!("{table} has not one row"));
            return Ok(());
        }
    }
    let size = count(ask("SELECT size FROM tree")?)?;
    let entries = count(ask("SELECT coalesce(max(idx) + 1, 0) FROM entries")?)?;
    if entries < size {
        let what = format!("it is missing: the log ends before it, and its tree has {size} leaves");
        faults.add(At::Entry { index: entries, stream: None, kind: None }, what);
    }
    let whole = integer(size - u64::from(size.count_ones()));
    let beyond = ask(&format!("SELECT count(*) FROM nodes WHERE n NOT BETWEEN 0 AND {whole} - 1"))?;
    if beyond > 0 {
        faults.add(at.clone(), format!("{beyond} nodes are beyond the tree"));
    }
    if ask("SELECT count(*) FROM nodes")? - beyond != whole {
        faults.add(at, "the tree has not as many nodes as its size makes");
    }
    Ok(())
}

/// That what is kept for a party is a party's, and has the bytes that it is said to have.
fn uploads(db: &Connection, at: At, faults: &mut Faults) -> Result<(), Fault> {
    let mut statement = db.prepare(
        "SELECT 'uploads', party, communique, 0, 0, 0, 0, x'' FROM uploads
         UNION ALL SELECT 'partials', party, communique, blob, size, held, begun, digest FROM partials",
    )?;
    let mut lengths = db.prepare("SELECT n, length(bytes) FROM chunks WHERE blob = ?1 ORDER BY n")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, party, id) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        let whose = party.parse::<PartyId>().is_ok() && CommuniqueId::parse(&id).is_ok();
        if !whose {
            faults.add(at.clone(), format!("a row of {table} is of no party or no communiqué"));
        }
        if table == "uploads" {
            continue;
        }
        let (size, held, begun) = (count(row.get(4)?)?, count(row.get(5)?)?, row.get::<_, i64>(6)?);
        let mut there = 0;
        let mut chunks = lengths.query([row.get::<_, i64>(3)?])?;
        while let Some(chunk) = chunks.next()? {
            if count(chunk.get(0)?)? * CHUNK as u64 != there {
                break;
            }
            there += count(chunk.get(1)?)?;
        }
        let named = digest(&row.get::<_, Vec<u8>>(7)?).is_ok() && Time::from_unix(begun).unix() == begun;
        if held > size || there < held || !named {
            faults
                .add(at.clone(), format!("what {party} brought for {id}, and what broke off, is not as its row says"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        contract::{Chain, Place as _, append, party},
        sqlite::{Options, SqliteContent, SqliteStore},
    };

    #[tokio::test]
    async fn what_the_ports_do_not_show_is_found() {
        for (sql, what) in [
            ("SELECT 1", ""),
            (
                "UPDATE entries SET time = 2 WHERE idx = 1",
                "entry 1 of party/sample-1 (act)|another stream, number or time",
            ),
            (
                "UPDATE entries SET seq = 7 WHERE idx = 2",
                "entry 2 of party/sample-1 (act)|another stream, number or time",
            ),
            ("UPDATE entries SET bytes = x'7b7d' WHERE idx = 1", "entry 1 of party/sample-1|do not have its digest"),
            ("UPDATE entries SET idx = 9 WHERE idx = 2", "entry 2|there is no row"),
            ("DELETE FROM entries WHERE idx = 2", "entry 2|the log ends before it"),
            ("UPDATE objects SET bytes = x'00'", "entry 0 of party/sample-1 (act)|was changed"),
            ("UPDATE objects SET idx = 1", "log|is not named by entry 1"),
            ("DELETE FROM objects", "entry 0 of party/sample-1 (act)|is not there"),
            ("INSERT INTO nodes VALUES (1, zeroblob(32))", "log|beyond the tree"),
            ("DELETE FROM nodes", "log|not as many nodes"),
            ("INSERT INTO tree VALUES (0, x'')", "log|tree has not one row"),
            ("DELETE FROM settled", "log|settled has not one row"),
            ("DROP INDEX communiques_by_state", "log|not those of this program"),
            (
                "INSERT INTO communique_parties VALUES ('x', 0, 'y', 'z')",
                "log|communique_parties names one of communiques",
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let store = SqliteStore::open(&path, Options::default()).unwrap();
            let mut chain = Chain::new(party(1));
            for n in 0..3 {
                let documents = if n == 0 { vec![b"a document".to_vec()] } else { vec![] };
                store.place(append(vec![chain.next(1, documents)])).await.unwrap();
            }
            drop(store);
            let db = Connection::open(&path).unwrap();
            db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
            drop(db);
            let faults = inspect_log(&path).unwrap();
            let found: Vec<_> =
                faults.listed().iter().map(|found| (found.at.to_string(), found.what.clone())).collect();
            match what.split_once('|') {
                None => assert_eq!(found, [], "{sql}"),
                Some((at, what)) => {
                    assert!(found.iter().any(|found| found.0 == at && found.1.contains(what)), "{sql}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn rows_of_content_that_belong_to_nothing_are_found() {
        for (sql, what) in [
            ("SELECT 1", ""),
            ("INSERT INTO uploads VALUES ('p', 'no id', 1)", "uploads is of no party"),
            (
                "INSERT INTO packages (communique, blob, witnesses) VALUES ('no id', 1, 0)",
                "packages is of no communiqué",
            ),
            ("INSERT INTO stamps VALUES ('no id', x'00')", "stamps is of no communiqué"),
            ("INSERT INTO uploads VALUES ('p', '019cae6b-6600-7101-8101-010101010101', 7)", "names one of blobs"),
            (
                "INSERT INTO partials VALUES ('p', '019cae6b-6600-7101-8101-010101010101', zeroblob(32), 7, 9, 9, 0)",
                "what broke off",
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("content");
            drop(SqliteContent::open(&path, Options::default()).unwrap());
            let db = Connection::open(&path).unwrap();
            db.execute_batch(&format!("PRAGMA foreign_keys = OFF; INSERT INTO blobs VALUES (1, x'00', 0); {sql}"))
                .unwrap();
            drop(db);
            let faults = inspect_content(&path).unwrap();
            let found: Vec<_> = faults.listed().iter().map(|found| found.what.clone()).collect();
            assert_eq!(found.is_empty(), what.is_empty(), "{sql}: {found:?}");
            assert!(what.is_empty() || found.iter().any(|found| found.contains(what)), "{sql}: {found:?}");
        }
    }
}
