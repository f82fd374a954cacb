//! What belongs into a package, and writing it: one function of log and content, so that every call gives the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, Write},
};

use super::{
    bag::{self, PartDigests},
    evidence::{Evidence, ORIGINALS_ENTRIES_LIMIT},
    replay::Indexed,
    zip::{Limits, Writer},
};
use crate::{
    domain::{
        act::{Act, ActKind, Declaration},
        certified::CertifiedCopy,
        charter::{Adoption, Charter},
        document::Document,
        entry::{Entry, FILES_LIMIT, FileDigest, Kind, Recorded, Step, StreamId},
        id::{Digest, PartyId},
        json::{self, Form as _},
        life::Life,
        manifest::{Manifest, Part, Rectifies},
        message::Message,
        powers::Revocation,
        refusal::Refusal,
        register::PartyRecord,
        statement::{STATEMENT_LIMIT, Statement, Unverified},
        succession::Charters,
        time::Time,
    },
    msg,
};

/// Most bytes of a package's documents, statements, entries and tag files together, without the tag manifests, which list proofs:
/// what a verifier holds in memory.
pub const RECORDS_LIMIT: usize = 128 << 20;
/// Most bytes that one party brings into a package: its acts on the signed revision, the declarations and full powers that
/// they name, and what the ends of these may take. So the acts of all, with all that the succession of charters may bring,
/// fit into [`RECORDS_LIMIT`].
pub const PARTY_RECORDS_LIMIT: usize = 896 << 10;
/// Most files that one party brings into a package in the same way.
pub const PARTY_FILES_LIMIT: usize = 352;
/// Most bytes of an entry that records one statement.
const ENTRY_BYTES: usize = 1 << 10;
/// Most bytes of a revocation in compact form: its payload in base64url, with header and signature.
const REVOCATION_BYTES: usize = Revocation::LIMIT / 3 * 4 + 512;

/// Whether an act leaves its party within what it may bring into a package. What takes the communiqué back, or refuses it, a
/// party may always do.
///
/// # Errors
/// [`Refusal::LimitReached`].
pub fn within(life: &Life, record: &PartyRecord, act: &Statement<Act>) -> Result<(), Refusal> {
    let body = act.body();
    if matches!(body.act, ActKind::Decline | ActKind::Withdraw | ActKind::Purge) {
        return Ok(());
    }
    let newest = life.newest().into_iter().flat_map(|r| r.acts.iter().map(AsRef::as_ref).chain([&r.propose]));
    let mut acts: BTreeMap<Digest, (&Act, usize)> =
        newest.filter(|a| a.act.party == body.party).map(|a| (a.digest, (&a.act, a.compact.len()))).collect();
    acts.insert(act.digest(), (body, act.compact().len()));
    let named: BTreeSet<_> = acts.values().filter_map(|(act, _)| given_with(act)).collect();
    let declared = life.revisions().flat_map(|r| &r.acts).filter(|a| named.contains(&a.digest));
    acts.extend(declared.map(|a| (a.digest, (&a.act, a.compact.len()))));
    let grants: BTreeSet<_> = acts.values().map(|(act, _)| act.grant).collect();
    let granted = |grant| record.grants().get(grant).map_or(0, |held| held.compact.len());
    let of_acts = acts.values().map(|(_, bytes)| bytes + ENTRY_BYTES).sum::<usize>();
    let of_grants = grants.iter().map(|g| granted(g) + REVOCATION_BYTES + 2 * ENTRY_BYTES).sum::<usize>();
    if of_acts + of_grants > PARTY_RECORDS_LIMIT {
        let what = msg!("bytes of one party's acts and full powers on one revision");
        return Err(Refusal::LimitReached { what, limit: PARTY_RECORDS_LIMIT as u64 });
    }
    if 2 * acts.len() + 4 * grants.len() > PARTY_FILES_LIMIT {
        let what = msg!("files of one party's acts and full powers on one revision");
        return Err(Refusal::LimitReached { what, limit: PARTY_FILES_LIMIT as u64 });
    }
    Ok(())
}

/// The declaration that a signature is given with.
pub(super) fn given_with(act: &Act) -> Option<Digest> {
    match act.declaration {
        Some(Declaration::Made(digest)) => Some(digest),
        _ => None,
    }
}

/// What one file adds at most to the `published` entry and to the bag's two manifests, in bytes: its path, which has at most
/// 84, and a digest in each, with what stands between.
const LISTING_BYTES: usize = (84 + 64 + 32) + (84 + 64 + 3) + (84 + 128 + 3);

/// An entry as the log holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// Its index in the log.
    pub index: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The bytes of the documents and then of the statements that it names, in its order.
    pub objects: Vec<Vec<u8>>,
}

/// Up to where the log is gathered: all before this index, as it stood at this time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Until {
    /// The `published` entry's index; above every other while there is none yet.
    pub index: u64,
    /// The `published` entry's time; the decision's while there is none yet.
    pub time: Time,
}

/// Everything of a package but its texts, annexes and `published` entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contents {
    pub(super) manifest: Document<Manifest>,
    /// From version 1.
    pub(super) charters: Vec<Document<Charter>>,
    /// Where among these the charter of a digest is.
    places: BTreeMap<Digest, usize>,
    /// Compact forms by digest.
    pub(super) statements: BTreeMap<Digest, String>,
    /// Digest and bytes by log index.
    pub(super) entries: BTreeMap<u64, (Digest, Vec<u8>)>,
    /// The package of what it corrects.
    pub(super) original: Option<Part>,
    /// The indices of the entries that this and the packages below it show.
    originals: BTreeSet<u64>,
}

impl Contents {
    /// Nothing but this manifest.
    pub(super) fn of(manifest: Document<Manifest>) -> Self {
        let (charters, places) = (vec![], BTreeMap::new());
        let (statements, entries) = (BTreeMap::new(), BTreeMap::new());
        Self { manifest, charters, places, statements, entries, original: None, originals: BTreeSet::new() }
    }
    /// Takes the charters, from version 1.
    pub(super) fn take_charters(&mut self, charters: Vec<Document<Charter>>) {
        self.places = charters.iter().enumerate().map(|(place, charter)| (charter.digest(), place)).collect();
        self.charters = charters;
    }
    /// The signed manifest.
    #[must_use]
    pub fn manifest(&self) -> &Document<Manifest> {
        &self.manifest
    }
    /// The charter in force at publication, whose depositary certifies.
    #[must_use]
    pub fn charter(&self) -> Option<&Document<Charter>> {
        self.charters.last()
    }
    /// The files that are not held in memory: texts, annexes, and the package of what is corrected.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.manifest.parts().chain(self.original.clone())
    }
    /// The indices of the entries of which the package has a proof: its own, with the `published` entry, and those of what it
    /// corrects.
    #[must_use]
    pub fn proven(&self, published: u64) -> BTreeSet<u64> {
        self.entries.keys().copied().chain([published]).chain(self.originals.iter().copied()).collect()
    }
    /// What the `published` entry records, beside [`Contents::files`].
    #[must_use]
    pub fn step(&self) -> Step {
        Step { kind: Kind::Published, documents: vec![self.manifest.digest()], statements: vec![] }
    }
    /// What the `published` entry lists: every file of `data/` but `README.txt` and that entry, by path.
    #[must_use]
    pub fn files(&self) -> Vec<FileDigest> {
        let records = self.records().map(|(path, sha256, _)| FileDigest { path, sha256 });
        let parts = self.parts().map(|p| FileDigest { path: p.path, sha256: p.sha256 });
        let mut files: Vec<_> = records.chain(parts).collect();
        files.sort();
        files
    }
    /// What the bag says of the documents, statements and entries, by path; of some, it is known.
    pub(super) fn digested(&self, known: &BTreeMap<Digest, PartDigests>) -> BTreeMap<String, PartDigests> {
        let digests = |digest, bytes| known.get(&digest).copied().unwrap_or_else(|| PartDigests::beside(digest, bytes));
        self.records().map(|(path, digest, bytes)| (path, digests(digest, bytes))).collect()
    }
    /// These entries, and the documents and statements that they record: digest and bytes.
    pub(super) fn recorded<'a>(&'a self, entries: &'a [Indexed]) -> impl Iterator<Item = (Digest, &'a [u8])> {
        let documents = entries.iter().flat_map(|e| &e.entry.documents).map(|d| (*d, self.document(*d)));
        let statements = entries.iter().flat_map(|e| &e.entry.statements).map(|d| (*d, self.statement(*d)));
        let found = documents.chain(statements).filter_map(|(digest, bytes)| Some((digest, bytes?)));
        found.chain(
            entries
                .iter()
                .filter_map(|e| self.entries.get(&e.index))
                .map(|(digest, bytes)| (*digest, bytes.as_slice())),
        )
    }
    /// Whether a list, which names nothing twice, is [`Contents::files`]. `digested` is [`Contents::digested`].
    pub(super) fn lists(&self, digested: &BTreeMap<String, PartDigests>, files: &[FileDigest]) -> bool {
        let parts: BTreeMap<_, _> = self.parts().map(|part| (part.path, part.sha256)).collect();
        let named = |path: &str| digested.get(path).map(|d| d.sha256).or_else(|| parts.get(path).copied());
        files.len() == digested.len() + parts.len() && files.iter().all(|file| named(&file.path) == Some(file.sha256))
    }
    /// The bytes of the document of this digest.
    pub(super) fn document(&self, digest: Digest) -> Option<&[u8]> {
        let charter = || self.charter_of(digest).map(Document::bytes);
        if self.manifest.digest() == digest { Some(self.manifest.bytes()) } else { charter() }
    }
    /// The charter of this digest.
    pub(super) fn charter_of(&self, digest: Digest) -> Option<&Document<Charter>> {
        self.places.get(&digest).and_then(|place| self.charters.get(*place))
    }
    /// The compact form of the statement of this digest.
    pub(super) fn statement(&self, digest: Digest) -> Option<&[u8]> {
        self.statements.get(&digest).map(String::as_bytes)
    }
    /// The documents, statements and entries: path, digest, bytes.
    pub(super) fn records(&self) -> impl Iterator<Item = (String, Digest, &[u8])> {
        let manifest = [(bag::MANIFEST_PATH.to_owned(), self.manifest.digest(), self.manifest.bytes())];
        let charters = self.charters.iter().map(|c| (bag::charter_path(c.version), c.digest(), c.bytes()));
        let statements = self.statements.iter().map(|(d, s)| (bag::statement_path(*d), *d, s.as_bytes()));
        let entries = self.entries.iter().map(|(index, (d, bytes))| (bag::entry_path(*index), *d, bytes.as_slice()));
        manifest.into_iter().chain(charters).chain(statements).chain(entries)
    }
}

/// Chooses what of the log belongs into a package, of all that was logged before `published`: of the communiqué, the entries
/// from the signed revision's on, and earlier declarations that a signature names; the charters that came into force, with
/// every adoption of them; the full powers that the acts name, and their revocations; and the package of what is corrected.
/// The caller hands in both streams, then what is wanted.
#[derive(Debug)]
pub struct Gathering {
    contents: Contents,
    until: Until,
    wanted: BTreeSet<(PartyId, Digest)>,
}

impl Gathering {
    /// Begins with the whole streams of the communiqué and of the exchange, in order. What they hold from `until` on is left
    /// out.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if the streams hold no signed and completed revision, or what their bytes fail to parse
    /// with.
    pub fn new(
        communique: impl IntoIterator<Item = Logged>,
        exchange: impl IntoIterator<Item = Logged>,
        until: Until,
    ) -> Result<Self, Refusal> {
        let (mut signed, mut declared) = (vec![], BTreeMap::new());
        let mut complete = false;
        for logged in communique.into_iter().filter(|l| l.index < until.index) {
            let entry: Entry = json::parse(&logged.bytes)?;
            match entry.kind {
                Kind::Revision => {
                    let earlier = std::mem::replace(&mut signed, vec![(logged, entry)]);
                    declared.extend(earlier.into_iter().filter_map(|(l, e)| Some((*e.statements.first()?, (l, e)))));
                }
                kind => {
                    complete |= kind == Kind::Completed;
                    signed.push((logged, entry));
                }
            }
        }
        let (Some((first, _)), true) = (signed.first(), complete) else {
            return Err(lacks(msg!("completed revision")));
        };
        let manifest = first.objects.first().ok_or_else(|| lacks(msg!("manifest")))?.clone();
        let mut gathering = Self { contents: Contents::of(Document::parse(manifest)?), until, wanted: BTreeSet::new() };
        for (logged, entry) in signed {
            let acts = gathering.acts(logged, &entry)?;
            let named = acts.iter().filter_map(|act| declared.remove(&given_with(act)?));
            for (logged, entry) in named.collect::<Vec<_>>() {
                gathering.acts(logged, &entry)?;
            }
        }
        gathering.charters(exchange)?;
        Ok(gathering)
    }
    /// The grants whose entries are still to be handed in: by party and digest.
    pub fn wanted(&self) -> impl Iterator<Item = (&PartyId, &Digest)> {
        self.wanted.iter().map(|(party, grant)| (party, grant))
    }
    /// Takes the entry that records a wanted grant, and the entry of its revocation, if there is one by now.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if they record none, or what their bytes fail to parse with.
    pub fn grant(&mut self, logged: Logged, revocation: Option<Logged>) -> Result<(), Refusal> {
        let entry: Entry = json::parse(&logged.bytes)?;
        let (Kind::Powers, StreamId::Party(party), Some(digest)) =
            (entry.kind, &entry.stream, entry.statements.first())
        else {
            return Err(lacks(msg!("grant")));
        };
        if !self.wanted.remove(&(party.clone(), *digest)) {
            return Err(lacks(msg!("grant that is wanted")));
        }
        let stream = entry.stream.clone();
        self.take(logged, &entry)?;
        let Some(revocation) = revocation.filter(|r| r.index < self.until.index) else { return Ok(()) };
        let entry: Entry = json::parse(&revocation.bytes)?;
        if (entry.kind, &entry.stream) != (Kind::Revocation, &stream) {
            return Err(lacks(msg!("revocation of the grant")));
        }
        self.take(revocation, &entry).map(drop)
    }
    /// What the manifest corrects: its package is wanted.
    #[must_use]
    pub fn rectifies(&self) -> Option<Rectifies> {
        self.contents.manifest.rectifies
    }
    /// Takes digest and size of the package of what is corrected, as it lies in this one, and what
    /// [`Contents::proven`] answers of it.
    pub fn original(&mut self, sha256: Digest, size: u64, proven: BTreeSet<u64>) {
        let part = |r: Rectifies| Part { path: bag::original_path(r.communique), size, sha256 };
        self.contents.original = self.rectifies().map(part);
        self.contents.originals = proven;
    }
    /// The contents.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] while a grant or the original is wanted; [`Refusal::LimitReached`] for more than a package
    /// holds.
    pub fn finish(self) -> Result<Contents, Refusal> {
        if let Some((party, grant)) = self.wanted.first() {
            return Err(lacks(msg!("grant {grant} of {party}", grant, party)));
        }
        if self.contents.original.is_none() && self.rectifies().is_some() {
            return Err(lacks(msg!("package of what is corrected")));
        }
        if self.contents.originals.len() > ORIGINALS_ENTRIES_LIMIT {
            let what = msg!("entries in the packages of what is corrected");
            return Err(Refusal::LimitReached { what, limit: ORIGINALS_ENTRIES_LIMIT as u64 });
        }
        let files = self.contents.records().count() + self.contents.parts().count();
        // Beside these lie the `published` entry, the README, six tag files and the certified copy.
        if files + 9 > FILES_LIMIT {
            return Err(Refusal::LimitReached { what: msg!("files of a package"), limit: FILES_LIMIT as u64 });
        }
        // With the proof of `published`, and a time stamp.
        let evidence = self.contents.proven(u64::MAX).len() + 1;
        if files + 9 + evidence > Limits::PACKAGE.entries {
            return Err(Refusal::LimitReached {
                what: msg!("files of a package, with its proofs"),
                limit: Limits::PACKAGE.entries as u64,
            });
        }
        let fixed = bag::README.len() + STATEMENT_LIMIT;
        let records = self.contents.records().map(|(.., bytes)| bytes.len()).sum::<usize>();
        if records + (files + 9) * LISTING_BYTES + fixed > RECORDS_LIMIT {
            return Err(Refusal::LimitReached {
                what: msg!("bytes of a package's records"),
                limit: RECORDS_LIMIT as u64,
            });
        }
        Ok(self.contents)
    }

    /// Keeps an entry of the communiqué; answers the acts that it records for the first time, whose grants are wanted.
    fn acts(&mut self, logged: Logged, entry: &Entry) -> Result<Vec<Act>, Refusal> {
        let mut acts = vec![];
        let statements = self.take(logged, entry)?;
        if matches!(entry.kind, Kind::Revision | Kind::Act) {
            for compact in statements {
                let act = Unverified::<Act>::parse(&compact)?.claims().clone();
                self.wanted.insert((act.party.clone(), act.grant));
                acts.push(act);
            }
        }
        Ok(acts)
    }
    /// Keeps the charters that came into force, and every adoption of them.
    fn charters(&mut self, exchange: impl IntoIterator<Item = Logged>) -> Result<(), Refusal> {
        let (mut charters, mut stream) = (Charters::default(), vec![]);
        for logged in exchange.into_iter().filter(|l| l.index < self.until.index) {
            let entry: Entry = json::parse(&logged.bytes)?;
            let digest = Digest::of(&logged.bytes);
            charters.apply(Recorded { index: logged.index, digest, entry: &entry, objects: &logged.objects })?;
            stream.push((logged, entry));
        }
        let chain = charters.chain(self.until.time);
        let in_force: BTreeSet<_> = chain.iter().map(|s| s.digest()).collect();
        self.contents.take_charters(chain.iter().map(|s| s.charter().clone()).collect());
        for (logged, entry) in stream {
            let of = match (entry.kind, logged.objects.first()) {
                (Kind::Charter, _) => entry.documents.first().copied(),
                (_, Some(adoption)) => {
                    let compact = std::str::from_utf8(adoption).map_err(|_| lacks(msg!("adoption in UTF-8")))?;
                    Some(Unverified::<Adoption>::parse(compact)?.claims().charter)
                }
                _ => None,
            };
            if of.is_some_and(|of| in_force.contains(&of)) {
                self.take(logged, &entry)?;
            }
        }
        Ok(())
    }
    /// Keeps an entry and its statements; answers these.
    fn take(&mut self, logged: Logged, entry: &Entry) -> Result<Vec<String>, Refusal> {
        let mut statements = vec![];
        for bytes in logged.objects.into_iter().skip(entry.documents.len()) {
            let compact = String::from_utf8(bytes).map_err(|_| lacks(msg!("statement in UTF-8")))?;
            self.contents.statements.insert(Digest::of(compact.as_bytes()), compact.clone());
            statements.push(compact);
        }
        self.contents.entries.insert(logged.index, (Digest::of(&logged.bytes), logged.bytes));
        Ok(statements)
    }
}

fn lacks(what: Message) -> Refusal {
    Refusal::Inconsistent { what: msg!("the log lacks what a package needs ({what})", what) }
}

/// A file of a package.
enum Item {
    /// Made of log and constants.
    Made(Vec<u8>),
    /// A text, an annex, or the package of what is corrected.
    Part(Part, PartDigests),
    /// The proof of the entry of this index.
    Proof(u64),
}

/// Writes a package from front to back, without waiting: texts, annexes and an original are pushed in when it asks for them, and
/// what it wrote can be taken from [`PackageWriter::target`] between any two calls.
///
/// ```text
/// while let Some(part) = writer.next_part() { …; writer.part_bytes(piece)?; …; writer.end_part()?; }
/// writer.finish()?
/// ```
pub struct PackageWriter<W: Write> {
    zip: Writer<W>,
    folder: String,
    items: VecDeque<(String, Item)>,
    evidence: Option<Evidence>,
}

impl<W: Write> PackageWriter<W> {
    /// Begins a package. `published` is index and bytes of the `published` entry; `parts` holds the digests of every one of
    /// [`Contents::parts`] by path, from a first pass over them. Without `evidence` it is the package as it lies in that of what
    /// corrects it, which proves its entries; whoever fetches a package by itself gets one with evidence.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if the entry does not parse, a part is missing or is not what the manifest names, or the
    /// evidence is not of exactly [`Contents::proven`]; or what the underlying writer says.
    pub fn new(
        to: W,
        contents: &Contents,
        published: (u64, &[u8]),
        certified: &Statement<CertifiedCopy>,
        parts: &BTreeMap<String, PartDigests>,
        evidence: Option<Evidence>,
    ) -> io::Result<Self> {
        let (index, bytes) = published;
        let entry: Entry = json::parse(bytes).map_err(|e| invalid(e.to_string()))?;
        let mut payload = contents.digested(&BTreeMap::new());
        payload.insert(bag::entry_path(index), PartDigests::of(bytes));
        payload.insert(bag::README_PATH.to_owned(), *bag::README_DIGESTS);
        for part in contents.parts() {
            let found = parts.get(&part.path).filter(|d| (d.size, d.sha256) == (part.size, part.sha256));
            let missing = || invalid(format!("{} is not there or not what the manifest names", part.path));
            payload.insert(part.path.clone(), *found.ok_or_else(missing)?);
        }
        let certified = certified.compact().as_bytes();
        let mut shown = BTreeMap::from([(bag::CERTIFIED_PATH.to_owned(), Item::Made(certified.to_vec()))]);
        let mut digests = BTreeMap::from([(bag::CERTIFIED_PATH.to_owned(), PartDigests::of(certified))]);
        if let Some(evidence) = &evidence {
            if !evidence.indices().eq(contents.proven(index)) {
                return Err(invalid("the evidence is not of the entries that the package shows".into()));
            }
            for index in evidence.indices() {
                let proof = evidence.proof(index).map_err(|e| invalid(e.to_string()))?;
                digests.insert(bag::proof_path(index), PartDigests::of(proof.as_bytes()));
                shown.insert(bag::proof_path(index), Item::Proof(index));
            }
            if let Some(stamp) = evidence.stamp() {
                digests.insert(bag::STAMP_PATH.to_owned(), PartDigests::of(stamp));
                shown.insert(bag::STAMP_PATH.to_owned(), Item::Made(stamp.to_vec()));
            }
        }
        let tags = bag::tag_files(&contents.manifest, entry.time, &payload, &digests);
        let made = |(path, _, bytes): (_, _, &[u8])| (path, Item::Made(bytes.to_vec()));
        let mut data: BTreeMap<_, _> = contents.records().map(made).collect();
        data.insert(bag::entry_path(index), Item::Made(bytes.to_vec()));
        data.insert(bag::README_PATH.to_owned(), Item::Made(bag::README.as_bytes().to_vec()));
        let part = |p: Part| payload.get(&p.path).map(|digests| (p.path.clone(), Item::Part(p, *digests)));
        data.extend(contents.parts().filter_map(part));
        let tags = tags.into_iter().map(|(path, bytes)| (path.to_owned(), Item::Made(bytes)));
        let mut writer = Self {
            zip: Writer::new(to, bag::archive_time(entry.time)),
            folder: bag::folder(contents.manifest.communique),
            items: tags.chain(data).chain(shown).collect(),
            evidence,
        };
        writer.advance()?;
        Ok(writer)
    }
    /// The text, annex or original whose bytes come next; `None` when all are in.
    pub fn next_part(&self) -> Option<&Part> {
        match self.items.front() {
            Some((_, Item::Part(part, _))) => Some(part),
            _ => None,
        }
    }
    /// The next bytes of that part.
    ///
    /// # Errors
    /// For more bytes than announced, or what the underlying writer says. The package is lost then.
    pub fn part_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zip.piece(bytes)
    }
    /// Completes that part and goes on to the next.
    ///
    /// # Errors
    /// If its bytes are not those of the first pass, or what the underlying writer says. The package is lost then.
    pub fn end_part(&mut self) -> io::Result<()> {
        self.zip.end()?;
        self.items.pop_front();
        self.advance()
    }
    /// Where the bytes go to: a buffer may be emptied between two calls.
    pub fn target(&mut self) -> &mut W {
        self.zip.target()
    }
    /// Completes the package and gives the underlying writer back.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] while a part is missing, or what the underlying writer says.
    pub fn finish(self) -> io::Result<W> {
        match self.next_part() {
            Some(part) => Err(invalid(format!("{} was not written", part.path))),
            None => self.zip.finish(),
        }
    }

    /// Writes everything up to the next part, and that part's header.
    fn advance(&mut self) -> io::Result<()> {
        while let Some((path, item)) = self.items.front() {
            let name = format!("{}/{path}", self.folder);
            match item {
                Item::Made(bytes) => self.zip.small(&name, bytes)?,
                Item::Part(_, digests) => return self.zip.begin(&name, digests.size, digests.crc32),
                Item::Proof(index) => {
                    // Made when it is its turn: all together share most of their bytes.
                    let proof = self.evidence.as_ref().map(|evidence| evidence.proof(*index)).transpose();
                    let proof = proof.map_err(|e| invalid(e.to_string()))?.unwrap_or_default();
                    self.zip.small(&name, proof.as_bytes())?;
                }
            }
            self.items.pop_front();
        }
        Ok(())
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        charter::PARTIES_LIMIT,
        id::Salt,
        manifest::{ANNEXES_LIMIT, Manifest},
        samples::{World, key, names, party},
        succession::{SUCCESSION_BYTES_LIMIT, SUCCESSION_ENTRIES_LIMIT},
        words::{LANGUAGES_LIMIT, PROSE_LIMIT, Prose},
    };

    /// Two adoptions by each party of the last charter, and of the one before it, which the limits of succession let pass.
    const LAST_ADOPTIONS: usize = 4 * PARTIES_LIMIT;

    #[test]
    fn every_lawful_history_fits() {
        let succession = SUCCESSION_ENTRIES_LIMIT as usize + LAST_ADOPTIONS + 1;
        // One act that takes it back, with its full powers and their end, goes beyond what a party may bring.
        let files = 2 * succession + PARTIES_LIMIT * (PARTY_FILES_LIMIT + 6) + LANGUAGES_LIMIT + ANNEXES_LIMIT;
        assert!(files + 2 + 3 + 9 <= FILES_LIMIT, "{files}");
        // Half of what a party brings, and of what the succession brings, are entries; then `published`. Beside their proofs there
        // are those of what it corrects, and a time stamp.
        let entries = succession + PARTIES_LIMIT * (PARTY_FILES_LIMIT / 2 + 3) + 1;
        let proofs = entries + ORIGINALS_ENTRIES_LIMIT;
        let stamp = 1;
        let all = files + 2 + 3 + 9 + proofs + stamp;
        assert!(all <= Limits::PACKAGE.entries, "{files} {proofs}");
        assert!(entries <= ORIGINALS_ENTRIES_LIMIT, "every lawful history can be corrected: {entries}");
        let statement = STATEMENT_LIMIT + ENTRY_BYTES;
        let parties =
            PARTIES_LIMIT * (PARTY_RECORDS_LIMIT + 48 * 1366 + 64 * 1366 + REVOCATION_BYTES + 4 * ENTRY_BYTES);
        let charters = SUCCESSION_BYTES_LIMIT + Charter::LIMIT + LAST_ADOPTIONS * (6 << 10) + succession * ENTRY_BYTES;
        let fixed = Manifest::LIMIT + 2 * statement + bag::README.len() + FILES_LIMIT * LISTING_BYTES;
        assert!(parties + charters + fixed <= RECORDS_LIMIT, "{} {} {}", parties, charters, fixed);
    }

    #[test]
    fn one_party_cannot_fill_a_package() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        world.propose().unwrap();
        world.open();
        let long = names(&"é".repeat(500));
        let refused = (0..20).find_map(|n| {
            let mut powers = world.powers("north", &format!("h{n}"));
            let each = |l: &str| (l.parse().unwrap(), long.iter().next().unwrap().1.clone());
            let many = ["ar", "de", "en", "es", "fr", "it", "ja", "pt", "ru", "zh", "el", "fi", "ko", "nl", "pl", "sv"];
            powers.holder.titles = crate::domain::words::Names::new(many.map(each)).unwrap();
            powers.holder.names = powers.holder.titles.clone();
            world.grant(powers).unwrap();
            let act = world.act(ActKind::SignAdReferendum, "north", &format!("h{n}"));
            let signed = Statement::sign(act.clone(), &key(&format!("north.h{n}"))).unwrap();
            let within = within(&world.life, &world.records[&party("north")], &signed);
            world.submit(act).map_err(|e| (n, e)).and(within.map_err(|e| (n, e))).err()
        });
        let (n, refused) = refused.unwrap();
        assert_eq!((refused.reason(), n > 8), ("LIMIT_REACHED", true), "{refused}");
        let decline = world.act(ActKind::Decline, "north", "a1");
        let decline = Statement::sign(decline, &key("north.a1")).unwrap();
        within(&world.life, &world.records[&party("north")], &decline).unwrap();
        let sign = Statement::sign(world.act(ActKind::Sign, "south", "a1"), &key("south.a1")).unwrap();
        within(&world.life, &world.records[&party("south")], &sign).unwrap();
    }

    /// What is reckoned with before anything is logged is enough for whatever is logged then.
    #[test]
    fn no_entry_revocation_or_listing_takes_more_than_is_reckoned() {
        let world = World::new(&[("north", 1), ("south", 1)]);
        let digest = Digest::of(b"any");
        for (kind, stream) in [
            (Kind::Revision, StreamId::Communique(world.id)),
            (Kind::Revocation, StreamId::Party(party(&"p".repeat(32)))),
        ] {
            let entry = Entry {
                documents: vec![digest; usize::from(kind == Kind::Revision)],
                files: None,
                kind,
                previous: Some(digest),
                salt: Salt::new([0xFF; 32]),
                seq: json::INTEGER_LIMIT,
                statements: vec![digest],
                stream,
                time: world.now,
            };
            assert!(json::encode(&entry).len() <= ENTRY_BYTES);
        }

        let mut revocation = world.revocation("north", digest);
        revocation.reason = Prose::new("x").unwrap();
        let room = Revocation::LIMIT - json::encode(&revocation).len() + 1;
        // What JSON escapes takes twice the bytes that its limit counts.
        let quotes = room - PROSE_LIMIT;
        revocation.reason = Prose::new(format!("{}{}", "\"".repeat(quotes), "x".repeat(room - 2 * quotes))).unwrap();
        assert_eq!(json::encode(&revocation).len(), Revocation::LIMIT);
        let largest = Statement::sign(revocation, &key("authority of north")).unwrap();
        assert!(largest.compact().len() <= REVOCATION_BYTES);

        let path = bag::statement_path(digest);
        let listed = json::encode(&FileDigest { path: path.clone(), sha256: digest }).len() + ",".len();
        let lines = [64, 128].map(|digits| digits + "  ".len() + path.len() + "\n".len());
        let exact = listed + lines.iter().sum::<usize>();
        assert_eq!(LISTING_BYTES.checked_sub(exact), Some(8), "a few to spare, as long as packages have been made");
    }

    /// An objection of north, which nobody decides on: of so many bytes, and unlike every other of these.
    fn objection(world: &World, holder: &str, number: i64, bytes: usize) -> Statement<Act> {
        let mut act = world.act(ActKind::Object, "north", holder);
        act.time = act.time.plus(number);
        act.reason = Some(Prose::new("x".repeat(bytes)).unwrap());
        Statement::sign(act, &key(&format!("north.{holder}"))).unwrap()
    }
    fn log(world: &mut World, act: &Statement<Act>) {
        let step = Step { kind: Kind::Act, documents: vec![], statements: vec![act.digest()] };
        world.log(vec![step], &[act.compact().into()]);
    }
    fn of_north(world: &World, act: &Statement<Act>) -> Result<(), String> {
        within(&world.life, &world.records[&party("north")], act).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_party_brings_so_many_files_and_no_more() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        world.propose().unwrap();
        // Two files an act, one of which proposed it; four for the full powers of each of two holders, with their end.
        let most = (PARTY_FILES_LIMIT - 2 * 4) / 2;
        for number in 2..most {
            let act = objection(&world, "a1", number as i64, 1);
            log(&mut world, &act);
        }
        let last = objection(&world, "b1", 0, 1);
        assert_eq!(of_north(&world, &last), Ok(()));
        log(&mut world, &last);
        assert_eq!(of_north(&world, &last), Ok(()), "it counts once");
        let beyond = of_north(&world, &objection(&world, "b1", 1, 1)).unwrap_err();
        assert!(beyond.contains("files of one party"), "{beyond}");
    }

    #[test]
    fn a_party_brings_so_many_bytes_and_no_more() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        world.propose().unwrap();
        let grant = world.grant_of("north", "a1");
        let granted = world.records[&party("north")].grants()[&grant].compact.len();
        let proposed = world.life.newest().unwrap().propose.compact.len();
        let mut room = PARTY_RECORDS_LIMIT - (proposed + ENTRY_BYTES) - (granted + REVOCATION_BYTES + 2 * ENTRY_BYTES);
        let mut number = 0;
        let mut next = |world: &World, bytes| {
            number += 1;
            let act = objection(world, "a1", number, bytes);
            (act.compact().len() + ENTRY_BYTES, act)
        };
        while room > 20_000 {
            let (bytes, act) = next(&world, 8000);
            log(&mut world, &act);
            room -= bytes;
        }
        // Three bytes of the payload are four of the statement, so one alone may not end exactly there.
        let exact = (1..=4).find_map(|first| {
            let (bytes, act) = next(&world, first);
            let about = (room - bytes - next(&world, 1).0) / 4 * 3;
            let second = (about - 4..about + 8).find(|second| bytes + next(&world, *second).0 == room)?;
            Some((act, second))
        });
        let (first, second) = exact.unwrap();
        log(&mut world, &first);
        assert_eq!(of_north(&world, &next(&world, second).1), Ok(()));
        let beyond = of_north(&world, &next(&world, second + 1).1).unwrap_err();
        assert!(beyond.contains("bytes of one party"), "{beyond}");
    }

    /// Nothing but the manifest and its one text, until `index`.
    fn gathered(world: &World, index: u64) -> Gathering {
        let contents = Contents::of(Document::of(&world.manifest()).unwrap());
        Gathering { contents, until: Until { index, time: world.now }, wanted: BTreeSet::new() }
    }
    fn numbered(n: usize) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn a_package_is_gathered_up_to_its_limits_and_no_further() {
        let world = World::new(&[("north", 1), ("south", 1)]);
        let finish = |statements: usize, entries: u64, originals: u64, bytes: usize| {
            let mut gathering = gathered(&world, u64::MAX);
            let contents = &mut gathering.contents;
            contents.statements = (0..statements).map(|n| (numbered(n), String::new())).collect();
            contents.entries = (0..entries).map(|n| (n, (numbered(0), vec![]))).collect();
            contents.entries.extend((bytes > 0).then(|| (0, (numbered(0), vec![0; bytes]))));
            contents.originals = (entries..entries + originals).collect();
            gathering.finish().map(drop).map_err(|refusal| refusal.to_string())
        };
        let manifest = gathered(&world, u64::MAX).contents.manifest.bytes().len();
        let fixed = manifest + bag::README.len() + STATEMENT_LIMIT;
        let limit = |n: usize| Limits::PACKAGE.entries - n;
        // Beside what is counted here there are eleven files, and the evidence of two more.
        let rows = [
            ("packages of what is corrected", ORIGINALS_ENTRIES_LIMIT, [0, 0, 1, 0]),
            ("files of a package", FILES_LIMIT - 11, [1, 0, 0, 0]),
            ("with its proofs", limit(13 + 2 * 20_000 + 16_000), [1, 0, 0, 0]),
            ("bytes of a package's records", RECORDS_LIMIT - fixed - 12 * LISTING_BYTES, [0, 0, 0, 1]),
        ];
        for (what, most, of) in rows {
            let others: [usize; 4] = if what == "with its proofs" { [0, 20_000, 16_000, 0] } else { [0; 4] };
            let try_with = |n: usize| {
                let [statements, entries, originals, bytes] = [0, 1, 2, 3].map(|at| others[at] + of[at] * n);
                finish(statements, entries as u64, originals as u64, bytes)
            };
            assert_eq!(try_with(most), Ok(()), "{what}");
            let beyond = try_with(most + 1).unwrap_err();
            assert!(beyond.contains(what), "{what}: {beyond}");
        }
    }

    #[test]
    fn what_was_logged_from_publication_on_is_not_gathered() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        let grant = world.grant_of("north", "a1");
        world.revoke("north", grant).unwrap();
        let logged = |index: usize| {
            let crate::domain::samples::Logged { index, entry, objects, .. } = world.log[index].clone();
            Logged { index, bytes: json::encode(&entry), objects }
        };
        let granted = world.log.iter().position(|l| l.entry.statements == [grant]).unwrap();
        let revoked = world.log.len() - 1;
        for (until, taken) in [(revoked, 1), (revoked + 1, 2)] {
            let mut gathering = gathered(&world, until as u64);
            gathering.wanted.insert((party("north"), grant));
            gathering.grant(logged(granted), Some(logged(revoked))).unwrap();
            assert_eq!(gathering.contents.entries.len(), taken);
        }
        let exchange: Vec<_> =
            (0..world.log.len()).filter(|at| world.log[*at].entry.stream == StreamId::Exchange).collect();
        let last = *exchange.last().unwrap();
        for (until, in_force) in [(last, None), (last + 1, Some(&world.charter))] {
            let mut gathering = gathered(&world, until as u64);
            gathering.charters(exchange.iter().map(|at| logged(*at))).unwrap();
            assert_eq!(gathering.contents.charter(), in_force, "its last adoption puts it in force");
        }
    }
}
