//! What a profile or the command line says of a key: a path, `pkcs11:…` (RFC 7512) or `ssh-agent:…`.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};

use crate::{
    domain::{
        message::{Fact, Message, Tell},
        text::escape_line,
    },
    msg,
};

/// Longest `pkcs11:` or `ssh-agent:` reference, in bytes.
pub const REFERENCE_LIMIT: usize = 2048;
/// Longest label of a key on a token, in bytes.
pub const LABEL_LIMIT: usize = 255;
/// Longest id of a key on a token, in bytes.
pub const ID_LIMIT: usize = 64;

/// Begins a key on a token (RFC 7512, section 2.3).
const TOKEN: &str = "pkcs11:";
/// Begins a key in an ssh-agent.
const AGENT: &str = "ssh-agent:";
/// Begins a fingerprint, as `ssh-keygen -l` and `ssh-add -l` print it.
const SHA256: &str = "SHA256:";

/// Where a key lies. Text that begins with `pkcs11:` or `ssh-agent:` is that; all else is a path (a file with such a name is
/// `./pkcs11:…`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyRef {
    /// An encrypted PKCS#8 file.
    File(PathBuf),
    /// A key on a token.
    Token(Box<TokenUri>),
    /// A key in an ssh-agent.
    Agent(AgentKey),
}

impl KeyRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// [`ReferenceFault`]; a path is never refused.
    pub fn read(text: &OsStr) -> Result<Self, ReferenceFault> {
        match text.to_str() {
            Some(text)
                if text.len() > REFERENCE_LIMIT && [TOKEN, AGENT].iter().any(|scheme| text.starts_with(scheme)) =>
            {
                Err(ReferenceFault(msg!("it is longer than {limit} bytes", limit = REFERENCE_LIMIT)))
            }
            Some(text) if text.starts_with(TOKEN) => TokenUri::read(text).map(|uri| Self::Token(Box::new(uri))),
            Some(text) => match text.strip_prefix(AGENT) {
                Some(which) => AgentKey::read(which).map(Self::Agent),
                None => Ok(Self::File(text.into())),
            },
            None => Ok(Self::File(text.into())),
        }
    }
    /// The same, with relative paths in it taken from this folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Token(mut uri) => {
                uri.jwk = uri.jwk.map(|path| folder.join(path));
                Self::Token(uri)
            }
            Self::Agent(AgentKey::Public(path)) => Self::Agent(AgentKey::Public(folder.join(path))),
            Self::Agent(which) => Self::Agent(which),
        }
    }
}

/// For people: in one line, whatever a path holds.
impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&escape_line(&path.display().to_string())),
            Self::Token(uri) => uri.fmt(f),
            Self::Agent(which) => which.fmt(f),
        }
    }
}

/// Why a reference is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.tell())]
pub struct ReferenceFault(Message);

impl Tell for ReferenceFault {
    fn tell(&self) -> Fact {
        msg!("the key's name is refused: {problem}; docs/TOOL.md has them all under Keys", problem = self.0).into()
    }
}

/// A key in an ssh-agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentKey {
    /// `ssh-agent:` alone: the one Ed25519 key that there is.
    Only,
    /// `ssh-agent:SHA256:…`: the digest of the key as ssh writes it (`ssh-add -l`).
    Fingerprint([u8; 32]),
    /// `ssh-agent:…/key.pub`: the key in this file.
    Public(PathBuf),
    /// `ssh-agent:words`: the key with this comment.
    Comment(String),
}

impl AgentKey {
    fn read(which: &str) -> Result<Self, ReferenceFault> {
        if which.chars().any(char::is_control) {
            return Err(ReferenceFault(msg!("it has a control character")));
        }
        if let Some(digest) = which.strip_prefix(SHA256) {
            let bytes = BASE64_STANDARD_NO_PAD.decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
            return bytes.map(Self::Fingerprint).ok_or_else(|| {
                ReferenceFault(msg!("a fingerprint is SHA256: and 43 characters, as `ssh-add -l` prints it"))
            });
        }
        Ok(match which {
            "" => Self::Only,
            path if path.ends_with(".pub") => Self::Public(path.into()),
            comment => Self::Comment(comment.to_owned()),
        })
    }
}

impl fmt::Display for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AGENT)?;
        match self {
            Self::Only => Ok(()),
            Self::Fingerprint(digest) => f.write_str(&fingerprint(digest)),
            Self::Public(path) => f.write_str(&escape_line(&path.display().to_string())),
            Self::Comment(comment) => f.write_str(&escape_line(comment)),
        }
    }
}

/// A digest as ssh prints it.
pub(super) fn fingerprint(digest: &[u8; 32]) -> String {
    format!("{SHA256}{}", BASE64_STANDARD_NO_PAD.encode(digest))
}

/// A key on a token, as a URI names it (RFC 7512): what it does not say may be anything, and exactly one key must fit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TokenUri {
    /// `token`: the token's label.
    pub token: Option<String>,
    /// `manufacturer` of the token.
    pub manufacturer: Option<String>,
    /// `model` of the token.
    pub model: Option<String>,
    /// `serial` of the token.
    pub serial: Option<String>,
    /// `object`: the key's label.
    pub object: Option<String>,
    /// `id` of the key, up to [`ID_LIMIT`] bytes.
    pub id: Option<Vec<u8>>,
    /// `module-path`: the library that talks to the token. It runs inside this program, so it is named in full.
    pub module: Option<PathBuf>,
    /// `jwk`, our own attribute: a file with the key's public half, for tokens that show it only after the PIN.
    pub jwk: Option<PathBuf>,
}

impl TokenUri {
    fn read(text: &str) -> Result<Self, ReferenceFault> {
        let rest = text.strip_prefix(TOKEN).unwrap_or(text);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let mut typed = None;
        for (name, value) in attributes(path, ';')? {
            match name {
                "token" => uri.token.once(name, words(name, value, 32)?)?,
                "manufacturer" => uri.manufacturer.once(name, words(name, value, 32)?)?,
                "model" => uri.model.once(name, words(name, value, 16)?)?,
                "serial" => uri.serial.once(name, words(name, value, 16)?)?,
                "object" => uri.object.once(name, words(name, value, LABEL_LIMIT)?)?,
                "id" => uri.id.once(name, bytes(name, value, ID_LIMIT)?)?,
                "type" if matches!(value, "private" | "public") => typed.once(name, ())?,
                "type" => return Err(ReferenceFault(msg!("a signing key is of type private"))),
                "slot-id" | "slot-description" | "slot-manufacturer" => {
                    return Err(ReferenceFault(msg!(
                        "{name} names a slot, and another token may lie in it tomorrow: say token= or serial=",
                        name
                    )));
                }
                "library-description" | "library-manufacturer" | "library-version" => {
                    return Err(ReferenceFault(msg!("{name} is not looked at: say module-path= behind a ?", name)));
                }
                _ => return Err(unknown(name)),
            }
        }
        for (name, value) in attributes(query, '&')? {
            match name {
                "module-path" => {
                    let path = PathBuf::from(words(name, value, REFERENCE_LIMIT)?);
                    if !path.is_absolute() {
                        return Err(ReferenceFault(msg!("module-path is the full path of the library, from / on")));
                    }
                    uri.module.once(name, path)?;
                }
                "jwk" => uri.jwk.once(name, words(name, value, REFERENCE_LIMIT)?.into())?,
                "pin-value" => {
                    return Err(ReferenceFault(msg!(
                        "pin-value is a secret in the open: take it out, and change the PIN if others could read it; the PIN is asked for, or comes by --passphrase-fd"
                    )));
                }
                "pin-source" => {
                    return Err(ReferenceFault(msg!(
                        "pin-source would keep the PIN in a file: it is asked for, or comes by --passphrase-fd"
                    )));
                }
                "module-name" => {
                    return Err(ReferenceFault(msg!("module-name may be found in several places: say module-path=")));
                }
                _ => return Err(unknown(name)),
            }
        }
        Ok(uri)
    }
    /// Whether it names a key, and not only a token.
    #[must_use]
    pub const fn names_a_key(&self) -> bool {
        self.object.is_some() || self.id.is_some()
    }
}

/// As RFC 7512 writes it; what is not a letter, a digit or one of `-._~/` is percent-encoded.
impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.as_os_str().as_encoded_bytes().to_vec());
        let text = |text: &Option<String>| text.as_ref().map(|t| t.as_bytes().to_vec());
        f.write_str(TOKEN)?;
        let mut before = "";
        for (name, value) in [
            ("token", text(&self.token)),
            ("manufacturer", text(&self.manufacturer)),
            ("model", text(&self.model)),
            ("serial", text(&self.serial)),
            ("object", text(&self.object)),
            ("id", self.id.clone()),
        ] {
            let Some(value) = value else { continue };
            write!(f, "{before}{name}=")?;
            encode(f, &value, name == "id")?;
            before = ";";
        }
        let mut before = "?";
        for (name, value) in [("module-path", path(&self.module)), ("jwk", path(&self.jwk))] {
            let Some(value) = value else { continue };
            write!(f, "{before}{name}=")?;
            encode(f, &value, false)?;
            before = "&";
        }
        Ok(())
    }
}

fn encode(f: &mut fmt::Formatter<'_>, value: &[u8], all: bool) -> fmt::Result {
    value.iter().try_for_each(|&byte| {
        if !all && (byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)) {
            write!(f, "{}", char::from(byte))
        } else {
            write!(f, "%{byte:02X}")
        }
    })
}

/// `name=value` between separators.
fn attributes(part: &str, separator: char) -> Result<Vec<(&str, &str)>, ReferenceFault> {
    if part.is_empty() {
        return Ok(Vec::new());
    }
    part.split(separator)
        .map(|attribute| {
            attribute.split_once('=').ok_or_else(|| {
                ReferenceFault(msg!(
                    "between two {separator} stands name=value, not {attribute}",
                    separator,
                    attribute = format!("{:?}", escape_line(attribute))
                ))
            })
        })
        .collect()
}

fn unknown(name: &str) -> ReferenceFault {
    ReferenceFault(msg!("{name} is no attribute that is known here", name = format!("{:?}", escape_line(name))))
}

/// RFC 7512, section 2.3: no attribute stands there twice.
trait Once<T> {
    fn once(&mut self, name: &str, value: T) -> Result<(), ReferenceFault>;
}
impl<T> Once<T> for Option<T> {
    fn once(&mut self, name: &str, value: T) -> Result<(), ReferenceFault> {
        match self.replace(value) {
            None => Ok(()),
            Some(_) => Err(ReferenceFault(msg!("{name} is there twice", name))),
        }
    }
}

fn words(name: &str, value: &str, limit: usize) -> Result<String, ReferenceFault> {
    let words =
        String::from_utf8(bytes(name, value, limit)?).map_err(|_| ReferenceFault(msg!("{name} is not UTF-8", name)))?;
    if words.chars().any(char::is_control) {
        return Err(ReferenceFault(msg!("{name} has a control character", name)));
    }
    Ok(words)
}

/// A value with its percent signs read (RFC 3986, section 2.1).
fn bytes(name: &str, value: &str, limit: usize) -> Result<Vec<u8>, ReferenceFault> {
    let mut out = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                high.zip(low)
                    .map(|(high, low)| high << 4 | low)
                    .ok_or_else(|| ReferenceFault(msg!("in {name}, a % is followed by two hex digits", name)))?
            }
            byte => byte,
        });
    }
    if out.is_empty() || out.len() > limit {
        return Err(ReferenceFault(msg!("{name} has 1 to {limit} bytes", name, limit)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
