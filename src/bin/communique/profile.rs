//! Profiles: which exchange, and as whom.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use communique::{
    client::{
        keys::KeyRef,
        reading::{CHARTERS_FILE_LIMIT, Pinned},
        road::{Proxies, Road},
    },
    domain::{
        id::{Digest, PartyId},
        message::Message,
        refusal::Refusal,
    },
    language::Language,
    msg,
    pki::pem::MAX_PEM_BYTES,
};
use etcetera::BaseStrategy as _;
use serde::Deserialize;

use crate::{errors::Failure, speech};

/// Largest profile, in bytes.
const PROFILE_LIMIT: usize = 64 << 10;

/// What a profile file says. Paths are relative to the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Where the exchange is reached: `host:port`, or several in the order in which they are tried.
    address: Addresses,
    /// The charter, as the parties adopted it.
    charter: PathBuf,
    /// The charter's fingerprint, got by another way than the charter.
    pin: Digest,
    /// The caller's TLS certificate with its intermediates, in PEM.
    certificate: PathBuf,
    /// Its key, in PEM.
    key: PathBuf,
    /// The key that acts are signed with: FILE, whose public half lies beside it as FILE.jwk; `pkcs11:…`; `ssh-agent:…`. Nobody who only
    /// reads needs one.
    signing_key: Option<String>,
    /// What that names. Read by hand: the parser of TOML would quote the line, and somebody may have written a PIN into it.
    #[serde(skip)]
    signer: Option<KeyRef>,
    /// The language that the tool speaks: `ar`, `en`, `fr` or `ru`; otherwise the locale's.
    #[serde(default, deserialize_with = "spoken")]
    #[expect(dead_code, reason = "read before the profile is: `language`")]
    language: Option<Language>,
    /// The party, where one key acts for several or none can be told from its full powers.
    pub party: Option<PartyId>,
}

fn spoken<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Language>, D::Error> {
    let tag = String::deserialize(from)?;
    Language::of_tag(&tag).map(Some).ok_or_else(|| serde::de::Error::custom("write ar, en, fr or ru"))
}

/// The language that the profile of this name says, if there is one that can be read: what is wrong with it is said once the
/// language is known.
pub fn language(name: &str) -> Option<Language> {
    let bytes = read(&file(name)?, PROFILE_LIMIT).ok()?;
    let toml: toml::Table = toml::from_str(std::str::from_utf8(&bytes).ok()?).ok()?;
    Language::of_tag(toml.get("language")?.as_str()?)
}

/// The file of the profile of this name, or at this path: what has a slash, or ends with `.toml`, is a path. `None` without a home
/// directory.
fn file(name: &str) -> Option<PathBuf> {
    if is_path(name) {
        return Some(PathBuf::from(name));
    }
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("communique").join(format!("{name}.toml")))
}

/// One address, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Addresses {
    One(String),
    Several(Vec<String>),
}

impl Profile {
    /// Reads the profile of this name, or at this path: what has a slash, or ends with `.toml`, is a path.
    ///
    /// # Errors
    /// [`Failure`] with code 64, that says where the profile should be and what it holds.
    pub fn load(name: &str) -> Result<Self, Failure> {
        let path = file(name).ok_or_else(|| {
            Failure::usage(msg!("there is no home directory to find profiles in; give `--profile FILE`"))
        })?;
        let bytes = read(&path, PROFILE_LIMIT).map_err(|_| {
            Failure::usage(msg!(
                "there is no profile at {path}; write one with `address`, `charter`, `pin`, `certificate`, `key` and `signing_key` (docs/TOOL.md), or give `--profile FILE`",
                path
            ))
        })?;
        let bad = |fault: Message| Failure::usage(msg!("{path}: {fault}", path, fault));
        let toml = String::from_utf8(bytes).map_err(|_| bad(msg!("not UTF-8; this is some other file")))?;
        // What the parser of TOML says, it says in English.
        let mut profile: Self = toml::from_str(&toml).map_err(|e| bad(Message::words(e.to_string())))?;
        let base = path.parent().unwrap_or(Path::new(""));
        for path in [&mut profile.charter, &mut profile.certificate, &mut profile.key] {
            *path = base.join(&*path);
        }
        if let Some(key) = profile.signing_key.take() {
            let key = KeyRef::read(key.as_ref()).map_err(|e| bad(msg!("signing_key: {fault}", fault = e)))?;
            profile.signer = Some(key.within(base));
        }
        Ok(profile)
    }
    /// The charter, which must be the one that the pin is of.
    ///
    /// # Errors
    /// A file that cannot be read, another charter.
    pub fn pinned(&self) -> Result<Pinned, Failure> {
        pinned_by(&self.charter, self.pin)
    }
    /// The way to the exchange: the profile's addresses, and the proxy that the environment names.
    ///
    /// # Errors
    /// [`Failure`] with code 64 for an address or a proxy that cannot be used.
    pub fn road(&self) -> Result<Road, Failure> {
        let said = |names: [&str; 2]| names.into_iter().find_map(variable);
        let (proxy, except) = (said(["https_proxy", "HTTPS_PROXY"]), said(["no_proxy", "NO_PROXY"]));
        let proxies = Proxies::read(proxy.as_deref(), except.as_deref()).map_err(Failure::usage)?;
        let addresses = match &self.address {
            Addresses::One(address) => std::slice::from_ref(address),
            Addresses::Several(addresses) => addresses,
        };
        let road = Road::new(addresses, proxies).map_err(|e| Failure::usage(e).of(msg!("the profile")))?;
        Ok(road.speaking(speech::asked()))
    }
    /// Certificate and key, in PEM.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn identity(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        Ok((read(&self.certificate, MAX_PEM_BYTES)?, read(&self.key, MAX_PEM_BYTES)?))
    }
    /// The key that acts are signed with.
    ///
    /// # Errors
    /// If the profile names none.
    pub fn signing_key(&self) -> Result<&KeyRef, Failure> {
        self.signer.as_ref().ok_or_else(|| {
            Failure::usage(msg!(
                "this profile has no `signing_key`, so nothing can be signed with it; add the path of your key, or its name on a token or in an ssh-agent"
            ))
        })
    }
}

/// The charter of a file, which must be the one that the pin is of.
///
/// # Errors
/// A file that cannot be read, another charter.
pub fn pinned_by(charter: &Path, pin: Digest) -> Result<Pinned, Failure> {
    let charters = read(charter, CHARTERS_FILE_LIMIT)?;
    Pinned::new(&charters, pin).map_err(|e| match e {
        Refusal::WrongDigest { expected, actual } => Failure::refused(msg!(
            "{path}: this charter has the fingerprint {actual}, but the profile pins {expected}; ask the other parties which one they adopted",
            path = charter,
            actual,
            expected
        )),
        other => Failure::from(other).of(charter),
    })
}

/// A variable of the environment; what is not UTF-8 is no address.
#[expect(clippy::disallowed_methods, reason = "a binary reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Whether a profile is named by its file.
fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml")
}

/// Where the resume point of this profile's watch is kept: in the state directory, or beside a profile that is named by its
/// file.
///
/// # Errors
/// A directory that cannot be found or made.
pub fn resume_point(name: &str) -> Result<PathBuf, Failure> {
    if is_path(name) {
        return Ok(PathBuf::from(format!("{name}.watch")));
    }
    let base = etcetera::choose_base_strategy().map_err(|_| {
        Failure::usage(msg!("there is no home directory to keep a resume point in; give `--state FILE`"))
    })?;
    let directory = base.state_dir().unwrap_or_else(|| base.data_dir()).join("communique");
    std::fs::create_dir_all(&directory).map_err(|e| Failure::file(&directory, &e))?;
    Ok(directory.join(format!("{name}.watch")))
}

/// The folder where this profile's receipts of the exchange of this founding are kept: in the state directory, or beside a profile
/// that is named by its file.
///
/// # Errors
/// A directory that cannot be found.
pub fn receipts(name: &str, founding: Digest) -> Result<PathBuf, Failure> {
    let folder = if is_path(name) {
        PathBuf::from(format!("{name}.receipts"))
    } else {
        let base = etcetera::choose_base_strategy().map_err(|_| {
            Failure::usage(msg!("there is no home directory to keep receipts in; give `--profile FILE`"))
        })?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        state.join("communique").join(format!("{name}.receipts"))
    };
    Ok(folder.join(founding.to_string()))
}

/// Where what a key has done is remembered, if it lies in no file that it could lie beside: in the state directory, by the key's
/// thumbprint.
///
/// # Errors
/// A directory that cannot be found or made.
pub fn of_key(thumbprint: &str) -> Result<PathBuf, Failure> {
    let base = etcetera::choose_base_strategy().map_err(|_| {
        Failure::usage(msg!("there is no home directory to remember in what this key has done; set `HOME`"))
    })?;
    let directory = base.state_dir().unwrap_or_else(|| base.data_dir()).join("communique/keys");
    std::fs::create_dir_all(&directory).map_err(|e| Failure::file(&directory, &e))?;
    Ok(directory.join(thumbprint))
}

/// A file, whole, up to a limit in bytes.
///
/// # Errors
/// A file that cannot be read, or is larger and so some other file.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |e| Failure::file(path, &e);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(Failure::refused(msg!("{path}: more than {limit} bytes; this is some other file", path, limit)));
    }
    Ok(bytes)
}

/// A file of UTF-8 that is passed on by hand: a final line feed is no part of it.
///
/// # Errors
/// As [`read`].
pub fn read_passed_on(path: &Path, limit: usize) -> Result<String, Failure> {
    let text = String::from_utf8(read(path, limit + 1)?)
        .map_err(|_| Failure::refused(msg!("{path}: not UTF-8; this is some other file", path)))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// Writes a new file; a secret one is readable by its owner alone.
///
/// # Errors
/// A file that exists, or cannot be written.
pub fn write_new(path: &Path, bytes: &[u8], secret: bool) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    let failed = |e| Failure::file(path, &e);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

/// Fails if the file is there, so that nobody types a passphrase for nothing.
///
/// # Errors
/// A file that exists.
pub fn must_be_new(path: &Path) -> Result<(), Failure> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(Failure::file(path, &std::io::ErrorKind::AlreadyExists.into())),
        Err(_) => Ok(()),
    }
}
