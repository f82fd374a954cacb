//! The canonical stream: each content has one, any inflater reads it, and the reader takes no other.
#![no_main]

use std::io::Cursor;

use communique::package::zip::{
    Archive, DosTime, Limits, Writer,
    deflate::{PLAIN_MAX, deflate},
};
use flate2::{Decompress, FlushDecompress, Status};

const NAME: &str = "a";
/// Lengths of the local header and of a directory's entry, before the name (APPNOTE, sections 4.3.7 and 4.3.12).
const LOCAL: usize = 30;
const CENTRAL: usize = 46;

fn check(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    if mode % 2 == 0 {
        if let Some(stream) = deflate(data) {
            assert!(stream.len() < data.len());
            assert_eq!(inflate(&stream).as_deref(), Some(data));
            assert_eq!(read(&archive(data, &stream)).as_deref(), Some(data));
        }
    } else if let Some(plain) = inflate(data)
        && data.len() < plain.len()
    {
        let canonical = deflate(&plain).is_some_and(|stream| stream == data);
        assert_eq!(read(&archive(&plain, data)).is_some(), canonical, "another stream of the same content is taken");
    }
}

fn inflate(stream: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![0; PLAIN_MAX.min(stream.len() * 300 + 64)];
    let mut inflater = Decompress::new(false);
    let status = inflater.decompress(stream, &mut plain, FlushDecompress::Finish);
    let whole = matches!(status, Ok(Status::StreamEnd)) && inflater.total_in() == stream.len() as u64;
    plain.truncate(inflater.total_out() as usize);
    whole.then_some(plain)
}

fn read(archive: &[u8]) -> Option<Vec<u8>> {
    Archive::open(Cursor::new(archive), Limits::PACKAGE).ok()?.read_small(0, PLAIN_MAX).ok()
}

/// An archive of one entry that is right in everything but, perhaps, its stream.
fn archive(plain: &[u8], stream: &[u8]) -> Vec<u8> {
    // The constants of the headers from an archive of the writer's own.
    let mut writer = Writer::new(vec![], DosTime::new(2026, 1, 1, 0, 0, 0));
    writer.small(NAME, &[b'a'; 100]).expect("a good entry");
    let model = writer.finish().expect("a good archive");
    let held = u32::from_le_bytes(model[18..22].try_into().expect("four bytes")) as usize;
    let mut local = model[..LOCAL + NAME.len()].to_vec();
    let directory = LOCAL + NAME.len() + held;
    let mut central = model[directory..directory + CENTRAL + NAME.len()].to_vec();
    let mut end = model[directory + CENTRAL + NAME.len()..].to_vec();
    let numbers = [crc32fast::hash(plain), stream.len() as u32, plain.len() as u32];
    for (n, number) in numbers.into_iter().enumerate() {
        local[14 + 4 * n..18 + 4 * n].copy_from_slice(&number.to_le_bytes());
        central[16 + 4 * n..20 + 4 * n].copy_from_slice(&number.to_le_bytes());
    }
    end[16..20].copy_from_slice(&((local.len() + stream.len()) as u32).to_le_bytes());
    [local, stream.to_vec(), central, end].concat()
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("deflate"), |data: &[u8]| check(data));
