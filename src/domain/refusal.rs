//! Every reason we say no, in one closed table: the sentence for people, the name for programs, the class for carriers.

use std::fmt;

use super::{
    id::{CommuniqueId, Digest, PartyId},
    message::{Fact, Message, Tell, names},
    time::Time,
};

/// What kind of no it is. Carriers map it to their own codes; it says what a caller can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Class {
    /// The caller is nobody that we know.
    Unauthenticated,
    /// The caller is known and may not do this.
    Denied,
    /// The request is wrong whatever the state is.
    Invalid,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// The name is taken by something else.
    Exists,
    /// Right in form, but not now.
    Precondition,
    /// Somebody was quicker: read again and decide again.
    Aborted,
    /// A written limit is reached.
    Exhausted,
    /// Try again later.
    Unavailable,
    /// Our fault.
    Internal,
}

/// Declares the table: variant, its fields, class, name, sentence.
macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $variant:ident $({ $($field:ident : $ty:ty),+ $(,)? })? = $class:ident $name:literal $sentence:literal;)+) => {
        /// A refusal: why, and what to do next.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Refusal {
            $($(#[doc = $doc])* $variant $({ $(#[allow(missing_docs)] $field: $ty),+ })?,)+
        }
        $(const _: () = names($sentence, &[$($(stringify!($field)),+)?], true);)+

        impl Refusal {
            /// The refusal's name for programs: stable, `UPPER_SNAKE`.
            #[must_use]
            pub fn reason(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)+ }
            }
            /// What kind of no it is.
            #[must_use]
            pub fn class(&self) -> Class {
                match self { $(Self::$variant { .. } => Class::$class,)+ }
            }
            /// The facts of this refusal by name, as the sentence uses them.
            #[must_use]
            pub fn facts(&self) -> Vec<(&'static str, Fact)> {
                match self { $(Self::$variant $({ $($field),+ })? => vec![$($((stringify!($field), $field.tell())),+)?],)+ }
            }
            /// The English sentence, with the names of the facts.
            fn sentence(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $sentence,)+ }
            }
            /// Every name with its class, in the table's order.
            pub const TABLE: &'static [(&'static str, Class)] = &[$(($name, Class::$class)),+];
        }
    };
}

refusals! {
    // Who calls.
    /// The connection carries no identity that the charter knows.
    IdentityUnknown = Unauthenticated "IDENTITY_UNKNOWN"
        "the certificate names nobody that the charter in force knows; ask your authority for one of your party's CA";
    /// The role may not call the method.
    NotPermitted { role: Message, method: String } = Denied "NOT_PERMITTED"
        "a certificate of role {role} may not call {method}; use one of a role that may";
    /// Who signed and who called are of different parties.
    NotYourParty { signed: PartyId, caller: PartyId } = Denied "NOT_YOUR_PARTY"
        "the statement is signed for {signed}, but the certificate is of {caller}; send it with a certificate of {signed}";

    // Form.
    /// Bytes that do not parse as what they should be.
    Malformed { field: Message, problem: Message } = Invalid "MALFORMED"
        "{field}: {problem}";
    /// Over a written limit of size or number.
    TooLarge { what: Message, limit: u64 } = Invalid "TOO_LARGE"
        "{what} is over the limit of {limit}";
    /// A text breaks the text rules.
    TextRules { lang: String, faults: Message } = Invalid "TEXT_RULES"
        "the text {lang} breaks the rules of text.v1: {faults}; `communique text clean` mends what can be mended";
    /// What came is not what its digest says.
    WrongDigest { expected: Digest, actual: Digest } = Invalid "WRONG_DIGEST"
        "the bytes have digest {actual}, not {expected}; send the file again, or name the right digest";
    /// A size differs from the one that was announced.
    WrongSize { what: Message, expected: u64, actual: u64 } = Invalid "WRONG_SIZE"
        "{what} has {actual} bytes, not the {expected} that were announced";
    /// An upload that goes on from elsewhere than where the bytes held end.
    WrongOffset { offset: u64, held: u64 } = Aborted "WRONG_OFFSET"
        "the upload cannot go on from byte {offset}: {held} bytes of it are held; go on from byte {held}, or begin again from 0";
    /// The statement is not by the key that it must be by.
    SignatureInvalid { statement: Message } = Invalid "SIGNATURE_INVALID"
        "the signature of this {statement} does not verify under the key that must have made it; sign with that key";
    /// The key did not sign: a token, an agent or a file failed.
    NotSigned { statement: Message, problem: Message } = Internal "NOT_SIGNED"
        "this {statement} is not signed: {problem}";
    /// The public key is not one that every implementation treats alike.
    KeyRefused { problem: Message } = Invalid "KEY_REFUSED"
        "the key cannot be enrolled: {problem}; make a new one with `communique key new`";
    /// The suite is not one that this program can judge.
    SuiteUnknown { suite: String } = Invalid "SUITE_UNKNOWN"
        "the charter asks for the signature suite “{suite}”, which this program cannot judge; use a newer one";
    /// Members of an act disagree with what they speak of.
    Disagrees { member: String, expected: Message, actual: Message } = Invalid "DISAGREES"
        "{member} is {actual}, but must be {expected} here; make the act again from what the exchange shows now";

    // Existence.
    /// No such thing for this caller: unknown and foreign answer alike.
    NotFound { what: Message, name: String } = NotFound "NOT_FOUND"
        "there is no {what} {name} that you may see";
    /// A party that the charter in force does not list.
    UnknownParty { party: PartyId } = NotFound "UNKNOWN_PARTY"
        "the charter in force lists no party {party}; see `communique charter show`";
    /// No grant of this digest by this party.
    UnknownGrant { grant: Digest } = Precondition "UNKNOWN_GRANT"
        "no full powers {grant} of this party are in the log; see `communique powers list`";
    /// A manifest names content that the caller has not uploaded.
    ContentMissing { digest: Digest } = Precondition "CONTENT_MISSING"
        "content {digest} is not there; upload it first for this communiqué";
    /// The id is taken by something else.
    AlreadyExists { what: Message } = Exists "ALREADY_EXISTS"
        "{what} exists already and is another; choose a new one, or read the one that is there";

    // State.
    /// The life of the communiqué does not allow this act now.
    NotNow { act: Message, state: Message, advice: Message } = Precondition "NOT_NOW"
        "{act} is not allowed while the communiqué is {state}; {advice}";
    /// The act is not this party's.
    NotYourAct { act: Message, whose: Message } = Denied "NOT_YOUR_ACT"
        "{act} is the act of {whose}";
    /// The revision is not the newest.
    StaleRevision { revision: u64, newest: u64 } = Aborted "STALE_REVISION"
        "revision {revision} is not the newest; revision {newest} is: read it, then act on it";
    /// One holder, one seat.
    SeatTaken { holder: Message } = Exists "SEAT_TAKEN"
        "{holder} has done this already; one person never fills two seats, whatever keys he or she has";
    /// The grant does not allow the act.
    GrantForbids { problem: Message } = Denied "GRANT_FORBIDS"
        "the full powers named do not cover this: {problem}; ask your authority for a grant that does";
    /// The time that the act claims is out of bounds.
    TimeOutOfBounds { time: Time, earliest: Time, latest: Time } = Invalid "TIME_OUT_OF_BOUNDS"
        "the act says {time}, but must lie between {earliest} and {latest}; set the machine's clock and sign again";
    /// The manifest's deadline has passed.
    DeadlinePassed { deadline: Time } = Precondition "DEADLINE_PASSED"
        "the deadline was {deadline}; it can no longer be signed";
    /// The manifest's embargo stands.
    Embargoed { until: Time } = Precondition "EMBARGOED"
        "the parties agreed an embargo until {until}; publish then";
    /// Not published yet.
    NotPublished { communique: CommuniqueId } = Precondition "NOT_PUBLISHED"
        "{communique} is not published; `communique publish` asks for it once it is complete";
    /// The succession of charters does not allow it.
    Succession { problem: Message } = Precondition "SUCCESSION"
        "this charter cannot be proposed or adopted: {problem}; see `communique charter list`";
    /// The texts were erased at the parties' request.
    Purged { communique: CommuniqueId } = Precondition "PURGED"
        "the texts and annexes of {communique} were erased as all its parties asked; digests and acts remain";
    /// A serial that does not rise.
    StaleSerial { serial: u64, newest: u64 } = Aborted "STALE_SERIAL"
        "serial {serial} is not above {newest}, the newest in force; sign with the next one";

    // The exchange's own.
    /// A bound on how much one thing may gather.
    LimitReached { what: Message, limit: u64 } = Exhausted "LIMIT_REACHED"
        "the limit of {limit} {what} is reached";
    /// A stream's reader takes less than there is to send.
    SlowReader { next_index: u64 } = Exhausted "SLOW_READER"
        "events came faster than they were read; watch again from index {next_index}, from which none was sent";
    /// Too many at once.
    Busy { what: Message } = Unavailable "BUSY"
        "{what}; try again in a moment";
    /// The exchange is going down.
    Draining = Unavailable "DRAINING"
        "the exchange is shutting down; try again in a moment";
    /// The exchange's clock is behind its log, or has leapt.
    ClockSuspect { last: Time, now: Time } = Unavailable "CLOCK_SUSPECT"
        "the exchange's clock shows {now} where {last} or a little later was to be expected; nothing is written until its operator has \
         seen to it";
    /// A key that the charter gives the exchange is not there.
    KeyMissing { role: Message, key: String } = Unavailable "KEY_MISSING"
        "the exchange does not hold the {role} key {key} that the charter names; its operator must configure it";
    /// A commit whose fate is not known.
    OutcomeUnknown = Unavailable "OUTCOME_UNKNOWN"
        "it is not known whether this was stored; send the same bytes again, which is safe";
    /// The store has no room left for what is to be written.
    StoreFull = Exhausted "STORE_FULL"
        "the exchange's disk is full; nothing was stored; once its operator has made room, send the same bytes again";
    /// The store refuses writes or cannot be read.
    StoreFailed = Unavailable "STORE_FAILED"
        "the exchange cannot use its store; nothing was stored; its operator finds the reason in the log";
    /// The request took longer than it may.
    DeadlineExceeded { seconds: u64 } = Unavailable "DEADLINE_EXCEEDED"
        "the request took longer than {seconds} s; ask again with the same bytes, which is safe";
    /// What is stored contradicts itself.
    Inconsistent { what: Message } = Internal "INCONSISTENT"
        "the exchange found its own records inconsistent ({what}) and stops; its operator must look";
    /// What is stored does not continue what was signed of it: nothing more is written.
    LogInDoubt { why: Message } = Internal "LOG_IN_DOUBT"
        "the exchange writes nothing more, since its log is in doubt ({why}); keep what you sent and every receipt, and ask its operator";
}

impl Tell for Refusal {
    fn tell(&self) -> Fact {
        Message::new(self.sentence(), self.facts()).into()
    }
}
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell().fmt(f)
    }
}
impl std::error::Error for Refusal {}

impl Refusal {
    /// Bytes or a member that do not parse: where, and what is wrong.
    pub fn malformed(field: impl Tell, problem: Message) -> Self {
        Self::Malformed { field: field.message(), problem }
    }
    /// Nothing of that name for this caller.
    pub fn not_found(what: Message, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }
    /// A member that must have another value here.
    pub fn disagrees(member: &str, expected: impl Tell, actual: impl Tell) -> Self {
        Self::Disagrees { member: member.into(), expected: expected.message(), actual: actual.message() }
    }
}

/// Asks that two values of a member are the same.
///
/// # Errors
/// [`Refusal::Disagrees`].
pub fn same<T: PartialEq + Tell>(member: &str, expected: T, actual: T) -> Result<(), Refusal> {
    if expected == actual { Ok(()) } else { Err(Refusal::disagrees(member, expected, actual)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_upper_snake() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, _) in Refusal::TABLE {
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
        }
    }
}
