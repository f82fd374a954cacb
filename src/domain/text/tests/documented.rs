//! What is written about the rules says what the code does.

use super::*;

const FORMAT: &str = include_str!("../../../../docs/FORMAT.md");
const MODULE: &str = include_str!("../mod.rs");

/// Every kind, in the order of its declaration.
#[rustfmt::skip]
const KINDS: &[FaultKind] = &[
    NotUtf8, TooLong, Empty, EmptyLineAtStart, EmptyLineAtEnd, ExtraEmptyLine, BlankLine, NoFinalLineFeed, LineBreak,
    SpaceAtLineStart, SpaceAtLineEnd, DoubledSpace, CarriageReturn, Tab, Control, ByteOrderMark, ExoticSpace, LineSeparator,
    BidiControl, Tag, SoftHyphen, Invisible, PrivateUse, Noncharacter, Special, Unassigned, Emoji, MisplacedJoiner,
    MisplacedZeroWidthSpace, MisplacedSelector, DirectionMark, DoubledInvisible, Overlay, MarkWithoutBase, TooManyMarks,
    NotNormalised,
];

/// The rules from the first to the last, without line breaks, and the limits as numbers.
fn rules(document: &str, margin: &str) -> String {
    let from = document.find(&format!("{margin}1. UTF-8")).expect("the first rule");
    let last = "Normalization Form C.\n";
    let to = from + document[from..].find(last).expect("the last rule") + last.len();
    let words =
        document[from..to].lines().flat_map(|line| line.strip_prefix(margin).unwrap_or(line).split_whitespace());
    let text = words.collect::<Vec<_>>().join(" ");
    text.replace("[`TEXT_LIMIT`]", &grouped(TEXT_LIMIT)).replace("[`MARKS_LIMIT`]", &grouped(MARKS_LIMIT))
}

/// A number with a comma between each three digits.
fn grouped(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1000), number % 1000) }
}

#[test]
fn the_format_and_the_module_state_the_same_rules() {
    assert_eq!(rules(FORMAT, ""), rules(MODULE, "//! "));
}

#[test]
fn the_format_lists_every_kind_of_fault() {
    let declared = MODULE.split_once("pub enum FaultKind {\n").and_then(|(_, rest)| rest.split_once("\n}")).unwrap().0;
    let declared = declared.lines().map(str::trim).filter(|line| !line.starts_with("///"));
    let declared: Vec<_> = declared.map(|line| line.trim_end_matches(',').to_owned()).collect();
    assert_eq!(KINDS.iter().map(|kind| format!("{kind:?}")).collect::<Vec<_>>(), declared);

    let table = FORMAT.split_once("| kind | rule | fault |\n| --- | --- | --- |\n").expect("the table of faults").1;
    let listed = table.lines().take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(
            !cells[1].is_empty() && cells[1].split(", ").all(|rule| ("1"..="6").contains(&rule) || rule == "a line")
        );
        (cells[0].to_owned(), cells[2].to_owned())
    });
    let said = KINDS.iter().map(|kind| {
        let name = serde_json::to_string(kind).unwrap().replace('"', "`");
        (name, kind.sentence().0.to_string())
    });
    assert_eq!(listed.collect::<Vec<_>>(), said.collect::<Vec<_>>());
}

/// The published tables say the same as the code's, for every code point.
#[test]
fn the_published_tables_are_the_codes() {
    let document = include_str!("../../../../docs/text-v1-tables.md");
    let listed = |name: &str| {
        let mut set = vec![false; 0x11_0000];
        let from = document.find(&format!("## {name}\n")).expect(name);
        for range in document[from..].split("```").nth(1).unwrap().split_whitespace() {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first = usize::from_str_radix(first, 16).unwrap();
            let last = usize::from_str_radix(last, 16).unwrap();
            set[first..=last].fill(true);
        }
        set
    };
    assert!(document.contains(tables::UNICODE));
    let assigned = listed("ASSIGNED");
    #[rustfmt::skip]
    let kinds = [
        ("CONTROL", tables::CONTROL), ("SPACE", tables::SPACE), ("SEPARATOR", tables::SEPARATOR), ("BIDI", tables::BIDI),
        ("TAG", tables::TAG), ("INVISIBLE", tables::INVISIBLE), ("PRIVATE", tables::PRIVATE), ("SPECIAL", tables::SPECIAL),
        ("EMOJI", tables::EMOJI), ("JOINER", JOINER), ("MARK", MARK), ("MONGOLIAN_VS", tables::MONGOLIAN_VS),
        ("HAN_VS", HAN_VS), ("ZWSP", ZWSP), ("NONCHARACTER", tables::NONCHARACTER),
    ]
    .map(|(name, kind)| (listed(name), kind));
    #[rustfmt::skip]
    let flags = [
        ("JOINER_BASES", JOINER_BASES), ("TRANSPARENT", TRANSPARENT), ("ZWSP_BASES", tables::ZWSP_BASES),
        ("MONGOLIAN_LETTERS", tables::MONGOLIAN_LETTERS), ("IDEOGRAPHS", tables::IDEOGRAPHS), ("WORD", WORD),
        ("COMBINING", COMBINING), ("OVERLAYS", OVERLAYS),
    ]
    .map(|(name, flag)| (listed(name), flag));
    for c in '\0'..=char::MAX {
        let code = c as usize;
        let Some(value) = value(c) else {
            assert!(!assigned[code], "{code:04X}");
            continue;
        };
        assert!(assigned[code] || value & KIND == tables::NONCHARACTER);
        for (set, kind) in &kinds {
            assert_eq!(set[code], value & KIND == *kind, "{code:04X}");
        }
        for (set, flag) in &flags {
            assert_eq!(set[code], value & flag != 0, "{code:04X}");
        }
    }
}
