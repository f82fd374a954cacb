//! Importing what word processors write, `.docx` and `.odt`: paragraphs out, and plainly what was left behind.
//!
//! Pure: bytes in, words out. Nothing is run, fetched or written. What stands in tables, notes, text boxes, headers, footers,
//! comments and pictures is dropped and counted; hidden text never enters; tracked changes are read as if every one had been
//! accepted, and counted. A document that is encrypted or carries programs is refused whole.

mod container;
mod docx;
mod odt;
mod page;
#[cfg(test)]
mod tests;
mod xml;

use std::fmt;

use serde::Serialize;

use self::container::Container;
use crate::{
    domain::message::{Fact, Message, Tell},
    msg,
};

/// Largest file that is read, in bytes: a text is at most 1 MiB, the rest is pictures.
pub const FILE_LIMIT: usize = 32 << 20;
/// Most entries of the file's container. Long documents with many pictures have some hundreds.
pub const ENTRIES_LIMIT: usize = 4096;
/// Largest part of the container that is unpacked, in bytes.
pub const PART_LIMIT: u64 = 64 << 20;
/// How many times its packed size a part may have when it is unpacked, beyond its first [`RATIO_FREE`] bytes. Real markup
/// stays below 50.
pub const RATIO_LIMIT: u64 = 200;
/// How many bytes of a part are unpacked whatever their ratio.
pub const RATIO_FREE: u64 = 1 << 20;
/// Deepest nesting of markup. Word processors stay below 60.
pub const DEPTH_LIMIT: usize = 256;
/// Most attributes of one element. Word processors stay below 60.
pub const ATTRIBUTES_LIMIT: usize = 512;
/// Most styles of one document.
pub const STYLES_LIMIT: usize = 20_000;
/// How many styles may stand one upon another.
pub const PARENTS_LIMIT: usize = 32;
/// Most bytes of text that are taken out of one document: what [`crate::domain::text::clean`] takes.
pub const WORDS_LIMIT: usize = crate::domain::text::CLEAN_LIMIT;

/// Reads a document, whatever its file is called.
///
/// Paragraphs, headings and list items become paragraphs; a line break inside one stays a line break, which `text.v1` allows.
/// The words are as typed; [`crate::domain::text::clean`] mends what word processors leave in them.
///
/// # Errors
/// Any [`ImportFault`]; nothing of a refused document is given.
pub fn import(bytes: &[u8]) -> Result<Imported, ImportFault> {
    if bytes.len() > FILE_LIMIT {
        return Err(ImportFault::TooLarge { what: Measured::File, limit: FILE_LIMIT as u64 });
    }
    let mut container = Container::open(bytes)?;
    let (format, page) = if container.has(docx::CONTENT_TYPES) {
        (Format::Docx, docx::read(&mut container)?)
    } else if container.has(odt::MIMETYPE) {
        (Format::Odt, odt::read(&mut container)?)
    } else {
        return Err(ImportFault::Other(msg!("it is neither a .docx nor an .odt; save it as one of them")));
    };
    let (paragraphs, dropped) = page.done();
    if paragraphs.is_empty() {
        return Err(ImportFault::NoText(dropped));
    }
    Ok(Imported { format, paragraphs, dropped })
}

/// What a document held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What it was.
    pub format: Format,
    /// Its paragraphs in order, none empty; a LF inside one is a line break.
    pub paragraphs: Vec<String>,
    /// What is not in them, or not as the page showed it; each kind once.
    pub dropped: Vec<Dropped>,
}

impl Imported {
    /// The paragraphs with an empty line between them, for [`crate::domain::text::clean`].
    #[must_use]
    pub fn text(&self) -> String {
        self.paragraphs.join("\n\n") + "\n"
    }
    /// Whether somebody has proposed changes in the document that nobody has accepted or rejected.
    #[must_use]
    pub fn has_tracked_changes(&self) -> bool {
        self.dropped.iter().any(|d| matches!(d.what, Loss::Insertions | Loss::Deletions | Loss::Moves))
    }
}

/// The formats that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Office Open XML, as Word writes it (ECMA-376, ISO/IEC 29500).
    Docx,
    /// `OpenDocument` Text, as LibreOffice writes it (ISO/IEC 26300).
    Odt,
}

/// Something of a document that its paragraphs do not show, and how often it stood there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Dropped {
    /// What.
    pub what: Loss,
    /// How many.
    pub count: usize,
}

/// What does not come along, or not as the page showed it. In the order in which a drafter should read it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Passages that somebody proposed to insert: they are in the text.
    Insertions,
    /// Passages that somebody proposed to delete: they are not in the text.
    Deletions,
    /// Passages that somebody proposed to move: they stand where they were moved to.
    Moves,
    /// Hidden passages: not in the text.
    Hidden,
    /// Tables with all that stands in them.
    Tables,
    /// Text boxes and shapes with all that stands in them.
    TextBoxes,
    /// Footnotes.
    Footnotes,
    /// Endnotes.
    Endnotes,
    /// Comments.
    Comments,
    /// Pictures, drawings and embedded objects.
    Pictures,
    /// Formulas.
    Formulas,
    /// Other documents inside this one.
    Embedded,
    /// Headers and footers of pages.
    HeadersFooters,
    /// Signs of symbol fonts, which have no meaning outside their font.
    Symbols,
    /// Numbers and bullets of lists and headings that the word processor makes.
    AutomaticNumbers,
    /// Fields; what they showed last is in the text.
    Fields,
    /// Links; their words are in the text, where they lead is not.
    Links,
    /// Readings above or beside a word.
    Readings,
    /// Passages struck through by hand: they are in the text.
    Struck,
    /// Passages raised or lowered: they are in the text, level.
    Raised,
    /// Passages shown in capitals: they are in the text as typed.
    Capitals,
    /// Passages whose order was turned by hand: they are in the text in the order in which they are stored.
    Turned,
    /// Markup that is not known here.
    Unknown,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell().fmt(f)
    }
}

/// How many of what, and what became of it.
impl Tell for Dropped {
    fn tell(&self) -> Fact {
        let n = self.count;
        let message = match self.what {
            Loss::Insertions => {
                msg!("{n} tracked insertion: kept, as if accepted" | "{n} tracked insertions: kept, as if accepted", n)
            }
            Loss::Deletions => msg!(
                "{n} tracked deletion: left out, as if accepted" | "{n} tracked deletions: left out, as if accepted",
                n
            ),
            Loss::Moves => {
                msg!("{n} tracked move: done, as if accepted" | "{n} tracked moves: done, as if accepted", n)
            }
            Loss::Hidden => msg!("{n} hidden passage: dropped" | "{n} hidden passages: dropped", n),
            Loss::Tables => msg!(
                "{n} table: dropped, with all that stands in the cells"
                    | "{n} tables: dropped, with all that stands in the cells",
                n
            ),
            Loss::TextBoxes => msg!(
                "{n} text box: dropped, with all that stands inside"
                    | "{n} text boxes: dropped, with all that stands inside",
                n
            ),
            Loss::Footnotes => {
                msg!("{n} footnote: dropped, mark and note" | "{n} footnotes: dropped, mark and note", n)
            }
            Loss::Endnotes => msg!("{n} endnote: dropped, mark and note" | "{n} endnotes: dropped, mark and note", n),
            Loss::Comments => msg!("{n} comment: dropped" | "{n} comments: dropped", n),
            Loss::Pictures => msg!("{n} picture or object: dropped" | "{n} pictures or objects: dropped", n),
            Loss::Formulas => msg!("{n} formula: dropped" | "{n} formulas: dropped", n),
            Loss::Embedded => {
                msg!("{n} document inside the document: dropped" | "{n} documents inside the document: dropped", n)
            }
            Loss::HeadersFooters => msg!("{n} header or footer: dropped" | "{n} headers or footers: dropped", n),
            Loss::Symbols => msg!(
                "{n} sign of a symbol font: dropped; write what is meant"
                    | "{n} signs of symbol fonts: dropped; write what is meant",
                n
            ),
            Loss::AutomaticNumbers => msg!(
                "{n} automatic number or bullet: dropped; type those that the text refers to"
                    | "{n} automatic numbers or bullets: dropped; type those that the text refers to",
                n
            ),
            Loss::Fields => {
                msg!("{n} field: kept as what it showed last" | "{n} fields: kept as what it showed last", n)
            }
            Loss::Links => msg!(
                "{n} link: its words are kept, where it leads is dropped"
                    | "{n} links: its words are kept, where it leads is dropped",
                n
            ),
            Loss::Readings => msg!(
                "{n} reading beside a word: dropped, the word is kept"
                    | "{n} readings beside words: dropped, the word is kept",
                n
            ),
            Loss::Struck => msg!(
                "{n} struck-through passage: KEPT, without the stroke"
                    | "{n} struck-through passages: KEPT, without the stroke",
                n
            ),
            Loss::Raised => msg!(
                "{n} raised or lowered passage: kept, on the line: 10² becomes 102"
                    | "{n} raised or lowered passages: kept, on the line: 10² becomes 102",
                n
            ),
            Loss::Capitals => msg!(
                "{n} passage in capitals by formatting: kept as typed"
                    | "{n} passages in capitals by formatting: kept as typed",
                n
            ),
            Loss::Turned => msg!(
                "{n} passage turned by hand: kept in stored order: it may read otherwise"
                    | "{n} passages turned by hand: kept in stored order: it may read otherwise",
                n
            ),
            Loss::Unknown => msg!("{n} unknown kind of content: dropped" | "{n} unknown kinds of content: dropped", n),
        };
        message.into()
    }
}

/// Why a document is not imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum ImportFault {
    Encrypted,
    Programs(String),
    Other(Message),
    TooLarge {
        what: Measured,
        limit: u64,
    },
    Bomb(String),
    TooManyEntries,
    DocumentType(String),
    TooDeep(String),
    /// Which part, none for the file itself; and what is wrong with it.
    Damaged(Option<String>, Message),
    NoText(Vec<Dropped>),
}

/// What may be too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The file.
    File,
    /// A part of it, unpacked.
    Part,
    /// Its styles, by their number.
    Styles,
    /// The text that was taken out of it.
    Text,
}

impl Tell for ImportFault {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Encrypted => msg!(
                "the document is encrypted; open it in the word processor, save it without a password, and import that"
            ),
            Self::Programs(part) => msg!(
                "the document carries programs ({part}); such files are not opened here: save it without macros and controls (as .docx or .odt) and import that",
                part
            ),
            Self::Other(what) => return what.tell(),
            Self::TooLarge { what: Measured::File, limit } => {
                msg!("the file is larger than {limit} bytes", limit)
            }
            Self::TooLarge { what: Measured::Part, limit } => {
                msg!("a part of the file is larger than {limit} bytes", limit)
            }
            Self::TooLarge { what: Measured::Styles, limit } => {
                msg!("the document has more than {limit} styles", limit)
            }
            Self::TooLarge { what: Measured::Text, limit } => {
                msg!("the text is larger than {limit} bytes", limit)
            }
            Self::Bomb(part) => msg!(
                "{part} unpacks to more than {times} times its size, as a zip bomb does",
                part,
                times = RATIO_LIMIT
            ),
            Self::TooManyEntries => msg!("the file has more than {limit} entries", limit = ENTRIES_LIMIT),
            Self::DocumentType(part) => msg!(
                "{part} declares a document type, which no word processor does and which can make a file explode",
                part
            ),
            Self::TooDeep(part) => msg!("{part} is nested more than {limit} deep", part, limit = DEPTH_LIMIT),
            Self::Damaged(None, why) => {
                msg!("the file: damaged, or not made by a word processor: {why}", why)
            }
            Self::Damaged(Some(part), why) => {
                msg!("{part}: damaged, or not made by a word processor: {why}", part, why)
            }
            Self::NoText(dropped) => match in_a_row(dropped) {
                None => msg!("it holds no text besides what is not taken over"),
                Some(dropped) => msg!("it holds no text besides what is not taken over ({dropped})", dropped),
            },
        };
        message.into()
    }
}

/// One after another.
fn in_a_row(dropped: &[Dropped]) -> Option<Message> {
    dropped.iter().map(Tell::message).reduce(|said, next| msg!("{said}; {next}", said, next))
}
