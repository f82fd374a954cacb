//! Reading: first the whole frame, then one content at a time.

use std::io::{Read, Seek, SeekFrom};

use super::layout::{self, Central, End, LOCAL};
use super::names::{self, Census};
use super::{ARCHIVE_MAX, Entry, Limits, PIECE, Window, ZipFault};

/// An archive whose frame has passed every rule of this module. Contents are checked as they are read.
#[derive(Debug)]
pub struct Archive<R> {
    reader: R,
    entries: Vec<Entry>,
    /// Where each entry's contents begin.
    starts: Vec<u64>,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads and judges all headers. No content is read; memory stays below about three times
    /// `limits.entries × (46 + limits.name)` bytes.
    ///
    /// # Errors
    ///
    /// [`ZipFault::Io`] if the reader fails, another variant if this is no archive of our form.
    pub fn open(mut reader: R, limits: Limits) -> Result<Archive<R>, ZipFault> {
        let length = reader.seek(SeekFrom::End(0))?;
        let directory = Directory::find(&mut reader, length, &limits)?;

        let mut census = Census::new(limits);
        let mut entries = Vec::with_capacity(directory.entries);
        let mut starts = Vec::with_capacity(directory.entries);
        let mut rest = directory.bytes.as_slice();
        let mut local = Vec::new();
        let mut place = 0; // where the next entry must begin
        for _ in 0..directory.entries {
            let central = Central::take(&mut rest).ok_or(ZipFault::Directory)?;
            let (name, after) = rest.split_at_checked(central.name_length()).ok_or(ZipFault::Directory)?;
            rest = after;
            names::check_name(name, &limits)?;
            let name = str::from_utf8(name).map_err(|_| ZipFault::Directory)?.to_owned();
            let entry = central.entry(&name)?;
            census.admit(&entry)?;

            let found = u64::from(central.offset);
            if found != place {
                let wanted = place;
                return Err(ZipFault::Place { name, found, wanted });
            }
            let start = place + (LOCAL + name.len()) as u64;
            place = start + entry.size;
            if place > directory.offset {
                return Err(ZipFault::DirectoryPlace { found: directory.offset, wanted: place });
            }
            compare_local(&mut reader, &mut local, &central, found, &name)?;
            starts.push(start);
            entries.push(entry);
        }
        if !rest.is_empty() {
            return Err(ZipFault::Directory);
        }
        if place != directory.offset {
            return Err(ZipFault::DirectoryPlace { found: directory.offset, wanted: place });
        }
        Ok(Archive { reader, entries, starts })
    }

    /// The entries, in the order in which they lie in the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Hands the contents of an entry to `sink`, in pieces of [`PIECE`] bytes. What the sink got is the
    /// entry's contents only if this returns `Ok`: the checksum is known after the last byte.
    ///
    /// # Errors
    ///
    /// [`ZipFault::Io`] if the reader fails, [`ZipFault::NoEntry`] if there is no such entry, [`ZipFault::Crc`]
    /// if contents and header disagree.
    pub fn read(&mut self, index: usize, sink: &mut dyn FnMut(&[u8])) -> Result<(), ZipFault> {
        let (entry, start) = self.entries.get(index).zip(self.starts.get(index)).ok_or(ZipFault::NoEntry { index })?;
        let mut digest = crc32fast::Hasher::new();
        let mut buffer = vec![0; PIECE.min(entry.size as usize)];
        let mut left = entry.size;
        self.reader.seek(SeekFrom::Start(*start))?;
        while left > 0 {
            let length = left.min(buffer.len() as u64);
            let piece = &mut buffer[..length as usize];
            self.reader.read_exact(piece)?;
            digest.update(piece);
            sink(piece);
            left -= length;
        }
        entry.checked(digest.finalize())
    }

    /// The contents of an entry as a file of its own, read where they lie. Its checksum is not looked at.
    ///
    /// # Errors
    ///
    /// [`ZipFault::Io`] if the reader fails, [`ZipFault::NoEntry`] if there is no such entry.
    pub fn window(&mut self, index: usize) -> Result<Window<'_, R>, ZipFault> {
        let (entry, start) = self.entries.get(index).zip(self.starts.get(index)).ok_or(ZipFault::NoEntry { index })?;
        Ok(Window::new(&mut self.reader, *start, entry.size)?)
    }

    /// The contents of an entry of at most `limit` bytes; they have passed every check.
    ///
    /// # Errors
    ///
    /// As [`Archive::read`], and [`ZipFault::TooLarge`], before anything is read, above the limit.
    pub fn read_small(&mut self, index: usize, limit: usize) -> Result<Vec<u8>, ZipFault> {
        let (entry, start) = self.entries.get(index).zip(self.starts.get(index)).ok_or(ZipFault::NoEntry { index })?;
        if entry.size > limit as u64 {
            return Err(ZipFault::TooLarge { name: entry.name.clone(), size: entry.size, limit: limit as u64 });
        }
        let mut contents = vec![0; entry.size as usize];
        self.reader.seek(SeekFrom::Start(*start))?;
        self.reader.read_exact(&mut contents)?;
        entry.checked(crc32fast::hash(&contents))?;
        Ok(contents)
    }
}

/// The central directory's bytes, between the last entry and the end record.
struct Directory {
    bytes: Vec<u8>,
    offset: u64,
    entries: usize,
}

impl Directory {
    fn find<R: Read + Seek>(reader: &mut R, length: u64, limits: &Limits) -> Result<Directory, ZipFault> {
        let end_offset = length.checked_sub(layout::END as u64).ok_or(ZipFault::NotZip)?;
        if length > ARCHIVE_MAX {
            return Err(ZipFault::TooLong { length });
        }
        let mut bytes = [0; layout::END];
        reader.seek(SeekFrom::Start(end_offset))?;
        reader.read_exact(&mut bytes)?;
        let end = End::take(&bytes).ok_or(ZipFault::NotZip)?;

        if [end.entries, end.entries_here].contains(&u16::MAX)
            || [end.directory_size, end.directory_offset].contains(&u32::MAX)
        {
            return Err(ZipFault::Zip64);
        }
        let entries = usize::from(end.entries);
        let (size, offset) = (u64::from(end.directory_size), u64::from(end.directory_offset));
        for (field, right) in [
            ("comment length", end.comment == 0),
            ("disk number", end.disk == 0),
            ("directory disk number", end.directory_disk == 0),
            ("number of entries", end.entries == end.entries_here),
        ] {
            if !right {
                return Err(ZipFault::End { field });
            }
        }
        if offset + size != end_offset {
            return Err(if has_locator(reader, end_offset)? {
                ZipFault::Zip64
            } else {
                ZipFault::End { field: "directory size or offset" }
            });
        }
        if entries == 0 {
            return Err(ZipFault::Empty);
        }
        names::check_count(entries, limits)?;
        // Also what bounds the memory for it; the exact size follows from parsing.
        let most = (layout::CENTRAL as u64).saturating_add(limits.name as u64) * entries as u64;
        if size > most {
            return Err(ZipFault::Directory);
        }
        let mut bytes = vec![0; size as usize];
        reader.seek(SeekFrom::Start(offset))?;
        reader.read_exact(&mut bytes)?;
        Ok(Directory { bytes, offset, entries })
    }
}

/// Whether zip64's locator stands before the end record. It could not pass anyway; this is for the message.
fn has_locator<R: Read + Seek>(reader: &mut R, end_offset: u64) -> Result<bool, ZipFault> {
    let Some(offset) = end_offset.checked_sub(layout::LOCATOR as u64) else {
        return Ok(false);
    };
    let mut signature = [0; 4];
    reader.seek(SeekFrom::Start(offset))?;
    reader.read_exact(&mut signature)?;
    Ok(signature == layout::LOCATOR_SIGNATURE)
}

/// Requires of the local header at `offset`, which lies within the file, that it repeats the central one. `bytes` is room for it.
fn compare_local<R: Read + Seek>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    central: &Central,
    offset: u64,
    name: &str,
) -> Result<(), ZipFault> {
    let disagree = |field| ZipFault::Disagree { name: name.to_owned(), field };
    bytes.resize(LOCAL + name.len(), 0);
    reader.seek(SeekFrom::Start(offset))?;
    reader.read_exact(bytes)?;
    let mut rest = bytes.as_slice();
    if layout::take(&mut rest) != Some(layout::LOCAL_SIGNATURE) {
        return Err(disagree("signature"));
    }
    let shared = layout::take(&mut rest).ok_or_else(|| disagree("length"))?;
    if let Some(field) = layout::difference(&shared, &central.shared) {
        return Err(disagree(field));
    }
    if rest != name.as_bytes() {
        return Err(disagree("name"));
    }
    Ok(())
}
