//! `diff`: what changed from one revision to another, per language, by line and by word.

use std::{collections::BTreeSet, time::Duration};

use communique::domain::{id::Lang, manifest::Manifest};
use serde_json::{Value, json};
use similar::{ChangeTag, DiffTag, TextDiff};

use super::Context;
use crate::{
    args::Diff,
    errors::Failure,
    render::{Look, Out},
};

/// How long one comparison looks for the shortest answer before it takes a longer one.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn run(ctx: &mut Context, args: &Diff) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let to = match args.to {
        Some(number) => ctx.wait(session.revision(args.id, number))?,
        None => ctx.wait(session.read(args.id))?.newest,
    };
    let number = args.from.unwrap_or(to.manifest.revision.saturating_sub(1));
    if number == 0 {
        return Err(Failure::refused("there is one revision alone, and nothing to compare it with"));
    }
    let from = ctx.wait(session.revision(args.id, number))?;
    let (old, new) = (ctx.wait(session.texts(&from.manifest))?, ctx.wait(session.texts(&to.manifest))?);
    let languages: BTreeSet<&Lang> = old.keys().chain(new.keys()).collect();
    let none = String::new();

    let around = around(&from.manifest, &to.manifest);
    let texts: Vec<_> = languages
        .into_iter()
        .map(|lang| (lang, changes(old.get(lang).unwrap_or(&none), new.get(lang).unwrap_or(&none))))
        .collect();
    if ctx.json {
        let texts: serde_json::Map<_, _> = texts
            .iter()
            .map(|(lang, changes)| (lang.to_string(), changes.iter().map(Change::value).collect()))
            .collect();
        ctx.out.json(&json!({
            "communique": args.id, "from": number, "to": to.manifest.revision,
            "members": around.iter().map(|(member, old, new)| json!({ "member": member, "old": old, "new": new })).collect::<Vec<_>>(),
            "texts": texts,
        }));
        return Ok(());
    }
    let out = &mut ctx.out;
    out.heading(&format!(
        "From revision {number} to revision {}, by {}",
        to.manifest.revision,
        to.propose.body().party
    ));
    for (member, old, new) in &around {
        out.line(member);
        out.pieces(&[(Look::Plain, "  - "), (Look::Removed, &old.to_string())]);
        out.pieces(&[(Look::Plain, "  + "), (Look::Added, &new.to_string())]);
    }
    for (lang, changes) in &texts {
        out.gap();
        say(out, lang, changes);
    }
    Ok(())
}

/// Shows what changed in one text.
pub fn text(out: &mut Out, lang: &Lang, old: &str, new: &str) {
    say(out, lang, &changes(old, new));
}

fn say(out: &mut Out, lang: &Lang, changes: &[Change<'_>]) {
    out.heading(&format!("Text {lang}: {}", if changes.is_empty() { "unchanged" } else { "changed" }));
    for change in changes {
        change.show(out);
    }
}

/// What changed in the manifest besides the texts: member, old, new.
fn around(old: &Manifest, new: &Manifest) -> Vec<(&'static str, Value, Value)> {
    let pair = |member, old: Value, new: Value| (old != new).then_some((member, old, new));
    [
        pair("titles", json!(old.titles), json!(new.titles)),
        pair("annexes", json!(old.annexes), json!(new.annexes)),
        pair("meeting", json!(old.meeting), json!(new.meeting)),
        pair("legal effect", json!(old.legal_effect), json!(new.legal_effect)),
        pair("procedure", json!(old.procedure), json!(new.procedure)),
        pair("status of texts", json!(statuses(old)), json!(statuses(new))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn statuses(m: &Manifest) -> Vec<String> {
    m.texts.iter().map(|t| format!("{} {}", t.lang, t.status)).collect()
}

/// A run of lines that was replaced, removed or added.
struct Change<'a> {
    /// The first line in the old text, from 1.
    line: usize,
    old: Vec<&'a str>,
    new: Vec<&'a str>,
}

fn changes<'a>(old: &'a str, new: &'a str) -> Vec<Change<'a>> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let (olds, news): (Vec<_>, Vec<_>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let lines = |lines: &[&'a str], range: std::ops::Range<usize>| -> Vec<&'a str> {
        lines.get(range).unwrap_or_default().iter().map(|line| line.strip_suffix('\n').unwrap_or(line)).collect()
    };
    diff.ops()
        .iter()
        .filter(|op| op.tag() != DiffTag::Equal)
        .map(|op| Change {
            line: op.old_range().start + 1,
            old: lines(&olds, op.old_range()),
            new: lines(&news, op.new_range()),
        })
        .collect()
}

impl Change<'_> {
    fn show(&self, out: &mut Out) {
        out.line(&format!("  line {}", self.line));
        // Lines that stand against one another are compared by word.
        let paired = if self.old.len() == self.new.len() { self.old.len() } else { 0 };
        for (old, new) in self.old.iter().zip(&self.new).take(paired) {
            let words = TextDiff::configure().timeout(PATIENCE).diff_words(*old, *new);
            let side = |tag: ChangeTag, look: Look| -> Vec<(Look, String)> {
                words
                    .iter_all_changes()
                    .filter(|c| c.tag() == ChangeTag::Equal || c.tag() == tag)
                    .map(|c| (if c.tag() == tag { look } else { Look::Plain }, c.value().to_owned()))
                    .collect()
            };
            let (removed, added) = (side(ChangeTag::Delete, Look::Removed), side(ChangeTag::Insert, Look::Added));
            line(out, "- ", &removed);
            line(out, "+ ", &added);
            if !out.has_colour() {
                out.line(&format!("  words: {} → {}", marked(&removed), marked(&added)));
            }
        }
        for old in self.old.iter().skip(paired) {
            line(out, "- ", &[(Look::Removed, (*old).to_owned())]);
        }
        for new in self.new.iter().skip(paired) {
            line(out, "+ ", &[(Look::Added, (*new).to_owned())]);
        }
    }
    fn value(&self) -> Value {
        json!({ "line": self.line, "old": self.old, "new": self.new })
    }
}

fn line(out: &mut Out, sign: &str, pieces: &[(Look, String)]) {
    let mut all = vec![(Look::Plain, sign)];
    all.extend(pieces.iter().map(|(look, words)| (*look, words.as_str())));
    out.pieces(&all);
}

/// The changed words alone, for where colour cannot show them.
fn marked(pieces: &[(Look, String)]) -> String {
    let mut words = Vec::<String>::new();
    let mut before = Look::Plain;
    for (look, piece) in pieces {
        if *look != Look::Plain {
            match words.last_mut() {
                Some(last) if before == *look => last.push_str(piece),
                _ => words.push(piece.clone()),
            }
        }
        before = *look;
    }
    let words: Vec<_> = words.iter().map(|w| w.trim()).filter(|w| !w.is_empty()).map(|w| format!("“{w}”")).collect();
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_by_line() {
        let (old, new) = ("one\n\ntwo\n\nthree\n", "one\n\ndeux\n\nthree\n\nfour\n");
        let found: Vec<_> = changes(old, new).iter().map(|c| (c.line, c.old.join("|"), c.new.join("|"))).collect();
        assert_eq!(found, [(3, "two".into(), "deux".into()), (6, String::new(), "|four".into())]);
        assert!(changes(old, old).is_empty());
        assert_eq!(changes("", old).len(), 1);
    }

    #[test]
    fn words_that_changed_are_named() {
        let pieces = [
            (Look::Plain, "a ".to_owned()),
            (Look::Removed, "b ".to_owned()),
            (Look::Removed, "c".to_owned()),
            (Look::Plain, " d ".to_owned()),
            (Look::Removed, "e".to_owned()),
        ];
        assert_eq!(marked(&pieces), "“b c”, “e”");
        assert_eq!(marked(&pieces[..1]), "nothing");
    }
}
