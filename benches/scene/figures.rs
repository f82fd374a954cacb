//! Work done by so many at once, and what it came to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What a run came to.
#[derive(Default)]
pub struct Run {
    /// From the first to the last.
    pub wall: Duration,
    /// How long each took, the shortest first.
    pub each: Vec<Duration>,
}

impl Run {
    /// So many a second.
    pub fn rate(&self) -> f64 {
        self.each.len() as f64 / self.wall.as_secs_f64()
    }
    /// How long this share of them took at most, in microseconds.
    pub fn micros(&self, share: f64) -> f64 {
        self.each[(share * (self.each.len() - 1) as f64) as usize].as_secs_f64() * 1e6
    }
    /// Goes on with another one.
    pub fn add(&mut self, more: Self) {
        self.wall += more.wall;
        self.each.extend(more.each);
        self.each.sort();
    }
    /// As a line of figures.
    pub fn told(&self) -> String {
        let [p50, p99] = [0.5, 0.99].map(|share| self.micros(share));
        format!("{:.0}/s, p50 {p50:.0} µs, p99 {p99:.0} µs", self.rate())
    }
}

/// Does the work with so many at once: each takes what is next. `work` is given the number of whoever does it, and the number of what is
/// to be done.
pub async fn in_flight<F>(at_once: usize, count: usize, work: impl Fn(usize, usize) -> F + Send + Sync + 'static) -> Run
where
    F: Future<Output = ()> + Send,
{
    let (next, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let began = Instant::now();
    let workers: Vec<_> = (0..at_once.min(count))
        .map(|worker| {
            let (next, work) = (next.clone(), work.clone());
            tokio::spawn(async move {
                let mut each = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return each;
                    }
                    let began = Instant::now();
                    work(worker, n).await;
                    each.push(began.elapsed());
                }
            })
        })
        .collect();
    let mut each = Vec::with_capacity(count);
    for worker in workers {
        each.extend(worker.await.unwrap());
    }
    let wall = began.elapsed();
    each.sort();
    Run { wall, each }
}

/// How often a second all cores together do this.
pub fn on_all_cores(what: impl Fn() + Sync) -> f64 {
    let cores = thread::available_parallelism().unwrap().get();
    let done = AtomicU64::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while began.elapsed() < Duration::from_secs(2) {
                    what();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / began.elapsed().as_secs_f64()
}
