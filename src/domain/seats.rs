//! The one seat count. Who has signed, and whether all have, is computed here and nowhere else: by the exchange when it
//! decides, by its replay, by the verifier of packages.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    act::{Act, ActKind},
    charter::Charter,
    document::Document,
    id::{Digest, HolderId, PartyId},
    manifest::Manifest,
    powers::Powers,
    refusal::Refusal,
};

/// The grants that were logged before the act in question.
pub trait Grants {
    /// The grant of this digest by this party.
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<&Powers>;
}

/// Seats filled, by party and holder.
#[derive(Debug)]
pub struct Tally<'a> {
    manifest: &'a Document<Manifest>,
    charter: &'a Charter,
    seats: BTreeMap<&'a PartyId, BTreeSet<&'a HolderId>>,
}

impl<'a> Tally<'a> {
    /// Counts the signatures on this manifest under this opening. What is for another manifest, opening or party, out of
    /// its grant, or after the deadline, fills no seat. One holder fills one.
    pub fn of(
        manifest: &'a Document<Manifest>,
        opening: Digest,
        charter: &'a Charter,
        grants: &'a dyn Grants,
        acts: impl IntoIterator<Item = &'a Act>,
    ) -> Self {
        let mut seats: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for act in acts {
            let counts = act.act == ActKind::Sign
                && act.manifest == manifest.digest()
                && act.opening == Some(opening)
                && manifest.parties.contains(&act.party)
                && manifest.procedure.deadline.is_none_or(|deadline| act.time <= deadline);
            if let Some(powers) = grants.grant(&act.party, &act.grant)
                && counts
                && powers.party == act.party
                && powers.cover(act).is_ok()
            {
                seats.entry(&act.party).or_default().insert(&powers.holder.id);
            }
        }
        Self { manifest, charter, seats }
    }
    /// Whether this holder fills a seat already.
    #[must_use]
    pub fn holds(&self, party: &PartyId, holder: &HolderId) -> bool {
        self.seats.get(party).is_some_and(|holders| holders.contains(holder))
    }
    /// Whether the party's quorum of seats is filled. A party that the charter does not list has none, and never signs.
    ///
    /// # Errors
    /// [`Refusal::UnknownParty`].
    pub fn has_signed(&self, party: &PartyId) -> Result<bool, Refusal> {
        let quorum = self.charter.party(party)?.quorum;
        Ok(self.seats.get(party).is_some_and(|holders| holders.len() as u64 >= quorum))
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
}
