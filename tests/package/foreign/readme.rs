//! An archivist who has nothing but a package, a fingerprint and Debian's tools: the steps of the package's README, with its
//! commands as they stand there, for good packages and for bad ones whose lists were all made anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use communique::{
    domain::{act::ActKind, json},
    package::bag,
};
use serde_json::Value;

use super::{judges::has_openssl, missing::missing};
use crate::{
    outcome,
    played::{self, Files, Plan, Played, Turn, authority},
};

/// The tools that the README asks for, beside openssl.
const TOOLS: [&str; 6] = ["base64", "cut", "grep", "mktemp", "sha256sum", "tr"];

/// A folder with a package's zip in it, unpacked, and a folder of links to the tools: all that commands find.
struct Desk {
    root: tempfile::TempDir,
}

impl Desk {
    /// `None` if this machine lacks a tool.
    fn new() -> Option<Self> {
        if !has_openssl() {
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tools")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS.iter().chain(&["openssl", "sh", "unzip"]) {
            let Some(there) = std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|file| file.is_file()) else {
                missing(tool, "install Debian's packages coreutils, grep, openssl and unzip");
                return None;
            };
            std::os::unix::fs::symlink(there, root.path().join("tools").join(tool)).unwrap();
        }
        Some(Self { root })
    }
    fn command(&self, tool: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.root.path().join("tools").join(tool));
        command.env_clear().env("PATH", self.root.path().join("tools")).env("TMPDIR", self.root.path());
        command.current_dir(folder);
        command
    }
    /// The one folder that is in this zip, unpacked beside nothing.
    fn unpack(&self, name: &str, zip: &[u8]) -> PathBuf {
        let folder = self.root.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("package.zip"), zip).unwrap();
        let ran = self.command("unzip", &folder).args(["-q", "package.zip"]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        fs::remove_file(folder.join("package.zip")).unwrap();
        let mut inside = fs::read_dir(&folder).unwrap();
        inside.next().unwrap().unwrap().path()
    }
}

/// The commands of a README: what is indented, cut at the lines `# 1` to `# 5`.
fn commands(readme: &str) -> [String; 5] {
    let all: String = readme.lines().filter_map(|l| l.strip_prefix("    ")).map(|l| format!("{l}\n")).collect();
    let mut parts = (1..=5).map(|n| {
        let (_, from) = all.split_once(&format!("# {n}\n")).unwrap();
        from.split(&format!("# {}\n", n + 1)).next().unwrap().to_owned()
    });
    std::array::from_fn(|_| parts.next().unwrap())
}

/// A statement as command 3 shows it.
struct Read {
    typ: String,
    claims: Value,
}

/// A bag on the desk.
struct Hand<'a> {
    desk: &'a Desk,
    folder: PathBuf,
    commands: [String; 5],
    manifest: Value,
    /// Version, fingerprint, charter.
    charters: Vec<(u64, String, Value)>,
    completed: (u64, Value),
    statements: BTreeMap<String, Read>,
}

/// The number of the step that finds fault.
type Step = u8;

fn ensure(holds: bool, step: Step) -> Result<(), Step> {
    if holds { Ok(()) } else { Err(step) }
}

impl<'a> Hand<'a> {
    /// Steps 1 and 2 as far as they only read.
    fn open(desk: &'a Desk, folder: PathBuf) -> Result<Self, Step> {
        let text = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
        let parsed = |path: &str| serde_json::from_str::<Value>(&text(path)).unwrap();
        let commands = commands(&text(bag::README_PATH));
        let mut hand = Self {
            desk,
            commands,
            manifest: parsed("data/communique.json"),
            charters: vec![],
            completed: (0, Value::Null),
            statements: BTreeMap::new(),
            folder: folder.clone(),
        };
        hand.run(&[1], "", "").map_err(|_| 1)?;
        let shown = hand.run(&[2], "", "").map_err(|_| 2_u8)?;
        let mut lines: Vec<_> = shown.lines().collect();
        let completed = lines.pop().unwrap();
        for line in lines {
            let (digest, path) = line.split_once("  ").unwrap();
            match path.strip_prefix("data/charters/").and_then(|p| p.strip_suffix(".json")) {
                Some(version) => hand.charters.push((version.parse().unwrap(), digest.to_owned(), parsed(path))),
                None => hand.manifest["digest"] = digest.into(),
            }
        }
        hand.charters.sort_by_key(|c| c.0);
        let number = Path::new(completed).file_stem().unwrap().to_str().unwrap().parse().unwrap();
        hand.completed = (number, parsed(completed));
        for file in fs::read_dir(folder.join("data/statements")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".jws").unwrap();
            let shown = hand.run(&[3], &statement(name), "").map_err(|_| 4_u8)?;
            let lines: Vec<_> = shown.lines().collect();
            ensure(lines[0].split(' ').next() == Some(name), 4)?;
            let [header, claims] = [1, 2].map(|n| serde_json::from_str::<Value>(lines[n]).unwrap());
            let typ = header["typ"].as_str().unwrap().trim_start_matches("communique.v1.").to_owned();
            hand.statements.insert(name.to_owned(), Read { typ, claims });
        }
        Ok(hand)
    }
    fn run(&self, numbers: &[usize], file: &str, key: &str) -> Result<String, String> {
        let script: String = numbers.iter().map(|n| self.commands[n - 1].as_str()).collect();
        let mut sh = self.desk.command("sh", &self.folder);
        let ran = sh.args(["-ec", &script]).env("F", file).env("X", key).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        if ran.status.success() { Ok(said) } else { Err(format!("{said}{}", String::from_utf8_lossy(&ran.stderr))) }
    }
    fn verifies(&self, file: &str, key: &Value) -> bool {
        let key = key["x"].as_str().unwrap();
        self.run(&[3, 4, 5], file, key).is_ok_and(|said| said.ends_with("Signature Verified Successfully\n"))
    }
    /// The charter of this fingerprint.
    fn charter(&self, fingerprint: &Value) -> Option<&(u64, String, Value)> {
        self.charters.iter().find(|c| fingerprint == c.1.as_str())
    }
    /// Steps 2 to 6.
    fn check(&self, pin: &str) -> Result<(), Step> {
        let charter = self.charter(&self.manifest["charter"]).ok_or(2_u8)?;
        self.pinned(charter.0, pin)?;
        self.texts()?;
        for party in self.manifest["parties"].as_array().unwrap() {
            let of = |c: &(u64, String, Value)| parties(&c.2).find(|p| p["id"] == *party).cloned();
            self.party(&of(charter).ok_or(4_u8)?)?;
        }
        let last = &self.charters.last().unwrap().2;
        ensure(self.verifies(bag::CERTIFIED_PATH, &last["depositary"]), 5)?;
        if self.folder.join("data/rectifies").is_dir() {
            let mut files = fs::read_dir(self.folder.join("data/rectifies")).unwrap();
            let zip = fs::read(files.next().unwrap().unwrap().path()).unwrap();
            let below = format!("{} below", self.folder.file_name().unwrap().to_str().unwrap());
            let original = Hand::open(self.desk, self.desk.unpack(&below, &zip)).map_err(|_| 6_u8)?;
            original.check(pin).map_err(|_| 6_u8)?;
            ensure(original.manifest["digest"] == self.manifest["rectifies"]["manifest"], 6)?;
        }
        Ok(())
    }
    /// Step 2: from the version whose fingerprint is known to this one.
    fn pinned(&self, version: u64, pin: &str) -> Result<(), Step> {
        let (known, ..) = self.charters.iter().find(|c| c.1 == pin).ok_or(2_u8)?;
        for pair in self.charters.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if (version..*known).contains(&before.0) {
                ensure(after.2["previous"] == before.1.as_str(), 2)?;
            }
            if !(*known..version).contains(&before.0) {
                continue;
            }
            let consents = |party: &&Value| {
                let adoption = |(_, s): &(&String, &Read)| {
                    s.typ == "adoption" && s.claims["charter"] == after.1.as_str() && s.claims["party"] == party["id"]
                };
                let mut adoptions = self.statements.iter().filter(adoption);
                adoptions.any(|(name, _)| self.verifies(&statement(name), &party["authority"]))
            };
            let missing = parties(&before.2).filter(|p| !consents(p)).count();
            ensure(missing <= usize::from(before.2["succession"] == "all_but_one"), 2)?;
        }
        Ok(())
    }
    /// Step 3.
    fn texts(&self) -> Result<(), Step> {
        let list = fs::read_to_string(self.folder.join("manifest-sha256.txt")).unwrap();
        let listed = |path: &str, digest: &Value| {
            list.lines().any(|l| l.split_once("  ") == Some((digest.as_str().unwrap(), path)))
        };
        for text in self.manifest["texts"].as_array().unwrap() {
            let path = format!("data/texts/{}.txt", text["lang"].as_str().unwrap());
            ensure(listed(&path, &text["sha256"]), 3)?;
        }
        for (n, annex) in self.manifest["annexes"].as_array().unwrap().iter().enumerate() {
            ensure(listed(&format!("data/annexes/{}.pdf", n + 1), &annex["sha256"]), 3)?;
        }
        Ok(())
    }
    /// Steps 4 and 5, for one party of the charter.
    fn party(&self, party: &Value) -> Result<(), Step> {
        let listed: Vec<&str> =
            self.completed.1["statements"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        let mut holders = BTreeSet::new();
        for name in &listed {
            let act = self.statements.get(*name).ok_or(4_u8)?;
            if act.claims["party"] != party["id"] || act.claims["act"] == "confirm" {
                continue;
            }
            let mut holder = self.act(name, act, party)?;
            if act.claims["act"] == "sign_ad_referendum" {
                let confirms = |n: &&&str| self.statements.get(**n).is_some_and(|s| s.claims["confirms"] == **name);
                let confirm = listed.iter().find(confirms).ok_or(4_u8)?;
                self.act(confirm, &self.statements[*confirm], party)?;
            } else if act.claims["act"] != "sign" {
                holder.clear();
            }
            holders.insert(holder);
        }
        let quorum = usize::try_from(party["quorum"].as_u64().unwrap()).unwrap();
        ensure(holders.iter().filter(|h| !h.is_empty()).count() >= quorum, 4)
    }
    /// One act and its full powers; who holds these.
    fn act(&self, name: &str, act: &Read, party: &Value) -> Result<String, Step> {
        let members = [
            ("party", &party["id"]),
            ("manifest", &self.manifest["digest"]),
            ("founding", &Value::from(self.charters[0].1.as_str())),
        ];
        ensure(act.typ == "act" && members.iter().all(|(member, value)| act.claims[*member] == **value), 4)?;
        let grant = act.claims["grant"].as_str().unwrap();
        let powers = self.statements.get(grant).ok_or(5_u8)?;
        ensure(self.verifies(&statement(name), &powers.claims["key"]), 4)?;
        let same = ["party", "founding"].iter().all(|member| powers.claims[*member] == act.claims[*member]);
        let has =
            |member: &str, value: &Value| powers.claims[member].as_array().is_none_or(|listed| listed.contains(value));
        let time = |value: &Value| value.as_str().unwrap().to_owned();
        let held = (time(&powers.claims["not_before"])..=time(&powers.claims["not_after"]))
            .contains(&time(&act.claims["time"]));
        ensure(same && held && has("acts", &act.claims["act"]) && has("scope", &self.manifest["communique"]), 5)?;
        for (revocation, _) in
            self.statements.iter().filter(|(_, s)| s.typ == "revocation" && s.claims["grant"] == grant)
        {
            let entry = fs::read_dir(self.folder.join("data/entries")).unwrap().map(|f| f.unwrap().path());
            let mut naming = entry.filter(|f| fs::read_to_string(f).unwrap().contains(revocation));
            let number: u64 = naming.next().unwrap().file_stem().unwrap().to_str().unwrap().parse().unwrap();
            ensure(number > self.completed.0, 5)?;
        }
        ensure(powers.typ == "powers" && self.verifies(&statement(grant), &party["authority"]), 5)?;
        Ok(powers.claims["holder"]["id"].as_str().unwrap().to_owned())
    }
}

fn statement(name: &str) -> String {
    format!("data/statements/{name}.jws")
}
fn parties(charter: &Value) -> impl Iterator<Item = &Value> {
    charter["parties"].as_array().unwrap().iter()
}

/// The step at which checking by hand ends, if it does.
fn by_hand(desk: &Desk, name: &str, zip: &[u8], pin: &str) -> Result<(), Step> {
    let folder = desk.unpack(name, zip);
    Hand::open(desk, folder).and_then(|hand| hand.check(pin))
}

fn pin(played: &Played) -> String {
    played.charter.digest().to_string()
}

#[test]
fn the_readme_names_the_tools_that_its_commands_need() {
    for section in bag::README.split("\n\n\n").skip(1).take(4) {
        for tool in TOOLS.iter().chain(&["OpenSSL"]) {
            assert!(section.contains(tool), "{tool} is not in\n{section}");
        }
        let steps: Vec<_> = section.lines().filter_map(|l| l.split_once(". ")).map(|(n, _)| n).collect();
        assert!(["1", "2", "3", "4", "5", "6"].iter().all(|n| steps.contains(n)), "{steps:?}");
        for member in ["acts", "authority", "charter", "confirm", "depositary", "founding", "grant", "key", "manifest"]
        {
            assert!(section.contains(member), "{member} is not in\n{section}");
        }
    }
}

#[test]
fn good_packages_pass_all_steps_of_the_readme() {
    let Some(desk) = Desk::new() else { return };
    let original = Plan::declarations().play();
    let fingerprint = pin(&original);
    for (name, played) in [
        ("plain", Plan::plain().play()),
        ("substitution", Plan::substitution().play()),
        ("ad referendum", Plan::ad_referendum().play()),
        ("rectification", Plan::correcting(original).play()),
    ] {
        assert_eq!(outcome(&played), "proven: Null", "{name}");
        assert_eq!(pin(&played), fingerprint, "one charter for all");
        assert_eq!(by_hand(&desk, name, &played.zip, &fingerprint), Ok(()), "{name}");
    }
    let succession = Plan::succession().play();
    assert_eq!(outcome(&succession), "proven: Null");
    let hand = Hand::open(&desk, desk.unpack("succession", &succession.zip)).unwrap();
    for (version, fingerprint, _) in &hand.charters {
        assert_eq!(hand.check(fingerprint), Ok(()), "by version {version}");
    }
    assert_eq!(hand.check(&fingerprint), Err(2), "by a charter of others");
}

#[test]
fn every_kind_of_statement_is_verified_by_its_key_alone() {
    let Some(desk) = Desk::new() else { return };
    let played = Plan::substitution().play();
    let hand = Hand::open(&desk, desk.unpack("substitution", &played.zip)).unwrap();
    let charter = &hand.charters[0].2;
    let authority = |party: &Value| parties(charter).find(|p| p["id"] == *party).unwrap()["authority"].clone();
    let mut seen = BTreeSet::new();
    for (name, read) in &hand.statements {
        let right = match read.claims["grant"].as_str() {
            Some(grant) if read.typ == "act" => hand.statements[grant].claims["key"].clone(),
            _ => authority(&read.claims["party"]),
        };
        assert!(hand.verifies(&statement(name), &right), "{} {name}", read.typ);
        assert!(!hand.verifies(&statement(name), &charter["depositary"]), "{} {name}", read.typ);
        seen.insert(read.typ.as_str());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["act", "adoption", "powers", "revocation"]);
    assert!(hand.verifies(bag::CERTIFIED_PATH, &charter["depositary"]));
    let said = hand.run(&[3], bag::CERTIFIED_PATH, "").unwrap();
    assert!(said.contains(r#""typ":"communique.v1.certified-copy""#), "{said}");
    assert!(said.contains(&format!(r#""manifest":"{}""#, played.manifest.digest())), "{said}");

    // What is decoded moves no cursor and clears no screen, and tells of no second line.
    let hostile = json::base64(b"{\"a\":\"\x1b[2J\x1b]0;title\x07\r\nSignature Verified Successfully\x7f\"}");
    fs::write(hand.folder.join("hostile.jws"), format!("{hostile}.{hostile}.")).unwrap();
    let said = hand.run(&[3], "hostile.jws", "").unwrap();
    assert_eq!(said.lines().count(), 3, "{said:?}");
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
}

#[test]
fn each_step_of_the_readme_finds_its_fault() {
    let Some(desk) = Desk::new() else { return };
    let fault = |name: &str, plan: &Plan, pin: &str| by_hand(&desk, name, &plan.play().zip, pin);
    let good = Plan::plain().play();
    let pinned = pin(&good);

    type Break = fn(&mut Plan);
    let faults: [(Step, &str, Break); 16] = [
        (1, "a text changed", |p| p.bag = Box::new(|f| append(f, "data/texts/fr.txt", b"Autre.\n"))),
        (1, "an annex taken away", |p| p.archive = Box::new(|files| files.retain(|(n, _)| !n.ends_with("1.pdf")))),
        (1, "a list changed", |p| p.bag = Box::new(|f| append(f, "manifest-sha512.txt", b"\n"))),
        (2, "another charter", |p| {
            let first = std::mem::replace(&mut p.charter, Box::new(|_| ()));
            p.charter = Box::new(move |c| {
                first(c);
                c.witnesses = 1;
            });
        }),
        (3, "a text changed, with new lists", |p| p.after = Box::new(|f| append(f, "data/texts/fr.txt", b"Autre.\n"))),
        (3, "an annex changed, with new lists", |p| p.after = Box::new(|f| append(f, "data/annexes/1.pdf", b"\n"))),
        (4, "the manifest changed, with new lists", |p| {
            p.after = Box::new(|f| replace(f, "data/communique.json", "political", "binding"));
        }),
        (4, "a signature missing", |p| p.without(Turn::Act(ActKind::Sign, 1, 1))),
        (4, "one holder twice", |p| {
            let at = p.position(Turn::Act(ActKind::Sign, 1, 1));
            p.script[at] = Turn::Act(ActKind::Sign, 1, 0);
        }),
        (4, "signed by another key", |p| {
            p.signer = Box::new(|kind, party, holder| (kind == "act" && (party, holder) == (1, 1)).then_some(99));
        }),
        (4, "a statement that is not what its name says", |p| {
            p.after = Box::new(|f| {
                let path = f.keys().rfind(|k| k.starts_with("data/statements/")).unwrap().clone();
                append(f, &path, b".");
            });
        }),
        (5, "full powers by another authority", |p| {
            p.signer = Box::new(|kind, party, _| (kind == "powers" && party == 1).then_some(authority(0)));
        }),
        (5, "full powers of one party, used by another", |p| {
            p.powers = Box::new(|powers| powers.party = played::party(0));
            p.signer = Box::new(|kind, _, _| (kind == "powers").then_some(authority(0)));
        }),
        (5, "full powers that do not cover the act", |p| {
            p.powers = Box::new(|powers| powers.acts.retain(|act| *act != ActKind::Sign));
        }),
        (5, "full powers that had ended", |p| {
            p.powers = Box::new(|powers| powers.not_after = played::start());
        }),
        (5, "a certified copy by another", |p| {
            p.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(99));
        }),
    ];
    for (step, name, spoil) in faults {
        let mut plan = Plan::plain();
        spoil(&mut plan);
        assert_eq!(fault(name, &plan, &pinned), Err(step), "{name}");
    }

    let mut early = Plan::plain();
    early.insert_before(Turn::Completed, Turn::Revoke(0, 0));
    assert_eq!(fault("revoked in time", &early, &pinned), Err(4), "one seat less");
    let mut forged = Plan::correcting(good.clone());
    forged.after = Box::new(move |f| {
        let path = bag::original_path(played::id(0));
        f.insert(path, Plan::released().play().zip);
    });
    assert_eq!(fault("another original", &forged, &pinned), Err(6));
    let mut usurped = Plan::succession();
    usurped.signer = Box::new(|kind, party, _| (kind == "adoption" && party == 2).then_some(99));
    let founding = pin(&usurped.play());
    assert_eq!(fault("a charter that not all adopted", &usurped, &founding), Err(2));
}

fn append(files: &mut Files, path: &str, bytes: &[u8]) {
    files.get_mut(path).unwrap().extend_from_slice(bytes);
}
fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert!(text.contains(from));
    files.insert(path.to_owned(), text.replace(from, to).into_bytes());
}
