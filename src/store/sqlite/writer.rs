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
/// Where so many requests come while a few batches could be done, the next batch waits for them to share it: each batch costs a sync of the
/// disk, a head of the log, and the time of those who are woken. Where fewer come, none waits for company.
const COMPANY: u32 = 8;
/// From the beginning of one batch to that of the next, while it waits for company: so many times what the last one took, and at most
/// [`PACE_LIMIT`].
const PACE: u32 = 3;
const PACE_LIMIT: Duration = Duration::from_millis(4);

/// The way to the writing thread. Dropped, it lets the thread finish what was sent, and waits for that: at most the time of
/// the batches that are waiting.
pub(super) struct Writer<R> {
    queue: Option<mpsc::Sender<R>>,
    thread: Option<JoinHandle<()>>,
}

impl<R: Send + 'static> Writer<R> {
    /// Starts the thread. It holds the lock until its last batch is done. At most so many requests wait; further callers wait
    /// for a place.
    pub(super) fn start(
        name: &str,
        places: usize,
        lock: File,
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
                if last > 1 && pace * last >= since * COMPANY {
                    wait(pace.saturating_sub(since));
                    while batch.len() < BATCH_LIMIT
                        && let Ok(more) = waiting.try_recv()
                    {
                        batch.push(more);
                    }
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

#[expect(clippy::disallowed_methods, reason = "this thread is no worker of the runtime")]
fn wait(time: Duration) {
    thread::sleep(time);
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
