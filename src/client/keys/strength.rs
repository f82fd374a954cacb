//! A hint on a new passphrase, in words. It refuses nothing: the least length does ([`super::keyfile::PASSPHRASE_LEAST`]).

use zxcvbn::{Score, zxcvbn};

/// Most characters that are looked at: a longer one is long enough.
const LOOKED_AT: usize = 64;

/// What to think of a passphrase; `None` where there is nothing to say. Holds no part of it.
#[must_use]
pub fn hint(passphrase: &str) -> Option<String> {
    let begin =
        passphrase.char_indices().nth(LOOKED_AT).map_or(passphrase, |(end, _)| passphrase.get(..end).unwrap_or(""));
    let found = zxcvbn(begin, &["communique", "passphrase"]);
    let verdict = match found.score() {
        Score::Zero | Score::One => "a program would guess this passphrase within hours, once the file is in its hands",
        Score::Two => "a program would guess this passphrase within days, once the file is in its hands",
        Score::Three => "this passphrase resists for a while; one or two words more would make it strong",
        _ => return None,
    };
    let why =
        found.feedback().and_then(|feedback| feedback.warning()).map(|why| format!(": {why}")).unwrap_or_default();
    Some(
        format!("{verdict}{why} Several words that have nothing to do with one another are stronger.")
            .replace(": T", ": t"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ones_are_told_and_strong_ones_are_not() {
        for weak in ["passwordpassword", "qwertyuiopasdf", "aaaaaaaaaaaaaaaa", "123456789012"] {
            let said = hint(weak).unwrap();
            assert!(!said.contains(weak), "{said}");
        }
        assert_eq!(hint("harbour velvet nineteen oblique tram"), None);
        assert_eq!(hint(&"harbour velvet nineteen oblique tram ".repeat(20)), None);
    }
}
