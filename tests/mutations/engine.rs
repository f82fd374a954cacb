//! Mutations of packages: from a seed and a number, always the same one.
//!
//! A mutation changes the archive's bytes, a file of it, or the history that its entries tell. What is changed in a file is
//! sealed again up to one of several depths, so that it is not always the outermost check that sees it:
//! nothing; the archive; the bag; the list of `published` and every link of the log. What has a signature is never signed
//! again: that takes a key. Nothing here knows what is done with the mutants.
//!
//! What a package shows beside `data/` may differ lawfully, see [`lawful`].

#[path = "archive.rs"]
mod archive;
#[path = "words.rs"]
mod words;

use std::collections::BTreeMap;

use communique::{
    domain::{document::Document, id::Digest, manifest::Manifest, time::Time},
    package::{
        bag::{self, PartDigests},
        zip::{Archive, DosTime, Limits, Writer},
    },
};
use serde_json::{Value, json};

/// A stream of numbers that a seed decides (SplitMix64).
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// That of a mutation.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed);
        let first = dice.next();
        Self(first ^ number.wrapping_mul(0xD134_2543_DE82_EF95))
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Below `n`; 0 where that is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % (n.max(1) as u64)) as usize
    }
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

type Files = BTreeMap<String, Vec<u8>>;

/// A good package, and what mutations need to know of it.
pub struct Base {
    pub name: String,
    pub zip: Vec<u8>,
    /// The fingerprint by which it is proven.
    pub pin: Digest,
    folder: String,
    files: Files,
    manifest: Manifest,
    published: Time,
    time: DosTime,
}

impl Base {
    /// Reads a good package.
    pub fn new(name: impl Into<String>, zip: Vec<u8>, pin: Digest) -> Self {
        let mut archive = Archive::open(std::io::Cursor::new(&zip), Limits::PACKAGE).unwrap();
        let entries = archive.entries().to_vec();
        let mut files = Files::new();
        let mut folder = String::new();
        for (n, entry) in entries.iter().enumerate() {
            let (top, path) = entry.name.split_once('/').unwrap();
            folder = top.to_owned();
            files.insert(path.to_owned(), archive.read_small(n, usize::MAX).unwrap());
        }
        let manifest: Document<Manifest> = Document::parse(files[bag::MANIFEST_PATH].clone()).unwrap();
        let last = entries_of(&files).into_iter().next_back().unwrap();
        let published = last.1["time"].as_str().unwrap().parse().unwrap();
        Self {
            name: name.into(),
            pin,
            folder,
            manifest: (*manifest).clone(),
            published,
            time: entries[0].modified,
            files,
            zip,
        }
    }
}

/// What came of a mutation.
pub struct Mutant {
    /// Which package was changed.
    pub base: usize,
    /// How, in words.
    pub what: String,
    pub zip: Vec<u8>,
}

/// Whether a package differs from a good one in nothing but what anybody may change: it has another time stamp or none, or fewer
/// of its cosignatures, in all proofs alike; and its tag manifests are made accordingly.
pub fn lawful(bases: &[Base], zip: &[u8]) -> bool {
    let Ok(mut archive) = Archive::open(std::io::Cursor::new(zip), Limits::PACKAGE) else { return false };
    let names: Vec<String> = archive.entries().iter().map(|entry| entry.name.clone()).collect();
    let mut files = Files::new();
    for (n, name) in names.iter().enumerate() {
        let (Some((_, path)), Ok(bytes)) = (name.split_once('/'), archive.read_small(n, usize::MAX)) else {
            return false;
        };
        files.insert(path.to_owned(), bytes);
    }
    let free = |path: &str| path == bag::STAMP_PATH || path.starts_with("tagmanifest-");
    let kept = |files: &Files| -> Files {
        let kept = files.iter().filter(|(path, _)| !free(path));
        kept.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    let files = kept(&files);
    bases.iter().map(|base| kept(&base.files)).any(|good| {
        files.keys().eq(good.keys())
            && files.iter().zip(good.values()).all(|((path, ours), good)| {
                ours == good || (path.ends_with(".tlog-proof") && fewer(ours, good).unwrap_or(false))
            })
    })
}

/// Whether a proof is another one without some of its cosignatures.
fn fewer(ours: &[u8], good: &[u8]) -> Option<bool> {
    let (ours, good) = (std::str::from_utf8(ours).ok()?, std::str::from_utf8(good).ok()?);
    // The log's own signature is the first.
    let first = good.find("\n— ")? + 1;
    let signed = first + good.get(first..)?.find('\n')? + 1;
    let mut theirs = good.get(signed..)?.split_inclusive('\n');
    let rest = ours.strip_prefix(good.get(..signed)?)?;
    Some(rest.split_inclusive('\n').all(|line| theirs.any(|theirs| theirs == line)))
}

/// How much is made to fit again after a file was changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Depth {
    Archive,
    Bag,
    Log,
}

/// The mutation of this number. Where one changes nothing, another is drawn.
pub fn mutate(bases: &[Base], seed: u64, number: u64) -> Mutant {
    let mut dice = Dice::new(seed, number);
    loop {
        let mutant = drawn(bases, &mut dice);
        if mutant.zip != bases[mutant.base].zip {
            return mutant;
        }
    }
}

fn drawn(bases: &[Base], dice: &mut Dice) -> Mutant {
    let at = dice.below(bases.len());
    let base = &bases[at];
    let other = &bases[dice.below(bases.len())];
    let (what, zip) = match dice.below(10) {
        0 | 1 => {
            let (what, zip) = archive::changed(&base.zip, dice);
            (format!("archive: {what}"), zip)
        }
        2..7 => {
            let mut files = base.files.clone();
            let what = file(&mut files, other, dice);
            let depth = *dice.of(&[Depth::Archive, Depth::Bag, Depth::Bag, Depth::Log, Depth::Log]).unwrap();
            (format!("{what}; sealed: {depth:?}"), base.sealed(files, depth))
        }
        _ => {
            let mut files = base.files.clone();
            let mut said = vec![];
            for _ in 0..=dice.below(2) {
                said.push(history(&mut files, other, dice));
            }
            let depth = if dice.one_in(8) { Depth::Bag } else { Depth::Log };
            (format!("history: {}; sealed: {depth:?}", said.join(", ")), base.sealed(files, depth))
        }
    };
    Mutant { base: at, what: format!("{}: {what}", base.name), zip }
}

/// Changes a file, or which files there are.
fn file(files: &mut Files, other: &Base, dice: &mut Dice) -> String {
    let paths: Vec<String> = files.keys().cloned().collect();
    let path = chosen(&paths, dice);
    let donor = &other.files;
    match dice.below(24) {
        0 => {
            files.remove(&path);
            format!("{path} removed")
        }
        1 => {
            let to = chosen(&paths, dice);
            let (a, b) = (files[&path].clone(), files[&to].clone());
            files.insert(path.clone(), b);
            files.insert(to.clone(), a);
            format!("{path} and {to} swapped")
        }
        2 => {
            let to = chosen(&paths, dice);
            let bytes = files[&path].clone();
            files.insert(to.clone(), bytes);
            format!("{path} copied over {to}")
        }
        3 | 4 => match donor.get(&path) {
            Some(bytes) => {
                files.insert(path.clone(), bytes.clone());
                format!("{path} taken from {}", other.name)
            }
            None => {
                files.remove(&path);
                format!("{path} removed, as in {}", other.name)
            }
        },
        5 => {
            let theirs: Vec<String> = donor.keys().cloned().collect();
            let from = chosen(&theirs, dice);
            files.insert(from.clone(), donor[&from].clone());
            format!("{from} added from {}", other.name)
        }
        6 => {
            let to = words::renamed(&path, dice);
            let bytes = files.remove(&path).unwrap_or_default();
            files.insert(to.clone(), bytes);
            format!("{path} renamed to {to}")
        }
        7..10 if path.ends_with(".tlog-proof") => {
            // The same change in the head of all, which must be one.
            let mut what = String::new();
            for (path, bytes) in files.iter_mut().filter(|(path, _)| path.ends_with(".tlog-proof")) {
                let donor = donor.get(path).or(donor.get("evidence/0.tlog-proof")).unwrap_or(bytes).clone();
                (what, *bytes) = words::of_head(bytes, &donor, &mut dice.clone());
            }
            dice.next();
            format!("every proof: {what}")
        }
        10 if path.starts_with("evidence/") => {
            let theirs: Vec<_> = donor.iter().filter(|(path, _)| path.ends_with(".tlog-proof")).collect();
            files.extend(theirs.into_iter().map(|(path, bytes)| (path.clone(), bytes.clone())));
            format!("every proof of {}", other.name)
        }
        11 if path.starts_with("evidence/") => {
            files.insert(bag::STAMP_PATH.into(), vec![dice.byte(); dice.below(3)]);
            "a time stamp".into()
        }
        _ => {
            let bytes = &files[&path];
            let donor = donor.get(&path).unwrap_or(bytes).clone();
            let (what, bytes) = words::changed(&path, bytes, &donor, dice);
            files.insert(path.clone(), bytes);
            format!("{path}: {what}")
        }
    }
}

/// A path, each kind of file as likely as another.
fn chosen(paths: &[String], dice: &mut Dice) -> String {
    const KINDS: [&str; 11] = [
        "data/entries/",
        "data/statements/",
        "data/statements/",
        "data/charters/",
        "data/communique.json",
        "data/texts/",
        "data/rectifies/",
        "evidence/",
        "evidence/",
        "evidence/",
        "",
    ];
    let kind = dice.of(&KINDS).copied().unwrap_or_default();
    let of_kind: Vec<_> = paths.iter().filter(|path| path.starts_with(kind)).collect();
    let of_kind = if of_kind.is_empty() { paths.iter().collect() } else { of_kind };
    dice.of(&of_kind).map(|path| (*path).clone()).unwrap_or_default()
}

/// The entries by index.
fn entries_of(files: &Files) -> BTreeMap<u64, Value> {
    let index = |path: &str| path.strip_prefix("data/entries/")?.strip_suffix(".json")?.parse().ok();
    let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).ok().filter(Value::is_object);
    files.iter().filter_map(|(path, bytes)| Some((index(path)?, parsed(bytes)?))).collect()
}

fn encoded(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Changes what the entries tell: what the exchange's operator could do, who signs none of them.
fn history(files: &mut Files, other: &Base, dice: &mut Dice) -> String {
    let entries = entries_of(files);
    let indices: Vec<u64> = entries.keys().copied().collect();
    let (Some(&at), Some(&second)) = (dice.of(&indices), dice.of(&indices)) else { return "nothing".into() };
    let path = bag::entry_path(at);
    let mut entry = entries[&at].clone();
    let kind = entry["kind"].as_str().unwrap_or_default().to_owned();
    let time = |value: &Value| value.as_str().and_then(|t| t.parse::<Time>().ok());
    match dice.below(13) {
        0 => {
            let by = *dice.of(&[-86_400, -301, -300, -60, -1, 1, 60, 299, 301, 86_400]).unwrap();
            if let Some(time) = time(&entry["time"]) {
                entry["time"] = json!(time.plus(by).to_string());
            }
            files.insert(path, encoded(&entry));
            format!("time of {at} ({kind}) by {by} s")
        }
        1 => {
            // All from here on, so that time still rises.
            let by = *dice.of(&[-60, -1, 1, 301, 3600, 86_400 * 40]).unwrap();
            for (index, mut entry) in entries.into_iter().filter(|(index, _)| *index >= at) {
                if let Some(time) = time(&entry["time"]) {
                    entry["time"] = json!(time.plus(by).to_string());
                }
                files.insert(bag::entry_path(index), encoded(&entry));
            }
            format!("times from {at} ({kind}) on by {by} s")
        }
        2 => {
            entry["salt"] = json!(words::salt(dice));
            files.insert(path, encoded(&entry));
            format!("salt of {at} ({kind})")
        }
        3 | 4 => {
            let mut there = entries[&second].clone();
            let (a, b) = (entry["time"].clone(), there["time"].clone());
            (entry["time"], there["time"]) = (b, a);
            files.insert(bag::entry_path(at), encoded(&there));
            files.insert(bag::entry_path(second), encoded(&entry));
            format!("{at} ({kind}) and {second} change places")
        }
        5 | 6 => {
            files.remove(&path);
            let with = dice.one_in(2);
            for digest in entry["statements"].as_array().into_iter().flatten().filter(|_| with) {
                files.remove(&format!("data/statements/{}.jws", digest.as_str().unwrap_or_default()));
            }
            format!("{at} ({kind}) removed{}", if with { " with its statements" } else { "" })
        }
        7 => {
            let free = (at..).find(|n| !entries.contains_key(n)).unwrap_or(at);
            files.insert(bag::entry_path(free), encoded(&entry));
            format!("{at} ({kind}) again as {free}")
        }
        8 => {
            let by = 1 + dice.below(3) as u64;
            let later: Vec<_> = entries.into_iter().filter(|(index, _)| *index >= at).collect();
            later.iter().for_each(|(index, _)| drop(files.remove(&bag::entry_path(*index))));
            for (index, entry) in later {
                files.insert(bag::entry_path(index + by), encoded(&entry));
            }
            format!("indices from {at} ({kind}) on by {by}")
        }
        9 => {
            let kinds = [
                "act",
                "adoption",
                "charter",
                "completed",
                "opened",
                "powers",
                "published",
                "revision",
                "revocation",
                "lapsed",
                "returned",
                "trust",
            ];
            entry["kind"] = json!(dice.of(&kinds).unwrap());
            files.insert(path, encoded(&entry));
            format!("kind of {at} ({kind}) is {}", entry["kind"])
        }
        10 => {
            entry["stream"] = entries[&second]["stream"].clone();
            files.insert(path, encoded(&entry));
            format!("stream of {at} ({kind}) is that of {second}")
        }
        11 => {
            let member = if dice.one_in(3) { "documents" } else { "statements" };
            let donor = entries[&second][member].clone();
            let said = words::list(&mut entry[member], &donor, dice);
            files.insert(path, encoded(&entry));
            format!("{member} of {at} ({kind}): {said}")
        }
        _ => {
            let theirs = entries_of(&other.files);
            let all: Vec<_> = theirs.iter().collect();
            if let Some((_, theirs)) = dice.of(&all) {
                files.insert(path, encoded(theirs));
            }
            format!("{at} ({kind}) is an entry of {}", other.name)
        }
    }
}

impl Base {
    fn sealed(&self, mut files: Files, depth: Depth) -> Vec<u8> {
        if depth == Depth::Log {
            self.relink(&mut files);
        }
        if depth >= Depth::Bag {
            let last = entries_of(&files).into_iter().next_back();
            let time = last.and_then(|(_, entry)| entry["time"].as_str()?.parse().ok()).unwrap_or(self.published);
            let manifest =
                files.get(bag::MANIFEST_PATH).and_then(|bytes| Document::<Manifest>::parse(bytes.clone()).ok());
            let manifest = manifest.map_or(self.manifest.clone(), |document| (*document).clone());
            let payload = files.iter().filter(|(path, _)| path.starts_with("data/"));
            let payload = payload.map(|(path, bytes)| (path.clone(), PartDigests::of(bytes))).collect();
            let evidence = files.iter().filter(|(path, _)| path.starts_with("evidence/"));
            let evidence = evidence.map(|(path, bytes)| (path.clone(), PartDigests::of(bytes))).collect();
            let tags = bag::tag_files(&manifest, time, &payload, &evidence);
            files.extend(tags.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)));
            return self.zipped(&files, bag::archive_time(time));
        }
        self.zipped(&files, self.time)
    }

    /// Names statements by their digests again, and carries every new digest on to what names it, up to `published`.
    fn relink(&self, files: &mut Files) {
        let mut renamed: BTreeMap<String, String> = BTreeMap::new();
        for path in [bag::MANIFEST_PATH].into_iter().map(str::to_owned).chain((1..10).map(bag::charter_path)) {
            if let (Some(old), Some(new)) = (self.files.get(&path), files.get(&path)) {
                renamed.insert(Digest::of(old).to_string(), Digest::of(new).to_string());
            }
        }
        let named = |path: &str| Some(path.strip_prefix("data/statements/")?.strip_suffix(".jws")?.to_owned());
        for (path, old) in
            files.keys().cloned().filter_map(|path| Some((path.clone(), named(&path)?))).collect::<Vec<_>>()
        {
            let bytes = files.remove(&path).unwrap_or_default();
            let new = Digest::of(&bytes);
            renamed.insert(old, new.to_string());
            files.insert(bag::statement_path(new), bytes);
        }
        let new = |value: &mut Value, renamed: &BTreeMap<String, String>| {
            if let Some(to) = value.as_str().and_then(|old| renamed.get(old)) {
                *value = json!(to);
            }
        };
        // The last of each stream: its number and digest, before and after.
        let mut streams: BTreeMap<String, (u64, String)> = BTreeMap::new();
        let entries = entries_of(files);
        let last = entries.keys().next_back().copied();
        for (index, mut entry) in entries {
            let path = bag::entry_path(index);
            for member in ["documents", "statements"] {
                entry[member].as_array_mut().into_iter().flatten().for_each(|value| new(value, &renamed));
            }
            let old = self.files.get(&path).map(|bytes| Digest::of(bytes).to_string());
            let stream = entry["stream"].to_string();
            match streams.get(&stream) {
                // What follows in the package follows in the log, unless there was a gap before.
                Some((seq, digest)) if entry["seq"].as_u64() != Some(0) || stream.contains("communique") => {
                    let gap = !stream.contains("communique") && entry["seq"].as_u64().is_some_and(|n| n > seq + 1);
                    if !gap {
                        entry["seq"] = json!(seq + 1);
                        entry["previous"] = json!(digest);
                    }
                }
                _ => new(&mut entry["previous"], &renamed),
            }
            if Some(index) == last && entry["kind"] == json!("published") {
                let skipped = [bag::README_PATH, path.as_str()];
                let list = files.iter().filter(|(p, _)| p.starts_with("data/") && !skipped.contains(&p.as_str()));
                let list = list.map(|(path, bytes)| json!({ "path": path, "sha256": Digest::of(bytes) }));
                entry["files"] = list.collect();
            }
            let bytes = encoded(&entry);
            let digest = Digest::of(&bytes).to_string();
            renamed.extend(old.map(|old| (old, digest.clone())));
            streams.insert(stream, (entry["seq"].as_u64().unwrap_or_default(), digest));
            files.insert(path, bytes);
        }
    }

    /// The archive in the one strict form, as far as the names allow.
    fn zipped(&self, files: &Files, time: DosTime) -> Vec<u8> {
        let rank = |path: &str| {
            bag::TAG_FILES.iter().position(|t| *t == path).unwrap_or(6 + usize::from(!path.starts_with("data/")))
        };
        let mut order: Vec<_> = files.iter().collect();
        order.sort_by_key(|(path, _)| (rank(path), *path));
        let mut writer = Writer::new(vec![], time);
        for (path, bytes) in order {
            let name = format!("{}/{path}", self.folder);
            // A name that the writer refuses is left out; names are changed in the archive itself too.
            let _ = writer.small(&name, bytes);
        }
        writer.finish().unwrap_or_default()
    }
}
