//! Two exchanges over one PostgreSQL, many clients, faults, and then the record of all that was said, held against what the log says: no
//! act on a stale revision, none twice, no two orders, escrow never broken, one completion, one root for each size.
//!
//! ```text
//! HISTORY_OPS=200000 cargo test --release --test history -- --nocapture
//! HISTORY_SEED=N …                                          the same choices again, where threads allow it
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
#[allow(dead_code, reason = "what the test of failovers asks of clients")]
#[path = "history/clients.rs"]
mod clients;
#[path = "postgres/cluster.rs"]
mod cluster;
#[path = "history/judge.rs"]
mod judge;
#[path = "service/ports.rs"]
mod ports;
#[path = "history/replicas.rs"]
mod replicas;
#[path = "history/serving.rs"]
mod serving;
#[path = "history/watchers.rs"]
mod watchers;
#[allow(dead_code, reason = "the world of the tests of the service")]
#[path = "service/world.rs"]
mod world;

use std::sync::{Arc, atomic::Ordering};

use chance::Chance;
use clients::{CLIENTS, Record, Shared};
use futures_util::future::join_all;
use replicas::Replicas;
use watchers::Watcher;

/// Operations between two faults: at the least, and at the most.
const BETWEEN: (u64, u64) = (40, 500);

/// A count from the environment, else this.
fn count(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(count) => count.parse().unwrap_or_else(|_| panic!("{variable} is no count: {count}")),
        Err(_) => otherwise,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_what_happened() {
    let ops = count("HISTORY_OPS", 200);
    let between = (ops / 40).clamp(BETWEEN.0, BETWEEN.1);
    let seed = count("HISTORY_SEED", u64::from(std::process::id()));
    println!("HISTORY_SEED={seed}");
    let Some(replicas) = Replicas::new().await else { return };
    let replicas = Arc::new(replicas);
    let shared = Arc::new(Shared::new(ops));
    let watchers: Vec<_> = ["east", "south", "north"]
        .into_iter()
        .flat_map(|of| [0, 1].map(|at| Watcher::start(replicas.clone(), of, at)))
        .collect();
    let clients =
        (0..CLIENTS).map(|n| clients::work(replicas.clone(), shared.clone(), n, Chance::of(seed ^ (n << 32))));
    // Faults of four kinds, in turn, until the work is done; the pauses between them let work through.
    let faults = async {
        let mut faults = 0;
        loop {
            if !shared.after(between).await {
                return faults;
            }
            replicas.fault(faults).await;
            faults += 1;
        }
    };
    let (done, faults) = tokio::join!(join_all(clients), faults);
    let mut record = Record::default();
    done.into_iter().for_each(|one| record.join(one));
    replicas.heal().await;
    record.join(clients::complete(replicas.clone(), shared.clone(), Chance::of(seed)).await);
    let log = replicas.log().await;
    let mut heard = Vec::new();
    for watcher in watchers {
        heard.push(watcher.until(log.len() as u64).await);
    }
    for at in 0..2 {
        record.heads.push(replicas.head(at).await);
    }
    let judged = judge::judge(&log, &record, &heard);
    let unknown = shared.unknown.load(Ordering::Relaxed);
    println!(
        "history: {ops} faults: {faults} entries: {} acknowledged: {} refused: {} unknown: {unknown} heads: {} lost: {} doubled: {} \
         stale: {} disordered: {} unescrowed: {} completed_twice: {} forked: {}",
        log.len(),
        record.acknowledged.len(),
        record.refused,
        judged.heads,
        judged.lost,
        judged.doubled,
        judged.stale,
        judged.disordered,
        judged.unescrowed,
        judged.completed_twice,
        judged.forked,
    );
    assert!(judged.is_clean(), "{judged:?}");
    assert!(judged.completed > 0 && judged.escrowed > 0, "nothing was completed, or nothing lay in escrow: {judged:?}");
    assert!(faults > 0 && record.refused > 0 && judged.heads > 1, "nothing was tried");
}
