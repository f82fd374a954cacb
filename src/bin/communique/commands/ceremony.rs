//! The ceremony: what is shown and asked before anything is signed. There is one, whether the papers come from an exchange or out of a
//! request file; and nothing is signed that it did not show, or name by digest and say so.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use communique::{
    client::{
        comparing,
        dossier::{Dossier, Prepared, Wish},
        remote::RemoteError,
        request::RequestFault,
        seen::{Memory, Seen},
    },
    domain::{
        act::{ActKind, Declaration},
        id::Digest,
        manifest::{Manifest, Part},
        message::Tell as _,
        refusal::Refusal,
        statement::Statement,
        time::Time,
    },
    msg,
};

use super::{Context, diff, now, show, text, wording};
use crate::{
    args::Consent,
    confirm::{self, Announced},
    errors::Failure,
    pager::Seen as Sight,
    render::{self, Out},
};

/// Where the annexes are.
pub trait Annexes {
    /// Whether they can be had at all; if not, they are signed by digest, and not shown.
    fn are_there(&self) -> bool;
    /// Copies one, counted from 0, to a new file at this path, or nowhere; its digest is computed on the way.
    ///
    /// # Errors
    /// An annex that cannot be had, or is another one.
    fn copy(&mut self, ctx: &Context, manifest: &Manifest, n: usize, to: Option<&Path>) -> Result<(), Failure>;
}

/// Where the papers come from.
#[derive(Clone, Copy)]
pub enum Origin {
    /// From the exchange, now.
    Exchange,
    /// Out of a request.
    Request {
        /// Its digest.
        digest: Digest,
        /// When the exchange was asked.
        asked: Time,
    },
}

/// All that a ceremony needs.
pub struct Sitting<'a> {
    pub dossier: &'a Dossier,
    pub wish: &'a Wish,
    pub announced: &'a Announced,
    pub consent: &'a Consent,
    pub memory: &'a Memory,
    pub annexes: &'a mut dyn Annexes,
    /// Where annexes are saved when somebody wants to open them.
    pub folder: Option<&'a Path>,
    pub origin: Origin,
}

/// Shows, asks, signs. Nothing is sent here.
///
/// # Errors
/// What cannot be done; another answer than the party's id; a passphrase that is wrong.
pub fn sign(ctx: &mut Context, sitting: Sitting<'_>) -> Result<Statement<communique::domain::act::Act>, Failure> {
    let Sitting { dossier, wish, announced, consent, memory, annexes, folder, origin } = sitting;
    let manifest = dossier.manifest();
    let seen = memory.of(manifest.communique).map_err(RemoteError::from)?;
    if let Some(seen) = &seen {
        dossier.goes_on_from(seen).map_err(|refusal| doubted(refusal, origin))?;
    }
    // What cannot be done is said before anybody reads and types.
    let prepared = dossier.prepare(wish, announced, now())?;
    check_annexes(ctx, manifest, annexes, folder, origin)?;
    ctx.begin_scene();
    shown(ctx, &prepared, seen.as_ref(), annexes.are_there(), origin);
    let sight = ctx.end_scene();
    let scene = ctx.scene();
    let reached = scene.is_terminal() && !scene.is_lost();
    let note = || memory.note(manifest, manifest.digest(), now()).map_err(RemoteError::from);
    // A pager does not tell how far somebody read: the answer does.
    let at_once = sight == Sight::AtOnce;
    if reached && at_once {
        note()?;
    }
    let folder = folder.unwrap_or(Path::new(""));
    let saves = annexes.are_there() && !manifest.annexes.is_empty();
    let prompt = wording::asked(wish.act, prepared.party());
    confirm::typed_or(ctx, consent, &prompt, prepared.party(), &sight, &mut |ctx, typed| {
        let Some(number) = typed.strip_prefix("annex").filter(|_| saves) else { return Ok(false) };
        let there = number.trim().parse::<usize>().ok().filter(|n| (1..=manifest.annexes.len()).contains(n));
        match there {
            Some(n) => match save(ctx, manifest, annexes, n - 1, folder) {
                Ok(path) => {
                    let path = render::path(&path);
                    ctx.err.line(&msg!("Annex {n} is in {path}; its digest is the one above.", n, path));
                }
                Err(failure) => {
                    let why = failure.sentence();
                    ctx.err.line(&msg!("Annex {n} could not be saved: {why}", n, why));
                }
            },
            None => {
                let count = manifest.annexes.len();
                ctx.err.line(&msg!("There are {count} annexes: type `annex` and its number.", count));
            }
        }
        Ok(true)
    })?;
    if reached && !at_once {
        note()?;
    }
    let key = announced.unlock(&consent.passphrase)?;
    Ok(prepared.sign(&*key, now())?)
}

/// Computes the digest of every annex that can be had again; and saves it, where a folder is named.
fn check_annexes(
    ctx: &mut Context,
    manifest: &Manifest,
    annexes: &mut dyn Annexes,
    folder: Option<&Path>,
    origin: Origin,
) -> Result<(), Failure> {
    if !annexes.are_there() {
        return match folder {
            Some(_) => {
                Err(Failure::usage(msg!("this request was made without annexes; ask for one with them to save them")))
            }
            None => Ok(()),
        };
    }
    for n in 0..manifest.annexes.len() {
        let done = match folder {
            Some(folder) => save(ctx, manifest, annexes, n, folder).map(drop),
            None => annexes.copy(ctx, manifest, n, None),
        };
        done.map_err(|failure| match origin {
            Origin::Exchange => failure,
            Origin::Request { .. } => failure.of(msg!("nothing was signed")),
        })?;
    }
    Ok(())
}

/// Saves an annex under a name of ours; one that is there already must be the same.
fn save(
    ctx: &Context,
    manifest: &Manifest,
    annexes: &mut dyn Annexes,
    n: usize,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let kind = manifest.annexes.get(n).map_or("", |annex| annex.media_type.extension());
    let (id, revision, number) = (manifest.communique, manifest.revision, n + 1);
    let path = folder.join(format!("{id}-revision-{revision}-annex-{number}.{kind}"));
    if let Some(part) = annex(manifest, n).filter(|_| path.exists()) {
        let limit = usize::try_from(part.size).unwrap_or(usize::MAX);
        return match crate::profile::read(&path, limit) {
            Ok(bytes) if Digest::of(&bytes) == part.sha256 => Ok(path),
            _ => Err(Failure::file(&path, &std::io::ErrorKind::AlreadyExists.into())),
        };
    }
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, &e))?;
    }
    annexes.copy(ctx, manifest, n, Some(&path))?;
    Ok(path)
}

/// The file of an annex, counted from 0.
pub fn annex(manifest: &Manifest, n: usize) -> Option<Part> {
    manifest.parts().nth(manifest.texts.len() + n)
}

/// Everything that must be seen, the act in words last.
fn shown(ctx: &mut Context, prepared: &Prepared<'_>, seen: Option<&Seen>, annexes: bool, origin: Origin) {
    let dossier = prepared.dossier();
    let (reading, manifest, charter) = (&dossier.reading, dossier.manifest(), dossier.pinned.charter());
    let misaligned = text::compared(dossier.texts.iter().map(|(lang, words)| (lang, words.as_str())));
    let out = ctx.scene();
    if let Origin::Request { digest, asked } = origin {
        age(out, dossier, digest, asked);
        out.gap();
    }
    show::facts(out, charter, manifest);
    let (version, fingerprint) = (charter.version, charter.digest());
    out.field(
        &msg!("charter"),
        &msg!("charter {version}, {fingerprint}; it follows from the pin", version, fingerprint),
    );
    out.field(&msg!("state"), &reading.state);
    for (lang, words) in &dossier.texts {
        show::text(out, manifest, lang, words);
    }
    out.gap();
    since(out, dossier, seen);
    out.gap();
    out.heading(&msg!("Who has acted on this revision"));
    let acts: Vec<_> = [&reading.newest.propose].into_iter().chain(&reading.acts).cloned().collect();
    show::done(out, dossier.book(), &acts, &reading.escrowed, &dossier.revoked());
    let before: Vec<_> = dossier.declared_before().cloned().collect();
    if !before.is_empty() {
        out.gap();
        out.heading(&msg!("Declarations on earlier revisions"));
        for declared in &before {
            let revision = declared.body().revision;
            show::done(out, dossier.book(), std::slice::from_ref(declared), &[], &BTreeMap::new());
            out.field("", &msg!("on revision {revision}", revision));
        }
    }
    out.gap();
    if !manifest.annexes.is_empty() {
        let words = match annexes {
            true => msg!(
                "The annexes are signed by digest, not shown. To open one, type `annex` and its number below, or give `--annexes FOLDER`."
            ),
            false => msg!("The annexes are not in this request: they are signed by digest, not shown."),
        };
        out.paragraph("", &words);
    }
    let words = match origin {
        Origin::Exchange => msg!("Every digest above was computed again on this machine, from what the exchange sent."),
        Origin::Request { .. } => {
            msg!("Every digest above was computed again on this machine, from what is in the request.")
        }
    };
    out.paragraph("", &words);
    operator(out);
    spoken(out, prepared);
    out.gap();
    out.heading(&wording::sentence(prepared));
    for effect in wording::effects(prepared) {
        out.paragraph("", &effect);
    }
    // Apart from the scene, so that scripts see it too.
    out.flush();
    text::warn(&mut ctx.err, &misaligned);
}

/// What the act says, and what it speaks of.
fn spoken(out: &mut Out, prepared: &Prepared<'_>) {
    let (wish, dossier) = (prepared.wish(), prepared.dossier());
    if let Some(place) = &wish.place {
        out.field(&msg!("place"), &render::quoted(place.as_str()));
    }
    if let Some(reason) = &wish.reason {
        out.gap();
        out.line(&msg!("The reasons, which every party will read:"));
        out.verbatim(reason.as_str());
    }
    if let Some(Declaration::Texts(texts)) = &wish.declaration {
        out.gap();
        out.line(&msg!("The declaration, which every party will read:"));
        show::declaration(out, texts);
    }
    if let Some(made) = prepared.with {
        let body = made.body();
        let (time, revision) = (body.time, body.revision);
        out.gap();
        out.line(&msg!(
            "The declaration that the signature is given with, made {time} on revision {revision}:",
            time,
            revision
        ));
        if let Some(Declaration::Texts(texts)) = &body.declaration {
            show::declaration(out, texts);
        }
    }
    if let Some(signed) = prepared.confirmed {
        out.gap();
        out.line(&msg!("The signature ad referendum that is confirmed:"));
        show::done(out, dossier.book(), std::slice::from_ref(signed), &[], &dossier.revoked());
        out.field(&msg!("digest"), &signed.digest());
    }
}

/// What changed since whoever signs saw it, or his or her party acted on it.
fn since(out: &mut Out, dossier: &Dossier, seen: Option<&Seen>) {
    let manifest = dossier.manifest();
    let same = seen.filter(|seen| seen.revision == manifest.revision);
    match (same, &dossier.earlier) {
        (Some(seen), _) => {
            let time = seen.time;
            out.paragraph("", &msg!("You were shown this revision before, {time}, and it is the same.", time));
        }
        (None, Some((earlier, texts))) => {
            let number = earlier.manifest.revision;
            if seen.is_some_and(|seen| seen.revision == number) {
                out.heading(&msg!("What changed since revision {number}, which you were shown last", number));
            } else {
                let party = &dossier.party;
                out.heading(&msg!("What changed since revision {number}, on which {party} acted last", number, party));
            }
            if let Some(seen) = seen.filter(|seen| seen.revision != number) {
                let shown = seen.revision;
                out.paragraph("", &msg!("You were shown revision {shown} last; it is not in this request.", shown));
            }
            let comparison = comparing::revisions((&earlier.manifest, texts), (manifest, &dossier.texts));
            diff::whole(out, &comparison, texts, &dossier.texts);
        }
        (None, None) if manifest.revision == 1 => out.paragraph("", &msg!("This is the first revision.")),
        (None, None) => out.paragraph("", &msg!("You have not seen an earlier revision.")),
    }
}

/// How old the view is: what came after it is not in it.
fn age(out: &mut Out, dossier: &Dossier, digest: Digest, asked: Time) {
    let (size, logged) = (dossier.size, dossier.logged);
    out.field(&msg!("request"), &digest);
    let ago = u64::try_from(now().unix().saturating_sub(asked.unix())).unwrap_or(0);
    let (days, hours, minutes) = (ago / 86_400, ago % 86_400 / 3600, ago % 3600 / 60);
    let ago = [
        msg!("{n} day" | "{n} days", n = days),
        msg!("{n} hour" | "{n} hours", n = hours),
        msg!("{n} minute" | "{n} minutes", n = minutes),
    ];
    out.field(&msg!("made"), &msg!("{asked}; that is {ago} ago", asked, ago = ago[..]));
    out.field(&msg!("log"), &msg!("{size} entries; the newest thing here was logged {logged}", size, logged));
    out.paragraph(
        "",
        &msg!("What happened after that cannot be seen here: other acts, a revocation of full powers, another revision. When it was made is the word of the machine that made it."),
    );
}

/// What nobody may sign without knowing.
pub fn operator(out: &mut Out) {
    out.paragraph(
        "",
        &msg!(
            "The operator of the exchange can read drafts and the signatures that lie in escrow. It cannot make one."
        ),
    );
}

/// What an exchange or a file shows and cannot be so, in words for who is about to sign.
pub fn doubted(refusal: Refusal, origin: Origin) -> Failure {
    let what = match &refusal {
        Refusal::SignatureInvalid { statement } => {
            msg!(
                "it holds a signed {statement} whose signature does not verify: whoever should have signed it has not",
                statement
            )
        }
        Refusal::WrongDigest { expected, actual } => {
            msg!(
                "something in it has the digest {actual} where {expected} was proposed: it is another text than that",
                actual,
                expected
            )
        }
        Refusal::Disagrees { member, expected, actual } => {
            msg!("{member} is {actual}, and must be {expected}", member, actual, expected)
        }
        other => other.message(),
    };
    let sentence = match origin {
        Origin::Exchange => msg!(
            "nothing was signed, since what the exchange shows does not hold: {what}. Do not rely on it; tell the other parties, and run `communique audit`",
            what
        ),
        Origin::Request { .. } => msg!(
            "nothing was signed, since what this request holds is not to be relied on: {what}. Ask for another (`communique act request`)",
            what
        ),
    };
    Failure::from(refusal).saying(sentence)
}

/// What is wrong with a request's file, as [`doubted`] says it.
pub fn unreadable(fault: RequestFault, path: &Path) -> Failure {
    // Of a file that was not judged there is no digest to name.
    let origin = Origin::Request { digest: Digest::of(b""), asked: Time::from_unix(0) };
    match fault {
        RequestFault::Io(error) => Failure::file(path, &error),
        RequestFault::Refused(refusal) => doubted(refusal, origin).of(render::path(path)),
        length @ RequestFault::Length { .. } => {
            let path = render::path(path);
            Failure::refused(msg!("{path}: nothing was signed: {length}", path, length))
        }
    }
}

/// Whether an act of this kind has reasons.
pub fn has_reasons(kind: ActKind) -> bool {
    matches!(kind, ActKind::Object | ActKind::Decline)
}
