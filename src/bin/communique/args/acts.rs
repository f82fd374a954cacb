//! The arguments of acts.

use std::path::PathBuf;

use clap::{
    Args as Group, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use communique::{
    client::keys::KeyRef,
    domain::{
        act::ActKind,
        id::{CommuniqueId, Digest, Lang},
        words::Line,
    },
    msg,
};

use super::{Consent, Fault, KeyName};
use crate::speech;

#[derive(Group)]
pub struct Act {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// Where it is done, in one line.
    #[arg(long, value_parser = |s: &str| Line::new(s))]
    pub place: Option<Line>,
    /// Save the annexes in this folder, to be opened before anything is signed.
    #[arg(long, value_name = "FOLDER")]
    pub annexes: Option<PathBuf>,
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

/// Acts away from the network.
#[derive(Subcommand)]
pub enum Away {
    /// Put all that must be seen before an act in one file, for a machine without network.
    Request(Box<Request>),
    /// Read, show and sign a request, without network; the answer is a file.
    Sign(SignRequest),
    /// Hand in an answer. Safe to repeat.
    Submit {
        /// The answer that `act sign` wrote.
        file: PathBuf,
    },
}

#[derive(Group)]
pub struct Request {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// Which act.
    #[arg(long, value_name = "ACT", default_value = "sign", value_parser = acts())]
    pub act: ActKind,
    /// Where to write the request; must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where it is done, in one line.
    #[arg(long, value_parser = |s: &str| Line::new(s))]
    pub place: Option<Line>,
    /// Why, for every party to read: of `object`, `decline` and `withdraw`.
    #[arg(long, value_name = "TEXT", conflicts_with = "reason_file")]
    pub reason: Option<String>,
    /// A file that says why.
    #[arg(long, value_name = "FILE")]
    pub reason_file: Option<PathBuf>,
    /// Of `declare`: a file with the declaration in a language, as in fr=declaration.txt; once per language.
    #[arg(long, value_name = "LANG=FILE", value_parser = file, num_args = 1..)]
    pub text: Vec<(Lang, PathBuf)>,
    /// Of `declare`: the declaration itself in a language; once per language.
    #[arg(long, value_name = "LANG=WORDS", value_parser = words)]
    pub words: Vec<(Lang, String)>,
    /// Of a signature: the declaration that it is given with, its digest or `last`.
    #[arg(long, value_name = "DIGEST|last", value_parser = which)]
    pub declaration: Option<Which>,
    /// Of `confirm`: the digest of the signature ad referendum; where there is one alone, it is found.
    #[arg(long, value_name = "DIGEST")]
    pub confirms: Option<Digest>,
    /// Compare with this revision, instead of the last that was shown with this profile or that your party acted on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub since: Option<u64>,
    /// Leave the annexes out: they are then signed by digest, not shown.
    #[arg(long)]
    pub without_annexes: bool,
}

#[derive(Group)]
pub struct SignRequest {
    /// The request.
    pub file: PathBuf,
    /// Where to write the answer; must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub alone: Option<Alone>,
    /// Save the annexes in this folder, to be opened before anything is signed.
    #[arg(long, value_name = "FOLDER")]
    pub annexes: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

/// What a machine needs that has no profile.
#[derive(Group)]
pub struct Alone {
    /// Without a profile: the charter, or a file of charters from version 1 on.
    #[arg(long, value_name = "FILE", required = false, requires_all = ["charter_pin", "key"])]
    pub charter: PathBuf,
    /// The fingerprint of one of them, 64 hex digits, got by another way.
    #[arg(long, value_name = "HEX", required = false, requires = "charter")]
    pub charter_pin: Digest,
    /// The key to sign with: a file, pkcs11:… or ssh-agent:….
    #[arg(long, value_name = "KEY", required = false, requires = "charter", value_parser = KeyName)]
    pub key: KeyRef,
}

/// The acts that a request can be for, with dashes.
fn acts() -> impl clap::builder::TypedValueParser<Value = ActKind> {
    let names = [
        "confirm",
        "declare",
        "decline",
        "initial",
        "object",
        "open",
        "purge",
        "release",
        "sign",
        "sign-ad-referendum",
        "withdraw",
    ];
    PossibleValuesParser::new(names).try_map(|name| name.replace('-', "_").parse::<ActKind>())
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
