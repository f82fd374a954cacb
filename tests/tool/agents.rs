//! Keys in an ssh-agent, with OpenSSH's own.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use crate::{
    desk::{Desk, Ran},
    job,
    missing::missing,
};

/// An agent of this desk's own, ended with the test.
struct Agent<'a> {
    desk: &'a Desk,
    child: Child,
}

impl<'a> Agent<'a> {
    /// `None` if this machine has no OpenSSH.
    fn at(desk: &'a Desk) -> Option<Self> {
        let child = Command::new("ssh-agent")
            .args(["-D", "-a", "agent.sock"])
            .current_dir(desk.0.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            missing("ssh-agent", "install Debian's package openssh-client");
            return None;
        };
        let begun = std::time::Instant::now();
        while !desk.path("agent.sock").exists() {
            assert!(begun.elapsed().as_secs() < 60, "no agent came up");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(Self { desk, child })
    }
    fn ssh(&self, program: &str, args: &[&str]) -> String {
        let ran = Command::new(program)
            .args(args)
            .current_dir(self.desk.0.path())
            .env("SSH_AUTH_SOCK", self.desk.path("agent.sock"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{program} {args:?}: {ran:?}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }
    /// Makes a key with `ssh-keygen` and loads it.
    fn load(&self, kind: &str, file: &str, comment: &str) {
        self.ssh("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", comment, "-f", file]);
        self.ssh("ssh-add", &["-q", file]);
    }
}
impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(desk: &Desk, args: &[&str]) -> Ran {
    desk.run_with(args, "")
}

#[test]
fn a_key_in_an_agent_signs_an_act() {
    let (desk, _served) = job::exchange();
    let Some(agent) = Agent::at(&desk) else { return };
    agent.load("ed25519", "id", "a sample");
    run(&desk, &["key", "show", "ssh-agent:id.pub", "--out", "north-b.sample.pem.jwk"]).ends(0).prints("thumbprint");
    job::grant(&desk, "north", "b.sample", "charter.json").ends(0);
    let digest = agent.ssh("ssh-keygen", &["-lf", "id.pub"]).split(' ').nth(1).unwrap().to_owned();
    let profile = |name: &str| {
        let key = format!("ssh-agent:{name}");
        desk.write("north-agent.toml", desk.read("north-official.toml").replace("north-holder.pem", &key));
    };
    profile("id.pub");
    job::draft(&desk, "draft.toml", "Texte d’essai.\n");
    let new = ["new", "draft.toml", "--yes", "--json", "--profile", "north-agent.toml"];
    let proposed = run(&desk, &new).ends(0).json();
    let id = proposed["communique"].as_str().unwrap().to_owned();
    job::reader(&desk, "south", &format!("show {id}")).ends(0).prints("B. Essai");
    for name in [&digest, "a sample", ""] {
        profile(name);
        run(&desk, &["doctor", "--profile", "north-agent.toml"]).prints("signing key");
        job::draft(&desk, "draft.toml", &format!("Texte d’essai « {name} ».\n"));
        run(&desk, &["revise", &id, "draft.toml", "--yes", "--profile", "north-agent.toml"]).ends(0);
    }

    // The key is taken out of the agent; the agent locks; the agent is gone.
    let initial = ["initial", &id, "--yes", "--profile", "north-agent.toml"];
    profile(&digest);
    agent.ssh("ssh-add", &["-q", "-d", "id"]);
    run(&desk, &initial).ends(1).tells("has no key").tells("ssh-add");
    drop(agent);
    run(&desk, &initial).ends(1).tells("cannot be reached");
    fs::remove_file(desk.path("agent.sock")).unwrap();
    run(&desk, &initial).ends(1).tells("SSH_AUTH_SOCK is not set");
    let seen = job::reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    assert!(seen["acts"].as_array().unwrap().iter().all(|act| act["statement"]["act"] != "initial"));
}

#[test]
fn only_plain_ed25519_keys_are_taken() {
    let desk = Desk::new();
    let Some(agent) = Agent::at(&desk) else { return };
    run(&desk, &["key", "show", "ssh-agent:"]).ends(1).tells("It has: none");
    agent.load("rsa", "rsa", "an RSA key");
    agent.load("ecdsa", "ecdsa", "a key of P-256");
    for comment in ["an RSA key", "a key of P-256"] {
        let refused = run(&desk, &["key", "show", &format!("ssh-agent:{comment}")]).ends(1);
        refused.tells("only a plain ssh-ed25519 key");
    }
    run(&desk, &["key", "show", "ssh-agent:rsa.pub"]).ends(1).tells("ssh-rsa");
    run(&desk, &["key", "show", "ssh-agent:"]).ends(1).tells("has no key");
    run(&desk, &["key", "list", "ssh-agent:"]).ends(0).prints("No Ed25519 key");
    for (file, comment) in [("one", "same"), ("two", "same")] {
        agent.load("ed25519", file, comment);
    }
    run(&desk, &["key", "show", "ssh-agent:same"]).ends(1).tells("2 keys").tells("SHA256:");
    run(&desk, &["key", "show", "ssh-agent:absent"]).ends(1).tells("has no key").tells("“same”");
    let listed = run(&desk, &["key", "list", "--json"]).ends(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2);
    assert_eq!(listed["keys"][0]["comment"], "same");
    run(&desk, &["key", "new", "--out", "ssh-agent:"]).ends(64).tells("ssh-add");
    run(&desk, &["key", "backup", "ssh-agent:", "--out", "page"]).ends(1).tells("gives no key away");
    // A certificate of ssh is no key.
    agent.ssh("ssh-keygen", &["-q", "-s", "rsa", "-I", "sample", "-n", "sample", "one.pub"]);
    agent.ssh("ssh-add", &["-q", "one"]);
    run(&desk, &["key", "show", "ssh-agent:one-cert.pub"]).ends(1).tells("ssh-ed25519-cert");
    run(&desk, &["key", "show", "ssh-agent:one.pub"]).ends(0);
}
