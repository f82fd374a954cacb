//! `diff`: what changed from one revision to another, per language, by paragraph and by word.

use std::collections::BTreeMap;

use communique::{
    client::comparing::{self, Change, Comparison, Fate, Piece, Summary, TextChange},
    domain::{id::Lang, message::Message},
    msg,
};
use serde_json::{Value, json};

use super::Context;
use crate::{
    args::Diff,
    errors::Failure,
    render::{Look, Out},
    speech,
};

pub fn run(ctx: &mut Context, args: &Diff) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let to = match args.to {
        Some(number) => ctx.wait(session.revision(args.id, number))?,
        None => ctx.wait(session.read(args.id))?.newest,
    };
    let number = args.from.unwrap_or(to.manifest.revision.saturating_sub(1));
    if number == 0 {
        return Err(Failure::refused(msg!("there is one revision alone, and nothing to compare it with")));
    }
    let from = ctx.wait(session.revision(args.id, number))?;
    let (old, new) = (ctx.wait(session.texts(&from.manifest))?, ctx.wait(session.texts(&to.manifest))?);
    let comparison = comparing::revisions((&from.manifest, &old), (&to.manifest, &new));
    if ctx.json {
        let texts: serde_json::Map<_, _> =
            comparison.texts.iter().map(|(lang, text)| (lang.to_string(), value_of(lang, text))).collect();
        ctx.out.json(&json!({
            "communique": args.id, "from": number, "to": to.manifest.revision,
            "summary": comparison.summary().iter().map(ToString::to_string).collect::<Vec<_>>(), "members": comparison.members, "texts": texts,
        }));
        return Ok(());
    }
    let out = &mut ctx.out;
    out.heading(&msg!(
        "From revision {before} to revision {after}, by {party}",
        before = number,
        after = to.manifest.revision,
        party = to.propose.body().party
    ));
    whole(out, &comparison, &old, &new);
    Ok(())
}

/// Shows what changed: a summary first, then around the texts, then in each of them.
pub fn whole(out: &mut Out, comparison: &Comparison, old: &BTreeMap<Lang, String>, new: &BTreeMap<Lang, String>) {
    for line in comparison.summary() {
        out.item(1, &line);
    }
    if comparison.is_empty() {
        out.item(1, &msg!("Nothing that is read changed."));
    }
    for member in &comparison.members {
        out.gap();
        out.heading(&capital(member.member));
        let (old, new) = (in_words(&member.old, &member.new), in_words(&member.new, &member.old));
        out.marked("  - ", &[(Look::Removed, &old)]);
        out.marked("  + ", &[(Look::Added, &new)]);
    }
    for (lang, change) in &comparison.texts {
        match change {
            TextChange::Compared(changes) if changes.is_empty() => {}
            TextChange::Compared(changes) => {
                out.gap();
                out.heading(&msg!("Text {lang}", lang));
                say(out, changes);
            }
            TextChange::Added(_) | TextChange::Removed(_) => {
                out.gap();
                out.heading(&msg!("Text {lang}", lang));
                let (texts, sign, look) = match change {
                    TextChange::Added(_) => (new, "  + ", Look::Added),
                    _ => (old, "  - ", Look::Removed),
                };
                let words = texts.get(lang).map_or("", String::as_str);
                out.marked(sign, &[(look, words.trim_end_matches('\n'))]);
            }
        }
    }
}

/// Shows what changed in one text.
pub fn text(out: &mut Out, lang: &Lang, old: &str, new: &str) {
    let changes = comparing::compare(old, new);
    out.line(&msg!("Text {lang}: {summary}", lang, summary = Summary::of(&changes, lang)));
    say(out, &changes);
}

fn say(out: &mut Out, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Added { new, text } => {
                out.item(1, &msg!("paragraph {number} is new", number = new));
                out.marked("  + ", &[(Look::Added, text)]);
            }
            Change::Removed { old, text } => {
                out.item(1, &msg!("paragraph {number} is gone", number = old));
                out.marked("  - ", &[(Look::Removed, text)]);
            }
            Change::Moved { old, new, text } => {
                out.item(1, &msg!("paragraph {old} moved to {new}", old, new));
                out.marked("  > ", &[(Look::Plain, text)]);
            }
            Change::Changed { old, new, moved, words } => {
                let place = match (*moved, old == new) {
                    (true, _) => msg!("paragraph {old} moved to {new} and changed", old, new),
                    (false, true) => msg!("paragraph {number} changed", number = old),
                    (false, false) => msg!("paragraph {old} changed, now {new}", old, new),
                };
                out.item(1, &place);
                out.marked("  - ", &side(words, Fate::Removed, Look::Removed));
                out.marked("  + ", &side(words, Fate::Added, Look::Added));
                if !out.has_colour() {
                    out.item(1, &msg!("words: {changes}", changes = replaced(words)));
                }
            }
        }
    }
}

fn side(words: &[Piece], fate: Fate, look: Look) -> Vec<(Look, &str)> {
    words
        .iter()
        .filter(|piece| piece.fate == Fate::Same || piece.fate == fate)
        .map(|piece| (if piece.fate == Fate::Same { Look::Plain } else { look }, piece.text.as_str()))
        .collect()
}

/// The changed words alone, old and new, for where colour cannot show them.
fn replaced(words: &[Piece]) -> Vec<Message> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut before = Fate::Same;
    for piece in words {
        match (piece.fate, pairs.last_mut()) {
            (Fate::Same, _) => {}
            (Fate::Added, Some((_, new))) if before == Fate::Removed => *new = &piece.text,
            (Fate::Removed, _) => pairs.push((&piece.text, "")),
            (Fate::Added, _) => pairs.push(("", &piece.text)),
        }
        before = piece.fate;
    }
    let quoted = |words: &str| match words.trim() {
        "" if words.is_empty() => None,
        "" => Some(msg!("a space")),
        words => Some(Message::words(crate::render::quoted(words))),
    };
    let told = |(old, new): &(&str, &str)| match (quoted(old), quoted(new)) {
        (Some(old), Some(new)) => msg!("{old} becomes {new}", old, new),
        (Some(old), None) => msg!("{old} becomes nothing", old),
        (None, new) => msg!("nothing becomes {new}", new = new.unwrap_or_else(|| msg!("a space"))),
    };
    pairs.iter().map(told).collect()
}

fn value_of(lang: &Lang, text: &TextChange) -> Value {
    match text {
        TextChange::Added(n) => json!({ "what": "added", "paragraphs": n }),
        TextChange::Removed(n) => json!({ "what": "removed", "paragraphs": n }),
        TextChange::Compared(changes) => json!({
            "what": if changes.is_empty() { "unchanged" } else { "changed" },
            "summary": Summary::of(changes, lang),
            "changes": changes.iter().map(change).collect::<Vec<_>>(),
        }),
    }
}

fn change(change: &Change) -> Value {
    let (what, moved, words) = match change {
        Change::Added { .. } => ("added", false, None),
        Change::Removed { .. } => ("removed", false, None),
        Change::Moved { .. } => ("moved", true, None),
        Change::Changed { moved, words, .. } => ("changed", *moved, Some(words)),
    };
    let side =
        |side: Option<(usize, String)>| side.map(|(paragraph, text)| json!({ "paragraph": paragraph, "text": text }));
    json!({ "what": what, "moved": moved, "old": side(change.before()), "new": side(change.after()), "words": words })
}

/// A member's value for people, in lines; of an object, what the other one has not.
fn in_words(value: &Value, other: &Value) -> String {
    let none = || speech::say(&msg!("none"));
    match value {
        Value::Null => none(),
        Value::String(words) => words.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| in_words(item, &Value::Null)).collect();
            if items.is_empty() { none() } else { items.join("\n") }
        }
        Value::Object(members) => {
            let differ = members.iter().filter(|(name, value)| other.get(name) != Some(value));
            let lines: Vec<_> = differ
                .map(|(name, value)| match value {
                    // Inside of another member, a line is enough.
                    Value::Object(_) | Value::Array(_) => format!("{name}: {value}"),
                    value => format!("{name}: {}", in_words(value, &Value::Null)),
                })
                .collect();
            if lines.is_empty() { speech::say(&msg!("nothing more")) } else { lines.join("\n") }
        }
        value => value.to_string(),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use communique::domain::message::Tell as _;

    use super::*;

    #[test]
    fn members_are_told_in_words() {
        let (old, new) = (json!({ "fr": "a", "ru": "b" }), json!({ "fr": "c", "ru": "b" }));
        assert_eq!((in_words(&old, &new), in_words(&new, &old)), ("fr: a".into(), "fr: c".into()));
        assert_eq!(in_words(&json!({}), &new), "nothing more");
        assert_eq!(in_words(&Value::Null, &new), "none");
        assert_eq!(in_words(&json!(["fr authentic", "ru translation"]), &new), "fr authentic\nru translation");
        assert_eq!(
            in_words(&json!({ "places": { "fr": "x" }, "host": null }), &Value::Null),
            "host: none\nplaces: {\"fr\":\"x\"}"
        );
    }

    #[test]
    fn words_that_changed_are_named() {
        for (old, new, expected) in [
            ("a b c d e", "a x y d", "“b c” becomes “x y” and “e” becomes nothing"),
            ("a d", "a b d", "nothing becomes “b”"),
            ("a d", "ad", "“a d” becomes “ad”"),
            ("a, d", "a,d", "a space becomes nothing"),
            ("a", "a", ""),
        ] {
            let changes = replaced(&comparing::by_word(old, new));
            assert_eq!(changes.tell().to_string(), expected, "{old} {new}");
        }
    }
}
