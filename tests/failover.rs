//! Two exchanges over PostgreSQL on three nodes under Patroni, many clients, and nodes that fail: what was acknowledged stays, once. The
//! trio is the one that is shipped, brought up by `deploy/patroni/trial`.
//!
//! ```text
//! FAILOVERS=20 cargo test --release --test failover -- --test-threads=1 --nocapture
//!                                          failovers: 20 acknowledged: N lost: 0 doubled: 0
//!                                          without the count nothing is tried
//! FAILOVERS_FROM=2 …                                                     begins with another fault of the eleven
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test says what it expects by failing, and how many there were by printing"
)]

#[allow(dead_code, reason = "what the test of crashes chooses")]
#[path = "crash/chance.rs"]
mod chance;
#[allow(dead_code, reason = "the clients of the test of histories")]
#[path = "history/clients.rs"]
mod clients;
#[allow(dead_code, reason = "what watchers are told is tested on one server")]
#[path = "history/judge.rs"]
mod judge;
#[path = "foreign/missing.rs"]
mod missing;
#[path = "failover/replicas.rs"]
mod replicas;
#[path = "history/serving.rs"]
mod serving;
#[path = "failover/trio.rs"]
mod trio;
#[allow(dead_code, reason = "what watchers are told is tested on one server")]
#[path = "history/watchers.rs"]
mod watchers;
#[allow(dead_code, reason = "the world of the tests of the service")]
#[path = "service/world.rs"]
mod world;

use std::{
    panic::resume_unwind,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use chance::Chance;
use clients::{CLIENTS, Record, Shared};
use futures_util::future::join_all;
use judge::judge;
use replicas::{Both, Replicas};
use tokio::{
    task::JoinError,
    time::{sleep, timeout},
};
use trio::{NODES, Trio};

/// How long clients act before something fails, and after it is well again.
const CALM: Duration = Duration::from_secs(2);
/// How long all of etcd is away: longer than the primary's lease.
const WITHOUT_ETCD: Duration = Duration::from_secs(25);
/// How long it may take until acts are taken by the one that has the place of a primary that ends no commit: as long as one is waited for,
/// twice, for log and content each find it out, and what else a busy machine takes.
const LEAVING: Duration = Duration::from_secs(60);
/// The longest that all of one fault may take, with what mends it: some 40 s, and on a busy machine a minute or two.
const ROUND: Duration = Duration::from_secs(360);
/// It takes minutes, and much of the machine: who wants it says so.
const UNASKED: &str = "SKIPPED: set FAILOVERS to how often a node is to fail";

fn count(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|count| count.parse().expect("a count"))
}

/// More than is ever done.
const ENOUGH: u64 = 1 << 40;

/// What fails, in the order of the rounds.
#[derive(Clone, Copy, Debug)]
enum Fault {
    PostgresKilled,
    MachineLost,
    SwitchedOver,
    PostgresHangs,
    WaitsCancelled,
    MachineHangs,
    EtcdLost,
    OldCopyReturns,
    OneEtcdLost,
    ReplicaKilled,
    PatroniKilled,
}

const FAULTS: [Fault; 11] = [
    Fault::MachineLost,
    Fault::PostgresHangs,
    Fault::OldCopyReturns,
    Fault::WaitsCancelled,
    Fault::ReplicaKilled,
    Fault::EtcdLost,
    Fault::PostgresKilled,
    Fault::SwitchedOver,
    Fault::MachineHangs,
    Fault::OneEtcdLost,
    Fault::PatroniKilled,
];

/// Lets it happen, and mends it once the rest has gone on without.
async fn fail(trio: &Trio, fault: Fault) {
    // A standby that fell silent on a busy machine is not named to take a place until it has been heard again.
    trio.ask(&["whole"]);
    let mut primary = trio.primary();
    // Who comes back must be asked before the true one.
    if matches!(fault, Fault::OldCopyReturns) && primary == NODES[0] {
        trio.ask(&["switchover"]);
        trio.until_another_than(&primary).await;
        trio.ask(&["whole"]);
        primary = trio.primary();
    }
    let standbys: Vec<_> = NODES.into_iter().filter(|node| *node != primary).collect();
    match fault {
        Fault::PostgresKilled => {
            // Whether a standby takes over or it is started again is Patroni's to say.
            trio.ask(&["kill", &primary, "postgres"]);
            sleep(CALM).await;
        }
        Fault::MachineLost => {
            trio.ask(&["kill", &primary]);
            trio.until_another_than(&primary).await;
            trio.ask(&["start", &primary]);
        }
        Fault::PatroniKilled => {
            trio.ask(&["kill", &primary, "patroni"]);
            trio.until_another_than(&primary).await;
            // Its PostgreSQL goes on taking connections: acts must go to the one in its place all the same, and for good.
            let kept = || trio.ask(&["sql", "SELECT count(*) FROM entries"]);
            let (before, began) = (kept(), Instant::now());
            while kept() == before && began.elapsed() < LEAVING {
                sleep(CALM).await;
            }
            let went_on = kept() != before;
            // Clients end only where acts are taken.
            trio.ask(&["start", &primary]);
            assert!(went_on, "nobody goes on where the log does");
        }
        Fault::SwitchedOver => drop(trio.ask(&["switchover"])),
        Fault::PostgresHangs | Fault::MachineHangs => {
            let what: &[&str] = if matches!(fault, Fault::PostgresHangs) { &["postgres"] } else { &[] };
            trio.ask(&[&["freeze", primary.as_str()], what].concat());
            trio.until_another_than(&primary).await;
            sleep(CALM).await;
            trio.ask(&["thaw", &primary]);
        }
        Fault::WaitsCancelled => {
            for standby in &standbys {
                trio.ask(&["freeze", standby, "postgres"]);
            }
            sleep(Duration::from_secs(1)).await;
            let cancelled = trio.ask(&[
                "sql",
                "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
            ]);
            assert_ne!(cancelled.trim(), "0", "no commit was waiting for a standby");
            for standby in &standbys {
                trio.ask(&["thaw", standby, "postgres"]);
            }
        }
        Fault::EtcdLost => {
            trio.ask(&["kill", "all", "etcd"]);
            sleep(WITHOUT_ETCD).await;
            trio.ask(&["start", "all", "etcd"]);
        }
        Fault::OneEtcdLost => {
            trio.ask(&["kill", &primary, "etcd"]);
            sleep(CALM).await;
            trio.ask(&["start", &primary, "etcd"]);
        }
        Fault::OldCopyReturns => {
            trio.ask(&["forge", standbys[0]]);
            // Whoever connects anew asks the one that it used last, then the others: those who meet the copy must refuse it.
            for _ in 0..5 {
                sleep(Duration::from_secs(1)).await;
                trio.ask(&[
                    "sql",
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'communiqued'",
                ]);
            }
            trio.ask(&["renew", standbys[0]]);
        }
        Fault::ReplicaKilled => {
            trio.ask(&["kill", "replica1"]);
            sleep(CALM).await;
            trio.ask(&["start", "replica1"]);
        }
    }
}

/// Has the clients stop, however the task ends that holds it.
struct Stopping(Arc<Shared>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Clients that act at either exchange until `meanwhile` is over; answers what they were told, and how often they had to ask again.
async fn act(replicas: &Both, seed: u64, meanwhile: impl Future<Output = ()> + Send + 'static) -> (Record, u64) {
    let shared = Arc::new(Shared::new(ENOUGH));
    let stopping = Stopping(shared.clone());
    // On a thread of its own: it waits for the script.
    let meanwhile = tokio::spawn(async move {
        let _stops = stopping;
        meanwhile.await;
    });
    let one = |n| clients::work(replicas.clone(), shared.clone(), n, Chance::of(seed ^ (n << 32)));
    let clients = async { Ok::<_, JoinError>(join_all((0..CLIENTS).map(one)).await) };
    // Clients ask until they are answered: if what fails is not mended, never.
    let ended = timeout(ROUND, async { tokio::try_join!(clients, meanwhile) }).await;
    let (told, ()) =
        ended.expect("clients are not answered").unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
    let mut record = Record::default();
    for told in told {
        record.join(told);
    }
    (record, shared.unknown.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_when_nodes_fail() {
    let Some(rounds) = count("FAILOVERS") else { return println!("{UNASKED}") };
    let first = count("FAILOVERS_FROM").unwrap_or(0);
    let Some(replicas) = Replicas::new(false).await else { return };
    let replicas = Arc::new(replicas);
    let (mut record, mut judged) = (Record::default(), judge::Judged::default());
    for round in 0..rounds {
        let fault = FAULTS[(first + round) % FAULTS.len()];
        let failing = replicas.clone();
        let (told, unknown) = act(&replicas, round as u64, async move {
            sleep(CALM).await;
            fail(&failing.trio, fault).await;
            failing.trio.ask(&["whole"]);
            failing.until_ready().await;
            sleep(CALM).await;
        })
        .await;
        let acknowledged = told.acknowledged.len();
        record.join(told);
        for at in 0..2 {
            record.heads.push(replicas.head(at).await);
        }
        let log = replicas.log().await;
        judged = judge(&log, &record, &[]);
        let silence = replicas::longest_silence(&log[log.len() - acknowledged.min(log.len())..]);
        println!("{fault:?}: acknowledged {acknowledged}, asked again {unknown}, silent for {silence} s at most");
        assert!(judged.is_clean(), "{fault:?}: {judged:?}");
        assert!(acknowledged > 0, "{fault:?}: nothing was tried");
    }
    let (acknowledged, lost, doubled) = (record.acknowledged.len(), judged.lost, judged.doubled);
    println!("failovers: {rounds} acknowledged: {acknowledged} lost: {lost} doubled: {doubled}");
}

/// The control: of a trio whose standbys are not waited for, acknowledged acts are lost, and found to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_synchronous_standby_acts_are_lost() {
    if count("FAILOVERS").is_none() {
        return println!("{UNASKED}");
    }
    let Some(replicas) = Replicas::new(true).await else { return };
    let replicas = Arc::new(replicas);
    let primary = replicas.trio.primary();
    for standby in NODES.into_iter().filter(|node| *node != primary) {
        // Killed, not stopped: what was sent to one that is stopped lies in its socket. Its Patroni must not start it again.
        replicas.trio.ask(&["freeze", standby, "patroni"]);
        replicas.trio.ask(&["kill", standby, "postgres"]);
    }
    let (record, _) = act(&replicas, 0, async { sleep(CALM).await }).await;
    replicas.trio.ask(&["kill", &primary]);
    replicas.trio.ask(&["thaw", "all"]);
    replicas.trio.until_another_than(&primary).await;
    let judged = judge(&replicas.log().await, &record, &[]);
    let acknowledged = record.acknowledged.len();
    println!("asynchronous: acknowledged: {acknowledged} lost: {}", judged.lost);
    assert!(judged.lost > 0, "an asynchronous standby had all {acknowledged}: {judged:?}");
}
