//! A request: all that must be seen before an act, in one file, for a machine without network.
//!
//! The file is one line of canonical JSON, a line feed, and the bytes of the annexes, one after another in the manifest's order, if they
//! are in it. The digest of the line is the request's name: the manifest in it names texts and annexes by theirs, so that it seals all
//! of the file. Who carries the file need not be believed: [`Request::judge`] checks what lies in it from the pin, by the same code that
//! judges what an exchange shows.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    dossier::{Dossier, Papers, Wish},
    reading::Pinned,
    transfer::Held,
};
use crate::{
    domain::{
        document::Document,
        id::{Digest, ExchangeName},
        json::Form,
        life::CLOCK_TOLERANCE,
        manifest::{Manifest, Part},
        message::{Fact, Message, Tell},
        refusal::{Refusal, same},
        statement::Type,
        time::Time,
    },
    msg,
};

/// Largest first line of a request, in bytes: texts of two revisions in every language, charters and acts as many as an exchange shows.
pub const REQUEST_LIMIT: usize = 256 << 20;
/// How much of an annex is copied at a time, in bytes.
const PIECE: usize = 256 << 10;

/// The first line of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    r#type: Type,
    /// The exchange.
    pub exchange: ExchangeName,
    /// The digest of its charter 1.
    pub founding: Digest,
    /// When the exchange was asked, by the clock of the machine that asked.
    pub asked: Time,
    /// What is to be done.
    pub wish: Wish,
    /// Whether the annexes follow.
    pub annexes: bool,
    /// What the exchange showed.
    pub papers: Papers,
}

impl Form for Request {
    const NAME: &'static str = "request";
    const LIMIT: usize = REQUEST_LIMIT;
    fn called() -> Message {
        msg!("form" => "request")
    }
    fn check(&self) -> Result<(), Refusal> {
        self.r#type.check::<Self>()
    }
}

/// What is wrong with a request's file.
#[derive(Debug)]
pub enum RequestFault {
    /// It cannot be read.
    Io(io::Error),
    /// What it says does not hold.
    Refused(Refusal),
    /// It has another length than what it announces.
    Length {
        /// In bytes.
        expected: u64,
        /// In bytes.
        actual: u64,
    },
}

impl Tell for RequestFault {
    fn tell(&self) -> Fact {
        match self {
            Self::Io(error) => error.tell(),
            Self::Refused(refusal) => refusal.tell(),
            Self::Length { expected, actual } => msg!(
                "it has {actual} bytes, and must have {expected}: it was cut, or something was added",
                actual,
                expected
            )
            .into(),
        }
    }
}
crate::told!(RequestFault);
impl From<io::Error> for RequestFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
impl From<Refusal> for RequestFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Request {
    /// Puts a request together.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] above [`REQUEST_LIMIT`].
    pub fn new(
        pinned: &Pinned,
        asked: Time,
        wish: Wish,
        annexes: bool,
        papers: Papers,
    ) -> Result<Document<Self>, Refusal> {
        let (exchange, founding) = (pinned.exchange().clone(), pinned.founding());
        Document::of(&Self { r#type: Type::of::<Self>(), exchange, founding, asked, wish, annexes, papers })
    }
    /// Judges it from a pin.
    ///
    /// # Errors
    /// As [`Dossier::check`]; [`Refusal::Disagrees`] for one of another exchange; [`Refusal::Malformed`] if it says that it was made later
    /// than `now`, or before what lies in it was logged.
    pub fn judge(&self, pinned: &Pinned, now: Time) -> Result<Dossier, Refusal> {
        same("request.exchange", pinned.exchange(), &self.exchange)?;
        same("request.founding", pinned.founding(), self.founding)?;
        let asked = self.asked;
        let untimely = |problem: Message| Refusal::malformed("request.asked", problem);
        if asked > now.plus(CLOCK_TOLERANCE) {
            return Err(untimely(msg!(
                "it says that it was made {asked}, and this machine's clock says {now}; set the clock, or ask for a new one",
                asked,
                now
            )));
        }
        let dossier = Dossier::check(pinned, &self.papers, now)?;
        if asked.plus(CLOCK_TOLERANCE) < dossier.logged {
            let logged = dossier.logged;
            return Err(untimely(msg!(
                "it says that it was made {asked}, and holds what was logged {logged}",
                asked,
                logged
            )));
        }
        Ok(dossier)
    }
}

/// A request's file, open.
#[derive(Debug)]
pub struct RequestFile {
    file: File,
    /// Where the annexes begin, in bytes.
    begin: u64,
    /// How long the file is, in bytes.
    length: u64,
    /// What its first line says.
    pub request: Document<Request>,
}

impl RequestFile {
    /// Opens a file, and reads its first line.
    ///
    /// # Errors
    /// A file that cannot be read; [`Refusal::TooLarge`], [`Refusal::Malformed`] for what is no request.
    pub fn open(path: &Path) -> Result<Self, RequestFault> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut line = Vec::new();
        BufReader::new((&file).take(REQUEST_LIMIT as u64 + 1)).read_until(b'\n', &mut line)?;
        if line.len() > REQUEST_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("a request in bytes"), limit: REQUEST_LIMIT as u64 }.into());
        }
        if line.pop() != Some(b'\n') {
            return Err(Refusal::malformed(
                "request",
                msg!("its first line does not end: it was cut, or is some other file"),
            )
            .into());
        }
        let begin = line.len() as u64 + 1;
        Ok(Self { file, begin, length, request: Document::parse(line)? })
    }
    /// Demands that the file is as long as the annexes of this manifest, which it was judged to be of, ask for.
    ///
    /// # Errors
    /// [`RequestFault::Length`].
    pub fn whole(&self, manifest: &Manifest) -> Result<(), RequestFault> {
        let annexes: u64 = if self.request.annexes { manifest.annexes.iter().map(|a| a.size).sum() } else { 0 };
        let (expected, actual) = (self.begin + annexes, self.length);
        if expected == actual { Ok(()) } else { Err(RequestFault::Length { expected, actual }) }
    }
    /// Copies an annex of this manifest out of it, counted from 0; it fails unless the digest is right, and then what was copied is worth
    /// nothing.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if it is not in the file; [`Refusal::WrongDigest`]; what cannot be read or written.
    pub fn annex(&mut self, manifest: &Manifest, n: usize, to: &mut dyn Write) -> Result<(), RequestFault> {
        let annexes: Vec<Part> = manifest.parts().skip(manifest.texts.len()).collect();
        let Some(part) = annexes.get(n).filter(|_| self.request.annexes) else {
            return Err(Refusal::not_found(msg!("annex"), n + 1).into());
        };
        let before: u64 = annexes.iter().take(n).map(|part| part.size).sum();
        self.file.seek(io::SeekFrom::Start(self.begin + before))?;
        let (mut held, mut piece) = (Held::default(), vec![0; PIECE]);
        let mut source = (&self.file).take(part.size);
        loop {
            match source.read(&mut piece)? {
                0 => break,
                n => {
                    let read = piece.get(..n).unwrap_or_default();
                    held.take(read);
                    to.write_all(read)?;
                }
            }
        }
        if held.size() != part.size {
            let what = msg!("an annex of the request");
            return Err(Refusal::WrongSize { what, expected: part.size, actual: held.size() }.into());
        }
        match held.digest() {
            actual if actual == part.sha256 => Ok(()),
            actual => Err(Refusal::WrongDigest { expected: part.sha256, actual }.into()),
        }
    }
}

/// A request that is being written: in place, whole and on the disk once [`Writing::end`] has said so.
#[derive(Debug)]
pub struct Writing {
    file: tempfile::NamedTempFile,
    to: PathBuf,
}

impl Writing {
    /// Begins beside where it goes, readable by its owner alone.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn begin(to: &Path, request: &Document<Request>) -> io::Result<Self> {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        file.write_all(request.bytes())?;
        file.write_all(b"\n")?;
        Ok(Self { file, to: to.to_owned() })
    }
    /// The file, for the annexes: each at its end.
    ///
    /// # Errors
    /// What cannot be opened a second time.
    pub fn annexes(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }
    /// Puts it in place, unless something has come to be there.
    ///
    /// # Errors
    /// A file that is there already, or cannot be written.
    pub fn end(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.to).map(drop).map_err(|e| e.error)
    }
}
