//! What is answered to arguments that are no command: help, the version, or what is wrong with them, in words of ours, since
//! clap's are English.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use communique::{
    domain::{
        message::{Fact, Message, Tell as _},
        refusal::Refusal,
    },
    msg,
};

use crate::{
    errors, help,
    render::{Out, quoted},
    speech,
};

/// What clap's own words about an error begin with.
const ERROR: &str = "error: ";

/// Tells what clap answers instead of a command.
pub fn answer(answer: &clap::Error) -> ExitCode {
    let helps = matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    let code = if answer.use_stderr() { ExitCode::from(errors::USAGE) } else { ExitCode::SUCCESS };
    if answer.kind() == ErrorKind::DisplayVersion || (helps && !speech::language().is_right_to_left()) {
        // Whether anybody still reads it changes nothing.
        let _ = answer.print();
        return code;
    }
    let mut out = if answer.use_stderr() { Out::stderr(false) } else { Out::stdout(false) };
    if helps {
        answer.render().to_string().lines().for_each(|line| out.help(line));
    } else {
        tell(answer, &mut out);
    }
    // Whether anybody still reads it changes nothing.
    let _ = out.end();
    code
}

/// Says what is wrong, and where help is.
fn tell(answer: &clap::Error, out: &mut Out) {
    out.shown(&format!("communique: {}", speech::shown(&sentence(answer))));
    if let Some(suggested) = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| strings(answer, kind).into_iter().next())
    {
        out.line(&msg!("Did you mean `{suggested}`?", suggested));
    }
    if let Some(ContextValue::StyledStr(usage)) = answer.get(ContextKind::Usage) {
        let usage = usage.to_string();
        let usage = usage.trim_start_matches(help::USAGE).split_whitespace().collect::<Vec<_>>().join(" ");
        out.shown(&format!("{} {usage}", help::words(speech::language(), help::USAGE)));
    }
    out.line(&msg!("`communique --help` and `communique COMMAND --help` say what there is."));
}

/// What is wrong.
fn sentence(answer: &clap::Error) -> Message {
    let one = |kind| strings(answer, kind).into_iter().next();
    // An argument may be the name of a file that others chose.
    let value = one(ContextKind::InvalidValue).map(|value| quoted(&value));
    let argument = one(ContextKind::InvalidArg);
    match (answer.kind(), argument, value) {
        (ErrorKind::UnknownArgument, Some(argument), _) => {
            msg!("there is no argument {argument} here", argument = quoted(&argument))
        }
        (ErrorKind::InvalidSubcommand, ..) => {
            let command = one(ContextKind::InvalidSubcommand).unwrap_or_default();
            msg!("there is no command {command}", command = quoted(&command))
        }
        (ErrorKind::MissingSubcommand, ..) => {
            let command = one(ContextKind::InvalidSubcommand).unwrap_or_default();
            let commands = strings(answer, ContextKind::ValidSubcommand).join(", ");
            msg!("`{command}` needs one of its commands: {commands}", command, commands)
        }
        (ErrorKind::MissingRequiredArgument, Some(_), _) => {
            let arguments = strings(answer, ContextKind::InvalidArg).join(", ");
            msg!("what is missing: {arguments}", arguments)
        }
        (ErrorKind::ArgumentConflict, Some(argument), _) => {
            let others = strings(answer, ContextKind::PriorArg);
            if others.is_empty() || others == [argument.clone()] {
                return msg!("`{argument}` is given more than once; give it once", argument);
            }
            msg!("`{argument}` does not go together with {others}", argument, others = others.join(", "))
        }
        (ErrorKind::InvalidValue, Some(argument), value) => {
            let possible = strings(answer, ContextKind::ValidValue).join(", ");
            match value.filter(|value| *value != quoted("")) {
                Some(value) if !possible.is_empty() => {
                    msg!("{value} is nothing that `{argument}` takes; it takes: {possible}", value, argument, possible)
                }
                Some(value) => msg!("{value} is nothing that `{argument}` takes", value, argument),
                None if !possible.is_empty() => {
                    msg!("`{argument}` needs a value; it takes: {possible}", argument, possible)
                }
                None => msg!("`{argument}` needs a value", argument),
            }
        }
        (ErrorKind::ValueValidation, Some(argument), Some(value)) => match reason(answer) {
            Some(reason) => msg!("{value} is nothing that `{argument}` takes: {reason}", value, argument, reason),
            None => msg!("{value} is nothing that `{argument}` takes", value, argument),
        },
        (ErrorKind::TooManyValues, Some(argument), Some(value)) => {
            msg!("`{argument}` takes no more values; {value} is one too many", argument, value)
        }
        (ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues, Some(argument), _) => {
            msg!("`{argument}` needs more or fewer values than it was given", argument)
        }
        (ErrorKind::InvalidUtf8, ..) => msg!("an argument is not UTF-8"),
        // What our own readers of arguments say in full.
        _ => {
            let told = answer.render().to_string();
            Message::words(told.trim_start_matches(ERROR).lines().next().unwrap_or_default())
        }
    }
}

/// Why a value is refused.
fn reason(answer: &clap::Error) -> Option<Fact> {
    let source = std::error::Error::source(answer)?;
    Some(match source.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.tell(),
        None => source.to_string().tell(),
    })
}

/// What clap tells about an error.
fn strings(answer: &clap::Error, kind: ContextKind) -> Vec<String> {
    match answer.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(several)) => several.clone(),
        _ => Vec::new(),
    }
}
