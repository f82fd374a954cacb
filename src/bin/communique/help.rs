//! Help in the language of this run. Its English stands in the arguments, as comments; catalogues of its own have it in other languages, a
//! paragraph at a time, and what clap and the manual say around it.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use clap::{Arg, Command, CommandFactory as _};
use communique::language::{Catalogue, Language};

use crate::{args::Args, speech};

/// What parts the paragraphs of a text.
const PARAGRAPH: &str = "\n\n";
/// The form of clap's help, with the heading of its usage in words of ours.
const TEMPLATE: (&str, &str) = ("{before-help}{about-with-newline}\n", "\n\n{all-args}{after-help}");
const OF_USAGE: &str = "{usage}";

/// The heading of a command's usage.
pub const USAGE: &str = "Usage:";
const COMMANDS: &str = "Commands";
const ARGUMENTS: &str = "Arguments";
const OPTIONS: &str = "Options";
const DEFAULT: &str = "default: {value}";
const POSSIBLE: &str = "possible values: {value}";
const VARIABLE: &str = "environment: {value}";
/// What is said around the texts of arguments.
#[cfg(test)]
const AROUND: [&str; 7] = [USAGE, COMMANDS, ARGUMENTS, OPTIONS, DEFAULT, POSSIBLE, VARIABLE];

static ARABIC: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("help/ar.po")));
static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("help/fr.po")));
static RUSSIAN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("help/ru.po")));

/// The command line with its help in the language of this run.
pub fn command() -> Command {
    translated(Args::command(), speech::language())
}

/// The same command line, with its help in this language.
pub fn translated(mut command: Command, language: Language) -> Command {
    if language == Language::English {
        return command;
    }
    // Not before all is there that clap adds.
    command.build();
    told(command, language)
}

fn told(command: Command, language: Language) -> Command {
    let say = |text: Option<String>| text.map(|text| paragraphs(language, &text));
    let about = say(command.get_about().map(ToString::to_string));
    let long = say(command.get_long_about().map(ToString::to_string));
    let usage = words(language, USAGE);
    let mut command = command
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading(heading(language, COMMANDS))
        .help_template(format!("{}{usage} {}{}", TEMPLATE.0, language.apart(OF_USAGE), TEMPLATE.1))
        // Of two directions, each has its own lines.
        .next_line_help(language.is_right_to_left())
        .mut_args(|arg| argument(arg, language))
        .mut_subcommands(|below| told(below, language));
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(long) = long {
        command = command.long_about(long);
    }
    command
}

fn argument(arg: Arg, language: Language) -> Arg {
    let mut beside = Vec::new();
    let mut tell = |what: &str, value: String| beside.push(format!("[{}]", with(language, what, &value)));
    if let Some(name) = arg.get_env() {
        tell(VARIABLE, name.to_string_lossy().into_owned());
    }
    if arg.get_action().takes_values() {
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() {
            tell(DEFAULT, defaults.join(" "));
        }
        let possible: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !possible.is_empty() {
            tell(POSSIBLE, possible.join(", "));
        }
    }
    let heading = heading(language, if arg.is_positional() { ARGUMENTS } else { OPTIONS });
    let help = arg.get_help().map(|help| paragraphs(language, &help.to_string())).unwrap_or_default();
    let long = arg.get_long_help().map(|help| paragraphs(language, &help.to_string()));
    let short = std::iter::once(help).chain(beside.iter().cloned()).collect::<Vec<_>>().join(" ");
    let arg = arg.help(short).help_heading(heading).hide_env(true).hide_default_value(true).hide_possible_values(true);
    match long {
        Some(long) => arg.long_help(std::iter::once(long).chain(beside).collect::<Vec<_>>().join(PARAGRAPH)),
        None => arg,
    }
}

/// A text, paragraph by paragraph.
fn paragraphs(language: Language, text: &str) -> String {
    text.split(PARAGRAPH).map(|one| words(language, one)).collect::<Vec<_>>().join(PARAGRAPH)
}

/// What the catalogue says for these words; themselves, if it lacks them.
pub fn words(language: Language, english: &str) -> String {
    let said = |english: &str| catalogue(language)?.form(None, english, None).map(|form| language.set_off(form));
    said(english)
        // What is brief ends without the full stop that it has in full.
        .or_else(|| Some(said(&format!("{english}."))?.trim_end_matches('.').to_owned()))
        .unwrap_or_else(|| english.to_owned())
}

fn heading(language: Language, english: &'static str) -> &'static str {
    catalogue(language).and_then(|catalogue| catalogue.form(None, english, None)).unwrap_or(english)
}

fn catalogue(language: Language) -> Option<&'static Catalogue> {
    match language {
        Language::Arabic => Some(&ARABIC),
        Language::English => None,
        Language::French => Some(&FRENCH),
        Language::Russian => Some(&RUSSIAN),
    }
}

/// What is said of a value.
fn with(language: Language, english: &str, value: &str) -> String {
    words(language, english).replace("{value}", value)
}
