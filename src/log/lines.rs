//! Spellings that the texts of C2SP share: decimal numbers, and hashes one a line.

use super::{Fault, tree::Hash};
use crate::{domain::message::Message, msg};

/// A number in ASCII decimals, without sign or leading zeros; at most 2^63 − 1, as far as C2SP programs in Go count.
pub(super) fn decimal(s: &str) -> Option<u64> {
    let plain = s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.starts_with('0'));
    let number: i64 = if plain { s.parse().ok()? } else { return None };
    u64::try_from(number).ok()
}

/// Hashes in base64, one a line.
pub(super) fn hashes<'a>(
    lines: impl Iterator<Item = &'a str>,
    what: fn() -> Message,
    limit: usize,
) -> Result<Vec<Hash>, Fault> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == limit {
            return Err(Fault::TooLarge { what: what(), limit: limit as u64 });
        }
        hashes.push(line.parse()?);
    }
    Ok(hashes)
}

/// Text in UTF-8 of limited size.
pub(super) fn text(bytes: &[u8], what: fn() -> Message, limit: usize) -> Result<&str, Fault> {
    if bytes.len() > limit {
        return Err(Fault::TooLarge { what: what(), limit: limit as u64 });
    }
    std::str::from_utf8(bytes).map_err(|_| Fault::malformed(what(), msg!("it is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for (text, number) in [("0", 0), ("1", 1), ("9223372036854775807", i64::MAX as u64)] {
            assert_eq!(decimal(text), Some(number));
        }
        for bad in
            ["", "00", "01", "+1", "-1", "-0", " 1", "1 ", "1\n", "0x1", "1e3", "1_0", "９", "9223372036854775808"]
        {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }
}
