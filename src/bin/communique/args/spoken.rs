//! `--lang`: an option of every command but those that take the language of a text by that name. These have it before them.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use communique::language::Language;

/// The option's name.
pub const OPTION: &str = "lang";
/// Options before a command that have a value.
const VALUED: [&str; 3] = ["--profile", "--lang", "--bidi"];
/// Commands below which the option is the language of a text.
const OF_TEXTS: [&[&str]; 2] = [&["text"], &["remark", "add"]];

/// The option. Its value is taken before the arguments are read in earnest (`speech`); here it is only demanded that there is such a
/// language.
pub struct Spoken;

impl Args for Spoken {
    fn augment_args(command: Command) -> Command {
        everywhere(command)
    }
    fn augment_args_for_update(command: Command) -> Command {
        everywhere(command)
    }
}
impl FromArgMatches for Spoken {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, Error> {
        Ok(Self)
    }
    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

fn everywhere(command: Command) -> Command {
    let command = command.mut_subcommands(everywhere);
    let taken =
        |below: &Command| below.get_arguments().any(|arg| arg.get_long() == Some(OPTION) && arg.get_id() != "spoken");
    let ambiguous = command.get_name() != "communique" && (taken(&command) || command.get_subcommands().any(taken));
    if ambiguous { command } else { command.arg(option()) }
}

fn option() -> Arg {
    Arg::new("spoken")
        .long(OPTION)
        .value_name("LANG")
        .value_parser(language)
        .help("Speak this language: ar, en, fr or ru. Otherwise as the profile says, or the locale")
}

fn language(tag: &str) -> Result<Language, String> {
    Language::of_tag(tag).ok_or_else(|| crate::speech::say(&communique::msg!("write `ar`, `en`, `fr` or `ru`")))
}

/// The arguments in which it is this option: all, or those before a command that has the language of a text.
pub fn place(arguments: &[String]) -> &[String] {
    let mut at = 0;
    while let Some(argument) = arguments.get(at).filter(|argument| argument.starts_with('-')) {
        at += if VALUED.contains(&argument.as_str()) { 2 } else { 1 };
    }
    let (before, command) = arguments.split_at(at.min(arguments.len()));
    let of_texts =
        |names: &&[&str]| command.len() >= names.len() && command.iter().zip(*names).all(|(said, name)| said == name);
    if OF_TEXTS.iter().any(of_texts) { before } else { arguments }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_a_text_is_not_the_one_that_is_spoken() {
        for (line, expected) in [
            ("verify a.zip --lang fr", 4),
            ("--lang fr verify a.zip", 4),
            ("text check a.txt --lang fr", 0),
            ("--lang=fr text check a.txt --lang ar", 1),
            ("--profile text --lang fr text check a.txt --lang ar", 4),
            ("--json --lang fr remark add ID --lang ar", 3),
            ("remark list ID --lang ar", 5),
            ("text", 0),
            ("--lang", 1),
        ] {
            let arguments: Vec<_> = line.split(' ').map(String::from).collect();
            assert_eq!(place(&arguments).len(), expected, "{line}");
        }
    }
}
