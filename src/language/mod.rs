//! What is said to people, in their language: the catalogues of translations, and how each language writes numbers, moments
//! and lists.
//!
//! A catalogue is a file of gettext (PO), the form that translators have tools for. Its `msgid` is the English sentence as it stands in
//! the sources; what it lacks is said in English, and a test demands that it lacks nothing.

mod catalogue;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upkeep;

use std::sync::LazyLock;

pub use self::catalogue::Catalogue;
use crate::domain::{
    message::{Fact, Message},
    time::Time,
};

/// A language that people are spoken to in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Language {
    /// Modern Standard Arabic, with European digits, as the ids beside them have.
    Arabic,
    /// The language of the sources.
    #[default]
    English,
    /// French.
    French,
    /// Russian.
    Russian,
}

/// From this number on, digits are grouped by threes: below it no language of these needs it.
const GROUPED: u64 = 10_000;
/// Most languages that are read of an `accept-language`.
const ACCEPTED_LIMIT: usize = 32;
/// Set around what runs from left to right within Arabic words, so that neither reorders the other (UAX #9, isolates).
pub const ISOLATE: char = '\u{2068}';
/// Ends what [`ISOLATE`] begins.
pub const END_OF_ISOLATE: char = '\u{2069}';

impl Language {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Arabic, Self::English, Self::French, Self::Russian];

    /// Its tag (BCP 47).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::English => "en",
            Self::French => "fr",
            Self::Russian => "ru",
        }
    }
    /// The language of a tag, whatever its region: `fr`, `fr-CH`, and `fr_CH.UTF-8` as POSIX writes locales.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.', '@']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }
    /// The one that a reader likes best, of those in an `accept-language` (RFC 9110, section 12.5.4).
    #[must_use]
    pub fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        for range in header.split(',').take(ACCEPTED_LIMIT) {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let Some(weight) = weight.filter(|q| *q > 0.0 && *q <= 1.0) else { continue };
            if best.is_none_or(|(_, most)| weight > most) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
    /// Whether it is written from right to left.
    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        self == Self::Arabic
    }

    /// Words that are the same in every language, held apart from those of this one around them.
    #[must_use]
    pub fn apart(self, words: &str) -> String {
        if self.is_right_to_left() { format!("{ISOLATE}{words}{END_OF_ISOLATE}") } else { words.to_owned() }
    }
    /// Words of ours with what is typed in them, in `backticks` or as an option, held together: within Arabic its signs would come to
    /// stand at its other end.
    #[must_use]
    pub fn set_off(self, ours: &str) -> String {
        if !self.is_right_to_left() {
            return ours.to_owned();
        }
        let mut set_off = String::with_capacity(ours.len() + 16);
        let mut rest = ours;
        while let Some(at) = rest.find(['`', '-', '$', '<']) {
            let (before, typed) = rest.split_at(at);
            let begins = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let long = match typed.as_bytes() {
                [b'`', ..] => typed[1..].find('`').map_or(0, |end| end + 2),
                [b'-', b'-', ..] | [b'$' | b'<', ..] if begins => {
                    typed.find(|c: char| !(c.is_ascii_graphic()) || matches!(c, ',' | ';' | ')')).unwrap_or(typed.len())
                }
                _ => 0,
            };
            set_off.push_str(before);
            let (typed, after) = typed.split_at(if long == 0 { 1 } else { long });
            if long == 0 {
                set_off.push_str(typed);
            } else {
                set_off.extend([ISOLATE]);
                set_off.push_str(typed);
                set_off.push(END_OF_ISOLATE);
            }
            rest = after;
        }
        set_off.push_str(rest);
        set_off
    }

    /// A message in this language.
    #[must_use]
    pub fn say(self, message: &Message) -> String {
        self.say_with(message, str::to_owned)
    }
    /// A message in this language, with something done to words that are not ours: so that what they hold is made visible, and
    /// what this language puts around them is not.
    #[must_use]
    pub fn say_with(self, message: &Message, words: fn(&str) -> String) -> String {
        let catalogue = match self {
            Self::Arabic => &ARABIC,
            Self::English => return self.fill(message, message.english(), words),
            Self::French => &FRENCH,
            Self::Russian => &RUSSIAN,
        };
        let form = message
            .key()
            .and_then(|key| catalogue.form(message.context(), key, message.count().map(|n| self.plural(n))));
        self.fill(message, &self.set_off(form.unwrap_or(message.english())), words)
    }
    fn fill(self, message: &Message, form: &str, words: fn(&str) -> String) -> String {
        // Mere words stand alone, and nothing beside them can be reordered.
        let within = message.key().is_some();
        message.fill(form, |fact| match fact {
            Fact::Words(said) if within && self.is_right_to_left() && !said.is_empty() => {
                format!("{ISOLATE}{}{END_OF_ISOLATE}", words(said))
            }
            fact => self.fact(fact, words),
        })
    }
    fn fact(self, fact: &Fact, words: fn(&str) -> String) -> String {
        match fact {
            Fact::Words(said) => words(said),
            Fact::Said(said) => between_isolates(said, words),
            Fact::Number(n) => self.number(*n),
            Fact::Time(time) => self.moment(*time),
            Fact::Day(day) => {
                let (year, month, day) = day.civil();
                self.date(year, month, day)
            }
            Fact::Message(message) => self.say_with(message, words),
            Fact::All(facts) => self.list(&facts.iter().map(|fact| self.fact(fact, words)).collect::<Vec<_>>()),
        }
    }

    /// Which of the plural forms of its catalogue a number takes (CLDR's rules for whole numbers, in the order of their categories).
    fn plural(self, n: u64) -> usize {
        let (ten, hundred) = (n % 10, n % 100);
        match self {
            Self::English => usize::from(n != 1),
            Self::French => usize::from(n > 1),
            Self::Russian => match (ten, hundred) {
                (1, h) if h != 11 => 0,
                (2..=4, h) if !(12..=14).contains(&h) => 1,
                _ => 2,
            },
            Self::Arabic => match (n, hundred) {
                (0..=2, _) => usize::try_from(n).unwrap_or_default(),
                (_, 3..=10) => 3,
                (_, 11..=99) => 4,
                _ => 5,
            },
        }
    }
    /// A number with its digits in groups, where it has five or more.
    #[must_use]
    pub fn number(self, n: u64) -> String {
        let digits = n.to_string();
        if n < GROUPED {
            return digits;
        }
        let between = match self {
            Self::English | Self::Arabic => ",",
            // Neither is a line broken within a number, nor within the space that sets off its sign.
            Self::French => "\u{202f}",
            Self::Russian => "\u{a0}",
        };
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push_str(between);
            }
            grouped.push(digit);
        }
        grouped
    }
    /// A moment to the second, in UTC, which is said.
    #[must_use]
    pub fn moment(self, time: Time) -> String {
        let (year, month, day, hour, minute, second) = time.civil();
        let clock = format!("{hour:02}:{minute:02}:{second:02} UTC");
        match self {
            Self::Arabic => format!("{}، {clock}", self.date(year, month, day)),
            _ => format!("{}, {clock}", self.date(year, month, day)),
        }
    }
    /// A day.
    #[must_use]
    pub fn date(self, year: i16, month: i8, day: i8) -> String {
        let month = usize::try_from(month - 1).ok().and_then(|m| self.months().get(m).copied()).unwrap_or_default();
        match self {
            Self::French if day == 1 => format!("1er {month} {year}"),
            Self::Russian => format!("{day} {month} {year}\u{a0}г."),
            _ => format!("{day} {month} {year}"),
        }
    }
    /// The months, as they stand in a date. In Arabic by both of their names, as the United Nations write them: no country reads
    /// one of them alone.
    fn months(self) -> [&'static str; 12] {
        match self {
            Self::Arabic => [
                "كانون الثاني/يناير",
                "شباط/فبراير",
                "آذار/مارس",
                "نيسان/أبريل",
                "أيار/مايو",
                "حزيران/يونيه",
                "تموز/يوليه",
                "آب/أغسطس",
                "أيلول/سبتمبر",
                "تشرين الأول/أكتوبر",
                "تشرين الثاني/نوفمبر",
                "كانون الأول/ديسمبر",
            ],
            Self::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Self::French => [
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ],
            Self::Russian => [
                "января",
                "февраля",
                "марта",
                "апреля",
                "мая",
                "июня",
                "июля",
                "августа",
                "сентября",
                "октября",
                "ноября",
                "декабря",
            ],
        }
    }
    /// Several things, joined as a sentence joins them.
    #[must_use]
    pub fn list(self, of: &[String]) -> String {
        let (comma, and) = match self {
            Self::Arabic => ("", " و"),
            Self::English => (", ", " and "),
            Self::French => (", ", " et "),
            Self::Russian => (", ", " и "),
        };
        match of {
            [] => String::new(),
            [one] => one.clone(),
            // Each has its own “and” in Arabic.
            _ if self == Self::Arabic => of.join(and),
            [rest @ .., last] => format!("{}{and}{last}", rest.join(comma)),
        }
    }
}

/// Does something to all that isolates set off, and to what lies around them.
fn between_isolates(said: &str, words: fn(&str) -> String) -> String {
    let mut done = String::with_capacity(said.len());
    for run in said.split_inclusive([ISOLATE, END_OF_ISOLATE]) {
        let inner = run.trim_end_matches([ISOLATE, END_OF_ISOLATE]);
        done.push_str(&words(inner));
        done.push_str(run.get(inner.len()..).unwrap_or_default());
    }
    done
}

static ARABIC: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("ar.po")));
static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("fr.po")));
static RUSSIAN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("ru.po")));
