//! Texts before people's eyes: what hides in them made visible, and words of mixed scripts.

use std::fmt::Write as _;

use super::tables::{EMOJI, HAN_VS, JOINER, KIND, MONGOLIAN_VS, SCRIPT_NAMES, SCRIPTS, WORD};
use super::{Lookup, value};

/// The most words, and the most letters of one word, that [`mixed_script_words`] lists.
pub const MIXED_LISTED: usize = 100;

/// The text with every character that shows nothing, moves others or is unknown to Unicode 14.0 replaced by a form such as
/// `⟨U+200F⟩`; LF is kept. A `⟨` of the text's own is replaced where `U+` follows it, so nothing in a text can feign such a form.
pub fn visible(s: &str) -> String {
    shown(s, true)
}

/// As [`visible`], and LF is replaced too: one line for a terminal or a log.
pub fn escape_line(s: &str) -> String {
    shown(s, false)
}

fn shown(s: &str, keep_line_feeds: bool) -> String {
    let mut out = String::with_capacity(s.len());
    let mut rest = s.chars();
    while let Some(c) = rest.next() {
        let feigned = c == '⟨' && rest.as_str().starts_with("U+");
        if feigned || (hides(c) && !(keep_line_feeds && c == '\n')) {
            // Writing to a string does not fail.
            let _ = write!(out, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn hides(c: char) -> bool {
    match value(c).map(|value| value & KIND) {
        Some(0) => false,
        Some(EMOJI) => matches!(c, '\u{FE0E}' | '\u{FE0F}'),
        Some(_) | None => true,
    }
}

/// A word with letters of more than one script: allowed, and worth a look, for `а` is not `a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedWord {
    /// The line, from 1.
    pub line: usize,
    /// The column of the word's first character, from 1, in characters.
    pub column: usize,
    /// The word as it stands in the text; show it through [`escape_line`].
    pub word: String,
    /// The script that most of its letters have; the first one met, of equals.
    pub script: &'static str,
    /// The letters of other scripts with the script's name, each once, at most [`MIXED_LISTED`].
    pub letters: Vec<(char, &'static str)>,
}

/// The words that mix scripts, in order, at most [`MIXED_LISTED`].
///
/// A word is a run of letters, marks, decimal digits, joiners and variation selectors, so a hyphen or an apostrophe parts two.
/// Characters that scripts share have none and never mix. Han goes with Hiragana and Katakana, with Bopomofo, and with Hangul.
pub fn mixed_script_words(s: &str) -> Vec<MixedWord> {
    let mut found = Vec::new();
    let mut lookup = Lookup::default();
    for (line, number) in s.split('\n').zip(1..) {
        if line.is_ascii() {
            continue;
        }
        let mut word: Option<(usize, usize)> = None;
        let end = std::iter::once((line.len(), '\n'));
        for ((at, c), column) in line.char_indices().chain(end).zip(1..) {
            let value = lookup.value(c).unwrap_or(0);
            let inner = matches!(value & KIND, JOINER | MONGOLIAN_VS | HAN_VS);
            if value & WORD != 0 || (inner && word.is_some()) {
                word.get_or_insert((at, column));
            } else if let Some((start, column)) = word.take()
                && let Some(mixed) = mixed(line.get(start..at).unwrap_or_default(), number, column)
            {
                found.push(mixed);
                if found.len() == MIXED_LISTED {
                    return found;
                }
            }
        }
    }
    found
}

fn mixed(word: &str, line: usize, column: usize) -> Option<MixedWord> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for name in word.chars().filter_map(script) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let alone = |&(a, _): &(&str, usize)| counts.iter().all(|&(b, _)| written_together(a, b));
    if counts.iter().all(alone) {
        return None;
    }
    let most = counts.iter().map(|&(_, count)| count).max()?;
    let &(main, _) = counts.iter().find(|&&(_, count)| count == most)?;
    let others = |apart: &dyn Fn(&str) -> bool| {
        let mut letters: Vec<(char, &'static str)> = Vec::new();
        for c in word.chars() {
            if let Some(name) = script(c)
                && apart(name)
                && letters.len() < MIXED_LISTED
                && !letters.contains(&(c, name))
            {
                letters.push((c, name));
            }
        }
        letters
    };
    let mut letters = others(&|name| !written_together(main, name));
    if letters.is_empty() {
        // Each goes with the main script, but not with one another: Hiragana and Hangul around Han.
        letters = others(&|name| name != main);
    }
    Some(MixedWord { line, column, word: word.to_owned(), script: main, letters })
}

fn written_together(a: &str, b: &str) -> bool {
    const JAPANESE: [&str; 3] = ["Han", "Hiragana", "Katakana"];
    let both = |group: &[&str]| group.contains(&a) && group.contains(&b);
    a == b || both(&JAPANESE) || both(&["Han", "Bopomofo"]) || both(&["Han", "Hangul"])
}

/// The name of the script that a word character belongs to; `None` if it is shared by several.
pub(super) fn script(c: char) -> Option<&'static str> {
    let code = u32::from(c);
    let at = SCRIPTS.partition_point(|&(first, _, _)| first <= code);
    let &(_, last, name) = SCRIPTS.get(at.checked_sub(1)?)?;
    if last < code {
        return None;
    }
    SCRIPT_NAMES.get(usize::from(name)).copied()
}
