//! `powers`: who may act for a party, and who no longer.

use std::path::Path;

use communique::{
    client::{
        chartering::{self, Terms},
        granted::{Force, Granted},
    },
    domain::{
        act::ActKind,
        id::{Digest, PartyId},
        message::{Message, Tell as _},
        powers::{Holder, Powers, Revocation},
        statement::{STATEMENT_LIMIT, Statement, Unverified},
        words::Names,
    },
    msg,
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
        args::Powers::Revoke(args) => revoke(ctx, &args),
        args::Powers::Submit { file } => submit(ctx, &file),
        args::Powers::List { party } => list(ctx, party.as_ref()),
        args::Powers::Show { digest } => {
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let granted = ctx.wait(session.powers(digest))?;
            let force = granted.force(session.pinned(), now());
            if ctx.json {
                ctx.out.json(&value_of(&granted, &force));
            } else {
                show(&mut ctx.out, granted.powers.body());
                ctx.out.field(&msg!("digest"), &digest);
                ctx.out.field(&msg!("state"), &force);
                if let Some((revocation, _)) = &granted.revoked {
                    ctx.out.line(&msg!("The reasons of their revocation:"));
                    ctx.out.verbatim(revocation.body().reason.as_str());
                }
            }
            Ok(())
        }
    }
}

fn list(ctx: &mut Context, party: Option<&PartyId>) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let grants = ctx.wait(session.grants(party))?;
    let with = grants.iter().map(|g| (g, g.force(session.pinned(), now())));
    if ctx.json {
        ctx.out.json(&json!({ "powers": with.map(|(g, force)| value_of(g, &force)).collect::<Vec<_>>() }));
        return Ok(());
    }
    // No table: a digest that is broken over lines cannot be copied.
    let rows: Vec<_> = with.collect();
    if rows.is_empty() {
        ctx.out.line(&msg!("None yet. A party's authority grants them: `communique powers grant`."));
    }
    for (g, force) in &rows {
        let p = g.powers.body();
        ctx.out.heading(&msg!(
            "Full powers of {party}, {holder}: {name}",
            party = p.party,
            holder = p.holder.id,
            name = render::quoted(render::name(&p.holder.names))
        ));
        let until = p.not_after;
        let force = match force {
            Force::Stands => msg!("in force until {until}", until),
            Force::NotYet(from) => msg!("in force from {from} to {until}", from, until),
            ended => ended.message(),
        };
        ctx.out.paragraph("  ", &force);
        let (acts, scope) = (every(p), scope(p));
        ctx.out.paragraph("  ", &msg!("{acts}, in {scope}", acts, scope));
        ctx.out.command(&format!("  {}", g.powers.digest()));
    }
    Ok(())
}

fn revoke(ctx: &mut Context, args: &args::Revoke) -> Result<(), Failure> {
    profile::must_be_new(&args.by.out)?;
    let reason = super::acts::reason(args.reason.as_deref(), args.reason_file.as_deref())?
        .ok_or_else(|| Failure::usage(msg!("a revocation has reasons: give `--reason` or `--reason-file`")))?;
    let pinned = charter::pinned(&args.by.charter)?;
    let announced = Announced::of(&args.by.key)?;
    let party = chartering::authority_of(pinned.charter(), &announced)?.id.clone();
    let file = Path::new(&args.grant);
    let (grant, known) = match Digest::parse(&args.grant) {
        Ok(digest) if !file.exists() => (digest, None),
        _ => {
            let known = pinned
                .powers(&profile::read_passed_on(file, STATEMENT_LIMIT)?)
                .map_err(|e| Failure::from(e).of(file))?;
            (known.digest(), Some(known))
        }
    };
    if let Some(known) = known.as_ref().filter(|known| known.body().party != party) {
        return Err(Failure::refused(msg!(
            "these full powers are of {granted}, and this key is of {party}",
            granted = known.body().party,
            party
        )));
    }
    ctx.begin_scene();
    let scene = ctx.scene();
    scene.heading(&msg!("{party} ends full powers, in the exchange {exchange}", party, exchange = pinned.exchange()));
    match &known {
        Some(known) => show(scene, known.body()),
        None => scene.paragraph(
            "",
            &msg!("Whose they are is not shown, since only the digest was given (`communique powers show`)."),
        ),
    }
    scene.field(&msg!("digest"), &grant);
    scene.line(&msg!("The reasons, which every party will read:"));
    scene.verbatim(reason.as_str());
    scene.paragraph(
        "",
        &msg!(
            "In force once the exchange has logged it. What was complete before stays so; a signature in a set that is not complete no longer counts."
        ),
    );
    confirm::typed(ctx, &args.by.consent, &msg!("To end them, type {party}:", party), &party)?;
    let key = announced.unlock(&args.by.consent.passphrase)?;
    let revocation = chartering::revoke(&pinned, &*key, grant, reason, now())?;
    let then = msg!("Signed; it ends nothing until it is handed in:");
    signed(ctx, &args.by, revocation.compact(), ("revocation", end(&revocation)), &then)
}

/// Writes what the authority signed, and hands it in if that was asked.
fn signed(
    ctx: &mut Context,
    by: &args::ByAuthority,
    compact: &str,
    (name, value): (&str, Value),
    then: &Message,
) -> Result<(), Failure> {
    profile::write_new(&by.out, compact.as_bytes(), false)?;
    if by.submit {
        ctx.say(&msg!("Signed: {file}.", file = render::path(&by.out)));
        return submit(ctx, &by.out);
    }
    if ctx.json {
        ctx.out.json(&json!({ "file": by.out, name: value }));
    } else {
        ctx.out.next(then, &format!("communique powers submit {}", by.out.display()));
    }
    Ok(())
}

fn grant(ctx: &mut Context, args: &args::Grant) -> Result<(), Failure> {
    profile::must_be_new(&args.by.out)?;
    let pinned = charter::pinned(&args.by.charter)?;
    let announced = Announced::of(&args.by.key)?;
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
        return Err(Failure::refused(msg!(
            "a key that the charter gives a role may not hold full powers; make the holder a key of his or her own"
        )));
    }
    let offered = chartering::offer(&pinned, &announced, terms)?;
    ctx.begin_scene();
    let scene = ctx.scene();
    scene.heading(&msg!("{party} grants full powers, in the exchange {exchange}", party, exchange = pinned.exchange()));
    show(scene, &offered);
    confirm::typed(ctx, &args.by.consent, &msg!("To grant them, type {party}:", party), &party)?;
    let grant = Statement::sign(offered, &*announced.unlock(&args.by.consent.passphrase)?)?;
    let then = msg!("Signed; hand it in:");
    signed(ctx, &args.by, grant.compact(), ("powers", value(&grant)), &then)
}

fn submit(ctx: &mut Context, file: &Path) -> Result<(), Failure> {
    let compact = profile::read_passed_on(file, STATEMENT_LIMIT)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    if Unverified::<Revocation>::parse(&compact).is_ok() {
        let (revocation, receipt) = ctx.wait(session.submit_revocation(&compact))?;
        if ctx.json {
            ctx.out.json(&json!({ "revocation": end(&revocation), "receipt": render::receipt(&receipt) }));
        } else {
            let Revocation { party, grant, .. } = revocation.body();
            ctx.out.line(&msg!(
                "{party} has ended full powers {digest}, entry {index} of the log.",
                party,
                digest = grant,
                index = receipt.index
            ));
        }
        return Ok(());
    }
    let (grant, receipt) = ctx.wait(session.submit_powers(&compact))?;
    if ctx.json {
        ctx.out.json(&json!({ "powers": value(&grant), "receipt": render::receipt(&receipt) }));
    } else {
        let p = grant.body();
        ctx.out.line(&msg!(
            "{holder} of {party} holds full powers {digest}, entry {index} of the log.",
            holder = p.holder.id,
            party = p.party,
            digest = grant.digest(),
            index = receipt.index
        ));
    }
    Ok(())
}

fn show(out: &mut Out, powers: &Powers) {
    out.field(&msg!("party"), &powers.party);
    let (holder, names) = (&powers.holder.id, render::names(&powers.holder.names));
    out.field(&msg!("holder"), &msg!("{holder}: {names}", holder, names));
    out.field(&msg!("title"), &render::names(&powers.holder.titles));
    out.field(&msg!("key"), &powers.key.thumbprint());
    out.field(&msg!("may"), &every(powers));
    out.field(&msg!("in"), &scope(powers));
    out.field(&msg!("from"), &powers.not_before);
    out.field(&msg!("until"), &powers.not_after);
}

fn value(grant: &Statement<Powers>) -> Value {
    json!({ "digest": grant.digest(), "statement": grant.body() })
}

fn value_of(granted: &Granted, force: &Force) -> Value {
    let name = match force {
        Force::Stands => "in_force",
        Force::NotYet(_) => "not_yet",
        Force::Expired(_) => "expired",
        Force::Revoked(_) => "revoked",
        Force::Outlived => "authority_changed",
        Force::Left => "party_left",
    };
    let revocation = granted
        .revoked
        .as_ref()
        .map(|(r, logged)| json!({ "digest": r.digest(), "statement": r.body(), "logged": logged }));
    json!({ "digest": granted.powers.digest(), "statement": granted.powers.body(), "state": name, "revocation": revocation })
}

fn end(revocation: &Statement<Revocation>) -> Value {
    json!({ "digest": revocation.digest(), "statement": revocation.body() })
}

fn every(powers: &Powers) -> Message {
    if powers.acts.len() == ActKind::ALL.len() {
        return msg!("every act");
    }
    acts(powers)
}

/// The acts that powers are for, by the names that commands have for them.
pub fn acts(powers: &Powers) -> Message {
    Message::words(powers.acts.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", "))
}

fn scope(powers: &Powers) -> Message {
    powers.scope.as_ref().map_or_else(
        || msg!("every communiqué"),
        |scope| Message::words(scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    )
}
