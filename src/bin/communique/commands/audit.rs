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
        time::Time,
    },
    pki::client::caller,
};
use serde_json::{Value, json};

use super::{Context, now};
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
    let bar = ctx.progress_of_entries("entries checked");
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
    own.ok_or_else(|| Failure::refused("your certificate is of no party of the charter in force"))
}

fn tell(ctx: &mut Context, session: &Session, own: &PartyId, report: &Report) {
    let (out, exchange) = (&mut ctx.out, session.pinned().exchange());
    if let Some((size, root)) = report.head {
        if size == report.from {
            out.line(&format!(
                "Nothing new in the log of {exchange} since the last audit: it has {size} entries, root {root}."
            ));
        } else {
            let (tally, last) = (report.tally, size - 1);
            out.line(&format!(
                "Audited entries {} to {last} of the log of {exchange}, up to a signed head of {size} entries, root {root}.",
                report.from
            ));
            out.line(&format!("Their digests make this root: {} entries.", size - report.from));
            out.line(&format!(
                "Shown to {own} and each in its place: {}; statements verified under the keys that the charters name: {}.",
                tally.shown, tally.statements
            ));
            out.line(&format!(
                "Unseen, but for their digests: signatures of others in escrow: {}; entries that are not for {own}: {}.",
                tally.escrowed,
                report.unseen()
            ));
        }
        out.line(&format!("Receipts of what was sent with this profile, all in their place: {}.", report.receipts));
    }
    mine(ctx, own, report);
    match &report.lie {
        None => ctx.out.heading("No lie was found."),
        Some(lie) => accusation(ctx, lie),
    }
}

/// What was done in the name of the party's authority: an administrator knows what he or she made.
pub(super) fn mine(ctx: &mut Context, own: &PartyId, report: &Report) {
    if report.own.is_empty() {
        return;
    }
    ctx.out.heading(&format!("Done in the name of the authority of {own}, entry by entry:"));
    for (index, time, what) in &report.own {
        let words = match what {
            Own::Trust(trust) => format!(
                "trust statement {}: {} certificate authorities, {} certificates shut out",
                trust.serial,
                trust.certificates.len(),
                trust.revoked.len()
            ),
            Own::Powers(digest, powers) => {
                let acts: Vec<_> = powers.acts.iter().map(|act| act.as_str()).collect();
                let scope = powers
                    .scope
                    .as_ref()
                    .map_or_else(|| "every communiqué".into(), |s| format!("{} communiqués", s.len()));
                format!(
                    "full powers {digest} for {} ({}) with the key {}, from {} to {}, in {scope}: {}",
                    powers.holder.id,
                    render::quoted(render::name(&powers.holder.names)),
                    powers.key.thumbprint(),
                    powers.not_before,
                    powers.not_after,
                    acts.join(", ")
                )
            }
            Own::Revocation(revocation) => {
                format!("the end of full powers {}: {}", revocation.grant, render::quoted(revocation.reason.as_str()))
            }
        };
        ctx.out.line(&format!("  entry {index}, {time}: {words}"));
    }
    ctx.out.line(&format!(
        "If nobody of {own} made one of these, its authority key is in other hands: revoke what it granted, replace the key by the next \
         charter, and tell the other parties."
    ));
}

/// The lie, and where the evidence is.
pub(super) fn accusation(ctx: &mut Context, lie: &Contradiction) {
    ctx.out.heading("A LIE WAS FOUND");
    ctx.out.line(&format!("{}.", lie.evidence.observation));
    let weight = if lie.evidence.proves {
        "This proves it to anybody, without network."
    } else {
        "It does not prove it to others by itself: `communique audit verify` says what the exchange must answer for."
    };
    match &lie.file {
        Some(file) => {
            ctx.out.line(&format!("The evidence was written to {}. {weight}", file.display()));
            ctx.out.line("Keep it, send it to the other parties, and do not rely on what this exchange shows.");
            ctx.out.line("Each checks it with its own pin:");
            ctx.out.command(&format!("  communique audit verify {} --pin FINGERPRINT", file.display()));
        }
        None => {
            ctx.out.line("The evidence could not be written. Tell the other parties, and do not rely on what it shows.")
        }
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
        json::parse::<Evidence>(bytes).map_err(|e| Failure::from(e).of(file.display()))
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
    out.heading(match (judgement.weight, judgement.pinned) {
        (Weight::Proven, true) => "PROVEN: the exchange lied",
        (Weight::Proven, false) => "CONSISTENT, BUT UNPINNED: whoever has these charters' keys lied",
        (Weight::Challenge, _) => "THE EXCHANGE MUST ANSWER: nothing is proven yet",
        (Weight::Nothing, _) => "NOT PROVEN",
    });
    for words in &judgement.found {
        out.line(&format!("- {words}"));
    }
    out.line(&format!(
        "The file says it is about {}, charter 1 with the fingerprint {}.",
        evidence.exchange, evidence.founding
    ));
    out.line(&format!("Who made it says: {}", render::quoted(&evidence.observation)));
    if judgement.weight == Weight::Proven && !judgement.pinned {
        out.line("Give --pin with the fingerprint of a charter that you trust, to know which exchange it was.");
    }
}
