//! `new` and `revise`: from a draft on disk to a revision that the other parties read.

use std::{path::Path, sync::Arc};

use communique::{
    client::{
        acting::{self, Circumstances},
        comparing,
        drafting::{self, Description, Place},
        granted::Granted,
        reading::{self, Reading},
        session::{Session, Watch},
    },
    domain::{
        act::ActKind,
        document::Document,
        id::{CommuniqueId, Lang, PartyId, Salt},
        manifest::{Manifest, Rectifies},
        text::TEXT_LIMIT,
        view::Receipt,
    },
    msg,
};
use serde_json::json;

use super::{Context, acts, ceremony, millis, now, random, show, text, wording};
use crate::{
    args::{Consent, New, Revise},
    confirm::{self, Announced},
    errors::Failure,
    profile::{self, Profile},
    render,
    unanswered::Unanswered,
};

pub fn new(ctx: &mut Context, args: &New) -> Result<(), Failure> {
    let id = CommuniqueId::new(millis(), &random());
    let profile = ctx.profile()?;
    let corrects = args.rectifies.map(|id| (id, args.anyway));
    propose(ctx, &profile, id, &args.draft, &args.consent, &Stage::First { corrects })
}

pub fn revise(ctx: &mut Context, args: &Revise) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    propose(ctx, &profile, args.id, &args.draft, &args.consent, &Stage::Later)
}

/// Which revision it is.
enum Stage {
    /// The first; what it corrects, and whether also if something newer does.
    First {
        corrects: Option<(CommuniqueId, bool)>,
    },
    Later,
}

fn propose(
    ctx: &mut Context,
    profile: &Profile,
    id: CommuniqueId,
    draft: &Path,
    consent: &Consent,
    stage: &Stage,
) -> Result<(), Failure> {
    // What is wrong with the draft is said before the exchange is asked for anything.
    let description = drafting::read(draft)?;
    let announced = Announced::of(profile.signing_key()?)?;
    let session = ctx.session(profile)?;
    let grants = ctx.wait(session.my_grants(&announced, profile.party.as_ref()))?;
    let (reading, original) = match stage {
        Stage::First { corrects: None } => (None, None),
        Stage::First { corrects: Some((original, anyway)) } => {
            (None, Some(rectified(ctx, &session, *original, *anyway, &description)?))
        }
        Stage::Later => {
            let reading = ctx.wait(session.read(id))?;
            let party = speaker(profile, &grants)?;
            acting::allowed(session.pinned(), &reading, ActKind::Propose, &party, now())?;
            (Some(reading), None)
        }
    };
    let place = match &reading {
        None => Place::First(speaker(profile, &grants)?, original.as_ref().map(|(rectifies, _)| *rectifies)),
        Some(reading) => Place::After(&reading.newest.manifest),
    };
    let base = draft.parent().unwrap_or(Path::new(""));
    let (manifest, uploads) = drafting::manifest(base, description, session.pinned(), id, place, Salt::new(random()))?;
    let digests: Vec<_> = grants.iter().map(|g| g.powers.digest()).collect();
    let unanswered = Unanswered::under(session.pinned().founding());
    if let Some(kept) = unanswered.proposal(&manifest, &digests) {
        let receipt = acts::again(ctx, &session, &kept)?;
        let manifest = kept.manifest.as_ref().unwrap_or(&manifest);
        done(ctx, manifest, &receipt);
        return Ok(());
    }
    let grant = acting::choose(session.pinned(), &grants, &announced, ActKind::Propose, &manifest, now())?;
    let party = grant.body().party.clone();

    let mut bytes = std::collections::BTreeMap::new();
    for (text, upload) in
        manifest.texts.iter().filter_map(|t| Some((t, uploads.iter().find(|u| u.sha256 == t.sha256)?)))
    {
        bytes.insert(text.lang.clone(), profile::read(&upload.file, TEXT_LIMIT)?);
    }
    let texts: std::collections::BTreeMap<Lang, String> = reading::texts(&manifest, bytes)?;
    let corrected = match &original {
        Some((_, original)) => {
            let before = ctx.wait(session.texts(original))?;
            let changes = comparing::revisions((original, &before), (&manifest, &texts));
            let nothing = changes.is_empty().then(|| msg!("Nothing that is read changed."));
            changes.summary().into_iter().chain(nothing).collect()
        }
        None => vec![],
    };
    let misaligned = text::compared(texts.iter().map(|(lang, words)| (lang, words.as_str())));
    ctx.begin_scene();
    let out = ctx.scene();
    for (lang, words) in &texts {
        show::text(out, &manifest, lang, words);
    }
    out.gap();
    show::facts(out, session.pinned().charter(), &manifest);
    ceremony::operator(out);
    if let Some((_, original)) = &original {
        out.gap();
        out.heading(&msg!("What it corrects in {communique}", communique = original.communique));
        for line in &corrected {
            out.item(1, line);
        }
    }
    if let Some(reading) = &reading {
        overtakes(out, reading);
    }
    out.gap();
    out.heading(&wording::proposal(session.pinned().charter(), grant, &manifest));
    // Last before it is asked, and apart from the scene, so that scripts see it too.
    out.flush();
    text::warn(&mut ctx.err, &misaligned);
    confirm::typed(ctx, consent, &wording::asked(ActKind::Propose, &party), &party)?;
    let key = announced.unlock(&consent.passphrase)?;

    upload(ctx, &session, id, &uploads)?;
    let circumstances = Circumstances { time: now(), place: None, reason: None, declaration: None, confirms: None };
    let act = acting::sign(acting::proposal(&manifest, grant, circumstances), grant, &*key)?;
    let receipt = unanswered
        .send(ctx, &session, &act, Some(&manifest))
        .map_err(|e| Failure::from(e).of(msg!("communiqué {id}", id)))?;
    done(ctx, &manifest, &receipt);
    Ok(())
}

fn done(ctx: &mut Context, manifest: &Document<Manifest>, receipt: &Receipt) {
    let id = manifest.communique;
    if ctx.json {
        ctx.out.json(&json!({ "communique": id, "revision": manifest.revision, "manifest_digest": manifest.digest(),
            "receipt": render::receipt(receipt) }));
    } else {
        ctx.out.field(&msg!("communiqué"), &id);
        ctx.out.field(
            &msg!("revision"),
            &msg!("{revision}, entry {index} of the log", revision = manifest.revision, index = receipt.index),
        );
        ctx.out.line(&msg!("Next: the other parties read it (`communique show {id} --texts`).", id));
    }
}

/// What a rectification of this publication names, and the manifest that was signed: the same parties sign again, as far as they are
/// still there.
fn rectified(
    ctx: &Context,
    session: &Session,
    id: CommuniqueId,
    anyway: bool,
    description: &Description,
) -> Result<(Rectifies, Document<Manifest>), Failure> {
    let (rectifies, original, newer) = ctx.wait(session.rectifiable(id))?;
    if let Some(newer) = newer.filter(|_| !anyway) {
        return Err(Failure::refused(msg!(
            "{id} is rectified already; the newest rectification is {newer}: correct that one (`--rectifies {newer}`), or give `--anyway`",
            id,
            newer
        )));
    }
    let mut there: Vec<_> =
        original.parties.iter().filter(|p| session.pinned().standing().party(p).is_ok()).cloned().collect();
    let mut named = description.parties.clone();
    there.sort();
    named.sort();
    if there != named {
        return Err(Failure::refused(msg!(
            "a rectification is signed by the parties of what it corrects: `parties` must name exactly {parties}",
            parties = there
        )));
    }
    Ok((rectifies, original))
}

/// For which party: the profile's, or the one of the full powers.
fn speaker(profile: &Profile, grants: &[Granted]) -> Result<PartyId, Failure> {
    let named = profile.party.clone().or_else(|| grants.last().map(|g| g.powers.body().party.clone()));
    named.ok_or_else(|| {
        Failure::refused(msg!(
            "no full powers in the log name this key; ask your authority for a grant (`communique powers grant`)"
        ))
    })
}

fn overtakes(out: &mut render::Out, reading: &Reading) {
    let revision = reading.newest.manifest.revision;
    let initials = reading.acts.iter().filter(|a| a.body().act == ActKind::Initial).count();
    if initials > 0 {
        out.line(&msg!(
            "It overtakes revision {revision}, and the one initial on it falls."
                | "It overtakes revision {revision}, and the {n} initials on it fall.",
            revision,
            n = initials
        ));
    } else {
        out.line(&msg!("It overtakes revision {revision}.", revision));
    }
}

fn upload(ctx: &Context, session: &Session, id: CommuniqueId, uploads: &[drafting::Upload]) -> Result<(), Failure> {
    let bar = ctx.progress(&msg!("uploading"), uploads.iter().map(|u| u.size).sum());
    let sent: Watch = {
        let (bar, all) = (bar.clone(), uploads.to_vec());
        Arc::new(move |now, sent| {
            let before: u64 = all.iter().take_while(|u| u.file != now.file).map(|u| u.size).sum();
            bar.at(before + sent);
        })
    };
    let done = ctx.wait(session.upload(id, uploads, sent));
    bar.end();
    Ok(done?)
}
