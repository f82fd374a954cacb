//! Mending what word processors leave in a text, without changing a word of it.

use std::fmt;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::tables::{JOINER, KIND, MARK, NORMALISED, RIGHT_TO_LEFT, SPACE, TAG};
use super::{
    Context, Direction, Fault, FaultKind, Lookup, TEXT_LIMIT, ZWNJ, check_text, decoded, is_space, named, value,
};

use crate::{
    domain::message::{Fact, Tell},
    msg,
};

/// The most bytes that [`clean`] takes: line ends and accents may shrink a text that is too long into one that is not.
pub const CLEAN_LIMIT: usize = 4 * TEXT_LIMIT;

/// The most changes that [`clean`] lists; it goes on mending.
pub const CHANGES_LISTED: usize = 1000;

/// How often the passes over a text repeat at most, for removing one thing may expose another. Three do for real texts.
const ROUNDS: usize = 64;

/// What [`clean`] made of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The mended text; empty if nothing could be read.
    pub text: String,
    /// The first [`CHANGES_LISTED`] changes; lines and columns are those of the input.
    pub changes: Vec<Change>,
    /// How many changes there were.
    pub changed: usize,
    /// What could not be mended without changing a word; lines and columns are those of `text`. Empty: `text` obeys the rules.
    pub left: Vec<Fault>,
}

/// One thing that was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What was done.
    pub what: ChangeKind,
    /// The character that it was done to, if it is one.
    pub character: Option<char>,
}

/// What [`clean`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// CRLF, CR or another line break became LF.
    LineBreak,
    /// U+2029 became the empty line between two paragraphs.
    ParagraphBreak,
    /// A tab or a space of unusual width became an ordinary space.
    Space,
    /// A character that shows nothing was removed.
    Removed,
    /// A letter and its accents were composed.
    Composed,
    /// A space at a line's start or end was removed.
    OuterSpace,
    /// An empty line too many was removed.
    EmptyLine,
    /// The LF at the end was added.
    FinalLineFeed,
}

impl Tell for ChangeKind {
    fn tell(&self) -> Fact {
        match self {
            ChangeKind::LineBreak => msg!("line break written as line feed"),
            ChangeKind::ParagraphBreak => msg!("paragraph separator written as empty line"),
            ChangeKind::Space => msg!("written as an ordinary space"),
            ChangeKind::Removed => msg!("invisible character removed"),
            ChangeKind::Composed => msg!("letter and accents composed"),
            ChangeKind::OuterSpace => msg!("space at the edge of a line removed"),
            ChangeKind::EmptyLine => msg!("empty line removed"),
            ChangeKind::FinalLineFeed => msg!("line feed added at the end"),
        }
        .into()
    }
}
impl Tell for Change {
    fn tell(&self) -> Fact {
        let Self { line, column, what, character, .. } = self;
        match character.map(named) {
            Some(character) => {
                msg!("line {line}, column {column}: {what} ({character})", line, column, what, character)
            }
            None => msg!("line {line}, column {column}: {what}", line, column, what),
        }
        .into()
    }
}
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell().fmt(f)
    }
}

/// Mends a text: line ends, byte order mark, tabs and unusual spaces, soft hyphens and stray invisible characters, decomposed
/// accents, spaces at the edges of lines, empty lines too many, the LF at the end.
///
/// Letters, digits, signs and their order stay as they are. What may change how a text reads stays too, as a fault in
/// [`Cleaned::left`]: bidirectional controls, right-to-left marks in a left-to-right text, fillers, emoji sequences, and
/// whatever the rules refuse that can be seen.
pub fn clean(bytes: &[u8], direction: Direction) -> Cleaned {
    let nothing = |fault| Cleaned { text: String::new(), changes: Vec::new(), changed: 0, left: vec![fault] };
    if bytes.len() > CLEAN_LIMIT {
        return nothing(Fault::at(1, 1, FaultKind::TooLong));
    }
    let text = match decoded(bytes) {
        Ok(text) => text,
        Err(fault) => return nothing(fault),
    };
    let mut changes = Changes::default();
    let mut pieces = replaced(text, &mut changes);
    for _ in 0..ROUNDS {
        let before = changes.count;
        pieces = without_strays(&pieces, direction, &mut changes);
        pieces = composed(pieces, &mut changes);
        pieces = shaped(&pieces, &mut changes);
        if changes.count == before {
            break;
        }
    }
    let text: String = pieces.iter().map(|piece| piece.c).collect();
    let left = check_text(text.as_bytes(), direction).err().unwrap_or_default();
    changes.listed.sort_by_key(|change| (change.line, change.column));
    Cleaned { text, changes: changes.listed, changed: changes.count, left }
}

/// A character and where it stood.
#[derive(Clone, Copy)]
struct Piece {
    c: char,
    line: u32,
    column: u32,
}

impl Piece {
    fn with(self, c: char) -> Self {
        Self { c, ..self }
    }
}

#[derive(Default)]
struct Changes {
    listed: Vec<Change>,
    count: usize,
}

impl Changes {
    fn add(&mut self, at: Piece, what: ChangeKind, character: Option<char>) {
        self.count += 1;
        if self.listed.len() < CHANGES_LISTED {
            self.listed.push(Change { line: at.line as usize, column: at.column as usize, what, character });
        }
    }
}

/// What needs no look at its neighbours.
fn replaced(text: &str, changes: &mut Changes) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut lookup = Lookup::default();
    let (mut line, mut column) = (1, 0);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        column += 1;
        let at = Piece { c, line, column };
        match c {
            '\r' => {
                changes.add(at, ChangeKind::LineBreak, Some(c));
                if characters.peek() != Some(&'\n') {
                    pieces.push(at.with('\n'));
                }
            }
            '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' => {
                changes.add(at, ChangeKind::LineBreak, Some(c));
                pieces.push(at.with('\n'));
            }
            '\u{2029}' => {
                changes.add(at, ChangeKind::ParagraphBreak, Some(c));
                pieces.extend([at.with('\n'), at.with('\n')]);
            }
            _ => match lookup.value(c).map(|value| value & KIND) {
                Some(SPACE) => {
                    changes.add(at, ChangeKind::Space, Some(c));
                    pieces.push(at.with(' '));
                }
                _ if c == '\t' => {
                    changes.add(at, ChangeKind::Space, Some(c));
                    pieces.push(at.with(' '));
                }
                Some(TAG) => changes.add(at, ChangeKind::Removed, Some(c)),
                _ if is_stray_anywhere(c) => changes.add(at, ChangeKind::Removed, Some(c)),
                _ => pieces.push(at),
            },
        }
        if c == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    pieces
}

/// Invisible characters that no text needs and whose removal changes nothing that is read. Not among them: fillers and the
/// Mongolian vowel separator, which take room or shape a word, and the controls of old digit shaping and of musical notes.
fn is_stray_anywhere(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{2060}'..='\u{2064}'
            | '\u{FE03}'..='\u{FE0F}'
            | '\u{FEFF}'
    )
}

/// Removes joiners, zero width spaces, selectors and direction marks that do nothing where they stand.
fn without_strays(pieces: &[Piece], direction: Direction, changes: &mut Changes) -> Vec<Piece> {
    let mut out = Vec::with_capacity(pieces.len());
    let mut lookup = Lookup::default();
    for line in pieces.split_inclusive(|piece| piece.c == '\n') {
        let mut context = Context::default();
        // With nothing in the line that runs from right to left, a left-to-right mark moves nothing. The other two marks
        // run from right to left themselves, so a line with one of them is left alone.
        let one_way = line.iter().all(|piece| value(piece.c).is_none_or(|value| value & RIGHT_TO_LEFT == 0))
            && line.iter().all(|piece| !is_control_of_order(piece.c));
        for (at, piece) in line.iter().enumerate() {
            let c = piece.c;
            let value = lookup.value(c);
            let next = line.get(at + 1).map(|next| next.c);
            let next = next.filter(|&next| next != '\n');
            let fault = context.fault(c, value, next, direction == Direction::Rtl);
            let stray = match fault {
                Some(FaultKind::MisplacedJoiner) => {
                    // Two different joiners in a row may be meant, one of them is not ours to choose.
                    let meant = c == ZWNJ && context.joins && next.is_some_and(|next| next != c && is_joiner(next));
                    !meant
                }
                Some(FaultKind::MisplacedZeroWidthSpace | FaultKind::MisplacedSelector) => true,
                Some(FaultKind::DoubledInvisible) => context.previous.is_some_and(|(before, _)| before == c),
                Some(FaultKind::DirectionMark) => one_way,
                _ => false,
            };
            if stray {
                changes.add(*piece, ChangeKind::Removed, Some(c));
            } else {
                context.advance(c, value);
                out.push(*piece);
            }
        }
    }
    out
}

fn is_joiner(c: char) -> bool {
    value(c).is_some_and(|value| value & KIND == JOINER)
}

fn is_control_of_order(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Composes, piece by piece from one character that composes with nothing before it to the next.
fn composed(pieces: Vec<Piece>, changes: &mut Changes) -> Vec<Piece> {
    let mut lookup = Lookup::default();
    let mut joins_before = |c| lookup.value(c).is_some_and(|value| value & NORMALISED != 0);
    let mut out = Vec::with_capacity(pieces.len());
    for cluster in pieces.chunk_by(|_, next| joins_before(next.c)) {
        let Some((first, rest)) = cluster.split_first() else {
            continue;
        };
        if rest.is_empty() && first.c.is_ascii() {
            out.push(*first);
            continue;
        }
        let same = cluster.iter().map(|piece| piece.c).eq(cluster.iter().map(|piece| piece.c).nfc());
        if same {
            out.extend_from_slice(cluster);
        } else {
            changes.add(*first, ChangeKind::Composed, Some(first.c));
            let characters = cluster.iter().map(|piece| piece.c).nfc();
            out.extend(characters.map(|c| first.with(c)));
        }
    }
    out
}

/// Puts lines and paragraphs in order.
fn shaped(pieces: &[Piece], changes: &mut Changes) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len() + 1);
    // The empty line that awaits another paragraph, as the LF that makes it.
    let mut gap = None;
    for line in pieces.split_inclusive(|piece| piece.c == '\n') {
        let (body, end) = match line.split_last() {
            Some((end, body)) if end.c == '\n' => (body, Some(*end)),
            _ => (line, None),
        };
        let kept = trimmed(body, changes);
        if kept.is_empty() {
            if let Some(end) = end {
                if out.is_empty() || gap.is_some() {
                    changes.add(end, ChangeKind::EmptyLine, None);
                } else {
                    gap = Some(end);
                }
            }
            continue;
        }
        out.extend(gap.take());
        out.extend_from_slice(kept);
        if let Some(end) = end {
            out.push(end);
        }
    }
    if let Some(end) = gap {
        changes.add(end, ChangeKind::EmptyLine, None);
    }
    if let Some(&last) = out.last()
        && last.c != '\n'
    {
        let end = Piece { c: '\n', column: last.column + 1, ..last };
        changes.add(end, ChangeKind::FinalLineFeed, None);
        out.push(end);
    }
    out
}

/// A line without the spaces at its edges; nothing at all if it shows nothing.
fn trimmed<'a>(line: &'a [Piece], changes: &mut Changes) -> &'a [Piece] {
    let blank = line.iter().all(|piece| is_space(piece.c) || value(piece.c).is_some_and(|value| value & KIND == MARK));
    if blank {
        for piece in line {
            let what = if is_space(piece.c) { ChangeKind::OuterSpace } else { ChangeKind::Removed };
            changes.add(*piece, what, Some(piece.c));
        }
        return &[];
    }
    let mut kept = line;
    while let Some((first, rest)) = kept.split_first()
        && is_space(first.c)
        && first.c != '\u{3000}'
    {
        changes.add(*first, ChangeKind::OuterSpace, Some(first.c));
        kept = rest;
    }
    while let Some((last, rest)) = kept.split_last()
        && is_space(last.c)
    {
        changes.add(*last, ChangeKind::OuterSpace, Some(last.c));
        kept = rest;
    }
    kept
}
