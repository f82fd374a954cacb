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
    msg,
    package::{
        evidence::LogFound,
        verdict::{
            Capacity, DETAIL_LIMIT, DeclarationFound, Deed, Detail, Findings, PartyFound, Uncounted, Verdict,
            not_proven,
        },
        verify::{self, Verifier},
    },
};
use serde_json::{Value, json};

use super::Context;
use crate::{
    args::Verify,
    errors::Failure,
    progress::Progress,
    render::{self, Out},
    speech,
};

/// Packages up to this size are read at once, larger ones where they lie, piece by piece.
const AT_ONCE: u64 = 4 << 20;
/// How many packages of a folder are judged before they are told, for each thread.
const BATCH: usize = 64;

pub fn run(ctx: &mut Context, args: &Verify) -> Result<(), Failure> {
    if args.texts && args.paths.iter().any(|path| path.is_dir()) {
        return Err(Failure::usage(msg!(
            "`--texts` shows the texts of packages that are named one by one, not of a folder's"
        )));
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
                // On a terminal, the lines themselves show how far it is.
                let bar =
                    Progress::entries(&msg!("packages"), !ctx.json && ctx.err.is_terminal() && !ctx.out.is_terminal());
                for batch in files.chunks(BATCH * threads) {
                    bar.of((codes.len() - before) as u64, files.len() as u64);
                    // What was found is let go of at once, unless it is told.
                    let told = |file: &Path, verdict: &Verdict| match ctx.json {
                        true => Told::Whole(in_json(file, verdict)),
                        false => Told::Brief(briefly(file, verdict)),
                    };
                    for (code, told) in all(&verifier, batch, threads, told) {
                        codes.push(code);
                        match told {
                            Told::Whole(value) => packages.push(value),
                            Told::Brief(lines) => brief(&mut ctx.out, &lines),
                        }
                    }
                }
                bar.end();
                if !ctx.json {
                    count(&mut ctx.out, path, &codes[before..]);
                }
                continue;
            }
            Some(found) => {
                let none = || msg!("a folder without packages (`*.zip`)");
                Verdict::CannotRead { detail: Detail::new(found.err().map_or_else(none, |e| e.message())) }
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
            out.line(&msg!(
                "The texts are not shown, since nothing is proven without `--charter-pin`; `--unproven` shows them all the same."
            ));
        }
        for (lang, words) in texts {
            out.gap();
            out.heading(&msg!("Text {lang}", lang));
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
    Brief(Vec<Message>),
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
            return Ok(Verdict::CannotRead { detail: Detail::new(msg!("it is no file")) });
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
            .map_err(|fault| Failure::refused(fault).of(render::path(path)))?;
        texts.push((t.lang.to_string(), words));
    }
    Ok(texts)
}

/// The verdict in one line. It begins with words of ours: a file's name may say anything.
fn head(out: &mut Out, path: &Path, verdict: &Verdict) {
    out.heading(&in_words(verdict, path));
}
fn in_words(verdict: &Verdict, path: &Path) -> Message {
    let path = render::path(path);
    match verdict {
        Verdict::Proven(_) => msg!("PROVEN against the charter that you trust: {path}", path),
        Verdict::Unpinned(_) => msg!("CONSISTENT, but nothing is proven: {path}", path),
        Verdict::Failed { check, .. } => msg!("FAILED at {check}: {path}", check = check.id(), path),
        Verdict::CannotRead { .. } => msg!("CANNOT BE READ: {path}", path),
        Verdict::CannotJudge { .. } => msg!("CANNOT BE JUDGED by this version: {path}", path),
    }
}

/// One of a folder: a line, and why where it is not good.
fn briefly(path: &Path, verdict: &Verdict) -> Vec<Message> {
    let mut lines = vec![in_words(verdict, path)];
    if let Verdict::Failed { detail, .. } | Verdict::CannotRead { detail } | Verdict::CannotJudge { detail } = verdict {
        lines.push(detail.message());
    }
    lines
}

/// What failed, in words: not more of it than is of use, since it may quote the file.
fn detail(out: &mut Out, name: &str, detail: &Message) {
    let mut said = speech::shown(detail);
    if let Some((cut, _)) = said.char_indices().nth(DETAIL_LIMIT) {
        said.truncate(cut);
        said.push_str(" …");
    }
    out.field_shown(name, &said);
}

/// Tells one of a folder.
fn brief(out: &mut Out, lines: &[Message]) {
    let [verdict, more @ ..] = lines else { return };
    out.line(verdict);
    for why in more {
        detail(out, &format!("  {}", speech::say(&msg!("why"))), why);
    }
}

/// How many packages of a folder came to what.
fn count(out: &mut Out, folder: &Path, codes: &[u8]) {
    let of = |code| codes.iter().filter(|c| **c == code).count();
    let kind = |code| {
        let n = of(code);
        Some(match code {
            _ if n == 0 => return None,
            0 => msg!("{n} proven" | "{n} proven", n),
            3 => msg!("{n} consistent but unpinned" | "{n} consistent but unpinned", n),
            1 => msg!("{n} failed" | "{n} failed", n),
            _ => msg!("{n} not read or not judged" | "{n} not read or not judged", n),
        })
    };
    let counts: Vec<_> = [0, 3, 1, 2].into_iter().filter_map(kind).collect();
    out.heading(&msg!(
        "{counts} of {n} package in {folder}" | "{counts} of {n} packages in {folder}",
        counts,
        n = codes.len(),
        folder = render::path(folder)
    ));
}

/// Says a verdict to people.
pub fn say(out: &mut Out, path: &Path, verdict: &Verdict, pin: Option<Digest>) {
    head(out, path, verdict);
    match verdict {
        Verdict::Proven(findings) => found(out, findings, true),
        Verdict::Unpinned(findings) => {
            out.line(&msg!(
                "Anybody can make such a package. Give `--charter-pin` with the fingerprint of a charter that you trust."
            ));
            found(out, findings, false);
        }
        Verdict::Failed { check, detail: why } => {
            out.field(&msg!("must hold"), &check.rule());
            detail(out, &speech::say(&msg!("but")), &why.message());
            let next = if check.id() == "PIN" && pin.is_some() {
                msg!(
                    "compare the fingerprint with the one that the parties give; if it is right, this package is not theirs"
                )
            } else {
                msg!("do not rely on this file; fetch it again from the exchange or from another archive")
            };
            out.field(&msg!("next"), &next);
        }
        Verdict::CannotRead { detail: why } => {
            detail(out, &speech::say(&msg!("why")), &why.message());
            out.field(&msg!("next"), &msg!("check the path and the medium, then verify again"));
        }
        Verdict::CannotJudge { detail: why } => {
            detail(out, &speech::say(&msg!("why")), &why.message());
            out.field(&msg!("next"), &msg!("use a newer version of this tool"));
        }
    }
}

fn found(out: &mut Out, f: &Findings, proven: bool) {
    document(out, f, proven);
    let (mut corrected, mut before) = (f.original.as_deref(), f);
    while let Some(original) = corrected {
        out.gap();
        out.heading(&msg!(
            "What {correction} corrects, {original}, whose own package is in this one:",
            correction = before.communique,
            original = original.communique
        ));
        document(out, original, proven);
        (corrected, before) = (original.original.as_deref(), original);
    }
    out.line(&msg!("Not proven:"));
    if !proven {
        out.item(1, &msg!("who the parties are, and that they had any part in this"));
    }
    for line in not_proven() {
        out.item(1, &line);
    }
}

fn document(out: &mut Out, f: &Findings, proven: bool) {
    for (lang, title) in f.titles.iter() {
        out.field(&msg!("title {lang}", lang), title);
    }
    let (id, revision) = (f.communique, f.revision);
    out.field(&msg!("communiqué"), &msg!("{communique}, revision {revision}", communique = id, revision));
    let exchange = &f.exchange;
    if proven {
        out.field(&msg!("exchange"), &msg!("kept at {exchange}", exchange));
    } else {
        out.field(&msg!("claims"), &msg!("to be kept at {exchange}", exchange));
    }
    for c in &f.charters {
        let (version, fingerprint, since) = (c.version, c.fingerprint, c.since);
        let in_force = if version == f.charter_version {
            msg!("{version} {fingerprint}, in force since {since}; judged by this one", version, fingerprint, since)
        } else {
            msg!("{version} {fingerprint}, in force since {since}", version, fingerprint, since)
        };
        out.field(&msg!("charter"), &in_force);
        for party in &c.absent {
            out.more(&msg!("{party} did not adopt it in time, and was no party", party));
        }
    }
    if let Some(meeting) = &f.meeting {
        let (places, date) = (render::names(&meeting.places), meeting.date);
        let meeting = match &meeting.host {
            Some(host) => msg!("{places}, {date}, host {host}", places, date, host),
            None => msg!("{places}, {date}", places, date),
        };
        out.field(&msg!("meeting"), &meeting);
    }
    out.field(&msg!("effect"), &f.legal_effect);
    for party in &f.parties {
        self::party(out, party, proven);
    }
    for t in &f.texts {
        out.field(
            &msg!("text {lang}", lang = t.lang),
            &msg!("{status}, {size}, {digest}", status = t.status, size = render::size(t.size), digest = t.sha256),
        );
    }
    for (n, a) in f.annexes.iter().enumerate() {
        let (titles, size) = (render::names(&a.titles), render::size(a.size));
        out.field(
            &msg!("annex {number}", number = n + 1),
            &msg!("{titles}, {size}, {digest}", titles, size, digest = a.sha256),
        );
    }
    if f.texts.iter().filter(|t| t.status == Status::Authentic).count() > 1 {
        out.line(&msg!("The authentic texts are equally authoritative."));
    }
    out.field(&msg!("completed"), &f.completed);
    let (time, index) = (f.published, f.published_index);
    out.field(&msg!("published"), &msg!("{time}, entry {index} of the log", time, index));
    if let Some(embargo) = f.procedure.embargo.filter(|_| !f.releases.is_empty()) {
        out.more(&msg!("before the end of the embargo, {embargo}, which each party lifted:", embargo));
        for r in &f.releases {
            out.more(&msg!("{party}, for it {who}", party = r.party, who = who(&r.deed, proven)));
        }
    }
    if let Some(log) = &f.log {
        in_the_log(out, log);
    }
}

/// What is shown of the log, and which parties' witnesses have seen it.
fn in_the_log(out: &mut Out, log: &LogFound) {
    out.field(
        &msg!("log"),
        &msg!(
            "{log}, every entry proven under its head of one entry"
                | "{log}, every entry proven under its head of {n} entries",
            log = log.origin,
            n = log.size
        ),
    );
    let wanted = log.wanted;
    let found = match log.witnesses.len() {
        0 => msg!("not yet witnessed, of {wanted} that the charter wants", wanted),
        n => msg!(
            "{n} found, of {wanted} that the charter wants" | "{n} found, of {wanted} that the charter wants",
            n,
            wanted
        ),
    };
    out.field(&msg!("witnesses"), &found);
    for witness in &log.witnesses {
        out.more(&msg!("{party}, {time}", party = witness.party, time = witness.time));
    }
    if log.stamped {
        out.field(&msg!("time stamp"), &msg!("there is one; it was not judged: `openssl ts -verify` does that"));
    }
}

/// A party, who signed for it and how.
fn party(out: &mut Out, party: &PartyFound, proven: bool) {
    let (id, names) = (&party.id, render::names(&party.names));
    let is = if proven {
        msg!("{party} is {names}", party = id, names)
    } else {
        msg!("{party} claims to be {names}", party = id, names)
    };
    out.field(&msg!("party"), &is);
    for s in &party.signatories {
        let who = who(&s.deed, proven);
        let signed = match (&s.capacity, proven) {
            (Capacity::Definitive, true) => msg!("signed by {who}", who),
            (Capacity::AdReferendum(_), true) => msg!("signed ad referendum by {who}", who),
            (Capacity::Definitive, false) => msg!("for it, {who}", who),
            (Capacity::AdReferendum(_), false) => msg!("for it, ad referendum, {who}", who),
        };
        out.item(1, &signed);
        if let Capacity::AdReferendum(confirmed) = &s.capacity {
            out.item(2, &msg!("confirmed by {who}", who = self::who(confirmed, proven)));
        }
        if let Some(d) = &s.declaration {
            out.item(2, &msg!("with this declaration, on revision {revision}:", revision = d.revision));
            declared(out, d);
        }
        if let Some(ended) = &s.revoked {
            let time = ended.logged;
            out.item(2, &msg!("full powers revoked after completion, on {time}, for these reasons:", time));
            out.verbatim(&ended.reason);
        }
    }
    for u in &party.uncounted {
        out.item(1, &uncounted(u, proven));
        if let Some(ended) = &u.revoked {
            out.verbatim(&ended.reason);
        }
    }
    for d in &party.declarations {
        let (who, revision) = (who(&d.deed, proven), d.revision);
        out.item(1, &msg!("declared by {who}, on revision {revision}:", who, revision));
        declared(out, d);
    }
}

/// A signature that does not count, and why not.
fn uncounted(u: &Uncounted, proven: bool) -> Message {
    let who = who(&u.deed, proven);
    match (&u.revoked, u.ad_referendum) {
        (Some(ended), false) => msg!(
            "does not count: {who}; full powers revoked before completion, on {time}, for these reasons:",
            who,
            time = ended.logged
        ),
        (Some(ended), true) => msg!(
            "does not count, ad referendum: {who}; full powers revoked before completion, on {time}, for these reasons:",
            who,
            time = ended.logged
        ),
        (None, false) => msg!("does not count: {who}; no confirmation of it counts", who),
        (None, true) => msg!("does not count, ad referendum: {who}; no confirmation of it counts", who),
    }
}

fn who(d: &Deed, proven: bool) -> Message {
    let (names, titles, time, logged) = (render::names(&d.names), render::names(&d.titles), d.time, d.logged);
    let place = d.place.as_ref().map(|place| render::quoted(place));
    match (proven, place) {
        (true, None) => msg!("{names}, {titles}, {time} (logged {logged})", names, titles, time, logged),
        (true, Some(place)) => {
            msg!("{names}, {titles}, {time}, in {place} (logged {logged})", names, titles, time, place, logged)
        }
        (false, None) => msg!("somebody who claims to be {names}, {titles}, {time}", names, titles, time),
        (false, Some(place)) => {
            msg!("somebody who claims to be {names}, {titles}, {time}, in {place}", names, titles, time, place)
        }
    }
}

/// What was declared, in every language: one is not shown for another.
fn declared(out: &mut Out, d: &DeclarationFound) {
    for (lang, words) in &d.texts {
        out.item(3, &msg!("in the language {lang}:", lang));
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
