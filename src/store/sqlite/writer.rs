//! The one thread that writes to a database: it takes what is waiting and hands it on as one batch.

use std::{
    fs::File,
    io,
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

/// Most requests that one transaction takes.
const BATCH_LIMIT: usize = 256;

/// The way to the writing thread. Dropped, it lets the thread finish what was sent, and waits for that: at most the time of
/// the batches that are waiting.
pub(super) struct Writer<R> {
    queue: Option<mpsc::Sender<R>>,
    thread: Option<JoinHandle<()>>,
}

impl<R: Send + 'static> Writer<R> {
    /// Starts the thread, which holds the lock until its last batch is done. At most so many requests wait; further callers wait for a
    /// place.
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
            loop {
                let mut batch = Vec::new();
                if waiting.blocking_recv_many(&mut batch, BATCH_LIMIT) == 0 {
                    break;
                }
                work(batch);
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
