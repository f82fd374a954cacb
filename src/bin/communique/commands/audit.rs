//! `audit`: the whole log that the party may see, checked; and files of evidence, checked without network.

use std::path::Path;

use communique::{
    client::{
        auditing::{
            self, Report,
            books::Own,
            evidence::{EVIDENCE_LIMIT, Evidence, Judgement, Weight},
        },
        receipts::Contradiction,
        session::Session,
    },
    domain::{
        id::{Digest, PartyId, TrustDomain},
        json,
        message::Message,
        powers::Powers,
        time::Time,
    },
    msg,
    pki::client::caller,
};
use serde_json::{Value, json};

use super::{Context, now, powers::acts};
use crate::{
    args::{self, Audits},
    errors::Failure,
    profile, render,
};

/// A lie was found; of a file: it proves nothing.
const FOUND: u8 = 1;
/// A file cannot be read.
const UNREADABLE: u8 = 2;
/// Proven, but not against a pin; or the exchange must answer for it.
const OPEN: u8 = 3;

pub fn run(ctx: &mut Context, args: &args::Audit) -> Result<(), Failure> {
    match &args.command {
        Some(Audits::Verify { file, pin }) => verify(ctx, file, *pin),
        None => audit(ctx, args.anew),
    }
}

fn audit(ctx: &mut Context, anew: bool) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let pinned = profile.pinned()?;
    let (certificate, key) = profile.identity()?;
    let receipts = ctx.receipts(&pinned)?;
    let id = caller(&certificate)?;
    let mut session = ctx.wait(Session::open_by(pinned, profile.road()?, certificate, key, now()))?;
    let own = party_of(&session, &id.trust_domain)?;
    let bar = ctx.progress_of_entries(&msg!("entries checked"));
    let report = ctx.wait(auditing::audit(&mut session, receipts, &own, anew, |done, all| bar.of(done, all)));
    bar.end();
    let report = report?;
    if ctx.json {
        ctx.out.json(&value(&report));
    } else {
        tell(ctx, &session, &own, &report);
    }
    if report.lie.is_some() { Err(Failure::said(FOUND)) } else { Ok(()) }
}

/// The party whose certificates have this trust domain.
pub(super) fn party_of(session: &Session, domain: &TrustDomain) -> Result<PartyId, Failure> {
    let mut parties = session.pinned().charter().parties.iter();
    let own = parties.find(|party| party.trust_domain == *domain).map(|party| party.id.clone());
    own.ok_or_else(|| Failure::refused(msg!("your certificate is of no party of the charter in force")))
}

fn tell(ctx: &mut Context, session: &Session, own: &PartyId, report: &Report) {
    let (out, exchange) = (&mut ctx.out, session.pinned().exchange());
    if let Some((size, root)) = report.head {
        if size == report.from {
            out.line(&msg!(
                "Nothing new in the log of {exchange} since the last audit: it has one entry, root {root}."
                    | "Nothing new in the log of {exchange} since the last audit: it has {n} entries, root {root}.",
                exchange,
                n = size,
                root = root.to_string()
            ));
        } else {
            let (tally, last) = (report.tally, size - 1);
            out.line(&msg!(
                "Audited entries {from} to {last} of the log of {exchange}, up to a signed head of one entry, root {root}."
                    | "Audited entries {from} to {last} of the log of {exchange}, up to a signed head of {n} entries, root {root}.",
                from = report.from,
                last,
                exchange,
                n = size,
                root = root.to_string()
            ));
            out.line(&msg!(
                "Their digests make this root: one entry." | "Their digests make this root: {n} entries.",
                n = size - report.from
            ));
            out.line(&msg!(
                "Shown to {party} and each in its place: {shown}; statements verified under the keys that the charters name: {statements}.",
                party = own,
                shown = tally.shown,
                statements = tally.statements
            ));
            out.line(&msg!(
                "Unseen, but for their digests: signatures of others in escrow: {escrowed}; entries that are not for {party}: {unseen}.",
                escrowed = tally.escrowed,
                party = own,
                unseen = report.unseen()
            ));
        }
        out.line(&msg!(
            "Receipts of what was sent with this profile, all in their place: {receipts}.",
            receipts = report.receipts
        ));
    }
    mine(ctx, own, report);
    match &report.lie {
        None => ctx.out.heading(&msg!("No lie was found.")),
        Some(lie) => accusation(ctx, lie),
    }
}

/// What was done in the name of the party's authority: an administrator knows what he or she made.
pub(super) fn mine(ctx: &mut Context, own: &PartyId, report: &Report) {
    if report.own.is_empty() {
        return;
    }
    ctx.out.heading(&msg!("Done in the name of the authority of {party}, entry by entry:", party = own));
    for (index, time, what) in &report.own {
        let what = match what {
            Own::Trust(trust) => msg!(
                "trust statement {serial}: certificate authorities: {authorities}, certificates shut out: {revoked}",
                serial = trust.serial,
                authorities = trust.certificates.len(),
                revoked = trust.revoked.len()
            ),
            Own::Powers(digest, powers) => of_powers(*digest, powers),
            Own::Revocation(revocation) => msg!(
                "the end of full powers {digest}: {reason}",
                digest = revocation.grant,
                reason = render::quoted(revocation.reason.as_str())
            ),
        };
        ctx.out.item(1, &msg!("entry {index}, {time}: {what}", index, time, what));
    }
    ctx.out.line(&msg!(
        "If nobody of {party} made one of these, its authority key is in other hands: revoke what it granted, replace the key by the next charter, and tell the other parties.",
        party = own
    ));
}

/// What was granted, to whom and for how long.
fn of_powers(digest: Digest, powers: &Powers) -> Message {
    let (holder, name) = (&powers.holder.id, render::quoted(render::name(&powers.holder.names)));
    let (key, from, until) = (powers.key.thumbprint(), powers.not_before, powers.not_after);
    let acts = acts(powers);
    match &powers.scope {
        None => msg!(
            "full powers {digest} for {holder} ({name}) with the key {key}, from {from} to {until}, in every communiqué: {acts}",
            digest,
            holder,
            name,
            key,
            from,
            until,
            acts
        ),
        Some(scope) => msg!(
            "full powers {digest} for {holder} ({name}) with the key {key}, from {from} to {until}, in one communiqué: {acts}"
                | "full powers {digest} for {holder} ({name}) with the key {key}, from {from} to {until}, in {n} communiqués: {acts}",
            digest,
            holder,
            name,
            key,
            from,
            until,
            n = scope.len(),
            acts
        ),
    }
}

/// The lie, and where the evidence is.
pub(super) fn accusation(ctx: &mut Context, lie: &Contradiction) {
    ctx.out.heading(&msg!("A LIE WAS FOUND"));
    ctx.out.line(&msg!("{observation}.", observation = lie.evidence.observed()));
    match &lie.file {
        Some(file) => {
            let written = if lie.evidence.proves {
                msg!("The evidence was written to {file}. This proves it to anybody, without network.", file)
            } else {
                msg!(
                    "The evidence was written to {file}. It does not prove it to others by itself: `communique audit verify` says what the exchange must answer for.",
                    file
                )
            };
            ctx.out.line(&written);
            ctx.out.line(&msg!("Keep it, send it to the other parties, and do not rely on what this exchange shows."));
            ctx.out.line(&msg!("Each checks it with its own pin:"));
            ctx.out.command(&format!("  communique audit verify {} --pin FINGERPRINT", file.display()));
        }
        None => ctx.out.line(&msg!(
            "The evidence could not be written. Tell the other parties, and do not rely on what it shows."
        )),
    }
}

/// A report for programs.
pub(super) fn value(report: &Report) -> Value {
    let own = report.own.iter().map(|(index, time, what)| own_value(*index, *time, what)).collect::<Vec<_>>();
    let lie = report.lie.as_ref().map(|lie| {
        json!({ "kind": lie.evidence.kind.as_str(), "sentence": lie.evidence.observation, "proves": lie.evidence.proves,
            "evidence": lie.file })
    });
    json!({ "good": report.lie.is_none(), "from": report.from, "size": report.head.map(|(size, _)| size),
        "root": report.head.map(|(_, root)| root.to_string()), "shown": report.tally.shown,
        "escrowed": report.tally.escrowed, "unseen": report.unseen(), "statements": report.tally.statements,
        "receipts": report.receipts, "own": own, "lie": lie })
}

fn own_value(index: u64, time: Time, what: &Own) -> Value {
    let (kind, statement, digest) = match what {
        Own::Trust(trust) => ("trust", json!(trust), None),
        Own::Powers(digest, powers) => ("powers", json!(powers), Some(*digest)),
        Own::Revocation(revocation) => ("revocation", json!(revocation), None),
    };
    json!({ "index": index, "time": time, "kind": kind, "digest": digest, "statement": statement })
}

fn verify(ctx: &mut Context, file: &Path, pin: Option<Digest>) -> Result<(), Failure> {
    let read = profile::read(file, EVIDENCE_LIMIT).and_then(|bytes| {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        json::parse::<Evidence>(bytes).map_err(|e| Failure::from(e).of(file))
    });
    let evidence = match read {
        Ok(evidence) => evidence,
        Err(failure) => return Err(failure.ending_with(UNREADABLE)),
    };
    let judgement = evidence.judge(pin, now());
    let code = match (judgement.weight, judgement.pinned) {
        (Weight::Proven, true) => 0,
        (Weight::Proven, false) | (Weight::Challenge, _) => OPEN,
        (Weight::Nothing, _) => FOUND,
    };
    if ctx.json {
        let weight = match judgement.weight {
            Weight::Proven => "proven",
            Weight::Challenge => "challenge",
            Weight::Nothing => "nothing",
        };
        ctx.out.json(&json!({ "exit_code": code, "weight": weight, "pinned": judgement.pinned,
            "kind": evidence.kind.as_str(), "exchange": evidence.exchange, "founding": evidence.founding,
            "observation": evidence.observation, "found": judgement.found.iter().map(ToString::to_string).collect::<Vec<_>>() }));
    } else {
        judged(ctx, &evidence, &judgement);
    }
    if code == 0 { Ok(()) } else { Err(Failure::said(code)) }
}

fn judged(ctx: &mut Context, evidence: &Evidence, judgement: &Judgement) {
    let out = &mut ctx.out;
    out.heading(&match (judgement.weight, judgement.pinned) {
        (Weight::Proven, true) => msg!("PROVEN: the exchange lied"),
        (Weight::Proven, false) => msg!("CONSISTENT, BUT UNPINNED: whoever has these charters' keys lied"),
        (Weight::Challenge, _) => msg!("THE EXCHANGE MUST ANSWER: nothing is proven yet"),
        (Weight::Nothing, _) => msg!("NOT PROVEN"),
    });
    for found in &judgement.found {
        out.line(&msg!("- {found}", found));
    }
    out.line(&msg!(
        "The file says it is about {exchange}, charter 1 with the fingerprint {fingerprint}.",
        exchange = evidence.exchange,
        fingerprint = evidence.founding
    ));
    out.line(&msg!("Who made it says: {observation}", observation = render::quoted(&evidence.observation)));
    if judgement.weight == Weight::Proven && !judgement.pinned {
        out.line(&msg!(
            "Give `--pin` with the fingerprint of a charter that you trust, to know which exchange it was."
        ));
    }
}
