//! Content: every blob hashed again, everything that the log names there, packages and stamps sound.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{At, BATCH, Check, Need, ROWS};
use crate::{
    domain::{
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest},
    },
    exchange::ports::{Content, Package, ReadFailed},
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

impl Check {
    pub(super) async fn content(&mut self) {
        let published: Vec<_> = self.published.keys().copied().collect();
        for id in &published {
            self.packaged(*id).await;
        }
        let sound = self.blobs().await;
        self.missing().await;
        let verifier = Arc::new(Verifier::new(self.charters.founding()));
        for id in published {
            self.package(id, &sound, &verifier).await;
            self.stamp(id).await;
        }
    }

    /// Notes which blobs are packages, so that they are named as such.
    async fn packaged(&mut self, id: CommuniqueId) {
        match self.kept(|| self.content.package(id)).await {
            Ok(Some(package)) => self.need(package.digest, package.size, Need::Package(id)),
            Ok(None) => {}
            Err(ReadFailed) => self.faults.add(At::Package(id), "its row cannot be read"),
        }
        match self.kept(|| self.content.original(id)).await {
            Ok(Some((digest, size))) => self.need(digest, size, Need::Original(id)),
            Ok(None) => {}
            Err(ReadFailed) => self.faults.add(At::Package(id), "the row of it as it lies in another cannot be read"),
        }
    }

    /// Reads every blob; answers which are sound.
    async fn blobs(&mut self) -> BTreeSet<Digest> {
        let (mut sound, mut after, mut limit) = (BTreeSet::new(), None, ROWS);
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
                    return sound;
                }
            };
            let last = page.len() < limit;
            for (digest, size) in page {
                after = Some(digest);
                self.counts.contents += 1;
                let named = self.needed.get(&digest).map(|needed| needed.size).filter(|named| *named != size);
                let found = match named {
                    Some(named) => Blob::Wrong(format!("it has {size} bytes, and is named with {named}")),
                    None => self.blob(digest, size).await,
                };
                match found {
                    Blob::Sound => drop(sound.insert(digest)),
                    Blob::Gone => continue,
                    Blob::Wrong(what) => {
                        let needs = self.needed.get(&digest).map(|needed| needed.by.clone()).unwrap_or_default();
                        self.faults.add_needing(At::Content(Some((digest, needs))), what, vec![digest]);
                    }
                }
                if let Some(needed) = self.needed.get_mut(&digest) {
                    needed.met = true;
                }
            }
            if last || self.faults.is_full() {
                return sound;
            }
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

    /// What is named and was not found. What was purged may be gone; what the exchange made anew has another digest by now.
    async fn missing(&mut self) {
        if self.faults.is_full() {
            return;
        }
        let lacking: Vec<_> = self.needed.iter().filter(|(_, needed)| !needed.met).map(|(digest, _)| *digest).collect();
        if lacking.is_empty() {
            return;
        }
        self.purged_meanwhile().await;
        for digest in lacking {
            let Some(needed) = self.needed.get(&digest) else { continue };
            let mut by = needed.by.clone();
            if needed.of.is_subset(&self.purged) {
                continue;
            }
            by.retain(|need| !self.purged.contains(&need.communique()));
            if let [Need::Package(id)] = by.as_slice()
                && matches!(self.kept(|| self.content.package(*id)).await, Ok(Some(package)) if package.digest != digest)
            {
                continue;
            }
            self.faults.add_needing(At::Content(Some((digest, by))), "it is not there", vec![digest]);
        }
    }

    /// What was purged since the log was read: its entry is logged before anything is erased.
    async fn purged_meanwhile(&mut self) {
        let mut next = self.size;
        while let Ok(entries) = self.log(|| self.store.log(next, usize::try_from(BATCH).unwrap_or(1))).await {
            if entries.is_empty() {
                return;
            }
            next += entries.len() as u64;
            let purged = entries.into_iter().filter(|stored| stored.entry.kind == Kind::Purged);
            self.purged.extend(purged.filter_map(|stored| match stored.entry.stream {
                StreamId::Communique(id) => Some(id),
                _ => None,
            }));
        }
    }

    async fn package(&mut self, id: CommuniqueId, sound: &BTreeSet<Digest>, verifier: &Arc<Verifier>) {
        let Ok(Some(package)) = self.kept(|| self.content.package(id)).await else { return };
        if !sound.contains(&package.digest) {
            // Either named above, or made since.
            if self.needed.contains_key(&package.digest)
                || !matches!(self.blob(package.digest, package.size).await, Blob::Sound)
            {
                return;
            }
        }
        self.counts.packages += 1;
        let Package { digest, size, shown } = package;
        let witnesses = Unverified::parse(shown.head.as_bytes()).ok().map(|head| head.note().lines().len() as u64 - 1);
        if !shown.head.is_empty() && witnesses != Some(shown.witnesses) {
            self.faults.add(At::Package(id), "its row does not say what the head in it shows");
        }
        if self.charters.founding().is_none() {
            return;
        }
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
        if let Some(what) = what {
            self.faults.add(At::Package(id), what);
        }
        self.pace.spend(size).await;
    }

    async fn stamp(&mut self, id: CommuniqueId) {
        let Some(place) = self.published.get(&id).copied() else { return };
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
