//! Pages of lists (Google AIP-158): how many rows, where to go on, and when a page is full by bytes.

use prost::Message;

use crate::{
    domain::{
        id::Digest,
        json::{base64, unbase64},
        refusal::Refusal,
        view::Page,
    },
    msg,
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
    let asked = usize::try_from(asked).map_err(|_| Refusal::malformed("page_size", msg!("is negative")))?;
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
        .ok_or_else(|| Refusal::malformed("page_token", msg!("is none that this list gave; start without one")))
}

/// A row's key with the mark of the filters that it was found under: a token that goes with other filters is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marked<K> {
    key: K,
    mark: String,
}

impl<K: std::str::FromStr> std::str::FromStr for Marked<K> {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        let (key, mark) = s.rsplit_once('.').ok_or(())?;
        Ok(Self { key: key.parse().map_err(|_| ())?, mark: mark.to_owned() })
    }
}

/// What filters are told apart by: the beginning of the digest of what they say.
#[must_use]
pub fn mark(filters: &[&str]) -> String {
    // Lengths keep the fields apart.
    let said: String = filters.iter().map(|filter| format!("{}:{filter};", filter.len())).collect();
    Digest::of(said.as_bytes()).to_string().chars().take(16).collect()
}

/// The key of a row with a mark, as a token holds it.
#[must_use]
pub fn marked(key: &str, mark: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}.{mark}") }
}

/// The key in a token that goes with the filters of this mark.
///
/// # Errors
/// [`Refusal::Malformed`] for a token that this list cannot have given, or has given for other filters.
pub fn after_marked<K: std::str::FromStr>(token: &str, mark: &str) -> Result<Option<K>, Refusal> {
    match after::<Marked<K>>(token)? {
        Some(found) if found.mark != mark => {
            Err(Refusal::malformed("page_token", msg!("goes with other filters; start without one")))
        }
        found => Ok(found.map(|found| found.key)),
    }
}

/// Encodes a page whose `next` is the key of its last row (empty at the end) and answers the token for the next one.
///
/// Ends earlier where the rows would take more than [`BYTES_LIMIT`]; the token then goes on after the last row taken. The
/// first row is always taken, so that reading on ends.
#[must_use]
pub fn fill<T, M: Message + From<T>>(page: Page<T>, key: impl Fn(&T) -> String) -> (Vec<M>, String) {
    fill_to(BYTES_LIMIT, page, key)
}

/// The same for rows that come with their place in what is listed, where some are passed over. Tokens bear the mark.
#[must_use]
pub fn fill_placed<T, M: Message + From<T>>(page: Page<(u64, T)>, mark: &str) -> (Vec<M>, String) {
    let (places, rows): (Vec<_>, Vec<_>) = page.rows.into_iter().unzip();
    let places = std::cell::RefCell::new(places.into_iter());
    let next = marked(&page.next, mark);
    // Each row's key is asked for once, in order.
    let key = |_: &T| places.borrow_mut().next().map(|place| marked(&place.to_string(), mark)).unwrap_or_default();
    fill(Page { rows, next }, key)
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
    fn a_token_goes_with_its_filters() {
        let (one, other) = (mark(&["open", ""]), mark(&["", "open"]));
        assert_ne!(one, other, "fields run together");
        assert_ne!(mark(&["a;1:b"]), mark(&["a", "b"]));
        let given = token(&marked("42", &one));
        assert_eq!(after_marked::<u64>(&given, &one), Ok(Some(42)));
        assert_eq!(after_marked::<u64>("", &one), Ok(None));
        for bad in [given.as_str(), &token("42"), &token("x.")] {
            assert_eq!(after_marked::<u64>(bad, &other).map_err(|r| r.reason()), Err("MALFORMED"), "{bad}");
        }
        assert_eq!(marked("", &one), "", "the end stays the end");
    }

    #[test]
    fn a_token_goes_on_after_the_place_of_the_last_row() {
        let row = |place: u64| (place, "x".repeat(BYTES_LIMIT / 2));
        let whole: (Vec<String>, _) = fill_placed(Page { rows: vec![row(3)], next: "8".into() }, "m");
        assert_eq!((whole.0.len(), after_marked(&whole.1, "m")), (1, Ok(Some(8_u64))));
        let cut: (Vec<String>, _) = fill_placed(Page { rows: vec![row(3), row(5), row(8)], next: "8".into() }, "m");
        assert_eq!((cut.0.len(), after_marked(&cut.1, "m")), (1, Ok(Some(3_u64))));
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
