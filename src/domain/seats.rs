//! The one seat count. Who has signed, and whether all have, is computed here and nowhere else: by the exchange when it
//! decides, by its replay, by the verifier of packages.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    act::{Act, ActKind},
    document::Document,
    entry::Place,
    id::{Digest, HolderId, PartyId},
    key::PublicKey,
    manifest::Manifest,
    message::Message,
    powers::Powers,
    refusal::Refusal,
    statement::is_by,
    succession::Standing,
};
use crate::msg;

/// Full powers in the log.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// What they say.
    pub powers: &'a Powers,
    /// The statement, compact.
    pub compact: &'a str,
    /// Where their revocation was logged.
    pub revoked: Option<Place>,
}

impl<'a> Grant<'a> {
    /// The powers, if they cover the act and stand: not revoked, and by the key that is the party's authority in the charter
    /// in force.
    ///
    /// # Errors
    /// [`Refusal::GrantForbids`] saying what is against it, [`Refusal::UnknownParty`].
    pub fn covering(self, act: &Act, standing: &Standing) -> Result<&'a Powers, Refusal> {
        self.covering_by(act, &standing.party(&self.powers.party)?.authority)
    }
    /// The same, where this is the party's authority.
    fn covering_by(self, act: &Act, authority: &PublicKey) -> Result<&'a Powers, Refusal> {
        let forbid = |problem: Message| Err(Refusal::GrantForbids { problem });
        if let Some(revoked) = self.revoked {
            return forbid(msg!("they were revoked at {time}", time = revoked.time));
        }
        if !is_by::<Powers>(self.compact, authority) {
            return forbid(msg!("they were given under an authority key that is no longer the party's"));
        }
        self.powers.cover(act)?;
        Ok(self.powers)
    }
}

/// The grants that were logged before the act in question.
pub trait Grants: Sync {
    /// The grant of this digest by this party.
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<Grant<'_>>;
}

/// A seat: what its holder signed, and whether it counts.
#[derive(Debug)]
struct Seat {
    signed: Digest,
    /// Definitive, or ad referendum and confirmed.
    counts: bool,
}

/// Seats taken, by party and holder.
#[derive(Debug)]
pub struct Tally<'a> {
    manifest: &'a Document<Manifest>,
    standing: &'a Standing,
    seats: BTreeMap<&'a PartyId, BTreeMap<&'a HolderId, Seat>>,
    counted: BTreeSet<Digest>,
}

impl<'a> Tally<'a> {
    /// Counts the signatures on this manifest under this opening, in log order. What is for another manifest, opening or
    /// party, out of its grant, under a grant that has ended, or after the deadline, takes no seat. One holder takes one.
    pub fn of(
        manifest: &'a Document<Manifest>,
        opening: Digest,
        standing: &'a Standing,
        grants: &'a dyn Grants,
        acts: impl IntoIterator<Item = (&'a Act, Digest)>,
    ) -> Self {
        let mut tally = Self { manifest, standing, seats: BTreeMap::new(), counted: BTreeSet::new() };
        // Looked up once for all acts, of which there may be thousands.
        let authority = |id| standing.party(id).ok().map(|party| &party.authority);
        let authorities: BTreeMap<_, _> = manifest.parties.iter().map(|id| (id, authority(id))).collect();
        for (act, digest) in acts {
            let Some(Some(authority)) = authorities.get(&act.party) else { continue };
            let applies = act.act.is_signature()
                && act.manifest == manifest.digest()
                && act.opening == Some(opening)
                && manifest.procedure.deadline.is_none_or(|deadline| act.time <= deadline);
            if !applies {
                continue;
            }
            let grant = grants.grant(&act.party, &act.grant);
            if let Some(powers) = grant.and_then(|grant| grant.covering_by(act, authority).ok()) {
                tally.take(act, digest, powers);
            }
        }
        tally
    }
    fn take(&mut self, act: &'a Act, digest: Digest, powers: &'a Powers) {
        let seats = self.seats.entry(&act.party).or_default();
        match act.act {
            ActKind::Confirm => {
                let confirmed = |seat: &&mut Seat| act.confirms == Some(seat.signed) && !seat.counts;
                if let Some(seat) = seats.values_mut().find(confirmed) {
                    seat.counts = true;
                    self.counted.extend([seat.signed, digest]);
                }
            }
            kind => {
                let counts = kind == ActKind::Sign;
                if !seats.contains_key(&powers.holder.id) {
                    seats.insert(&powers.holder.id, Seat { signed: digest, counts });
                    self.counted.extend(counts.then_some(digest));
                }
            }
        }
    }
    /// Whether this holder has taken a seat, be it ad referendum.
    #[must_use]
    pub fn holds(&self, party: &PartyId, holder: &HolderId) -> bool {
        self.seats.get(party).is_some_and(|holders| holders.contains_key(holder))
    }
    /// Whether this signature ad referendum takes a seat and waits to be confirmed.
    #[must_use]
    pub fn awaits_confirmation(&self, party: &PartyId, signed: Digest) -> bool {
        self.seats.get(party).is_some_and(|seats| seats.values().any(|seat| seat.signed == signed && !seat.counts))
    }
    /// How many of the party's seats count, and how many wait to be confirmed.
    #[must_use]
    pub fn seats(&self, party: &PartyId) -> (u64, u64) {
        let seats = self.seats.get(party).into_iter().flat_map(BTreeMap::values);
        let (counting, pending): (Vec<_>, Vec<_>) = seats.partition(|seat| seat.counts);
        (counting.len() as u64, pending.len() as u64)
    }
    /// Whether the party's quorum of seats counts. A party that the charter does not list has none, and never signs.
    ///
    /// # Errors
    /// [`Refusal::UnknownParty`].
    pub fn has_signed(&self, party: &PartyId) -> Result<bool, Refusal> {
        Ok(self.seats(party).0 >= self.standing.party(party)?.quorum)
    }
    /// Whether every party of the manifest has signed.
    ///
    /// # Errors
    /// [`Refusal::UnknownParty`].
    pub fn complete(&self) -> Result<bool, Refusal> {
        for party in &self.manifest.parties {
            if !self.has_signed(party)? {
                return Ok(false);
            }
        }
        Ok(!self.manifest.parties.is_empty())
    }
    /// Whether this act fills a seat that counts, or confirms one that does.
    #[must_use]
    pub fn counts(&self, act: Digest) -> bool {
        self.counted.contains(&act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{World, noon, party};

    #[test]
    fn a_signature_takes_a_seat_if_all_that_it_says_applies() {
        let mut world = World::new(&[("aa", 1), ("bb", 1)]);
        let mut manifest = world.manifest();
        manifest.procedure.deadline = Some(noon().plus(60));
        world.propose_as(manifest, |act| act).unwrap();
        world.open();
        let (standing, newest) = (world.standing(), world.life.newest().unwrap());
        let opening = newest.opened.unwrap().entry;
        type Change = fn(&mut Act);
        let rows: [(&str, Change, (u64, u64)); 8] = [
            ("as it should be", |_| (), (1, 0)),
            ("in the last second", |act| act.time = noon().plus(60), (1, 0)),
            ("ad referendum", |act| act.act = ActKind::SignAdReferendum, (0, 1)),
            ("no signature", |act| act.act = ActKind::Object, (0, 0)),
            ("another manifest", |act| act.manifest = Digest::of(b"another"), (0, 0)),
            ("another opening", |act| act.opening = Some(Digest::of(b"another")), (0, 0)),
            ("no opening", |act| act.opening = None, (0, 0)),
            ("after the deadline", |act| act.time = noon().plus(61), (0, 0)),
        ];
        for (what, change, seats) in rows {
            let mut act = world.act(ActKind::Sign, "aa", "a1");
            change(&mut act);
            let acts = [(&act, Digest::of(b"the act"))];
            let tally = Tally::of(&newest.manifest, opening, &standing, &world.records, acts);
            assert_eq!(tally.seats(&party("aa")), seats, "{what}");
        }
    }
}
