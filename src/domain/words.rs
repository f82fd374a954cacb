//! Human-readable strings in documents. All obey the text rules; all are bounded.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::{id::Lang, message::Tell, refusal::Refusal, text};
use crate::msg;

/// Largest line, in bytes of UTF-8.
pub const LINE_LIMIT: usize = 1 << 10;
/// Largest prose, in bytes of UTF-8.
pub const PROSE_LIMIT: usize = 16 << 10;
/// Most languages of one document.
pub const LANGUAGES_LIMIT: usize = 32;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:expr, $limit:ident, $check:path) => {
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
                    return Err(Refusal::TooLarge { what: $crate::msg!("{what} in bytes", what = $what), limit: $limit as u64 });
                }
                $check(&s).map_err(|fault| Refusal::malformed($what, fault.message()))?;
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
        $crate::tell_as_words!($name);
    };
}

words!(
    /// One line: a title, a name, a place. At most [`LINE_LIMIT`] bytes.
    Line, msg!("a line of text"), LINE_LIMIT, text::check_line
);
words!(
    /// Several lines: reasons. At most [`PROSE_LIMIT`] bytes.
    Prose, msg!("a passage of text"), PROSE_LIMIT, text::check_prose
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
    /// Whether the words in any language hold these, whatever their case.
    #[must_use]
    pub fn mention(&self, sought: &Sought) -> bool {
        self.0.values().any(|words| folded(words.as_str()).contains(&sought.0))
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

/// Words that are looked for, whatever their case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sought(String);

/// Most bytes of words that are looked for.
pub const SOUGHT_LIMIT: usize = 256;

impl Sought {
    /// Takes the words: not empty, within [`SOUGHT_LIMIT`].
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::TooLarge`].
    pub fn new(words: &str) -> Result<Self, Refusal> {
        if words.len() > SOUGHT_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("the text looked for, in bytes"), limit: SOUGHT_LIMIT as u64 });
        }
        let folded = folded(words);
        if folded.is_empty() {
            return Err(Refusal::malformed("text", msg!("is empty")));
        }
        Ok(Self(folded))
    }
    /// The words as they are compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Small letters in NFC, by the tables of Unicode and of no language; both forms of the Greek sigma are one. For finding
/// only: nothing that is signed or compared in earnest goes through it.
fn folded(words: &str) -> String {
    words.to_lowercase().nfc().map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_whatever_their_case() {
        let of = |lang: &str, words: &str| (lang.parse().unwrap(), Line::new(words).unwrap());
        let titles =
            Names::new([of("fr", "Communiqué de l’Étang"), of("ru", "СОВМЕСТНОЕ заявление"), of("el", "ΤΕΛΟΣ")]);
        let titles = titles.unwrap();
        for found in
            ["étang", "ÉTANG", "e\u{301}tang", "совместное З", "communiqué", "τέλος".replace('έ', "ε").as_str(), " de "]
        {
            assert!(titles.mention(&Sought::new(found).unwrap()), "{found}");
        }
        for absent in ["etang", "étangs", "déclaration"] {
            assert!(!titles.mention(&Sought::new(absent).unwrap()), "{absent}");
        }
        assert_eq!(Sought::new("ΤΈΛΟΣ").unwrap().as_str(), "τέλοσ");
        assert_eq!(Sought::new("").unwrap_err().reason(), "MALFORMED");
        assert!(Sought::new(&"x".repeat(SOUGHT_LIMIT)).is_ok());
        assert_eq!(Sought::new(&"x".repeat(SOUGHT_LIMIT + 1)).unwrap_err().reason(), "TOO_LARGE");
    }

    #[test]
    fn words_are_shown_in_the_language_that_is_preferred() {
        let of = |lang: &str, words: &str| (lang.parse().unwrap(), Line::new(words).unwrap());
        let names = Names::new([of("ar", "نموذج"), of("fr", "exemple"), of("ru", "пример")]).unwrap();
        let rows: [(&[&str], &str); 5] = [
            (&["fr", "ru"], "exemple"),
            (&["ru", "fr"], "пример"),
            (&["zh", "ru"], "пример"),
            (&["zh"], "نموذج"),
            (&[], "نموذج"),
        ];
        for (languages, words) in rows {
            assert_eq!(names.preferring(languages), words, "{languages:?}");
        }
    }
}
