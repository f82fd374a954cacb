//! What runs from right to left, on terminals.
//!
//! Some terminals lay out Arabic themselves (Konsole, mlterm, mintty, Apple's), others put one letter after another from the left, as they
//! come. For those the tool does it: each row, once it is known where lines break, is put in the order of the eye by the Unicode
//! bidirectional algorithm (UAX #9, rules P2 to L4), and set to the right. Letters are joined by the terminal, if it can. VTE (GNOME's)
//! could do it too, but always from the left and without isolates, and leaves it to us when told so. Files and pipes get what is stored,
//! in the order in which it is read; and what is signed is never laid out.

use std::{ops::Range, sync::OnceLock};

use clap::ValueEnum;
use unicode_bidi::{BidiInfo, Direction, Level};
use unicode_width::UnicodeWidthChar as _;

/// Who lays out what runs from right to left.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bidi {
    // Whoever can, as far as the environment tells.
    #[default]
    Auto,
    // The terminal.
    Terminal,
    // The tool.
    Tool,
    // Nobody: as it is stored.
    Off,
}

/// The variable of the environment that says so.
pub const VARIABLE: &str = "COMMUNIQUE_BIDI";

/// What was asked for, once.
static ASKED: OnceLock<Bidi> = OnceLock::new();

/// Before a row that the tool has laid out, and after its end: a terminal that could do so too is to leave it as it is (ECMA-48, BDSM
/// reset to explicit; others ignore it).
pub const EXPLICIT: &str = "\x1b[8l";
pub const IMPLICIT: &str = "\x1b[8h";

/// Set around words whose direction is their own (UAX #9); not shown.
const ISOLATE: char = '\u{2068}';
const END_OF_ISOLATE: char = '\u{2069}';

/// Longest line whose directions are resolved at once, in bytes. A longer one is laid out in parts.
const RESOLVED_LIMIT: usize = 16 << 10;

/// Signs that are mirrored where they stand from right to left (rule L4), in pairs; of those that the text rules let pass, the
/// ones that terminals have.
const MIRRORED: [(char, char); 10] = [
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('<', '>'),
    ('«', '»'),
    ('‹', '›'),
    ('≤', '≥'),
    ('⟨', '⟩'),
    ('⟪', '⟫'),
    ('「', '」'),
];

/// Keeps what was asked for.
pub fn ask(asked: Bidi) {
    // Nothing else sets it.
    let _ = ASKED.set(asked);
}

/// Whether rows for a terminal are laid out here. `said` is what the environment says of a name.
pub fn is_ours(said: impl Fn(&str) -> Option<String>) -> bool {
    let term = said("TERM").unwrap_or_default();
    // Help and wrong arguments are told before anything is read in earnest.
    let asked = || said(VARIABLE).and_then(|asked| Bidi::from_str(&asked, true).ok());
    match ASKED.get().copied().or_else(asked).unwrap_or_default() {
        Bidi::Tool => true,
        Bidi::Terminal | Bidi::Off => false,
        Bidi::Auto if term.is_empty() || term == "dumb" => false,
        Bidi::Auto => !is_capable(&term, said),
    }
}

/// Whether this terminal lays out what runs from right to left by itself.
fn is_capable(term: &str, said: impl Fn(&str) -> Option<String>) -> bool {
    // What runs in one of these is drawn by it, cell by cell, whatever terminal it runs in itself.
    if term.starts_with("screen") || term.starts_with("tmux") {
        return false;
    }
    let named = ["KONSOLE_VERSION", "MLTERM", "KITTY_WINDOW_ID", "MINTTY_SHORTCUT"];
    let programs = ["Apple_Terminal", "mintty"];
    named.iter().any(|name| said(name).is_some())
        || ["mlterm", "xterm-kitty"].iter().any(|name| term.starts_with(name))
        || said("TERM_PROGRAM").is_some_and(|program| programs.contains(&program.as_str()))
}

/// From which side something is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    LeftToRight,
    RightToLeft,
}

impl Way {
    /// The way of the first letter that has one (rules P2 and P3), of all lines.
    pub fn of(text: &str) -> Self {
        match unicode_bidi::get_base_direction_full(text) {
            Direction::Rtl => Self::RightToLeft,
            Direction::Ltr | Direction::Mixed => Self::LeftToRight,
        }
    }
    fn level(self) -> Level {
        match self {
            Self::LeftToRight => Level::ltr(),
            Self::RightToLeft => Level::rtl(),
        }
    }
}

/// How many columns a terminal gives to this, which puts a letter in each. (A whole string's width counts lam and alif as one, as they
/// are joined.)
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Whether any of this runs from right to left, or is held apart from what does.
pub fn has_right_to_left(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(|c| matches!(c,
        '\u{590}'..='\u{8FF}' | '\u{2066}'..='\u{2069}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}'))
}

/// A line of ours with what it quotes, between quotation marks of ours, held apart from what stands around.
pub fn with_quoted_apart(line: &str) -> String {
    let mut apart = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if c == '”' {
            apart.push(END_OF_ISOLATE);
        }
        apart.push(c);
        if c == '“' {
            apart.push(ISOLATE);
        }
    }
    apart
}

/// What takes a place of its own in a row: a letter with its marks.
pub struct Cell {
    /// Where it stands in the line.
    pub at: usize,
    /// As it is shown.
    pub shown: String,
}

/// A line's pieces, each in the order of the eye.
pub fn rows(line: &str, pieces: &[&str], way: Way) -> Vec<Vec<Cell>> {
    let mut rows = Vec::with_capacity(pieces.len());
    let (mut from, mut at) = (0, 0);
    let mut pending: Vec<Range<usize>> = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        pending.push(at..at + piece.len());
        at += piece.len();
        if n + 1 == pieces.len() || at - from > RESOLVED_LIMIT {
            let part = line.get(from..at).unwrap_or_default();
            let info = BidiInfo::new(part, Some(way.level()));
            rows.extend(pending.drain(..).map(|range| row(part, &info.levels, range, from, way)));
            from = at;
        }
    }
    rows
}

/// One row: of the part of the line that begins at `from`, the piece in this range.
fn row(part: &str, levels: &[Level], range: Range<usize>, from: usize, way: Way) -> Vec<Cell> {
    let range = range.start - from..range.end - from;
    let mut cells: Vec<(Cell, Level)> = Vec::new();
    for (at, c) in part.get(range.clone()).unwrap_or_default().char_indices() {
        let at = range.start + at;
        if matches!(c, '\u{2066}'..='\u{2069}') {
            continue;
        }
        match cells.last_mut() {
            // A mark stays with its letter (rule L3).
            Some((cell, _)) if c.width() == Some(0) => cell.shown.push(c),
            _ => {
                let level = levels.get(at).copied().unwrap_or(way.level());
                let c = if level.is_rtl() { mirrored(c) } else { c };
                cells.push((Cell { at: from + at, shown: c.into() }, level));
            }
        }
    }
    // Spaces at the end of a row are its own (rule L1).
    for (cell, level) in cells.iter_mut().rev() {
        if !cell.shown.chars().all(char::is_whitespace) {
            break;
        }
        *level = way.level();
    }
    let order = BidiInfo::reorder_visual(&cells.iter().map(|(_, level)| *level).collect::<Vec<_>>());
    let mut cells: Vec<_> = cells.into_iter().map(|(cell, _)| Some(cell)).collect();
    order.into_iter().filter_map(|at| cells.get_mut(at)?.take()).collect()
}

/// What a row shows.
pub fn shown(cells: &[Cell]) -> String {
    cells.iter().map(|cell| cell.shown.as_str()).collect()
}

/// A line that is not broken, in the order of the eye.
pub fn visual(line: &str, way: Way) -> String {
    rows(line, &[line], way).iter().map(|cells| shown(cells)).collect()
}

/// A row of a table, whose cells stand at least two columns apart: each in an order of its own.
pub fn visual_columns(row: &str) -> String {
    let mut laid = String::with_capacity(row.len());
    let mut rest = row;
    while !rest.is_empty() {
        let end = rest.find("  ").unwrap_or(rest.len());
        let (cell, after) = rest.split_at(end);
        laid.push_str(&visual(cell, Way::of(cell)));
        let blank = after.len() - after.trim_start_matches(' ').len();
        laid.push_str(&after[..blank]);
        rest = &after[blank..];
    }
    laid
}

fn mirrored(c: char) -> char {
    MIRRORED
        .iter()
        .find_map(|(open, close)| match c {
            _ if c == *open => Some(*close),
            _ if c == *close => Some(*open),
            _ => None,
        })
        .unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_the_eye() {
        use Way::{LeftToRight as Ltr, RightToLeft as Rtl};
        for (stored, way, seen) in [
            ("abc 12", Ltr, "abc 12"),
            ("abc אבג def", Ltr, "abc גבא def"),
            ("אבג 12 דה", Rtl, "הד 12 גבא"),
            ("אב (12) a.b", Rtl, "a.b (12) בא"),
            ("«אב»", Rtl, "«בא»"),
            // A number after words of another direction would go with them, were these not held apart.
            ("“אב” 12", Ltr, "“בא” 12"),
            // A mark stays on its letter.
            ("בְּא", Rtl, "אבְּ"),
        ] {
            assert_eq!(visual(&with_quoted_apart(stored), way), seen, "{stored}");
        }
        assert_eq!(visual_columns("id  אב 1  גד  x"), "id  1 בא  דג  x");
    }

    #[test]
    fn a_line_is_resolved_before_it_is_broken() {
        // The number belongs to the Arabic words before it, also on the next row.
        let line = "א 12 ab";
        let pieces = ["א ", "12 ab"];
        let seen: Vec<_> = rows(line, &pieces, Way::RightToLeft).iter().map(|cells| shown(cells)).collect();
        assert_eq!(seen, [" א", "ab 12"]);
        let long = "אב ".repeat(RESOLVED_LIMIT);
        let pieces: Vec<_> = (0..long.len()).step_by(10).map(|at| long.get(at..at + 10).unwrap()).collect();
        let rows = rows(&long, &pieces, Way::RightToLeft);
        assert_eq!(rows.len(), pieces.len());
        assert!(rows.iter().all(|cells| cells.len() == 6));
    }

    #[test]
    fn terminals_that_lay_out_are_left_to_it() {
        let said = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        for (set, ours) in [
            (&[("TERM", "xterm-256color")][..], true),
            (&[("TERM", "linux")], true),
            (&[("TERM", "xterm-256color"), ("VTE_VERSION", "7002")], true),
            (&[("TERM", "xterm-256color"), ("KONSOLE_VERSION", "230401")], false),
            (&[("TERM", "tmux-256color"), ("VTE_VERSION", "7002")], true),
            (&[("TERM", "mlterm")], false),
            (&[("TERM", "dumb")], false),
            (&[], false),
        ] {
            assert_eq!(is_ours(said(set)), ours, "{set:?}");
        }
    }
}
