//! The text rules `text.v1`: what a text, a line or a few lines of prose may hold, so that what is shown is what is signed.
//!
//! The rules, in the order in which a verifier would write them:
//!
//! 1. UTF-8, at most [`TEXT_LIMIT`] bytes, not empty.
//! 2. Lines end with one LF; a text ends with exactly one. Paragraphs are separated by exactly one empty line; a text does not
//!    begin or end with an empty line. A paragraph may have several lines.
//! 3. No line begins with U+0020, U+00A0 or U+202F, or ends with one of them or U+3000 (Chinese and Japanese paragraphs begin
//!    with U+3000). No line consists of spaces and direction marks alone. Columns and indents are not made with spaces; within
//!    a line of a text spaces may be doubled.
//! 4. Only code points assigned in Unicode 14.0. No controls but LF, no byte order mark, no space but U+0020, U+00A0, U+202F
//!    and U+3000, no U+2028 or U+2029, no bidirectional embedding, override or isolate, no tag character, no private use, no
//!    noncharacter, no U+FFF9 to U+FFFD, no default-ignorable character but those of rule 5. Nothing that emoji sequences are
//!    made with: U+20E3, U+FE0E, U+FE0F, regional indicators, skin tones; a symbol that is one code point may stand.
//!    Nothing of `OVERLAYS`, which strikes through what is read.
//! 5. In context only:
//!    - U+200C and U+200D after a character of `JOINER_BASES`, with any number of `TRANSPARENT` marks between; U+200C is
//!      followed by a character of `WORD`, for at a word's end it does nothing. U+200D may end a word: Malayalam and Persian
//!      need it there.
//!    - U+200B directly after a character of `ZWSP_BASES`, and neither before a space nor at a line's end.
//!    - U+200E, U+200F and U+061C in right-to-left texts, and in the lines and prose of documents.
//!    - `MONGOLIAN_VS` directly after `MONGOLIAN_LETTERS`, `HAN_VS` directly after `IDEOGRAPHS`.
//!    - none of U+200B to U+200F and U+061C directly after another of these six.
//!    - a mark of `COMBINING` on a base: neither first in a line nor directly after U+0020, U+00A0, U+202F, U+3000, U+200B, U+200E,
//!      U+200F or U+061C.
//!    - at most [`MARKS_LIMIT`] marks of `COMBINING` in a row; a U+200C or U+200D between two of them neither counts nor parts them.
//! 6. Every line is in Normalization Form C.
//!
//! Everything but rule 6 is decided by the tables of this module, which `docs/text-v1-tables.md` lists by the names used
//! above; normalisation is stable for what Unicode 14.0 assigns, so any later implementation of it gives the same answer.

mod clean;
mod naming;
mod shown;
mod tables;

pub use clean::{CHANGES_LISTED, CLEAN_LIMIT, Change, ChangeKind, Cleaned, clean};
pub use naming::named;
pub use shown::{MIXED_LISTED, MixedWord, escape_line, mixed_script_words, visible};
pub use tables::UNICODE;

use std::fmt;

use serde::{Deserialize, Serialize};
use tables::{COMBINING, HAN_VS, JOINER, JOINER_BASES, KIND, MARK, NORMALISED, OVERLAYS, TRANSPARENT, WORD, ZWSP};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::{
    domain::message::{Fact, Message, Tell},
    msg,
};

/// The text rules' name, as a manifest's `rules` member carries it.
pub const RULES: &str = "text.v1";

/// The most bytes that one text may have.
pub const TEXT_LIMIT: usize = 1 << 20;

/// The most faults that one check lists; it stops looking there.
pub const FAULTS_LISTED: usize = 100;

/// The most combining marks that one base may carry.
///
/// No language needs more: the tallest stack in use, the Tibetan letters of a mantra, has eight; pointed and accented Hebrew
/// has five. Dozens of marks on one letter cover the lines around it.
pub const MARKS_LIMIT: usize = 8;

const ZWNJ: char = '\u{200C}';

/// The way a text runs, as a manifest's `dir` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From left to right.
    Ltr,
    /// From right to left: direction marks are allowed.
    Rtl,
}

/// Checks a whole text and gives it back as a string.
///
/// # Errors
///
/// The faults in the order in which they stand in the text, at most [`FAULTS_LISTED`]. A text that is too long, or not UTF-8,
/// has that one fault.
pub fn check_text(bytes: &[u8], direction: Direction) -> Result<&str, Vec<Fault>> {
    if bytes.len() > TEXT_LIMIT {
        return Err(vec![Fault::at(1, 1, FaultKind::TooLong)]);
    }
    let text = decoded(bytes).map_err(|fault| vec![fault])?;
    let faults = examine(text, Shape::Text, direction == Direction::Rtl);
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

/// Checks one line that people read in a document: a title, a name, a place.
///
/// It obeys the rules of a text for characters, has no LF, no space at either end (U+3000 included) and no two spaces in a
/// row, and at most [`TEXT_LIMIT`] bytes. Direction marks are allowed.
///
/// # Errors
///
/// The first fault.
pub fn check_line(s: &str) -> Result<(), Fault> {
    first(s, Shape::Line)
}

/// Checks some lines of prose in a document, such as a reason: a text without its last LF, and as long at most. Direction
/// marks are allowed.
///
/// # Errors
///
/// The first fault.
pub fn check_prose(s: &str) -> Result<(), Fault> {
    first(s, Shape::Prose)
}

fn first(s: &str, shape: Shape) -> Result<(), Fault> {
    if s.len() > TEXT_LIMIT {
        return Err(Fault::at(1, 1, FaultKind::TooLong));
    }
    examine(s, shape, true).into_iter().next().map_or(Ok(()), Err)
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters (code points).
    pub column: usize,
    /// What is wrong.
    pub kind: FaultKind,
    /// The character that is meant, if it is one.
    pub character: Option<char>,
}

impl Fault {
    fn at(line: usize, column: usize, kind: FaultKind) -> Self {
        Self { line, column, kind, character: None }
    }
}

/// What can be wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// More than [`TEXT_LIMIT`] bytes.
    TooLong,
    /// There is nothing.
    Empty,
    /// An empty line before the first paragraph.
    EmptyLineAtStart,
    /// An empty line after the last paragraph, or a line break after the last line of prose.
    EmptyLineAtEnd,
    /// A second empty line in a row.
    ExtraEmptyLine,
    /// A line that shows nothing but is not empty.
    BlankLine,
    /// The text does not end with LF.
    NoFinalLineFeed,
    /// A line break where one line is asked.
    LineBreak,
    /// A space before the first character of a line.
    SpaceAtLineStart,
    /// A space after the last character of a line.
    SpaceAtLineEnd,
    /// Two spaces in a row where one line is asked.
    DoubledSpace,
    /// U+000D.
    CarriageReturn,
    /// U+0009.
    Tab,
    /// Any other control character.
    Control,
    /// U+FEFF, wherever it stands.
    ByteOrderMark,
    /// A space other than U+0020, U+00A0, U+202F and U+3000.
    ExoticSpace,
    /// U+2028 or U+2029.
    LineSeparator,
    /// A bidirectional embedding, override or isolate, or the end of one.
    BidiControl,
    /// A tag character.
    Tag,
    /// U+00AD.
    SoftHyphen,
    /// Any other character that draws nothing.
    Invisible,
    /// A private-use character.
    PrivateUse,
    /// A noncharacter.
    Noncharacter,
    /// U+FFF9 to U+FFFD.
    Special,
    /// Not assigned in Unicode 14.0.
    Unassigned,
    /// A part of emoji sequences.
    Emoji,
    /// ZWJ or ZWNJ where it does nothing.
    MisplacedJoiner,
    /// U+200B where it does nothing.
    MisplacedZeroWidthSpace,
    /// A variation selector after a character that has no such variants.
    MisplacedSelector,
    /// A direction mark in a left-to-right text.
    DirectionMark,
    /// A joiner, zero width space or direction mark directly after another one.
    DoubledInvisible,
    /// A combining mark that strikes through what is read.
    Overlay,
    /// A combining mark at a line's start, or after a space or an invisible character that carries none.
    MarkWithoutBase,
    /// More than [`MARKS_LIMIT`] combining marks in a row, from here on.
    TooManyMarks,
    /// Not in Normalization Form C from here on.
    NotNormalised,
}

impl Tell for Fault {
    fn tell(&self) -> Fact {
        let Self { line, column, kind, character } = self;
        let (wrong, remedy) = kind.sentence();
        match character.map(named) {
            Some(character) => {
                msg!(
                    "line {line}, column {column}: {wrong} ({character}); {remedy}",
                    line,
                    column,
                    wrong,
                    character,
                    remedy
                )
            }
            None => msg!("line {line}, column {column}: {wrong}; {remedy}", line, column, wrong, remedy),
        }
        .into()
    }
}
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell().fmt(f)
    }
}

/// Several of them, one after the other.
pub fn faults<'a>(faults: impl Iterator<Item = &'a Fault>) -> Message {
    let mut told = faults.map(Tell::message);
    let first = told.next().unwrap_or_else(|| Message::words(""));
    told.fold(first, |before, fault| msg!("{before}; {fault}", before, fault))
}

impl FaultKind {
    /// What is wrong, and what to do about it.
    fn sentence(self) -> (Message, Message) {
        let clean = || msg!("`communique text clean` mends this");
        let drop = || msg!("`communique text clean` removes it where that changes no word");
        let retype = || msg!("remove it or write what is meant");
        match self {
            Self::NotUtf8 => (msg!("the bytes are not UTF-8"), msg!("save the file as UTF-8")),
            Self::TooLong => (msg!("longer than 1 MiB"), msg!("put the longer parts into annexes or split it")),
            Self::Empty => (msg!("there is no text"), msg!("write one")),
            Self::EmptyLineAtStart => (msg!("an empty line before the first paragraph"), clean()),
            Self::EmptyLineAtEnd => (msg!("an empty line after the last paragraph"), clean()),
            Self::ExtraEmptyLine => (msg!("more than one empty line between paragraphs"), clean()),
            Self::BlankLine => (msg!("a line that shows nothing but is not empty"), clean()),
            Self::NoFinalLineFeed => (msg!("the last line has no line feed at its end"), clean()),
            Self::LineBreak => (msg!("a line break where one line is asked"), msg!("write it in one line")),
            Self::SpaceAtLineStart => (msg!("a space at the start of a line"), clean()),
            Self::SpaceAtLineEnd => (msg!("a space at the end of a line"), clean()),
            Self::DoubledSpace => (msg!("two spaces in a row"), msg!("leave one of them")),
            Self::CarriageReturn => (msg!("a carriage return"), clean()),
            Self::Tab => (msg!("a tab"), clean()),
            Self::Control => (msg!("a control character"), retype()),
            Self::ByteOrderMark => (msg!("a byte order mark"), clean()),
            Self::ExoticSpace => (msg!("a space of unusual width"), clean()),
            Self::LineSeparator => (msg!("a line or paragraph separator"), clean()),
            Self::BidiControl => (
                msg!("a control that changes the order in which text is shown"),
                msg!("remove it and read the line again: it may then read otherwise"),
            ),
            Self::Tag => (msg!("an invisible tag character"), drop()),
            Self::SoftHyphen => (msg!("a soft hyphen"), clean()),
            Self::Invisible => (msg!("a character that shows nothing"), drop()),
            Self::PrivateUse => (msg!("a private-use character"), retype()),
            Self::Noncharacter => (msg!("a code point that is no character"), retype()),
            Self::Special => (
                msg!("a replacement or annotation character"),
                msg!("something was lost here when the text was converted: write what is meant"),
            ),
            Self::Unassigned => {
                (msg!("a character that Unicode 14.0 does not have"), msg!("use one that every reader's system knows"))
            }
            Self::Emoji => (msg!("a part of an emoji sequence"), retype()),
            Self::MisplacedJoiner => (msg!("a joiner or non-joiner that does nothing here"), clean()),
            Self::MisplacedZeroWidthSpace => (msg!("a zero width space that does nothing here"), clean()),
            Self::MisplacedSelector => (msg!("a variation selector that does nothing here"), clean()),
            Self::DirectionMark => (msg!("a direction mark in a left-to-right text"), drop()),
            Self::DoubledInvisible => (msg!("a second invisible character in a row"), drop()),
            Self::Overlay => (msg!("a mark that strikes through the character before it"), retype()),
            Self::MarkWithoutBase => (
                msg!("a combining mark with no letter to stand on"),
                msg!("put it directly after its letter, or remove it"),
            ),
            Self::TooManyMarks => {
                (msg!("more than eight combining marks in a row"), msg!("keep those that belong to the letter"))
            }
            Self::NotNormalised => (msg!("letters and accents are not in composed form (NFC)"), clean()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Line,
    Prose,
}

fn decoded(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let start = good.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        // Every byte but a continuation byte begins a character.
        let before = good.iter().skip(start).filter(|&&byte| byte & 0xC0 != 0x80);
        Fault::at(line, before.count() + 1, FaultKind::NotUtf8)
    })
}

fn examine(s: &str, shape: Shape, marks: bool) -> Vec<Fault> {
    if s.is_empty() {
        return vec![Fault::at(1, 1, FaultKind::Empty)];
    }
    let mut faults = Faults::default();
    if shape == Shape::Line {
        examine_line(s, 1, shape, marks, &mut faults);
        return faults.sorted();
    }
    let body = match shape {
        Shape::Text => s.strip_suffix('\n').unwrap_or(s),
        Shape::Line | Shape::Prose => s,
    };
    let mut lines = body.split('\n').zip(1..).peekable();
    let mut after_empty = false;
    while let Some((line, number)) = lines.next() {
        if faults.full() {
            break;
        }
        if !line.is_empty() {
            examine_line(line, number, shape, marks, &mut faults);
        } else if number == 1 {
            faults.add(Fault::at(1, 1, FaultKind::EmptyLineAtStart));
        } else if lines.peek().is_none() {
            faults.add(Fault::at(number, 1, FaultKind::EmptyLineAtEnd));
        } else if after_empty {
            faults.add(Fault::at(number, 1, FaultKind::ExtraEmptyLine));
        }
        after_empty = line.is_empty();
        if lines.peek().is_none() && shape == Shape::Text && body.len() == s.len() {
            let end = line.chars().count() + 1;
            faults.add(Fault::at(number, end, FaultKind::NoFinalLineFeed));
        }
    }
    faults.sorted()
}

#[derive(Default)]
struct Faults {
    listed: Vec<Fault>,
}

impl Faults {
    fn full(&self) -> bool {
        self.listed.len() >= FAULTS_LISTED
    }

    fn add(&mut self, fault: Fault) {
        if !self.full() {
            self.listed.push(fault);
        }
    }

    fn sorted(mut self) -> Vec<Fault> {
        self.listed.sort_by_key(|fault| (fault.line, fault.column));
        self.listed
    }
}

fn examine_line(line: &str, number: usize, shape: Shape, marks: bool, faults: &mut Faults) {
    let plain = line.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
    let mut seen = 0;
    let mut assigned = true;
    let mut blank = true;
    let mut length = 0;
    if !plain || shape == Shape::Line {
        let mut context = Context::default();
        let mut lookup = Lookup::default();
        let mut characters = line.chars();
        while let Some(c) = characters.next() {
            length += 1;
            let value = lookup.value(c);
            seen |= value.unwrap_or(0);
            if shape != Shape::Line && value.is_some_and(ordinary) {
                blank = blank && is_space(c);
                context.advance(c, value);
                continue;
            }
            let wrong = context.fault(c, value, characters.clone().next(), marks);
            let doubled =
                shape == Shape::Line && is_space(c) && context.previous.is_some_and(|(before, _)| is_space(before));
            if let Some(kind) = wrong.or(doubled.then_some(FaultKind::DoubledSpace)) {
                faults.add(Fault { line: number, column: length, kind, character: Some(c) });
                if faults.full() {
                    return;
                }
            }
            context.advance(c, value);
            blank &= is_space(c) || value.is_some_and(|value| value & KIND == MARK);
            assigned &= value.is_some();
        }
    } else {
        blank = line.bytes().all(|byte| byte == b' ');
        length = line.len();
    }
    let at = |column, kind, character| Fault { line: number, column, kind, character };
    if blank {
        faults.add(at(1, FaultKind::BlankLine, None));
        return;
    }
    let first = line.chars().next();
    if first.is_some_and(|c| is_space(c) && (c != '\u{3000}' || shape == Shape::Line)) {
        faults.add(at(1, FaultKind::SpaceAtLineStart, first));
    }
    let last = line.chars().next_back();
    if last.is_some_and(is_space) {
        faults.add(at(length, FaultKind::SpaceAtLineEnd, last));
    }
    // What a later Unicode assigns has no stable form here, so it is refused before it is asked for one.
    if carries(seen, NORMALISED) && assigned && !is_nfc(line) {
        let same = line.chars().zip(line.nfc()).take_while(|(a, b)| a == b);
        let column = same.count() + 1;
        let character = line.chars().nth(column - 1);
        faults.add(at(column, FaultKind::NotNormalised, character));
    }
}

/// Of a character that is nothing but itself, as nearly every one is, so that no rule asks what stands around it: none of a kind, no
/// mark.
fn ordinary(value: u16) -> bool {
    value & (KIND | COMBINING | OVERLAYS) == 0
}

/// The spaces that may stand in a text.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{A0}' | '\u{202F}' | '\u{3000}')
}

/// What stands before a character in its line, as far as the rules ask.
#[derive(Default)]
struct Context {
    previous: Option<(char, u16)>,
    joins: bool,
    /// How many combining marks stand in a row just before.
    combined: usize,
}

impl Context {
    /// What is wrong with a character here; `value` is its own value in the table.
    fn fault(&self, c: char, value: Option<u16>, next: Option<char>, marks: bool) -> Option<FaultKind> {
        let Some(value) = value else {
            return Some(FaultKind::Unassigned);
        };
        let before = self.previous.map_or(0, |(_, value)| value);
        let after_invisible = matches!(before & KIND, JOINER | MARK | ZWSP);
        match value & KIND {
            0 if value & OVERLAYS != 0 => Some(FaultKind::Overlay),
            0 if value & COMBINING == 0 => None,
            0 if self.combined == MARKS_LIMIT => Some(FaultKind::TooManyMarks),
            0 => (!self.carries_marks()).then_some(FaultKind::MarkWithoutBase),
            tables::CONTROL => Some(match c {
                '\n' => FaultKind::LineBreak,
                '\r' => FaultKind::CarriageReturn,
                '\t' => FaultKind::Tab,
                _ => FaultKind::Control,
            }),
            tables::SPACE => Some(FaultKind::ExoticSpace),
            tables::SEPARATOR => Some(FaultKind::LineSeparator),
            tables::BIDI => Some(FaultKind::BidiControl),
            tables::TAG => Some(FaultKind::Tag),
            tables::PRIVATE => Some(FaultKind::PrivateUse),
            tables::SPECIAL => Some(FaultKind::Special),
            tables::EMOJI => Some(FaultKind::Emoji),
            tables::NONCHARACTER => Some(FaultKind::Noncharacter),
            JOINER | MARK | ZWSP if after_invisible => Some(FaultKind::DoubledInvisible),
            JOINER => {
                let followed = c != ZWNJ || next.is_some_and(|next| has(next, WORD));
                (!self.joins || !followed).then_some(FaultKind::MisplacedJoiner)
            }
            MARK => (!marks).then_some(FaultKind::DirectionMark),
            ZWSP => {
                let between = before & tables::ZWSP_BASES != 0 && next.is_some_and(|next| !is_space(next));
                (!between).then_some(FaultKind::MisplacedZeroWidthSpace)
            }
            tables::MONGOLIAN_VS => (before & tables::MONGOLIAN_LETTERS == 0).then_some(FaultKind::MisplacedSelector),
            HAN_VS => (before & tables::IDEOGRAPHS == 0).then_some(FaultKind::MisplacedSelector),
            tables::INVISIBLE => Some(match c {
                '\u{AD}' => FaultKind::SoftHyphen,
                '\u{FEFF}' => FaultKind::ByteOrderMark,
                _ => FaultKind::Invisible,
            }),
            // No such kind is in the table; were there one, it would be refused.
            _ => Some(FaultKind::Unassigned),
        }
    }

    /// Whether a combining mark here stands on something.
    fn carries_marks(&self) -> bool {
        self.previous.is_some_and(|(before, value)| !is_space(before) && !matches!(value & KIND, MARK | ZWSP))
    }

    fn advance(&mut self, c: char, value: Option<u16>) {
        let value = value.unwrap_or(0);
        if value & COMBINING != 0 {
            self.combined += 1;
        } else if value & KIND != JOINER {
            self.combined = 0;
        }
        if value & JOINER_BASES != 0 {
            self.joins = true;
        } else if value & TRANSPARENT == 0 {
            self.joins = false;
        }
        self.previous = Some((c, value));
    }
}

/// Code points below this are looked up by index: alphabets, and the punctuation that goes with them.
const DIRECT: usize = 0x2100;

/// Stands for no value in [`LOW`]; kinds and flags leave the top bits free.
const NONE: u16 = u16::MAX;

static LOW: [u16; DIRECT] = {
    let mut low = [NONE; DIRECT];
    let mut row = 0;
    while row < tables::CHARACTERS.len() {
        let (first, last, value) = tables::CHARACTERS[row];
        let mut code = first as usize;
        while code <= last as usize && code < DIRECT {
            low[code] = value;
            code += 1;
        }
        row += 1;
    }
    low
};

/// Looks characters up, remembering the last range: a text in Han or Hangul mostly stays in one.
#[derive(Default)]
struct Lookup {
    last: Option<(u32, u32, u16)>,
}

impl Lookup {
    /// The kind and flags of a character; `None` if Unicode 14.0 does not have it.
    fn value(&mut self, c: char) -> Option<u16> {
        let code = u32::from(c);
        if let Some(&value) = LOW.get(code as usize) {
            return (value != NONE).then_some(value);
        }
        if let Some((first, last, value)) = self.last
            && (first..=last).contains(&code)
        {
            return Some(value);
        }
        let at = tables::CHARACTERS.partition_point(|&(first, _, _)| first <= code);
        let &row = tables::CHARACTERS.get(at.checked_sub(1)?)?;
        if row.1 < code {
            return None;
        }
        self.last = Some(row);
        Some(row.2)
    }
}

fn value(c: char) -> Option<u16> {
    Lookup::default().value(c)
}

fn has(c: char, flag: u16) -> bool {
    value(c).is_some_and(|value| carries(value, flag))
}

fn carries(value: u16, flag: u16) -> bool {
    value & flag != 0
}

#[cfg(test)]
mod tests;
