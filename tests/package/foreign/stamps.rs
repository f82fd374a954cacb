//! A time stamp (RFC 3161) in a package, made and verified by openssl with the command of `docs/FORMAT.md`.

use std::{fs, path::Path, process::Command};

use communique::package::{bag, verdict::Verdict};

use super::{bags::unpack, judges::has_openssl};
use crate::played::Plan;

/// An authority that is a sample, in as few lines as openssl takes.
const AUTHORITY: &str = "[req]\ndistinguished_name=name\n[name]\n[ext]\nbasicConstraints=critical,CA:true\n\
    extendedKeyUsage=critical,timeStamping\n[tsa]\nserial=serial\ndefault_policy=1.2.3.4\ndigests=sha256\nsigner_digest=sha256\n\
    ess_cert_id_alg=sha256\n";

/// Runs a command of these words; whether it succeeded.
fn openssl(folder: &Path, words: &str) -> bool {
    let ran = Command::new("openssl").args(words.split_whitespace()).current_dir(folder).output().unwrap();
    ran.status.success()
}

#[test]
fn openssl_verifies_a_time_stamp_as_the_format_says() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let plain = Plan::cosigned().play();
    let index = plain.published.0;
    fs::write(at("entry.json"), &plain.published.1).unwrap();
    fs::write(at("authority.cnf"), AUTHORITY).unwrap();
    fs::write(at("serial"), "01\n").unwrap();
    for words in [
        "req -new -x509 -config authority.cnf -extensions ext -subj /CN=sample -days 2 -newkey ec \
         -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out root.pem",
        "ts -query -data entry.json -sha256 -cert -out query.tsq",
        "ts -reply -queryfile query.tsq -signer root.pem -inkey key.pem -config authority.cnf -section tsa -out stamp.tsr",
    ] {
        assert!(openssl(folder.path(), words), "{words}");
    }
    let mut plan = Plan::cosigned();
    plan.stamp = Some(fs::read(at("stamp.tsr")).unwrap());
    let stamped = plan.play();
    let verdict = stamped.verify();
    assert!(matches!(verdict, Verdict::Proven(_)), "{verdict:?}");
    assert_eq!(verdict.to_json()["findings"]["timestamp"], true);
    assert!(plain.files.iter().filter(|(path, _)| path.starts_with("data/")).all(|(p, b)| stamped.files[p] == *b));

    let bag = at("bag");
    unpack(&stamped.files, &bag);
    let command = include_str!("../../../docs/FORMAT.md").lines().find(|line| line.starts_with("openssl ts -verify"));
    let command = command.unwrap().replace("<index>", &index.to_string()).replace("<root.pem>", "../root.pem");
    let command = command.replace("<chain.pem>", "../root.pem");
    let words = command.strip_prefix("openssl ").unwrap();
    assert!(openssl(&bag, words), "{command}");
    let entry = bag.join(bag::entry_path(index));
    let mut bytes = fs::read(&entry).unwrap();
    bytes[0] ^= 1;
    fs::write(&entry, bytes).unwrap();
    assert!(!openssl(&bag, words), "another entry");
}
