//! `text`: texts before they are proposed.

use std::path::{Path, PathBuf};

use communique::{
    client::{
        aligning::{self, Misalignment, Version},
        drafting, importing,
    },
    domain::{
        id::Lang,
        text::{self, Cleaned, Direction, Fault, MixedWord},
    },
    msg,
};
use serde_json::{Value, json};

use super::Context;
use crate::{
    args::{Text, Way},
    errors::Failure,
    profile,
    render::{self, Out},
};

/// How many faults or changes are shown to a person.
const SHOWN: usize = 20;

pub fn run(ctx: &mut Context, command: Text) -> Result<(), Failure> {
    match command {
        Text::Check { files, way } => check(ctx, &files, &way),
        Text::Clean { file, out, way } => clean(ctx, &file, out.as_deref(), direction(&way)),
        Text::Import { file, out, way } => import(ctx, &file, out.as_deref(), direction(&way)),
    }
}

fn direction(way: &Way) -> Direction {
    way.dir.or_else(|| way.lang.as_ref().map(drafting::direction_of)).unwrap_or(Direction::Ltr)
}

/// A file to be checked.
struct Candidate {
    file: PathBuf,
    lang: Option<Lang>,
    direction: Direction,
}

/// The files that an argument names: one, with its language or without, or all that a draft names.
fn candidates(argument: &Path, way: &Way) -> Result<Vec<Candidate>, Failure> {
    let one = |file: &Path, lang: Option<Lang>| Candidate {
        file: file.into(),
        direction: way.dir.or_else(|| lang.as_ref().map(drafting::direction_of)).unwrap_or(Direction::Ltr),
        lang,
    };
    if argument.extension().is_some_and(|extension| extension == "toml") {
        let base = argument.parent().unwrap_or(Path::new(""));
        let texts = drafting::read(argument)?.texts.into_iter();
        return Ok(texts
            .map(|t| Candidate {
                file: base.join(t.file),
                direction: t.dir.unwrap_or_else(|| drafting::direction_of(&t.lang)),
                lang: Some(t.lang),
            })
            .collect());
    }
    // A file that is called so is meant itself.
    let named = argument.to_str().filter(|_| !argument.exists()).and_then(|s| s.split_once('='));
    Ok(vec![match named.and_then(|(lang, file)| Some((lang.parse::<Lang>().ok()?, file))) {
        Some((lang, file)) => one(Path::new(file), Some(lang)),
        None => one(argument, way.lang.clone()),
    }])
}

fn check(ctx: &mut Context, files: &[PathBuf], way: &Way) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let mut good = true;
    let mut versions: Vec<(Lang, String)> = Vec::new();
    let candidates: Vec<_> = files.iter().map(|file| candidates(file, way)).collect::<Result<_, _>>()?;
    for Candidate { file, lang, direction } in candidates.into_iter().flatten() {
        let bytes = profile::read(&file, text::CLEAN_LIMIT)?;
        let (faults, mixed) = match text::check_text(&bytes, direction) {
            Ok(words) => (Vec::new(), text::mixed_script_words(words)),
            Err(faults) => (faults, Vec::new()),
        };
        good &= faults.is_empty();
        if ctx.json {
            reports.push(
                json!({ "file": file, "lang": lang, "good": faults.is_empty(), "faults": faults.iter().map(fault).collect::<Vec<_>>(),
                "mixed_scripts": mixed.iter().map(word).collect::<Vec<_>>() }),
            );
        } else {
            report(ctx, &file, &faults, &mixed);
        }
        if let Some(lang) = lang
            && faults.is_empty()
            && versions.iter().all(|(known, _)| *known != lang)
            && let Ok(words) = String::from_utf8(bytes)
        {
            versions.push((lang, words));
        }
    }
    let found = compared(versions.iter().map(|(lang, words)| (lang, words.as_str())));
    if ctx.json {
        let misaligned: Vec<_> = found.iter().map(misalignment).collect();
        ctx.out.json(&json!({ "good": good, "files": reports, "misaligned": misaligned }));
    } else {
        warn(&mut ctx.out, &found);
    }
    if good { Ok(()) } else { Err(Failure::said(1)) }
}

/// Compares the language versions of a text.
pub fn compared<'a>(texts: impl Iterator<Item = (&'a Lang, &'a str)>) -> Vec<Misalignment> {
    aligning::compare(&texts.map(|(lang, text)| Version { lang, text }).collect::<Vec<_>>())
}

/// Says where language versions differ. A warning: they may rightly differ.
pub fn warn(out: &mut Out, found: &[Misalignment]) {
    if found.is_empty() {
        return;
    }
    out.paragraph("", &msg!("Worth a look: the languages differ (a warning; numbers in words are not read):"));
    for misalignment in found.iter().take(SHOWN) {
        out.item(1, misalignment);
    }
    more(out, found.len());
}

/// How many there are beyond those that are shown.
fn more(out: &mut Out, all: usize) {
    if all > SHOWN {
        out.item(1, &msg!("… and one more" | "… and {n} more", n = all - SHOWN));
    }
}

fn misalignment(found: &Misalignment) -> Value {
    let mut value = json!(found);
    if let Some(members) = value.as_object_mut() {
        members.insert("sentence".into(), found.to_string().into());
    }
    value
}

fn import(ctx: &mut Context, file: &Path, to: Option<&Path>, direction: Direction) -> Result<(), Failure> {
    if let Some(to) = to {
        profile::must_be_new(to)?;
    }
    let bytes = profile::read(file, importing::FILE_LIMIT)?;
    let imported = importing::import(&bytes).map_err(|fault| Failure::from(fault).of(file))?;
    let cleaned = text::clean(imported.text().as_bytes(), direction);
    let good = cleaned.left.is_empty();
    // Counted as they come out: mending may part one or drop one that shows nothing.
    let paragraphs = communique::client::comparing::paragraphs(&cleaned.text).count();
    give(ctx, to, &cleaned)?;
    if ctx.json {
        let dropped: Vec<_> = imported
            .dropped
            .iter()
            .map(|d| json!({ "what": d.what, "count": d.count, "sentence": d.to_string() }))
            .collect();
        ctx.out.json(&json!({ "good": good, "format": imported.format, "paragraphs": paragraphs, "dropped": dropped,
            "tracked_changes": imported.has_tracked_changes(), "mended": cleaned.changed,
            "left": cleaned.left.iter().map(fault).collect::<Vec<_>>(), "text": to.is_none().then_some(&cleaned.text) }));
    } else {
        let err = &mut ctx.err;
        err.line(&msg!(
            "{n} paragraph, {mended} mended, in the file {file}"
                | "{n} paragraphs, {mended} mended, in the file {file}",
            n = paragraphs,
            mended = cleaned.changed,
            file = render::path(file)
        ));
        if imported.has_tracked_changes() {
            err.heading(&msg!("WARNING: the document has tracked changes that nobody has accepted or rejected."));
            err.line(&msg!(
                "They are read as if every one had been accepted. If that is not meant, settle them and import again."
            ));
        }
        if !imported.dropped.is_empty() {
            err.line(&msg!("What is not as it was on the page:"));
        }
        for dropped in &imported.dropped {
            err.item(1, dropped);
        }
        left(err, &cleaned);
    }
    if good { Ok(()) } else { Err(Failure::said(1)) }
}

fn report(ctx: &mut Context, file: &Path, faults: &[Fault], mixed: &[MixedWord]) {
    let file = render::path(file);
    if faults.is_empty() {
        ctx.out.line(&msg!("File {file} obeys {rules}", file, rules = text::RULES));
    } else if faults.len() == text::FAULTS_LISTED {
        ctx.out.line(&msg!(
            "File {file} has one fault or more against {rules}" | "File {file} has {n} or more faults against {rules}",
            file,
            n = faults.len(),
            rules = text::RULES
        ));
    } else {
        ctx.out.line(&msg!(
            "File {file} has {n} fault against {rules}" | "File {file} has {n} faults against {rules}",
            file,
            n = faults.len(),
            rules = text::RULES
        ));
    }
    for fault in faults.iter().take(SHOWN) {
        ctx.out.item(1, fault);
    }
    more(&mut ctx.out, faults.len());
    for m in mixed {
        let letter = |(c, script): &(char, &'static str)| {
            let (letter, code, script) = (*c, format!("U+{:04X}", u32::from(*c)), render::script(script));
            msg!("letter {letter} ({code}), {script}", letter, code, script)
        };
        let letters: Vec<_> = m.letters.iter().map(letter).collect();
        let (line, column) = (m.line, m.column);
        let look = msg!(
            "worth a look: line {line}, column {column}: {word} is {script}, but has {letters}",
            line,
            column,
            word = render::quoted(&m.word),
            script = render::script(m.script),
            letters
        );
        ctx.out.item(1, &look);
    }
}

fn clean(ctx: &mut Context, file: &Path, to: Option<&Path>, direction: Direction) -> Result<(), Failure> {
    if let Some(to) = to {
        profile::must_be_new(to)?;
    }
    let cleaned = text::clean(&profile::read(file, text::CLEAN_LIMIT)?, direction);
    let good = cleaned.left.is_empty();
    give(ctx, to, &cleaned)?;
    if ctx.json {
        let changes: Vec<_> = cleaned
            .changes
            .iter()
            .map(|c| {
                json!({ "line": c.line, "column": c.column, "what": c.what, "character": code_point(c.character),
                    "name": c.character.map(text::named) })
            })
            .collect();
        ctx.out.json(&json!({ "good": good, "changed": cleaned.changed, "changes": changes,
            "left": cleaned.left.iter().map(fault).collect::<Vec<_>>(), "text": to.is_none().then_some(&cleaned.text) }));
    } else {
        let err = &mut ctx.err;
        err.line(&msg!(
            "{n} mended, in the file {file}" | "{n} mended, in the file {file}",
            n = cleaned.changed,
            file = render::path(file)
        ));
        for change in cleaned.changes.iter().take(SHOWN) {
            err.item(1, change);
        }
        more(err, cleaned.changed);
        left(err, &cleaned);
    }
    if good { Ok(()) } else { Err(Failure::said(1)) }
}

/// Writes a mended text to where it was asked for.
fn give(ctx: &mut Context, to: Option<&Path>, cleaned: &Cleaned) -> Result<(), Failure> {
    match to {
        Some(to) => profile::write_new(to, cleaned.text.as_bytes(), false)?,
        None if ctx.json => (),
        None if ctx.out.is_terminal() => {
            ctx.out.verbatim(&cleaned.text);
        }
        None => ctx.out.raw(cleaned.text.as_bytes()),
    }
    Ok(())
}

fn left(err: &mut Out, cleaned: &Cleaned) {
    if !cleaned.left.is_empty() {
        err.line(&msg!("What is left must be mended by a person, for it would change what is read:"));
    }
    for fault in cleaned.left.iter().take(SHOWN) {
        err.item(1, fault);
    }
}

fn fault(fault: &Fault) -> Value {
    json!({ "line": fault.line, "column": fault.column, "kind": fault.kind, "character": code_point(fault.character),
        "name": fault.character.map(text::named), "sentence": fault.to_string() })
}

fn word(m: &MixedWord) -> Value {
    json!({ "line": m.line, "column": m.column, "word": m.word, "script": m.script,
        "letters": m.letters.iter().map(|(c, script)| json!({ "character": code_point(Some(*c)), "script": script })).collect::<Vec<_>>() })
}

fn code_point(character: Option<char>) -> Option<String> {
    character.map(|c| format!("U+{:04X}", u32::from(c)))
}
