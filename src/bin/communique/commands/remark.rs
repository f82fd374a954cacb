//! `remark`: what is said of a revision, to all parties or within one.

use communique::{
    client::remote::RemoteError,
    domain::{
        document::Document,
        id::Salt,
        refusal::Refusal,
        remark::{Audience, Remark},
        statement::Type,
        words::{Line, PROSE_LIMIT, Prose},
    },
    msg, pki,
};
use serde_json::json;

use super::{Context, now, random};
use crate::{
    args::{self, AddRemark},
    errors::Failure,
    profile, render,
};

pub fn run(ctx: &mut Context, command: args::Remark) -> Result<(), Failure> {
    match command {
        args::Remark::Add(args) => add(ctx, args),
        args::Remark::List { id, revision, own } => list(ctx, id, revision, own),
    }
}

fn add(ctx: &mut Context, args: AddRemark) -> Result<(), Failure> {
    let words = match (&args.text, &args.text_file) {
        (_, Some(file)) => profile::read_passed_on(file, PROSE_LIMIT)?,
        (Some(text), None) => text.clone(),
        (None, None) => return Err(Failure::usage(msg!("a remark says something: give TEXT or `--text-file`"))),
    };
    let text = Prose::new(words).map_err(|e| Failure::from(e).of(msg!("the remark")))?;
    let profile = ctx.profile()?;
    let caller = pki::client::caller(&profile.identity()?.0)?;
    let session = ctx.session(&profile)?;
    // Whose certificate calls, whose remark it is.
    let charter = session.pinned().charter();
    let party = charter.parties.iter().find(|p| p.trust_domain == caller.trust_domain);
    let party = party.map(|p| p.id.clone()).ok_or_else(|| {
        Refusal::malformed("client certificate", msg!("names a trust domain of no party of the charter"))
    })?;
    let revision = match args.revision {
        Some(revision) => revision,
        None => ctx.wait(session.read(args.id))?.newest.manifest.revision,
    };
    let author = match args.author {
        Some(author) => author,
        None => Line::new(format!("{}/{}", caller.role, caller.name))?,
    };
    let remark = Document::of(&Remark {
        r#type: Type::of::<Remark>(),
        salt: Salt::new(random()),
        founding: session.pinned().founding(),
        exchange: charter.exchange.clone(),
        communique: args.id,
        revision,
        party,
        author,
        audience: if args.own { Audience::Own } else { Audience::All },
        lang: args.lang,
        text,
        time: now(),
    })?;
    // Repeated, the command would say it a second time.
    let receipt = ctx.wait(session.add_remark(&remark)).map_err(|e| match e {
        RemoteError::OutcomeUnknown(why) => Failure::unknown(msg!(
            "it is not known whether this was stored: {why}; see `communique remark list {id}` before you repeat it",
            why,
            id = args.id
        )),
        other => other.into(),
    })?;
    if ctx.json {
        ctx.out.json(&json!({ "digest": remark.digest(), "remark": *remark, "receipt": render::receipt(&receipt) }));
    } else {
        let index = receipt.index;
        ctx.out.line(&match remark.audience {
            Audience::All => msg!(
                "Said of revision {revision}, entry {index} of the log; every party that the communiqué names reads it.",
                revision,
                index
            ),
            Audience::Own => msg!(
                "Said of revision {revision}, entry {index} of the log; your party alone reads it, and the exchange's operator can.",
                revision,
                index
            ),
        });
    }
    Ok(())
}

fn list(
    ctx: &mut Context,
    id: communique::domain::id::CommuniqueId,
    revision: Option<u64>,
    own: bool,
) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let mut remarks = ctx.wait(session.remarks(id, revision))?;
    remarks.retain(|(remark, _)| !own || remark.audience == Audience::Own);
    if ctx.json {
        let rows: Vec<_> = remarks
            .iter()
            .map(|(remark, entry)| json!({ "digest": remark.digest(), "remark": **remark, "logged": entry.time }))
            .collect();
        ctx.out.json(&json!({ "communique": id, "remarks": rows }));
    } else if remarks.is_empty() {
        ctx.out.line(&msg!("None yet. `communique remark add ID TEXT` adds one."));
    } else {
        for (remark, entry) in &remarks {
            let (revision, party, time) = (remark.revision, &remark.party, entry.time);
            let author = render::quoted(remark.author.as_str());
            ctx.out.heading(&match remark.audience {
                Audience::All => {
                    msg!("Revision {revision}, {party}, author {author}, logged {time}", revision, party, author, time)
                }
                Audience::Own => msg!(
                    "Revision {revision}, {party}, author {author}, logged {time}, within the party",
                    revision,
                    party,
                    author,
                    time
                ),
            });
            ctx.out.verbatim(remark.text.as_str());
        }
        ctx.out.line(&msg!("Remarks are not signed: that they were said so is the exchange's word."));
    }
    Ok(())
}
