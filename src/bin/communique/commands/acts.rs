//! The acts: what a holder of full powers does to the newest revision. Everything that is signed is read, recomputed and shown
//! first.

use std::{collections::BTreeMap, path::Path};

use communique::{
    client::{
        acting::{self, Circumstances},
        reading::Reading,
        session::Session,
    },
    domain::{
        act::{Act, ActKind, Declaration},
        entry::Entry,
        id::{CommuniqueId, Digest, Lang, PartyId},
        json,
        manifest::Manifest,
        powers::Powers,
        statement::Statement,
        time::Time,
        view::Receipt,
        words::{PROSE_LIMIT, Prose},
    },
};
use serde_json::json;

use super::{Context, now, show, wording};
use crate::{
    args,
    confirm::{self, Announced},
    errors::Failure,
    profile,
    render::{self, Out},
    unanswered::{Kept, Unanswered},
};

/// The texts of a manifest, by language.
pub type Texts = BTreeMap<Lang, String>;

/// What is to be done, as typed.
pub struct Intent {
    kind: ActKind,
    reason: Option<Prose>,
    /// What is declared.
    texts: Option<BTreeMap<Lang, Prose>>,
    /// With which declaration it is signed.
    with: Option<args::Which>,
    /// Which signature is confirmed, if it was said.
    confirms: Option<Digest>,
}

impl Intent {
    /// An act that says nothing more.
    pub fn plain(kind: ActKind) -> Self {
        Self { kind, reason: None, texts: None, with: None, confirms: None }
    }
    /// Whether this act says what is meant, as far as that can be told without asking the exchange.
    fn is_of(&self, act: &Act) -> bool {
        let declares = match (&act.declaration, &self.texts, self.with) {
            (None, None, None) | (Some(Declaration::Made(_)), None, Some(args::Which::Last)) => true,
            (Some(Declaration::Texts(said)), Some(meant), None) => said == meant,
            (Some(Declaration::Made(said)), None, Some(args::Which::Of(meant))) => *said == meant,
            _ => false,
        };
        declares && act.reason == self.reason && self.confirms.is_none_or(|meant| act.confirms == Some(meant))
    }
}

/// Acts that have reasons.
pub fn reasoned(ctx: &mut Context, kind: ActKind, args: &args::Reasoned) -> Result<(), Failure> {
    let reason = reason(args.reason.as_deref(), args.reason_file.as_deref())?;
    if reason.is_none() {
        return Err(Failure::usage("this act has reasons: give --reason or --reason-file"));
    }
    run(ctx, &Intent { reason, ..Intent::plain(kind) }, &args.act)
}

pub fn withdraw(ctx: &mut Context, args: &args::Withdraw) -> Result<(), Failure> {
    let reason = reason(args.reason.as_deref(), args.reason_file.as_deref())?;
    run(ctx, &Intent { reason, ..Intent::plain(ActKind::Withdraw) }, &args.act)
}

pub fn declare(ctx: &mut Context, args: &args::Declare) -> Result<(), Failure> {
    let mut given = Vec::new();
    for (lang, file) in &args.text {
        given.push((lang, format!(" ({})", file.display()), profile::read_passed_on(file, PROSE_LIMIT)?));
    }
    given.extend(args.words.iter().map(|(lang, words)| (lang, String::new(), words.clone())));
    let mut texts = BTreeMap::new();
    for (lang, whence, words) in given {
        let prose = Prose::new(words).map_err(|e| Failure::from(e).of(format!("the declaration {lang}{whence}")))?;
        if texts.insert(lang.clone(), prose).is_some() {
            return Err(Failure::usage(format!("the declaration is given twice in the language {lang}; give it once")));
        }
    }
    run(ctx, &Intent { texts: Some(texts), ..Intent::plain(ActKind::Declare) }, &args.act)
}

pub fn sign(ctx: &mut Context, args: &args::Sign) -> Result<(), Failure> {
    let kind = if args.ad_referendum { ActKind::SignAdReferendum } else { ActKind::Sign };
    run(ctx, &Intent { with: args.declaration, ..Intent::plain(kind) }, &args.act)
}

pub fn confirm(ctx: &mut Context, args: &args::Confirm) -> Result<(), Failure> {
    run(ctx, &Intent { confirms: args.signature, ..Intent::plain(ActKind::Confirm) }, &args.act)
}

/// Reasons, from an argument or a file.
pub fn reason(words: Option<&str>, file: Option<&Path>) -> Result<Option<Prose>, Failure> {
    let words = match (words, file) {
        (_, Some(file)) => profile::read_passed_on(file, PROSE_LIMIT)?,
        (Some(words), None) => words.to_owned(),
        (None, None) => return Ok(None),
    };
    Prose::new(words).map(Some).map_err(|e| Failure::from(e).of("the reason"))
}

pub fn run(ctx: &mut Context, intent: &Intent, args: &args::Act) -> Result<(), Failure> {
    let kind = intent.kind;
    let profile = ctx.profile()?;
    let announced = Announced::of(profile.signing_key()?)?;
    let session = ctx.session(&profile)?;
    let reading = ctx.wait(session.read(args.id))?;
    let manifest = &reading.newest.manifest;
    let grants = ctx.wait(session.my_grants(&announced, profile.party.as_ref()))?;
    let digests: Vec<_> = grants.iter().map(|g| g.powers.digest()).collect();
    let unanswered = Unanswered::under(session.pinned().founding());
    if let Some(kept) = unanswered.act(kind, args.id, &digests) {
        if kept.act.place != args.place || !intent.is_of(&kept.act) {
            return Err(Failure::refused(format!(
                "an earlier `{kind}` of {}, signed {}, has no answer yet, and says something else (place, reason, declaration or what it confirms); repeat that one first",
                args.id, kept.act.time
            )));
        }
        let receipt = again(ctx, &session, &kept)?;
        if kept.act.manifest != manifest.digest() {
            return Err(Failure::refused(format!(
                "it was on revision {}, and is entry {} of the log; on revision {}, the newest, nothing was signed: look (communique show {}), and repeat the command if it is meant",
                kept.act.revision, receipt.index, manifest.revision, args.id
            )));
        }
        return done(ctx, &session, args.id, &kept.act, &receipt);
    }
    let grant = acting::choose(session.pinned(), &grants, &announced, kind, manifest, now())?;
    let party = grant.body().party.clone();
    // What cannot be done is said before anybody reads and types.
    acting::allowed(session.pinned(), &reading, kind, &party, now())?;
    let confirmed = match kind {
        ActKind::Confirm => Some(unconfirmed(ctx, &session, &reading, &party, intent.confirms)?),
        _ => None,
    };
    let with = match intent.with {
        Some(which) => Some(declared(ctx, &session, args.id, &party, which)?),
        None => None,
    };
    let declaration = match (&intent.texts, &with) {
        (Some(texts), _) => Some(Declaration::Texts(texts.clone())),
        (None, with) => with.as_ref().map(|act| Declaration::Made(act.digest())),
    };
    let circumstances = || Circumstances {
        time: now(),
        place: args.place.clone(),
        reason: intent.reason.clone(),
        declaration: declaration.clone(),
        confirms: confirmed.as_ref().map(Statement::digest),
    };
    grant.body().cover(&acting::act(session.pinned(), &reading, kind, grant, circumstances())?)?;
    let texts = ctx.wait(session.texts(manifest))?;
    annexes(ctx, &session, manifest)?;
    let revoked = show::revoked(ctx, &session, &reading.acts)?;

    ctx.begin_scene();
    let out = ctx.scene();
    for (lang, words) in &texts {
        show::text(out, manifest, lang, words);
    }
    out.gap();
    standing(out, &session, &reading, &revoked);
    if let Some(reason) = &intent.reason {
        out.line("The reasons, which every party will read:");
        out.verbatim(reason.as_str());
    }
    if let Some(texts) = &intent.texts {
        out.line("The declaration, which every party will read:");
        show::declaration(out, texts);
    }
    if let Some(made) = &with {
        let body = made.body();
        out.line(&format!(
            "The declaration that the signature is given with, made {} on revision {}:",
            body.time, body.revision
        ));
        if let Some(Declaration::Texts(texts)) = &body.declaration {
            show::declaration(out, texts);
        }
    }
    if let Some(signed) = &confirmed {
        out.line("The signature ad referendum that is confirmed:");
        show::done(out, &session, std::slice::from_ref(signed), &[], &revoked);
        out.field("digest", &signed.digest().to_string());
    }
    out.gap();
    let who = wording::who(&party, grant);
    let what = wording::meaning(kind, &party, &reading, session.pinned(), with.is_some());
    out.heading(&format!("{who}, {what} (revision {} of {}).", manifest.revision, manifest.communique));
    confirm::typed(ctx, &args.consent, wording::infinitive(kind), &party)?;
    let key = announced.unlock(&args.consent.passphrase)?;
    let act = acting::sign(acting::act(session.pinned(), &reading, kind, grant, circumstances())?, grant, &*key)?;
    let receipt = unanswered.send(ctx, &session, &act, None)?;
    done(ctx, &session, args.id, act.body(), &receipt)
}

/// Sends what had no answer, as it was.
///
/// # Errors
/// What the exchange refuses; it was not stored the first time then either.
pub fn again(ctx: &mut Context, session: &Session, kept: &Kept) -> Result<Receipt, Failure> {
    let (act, id) = (&kept.act, kept.act.communique);
    ctx.err.line(&format!(
        "The same `{}` of {id}, signed {}, had no answer: it is sent again as it was.",
        act.act, act.time
    ));
    let answer = ctx.wait(session.carry(&kept.compact, kept.manifest.as_ref()));
    kept.settle(answer, true).map_err(|e| match Failure::from(e) {
        refused if !kept.is_there() => {
            refused.of("what was signed before and had no answer is not stored; repeat the command to sign anew")
        }
        unanswered => unanswered,
    })
}

fn done(ctx: &mut Context, session: &Session, id: CommuniqueId, act: &Act, receipt: &Receipt) -> Result<(), Failure> {
    let entry: Entry = json::parse(&receipt.entry)?;
    let after = ctx.wait(session.read(id)).ok();
    if ctx.json {
        ctx.out.json(&json!({ "communique": id, "act": act.act.as_str(), "party": act.party, "revision": act.revision,
            "digest": entry.statements.first(), "receipt": render::receipt(receipt),
            "state": after.map(|r| r.state.as_str()) }));
        return Ok(());
    }
    ctx.out.line(&format!("Done, entry {} of the log.", receipt.index));
    if let Some(after) = after {
        ctx.out.field("state", after.state.as_str());
        if act.act == ActKind::Declare {
            ctx.out.line("Its signature may be given with it, once it is open:");
            ctx.out.command(&format!("  communique sign {id} --declaration last"));
        }
        wording::next(&after, session.pinned(), Some(&act.party), None, now()).say(&mut ctx.out);
    }
    Ok(())
}

/// The signature ad referendum of the party that is to be confirmed: the one named, or the one that there is.
fn unconfirmed(
    ctx: &Context,
    session: &Session,
    reading: &Reading,
    party: &PartyId,
    named: Option<Digest>,
) -> Result<Statement<Act>, Failure> {
    let id = reading.newest.manifest.communique;
    let grants = ctx.wait(session.grants(Some(party)))?;
    let stands = |a: &&Statement<Act>| {
        let grant = grants.iter().find(|g| g.powers.digest() == a.body().grant);
        grant.is_some_and(|g| g.revoked.is_none())
    };
    let open: Vec<_> = acting::unconfirmed(reading, party).into_iter().filter(stands).collect();
    let found = match named {
        Some(digest) => open.iter().find(|a| a.digest() == digest).copied(),
        None if open.len() > 1 => {
            let digests: Vec<_> = open.iter().map(|a| format!("{} of {}", a.digest(), a.body().time)).collect();
            return Err(Failure::usage(format!(
                "{party} has several signatures ad referendum to confirm; name one: communique confirm {id} DIGEST\n{}",
                digests.join("\n")
            )));
        }
        None => open.first().copied(),
    };
    found.cloned().ok_or_else(|| {
        let which = named.map(|digest| format!(" {digest}")).unwrap_or_default();
        Failure::refused(format!(
            "no signature{which} ad referendum of {party} waits to be confirmed on this revision; look: communique show {id}"
        ))
    })
}

/// The declaration that a signature is given with: one of the party's own, on whichever revision.
fn declared(
    ctx: &Context,
    session: &Session,
    id: CommuniqueId,
    party: &PartyId,
    which: args::Which,
) -> Result<Statement<Act>, Failure> {
    let acts = ctx.wait(session.history(id))?.acts;
    let mut made = acts.into_iter().rev().filter(|a| a.body().act == ActKind::Declare && a.body().party == *party);
    match which {
        args::Which::Last => made.next().ok_or_else(|| {
            Failure::refused(format!(
                "{party} has made no declaration on this communiqué; one is made while the text is settled (communique declare {id})"
            ))
        }),
        args::Which::Of(digest) => made.find(|a| a.digest() == digest).ok_or_else(|| {
            Failure::refused(format!(
                "{party} has made no declaration {digest} on this communiqué; see communique history {id} --json"
            ))
        }),
    }
}

/// Recomputes the digest of every annex, without keeping it.
fn annexes(ctx: &Context, session: &Session, manifest: &Manifest) -> Result<(), Failure> {
    for part in manifest.parts().skip(manifest.texts.len()) {
        let bar = ctx.progress(&format!("checking {}", part.path), part.size);
        let done = ctx.wait(session.part(manifest.communique, &part, tokio::io::sink(), &|n| bar.at(n)));
        bar.end();
        done?;
    }
    Ok(())
}

fn standing(out: &mut Out, session: &Session, reading: &Reading, revoked: &BTreeMap<Digest, Time>) {
    show::facts(out, session.pinned().charter(), &reading.newest.manifest);
    out.field("state", reading.state.as_str());
    let acts: Vec<_> = [&reading.newest.propose].into_iter().chain(&reading.acts).cloned().collect();
    show::done(out, session, &acts, &reading.escrowed, revoked);
    out.line("Every digest above was computed again on this machine, from what the exchange sent.");
    operator(out);
}

/// What nobody may sign without knowing.
pub fn operator(out: &mut Out) {
    out.line("The operator of the exchange can read drafts and the signatures that lie in escrow. It cannot make one.");
}

/// The words that name a proposal.
pub fn proposal(party: &PartyId, grant: &Statement<Powers>, m: &Manifest) -> String {
    let who = wording::who(party, grant);
    format!("{who}, proposes this text to the other parties (revision {} of {}).", m.revision, m.communique)
}
