//! Consent: what a person types before anything is signed. Nothing short of the party's id and the passphrase signs.

pub mod announced;

use std::{
    fs::File,
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use communique::{
    client::keys::{
        keyfile::{self, KeyFileError},
        strength,
    },
    domain::{id::PartyId, json, key::PublicKey, message::Message},
    msg,
};
use zeroize::Zeroizing;

pub use self::announced::Announced;
use crate::{
    args::{Consent, Passphrase},
    commands::Context,
    errors::Failure,
    pager::{Answer, Seen},
    profile,
    render::Out,
};

/// Longest line that is read from a person or a descriptor, in bytes.
const ANSWER_LIMIT: usize = 1024;
/// Largest public key file, in bytes.
const JWK_LIMIT: usize = 1024;

/// FILE.jwk of FILE.
pub fn jwk_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".jwk");
    name.into()
}

/// A public key from a .jwk file.
///
/// # Errors
/// A file that cannot be read, or is none.
pub fn public(path: &Path) -> Result<PublicKey, Failure> {
    let text = profile::read_passed_on(path, JWK_LIMIT)?;
    let key: PublicKey = serde_json::from_str(&text)
        .map_err(|e| Failure::refused(format!("{}: not an Ed25519 public key in JWK: {e}", path.display())))?;
    Ok(key)
}

/// A public key as a .jwk file holds it.
pub fn jwk(key: &PublicKey) -> Vec<u8> {
    let mut bytes = json::encode(key);
    bytes.push(b'\n');
    bytes
}

/// What somebody may type instead of the party's id, and be asked again. Says whether it was understood.
pub type Instead<'a> = &'a mut dyn FnMut(&mut Context, &str) -> Result<bool, Failure>;

/// Asks for the party's id, once what is to be signed is on the screen; anything else commits nothing.
///
/// # Errors
/// Another answer; nobody there to answer; a scene that reached nobody.
pub fn typed(ctx: &mut Context, consent: &Consent, prompt: &Message, party: &PartyId) -> Result<(), Failure> {
    let seen = ctx.end_scene();
    typed_or(ctx, consent, prompt, party, &seen, &mut |_, _| Ok(false))
}

/// The same, once the scene has ended as `seen` tells, where something else may be typed first.
///
/// # Errors
/// As [`typed`].
pub fn typed_or(
    ctx: &mut Context,
    consent: &Consent,
    prompt: &Message,
    party: &PartyId,
    seen: &Seen,
    instead: Instead<'_>,
) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(msg!(
            "nobody is there to confirm: run it at a terminal, or give `--yes` once somebody has read what is signed for {party}",
            party
        )));
    }
    let scene = ctx.scene();
    if !scene.is_terminal() || scene.is_lost() {
        return Err(Failure::usage(msg!(
            "what is to be signed did not reach a terminal, so nobody can have read it; run it without redirecting its output"
        )));
    }
    loop {
        if let Some(hint) = seen.hint(party.as_str()) {
            ctx.err.line(&hint);
        }
        ctx.err.ask(prompt);
        let answer = answer()?;
        match seen.judge(&answer, party.as_str()) {
            Answer::Yes => return Ok(()),
            Answer::No if instead(ctx, answer.trim())? => continue,
            Answer::No => return Err(Failure::refused(msg!("that is not {party}; nothing was signed", party))),
            Answer::Again => {}
            Answer::Unread => ctx.err.line(&msg!("Nothing is signed before the end of it was read.")),
        }
        if let Seen::Paged { page, .. } = seen {
            ctx.repeat_scene(page);
        }
    }
}

/// A line of what a person typed.
fn answer() -> Result<String, Failure> {
    let mut answer = String::new();
    io::stdin()
        .lock()
        .take(ANSWER_LIMIT as u64)
        .read_line(&mut answer)
        .map_err(|e| Failure::refused(format!("the answer could not be read: {e}")))?;
    Ok(answer)
}

/// A line on standard error, for whoever holds the key.
pub fn say(line: &str) {
    let mut err = Out::stderr(false);
    err.line(line);
    // Whether anybody reads it changes nothing.
    let _ = err.end();
}

/// A new passphrase: typed twice, or read once from a descriptor. What a guessing program would think of it is said.
///
/// # Errors
/// Two that differ; a descriptor or terminal that cannot be read.
pub fn new_passphrase(passphrase: &Passphrase) -> Result<Zeroizing<String>, Failure> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::Interrupted => Failure::interrupted(),
        _ => Failure::refused(format!("the passphrase could not be read: {e}")),
    };
    let first = ask(passphrase, "New passphrase: ").map_err(failed)?;
    if first.chars().count() < keyfile::PASSPHRASE_LEAST {
        return Err(KeyFileError::Weak.into());
    }
    if let Some(hint) = strength::hint(&first) {
        say(&crate::speech::say(&communique::msg!("A hint: {hint}", hint)));
    }
    if passphrase.fd.is_none() && *ask(passphrase, "The same again: ").map_err(failed)? != *first {
        return Err(Failure::refused("the two differ; no key was made, try again"));
    }
    Ok(first)
}

/// A passphrase, from the descriptor or the terminal.
///
/// # Errors
/// Neither can be read.
pub fn ask(passphrase: &Passphrase, prompt: &str) -> io::Result<Zeroizing<String>> {
    let Some(fd) = passphrase.fd else {
        return rpassword::prompt_password(communique::domain::text::escape_line(prompt)).map(Zeroizing::new).map_err(
            |e| match e.kind() {
                io::ErrorKind::Interrupted => e,
                kind => io::Error::new(kind, format!("no terminal to ask at ({e}); give --passphrase-fd N")),
            },
        );
    };
    let mut file = File::open(format!("/dev/fd/{fd}"))
        .map_err(|e| io::Error::new(e.kind(), format!("file descriptor {fd} cannot be read: {e}")))?;
    // Of its full size from the start, and without a reader's buffer: nothing is moved and left behind in memory, and of a pipe no more
    // than the line is taken.
    let mut line = Zeroizing::new(Vec::with_capacity(ANSWER_LIMIT));
    let mut byte = Zeroizing::new([0]);
    while line.len() < ANSWER_LIMIT {
        match file.read_exact(&mut *byte) {
            Ok(()) if *byte != *b"\n" => line.extend_from_slice(&*byte),
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(e),
            _ => break,
        }
    }
    let words = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(&line))
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Zeroizing::new(words.to_owned()))
}
