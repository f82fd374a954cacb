//! Evidence: what an exchange said at two moments and cannot both be true, in one file that anybody checks without network.
//!
//! What a file claims counts for nothing. It is judged by what lies in it: charters that follow from a pin, heads that the log's key
//! signed, entries that are proven under such heads.

#[cfg(test)]
pub(in crate::client) mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    client::reading::decided_again,
    domain::{
        act::Act,
        charter::Adoption,
        entry::{Entry, Kind as Records, StreamId},
        id::{Digest, ExchangeName, PartyId},
        json::{self, Form},
        key::PublicKey,
        message::Message,
        powers::{Powers, Revocation},
        refusal::Refusal,
        statement::{Body, Type, Unverified},
        succession::Standing,
        time::Time,
        trust::Trust,
    },
    log::{
        Fault,
        checkpoint::{self, Head, Log},
        proof::Proof,
        tree::{Hash, verify_consistency},
    },
    msg,
};

/// Largest file of evidence, in bytes: charters as many as an exchange takes, and two entries.
pub const EVIDENCE_LIMIT: usize = 128 << 20;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Two heads of one size with different roots.
    Forked,
    /// A head that the exchange does not show to continue an earlier one.
    Unjoined,
    /// A head that is smaller than one before it.
    Shrunk,
    /// A head that no log key of the charters has signed, or that cannot be read.
    Unsigned,
    /// Charters older than known, or others.
    CharterRolledBack,
    /// An answer without a proof.
    Unproven,
    /// A proof that does not prove what it should.
    WrongProof,
    /// Digests of entries that do not make the signed root.
    WrongRoot,
    /// An entry that is another than the log has at its index.
    OtherEntry,
    /// A document or statement that is another than its entry names.
    OtherObject,
    /// An entry that does not continue its stream, or the time.
    OutOfOrder,
    /// An entry that the rules do not allow, or whose statement does not verify.
    AgainstRules,
    /// An entry that the party must be shown and is not.
    Withheld,
    /// What is shown does not reach as far as what is proven.
    Frozen,
}

impl Kind {
    /// Its name, as files have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::Unjoined => "unjoined",
            Self::Shrunk => "shrunk",
            Self::Unsigned => "unsigned",
            Self::CharterRolledBack => "charter_rolled_back",
            Self::Unproven => "unproven",
            Self::WrongProof => "wrong_proof",
            Self::WrongRoot => "wrong_root",
            Self::OtherEntry => "other_entry",
            Self::OtherObject => "other_object",
            Self::OutOfOrder => "out_of_order",
            Self::AgainstRules => "against_rules",
            Self::Withheld => "withheld",
            Self::Frozen => "frozen",
        }
    }
}

/// A charter or adoption, as the log of charters records it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// The entry's index.
    pub index: u64,
    /// The entry.
    pub entry: String,
    /// The charter, or the adoption.
    pub object: String,
}

/// An entry, with what it names and the proof that it is in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The entry as it came: canonical bytes are UTF-8.
    pub entry: String,
    /// The documents, then the statements, that it names, as far as they matter here.
    pub objects: Vec<String>,
    /// The tlog-proof as it came; of what only explains another entry, there may be none.
    pub proof: Option<String>,
}

/// Which exchange it is, and how its log is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Background {
    /// The exchange's name.
    pub exchange: ExchangeName,
    /// The digest of charter 1.
    pub founding: Digest,
    /// Charters and adoptions, by which any of them can be the pin.
    pub succession: Vec<Logged>,
}

/// A file of evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    r#type: Type,
    /// What was found.
    pub kind: Kind,
    /// Which exchange.
    pub exchange: ExchangeName,
    /// The digest of its charter 1.
    pub founding: Digest,
    /// Whether it was made to convince somebody else. [`Evidence::judge`] finds that out itself.
    pub proves: bool,
    /// What was seen, in a sentence.
    pub observation: String,
    /// Charters and adoptions, in log order.
    pub succession: Vec<Logged>,
    /// Signed heads, as they came.
    pub heads: Vec<String>,
    /// The hashes that the exchange gave to join the two heads, in base64.
    pub consistency: Option<Vec<String>>,
    /// Entries.
    pub entries: Vec<Shown>,
}

impl Form for Evidence {
    const NAME: &'static str = "evidence";
    const LIMIT: usize = EVIDENCE_LIMIT;
    fn called() -> Message {
        msg!("form" => "evidence")
    }
    fn check(&self) -> Result<(), Refusal> {
        self.r#type.check::<Self>()
    }
}

/// How much a file shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// The exchange signed what cannot be true.
    Proven,
    /// The exchange must answer for it: if it is honest it can.
    Challenge,
    /// Nothing: what was seen is a witness's word.
    Nothing,
}

/// What a file of evidence comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// How much it shows.
    pub weight: Weight,
    /// Whether the charters in it follow from the pin that was given.
    pub pinned: bool,
    /// What was found, sentence by sentence.
    pub found: Vec<String>,
}

impl Evidence {
    /// An observation, without anything to show for it yet.
    #[must_use]
    pub fn new(kind: Kind, background: &Background, observation: impl Into<String>) -> Self {
        Self {
            r#type: Type::of::<Self>(),
            kind,
            exchange: background.exchange.clone(),
            founding: background.founding,
            proves: false,
            observation: observation.into(),
            succession: background.succession.clone(),
            heads: vec![],
            consistency: None,
            entries: vec![],
        }
    }
    /// With these heads.
    #[must_use]
    pub fn heads(mut self, heads: impl IntoIterator<Item = String>) -> Self {
        self.heads.extend(heads);
        self
    }
    /// With the hashes that should have joined the heads.
    #[must_use]
    pub fn joined_by(mut self, hashes: &[Hash]) -> Self {
        self.consistency = Some(hashes.iter().map(ToString::to_string).collect());
        self
    }
    /// With an entry.
    #[must_use]
    pub fn entry(mut self, entry: &[u8], objects: &[Vec<u8>], proof: Option<String>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.entries.push(Shown { entry: text(entry), objects: objects.iter().map(|o| text(o)).collect(), proof });
        self
    }
    /// Says of itself whether it proves: what is written is what [`Evidence::judge`] finds.
    #[must_use]
    pub fn weighed(mut self, now: Time) -> Self {
        self.proves = self.judge(None, now).weight == Weight::Proven;
        self
    }
    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::encode(self)
    }

    /// Judges a file by what lies in it. `now` only says which charters time alone has brought into force.
    #[must_use]
    pub fn judge(&self, pin: Option<Digest>, now: Time) -> Judgement {
        let mut found = Vec::new();
        let chain = match self.chain(now) {
            Ok(chain) => chain,
            Err(why) => {
                found.push(format!("The charters in it do not hold together, so it proves nothing: {why}."));
                return Judgement { weight: Weight::Nothing, pinned: false, found };
            }
        };
        let pinned = pin.is_some_and(|pin| chain.iter().any(|s| s.digest() == pin));
        if pin.is_some() && !pinned {
            found.push("Its charters are not those that you pin: it is of another exchange, or made up.".into());
            return Judgement { weight: Weight::Nothing, pinned, found };
        }
        let logs: Vec<Log> = logs(chain.iter().map(|s| &**s));
        let mut scale = Scale { weight: Weight::Nothing, found };
        let (heads, entries) = (self.signed_heads(&logs, &mut scale), self.proven(&logs, &mut scale));
        let all = || heads.iter().chain(entries.iter().map(|e| &e.head));
        for (n, one) in all().enumerate() {
            for other in all().skip(n + 1) {
                scale.heads(one, other);
            }
        }
        if let [one, other] = heads.as_slice() {
            scale.joined(one, other, self.consistency.as_deref());
        }
        for (n, one) in entries.iter().enumerate() {
            scale.alone(one, self, &chain);
            entries.iter().skip(n + 1).for_each(|other| scale.pair(one, other));
        }
        if scale.weight == Weight::Nothing {
            scale.found.push(
                "Nothing in it proves a lie of the exchange to anybody else: it tells what somebody says to have seen."
                    .into(),
            );
        }
        Judgement { weight: scale.weight, pinned, found: scale.found }
    }
    /// The charters, decided on again.
    fn chain(&self, now: Time) -> Result<Vec<Arc<Standing>>, Refusal> {
        let records = self.succession.iter().map(|l| (l.index, l.entry.as_bytes(), l.object.as_bytes())).collect();
        let (charters, newest) = decided_again(records, now)?;
        let chain = charters.chain(newest);
        match chain.first() {
            Some(first) if first.digest() == self.founding && *first.exchange() == self.exchange => Ok(chain),
            _ => Err(Refusal::disagrees("founding", self.founding, "other charters")),
        }
    }
    fn signed_heads(&self, logs: &[Log], scale: &mut Scale) -> Vec<Head> {
        let mut heads = Vec::new();
        for (n, note) in self.heads.iter().enumerate() {
            match checkpoint::Unverified::parse(note.as_bytes()).and_then(|head| signed(&head, logs)) {
                Ok(head) => heads.push(head),
                Err(fault) => scale.note(format!("Head {} in it does not count: {fault}.", n + 1)),
            }
        }
        heads
    }
    fn proven(&self, logs: &[Log], scale: &mut Scale) -> Vec<Proven<'_>> {
        let mut proven = Vec::new();
        for (n, shown) in self.entries.iter().enumerate() {
            let Some(proof) = &shown.proof else { continue };
            let digest = Digest::of(shown.entry.as_bytes());
            match Proof::parse(proof.as_bytes()).and_then(|proof| Ok((proof.index(), under(&proof, digest, logs)?))) {
                Ok((index, head)) => proven.push(Proven { index, digest, head, shown }),
                Err(fault) => scale.note(format!("The proof of entry {} in it does not count: {fault}.", n + 1)),
            }
        }
        proven
    }
}

/// The logs that charters name, the newest first. A head may be of before the newest charter came into force.
pub(in crate::client) fn logs<'a>(chain: impl DoubleEndedIterator<Item = &'a Standing>) -> Vec<Log> {
    chain.rev().filter_map(|standing| Log::of_charter(&standing.charter().log).ok()).collect()
}

/// The head, if one of these logs signed it.
///
/// # Errors
/// Why it is not the first one's.
pub(in crate::client) fn signed(head: &checkpoint::Unverified, logs: &[Log]) -> Result<Head, Fault> {
    first(logs, |log| head.clone().verify(log))
}

/// The head under which a proof shows that this digest is an entry's, if one of these logs signed it.
///
/// # Errors
/// Why it is not the first one's.
pub(in crate::client) fn under(proof: &Proof, digest: Digest, logs: &[Log]) -> Result<Head, Fault> {
    first(logs, |log| proof.verify(Hash::of_entry(digest), log))
}

fn first(logs: &[Log], verify: impl Fn(&Log) -> Result<Head, Fault>) -> Result<Head, Fault> {
    let mut why = Fault::Unsigned { origin: "this exchange".into() };
    for (n, log) in logs.iter().enumerate() {
        match verify(log) {
            Ok(head) => return Ok(head),
            // That another key than a log's has signed says less than what is wrong under its own.
            Err(fault) if n == 0 || !is_foreign(&fault) => why = fault,
            Err(_) => {}
        }
    }
    Err(why)
}

/// Whether a head may be good under another log.
pub(in crate::client) fn is_foreign(fault: &Fault) -> bool {
    matches!(fault, Fault::OtherLog { .. } | Fault::Unsigned { .. })
}

/// An entry that is in the log, as a signed head says.
struct Proven<'a> {
    index: u64,
    digest: Digest,
    head: Head,
    shown: &'a Shown,
}

/// What was found so far.
struct Scale {
    weight: Weight,
    found: Vec<String>,
}

impl Scale {
    fn note(&mut self, words: String) {
        self.found.push(words);
    }
    fn proves(&mut self, words: String) {
        self.weight = Weight::Proven;
        if !self.found.contains(&words) {
            self.found.push(words);
        }
    }
    fn asks(&mut self, words: String) {
        if self.weight == Weight::Nothing {
            self.weight = Weight::Challenge;
        }
        self.found.push(words);
    }
    fn heads(&mut self, one: &Head, other: &Head) {
        let (one, other) = (one.checkpoint(), other.checkpoint());
        if one.size() == other.size() && one.root() != other.root() {
            self.proves(format!(
                "The log's key signed two heads of {} entries with different roots, {} and {}: it showed two truths.",
                one.size(),
                one.root(),
                other.root()
            ));
        }
    }
    fn joined(&mut self, one: &Head, other: &Head, consistency: Option<&[String]>) {
        let (one, other) = (one.checkpoint(), other.checkpoint());
        let (old, new) = if one.size() <= other.size() { (one, other) } else { (other, one) };
        let hashes: Option<Vec<Hash>> = consistency.unwrap_or_default().iter().map(|hash| hash.parse().ok()).collect();
        let place = |c: &checkpoint::Checkpoint| (c.size(), c.root());
        let joins = hashes.is_some_and(|hashes| verify_consistency(place(old), place(new), &hashes).is_ok());
        if old.size() == new.size() {
            return;
        }
        if joins {
            return self.note(format!("The head of {} entries continues that of {}.", new.size(), old.size()));
        }
        self.asks(format!(
            "The log's key signed a head of {} entries and one of {}. Nothing in this file shows that the later continues the earlier. \
             An exchange that has not lied can show it at any time: let it (GetConsistencyProof {} {}).",
            old.size(),
            new.size(),
            old.size(),
            new.size()
        ));
    }
    fn pair(&mut self, one: &Proven<'_>, other: &Proven<'_>) {
        if one.index == other.index && one.digest != other.digest {
            return self.proves(format!(
                "Two different entries, {} and {}, are each proven to be entry {} of the log, under heads of {} and {} entries that \
                 its key signed.",
                one.digest,
                other.digest,
                one.index,
                one.head.checkpoint().size(),
                other.head.checkpoint().size()
            ));
        }
        let (Ok(a), Ok(b)) = (parsed(one.shown), parsed(other.shown)) else { return };
        let (before, after) =
            if one.index <= other.index { ((one, &a), (other, &b)) } else { ((other, &b), (one, &a)) };
        if before.1.time > after.1.time {
            self.proves(format!(
                "Entry {} is of {}, and entry {}, which stands before it, of {}: log time went back.",
                after.0.index, after.1.time, before.0.index, before.1.time
            ));
        }
        if a.stream != b.stream || one.digest == other.digest {
            return;
        }
        if a.seq == b.seq {
            self.proves(format!(
                "Entries {} and {} are both proven to be number {} of the stream {}.",
                one.index, other.index, a.seq, a.stream
            ));
        } else if (before.1.seq > after.1.seq)
            || (after.1.seq == before.1.seq + 1 && after.1.previous != Some(before.0.digest))
        {
            self.proves(format!(
                "Entry {} does not continue entry {} in the stream {}, as it claims to.",
                after.0.index, before.0.index, a.stream
            ));
        }
    }
    /// What is wrong with one entry by itself.
    fn alone(&mut self, proven: &Proven<'_>, evidence: &Evidence, chain: &[Arc<Standing>]) {
        let index = proven.index;
        let entry = match parsed(proven.shown) {
            Ok(entry) => entry,
            Err(why) => return self.proves(format!("Entry {index} of the log is none: {why}.")),
        };
        if !belongs(entry.kind, &entry.stream) {
            return self.proves(format!(
                "Entry {index}, which records {}, stands in the stream {}, where it cannot.",
                word(entry.kind),
                entry.stream
            ));
        }
        let Some(compact) = statement(&entry, &proven.shown.objects) else { return };
        match entry.kind {
            Records::Act | Records::Revision => {
                let act = match Unverified::<Act>::parse(compact) {
                    Ok(act) => act,
                    Err(why) => return self.proves(format!("What entry {index} records is no act: {why}.")),
                };
                let grant = act.claims().grant;
                let objects = evidence.entries.iter().flat_map(|shown| &shown.objects);
                let mut powers = objects.filter(|o| Digest::of(o.as_bytes()) == grant);
                let Some(powers) = powers.find_map(|o| Unverified::<Powers>::parse(o).ok()) else { return };
                let party = act.claims().party.clone();
                if act.verify(&powers.claims().key).is_err() {
                    self.proves(format!(
                        "The act of {party} that entry {index} records is not signed by the key of the full powers that it names."
                    ));
                }
            }
            Records::Trust => self.authority::<Trust>(index, compact, chain, |b| &b.party),
            Records::Powers => self.authority::<Powers>(index, compact, chain, |b| &b.party),
            Records::Revocation => self.authority::<Revocation>(index, compact, chain, |b| &b.party),
            Records::Adoption => self.authority::<Adoption>(index, compact, chain, |b| &b.party),
            _ => {}
        }
    }
    fn authority<B: Body>(&mut self, index: u64, compact: &str, chain: &[Arc<Standing>], of: fn(&B) -> &PartyId) {
        let statement = match Unverified::<B>::parse(compact) {
            Ok(statement) => statement,
            Err(why) => return self.proves(format!("What entry {index} records is no statement of its kind: {why}.")),
        };
        let party = of(statement.claims());
        let keys: Vec<PublicKey> =
            chain.iter().flat_map(|s| &s.charter().parties).filter(|p| p.id == *party).map(|p| p.authority).collect();
        if !keys.iter().any(|key| Unverified::<B>::parse(compact).is_ok_and(|s| s.verify(key).is_ok())) {
            // A later charter, which the file leaves out, might name another key.
            self.asks(format!(
                "The {} of {party} that entry {index} records is signed by no key that these charters give {party}. An exchange that has \
                 not lied can show the charter that does: let it.",
                B::NAME
            ));
        }
    }
}

fn parsed(shown: &Shown) -> Result<Entry, Refusal> {
    json::parse(shown.entry.as_bytes())
}

/// The first statement that an entry names, if these objects hold it.
fn statement<'a>(entry: &Entry, objects: &'a [String]) -> Option<&'a str> {
    let named = entry.statements.first()?;
    objects.iter().map(String::as_str).find(|object| Digest::of(object.as_bytes()) == *named)
}

/// Whether entries of this kind stand in such a stream.
pub(in crate::client) fn belongs(kind: Records, stream: &StreamId) -> bool {
    match stream {
        StreamId::Exchange => matches!(kind, Records::Charter | Records::Adoption),
        StreamId::Party(_) => matches!(kind, Records::Trust | Records::Powers | Records::Revocation),
        StreamId::Remarks(_) => kind == Records::Remark,
        StreamId::Communique(_) => !matches!(
            kind,
            Records::Charter
                | Records::Adoption
                | Records::Trust
                | Records::Powers
                | Records::Revocation
                | Records::Remark
        ),
    }
}

/// A kind of entry, as it is written.
pub(in crate::client) fn word(kind: Records) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
