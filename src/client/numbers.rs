//! The numbers and dates of a text, so that they can be compared across languages and revisions.
//!
//! A number is a run of decimal digits of any script, with the separators that its language uses: `2 035`, `2,035` and `٢٬٠٣٥`
//! are one number, `1,5` and `1.5` are one. A date is a day, a month and perhaps a year, in figures or with the month's name in
//! one of the languages of [`MONTHS`]. Digits that follow a Latin, Greek or Cyrillic letter are part of a name (`G20`) and no
//! number. Numbers in words are not read.

use std::fmt;

/// Most numbers and dates that are read out of one passage; the rest is not compared.
pub const NUMBERS_LIMIT: usize = 10_000;
/// Most digits of a number; a longer run is cut there.
pub const DIGITS_LIMIT: usize = 40;

/// What a number or date comes to, whatever the language.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// Its digits, with a point before a fraction.
    Number(String),
    /// A day of the calendar, perhaps without its year.
    Date {
        /// The year.
        year: Option<u32>,
        /// The month, from 1.
        month: u32,
        /// The day, from 1.
        day: u32,
    },
    /// A number in Roman figures. It may be one in figures elsewhere, and it may be none.
    Roman(u32),
}

/// A number or date as it stands in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// What it comes to.
    pub value: Value,
    /// What it may come to as well, where a separator can be read in two ways.
    pub also: Option<Value>,
    /// As it is written.
    pub written: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Found {
    /// Whether the two may say the same.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let readings = |found: &Self| [Some(found.value.clone()), found.also.clone()];
        readings(self).iter().flatten().any(|a| readings(other).iter().flatten().any(|b| same(a, b)))
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Roman(roman), Value::Number(digits)) | (Value::Number(digits), Value::Roman(roman)) => {
            *digits == roman.to_string()
        }
        (Value::Date { year: y1, month: m1, day: d1 }, Value::Date { year: y2, month: m2, day: d2 }) => {
            (m1, d1) == (m2, d2) && (y1 == y2 || y1.is_none() || y2.is_none())
        }
        (a, b) => a == b,
    }
}

/// Separators in numbers, as far as a language is sure of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Custom {
    /// `2,035.5`
    Point,
    /// `2.035,5`, `2 035,5`
    Comma,
    /// Either, by country.
    Either,
}

/// Languages whose numbers have a decimal point in most countries.
const POINT: &[&str] = &[
    "am", "bn", "en", "ga", "ha", "he", "hi", "ig", "ja", "km", "ko", "mi", "mr", "ms", "my", "ne", "pa", "si", "sw",
    "ta", "te", "th", "yo", "zh",
];
/// Languages whose writers use the one or the other.
const EITHER: &[&str] = &["ar", "ckb", "fa", "ps", "ur"];

fn custom(lang: &str) -> Custom {
    let primary = lang.split('-').next().unwrap_or_default();
    if POINT.contains(&primary) {
        Custom::Point
    } else if EITHER.contains(&primary) {
        Custom::Either
    } else {
        Custom::Comma
    }
}

/// The months, from January, as texts write them after a day: language, then for each month its forms.
#[rustfmt::skip]
pub const MONTHS: &[(&str, [&[&str]; 12])] = &[
    ("en", [&["january"], &["february"], &["march"], &["april"], &["may"], &["june"], &["july"], &["august"], &["september"],
        &["october"], &["november"], &["december"]]),
    ("fr", [&["janvier"], &["février"], &["mars"], &["avril"], &["mai"], &["juin"], &["juillet"], &["août"], &["septembre"],
        &["octobre"], &["novembre"], &["décembre"]]),
    ("ru", [&["января"], &["февраля"], &["марта"], &["апреля"], &["мая"], &["июня"], &["июля"], &["августа"], &["сентября"],
        &["октября"], &["ноября"], &["декабря"]]),
    ("ar", [&["يناير", "جانفي"], &["فبراير", "فيفري"], &["مارس"], &["أبريل", "إبريل", "ابريل", "أفريل"], &["مايو", "ماي"],
        &["يونيو", "يونيه", "جوان"], &["يوليو", "يوليه", "جويلية"], &["أغسطس", "اغسطس", "أوت"], &["سبتمبر"],
        &["أكتوبر", "اكتوبر"], &["نوفمبر"], &["ديسمبر"]]),
    ("es", [&["enero"], &["febrero"], &["marzo"], &["abril"], &["mayo"], &["junio"], &["julio"], &["agosto"],
        &["septiembre", "setiembre"], &["octubre"], &["noviembre"], &["diciembre"]]),
    ("pt", [&["janeiro"], &["fevereiro"], &["março"], &["abril"], &["maio"], &["junho"], &["julho"], &["agosto"], &["setembro"],
        &["outubro"], &["novembro"], &["dezembro"]]),
    ("de", [&["januar", "jänner"], &["februar"], &["märz"], &["april"], &["mai"], &["juni"], &["juli"], &["august"],
        &["september"], &["oktober"], &["november"], &["dezember"]]),
    ("it", [&["gennaio"], &["febbraio"], &["marzo"], &["aprile"], &["maggio"], &["giugno"], &["luglio"], &["agosto"],
        &["settembre"], &["ottobre"], &["novembre"], &["dicembre"]]),
];

/// The zeros of the scripts' decimal digits (General_Category Nd); nine digits follow each.
const ZEROS: [u32; 24] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x17E0, 0x1810, 0x1090, 0x1946, 0x1E950, 0xFF10,
];

/// The value of a decimal digit of any script in [`ZEROS`].
#[must_use]
pub fn digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))
}

/// Whether a character may stand between two digits of one number.
#[must_use]
pub fn separates(c: char) -> bool {
    matches!(c, '.' | ',' | '\'' | '’' | '\u{A0}' | '\u{202F}' | '\u{2009}' | '\u{66B}' | '\u{66C}')
}

/// The numbers and dates of a passage in a language, in order, at most [`NUMBERS_LIMIT`].
#[must_use]
pub fn find(passage: &str, lang: &str) -> Vec<Found> {
    let chars: Vec<char> = passage.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() && found.len() < NUMBERS_LIMIT {
        let before = at.checked_sub(1).and_then(|before| chars.get(before)).copied();
        let Some(c) = chars.get(at).copied() else { break };
        let (end, value) = if digit(c).is_some() {
            match date_in_figures(&chars, at).or_else(|| dated(&chars, at)) {
                Some((end, value)) => (end, Some((value, None))),
                None => number(&chars, at, custom(lang)),
            }
        } else if c.is_alphabetic() {
            word(&chars, at)
        } else {
            (at + 1, None)
        };
        let named = digit(c).is_some() && before.is_some_and(names_things);
        if let Some((value, also)) = value.filter(|_| !named) {
            let written = chars.get(at..end).unwrap_or_default().iter().collect();
            found.push(Found { value, also, written });
        }
        at = end.max(at + 1);
    }
    found
}

/// Letters that make a name with the digits behind them: those of alphabets whose words are not joined to numbers.
fn names_things(c: char) -> bool {
    c.is_alphabetic() && u32::from(c) < 0x530
}

/// A run of digits from here on, and where it ends.
fn digits(chars: &[char], at: usize) -> (String, usize) {
    let run = chars.iter().skip(at).map_while(|c| digit(*c));
    let values: Vec<u32> = run.collect();
    let text = values.iter().take(DIGITS_LIMIT).filter_map(|value| char::from_digit(*value, 10)).collect();
    (text, at + values.len())
}

type Reading = (Value, Option<Value>);

/// A number that begins here.
fn number(chars: &[char], at: usize, custom: Custom) -> (usize, Option<Reading>) {
    let (first, mut end) = digits(chars, at);
    let mut whole = first.clone();
    let mut grouped_by = None;
    let groups = |end: usize| chars.get(end).map_or_else(Vec::new, |sign| chain(chars, end, *sign));
    // The number of a section goes on, `1.2.3`: no part of it has a fraction.
    let goes_on = at.checked_sub(2).and_then(|before| chars.get(before..at));
    if matches!(goes_on, Some([before, '.' | ',']) if digit(*before).is_some()) {
        return (end, Some((Value::Number(plain(&whole)), None)));
    }

    let may_group = (1..=3).contains(&first.len()) && !first.starts_with('0');
    if let Some(&sign) = chars.get(end).filter(|_| may_group) {
        let mut parts = groups(end);
        let spaces = match sign {
            '\u{A0}' | '\u{202F}' | '\u{2009}' | '\'' | '’' | '\u{66C}' => true,
            ' ' => custom != Custom::Point,
            _ => false,
        };
        let signs = match sign {
            ',' => custom != Custom::Comma,
            '.' => custom != Custom::Point,
            _ => false,
        };
        if spaces {
            parts = parts.into_iter().take_while(|part| part.len() == 3).collect();
        } else if !signs || !are_groups(sign, &parts) {
            parts.clear();
        }
        match parts.as_slice() {
            // It may be either: three digits after one sign, where both customs are met.
            [part] if signs && custom == Custom::Either => {
                let also = Value::Number(decimal(&whole, part));
                let value = Value::Number(plain(&(whole + part)));
                return (end + 1 + part.len(), Some((value, Some(also))));
            }
            [] => {}
            parts => {
                for part in parts {
                    whole.push_str(part);
                    end += 1 + part.len();
                }
                grouped_by = Some(sign);
            }
        }
    }

    if let Some(&sign) = chars.get(end)
        && let [fraction] = groups(end).as_slice()
        && grouped_by != Some(sign)
    {
        let decimal_sign = match sign {
            '\u{66B}' => true,
            '.' => custom != Custom::Comma || fraction.len() != 3,
            ',' => custom != Custom::Point,
            _ => false,
        };
        if decimal_sign {
            return (end + 1 + fraction.len(), Some((Value::Number(decimal(&whole, fraction)), None)));
        }
    }
    (end, Some((Value::Number(plain(&whole)), None)))
}

/// The runs of digits that follow one another from here on, each behind this sign.
fn chain(chars: &[char], mut at: usize, sign: char) -> Vec<String> {
    let mut parts = Vec::new();
    while chars.get(at) == Some(&sign) && parts.len() < DIGITS_LIMIT {
        let (part, end) = digits(chars, at + 1);
        // A run that was cut has an end of its own.
        if part.is_empty() || end != at + 1 + part.len() {
            break;
        }
        parts.push(part);
        at = end;
    }
    parts
}

/// Whether these are groups of thousands: of three digits, or in the Indian way of two before the last.
fn are_groups(sign: char, parts: &[String]) -> bool {
    let Some((last, others)) = parts.split_last() else { return false };
    let others = |length| others.iter().all(|part| part.len() == length);
    last.len() == 3 && (others(3) || sign == ',' && others(2))
}

fn plain(digits: &str) -> String {
    let short = digits.trim_start_matches('0');
    if short.is_empty() { "0".into() } else { short.into() }
}

fn decimal(whole: &str, fraction: &str) -> String {
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { plain(whole) } else { format!("{}.{fraction}", plain(whole)) }
}

/// `03.04.2025`, `3/4/2025`, `2025-04-03`, `2025年4月3日`.
fn date_in_figures(chars: &[char], at: usize) -> Option<(usize, Value)> {
    let (first, end) = digits(chars, at);
    let sign = *chars.get(end)?;
    let (second, middle) = digits(chars, end + 1);
    let cjk = matches!(sign, '年' | '년');
    if !cjk && (!matches!(sign, '.' | '/' | '-') || chars.get(middle) != Some(&sign)) {
        return None;
    }
    if cjk {
        let month_end = matches!(chars.get(middle)?, '月' | '월').then_some(middle + 1)?;
        let (day, end) = digits(chars, month_end);
        let end = matches!(chars.get(end)?, '日' | '일').then_some(end + 1)?;
        return Some((end, date(Some(&first), &second, &day)?));
    }
    let (third, end) = digits(chars, middle + 1);
    // A fourth part makes it something else: an address, the number of a section.
    if chars.get(end) == Some(&sign) && !digits(chars, end + 1).0.is_empty() {
        return None;
    }
    match (first.len(), third.len()) {
        (4, 1 | 2) => Some((end, date(Some(&first), &second, &third)?)),
        (1 | 2, 4) => Some((end, date(Some(&third), &second, &first)?)),
        _ => None,
    }
}

fn date(year: Option<&str>, month: &str, day: &str) -> Option<Value> {
    let year = match year {
        Some(year) => Some(year.parse().ok()?),
        None => None,
    };
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Value::Date { year, month, day })
}

/// `3 avril 2025`, `1er avril`, `3 de abril de 2025`, `3. April`: a day in figures before the month's name.
fn dated(chars: &[char], at: usize) -> Option<(usize, Value)> {
    let (day, mut end) = digits(chars, at);
    if day.len() > 2 {
        return None;
    }
    for ordinal in ["er", "st", "nd", "rd", "th", "º", "°", "-го", "."] {
        if starts(chars, end, ordinal) {
            end += ordinal.chars().count();
            break;
        }
    }
    let (month, mut end) = month_after(chars, end)?;
    let mut year = None;
    let mut next = end;
    if chars.get(next) == Some(&',') {
        next += 1;
    }
    next = past_small_words(chars, next);
    let (digits, after) = digits(chars, next);
    if next > end && digits.len() == 4 {
        year = Some(digits);
        end = after;
    }
    Some((end, date(year.as_deref(), &month.to_string(), &day)?))
}

/// A month's name before the day, `April 3, 2025`; or a number in Roman figures; or nothing: and where the word ends.
fn word(chars: &[char], at: usize) -> (usize, Option<Reading>) {
    let end = at + chars.iter().skip(at).take_while(|c| c.is_alphabetic() || is_mark(**c)).count();
    if let Some((month, after)) = month_here(chars, at) {
        let next = past_spaces(chars, after);
        let (day, stop) = digits(chars, next);
        let month_first = next > after && matches!(day.len(), 1 | 2);
        if month_first {
            let mut stop = stop;
            for ordinal in ["st", "nd", "rd", "th"] {
                if starts(chars, stop, ordinal) {
                    stop += 2;
                    break;
                }
            }
            let comma = chars.get(stop) == Some(&',');
            let next = past_spaces(chars, stop + usize::from(comma));
            let (year, after) = digits(chars, next);
            let (year, stop) = if next > stop && year.len() == 4 { (Some(year), after) } else { (None, stop) };
            if let Some(value) = date(year.as_deref(), &month.to_string(), &day) {
                return (stop, Some((value, None)));
            }
        }
        return (end.max(after), None);
    }
    let letters: String = chars.get(at..end).unwrap_or_default().iter().collect();
    (end, roman(&letters).map(|value| (Value::Roman(value), None)))
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

fn past_spaces(chars: &[char], at: usize) -> usize {
    at + chars.iter().skip(at).take(3).take_while(|c| matches!(c, ' ' | '\u{A0}' | '\u{202F}' | '\n')).count()
}

/// Spaces, and the `de` of Spanish and Portuguese with spaces around it.
fn past_small_words(chars: &[char], at: usize) -> usize {
    let next = past_spaces(chars, at);
    for small in ["de", "of", "do"] {
        let after = next + small.len();
        if next > at && starts(chars, next, small) && past_spaces(chars, after) > after {
            return past_spaces(chars, after);
        }
    }
    next
}

fn month_after(chars: &[char], at: usize) -> Option<(u32, usize)> {
    let next = past_small_words(chars, at);
    (next > at).then(|| month_here(chars, next)).flatten()
}

/// A month's name as a whole word here, whatever the language: a text may name a foreign title.
fn month_here(chars: &[char], at: usize) -> Option<(u32, usize)> {
    // The longest name has ten letters; one more tells a whole word from the beginning of one.
    let word: String =
        chars.iter().skip(at).take(12).take_while(|c| c.is_alphabetic()).flat_map(|c| c.to_lowercase()).collect();
    if word.is_empty() {
        return None;
    }
    let month = MONTHS.iter().find_map(|(_, months)| months.iter().position(|forms| forms.contains(&word.as_str())))?;
    Some((u32::try_from(month + 1).ok()?, at + word.chars().count()))
}

fn starts(chars: &[char], at: usize, with: &str) -> bool {
    let mut rest = chars.iter().skip(at);
    with.chars().all(|c| rest.next() == Some(&c))
}

/// A number of two Roman figures at least, in capitals, perhaps with the ending of an ordinal (`XXIe`), spelled as it must be.
fn roman(word: &str) -> Option<u32> {
    const FIGURES: [(&str, u32); 13] = [
        ("M", 1000),
        ("CM", 900),
        ("D", 500),
        ("CD", 400),
        ("C", 100),
        ("XC", 90),
        ("L", 50),
        ("XL", 40),
        ("X", 10),
        ("IX", 9),
        ("V", 5),
        ("IV", 4),
        ("I", 1),
    ];
    let figures: String = word.chars().take_while(char::is_ascii_uppercase).collect();
    let ending = word.get(figures.len()..).unwrap_or_default();
    if !(2..=9).contains(&figures.len()) || !matches!(ending, "" | "e" | "er" | "ème" | "th" | "st" | "nd" | "rd") {
        return None;
    }
    let (mut rest, mut value) = (figures.as_str(), 0);
    for (figure, worth) in FIGURES {
        let most = if figure.len() == 1 && matches!(worth, 1 | 10 | 100 | 1000) { 3 } else { 1 };
        for _ in 0..most {
            if let Some(shorter) = rest.strip_prefix(figure) {
                rest = shorter;
                value += worth;
            }
        }
    }
    // Spelled in another way, such as `IXI`, it is a word.
    (rest.is_empty() && written_in_roman(value, &FIGURES) == figures).then_some(value)
}

fn written_in_roman(mut value: u32, figures: &[(&str, u32)]) -> String {
    let mut out = String::new();
    for (figure, worth) in figures {
        while value >= *worth {
            out.push_str(figure);
            value -= worth;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(passage: &str, lang: &str) -> String {
        let show = |value: &Value| match value {
            Value::Number(n) => n.clone(),
            Value::Date { year, month, day } => {
                format!("{}-{month}-{day}", year.map_or("*".into(), |year| year.to_string()))
            }
            Value::Roman(n) => format!("R{n}"),
        };
        let both =
            |f: &Found| show(&f.value) + &f.also.as_ref().map(|also| format!("|{}", show(also))).unwrap_or_default();
        find(passage, lang).iter().map(both).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_are_read_as_their_language_writes_them() {
        for (lang, passage, expected) in [
            ("fr", "2\u{202f}035 hommes, 2\u{a0}035, 2 035 et 2035", "2035 2035 2035 2035"),
            ("fr", "1,5 % et 12\u{202f}345,60 francs", "1.5 12345.6"),
            ("fr", "les articles 3 et 4 ; 12 300 voix", "3 4 12300"),
            ("fr", "2.035 et 2.5", "2035 2.5"),
            ("en", "2,035 people, 1.5 per cent, 12,345.60", "2035 1.5 12345.6"),
            ("en", "2.035 metres; 1,234,567; articles 3, 4", "2.035 1234567 3 4"),
            ("en", "3,100 and 3 100", "3100 3 100"),
            ("en", "G20, CO2 and COVID-19 in 5G", "19 5"),
            ("hi", "१२,३४,५६७ और २.५", "1234567 2.5"),
            ("hi", "12,34,567", "1234567"),
            ("de", "1.234.567,8 und 1'000", "1234567.8 1000"),
            ("ru", "2\u{a0}035 человек, 1,5 %", "2035 1.5"),
            ("ar", "٢٬٠٣٥ و٢٫٥ و2025", "2035 2.5 2025"),
            ("ar", "2,035", "2035|2.035"),
            ("ar", "1.234.567", "1234567"),
            ("fa", "۲۰۲۵", "2025"),
            ("zh", "共２０３５人", "2035"),
            ("en", "section 1.2.3", "1 2 3"),
            ("fr", "007", "7"),
            ("fr", "le XXIe siècle, la CIVILISATION, IXI, MIX", "R21 R1009"),
        ] {
            assert_eq!(values(passage, lang), expected, "{lang}: {passage}");
        }
    }

    #[test]
    fn dates_are_one_thing_in_every_language() {
        for (lang, passage) in [
            ("fr", "le 3 avril 2025"),
            ("en", "on 3 April 2025"),
            ("en", "on April 3, 2025"),
            ("en", "on April 3rd, 2025"),
            ("en", "the 3rd of April, 2025"),
            ("ru", "3 апреля 2025 г."),
            ("ru", "03.04.2025"),
            ("ar", "3 أبريل 2025"),
            ("ar", "٣ أبريل ٢٠٢٥"),
            ("ar", "في 3 أفريل 2025"),
            ("es", "el 3 de abril de 2025"),
            ("pt", "em 3 de abril de 2025"),
            ("de", "am 3. April 2025"),
            ("it", "3 aprile 2025"),
            ("zh", "2025年4月3日"),
            ("en", "2025-04-03"),
            ("fr", "03/04/2025."),
        ] {
            assert_eq!(values(passage, lang), "2025-4-3", "{lang}: {passage}");
        }
        assert_eq!(values("le 1er mai", "fr"), "*-5-1");
        assert_eq!(values("May 2025, may 45", "en"), "2025 45");
        assert_eq!(values("192.168.10.20", "fr"), "192 168 10 20");
        assert_eq!(values("le 45 avril", "fr"), "45");
    }

    #[test]
    fn long_runs_and_many_numbers_are_bounded() {
        assert_eq!(values(&"9".repeat(1000), "fr").len(), DIGITS_LIMIT);
        assert_eq!(find(&"1; ".repeat(20_000), "fr").len(), NUMBERS_LIMIT);
    }
}
