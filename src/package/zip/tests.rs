use std::io::{Cursor, Write as _};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;

fn moment() -> DosTime {
    DosTime::new(2026, 11, 23, 10, 8, 12)
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), moment());
    for (name, bytes) in files {
        writer.small(name, bytes).unwrap();
    }
    writer.finish().unwrap()
}

/// Opens and reads everything.
fn unpack_within(bytes: &[u8], limits: Limits) -> Result<Vec<(String, Vec<u8>)>, ZipFault> {
    let mut archive = Archive::open(Cursor::new(bytes), limits)?;
    (0..archive.entries().len())
        .map(|index| {
            let mut contents = Vec::new();
            archive.read(index, &mut |piece| contents.extend_from_slice(piece))?;
            Ok((archive.entries()[index].name.clone(), contents))
        })
        .collect()
}

fn unpack(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ZipFault> {
    unpack_within(bytes, Limits::PACKAGE)
}

/// One part of an archive taken to pieces: what the hostile table operates on.
#[derive(Clone)]
struct Part {
    before: Vec<u8>,
    local: Vec<u8>,
    local_name: Vec<u8>,
    data: Vec<u8>,
    central: Vec<u8>,
    central_name: Vec<u8>,
    shift: i64,
}

/// A good archive in pieces, put together again with offsets and lengths that fit, unless told otherwise.
#[derive(Clone)]
struct Surgery {
    parts: Vec<Part>,
    end: Vec<u8>,
    before_directory: Vec<u8>,
    after_directory: Vec<u8>,
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn long(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

impl Surgery {
    fn open(archive: &[u8]) -> Surgery {
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
        Surgery {
            parts,
            end,
            before_directory: Vec::new(),
            after_directory: Vec::new(),
        }
    }

    fn close(&self) -> Vec<u8> {
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

    /// Replaces the contents by a deflate stream that claims to hold `size` bytes of this checksum.
    fn deflated(&mut self, index: usize, stream: Vec<u8>, size: usize, crc32: u32) {
        self.both(index, 8, 8u16.to_le_bytes());
        self.both(index, 14, crc32.to_le_bytes());
        self.both(index, 18, (stream.len() as u32).to_le_bytes());
        self.both(index, 22, (size as u32).to_le_bytes());
        self.parts[index].data = stream;
    }
}

const LETTERS: &[u8] = b"Done at Example, Example, Example. Done at Example, Example, Example.\n";

/// A sample: one deflated entry in a folder, two stored ones, one of them empty.
fn sample() -> Vec<u8> {
    pack(&[("bag/a.txt", LETTERS), ("bag/b", b"xyz"), ("c", b"")])
}

/// Xorshift, from 1.
fn noise_words(count: usize) -> impl Iterator<Item = u32> {
    let mut state = 1u32;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    noise_words(length).map(|word| (word >> 24) as u8).collect()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn sample_holds_both_methods_and_comes_back() {
    let bytes = sample();
    let archive = Archive::open(Cursor::new(&bytes), Limits::PACKAGE).unwrap();
    let [first, second, third] = archive.entries() else {
        panic!("three entries were written");
    };
    assert_eq!(first.method, Method::Deflated);
    assert!(first.compressed < first.size);
    assert_eq!(second.method, Method::Stored);
    assert_eq!((third.size, third.crc32), (0, 0));
    assert_eq!(first.modified, moment());
    let expected = [("bag/a.txt", LETTERS), ("bag/b", b"xyz"), ("c", b"")]
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    assert_eq!(unpack(&bytes).unwrap(), expected);
    assert_eq!(bytes, sample(), "the same input gives the same bytes");
    assert_eq!(
        Surgery::open(&bytes).close(),
        bytes,
        "surgery that changes nothing changes nothing"
    );
}

/// Frozen: whoever changes these changes the format. A second encoder, written from the module's text alone, gave the
/// same; the longer content takes distances up to the window's end and beyond.
#[test]
fn canonical_stream_is_frozen() {
    let stream = deflate::deflate(LETTERS).unwrap();
    let hex: String = stream.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "73c9cf4b55482c5170ad48cc2dc849d5c160e8291056c20500");

    let letters: Vec<u8> = noise_words(70_000)
        .map(|word| (word >> 24 & 7) as u8 | if word >> 12 & 1 == 1 { 0xC0 } else { 0x40 })
        .collect();
    let plain = [&letters, b"\n".as_slice(), &letters[..40_000]].concat();
    let stream = deflate::deflate(&plain).unwrap();
    assert_eq!(
        (stream.len(), crc32fast::hash(&stream)),
        (97_304, 0xC367_CBA5)
    );

    // The longest match and the farthest.
    let run = deflate::deflate(&[b'a'; 600]).unwrap();
    assert_eq!((run.len(), crc32fast::hash(&run)), (8, 0x3F354914));
    let far = deflate::deflate(&noise(32_768).repeat(2)).unwrap();
    assert_eq!((far.len(), crc32fast::hash(&far)), (35052, 0xB4117270));
    assert_eq!(deflate::deflate(&noise(32_769).repeat(2)), None);
}

#[test]
fn every_bit_flip_is_refused() {
    let bytes = sample();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            match unpack(&flipped) {
                Ok(_) => panic!("bit {bit} of byte {at} flipped unseen"),
                Err(fault) => assert!(!fault.is_io(), "bit {bit} of byte {at}: {fault}"),
            }
        }
    }
}

/// Why the canonical form is needed: a run of one letter can be copied from several distances.
#[test]
fn bit_flips_that_inflate_to_the_same_are_refused() {
    let plain = [b'a'; 600];
    let bytes = pack(&[("a", &plain)]);
    let data = 31..31 + Surgery::open(&bytes).parts[0].data.len();
    let mut same = 0;
    for at in data.clone() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let mut out = vec![0; plain.len()];
            let mut inflater = flate2::Decompress::new(false);
            let status = inflater.decompress(
                &flipped[data.clone()],
                &mut out,
                flate2::FlushDecompress::Finish,
            );
            let unseen = matches!(status, Ok(flate2::Status::StreamEnd))
                && inflater.total_in() == data.len() as u64
                && inflater.total_out() == plain.len() as u64
                && out == plain;
            let fault = unpack(&flipped).unwrap_err();
            assert_eq!(
                unseen,
                matches!(fault, ZipFault::NotCanonical { .. }),
                "{fault}"
            );
            same += usize::from(unseen);
        }
    }
    assert!(same > 0, "the sample shows the danger");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample();
    for length in 0..bytes.len() {
        let fault = unpack(&bytes[..length]).unwrap_err();
        assert!(!fault.is_io(), "cut to {length}: {fault}");
        let tail = &bytes[bytes.len() - length..];
        assert!(!unpack(tail).unwrap_err().is_io(), "last {length}");
    }
}

#[test]
fn every_removed_or_doubled_byte_is_refused() {
    let bytes = sample();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        let byte = changed.remove(at);
        assert!(unpack(&changed).is_err(), "byte {at} removed");
        changed.insert(at, byte);
        changed.insert(at, byte);
        assert!(unpack(&changed).is_err(), "byte {at} doubled");
    }
}

/// Each local field in turn differs from the central one; each in turn has a wrong value in both.
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
    (
        "leading byte",
        |s| s.parts[0].before.push(0),
        "begins at byte 1",
    ),
    (
        "gap between entries",
        |s| s.parts[1].before.push(0),
        "but the entries before it end",
    ),
    (
        "gap before the directory",
        |s| s.before_directory.push(0),
        "central directory begins",
    ),
    (
        "gap behind the directory",
        |s| s.after_directory.push(0),
        "end record's directory size or offset",
    ),
    (
        "overlapping entries",
        |s| s.parts[1].shift = -1,
        "but the entries before it end",
    ),
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
            let (one, two) = (
                s.parts[1].central_name.clone(),
                s.parts[2].central_name.clone(),
            );
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
    (
        "deflate option flag",
        |s| s.both(0, 6, [2, 0]),
        "the flags of",
    ),
    (
        "version needed",
        |s| s.both(1, 4, [10, 0]),
        "version needed",
    ),
    (
        "version made by",
        |s| put(&mut s.parts[1].central, 4, [20, 0]),
        "version made by",
    ),
    ("method 12", |s| s.both(1, 8, [12, 0]), "by method 12"),
    ("method 1", |s| s.both(1, 8, [1, 0]), "by method 1"),
    (
        "stored called deflated",
        |s| s.both(1, 8, [8, 0]),
        "do not suit its method",
    ),
    (
        "deflated called stored",
        |s| s.both(0, 8, [0, 0]),
        "do not suit its method",
    ),
    (
        "another time",
        |s| s.both(1, 10, [0, 0]),
        "not that of the first",
    ),
    ("month 13", |s| s.both(0, 12, [0xA1, 0x5D]), "is none"),
    (
        "entry on another disk",
        |s| put(&mut s.parts[1].central, 34, [1, 0]),
        "the disk of",
    ),
    (
        "internal attributes",
        |s| put(&mut s.parts[1].central, 36, [1, 0]),
        "internal attributes",
    ),
    (
        "symbolic link",
        |s| {
            put(
                &mut s.parts[1].central,
                38,
                (0o120_777u32 << 16).to_le_bytes(),
            )
        },
        "external attributes",
    ),
    (
        "executable",
        |s| {
            put(
                &mut s.parts[1].central,
                38,
                (0o100_755u32 << 16).to_le_bytes(),
            )
        },
        "external attributes",
    ),
    ("zip64 size", |s| s.both(1, 22, [0xFF; 4]), "zip64"),
    (
        "zip64 compressed size",
        |s| s.both(1, 18, [0xFF; 4]),
        "zip64",
    ),
    (
        "zip64 offset",
        |s| put(&mut s.parts[1].central, 42, [0xFF; 4]),
        "zip64",
    ),
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
    (
        "directory's disk",
        |s| put(&mut s.end, 6, [1, 0]),
        "directory disk number",
    ),
    (
        "one number of entries",
        |s| put(&mut s.end, 8, [2, 0]),
        "number of entries",
    ),
    (
        "fewer entries than there are",
        |s| put(&mut s.end, 8, [2, 0, 2, 0]),
        "central directory",
    ),
    (
        "more entries than there are",
        |s| put(&mut s.end, 8, [4, 0, 4, 0]),
        "central directory",
    ),
    ("no entries said", |s| put(&mut s.end, 8, [0; 4]), "empty"),
    (
        "nothing",
        |s| {
            s.parts.clear();
            put(&mut s.end, 8, [0; 4]);
        },
        "empty",
    ),
    (
        "more entries than the directory has room for",
        |s| put(&mut s.end, 8, [0, 0x10, 0, 0x10]),
        "central directory",
    ),
    (
        "too many entries",
        |s| put(&mut s.end, 8, [1, 0x10, 1, 0x10]),
        "4097 entries",
    ),
    ("bad checksum", |s| s.both(1, 14, [0; 4]), "checksum"),
    (
        "bad checksum of a deflated entry",
        |s| s.both(0, 14, [0; 4]),
        "checksum",
    ),
    (
        "other contents",
        |s| s.parts[1].data = b"xyy".to_vec(),
        "checksum",
    ),
    (
        "deflated to less than said",
        |s| s.both(0, 22, [71, 0]),
        "exactly the size",
    ),
    (
        "deflated to more than said",
        |s| s.both(0, 22, [69, 0]),
        "exactly the size",
    ),
    (
        "stored shorter than said",
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
    (
        "bytes behind the last central header",
        |s| s.parts[2].central_name.push(b'!'),
        "does not hold exactly",
    ),
    (
        "bytes behind the deflate stream",
        |s| {
            s.parts[0].data.push(0);
            let length = s.parts[0].data.len() as u32;
            s.both(0, 18, length.to_le_bytes());
        },
        "exactly the size",
    ),
    (
        "deflate stream cut",
        |s| {
            s.parts[0].data.pop();
            let length = s.parts[0].data.len() as u32;
            s.both(0, 18, length.to_le_bytes());
        },
        "exactly the size",
    ),
    (
        "deflated by another encoder",
        |s| {
            s.deflated(
                0,
                zlib(&LETTERS.repeat(3)),
                210,
                crc32fast::hash(&LETTERS.repeat(3)),
            )
        },
        "canonical form",
    ),
    (
        "bomb that tells its size",
        |s| {
            let plain = vec![0; 1024 * 1024];
            s.deflated(0, zlib(&plain), plain.len(), crc32fast::hash(&plain));
        },
        "more than 160 times",
    ),
    (
        "bomb that does not",
        |s| s.deflated(0, zlib(&vec![0; 8 * 1024 * 1024]), 65_536, 0),
        "exactly the size",
    ),
    (
        "deflated beyond the canonical form's reach",
        |s| {
            let stream = vec![0; 1024 * 1024];
            s.deflated(0, stream, 1024 * 1024 + 1, 0);
        },
        "do not suit its method",
    ),
    (
        "too large",
        |s| {
            s.both(1, 18, [1, 0, 0, 4]);
            s.both(1, 22, [1, 0, 0, 4]);
        },
        "67108865 bytes, more than 67108864",
    ),
    ("doubled name", |s| s.rename(1, b"bag/a.txt"), "collide"),
    ("case", |s| s.rename(1, b"bag/A.TXT"), "collide"),
    ("case of a folder", |s| s.rename(1, b"Bag/b"), "collide"),
    ("file that is a folder", |s| s.rename(2, b"bag"), "collide"),
    (
        "folder that is a file",
        |s| s.rename(2, b"bag/b/c"),
        "collide",
    ),
    (
        "folder that is a file but for case",
        |s| s.rename(2, b"bag/B/c"),
        "collide",
    ),
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
    (
        "not ASCII",
        |s| s.rename(1, "é".as_bytes()),
        "has a character",
    ),
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

#[test]
fn what_follows_the_end_is_refused() {
    let good = sample();
    let trailing = [good.as_slice(), b"\0"].concat();
    assert!(matches!(unpack(&trailing), Err(ZipFault::NotZip)));

    let mut comment = [good.as_slice(), b"!"].concat();
    put(&mut comment, good.len() - 2, [1, 0]);
    assert!(matches!(unpack(&comment), Err(ZipFault::NotZip)));

    // A comment that is itself an end record: the trick by which two readers see two archives.
    let mut twice = [good.as_slice(), &good[good.len() - 22..]].concat();
    put(&mut twice, good.len() - 2, [22, 0]);
    assert!(unpack(&twice).is_err());

    let twice = [good.as_slice(), &good].concat();
    assert!(unpack(&twice).is_err());
}

#[test]
fn limits_are_asked() {
    let bytes = sample();
    let all = Limits {
        entries: 3,
        name: 9,
        file: 70,
        total: 73,
        ratio: 1,
    };
    assert!(unpack_within(&bytes, all).is_ok());
    for (limits, message) in [
        (Limits { entries: 2, ..all }, "3 entries, more than 2"),
        (Limits { name: 8, ..all }, "too long"),
        (Limits { file: 69, ..all }, "has 70 bytes"),
        (Limits { total: 72, ..all }, "more than 72 bytes"),
    ] {
        let fault = unpack_within(&bytes, limits).unwrap_err();
        assert!(fault.to_string().contains(message), "{fault}");
    }
    let mut archive = Archive::open(Cursor::new(&bytes), Limits::PACKAGE).unwrap();
    assert!(archive.read_small(0, 70).is_ok());
    assert!(matches!(
        archive.read_small(0, 69),
        Err(ZipFault::TooLarge { limit: 69, .. })
    ));
    assert!(matches!(
        archive.read_small(3, 70),
        Err(ZipFault::NoEntry { index: 3 })
    ));
}

#[test]
fn most_entries_and_longest_content_pass() {
    let mut writer = Writer::new(Vec::new(), moment());
    for index in 0..4096 {
        writer.small(&format!("f/{index}"), b"").unwrap();
    }
    let refused = writer.small("f/4096", b"").unwrap_err();
    assert!(refused.to_string().contains("4097 entries"), "{refused}");
    let bytes = writer.finish().unwrap();
    assert_eq!(unpack(&bytes).unwrap().len(), 4096);

    // What swells most in the canonical form is within the ratio.
    for length in [deflate::PLAIN_MAX, deflate::PLAIN_MAX + 1] {
        let plain = vec![0; length];
        let bytes = pack(&[("zeros", &plain)]);
        assert_eq!(bytes.len() < 10_000, length == deflate::PLAIN_MAX);
        assert_eq!(unpack(&bytes).unwrap()[0].1, plain);
    }
}

#[test]
fn stored_entries_stream_in_pieces() {
    let plain = noise(150_000);
    let mut writer = Writer::new(Vec::new(), moment());
    let mut sink = writer
        .stored("annex.pdf", plain.len() as u64, crc32fast::hash(&plain))
        .unwrap();
    for piece in plain.chunks(777) {
        sink.write_all(piece).unwrap();
    }
    sink.finish().unwrap();
    let bytes = writer.finish().unwrap();
    let mut archive = Archive::open(Cursor::new(&bytes), Limits::PACKAGE).unwrap();
    let mut lengths = Vec::new();
    archive
        .read(0, &mut |piece| lengths.push(piece.len()))
        .unwrap();
    assert_eq!(lengths, [PIECE, PIECE, 150_000 - 2 * PIECE]);
    assert_eq!(archive.read_small(0, 150_000).unwrap(), plain);
}

fn write_fault(result: std::io::Result<impl Sized>) -> WriteFault {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    *error
        .into_inner()
        .expect("a fault")
        .downcast()
        .expect("a WriteFault")
}

#[test]
fn writer_refuses_what_the_reader_would() {
    let mut writer = Writer::new(Vec::new(), moment());
    let good: [(&str, &[u8]); 3] = [("a/b", b"1"), ("n/o", b"2"), ("n-", b"3")];
    for (name, bytes) in good {
        writer.small(name, bytes).unwrap();
    }
    for name in [
        "", "/a", "../a", "A/b", "a", "a/b/c", "a/B", "a\\b", "é", "n",
    ] {
        let fault = write_fault(writer.small(name, b"2"));
        assert!(matches!(fault, WriteFault::Refused(_)), "{name}: {fault}");
    }
    let fault = write_fault(writer.stored("large", 64 * 1024 * 1024 + 1, 0).map(drop));
    assert!(matches!(
        fault,
        WriteFault::Refused(ZipFault::TooLarge { .. })
    ));
    // None of it left a trace.
    assert_eq!(writer.finish().unwrap(), pack(&good));

    let fault = write_fault(Writer::new(Vec::new(), moment()).finish());
    assert!(matches!(fault, WriteFault::Refused(ZipFault::Empty)));
}

#[test]
fn writer_holds_contents_to_what_was_announced() {
    let crc = crc32fast::hash(b"abc");
    for (size, crc, written, expected) in [
        (3, crc, "abc", "fine"),
        (3, crc, "ab", "size"),
        (3, crc, "abcd", "size"),
        (3, crc, "abd", "crc"),
        (3, crc ^ 1, "abc", "crc"),
    ] {
        let mut writer = Writer::new(Vec::new(), moment());
        let mut sink = writer.stored("a", size, crc).unwrap();
        let outcome = sink
            .write_all(written.as_bytes())
            .and_then(|()| sink.finish());
        if expected == "fine" {
            outcome.unwrap();
            assert!(unpack(&writer.finish().unwrap()).is_ok());
            continue;
        }
        match write_fault(outcome) {
            WriteFault::Size { size: 3 } => assert_eq!(expected, "size"),
            WriteFault::Crc => assert_eq!(expected, "crc"),
            fault => panic!("{written}: {fault}"),
        }
        assert!(matches!(
            write_fault(writer.small("b", b"")),
            WriteFault::Broken
        ));
        assert!(matches!(write_fault(writer.finish()), WriteFault::Broken));
    }
    let mut writer = Writer::new(Vec::new(), moment());
    drop(writer.stored("a", 0, 0).unwrap());
    assert!(matches!(write_fault(writer.finish()), WriteFault::Broken));
}

/// Fails after some bytes, like a bad disk.
struct Bad(Cursor<Vec<u8>>, u64);

impl std::io::Read for Bad {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1 == 0 {
            return Err(std::io::Error::other("sample failure"));
        }
        self.1 -= 1;
        self.0.read(buffer)
    }
}

impl std::io::Seek for Bad {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

/// A file of any length that holds zeros, but for its end; notes the longest read.
#[derive(Debug)]
struct Sparse {
    length: u64,
    end: Vec<u8>,
    at: u64,
    longest: usize,
}

impl std::io::Read for &mut Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.longest = self.longest.max(buffer.len());
        let zeros = self.length - self.end.len() as u64;
        for (place, byte) in (self.at..self.length).zip(&mut *buffer) {
            *byte = match place.checked_sub(zeros) {
                Some(index) => self.end[index as usize],
                None => 0,
            };
        }
        let read = buffer.len().min((self.length - self.at) as usize);
        self.at += read as u64;
        Ok(read)
    }
}

impl std::io::Seek for &mut Sparse {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            std::io::SeekFrom::Start(at) => at,
            std::io::SeekFrom::End(0) => self.length,
            _ => panic!("not needed"),
        };
        Ok(self.at)
    }
}

#[test]
fn large_files_take_little_memory() {
    // The directory is said to be all of the file, for one entry.
    let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
    end.extend_from_slice(&[0; 10]);
    put(&mut end, 12, 100_000_000u32.to_le_bytes());
    let mut file = Sparse {
        length: 100_000_022,
        end,
        at: 0,
        longest: 0,
    };
    let fault = Archive::open(&mut file, Limits::PACKAGE).unwrap_err();
    assert!(matches!(fault, ZipFault::Directory), "{fault}");
    assert!(file.longest < 1000, "read {} at once", file.longest);

    for (length, refused) in [(ARCHIVE_MAX + 1, true), (ARCHIVE_MAX, false)] {
        file.length = length;
        let fault = Archive::open(&mut file, Limits::PACKAGE).unwrap_err();
        assert_eq!(matches!(fault, ZipFault::TooLong { .. }), refused);
    }
}

#[test]
fn unreadable_is_told_from_not_a_package() {
    let mut failures = 0;
    for reads in 0.. {
        let opened = Archive::open(Bad(Cursor::new(sample()), reads), Limits::PACKAGE);
        match opened.and_then(|mut archive| archive.read_small(0, 100)) {
            Ok(_) => break,
            Err(fault) => assert!(fault.is_io(), "{fault}"),
        }
        failures += 1;
    }
    assert_eq!(failures, 6, "end, directory, three headers, contents");
}

#[test]
fn dos_time_is_clamped_to_real_moments() {
    let fields = |time: DosTime| (time.date(), time.time());
    let first = (0x0021, 0);
    let last = (0xFF9F, 0xBF7D);
    assert_eq!(fields(DosTime::new(1979, 12, 31, 23, 59, 59)), first);
    assert_eq!(fields(DosTime::new(2108, 1, 1, 0, 0, 0)), last);
    assert_eq!(
        DosTime::new(2026, 2, 31, 25, 61, 60),
        DosTime::new(2026, 2, 28, 23, 59, 58)
    );
    assert_eq!(
        fields(DosTime::new(2026, 11, 23, 10, 8, 13)),
        (46 << 9 | 11 << 5 | 23, 10 << 11 | 8 << 5 | 6)
    );
    let mut real = 0u32;
    for date in 0..=u16::MAX {
        real += u32::from(DosTime::parse(date, 0).is_some());
    }
    assert_eq!(real, 128 * 365 + 31, "2000 has a leap day, 2100 has none");
    let times = (0..=u16::MAX).filter(|&time| DosTime::parse(0x0021, time).is_some());
    assert_eq!(times.count(), 24 * 60 * 30);
}

/// Names with a number each, so that they never collide.
fn files() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        proptest::collection::vec(b'a'..=b'c', 0..3000),
        (any::<u8>(), 0..100_000usize).prop_map(|(byte, length)| vec![byte; length]),
        (proptest::collection::vec(any::<u8>(), 1..50), 1..2000usize)
            .prop_map(|(piece, times)| piece.repeat(times)),
    ];
    proptest::collection::vec(("([a-zA-Z0-9._-]{0,8}[a-z]/){0,3}", content), 1..8).prop_map(
        |files| {
            let numbered = files.into_iter().enumerate();
            numbered
                .map(|(n, (folder, bytes))| (format!("{n}/{folder}{n}"), bytes))
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(files in files()) {
        let borrowed: Vec<_> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        let bytes = pack(&borrowed);
        prop_assert_eq!(&unpack(&bytes).unwrap(), &files);
        prop_assert_eq!(pack(&borrowed), bytes);
    }

    #[test]
    fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(unpack(&bytes).is_err());
        bytes.extend_from_slice(&sample());
        prop_assert!(unpack(&bytes).is_ok() == (bytes.len() == sample().len()));
    }

    #[test]
    fn changed_bytes_never_pass(changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4)) {
        let mut bytes = sample();
        let length = bytes.len();
        for (at, by) in changes {
            bytes[at.index(length)] ^= by;
        }
        if bytes != sample() {
            prop_assert!(unpack(&bytes).is_err());
        }
    }

    /// Pairs of names, against the rule said plainly.
    #[test]
    fn collisions_are_found(names in proptest::collection::vec(r"[aA-]{1,2}(/[aA-]{1,2}){0,2}", 2..6)) {
        let plain = |a: &str, b: &str| {
            let (a, b): (Vec<&str>, Vec<&str>) = (a.split('/').collect(), b.split('/').collect());
            let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            match (a.get(same), b.get(same)) {
                (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                _ => true,
            }
        };
        let mut writer = Writer::new(Vec::new(), moment());
        let mut admitted: Vec<&str> = Vec::new();
        for name in &names {
            let collides = admitted.iter().any(|other| plain(name, other));
            prop_assert_eq!(writer.small(name, b"").is_err(), collides);
            if !collides {
                admitted.push(name);
            }
        }
    }
}

/// Runs another program on an archive of ours; says how to get the program if it is missing.
fn other_reader(package: &str, program: &str, arguments: &[&str]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.zip");
    let long = LETTERS.repeat(3000);
    let noise = noise(100_000);
    let files: [(&str, &[u8]); 5] = [
        ("bag/a.txt", LETTERS),
        ("bag/long.txt", &long),
        ("bag/noise", &noise),
        ("bag/zeros", &[0; 100_000]),
        ("bag/empty", b""),
    ];
    std::fs::write(&path, pack(&files)).unwrap();
    match Command::new(program).args(arguments).arg(&path).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program}: {text}{errors}");
            Some(text)
        }
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "{program} does not run: {error}; install {package}");
            println!("SKIPPED: {program} does not run ({error}); install the package {package}");
            None
        }
    }
}

#[test]
fn python_reads_what_is_written() {
    let script = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    for i in z.infolist():
        print(i.filename, i.file_size, i.compress_type, oct(i.external_attr >> 16), *i.date_time)
    assert z.read('bag/long.txt') == z.read('bag/a.txt') * 3000
";
    let Some(listing) = other_reader("python3", "python3", &["-c", script]) else {
        return;
    };
    let time = "0o100644 2026 11 23 10 8 12";
    assert_eq!(
        listing.lines().collect::<Vec<_>>(),
        [
            format!("bag/a.txt 70 8 {time}"),
            format!("bag/long.txt 210000 8 {time}"),
            format!("bag/noise 100000 0 {time}"),
            format!("bag/zeros 100000 8 {time}"),
            format!("bag/empty 0 0 {time}"),
        ]
    );
}

#[test]
fn unzip_reads_what_is_written() {
    if let Some(listing) = other_reader("unzip", "unzip", &["-t"]) {
        assert!(listing.contains("No errors detected"), "{listing}");
    }
}
