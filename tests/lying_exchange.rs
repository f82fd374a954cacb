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

const LIES: &[&[Lie]] =
    &[reading::LIES, charters::LIES, receipts::LIES, packages::LIES, store::LIES, auditing::LIES, witnesses::LIES];

/// Tells a lie; what came of it.
async fn tell(lie: &Lie, scene: &Scene) -> Found {
    let told = std::panic::AssertUnwindSafe(async { (lie.tell)(scene).await }).catch_unwind().await;
    scene.host.tells_the_truth();
    told.unwrap_or_else(|_| Found::panicked())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lie_is_believed() {
    let only = std::env::var("LIE").ok();
    let lies: Vec<&Lie> =
        LIES.iter().copied().flatten().filter(|lie| only.as_ref().is_none_or(|name| lie.name == name)).collect();
    assert!(!lies.is_empty(), "there is no lie {only:?}");
    let scene = Scene::new().await;
    let mut undetected = vec![];
    for lie in &lies {
        let found = tell(lie, &scene).await;
        let sentence: String = found.sentence.chars().take(200).collect();
        println!("{} | {} | {} | {} | {} | {sentence}", lie.name, lie.to, lie.by, found.name(), found.weight());
        if found.check != lie.check || !found.sentence.contains(lie.words) {
            undetected.push(lie.name);
        }
    }
    println!("lies: {} detected: {}", lies.len(), lies.len() - undetected.len());
    assert!(undetected.is_empty(), "{undetected:?}");
}

#[test]
fn no_two_lies_have_one_name_and_each_has_its_sentence() {
    let mut names = std::collections::BTreeSet::new();
    for lie in LIES.iter().copied().flatten() {
        assert!(names.insert(lie.name), "{} twice", lie.name);
        assert!(!lie.check.is_empty() && !lie.words.is_empty(), "{}", lie.name);
    }
    assert!(names.len() >= 30);
    // What is written of each for people, and the order in which it is.
    let listed = include_str!("../docs/THREATS.md");
    for name in names {
        assert!(listed.contains(&format!("| {name} |")), "docs/THREATS.md does not list: {name}");
    }
}
