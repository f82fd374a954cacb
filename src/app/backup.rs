//! `communiqued backup` and `restore`: copies of an exchange's data that were checked before they are called backups, and again before they
//! are anybody's log.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    config::Data,
    fsck::{self, FsckError, Subject},
};
use crate::{
    domain::{
        entry::Kind,
        id::{Digest, ExchangeName},
        json::{self, Form},
        message::Message,
        refusal::Refusal,
        statement::Type,
        text,
        time::Time,
    },
    exchange::{
        fsck::{At, Continues, Report},
        ports::Store as _,
    },
    log::tree::Hash,
    store::sqlite::{OpenError, Options, SqliteStore, copy_content, copy_log, hold},
};

/// What makes a folder a backup: written last.
pub const FILE: &str = "backup.json";
/// The databases, by name: what a backup holds beside [`FILE`].
const DATABASES: [&str; 2] = ["content.sqlite", "log.sqlite"];
/// What an exchange has and a backup has not.
const LEFT_OUT: [&str; 4] = ["communiqued.toml", "keys", "log.head", "tls"];
/// How often both copies are made, if texts are purged in between, before it is left for another hour.
const ATTEMPTS: usize = 3;
/// Entries that are read at a time to see whether anything was purged.
const BATCH: usize = 64;
/// How much of a file is read at a time, in bytes.
const PIECE: usize = 1 << 20;

/// What a backup is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// `communique.v1.backup`.
    pub r#type: Type,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Digest of charter 1.
    pub founding: Digest,
    /// How many entries its log has.
    pub size: u64,
    /// The root over them, in base64 as in every head.
    pub root: String,
    /// The last entry's time.
    pub last: Time,
    /// Its files, by name.
    pub files: Vec<Copied>,
    /// What an exchange needs beside them and is not here: keys above all.
    pub left_out: Vec<String>,
    /// The program that made it.
    pub program: String,
}

/// A file of a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Its name.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Form for Backup {
    fn called() -> Message {
        Message::words("backup")
    }
    const NAME: &'static str = "backup";
    const LIMIT: usize = 64 << 10;
    fn check(&self) -> Result<(), Refusal> {
        self.r#type.check::<Self>()?;
        json::integer("backup.size", self.size, 1)?;
        self.root.parse::<Hash>()?;
        if !self.files.iter().map(|file| file.path.as_str()).eq(DATABASES) {
            return Err(Refusal::malformed("backup.files", Message::words("must be content.sqlite and log.sqlite")));
        }
        if !self.left_out.iter().map(String::as_str).eq(LEFT_OUT) {
            return Err(Refusal::malformed("backup.left_out", Message::words("must say what is never in a backup")));
        }
        Ok(())
    }
}

/// Why there is no [`Backup`] to be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRead {
    #[error("it has no backup.json, so it is no backup: one that was interrupted, or that failed; take another")]
    None,
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}; it was changed since it was written: use another backup")]
    Malformed(Refusal),
}

/// Reads what a folder says that it is a backup of.
pub(super) fn read(folder: &Path) -> Result<Backup, NotRead> {
    let file = match File::open(folder.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(NotRead::None),
        Err(error) => return Err(NotRead::Io(error)),
    };
    let mut bytes = Vec::new();
    file.take(Backup::LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(NotRead::Io)?;
    json::parse(&bytes).map_err(NotRead::Malformed)
}

impl Backup {
    /// What of the folder's files is not as it was written: each by its name.
    pub(super) fn compare(&self, folder: &Path) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for Copied { path, sha256, size } in &self.files {
            match summed(&folder.join(path), None) {
                Ok((found, digest)) if (found, digest) == (*size, *sha256) => {}
                Ok((found, _)) if found != *size => {
                    wrong.push((path.clone(), format!("it has {found} bytes, and backup.json says {size}")));
                }
                Ok(_) => wrong.push((path.clone(), "its bytes do not have the digest in backup.json".to_owned())),
                Err(error) => wrong.push((path.clone(), error.to_string())),
            }
        }
        wrong
    }
    /// What it says of its log that is not so.
    pub(super) fn disagreements(&self, report: &Report) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut same = |what: &str, said: String, found: Option<String>| {
            if found.as_ref() != Some(&said) {
                let found = found.unwrap_or_else(|| "none".to_owned());
                wrong.push((FILE.to_owned(), format!("it says {what} {said}, and the log has {found}")));
            }
        };
        same("exchange", self.exchange.to_string(), report.exchange.as_ref().map(ToString::to_string));
        same("founding", self.founding.to_string(), report.founding.map(|digest| digest.to_string()));
        same("size", self.size.to_string(), Some(report.size.to_string()));
        same("root", self.root.clone(), report.root.map(|root| root.to_string()));
        same("last", self.last.to_string(), report.last.map(|time| time.to_string()));
        wrong
    }
}

/// What keeps a backup from being made, or from being used. [`fmt::Display`] gives what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BackupError {
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("{0} holds something already; name a folder that is new or empty")]
    NotEmpty(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Fsck(#[from] FsckError),
    #[error("the exchange's log cannot be read; run `communiqued fsck` on it")]
    Log,
    #[error("the log has no charter: there is nothing to back up before the exchange is founded")]
    Unfounded,
    #[error("texts were purged each time that both copies were made; run it again")]
    Purging,
    #[error("what was copied is not sound; the exchange's own data may not be either: run `communiqued fsck` on it")]
    Unsound(Box<Report>),
    #[error("{0}: {1}")]
    NotRead(PathBuf, String),
    #[error("{0} is not as it was written: {1}; use another backup")]
    Altered(PathBuf, String),
    #[error("{from} does not verify; use another backup")]
    NotVerified { from: PathBuf, report: Box<Report> },
    #[error("{0} is a backup of {1}, and the configuration says {2}")]
    OtherExchange(PathBuf, ExchangeName, String),
    #[error("{0} is there: an exchange's data is never overwritten. Move it away, or name another folder")]
    Taken(PathBuf),
    #[error(
        "the backup is another past than {0} says was signed: {1}. Use another backup; if it is the right one, the parties decide: see 'Backup' in docs/OPERATIONS.md"
    )]
    OtherPast(PathBuf, String),
    #[error("{0} is not what was read a moment ago; check the disks, then remove {0} and restore again")]
    Miscopied(PathBuf),
    #[error("it ended early; run it again")]
    Ended,
}

impl BackupError {
    /// What a check found, if that is why.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Unsound(report) | Self::NotVerified { report, .. } => Some(report),
            _ => None,
        }
    }
}

/// How far a backup is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The log is copied.
    Log,
    /// The content is copied.
    Content,
    /// Texts were purged in between: both are copied again.
    Again,
    /// Both are copied as of one past; what was copied is being checked.
    Checking,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "the log is copied",
            Self::Content => "the content is copied",
            Self::Again => "texts were purged meanwhile: both are copied again",
            Self::Checking => "the copies are being checked",
        })
    }
}

/// Copies the data of an exchange, also while it serves, into a new or empty folder; checks the copy; and only then writes what makes it a
/// backup. Only its owner can read it.
///
/// The log is copied before the content: content is durable before an entry names it, so the copies lack nothing but what was purged
/// in between. A purge is logged before anything is erased; if the live log has one that the copy has not, both are copied again.
///
/// # Errors
/// [`BackupError`]: what was written so far stays, and is no backup.
pub async fn backup(
    data: &Data,
    exchange: &str,
    to: &Path,
    mib_per_second: u64,
    mut told: impl FnMut(Step),
) -> Result<Backup, BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::Io(path, error)
    };
    fresh(to)?;
    let copy = Data::at(to.to_owned());
    let mut attempts = 0;
    loop {
        copied(data.log(), copy.log(), copy_log).await?;
        told(Step::Log);
        copied(data.content(), copy.content(), copy_content).await?;
        told(Step::Content);
        if !purged_since(&data.log(), &copy.log()).await? {
            break;
        }
        attempts += 1;
        if attempts == ATTEMPTS {
            return Err(BackupError::Purging);
        }
        told(Step::Again);
        for path in [copy.log(), copy.content()] {
            fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    synced(to).map_err(io(to))?;
    told(Step::Checking);
    let subject = Subject {
        log: copy.log(),
        content: copy.content(),
        head: None,
        exchange: Some(exchange.to_owned()),
        backup: None,
    };
    let report = fsck::examined(subject, mib_per_second).await?;
    if !report.faults.is_empty() {
        return Err(BackupError::Unsound(Box::new(report)));
    }
    let (Some(exchange), Some(founding), Some(root), Some(last)) =
        (report.exchange, report.founding, report.root, report.last)
    else {
        return Err(BackupError::Unfounded);
    };
    let mut files = Vec::new();
    for name in DATABASES {
        let path = to.join(name);
        let (size, sha256) = blocking({
            let path = path.clone();
            move || summed(&path, None)
        })
        .await?
        .map_err(io(&path))?;
        files.push(Copied { path: name.to_owned(), sha256, size });
    }
    let made = Backup {
        r#type: Type::of::<Backup>(),
        exchange,
        founding,
        size: report.size,
        root: root.to_string(),
        last,
        files,
        left_out: LEFT_OUT.map(str::to_owned).into(),
        program: concat!("communiqued ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    // Whole or not at all.
    let (new, path) = (to.join("backup.json.new"), to.join(FILE));
    let mut file = private(&new).map_err(io(&new))?;
    file.write_all(&json::encode(&made)).and_then(|()| file.sync_all()).map_err(io(&new))?;
    fs::rename(&new, &path).map_err(io(&path))?;
    synced(to).map_err(io(to))?;
    let parent = parent(to);
    synced(parent).map_err(io(parent))?;
    Ok(made)
}

async fn copied(
    from: PathBuf,
    to: PathBuf,
    copy: impl FnOnce(&Path, &Path) -> Result<(), OpenError> + Send + 'static,
) -> Result<(), BackupError> {
    Ok(blocking(move || copy(&from, &to)).await??)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BackupError::Ended)
}

/// Whether the log has a purge that its copy has not.
async fn purged_since(log: &Path, copy: &Path) -> Result<bool, BackupError> {
    let unread = |_| BackupError::Log;
    let mut next = SqliteStore::reading(copy, Options::default())?.tree().await.map_err(unread)?.size();
    let live = SqliteStore::reading(log, Options::default())?;
    loop {
        let entries = live.log(next, BATCH).await.map_err(unread)?;
        if entries.iter().any(|stored| stored.entry.kind == Kind::Purged) {
            return Ok(true);
        }
        if entries.is_empty() {
            return Ok(false);
        }
        next += entries.len() as u64;
    }
}

/// A log that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Of which backup.
    pub backup: Backup,
    /// How it stands to the head that lay in the folder.
    pub continues: Continues,
}

impl Backup {
    /// What was made, for people.
    #[must_use]
    pub fn told(&self, folder: &Path) -> String {
        format!(
            "{} holds a backup of {}: {} entries, the last of {}, root {}; it was checked after it was copied.\n\
             Not in it: the exchange's keys, its certificates, its configuration and log.head. Keep the keys elsewhere: without them \
             nobody can serve what is restored.\n",
            text::escape_line(&folder.display().to_string()),
            self.exchange,
            self.size,
            self.last,
            self.root,
        )
    }
}

impl Restored {
    /// What was restored, and what is to be done next, for people.
    #[must_use]
    pub fn told(&self, data: &Data) -> String {
        let folder = text::escape_line(&data.directory.display().to_string());
        let Backup { exchange, size, root, last, .. } = &self.backup;
        let head = match self.continues {
            Continues::Lacks(lacking) => format!(
                "log.head, which lay there, is of a longer log: {lacking} entries that were acknowledged are LACKING. The exchange can be \
                 served and read, and refuses to write (LOG_IN_DOUBT) until the parties have agreed to go on without them: see 'Backup' in \
                 docs/OPERATIONS.md."
            ),
            Continues::Yes => {
                "The log continues log.head, which lay there: nothing that it knows of is lacking.".to_owned()
            }
            Continues::NotAsked | Continues::No | Continues::Unknown => format!(
                "No log.head lay there, so what was acknowledged since cannot be told here. If the one of the lost machine still exists, \
                 put it into {folder} before you serve: else the exchange takes the log as it is, and only witnesses and the parties' \
                 tools find out what is lacking. See 'Backup' in docs/OPERATIONS.md."
            ),
        };
        format!(
            "{folder} holds the data of {exchange}: {size} entries, the last of {last}, root {root}, as the backup says and as they were \
             read again.\n{head}\n\
             Keys, certificates and configuration are not in a backup: put them in their places before you serve.\n"
        )
    }
}

/// Makes an exchange's data of a backup, in a folder that has none. The backup is checked before, whole, and the copy after; only then does it
/// get its name. The backup is only read.
///
/// # Errors
/// [`BackupError`]: there is no log in the folder then that an exchange would serve.
pub async fn restore(from: &Path, data: &Data, exchange: Option<&str>) -> Result<Restored, BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::Io(path, error)
    };
    let kept = read(from).map_err(|why| BackupError::NotRead(from.to_owned(), why.to_string()))?;
    if let Some(expected) = exchange.filter(|expected| *expected != kept.exchange.as_str()) {
        return Err(BackupError::OtherExchange(from.to_owned(), kept.exchange, expected.to_owned()));
    }
    let target = &data.directory;
    if !target.exists() {
        made(target)?;
    }
    vacant(data)?;
    let _locks = [hold(&data.log())?, hold(&data.content())?];
    // Nobody else makes a log here from now on.
    vacant(data)?;

    let backup = Data::at(from.to_owned());
    let subject = Subject {
        log: backup.log(),
        content: backup.content(),
        head: Some(data.head()),
        exchange: exchange.map(str::to_owned),
        backup: None,
    };
    // Bytes first: what was changed is no database to be opened.
    let changed = blocking({
        let (kept, from) = (kept.clone(), from.to_owned());
        move || kept.compare(&from)
    });
    altered(from, changed.await?)?;
    let report = fsck::examined(subject, 0).await?;
    altered(from, kept.disagreements(&report))?;
    let (head, other): (Vec<_>, Vec<_>) = report.faults.listed().iter().partition(|found| found.at == At::Head);
    if !other.is_empty() || report.faults.left_out() > 0 {
        return Err(BackupError::NotVerified { from: from.to_owned(), report: Box::new(report) });
    }
    // That acknowledged entries are lacking is what a backup is like; that it is another log's, or another past, is not.
    if let Some(found) = head.first()
        && !matches!(report.continues, Continues::Lacks(_))
    {
        return Err(BackupError::OtherPast(data.head(), found.what.clone()));
    }

    // The log last: without it there is nothing that an exchange would serve.
    let new = |path: PathBuf| path.with_extension("sqlite.restoring");
    let copies = [(data.content(), DATABASES[0]), (data.log(), DATABASES[1])];
    for (path, name) in &copies {
        let (to, from) = (new(path.clone()), from.join(name));
        let summed = blocking({
            let to = to.clone();
            move || {
                let _ = fs::remove_file(&to);
                let mut file = private(&to)?;
                let read = summed(&from, Some(&mut file))?;
                file.sync_all()?;
                // From the file again: what was read is not what was written until it was seen there.
                Ok((read, self::summed(&to, None)?))
            }
        });
        let (read, written) = summed.await?.map_err(io(&to))?;
        let named = kept.files.iter().find(|file| file.path == *name);
        if read != written || named.is_none_or(|file| (file.size, file.sha256) != written) {
            return Err(BackupError::Miscopied(to));
        }
    }
    let subject = Subject {
        log: new(data.log()),
        content: new(data.content()),
        head: None,
        exchange: exchange.map(str::to_owned),
        backup: None,
    };
    let again = fsck::examined(subject, 0).await?;
    if !again.faults.is_empty() || !kept.disagreements(&again).is_empty() {
        return Err(BackupError::Miscopied(new(data.log())));
    }
    for (path, _) in &copies {
        fs::rename(new(path.clone()), path).map_err(io(path))?;
        synced(target).map_err(io(target))?;
    }
    let parent = parent(target);
    synced(parent).map_err(io(parent))?;
    Ok(Restored { backup: kept, continues: report.continues })
}

/// That nothing is wrong with a backup's files.
fn altered(from: &Path, wrong: Vec<(String, String)>) -> Result<(), BackupError> {
    match wrong.into_iter().map(|(file, what)| format!("{file}: {what}")).reduce(|all, one| format!("{all}; {one}")) {
        None => Ok(()),
        Some(what) => Err(BackupError::Altered(from.to_owned(), what)),
    }
}

/// That neither a log nor content is there, nor what SQLite keeps beside them.
fn vacant(data: &Data) -> Result<(), BackupError> {
    for path in [data.log(), data.content()] {
        for suffix in ["", "-wal", "-journal"] {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            let name = PathBuf::from(name);
            // A link that leads nowhere is there too.
            match fs::symlink_metadata(&name) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(BackupError::Io(name, error)),
                Ok(_) => return Err(BackupError::Taken(name)),
            }
        }
    }
    Ok(())
}

/// A new folder, or one that is empty.
fn fresh(path: &Path) -> Result<(), BackupError> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => made(path),
        Err(error) => Err(BackupError::Io(path.to_owned(), error)),
        Ok(mut entries) => {
            if entries.next().is_some() {
                Err(BackupError::NotEmpty(path.to_owned()))
            } else {
                Ok(())
            }
        }
    }
}

/// Makes a folder that its owner alone may read.
fn made(path: &Path) -> Result<(), BackupError> {
    let mut folder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path).map_err(|error| BackupError::Io(path.to_owned(), error))
}

/// A new file that its owner alone may read.
fn private(path: &Path) -> io::Result<File> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    new.open(path)
}

/// Size and digest of a file, whose bytes go to another if there is one.
fn summed(path: &Path, mut to: Option<&mut File>) -> io::Result<(u64, Digest)> {
    let mut file = File::open(path)?;
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let count = file.read(&mut piece)?;
        let read = piece.get(..count).unwrap_or_default();
        if read.is_empty() {
            return Ok((size, Digest::from_bytes(hash.finalize().into())));
        }
        hash.update(read);
        size += read.len() as u64;
        if let Some(to) = &mut to {
            to.write_all(read)?;
        }
    }
}

fn synced(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
