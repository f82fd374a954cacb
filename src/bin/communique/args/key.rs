//! The arguments of `key`, and how a key is named everywhere.

use std::{ffi::OsStr, path::PathBuf};

use clap::{
    Args as Group, Command, Subcommand,
    builder::{StyledStr, TypedValueParser},
    error::ErrorKind,
};
use communique::client::keys::KeyRef;

/// Keys are named alike everywhere: FILE is an encrypted key file, with its public half beside it as FILE.jwk;
/// `pkcs11:token=…;object=…?module-path=…` is a key on a token (RFC 7512); `ssh-agent:SHA256:…`, `ssh-agent:FILE.pub`,
/// `ssh-agent:COMMENT` or `ssh-agent:` is a key in an ssh-agent.
#[derive(Subcommand)]
pub enum Key {
    /// Make a key: FILE, encrypted under a passphrase, and its public half FILE.jwk; or a key on a token.
    New {
        /// The key file, which must not exist; or pkcs11:token=…;object=LABEL for a key that is made on the token and never leaves it.
        #[arg(long, value_name = "KEY", value_parser = KeyName)]
        out: KeyRef,
        /// Where to write the public half of a key on a token; beside a key file it is FILE.jwk.
        #[arg(long, value_name = "FILE.jwk")]
        jwk: Option<PathBuf>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Show the public half of a key, and its thumbprint.
    Show {
        /// The key, or a .jwk file, for which no passphrase is asked. Of a token the PIN is asked only if it shows nothing without.
        #[arg(value_parser = KeyName)]
        key: KeyRef,
        /// Write the public half here too.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// List the Ed25519 keys that tokens and the ssh-agent show, by the names that other commands take.
    ///
    /// Asks for no PIN. Without a name: the tokens of the library in $COMMUNIQUE_PKCS11_MODULE, and the agent at $SSH_AUTH_SOCK.
    List {
        /// Only what fits: pkcs11:?module-path=/…/library.so, pkcs11:token=…, or ssh-agent:.
        #[arg(value_parser = KeyName)]
        key: Option<KeyRef>,
    },
    /// Write a key file's key as 24 words on a page to be printed and locked away.
    ///
    /// The page holds the whole key. It goes to a file for its owner alone, or to a terminal, and nowhere else.
    Backup {
        /// The key file. What lies on a token or in an agent cannot be taken out.
        #[arg(value_parser = KeyName)]
        key: KeyRef,
        /// The page; must not exist. Without it, the page goes to the terminal.
        #[arg(long, value_name = "PAGE.txt")]
        out: Option<PathBuf>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Make a key file again from the words on a page.
    Restore {
        /// The key file; must not exist. Its public half is written beside it as FILE.jwk.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The thumbprint on the page: another key is refused.
        #[arg(long, value_name = "THUMBPRINT")]
        expect: Option<String>,
        /// Read the words from this file descriptor instead of asking: white space between them, no numbers.
        #[arg(long, value_name = "N")]
        words_fd: Option<u32>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

/// How a secret comes in.
#[derive(Group, Clone)]
pub struct Passphrase {
    /// Read the passphrase, or the PIN of a token, from this file descriptor, up to the end of the line, instead of asking.
    #[arg(long = "passphrase-fd", value_name = "N")]
    pub fd: Option<u32>,
    /// Try the PIN of a token even if it is the last try before the token locks.
    #[arg(long)]
    pub final_try: bool,
}

/// Reads a key's name. What is wrong with it is said without it: it may hold a secret that should not be there.
#[derive(Clone, Copy)]
pub struct KeyName;

impl TypedValueParser for KeyName {
    type Value = KeyRef;
    fn parse_ref(&self, _: &Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<KeyRef, clap::Error> {
        KeyRef::read(value).map_err(|fault| {
            let of = arg.map(|arg| format!("{arg}: ")).unwrap_or_default();
            clap::Error::raw(ErrorKind::ValueValidation, StyledStr::from(format!("{of}{fault}\n")).ansi())
        })
    }
}
