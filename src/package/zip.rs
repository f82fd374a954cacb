//! The strict zip container of a package.
//!
//! Zip (PKWARE APPNOTE 6.3) says most things twice and lets readers choose which to believe, so that one
//! file can show two contents to two programs. Here each archive has one reading, or none:
//!
//! - Entries lie one after another from byte 0, in the order of the central directory, which follows the
//!   last of them; the end record is the last 22 bytes. No gap, overlap, comment or trailing byte.
//! - The local header repeats the central one field by field. No flags (so no encryption, no data
//!   descriptor), no extra fields, no zip64, one disk, and constants wherever a constant will do.
//! - All entries bear one well-formed time. They are plain files: no folders, no links.
//! - A name is ASCII `[A-Za-z0-9._-]+` joined by `/`, no segment ends in `.`, and no two names meet on a file
//!   system that ignores case.
//! - Contents are stored. DEFLATE has many encodings of one content, and bits that nobody reads.
//!
//! With that, no single bit of an archive can change unseen: each is a constant, or said twice, or under a
//! checksum. CRC-32 guards against accidents only; what guards against people are the
//! digests and signatures of what is inside.
//!
//! Every archive that [`Writer`] makes is read by the usual programs, and by [`Archive`]; the reverse does not
//! hold for the archives of the usual programs, on purpose.

use crate::{
    domain::message::{Fact, Tell},
    msg,
};

mod layout;
mod names;
mod reader;
mod window;
mod writer;

#[cfg(test)]
mod tests;

use std::io;

pub use reader::Archive;
pub use window::Window;
pub use writer::{WriteFault, Writer};

/// Greatest length of an archive, bytes. One less than 2^32 − 1, which zip64 reserves as its marker.
pub const ARCHIVE_MAX: u64 = 0xFFFF_FFFE;

/// Length of the pieces in which contents are handed out, bytes (the last may be shorter).
pub const PIECE: usize = 64 * 1024;

/// What an archive may hold at most, beside [`ARCHIVE_MAX`]. All are asked by [`Archive::open`], before any content is
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of entries. Never more than 65,534 whatever stands here: zip64 is not spoken.
    pub entries: usize,
    /// Length of one name, bytes.
    pub name: usize,
    /// Bytes of one entry.
    pub file: u64,
}

impl Limits {
    /// The limits of a package: 65,000 entries, names of 255 bytes (what common file systems take), 1 GiB a file, which
    /// only the package of what a rectification corrects comes near.
    pub const PACKAGE: Limits = Limits { entries: 65_000, name: 255, file: 1024 * 1024 * 1024 };
}

/// One file of an archive, as both of its headers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path inside the archive; it has passed every rule for names.
    pub name: String,
    /// Length, bytes.
    pub size: u64,
    /// CRC-32 of the contents, as declared. Checked by reading.
    pub crc32: u32,
    /// The archive's time: the same for every entry.
    pub modified: DosTime,
}

impl Entry {
    fn checked(&self, crc32: u32) -> Result<(), ZipFault> {
        if crc32 == self.crc32 { Ok(()) } else { Err(ZipFault::Crc { name: self.name.clone() }) }
    }
}

/// A moment as zip writes it: no zone, two-second steps, years 1980 to 2107. A value is always a real date
/// and time of day (seconds 0 to 58).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DosTime {
    date: u16,
    time: u16,
}

impl DosTime {
    /// The nearest moment that can be written, at or before the given one: odd seconds lose one, a field
    /// beyond its range takes the nearest value in it, and years outside 1980 to 2107 become the first or
    /// the last moment of that span.
    pub fn new(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> DosTime {
        if year < 1980 {
            return DosTime::new(1980, 1, 1, 0, 0, 0);
        }
        if year > 2107 {
            return DosTime::new(2107, 12, 31, 23, 59, 59);
        }
        let month = month.clamp(1, 12);
        let day = day.clamp(1, days(year, month));
        DosTime {
            date: (year - 1980) << 9 | u16::from(month) << 5 | u16::from(day),
            time: u16::from(hour.min(23)) << 11 | u16::from(minute.min(59)) << 5 | u16::from(second.min(59) / 2),
        }
    }

    /// The moment that these two header fields mean, if they mean one.
    pub fn parse(date: u16, time: u16) -> Option<DosTime> {
        let (year, month, day) = (1980 + (date >> 9), (date >> 5 & 15) as u8, (date & 31) as u8);
        let in_range = (1..=12).contains(&month)
            && (1..=days(year, month)).contains(&day)
            && time >> 11 < 24
            && (time >> 5 & 63) < 60
            && (time & 31) < 30;
        in_range.then_some(DosTime { date, time })
    }

    /// The header's date field: year − 1980, month, day in 7, 4 and 5 bits.
    pub fn date(self) -> u16 {
        self.date
    }

    /// The header's time field: hour, minute, half seconds in 5, 6 and 5 bits.
    pub fn time(self) -> u16 {
        self.time
    }
}

fn days(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (year != 2100) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Why an archive was refused. [`ZipFault::Io`] says that the bytes could not be read and nothing is known
/// about them; each other variant says that they are not a package.
///
/// Names in messages are escaped and cut, so they can go to a terminal.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
pub enum ZipFault {
    /// The bytes could not be read.
    Io(#[from] io::Error),
    /// Shorter than an end record, or the last 22 bytes are none.
    NotZip,
    /// Longer than [`ARCHIVE_MAX`].
    TooLong {
        /// Its length, bytes.
        length: u64,
    },
    /// It uses zip64, or holds one of its markers.
    Zip64,
    /// The end record says something that it may not.
    End {
        /// The field.
        field: &'static str,
    },
    /// The central directory does not parse into exactly the entries announced.
    Directory,
    /// No entries.
    Empty,
    /// Too many entries.
    TooMany {
        /// How many there are, or how many are too many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A name that breaks the rules.
    Name {
        /// The name, escaped.
        name: String,
        /// The rule.
        why: &'static str,
    },
    /// Two names that some file system cannot hold together.
    Clash {
        /// The later name.
        name: String,
        /// The earlier name.
        other: String,
    },
    /// The entry is encrypted.
    Encrypted {
        /// The entry.
        name: String,
    },
    /// The entry has a data descriptor.
    Descriptor {
        /// The entry.
        name: String,
    },
    /// A field that must have one value has another.
    Constant {
        /// The entry.
        name: String,
        /// The field.
        field: &'static str,
        /// What it is.
        found: u32,
        /// What it must be.
        wanted: u32,
    },
    /// Not a date and time, or not that of the first entry.
    Time {
        /// The entry.
        name: String,
    },
    /// The entry does not begin where the one before ended.
    Place {
        /// The entry.
        name: String,
        /// Where it is said to begin.
        found: u64,
        /// Where it must.
        wanted: u64,
    },
    /// The central directory does not begin where the last entry ended.
    DirectoryPlace {
        /// Where it begins.
        found: u64,
        /// Where it must.
        wanted: u64,
    },
    /// Local and central header differ.
    Disagree {
        /// The entry.
        name: String,
        /// The first field that differs.
        field: &'static str,
    },
    /// The entry is larger than allowed.
    TooLarge {
        /// The entry.
        name: String,
        /// Its bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A stored entry's two sizes differ.
    Sizes {
        /// The entry.
        name: String,
    },
    /// The contents have another CRC-32.
    Crc {
        /// The entry.
        name: String,
    },
    /// The caller asked for an entry that is not there.
    NoEntry {
        /// The number asked for.
        index: usize,
    },
}

impl Tell for ZipFault {
    fn tell(&self) -> Fact {
        match self {
            Self::Io(error) => msg!("the archive could not be read: {error}", error),
            Self::NotZip => msg!("not a zip archive, or something follows its end"),
            Self::TooLong { length } => msg!("the archive has {length} bytes, more than the {archive_max} of a zip without zip64", length, archive_max = ARCHIVE_MAX),
            Self::Zip64 => msg!("the archive uses zip64"),
            Self::End { field } => msg!("the end record's {field} is wrong", field),
            Self::Directory => msg!("the central directory does not hold exactly the entries announced"),
            Self::Empty => msg!("the archive is empty"),
            Self::TooMany { count, limit } => msg!("the archive has {count} entries, more than {limit}", count, limit),
            Self::Name { name, why } => msg!("the name \"{name}\" {why}", name, why),
            Self::Clash { name, other } => msg!("the names \"{name}\" and \"{other}\" collide (the same, the same but for case, or one inside the other)", name, other),
            Self::Encrypted { name } => msg!("\"{name}\" is encrypted", name),
            Self::Descriptor { name } => msg!("\"{name}\" has a data descriptor", name),
            Self::Constant { name, field, found, wanted } => msg!("the {field} of \"{name}\" is {found} and must be {wanted}", field, name, found = format!("{found:#x}"), wanted = format!("{wanted:#x}")),
            Self::Time { name } => msg!("the time of \"{name}\" is none, or not that of the first entry", name),
            Self::Place { name, found, wanted } => msg!("\"{name}\" begins at byte {found}, but the entries before it end at byte {wanted}", name, found, wanted),
            Self::DirectoryPlace { found, wanted } => msg!("the central directory begins at byte {found}, but the entries end at byte {wanted}", found, wanted),
            Self::Disagree { name, field } => msg!("the two headers of \"{name}\" disagree: {field}", name, field),
            Self::TooLarge { name, size, limit } => msg!("\"{name}\" has {size} bytes, more than {limit}", name, size, limit),
            Self::Sizes { name } => msg!("the two sizes of \"{name}\" differ", name),
            Self::Crc { name } => msg!("the contents of \"{name}\" do not match their checksum", name),
            Self::NoEntry { index } => msg!("there is no entry number {index}", index),
        }
        .into()
    }
}

impl ZipFault {
    /// Whether the bytes could not be read, so that nothing is known about them.
    pub fn is_io(&self) -> bool {
        matches!(self, ZipFault::Io(_))
    }
}
