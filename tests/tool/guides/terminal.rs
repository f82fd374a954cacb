//! A terminal with a shell in it, and somebody who types.

use super::COLUMNS;
use std::{
    io::{Read as _, Write as _},
    os::unix::process::CommandExt as _,
    process::{ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::world::World;
use crate::page::{self, Shell};

/// What the shell prints when it waits for the next command, around whether one has failed.
const READY: (char, char) = ('\u{1e}', '\u{1f}');
/// How long a question stands before it is answered: whoever asks has stopped the echo of what is secret by then.
const PAUSE: Duration = Duration::from_millis(250);
/// How long one block of commands may take; far more than any does.
const LIMIT: Duration = Duration::from_secs(120);

/// What this machine lacks for a terminal.
pub fn lacking() -> Option<(&'static str, &'static str)> {
    let there = |tool: &str| {
        Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    [("bash", "install Debian's package bash"), ("script", "install Debian's package bsdutils")]
        .into_iter()
        .find(|(tool, _)| !there(tool))
}

pub struct Terminal {
    shell: Shell,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    blocks: usize,
}

impl Terminal {
    pub fn start(world: &dyn World) -> Self {
        let desk = world.desk();
        let mut command = Command::new("script");
        page::environment(&mut command, desk);
        let home = world.home();
        let mut shell = command
            .args(["--quiet", "--return", "--flush", "--command", "exec bash --noprofile --norc --noediting -i"])
            .arg("/dev/null")
            .current_dir(&home)
            .process_group(0)
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("LC_ALL")
            .env_remove("LC_MESSAGES")
            .env("LANG", world.locale())
            .env("TZ", "UTC")
            // Nobody turns pages here.
            .env("COMMUNIQUE_PAGER", "")
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keyboard = shell.stdin.take().unwrap();
        let mut output = shell.stdout.take().unwrap();
        let (sender, screen) = mpsc::sync_channel(64);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut terminal = Self { shell: Shell(shell), keyboard, screen, blocks: 0 };
        // A failure anywhere in a block is seen, and not of its last command alone.
        let begin = "set -E; failed=0; trap 'failed=1' ERR; PS2=; PS1=$'\\x1e$failed\\x1f'";
        terminal.key_in(&format!("stty cols {COLUMNS}; {begin}"));
        terminal.until_ready(&[]).unwrap();
        terminal
    }

    fn key_in(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Types commands, and these answers at what they ask. What was printed, with the answers where they were typed.
    pub fn types(&mut self, world: &dyn World, commands: &str, answers: &[String]) -> Result<String, String> {
        let file = format!("block-{}.sh", self.blocks);
        self.blocks += 1;
        world.desk().write(&file, format!("{commands}\n"));
        self.key_in(&format!("failed=0; . '{}'", world.desk().path(&file).display()));
        let answers: Vec<_> = answers.iter().map(|answer| (answer.clone(), world.answer(answer))).collect();
        let printed = self.until_ready(&answers)?;
        // The line above, as the terminal echoed it.
        Ok(printed.split_once('\n').map_or("", |(_, printed)| printed).to_owned())
    }

    fn until_ready(&mut self, answers: &[(String, String)]) -> Result<String, String> {
        let (begun, mut answers) = (Instant::now(), answers.iter());
        // What was read; where what follows the last answer begins.
        let (mut printed, mut raw) = (String::new(), Vec::new());
        loop {
            match self.screen.recv_timeout(PAUSE) {
                Ok(bytes) => raw.extend(bytes),
                Err(RecvTimeoutError::Timeout) => {
                    let text = String::from_utf8_lossy(&raw).into_owned();
                    if let Some((text, failed)) = ready(&text) {
                        printed += &text;
                        return match (answers.next(), failed) {
                            (Some((shown, _)), _) => Err(format!("nobody asks for ‹{shown}›:\n{printed}")),
                            (None, true) => Err(format!("a command failed:\n{printed}")),
                            (None, false) => Ok(lines(&printed)),
                        };
                    }
                    if text.ends_with(": ") {
                        let Some((shown, answer)) = answers.next() else {
                            return Err(format!("the page does not say what is typed here:\n{printed}{text}"));
                        };
                        printed += &format!("{text}‹{shown}›\n");
                        raw.clear();
                        self.key_in(answer);
                        self.echoed(answer, &mut raw);
                    }
                    if begun.elapsed() > LIMIT {
                        return Err(format!("it takes more than {LIMIT:?}:\n{printed}{text}"));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.shell.wait(LIMIT);
                    return Err(format!("the shell has ended:\n{printed}{}", String::from_utf8_lossy(&raw)));
                }
            }
        }
    }

    /// Takes what a terminal echoes of an answer away: all of it, or the end of the line alone where it is secret.
    fn echoed(&self, answer: &str, raw: &mut Vec<u8>) {
        let begun = Instant::now();
        while !raw.contains(&b'\n') && begun.elapsed() < LIMIT {
            match self.screen.recv_timeout(PAUSE) {
                Ok(bytes) => raw.extend(bytes),
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        for echo in [format!("{answer}\r\n"), "\r\n".to_owned()] {
            if raw.starts_with(echo.as_bytes()) {
                raw.drain(..echo.len());
                return;
            }
        }
    }
}

/// What stands before the shell's mark that it waits, and whether a command has failed.
fn ready(text: &str) -> Option<(String, bool)> {
    let (printed, mark) = text.rsplit_once(READY.0)?;
    let failed = mark.strip_suffix(READY.1)?;
    Some((printed.to_owned(), failed != "0"))
}

/// The lines as they stand on the screen: without carriage returns, what they overwrote, and what moves the cursor.
fn lines(printed: &str) -> String {
    let mut lines = String::new();
    for line in printed.replace("\r\n", "\n").lines() {
        let mut plain = String::new();
        let mut rest = line.rsplit('\r').next().unwrap_or_default().chars();
        while let Some(c) = rest.next() {
            if c == '\u{1b}' {
                // CSI: up to a letter.
                let _ = rest.by_ref().find(char::is_ascii_alphabetic);
            } else {
                plain.push(c);
            }
        }
        lines += &plain;
        lines.push('\n');
    }
    lines
}
