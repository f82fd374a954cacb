//! Refusals as `google.rpc.Status`, and what a client makes of one. The only file that builds `tonic::Status`.
//!
//! A status travels in HTTP/2 headers, which peers and proxies bound at 8 to 16 KiB: so its parts are bounded here.
//! What comes back is outside data: whatever is to be shown is escaped and cut first.
//!
//! `grpc-message` and the facts are English, for programs and logs. For people there is a sentence in the language that the caller asked
//! for by `accept-language`.

use std::{collections::BTreeMap, error::Error, fmt, time::Duration};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    domain::{
        message::{Message, Tell as _},
        refusal::{Class, Refusal},
    },
    language::{END_OF_ISOLATE, ISOLATE, Language},
    msg,
};

/// `ErrorInfo.domain` of every refusal of ours.
pub const DOMAIN: &str = "communique";
/// Largest encoded status: `grpc-status`, `grpc-message` and `grpc-status-details-bin`, in bytes of header names and values.
pub const STATUS_LIMIT: usize = 6 << 10;
/// Largest English sentence, in bytes of UTF-8. It travels percent-encoded: up to 3 bytes for each.
pub const SENTENCE_LIMIT: usize = 512;
/// Largest sentence in the caller's language, in bytes of UTF-8: letters of other scripts have two. It travels in base64.
pub const LOCALIZED_LIMIT: usize = 1024;
/// The header by which a caller says in which language sentences are to be.
pub const LANGUAGE: &str = "accept-language";
/// Largest fact, in bytes of UTF-8. No refusal has more than three.
pub const FACT_LIMIT: usize = 256;
/// Largest request id, in bytes of ASCII.
pub const REQUEST_ID_LIMIT: usize = 64;
/// Most facts that a client takes from an answer.
const FACTS_LIMIT: usize = 16;
/// The longest that a client is told to wait; a server that says more is not believed.
const RETRY_LIMIT: Duration = Duration::from_secs(60);
/// The request id's name among the metadata. No fact has it.
const REQUEST_ID: &str = "request_id";

/// The one table from what kind of no it is to the carrier's code.
#[must_use]
pub fn code(class: Class) -> Code {
    match class {
        Class::Unauthenticated => Code::Unauthenticated,
        Class::Denied => Code::PermissionDenied,
        Class::Invalid => Code::InvalidArgument,
        Class::NotFound => Code::NotFound,
        Class::Exists => Code::AlreadyExists,
        Class::Precondition => Code::FailedPrecondition,
        Class::Aborted => Code::Aborted,
        Class::Exhausted => Code::ResourceExhausted,
        Class::Unavailable => Code::Unavailable,
        Class::Internal => Code::Internal,
    }
}

/// When the same request may get another answer: after this, with jitter. `None` where waiting does not help.
#[must_use]
pub fn retry_after(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::Busy { .. } | Refusal::OutcomeUnknown | Refusal::DeadlineExceeded { .. } => {
            Some(Duration::from_secs(1))
        }
        // Another machine takes over, or this one comes back.
        Refusal::Draining => Some(Duration::from_secs(2)),
        _ => None,
    }
}

/// The language that a caller asks for, or English.
#[must_use]
pub fn asked(headers: &http::HeaderMap) -> Language {
    let header = headers.get(LANGUAGE).and_then(|value| value.to_str().ok());
    header.and_then(Language::accepted).unwrap_or_default()
}

/// The status that carries a refusal, with its details, below [`STATUS_LIMIT`], and with its sentence in this language.
#[must_use]
pub fn status(refusal: &Refusal, request_id: &str, language: Language) -> tonic::Status {
    let sentence = cut(&refusal.to_string(), SENTENCE_LIMIT);
    let facts = refusal.facts().into_iter().map(|(name, value)| (name, cut(&value.to_string(), FACT_LIMIT)));
    let metadata = facts
        .chain([(REQUEST_ID, cut(request_id, REQUEST_ID_LIMIT))])
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<std::collections::HashMap<_, _>>();

    let mut details = ErrorDetails::new();
    details.set_error_info(refusal.reason(), DOMAIN, metadata);
    details.set_localized_message(language.tag(), cut(&language.say(&refusal.message()), LOCALIZED_LIMIT));
    if let Some((field, problem)) = violation(refusal) {
        details.add_bad_request_violation(cut(&field, FACT_LIMIT), cut(&problem, FACT_LIMIT));
    }
    match refusal.class() {
        Class::Precondition => {
            details.add_precondition_failure_violation(refusal.reason(), "", cut(&sentence, FACT_LIMIT));
        }
        Class::NotFound | Class::Exists => {
            let (what, name) = resource(refusal);
            details.set_resource_info(cut(&what, FACT_LIMIT), cut(&name, FACT_LIMIT), "", "");
        }
        Class::Unavailable => {
            if let Some(delay) = retry_after(refusal) {
                details.set_retry_info(Some(delay));
            }
        }
        _ => {}
    }
    tonic::Status::with_error_details(code(refusal.class()), sentence, details)
}

/// Puts what tonic itself refuses into the contract's words: a message that does not decode is malformed, one over
/// [`super::REQUEST_LIMIT`] too large. tonic calls the first one internal, which a client must take for an unknown outcome.
///
/// Refusals of ours have details and pass as they are; so does every other answer.
#[must_use]
pub fn in_our_words<B: Default>(
    response: http::Response<B>,
    request_id: impl FnOnce() -> String,
    language: Language,
) -> http::Response<B> {
    let Some(theirs) = tonic::Status::from_header_map(response.headers()).filter(|s| s.details().is_empty()) else {
        return response;
    };
    let refusal = match theirs.code() {
        Code::Internal => Refusal::malformed(msg!("request"), Message::words(theirs.message())),
        Code::OutOfRange => {
            Refusal::TooLarge { what: msg!("the request message in bytes"), limit: super::REQUEST_LIMIT as u64 }
        }
        _ => return response,
    };
    status(&refusal, &request_id(), language).into_http()
}

/// Which field of the request is wrong, and how.
fn violation(refusal: &Refusal) -> Option<(String, String)> {
    match refusal {
        Refusal::Malformed { field, problem } => Some((field.to_string(), problem.to_string())),
        Refusal::TooLarge { what, limit } => Some((what.to_string(), format!("is over the limit of {limit}"))),
        Refusal::TextRules { lang, faults } => Some((format!("texts.{lang}"), faults.to_string())),
        _ => None,
    }
}

/// What is not there, or is another's: its kind and its name.
fn resource(refusal: &Refusal) -> (String, String) {
    match refusal {
        Refusal::NotFound { what, name } => (what.to_string(), name.clone()),
        Refusal::UnknownParty { party } => ("party".into(), party.to_string()),
        Refusal::SeatTaken { holder } => ("seat".into(), holder.to_string()),
        other => (String::new(), other.facts().first().map(|(_, value)| value.to_string()).unwrap_or_default()),
    }
}

/// At most so many bytes, ending in … if there was more.
fn cut(s: &str, limit: usize) -> String {
    const MORE: &str = "…";
    if s.len() <= limit {
        return s.to_owned();
    }
    format!("{}{MORE}", &s[..s.floor_char_boundary(limit - MORE.len())])
}

/// Outside data made fit for a terminal or a log: controls, bidi controls and invisible characters escaped, then cut.
fn shown(s: &str, limit: usize) -> String {
    let mut out = String::new();
    // The input is cut first, so that escaping is never asked to do much.
    for c in cut(s, limit).chars() {
        if c.is_control() || invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    cut(&out, limit)
}

/// The same of a sentence in which what runs the other way is set off: its isolates stand, one at a time, and each ends.
fn shown_with_isolates(s: &str, limit: usize) -> String {
    let room = limit - END_OF_ISOLATE.len_utf8();
    let mut out = String::new();
    for run in cut(s, room).split_inclusive([ISOLATE, END_OF_ISOLATE]) {
        let within = out.matches(ISOLATE).count() > out.matches(END_OF_ISOLATE).count();
        let ends = if within { END_OF_ISOLATE } else { ISOLATE };
        match run.strip_suffix(ends) {
            Some(inner) => {
                out.push_str(&shown(inner, limit));
                out.push(ends);
            }
            None => out.push_str(&shown(run, limit)),
        }
    }
    let mut out = cut(&out, room);
    if out.matches(ISOLATE).count() > out.matches(END_OF_ISOLATE).count() {
        out.push(END_OF_ISOLATE);
    }
    out
}

/// Characters that show as nothing, or change how others show.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Where a status carries its details.
const DETAILS: &str = "grpc-status-details-bin";
/// Base64 as tonic reads it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn has_broken_details(headers: &http::HeaderMap) -> bool {
    headers.get(DETAILS).is_some_and(|details| LENIENT.decode(details).is_err())
}

/// Asks for sentences in this language in the head of a request. In the head or the trailers of its answer it notes what was asked:
/// whatever the other side says there is dropped.
pub fn note_asked(headers: &mut http::HeaderMap, language: Language) {
    headers.insert(LANGUAGE, http::HeaderValue::from_static(language.tag()));
}

/// Takes a status's details out of the head or the trailers of an answer if they are not base64: tonic (0.14) panics over them, and
/// whoever answers could end the program.
pub fn drop_broken_details(headers: &mut http::HeaderMap) {
    if has_broken_details(headers) {
        headers.remove(DETAILS);
    }
}

/// What a client makes of a status: the exchange's refusal, or a failure on the way. Safe to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The carrier's code.
    pub code: Code,
    /// The refusal's name in [`Refusal::TABLE`]; `None` for a failure on the way, or a name that this program does not know.
    pub reason: Option<&'static str>,
    /// What to tell people, escaped: in the language that was asked for, if it was answered in it; at most [`LOCALIZED_LIMIT`] bytes.
    /// Isolates of what runs the other way stand.
    pub sentence: String,
    /// The refusal's facts by name, escaped.
    pub facts: BTreeMap<String, String>,
    /// The exchange's name for this request, to be quoted to its operator.
    pub request_id: Option<String>,
    /// How long to wait before the same request may get another answer, if waiting helps; without jitter.
    pub retry_after: Option<Duration>,
    unsent: bool,
}

impl Answer {
    /// Whether it is not known what became of a request that writes. The same bytes may be sent again.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self.reason {
            Some(reason) => matches!(reason, "OUTCOME_UNKNOWN" | "DEADLINE_EXCEEDED"),
            None => {
                !self.unsent
                    && matches!(
                        self.code,
                        Code::Unavailable
                            | Code::Unknown
                            | Code::Cancelled
                            | Code::DeadlineExceeded
                            | Code::Internal
                            | Code::DataLoss
                    )
            }
        }
    }
    /// Whether no connection came about: nothing was sent, so nothing was done.
    #[must_use]
    pub fn unreachable(&self) -> bool {
        self.unsent
    }
    /// Whether to try again, with jitter and a budget: only where waiting may help.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.code == Code::Unavailable && (self.reason.is_none() || self.retry_after.is_some())
    }

    /// What the head of a response refuses, if it does: a call that fails before its first message says so there.
    #[must_use]
    pub fn of_head(headers: &http::HeaderMap) -> Option<Self> {
        let status = if has_broken_details(headers) {
            let mut headers = headers.clone();
            drop_broken_details(&mut headers);
            tonic::Status::from_header_map(&headers)?
        } else {
            tonic::Status::from_header_map(headers)?
        };
        (status.code() != Code::Ok).then(|| Self::from(&status))
    }
    /// Whether an error says that no connection came about: nothing was sent, so nothing was done.
    #[must_use]
    pub fn is_unsent(error: &(dyn Error + 'static)) -> bool {
        std::iter::successors(Some(error), |&e| e.source()).any(<dyn Error>::is::<tonic::ConnectError>)
    }
    /// A connection that did not come about.
    #[must_use]
    pub fn unconnected(error: &tonic::transport::Error) -> Self {
        Self {
            code: Code::Unavailable,
            reason: None,
            sentence: shown(&causes(error), SENTENCE_LIMIT),
            facts: BTreeMap::new(),
            request_id: None,
            retry_after: None,
            unsent: true,
        }
    }
}

impl From<&tonic::Status> for Answer {
    fn from(status: &tonic::Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        // A known name under a code that is not its own is not a refusal of ours.
        let reason = info.and_then(|info| {
            Refusal::TABLE
                .iter()
                .find(|(name, class)| *name == info.reason && code(*class) == status.code())
                .map(|(name, _)| *name)
        });
        let source = status.source();
        let unsent = reason.is_none() && source.is_some_and(Self::is_unsent);
        let asked = status.metadata().get(LANGUAGE).and_then(|tag| tag.to_str().ok());
        let localized = details.localized_message().filter(|m| reason.is_some() && asked == Some(&*m.locale));
        let sentence = match (source, localized) {
            (_, Some(localized)) => shown_with_isolates(&localized.message, LOCALIZED_LIMIT),
            // tonic's own message is often a mere 'transport error'.
            (Some(source), _) if reason.is_none() => shown(&causes(source), SENTENCE_LIMIT),
            _ if status.message().is_empty() => shown(&status.code().to_string(), SENTENCE_LIMIT),
            _ => shown(status.message(), SENTENCE_LIMIT),
        };
        // The server's map has no order; ours has, so that what is cut is always the same.
        let metadata: BTreeMap<_, _> = info.map(|info| info.metadata.iter().collect()).unwrap_or_default();
        Self {
            code: status.code(),
            reason,
            sentence,
            facts: metadata
                .iter()
                .filter(|(name, _)| name.as_str() != REQUEST_ID)
                .take(FACTS_LIMIT)
                .map(|(name, value)| (shown(name, FACT_LIMIT), shown(value, FACT_LIMIT)))
                .collect(),
            request_id: metadata.get(&REQUEST_ID.to_owned()).map(|id| shown(id, REQUEST_ID_LIMIT)),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay).map(|delay| delay.min(RETRY_LIMIT)),
            unsent,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
impl Error for Answer {}

/// An error and its causes, each said once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |&e| e.source()).map(ToString::to_string) {
        if !said.iter().any(|s| s.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::{CommuniqueId, Digest, PartyId},
        time::Time,
    };

    fn status(refusal: &Refusal, request_id: &str) -> tonic::Status {
        super::status(refusal, request_id, Language::English)
    }

    /// One of each, with this for every free string.
    fn samples(s: &str) -> Vec<Refusal> {
        let party = |p: &str| PartyId::parse(p).unwrap();
        let (w, s, time, digest) =
            (|| s.to_owned(), || Message::words(s), Time::from_unix(1_750_000_000), Digest::of(b"sample"));
        vec![
            Refusal::IdentityUnknown,
            Refusal::NotPermitted { role: s(), method: w() },
            Refusal::NotYourParty { signed: party("north"), caller: party("south") },
            Refusal::Malformed { field: s(), problem: s() },
            Refusal::TooLarge { what: s(), limit: 7 },
            Refusal::TextRules { lang: w(), faults: s() },
            Refusal::WrongDigest { expected: digest, actual: Digest::of(b"") },
            Refusal::WrongSize { what: s(), expected: 1, actual: 2 },
            Refusal::WrongOffset { offset: 1, held: 2 },
            Refusal::SignatureInvalid { statement: s() },
            Refusal::NotSigned { statement: s(), problem: s() },
            Refusal::KeyRefused { problem: s() },
            Refusal::SuiteUnknown { suite: w() },
            Refusal::Disagrees { member: w(), expected: s(), actual: s() },
            Refusal::NotFound { what: s(), name: w() },
            Refusal::UnknownParty { party: party("north") },
            Refusal::UnknownGrant { grant: digest },
            Refusal::ContentMissing { digest },
            Refusal::AlreadyExists { what: s() },
            Refusal::NotNow { act: s(), state: s(), advice: s() },
            Refusal::NotYourAct { act: s(), whose: s() },
            Refusal::StaleRevision { revision: 1, newest: 2 },
            Refusal::SeatTaken { holder: s() },
            Refusal::GrantForbids { problem: s() },
            Refusal::TimeOutOfBounds { time, earliest: time, latest: time },
            Refusal::DeadlinePassed { deadline: time },
            Refusal::Embargoed { until: time },
            Refusal::NotPublished { communique: CommuniqueId::new(1_750_000_000_000, &[7; 10]) },
            Refusal::Succession { problem: s() },
            Refusal::Purged { communique: CommuniqueId::new(1, &[9; 10]) },
            Refusal::StaleSerial { serial: 1, newest: 2 },
            Refusal::LimitReached { what: s(), limit: 7 },
            Refusal::SlowReader { next_index: 7 },
            Refusal::Busy { what: s() },
            Refusal::Draining,
            Refusal::ClockSuspect { last: time, now: time },
            Refusal::KeyMissing { role: s(), key: w() },
            Refusal::OutcomeUnknown,
            Refusal::StoreFull,
            Refusal::StoreFailed,
            Refusal::DeadlineExceeded { seconds: 30 },
            Refusal::Inconsistent { what: s() },
            Refusal::LogInDoubt { why: s() },
        ]
    }

    fn headers(status: &tonic::Status) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers
    }
    /// What a client gets after the status has been headers.
    fn answer(status: &tonic::Status) -> Answer {
        Answer::from(&tonic::Status::from_header_map(&headers(status)).unwrap())
    }

    #[test]
    fn every_refusal_comes_back() {
        let samples = samples("sample");
        assert_eq!(
            samples.iter().map(Refusal::reason).collect::<Vec<_>>(),
            Refusal::TABLE.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "a refusal has no sample here"
        );
        for refusal in samples {
            let answer = answer(&status(&refusal, "0123abc"));
            assert_eq!(answer.code, code(refusal.class()));
            assert_eq!(answer.reason, Some(refusal.reason()));
            assert_eq!(answer.sentence, refusal.to_string());
            assert_eq!(answer.request_id.as_deref(), Some("0123abc"));
            assert!(!answer.unreachable());
            let facts: BTreeMap<_, _> =
                refusal.facts().into_iter().map(|(n, v)| (n.to_owned(), v.to_string())).collect();
            assert_eq!(answer.facts, facts, "{refusal:?}");
            assert!(!facts.contains_key(REQUEST_ID));
            assert_eq!(answer.retry_after, retry_after(&refusal));
            assert_eq!(answer.retryable(), retry_after(&refusal).is_some(), "{refusal:?}");
        }
    }

    #[test]
    fn every_class_has_a_code_of_its_own() {
        let mut codes: Vec<_> = Refusal::TABLE.iter().map(|(_, class)| (code(*class) as i32, *class)).collect();
        codes.sort_by_key(|(code, _)| *code);
        codes.dedup();
        assert_eq!(codes.len(), 10);
        codes.dedup_by_key(|(code, _)| *code);
        assert_eq!(codes.len(), 10);
        assert!(codes.iter().all(|(code, _)| *code != Code::Ok as i32 && *code != Code::Unknown as i32));
    }

    #[test]
    fn details_say_what_programs_ask() {
        let details = |refusal| status(&refusal, "").get_error_details();
        let bad = details(Refusal::malformed("manifest.parties", Message::words("must be sorted")));
        let violations = &bad.bad_request().unwrap().field_violations;
        assert_eq!((&*violations[0].field, &*violations[0].description), ("manifest.parties", "must be sorted"));
        for refusal in samples("sample") {
            let (class, details) = (refusal.class(), details(refusal.clone()));
            assert_eq!(details.precondition_failure().is_some(), class == Class::Precondition, "{refusal:?}");
            assert_eq!(
                details.resource_info().is_some(),
                matches!(class, Class::NotFound | Class::Exists),
                "{refusal:?}"
            );
            assert_eq!(
                details.bad_request().is_some(),
                matches!(refusal, Refusal::Malformed { .. } | Refusal::TooLarge { .. } | Refusal::TextRules { .. }),
                "{refusal:?}"
            );
            assert_eq!(details.localized_message().map(|m| &*m.locale), Some("en"));
        }
    }

    #[test]
    fn the_largest_status_fits_headers() {
        for filler in ["x", "é", "\u{1}", "\u{1f600}", "%", "\u{202e}", "\n", "ж", "ش", "\u{2068}"] {
            for (refusal, language) in
                samples(&filler.repeat(100_000)).iter().flat_map(|r| Language::ALL.map(|language| (r, language)))
            {
                let size: usize = headers(&super::status(refusal, &filler.repeat(1000), language))
                    .iter()
                    .map(|(n, v)| n.as_str().len() + v.len())
                    .sum();
                assert!(size < STATUS_LIMIT, "{} takes {size} bytes with {filler:?}", refusal.reason());
            }
        }
    }

    /// No sentence of ours is cut in any language, but for what others wrote into it.
    #[test]
    fn whole_sentences_fit() {
        for refusal in samples("a name of a usual length, or the words of a problem") {
            assert!(refusal.to_string().len() < SENTENCE_LIMIT, "{refusal}");
            for language in Language::ALL {
                let said = language.say(&refusal.message());
                assert!(said.len() < LOCALIZED_LIMIT, "{} bytes: {said}", said.len());
                let mut status = super::status(&refusal, "a-request", language);
                assert_eq!(status.get_error_details().localized_message().unwrap().message, said);
                assert_eq!(status.message(), refusal.to_string());
                // Believed in the language that was asked for, and in no other.
                assert_eq!(Answer::from(&status).sentence, refusal.to_string());
                status.metadata_mut().insert(LANGUAGE, language.tag().parse().unwrap());
                assert_eq!(Answer::from(&status).sentence, said);
                status.metadata_mut().insert(LANGUAGE, "de".parse().unwrap());
                assert_eq!(Answer::from(&status).sentence, refusal.to_string());
            }
        }
    }

    #[test]
    fn isolates_stand_one_at_a_time_and_end() {
        let (open, close) = (ISOLATE, END_OF_ISOLATE);
        for (said, heard) in [
            (format!("a {open}b{close} c"), format!("a {open}b{close} c")),
            (format!("a {open}b"), format!("a {open}b{close}")),
            (format!("a {close}b"), "a \\u{2069}b".to_owned()),
            (format!("{open}{open}a{close}{close}"), format!("{open}\\u{{2068}}a{close}\\u{{2069}}")),
            ("\u{2067}a\u{202e}".to_owned(), "\\u{2067}a\\u{202e}".to_owned()),
        ] {
            assert_eq!(shown_with_isolates(&said, 100), heard);
        }
        for hostile in
            [format!("{open}x{close}").repeat(10_000), "\u{1}".repeat(10_000), open.to_string().repeat(10_000)]
        {
            let heard = shown_with_isolates(&hostile, LOCALIZED_LIMIT);
            assert!(heard.len() <= LOCALIZED_LIMIT, "{}", heard.len());
            assert_eq!(heard.matches(open).count(), heard.matches(close).count());
        }
    }

    #[test]
    fn a_caller_is_answered_in_the_language_that_is_asked_for() {
        let of = |header: &[u8]| {
            let mut headers = http::HeaderMap::new();
            headers.insert(LANGUAGE, http::HeaderValue::from_bytes(header).unwrap());
            asked(&headers)
        };
        assert_eq!(asked(&http::HeaderMap::new()), Language::English);
        for (header, language) in [
            (&b"fr-CA, en;q=0.2"[..], Language::French),
            (b"de, ru;q=0.5", Language::Russian),
            (b"ar", Language::Arabic),
            (b"xx", Language::English),
            (b";;q=,", Language::English),
            (b"\xff\xfe", Language::English),
            (b"", Language::English),
        ] {
            assert_eq!(of(header), language, "{header:?}");
        }
        assert_eq!(of("de,".repeat(40_000).as_bytes()), Language::English);
    }

    #[test]
    fn nothing_from_a_server_reaches_a_terminal_raw() {
        let hostile = "\u{1b}[2J\r\n\u{9b}31m\u{202e}txet\u{200b}\u{e0041}\u{7f}é";
        let refusal = Refusal::malformed(hostile, Message::words(hostile));
        let answer = answer(&status(&refusal, hostile));
        assert!(answer.sentence.contains('é') && answer.sentence.contains("\\u{1b}"), "{answer}");
        for text in answer.facts.values().chain([&answer.sentence]).chain(answer.request_id.as_ref()) {
            assert!(!text.chars().any(|c| c.is_control() || invisible(c)), "{text:?}");
        }
        let mut foreign = ErrorDetails::with_error_info(
            "NOT_NOW",
            DOMAIN,
            (0..1000).map(|n| (format!("{n}\n"), "\u{7}".repeat(1000))).collect::<std::collections::HashMap<_, _>>(),
        );
        foreign.set_retry_info(Some(Duration::from_secs(1 << 40)));
        let answer =
            Answer::from(&tonic::Status::with_error_details(Code::FailedPrecondition, "x".repeat(100_000), foreign));
        assert_eq!(answer.reason, Some("NOT_NOW"));
        assert_eq!(answer.facts.len(), FACTS_LIMIT);
        assert!(answer.facts.iter().all(|(n, v)| v.len() <= FACT_LIMIT && !n.contains('\n')));
        assert_eq!(answer.sentence.len(), SENTENCE_LIMIT);
        assert_eq!(answer.retry_after, Some(RETRY_LIMIT));
    }

    #[test]
    fn details_that_are_not_base64_are_left_out() {
        let mut head = headers(&status(&Refusal::Draining, "a-request"));
        assert_eq!(Answer::of_head(&head).unwrap().reason, Some("DRAINING"));
        for broken in ["-", "zh-Han", "A", "AB", "=", "AAA=A"] {
            head.insert(DETAILS, broken.parse().unwrap());
            let answer = Answer::of_head(&head).unwrap();
            assert_eq!((answer.code, answer.reason), (Code::Unavailable, None), "{broken}");
            drop_broken_details(&mut head);
            assert!(!head.contains_key(DETAILS), "{broken}");
        }
        for good in ["", "AA", "AA==", "AAA="] {
            head.insert(DETAILS, good.parse().unwrap());
            drop_broken_details(&mut head);
            assert!(head.contains_key(DETAILS), "{good}");
            assert!(Answer::of_head(&head).is_some());
        }
    }

    #[test]
    fn what_the_carrier_refuses_is_a_refusal_of_ours() {
        let heard = |theirs: tonic::Status| {
            let response = in_our_words::<()>(theirs.into_http(), || "r-1".to_owned(), Language::French);
            let answer = Answer::from(&tonic::Status::from_header_map(response.headers()).unwrap());
            (answer.reason, answer.code, answer.outcome_unknown())
        };
        let theirs = |code| heard(tonic::Status::new(code, "in the carrier's words"));
        assert_eq!(theirs(Code::Internal), (Some("MALFORMED"), Code::InvalidArgument, false));
        assert_eq!(theirs(Code::OutOfRange), (Some("TOO_LARGE"), Code::InvalidArgument, false));
        assert_eq!(theirs(Code::Unimplemented), (None, Code::Unimplemented, false));
        let ours = heard(status(&Refusal::Inconsistent { what: Message::words("sample") }, ""));
        assert_eq!(ours, (Some("INCONSISTENT"), Code::Internal, false));
        let served = in_our_words(http::Response::new(7), String::new, Language::English);
        assert_eq!((served.status(), *served.body(), served.headers().len()), (http::StatusCode::OK, 7, 0));
    }

    #[test]
    fn foreign_statuses_are_no_refusals() {
        let info = |reason: &str, domain: &str, code| {
            let details =
                ErrorDetails::with_error_info(reason, domain, std::collections::HashMap::<String, String>::new());
            answer(&tonic::Status::with_error_details(code, "", details)).reason
        };
        assert_eq!(info("NOT_NOW", DOMAIN, Code::FailedPrecondition), Some("NOT_NOW"));
        assert_eq!(info("NOT_NOW", "example.com", Code::FailedPrecondition), None);
        assert_eq!(info("NOT_NOW", DOMAIN, Code::Internal), None);
        assert_eq!(info("SOMETHING_NEW", DOMAIN, Code::FailedPrecondition), None);
        let broken = tonic::Status::with_details(Code::Aborted, "", bytes::Bytes::from_static(b"\xff\xff\xff"));
        assert_eq!(answer(&broken).reason, None);
        assert_eq!(answer(&broken).sentence, Code::Aborted.to_string());
    }

    #[test]
    fn what_became_of_a_request() {
        let connect = tonic::Status::from_error(Box::new(tonic::ConnectError("refused\u{1b}".into())));
        let connect = Answer::from(&connect);
        assert!(connect.unreachable() && connect.retryable() && !connect.outcome_unknown());
        assert_eq!(connect.sentence, "refused\\u{1b}");
        for (code, unknown, retryable) in [
            (Code::Unavailable, true, true),
            (Code::Unknown, true, false),
            (Code::Cancelled, true, false),
            (Code::DeadlineExceeded, true, false),
            (Code::Internal, true, false),
            (Code::Unimplemented, false, false),
            (Code::PermissionDenied, false, false),
            (Code::ResourceExhausted, false, false),
        ] {
            let answer = Answer::from(&tonic::Status::new(code, "on the way"));
            assert_eq!((answer.outcome_unknown(), answer.retryable()), (unknown, retryable), "{code:?}");
            assert!(!answer.unreachable());
        }
        for refusal in samples("sample") {
            let unknown = matches!(refusal, Refusal::OutcomeUnknown | Refusal::DeadlineExceeded { .. });
            assert_eq!(answer(&status(&refusal, "")).outcome_unknown(), unknown, "{refusal:?}");
        }
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_unreachable() {
        use crate::wire::v1::{GetCharterRequest, charter_service_client::CharterServiceClient};
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        let connect = Answer::unconnected(&endpoint.connect().await.unwrap_err());
        let call = CharterServiceClient::new(endpoint.connect_lazy()).get_charter(GetCharterRequest::default()).await;
        let call = Answer::from(&call.unwrap_err());
        for answer in [connect, call] {
            assert!(answer.unreachable() && answer.retryable() && !answer.outcome_unknown(), "{answer:?}");
            assert!(answer.sentence.contains("refused"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
        use crate::wire::v1::{SubmitActRequest, communique_service_client::CommuniqueServiceClient};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (server, call) = tokio::join!(
            async {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 10]).await
            },
            async {
                let endpoint = tonic::transport::Endpoint::from_shared(endpoint).unwrap();
                CommuniqueServiceClient::new(endpoint.connect_lazy()).submit_act(SubmitActRequest::default()).await
            }
        );
        let answer = Answer::from(&call.unwrap_err());
        assert!(server.unwrap() > 0 && answer.outcome_unknown() && !answer.unreachable(), "{answer:?}");
        assert_ne!(answer.sentence, "transport error", "a sentence that says nothing");
    }
}
