//! `publish` and `fetch`: the end of the work, and its package.

use std::path::Path;

use communique::domain::{id::CommuniqueId, view::PublicationView};
use serde_json::{Value, json};

use super::Context;
use crate::{errors::Failure, profile, render};

pub fn publish(ctx: &mut Context, id: CommuniqueId) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let publication = ctx.wait(session.publish(id))?;
    if ctx.json {
        ctx.out.json(&value(&publication));
    } else {
        let (digest, size) = publication.package;
        ctx.out
            .field("published", &format!("{}, entry {} of the log", publication.published, publication.receipt.index));
        ctx.out.field("package", &format!("{}, {digest}", render::size(size)));
        ctx.out.line(&format!("Next: communique fetch {id} --out package.zip"));
    }
    Ok(())
}

pub fn fetch(ctx: &mut Context, id: CommuniqueId, to: &Path) -> Result<(), Failure> {
    profile::must_be_new(to)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let publication = ctx.wait(session.publication(id))?;
    let (digest, size) = publication.package;

    // Beside the target, so that the rename is one step; removed on every way out but that.
    let failed = |e| Failure::file(to, &e);
    let directory = to.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".communique-").tempfile_in(directory).map_err(failed)?;
    let mut sink = tokio::fs::File::from_std(temporary.as_file().try_clone().map_err(failed)?);
    let bar = ctx.progress("package", size);
    let got = ctx.wait(async {
        let got = session.remote().download_package(id, &mut sink, &|n| bar.at(n)).await;
        tokio::io::AsyncWriteExt::flush(&mut sink).await?;
        sink.sync_all().await?;
        got
    });
    bar.end();
    let got = got?;
    if got != (digest, size) {
        return Err(Failure::refused(format!(
            "the package that came has digest {}, not {digest} as announced; nothing was kept, fetch it again",
            got.0
        )));
    }
    publishable(temporary.path())?;
    temporary.persist_noclobber(to).map_err(|e| failed(e.error))?;
    if ctx.json {
        ctx.out.json(&json!({ "file": to, "publication": value(&publication) }));
    } else {
        ctx.out.line(&format!("{}: {}, {digest}", to.display(), render::size(size)));
        let pin = session.pinned().founding();
        ctx.out.line(&format!("Next: communique verify {} --charter-pin {pin}", to.display()));
    }
    Ok(())
}

/// Temporary files are their owner's alone; what is published need not be.
#[cfg(unix)]
fn publishable(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).map_err(|e| Failure::file(path, &e))
}

#[cfg(not(unix))]
fn publishable(_: &Path) -> Result<(), Failure> {
    Ok(())
}

fn value(p: &PublicationView) -> Value {
    let (digest, size) = p.package;
    json!({ "communique": p.communique, "published": p.published, "receipt": render::receipt(&p.receipt),
        "package": { "sha256": digest, "size": size } })
}
