//! Key files: no cost without bound, and a key that is read is the one that is there.
#![no_main]

use std::{cell::Cell, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use communique::client::keys::keyfile::{
    KeyFileError, PBKDF2_LIMIT, SCRYPT_MEMORY_LIMIT, SCRYPT_WORK_LIMIT, decrypt, plain,
};
use communique::domain::key::{PublicKey, SecretKey, Signer as _};
use communique_fuzz::seeds;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, der::Decode as _, pkcs5::pbes2::Kdf};
use zeroize::Zeroizing;

/// A cheap sample is read: what refused everything would find nothing.
fn begin() {
    seeds::offer("key_file");
    let (path, words) = (Path::new("key.pem"), || Ok(Zeroizing::new("a sample passphrase".to_owned())));
    let ders = seeds::keys().into_iter().filter(|(mode, der)| *mode == 1 && is_cheap(der));
    let read =
        ders.map(|(_, der)| decrypt(path, &wrapped("ENCRYPTED PRIVATE KEY", &der), words).map(|key| key.public()));
    let plain = seeds::keys().into_iter().find(|(mode, _)| *mode == 2).map(|(_, der)| wrapped("PRIVATE KEY", &der));
    let key = plain.map(|pem| plain_key(path, &pem)).expect("a sample");
    let read: Vec<_> = read.collect();
    // The third is by PBKDF2 with SHA-1, which is not offered.
    let good = read.iter().filter(|read| read.as_ref().is_ok_and(|read| *read == key)).count();
    assert_eq!(good, 2, "{read:?}");
}

fn plain_key(path: &Path, pem: &str) -> PublicKey {
    plain(path, pem).expect("the sample is read").public()
}

fn check(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let pem = match mode % 3 {
        0 => String::from_utf8_lossy(data).into_owned(),
        1 => wrapped("ENCRYPTED PRIVATE KEY", data),
        _ => wrapped("PRIVATE KEY", data),
    };
    let path = Path::new("key.pem");
    if let Ok(key) = plain(path, &pem) {
        assert_eq!(Some(key.public()), held(&pem), "another key than the one that is there");
    }
    let asked = Cell::new(false);
    let cheap = mode % 3 == 1 && is_cheap(data);
    let key = decrypt(path, &pem, || {
        asked.set(true);
        assert!(cost(&pem).is_none_or(|cost| cost <= 1), "a passphrase for a file that costs more than it may");
        // Within the limits, and still too long for a fuzzer.
        let words = Zeroizing::new("a sample passphrase".to_owned());
        if cheap { Ok(words) } else { Err(io::ErrorKind::Other.into()) }
    });
    match key {
        Ok(_) | Err(KeyFileError::WrongPassphrase(_)) => assert!(asked.get() && cheap),
        Err(KeyFileError::TooCostly(_)) => assert!(!asked.get() && !cheap),
        Err(_) => {}
    }
}

/// The public half of what RFC 8410, section 7, wraps twice.
fn held(pem: &str) -> Option<PublicKey> {
    let (_, document) = SecretDocument::from_pem(pem).ok()?;
    let info = PrivateKeyInfoRef::from_der(document.as_bytes()).ok()?;
    let seed = info.private_key.as_bytes().strip_prefix(&[4, 32])?.try_into().ok()?;
    Some(SecretKey::from_seed(seed).public())
}

/// What decrypting takes, as a part of what it may.
fn cost(pem: &str) -> Option<u128> {
    let (_, document) = SecretDocument::from_pem(pem).ok()?;
    let info = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes()).ok()?;
    Some(match &info.encryption_algorithm.pbes2()?.kdf {
        Kdf::Scrypt(s) => {
            let memory = 128 * u128::from(s.cost_parameter) * u128::from(s.block_size);
            let work = memory * u128::from(s.parallelization);
            // Of nothing the library takes the logarithm.
            if work == 0 {
                return Some(u128::MAX);
            }
            memory.div_ceil(SCRYPT_MEMORY_LIMIT.into()).max(work.div_ceil(SCRYPT_WORK_LIMIT.into()))
        }
        Kdf::Pbkdf2(p) => u128::from(p.iteration_count).div_ceil(PBKDF2_LIMIT.into()),
        _ => 0,
    })
}

/// Not by the reader's own reckoning.
fn is_cheap(der: &[u8]) -> bool {
    let Ok(info) = EncryptedPrivateKeyInfoRef::from_der(der) else { return false };
    match info.encryption_algorithm.pbes2().map(|pbes2| &pbes2.kdf) {
        Some(Kdf::Scrypt(s)) => {
            let (n, r, p) = (s.cost_parameter, u64::from(s.block_size), u64::from(s.parallelization));
            (1..=64).contains(&n) && (1..=16).contains(&r) && (1..=4).contains(&p)
        }
        Some(Kdf::Pbkdf2(p)) => p.iteration_count <= 256,
        _ => false,
    }
}

fn wrapped(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| check(data));
