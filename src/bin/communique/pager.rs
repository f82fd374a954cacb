//! Long outputs a screen at a time, by the pager that the person has: `$COMMUNIQUE_PAGER`, `$PAGER`, or `less`. A pager that is missing or
//! fails is no error: then everything is printed. It gets bytes that are safe to show, and nothing else.

use std::{
    io::{self, Write as _},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use communique::{domain::message::Message, msg};

use crate::{bidi, profile::variable};

/// The pager where nobody says another; it is run without a shell.
const USUAL: &str = "less";
/// Quit if it is one screen after all, pass colours on, leave on the screen what was read.
const OF_LESS: &str = "FRX";
/// How a shell says that there is no such program, or none that it may run.
const NOT_RUN: [i32; 2] = [126, 127];

/// Whether a pager has the terminal: then an interrupt is meant for it.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Whether a pager has the terminal.
pub fn is_open() -> bool {
    OPEN.load(Ordering::Relaxed)
}

/// What is typed to see it again.
const AGAIN: &str = "again";
/// What is typed, behind the party's id, by whoever has read it otherwise.
const READ: &str = "read";

/// How what is to be signed came before somebody's eyes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// On the screen, as it is.
    AtOnce,
    /// By a pager, which does not tell how far somebody read. So a number stands at the end, for whoever has come there.
    Paged { number: String, page: Vec<u8> },
}

/// What somebody typed to the question whether it is to be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Yes,
    Again,
    /// The party's id alone: it does not say that the end was reached.
    Unread,
    No,
}

impl Seen {
    /// What must be typed is told before the question.
    pub fn hint(&self, party: &str) -> Option<Message> {
        match self {
            Self::AtOnce => None,
            Self::Paged { .. } => Some(msg!(
                "Type {party} and the number at the end of what was shown, `{again}` to see it again, or `{party} {read}` if you have read it otherwise.",
                party,
                again = AGAIN,
                read = READ,
            )),
        }
    }
    /// What an answer means.
    pub fn judge(&self, answer: &str, party: &str) -> Answer {
        let answer: Vec<_> = answer.split_whitespace().collect();
        match (self, answer.as_slice()) {
            (Self::AtOnce, [id]) if *id == party => Answer::Yes,
            (Self::Paged { number, .. }, [id, said]) if *id == party && (said == number || *said == READ) => {
                Answer::Yes
            }
            (Self::Paged { .. }, [said]) if *said == AGAIN => Answer::Again,
            (Self::Paged { .. }, [id]) if *id == party => Answer::Unread,
            _ => Answer::No,
        }
    }
}

/// A pager, and the screen that it is for.
#[derive(Clone, Debug)]
pub struct Pager {
    /// What somebody asked for; else the usual one.
    asked: Option<String>,
    rows: usize,
    columns: usize,
}

impl Pager {
    /// The pager for this terminal; none where there is no terminal that could show one, or where none is wanted.
    pub fn of_terminal() -> Option<Self> {
        if variable("TERM").is_none_or(|term| term == "dumb") {
            return None;
        }
        let (columns, rows) = terminal_size::terminal_size()?;
        let (rows, columns) = (usize::from(rows.0), usize::from(columns.0));
        #[expect(clippy::disallowed_methods, reason = "a binary reads the environment")]
        let asked = ["COMMUNIQUE_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
        let unwanted = asked.as_deref().is_some_and(|asked| ["", "cat"].contains(&asked.trim()));
        (rows > 0 && columns > 0 && !unwanted).then_some(Self { asked, rows, columns })
    }
    /// Whether so much is more than the screen holds, with a line for what comes after.
    pub fn is_wanted(&self, page: &[u8]) -> bool {
        let page = String::from_utf8_lossy(page);
        let rows = |line: &str| bidi::columns(line).div_ceil(self.columns).max(1);
        page.lines().map(rows).sum::<usize>() >= self.rows
    }
    /// Shows it, and waits until the pager is closed. `false` if there was none to show it.
    pub fn show(&self, page: &[u8]) -> bool {
        OPEN.store(true, Ordering::Relaxed);
        let shown = self.run(page);
        OPEN.store(false, Ordering::Relaxed);
        shown.unwrap_or(false)
    }
    fn run(&self, page: &[u8]) -> io::Result<bool> {
        let mut command = match &self.asked {
            // With arguments and all, as other tools run it.
            Some(asked) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", asked]);
                shell
            }
            None => Command::new(USUAL),
        };
        if variable("LESS").is_none() {
            command.env("LESS", OF_LESS);
        }
        // No commands, files or editors from within it; what is shown is not for others to work on.
        command.env("LESSSECURE", "1").env("LESSCHARSET", "utf-8").env_remove("LESSOPEN").env_remove("LESSCLOSE");
        if variable("LV").is_none() {
            command.env("LV", "-c");
        }
        // Pagers pass on colours alone. What rows say to the terminal about their order is said once, for all that the pager prints.
        let told = String::from_utf8_lossy(page);
        let plain = told.replace(bidi::EXPLICIT, "").replace(bidi::IMPLICIT, "");
        let explicit = plain.len() < told.len();
        if explicit {
            say(bidi::EXPLICIT);
        }
        let child = command.stdin(Stdio::piped()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(e) => {
                if explicit {
                    say(bidi::IMPLICIT);
                }
                return Err(e);
            }
        };
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever quits before the end has read enough.
            let _ = stdin.write_all(plain.as_bytes());
        }
        let status = child.wait();
        if explicit {
            say(bidi::IMPLICIT);
        }
        let status = status?;
        Ok(status.code().is_none_or(|code| !NOT_RUN.contains(&code)))
    }
}

/// Says something to the terminal.
fn say(mode: &str) {
    let mut stdout = io::stdout();
    // Whoever cannot hear it has nothing to show either.
    let _ = stdout.write_all(mode.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_is_for_more_than_a_screen() {
        let pager = Pager { asked: None, rows: 4, columns: 10 };
        for (page, wanted) in
            [("a\nb\nc\n", false), ("a\nb\nc\nd\n", true), ("a\nbbbbbbbbbbbb\nc\n", true), ("", false)]
        {
            assert_eq!(pager.is_wanted(page.as_bytes()), wanted, "{page:?}");
        }
    }

    #[test]
    fn who_has_not_come_to_the_end_has_not_said_yes() {
        let paged = Seen::Paged { number: "4821".into(), page: Vec::new() };
        for (seen, typed, answer) in [
            (&Seen::AtOnce, "north", Answer::Yes),
            (&Seen::AtOnce, " north\n", Answer::Yes),
            (&Seen::AtOnce, "north 4821", Answer::No),
            (&Seen::AtOnce, "again", Answer::No),
            (&paged, "north", Answer::Unread),
            (&paged, "north 4821", Answer::Yes),
            (&paged, "north 4822", Answer::No),
            (&paged, "south 4821", Answer::No),
            (&paged, "north read", Answer::Yes),
            (&paged, "again", Answer::Again),
            (&paged, "", Answer::No),
        ] {
            assert_eq!(seen.judge(typed, "north"), answer, "{typed}");
        }
    }

    #[test]
    fn a_pager_that_is_missing_shows_nothing() {
        for (asked, shown) in [("no-such-pager-here -x", false), ("true", true), ("false", true)] {
            let pager = Pager { asked: Some(asked.into()), rows: 4, columns: 10 };
            assert_eq!(pager.show("a\n".repeat(100_000).as_bytes()), shown, "{asked}");
            assert!(!is_open());
        }
    }
}
