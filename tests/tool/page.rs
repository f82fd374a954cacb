//! A page of the documentation whose commands a test types: its blocks of commands, what it shows of what they print, and a shell to
//! type them in.

use std::{
    ops::Range,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::desk::Desk;

/// What stands for anything in what a page shows: a part of a line, or, alone in its line, any lines.
pub const ANYTHING: &str = "…";

/// What the page shows of what was printed.
pub struct Shown {
    pub lines: Vec<String>,
    /// Which lines of the page these are, from 0.
    pub at: Range<usize>,
}

/// Commands that stand together, and what the page shows of what they print.
#[derive(Default)]
pub struct Block {
    pub section: String,
    /// The name in the comment `<!-- NAME -->` before the commands, if there is one.
    pub mark: Option<String>,
    pub commands: String,
    pub shown: Vec<Shown>,
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut section, mut mark) = (Vec::<Block>::new(), String::new(), None);
    let mut lines = page.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        } else if let Some(name) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            mark = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let inside: Vec<_> = inside.map(str::to_owned).collect();
            match kind {
                "sh" => blocks.push(Block {
                    section: section.clone(),
                    mark: mark.take(),
                    commands: inside.join("\n"),
                    shown: Vec::new(),
                }),
                "text" => {
                    let at = n + 1..n + 1 + inside.len();
                    blocks.last_mut().unwrap().shown.push(Shown { lines: inside, at });
                }
                other => panic!("a fenced block of {other:?} is neither commands nor what they print"),
            }
        }
    }
    blocks
}

/// Whether a line is what is shown.
pub fn is(line: &str, shown: &str) -> bool {
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
pub fn lacks<'a>(printed: &str, shown: &'a [String]) -> Option<&'a str> {
    let lines: Vec<_> = printed.lines().collect();
    let holds = |shown: &[String]| (0..=lines.len()).any(|n| begin(&lines[n..], shown));
    (1..=shown.len()).find(|n| !holds(&shown[..*n])).map(|n| shown[n - 1].as_str())
}

/// A shell with all that it started, which ends with the test.
pub struct Shell(pub Child);

impl Shell {
    /// Waits until it has ended.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < limit, "the page takes more than {limit:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
impl Drop for Shell {
    fn drop(&mut self) {
        // What it left running too.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// What a page's commands find: both programs on the path, a home of their own, and nothing of whoever runs the test.
pub fn environment(command: &mut Command, desk: &Desk) {
    let programs = assert_cmd::cargo::cargo_bin("communique").parent().unwrap().to_owned();
    let path = std::env::join_paths(
        [programs].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    for name in [
        "COMMUNIQUE_PROFILE",
        "COLUMNS",
        "XDG_STATE_HOME",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "COMMUNIQUE_PKCS11_MODULE",
        "SSH_AUTH_SOCK",
    ] {
        command.env_remove(name);
    }
    command
        .env("PATH", path.unwrap())
        .env("HOME", desk.0.path())
        .env("XDG_CONFIG_HOME", desk.path("config"))
        // As the pages say for machines where the ports are taken.
        .env("COMMUNIQUE__LISTEN__ADDRESS", "127.0.0.1:0")
        .env("COMMUNIQUE__HTTP__LISTEN", "127.0.0.1:0");
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
