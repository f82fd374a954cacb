//! The rows of stages: who writes to one, how much of it is there, and when it was last heard of.
//!
//! A stage belongs to whoever has the number in its row. Who goes on with it puts another number there, and from then on no statement of
//! the one before finds the row: two streams are never mixed. All statements on stages take the row of a stage first and a blob's after.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    connection::{Fault, count, integer},
    transaction::Transaction,
};
use crate::{
    domain::time::Time,
    exchange::ports::{Begin, NotBegun, PARTIAL_SECONDS, PARTIALS_LIMIT},
    store::content::CHUNK,
};

/// How often the row of a stage that bytes come to says that it is alive, if nothing is written meanwhile: below the silence after which
/// the exchange lets another stream go on.
pub const HEARD: Duration = Duration::from_secs(2);

/// Chunks that one statement deletes: 256 MiB.
const DELETED_AT_ONCE: i64 = 1024;
/// Whether somebody writes to a stage. One that no exchange has touched for so long, by the database's clock and far above [`HEARD`], is of
/// one that has died: what is not kept is forgotten, and what is kept is as if it was parked.
const OPEN: &str = "(writer IS NOT NULL AND heard > now() - interval '900 seconds')";
const OVERTAKEN: Fault = Fault::Refused("the stage is forgotten, or another stream goes on with it");

/// A stage that is written to here: what its row says, and what is not yet written.
pub(super) struct Pending {
    pub(super) blob: i64,
    writer: i64,
    /// Whether it is kept if it breaks off.
    pub(super) kept: bool,
    /// How many bytes the row says that there are.
    held: u64,
    /// Whole chunks written.
    chunks: u64,
    pub(super) tail: Vec<u8>,
    pub(super) size: u64,
    /// When the row was last written.
    pub(super) touched: Instant,
}

impl Pending {
    /// Takes note of what [`advance`] has written.
    pub(super) fn advanced(&mut self, all: bool) {
        let whole = self.tail.len() / CHUNK;
        self.chunks += whole as u64;
        self.tail.drain(..whole * CHUNK);
        self.held = if all { self.size } else { self.chunks * CHUNK as u64 }.max(self.held);
        self.touched = Instant::now();
    }
}

/// Opens a stage that is nobody's upload.
pub(super) async fn open(db: &Transaction<'_>) -> Result<Pending, Fault> {
    let sql = "INSERT INTO stages (writer, size, kept, begun) VALUES (nextval('writers'), 0, false, 0) RETURNING blob, writer";
    opened(db.row(sql, &[]).await?.as_ref(), false, 0)
}

fn opened(row: Option<&tokio_postgres::Row>, kept: bool, held: u64) -> Result<Pending, Fault> {
    let row = row.ok_or(OVERTAKEN)?;
    let (blob, writer) = (row.try_get(0)?, row.try_get(1)?);
    let chunks = held / CHUNK as u64;
    Ok(Pending { blob, writer, kept, held, chunks, tail: Vec::new(), size: held, touched: Instant::now() })
}

/// Begins an upload or goes on with one. All begins of one party follow one another, whichever exchange they come to.
pub(super) async fn begin(db: &Transaction<'_>, begin: &Begin) -> Result<Result<Pending, NotBegun>, Fault> {
    let (party, communique) = (begin.owner.party.as_str(), begin.owner.communique.to_string());
    let digest = &begin.digest.as_bytes()[..];
    let place = "INSERT INTO places (party) VALUES ($1) ON CONFLICT (party) DO UPDATE SET party = excluded.party";
    db.run(place, &[&party]).await?;
    expire(db, begin.now).await?;
    let sql = format!(
        "SELECT blob, size, held, {OPEN}, {OPEN} AND heard > now() - make_interval(secs => $4) FROM stages
         WHERE kept AND party = $1 AND communique = $2 AND digest = $3 FOR UPDATE"
    );
    let found = db.row(&sql, &[&party, &communique, &digest, &begin.silence.as_secs_f64()]).await?;
    let kept = match &found {
        Some(row) => Some((row.try_get::<_, i64>(0)?, count(row.try_get(1)?)?, count(row.try_get(2)?)?)),
        None => None,
    };
    let says = |n| found.as_ref().map_or(Ok(false), |row| row.try_get::<_, bool>(n));
    let (open, busy) = (says(3)?, says(4)?);
    if begin.offset > 0 {
        if busy {
            return Ok(Err(NotBegun::UnderWay));
        }
        match kept.filter(|(_, _, held)| *held > 0) {
            None => return Ok(Err(NotBegun::Offset { held: 0 })),
            Some((_, size, _)) if size != begin.size => return Ok(Err(NotBegun::Size { size })),
            Some((_, _, held)) if held != begin.offset => return Ok(Err(NotBegun::Offset { held })),
            Some(_) => {}
        }
    }
    // From the first byte on another may bring it too: the first one is kept.
    let replaced = kept.map(|(blob, ..)| blob).filter(|_| begin.offset > 0 || !open);
    if claimed(db, begin, replaced).await?.saturating_add(begin.size) > begin.quota {
        return Ok(Err(NotBegun::Quota));
    }
    if let Some(blob) = replaced.filter(|_| begin.offset > 0) {
        let sql = "UPDATE stages SET writer = nextval('writers'), begun = $2, heard = now() WHERE blob = $1 RETURNING blob, writer";
        let row = db.row(sql, &[&blob, &begin.now.unix()]).await?;
        let pending = opened(row.as_ref(), true, begin.offset)?;
        return Ok(Ok(Pending { tail: last(db, &pending).await?, ..pending }));
    }
    if let Some(blob) = replaced {
        db.run("DELETE FROM stages WHERE blob = $1", &[&blob]).await?;
        drop_chunks(db, blob).await?;
    }
    let kept = !open && thin_out(db, party).await?;
    let sql = "INSERT INTO stages (writer, party, communique, digest, size, kept, begun)
               VALUES (nextval('writers'), $1, $2, $3, $4, $5, $6) RETURNING blob, writer";
    let (size, now) = (integer(begin.size), begin.now.unix());
    Ok(Ok(opened(db.row(sql, &[&party, &communique, &digest, &size, &kept, &now]).await?.as_ref(), kept, 0)?))
}

/// The bytes that an owner holds sealed, has kept, and has announced in uploads under way, but for those of one stage.
async fn claimed(db: &Transaction<'_>, begin: &Begin, but: Option<i64>) -> Result<u64, Fault> {
    let sql = format!(
        "SELECT ((SELECT coalesce(sum(b.size), 0) FROM uploads u JOIN blobs b ON b.id = u.blob
                  WHERE u.party = $1 AND u.communique = $2)
               + (SELECT coalesce(sum(CASE WHEN {OPEN} THEN size ELSE held END), 0) FROM stages
                  WHERE party = $1 AND communique = $2 AND blob IS DISTINCT FROM $3))::bigint"
    );
    let row = db.row(&sql, &[&begin.owner.party.as_str(), &begin.owner.communique.to_string(), &but]).await?;
    count(row.ok_or(Fault::Damaged("a sum is missing"))?.try_get(0)?)
}

/// Makes room among what is kept for a party. Whether there is any.
async fn thin_out(db: &Transaction<'_>, party: &str) -> Result<bool, Fault> {
    let row = db.row("SELECT count(*) FROM stages WHERE kept AND party = $1", &[&party]).await?;
    let kept: i64 = row.ok_or(Fault::Damaged("a count is missing"))?.try_get(0)?;
    let above = (kept + 1).saturating_sub(integer(PARTIALS_LIMIT as u64)).max(0);
    let sql = format!(
        "DELETE FROM stages WHERE blob IN (
             SELECT blob FROM stages WHERE kept AND party = $1 AND NOT {OPEN} ORDER BY begun, blob LIMIT $2 FOR UPDATE
         ) RETURNING blob"
    );
    let gone = db.rows(&sql, &[&party, &above]).await?;
    for row in &gone {
        drop_chunks(db, row.try_get(0)?).await?;
    }
    Ok(integer(gone.len() as u64) >= above)
}

/// Forgets what has been kept for too long, and what those exchanges have left that died; answers how many uploads were kept. What
/// another transaction is at is left to it.
pub(super) async fn expire(db: &Transaction<'_>, now: Time) -> Result<u64, Fault> {
    let sql = format!(
        "DELETE FROM stages WHERE blob IN (
             SELECT blob FROM stages WHERE NOT {OPEN} AND (NOT kept OR held = 0 OR begun < $1) FOR UPDATE SKIP LOCKED
         ) RETURNING blob, kept AND held > 0"
    );
    let mut forgotten = 0;
    for row in db.rows(&sql, &[&now.plus(-PARTIAL_SECONDS).unix()]).await? {
        drop_chunks(db, row.try_get(0)?).await?;
        forgotten += u64::from(row.try_get::<_, bool>(1)?);
    }
    Ok(forgotten)
}

/// The bytes of a last chunk that is not whole. It stays as it is until it is written again, whole.
async fn last(db: &Transaction<'_>, pending: &Pending) -> Result<Vec<u8>, Fault> {
    let rest = usize::try_from(pending.held % CHUNK as u64).unwrap_or(0);
    if rest == 0 {
        return Ok(Vec::new());
    }
    let row = db
        .row("SELECT bytes FROM chunks WHERE blob = $1 AND n = $2", &[&pending.blob, &integer(pending.chunks)])
        .await?
        .ok_or(Fault::Damaged("a chunk is missing"))?;
    let bytes = row.try_get::<_, &[u8]>(0)?;
    bytes.get(..rest).map(<[u8]>::to_vec).ok_or(Fault::Damaged("a chunk is short"))
}

/// Writes a stage's whole chunks, and with `all` the last one too; parks it, if nobody writes to it any more. Says that it is alive.
pub(super) async fn advance(db: &Transaction<'_>, pending: &Pending, all: bool, park: bool) -> Result<(), Fault> {
    let whole = pending.chunks + (pending.tail.len() / CHUNK) as u64;
    let held = if all { pending.size } else { whole * CHUNK as u64 }.max(pending.held);
    let sql = "UPDATE stages SET held = $4, heard = now(), writer = CASE WHEN $5 THEN NULL ELSE writer END
               WHERE blob = $1 AND writer = $2 AND held = $3";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&pending.blob, &pending.writer, &integer(pending.held), &integer(held), &park];
    if db.run(sql, &values).await? == 0 {
        return Err(OVERTAKEN);
    }
    lay(db, pending, all).await
}

/// Writes the chunks of a stage whose row this transaction has taken.
pub(super) async fn lay(db: &Transaction<'_>, pending: &Pending, all: bool) -> Result<(), Fault> {
    let sql = "INSERT INTO chunks (blob, n, bytes) VALUES ($1, $2, $3) ON CONFLICT (blob, n) DO UPDATE SET bytes = excluded.bytes";
    for (chunk, n) in pending.tail.chunks(CHUNK).zip(pending.chunks..) {
        if all || chunk.len() == CHUNK {
            db.run(sql, &[&pending.blob, &integer(n), &chunk]).await?;
        }
    }
    Ok(())
}

/// Takes a stage's row away, to seal or to forget it. Whether it was still its own.
pub(super) async fn take(db: &Transaction<'_>, pending: &Pending) -> Result<bool, Fault> {
    let sql = "DELETE FROM stages WHERE blob = $1 AND writer = $2 AND held = $3";
    Ok(db.run(sql, &[&pending.blob, &pending.writer, &integer(pending.held)]).await? == 1)
}

/// [`take`], or else it is refused.
pub(super) async fn taken(db: &Transaction<'_>, pending: &Pending) -> Result<(), Fault> {
    if take(db, pending).await? { Ok(()) } else { Err(OVERTAKEN) }
}

/// Gives a stage up: what the rows hold is kept as if it was parked, or forgotten. No error if another stream has it.
pub(super) async fn close(db: &Transaction<'_>, pending: &Pending, keep: bool) -> Result<(), Fault> {
    if keep {
        let sql = "UPDATE stages SET writer = NULL WHERE blob = $1 AND writer = $2 AND held > 0";
        if db.run(sql, &[&pending.blob, &pending.writer]).await? == 1 {
            return Ok(());
        }
    }
    let sql = "DELETE FROM stages WHERE blob = $1 AND writer = $2";
    if db.run(sql, &[&pending.blob, &pending.writer]).await? == 1 {
        drop_chunks(db, pending.blob).await?;
    }
    Ok(())
}

/// Deletes the chunks of what has no row any more.
pub(super) async fn drop_chunks(db: &Transaction<'_>, blob: i64) -> Result<(), Fault> {
    let sql = "DELETE FROM chunks WHERE blob = $1
               AND n < (SELECT min(n) FROM chunks WHERE blob = $1) + $2";
    while db.run(sql, &[&blob, &DELETED_AT_ONCE]).await? > 0 {}
    Ok(())
}
