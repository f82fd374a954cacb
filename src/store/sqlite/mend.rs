//! Bytes put back in the place of those that were damaged: where a row, or an entry that is in the tree, names their digest, and nowhere
//! else.

use std::{fs::File, path::Path};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    OpenError,
    connection::{self, Fault, integer},
    migrations, tree,
};
use crate::{
    domain::{entry::Entry, id::Digest, json},
    store::content::CHUNK,
};

/// The two databases of an exchange that is stopped, held against every other process.
pub struct Mending {
    log: (Connection, File),
    content: (Connection, File),
}

impl Mending {
    /// Opens both for writing.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while the exchange serves; what else keeps them from being opened.
    pub fn open(log: &Path, content: &Path) -> Result<Self, OpenError> {
        for (path, schema) in [(log, &migrations::LOG), (content, &migrations::CONTENT)] {
            connection::examined(path, schema)?;
        }
        let log = connection::writer(log, &migrations::LOG)?;
        Ok(Self { log, content: connection::writer(content, &migrations::CONTENT)? })
    }

    /// Puts back the bytes of an entry, or of what the entry of this index names. Whether they were wanted: the tree must have the entry,
    /// or the entry must name them.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub fn entry(&mut self, path: &Path, index: u64, bytes: &[u8]) -> Result<bool, OpenError> {
        mended(&self.log.0, |db| {
            let digest = Digest::of(bytes);
            let row = db
                .query_row("SELECT digest, bytes FROM entries WHERE idx = ?1", [integer(index)], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()?;
            let Some((named, held)) = row else { return Ok(false) };
            if named == digest.as_bytes() {
                if !tree::covers(db, &tree::edge(db)?, index, digest)? {
                    return Ok(false);
                }
                db.execute("UPDATE entries SET bytes = ?2 WHERE idx = ?1", params![integer(index), bytes])?;
                return Ok(true);
            }
            let names = |entry: Entry| entry.documents.contains(&digest) || entry.statements.contains(&digest);
            if named != Digest::of(&held).as_bytes() || !json::parse::<Entry>(&held).is_ok_and(names) {
                return Ok(false);
            }
            db.execute(
                "INSERT INTO objects (digest, idx, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes",
                params![digest.as_bytes(), integer(index), bytes],
            )?;
            Ok(true)
        })
        .map_err(|fault| fault.on_opening(path))
    }

    /// Puts back the bytes of content. Whether a row names them: of content that has none it is not known whose it was.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub fn content(&mut self, path: &Path, bytes: &[u8]) -> Result<bool, OpenError> {
        mended(&self.content.0, |db| {
            let digest = Digest::of(bytes);
            let sql = "SELECT id FROM blobs WHERE digest = ?1";
            let Some(blob) = db.query_row(sql, [digest.as_bytes()], |row| row.get::<_, i64>(0)).optional()? else {
                return Ok(false);
            };
            db.execute("DELETE FROM chunks WHERE blob = ?1", [blob])?;
            for (n, chunk) in (0_i64..).zip(bytes.chunks(CHUNK)) {
                db.execute("INSERT INTO chunks (blob, n, bytes) VALUES (?1, ?2, ?3)", params![blob, n, chunk])?;
            }
            db.execute("UPDATE blobs SET size = ?2 WHERE id = ?1", params![blob, integer(bytes.len() as u64)])?;
            Ok(true)
        })
        .map_err(|fault| fault.on_opening(path))
    }
}

/// One transaction, which is committed if something was wanted.
fn mended(db: &Connection, mend: impl FnOnce(&Connection) -> Result<bool, Fault>) -> Result<bool, Fault> {
    let change = db.unchecked_transaction()?;
    let wanted = mend(&change)?;
    if wanted {
        change.commit()?;
    }
    Ok(wanted)
}
