//! Key files: ours, others', and those of openssl both ways.

use super::*;

const WORDS: &str = "a sample passphrase";

fn key() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}
fn ask(words: &str) -> impl FnOnce() -> std::io::Result<Zeroizing<String>> {
    let words = Zeroizing::new(words.to_owned());
    move || Ok(words)
}

#[test]
fn what_is_written_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    write_encrypted(&path, &key(), WORDS).unwrap();
    assert_eq!(read_encrypted(&path, ask(WORDS)).unwrap().public(), key().public());
    assert!(matches!(read_encrypted(&path, ask("another passphrase")), Err(KeyFileError::WrongPassphrase(_))));
    assert!(matches!(read_plain(&path), Err(KeyFileError::Encrypted(_))));
    assert!(matches!(write_encrypted(&path, &key(), WORDS), Err(KeyFileError::Exists(_))));
    assert!(matches!(write_encrypted(&dir.path().join("b"), &key(), "short"), Err(KeyFileError::Weak)));
    let plain = dir.path().join("plain.pem");
    write_plain(&plain, &key()).unwrap();
    assert_eq!(read_plain(&plain).unwrap().public(), key().public());
    assert!(matches!(read_encrypted(&plain, ask(WORDS)), Err(KeyFileError::NotEncrypted(_))));
}

#[test]
fn an_exposed_or_foreign_file_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    write_plain(&path, &key()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(read_plain(&path), Err(KeyFileError::Exposed(_))));
    let junk = dir.path().join("junk.pem");
    std::fs::write(&junk, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    std::fs::set_permissions(&junk, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(read_plain(&junk), Err(KeyFileError::NotAKey(_))));
    assert!(matches!(read_plain(&dir.path().join("none")), Err(KeyFileError::Io(..))));
}

/// The cost stands in the file: none may take the machine's memory, an hour, or the library's logarithm of nothing.
#[test]
fn a_key_file_that_asks_for_too_much_is_refused_before_the_passphrase() {
    use pkcs8::{
        EncryptedPrivateKeyInfoOwned,
        der::asn1::OctetString,
        pkcs5::pbes2::{EncryptionScheme as Cipher, Parameters, Pbkdf2Params, ScryptParams},
    };
    let file = |kdf: Kdf| {
        let encryption_algorithm = Parameters { kdf, encryption: Cipher::Aes256Cbc { iv: [0; 16] } }.into();
        let encrypted_data = OctetString::new(vec![0; 64]).unwrap();
        let info = EncryptedPrivateKeyInfoOwned { encryption_algorithm, encrypted_data };
        SecretDocument::encode_msg(&info)
            .unwrap()
            .to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)
            .unwrap()
    };
    let scrypt = |cost_parameter, block_size, parallelization| {
        let params = ScryptParams::from_params_and_salt(pkcs8::pkcs5::scrypt::Params::new(4, 8, 1).unwrap(), b"salt");
        let params = ScryptParams { cost_parameter, block_size, parallelization, ..params.unwrap() };
        file(params.into())
    };
    let pbkdf2 = |iteration_count| {
        let params = Pbkdf2Params::hmac_sha256(1, b"salt").unwrap();
        file(Pbkdf2Params { iteration_count, ..params }.into())
    };
    let read = |pem: &str| decrypt(Path::new("key.pem"), pem, ask(WORDS)).map(|key| key.public());
    for (what, pem) in [
        ("no cost", scrypt(0, 8, 1)),
        ("no block", scrypt(16, 0, 1)),
        ("no lane", scrypt(16, 8, 0)),
        ("memory", scrypt(1 << 17, 8, 1)),
        ("all memory", scrypt(1 << 40, 8, 1)),
        ("more than a number holds", scrypt(1 << 63, u16::MAX, u16::MAX)),
        ("work", scrypt(1 << 14, 8, 65)),
        ("iterations", pbkdf2(PBKDF2_LIMIT + 1)),
    ] {
        assert!(matches!(read(&pem), Err(KeyFileError::TooCostly(_))), "{what}");
    }
    for (what, pem) in [("cheap", scrypt(16, 8, 1)), ("few", pbkdf2(1))] {
        assert!(matches!(read(&pem), Err(KeyFileError::WrongPassphrase(_))), "{what}");
    }
    assert!(matches!(read(&scrypt(17, 8, 1)), Err(KeyFileError::Cipher(_))), "no power of two");
}
