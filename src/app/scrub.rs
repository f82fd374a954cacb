//! What is done with the data at rest, beside the calls.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::config::Scrub;
use crate::exchange::Exchange;

/// How often it is looked which broken uploads are too old: how much longer than promised they may lie there.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(600);
/// After how long a pass is begun again that ended because nothing could be read.
const SCRUB_AGAIN: Duration = Duration::from_secs(60);

/// Forgets broken uploads in time, also when nobody calls.
pub(super) async fn expire_uploads(exchange: Arc<Exchange>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EXPIRY_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match exchange.expire_uploads().await {
            Ok(0) => {}
            Ok(uploads) => info!(uploads, "forgot uploads that broke off and were not gone on with"),
            Err(refusal) => error!(%refusal, "broken uploads were not forgotten; it is tried again"),
        }
    }
}

/// Reads everything again, pass after pass.
pub(super) async fn scrub(exchange: Arc<Exchange>, pace: Scrub, stop: CancellationToken) {
    let passes = async {
        loop {
            let Some(report) = exchange.scrub(pace.mib_per_second).await else {
                warn!(
                    "log or content cannot be read at all: nothing is known of its state, and it is read again later"
                );
                sleep(SCRUB_AGAIN).await;
                continue;
            };
            let (entries, contents, faults) = (report.counts.entries, report.counts.contents, report.faults.count());
            if faults == 0 {
                info!(entries, contents, "log and content were read again and are sound");
            } else {
                error!(
                    entries,
                    contents, faults, "log or content is DAMAGED; run communiqued fsck, which says what restores it"
                );
            }
            sleep(Duration::from_secs(pace.pause_minutes * 60)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = passes => {}
    }
}
