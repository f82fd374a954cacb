//! A key on paper: its seed as 24 words (BIP-39, English list), on a page that says what it is. Words, and not base32, since whoever
//! types them is told which one is not on the list; the check sum that the last word ends with is of eight bits alone, so the page also
//! gives the key's thumbprint, which tells for certain.

use bip39::Mnemonic;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

use crate::{
    domain::{
        key::{SecretKey, Signer as _},
        message::{Fact, Message, Tell},
    },
    language::Language,
    msg,
};

/// How many words a seed has.
pub const WORDS: usize = 24;
/// Longest text of words that is read, in bytes.
pub const TEXT_LIMIT: usize = 1024;
/// Widest line of a page, in columns.
const COLUMNS: usize = 79;
/// Room for a page in any language, in bytes.
const PAGE_ROOM: usize = 16 << 10;

/// What is wrong with the words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum WordsFault {
    Count(usize),
    // Not the word itself: it is part of a secret, but for a letter.
    Unknown(usize),
    CheckSum,
}

impl Tell for WordsFault {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Count(count) => {
                msg!("a page has {words} words, not {count}; type them in their order", words = WORDS, count)
            }
            Self::Unknown(word) => {
                msg!("word {word} is not on the list; look at it again, letter by letter", word)
            }
            Self::CheckSum => {
                msg!(
                    "the words do not go together: one of them is another word of the list, or two have changed places"
                )
            }
        };
        message.into()
    }
}

/// The page in this language, 80 columns wide, to be printed and put under lock. It holds the whole key. In English it is ASCII; its
/// words are the same in every language.
#[must_use]
pub fn page(key: &SecretKey, language: Language) -> Zeroizing<String> {
    let public = key.public();
    // Of more than its full size from the start: nothing is moved and left behind in memory.
    let mut page = Zeroizing::new(String::with_capacity(PAGE_ROOM));
    let paragraph = |page: &mut String, message: &Message| {
        wrap(page, &language.say(message));
        page.push('\n');
    };
    let title = language.say(&msg!("SECRET - SIGNING KEY ON PAPER"));
    page.push_str(&title);
    page.push('\n');
    page.push_str(&"=".repeat(title.width().min(COLUMNS)));
    page.push_str("\n\n");
    paragraph(
        &mut page,
        &msg!(
            "Whoever has these words can sign as the key's owner. Keep this page under lock, apart from the computer. Delete the file once it is printed."
        ),
    );
    wrap(&mut page, &language.say(&msg!("Made by: {command}", command = "communique key backup")));
    wrap(&mut page, &language.say(&msg!("Key: Ed25519; public half by its thumbprint (RFC 7638)")));
    page.push_str("  ");
    page.push_str(&public.thumbprint());
    page.push_str("\n\n");
    // 32 bytes are one of the lengths that BIP-39 has.
    let words = Mnemonic::from_entropy_in(bip39::Language::English, &*key.seed()).ok();
    for (n, word) in words.iter().flat_map(Mnemonic::words).enumerate() {
        page.push_str(&Zeroizing::new(format!("  {:>2}. {word:<10}", n + 1)));
        if n % 4 == 3 {
            let end = page.trim_end().len();
            page.truncate(end);
            page.push('\n');
        }
    }
    page.push('\n');
    paragraph(&mut page, &msg!("To have the key again, run this on a machine that you trust:"));
    page.push_str("  communique key restore --out KEY.pem \\\n    --expect ");
    page.push_str(&public.thumbprint());
    page.push_str("\n\n");
    paragraph(
        &mut page,
        &msg!(
            "Type the words, four to a line, without the numbers. Then choose a new passphrase. The thumbprint must be the one above."
        ),
    );
    wrap(
        &mut page,
        &language.say(&msg!(
            "The words are the 32 bytes of the key's seed (RFC 8032) written by BIP-39, English list. They are not those of a wallet: never type them into one."
        )),
    );
    page
}

/// Adds words in as many lines as they need.
fn wrap(page: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ') {
        let width = word.width();
        if column > 0 && column + 1 + width > COLUMNS {
            page.push('\n');
            column = 0;
        }
        if column > 0 {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += width;
    }
    page.push('\n');
}

/// Whether a word is on the list, whatever its case.
#[must_use]
pub fn is_word(word: &str) -> bool {
    bip39::Language::English.find_word(&Zeroizing::new(word.to_ascii_lowercase())).is_some()
}

/// The key of these words, separated by any white space.
///
/// # Errors
/// [`WordsFault`], which says no word.
pub fn restore(text: &str) -> Result<SecretKey, WordsFault> {
    let text = Zeroizing::new(text.to_ascii_lowercase());
    let count = text.split_whitespace().count();
    if count != WORDS {
        return Err(WordsFault::Count(count));
    }
    if let Some(n) = text.split_whitespace().position(|word| !is_word(word)) {
        return Err(WordsFault::Unknown(n + 1));
    }
    let read = Mnemonic::parse_in_normalized(bip39::Language::English, &text).map_err(|_| WordsFault::CheckSum)?;
    let entropy = Zeroizing::new(read.to_entropy());
    let seed = <&[u8; 32]>::try_from(entropy.as_slice()).map_err(|_| WordsFault::CheckSum)?;
    Ok(SecretKey::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a page: what stands behind `n.`.
    fn typed(page: &str) -> String {
        let words = page.split_whitespace().collect::<Vec<_>>();
        let numbered = words.windows(2).filter(|w| w[0].strip_suffix('.').is_some_and(|n| n.parse::<u8>().is_ok()));
        numbered.map(|w| w[1]).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_page_is_read_back_and_is_as_wide_as_a_printer() {
        for seed in [[0; 32], [7; 32], [0xff; 32]] {
            let key = SecretKey::from_seed(&seed);
            for language in Language::ALL {
                let page = page(&key, language);
                assert!(page.lines().all(|line| line.width() <= 80 && line.trim_end() == line), "{}", *page);
                assert!(language != Language::English || page.is_ascii(), "{}", *page);
                assert!(page.capacity() == PAGE_ROOM, "moved in memory");
                let words = typed(&page);
                assert_eq!(words.split(' ').count(), WORDS);
                for text in [words.clone(), words.to_uppercase(), words.replace(' ', "\n\t ")] {
                    assert_eq!(*restore(&text).unwrap().seed(), seed);
                }
                assert!(page.matches(&key.public().thumbprint()).count() == 2);
            }
        }
    }

    #[test]
    fn the_words_are_those_of_bip_39() {
        // Its test vectors: 32 bytes of 0x7f.
        let words = "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal \
                     winner thank year wave sausage worth title";
        assert_eq!(*restore(words).unwrap().seed(), [0x7f; 32]);
    }

    #[test]
    fn what_was_mistyped_is_told_without_a_word_of_it() {
        let good = typed(&page(&SecretKey::from_seed(&[7; 32]), Language::English));
        let mut words: Vec<_> = good.split(' ').collect();
        assert_eq!(restore(&words[1..].join(" ")).err(), Some(WordsFault::Count(23)));
        let third = std::mem::replace(&mut words[2], "communique");
        let said = restore(&words.join(" ")).err().unwrap();
        assert_eq!(said, WordsFault::Unknown(3));
        assert!(!said.to_string().contains("communique"));
        words[2] = third;
        words.swap(0, 1);
        assert!(words[0] == words[1] || restore(&words.join(" ")).err() == Some(WordsFault::CheckSum));
    }
}
