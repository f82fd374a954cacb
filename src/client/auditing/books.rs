//! The books of an audit: how far each stream was seen, and what it came to. Each entry is judged when it comes, by the decisions of
//! the domain, as the exchange made them. Pure: what is missing is asked for by name.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::evidence::{Kind, belongs, word};
use crate::{
    client::timeline::named,
    domain::{
        act::Act,
        document::Document,
        entry::{Entry, Kind as Records, Position, Recorded, Step, StreamId},
        id::{CommuniqueId, Digest, PartyId},
        json,
        key::PublicKey,
        life::{self, Context, Life},
        manifest::Manifest,
        message::{Message, Tell as _},
        powers::{Powers, Revocation},
        refusal::{Refusal, same},
        register::{PartyRecord, verify_act},
        remark::Remark,
        seats::{Grant, Grants},
        statement::{Statement, Unverified},
        succession::{Charters, Standing},
        time::Time,
        trust::Trust,
        view::{EventView, Happening, Logged},
    },
    msg,
};

/// How many communiqués are held in memory at once; the others are asked for again when they go on.
pub const LIVES_LIMIT: usize = 1024;

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Of which kind.
    pub kind: Kind,
    /// In a sentence without its full stop.
    pub words: Message,
    /// The entries that show it.
    pub entries: Vec<u64>,
}

/// How far a stream was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// How many entries it has.
    pub length: u64,
    /// The digest of its last one.
    pub last: Digest,
    /// Where that stands.
    pub index: u64,
}

/// An entry of charters or of a party, to be read again when an audit goes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Its index.
    pub index: u64,
    /// Its bytes.
    pub entry: String,
    /// What it names.
    pub objects: Vec<String>,
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Entries that were shown.
    pub shown: u64,
    /// Signatures of others of which only was shown that they are there.
    pub escrowed: u64,
    /// Statements that verified.
    pub statements: u64,
}

/// What was done in the name of the party's own authority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Own {
    /// A trust statement.
    Trust(Trust),
    /// Full powers, with their digest.
    Powers(Digest, Box<Powers>),
    /// The end of full powers.
    Revocation(Revocation),
}

/// A communiqué as far as it was shown.
#[derive(Clone, Debug, Default)]
struct Told {
    life: Life,
    /// Whether something on its newest revision lies in escrow: then what follows from it cannot be decided again.
    sealed: bool,
    /// What the last act made due.
    due: VecDeque<Step>,
}

/// The books.
#[derive(Clone, Debug)]
pub struct Books {
    own: PartyId,
    founding: Digest,
    time: Option<Time>,
    before: Option<u64>,
    /// What must stand in the place after the entry taken last, since it is logged in one step with it.
    promised: Option<(u64, Records)>,
    streams: BTreeMap<StreamId, Reached>,
    charters: Charters,
    parties: BTreeMap<PartyId, PartyRecord>,
    lives: BTreeMap<CommuniqueId, Told>,
    unsealed: Option<CommuniqueId>,
    /// How many entries of a communiqué were in escrow when they were shown last.
    sealed: BTreeMap<CommuniqueId, u64>,
    /// Entries of charters and parties that were shown since the audit began.
    pub registered: Vec<Registered>,
    /// What was counted since the audit began.
    pub tally: Tally,
    /// What was done in the own authority's name since the audit began: where, when, what.
    pub own_entries: Vec<(u64, Time, Own)>,
}

/// Where an audit stopped.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stand {
    /// The last log time seen.
    pub time: Option<Time>,
    /// The last entry that was shown.
    pub before: Option<u64>,
    /// How far each stream was seen.
    pub streams: BTreeMap<StreamId, Reached>,
    /// How many entries of a communiqué were in escrow when they were shown last.
    pub sealed: BTreeMap<CommuniqueId, u64>,
}

impl Books {
    /// Books of nothing yet, for this party of the exchange of this founding.
    #[must_use]
    pub fn new(own: PartyId, founding: Digest) -> Self {
        Self {
            own,
            founding,
            time: None,
            before: None,
            promised: None,
            streams: BTreeMap::new(),
            charters: Charters::default(),
            parties: BTreeMap::new(),
            lives: BTreeMap::new(),
            unsealed: None,
            sealed: BTreeMap::new(),
            registered: Vec::new(),
            tally: Tally::default(),
            own_entries: Vec::new(),
        }
    }
    /// Goes on where an audit stopped, with what it registered.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if the one does not come to the other.
    pub fn resume(mut self, stand: Stand, registered: &[Registered]) -> Result<Self, Refusal> {
        for kept in registered {
            let entry: Entry = json::parse(kept.entry.as_bytes())?;
            let objects: Vec<_> = kept.objects.iter().map(|o| o.as_bytes().to_vec()).collect();
            named(&entry, &objects)?;
            let digest = Digest::of(kept.entry.as_bytes());
            let recorded = Recorded { index: kept.index, digest, entry: &entry, objects: &objects };
            match &entry.stream {
                StreamId::Exchange => self.charters.apply(recorded)?,
                StreamId::Party(party) => self.parties.entry(party.clone()).or_default().apply(recorded)?,
                _ => return Err(changed()),
            }
        }
        let reached =
            |stream: &StreamId| stand.streams.get(stream).map(|r| Position { length: r.length, last: Some(r.last) });
        let mut all = vec![(StreamId::Exchange, self.charters.position())];
        all.extend(self.parties.iter().map(|(id, record)| (StreamId::Party(id.clone()), record.position())));
        let registers = |stream: &&StreamId| matches!(stream, StreamId::Exchange | StreamId::Party(_));
        let known = stand.streams.keys().filter(registers).count();
        let as_many = all.iter().filter(|(_, position)| position.length > 0).count();
        if known != as_many || all.iter().any(|(s, position)| reached(s).unwrap_or_default() != *position) {
            return Err(changed());
        }
        (self.time, self.before) = (stand.time, stand.before);
        (self.streams, self.sealed) = (stand.streams, stand.sealed);
        Ok(self)
    }
    /// Where it stands.
    #[must_use]
    pub fn stand(&self) -> Stand {
        let (streams, sealed) = (self.streams.clone(), self.sealed.clone());
        Stand { time: self.time, before: self.before, streams, sealed }
    }
    /// The charters, as the log has them.
    #[must_use]
    pub fn charters(&self) -> &Charters {
        &self.charters
    }

    /// The communiqués whose earlier entries are needed before this event is taken: [`Self::load`] them.
    #[must_use]
    pub fn wants(&self, event: &EventView) -> Vec<CommuniqueId> {
        let mut wanted = Vec::new();
        match &event.happening {
            Happening::Escrowed { communique, .. } => wanted.push(*communique),
            Happening::Shown(logged) => {
                let Ok(entry) = json::parse::<Entry>(&logged.entry) else { return vec![] };
                if let StreamId::Communique(id) = entry.stream {
                    wanted.push(id);
                }
                if entry.kind == Records::Revision {
                    let manifest = logged.objects.first().and_then(|m| Document::<Manifest>::parse(m.clone()).ok());
                    wanted.extend(manifest.and_then(|m| Some(m.rectifies.as_ref()?.communique)));
                }
            }
        }
        wanted.retain(|id| self.streams.contains_key(&StreamId::Communique(*id)) && !self.lives.contains_key(id));
        wanted
    }
    /// A communiqué of which more can be seen now than when its entries came: [`Self::load`] it again.
    pub fn unsealed(&mut self) -> Option<CommuniqueId> {
        self.unsealed.take()
    }

    /// Takes the next event. `leaf` is the digest that the log's tree has at its index.
    ///
    /// # Errors
    /// What is wrong.
    pub fn take(&mut self, event: &EventView, leaf: Digest) -> Result<(), Finding> {
        let index = event.index;
        self.kept_until(index)?;
        match &event.happening {
            Happening::Shown(logged) => self.shown(index, logged, leaf)?,
            Happening::Escrowed { communique, party, .. } => {
                if *party == self.own {
                    return Err(finding(
                        Kind::Withheld,
                        [index],
                        msg!("entry {index}, a signature of your own party, is not shown to it", index),
                    ));
                }
                self.escrowed(index, *communique, leaf)?;
            }
        }
        self.before = Some(index);
        while self.lives.len() > LIVES_LIMIT {
            self.lives.pop_first();
        }
        Ok(())
    }
    /// That nothing before this index is still to be shown: what is logged in one step is shown in one.
    ///
    /// # Errors
    /// What is not there.
    pub fn kept_until(&self, index: u64) -> Result<(), Finding> {
        match self.promised {
            Some((at, kind)) if at < index => {
                let words = msg!(
                    "entry {index}, which must record {kind} since entry {before} does, is not shown",
                    index = at,
                    kind = word(kind),
                    before = at - 1
                );
                Err(finding(Kind::Withheld, [at - 1], words))
            }
            _ => Ok(()),
        }
    }
    fn escrowed(&mut self, index: u64, id: CommuniqueId, leaf: Digest) -> Result<(), Finding> {
        self.tally.escrowed += 1;
        let Some(reached) = self.streams.get_mut(&StreamId::Communique(id)) else {
            let words = msg!(
                "entry {index} is a signature on the communiqué {id}, of which nothing was shown before",
                index,
                id = id.to_string()
            );
            return Err(finding(Kind::Withheld, [index], words));
        };
        *reached = Reached { length: reached.length + 1, last: leaf, index };
        *self.sealed.entry(id).or_default() += 1;
        if let Some(told) = self.lives.get_mut(&id) {
            told.life.pass_sealed(leaf);
            told.sealed = true;
        }
        Ok(())
    }
    fn shown(&mut self, index: u64, logged: &Logged, leaf: Digest) -> Result<(), Finding> {
        self.tally.shown += 1;
        let digest = Digest::of(&logged.entry);
        if digest != leaf {
            let words = msg!(
                "entry {index} is shown with the digest {digest}, and the log's tree has {leaf} in its place",
                index,
                digest,
                leaf
            );
            return Err(finding(Kind::OtherEntry, [index], words));
        }
        let against = |words: Message| finding(Kind::AgainstRules, [index], words);
        let entry: Entry =
            json::parse(&logged.entry).map_err(|e| against(msg!("entry {index} is none: {why}", index, why = e)))?;
        named(&entry, &logged.objects).map_err(|e| {
            let words = msg!("what is shown with entry {index} is not what the entry names: {why}", index, why = e);
            finding(Kind::OtherObject, [index], words)
        })?;
        if !belongs(entry.kind, &entry.stream) {
            let words = msg!(
                "entry {index} records {kind} in the stream {stream}",
                index,
                kind = word(entry.kind),
                stream = entry.stream.to_string()
            );
            return Err(against(words));
        }
        if let Some(time) = self.time.filter(|time| entry.time < *time) {
            let words = msg!(
                "entry {index} is of {time}, but one before it is of {time_before}: log time went back",
                index,
                time = entry.time,
                time_before = time
            );
            return Err(finding(Kind::OutOfOrder, [Some(index), self.before].into_iter().flatten(), words));
        }
        self.time = Some(entry.time);
        let recorded = Recorded { index, digest, entry: &entry, objects: &logged.objects };
        let promised = self.promised.take();
        if let Some((_, kind)) = promised.filter(|(at, kind)| *at == index && *kind != entry.kind) {
            let words = msg!(
                "entry {index} records {kind}, where the entry before asks for {due}",
                index,
                kind = word(entry.kind),
                due = word(kind)
            );
            return Err(against(words));
        }
        if entry.kind == Records::Rectified && promised != Some((index, Records::Rectified)) {
            let words = msg!(
                "entry {index} says that something was rectified, and the publication before it is not shown",
                index
            );
            return Err(finding(Kind::Withheld, [index], words));
        }
        if self.follow(recorded)? {
            self.judge(recorded, logged)?;
        }
        Ok(())
    }
    /// Notes how far the stream has come. Answers whether it is one that is seen from its beginning.
    fn follow(&mut self, r: Recorded<'_>) -> Result<bool, Finding> {
        let Recorded { index, digest, entry, .. } = r;
        let before = self.streams.get(&entry.stream).copied();
        let mut position = before.map_or(Position::default(), |b| Position { length: b.length, last: Some(b.last) });
        let apart = before.is_none() && entry.seq > 0;
        match &entry.stream {
            // That a communiqué was published is told to all.
            StreamId::Communique(id) if apart && entry.kind == Records::Published => {
                let manifest = r.document(0).ok().and_then(|m| Document::<Manifest>::parse(m.to_vec()).ok());
                return match manifest.filter(|m| m.parties.contains(&self.own)) {
                    None => Ok(false),
                    Some(_) => Err(finding(
                        Kind::Withheld,
                        [index],
                        msg!(
                            "the communiqué {id} names your party, and nothing of it was shown before it was published",
                            id = id.to_string()
                        ),
                    )),
                };
            }
            // Those within other parties are not shown.
            StreamId::Remarks(_) => position.pass_gap(entry),
            _ => {}
        }
        if position.advance(entry, digest).is_err() {
            let words = if entry.seq > position.length {
                msg!(
                    "entry {index} is number {number} of the stream {stream}, and only {shown} before it were shown: something is left out",
                    index,
                    number = entry.seq,
                    stream = entry.stream.to_string(),
                    shown = position.length
                )
            } else {
                msg!(
                    "entry {index} does not continue the stream {stream} as it was shown",
                    index,
                    stream = entry.stream.to_string()
                )
            };
            let kind = if entry.seq > position.length { Kind::Withheld } else { Kind::OutOfOrder };
            return Err(finding(kind, [Some(index), before.map(|b| b.index)].into_iter().flatten(), words));
        }
        self.streams.insert(entry.stream.clone(), Reached { length: position.length, last: digest, index });
        Ok(true)
    }
    fn judge(&mut self, r: Recorded<'_>, logged: &Logged) -> Result<(), Finding> {
        let index = r.index;
        let against = |e: Refusal| finding(Kind::AgainstRules, [index], against_rules(index, r.entry.kind, &e));
        match &r.entry.stream {
            StreamId::Exchange => {
                self.charter(r).map_err(against)?;
                self.register(r, logged);
            }
            StreamId::Party(party) => {
                self.authority(party, r).map_err(against)?;
                self.register(r, logged);
            }
            StreamId::Communique(id) => {
                let mut told = self.lives.remove(id).unwrap_or_default();
                let original = self.original(r);
                let judged = self.communique(&mut told, r, original);
                if r.entry.kind == Records::Completed && told.sealed {
                    self.unsealed = Some(*id);
                }
                let rectifies = || r.document(0).and_then(json::parse::<Manifest>).is_ok_and(|m| m.rectifies.is_some());
                let next = match told.due.front() {
                    Some(due) => Some(due.kind),
                    None if r.entry.kind == Records::Published && rectifies() => Some(Records::Rectified),
                    None => None,
                };
                self.promised = next.map(|kind| (index + 1, kind));
                self.lives.insert(*id, told);
                self.tally.statements += judged.map_err(|e| {
                    // The full powers tell the key.
                    let mut found = against(e);
                    found.entries.extend(self.grant_of(r));
                    found
                })?;
            }
            StreamId::Remarks(id) => {
                let remark = r.document(0).and_then(json::parse::<Remark>);
                remark.and_then(|remark| same("remark.communique", *id, remark.communique)).map_err(against)?;
            }
        }
        Ok(())
    }
    fn register(&mut self, r: Recorded<'_>, logged: &Logged) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let objects = logged.objects.iter().map(|o| text(o)).collect();
        self.registered.push(Registered { index: r.index, entry: text(&logged.entry), objects });
    }
    fn charter(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        let taken = |key: &PublicKey| self.parties.values().any(|record| record.holds_key(key));
        is(r.entry, &self.charters.decide_again(r, None, taken)?)?;
        self.charters.apply(r)?;
        self.tally.statements += r.entry.statements.len() as u64;
        same(
            "founding",
            Some(self.founding).map(|d| d.to_string()).unwrap_or_default(),
            shown(self.charters.founding()),
        )
    }
    fn authority(&mut self, party: &PartyId, r: Recorded<'_>) -> Result<(), Refusal> {
        let standing = self.charters.in_force(r.entry.time).ok_or_else(no_charter)?;
        let none = PartyRecord::default();
        let record = self.parties.get(party).unwrap_or(&none);
        let compact = r.statement(0)?;
        let (of, step, own) = match r.entry.kind {
            Records::Trust => {
                let (trust, step) = record.trust(Unverified::parse(compact)?, &standing)?;
                (trust.body().party.clone(), step, Own::Trust(trust.body().clone()))
            }
            Records::Powers => {
                let others = self.parties.iter().filter(|(id, _)| *id != party).map(|(_, record)| record);
                let (powers, step) = record.grant(Unverified::parse(compact)?, &self.charters, &standing, others)?;
                (powers.body().party.clone(), step, Own::Powers(powers.digest(), Box::new(powers.body().clone())))
            }
            _ => {
                let (revocation, step) = record.revoke(Unverified::parse(compact)?, &standing)?;
                (revocation.body().party.clone(), step, Own::Revocation(revocation.body().clone()))
            }
        };
        same("entry.stream", party, &of)?;
        is(r.entry, &step)?;
        self.parties.entry(party.clone()).or_default().apply(r)?;
        self.tally.statements += 1;
        if *party == self.own {
            self.own_entries.push((r.index, r.entry.time, own));
        }
        Ok(())
    }
    /// What a revision rectifies.
    fn original(&self, r: Recorded<'_>) -> Original<'_> {
        let manifest = (r.entry.kind == Records::Revision).then(|| r.document(0).ok()).flatten();
        let manifest = manifest.and_then(|m| Document::<Manifest>::parse(m.to_vec()).ok());
        match manifest.and_then(|m| m.rectifies) {
            None => Original::None,
            Some(rectifies) => match self.lives.get(&rectifies.communique) {
                Some(told) if !told.sealed => Original::Known(&told.life),
                _ => Original::Unseen,
            },
        }
    }
    /// Where the full powers stand that an act names.
    fn grant_of(&self, r: Recorded<'_>) -> Option<u64> {
        let act = Unverified::<Act>::parse(r.statement(0).ok()?).ok()?;
        let held = self.parties.get(&act.claims().party)?.grants().get(&act.claims().grant)?;
        Some(held.place.index)
    }
    /// Decides on an entry of a communiqué, and folds it. Answers how many statements verified.
    fn communique(&self, told: &mut Told, r: Recorded<'_>, original: Original<'_>) -> Result<u64, Refusal> {
        let grants = GrantsAt { parties: &self.parties, index: r.index };
        let mut verified = 0;
        if r.entry.kind == Records::Revision {
            // What lay in escrow on the revision before stays there, and changes nothing any more.
            told.sealed = false;
        }
        match r.entry.kind {
            Records::Revision | Records::Act => {
                let act = verify_act(Unverified::parse(r.statement(0)?)?, &grants)?;
                verified = 1;
                let standings = self.standings(r.entry.time);
                let decided = each(&standings, |standing| decided(told, r, &act, (standing, &grants), &original))?;
                let mut steps = decided.into_iter();
                if let Some(first) = steps.next() {
                    if let Some(due) = told.due.pop_front() {
                        return Err(missing(&due));
                    }
                    is(r.entry, &first)?;
                }
                told.due = steps.collect();
            }
            Records::Opened | Records::Completed | Records::Purged => match told.due.pop_front() {
                Some(due) => is(r.entry, &due)?,
                // What lies in escrow may have made it due.
                None if told.sealed => {}
                None => return Err(refuse(msg!("nothing made {record} due", record = word(r.entry.kind)))),
            },
            Records::Lapsed | Records::Returned => {
                let due = |standing: &Standing| {
                    let due = told.life.due(standing, r.entry.time);
                    is(r.entry, &due.ok_or_else(|| refuse(msg!("neither time nor another charter made it due")))?)
                };
                each(&self.standings(r.entry.time), due)?;
            }
            Records::Published => {
                let signed = told.life.publish(r.entry.time)?.manifest.digest();
                same("entry.documents", signed, r.entry.documents.first().copied().unwrap_or(Digest::of(b"")))?;
            }
            Records::Rectified => {
                let manifest = Document::<Manifest>::parse(r.document(0)?.to_vec())?;
                let of = manifest.rectifies.as_ref().map(|rectifies| StreamId::Communique(rectifies.communique));
                if of.as_ref() != Some(&r.entry.stream) {
                    return Err(refuse(msg!("the manifest that it names does not rectify this communiqué")));
                }
            }
            _ => {}
        }
        told.life.apply(r)?;
        Ok(verified)
    }
    /// The charter in force at this log time; the one before too, if it was succeeded within that second: log time tells no more.
    fn standings(&self, time: Time) -> Vec<std::sync::Arc<Standing>> {
        let mut chain = self.charters.chain(time);
        let mut found: Vec<_> = chain.pop().into_iter().collect();
        if found.first().is_some_and(|last| last.since() == time) {
            found.extend(chain.pop());
        }
        found
    }

    /// Takes the earlier entries of a communiqué again, as they are shown now, and decides on each: what lay in escrow may be seen since.
    ///
    /// # Errors
    /// What is wrong, or does not come to what was seen then.
    pub fn load(&mut self, id: CommuniqueId, events: &[EventView]) -> Result<(), Finding> {
        let stream = StreamId::Communique(id);
        let Some(reached) = self.streams.get(&stream).copied() else { return Ok(()) };
        let otherwise = |index: u64, why: Message| {
            let words =
                msg!("the communiqué {id} is not shown as it was shown before: {why}", id = id.to_string(), why);
            finding(Kind::OutOfOrder, [index], words)
        };
        let (mut told, mut sealed, mut left) = (Told::default(), 0, 0);
        for event in events.iter().filter(|event| event.index <= reached.index) {
            let index = event.index;
            let logged = match &event.happening {
                Happening::Escrowed { .. } => {
                    (sealed, left) = (sealed + 1, left + 1);
                    continue;
                }
                Happening::Shown(logged) => logged,
            };
            let entry = json::parse::<Entry>(&logged.entry).map_err(|e| otherwise(index, why(&e)))?;
            named(&entry, &logged.objects).map_err(|e| otherwise(index, why(&e)))?;
            pass(&mut told, &mut sealed, entry.previous);
            let digest = Digest::of(&logged.entry);
            let r = Recorded { index, digest, entry: &entry, objects: &logged.objects };
            if entry.stream != stream {
                return Err(otherwise(
                    index,
                    msg!("entry {index} is of the stream {stream}", index, stream = entry.stream.to_string()),
                ));
            }
            self.communique(&mut told, r, self.original(r)).map_err(|e| {
                let words = against_rules(index, entry.kind, &e);
                let mut found = finding(Kind::AgainstRules, [index], words);
                found.entries.extend(self.grant_of(r));
                found
            })?;
        }
        pass(&mut told, &mut sealed, Some(reached.last));
        if told.life.position() != (Position { length: reached.length, last: Some(reached.last) }) {
            return Err(otherwise(reached.index, msg!("it had one entry" | "it had {n} entries", n = reached.length)));
        }
        self.lives.insert(id, told);
        let before = if left > 0 { self.sealed.insert(id, left) } else { self.sealed.remove(&id) };
        self.tally.statements += before.unwrap_or_default().saturating_sub(left);
        Ok(())
    }
}

/// What is rectified, if anything.
#[derive(Clone, Copy)]
enum Original<'a> {
    None,
    Known(&'a Life),
    Unseen,
}

/// What the domain decides on an act where all that it builds on was seen; of others, that it holds by itself.
fn decided(
    told: &Told,
    r: Recorded<'_>,
    act: &Statement<Act>,
    (standing, grants): (&Standing, &GrantsAt<'_>),
    original: &Original<'_>,
) -> Result<Vec<Step>, Refusal> {
    let known = match original {
        Original::Known(life) => Some(*life),
        Original::None | Original::Unseen => None,
    };
    let context = Context { standing, grants, original: known, now: r.entry.time };
    if told.sealed || matches!(original, Original::Unseen) {
        let body = act.body();
        standing.addressed(&body.exchange, body.founding)?;
        let grant = grants.grant(&body.party, &body.grant).ok_or(Refusal::UnknownGrant { grant: body.grant })?;
        grant.covering(body, standing)?;
        if let Some(newest) = told.life.newest().filter(|_| r.entry.kind == Records::Act) {
            life::members(&newest.manifest, body)?;
        }
        return Ok(vec![]);
    }
    match r.entry.kind {
        Records::Revision => told.life.propose(&Document::parse(r.document(0)?.to_vec())?, act, context),
        _ => told.life.act(act, context),
    }
}

/// What is right under any of these charters; else, why not under the first.
fn each<T>(
    standings: &[std::sync::Arc<Standing>],
    decide: impl Fn(&Standing) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut why = None;
    for standing in standings {
        match decide(standing) {
            Ok(decided) => return Ok(decided),
            Err(refusal) => why = why.or(Some(refusal)),
        }
    }
    Err(why.unwrap_or_else(no_charter))
}

/// The grants that the log held before the entry of this index.
struct GrantsAt<'a> {
    parties: &'a BTreeMap<PartyId, PartyRecord>,
    index: u64,
}

impl Grants for GrantsAt<'_> {
    fn grant(&self, party: &PartyId, digest: &Digest) -> Option<Grant<'_>> {
        let record = self.parties.get(party)?;
        let held = record.grants().get(digest).filter(|g| g.body.party == *party && g.place.index < self.index)?;
        let revoked = record.revocation(*digest).map(|r| r.place).filter(|place| place.index < self.index);
        Some(Grant { powers: &held.body, compact: &held.compact, revoked })
    }
}

/// Passes over what lies in escrow; the digest of the last of it is what comes after says.
fn pass(told: &mut Told, sealed: &mut u64, last: Option<Digest>) {
    for _ in 0..std::mem::take(sealed) {
        told.life.pass_sealed(last.unwrap_or(Digest::of(b"")));
        told.sealed = true;
    }
}

/// Demands that an entry records exactly this.
fn is(entry: &Entry, step: &Step) -> Result<(), Refusal> {
    if (entry.kind, &entry.documents, &entry.statements) == (step.kind, &step.documents, &step.statements) {
        Ok(())
    } else {
        Err(refuse(msg!("it is not the {record} that the rules ask for here", record = word(step.kind))))
    }
}

fn missing(due: &Step) -> Refusal {
    refuse(msg!("{record} should have followed the act before it", record = word(due.kind)))
}

fn no_charter() -> Refusal {
    refuse(msg!("no charter was in force"))
}

fn changed() -> Refusal {
    refuse(msg!("what was kept of the audit before was changed"))
}

fn refuse(what: Message) -> Refusal {
    Refusal::Inconsistent { what }
}

/// A refusal in an auditor's words: what an exchange says of its own records is not said here.
fn why(refusal: &Refusal) -> Message {
    match refusal {
        Refusal::Inconsistent { what } => what.message(),
        other => other.message(),
    }
}

fn against_rules(index: u64, kind: Records, refusal: &Refusal) -> Message {
    msg!("entry {index} ({kind}) is against the rules: {why}", index, kind = word(kind), why = why(refusal))
}

fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".into(), |d| d.to_string())
}

fn finding(kind: Kind, entries: impl IntoIterator<Item = u64>, words: Message) -> Finding {
    Finding { kind, words, entries: entries.into_iter().collect() }
}
