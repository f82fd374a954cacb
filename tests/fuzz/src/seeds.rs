//! What fuzzing begins with: the test vectors, taken apart, and a few samples.
//!
//! A target that is started with `FUZZ_SEEDS=<folder>` writes its seeds there and ends. `FUZZ_MATERIAL` names files and folders,
//! with colons between them, in place of [`MATERIAL`].

use std::{collections::BTreeSet, env, fs, path::Path, process::exit};

use communique::domain::{id::Digest, json::unbase64};
use prost::Message as _;

use crate::{
    package::{self, Base},
    shown::Shown,
};

/// Where material lies, from the root of the repository.
const MATERIAL: &str = "tests/vectors:deploy";
/// Largest file of material, in bytes: a larger one makes each input slow and teaches no more.
const FILE_LIMIT: usize = 256 << 10;
/// Largest package that is taken apart, in bytes: a larger one takes too long each time.
const PACKAGE_LIMIT: usize = 88 << 10;
/// Most packages of the material.
const PACKAGES: usize = 80;
/// Most packages that fail and are edited all the same.
const BROKEN: usize = 16;
/// Most successions of charters under which something is read.
const SUCCESSIONS: usize = 8;
/// Most seeds of one target.
const SEEDS: usize = 600;

/// Called by each target before anything else: writes its seeds if it is asked to.
#[expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "`main` and its arguments are libFuzzer's")]
pub fn offer(target: &str) {
    let Some(folder) = env::var_os("FUZZ_SEEDS") else { return };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).expect("a folder for seeds");
    let mut seeds = seeds(target);
    assert!(!seeds.is_empty(), "there is nothing to begin with");
    // Of all sizes, and no more: each is run once before anything is tried.
    seeds.sort_by_key(|seed| (seed.len(), Digest::of(seed)));
    seeds.dedup();
    let seeds: Vec<_> = seeds.iter().step_by(seeds.len().div_ceil(SEEDS).max(1)).collect();
    for seed in seeds.iter().copied() {
        fs::write(folder.join(&Digest::of(seed).to_string()[..16]), seed).expect("a seed that can be written");
    }
    println!("{target}: {} seeds", seeds.len());
    exit(0)
}

/// Every small file of the material, by path.
#[expect(clippy::disallowed_methods, reason = "`main` and its arguments are libFuzzer's")]
pub fn material() -> Vec<(String, Vec<u8>)> {
    let named = env::var("FUZZ_MATERIAL").unwrap_or_else(|_| MATERIAL.to_owned());
    let mut found = vec![];
    let mut left: Vec<_> = named.split(':').map(|path| Path::new(path).to_path_buf()).collect();
    while let Some(path) = left.pop() {
        if let Ok(inside) = fs::read_dir(&path) {
            left.extend(inside.flatten().map(|entry| entry.path()));
        } else if fs::metadata(&path).is_ok_and(|m| m.len() <= FILE_LIMIT as u64)
            && let Ok(bytes) = fs::read(&path)
        {
            found.push((path.to_string_lossy().into_owned(), bytes));
        }
    }
    assert!(!found.is_empty(), "there is no material in {named}");
    found.sort();
    found
}

/// Packages of the material: those whose findings stand beside them first, and the smaller before the larger.
pub fn packages() -> Vec<Vec<u8>> {
    let material = material();
    let found: BTreeSet<&str> = material.iter().filter_map(|(path, _)| path.strip_suffix(".json")).collect();
    let mut packages: Vec<_> = material
        .iter()
        .filter_map(|(path, bytes)| Some((!found.contains(path.strip_suffix(".zip")?), bytes.len(), bytes)))
        .filter(|(_, length, _)| *length <= PACKAGE_LIMIT)
        .collect();
    packages.sort();
    packages.dedup();
    packages.into_iter().map(|(.., bytes)| bytes.clone()).take(PACKAGES).collect()
}

/// Those that are whole, taken apart.
pub fn bases() -> Vec<Base> {
    let keys = package::keys();
    let mut bases: Vec<_> = packages().into_iter().filter_map(|zip| Base::new(zip, &keys)).collect();
    // What is proven reaches every check; of what fails, some.
    bases.sort_by_key(|base| !base.proven);
    let proven = bases.iter().filter(|base| base.proven).count();
    bases.truncate(proven + BROKEN);
    bases
}

/// What an exchange would show of proven packages, one for each succession of charters.
pub fn shown() -> Vec<Shown> {
    let mut successions = BTreeSet::new();
    let proven = bases().into_iter().filter(|base| base.proven).filter_map(|base| Shown::of(&base.zip));
    proven.filter(|shown| successions.insert(shown.charters.clone())).take(SUCCESSIONS).collect()
}

/// Everything in the packages, and the strings of JSON files beside them.
fn pieces() -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = vec![];
    for zip in packages() {
        pieces.extend(package::unpacked(&zip).into_iter().flatten().map(|(_, bytes)| bytes));
    }
    for (path, bytes) in material() {
        if let Some(json) = path.ends_with(".json").then(|| serde_json::from_slice(&bytes).ok()).flatten() {
            strings(&json, &mut pieces);
        }
        pieces.push(bytes);
    }
    pieces.retain(|piece| !piece.is_empty() && piece.len() <= FILE_LIMIT);
    pieces.sort();
    pieces.dedup();
    pieces
}

fn strings(json: &serde_json::Value, found: &mut Vec<Vec<u8>>) {
    match json {
        serde_json::Value::String(s) => found.push(s.clone().into_bytes()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        serde_json::Value::Object(members) => members.values().for_each(|member| strings(member, found)),
        _ => {}
    }
}

/// Statements in compact form.
pub fn statements() -> Vec<String> {
    let compact = |piece: Vec<u8>| {
        let s = String::from_utf8(piece).ok()?;
        let parts: Vec<_> = s.split('.').collect();
        (parts.len() == 3 && parts.iter().all(|part| part.len() > 20 && unbase64(part).is_some())).then_some(s)
    };
    pieces().into_iter().filter_map(compact).collect()
}

/// Documents, and the payloads of statements.
pub fn documents() -> Vec<Vec<u8>> {
    let payloads = statements().into_iter().filter_map(|s| unbase64(s.split('.').nth(1)?));
    pieces().into_iter().filter(|piece| piece.starts_with(b"{")).chain(payloads).collect()
}

fn texts() -> Vec<Vec<u8>> {
    pieces().into_iter().filter(|piece| piece.len() < 8192 && std::str::from_utf8(piece).is_ok()).collect()
}

fn with(first: u8, rest: &[u8]) -> Vec<u8> {
    [&[first], rest].concat()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "statement" => statements().into_iter().map(String::into_bytes).chain(documents()).collect(),
        "document" => documents().into_iter().chain(samples(DOCUMENTS)).collect(),
        "zip" => packages().into_iter().chain(samples(ENTRIES)).collect(),
        "package" => {
            let packages = bases().len() as u8;
            let plain = (0..packages).map(|n| vec![n, 3]);
            // Each edit of some nodes once.
            let edited = (0..16).flat_map(|op| {
                (0..8).map(move |node| vec![node, 3 * (node & 1), op, 3 * node, op * 7 + node, 3, 2, b'a', b'b', 2])
            });
            plain.chain(edited).collect()
        }
        "text" => texts().into_iter().chain(samples(TEXTS)).collect(),
        "compare" => texts().into_iter().map(|t| [&t[..], b"\0", &t[..]].concat()).chain(samples(COMPARED)).collect(),
        "name" => samples(NAMES),
        "log" => {
            let proofs = pieces().into_iter().filter(|piece| piece.starts_with(b"c2sp.org/tlog-proof"));
            let parts = proofs.flat_map(|proof| {
                let note = proof.windows(2).position(|pair| pair == b"\n\n").map(|at| proof[at + 2..].to_vec());
                let request = note.as_ref().map(|note| [&b"old 0\n\n"[..], note].concat());
                [Some(proof), note, request]
            });
            parts.flatten().chain(samples(LOG)).collect()
        }
        "key_file" => {
            let pems =
                material().into_iter().filter(|(path, _)| path.ends_with(".pem")).map(|(_, bytes)| with(0, &bytes));
            let ders = keys().into_iter().map(|(mode, der)| with(mode, &der));
            pems.chain(ders).collect()
        }
        "configuration" => {
            let files = material().into_iter().filter(|(path, _)| path.ends_with(".toml")).map(|(_, bytes)| bytes);
            files.chain(samples(TOML)).collect()
        }
        "wire" => crate::wire::seeds(&statements(), &documents()),
        "reading" => {
            let charters = documents().into_iter().filter(|d| package::fingerprint(d).is_some()).map(|d| with(0, &d));
            let messages = crate::wire::seeds(&statements(), &documents());
            let messages = messages.into_iter().flat_map(|m| (1..=4).map(move |mode| with(mode, &m[1..])));
            // The first byte is also the number of the succession under which it is read.
            let right = (0..).step_by(5).zip(shown()).flat_map(|(n, shown)| {
                let powers = shown.powers.iter().map(|powers| with(n + 2, &powers.encode_to_vec()));
                let (communique, succession) = (shown.communique.encode_to_vec(), shown.succession.encode_to_vec());
                let statements = shown.powers.iter().map(|powers| with(n + 4, powers.statement.as_bytes()));
                let all = powers.chain(statements).chain([with(n, &shown.charters)]);
                all.chain([with(n + 1, &communique), with(n + 3, &succession)]).collect::<Vec<_>>()
            });
            charters.chain(messages).chain(right).collect()
        }
        "import" => samples(PARTS),
        "certificate" => {
            let (ca, leaf) = (CA, LEAF);
            let chain = [&[2][..], &(leaf.len() as u16).to_le_bytes(), leaf, &(ca.len() as u16).to_le_bytes(), ca];
            let pem = [PEM.as_bytes(), b"\n"].concat();
            vec![with(0, ca), with(0, leaf), with(1, &pem), chain.concat()]
        }
        "stamp" => vec![STAMP.to_vec()],
        other => panic!("no seeds for {other}"),
    }
}

fn samples(of: &[&str]) -> Vec<Vec<u8>> {
    of.iter().map(|s| s.as_bytes().to_vec()).collect()
}

/// Sample keys in DER; 1 is encrypted, 2 is not.
pub fn keys() -> Vec<(u8, Vec<u8>)> {
    KEYS.iter().map(|(mode, hex)| (*mode, unhex(hex))).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// The sample authority and a caller's certificate under it, in DER: valid until 2076. Their keys are kept nowhere.
pub const CA: &[u8] = include_bytes!("../samples/authority.der");
/// The caller's.
pub const LEAF: &[u8] = include_bytes!("../samples/caller.der");
/// What openssl answers as an authority, in DER: a time stamp of `an entry (sample)`. Its key is kept nowhere.
pub const STAMP: &[u8] = include_bytes!("../samples/stamp.tsr");
const PEM: &str = include_str!("../samples/caller.pem");
include!("../samples/samples.rs");
