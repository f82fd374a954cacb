//! `man` and `completions`: what a system shows of this tool.

use std::{fs, io, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;
use communique::language::Language;
use serde_json::json;

use super::Context;
use crate::{
    args::Args,
    errors::{CONTRADICTED, Failure, INTERRUPTED, REFUSED, UNKNOWN, UNREACHABLE, USAGE},
    help,
    manual::{self, Section},
    render, speech,
};

/// What ends a command, by its code.
const EXIT: [(u8, &str); 7] = [
    (0, "Done."),
    (REFUSED, "Refused or failed. The sentence on standard error says what to do next."),
    (USAGE, "Wrong arguments, or a profile that cannot be used."),
    (UNREACHABLE, "The exchange cannot be reached; nothing was sent."),
    (
        UNKNOWN,
        "Whether it was stored is not known, or its receipt could not be kept. Repeat the command: that is safe.",
    ),
    (
        CONTRADICTED,
        "The exchange contradicts what it signed before, or cannot prove what it says. Keep the file that the sentence names, and tell the other parties.",
    ),
    (INTERRUPTED, "Interrupted."),
];
/// Of `verify`; of several packages, 1 counts before 2, 2 before 3, 3 before 0.
const OF_VERIFY: [(u8, &str); 4] = [
    (0, "Every package is proven against the pin."),
    (1, "Something fails; also if it is no package."),
    (2, "Something cannot be read, or is of a suite, format or rules that this version does not know."),
    (3, "Consistent, but no pin was given."),
];
/// Of `audit`.
const OF_AUDIT: [(u8, &str); 2] = [(0, "No lie was found."), (1, "A lie was found, or the audit was refused.")];
/// Of `audit verify`.
const OF_EVIDENCE: [(u8, &str); 4] = [
    (0, "A lie is proven against the pin."),
    (1, "The file proves nothing."),
    (2, "The file cannot be read."),
    (3, "A lie is proven without a pin, or the exchange must answer for it."),
];

const ENVIRONMENT: [(&str, &str); 14] = [
    ("COMMUNIQUE_PROFILE", "The profile, where --profile does not name one."),
    ("COMMUNIQUE_BIDI", "Who lays out words that run from right to left, where --bidi does not say."),
    (
        "COMMUNIQUE_PAGER, PAGER",
        "The pager for what is longer than the screen, run by a shell; less, if neither is set. If it is empty or cat, there is none.",
    ),
    ("LC_ALL, LC_MESSAGES, LANG", "The language, where neither --lang nor the profile says it."),
    (
        "TERM, TERM_PROGRAM, KONSOLE_VERSION",
        "What the terminal can do. On a dumb one, nothing is coloured, paged or laid out.",
    ),
    ("COMMUNIQUE_PKCS11_MODULE", "The library that talks to tokens, where a key's name does not give one."),
    ("SSH_AUTH_SOCK", "The ssh-agent whose keys ssh-agent:… names."),
    ("HTTPS_PROXY, https_proxy", "An HTTP proxy through which every address is reached."),
    ("NO_PROXY, no_proxy", "Hosts, between commas, that are reached without it."),
    ("XDG_CONFIG_HOME", "Where profiles are; ~/.config if it is not set."),
    ("XDG_STATE_HOME", "Where receipts and resume points are kept; ~/.local/state if it is not set."),
    ("NO_COLOR", "If it is set and not empty, nothing is coloured."),
    ("COLUMNS", "How wide lines may be, where the output is no terminal."),
    ("COMMUNIQUE_INDEX", "Set for what watch --exec runs: the event's index in the log."),
];

const FILES: [(&str, &str); 6] = [
    ("$XDG_CONFIG_HOME/communique/NAME.toml", "The profile NAME: which exchange, and as whom."),
    ("$XDG_STATE_HOME/communique/NAME.receipts/", "What the exchange has signed: back it up."),
    ("$XDG_STATE_HOME/communique/unanswered/", "Acts that were signed and have no answer yet."),
    ("$XDG_STATE_HOME/communique/NAME.watch", "Where watch goes on."),
    ("$XDG_STATE_HOME/communique/keys/", "What keys on tokens and in agents have adopted and cosigned."),
    (
        "KEY.jwk, KEY.adoptions, KEY.head",
        "Beside a key file: its public half, what it adopted, the last head that it cosigned.",
    ),
];

/// What the pages say beside the arguments.
fn beside(page: &str) -> Vec<Section> {
    let codes = |codes: &[(u8, &'static str)]| codes.iter().map(|(code, what)| (code.to_string(), *what)).collect();
    let names = |names: &[(&str, &'static str)]| names.iter().map(|(name, what)| ((*name).to_owned(), *what)).collect();
    match page {
        "communique" => {
            vec![("EXIT STATUS", codes(&EXIT)), ("ENVIRONMENT", names(&ENVIRONMENT)), ("FILES", names(&FILES))]
        }
        "communique-verify" => vec![("EXIT STATUS", codes(&OF_VERIFY))],
        "communique-audit" => vec![("EXIT STATUS", codes(&OF_AUDIT))],
        "communique-audit-verify" => vec![("EXIT STATUS", codes(&OF_EVIDENCE))],
        _ => Vec::new(),
    }
}

/// What the pages say beside the arguments, in English.
#[cfg(test)]
pub fn said() -> Vec<&'static str> {
    let mut said = manual::HEADINGS.to_vec();
    for page in ["communique", "communique-verify", "communique-audit", "communique-audit-verify"] {
        for (heading, rows) in beside(page) {
            said.push(heading);
            said.extend(rows.into_iter().map(|(_, words)| words));
        }
    }
    said
}

/// The pages in a language.
fn pages(language: Language) -> io::Result<Vec<(String, Vec<u8>)>> {
    // The exit codes have a section of their own.
    let command = help::translated(Args::command().long_about(None::<&str>), language);
    manual::pages(command, "1", &beside, &|words| help::words(language, words))
}

/// Writes the pages into a directory, over those of an earlier version; in another language than English below it, as `man` looks for them.
///
/// # Errors
/// A directory or file that cannot be written.
pub fn man(ctx: &mut Context, out: &Path) -> Result<(), Failure> {
    let language = speech::language();
    let pages = pages(language).map_err(|e| Failure::file(out, &e))?;
    let out = &match language {
        Language::English => out.to_owned(),
        other => out.join(other.tag()).join("man1"),
    };
    fs::create_dir_all(out).map_err(|e| Failure::file(out, &e))?;
    for (name, page) in &pages {
        let path = out.join(name);
        fs::write(&path, page).map_err(|e| Failure::file(&path, &e))?;
    }
    if ctx.json {
        let pages: Vec<_> = pages.iter().map(|(name, _)| out.join(name)).collect();
        ctx.out.json(&json!({ "pages": pages }));
    } else {
        ctx.out.line(&format!("{} man pages are in {}", pages.len(), render::path(out)));
    }
    Ok(())
}

/// Prints what a shell is to run.
pub fn completions(ctx: &mut Context, shell: Shell) {
    ctx.out.raw(&manual::completion(help::command(), shell));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_manual_name_the_same_exit_codes() {
        let help = Args::command().render_long_help().to_string();
        let (_, told) = help.split_once("Exit codes:").unwrap();
        let told = told.split("\n\n").next().unwrap().replace('\n', " ");
        let (general, of_verify) = told.split_once("of `verify`:").unwrap();
        for (said, table) in [(general, &EXIT[..]), (of_verify, &OF_VERIFY[..])] {
            let said: Vec<_> =
                said.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u8>().ok()).collect();
            assert_eq!(said, table.iter().map(|(code, _)| *code).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_manual_has_a_page_for_every_command() {
        fn count(command: &clap::Command) -> usize {
            1 + command.get_subcommands().map(count).sum::<usize>()
        }
        let pages = pages(Language::English).unwrap();
        assert_eq!(pages.len(), count(&Args::command()));
        for (name, page) in &pages {
            let page = String::from_utf8(page.clone()).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{name}");
            let top = name == "communique.1";
            assert_eq!(
                top,
                page.contains(".SH \"EXIT STATUS\"") && page.contains("COMMUNIQUE\\_PROFILE"),
                "{name}\n{page}"
            );
        }
    }
}
