//! Bits that flip in the databases at rest. Each is found: by the append that relies on it, or by one pass of the scrubber; and by
//! `fsck`. None gets under a signed head.

use std::{
    collections::BTreeMap,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use communique::{
    app::machine::ThisMachine,
    domain::{
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{Digest, Salt},
        json,
    },
    exchange::{
        Exchange,
        ports::{Append, AppendError, NewEntry, Store as _},
    },
    log::tree::{Edge, Hash},
    store::sqlite::{Options, SqliteContent, SqliteStore},
};
use rusqlite::types::Value;

use crate::{
    backups::{Copy, Numbers, blob, files, number, operator, proposed, published, remark, serve},
    job::exchange,
};

/// Every column that anything is decided, proven or handed out by. Not here: to whom an upload belongs, and what is kept of broken ones,
/// which their party brings again; what a package's row says of it, and time stamps, which are looked at where they are used.
const COLUMNS: [(&str, &str, &[&str]); 8] = [
    ("log.sqlite", "entries", &["idx", "stream", "seq", "bytes", "digest", "time"]),
    ("log.sqlite", "objects", &["digest", "idx", "bytes"]),
    ("log.sqlite", "nodes", &["n", "hash"]),
    ("log.sqlite", "tree", &["size", "root"]),
    ("log.sqlite", "communiques", &["id", "state", "revision", "manifest"]),
    ("log.sqlite", "communique_parties", &["communique", "n", "party"]),
    ("content.sqlite", "blobs", &["id", "digest", "size"]),
    ("content.sqlite", "chunks", &["blob", "n", "bytes"]),
];
/// Rows of a table of which each column is flipped.
const ROWS: usize = 6;

/// A value with one bit flipped, as SQL.
fn flipped(value: &Value, numbers: &mut Numbers) -> String {
    let hex = |bytes: &[u8], numbers: &mut Numbers| {
        let mut bytes = bytes.to_vec();
        let at = numbers.below(bytes.len());
        bytes[at] ^= 1 << numbers.below(8);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    match value {
        Value::Integer(n) => (n ^ (1 << numbers.below(63))).to_string(),
        Value::Text(text) => format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes(), numbers)),
        Value::Blob(bytes) => format!("x'{}'", hex(bytes, numbers)),
        other => panic!("{other:?} has no bits"),
    }
}

/// The log as it was before anything was flipped.
struct Whole {
    leaves: Vec<Digest>,
    /// The last entry of each stream, and all that the stream's entries name.
    streams: BTreeMap<StreamId, (Entry, Digest, Vec<Digest>)>,
}

impl Whole {
    fn of(copy: &Copy) -> Self {
        let mut whole = Self { leaves: vec![], streams: BTreeMap::new() };
        for row in copy.rows("log.sqlite", "SELECT bytes FROM entries ORDER BY idx") {
            let (bytes, digest) = (blob(&row[0]), Digest::of(blob(&row[0])));
            let entry: Entry = json::parse(bytes).unwrap();
            whole.leaves.push(digest);
            let mut names = whole.streams.remove(&entry.stream).map_or(vec![], |(_, _, names)| names);
            names.extend(entry.documents.iter().chain(&entry.statements));
            whole.streams.insert(entry.stream.clone(), (entry, digest, names));
        }
        whole
    }
    /// What would continue each stream, and names all that the stream names.
    fn next(&self) -> impl Iterator<Item = NewEntry> {
        let last = self.streams.values().map(|(entry, ..)| entry.time).max().unwrap();
        self.streams.iter().map(move |(stream, (entry, digest, names))| {
            let entry = Entry {
                documents: names.clone(),
                files: None,
                kind: Kind::Act,
                previous: Some(*digest),
                salt: Salt::new([7; 32]),
                seq: entry.seq + 1,
                statements: vec![],
                stream: stream.clone(),
                time: last,
            };
            NewEntry { entry: Document::made(entry).unwrap(), objects: vec![] }
        })
    }
}

/// Appends to each stream; answers how many appends were refused. What is taken continues what the log was, and nothing else.
async fn appended(copy: &Copy, whole: &Whole, of: &str) -> Option<usize> {
    let store = SqliteStore::open(&copy.path("log.sqlite"), Options::default()).ok()?;
    let (mut leaves, mut refused) = (whole.leaves.clone(), 0);
    for new in whole.next() {
        let (stream, digest) = (new.entry.stream.clone(), new.entry.digest());
        let expect = vec![(stream, new.entry.seq)];
        match store.append(Append { expect, entries: vec![new], listings: vec![], unlogged: vec![] }).await {
            Ok(appended) => {
                leaves.push(digest);
                let mut edge = Edge::default();
                leaves.iter().for_each(|leaf| edge.append(Hash::of_entry(*leaf), |_, _| ()).unwrap());
                assert!(appended.growth.after().root() == edge.root(), "{of}: it got under a head");
            }
            Err(AppendError::Unknown) => panic!("{of}: its fate is unknown"),
            Err(_) => refused += 1,
        }
    }
    Some(refused)
}

/// How many faults one pass of the scrubber finds; none if the exchange does not start.
async fn scrubbed(copy: &Copy) -> Option<u64> {
    let store = SqliteStore::open(&copy.path("log.sqlite"), Options::default()).ok()?;
    let content = SqliteContent::open(&copy.path("content.sqlite"), Options::default()).ok()?;
    let machine = Arc::new(ThisMachine);
    let exchange = Exchange::new(Arc::new(store), Arc::new(content), machine, vec![], Arc::default());
    Some(exchange.scrub(0).await.unwrap().faults.count())
}

#[test]
fn a_flipped_bit_is_found_and_gets_under_no_head() {
    let (desk, mut served) = exchange();
    let public = published(&desk);
    let open = proposed(&desk, "Texte d’essai ouvert.\n");
    remark(&desk, &open).ends(0);
    remark(&desk, &public).ends(0);
    operator(&desk, "backup --config host/communiqued.toml --to kept").ends(0);
    served.stop();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let copy = Copy { folder: desk.path("copy"), whole: files(&desk.path("kept")), runtime };
    fs::create_dir(&copy.folder).unwrap();
    copy.heal();
    let whole = Whole::of(&copy);
    assert!(whole.streams.len() > 5, "{:?}", whole.streams.keys());
    assert_eq!(copy.runtime.block_on(appended(&copy, &whole, "nothing")), Some(0));
    copy.heal();
    assert_eq!(copy.runtime.block_on(scrubbed(&copy)), Some(0));

    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut flips, mut at_start, mut at_append, mut by_scrub) = (0, 0, 0, 0);
    for (file, table, columns) in COLUMNS {
        copy.heal();
        let rows = copy.rows(file, &format!("SELECT rowid, {} FROM {table}", columns.join(", ")));
        for _ in 0..ROWS.min(rows.len() * 2) {
            let row = &rows[numbers.below(rows.len())];
            for (column, value) in columns.iter().zip(&row[1..]) {
                let of = format!("{table}.{column} of row {}", number(&row[0]));
                // A bit that would make two rows alike is not flipped: no table lets it.
                let sql = loop {
                    let value = flipped(value, &mut numbers);
                    let sql = format!("UPDATE {table} SET {column} = {value} WHERE rowid = {}", number(&row[0]));
                    copy.heal();
                    let db = rusqlite::Connection::open(copy.path(file)).unwrap();
                    if db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).is_ok() {
                        break sql;
                    }
                };
                let flip = || {
                    copy.heal();
                    copy.sql(file, &sql);
                };
                flip();
                let refused = copy.runtime.block_on(appended(&copy, &whole, &of));
                flip();
                let faults = copy.runtime.block_on(scrubbed(&copy));
                flip();
                let found = copy.found();
                flips += 1;
                at_start += usize::from(faults.is_none());
                at_append += usize::from(refused.is_some_and(|refused| refused > 0));
                by_scrub += usize::from(faults.is_some_and(|faults| faults > 0));
                assert!(faults != Some(0), "{of}: no pass of the scrubber finds it; {found:?}");
                assert!(!found.is_empty(), "{of}: fsck does not find it");
            }
        }
    }
    eprintln!(
        "flips: {flips} found: {}; of these {at_start} kept the exchange from starting, {at_append} refused an append, {by_scrub} were \
         found by one pass of the scrubber",
        at_start + by_scrub
    );
    assert!(flips > 120 && at_start > 0 && at_append > 20, "{flips} {at_start} {at_append}");
}

#[test]
fn what_was_damaged_is_put_back_from_where_the_same_bytes_are() {
    let (desk, mut served) = exchange();
    published(&desk);
    operator(&desk, "backup --config host/communiqued.toml --to kept").ends(0);
    let mend = |from: &str| operator(&desk, &format!("fsck --data copy --mend-from {from}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let copy = Copy { folder: desk.path("copy"), whole: files(&desk.path("kept")), runtime };
    fs::create_dir(&copy.folder).unwrap();
    copy.heal();
    // An entry of the middle, a statement, a missing document, and a text; and of each the bytes.
    let row = |file, sql| copy.rows(file, sql).remove(0);
    let entry = row("log.sqlite", "SELECT bytes, idx FROM entries WHERE idx = 5");
    let objects = copy.rows("log.sqlite", "SELECT bytes, digest FROM objects WHERE idx = 9 OR idx = 0 ORDER BY idx");
    let chunk = row("content.sqlite", "SELECT c.bytes, c.blob FROM chunks c JOIN uploads u ON u.blob = c.blob");
    let damage = || {
        copy.heal();
        copy.sql("log.sqlite", "UPDATE entries SET bytes = x'00' WHERE idx = 5");
        copy.sql("log.sqlite", "UPDATE objects SET bytes = x'00' WHERE idx = 9; DELETE FROM objects WHERE idx = 0");
        copy.sql("content.sqlite", &format!("UPDATE chunks SET bytes = x'00' WHERE blob = {}", number(&chunk[1])));
    };
    damage();
    let whole: Vec<&[u8]> = objects.iter().chain([&entry, &chunk]).map(|row| blob(&row[0])).collect();
    let found = operator(&desk, "fsck --data copy").ends(1);
    for bytes in &whole {
        assert!(found.out.contains(&format!("needed: {}", Digest::of(bytes))), "{}", found.out);
    }
    // Bytes that are not those: what is asked for is never taken on trust.
    fs::create_dir(desk.path("none")).unwrap();
    fs::create_dir(desk.path("wrong")).unwrap();
    fs::create_dir(desk.path("right")).unwrap();
    for bytes in &whole {
        desk.write(&format!("wrong/{}", Digest::of(bytes)), b"others");
        desk.write(&format!("right/{}", Digest::of(bytes)), bytes);
    }
    for folder in ["none", "wrong"] {
        mend(folder).ends(1).tells("0 put back").prints("DAMAGED entry 5");
    }
    mend("absent").ends(1);
    let all = format!("{} put back", whole.len());
    for folder in ["right", "kept"] {
        damage();
        mend(folder).ends(0).tells(&all).prints("sound: ");
    }
    let before = files(&desk.path("kept"));
    mend("right").ends(0);
    assert!(before == files(&desk.path("kept")), "it was only read");
    // Not while it serves.
    let name = desk.path("host/data/content.sqlite");
    let db = rusqlite::Connection::open(&name).unwrap();
    db.execute_batch(&format!("UPDATE chunks SET bytes = x'00' WHERE blob = {}", number(&chunk[1]))).unwrap();
    drop(db);
    let host = "fsck --config host/communiqued.toml --mend-from right";
    operator(&desk, host).ends(1).tells("in use by another process");
    served.stop();
    operator(&desk, host).ends(0).tells("1 put back");
}

/// What an exchange does by itself with what it has stored, also when nobody calls.
#[test]
fn an_exchange_looks_after_what_lies_there() {
    let (desk, mut served) = exchange();
    let id = proposed(&desk, "Texte d’essai.\n");
    served.stop();
    let content = || rusqlite::Connection::open(desk.path("host/data/content.sqlite")).unwrap();
    // An upload that broke off long ago, and an annex that was changed.
    let changed = content()
        .query_row("SELECT b.digest, b.id FROM blobs b ORDER BY b.size LIMIT 1", [], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, i64>(1)?))
        })
        .unwrap();
    content()
        .execute_batch(&format!(
            "UPDATE chunks SET bytes = x'00' WHERE blob = {};
             INSERT INTO partials VALUES ('north', '{id}', zeroblob(32), 999, 9, 1, 0);
             INSERT INTO chunks VALUES (999, 0, x'00')",
            changed.1
        ))
        .unwrap();
    let mut served = serve(&desk);
    let until = Instant::now() + Duration::from_secs(60);
    let kept = || {
        let sql = "SELECT (SELECT count(*) FROM partials) + (SELECT count(*) FROM chunks WHERE blob = 999)";
        content().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    while kept() > 0 || !desk.read("served.log").contains("log or content is DAMAGED") {
        assert!(Instant::now() < until, "{} kept: {}", kept(), desk.read("served.log"));
        std::thread::sleep(Duration::from_millis(100));
    }
    // It is named, and stops nothing else.
    let name = Digest::from_bytes(changed.0).to_string();
    let log = desk.read("served.log");
    assert!(log.lines().any(|line| line.contains("DAMAGED") && line.contains(&name)), "{log}");
    remark(&desk, &id).ends(0);
    served.stop();
}
