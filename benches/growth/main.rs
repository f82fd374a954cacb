//! What the years cost: the same calls on exchanges that differ in how much they have logged, in turn.
//!
//! ```text
//! cargo bench --bench growth
//! COMMUNIQUES=1000,20000 cargo bench --bench growth      fewer
//! ```
//!
//! Nearly all communiqués have ended; ten await the party that asks for its inbox. Each exchange is the shipped program in a process of
//! its own over SQLite; logs are made by the store's own writer, truly signed, and checked at the end by `communiqued fsck`. Figures are
//! medians of calls that go round the exchanges, each beside what it is for the smallest; above 1 is worse.
//!
//! Goals: no figure of the largest more than 1.2 times that of the smallest; a start within 100 ms, within 2 s with 1,000,000
//! communiqués; no more than 256 MB of memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::cast_precision_loss,
    reason = "a benchmark says what it measured by printing, and what went wrong by failing"
)]

#[path = "../scene/course.rs"]
mod course;
#[allow(dead_code, reason = "what the benchmarks of the exchange share")]
#[path = "../scene/plot.rs"]
mod plot;
#[path = "../../tests/service/ports.rs"]
mod ports;
#[allow(dead_code, reason = "what the benchmarks of the exchange share")]
#[path = "../scene/process.rs"]
mod process;
mod scene;
#[allow(dead_code, reason = "the sample parties of the tests of the service")]
#[path = "../../tests/service/world.rs"]
mod world;

use std::{path::Path, time::Duration};

use scene::{LENGTHS, OF_A_LENGTH, Scene};

/// Communiqués in each log, if `COMMUNIQUES` says nothing else.
const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];
/// A picture is drawn of no shorter ones.
const DRAWN: u64 = 100_000;
/// Calls of each kind before any is measured.
const WARM: usize = 20;
/// Acts and revisions that are measured, and calls of every other kind.
const ACTS: usize = 1_000;
const REVISIONS: usize = 200;
const CALLS: usize = 300;
/// Starts of each exchange.
const STARTS: usize = 5;

/// What was measured, figure by figure, for each size.
#[derive(Default)]
struct Figures {
    rows: Vec<(String, &'static str, Vec<f64>)>,
    worst: f64,
}

impl Figures {
    /// Says a figure. More of it is worse, or better.
    fn tell(&mut self, name: &str, unit: &'static str, sizes: &[u64], values: Vec<f64>, more_is_worse: bool) {
        let ratio = |value: f64| if more_is_worse { value / values[0] } else { values[0] / value };
        let told = sizes.iter().zip(&values).map(|(size, value)| match size == &sizes[0] {
            true => format!("{size}: {value:.1} {unit}"),
            false => format!("{size}: {value:.1} {unit} ({:.2})", ratio(*value)),
        });
        println!("{name}: {}", told.collect::<Vec<_>>().join(", "));
        self.worst = values.iter().map(|value| ratio(*value)).fold(self.worst, f64::max);
        self.rows.push((name.to_owned(), unit, values));
    }
}

/// The median, in microseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Calls of a kind at each exchange in turn; the median of each.
macro_rules! in_turn {
    ($scenes:expr, $count:expr, $scene:ident => $call:expr) => {{
        let mut times = vec![vec![]; $scenes.len()];
        for n in 0..WARM + $count {
            for ($scene, times) in $scenes.iter_mut().zip(&mut times) {
                let took = $call.await;
                if n >= WARM {
                    times.push(took);
                }
            }
        }
        times.into_iter().map(median).collect::<Vec<_>>()
    }};
}

fn main() {
    // `cargo test --benches` is not to measure.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let sizes = std::env::var("COMMUNIQUES").map_or_else(
        |_| SIZES.to_vec(),
        |sizes| sizes.split(',').map(|size| size.parse().expect("COMMUNIQUES is a list of numbers")).collect(),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&sizes));
}

async fn run(sizes: &[u64]) {
    process::on_a_disk();
    let (mut scenes, mut figures) = (Vec::new(), Figures::default());
    for size in sizes {
        let begun = std::time::Instant::now();
        let scene = Scene::new(*size, (WARM + ACTS) as u64, (WARM + REVISIONS) as u64, &[]).await;
        println!("made, {size} communiqués: {:.0} s, {:.1} MB", begun.elapsed().as_secs_f64(), scene.log_bytes() / 1e6);
        scenes.push(scene);
    }
    started(&mut scenes, sizes, &mut figures).await;
    called(&mut scenes, sizes, &mut figures).await;
    let resident = scenes.iter().map(|scene| scene.resident() / 1e6).collect();
    figures.tell("resident memory", "MB", sizes, resident, true);
    let mut resident = Vec::new();
    for scene in &mut scenes {
        scene.read_again().await;
        resident.push(scene.resident() / 1e6);
    }
    figures.tell("resident memory, once all was read again", "MB", sizes, resident, true);
    let rates = scenes.iter().map(|scene| {
        let (bytes, took) = scene.backup();
        bytes / 1e6 / took.as_secs_f64()
    });
    figures.tell("backup", "MB/s", sizes, rates.collect(), false);
    if sizes.iter().any(|size| *size >= DRAWN) {
        drawn(sizes, &figures);
    }
    scenes.iter().for_each(Scene::check);
    drop(scenes);
    // One of its own: logs are compared that are alike but for their lengths.
    let mut long = Scene::new(sizes[0], 0, 0, &LENGTHS).await;
    long.start().await;
    negotiated(&mut long, &mut figures).await;
    long.check();
    println!("worst_growth_ratio: {:.2}", figures.worst);
}

/// The check of everything that begins with each start goes on beside the calls, as it is shipped.
async fn started(scenes: &mut [Scene], sizes: &[u64], figures: &mut Figures) {
    let mut starts = vec![vec![]; scenes.len()];
    for _ in 0..STARTS {
        for (scene, starts) in scenes.iter_mut().zip(&mut starts) {
            starts.push(scene.start().await);
        }
    }
    let starts = starts.into_iter().map(|times| median(times) / 1e3).collect();
    figures.tell("start, to the first answer", "ms", sizes, starts, true);
}

async fn called(scenes: &mut [Scene], sizes: &[u64], figures: &mut Figures) {
    let mut bytes: Vec<_> = scenes.iter().map(Scene::log_bytes).collect();
    let acts = in_turn!(scenes, ACTS, scene => scene.act());
    for (bytes, scene) in bytes.iter_mut().zip(&*scenes) {
        *bytes = (scene.log_bytes() - *bytes) / (WARM + ACTS) as f64;
    }
    let mut calls = |name: &str, values| figures.tell(name, "µs", sizes, values, true);
    calls("act", acts);
    calls("revision", in_turn!(scenes, REVISIONS, scene => scene.revision()));
    calls("get, not asked for before", in_turn!(scenes, CALLS, scene => scene.get_first()));
    calls("get, asked for again", in_turn!(scenes, CALLS, scene => scene.get_again()));
    calls("first page", in_turn!(scenes, CALLS, scene => scene.page(0.0)));
    calls("middle page", in_turn!(scenes, CALLS, scene => scene.page(0.5)));
    calls("last page", in_turn!(scenes, CALLS, scene => scene.page(1.0)));
    calls("inbox", in_turn!(scenes, CALLS, scene => scene.inbox()));
    calls("catching up with 200 entries", in_turn!(scenes, CALLS, scene => scene.catch_up()));
    calls("proof", in_turn!(scenes, CALLS, scene => scene.proof()));
    figures.tell("disk for an act", "bytes", sizes, bytes, true);
}

/// What a communiqué's own length costs.
async fn negotiated(scene: &mut Scene, figures: &mut Figures) {
    let (mut first, mut revisions) = (vec![vec![]; LENGTHS.len()], vec![vec![]; LENGTHS.len()]);
    let (mut acts, mut gets, mut lists) = (first.clone(), first.clone(), first.clone());
    let each = usize::try_from(OF_A_LENGTH).unwrap();
    for n in 0..each {
        for (length, first) in first.iter_mut().enumerate() {
            first.push(scene.get_long(length, n).await);
        }
    }
    for n in 0..each {
        for length in 0..LENGTHS.len() {
            let (revision, said) = scene.negotiate(length, n).await;
            revisions[length].push(revision);
            acts[length].extend(said);
            for _ in 0..5 {
                gets[length].push(scene.get_long(length, n).await);
                lists[length].push(scene.acts_of_long(length, n).await);
            }
        }
    }
    for (name, times) in [("act", acts), ("revision", revisions), ("get", gets), ("page of its acts", lists)] {
        let values = times.into_iter().map(median).collect();
        figures.tell(&format!("{name}, by entries of the communiqué"), "µs", &LENGTHS, values, true);
    }
    // All of it is read once, and then kept; that is in proportion to the entries, and not among the ratios.
    let first: Vec<_> = first.into_iter().map(median).collect();
    let told =
        LENGTHS.iter().zip(&first).map(|(length, took)| format!("{length}: {took:.0} µs ({:.2})", took / first[0]));
    println!("get, not asked for before, by entries of the communiqué: {}", told.collect::<Vec<_>>().join(", "));
}

/// Every figure that is a time, over the number of communiqués.
fn drawn(sizes: &[u64], figures: &Figures) {
    let times = figures.rows.iter().filter(|(_, unit, _)| *unit == "µs");
    let series: Vec<_> = times
        .map(|(name, _, values)| {
            (name.clone(), sizes.iter().zip(values).map(|(size, value)| (*size as f64, value / 1e3)).collect())
        })
        .collect();
    plot::lines(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plots/growth.svg"),
        "Calls against communiqués in the log: medians",
        plot::Axis { says: "communiqués", logarithmic: true },
        plot::Axis { says: "milliseconds", logarithmic: true },
        &series,
    );
}
