//! Receipts: what a party keeps of its exchange's log, so that the exchange cannot take back what it has said. The entry and proof of
//! everything that was sent, the highest head and the highest charter that were ever seen; every later call must go together with them.
//!
//! Kept is one folder for each profile and exchange: `head` (the signed note), `charter` (JSON), `entries/INDEX.receipt` (the entry's
//! bytes, a line feed, the tlog-proof; both as they came), `evidence-DIGEST.json`. A file is put in place whole, and is on the disk
//! before anybody is told that something is in the log. Several runs at once take turns at the lock file, and the higher head wins.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    auditing::evidence::{self, Background, Evidence, Kind, Logged},
    proving::Proofs,
    reading::{self, Pinned},
    remote::{RemoteError, Result},
};
use crate::{
    domain::{
        entry::Entry,
        id::Digest,
        json::Form as _,
        message::{Fact, Message, Tell},
        time::Time,
        view::{CharterView, Receipt},
    },
    log::{
        Fault,
        checkpoint::{self, Checkpoint, Head, Log},
        note::NOTE_LIMIT,
        proof::{PROOF_LIMIT, Proof},
        tree::{Hash, verify_consistency},
    },
    msg,
};

/// How many joined heads a session knows without asking again.
const JOINED_LIMIT: usize = 256;
/// Largest kept receipt, in bytes.
pub const RECEIPT_LIMIT: usize = Entry::LIMIT + 1 + PROOF_LIMIT;
/// How often it is tried again to keep a head while other runs keep higher ones.
const ATTEMPTS: usize = 16;

/// The exchange contradicts what it has signed or shown before, or cannot prove what it says.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.tell())]
pub struct Contradiction {
    /// What was seen, with what there is to show for it.
    pub evidence: Evidence,
    /// The file that it was written to.
    pub file: Option<PathBuf>,
}

impl Tell for Contradiction {
    fn tell(&self) -> Fact {
        let observation = self.evidence.observed();
        let message = match &self.file {
            Some(file) => msg!(
                "{observation}. Do not rely on what this exchange shows: keep {file}, tell the other parties and send it to them, and run `communique audit`",
                observation,
                file
            ),
            None => msg!(
                "{observation}. Do not rely on what this exchange shows: tell the other parties, and run `communique audit`",
                observation
            ),
        };
        message.into()
    }
}

/// Where receipts are kept, and what a session knows of the log.
#[derive(Debug)]
pub struct Receipts {
    folder: Option<PathBuf>,
    /// The highest head, where nothing is kept beyond this run.
    seen: Mutex<Option<checkpoint::Unverified>>,
    /// Heads that were joined last, by size and root; held while one is joined.
    joined: tokio::sync::Mutex<VecDeque<(u64, Hash)>>,
}

/// The highest charter that was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Highest {
    version: u64,
    fingerprint: Digest,
}

/// An entry that was sent, as it was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptEntry {
    /// Its index in the log.
    pub index: u64,
    /// Its bytes.
    pub entry: Vec<u8>,
    /// The proof, as it came.
    pub proof: String,
}

impl Receipts {
    /// Keeps nothing beyond this run.
    #[must_use]
    pub fn unkept() -> Self {
        Self { folder: None, seen: Mutex::default(), joined: tokio::sync::Mutex::default() }
    }
    /// Keeps in this folder, which is made: readable by its owner alone.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub fn in_folder(folder: PathBuf) -> io::Result<Self> {
        let mut directory = fs::DirBuilder::new();
        directory.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
        directory.create(folder.join(ENTRIES)).map_err(|e| at(&folder, &e))?;
        let receipts = Self { folder: Some(folder), seen: Mutex::default(), joined: tokio::sync::Mutex::default() };
        // Before anything is sent, not after: that receipts can be kept.
        receipts.locked(|| Ok(()))?;
        Ok(receipts)
    }
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
    /// The highest head that was ever seen, as it was kept.
    ///
    /// # Errors
    /// A file that cannot be read, or is no head.
    pub fn head(&self) -> io::Result<Option<checkpoint::Unverified>> {
        let Some(folder) = &self.folder else {
            return Ok(self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
        };
        let file = folder.join(HEAD);
        let Some(bytes) = read(&file, NOTE_LIMIT)? else { return Ok(None) };
        checkpoint::Unverified::parse(&bytes).map(Some).map_err(|fault| broken(&file, &fault))
    }
    /// What was sent, by index.
    ///
    /// # Errors
    /// Files that cannot be read, or are no receipts.
    pub fn entries(&self) -> io::Result<Vec<KeptEntry>> {
        let Some(folder) = &self.folder else { return Ok(vec![]) };
        let folder = folder.join(ENTRIES);
        let mut kept = Vec::new();
        for file in fs::read_dir(&folder).map_err(|e| at(&folder, &e))? {
            let file = file.map_err(|e| at(&folder, &e))?.path();
            if file.extension().is_some_and(|ending| ending == RECEIPT) {
                let bytes = read(&file, RECEIPT_LIMIT)?.unwrap_or_default();
                kept.push(KeptEntry::parse(&bytes).ok_or_else(|| broken(&file, &msg!("no receipt")))?);
            }
        }
        kept.sort_by_key(|kept| kept.index);
        Ok(kept)
    }
    /// Writes a file of evidence beside what is kept, and answers it as the error that ends the command. Nothing that was kept before
    /// is changed.
    #[must_use]
    pub fn contradiction(&self, evidence: Evidence, now: Time) -> Box<Contradiction> {
        let evidence = evidence.weighed(now);
        let bytes = evidence.to_bytes();
        let name = Digest::of(&bytes).to_string();
        let file = self.folder.as_ref().map(|folder| folder.join(format!("evidence-{}.json", &name[..16])));
        // What cannot be written is told all the same.
        let file = file.filter(|file| put(file, &bytes).is_ok());
        Box::new(Contradiction { evidence, file })
    }

    /// Whether a later charter than these was seen before: perhaps by another run, since they were read.
    pub(super) fn knows_later(&self, case: &Case<'_>) -> io::Result<bool> {
        let Some(folder) = &self.folder else { return Ok(false) };
        let kept = highest(&folder.join(CHARTER))?;
        Ok(kept.is_some_and(|kept| kept.version > case.pinned.charter().version))
    }
    /// Demands that these charters are not older than those seen before, and notes the newest.
    pub(super) fn charters(&self, case: &Case<'_>) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(CHARTER);
        let newest = case.pinned.charter();
        let newest = Highest { version: newest.version, fingerprint: newest.digest() };
        self.locked(|| {
            let kept = highest(&file)?;
            let goes_on = |kept: &Highest| {
                let mut chain = case.pinned.chain().map(|s| (s.charter().version, s.digest()));
                chain.any(|known| known == (kept.version, kept.fingerprint))
            };
            match kept {
                Some(kept) if kept == newest => Ok(None),
                Some(kept) if !goes_on(&kept) => Ok(Some(kept)),
                Some(_) | None => put(&file, &serde_json::to_vec(&newest)?).map(|()| None),
            }
        })?
        .map_or(Ok(()), |kept| {
            let Highest { version, fingerprint } = kept;
            let words = if newest.version < version {
                msg!(
                    "the exchange shows charter {newest} as the one in force, but charter {version} ({fingerprint}) was in force before: it was rolled back",
                    newest = newest.version,
                    version,
                    fingerprint
                )
            } else {
                msg!(
                    "the charters that the exchange shows do not come from charter {version} with the fingerprint {fingerprint}, which was in force before",
                    version,
                    fingerprint
                )
            };
            Err(self.contradiction(case.evidence(Kind::CharterRolledBack, words), case.now).into())
        })
    }

    /// Takes a head that was shown as the newest: it must be signed, and continue the highest that was kept when it was asked for.
    pub(super) async fn newest(
        &self,
        case: &Case<'_>,
        note: &str,
        before: Option<&Checkpoint>,
        proofs: &impl Proofs,
    ) -> Result<Head> {
        let head =
            checkpoint::Unverified::parse(note.as_bytes()).and_then(|head| evidence::signed(&head, &case.logs()));
        let head = head.map_err(|fault| {
            let words = msg!("the exchange shows a head of its log that does not count: {fault}", fault);
            self.contradiction(case.evidence(Kind::Unsigned, words).heads([note.to_owned()]), case.now)
        })?;
        let (size, kept) = (head.checkpoint().size(), self.known(case)?);
        if let (Some(before), Some(kept)) = (before, kept)
            && size < before.size()
        {
            let words = msg!(
                "the exchange shows a log of {size} entries, but it signed one of {before} before: entries are gone, or it shows another log",
                size,
                before = before.size()
            );
            let evidence = case.evidence(Kind::Shrunk, words).heads([kept.note().to_string(), note.to_owned()]);
            return Err(self.contradiction(evidence, case.now).into());
        }
        self.join(case, &head, proofs).await?;
        Ok(head)
    }

    /// The highest head that was kept: still as it was signed, or the file was changed.
    fn known(&self, case: &Case<'_>) -> io::Result<Option<checkpoint::Unverified>> {
        let kept = self.head()?;
        if let Some(Err(fault)) = kept.as_ref().map(|kept| evidence::signed(kept, &case.logs())) {
            return Err(broken(&self.folder.as_deref().unwrap_or(Path::new("")).join(HEAD), &fault));
        }
        Ok(kept)
    }
    /// Demands that a head goes together with the highest one kept, and keeps it if it is higher. Of many receipts under one head the
    /// first asks for a proof, and the others wait for it.
    pub(super) async fn join(&self, case: &Case<'_>, head: &Head, proofs: &impl Proofs) -> Result<()> {
        let mut joined = self.joined.lock().await;
        let this = place(head.checkpoint());
        if joined.contains(&this) {
            return Ok(());
        }
        self.join_to_kept(case, head, proofs).await?;
        joined.truncate(JOINED_LIMIT - 1);
        joined.push_front(this);
        Ok(())
    }
    async fn join_to_kept(&self, case: &Case<'_>, head: &Head, proofs: &impl Proofs) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let kept = self.known(case)?;
            if let Some(kept) = &kept {
                let (old, new) = (kept.claims(), head.checkpoint());
                if place(old) == place(new) {
                    return Ok(());
                }
                let (old, new) = if old.size() <= new.size() { (old, new) } else { (new, old) };
                let hashes = match old.size() {
                    size if size == 0 || size == new.size() => vec![],
                    size => proofs.joining(size, new.size()).await?,
                };
                if let Err(fault) = verify_consistency(place(old), place(new), &hashes) {
                    return Err(self.contradiction(case.apart(&fault, kept, head, &hashes), case.now).into());
                }
                if head.checkpoint().size() < kept.claims().size() {
                    return Ok(());
                }
            }
            if self.replace(kept.as_ref(), head)? {
                return Ok(());
            }
        }
        Err(io::Error::other(msg!("other runs of this program keep changing the kept head; try again")).into())
    }
    /// Keeps a head in place of this one; not if another run has kept another meanwhile.
    fn replace(&self, before: Option<&checkpoint::Unverified>, head: &Head) -> io::Result<bool> {
        let Some(folder) = &self.folder else {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let unchanged = seen.as_ref() == before;
            if unchanged {
                *seen = Some(head.clone().into_unverified());
            }
            return Ok(unchanged);
        };
        self.locked(|| {
            if self.head()?.as_ref() != before {
                return Ok(false);
            }
            put(&folder.join(HEAD), head.to_string().as_bytes()).map(|()| true)
        })
    }

    /// Demands that a receipt proves that its entry is in the log, under a head that goes together with the highest one kept; and keeps
    /// it.
    ///
    /// # Errors
    /// [`RemoteError::Contradicted`] if it does not; [`RemoteError::NotKept`] if it does and cannot be kept.
    pub(super) async fn receipt(&self, case: &Case<'_>, receipt: &Receipt, proofs: &impl Proofs) -> Result<()> {
        let head = self.proven(case, receipt)?;
        self.join(case, &head, proofs).await.map_err(not_kept)?;
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(ENTRIES).join(format!("{:020}.{RECEIPT}", receipt.index));
        let kept = KeptEntry {
            index: receipt.index,
            entry: receipt.entry.clone(),
            proof: receipt.proof.clone().unwrap_or_default(),
        };
        match read(&file, RECEIPT_LIMIT).map_err(RemoteError::NotKept)?.and_then(|bytes| KeptEntry::parse(&bytes)) {
            Some(before) if before.entry == kept.entry => Ok(()),
            Some(before) => {
                let words = msg!(
                    "the exchange now shows another entry {index} of its log than the one that it proved before",
                    index = receipt.index
                );
                let evidence = case.evidence(Kind::OtherEntry, words);
                let evidence = evidence.entry(&before.entry, &[], Some(before.proof));
                let evidence = evidence.entry(&kept.entry, &[], Some(kept.proof));
                Err(self.contradiction(evidence, case.now).into())
            }
            None => put(&file, &kept.to_bytes()).map_err(RemoteError::NotKept),
        }
    }
    /// The head under which a receipt's entry is in the log.
    fn proven(&self, case: &Case<'_>, receipt: &Receipt) -> Result<Head> {
        let Receipt { index, entry, proof } = receipt;
        let lie = |kind, words: Message| {
            let evidence = case.evidence(kind, words).entry(entry, &[], proof.clone());
            Err(self.contradiction(evidence, case.now).into())
        };
        let Some(text) = proof else {
            let words = msg!("the exchange answered without a proof that this is in its log, so it may not be there");
            return lie(Kind::Unproven, words);
        };
        let judged = Proof::parse(text.as_bytes()).and_then(|proof| {
            let head = evidence::under(&proof, Digest::of(entry), &case.logs())?;
            if proof.index() == *index {
                Ok(head)
            } else {
                Err(Fault::NotIncluded { index: *index, size: head.checkpoint().size() })
            }
        });
        match judged {
            Ok(head) => Ok(head),
            Err(fault) => lie(
                Kind::WrongProof,
                msg!(
                    "the exchange's proof that this is entry {index} of its log proves nothing ({fault}), so it may not be there",
                    index,
                    fault
                ),
            ),
        }
    }

    /// Does something while no other run of this program does.
    fn locked<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Some(folder) = &self.folder else { return work() };
        let file = folder.join("lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(&file).map_err(|e| at(&file, &e))?;
        lock.lock().map_err(|e| at(&file, &e))?;
        work()
    }
}

impl KeptEntry {
    /// Reads a kept receipt.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let (entry, proof) = bytes.split_at_checked(end)?;
        let proof = String::from_utf8(proof.strip_prefix(b"\n")?.to_vec()).ok()?;
        Some(Self { index: Proof::parse(proof.as_bytes()).ok()?.index(), entry: entry.to_vec(), proof })
    }
    /// The file: the entry is canonical JSON, and so one line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.entry, b"\n".as_slice(), self.proof.as_bytes()].concat()
    }
}

/// Under which charters something is judged, and what of them goes into a file of evidence.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    pub pinned: &'a Pinned,
    pub succession: Arc<Vec<Logged>>,
    pub now: Time,
}

impl Case<'_> {
    /// The logs that the charters name.
    pub fn logs(&self) -> Vec<Log> {
        evidence::logs(self.pinned.chain())
    }
    /// Which exchange it is.
    pub fn background(&self) -> Background {
        Background {
            exchange: self.pinned.exchange().clone(),
            founding: self.pinned.founding(),
            succession: self.succession.to_vec(),
        }
    }
    /// An observation.
    pub fn evidence(&self, kind: Kind, words: impl Tell) -> Evidence {
        Evidence::new(kind, &self.background(), words)
    }
    /// Two heads that do not go together.
    fn apart(&self, fault: &Fault, kept: &checkpoint::Unverified, head: &Head, hashes: &[Hash]) -> Evidence {
        let (size, other) = (kept.claims().size(), head.checkpoint().size());
        let evidence = if size == other {
            self.evidence(
                Kind::Forked,
                msg!(
                    "the exchange shows a log of {size} entries that differs from the one of {size} entries that it signed before",
                    size
                ),
            )
        } else {
            let (old, new) = (size.min(other), size.max(other));
            let words = msg!(
                "the exchange does not show that its log of {new} entries continues the one of {old} entries that it signed ({fault})",
                new,
                old,
                fault
            );
            self.evidence(Kind::Unjoined, words).joined_by(hashes)
        };
        evidence.heads([kept.note().to_string(), head.to_string()])
    }
}

/// What a file of evidence says of the charters that an exchange shows.
pub(super) fn succession(views: &[CharterView]) -> Vec<Logged> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let logged =
        |(index, entry, object): (u64, &[u8], &[u8])| Logged { index, entry: text(entry), object: text(object) };
    let mut records: Vec<_> = reading::records(views).into_iter().map(logged).collect();
    records.sort_by_key(|record| record.index);
    records
}

/// Whether a head may be of a log that the charters known here do not name yet.
pub(super) fn is_foreign(case: &Case<'_>, note: &[u8]) -> bool {
    let head = checkpoint::Unverified::parse(note).map(|head| evidence::signed(&head, &case.logs()));
    matches!(head, Ok(Err(fault)) if evidence::is_foreign(&fault))
}

/// Size and root.
pub(super) fn place(checkpoint: &Checkpoint) -> (u64, Hash) {
    (checkpoint.size(), checkpoint.root())
}

const HEAD: &str = "head";
const CHARTER: &str = "charter";
const ENTRIES: &str = "entries";
const RECEIPT: &str = "receipt";
/// Largest file that names a charter, in bytes.
const CHARTER_LIMIT: usize = 1 << 10;

/// The highest charter that was seen, if one was.
fn highest(file: &Path) -> io::Result<Option<Highest>> {
    let bytes = read(file, CHARTER_LIMIT)?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|e| broken(file, &e.to_string()))).transpose()
}

/// That something is in the log and only could not be kept.
fn not_kept(error: RemoteError) -> RemoteError {
    match error {
        RemoteError::Io(error) => RemoteError::NotKept(error),
        other => other,
    }
}

/// A file, whole, up to a limit in bytes; none if it is not there.
///
/// # Errors
/// One that cannot be read, or is larger.
pub(super) fn read(file: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let opened = match File::open(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|e| at(file, &e))?,
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(opened, limit as u64 + 1), &mut bytes).map_err(|e| at(file, &e))?;
    if bytes.len() > limit { Err(broken(file, &msg!("more than {limit} bytes", limit))) } else { Ok(Some(bytes)) }
}

/// Puts a file in place, whole, readable by its owner alone, and on the disk before this returns.
///
/// # Errors
/// A folder or file that cannot be written.
pub(super) fn put(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let failed = |e: io::Error| at(file, &e);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(failed)?;
    temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    temporary.persist(file).map_err(|e| failed(e.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn at(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), msg!("{file}: {error}", file, error))
}

pub(super) fn broken(file: &Path, why: &dyn Tell) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        msg!(
            "{file}: {why}: it was changed or cut; put it back from a backup, or move it away to begin anew",
            file,
            why
        ),
    )
}
