//! A party's witness: it remembers the last head of the log that it cosigned, durably, and cosigns a later one only if that is proven
//! to continue it (C2SP tlog-witness, tlog-cosignature). So an exchange cannot show two truths, or take one back, and have both
//! cosigned. What stands in the log it does not see: that is an audit's matter ([`super::auditing`]), under a certificate that may read.
//! If one runs beside it, what it finds ends the witnessing too ([`Witness::audit`]).
//!
//! What it remembers lies beside its key, in files that its owner alone can read:
//!
//! | file | what it is |
//! | --- | --- |
//! | `KEY.head` | the last head, on the disk before it is cosigned |
//! | `KEY.lock` | held while a witness runs: two of one key could cosign two truths |
//! | `KEY.doubt` | two heads that cannot both be true, or what an audit found. While it lies there, nothing is cosigned |

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    auditing::{self, Report, evidence::Kind},
    reading::Pinned,
    receipts::{Contradiction, Receipts},
    remote::{self, Remote, RemoteError},
    session::Session,
};
use crate::{
    domain::{
        id::{Digest, PartyId},
        key::Signer,
        message::{Fact, Message, Tell},
        refusal::Refusal,
        time::Time,
    },
    log::{
        Fault,
        checkpoint::{Checkpoint, Head, Log, Unverified},
        cosignature::{Cosigner, cosign},
        note::{KeyName, NOTE_LIMIT},
        tree::{CONSISTENCY_LIMIT, Hash},
        witness::{AddCheckpoint, No},
    },
    msg,
    wire::{
        RESPONSE_LIMIT,
        v1::{self, log_service_client::LogServiceClient},
    },
};

/// Largest file that a witness keeps, in bytes: two heads and a proof.
const FILE_LIMIT: usize = 3 * NOTE_LIMIT;

/// Why a witness does not run, or does not cosign.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum WitnessError {
    Io(PathBuf, io::Error),
    Running(PathBuf),
    Broken(PathBuf, Message),
    Doubt(Box<Doubt>),
    NoWitness(String),
    NoHead(Fault),
    Signing(Fault),
    Remote(#[from] RemoteError),
}

impl Tell for WitnessError {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Io(path, error) => msg!("{path}: {error}", path, error),
            Self::Running(path) => {
                msg!("{path}: another witness runs with this key; stop one of them: two could cosign two truths", path)
            }
            Self::Broken(path, problem) => msg!(
                "{path}: this is not what a witness of this exchange has kept ({problem}); do not delete it: bring back what was there, or make a new witness key",
                path,
                problem
            ),
            Self::Doubt(doubt) => return doubt.tell(),
            Self::NoWitness(thumbprint) => msg!(
                "the charter in force gives this key ({thumbprint}) to no witness; give --key the key whose public half stands as `witness` of your party",
                thumbprint
            ),
            Self::NoHead(fault) => msg!(
                "what the exchange shows as the head of its log is none: {fault}; it was not cosigned; ask its operator",
                fault
            ),
            Self::Signing(fault) => msg!("cosigning failed: {fault}", fault),
            Self::Remote(error) => return error.tell(),
        };
        message.into()
    }
}

/// Two heads of one log that cannot both be true, or of which the later was not proven to continue the earlier; or a lie that an audit
/// found: what a witness keeps for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// What is wrong, in English.
    pub what: String,
    /// The same, to be said in any language; only in the run that saw it.
    #[serde(skip)]
    said: Option<Message>,
    /// When it was seen, by this machine's clock.
    pub seen: Time,
    /// Digest of charter 1.
    pub founding: Digest,
    /// The head that it does not go with: the last one cosigned, or of two that were shown at once the one with a proof. A signed note
    /// (C2SP tlog-checkpoint).
    pub known: String,
    /// The one that was shown now: a signed note; empty where an audit found the lie.
    pub shown: String,
    /// The proof that came with it, in base64 (RFC 6962, section 2.1.2); empty where none could help.
    pub proof: Vec<String>,
    /// What an audit found; not there if it was the heads that did not go together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audited: Option<Audited>,
    /// Where it is kept.
    #[serde(skip)]
    file: PathBuf,
}

/// The lie that an audit found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audited {
    /// Of which kind it is.
    pub kind: Kind,
    /// The path of the file of evidence, as the audit wrote it; none if it could not.
    pub evidence: Option<String>,
}

impl Tell for Doubt {
    fn tell(&self) -> Fact {
        let (what, file) = (self.told(), &self.file);
        let message = match &self.audited {
            None => msg!(
                "{what}; this witness cosigns nothing more. Both heads are in {file}: tell the other parties, send them that file, and take it away only when all of you know what happened",
                what,
                file
            ),
            Some(Audited { evidence: Some(evidence), .. }) => msg!(
                "an audit found a lie: {what}; this witness cosigns nothing more. The evidence is in {evidence}: send it to the other parties. Take {file} away only when all of you know what happened",
                what,
                evidence,
                file
            ),
            Some(Audited { evidence: None, .. }) => msg!(
                "an audit found a lie: {what}; this witness cosigns nothing more. The evidence could not be written: tell the other parties. Take {file} away only when all of you know what happened",
                what,
                file
            ),
        };
        message.into()
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tell().fmt(f)
    }
}

impl Doubt {
    /// Where it is kept.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
    /// What is wrong, to be said in any language. Of one that an earlier run kept it is found again in the heads; of an audit's, of
    /// which kind the lie is stands before the English sentence.
    fn told(&self) -> Message {
        let again = || match &self.audited {
            Some(Audited { kind, .. }) => msg!("{kind} (“{observation}”)", kind, observation = self.what),
            None => {
                let head = |note: &str| Unverified::parse(note.as_bytes()).ok().map(|head| head.claims().size());
                let fault = match (head(&self.known), head(&self.shown)) {
                    (Some(old), Some(new)) if old == new => Fault::Forked { size: new },
                    (Some(old), Some(new)) if old > new => Fault::Shrunk { old, new },
                    (Some(old), Some(new)) => Fault::Inconsistent { old, new },
                    _ => return Message::words(self.what.clone()),
                };
                let again = Self::of(&fault);
                if again.to_string() == self.what { again } else { Message::words(self.what.clone()) }
            }
        };
        self.said.clone().unwrap_or_else(again)
    }
    fn of(fault: &Fault) -> Message {
        match fault {
            Fault::Shrunk { old, new } => msg!(
                "the exchange has rolled its log back: it shows one of {new} entries, after this witness had cosigned one of {old}",
                new,
                old
            ),
            Fault::Forked { size } => {
                msg!("the exchange has signed two different logs of {size} entries each: it shows two truths", size)
            }
            Fault::Inconsistent { old, new } => msg!(
                "the exchange does not prove that its log of {new} entries continues the one of {old} that this witness cosigned: what was in it may have been altered",
                new,
                old
            ),
            other => msg!(
                "the exchange does not prove that its log continues what this witness cosigned ({fault})",
                fault = other
            ),
        }
    }
}

/// What is kept of the log between runs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    founding: Digest,
    checkpoint: String,
}

/// What lies beside a witness's key. One process has it at a time.
pub struct Kept {
    key: PathBuf,
    founding: Digest,
    last: Option<Unverified>,
    doubt: Option<Doubt>,
    _lock: File,
}

impl Kept {
    /// Takes up what lies beside this key file, for the exchange of this founding.
    ///
    /// # Errors
    /// [`WitnessError::Doubt`] while a doubt is kept; [`WitnessError::Running`], [`WitnessError::Broken`], [`WitnessError::Io`].
    pub fn open(key: &Path, founding: Digest) -> Result<Self, WitnessError> {
        let lock = beside(key, "lock");
        let io = |e| WitnessError::Io(lock.clone(), e);
        let held = private().truncate(false).open(&lock).map_err(io)?;
        held.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => WitnessError::Running(lock.clone()),
            fs::TryLockError::Error(e) => io(e),
        })?;
        let file = beside(key, "doubt");
        if let Some(doubt) = read::<Doubt>(&file)? {
            return Err(WitnessError::Doubt(Box::new(Doubt { file, ..doubt })));
        }
        let file = beside(key, "head");
        let last = match read::<Sheet>(&file)? {
            None => None,
            Some(sheet) if sheet.founding != founding => {
                return Err(WitnessError::Broken(file, msg!("it is of another exchange")));
            }
            Some(sheet) => Some(
                Unverified::parse(sheet.checkpoint.as_bytes())
                    .map_err(|fault| WitnessError::Broken(file, fault.message()))?,
            ),
        };
        Ok(Self { key: key.into(), founding, last, doubt: None, _lock: held })
    }
    /// Size and root of the last head that was cosigned.
    fn place(&self) -> Option<(u64, Hash)> {
        self.last.as_ref().map(|last| place(last.claims()))
    }
    /// Keeps a head: it is on the disk when this returns.
    fn advance(&mut self, head: &Head) -> Result<(), WitnessError> {
        if self.place() != Some(place(head.checkpoint())) {
            let sheet = Sheet { founding: self.founding, checkpoint: head.to_string() };
            write(&beside(&self.key, "head"), &sheet)?;
        }
        self.last = Some(head.clone().into_unverified());
        Ok(())
    }
    /// Keeps a doubt, and cosigns nothing from now on, also if it cannot be kept.
    fn doubt(&mut self, fault: &Fault, shown: &Unverified, proof: &[Hash], seen: Time) -> WitnessError {
        let last = self.last.clone();
        self.doubt_of(fault, last.as_ref(), shown, proof, seen)
    }
    fn doubt_of(
        &mut self,
        fault: &Fault,
        known: Option<&Unverified>,
        shown: &Unverified,
        proof: &[Hash],
        seen: Time,
    ) -> WitnessError {
        let what = Doubt::of(fault);
        let doubt = Doubt {
            what: what.to_string(),
            said: Some(what),
            seen,
            founding: self.founding,
            known: known.map(|known| known.note().to_string()).unwrap_or_default(),
            shown: shown.note().to_string(),
            proof: proof.iter().map(ToString::to_string).collect(),
            audited: None,
            file: beside(&self.key, "doubt"),
        };
        self.keep(doubt)
    }
    /// Keeps what an audit found, in the same way.
    fn accused(&mut self, lie: &Contradiction, seen: Time) -> WitnessError {
        let evidence = lie.file.as_ref().map(|file| file.display().to_string());
        let doubt = Doubt {
            what: lie.evidence.observation.clone(),
            said: Some(lie.evidence.observed()),
            seen,
            founding: self.founding,
            known: self.last.as_ref().map(|known| known.note().to_string()).unwrap_or_default(),
            shown: String::new(),
            proof: vec![],
            audited: Some(Audited { kind: lie.evidence.kind, evidence }),
            file: beside(&self.key, "doubt"),
        };
        self.keep(doubt)
    }
    fn keep(&mut self, doubt: Doubt) -> WitnessError {
        let doubt = match write(&doubt.file, &doubt) {
            Ok(()) => doubt,
            Err(error) => {
                let what = msg!(
                    "{what} (and that could not be kept: {error}; do not start this witness again)",
                    what = doubt.told(),
                    error
                );
                Doubt { what: what.to_string(), said: Some(what), ..doubt }
            }
        };
        self.doubt = Some(doubt.clone());
        WitnessError::Doubt(Box::new(doubt))
    }
}

/// A witness at work. All that it cosigns, for whoever asks, is judged one after another.
pub struct Witness {
    signer: Arc<dyn Signer>,
    desk: Mutex<Desk>,
}

struct Desk {
    kept: Kept,
    /// The log and the witness's name, as the charter in force says.
    charge: Option<(Log, KeyName)>,
}

/// A head that was cosigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosigned {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signature line, with its newline.
    pub line: String,
}

/// Why a request for a cosignature has none.
#[derive(Debug)]
pub enum Unable {
    /// What the specification has a status for.
    No(No),
    /// It is the witness's own trouble: a doubt, a disk, a key.
    Ours(WitnessError),
}

/// What the exchange shows of its log: the newest head, and the proof that it continues an earlier one.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The newest head.
    pub newest: Unverified,
    /// The head of the same size that came with the proof.
    pub proven: Unverified,
    /// The proof.
    pub proof: Vec<Hash>,
}

impl Witness {
    /// A witness that goes on from what was kept.
    #[must_use]
    pub fn new(kept: Kept, signer: Arc<dyn Signer>) -> Self {
        Self { signer, desk: Mutex::new(Desk { kept, charge: None }) }
    }
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Size and root of the last head that was cosigned.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Hash)> {
        self.desk().kept.place()
    }
    /// That nothing was seen which cannot be true.
    ///
    /// # Errors
    /// [`WitnessError::Doubt`].
    pub fn undoubted(&self) -> Result<(), WitnessError> {
        self.desk().undoubted()
    }
    /// Takes log and name from the charter in force. Heads by the key of the charter before it count too: the last one may stand
    /// until something is logged.
    ///
    /// # Errors
    /// [`WitnessError::NoWitness`] if the charter does not give the key to a party's witness; then nothing is cosigned any more.
    pub fn follow(&self, pinned: &Pinned) -> Result<(), WitnessError> {
        let key = self.signer.public();
        let party = pinned.standing().parties().find(|party| party.witness == Some(key));
        let name = party.and_then(Cosigner::of_party).map(|cosigner| cosigner.hint().name().clone());
        let log = known(pinned).map_err(|fault| RemoteError::Local(fault_of_charter(&fault)))?;
        let mut desk = self.desk();
        desk.charge = name.map(|name| (log, name));
        if desk.charge.is_some() { Ok(()) } else { Err(WitnessError::NoWitness(key.thumbprint())) }
    }
    /// Judges a request of C2SP tlog-witness, "add-checkpoint", at this time.
    ///
    /// # Errors
    /// [`Unable`]. Two signed heads of one size are kept as a doubt; a proof that proves nothing is not, since anybody can send one.
    pub fn add_checkpoint(&self, body: &[u8], now: Time) -> Result<Cosigned, Unable> {
        let request = AddCheckpoint::parse(body).map_err(|fault| Unable::No(No::BadRequest(fault)))?;
        let mut desk = self.desk();
        desk.undoubted().map_err(Unable::Ours)?;
        let log = desk.charge.as_ref().map(|(log, _)| log);
        match request.judge(log, desk.kept.place()) {
            Ok(head) => self.cosign(&mut desk, head, now).map_err(Unable::Ours),
            Err(No::Unprocessable(fault @ Fault::Forked { .. })) => {
                Err(Unable::Ours(desk.kept.doubt(&fault, &request.checkpoint, &request.proof, now)))
            }
            Err(no) => Err(Unable::No(no)),
        }
    }
    /// The last head that was cosigned, with the cosignature if it was given in this run ("Monitor Retrieval Mechanism"); `origin` is
    /// the SHA-256 of the log's origin line, in hex.
    #[must_use]
    pub fn checkpoint(&self, origin: &str) -> Option<String> {
        let desk = self.desk();
        let last = desk.kept.last.as_ref()?;
        let ours = Digest::of(last.claims().origin().as_str().as_bytes());
        (ours.to_string() == origin).then(|| last.note().to_string())
    }
    /// Judges what the exchange showed, after `before` was the last head cosigned, and cosigns it. None if somebody had another head
    /// cosigned meanwhile.
    ///
    /// # Errors
    /// [`WitnessError`]. Whatever does not continue what was cosigned is kept as a doubt.
    pub fn take(
        &self,
        before: Option<(u64, Hash)>,
        shown: &Shown,
        now: Time,
    ) -> Result<Option<Cosigned>, WitnessError> {
        let mut desk = self.desk();
        desk.undoubted()?;
        let Some((log, _)) = &desk.charge else {
            return Err(WitnessError::NoWitness(self.signer.public().thumbprint()));
        };
        let verified = [&shown.newest, &shown.proven].map(|note| note.clone().verify(log));
        let [Ok(newest), Ok(proven)] = verified.clone() else {
            let fault = verified.into_iter().find_map(Result::err);
            return Err(WitnessError::NoHead(fault.unwrap_or(Fault::Unsigned { origin: log.origin().to_string() })));
        };
        let (size, root) = place(newest.checkpoint());
        if place(proven.checkpoint()) != (size, root) {
            // Of two heads of other sizes, one is not what was asked for.
            let fault = match proven.checkpoint().size() {
                same if same == size => Fault::Forked { size },
                other => return Err(WitnessError::NoHead(Fault::Shrunk { old: size, new: other })),
            };
            return Err(desk.kept.doubt_of(&fault, Some(&shown.proven), &shown.newest, &shown.proof, now));
        }
        let (old, _) = before.unwrap_or((0, Hash::EMPTY));
        if desk.kept.place() != before {
            return Ok(None);
        }
        if size < old {
            return Err(desk.kept.doubt(&Fault::Shrunk { old, new: size }, &shown.newest, &[], now));
        }
        let request = AddCheckpoint { old, proof: shown.proof.clone(), checkpoint: shown.newest.clone() };
        match request.judge(Some(log), before) {
            Ok(head) => self.cosign(&mut desk, head, now).map(Some),
            Err(No::Unprocessable(fault)) => Err(desk.kept.doubt(&fault, &shown.newest, &shown.proof, now)),
            Err(No::Conflict { .. }) => Ok(None),
            Err(No::BadRequest(fault) | No::Forbidden(fault)) => Err(WitnessError::NoHead(fault)),
            Err(No::UnknownLog { origin }) => Err(WitnessError::NoHead(Fault::Unsigned { origin })),
        }
    }
    /// Asks the exchange for its newest head, and cosigns it if it is another than the one of this size, which was handed in before.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub async fn look(
        &self,
        remote: &Remote,
        handed_in: Option<u64>,
        now: impl Fn() -> Time,
    ) -> Result<Option<Cosigned>, WitnessError> {
        // What is kept now, and not what it may be when the answer is there: so nothing that was asked for earlier looks rolled back.
        let before = self.last();
        let newest = newest(remote).await?;
        let size = newest.claims().size();
        if before.is_some_and(|(last, root)| (last, root) == place(newest.claims())) && handed_in == Some(size) {
            self.undoubted()?;
            return Ok(None);
        }
        let old = before.map_or(0, |(size, _)| size);
        let shown = if old == 0 || size <= old {
            Shown { proven: newest.clone(), newest, proof: Vec::new() }
        } else {
            let (proven, proof) = continued(remote, old, size).await?;
            Shown { newest, proven, proof }
        };
        let Some(cosigned) = self.take(before, &shown, now())? else { return Ok(None) };
        // An audit beside this may have found a lie since.
        self.undoubted()?;
        submit(remote, &cosigned).await?;
        Ok(Some(cosigned))
    }
    /// Audits all that this party may see, from where the audit before stopped, with a session that may read it; `heard` is told how far
    /// it came, and how far it goes. If a lie is found, it is kept as a doubt, and nothing more is cosigned, before this returns.
    ///
    /// # Errors
    /// What keeps it from being audited, as of [`auditing::audit`]. A lie is no error: it is in the report.
    pub async fn audit(
        &self,
        session: &mut Session,
        receipts: Receipts,
        own: &PartyId,
        heard: impl Fn(u64, u64) + Send + Sync,
        now: impl Fn() -> Time + Send,
    ) -> Result<Report, RemoteError> {
        let report = auditing::audit(session, receipts, own, false, heard).await?;
        if let Some(lie) = &report.lie {
            self.accused(lie, now());
        }
        Ok(report)
    }
    /// What came first stays; if this cannot be kept, the doubt itself says so.
    fn accused(&self, lie: &Contradiction, now: Time) {
        let mut desk = self.desk();
        if desk.kept.doubt.is_none() {
            desk.kept.accused(lie, now);
        }
    }
    /// The head is kept, durably, and only then cosigned.
    fn cosign(&self, desk: &mut Desk, head: Head, now: Time) -> Result<Cosigned, WitnessError> {
        let none = || WitnessError::NoWitness(self.signer.public().thumbprint());
        let name = desk.charge.as_ref().map(|(_, name)| name.clone()).ok_or_else(none)?;
        desk.kept.advance(&head)?;
        let time = u64::try_from(now.unix()).unwrap_or_default();
        let line = cosign(&head, &name, time, &*self.signer).map_err(WitnessError::Signing)?;
        let cosigned = Cosigned { checkpoint: head.checkpoint().clone(), line: line.to_string() };
        if let Ok(head) = head.with([line]) {
            desk.kept.last = Some(head.into_unverified());
        }
        Ok(cosigned)
    }
}

impl Desk {
    fn undoubted(&self) -> Result<(), WitnessError> {
        match &self.kept.doubt {
            Some(doubt) => Err(WitnessError::Doubt(Box::new(doubt.clone()))),
            None => Ok(()),
        }
    }
}

/// The log of the charter in force, by its key and the one before.
fn known(pinned: &Pinned) -> Result<Log, Fault> {
    let newest = Log::of_charter(&pinned.charter().log)?;
    let mut keys = newest.keys().to_vec();
    if let Some(before) = pinned.chain().rev().nth(1) {
        let before = Log::of_charter(&before.charter().log)?;
        let other = before.keys().iter().filter(|key| before.origin() == newest.origin() && !keys.contains(key));
        let other: Vec<_> = other.cloned().collect();
        keys.extend(other);
    }
    Ok(Log::new(newest.origin().clone(), keys))
}

fn place(checkpoint: &Checkpoint) -> (u64, Hash) {
    (checkpoint.size(), checkpoint.root())
}

fn fault_of_charter(fault: &Fault) -> Refusal {
    Refusal::malformed("charter.log", fault.message())
}

fn service(remote: &Remote) -> LogServiceClient<super::line::Line> {
    LogServiceClient::new(remote.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
}

async fn newest(remote: &Remote) -> Result<Unverified, WitnessError> {
    let asked = service(remote).get_checkpoint(remote::call(v1::GetCheckpointRequest {})).await;
    let answer = asked.map_err(remote::reading)?.into_inner();
    Unverified::parse(answer.checkpoint.as_bytes()).map_err(WitnessError::NoHead)
}

async fn continued(remote: &Remote, old: u64, new: u64) -> Result<(Unverified, Vec<Hash>), WitnessError> {
    let request = v1::GetConsistencyProofRequest { old_size: old, new_size: new };
    let answer = service(remote).get_consistency_proof(remote::call(request)).await;
    let answer = answer.map_err(remote::reading)?.into_inner();
    let head = Unverified::parse(answer.checkpoint.as_bytes()).map_err(WitnessError::NoHead)?;
    // What is no proof proves nothing: it is judged as one.
    let hashes = answer.hashes.iter().take(CONSISTENCY_LIMIT + 1);
    let hashes = hashes.map(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).map_or(Hash::EMPTY, Hash::from_bytes));
    Ok((head, hashes.collect()))
}

async fn submit(remote: &Remote, cosigned: &Cosigned) -> Result<(), WitnessError> {
    let (size, cosignature) = (cosigned.checkpoint.size(), cosigned.line.clone());
    let request = v1::SubmitCosignatureRequest { size, cosignature };
    service(remote).submit_cosignature(remote::call(request)).await.map_err(remote::writing)?;
    Ok(())
}

/// KEY.ending of KEY.
fn beside(key: &Path, ending: &str) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.create(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A file that a witness keeps; none if it is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, WitnessError> {
    let io = |e| WitnessError::Io(path.into(), e);
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let broken = |what: Message| WitnessError::Broken(path.into(), what);
    if bytes.len() > FILE_LIMIT {
        return Err(broken(msg!("it has more than {limit} bytes", limit = FILE_LIMIT)));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|e| broken(Message::words(e.to_string())))
}

/// Puts a file in its place: whole, readable by its owner alone, and on the disk before this returns.
fn write(path: &Path, value: &impl Serialize) -> Result<(), WitnessError> {
    let io = |e| WitnessError::Io(path.into(), e);
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| io(e.into()))?;
    bytes.push(b'\n');
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".communique-").tempfile_in(directory).map_err(io)?;
    temporary.write_all(&bytes).and_then(|()| temporary.as_file().sync_all()).map_err(io)?;
    temporary.persist(path).map_err(|e| io(e.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests;
