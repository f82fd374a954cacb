//! The arguments of acts.

use std::path::PathBuf;

use clap::Args as Group;
use communique::{
    domain::{
        id::{CommuniqueId, Digest, Lang},
        words::Line,
    },
    msg,
};

use super::{Consent, Fault};
use crate::speech;

#[derive(Group)]
pub struct Act {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// Where it is done, in one line.
    #[arg(long, value_parser = |s: &str| Line::new(s))]
    pub place: Option<Line>,
    #[command(flatten)]
    pub consent: Consent,
}

/// Reasons for an act that has them.
#[derive(Group)]
pub struct Reasoned {
    #[command(flatten)]
    pub act: Act,
    /// Why, for every party to read.
    #[arg(long, value_name = "TEXT", required_unless_present = "reason_file", conflicts_with = "reason_file")]
    pub reason: Option<String>,
    /// A file that says why.
    #[arg(long, value_name = "FILE")]
    pub reason_file: Option<PathBuf>,
}

#[derive(Group)]
pub struct Withdraw {
    #[command(flatten)]
    pub act: Act,
    /// Why, for every party to read, if your party says.
    #[arg(long, value_name = "TEXT", conflicts_with = "reason_file")]
    pub reason: Option<String>,
    /// A file that says why.
    #[arg(long, value_name = "FILE")]
    pub reason_file: Option<PathBuf>,
}

#[derive(Group)]
pub struct Declare {
    #[command(flatten)]
    pub act: Act,
    /// A file with the declaration in a language, as in fr=declaration.txt; once per language.
    #[arg(long, value_name = "LANG=FILE", value_parser = file, required_unless_present = "words", num_args = 1..)]
    pub text: Vec<(Lang, PathBuf)>,
    /// The declaration itself in a language, as in `fr=La partie entend …`; once per language.
    #[arg(long, value_name = "LANG=WORDS", value_parser = words)]
    pub words: Vec<(Lang, String)>,
}

#[derive(Group)]
pub struct Sign {
    #[command(flatten)]
    pub act: Act,
    /// Sign ad referendum: it counts once your party has confirmed it (`communique confirm`).
    #[arg(long)]
    pub ad_referendum: bool,
    /// Give the signature with a declaration that your party made: its digest, or `last`.
    #[arg(long, value_name = "DIGEST|last", value_parser = which)]
    pub declaration: Option<Which>,
}

#[derive(Group)]
pub struct Confirm {
    #[command(flatten)]
    pub act: Act,
    /// The digest of the signature ad referendum; where there is one alone, it is found.
    pub signature: Option<Digest>,
}

/// Which declaration a signature is given with.
#[derive(Clone, Copy)]
pub enum Which {
    /// The newest of the party.
    Last,
    /// The one of this digest.
    Of(Digest),
}

fn which(s: &str) -> Result<Which, Fault> {
    if s == "last" {
        return Ok(Which::Last);
    }
    Digest::parse(s)
        .map(Which::Of)
        .map_err(|_| speech::say(&msg!("write `last`, or the 64 hex digits of a declaration's digest")))
}

fn by_language(s: &str, example: &str) -> Result<(Lang, String), Fault> {
    let (lang, rest) = s.split_once('=').ok_or_else(|| speech::say(&msg!("write it as in `{example}`", example)))?;
    Ok((lang.parse::<Lang>().map_err(|e| speech::say(&e))?, rest.to_owned()))
}

fn file(s: &str) -> Result<(Lang, PathBuf), Fault> {
    by_language(s, "fr=declaration.txt").map(|(lang, path)| (lang, path.into()))
}

fn words(s: &str) -> Result<(Lang, String), Fault> {
    by_language(s, "fr=La partie entend …")
}
