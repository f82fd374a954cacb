//! No mutation of a good package is proven, and none stops the verifier.
//!
//! ```text
//! MUTATIONS=1000000 cargo test --release --test mutations -- --nocapture
//! SEED=7 MUTATIONS=100000 …       other ones
//! MUTATION=1:4711 …               one alone, of this seed and number; KEEP=FILE keeps it
//! ```
//!
//! Without `MUTATIONS` there are 20,000; where the code is not optimised, [`UNOPTIMISED`], since they would take minutes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test says what it expects by failing, and how many there are by printing"
)]

mod bases;
#[path = "engine.rs"]
mod engine;
#[allow(dead_code, reason = "the sample packages of all tests")]
#[path = "../package/played.rs"]
mod played;

use std::{
    collections::BTreeMap,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bases::bases;
use communique::package::{verdict::Verdict, verify::verify};
use engine::{Base, lawful, mutate};

/// How many mutations are tried where nothing else is said.
const DEFAULT: u64 = 20_000;
/// The same, where the code is not optimised.
const UNOPTIMISED: u64 = 500;

/// What a mutant was judged to be: the check that it fails, and whether it was let pass.
fn judge(bases: &[Base], seed: u64, number: u64) -> (String, bool) {
    let mutant = mutate(bases, seed, number);
    if bases.iter().any(|base| base.zip == mutant.zip) {
        return ("the same".into(), false);
    }
    let pin = bases[mutant.base].pin;
    match verify(Cursor::new(&mutant.zip), Some(pin)) {
        Verdict::Failed { check, .. } => (check.id().to_owned(), false),
        other if other.findings().is_some() && lawful(bases, &mutant.zip) => ("other evidence, lawful".into(), false),
        other => (other.name().to_owned(), other.findings().is_some()),
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}

#[test]
fn no_mutation_is_proven() {
    let bases = bases();
    if let Ok(one) = std::env::var("MUTATION") {
        let (seed, number) = one.split_once(':').unwrap_or_else(|| panic!("MUTATION is <seed>:<number>, not {one}"));
        return alone(&bases, seed.parse().unwrap(), number.parse().unwrap());
    }
    let count = variable("MUTATIONS").unwrap_or(if cfg!(debug_assertions) { UNOPTIMISED } else { DEFAULT });
    let seed = variable("SEED").unwrap_or(1);
    let (next, panics) = (AtomicU64::new(0), AtomicU64::new(0));
    let (accepted, checks) = (Mutex::new(vec![]), Mutex::new(BTreeMap::<String, u64>::new()));
    let say = |n: u64, what: &str| {
        eprintln!("{what}; run it alone: MUTATION={seed}:{n} cargo test --test mutations -- --nocapture")
    };
    // What panics is counted and told here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut met = BTreeMap::<String, u64>::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    match catch_unwind(AssertUnwindSafe(|| judge(&bases, seed, n))) {
                        Ok((check, passed)) => {
                            if passed {
                                say(n, &format!("FALSE ACCEPT of mutation {n}"));
                                accepted.lock().unwrap().push(n);
                            }
                            *met.entry(check).or_default() += 1;
                        }
                        Err(_) => {
                            say(n, &format!("PANIC at mutation {n}"));
                            panics.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                let mut checks = checks.lock().unwrap();
                met.into_iter().for_each(|(check, n)| *checks.entry(check).or_default() += n);
            });
        }
    });
    std::panic::set_hook(hook);
    let (accepted, checks, panics) =
        (accepted.into_inner().unwrap(), checks.into_inner().unwrap(), panics.into_inner());
    for (check, n) in &checks {
        println!("{n:>9}  {check}");
    }
    println!("mutations: {count} false_accepts: {} panics: {panics} ", accepted.len());
    assert!(accepted.is_empty() && panics == 0, "seed {seed}: accepted {accepted:?}, {panics} panics");
    // The deep checks are reached, not the outer ones alone.
    for check in [
        "ZIP",
        "MANIFEST",
        "ENTRY-CHAIN",
        "GRANT",
        "ACT",
        "SEATS",
        "PUBLISHED-LIST",
        "CERTIFIED-COPY",
        "LOG-PROOF",
        "LOG-HEAD",
        "WITNESS",
        "BAG-MANIFEST",
        "other evidence, lawful",
    ] {
        assert!(count < DEFAULT || checks.contains_key(check), "no mutation reaches {check}");
    }
}

/// One mutation, told in full.
fn alone(bases: &[Base], seed: u64, number: u64) {
    let mutant = mutate(bases, seed, number);
    let base = &bases[mutant.base];
    println!("mutation {seed}:{number} of {}", mutant.what);
    if let Ok(file) = std::env::var("KEEP") {
        std::fs::write(&file, &mutant.zip).unwrap();
        println!("kept in {file}; its pin is {}", base.pin);
    }
    let verdict = verify(Cursor::new(&mutant.zip), Some(base.pin));
    let mut told = verdict.to_json();
    told["findings"] = told["findings"].is_object().into();
    println!("{told}");
    let same = bases.iter().any(|base| base.zip == mutant.zip) || lawful(bases, &mutant.zip);
    assert!(same || verdict.findings().is_none(), "a mutation was let pass");
}

#[test]
fn a_mutation_is_known_by_seed_and_number() {
    let bases = bases();
    for n in 0..50 {
        let (one, again) = (mutate(&bases, 5, n), mutate(&bases, 5, n));
        assert!(one.what == again.what && one.zip == again.zip, "{n}: {}, {}", one.what, again.what);
    }
    let different = (0..50).filter(|n| mutate(&bases, 5, *n).zip != mutate(&bases, 6, *n).zip).count();
    assert!(different > 45, "{different}");
}
