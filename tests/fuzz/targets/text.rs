//! Text rules: what is checked, cleaned or shown keeps its word.
#![no_main]

use communique::domain::text::{
    Direction, TEXT_LIMIT, check_line, check_prose, check_text, clean, escape_line, mixed_script_words, named, visible,
};
use unicode_normalization::is_nfc;

fn check(data: &[u8]) {
    for direction in [Direction::Ltr, Direction::Rtl] {
        let checked = check_text(data, direction);
        let cleaned = clean(data, direction);
        match checked {
            Ok(text) => {
                sound(text, direction == Direction::Rtl);
                assert_eq!((cleaned.text.as_str(), cleaned.changed, cleaned.left.len()), (text, 0, 0));
                assert!(direction == Direction::Rtl || check_text(data, Direction::Rtl).is_ok());
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                faults.iter().for_each(|fault| printable(&fault.to_string()));
            }
        }
        // What is left is exactly what the rules say of the result.
        let again = check_text(cleaned.text.as_bytes(), direction);
        if !cleaned.text.is_empty() {
            assert_eq!(again.err().unwrap_or_default(), cleaned.left);
            let twice = clean(cleaned.text.as_bytes(), direction);
            assert_eq!(twice.text, cleaned.text, "cleaning twice changes more");
        }
        cleaned.changes.iter().for_each(|change| printable(&change.to_string()));
    }
    let Ok(s) = std::str::from_utf8(data) else { return };
    if check_line(s).is_ok() {
        assert!(!s.contains('\n') && check_prose(s).is_ok());
    }
    if check_prose(s).is_ok() {
        sound(s, true);
        assert!(check_text(format!("{s}\n").as_bytes(), Direction::Rtl).is_ok() || s.len() == TEXT_LIMIT);
    }
    let (line, shown) = (escape_line(s), visible(s));
    printable(&line);
    shown.split('\n').for_each(printable);
    assert_eq!(escape_line(&line).matches("⟨U+27E8⟩").count(), line.matches("⟨U+").count());
    for word in mixed_script_words(s) {
        assert!(s.contains(&word.word) && !word.letters.is_empty());
    }
    s.chars().for_each(|c| printable(&named(c)));
}

/// Nothing that hides, turns or breaks lines.
fn printable(s: &str) {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
    };
    assert!(!s.chars().any(hides), "{s:?}");
}

/// What every text that obeys the rules is, said once more without their tables.
fn sound(s: &str, rtl: bool) {
    assert!(s.len() <= TEXT_LIMIT && s.split('\n').all(is_nfc));
    assert!(!s.chars().any(|c| c != '\n' && c.is_control()));
    assert!(!s.chars().any(
        |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}')
    ));
    assert!(rtl || !s.chars().any(|c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')));
    assert!(!s.starts_with('\n') && !s.contains("\n\n\n"));
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("text"), |data: &[u8]| check(data));
