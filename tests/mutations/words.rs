//! Changes of a file's contents: of bytes, tokens and fields, of JSON, statements, lines and texts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use communique::domain::json::{base64, unbase64};
use serde_json::{Value, json};

use super::Dice;

/// The order of the group of Ed25519, little end first (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Another content, and how it differs.
pub fn changed(path: &str, bytes: &[u8], donor: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    if dice.one_in(5) {
        return of_bytes(bytes, dice);
    }
    if path.ends_with(".json") {
        of_json(bytes, donor, dice)
    } else if path.ends_with(".jws") {
        of_statement(bytes, donor, dice)
    } else if path.ends_with(".tlog-proof") {
        of_proof(bytes, donor, dice)
    } else if path.ends_with(".tsr") || path.ends_with(".zip") || path.ends_with(".pdf") {
        of_bytes(bytes, dice)
    } else {
        of_lines(bytes, dice)
    }
}

/// Bits, bytes and stretches.
pub fn of_bytes(bytes: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    let mut new = bytes.to_vec();
    let at = dice.below(new.len());
    let longest = if dice.one_in(4) { 64 } else { 4 };
    let long = 1 + dice.below(longest);
    let end = (at + long).min(new.len());
    let what = match dice.below(10) {
        0..3 if !new.is_empty() => {
            new[at] ^= 1 << dice.below(8);
            "a bit"
        }
        3 if !new.is_empty() => {
            new[at] = dice.byte();
            "a byte"
        }
        4 if !new.is_empty() => {
            drop(new.drain(at..end));
            "bytes removed"
        }
        5 if !new.is_empty() => {
            let again = new[at..end].to_vec();
            new.splice(at..at, again);
            "bytes doubled"
        }
        6 => {
            let some: Vec<u8> = (0..long).map(|_| dice.byte()).collect();
            new.splice(at..at, some);
            "bytes put in"
        }
        7 if !new.is_empty() => {
            let to = dice.below(new.len());
            new.swap(at, to);
            "bytes swapped"
        }
        8 => {
            new.truncate(at);
            "cut"
        }
        _ => {
            new.extend((0..long).map(|_| if long.is_multiple_of(2) { 0 } else { dice.byte() }));
            "bytes at the end"
        }
    };
    (format!("{what} at {at}"), new)
}

/// Fields of a document, or the way in which it is written.
pub fn of_json(bytes: &[u8], donor: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return of_bytes(bytes, dice) };
    if dice.one_in(4) {
        return written_otherwise(bytes, &value, dice);
    }
    let donor: Value = serde_json::from_slice(donor).unwrap_or_default();
    let mut paths = vec![];
    paths_of(&value, String::new(), &mut paths);
    let path = dice.of(&paths).cloned().unwrap_or_default();
    let theirs = donor.pointer(&path).cloned().unwrap_or_default();
    let elsewhere = dice.of(&paths).and_then(|path| value.pointer(path)).cloned().unwrap_or_default();
    let Some(field) = value.pointer_mut(&path) else { return of_bytes(bytes, dice) };
    let what = match dice.below(8) {
        0 => {
            *field = Value::Null;
            "null"
        }
        1 => {
            *field = elsewhere;
            "the value of another field"
        }
        2 if theirs != *field => {
            *field = theirs;
            "the value in another package"
        }
        _ => of_value(field, &theirs, dice),
    };
    (format!("{path} is {what}"), value.to_string().into_bytes())
}

fn paths_of(value: &Value, at: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| paths_of(value, format!("{at}/{name}"), paths));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| paths_of(value, format!("{at}/{n}"), paths));
        }
        _ => {}
    }
    paths.push(at);
}

fn of_value(value: &mut Value, donor: &Value, dice: &mut Dice) -> &'static str {
    match value {
        Value::String(words) => {
            let (what, new) = of_string(words, dice);
            *words = new;
            what
        }
        Value::Number(number) => {
            let n = number.as_u64().unwrap_or_default();
            *value = match dice.below(7) {
                0 => json!(n + 1),
                1 => json!(n.saturating_sub(1)),
                2 => json!(0),
                3 => json!((1_u64 << 53) - 1),
                4 => json!(1_u64 << 53),
                5 => json!(-1),
                _ => json!(n as f64 + 0.5),
            };
            "another number"
        }
        Value::Array(_) => list(value, donor, dice),
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = dice.of(&names).cloned().unwrap_or_default();
            match dice.below(4) {
                0 => {
                    members.insert("also".into(), json!(1));
                    "with one member more"
                }
                1 => {
                    let value = members.remove(&name).unwrap_or_default();
                    members.insert(format!("{name}_"), value);
                    "with a member renamed"
                }
                2 => {
                    members.clear();
                    "empty"
                }
                _ => {
                    members.remove(&name);
                    "without a member"
                }
            }
        }
        Value::Null | Value::Bool(_) => {
            let others = [json!(""), json!(0), json!([]), json!({}), json!(true), json!("2026-11-23T09:00:00Z")];
            *value = dice.of(&others).cloned().unwrap_or_default();
            "not null"
        }
    }
}

/// Changes a list.
pub fn list(value: &mut Value, donor: &Value, dice: &mut Dice) -> &'static str {
    let Value::Array(items) = value else { return "no list" };
    let (at, to) = (dice.below(items.len()), dice.below(items.len()));
    match dice.below(6) {
        0 if !items.is_empty() => {
            items.remove(at);
            "one less"
        }
        1 if !items.is_empty() => {
            items.insert(to, items[at].clone());
            "one twice"
        }
        2 if !items.is_empty() => {
            items.swap(at, to);
            "two swapped"
        }
        3 => {
            items.reverse();
            "reversed"
        }
        4 => {
            let theirs = donor.as_array().and_then(|theirs| dice.of(theirs)).cloned().unwrap_or(json!("x"));
            items.insert(at, theirs);
            "one more"
        }
        _ => {
            items.clear();
            "none"
        }
    }
}

fn of_string(words: &str, dice: &mut Dice) -> (&'static str, String) {
    let letters: Vec<char> = words.chars().collect();
    let at = dice.below(letters.len());
    let with = |c: Option<char>| {
        let mut new = letters.clone();
        match (c, at < new.len()) {
            (Some(c), true) => new[at] = c,
            (Some(c), false) => new.push(c),
            (None, true) => drop(new.remove(at)),
            (None, false) => {}
        }
        new.into_iter().collect::<String>()
    };
    match dice.below(9) {
        0 | 1 => {
            let c = *dice.of(&['0', '1', '9', 'a', 'f', 'z', 'A', '-', ':', 'Z', 'é', '\u{200f}', 'ш', ' ']).unwrap();
            ("another letter", with(Some(c)))
        }
        2 | 3 => {
            let next = letters.get(at).map(|c| char::from_u32(u32::from(*c) ^ 1).unwrap_or('0'));
            ("the next letter", with(next))
        }
        4 => ("without a letter", with(None)),
        5 => ("in capitals", words.to_uppercase()),
        6 => ("with a space", format!("{words} ")),
        7 => ("empty", String::new()),
        _ => {
            let mut new = letters.clone();
            new.reverse();
            ("from right to left", new.into_iter().collect())
        }
    }
}

/// The same values, in other bytes.
fn written_otherwise(bytes: &[u8], value: &Value, dice: &mut Dice) -> (String, Vec<u8>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let places =
        |of: &[char]| text.char_indices().filter(|(_, c)| of.contains(c)).map(|(at, _)| at).collect::<Vec<_>>();
    let inserted = |at: usize, what: &str| format!("{}{what}{}", &text[..at], &text[at..]);
    let (what, new) = match dice.below(9) {
        0 => {
            let at = dice.of(&places(&[',', ':', '{', '}', '[', ']'])).map_or(0, |at| at + 1);
            let space = dice.of(&[" ", "\n", "\t", "\r\n"]).unwrap();
            ("with a space", inserted(at, space))
        }
        1 => ("with a line break at its end", format!("{text}\n")),
        2 => ("with a byte order mark", format!("\u{feff}{text}")),
        3 => {
            // A letter as its code point.
            let letters: Vec<usize> =
                text.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).map(|(at, _)| at).collect();
            let at = dice.of(&letters).copied().unwrap_or_default();
            let code = format!("\\u{:04x}", text.as_bytes().get(at).copied().unwrap_or_default());
            ("with a letter escaped", format!("{}{code}{}", &text[..at], text.get(at + 1..).unwrap_or_default()))
        }
        4 => {
            let digits: Vec<usize> = places(&[':'])
                .into_iter()
                .filter(|at| text[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
                .collect();
            let Some(at) = dice.of(&digits).copied() else { return of_bytes(bytes, dice) };
            let end = text[at + 1..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| at + 1 + n);
            match dice.below(4) {
                0 => ("with a fraction", inserted(end, ".0")),
                1 => ("with an exponent", inserted(end, "e0")),
                2 => ("with a zero before it", inserted(at + 1, "0")),
                _ => ("with a sign", inserted(at + 1, "-")),
            }
        }
        5 => {
            // A member twice, the same or not.
            let Some(members) = value.as_object() else { return of_bytes(bytes, dice) };
            let all: Vec<_> = members.iter().collect();
            let Some((name, member)) = dice.of(&all) else { return of_bytes(bytes, dice) };
            let other = if dice.one_in(2) { (*member).clone() } else { Value::Null };
            let pair = format!("{}:{other},", json!(name));
            if dice.one_in(2) {
                ("with a member twice", format!("{{{pair}{}", &text[1..]))
            } else {
                ("with a member twice", format!("{},{}}}", text.trim_end_matches('}'), pair.trim_end_matches(',')))
            }
        }
        6 => {
            let Some(members) = value.as_object() else { return of_bytes(bytes, dice) };
            let mut pairs: Vec<_> = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
            let (a, b) = (dice.below(pairs.len()), dice.below(pairs.len()));
            if !pairs.is_empty() {
                pairs.swap(a, b);
            }
            ("in another order", format!("{{{}}}", pairs.join(",")))
        }
        7 => ("with a slash escaped", text.replacen('/', "\\/", 1)),
        _ => ("on several lines", serde_json::to_string_pretty(value).unwrap_or_default()),
    };
    (what.to_owned(), new.into_bytes())
}

/// Header, payload and signature of a statement.
pub fn of_statement(bytes: &[u8], donor: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    let split = |bytes: &[u8]| -> Option<[String; 3]> {
        let parts: Vec<String> = std::str::from_utf8(bytes).ok()?.split('.').map(str::to_owned).collect();
        parts.try_into().ok()
    };
    let Some([mut header, mut payload, mut signature]) = split(bytes) else { return of_bytes(bytes, dice) };
    let donor = split(donor).unwrap_or([header.clone(), payload.clone(), signature.clone()]);
    let inner = |part: &str, dice: &mut Dice| {
        let (what, new) = of_json(&unbase64(part).unwrap_or_default(), b"", dice);
        (what, base64(&new))
    };
    let what = match dice.below(11) {
        0..3 => {
            let (what, new) = inner(&payload, dice);
            payload = new;
            format!("payload {what}")
        }
        3 => {
            let (what, new) = inner(&header, dice);
            header = new;
            format!("header {what}")
        }
        4 => {
            let headers = [
                r#"{"alg":"none"}"#,
                r#"{"alg":"EdDSA"}"#,
                r#"{"alg":"Ed25519"}"#,
                r#"{"alg":"HS256","kid":"x","typ":"communique.v1.act"}"#,
            ];
            header = base64(dice.of(&headers).unwrap().as_bytes());
            "header of another algorithm".into()
        }
        5 => {
            let of = dice.below(3);
            [&mut header, &mut payload, &mut signature][of].clone_from(&donor[of]);
            format!("part {of} of another package's")
        }
        6 => {
            // S + L, which verifies where nobody looks.
            let mut raw = unbase64(&signature).unwrap_or_default();
            let mut carry = 0_u16;
            for (byte, order) in raw.iter_mut().skip(32).zip(ORDER) {
                carry += u16::from(*byte) + u16::from(order);
                *byte = carry as u8;
                carry >>= 8;
            }
            signature = base64(&raw);
            "signature plus the order of the group".into()
        }
        7 => {
            let mut raw = unbase64(&signature).unwrap_or_default();
            let part = if dice.one_in(2) { 0..32.min(raw.len()) } else { 0..raw.len() };
            raw[part].fill(0);
            signature = base64(&raw);
            "signature of zeros".into()
        }
        8 => {
            let part = [&mut header, &mut payload, &mut signature].into_iter().nth(dice.below(3)).unwrap();
            let last = part.pop().unwrap_or('A');
            part.push(char::from_u32(u32::from(last) ^ 1).filter(char::is_ascii_alphanumeric).unwrap_or('B'));
            "the last letter of a part".into()
        }
        9 => {
            let part = [&mut header, &mut payload, &mut signature].into_iter().nth(dice.below(3)).unwrap();
            part.push_str(dice.of(&["=", "==", "A", "\n", "+", "."]).unwrap());
            "something after a part".into()
        }
        _ => {
            let mut raw = unbase64(&signature).unwrap_or_default();
            let at = dice.below(raw.len());
            if let Some(byte) = raw.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
            signature = base64(&raw);
            "a bit of the signature".into()
        }
    };
    (what, format!("{header}.{payload}.{signature}").into_bytes())
}

/// A proof: its index, its hashes, its head.
fn of_proof(bytes: &[u8], donor: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    let split = |bytes: &[u8]| {
        let (path, note) = std::str::from_utf8(bytes).ok()?.split_once("\n\n")?;
        Some((path.to_owned(), note.to_owned()))
    };
    let (Some((path, note)), Some((theirs, their_note))) = (split(bytes), split(donor)) else {
        return of_bytes(bytes, dice);
    };
    let mut lines: Vec<String> = path.lines().map(str::to_owned).collect();
    let (at, to) = (2 + dice.below(lines.len().saturating_sub(2)), 2 + dice.below(lines.len().saturating_sub(2)));
    let has_hashes = lines.len() > 2;
    let what = match dice.below(13) {
        0 | 1 if has_hashes => {
            let (what, new) = of_base64(&lines[at], dice);
            lines[at] = new;
            format!("hash {at}: {what}")
        }
        2 if has_hashes => {
            lines.remove(at);
            format!("hash {at} removed")
        }
        3 if has_hashes => {
            lines.insert(to, lines[at].clone());
            format!("hash {at} again")
        }
        4 if has_hashes => {
            lines.swap(at, to);
            format!("hashes {at} and {to} swapped")
        }
        5 => {
            let index: u64 = lines[1].strip_prefix("index ").and_then(|n| n.parse().ok()).unwrap_or_default();
            let other = *dice.of(&[index + 1, index.saturating_sub(1), 0, u64::MAX, 1 << 63, index + 256]).unwrap();
            lines[1] = format!("index {other}");
            lines[1].clone()
        }
        6 => {
            let (what, new) = of_string(&lines[1], dice);
            lines[1] = new;
            format!("index {what}")
        }
        7 => {
            lines.insert(1 + dice.below(2), format!("extra {}", STANDARD.encode(b"sample")));
            "extra data".into()
        }
        8 => {
            lines = theirs.lines().map(str::to_owned).collect();
            "the path of another package's".into()
        }
        9 => return ("the head of another package's".into(), format!("{path}\n\n{their_note}").into_bytes()),
        10 | 11 => return of_head(bytes, donor, dice),
        _ => return of_lines(bytes, dice),
    };
    (what, format!("{}\n\n{note}", lines.join("\n")).into_bytes())
}

/// The head of a proof: its text and its signatures.
pub fn of_head(bytes: &[u8], donor: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    let split = |bytes: &[u8]| {
        let (path, note) = std::str::from_utf8(bytes).ok()?.split_once("\n\n")?;
        let (text, signatures) = note.split_once("\n\n")?;
        let lines = |part: &str| part.lines().map(str::to_owned).collect::<Vec<_>>();
        Some((path.to_owned(), lines(text), lines(signatures)))
    };
    let (Some((path, mut text, mut lines)), Some((_, their_text, their_lines))) = (split(bytes), split(donor)) else {
        return of_bytes(bytes, dice);
    };
    let (at, to) = (dice.below(lines.len()), dice.below(lines.len()));
    let what = match dice.below(14) {
        0 => {
            let (what, new) = of_string(&text[0], dice);
            text[0] = new;
            format!("origin {what}")
        }
        1 => {
            let size: u64 = text.get(1).and_then(|size| size.parse().ok()).unwrap_or_default();
            text[1] = dice.of(&[size + 1, size.saturating_sub(1), 0, 1, 1 << 62, u64::MAX]).unwrap().to_string();
            format!("size {}", text[1])
        }
        2 => {
            let (what, new) = of_base64(&text[2], dice);
            text[2] = new;
            format!("root {what}")
        }
        3 => {
            text.push("sample".into());
            "an extension line".into()
        }
        4 => {
            text = their_text;
            "the text of another package's".into()
        }
        5 => {
            lines = their_lines;
            "the signatures of another package's".into()
        }
        6 if !lines.is_empty() => {
            lines.remove(at);
            format!("line {at} removed")
        }
        7 if !lines.is_empty() => {
            lines.swap(at, to);
            format!("lines {at} and {to} swapped")
        }
        8 if !lines.is_empty() => {
            lines.insert(to, lines[at].clone());
            format!("line {at} again as {to}")
        }
        9 => {
            lines.extend(dice.of(&their_lines).cloned());
            "a line of another package's".into()
        }
        10 if !lines.is_empty() => {
            let (what, new) = of_string(&lines[at], dice);
            lines[at] = new;
            format!("line {at}: {what}")
        }
        11 => {
            lines.push(String::new());
            "an empty line".into()
        }
        _ if !lines.is_empty() => {
            let (name, signature) = lines[at].rsplit_once(' ').unwrap_or_default();
            let (what, new) = of_base64(signature, dice);
            lines[at] = format!("{name} {new}");
            format!("signature {at}: {what}")
        }
        _ => return of_bytes(bytes, dice),
    };
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    (what, format!("{path}\n\n{}\n\n{lines}", text.join("\n")).into_bytes())
}

/// Base64, or what is in it.
fn of_base64(base64: &str, dice: &mut Dice) -> (String, String) {
    let Ok(mut raw) = STANDARD.decode(base64) else { return ("no base64".into(), base64.to_owned() + "A") };
    let at = dice.below(raw.len());
    let what = match dice.below(8) {
        0..3 if !raw.is_empty() => {
            raw[at] ^= 1 << dice.below(8);
            "a bit"
        }
        3 if raw.len() >= 64 => {
            let mut carry = 0_u16;
            let first = raw.len() - 32;
            for (byte, order) in raw.iter_mut().skip(first).zip(ORDER) {
                carry += u16::from(*byte) + u16::from(order);
                *byte = carry as u8;
                carry >>= 8;
            }
            "plus the order of the group"
        }
        4 => {
            raw.push(dice.byte());
            "a byte more"
        }
        5 => {
            raw.pop();
            "a byte less"
        }
        6 => {
            let (what, new) = of_string(base64, dice);
            return (what.to_owned(), new);
        }
        _ => {
            let end = base64.trim_end_matches('=').len();
            let last = base64[..end].chars().next_back().and_then(|c| char::from_u32(u32::from(c) + 1)).unwrap_or('B');
            return ("the last letter".into(), format!("{}{last}{}", &base64[..end.saturating_sub(1)], &base64[end..]));
        }
    };
    (what.to_owned(), STANDARD.encode(raw))
}

/// Lines of a tag file or a text.
fn of_lines(bytes: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let (at, to) = (dice.below(lines.len()), dice.below(lines.len()));
    if lines.is_empty() {
        return of_bytes(bytes, dice);
    }
    let what = match dice.below(9) {
        0 => {
            lines.remove(at);
            "a line removed"
        }
        1 => {
            lines.insert(at, lines[to].clone());
            "a line twice"
        }
        2 => {
            lines.swap(at, to);
            "lines swapped"
        }
        3 => {
            lines[at] = lines[at].replace('\n', "\r\n");
            "another line break"
        }
        4 => {
            lines[at] = lines[at].to_uppercase();
            "capitals"
        }
        5 => {
            lines[at] = lines[at].replacen(' ', "  ", 1);
            "a space more"
        }
        6 => {
            let (what, new) = of_string(lines[at].trim_end_matches('\n'), dice);
            lines[at] = new + "\n";
            what
        }
        7 => {
            if let Some(last) = lines.last_mut() {
                *last = last.trim_end_matches('\n').to_owned();
            }
            "no line break at the end"
        }
        _ => {
            lines.push("\n".into());
            "an empty line at the end"
        }
    };
    (format!("{what} at line {at}"), lines.concat().into_bytes())
}

/// Another name for a file.
pub fn renamed(path: &str, dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => path.to_uppercase(),
        1 => format!("{path}x"),
        2 => path.replacen("data/", "data/data/", 1),
        3 => path.replace(['1', '2', '3'], "0"),
        _ => of_string(path, dice).1,
    }
}

/// A salt.
pub fn salt(dice: &mut Dice) -> String {
    let bytes: Vec<u8> = (0..32).map(|_| dice.byte()).collect();
    base64(&bytes)
}
