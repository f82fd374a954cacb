//! The schemas, and their way from one version to the next. Several programs may start at once: the row of the version is what they
//! wait for.

use tokio_postgres::{Client, error::SqlState};

use super::{OpenError, connection::Fault};

/// A kind of tables: who they are for, and the steps that make them. Steps are only ever added.
pub(super) struct Schema {
    pub(super) kind: &'static str,
    /// The SQL that leads from version n to n + 1.
    pub(super) steps: &'static [&'static str],
}

/// The log, as SQLite's has it. Text is ordered by its bytes, whatever the database's language is.
pub(super) const LOG: Schema = Schema {
    kind: "log",
    steps: &[
        "
        CREATE TABLE entries (
            idx bigint PRIMARY KEY,
            stream text COLLATE \"C\" NOT NULL,
            seq bigint NOT NULL,
            bytes bytea NOT NULL,
            digest bytea NOT NULL,
            time bigint NOT NULL,
            UNIQUE (stream, seq)
        );
        CREATE TABLE objects (
            digest bytea PRIMARY KEY,
            idx bigint NOT NULL REFERENCES entries (idx),
            bytes bytea NOT NULL
        );
        CREATE TABLE communiques (
            id text COLLATE \"C\" PRIMARY KEY,
            state text NOT NULL,
            revision bigint NOT NULL,
            manifest bytea NOT NULL
        );
        CREATE INDEX communiques_by_state ON communiques (state, id);
        CREATE TABLE communique_parties (
            communique text COLLATE \"C\" NOT NULL REFERENCES communiques (id),
            n bigint NOT NULL,
            party text COLLATE \"C\" NOT NULL,
            PRIMARY KEY (communique, n),
            UNIQUE (party, communique)
        );
        CREATE TABLE nodes (
            n bigint PRIMARY KEY,
            hash bytea NOT NULL
        );
        CREATE TABLE tree (
            one boolean PRIMARY KEY CHECK (one),
            size bigint NOT NULL,
            root bytea NOT NULL
        );
        INSERT INTO tree VALUES (true, 0, '\\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
        CREATE TABLE settled (
            one boolean PRIMARY KEY CHECK (one),
            n bigint NOT NULL
        );
        INSERT INTO settled VALUES (true, 0);
        CREATE TABLE cosignatures (
            size bigint NOT NULL,
            party text COLLATE \"C\" NOT NULL,
            line text NOT NULL,
            PRIMARY KEY (size, party)
        );
    ",
        // What is open is a few of many: a party's rows are found by their state. It takes the time that it takes.
        "
        SET LOCAL statement_timeout = 0;
        ALTER TABLE communique_parties ADD COLUMN state text;
        UPDATE communique_parties p SET state = c.state FROM communiques c WHERE c.id = p.communique;
        ALTER TABLE communique_parties ALTER COLUMN state SET NOT NULL;
        CREATE INDEX communique_parties_by_state ON communique_parties (party, state, communique);
        CREATE INDEX entries_purged ON entries (idx) WHERE position('\\x226b696e64223a2270757267656422'::bytea IN bytes) > 0;
    ",
    ],
};

/// Content. A stage is a row from its beginning on, so that whatever exchange goes on with it, and whichever counts, sees it.
pub(super) const CONTENT: Schema = Schema {
    kind: "content",
    steps: &["
        CREATE TABLE blobs (
            id bigint PRIMARY KEY,
            digest bytea NOT NULL UNIQUE,
            size bigint NOT NULL
        );
        CREATE TABLE chunks (
            blob bigint NOT NULL,
            n bigint NOT NULL,
            bytes bytea NOT NULL,
            PRIMARY KEY (blob, n)
        );
        ALTER TABLE chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
        CREATE SEQUENCE writers;
        CREATE TABLE stages (
            blob bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            writer bigint,
            party text COLLATE \"C\",
            communique text COLLATE \"C\",
            digest bytea,
            size bigint NOT NULL,
            held bigint NOT NULL DEFAULT 0,
            kept boolean NOT NULL,
            begun bigint NOT NULL,
            heard timestamptz NOT NULL DEFAULT now()
        );
        CREATE UNIQUE INDEX stages_kept ON stages (party, communique, digest) WHERE kept;
        CREATE INDEX stages_by_owner ON stages (communique, party);
        CREATE TABLE places (
            party text COLLATE \"C\" PRIMARY KEY
        );
        CREATE TABLE uploads (
            id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
            party text COLLATE \"C\" NOT NULL,
            communique text COLLATE \"C\" NOT NULL,
            blob bigint NOT NULL REFERENCES blobs (id),
            PRIMARY KEY (communique, party, blob)
        );
        CREATE INDEX uploads_by_blob ON uploads (blob);
        CREATE TABLE packages (
            communique text COLLATE \"C\" PRIMARY KEY,
            blob bigint NOT NULL REFERENCES blobs (id),
            witnesses bigint NOT NULL,
            stamped boolean NOT NULL,
            head text NOT NULL
        );
        CREATE INDEX packages_by_blob ON packages (blob);
        CREATE TABLE originals (
            communique text COLLATE \"C\" PRIMARY KEY,
            blob bigint NOT NULL REFERENCES blobs (id)
        );
        CREATE INDEX originals_by_blob ON originals (blob);
        CREATE TABLE stamps (
            communique text COLLATE \"C\" PRIMARY KEY,
            response bytea NOT NULL CHECK (length(response) BETWEEN 1 AND 65536)
        );
    "],
};

impl Schema {
    fn version(&self) -> i64 {
        i64::try_from(self.steps.len()).unwrap_or(i64::MAX)
    }
}

fn refused(error: tokio_postgres::Error) -> OpenError {
    OpenError::Database { why: Fault::from(error).to_string() }
}

/// Whether the tables are not of this program's version. Where they are, nothing is written: a commit would wait for standbys that may be
/// away.
pub(super) async fn behind(db: &Client, schema: &Schema) -> Result<bool, OpenError> {
    make_versions(db).await.map_err(refused)?;
    let version = "SELECT version FROM communique_schema WHERE kind = $1";
    let found = db.query_opt(version, &[&schema.kind]).await.map_err(refused)?;
    let found: Option<i64> = found.map(|row| row.try_get(0)).transpose().map_err(refused)?;
    Ok(found != Some(schema.version()))
}

/// Brings the tables to this program's version.
pub(super) async fn run(db: &Client, schema: &Schema) -> Result<(), OpenError> {
    let known = schema.version();
    let outcome = step(db, schema).await;
    if outcome.is_err() {
        // The connection is given up by whoever is told; what this would say is nothing new.
        let _ = db.batch_execute("ROLLBACK").await;
    }
    match outcome.map_err(refused)? {
        found if found > known => Err(OpenError::Newer { kind: schema.kind, found, known }),
        _ => Ok(()),
    }
}

/// Takes the steps that were not taken yet, all in one transaction. Answers the version that there was.
async fn step(db: &Client, schema: &Schema) -> Result<i64, tokio_postgres::Error> {
    db.batch_execute("BEGIN").await?;
    db.execute("INSERT INTO communique_schema VALUES ($1, 0) ON CONFLICT (kind) DO NOTHING", &[&schema.kind]).await?;
    let version = "SELECT version FROM communique_schema WHERE kind = $1 FOR UPDATE";
    let found: i64 = db.query_one(version, &[&schema.kind]).await?.get(0);
    let taken = usize::try_from(found).unwrap_or(0);
    for (step, number) in schema.steps.iter().zip(1_i64..).skip(taken) {
        db.batch_execute(step).await?;
        db.execute("UPDATE communique_schema SET version = $2 WHERE kind = $1", &[&schema.kind, &number]).await?;
    }
    db.batch_execute("COMMIT").await?;
    Ok(found)
}

/// Two that make a table at once may collide although each asks whether it is there.
async fn make_versions(db: &Client) -> Result<(), tokio_postgres::Error> {
    const TAKEN: [SqlState; 3] = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];
    const MAKE: &str = "CREATE TABLE IF NOT EXISTS communique_schema (kind text PRIMARY KEY, version bigint NOT NULL)";
    match db.batch_execute(MAKE).await {
        Err(error) if error.code().is_some_and(|code| TAKEN.contains(code)) => db.batch_execute(MAKE).await,
        outcome => outcome,
    }
}
