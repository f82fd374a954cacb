//! Checkpoints (C2SP tlog-checkpoint): what a log says of itself at one size, as the text of a signed note.

use std::{fmt, str::FromStr};

use super::{
    Fault,
    cosignature::Cosigner,
    lines,
    note::{KeyName, Note, SignatureLine, Verifier},
    tree::{Hash, verify_consistency},
};
use crate::{
    domain::{charter::LogKey, key::Signer, message::Message},
    msg,
};

/// Longest origin line, in bytes: what `log_origin` in C2SP tlog-cosignature can hold, and as much as a charter allows.
pub const ORIGIN_LIMIT: usize = 255;
/// Largest text of a checkpoint, in bytes.
pub const TEXT_LIMIT: usize = 8 << 10;
/// Most extension lines.
pub const EXTENSIONS_LIMIT: usize = 16;

/// The first line of a checkpoint, which names the log ("Note text", 1): not empty, one line. That it looks like an address, or has no
/// spaces, is recommended and not asked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin(String);

impl Origin {
    /// Parses an origin.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse(s: &str) -> Result<Self, Fault> {
        if s.len() > ORIGIN_LIMIT {
            return Err(Fault::TooLarge {
                what: msg!("the origin of a checkpoint, in bytes,"),
                limit: ORIGIN_LIMIT as u64,
            });
        }
        check_line(s).map(|()| Self(s.to_owned()))
    }
    /// The origin as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn check_line(line: &str) -> Result<(), Fault> {
    if line.is_empty() || line.bytes().any(|b| b < b' ') {
        return Err(Fault::malformed(
            msg!("a checkpoint"),
            msg!("one of its lines is empty or has a control character"),
        ));
    }
    Ok(())
}

/// The text of a checkpoint ("Note text"): origin, size, root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    origin: Origin,
    size: u64,
    root: Hash,
    /// Opaque, and not recommended: kept, since signatures cover them, and never written by us.
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The checkpoint of a tree, without extension lines.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] over [`super::tree::SIZE_LIMIT`]; [`Fault::Forked`] if a tree without leaves has another root than
    /// [`Hash::EMPTY`].
    pub fn new(origin: Origin, size: u64, root: Hash) -> Result<Self, Fault> {
        verify_consistency((0, Hash::EMPTY), (size, root), &[])?;
        Ok(Self { origin, size, root, extensions: Vec::new() })
    }
    /// The log that it claims to be of.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }
    /// The extension lines ("Note text", 4), without newlines.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
    /// Verifies that it continues an earlier checkpoint of the same log.
    ///
    /// # Errors
    /// [`Fault::OtherLog`]; those of [`verify_consistency`].
    pub fn verify_continues(&self, old: &Self, proof: &[Hash]) -> Result<(), Fault> {
        if self.origin != old.origin {
            return Err(other_log(&old.origin, &self.origin));
        }
        verify_consistency((old.size, old.root), (self.size, self.root), proof)
    }
}
impl FromStr for Checkpoint {
    type Err = Fault;
    /// Parses the text of a note. Of a tree without leaves it takes any root: that is for [`Checkpoint::verify_continues`] to refuse.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |problem: Message| Fault::malformed(msg!("a checkpoint"), problem);
        if text.len() > TEXT_LIMIT {
            return Err(Fault::TooLarge { what: msg!("a checkpoint, in bytes,"), limit: TEXT_LIMIT as u64 });
        }
        let text = text.strip_suffix('\n').ok_or_else(|| refuse(msg!("it does not end in a newline")))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(refuse(msg!("it has less than three lines")));
        };
        let origin = Origin::parse(origin)?;
        let size = lines::decimal(size).ok_or_else(|| refuse(msg!("its second line is no size")))?;
        let root = root.parse()?;
        let mut extensions = Vec::new();
        for line in lines {
            if extensions.len() == EXTENSIONS_LIMIT {
                return Err(Fault::TooLarge {
                    what: msg!("extension lines of a checkpoint"),
                    limit: EXTENSIONS_LIMIT as u64,
                });
            }
            check_line(line)?;
            extensions.push(line.to_owned());
        }
        Ok(Self { origin, size, root, extensions })
    }
}
impl fmt::Display for Checkpoint {
    /// Writes the text byte for byte as it was parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn other_log(expected: &Origin, actual: &Origin) -> Fault {
    Fault::OtherLog { expected: expected.to_string(), actual: actual.to_string() }
}

/// A log as its readers know it: its origin, and the keys that may sign for it (several while one replaces another).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    origin: Origin,
    keys: Vec<Verifier>,
}

impl Log {
    /// The log of this origin.
    #[must_use]
    pub fn new(origin: Origin, keys: Vec<Verifier>) -> Self {
        Self { origin, keys }
    }
    /// The log that a charter names. The name of its key is its origin, as the specification advises ("Signatures").
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`] for an origin that cannot name a key; no charter has one.
    pub fn of_charter(log: &LogKey) -> Result<Self, Fault> {
        let (origin, name) = (Origin::parse(log.origin.as_str())?, KeyName::parse(log.origin.as_str())?);
        Ok(Self::new(origin, vec![Verifier::new(name, log.key)]))
    }
    /// Its origin.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
    /// The keys that may sign for it.
    #[must_use]
    pub fn keys(&self) -> &[Verifier] {
        &self.keys
    }
}

/// A checkpoint with its signatures, not verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified {
    note: Note,
    checkpoint: Checkpoint,
}

impl Unverified {
    /// Parses the note and its text.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let note = Note::parse(bytes)?;
        Ok(Self { checkpoint: note.text().parse()?, note })
    }
    /// What it claims to say. Enough to find the log that it must be of, and no more.
    #[must_use]
    pub fn claims(&self) -> &Checkpoint {
        &self.checkpoint
    }
    /// The note.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }
    /// Verifies that it is of this log and signed by one of its keys.
    ///
    /// # Errors
    /// [`Fault::OtherLog`]; [`Fault::Unsigned`] without a signature by one of its keys; [`Fault::SignatureInvalid`] if a line of any of
    /// them does not verify.
    pub fn verify(self, log: &Log) -> Result<Head, Fault> {
        if self.checkpoint.origin != log.origin {
            return Err(other_log(&log.origin, &self.checkpoint.origin));
        }
        let mut signed = false;
        for key in &log.keys {
            signed |= self.note.is_signed_by(key)?;
        }
        let Self { note, checkpoint } = self;
        if signed { Ok(Head { note, checkpoint }) } else { Err(Fault::Unsigned { origin: log.origin.to_string() }) }
    }
}

/// A checkpoint that its log signed: verified, or signed by us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    note: Note,
    checkpoint: Checkpoint,
}

impl Head {
    /// Signs a checkpoint, under its origin as the key's name. That it continues what was signed before is the caller's to have
    /// verified: [`Head::sign_next`] does it.
    ///
    /// # Errors
    /// [`Fault::Malformed`] for an origin that cannot name a key; [`Fault::SigningFailed`].
    pub fn sign(checkpoint: Checkpoint, signer: &dyn Signer) -> Result<Self, Fault> {
        let name = KeyName::parse(checkpoint.origin.as_str())?;
        Ok(Self { note: Note::sign(checkpoint.to_string(), &name, signer)?, checkpoint })
    }
    /// Signs the checkpoint that comes next, if it continues this one: the way on from the last head that was signed.
    ///
    /// # Errors
    /// Those of [`Checkpoint::verify_continues`] and [`Head::sign`].
    pub fn sign_next(&self, next: Checkpoint, proof: &[Hash], signer: &dyn Signer) -> Result<Self, Fault> {
        next.verify_continues(&self.checkpoint, proof)?;
        Self::sign(next, signer)
    }
    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
    /// The note: its bytes are those of [`Head`]'s `Display`.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }
    /// The head with these signature lines behind its own, whoever they are by: to be verified by who knows the keys.
    ///
    /// # Errors
    /// [`Fault::TooLarge`].
    pub fn with(mut self, lines: impl IntoIterator<Item = SignatureLine>) -> Result<Self, Fault> {
        lines.into_iter().try_for_each(|line| self.note.push(line))?;
        Ok(self)
    }
    /// The head as it is archived: its signature by the log's key first, then the latest cosignature by each of these, in their order,
    /// and no other line. Lines of theirs that do not count are left out like those of strangers.
    ///
    /// # Errors
    /// [`Fault::Unsigned`] without a signature by one of the log's keys.
    pub fn archived<'a>(&self, log: &Log, cosigners: impl IntoIterator<Item = &'a Cosigner>) -> Result<Self, Fault> {
        let text = self.note.text();
        let by_log =
            log.keys.iter().find_map(|key| self.note.lines_of(key.hint()).find(|line| key.verifies(text, line)));
        let mut lines = vec![by_log.ok_or_else(|| Fault::Unsigned { origin: log.origin.to_string() })?.clone()];
        for cosigner in cosigners {
            let moment = |line: &&SignatureLine| cosigner.moment(text, line).ok();
            let counted = self.note.lines_of(cosigner.hint()).filter(|line| moment(line).is_some());
            lines.extend(counted.max_by_key(moment).cloned());
        }
        Ok(Self { note: self.note.with_lines(lines), checkpoint: self.checkpoint.clone() })
    }
    /// As text that others verify again.
    #[must_use]
    pub fn into_unverified(self) -> Unverified {
        Unverified { note: self.note, checkpoint: self.checkpoint }
    }
}
impl fmt::Display for Head {
    /// Writes the note byte for byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.note, f)
    }
}
