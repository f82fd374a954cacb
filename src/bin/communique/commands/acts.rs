//! `initial`, `open`, `sign`, `decline`: what a holder of full powers does to the newest revision. Everything that is
//! signed is read, recomputed and shown first.

use std::collections::BTreeMap;

use communique::{
    client::{
        acting::{self, Circumstances},
        reading::Reading,
        session::Session,
    },
    domain::{
        act::{Act as ActBody, ActKind},
        id::{CommuniqueId, Lang, PartyId},
        manifest::Manifest,
        powers::Powers,
        statement::Statement,
        view::Receipt,
        words::{PROSE_LIMIT, Prose},
    },
};
use serde_json::json;

use super::{Context, now, show};
use crate::{
    args::{Act, Decline},
    confirm::{self, Announced},
    errors::Failure,
    profile,
    render::{self, Out},
    unanswered::{Kept, Unanswered},
};

pub fn decline(ctx: &mut Context, args: &Decline) -> Result<(), Failure> {
    let words = match (&args.reason, &args.reason_file) {
        (_, Some(file)) => profile::read_passed_on(file, PROSE_LIMIT)?,
        (Some(reason), None) => reason.clone(),
        (None, None) => return Err(Failure::usage("a declination has reasons: give --reason or --reason-file")),
    };
    run(ctx, ActKind::Decline, &args.act, Some(Prose::new(words).map_err(|e| Failure::from(e).of("the reason"))?))
}

pub fn run(ctx: &mut Context, kind: ActKind, args: &Act, reason: Option<Prose>) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let announced = Announced::beside(profile.signing_key()?)?;
    let session = ctx.session(&profile)?;
    let reading = ctx.wait(session.read(args.id))?;
    let manifest = &reading.newest.manifest;
    let grants = ctx.wait(session.my_grants(&announced, profile.party.as_ref()))?;
    let digests: Vec<_> = grants.iter().map(Statement::digest).collect();
    let unanswered = Unanswered::under(session.pinned().founding());
    if let Some(kept) = unanswered.act(kind, args.id, &digests) {
        if (&kept.act.place, &kept.act.reason) != (&args.place, &reason) {
            return Err(Failure::refused(format!(
                "an earlier `{kind}` of {}, signed {}, has no answer yet, and says another place or reason; repeat that one first",
                args.id, kept.act.time
            )));
        }
        let receipt = again(ctx, &session, &kept)?;
        return done(ctx, &session, args.id, &kept.act, &receipt);
    }
    let grant = acting::choose(session.pinned(), &grants, &announced, kind, manifest, now())?;
    // What cannot be done is said before anybody reads and types.
    let circumstances = || Circumstances {
        time: now(),
        place: args.place.clone(),
        reason: reason.clone(),
        declaration: None,
        confirms: None,
    };
    acting::act(session.pinned(), &reading, kind, grant, circumstances())?;
    grant.body().cover(&acting::act(session.pinned(), &reading, kind, grant, circumstances())?)?;
    let texts = ctx.wait(session.texts(manifest))?;
    annexes(ctx, &session, manifest)?;

    let party = grant.body().party.clone();
    let out = ctx.scene();
    for (lang, words) in &texts {
        show::text(out, manifest, lang, words);
    }
    out.gap();
    standing(out, &session, &reading);
    if let Some(reason) = &reason {
        out.line("The reasons, which every party will read:");
        out.verbatim(reason.as_str());
    }
    out.gap();
    out.heading(&meaning(kind, &party, grant, manifest));
    confirm::typed(ctx, &args.consent, kind.as_str(), &party)?;
    let key = announced.unlock(&args.consent.passphrase)?;
    let act = acting::sign(acting::act(session.pinned(), &reading, kind, grant, circumstances())?, grant, &key)?;
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

fn done(
    ctx: &mut Context,
    session: &Session,
    id: CommuniqueId,
    act: &ActBody,
    receipt: &Receipt,
) -> Result<(), Failure> {
    let state = ctx.wait(session.read(id)).ok().map(|r| r.state);
    if ctx.json {
        ctx.out.json(&json!({ "communique": id, "act": act.act.as_str(), "party": act.party, "revision": act.revision,
            "receipt": render::receipt(receipt), "state": state.map(|s| s.as_str()) }));
    } else {
        ctx.out.line(&format!("Done, entry {} of the log.", receipt.index));
        if let Some(state) = state {
            ctx.out.field("state", state.as_str());
        }
    }
    Ok(())
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

fn standing(out: &mut Out, session: &Session, reading: &Reading) {
    show::facts(out, session.pinned().charter(), &reading.newest.manifest);
    out.field("state", reading.state.as_str());
    let acts: Vec<_> = [&reading.newest.propose].into_iter().chain(&reading.acts).cloned().collect();
    show::done(out, session, &acts, &reading.escrowed);
    out.line("Every digest above was computed again on this machine, from what the exchange sent.");
    operator(out);
}

/// What nobody may sign without knowing.
pub fn operator(out: &mut Out) {
    out.line("The operator of the exchange can read drafts and the signatures that lie in escrow. It cannot make one.");
}

fn meaning(kind: ActKind, party: &PartyId, grant: &Statement<Powers>, m: &Manifest) -> String {
    let who = format!("{}, {}", render::name(&grant.body().holder.names), render::name(&grant.body().holder.titles));
    let what = match kind {
        ActKind::Initial => "initials this text: it is final; this is not yet consent to it",
        ActKind::Open => "opens this revision for signature",
        ActKind::Sign => "SIGNS this text definitively; once every party has signed, this cannot be taken back",
        ActKind::SignAdReferendum => "signs this text AD REFERENDUM: it counts once its capital has confirmed it",
        ActKind::Confirm => "CONFIRMS the signature ad referendum, which counts from now on as a definitive one",
        ActKind::Decline => "declines to sign this revision, for the reasons above; it goes back to drafting",
        ActKind::Propose => "proposes this text to the other parties",
        ActKind::Object => "objects to this revision, for the reasons above: it does not open",
        ActKind::Declare => "makes the declaration above, which every party can read",
        ActKind::Withdraw => "takes this communiqué back: once every party that must has done so, it is over",
        ActKind::Release => "agrees that it is published before the embargo ends, if every party does",
        ActKind::Purge => "agrees that its texts and annexes are erased for ever, if every party does",
    };
    format!("{party}, by {who}, {what} (revision {} of {}).", m.revision, m.communique)
}

/// The words that name a proposal, as [`meaning`] gives them for the acts of this file.
pub fn proposal(party: &PartyId, grant: &Statement<Powers>, m: &Manifest) -> String {
    meaning(ActKind::Propose, party, grant, m)
}

/// The texts of a manifest, by language.
pub type Texts = BTreeMap<Lang, String>;
