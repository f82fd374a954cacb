//! Verifiers of others: what each of them says of statements. Whichever is not installed is left out aloud, and is a
//! failure where `CI` is set.
//!
//! `COMMUNIQUE_TEST_PYTHON` names the Python that has the packages of `tests/foreign/requirements.txt`, `python3` if it is
//! not set; `COMMUNIQUE_TEST_FOREIGN_NODE_MODULES` the `node_modules` made from `tests/foreign/package-lock.json`, that in
//! `tests/foreign` if it is not set.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::missing::missing;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

/// A statement in compact form, and the 32 bytes of the key that it must be by.
#[derive(Clone, Debug)]
pub struct Statement {
    pub jws: String,
    pub key: [u8; 32],
}

impl Statement {
    /// What was signed, and the signature.
    pub fn cut(&self) -> (&[u8], Vec<u8>) {
        let (signed, signature) = self.jws.rsplit_once('.').unwrap();
        (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
    }
    fn to_json(&self) -> Value {
        let jwk = json!({ "crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(self.key) });
        json!({ "jws": self.jws, "jwk": jwk })
    }
}

/// Who judges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judge {
    /// `openssl pkeyutl`, the signature cut out of the statement.
    Openssl,
    /// A package of PyPI.
    Python(&'static str),
    /// A package of npm.
    Node(&'static str),
}

/// What a judge said.
#[derive(Deserialize)]
pub struct Said {
    /// Which version of it.
    pub version: String,
    /// For each statement, why it is refused; `None` if it is accepted.
    pub verdicts: Vec<Option<String>>,
}

impl Judge {
    pub fn name(self) -> &'static str {
        match self {
            Self::Openssl => "openssl",
            Self::Python(name) | Self::Node(name) => name,
        }
    }
    /// What it says of each, or `None` if it is not on this machine.
    pub fn says(self, statements: &[Statement]) -> Option<Said> {
        let said = match self {
            Self::Openssl => openssl(statements),
            Self::Python(name) => python(name)
                .and_then(|mut python| run(python.arg("-B").arg(here().join("judge.py")).arg(name), statements)),
            Self::Node(name) => {
                node(name).and_then(|mut node| run(node.arg(here().join("judge.mjs")).arg(name), statements))
            }
        }?;
        assert_eq!(said.verdicts.len(), statements.len(), "{} leaves statements out", self.name());
        Some(said)
    }
}

/// The folder of the scripts, and of the lists of what they need.
pub fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign"))
}

/// Whether this `openssl` can verify Ed25519 as the README of a package tells.
pub fn has_openssl() -> bool {
    // `-rawin` came with 3.0.
    let there = Command::new("openssl").arg("version").output().is_ok_and(|o| {
        let said = String::from_utf8_lossy(&o.stdout).into_owned();
        o.status.success() && !said.starts_with("OpenSSL 1.") && !said.starts_with("LibreSSL")
    });
    if !there {
        missing("openssl", "install Debian's package openssl, 3.0 or newer");
    }
    there
}

/// The Python that has this package of PyPI, by the name that it goes by there.
pub fn python(package: &str) -> Option<Command> {
    let python = std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let ask = format!("import importlib.metadata; importlib.metadata.version({package:?})");
    if Command::new(&python).args(["-c", &ask]).output().is_ok_and(|there| there.status.success()) {
        return Some(Command::new(python));
    }
    missing(
        &format!("the Python package {package}"),
        "`pip install -r tests/foreign/requirements.txt`, or name a Python in COMMUNIQUE_TEST_PYTHON",
    );
    None
}

fn node(package: &str) -> Option<Command> {
    let modules = std::env::var_os("COMMUNIQUE_TEST_FOREIGN_NODE_MODULES")
        .map_or_else(|| here().join("node_modules"), PathBuf::from);
    let there = Command::new("node").arg("--version").output().is_ok_and(|there| there.status.success());
    if there && modules.join(package).is_dir() {
        let mut node = Command::new("node");
        node.env("NODE_PATH", modules);
        return Some(node);
    }
    missing(
        &format!("the npm package {package}"),
        "node 20 and `npm ci` in tests/foreign, or name a node_modules in COMMUNIQUE_TEST_FOREIGN_NODE_MODULES",
    );
    None
}

fn run(command: &mut Command, statements: &[Statement]) -> Option<Said> {
    let asked = Value::from_iter(statements.iter().map(Statement::to_json));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The scripts read all before they write anything.
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What stands before the 32 bytes of a key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

fn openssl(statements: &[Statement]) -> Option<Said> {
    if !has_openssl() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let verdict = |statement: &Statement| {
        let (signed, signature) = statement.cut();
        fs::write(at("key"), [&SPKI[..], &statement.key].concat()).unwrap();
        fs::write(at("signed"), signed).unwrap();
        fs::write(at("signature"), signature).unwrap();
        let said = Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"])
            .args(["-in", "signed", "-sigfile", "signature"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        (!said.status.success()).then(|| String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned())
    };
    let version = Command::new("openssl").arg("version").output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version).split(' ').nth(1).unwrap().to_owned();
    Some(Said { version, verdicts: statements.iter().map(verdict).collect() })
}
