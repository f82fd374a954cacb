//! Keeping what an audit was shown, and fetching what entries name: texts, annexes, packages.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::{
    About, Amiss, ENTRIES_LIMIT, Folder, amiss, at, faulty, listed, made,
    rows::{self, Row, Seen},
    wanted::Wanted,
};
use crate::{
    client::{
        auditing::{self, Report, evidence::Kind as Lie},
        receipts::{Contradiction, Receipts, put},
        remote::{RemoteError, Result},
        session::Session,
        transfer::Held,
    },
    domain::{
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest},
        json,
        manifest::Part,
        message::{Message, Tell as _},
        refusal::Refusal,
        view::{EventView, Happening, PublicationView},
    },
    log::checkpoint,
    msg,
    package::{verdict::Verdict, verify::Verifier},
};

/// How many signed heads are kept: the newest of them covers all that those before it covered.
const HEADS_KEPT: usize = 64;

/// A mirror that is being brought up to date. One process at a time works on it.
#[derive(Debug)]
pub struct Mirror {
    folder: Folder,
    about: About,
    file: File,
    /// How many entries are noted.
    size: u64,
    /// What was shown of those that come next.
    fresh: BTreeMap<u64, Row>,
    /// What lay in escrow, and what of it is shown since.
    sealed: BTreeMap<u64, Digest>,
    opened: BTreeMap<u64, Row>,
    wanted: Wanted,
    /// Whether packages have to be asked for: at the start, and when something was published.
    ask_for_packages: bool,
    again: bool,
    _lock: File,
}

/// What came of bringing a mirror up to date.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What the audit came to.
    pub audit: Report,
    /// How many signatures are in the mirror now that lay in escrow before.
    pub opened: u64,
    /// Texts and annexes that were fetched, and their bytes.
    pub content: (u64, u64),
    /// Packages that were fetched.
    pub packages: u64,
    /// Texts and annexes that were erased, since the parties had them erased.
    pub erased: u64,
    /// What the exchange does not give.
    pub lacking: Vec<Lacking>,
}

/// Something that entries name and the exchange does not give.
#[derive(Clone, Debug)]
pub struct Lacking {
    /// Of which communiqué.
    pub communique: CommuniqueId,
    /// What: a path in its package, or `package.zip`.
    pub path: String,
    /// Its digest, if entries say.
    pub digest: Option<Digest>,
    /// Why.
    pub why: Message,
    /// The evidence, if the exchange sends something else.
    pub lie: Option<Box<Contradiction>>,
}

/// Brings a mirror up to the newest head, and fetches what is lacking. `heard` is told how far it came, and how far it goes; `fetched`,
/// how many of the texts, annexes and packages that were lacking are there.
///
/// # Errors
/// What keeps it from going on: it goes on from there the next time. A lie is no error: it is in the report.
pub async fn mirror(
    session: &mut Session,
    copy: &mut Mirror,
    heard: impl Fn(u64, u64) + Send + Sync,
    fetched: impl Fn(u64, u64) + Send + Sync,
) -> Result<Taken> {
    let receipts = Receipts::in_folder(copy.folder.seen())?;
    // A try that broke before its first step begins anew too.
    let (own, anew) = (copy.about.party.clone(), copy.again && copy.size == 0);
    let mut taken = Taken {
        audit: auditing::audit_into(session, receipts, &own, anew, Some(copy), heard).await?,
        opened: copy.opened.len() as u64,
        content: (0, 0),
        packages: 0,
        erased: copy.erase()?,
        lacking: vec![],
    };
    copy.opened.clear();
    if taken.audit.lie.is_none() {
        copy.fetch(session, &mut taken, fetched).await?;
        copy.again = false;
    }
    Ok(taken)
}

impl Mirror {
    /// Opens the mirror in this folder, or begins one; `anew`, its entries are taken again from the first on.
    ///
    /// # Errors
    /// A folder that cannot be written, holds something else, or another's mirror; one that another process works on.
    pub fn open(path: &Path, about: About, anew: bool) -> io::Result<Self> {
        let folder = Folder::at(path);
        made(path)?;
        let lock = path.join("lock");
        let held = File::options().create(true).truncate(false).write(true).open(&lock).map_err(|e| at(&lock, &e))?;
        held.try_lock().map_err(|_| {
            io::Error::other(msg!("{folder}: another mirror is at work here; wait for it", folder = path))
        })?;
        match folder.about()? {
            Some(known) if known == about => {}
            Some(known) => {
                return Err(io::Error::other(msg!(
                    "{folder}: the mirror of {party} at the exchange {exchange}, of another charter 1 or another party than the profile's; name another folder",
                    folder = path,
                    party = known.party,
                    exchange = known.exchange
                )));
            }
            None if listed(path)?.iter().any(|there| *there != lock) => {
                let other = msg!("{folder}: it holds something else than a mirror; name a new folder", folder = path);
                return Err(io::Error::other(other));
            }
            None => folder.note(&about)?,
        }
        for below in ["heads", "objects", "content", "packages"] {
            made(&path.join(below))?;
        }
        for below in ["heads", "objects", "content", "packages", "seen"] {
            swept(&path.join(below))?;
        }
        let file = folder.rows();
        let size = if anew { None } else { auditing::reached(&folder.seen())? }.map_or(0, |(_, size, _)| size);
        let (rows, end) = rows::read(&file, size)?;
        if (rows.len() as u64) < size {
            return Err(faulty(&file, msg!("it has fewer entries than were kept; `--anew` takes the entries again")));
        }
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut kept = options.open(&file).map_err(|e| at(&file, &e))?;
        // What follows was not finished, and is taken again.
        kept.set_len(end).and_then(|()| io::Seek::seek(&mut kept, io::SeekFrom::End(0))).map_err(|e| at(&file, &e))?;
        let mut copy = Self {
            folder,
            about,
            file: kept,
            size,
            fresh: BTreeMap::new(),
            sealed: BTreeMap::new(),
            opened: BTreeMap::new(),
            wanted: Wanted::default(),
            ask_for_packages: true,
            again: anew,
            _lock: held,
        };
        for row in rows {
            copy.recall(row)?;
        }
        Ok(copy)
    }
    /// How many entries are kept.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Whose copy it is.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }
    fn recall(&mut self, row: Row) -> io::Result<()> {
        match &row.seen {
            Seen::Shown(Kind::Revision, _) => {
                let (entry, _, objects) = self.folder.read_entry(row.digest).map_err(|amiss| match amiss {
                    Amiss::Missing(file) | Amiss::Changed(file) | Amiss::Unreadable(file) => faulty(
                        &file,
                        msg!("it is missing or has another digest than its name; `--anew` takes the entries again"),
                    ),
                })?;
                self.wanted.learn(row.index, &entry, &objects);
            }
            Seen::Shown(kind, StreamId::Communique(id)) => self.wanted.mark(row.index, *kind, *id),
            Seen::Escrowed(..) => {
                self.sealed.insert(row.index, row.digest);
            }
            Seen::Shown(..) | Seen::Hidden => {}
        }
        Ok(())
    }
    /// Keeps an entry that was judged.
    pub(in crate::client) fn take(&mut self, event: &EventView) -> io::Result<()> {
        let index = event.index;
        let row = match &event.happening {
            Happening::Shown(_) => {
                let Some(row) = self.shown(event)? else { return Ok(()) };
                row
            }
            Happening::Escrowed { communique, party, act, revision } => {
                let seen = Seen::Escrowed(*communique, party.clone(), *act, *revision);
                // Its digest is known when the step ends.
                Row { index, digest: Digest::from_bytes([0; 32]), seen }
            }
        };
        self.fresh.insert(index, row);
        Ok(())
    }
    /// Keeps what an event shows in full.
    fn shown(&mut self, event: &EventView) -> io::Result<Option<Row>> {
        let Happening::Shown(logged) = &event.happening else { return Ok(None) };
        let Ok(entry) = json::parse::<Entry>(&logged.entry) else { return Ok(None) };
        let digest = Digest::of(&logged.entry);
        self.keep(digest, &logged.entry)?;
        for (digest, object) in entry.documents.iter().chain(&entry.statements).zip(&logged.objects) {
            self.keep(*digest, object)?;
        }
        self.ask_for_packages |= entry.kind == Kind::Published;
        self.wanted.learn(event.index, &entry, &logged.objects);
        Ok(Some(Row { index: event.index, digest, seen: Seen::Shown(entry.kind, entry.stream) }))
    }
    fn keep(&self, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        if self.folder.read_object(digest).is_ok() {
            return Ok(());
        }
        let file = self.folder.object(digest);
        made(file.parent().unwrap_or(Path::new(".")))?;
        put(&file, bytes)
    }
    /// Keeps what lay in escrow and is shown now.
    pub(in crate::client) fn look_again(&mut self, events: &[EventView]) -> io::Result<()> {
        for event in events.iter().filter(|event| matches!(event.happening, Happening::Shown(_))) {
            let sealed = self.fresh.get(&event.index).is_some_and(|row| matches!(row.seen, Seen::Escrowed(..)));
            if !sealed && !self.sealed.contains_key(&event.index) {
                continue;
            }
            if let Some(row) = self.shown(event)? {
                self.opened.insert(event.index, row);
            }
        }
        Ok(())
    }
    /// Notes the entries of these digests, all that was taken of them being on the disk, and erases what they say is erased.
    pub(in crate::client) fn step(&mut self, from: u64, digests: &[u8]) -> io::Result<()> {
        let file = self.folder.rows();
        if from != self.size {
            return Err(faulty(
                &file,
                msg!("it has another number of entries than the audit; `--anew` takes the entries again"),
            ));
        }
        let mut lines = String::new();
        // Those of before come first: a file that was cut short lacks an entry, and is not taken for whole.
        for (index, row) in &self.opened {
            if self.sealed.get(index).is_some_and(|digest| *digest == row.digest) {
                self.sealed.remove(index);
                lines.push_str(&row.to_string());
            }
        }
        for (n, digest) in digests.as_chunks::<32>().0.iter().enumerate() {
            let (index, digest) = (from + n as u64, Digest::from_bytes(*digest));
            let opened = self.opened.get(&index).cloned();
            let row = self.fresh.remove(&index).unwrap_or(Row { index, digest, seen: Seen::Hidden });
            let row = opened.filter(|row| row.digest == digest).unwrap_or(Row { digest, ..row });
            if matches!(row.seen, Seen::Escrowed(..)) {
                self.sealed.insert(index, digest);
            }
            lines.push_str(&row.to_string());
        }
        self.fresh.clear();
        self.size += digests.as_chunks::<32>().0.len() as u64;
        if self.size > ENTRIES_LIMIT {
            return Err(io::Error::other(msg!("a mirror takes {limit} entries at most", limit = ENTRIES_LIMIT)));
        }
        self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_all()).map_err(|e| at(&file, &e))?;
        Ok(())
    }
    /// Keeps the head that all entries are proven under.
    pub(in crate::client) fn under(&self, head: &checkpoint::Unverified) -> io::Result<()> {
        put(&self.folder.head(head.claims().size()), head.note().to_string().as_bytes())?;
        let kept = listed(&self.folder.0.join("heads"))?;
        for old in kept.iter().rev().skip(HEADS_KEPT) {
            fs::remove_file(old).map_err(|e| at(old, &e))?;
        }
        Ok(())
    }
    /// Takes away the texts and annexes that the parties had erased, but for what another communiqué names too.
    fn erase(&self) -> io::Result<u64> {
        let mut erased = 0;
        for (_, (_, part)) in self.wanted.erased() {
            let file = self.folder.content(part.sha256);
            match fs::remove_file(&file) {
                Ok(()) => erased += 1,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(at(&file, &e)),
            }
        }
        Ok(erased)
    }

    async fn fetch(
        &mut self,
        session: &Session,
        taken: &mut Taken,
        fetched: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<()> {
        let mut wanted = Vec::new();
        for (id, parts) in self.wanted.standing() {
            let lacks = |(_, part): &&(u64, Part)| {
                let file = self.folder.content(part.sha256);
                // Begun anew, what is there is read too.
                fs::metadata(&file).map_or(true, |there| there.len() != part.size)
                    || self.again && amiss(&file, part.sha256).is_some()
            };
            wanted.extend(parts.values().filter(lacks).map(|(index, part)| (id, *index, part.clone())));
        }
        let all = wanted.len() as u64;
        for (n, (id, index, part)) in wanted.into_iter().enumerate() {
            fetched(n as u64, all);
            match self.content(session, id, &part).await {
                Ok(()) => taken.content = (taken.content.0 + 1, taken.content.1 + part.size),
                Err(error) => taken.lacking.push(self.lacks(session, id, index, &part, error)?),
            }
        }
        if std::mem::take(&mut self.ask_for_packages) {
            let before = taken.lacking.len();
            self.fetch_packages(session, taken).await?;
            self.ask_for_packages = taken.lacking.len() > before;
        }
        Ok(())
    }
    async fn content(&self, session: &Session, id: CommuniqueId, part: &Part) -> Result<()> {
        let file = self.folder.content(part.sha256);
        let folder = file.parent().unwrap_or(Path::new("."));
        made(folder)?;
        let coming = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(|e| at(folder, &e))?;
        let mut sink = tokio::fs::File::from_std(coming.reopen().map_err(|e| at(&file, &e))?);
        session.part(id, part, &mut sink, &|_| ()).await?;
        sink.flush().await?;
        sink.sync_all().await?;
        settle(coming, &file)?;
        Ok(())
    }
    /// What is lacking and why, unless it is this side that failed, or the network.
    fn lacks(
        &self,
        session: &Session,
        id: CommuniqueId,
        index: u64,
        part: &Part,
        error: RemoteError,
    ) -> Result<Lacking> {
        let (why, lie) = match error {
            RemoteError::Refused { sentence, .. } => (Message::words(sentence), None),
            RemoteError::Local(refusal @ (Refusal::WrongDigest { .. } | Refusal::WrongSize { .. })) => {
                let words = msg!(
                    "the exchange sends other bytes for {path} of the communiqué {id} than entry {index} of its log names: {why}",
                    path = part.path.as_str(),
                    id,
                    index,
                    why = &refusal
                );
                (refusal.message(), Some(self.accuse(session, index, words)))
            }
            other => return Err(other),
        };
        Ok(Lacking { communique: id, path: part.path.clone(), digest: Some(part.sha256), why, lie })
    }
    fn accuse(&self, session: &Session, index: u64, words: Message) -> Box<Contradiction> {
        let case = session.case();
        let mut evidence = case.evidence(Lie::OtherObject, words);
        let row = rows::read(&self.folder.rows(), index + 1).ok().and_then(|(mut rows, _)| rows.pop());
        if let Some((_, entry, objects)) = row.and_then(|row| self.folder.read_entry(row.digest).ok()) {
            evidence = evidence.entry(&entry, &objects, None);
        }
        session.receipts().contradiction(evidence, case.now)
    }

    async fn fetch_packages(&self, session: &Session, taken: &mut Taken) -> Result<()> {
        if self.wanted.published().is_empty() {
            return Ok(());
        }
        let told: BTreeMap<_, _> =
            session.remote().publications().await?.into_iter().map(|told| (told.communique, told)).collect();
        for id in self.wanted.published().keys() {
            let fetched = match told.get(id) {
                None => Err(msg!("the log says that it is published, and the exchange does not list it")),
                Some(told) => match self.package(session, told).await {
                    Ok(fetched) => Ok(fetched),
                    Err(RemoteError::Refused { sentence, .. }) => Err(Message::words(sentence)),
                    Err(RemoteError::Local(refusal)) => Err(refusal.message()),
                    Err(other) => return Err(other),
                },
            };
            match fetched {
                Ok(fetched) => taken.packages += u64::from(fetched),
                Err(why) => taken.lacking.push(Lacking {
                    communique: *id,
                    path: "package.zip".into(),
                    digest: None,
                    why,
                    lie: None,
                }),
            }
        }
        Ok(())
    }
    /// Fetches a package, unless this very one is there; one that was made before it gives way to it.
    async fn package(&self, session: &Session, told: &PublicationView) -> Result<bool> {
        let (digest, _) = told.package;
        let folder = self.folder.packages(told.communique);
        let file = folder.join(format!("{digest}.zip"));
        if file.is_file() && !(self.again && amiss(&file, digest).is_some()) {
            return Ok(false);
        }
        made(&folder)?;
        let mut coming = tempfile::Builder::new().prefix(".new-").tempfile_in(&folder).map_err(|e| at(&folder, &e))?;
        let mut sink = tokio::fs::File::from_std(coming.reopen().map_err(|e| at(&file, &e))?);
        let remote = session.remote();
        remote.rest_of_package(told.communique, told.package, Held::default(), &mut sink, &|_| ()).await?;
        sink.flush().await?;
        sink.sync_all().await?;
        sink.rewind().await?;
        unproven(coming.as_file_mut(), session.pinned().founding(), told.communique).map_or(Ok(()), Err)?;
        let before = self.folder.packages_of(told.communique)?;
        settle(coming, &file)?;
        for (old, _) in before.into_iter().filter(|(old, _)| *old != file) {
            fs::remove_file(&old).map_err(|e| at(&old, &e))?;
        }
        Ok(true)
    }
}

/// Why a package is not proven against this pin to be this communiqué's.
pub(super) fn unproven(package: &mut File, pin: Digest, of: CommuniqueId) -> Option<Refusal> {
    let why = match Verifier::new(Some(pin)).verify(io::BufReader::new(package)) {
        Verdict::Proven(found) if found.communique == of => return None,
        Verdict::Proven(found) => msg!("it is that of the communiqué {id}", id = found.communique),
        Verdict::Unpinned(_) => msg!("it is of another exchange"),
        Verdict::Failed { check, detail } => msg!("{check}: {detail}", check = check.id(), detail),
        Verdict::CannotRead { detail } | Verdict::CannotJudge { detail } => detail.message(),
    };
    Some(Refusal::malformed(msg!("the package"), why))
}

/// Removes what came of files that did not come whole: drafts among them, which must not outlive their erasure.
fn swept(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for there in listed(folder)? {
        if there.is_dir() {
            swept(&there)?;
        } else if there.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".new-")) {
            fs::remove_file(&there).map_err(|e| at(&there, &e))?;
        }
    }
    Ok(())
}

/// Gives a file that came whole its name, on the disk before this returns.
fn settle(coming: tempfile::NamedTempFile, file: &Path) -> io::Result<()> {
    coming.persist(file).map_err(|e| at(file, &e.error))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| at(folder, &e))
}
