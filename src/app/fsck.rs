//! `communiqued fsck`: an exchange's data, or a copy of it, read whole and held against itself.

use std::{
    fmt::Write as _,
    fs, io,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    backup::{self, Backup},
    config::{Config, Data},
    store,
};
use crate::{
    domain::{
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest},
        text,
    },
    exchange::{
        fsck::{self as check, At, Found, Need, Report, Scope},
        ports::{ReadFailed, Store},
    },
    log::{checkpoint::Unverified, note::NOTE_LIMIT},
    store::sqlite::{OpenError, Options, SqliteContent, SqliteStore, inspect_content, inspect_log, kept_of},
};

/// Rows that are read at a time.
const KEPT_ROWS: usize = 256;

/// What keeps a check from being made. What is found by one that was made is in its report.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FsckError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("the check ended early; run it again")]
    Ended,
}

/// What is checked: where it lies, and what it must be.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) log: PathBuf,
    pub(super) content: PathBuf,
    /// The file with the last signed head, if there may be one.
    pub(super) head: Option<PathBuf>,
    /// Whose log it must be.
    pub(super) exchange: Option<String>,
    /// What it must be a backup of, and the folder that holds its files.
    pub(super) backup: Option<(PathBuf, Backup)>,
}

/// Checks the data of an exchange, also while it serves, or a copy of it. Reads alone. If it is a backup, its `backup.json` is compared too;
/// of an exchange with a name, that it is this one's log.
///
/// # Errors
/// [`FsckError`] for what cannot be opened: nothing was checked then.
pub async fn fsck(data: &Data, exchange: Option<&str>, mib_per_second: u64) -> Result<Report, FsckError> {
    let folder = data.directory.clone();
    let (kept, unreadable) = match backup::read(&folder) {
        Ok(kept) => (Some((folder, kept)), None),
        Err(backup::NotRead::None) => (None, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let subject = Subject {
        log: data.log(),
        content: data.content(),
        head: Some(data.head()),
        exchange: exchange.map(str::to_owned),
        backup: kept,
    };
    let mut report = examined(subject, mib_per_second).await?;
    if let Some(what) = unreadable {
        report.faults.add(At::File(backup::FILE.to_owned()), what);
    }
    Ok(report)
}

/// Checks the exchange of a configuration whose store is a database: all that the exchange itself reads of it, also while it serves.
///
/// # Errors
/// [`FsckError`] for what cannot be opened: nothing was checked then.
pub async fn of_database(config: &Config, mib_per_second: u64) -> Result<Report, FsckError> {
    let head = last_head(&config.data.head()).map_err(|error| FsckError::Io(config.data.head(), error))?;
    let store = store::log(&config.store, &config.data).await?;
    let content = store::content(&config.store, &config.data).await?;
    Ok(check::fsck(store, content, Scope { head, mib_per_second, ..Scope::default() }).await)
}

pub(super) async fn examined(subject: Subject, mib_per_second: u64) -> Result<Report, FsckError> {
    // Before anything else: whatever is signed and kept while this runs is no less.
    let (head, unread) = match subject.head.as_deref().map(last_head) {
        None => (None, None),
        Some(Ok(head)) => (head, None),
        Some(Err(error)) => (None, Some(error.to_string())),
    };
    let store = Arc::new(SqliteStore::reading(&subject.log, Options::default())?);
    let content = Arc::new(SqliteContent::reading(&subject.content, Options::default())?);
    let in_content = blocking(subject.content.clone(), inspect_content).await??;
    let mut report = check::fsck(store.clone(), content, Scope { head, mib_per_second, ..Scope::default() }).await;
    let in_log = blocking(subject.log.clone(), inspect_log).await??;
    if let Some(what) = unread {
        report.faults.add(At::Head, what);
    }
    for found in in_log.listed().iter().chain(in_content.listed()) {
        tell(&mut report, found);
    }
    unpublished(&mut report, &*store, &subject.content).await?;
    if let (Some(expected), Some(found)) = (&subject.exchange, &report.exchange)
        && *expected != found.to_string()
    {
        let what = format!("it is the log of {found}, and the configuration says {expected}");
        report.faults.add(At::File("log.sqlite".to_owned()), what);
    }
    if let Some((folder, kept)) = subject.backup {
        let files = kept.clone();
        let wrong = blocking(folder, move |folder: &Path| files.compare(folder)).await?;
        for (file, what) in wrong.into_iter().chain(kept.disagreements(&report)) {
            report.faults.add(At::File(file), what);
        }
    }
    Ok(report)
}

async fn blocking<T, F>(path: PathBuf, look: F) -> Result<T, FsckError>
where
    T: Send + 'static,
    F: FnOnce(&Path) -> T + Send + 'static,
{
    tokio::task::spawn_blocking(move || look(&path)).await.map_err(|_| FsckError::Ended)
}

/// The last head that was kept beside a log; none if none was.
fn last_head(path: &Path) -> io::Result<Option<Unverified>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = bytes.get(..NOTE_LIMIT.min(bytes.len())).unwrap_or_default();
    Unverified::parse(bytes).map(Some).map_err(|fault| io::Error::new(ErrorKind::InvalidData, fault))
}

/// Adds what the file's own look found. Of an entry that is listed already it says more exactly what is wrong, and of which stream it is.
fn tell(report: &mut Report, told: &Found) {
    if let At::Entry { index, stream, kind } = &told.at {
        let same = |found: &&mut Found| matches!(&found.at, At::Entry { index: other, .. } if other == index);
        if let Some(found) = report.faults.listed_mut().iter_mut().find(same) {
            if let At::Entry { stream: known, kind: of, .. } = &mut found.at {
                *known = known.take().or_else(|| stream.clone());
                *of = of.or(*kind);
            }
            found.what = format!("{}: {}", found.what, told.what);
            // The row tells whether it is the entry or something that it names.
            if !told.needs.is_empty() {
                found.needs = told.needs.clone();
            }
            return;
        }
    }
    report.faults.add_needing(told.at.clone(), told.what.clone(), told.needs.clone());
}

/// Packages and stamps of what the log does not say is published. A package is made of what is published by then: so the log is asked last.
async fn unpublished(report: &mut Report, log: &dyn Store, content: &Path) -> Result<(), FsckError> {
    // A log of which not all could be folded does not know all that is published.
    if !report.faults.is_empty() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = blocking(content.to_owned(), move |path: &Path| kept_of(path, after, KEPT_ROWS)).await??;
        if page.is_empty() {
            return Ok(());
        }
        after = page.last().copied();
        for id in page {
            let what = match published(log, id).await {
                Ok(true) => continue,
                Ok(false) => "a package or time stamp of it is kept, and the log does not say that it is published",
                Err(ReadFailed) => "a package or time stamp of it is kept, and its entries cannot be read",
            };
            report.faults.add(At::Package(id), what);
        }
    }
}

async fn published(log: &dyn Store, id: CommuniqueId) -> Result<bool, ReadFailed> {
    let (stream, mut next) = (StreamId::Communique(id), 0);
    loop {
        let entries = log.stream(&stream, next, KEPT_ROWS).await?;
        if entries.iter().any(|stored| stored.entry.kind == Kind::Published) {
            return Ok(true);
        }
        if entries.len() < KEPT_ROWS {
            return Ok(false);
        }
        next += entries.len() as u64;
    }
}

/// What was found, for people: a line for each fault with what restores it, and a last line with counts.
#[must_use]
pub fn to_text(report: &Report) -> String {
    let mut said = String::new();
    for found in report.faults.listed() {
        // What lies in a damaged file may be anything.
        let (shown, what) = (text::escape_line(&found.at.to_string()), text::escape_line(&found.what));
        let _ = writeln!(said, "DAMAGED {shown}: {what}");
        if !found.needs.is_empty() {
            let _ = writeln!(said, "        needed: {}", found.needed());
        }
        let _ = writeln!(said, "        restored by: {}", found.at.remedy());
    }
    if report.faults.left_out() > 0 {
        let _ = writeln!(said, "… and {} more at least", report.faults.left_out());
    }
    let counts = &report.counts;
    let verdict = match report.faults.count() {
        0 => "sound".to_owned(),
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    };
    let root = report.root.map_or("unknown".to_owned(), |root| root.to_string());
    let _ = writeln!(
        said,
        "{verdict}: {} of {} entries of {} streams, {} documents and statements, {} nodes, {} communiqués ({} purged), {} cosignatures; \
         {} texts, annexes and packages of {} bytes, {} packages verified, {} time stamps; root {root}",
        counts.entries,
        report.size,
        counts.streams,
        counts.objects,
        counts.nodes,
        counts.communiques,
        counts.purged,
        counts.cosignatures,
        counts.contents,
        counts.content_bytes,
        counts.packages,
        counts.stamps,
    );
    said
}

/// The same for programs, in one line.
#[must_use]
pub fn to_json(report: &Report) -> Value {
    let found: Vec<_> = report.faults.listed().iter().map(fault).collect();
    let counts = &report.counts;
    json!({
        "type": "communique.v1.fsck",
        "sound": report.faults.is_empty(),
        "exchange": report.exchange.as_ref().map(ToString::to_string),
        "founding": report.founding.map(|digest| digest.to_string()),
        "size": report.size,
        "root": report.root.map(|root| root.to_string()),
        "last": report.last.map(|time| time.to_string()),
        "faults": found,
        "faults_left_out": report.faults.left_out(),
        "counts": {
            "entries": counts.entries,
            "objects": counts.objects,
            "nodes": counts.nodes,
            "streams": counts.streams,
            "communiques": counts.communiques,
            "purged": counts.purged,
            "cosignatures": counts.cosignatures,
            "contents": counts.contents,
            "content_bytes": counts.content_bytes,
            "packages": counts.packages,
            "stamps": counts.stamps,
        },
    })
}

fn fault(Found { at, what, needs }: &Found) -> Value {
    let mut value = json!({
        "at": at.to_string(),
        "what": what,
        "restored_by": at.remedy(),
        "needs": needs.iter().map(Digest::to_string).collect::<Vec<_>>(),
        "entry": null,
        "stream": null,
        "kind": null,
        "content": null,
        "needed_by": [],
        "communique": null,
    });
    let mut set = |name: &str, to: Value| value[name] = to;
    match at {
        At::Entry { index, stream, kind } => {
            set("entry", json!(index));
            set("stream", json!(stream.as_ref().map(ToString::to_string)));
            set("kind", json!(kind.map(check::named)));
        }
        At::Stream { stream, .. } => set("stream", json!(stream.to_string())),
        At::Content(Some((digest, needs))) => {
            set("content", json!(digest.to_string()));
            set("needed_by", needs.iter().map(need).collect());
        }
        At::Listing(Some(id)) | At::Package(id) | At::Stamp(id) => set("communique", json!(id.to_string())),
        At::Node { .. }
        | At::Streams
        | At::Tree
        | At::Head
        | At::Cosignature(_)
        | At::Listing(None)
        | At::Content(None)
        | At::File(_) => {}
    }
    value
}

fn need(need: &Need) -> Value {
    let (revision, path) = match need {
        Need::Part { revision, path, .. } => (Some(revision), Some(path)),
        Need::Package(_) | Need::Original(_) => (None, None),
    };
    json!({ "communique": need.communique().to_string(), "revision": revision, "path": path })
}
