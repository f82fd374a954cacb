//! How fast strangers verify, beside the bare limit of what they have to compute, and beside other programs, in one run.
//!
//! ```text
//! cargo bench --bench verify
//! PACKAGES=1000 cargo bench --bench verify      fewer
//! ```
//!
//! The standard shape: four parties, three texts of 4 KiB, no annex, one charter, a head that two witnesses cosigned. The folder's
//! packages are of one exchange and bear other communiqués; each has thirteen signatures of its own, which no other package has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark says what it measured by printing, and what went wrong by failing"
)]

#[allow(dead_code, reason = "the sample packages of all tests")]
#[path = "../tests/package/played.rs"]
mod played;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use communique::domain::{
    id::{CommuniqueId, Digest},
    key::Signer as _,
    manifest::Initialling,
};
use played::{DEPOSITARY, Plan, key, official, sample_text};

/// Packages in the folder, if `PACKAGES` says nothing else.
const PACKAGES: u64 = 10_000;
/// Bytes of each text.
const TEXT: usize = 4 << 10;
/// Signatures of a package that no other has: a revision, four initials, four signatures, the certified copy, the head and two
/// cosignatures of it. Adoptions and full powers are those of all.
const SIGNATURES: u64 = 13;

/// A package of the standard shape, the only one of its number.
fn package(number: u64) -> (Vec<u8>, Digest) {
    let mut plan = Plan::new(4, 1, Initialling::Required).witnessed(4, 2, &[1, 3]);
    plan.annexes.clear();
    plan.texts = ["ar", "fr", "ru"].map(sample_text).to_vec();
    for text in &mut plan.texts {
        let mark = format!("{number}.\n\n");
        let whole = text.text.clone();
        text.text = mark;
        while text.text.len() + whole.len() + 3 <= TEXT {
            text.text += &whole;
            text.text += "\n";
        }
        text.text += &"x".repeat(TEXT - 1 - text.text.len());
        text.text += "\n";
    }
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    plan.also_manifest(move |m| m.communique = CommuniqueId::new(1_795_424_400_000, &random));
    let played = plan.play();
    let pin = played.pin_given();
    (played.zip, pin)
}

/// Runs this on every core, each with its number.
fn on_all_cores(run: impl Fn(u64) + Sync) -> u64 {
    let cores = thread::available_parallelism().unwrap().get() as u64;
    thread::scope(|scope| {
        for core in 0..cores {
            let run = &run;
            scope.spawn(move || run(core));
        }
    });
    cores
}

/// Makes the folder, or takes the one that an earlier run made.
fn folder(count: u64) -> (PathBuf, Digest, u64) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify-bench");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let (next, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    on_all_cores(|_| {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                break;
            }
            let (zip, _) = package(n);
            bytes.fetch_add(zip.len() as u64, Ordering::Relaxed);
            fs::write(folder.join(format!("{n:06}.zip")), zip).unwrap();
        }
    });
    (folder, package(0).1, bytes.into_inner())
}

/// How often a second all cores together do this.
fn rate(what: impl Fn() + Sync) -> f64 {
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            on_all_cores(|_| {
                while !stop.load(Ordering::Relaxed) {
                    what();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// Seconds a package that no verifier can be without: its signatures, and SHA-256 of its bytes.
fn limit(bytes: f64) -> f64 {
    let signer = key(official(0, 0));
    let message = vec![7; 1000];
    let signature = signer.sign(&message).unwrap();
    let public = signer.public();
    let verifications = rate(|| assert!(public.verifies(&message, &signature)));
    let piece = vec![7; bytes as usize];
    let digests = rate(|| {
        std::hint::black_box(Digest::of(&piece));
    });
    println!(
        "strict verifications on all cores: {verifications:.0}/s; SHA-256 on all cores: {:.0} MB/s",
        digests * bytes / 1e6
    );
    SIGNATURES as f64 / verifications + 1.0 / digests
}

fn timed(command: &mut Command) -> (Duration, Output) {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    (start.elapsed(), output)
}

/// User and system time of the processes that this one waited for, in seconds (proc(5), `stat`, fields 16 and 17).
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = [fields[13], fields[14]].map(|f| f.parse::<u64>().unwrap()).iter().sum();
    ticks as f64 / 100.0
}

fn main() {
    // `cargo test --benches` is not to measure.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let count = std::env::var("PACKAGES").map_or(PACKAGES, |n| n.parse().expect("PACKAGES is a number"));
    let tool = env!("CARGO_BIN_EXE_communique");
    let start = Instant::now();
    let (folder, pin, total) = folder(count);
    let bytes = total as f64 / count as f64;
    println!("{count} packages of {bytes:.0} bytes, made in {:.1} s", start.elapsed().as_secs_f64());
    let pin = pin.to_string();
    let one = folder.join("000000.zip");

    // One package, as a whole process.
    let runs = 200;
    let before = children();
    let mut walls: Vec<_> = (0..runs)
        .map(|_| {
            let (wall, output) = timed(Command::new(tool).args(["verify", "--charter-pin", &pin]).arg(&one));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            wall
        })
        .collect();
    walls.sort();
    let each = (children() - before) / f64::from(runs) * 1e3;
    println!(
        "one package, whole process: {each:.1} ms of process time, {:.1} ms wall (median)",
        walls[walls.len() / 2].as_secs_f64() * 1e3
    );

    // The folder, between two measurements of the limit.
    let first = limit(bytes);
    let (wall, output) = timed(Command::new(tool).args(["verify", "--charter-pin", &pin]).arg(&folder));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bare = f64::midpoint(first, limit(bytes));
    let rate = count as f64 / wall.as_secs_f64();
    println!("folder: {rate:.0} packages/s, {:.2} s; the bare limit: {:.0} packages/s", wall.as_secs_f64(), 1.0 / bare);

    others(&folder, &one, &pin, count);
    println!("verify_over_limit: {:.2}", rate * bare);
    fs::remove_dir_all(&folder).unwrap();
}

/// What other programs take: of one statement, and of whole packages.
fn others(folder: &Path, one: &Path, pin: &str, count: u64) {
    let unpacked = tempfile::tempdir().unwrap();
    let unzip = Command::new("unzip").arg("-q").arg(one).arg("-d").arg(unpacked.path()).status();
    if !unzip.is_ok_and(|s| s.success()) {
        return println!("SKIPPED: unzip is missing; install Debian's package unzip");
    }
    let bag = fs::read_dir(unpacked.path()).unwrap().next().unwrap().unwrap().path();
    let readme = fs::read_to_string(bag.join("data/README.txt")).unwrap();
    let commands: String = readme.lines().filter_map(|l| l.strip_prefix("    ")).map(|l| format!("{l}\n")).collect();
    let x = communique::domain::json::base64(&key(DEPOSITARY).public().to_bytes());
    let mut script = Command::new("sh");
    script.args(["-ec", &commands]).env("F", "evidence/certified-copy.jws").env("X", &x).current_dir(&bag);
    let (wall, output) = timed(&mut script);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!(
        "README.txt by hand (openssl, sha256sum), all commands, one statement: {:.0} ms",
        wall.as_secs_f64() * 1e3
    );

    let python = std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let some = count.min(200);
    let mut verify = Command::new(python);
    verify.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify.py")).args(["--json", "--charter-pin", pin]);
    verify.args((0..some).map(|n| folder.join(format!("{n:06}.zip"))));
    let (wall, output) = timed(&mut verify);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("cryptography") {
        println!("SKIPPED: verify.py; install the Python package cryptography");
    } else {
        assert!(output.status.success(), "verify.py: {said}");
        println!("verify.py: {:.1} ms a package, {some} in one process", wall.as_secs_f64() * 1e3 / some as f64);
    }

    let statements: Vec<_> = fs::read_dir(bag.join("data/statements"))
        .unwrap()
        .map(|f| fs::read_to_string(f.unwrap().path()).unwrap())
        .collect();
    let statement = statements
        .iter()
        .find(|s| {
            communique::domain::statement::is_by::<communique::domain::act::Act>(s, &key(official(0, 0)).public())
        })
        .unwrap();
    let x = communique::domain::json::base64(&key(official(0, 0)).public().to_bytes());
    let script = "import { compactVerify, importJWK } from 'jose';\
        const [compact, x] = process.argv.slice(1);\
        const key = await importJWK({ crv: 'Ed25519', kty: 'OKP', x }, 'EdDSA');\
        const start = process.hrtime.bigint();\
        for (let n = 0; n < 2000; n++) await compactVerify(compact, key);\
        console.log(Number(process.hrtime.bigint() - start) / 2000 / 1e3);";
    let modules = std::env::var("COMMUNIQUE_TEST_FOREIGN_NODE_MODULES").ok();
    let Some(home) = modules.as_deref().map(Path::new).and_then(Path::parent) else {
        return println!("SKIPPED: jose; name its node_modules in COMMUNIQUE_TEST_FOREIGN_NODE_MODULES");
    };
    let (_, output) =
        timed(Command::new("node").args(["--input-type=module", "-e", script, statement, &x]).current_dir(home));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("jose: {} µs a statement, the signature alone", String::from_utf8_lossy(&output.stdout).trim());
}
