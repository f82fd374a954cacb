//! What foreign tools make of a package: openssl and coreutils as the README says, the Python package bagit.

use crate::played::{self, Plan, Played, authority};
use communique::{
    domain::{json, key::Signer},
    package::bag,
};

/// Writes a bag's files below a folder, as a person would who unpacks it.
fn unpack(played: &Played, folder: &std::path::Path) {
    for (path, bytes) in &played.files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

/// A foreign tool that a test needs is not there: said aloud on a user's machine, a failure in CI.
fn missing(tool: &str, install: &str) {
    assert!(std::env::var_os("CI").is_none(), "{tool} is missing: {install}");
    // Not by a print macro: the test runner keeps what these print to itself when a test passes.
    let said = format!("SKIPPED: {tool} is missing; {install}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
}

/// The Python that has the packages: CI says which.
fn python() -> String {
    std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into())
}

#[test]
fn the_readme_tells_commands_that_work() {
    let have = |tool: &str| std::process::Command::new(tool).arg("version").output().is_ok_and(|o| o.status.success());
    if !have("openssl") {
        return missing("openssl", "install Debian's package openssl");
    }
    let commands: String =
        bag::README.lines().filter_map(|l| l.strip_prefix("    ")).map(|l| format!("{l}\n")).collect();
    assert_eq!(commands.matches('#').count(), 6, "five commands, and the one `#` of the shell:\n{commands}");
    let played = Plan::plain().play();
    let folder = tempfile::tempdir().unwrap();
    unpack(&played, folder.path());
    let run = |file: &str, seed: played::Seed| {
        let public = Signer::public(&played::key(seed)).to_bytes();
        std::process::Command::new("sh")
            .args(["-ec", &commands])
            .env("F", file)
            .env("X", json::base64(&public))
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let right = run(bag::CERTIFIED_PATH, played::DEPOSITARY);
    let said = String::from_utf8_lossy(&right.stdout).into_owned();
    assert!(right.status.success(), "{said}\n{}", String::from_utf8_lossy(&right.stderr));
    for expected in [
        "Signature Verified Successfully",
        "data/communique.json: OK",
        "evidence/certified-copy.jws: OK",
        &played.charter.digest().to_string(),
        r#""typ":"communique.v1.certified-copy""#,
        &format!(r#""manifest":"{}""#, played.manifest.digest()),
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(!run(bag::CERTIFIED_PATH, played::authority(0)).status.success(), "another key");
    let statements = played.files.keys().filter(|p| p.starts_with("data/statements/"));
    let by_authority = statements.filter(|p| run(p, authority(0)).status.success()).count();
    assert_eq!(by_authority, 3, "one adoption and two full powers of the first party");
    std::fs::write(folder.path().join("data/texts/fr.txt"), "Autre texte.\n").unwrap();
    assert!(!run(bag::CERTIFIED_PATH, played::DEPOSITARY).status.success(), "an altered text");
}

#[test]
fn bagit_finds_the_bag_valid() {
    let python = python();
    let python = |args: &[&str]| std::process::Command::new(&python).args(args).output();
    if !python(&["-c", "import bagit"]).is_ok_and(|o| o.status.success()) {
        return missing("the Python package bagit", "`pip install bagit`");
    }
    let played = Plan::plain().play();
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("package.zip");
    std::fs::write(&zip, &played.zip).unwrap();
    let script = "import sys, zipfile, bagit\n\
                  zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])\n\
                  bag = bagit.Bag(sys.argv[2] + '/' + sys.argv[3])\n\
                  bag.validate()\n\
                  print(bag.version, bag.info['Payload-Oxum'])";
    let out = folder.path().join("out");
    let name = bag::folder(played.manifest.communique);
    let ran = python(&["-c", script, zip.to_str().unwrap(), out.to_str().unwrap(), &name]).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("1.0 "));
    std::fs::write(out.join(&name).join("data/texts/fr.txt"), "Autre texte.\n").unwrap();
    let script = "import sys, bagit; bagit.Bag(sys.argv[1]).validate()";
    assert!(!python(&["-c", script, out.join(&name).to_str().unwrap()]).unwrap().status.success());
}
