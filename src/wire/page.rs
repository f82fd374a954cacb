//! Pages of lists (Google AIP-158): how many rows, where to go on, and when a page is full by bytes.

use prost::Message;

use crate::domain::{
    json::{base64, unbase64},
    refusal::Refusal,
    view::Page,
};

/// Largest key of a row, in bytes: the longest is a communiqué id or a party id. As a token it stays within 512 bytes.
pub const KEY_LIMIT: usize = 128;
/// A page ends before its rows take more bytes than this, but for one row. As the contract says.
pub const BYTES_LIMIT: usize = 2 << 20;

/// How many rows a page has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLimits {
    /// Where the caller asks for 0.
    pub default: usize,
    /// At most, whatever the caller asks for.
    pub most: usize,
}
impl Default for PageLimits {
    fn default() -> Self {
        Self { default: 50, most: 1000 }
    }
}

/// The number of rows to read for a `page_size`: the default for 0, never more than the most.
///
/// # Errors
/// [`Refusal::Malformed`] for a negative one.
pub fn size(asked: i32, limits: PageLimits) -> Result<usize, Refusal> {
    let asked = usize::try_from(asked).map_err(|_| Refusal::malformed("page_size", "is negative"))?;
    Ok(if asked == 0 { limits.default } else { asked }.min(limits.most))
}

/// The opaque token of a row's key: rows after it are asked for with the token. Empty for an empty key, the end.
#[must_use]
pub fn token(key: &str) -> String {
    base64(key.as_bytes())
}

/// The key in a token, parsed; `None` for the empty token, which asks for the first page.
///
/// # Errors
/// [`Refusal::Malformed`] for a token that this list cannot have given.
pub fn after<K: std::str::FromStr>(token: &str) -> Result<Option<K>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    Some(token)
        .filter(|token| token.len() <= KEY_LIMIT.div_ceil(3) * 4)
        .and_then(unbase64)
        .filter(|key| key.len() <= KEY_LIMIT)
        .and_then(|key| String::from_utf8(key).ok())
        .and_then(|key| key.parse().ok())
        .map(Some)
        .ok_or_else(|| Refusal::malformed("page_token", "is none that this list gave; start without one"))
}

/// Encodes a page whose `next` is the key of its last row (empty at the end) and answers the token for the next one.
///
/// Ends earlier where the rows would take more than [`BYTES_LIMIT`]; the token then goes on after the last row taken. The
/// first row is always taken, so that reading on ends.
#[must_use]
pub fn fill<T, M: Message + From<T>>(page: Page<T>, key: impl Fn(&T) -> String) -> (Vec<M>, String) {
    fill_to(BYTES_LIMIT, page, key)
}

fn fill_to<T, M: Message + From<T>>(limit: usize, page: Page<T>, key: impl Fn(&T) -> String) -> (Vec<M>, String) {
    let mut rows = Vec::with_capacity(page.rows.len());
    let (mut bytes, mut last) = (0, String::new());
    for row in page.rows {
        let key = key(&row);
        let message = M::from(row);
        bytes += message.encoded_len();
        if bytes > limit && !rows.is_empty() {
            return (rows, token(&last));
        }
        rows.push(message);
        last = key;
    }
    (rows, token(&page.next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let limits = PageLimits { default: 5, most: 10 };
        assert_eq!([0, 1, 10, 11, i32::MAX].map(|n| size(n, limits)), [5, 1, 10, 10, 10].map(Ok));
        assert!(size(-1, limits).is_err());
        assert_eq!(size(0, PageLimits::default()), Ok(50));
        assert_eq!(size(2000, PageLimits::default()), Ok(1000));
    }

    #[test]
    fn tokens_come_back_and_nothing_else_parses() {
        assert_eq!(after::<u64>(&token("42")), Ok(Some(42)));
        assert_eq!(after::<String>(&token(&"k".repeat(KEY_LIMIT))), Ok(Some("k".repeat(KEY_LIMIT))));
        assert_eq!(after::<u64>(""), Ok(None));
        assert_eq!(token(""), "");
        let (long, not_utf8) = (token(&"1".repeat(KEY_LIMIT + 1)), base64(b"\xff"));
        for bad in ["42", "NDI=", "N", &token("x"), &token("-1"), &long, &"A".repeat(100_000)] {
            assert_eq!(after::<u64>(bad).map_err(|r| r.reason()), Err("MALFORMED"));
        }
        for bad in [long, not_utf8] {
            assert!(after::<String>(&bad).is_err());
        }
    }

    #[test]
    fn a_page_ends_before_its_bytes_do() {
        let page =
            |next: &str| Page { rows: vec!["a".repeat(100), "b".repeat(100), "c".repeat(100)], next: next.into() };
        let key = |row: &String| row[..1].to_owned();
        let all: (Vec<String>, _) = fill_to(1000, page("c"), key);
        assert_eq!((all.0.len(), all.1), (3, token("c")));
        let end: (Vec<String>, _) = fill_to(1000, page(""), key);
        assert_eq!((end.0.len(), end.1), (3, String::new()));
        let cut: (Vec<String>, _) = fill_to(250, page(""), key);
        assert_eq!((cut.0.len(), cut.1), (2, token("b")));
        let one: (Vec<String>, _) = fill_to(1, page(""), key);
        assert_eq!((one.0.len(), one.1), (1, token("a")));
    }
}
