//! A disk that is full, and one that fails: at many points, under load. Nothing is acknowledged that is not stored, nobody gets in who was
//! out, reading goes on, readiness turns red, and all is well again once the disk is.

use std::time::{Duration, Instant};

use communique::{client::remote::Remote, domain::id::CommuniqueId};
use tokio::time::sleep;

use crate::{
    chance::Chance,
    clients::Clients,
    count,
    disk::{Fault, Left, On, Point},
    exchange::{Caller, EMBEDDED, Exchange, Kind, Sessions},
    world::{PATIENCE, reason},
};

const CLIENTS: usize = 4;
/// What each client drafts at a point at most: for a checkpoint a thousand pages must have been written.
const DRAFTS: usize = 60;
/// Exchanges that go through points at once: mostly they wait for a probe to turn.
const EXCHANGES: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Trouble {
    fault: Fault,
    point: Point,
    on: On,
    nth: u32,
    lasts: bool,
    /// While it starts.
    at_start: bool,
}

impl Trouble {
    fn choose(fault: Fault, chance: &mut Chance) -> Self {
        let point = if fault == Fault::Io { chance.pick(&[Point::Write, Point::Sync]) } else { Point::Write };
        let on = chance.pick(&[On::LogWal, On::LogWal, On::LogWal, On::ContentWal, On::ContentWal, On::Log]);
        let nth = u32::try_from(chance.within(1, 40)).unwrap();
        let at_start = chance.within(0, 7) == 0;
        // A disk stays full until there is room.
        let lasts = fault == Fault::Full || chance.within(0, 1) == 0;
        Self { fault, point, on, nth: if on == On::Log || at_start { 1 } else { nth }, lasts, at_start }
    }
}

#[derive(Default, Debug)]
struct Tally {
    refused: usize,
    unready: usize,
    false_acknowledgements: usize,
    recovered: usize,
}

async fn run(kind: Kind, points: Vec<Trouble>, mut chance: Chance) -> Option<Tally> {
    let mut exchange = Exchange::new(kind, 0).await?;
    let (mut tally, mut clients) = (Tally::default(), Clients::new(CLIENTS));
    exchange.start().await.unwrap();
    let mut sessions = exchange.sessions().await;
    clients.act(&exchange.world, &sessions, 1).await;
    for trouble in points {
        if trouble.at_start {
            exchange.kill();
        }
        exchange.disk.arm(trouble.fault, trouble.point, trouble.on, trouble.nth, trouble.lasts);
        if trouble.at_start {
            let started = exchange.start().await;
            // Where nothing was to be made durable, nothing failed.
            assert!(started.is_err() || exchange.disk.fired() == 0, "{trouble:?}");
            exchange.kill();
            exchange.start().await.unwrap();
            sessions = exchange.sessions().await;
        } else {
            under_load(&exchange, &clients, &sessions, trouble, &mut tally).await;
            exchange.disk.disarm();
        }
        clients.settle(&sessions).await;
        is(&exchange, true, trouble).await;
        tally.recovered += 1;
        // What was acknowledged in the midst of it survives a power cut; so do the answers after it.
        exchange.cut(if chance.within(0, 1) == 0 { Left::Nothing } else { Left::Parts(&mut chance) });
        exchange.start().await.unwrap_or_else(|said| panic!("after {trouble:?}: {said}"));
        sessions = exchange.sessions().await;
        clients.ledger().look(&sessions).await;
    }
    tally.false_acknowledgements = clients.ledger().lost;
    assert_eq!(clients.ledger().doubled(&*exchange.reading()).await, 0);
    exchange.fsck().unwrap();
    Some(tally)
}

/// Clients act until the fault has met each of them, or none.
async fn under_load(exchange: &Exchange, clients: &Clients, sessions: &Sessions, trouble: Trouble, tally: &mut Tally) {
    let refused = clients.act(&exchange.world, sessions, DRAFTS).await;
    for reason in &refused {
        let told = match (trouble.fault, trouble.on) {
            (Fault::Full, On::LogWal | On::ContentWal) => reason == "STORE_FULL",
            (_, On::LogWal) => ["STORE_FAILED", "OUTCOME_UNKNOWN"].contains(&reason.as_str()),
            (_, On::ContentWal) => reason == "STORE_FAILED",
            _ => false,
        };
        assert!(told, "{trouble:?}: {reason}");
    }
    assert!(exchange.disk.fired() > 0, "{trouble:?} never was");
    tally.refused += refused.len();
    if trouble.on == On::Log {
        // A checkpoint that fails refuses nobody: what it moves is durable where it is, and it is tried again. The operator hears of it.
        let said = std::fs::read_to_string(exchange.said()).unwrap();
        assert!(!trouble.lasts || said.contains("cannot move the write-ahead log"), "{trouble:?}: {said}");
    } else {
        assert!(!refused.is_empty(), "{trouble:?}: nobody was told");
        // What has passed by the next act need not show.
        if trouble.lasts {
            is(exchange, false, trouble).await;
            tally.unready += 1;
        }
    }
    same_rights(exchange, sessions).await;
}

/// Waits until `/readyz` says so.
async fn is(exchange: &Exchange, ready: bool, trouble: Trouble) {
    let began = Instant::now();
    while exchange.ready().await != ready {
        assert!(began.elapsed() < PATIENCE, "{trouble:?}: readiness is never {ready}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The door and the rights are what they were, and reading goes on.
async fn same_rights(exchange: &Exchange, sessions: &Sessions) {
    for out in [Caller::Revoked, Caller::Stranger] {
        let entered = Remote::connect(&exchange.connection(out)).await;
        let read = match &entered {
            Ok(remote) => remote.charter(None).await.map(drop),
            Err(_) => continue,
        };
        assert!(read.is_err(), "{out:?} is let in");
    }
    let communiques = sessions["east"].remote().communiques(&Default::default()).await.unwrap();
    let known: CommuniqueId = communiques[0].communique;
    sessions["south"].remote().communique(known).await.unwrap();
    let west = Remote::connect(&exchange.connection(Caller::Official("west"))).await.unwrap();
    assert_eq!(reason(&west.communique(known).await), "NOT_FOUND");
}

async fn all_points(kind: Kind) {
    let points = count("DISK_POINTS", 2);
    let mut chance = Chance::seeded("points");
    let mut all: Vec<Trouble> = Vec::new();
    for fault in [Fault::Full, Fault::Io] {
        all.extend((0..points).map(|_| Trouble::choose(fault, &mut chance)));
    }
    let each = all.len().div_ceil(EXCHANGES);
    let runs = all.chunks(each).map(|points| tokio::spawn(run(kind, points.to_vec(), Chance::of(chance.next()))));
    let mut sum = Tally::default();
    for run in runs.collect::<Vec<_>>() {
        let Some(tally) = run.await.unwrap() else { return };
        sum.refused += tally.refused;
        sum.unready += tally.unready;
        sum.false_acknowledgements += tally.false_acknowledgements;
        sum.recovered += tally.recovered;
    }
    println!("{} calls refused, {} times unready", sum.refused, sum.unready);
    println!(
        "disk_full: {points} io_errors: {points} false_acknowledgements: {} recovered: {}",
        sum.false_acknowledgements, sum.recovered
    );
    assert_eq!((sum.false_acknowledgements, sum.recovered), (0, 2 * points));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_or_failing_disk_acknowledges_nothing_that_is_not_stored() {
    all_points(EMBEDDED).await;
}
