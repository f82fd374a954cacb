//! Writing: the same input gives the same bytes, and nothing is written that the reader would refuse.

use std::io::{self, Write};

use super::layout;
use super::names::{self, Census};
use super::{ARCHIVE_MAX, DosTime, Entry, Limits, ZipFault};

/// Why an entry was not written. Comes inside an [`io::Error`] of kind [`io::ErrorKind::InvalidInput`].
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// The reader would refuse it.
    #[error(transparent)]
    Refused(#[from] ZipFault),
    /// The contents are longer or shorter than was announced.
    #[error("the contents do not have the {size} bytes announced")]
    Size {
        /// What was announced.
        size: u64,
    },
    /// The contents have another CRC-32 than was announced.
    #[error("the contents do not have the checksum announced")]
    Crc,
    /// An earlier entry failed or was not finished, so what was written is no archive.
    #[error("an earlier entry was not completed")]
    Broken,
}

impl From<WriteFault> for io::Error {
    fn from(fault: WriteFault) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, fault)
    }
}

/// Writes an archive within [`Limits::PACKAGE`], front to back. An entry that is refused by its header leaves the
/// writer usable; one that fails later does not.
pub struct Writer<W: Write> {
    to: W,
    modified: DosTime,
    census: Census,
    directory: Vec<u8>,
    entries: u16,
    /// Bytes written so far.
    pub(super) offset: u64,
    /// Whether an entry was begun and not completed.
    broken: bool,
    /// The entry that was begun.
    open: Option<Open>,
}

/// An entry whose contents are on their way.
struct Open {
    size: u64,
    left: u64,
    crc32: u32,
    digest: crc32fast::Hasher,
}

impl<W: Write> Writer<W> {
    /// A writer whose entries will all bear the time `modified`. Header and contents are written in separate calls, so
    /// a file should be given buffered.
    pub fn new(to: W, modified: DosTime) -> Self {
        Writer {
            to,
            modified,
            census: Census::new(Limits::PACKAGE),
            directory: Vec::new(),
            entries: 0,
            offset: 0,
            broken: false,
            open: None,
        }
    }

    /// Begins an entry whose size and CRC-32 are known before. The caller gives exactly that many bytes to
    /// [`Writer::piece`] and calls [`Writer::end`].
    ///
    /// # Errors
    ///
    /// [`WriteFault::Refused`] for a name, size or number of entries that the reader would refuse,
    /// [`WriteFault::Broken`] after a failure, and what the underlying writer says.
    pub fn begin(&mut self, name: &str, size: u64, crc32: u32) -> io::Result<()> {
        if self.broken {
            return Err(WriteFault::Broken.into());
        }
        let entry = Entry { name: name.to_owned(), size, crc32, modified: self.modified };
        let header = layout::local(&entry);
        let end = self.offset + header.len() as u64 + size;
        let length = end + (self.directory.len() + layout::CENTRAL + name.len() + layout::END) as u64;
        if length > ARCHIVE_MAX {
            return Err(WriteFault::Refused(ZipFault::TooLong { length }).into());
        }
        names::check_name(name.as_bytes(), &Limits::PACKAGE).map_err(WriteFault::Refused)?;
        self.census.admit(&entry).map_err(WriteFault::Refused)?;
        self.broken = true; // until the contents are complete
        self.to.write_all(&header)?;
        // Fits, since the whole archive does.
        layout::push_central(&mut self.directory, &entry, self.offset as u32);
        self.offset = end;
        self.entries += 1;
        self.open = Some(Open { size, left: size, crc32, digest: crc32fast::Hasher::new() });
        Ok(())
    }

    /// The next bytes of the entry that was begun.
    ///
    /// # Errors
    ///
    /// [`WriteFault::Size`] for more than was announced, [`WriteFault::Broken`] if no entry was begun, and what the
    /// underlying writer says. The archive is lost then.
    pub fn piece(&mut self, piece: &[u8]) -> io::Result<()> {
        let Some(mut open) = self.open.take() else {
            self.broken = true;
            return Err(WriteFault::Broken.into());
        };
        open.left = open.left.checked_sub(piece.len() as u64).ok_or(WriteFault::Size { size: open.size })?;
        self.to.write_all(piece)?;
        open.digest.update(piece);
        self.open = Some(open);
        Ok(())
    }

    /// Completes the entry that was begun.
    ///
    /// # Errors
    ///
    /// [`WriteFault::Size`] or [`WriteFault::Crc`] if the contents are not those announced, [`WriteFault::Broken`] if no
    /// entry was begun. The archive is lost then, its header being written.
    pub fn end(&mut self) -> io::Result<()> {
        let open = self.open.take().ok_or(WriteFault::Broken)?;
        if open.left != 0 {
            return Err(WriteFault::Size { size: open.size }.into());
        }
        if open.digest.finalize() != open.crc32 {
            return Err(WriteFault::Crc.into());
        }
        self.broken = false;
        Ok(())
    }

    /// Where the archive goes to: for a caller that empties a buffer between two calls.
    pub fn target(&mut self) -> &mut W {
        &mut self.to
    }

    /// Writes an entry from memory.
    ///
    /// # Errors
    ///
    /// As [`Writer::begin`].
    pub fn small(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(name, bytes.len() as u64, crc32fast::hash(bytes))?;
        self.piece(bytes)?;
        self.end()
    }

    /// Writes central directory and end record, flushes, and gives the underlying writer back.
    ///
    /// # Errors
    ///
    /// [`WriteFault::Refused`] if there is no entry, [`WriteFault::Broken`] after a failure, and what the underlying
    /// writer says.
    pub fn finish(mut self) -> io::Result<W> {
        if self.broken {
            return Err(WriteFault::Broken.into());
        }
        if self.entries == 0 {
            return Err(WriteFault::Refused(ZipFault::Empty).into());
        }
        self.to.write_all(&self.directory)?;
        // Both fit, since `begin` keeps the whole archive within ARCHIVE_MAX.
        let (size, offset) = (self.directory.len() as u32, self.offset as u32);
        self.to.write_all(&layout::end(self.entries, size, offset))?;
        self.to.flush()?;
        Ok(self.to)
    }
}
