//! Verifying a package, without network and without unpacking it. No rule is written here a second time: the log is
//! replayed with the domain's own decisions, and what derives from it is made again and compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
};

use serde_json::Value;

use super::{
    bag::{self, PartDigests, PartHasher},
    check::{Check, Failure},
    evidence::{self, LogFound, PROOF_LIMIT, STAMP_LIMIT},
    known::Known,
    replay::{self, Indexed},
    verdict::{CharterFound, Findings, Verdict},
    write::{Contents, RECORDS_LIMIT},
    zip::{self, Archive, Limits, ZipFault},
};
use crate::domain::{
    certified::CertifiedCopy,
    charter::Charter,
    document::Document,
    entry::{Entry, Kind, StreamId},
    id::{CommuniqueId, Digest, Lang},
    json::{self, Form},
    key::SUITE,
    life::Life,
    manifest::{Manifest, Part, RECTIFICATIONS_LIMIT, Rectifies, Text},
    powers::Revocation,
    refusal::Refusal,
    statement::{STATEMENT_LIMIT, TYPE_PREFIX, Unverified},
    succession::{Charters, Standing},
    text::{self, RULES, TEXT_LIMIT},
    time::Time,
};

/// Most characters of a detail, before those that hide are written out.
pub const DETAIL_LIMIT: usize = 1000;

/// Verifies one package, as [`Verifier::verify`].
pub fn verify<R: Read + Seek>(reader: R, pin: Option<Digest>) -> Verdict {
    Verifier::new(pin).verify(reader)
}

/// Verifies packages, by several threads if need be. What those of one exchange share is checked once.
pub struct Verifier {
    pin: Option<Digest>,
    known: Known,
}

impl Verifier {
    /// `pin` is the fingerprint of any version of the charter, got by another way than the packages; without it nothing is
    /// proven, only found consistent.
    #[must_use]
    pub fn new(pin: Option<Digest>) -> Self {
        Self { pin, known: Known::default() }
    }
    /// Verifies a package, and the packages of what it corrects.
    pub fn verify<R: Read + Seek>(&self, mut reader: R) -> Verdict {
        match run(&mut reader, self.pin, &self.known, 0).map(|whole| Box::new(whole.findings)) {
            Ok(findings) if self.pin.is_some() => Verdict::Proven(findings),
            Ok(findings) => Verdict::Unpinned(findings),
            Err(Stop::Read(detail)) => Verdict::CannotRead { detail: told(&detail) },
            Err(Stop::Judge(detail)) => Verdict::CannotJudge { detail: told(&detail) },
            Err(Stop::Fail(Failure { check, detail })) => Verdict::Failed { check, detail: told(&detail) },
        }
    }
}

/// Details may quote the file: nothing of it reaches a terminal raw, and not all of it.
fn told(detail: &str) -> String {
    let cut = detail.char_indices().nth(DETAIL_LIMIT).map_or(detail, |(at, _)| detail.get(..at).unwrap_or_default());
    let more = if cut.len() < detail.len() { " …" } else { "" };
    text::escape_line(cut) + more
}

/// A text of a package that [`verify`] has just judged good, checked again against what it found.
///
/// # Errors
/// In words, if there is no such text or the file was changed since.
pub fn text<R: Read + Seek>(reader: R, findings: &Findings, lang: &Lang) -> Result<String, String> {
    let part = |t: &Text| format!("data/texts/{}.txt", t.lang);
    let text = findings.texts.iter().find(|t| t.lang == *lang).ok_or_else(|| format!("there is no text {lang}"))?;
    let mut bag = Bag::open(reader).map_err(|_| "the file was changed since it was verified".to_owned())?;
    bag.read(&part(text), TEXT_LIMIT, Check::TextDigest)
        .ok()
        .filter(|bytes| Digest::of(bytes) == text.sha256)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| "the file was changed since it was verified".to_owned())
}

/// Why a verification ends early.
enum Stop {
    /// The bytes cannot be read.
    Read(String),
    /// They are of a suite, format or rules that this program does not know.
    Judge(String),
    /// They are wrong.
    Fail(Failure),
}
impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}
impl From<ZipFault> for Stop {
    fn from(fault: ZipFault) -> Self {
        match fault {
            ZipFault::Io(e) => Self::Read(e.to_string()),
            fault => Check::Zip.fails(fault.to_string()).into(),
        }
    }
}

/// What a package is read from. Behind a pointer, since a package may lie in a package.
trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// A package that passed every check, and what one that corrects it is compared with.
struct Whole {
    findings: Findings,
    life: Life,
    /// Digests of the charters, from version 1.
    charters: Vec<Digest>,
    /// What this package and all below it show of the log, by index.
    shown: BTreeMap<u64, Shown>,
}

/// An entry of the log as far as packages of one log are compared.
#[derive(Clone)]
struct Shown {
    digest: Digest,
    stream: StreamId,
    seq: u64,
    previous: Option<Digest>,
    time: Time,
    /// The full powers that it ends.
    ends: Option<Digest>,
}

impl Shown {
    fn of(indexed: &Indexed, contents: &Contents) -> Self {
        let Entry { kind, ref stream, seq, previous, time, .. } = *indexed.entry;
        let ends = || Unverified::<Revocation>::parse(indexed.record(contents).recorded().statement(0).ok()?).ok();
        let revocation = if kind == Kind::Revocation { ends() } else { None };
        let ends = revocation.map(|revocation| revocation.claims().grant);
        Self { digest: indexed.digest, stream: stream.clone(), seq, previous, time, ends }
    }
}

fn run(reader: &mut dyn Source, pin: Option<Digest>, known: &Known, depth: usize) -> Result<Whole, Stop> {
    let outermost = depth == 0;
    let mut bag = Bag::open(reader)?;
    let manifest = bag.manifest()?;
    let files = bag.sorted(&manifest, outermost)?;
    // The original first, before anything else of this package is held in memory.
    let original = match &manifest.rectifies {
        Some(rectifies) => Some(bag.original(rectifies, known, depth)?),
        None => None,
    };
    let charters = bag.charters(&files, &manifest, known)?;
    let pinned = match pin {
        None => None,
        Some(pin) => {
            let named = charters.iter().find(|c| c.digest() == pin);
            Some(named.ok_or_else(|| Check::Pin.fails(format!("no charter here has the fingerprint {pin}")))?.version)
        }
    };
    let statements = bag.statements(&files)?;
    let (part, digests, original) = match original {
        Some((part, digests, whole)) => (Some(part), Some(digests), Some(whole)),
        None => (None, None, None),
    };
    let mut contents = Contents::of(manifest);
    contents.take_charters(charters);
    (contents.statements, contents.original) = (statements, part);
    let records = bag.entries(&files, &mut contents, known)?;
    all_named(&contents, &records)?;

    let replay = replay::replay(&contents, &records, original.as_ref().map(|whole| &whole.life), known)?;
    let mut shown = records.iter().map(|record| (record.index, Shown::of(record, &contents))).collect();
    if let Some(original) = &original {
        shown = of_one_log(original, &contents, &records, shown)?;
        of_its_charters(&original.findings, &contents, &records)?;
    }
    let published = records.last().filter(|r| r.entry.kind == Kind::Published);
    let published = published.ok_or_else(|| Check::Published.fails("the entries do not end with published"))?;
    let published_bytes = contents.entries.remove(&published.index).map(|(_, bytes)| bytes).unwrap_or_default();
    let mut payload = contents.digested(&replay.shared);
    if !contents.lists(&payload, published.entry.files.as_deref().unwrap_or_default()) {
        return Err(Check::PublishedList.fails("the list is not that of the files that are here").into());
    }
    let time = published.entry.time;
    let newest = replay.charters.in_force(time).ok_or_else(|| Check::Published.fails("no charter is in force"))?;
    let certified = bag.certified(&contents, &newest, published)?;
    let mut evidence = BTreeMap::from([(bag::CERTIFIED_PATH.to_owned(), PartDigests::of(certified.as_bytes()))]);
    let log = if outermost { bag.evidence(&files, &shown, &newest, &mut evidence)? } else { None };

    payload.extend(bag.parts(&contents.manifest)?);
    payload.extend(contents.original.iter().map(|part| part.path.clone()).zip(digests));
    payload.insert(bag::entry_path(published.index), PartDigests::beside(published.digest, &published_bytes));
    payload.insert(bag::README_PATH.to_owned(), *bag::README_DIGESTS);
    bag.made(&bag::tag_files(&contents.manifest, time, &payload, &evidence))?;
    if bag.archive.entries().iter().any(|file| file.modified != bag::archive_time(time)) {
        return Err(Check::ZipForm.fails("the archive's time is not that of published").into());
    }
    let findings = Findings::of(&contents, &replay, original.map(|whole| whole.findings));
    let mut findings = findings.ok_or_else(|| Check::Published.fails("there is nothing published"))?;
    findings.pin(pinned);
    findings.log = log;
    Ok(Whole { findings, charters: contents.charters.iter().map(Document::digest).collect(), shown, life: replay.life })
}

/// Where in the archive the records are.
#[derive(Default)]
struct Sorted {
    /// By version.
    charters: BTreeMap<u64, usize>,
    statements: BTreeMap<Digest, usize>,
    /// By index in the log.
    entries: BTreeMap<u64, usize>,
    /// By index in the log.
    proofs: BTreeMap<u64, usize>,
    stamp: Option<usize>,
}

/// A package's archive, whose files lie in the order of their places below the one folder.
struct Bag<R> {
    archive: Archive<R>,
    communique: CommuniqueId,
}

/// Where in the order a path belongs: the six tag files, then `data/`, then what is left.
fn place(path: &str) -> (usize, &str) {
    let tag = bag::TAG_FILES.iter().position(|tag| *tag == path);
    (tag.unwrap_or(bag::TAG_FILES.len() + usize::from(!path.starts_with("data/"))), path)
}
/// The path below the one folder.
fn path(file: &zip::Entry) -> &str {
    file.name.split_once('/').map_or("", |(_, path)| path)
}

impl<R: Read + Seek> Bag<R> {
    fn open(reader: R) -> Result<Self, Stop> {
        let archive = Archive::open(reader, Limits::PACKAGE)?;
        let first = archive.entries().first().and_then(|file| file.name.split_once('/')).map(|(folder, _)| folder);
        let id = first.and_then(|folder| folder.strip_prefix("communique-"));
        let communique = id.and_then(|id| CommuniqueId::parse(id).ok());
        let communique = communique.ok_or_else(|| Check::BagLayout.fails("there is no folder communique-<id>"))?;
        let mut before = None;
        for file in archive.entries() {
            let inside = file.name.split_once('/').filter(|(folder, _)| Some(*folder) == first);
            let astray = || Check::BagLayout.fails(format!("{} is not in the one folder communique-<id>", file.name));
            let place = Some(place(inside.ok_or_else(astray)?.1));
            if place <= before {
                return Err(Check::BagLayout.fails(format!("{} is out of order", file.name)).into());
            }
            before = place;
        }
        Ok(Self { archive, communique })
    }

    /// A file's bytes; over the limit, `check` fails.
    fn read(&mut self, path: &str, limit: usize, check: Check) -> Result<Vec<u8>, Stop> {
        let index = self.index(path)?;
        self.read_at(index, limit, check)
    }
    fn read_at(&mut self, index: usize, limit: usize, check: Check) -> Result<Vec<u8>, Stop> {
        match self.archive.read_small(index, limit) {
            Err(ZipFault::TooLarge { name, .. }) => {
                Err(check.fails(format!("{name} has more than {limit} bytes")).into())
            }
            other => Ok(other?),
        }
    }
    fn index(&self, path: &str) -> Result<usize, Failure> {
        let found = self.archive.entries().binary_search_by(|file| place(self::path(file)).cmp(&place(path)));
        found.map_err(|_| Check::FileMissing.fails(format!("there is no {path}")))
    }

    fn manifest(&mut self) -> Result<Document<Manifest>, Stop> {
        let bytes = self.read(bag::MANIFEST_PATH, Manifest::LIMIT, Check::Manifest)?;
        let manifest: Document<Manifest> = document(bytes, |glance, e| {
            match glance.get("rules").and_then(Value::as_str).filter(|rules| *rules != RULES) {
                Some(rules) => Stop::Judge(format!("the text rules {rules} are not known here")),
                None => Check::Manifest.fails(e.to_string()).into(),
            }
        })?;
        if manifest.communique != self.communique {
            return Err(Check::BagLayout.fails("the folder is named after another communiqué").into());
        }
        Ok(manifest)
    }

    /// Demands that every file is of the layout and every fixed one is there, and bounds what will be held in memory. Answers
    /// where the records are. Proofs are in the outermost package alone.
    fn sorted(&self, manifest: &Manifest, outermost: bool) -> Result<Sorted, Failure> {
        let original = manifest.rectifies.map(|r| bag::original_path(r.communique));
        let parts: BTreeSet<_> = manifest.parts().map(|p| p.path).chain(original).collect();
        let fixed = [bag::MANIFEST_PATH, bag::README_PATH, bag::CERTIFIED_PATH];
        let fixed: BTreeSet<&str> = bag::TAG_FILES.into_iter().chain(fixed).collect();
        for path in fixed.iter().copied().chain(parts.iter().map(String::as_str)) {
            self.index(path)?;
        }
        let mut sorted = Sorted::default();
        let mut bytes = 0;
        for (index, file) in self.archive.entries().iter().enumerate() {
            let path = path(file);
            let within = |before, after| path.strip_prefix(before)?.strip_suffix(after);
            if let Some(version) = within("data/charters/", ".json").and_then(number) {
                sorted.charters.insert(version, index);
            } else if let Some(digest) = within("data/statements/", ".jws").and_then(|d: &str| d.parse().ok()) {
                sorted.statements.insert(digest, index);
            } else if let Some(entry) = within("data/entries/", ".json").and_then(number) {
                sorted.entries.insert(entry, index);
            } else if let Some(entry) = within("evidence/", ".tlog-proof").and_then(number).filter(|_| outermost) {
                sorted.proofs.insert(entry, index);
                continue;
            } else if outermost && path == bag::STAMP_PATH && (1..=STAMP_LIMIT as u64).contains(&file.size) {
                sorted.stamp = Some(index);
                continue;
            } else if parts.contains(path) || bag::TAG_MANIFESTS.contains(&path) {
                continue;
            } else if !fixed.contains(path) {
                return Err(Check::FileExtra.fails(format!("{path} is no file of a package")));
            }
            bytes += file.size;
        }
        if bytes > RECORDS_LIMIT as u64 {
            return Err(Check::FileExtra.fails(format!("the records have more than {RECORDS_LIMIT} bytes")));
        }
        Ok(sorted)
    }

    /// Verifies the package of what the manifest corrects where it lies, and that it is the one that the manifest names.
    fn original(
        &mut self,
        rectifies: &Rectifies,
        known: &Known,
        depth: usize,
    ) -> Result<(Part, PartDigests, Whole), Stop> {
        if depth >= RECTIFICATIONS_LIMIT {
            let why = format!("more than {RECTIFICATIONS_LIMIT} documents are corrected one below another");
            return Err(Check::Rectifies.fails(why).into());
        }
        let path = bag::original_path(rectifies.communique);
        let index = self.index(&path)?;
        let mut hasher = PartHasher::default();
        self.archive.read(index, &mut |piece| hasher.update(piece))?;
        let digests = hasher.finish();
        let whole = run(&mut self.archive.window(index)?, None, known, depth + 1).map_err(|stop| match stop {
            Stop::Fail(Failure { check, detail }) => {
                Check::Rectifies.fails(format!("the original fails at {check}: {detail}")).into()
            }
            stop => stop,
        })?;
        let Findings { communique, manifest, published_entry: entry, .. } = whole.findings;
        if (Rectifies { communique, manifest, entry }) != *rectifies {
            return Err(Check::Rectifies.fails(format!("{path} is not the original that the manifest names")).into());
        }
        Ok((Part { path, size: digests.size, sha256: digests.sha256 }, digests, whole))
    }

    fn charters(&mut self, files: &Sorted, manifest: &Manifest, known: &Known) -> Result<Vec<Document<Charter>>, Stop> {
        let mut charters: Vec<Document<Charter>> = vec![];
        for (version, at) in &files.charters {
            let path = || bag::charter_path(*version);
            let bytes = self.read_at(*at, Charter::LIMIT, Check::Charter)?;
            let charter = known.charter(bytes, |bytes| {
                document(bytes, |glance, e| {
                    let suites = glance.get("suites").and_then(Value::as_array).into_iter().flatten();
                    match suites.filter_map(Value::as_str).find(|suite| *suite != SUITE) {
                        Some(suite) => Stop::Judge(format!("the suite {suite} is not known here")),
                        None => Check::Charter.fails(format!("{}: {e}", path())).into(),
                    }
                })
            })?;
            if charter.version != *version {
                return Err(Check::Charter.fails(format!("{} is version {}", path(), charter.version)).into());
            }
            charters.push(charter);
        }
        let Some(first) = charters.first() else {
            return Err(Check::FileMissing.fails("there is no charter").into());
        };
        if first.version != 1 || first.digest() != manifest.founding {
            return Err(Check::CharterChain.fails("the first must be version 1, and found the manifest").into());
        }
        for (before, next) in charters.iter().zip(charters.iter().skip(1)) {
            if (next.version, next.previous) != (before.version + 1, Some(before.digest())) {
                let why = format!("version {} does not follow version {}", next.version, before.version);
                return Err(Check::CharterChain.fails(why).into());
            }
        }
        Ok(charters)
    }

    fn statements(&mut self, files: &Sorted) -> Result<BTreeMap<Digest, String>, Stop> {
        let mut statements = BTreeMap::new();
        for (digest, at) in &files.statements {
            let bytes = self.read_at(*at, STATEMENT_LIMIT, Check::Statement)?;
            let fails = |what: &str| Check::Statement.fails(format!("{} {what}", bag::statement_path(*digest)));
            if Digest::of(&bytes) != *digest {
                return Err(fails("has another digest").into());
            }
            let compact = String::from_utf8(bytes).map_err(|_| fails("is not UTF-8"))?;
            statements.insert(*digest, compact);
        }
        Ok(statements)
    }

    /// Reads the entries into `contents` and answers them in log order. What they name is there.
    fn entries(&mut self, files: &Sorted, contents: &mut Contents, known: &Known) -> Result<Vec<Indexed>, Stop> {
        let mut entries = vec![];
        for (&index, at) in &files.entries {
            let path = || bag::entry_path(index);
            let bytes = self.read_at(*at, Entry::LIMIT, Check::Entry)?;
            let digest = Digest::of(&bytes);
            let entry = known.entry(digest, &bytes).map_err(|e| Check::Entry.fails(format!("{}: {e}", path())))?;
            if matches!(entry.stream, StreamId::Communique(id) if id != self.communique) {
                return Err(Check::Entry.fails(format!("{} is of another communiqué", path())).into());
            }
            let documents = entry.documents.iter().filter(|digest| contents.document(**digest).is_none());
            let statements = entry.statements.iter().filter(|digest| contents.statement(**digest).is_none());
            if let Some(missing) = documents.chain(statements).next() {
                let why = format!("{} names {missing}, which is not here", path());
                return Err(Check::FileMissing.fails(why).into());
            }
            entries.push(Indexed { index, digest, entry });
            contents.entries.insert(index, (digest, bytes));
        }
        Ok(entries)
    }

    fn certified(&mut self, contents: &Contents, newest: &Standing, published: &Indexed) -> Result<String, Stop> {
        let fails = |e: String| Check::CertifiedCopy.fails(e);
        let bytes = self.read(bag::CERTIFIED_PATH, STATEMENT_LIMIT, Check::CertifiedCopy)?;
        let compact = String::from_utf8(bytes).map_err(|_| fails("it is not UTF-8".into()))?;
        let expected = CertifiedCopy {
            founding: contents.manifest.founding,
            exchange: contents.manifest.exchange.clone(),
            communique: contents.manifest.communique,
            manifest: contents.manifest.digest(),
            published: published.digest,
            index: published.index,
            time: published.entry.time,
        };
        let copy = Unverified::<CertifiedCopy>::parse(&compact)
            .and_then(|copy| copy.verify(&newest.charter().depositary))
            .map_err(|e| fails(e.to_string()))?;
        if *copy.body() != expected {
            return Err(fails("it attests something else than what is here".into()).into());
        }
        Ok(compact)
    }

    /// Verifies that every entry that is shown is in the log, all under one head, and takes what the bag says of the evidence.
    fn evidence(
        &mut self,
        files: &Sorted,
        shown: &BTreeMap<u64, Shown>,
        newest: &Standing,
        evidence: &mut BTreeMap<String, PartDigests>,
    ) -> Result<Option<LogFound>, Stop> {
        if let Some(missing) = shown.keys().find(|index| !files.proofs.contains_key(index)) {
            return Err(Check::FileMissing.fails(format!("there is no {}", bag::proof_path(*missing))).into());
        }
        if let Some(extra) = files.proofs.keys().find(|index| !shown.contains_key(index)) {
            return Err(Check::FileExtra.fails(format!("{} is of no entry here", bag::proof_path(*extra))).into());
        }
        let mut head = None;
        for ((index, entry), at) in shown.iter().zip(files.proofs.values()) {
            let bytes = self.read_at(*at, PROOF_LIMIT, Check::LogProof)?;
            evidence::judge(&bytes, (*index, entry.digest), &mut head, newest)?;
            evidence.insert(bag::proof_path(*index), PartDigests::of(&bytes));
        }
        let mut found = head.map(|head| head.found);
        if let (Some(stamp), Some(found)) = (files.stamp, &mut found) {
            // Not judged: what it says is between its reader and an authority.
            let bytes = self.read_at(stamp, STAMP_LIMIT, Check::FileExtra)?;
            evidence.insert(bag::STAMP_PATH.to_owned(), PartDigests::of(&bytes));
            found.stamped = true;
        }
        Ok(found)
    }

    /// Reads every text and annex as a stream and checks it against the manifest.
    fn parts(&mut self, manifest: &Manifest) -> Result<BTreeMap<String, PartDigests>, Stop> {
        let mut parts = BTreeMap::new();
        for (n, part) in manifest.parts().enumerate() {
            let text = manifest.texts.get(n);
            let check = if text.is_some() { Check::TextDigest } else { Check::AnnexDigest };
            let index = self.index(&part.path)?;
            // Before anything is read, so that a text never takes more memory than the manifest says.
            let size = self.archive.entries().get(index).map(|e| e.size);
            let mut hasher = PartHasher::default();
            let mut whole = vec![];
            if size == Some(part.size) {
                self.archive.read(index, &mut |piece| {
                    hasher.update(piece);
                    if text.is_some() {
                        whole.extend_from_slice(piece);
                    }
                })?;
            }
            let found = hasher.finish();
            if (found.size, found.sha256) != (part.size, part.sha256) {
                return Err(check.fails(format!("{} is not what the manifest names", part.path)).into());
            }
            if let Some(text) = text {
                let fault = text::check_text(&whole, text.dir).err().and_then(|faults| faults.into_iter().next());
                if let Some(fault) = fault {
                    return Err(Check::TextRules.fails(format!("{}: {fault}", part.path)).into());
                }
            }
            parts.insert(part.path, found);
        }
        Ok(parts)
    }

    /// Demands that the README and the tag files are what they must be.
    fn made(&mut self, tags: &[(&str, Vec<u8>)]) -> Result<(), Stop> {
        let tags = tags.iter().map(|(path, bytes)| (*path, bytes.as_slice()));
        for (path, expected) in [(bag::README_PATH, bag::README.as_bytes())].into_iter().chain(tags) {
            let check = match path {
                bag::README_PATH => Check::Readme,
                "bagit.txt" => Check::BagDeclaration,
                "bag-info.txt" => Check::BagInfo,
                "manifest-sha256.txt" | "manifest-sha512.txt" => Check::BagManifest,
                _ => Check::BagTagmanifest,
            };
            if self.read(path, expected.len(), check)? != expected {
                return Err(check.fails(format!("{path} is not what it must be")).into());
            }
        }
        Ok(())
    }
}

/// Demands that the original's charters are the first of these, and that its entries and those of what it corrects are of the
/// same log as these, before what corrects it, and hide nothing from each other. Answers what all together show of the log.
fn of_one_log(
    original: &Whole,
    contents: &Contents,
    records: &[Indexed],
    mut shown: BTreeMap<u64, Shown>,
) -> Result<BTreeMap<u64, Shown>, Failure> {
    let fails = |why: &str| Err(Check::Rectifies.fails(why));
    let ours = contents.charters.iter().map(|charter| Some(charter.digest())).chain(std::iter::repeat(None));
    if original.charters.iter().zip(ours).any(|(theirs, ours)| Some(*theirs) != ours) {
        return fails("the original is of other charters");
    }
    let powers = records.iter().filter(|r| r.entry.kind == Kind::Powers);
    let granted: BTreeSet<_> = powers.flat_map(|r| &r.entry.statements).collect();
    for (index, theirs) in &original.shown {
        match shown.get(index) {
            Some(ours) if ours.digest != theirs.digest => return fails("the original is of another log"),
            Some(_) => {}
            // What the log then held of charters and of full powers that are here belongs here too.
            None if theirs.stream == StreamId::Exchange
                || theirs.ends.is_some_and(|grant| granted.contains(&grant)) =>
            {
                return Err(Check::Rectifies.fails(format!("the original shows entry {index}, which is left out here")));
            }
            None => drop(shown.insert(*index, theirs.clone())),
        }
    }
    let mut streams: BTreeMap<&StreamId, &Shown> = BTreeMap::new();
    for (before, next) in shown.values().zip(shown.values().skip(1)) {
        if next.time < before.time {
            return fails("log time goes back between the original's entries and these");
        }
    }
    for entry in shown.values() {
        let before = streams.insert(&entry.stream, entry);
        let follows = |b: &Shown| entry.seq > b.seq && (entry.seq > b.seq + 1 || entry.previous == Some(b.digest));
        if before.is_some_and(|before| !follows(before)) {
            return fails("the original's streams go on otherwise than these");
        }
    }
    let first = records.iter().find(|r| matches!(r.entry.stream, StreamId::Communique(_)));
    if first.is_some_and(|r| r.index <= original.findings.published_index) {
        return fails("the original was not published before it was corrected");
    }
    Ok(shown)
}

/// Demands that the original shows every charter that was in force when it was published, as the entries here tell it.
fn of_its_charters(original: &Findings, contents: &Contents, records: &[Indexed]) -> Result<(), Failure> {
    let mut charters = Charters::default();
    let before = |r: &&Indexed| r.entry.stream == StreamId::Exchange && r.index < original.published_index;
    for record in records.iter().filter(before).map(|indexed| indexed.record(contents)) {
        charters
            .apply_after_gap(record.recorded(), record.charter)
            .map_err(|e| Check::Rectifies.fails(e.to_string()))?;
    }
    let then = charters.chain(original.published);
    if then.iter().map(|standing| CharterFound::of(standing)).eq(original.charters.iter().cloned()) {
        Ok(())
    } else {
        Err(Check::Rectifies.fails("other charters were in force before the original was published than it shows"))
    }
}

/// Demands that no document and no statement is there that no entry names.
fn all_named(contents: &Contents, records: &[Indexed]) -> Result<(), Failure> {
    let named: BTreeSet<_> = records.iter().flat_map(|r| r.entry.documents.iter().chain(&r.entry.statements)).collect();
    let documents = contents.charters.iter().map(Document::digest).chain([contents.manifest.digest()]);
    let unnamed = documents.chain(contents.statements.keys().copied()).find(|digest| !named.contains(digest));
    unnamed.map_or(Ok(()), |digest| Err(Check::FileExtra.fails(format!("no entry names {digest}"))))
}

/// Parses a document. What is none may be foreign rather than wrong: its type tells, or else `otherwise` from a glance at its
/// members. What is not in canonical form says nothing.
fn document<F: Form>(bytes: Vec<u8>, otherwise: impl FnOnce(&Value, Refusal) -> Stop) -> Result<Document<F>, Stop> {
    Document::parse(bytes.clone()).map_err(|e| {
        let glance = json::any(&bytes).unwrap_or_default();
        match glance.get("type").and_then(Value::as_str) {
            Some(foreign) if foreign.starts_with("communique.v") && !foreign.starts_with(TYPE_PREFIX) => {
                Stop::Judge(format!("the {} is of the format {foreign}, not known here", F::NAME))
            }
            _ => otherwise(&glance, e),
        }
    })
}

/// A number as file names have it: in one spelling.
fn number(digits: &str) -> Option<u64> {
    let one = digits == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
    if one { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_told_in_part_and_says_so() {
        let of = |characters: usize| told(&"é".repeat(characters));
        assert_eq!(of(DETAIL_LIMIT), "é".repeat(DETAIL_LIMIT));
        assert_eq!(of(DETAIL_LIMIT + 1), format!("{} …", "é".repeat(DETAIL_LIMIT)));
    }
}
