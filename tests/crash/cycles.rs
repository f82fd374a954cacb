//! Cycles: clients act, the process is killed at a random instant or at an exact point, perhaps the machine loses its power, it starts
//! again, and its log is held against the ledger.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    chance::Chance,
    clients::Clients,
    cluster::Cluster,
    count,
    disk::{Fault, Left, On, Point},
    exchange::{DATABASE, EMBEDDED, Exchange, Kind, Sessions},
};

/// Clients that act at once.
const CLIENTS: usize = 6;
/// The longest that a cycle waits for its point before the process is killed all the same.
const LONGEST: Duration = Duration::from_millis(1500);
/// How long answers that were sent before the kill may be on their way.
const ON_THE_WAY: Duration = Duration::from_millis(50);
/// Nobody drafts so many before the process is dead.
const WITHOUT_END: usize = 1_000_000;

/// Where a cycle ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// After so many milliseconds.
    Instant(u64),
    /// At the nth such point.
    At(Point, On, u32),
}

impl End {
    /// The places take turns.
    fn of(kind: Kind, cycle: usize, chance: &mut Chance) -> Self {
        let mut nth = |most| u32::try_from(chance.within(1, most)).unwrap_or(1);
        match if kind.behind_disk { cycle % 10 } else { usize::MAX } {
            // Before the append is durable, in the midst of it, before it.
            0 => Self::At(Point::Sync, On::LogWal, nth(20)),
            1 | 2 => Self::At(Point::Write, On::LogWal, nth(200)),
            // After the commit; before the answer.
            3 => Self::At(Point::Synced, On::LogWal, nth(20)),
            4 => Self::At(Point::Send, On::LogWal, nth(20)),
            5 => Self::At(Point::Write, On::ContentWal, nth(60)),
            6 => Self::At(Point::Synced, On::ContentWal, nth(20)),
            // In a checkpoint, if there is one.
            7 => Self::At(Point::Write, On::Log, 1),
            _ => Self::Instant(nth(if kind.behind_disk { 250 } else { 1000 }).into()),
        }
    }
}

#[derive(Default)]
struct Tally {
    acknowledged: usize,
    lost: usize,
    doubled: usize,
    /// Cycles after which some call had no answer.
    hit: usize,
    /// Starts that were killed.
    killed_at_start: usize,
    /// Writes that a power cut could have taken.
    at_stake: usize,
    /// How long starts took.
    starts: Vec<Duration>,
}

impl Tally {
    fn median(&self) -> Duration {
        let mut starts = self.starts.clone();
        starts.sort();
        starts[starts.len() / 2]
    }
}

/// Lets clients act until the process is dead.
async fn act_to_the_end(exchange: &Exchange, clients: &Clients, sessions: &Sessions, limit: Duration) {
    let began = Instant::now();
    let acting = async {
        for reason in clients.act(&exchange.world, sessions, WITHOUT_END).await {
            assert!(
                ["UNREACHABLE", "OUTCOME_UNKNOWN"].contains(&reason.as_str()),
                "a refusal on a sound disk: {reason}"
            );
        }
        std::future::pending::<()>().await;
    };
    let dying = async {
        while !exchange.died() && began.elapsed() < limit {
            sleep(Duration::from_millis(1)).await;
        }
        exchange.kill();
        sleep(ON_THE_WAY).await;
    };
    tokio::select! {
        () = acting => {},
        () = dying => {},
    }
}

/// One log grows through all cycles.
async fn run(exchange: &mut Exchange, cycles: usize, chance: &mut Chance) -> Tally {
    let (mut tally, mut clients) = (Tally::default(), Clients::new(CLIENTS));
    tally.starts.push(exchange.start().await.unwrap());
    let mut sessions = exchange.sessions().await;
    clients.ledger().look(&sessions).await;
    for cycle in 0..cycles {
        let end = End::of(exchange.kind, cycle, chance);
        let limit = match end {
            End::Instant(milliseconds) => Duration::from_millis(milliseconds),
            End::At(point, on, nth) => {
                exchange.disk.arm(Fault::Kill, point, on, nth, false);
                LONGEST
            }
        };
        act_to_the_end(exchange, &clients, &sessions, limit).await;
        tally.hit += usize::from(clients.unanswered() > 0);
        lose(exchange, cycle, chance, &mut tally);
        if exchange.kind.behind_disk && chance.within(0, 7) == 0 {
            // Killed again while it makes durable what it found.
            let on = chance.pick(&[On::LogWal, On::Log, On::ContentWal]);
            exchange.disk.arm(Fault::Kill, Point::Write, on, 1, false);
            tally.killed_at_start += usize::from(exchange.start().await.is_err());
            lose(exchange, cycle, chance, &mut tally);
        }
        let started = exchange.start().await;
        tally.starts.push(started.unwrap_or_else(|said| panic!("cycle {cycle}, after {end:?}: {said}")));
        sessions = exchange.sessions().await;
        clients.ledger().look(&sessions).await;
        clients.settle(&sessions).await;
    }
    lose(exchange, 0, chance, &mut tally);
    exchange.start().await.unwrap();
    sessions = exchange.sessions().await;
    clients.ledger().look(&sessions).await;
    let ledger = clients.ledger();
    (tally.acknowledged, tally.lost) = (ledger.acts(), ledger.lost);
    tally.doubled = ledger.doubled(&*exchange.reading()).await;
    exchange.fsck().unwrap();
    tally
}

/// The process is killed, if it lives; of three times, the machine loses its power two times.
fn lose(exchange: &Exchange, cycle: usize, chance: &mut Chance, tally: &mut Tally) {
    tally.at_stake += match cycle % 3 {
        0 => exchange.cut(Left::Nothing),
        1 => exchange.cut(Left::Parts(chance)),
        _ => {
            exchange.kill();
            0
        }
    };
}

/// As many entries as make a long log.
fn long(cycles: usize) -> u64 {
    match cycles {
        1000.. => 1_000_000,
        25.. => 20_000,
        _ => 2_000,
    }
}

async fn all_cycles(kind: Kind) {
    let cycles = count("CRASH_CYCLES", 5);
    let on_a_long_log = (cycles / 50).max(2.min(cycles / 4));
    let mut chance = Chance::seeded("cycles");
    let mut all = Tally::default();
    for (cycles, entries) in [(cycles - on_a_long_log, 0), (on_a_long_log, long(cycles))] {
        let Some(mut exchange) = Exchange::new(kind, entries).await else { return };
        let one = run(&mut exchange, cycles, &mut chance).await;
        println!(
            "{cycles} cycles on a log of {entries} entries and more: {} left calls unanswered, {} kills while starting, {} unsynced \
             writes at stake; started in {:.2} s at the median, {:.2} s at the longest",
            one.hit,
            one.killed_at_start,
            one.at_stake,
            one.median().as_secs_f64(),
            one.starts.iter().max().unwrap().as_secs_f64(),
        );
        all.acknowledged += one.acknowledged;
        all.lost += one.lost;
        all.doubled += one.doubled;
        all.hit += one.hit;
        all.at_stake += one.at_stake;
    }
    let within = if kind.behind_disk { "" } else { "in a database: " };
    println!("{within}cycles: {cycles} acknowledged: {} lost: {} doubled: {}", all.acknowledged, all.lost, all.doubled);
    assert_eq!((all.lost, all.doubled), (0, 0));
    assert!(all.acknowledged > 0 && (all.at_stake > 0 || !kind.behind_disk), "nothing was at stake");
    assert!(2 * all.hit >= cycles, "most kills hit nobody: {} of {cycles} left a call unanswered", all.hit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled() {
    all_cycles(EMBEDDED).await;
}

/// The same over PostgreSQL: now the exchange is killed, now the database too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_in_a_database() {
    if Cluster::shared().is_some() {
        all_cycles(DATABASE).await;
    }
}

/// The control: the same, on a disk that says that it has synced and has not. What was acknowledged is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_lies_loses_what_was_acknowledged() {
    let Some(mut exchange) = Exchange::new(EMBEDDED, 0).await else { return };
    let mut clients = Clients::new(CLIENTS);
    exchange.disk.lies();
    exchange.start().await.unwrap();
    let sessions = exchange.sessions().await;
    exchange.disk.arm(Fault::Kill, Point::Send, On::LogWal, 30, false);
    act_to_the_end(&exchange, &clients, &sessions, LONGEST).await;
    exchange.cut(Left::Nothing);
    let lost = clients.ledger().lacking(&*exchange.reading()).await;
    println!("on a disk that lies: acknowledged: {} lost: {lost}", clients.ledger().acts());
    assert!(lost > 0);
}
