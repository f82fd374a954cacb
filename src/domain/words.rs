//! Human-readable strings in documents. All obey the text rules; all are bounded.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{id::Lang, refusal::Refusal, text};

/// Largest line, in bytes of UTF-8.
pub const LINE_LIMIT: usize = 1 << 10;
/// Largest prose, in bytes of UTF-8.
pub const PROSE_LIMIT: usize = 16 << 10;
/// Most languages of one document.
pub const LANGUAGES_LIMIT: usize = 32;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks length and text rules.
            ///
            /// # Errors
            /// [`Refusal::TooLarge`], [`Refusal::Malformed`] naming the character.
            pub fn new(s: impl Into<String>) -> Result<Self, Refusal> {
                let s = s.into();
                if s.len() > $limit {
                    return Err(Refusal::TooLarge { what: concat!($what, " in bytes").into(), limit: $limit as u64 });
                }
                $check(&s).map_err(|fault| Refusal::malformed($what, fault.to_string()))?;
                Ok(Self(s))
            }
            /// The words.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl TryFrom<String> for $name {
            type Error = Refusal;
            fn try_from(s: String) -> Result<Self, Refusal> { Self::new(s) }
        }
        impl From<$name> for String { fn from(w: $name) -> String { w.0 } }
        impl fmt::Display for $name { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) } }
        impl fmt::Debug for $name { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&self.0, f) } }
    };
}

words!(
    /// One line: a title, a name, a place. At most [`LINE_LIMIT`] bytes.
    Line, "a line of text", LINE_LIMIT, text::check_line
);
words!(
    /// Several lines: reasons. At most [`PROSE_LIMIT`] bytes.
    Prose, "a passage of text", PROSE_LIMIT, text::check_prose
);

/// The same line in several languages: at least one, at most [`LANGUAGES_LIMIT`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Lang, Line>", into = "BTreeMap<Lang, Line>")]
pub struct Names(BTreeMap<Lang, Line>);

impl Names {
    /// Checks the number of languages.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for none, [`Refusal::TooLarge`] above the limit.
    pub fn new(by_language: impl IntoIterator<Item = (Lang, Line)>) -> Result<Self, Refusal> {
        let map: BTreeMap<_, _> = by_language.into_iter().collect();
        super::json::count("languages", map.len(), 1, LANGUAGES_LIMIT)?;
        Ok(Self(map))
    }
    /// The languages, sorted.
    pub fn languages(&self) -> impl Iterator<Item = &Lang> {
        self.0.keys()
    }
    /// Language and words, sorted by language.
    pub fn iter(&self) -> impl Iterator<Item = (&Lang, &Line)> {
        self.0.iter()
    }
    /// The words in the first of these languages that there is, or else in the first that there is at all.
    #[must_use]
    pub fn preferring(&self, languages: &[&str]) -> &str {
        languages
            .iter()
            .find_map(|wanted| self.0.iter().find(|(lang, _)| lang.as_str() == *wanted))
            .or_else(|| self.0.iter().next())
            .map_or("", |(_, words)| words.as_str())
    }
}
impl TryFrom<BTreeMap<Lang, Line>> for Names {
    type Error = Refusal;
    fn try_from(map: BTreeMap<Lang, Line>) -> Result<Self, Refusal> {
        Self::new(map)
    }
}
impl From<Names> for BTreeMap<Lang, Line> {
    fn from(names: Names) -> Self {
        names.0
    }
}
