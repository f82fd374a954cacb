//! What the machine could do at most of each part of an act.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use communique::{
    domain::{entry::StreamId, id::CommuniqueId, key::Signer as _, time::Time},
    exchange::ports::{Append, Store},
    wire::v1::SubmitActRequest,
};

use crate::{
    Lines, WHOLE,
    course::Stream,
    echo,
    figures::{Run, in_flight, on_all_cores},
    share,
    world::key,
};

/// Bytes of one write before a sync: a page of a write-ahead log.
const PAGE: usize = 4096;
/// Syncs that are timed.
const SYNCS: usize = 500;
/// Verifications that are timed, one after the other.
const VERIFICATIONS: u32 = 5_000;

/// What the machine does, whatever the store.
pub struct Machine {
    /// E, by how many are in flight.
    pub echo: BTreeMap<usize, Run>,
    /// V, on all cores.
    verifications: f64,
    /// One verification, in microseconds.
    verification: f64,
    /// One page appended to a file and synced.
    sync: Run,
}

/// A verification of a signature on as many bytes as an act's.
fn verifying(act: &str) -> impl Fn() + Clone + Send + Sync + use<> {
    let (signer, message) = (key("north.a"), act.as_bytes().to_vec());
    let (signature, public) = (signer.sign(&message).unwrap(), signer.public());
    move || assert!(public.verifies(&message, &signature))
}

/// One after the other, one at a time, as an act needs them: an echo, a verification and an append. What each takes where a core has
/// just been idle is more than where it is kept busy.
pub async fn in_turn(lines: &Lines, store: Arc<dyn Store>, act: &str, acts: usize) -> Run {
    let count = share(acts, 1);
    let rows: Arc<Vec<_>> = Arc::new((0..count).map(|n| row(n, act.len())).collect());
    let (lines, verify, act) = (lines.clone(), verifying(act), act.to_owned());
    let run = in_flight(1, count, move |worker, n| {
        let (channel, statement) = (lines.of(worker, n).clone(), act.clone());
        let (store, row, verify) = (store.clone(), rows[n].clone(), verify.clone());
        async move {
            echo::say(&channel, SubmitActRequest { statement }).await;
            verify();
            store.append(row).await.unwrap();
        }
    });
    run.await
}

impl Machine {
    async fn measure(lines: &Lines, act: &str, acts: usize) -> Self {
        let verify = verifying(act);
        let verifications = on_all_cores(&verify);
        let began = Instant::now();
        (0..VERIFICATIONS).for_each(|_| verify());
        let verification = began.elapsed().as_secs_f64() * 1e6 / f64::from(VERIFICATIONS);
        let mut echo = BTreeMap::new();
        for load in WHOLE {
            let (lines, act) = (lines.clone(), act.to_owned());
            let run = in_flight(load, share(acts, load), move |worker, n| {
                let (channel, statement) = (lines.of(worker, n).clone(), act.clone());
                async move {
                    echo::say(&channel, SubmitActRequest { statement }).await;
                }
            });
            echo.insert(load, run.await);
        }
        Self { echo, verifications, verification, sync: syncs() }
    }
    /// Goes on with what it did later.
    fn add(&mut self, more: Self) {
        add(&mut self.echo, more.echo);
        self.verifications = f64::midpoint(self.verifications, more.verifications);
        self.verification = f64::midpoint(self.verification, more.verification);
        self.sync.add(more.sync);
    }
    /// What one act at a time cannot be without, in microseconds: an echo, a sync and a verification.
    pub fn one(&self) -> f64 {
        self.echo[&1].micros(0.5) + self.sync.micros(0.5) + self.verification
    }
}

/// The limits of acts on one store.
pub struct Limits {
    pub machine: Machine,
    /// D, by how many are in flight.
    appends: BTreeMap<usize, Run>,
}

impl Limits {
    /// Measures the machine over these lines, and appends of rows as those of acts of this size on a store that is empty.
    pub async fn measure(lines: &Lines, store: Arc<dyn Store>, act: &str, acts: usize) -> Self {
        let machine = Machine::measure(lines, act, acts).await;
        let (mut appends, mut from) = (BTreeMap::new(), 0);
        for load in WHOLE {
            let (store, count) = (store.clone(), share(acts, load));
            let rows: Arc<Vec<_>> = Arc::new((from..from + count).map(|n| row(n, act.len())).collect());
            let run = in_flight(load, count, move |_, n| {
                let (store, row) = (store.clone(), rows[n].clone());
                async move {
                    store.append(row).await.unwrap();
                }
            });
            appends.insert(load, run.await);
            from += count;
        }
        Self { machine, appends }
    }
    /// Goes on with those that were measured later.
    pub fn add(&mut self, more: Self) {
        self.machine.add(more.machine);
        add(&mut self.appends, more.appends);
    }
    /// L with so many in flight.
    pub fn at(&self, load: usize) -> Option<f64> {
        let (echo, appends) = (self.machine.echo.get(&load)?.rate(), self.appends.get(&load)?.rate());
        Some(1.0 / (1.0 / echo + 1.0 / self.machine.verifications + 1.0 / appends))
    }
    pub fn tell(&self, on: &str) {
        println!("V, strict verifications on all cores: {:.0}/s", self.machine.verifications);
        println!("one page written and synced: {}", self.machine.sync.told());
        for load in WHOLE {
            println!("E, bare echo, {load} in flight: {}", self.machine.echo[&load].told());
            println!("D, bare appends, {on}, {load} in flight: {}", self.appends[&load].told());
        }
    }
}

/// An append as that of an act: an entry in a stream of its own, with one object of this size.
fn row(n: usize, size: usize) -> Append {
    let id = CommuniqueId::new(1_700_000_000_000 + n as u64, &[7; 10]);
    let act = Stream::of(id, Time::from_unix(1_795_424_400)).act(format!("{n:>size$}"));
    let expect = vec![(StreamId::Communique(id), 0)];
    Append { expect, entries: vec![act], listings: vec![], unlogged: vec![] }
}

fn add(runs: &mut BTreeMap<usize, Run>, more: BTreeMap<usize, Run>) {
    more.into_iter().for_each(|(load, run)| runs.entry(load).or_default().add(run));
}

/// A page is appended to a file and synced, again and again.
fn syncs() -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::create(folder.path().join("pages")).unwrap();
    let began = Instant::now();
    let mut each: Vec<Duration> = (0..SYNCS)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; PAGE]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    each.sort();
    Run { wall: began.elapsed(), each }
}
