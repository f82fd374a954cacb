//! The bag, by the Python package bagit and by sha256sum.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use communique::package::bag;

use super::{judges::python, missing::missing};
use crate::played::{Files, Plan};

/// Writes a bag's files below a folder.
pub fn unpack(files: &Files, folder: &Path) {
    for (path, bytes) in files {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

type Damage = (&'static str, fn(&mut Files));
/// What can happen to a bag on a shelf; the last is what a bare `sha256sum` does not see.
const DAMAGES: [Damage; 10] = [
    ("a text changed", |f| flip(f, "data/texts/fr.txt")),
    ("an annex changed", |f| flip(f, "data/annexes/1.pdf")),
    ("a statement changed", |f| flip(f, &statement(f))),
    ("an entry removed", |f| drop(f.remove("data/entries/0.json").unwrap())),
    ("a text removed", |f| drop(f.remove("data/texts/ar.txt").unwrap())),
    ("bag-info.txt changed", |f| flip(f, "bag-info.txt")),
    ("the certified copy changed", |f| flip(f, bag::CERTIFIED_PATH)),
    ("a proof changed", |f| flip(f, "evidence/0.tlog-proof")),
    ("a list changed", |f| flip(f, "manifest-sha512.txt")),
    ("a file added", |f| drop(f.insert("data/texts/en.txt".into(), b"Another text.\n".to_vec()))),
];

/// Changes the last letter.
fn flip(files: &mut Files, path: &str) {
    let at = files.get_mut(path).unwrap().iter_mut().rfind(|b| b.is_ascii_alphanumeric()).unwrap();
    *at = if *at == b'a' { b'b' } else { b'a' };
}
fn statement(files: &Files) -> String {
    files.keys().find(|p| p.starts_with("data/statements/")).unwrap().clone()
}

/// A bag as it was published, and one for each damage, in folders.
fn shelf() -> (tempfile::TempDir, Vec<&'static str>) {
    let played = Plan::plain().play();
    let shelf = tempfile::tempdir().unwrap();
    let mut names = vec!["as published"];
    unpack(&played.files, &shelf.path().join(names[0]));
    for (name, damage) in DAMAGES {
        let mut files = played.files.clone();
        damage(&mut files);
        unpack(&files, &shelf.path().join(name));
        names.push(name);
    }
    (shelf, names)
}

#[test]
fn bagit_finds_the_bag_valid_and_any_damage() {
    const SCRIPT: &str = "\
import json, sys, bagit

def verdict(folder):
    try:
        bag = bagit.Bag(folder)
        bag.validate()
        return 'valid, BagIt ' + bag.version
    except bagit.BagError as why:
        return type(why).__name__

print(json.dumps({folder: verdict(folder) for folder in sys.argv[1:]}))
";
    let Some(mut python) = python("bagit") else { return };
    let (shelf, names) = shelf();
    let ran = python.args(["-c", SCRIPT]).args(&names).current_dir(shelf.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said: BTreeMap<String, String> = serde_json::from_slice(&ran.stdout).unwrap();
    for name in names {
        let expected = if name == "as published" { "valid, BagIt 1.0" } else { "BagValidationError" };
        assert_eq!(said[name], expected, "{name}");
    }
}

#[test]
fn sha256sum_and_sha512sum_find_the_lists_true_and_any_damage() {
    for (tool, lists) in [
        ("sha256sum", ["manifest-sha256.txt", "tagmanifest-sha256.txt"]),
        ("sha512sum", ["manifest-sha512.txt", "tagmanifest-sha512.txt"]),
    ] {
        if Command::new(tool).arg("--version").output().is_err() {
            return missing(tool, "install Debian's package coreutils");
        }
        let (shelf, names) = shelf();
        for name in names {
            let mut check = Command::new(tool);
            check.args(["--check", "--strict", "--quiet"]).args(lists).current_dir(shelf.path().join(name));
            // A sum of what is listed says nothing of what is not.
            let expected = ["as published", "a file added"].contains(&name);
            assert_eq!(check.output().unwrap().status.success(), expected, "{tool}: {name}");
        }
    }
}
