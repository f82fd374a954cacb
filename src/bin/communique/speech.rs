//! The language that this run of the tool speaks: said by `--lang`, by the profile, or by the locale; chosen before anything else is
//! read, so that help and wrong arguments speak it too.

use std::sync::OnceLock;

use communique::{
    domain::message::{Message, Tell},
    language::Language,
};

use crate::{args::spoken, profile};

/// Set once, when the process begins: everything that it says is for the one person who started it.
static SPOKEN: OnceLock<Language> = OnceLock::new();

/// Whether a program reads the output.
static FOR_PROGRAMS: OnceLock<bool> = OnceLock::new();

/// The locale's variables, in the order in which they count (POSIX, chapter 8.2).
const LOCALE: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];
/// Arguments that are looked at here, before they are read in earnest.
const ARGUMENTS_LIMIT: usize = 4096;

/// The language of this run.
pub fn language() -> Language {
    SPOKEN.get().copied().unwrap_or_default()
}

/// The language that the exchange is asked to speak: English where a program hears it.
pub fn asked() -> Language {
    if FOR_PROGRAMS.get().copied().unwrap_or_default() { Language::English } else { language() }
}

/// A message in the language of this run.
pub fn say(message: &(impl Tell + ?Sized)) -> String {
    language().say(&message.message())
}

/// A message in the language of this run, with what others wrote in it made fit for a terminal.
pub fn shown(message: &Message) -> String {
    language().say_with(message, communique::domain::text::escape_line)
}

/// Chooses the language, from the arguments, the profile that they name, and the environment.
#[expect(clippy::disallowed_methods, reason = "a binary reads its arguments and its environment")]
pub fn choose() {
    let arguments: Vec<_> = std::env::args_os()
        .skip(1)
        .take(ARGUMENTS_LIMIT)
        .take_while(|arg| arg != "--")
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let profile = value(&arguments, "--profile").or_else(|| variable("COMMUNIQUE_PROFILE"));
    let chosen = value(spoken::place(&arguments), "--lang")
        .and_then(|tag| Language::of_tag(&tag))
        .or_else(|| profile::language(profile.as_deref().unwrap_or("default")))
        .or_else(|| LOCALE.iter().find_map(|name| variable(name)).and_then(|locale| Language::of_tag(&locale)));
    // Nothing else sets them.
    let _ = FOR_PROGRAMS.set(arguments.iter().any(|argument| argument == "--json"));
    let _ = SPOKEN.set(chosen.unwrap_or_default());
}

/// The value of an option, in either way of writing it.
fn value(arguments: &[String], option: &str) -> Option<String> {
    let at = arguments
        .iter()
        .position(|arg| arg.strip_prefix(option).is_some_and(|v| v.is_empty() || v.starts_with('=')))?;
    match arguments.get(at)?.strip_prefix(option)?.strip_prefix('=') {
        Some(value) => Some(value.to_owned()),
        None => arguments.get(at + 1).cloned(),
    }
}
