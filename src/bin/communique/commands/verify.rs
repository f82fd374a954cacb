//! `verify`: packages, without network.

use std::{
    fs::{self, File},
    io::{self, BufReader, Cursor, Read as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use communique::{
    domain::{
        id::Digest,
        manifest::Status,
        message::{Message, Tell as _},
    },
    package::{
        evidence::LogFound,
        verdict::{Capacity, DeclarationFound, Deed, Detail, Findings, NOT_PROVEN, PartyFound, Verdict},
        verify::{self, Verifier},
    },
};
use serde_json::{Value, json};

use super::Context;
use crate::{
    args::Verify,
    errors::Failure,
    render::{self, Out},
};

/// Packages up to this size are read at once, larger ones where they lie, piece by piece.
const AT_ONCE: u64 = 4 << 20;
/// How many packages of a folder are judged before they are told, for each thread.
const BATCH: usize = 64;

pub fn run(ctx: &mut Context, args: &Verify) -> Result<(), Failure> {
    if args.texts && args.paths.iter().any(|path| path.is_dir()) {
        return Err(Failure::usage("--texts shows the texts of packages that are named one by one, not of a folder's"));
    }
    let verifier = Verifier::new(args.charter_pin);
    let mut packages = Vec::new();
    let mut codes = Vec::new();
    for (n, path) in args.paths.iter().enumerate() {
        if n > 0 && !ctx.json {
            ctx.out.gap();
        }
        let before = codes.len();
        let verdict = match within(path) {
            None => judge(&verifier, path),
            Some(Ok(files)) if !files.is_empty() => {
                let threads = thread::available_parallelism().map_or(1, usize::from);
                for batch in files.chunks(BATCH * threads) {
                    // What was found is let go of at once, unless it is told.
                    let told = |file: &Path, verdict: &Verdict| match ctx.json {
                        true => Told::Whole(in_json(file, verdict)),
                        false => Told::Brief(briefly(file, verdict)),
                    };
                    for (code, told) in all(&verifier, batch, threads, told) {
                        codes.push(code);
                        match told {
                            Told::Whole(value) => packages.push(value),
                            Told::Brief(lines) => lines.iter().for_each(|line| ctx.out.shown(line)),
                        }
                    }
                }
                if !ctx.json {
                    count(&mut ctx.out, path, &codes[before..]);
                }
                continue;
            }
            Some(found) => {
                let why = found.err().map_or_else(|| "a folder without packages (*.zip)".into(), |e| e.to_string());
                Verdict::CannotRead { detail: Detail::new(Message::words(why)) }
            }
        };
        codes.push(verdict.exit_code());
        if ctx.json {
            let mut value = in_json(path, &verdict);
            if let (true, Some(members)) = (args.texts, value.as_object_mut()) {
                members.insert("texts".into(), json!(texts(path, &verdict, args.unproven)?));
            }
            packages.push(value);
        } else {
            say(&mut ctx.out, path, &verdict, args.charter_pin);
            at_length(&mut ctx.out, path, &verdict, args)?;
        }
    }
    let code = worst(codes.iter().copied());
    if ctx.json {
        ctx.out.json(&json!({ "exit_code": code, "packages": packages }));
    }
    if code == 0 { Ok(()) } else { Err(Failure::said(code)) }
}

/// What stands behind the verdict of a package that was named itself.
fn at_length(out: &mut Out, path: &Path, verdict: &Verdict, args: &Verify) -> Result<(), Failure> {
    let shown = verdict.findings().is_some();
    if args.texts {
        let texts = texts(path, verdict, args.unproven)?;
        if texts.is_empty() && shown {
            out.line("The texts are not shown, since nothing is proven without --charter-pin; --unproven shows them all the same.");
        }
        for (lang, words) in texts {
            out.gap();
            out.heading(&format!("Text {lang}"));
            out.verbatim(&words);
        }
    }
    // What a package brings may fill many screens: the verdict stands at their end as well.
    if shown {
        head(out, path, verdict);
    }
    Ok(())
}

fn in_json(path: &Path, verdict: &Verdict) -> Value {
    let mut value = verdict.to_json();
    if let Some(members) = value.as_object_mut() {
        members.insert("path".into(), json!(path));
    }
    value
}

/// What is told of one of a folder.
enum Told {
    Whole(Value),
    Brief(Vec<String>),
}

/// The packages of a folder, by name; nothing for what is no folder.
fn within(path: &Path) -> Option<io::Result<Vec<PathBuf>>> {
    path.is_dir().then(|| {
        let entries = fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        let mut files: Vec<_> = entries.into_iter().filter(|p| p.extension().is_some_and(|e| e == "zip")).collect();
        files.sort();
        Ok(files)
    })
}

/// Judges all of these, by as many threads: exit codes, and what is told of each.
fn all<T: Send>(
    verifier: &Verifier,
    files: &[PathBuf],
    threads: usize,
    tell: impl Fn(&Path, &Verdict) -> T + Sync,
) -> Vec<(u8, T)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = vec![];
        while let Some((n, file)) = files.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            let verdict = judge(verifier, file);
            judged.push((n, (verdict.exit_code(), tell(file, &verdict))));
        }
        judged
    };
    let mut judged: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut judged = work();
        for other in others {
            judged.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        judged
    });
    judged.sort_by_key(|(n, _)| *n);
    judged.into_iter().map(|(_, told)| told).collect()
}

/// Of several verdicts: something fails, before cannot judge, before unpinned, before proven.
fn worst(codes: impl Iterator<Item = u8>) -> u8 {
    let rank = |code: &u8| [0, 3, 2, 1].iter().position(|c| c == code);
    codes.max_by_key(rank).unwrap_or(0)
}

fn judge(verifier: &Verifier, path: &Path) -> Verdict {
    let read = || -> io::Result<Verdict> {
        let found = fs::metadata(path)?;
        // A pipe would be waited for.
        if !found.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let (mut file, length) = (File::open(path)?, found.len());
        if length > AT_ONCE {
            return Ok(verifier.verify(BufReader::new(file)));
        }
        // What grows meanwhile has bytes behind its end.
        let mut bytes = Vec::with_capacity(length as usize + 1);
        file.by_ref().take(AT_ONCE).read_to_end(&mut bytes)?;
        Ok(verifier.verify(Cursor::new(bytes)))
    };
    read().unwrap_or_else(|e| Verdict::CannotRead { detail: Detail::new(e.message()) })
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
    out.heading(&format!("{}: {}", in_words(verdict), render::path(path)));
}
fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Proven(_) => "PROVEN against the charter that you trust".to_owned(),
        Verdict::Unpinned(_) => "CONSISTENT, but nothing is proven".to_owned(),
        Verdict::Failed { check, .. } => format!("FAILED at {check}"),
        Verdict::CannotRead { .. } => "CANNOT BE READ".to_owned(),
        Verdict::CannotJudge { .. } => "CANNOT BE JUDGED by this version".to_owned(),
    }
}

/// One of a folder, safe to show: a line, and why where it is not good.
fn briefly(path: &Path, verdict: &Verdict) -> Vec<String> {
    let mut lines =
        vec![communique::domain::text::escape_line(&format!("{}: {}", in_words(verdict), render::path(path)))];
    if let Verdict::Failed { detail, .. } | Verdict::CannotRead { detail } | Verdict::CannotJudge { detail } = verdict {
        lines.push(format!("{:<12} {detail}", "  why"));
    }
    lines
}

/// How many packages of a folder came to what.
fn count(out: &mut Out, folder: &Path, codes: &[u8]) {
    let of = |code| codes.iter().filter(|c| **c == code).count();
    let kinds = [(0, "proven"), (3, "consistent, but not proven"), (1, "failed"), (2, "not read or not judged")];
    let counts: Vec<_> =
        kinds.iter().filter(|(code, _)| of(*code) > 0).map(|(code, what)| format!("{} {what}", of(*code))).collect();
    out.heading(&format!("{} of {} packages in {}", counts.join(", "), codes.len(), render::path(folder)));
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
    if let Some(log) = &f.log {
        in_the_log(out, log);
    }
}

/// What is shown of the log, and which parties' witnesses have seen it.
fn in_the_log(out: &mut Out, log: &LogFound) {
    out.field("log", &format!("{}, every entry proven under its head of {} entries", log.origin, log.size));
    let found = match log.witnesses.len() {
        0 => "not yet witnessed".to_owned(),
        found => format!("{found} found"),
    };
    out.field("witnesses", &format!("{found}, of {} that the charter wants", log.wanted));
    for witness in &log.witnesses {
        out.field("", &format!("{}, {}", witness.party, witness.time));
    }
    if log.stamped {
        out.field("time stamp", "there is one; it was not judged: `openssl ts -verify` does that");
    }
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
