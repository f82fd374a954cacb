//! `history`: who did what to a communiqué, when, with reasons.

use communique::{
    client::{
        session::Session,
        timeline::{Happened, What},
    },
    domain::{
        act::{Act, ActKind, Declaration},
        entry::Kind,
        id::{CommuniqueId, Digest},
        message::{Message, Tell as _},
        statement::Statement,
    },
    msg,
};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::{Context, show, wording};
use crate::{
    errors::Failure,
    render::{self, Out},
    speech,
};

/// How wide a moment is, in columns.
const WHEN: usize = 31;

pub fn run(ctx: &mut Context, id: CommuniqueId) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let timeline = ctx.wait(session.timeline(id))?;
    if ctx.json {
        let rows: Vec<_> = timeline.iter().map(|happened| value(&session, happened)).collect();
        ctx.out.json(&json!({ "communique": id, "history": rows }));
        return Ok(());
    }
    for happened in &timeline {
        line(&mut ctx.out, &session, happened);
    }
    ctx.out.gap();
    ctx.out.line(&msg!("Acts and manifests were verified on this machine; the times are those of the exchange's log."));
    Ok(())
}

fn line(out: &mut Out, session: &Session, happened: &Happened) {
    let when = speech::say(&happened.time.map_or_else(|| msg!("sealed").into(), |time| time.tell()));
    let room = " ".repeat(WHEN.saturating_sub(when.width()));
    // Where it stands in the log, and when it was logged, in columns: so in every language.
    let head = |out: &mut Out, what: &Message| {
        out.shown(&format!("{:>6}  {when}{room}  {}", happened.index, speech::shown(what)));
    };
    match &happened.what {
        What::Revision(revision) => {
            let number = revision.manifest.revision;
            head(out, &wording::told(&who(session, &revision.propose), ActKind::Propose, number, false));
        }
        What::Act(act) => {
            let body = act.body();
            let deed = wording::told(&who(session, act), body.act, body.revision, body.opening.is_some());
            match body.place.as_ref().map(|place| render::quoted(place.as_str())) {
                Some(place) => head(out, &msg!("{deed}, in {place}", deed, place)),
                None => head(out, &deed),
            }
            if let Some(reason) = &body.reason {
                out.verbatim(reason.as_str());
            }
            match &body.declaration {
                Some(Declaration::Texts(texts)) => show::declaration(out, texts),
                Some(Declaration::Made(digest)) => {
                    out.paragraph("        ", &msg!("with the declaration {digest}", digest));
                }
                None => {}
            }
        }
        What::Escrowed { party, act, revision } => {
            let deed = wording::told(party, *act, *revision, true);
            head(out, &msg!("{deed}, in escrow: the exchange's word", deed));
        }
        What::Noted(kind) => head(out, &noted(*kind)),
    }
}

fn who(session: &Session, act: &Statement<Act>) -> Message {
    let party = &act.body().party;
    session.grant(&act.body().grant).map_or_else(
        || party.message(),
        |grant| msg!("{party}, {person},", party, person = render::person(&grant.body().holder)),
    )
}

fn noted(kind: Kind) -> Message {
    match kind {
        Kind::Opened => msg!("the exchange noted: open for signature"),
        Kind::Completed => msg!("the exchange noted: complete: every party has signed"),
        Kind::Published => msg!("the exchange noted: published"),
        Kind::Lapsed => msg!("the exchange noted: lapsed: its deadline passed before every party had signed"),
        Kind::Returned => {
            msg!("the exchange noted: back to drafting: another charter came into force while it was open")
        }
        Kind::Rectified => msg!("the exchange noted: rectified: a communiqué that corrects it was published"),
        Kind::Purged => msg!("the exchange noted: its texts and annexes were erased, as every party asked"),
        _ => msg!("the exchange noted: another entry"),
    }
}

fn value(session: &Session, happened: &Happened) -> Value {
    let act = |what: &str, act: &Statement<Act>, manifest: Digest| {
        let body = act.body();
        json!({ "index": happened.index, "time": happened.time, "what": what, "party": body.party,
            "holder": session.grant(&body.grant).map(|g| g.body().holder.clone()), "revision": body.revision,
            "manifest_digest": manifest, "act_digest": act.digest(), "place": body.place, "reason": body.reason,
            "declaration": body.declaration, "confirms": body.confirms, "escrowed": false })
    };
    match &happened.what {
        What::Revision(revision) => act("propose", &revision.propose, revision.manifest.digest()),
        What::Act(done) => act(done.body().act.as_str(), done, done.body().manifest),
        What::Escrowed { party, act, revision } => json!({ "index": happened.index, "time": null,
            "what": act.as_str(), "party": party, "holder": null, "revision": revision, "manifest_digest": null,
            "act_digest": null, "place": null, "reason": null, "declaration": null, "confirms": null, "escrowed": true }),
        What::Noted(kind) => json!({ "index": happened.index, "time": happened.time, "what": kind, "party": null,
            "holder": null, "revision": null, "manifest_digest": null, "act_digest": null, "place": null,
            "reason": null, "declaration": null, "confirms": null, "escrowed": false }),
    }
}
