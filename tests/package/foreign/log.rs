//! The log's proofs, by Go's own transparency log: golang.org/x/mod/sumdb/note and tlog.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use communique::{
    domain::{charter::Charter, document::Document, id::Digest},
    log::{
        checkpoint::{Checkpoint, Head, Log, Unverified},
        cosignature::Cosigner,
        tree::{Edge, Growth, Hash},
        witness::AddCheckpoint,
    },
};

use super::missing::missing;
use crate::played::{Files, LOG, Plan, key};

/// Where Debian's golang-golang-x-mod-dev puts Go's module of transparency logs.
const GOPATH: &str = "/usr/share/gocode";

/// The program of `tests/foreign/log`, built; none where there is no Go.
fn program(to: &Path) -> Option<PathBuf> {
    let there = Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog").exists();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/log/check.go");
    let built = to.join("check");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&built).arg(source).env("GO111MODULE", "off").env("GOPATH", GOPATH);
    match go.output().ok().filter(|_| there) {
        Some(output) if output.status.success() => Some(built),
        Some(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        None => {
            missing("Go's transparency log", "install Debian's packages golang-go and golang-golang-x-mod-dev");
            None
        }
    }
}

/// What it says of this input: a line, or that it refuses.
fn ask(program: &Path, arguments: &[&str], input: &[u8]) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

/// The verifier keys of the log, and of the witnesses that have a line in this proof.
fn keys(charter: &Charter, proof: &str) -> Vec<String> {
    let log = Log::of_charter(&charter.log).unwrap();
    let witnesses = charter.parties.iter().filter_map(Cosigner::of_party);
    let there = witnesses.filter(|w| proof.contains(&format!("\n— {} ", w.hint().name())));
    log.keys().iter().map(ToString::to_string).chain(there.map(|w| w.to_string())).collect()
}

fn newest_charter(files: &Files) -> Charter {
    let newest = files.iter().rfind(|(path, _)| path.starts_with("data/charters/")).unwrap();
    (*Document::<Charter>::parse(newest.1.clone()).unwrap()).clone()
}

#[test]
fn go_finds_every_entry_of_a_package_in_the_log_and_nothing_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = program(folder.path()) else { return };
    let played = Plan::cosigned().play();
    let charter = newest_charter(&played.files);
    let mut proven = 0;
    for (path, entry) in played.files.iter().filter(|(path, _)| path.starts_with("data/entries/")) {
        let index = path.trim_start_matches("data/entries/").trim_end_matches(".json");
        let proof = String::from_utf8(played.files[&format!("evidence/{index}.tlog-proof")].clone()).unwrap();
        let keys = keys(&charter, &proof);
        assert!(keys.len() > 2, "cosigned");
        let arguments = |digest: String, keys: &[String]| {
            ["proof".to_owned(), digest].into_iter().chain(keys.iter().cloned()).collect::<Vec<_>>()
        };
        let ask = |digest: Digest, keys: &[String], proof: &str| {
            let arguments = arguments(digest.to_string(), keys);
            ask(&program, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), proof.as_bytes())
        };
        let digest = Digest::of(entry);
        let said = ask(digest, &keys, &proof).unwrap();
        assert!(said.starts_with(&format!("the entry is number {index} of ")), "{said}");
        assert!(ask(Digest::of(b"another"), &keys, &proof).is_err());
        assert!(ask(digest, &[keys[1].clone(), keys[0].clone()], &proof).is_err(), "another's key for the log's");
        // A letter of each line in turn.
        for line in proof.lines().filter(|line| !line.is_empty()) {
            let at = line.len() / 2;
            let letter = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
            if line.is_char_boundary(at) && line.is_char_boundary(at + 1) {
                let tampered = proof.replacen(line, &format!("{}{letter}{}", &line[..at], &line[at + 1..]), 1);
                assert!(ask(digest, &keys, &tampered).is_err(), "{line}");
            }
        }
        proven += 1;
    }
    assert!(proven > 10);
}

#[test]
fn go_finds_that_a_head_continues_another_and_no_fork() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = program(folder.path()) else { return };
    let charter = newest_charter(&Plan::small().play().files);
    let log = Log::of_charter(&charter.log).unwrap();
    let signer = key(LOG);
    let leaf = |n: u64, tree: &str| Hash::of_entry(Digest::of(format!("{n} {tree}").as_bytes()));
    let head = |edge: &Edge| {
        let checkpoint = Checkpoint::new(log.origin().clone(), edge.size(), edge.root()).unwrap();
        Head::sign(checkpoint, &signer).unwrap()
    };
    for (old, new) in [(1, 2), (3, 7), (8, 9), (64, 100)] {
        let mut before = Edge::default();
        (0..old).for_each(|n| before.append(leaf(n, ""), |_, _| ()).unwrap());
        let mut growth = Growth::of(before.clone());
        (old..new).for_each(|n| growth.append(leaf(n, ""), |_, _| ()).unwrap());
        let request = AddCheckpoint {
            old,
            proof: growth.consistency().unwrap(),
            checkpoint: Unverified::parse(head(growth.after()).to_string().as_bytes()).unwrap(),
        };
        let mut forked = Edge::default();
        (0..old).for_each(|n| forked.append(leaf(n, "of another tree"), |_, _| ()).unwrap());
        let judged = |old: &Edge| {
            let file = folder.path().join("old");
            std::fs::write(&file, head(old).to_string()).unwrap();
            let arguments = ["consistency", file.to_str().unwrap(), &log.keys()[0].to_string()].map(str::to_owned);
            ask(&program, &arguments.each_ref().map(String::as_str), request.to_string().as_bytes())
        };
        assert_eq!(judged(&before), Ok(format!("{new} leaves continue {old}")));
        assert!(judged(&forked).is_err());
    }
}
