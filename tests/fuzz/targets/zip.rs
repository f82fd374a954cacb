//! The container of packages: an archive that is read is, byte for byte, what the writer makes of its contents.
#![no_main]

use std::io::Cursor;

use communique::package::zip::{Archive, DosTime, Limits, Method, Writer};
use communique_fuzz::bits::Bits;

/// As in a package, with room for no more than a fuzzer may take.
const LIMITS: Limits = Limits { total: 64 << 20, file: 16 << 20, ..Limits::PACKAGE };

fn check(data: &[u8]) {
    if data.starts_with(b"PK") {
        read(data);
    } else if let Some(written) = write(Bits(data)) {
        assert!(read(&written), "what was written is refused");
    }
}

fn read(data: &[u8]) -> bool {
    let Ok(mut archive) = Archive::open(Cursor::new(data), LIMITS) else { return false };
    let entries = archive.entries().to_vec();
    let mut writer = Writer::new(vec![], entries[0].modified);
    let mut whole = true;
    for (n, entry) in entries.iter().enumerate() {
        let Ok(contents) = archive.read_small(n, 16 << 20) else {
            whole = false;
            break;
        };
        assert_eq!(contents.len() as u64, entry.size);
        match entry.method {
            Method::Deflated => writer.small(&entry.name, &contents),
            Method::Stored => writer
                .stored(&entry.name, entry.size, entry.crc32)
                .and_then(|()| writer.piece(&contents))
                .and_then(|()| writer.end()),
        }
        .expect("what was read can be written");
    }
    if whole {
        assert!(writer.finish().expect("what was read can be written") == data, "an archive with two readings");
    }
    // Each entry as a file of its own.
    for n in 0..entries.len() {
        drop(archive.window(n).map(|window| Archive::open(window, LIMITS)));
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
        let (stored, name, contents) = (bits.byte() & 1 == 0, bits.text(255), bits.some(2048));
        let written = if stored {
            let (size, crc32) = (contents.len() as u64, crc32fast::hash(contents));
            match writer.stored(&name, size, crc32) {
                Ok(()) => writer.piece(contents).and_then(|()| writer.end()),
                refused => refused,
            }
        } else {
            writer.small(&name, contents)
        };
        // A refused name leaves the writer as it was.
        drop(written);
    }
    writer.finish().ok()
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("zip"), |data: &[u8]| check(data));
