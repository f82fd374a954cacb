//! The zip around a document. Packages have a stricter reader of their own; word processors write many kinds of zip.

use std::io::{Cursor, Read as _};

use zip::{ZipArchive, result::ZipError};

use super::{ENTRIES_LIMIT, ImportFault, Measured, PART_LIMIT, RATIO_FREE, RATIO_LIMIT};
use crate::{
    domain::message::{Message, Tell as _},
    msg,
};

/// How the compound files begin that old Word files and encrypted new ones are (MS-CFB, section 2.2).
const COMPOUND: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
/// The stream that holds an encrypted document inside a compound file (MS-OFFCRYPTO, section 2.3.4.4).
const ENCRYPTED: &str = "EncryptedPackage";
/// How an entry of a zip's directory begins (APPNOTE, section 4.3.12).
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";

pub(super) struct Container<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
}

impl<'a> Container<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ImportFault> {
        if bytes.starts_with(&COMPOUND) {
            let name: Vec<u8> = ENCRYPTED.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let encrypted = bytes.windows(name.len()).any(|window| window == name);
            return Err(if encrypted {
                ImportFault::Encrypted
            } else {
                ImportFault::Other(msg!("it is a document of the old kind (.doc); save it as .docx or .odt"))
            });
        }
        if !bytes.starts_with(b"PK") {
            return Err(ImportFault::Other(msg!("it is neither a .docx nor an .odt; save it as one of them")));
        }
        // Before anything is allocated for them.
        if bytes.windows(DIRECTORY_ENTRY.len()).filter(|window| *window == DIRECTORY_ENTRY).count() > ENTRIES_LIMIT {
            return Err(ImportFault::TooManyEntries);
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(None, &e))?;
        if archive.has_duplicate_names() {
            return Err(ImportFault::Damaged(None, msg!("two entries of one name")));
        }
        let names: Result<Vec<_>, _> =
            archive.file_names().map(|name| name.map(std::borrow::Cow::into_owned)).collect();
        let names = names.map_err(|e| damaged(None, &e))?;
        Ok(Self { archive, names })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// A part, unpacked, as UTF-8 without byte order mark.
    pub(super) fn read(&mut self, name: &str) -> Result<String, ImportFault> {
        let mut file = self.archive.by_name(name).map_err(|e| damaged(Some(name), &e))?;
        if file.encrypted() {
            return Err(ImportFault::Encrypted);
        }
        let room = file.compressed_size().saturating_mul(RATIO_LIMIT).saturating_add(RATIO_FREE);
        let limit = room.min(PART_LIMIT);
        let mut bytes = Vec::new();
        (&mut file)
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| ImportFault::Damaged(Some(name.into()), e.message()))?;
        if bytes.len() as u64 > limit {
            return Err(if room < PART_LIMIT {
                ImportFault::Bomb(name.into())
            } else {
                ImportFault::TooLarge { what: Measured::Part, limit: PART_LIMIT }
            });
        }
        let text = String::from_utf8(bytes).map_err(|_| ImportFault::Damaged(Some(name.into()), msg!("not UTF-8")))?;
        Ok(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text))
    }
}

fn damaged(name: Option<&str>, error: &ZipError) -> ImportFault {
    match error {
        ZipError::UnsupportedArchive(why) if *why == ZipError::PASSWORD_REQUIRED => ImportFault::Encrypted,
        other => ImportFault::Damaged(name.map(str::to_owned), Message::words(other.to_string())),
    }
}
