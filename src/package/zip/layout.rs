//! The three records of a zip archive, and the values that never vary in ours (APPNOTE 4.3.7, 4.3.12, 4.3.16).

use super::{DosTime, Entry, ZipFault};

/// Lengths of the records without names, bytes.
pub(super) const LOCAL: usize = 30;
pub(super) const CENTRAL: usize = 46;
pub(super) const END: usize = 22;
pub(super) const LOCATOR: usize = 20;

pub(super) const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
pub(super) const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
pub(super) const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
pub(super) const LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";

/// 'Made on Unix, by version 1.0', so that unzippers heed the permissions below.
const MADE_BY: u16 = 0x030A;
/// Version 1.0: stored files need no later one (APPNOTE 4.4.3.2).
const NEEDED: u16 = 10;
/// Stored (APPNOTE 4.4.5).
const METHOD: u16 = 0;
/// A regular file, rw-r--r--.
const ATTRIBUTES: u32 = 0o100_644 << 16;

const ENCRYPTED: u16 = 1;
const DESCRIPTOR: u16 = 1 << 3;

/// Length of what the two headers of an entry have in common.
pub(super) const SHARED: usize = 26;

/// The fields in common, each with its end in [`SHARED`].
const FIELDS: [(&str, usize); 10] = [
    ("version needed", 2),
    ("flags", 4),
    ("method", 6),
    ("time", 8),
    ("date", 10),
    ("CRC-32", 14),
    ("compressed size", 18),
    ("size", 22),
    ("length of the name", 24),
    ("length of the extra field", 26),
];

/// The first field in which the shared parts of two headers differ.
pub(super) fn difference(a: &[u8; SHARED], b: &[u8; SHARED]) -> Option<&'static str> {
    let at = a.iter().zip(b).position(|(a, b)| a != b)?;
    FIELDS.iter().find(|&&(_, end)| at < end).map(|&(field, _)| field)
}

/// Takes `N` bytes off the front.
pub(super) fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*head)
}

fn u16(from: &mut &[u8]) -> Option<u16> {
    take(from).map(u16::from_le_bytes)
}

fn u32(from: &mut &[u8]) -> Option<u32> {
    take(from).map(u32::from_le_bytes)
}

/// A central header's fixed part as it stands, nothing judged but the signature.
pub(super) struct Central {
    made_by: u16,
    pub(super) shared: [u8; SHARED],
    comment: u16,
    disk: u16,
    internal: u16,
    external: u32,
    pub(super) offset: u32,
}

impl Central {
    pub(super) fn take(from: &mut &[u8]) -> Option<Central> {
        (take(from)? == CENTRAL_SIGNATURE).then_some(())?;
        Some(Central {
            made_by: u16(from)?,
            shared: take(from)?,
            comment: u16(from)?,
            disk: u16(from)?,
            internal: u16(from)?,
            external: u32(from)?,
            offset: u32(from)?,
        })
    }

    pub(super) fn name_length(&self) -> usize {
        let [.., low, high, _, _] = self.shared;
        usize::from(u16::from_le_bytes([low, high]))
    }

    /// The entry that this header describes, if all its fields have values that they may have. Names,
    /// limits and the offset are judged elsewhere.
    pub(super) fn entry(&self, name: &str) -> Result<Entry, ZipFault> {
        let shared = Shared::take(&self.shared).ok_or(ZipFault::Directory)?;
        let named = || name.to_owned();
        if shared.flags & ENCRYPTED != 0 {
            return Err(ZipFault::Encrypted { name: named() });
        }
        if shared.flags & DESCRIPTOR != 0 {
            return Err(ZipFault::Descriptor { name: named() });
        }
        let constants = [
            ("version made by", self.made_by.into(), MADE_BY.into()),
            ("version needed", shared.needed.into(), NEEDED.into()),
            ("flags", shared.flags.into(), 0),
            ("method", shared.method.into(), METHOD.into()),
            ("length of the extra field", shared.extra.into(), 0),
            ("length of the comment", self.comment.into(), 0),
            ("disk", self.disk.into(), 0),
            ("internal attributes", self.internal.into(), 0),
            ("external attributes", self.external, ATTRIBUTES),
        ];
        for (field, found, wanted) in constants {
            if found != wanted {
                return Err(ZipFault::Constant { name: named(), field, found, wanted });
            }
        }
        if [shared.compressed, shared.size, self.offset].contains(&u32::MAX) {
            return Err(ZipFault::Zip64);
        }
        if shared.compressed != shared.size {
            return Err(ZipFault::Sizes { name: named() });
        }
        Ok(Entry {
            name: named(),
            size: shared.size.into(),
            crc32: shared.crc32,
            modified: DosTime::parse(shared.date, shared.time).ok_or_else(|| ZipFault::Time { name: named() })?,
        })
    }
}

struct Shared {
    needed: u16,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc32: u32,
    compressed: u32,
    size: u32,
    extra: u16,
}

impl Shared {
    fn take(mut from: &[u8]) -> Option<Shared> {
        let from = &mut from;
        let shared = Shared {
            needed: u16(from)?,
            flags: u16(from)?,
            method: u16(from)?,
            time: u16(from)?,
            date: u16(from)?,
            crc32: u32(from)?,
            compressed: u32(from)?,
            size: u32(from)?,
            extra: {
                u16(from)?; // the name's length, which was needed to find the name
                u16(from)?
            },
        };
        Some(shared)
    }
}

/// The end record as it stands, nothing judged but the signature.
pub(super) struct End {
    pub(super) disk: u16,
    pub(super) directory_disk: u16,
    pub(super) entries_here: u16,
    pub(super) entries: u16,
    pub(super) directory_size: u32,
    pub(super) directory_offset: u32,
    pub(super) comment: u16,
}

impl End {
    pub(super) fn take(mut from: &[u8]) -> Option<End> {
        let from = &mut from;
        (take(from)? == END_SIGNATURE).then_some(())?;
        Some(End {
            disk: u16(from)?,
            directory_disk: u16(from)?,
            entries_here: u16(from)?,
            entries: u16(from)?,
            directory_size: u32(from)?,
            directory_offset: u32(from)?,
            comment: u16(from)?,
        })
    }
}

/// The local header of an entry, name included. Its numbers have passed the limits, so they fit.
pub(super) fn local(entry: &Entry) -> Vec<u8> {
    let mut bytes = LOCAL_SIGNATURE.to_vec();
    push_shared(&mut bytes, entry);
    bytes.extend_from_slice(entry.name.as_bytes());
    bytes
}

/// Appends the central header of an entry whose local header begins at `offset`.
pub(super) fn push_central(bytes: &mut Vec<u8>, entry: &Entry, offset: u32) {
    bytes.extend_from_slice(&CENTRAL_SIGNATURE);
    bytes.extend_from_slice(&MADE_BY.to_le_bytes());
    push_shared(bytes, entry);
    bytes.extend_from_slice(&[0; 6]); // comment, disk, internal attributes
    bytes.extend_from_slice(&ATTRIBUTES.to_le_bytes());
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(entry.name.as_bytes());
}

/// The end record.
pub(super) fn end(entries: u16, directory_size: u32, directory_offset: u32) -> Vec<u8> {
    let mut bytes = END_SIGNATURE.to_vec();
    bytes.extend_from_slice(&[0; 4]); // disks
    bytes.extend_from_slice(&entries.to_le_bytes());
    bytes.extend_from_slice(&entries.to_le_bytes());
    bytes.extend_from_slice(&directory_size.to_le_bytes());
    bytes.extend_from_slice(&directory_offset.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]); // comment
    bytes
}

fn push_shared(bytes: &mut Vec<u8>, entry: &Entry) {
    for field in [NEEDED, 0, METHOD, entry.modified.time(), entry.modified.date()] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    for field in [entry.crc32, entry.size as u32, entry.size as u32] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&[0; 2]); // extra field
}
