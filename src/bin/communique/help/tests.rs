//! Help is whole in every language. `MESSAGES=write cargo test --bin communique help` brings its catalogues up to date.

#[path = "../../../language/upkeep.rs"]
mod upkeep;

use std::path::Path;

use self::upkeep::{Said, keep};
use super::*;
use crate::commands::manual;

/// Every paragraph of help and of the manual, each once, in the order in which it stands.
fn said() -> Vec<String> {
    let mut command = Args::command();
    command.build();
    let mut said: Vec<String> = AROUND.iter().chain(&manual::said()).map(|s| (*s).to_owned()).collect();
    of(&command, &mut said);
    let whole: std::collections::BTreeSet<_> = said.iter().cloned().collect();
    let mut seen = std::collections::BTreeSet::new();
    said.retain(|one| !whole.contains(&format!("{one}.")) && seen.insert(one.clone()));
    said
}
fn of(command: &Command, said: &mut Vec<String>) {
    let mut texts = vec![command.get_about(), command.get_long_about()];
    texts.extend(command.get_arguments().flat_map(|arg| [arg.get_help(), arg.get_long_help()]));
    for text in texts.into_iter().flatten() {
        said.extend(text.to_string().split(PARAGRAPH).filter(|one| !one.is_empty()).map(str::to_owned));
    }
    command.get_subcommands().for_each(|below| of(below, said));
}

#[test]
fn every_paragraph_is_translated_and_nothing_else_is() {
    let said: Vec<_> = said()
        .into_iter()
        .map(|english| Said { context: None, english, many: None, file: "communique --help".into() })
        .collect();
    keep(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/communique/help"), &said, false);
}

#[test]
fn help_is_whole_in_every_language() {
    for language in Language::ALL.into_iter().filter(|language| *language != Language::English) {
        let mut command = translated(Args::command(), language);
        whole(&mut command, language);
    }
}
/// Nothing of clap's own is left, and what is typed is there.
fn whole(command: &mut Command, language: Language) {
    let (brief, long) = (command.render_help().to_string(), command.render_long_help().to_string());
    for help in [&brief, &long] {
        for english in [USAGE, "Commands:", "Options:\n  -", "Print ", "[default", "[possible", "[env:", "(see "] {
            let kept = language == Language::French && english.starts_with("Options");
            assert!(kept || !help.contains(english), "{}: {english:?} in {help}", command.get_name());
        }
        assert!(help.contains("--profile") || command.get_name() == "help", "{help}");
    }
    command.get_subcommands_mut().filter(|below| below.get_name() != "help").for_each(|below| whole(below, language));
}
