//! A key by its public half, before its passphrase or PIN is asked for; and how it is unlocked.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use communique::{
    client::keys::{
        KeyRef, TokenUri,
        agent::{Agent, Identity},
        keyfile,
        token::{PinState, Token, TokenFault},
    },
    domain::{
        key::{PublicKey, Signer},
        message::Message,
    },
    msg,
};

use super::{answer, ask, jwk_path, public, say};
use crate::{args::Passphrase, errors::Failure, profile};

/// A key by its public half: enough to find its full powers, and unable to sign.
pub struct Announced {
    public: PublicKey,
    lies: Lies,
}

enum Lies {
    File(PathBuf),
    Token(Arc<Token>),
    Agent(Agent, Box<Identity>),
}

impl Announced {
    /// Finds the public half: FILE.jwk beside a key file; of a token what it shows without the PIN, or the file that its name says;
    /// what an agent lists.
    ///
    /// # Errors
    /// If it is not there, or is no public key; a token or an agent that is not there.
    pub fn of(key: &KeyRef) -> Result<Self, Failure> {
        match key {
            KeyRef::File(file) => Self::beside(file),
            KeyRef::Token(uri) => Self::on_token(uri),
            KeyRef::Agent(which) => {
                let agent = agent()?;
                let identity = agent.find(which)?;
                // Only plain Ed25519 keys are found.
                let public = identity
                    .public()
                    .ok_or_else(|| Failure::refused(msg!("{key}: not an Ed25519 key", key = key.to_string())))?;
                Ok(Self { public, lies: Lies::Agent(agent, Box::new(identity)) })
            }
        }
    }
    fn beside(file: &Path) -> Result<Self, Failure> {
        let jwk = jwk_path(file);
        if !jwk.exists() {
            return Err(Failure::refused(msg!(
                "{jwk}: the key's public half is not there; make it: `communique key show {file} --out {jwk}`",
                jwk,
                file
            )));
        }
        Ok(Self { public: public(&jwk)?, lies: Lies::File(file.into()) })
    }
    fn on_token(uri: &TokenUri) -> Result<Self, Failure> {
        let token = open(uri, false)?;
        let shown = token.public()?;
        let public = match (&uri.jwk, shown) {
            (None, Some(shown)) => shown,
            (None, None) => {
                return Err(TokenFault::Hidden { token: token.label().into(), uri: uri.to_string() }.into());
            }
            (Some(jwk), shown) => {
                let told = public(jwk)?;
                if shown.is_some_and(|shown| shown != told) {
                    return Err(TokenFault::OtherKey { token: token.label().into() }.into());
                }
                told
            }
        };
        Ok(Self { public, lies: Lies::Token(Arc::new(token)) })
    }
    /// The key's file, or in what name what the key has done is remembered: it lies beside.
    ///
    /// # Errors
    /// A directory that cannot be found or made.
    pub fn place(&self) -> Result<PathBuf, Failure> {
        match &self.lies {
            Lies::File(file) => Ok(file.clone()),
            Lies::Token(_) | Lies::Agent(..) => profile::of_key(&self.public.thumbprint()),
        }
    }
    /// What its token says of the PIN, if it lies on one.
    ///
    /// # Errors
    /// A token that is gone.
    pub fn pin_state(&self) -> Result<Option<PinState>, Failure> {
        match &self.lies {
            Lies::Token(token) => Ok(Some(token.pin_state()?)),
            Lies::File(_) | Lies::Agent(..) => Ok(None),
        }
    }
    /// Asks for the passphrase or the PIN, and opens the key. An agent is unlocked by whoever loaded the key.
    ///
    /// # Errors
    /// A wrong passphrase or PIN; a key that is not the one announced.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<Box<dyn Signer>, Failure> {
        match &self.lies {
            Lies::File(file) => {
                let prompt = msg!("Passphrase of {file}:", file);
                let key = keyfile::read_encrypted(file, || ask(passphrase, &prompt))?;
                if key.public() != self.public {
                    return Err(Failure::refused(msg!(
                        "{path}: not the key whose public half lies beside it; nothing was signed",
                        path = file
                    )));
                }
                Ok(Box::new(key))
            }
            Lies::Token(token) => {
                log_in(token, passphrase)?;
                Ok(Arc::clone(token).signer(self.public)?)
            }
            Lies::Agent(agent, identity) => Ok(agent.signer((**identity).clone())?),
        }
    }
}

impl Signer for Announced {
    fn public(&self) -> PublicKey {
        self.public
    }
    fn sign(&self, _: &[u8]) -> Result<[u8; 64], Message> {
        Err(msg!("the key is locked"))
    }
}

/// The agent that the environment names.
///
/// # Errors
/// If it names none.
pub fn agent() -> Result<Agent, Failure> {
    Ok(Agent::at(profile::variable("SSH_AUTH_SOCK").map(PathBuf::from).as_deref())?)
}

/// The library for tokens whose names say none.
pub fn module() -> Option<PathBuf> {
    profile::variable("COMMUNIQUE_PKCS11_MODULE").map(PathBuf::from)
}

/// The token that is meant.
///
/// # Errors
/// As [`Token::open`].
pub fn open(uri: &TokenUri, write: bool) -> Result<Token, Failure> {
    Ok(Token::open(uri, module().as_deref(), write)?)
}

/// Asks for a PIN and logs in, once. What the token says of earlier tries is told first; where one is left, somebody must want that.
///
/// # Errors
/// A wrong PIN, a token that is locked, a last try that nobody wanted.
pub fn log_in(token: &Token, passphrase: &Passphrase) -> Result<(), Failure> {
    let state = token.pin_state()?.open(token.label())?;
    let label = token.label();
    match state {
        PinState::Low => say(&msg!("Token {label}: {state}", label, state)),
        PinState::Final => {
            say(&msg!("Token {label}: {state}", label, state));
            if !passphrase.final_try {
                wanted(passphrase)?;
            }
        }
        PinState::Usual | PinState::Locked | PinState::Unset => {}
    }
    if token.has_keypad()? {
        say(&msg!("Type the PIN at token {label} itself.", label));
        return Ok(token.log_in(None)?);
    }
    let pin = ask(passphrase, &msg!("PIN of token {label}:", label)).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::interrupted(),
        _ => Failure::refused(msg!("the PIN could not be read: {error}", error)),
    })?;
    Ok(token.log_in(Some(&pin))?)
}

/// Whether a person wants the last try.
fn wanted(passphrase: &Passphrase) -> Result<(), Failure> {
    if passphrase.fd.is_some() || !io::stdin().is_terminal() {
        return Err(Failure::refused(msg!(
            "nothing was tried: it is the last try, and nobody is there to say yes; at a terminal you are asked, and `--final-try` says it beforehand"
        )));
    }
    let mut err = crate::render::Out::stderr(false);
    err.ask(&msg!("To try the PIN all the same, type `yes`:"));
    if answer()?.trim() == "yes" { Ok(()) } else { Err(Failure::refused(msg!("nothing was tried"))) }
}
