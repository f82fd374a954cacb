//! Auditing: the whole log that a party may see, checked; and what shows others that an exchange lied.
//!
//! The digests of all entries must make the signed root; each entry that is shown must have its digest in its place, continue its stream,
//! and be what the rules of the domain ask for; what the party itself has sent must stand where it stood. It goes on where it stopped:
//! size and edge of the tree, and how far each stream was seen, lie in the folder of the receipts.

pub mod books;
pub mod evidence;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::{
    books::{Books, Finding, Own, Registered, Stand, Tally},
    evidence::{Evidence, Kind},
};
use super::{
    mirroring::Mirror,
    proving::Proofs as _,
    receipts::{Contradiction, KeptEntry, Receipts, broken, place, put, read},
    remote::{RemoteError, Result},
    session::Session,
};
use crate::{
    domain::{
        id::{CommuniqueId, Digest, PartyId},
        message::{Message, Tell as _},
        time::Time,
        view::{EventView, Happening, WatchItem},
    },
    log::{
        Fault,
        checkpoint::Checkpoint,
        tree::{Edge, Hash, verify_consistency},
    },
    msg,
};

/// How many entries are audited before it is noted how far it came: their digests are held in memory, 32 bytes each.
pub const STEP: u64 = 1 << 20;
/// How many heartbeats may say that nothing has come, before what a head has.
const SILENT: u32 = 3;
/// The same, where each is kept.
const COPIED: u64 = 1 << 12;
/// Largest file of how far an audit came, in bytes.
const STATE_LIMIT: usize = 1 << 30;

/// What an audit came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The index of the first entry that was audited now.
    pub from: u64,
    /// Size and root of the head up to which all was audited; none if there was a lie before.
    pub head: Option<(u64, Hash)>,
    /// What was counted now.
    pub tally: Tally,
    /// How many kept receipts of all were found in their place.
    pub receipts: usize,
    /// What was done in the own authority's name since the audit before.
    pub own: Vec<(u64, Time, Own)>,
    /// The first lie that was found.
    pub lie: Option<Box<Contradiction>>,
}

impl Report {
    /// How many entries the party is not shown.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        let all = self.head.map_or(0, |(size, _)| size - self.from);
        all.saturating_sub(self.tally.shown + self.tally.escrowed)
    }
}

/// How far an audit came, as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    party: Option<PartyId>,
    size: u64,
    /// The edge of the tree, in base64.
    peaks: Vec<String>,
    stand: Stand,
}

/// Audits all that this party may see, up to the newest head; `anew` from the first entry on. `heard` is told how far it came, and how
/// far it goes.
///
/// # Errors
/// What keeps it from being audited; [`RemoteError::Io`] if another audit of these receipts runs. A lie is no error: it is in the report.
pub async fn audit(
    session: &mut Session,
    receipts: Receipts,
    own: &PartyId,
    anew: bool,
    heard: impl Fn(u64, u64) + Send + Sync,
) -> Result<Report> {
    audit_into(session, receipts, own, anew, None, heard).await
}

/// The same, and what was audited is kept in a mirror before it is noted how far it came.
///
/// # Errors
/// As [`audit`]; a mirror that cannot be written.
pub(super) async fn audit_into(
    session: &mut Session,
    receipts: Receipts,
    own: &PartyId,
    anew: bool,
    copy: Option<&mut Mirror>,
    heard: impl Fn(u64, u64) + Send + Sync,
) -> Result<Report> {
    let folder = receipts.folder().map(Path::to_path_buf);
    let mut report = Report { from: 0, head: None, tally: Tally::default(), receipts: 0, own: vec![], lie: None };
    let audited = async {
        session.keep(receipts).await?;
        let mut audit = Audit::begin(session, folder, own, anew)?;
        audit.copy = copy;
        report.from = audit.edge.size();
        let done = audit.run(&mut report, heard).await;
        report.tally = audit.books.tally;
        report.own = std::mem::take(&mut audit.books.own_entries);
        done
    };
    match audited.await {
        Ok(()) => Ok(report),
        Err(RemoteError::Contradicted(lie)) => Ok(Report { lie: Some(lie), head: None, ..report }),
        Err(other) => Err(other),
    }
}

/// How far the audits came whose state lies in this folder: whose they were, size and root.
///
/// # Errors
/// A file that cannot be read, or was changed.
pub(super) fn reached(folder: &Path) -> io::Result<Option<(PartyId, u64, Hash)>> {
    let file = folder.join(STATE);
    let Some((state, edge)) = state(&file)? else { return Ok(None) };
    Ok(state.party.map(|party| (party, edge.size(), edge.root())))
}

fn state(file: &Path) -> io::Result<Option<(State, Edge)>> {
    let Some(bytes) = read(file, STATE_LIMIT)? else { return Ok(None) };
    let state: State = serde_json::from_slice(&bytes).map_err(|e| broken(file, &e.to_string()))?;
    let hashes: std::result::Result<Vec<Hash>, Fault> = state.peaks.iter().map(|peak| peak.parse()).collect();
    let edge = hashes.and_then(|hashes| Edge::new(state.size, hashes)).map_err(|fault| broken(file, &fault))?;
    Ok(Some((state, edge)))
}

/// An audit under way.
struct Audit<'a> {
    session: &'a Session,
    /// Where what was audited is kept.
    copy: Option<&'a mut Mirror>,
    folder: Option<PathBuf>,
    own: PartyId,
    edge: Edge,
    books: Books,
    /// What was registered before and now.
    register: Vec<Registered>,
    /// What the party has sent, and which of it was not shown to it yet.
    kept: Vec<KeptEntry>,
    awaited: BTreeSet<u64>,
    /// Held as long as this lives: two at once would write one another's notes.
    _lock: Option<File>,
}

impl<'a> Audit<'a> {
    fn begin(session: &'a Session, folder: Option<PathBuf>, own: &PartyId, anew: bool) -> Result<Self> {
        let lock = folder.as_deref().map(locked).transpose()?;
        let founding = session.pinned().founding();
        let (mut edge, mut books, mut register) = (Edge::default(), Books::new(own.clone(), founding), vec![]);
        if let Some(folder) = folder.as_ref().filter(|_| !anew) {
            let file = folder.join(STATE);
            let state;
            (state, edge) = self::state(&file)?.unwrap_or_default();
            if state.party.as_ref().is_some_and(|party| party != own) {
                return Err(io::Error::other(msg!(
                    "{file}: the audit before was another party's; audit anew (--anew), or with another profile",
                    file
                ))
                .into());
            }
            register = registered(&folder.join(REGISTER), state.size)?;
            books = books.resume(state.stand, &register).map_err(|e| broken(&file, &e))?;
        }
        let kept = session.receipts().entries()?;
        let awaited = kept.iter().map(|kept| kept.index).collect();
        Ok(Self { session, copy: None, folder, own: own.clone(), edge, books, register, kept, awaited, _lock: lock })
    }
    async fn run(&mut self, report: &mut Report, heard: impl Fn(u64, u64)) -> Result<()> {
        let Some(newest) = self.session.receipts().head()? else {
            return Err(io::Error::other(msg!("no head of the log is known")).into());
        };
        let head = newest.claims().clone();
        heard(self.edge.size(), head.size());
        if let Some(copy) = self.copy.as_ref().filter(|_| place(&head) == (self.edge.size(), self.edge.root())) {
            copy.under(&newest)?;
        }
        while self.edge.size() < head.size() {
            let step = if self.copy.is_some() { COPIED } else { STEP };
            let (from, to) = (self.edge.size(), head.size().min(self.edge.size() + step));
            let digests = self.digests(from, to, &head).await?;
            self.entries(from, &digests, &head, &heard).await?;
            report.receipts += self.own_receipts(from, &digests).await?;
            if let Some(copy) = &mut self.copy {
                copy.step(from, &digests)?;
                if to == head.size() {
                    copy.under(&newest)?;
                }
            }
            self.save()?;
        }
        report.receipts += self.kept.iter().filter(|kept| kept.index < report.from).count();
        if let Err(found) = self.books.kept_until(head.size()) {
            return Err(self.shown_wrong(found, None).await);
        }
        self.charters()?;
        report.head = Some(place(&head));
        Ok(())
    }

    /// The digests of these entries, with which the tree must come to the head.
    async fn digests(&mut self, from: u64, to: u64, head: &Checkpoint) -> Result<Vec<u8>> {
        let mut digests: Vec<u8> = Vec::new();
        let wanted = bytes_of(to - from);
        while digests.len() < wanted {
            let more = self.session.remote().digests(from + digests.len() as u64 / 32).await?;
            if more.is_empty() {
                let words = msg!("the exchange signed a head of {size} entries and lists fewer", size = head.size());
                return Err(self.lie(Kind::WrongRoot, words));
            }
            digests.extend(more);
        }
        digests.truncate(wanted);
        let before = self.edge.clone();
        grow(&mut self.edge, &digests).map_err(|fault| io::Error::other(fault.message()))?;
        let hashes = match to {
            to if to == head.size() => vec![],
            to => self.session.remote().joining(to, head.size()).await?,
        };
        if verify_consistency((to, self.edge.root()), place(head), &hashes).is_err() {
            let words = msg!(
                "the digests of entries that the exchange lists do not make the tree of {size} entries that it signed",
                size = head.size()
            );
            self.edge = before;
            return Err(self.lie(Kind::WrongRoot, words));
        }
        Ok(digests)
    }

    /// Every entry that the party is shown from here on, as far as these digests go.
    async fn entries(&mut self, from: u64, digests: &[u8], head: &Checkpoint, heard: &impl Fn(u64, u64)) -> Result<()> {
        let to = from + digests.len() as u64 / 32;
        let (mut next, mut silent) = (from, 0);
        let mut stream = self.session.remote().watch(Some(from), None).await?;
        while next < to {
            match stream.next().await? {
                WatchItem::Heartbeat(reached) if reached > next => (next, silent) = (reached, 0),
                WatchItem::Heartbeat(_) if silent < SILENT => silent += 1,
                WatchItem::Heartbeat(_) => {
                    let words = msg!(
                        "the exchange signed a head of {size} entries, and says nothing of them from entry {next} on",
                        size = head.size(),
                        next
                    );
                    return Err(self.lie(Kind::Withheld, words));
                }
                WatchItem::Event(event) if event.index < next => {
                    let words = msg!(
                        "the exchange shows entry {index} after it said that it had shown all below {next}",
                        index = event.index,
                        next
                    );
                    return Err(self.lie(Kind::OutOfOrder, words));
                }
                WatchItem::Event(event) => {
                    (next, silent) = (event.index + 1, 0);
                    match leaf(digests, event.index - from) {
                        Some(leaf) => self.take(&event, leaf).await?,
                        None => self.fresh(event.index).await?,
                    }
                }
            }
            heard(next.min(to), head.size());
        }
        Ok(())
    }
    async fn take(&mut self, event: &EventView, leaf: Digest) -> Result<()> {
        for id in self.books.wants(event) {
            self.load(id, Some(event)).await?;
        }
        if let Err(found) = self.books.take(event, leaf) {
            return Err(self.shown_wrong(found, Some(event)).await);
        }
        self.awaited.remove(&event.index);
        if let Some(copy) = &mut self.copy {
            copy.take(event)?;
        }
        if let Some(id) = self.books.unsealed() {
            self.load(id, None).await?;
        }
        Ok(())
    }
    /// Takes the earlier entries of a communiqué again, as they are shown now.
    async fn load(&mut self, id: CommuniqueId, before: Option<&EventView>) -> Result<()> {
        let events = self.told(id).await?;
        if let Err(found) = self.books.load(id, &events) {
            return Err(self.shown_wrong(found, before).await);
        }
        if let Some(copy) = &mut self.copy {
            copy.look_again(&events)?;
        }
        Ok(())
    }
    async fn told(&self, id: CommuniqueId) -> Result<Vec<EventView>> {
        match self.session.remote().events(id).await {
            Err(RemoteError::Refused { reason, .. }) if reason == "NOT_FOUND" => Ok(vec![]),
            told => told,
        }
    }
    /// An entry beyond the head: a head asked for now must have it.
    async fn fresh(&self, index: u64) -> Result<()> {
        let note = self.session.remote().checkpoint().await?;
        let case = self.session.case();
        let head = self.session.receipts().newest(&case, &note, None, self.session.remote()).await?;
        if head.checkpoint().size() > index {
            return Ok(());
        }
        let words = msg!(
            "the exchange shows entry {index} of its log, and signs a head of {size} entries: its head stands still",
            index,
            size = head.checkpoint().size()
        );
        Err(self.accuse(case.evidence(Kind::Frozen, words).heads([note])))
    }
    /// What the party has sent itself must stand there, and be shown to it.
    async fn own_receipts(&self, from: u64, digests: &[u8]) -> Result<usize> {
        let mut found = 0;
        for kept in &self.kept {
            let Some(leaf) = kept.index.checked_sub(from).and_then(|at| leaf(digests, at)) else { continue };
            if Digest::of(&kept.entry) != leaf {
                let words = msg!(
                    "entry {index} of the log is another than the one that the exchange proved when it was sent",
                    index = kept.index
                );
                let evidence = self.session.case().evidence(Kind::OtherEntry, words);
                let evidence = evidence.entry(&kept.entry, &[], Some(kept.proof.clone()));
                return Err(self.accuse(self.with_entry(evidence, kept.index).await));
            }
            if self.awaited.contains(&kept.index) {
                let words = msg!("entry {index}, which your party sent itself, is not shown to it", index = kept.index);
                let evidence = self.session.case().evidence(Kind::Withheld, words);
                return Err(self.accuse(evidence.entry(&kept.entry, &[], Some(kept.proof.clone()))));
            }
            found += 1;
        }
        Ok(found)
    }
    /// The charters that are told as those in force must be those that the log has.
    fn charters(&self) -> Result<()> {
        let logged: BTreeSet<Digest> = self.books.charters().versions().map(|(charter, _)| charter.digest()).collect();
        let told = self.session.pinned().chain().find(|standing| !logged.contains(&standing.digest()));
        match told {
            None => Ok(()),
            Some(told) => {
                let words = msg!(
                    "charter {version} is told as in force and is not in the log",
                    version = told.charter().version
                );
                Err(self.lie(Kind::CharterRolledBack, words))
            }
        }
    }

    fn lie(&self, kind: Kind, words: Message) -> RemoteError {
        let head = self.session.receipts().head().ok().flatten().map(|head| head.note().to_string());
        self.accuse(self.session.case().evidence(kind, words).heads(head))
    }
    fn accuse(&self, evidence: Evidence) -> RemoteError {
        self.session.receipts().contradiction(evidence, self.session.case().now).into()
    }
    /// A finding, with the entries that show it, as far as the exchange still proves them.
    async fn shown_wrong(&self, found: Finding, event: Option<&EventView>) -> RemoteError {
        let mut evidence = self.session.case().evidence(found.kind, found.words);
        let head = self.session.receipts().head().ok().flatten().map(|head| head.note().to_string());
        evidence = evidence.heads(head);
        for index in found.entries {
            evidence = match event.filter(|event| event.index == index).map(|event| &event.happening) {
                Some(Happening::Shown(logged)) => {
                    let proof = self.session.remote().inclusion(index).await.ok();
                    evidence.entry(&logged.entry, &logged.objects, proof)
                }
                _ => self.with_entry(evidence, index).await,
            };
        }
        self.accuse(evidence)
    }
    /// With the entry of this index, as it is shown and proven now; without it, if it is not.
    async fn with_entry(&self, evidence: Evidence, index: u64) -> Evidence {
        let asked = async {
            let proof = self.session.remote().inclusion(index).await?;
            let mut stream = self.session.remote().watch(Some(index), None).await?;
            loop {
                match stream.next().await? {
                    WatchItem::Event(event) if event.index == index => return Ok((event, proof)),
                    WatchItem::Heartbeat(reached) if reached <= index => {}
                    _ => return Err(RemoteError::Unreachable(msg!("it is not shown"))),
                }
            }
        };
        match asked.await {
            Ok((EventView { happening: Happening::Shown(logged), .. }, proof)) => {
                evidence.entry(&logged.entry, &logged.objects, Some(proof))
            }
            _ => evidence,
        }
    }

    /// Notes how far it came, durably. What is registered comes first: of that, more than was audited does no harm.
    fn save(&mut self) -> Result<()> {
        let fresh = std::mem::take(&mut self.books.registered);
        let grew = !fresh.is_empty();
        self.register.extend(fresh);
        let Some(folder) = &self.folder else { return Ok(()) };
        if grew {
            let mut lines = Vec::new();
            for line in &self.register {
                serde_json::to_writer(&mut lines, line).map_err(io::Error::from)?;
                lines.push(b'\n');
            }
            put(&folder.join(REGISTER), &lines)?;
        }
        let state = State {
            party: Some(self.own.clone()),
            size: self.edge.size(),
            peaks: self.edge.peaks().iter().map(ToString::to_string).collect(),
            stand: self.books.stand(),
        };
        Ok(put(&folder.join(STATE), &serde_json::to_vec(&state).map_err(io::Error::from)?)?)
    }
}

const STATE: &str = "audited";
const REGISTER: &str = "audited-register";

fn locked(folder: &Path) -> io::Result<File> {
    let file = folder.join("audit.lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&file)?;
    let busy = |_| io::Error::other(msg!("{file}: another audit runs with this profile; wait for it", file));
    lock.try_lock().map_err(busy)?;
    Ok(lock)
}

/// What was registered of the first entries, so many.
fn registered(file: &Path, size: u64) -> io::Result<Vec<Registered>> {
    let bytes = read(file, STATE_LIMIT)?.unwrap_or_default();
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let all: BTreeMap<u64, Registered> = lines
        .map(|line| serde_json::from_slice::<Registered>(line).map(|r| (r.index, r)))
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| broken(file, &e.to_string()))?;
    Ok(all.into_values().filter(|kept| kept.index < size).collect())
}

/// Appends entries with these digests, of 32 bytes each, to a tree.
///
/// # Errors
/// [`Fault::TooLarge`].
pub fn grow(edge: &mut Edge, digests: &[u8]) -> std::result::Result<(), Fault> {
    digests.as_chunks::<32>().0.iter().try_for_each(|digest| edge.append(Hash::of_leaf(digest), |_, _| ()))
}

/// The digest of this number.
fn leaf(digests: &[u8], at: u64) -> Option<Digest> {
    let digest = digests.as_chunks::<32>().0.get(usize::try_from(at).ok()?)?;
    Some(Digest::from_bytes(*digest))
}

fn bytes_of(digests: u64) -> usize {
    usize::try_from(digests).unwrap_or(usize::MAX / 32).saturating_mul(32)
}

#[cfg(test)]
mod tests {
    use super::{evidence::tests::Told, *};

    #[test]
    fn digests_in_any_pieces_come_to_the_signed_root() {
        let told = Told::new((0..70_u8).map(|n| vec![n]).collect());
        let digests: Vec<u8> = told.entries.iter().flat_map(|entry| *Digest::of(entry).as_bytes()).collect();
        let head = told.head(70);
        let root = |pieces: &[&[u8]]| {
            let mut edge = Edge::default();
            for piece in pieces {
                // As it is kept between one audit and the next.
                edge = Edge::new(edge.size(), edge.peaks().to_vec()).unwrap();
                grow(&mut edge, piece).unwrap();
            }
            (edge.size(), edge.root())
        };
        for cut in 0..=70 {
            assert_eq!(root(&[&digests[..32 * cut], &digests[32 * cut..]]), place(head.checkpoint()), "{cut}");
        }
        let mut other = digests.clone();
        other[32 * 40] ^= 1;
        assert_ne!(root(&[&other]), place(head.checkpoint()));
        assert_eq!(leaf(&digests, 69), Some(Digest::of(&[69])));
        assert_eq!(leaf(&digests, 70), None);
    }

    #[test]
    fn what_is_kept_of_an_audit_is_read_as_far_as_it_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(REGISTER);
        assert_eq!(registered(&file, 9).unwrap(), []);
        let kept = |index| Registered { index, entry: String::new(), objects: vec![] };
        let lines: Vec<_> = [kept(1), kept(4), kept(9)].iter().map(|k| serde_json::to_string(k).unwrap()).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        // More than was audited: this tool was stopped between the two files.
        assert_eq!(registered(&file, 9).unwrap(), [kept(1), kept(4)]);
        std::fs::write(&file, "{").unwrap();
        assert!(registered(&file, 9).is_err());
        let held = locked(dir.path()).unwrap();
        assert!(locked(dir.path()).is_err(), "two audits at once");
        drop(held);
        locked(dir.path()).unwrap();
    }
}
