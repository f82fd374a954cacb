//! Drafting: from a description that people write, and files on disk, to a manifest.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::reading::Pinned;
use crate::{
    domain::{
        document::Document,
        id::{CommuniqueId, Digest, Lang, PartyId, Salt},
        manifest::{
            ANNEX_LIMIT, Annex, Date, Initialling, LegalEffect, Manifest, MediaType, Meeting, Procedure, Rectifies,
            Status, Text,
        },
        message::{Fact, Message, Tell},
        refusal::Refusal,
        statement::Type,
        text::{self, Direction, TEXT_LIMIT},
        time::Time,
        words::{Line, Names},
    },
    msg,
};

/// Largest description, in bytes.
const DESCRIPTION_LIMIT: u64 = 1 << 20;
/// How many faults of a text are told at once.
const FAULTS_SHOWN: usize = 10;

/// A draft as a TOML file describes it. Paths are relative to the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Titles by language.
    pub titles: BTreeMap<Lang, Line>,
    /// Parties in protocol order.
    pub parties: Vec<PartyId>,
    /// `political` (default) or `binding`.
    #[serde(default = "political")]
    pub legal_effect: LegalEffect,
    /// The texts.
    pub texts: Vec<TextFile>,
    /// The annexes, in order.
    #[serde(default)]
    pub annexes: Vec<AnnexFile>,
    /// The meeting.
    pub meeting: Option<MeetingEntry>,
    /// How it is signed and published.
    #[serde(default)]
    pub procedure: ProcedureEntry,
}

/// A text of a description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    /// Its language.
    pub lang: Lang,
    /// Its file.
    pub file: PathBuf,
    /// `authentic` (default) or `translation`.
    #[serde(default = "authentic")]
    pub status: Status,
    /// `ltr` or `rtl`; by language if it is left out.
    pub dir: Option<Direction>,
}

/// An annex of a description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnexFile {
    /// Its file; the ending says what it is.
    pub file: PathBuf,
    /// Its titles by language.
    pub titles: BTreeMap<Lang, Line>,
}

/// The meeting of a description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeetingEntry {
    /// The place's names by language.
    pub places: BTreeMap<Lang, Line>,
    /// The day, `2026-11-23`.
    pub date: Date,
    /// The hosting party, if one of the parties hosts.
    pub host: Option<PartyId>,
}

/// The procedure of a description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcedureEntry {
    /// `required` (default) or `waived`.
    #[serde(default = "required")]
    pub initialling: Initialling,
    /// No signature counts after it.
    pub deadline: Option<Time>,
    /// No publication before it.
    pub embargo: Option<Time>,
}

fn political() -> LegalEffect {
    LegalEffect::Political
}
fn authentic() -> Status {
    Status::Authentic
}
fn required() -> Initialling {
    Initialling::Required
}
impl Default for ProcedureEntry {
    fn default() -> Self {
        Self { initialling: required(), deadline: None, embargo: None }
    }
}

/// A file that a draft names, to be uploaded.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where it is.
    pub file: PathBuf,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What went wrong between a description and a manifest.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum DraftError {
    Io(PathBuf, std::io::Error),
    Description(PathBuf, String),
    Text(PathBuf, Vec<text::Fault>),
    MediaType(PathBuf),
    Refused(#[from] Refusal),
}

impl Tell for DraftError {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Io(path, error) => msg!("{path}: {error}", path, error),
            Self::Description(path, problem) => msg!("{path}: {problem}", path, problem),
            Self::Text(path, faults) => {
                // One under another, each in its own words.
                let faults = faults.iter().take(FAULTS_SHOWN);
                let faults = faults.fold(Message::words(""), |said, fault| msg!("{said}  {fault}\n", said, fault));
                msg!(
                    "{path}: the text breaks the rules of text.v1:\n{faults}`communique text clean` mends what can be mended without changing a word",
                    path,
                    faults
                )
            }
            Self::MediaType(path) => msg!(
                "{path}: this kind of annex is not on the closed list; use one of: pdf, png, jpg, tif, csv, txt",
                path
            ),
            Self::Refused(refusal) => return refusal.tell(),
        };
        message.into()
    }
}

/// Where in the life of a communiqué the manifest stands.
pub enum Place<'a> {
    /// Revision 1, proposed by this party; what it corrects, if it is a rectification.
    First(PartyId, Option<Rectifies>),
    /// The revision after this one.
    After(&'a Document<Manifest>),
}

/// The languages that run from right to left.
const RTL: [&str; 9] = ["ar", "arc", "ckb", "dv", "fa", "he", "ps", "ur", "yi"];

/// The way that texts of this language usually run.
#[must_use]
pub fn direction_of(lang: &Lang) -> Direction {
    let primary = lang.as_str().split('-').next().unwrap_or_default();
    if RTL.contains(&primary) { Direction::Rtl } else { Direction::Ltr }
}

/// Reads a description.
///
/// # Errors
/// [`DraftError::Io`], [`DraftError::Description`] with line and column.
pub fn read(path: &Path) -> Result<Description, DraftError> {
    parse(path, &whole(path, DESCRIPTION_LIMIT)?)
}

/// A description in TOML; `path` is for what is said of it.
///
/// # Errors
/// [`DraftError::Description`] with line and column.
pub fn parse(path: &Path, toml: &[u8]) -> Result<Description, DraftError> {
    let describe = |e: String| DraftError::Description(path.into(), e);
    let toml = std::str::from_utf8(toml).map_err(|e| describe(e.to_string()))?;
    toml::from_str(toml).map_err(|e| describe(e.to_string()))
}

/// Makes the manifest of a description whose paths are relative to `base`, and lists what must be uploaded for it.
///
/// # Errors
/// Any [`DraftError`]. Texts are checked here, before anything is sent.
pub fn manifest(
    base: &Path,
    description: Description,
    pinned: &Pinned,
    id: CommuniqueId,
    place: Place<'_>,
    salt: Salt,
) -> Result<(Document<Manifest>, Vec<Upload>), DraftError> {
    let mut uploads = Vec::new();
    let mut texts = Vec::new();
    for t in description.texts {
        let file = base.join(&t.file);
        let dir = t.dir.unwrap_or_else(|| direction_of(&t.lang));
        let bytes = whole(&file, TEXT_LIMIT as u64)?;
        if let Err(faults) = text::check_text(&bytes, dir) {
            return Err(DraftError::Text(file, faults));
        }
        let (size, sha256) = (bytes.len() as u64, Digest::of(&bytes));
        texts.push(Text { lang: t.lang, dir, status: t.status, size, sha256 });
        uploads.push(Upload { file, sha256, size });
    }
    texts.sort_by(|a, b| a.lang.cmp(&b.lang));
    let mut annexes = Vec::new();
    for a in description.annexes {
        let file = base.join(&a.file);
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let media_type = MediaType::of_extension(&extension).ok_or_else(|| DraftError::MediaType(file.clone()))?;
        let (size, sha256) = digest(&file)?;
        annexes.push(Annex { titles: Names::new(a.titles)?, media_type, size, sha256 });
        uploads.push(Upload { file, sha256, size });
    }
    let (revision, previous, proposer, rectifies) = match place {
        Place::First(proposer, rectifies) => (1, None, proposer, rectifies),
        Place::After(m) => (m.revision + 1, Some(m.digest()), m.proposer.clone(), m.rectifies),
    };
    let meeting = match description.meeting {
        Some(m) => Some(Meeting { places: Names::new(m.places)?, date: m.date, host: m.host }),
        None => None,
    };
    let manifest = Manifest {
        r#type: Type::of::<Manifest>(),
        salt,
        founding: pinned.founding(),
        exchange: pinned.exchange().clone(),
        charter: pinned.charter().digest(),
        communique: id,
        revision,
        previous,
        proposer,
        rules: text::RULES.into(),
        titles: Names::new(description.titles)?,
        parties: description.parties,
        texts,
        annexes,
        meeting,
        legal_effect: description.legal_effect,
        procedure: Procedure {
            initialling: description.procedure.initialling,
            deadline: description.procedure.deadline,
            embargo: description.procedure.embargo,
        },
        rectifies,
    };
    Ok((Document::of(&manifest)?, uploads))
}

/// Reads a file whole, up to a limit.
fn whole(path: &Path, limit: u64) -> Result<Vec<u8>, DraftError> {
    let io = |e| DraftError::Io(path.into(), e);
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge { what: msg!("{what} in bytes", what = path), limit }.into());
    }
    Ok(bytes)
}

/// Size and digest of a file, read in pieces.
fn digest(path: &Path) -> Result<(u64, Digest), DraftError> {
    let io = |e| DraftError::Io(path.into(), e);
    let mut file = std::fs::File::open(path).map_err(io)?;
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let n = file.read(&mut piece).map_err(io)?;
        if n == 0 {
            return Ok((size, Digest::from_bytes(hash.finalize().into())));
        }
        hash.update(&piece[..n]);
        size += n as u64;
        if size > ANNEX_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("{what} in bytes", what = path), limit: ANNEX_LIMIT }.into());
        }
    }
}
