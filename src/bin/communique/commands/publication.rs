//! `publish` and `fetch`: the end of the work, and its package.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use communique::{
    client::{remote::RemoteError, transfer::Held},
    domain::{id::CommuniqueId, view::PublicationView},
    msg,
};
use serde_json::{Value, json};

use super::Context;
use crate::{
    errors::Failure,
    profile,
    render::{self, Out},
};

/// How much of a file is read at a time, in bytes.
const PIECE: usize = 256 << 10;
/// How often a package is fetched from the start again, since another came than was announced.
const AGAIN_LIMIT: u32 = 3;

pub fn publish(ctx: &mut Context, id: CommuniqueId) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let publication = ctx.wait(session.publish(id))?;
    if ctx.json {
        ctx.out.json(&value(&publication));
    } else {
        let (digest, size) = publication.package;
        let (time, index) = (publication.published, publication.receipt.index);
        ctx.out.field(&msg!("published"), &msg!("{time}, entry {index} of the log", time, index));
        ctx.out.field(&msg!("package"), &msg!("{size}, {digest}", size = render::size(size), digest));
        superseded(&mut ctx.out, &publication);
        ctx.out.next(&msg!("Next:"), &format!("communique fetch {id} --out package.zip"));
    }
    Ok(())
}

pub fn fetch(ctx: &mut Context, id: CommuniqueId, to: &Path) -> Result<(), Failure> {
    profile::must_be_new(to)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let mut publication = ctx.wait(session.publication(id))?;
    let (_, size) = publication.package;

    let failed = |e| Failure::file(to, &e);
    let (part, mut held) = partial(to, size)?;
    let mut sink = tokio::fs::File::from_std(part.file.try_clone().map_err(failed)?);
    let bar = ctx.progress(&msg!("package"), size);
    let got = ctx.wait(async {
        let mut again = 0;
        let got = loop {
            let (before, package) = (held.size(), publication.package);
            let got = session.remote().rest_of_package(id, package, held, &mut sink, &|n| bar.at(n)).await;
            if !matches!(got, Err(RemoteError::Local(_))) || again == AGAIN_LIMIT {
                break got;
            }
            // What lay there was of something else, or the package was made again meanwhile, with more cosignatures or a time stamp:
            // once more, from the start.
            publication = session.publication(id).await?;
            if before == 0 && publication.package == package {
                break got;
            }
            tokio::io::AsyncWriteExt::flush(&mut sink).await?;
            sink.set_len(0).await?;
            tokio::io::AsyncSeekExt::rewind(&mut sink).await?;
            (held, again) = (Held::default(), again + 1);
        };
        tokio::io::AsyncWriteExt::flush(&mut sink).await?;
        sink.sync_all().await?;
        got
    });
    bar.end();
    let (digest, size) = publication.package;
    match got {
        Ok(()) => {}
        Err(RemoteError::Local(refusal)) => {
            part.remove();
            return Err(
                Failure::from(refusal).of(msg!("the package that came is not the one announced; nothing was kept"))
            );
        }
        Err(error) => {
            let kept = part.file.metadata().map_or(0, |m| m.len());
            if kept == 0 {
                part.remove();
                return Err(error.into());
            }
            let kept = msg!(
                "{kept} of {all} are kept in {path}; the same command goes on from there",
                kept = render::size(kept),
                all = render::size(size),
                path = part.path
            );
            return Err(Failure::from(error).of(kept));
        }
    }
    publishable(&part.path)?;
    part.becomes(to)?;
    if ctx.json {
        ctx.out.json(&json!({ "file": to, "publication": value(&publication) }));
    } else {
        let (size, path) = (render::size(size), render::path(to));
        ctx.out.field(&msg!("package"), &msg!("{size}, {digest}, {path}", size, digest, path));
        superseded(&mut ctx.out, &publication);
        let pin = session.pinned().founding();
        ctx.out.next(&msg!("Next:"), &format!("communique verify {} --charter-pin {pin}", to.display()));
    }
    Ok(())
}

/// Names the newest rectification: whoever relies on this one should know.
fn superseded(out: &mut Out, publication: &PublicationView) {
    if let Some(newer) = publication.rectified_by {
        out.field(
            &msg!("rectified by"),
            &msg!("{newer}, the newest: the corrected text is there (`communique fetch {newer}`)", newer),
        );
    }
}

/// What came of a package so far, beside where it goes. One process at a time works on it.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn remove(&self) {
        // If it stays, the next run finds it and begins again.
        let _ = fs::remove_file(&self.path);
    }
    /// Puts the file in its place, in one step, unless something has come to be there.
    fn becomes(self, to: &Path) -> Result<(), Failure> {
        let failed = |e| Failure::file(to, &e);
        let path = tempfile::TempPath::try_from_path(&self.path).map_err(failed)?;
        path.persist_noclobber(to).map_err(|e| {
            // Whole and verified: it is kept for another name.
            let _ = e.path.keep();
            failed(e.error)
        })
    }
}

/// FILE.part of FILE, with what it holds hashed again.
fn partial(to: &Path, size: u64) -> Result<(Partial, Held), Failure> {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let path = PathBuf::from(name);
    let failed = |e| Failure::file(&path, &e);
    if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
        return Err(Failure::refused(msg!("{path}: not a file of its own; take it away, then repeat", path)));
    }
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(failed)?;
    if file.try_lock().is_err() {
        return Err(Failure::refused(msg!("{path}: another fetch is at work on it; wait for it", path)));
    }
    if file.metadata().map_err(failed)?.len() > size {
        file.set_len(0).map_err(failed)?;
    }
    let (mut held, mut piece) = (Held::default(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok((Partial { path, file }, held)),
            n => held.take(piece.get(..n).unwrap_or_default()),
        }
    }
}

/// Files under way are their owner's alone; what is published need not be.
#[cfg(unix)]
fn publishable(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).map_err(|e| Failure::file(path, &e))
}

#[cfg(not(unix))]
fn publishable(_: &Path) -> Result<(), Failure> {
    Ok(())
}

fn value(p: &PublicationView) -> Value {
    let (digest, size) = p.package;
    json!({ "communique": p.communique, "published": p.published, "receipt": render::receipt(&p.receipt),
        "package": { "sha256": digest, "size": size }, "rectified_by": p.rectified_by })
}
