//! Everything read again and held against everything else: what an operator asks before trusting a log, and of every copy of one.
//!
//! All of it goes by the ports, so that every backend has it, and nothing is written. It may run beside an exchange that serves: the log is
//! looked at as far as it had come when the look began, and what grows meanwhile is asked again before it is called wrong. Where a
//! port says no more than that it cannot read, what is asked for is halved until the one thing is found that cannot be read.
//!
//! The log is read in its own order, then by its streams, one after the other, each with what it needs; then content. What is held meanwhile
//! is bounded by one stream, and by the faults that are listed.

mod away;
mod communiques;
mod content;
mod entries;
mod streams;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

use content::Spoilt;
use streams::Sum;

pub use away::unless_away;

use super::ports::{Content, Cosignature, ReadFailed, Store};
use crate::{
    domain::{
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest, ExchangeName, PartyId},
        succession::{Charters, Standing},
        text,
        time::Time,
    },
    log::{
        checkpoint::{Checkpoint, Log, Origin, Unverified},
        cosignature::Cosigner,
        note::SignatureLine,
        tree::{Edge, Hash},
    },
    observe::Metrics,
    package::verify::Verifier,
};

/// Faults that are listed. Of a log with more the check of entries ends there: it is to be restored, and not to be mended row by row.
pub const FOUND_LIMIT: usize = 1000;
/// Those that need a piece of content, as far as they are named with it.
pub const NEEDS_LIMIT: usize = 8;
/// Entries that are read at a time.
const BATCH: u64 = 64;
/// What a row costs at least, in bytes: a page is read for it, and it is parsed and hashed.
const ROW: u64 = 4096;
/// Calls a second beside which it is read more slowly.
const MANY_CALLS: u64 = 20;
/// How many times more slowly.
const HELD_BACK: u64 = 8;
/// How much of the time in which nothing was read may be made good.
const CREDIT: Duration = Duration::from_secs(1);
/// Rows of lists that are read at a time.
const ROWS: usize = 256;

/// Where a fault is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum At {
    /// An entry of the log.
    Entry {
        /// Its place in the log.
        index: u64,
        /// Its stream, if that can be told.
        stream: Option<StreamId>,
        /// Its kind, if that can be told.
        kind: Option<Kind>,
    },
    /// A stream, from this entry of it on.
    Stream {
        /// Which.
        stream: StreamId,
        /// The number within it.
        seq: u64,
    },
    /// The list of streams.
    Streams,
    /// An inner node of the tree.
    Node {
        /// Its height.
        level: u32,
        /// How many of its height are to its left.
        index: u64,
    },
    /// Size and root of the tree.
    Tree,
    /// The last signed head, which is kept beside the log.
    Head,
    /// What witnesses said of heads: of this size and by this party, or all of it.
    Cosignature(Option<(u64, PartyId)>),
    /// A row of the list of communiqués; none for the list itself.
    Listing(Option<CommuniqueId>),
    /// Content, and who needs it; none for the list of all content.
    Content(Option<(Digest, Vec<Need>)>),
    /// The package of a communiqué.
    Package(CommuniqueId),
    /// The time stamp of a communiqué.
    Stamp(CommuniqueId),
    /// A file, as the database, or whoever keeps files, sees it.
    File(String),
}

/// What needs a piece of content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// A text or annex of this revision, by its path in a package.
    Part {
        /// The communiqué.
        communique: CommuniqueId,
        /// Its revision.
        revision: u64,
        /// The path.
        path: String,
    },
    /// It is the package of this communiqué.
    Package(CommuniqueId),
    /// It is the package of this communiqué as it lies in that of what corrects it.
    Original(CommuniqueId),
}

impl Need {
    /// The communiqué.
    #[must_use]
    pub fn communique(&self) -> CommuniqueId {
        match self {
            Self::Part { communique, .. } | Self::Package(communique) | Self::Original(communique) => *communique,
        }
    }
}
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { communique, revision, path } => write!(f, "{path} of {communique}, revision {revision}"),
            Self::Package(id) => write!(f, "the package of {id}"),
            Self::Original(id) => write!(f, "the package of {id} as it lies in that of its rectification"),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { index, stream, kind } => {
                write!(f, "entry {index}")?;
                if let Some(stream) = stream {
                    write!(f, " of {stream}")?;
                }
                kind.map_or(Ok(()), |kind| write!(f, " ({})", named(kind)))
            }
            Self::Stream { stream, seq } => write!(f, "{stream}, from its entry {seq} on"),
            Self::Streams => f.write_str("the list of streams"),
            Self::Node { level, index } => write!(f, "the tree's node {index} of height {level}"),
            Self::Tree => f.write_str("the tree's size and root"),
            Self::Head => f.write_str("log.head"),
            Self::Cosignature(None) => f.write_str("the cosignatures"),
            Self::Cosignature(Some((size, party))) => write!(f, "the cosignature by {party} of the head of {size}"),
            Self::Listing(None) => f.write_str("the list of communiqués"),
            Self::Listing(Some(id)) => write!(f, "{id} in the list of communiqués"),
            Self::Content(None) => f.write_str("the list of content"),
            Self::Content(Some((digest, needs))) => {
                write!(f, "content {digest}")?;
                match needs.split_first() {
                    None => f.write_str(", which nothing that could be read names"),
                    Some((first, rest)) => {
                        write!(f, ": {first}")?;
                        rest.iter().try_for_each(|need| write!(f, "; {need}"))
                    }
                }
            }
            Self::Package(id) => write!(f, "the package of {id}"),
            Self::Stamp(id) => write!(f, "the time stamp of {id}"),
            Self::File(name) => f.write_str(name),
        }
    }
}

/// An entry's kind as the format writes it.
#[must_use]
pub fn named(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

impl At {
    /// What restores it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Entry { .. } | Self::Stream { .. } => {
                "the newest verified backup, or the mirror of a party (communique mirror object DIR DIGEST); each party's tool keeps the \
                 receipts of what that party sent"
            }
            Self::Node { .. } | Self::Tree => {
                "a verified backup; it follows from the entries, which this does not touch"
            }
            Self::Head => "see 'Backup' in docs/OPERATIONS.md: the parties decide, not the operator",
            Self::Cosignature(_) => "a verified backup; witnesses cosign the next head anew",
            Self::Streams | Self::Listing(_) => "a verified backup; it follows from the log",
            Self::Content(Some((_, needs))) => match needs.first() {
                Some(Need::Part { .. }) => {
                    "the newest verified backup, or the mirror of a party of the communiqué (communique mirror object DIR DIGEST)"
                }
                Some(_) => {
                    "a verified backup; whoever fetched the package has it, and data/ follows from log and content"
                }
                None => "a verified backup, or its uploader, who brings it again",
            },
            Self::Package(_) => {
                "a verified backup; whoever fetched the package has it, and data/ follows from log and content"
            }
            Self::Stamp(_) => "a verified backup, or the package, as somebody fetched it, that shows the stamp",
            Self::Content(None) | Self::File(_) => "a verified backup",
        }
    }
}

/// One fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where.
    pub at: At,
    /// What is wrong.
    pub what: String,
    /// The digests of the bytes that mend it: of entries, of what they name, of content. Empty for what follows from these.
    pub needs: Vec<Digest>,
}

impl Found {
    /// The digests that mend it, for people; empty if there are none.
    #[must_use]
    pub fn needed(&self) -> String {
        self.needs.iter().map(Digest::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Faults, the first [`FOUND_LIMIT`] of them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    found: Vec<Found>,
    left_out: u64,
    /// Where each is told at once.
    told: Option<Arc<Metrics>>,
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, at: At, what: impl Into<String>) {
        self.add_needing(at, what, Vec::new());
    }
    /// Adds one that bytes of these digests mend.
    pub fn add_needing(&mut self, at: At, what: impl Into<String>, needs: Vec<Digest>) {
        if let Some(metrics) = &self.told {
            metrics.scrub_found(self.count() + 1);
        }
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let found = Found { at, what: what.into(), needs };
        if self.told.is_some() {
            let (at, what) = (text::escape_line(&found.at.to_string()), text::escape_line(&found.what));
            tracing::error!(at, what, needs = found.needed(), restored_by = found.at.remedy(), "DAMAGED");
        }
        self.found.push(found);
    }
    /// Whether no more are listed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.found.len() >= FOUND_LIMIT
    }
    /// Those that are listed.
    #[must_use]
    pub fn listed(&self) -> &[Found] {
        &self.found
    }
    /// The same, to be told more exactly.
    pub fn listed_mut(&mut self) -> &mut [Found] {
        &mut self.found
    }
    /// How many are not.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
    /// How many there are at least.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.found.len() as u64 + self.left_out
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// What was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Entries.
    pub entries: u64,
    /// Documents and statements that they name.
    pub objects: u64,
    /// Inner nodes of the tree.
    pub nodes: u64,
    /// Streams.
    pub streams: u64,
    /// Communiqués.
    pub communiques: u64,
    /// Cosignatures.
    pub cosignatures: u64,
    /// Texts, annexes and packages.
    pub contents: u64,
    /// Their bytes.
    pub content_bytes: u64,
    /// Packages that were verified.
    pub packages: u64,
    /// Time stamps.
    pub stamps: u64,
    /// Communiqués whose texts and annexes were erased, as the log says.
    pub purged: u64,
}

/// How the log stands to the last head that was signed of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Continues {
    /// No head was handed in.
    NotAsked,
    /// It continues it.
    Yes,
    /// It ends before it: so many entries were acknowledged and are not there.
    Lacks(u64),
    /// It is another past.
    No,
    /// Entries before it cannot be read.
    Unknown,
}

/// What was read, and what of it is wrong.
#[derive(Clone, Debug)]
pub struct Report {
    /// What is wrong.
    pub faults: Faults,
    /// What was read.
    pub counts: Counts,
    /// The exchange, as its first charter names it.
    pub exchange: Option<ExchangeName>,
    /// The digest of that charter.
    pub founding: Option<Digest>,
    /// How many entries the log had.
    pub size: u64,
    /// The root that was computed over them; none where an entry is missing.
    pub root: Option<Hash>,
    /// The last entry's time.
    pub last: Option<Time>,
    /// How it stands to the head that was handed in.
    pub continues: Continues,
}

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The last head that was signed, as it is kept beside the log: read before this begins.
    pub head: Option<Unverified>,
    /// How many mebibytes are read a second at most; 0 for as many as there come.
    pub mib_per_second: u64,
    /// Of the exchange that goes on meanwhile: what is found is told at once, to its operator's log and here, and what is read; and while
    /// calls are many, it is read more slowly.
    pub beside: Option<Arc<Metrics>>,
}

/// Reads everything. It ends, whatever it finds.
pub async fn fsck(store: Arc<dyn Store>, content: Arc<dyn Content>, scope: Scope) -> Report {
    Check::new(store, content, &scope).run(scope.head).await
}

/// A check under way.
struct Check {
    store: Arc<dyn Store>,
    content: Arc<dyn Content>,
    pace: Pace,
    faults: Faults,
    counts: Counts,
    /// How many entries are looked at.
    size: u64,
    /// The tree as it is computed; none once a leaf is unknown.
    edge: Option<Edge>,
    time: Option<Time>,
    /// Roots at the sizes that are asked for.
    roots: BTreeMap<u64, Hash>,
    /// Entries as they were read in the log's order, and as their streams'.
    in_log: Sum,
    in_streams: Sum,
    /// Entries that cannot be read, and those that can be and are wrong.
    damaged: BTreeSet<u64>,
    wrong: BTreeSet<u64>,
    /// Entries that cannot be read and whose stream is not known yet: the fault's number by the entry's digest.
    nameless: HashMap<Digest, usize>,
    charters: Charters,
    verifier: Option<Arc<Verifier>>,
    /// Content that is not as it must be, and is told once all are known that need it.
    spoilt: BTreeMap<Digest, Spoilt>,
    /// Told when log or content is away; none where what cannot be read is a fault in any case.
    away: Option<Arc<Notify>>,
}

impl Check {
    fn new(store: Arc<dyn Store>, content: Arc<dyn Content>, scope: &Scope) -> Self {
        Self {
            store,
            content,
            pace: Pace::new(scope.mib_per_second, scope.beside.clone(), Instant::now()),
            faults: Faults { told: scope.beside.clone(), ..Faults::default() },
            counts: Counts::default(),
            size: 0,
            edge: Some(Edge::default()),
            time: None,
            roots: BTreeMap::new(),
            in_log: Sum::default(),
            in_streams: Sum::default(),
            damaged: BTreeSet::new(),
            wrong: BTreeSet::new(),
            nameless: HashMap::new(),
            charters: Charters::default(),
            verifier: None,
            spoilt: BTreeMap::new(),
            away: None,
        }
    }
    async fn run(mut self, head: Option<Unverified>) -> Report {
        // What was said of a head before the log is measured is of a head that the log must have.
        let cosignatures = self.cosignatures().await;
        let mut wanted: BTreeSet<u64> = cosignatures.iter().map(|kept| kept.size).collect();
        wanted.extend(head.as_ref().map(|head| head.claims().size()));
        self.entries(wanted).await;
        self.streams().await;
        self.cosigned(&cosignatures);
        let continues = self.continues(head);
        self.content().await;
        let charter = self.charters.versions().next();
        Report {
            exchange: charter.map(|(charter, _)| charter.exchange.clone()),
            founding: self.charters.founding(),
            size: self.size,
            root: self.edge.as_ref().map(Edge::root),
            last: self.time,
            continues,
            faults: self.faults,
            counts: self.counts,
        }
    }
    async fn cosignatures(&mut self) -> Vec<Cosignature> {
        let Ok(kept) = self.log(|| self.store.cosignatures()).await else {
            self.faults.add(At::Cosignature(None), "they cannot be read");
            return Vec::new();
        };
        kept
    }
    /// Whether each is one line, of a head that the log had, by a key that the party's witness had under some charter.
    fn cosigned(&mut self, kept: &[Cosignature]) {
        self.counts.cosignatures = kept.len() as u64;
        let charters = self.chain();
        for Cosignature { size, party, line } in kept {
            let lines = SignatureLine::parse_all(line.as_bytes()).unwrap_or_default();
            let what = match (lines.as_slice(), self.roots.get(size)) {
                ([_], None) if *size > self.size => "it is of a head that the log does not have",
                ([line], root) => {
                    let by = |charter: &Standing| {
                        let origin = Origin::parse(charter.charter().log.origin.as_str()).ok()?;
                        let text = Checkpoint::new(origin, *size, *root?).ok()?.to_string();
                        let cosigner = Cosigner::of_parties(charter).find(|(id, _)| *id == party)?.1;
                        cosigner.verify(&text, line).ok()
                    };
                    // A log that cannot be read up to there shows nothing against it.
                    if root.is_none() || charters.iter().any(|charter| by(charter).is_some()) {
                        continue;
                    }
                    "it is none of that head by a key that a charter gave this party's witness"
                }
                _ => "it is not one signature line",
            };
            self.faults.add(At::Cosignature(Some((*size, party.clone()))), what);
        }
    }
    fn chain(&self) -> Vec<Arc<Standing>> {
        self.charters.chain(self.time.unwrap_or(Time::from_unix(0)))
    }
    fn continues(&mut self, head: Option<Unverified>) -> Continues {
        let Some(head) = head else { return Continues::NotAsked };
        let (size, root) = (head.claims().size(), head.claims().root());
        let charters = self.chain();
        let signed = |charter: &Standing| {
            let log = Log::of_charter(&charter.charter().log).ok()?;
            head.clone().verify(&log).ok()
        };
        // A later one may be under a charter that is not there.
        if size <= self.size && !charters.is_empty() && !charters.iter().any(|charter| signed(charter).is_some()) {
            self.faults.add(At::Head, "no key that a charter gave the log has signed it");
        }
        let known = self.roots.get(&size).copied();
        match known {
            _ if size > self.size => {
                let lacking = size - self.size;
                let what = format!(
                    "the log has {} entries, and a head of {size} was signed: {lacking} that were acknowledged are lacking",
                    self.size
                );
                self.faults.add(At::Head, what);
                Continues::Lacks(lacking)
            }
            Some(known) if known == root => Continues::Yes,
            Some(known) => {
                let what = format!("the log had the root {known} at {size} entries, and a head with {root} was signed");
                self.faults.add(At::Head, what);
                Continues::No
            }
            None => Continues::Unknown,
        }
    }
}

/// How fast it is read.
struct Pace {
    bytes_per_second: u64,
    /// When all that was read may have been.
    free: Instant,
    beside: Option<Calls>,
}

/// What else the exchange does meanwhile.
struct Calls {
    metrics: Arc<Metrics>,
    /// The calls that it had answered, and when that was looked at.
    looked: (u64, Instant),
    many: bool,
}

impl Pace {
    fn new(mib_per_second: u64, beside: Option<Arc<Metrics>>, now: Instant) -> Self {
        let beside = beside.map(|metrics| Calls { looked: (metrics.answered(), now), metrics, many: false });
        Self { bytes_per_second: mib_per_second.saturating_mul(1 << 20), free: now, beside }
    }
    /// So many bytes were read: waits until that many may have been.
    async fn spend(&mut self, bytes: u64) {
        tokio::time::sleep_until(self.after(bytes, Instant::now())).await;
    }
    /// When so many bytes more may have been read. What was not read in time is not caught up with.
    fn after(&mut self, bytes: u64, now: Instant) -> Instant {
        let mut cost = bytes;
        if let Some(calls) = &mut self.beside {
            calls.metrics.scrubbed(bytes);
            cost = cost.saturating_mul(if calls.many_at(now) { HELD_BACK } else { 1 });
        }
        // Not in milliseconds: a row takes less than one.
        if let Some(nanos) = cost.saturating_mul(1_000_000_000).checked_div(self.bytes_per_second) {
            self.free = self.free.max(now.checked_sub(CREDIT).unwrap_or(now)) + Duration::from_nanos(nanos);
        }
        self.free
    }
    /// A row of so many bytes was read.
    async fn spend_row(&mut self, bytes: usize) {
        self.spend(ROW.max(bytes as u64)).await;
    }
}

impl Calls {
    fn many_at(&mut self, now: Instant) -> bool {
        let (before, looked) = self.looked;
        let seconds = now.duration_since(looked).as_secs();
        if seconds > 0 {
            self.looked = (self.metrics.answered(), now);
            self.many = self.looked.0 - before >= seconds.saturating_mul(MANY_CALLS);
        }
        self.many
    }
}

/// Reads `what` of so many, halving it where that fails: each one that cannot be read by itself is an error with its number.
async fn narrowed<T, F>(from: u64, count: u64, mut read: impl FnMut(u64, u64) -> F) -> Vec<(u64, Result<T, ReadFailed>)>
where
    F: Future<Output = Result<Vec<T>, ReadFailed>>,
{
    let mut rows = Vec::new();
    let mut open = vec![(from, count)];
    while let Some((from, count)) = open.pop() {
        match read(from, count).await {
            Ok(found) if found.len() as u64 == count => rows.extend((from..).zip(found.into_iter().map(Ok))),
            _ if count <= 1 => rows.push((from, Err(ReadFailed))),
            _ => open.extend([(from + count / 2, count - count / 2), (from, count / 2)]),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_read_is_found_by_halving_and_all_else_is_read() {
        for (count, bad) in
            [(1, vec![]), (64, vec![0]), (64, vec![63]), (37, vec![5, 6, 30]), (3, vec![0, 1, 2]), (0, vec![])]
        {
            let read = |from: u64, n: u64| {
                let whole = !bad.iter().any(|bad| (from..from + n).contains(&(bad + 10)));
                std::future::ready(if whole { Ok((from..from + n).collect()) } else { Err(ReadFailed) })
            };
            let rows = narrowed(10, count, read).await;
            let expected: Vec<_> =
                (10..10 + count).map(|n| (n, if bad.contains(&(n - 10)) { Err(ReadFailed) } else { Ok(n) })).collect();
            assert_eq!(rows, expected);
        }
    }

    /// How long it takes to read ten times a mebibyte at one a second, beside so many calls in each, in seconds.
    fn seconds(metrics: Option<&Arc<Metrics>>, calls: u64) -> u64 {
        let begun = Instant::now();
        let mut pace = Pace::new(1, metrics.cloned(), begun);
        let end = (0..10).fold(begun, |now, _| {
            let next = pace.after(1 << 20, now);
            (0..calls).for_each(|_| metrics.unwrap().request("SubmitAct", "OK", Duration::ZERO));
            next
        });
        end.duration_since(begun).as_secs()
    }

    #[test]
    fn the_pace_is_kept_and_held_back_beside_many_calls() {
        let metrics = Arc::new(Metrics::default());
        assert_eq!(seconds(None, 0), 10);
        assert_eq!(seconds(Some(&metrics), 0), 10);
        assert_eq!(seconds(Some(&metrics), MANY_CALLS - 1), 10);
        // The first mebibyte is read before anything is known of the calls.
        assert_eq!(seconds(Some(&metrics), MANY_CALLS * HELD_BACK), 1 + 9 * HELD_BACK);
        assert_eq!(metrics.scrub_bytes(), 30 << 20);
        let now = Instant::now();
        assert_eq!(Pace::new(0, None, now).after(u64::MAX, now), now);
    }

    #[test]
    fn many_small_rows_take_as_long_as_what_they_come_to() {
        let begun = Instant::now();
        let mut pace = Pace::new(4, None, begun);
        let end = (0..1024).fold(begun, |now, _| pace.after(ROW, now));
        assert_eq!(end.duration_since(begun).as_secs_f64().round(), 1.0);
    }

    #[test]
    fn what_was_not_read_in_time_is_not_caught_up_with() {
        let begun = Instant::now();
        let mut pace = Pace::new(1, None, begun);
        let late = begun + Duration::from_secs(3600);
        let end = (0..10).fold(late, |_, _| pace.after(1 << 20, late));
        assert_eq!(end.duration_since(late).as_secs(), 9);
    }
}
