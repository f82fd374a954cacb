//! A mirror: a ministry's own copy of all that it may see of an exchange, verified before it is kept, and checked without network.
//!
//! What it holds is taken by an audit ([`super::auditing`]): an entry is kept once its digest stands in the tree of a signed head and the
//! rules allow it. docs/TOOL.md says how the folder is laid out. A file comes to stand under its name whole and on the disk, and how far
//! the copy reaches is written last; so whatever stops this program leaves a copy that goes on from there.

mod checking;
mod rows;
mod taking;
mod wanted;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::{
    checking::{Checked, Damage, Restored, check, restore},
    taking::{Lacking, Mirror, Taken, mirror},
};
use super::receipts::{broken, put, read};
use crate::{
    domain::{
        entry::Entry,
        id::{CommuniqueId, Digest, ExchangeName, PartyId},
        json,
        message::Message,
    },
    msg,
};

/// Most entries of a log that a mirror takes: what it notes of each is held in memory.
pub const ENTRIES_LIMIT: u64 = 1 << 22;
/// Largest document, statement or entry, in bytes.
const OBJECT_LIMIT: usize = 8 << 20;
/// Largest file that says whose copy it is, in bytes.
const ABOUT_LIMIT: usize = 4 << 10;
/// How much of a file is hashed at a time, in bytes.
const PIECE: usize = 256 << 10;

/// Whose copy it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Of the exchange of this name,
    pub exchange: ExchangeName,
    /// whose charter 1 has this digest,
    pub founding: Digest,
    /// as this party sees it.
    pub party: PartyId,
}

/// The folder of a mirror.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The mirror that lies in this folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }
    /// Whose it is; none if there is no mirror yet.
    ///
    /// # Errors
    /// A file that cannot be read, or was changed.
    pub fn about(&self) -> io::Result<Option<About>> {
        let file = self.0.join("mirror.json");
        let bytes = read(&file, ABOUT_LIMIT)?;
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|e| broken(&file, &e.to_string()))).transpose()
    }
    /// The same, where there must be one.
    ///
    /// # Errors
    /// As [`Self::about`]; no mirror.
    pub fn known(&self) -> io::Result<About> {
        let none = || io::Error::other(msg!("{folder}: no mirror; `communique mirror` makes one", folder = self.0));
        self.about()?.ok_or_else(none)
    }
    fn note(&self, about: &About) -> io::Result<()> {
        put(&self.0.join("mirror.json"), &serde_json::to_vec(about).map_err(io::Error::from)?)
    }
    /// Where the receipts and the state of the audit lie.
    fn seen(&self) -> PathBuf {
        self.0.join("seen")
    }
    fn rows(&self) -> PathBuf {
        self.0.join("entries")
    }
    fn head(&self, size: u64) -> PathBuf {
        self.0.join("heads").join(format!("{size:020}"))
    }
    /// An entry, document or statement.
    fn object(&self, digest: Digest) -> PathBuf {
        sharded(self.0.join("objects"), digest)
    }
    /// A text or annex: apart, so that what parties have erased is never what the log needs.
    fn content(&self, digest: Digest) -> PathBuf {
        sharded(self.0.join("content"), digest)
    }
    fn packages(&self, id: CommuniqueId) -> PathBuf {
        self.0.join("packages").join(id.to_string())
    }
    /// The packages of a communiqué, by the digest that their names say.
    fn packages_of(&self, id: CommuniqueId) -> io::Result<Vec<(PathBuf, Digest)>> {
        let mut found = Vec::new();
        for file in listed(&self.packages(id))? {
            let named = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".zip"));
            found.extend(named.and_then(|name| Digest::parse(name).ok()).map(|digest| (file.clone(), digest)));
        }
        Ok(found)
    }
    /// An entry, document or statement, if its file is there and has its digest.
    fn read_object(&self, digest: Digest) -> Result<Vec<u8>, Amiss> {
        let path = self.object(digest);
        match read(&path, OBJECT_LIMIT) {
            Ok(Some(bytes)) if Digest::of(&bytes) == digest => Ok(bytes),
            Ok(Some(_)) => Err(Amiss::Changed(path)),
            Ok(None) => Err(Amiss::Missing(path)),
            Err(_) => Err(Amiss::Unreadable(path)),
        }
    }
    /// An entry and what it names.
    fn read_entry(&self, digest: Digest) -> Result<Whole, Amiss> {
        let bytes = self.read_object(digest)?;
        let entry: Entry = json::parse(&bytes).map_err(|_| Amiss::Changed(self.object(digest)))?;
        let named = entry.documents.iter().chain(&entry.statements);
        let objects = named.map(|named| self.read_object(*named)).collect::<Result<_, _>>()?;
        Ok((entry, bytes, objects))
    }
    /// The file that has this digest, whatever it is, hashed again.
    ///
    /// # Errors
    /// None that is there; one that was changed.
    pub fn find(&self, digest: Digest) -> io::Result<PathBuf> {
        let mut places = vec![self.object(digest), self.content(digest)];
        places.extend(listed(&self.0.join("packages"))?.iter().map(|of| of.join(format!("{digest}.zip"))));
        let there = places.into_iter().find(|place| place.is_file());
        let path = there.ok_or_else(|| io::Error::other(msg!("{digest}: this mirror holds nothing of it", digest)))?;
        match amiss(&path, digest) {
            None => Ok(path),
            Some(_) => Err(faulty(&path, msg!("it was changed: its bytes have another digest than its name"))),
        }
    }
}

/// An entry, its bytes, and what it names.
type Whole = (Entry, Vec<u8>, Vec<Vec<u8>>);

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Amiss {
    Missing(PathBuf),
    Changed(PathBuf),
    Unreadable(PathBuf),
}

/// Whether a file of any size has its digest.
fn amiss(path: &Path, digest: Digest) -> Option<Amiss> {
    let hashed = || -> io::Result<Digest> {
        let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0; PIECE]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Digest::from_bytes(hash.finalize().into())),
                n => hash.update(piece.get(..n).unwrap_or_default()),
            }
        }
    };
    match hashed() {
        Ok(actual) if actual == digest => None,
        Ok(_) => Some(Amiss::Changed(path.to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Some(Amiss::Missing(path.to_owned())),
        Err(_) => Some(Amiss::Unreadable(path.to_owned())),
    }
}

fn sharded(folder: PathBuf, digest: Digest) -> PathBuf {
    let name = digest.to_string();
    folder.join(name.get(..2).unwrap_or_default()).join(name)
}

/// What lies in a folder, in order; nothing where there is none.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(|e| at(folder, &e))?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Makes a folder, and those above it, readable by its owner alone; that it is there is on the disk before this returns.
fn made(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
    directory.create(folder).map_err(|e| at(folder, &e))?;
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(above).and_then(|above| above.sync_all()).map_err(|e| at(above, &e))
}

/// A file that is not as it was written, and what to do.
fn faulty(file: &Path, why: Message) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, msg!("{file}: {why}", file, why))
}

fn at(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), msg!("{file}: {error}", file, error))
}
