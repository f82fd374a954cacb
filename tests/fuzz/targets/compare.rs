//! What others wrote, compared and aligned: every number and change lies where it is said to lie.
#![no_main]

use std::sync::LazyLock;

use communique::{
    client::{
        aligning::{self, Version},
        comparing::{by_word, compare, paragraphs},
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
            assert!(found.agrees(&found));
        }
    }
    let changes = compare(old, new);
    assert!(compare(old, old).iter().all(|change| change.before().is_none() || change.after().is_some()));
    for change in &changes {
        for (place, text) in [(change.before(), old), (change.after(), new)] {
            if let Some((n, _)) = place {
                assert!((1..=paragraphs(text).count()).contains(&n), "{change:?}");
            }
        }
    }
    let _ = by_word(old, new);
    let versions = [Version { lang: &LANGUAGES[0], text: old }, Version { lang: &LANGUAGES[1], text: new }];
    aligning::compare(&versions).iter().for_each(|found| drop(found.to_string()));
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("compare"), |data: &[u8]| check(data));
