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
        return Err(ImportFault::TooLarge { what: "the file", limit: FILE_LIMIT as u64 });
    }
    let mut container = Container::open(bytes)?;
    let (format, page) = if container.has(docx::CONTENT_TYPES) {
        (Format::Docx, docx::read(&mut container)?)
    } else if container.has(odt::MIMETYPE) {
        (Format::Odt, odt::read(&mut container)?)
    } else {
        return Err(ImportFault::Other("it is neither a .docx nor an .odt; save it as one of them"));
    };
    let (paragraphs, dropped) = page.done();
    if paragraphs.is_empty() {
        let only = dropped.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(ImportFault::NoText(only));
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
        let (one, many, what) = self.what.words();
        write!(f, "{} {}: {what}", self.count, if self.count == 1 { one } else { many })
    }
}

impl Loss {
    /// One, several, and what became of it.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Insertions => ("tracked insertion", "tracked insertions", "kept, as if accepted"),
            Self::Deletions => ("tracked deletion", "tracked deletions", "left out, as if accepted"),
            Self::Moves => ("tracked move", "tracked moves", "done, as if accepted"),
            Self::Hidden => ("hidden passage", "hidden passages", "dropped"),
            Self::Tables => ("table", "tables", "dropped, with all that stands in the cells"),
            Self::TextBoxes => ("text box", "text boxes", "dropped, with all that stands inside"),
            Self::Footnotes => ("footnote", "footnotes", "dropped, mark and note"),
            Self::Endnotes => ("endnote", "endnotes", "dropped, mark and note"),
            Self::Comments => ("comment", "comments", "dropped"),
            Self::Pictures => ("picture or object", "pictures or objects", "dropped"),
            Self::Formulas => ("formula", "formulas", "dropped"),
            Self::Embedded => ("document inside the document", "documents inside the document", "dropped"),
            Self::HeadersFooters => ("header or footer", "headers or footers", "dropped"),
            Self::Symbols => ("sign of a symbol font", "signs of symbol fonts", "dropped; write what is meant"),
            Self::AutomaticNumbers => (
                "automatic number or bullet",
                "automatic numbers or bullets",
                "dropped; type those that the text refers to",
            ),
            Self::Fields => ("field", "fields", "kept as what it showed last"),
            Self::Links => ("link", "links", "its words are kept, where it leads is dropped"),
            Self::Readings => ("reading beside a word", "readings beside words", "dropped, the word is kept"),
            Self::Struck => ("struck-through passage", "struck-through passages", "KEPT, without the stroke"),
            Self::Raised => {
                ("raised or lowered passage", "raised or lowered passages", "kept, on the line: 10² becomes 102")
            }
            Self::Capitals => {
                ("passage in capitals by formatting", "passages in capitals by formatting", "kept as typed")
            }
            Self::Turned => {
                ("passage turned by hand", "passages turned by hand", "kept in stored order: it may read otherwise")
            }
            Self::Unknown => ("unknown kind of content", "unknown kinds of content", "dropped"),
        }
    }
}

/// Why a document is not imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ImportFault {
    #[error("the document is encrypted; open it in the word processor, save it without a password, and import that")]
    Encrypted,
    #[error(
        "the document carries programs ({0}); such files are not opened here: save it without macros and controls (as .docx or .odt) and import that"
    )]
    Programs(String),
    #[error("{0}")]
    Other(&'static str),
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("{0} unpacks to more than {RATIO_LIMIT} times its size, as a zip bomb does")]
    Bomb(String),
    #[error("the file has more than {ENTRIES_LIMIT} entries")]
    TooManyEntries,
    #[error("{0} declares a document type, which no word processor does and which can make a file explode")]
    DocumentType(String),
    #[error("{0} is nested more than {DEPTH_LIMIT} deep")]
    TooDeep(String),
    #[error("{0}: damaged, or not made by a word processor: {1}")]
    Damaged(String, String),
    #[error("it holds no text besides what is not taken over{}", if .0.is_empty() { String::new() } else { format!(" ({})", .0) })]
    NoText(String),
}
