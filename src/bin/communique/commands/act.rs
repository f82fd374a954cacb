//! `act`: acts away from the network. A request is asked for where the exchange is reached, signed where it is not, and handed in where
//! it is reached again.

use std::path::Path;

use communique::{
    client::{
        remote::RemoteError,
        request::{Request, RequestFile, Writing},
        seen::Memory,
    },
    domain::{
        act::{Act, ActKind},
        manifest::Manifest,
        message::Message,
        statement::{STATEMENT_LIMIT, Unverified},
    },
    msg,
};
use serde_json::json;

use super::{
    Context,
    acts::{self, Intent, NewFile},
    ceremony::{self, Annexes, Origin, Sitting},
    now,
};
use crate::{
    args::{self, Away},
    confirm::Announced,
    errors::Failure,
    profile, render,
    unanswered::Unanswered,
};

pub fn run(ctx: &mut Context, command: Away) -> Result<(), Failure> {
    match command {
        Away::Request(args) => request(ctx, &args),
        Away::Sign(args) => sign(ctx, &args),
        Away::Submit { file } => submit(ctx, &file),
    }
}

/// What is to be done, as typed; with words that this act has, and no others.
fn intent(args: &args::Request) -> Result<Intent, Failure> {
    let kind = args.act;
    let reason = acts::reason(args.reason.as_deref(), args.reason_file.as_deref())?;
    if reason.is_none() && ceremony::has_reasons(kind) {
        return Err(Failure::usage(msg!("this act has reasons: give `--reason` or `--reason-file`")));
    }
    if reason.is_some() && !ceremony::has_reasons(kind) && kind != ActKind::Withdraw {
        return Err(Failure::usage(msg!("`{kind}` has no reasons; object, decline and withdraw have", kind)));
    }
    let declares = !(args.text.is_empty() && args.words.is_empty());
    if declares != (kind == ActKind::Declare) {
        return Err(Failure::usage(msg!(
            "`--text` and `--words` are what `declare` says, which needs one of them, and no other act"
        )));
    }
    let signs = matches!(kind, ActKind::Sign | ActKind::SignAdReferendum);
    if args.declaration.is_some() && !signs {
        return Err(Failure::usage(msg!("`--declaration` is for a signature alone")));
    }
    if args.confirms.is_some() && kind != ActKind::Confirm {
        return Err(Failure::usage(msg!("`--confirms` is for `confirm` alone")));
    }
    let texts = if declares { Some(acts::declaration(&args.text, &args.words)?) } else { None };
    let (with, confirms, place) = (args.declaration, args.confirms, args.place.clone());
    Ok(Intent { kind, place, reason, texts, with, confirms })
}

fn request(ctx: &mut Context, args: &args::Request) -> Result<(), Failure> {
    profile::must_be_new(&args.out)?;
    let intent = intent(args)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let party = acts::own_party(&profile, session.pinned())?;
    let seen = ctx.memory(session.pinned())?.of(args.id).map_err(RemoteError::from)?;
    let asked = now();
    // What cannot be signed is not worth carrying: all of it is checked here too.
    let (dossier, papers) =
        acts::gather(ctx, &session, args.id, &party, args.since.or(seen.map(|seen| seen.revision)))?;
    dossier.allows(intent.kind, asked)?;
    let wish = intent.wish(&dossier)?;
    let manifest = dossier.manifest();
    let annexes = !args.without_annexes;
    let request = Request::new(session.pinned(), asked, wish, annexes, papers)?;
    let failed = |e| Failure::file(&args.out, &e);
    let writing = Writing::begin(&args.out, &request).map_err(failed)?;
    if annexes {
        for n in 0..manifest.annexes.len() {
            let Some(part) = ceremony::annex(manifest, n) else { continue };
            let number = n + 1;
            let bar = ctx.progress(&msg!("annex {number}", number), part.size);
            let file = writing.annexes().map_err(failed)?;
            let copied = ctx.wait(async {
                let mut sink = tokio::fs::File::from_std(file);
                let copied = session.part(manifest.communique, &part, &mut sink, &|n| bar.at(n)).await;
                tokio::io::AsyncWriteExt::flush(&mut sink).await?;
                copied
            });
            bar.end();
            copied.map_err(|error| match error {
                RemoteError::Local(refusal) => ceremony::doubted(refusal, Origin::Exchange),
                other => other.into(),
            })?;
        }
    }
    writing.end().map_err(failed)?;
    let (digest, revision, act) = (request.digest(), manifest.revision, request.wish.act);
    if ctx.json {
        ctx.out.json(&json!({ "file": args.out, "request": digest, "communique": args.id, "party": party,
            "act": act.as_str(), "revision": revision, "asked": asked, "annexes": annexes }));
        return Ok(());
    }
    let file = render::path(&args.out);
    ctx.out.field(&msg!("file"), &file);
    let label = msg!("request");
    ctx.out.field(&label, &digest);
    ctx.out.field(&msg!("revision"), &Message::words(revision.to_string()));
    ctx.out.paragraph(
        "",
        &msg!(
            "It holds the texts: carry it as you would carry a draft. Compare the line `{label}` where it is signed.",
            label
        ),
    );
    let path = args.out.display();
    ctx.out.line(&msg!("Next, where the key is:"));
    ctx.out.command(&format!("  communique act sign {path} --out ANSWER.jws"));
    Ok(())
}

/// The annexes, as they lie in a request.
struct OfRequest<'a> {
    file: &'a mut RequestFile,
    path: &'a Path,
}

impl Annexes for OfRequest<'_> {
    fn are_there(&self) -> bool {
        self.file.request.annexes
    }
    fn copy(&mut self, _: &Context, manifest: &Manifest, n: usize, to: Option<&Path>) -> Result<(), Failure> {
        let copied = match to {
            None => self.file.annex(manifest, n, &mut std::io::sink()),
            Some(path) => {
                let new = NewFile::begin(path)?;
                let copied = self.file.annex(manifest, n, &mut new.file()?);
                if copied.is_ok() {
                    new.end()?;
                }
                copied
            }
        };
        copied.map_err(|fault| ceremony::unreadable(fault, self.path))
    }
}

fn sign(ctx: &mut Context, args: &args::SignRequest) -> Result<(), Failure> {
    ctx.stage.asks();
    profile::must_be_new(&args.out)?;
    let (pinned, key, memory) = match &args.alone {
        Some(alone) => (profile::pinned_by(&alone.charter, alone.charter_pin)?, alone.key.clone(), Memory::nowhere()),
        None => {
            let profile = ctx.profile()?;
            let pinned = profile.pinned()?;
            let memory = ctx.memory(&pinned)?;
            (pinned, profile.signing_key()?.clone(), memory)
        }
    };
    let unreadable = |fault| ceremony::unreadable(fault, &args.file);
    let mut file = RequestFile::open(&args.file).map_err(unreadable)?;
    let request = file.request.clone();
    let origin = Origin::Request { digest: request.digest(), asked: request.asked };
    let judged = request.judge(&pinned, now());
    let dossier = judged.map_err(|refusal| ceremony::doubted(refusal, origin).of(render::path(&args.file)))?;
    file.whole(dossier.manifest()).map_err(unreadable)?;
    let announced = Announced::of(&key)?;
    let act = ceremony::sign(
        ctx,
        Sitting {
            dossier: &dossier,
            wish: &request.wish,
            announced: &announced,
            consent: &args.consent,
            memory: &memory,
            annexes: &mut OfRequest { file: &mut file, path: &args.file },
            folder: args.annexes.as_deref(),
            origin,
        },
    )?;
    profile::write_new(&args.out, act.compact().as_bytes(), false)?;
    ctx.stage.ends();
    let body = act.body();
    if ctx.json {
        ctx.out.json(&json!({ "file": args.out, "request": request.digest(), "communique": body.communique,
            "act": body.act.as_str(), "party": body.party, "revision": body.revision, "digest": act.digest() }));
        return Ok(());
    }
    let path = args.out.display();
    ctx.out.field(&msg!("digest"), &act.digest());
    ctx.out.paragraph("", &msg!("Signed. It does nothing until it is handed in where the exchange is reached:"));
    ctx.out.command(&format!("  communique act submit {path}"));
    Ok(())
}

fn submit(ctx: &mut Context, file: &Path) -> Result<(), Failure> {
    let compact = profile::read_passed_on(file, STATEMENT_LIMIT)?;
    let misfit = |e| Failure::from(e).of(render::path(file));
    let kind = Unverified::<Act>::parse(&compact).map_err(misfit)?.claims().act;
    if kind == ActKind::Propose {
        return Err(Failure::refused(msg!(
            "a proposal is handed in with its manifest and texts; use `new` or `revise`"
        )));
    }
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    // What no exchange can take is not sent.
    let act = ctx.wait(session.signed(&compact)).map_err(|error| match error {
        RemoteError::Local(refusal) => misfit(refusal),
        other => other.into(),
    })?;
    let body = act.body();
    let unanswered = Unanswered::under(session.pinned().founding());
    let receipt = match unanswered.act(kind, body.communique, &[body.grant]) {
        Some(kept) if kept.compact == compact => acts::again(ctx, &session, &kept)?,
        Some(kept) => {
            let (id, time) = (kept.act.communique, kept.act.time);
            return Err(Failure::refused(msg!(
                "an earlier `{kind}` of {id}, signed {time}, has no answer yet; repeat that one first",
                kind,
                id,
                time
            )));
        }
        None => unanswered.send(ctx, &session, &act, None).map_err(acts::sent)?,
    };
    acts::done(ctx, &session, body, &receipt)
}
