//! `show` and `list`: communiqués as they stand, verified.

use std::collections::{BTreeMap, BTreeSet};

use communique::{
    client::{
        reading::{GrantBook, Reading},
        seen::Memory,
        session::{History, Row, Session},
    },
    domain::{
        act::{Act, Declaration},
        charter::Charter,
        document::Document,
        id::{Digest, Lang, PartyId},
        life::State,
        manifest::{Initialling, LegalEffect, Manifest, Status},
        message::{Message, Tell as _},
        statement::Statement,
        text::Direction,
        time::Time,
        view::ListFilter,
        words::Prose,
    },
    msg,
};
use serde_json::{Value, json};

use super::{Context, now, wording};
use crate::{
    args,
    errors::Failure,
    render::{self, Out},
};

pub fn show(ctx: &mut Context, args: &args::Show) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let reading = ctx.wait(session.read(args.id))?;
    let newest = reading.newest.manifest.revision;
    let number = args.revision.unwrap_or(newest);
    let (manifest, acts, escrowed) = if number == newest {
        let acts = [&reading.newest.propose].into_iter().chain(&reading.acts).cloned().collect();
        (reading.newest.manifest.clone(), acts, reading.escrowed.clone())
    } else {
        let revision = ctx.wait(session.revision(args.id, number))?;
        let History { mut acts, escrowed } = ctx.wait(session.history(args.id))?;
        acts.retain(|a| a.body().manifest == revision.manifest.digest());
        let escrowed = escrowed.into_iter().filter(|(_, n)| *n == number).map(|(party, _)| party).collect();
        (revision.manifest, acts, escrowed)
    };
    let purged = reading.purged;
    let texts = if args.texts && !purged { ctx.wait(session.texts(&manifest))? } else { BTreeMap::new() };
    let rectified_by = match reading.state {
        State::Published => ctx.wait(session.publication(args.id))?.rectified_by,
        _ => None,
    };
    if ctx.json {
        ctx.out.json(&json!({
            "communique": args.id,
            "state": reading.state.as_str(),
            "newest_revision": newest,
            "declined": reading.declined,
            "returned": reading.returned,
            "purged": purged,
            "rectified_by": rectified_by,
            "opening": reading.opening,
            "manifest_digest": manifest.digest(),
            "manifest": *manifest,
            "acts": acts.iter().map(|a| value(&session, a)).collect::<Vec<_>>(),
            "escrowed": escrowed,
            "texts": (args.texts && !purged).then_some(texts),
        }));
        return Ok(());
    }
    let revoked = revoked(ctx, &session, &acts)?;
    let out = &mut ctx.out;
    facts(out, session.pinned().charter(), &manifest);
    let state = if number == newest { state(&reading) } else { msg!("overtaken by revision {newest}", newest) };
    out.field(&msg!("state"), &state);
    done(out, &session.granted(), &acts, &escrowed, &revoked);
    if number == newest {
        for line in wording::under_way(&reading, session.pinned()) {
            out.line(&line);
        }
    }
    for (lang, words) in &texts {
        text(out, &manifest, lang, words);
    }
    if args.texts && purged {
        out.line(&msg!(
            "Its texts and annexes were erased, as every party asked; the digests above and the acts remain."
        ));
    }
    // Whoever saw all of it has it compared with what comes later.
    let seen = number == newest && !texts.is_empty() && out.is_terminal() && !out.is_lost();
    if let Some(folder) = session.receipts().folder().filter(|_| seen) {
        let noted = Memory::within(folder).note(&manifest, manifest.digest(), now());
        noted.map_err(|e| Failure::file(folder, &e))?;
    }
    super::text::warn(out, &super::text::compared(texts.iter().map(|(lang, words)| (lang, words.as_str()))));
    if number == newest {
        out.gap();
        wording::next(&reading, session.pinned(), profile.party.as_ref(), rectified_by, now()).say(out);
    }
    Ok(())
}

/// The state, and what it does not say by itself.
fn state(reading: &Reading) -> Message {
    let state = reading.state;
    match state {
        State::Drafting if reading.declined => {
            msg!("{state}: it was declined, and what was signed stays sealed for ever", state)
        }
        State::Drafting if reading.returned => msg!(
            "{state}: it came back when another charter came into force, and what was signed stays sealed for ever",
            state
        ),
        State::Lapsed if reading.purged => msg!("{state}: its deadline passed; its texts were erased", state),
        State::Lapsed => msg!("{state}: its deadline passed, and what was signed stays sealed for ever", state),
        State::Withdrawn if reading.purged => msg!("{state}; its texts were erased", state),
        _ => state.message(),
    }
}

pub fn list(ctx: &mut Context, args: args::List) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let args::List { state, party, awaiting, text } = args;
    let filter = ListFilter { state, party, awaiting, text };
    let rows = ctx.wait(session.list(&filter))?;
    if ctx.json {
        ctx.out.json(&json!({ "communiques": rows.iter().map(row).collect::<Vec<_>>() }));
    } else if rows.is_empty() && filter == ListFilter::default() {
        ctx.out.line(&msg!("None yet. `communique new DRAFT.toml` proposes one."));
    } else if rows.is_empty() {
        ctx.out.line(&msg!("None that these filters leave."));
    } else {
        let rows = rows.iter().map(|r| {
            vec![
                r.manifest.communique.tell(),
                r.state.tell(),
                r.manifest.revision.tell(),
                render::parties(&r.manifest).tell(),
                render::name(&r.manifest.titles).tell(),
            ]
        });
        ctx.out.table(
            &[msg!("communiqué"), msg!("state"), msg!("revision"), msg!("parties"), msg!("title")],
            rows.collect(),
        );
    }
    Ok(())
}

/// What waits for an act of the caller's party: what ends first comes first, what has no end last.
pub fn inbox(ctx: &mut Context) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let mut rows = ctx.wait(session.list(&ListFilter { awaiting: true, ..ListFilter::default() }))?;
    rows.sort_by_key(|r| {
        let deadline = r.manifest.procedure.deadline;
        (deadline.is_none(), deadline, r.manifest.communique)
    });
    if ctx.json {
        ctx.out.json(&json!({ "inbox": rows.iter().map(row).collect::<Vec<_>>() }));
    } else if rows.is_empty() {
        ctx.out.line(&msg!("Nothing waits for your party."));
    } else {
        let rows = rows.iter().map(|r| {
            vec![
                awaited(r).join(", ").tell(),
                r.manifest.procedure.deadline.map_or_else(|| msg!("none").tell(), |deadline| deadline.tell()),
                r.manifest.communique.tell(),
                r.manifest.revision.tell(),
                render::name(&r.manifest.titles).tell(),
            ]
        });
        ctx.out.table(
            &[msg!("to do"), msg!("deadline"), msg!("communiqué"), msg!("revision"), msg!("title")],
            rows.collect(),
        );
        ctx.out.line(&msg!("What waits is the exchange's word; `communique show ID` verifies it."));
    }
    Ok(())
}

fn awaited(row: &Row) -> Vec<&'static str> {
    row.awaited.iter().map(|act| act.as_str()).collect()
}

fn row(r: &Row) -> Value {
    json!({ "communique": r.manifest.communique, "state": r.state.as_str(), "revision": r.manifest.revision,
        "titles": r.manifest.titles, "parties": r.manifest.parties, "manifest_digest": r.manifest.digest(),
        "deadline": r.manifest.procedure.deadline, "awaited": awaited(r) })
}

/// What a manifest says.
pub fn facts(out: &mut Out, charter: &Charter, m: &Document<Manifest>) {
    for (lang, title) in m.titles.iter() {
        out.field(&msg!("title {lang}", lang), &title.message());
    }
    out.field(&msg!("communiqué"), &m.communique);
    let (revision, digest) = (m.revision, m.digest());
    out.field(&msg!("revision"), &msg!("{revision}, manifest {digest}", revision, digest));
    for (n, id) in m.parties.iter().enumerate() {
        let names = charter.parties.iter().find(|p| p.id == *id);
        let party = match (names.map(|p| render::names(&p.names)), *id == m.proposer) {
            (Some(names), true) => msg!("{id}: {names}, the proposer", id, names),
            (Some(names), false) => msg!("{id}: {names}", id, names),
            (None, true) => msg!("{id}: not in the charter, the proposer", id),
            (None, false) => msg!("{id}: not in the charter", id),
        };
        if n == 0 { out.field(&msg!("parties"), &party) } else { out.more(&party) }
    }
    if let Some(meeting) = &m.meeting {
        let (places, date) = (render::names(&meeting.places), meeting.date);
        let told = match &meeting.host {
            Some(host) => msg!("{places}, {date}, host {host}", places, date, host),
            None => msg!("{places}, {date}", places, date),
        };
        out.field(&msg!("meeting"), &told);
    }
    if let Some(rectifies) = &m.rectifies {
        let (communique, manifest) = (rectifies.communique, rectifies.manifest);
        out.field(&msg!("rectifies"), &msg!("{communique}, manifest {manifest}", communique, manifest));
    }
    let effect = match m.legal_effect {
        LegalEffect::Political => msg!("effect" => "political"),
        LegalEffect::Binding => msg!("effect" => "binding"),
    };
    out.field(&msg!("effect"), &effect);
    let initialling = match m.procedure.initialling {
        Initialling::Required => msg!("every party initials, then it opens for signature"),
        Initialling::Waived => msg!("initialling is waived; its proposer opens it for signature"),
    };
    out.field(&msg!("procedure"), &initialling);
    if let Some(deadline) = m.procedure.deadline {
        out.field(&msg!("deadline"), &msg!("{deadline}; no signature counts after it", deadline));
    }
    if let Some(embargo) = m.procedure.embargo {
        out.field(&msg!("embargo"), &msg!("{embargo}; not published before", embargo));
    }
    let languages = |status| {
        let texts = m.texts.iter().filter(|t| t.status == status);
        texts.map(|t| wording::language(&t.lang)).collect::<Vec<_>>()
    };
    let (authentic, translated) = (languages(Status::Authentic), languages(Status::Translation));
    out.field(&msg!("authentic"), &authentic.tell());
    if !translated.is_empty() {
        out.field(&msg!("translated"), &translated.tell());
    }
    for t in &m.texts {
        let (lang, status, size, digest) = (&t.lang, status(t.status), render::size(t.size), t.sha256);
        let told = match t.dir {
            Direction::Rtl => msg!("{status}, right to left, {size}, {digest}", status, size, digest),
            Direction::Ltr => msg!("{status}, {size}, {digest}", status, size, digest),
        };
        out.field(&msg!("text {lang}", lang), &told);
    }
    for (n, a) in m.annexes.iter().enumerate() {
        let (number, titles, size, digest) = (n + 1, render::names(&a.titles), render::size(a.size), a.sha256);
        out.field(&msg!("annex {number}", number), &msg!("{titles}, {size}, {digest}", titles, size, digest));
    }
}

/// Whether a text is authentic.
fn status(status: Status) -> Message {
    match status {
        Status::Authentic => msg!("status" => "authentic"),
        Status::Translation => msg!("status" => "translation"),
    }
}

/// Which full powers under which somebody signed were revoked, and when: their signature counts only if the set was complete
/// before.
pub fn revoked(ctx: &Context, session: &Session, acts: &[Statement<Act>]) -> Result<BTreeMap<Digest, Time>, Failure> {
    let signed: BTreeSet<_> = acts.iter().filter(|a| a.body().act.is_signature()).map(|a| a.body().grant).collect();
    let mut revoked = BTreeMap::new();
    for grant in signed {
        if let Some((_, time)) = ctx.wait(session.powers(grant))?.revoked {
            revoked.insert(grant, time);
        }
    }
    Ok(revoked)
}

/// Who did what.
pub fn done(
    out: &mut Out,
    book: &GrantBook,
    acts: &[Statement<Act>],
    escrowed: &[PartyId],
    revoked: &BTreeMap<Digest, Time>,
) {
    for act in acts {
        let body = act.body();
        let holder = book.find(&body.grant).map(|g| render::person(&g.body().holder));
        let place = body.place.as_ref().map(|p| render::quoted(p.as_str()));
        let (party, time) = (&body.party, body.time);
        let who = match (holder, place) {
            (Some(holder), Some(place)) => msg!("{party}, {holder}, {time}, in {place}", party, holder, time, place),
            (Some(holder), None) => msg!("{party}, {holder}, {time}", party, holder, time),
            (None, Some(place)) => msg!("{party}, {time}, in {place}", party, time, place),
            (None, None) => msg!("{party}, {time}", party, time),
        };
        out.field(&wording::past(body), &who);
        if let Some(more) = wording::more(body) {
            out.more(&more);
        }
        if let Some(time) = revoked.get(&body.grant).filter(|_| body.act.is_signature()) {
            out.more(&msg!("full powers revoked {time}: it does not count unless all had signed before", time));
        }
        if let Some(reason) = &body.reason {
            out.verbatim(reason.as_str());
        }
        if let Some(Declaration::Texts(texts)) = &body.declaration {
            declaration(out, texts);
        }
    }
    for party in escrowed {
        out.field(&msg!("signed"), &msg!("{party}, in escrow: the exchange's word", party));
    }
}

/// What a party declares, in each language.
pub fn declaration(out: &mut Out, texts: &BTreeMap<Lang, Prose>) {
    for (lang, words) in texts {
        if texts.len() > 1 {
            out.paragraph("  ", &msg!("in the language {lang}:", lang));
        }
        out.verbatim(words.as_str());
    }
}

/// A text, set off, with what could mislead the eye said first.
pub fn text(out: &mut Out, manifest: &Manifest, lang: &Lang, words: &str) {
    out.gap();
    let found = manifest.texts.iter().find(|t| t.lang == *lang);
    match found.map(|t| status(t.status)) {
        Some(status) => out.heading(&msg!("Text {lang}, {status}", lang, status)),
        None => out.heading(&msg!("Text {lang}", lang)),
    }
    if found.is_some_and(|t| t.dir == Direction::Rtl) {
        out.line(&msg!("It runs from right to left; a terminal may show its words in another order."));
    }
    for m in communique::domain::text::mixed_script_words(words) {
        let (line, column, word, script) = (m.line, m.column, render::quoted(&m.word), render::script(m.script));
        out.line(&msg!(
            "Worth a look: line {line}, column {column}: {word} has letters of {script} and of others:",
            line,
            column,
            word,
            script
        ));
        for (letter, script) in &m.letters {
            let (code, letter) = (format!("U+{:04X}", u32::from(*letter)), render::quoted(&letter.to_string()));
            let script = render::script(script);
            out.paragraph("  ", &msg!("The letter {letter} is of {script} ({code}).", letter, script, code));
        }
    }
    out.verbatim(words);
}

/// An act, for programs.
pub fn value(session: &Session, act: &Statement<Act>) -> Value {
    let holder = session.grant(&act.body().grant).map(|g| g.body().holder.clone());
    json!({ "digest": act.digest(), "statement": act.body(), "holder": holder })
}
