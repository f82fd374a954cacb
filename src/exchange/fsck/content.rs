//! Content: every blob hashed again, everything that the log names there, packages and stamps sound.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{At, Check, FOUND_LIMIT, NEEDS_LIMIT, Need, ROWS, narrowed, streams::Reached};
use crate::{
    domain::{
        document::Document,
        entry::{Kind, Place, StreamId},
        id::{CommuniqueId, Digest},
        manifest::Manifest,
    },
    exchange::ports::{Content, Package, ReadFailed, Seal, Stored},
    log::checkpoint::Unverified,
    package::{stamp, verdict::Verdict, verify::Verifier},
};

/// How much of a blob is read at a time, in bytes.
const PIECE: usize = 1 << 20;

/// How a blob was found.
enum Blob {
    Sound,
    /// It was erased since it was listed.
    Gone,
    Wrong(String),
}

/// What a communiqué's stream says of content.
#[derive(Default)]
pub(super) struct Noted {
    needed: BTreeMap<Digest, Needed>,
    purged: bool,
    published: Option<Place>,
}

/// A part that manifests name, or a package.
struct Needed {
    size: u64,
    by: Vec<Need>,
}

/// Content that is missing or wrong, and what needs it.
pub(super) struct Spoilt {
    what: String,
    by: Vec<Need>,
}

impl Spoilt {
    fn name(&mut self, by: Vec<Need>) {
        for need in by {
            if self.by.len() < NEEDS_LIMIT && !self.by.contains(&need) {
                self.by.push(need);
            }
        }
    }
}

impl Noted {
    /// What an entry adds.
    pub(super) fn entry(&mut self, stored: &Stored) {
        let StreamId::Communique(communique) = stored.entry.stream else { return };
        match stored.entry.kind {
            Kind::Purged => self.purged = true,
            Kind::Published => self.published = Some(stored.recorded().place()),
            Kind::Revision => {
                // What does not parse is found when its stream is folded.
                let Some(Ok(manifest)) = stored.objects.first().map(|bytes| Document::<Manifest>::parse(bytes.clone()))
                else {
                    return;
                };
                for part in manifest.parts() {
                    let need = Need::Part { communique, revision: manifest.revision, path: part.path };
                    self.need(part.sha256, part.size, need);
                }
            }
            _ => {}
        }
    }
    fn need(&mut self, digest: Digest, size: u64, need: Need) {
        let needed = self.needed.entry(digest).or_insert_with(|| Needed { size, by: Vec::new() });
        if needed.by.len() < NEEDS_LIMIT && !needed.by.contains(&need) {
            needed.by.push(need);
        }
    }
}

impl Check {
    /// What a communiqué needs: that it is there, of its size; that its package and its time stamp are sound.
    pub(super) async fn needs(&mut self, id: CommuniqueId, mut noted: Noted) {
        self.counts.purged += u64::from(noted.purged);
        let package = if noted.published.is_some() { self.packaged(id, &mut noted).await } else { None };
        let digests: Vec<_> = noted.needed.keys().copied().collect();
        let check = &*self;
        let sizes = narrowed(0, digests.len() as u64, |from, count| {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let some = digests.get(at(from)..at(from + count)).unwrap_or_default().to_vec();
            check.kept(move || check.content.sizes(some.clone()))
        });
        let (mut whole, mut purged) = (None, noted.purged.then_some(true));
        for ((digest, needed), (_, size)) in std::mem::take(&mut noted.needed).into_iter().zip(sizes.await) {
            match size {
                Ok(Some(size)) if size == needed.size => {
                    whole = whole.or(package.as_ref().filter(|package| package.digest == digest));
                }
                Ok(Some(size)) => self.spoil(digest, needed.by, sized(size, needed.size)),
                Ok(None) => {
                    // What was purged may be gone: an entry says so before anything is erased. What the exchange made anew has
                    // another digest by now.
                    let gone = match purged {
                        Some(purged) => purged,
                        None => *purged.insert(self.noted_of(id).await.purged),
                    };
                    let anew = needed.by.contains(&Need::Package(id));
                    if !(gone || anew && self.replaced(id, digest).await) {
                        self.spoil(digest, needed.by, "it is not there".to_owned());
                    }
                }
                Err(ReadFailed) => self.spoil(digest, needed.by, "its row cannot be read".to_owned()),
            }
        }
        if let Some(package) = whole {
            self.package(id, package).await;
        }
        if let Some(place) = noted.published {
            self.stamp(id, place).await;
        }
    }

    /// Whether the package of a communiqué has another digest by now.
    async fn replaced(&self, id: CommuniqueId, digest: Digest) -> bool {
        matches!(self.kept(|| self.content.package(id)).await, Ok(Some(package)) if package.digest != digest)
    }

    /// Keeps that content is not as it must be, until all are known that need it; of more than can be listed, it is told at once.
    fn spoil(&mut self, digest: Digest, by: Vec<Need>, what: String) {
        if let Some(spoilt) = self.spoilt.get_mut(&digest) {
            spoilt.name(by);
        } else if self.spoilt.len() < FOUND_LIMIT {
            self.spoilt.insert(digest, Spoilt { what, by });
        } else {
            self.faults.add_needing(At::Content(Some((digest, by))), what, vec![digest]);
        }
    }
    fn tell_spoilt(&mut self) {
        for (digest, Spoilt { what, by }) in std::mem::take(&mut self.spoilt) {
            self.faults.add_needing(At::Content(Some((digest, by))), what, vec![digest]);
        }
    }

    /// What a communiqué's stream says of content by now.
    async fn noted_of(&mut self, id: CommuniqueId) -> Noted {
        let (stream, mut noted, mut reached) = (StreamId::Communique(id), Noted::default(), Reached::default());
        while let Some(entries) = self.next_of(&stream, &mut reached).await {
            for stored in &entries {
                self.pace.spend_row(stored.bytes.len()).await;
                noted.entry(stored);
            }
        }
        noted
    }

    /// The package of what is published, if there is one; and that it is needed, and the one that lies in another.
    async fn packaged(&mut self, id: CommuniqueId, noted: &mut Noted) -> Option<Package> {
        let package = self.kept(|| self.content.package(id)).await;
        match &package {
            Ok(Some(package)) => noted.need(package.digest, package.size, Need::Package(id)),
            Ok(None) => {}
            Err(ReadFailed) => self.faults.add(At::Package(id), "its row cannot be read"),
        }
        match self.kept(|| self.content.original(id)).await {
            Ok(Some((digest, size))) => noted.need(digest, size, Need::Original(id)),
            Ok(None) => {}
            Err(ReadFailed) => self.faults.add(At::Package(id), "the row of it as it lies in another cannot be read"),
        }
        package.ok().flatten()
    }

    /// Reads every blob.
    pub(super) async fn content(&mut self) {
        // What was found of it by what needs it.
        let known: BTreeSet<_> = self.spoilt.keys().copied().collect();
        self.tell_spoilt();
        let (mut after, mut limit) = (None, ROWS);
        loop {
            let page = match self.kept(|| self.content.sealed(after, limit)).await {
                Ok(page) => page,
                Err(ReadFailed) if limit > 1 => {
                    limit = 1;
                    continue;
                }
                Err(ReadFailed) => {
                    let after = after.map_or("its beginning".to_owned(), |digest: Digest| digest.to_string());
                    self.faults.add(At::Content(None), format!("it cannot be read on after {after}"));
                    break;
                }
            };
            let last = page.len() < limit;
            for (digest, size) in page {
                after = Some(digest);
                self.counts.contents += 1;
                if !known.contains(&digest)
                    && let Blob::Wrong(what) = self.blob(digest, size).await
                {
                    self.wrong_blob(digest, size, what).await;
                }
            }
            if last || self.faults.is_full() {
                break;
            }
        }
        self.name_spoilt().await;
        self.tell_spoilt();
    }

    /// A blob that is wrong, told with what needs it: those for whose communiqué it was uploaded, or whose package it is.
    async fn wrong_blob(&mut self, digest: Digest, size: u64, mut what: String) {
        let seals = self.kept(|| self.content.seals(digest)).await.unwrap_or_default();
        let mut found = Spoilt { what: String::new(), by: Vec::new() };
        for seal in &seals {
            match seal {
                Seal::Upload(owner) => {
                    let Some(needed) = self.noted_of(owner.communique).await.needed.remove(&digest) else { continue };
                    if needed.size != size {
                        what = sized(size, needed.size);
                    }
                    found.name(needed.by);
                }
                Seal::Package(id, _) => found.name(vec![Need::Package(*id)]),
                Seal::Original(id) => found.name(vec![Need::Original(*id)]),
            }
            if found.by.len() == NEEDS_LIMIT {
                break;
            }
        }
        if seals.is_empty() {
            return self.spoil(digest, found.by, what);
        }
        self.faults.add_needing(At::Content(Some((digest, found.by))), what, vec![digest]);
    }

    /// Looks in every stream for what needs the blobs of which nobody is said to have brought them.
    async fn name_spoilt(&mut self) {
        let mut after = None;
        while !self.spoilt.is_empty() {
            let Ok(page) = self.log(|| self.store.streams(after.clone(), ROWS)).await else { return };
            if page.is_empty() {
                return;
            }
            for stream in &page {
                let StreamId::Communique(id) = stream else { continue };
                let mut noted = self.noted_of(*id).await;
                for (digest, spoilt) in &mut self.spoilt {
                    if let Some(needed) = noted.needed.remove(digest) {
                        spoilt.name(needed.by);
                    }
                }
            }
            after = page.last().cloned();
        }
    }

    async fn blob(&mut self, digest: Digest, size: u64) -> Blob {
        let (mut hash, mut offset) = (Sha256::new(), 0);
        loop {
            match self.kept(|| self.content.read(digest, offset, PIECE)).await {
                Ok(Some(piece)) if piece.is_empty() => break,
                Ok(Some(piece)) => {
                    hash.update(&piece);
                    offset += piece.len() as u64;
                    self.counts.content_bytes += piece.len() as u64;
                    self.pace.spend(piece.len() as u64).await;
                }
                Ok(None) => return Blob::Gone,
                Err(ReadFailed) => return Blob::Wrong(format!("it cannot be read on from byte {offset} of {size}")),
            }
        }
        let actual = Digest::from_bytes(hash.finalize().into());
        if offset != size {
            Blob::Wrong(format!("it has {offset} bytes, and {size} are announced"))
        } else if actual == digest {
            Blob::Sound
        } else {
            Blob::Wrong(format!("its bytes have the digest {actual}"))
        }
    }

    async fn package(&mut self, id: CommuniqueId, package: &Package) {
        self.counts.packages += 1;
        let Package { digest, size, shown } = package;
        let (digest, size) = (*digest, *size);
        let witnesses = Unverified::parse(shown.head.as_bytes()).ok().map(|head| head.note().lines().len() as u64 - 1);
        if !shown.head.is_empty() && witnesses != Some(shown.witnesses) {
            self.faults.add(At::Package(id), "its row does not say what the head in it shows");
        }
        let Some(verifier) = self.verifier() else { return };
        let judge = || {
            let (content, verifier, handle) = (self.content.clone(), verifier.clone(), Handle::current());
            tokio::task::spawn_blocking(move || {
                verifier.verify(Pieces { content, handle, digest, size, at: 0, piece: (0, Vec::new()) })
            })
        };
        let mut judged = judge().await;
        // The verifier's own reads are tried once: whether content was away is seen here.
        if matches!(judged, Ok(Verdict::CannotRead { .. }))
            && self.kept(|| self.content.read(digest, 0, PIECE)).await.is_ok()
        {
            judged = judge().await;
        }
        let what = match judged {
            Ok(Verdict::Proven(findings)) if findings.communique == id => None,
            Ok(Verdict::Proven(findings)) => Some(format!("it is that of {}", findings.communique)),
            Ok(Verdict::Failed { check, detail }) => Some(format!("it does not verify: {}, {detail}", check.id())),
            Ok(Verdict::CannotRead { detail } | Verdict::CannotJudge { detail }) => Some(detail.to_string()),
            Ok(Verdict::Unpinned(_)) | Err(_) => Some("it could not be judged".to_owned()),
        };
        self.pace.spend(size).await;
        // Bytes that do not have their digest are told as such, and what has given way to another is gone.
        if let Some(what) = what
            && matches!(self.blob(digest, size).await, Blob::Sound)
        {
            self.faults.add(At::Package(id), what);
        }
    }
    /// The verifier of all packages of this check; none in a log that was never founded.
    fn verifier(&mut self) -> Option<Arc<Verifier>> {
        let founding = self.charters.founding()?;
        Some(self.verifier.get_or_insert_with(|| Arc::new(Verifier::new(Some(founding)))).clone())
    }

    async fn stamp(&mut self, id: CommuniqueId, place: Place) {
        match self.kept(|| self.content.stamp(id)).await {
            Ok(Some(stamp)) => {
                self.counts.stamps += 1;
                if let Err(why) = stamp::is_of(place.entry, &stamp) {
                    self.faults.add(At::Stamp(id), why.to_string());
                }
            }
            Ok(None) => {}
            Err(ReadFailed) => self.faults.add(At::Stamp(id), "it cannot be read"),
        }
    }
}

fn sized(size: u64, named: u64) -> String {
    format!("it has {size} bytes, and is named with {named}")
}

/// Content as a file, for a verifier that reads files. For a blocking thread.
struct Pieces {
    content: Arc<dyn Content>,
    handle: Handle,
    digest: Digest,
    size: u64,
    at: u64,
    /// The last piece that was read, and where it begins.
    piece: (u64, Vec<u8>),
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let held = |(from, piece): &(u64, Vec<u8>)| (*from..*from + piece.len() as u64).contains(&self.at);
        if !held(&self.piece) {
            let read = self.content.read(self.digest, self.at, PIECE);
            let piece = self.handle.block_on(read).ok().flatten();
            self.piece = (self.at, piece.ok_or_else(|| io::Error::other("the content cannot be read"))?);
        }
        let skip = usize::try_from(self.at - self.piece.0).unwrap_or(usize::MAX);
        let rest = self.piece.1.get(skip..).unwrap_or_default();
        let count = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Pieces {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "before the beginning"))?;
        Ok(self.at)
    }
}
