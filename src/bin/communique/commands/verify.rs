//! `verify`: packages, without network.

use std::{fs::File, io::BufReader, path::Path};

use communique::{
    domain::{id::Digest, manifest::Status, text},
    package::{
        verdict::{Capacity, DeclarationFound, Deed, Findings, NOT_PROVEN, PartyFound, Verdict},
        verify,
    },
};
use serde_json::json;

use super::Context;
use crate::{
    args::Verify,
    errors::Failure,
    render::{self, Out},
};

pub fn run(ctx: &mut Context, args: &Verify) -> Result<(), Failure> {
    let verdicts: Vec<_> = args.paths.iter().map(|path| (path, judge(path, args.charter_pin))).collect();
    let code = worst(verdicts.iter().map(|(_, v)| v.exit_code()));
    if ctx.json {
        let mut packages = Vec::new();
        for (path, verdict) in &verdicts {
            let mut value = verdict.to_json();
            if let Some(members) = value.as_object_mut() {
                members.insert("path".into(), json!(path));
                if args.texts {
                    members.insert("texts".into(), json!(texts(path, verdict, args.unproven)?));
                }
            }
            packages.push(value);
        }
        ctx.out.json(&json!({ "exit_code": code, "packages": packages }));
    } else {
        for (n, (path, verdict)) in verdicts.iter().enumerate() {
            if n > 0 {
                ctx.out.gap();
            }
            say(&mut ctx.out, path, verdict, args.charter_pin);
            let shown = verdict.findings().is_some();
            if args.texts {
                let texts = texts(path, verdict, args.unproven)?;
                if texts.is_empty() && shown {
                    ctx.out.line("The texts are not shown, since nothing is proven without --charter-pin; --unproven shows them all the same.");
                }
                for (lang, words) in texts {
                    ctx.out.gap();
                    ctx.out.heading(&format!("Text {lang}"));
                    ctx.out.verbatim(&words);
                }
            }
            // What a package brings may fill many screens: the verdict stands at their end as well.
            if shown {
                head(&mut ctx.out, path, verdict);
            }
        }
    }
    if code == 0 { Ok(()) } else { Err(Failure::said(code)) }
}

/// Of several verdicts: something fails, before cannot judge, before unpinned, before proven.
fn worst(codes: impl Iterator<Item = u8>) -> u8 {
    let rank = |code: &u8| [0, 3, 2, 1].iter().position(|c| c == code);
    codes.max_by_key(rank).unwrap_or(0)
}

fn judge(path: &Path, pin: Option<Digest>) -> Verdict {
    match File::open(path) {
        Ok(file) if file.metadata().is_ok_and(|m| m.is_dir()) => Verdict::CannotRead {
            detail: "a directory; a package is verified as the one zip file that was fetched".into(),
        },
        Ok(file) => verify::verify(BufReader::new(file), pin),
        Err(e) => Verdict::CannotRead { detail: text::escape_line(&e.to_string()) },
    }
}

fn texts(path: &Path, verdict: &Verdict, unproven: bool) -> Result<Vec<(String, String)>, Failure> {
    let findings = match verdict {
        Verdict::Proven(findings) => findings,
        Verdict::Unpinned(findings) if unproven => findings,
        _ => return Ok(Vec::new()),
    };
    let mut texts = Vec::new();
    for t in &findings.texts {
        let file = File::open(path).map_err(|e| Failure::file(path, &e))?;
        let words = verify::text(BufReader::new(file), findings, &t.lang)
            .map_err(|e| Failure::refused(format!("{}: {e}", render::path(path))))?;
        texts.push((t.lang.to_string(), words));
    }
    Ok(texts)
}

/// The verdict in one line. It begins with words of ours: a file's name may say anything.
fn head(out: &mut Out, path: &Path, verdict: &Verdict) {
    let words = match verdict {
        Verdict::Proven(_) => "PROVEN against the charter that you trust".to_owned(),
        Verdict::Unpinned(_) => "CONSISTENT, but nothing is proven".to_owned(),
        Verdict::Failed { check, .. } => format!("FAILED at {check}"),
        Verdict::CannotRead { .. } => "CANNOT BE READ".to_owned(),
        Verdict::CannotJudge { .. } => "CANNOT BE JUDGED by this version".to_owned(),
    };
    out.heading(&format!("{words}: {}", render::path(path)));
}

/// Says a verdict to people.
pub fn say(out: &mut Out, path: &Path, verdict: &Verdict, pin: Option<Digest>) {
    head(out, path, verdict);
    match verdict {
        Verdict::Proven(findings) => found(out, findings, true),
        Verdict::Unpinned(findings) => {
            out.line(
                "Anybody can make such a package. Give --charter-pin with the fingerprint of a charter that you trust.",
            );
            found(out, findings, false);
        }
        Verdict::Failed { check, detail } => {
            out.field("must hold", check.line());
            out.shown(&format!("{:<12} {detail}", "but"));
            let next = if check.id() == "PIN" && pin.is_some() {
                "compare the fingerprint with the one that the parties give; if it is right, this package is not theirs"
            } else {
                "do not rely on this file; fetch it again from the exchange or from another archive"
            };
            out.field("next", next);
        }
        Verdict::CannotRead { detail } => {
            out.shown(&format!("{:<12} {detail}", "why"));
            out.field("next", "check the path and the medium, then verify again");
        }
        Verdict::CannotJudge { detail } => {
            out.shown(&format!("{:<12} {detail}", "why"));
            out.field("next", "use a newer version of this tool");
        }
    }
}

fn found(out: &mut Out, f: &Findings, proven: bool) {
    document(out, f, proven);
    let (mut corrected, mut before) = (f.original.as_deref(), f);
    while let Some(original) = corrected {
        out.gap();
        out.heading(&format!(
            "What {} corrects, {}, whose own package is in this one:",
            before.communique, original.communique
        ));
        document(out, original, proven);
        (corrected, before) = (original.original.as_deref(), original);
    }
    out.line("Not proven:");
    if !proven {
        out.line("  who the parties are, and that they had any part in this");
    }
    for line in NOT_PROVEN {
        out.line(&format!("  {line}"));
    }
}

fn document(out: &mut Out, f: &Findings, proven: bool) {
    for (lang, title) in f.titles.iter() {
        out.field(&format!("title {lang}"), title.as_str());
    }
    out.field("communiqué", &format!("{}, revision {}", f.communique, f.revision));
    out.field(
        if proven { "exchange" } else { "claims" },
        &format!("{} at {}", if proven { "kept" } else { "to be kept" }, f.exchange),
    );
    for c in &f.charters {
        let judged = if c.version == f.charter_version { "; judged by this one" } else { "" };
        out.field("charter", &format!("{} {}, in force since {}{judged}", c.version, c.fingerprint, c.since));
        for party in &c.absent {
            out.field("", &format!("{party} did not adopt it in time, and was no party"));
        }
    }
    if let Some(meeting) = &f.meeting {
        let host = meeting.host.as_ref().map(|h| format!(", host {h}")).unwrap_or_default();
        out.field("meeting", &format!("{}, {}{host}", render::names(&meeting.places), meeting.date));
    }
    out.field("effect", &f.legal_effect.to_string());
    for party in &f.parties {
        self::party(out, party, proven);
    }
    for t in &f.texts {
        out.field(&format!("text {}", t.lang), &format!("{}, {}, {}", t.status, render::size(t.size), t.sha256));
    }
    for (n, a) in f.annexes.iter().enumerate() {
        out.field(
            &format!("annex {}", n + 1),
            &format!("{}, {}, {}", render::names(&a.titles), render::size(a.size), a.sha256),
        );
    }
    if f.texts.iter().filter(|t| t.status == Status::Authentic).count() > 1 {
        out.line("The authentic texts are equally authoritative.");
    }
    out.field("completed", &f.completed.to_string());
    out.field("published", &format!("{}, entry {} of the log", f.published, f.published_index));
    if let Some(embargo) = f.procedure.embargo.filter(|_| !f.releases.is_empty()) {
        out.field("", &format!("before the end of the embargo, {embargo}, which each party lifted:"));
        for r in &f.releases {
            out.field("", &format!("{}, for it {}", r.party, who(&r.deed, proven)));
        }
    }
    out.field("witnesses", &format!("0 of {} that the charter wants", f.witnesses_wanted));
}

/// A party, who signed for it and how.
fn party(out: &mut Out, party: &PartyFound, proven: bool) {
    let names = render::names(&party.names);
    let is = if proven { "is" } else { "claims to be" };
    out.field("party", &format!("{} {is} {names}", party.id));
    for s in &party.signatories {
        let who = who(&s.deed, proven);
        out.line(&match (&s.capacity, proven) {
            (Capacity::Definitive, true) => format!("  signed by {who}"),
            (Capacity::AdReferendum(_), true) => format!("  signed ad referendum by {who}"),
            (Capacity::Definitive, false) => format!("  for it, {who}"),
            (Capacity::AdReferendum(_), false) => format!("  for it, ad referendum, {who}"),
        });
        if let Capacity::AdReferendum(confirmed) = &s.capacity {
            out.line(&format!("    confirmed by {}", self::who(confirmed, proven)));
        }
        if let Some(d) = &s.declaration {
            declared(out, "    with this declaration", d);
        }
        if let Some(ended) = &s.revoked {
            out.line(&format!("    full powers revoked after completion, on {}, for these reasons:", ended.logged));
            out.verbatim(&ended.reason);
        }
    }
    for u in &party.uncounted {
        let how = if u.ad_referendum { ", ad referendum" } else { "" };
        let why = match &u.revoked {
            Some(ended) => format!("full powers revoked before completion, on {}, for these reasons:", ended.logged),
            None => "no confirmation of it counts".into(),
        };
        out.line(&format!("  does not count{how}: {}; {why}", who(&u.deed, proven)));
        if let Some(ended) = &u.revoked {
            out.verbatim(&ended.reason);
        }
    }
    for d in &party.declarations {
        declared(out, &format!("  declared by {}", who(&d.deed, proven)), d);
    }
}

fn who(d: &Deed, proven: bool) -> String {
    let place = d.place.as_ref().map(|p| format!(", in {}", render::quoted(p.as_str()))).unwrap_or_default();
    let named = format!("{}, {}, {}{place}", render::names(&d.names), render::names(&d.titles), d.time);
    if proven { format!("{named} (logged {})", d.logged) } else { format!("somebody who claims to be {named}") }
}

/// What was declared, in every language: one is not shown for another.
fn declared(out: &mut Out, how: &str, d: &DeclarationFound) {
    out.line(&format!("{how}, on revision {}:", d.revision));
    for (lang, words) in &d.texts {
        out.line(&format!("      in the language {lang}:"));
        out.verbatim(words.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_worst_counts() {
        for (codes, expected) in [
            (&[][..], 0),
            (&[0, 0][..], 0),
            (&[0, 3][..], 3),
            (&[3, 2, 0][..], 2),
            (&[2, 1, 3, 0][..], 1),
            (&[1, 2][..], 1),
        ] {
            assert_eq!(worst(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
