//! Documents of word processors: paragraphs or a refusal, never a program, never without bound.
#![no_main]

use std::io::{Cursor, Write as _};

use communique::{
    client::importing::{WORDS_LIMIT, import},
    domain::text::{Direction, clean},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
const RELS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;

fn check(data: &[u8]) {
    if data.starts_with(b"PK") || data.starts_with(&[0xD0, 0xCF]) {
        return read(data);
    }
    let Some((mode, data)) = data.split_first() else { return };
    let parts = data.split(|b| *b == 0);
    let (fixed, names): (&[(&str, &[u8])], &[&str]) = match mode % 3 {
        0 => (
            &[("[Content_Types].xml", TYPES.as_bytes()), ("_rels/.rels", RELS.as_bytes())],
            &["word/document.xml", "word/styles.xml", "word/_rels/document.xml.rels", "word/footnotes.xml"],
        ),
        1 => (
            &[("mimetype", b"application/vnd.oasis.opendocument.text")],
            &["content.xml", "styles.xml", "META-INF/manifest.xml"],
        ),
        _ => (&[], &["[Content_Types].xml", "_rels/.rels", "word/document.xml", "mimetype", "content.xml"]),
    };
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in fixed.iter().copied().chain(names.iter().copied().zip(parts)) {
        zip.start_file(name, stored).and_then(|()| Ok(zip.write_all(bytes)?)).expect("a part");
    }
    read(zip.finish().expect("a container").get_ref());
}

fn read(file: &[u8]) {
    match import(file) {
        Ok(imported) => {
            assert!(imported.paragraphs.iter().all(|p| !p.is_empty()));
            assert!(imported.paragraphs.iter().map(String::len).sum::<usize>() <= WORDS_LIMIT);
            drop(clean(imported.text().as_bytes(), Direction::Ltr));
            imported.dropped.iter().for_each(|dropped| assert!(dropped.count > 0 && !dropped.to_string().is_empty()));
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("import"), |data: &[u8]| check(data));
