//! What others wrote, compared and aligned: every number and change lies where it is said to lie.
#![no_main]

use std::sync::LazyLock;

use communique::{
    client::{
        aligning::{self, Version},
        comparing::{Change, Fate, Piece, by_word, compare, paragraphs},
        numbers,
    },
    domain::id::Lang,
};

static LANGUAGES: LazyLock<Vec<Lang>> =
    LazyLock::new(|| ["fr", "en", "ar", "zh", "ru", "hi", "fa", "de"].map(|l| l.parse().expect("a language")).to_vec());

fn check(data: &[u8]) {
    let Ok(both) = std::str::from_utf8(data) else { return };
    let (old, new) = both.split_once('\0').unwrap_or((both, ""));
    for lang in &*LANGUAGES {
        for found in numbers::find(old, lang.as_str()) {
            assert!(old.contains(&found.written), "{found:?}");
        }
    }
    assert_eq!(compare(old, old), []);
    let changes = compare(old, new);
    let left = told(old, changes.iter().filter_map(Change::before));
    assert_eq!(left, told(new, changes.iter().filter_map(Change::after)), "what nobody told of is in both");
    let words = by_word(old, new);
    assert_eq!((side(&words, Fate::Removed), side(&words, Fate::Added)), (old.to_owned(), new.to_owned()));
    let versions = [Version { lang: &LANGUAGES[0], text: old }, Version { lang: &LANGUAGES[1], text: new }];
    for found in aligning::compare(&versions) {
        assert!(!found.to_string().chars().any(char::is_control), "{found}");
    }
}

/// The paragraphs of a text that no change tells of, in order. Those that one does are there, and told of once.
fn told(text: &str, changes: impl Iterator<Item = (usize, String)>) -> Vec<&str> {
    let mut left: Vec<_> = paragraphs(text).map(Some).collect();
    for (n, words) in changes {
        assert_eq!(left[n - 1].take(), Some(words.as_str()), "paragraph {n}");
    }
    left.into_iter().flatten().collect()
}

/// Those that stayed, and those of this fate.
fn side(words: &[Piece], fate: Fate) -> String {
    let kept = words.iter().filter(|piece| piece.fate == Fate::Same || piece.fate == fate);
    kept.map(|piece| piece.text.as_str()).collect()
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("compare"), |data: &[u8]| check(data));
