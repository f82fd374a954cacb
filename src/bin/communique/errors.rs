//! Failures: an exit code that scripts can act on, a name, and one sentence that says what to do next.

use std::{
    io::{self, Write as _},
    path::Path,
};

use communique::{
    client::{
        drafting::DraftError,
        importing::ImportFault,
        keys::{agent::AgentFault, backup::WordsFault, keyfile::KeyFileError, token::TokenFault},
        remote::RemoteError,
        witnessing::WitnessError,
    },
    domain::{
        message::{Fact, Message},
        refusal::Refusal,
        text,
    },
    msg,
    pki::issue::IssueFault,
};
use serde_json::json;

use crate::{
    render::Out,
    speech::{self, Said},
};

/// Refused, or failed.
pub const REFUSED: u8 = 1;
/// Wrong arguments or profile (sysexits.h, EX_USAGE).
pub const USAGE: u8 = 64;
/// The exchange cannot be reached (sysexits.h, EX_UNAVAILABLE).
pub const UNREACHABLE: u8 = 69;
/// Whether it happened is not known (sysexits.h, EX_TEMPFAIL).
pub const UNKNOWN: u8 = 75;
/// The exchange contradicts itself, or cannot prove what it says (sysexits.h, EX_PROTOCOL).
pub const CONTRADICTED: u8 = 76;
/// Ended by SIGINT, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// Why a command ends with another code than 0.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    reason: String,
    sentence: Option<Message>,
}

impl Failure {
    fn new(code: u8, reason: &str, sentence: impl Said) -> Self {
        Self { code, reason: reason.into(), sentence: Some(sentence.message()) }
    }
    /// Wrong arguments, or a profile that cannot be used.
    pub fn usage(sentence: impl Said) -> Self {
        Self::new(USAGE, "USAGE", sentence)
    }
    /// It may or may not have been done.
    pub fn unknown(sentence: impl Said) -> Self {
        Self::new(UNKNOWN, "OUTCOME_UNKNOWN", sentence)
    }
    /// It was not done.
    pub fn refused(sentence: impl Said) -> Self {
        Self::new(REFUSED, "REFUSED", sentence)
    }
    /// SIGINT.
    pub fn interrupted() -> Self {
        let sentence =
            msg!("interrupted; what was being sent may have arrived: look with `communique show` before you repeat it");
        Self::new(INTERRUPTED, "INTERRUPTED", sentence)
    }
    /// SIGINT, where it is known what was done.
    pub fn interrupted_while(sentence: impl Said) -> Self {
        Self::new(INTERRUPTED, "INTERRUPTED", sentence)
    }
    /// Whether it was SIGINT.
    pub fn is_interrupted(&self) -> bool {
        self.code == INTERRUPTED
    }
    /// The same, said otherwise.
    pub fn saying(self, sentence: impl Said) -> Self {
        Self { sentence: Some(sentence.message()), ..self }
    }
    /// Everything was said already; only the code is left to give.
    pub fn said(code: u8) -> Self {
        Self { code, reason: String::new(), sentence: None }
    }
    /// A file that could not be read or written.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Self::refused(msg!("{path}: exists already and is not overwritten; choose another name", path))
            }
            io::ErrorKind::Interrupted => Self::interrupted(),
            _ => Self::new(REFUSED, "FILE", msg!("{path}: {error}", path, error)),
        }
    }
    /// The same, with where it happened before it.
    pub fn of(self, what: impl Said) -> Self {
        Self { sentence: self.sentence.map(|sentence| msg!("{what}: {sentence}", what, sentence)), ..self }
    }
    /// The same, with the code that a command has for it.
    pub fn ending_with(self, code: u8) -> Self {
        Self { code, ..self }
    }
    /// What it says, for a report that goes on.
    pub fn sentence(&self) -> Message {
        self.sentence.clone().unwrap_or_else(|| Message::words(""))
    }
    /// Tells it on standard error: one line for people, or one line of JSON.
    pub fn tell(&self, as_json: bool) {
        let Some(sentence) = &self.sentence else { return };
        let mut stderr = io::stderr().lock();
        // Nobody is left to hear it if this fails; the code still says it.
        let _ = if as_json {
            let error = json!({ "exit_code": self.code, "reason": self.reason, "sentence": sentence.to_string() });
            writeln!(stderr, "{}", super::render::json_line(&json!({ "error": error })))
        } else {
            drop(stderr);
            // A sentence may have a list under it, of words of others too.
            let words = |words: &str| words.split('\n').map(text::escape_line).collect::<Vec<_>>().join("\n");
            let sentence = speech::language().say_with(sentence, words);
            let (first, rest) = sentence.split_once('\n').unwrap_or((&sentence, ""));
            let mut out = Out::stderr(false);
            // Which program says it, as it is called in every language.
            out.shown(&format!("communique: {first}"));
            if !rest.is_empty() {
                out.set_off(rest);
            }
            out.end()
        };
    }
}

/// Most characters of a sentence of the exchange's that are shown.
const SENTENCE: usize = 2000;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(REFUSED, refusal.reason(), &refusal)
    }
}
impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::NotKept(_) => Self::new(UNKNOWN, "NOT_KEPT", &error),
            RemoteError::Refused { reason, sentence, request_id } => {
                // The exchange's words: one line, not the whole screen.
                let sentence: String = sentence.chars().take(SENTENCE).collect();
                let sentence = Fact::Said(sentence.replace('\n', " "));
                let said = match request_id {
                    Some(request) => msg!("{sentence} (request {request})", sentence, request),
                    None => msg!("{sentence}", sentence),
                };
                Self::new(REFUSED, &reason, said)
            }
            RemoteError::Unreachable(why) => Self::new(
                UNREACHABLE,
                "UNREACHABLE",
                msg!(
                    "the exchange cannot be reached: {why}; check the profile's address, your network and this machine's clock, then repeat",
                    why
                ),
            ),
            RemoteError::OutcomeUnknown(why) => Self::unknown(msg!(
                "it is not known whether this was stored: {why}; repeat the command: an act is sent again as it was, which is safe",
                why
            )),
            RemoteError::Local(refusal) => {
                Self::from(refusal).of(msg!("what the exchange sent, or what was to be sent, does not hold"))
            }
            RemoteError::Io(error) => Self::new(REFUSED, "FILE", error),
            RemoteError::Contradicted(contradiction) => Self::new(CONTRADICTED, "CONTRADICTED", &*contradiction),
        }
    }
}
impl From<WitnessError> for Failure {
    fn from(error: WitnessError) -> Self {
        match error {
            WitnessError::Remote(error) => error.into(),
            WitnessError::Io(path, error) => Self::file(&path, &error),
            WitnessError::Doubt(doubt) => Self::new(REFUSED, "LOG_LIES", &*doubt),
            other => Self::new(REFUSED, "WITNESS", &other),
        }
    }
}
impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        match &error {
            KeyFileError::Io(path, e) => Self::file(path, e),
            _ => Self::new(REFUSED, "KEY_FILE", &error),
        }
    }
}
impl From<TokenFault> for Failure {
    fn from(error: TokenFault) -> Self {
        match error {
            TokenFault::NoModule => Self::usage(&error),
            other => Self::new(REFUSED, "TOKEN", &other),
        }
    }
}
impl From<AgentFault> for Failure {
    fn from(error: AgentFault) -> Self {
        Self::new(REFUSED, "AGENT", &error)
    }
}
impl From<WordsFault> for Failure {
    fn from(error: WordsFault) -> Self {
        Self::new(REFUSED, "WORDS", &error)
    }
}
impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Refused(refusal) => refusal.into(),
            other => Self::new(REFUSED, "DRAFT", &other),
        }
    }
}
impl From<ImportFault> for Failure {
    fn from(error: ImportFault) -> Self {
        Self::new(REFUSED, "DOCUMENT", &error)
    }
}
impl From<IssueFault> for Failure {
    fn from(error: IssueFault) -> Self {
        match error {
            IssueFault::Refused(refusal) => refusal.into(),
            other => Self::new(REFUSED, "CERTIFICATE", &other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_network_answers_has_a_code_of_its_own() {
        let refused =
            RemoteError::Refused { reason: "NOT_NOW".into(), sentence: "no".into(), request_id: Some("r".into()) };
        for (error, code, reason) in [
            (refused, 1, "NOT_NOW"),
            (RemoteError::Unreachable(Message::words("no route")), 69, "UNREACHABLE"),
            (RemoteError::OutcomeUnknown(Message::words("cut")), 75, "OUTCOME_UNKNOWN"),
            (RemoteError::Local(Refusal::Draining), 1, "DRAINING"),
            (RemoteError::Io(io::ErrorKind::NotFound.into()), 1, "FILE"),
            (RemoteError::NotKept(io::ErrorKind::StorageFull.into()), 75, "NOT_KEPT"),
        ] {
            let failure = Failure::from(error);
            assert_eq!((failure.code, failure.reason.as_str()), (code, reason));
        }
        assert_eq!(Failure::file(Path::new("a"), &io::ErrorKind::Interrupted.into()).code, 130);
    }
}
