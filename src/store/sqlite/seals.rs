//! As what content is sealed.

use rusqlite::Connection;

use super::connection::{Fault, count};
use crate::{
    domain::id::{CommuniqueId, Digest},
    exchange::ports::{Owner, Seal, Shown},
};

/// By owner, then by communiqué as original and as package.
pub(super) fn of(db: &Connection, digest: Digest) -> Result<Vec<Seal>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT 0, u.communique, u.party, 0, 0, '' FROM uploads u JOIN blobs b ON b.id = u.blob WHERE b.digest = ?1
         UNION ALL
         SELECT 1, o.communique, '', 0, 0, '' FROM originals o JOIN blobs b ON b.id = o.blob WHERE b.digest = ?1
         UNION ALL
         SELECT 2, p.communique, '', p.witnesses, p.stamped, p.head FROM packages p JOIN blobs b ON b.id = p.blob
         WHERE b.digest = ?1
         ORDER BY 1, 3, 2",
    )?;
    let mut rows = statement.query([digest.as_bytes()])?;
    let mut seals = Vec::new();
    while let Some(row) = rows.next()? {
        let communique = row.get_ref(1)?.as_str().ok().and_then(|id| CommuniqueId::parse(id).ok());
        let communique = communique.ok_or(Fault::Damaged("content is sealed for no communiqué"))?;
        seals.push(match row.get::<_, i64>(0)? {
            0 => {
                let party = row.get::<_, String>(2)?;
                let party = party.parse().map_err(|_| Fault::Damaged("content is sealed by no party"))?;
                Seal::Upload(Owner { party, communique })
            }
            1 => Seal::Original(communique),
            _ => {
                let shown = Shown { witnesses: count(row.get(3)?)?, stamped: row.get(4)?, head: row.get(5)? };
                Seal::Package(communique, shown)
            }
        });
    }
    Ok(seals)
}
