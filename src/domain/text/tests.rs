use super::*;
use FaultKind::*;
use proptest::prelude::*;

mod documented;

const LTR: Direction = Direction::Ltr;
const RTL: Direction = Direction::Rtl;

/// Each row: what it shows, the direction, the text, and the first fault's line, column and kind, if any.
type Row = (&'static str, Direction, &'static str, Option<(usize, usize, FaultKind)>);

#[rustfmt::skip]
const GOOD: &[Row] = &[
    ("ASCII", LTR, "The Parties agree.\n", None),
    ("two paragraphs", LTR, "One.\n\nTwo.\n", None),
    ("a paragraph of two lines", LTR, "One\ntwo.\n\nThree.\n", None),
    ("doubled space inside", LTR, "One.  Two.\n", None),
    ("French, narrow no-break space", LTR, "«\u{202F}D’accord\u{202F}», dit-elle\u{202F};\n", None),
    ("French, no-break space", LTR, "«\u{A0}D’accord\u{A0}»\u{A0}: l’œuvre\n", None),
    ("Russian", LTR, "Министр иностранных дел, № 5, «й», ё\n", None),
    ("Russian with a stress mark", LTR, "за\u{301}мок и замо\u{301}к\n", None),
    ("Arabic", RTL, "اتفق الطرفان على ما يلي:\n", None),
    ("Arabic with vowels", RTL, "مُحَمَّد\n", None),
    ("Arabic with a right-to-left mark", RTL, "الأمم المتحدة (UN)\u{200F}.\n", None),
    ("left-to-right mark in Arabic", RTL, "اللغة C++\u{200E} هنا\n", None),
    ("Arabic letter mark", RTL, "١\u{61C}-٢\n", None),
    ("mark at a line's start", RTL, "\u{200F}UN هي\n", None),
    ("Persian with a non-joiner", RTL, "می\u{200C}خواهم\n", None),
    ("non-joiner after hamza", RTL, "سوء\u{200C}استفاده\n", None),
    ("non-joiner after a digit", RTL, "برنامه ۲۵\u{200C}ساله\n", None),
    ("non-joiner after a vowel sign", RTL, "نامه\u{64E}\u{200C}ای\n", None),
    ("joiner at a word's end", RTL, "۱۴۰۲ ه\u{200D}. ش\n", None),
    ("tatweel and joiner", RTL, "هـ\u{200D}\n", None),
    ("Hebrew", RTL, "שָׁלוֹם\n", None),
    ("Urdu", RTL, "پاکستان اور\n", None),
    ("Hindi with a joiner", LTR, "क्\u{200D}ष\n", None),
    ("Hindi with a non-joiner", LTR, "क्\u{200C}ष\n", None),
    ("Bengali", LTR, "র\u{200D}্যাব ও র\u{200C}্য\n", None),
    ("Sinhala", LTR, "ශ්\u{200D}රී ලංකා\n", None),
    ("Malayalam with a joiner at the end", LTR, "അവന്\u{200D} വന്നു\n", None),
    ("Tamil", LTR, "தமிழ்\n", None),
    ("Chinese", LTR, "\u{3000}\u{3000}双方同意。\n", None),
    ("Japanese", LTR, "\u{3000}両国は、カタカナで協力する。\n", None),
    ("Han with a selector", LTR, "葛\u{E0100}飾区\n", None),
    ("Han with a standard selector", LTR, "\u{5026}\u{FE00}\n", None),
    ("Korean", LTR, "대한민국\n", None),
    ("Khmer with zero width spaces", LTR, "ព្រះរាជា\u{200B}ណាចក្រ\u{200B}កម្ពុជា\n", None),
    ("Thai with a zero width space", LTR, "สวัสดี\u{200B}ครับ\n", None),
    ("Lao", LTR, "ສະບາຍ\u{200B}ດີ\n", None),
    ("Myanmar", LTR, "မြန်မာ\u{200B}နိုင်ငံ\n", None),
    ("Mongolian with a selector", LTR, "ᠨ\u{180B}ᠠ ᠠ\u{180F}\n", None),
    ("Mongolian suffix", LTR, "ᠮᠣᠩᠭᠣᠯ\u{202F}ᠤᠨ\n", None),
    ("Vietnamese", LTR, "Cộng hòa xã hội chủ nghĩa Việt Nam\n", None),
    ("Amharic", LTR, "የኢትዮጵያ ፌዴራላዊ\n", None),
    ("Tifinagh", LTR, "ⵜⴰⵎⴰⵣⵉⵖⵜ\n", None),
    ("N’Ko", RTL, "ߒߞߏ\n", None),
    ("Adlam", RTL, "𞤆𞤵𞤤𞤢𞤪\n", None),
    ("a symbol that is one code point", LTR, "☎ \u{1F600}\n", None),
    ("the euro, and a sign of Unicode 14.0", LTR, "€ \u{20C0}\n", None),
    ("Vietnamese with a mark that has no composed form", LTR, "Nghị định thư, q\u{309}\n", None),
    ("Hebrew with points and accents", RTL, "בְּרֵאשִׁ֖ית בָּרָ֣א שָּׁ\n", None),
    ("Arabic with harakat and shadda", RTL, "ٱلْأُمَمُ ٱلْمُتَّحِدَةُ\n", None),
    ("Devanagari with nukta and conjuncts", LTR, "अन्तर्राष्ट्रीय क़ानून\n", None),
    ("Thai with tones over vowels", LTR, "ที่ปรึกษา น้ำ\n", None),
    ("Tibetan", LTR, "བསྒྲུབས་པ\n", None),
    ("the tallest Tibetan stack, eight marks", LTR, "\u{F67}\u{F90}\u{FB5}\u{FA8}\u{FB3}\u{FBA}\u{FBC}\u{FBB}\u{F82}\n", None),
    ("Burmese with stacks", LTR, "သင်္ဘောကျွန်ုပ်တို့\n", None),
    ("Khmer with subscripts", LTR, "ស្ត្រី ព្រះ ខ្ញុំ\n", None),
    ("Tamil with vowel signs on both sides", LTR, "ஸ்ரீ கௌரவம் கொள்கை\n", None),
    ("Vedic stroke over a visarga", LTR, "क\u{903}\u{1CE2}\n", None),
    ("a mark after a joiner", LTR, "র\u{200D}্য\n", None),
    ("a mark on a dotted circle", LTR, "the sign \u{25CC}\u{301}\n", None),
    ("Egyptian digits of Arabic number signs", RTL, "\u{600}١٢\n", None),
];

#[rustfmt::skip]
const BAD: &[Row] = &[
    ("nothing", LTR, "", Some((1, 1, Empty))),
    ("one LF", LTR, "\n", Some((1, 1, EmptyLineAtStart))),
    ("empty line first", LTR, "\nA\n", Some((1, 1, EmptyLineAtStart))),
    ("empty line last", LTR, "A\n\n", Some((2, 1, EmptyLineAtEnd))),
    ("two empty lines", LTR, "A\n\n\nB\n", Some((3, 1, ExtraEmptyLine))),
    ("no LF", LTR, "A\nBé", Some((2, 3, NoFinalLineFeed))),
    ("spaces only", LTR, "A\n  \nB\n", Some((2, 1, BlankLine))),
    ("a mark only", RTL, "A\n\u{200F}\nB\n", Some((2, 1, BlankLine))),
    ("ideographic space only", LTR, "A\n\u{3000}\nB\n", Some((2, 1, BlankLine))),
    ("leading space", LTR, " A\n", Some((1, 1, SpaceAtLineStart))),
    ("leading no-break space", LTR, "\u{A0}A\n", Some((1, 1, SpaceAtLineStart))),
    ("leading narrow no-break space", LTR, "\u{202F}A\n", Some((1, 1, SpaceAtLineStart))),
    ("trailing space", LTR, "A \n", Some((1, 2, SpaceAtLineEnd))),
    ("trailing space after other letters", LTR, "é \n", Some((1, 2, SpaceAtLineEnd))),
    ("trailing no-break space", LTR, "A\u{A0}\n", Some((1, 2, SpaceAtLineEnd))),
    ("trailing narrow no-break space", LTR, "A\u{202F}\n", Some((1, 2, SpaceAtLineEnd))),
    ("trailing ideographic space", LTR, "双\u{3000}\n", Some((1, 2, SpaceAtLineEnd))),
    ("CRLF", LTR, "A\r\n", Some((1, 2, CarriageReturn))),
    ("CR", LTR, "A\rB\n", Some((1, 2, CarriageReturn))),
    ("tab", LTR, "A\tB\n", Some((1, 2, Tab))),
    ("escape", LTR, "A\u{1B}[31m\n", Some((1, 2, Control))),
    ("NUL", LTR, "A\0\n", Some((1, 2, Control))),
    ("delete", LTR, "A\u{7F}\n", Some((1, 2, Control))),
    ("C1 control", LTR, "A\u{9B}\n", Some((1, 2, Control))),
    ("byte order mark", LTR, "\u{FEFF}A\n", Some((1, 1, ByteOrderMark))),
    ("thin space", LTR, "A\u{2009}B\n", Some((1, 2, ExoticSpace))),
    ("figure space", LTR, "A\u{2007}B\n", Some((1, 2, ExoticSpace))),
    ("Ogham space", LTR, "A\u{1680}B\n", Some((1, 2, ExoticSpace))),
    ("Braille blank", LTR, "A\u{2800}B\n", Some((1, 2, ExoticSpace))),
    ("line separator", LTR, "A\u{2028}B\n", Some((1, 2, LineSeparator))),
    ("paragraph separator", LTR, "A\u{2029}B\n", Some((1, 2, LineSeparator))),
    ("embedding", RTL, "A\u{202B}B\n", Some((1, 2, BidiControl))),
    ("override", RTL, "A\u{202E}B\n", Some((1, 2, BidiControl))),
    ("isolate", RTL, "A\u{2067}B\n", Some((1, 2, BidiControl))),
    ("end of isolate", RTL, "A\u{2069}B\n", Some((1, 2, BidiControl))),
    ("tag", LTR, "A\u{E0041}\n", Some((1, 2, Tag))),
    ("language tag", LTR, "A\u{E0001}\n", Some((1, 2, Tag))),
    ("soft hyphen", LTR, "co\u{AD}opération\n", Some((1, 3, SoftHyphen))),
    ("word joiner", LTR, "A\u{2060}B\n", Some((1, 2, Invisible))),
    ("grapheme joiner", LTR, "A\u{34F}B\n", Some((1, 2, Invisible))),
    ("Hangul filler", LTR, "A\u{3164}B\n", Some((1, 2, Invisible))),
    ("Mongolian vowel separator", LTR, "ᠨ\u{180E}ᠠ\n", Some((1, 2, Invisible))),
    ("invisible times", LTR, "A\u{2062}B\n", Some((1, 2, Invisible))),
    ("selector 4", LTR, "双\u{FE03}\n", Some((1, 2, Invisible))),
    ("null notehead", LTR, "A\u{1D159}\n", Some((1, 2, Invisible))),
    ("private use", LTR, "A\u{E000}\n", Some((1, 2, PrivateUse))),
    ("private use, plane 16", LTR, "A\u{100000}\n", Some((1, 2, PrivateUse))),
    ("noncharacter", LTR, "A\u{FDD0}\n", Some((1, 2, Noncharacter))),
    ("last code point", LTR, "A\u{10FFFF}\n", Some((1, 2, Noncharacter))),
    ("replacement character", LTR, "A\u{FFFD}\n", Some((1, 2, Special))),
    ("annotation", LTR, "A\u{FFF9}\n", Some((1, 2, Special))),
    ("object replacement", LTR, "A\u{FFFC}\n", Some((1, 2, Special))),
    ("Unicode 15 letter", LTR, "A\u{1DF25}\n", Some((1, 2, Unassigned))),
    ("Unicode 17 currency sign", LTR, "A\u{20C1}\n", Some((1, 2, Unassigned))),
    ("reserved ignorable", LTR, "A\u{2065}\n", Some((1, 2, Unassigned))),
    ("emoji presentation", LTR, "☎\u{FE0F}\n", Some((1, 2, Emoji))),
    ("text presentation", LTR, "☎\u{FE0E}\n", Some((1, 2, Emoji))),
    ("keycap", LTR, "1\u{20E3}\n", Some((1, 2, Emoji))),
    ("flag", LTR, "\u{1F1EB}\u{1F1F7}\n", Some((1, 1, Emoji))),
    ("skin tone", LTR, "\u{1F44D}\u{1F3FB}\n", Some((1, 2, Emoji))),
    ("joined emoji", LTR, "\u{1F468}\u{200D}\u{1F469}\n", Some((1, 2, MisplacedJoiner))),
    ("joiner in Latin", LTR, "a\u{200D}b\n", Some((1, 2, MisplacedJoiner))),
    ("non-joiner in Cyrillic", LTR, "а\u{200C}б\n", Some((1, 2, MisplacedJoiner))),
    ("non-joiner in Hebrew", RTL, "א\u{200C}ב\n", Some((1, 2, MisplacedJoiner))),
    ("joiner after a digit of Hindi", LTR, "१\u{200D}क\n", Some((1, 2, MisplacedJoiner))),
    ("non-joiner first", RTL, "\u{200C}ب\n", Some((1, 1, MisplacedJoiner))),
    ("joiner after a space", RTL, "ب \u{200D}ب\n", Some((1, 3, MisplacedJoiner))),
    ("non-joiner at a word's end", RTL, "می\u{200C} خواهم\n", Some((1, 3, MisplacedJoiner))),
    ("non-joiner at a line's end", RTL, "می\u{200C}\n", Some((1, 3, MisplacedJoiner))),
    ("joiner after a stressed Latin letter", LTR, "ca\u{301}\u{200D}\n", Some((1, 2, NotNormalised))),
    ("joiner after a Latin mark", LTR, "q\u{301}\u{200D}\n", Some((1, 3, MisplacedJoiner))),
    ("doubled joiner", LTR, "क्\u{200D}\u{200D}ष\n", Some((1, 4, DoubledInvisible))),
    ("two joiners", RTL, "ب\u{200D}\u{200C}ب\n", Some((1, 3, DoubledInvisible))),
    ("doubled mark", RTL, "ب\u{200F}\u{200F}\n", Some((1, 3, DoubledInvisible))),
    ("two marks", RTL, "ب\u{200E}\u{200F}\n", Some((1, 3, DoubledInvisible))),
    ("mark after joiner", RTL, "ب\u{200D}\u{200F}\n", Some((1, 3, DoubledInvisible))),
    ("right-to-left mark, left to right", LTR, "A\u{200F}B\n", Some((1, 2, DirectionMark))),
    ("left-to-right mark, left to right", LTR, "A\u{200E}B\n", Some((1, 2, DirectionMark))),
    ("Arabic letter mark, left to right", LTR, "A\u{61C}B\n", Some((1, 2, DirectionMark))),
    ("zero width space in Latin", LTR, "A\u{200B}B\n", Some((1, 2, MisplacedZeroWidthSpace))),
    ("zero width space in Chinese", LTR, "双\u{200B}方\n", Some((1, 2, MisplacedZeroWidthSpace))),
    ("zero width space before a space", LTR, "ក\u{200B} ក\n", Some((1, 2, MisplacedZeroWidthSpace))),
    ("zero width space at the end", LTR, "ក\u{200B}\n", Some((1, 2, MisplacedZeroWidthSpace))),
    ("doubled zero width space", LTR, "ក\u{200B}\u{200B}ក\n", Some((1, 3, DoubledInvisible))),
    ("Mongolian selector in Latin", LTR, "A\u{180B}\n", Some((1, 2, MisplacedSelector))),
    ("Mongolian selector twice", LTR, "ᠨ\u{180B}\u{180C}\n", Some((1, 3, MisplacedSelector))),
    ("Han selector in Latin", LTR, "A\u{E0100}\n", Some((1, 2, MisplacedSelector))),
    ("Han selector on kana", LTR, "か\u{FE00}\n", Some((1, 2, MisplacedSelector))),
    ("Han selector twice", LTR, "葛\u{E0100}\u{E0101}\n", Some((1, 3, MisplacedSelector))),
    ("decomposed accent", LTR, "Re\u{301}publique\n", Some((1, 2, NotNormalised))),
    ("decomposed short i", LTR, "и\u{306}\n", Some((1, 1, NotNormalised))),
    ("Kelvin sign", LTR, "5 \u{212A}\n", Some((1, 3, NotNormalised))),
    ("compatibility ideograph", LTR, "\u{F900}\n", Some((1, 1, NotNormalised))),
    ("marks out of order", LTR, "q\u{301}\u{323}\n", Some((1, 2, NotNormalised))),
    ("Hangul by letters", LTR, "\u{1112}\u{1161}\u{11AB}\n", Some((1, 1, NotNormalised))),
    ("a mark first in the text", LTR, "\u{301}a\n", Some((1, 1, MarkWithoutBase))),
    ("a mark first in a line", LTR, "a\n\u{301}b\n", Some((2, 1, MarkWithoutBase))),
    ("a spacing mark first", LTR, "\u{93E}क\n", Some((1, 1, MarkWithoutBase))),
    ("an enclosing mark first", LTR, "\u{20DD}a\n", Some((1, 1, MarkWithoutBase))),
    ("a mark after a space", LTR, "a \u{301}b\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after a no-break space", LTR, "a\u{A0}\u{301}b\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after a narrow no-break space", LTR, "a\u{202F}\u{301}b\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after an ideographic space", LTR, "双\u{3000}\u{3099}\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after a zero width space", LTR, "ก\u{200B}\u{E48}\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after a right-to-left mark", RTL, "ب\u{200F}\u{64E}\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after a left-to-right mark", RTL, "ب\u{200E}\u{64E}\n", Some((1, 3, MarkWithoutBase))),
    ("a mark after an Arabic letter mark", RTL, "ب\u{61C}\u{64E}\n", Some((1, 3, MarkWithoutBase))),
    ("nine marks", LTR, "q\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\n", Some((1, 10, TooManyMarks))),
    ("nine marks around a joiner", LTR, "क\u{94D}\u{94D}\u{94D}\u{94D}\u{94D}\u{200D}\u{94D}\u{94D}\u{94D}\u{94D}\n", Some((1, 11, TooManyMarks))),
    ("struck through", LTR, "n\u{336}o\u{336}t\u{336}\n", Some((1, 2, Overlay))),
    ("a slash through", LTR, "5\u{338}0\n", Some((1, 2, Overlay))),
    ("a tilde through", LTR, "a\u{334}\n", Some((1, 2, Overlay))),
    ("a line through", LTR, "a\u{20D2}\n", Some((1, 2, Overlay))),
    ("a short line through", LTR, "a\u{20D3}\n", Some((1, 2, Overlay))),
    ("a ring over", LTR, "a\u{20D8}\n", Some((1, 2, Overlay))),
    ("a circle over", LTR, "a\u{20DA}\n", Some((1, 2, Overlay))),
    ("a ring with a stroke", LTR, "a\u{20E0}\n", Some((1, 2, Overlay))),
    ("a backslash through", LTR, "a\u{20E5}\n", Some((1, 2, Overlay))),
    ("a double stroke through", LTR, "a\u{20E6}\n", Some((1, 2, Overlay))),
    ("a long slash through", LTR, "a\u{20EB}\n", Some((1, 2, Overlay))),
    ("third line", LTR, "Ä\n\nÖÜ\tx\n", Some((3, 3, Tab))),
];

fn found(text: &str, direction: Direction) -> Option<(usize, usize, FaultKind)> {
    let faults = check_text(text.as_bytes(), direction).err()?;
    faults.first().map(|f| (f.line, f.column, f.kind))
}

#[test]
fn texts_are_judged_by_the_rules() {
    let misjudged = |(_, direction, text, fault): &&Row| found(text, *direction) != *fault;
    let wrong: Vec<_> = GOOD.iter().chain(BAD).filter(misjudged).map(|(what, ..)| what).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_kind_of_fault_says_where_and_what_to_do() {
    for (what, direction, text, _) in BAD {
        for fault in check_text(text.as_bytes(), *direction).unwrap_err() {
            let said = fault.to_string();
            assert!(said.starts_with(&format!("line {}, column {}: ", fault.line, fault.column)));
            assert!(said.contains("; "), "{what}: {said}");
            assert!(said.chars().all(|c| (' '..='~').contains(&c)), "{what}");
            if let Some(c) = fault.character {
                assert!(said.contains(&format!("({})", named(c))));
            }
        }
    }
    let esc = check_line("a\u{1B}b").unwrap_err();
    assert_eq!(
        esc.to_string(),
        "line 1, column 2: a control character (U+001B ESCAPE); remove it or write what is meant"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_placed() {
    let faults = check_text("é\nüé".as_bytes().get(..6).unwrap(), LTR).unwrap_err();
    assert_eq!(faults, [Fault::at(2, 2, NotUtf8)]);
    let surrogate = check_text(b"A\xED\xA0\x80\n", LTR).unwrap_err();
    assert_eq!(surrogate, [Fault::at(1, 2, NotUtf8)]);
}

#[test]
fn a_text_has_a_limit_and_a_listing_too() {
    let mut text = "a".repeat(TEXT_LIMIT - 1);
    text.push('\n');
    assert!(check_text(text.as_bytes(), LTR).is_ok());
    text.insert(0, 'a');
    let faults = check_text(text.as_bytes(), LTR).unwrap_err();
    assert_eq!(faults, [Fault::at(1, 1, TooLong)]);
    assert_eq!(check_line(&text).unwrap_err().kind, TooLong);
    assert_eq!(check_prose(&text).unwrap_err().kind, TooLong);

    for many in ["\t".repeat(1000), "a\t\n".repeat(1000), "\n".repeat(1000)] {
        assert_eq!(check_text(many.as_bytes(), LTR).unwrap_err().len(), FAULTS_LISTED);
    }
}

#[test]
fn all_faults_are_listed_in_order() {
    let faults = check_text(" e\u{301}\u{200B} \n\n\nB\r".as_bytes(), LTR).unwrap_err();
    let listed: Vec<_> = faults.iter().map(|f| (f.line, f.column, f.kind)).collect();
    let expected = [
        (1, 1, SpaceAtLineStart),
        (1, 2, NotNormalised),
        (1, 4, MisplacedZeroWidthSpace),
        (1, 5, SpaceAtLineEnd),
        (3, 1, ExtraEmptyLine),
        (4, 2, CarriageReturn),
        (4, 3, NoFinalLineFeed),
    ];
    assert_eq!(listed, expected);

    // What has no stable form is not asked for one.
    let faults = check_text("e\u{301}\u{20C1}\n".as_bytes(), LTR).unwrap_err();
    let kinds: Vec<_> = faults.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [Unassigned]);
}

#[test]
fn lines_are_one_line() {
    let good = [
        "Joint communiqué",
        "«\u{202F}Oui\u{202F}»",
        "بيان مشترك (UN)\u{200F}",
        "\u{200E}A",
        "می\u{200C}خواهم",
        "双方\u{3000}同意",
    ];
    for line in good {
        assert_eq!(check_line(line), Ok(()), "{line}");
    }
    let bad = [
        ("", 1, Empty),
        (" ", 1, BlankLine),
        ("\u{200F}", 1, BlankLine),
        (" a", 1, SpaceAtLineStart),
        ("\u{3000}a", 1, SpaceAtLineStart),
        ("a ", 2, SpaceAtLineEnd),
        ("a  b", 3, DoubledSpace),
        ("a \u{A0}b", 3, DoubledSpace),
        ("é\u{3000} b", 3, DoubledSpace),
        ("a\n", 2, LineBreak),
        ("a\nb", 2, LineBreak),
        ("a\rb", 2, CarriageReturn),
        ("a\u{200E}\u{200F}b", 3, DoubledInvisible),
        ("a\u{202E}b", 2, BidiControl),
        ("a\u{1B}[2J", 2, Control),
        ("e\u{301}", 1, NotNormalised),
        ("a  \t", 3, DoubledSpace),
        ("\u{301}a", 1, MarkWithoutBase),
        ("a \u{301}", 3, MarkWithoutBase),
        ("a\u{336}", 2, Overlay),
        ("q\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}", 10, TooManyMarks),
    ];
    for (line, column, kind) in bad {
        let fault = check_line(line).unwrap_err();
        assert_eq!((fault.line, fault.column, fault.kind), (1, column, kind), "{line:?}");
    }
}

#[test]
fn prose_is_a_text_without_its_end() {
    for prose in ["One.", "One.\nTwo.", "One.\n\nTwo.", "(UN)\u{200F}"] {
        assert_eq!(check_prose(prose), Ok(()), "{prose:?}");
    }
    let bad = [
        ("", 1, Empty),
        ("\n", 1, EmptyLineAtStart),
        ("One.\n", 2, EmptyLineAtEnd),
        ("One.\n\n\nTwo.", 3, ExtraEmptyLine),
        ("One. \nTwo.", 1, SpaceAtLineEnd),
        ("One.\n\u{301}Two.", 2, MarkWithoutBase),
        ("One.\nTw\u{336}o.", 2, Overlay),
    ];
    for (prose, line, kind) in bad {
        let fault = check_prose(prose).unwrap_err();
        assert_eq!((fault.line, fault.kind), (line, kind), "{prose:?}");
    }
}

#[test]
fn what_word_processors_leave_is_mended() {
    #[rustfmt::skip]
    let rows: &[(Direction, &str, &str)] = &[
        (LTR, "A\r\n\r\nB\r\n", "A\n\nB\n"),
        (LTR, "A\rB", "A\nB\n"),
        (LTR, "\u{FEFF}A\tB", "A B\n"),
        (LTR, "co\u{AD}opé\u{200B}ra\u{2060}tion\n", "coopération\n"),
        (LTR, "Re\u{301}publique\n", "République\n"),
        (LTR, "e\u{AD}\u{301}\n", "é\n"),
        (LTR, "\n \n A  \n\n\u{A0}\n\n\nB\n\n\n", "A\n\nB\n"),
        (LTR, "A\u{2009}:\u{2003}B\u{2028}C\u{2029}D\u{B}E\u{85}F", "A : B\nC\n\nD\nE\nF\n"),
        (LTR, "20\u{200E}25\n", "2025\n"),
        (LTR, "☎\u{FE0F} a\u{E0041}\n", "☎ a\n"),
        (LTR, "a\u{200D}b\u{180B}c\u{E0100}\n", "abc\n"),
        (LTR, "ក\u{200B}\u{200B}ក\u{200B} \n", "ក\u{200B}ក\n"),
        (LTR, "\u{3000}双方\u{3000}\n", "\u{3000}双方\n"),
        (LTR, "\u{3000}\nA\n", "A\n"),
        (LTR, "5 \u{212A}\n", "5 K\n"),
        (LTR, "<< a >>...\n", "<< a >>...\n"),
        (RTL, "می\u{200C}\u{200C}خواهم\u{200C} \u{200C}ب\n", "می\u{200C}خواهم ب\n"),
        (RTL, "ب\u{200F}\u{200F}\n\u{200F}\nب\n", "ب\u{200F}\n\nب\n"),
    ];
    for (direction, text, mended) in rows {
        let cleaned = clean(text.as_bytes(), *direction);
        assert_eq!(cleaned.text, *mended, "{text:?}");
        assert_eq!(cleaned.left, [], "{text:?}");
        assert_eq!(cleaned.changes.is_empty(), text == mended, "{text:?}");
        assert_eq!(cleaned.changed, cleaned.changes.len());
    }
}

#[test]
fn what_may_change_the_reading_is_left() {
    #[rustfmt::skip]
    let rows: &[(Direction, &str, FaultKind)] = &[
        (LTR, "A\u{202E}B\n", BidiControl),
        (RTL, "ب\u{2067}A\u{2069}\n", BidiControl),
        (LTR, "1\u{200F}-2\n", DirectionMark),
        (LTR, "א\u{200E}-2\n", DirectionMark),
        (LTR, "1\u{61C}-2\n", DirectionMark),
        (LTR, "A\u{200E}\u{202E}B\n", DirectionMark),
        (RTL, "ب\u{200E}\u{200F}-\n", DoubledInvisible),
        (RTL, "ب\u{200C}\u{200D}ب\n", MisplacedJoiner),
        (LTR, "A\u{3164}B\n", Invisible),
        (LTR, "ᠨ\u{180E}ᠠ\n", Invisible),
        (LTR, "A\u{1B}B\n", Control),
        (LTR, "A\u{FFFD}B\n", Special),
        (LTR, "A\u{E000}B\n", PrivateUse),
        (LTR, "A\u{20C1}B\n", Unassigned),
        (LTR, "1\u{20E3}\n", Emoji),
        (LTR, "no\u{336}t\n", Overlay),
        (LTR, "a \u{301}b\n", MarkWithoutBase),
        (LTR, "\u{301}b\n", MarkWithoutBase),
        (LTR, "q\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\u{302}\n", TooManyMarks),
        (LTR, "", Empty),
    ];
    for (direction, text, kind) in rows {
        let cleaned = clean(text.as_bytes(), *direction);
        assert_eq!(cleaned.text, *text);
        assert_eq!(cleaned.left.first().map(|f| f.kind), Some(*kind), "{text:?}");
    }
    let broken = clean(b"A\xFFB", LTR);
    assert_eq!(broken.left, [Fault::at(1, 2, NotUtf8)]);
    let long = clean(&vec![b'a'; CLEAN_LIMIT + 1], LTR);
    assert_eq!(long.left, [Fault::at(1, 1, TooLong)]);
}

#[test]
fn changes_tell_where_they_were_made() {
    let cleaned = clean("\u{FEFF}A\r\nco\u{AD}o\u{2003}e\u{301} ".as_bytes(), LTR);
    let listed: Vec<_> = cleaned.changes.iter().map(|change| (change.line, change.column, change.what)).collect();
    let expected = [
        (1, 1, ChangeKind::Removed),
        (1, 3, ChangeKind::LineBreak),
        (2, 3, ChangeKind::Removed),
        (2, 5, ChangeKind::Space),
        (2, 6, ChangeKind::Composed),
        (2, 7, ChangeKind::FinalLineFeed),
        (2, 8, ChangeKind::OuterSpace),
    ];
    assert_eq!(listed, expected);
    assert_eq!(
        cleaned.changes[0].to_string(),
        "line 1, column 1: invisible character removed (U+FEFF ZERO WIDTH NO-BREAK SPACE)"
    );
    let many = clean("a\r\n".repeat(5000).as_bytes(), LTR);
    assert_eq!((many.changes.len(), many.changed), (CHANGES_LISTED, 5000));
}

#[test]
fn words_of_mixed_scripts_are_flagged() {
    let words = mixed_script_words("La pаix,\nи Mocквa; paix ĸ\n");
    assert_eq!(words.len(), 2);
    assert_eq!((words[0].line, words[0].column), (1, 4));
    assert_eq!((words[0].word.as_str(), words[0].script), ("pаix", "Latin"));
    assert_eq!(words[0].letters, [('а', "Cyrillic")]);
    assert_eq!((words[1].line, words[1].column), (2, 3));
    assert_eq!(words[1].script, "Latin");
    assert_eq!(words[1].letters, [('к', "Cyrillic"), ('в', "Cyrillic")]);
    for fine in [
        "l’Алжир IT-компания 5G 90М",
        "日本のカタカナ 大韓民國은 漢字ㄅㄆ",
        "می\u{200C}خواهم مُحَمَّد ۲۵\u{200C}ساله 25ب",
        "кра\u{301}сный q\u{301}",
        "\u{B5}m",
    ] {
        assert_eq!(mixed_script_words(fine), [], "{fine}");
    }
    assert_eq!(mixed_script_words("のㄅ漢漢")[0].letters.len(), 2);
    assert_eq!(mixed_script_words(&"aб ".repeat(500)).len(), MIXED_LISTED);
}

#[test]
fn what_hides_is_shown() {
    assert_eq!(visible("a\u{200F}\nb\u{1B}[1m"), "a⟨U+200F⟩\nb⟨U+001B⟩[1m");
    assert_eq!(escape_line("a\nb\r"), "a⟨U+000A⟩b⟨U+000D⟩");
    assert_eq!(visible("«\u{202F}é\u{A0}双\u{3000}»"), "«\u{202F}é\u{A0}双\u{3000}»");
    assert_eq!(visible("☎\u{FE0F}\u{2009}\u{20C1}\u{E000}"), "☎⟨U+FE0F⟩⟨U+2009⟩⟨U+20C1⟩⟨U+E000⟩");
    assert_eq!(visible("⟨U+200F⟩ ⟨a⟩"), "⟨U+27E8⟩U+200F⟩ ⟨a⟩");
}

#[test]
fn directions_are_written_as_in_manifests() {
    assert_eq!(serde_json::to_string(&LTR).unwrap(), "\"ltr\"");
    assert_eq!(serde_json::from_str::<Direction>("\"rtl\"").unwrap(), RTL);
    assert!(serde_json::from_str::<Direction>("\"RTL\"").is_err());
}

/// The shortcut's promise: without a flagged character, a text is in NFC.
#[test]
fn characters_without_the_flag_are_in_nfc() {
    for c in '\0'..=char::MAX {
        let Some(value) = value(c) else { continue };
        if value & NORMALISED == 0 {
            assert!(is_nfc(&format!("a{c}")), "{:04X}", u32::from(c));
            assert!(is_nfc(&format!("\u{1100}{c}")), "{:04X}", u32::from(c));
        }
    }
}

/// Characters that meet one another's rules, more often than chance would have it.
fn awkward() -> impl Strategy<Value = String> {
    let some = "aeé и\u{301}\u{323}\u{306}\n\n\r\t \u{A0}\u{202F}\u{3000}\u{2003}\u{2028}\u{2029}\u{200B}\u{200C}\u{200D}\
        \u{200E}\u{200F}\u{61C}\u{AD}\u{FEFF}\u{34F}\u{180B}\u{180E}\u{E0100}\u{FE00}\u{FE0F}\u{20E3}\u{202E}\u{2069}\
        \u{E0041}\u{3164}\u{1B}\u{0}\u{FFFD}\u{E000}\u{20C1}\u{FDD0}\u{1112}\u{1161}\u{11AB}ᠨكب۲כक\u{94D}ക\u{D4D}കក双か\
        \u{212A}\u{336}\u{E48}⟨U+";
    let some: Vec<char> = some.chars().collect();
    let one = prop_oneof![9 => proptest::sample::select(some), 1 => any::<char>()];
    proptest::collection::vec(one, 0..40).prop_map(String::from_iter)
}

/// Characters that [`clean`] can mend all of, so that most results have nothing left.
fn mendable() -> impl Strategy<Value = String> {
    let some = "ae\n\r\t \u{A0}\u{3000}\u{2029}\u{200B}\u{200C}\u{200D}\u{AD}\u{FEFF}\u{180B}\u{E0100}ᠨبकក双";
    let mut some: Vec<String> = some.chars().map(String::from).collect();
    // A mark without its letter cannot be mended, so each comes with one, after something that goes or not.
    some.extend(["e\u{301}", "e\u{AD}\u{301}\u{323}", "q\u{FEFF}\u{323}", "क\u{94D}"].map(String::from));
    proptest::collection::vec(proptest::sample::select(some), 1..40).prop_map(|parts| parts.concat())
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(LTR), Just(RTL)]
}

/// Letters and digits in full decomposition, in order.
fn words(s: &str) -> Vec<char> {
    s.nfd().filter(|&c| has(c, WORD) && !has(c, TRANSPARENT)).collect()
}

fn cleaning_holds(text: &str, direction: Direction) -> Result<(), TestCaseError> {
    let once = clean(text.as_bytes(), direction);
    let twice = clean(once.text.as_bytes(), direction);
    prop_assert_eq!(&twice.text, &once.text);
    prop_assert_eq!(twice.changed, 0);
    prop_assert_eq!(&twice.left, &once.left);
    prop_assert_eq!(words(&once.text), words(text));
    let checked = check_text(once.text.as_bytes(), direction);
    prop_assert_eq!(checked.err().unwrap_or_default(), once.left);
    if check_text(text.as_bytes(), direction).is_ok() {
        prop_assert_eq!(once.text.as_str(), text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200), direction in directions()) {
        let _ = check_text(&bytes, direction);
        let _ = clean(&bytes, direction);
    }

    #[test]
    fn cleaning_is_safe(text in awkward(), direction in directions()) {
        cleaning_holds(&text, direction)?;
    }

    #[test]
    fn cleaning_mends(text in mendable(), direction in directions()) {
        cleaning_holds(&text, direction)?;
        let mixed_joiners = text.contains("\u{200C}\u{200D}") || text.contains("\u{200D}\u{200C}");
        let cleaned = clean(text.as_bytes(), direction);
        let left: Vec<_> = cleaned.left.iter().map(|f| f.kind).filter(|&kind| kind != Empty).collect();
        // A joiner may meet another kind of joiner when what stood between them goes.
        if !mixed_joiners && !left.is_empty() {
            prop_assert!(left.iter().all(|kind| matches!(kind, DoubledInvisible | MisplacedJoiner)), "{:?}", left);
        }
    }

    #[test]
    fn nothing_hides_in_what_is_shown(text in awkward()) {
        let hidden = |c: char| value(c).is_none_or(|v| !matches!(v & KIND, 0 | tables::EMOJI)) || ('\u{FE00}'..='\u{FE0F}').contains(&c);
        prop_assert!(visible(&text).chars().all(|c| c == '\n' || !hidden(c)));
        prop_assert!(!escape_line(&text).chars().any(hidden));
        prop_assert!(!escape_line(&text).chars().any(char::is_control));
    }

    #[test]
    fn lines_and_prose_are_judged_as_texts(text in awkward()) {
        if check_line(&text).is_ok() {
            prop_assert_eq!(check_prose(&text), Ok(()));
        }
        let whole = format!("{text}\n");
        prop_assert_eq!(check_prose(&text).is_ok(), check_text(whole.as_bytes(), RTL).is_ok());
        let _ = mixed_script_words(&text);
    }
}
