//! Key files: PKCS#8 in PEM (RFC 5958 version 1, RFC 8410), as `openssl` reads and writes it. An official's is encrypted
//! (PBES2: scrypt, AES-256-CBC); only the exchange's own two keys, which must start unattended, are not.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use pkcs8::{
    AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef,
    SecretDocument,
    der::{Decode as _, asn1::OctetStringRef, pem::PemLabel as _},
    pkcs5::{self, EncryptionScheme, pbes2::Kdf},
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    domain::{
        key::{SecretKey, Signer as _},
        message::{Fact, Tell},
    },
    msg,
};

/// id-Ed25519 (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// Largest key file that is read, in bytes.
const FILE_LIMIT: u64 = 16 << 10;
/// Most memory that scrypt may ask for to decrypt a key file, in bytes: 128 · N · r (RFC 7914, section 2). `openssl` reads 32 MiB
/// at most; ours ask for 16.
pub const SCRYPT_MEMORY_LIMIT: u64 = 64 << 20;
/// Most of that work in all, in bytes: 128 · N · r · p.
pub const SCRYPT_WORK_LIMIT: u64 = 1 << 30;
/// Most iterations that PBKDF2 may ask for to decrypt a key file: some seconds, and ten times what is recommended for SHA-256.
pub const PBKDF2_LIMIT: u32 = 6_000_000;
/// Shortest passphrase, in characters.
pub const PASSPHRASE_LEAST: usize = 12;

/// What is wrong with a key file, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum KeyFileError {
    Io(PathBuf, std::io::Error),
    Exposed(PathBuf),
    NotAKey(PathBuf),
    NotEd25519(PathBuf),
    NotEncrypted(PathBuf),
    Cipher(PathBuf),
    Encrypted(PathBuf),
    TooCostly(PathBuf),
    WrongPassphrase(PathBuf),
    Exists(PathBuf),
    Weak,
}

impl Tell for KeyFileError {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Io(path, error) => msg!("{path}: {error}", path, error),
            Self::Exposed(path) => {
                msg!("{path}: others may read it; run `chmod 600` on it, and make a new key if somebody has", path)
            }
            Self::NotAKey(path) => msg!("{path}: not a PKCS#8 key in PEM; make one with `communique key new`", path),
            Self::NotEd25519(path) => msg!("{path}: not an Ed25519 key; make one with `communique key new`", path),
            Self::NotEncrypted(path) => msg!(
                "{path}: not encrypted; an official's key must be: `openssl pkcs8 -topk8 -scrypt -in KEY -out NEW` encrypts it",
                path
            ),
            Self::Cipher(path) => msg!(
                "{path}: broken, or encrypted otherwise than with AES in CBC mode under scrypt or PBKDF2 with HMAC-SHA-2; `openssl pkcs8 -in KEY -topk8 -scrypt -out NEW` encrypts it anew",
                path
            ),
            Self::Encrypted(path) => {
                msg!("{path}: encrypted, but a key that a service starts with must not ask for a passphrase", path)
            }
            Self::TooCostly(path) => msg!(
                "{path}: to decrypt it would take more memory or time than any sound key file asks for; get it again from where it was made",
                path
            ),
            Self::WrongPassphrase(path) => msg!("{path}: wrong passphrase; try again", path),
            Self::Exists(path) => {
                msg!("{path}: exists already and is not overwritten; choose another name", path)
            }
            Self::Weak => msg!(
                "a passphrase needs at least {least} characters; several words are easier to remember than signs",
                least = PASSPHRASE_LEAST
            ),
        };
        message.into()
    }
}

/// Writes a key encrypted under a passphrase. The file must not exist; it is readable by its owner alone.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Weak`], [`KeyFileError::Io`].
pub fn write_encrypted(path: &Path, key: &SecretKey, passphrase: &str) -> Result<(), KeyFileError> {
    if passphrase.chars().count() < PASSPHRASE_LEAST {
        return Err(KeyFileError::Weak);
    }
    let seed = Seed::of(key);
    let document = seed.info(path)?.encrypt(passphrase).map_err(|_| KeyFileError::NotAKey(path.into()))?;
    write(path, &document, EncryptedPrivateKeyInfoRef::PEM_LABEL)
}

/// Writes a key without encryption: for the exchange's own keys alone.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Io`].
pub fn write_plain(path: &Path, key: &SecretKey) -> Result<(), KeyFileError> {
    let seed = Seed::of(key);
    let document = SecretDocument::try_from(seed.info(path)?).map_err(|_| KeyFileError::NotAKey(path.into()))?;
    write(path, &document, PrivateKeyInfoRef::PEM_LABEL)
}

/// Reads an encrypted key. The passphrase is asked for only once the file is known to be one.
///
/// # Errors
/// Any [`KeyFileError`]; what `ask` fails with is [`KeyFileError::Io`].
pub fn read_encrypted(
    path: &Path,
    ask: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
) -> Result<SecretKey, KeyFileError> {
    decrypt(path, &read(path, 0o077)?, ask)
}

/// The key in the text of an encrypted key file; `path` is for what is said of it. What decrypting costs is bounded before the
/// passphrase is asked for.
///
/// # Errors
/// As [`read_encrypted`].
pub fn decrypt(
    path: &Path,
    pem: &str,
    ask: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
) -> Result<SecretKey, KeyFileError> {
    let (label, document) = unwrap(path, pem)?;
    if label == PrivateKeyInfoRef::PEM_LABEL {
        return Err(KeyFileError::NotEncrypted(path.into()));
    }
    let cipher = || KeyFileError::Cipher(path.into());
    let encrypted = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|_| cipher())?;
    if !affordable(&encrypted.encryption_algorithm) {
        return Err(KeyFileError::TooCostly(path.into()));
    }
    let passphrase = ask().map_err(|e| KeyFileError::Io(path.into(), e))?;
    let document = encrypted.decrypt(passphrase.as_bytes()).map_err(|e| match e {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::AlgorithmParametersInvalid { .. }
            | pkcs5::Error::NoPbes1CryptSupport,
        ) => cipher(),
        _ => KeyFileError::WrongPassphrase(path.into()),
    })?;
    secret(path, &document)
}

/// Whether decrypting stays within the limits above: the file names the cost, and a hostile one could name any.
fn affordable(scheme: &EncryptionScheme) -> bool {
    match scheme.pbes2().map(|pbes2| &pbes2.kdf) {
        Some(Kdf::Scrypt(scrypt)) => {
            let memory = scrypt.cost_parameter.saturating_mul(128 * u64::from(scrypt.block_size));
            let work = memory.saturating_mul(scrypt.parallelization.into());
            // The library takes the logarithm of a cost of 0.
            (1..=SCRYPT_MEMORY_LIMIT).contains(&memory) && (1..=SCRYPT_WORK_LIMIT).contains(&work)
        }
        Some(Kdf::Pbkdf2(pbkdf2)) => pbkdf2.iteration_count <= PBKDF2_LIMIT,
        // What is not known is not decrypted either, and PBES1 counts to 65,535.
        _ => true,
    }
}

/// Reads a key that is not encrypted.
///
/// # Errors
/// Any [`KeyFileError`].
pub fn read_plain(path: &Path) -> Result<SecretKey, KeyFileError> {
    // A service manager may hand a key over by group.
    plain(path, &read(path, 0o037)?)
}

/// The key in the text of a key file that is not encrypted; `path` is for what is said of it.
///
/// # Errors
/// As [`read_plain`].
pub fn plain(path: &Path, pem: &str) -> Result<SecretKey, KeyFileError> {
    let (label, document) = unwrap(path, pem)?;
    if label == EncryptedPrivateKeyInfoRef::PEM_LABEL {
        return Err(KeyFileError::Encrypted(path.into()));
    }
    secret(path, &document)
}

/// The seed as RFC 8410, section 7, wraps it: an OCTET STRING within the OCTET STRING.
struct Seed(Zeroizing<[u8; 34]>);

impl Seed {
    fn of(key: &SecretKey) -> Self {
        let mut wrapped = Zeroizing::new([0; 34]);
        wrapped[..2].copy_from_slice(&[0x04, 0x20]);
        wrapped[2..].copy_from_slice(&*key.seed());
        Self(wrapped)
    }
    fn info(&self, path: &Path) -> Result<PrivateKeyInfoRef<'_>, KeyFileError> {
        let inner = OctetStringRef::new(&*self.0).map_err(|_| KeyFileError::NotAKey(path.into()))?;
        Ok(PrivateKeyInfoRef::new(AlgorithmIdentifierRef { oid: ED25519, parameters: None }, inner))
    }
}

fn secret(path: &Path, document: &SecretDocument) -> Result<SecretKey, KeyFileError> {
    let info = PrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|_| KeyFileError::NotAKey(path.into()))?;
    let not_ed25519 = || KeyFileError::NotEd25519(path.into());
    if info.algorithm.oid != ED25519 || info.algorithm.parameters.is_some() {
        return Err(not_ed25519());
    }
    let wrapped = <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(|_| not_ed25519())?;
    let mut seed = <[u8; 32]>::try_from(wrapped.as_bytes()).map_err(|_| not_ed25519())?;
    let key = SecretKey::from_seed(&seed);
    seed.zeroize();
    // A file of version 2 names the public half too: it must be this key's, or the file is not what it seems.
    if info.public_key.is_some_and(|p| p.as_bytes().is_none_or(|b| b != key.public().to_bytes())) {
        return Err(not_ed25519());
    }
    Ok(key)
}

fn write(path: &Path, document: &SecretDocument, label: &'static str) -> Result<(), KeyFileError> {
    let pem = document.to_pem(label, LineEnding::LF).map_err(|_| KeyFileError::NotAKey(path.into()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let io = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.into()),
        _ => KeyFileError::Io(path.into(), e),
    };
    let mut file = options.open(path).map_err(io)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

fn read(path: &Path, exposed: u32) -> Result<Zeroizing<String>, KeyFileError> {
    let io = |e| KeyFileError::Io(path.into(), e);
    let file = File::open(path).map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata().map_err(io)?.permissions().mode() & exposed != 0 {
            return Err(KeyFileError::Exposed(path.into()));
        }
    }
    // Of its full size from the start: nothing is moved and left behind in memory.
    let mut pem = Zeroizing::new(String::with_capacity(FILE_LIMIT as usize + 1));
    file.take(FILE_LIMIT).read_to_string(&mut pem).map_err(io)?;
    Ok(pem)
}

fn unwrap<'a>(path: &Path, pem: &'a str) -> Result<(&'a str, SecretDocument), KeyFileError> {
    SecretDocument::from_pem(pem).map_err(|_| KeyFileError::NotAKey(path.into()))
}

#[cfg(test)]
mod tests;
