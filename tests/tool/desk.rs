//! A desk to work at: a directory of its own, the two programs, and what they answered.

use std::{fs, path::PathBuf, process::Output};

use assert_cmd::Command;
use serde_json::Value;

/// The passphrase of every key here.
pub const WORDS: &str = "a sample passphrase\n";

/// A directory in which commands run.
pub struct Desk(pub tempfile::TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin(program));
        command.current_dir(self.0.path()).env_remove("COMMUNIQUE_PROFILE").env_remove("COLUMNS");
        for name in ["XDG_STATE_HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        // English, whatever this machine speaks.
        command.env("LC_ALL", "C").env_remove("LC_MESSAGES").env_remove("LANG");
        // Keys outside files are those of this desk alone.
        command.env_remove("COMMUNIQUE_PKCS11_MODULE").env("SOFTHSM2_CONF", self.path("softhsm2.conf"));
        if self.path("agent.sock").exists() {
            command.env("SSH_AUTH_SOCK", self.path("agent.sock"));
        } else {
            command.env_remove("SSH_AUTH_SOCK");
        }
        command.env("HOME", self.0.path()).env("XDG_CONFIG_HOME", self.0.path().join("config"));
        command
    }
    /// Runs `communique` with arguments that hold no spaces.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(&line.split_whitespace().collect::<Vec<_>>(), "")
    }
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let line = args.join(" ");
        let Output { status, stdout, stderr } =
            self.program("communique").args(args).write_stdin(input).output().unwrap();
        Ran {
            line,
            code: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }
    /// Runs a command that reads a passphrase from its standard input.
    pub fn sign(&self, line: &str) -> Ran {
        let args: Vec<_> = line.split_whitespace().chain(["--passphrase-fd", "0"]).collect();
        self.run_with(&args, WORDS)
    }
    pub fn key(&self, name: &str) {
        self.sign(&format!("key new --out {name}")).ends(0);
    }
    /// Two parties' keys and descriptions, and a charter of theirs.
    pub fn charter(&self) {
        let host =
            self.program("communiqued").args(["init", "host", "--exchange", "exchange.example"]).output().unwrap();
        assert!(host.status.success(), "{host:?}");
        for party in ["north", "south"] {
            self.key(&format!("{party}.pem"));
            self.party(party, &format!("{party}.pem"), &format!("{party}.json"));
        }
        let draft = "charter draft --host host/host.json --party north.json south.json --out charter.json";
        self.run(draft).ends(0);
    }
    /// A party's description with this authority key.
    pub fn party(&self, party: &str, key: &str, file: &str) {
        let name = format!("fr=Partie d’essai {party}");
        let (key, domain) = (format!("{key}.jwk"), format!("mfa.{party}.example"));
        let args = ["charter", "party", "--id", party, "--name", &name, "--trust-domain", &domain];
        let args = [&args[..], &["--authority-key", &key, "--out", file]].concat();
        self.run_with(&args, "").ends(0);
    }
}

pub struct Ran {
    pub line: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.line, self.out, self.err);
        self
    }
    #[track_caller]
    pub fn tells(self, words: &str) -> Self {
        assert!(self.err.contains(words), "{}: no {words:?} in {:?}", self.line, self.err);
        self
    }
    #[track_caller]
    pub fn prints(self, words: &str) -> Self {
        assert!(self.out.contains(words), "{}: no {words:?} in {:?}", self.line, self.out);
        self
    }
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{}: {e}: {}", self.line, self.out))
    }
}

/// A moment as English tells it to people.
pub fn told(moment: &str) -> String {
    communique::language::Language::English.moment(communique::domain::time::Time::parse(moment).unwrap())
}
