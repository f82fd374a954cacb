//! The lying exchange: a real one, and a host before it that holds all of its keys and lies, over the wire, to officials, auditors,
//! witnesses and archivists. For each lie it is said who finds it out, by which check, and with which words; each is told to who believed
//! the truth before.
//!
//! ```text
//! cargo test --test lying_exchange -- --nocapture        all of them: lies: N detected: N
//! LIE='a charter forked' cargo test --test lying_exchange …    one alone, or several, one on a line
//! tests/lying/run                                        takes the checks away, and sees the lies believed
//! ```
//!
//! | lies | told to | found out by | checks | words, for example |
//! | --- | --- | --- | --- | --- |
//! | `lying/reading.rs` | who reads before signing | the tool, when it reads | refusals: WRONG_DIGEST, DISAGREES, SIGNATURE_INVALID, INCONSISTENT | *act.manifest is …, but must be …* |
//! | `lying/charters.rs` | who connects | the tool, when it connects | SIGNATURE_INVALID, DISAGREES, charter_rolled_back | *was in force before: it was rolled back* |
//! | `lying/receipts.rs` | who sends, who comes back | the tool, by receipt and highest head | unproven, wrong_proof, unsigned, shrunk, forked, unjoined | *answered without a proof* |
//! | `lying/packages.rs` | archivists | the verifier | SEATS, ACT, OPENING, ENTRY-CHAIN, GRANT, EMBARGO, PIN, CERTIFIED-COPY, LOG-PROOF, LOG-HEAD, WITNESS | *attests something else than what is here* |
//! | `lying/store.rs` | an honest exchange, and its callers | the exchange, or the tool | LOG_IN_DOUBT, INCONSISTENT, shrunk | *writes nothing more* |
//! | `lying/auditing.rs` | auditors | the audit | withheld, other_entry, other_object, out_of_order, against_rules, wrong_root, frozen | *something is left out* |
//! | `lying/witnesses.rs` | witnesses | the witness, or the audit beside it | a doubt that is kept, or no head | *it shows two truths* |
//!
//! Lie by lie, the same table stands in docs/THREATS.md, with what cannot be found out; a test holds the two together. In the code each row
//! is a [`Lie`].

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

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use scene::{Found, Lie, Scene};

const THREATS: &str = include_str!("../docs/THREATS.md");

const LIES: &[&[Lie]] =
    &[reading::LIES, charters::LIES, receipts::LIES, packages::LIES, store::LIES, auditing::LIES, witnesses::LIES];

/// Takes checks away: in the copy that `lying/run` makes. Here all of them stand.
fn take(_: &str) {}

/// Tells a lie; what came of it.
async fn tell(lie: &Lie, scene: &Scene) -> Found {
    let told = std::panic::AssertUnwindSafe(async { (lie.tell)(scene).await }).catch_unwind().await;
    scene.host.tells_the_truth();
    told.unwrap_or_else(|_| Found::panicked())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lie_is_believed() {
    let all = || LIES.iter().copied().flatten();
    // Each with the checks that are taken away.
    let only = std::env::var("LIE");
    let lies: Vec<(&Lie, &str)> = match &only {
        Err(_) => all().map(|lie| (lie, "")).collect(),
        Ok(only) => {
            let told = only.lines().map(|line| line.split_once('\t').unwrap_or((line, "")));
            let known = |name| all().find(|lie| lie.name == name).unwrap_or_else(|| panic!("there is no lie {name:?}"));
            told.map(|(name, checks)| (known(name), checks)).collect()
        }
    };
    let scene = Scene::new().await;
    let mut undetected = vec![];
    for (lie, checks) in &lies {
        take(checks);
        let found = tell(lie, &scene).await;
        take("");
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
    let mut names = BTreeSet::new();
    for Lie { name, to, by, check, words, .. } in LIES.iter().copied().flatten() {
        assert!(names.insert(name), "{name} twice");
        assert!(!check.is_empty() && !words.is_empty(), "{name}");
        let row = format!("\n| {name} | {to} | {by} | `{check}` |");
        assert!(THREATS.contains(&row), "docs/THREATS.md does not list it so: {row}");
    }
    let rows = THREATS.lines().filter(|line| line.contains(" | `")).count();
    let others = THREATS.split_once("## Attacks that others met").unwrap().1.lines();
    assert_eq!(rows - others.filter(|line| line.contains(" | `")).count(), names.len(), "a lie that is not told");
}

/// What takes a lie's checks away is in `lying/run`; here, that each lie has such a control, and that the checks stand where it says.
#[test]
fn every_lie_has_checks_that_can_be_taken_away() {
    let (mut checks, mut without, mut lies) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut source = String::new();
    for line in include_str!("lying/controls").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(": ").unwrap();
        match word {
            "check" => assert!(checks.insert(rest), "twice: {rest}"),
            "in" => source = std::fs::read_to_string(rest).unwrap(),
            "take" => assert_eq!(source.matches(&rest.replace("\\n", "\n")).count(), 1, "not once: {rest}"),
            "put" => {}
            "lie" | "and" => assert!(lies.insert(rest), "twice: {rest}"),
            "without" => drop(without.insert(rest)),
            _ => panic!("not understood: {line}"),
        }
    }
    assert_eq!(checks, without, "checks, and checks that are taken");
    assert_eq!(lies, LIES.iter().copied().flatten().map(|lie| lie.name).collect(), "lies with controls, and all");
}

/// Every test that the page names, and every lie, is one.
#[test]
fn the_page_of_threats_names_tests_that_there_are() {
    let mut sources = String::new();
    let mut folders = vec![std::path::PathBuf::from("src"), "tests".into()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|ending| ending == "rs") {
                sources.push_str(&std::fs::read_to_string(entry).unwrap());
            }
        }
    }
    let (_, attacks) = THREATS.split_once("## Attacks that others met").unwrap();
    let last = |row: &str| row.rsplit(" | ").next().unwrap().to_owned();
    let rows: Vec<String> = attacks.lines().filter(|line| line.starts_with("| ")).skip(2).map(last).collect();
    assert!(rows.len() > 30);
    for row in rows {
        let tests: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        let told: Vec<_> = row.split('*').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || !told.is_empty(), "{row}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}()")), "there is no test {test}");
        }
        for lie in told {
            let known =
                LIES.iter().copied().flatten().any(|l| l.name == lie) || THREATS.contains(&format!("### {lie}\n"));
            assert!(known, "there is no lie {lie}");
        }
    }
}
