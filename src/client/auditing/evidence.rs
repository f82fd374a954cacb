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
        message::{Fact, Message, Tell},
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

/// What such a lie is, in words.
impl Tell for Kind {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Forked => msg!("two different logs of one size"),
            Self::Unjoined => msg!("a log that was not shown to continue the one before"),
            Self::Shrunk => msg!("a log that is smaller than the one before"),
            Self::Unsigned => msg!("a head of the log that does not count"),
            Self::CharterRolledBack => msg!("charters that are older than those before, or others"),
            Self::Unproven => msg!("an answer without a proof"),
            Self::WrongProof => msg!("a proof that proves something else"),
            Self::WrongRoot => msg!("digests that do not make the signed root"),
            Self::OtherEntry => msg!("another entry than the one in the log"),
            Self::OtherObject => msg!("another document or statement than the entry names"),
            Self::OutOfOrder => msg!("an entry that does not continue what was before it"),
            Self::AgainstRules => msg!("an entry that the rules do not allow"),
            Self::Withheld => msg!("an entry that is not shown and should be"),
            Self::Frozen => msg!("a head of the log that stands still"),
        };
        message.into()
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
    /// What was seen, in an English sentence.
    pub observation: String,
    /// The same, to be said in any language; only by who saw it.
    #[serde(skip)]
    seen: Option<Message>,
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
    pub found: Vec<Message>,
}

impl Evidence {
    /// An observation, without anything to show for it yet.
    #[must_use]
    pub fn new(kind: Kind, background: &Background, observation: impl Tell) -> Self {
        let seen = observation.message();
        Self {
            r#type: Type::of::<Self>(),
            kind,
            exchange: background.exchange.clone(),
            founding: background.founding,
            proves: false,
            observation: seen.to_string(),
            seen: Some(seen),
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
    /// What was seen. Of a file that was read: of which kind that is, and the sentence as it stands there.
    #[must_use]
    pub fn observed(&self) -> Message {
        let from_file = || msg!("{kind} (“{observation}”)", kind = self.kind, observation = self.observation);
        self.seen.clone().unwrap_or_else(from_file)
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
                found.push(msg!("The charters in it do not hold together, so it proves nothing: {why}.", why));
                return Judgement { weight: Weight::Nothing, pinned: false, found };
            }
        };
        let pinned = pin.is_some_and(|pin| chain.iter().any(|s| s.digest() == pin));
        if pin.is_some() && !pinned {
            found.push(msg!("Its charters are not those that you pin: it is of another exchange, or made up."));
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
            scale.found.push(msg!(
                "Nothing in it proves a lie of the exchange to anybody else: it tells what somebody says to have seen."
            ));
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
            _ => Err(Refusal::disagrees("founding", self.founding, msg!("other charters"))),
        }
    }
    fn signed_heads(&self, logs: &[Log], scale: &mut Scale) -> Vec<Head> {
        let mut heads = Vec::new();
        for (n, note) in self.heads.iter().enumerate() {
            match checkpoint::Unverified::parse(note.as_bytes()).and_then(|head| signed(&head, logs)) {
                Ok(head) => heads.push(head),
                Err(fault) => scale.note(msg!("Head {number} in it does not count: {fault}.", number = n + 1, fault)),
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
                Err(fault) => scale.note(msg!(
                    "The proof of entry {number} in it does not count: {fault}.",
                    number = n + 1,
                    fault
                )),
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
    found: Vec<Message>,
}

impl Scale {
    fn note(&mut self, words: Message) {
        self.found.push(words);
    }
    fn proves(&mut self, words: Message) {
        self.weight = Weight::Proven;
        if !self.found.contains(&words) {
            self.found.push(words);
        }
    }
    fn asks(&mut self, words: Message) {
        if self.weight == Weight::Nothing {
            self.weight = Weight::Challenge;
        }
        self.found.push(words);
    }
    fn heads(&mut self, one: &Head, other: &Head) {
        let (one, other) = (one.checkpoint(), other.checkpoint());
        if one.size() == other.size() && one.root() != other.root() {
            self.proves(msg!(
                "The log's key signed two heads of {size} entries with different roots, {root} and {other}: it showed two truths.",
                size = one.size(),
                root = one.root(),
                other = other.root()
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
            return self.note(msg!(
                "The head of {new} entries continues that of {old}.",
                new = new.size(),
                old = old.size()
            ));
        }
        self.asks(msg!(
            "The log's key signed a head of {old} entries and one of {new}. Nothing in this file shows that the later continues the earlier. An exchange that has not lied can show it at any time: let it ({call}).",
            old = old.size(),
            new = new.size(),
            call = format!("GetConsistencyProof {} {}", old.size(), new.size())
        ));
    }
    fn pair(&mut self, one: &Proven<'_>, other: &Proven<'_>) {
        if one.index == other.index && one.digest != other.digest {
            return self.proves(msg!(
                "Two different entries, {entry} and {other}, are each proven to be entry {index} of the log, under heads of {size} and {other_size} entries that its key signed.",
                entry = one.digest,
                other = other.digest,
                index = one.index,
                size = one.head.checkpoint().size(),
                other_size = other.head.checkpoint().size()
            ));
        }
        let (Ok(a), Ok(b)) = (parsed(one.shown), parsed(other.shown)) else { return };
        let (before, after) =
            if one.index <= other.index { ((one, &a), (other, &b)) } else { ((other, &b), (one, &a)) };
        if before.1.time > after.1.time {
            self.proves(msg!(
                "Entry {index} is of {time}, and entry {before}, which stands before it, of {time_before}: log time went back.",
                index = after.0.index,
                time = after.1.time,
                before = before.0.index,
                time_before = before.1.time
            ));
        }
        if a.stream != b.stream || one.digest == other.digest {
            return;
        }
        if a.seq == b.seq {
            self.proves(msg!(
                "Entries {one} and {other} are both proven to be number {number} of the stream {stream}.",
                one = one.index,
                other = other.index,
                number = a.seq,
                stream = a.stream.to_string()
            ));
        } else if (before.1.seq > after.1.seq)
            || (after.1.seq == before.1.seq + 1 && after.1.previous != Some(before.0.digest))
        {
            self.proves(msg!(
                "Entry {index} does not continue entry {before} in the stream {stream}, as it claims to.",
                index = after.0.index,
                before = before.0.index,
                stream = a.stream.to_string()
            ));
        }
    }
    /// What is wrong with one entry by itself.
    fn alone(&mut self, proven: &Proven<'_>, evidence: &Evidence, chain: &[Arc<Standing>]) {
        let index = proven.index;
        let entry = match parsed(proven.shown) {
            Ok(entry) => entry,
            Err(why) => return self.proves(msg!("Entry {index} of the log is none: {why}.", index, why)),
        };
        if !belongs(entry.kind, &entry.stream) {
            return self.proves(msg!(
                "Entry {index}, which records {kind}, stands in the stream {stream}, where it cannot.",
                index,
                kind = word(entry.kind),
                stream = entry.stream.to_string()
            ));
        }
        let Some(compact) = statement(&entry, &proven.shown.objects) else { return };
        match entry.kind {
            Records::Act | Records::Revision => {
                let act = match Unverified::<Act>::parse(compact) {
                    Ok(act) => act,
                    Err(why) => return self.proves(msg!("What entry {index} records is no act: {why}.", index, why)),
                };
                let grant = act.claims().grant;
                let objects = evidence.entries.iter().flat_map(|shown| &shown.objects);
                let mut powers = objects.filter(|o| Digest::of(o.as_bytes()) == grant);
                let Some(powers) = powers.find_map(|o| Unverified::<Powers>::parse(o).ok()) else { return };
                let party = act.claims().party.clone();
                if act.verify(&powers.claims().key).is_err() {
                    self.proves(msg!(
                        "The act of {party} that entry {index} records is not signed by the key of the full powers that it names.",
                        party = party.to_string(),
                        index
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
            Err(why) => {
                return self.proves(msg!("What entry {index} records is no statement of its kind: {why}.", index, why));
            }
        };
        let party = of(statement.claims());
        let keys: Vec<PublicKey> =
            chain.iter().flat_map(|s| &s.charter().parties).filter(|p| p.id == *party).map(|p| p.authority).collect();
        if !keys.iter().any(|key| Unverified::<B>::parse(compact).is_ok_and(|s| s.verify(key).is_ok())) {
            // A later charter, which the file leaves out, might name another key.
            self.asks(msg!(
                "The statement of {party} that entry {index} records ({kind}) is signed by no key that these charters give {party}. An exchange that has not lied can show the charter that does: let it.",
                party = party.to_string(),
                index,
                kind = B::NAME
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
