use std::io::Cursor;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use hostile::{Surgery, put};

mod hostile;
#[path = "../../../tests/foreign/missing.rs"]
mod missing;

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

const LETTERS: &[u8] = b"Done at Example, Example, Example. Done at Example, Example, Example.\n";

/// A sample: two entries in a folder, and an empty one.
fn sample() -> Vec<u8> {
    pack(&[("bag/a.txt", LETTERS), ("bag/b", b"xyz"), ("c", b"")])
}

/// Bytes that are not alike: xorshift, from 1.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn the_sample_is_stored_and_comes_back() {
    let bytes = sample();
    let archive = Archive::open(Cursor::new(&bytes), Limits::PACKAGE).unwrap();
    let [first, second, third] = archive.entries() else {
        panic!("three entries were written");
    };
    assert_eq!([first.size, second.size, third.size], [70, 3, 0]);
    assert_eq!(third.crc32, 0);
    assert_eq!(first.modified, moment());
    let expected =
        [("bag/a.txt", LETTERS), ("bag/b", b"xyz"), ("c", b"")].map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    assert_eq!(unpack(&bytes).unwrap(), expected);
    assert_eq!(bytes, sample(), "the same input gives the same bytes");
    assert_eq!(Surgery::open(&bytes).close(), bytes, "surgery that changes nothing changes nothing");
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
    let all = Limits { entries: 3, name: 9, file: 70 };
    assert!(unpack_within(&bytes, all).is_ok());
    for (limits, message) in [
        (Limits { entries: 2, ..all }, "3 entries, more than 2"),
        (Limits { name: 8, ..all }, "too long"),
        (Limits { file: 69, ..all }, "has 70 bytes"),
    ] {
        let fault = unpack_within(&bytes, limits).unwrap_err();
        assert!(fault.to_string().contains(message), "{fault}");
    }
    let mut archive = Archive::open(Cursor::new(&bytes), Limits::PACKAGE).unwrap();
    assert!(archive.read_small(0, 70).is_ok());
    assert!(matches!(archive.read_small(0, 69), Err(ZipFault::TooLarge { limit: 69, .. })));
    assert!(matches!(archive.read_small(3, 70), Err(ZipFault::NoEntry { index: 3 })));
}

#[test]
fn names_as_long_as_may_be_pass() {
    let names = ["a", "b"].map(|name| format!("f/{}", name.repeat(253)));
    let bytes = pack(&names.each_ref().map(|name| (name.as_str(), b"".as_slice())));
    let read: Vec<_> = unpack_within(&bytes, Limits::PACKAGE).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(read, names);
}

#[test]
fn most_entries_pass() {
    let mut writer = Writer::new(Vec::new(), moment());
    for index in 0..Limits::PACKAGE.entries {
        writer.small(&format!("f/{index}"), b"").unwrap();
    }
    let refused = writer.small("f/65000", b"").unwrap_err();
    assert!(refused.to_string().contains("65001 entries"), "{refused}");
    let bytes = writer.finish().unwrap();
    assert_eq!(unpack(&bytes).unwrap().len(), Limits::PACKAGE.entries);
}

#[test]
fn entries_stream_in_pieces() {
    let plain = noise(150_000);
    let mut writer = Writer::new(Vec::new(), moment());
    writer.begin("annex.pdf", plain.len() as u64, crc32fast::hash(&plain)).unwrap();
    for piece in plain.chunks(777) {
        writer.piece(piece).unwrap();
    }
    writer.end().unwrap();
    let bytes = writer.finish().unwrap();
    let mut archive = Archive::open(Cursor::new(&bytes), Limits::PACKAGE).unwrap();
    let mut lengths = Vec::new();
    archive.read(0, &mut |piece| lengths.push(piece.len())).unwrap();
    assert_eq!(lengths, [PIECE, PIECE, 150_000 - 2 * PIECE]);
    assert_eq!(archive.read_small(0, 150_000).unwrap(), plain);
}

fn write_fault(result: std::io::Result<impl Sized>) -> WriteFault {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    *error.into_inner().expect("a fault").downcast().expect("a WriteFault")
}

#[test]
fn writer_refuses_what_the_reader_would() {
    let mut writer = Writer::new(Vec::new(), moment());
    let good: [(&str, &[u8]); 3] = [("a/b", b"1"), ("n/o", b"2"), ("n-", b"3")];
    for (name, bytes) in good {
        writer.small(name, bytes).unwrap();
    }
    for name in ["", "/a", "../a", "A/b", "a", "a/b/c", "a/B", "a\\b", "é", "n"] {
        let fault = write_fault(writer.small(name, b"2"));
        assert!(matches!(fault, WriteFault::Refused(_)), "{name}: {fault}");
    }
    let fault = write_fault(writer.begin("large", Limits::PACKAGE.file + 1, 0));
    assert!(matches!(fault, WriteFault::Refused(ZipFault::TooLarge { .. })));
    // Name, three headers and the end record beside what came before: to the byte what a zip can hold.
    let mut full = Writer::new(std::io::sink(), moment());
    full.offset = ARCHIVE_MAX - (30 + 46 + 2 + 22) - 5;
    let fault = write_fault(full.begin("f", 6, 0));
    assert!(matches!(fault, WriteFault::Refused(ZipFault::TooLong { length }) if length == ARCHIVE_MAX + 1), "{fault}");
    full.small("f", b"12345").unwrap();
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
        writer.begin("a", size, crc).unwrap();
        let outcome = writer.piece(written.as_bytes()).and_then(|()| writer.end());
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
        assert!(matches!(write_fault(writer.small("b", b"")), WriteFault::Broken));
        assert!(matches!(write_fault(writer.finish()), WriteFault::Broken));
    }
    let mut writer = Writer::new(Vec::new(), moment());
    writer.begin("a", 0, 0).unwrap();
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
    let mut file = Sparse { length: 100_000_022, end, at: 0, longest: 0 };
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
    assert_eq!(DosTime::new(2026, 2, 31, 25, 61, 60), DosTime::new(2026, 2, 28, 23, 59, 58));
    assert_eq!(fields(DosTime::new(2026, 11, 23, 10, 8, 13)), (46 << 9 | 11 << 5 | 23, 10 << 11 | 8 << 5 | 6));
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
        (any::<u8>(), 0..100_000usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    proptest::collection::vec(("([a-zA-Z0-9._-]{0,8}[a-z]/){0,3}", content), 1..8).prop_map(|files| {
        let numbered = files.into_iter().enumerate();
        numbered.map(|(n, (folder, bytes))| (format!("{n}/{folder}{n}"), bytes)).collect()
    })
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
            missing::missing(&format!("{program} ({error})"), &format!("install Debian's package {package}"));
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
            format!("bag/a.txt 70 0 {time}"),
            format!("bag/long.txt 210000 0 {time}"),
            format!("bag/noise 100000 0 {time}"),
            format!("bag/zeros 100000 0 {time}"),
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

#[test]
fn a_long_name_is_shown_in_part() {
    let of = |length: usize| names::shown(&vec![b'n'; length]);
    assert_eq!((of(255), of(256)), ("n".repeat(255), format!("{}...", "n".repeat(255))));
    assert_eq!(names::shown(b"a\n\xFF"), r"a\n\xff");
}
