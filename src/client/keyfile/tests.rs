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
