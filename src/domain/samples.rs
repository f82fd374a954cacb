//! A small world for tests: sample parties with keys and grants, a communiqué, and a log in memory that only takes what was
//! decided.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    act::{Act, ActKind, Declaration},
    charter::{Adoption, Charter, Der, LogKey, Party, Succession},
    document::Document,
    entry::{Entry, Kind, Position, Recorded, Step, StreamId},
    id::{CommuniqueId, Digest, HolderId, PartyId, Salt},
    json,
    key::{PublicKey, SUITE, SecretKey, Signer as _},
    life::{Context, Life, State},
    manifest::{Initialling, LegalEffect, Manifest, Procedure, Status, Text},
    powers::{Holder, Powers, Revocation},
    refusal::Refusal,
    register::{PartyRecord, verify_act},
    statement::{Statement, Type, Unverified},
    succession::{Charters, Standing},
    text::{Direction, RULES},
    time::Time,
    trust::Trust,
    words::{Line, Names, Prose},
};

/// When the samples happen.
pub fn noon() -> Time {
    Time::parse("2026-03-02T12:00:00Z").unwrap()
}

pub fn party(id: &str) -> PartyId {
    PartyId::parse(id).unwrap()
}

pub fn names(words: &str) -> Names {
    Names::new([("fr".parse().unwrap(), Line::new(words).unwrap())]).unwrap()
}

/// A key that depends on its name alone.
pub fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(Digest::of(name.as_bytes()).as_bytes())
}

pub fn public(name: &str) -> PublicKey {
    key(name).public()
}

/// A charter of these parties, each with this quorum.
pub fn charter(parties: &[(&str, u64)]) -> Charter {
    let mut parties: Vec<_> = parties
        .iter()
        .map(|(id, quorum)| Party {
            id: party(id),
            names: names(&format!("Échantillon {id}")),
            trust_domain: format!("{id}.example").parse().unwrap(),
            authority: public(&format!("authority of {id}")),
            quorum: *quorum,
            witness: Some(public(&format!("witness of {id}"))),
        })
        .collect();
    parties.sort_by(|a, b| a.id.cmp(&b.id));
    Charter {
        r#type: Type::of::<Charter>(),
        exchange: "exchange.example".parse().unwrap(),
        version: 1,
        previous: None,
        succession: Succession::Unanimous,
        adopt_by: None,
        parties,
        witnesses: 2,
        log: LogKey { origin: Line::new("exchange.example/log").unwrap(), key: public("log") },
        depositary: public("depositary"),
        server_ca: Der::new(vec![0x30, 0]).unwrap(),
        suites: vec![SUITE.into()],
    }
}

/// An entry of the log in memory, with the bytes of what it names.
#[derive(Clone)]
pub struct Logged {
    pub index: u64,
    pub digest: Digest,
    pub entry: Entry,
    pub objects: Vec<Vec<u8>>,
}

impl Logged {
    pub fn recorded(&self) -> Recorded<'_> {
        Recorded { index: self.index, digest: self.digest, entry: &self.entry, objects: &self.objects }
    }
}

/// A log in memory over one communiqué.
#[derive(Clone)]
pub struct World {
    /// Charter 1; [`World::standing`] is the one in force.
    pub charter: Document<Charter>,
    pub charters: Charters,
    pub records: BTreeMap<PartyId, PartyRecord>,
    pub life: Life,
    /// What the communiqué rectifies.
    pub original: Option<Life>,
    pub now: Time,
    pub id: CommuniqueId,
    /// All that was logged.
    pub log: Vec<Logged>,
    salt: u8,
}

impl World {
    /// Parties with quorums; each party has the holders `a`-`d` with the key `<party>.<holder>` and powers for every act.
    pub fn new(parties: &[(&str, u64)]) -> Self {
        Self::under(parties, Succession::Unanimous)
    }
    /// As [`World::new`], under this rule of succession.
    pub fn under(parties: &[(&str, u64)], succession: Succession) -> Self {
        Self::changed(parties, |charter| charter.succession = succession)
    }
    /// As [`World::new`], under a charter that was changed before anybody adopted it.
    pub fn changed(parties: &[(&str, u64)], change: impl FnOnce(&mut Charter)) -> Self {
        let mut first = charter(parties);
        change(&mut first);
        let charter = Document::of(&first).unwrap();
        let id = CommuniqueId::new(1_772_452_800_000, &[1; 10]);
        let mut world = Self {
            charter,
            charters: Charters::default(),
            records: BTreeMap::new(),
            life: Life::default(),
            original: None,
            now: noon(),
            id,
            log: Vec::new(),
            salt: 0,
        };
        let first = Step { kind: Kind::Charter, documents: vec![world.charter.digest()], statements: vec![] };
        world.record_charters(vec![first], vec![world.charter.bytes().to_vec()]);
        for (id, _) in parties {
            let signed = world.adoption(&world.charter, id, &format!("authority of {id}"));
            let step = Step { kind: Kind::Adoption, documents: vec![], statements: vec![signed.digest()] };
            world.record_charters(vec![step], vec![signed.compact().into()]);
        }
        for (id, _) in parties {
            for holder in ["a1", "b1", "c1", "d1"] {
                world.grant(world.powers(id, holder)).unwrap();
            }
        }
        world
    }
    pub fn founding(&self) -> Digest {
        self.charter.digest()
    }
    /// The charter in force now.
    pub fn standing(&self) -> Arc<Standing> {
        self.charters.in_force(self.now).unwrap()
    }
    /// An adoption of this charter by a party, signed with this key.
    pub fn adoption(&self, charter: &Document<Charter>, of: &str, with: &str) -> Statement<Adoption> {
        let adoption = Adoption {
            founding: self.founding(),
            exchange: charter.exchange.clone(),
            party: party(of),
            charter: charter.digest(),
            version: charter.version,
            time: self.now,
        };
        Statement::sign(adoption, &key(with)).unwrap()
    }
    /// The charter in force, changed, as its own successor that is to be adopted within an hour.
    pub fn successor(&self, change: impl FnOnce(&mut Charter)) -> Document<Charter> {
        let standing = self.standing();
        let mut next = Charter::clone(standing.charter());
        next.version += 1;
        next.previous = Some(standing.digest());
        next.adopt_by = Some(self.now.plus(3600));
        change(&mut next);
        Document::of(&next).unwrap()
    }
    /// Puts forward a charter with this party's adoption.
    pub fn propose_charter(&mut self, charter: &Document<Charter>, of: &str, with: &str) -> Result<(), Refusal> {
        let adoption = self.adoption(charter, of, with);
        let taken = |key: &PublicKey| self.records.values().any(|r| r.holds_key(key));
        let (verified, steps) =
            self.charters.propose(charter, Unverified::parse(adoption.compact())?, taken, self.now)?;
        self.record_charters(steps, vec![charter.bytes().to_vec(), verified.compact().into()]);
        Ok(())
    }
    /// Adopts a charter that was put forward.
    pub fn adopt(&mut self, charter: &Document<Charter>, of: &str, with: &str) -> Result<(), Refusal> {
        let adoption = self.adoption(charter, of, with);
        let (verified, step) = self.charters.adopt(Unverified::parse(adoption.compact())?, self.now)?;
        self.record_charters(vec![step], vec![verified.compact().into()]);
        Ok(())
    }
    /// Logs what was decided on charters.
    pub fn record_charters(&mut self, steps: Vec<Step>, objects: Vec<Vec<u8>>) {
        let mut objects = objects.into_iter();
        for step in steps {
            let (entry, digest) = self.entry(StreamId::Exchange, self.charters.position(), step);
            let named: Vec<_> = objects.next().into_iter().collect();
            let logged = self.keep(digest, entry, &named);
            self.charters.apply(logged.recorded()).unwrap();
        }
    }
    /// Revokes a grant.
    pub fn revoke(&mut self, of: &str, grant: Digest) -> Result<(), Refusal> {
        self.submit_revocation(&Statement::sign(self.revocation(of, grant), &key(&self.authority(of)))?)
    }
    /// The end of a grant.
    pub fn revocation(&self, of: &str, grant: Digest) -> Revocation {
        Revocation {
            founding: self.founding(),
            exchange: self.charter.exchange.clone(),
            party: party(of),
            grant,
            reason: Prose::new("Fin de mission (exemple).").unwrap(),
            time: self.now,
        }
    }
    /// Submits a revocation.
    pub fn submit_revocation(&mut self, signed: &Statement<Revocation>) -> Result<(), Refusal> {
        let of = signed.body().party.clone();
        let record = self.records.get(&of).cloned().unwrap_or_default();
        let (verified, step) = record.revoke(Unverified::parse(signed.compact())?, &self.standing())?;
        self.record_party(&of, step, verified.compact())
    }
    fn record_party(&mut self, of: &PartyId, step: Step, compact: &str) -> Result<(), Refusal> {
        let position = self.records.get(of).map(PartyRecord::position).unwrap_or_default();
        let (entry, digest) = self.entry(StreamId::Party(of.clone()), position, step);
        let logged = self.keep(digest, entry, &[compact.as_bytes().to_vec()]);
        self.records.entry(of.clone()).or_default().apply(logged.recorded())
    }
    /// Submits a trust statement of this serial, signed with this key.
    pub fn trust(&mut self, of: &str, serial: u64, with: &str) -> Result<(), Refusal> {
        let body = Trust {
            founding: self.founding(),
            exchange: self.charter.exchange.clone(),
            party: party(of),
            serial,
            certificates: vec![Der::new(vec![0x30, 0]).unwrap()],
            revoked: vec![],
            time: self.now,
        };
        let signed = Statement::sign(body, &key(with))?;
        let record = self.records.get(&party(of)).cloned().unwrap_or_default();
        let (verified, step) = record.trust(Unverified::parse(signed.compact())?, &self.standing())?;
        self.record_party(&party(of), step, verified.compact())
    }
    /// The name of the key that is the party's authority now: `authority of <party>`, or that with a number from 2 on.
    pub fn authority(&self, of: &str) -> String {
        let first = format!("authority of {of}");
        let standing = self.standing();
        let Ok(listed) = standing.party(&party(of)) else { return first };
        let later = (2..9).map(|n| format!("{first} {n}"));
        [first.clone()].into_iter().chain(later).find(|name| public(name) == listed.authority).unwrap_or(first)
    }
    /// Logs what has become due of the communiqué.
    pub fn settle(&mut self) {
        if let Some(step) = self.life.due(&self.standing(), self.now) {
            self.log(vec![step], &[]);
        }
    }
    pub fn powers(&self, of: &str, holder: &str) -> Powers {
        Powers {
            founding: self.founding(),
            exchange: self.charter.exchange.clone(),
            party: party(of),
            holder: Holder {
                id: HolderId::parse(holder).unwrap(),
                names: names("Personne Exemple"),
                titles: names("Ministre (exemple)"),
            },
            key: public(&format!("{of}.{holder}")),
            acts: ActKind::ALL.to_vec(),
            scope: None,
            not_before: noon().plus(-86_400),
            not_after: noon().plus(86_400),
        }
    }
    /// Logs full powers.
    pub fn grant(&mut self, powers: Powers) -> Result<Digest, Refusal> {
        let of = powers.party.clone();
        let signed = Statement::sign(powers, &key(&self.authority(of.as_str())))?;
        let others = self.records.iter().filter(|(id, _)| **id != of).map(|(_, r)| r);
        let record = self.records.get(&of).cloned().unwrap_or_default();
        let unverified = Unverified::parse(signed.compact())?;
        let (verified, step) = record.grant(unverified, &self.charters, &self.standing(), others)?;
        self.record_party(&of, step, verified.compact())?;
        Ok(verified.digest())
    }
    pub fn grant_of(&self, of: &str, holder: &str) -> Digest {
        let grants = self.records[&party(of)].grants();
        *grants.iter().find(|(_, g)| g.body.holder.id.as_str() == holder).map(|(digest, _)| digest).unwrap()
    }
    /// The next revision's manifest: revision 1 of all parties, or the one after the newest.
    pub fn manifest(&self) -> Manifest {
        let newest = self.life.newest().map(|r| &r.manifest);
        let text = b"Texte d'essai.\n";
        Manifest {
            r#type: Type::of::<Manifest>(),
            salt: Salt::new([7; 32]),
            founding: self.founding(),
            exchange: self.charter.exchange.clone(),
            charter: self.standing().digest(),
            communique: self.id,
            revision: newest.map_or(1, |m| m.revision + 1),
            previous: newest.map(Document::digest),
            proposer: newest.map_or_else(|| self.charter.parties[0].id.clone(), |m| m.proposer.clone()),
            rules: RULES.into(),
            titles: names("Communiqué conjoint (exemple)"),
            parties: newest.map_or_else(|| self.standing().party_ids(), |m| m.parties.clone()),
            texts: vec![Text {
                lang: "fr".parse().unwrap(),
                dir: Direction::Ltr,
                status: Status::Authentic,
                size: text.len() as u64,
                sha256: Digest::of(text),
            }],
            annexes: vec![],
            meeting: None,
            legal_effect: LegalEffect::Political,
            procedure: Procedure { initialling: Initialling::Required, deadline: None, embargo: None },
            rectifies: newest.and_then(|m| m.rectifies),
        }
    }
    /// An act on the newest revision (or on this manifest), as this holder would make it now.
    pub fn act_on(&self, kind: ActKind, of: &str, holder: &str, manifest: &Document<Manifest>) -> Act {
        let opened = self.life.newest().and_then(|r| r.opened).map(|o| o.entry);
        let withdraws = kind == ActKind::Withdraw && self.life.state() == State::Open;
        let ad_referendum = self.life.newest().and_then(|r| {
            let mut signed =
                r.acts.iter().filter(|a| a.act.act == ActKind::SignAdReferendum && a.act.party == party(of));
            signed.next().map(|a| a.digest)
        });
        let texts = || BTreeMap::from([("fr".parse().unwrap(), Prose::new("Nous entendons l’alinéa ainsi.").unwrap())]);
        Act {
            act: kind,
            founding: self.founding(),
            exchange: self.charter.exchange.clone(),
            party: party(of),
            charter: self.standing().digest(),
            communique: self.id,
            revision: manifest.revision,
            manifest: manifest.digest(),
            opening: (withdraws || kind.needs_opening()).then(|| opened.unwrap_or(Digest::of(b"no opening"))),
            grant: self.grant_of(of, holder),
            time: self.now,
            place: None,
            reason: matches!(kind, ActKind::Decline | ActKind::Object)
                .then(|| Prose::new("Le deuxième alinéa.").unwrap()),
            declaration: (kind == ActKind::Declare).then(|| Declaration::Texts(texts())),
            confirms: (kind == ActKind::Confirm).then(|| ad_referendum.unwrap_or(Digest::of(b"no signature"))),
        }
    }
    pub fn act(&self, kind: ActKind, of: &str, holder: &str) -> Act {
        self.act_on(kind, of, holder, &self.life.newest().unwrap().manifest)
    }
    fn signer(&self, act: &Act) -> SecretKey {
        let holder = self.records[&act.party].grants().get(&act.grant).map(|g| g.body.holder.id.to_string());
        key(&format!("{}.{}", act.party, holder.unwrap_or_else(|| "a1".into())))
    }
    /// Proposes a manifest.
    pub fn propose_as(&mut self, manifest: Manifest, act: impl FnOnce(Act) -> Act) -> Result<(), Refusal> {
        let manifest = Document::of(&manifest)?;
        let of = manifest.proposer.to_string();
        let act = act(self.act_on(ActKind::Propose, &of, "a1", &manifest));
        let signed =
            verify_act(Unverified::parse(Statement::sign(act.clone(), &self.signer(&act))?.compact())?, &self.records)?;
        let standing = self.standing();
        let context =
            Context { standing: &standing, grants: &self.records, original: self.original.as_ref(), now: self.now };
        let steps = self.life.propose(&manifest, &signed, context)?;
        self.log(steps, &[manifest.bytes().to_vec(), signed.compact().into()]);
        Ok(())
    }
    /// Proposes the next revision.
    pub fn propose(&mut self) -> Result<(), Refusal> {
        self.propose_as(self.manifest(), |act| act)
    }
    /// What waits for this party.
    pub fn awaited(&self, of: &str) -> Vec<ActKind> {
        let standing = self.standing();
        let context = Context { standing: &standing, grants: &self.records, original: None, now: self.now };
        self.life.awaited(&party(of), context)
    }
    /// What an act would log.
    pub fn judge(&self, act: &Statement<Act>) -> Result<Vec<Step>, Refusal> {
        let standing = self.standing();
        self.life.act(act, Context { standing: &standing, grants: &self.records, original: None, now: self.now })
    }
    /// Signs and submits an act.
    pub fn submit(&mut self, act: Act) -> Result<usize, Refusal> {
        let signed =
            verify_act(Unverified::parse(Statement::sign(act.clone(), &self.signer(&act))?.compact())?, &self.records)?;
        let steps = self.judge(&signed)?;
        let count = steps.len();
        self.log(steps, &[signed.compact().into()]);
        Ok(count)
    }
    pub fn publish(&mut self) -> Result<(), Refusal> {
        let manifest = self.life.publish(self.now)?.manifest.digest();
        let step = Step { kind: Kind::Published, documents: vec![manifest], statements: vec![] };
        self.log(vec![step], &[]);
        Ok(())
    }
    /// Logs what was decided on the communiqué.
    pub fn log(&mut self, steps: Vec<Step>, objects: &[Vec<u8>]) {
        for step in steps {
            let (entry, digest) = self.entry(StreamId::Communique(self.id), self.life.position(), step);
            let logged = self.keep(digest, entry, objects);
            self.life.apply(logged.recorded()).unwrap();
        }
    }
    fn entry(&mut self, stream: StreamId, position: Position, step: Step) -> (Entry, Digest) {
        self.salt = self.salt.wrapping_add(1);
        let files = (step.kind == Kind::Published).then(Vec::new);
        let entry = Entry {
            kind: step.kind,
            time: self.now,
            stream,
            seq: position.length,
            previous: position.last,
            salt: Salt::new([self.salt; 32]),
            documents: step.documents,
            statements: step.statements,
            files,
        };
        let digest = Digest::of(&json::encode(&entry));
        (entry, digest)
    }
    fn keep(&mut self, digest: Digest, entry: Entry, objects: &[Vec<u8>]) -> Logged {
        let logged = Logged { index: self.log.len() as u64, digest, entry, objects: objects.to_vec() };
        self.log.push(logged.clone());
        logged
    }
    /// What the log says, read from its first entry.
    pub fn replayed(&self) -> (Life, Charters, BTreeMap<PartyId, PartyRecord>) {
        let (mut life, mut charters, mut records) = (Life::default(), Charters::default(), BTreeMap::new());
        for logged in &self.log {
            match &logged.entry.stream {
                StreamId::Exchange => charters.apply(logged.recorded()),
                StreamId::Party(id) => {
                    records.entry(id.clone()).or_insert_with(PartyRecord::default).apply(logged.recorded())
                }
                StreamId::Communique(_) => life.apply(logged.recorded()),
                // Nothing folds what is said beside the acts.
                StreamId::Remarks(_) => Ok(()),
            }
            .unwrap();
        }
        (life, charters, records)
    }
    /// Initials by every party: the revision opens.
    pub fn open(&mut self) {
        for id in self.life.parties().to_vec() {
            self.submit(self.act(ActKind::Initial, id.as_str(), "a1")).unwrap();
        }
    }
    /// Signatures by every party's quorum.
    pub fn sign_all(&mut self) {
        let standing = self.standing();
        for p in standing.parties().filter(|p| self.life.parties().contains(&p.id)).cloned().collect::<Vec<_>>() {
            for holder in ["a1", "b1", "c1", "d1"].iter().take(usize::try_from(p.quorum).unwrap()) {
                self.submit(self.act(ActKind::Sign, p.id.as_str(), holder)).unwrap();
            }
        }
    }
}
