//! A hint on a new passphrase, in words. It refuses nothing: the least length does ([`super::keyfile::PASSPHRASE_LEAST`]).

use zxcvbn::{Score, feedback::Warning, zxcvbn};

use crate::{domain::message::Message, msg};

/// Most characters that are looked at: a longer one is long enough.
const LOOKED_AT: usize = 64;

/// What to think of a passphrase; `None` where there is nothing to say. Holds no part of it.
#[must_use]
pub fn hint(passphrase: &str) -> Option<Message> {
    let begin =
        passphrase.char_indices().nth(LOOKED_AT).map_or(passphrase, |(end, _)| passphrase.get(..end).unwrap_or(""));
    let found = zxcvbn(begin, &["communique", "passphrase"]);
    let verdict = match found.score() {
        Score::Zero | Score::One => {
            msg!("a program would guess this passphrase within hours, once the file is in its hands.")
        }
        Score::Two => msg!("a program would guess this passphrase within days, once the file is in its hands."),
        Score::Three => msg!("this passphrase resists for a while; one or two words more would make it strong."),
        _ => return None,
    };
    Some(match found.feedback().and_then(|feedback| feedback.warning()).map(why) {
        Some(why) => {
            msg!("{verdict} {why} Several words that have nothing to do with one another are stronger.", verdict, why)
        }
        None => msg!("{verdict} Several words that have nothing to do with one another are stronger.", verdict),
    })
}

/// What makes it weak.
fn why(warning: Warning) -> Message {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess => msg!("Rows of keys are easy to guess."),
        Warning::ShortKeyboardPatternsAreEasyToGuess => msg!("Short patterns on the keyboard are easy to guess."),
        Warning::RepeatsLikeAaaAreEasyToGuess => msg!("Repeats like “aaa” are easy to guess."),
        Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            msg!("Repeats like “abcabcabc” are only slightly harder to guess than “abc”.")
        }
        Warning::ThisIsATop10Password => msg!("This is one of the ten most common passwords."),
        Warning::ThisIsATop100Password => msg!("This is one of the hundred most common passwords."),
        Warning::ThisIsACommonPassword => msg!("This is a very common password."),
        Warning::ThisIsSimilarToACommonlyUsedPassword => msg!("This is similar to a commonly used password."),
        Warning::SequencesLikeAbcAreEasyToGuess => msg!("Sequences like “abc” or “6543” are easy to guess."),
        Warning::RecentYearsAreEasyToGuess => msg!("Recent years are easy to guess."),
        Warning::AWordByItselfIsEasyToGuess => msg!("A word by itself is easy to guess."),
        Warning::DatesAreOftenEasyToGuess => msg!("Dates are often easy to guess."),
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess => {
            msg!("Names and surnames by themselves are easy to guess.")
        }
        Warning::CommonNamesAndSurnamesAreEasyToGuess => msg!("Common names and surnames are easy to guess."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ones_are_told_and_strong_ones_are_not() {
        for weak in ["passwordpassword", "qwertyuiopasdf", "aaaaaaaaaaaaaaaa", "123456789012"] {
            let said = hint(weak).unwrap().to_string();
            assert!(!said.contains(weak), "{said}");
        }
        assert_eq!(hint("harbour velvet nineteen oblique tram"), None);
        assert_eq!(hint(&"harbour velvet nineteen oblique tram ".repeat(20)), None);
    }
}
