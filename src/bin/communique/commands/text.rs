//! `text`: texts before they are proposed.

use std::path::{Path, PathBuf};

use communique::{
    client::drafting,
    domain::text::{self, Direction, Fault, MixedWord},
};
use serde_json::{Value, json};

use super::Context;
use crate::{
    args::{Text, Way},
    errors::Failure,
    profile,
};

/// How many faults or changes are shown to a person.
const SHOWN: usize = 20;

pub fn run(ctx: &mut Context, command: Text) -> Result<(), Failure> {
    match command {
        Text::Check { files, way } => check(ctx, &files, direction(&way)),
        Text::Clean { file, out, way } => clean(ctx, &file, out.as_deref(), direction(&way)),
    }
}

fn direction(way: &Way) -> Direction {
    way.dir.or_else(|| way.lang.as_ref().map(drafting::direction_of)).unwrap_or(Direction::Ltr)
}

fn check(ctx: &mut Context, files: &[PathBuf], direction: Direction) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let mut good = true;
    for file in files {
        let bytes = profile::read(file, text::CLEAN_LIMIT)?;
        let (faults, mixed) = match text::check_text(&bytes, direction) {
            Ok(words) => (Vec::new(), text::mixed_script_words(words)),
            Err(faults) => (faults, Vec::new()),
        };
        good &= faults.is_empty();
        if ctx.json {
            reports.push(
                json!({ "file": file, "good": faults.is_empty(), "faults": faults.iter().map(fault).collect::<Vec<_>>(),
                "mixed_scripts": mixed.iter().map(word).collect::<Vec<_>>() }),
            );
        } else {
            report(ctx, file, &faults, &mixed);
        }
    }
    if ctx.json {
        ctx.out.json(&json!({ "good": good, "files": reports }));
    }
    if good { Ok(()) } else { Err(Failure::said(1)) }
}

fn report(ctx: &mut Context, file: &Path, faults: &[Fault], mixed: &[MixedWord]) {
    let file = file.display();
    if faults.is_empty() {
        ctx.out.line(&format!("{file}: obeys {}", text::RULES));
    } else {
        let more = if faults.len() == text::FAULTS_LISTED { " or more" } else { "" };
        let faults = if faults.len() == 1 { "1 fault".into() } else { format!("{}{more} faults", faults.len()) };
        ctx.out.line(&format!("{file}: {faults} against {}", text::RULES));
    }
    for fault in faults.iter().take(SHOWN) {
        ctx.out.line(&format!("  {fault}"));
    }
    if faults.len() > SHOWN {
        ctx.out.line(&format!("  … and {} more", faults.len() - SHOWN));
    }
    for m in mixed {
        let letters: Vec<_> =
            m.letters.iter().map(|(c, script)| format!("{c} U+{:04X} {script}", u32::from(*c))).collect();
        let (line, column) = (m.line, m.column);
        ctx.out.line(&format!(
            "  worth a look: line {line}, column {column}: “{}” is {}, but has {}",
            m.word,
            m.script,
            letters.join(", ")
        ));
    }
}

fn clean(ctx: &mut Context, file: &Path, to: Option<&Path>, direction: Direction) -> Result<(), Failure> {
    if let Some(to) = to {
        profile::must_be_new(to)?;
    }
    let cleaned = text::clean(&profile::read(file, text::CLEAN_LIMIT)?, direction);
    let good = cleaned.left.is_empty();
    match to {
        Some(to) => profile::write_new(to, cleaned.text.as_bytes(), false)?,
        None if ctx.json => (),
        None if ctx.out.is_terminal() => {
            for line in cleaned.text.lines() {
                ctx.out.line(line);
            }
        }
        None => ctx.out.raw(cleaned.text.as_bytes()),
    }
    if ctx.json {
        let changes: Vec<_> = cleaned
            .changes
            .iter()
            .map(
                |c| json!({ "line": c.line, "column": c.column, "what": c.what, "character": code_point(c.character) }),
            )
            .collect();
        ctx.out.json(&json!({ "good": good, "changed": cleaned.changed, "changes": changes,
            "left": cleaned.left.iter().map(fault).collect::<Vec<_>>(), "text": to.is_none().then_some(&cleaned.text) }));
    } else {
        let err = &mut ctx.err;
        err.line(&format!("{}: {} mended", file.display(), cleaned.changed));
        for change in cleaned.changes.iter().take(SHOWN) {
            err.line(&format!("  {change}"));
        }
        if cleaned.changed > SHOWN {
            err.line(&format!("  … and {} more", cleaned.changed - SHOWN));
        }
        if !good {
            err.line("What is left must be mended by a person, for it would change what is read:");
        }
        for fault in cleaned.left.iter().take(SHOWN) {
            err.line(&format!("  {fault}"));
        }
    }
    if good { Ok(()) } else { Err(Failure::said(1)) }
}

fn fault(fault: &Fault) -> Value {
    json!({ "line": fault.line, "column": fault.column, "kind": fault.kind, "character": code_point(fault.character), "sentence": fault.to_string() })
}

fn word(m: &MixedWord) -> Value {
    json!({ "line": m.line, "column": m.column, "word": m.word, "script": m.script,
        "letters": m.letters.iter().map(|(c, script)| json!({ "character": code_point(Some(*c)), "script": script })).collect::<Vec<_>>() })
}

fn code_point(character: Option<char>) -> Option<String> {
    character.map(|c| format!("U+{:04X}", u32::from(c)))
}
