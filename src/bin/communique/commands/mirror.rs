//! `mirror`: a party's own copy of all that it may see, brought up to date, checked, and written out of.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use communique::{
    client::{
        mirroring::{self, About, Checked, Damage, Folder, Lacking, Mirror, Taken},
        remote::RemoteError,
        session::Session,
    },
    domain::{
        id::{CommuniqueId, Digest},
        message::{Message, Tell as _},
        view::WatchItem,
    },
    msg,
    pki::client::caller,
};
use serde_json::{Value, json};

use super::{Context, audit, now, watch};
use crate::{
    args::{self, Mirrors},
    errors::{Failure, REFUSED},
    render,
};

/// Breaks in a row, with nothing more kept in between, after which a mirror that does not follow is given up.
const BARREN_BREAKS: u32 = 5;
/// Least time from one look at a log that grows to the next.
const BREATH: Duration = Duration::from_secs(1);
/// How much of a file is printed at a time, in bytes.
const PIECE: usize = 256 << 10;

pub fn run(ctx: &mut Context, args: &args::Mirror) -> Result<(), Failure> {
    match (&args.command, &args.folder) {
        (Some(Mirrors::Verify { folder, pin }), _) => verify(ctx, folder, *pin),
        (Some(Mirrors::Restore { folder, id, out, pin }), _) => restore(ctx, folder, *id, out, *pin),
        (Some(Mirrors::Object { folder, digest }), _) => object(ctx, folder, *digest),
        (None, Some(folder)) => mirror(ctx, folder, args),
        (None, None) => Err(Failure::usage(msg!("name the folder of the mirror"))),
    }
}

fn mirror(ctx: &mut Context, folder: &Path, args: &args::Mirror) -> Result<(), Failure> {
    ctx.stage.copies();
    let profile = ctx.profile()?;
    let id = caller(&profile.identity()?.0)?;
    let mut session = ctx.session(&profile)?;
    let about = About {
        exchange: session.pinned().exchange().clone(),
        founding: session.pinned().founding(),
        party: audit::party_of(&session, &id.trust_domain)?,
    };
    let mut copy = Mirror::open(folder, about, args.anew).map_err(RemoteError::from)?;
    let (mut pause, mut barren) = (watch::PAUSES.0, 0);
    loop {
        let before = copy.size();
        let mut error = match once(ctx, &mut session, &mut copy, folder, args.follow) {
            Ok(Followed::Done) => return Ok(()),
            Ok(Followed::Broke(error)) => error,
            Err(failure) => return Err(failure),
        };
        if copy.size() > before {
            (pause, barren) = (watch::PAUSES.0, 0);
        }
        loop {
            barren += 1;
            if !watch::comes_back(&error) || !args.follow && barren > BARREN_BREAKS {
                return Err(error.into());
            }
            let (why, seconds) = (error.message(), pause.as_secs());
            ctx.err.line(&msg!(
                "mirroring again from index {index}, in {seconds} s: {why}",
                index = copy.size().to_string(),
                seconds,
                why
            ));
            ctx.wait(tokio::time::sleep(watch::jittered(pause)));
            pause = (pause * 2).min(watch::PAUSES.1);
            // Read anew: certificates are renewed meanwhile.
            let renewed = ctx.profile()?;
            match ctx.wait(ctx.opened(&renewed)?) {
                Ok(renewed) => break session = renewed,
                Err(e) => error = e,
            }
        }
    }
}

/// How following ended, short of a failure.
enum Followed {
    Done,
    Broke(RemoteError),
}

/// Brings the mirror up to date over one session; where it follows, again and again.
fn once(
    ctx: &mut Context,
    session: &mut Session,
    copy: &mut Mirror,
    folder: &Path,
    follow: bool,
) -> Result<Followed, Failure> {
    loop {
        let entries = ctx.progress_of_entries(&msg!("entries kept"));
        let files = ctx.progress_of_entries(&msg!("files fetched"));
        let taken = ctx.wait(mirroring::mirror(
            session,
            copy,
            |done, all| entries.of(done, all),
            |done, all| files.of(done, all),
        ));
        entries.end();
        files.end();
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => return Ok(Followed::Broke(error)),
        };
        told(ctx, copy, folder, &taken, follow);
        ctx.out.flush();
        if taken.audit.lie.is_some() || !follow && !taken.lacking.is_empty() {
            return Err(Failure::said(REFUSED));
        }
        if !follow || ctx.out.is_lost() {
            return Ok(Followed::Done);
        }
        let grown = async {
            tokio::time::sleep(BREATH).await;
            let mut stream = session.remote().watch(Some(copy.size()), None).await?;
            loop {
                match stream.next().await? {
                    WatchItem::Heartbeat(next) if next <= copy.size() => {}
                    _ => return Ok::<_, RemoteError>(()),
                }
            }
        };
        if let Err(error) = ctx.wait(grown) {
            return Ok(Followed::Broke(error));
        }
    }
}

fn told(ctx: &mut Context, copy: &Mirror, folder: &Path, taken: &Taken, follow: bool) {
    let report = &taken.audit;
    if ctx.json {
        let mut value = audit::value(report);
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| name != "own" && name != "receipts");
            members.insert("good".into(), json!(report.lie.is_none() && taken.lacking.is_empty()));
            members.insert("party".into(), json!(copy.about().party));
            members.insert("opened".into(), json!(taken.opened));
            members.insert("content".into(), json!({ "files": taken.content.0, "bytes": taken.content.1 }));
            members.insert("packages".into(), json!(taken.packages));
            members.insert("erased".into(), json!(taken.erased));
            members.insert("lacking".into(), taken.lacking.iter().map(lacking).collect());
        }
        if follow {
            ctx.out.raw(format!("{}\n", render::json_line(&value)).as_bytes());
        } else {
            ctx.out.json(&value);
        }
        return;
    }
    if let Some((size, root)) = report.head {
        ctx.out.line(&msg!(
            "The mirror of {party} in {folder} holds the log of {exchange} up to a signed head of one entry, root {root}."
                | "The mirror of {party} in {folder} holds the log of {exchange} up to a signed head of {n} entries, root {root}.",
            party = &copy.about().party,
            folder = render::path(folder),
            exchange = &copy.about().exchange,
            n = size,
            root = root.to_string()
        ));
        ctx.out.line(&msg!(
            "New: entries in full: {shown}; in escrow: {escrowed}; not for {party}, digests alone: {unseen}; opened since: {opened}.",
            shown = report.tally.shown,
            escrowed = report.tally.escrowed,
            party = &copy.about().party,
            unseen = report.unseen(),
            opened = taken.opened
        ));
        ctx.out.line(&msg!(
            "Texts and annexes: {files} ({size}); packages: {packages}; erased, as the parties asked: {erased}.",
            files = taken.content.0,
            size = render::size(taken.content.1),
            packages = taken.packages,
            erased = taken.erased
        ));
    }
    if !taken.lacking.is_empty() {
        ctx.out.heading(&msg!("LACKING: the exchange does not give"));
        for lacking in &taken.lacking {
            ctx.out.item(1, &lacks(lacking));
        }
        ctx.out.line(&msg!("All else is kept. The same command asks for these again; tell the operator."));
    }
    if let Some(lie) = &report.lie {
        audit::accusation(ctx, lie);
    }
}

fn lacks(lacking: &Lacking) -> Message {
    let (path, id, why) = (lacking.path.as_str(), lacking.communique, &lacking.why);
    match lacking.lie.as_ref().and_then(|lie| lie.file.as_ref()) {
        Some(file) => msg!("{path} of the communiqué {id}: {why}; evidence: {file}", path, id, why, file),
        None => msg!("{path} of the communiqué {id}: {why}", path, id, why),
    }
}

fn lacking(lacking: &Lacking) -> Value {
    json!({ "communique": lacking.communique, "path": lacking.path, "sha256": lacking.digest,
        "why": lacking.why.to_string(), "evidence": lacking.lie.as_ref().and_then(|lie| lie.file.as_ref()) })
}

/// The fingerprint that was given, or of the profile's first charter: its file holds charters down from the pin.
fn pinned(ctx: &Context, pin: Option<Digest>) -> Result<Digest, Failure> {
    pin.map_or_else(|| Ok(ctx.profile()?.pinned()?.founding()), Ok)
}

fn verify(ctx: &mut Context, folder: &Path, pin: Option<Digest>) -> Result<(), Failure> {
    let pin = pinned(ctx, pin)?;
    let bar = ctx.progress_of_entries(&msg!("entries checked"));
    let checked = mirroring::check(&Folder::at(folder), pin, now(), &|done, all| bar.of(done, all));
    bar.end();
    let checked = checked.map_err(RemoteError::from)?;
    let sound = checked.damage.is_empty();
    if ctx.json {
        let (shown, escrowed, unseen) = checked.entries;
        ctx.out.json(&json!({ "good": sound, "party": checked.about.party, "exchange": checked.about.exchange,
            "founding": checked.about.founding, "size": checked.head.map(|(size, _)| size),
            "root": checked.head.map(|(_, root)| root.to_string()), "seen": checked.seen, "shown": shown,
            "escrowed": escrowed, "unseen": unseen, "statements": checked.statements, "content": checked.content,
            "packages": checked.packages, "purged": checked.purged,
            "damage": checked.damage.iter().map(damage).collect::<Vec<_>>(), "more": checked.more }));
    } else {
        say(ctx, folder, &checked);
    }
    if sound { Ok(()) } else { Err(Failure::said(REFUSED)) }
}

fn damage(damage: &Damage) -> Value {
    json!({ "kind": damage.kind, "path": damage.path, "index": damage.index, "sentence": damage.words.to_string() })
}

fn say(ctx: &mut Context, folder: &Path, checked: &Checked) {
    let (about, (shown, escrowed, unseen)) = (&checked.about, checked.entries);
    let out = &mut ctx.out;
    if checked.damage.is_empty() {
        out.heading(&msg!("SOUND: all that this mirror holds is as it was kept"));
    } else {
        out.heading(&msg!("DAMAGED, or not whole"));
        for damage in &checked.damage {
            out.item(1, &damage.words);
        }
        if checked.more > 0 {
            out.item(1, &msg!("and {n} more" | "and {n} more", n = checked.more));
        }
        out.command(&format!("  communique mirror {} --anew", folder.display()));
    }
    if let Some((size, root)) = checked.head {
        out.line(&msg!(
            "One entry of the log of {exchange}, root {root}, under a head that its key signed."
                | "{n} entries of the log of {exchange}, root {root}, under a head that its key signed.",
            n = size,
            exchange = &about.exchange,
            root = root.to_string()
        ));
    }
    if let Some(seen) = checked.seen {
        out.line(&msg!(
            "The exchange has signed a head of {seen} entries since: `communique mirror` goes on to it.",
            seen
        ));
    }
    out.line(&msg!(
        "As {party} may see it: entries in full: {shown}; in escrow: {escrowed}; not for {party}: {unseen}.",
        party = &about.party,
        shown,
        escrowed,
        unseen
    ));
    out.line(&msg!(
        "Texts and annexes: {content}; packages, each proven: {packages}; communiqués whose texts were erased: {purged}.",
        content = checked.content,
        packages = checked.packages,
        purged = checked.purged
    ));
}

fn restore(ctx: &mut Context, folder: &Path, id: CommuniqueId, out: &Path, pin: Option<Digest>) -> Result<(), Failure> {
    let pin = pinned(ctx, pin)?;
    let restored = mirroring::restore(&Folder::at(folder), id, out, pin, now()).map_err(RemoteError::from)?;
    if ctx.json {
        ctx.out.json(&json!({ "good": restored.damage.is_empty(), "communique": id, "folder": out,
            "files": restored.files, "size": restored.head.0, "root": restored.head.1.to_string(),
            "escrowed": restored.escrowed, "purged": restored.purged,
            "damage": restored.damage.iter().map(damage).collect::<Vec<_>>() }));
    } else {
        ctx.out.line(&msg!(
            "One file in {folder}, with the digest that the log names under a signed head."
                | "{n} files in {folder}, each with the digest that the log names under a signed head.",
            n = restored.files.len() as u64,
            folder = render::path(out)
        ));
        if restored.escrowed > 0 {
            ctx.out.line(&msg!(
                "Signatures of others in escrow, which are not here: {escrowed}.",
                escrowed = restored.escrowed
            ));
        }
        if restored.purged {
            ctx.out.line(&msg!("The parties had its texts and annexes erased."));
        }
        for damage in &restored.damage {
            ctx.out.item(1, &damage.words);
        }
    }
    if restored.damage.is_empty() { Ok(()) } else { Err(Failure::said(REFUSED)) }
}

fn object(ctx: &mut Context, folder: &Path, digest: Digest) -> Result<(), Failure> {
    let path = Folder::at(folder).find(digest).map_err(RemoteError::from)?;
    let failed = |e: io::Error| Failure::file(&path, &e);
    let (mut file, mut piece) = (File::open(&path).map_err(failed)?, vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(()),
            n => ctx.out.raw(piece.get(..n).unwrap_or_default()),
        }
    }
}
