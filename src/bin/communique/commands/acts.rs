//! The acts, at a machine that reaches the exchange: gather, the ceremony, send.

use std::{collections::BTreeMap, path::Path};

use communique::{
    client::{
        dossier::{Dossier, Wish},
        reading::Pinned,
        remote::RemoteError,
        session::Session,
    },
    domain::{
        act::{Act, ActKind, Declaration},
        entry::Entry,
        id::{CommuniqueId, Digest, Lang, PartyId},
        json,
        manifest::Manifest,
        refusal::Refusal,
        statement::Statement,
        view::Receipt,
        words::{Line, PROSE_LIMIT, Prose},
    },
    msg, pki,
};
use serde_json::json;

use super::{
    Context,
    ceremony::{self, Annexes, Origin, Sitting},
    now, wording,
};
use crate::{
    args,
    confirm::Announced,
    errors::Failure,
    profile::{self, Profile},
    render,
    unanswered::{Kept, Unanswered},
};

/// What is to be done, as typed.
pub struct Intent {
    pub kind: ActKind,
    pub place: Option<Line>,
    pub reason: Option<Prose>,
    /// What is declared.
    pub texts: Option<BTreeMap<Lang, Prose>>,
    /// With which declaration it is signed.
    pub with: Option<args::Which>,
    /// Which signature is confirmed, if it was said.
    pub confirms: Option<Digest>,
}

impl Intent {
    /// An act that says nothing more.
    pub fn plain(kind: ActKind) -> Self {
        Self { kind, place: None, reason: None, texts: None, with: None, confirms: None }
    }
    /// Whether this act says what is meant, as far as that can be told without asking the exchange.
    fn is_of(&self, act: &Act) -> bool {
        let declares = match (&act.declaration, &self.texts, self.with) {
            (None, None, None) | (Some(Declaration::Made(_)), None, Some(args::Which::Last)) => true,
            (Some(Declaration::Texts(said)), Some(meant), None) => said == meant,
            (Some(Declaration::Made(said)), None, Some(args::Which::Of(meant))) => *said == meant,
            _ => false,
        };
        declares
            && act.place == self.place
            && act.reason == self.reason
            && self.confirms.is_none_or(|meant| act.confirms == Some(meant))
    }
    /// The same by digests: what `last` means, and which signature is to be confirmed, as these papers tell.
    ///
    /// # Errors
    /// If there is none, or several and none was named.
    pub fn wish(&self, dossier: &Dossier) -> Result<Wish, Failure> {
        let confirms = match self.kind {
            ActKind::Confirm => Some(unconfirmed(dossier, self.confirms)?),
            _ => None,
        };
        let declaration = match (&self.texts, self.with) {
            (Some(texts), _) => Some(Declaration::Texts(texts.clone())),
            (None, Some(which)) => Some(Declaration::Made(declared(dossier, which)?)),
            (None, None) => None,
        };
        Ok(Wish { act: self.kind, place: self.place.clone(), reason: self.reason.clone(), declaration, confirms })
    }
}

/// Acts that have reasons.
pub fn reasoned(ctx: &mut Context, kind: ActKind, args: &args::Reasoned) -> Result<(), Failure> {
    let reason = reason(args.reason.as_deref(), args.reason_file.as_deref())?;
    if reason.is_none() {
        return Err(Failure::usage(msg!("this act has reasons: give `--reason` or `--reason-file`")));
    }
    run(ctx, Intent { reason, ..Intent::plain(kind) }, &args.act)
}

pub fn withdraw(ctx: &mut Context, args: &args::Withdraw) -> Result<(), Failure> {
    let reason = reason(args.reason.as_deref(), args.reason_file.as_deref())?;
    run(ctx, Intent { reason, ..Intent::plain(ActKind::Withdraw) }, &args.act)
}

pub fn declare(ctx: &mut Context, args: &args::Declare) -> Result<(), Failure> {
    let texts = declaration(&args.text, &args.words)?;
    run(ctx, Intent { texts: Some(texts), ..Intent::plain(ActKind::Declare) }, &args.act)
}

pub fn sign(ctx: &mut Context, args: &args::Sign) -> Result<(), Failure> {
    let kind = if args.ad_referendum { ActKind::SignAdReferendum } else { ActKind::Sign };
    run(ctx, Intent { with: args.declaration, ..Intent::plain(kind) }, &args.act)
}

pub fn confirm(ctx: &mut Context, args: &args::Confirm) -> Result<(), Failure> {
    run(ctx, Intent { confirms: args.signature, ..Intent::plain(ActKind::Confirm) }, &args.act)
}

/// Reasons, from an argument or a file.
pub fn reason(words: Option<&str>, file: Option<&Path>) -> Result<Option<Prose>, Failure> {
    let words = match (words, file) {
        (_, Some(file)) => profile::read_passed_on(file, PROSE_LIMIT)?,
        (Some(words), None) => words.to_owned(),
        (None, None) => return Ok(None),
    };
    Prose::new(words).map(Some).map_err(|e| Failure::from(e).of(msg!("the reason")))
}

/// A declaration, from arguments and files.
pub fn declaration(
    files: &[(Lang, std::path::PathBuf)],
    words: &[(Lang, String)],
) -> Result<BTreeMap<Lang, Prose>, Failure> {
    let mut given = Vec::new();
    for (lang, file) in files {
        let of = msg!("the declaration {lang} ({file})", lang, file);
        given.push((lang, of, profile::read_passed_on(file, PROSE_LIMIT)?));
    }
    given.extend(words.iter().map(|(lang, words)| (lang, msg!("the declaration {lang}", lang), words.clone())));
    let mut texts = BTreeMap::new();
    for (lang, of, words) in given {
        let prose = Prose::new(words).map_err(|e| Failure::from(e).of(of))?;
        if texts.insert(lang.clone(), prose).is_some() {
            return Err(Failure::usage(msg!(
                "the declaration is given twice in the language {lang}; give it once",
                lang
            )));
        }
    }
    Ok(texts)
}

/// For which party somebody acts: the profile's, or the certificate's.
///
/// # Errors
/// A certificate that names no party of the charter.
pub fn own_party(profile: &Profile, pinned: &Pinned) -> Result<PartyId, Failure> {
    if let Some(party) = &profile.party {
        return Ok(party.clone());
    }
    let caller = pki::client::caller(&profile.identity()?.0)?;
    let party = pinned.charter().parties.iter().find(|p| p.trust_domain == caller.trust_domain);
    let named = party.map(|p| p.id.clone());
    Ok(named.ok_or_else(|| {
        Refusal::malformed("client certificate", msg!("names a trust domain of no party of the charter"))
    })?)
}

/// Gathers all that must be seen before an act of this party, and checks it.
///
/// # Errors
/// What the exchange refuses; what it shows and cannot be so.
pub fn gather(
    ctx: &Context,
    session: &Session,
    id: CommuniqueId,
    party: &PartyId,
    since: Option<u64>,
) -> Result<(Dossier, communique::client::dossier::Papers), Failure> {
    let lie = |refusal| ceremony::doubted(refusal, Origin::Exchange);
    let papers = ctx.wait(session.papers(id, party, since)).map_err(|error| match error {
        RemoteError::Local(refusal) => lie(refusal),
        other => other.into(),
    })?;
    let dossier = Dossier::check(session.pinned(), &papers, now()).map_err(lie)?;
    Ok((dossier, papers))
}

pub fn run(ctx: &mut Context, intent: Intent, args: &args::Act) -> Result<(), Failure> {
    ctx.stage.asks();
    let intent = Intent { place: args.place.clone(), ..intent };
    let (kind, id) = (intent.kind, args.id);
    let profile = ctx.profile()?;
    let announced = Announced::of(profile.signing_key()?)?;
    let session = ctx.session(&profile)?;
    let party = own_party(&profile, session.pinned())?;
    let memory = ctx.memory(session.pinned())?;
    let seen = memory.of(id).map_err(RemoteError::from)?;
    let (dossier, _) = gather(ctx, &session, id, &party, seen.map(|seen| seen.revision))?;
    let manifest = dossier.manifest();
    let unanswered = Unanswered::under(session.pinned().founding());
    if let Some(kept) = unanswered.act(kind, id, &dossier.grants_of(&announced)) {
        if !intent.is_of(&kept.act) {
            let time = kept.act.time;
            return Err(Failure::refused(msg!(
                "an earlier `{kind}` of {id}, signed {time}, has no answer yet, and says something else (place, reason, declaration or what it confirms); repeat that one first",
                kind,
                id,
                time
            )));
        }
        let receipt = again(ctx, &session, &kept)?;
        if kept.act.manifest != manifest.digest() {
            let (index, before, newest) = (receipt.index, kept.act.revision, manifest.revision);
            return Err(Failure::refused(msg!(
                "it was on revision {before}, and is entry {index} of the log; on revision {newest}, the newest, nothing was signed: look (`communique show {id}`), and repeat the command if it is meant",
                before,
                index,
                newest,
                id
            )));
        }
        return done(ctx, &session, &kept.act, &receipt);
    }
    dossier.allows(kind, now())?;
    let wish = intent.wish(&dossier)?;
    let act = ceremony::sign(
        ctx,
        Sitting {
            dossier: &dossier,
            wish: &wish,
            announced: &announced,
            consent: &args.consent,
            memory: &memory,
            annexes: &mut OfExchange(&session),
            folder: args.annexes.as_deref(),
            origin: Origin::Exchange,
        },
    )?;
    let receipt = unanswered.send(ctx, &session, &act, None).map_err(sent)?;
    done(ctx, &session, act.body(), &receipt)
}

/// What became of an act that was signed and sent, in the sentence for why it has no receipt.
pub fn sent(error: RemoteError) -> Failure {
    match error {
        unreached @ RemoteError::Unreachable(_) => {
            Failure::from(unreached).of(msg!("it was signed and not sent, so it is not in"))
        }
        other => other.into(),
    }
}

/// The annexes, as the exchange has them.
pub struct OfExchange<'a>(pub &'a Session);

impl Annexes for OfExchange<'_> {
    fn are_there(&self) -> bool {
        true
    }
    fn copy(&mut self, ctx: &Context, manifest: &Manifest, n: usize, to: Option<&Path>) -> Result<(), Failure> {
        let Some(part) = ceremony::annex(manifest, n) else { return Ok(()) };
        let number = n + 1;
        let bar = ctx.progress(&msg!("checking annex {number}", number), part.size);
        let copied = match to {
            None => ctx.wait(self.0.part(manifest.communique, &part, tokio::io::sink(), &|n| bar.at(n))),
            Some(path) => {
                let new = NewFile::begin(path)?;
                let file = new.file()?;
                let copied = ctx.wait(async {
                    let mut sink = tokio::fs::File::from_std(file);
                    let copied = self.0.part(manifest.communique, &part, &mut sink, &|n| bar.at(n)).await;
                    tokio::io::AsyncWriteExt::flush(&mut sink).await?;
                    copied
                });
                // What is not the annex is no file.
                if copied.is_ok() {
                    new.end()?;
                }
                copied
            }
        };
        bar.end();
        copied.map_err(|error| match error {
            RemoteError::Local(refusal) => ceremony::doubted(refusal, Origin::Exchange),
            other => other.into(),
        })
    }
}

/// A file that is put in place once it is whole.
pub struct NewFile<'a> {
    path: &'a Path,
    file: tempfile::NamedTempFile,
}

impl<'a> NewFile<'a> {
    /// Begins beside where it goes, readable by its owner alone.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn begin(path: &'a Path) -> Result<Self, Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder);
        Ok(Self { path, file: file.map_err(|e| Failure::file(path, &e))? })
    }
    /// To write to.
    ///
    /// # Errors
    /// What cannot be opened a second time.
    pub fn file(&self) -> Result<std::fs::File, Failure> {
        self.file.as_file().try_clone().map_err(|e| Failure::file(self.path, &e))
    }
    /// Puts it in place, unless something has come to be there.
    ///
    /// # Errors
    /// A file that is there, or cannot be put there.
    pub fn end(self) -> Result<(), Failure> {
        self.file.persist_noclobber(self.path).map(drop).map_err(|e| Failure::file(self.path, &e.error))
    }
}

/// Sends what had no answer, as it was.
///
/// # Errors
/// What the exchange refuses; it was not stored the first time then either.
pub fn again(ctx: &mut Context, session: &Session, kept: &Kept) -> Result<Receipt, Failure> {
    let (kind, id, time) = (kept.act.act, kept.act.communique, kept.act.time);
    ctx.err.line(&msg!(
        "The same `{kind}` of {id}, signed {time}, had no answer: it is sent again as it was.",
        kind,
        id,
        time
    ));
    ctx.stage.sends();
    let answer = ctx.wait(session.carry(&kept.compact, kept.manifest.as_ref()));
    ctx.stage.ends();
    kept.settle(answer, true).map_err(|e| match Failure::from(e) {
        refused if !kept.is_there() => {
            refused.of(msg!("what was signed before and had no answer is not stored; repeat the command to sign anew"))
        }
        unanswered => unanswered,
    })
}

/// Says that an act is in the log, and what may be done next.
pub fn done(ctx: &mut Context, session: &Session, act: &Act, receipt: &Receipt) -> Result<(), Failure> {
    let id = act.communique;
    let entry: Entry = json::parse(&receipt.entry)?;
    let after = ctx.wait(session.read(id)).ok();
    if ctx.json {
        ctx.out.json(&json!({ "communique": id, "act": act.act.as_str(), "party": act.party, "revision": act.revision,
            "digest": entry.statements.first(), "receipt": render::receipt(receipt),
            "state": after.map(|r| r.state.as_str()) }));
        return Ok(());
    }
    let index = receipt.index;
    ctx.out.line(&msg!("Done, entry {index} of the log.", index));
    if let Some(after) = after {
        ctx.out.field(&msg!("state"), &after.state);
        if act.act == ActKind::Declare {
            ctx.out.line(&msg!("Its signature may be given with it, once it is open:"));
            ctx.out.command(&format!("  communique sign {id} --declaration last"));
        }
        wording::next(&after, session.pinned(), Some(&act.party), None, now()).say(&mut ctx.out);
    }
    Ok(())
}

/// The signature ad referendum of the acting party that is to be confirmed: the one named, or the one that there is.
fn unconfirmed(dossier: &Dossier, named: Option<Digest>) -> Result<Digest, Failure> {
    let (id, party) = (dossier.manifest().communique, &dossier.party);
    let open = dossier.unconfirmed(party);
    match (named, open.as_slice()) {
        (Some(named), open) if open.iter().any(|a| a.digest() == named) => Ok(named),
        (Some(named), _) => Err(Failure::refused(msg!(
            "no signature {named} ad referendum of {party} waits to be confirmed on this revision; look: `communique show {id}`",
            named,
            party,
            id
        ))),
        (None, [one]) => Ok(one.digest()),
        (None, []) => Err(Failure::refused(msg!(
            "no signature ad referendum of {party} waits to be confirmed on this revision; look: `communique show {id}`",
            party,
            id
        ))),
        (None, several) => {
            let digests: Vec<_> = several.iter().map(|a| format!("{} of {}", a.digest(), a.body().time)).collect();
            let digests = digests.join("\n");
            Err(Failure::usage(msg!(
                "{party} has several signatures ad referendum to confirm; name one: `communique confirm {id} DIGEST`\n{digests}",
                party,
                id,
                digests
            )))
        }
    }
}

/// The declaration that a signature is given with: one of the party's own, on whichever revision.
fn declared(dossier: &Dossier, which: args::Which) -> Result<Digest, Failure> {
    let (id, party) = (dossier.manifest().communique, &dossier.party);
    let mut made = dossier.declarations(party).map(Statement::digest);
    match which {
        args::Which::Last => made.next().ok_or_else(|| {
            Failure::refused(msg!("{party} has made no declaration on this communiqué; one is made while the text is settled (`communique declare {id}`)", party, id))
        }),
        args::Which::Of(digest) => made.find(|made| *made == digest).ok_or_else(|| {
            Failure::refused(msg!("{party} has made no declaration {digest} on this communiqué; see `communique history {id} --json`", party, digest, id))
        }),
    }
}
