//! What each member of a document or payload may be, and what breaks one rule of it and nothing else: the values that the
//! conventions of FORMAT.md shut out, for every kind of value. What is made here is in canonical form, always.

use std::mem::{Discriminant, discriminant};

use communique::domain::{json::base64, key::Signer as _};
use serde_json::{Value, json};

use super::keys::{twisted, unused_bits_set};
use crate::played::key;

/// What a member is.
#[derive(Clone, Copy)]
pub enum Form {
    /// Base64url of so many bytes at most.
    Bytes(usize),
    Date,
    Digest,
    /// A trust domain.
    Domain,
    Exchange,
    Holder,
    /// Of a communiqué.
    Id,
    Key,
    Line,
    /// Lines by language.
    Names,
    /// An integer within these bounds.
    Number(u64, u64),
    Party,
    Prose,
    Salt,
    Time,
    /// One of these.
    Word(&'static [&'static str]),
}

/// The largest integer.
pub const MOST: u64 = (1 << 53) - 1;
/// A digest of nothing in particular.
pub const DIGEST: &str = "badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8";
/// The id of another communiqué than the sample.
pub const OTHER_ID: &str = "01a207a2-3280-7707-8707-070707070708";

/// A document or payload, what is to be said of it, and whether it is one.
pub struct Made {
    pub says: String,
    pub valid: bool,
    pub value: Value,
}

/// What was made of documents or payloads.
#[derive(Default)]
pub struct Rows {
    all: Vec<Made>,
    /// Forms of which all was made that they shut out: at further members of the same form only a part is made again.
    seen: Vec<Discriminant<Form>>,
}

/// How much of what a form shuts out is made again at its further members.
const BRIEF: usize = 2;

/// The same with these members set, or added: at `-` to a list's end.
pub fn with<'a>(base: &Value, changes: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let mut changed = base.clone();
    for (pointer, value) in changes {
        if pointer.is_empty() {
            changed = value;
            continue;
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")) {
            Value::Object(members) => drop(members.insert(name.into(), value)),
            Value::Array(items) if name == "-" => items.push(value),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            other => panic!("{pointer} of {other}"),
        }
    }
    changed
}

/// The same without this member.
pub fn without(base: &Value, pointer: &str) -> Value {
    let mut changed = base.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let gone = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
    assert!(gone.is_some(), "no {pointer}");
    changed
}

/// Words by so many languages.
pub fn languages(count: usize, words: &str) -> Value {
    let letters = |n: usize| ["a", "b"][n / 26].to_owned() + &char::from(b'a' + (n % 26) as u8).to_string();
    (0..count).map(|n| (letters(n), Value::from(words))).collect::<serde_json::Map<_, _>>().into()
}

impl Rows {
    pub fn good<'a>(&mut self, says: &str, base: &Value, changes: impl IntoIterator<Item = (&'a str, Value)>) {
        self.all.push(Made { says: says.into(), valid: true, value: with(base, changes) });
    }
    pub fn bad<'a>(&mut self, says: &str, base: &Value, changes: impl IntoIterator<Item = (&'a str, Value)>) {
        self.all.push(Made { says: says.into(), valid: false, value: with(base, changes) });
    }
    pub fn push(&mut self, says: &str, valid: bool, value: Value) {
        self.all.push(Made { says: says.into(), valid, value });
    }
    /// What was made, to be made no more.
    pub fn take(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.all)
    }
    /// Each member of the table, with what its form shuts out and what it does not.
    pub fn members(&mut self, base: &Value, table: &[(&str, Form)]) {
        for (pointer, form) in table {
            let brief = self.seen.contains(&discriminant(form));
            let known = matches!(form, Form::Number(..) | Form::Word(_));
            self.seen.push(discriminant(form));
            let name = pointer.trim_start_matches('/');
            let (bad, good) = form.values();
            let count = if brief && !known { BRIEF } else { bad.len() };
            for (what, value) in bad.into_iter().take(count) {
                self.bad(&format!("{name}: {what}"), base, [(*pointer, value)]);
            }
            if !brief || known {
                for (what, value) in good {
                    self.good(&format!("{name}: {what}"), base, [(*pointer, value)]);
                }
            }
        }
    }
    /// Each of these members is asked for, and `null` is no value of it.
    pub fn never_null(&mut self, base: &Value, pointers: &[&str]) {
        for pointer in pointers {
            self.bad(&format!("{}: null", &pointer[1..]), base, [(*pointer, Value::Null)]);
        }
    }
    /// The objects that stand there have the members that they have, no other, and each of them.
    pub fn closed(&mut self, base: &Value, objects: &[&str]) {
        for object in objects {
            let of = |what: &str| if object.is_empty() { what.to_owned() } else { format!("{}: {what}", &object[1..]) };
            let members = base.pointer(object).unwrap().as_object().unwrap();
            self.bad(&of("an unknown member"), base, [(format!("{object}/z").as_str(), Value::Null)]);
            for name in members.keys() {
                let value = without(base, &format!("{object}/{name}"));
                self.all.push(Made { says: of(&format!("without {name}")), valid: false, value });
            }
            if !object.is_empty() {
                self.bad(&of("a list"), base, [(*object, json!([]))]);
            }
        }
    }
}

/// A value, and what is to be said of it.
type Values = Vec<(String, Value)>;

fn values(rows: &[(&str, &str)]) -> Values {
    rows.iter().map(|(what, value)| ((*what).to_owned(), (*value).into())).collect()
}

impl Form {
    /// What it shuts out, what is telling most first; and what is little known of what it lets in.
    pub fn values(self) -> (Values, Values) {
        let (mut bad, good) = match self {
            Self::Bytes(most) => bytes(most),
            Self::Date => (values(DATES), values(&[("a day of a leap year", "2028-02-29")])),
            Self::Digest => digests(),
            Self::Domain => {
                let (mut bad, mut good) = names_of_hosts();
                bad.retain(|(what, _)| what != "one label");
                good.push(("one label".into(), "exchange".into()));
                (bad, good)
            }
            Self::Exchange => names_of_hosts(),
            Self::Holder => {
                let mut bad = values(&[("with a low line", "a_holder"), ("a letter of others", "holdér")]);
                bad.extend(values(IDS));
                bad.push(("65 letters".into(), "h".repeat(65).into()));
                let mut good = values(&[("two letters", "ab")]);
                good.push(("64 letters, with a dot".into(), format!("{}.", "h".repeat(63)).into()));
                (bad, good)
            }
            Self::Id => {
                let mut bad = values(UUIDS);
                // A digit more or less in each group.
                for (n, at) in [0, 9, 14, 19].into_iter().enumerate() {
                    let (before, after) = UUID.split_at(at + 1);
                    let (more, less) = (format!("{before}0{after}"), format!("{before}{}", &after[1..]));
                    for (what, id) in [("long", more), ("short", less)] {
                        bad.push((format!("group {} too {what}", n + 1), id.into()));
                    }
                }
                (bad, vec![])
            }
            Self::Key => return (keys(), vec![]),
            Self::Line => {
                let mut bad = values(&[
                    ("two spaces in a row", "a  sample"),
                    ("a line break", "a\nsample"),
                    ("a space before it", " a sample"),
                    ("an ideographic space before it", "\u{3000}a sample"),
                    ("a space after it", "a sample "),
                    ("nothing", ""),
                    ("not composed", "e\u{301}"),
                    ("struck through", "V\u{336}ille"),
                ]);
                bad.insert(1, ("1,025 bytes".into(), "a".repeat(1025).into()));
                (bad, vec![("1,024 bytes".into(), "a".repeat(1024).into())])
            }
            Self::Names => return by_language(),
            Self::Number(least, most) => return numbers(least, most),
            Self::Party => {
                let mut bad = values(&[("with a low line", "a_party"), ("with a dot", "a.party"), ("é", "aé")]);
                bad.extend(values(IDS));
                bad.push(("33 letters".into(), "abcdefghijklmnopqrstuvwxyz-012345".into()));
                let good = values(&[("32 letters", "abcdefghijklmnopqrstuvwxyz-01234"), ("a hyphen at its end", "a-")]);
                (bad, good)
            }
            Self::Prose => {
                let mut bad = values(&[
                    ("a line feed at its end", "a\n"),
                    ("two empty lines", "a\n\n\nb"),
                    ("an empty line before it", "\na"),
                    ("a space before a line", "a\n b"),
                    ("a space after a line", "a \nb"),
                    ("a tab", "a\tb"),
                    ("nothing", ""),
                    ("not composed", "e\u{301}"),
                ]);
                bad.insert(1, ("16,385 bytes".into(), "a".repeat(16_385).into()));
                let mut good = values(&[("two paragraphs", "a\n\nb"), ("two lines", "a\nb"), ("two spaces", "a  b")]);
                good.push(("16,384 bytes".into(), "a".repeat(16_384).into()));
                (bad, good)
            }
            Self::Salt => {
                let bytes = |n| Value::from(base64(&vec![0xfb; n]));
                let mut bad = vec![
                    ("31 bytes".to_owned(), bytes(31)),
                    ("unused bits set".into(), unused_bits_set(&base64(&[0xfb; 32])).into()),
                    ("33 bytes".into(), bytes(33)),
                    ("nothing".into(), "".into()),
                ];
                bad.extend(spelled(&base64(&[0xfb; 32])));
                (bad, vec![])
            }
            Self::Time => (values(TIMES), values(GOOD_TIMES)),
            Self::Word(words) => {
                let mut bad = values(&[("another word", "other"), ("nothing", "")]);
                bad.push(("in capitals".into(), words[0].to_uppercase().into()));
                bad.push(("in a list".into(), json!([words[0]])));
                (bad, words.iter().map(|word| ((*word).to_owned(), (*word).into())).collect())
            }
        };
        bad.push(("an integer".into(), 7.into()));
        (bad, good)
    }
}

/// What neither a party nor a holder has for its id.
const IDS: &[(&str, &str)] = &[
    ("one letter", "s"),
    ("a digit first", "0-sample"),
    ("a hyphen first", "-sample"),
    ("a capital", "Sample-0"),
    ("a capital within", "sAmple-0"),
    ("a line feed after it", "sa\n"),
    ("nothing", ""),
];

const DATES: &[(&str, &str)] = &[
    ("a day that there is not", "2026-02-29"),
    ("with a time", "2026-11-23T00:00:00Z"),
    ("without hyphens", "20261123"),
    ("a month of one digit", "2026-1-23"),
    ("month 0", "2026-00-23"),
    ("of 1969", "1969-12-31"),
    ("of year 9999", "9999-01-01"),
    ("of year 10000", "+010000-01-01"),
    ("a line feed after it", "2026-11-23\n"),
];

const TIMES: &[(&str, &str)] = &[
    ("with an offset", "2026-11-23T09:08:00+00:00"),
    ("a day that there is not", "2026-02-29T09:08:00Z"),
    ("with a fraction", "2026-11-23T09:08:00.0Z"),
    ("t in small letters", "2026-11-23t09:08:00Z"),
    ("z in small letters", "2026-11-23T09:08:00z"),
    ("a space for T", "2026-11-23 09:08:00Z"),
    ("without Z", "2026-11-23T09:08:00"),
    ("without seconds", "2026-11-23T09:08Z"),
    ("a leap second", "2026-12-31T23:59:60Z"),
    ("24 o’clock", "2026-12-31T24:00:00Z"),
    ("a minute that there is not", "2026-11-23T09:60:00Z"),
    ("of 1969", "1969-12-31T23:59:59Z"),
    ("of year 9999", "9999-01-01T00:00:00Z"),
    ("a line feed after it", "2026-11-23T09:08:00Z\n"),
];
const GOOD_TIMES: &[(&str, &str)] = &[
    ("the first second", "1970-01-01T00:00:00Z"),
    ("the last second", "9998-12-31T23:59:59Z"),
    ("a day of a leap year", "2028-02-29T23:59:59Z"),
];

const UUID: &str = "01a207a2-3280-7707-8707-070707070707";
const UUIDS: &[(&str, &str)] = &[
    ("of version 4", "01a207a2-3280-4707-8707-070707070707"),
    ("in capitals", "01A207A2-3280-7707-8707-070707070707"),
    ("of another variant", "01a207a2-3280-7707-c707-070707070707"),
    ("without hyphens", "01a207a2328077078707070707070707"),
    ("in braces", "{01a207a2-3280-7707-8707-070707070707}"),
    ("as a URN", "urn:uuid:01a207a2-3280-7707-8707-070707070707"),
    ("a digit more", "01a207a2-3280-7707-8707-0707070707070"),
    ("a digit less", "01a207a2-3280-7707-8707-07070707070"),
    ("nothing", ""),
];

fn digests() -> (Values, Values) {
    let mut bad = values(&[("nothing", ""), ("with 0x before it", &format!("0x{}", &DIGEST[2..]))]);
    let bytes: Vec<_> = (0..32).map(|n| u8::from_str_radix(&DIGEST[2 * n..2 * n + 2], 16).unwrap()).collect();
    let more = [
        ("63 digits", DIGEST[1..].to_owned()),
        ("in capitals", DIGEST.to_uppercase()),
        ("65 digits", format!("{DIGEST}0")),
        ("62 digits", DIGEST[2..].to_owned()),
        ("a letter that is no digit", format!("g{}", &DIGEST[1..])),
        ("in base64url", base64(&bytes)),
        ("a line feed after it", format!("{DIGEST}\n")),
    ];
    bad.splice(0..0, more.map(|(what, value)| (what.to_owned(), value.into())));
    (bad, vec![])
}

fn names_of_hosts() -> (Values, Values) {
    let (label, long) = ("a".repeat(63), format!("{0}.{0}.{0}.", "a".repeat(63)));
    let mut bad = values(&[
        ("in capitals", "Exchange.sample.example"),
        ("one label", "exchange"),
        ("a dot after it", "exchange.sample.example."),
        ("a dot before it", ".exchange.sample"),
        ("an empty label", "exchange..example"),
        ("a label that begins with a hyphen", "exchange.-sample.example"),
        ("a label that ends with a hyphen", "exchange.sample-.example"),
        ("with a low line", "ex_change.example"),
        ("a letter of others", "échange.example"),
        ("a line feed after it", "exchange.sample.example\n"),
        ("nothing", ""),
    ]);
    bad.push(("a label of 64 letters".into(), format!("a{label}.example").into()));
    bad.push(("254 bytes".into(), format!("{long}{}", "a".repeat(62)).into()));
    let mut good = values(&[("digits alone", "1.2"), ("two hyphens", "xn--a.example")]);
    good.push(("a label of 63 letters".into(), format!("{label}.example").into()));
    good.push(("253 bytes".into(), format!("{long}{}", "a".repeat(61)).into()));
    (bad, good)
}

/// Another spelling of base64url.
fn spelled(encoded: &str) -> Values {
    assert!(encoded.contains('-') || encoded.contains('_'));
    let plain = encoded.replace('-', "+").replace('_', "/");
    let rows = [
        ("in the alphabet of plain base64", plain),
        ("with padding", format!("{encoded}=")),
        ("a line feed after it", format!("{encoded}\n")),
    ];
    rows.map(|(what, value)| (what.to_owned(), value.into())).into()
}

fn bytes(most: usize) -> (Values, Values) {
    let mut bad = vec![
        (format!("{} bytes", most + 1), base64(&vec![0; most + 1]).into()),
        ("unused bits set".into(), "MAB".into()),
        ("a letter too many".into(), "MAAAA".into()),
    ];
    bad.extend(spelled(&base64(&[0xfb; 32])));
    (bad, vec![(format!("{most} bytes"), base64(&vec![0; most]).into())])
}

fn keys() -> Values {
    let good = key(97).public().to_bytes();
    let x = |x: String| json!({ "crv": "Ed25519", "kty": "OKP", "x": x });
    let with = |name: &str, value: &str| with(&x(base64(&good)), [(format!("/{name}").as_str(), value.into())]);
    let (mut small, mut high) = ([0; 32], [0xff; 32]);
    small[0] = 1;
    // y = 3, plus the field's order. No point that can be written so is without torsion.
    (high[0], high[31]) = (0xf0, 0x7f);
    let rows = [
        ("of another curve", with("crv", "X25519")),
        ("of small order", x(base64(&small))),
        ("of another type", with("kty", "EC")),
        ("with a component of torsion", x(base64(&twisted(good)))),
        ("not canonical", x(base64(&high))),
        ("31 bytes", x(base64(&good[..31]))),
        ("33 bytes", x(base64(&[&good[..], &[0]].concat()))),
        ("unused bits set", x(unused_bits_set(&base64(&good)))),
        ("with padding", x(base64(&good) + "=")),
        ("with its own id", with("kid", "a")),
        ("with a private part", with("d", &base64(&[7; 32]))),
        ("its x alone", base64(&good).into()),
    ];
    rows.map(|(what, value)| (what.to_owned(), value)).into()
}

fn by_language() -> (Values, Values) {
    const LONGEST: &str = "abc-abcdefgh-abcdefgh-abcdef-abcdef";
    let tags = |rows: &[(&str, &str)]| {
        rows.iter().map(|(what, tag)| ((*what).to_owned(), json!({ *tag: "Exemple" }))).collect::<Vec<_>>()
    };
    let mut bad = tags(&[
        ("a language in capitals", "FR"),
        ("a language that no file can be named after", "con"),
        ("another such language", "aux"),
        ("a third such language", "nul"),
        ("a fourth such language", "prn"),
        ("such a language with a region", "con-FR"),
        ("a language of one letter", "f"),
        ("a language of four letters", "fren"),
        ("a region in small letters", "fr-fr"),
        ("a script in small letters", "zh-hans"),
        ("a script of three letters", "zh-Han"),
        ("a script of five letters", "zh-Hanss"),
        ("a region of one letter", "fr-F"),
        ("a region of three letters", "fr-FRA"),
        ("a region of two digits", "es-41"),
        ("a language with a line feed after it", "fr\n"),
        ("a variant of four letters", "de-1996"),
        ("a variant of nine letters", "de-abcdefghi"),
        ("a language with a low line", "fr_FR"),
        ("a language with a hyphen at its end", "fr-"),
        ("a language of others’ letters", "fré"),
        ("a language of 36 bytes", &format!("{LONGEST}g")),
        ("no language", ""),
    ]);
    let more = [
        ("in no language", json!({})),
        ("in 33 languages", languages(33, "Exemple")),
        ("a line and no language", "Exemple".into()),
        ("a line with two spaces", json!({ "fr": "un  exemple" })),
        ("a line that is null", json!({ "ar": null, "fr": "Exemple" })),
        ("null", Value::Null),
    ];
    bad.splice(1..1, more.map(|(what, value)| (what.to_owned(), value)));
    let mut good = tags(&[
        ("a language with script and region", "zh-Hans-CN"),
        ("a region of digits", "es-419"),
        ("a variant", "ca-valencia"),
        ("a variant of five letters", "de-abcde"),
        ("a language of 35 bytes", LONGEST),
    ]);
    good.push(("in 32 languages".into(), languages(32, "Exemple")));
    (bad, good)
}

fn numbers(least: u64, most: u64) -> (Values, Values) {
    let below = least.checked_sub(1).map_or(json!(-1), Value::from);
    let bad = [
        ("below its bounds", below),
        ("above its bounds", (most + 1).into()),
        ("with a fraction", json!(1.5)),
        ("a string", "2".into()),
        ("true", true.into()),
        ("null", Value::Null),
    ];
    let bad = bad.map(|(what, value)| (what.to_owned(), value)).into();
    (bad, vec![("at its upper bound".into(), most.into())])
}
