//! `docs/WALKTHROUGH.md`, typed as it stands: every command of the page is run by bash, in its order, in an empty folder; what
//! the page shows of what they print is what they print; and the two packages that come of it are proven.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    desk::Desk,
    missing::missing,
    page::{self, Block, Shell, lacks},
};

const PAGE: &str = include_str!("../../docs/WALKTHROUGH.md");
/// How long the page may take; far more than it does.
const LIMIT: Duration = Duration::from_secs(600);

/// What each block printed.
fn run(desk: &Desk, blocks: &[Block]) -> Vec<String> {
    let out = desk.path("out");
    fs::create_dir(&out).unwrap();
    fs::create_dir(desk.path("here")).unwrap();
    // In one shell, since the page keeps variables and functions; a brace group takes what it prints.
    let mut script = String::from("set -euo pipefail\n");
    for (n, block) in blocks.iter().enumerate() {
        script += &format!("{{\n{}\n}} > \"$OUT/{n}\" 2>&1\n", block.commands);
    }
    desk.write("page.sh", script);

    let mut command = Command::new("bash");
    page::environment(&mut command, desk);
    command
        .arg(desk.path("page.sh"))
        .current_dir(desk.path("here"))
        .process_group(0)
        // English, as the page has it.
        .env("LC_ALL", "C")
        .env("OUT", &out)
        .stdin(Stdio::null())
        .stdout(fs::File::create(desk.path("bash.log")).unwrap())
        .stderr(fs::File::options().append(true).open(desk.path("bash.log")).unwrap());
    let mut shell = Shell(command.spawn().unwrap());
    let status = shell.wait(LIMIT);
    let printed: Vec<_> = (0..blocks.len()).map_while(|n| fs::read_to_string(out.join(n.to_string())).ok()).collect();
    if !status.success() {
        let n = printed.len().saturating_sub(1);
        let last = printed.last().map_or("", String::as_str).lines().rev().take(40).collect::<Vec<_>>();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        let block = &blocks[n];
        panic!("{status} in “{}”:\n{}\n---\n{last}\n{}", block.section, block.commands, desk.read("bash.log"));
    }
    assert_eq!(printed.len(), blocks.len());
    printed
}

/// Says how long each section took, by when its last words were written.
fn times(desk: &Desk, blocks: &[Block]) {
    let written = |n: usize| fs::metadata(desk.path(&format!("out/{n}"))).unwrap().modified().unwrap();
    let mut before = fs::metadata(desk.path("page.sh")).unwrap().modified().unwrap();
    for (n, block) in blocks.iter().enumerate() {
        if blocks.get(n + 1).is_none_or(|next| next.section != block.section) {
            let took = written(n).duration_since(before).unwrap_or_default();
            eprintln!("{:>6.1} s  {}", took.as_secs_f32(), block.section);
            before = written(n);
        }
    }
}

/// The claims of every statement in a bag.
fn statements(desk: &Desk) -> Vec<Value> {
    let bag = fs::read_dir(desk.path("here/bag")).unwrap().next().unwrap().unwrap().path();
    let statement = |entry: std::io::Result<fs::DirEntry>| {
        let compact = fs::read_to_string(entry.unwrap().path()).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(compact.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&claims).unwrap()
    };
    fs::read_dir(bag.join("data/statements")).unwrap().map(statement).collect()
}

#[test]
fn the_walkthrough_is_what_happens() {
    for (tool, asks, install) in [
        ("bash", "--version", "install Debian's package bash"),
        ("python3", "--version", "install Debian's package python3"),
        ("sha256sum", "--version", "install Debian's package coreutils"),
        ("unzip", "-v", "install Debian's package unzip"),
    ] {
        let found = Command::new(tool).arg(asks).stdin(Stdio::null()).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return missing(tool, install);
        }
    }
    let (desk, blocks) = (Desk::new(), page::blocks(PAGE));
    let begun = Instant::now();
    let printed = run(&desk, &blocks);
    times(&desk, &blocks);
    eprintln!("{:>6.1} s  all {} blocks of commands", begun.elapsed().as_secs_f32(), blocks.len());

    // What is shown was printed.
    for (block, printed) in blocks.iter().zip(&printed) {
        for shown in &block.shown {
            if let Some(line) = lacks(printed, &shown.lines) {
                panic!("“{}”:\n{}\n---\n{printed}\n---\nno {line:?} in this", block.section, block.commands);
            }
        }
    }
    let shown = blocks.iter().map(|block| block.shown.len()).sum::<usize>();
    assert!(shown > 20, "the page shows {shown} times what is printed");

    // Twenty revisions; what was signed in vain is sealed even from those who have the package.
    let of = |command: &str| {
        let (n, _) = blocks.iter().enumerate().find(|(_, block)| block.commands.ends_with(command)).unwrap();
        printed[n].as_str()
    };
    let history = of("as cedar/c history $id");
    let proposed: Vec<_> = history.lines().filter_map(|line| line.rsplit_once(" proposed revision ")).collect();
    let numbers: Vec<_> = proposed.iter().map(|(_, number)| number.parse::<u64>().unwrap()).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    for revision in [18, 19] {
        let signed = format!("boreal signed revision {revision}, in escrow");
        let sealed = |line: &&str| line.contains(" sealed ") && line.contains(&signed);
        assert_eq!(history.lines().filter(sealed).count(), 1, "{history}");
    }

    // What Rivers' spokespersons said to each other, nobody else was told.
    let said = "Nos membres accepteraient 10 jours.";
    assert!(of("as rivers/t remark list $id").contains(said));
    assert_eq!(printed.iter().filter(|printed| printed.contains(said)).count(), 1);

    // The bag that the page unpacked holds what was signed under revision 20, and no signature before it.
    let claims = statements(&desk);
    let count = |act: &str| claims.iter().filter(|claims| claims["act"] == act).count();
    let acts = ["propose", "declare", "initial", "sign", "sign_ad_referendum", "confirm", "release", "decline"];
    assert_eq!(acts.map(count), [1, 1, 6, 7, 1, 1, 6, 0]);
    let revisions: BTreeSet<_> = claims.iter().filter_map(|claims| claims["revision"].as_u64()).collect();
    assert_eq!(revisions, BTreeSet::from([20]));

    // Both are proven, the original in the package of its rectification too, and with the exchange gone.
    let pin = desk.run("charter fingerprint here/charter.json").ends(0).out.trim().to_owned();
    let verified =
        desk.run(&format!("verify here/package.zip here/rectification.zip --charter-pin {pin} --json")).ends(0);
    let packages = &verified.json()["packages"];
    for package in packages.as_array().unwrap() {
        assert_eq!((&package["proven"], &package["exit_code"]), (&json!(true), &json!(0)), "{package}");
    }
    let size = |name: &str| fs::metadata(desk.path(name)).unwrap().len();
    eprintln!(
        "{} statements, {} revisions; package.zip {} bytes, rectification.zip {} bytes",
        claims.len(),
        numbers.len(),
        size("here/package.zip"),
        size("here/rectification.zip")
    );
    assert_eq!(fs::read(desk.path("here/package.zip")).unwrap(), fs::read(desk.path("here/original.zip")).unwrap());
}
