//! A sample authority that stamps with the time (RFC 3161), and what is asked of its stamps in a package: both are openssl, the
//! question the command of `docs/FORMAT.md`.

use std::{fs, path::Path, process::Command};

use super::judges::has_openssl;

/// In as few lines as openssl takes.
const SETTINGS: &str = "[req]\ndistinguished_name=name\n[name]\n[ext]\nbasicConstraints=critical,CA:true\n\
    extendedKeyUsage=critical,timeStamping\n[tsa]\nserial=serial\ndefault_policy=1.2.3.4\ndigests=sha256\nsigner_digest=sha256\n\
    ess_cert_id_alg=sha256\n";

/// The authority: its folder, with its key and its certificate, which is its root too.
pub struct Authority(tempfile::TempDir);

impl Authority {
    /// One with a new key; `None` if openssl is missing, which is then said.
    pub fn new() -> Option<Self> {
        if !has_openssl() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("settings"), SETTINGS).unwrap();
        fs::write(folder.path().join("serial"), "01\n").unwrap();
        let made = "req -new -x509 -config settings -extensions ext -subj /CN=sample -days 2 -newkey ec \
            -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out root.pem";
        assert!(openssl(folder.path(), made), "{made}");
        Some(Self(folder))
    }
    /// What it answers to a question, both in DER.
    pub fn reply(&self, question: &[u8]) -> Vec<u8> {
        fs::write(self.0.path().join("query.tsq"), question).unwrap();
        let words = "ts -reply -queryfile query.tsq -signer root.pem -inkey key.pem -config settings -section tsa -out stamp.tsr";
        assert!(openssl(self.0.path(), words), "{words}");
        fs::read(self.0.path().join("stamp.tsr")).unwrap()
    }
    /// Whether openssl, with the command of the page and this authority's root, finds the stamp in an unpacked package to be one
    /// of the `published` entry, whose index this is.
    pub fn agrees(&self, bag: &Path, index: u64) -> bool {
        let page = include_str!("../../docs/FORMAT.md");
        let command =
            page.lines().find_map(|line| line.strip_prefix("openssl ").filter(|rest| rest.starts_with("ts -verify")));
        let root = self.0.path().join("root.pem");
        let command = command.unwrap().replace("<index>", &index.to_string());
        let command =
            ["<root.pem>", "<chain.pem>"].iter().fold(command, |c, name| c.replace(name, root.to_str().unwrap()));
        openssl(bag, &command)
    }
}

/// Runs a command of these words; whether it succeeded.
pub fn openssl(folder: &Path, words: &str) -> bool {
    let ran = Command::new("openssl").args(words.split_whitespace()).current_dir(folder).output().unwrap();
    ran.status.success()
}
