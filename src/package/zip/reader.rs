//! Reading: first the whole frame, then one content at a time.

use std::io::{Read, Seek, SeekFrom};

use super::layout::{self, Central, End, LOCAL};
use super::names::{self, Census};
use super::{ARCHIVE_MAX, Entry, Limits, Method, PIECE, Window, ZipFault, deflate::Codec};

/// An archive whose frame has passed every rule of this module. Contents are checked as they are read.
#[derive(Debug)]
pub struct Archive<R> {
    reader: R,
    entries: Vec<Entry>,
    /// Where each entry's contents begin.
    starts: Vec<u64>,
    codec: Codec,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads and judges all headers. Nothing is inflated; memory stays below about three times
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
        let mut place = 0; // where the next entry must begin
        for _ in 0..directory.entries {
            let central = Central::take(&mut rest).ok_or(ZipFault::Directory)?;
            let (name, after) = rest.split_at_checked(central.name_length()).ok_or(ZipFault::Directory)?;
            rest = after;
            names::check_name(name, &limits)?;
            let name = names::shown(name); // allowed names show as they are
            let entry = central.entry(&name)?;
            census.admit(&entry)?;

            let found = u64::from(central.offset);
            if found != place {
                let wanted = place;
                return Err(ZipFault::Place { name, found, wanted });
            }
            let start = place + (LOCAL + name.len()) as u64;
            place = start + entry.compressed;
            if place > directory.offset {
                return Err(ZipFault::DirectoryPlace { found: directory.offset, wanted: place });
            }
            compare_local(&mut reader, &central, found, &name)?;
            starts.push(start);
            entries.push(entry);
        }
        if !rest.is_empty() {
            return Err(ZipFault::Directory);
        }
        if place != directory.offset {
            return Err(ZipFault::DirectoryPlace { found: directory.offset, wanted: place });
        }
        Ok(Archive { reader, entries, starts, codec: Codec::default() })
    }

    /// The entries, in the order in which they lie in the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Hands the contents of an entry to `sink`, in pieces of [`PIECE`] bytes. What the sink got is the
    /// entry's contents only if this returns `Ok`: a stored entry's checksum is known after its last byte.
    /// Together the pieces never exceed the entry's size.
    ///
    /// # Errors
    ///
    /// [`ZipFault::Io`] if the reader fails, [`ZipFault::NoEntry`] if there is no such entry, another variant
    /// if contents and header disagree or the deflate stream is not the canonical one.
    pub fn read(&mut self, index: usize, sink: &mut dyn FnMut(&[u8])) -> Result<(), ZipFault> {
        let (entry, start) = match (self.entries.get(index), self.starts.get(index)) {
            (Some(entry), Some(&start)) => (entry, start),
            _ => return Err(ZipFault::NoEntry { index }),
        };
        self.reader.seek(SeekFrom::Start(start))?;
        match entry.method {
            Method::Stored => copy_stored(&mut self.reader, entry, sink),
            Method::Deflated => {
                inflate(&mut self.reader, &mut self.codec, entry)?.chunks(PIECE).for_each(sink);
                Ok(())
            }
        }
    }

    /// The contents of a stored entry as a file of its own, read where they lie. Its checksum is not looked at.
    ///
    /// # Errors
    ///
    /// [`ZipFault::Io`] if the reader fails, [`ZipFault::NoEntry`] if there is no such entry, [`ZipFault::Sizes`] if it is
    /// not stored.
    pub fn window(&mut self, index: usize) -> Result<Window<'_, R>, ZipFault> {
        match (self.entries.get(index), self.starts.get(index)) {
            (Some(Entry { method: Method::Stored, size, .. }), Some(start)) => {
                Ok(Window::new(&mut self.reader, *start, *size)?)
            }
            (Some(entry), _) => Err(ZipFault::Sizes { name: entry.name.clone() }),
            (None, _) => Err(ZipFault::NoEntry { index }),
        }
    }

    /// Whether an entry holds exactly these bytes, in the one form that it can have. If not, reading tells why. `stream` is
    /// their canonical stream, if the caller has it.
    ///
    /// # Errors
    ///
    /// [`ZipFault::Io`] if the reader fails.
    pub fn holds(&mut self, index: usize, expected: &[u8], stream: Option<&[u8]>) -> Result<bool, ZipFault> {
        let (Some(entry), Some(&start)) = (self.entries.get(index), self.starts.get(index)) else { return Ok(false) };
        let held = match entry.method {
            Method::Stored => Some(expected),
            Method::Deflated => stream.or_else(|| self.codec.deflate(expected)),
        };
        let said = (expected.len() as u64, crc32fast::hash(expected)) == (entry.size, entry.crc32);
        let Some(held) = held.filter(|held| said && held.len() as u64 == entry.compressed) else { return Ok(false) };
        let mut found = vec![0; held.len()];
        self.reader.seek(SeekFrom::Start(start))?;
        self.reader.read_exact(&mut found)?;
        Ok(found == held)
    }

    /// The contents of an entry of at most `limit` bytes; they have passed every check.
    ///
    /// # Errors
    ///
    /// As [`Archive::read`], and [`ZipFault::TooLarge`], before anything is read, above the limit.
    pub fn read_small(&mut self, index: usize, limit: usize) -> Result<Vec<u8>, ZipFault> {
        let entry = self.entries.get(index).ok_or(ZipFault::NoEntry { index })?;
        if entry.size > limit as u64 {
            return Err(ZipFault::TooLarge { name: entry.name.clone(), size: entry.size, limit: limit as u64 });
        }
        let mut contents = Vec::new();
        self.read(index, &mut |piece| contents.extend_from_slice(piece))?;
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

/// Requires of the local header at `offset`, which lies within the file, that it repeats the central one.
fn compare_local<R: Read + Seek>(reader: &mut R, central: &Central, offset: u64, name: &str) -> Result<(), ZipFault> {
    let disagree = |field| ZipFault::Disagree { name: name.to_owned(), field };
    let mut bytes = vec![0; LOCAL + name.len()];
    reader.seek(SeekFrom::Start(offset))?;
    reader.read_exact(&mut bytes)?;
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

fn copy_stored<R: Read>(reader: &mut R, entry: &Entry, sink: &mut dyn FnMut(&[u8])) -> Result<(), ZipFault> {
    let mut digest = crc32fast::Hasher::new();
    let mut buffer = vec![0; PIECE.min(entry.size as usize)];
    let mut left = entry.size;
    while left > 0 {
        let length = left.min(buffer.len() as u64);
        let piece = &mut buffer[..length as usize];
        reader.read_exact(piece)?;
        digest.update(piece);
        sink(piece);
        left -= length;
    }
    check_crc(entry, digest.finalize())
}

/// The contents of a deflated entry, all checks passed. Its sizes were bounded when it was admitted.
fn inflate<R: Read>(reader: &mut R, codec: &mut Codec, entry: &Entry) -> Result<Vec<u8>, ZipFault> {
    let mut stream = vec![0; entry.compressed as usize];
    reader.read_exact(&mut stream)?;
    let plain = codec.inflate(&stream, entry.size as usize);
    let plain = plain.ok_or_else(|| ZipFault::Inflate { name: entry.name.clone() })?;
    check_crc(entry, crc32fast::hash(&plain))?;
    Ok(plain)
}

fn check_crc(entry: &Entry, found: u32) -> Result<(), ZipFault> {
    if found != entry.crc32 {
        return Err(ZipFault::Crc { name: entry.name.clone() });
    }
    Ok(())
}
