//! The container of packages: an archive that is read is, byte for byte, what the writer makes of its contents.
#![no_main]

use std::io::{self, Cursor};

use communique::package::zip::{Archive, DosTime, Limits, Writer};
use communique_fuzz::bits::Bits;

fn check(data: &[u8]) {
    if data.starts_with(b"PK") {
        read(data);
    } else if let Some(written) = write(Bits(data)) {
        assert!(read(&written), "what was written is refused");
    }
}

fn read(data: &[u8]) -> bool {
    let Ok(mut archive) = Archive::open(Cursor::new(data), Limits::PACKAGE) else { return false };
    let entries = archive.entries().to_vec();
    let mut writer = Writer::new(vec![], entries[0].modified);
    let mut whole = true;
    for (n, entry) in entries.iter().enumerate() {
        // What is stored is no longer than the archive.
        let small = archive.read_small(n, data.len());
        let mut contents = vec![];
        let read = archive.read(n, &mut |piece| contents.extend_from_slice(piece));
        assert_eq!(small.ok().as_ref(), read.is_ok().then_some(&contents), "an entry with two readings");
        if read.is_err() {
            whole = false;
            break;
        }
        assert_eq!((contents.len() as u64, crc32fast::hash(&contents)), (entry.size, entry.crc32));
        add(&mut writer, n % 2 == 0, &entry.name, &contents).expect("what was read can be written");
    }
    if whole {
        assert!(writer.finish().expect("what was read can be written") == data, "an archive with two readings");
    }
    // Each entry as a file of its own.
    for n in 0..entries.len() {
        drop(archive.window(n).map(|window| Archive::open(window, Limits::PACKAGE)));
    }
    whole
}

/// Entries with names and contents from the input.
fn write(mut bits: Bits<'_>) -> Option<Vec<u8>> {
    let time = DosTime::new(1980 + bits.short() % 130, bits.byte(), bits.byte(), bits.byte(), bits.byte(), bits.byte());
    let mut writer = Writer::new(vec![], time);
    for _ in 0..64 {
        if bits.is_empty() {
            break;
        }
        let (whole, name, contents) = (bits.byte() & 1 != 0, bits.text(255), bits.some(2048));
        // A refused name leaves the writer as it was.
        drop(add(&mut writer, whole, &name, contents));
    }
    writer.finish().ok()
}

/// From memory or in pieces: the bytes are the same.
fn add(writer: &mut Writer<Vec<u8>>, whole: bool, name: &str, contents: &[u8]) -> io::Result<()> {
    if whole {
        return writer.small(name, contents);
    }
    writer.begin(name, contents.len() as u64, crc32fast::hash(contents))?;
    contents.chunks(1000).try_for_each(|piece| writer.piece(piece))?;
    writer.end()
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("zip"), |data: &[u8]| check(data));
