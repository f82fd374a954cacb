//! Characters called by name, so that a person knows what was found where nothing can be seen.

use super::tables::{COMBINING, CONTROL, KIND, NONCHARACTER, PRIVATE, TAG, WORD};
use super::{shown::script, value};

/// A character's code point and name, as in `U+00AD SOFT HYPHEN`.
///
/// What the rules refuse, and what shows nothing, has its name of Unicode (controls their formal alias). Of the
/// rest it is said what kind of character it is. The answer is ASCII.
pub fn named(c: char) -> String {
    let code = u32::from(c);
    format!("U+{code:04X} {}", name(c, code))
}

fn name(c: char, code: u32) -> String {
    if let Ok(at) = NAMES.binary_search_by_key(&code, |(known, _)| *known)
        && let Some((_, name)) = NAMES.get(at)
    {
        return (*name).to_owned();
    }
    let numbered = |what: &str, from: u32, first: u32| format!("{what}{}", code - from + first);
    match code {
        0xFE00..=0xFE0F => return numbered("VARIATION SELECTOR-", 0xFE00, 1),
        0xE0100..=0xE01EF => return numbered("VARIATION SELECTOR-", 0xE0100, 17),
        0x1F1E6..=0x1F1FF => {
            let letter = char::from_u32(code - 0x1F1E6 + u32::from('A')).unwrap_or('?');
            return format!("REGIONAL INDICATOR SYMBOL LETTER {letter}");
        }
        _ => {}
    }
    let Some(value) = value(c) else { return "(not in Unicode 14.0)".into() };
    match value & KIND {
        0 if value & COMBINING != 0 => "(a combining mark)".into(),
        0 if c.is_ascii_graphic() => format!("'{c}'"),
        0 if value & WORD != 0 => match script(c) {
            Some(script) => format!("(a letter, {script})"),
            None => "(a letter)".into(),
        },
        0 => "(a sign)".into(),
        CONTROL => "(a control character)".into(),
        TAG => "(a tag character)".into(),
        PRIVATE => "(a private-use character)".into(),
        NONCHARACTER => "(a noncharacter)".into(),
        _ => "(a character that shows nothing)".into(),
    }
}

/// Names of the Unicode Character Database (UnicodeData.txt; of controls the aliases of NameAliases.txt), in order.
#[rustfmt::skip]
static NAMES: [(u32, &str); 180] = [
    (0x0, "NULL"), (0x1, "START OF HEADING"), (0x2, "START OF TEXT"), (0x3, "END OF TEXT"),
    (0x4, "END OF TRANSMISSION"), (0x5, "ENQUIRY"), (0x6, "ACKNOWLEDGE"), (0x7, "ALERT"), (0x8, "BACKSPACE"),
    (0x9, "CHARACTER TABULATION"), (0xA, "LINE FEED"), (0xB, "LINE TABULATION"), (0xC, "FORM FEED"),
    (0xD, "CARRIAGE RETURN"), (0xE, "SHIFT OUT"), (0xF, "SHIFT IN"), (0x1A, "SUBSTITUTE"), (0x1B, "ESCAPE"),
    (0x1C, "INFORMATION SEPARATOR FOUR"), (0x1D, "INFORMATION SEPARATOR THREE"), (0x1E, "INFORMATION SEPARATOR TWO"),
    (0x1F, "INFORMATION SEPARATOR ONE"), (0x20, "SPACE"), (0x7F, "DELETE"), (0x85, "NEXT LINE"),
    (0x9B, "CONTROL SEQUENCE INTRODUCER"), (0xA0, "NO-BREAK SPACE"), (0xAD, "SOFT HYPHEN"),
    (0x300, "COMBINING GRAVE ACCENT"), (0x301, "COMBINING ACUTE ACCENT"), (0x302, "COMBINING CIRCUMFLEX ACCENT"),
    (0x303, "COMBINING TILDE"), (0x304, "COMBINING MACRON"), (0x305, "COMBINING OVERLINE"),
    (0x306, "COMBINING BREVE"), (0x307, "COMBINING DOT ABOVE"), (0x308, "COMBINING DIAERESIS"),
    (0x309, "COMBINING HOOK ABOVE"), (0x30A, "COMBINING RING ABOVE"), (0x30B, "COMBINING DOUBLE ACUTE ACCENT"),
    (0x30C, "COMBINING CARON"), (0x30D, "COMBINING VERTICAL LINE ABOVE"),
    (0x30E, "COMBINING DOUBLE VERTICAL LINE ABOVE"), (0x30F, "COMBINING DOUBLE GRAVE ACCENT"),
    (0x310, "COMBINING CANDRABINDU"), (0x311, "COMBINING INVERTED BREVE"), (0x312, "COMBINING TURNED COMMA ABOVE"),
    (0x313, "COMBINING COMMA ABOVE"), (0x314, "COMBINING REVERSED COMMA ABOVE"),
    (0x315, "COMBINING COMMA ABOVE RIGHT"), (0x316, "COMBINING GRAVE ACCENT BELOW"),
    (0x317, "COMBINING ACUTE ACCENT BELOW"), (0x318, "COMBINING LEFT TACK BELOW"),
    (0x319, "COMBINING RIGHT TACK BELOW"), (0x31A, "COMBINING LEFT ANGLE ABOVE"), (0x31B, "COMBINING HORN"),
    (0x31C, "COMBINING LEFT HALF RING BELOW"), (0x31D, "COMBINING UP TACK BELOW"),
    (0x31E, "COMBINING DOWN TACK BELOW"), (0x31F, "COMBINING PLUS SIGN BELOW"), (0x320, "COMBINING MINUS SIGN BELOW"),
    (0x321, "COMBINING PALATALIZED HOOK BELOW"), (0x322, "COMBINING RETROFLEX HOOK BELOW"),
    (0x323, "COMBINING DOT BELOW"), (0x324, "COMBINING DIAERESIS BELOW"), (0x325, "COMBINING RING BELOW"),
    (0x326, "COMBINING COMMA BELOW"), (0x327, "COMBINING CEDILLA"), (0x328, "COMBINING OGONEK"),
    (0x329, "COMBINING VERTICAL LINE BELOW"), (0x32A, "COMBINING BRIDGE BELOW"),
    (0x32B, "COMBINING INVERTED DOUBLE ARCH BELOW"), (0x32C, "COMBINING CARON BELOW"),
    (0x32D, "COMBINING CIRCUMFLEX ACCENT BELOW"), (0x32E, "COMBINING BREVE BELOW"),
    (0x32F, "COMBINING INVERTED BREVE BELOW"), (0x330, "COMBINING TILDE BELOW"), (0x331, "COMBINING MACRON BELOW"),
    (0x332, "COMBINING LOW LINE"), (0x333, "COMBINING DOUBLE LOW LINE"), (0x334, "COMBINING TILDE OVERLAY"),
    (0x335, "COMBINING SHORT STROKE OVERLAY"), (0x336, "COMBINING LONG STROKE OVERLAY"),
    (0x337, "COMBINING SHORT SOLIDUS OVERLAY"), (0x338, "COMBINING LONG SOLIDUS OVERLAY"),
    (0x34F, "COMBINING GRAPHEME JOINER"), (0x61C, "ARABIC LETTER MARK"), (0x115F, "HANGUL CHOSEONG FILLER"),
    (0x1160, "HANGUL JUNGSEONG FILLER"), (0x1680, "OGHAM SPACE MARK"), (0x17B4, "KHMER VOWEL INHERENT AQ"),
    (0x17B5, "KHMER VOWEL INHERENT AA"), (0x180B, "MONGOLIAN FREE VARIATION SELECTOR ONE"),
    (0x180C, "MONGOLIAN FREE VARIATION SELECTOR TWO"), (0x180D, "MONGOLIAN FREE VARIATION SELECTOR THREE"),
    (0x180E, "MONGOLIAN VOWEL SEPARATOR"), (0x180F, "MONGOLIAN FREE VARIATION SELECTOR FOUR"), (0x2000, "EN QUAD"),
    (0x2001, "EM QUAD"), (0x2002, "EN SPACE"), (0x2003, "EM SPACE"), (0x2004, "THREE-PER-EM SPACE"),
    (0x2005, "FOUR-PER-EM SPACE"), (0x2006, "SIX-PER-EM SPACE"), (0x2007, "FIGURE SPACE"),
    (0x2008, "PUNCTUATION SPACE"), (0x2009, "THIN SPACE"), (0x200A, "HAIR SPACE"), (0x200B, "ZERO WIDTH SPACE"),
    (0x200C, "ZERO WIDTH NON-JOINER"), (0x200D, "ZERO WIDTH JOINER"), (0x200E, "LEFT-TO-RIGHT MARK"),
    (0x200F, "RIGHT-TO-LEFT MARK"), (0x2028, "LINE SEPARATOR"), (0x2029, "PARAGRAPH SEPARATOR"),
    (0x202A, "LEFT-TO-RIGHT EMBEDDING"), (0x202B, "RIGHT-TO-LEFT EMBEDDING"), (0x202C, "POP DIRECTIONAL FORMATTING"),
    (0x202D, "LEFT-TO-RIGHT OVERRIDE"), (0x202E, "RIGHT-TO-LEFT OVERRIDE"), (0x202F, "NARROW NO-BREAK SPACE"),
    (0x205F, "MEDIUM MATHEMATICAL SPACE"), (0x2060, "WORD JOINER"), (0x2061, "FUNCTION APPLICATION"),
    (0x2062, "INVISIBLE TIMES"), (0x2063, "INVISIBLE SEPARATOR"), (0x2064, "INVISIBLE PLUS"),
    (0x2066, "LEFT-TO-RIGHT ISOLATE"), (0x2067, "RIGHT-TO-LEFT ISOLATE"), (0x2068, "FIRST STRONG ISOLATE"),
    (0x2069, "POP DIRECTIONAL ISOLATE"), (0x206A, "INHIBIT SYMMETRIC SWAPPING"),
    (0x206B, "ACTIVATE SYMMETRIC SWAPPING"), (0x206C, "INHIBIT ARABIC FORM SHAPING"),
    (0x206D, "ACTIVATE ARABIC FORM SHAPING"), (0x206E, "NATIONAL DIGIT SHAPES"), (0x206F, "NOMINAL DIGIT SHAPES"),
    (0x20D2, "COMBINING LONG VERTICAL LINE OVERLAY"), (0x20D3, "COMBINING SHORT VERTICAL LINE OVERLAY"),
    (0x20D8, "COMBINING RING OVERLAY"), (0x20D9, "COMBINING CLOCKWISE RING OVERLAY"),
    (0x20DA, "COMBINING ANTICLOCKWISE RING OVERLAY"), (0x20E0, "COMBINING ENCLOSING CIRCLE BACKSLASH"),
    (0x20E3, "COMBINING ENCLOSING KEYCAP"), (0x20E5, "COMBINING REVERSE SOLIDUS OVERLAY"),
    (0x20E6, "COMBINING DOUBLE VERTICAL STROKE OVERLAY"), (0x20E7, "COMBINING ANNUITY SYMBOL"),
    (0x20E8, "COMBINING TRIPLE UNDERDOT"), (0x20E9, "COMBINING WIDE BRIDGE ABOVE"),
    (0x20EA, "COMBINING LEFTWARDS ARROW OVERLAY"), (0x20EB, "COMBINING LONG DOUBLE SOLIDUS OVERLAY"),
    (0x2800, "BRAILLE PATTERN BLANK"), (0x3000, "IDEOGRAPHIC SPACE"), (0x3164, "HANGUL FILLER"),
    (0xFEFF, "ZERO WIDTH NO-BREAK SPACE"), (0xFFA0, "HALFWIDTH HANGUL FILLER"),
    (0xFFF9, "INTERLINEAR ANNOTATION ANCHOR"), (0xFFFA, "INTERLINEAR ANNOTATION SEPARATOR"),
    (0xFFFB, "INTERLINEAR ANNOTATION TERMINATOR"), (0xFFFC, "OBJECT REPLACEMENT CHARACTER"),
    (0xFFFD, "REPLACEMENT CHARACTER"), (0x16FE4, "KHITAN SMALL SCRIPT FILLER"),
    (0x1BCA0, "SHORTHAND FORMAT LETTER OVERLAP"), (0x1BCA1, "SHORTHAND FORMAT CONTINUING OVERLAP"),
    (0x1BCA2, "SHORTHAND FORMAT DOWN STEP"), (0x1BCA3, "SHORTHAND FORMAT UP STEP"),
    (0x1D159, "MUSICAL SYMBOL NULL NOTEHEAD"), (0x1D173, "MUSICAL SYMBOL BEGIN BEAM"),
    (0x1D174, "MUSICAL SYMBOL END BEAM"), (0x1D175, "MUSICAL SYMBOL BEGIN TIE"), (0x1D176, "MUSICAL SYMBOL END TIE"),
    (0x1D177, "MUSICAL SYMBOL BEGIN SLUR"), (0x1D178, "MUSICAL SYMBOL END SLUR"),
    (0x1D179, "MUSICAL SYMBOL BEGIN PHRASE"), (0x1D17A, "MUSICAL SYMBOL END PHRASE"),
    (0x1F3FB, "EMOJI MODIFIER FITZPATRICK TYPE-1-2"), (0x1F3FC, "EMOJI MODIFIER FITZPATRICK TYPE-3"),
    (0x1F3FD, "EMOJI MODIFIER FITZPATRICK TYPE-4"), (0x1F3FE, "EMOJI MODIFIER FITZPATRICK TYPE-5"),
    (0x1F3FF, "EMOJI MODIFIER FITZPATRICK TYPE-6"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_called_by_name() {
        for (c, expected) in [
            ('\u{AD}', "U+00AD SOFT HYPHEN"),
            ('\u{202E}', "U+202E RIGHT-TO-LEFT OVERRIDE"),
            ('\u{1B}', "U+001B ESCAPE"),
            ('\u{81}', "U+0081 (a control character)"),
            ('\u{FE0F}', "U+FE0F VARIATION SELECTOR-16"),
            ('\u{E0100}', "U+E0100 VARIATION SELECTOR-17"),
            ('\u{1F1EB}', "U+1F1EB REGIONAL INDICATOR SYMBOL LETTER F"),
            ('\u{E0041}', "U+E0041 (a tag character)"),
            ('\u{E000}', "U+E000 (a private-use character)"),
            ('\u{FFFF}', "U+FFFF (a noncharacter)"),
            ('\u{378}', "U+0378 (not in Unicode 14.0)"),
            ('\u{301}', "U+0301 COMBINING ACUTE ACCENT"),
            ('\u{5B0}', "U+05B0 (a combining mark)"),
            ('e', "U+0065 'e'"),
            ('\u{439}', "U+0439 (a letter, Cyrillic)"),
            ('→', "U+2192 (a sign)"),
        ] {
            assert_eq!(named(c), expected);
        }
    }

    #[test]
    fn the_table_is_in_order_and_names_hide_nothing() {
        assert!(NAMES.is_sorted_by(|(a, _), (b, _)| a < b));
        for c in ('\0'..=char::MAX).step_by(7).chain((0..0x3000).filter_map(char::from_u32)) {
            assert!(named(c).chars().all(|c| c == ' ' || c.is_ascii_graphic()));
        }
    }
}
