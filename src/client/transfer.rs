//! Transfers that go on after a break: uploads from where the exchange says that it holds them, downloads from where the last
//! byte came. What counts is the digest over the whole, computed on both sides.

use std::{io, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncSeek, AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{
    line::Streamed,
    remote::{CALL_DEADLINE, Remote, RemoteError, Result, call, reading, silent, writing},
};
use crate::{
    domain::{
        id::{CommuniqueId, Digest},
        message::Tell as _,
        refusal::Refusal,
    },
    msg,
    package::zip::{ARCHIVE_MAX, ZipFault},
    wire::{CHUNK_LIMIT, convert, names, status::Answer, v1},
};

/// The longest that a transfer may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Of a smaller upload nobody asks whether some of it is there already, in bytes.
const ASKED_FROM: u64 = CHUNK_LIMIT as u64;
/// Breaks in a row, without a byte more in between, after which a transfer is given up.
const BARREN_BREAKS: u32 = 6;
/// Breaks in all after which it is given up.
const BREAKS: u32 = 40;

/// How often a transfer broke, and how far it came.
#[derive(Default)]
struct Breaks {
    all: u32,
    barren: u32,
    furthest: u64,
}

impl Breaks {
    /// Counts one more, and whether that is one too many.
    fn too_many(&mut self, came_to: u64) -> bool {
        self.all += 1;
        self.barren = if came_to > self.furthest { 1 } else { self.barren + 1 };
        self.furthest = self.furthest.max(came_to);
        self.all > BREAKS || self.barren > BARREN_BREAKS
    }
}

/// What is held of a download already: the caller hashed it again.
#[derive(Clone, Default)]
pub struct Held {
    hash: Sha256,
    size: u64,
}

impl Held {
    /// Takes the next bytes that are held.
    pub fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }
    /// How many.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Of all of them.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

impl Remote {
    /// How many bytes the exchange holds of an upload of the caller's party, and whether that is all.
    ///
    /// # Errors
    /// Any [`RemoteError`], here and below.
    pub async fn upload_held(&self, id: CommuniqueId, digest: Digest) -> Result<(u64, bool)> {
        let request = call(v1::GetUploadRequest { communique: names::communique(id), sha256: digest.to_string() });
        let response = self.content().get_upload(request).await.map_err(reading)?.into_inner();
        Ok((response.held, response.complete))
    }

    /// Uploads content in pieces; `progress` hears how many bytes were handed on so far. What an earlier upload left there
    /// is gone on with, and so is this one when it breaks, a bounded number of times.
    #[allow(clippy::missing_errors_doc)]
    pub async fn upload(
        &self,
        id: CommuniqueId,
        digest: Digest,
        size: u64,
        mut source: impl AsyncRead + AsyncSeek + Unpin + Send,
        progress: impl Fn(u64) + Send + Sync,
    ) -> Result<()> {
        let (mut from, mut complete) = (0, false);
        if size > ASKED_FROM {
            (from, complete) = self.upload_held(id, digest).await?;
        }
        let (mut breaks, mut anew) = (Breaks::default(), false);
        while !complete {
            if from > size {
                return Err(
                    Refusal::WrongSize { what: msg!("what is held of it"), expected: size, actual: from }.into()
                );
            }
            source.seek(io::SeekFrom::Start(from)).await?;
            let header =
                v1::UploadHeader { communique: names::communique(id), sha256: digest.to_string(), size, offset: from };
            let (answer, error) = match self.send(header, &mut source, &progress).await? {
                Some(Ok(response)) => {
                    let (stored, _) = convert::uploaded(&response)?;
                    if stored != digest {
                        return Err(Refusal::WrongDigest { expected: digest, actual: stored }.into());
                    }
                    return Ok(());
                }
                Some(Err(status)) => (Some(Answer::from(&status)), writing(status)),
                None => (None, RemoteError::OutcomeUnknown(silent(SILENCE))),
            };
            match &answer {
                Some(a) if a.reason == Some("WRONG_OFFSET") => {}
                // What an earlier upload had left was not this file. The exchange has forgotten it.
                Some(a) if a.reason == Some("WRONG_DIGEST") && from > 0 && !anew => {
                    (anew, from) = (true, 0);
                    continue;
                }
                Some(a) if !(a.unreachable() || a.outcome_unknown() || a.retryable()) => return Err(error),
                _ => self.channel.elsewhere(),
            }
            if breaks.too_many(from) {
                return Err(error);
            }
            self.channel.pause(breaks.barren, answer.and_then(|a| a.retry_after)).await;
            (from, complete) = self.upload_held(id, digest).await?;
        }
        progress(size);
        Ok(())
    }

    /// One stream of an upload, from where `source` stands. None if it was silent for too long.
    async fn send(
        &self,
        header: v1::UploadHeader,
        source: &mut (impl AsyncRead + Unpin + Send),
        progress: &(impl Fn(u64) + Send + Sync),
    ) -> Result<Option<std::result::Result<v1::UploadContentResponse, Status>>> {
        use v1::upload_content_request::Part;
        let (pieces, stream) = mpsc::channel(4);
        let mut request = tonic::Request::new(ReceiverStream::new(stream));
        request.extensions_mut().insert(Streamed);
        let mut client = self.content();
        let answering = client.upload_content(request);
        let sending = async move {
            let mut sent = header.offset;
            let mut part = Part::Header(header);
            loop {
                match timeout(SILENCE, pieces.send(v1::UploadContentRequest { part: Some(part) })).await {
                    Err(_) => return Ok(false),
                    // The exchange has answered already: its answer says why.
                    Ok(Err(_)) => return Ok(true),
                    Ok(Ok(())) => progress(sent),
                }
                let mut piece = Vec::with_capacity(CHUNK_LIMIT);
                (&mut *source).take(CHUNK_LIMIT as u64).read_to_end(&mut piece).await?;
                if piece.is_empty() {
                    return Ok::<_, io::Error>(true);
                }
                sent += piece.len() as u64;
                part = Part::Chunk(piece);
            }
        };
        tokio::pin!(answering, sending);
        tokio::select! {
            answered = &mut answering => return Ok(Some(answered.map(tonic::Response::into_inner))),
            sent = &mut sending => if !sent? { return Ok(None) },
        }
        Ok(timeout(CALL_DEADLINE, answering).await.ok().map(|answered| answered.map(tonic::Response::into_inner)))
    }

    /// Downloads content and checks its digest; goes on after a break. Answers its size.
    #[allow(clippy::missing_errors_doc)]
    pub async fn download(
        &self,
        id: CommuniqueId,
        digest: Digest,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64> {
        let open = async |offset| {
            let request =
                v1::DownloadContentRequest { communique: names::communique(id), sha256: digest.to_string(), offset };
            self.content().download_content(request).await.map(tonic::Response::into_inner)
        };
        let held = self.receive(open, |m| m.chunk, Held::default(), u64::MAX, sink, progress).await?;
        let size = held.size();
        match held.digest() {
            actual if actual == digest => Ok(size),
            actual => Err(Refusal::WrongDigest { expected: digest, actual }.into()),
        }
    }

    /// Downloads a package and checks that it is the one that the publication announces.
    #[allow(clippy::missing_errors_doc)]
    pub async fn download_package(
        &self,
        id: CommuniqueId,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Digest, u64)> {
        let announced = self.publication(id).await?.package;
        self.rest_of_package(id, announced, Held::default(), sink, progress).await?;
        Ok(announced)
    }
    /// Downloads what is lacking of a package, goes on after a break, and checks that the whole has the digest and size that
    /// the publication announces. Never takes more bytes, and nothing of what no archive can be.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] where more is announced than an archive has; [`Refusal::WrongDigest`], [`Refusal::WrongSize`]: then what was held is of no use either.
    pub async fn rest_of_package(
        &self,
        id: CommuniqueId,
        (digest, size): (Digest, u64),
        held: Held,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        if size > ARCHIVE_MAX {
            return Err(Refusal::malformed(msg!("the package"), ZipFault::TooLong { length: size }.message()).into());
        }
        let open = async |offset| {
            let request = v1::DownloadPackageRequest { communique: names::communique(id), offset };
            self.publishing().download_package(request).await.map(tonic::Response::into_inner)
        };
        let held = self.receive(open, |m| m.chunk, held, size, sink, progress).await?;
        if held.size() != size {
            let what = msg!("the package that came");
            return Err(Refusal::WrongSize { what, expected: size, actual: held.size() }.into());
        }
        match held.digest() {
            actual if actual == digest => Ok(()),
            actual => Err(Refusal::WrongDigest { expected: digest, actual }.into()),
        }
    }

    /// Receives to the end of a download, over as many streams as it takes.
    async fn receive<M>(
        &self,
        open: impl AsyncFn(u64) -> std::result::Result<Streaming<M>, Status>,
        chunk: impl Fn(M) -> Vec<u8>,
        mut held: Held,
        limit: u64,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Held> {
        let mut breaks = Breaks::default();
        let mut stream = None;
        loop {
            let next = match &mut stream {
                None => match open(held.size).await {
                    Ok(opened) => {
                        stream = Some(opened);
                        continue;
                    }
                    Err(status) => Err(Some(status)),
                },
                Some(stream) => {
                    timeout(SILENCE, stream.message()).await.map_err(|_| None).and_then(|m| m.map_err(Some))
                }
            };
            let broken = match next {
                Ok(None) => {
                    sink.flush().await?;
                    return Ok(held);
                }
                Ok(Some(message)) => {
                    let piece = convert::chunk(chunk(message))?;
                    if held.size.saturating_add(piece.len() as u64) > limit {
                        return Err(Refusal::TooLarge { what: msg!("what the exchange sends in bytes"), limit }.into());
                    }
                    sink.write_all(&piece).await?;
                    held.take(&piece);
                    progress(held.size);
                    continue;
                }
                Err(broken) => broken,
            };
            let answer = broken.as_ref().map(Answer::from);
            let error = broken.map_or_else(|| RemoteError::Unreachable(silent(SILENCE)), reading);
            let passing = answer.as_ref().is_none_or(|a| a.unreachable() || a.outcome_unknown() || a.retryable());
            // A first call that fails was tried again beneath.
            let never_begun = stream.is_none() && breaks.all == 0;
            if !passing || never_begun || breaks.too_many(held.size) {
                return Err(error);
            }
            stream = None;
            self.channel.elsewhere();
            self.channel.pause(breaks.barren, answer.and_then(|a| a.retry_after)).await;
        }
    }
}
