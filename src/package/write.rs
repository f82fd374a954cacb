//! What belongs into a package, and writing it: one function of log and content, so that every call gives the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, Write},
};

use super::{
    bag::{self, PartDigests},
    zip::Writer,
};
use crate::domain::{
    act::Act,
    certified::CertifiedCopy,
    charter::Charter,
    document::Document,
    entry::{Entry, FILES_LIMIT, FileDigest, Kind, Step, StreamId},
    id::{Digest, PartyId},
    json,
    manifest::{Manifest, Part},
    refusal::Refusal,
    statement::{Statement, Unverified},
    time::Time,
};

/// Most bytes of a package's documents, statements and entries together: what a verifier holds in memory.
pub const RECORDS_LIMIT: usize = 128 << 20;

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

/// Everything of a package but its texts, annexes and `published` entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contents {
    pub(super) manifest: Document<Manifest>,
    /// From version 1.
    pub(super) charters: Vec<Document<Charter>>,
    /// Compact forms by digest.
    pub(super) statements: BTreeMap<Digest, String>,
    /// Bytes by log index.
    pub(super) entries: BTreeMap<u64, Vec<u8>>,
}

impl Contents {
    /// The signed manifest.
    #[must_use]
    pub fn manifest(&self) -> &Document<Manifest> {
        &self.manifest
    }
    /// What the `published` entry records, beside [`Contents::files`].
    #[must_use]
    pub fn step(&self) -> Step {
        Step { kind: Kind::Published, documents: vec![self.manifest.digest()], statements: vec![] }
    }
    /// What the `published` entry lists: every file of `data/` but `README.txt` and that entry, by path.
    #[must_use]
    pub fn files(&self) -> Vec<FileDigest> {
        let records = self.records().map(|(path, bytes)| FileDigest { path, sha256: Digest::of(bytes) });
        let parts = self.manifest.parts().map(|p| FileDigest { path: p.path, sha256: p.sha256 });
        let mut files: Vec<_> = records.chain(parts).collect();
        files.sort();
        files
    }
    /// The documents, statements and entries by path.
    pub(super) fn records(&self) -> impl Iterator<Item = (String, &[u8])> {
        let manifest = [(bag::MANIFEST_PATH.to_owned(), self.manifest.bytes())];
        let charters = self.charters.iter().map(|c| (bag::charter_path(c.version), c.bytes()));
        let statements = self.statements.iter().map(|(d, s)| (bag::statement_path(*d), s.as_bytes()));
        let entries = self.entries.iter().map(|(index, bytes)| (bag::entry_path(*index), bytes.as_slice()));
        manifest.into_iter().chain(charters).chain(statements).chain(entries)
    }
}

/// Chooses what of the log belongs into a package: of the communiqué, the entries from the signed revision's to
/// `completed`; the full powers that its acts name; the charters and adoptions logged before completion. The caller hands
/// in both streams, then the entry of each grant in [`Gathering::wanted`].
#[derive(Debug)]
pub struct Gathering {
    contents: Contents,
    wanted: BTreeSet<(PartyId, Digest)>,
}

impl Gathering {
    /// Begins with the whole streams of the communiqué and of the exchange, in order.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if the streams hold no signed and completed revision, or what their bytes fail to parse
    /// with.
    pub fn new(
        communique: impl IntoIterator<Item = Logged>,
        exchange: impl IntoIterator<Item = Logged>,
    ) -> Result<Self, Refusal> {
        let mut signed = vec![];
        for logged in communique {
            let entry: Entry = json::parse(&logged.bytes)?;
            match entry.kind {
                Kind::Revision => signed = vec![(logged, entry)],
                Kind::Published => {}
                _ => signed.push((logged, entry)),
            }
        }
        let (Some((first, _)), Some((last, Entry { kind: Kind::Completed, .. }))) = (signed.first(), signed.last())
        else {
            return Err(lacks("completed revision"));
        };
        let completed = last.index;
        let manifest = first.objects.first().ok_or_else(|| lacks("manifest"))?.clone();
        let mut gathering = Self {
            contents: Contents {
                manifest: Document::parse(manifest)?,
                charters: vec![],
                statements: BTreeMap::new(),
                entries: BTreeMap::new(),
            },
            wanted: BTreeSet::new(),
        };
        for (logged, entry) in signed {
            let statements = gathering.take(logged, &entry)?;
            if matches!(entry.kind, Kind::Revision | Kind::Act) {
                for compact in statements {
                    let act = Unverified::<Act>::parse(&compact)?;
                    gathering.wanted.insert((act.claims().party.clone(), act.claims().grant));
                }
            }
        }
        for logged in exchange.into_iter().filter(|l| l.index < completed) {
            let entry: Entry = json::parse(&logged.bytes)?;
            if entry.kind == Kind::Charter {
                let charter = logged.objects.first().ok_or_else(|| lacks("charter"))?.clone();
                gathering.contents.charters.push(Document::parse(charter)?);
            }
            gathering.take(logged, &entry)?;
        }
        Ok(gathering)
    }
    /// The grants whose entries are still to be handed in: by party and digest.
    pub fn wanted(&self) -> impl Iterator<Item = (&PartyId, &Digest)> {
        self.wanted.iter().map(|(party, grant)| (party, grant))
    }
    /// Takes the entry that records a wanted grant.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if it records none, or what its bytes fail to parse with.
    pub fn grant(&mut self, logged: Logged) -> Result<(), Refusal> {
        let entry: Entry = json::parse(&logged.bytes)?;
        let (StreamId::Party(party), Some(digest)) = (&entry.stream, entry.statements.first()) else {
            return Err(lacks("grant"));
        };
        if !self.wanted.remove(&(party.clone(), *digest)) {
            return Err(lacks("grant that is wanted"));
        }
        self.take(logged, &entry).map(drop)
    }
    /// The contents.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] while a grant is wanted; [`Refusal::LimitReached`] for more than a package holds.
    pub fn finish(self) -> Result<Contents, Refusal> {
        if let Some((party, grant)) = self.wanted.first() {
            return Err(lacks(&format!("grant {grant} of {party}")));
        }
        let files = self.contents.records().count() + self.contents.manifest.parts().count();
        // Beside these lie the `published` entry, the README, six tag files and the certified copy.
        if files + 9 > FILES_LIMIT {
            return Err(Refusal::LimitReached { what: "files of a package".into(), limit: FILES_LIMIT as u64 });
        }
        if self.contents.records().map(|(_, bytes)| bytes.len()).sum::<usize>() > RECORDS_LIMIT {
            return Err(Refusal::LimitReached {
                what: "bytes of a package's records".into(),
                limit: RECORDS_LIMIT as u64,
            });
        }
        Ok(self.contents)
    }

    /// Keeps an entry and its statements; answers these.
    fn take(&mut self, logged: Logged, entry: &Entry) -> Result<Vec<String>, Refusal> {
        let mut statements = vec![];
        for bytes in logged.objects.into_iter().skip(entry.documents.len()) {
            let compact = String::from_utf8(bytes).map_err(|_| lacks("statement in UTF-8"))?;
            self.contents.statements.insert(Digest::of(compact.as_bytes()), compact.clone());
            statements.push(compact);
        }
        self.contents.entries.insert(logged.index, logged.bytes);
        Ok(statements)
    }
}

fn lacks(what: &str) -> Refusal {
    Refusal::Inconsistent { what: format!("the log lacks what a package needs: no {what}") }
}

/// A file of a package.
pub(super) enum Item {
    /// Made of log and constants.
    Made(Vec<u8>),
    /// A text or an annex.
    Part(Part, PartDigests),
}

/// Every file of a package, in the order in which they lie in the archive. `parts` says what each text and annex was found
/// to be, by path.
///
/// # Errors
/// The path of a part that `parts` lacks.
pub(super) fn layout(
    contents: &Contents,
    published: (u64, Time, &[u8]),
    certified: &str,
    parts: &BTreeMap<String, PartDigests>,
) -> Result<Vec<(String, Item)>, String> {
    let (index, time, bytes) = published;
    let mut items: BTreeMap<String, Item> =
        contents.records().map(|(path, bytes)| (path, Item::Made(bytes.to_vec()))).collect();
    items.insert(bag::entry_path(index), Item::Made(bytes.to_vec()));
    items.insert(bag::README_PATH.to_owned(), Item::Made(bag::README.as_bytes().to_vec()));
    for part in contents.manifest.parts() {
        let digests = *parts.get(&part.path).ok_or_else(|| part.path.clone())?;
        items.insert(part.path.clone(), Item::Part(part, digests));
    }
    let payload = items
        .iter()
        .map(|(path, item)| match item {
            Item::Made(bytes) => (path.clone(), PartDigests::of(bytes)),
            Item::Part(_, digests) => (path.clone(), *digests),
        })
        .collect();
    let tags = bag::tag_files(&contents.manifest, time, &payload, certified.as_bytes());
    let mut all: Vec<_> = tags.into_iter().map(|(path, bytes)| (path.to_owned(), Item::Made(bytes))).collect();
    all.extend(items);
    all.push((bag::CERTIFIED_PATH.to_owned(), Item::Made(certified.as_bytes().to_vec())));
    Ok(all)
}

/// Writes a package from front to back, without waiting: texts and annexes are pushed in when it asks for them, and what it
/// wrote can be taken from [`PackageWriter::target`] between any two calls.
///
/// ```text
/// while let Some(part) = writer.next_part() { …; writer.part_bytes(piece)?; …; writer.end_part()?; }
/// writer.finish()?
/// ```
pub struct PackageWriter<W: Write> {
    zip: Writer<W>,
    folder: String,
    items: VecDeque<(String, Item)>,
}

impl<W: Write> PackageWriter<W> {
    /// Begins a package. `published` is index and bytes of the `published` entry; `parts` holds the digests of every text
    /// and annex by path, from a first pass over them.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if the entry does not parse, a part is missing or is not what the manifest names;
    /// or what the underlying writer says.
    pub fn new(
        to: W,
        contents: &Contents,
        published: (u64, &[u8]),
        certified: &Statement<CertifiedCopy>,
        parts: &BTreeMap<String, PartDigests>,
    ) -> io::Result<Self> {
        let (index, bytes) = published;
        let entry: Entry = json::parse(bytes).map_err(|e| invalid(e.to_string()))?;
        for part in contents.manifest.parts() {
            if parts.get(&part.path).is_none_or(|d| (d.size, d.sha256) != (part.size, part.sha256)) {
                return Err(invalid(format!("{} is not there or not what the manifest names", part.path)));
            }
        }
        let items = layout(contents, (index, entry.time, bytes), certified.compact(), parts).map_err(invalid)?;
        let mut writer = Self {
            zip: Writer::new(to, bag::archive_time(entry.time)),
            folder: bag::folder(contents.manifest.communique),
            items: items.into(),
        };
        writer.advance()?;
        Ok(writer)
    }
    /// The text or annex whose bytes come next; `None` when all are in.
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
                Item::Part(_, digests) => return self.zip.stored(&name, digests.size, digests.crc32),
            }
            self.items.pop_front();
        }
        Ok(())
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
