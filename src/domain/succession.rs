//! Which charter is in force, and who is a party under it: the stream `exchange`. One charter succeeds another by the
//! adoptions of those whom it binds and of those whom it admits, or by the day that it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    charter::{Adoption, Charter, Party, Succession},
    document::Document,
    entry::{Kind, Place, Position, Recorded, Step},
    id::{Digest, ExchangeName, PartyId},
    json::Form as _,
    key::PublicKey,
    message::Message,
    refusal::{Refusal, same},
    register::{Held, PartyRecord, held, misplaced},
    statement::{Statement, Unverified, is_by},
    time::Time,
    trust::Trust,
};
use crate::msg;

/// Longest time that a proposed charter may be open for adoption, in seconds: 366 days.
pub const ADOPTION_PERIOD: i64 = 366 * 86_400;
/// Most adoptions by one key of a party over one charter: of what it proposes, and of what others do.
pub const ADOPTIONS_LIMIT: usize = 16;
/// Most entries of the stream `exchange` before no further charter may be proposed: what every later package carries.
pub const SUCCESSION_ENTRIES_LIMIT: u64 = 4096;
/// Most bytes of charters and adoptions before no further charter may be proposed.
pub const SUCCESSION_BYTES_LIMIT: usize = 32 << 20;

/// A charter in force, and who is a party under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    charter: Document<Charter>,
    founding: Digest,
    absent: BTreeSet<PartyId>,
    since: Time,
}

impl Standing {
    /// Charter 1, adopted by every party, in force since then.
    #[must_use]
    pub fn first(charter: Document<Charter>, since: Time) -> Self {
        Self { since, ..Self::claimed(charter.clone(), charter.digest()) }
    }
    /// A later charter whose adoption is not known yet: every one that it lists is taken for a party.
    #[must_use]
    pub fn claimed(charter: Document<Charter>, founding: Digest) -> Self {
        Self { charter, founding, absent: BTreeSet::new(), since: Time::from_unix(0) }
    }
    /// The document.
    #[must_use]
    pub fn charter(&self) -> &Document<Charter> {
        &self.charter
    }
    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.charter.digest()
    }
    /// Digest of charter 1.
    #[must_use]
    pub fn founding(&self) -> Digest {
        self.founding
    }
    /// The exchange's name.
    #[must_use]
    pub fn exchange(&self) -> &ExchangeName {
        &self.charter.exchange
    }
    /// Log time from which on it is in force.
    #[must_use]
    pub fn since(&self) -> Time {
        self.since
    }
    /// Those whom it lists and who did not adopt it in time: no parties.
    #[must_use]
    pub fn absent(&self) -> &BTreeSet<PartyId> {
        &self.absent
    }
    /// The party of this id.
    ///
    /// # Errors
    /// [`Refusal::UnknownParty`] for one that it does not list, or that did not adopt it in time.
    pub fn party(&self, id: &PartyId) -> Result<&Party, Refusal> {
        self.parties().find(|p| p.id == *id).ok_or_else(|| Refusal::UnknownParty { party: id.clone() })
    }
    /// The parties, by id.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        self.charter.parties.iter().filter(|p| !self.absent.contains(&p.id))
    }
    /// The parties' ids, sorted.
    #[must_use]
    pub fn party_ids(&self) -> Vec<PartyId> {
        self.parties().map(|p| p.id.clone()).collect()
    }
    /// Checks that a statement is for this exchange.
    ///
    /// # Errors
    /// [`Refusal::Disagrees`].
    pub fn addressed(&self, exchange: &ExchangeName, founding: Digest) -> Result<(), Refusal> {
        same("exchange", self.exchange(), exchange)?;
        same("founding", self.founding, founding)
    }
    /// Whether as many of its parties have consented to a successor as succession asks. Those who leave are asked as those
    /// who stay: otherwise a few could shut out the others.
    fn consents(&self, adopted: &BTreeSet<&PartyId>) -> bool {
        let missing = self.parties().filter(|p| !adopted.contains(&p.id)).count();
        match self.charter.succession {
            Succession::Unanimous => missing == 0,
            // Of two, one would decide alone.
            Succession::AllButOne => missing == 0 || missing == 1 && self.parties().count() > 2,
        }
    }
}

/// The stream `exchange`: charters and their adoptions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Charters {
    position: Position,
    versions: Vec<(Document<Charter>, Place)>,
    adoptions: Vec<Held<Adoption>>,
    /// Those that came into force by what was logged, up to the last entry's time.
    standing: Vec<Arc<Standing>>,
    /// The role that each key had in any of these, and who was a party under any.
    roles: BTreeMap<PublicKey, String>,
    ever: BTreeSet<PartyId>,
}

impl Charters {
    /// Where the stream stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
    /// The charter in force at this log time.
    #[must_use]
    pub fn in_force(&self, now: Time) -> Option<Arc<Standing>> {
        // Since when they stand rises.
        let known = self.standing.partition_point(|s| s.since <= now);
        let last = known.checked_sub(1).and_then(|at| self.standing.get(at)).cloned();
        self.after(last.clone(), now).pop().or(last)
    }
    /// Those that came into force after this one until this log time.
    fn after(&self, last: Option<Arc<Standing>>, now: Time) -> Vec<Arc<Standing>> {
        let (mut last, mut after) = (last, vec![]);
        while let Some(next) = self.next(last.as_deref(), now).map(Arc::new) {
            after.push(next.clone());
            last = Some(next);
        }
        after
    }
    /// Every charter that came into force until this log time, oldest first. Charter 1 is at every time, once all have adopted
    /// it: whether a clock is behind the log is not asked here.
    #[must_use]
    pub fn chain(&self, now: Time) -> Vec<Arc<Standing>> {
        let mut chain: Vec<_> = self.standing.iter().filter(|s| s.since <= now).cloned().collect();
        chain.extend(self.after(chain.last().cloned(), now));
        chain
    }
    /// The ids of all who are or were parties until this log time.
    #[must_use]
    pub fn ever_parties(&self, now: Time) -> BTreeSet<PartyId> {
        self.chain(now).iter().flat_map(|s| s.party_ids()).collect()
    }
    /// The digest of charter 1.
    #[must_use]
    pub fn founding(&self) -> Option<Digest> {
        self.versions.first().map(|(c, _)| c.digest())
    }
    /// Every charter with its place, in log order; proposals that failed are among them.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &(Document<Charter>, Place)> {
        self.versions.iter()
    }
    /// The adoptions of the charter of this digest, in log order.
    pub fn adoptions_of(&self, charter: Digest) -> impl Iterator<Item = &Held<Adoption>> {
        self.adoptions.iter().filter(move |a| a.body.charter == charter)
    }
    /// Whether any charter gives this key a role.
    #[must_use]
    pub fn names_key(&self, key: &PublicKey) -> bool {
        self.versions.iter().any(|(charter, _)| charter.keys().any(|k| k == key))
    }
    /// How many bytes its documents and statements have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.versions.iter().map(|(c, _)| c.bytes().len()).chain(self.adoptions.iter().map(|a| a.compact.len())).sum()
    }

    /// Decides on a charter that is to succeed the one in force, with the adoption of the party that proposes it, by its key
    /// in the one in force. `taken` says whether a key is a holder's of full powers.
    ///
    /// # Errors
    /// [`Refusal::Disagrees`], [`Refusal::Succession`], [`Refusal::KeyRefused`], [`Refusal::LimitReached`],
    /// [`Refusal::SignatureInvalid`], [`Refusal::AlreadyExists`] for one that was put forward before: adopt it.
    pub fn propose(
        &self,
        charter: &Document<Charter>,
        adoption: Unverified<Adoption>,
        taken: impl Fn(&PublicKey) -> bool,
        now: Time,
    ) -> Result<(Statement<Adoption>, Vec<Step>), Refusal> {
        let standing = self.required(now)?;
        let step = self.succeeds(charter, &standing, taken, now)?;
        // By the key that is the party's now: anybody could list it with another.
        if !adoption.is_by(&standing.party(&adoption.claims().party)?.authority) {
            return Err(Refusal::SignatureInvalid { statement: Adoption::called() });
        }
        self.has_room(self.position.length)?;
        let (adoption, adopted) = self.adoption(charter, adoption, &standing, now)?;
        Ok((adoption, vec![step, adopted]))
    }
    /// Decides on an adoption of a proposed charter.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Disagrees`], [`Refusal::Succession`], [`Refusal::AlreadyExists`],
    /// [`Refusal::SignatureInvalid`].
    pub fn adopt(&self, adoption: Unverified<Adoption>, now: Time) -> Result<(Statement<Adoption>, Step), Refusal> {
        let digest = adoption.claims().charter;
        let (charter, _) = self
            .versions()
            .find(|(c, _)| c.digest() == digest)
            .ok_or_else(|| Refusal::not_found(msg!("proposed charter"), digest))?;
        self.adoption(charter, adoption, &*self.required(now)?, now)
    }
    /// Decides again on an entry of the stream, for whoever reads a log that another kept: what must be recorded there. `read` is
    /// the charter that it records, if it was read before.
    ///
    /// # Errors
    /// As [`Charters::propose`] and [`Charters::adopt`].
    pub fn decide_again(
        &self,
        r: Recorded<'_>,
        read: Option<&Document<Charter>>,
        taken: impl Fn(&PublicKey) -> bool,
    ) -> Result<Step, Refusal> {
        let now = r.entry.time;
        match r.entry.kind {
            Kind::Charter => {
                let charter = charter(r, read)?;
                match self.in_force(now) {
                    Some(standing) => {
                        self.has_room(r.entry.seq)?;
                        self.succeeds(&charter, &standing, taken, now)
                    }
                    None if self.versions.is_empty() && charter.version == 1 => Ok(proposed(&charter)),
                    None => Err(misplaced(r)),
                }
            }
            Kind::Adoption => {
                let adoption: Unverified<Adoption> = Unverified::parse(r.statement(0)?)?;
                match (self.in_force(now), self.versions.first()) {
                    (Some(_), _) => self.adopt(adoption, now).map(|(_, step)| step),
                    (None, Some((first, _))) => {
                        let adoption = adopt_first(first, adoption)?;
                        let party = &adoption.body().party;
                        if self.adoptions.iter().any(|a| a.body.party == *party) {
                            return Err(Refusal::AlreadyExists {
                                what: msg!("an adoption of charter 1 by {party}", party),
                            });
                        }
                        Ok(adopted(&adoption))
                    }
                    (None, None) => Err(misplaced(r)),
                }
            }
            _ => Err(misplaced(r)),
        }
    }
    /// Folds the stream's next entry.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], or what its bytes fail to parse with.
    pub fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        self.fold(r, None)
    }
    fn fold(&mut self, r: Recorded<'_>, read: Option<&Document<Charter>>) -> Result<(), Refusal> {
        let mut position = self.position;
        position.advance(r.entry, r.digest)?;
        match r.entry.kind {
            Kind::Charter => self.versions.push((charter(r, read)?, r.place())),
            Kind::Adoption => self.adoptions.push(held(r)?),
            _ => return Err(misplaced(r)),
        }
        for standing in self.after(self.standing.last().cloned(), r.entry.time) {
            self.roles.extend(standing.charter.roles().map(|(key, role)| (*key, role)));
            self.ever.extend(standing.party_ids());
            self.standing.push(standing);
        }
        self.position = position;
        Ok(())
    }
    /// Folds an entry of the stream when not all before it are known, as in a package, which carries no charter that never
    /// came into force. `read` is the charter that it records, if it was read before.
    ///
    /// # Errors
    /// As [`Charters::apply`].
    pub fn apply_after_gap(&mut self, r: Recorded<'_>, read: Option<&Document<Charter>>) -> Result<(), Refusal> {
        self.position.pass_gap(r.entry);
        self.fold(r, read)
    }

    fn required(&self, now: Time) -> Result<Arc<Standing>, Refusal> {
        self.in_force(now).ok_or_else(|| Refusal::Inconsistent { what: msg!("no charter is in force") })
    }

    /// Demands that a charter may still be put forward, as the entry of this number in its stream.
    fn has_room(&self, seq: u64) -> Result<(), Refusal> {
        if seq >= SUCCESSION_ENTRIES_LIMIT {
            return Err(Refusal::LimitReached { what: msg!("entries of charters"), limit: SUCCESSION_ENTRIES_LIMIT });
        }
        if self.bytes() >= SUCCESSION_BYTES_LIMIT {
            let what = msg!("bytes of charters and adoptions");
            return Err(Refusal::LimitReached { what, limit: SUCCESSION_BYTES_LIMIT as u64 });
        }
        Ok(())
    }

    /// Checks that this document may succeed the charter in force.
    fn succeeds(
        &self,
        charter: &Document<Charter>,
        standing: &Standing,
        taken: impl Fn(&PublicKey) -> bool,
        now: Time,
    ) -> Result<Step, Refusal> {
        if self.versions().any(|(c, _)| c.digest() == charter.digest()) {
            return Err(Refusal::AlreadyExists { what: msg!("the charter {digest}", digest = charter.digest()) });
        }
        same("charter.exchange", standing.exchange(), &charter.exchange)?;
        same("charter.version", standing.charter.version + 1, charter.version)?;
        let previous = charter.previous.map(|d| d.to_string()).unwrap_or_default();
        same("charter.previous", standing.digest().to_string(), previous)?;
        if charter.succession != standing.charter.succession {
            return Err(Refusal::malformed("charter.succession", msg!("is fixed by charter 1")));
        }
        let adopt_by = charter.adopt_by.unwrap_or(now);
        if adopt_by <= now || adopt_by > now.plus(ADOPTION_PERIOD) {
            return Err(Refusal::malformed(
                "charter.adopt_by",
                msg!("{adopt_by} is not within 366 days from now ({now})", adopt_by, now),
            ));
        }
        // What time alone has brought since the last entry.
        let since = self.after(self.standing.last().cloned(), now);
        let was_party = |id: &PartyId| self.ever.contains(id) || since.iter().any(|s| s.party(id).is_ok());
        for party in &charter.parties {
            if standing.party(&party.id).is_err() && was_party(&party.id) {
                return Err(refused(msg!(
                    "{id} was a party before and left; its id is never used again",
                    id = party.id
                )));
            }
        }
        let newer: BTreeMap<_, _> = since.iter().flat_map(|s| s.charter.roles()).collect();
        for (key, new) in charter.roles() {
            let Some(role) = self.roles.get(key).or_else(|| newer.get(key)) else { continue };
            if new != *role {
                return Err(Refusal::KeyRefused {
                    problem: msg!("{key} had another role in an earlier charter; one key has one role", key),
                });
            }
            // What a dead key signed would live again.
            if !standing.charter.keys().any(|current| current == key) {
                return Err(Refusal::KeyRefused {
                    problem: msg!("{key} ended with an earlier charter; it is never used again", key),
                });
            }
        }
        if charter.keys().any(taken) {
            return Err(Refusal::KeyRefused { problem: msg!("a holder of full powers has it; one key has one role") });
        }
        Ok(proposed(charter))
    }

    /// Verifies an adoption of a successor: by the party's key in the charter in force, or by its key in the new one.
    fn adoption(
        &self,
        charter: &Document<Charter>,
        adoption: Unverified<Adoption>,
        standing: &Standing,
        now: Time,
    ) -> Result<(Statement<Adoption>, Step), Refusal> {
        let claims = adoption.claims();
        standing.addressed(&claims.exchange, claims.founding)?;
        same("adoption.charter", charter.digest(), claims.charter)?;
        same("adoption.version", charter.version, claims.version)?;
        if charter.previous != Some(standing.digest()) {
            return Err(refused(msg!(
                "it was to succeed another charter than version {version}, which is in force",
                version = standing.charter.version
            )));
        }
        if let Some(adopt_by) = charter.adopt_by.filter(|adopt_by| now > *adopt_by) {
            return Err(refused(msg!("it was to be adopted by {adopt_by}; propose it again", adopt_by)));
        }
        let old = standing.party(&claims.party).ok().map(|p| p.authority);
        let new = charter.parties.iter().find(|p| p.id == claims.party).map(|p| p.authority);
        let Some(key) = [old, new].into_iter().flatten().find(|key| adoption.is_by(key)).or(new).or(old) else {
            return Err(Refusal::UnknownParty { party: claims.party.clone() });
        };
        let party = claims.party.clone();
        let verified = adoption.verify(&key)?;
        // By the same key: a charter may list a party with a key that it knows nothing of, and what that one adopts must not
        // bind or exhaust it.
        let of = |digest| self.adoptions_of(digest).filter(|a| a.body.party == party);
        let earlier = |digest| of(digest).filter(|a| is_by::<Adoption>(&a.compact, &key)).count();
        if earlier(charter.digest()) > 0 {
            return Err(Refusal::AlreadyExists { what: msg!("an adoption of this charter by {party}", party) });
        }
        let mut over = 0;
        for (other, _) in self.versions().filter(|(c, _)| c.previous == charter.previous) {
            let mine = earlier(other.digest());
            over += mine;
            if let Some(adopt_by) =
                other.adopt_by.filter(|by| mine > 0 && now <= *by && other.digest() != charter.digest())
            {
                return Err(refused(msg!(
                    "{party} has adopted another charter in its place, which stands until {adopt_by}; adopt this one after",
                    party,
                    adopt_by
                )));
            }
        }
        if over >= ADOPTIONS_LIMIT {
            return Err(Refusal::LimitReached {
                what: msg!("adoptions of {party} over one charter", party),
                limit: ADOPTIONS_LIMIT as u64,
            });
        }
        let step = adopted(&verified);
        Ok((verified, step))
    }

    /// The charter that succeeds this one until this log time, if any does.
    fn next(&self, current: Option<&Standing>, now: Time) -> Option<Standing> {
        let candidates = self.versions.iter().filter(|(charter, _)| match current {
            None => charter.version == 1,
            Some(current) => {
                charter.previous == Some(current.digest()) && charter.version == current.charter.version + 1
            }
        });
        candidates
            .filter_map(|(charter, place)| Some((self.came_into_force(charter, current, now)?, place.index)))
            .min_by_key(|(standing, index)| (standing.since, *index))
            .map(|(standing, _)| standing)
    }

    fn came_into_force(&self, charter: &Document<Charter>, current: Option<&Standing>, now: Time) -> Option<Standing> {
        let (mut consented, mut bound) = (BTreeSet::new(), BTreeSet::new());
        let enough = |consented: &BTreeSet<_>| current.is_none_or(|current| current.consents(consented));
        let standing = |since, absent| Standing {
            charter: charter.clone(),
            founding: current.map_or(charter.digest(), |c| c.founding),
            absent,
            since,
        };
        let asked: BTreeMap<_, _> =
            current.into_iter().flat_map(Standing::parties).map(|p| (&p.id, &p.authority)).collect();
        let listed: BTreeMap<_, _> = charter.parties.iter().map(|p| (&p.id, &p.authority)).collect();
        for adoption in self.adoptions_of(charter.digest()).filter(|a| current.is_none() || a.place.time <= now) {
            let by = |key: &&&PublicKey| is_by::<Adoption>(&adoption.compact, key);
            let id = &adoption.body.party;
            consented.extend(asked.get(id).filter(by).map(|_| id));
            bound.extend(listed.get(id).filter(by).map(|_| id));
            if bound.len() == charter.parties.len() && enough(&consented) {
                return Some(standing(adoption.place.time, BTreeSet::new()));
            }
        }
        let adopt_by = charter.adopt_by.filter(|adopt_by| now > *adopt_by)?;
        let absent = charter.parties.iter().map(|p| &p.id).filter(|id| !bound.contains(id)).cloned().collect();
        (enough(&consented) && bound.len() >= 2).then(|| standing(adopt_by.plus(1), absent))
    }
}

fn refused(problem: Message) -> Refusal {
    Refusal::Succession { problem }
}

/// The charter that an entry records. A package may hold thousands, so what was read is shared.
fn charter(r: Recorded<'_>, read: Option<&Document<Charter>>) -> Result<Document<Charter>, Refusal> {
    read.map_or_else(|| Document::parse(r.document(0)?.to_vec()), |charter| Ok(charter.clone()))
}

fn proposed(charter: &Document<Charter>) -> Step {
    Step { kind: Kind::Charter, documents: vec![charter.digest()], statements: vec![] }
}

fn adopted(adoption: &Statement<Adoption>) -> Step {
    Step { kind: Kind::Adoption, documents: vec![], statements: vec![adoption.digest()] }
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
        return Err(Refusal::disagrees("charter.version", 1_u64, charter.version));
    }
    let standing = Standing::first(charter.clone(), Time::from_unix(0));
    let mut adopted = BTreeMap::new();
    for adoption in adoptions {
        let verified = adopt_first(charter, adoption)?;
        if adopted.insert(verified.body().party.clone(), verified).is_some() {
            return Err(Refusal::AlreadyExists { what: msg!("an adoption by the same party") });
        }
    }
    let mut trusted = BTreeMap::new();
    for statement in trusts {
        let party = statement.claims().party.clone();
        let (verified, _) = PartyRecord::default().trust(statement, &standing)?;
        if trusted.insert(party, verified).is_some() {
            return Err(Refusal::AlreadyExists { what: msg!("a trust statement by the same party") });
        }
    }
    for party in &charter.parties {
        if !adopted.contains_key(&party.id) {
            return Err(Refusal::not_found(msg!("adoption of charter 1 by"), &party.id));
        }
        if !trusted.contains_key(&party.id) {
            return Err(Refusal::not_found(msg!("trust statement of"), &party.id));
        }
    }
    Ok(Founding { adoptions: adopted.into_values().collect(), trusts: trusted })
}

/// Verifies a party's adoption of this charter 1.
///
/// # Errors
/// [`Refusal::UnknownParty`], [`Refusal::Disagrees`], [`Refusal::SignatureInvalid`].
pub fn adopt_first(
    charter: &Document<Charter>,
    adoption: Unverified<Adoption>,
) -> Result<Statement<Adoption>, Refusal> {
    let claims = adoption.claims();
    let standing = Standing::first(charter.clone(), Time::from_unix(0));
    let key = standing.party(&claims.party)?.authority;
    same("adoption.charter", charter.digest(), claims.charter)?;
    same("adoption.version", charter.version, claims.version)?;
    standing.addressed(&claims.exchange, claims.founding)?;
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

#[cfg(test)]
mod tests;
