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
        statement::Statement,
    },
};
use serde_json::{Value, json};

use super::{Context, show, wording};
use crate::{
    errors::Failure,
    render::{self, Out},
};

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
    ctx.out.line("Acts and manifests were verified on this machine; the times are those of the exchange's log.");
    Ok(())
}

fn line(out: &mut Out, session: &Session, happened: &Happened) {
    let when = happened.time.map_or_else(|| "sealed".into(), |time| time.to_string());
    let head = |what: &str| format!("{:>6}  {when:<20}  {what}", happened.index);
    match &happened.what {
        What::Revision(revision) => {
            let number = revision.manifest.revision;
            let told = wording::told(&who(session, &revision.propose), ActKind::Propose, number, false);
            out.line(&head(&told.to_string()));
        }
        What::Act(act) => {
            let body = act.body();
            let told = wording::told(&who(session, act), body.act, body.revision, body.opening.is_some());
            let what = match &body.place {
                Some(place) => format!("{told}, in {}", render::quoted(place.as_str())),
                None => told.to_string(),
            };
            out.line(&head(&what));
            if let Some(reason) = &body.reason {
                out.verbatim(reason.as_str());
            }
            match &body.declaration {
                Some(Declaration::Texts(texts)) => show::declaration(out, texts),
                Some(Declaration::Made(digest)) => out.paragraph("        ", &format!("with the declaration {digest}")),
                None => {}
            }
        }
        What::Escrowed { party, act, revision } => {
            let told = wording::told(party.as_str(), *act, *revision, true);
            out.line(&head(&format!("{told}, in escrow: the exchange's word")));
        }
        What::Noted(kind) => out.line(&head(&format!("the exchange noted: {}", noted(*kind)))),
    }
}

fn who(session: &Session, act: &Statement<Act>) -> String {
    let party = &act.body().party;
    session.grant(&act.body().grant).map_or_else(
        || party.to_string(),
        |grant| {
            let holder = &grant.body().holder;
            format!("{party}, {},", render::person(holder))
        },
    )
}

fn noted(kind: Kind) -> &'static str {
    match kind {
        Kind::Opened => "open for signature",
        Kind::Completed => "complete: every party has signed",
        Kind::Published => "published",
        Kind::Lapsed => "lapsed: its deadline passed before every party had signed",
        Kind::Returned => "back to drafting: another charter came into force while it was open",
        Kind::Rectified => "rectified: a communiqué that corrects it was published",
        Kind::Purged => "its texts and annexes were erased, as every party asked",
        _ => "another entry",
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
