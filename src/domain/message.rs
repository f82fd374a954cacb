//! What is said to people: a sentence in English with named facts, so that it can be said in another language as well.
//!
//! The English sentence stands where it is said, as the argument of [`msg!`](crate::msg). It is the key by which catalogues of
//! other languages have its translation, with the same facts in the order that their grammar asks for. So it is always whole: a
//! sentence that was glued from pieces could not be translated.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::{manifest::Date, time::Time};

/// What a sentence tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Words that are the same in every language: ids, digests, paths, commands, what others wrote.
    Words(String),
    /// A number of things; each language groups its digits in its own way.
    Number(u64),
    /// A moment, in UTC.
    Time(Time),
    /// A day of the calendar.
    Day(Date),
    /// Words of ours, translated by themselves.
    Message(Message),
    /// Several, as a list that ends with “and”.
    All(Vec<Fact>),
    /// What another program of ours said in the language that it was asked for: its isolates stand, and what lies between them is
    /// words.
    Said(String),
}

/// A sentence, or a name for something, with its facts. Its [`Display`](fmt::Display) is the English one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message(Box<Said>);

/// What a message holds; boxed, so that an error with several of them stays small.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Said {
    context: Option<&'static str>,
    english: &'static str,
    many: Option<&'static str>,
    facts: Vec<(&'static str, Fact)>,
}

/// The fact whose number decides between the forms of a counted message.
pub const COUNT: &str = "n";
/// What a message that consists of the same words in every language is called.
const WORDS: &str = "{words}";

impl Message {
    /// A sentence with its facts by name; [`msg!`](crate::msg) checks that it names just these.
    #[must_use]
    pub fn new(english: &'static str, facts: Vec<(&'static str, Fact)>) -> Self {
        Self(Box::new(Said { context: None, english, many: None, facts }))
    }
    /// A sentence about the number [`COUNT`] of things: as it is for one, and as it is for any other number.
    #[must_use]
    pub fn counted(one: &'static str, many: &'static str, facts: Vec<(&'static str, Fact)>) -> Self {
        Self(Box::new(Said { context: None, english: one, many: Some(many), facts }))
    }
    /// A word of a closed list, which other languages may say otherwise than the same word elsewhere.
    #[must_use]
    pub fn term(context: &'static str, english: &'static str) -> Self {
        Self(Box::new(Said { context: Some(context), english, many: None, facts: vec![] }))
    }
    /// Words that are the same in every language.
    pub fn words(words: impl Into<String>) -> Self {
        Self::new(WORDS, vec![("words", Fact::Words(words.into()))])
    }
    /// The English sentence, by which catalogues have it; of a counted one as it is for one thing. `None` for mere words.
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        (self.0.english != WORDS).then_some(self.0.english)
    }
    /// Among which words it is one, if the same English word has several meanings.
    #[must_use]
    pub fn context(&self) -> Option<&'static str> {
        self.0.context
    }
    /// The number that decides between the forms of a counted message.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.0.many?;
        self.0.facts.iter().find_map(|(name, fact)| match fact {
            Fact::Number(n) if *name == COUNT => Some(*n),
            _ => None,
        })
    }
    /// The facts, by name.
    #[must_use]
    pub fn facts(&self) -> &[(&'static str, Fact)] {
        &self.0.facts
    }
    /// The English form, with its facts still by their names.
    #[must_use]
    pub fn english(&self) -> &'static str {
        match (self.0.many, self.count()) {
            (Some(many), n) if n != Some(1) => many,
            _ => self.0.english,
        }
    }
    /// Puts facts in the places of their names in a form of this message.
    #[must_use]
    pub fn fill(&self, form: &str, mut say: impl FnMut(&Fact) -> String) -> String {
        let mut filled = String::with_capacity(form.len() + 32);
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, then)) = after.split_once('}') else {
                rest = after;
                break;
            };
            if let Some((_, fact)) = self.0.facts.iter().find(|(of, _)| *of == name) {
                filled.push_str(&say(fact));
            }
            rest = then;
        }
        filled.push_str(rest);
        filled
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fill(self.english(), ToString::to_string))
    }
}

/// So that an [`io::Error`] can carry what is to be said of it.
impl std::error::Error for Message {}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) | Self::Said(words) => f.write_str(words),
            Self::Number(n) => n.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Day(day) => day.fmt(f),
            Self::Message(message) => message.fmt(f),
            Self::All(facts) => match facts.as_slice() {
                [] => Ok(()),
                [one] => one.fmt(f),
                [rest @ .., last] => {
                    let rest: Vec<_> = rest.iter().map(ToString::to_string).collect();
                    write!(f, "{} and {last}", rest.join(", "))
                }
            },
        }
    }
}

/// What can be told as a fact. Whatever is an error of ours tells itself as a [`Message`].
pub trait Tell {
    /// As a fact.
    fn tell(&self) -> Fact;
    /// As a message.
    fn message(&self) -> Message {
        match self.tell() {
            Fact::Message(message) => message,
            Fact::Words(words) => Message::words(words),
            fact => Message::new(WORDS, vec![("words", fact)]),
        }
    }
}

impl From<Message> for Fact {
    fn from(mut message: Message) -> Self {
        match (message.key(), message.0.facts.pop()) {
            // Mere words lie within another message as what they are.
            (None, Some((_, words))) => words,
            (_, fact) => {
                message.0.facts.extend(fact);
                Self::Message(message)
            }
        }
    }
}
impl<T: Tell + ?Sized> Tell for &T {
    fn tell(&self) -> Fact {
        (**self).tell()
    }
}
impl<T: Tell> Tell for [T] {
    fn tell(&self) -> Fact {
        Fact::All(self.iter().map(Tell::tell).collect())
    }
}
impl<T: Tell> Tell for Vec<T> {
    fn tell(&self) -> Fact {
        self.as_slice().tell()
    }
}
impl Tell for Fact {
    fn tell(&self) -> Fact {
        self.clone()
    }
}
impl Tell for Message {
    fn tell(&self) -> Fact {
        self.clone().into()
    }
}
impl Tell for Time {
    fn tell(&self) -> Fact {
        Fact::Time(*self)
    }
}
impl Tell for Path {
    fn tell(&self) -> Fact {
        Fact::Words(self.display().to_string())
    }
}
impl Tell for PathBuf {
    fn tell(&self) -> Fact {
        self.as_path().tell()
    }
}
impl Tell for io::Error {
    fn tell(&self) -> Fact {
        use io::ErrorKind as Kind;
        match self.kind() {
            // What somebody says about it is better than its kind.
            _ if let Some(said) = self.get_ref() => match said.downcast_ref::<Message>() {
                Some(message) => message.clone().into(),
                None => Fact::Words(self.to_string()),
            },
            Kind::NotFound => crate::msg!("there is no such file or folder").into(),
            Kind::PermissionDenied => crate::msg!("this user may not do that here").into(),
            Kind::AlreadyExists => crate::msg!("it exists already").into(),
            Kind::IsADirectory => crate::msg!("it is a folder, not a file").into(),
            Kind::NotADirectory => crate::msg!("it is a file, not a folder").into(),
            Kind::StorageFull => crate::msg!("there is no room left on the disk").into(),
            Kind::ReadOnlyFilesystem => crate::msg!("nothing can be written there").into(),
            Kind::UnexpectedEof => crate::msg!("it ends too early").into(),
            Kind::TimedOut => crate::msg!("no answer came in time").into(),
            Kind::ConnectionRefused => crate::msg!("nobody answers there").into(),
            _ => Fact::Words(self.to_string()),
        }
    }
}

/// Implements [`Tell`] for types whose `Display` is the same in every language.
#[macro_export]
macro_rules! tell_as_words {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::domain::message::Tell for $type {
            fn tell(&self) -> $crate::domain::message::Fact {
                $crate::domain::message::Fact::Words(self.to_string())
            }
        })+
    };
}
/// Implements `Display` and `Error` for errors that tell themselves: what they say in English.
#[macro_export]
macro_rules! told {
    ($($type:ty),+ $(,)?) => {
        $(impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::domain::message::Tell::tell(self).fmt(f)
            }
        }
        impl std::error::Error for $type {})+
    };
}
tell_as_words!(str, String, char, std::path::Display<'_>, std::borrow::Cow<'_, str>);

macro_rules! tell_as_numbers {
    ($($type:ty),+) => {
        $(impl Tell for $type {
            fn tell(&self) -> Fact {
                // A number that is too large for what is said of it is none that occurs.
                Fact::Number(u64::try_from(*self).unwrap_or(u64::MAX))
            }
        })+
    };
}
tell_as_numbers!(u8, u16, u32, u64, usize);

/// A [`Message`]: the English sentence, then its facts by the names that stand in it in braces.
///
/// `msg!("{path}: not a key", path)`, `msg!("revision {revision} is not the newest", revision = manifest.revision)`. A message about
/// a number of things has two forms, and the fact `n` decides: `msg!("{n} entry" | "{n} entries", n = entries.len())`. A word whose
/// meaning another language must know says first among which words it is one: `msg!("act" => "open")`.
/// A sentence that names another fact than it is given, or is given one that it does not name, does not compile.
#[macro_export]
macro_rules! msg {
    ($context:literal => $english:literal) => { $crate::domain::message::Message::term($context, $english) };
    ($one:literal | $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const _: () = {
            $crate::domain::message::names($one, &[$(stringify!($name)),*], true);
            $crate::domain::message::names($many, &[$(stringify!($name)),*], false);
        };
        $crate::domain::message::Message::counted(
            $one, $many, vec![$((stringify!($name), $crate::msg!(@fact $name $(= $value)?))),*],
        )
    }};
    ($english:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const _: () = $crate::domain::message::names($english, &[$(stringify!($name)),*], false);
        $crate::domain::message::Message::new(
            $english, vec![$((stringify!($name), $crate::msg!(@fact $name $(= $value)?))),*],
        )
    }};
    (@fact $name:ident) => { $crate::domain::message::Tell::tell(&$name) };
    (@fact $name:ident = $value:expr) => { $crate::domain::message::Tell::tell(&$value) };
}

/// Demands that a sentence names these facts and no others. With `few`, facts may be left out: “one entry” says its number itself.
///
/// # Panics
/// At compile time, if it does not.
pub const fn names(sentence: &str, facts: &[&str], few: bool) {
    let bytes = sentence.as_bytes();
    let mut seen: u64 = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'{' {
            let from = at + 1;
            while at < bytes.len() && bytes[at] != b'}' {
                at += 1;
            }
            assert!(at < bytes.len(), "a brace in a message is not closed");
            let mut fact = 0;
            while fact < facts.len() && !is(bytes, from, at, facts[fact].as_bytes()) {
                fact += 1;
            }
            assert!(fact < facts.len(), "a message names a fact that it is not given");
            seen |= 1 << fact;
        }
        at += 1;
    }
    assert!(few || seen.count_ones() as usize == facts.len(), "a message is given a fact that it does not name");
}

/// Whether a part of these bytes is that name.
const fn is(bytes: &[u8], from: usize, until: usize, name: &[u8]) -> bool {
    if until - from != name.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if bytes[from + at] != name[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_where_they_are_named() {
        let (path, revision) = (Path::new("a/b"), 4_u64);
        assert_eq!(msg!("{path}: revision {revision} of {path}", path, revision).to_string(), "a/b: revision 4 of a/b");
        let time = Time::from_unix(0);
        assert_eq!(msg!("from {time} on", time).to_string(), "from 1970-01-01T00:00:00Z on");
        // What a fact says is never read as a name.
        assert_eq!(msg!("{a}{b}", a = "{b}", b = "x").to_string(), "{b}x");
    }

    #[test]
    fn a_number_decides_on_the_form() {
        let entries = |n: usize| msg!("one entry of {log}" | "{n} entries of {log}", n, log = "x").to_string();
        assert_eq!([0, 1, 2].map(entries), ["0 entries of x", "one entry of x", "2 entries of x"]);
    }

    #[test]
    fn lists_end_with_and() {
        let list = |of: &[&str]| msg!("{of}.", of).to_string();
        assert_eq!(list(&["a"]), "a.");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c.");
    }

    #[test]
    fn messages_lie_within_messages() {
        let inner = msg!("there is no room left on the disk");
        assert_eq!(msg!("{path}: {inner}", path = "x", inner).to_string(), "x: there is no room left on the disk");
        assert_eq!(Message::words("a {b}").to_string(), "a {b}");
        assert_eq!(Message::words("a").key(), None);
    }
}
