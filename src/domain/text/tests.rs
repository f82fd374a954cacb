use super::*;
use FaultKind::*;
use proptest::prelude::*;

mod documented;
mod rows;

use rows::{BAD, BAD_LINES, BAD_PROSE, GOOD, GOOD_LINES, GOOD_PROSE};

const LTR: Direction = Direction::Ltr;
const RTL: Direction = Direction::Rtl;

/// Each row: what it shows, the direction, the text, and the first fault's line, column and kind, if any.
type Row = (&'static str, Direction, &'static str, Option<(usize, usize, FaultKind)>);

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
    for line in GOOD_LINES {
        assert_eq!(check_line(line), Ok(()), "{line}");
    }
    for (line, column, kind) in BAD_LINES {
        let fault = check_line(line).unwrap_err();
        assert_eq!((fault.line, fault.column, fault.kind), (1, *column, *kind), "{line:?}");
    }
}

#[test]
fn prose_is_a_text_without_its_end() {
    for prose in GOOD_PROSE {
        assert_eq!(check_prose(prose), Ok(()), "{prose:?}");
    }
    for (prose, line, kind) in BAD_PROSE {
        let fault = check_prose(prose).unwrap_err();
        assert_eq!((fault.line, fault.kind), (*line, *kind), "{prose:?}");
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
    let han: String = ('\u{4E00}'..).take(MIXED_LISTED + 1).collect();
    assert_eq!(mixed_script_words(&format!("{}{han}", "a".repeat(200)))[0].letters.len(), MIXED_LISTED);
}

#[test]
fn each_letter_of_a_range_is_of_its_script() {
    for (first, last, name) in tables::SCRIPTS {
        let name = tables::SCRIPT_NAMES[usize::from(name)];
        for code in [first, last] {
            assert_eq!(char::from_u32(code).and_then(shown::script), Some(name), "{code:X}");
        }
    }
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

/// Though it has no letter and no mark, whose rules would look at it more closely.
#[test]
fn what_is_not_composed_is_shown_where_it_stands() {
    for (text, column, character) in [("a; b\u{37E}\n", 5, '\u{37E}'), ("\u{2329}\n", 1, '\u{2329}')] {
        let kind = NotNormalised;
        let fault = Fault { line: 1, column, kind, character: Some(character) };
        assert_eq!(check_text(text.as_bytes(), LTR).err().as_deref(), Some(&[fault][..]), "{text:?}");
    }
}

#[test]
fn a_passage_is_as_long_as_a_text_at_most_and_what_is_cleaned_may_be_longer() {
    assert_eq!(check_prose(&"a".repeat(TEXT_LIMIT)), Ok(()));
    assert_eq!(check_prose(&"a".repeat(TEXT_LIMIT + 1)).map_err(|fault| fault.kind), Err(TooLong));
    let ending = |spaces| clean(&[b"a".as_slice(), &vec![b' '; spaces]].concat(), LTR);
    let (most, more) = (ending(4 * TEXT_LIMIT - 1), ending(4 * TEXT_LIMIT));
    assert_eq!((most.text.as_str(), most.left.as_slice()), ("a\n", &[][..]));
    assert_eq!((more.text.as_str(), more.left.as_slice()), ("", &[Fault::at(1, 1, TooLong)][..]));
}
