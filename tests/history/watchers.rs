//! Who watches: from the first entry on, over every break, now at one exchange and now at the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use communique::domain::{
    entry::Entry,
    id::{CommuniqueId, Digest},
    json,
    view::{EventView, Happening, WatchItem},
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{replicas::Both, world::PATIENCE};

/// What a watcher was told of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// All of it: its digest.
    Shown(Digest, Box<Entry>),
    /// That there is a signature in escrow.
    Escrowed(CommuniqueId),
}

/// All that one watcher was told, in order.
pub struct Heard {
    pub of: &'static str,
    pub told: Vec<(u64, Told)>,
}

pub struct Watcher {
    next: Arc<AtomicU64>,
    end: Arc<AtomicU64>,
    watching: JoinHandle<Heard>,
}

impl Watcher {
    /// Begins at the exchange of this number, and goes to the other one whenever a stream breaks.
    pub fn start(replicas: Both, of: &'static str, mut at: usize) -> Self {
        let (next, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
        let (stands, until) = (next.clone(), end.clone());
        let watching = tokio::spawn(async move {
            let mut heard = Heard { of, told: Vec::new() };
            let is_done = || stands.load(Ordering::Relaxed) >= until.load(Ordering::Relaxed);
            while !is_done() {
                let from = stands.load(Ordering::Relaxed);
                let stream = match replicas.remote(of, at).await {
                    Some(remote) => timeout(PATIENCE, remote.watch(Some(from), None)).await.ok().and_then(Result::ok),
                    None => None,
                };
                at = 1 - at;
                let Some(mut stream) = stream else {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                while !is_done() {
                    match timeout(Duration::from_secs(5), stream.next()).await {
                        Ok(Ok(WatchItem::Event(event))) => {
                            stands.store(event.index + 1, Ordering::Relaxed);
                            heard.told.push((event.index, told(event)));
                        }
                        Ok(Ok(WatchItem::Heartbeat(index))) => {
                            stands.fetch_max(index, Ordering::Relaxed);
                        }
                        // Nothing to be told, or nobody who tells.
                        Ok(Err(_)) | Err(_) => break,
                    }
                }
            }
            heard
        });
        Self { next, end, watching }
    }
    /// What it was told, once it has come to this index.
    pub async fn until(self, end: u64) -> Heard {
        self.end.store(end, Ordering::Relaxed);
        timeout(2 * PATIENCE, self.watching)
            .await
            .unwrap_or_else(|_| panic!("a watcher stands at {} of {end}", self.next.load(Ordering::Relaxed)))
            .unwrap()
    }
}

fn told(event: EventView) -> Told {
    match event.happening {
        Happening::Shown(logged) => {
            Told::Shown(Digest::of(&logged.entry), Box::new(json::parse(&logged.entry).unwrap()))
        }
        Happening::Escrowed { communique, .. } => Told::Escrowed(communique),
    }
}
