//! Succession: the next charter drafted from the newest, what it changes, its adoption, and how far that is.

use std::collections::BTreeSet;

use serde::Serialize;

use super::chartering::Host;
use crate::{
    domain::{
        charter::{Adoption, Charter, Party},
        document::Document,
        id::{Digest, PartyId},
        key::{PublicKey, Signer},
        message::{Fact, Message, Tell},
        refusal::Refusal,
        statement::{Statement, is_by},
        succession::{ADOPTION_PERIOD, Charters},
        time::Time,
    },
    msg,
};

/// What the next charter changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Parties that join.
    pub join: Vec<Party>,
    /// Parties that leave.
    pub leave: BTreeSet<PartyId>,
    /// Parties that describe themselves anew: other names, keys, quorum.
    pub replace: Vec<Party>,
    /// The exchange's new description.
    pub host: Option<Host>,
    /// How many witnesses a package should show.
    pub witnesses: Option<u64>,
    /// Until when it must be adopted.
    pub adopt_by: Time,
}

/// Drafts the charter that succeeds the newest of a chain.
///
/// # Errors
/// [`Refusal::UnknownParty`] for one that is not there to leave or to be replaced; [`Refusal::Succession`] for what no exchange
/// takes; the charter's own bounds.
pub fn successor(chain: &[Document<Charter>], changes: Changes, now: Time) -> Result<Document<Charter>, Refusal> {
    let newest = newest(chain)?;
    let Changes { join, leave, replace, host, witnesses, adopt_by } = changes;
    if adopt_by <= now || adopt_by > now.plus(ADOPTION_PERIOD) {
        return Err(refused(msg!(
            "{adopt_by} is not within 366 days from now; give another day with --adopt-by",
            adopt_by
        )));
    }
    let mut next = Charter {
        version: newest.version + 1,
        previous: Some(newest.digest()),
        adopt_by: Some(adopt_by),
        witnesses: witnesses.unwrap_or(newest.witnesses),
        ..(**newest).clone()
    };
    if let Some(host) = host {
        if host.exchange != next.exchange {
            return Err(Refusal::disagrees("host.exchange", &next.exchange, &host.exchange));
        }
        (next.log, next.depositary, next.server_ca) = (host.log, host.depositary, host.server_ca);
    }
    for party in replace {
        match next.parties.iter_mut().find(|p| p.id == party.id) {
            Some(there) => *there = party,
            None => return Err(unlisted(&party.id)),
        }
    }
    for id in &leave {
        if !next.parties.iter().any(|p| p.id == *id) {
            return Err(unlisted(id));
        }
    }
    next.parties.retain(|p| !leave.contains(&p.id));
    for party in join {
        if chain.iter().any(|c| c.parties.iter().any(|p| p.id == party.id)) {
            let id = &party.id;
            return Err(refused(msg!(
                "{id} is or was a party, and its id is never used again; use --replace, or another id",
                id
            )));
        }
        next.parties.push(party);
    }
    next.parties.sort_by(|a, b| a.id.cmp(&b.id));
    let next = Document::of(&next)?;
    if compare(newest, &next).is_empty() {
        return Err(refused(msg!("it would change nothing; say who joins, leaves or is replaced")));
    }
    Ok(next)
}

/// A file of charters: canonical documents, one per line.
pub fn file<'a>(chain: impl IntoIterator<Item = &'a Document<Charter>>) -> Vec<u8> {
    chain.into_iter().flat_map(|c| c.bytes().iter().copied().chain([b'\n'])).collect()
}

/// One thing that a charter changes: `what`, of whom, from what to what. Keys are told by their thumbprints, certificates by
/// their digests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// `joins`, `leaves`, `authority key`, `quorum`, `trust domain`, `names`, `witness`, `log`, `depositary`, `server CA`,
    /// `witnesses wanted`.
    pub what: &'static str,
    /// Which party; none for what is the exchange's.
    pub party: Option<PartyId>,
    /// What it was.
    pub old: Option<String>,
    /// What it becomes.
    pub new: Option<String>,
}

/// What changes from one charter to another: parties first.
#[must_use]
pub fn compare(old: &Charter, new: &Charter) -> Vec<Change> {
    let mut changes = Vec::new();
    let thumb = |key: &PublicKey| key.thumbprint();
    for party in &new.parties {
        let Some(before) = old.parties.iter().find(|p| p.id == party.id) else {
            let new = Some(thumb(&party.authority));
            changes.push(Change { what: "joins", party: Some(party.id.clone()), old: None, new });
            continue;
        };
        let witness = |p: &Party| p.witness.as_ref().map(thumb);
        let names = |p: &Party| p.names.iter().map(|(lang, n)| format!("{n} ({lang})")).collect::<Vec<_>>().join(" / ");
        for (what, old, new) in [
            ("authority key", Some(thumb(&before.authority)), Some(thumb(&party.authority))),
            ("quorum", Some(before.quorum.to_string()), Some(party.quorum.to_string())),
            ("trust domain", Some(before.trust_domain.to_string()), Some(party.trust_domain.to_string())),
            ("names", Some(names(before)), Some(names(party))),
            ("witness", witness(before), witness(party)),
        ] {
            if old != new {
                changes.push(Change { what, party: Some(party.id.clone()), old, new });
            }
        }
    }
    for party in old.parties.iter().filter(|p| new.parties.iter().all(|n| n.id != p.id)) {
        let old = Some(thumb(&party.authority));
        changes.push(Change { what: "leaves", party: Some(party.id.clone()), old, new: None });
    }
    let log = |c: &Charter| format!("{} {}", c.log.origin, thumb(&c.log.key));
    let ca = |c: &Charter| Digest::of(c.server_ca.as_bytes()).to_string();
    for (what, old, new) in [
        ("log", log(old), log(new)),
        ("depositary", thumb(&old.depositary), thumb(&new.depositary)),
        ("server CA", ca(old), ca(new)),
        ("witnesses wanted", old.witnesses.to_string(), new.witnesses.to_string()),
    ] {
        if old != new {
            changes.push(Change { what, party: None, old: Some(old), new: Some(new) });
        }
    }
    changes
}

/// As what a key adopts the newest charter of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// For which party.
    pub party: PartyId,
    /// It is the party's authority in the charter before, and so consents to the succession.
    pub consents: bool,
    /// It is the party's authority in the new charter, and so is bound by it.
    pub bound: bool,
}

/// As what this key may adopt the newest charter of a chain.
///
/// # Errors
/// [`Refusal::KeyRefused`] if it is no party's authority in either.
pub fn capacity(chain: &[Document<Charter>], key: &PublicKey) -> Result<Capacity, Refusal> {
    let next = newest(chain)?;
    let of = |c: &Charter| c.parties.iter().find(|p| p.authority == *key).map(|p| p.id.clone());
    let old = chain.len().checked_sub(2).and_then(|n| chain.get(n)).and_then(|before| of(before));
    let new = of(next);
    let (consents, bound) = (old.is_some(), new.is_some());
    let party = new.or(old).ok_or_else(|| Refusal::KeyRefused {
        problem: msg!("it is no party's authority key in this charter, nor in the one before"),
    })?;
    Ok(Capacity { party, consents, bound })
}

/// Adopts the newest charter of a chain, a later one than charter 1, with the key of a party of the charter before or of a party
/// of its own.
///
/// # Errors
/// As [`capacity`]; [`Refusal::Succession`] when its time is over; what the signer fails with.
pub fn adopt(chain: &[Document<Charter>], signer: &dyn Signer, time: Time) -> Result<Statement<Adoption>, Refusal> {
    let next = newest(chain)?;
    let party = capacity(chain, &signer.public())?.party;
    if let Some(adopt_by) = next.adopt_by.filter(|adopt_by| time > *adopt_by) {
        return Err(refused(msg!("it was to be adopted by {adopt_by}; draft and propose it again", adopt_by)));
    }
    let adoption = Adoption {
        founding: chain.first().map_or(next.digest(), Document::digest),
        exchange: next.exchange.clone(),
        party,
        charter: next.digest(),
        version: next.version,
        time,
    };
    Statement::sign(adoption, signer)
}

/// Where a charter that was put forward stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It is the one in force.
    InForce,
    /// It was in force, and another succeeded it.
    Succeeded,
    /// It can still be adopted.
    Pending,
    /// It never came into force, and can no longer.
    Failed,
}

impl Progress {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Progress::InForce => "in_force",
            Progress::Succeeded => "succeeded",
            Progress::Pending => "pending",
            Progress::Failed => "failed",
        }
    }
}

impl Tell for Progress {
    fn tell(&self) -> Fact {
        let message = match self {
            Progress::InForce => msg!("charter" => "in force"),
            Progress::Succeeded => msg!("charter" => "succeeded by another"),
            Progress::Pending => msg!("charter" => "can still be adopted"),
            Progress::Failed => msg!("charter" => "not adopted in time"),
        };
        message.into()
    }
}

/// A charter that was put forward, and how far its adoption is.
#[derive(Clone, Debug)]
pub struct Version {
    /// The charter.
    pub charter: Document<Charter>,
    /// Where it stands.
    pub progress: Progress,
    /// From when on it is or was in force, by log time.
    pub since: Option<Time>,
    /// Who has adopted it, and when that was logged. A party whose key changes may stand twice: once for each key.
    pub adopted: Vec<(PartyId, Time)>,
    /// Those of the charter before whose consent by their key there is missing. `all_but_one` does without one.
    pub consent_missing: Vec<PartyId>,
    /// Those of this charter that have not adopted it with the key that it gives them: no parties, if it comes into force so.
    pub missing: Vec<PartyId>,
}

/// Every charter that was put forward, in log order.
#[must_use]
pub fn versions(charters: &Charters, now: Time) -> Vec<Version> {
    let chain = charters.chain(now);
    let current = chain.last().map(|s| s.digest());
    let version = |charter: &Document<Charter>| {
        let digest = charter.digest();
        let standing = chain.iter().find(|s| s.digest() == digest);
        let pending = charter.previous == current && charter.adopt_by.is_some_and(|by| now <= by);
        let progress = match standing {
            Some(_) if current == Some(digest) => Progress::InForce,
            Some(_) => Progress::Succeeded,
            None if pending => Progress::Pending,
            None => Progress::Failed,
        };
        let before = chain.iter().find(|s| Some(s.digest()) == charter.previous);
        let by = |party: &Party| {
            charters
                .adoptions_of(digest)
                .any(|a| a.body.party == party.id && is_by::<Adoption>(&a.compact, &party.authority))
        };
        let lacking = |parties: Vec<&Party>| parties.into_iter().filter(|p| !by(p)).map(|p| p.id.clone()).collect();
        Version {
            progress,
            since: standing.map(|s| s.since()),
            adopted: charters.adoptions_of(digest).map(|a| (a.body.party.clone(), a.place.time)).collect(),
            consent_missing: lacking(before.map(|s| s.parties().collect()).unwrap_or_default()),
            missing: lacking(charter.parties.iter().collect()),
            charter: charter.clone(),
        }
    };
    charters.versions().map(|(charter, _)| version(charter)).collect()
}

fn newest(chain: &[Document<Charter>]) -> Result<&Document<Charter>, Refusal> {
    chain.last().ok_or_else(|| Refusal::malformed(msg!("the file"), msg!("there is no charter in it")))
}

fn unlisted(party: &PartyId) -> Refusal {
    refused(msg!("the newest charter lists no party {party}", party))
}

fn refused(problem: Message) -> Refusal {
    Refusal::Succession { problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::reading,
        domain::samples::{self, charter, key, noon, party, public},
    };

    fn changes() -> Changes {
        Changes {
            join: vec![],
            leave: BTreeSet::new(),
            replace: vec![],
            host: None,
            witnesses: None,
            adopt_by: noon().plus(86_400),
        }
    }
    fn described(id: &str, with: &str) -> Party {
        let mut parties = charter(&[(id, 1), ("other", 1)]).parties;
        parties.retain(|p| p.id == party(id));
        Party { authority: public(with), ..parties.remove(0) }
    }

    #[test]
    fn a_successor_follows_from_the_newest_and_changes_something() {
        let first = Document::of(&charter(&[("north", 1), ("south", 1)])).unwrap();
        let chain = [first.clone()];
        assert!(successor(&chain, changes(), noon()).is_err(), "nothing changes");
        let joined = Changes { join: vec![described("east", "authority of east")], ..changes() };
        let next = successor(&chain, joined, noon()).unwrap();
        assert_eq!((next.version, next.previous), (2, Some(first.digest())));
        let ids: Vec<_> = next.parties.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids, ["east", "north", "south"]);
        let chain = [first, next];
        assert_eq!(reading::charters(&file(&chain)).unwrap(), chain);

        let left =
            Changes { leave: [party("south")].into(), replace: vec![described("east", "east anew")], ..changes() };
        let third = successor(&chain, left, noon()).unwrap();
        let told: Vec<_> = compare(&chain[1], &third).iter().map(|c| (c.what, c.party.clone().unwrap())).collect();
        assert_eq!(told, [("authority key", party("east")), ("leaves", party("south"))]);
        let chain = [chain[0].clone(), chain[1].clone(), third];
        for bad in [
            Changes { join: vec![described("south", "south again")], ..changes() },
            Changes { leave: [party("south")].into(), ..changes() },
            Changes { replace: vec![described("west", "west")], ..changes() },
            Changes { witnesses: Some(1), adopt_by: noon(), ..changes() },
            Changes { witnesses: Some(1), adopt_by: noon().plus(ADOPTION_PERIOD + 1), ..changes() },
        ] {
            assert!(successor(&chain, bad, noon()).is_err());
        }
        assert!(successor(&chain, Changes { witnesses: Some(1), ..changes() }, noon()).is_ok());

        // Who may adopt, as what: the old key, the new key, who leaves, who joins, and nobody else.
        let as_what =
            |with: &str| capacity(&chain, &public(with)).map(|c| (c.party.to_string(), c.consents, c.bound)).ok();
        assert_eq!(as_what("authority of north"), Some(("north".into(), true, true)));
        assert_eq!(as_what("authority of east"), Some(("east".into(), true, false)));
        assert_eq!(as_what("east anew"), Some(("east".into(), false, true)));
        assert_eq!(as_what("authority of south"), Some(("south".into(), true, false)));
        assert_eq!(as_what("somebody"), None);
        let adoption = adopt(&chain, &key("east anew"), noon()).unwrap();
        assert_eq!((adoption.body().founding, adoption.body().version), (chain[0].digest(), 3));
        assert!(adopt(&chain, &key("east anew"), noon().plus(86_401)).is_err(), "its time is over");
    }

    #[test]
    fn how_far_an_adoption_is_follows_from_the_log() {
        let mut world = samples::World::new(&[("north", 1), ("south", 1)]);
        let chain = [world.charter.clone()];
        let joined = Changes { join: vec![described("east", "authority of east")], ..changes() };
        let next = successor(&chain, joined, world.now).unwrap();
        world.propose_charter(&next, "north", "authority of north").unwrap();
        let seen = versions(&world.charters, world.now);
        assert_eq!(seen.iter().map(|v| v.progress).collect::<Vec<_>>(), [Progress::InForce, Progress::Pending]);
        assert_eq!(seen[1].consent_missing, [party("south")]);
        assert_eq!(seen[1].missing, [party("east"), party("south")]);
        assert_eq!(seen[1].adopted.len(), 1);
        let late = next.adopt_by.unwrap().plus(1);
        assert_eq!(versions(&world.charters, late)[1].progress, Progress::Failed);
        world.adopt(&next, "south", "authority of south").unwrap();
        world.adopt(&next, "east", "authority of east").unwrap();
        let seen = versions(&world.charters, world.now);
        assert_eq!(seen.iter().map(|v| v.progress).collect::<Vec<_>>(), [Progress::Succeeded, Progress::InForce]);
        assert!(seen[1].missing.is_empty() && seen[1].since.is_some());
    }
}
