//! `powers`: who may act for a party.

use std::path::Path;

use communique::{
    client::chartering::{self, Terms},
    domain::{
        powers::{Holder, Powers},
        statement::{STATEMENT_LIMIT, Statement},
        words::Names,
    },
};
use serde_json::{Value, json};

use super::{Context, charter, now};
use crate::{
    args,
    confirm::{self, Announced},
    errors::Failure,
    profile,
    render::{self, Out},
};

pub fn run(ctx: &mut Context, command: args::Powers) -> Result<(), Failure> {
    match command {
        args::Powers::Grant(args) => grant(ctx, &args),
        args::Powers::Submit { file } => submit(ctx, &file),
        args::Powers::List { party } => {
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let grants = ctx.wait(session.grants(party.as_ref()))?;
            if ctx.json {
                ctx.out.json(&json!({ "powers": grants.iter().map(value).collect::<Vec<_>>() }));
            } else {
                let rows = grants.iter().map(|g| {
                    let p = g.body();
                    vec![
                        p.party.to_string(),
                        p.holder.id.to_string(),
                        render::name(&p.holder.names).to_owned(),
                        acts(p),
                        scope(p),
                        p.not_after.to_string(),
                        g.digest().to_string(),
                    ]
                });
                ctx.out.table(&["party", "holder", "name", "may", "in", "until", "digest"], rows.collect());
            }
            Ok(())
        }
        args::Powers::Show { digest } => {
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let grant = ctx.wait(session.powers(digest))?;
            if ctx.json {
                ctx.out.json(&value(&grant));
            } else {
                show(&mut ctx.out, grant.body());
                ctx.out.field("digest", &digest.to_string());
            }
            Ok(())
        }
    }
}

fn grant(ctx: &mut Context, args: &args::Grant) -> Result<(), Failure> {
    profile::must_be_new(&args.out)?;
    let pinned = charter::pinned(&args.charter)?;
    let announced = Announced::beside(&args.key)?;
    let party = chartering::authority_of(pinned.charter(), &announced)?.id.clone();
    let terms = Terms {
        holder: Holder {
            id: args.holder.clone(),
            names: Names::new(args.holder_name.clone())?,
            titles: Names::new(args.title.clone())?,
        },
        key: confirm::public(&args.holder_key)?,
        acts: args.acts(),
        scope: (!args.scope.is_empty()).then(|| args.scope.iter().copied().collect()),
        not_before: args.not_before.unwrap_or_else(now),
        not_after: args.not_after,
    };
    if pinned.charter().keys().any(|key| *key == terms.key) {
        return Err(Failure::refused(
            "a key that the charter gives a role may not hold full powers; make the holder a key of his or her own",
        ));
    }
    let offered = Powers {
        founding: pinned.founding(),
        exchange: pinned.exchange().clone(),
        party: party.clone(),
        holder: terms.holder.clone(),
        key: terms.key,
        acts: terms.acts.iter().copied().collect(),
        scope: terms.scope.clone().map(|s| s.into_iter().collect()),
        not_before: terms.not_before,
        not_after: terms.not_after,
    };
    let scene = ctx.scene();
    scene.heading(&format!("{party} grants full powers, in the exchange {}", pinned.exchange()));
    show(scene, &offered);
    confirm::typed(ctx, &args.consent, "grant them", &party)?;
    let grant = chartering::grant(&pinned, &announced.unlock(&args.consent.passphrase)?, terms)?;
    profile::write_new(&args.out, grant.compact().as_bytes(), false)?;
    if args.submit {
        ctx.say(&format!("{} is signed.", args.out.display()));
        return submit(ctx, &args.out);
    }
    if ctx.json {
        ctx.out.json(&json!({ "file": args.out, "powers": value(&grant) }));
    } else {
        ctx.out.line(&format!(
            "{} is signed; hand it in: communique powers submit {}",
            args.out.display(),
            args.out.display()
        ));
    }
    Ok(())
}

fn submit(ctx: &mut Context, file: &Path) -> Result<(), Failure> {
    let compact = profile::read_passed_on(file, STATEMENT_LIMIT)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let (grant, receipt) = ctx.wait(session.submit_powers(&compact))?;
    if ctx.json {
        ctx.out.json(&json!({ "powers": value(&grant), "receipt": render::receipt(&receipt) }));
    } else {
        let p = grant.body();
        ctx.out.line(&format!(
            "{} of {} holds full powers {}, entry {} of the log.",
            p.holder.id,
            p.party,
            grant.digest(),
            receipt.index
        ));
    }
    Ok(())
}

fn show(out: &mut Out, powers: &Powers) {
    out.field("party", powers.party.as_str());
    out.field("holder", &format!("{}: {}", powers.holder.id, render::names(&powers.holder.names)));
    out.field("title", &render::names(&powers.holder.titles));
    out.field("key", &powers.key.thumbprint());
    out.field("may", &acts(powers));
    out.field("in", &scope(powers));
    out.field("from", &powers.not_before.to_string());
    out.field("until", &powers.not_after.to_string());
}

fn value(grant: &Statement<Powers>) -> Value {
    json!({ "digest": grant.digest(), "statement": grant.body() })
}

fn acts(powers: &Powers) -> String {
    powers.acts.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ")
}

fn scope(powers: &Powers) -> String {
    powers.scope.as_ref().map_or_else(
        || "every communiqué".into(),
        |scope| scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    )
}
