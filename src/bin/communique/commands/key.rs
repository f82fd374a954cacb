//! `key`: signing keys.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use communique::{
    client::keys::{
        AgentKey, KeyRef, TokenUri,
        backup::{self, WORDS, WordsFault},
        keyfile,
        token::{self, Token, TokenFault},
    },
    domain::{
        key::{PublicKey, SecretKey, Signer as _},
        message::Tell as _,
    },
    msg,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Context, random};
use crate::{
    args::{Key, Passphrase},
    confirm::{self, announced},
    errors::Failure,
    profile, render, speech,
};

/// How many words are asked for at once.
const AT_ONCE: usize = 4;
/// How often words are asked for before it is given up.
const PATIENCE: usize = 60;

pub fn run(ctx: &mut Context, command: Key) -> Result<(), Failure> {
    match command {
        Key::New { out: KeyRef::File(out), jwk: None, passphrase } => {
            let seed = Zeroizing::new(random());
            new_file(ctx, &out, &SecretKey::from_seed(&seed), &passphrase)
        }
        Key::New { out: KeyRef::File(_), jwk: Some(_), .. } => {
            Err(Failure::usage(msg!("the public half of a key file lies beside it as `FILE.jwk`; leave out `--jwk`")))
        }
        Key::New { out: KeyRef::Token(uri), jwk, passphrase } => new_on_token(ctx, *uri, jwk, &passphrase),
        Key::New { out: KeyRef::Agent(_), .. } => Err(Failure::usage(msg!(
            "no key is made in an ssh-agent: make it with `ssh-keygen -t ed25519`, and load it with `ssh-add`"
        ))),
        Key::Show { key, out, passphrase } => {
            if let Some(out) = &out {
                profile::must_be_new(out)?;
            }
            let public = public(&key, &passphrase)?;
            if let Some(out) = &out {
                profile::write_new(out, &confirm::jwk(&public), false)?;
            }
            show(ctx, &public);
            Ok(())
        }
        Key::List { key } => list(ctx, key.as_ref()),
        Key::Backup { key, out, passphrase } => back_up(ctx, &key, out.as_deref(), &passphrase),
        Key::Restore { out, expect, words_fd, passphrase } => {
            must_be_new(&out)?;
            let key = match words_fd {
                Some(fd) => backup::restore(&handed_over(fd)?)?,
                None => typed()?,
            };
            let thumbprint = key.public().thumbprint();
            if let Some(expected) = expect.filter(|expected| *expected != thumbprint) {
                return Err(Failure::refused(msg!(
                    "these are the words of the key {thumbprint}, not of {expected}; no file was written",
                    thumbprint,
                    expected
                )));
            }
            new_file(ctx, &out, &key, &passphrase)
        }
    }
}

fn must_be_new(out: &Path) -> Result<(), Failure> {
    [out, &confirm::jwk_path(out)].into_iter().try_for_each(profile::must_be_new)
}

/// Writes a key into an encrypted file, and its public half beside it.
fn new_file(ctx: &mut Context, out: &Path, key: &SecretKey, passphrase: &Passphrase) -> Result<(), Failure> {
    must_be_new(out)?;
    let jwk = confirm::jwk_path(out);
    let words = confirm::new_passphrase(passphrase)?;
    keyfile::write_encrypted(out, key, &words)?;
    profile::write_new(&jwk, &confirm::jwk(&key.public()), false)?;
    show(ctx, &key.public());
    ctx.say(&msg!(
        "File {file} is the key, encrypted; {jwk} is its public half, to give away.",
        file = render::path(out),
        jwk = render::path(&jwk)
    ));
    Ok(())
}

fn new_on_token(
    ctx: &mut Context,
    mut uri: TokenUri,
    jwk: Option<PathBuf>,
    passphrase: &Passphrase,
) -> Result<(), Failure> {
    let jwk = jwk.ok_or_else(|| Failure::usage(msg!("say where the public half goes: `--jwk FILE.jwk`")))?;
    if uri.object.is_none() {
        return Err(Failure::usage(msg!(
            "say what the key is to be called on the token: `pkcs11:token=…;object=LABEL`"
        )));
    }
    profile::must_be_new(&jwk)?;
    uri.jwk = None;
    let named = uri.clone();
    // An id joins the two halves for other programs; no two keys share one.
    uri.id.get_or_insert_with(|| random::<8>().to_vec());
    let token = announced::open(&named, true)?;
    if token.public()?.is_some() {
        return Err(TokenFault::Exists { token: token.label().into(), uri: named.to_string() }.into());
    }
    drop(token);
    let token = Arc::new(announced::open(&uri, true)?);
    announced::log_in(&token, passphrase)?;
    let public = Arc::clone(&token).make()?;
    let name = KeyRef::Token(Box::new(uri)).to_string();
    profile::write_new(&jwk, &confirm::jwk(&public), false).map_err(|e| {
        e.of(msg!(
            "the key is on the token, but its public half could not be written (`communique key show '{name}'`)",
            name
        ))
    })?;
    show(ctx, &public);
    ctx.say(&msg!(
        "The key is on token {token}, and cannot be taken out; {jwk} is its public half, to give away.",
        token = token.label(),
        jwk = render::path(&jwk)
    ));
    if !ctx.json {
        ctx.out.next(&msg!("Its name:"), &name);
    }
    Ok(())
}

/// The public half, with as little asked as can be.
fn public(key: &KeyRef, passphrase: &Passphrase) -> Result<PublicKey, Failure> {
    match key {
        KeyRef::File(file) if file.extension().is_some_and(|e| e == "jwk") => confirm::public(file),
        KeyRef::File(file) => {
            let prompt = speech::say(&msg!("Passphrase of {file}: ", file));
            Ok(keyfile::read_encrypted(file, || confirm::ask(passphrase, &prompt))?.public())
        }
        KeyRef::Token(uri) => {
            let token = announced::open(uri, false)?;
            if let Some(public) = token.public()? {
                return Ok(public);
            }
            let told = msg!("Token {token} shows no key that fits without its PIN.", token = token.label());
            confirm::say(&speech::say(&told));
            announced::log_in(&token, passphrase)?;
            let none = || TokenFault::NoKey { token: token.label().into(), uri: uri.to_string() };
            Ok(token.public()?.ok_or_else(none)?)
        }
        KeyRef::Agent(_) => Ok(confirm::Announced::of(key)?.public()),
    }
}

fn list(ctx: &mut Context, which: Option<&KeyRef>) -> Result<(), Failure> {
    let mut found = Vec::new();
    let every = TokenUri::default();
    let (tokens, agent) = match which {
        None => {
            let tokens = announced::module().map(|_| &every);
            let agent = profile::variable("SSH_AUTH_SOCK").map(|_| &AgentKey::Only);
            if tokens.is_none() && agent.is_none() {
                return Err(Failure::usage(msg!(
                    "neither `COMMUNIQUE_PKCS11_MODULE` nor `SSH_AUTH_SOCK` is set; name a library: `communique key list 'pkcs11:?module-path=/…/library.so'`"
                )));
            }
            (tokens, agent)
        }
        Some(KeyRef::Token(uri)) => (Some(&**uri), None),
        Some(KeyRef::Agent(which)) => (None, Some(which)),
        Some(KeyRef::File(_)) => {
            return Err(Failure::usage(msg!(
                "key files are not listed; name a token (`pkcs11:…`) or an agent (`ssh-agent:`)"
            )));
        }
    };
    if let Some(uri) = tokens {
        for uri in token::fitting(uri, announced::module().as_deref())? {
            let token = Token::open(&uri, announced::module().as_deref(), false)?;
            found.extend(token.keys()?.into_iter().map(|key| (key.uri.to_string(), key.public, String::new())));
        }
    }
    if let Some(which) = agent {
        let all = announced::agent()?.identities()?;
        let fits = |name: &AgentKey| *which == AgentKey::Only || which == name;
        let keys = all.iter().filter_map(|key| Some((key.name(), key.public()?, key.comment().to_owned())));
        found.extend(
            keys.filter(|(name, ..)| fits(name)).map(|(name, public, comment)| (name.to_string(), public, comment)),
        );
    }
    if ctx.json {
        let keys = found.iter().map(|(name, public, comment)| {
            let comment = Some(comment).filter(|comment| !comment.is_empty());
            json!({ "key": name, "jwk": public, "thumbprint": public.thumbprint(), "comment": comment })
        });
        ctx.out.json(&json!({ "keys": keys.collect::<Vec<Value>>() }));
    } else if found.is_empty() {
        ctx.out.line(&msg!("No Ed25519 key is shown. Some tokens show keys only after the PIN."));
    } else {
        for (name, public, comment) in found {
            ctx.out.command(&name);
            ctx.out.field_within(&msg!("thumbprint"), &public.thumbprint());
            if !comment.is_empty() {
                ctx.out.field_within(&msg!("comment"), &render::quoted(&comment));
            }
        }
    }
    Ok(())
}

fn back_up(ctx: &mut Context, key: &KeyRef, out: Option<&Path>, passphrase: &Passphrase) -> Result<(), Failure> {
    let file = match key {
        KeyRef::File(file) => file,
        KeyRef::Token(_) => {
            return Err(Failure::refused(msg!(
                "a key on a token cannot be taken out of it, that is what a token is for; if it is lost, your authority grants full powers to another key"
            )));
        }
        KeyRef::Agent(_) => {
            return Err(Failure::refused(msg!(
                "an ssh-agent gives no key away; back up the file that it was loaded from"
            )));
        }
    };
    match out {
        Some(out) => profile::must_be_new(out)?,
        None if ctx.json || !ctx.out.is_terminal() => {
            return Err(Failure::usage(msg!(
                "the page holds the whole key, and is not sent down a pipe: give `--out PAGE.txt`, or run it at a terminal"
            )));
        }
        None => {}
    }
    let prompt = speech::say(&msg!("Passphrase of {file}: ", file));
    let key = keyfile::read_encrypted(file, || confirm::ask(passphrase, &prompt))?;
    let page = backup::page(&key, crate::speech::language());
    let Some(out) = out else {
        ctx.out.raw(page.as_bytes());
        return Ok(());
    };
    profile::write_new(out, page.as_bytes(), true)?;
    show(ctx, &key.public());
    ctx.say(&msg!(
        "File {file} holds the whole key: print it, lock the paper away, delete the file.",
        file = render::path(out)
    ));
    Ok(())
}

/// The words from a descriptor.
fn handed_over(fd: u32) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::refused(msg!("the words could not be read from file descriptor {fd}: {error}", fd, error))
    };
    // Of its full size from the start: nothing is moved and left behind in memory.
    let mut text = Zeroizing::new(String::with_capacity(backup::TEXT_LIMIT + 1));
    let file = File::open(format!("/dev/fd/{fd}")).map_err(failed)?;
    file.take(backup::TEXT_LIMIT as u64).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The words from a person, some at a time. A word that is not on the list is told at once.
fn typed() -> Result<SecretKey, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(backup::TEXT_LIMIT * 8));
    let mut count = 0;
    for _ in 0..PATIENCE {
        let asked = Passphrase { fd: None, final_try: false };
        let prompt = msg!("Words {from} to {to} of {all}: ", from = count + 1, to = count + AT_ONCE, all = WORDS);
        let line = confirm::ask(&asked, &speech::say(&prompt)).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => Failure::interrupted(),
            _ => Failure::refused(msg!("no terminal to type the words at ({error}); give `--words-fd N`", error)),
        })?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let fault = match words.iter().position(|word| !backup::is_word(word)) {
            Some(n) => Some(WordsFault::Unknown(count + n + 1).message()),
            None if words.len() != AT_ONCE => {
                Some(msg!("type {wanted} words, not {typed}", wanted = AT_ONCE, typed = words.len()))
            }
            None => None,
        };
        if let Some(fault) = fault {
            confirm::say(&speech::say(&fault));
            continue;
        }
        for word in words {
            text.push_str(word);
            text.push(' ');
        }
        count += AT_ONCE;
        if count >= WORDS {
            return Ok(backup::restore(&text)?);
        }
    }
    Err(Failure::refused(msg!("these do not become words of the list; no file was written")))
}

fn show(ctx: &mut Context, key: &PublicKey) {
    if ctx.json {
        ctx.out.json(&json!({ "jwk": key, "thumbprint": key.thumbprint() }));
    } else {
        ctx.out.field(&msg!("public key"), String::from_utf8_lossy(&confirm::jwk(key)).trim_end());
        ctx.out.field(&msg!("thumbprint"), &key.thumbprint());
    }
}
