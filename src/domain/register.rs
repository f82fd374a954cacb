//! The register: what the log says of charters, and of each party's trust and full powers.

use std::{borrow::Borrow, collections::BTreeMap, sync::Arc};

use super::{
    act::Act,
    charter::{Adoption, Charter},
    document::Document,
    entry::{Kind, Place, Position, Recorded, Step},
    id::{Digest, ExchangeName, PartyId},
    powers::Powers,
    refusal::Refusal,
    seats::Grants,
    statement::{Body, Statement, Unverified},
    trust::Trust,
};

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

/// The stream `exchange`: charters and their adoptions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Charters {
    position: Position,
    versions: Vec<(Document<Charter>, Place)>,
    adoptions: Vec<Held<Adoption>>,
}

impl Charters {
    /// Where the stream stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
    /// The charter in force: version 1, once every party has adopted it.
    #[must_use]
    pub fn in_force(&self) -> Option<&Document<Charter>> {
        let (charter, _) = self.versions.first()?;
        let adopted = |party: &PartyId| self.adoptions_of(charter.digest()).any(|a| a.body.party == *party);
        charter.parties.iter().all(|p| adopted(&p.id)).then_some(charter)
    }
    /// The digest of charter 1.
    #[must_use]
    pub fn founding(&self) -> Option<Digest> {
        self.versions.first().map(|(c, _)| c.digest())
    }
    /// Every charter with its place, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &(Document<Charter>, Place)> {
        self.versions.iter()
    }
    /// The adoptions of the charter of this digest, in log order.
    pub fn adoptions_of(&self, charter: Digest) -> impl Iterator<Item = &Held<Adoption>> {
        self.adoptions.iter().filter(move |a| a.body.charter == charter)
    }
    /// How many bytes its documents and statements have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.versions.iter().map(|(c, _)| c.bytes().len()).chain(self.adoptions.iter().map(|a| a.compact.len())).sum()
    }
    /// Folds the stream's next entry.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], or what its bytes fail to parse with.
    pub fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        let mut position = self.position;
        position.advance(r.entry, r.digest)?;
        match r.entry.kind {
            Kind::Charter => self.versions.push((Document::parse(r.document(0)?.to_vec())?, r.place())),
            Kind::Adoption => self.adoptions.push(held(r)?),
            _ => return Err(misplaced(r)),
        }
        self.position = position;
        Ok(())
    }
}

/// Founds an exchange: charter 1, adopted by every party, each with its first trust statement.
///
/// # Errors
/// What is missing, doubled, or by another key.
pub fn found(
    charter: &Document<Charter>,
    adoptions: Vec<Unverified<Adoption>>,
    trusts: Vec<Unverified<Trust>>,
) -> Result<Founding, Refusal> {
    if charter.version != 1 {
        return Err(Refusal::disagrees("charter.version", 1, charter.version));
    }
    let mut adopted = BTreeMap::new();
    for adoption in adoptions {
        let verified = adopt(charter, adoption)?;
        if adopted.insert(verified.body().party.clone(), verified).is_some() {
            return Err(Refusal::AlreadyExists { what: "an adoption by the same party".into() });
        }
    }
    let mut trusted = BTreeMap::new();
    for statement in trusts {
        let party = statement.claims().party.clone();
        let (verified, _) = PartyRecord::default().trust(statement, charter, charter.digest())?;
        if trusted.insert(party, verified).is_some() {
            return Err(Refusal::AlreadyExists { what: "a trust statement by the same party".into() });
        }
    }
    for party in &charter.parties {
        if !adopted.contains_key(&party.id) {
            return Err(Refusal::not_found("adoption of charter 1 by", &party.id));
        }
        if !trusted.contains_key(&party.id) {
            return Err(Refusal::not_found("trust statement of", &party.id));
        }
    }
    Ok(Founding { adoptions: adopted.into_values().collect(), trusts: trusted })
}

/// Verifies a party's adoption of this charter 1.
///
/// # Errors
/// [`Refusal::UnknownParty`], [`Refusal::Disagrees`], [`Refusal::SignatureInvalid`].
pub fn adopt(charter: &Document<Charter>, adoption: Unverified<Adoption>) -> Result<Statement<Adoption>, Refusal> {
    let claims = adoption.claims();
    let key = charter.party(&claims.party)?.authority;
    if claims.charter != charter.digest() {
        return Err(Refusal::disagrees("adoption.charter", charter.digest(), claims.charter));
    }
    if claims.version != charter.version {
        return Err(Refusal::disagrees("adoption.version", charter.version, claims.version));
    }
    addressed(&claims.exchange, claims.founding, charter, charter.digest())?;
    adoption.verify(&key)
}

/// What founds an exchange, verified.
#[derive(Debug)]
pub struct Founding {
    /// One adoption by each party, by party.
    pub adoptions: Vec<Statement<Adoption>>,
    /// One trust statement of each party.
    pub trusts: BTreeMap<PartyId, Statement<Trust>>,
}

/// The stream `party/<id>`: trust and full powers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartyRecord {
    position: Position,
    trust: Option<Held<Trust>>,
    /// Shared, so that a copy of a long record costs little.
    grants: BTreeMap<Digest, Arc<Held<Powers>>>,
}

impl PartyRecord {
    /// How many bytes its statements have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.trust.iter().map(|t| t.compact.len()).chain(self.grants.values().map(|g| g.compact.len())).sum()
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

    /// Decides on a trust statement.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::Disagrees`], [`Refusal::StaleSerial`].
    pub fn trust(
        &self,
        statement: Unverified<Trust>,
        charter: &Document<Charter>,
        founding: Digest,
    ) -> Result<(Statement<Trust>, Step), Refusal> {
        let claims = statement.claims();
        let party = charter.party(&claims.party)?;
        addressed(&claims.exchange, claims.founding, charter, founding)?;
        let verified = statement.verify(&party.authority)?;
        let serial = verified.body().serial;
        if let Some(newest) = self.trust.as_ref().map(|t| t.body.serial).filter(|newest| serial <= *newest) {
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
        charter: &Document<Charter>,
        founding: Digest,
        others: impl IntoIterator<Item = &'a PartyRecord>,
    ) -> Result<(Statement<Powers>, Step), Refusal> {
        let claims = statement.claims();
        let party = charter.party(&claims.party)?;
        addressed(&claims.exchange, claims.founding, charter, founding)?;
        let verified = statement.verify(&party.authority)?;
        let Powers { key, holder, .. } = verified.body();
        if charter.keys().any(|k| k == key) {
            return Err(Refusal::KeyRefused { problem: "it has a role in the charter; one key has one role".into() });
        }
        if self.grants.values().any(|g| g.body.key == *key && g.body.holder.id != holder.id) {
            return Err(Refusal::KeyRefused { problem: "another holder has it; one key has one holder".into() });
        }
        if others.into_iter().any(|o| o.grants.values().any(|g| g.body.key == *key)) {
            return Err(Refusal::KeyRefused {
                problem: "a holder of another party has it; one key has one party".into(),
            });
        }
        if self.grants.len() >= GRANTS_LIMIT {
            return Err(Refusal::LimitReached { what: "grants of one party".into(), limit: GRANTS_LIMIT as u64 });
        }
        let step = Step { kind: Kind::Powers, documents: vec![], statements: vec![verified.digest()] };
        Ok((verified, step))
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
        if r.entry.seq > before.length {
            self.position = Position { length: r.entry.seq, last: r.entry.previous };
        }
        self.apply(r).inspect_err(|_| self.position = before)
    }
}

/// Verifies an act under the key of the grant that it names.
///
/// # Errors
/// [`Refusal::UnknownGrant`], [`Refusal::SignatureInvalid`].
pub fn verify_act(act: Unverified<Act>, grants: &dyn Grants) -> Result<Statement<Act>, Refusal> {
    let claims = act.claims();
    let powers = grants.grant(&claims.party, &claims.grant).ok_or(Refusal::UnknownGrant { grant: claims.grant })?;
    let key = powers.key;
    act.verify(&key)
}

impl<R: Borrow<PartyRecord>> Grants for BTreeMap<PartyId, R> {
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<&Powers> {
        Some(&self.get(party)?.borrow().grants.get(digest)?.body).filter(|p| p.party == *party)
    }
}

fn addressed(exchange: &ExchangeName, founding: Digest, charter: &Charter, expected: Digest) -> Result<(), Refusal> {
    if *exchange != charter.exchange {
        return Err(Refusal::disagrees("exchange", &charter.exchange, exchange));
    }
    if founding != expected {
        return Err(Refusal::disagrees("founding", expected, founding));
    }
    Ok(())
}

fn held<B: Body + Clone>(r: Recorded<'_>) -> Result<Held<B>, Refusal> {
    let compact = r.statement(0)?.to_owned();
    let body = Unverified::<B>::parse(&compact)?.claims().clone();
    Ok(Held { body, compact, place: r.place() })
}

fn misplaced(r: Recorded<'_>) -> Refusal {
    Refusal::Inconsistent { what: format!("entry {} does not belong to {}", r.index, r.entry.stream) }
}
