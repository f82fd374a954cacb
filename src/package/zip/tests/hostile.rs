//! Archives made hostile by surgery on a good one.

use super::{sample, unpack};
use crate::package::zip::ZipFault;

/// One part of an archive taken to pieces: what the hostile table operates on.
#[derive(Clone)]
pub(super) struct Part {
    before: Vec<u8>,
    local: Vec<u8>,
    local_name: Vec<u8>,
    pub(super) data: Vec<u8>,
    central: Vec<u8>,
    central_name: Vec<u8>,
    shift: i64,
}

/// A good archive in pieces, put together again with offsets and lengths that fit, unless told otherwise.
#[derive(Clone)]
pub(super) struct Surgery {
    pub(super) parts: Vec<Part>,
    end: Vec<u8>,
    before_directory: Vec<u8>,
    after_directory: Vec<u8>,
}

pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn long(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

impl Surgery {
    pub(super) fn open(archive: &[u8]) -> Surgery {
        let end = archive[archive.len() - 22..].to_vec();
        let mut at = long(&end, 16);
        let parts = (0..word(&end, 10))
            .map(|_| {
                let central = archive[at..at + 46].to_vec();
                let name = word(&central, 28);
                let central_name = archive[at + 46..at + 46 + name].to_vec();
                at += 46 + name;
                let start = long(&central, 42);
                let data = start + 30 + name;
                Part {
                    before: Vec::new(),
                    local: archive[start..start + 30].to_vec(),
                    local_name: archive[start + 30..data].to_vec(),
                    data: archive[data..data + long(&central, 20)].to_vec(),
                    central,
                    central_name,
                    shift: 0,
                }
            })
            .collect();
        Surgery { parts, end, before_directory: Vec::new(), after_directory: Vec::new() }
    }

    pub(super) fn close(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut directory = Vec::new();
        for part in &self.parts {
            out.extend_from_slice(&part.before);
            let mut central = part.central.clone();
            if long(&central, 42) != 0xFFFF_FFFF {
                let offset = (out.len() as i64 + part.shift) as u32;
                put(&mut central, 42, offset.to_le_bytes());
            }
            for piece in [&part.local, &part.local_name, &part.data] {
                out.extend_from_slice(piece);
            }
            directory.extend_from_slice(&central);
            directory.extend_from_slice(&part.central_name);
        }
        out.extend_from_slice(&self.before_directory);
        let mut end = self.end.clone();
        put(&mut end, 16, (out.len() as u32).to_le_bytes());
        put(&mut end, 12, (directory.len() as u32).to_le_bytes());
        for piece in [&directory, &self.after_directory, &end] {
            out.extend_from_slice(piece);
        }
        out
    }

    /// Sets a field in both headers of an entry; `at` is its place in the local one.
    fn both<const N: usize>(&mut self, index: usize, at: usize, value: [u8; N]) {
        put(&mut self.parts[index].local, at, value);
        put(&mut self.parts[index].central, at + 2, value);
    }

    fn rename(&mut self, index: usize, name: &[u8]) {
        self.parts[index].local_name = name.to_vec();
        self.parts[index].central_name = name.to_vec();
        self.both(index, 26, (name.len() as u16).to_le_bytes());
    }
}

/// Each local field in turn differs from the central one.
#[test]
fn disagreeing_headers_are_refused() {
    for (field, at) in [
        ("signature", 0),
        ("version needed", 4),
        ("flags", 6),
        ("method", 8),
        ("time", 10),
        ("date", 12),
        ("CRC-32", 14),
        ("compressed size", 18),
        ("size", 22),
        ("length of the name", 26),
        ("length of the extra field", 28),
    ] {
        let mut surgery = Surgery::open(&sample());
        surgery.parts[1].local[at] ^= 1;
        match unpack(&surgery.close()).unwrap_err() {
            ZipFault::Disagree { name, field: found } => {
                assert_eq!((name.as_str(), found), ("bag/b", field));
            }
            fault => panic!("{field}: {fault}"),
        }
    }
    let mut surgery = Surgery::open(&sample());
    surgery.parts[1].local_name = b"bag/x".to_vec();
    let fault = unpack(&surgery.close()).unwrap_err();
    assert!(matches!(fault, ZipFault::Disagree { field: "name", .. }));
}

type Cut = fn(&mut Surgery);

/// What is cut, how, and a part of the message that must come.
const HOSTILE: &[(&str, Cut, &str)] = &[
    ("leading byte", |s| s.parts[0].before.push(0), "begins at byte 1"),
    ("gap between entries", |s| s.parts[1].before.push(0), "but the entries before it end"),
    ("gap before the directory", |s| s.before_directory.push(0), "central directory begins"),
    ("gap behind the directory", |s| s.after_directory.push(0), "end record's directory size or offset"),
    ("overlapping entries", |s| s.parts[1].shift = -1, "but the entries before it end"),
    (
        "two entries on one content",
        |s| {
            s.parts[1].shift = -((s.parts[0].data.len() + 39) as i64);
        },
        "begins at byte 0",
    ),
    (
        "directory in another order",
        |s| {
            let (first, second) = (s.parts[1].central.clone(), s.parts[2].central.clone());
            let (one, two) = (s.parts[1].central_name.clone(), s.parts[2].central_name.clone());
            (s.parts[1].central, s.parts[2].central) = (second, first);
            (s.parts[1].central_name, s.parts[2].central_name) = (two, one);
        },
        "disagree",
    ),
    (
        "comment of an entry",
        |s| {
            put(&mut s.parts[2].central, 32, [1, 0]);
            s.parts[2].central_name.push(b'!');
        },
        "length of the comment",
    ),
    (
        "extra field in both",
        |s| {
            s.both(1, 28, [4, 0]);
            s.parts[1].local_name.extend_from_slice(&[0; 4]);
            s.parts[1].central_name.extend_from_slice(&[0; 4]);
        },
        "length of the extra field",
    ),
    (
        "extra field in the local header",
        |s| {
            put(&mut s.parts[1].local, 28, [4, 0]);
            s.parts[1].local_name.extend_from_slice(&[0; 4]);
        },
        "disagree: length of the extra field",
    ),
    ("encrypted", |s| s.both(1, 6, [1, 0]), "is encrypted"),
    (
        "data descriptor",
        |s| {
            s.both(1, 6, [8, 0]);
            let descriptor = [b"PK\x07\x08", &s.parts[1].local[14..26]].concat();
            s.parts[1].data.extend_from_slice(&descriptor);
        },
        "data descriptor",
    ),
    ("UTF-8 flag", |s| s.both(1, 6, [0, 8]), "the flags of"),
    ("deflate option flag", |s| s.both(0, 6, [2, 0]), "the flags of"),
    ("version needed", |s| s.both(1, 4, [20, 0]), "version needed"),
    ("version made by", |s| put(&mut s.parts[1].central, 4, [20, 0]), "version made by"),
    ("shrunk", |s| s.both(1, 8, [1, 0]), "the method of"),
    ("deflated", |s| s.both(1, 8, [8, 0]), "the method of"),
    ("compressed size", |s| s.both(1, 18, [4, 0]), "two sizes"),
    ("size", |s| s.both(1, 22, [4, 0]), "two sizes"),
    ("another time", |s| s.both(1, 10, [0, 0]), "not that of the first"),
    ("month 13", |s| s.both(0, 12, [0xA1, 0x5D]), "is none"),
    ("entry on another disk", |s| put(&mut s.parts[1].central, 34, [1, 0]), "the disk of"),
    ("internal attributes", |s| put(&mut s.parts[1].central, 36, [1, 0]), "internal attributes"),
    ("symbolic link", |s| put(&mut s.parts[1].central, 38, (0o120_777u32 << 16).to_le_bytes()), "external attributes"),
    ("executable", |s| put(&mut s.parts[1].central, 38, (0o100_755u32 << 16).to_le_bytes()), "external attributes"),
    ("zip64 size", |s| s.both(1, 22, [0xFF; 4]), "zip64"),
    ("zip64 compressed size", |s| s.both(1, 18, [0xFF; 4]), "zip64"),
    ("zip64 offset", |s| put(&mut s.parts[1].central, 42, [0xFF; 4]), "zip64"),
    (
        "zip64 locator",
        |s| {
            s.after_directory = b"PK\x06\x07".to_vec();
            s.after_directory.extend_from_slice(&[0; 16]);
        },
        "zip64",
    ),
    (
        "zip64 number of entries",
        |s| {
            put(&mut s.end, 8, [0xFF; 4]);
        },
        "zip64",
    ),
    ("disk", |s| put(&mut s.end, 4, [1, 0]), "disk number"),
    ("directory's disk", |s| put(&mut s.end, 6, [1, 0]), "directory disk number"),
    ("one number of entries", |s| put(&mut s.end, 8, [2, 0]), "number of entries"),
    ("fewer entries than there are", |s| put(&mut s.end, 8, [2, 0, 2, 0]), "central directory"),
    ("more entries than there are", |s| put(&mut s.end, 8, [4, 0, 4, 0]), "central directory"),
    ("no entries said", |s| put(&mut s.end, 8, [0; 4]), "empty"),
    (
        "nothing",
        |s| {
            s.parts.clear();
            put(&mut s.end, 8, [0; 4]);
        },
        "empty",
    ),
    ("more entries than the directory has room for", |s| put(&mut s.end, 8, [0, 0x10, 0, 0x10]), "central directory"),
    ("too many entries", |s| put(&mut s.end, 8, [0xE9, 0xFD, 0xE9, 0xFD]), "65001 entries"),
    ("bad checksum", |s| s.both(1, 14, [0; 4]), "checksum"),
    ("other contents", |s| s.parts[1].data = b"xyy".to_vec(), "checksum"),
    (
        "shorter than said",
        |s| {
            s.both(1, 18, [4, 0]);
            s.both(1, 22, [4, 0]);
        },
        "begins at byte",
    ),
    (
        "contents said to reach beyond the file",
        |s| {
            s.both(1, 18, [0, 0, 1, 0]);
            s.both(1, 22, [0, 0, 1, 0]);
            s.parts[2].shift = 0x1_0000 - 3;
        },
        "central directory begins",
    ),
    ("bytes behind the last central header", |s| s.parts[2].central_name.push(b'!'), "does not hold exactly"),
    (
        "too large",
        |s| {
            s.both(1, 18, [1, 0, 0, 0x40]);
            s.both(1, 22, [1, 0, 0, 0x40]);
        },
        "1073741825 bytes, more than 1073741824",
    ),
    ("doubled name", |s| s.rename(1, b"bag/a.txt"), "collide"),
    ("case", |s| s.rename(1, b"bag/A.TXT"), "collide"),
    ("case of a folder", |s| s.rename(1, b"Bag/b"), "collide"),
    ("file that is a folder", |s| s.rename(2, b"bag"), "collide"),
    ("folder that is a file", |s| s.rename(2, b"bag/b/c"), "collide"),
    ("folder that is a file but for case", |s| s.rename(2, b"bag/B/c"), "collide"),
    ("empty name", |s| s.rename(1, b""), "is empty"),
    ("absolute", |s| s.rename(1, b"/etc/passwd"), "empty segment"),
    ("parent", |s| s.rename(1, b"bag/../b"), "ends in '.'"),
    ("parent alone", |s| s.rename(1, b".."), "ends in '.'"),
    ("here", |s| s.rename(1, b"./b"), "ends in '.'"),
    ("dot at the end", |s| s.rename(1, b"bag/b."), "ends in '.'"),
    ("backslash", |s| s.rename(1, b"bag\\b"), "has a character"),
    ("drive", |s| s.rename(1, b"C:b"), "has a character"),
    ("NUL", |s| s.rename(1, b"b\0.txt"), "has a character"),
    ("escape", |s| s.rename(1, b"b\x1b[2J"), "b\\x1b[2J"),
    ("space", |s| s.rename(1, b"b c"), "has a character"),
    ("not ASCII", |s| s.rename(1, "é".as_bytes()), "has a character"),
    ("not UTF-8", |s| s.rename(1, b"\xff"), "has a character"),
    ("folder entry", |s| s.rename(1, b"bag/b/"), "empty segment"),
    ("doubled slash", |s| s.rename(1, b"bag//b"), "empty segment"),
    ("long name", |s| s.rename(1, &[b'n'; 256]), "too long"),
];

#[test]
fn hostile_archives_are_refused_for_the_right_reason() {
    for (what, cut, message) in HOSTILE {
        let mut surgery = Surgery::open(&sample());
        cut(&mut surgery);
        match unpack(&surgery.close()) {
            Ok(_) => panic!("{what}: accepted"),
            Err(fault) => {
                assert!(!fault.is_io(), "{what}: {fault}");
                let said = fault.to_string();
                assert!(said.contains(message), "{what}: said \"{said}\"");
                assert!(said.bytes().all(|b| (b' '..=b'~').contains(&b)), "{what}");
            }
        }
    }
}
