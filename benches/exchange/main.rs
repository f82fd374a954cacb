//! How fast the exchange is beside what the same machine could do at most, in one run: client and server on one machine, over mutual TLS.
//!
//! ```text
//! cargo bench --bench exchange
//! ACTS=5000 cargo bench --bench exchange      fewer
//! ```
//!
//! The limits, each by itself on all cores: **E**, calls a second that tonic over the same TLS answers with what it was told, as many at
//! once; **V**, strict verifications of Ed25519 a second; **D**, durable appends a second of rows of that size by the store's own writer,
//! as many at once. Whoever does all three in turn for each act does **L** = 1 / (1/E + 1/V + 1/D) a second. All are measured before the
//! acts and after them, since a machine is not always as fast.
//!
//! The exchange is the shipped program in a process of its own, with its default limits (but for the places of a thousand watchers), and
//! writes its messages to a file. All acts are signed beforehand, and each is an initial of one of four parties on one of many
//! communiqués. Nobody signs what he has not read: each communiqué is read once before the first act on it. Acts on communiqués that
//! nobody has read are measured as well. The client is tonic's, and believes what it is told: what a party verifies of an answer is its own
//! time.
//!
//! PostgreSQL and etcd are measured where they are installed. What is durable lies in the folder for temporary files (`TMPDIR`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark says what it measured by printing, and what went wrong by failing"
)]

mod connections;
mod etcd;
mod limits;
mod watchers;

#[path = "../../tests/postgres/cluster.rs"]
mod cluster;
#[path = "../scene/course.rs"]
mod course;
#[path = "../scene/echo.rs"]
mod echo;
#[path = "../scene/figures.rs"]
mod figures;
#[path = "../../tests/foreign/missing.rs"]
mod missing;
#[path = "../scene/plot.rs"]
mod plot;
#[path = "../../tests/service/ports.rs"]
mod ports;
#[allow(dead_code, reason = "what the benchmarks share")]
#[path = "../scene/process.rs"]
mod process;
#[allow(dead_code, reason = "the sample parties of the tests of the service")]
#[path = "../../tests/service/world.rs"]
mod world;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use communique::{
    domain::{act::ActKind, document::Document, id::Role, manifest::Manifest},
    exchange::ports::Store,
    store::{
        postgres::{PostgresStore, Settings},
        sqlite::{Options, SqliteContent, SqliteStore},
    },
    wire::v1::{
        GetCommuniqueRequest, ListCommuniquesRequest, ProposeRevisionRequest, SubmitActRequest,
        communique_service_client::CommuniqueServiceClient,
    },
};
use tonic::transport::Channel;

use cluster::{Cluster, Database};
use course::{Course, TEXT};
use echo::Bare;
use figures::{Run, in_flight};
use limits::{Limits, Machine};
use process::{Process, log_of};
use world::{World, dial, key, sign};

/// As the exchange has it, so that what stands beside it differs in nothing else.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Acts with 64 and with 512 in flight, if `ACTS` says nothing else; a tenth with fewer in flight.
const ACTS: usize = 50_000;
/// How many in flight.
const LOADS: [usize; 6] = [1, 4, 16, 64, 256, 512];
/// Those that are measured with all acts, and whose limits are measured.
const WHOLE: [usize; 3] = [1, 64, 512];
/// How many in flight on communiqués that nobody has read.
const UNREAD: [usize; 2] = [1, 512];
/// How often each communiqué is read, once it was read.
const GETS: usize = 5;
/// The parties, each with an official who initials. The first proposes.
const PARTIES: [&str; 4] = ["north", "south", "east", "west"];
/// Communiqués that are acted on at a time: not more than an exchange keeps in memory.
const TABLED: usize = 4_000;
/// As many of them get all of their acts before the next ones do, so that every load has its share of acts that complete one.
const TOGETHER: usize = 1_000;
/// Connections of each party: with the streams that one may have, more than enough for 512 calls.
const CONNECTIONS: usize = 3;

/// Connections of each party, to one server.
#[derive(Clone)]
struct Lines(Arc<Vec<Vec<Channel>>>);

impl Lines {
    async fn to(world: &World, address: SocketAddr) -> Self {
        let mut lines = Vec::new();
        for of in PARTIES {
            let mut of_party = Vec::new();
            for _ in 0..CONNECTIONS {
                of_party.push(dial(&world.connection_to(address, of, Role::Official)).await.unwrap());
            }
            lines.push(of_party);
        }
        Self(Arc::new(lines))
    }
    /// The one that this worker takes for this work; what is counted goes round the parties.
    fn of(&self, worker: usize, n: usize) -> &Channel {
        let of_party = &self.0[n % PARTIES.len()];
        &of_party[worker / PARTIES.len() % of_party.len()]
    }
    fn service(&self, worker: usize, n: usize) -> CommuniqueServiceClient<Channel> {
        CommuniqueServiceClient::new(self.of(worker, n).clone())
    }
}

/// How many acts there are for this load.
fn share(acts: usize, load: usize) -> usize {
    if load >= 64 && WHOLE.contains(&load) { acts } else { acts / 10 }
}

/// Initials, signed, in the order in which they are given.
struct Signed {
    /// Every one there is to give on the first communiqués. A conference has [`TABLED`] of them before it at a time, and no two acts that
    /// follow one another are on the same.
    tabled: Vec<String>,
    /// One on each of the others, which nobody reads.
    unread: Vec<String>,
}

impl Signed {
    /// On these communiqués of a course.
    fn of(world: &World, course: &Course, communiques: usize, unread: usize) -> Self {
        let manifests: Vec<_> = (0..communiques + unread).map(|n| course.manifest(n as u64)).collect();
        let (tabled, unread) = manifests.split_at(communiques);
        let tables = tabled.chunks(TOGETHER).flat_map(|table| {
            let turn = |n: usize| {
                let party = n % PARTIES.len();
                (party, &table[(n / PARTIES.len() + party * table.len() / PARTIES.len()) % table.len()])
            };
            (0..table.len() * PARTIES.len()).map(turn)
        });
        let unread = unread.iter().enumerate().map(|(n, manifest)| (n % PARTIES.len(), manifest));
        let sign = |turns: Vec<(usize, &Document<Manifest>)>| {
            let sign = |(party, manifest): &(usize, &Document<Manifest>)| {
                let who = format!("{}.a", PARTIES[*party]);
                sign(world.act(ActKind::Initial, &who, manifest, None), &key(&who))
            };
            let pieces = turns.chunks(turns.len().div_ceil(std::thread::available_parallelism().unwrap().get()));
            std::thread::scope(|scope| {
                let signing: Vec<_> =
                    pieces.map(|piece| scope.spawn(move || piece.iter().map(sign).collect::<Vec<_>>())).collect();
                signing.into_iter().flat_map(|signed| signed.join().unwrap()).collect()
            })
        };
        Self { tabled: sign(tables.collect()), unread: sign(unread.collect()) }
    }
}

/// What acts came to on one store.
struct Acts {
    runs: BTreeMap<usize, Run>,
    /// On communiqués that nobody has read, one at a time and with the most in flight.
    unread: BTreeMap<usize, Run>,
    /// Of the exchange's process, for each act with the most in flight, in microseconds.
    processor: f64,
}

/// Durable acts, at each load.
async fn acts(process: &Process, world: &World, course: &Course, signed: Signed, acts: usize) -> Acts {
    let lines = Lines::to(world, process.address).await;
    let give = |signed: &Arc<Vec<String>>, first: usize| {
        let (lines, signed) = (lines.clone(), signed.clone());
        move |worker: usize, n: usize| {
            let (mut service, statement) = (lines.service(worker, first + n), signed[first + n].clone());
            async move {
                let receipt = service.submit_act(SubmitActRequest { statement }).await.unwrap();
                assert!(receipt.into_inner().receipt.is_some());
            }
        }
    };
    let (tabled, unread) = (Arc::new(signed.tabled), Arc::new(signed.unread));
    let (mut runs, mut from, mut processor) = (BTreeMap::new(), 0, 0.0);
    for load in LOADS {
        let (until, mut spent) = (from + share(acts, load), 0.0);
        let mut run = Run::default();
        while from < until {
            let table = TABLED * PARTIES.len();
            if from % table == 0 {
                let first = from / PARTIES.len();
                let communiques = first..(first + TABLED).min(tabled.len() / PARTIES.len());
                gets(&lines, names(course, communiques), 1).await;
            }
            let count = until.min((from / table + 1) * table) - from;
            let before = process.processor();
            run.add(in_flight(load, count, give(&tabled, from)).await);
            spent += process.processor() - before;
            from += count;
        }
        processor = spent / share(acts, load) as f64 * 1e6;
        runs.insert(load, run);
    }
    let (mut of_unread, mut from) = (BTreeMap::new(), 0);
    for (load, count) in UNREAD.map(|load| (load, share(acts, 1))) {
        of_unread.insert(load, in_flight(load, count, give(&unread, from)).await);
        from += count;
    }
    Acts { runs, unread: of_unread, processor }
}

/// The names of these communiqués.
fn names(course: &Course, numbers: std::ops::Range<usize>) -> Arc<Vec<String>> {
    Arc::new(numbers.map(|n| format!("communiques/{}", course.id(n as u64))).collect())
}

/// Communiqués read by their names, 64 in flight, so many times round.
async fn gets(lines: &Lines, names: Arc<Vec<String>>, times: usize) -> Run {
    let (lines, count) = (lines.clone(), names.len() * times);
    let get = move |worker, n| {
        let (mut service, name) = (lines.service(worker, n), names[n % names.len()].clone());
        async move {
            service.get_communique(GetCommuniqueRequest { name }).await.unwrap();
        }
    };
    in_flight(64, count, get).await
}

/// Says what acts came to beside their limits, and answers the share of the limit with the most in flight.
fn tell(on: &str, acts: &Acts, limits: &Limits) -> f64 {
    let mut share = 0.0;
    for (load, run) in &acts.runs {
        print!("{on}: acts, {load} in flight: {}", run.told());
        match limits.at(*load) {
            Some(limit) => {
                share = run.rate() / limit;
                println!("; L {limit:.0}/s, of it {share:.2}");
            }
            None => println!(),
        }
    }
    for (load, run) in &acts.unread {
        let of = run.rate() / limits.at(*load).unwrap();
        println!("{on}: acts on communiqués that nobody has read, {load} in flight: {}; of L {of:.2}", run.told());
    }
    println!("{on}: processor time of the exchange for an act, 512 in flight: {:.0} µs", acts.processor);
    share
}

/// Everything that is read, and revisions, beside the echo.
async fn rest(process: &Process, world: &World, course: &Course, (first, count): (usize, usize), machine: &Machine) {
    let lines = Lines::to(world, process.address).await;
    let tell = |what: &str, run: &Run| {
        println!("{what}, 64 in flight: {}; of E {:.2}", run.told(), run.rate() / machine.echo[&64].rate());
    };
    let names = names(course, first..first + count);
    tell("gets of communiqués that are not in memory", &gets(&lines, names.clone(), 1).await);
    let run = gets(&lines, names, GETS).await;
    tell("gets", &run);
    println!("get_over_echo: {:.2}", run.rate() / machine.echo[&64].rate());

    let run = in_flight(16, 1_000, {
        let lines = lines.clone();
        move |worker, n| {
            let mut service = lines.service(worker, n);
            async move {
                let page = ListCommuniquesRequest { page_size: 50, ..Default::default() };
                assert_eq!(service.list_communiques(page).await.unwrap().into_inner().communiques.len(), 50);
            }
        }
    });
    println!("list pages of 50, 16 in flight: {}", run.await.told());

    let revisions: Arc<Vec<_>> = Arc::new(
        (first..first + count)
            .map(|n| {
                let manifest = Document::of(&world.next(&course.manifest(n as u64), TEXT)).unwrap();
                let who = format!("{}.a", PARTIES[0]);
                let propose = sign(world.act(ActKind::Propose, &who, &manifest, None), &key(&who));
                ProposeRevisionRequest { manifest: manifest.bytes().to_vec(), propose }
            })
            .collect(),
    );
    let run = in_flight(64, count, {
        let lines = lines.clone();
        move |worker, n| {
            // All of them are the first party's.
            let (mut service, revision) = (lines.service(worker, 0), revisions[n].clone());
            async move {
                service.propose_revision(revision).await.unwrap();
            }
        }
    });
    tell("revisions", &run.await);
    println!("memory, with all communiqués that are kept in it: {:.1} MB", process.resident() / 1e6);
}

/// Proposes so many communiqués.
async fn proposed(world: &World, store: &dyn Store, communiques: usize) -> Course {
    let mut course = Course::new(world, PARTIES.to_vec());
    course.extend(store, communiques as u64, 0).await;
    course
}

/// Communiqués for all acts of one store: those that are read before, and those that are not.
fn communiques(acts: usize) -> (usize, usize) {
    let tabled = LOADS.map(|load| share(acts, load)).iter().sum::<usize>().div_ceil(PARTIES.len());
    (tabled, UNREAD.len() * share(acts, 1))
}

async fn on_sqlite(count: usize) -> (Acts, Machine, f64) {
    let world = World::with(|_| ()).await;
    world.stop().await;
    let ((tabled, unread), extra) = (communiques(count), (count / 10).clamp(100, 4_000));
    let others = tabled + unread;
    let course = {
        let store = log_of(&world);
        proposed(&world, &store, others + extra + watchers::ACTS).await
    };
    course.seal_text(&SqliteContent::open(&world.config.data.content(), Options::default()).unwrap()).await;
    let signed = Signed::of(&world, &course, tabled, unread);
    let (bare, act) = (Bare::start(&world), signed.tabled[0].clone());
    let lines = Lines::to(&world, bare.echo).await;
    let folder = tempfile::tempdir().unwrap();
    let store = |name| Arc::new(SqliteStore::open(&folder.path().join(name), Options::default()).unwrap());
    let turns = limits::in_turn(&lines, store("turns"), &act, count).await;
    let mut limits = Limits::measure(&lines, store("before"), &act, count).await;
    let process = Process::start(&world, &[]);
    let acts = acts(&process, &world, &course, signed, count).await;
    limits.add(Limits::measure(&lines, store("after"), &act, count).await);
    limits.tell("SQLite");
    let share = tell("SQLite", &acts, &limits);
    let one = acts.runs[&1].micros(0.5);
    let parts = limits.machine.one();
    println!("one at a time: p50 {one:.0} µs; echo, one sync and one verification: {parts:.0} µs");
    println!("one_over_parts: {:.2}", one / parts);
    println!(
        "echo, verification and append in turn, one at a time: {}; acts over them {:.2}",
        turns.told(),
        one / turns.micros(0.5)
    );
    rest(&process, &world, &course, (others, extra), &limits.machine).await;
    drop(process);
    connections::rates(&world, &bare).await;
    watchers::fan_out(&world, &course, (others + extra) as u64).await;
    (acts, limits.machine, share)
}

async fn on_postgres(count: usize) -> Option<(Acts, f64)> {
    let cluster = Cluster::start("shared_buffers = 128MB")?;
    let database = cluster.database("exchange");
    let Database { url, ca, password_file, .. } = database.clone();
    let world = World::with(|config| {
        (config.store.url, config.store.ca, config.store.password_file) = (url, ca, password_file);
    })
    .await;
    world.stop().await;
    let (tabled, unread) = communiques(count);
    let course = proposed(&world, &*opened(&database).await, tabled + unread).await;
    let signed = Signed::of(&world, &course, tabled, unread);
    let (bare, act) = (Bare::start(&world), signed.tabled[0].clone());
    let lines = Lines::to(&world, bare.echo).await;
    let beside = async |name| opened(&cluster.database(name)).await;
    let mut limits = Limits::measure(&lines, beside("before").await, &act, count).await;
    let settings = [
        ("COMMUNIQUE__STORE__URL", database.url.clone()),
        ("COMMUNIQUE__STORE__CA", database.ca.display().to_string()),
        ("COMMUNIQUE__STORE__PASSWORD_FILE", database.password_file.display().to_string()),
    ];
    let process = Process::start(&world, &settings);
    let acts = acts(&process, &world, &course, signed, count).await;
    limits.add(Limits::measure(&lines, beside("after").await, &act, count).await);
    limits.tell("PostgreSQL");
    let share = tell("PostgreSQL", &acts, &limits);
    Some((acts, share))
}

async fn opened(database: &Database) -> Arc<dyn Store> {
    let settings = Settings {
        url: database.url.clone(),
        password: Some(std::fs::read(&database.password_file).unwrap()),
        tls: communique::pki::client::known_by(&std::fs::read(&database.ca).unwrap()).unwrap(),
        standbys: 0,
        readers: 4,
    };
    Arc::new(PostgresStore::open(&settings).await.unwrap())
}

fn main() {
    if echo::is_this_process() {
        return;
    }
    // `cargo test --benches` is not to measure.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let count = std::env::var("ACTS").map_or(ACTS, |n| n.parse().expect("ACTS is a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(count));
}

async fn run(count: usize) {
    process::on_a_disk();
    connections::small().await;
    let (sqlite, machine, share) = on_sqlite(count).await;
    let postgres = on_postgres(count).await;
    etcd::puts(&sqlite, count).await;
    if count == ACTS {
        draw(&sqlite, postgres.as_ref().map(|(acts, _)| acts), &machine);
    }
    if let Some((_, share)) = postgres {
        println!("acts_over_limit_postgresql: {share:.2}");
    }
    println!("acts_over_limit: {share:.2}");
}

/// Draws latency against load. A shorter run is no picture.
fn draw(sqlite: &Acts, postgres: Option<&Acts>, machine: &Machine) {
    let points = |runs: &BTreeMap<usize, Run>, q: f64| {
        runs.values().map(|run| (run.rate(), run.micros(q) / 1e3)).collect::<Vec<_>>()
    };
    let mut series = vec![
        ("SQLite, p50".to_owned(), points(&sqlite.runs, 0.5)),
        ("SQLite, p99".to_owned(), points(&sqlite.runs, 0.99)),
    ];
    if let Some(acts) = postgres {
        series.push(("PostgreSQL, p50".to_owned(), points(&acts.runs, 0.5)));
        series.push(("PostgreSQL, p99".to_owned(), points(&acts.runs, 0.99)));
    }
    series.push(("bare echo, p50".to_owned(), points(&machine.echo, 0.5)));
    plot::lines(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plots/latency.svg"),
        "Latency against load: durable acts, 1 to 512 in flight",
        plot::Axis { says: "a second", logarithmic: true },
        plot::Axis { says: "milliseconds", logarithmic: true },
        &series,
    );
}
