//! `communiqued fsck --mend-from`: what was damaged, put back from where the same bytes still are.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{config::Data, fsck::FsckError};
use crate::{
    domain::id::Digest,
    exchange::{
        fsck::{At, Report},
        ports::{Content as _, Store as _},
    },
    store::sqlite::{Mending, Options, SqliteContent, SqliteStore},
};

/// Largest file that is put back, in bytes: above every text and annex, and it is read whole.
const FILE_LIMIT: u64 = 1 << 30;
/// How much of a backup's content is read at a time, in bytes.
const PIECE: usize = 1 << 20;

/// Puts back what a check has found damaged or missing and a folder has: files that are named by their digests, or a backup. Answers of how
/// many digests. Nothing is believed of the folder: bytes that do not have the digest that is asked for are passed over.
///
/// # Errors
/// [`FsckError`]: the exchange serves, or its data cannot be written. What was put back until then stays.
pub async fn mend(data: &Data, report: &Report, from: &Path) -> Result<usize, FsckError> {
    let mut mending = Mending::open(&data.log(), &data.content())?;
    let source = Source::open(from)?;
    let mut mended = BTreeSet::new();
    for found in report.faults.listed() {
        for needed in &found.needs {
            let put = match &found.at {
                At::Entry { index, .. } => match source.entry(*index, *needed).await? {
                    Some(bytes) => mending.entry(&data.log(), *index, &bytes)?,
                    None => false,
                },
                At::Content(_) => match source.content(*needed).await? {
                    Some(bytes) => mending.content(&data.content(), &bytes)?,
                    None => false,
                },
                _ => false,
            };
            mended.extend(put.then_some(*needed));
        }
    }
    Ok(mended.len())
}

/// Where bytes may still be.
struct Source {
    folder: PathBuf,
    backup: Option<(SqliteStore, SqliteContent)>,
}

impl Source {
    fn open(folder: &Path) -> Result<Self, FsckError> {
        fs::read_dir(folder).map_err(|error| FsckError::Io(folder.to_owned(), error))?;
        let data = Data::at(folder.to_owned());
        let backup = if data.log().exists() {
            let log = SqliteStore::reading(&data.log(), Options::default())?;
            Some((log, SqliteContent::reading(&data.content(), Options::default())?))
        } else {
            None
        };
        Ok(Self { folder: folder.to_owned(), backup })
    }
    async fn entry(&self, index: u64, digest: Digest) -> Result<Option<Vec<u8>>, FsckError> {
        let mut found = self.file(digest)?;
        if let (None, Some((log, _))) = (&found, &self.backup) {
            let stored = log.log(index, 1).await.ok().and_then(|mut entries| entries.pop());
            found = stored
                .and_then(|stored| [stored.bytes].into_iter().chain(stored.objects).find(|b| Digest::of(b) == digest));
        }
        Ok(found)
    }
    async fn content(&self, digest: Digest) -> Result<Option<Vec<u8>>, FsckError> {
        let found = self.file(digest)?;
        let (None, Some((_, content))) = (&found, &self.backup) else { return Ok(found) };
        let mut bytes = Vec::new();
        while let Ok(Some(piece)) = content.read(digest, bytes.len() as u64, PIECE).await {
            if piece.is_empty() || bytes.len() as u64 > FILE_LIMIT {
                break;
            }
            bytes.extend(piece);
        }
        Ok(Some(bytes).filter(|bytes| Digest::of(bytes) == digest))
    }
    /// The file that is named by this digest, if it has it.
    fn file(&self, digest: Digest) -> Result<Option<Vec<u8>>, FsckError> {
        let path = self.folder.join(digest.to_string());
        let failed = |error| FsckError::Io(path.clone(), error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes).filter(|bytes| Digest::of(bytes) == digest))
    }
}
