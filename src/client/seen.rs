//! What was seen: of each communiqué the newest revision that whoever sits at this profile was shown in full. It lies beside the receipts,
//! readable by its user alone, and says only what to compare a later revision with, and that a revision has not become another.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::receipts::{broken, put, read};
use crate::domain::{
    id::{CommuniqueId, Digest},
    manifest::Manifest,
    time::Time,
};

/// Largest file that says what was seen of a communiqué, in bytes.
pub const SEEN_LIMIT: usize = 1 << 10;

/// The newest revision of a communiqué that was shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its number.
    pub revision: u64,
    /// Its manifest's digest.
    pub manifest: Digest,
    /// When it was shown last, by this machine's clock.
    pub time: Time,
}

/// Where that is kept.
#[derive(Clone, Debug)]
pub struct Memory(Option<PathBuf>);

impl Memory {
    /// In this folder of receipts.
    #[must_use]
    pub fn within(receipts: &Path) -> Self {
        Self(Some(receipts.join("seen")))
    }
    /// Nowhere.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(None)
    }
    /// What was seen of this communiqué.
    ///
    /// # Errors
    /// A file that cannot be read, or that was changed.
    pub fn of(&self, id: CommuniqueId) -> io::Result<Option<Seen>> {
        let Some(file) = self.file(id) else { return Ok(None) };
        let bytes = read(&file, SEEN_LIMIT)?;
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|e| broken(&file, &e.to_string()))).transpose()
    }
    /// Notes that this was shown, unless a later revision was.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn note(&self, manifest: &Manifest, digest: Digest, time: Time) -> io::Result<()> {
        let Some(file) = self.file(manifest.communique) else { return Ok(()) };
        if self.of(manifest.communique)?.is_some_and(|seen| seen.revision > manifest.revision) {
            return Ok(());
        }
        if let Some(folder) = file.parent() {
            let mut directory = std::fs::DirBuilder::new();
            directory.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
            directory.create(folder)?;
        }
        let seen = Seen { revision: manifest.revision, manifest: digest, time };
        put(&file, &serde_json::to_vec(&seen)?)
    }
    fn file(&self, id: CommuniqueId) -> Option<PathBuf> {
        self.0.as_ref().map(|folder| folder.join(format!("{id}.json")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        document::Document,
        samples::{World, noon},
    };

    #[test]
    fn the_newest_that_was_shown_stays() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::within(folder.path());
        let world = World::new(&[("north", 1), ("south", 1)]);
        let first = world.manifest();
        assert_eq!(memory.of(first.communique).unwrap(), None);
        let mut second = first.clone();
        (second.revision, second.previous) = (2, Some(Digest::of(b"first")));
        let digest = |m: &Manifest| Document::of(m).unwrap().digest();
        memory.note(&second, digest(&second), noon()).unwrap();
        memory.note(&first, digest(&first), noon()).unwrap();
        let seen = memory.of(first.communique).unwrap().unwrap();
        assert_eq!(seen, Seen { revision: 2, manifest: digest(&second), time: noon() });
        // What was cut or changed is told, and not taken for nothing.
        std::fs::write(folder.path().join("seen").join(format!("{}.json", first.communique)), "{}").unwrap();
        assert!(memory.of(first.communique).is_err());
        assert_eq!(Memory::nowhere().of(first.communique).unwrap(), None);
    }
}
