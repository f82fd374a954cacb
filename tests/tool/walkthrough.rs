//! `docs/WALKTHROUGH.md`, typed as it stands: every command of the page is run by bash, in its order, in an empty folder; what
//! the page shows of what they print is what they print; and the two packages that come of it are proven.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{desk::Desk, missing::missing};

const PAGE: &str = include_str!("../../docs/WALKTHROUGH.md");
/// What stands for anything in what the page shows: a part of a line, or, alone in its line, any lines.
const ANYTHING: &str = "…";
/// How long the page may take; far more than it does.
const LIMIT: Duration = Duration::from_secs(600);

/// Commands that stand together, and what the page shows of what they print.
#[derive(Default)]
struct Block {
    section: String,
    commands: String,
    shown: Vec<Vec<String>>,
}

/// The page's blocks, in order.
fn blocks() -> Vec<Block> {
    let (mut blocks, mut section) = (Vec::<Block>::new(), String::new());
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        } else if let Some(kind) = line.strip_prefix("```") {
            let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
            match kind {
                "sh" => {
                    blocks.push(Block { section: section.clone(), commands: inside.join("\n"), ..Block::default() })
                }
                "text" => blocks.last_mut().unwrap().shown.push(inside),
                other => panic!("a fenced block of {other:?} is neither commands nor what they print"),
            }
        }
    }
    blocks
}

/// Whether a line is what is shown.
fn is(line: &str, shown: &str) -> bool {
    let mut parts = shown.trim_end().split(ANYTHING);
    let Some(mut rest) = line.trim_end().strip_prefix(parts.next().unwrap()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether these lines begin with what is shown.
fn begin(lines: &[&str], shown: &[String]) -> bool {
    match shown.split_first() {
        None => true,
        Some((first, then)) if first == ANYTHING => (0..=lines.len()).any(|n| begin(&lines[n..], then)),
        Some((first, then)) => lines.split_first().is_some_and(|(line, rest)| is(line, first) && begin(rest, then)),
    }
}

/// The line of what is shown that is missing in what was printed, if one is.
fn lacks<'a>(printed: &str, shown: &'a [String]) -> Option<&'a str> {
    let lines: Vec<_> = printed.lines().collect();
    let holds = |shown: &[String]| (0..=lines.len()).any(|n| begin(&lines[n..], shown));
    (1..=shown.len()).find(|n| !holds(&shown[..*n])).map(|n| shown[n - 1].as_str())
}

/// A shell with all that it started, which ends with the test.
struct Shell(Child);

impl Shell {
    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < LIMIT, "the page takes more than {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
impl Drop for Shell {
    fn drop(&mut self) {
        // The exchange too, if the page did not come to the point where it is stopped.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

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

    let programs = assert_cmd::cargo::cargo_bin("communique").parent().unwrap().to_owned();
    let path = std::env::join_paths(
        [programs].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut command = Command::new("bash");
    command.arg(desk.path("page.sh")).current_dir(desk.path("here")).process_group(0);
    for name in
        ["COMMUNIQUE_PROFILE", "COLUMNS", "XDG_STATE_HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    command
        .env("PATH", path.unwrap())
        // English, as the page has it.
        .env("LC_ALL", "C")
        .env("HOME", desk.0.path())
        .env("XDG_CONFIG_HOME", desk.path("config"))
        .env("OUT", &out)
        // As the page says for machines where its ports are taken.
        .env("COMMUNIQUE__LISTEN__ADDRESS", "127.0.0.1:0")
        .env("COMMUNIQUE__HTTP__LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(fs::File::create(desk.path("bash.log")).unwrap())
        .stderr(fs::File::options().append(true).open(desk.path("bash.log")).unwrap());
    let mut shell = Shell(command.spawn().unwrap());
    let status = shell.wait();
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
    let (desk, blocks) = (Desk::new(), blocks());
    let begun = Instant::now();
    let printed = run(&desk, &blocks);
    times(&desk, &blocks);
    eprintln!("{:>6.1} s  all {} blocks of commands", begun.elapsed().as_secs_f32(), blocks.len());

    // What is shown was printed.
    for (block, printed) in blocks.iter().zip(&printed) {
        for shown in &block.shown {
            if let Some(line) = lacks(printed, shown) {
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
        let sealed = format!("sealed                boreal signed revision {revision}, in escrow");
        assert_eq!(history.matches(&sealed).count(), 1, "{history}");
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

#[test]
fn what_is_shown_is_told_from_what_is_not_printed() {
    let printed = "one\n  two 17, three\nfour\nfive\n";
    let lacks = |shown: &str| lacks(printed, &shown.lines().map(str::to_owned).collect::<Vec<_>>()).map(str::to_owned);
    for shown in ["one", "four\nfive", "  two …, three\nfour", "one\n…\nfive", "…two…three", "one\n…\nfour\n…\nfive"]
    {
        assert_eq!(lacks(shown), None, "{shown}");
    }
    for (shown, line) in
        [("on", "on"), ("one\nfour", "four"), ("five\n…\none", "one"), ("two …", "two …"), ("…x…", "…x…")]
    {
        assert_eq!(lacks(shown).as_deref(), Some(line), "{shown}");
    }
}
