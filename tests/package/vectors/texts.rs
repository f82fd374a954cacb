//! The text rules, by the rows that the library's own tests have.

use communique::domain::{
    json::base64,
    text::{
        Direction, Fault,
        FaultKind::{self, *},
        TEXT_LIMIT, check_line, check_prose, check_text,
    },
};
use serde::Serialize;

#[path = "../../../src/domain/text/tests/rows.rs"]
mod rows;

const LTR: Direction = Direction::Ltr;
const RTL: Direction = Direction::Rtl;
type Row = (&'static str, Direction, &'static str, Option<(usize, usize, FaultKind)>);

const FORMAT: &str = include_str!("../../../docs/FORMAT.md");

/// A case: bytes, and every fault in the order in which it stands there.
#[derive(Serialize)]
pub struct Case {
    /// Of a text; a line or prose runs either way.
    dir: Option<Direction>,
    faults: Vec<FaultKind>,
    kind: &'static str,
    /// The same in characters, if it is UTF-8 and short.
    text: Option<String>,
    /// How often the bytes are to be repeated.
    times: usize,
    utf8: String,
}

impl Case {
    /// A text; `first` is what must be found first.
    fn text(bytes: &[u8], times: usize, dir: Direction, first: Option<FaultKind>) -> Self {
        let whole = bytes.repeat(times);
        let faults = check_text(&whole, dir).err().into_iter().flatten().map(|fault| fault.kind);
        Self::of("text", bytes, times, Some(dir), first, faults.collect())
    }
    fn of(
        kind: &'static str,
        bytes: &[u8],
        times: usize,
        dir: Option<Direction>,
        first: Option<FaultKind>,
        faults: Vec<FaultKind>,
    ) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(Into::into);
        assert_eq!(faults.first().copied(), first, "{kind} {text:?}");
        Self { dir, faults, kind, text, times, utf8: base64(bytes) }
    }
}

pub fn made() -> Vec<Case> {
    let texts = rows::GOOD.iter().chain(rows::BAD);
    let mut cases: Vec<_> =
        texts.map(|(_, dir, text, fault)| Case::text(text.as_bytes(), 1, *dir, fault.map(|(.., kind)| kind))).collect();
    cases.push(Case::text(b"A\xFFB\n", 1, LTR, Some(NotUtf8)));
    cases.push(Case::text(b"A\xED\xA0\x80\n", 1, LTR, Some(NotUtf8)));
    cases.push(Case::text(b"A\xC0\x8A\n", 1, LTR, Some(NotUtf8)));
    cases.push(Case::text("é\n".as_bytes().get(..1).unwrap(), 1, LTR, Some(NotUtf8)));
    cases.push(Case::text(b"A sample line.\n\n", 1, LTR, Some(EmptyLineAtEnd)));
    cases.push(Case::text(b"a sample, line.\n", TEXT_LIMIT / 16, LTR, None));
    cases.push(Case::text(b"a sample, line.\n", TEXT_LIMIT / 16 + 1, LTR, Some(TooLong)));
    let one = |kind, fault: Result<(), Fault>, s: &str, first| {
        Case::of(kind, s.as_bytes(), 1, None, first, fault.err().map(|f| f.kind).into_iter().collect())
    };
    let lines = rows::GOOD_LINES.iter().map(|s| (*s, None));
    let lines = lines.chain(rows::BAD_LINES.iter().map(|(s, _, kind)| (*s, Some(*kind))));
    cases.extend(lines.map(|(s, first)| one("line", check_line(s), s, first)));
    let prose = rows::GOOD_PROSE.iter().map(|s| (*s, None));
    let prose = prose.chain(rows::BAD_PROSE.iter().map(|(s, _, kind)| (*s, Some(*kind))));
    cases.extend(prose.map(|(s, first)| one("prose", check_prose(s), s, first)));
    every_kind_is_found(&cases);
    cases
}

fn every_kind_is_found(cases: &[Case]) {
    let table = FORMAT.split("| kind | rule | fault |\n| --- | --- | --- |\n").nth(1).unwrap();
    let kinds = table.lines().map_while(|line| line.strip_prefix("| `")?.split('`').next());
    let found: Vec<_> = cases.iter().flat_map(|c| &c.faults).map(|f| serde_json::to_value(f).unwrap()).collect();
    let mut count = 0;
    for kind in kinds {
        assert!(found.iter().any(|f| f == kind), "no case has the fault {kind}");
        count += 1;
    }
    assert!(count > 30, "the table of FORMAT.md was not read");
}
