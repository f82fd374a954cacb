//! The one encoder of signed bytes, and its strict parser: JSON in the canonical form of RFC 8785 (JCS).
//!
//! Parsing is typed; the bytes must equal the canonical form of what was parsed. So a duplicate or unknown key, a missing
//! member, a float, another order, another escape or a space is refused without a rule of its own.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{message::Message, refusal::Refusal};
use crate::msg;

mod canonical;

/// The largest integer that JSON carries exactly (RFC 8785, section 3.2.2.3; I-JSON): 2^53 − 1.
pub const INTEGER_LIMIT: u64 = (1 << 53) - 1;

/// A document or payload of the format: what it is called and how large it may be.
pub trait Form: Serialize + DeserializeOwned {
    /// The name in the format's table, such as `manifest`.
    const NAME: &'static str;
    /// What it is called when it is spoken of.
    fn called() -> Message;
    /// Largest size in bytes.
    const LIMIT: usize;
    /// What serde cannot say: bounds, order, uniqueness. Called on every parse.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] and its like, naming the member.
    fn check(&self) -> Result<(), Refusal>;
}

/// The canonical bytes of a value: keys in order, no spaces, shortest escapes.
///
/// Every `Form` has string keys, integers within [`INTEGER_LIMIT`] and no floats.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // A `Form` holds strings, integers, booleans, lists and string-keyed maps alone, so encoding cannot fail; were that
    // broken, the empty result would parse as nothing and verify as nothing.
    canonical::encode(value).unwrap_or_default()
}

/// Parses exactly the canonical form of a `T`.
///
/// # Errors
/// [`Refusal::TooLarge`] above the form's limit; [`Refusal::Malformed`] naming the member for anything else.
pub fn parse<T: Form>(bytes: &[u8]) -> Result<T, Refusal> {
    bounded::<T>(bytes)?;
    let value: T = serde_json::from_slice(bytes).map_err(|_| misfit::<T>(bytes))?;
    if encode(&value) != bytes {
        return Err(Refusal::malformed(
            T::NAME,
            msg!("the bytes are not the canonical form (RFC 8785, every member present); encode it again"),
        ));
    }
    value.check()?;
    Ok(value)
}

/// That bytes are within a form's limit.
///
/// # Errors
/// [`Refusal::TooLarge`].
pub fn bounded<T: Form>(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > T::LIMIT {
        return Err(Refusal::TooLarge { what: msg!("{what} in bytes", what = T::called()), limit: T::LIMIT as u64 });
    }
    Ok(())
}

/// Why these bytes are no `T`. Parsed once more for it: what is right is not to pay for the path to what is wrong.
fn misfit<T: Form>(bytes: &[u8]) -> Refusal {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(e) => {
            let path = e.path().to_string();
            let field = if path == "." { T::NAME.to_owned() } else { format!("{}.{path}", T::NAME) };
            Refusal::malformed(field, Message::words(e.inner().to_string()))
        }
        Ok(_) => Refusal::malformed(T::NAME, msg!("bytes follow the closing brace")),
    }
}

/// Parses a canonical form of whatever kind, of which no more is known than that it is of this format's family: no
/// fractions, no negative numbers, member names in ASCII.
#[must_use]
pub fn any(bytes: &[u8]) -> Option<Value> {
    fn plain(value: &Value) -> bool {
        match value {
            Value::Number(n) => n.as_u64().is_some_and(|n| n <= INTEGER_LIMIT),
            Value::Array(items) => items.iter().all(plain),
            Value::Object(members) => members.iter().all(|(name, value)| name.is_ascii() && plain(value)),
            Value::Null | Value::Bool(_) | Value::String(_) => true,
        }
    }
    let value = serde_json::from_slice(bytes).ok()?;
    (plain(&value) && encode(&value) == bytes).then_some(value)
}

/// base64url without padding (RFC 4648, section 5).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding; unused trailing bits must be zero, so that each value has one spelling.
#[must_use]
pub fn unbase64(s: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(s).ok()
}

/// Checks that a list is strictly ascending: sorted, and nothing twice.
///
/// # Errors
/// [`Refusal::Malformed`] naming the list.
pub fn ascending<T: Ord>(field: &str, items: impl IntoIterator<Item = T>) -> Result<(), Refusal> {
    let mut items = items.into_iter();
    let Some(mut last) = items.next() else { return Ok(()) };
    for item in items {
        if item <= last {
            return Err(Refusal::malformed(field, msg!("must be sorted, without repeats")));
        }
        last = item;
    }
    Ok(())
}

/// Checks a list's length.
///
/// # Errors
/// [`Refusal::Malformed`] below `least`, [`Refusal::TooLarge`] above `most`.
pub fn count(field: &str, len: usize, least: usize, most: usize) -> Result<(), Refusal> {
    if len < least {
        return Err(Refusal::malformed(field, msg!("needs at least {least}", least)));
    }
    if len > most {
        return Err(Refusal::TooLarge { what: msg!("the number of {field}", field), limit: most as u64 });
    }
    Ok(())
}

/// An integer of the format: 0 … 2^53 − 1.
///
/// # Errors
/// [`Refusal::Malformed`] above that, or below `least`.
pub fn integer(field: &str, value: u64, least: u64) -> Result<(), Refusal> {
    within(field, value, least, INTEGER_LIMIT)
}

/// An integer from `least` to `most`.
///
/// # Errors
/// [`Refusal::Malformed`] outside of these.
pub fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(Refusal::malformed(field, msg!("{value} is not within {least} … {most}", value, least, most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        b: u64,
        a: Option<String>,
    }
    impl Form for Sample {
        const NAME: &'static str = "sample";
        const LIMIT: usize = 100;
        fn called() -> Message {
            msg!("form" => "sample")
        }
        fn check(&self) -> Result<(), Refusal> {
            Ok(())
        }
    }

    #[test]
    fn any_canonical_form_is_glanced_at() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for good in [r#"{"a":[null,true,0,9007199254740991],"b":"é"}"#, "\"é\"", &nested(127)] {
            assert!(any(good.as_bytes()).is_some(), "{good}");
        }
        let bad = [
            "",
            " {}",
            "{} ",
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"é":1}"#,
            "1.5",
            "1.0",
            "-1",
            "9007199254740992",
        ];
        for bad in bad.into_iter().chain([nested(128).as_str()]) {
            assert!(any(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_place() {
        let said = |bytes: &[u8]| parse::<Sample>(bytes).unwrap_err().to_string();
        assert!(said(br#"{"a":null,"b":"1"}"#).starts_with("sample.b: "));
        assert!(said(b"7").starts_with("sample: "));
        assert_eq!(said(br#"{"a":null,"b":1}x"#), "sample: bytes follow the closing brace");
    }

    #[test]
    fn one_encoding_parses() {
        assert_eq!(parse(br#"{"a":null,"b":1}"#), Ok(Sample { b: 1, a: None }));
        assert_eq!(
            encode(&Sample { b: 1, a: Some("\u{1f}\u{8}\"\\/é\u{7f}".into()) }),
            "{\"a\":\"\\u001f\\b\\\"\\\\/é\u{7f}\",\"b\":1}".as_bytes()
        );
        for bad in [
            r#"{"b":1,"a":null}"#,
            r#"{"a":null,"b":1,"b":1}"#,
            r#"{"a":null,"a":null,"b":1}"#,
            r#"{"b":1}"#,
            r#"{"a":null,"b":1,"c":0}"#,
            r#"{"a":null,"b":1.0}"#,
            r#"{"a":null,"b":1e0}"#,
            r#"{"a":null,"b":-0}"#,
            r#"{"a":null,"b":"1"}"#,
            r#"{"a":null, "b":1}"#,
            r#"{"a":null,"b":1} "#,
            r#"{"a":null,"b":1}{"#,
            r#"{"a":"\u0041","b":1}"#,
            r#"{"a":"\ud800","b":1}"#,
            r#"{"a":"\/","b":1}"#,
            r#"["#,
            "",
        ] {
            assert!(parse::<Sample>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse::<Sample>(format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(100)).as_bytes()).is_err());
        assert!(parse::<Sample>(b"{\"a\":\"\xff\",\"b\":1}").is_err());
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(unbase64("AA"), Some(vec![0]));
        for bad in ["AB", "AA==", "A", "AA\n", "+/", "A A"] {
            assert_eq!(unbase64(bad), None, "{bad}");
        }
    }
}
