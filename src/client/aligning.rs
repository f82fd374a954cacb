//! Whether the language versions of a text say the same where a machine can tell: as many paragraphs, the same numbers and
//! dates. What is found is a warning to people; nothing is refused for it, for languages may rightly differ.
//!
//! Pure. Every version is compared with the first. Small numbers that stand in one version alone may be written in words in the
//! other and are passed over ([`WORDS_UP_TO`]); so are Roman figures.

use std::{collections::HashMap, fmt};

use serde::Serialize;

use super::numbers::{self, Found, Value};
use crate::{
    domain::{
        id::Lang,
        message::{Fact, Message, Tell},
    },
    msg,
};

/// Most findings that one comparison lists.
pub const FINDINGS_LIMIT: usize = 100;
/// Numbers up to this that stand in one version alone are not reported: `deux` and `2` are the same.
pub const WORDS_UP_TO: u64 = 12;

/// A text in a language.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Its language.
    pub lang: &'a Lang,
    /// Its words, as `text.v1` has them.
    pub text: &'a str,
}

/// Where two versions differ.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Misalignment {
    /// In how many paragraphs they have.
    Paragraphs {
        /// The one version's language and count.
        left: (Lang, usize),
        /// The other's.
        right: (Lang, usize),
    },
    /// In numbers or dates.
    Numbers {
        /// The paragraph, from 1; `None` if the whole texts were compared, since they differ in paragraphs.
        paragraph: Option<usize>,
        /// The one version's language and what it alone has, as written.
        left: (Lang, Vec<String>),
        /// The other's.
        right: (Lang, Vec<String>),
    },
}

impl fmt::Display for Misalignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell().fmt(f)
    }
}

impl Tell for Misalignment {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Paragraphs { left: (left, m), right: (right, n) } => msg!(
                "{left} has {left_paragraphs}, {right} has {right_paragraphs}",
                left,
                left_paragraphs = paragraphs(*m),
                right,
                right_paragraphs = paragraphs(*n)
            ),
            Self::Numbers { paragraph: None, left: (left, of_left), right: (right, of_right) } => msg!(
                "{left} as a whole has {left_numbers}, {right} as a whole has {right_numbers}",
                left,
                left_numbers = listed(of_left),
                right,
                right_numbers = listed(of_right)
            ),
            Self::Numbers { paragraph: Some(paragraph), left: (left, of_left), right: (right, of_right) } => msg!(
                "{left} paragraph {paragraph} has {left_numbers}, {right} paragraph {paragraph} has {right_numbers}",
                left,
                paragraph,
                left_numbers = listed(of_left),
                right,
                right_numbers = listed(of_right)
            ),
        };
        message.into()
    }
}

fn paragraphs(n: usize) -> Message {
    msg!("{n} paragraph" | "{n} paragraphs", n)
}

fn listed(written: &[String]) -> Message {
    if written.is_empty() { msg!("no such number") } else { Message::words(written.join("; ")) }
}

/// Compares every version with the first; at most [`FINDINGS_LIMIT`] findings.
#[must_use]
pub fn compare(versions: &[Version<'_>]) -> Vec<Misalignment> {
    let mut found = Vec::new();
    if let Some((first, others)) = versions.split_first() {
        for other in others {
            two(*first, *other, &mut found);
        }
    }
    found.truncate(FINDINGS_LIMIT);
    found
}

fn two(a: Version<'_>, b: Version<'_>, found: &mut Vec<Misalignment>) {
    let split = |text| super::comparing::paragraphs(text).collect::<Vec<&str>>();
    let (left, right) = (split(a.text), split(b.text));
    let mut compare = |paragraph, left: &str, right: &str| {
        let (left, right) = apart(numbers::find(left, a.lang.as_str()), numbers::find(right, b.lang.as_str()));
        if !(left.is_empty() && right.is_empty()) && found.len() < FINDINGS_LIMIT {
            let written = |found: Vec<Found>| found.into_iter().map(|number| number.written).collect();
            found.push(Misalignment::Numbers {
                paragraph,
                left: (a.lang.clone(), written(left)),
                right: (b.lang.clone(), written(right)),
            });
        }
    };
    if left.len() == right.len() {
        for (n, (left, right)) in left.iter().zip(&right).enumerate() {
            compare(Some(n + 1), left, right);
        }
    } else {
        compare(None, a.text, b.text);
        let counts =
            Misalignment::Paragraphs { left: (a.lang.clone(), left.len()), right: (b.lang.clone(), right.len()) };
        let at = found.iter().position(
            |m| matches!(m, Misalignment::Numbers { paragraph: None, right: (lang, _), .. } if lang == b.lang),
        );
        found.insert(at.unwrap_or(found.len()), counts);
    }
}

/// What each side has alone.
fn apart(left: Vec<Found>, right: Vec<Found>) -> (Vec<Found>, Vec<Found>) {
    let (mut left, mut right) = without_equals(left, right);
    without_pairs(&mut left, &mut right);
    dates_in_parts(&mut left, &mut right);
    dates_in_parts(&mut right, &mut left);
    for side in [&mut left, &mut right] {
        side.retain(|found| !matches!(found.value, Value::Roman(_)));
    }
    // With nothing over there that it might have been instead, a small number may stand there in words.
    let in_words =
        |found: &Found| matches!(&found.value, Value::Number(n) if n.parse().is_ok_and(|n: u64| n <= WORDS_UP_TO));
    if right.is_empty() {
        left.retain(|found| !in_words(found));
    }
    if left.is_empty() {
        right.retain(|found| !in_words(found));
    }
    (left, right)
}

/// Takes away, one for one, what both sides have alike. Linear.
fn without_equals(left: Vec<Found>, right: Vec<Found>) -> (Vec<Found>, Vec<Found>) {
    let mut counts: HashMap<Value, usize> = HashMap::new();
    for found in &right {
        *counts.entry(found.value.clone()).or_default() += 1;
    }
    let mut met: HashMap<Value, usize> = HashMap::new();
    let left: Vec<_> = left
        .into_iter()
        .filter(|found| match counts.get_mut(&found.value) {
            Some(count) if *count > 0 => {
                *count -= 1;
                *met.entry(found.value.clone()).or_default() += 1;
                false
            }
            _ => true,
        })
        .collect();
    let right = right
        .into_iter()
        .filter(|found| match met.get_mut(&found.value) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect();
    (left, right)
}

/// How many of what is left on each side are held against one another; beyond it what agrees in a second reading is reported.
const PAIRS_LIMIT: usize = 300;

/// Takes away, one for one, what may agree.
fn without_pairs(left: &mut Vec<Found>, right: &mut Vec<Found>) {
    if left.len().max(right.len()) > PAIRS_LIMIT {
        return;
    }
    left.retain(|found| {
        let other = right.iter().position(|other| found.agrees(other));
        if let Some(at) = other {
            right.remove(at);
        }
        other.is_none()
    });
}

/// A date of the one side whose day and year stand as numbers on the other: a month's name in a language that is not known
/// here.
fn dates_in_parts(dates: &mut Vec<Found>, numbers: &mut Vec<Found>) {
    if dates.len().max(numbers.len()) > PAIRS_LIMIT {
        return;
    }
    dates.retain(|found| {
        let Value::Date { year, month, day } = found.value else { return true };
        let mut left = numbers.clone();
        let mut take = |n: u32| {
            let at = left.iter().position(|number| number.value == Value::Number(n.to_string()));
            at.map(|at| left.remove(at)).is_some()
        };
        let whole = take(day) && year.is_none_or(&mut take);
        if whole {
            // In figures the month is a number too.
            take(month);
            *numbers = left;
        }
        !whole
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(versions: &[(&str, &str)]) -> Vec<String> {
        let langs: Vec<Lang> = versions.iter().map(|(lang, _)| lang.parse().unwrap()).collect();
        let versions: Vec<_> = langs.iter().zip(versions).map(|(lang, (_, text))| Version { lang, text }).collect();
        compare(&versions).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn versions_that_say_the_same_are_left_alone() {
        for versions in [
            &[
                (
                    "fr",
                    "Les parties d’essai se sont réunies le 3 avril 2025.\n\nElles ont prévu 2\u{202f}035 places, soit 1,5 %.\n",
                ),
                ("en", "The sample parties met on 3 April 2025.\n\nThey planned 2,035 seats, or 1.5 per cent.\n"),
                (
                    "ru",
                    "Стороны примера встретились 3 апреля 2025 г.\n\nОни предусмотрели 2\u{a0}035 мест, то есть 1,5 %.\n",
                ),
                ("ar", "اجتمع الطرفان التجريبيان في 3 أبريل 2025.\n\nوقررا ٢٬٠٣٥ مقعدا، أي ١٫٥ في المائة.\n"),
            ][..],
            &[("fr", "Le 3 avril 2025, à 10 heures.\n"), ("ru", "03.04.2025, в 10 часов.\n")],
            // A month's name that is not known: its day and year are enough.
            &[("fr", "Le 3 avril 2025.\n"), ("fi", "Kokous 3. huhtikuuta 2025.\n")],
            // Small numbers in words, Roman figures against others.
            &[("fr", "Les deux parties, au XXIe siècle.\n"), ("en", "The 2 parties, in the 21st century.\n")],
            &[("en", "2,035 seats\n"), ("ar", "2,035 مقعدا\n")],
            &[("en", "2.035 metres\n"), ("ar", "2.035 متر\n")],
            &[("fr", "Rien.\n")],
            &[],
        ] {
            assert_eq!(said(versions), Vec::<String>::new(), "{versions:?}");
        }
    }

    #[test]
    fn what_differs_is_named_with_its_place() {
        for (versions, expected) in [
            (
                [("fr", "Bonjour.\n\nEn 2\u{202f}035 lieux.\n"), ("en", "Hello.\n\nIn 2,025 places.\n")],
                &["fr paragraph 2 has 2\u{202f}035, en paragraph 2 has 2,025"][..],
            ),
            (
                [("fr", "Le 3 avril 2025.\n"), ("ar", "في ٤ أبريل ٢٠٢٥.\n")],
                &["fr paragraph 1 has 3 avril 2025, ar paragraph 1 has ٤ أبريل ٢٠٢٥"],
            ),
            (
                [("fr", "Le 3 avril 2025.\n"), ("ru", "03.05.2025\n")],
                &["fr paragraph 1 has 3 avril 2025, ru paragraph 1 has 03.05.2025"],
            ),
            ([("fr", "1,5 %\n"), ("en", "15 per cent\n")], &["fr paragraph 1 has 1,5, en paragraph 1 has 15"]),
            (
                [("fr", "Un.\n\nDeux : 300.\n"), ("en", "One and two: 400.\n")],
                &["fr has 2 paragraphs, en has 1 paragraph", "fr as a whole has 300, en as a whole has 400"],
            ),
            (
                [("fr", "Cent vingt.\n"), ("en", "120 seats.\n")],
                &["fr paragraph 1 has no such number, en paragraph 1 has 120"],
            ),
            // The same number twice is not the same as once.
            ([("fr", "300 et 300\n"), ("en", "300\n")], &["fr paragraph 1 has 300, en paragraph 1 has no such number"]),
            // Small numbers count where the other side has another in their place.
            ([("fr", "3 parties\n"), ("en", "4 parties\n")], &["fr paragraph 1 has 3, en paragraph 1 has 4"]),
        ] {
            assert_eq!(said(&versions), expected, "{versions:?}");
        }
    }

    #[test]
    fn findings_are_bounded() {
        let many = "7777\n\n".repeat(1000) + "end\n";
        let other = many.replace('7', "8");
        assert_eq!(said(&[("fr", &many), ("en", &other)]).len(), FINDINGS_LIMIT);
    }
}
