//! What is sealed: blobs, and who holds them.
//!
//! Whoever comes to hold a blob locks its row so that it stays (`FOR KEY SHARE`), and whoever lets go of one locks it for himself
//! (`FOR UPDATE`) before he looks whether others hold it: one of two waits, and sees what the other has done.

use std::collections::HashMap;

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::{
    connection::{Fault, count, digest as named, integer},
    stages::{self, Pending},
    transaction::Transaction,
};
use crate::{
    domain::id::{CommuniqueId, Digest},
    exchange::ports::{Owner, Package, Seal, Shown},
    store::content::CHUNK,
};

/// How often a blob is looked for that comes and goes.
const TRIES: u32 = 3;

/// Makes a stage content; answers the number of the row by which it is an upload, if that is new.
pub(super) async fn seal(
    db: &Transaction<'_>,
    pending: &Pending,
    digest: Digest,
    seal: &Seal,
) -> Result<Option<i64>, Fault> {
    stages::taken(db, pending).await?;
    let blob = &stored(db, pending, digest).await?;
    match seal {
        Seal::Upload(owner) => {
            let sql =
                "INSERT INTO uploads (party, communique, blob) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id";
            let row = db.row(sql, &[&owner.party.as_str(), &owner.communique.to_string(), blob]).await?;
            return Ok(row.map(|row| row.try_get(0)).transpose()?);
        }
        Seal::Original(communique) => {
            let sql = "INSERT INTO originals (communique, blob) VALUES ($1, $2)
                       ON CONFLICT (communique) DO UPDATE SET blob = excluded.blob";
            db.run(sql, &[&communique.to_string(), blob]).await?;
        }
        Seal::Package(communique, shown) => seal_package(db, *communique, *blob, shown).await?,
    }
    Ok(None)
}

/// The blob of this digest: the one that is there, or else the stage.
async fn stored(db: &Transaction<'_>, pending: &Pending, digest: Digest) -> Result<i64, Fault> {
    let (name, size) = (&digest.as_bytes()[..], integer(pending.size));
    for _ in 0..TRIES {
        if let Some(row) = db.row("SELECT id, size FROM blobs WHERE digest = $1 FOR KEY SHARE", &[&name]).await? {
            if row.try_get::<_, i64>(1)? != size {
                return Err(Fault::Refused("other bytes are held under this digest"));
            }
            stages::drop_chunks(db, pending.blob).await?;
            return Ok(row.try_get(0)?);
        }
        let sql = "INSERT INTO blobs (id, digest, size) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING";
        if db.run(sql, &[&pending.blob, &name, &size]).await? == 1 {
            stages::lay(db, pending, true).await?;
            return Ok(pending.blob);
        }
    }
    Err(Fault::Refused("the same content is being erased"))
}

/// Puts a package in the place of the one before, whose bytes are dropped; or drops it, if it lacks something that that one shows.
async fn seal_package(db: &Transaction<'_>, communique: CommuniqueId, blob: i64, shown: &Shown) -> Result<(), Fault> {
    let id = &communique.to_string();
    let (witnesses, stamped, head) = (&integer(shown.witnesses), &shown.stamped, &shown.head);
    // Answers the one before, and lets no other take its place meanwhile.
    let sql = "INSERT INTO packages (communique, blob, witnesses, stamped, head) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (communique) DO UPDATE SET communique = excluded.communique RETURNING blob, packages.witnesses, packages.stamped";
    let row =
        db.row(sql, &[id, &blob, witnesses, stamped, head]).await?.ok_or(Fault::Damaged("a package is missing"))?;
    let former: i64 = row.try_get(0)?;
    let before = Shown { witnesses: count(row.try_get(1)?)?, stamped: row.try_get(2)?, head: String::new() };
    if former != blob && shown.lacks_of(&before) {
        return drop_unused(db, blob).await;
    }
    let sql = "UPDATE packages SET blob = $2, witnesses = $3, stamped = $4, head = $5 WHERE communique = $1";
    db.run(sql, &[id, &blob, witnesses, stamped, head]).await?;
    if former == blob { Ok(()) } else { drop_unused(db, former).await }
}

/// Drops content that nothing holds any more.
async fn drop_unused(db: &Transaction<'_>, blob: i64) -> Result<(), Fault> {
    db.row("SELECT 1 FROM blobs WHERE id = $1 FOR UPDATE", &[&blob]).await?;
    let unused = "DELETE FROM blobs WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM uploads WHERE blob = $1)
                  AND NOT EXISTS (SELECT 1 FROM packages WHERE blob = $1)
                  AND NOT EXISTS (SELECT 1 FROM originals WHERE blob = $1)";
    if db.run(unused, &[&blob]).await? == 1 { stages::drop_chunks(db, blob).await } else { Ok(()) }
}

/// Erases what was uploaded for a communiqué. Stages first: what one of them becomes meanwhile is then seen among the uploads.
pub(super) async fn purge(db: &Transaction<'_>, communique: CommuniqueId) -> Result<(), Fault> {
    let id = &communique.to_string();
    for row in db.rows("DELETE FROM stages WHERE communique = $1 RETURNING blob", &[id]).await? {
        stages::drop_chunks(db, row.try_get(0)?).await?;
    }
    let held =
        "SELECT id FROM blobs WHERE id IN (SELECT blob FROM uploads WHERE communique = $1) ORDER BY id FOR UPDATE";
    db.rows(held, &[id]).await?;
    for row in db.rows("DELETE FROM uploads WHERE communique = $1 RETURNING blob", &[id]).await? {
        drop_unused(db, row.try_get(0)?).await?;
    }
    // Another exchange may have erased all of it, and not know yet whether that will last.
    db.settle().await
}

/// The number of an upload's row, and the upload's size.
pub(super) const UPLOADED: &str = "SELECT u.id, b.size FROM uploads u JOIN blobs b ON b.id = u.blob
     WHERE u.party = $1 AND u.communique = $2 AND b.digest = $3";

/// Reads a row of [`UPLOADED`].
pub(super) fn uploaded(row: Option<&Row>) -> Result<Option<(i64, u64)>, Fault> {
    row.map(|row| Ok((row.try_get(0)?, count(row.try_get(1)?)?))).transpose()
}

pub(super) async fn package(db: &Object, communique: CommuniqueId) -> Result<Option<Package>, Fault> {
    let sql = "SELECT b.digest, b.size, p.witnesses, p.stamped, p.head FROM packages p JOIN blobs b ON b.id = p.blob
               WHERE p.communique = $1";
    let statement = db.prepare_cached(sql).await?;
    let Some(row) = db.query_opt(&statement, &[&communique.to_string()]).await? else { return Ok(None) };
    let shown = Shown { witnesses: count(row.try_get(2)?)?, stamped: row.try_get(3)?, head: row.try_get(4)? };
    Ok(Some(Package { digest: named(row.try_get(0)?)?, size: count(row.try_get(1)?)?, shown }))
}

pub(super) async fn original(db: &Object, communique: CommuniqueId) -> Result<Option<(Digest, u64)>, Fault> {
    let sql = "SELECT b.digest, b.size FROM originals p JOIN blobs b ON b.id = p.blob WHERE p.communique = $1";
    let statement = db.prepare_cached(sql).await?;
    let row = db.query_opt(&statement, &[&communique.to_string()]).await?;
    row.map(|row| Ok((named(row.try_get(0)?)?, count(row.try_get(1)?)?))).transpose()
}

pub(super) async fn sealed(db: &Object, after: Option<Digest>, limit: usize) -> Result<Vec<(Digest, u64)>, Fault> {
    let statement =
        db.prepare_cached("SELECT digest, size FROM blobs WHERE digest > $1 ORDER BY digest LIMIT $2").await?;
    // No digest is empty: all come after it.
    let after = after.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default();
    let rows = db.query(&statement, &[&after, &integer(limit as u64)]).await?;
    rows.iter().map(|row| Ok((named(row.try_get(0)?)?, count(row.try_get(1)?)?))).collect()
}

/// The sizes of these; none for what is not there.
pub(super) async fn sizes(db: &Object, of: &[Digest]) -> Result<Vec<Option<u64>>, Fault> {
    let statement = db.prepare_cached("SELECT digest, size FROM blobs WHERE digest = ANY($1)").await?;
    let names: Vec<&[u8]> = of.iter().map(|digest| &digest.as_bytes()[..]).collect();
    let rows = db.query(&statement, &[&names]).await?;
    let pair = |row: &Row| Ok::<_, Fault>((named(row.try_get(0)?)?, count(row.try_get(1)?)?));
    let found = rows.iter().map(pair).collect::<Result<HashMap<_, _>, _>>()?;
    Ok(of.iter().map(|digest| found.get(digest).copied()).collect())
}

/// As what content is sealed.
pub(super) async fn seals(db: &Object, digest: Digest) -> Result<Vec<Seal>, Fault> {
    let sql = "SELECT 0::bigint, u.communique, u.party, 0::bigint, false, ''
               FROM uploads u JOIN blobs b ON b.id = u.blob WHERE b.digest = $1
               UNION ALL
               SELECT 1, o.communique, '', 0, false, '' FROM originals o JOIN blobs b ON b.id = o.blob WHERE b.digest = $1
               UNION ALL
               SELECT 2, p.communique, '', p.witnesses, p.stamped, p.head
               FROM packages p JOIN blobs b ON b.id = p.blob WHERE b.digest = $1
               ORDER BY 1, 3, 2";
    let statement = db.prepare_cached(sql).await?;
    let rows = db.query(&statement, &[&&digest.as_bytes()[..]]).await?;
    let of = |row: &Row| {
        let communique = CommuniqueId::parse(row.try_get(1)?);
        let communique = communique.map_err(|_| Fault::Damaged("content is sealed for no communiqué"))?;
        Ok(match row.try_get::<_, i64>(0)? {
            0 => {
                let party = row.try_get::<_, &str>(2)?.parse();
                Seal::Upload(Owner {
                    party: party.map_err(|_| Fault::Damaged("content is sealed by no party"))?,
                    communique,
                })
            }
            1 => Seal::Original(communique),
            _ => {
                let (witnesses, stamped, head) = (count(row.try_get(3)?)?, row.try_get(4)?, row.try_get(5)?);
                Seal::Package(communique, Shown { witnesses, stamped, head })
            }
        })
    };
    rows.iter().map(of).collect()
}

/// The sum of an owner's uploads.
pub(super) async fn held(db: &Object, owner: &Owner) -> Result<u64, Fault> {
    let sql = "SELECT coalesce(sum(b.size), 0)::bigint FROM uploads u JOIN blobs b ON b.id = u.blob
               WHERE u.party = $1 AND u.communique = $2";
    let statement = db.prepare_cached(sql).await?;
    count(db.query_one(&statement, &[&owner.party.as_str(), &owner.communique.to_string()]).await?.try_get(0)?)
}

/// At most `most` bytes of content from this offset on. One statement: what is dropped meanwhile is there or is not.
pub(super) async fn piece(db: &Object, digest: Digest, offset: u64, most: usize) -> Result<Option<Vec<u8>>, Fault> {
    let sql = "SELECT b.size, c.n, c.bytes FROM blobs b LEFT JOIN chunks c ON c.blob = b.id AND c.n BETWEEN $2 AND $3
               WHERE b.digest = $1 ORDER BY c.n";
    let (statement, (first, last)) = (db.prepare_cached(sql).await?, chunks(offset, most));
    joined(&db.query(&statement, &[&&digest.as_bytes()[..], &first, &last]).await?, offset, most)
}

/// The same of what is kept of an upload.
pub(super) async fn kept_piece(
    db: &Object,
    owner: &Owner,
    digest: Digest,
    offset: u64,
    most: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let sql =
        "SELECT s.held, c.n, c.bytes FROM stages s LEFT JOIN chunks c ON c.blob = s.blob AND c.n BETWEEN $2 AND $3
               WHERE s.kept AND s.digest = $1 AND s.party = $4 AND s.communique = $5 ORDER BY c.n";
    let (statement, (first, last)) = (db.prepare_cached(sql).await?, chunks(offset, most));
    let (party, communique) = (owner.party.as_str(), owner.communique.to_string());
    let rows = db.query(&statement, &[&&digest.as_bytes()[..], &first, &last, &party, &communique]).await?;
    joined(&rows, offset, most)
}

/// The first and the last chunk in which so many bytes from an offset on lie.
fn chunks(offset: u64, most: usize) -> (i64, i64) {
    let last = offset.saturating_add((most as u64).saturating_sub(1));
    (integer(offset / CHUNK as u64), integer(last / CHUNK as u64))
}

/// What rows of size, number and chunk hold from this offset on; none without a row.
fn joined(rows: &[Row], offset: u64, most: usize) -> Result<Option<Vec<u8>>, Fault> {
    let Some(first) = rows.first() else { return Ok(None) };
    let left = count(first.try_get(0)?)?.saturating_sub(offset);
    let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(most);
    let (mut piece, mut rows) = (Vec::with_capacity(wanted), rows.iter());
    while piece.len() < wanted {
        let at = offset + piece.len() as u64;
        let row = rows.next().ok_or(Fault::Damaged("a chunk is missing"))?;
        if row.try_get::<_, Option<i64>>(1)? != Some(integer(at / CHUNK as u64)) {
            return Err(Fault::Damaged("a chunk is missing"));
        }
        let skip = usize::try_from(at % CHUNK as u64).unwrap_or(0);
        let rest = row.try_get::<_, &[u8]>(2)?.get(skip..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(Fault::Damaged("a chunk is short"))?;
        piece.extend(rest.iter().take(wanted - piece.len()));
    }
    Ok(Some(piece))
}
