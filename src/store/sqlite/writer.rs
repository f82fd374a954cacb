//! The one thread that writes to a database: it takes what is waiting and hands it on as one batch.

use std::{
    fs::File,
    io,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

/// Most requests that one transaction takes.
pub(super) const BATCH_LIMIT: usize = 256;
/// Where so many requests come while a few batches could be done, a writer that gathers waits for more of them to share the next batch, as
/// long as they come: each batch costs a sync of the disk, a head of the log, and the time of those who are woken. Where fewer come, none
/// waits for company: soon all would be there, and the machine idle.
const COMPANY: u32 = 256;
/// From the beginning of one batch to that of the next, while it waits for company: at most so many times what the last one took, and at
/// most [`PACE_LIMIT`].
const PACE: u32 = 3;
const PACE_LIMIT: Duration = Duration::from_millis(4);
/// While it waits for company it looks so often whether any has come; if not, everybody is there.
const LOOKS: u32 = 8;

/// The way to the writing thread. Dropped, it lets the thread finish what was sent, and waits for that: at most the time of
/// the batches that are waiting.
pub(super) struct Writer<R> {
    queue: Option<mpsc::Sender<R>>,
    thread: Option<JoinHandle<()>>,
}

impl<R: Send + 'static> Writer<R> {
    /// Starts the thread, which may be one that gathers company. It holds the lock until its last batch is done. At most so many requests wait; further callers wait
    /// for a place.
    pub(super) fn start(
        name: &str,
        places: usize,
        lock: File,
        gathers: bool,
        mut work: impl FnMut(Vec<R>) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel(places);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Locals are dropped in reverse order: the lock is let go after the connection that `work` owns.
            let _lock = lock;
            let mut work = move |batch| work(batch);
            let (mut last, mut pace) = (0, Duration::ZERO);
            let mut began = Instant::now();
            loop {
                let mut batch = Vec::new();
                if waiting.blocking_recv_many(&mut batch, BATCH_LIMIT) == 0 {
                    break;
                }
                let since = began.elapsed();
                if gathers && pace > since && pace * last >= since * COMPANY {
                    gather(&mut waiting, &mut batch, began + pace, pace / LOOKS);
                }
                began = Instant::now();
                last = u32::try_from(batch.len()).unwrap_or(u32::MAX);
                work(batch);
                pace = (began.elapsed() * PACE).min(PACE_LIMIT);
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a request; dropped while it waits for a place, nothing was queued. `Err` gives the request back: the thread
    /// is gone.
    pub(super) async fn send(&self, request: R) -> Result<(), R> {
        match &self.queue {
            Some(queue) => queue.send(request).await.map_err(|e| e.0),
            None => Err(request),
        }
    }

    /// Requests that the thread has not taken yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }
}

/// Adds what comes until this moment, looking so often; no more once nothing has come in between.
#[expect(clippy::disallowed_methods, reason = "a thread of its own sleeps, and no worker of the runtime")]
fn gather<R>(waiting: &mut mpsc::Receiver<R>, batch: &mut Vec<R>, until: Instant, look: Duration) {
    while batch.len() < BATCH_LIMIT && Instant::now() < until {
        let there = batch.len();
        thread::sleep(look);
        while batch.len() < BATCH_LIMIT
            && let Ok(more) = waiting.try_recv()
        {
            batch.push(more);
        }
        if batch.len() == there {
            return;
        }
    }
}

impl<R> Drop for Writer<R> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writing thread had ended early");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_is_waited_for_as_long_as_it_comes() {
        const LOOK: Duration = Duration::from_millis(1);
        let (queue, mut waiting) = mpsc::channel(2 * BATCH_LIMIT);
        let mut gathered = |come: usize, there: usize| {
            (0..come).for_each(|n| queue.try_send(n).unwrap());
            let mut batch = vec![0; there];
            // Until long after this test was given up.
            gather(&mut waiting, &mut batch, Instant::now() + Duration::from_secs(3600), LOOK);
            batch.len()
        };
        assert_eq!(gathered(0, 1), 1, "nobody comes");
        assert_eq!(gathered(5, 1), 6);
        assert_eq!(gathered(BATCH_LIMIT, 1), BATCH_LIMIT, "the rest waits for the next one");
        assert_eq!(gathered(0, 1), 2);
    }
}
