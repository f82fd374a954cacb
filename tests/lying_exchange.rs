//! The lying exchange.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test says what it expects by failing, and how many there are by printing"
)]

#[path = "lying/auditing.rs"]
mod auditing;
#[path = "lying/charters.rs"]
mod charters;
#[path = "lying/host.rs"]
mod host;
#[path = "lying/packages.rs"]
mod packages;
#[path = "lying/past.rs"]
mod past;
#[path = "lying/reading.rs"]
mod reading;
#[path = "lying/receipts.rs"]
mod receipts;
#[path = "lying/scene.rs"]
mod scene;
#[path = "lying/store.rs"]
mod store;
#[path = "lying/witnesses.rs"]
mod witnesses;
#[allow(dead_code, reason = "the sample parties of all tests of the service")]
#[path = "service/world.rs"]
mod world;

use futures_util::FutureExt as _;
use scene::{Found, Lie, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lie_is_believed() {
    let only = std::env::var("LIE").ok();
    let lies: Vec<&Lie> =
        [reading::LIES, charters::LIES, receipts::LIES, packages::LIES, store::LIES, auditing::LIES, witnesses::LIES]
            .into_iter()
            .flatten()
            .filter(|l| only.as_ref().is_none_or(|o| l.name == o))
            .collect();
    let scene = Scene::new().await;
    let mut believed = vec![];
    for lie in &lies {
        let told = std::panic::AssertUnwindSafe((lie.tell)(&scene)).catch_unwind().await;
        scene.host.tells_the_truth();
        let found = told.unwrap_or_else(|_| Found { check: "PANIC".into(), sentence: String::new(), proves: None });
        println!(
            "{:<45} {:<20} {:?} {}",
            lie.name,
            found.check,
            found.proves,
            found.sentence.chars().take(300).collect::<String>()
        );
        if found.check != lie.check || !found.sentence.contains(lie.words) {
            believed.push(lie.name);
        }
    }
    println!("lies: {} detected: {}", lies.len(), lies.len() - believed.len());
    assert!(believed.is_empty(), "{believed:?}");
}
