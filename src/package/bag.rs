//! The layout of a package: a BagIt 1.0 bag (RFC 8493) under one folder. Every tag file is a function of what is in
//! `data/`, so that a verifier makes it again and compares.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use sha2::{Digest as _, Sha256, Sha512};

use super::zip::DosTime;
use crate::domain::{
    id::{CommuniqueId, Digest, hex},
    manifest::Manifest,
    time::Time,
};

/// `bagit.txt` (RFC 8493, section 2.1.1).
pub const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// `data/README.txt`: how to check by hand, in four languages.
pub const README: &str = include_str!("README.txt");
/// The digests of [`README`], the longest file of most packages.
pub(super) static README_DIGESTS: LazyLock<PartDigests> = LazyLock::new(|| PartDigests::of(README.as_bytes()));

/// The software agent that `bag-info.txt` names: the format, not the program, so that every program writes the same.
pub const AGENT: &str = "communique.v1";

/// Paths of the tag files at the bag's top, in the order in which they lie in the archive.
pub const TAG_FILES: [&str; 6] = [
    "bagit.txt",
    "bag-info.txt",
    "manifest-sha256.txt",
    "manifest-sha512.txt",
    "tagmanifest-sha256.txt",
    "tagmanifest-sha512.txt",
];
/// Those of these that list the tag files, with all of `evidence/`.
pub const TAG_MANIFESTS: [&str; 2] = ["tagmanifest-sha256.txt", "tagmanifest-sha512.txt"];
/// Path of the manifest of the communiqué.
pub const MANIFEST_PATH: &str = "data/communique.json";
/// Path of the README.
pub const README_PATH: &str = "data/README.txt";
/// Path of the depositary's certified copy.
pub const CERTIFIED_PATH: &str = "evidence/certified-copy.jws";
/// Path of the time stamp of the `published` entry, if there is one.
pub const STAMP_PATH: &str = "evidence/published.tsr";

/// The bag's one folder.
#[must_use]
pub fn folder(communique: CommuniqueId) -> String {
    format!("communique-{communique}")
}
/// Path of a charter.
#[must_use]
pub fn charter_path(version: u64) -> String {
    format!("data/charters/{version}.json")
}
/// Path of a log entry.
#[must_use]
pub fn entry_path(index: u64) -> String {
    format!("data/entries/{index}.json")
}
/// Path of the proof that the entry of this index is in the log.
#[must_use]
pub fn proof_path(index: u64) -> String {
    format!("evidence/{index}.{}", crate::log::proof::EXTENSION)
}
/// Path of a statement.
#[must_use]
pub fn statement_path(digest: Digest) -> String {
    format!("data/statements/{digest}.jws")
}
/// Path of the package of what a rectification corrects.
#[must_use]
pub fn original_path(communique: CommuniqueId) -> String {
    format!("data/rectifies/communique-{communique}.zip")
}
/// The one time that all files of the archive bear: log time of the `published` entry, as far as zip can write it.
#[must_use]
pub fn archive_time(published: Time) -> DosTime {
    let (year, month, day, hour, minute, second) = published.civil();
    let small = |n: i8| u8::try_from(n).unwrap_or_default();
    DosTime::new(
        u16::try_from(year).unwrap_or_default(),
        small(month),
        small(day),
        small(hour),
        small(minute),
        small(second),
    )
}

/// A SHA-512 digest; shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha512Digest([u8; 64]);
impl fmt::Display for Sha512Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for Sha512Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the bag and the archive say of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartDigests {
    /// How many bytes.
    pub size: u64,
    /// CRC-32, for the zip headers.
    pub crc32: u32,
    /// SHA-256.
    pub sha256: Digest,
    /// SHA-512, the bag's second manifest.
    pub sha512: Sha512Digest,
}

impl PartDigests {
    /// Of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::beside(Digest::of(bytes), bytes)
    }
    /// Of bytes in memory, whose SHA-256 is known.
    pub(super) fn beside(sha256: Digest, bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
            sha256,
            sha512: Sha512Digest(Sha512::digest(bytes).into()),
        }
    }
}

/// Computes [`PartDigests`] over a stream.
#[derive(Clone, Debug, Default)]
pub struct PartHasher {
    size: u64,
    crc32: crc32fast::Hasher,
    sha256: Sha256,
    sha512: Sha512,
}

impl PartHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc32.update(bytes);
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }
    /// The digests of all that was taken.
    #[must_use]
    pub fn finish(self) -> PartDigests {
        PartDigests {
            size: self.size,
            crc32: self.crc32.finalize(),
            sha256: Digest::from_bytes(self.sha256.finalize().into()),
            sha512: Sha512Digest(self.sha512.finalize().into()),
        }
    }
}

/// The six tag files, in the order of [`TAG_FILES`]. `payload` is every file of `data/` by path, `evidence` every one of
/// `evidence/`.
#[must_use]
pub fn tag_files(
    manifest: &Manifest,
    published: Time,
    payload: &BTreeMap<String, PartDigests>,
    evidence: &BTreeMap<String, PartDigests>,
) -> Vec<(&'static str, Vec<u8>)> {
    let [bagit, info, sha256, sha512, tags256, tags512] = TAG_FILES;
    let listed = |files: &BTreeMap<String, PartDigests>, digest: fn(&PartDigests) -> String| {
        let mut lines = String::with_capacity(files.len() * 200);
        for (path, digests) in files {
            lines.extend([&digest(digests), "  ", path, "\n"]);
        }
        lines.into_bytes()
    };
    let (by256, by512) = (|d: &PartDigests| hex(d.sha256.as_bytes()), |d: &PartDigests| hex(&d.sha512.0));
    let mut made = vec![
        (bagit, BAGIT.as_bytes().to_vec()),
        (info, bag_info(manifest, published, payload).into_bytes()),
        (sha256, listed(payload, by256)),
        (sha512, listed(payload, by512)),
    ];
    let mut tags: BTreeMap<String, PartDigests> =
        made.iter().map(|(path, bytes)| ((*path).to_owned(), PartDigests::of(bytes))).collect();
    tags.extend(evidence.iter().map(|(path, digests)| (path.clone(), *digests)));
    made.push((tags256, listed(&tags, by256)));
    made.push((tags512, listed(&tags, by512)));
    made
}

/// `bag-info.txt` (RFC 8493, section 2.2.2).
fn bag_info(manifest: &Manifest, published: Time, payload: &BTreeMap<String, PartDigests>) -> String {
    let (year, month, day, ..) = published.civil();
    let octets: u64 = payload.values().map(|d| d.size).sum();
    format!(
        "Bag-Software-Agent: {AGENT}\n\
         Bagging-Date: {year:04}-{month:02}-{day:02}\n\
         External-Identifier: {}\n\
         Payload-Oxum: {octets}.{}\n\
         Source-Organization: {}\n",
        manifest.communique,
        payload.len(),
        manifest.exchange,
    )
}
