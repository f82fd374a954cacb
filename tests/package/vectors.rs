//! The test vectors for other implementers, `tests/vectors/`: made here, and held to be what was made.
//! `VECTORS=write cargo test --test package vectors` writes them.

mod documents;
mod good;
mod keys;
mod members;
mod payloads;
mod pieces;
mod statements;
mod texts;

pub use keys::unused_bits_set;
pub use statements::plus_order;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use communique::{
    domain::id::Digest,
    package::{
        check::Check,
        verdict::Verdict,
        verify::{Verifier, verify},
    },
};
use serde::{Deserialize, Serialize};

use crate::table::{self, Judged};

/// A line of `packages.json`.
#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(deny_unknown_fields)]
struct Package {
    name: String,
    says: String,
    pin: Option<Digest>,
    verdict: String,
    check: Option<String>,
}

/// Most bytes of all vectors together. They differ little from one another: git keeps them in less than a sixth.
const LIMIT: usize = 32 << 20;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A name of lower-case letters, digits and hyphens.
fn slug(words: &str) -> String {
    let plain = |c: char| match c {
        'é' => 'e',
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '-',
    };
    words.chars().map(plain).collect::<String>().split('-').filter(|w| !w.is_empty()).collect::<Vec<_>>().join("-")
}

/// Objects as JSON, one on each line, in ASCII, so that nothing in them is unseen.
fn lines<T: Serialize>(items: &[T]) -> Vec<u8> {
    let items: Vec<_> = items.iter().map(|item| ascii(&serde_json::to_string(item).unwrap())).collect();
    format!("[\n{}\n]\n", items.join(",\n")).into_bytes()
}

fn ascii(json: &str) -> String {
    let mut units = [0; 2];
    let mut escape = |c: char| match c {
        ' '..='~' => c.to_string(),
        _ => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    json.chars().map(&mut escape).collect()
}

/// Every file of the vectors but their README, by path.
fn made() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut index = vec![];
    for Judged { check, what, pin, zip, verdict } in table::judged() {
        let class = check.map_or("foreign".into(), |check| check.id().to_ascii_lowercase());
        let name = format!("{class}--{}", slug(what));
        let expected = if check.is_some() { "failed" } else { "cannot_judge" };
        assert_eq!((verdict.name(), &verdict.to_json()["check"]), (expected, &check.map(|c| c.id()).into()), "{name}");
        assert!(files.insert(format!("packages/{name}.zip"), zip.clone()).is_none(), "{name} twice");
        index.push(Package {
            name,
            says: (*what).into(),
            pin: Some(*pin),
            verdict: expected.into(),
            check: check.map(|check| check.id().into()),
        });
    }
    for good::Made { name, says, pin, zip, verdict } in good::made() {
        let expected = if pin.is_some() { "proven" } else { "unpinned" };
        assert_eq!(verdict.name(), expected, "{name}: {verdict:?}");
        let json = serde_json::to_string_pretty(&verdict.to_json()).unwrap();
        files.insert(format!("packages/{name}.json"), format!("{json}\n").into_bytes());
        assert!(files.insert(format!("packages/{name}.zip"), zip).is_none(), "{name} twice");
        index.push(Package { name, says: says.into(), pin, verdict: expected.into(), check: None });
    }
    index.sort();
    files.insert("packages.json".into(), lines(&index));
    files.insert("documents.json".into(), lines(&documents::made()));
    files.insert("keys.json".into(), lines(&keys::made()));
    files.insert("statements.json".into(), lines(&statements::made()));
    files.insert("texts.json".into(), lines(&texts::made()));
    files
}

/// Every file that is there but the README, by path.
fn there(below: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (folder, prefix) in [(below.to_owned(), ""), (below.join("packages"), "packages/")] {
        for file in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let name = format!("{prefix}{}", file.file_name().into_string().unwrap());
            if file.file_type().unwrap().is_file() && name != "README.md" {
                files.insert(name, fs::read(file.path()).unwrap());
            }
        }
    }
    files
}

#[test]
fn they_are_current_and_judged_as_they_say() {
    let (made, folder) = (made(), folder());
    let there = there(&folder);
    if std::env::var_os("VECTORS").is_some_and(|what| what == "write") {
        fs::create_dir_all(folder.join("packages")).unwrap();
        there
            .keys()
            .filter(|path| !made.contains_key(*path))
            .for_each(|path| fs::remove_file(folder.join(path)).unwrap());
        made.iter().for_each(|(path, bytes)| fs::write(folder.join(path), bytes).unwrap());
    } else {
        let paths: BTreeSet<_> = made.keys().chain(there.keys()).collect();
        let differ: Vec<_> = paths.into_iter().filter(|path| made.get(*path) != there.get(*path)).collect();
        let how = "make them again with `VECTORS=write cargo test --test package vectors` and look at what changed";
        assert!(differ.is_empty(), "these differ, are missing, or are too many: {differ:#?}\n{how}");
    }
    let bytes = made.values().map(Vec::len).sum::<usize>();
    assert!(bytes < LIMIT, "{bytes} bytes are too many to be carried around");
}

#[test]
fn every_check_has_a_package_that_fails_it() {
    let index: Vec<Package> = serde_json::from_slice(&fs::read(folder().join("packages.json")).unwrap()).unwrap();
    let failed: BTreeSet<_> = index.iter().filter_map(|p| p.check.as_deref()).collect();
    let all: BTreeSet<_> = Check::ALL.iter().map(|check| check.id()).collect();
    assert_eq!(failed, all);
    for verdict in ["proven", "unpinned", "failed", "cannot_judge"] {
        assert!(index.iter().any(|p| p.verdict == verdict), "{verdict}");
    }
    assert!(index.is_sorted());
}

/// One verifier may judge many packages, and remembers what they share. What it saw before changes no verdict, in either order.
#[test]
fn what_was_verified_before_changes_no_verdict() {
    let files = there(&folder());
    let packages: Vec<_> = files.iter().filter(|(path, _)| path.ends_with(".zip")).collect();
    assert!(packages.len() > 200);
    let said = |verdict: Verdict| verdict.to_json().to_string();
    let alone: Vec<_> = packages.iter().map(|(_, zip)| said(verify(Cursor::new(zip), None))).collect();
    let together = Verifier::new(None);
    let all: Vec<_> = packages.iter().zip(&alone).collect();
    for ((path, zip), alone) in all.iter().chain(all.iter().rev()).chain(&all) {
        assert_eq!(said(together.verify(Cursor::new(zip))), **alone, "{path}");
    }
}
