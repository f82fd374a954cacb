//! What the log's proofs cost: storage and time of the tree, a proof, an audit; and what a copy and a check of all of it cost.
//!
//! ```text
//! cargo bench --bench log
//! ENTRIES=100000 cargo bench --bench log      fewer
//! WITH=PROGRAM WITHOUT=PROGRAM cargo bench --bench log
//! ```
//!
//! The last also measures what proofs add to an act with 64 in flight. No exchange can leave them away, so the two programs are the tests of
//! the service (`cargo test --profile ci --test service --no-run` names its own) of this commit, and of the last one without proofs,
//! 398551b. They take turns.
//!
//! Goals, of a log of 1,000,000 entries: a proof of one entry within 1 ms, less than 70 bytes of tree for an entry, 100,000 entries
//! audited a second or better once they are fetched, at most 15 % more time for an act.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::cast_precision_loss,
    reason = "a benchmark says what it measured by printing, and what went wrong by failing"
)]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use communique::{
    app::{config::Data, fsck},
    client::auditing::books::Books,
    domain::{
        document::Document,
        entry::{Entry, Kind, Position, StreamId},
        id::{CommuniqueId, Digest, Salt},
        json,
        key::SecretKey,
        remark::{Audience, Remark},
        statement::Type,
        time::Time,
        view::{EventView, Happening, Logged},
        words::{Line, Prose},
    },
    exchange::ports::{Append, NewEntry, Object, Store as _},
    log::{
        checkpoint::{Checkpoint, Head, Log, Origin},
        note::{KeyName, Verifier},
        proof::Proof,
        tree::{Edge, Hash, Plan},
    },
    store::sqlite::{Options, SqliteContent, SqliteStore, copy_log},
};

/// Entries of the log, if `ENTRIES` says nothing else.
const ENTRIES: u64 = 1_000_000;
/// Entries of one append, which is one commit here.
const APPEND: u64 = 1024;
/// Streams that they are spread over.
const STREAMS: u64 = 500;
/// Proofs that are timed.
const PROOFS: u64 = 2_000;
/// How often each of the two programs measures acts.
const TURNS: usize = 5;

/// What the party of the audit may see, entry after entry.
struct Course {
    positions: BTreeMap<u64, Position>,
    next: u64,
}

impl Course {
    fn new() -> Self {
        Self { positions: BTreeMap::new(), next: 0 }
    }
    fn next(&mut self) -> NewEntry {
        let n = self.next;
        self.next += 1;
        let communique = CommuniqueId::new(1_795_424_400_000 + n % STREAMS, &[7; 10]);
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&n.to_be_bytes());
        let remark = Remark {
            r#type: Type::of::<Remark>(),
            salt: Salt::new(salt),
            founding: Digest::of(b"charter 1"),
            exchange: "exchange.example".parse().unwrap(),
            communique,
            revision: 1,
            party: "sample".parse().unwrap(),
            author: Line::new("Échantillon").unwrap(),
            audience: Audience::All,
            lang: None,
            text: Prose::new("Le deuxième alinéa est à revoir avec nos juristes.").unwrap(),
            time: Time::from_unix(1_795_424_400),
        };
        let object = Object::new(json::encode(&remark));
        let position = self.positions.entry(n % STREAMS).or_default();
        let entry = Entry {
            documents: vec![object.digest()],
            files: None,
            kind: Kind::Remark,
            previous: position.last,
            salt: Salt::new(salt),
            seq: position.length,
            statements: vec![],
            stream: StreamId::Remarks(communique),
            time: Time::from_unix(1_795_424_400 + i64::try_from(n / 100).unwrap()),
        };
        let entry = Document::made(entry).unwrap();
        position.advance(&entry, entry.digest()).unwrap();
        NewEntry { entry, objects: vec![object] }
    }
}

fn main() {
    // `cargo test --benches` is not to measure.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let entries = std::env::var("ENTRIES").map_or(ENTRIES, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    println!("entries: {entries}");
    runtime.block_on(stored(&path, entries));
    runtime.block_on(checked(folder.path(), &path));
    println!("tree_bytes_per_entry: {:.1}", tree_bytes(&path) as f64 / entries as f64);
    println!("audited_per_second: {:.0}", audited(entries));
    match (std::env::var_os("WITH"), std::env::var_os("WITHOUT")) {
        (Some(with), Some(without)) => act_costs(&with, &without),
        _ => println!(
            "SKIPPED: what proofs add to an act; name two programs in WITH and WITHOUT (see the top of benches/log.rs)"
        ),
    }
}

/// Time of an act with proofs over that without, from the rates that the two programs print, the median of several turns.
fn act_costs(with: &OsStr, without: &OsStr) {
    let mut ratios = BTreeMap::<String, Vec<f64>>::new();
    for _ in 0..TURNS {
        let [with, without] = [with, without].map(rates);
        for (what, rate) in without {
            ratios.entry(what.clone()).or_default().push(rate / with[&what]);
        }
    }
    for (what, mut ratios) in ratios {
        ratios.sort_by(f64::total_cmp);
        println!("time_with_proofs_over_without: {:.2} ({what})", ratios[TURNS / 2]);
    }
}

/// What the test `load` of the service prints: things done a second, by what they are.
fn rates(program: &OsStr) -> BTreeMap<String, f64> {
    let ran = Command::new(program).args(["load", "--ignored", "--nocapture"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8(ran.stderr).unwrap();
    let rates = said.lines().filter_map(|line| {
        let (what, rate) = line.split_once(": ")?;
        Some((what.to_owned(), rate.split_once(" a second")?.0.parse().ok()?))
    });
    rates.collect()
}

/// Fills a log, and proves entries of it at random.
async fn stored(path: &Path, entries: u64) {
    let store = SqliteStore::open(path, Options::default()).unwrap();
    let mut course = Course::new();
    let begun = Instant::now();
    while course.next < entries {
        let batch = (0..APPEND.min(entries - course.next)).map(|_| course.next()).collect();
        store.append(Append { expect: vec![], entries: batch, listings: vec![], unlogged: vec![] }).await.unwrap();
    }
    println!("filled_in_seconds: {:.1}", begun.elapsed().as_secs_f64());

    let edge = store.tree().await.unwrap();
    let signer = SecretKey::from_seed(&[1; 32]);
    let origin = Origin::parse("exchange.example/log").unwrap();
    let head = Head::sign(Checkpoint::new(origin.clone(), edge.size(), edge.root()).unwrap(), &signer).unwrap();
    let name = KeyName::parse(origin.as_str()).unwrap();
    let log = Log::new(origin, vec![Verifier::new(name, communique::domain::key::Signer::public(&signer))]);
    let mut times = Vec::new();
    for n in 0..PROOFS {
        let index = (n * 7_919 * 127) % entries;
        let begun = Instant::now();
        let plan = Plan::inclusion(index, edge.size()).unwrap();
        let mut nodes = store.nodes(plan.nodes().collect()).await.unwrap().into_iter();
        let hashes = plan.build(|_| nodes.next().ok_or(())).unwrap();
        let proof = Proof::new(index, hashes, head.clone()).unwrap();
        let text = proof.to_string();
        times.push(begun.elapsed());
        let leaf = Hash::of_entry(store.digests(index, 1).await.unwrap()[0]);
        Proof::parse(text.as_bytes()).unwrap().verify(leaf, &log).unwrap();
    }
    times.sort();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let at = |share: f64| micros(times[(share * (times.len() - 1) as f64) as usize]);
    println!("proof_microseconds: median {:.0}, of 99 % {:.0}, longest {:.0}", at(0.5), at(0.99), at(1.0));
}

/// Copies the log as a backup does, and checks the copy.
async fn checked(folder: &Path, log: &Path) {
    let copy = Data::at(folder.join("copy"));
    std::fs::create_dir(&copy.directory).unwrap();
    drop(SqliteContent::open(&copy.content(), Options::default()).unwrap());
    let begun = Instant::now();
    copy_log(log, &copy.log()).unwrap();
    println!("copied_in_seconds: {:.1}", begun.elapsed().as_secs_f64());
    println!("copied_mebibytes: {:.1}", std::fs::metadata(copy.log()).unwrap().len() as f64 / f64::from(1 << 20));
    let before = most_memory();
    let begun = Instant::now();
    let report = fsck::fsck(&copy, None, 0).await.unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    println!("checked_in_seconds: {:.1}", begun.elapsed().as_secs_f64());
    println!("most_memory_mebibytes: {} before the check, {} after", before, most_memory());
    std::fs::remove_dir_all(&copy.directory).unwrap();
}

/// The most memory that this process has had so far, in mebibytes; 0 where the system does not say.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// The bytes of the pages that hold the tree.
fn tree_bytes(path: &Path) -> i64 {
    let db = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN ('nodes', 'tree')";
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Entries a second that an audit gets through, of those that it was sent: the tree made again from the digests, every entry and what it
/// names held against them and against the rules.
fn audited(entries: u64) -> f64 {
    let mut books = Books::new("sample".parse().unwrap(), Digest::of(b"charter 1"));
    let (mut course, mut edge, mut spent) = (Course::new(), Edge::default(), Duration::ZERO);
    while course.next < entries {
        let batch: Vec<_> = (0..(1 << 15).min(entries - course.next))
            .map(|_| {
                let (index, new) = (course.next, course.next());
                let objects = new.objects.into_iter().map(|object| object.bytes().to_vec()).collect();
                let (digest, logged) =
                    (new.entry.digest(), Arc::new(Logged { entry: new.entry.bytes().to_vec(), objects }));
                (digest, EventView { index, happening: Happening::Shown(logged) })
            })
            .collect();
        let begun = Instant::now();
        for (digest, event) in &batch {
            edge.append(Hash::of_entry(*digest), |_, _| ()).unwrap();
            books.take(event, *digest).unwrap();
        }
        spent += begun.elapsed();
    }
    assert_eq!(edge.size(), entries);
    entries as f64 / spent.as_secs_f64()
}
