//! The schemas, and their way from one version to the next: `user_version` counts the steps taken.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::OpenError;

/// A kind of database: who it is for, and the steps that make it. Steps are only ever added.
pub(super) struct Schema {
    /// What it is, for people.
    pub(super) name: &'static str,
    /// SQLite's `application_id`, so that one kind of file is never opened as another.
    pub(super) application: i32,
    /// The SQL that leads from version n to n + 1.
    pub(super) steps: &'static [&'static str],
}

/// The log. Rowid tables with UNIQUE keys: they take rows half as fast again as WITHOUT ROWID ones.
/// `communiques` and `communique_parties` are projections, and the latter repeats the state for an index of it; `settled` is written to overwrite a commit that failed. `nodes` are the
/// complete inner nodes of the tree over all entries, `tree` is its size and root (those of no leaves to begin with: SHA-256 of
/// nothing) as the last transaction left them.
pub(super) const LOG: Schema = Schema {
    name: "a log of communiqué",
    application: 0x434d_514c,
    steps: &[
        "
        CREATE TABLE entries (
            idx INTEGER PRIMARY KEY,
            stream TEXT NOT NULL,
            seq INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            digest BLOB NOT NULL,
            time INTEGER NOT NULL,
            UNIQUE (stream, seq)
        );
        CREATE TABLE objects (
            digest BLOB NOT NULL UNIQUE,
            idx INTEGER NOT NULL REFERENCES entries (idx),
            bytes BLOB NOT NULL
        );
        CREATE TABLE communiques (
            id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL,
            revision INTEGER NOT NULL,
            manifest BLOB NOT NULL
        );
        CREATE INDEX communiques_by_state ON communiques (state, id);
        CREATE TABLE communique_parties (
            communique TEXT NOT NULL REFERENCES communiques (id),
            n INTEGER NOT NULL,
            party TEXT NOT NULL,
            UNIQUE (communique, n),
            UNIQUE (party, communique)
        );
        CREATE TABLE settled (n INTEGER NOT NULL);
        INSERT INTO settled VALUES (0);
    ",
        "
        CREATE TABLE nodes (
            n INTEGER PRIMARY KEY,
            hash BLOB NOT NULL
        );
        CREATE TABLE tree (size INTEGER NOT NULL, root BLOB NOT NULL);
        INSERT INTO tree VALUES (0, x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
        CREATE TABLE cosignatures (
            size INTEGER NOT NULL,
            party TEXT NOT NULL,
            line TEXT NOT NULL,
            UNIQUE (size, party)
        );
    ",
        // What is open is a few of many, and so is what was purged: both are found without the others.
        "
        ALTER TABLE communique_parties ADD COLUMN state TEXT NOT NULL DEFAULT '';
        UPDATE communique_parties
            SET state = coalesce((SELECT state FROM communiques WHERE id = communique_parties.communique), '');
        CREATE INDEX communique_parties_by_state ON communique_parties (party, state, communique);
        -- Entries that hold \"kind\":\"purged\", which canonical JSON has but one spelling for, and no other place.
        CREATE INDEX entries_purged ON entries (idx) WHERE instr(bytes, x'226b696e64223a2270757267656422') > 0;
    ",
    ],
};

/// Content. A stage is chunks whose blob has no row yet: sealing adds the row and moves no bytes. What is kept of a broken
/// upload has a row among the `partials`, which says how many bytes of its chunks count, and of what size it was announced; any other
/// stage with chunks has one among the `stages`.
pub(super) const CONTENT: Schema = Schema {
    name: "a content store of communiqué",
    application: 0x434d_5143,
    steps: &[
        "
        CREATE TABLE blobs (
            id INTEGER PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE,
            size INTEGER NOT NULL
        );
        CREATE TABLE chunks (
            blob INTEGER NOT NULL,
            n INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            UNIQUE (blob, n)
        );
        CREATE TABLE uploads (
            party TEXT NOT NULL,
            communique TEXT NOT NULL,
            blob INTEGER NOT NULL REFERENCES blobs (id),
            UNIQUE (party, communique, blob)
        );
        CREATE TABLE packages (
            communique TEXT NOT NULL UNIQUE,
            blob INTEGER NOT NULL REFERENCES blobs (id)
        );
    ",
        "
        CREATE TABLE partials (
            party TEXT NOT NULL,
            communique TEXT NOT NULL,
            digest BLOB NOT NULL,
            blob INTEGER NOT NULL UNIQUE,
            size INTEGER NOT NULL,
            held INTEGER NOT NULL,
            begun INTEGER NOT NULL,
            UNIQUE (party, communique, digest)
        );
    ",
        // Packages had no proofs, as originals have none.
        "
        ALTER TABLE packages RENAME TO originals;
        CREATE TABLE packages (
            communique TEXT NOT NULL UNIQUE,
            blob INTEGER NOT NULL REFERENCES blobs (id),
            witnesses INTEGER NOT NULL
        );
    ",
        // What packages show of the log beside witnesses; stamps are the TimeStampResp of authorities.
        "
        ALTER TABLE packages ADD COLUMN stamped INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE packages ADD COLUMN head TEXT NOT NULL DEFAULT '';
        CREATE TABLE stamps (
            communique TEXT NOT NULL UNIQUE,
            response BLOB NOT NULL CHECK (length(response) BETWEEN 1 AND 65536)
        );
    ",
        // Who holds a blob is asked whenever one is given up.
        "
        CREATE INDEX uploads_by_blob ON uploads (blob);
        CREATE INDEX packages_by_blob ON packages (blob);
        CREATE INDEX originals_by_blob ON originals (blob);
    ",
        // What is forgotten at a start is named, so that nothing is looked for among all that is kept. A purge asks what a communiqué has.
        "
        CREATE TABLE stages (blob INTEGER PRIMARY KEY);
        INSERT INTO stages SELECT DISTINCT blob FROM chunks
            WHERE blob NOT IN (SELECT id FROM blobs UNION ALL SELECT blob FROM partials);
        CREATE INDEX uploads_by_communique ON uploads (communique);
    ",
    ],
};

/// Refuses a file that is something else, or newer than this program. Only reads.
pub(super) fn examine(db: &Connection, path: &Path, schema: &Schema) -> Result<(), OpenError> {
    let ask = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let application = ask("PRAGMA application_id").map_err(failed)?;
    let tables = ask("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    if application != i64::from(schema.application) && (application, tables) != (0, 0) {
        return Err(OpenError::Foreign { path: path.to_owned(), expected: schema.name });
    }
    let (found, known) = versions(db, schema).map_err(failed)?;
    if found > known { Err(OpenError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// Takes the steps that the file has not taken, each in a transaction with its number.
pub(super) fn run(db: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let taken = usize::try_from(found).unwrap_or(0);
    for (step, number) in schema.steps.iter().zip(1_i64..).skip(taken) {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(step)?;
        change.pragma_update(None, "application_id", schema.application)?;
        change.pragma_update(None, "user_version", number)?;
        change.commit()?;
    }
    Ok(())
}

/// The version in the file, and the newest that this program knows.
pub(super) fn versions(db: &Connection, schema: &Schema) -> rusqlite::Result<(i64, i64)> {
    let found = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((found, i64::try_from(schema.steps.len()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Schema =
        Schema { name: "a sample", application: 7, steps: &["CREATE TABLE a (x)", "CREATE TABLE b (x)"] };

    #[test]
    fn steps_are_taken_once_and_newer_or_foreign_files_are_refused() {
        let path = Path::new("sample");
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db, &Schema { steps: &TWO.steps[..1], ..TWO }).unwrap();
        examine(&db, path, &TWO).unwrap();
        run(&mut db, &TWO).unwrap();
        run(&mut db, &TWO).unwrap();
        examine(&db, path, &TWO).unwrap();
        let older = Schema { steps: &TWO.steps[..1], ..TWO };
        assert!(matches!(examine(&db, path, &older), Err(OpenError::Newer { found: 2, known: 1, .. })));
        assert!(matches!(examine(&db, path, &LOG), Err(OpenError::Foreign { .. })));
    }

    #[test]
    fn rows_of_the_list_are_taken_along() {
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db, &Schema { steps: &LOG.steps[..2], ..LOG }).unwrap();
        db.execute_batch(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO communiques VALUES ('a', 'open', 1, x''), ('b', 'lapsed', 1, x'');
             INSERT INTO communique_parties VALUES ('a', 0, 'p'), ('b', 0, 'p'), ('b', 1, 'q'), ('gone', 0, 'p')",
        )
        .unwrap();
        run(&mut db, &LOG).unwrap();
        let mut rows = db.prepare("SELECT communique, party, state FROM communique_parties ORDER BY rowid").unwrap();
        let rows = rows.query_map([], |row| Ok([0, 1, 2].map(|n| row.get::<_, String>(n).unwrap()).join(" ")));
        let rows: Vec<_> = rows.unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows, ["a p open", "b p lapsed", "b q lapsed", "gone p "]);
    }

    #[test]
    fn a_failed_step_leaves_nothing() {
        let mut db = Connection::open_in_memory().unwrap();
        let broken = Schema { steps: &["CREATE TABLE a (x); CREATE TABLE a (x)"], ..TWO };
        assert!(run(&mut db, &broken).is_err());
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0);
    }
}
