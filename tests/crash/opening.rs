//! What a store finds when it opens is durable before anything of it is served.

use crate::{
    clients::Clients,
    disk::{Fault, Left, On, Point},
    exchange::{EMBEDDED, Exchange},
};

/// The size of the log that is served.
async fn served(exchange: &mut Exchange) -> u64 {
    exchange.start().await.unwrap();
    let size = exchange.reading().tree().await.unwrap().size();
    exchange.kill();
    size
}

/// An exchange that is killed with a commit in its write-ahead log that never was synced, by this fault. Then it is started, what it
/// serves is seen, and the power is cut. Nothing that was served is lost.
async fn found(fault: Fault) {
    let Some(mut exchange) = Exchange::new(EMBEDDED, 0).await else { return };
    let mut clients = Clients::new(1);
    exchange.start().await.unwrap();
    let before = exchange.reading().tree().await.unwrap().size();
    let sessions = exchange.sessions().await;
    exchange.disk.arm(fault, Point::Sync, On::LogWal, 3, true);
    let refused = clients.act(&exchange.world, &sessions, 2).await;
    assert!(refused.len() == 1 && exchange.disk.fired() > 0, "{refused:?}");
    exchange.kill();
    let found = served(&mut exchange).await;
    let answered = before + clients.ledger().acts() as u64;
    assert!(found > answered, "the commit that was not synced is not there: {found} entries, {answered} answered");
    exchange.cut(Left::Nothing);
    assert_eq!(served(&mut exchange).await, found, "what was served is lost");
    exchange.fsck().unwrap();
}

/// A sync fails once: the commit lies in the write-ahead log, whole, and its caller is told that nothing was stored. It never appears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_as_not_stored_never_appears() {
    let Some(mut exchange) = Exchange::new(EMBEDDED, 0).await else { return };
    let mut clients = Clients::new(1);
    exchange.start().await.unwrap();
    let before = exchange.reading().tree().await.unwrap().size();
    let sessions = exchange.sessions().await;
    exchange.disk.arm(Fault::Io, Point::Sync, On::LogWal, 3, false);
    assert_eq!(clients.act(&exchange.world, &sessions, 2).await, ["STORE_FAILED"]);
    exchange.kill();
    assert_eq!(served(&mut exchange).await, before + clients.ledger().acts() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_left_unsynced_is_synced_before_it_is_served() {
    found(Fault::Kill).await;
}

/// The system takes the pages of a failed sync for written: to sync them again is not enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_sync_left_is_written_again_before_it_is_served() {
    found(Fault::IoKill).await;
}
