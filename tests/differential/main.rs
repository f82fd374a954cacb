//! Two verifiers, one verdict: this crate's, and `docs/verify.py`, which was written from FORMAT.md alone.
//!
//! Over the test vectors, and over [`PACKAGES`] packages ([`UNOPTIMISED`] where the code is not optimised): half of them played at
//! random and mostly broken somewhere, with every signature made anew, so that the deep rules are reached; half of them
//! mutations of good ones. Verdict, check and findings must be the same; the words of details need not be.
//!
//! ```text
//! SEED=7 PACKAGES=10000 cargo test --test differential -- --nocapture
//! PACKAGE=1:4711 …                                          one alone, of this seed and number
//! ```
//!
//! A package on which they differ is kept in cargo's directory for temporary files of tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test says what it expects by failing, and runs a foreign program"
)]

#[path = "../mutations/bases.rs"]
mod bases;
#[allow(dead_code, reason = "shared with the mutations")]
#[path = "../mutations/engine.rs"]
mod engine;
#[path = "../foreign/missing.rs"]
mod missing;
mod plans;
#[allow(dead_code, reason = "the sample packages of all tests")]
#[path = "../package/played.rs"]
mod played;
mod shipped;
mod units;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Cursor, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use communique::{domain::id::Digest, package::verify::verify};
use missing::missing;
use serde_json::Value;

/// How many packages are generated where nothing else is said.
const PACKAGES: u64 = 2_000;
/// The same, where the code is not optimised.
const UNOPTIMISED: u64 = 200;
/// What of a verdict must be the same.
const SAME: [&str; 5] = ["verdict", "proven", "exit_code", "check", "findings"];

/// The other verifier, at work.
struct Other {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Other {
    fn python() -> String {
        std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into())
    }
    fn python_has(module: &str) -> bool {
        let import = format!("import {module}");
        Command::new(Self::python()).args(["-c", &import]).output().is_ok_and(|o| o.status.success())
    }
    /// Begins it; none if what it needs is not there.
    fn begin() -> Option<Self> {
        let script = std::env::var_os("VERIFIER").map(PathBuf::from);
        let script = script.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.py"));
        if !Self::python_has("cryptography") {
            missing("python3 with cryptography", "pip install cryptography");
            return None;
        }
        if !script.exists() {
            missing("docs/verify.py", "give VERIFIER=FILE");
            return None;
        }
        let mut child = Command::new(Self::python())
            .arg(script)
            .arg("--batch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, to, from })
    }
    /// Its verdict; in words what went wrong, if it has none.
    fn judge(&mut self, path: &Path, pin: Option<Digest>) -> Result<Value, String> {
        let pin = pin.map_or_else(|| "-".into(), |pin| pin.to_string());
        let mut line = String::new();
        let asked = writeln!(self.to, "{pin} {}", path.display()).and_then(|()| self.from.read_line(&mut line));
        match asked {
            Ok(n) if n > 0 => serde_json::from_str(&line).map_err(|e| format!("{e}: {line}")),
            _ => Err(format!("it ended: {:?}", self.child.wait())),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both verdicts on one package, and in which members they differ.
fn compare(other: &mut Other, path: &Path, zip: &[u8], pin: Option<Digest>) -> (Value, Result<(), String>) {
    let ours = verify(Cursor::new(zip), pin).to_json();
    let theirs = match other.judge(path, pin) {
        Ok(theirs) => theirs,
        Err(why) => {
            if let Some(again) = Other::begin() {
                *other = again;
            }
            return (ours, Err(format!("the other verifier gives no verdict: {why}")));
        }
    };
    let differs = |member: &&&str| ours.get(**member) != theirs.get(**member);
    let members: Vec<_> = SAME.iter().filter(differs).collect();
    if members.is_empty() {
        return (ours, Ok(()));
    }
    let brief = |verdict: &Value| {
        let check = verdict["check"].as_str().map(|check| format!(" {check}")).unwrap_or_default();
        format!("{}{check}: {}", verdict["verdict"], verdict["detail"])
    };
    let mut said = format!("differ in {members:?}\n  here:  {}\n  there: {}", brief(&ours), brief(&theirs));
    if members == [&"findings"] {
        said += &format!("\n  {}", first_difference(&ours["findings"], &theirs["findings"], "findings"));
    }
    (ours, Err(said))
}

/// Where two values differ first.
fn first_difference(a: &Value, b: &Value, at: &str) -> String {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let differs = |name: &&&String| a.get(**name) != b.get(**name);
            let name = names.iter().find(differs).map_or("", |name| name.as_str());
            let of =
                |members: &serde_json::Map<_, _>| members.get(name).cloned().unwrap_or_else(|| "(not there)".into());
            first_difference(&of(a), &of(b), &format!("{at}.{name}"))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let n = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or_default();
            first_difference(&a[n], &b[n], &format!("{at}[{n}]"))
        }
        _ => format!("{at}: {a} here, {b} there"),
    }
}

fn kept(name: &str, zip: &[u8]) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, zip).unwrap();
    file
}

#[test]
fn both_verifiers_say_the_same_of_every_vector() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let Ok(list) = fs::read(folder.join("packages.json")) else {
        return missing("tests/vectors/packages.json", "VECTORS=write cargo test --test package vectors");
    };
    let Some(mut other) = Other::begin() else { return };
    let list: Value = serde_json::from_slice(&list).unwrap();
    let (mut differences, mut count) = (vec![], 0);
    for vector in list.as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let path = folder.join("packages").join(format!("{name}.zip"));
        let zip = fs::read(&path).unwrap();
        let pin: Option<Digest> = vector["pin"].as_str().map(|pin| pin.parse().unwrap());
        for pin in [pin, None] {
            count += 1;
            if let (_, Err(why)) = compare(&mut other, &path, &zip, pin) {
                differences.push(format!("{name}, {pin:?}: {why}"));
            }
        }
    }
    println!("differential: {count} verdicts on vectors, differences: {}", differences.len());
    assert!(count > 0 && differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// A package, how it came to be, and the pin with which it is judged.
struct Case {
    what: String,
    zip: Vec<u8>,
    pin: Option<Digest>,
}

fn case(bases: &[engine::Base], seed: u64, number: u64) -> Case {
    if number.is_multiple_of(2) {
        let (what, played) = plans::played(seed, number);
        let pin = played.charter.digest();
        // Now and then by no pin, or by a wrong one.
        let pin = match number % 32 {
            0 => None,
            2 => Some(Digest::of(b"another")),
            _ => Some(pin),
        };
        Case { what, zip: played.zip, pin }
    } else {
        let mutant = engine::mutate(bases, seed, number);
        Case { what: mutant.what, zip: mutant.zip, pin: Some(bases[mutant.base].pin) }
    }
}

#[test]
fn both_verifiers_say_the_same_of_generated_and_mutated_packages() {
    if Other::begin().is_none() {
        return;
    }
    let variable = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let bases = bases::bases();
    if let Ok(one) = std::env::var("PACKAGE") {
        let (seed, number) = one.split_once(':').unwrap_or_else(|| panic!("PACKAGE is <seed>:<number>, not {one}"));
        let case = case(&bases, seed.parse().unwrap(), number.parse().unwrap());
        let path = kept("one.zip", &case.zip);
        let (ours, same) = compare(&mut Other::begin().unwrap(), &path, &case.zip, case.pin);
        println!("{}: {}\n{}: {}", path.display(), case.what, ours["verdict"], ours["detail"]);
        return same.unwrap_or_else(|why| panic!("{why}"));
    }
    let usual = if cfg!(debug_assertions) { UNOPTIMISED } else { PACKAGES };
    let (seed, count) = (variable("SEED").unwrap_or(1), variable("PACKAGES").unwrap_or(usual));
    let next = AtomicU64::new(0);
    let (differences, verdicts) = (Mutex::new(BTreeMap::new()), Mutex::new(BTreeMap::<String, u64>::new()));
    let folder = tempfile::tempdir().unwrap();
    // A course that cannot be played is drawn again; what that says is of no use.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let (bases, folder, next, differences, verdicts) = (&bases, &folder, &next, &differences, &verdicts);
            scope.spawn(move || {
                let mut other = Other::begin().unwrap();
                let path = folder.path().join(format!("{worker}.zip"));
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let Case { what, zip, pin } = case(bases, seed, n);
                    fs::write(&path, &zip).unwrap();
                    let (ours, same) = compare(&mut other, &path, &zip, pin);
                    let name = ours["check"].as_str().or(ours["verdict"].as_str()).unwrap_or_default().to_owned();
                    *verdicts.lock().unwrap().entry(name).or_default() += 1;
                    if let Err(why) = same {
                        let file = kept(&format!("difference-{seed}-{n}.zip"), &zip);
                        let pin = pin.map_or_else(|| "-".into(), |pin| pin.to_string());
                        let told = format!("{n}: {what}\n  {why}\n  PACKAGE={seed}:{n}, {pin} {}", file.display());
                        differences.lock().unwrap().insert(n, told);
                    }
                }
            });
        }
    });
    std::panic::set_hook(hook);
    let (differences, verdicts) = (differences.into_inner().unwrap(), verdicts.into_inner().unwrap());
    for (verdict, n) in &verdicts {
        println!("{n:>6}  {verdict}");
    }
    println!("differential: {count} packages, differences: {}", differences.len());
    let told: Vec<_> = differences.values().take(40).cloned().collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), told.join("\n"));
    assert!(count < PACKAGES || verdicts.len() > 20, "few checks are reached: {verdicts:?}");
}
