//! The register: what the log says of each party's trust and full powers.

use std::{borrow::Borrow, collections::BTreeMap, sync::Arc};

use super::{
    act::Act,
    entry::{Kind, Place, Position, Recorded, Step},
    id::{Digest, PartyId},
    key::PublicKey,
    powers::{Powers, Revocation},
    refusal::Refusal,
    seats::{Grant, Grants},
    statement::{Body, Statement, Unverified, is_by},
    succession::{Charters, Standing},
    trust::Trust,
};
use crate::msg;

/// Most grants of one party.
pub const GRANTS_LIMIT: usize = 4096;

/// A statement in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held<B> {
    /// What it says.
    pub body: B,
    /// The statement, compact.
    pub compact: String,
    /// Where it was logged.
    pub place: Place,
}

/// The stream `party/<id>`: trust and full powers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartyRecord {
    position: Position,
    trust: Option<Held<Trust>>,
    /// Shared, so that a copy of a long record costs little.
    grants: BTreeMap<Digest, Arc<Held<Powers>>>,
    /// By the grant that they end.
    revocations: BTreeMap<Digest, Arc<Held<Revocation>>>,
}

impl PartyRecord {
    /// How many bytes its statements have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let trust = self.trust.iter().map(|t| t.compact.len());
        let grants = self.grants.values().map(|g| g.compact.len());
        trust.chain(grants).chain(self.revocations.values().map(|r| r.compact.len())).sum()
    }
    /// Where the stream stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
    /// The trust statement in force.
    #[must_use]
    pub fn trusted(&self) -> Option<&Held<Trust>> {
        self.trust.as_ref()
    }
    /// The grants by digest.
    #[must_use]
    pub fn grants(&self) -> &BTreeMap<Digest, Arc<Held<Powers>>> {
        &self.grants
    }

    /// The revocation of the grant of this digest.
    #[must_use]
    pub fn revocation(&self, grant: Digest) -> Option<&Held<Revocation>> {
        self.revocations.get(&grant).map(|r| &**r)
    }

    /// Decides on a trust statement.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::Disagrees`], [`Refusal::StaleSerial`].
    pub fn trust(
        &self,
        statement: Unverified<Trust>,
        standing: &Standing,
    ) -> Result<(Statement<Trust>, Step), Refusal> {
        let claims = statement.claims();
        let key = standing.party(&claims.party)?.authority;
        standing.addressed(&claims.exchange, claims.founding)?;
        let verified = statement.verify(&key)?;
        let serial = verified.body().serial;
        // A new authority key counts anew: who stole the old one could have used up the serials.
        let newest = self.trust.as_ref().filter(|t| is_by::<Trust>(&t.compact, &key)).map(|t| t.body.serial);
        if let Some(newest) = newest.filter(|newest| serial <= *newest) {
            return Err(Refusal::StaleSerial { serial, newest });
        }
        let step = Step { kind: Kind::Trust, documents: vec![], statements: vec![verified.digest()] };
        Ok((verified, step))
    }

    /// Decides on full powers. One key has one role, one party, one holder: `others` are the records of all other parties.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::Disagrees`], [`Refusal::KeyRefused`], [`Refusal::LimitReached`].
    pub fn grant<'a>(
        &self,
        statement: Unverified<Powers>,
        charters: &Charters,
        standing: &Standing,
        others: impl IntoIterator<Item = &'a PartyRecord>,
    ) -> Result<(Statement<Powers>, Step), Refusal> {
        let claims = statement.claims();
        let party = standing.party(&claims.party)?;
        standing.addressed(&claims.exchange, claims.founding)?;
        let verified = statement.verify(&party.authority)?;
        let Powers { key, holder, .. } = verified.body();
        if charters.names_key(key) {
            return Err(Refusal::KeyRefused { problem: msg!("it has a role in a charter; one key has one role") });
        }
        if self.grants.values().any(|g| g.body.key == *key && g.body.holder.id != holder.id) {
            return Err(Refusal::KeyRefused { problem: msg!("another holder has it; one key has one holder") });
        }
        if others.into_iter().any(|o| o.holds_key(key)) {
            return Err(Refusal::KeyRefused {
                problem: msg!("a holder of another party has it; one key has one party"),
            });
        }
        if self.grants.len() >= GRANTS_LIMIT {
            return Err(Refusal::LimitReached { what: msg!("grants of one party"), limit: GRANTS_LIMIT as u64 });
        }
        let step = Step { kind: Kind::Powers, documents: vec![], statements: vec![verified.digest()] };
        Ok((verified, step))
    }

    /// Decides on the end of a grant.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::Disagrees`], [`Refusal::UnknownGrant`], [`Refusal::AlreadyExists`].
    pub fn revoke(
        &self,
        statement: Unverified<Revocation>,
        standing: &Standing,
    ) -> Result<(Statement<Revocation>, Step), Refusal> {
        let claims = statement.claims();
        let key = standing.party(&claims.party)?.authority;
        standing.addressed(&claims.exchange, claims.founding)?;
        let grant = claims.grant;
        let verified = statement.verify(&key)?;
        if !self.grants.contains_key(&grant) {
            return Err(Refusal::UnknownGrant { grant });
        }
        if self.revocations.contains_key(&grant) {
            return Err(Refusal::AlreadyExists { what: msg!("a revocation of {grant}", grant) });
        }
        let step = Step { kind: Kind::Revocation, documents: vec![], statements: vec![verified.digest()] };
        Ok((verified, step))
    }

    /// Whether a holder has this key.
    #[must_use]
    pub fn holds_key(&self, key: &PublicKey) -> bool {
        self.grants.values().any(|g| g.body.key == *key)
    }

    /// Folds the stream's next entry.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], or what its bytes fail to parse with.
    pub fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        let mut position = self.position;
        position.advance(r.entry, r.digest)?;
        match r.entry.kind {
            Kind::Trust => self.trust = Some(held(r)?),
            Kind::Powers => {
                let powers: Held<Powers> = held(r)?;
                self.grants.insert(Digest::of(powers.compact.as_bytes()), Arc::new(powers));
            }
            Kind::Revocation => {
                let revocation: Held<Revocation> = held(r)?;
                self.revocations.insert(revocation.body.grant, Arc::new(revocation));
            }
            _ => return Err(misplaced(r)),
        }
        self.position = position;
        Ok(())
    }

    /// Folds an entry of the stream when not all before it are known, as in a package: it passes over the gap, and never
    /// goes back.
    ///
    /// # Errors
    /// As [`PartyRecord::apply`].
    pub fn apply_after_gap(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        let before = self.position;
        self.position.pass_gap(r.entry);
        self.apply(r).inspect_err(|_| self.position = before)
    }
}

/// Verifies an act under the key of the grant that it names.
///
/// # Errors
/// [`Refusal::UnknownGrant`], [`Refusal::SignatureInvalid`].
pub fn verify_act(act: Unverified<Act>, grants: &dyn Grants) -> Result<Statement<Act>, Refusal> {
    let claims = act.claims();
    let grant = grants.grant(&claims.party, &claims.grant).ok_or(Refusal::UnknownGrant { grant: claims.grant })?;
    let key = grant.powers.key;
    act.verify(&key)
}

impl<R: Borrow<PartyRecord> + Sync> Grants for BTreeMap<PartyId, R> {
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<Grant<'_>> {
        let record = self.get(party)?.borrow();
        let held = record.grants.get(digest).filter(|g| g.body.party == *party)?;
        Some(Grant { powers: &held.body, compact: &held.compact, revoked: record.revocation(*digest).map(|r| r.place) })
    }
}

pub(super) fn held<B: Body + Clone>(r: Recorded<'_>) -> Result<Held<B>, Refusal> {
    let compact = r.statement(0)?.to_owned();
    let body = Unverified::<B>::parse(&compact)?.claims().clone();
    Ok(Held { body, compact, place: r.place() })
}

pub(super) fn misplaced(r: Recorded<'_>) -> Refusal {
    Refusal::Inconsistent {
        what: msg!("entry {index} does not belong to {stream}", index = r.index, stream = r.entry.stream),
    }
}
