//! A ministry's own copy, as typed: kept, gone on with, checked without network, written out of.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Lines},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Stdio},
};

use communique::domain::id::Digest;
use serde_json::{Value, json};

use crate::{
    desk::{Desk, Ran},
    doors::Door,
    job::{Served, draft, exchange, founded, grant, official, profiles, reader},
};

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut found = BTreeSet::new();
    while let Some(below) = open.pop() {
        for path in fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}
fn copied(from: &Path, to: &Path) {
    for file in files(from) {
        fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}
fn proposed(desk: &Desk, text: &str) -> String {
    draft(desk, "draft.toml", text);
    let made = official(desk, "north", "new draft.toml --json").ends(0).json();
    made["communique"].as_str().unwrap().to_owned()
}
/// Initialled by both, signed by north.
fn half_signed(desk: &Desk, text: &str) -> String {
    let id = proposed(desk, text);
    for party in ["north", "south"] {
        official(desk, party, &format!("initial {id}")).ends(0);
    }
    official(desk, "north", &format!("sign {id}")).ends(0);
    id
}
fn completed(desk: &Desk, id: &str) {
    official(desk, "south", &format!("sign {id}")).ends(0);
    reader(desk, "south", &format!("publish {id}")).ends(0);
}
fn mirrored(desk: &Desk, party: &str) -> Value {
    reader(desk, party, &format!("mirror {party}.mirror --json")).ends(0).json()
}
/// A check with the exchange's word nowhere: the pin alone, and no profile.
fn checked(desk: &Desk, folder: &str) -> Ran {
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    desk.run(&format!("mirror verify {folder} --pin {pin} --json --profile absent.toml"))
}
fn kinds(found: &Value) -> Vec<&str> {
    found["damage"].as_array().unwrap().iter().map(|damage| damage["kind"].as_str().unwrap()).collect()
}
fn numbers(value: &Value, of: &[&str]) -> Vec<u64> {
    of.iter().map(|member| value[member].as_u64().unwrap_or_else(|| panic!("{member}: {value}"))).collect()
}
const SEEN: [&str; 4] = ["shown", "escrowed", "unseen", "opened"];

#[test]
fn each_party_keeps_what_it_may_see_and_writes_it_out_again() {
    let desk = Desk::new();
    let parties = ["north", "south", "west"];
    desk.charter_of(&parties.map(|party| (party, format!("fr=Partie d’essai {party}"))));
    let (mut served, pin) = founded(&desk, &parties, "");
    for party in parties {
        profiles(&desk, party, &served.address, &pin);
        grant(&desk, party, "a.sample", "charter.json").ends(0);
    }
    let id = half_signed(&desk, "Texte d’essai.\n");
    desk.run_with(&["remark", "add", &id, "Entre nous.", "--own", "--profile", "north-official.toml"], "").ends(0);

    // South sees all but north's signature and its remark; west neither communiqué nor remark.
    let south = mirrored(&desk, "south");
    let size = south["size"].as_u64().unwrap();
    assert_eq!(numbers(&south, &SEEN), [size - 2, 1, 1, 0], "{south}");
    assert_eq!((&south["good"], &south["content"]["files"], &south["packages"]), (&true.into(), &3.into(), &0.into()));
    assert_eq!(south["content"]["bytes"], ("Texte d’essai.\nنص تجريبي.\na;b\n".len()));
    let west = mirrored(&desk, "west");
    assert_eq!(
        numbers(&west, &SEEN),
        [size - 6, 0, 6, 0],
        "a revision, two initials, an opening, a signature, a remark"
    );
    assert_eq!(numbers(&mirrored(&desk, "north"), &SEEN), [size, 0, 0, 0]);
    let sound = checked(&desk, "south.mirror").ends(0).json();
    assert_eq!((&sound["good"], &sound["party"], &sound["size"]), (&true.into(), &"south".into(), &size.into()));
    assert_eq!(numbers(&sound, &["shown", "escrowed", "unseen", "content"]), [size - 2, 1, 1, 3]);
    assert_eq!(sound["root"], south["root"]);
    let words = desk.run("mirror verify south.mirror --profile south-official.toml").ends(0);
    words.prints("SOUND").prints("in escrow: 1; not for south: 1.");
    // Others of this machine do not look in, and each file has the digest that is its name.
    for folder in ["", "objects", "content", "seen"] {
        let mode = fs::metadata(desk.path("south.mirror").join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    let named = |folder: &str| {
        let folder = desk.path("south.mirror").join(folder);
        let all = files(&folder);
        for file in &all {
            let bytes = fs::read(folder.join(file)).unwrap();
            assert_eq!(Digest::of(&bytes).to_string(), file.file_name().unwrap().to_str().unwrap());
        }
        all.len()
    };
    assert_eq!(named("content"), 3);
    assert!(named("objects") > usize::try_from(size).unwrap());
    let entries = desk.read("south.mirror/entries");
    assert_eq!(entries.lines().filter(|line| line.ends_with(" hidden")).count(), 1);
    assert!(entries.contains(&format!(" escrowed communique/{id} north sign 1\n")), "{entries}");

    // What opens is kept then; what is published, as a package, by every party.
    completed(&desk, &id);
    let next = mirrored(&desk, "south");
    assert_eq!((&next["from"], numbers(&next, &SEEN)), (&size.into(), vec![3, 0, 0, 1]), "{next}");
    assert_eq!((&next["packages"], &next["content"]["files"]), (&1.into(), &0.into()));
    assert_eq!(mirrored(&desk, "west")["packages"], 1);
    for (party, escrowed, content) in [("south", 0, 3), ("west", 0, 0)] {
        let sound = checked(&desk, &format!("{party}.mirror")).ends(0).json();
        assert_eq!(numbers(&sound, &["escrowed", "content", "packages"]), [escrowed, content, 1], "{sound}");
    }
    assert_eq!(
        numbers(&mirrored(&desk, "south"), &["shown", "packages", "opened"]),
        [0, 0, 0],
        "nothing is taken twice"
    );

    // What the parties had erased is erased; what another communiqué names too is not.
    let gone = proposed(&desk, "Un autre texte d’essai.\n");
    assert_eq!(mirrored(&desk, "south")["content"]["files"], 1, "the Arabic text and the annex are there already");
    let text = Digest::of("Un autre texte d’essai.\n".as_bytes());
    let printed = desk.run(&format!("mirror object south.mirror {text}")).ends(0);
    assert_eq!(printed.out, "Un autre texte d’essai.\n");
    let why =
        ["withdraw", &gone, "--reason", "Essai.", "--yes", "--passphrase-fd", "0", "--profile", "north-official.toml"];
    desk.run_with(&why, crate::desk::WORDS).ends(0);
    for party in ["north", "south"] {
        official(&desk, party, &format!("purge {gone}")).ends(0);
    }
    let erased = mirrored(&desk, "south");
    assert_eq!((&erased["erased"], &erased["good"]), (&1.into(), &true.into()), "{erased}");
    assert_eq!(erased["content"]["files"], 0, "what another communiqué names too was erased: {erased}");
    desk.run(&format!("mirror object south.mirror {text}")).ends(1).tells("holds nothing of it");
    assert_eq!(named("content"), 3);
    let sound = checked(&desk, "south.mirror").ends(0).json();
    assert_eq!(numbers(&sound, &["content", "purged"]), [3, 1]);
    let back = desk.path("south.mirror/content").join(&text.to_string()[..2]).join(text.to_string());
    fs::write(&back, "Un autre texte d’essai.\n").unwrap();
    assert_eq!(kinds(&checked(&desk, "south.mirror").ends(1).json()), ["purged"]);
    assert_eq!(mirrored(&desk, "south")["erased"], 1);

    // With the exchange gone, all of it is written out, and is what the exchange gave.
    reader(&desk, "south", &format!("fetch {id} --out fetched.zip")).ends(0);
    served.stop();
    let out = desk.run(&format!("mirror restore south.mirror {id} --out out --profile south-official.toml --json"));
    let out = out.ends(0).json();
    assert_eq!((&out["good"], &out["escrowed"], &out["purged"]), (&true.into(), &0.into(), &false.into()));
    let told: BTreeSet<PathBuf> =
        out["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().into()).collect();
    assert_eq!(told, files(&desk.path("out")));
    assert!(fs::read(desk.path("out/package.zip")).unwrap() == fs::read(desk.path("fetched.zip")).unwrap());
    for (file, words) in
        [("texts/fr.txt", "Texte d’essai.\n"), ("texts/ar.txt", "نص تجريبي.\n"), ("annexes/1.csv", "a;b\n")]
    {
        assert_eq!(desk.read(&format!("out/revision-1/{file}")), words);
    }
    let acts = files(&desk.path("out/acts")).len();
    assert_eq!(acts, 4, "two initials, two signatures");
    desk.run(&format!("verify out/package.zip --charter-pin {pin}")).ends(0).prints("PROVEN");
    desk.run(&format!("mirror restore south.mirror {id} --out out --pin {pin}")).ends(1).tells("is there already");
    let purged = desk.run(&format!("mirror restore south.mirror {gone} --out gone --pin {pin}")).ends(0);
    purged.prints("had its texts and annexes erased");
    assert!(!desk.path("gone/revision-1/texts/fr.txt").exists() && desk.path("gone/revision-1/manifest.json").exists());
    desk.run(&format!("mirror restore west.mirror {gone} --out none --pin {pin}")).ends(1).tells("holds nothing of");
    desk.run(&format!("mirror restore west.mirror {id} --out west --pin {pin}")).ends(0);
    assert_eq!(files(&desk.path("west")).len(), 2, "its last entry, and the package");
    // Of whom and of which exchange it is does not change under one's hands.
    desk.run("mirror south.mirror --profile absent.toml").ends(64);
    desk.run("mirror verify draft --profile south-official.toml").ends(1).tells("no mirror");
    desk.run("mirror").ends(64);
}

/// A command that follows, killed when the test ends.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}
impl Following {
    fn start(desk: &Desk) -> Self {
        Self::run(desk, &["mirror", "south.mirror", "--follow", "--json"])
    }
    fn run(desk: &Desk, args: &[&str]) -> Self {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("communique"))
            .args(args)
            .args(["--profile", "south-official.toml"])
            .current_dir(desk.0.path())
            .env("HOME", desk.0.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }
    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
    /// Until it has come to this size.
    fn until(&mut self, size: u64) -> Value {
        loop {
            let told = self.next();
            if told["size"].as_u64().unwrap() >= size {
                return told;
            }
        }
    }
}
impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mirror_follows_and_goes_on_after_it_was_killed() {
    let (desk, _served) = exchange();
    let id = half_signed(&desk, "Texte d’essai.\n");
    let mut following = Following::start(&desk);
    let first = following.next();
    let size = first["size"].as_u64().unwrap();
    assert_eq!((&first["from"], &first["escrowed"]), (&0.into(), &1.into()));
    reader(&desk, "south", "mirror south.mirror").ends(1).tells("another mirror is at work here");
    official(&desk, "south", &format!("sign {id}")).ends(0);
    let told = following.until(size + 2);
    assert_eq!(told["opened"], 1, "{told}");
    // SIGKILL.
    drop(following);
    checked(&desk, "south.mirror").ends(0);
    reader(&desk, "south", &format!("publish {id}")).ends(0);
    let mut following = Following::start(&desk);
    let again = following.next();
    assert_eq!((&again["from"], &again["shown"], &again["packages"]), (&(size + 2).into(), &1.into(), &1.into()));
    drop(following);
    checked(&desk, "south.mirror").ends(0);
}

/// Whatever of the last step had come to the disk when it was killed: it is not taken for whole, and comes to the same in the end.
#[test]
fn a_copy_that_was_cut_off_anywhere_is_no_whole_one_and_becomes_one() {
    let (desk, _served) = exchange();
    let id = half_signed(&desk, "Texte d’essai.\n");
    mirrored(&desk, "south");
    copied(&desk.path("south.mirror"), &desk.path("before"));
    let before = desk.read("before/entries").len();
    completed(&desk, &id);
    proposed(&desk, "Un autre texte d’essai.\n");
    mirrored(&desk, "south");
    copied(&desk.path("south.mirror"), &desk.path("after"));
    let after = desk.read("after/entries");
    let whole = files(&desk.path("after"));
    let cut = |make: &dyn Fn(&Path), says: &str| {
        let mirror = desk.path("south.mirror");
        fs::remove_dir_all(&mirror).unwrap();
        copied(&desk.path("before"), &mirror);
        make(&mirror);
        if !says.is_empty() {
            let found = checked(&desk, "south.mirror").ends(1).json();
            assert!(kinds(&found).contains(&says), "{says}: {found}");
        }
        mirrored(&desk, "south");
        checked(&desk, "south.mirror").ends(0);
        assert_eq!(desk.read("south.mirror/entries"), after);
        let (mut now, mut then) = (files(&mirror), whole.clone());
        for all in [&mut now, &mut then] {
            // The heads between differ, and so does what a killed run leaves.
            all.retain(|file| !file.starts_with("heads") && !file.to_string_lossy().contains(".new-"));
        }
        assert_eq!(now, then);
    };
    let put = |mirror: &Path, file: &str| {
        fs::create_dir_all(mirror.join(file).parent().unwrap()).unwrap();
        fs::copy(desk.path("after").join(file), mirror.join(file)).unwrap();
    };
    // Objects came, and a part of one under its temporary name; no line tells of them yet.
    cut(&|mirror| copied(&desk.path("after/objects"), &mirror.join("objects")), "");
    cut(&|mirror| fs::write(mirror.join("objects/.new-abc"), "cu").unwrap(), "");
    // Lines came, whole or not; how far it reaches did not.
    for end in [before + 1, before + 40, after.len() - 1, after.len()] {
        cut(&|mirror| fs::write(mirror.join("entries"), &after[..end]).unwrap(), "");
    }
    // All of the log came, and nothing of what it names; or the head did not.
    let log = |mirror: &Path| {
        copied(&desk.path("after/objects"), &mirror.join("objects"));
        for file in whole.iter().filter(|file| file.starts_with("seen") || file.starts_with("heads")) {
            put(mirror, &file.display().to_string());
        }
        put(mirror, "entries");
    };
    cut(&log, "missing");
    let without_head = |mirror: &Path| {
        log(mirror);
        let newest = files(&mirror.join("heads")).pop_last().unwrap();
        fs::remove_file(mirror.join("heads").join(newest)).unwrap();
    };
    cut(&without_head, "head");
    // The very first run was stopped: it is no copy yet.
    fs::remove_dir_all(desk.path("south.mirror")).unwrap();
    fs::create_dir(desk.path("south.mirror")).unwrap();
    put(&desk.path("south.mirror"), "mirror.json");
    assert_eq!(kinds(&checked(&desk, "south.mirror").ends(1).json()), ["entries"]);
    put(&desk.path("south.mirror"), "entries");
    assert_eq!(kinds(&checked(&desk, "south.mirror").ends(1).json()), ["entries"]);
    mirrored(&desk, "south");
    checked(&desk, "south.mirror").ends(0);
}

#[test]
fn each_damage_is_found_and_named_and_mended() {
    let (desk, _served) = exchange();
    let id = half_signed(&desk, "Texte d’essai.\n");
    mirrored(&desk, "south");
    completed(&desk, &id);
    mirrored(&desk, "south");
    let mirror = desk.path("south.mirror");
    let entries = desk.read("south.mirror/entries");
    let size = mirrored(&desk, "south")["size"].as_u64().unwrap();
    assert_eq!(entries.lines().count() as u64, size + 1, "north's signature has a second line");
    let digest = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    let act = entries.lines().find(|line| line.contains(" shown act ")).unwrap();
    let revision = entries.lines().find(|line| line.contains(" shown revision ")).unwrap();
    let object = |digest: &str| PathBuf::from(format!("objects/{}/{digest}", &digest[..2]));
    let entry: Value = serde_json::from_slice(&fs::read(mirror.join(object(&digest(act)))).unwrap()).unwrap();
    let statement = entry["statements"][0].as_str().unwrap();
    let text = Digest::of("Texte d’essai.\n".as_bytes()).to_string();
    let text = PathBuf::from(format!("content/{}/{text}", &text[..2]));
    let package = files(&mirror).into_iter().find(|file| file.starts_with("packages")).unwrap();
    let head = files(&mirror).into_iter().rfind(|file| file.starts_with("heads")).unwrap();
    let index = |line: &str| line.split(' ').next().unwrap().parse::<u64>().unwrap();

    let damaged = |file: &Path, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>, kind: &str, of: Option<u64>| {
        let path = mirror.join(file);
        let good = fs::read(&path).unwrap();
        match change(good.clone()) {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let found = checked(&desk, "south.mirror").ends(1).json();
        let named = found["damage"].as_array().unwrap().iter().find(|damage| damage["kind"] == kind);
        let named = named.unwrap_or_else(|| panic!("{}: {kind}: {found}", file.display()));
        if let Some(of) = of {
            assert_eq!(
                (&named["index"], &named["path"]),
                (&of.into(), &json!(Path::new("south.mirror").join(file))),
                "{found}"
            );
        }
        assert_eq!(found["good"], false);
        fs::write(&path, good).unwrap();
        checked(&desk, "south.mirror").ends(0);
    };
    let gone = |_: Vec<u8>| None;
    let flipped = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Some(bytes)
    };
    let cut = |bytes: Vec<u8>| Some(bytes[..bytes.len() - 1].to_vec());
    for (file, of) in [
        (object(&digest(act)), index(act)),
        (object(statement), index(act)),
        (object(&digest(revision)), index(revision)),
        (text, index(revision)),
    ] {
        damaged(&file, &gone, "missing", Some(of));
        damaged(&file, &flipped, "changed", Some(of));
        damaged(&file, &cut, "changed", Some(of));
    }
    damaged(&package, &gone, "missing", None);
    damaged(&package, &flipped, "changed", Some(size - 1));
    damaged(&head, &gone, "head", None);
    damaged(&head, &flipped, "head", None);
    let earlier = fs::read(mirror.join("heads").join(files(&mirror.join("heads")).pop_first().unwrap())).unwrap();
    damaged(&head, &|_| Some(earlier.clone()), "head", None);
    let notes = PathBuf::from("entries");
    damaged(&notes, &cut, "entries", None);
    damaged(&notes, &|bytes| Some(bytes[..bytes.len() / 2].to_vec()), "entries", None);
    let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let last = entries.lines().next_back().unwrap().to_owned();
    damaged(&notes, &|b| Some(text_of(b).replace(&digest(&last), &"0".repeat(64)).into_bytes()), "entries", None);
    // An entry that is called hidden, and is not, breaks its stream.
    let hides = |bytes| {
        let hidden = format!("{} {} hidden", index(act), digest(act));
        Some(text_of(bytes).replace(act, &hidden).into_bytes())
    };
    damaged(&notes, &hides, "rules", None);
    let other = |bytes| Some(text_of(bytes).replacen(" shown act ", " shown opened ", 1).into_bytes());
    damaged(&notes, &other, "entries", None);
    // A signature that was opened is not in escrow any more.
    let sealed = |bytes| {
        let (all, mark) = (text_of(bytes), " escrowed ");
        let of = all.lines().find(|line| line.contains(mark)).unwrap().split(' ').next().unwrap().to_owned();
        let opened = |line: &&str| !(line.starts_with(&format!("{of} ")) && line.contains(" shown "));
        Some(all.lines().filter(opened).map(|line| format!("{line}\n")).collect::<String>().into_bytes())
    };
    damaged(&notes, &sealed, "entries", None);
    let pin = "0".repeat(64);
    let found = desk.run(&format!("mirror verify south.mirror --pin {pin} --json")).ends(1).json();
    assert_eq!(kinds(&found), ["pin"]);
    desk.run(&format!("mirror restore south.mirror {id} --out out --pin {pin}")).ends(1).tells("which you trust");
    let words = desk.run(&format!("mirror verify south.mirror --pin {pin}")).ends(1);
    words.prints("DAMAGED").prints("communique mirror south.mirror --anew");

    // A package that is another one under the right name is no good either.
    let forged = {
        let mut bytes = fs::read(mirror.join(&package)).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        bytes
    };
    let name = mirror.join(package.with_file_name(format!("{}.zip", Digest::of(&forged))));
    fs::write(&name, forged).unwrap();
    assert_eq!(kinds(&checked(&desk, "south.mirror").ends(1).json()), ["package"]);
    fs::remove_file(name).unwrap();
    // Nor is a good one of another communiqué.
    let another = half_signed(&desk, "Autre texte d’essai.\n");
    completed(&desk, &another);
    mirrored(&desk, "south");
    let of_another = files(&mirror).into_iter().find(|file| file.starts_with(Path::new("packages").join(&another)));
    let of_another = of_another.unwrap();
    let beside = mirror.join(package.with_file_name(of_another.file_name().unwrap()));
    fs::copy(mirror.join(&of_another), &beside).unwrap();
    assert_eq!(kinds(&checked(&desk, "south.mirror").ends(1).json()), ["package"]);
    reader(&desk, "south", &format!("mirror restore south.mirror {id} --out others")).ends(1).prints(&another);
    fs::remove_file(beside).unwrap();

    // What has its length is read again, and what a run that was killed left is gone.
    let content = files(&mirror).into_iter().find(|file| file.starts_with("content")).unwrap();
    for file in [&content, &package] {
        let bytes = flipped(fs::read(mirror.join(file)).unwrap()).unwrap();
        fs::write(mirror.join(file), bytes).unwrap();
    }
    let left = mirror.join(content.with_file_name(".new-a1b2"));
    fs::write(&left, "a draft").unwrap();
    reader(&desk, "south", "mirror south.mirror").ends(0);
    assert!(!left.exists());
    checked(&desk, "south.mirror").ends(1);
    reader(&desk, "south", "mirror south.mirror --anew").ends(0);
    checked(&desk, "south.mirror").ends(0);

    // All of it is mended from the exchange.
    for file in files(&mirror).iter().filter(|file| file.starts_with("objects") || file.starts_with("content")) {
        fs::remove_file(mirror.join(file)).unwrap();
    }
    reader(&desk, "south", "mirror south.mirror").ends(1).tells("--anew");
    reader(&desk, "south", "mirror south.mirror --anew").ends(0);
    checked(&desk, "south.mirror").ends(0);
    // Another party's, another thing.
    reader(&desk, "north", "mirror south.mirror").ends(1).tells("name another folder");
    fs::create_dir(desk.path("full")).unwrap();
    desk.write("full/other", "x");
    reader(&desk, "north", "mirror full").ends(1).tells("something else than a mirror");
}

/// What the exchange shows is held against the copy, also where no other receipt is left to hold it against.
#[test]
fn an_exchange_that_shows_less_or_something_else_is_refused() {
    let (desk, mut served) = exchange();
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let again = |served: &mut Served, work: &dyn Fn()| {
        served.stop();
        work();
        *served = Served::start(&desk);
        for party in ["north", "south"] {
            profiles(&desk, party, &served.address, &pin);
            let _ = fs::remove_dir_all(desk.path(&format!("{party}-official.toml.receipts")));
        }
    };
    let data = desk.path("host/data");
    again(&mut served, &|| copied(&data, &desk.path("yesterday")));
    let id = half_signed(&desk, "Texte d’essai.\n");

    // Another text under the digest of one: it is named with the evidence, and not kept; all else is.
    let text = Digest::of("Texte d’essai.\n".as_bytes());
    let falsified = |from: &'static str, to: &'static str| {
        let db = rusqlite::Connection::open(data.join("content.sqlite")).unwrap();
        let sql = "UPDATE chunks SET bytes = ?1 WHERE bytes = ?2";
        assert_eq!(db.execute(sql, [to.as_bytes(), from.as_bytes()]).unwrap(), 1);
    };
    again(&mut served, &|| falsified("Texte d’essai.\n", "Texte d’Essai.\n"));
    let lacks = reader(&desk, "south", "mirror south.mirror --json").ends(1).json();
    assert_eq!((&lacks["good"], &lacks["content"]["files"], &lacks["lie"]), (&false.into(), &2.into(), &Value::Null));
    let lacking = &lacks["lacking"][0];
    assert_eq!((&lacking["communique"], &lacking["path"]), (&id.as_str().into(), &"data/texts/fr.txt".into()));
    assert_eq!(lacking["sha256"], text.to_string());
    let file = desk.path(lacking["evidence"].as_str().unwrap());
    let evidence: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!((&evidence["kind"], evidence["entries"].as_array().unwrap().len()), (&"other_object".into(), 1));
    let told = reader(&desk, "south", "mirror south.mirror").ends(1).prints("LACKING").prints("data/texts/fr.txt");
    told.prints("evidence: ");
    assert_eq!(kinds(&checked(&desk, "south.mirror").ends(1).json()), ["missing"]);
    again(&mut served, &|| falsified("Texte d’Essai.\n", "Texte d’essai.\n"));
    assert_eq!(mirrored(&desk, "south")["content"]["files"], 1, "it is asked for until it comes");
    checked(&desk, "south.mirror").ends(0);

    // A log that is shorter than the one that was kept, and then another of the same length.
    let before = desk.read("south.mirror/entries");
    again(&mut served, &|| {
        fs::remove_dir_all(&data).unwrap();
        copied(&desk.path("yesterday"), &data);
    });
    let refused = reader(&desk, "south", "mirror south.mirror").ends(1).prints("A LIE WAS FOUND");
    refused.prints("but it signed one of").prints("communique audit verify");
    half_signed(&desk, "Texte d’essai.\n");
    let forked = reader(&desk, "south", "mirror south.mirror --json").ends(1).json();
    assert_eq!((&forked["good"], &forked["lie"]["kind"]), (&false.into(), &"forked".into()), "{forked}");
    assert_eq!(forked["lie"]["proves"], true);
    let evidence = forked["lie"]["evidence"].as_str().unwrap();
    assert!(evidence.starts_with("south.mirror/seen/evidence-"), "{evidence}");
    desk.run(&format!("audit verify {evidence} --pin {pin}")).ends(0).prints("PROVEN");
    assert_eq!(desk.read("south.mirror/entries"), before);
    checked(&desk, "south.mirror").ends(0);
}

/// What follows goes on at the next address, from where it stood; what is typed anew finds it.
#[test]
fn watching_and_mirroring_go_on_at_the_next_address() {
    let (desk, served) = exchange();
    let doors = [Door::to(&served.address), Door::to(&served.address)];
    let profile = desk.read("south-official.toml");
    let several = format!("['{}', '{}']", doors[0].address, doors[1].address);
    desk.write("south-official.toml", profile.replace(&format!("'{}'", served.address), &several));
    let id = proposed(&desk, "Texte d’essai.\n");
    let mut following = Following::start(&desk);
    let size = following.next()["size"].as_u64().unwrap();
    let mut watching = Following::run(&desk, &["watch", "--json", "--from", &(size - 1).to_string()]);
    assert_eq!(watching.next()["index"], size - 1);

    assert!(doors[0].dies() >= 2, "nobody went by the first door");
    official(&desk, "south", &format!("initial {id}")).ends(0);
    assert_eq!(watching.next()["index"], size, "each event once, and none left out");
    assert_eq!(following.until(size + 1)["from"], size);
    official(&desk, "north", &format!("initial {id}")).ends(0);
    assert_eq!([watching.next(), watching.next()].map(|event| event["index"].as_u64().unwrap()), [size + 1, size + 2]);
    following.until(size + 3);
    checked(&desk, "south.mirror").ends(0);
    assert!(doors[1].dies() >= 2);
    reader(&desk, "south", "list").ends(69);
}
