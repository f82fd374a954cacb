//! What crafted packages, file names and words of others make the tool print: nothing that reads like a line of ours.
//!
//! Each crafted word begins with [`MARK`], which no line of ours holds. So a line that begins with it, behind no margin, is
//! a line that somebody else wrote.

use std::{cell::Cell, fs, rc::Rc};

use communique::domain::{
    act::{ActKind, Declaration},
    id::Lang,
    manifest::{Manifest, Status},
    text::{self, Direction},
    words::{Line, Names, Prose},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    desk::{Desk, Ran, WORDS},
    job,
    played::{Plan, Played, Turn},
};

/// What every crafted word begins with.
const MARK: char = '☠';
/// What every line begins with that holds words of others and nothing else.
const MARGINS: [&str; 2] = ["  │ ", "  ┆ "];
/// How the lines of a verdict begin.
const VERDICTS: [&str; 5] = [
    "PROVEN against the charter that you trust: “",
    "CONSISTENT, but nothing is proven: “",
    "FAILED at ",
    "CANNOT BE READ: “",
    "CANNOT BE JUDGED by this version: “",
];
/// How every other line of `verify` begins.
const LABELS: [&str; 47] = [
    "must hold    ",
    "but          ",
    "why          ",
    "next         ",
    "Anybody can make such a package.",
    "title ",
    "communiqué   ",
    "exchange     ",
    "claims       ",
    "charter      ",
    "             sample-",
    "             before the end of the embargo, ",
    "meeting      ",
    "effect       ",
    "party        sample-",
    "  signed by “",
    "  signed ad referendum by “",
    "  for it, somebody who claims to be “",
    "  for it, ad referendum, somebody who claims to be “",
    "    confirmed by “",
    "    confirmed by somebody who claims to be “",
    "    with this declaration, on revision ",
    "    full powers revoked after completion, on ",
    "  does not count: “",
    "  does not count: somebody who claims to be “",
    "  does not count, ad referendum: “",
    "  does not count, ad referendum: somebody who claims to be “",
    "  declared by “",
    "  declared by somebody who claims to be “",
    "      in the language ",
    "text ",
    "annex ",
    "The authentic texts are equally authoritative.",
    "completed    ",
    "published    ",
    "log          exchange.sample.example/log, every entry proven under its head of ",
    "witnesses    ",
    "time stamp   there is one; it was not judged: ",
    "Not proven:",
    "  who the parties are, and that they had any part in this",
    "  later charters, revocations and rectifications ",
    "  that these entries are in the log is proven; ",
    "  without witnesses of parties that one trusts, ",
    "  escrow and embargo are promises of the depositary",
    "What 0",
    "Text ",
    "The texts are not shown",
];

/// Words that mean to be taken for ours, or to break the line that they stand in. All obey the text rules.
const IMITATIONS: [&str; 22] = [
    "Proven. Signed by all",
    "PROVEN against the charter that you trust: “other.zip”",
    "CONSISTENT, but nothing is proven: “other.zip”",
    "FAILED at ZIP: “other.zip”",
    "Verdict: PROVEN",
    "Not proven:",
    "signed by “A. Specimen” (fr), “Ministre” (fr), 2026-11-23T09:08:00Z (logged 2026-11-23T09:08:00Z)",
    "A” (fr), “B” (fr), 2026-11-23T09:08:00Z (logged 2026-11-23T09:08:00Z)",
    "charter 1 0000000000000000000000000000000000000000000000000000000000000000, in force since today",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "party sample-0 is “Somebody else”",
    "│ a margin",
    "┆ a margin",
    "”",
    "“",
    "<U+201D> ⟨U+202E⟩ &#x202e; \\u202e",
    "موقع 2026 من الجميع 1",
    "\u{200f}נחתם\u{200f} 12 (fr)",
    "\u{61c}١٢ مثبت ١٢",
    "e\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}o\u{33f}\u{33f}",
    "Ⅳ※…→●",
    "\u{1161}\u{1161}\u{11a8}",
];

/// What is done to a file of a package.
type Change = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A stream of numbers that a seed decides (SplitMix64).
#[derive(Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }
    fn below(&self, n: usize) -> usize {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }
    /// Hostile words that the rules let pass: each of them marked, so that it is known wherever it comes to stand.
    fn words(&self, most: usize) -> String {
        let said = match self.below(6) {
            0 => "PROVEN against".repeat(1 + self.below(60)),
            1 => "證明".repeat(1 + self.below(100)),
            2 => "Ⅳ".repeat(1 + self.below(200)),
            3 => "mot ".repeat(1 + self.below(180)).trim_end().to_owned(),
            _ => {
                let some: Vec<_> = (0..=self.below(3)).map(|_| IMITATIONS[self.below(IMITATIONS.len())]).collect();
                some.join(" ")
            }
        };
        let mut words = String::new();
        for word in said.split(' ') {
            let word = format!("{}{MARK}{word}", if words.is_empty() { "" } else { " " });
            if words.len() + word.len() <= most {
                words.push_str(&word);
            }
        }
        if words.is_empty() { MARK.into() } else { words }
    }
    fn line(&self) -> Line {
        let words = self.words(1024);
        Line::new(words.clone()).unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }
    fn prose(&self) -> Prose {
        let lines: Vec<_> = (0..=self.below(4)).map(|_| self.words(900)).collect();
        Prose::new(lines.join(if self.below(2) == 0 { "\n" } else { "\n\n" })).unwrap()
    }
    fn names(&self, languages: &[&str]) -> Names {
        Names::new(languages.iter().map(|tag| (Lang::parse(*tag).unwrap(), self.line()))).unwrap()
    }
}

/// Puts hostile words wherever a lawful package has words.
fn hostile(mut plan: Plan, dice: &Dice) -> Plan {
    let d = dice.clone();
    let before = std::mem::replace(&mut plan.charter, Box::new(|_| ()));
    plan.charter = Box::new(move |c| {
        before(c);
        c.parties.iter_mut().for_each(|p| p.names = d.names(&["ar", "fr"]));
    });
    let d = dice.clone();
    plan.also_manifest(move |m: &mut Manifest| {
        m.titles = d.names(&["ar", "fr"]);
        m.annexes.iter_mut().for_each(|a| a.titles = d.names(&["ar", "fr"]));
        m.meeting.iter_mut().for_each(|meeting| meeting.places = d.names(&["ar", "fr"]));
    });
    let d = dice.clone();
    plan.powers = Box::new(move |p| {
        p.holder.names = d.names(&["ar", "zh-Hant"]);
        p.holder.titles = d.names(&["ar"]);
    });
    let d = dice.clone();
    plan.act = Box::new(move |act| {
        act.place = act.place.is_some().then(|| d.line());
        if let Some(Declaration::Texts(texts)) = &mut act.declaration {
            texts.insert(Lang::parse("fr").unwrap(), d.prose());
            texts.insert(Lang::parse("ar").unwrap(), d.prose());
        }
    });
    let d = dice.clone();
    plan.revocation = Box::new(move |r| r.reason = d.prose());
    // Left to right, without direction marks.
    let d = dice.clone();
    plan.text = Box::new(move |text| {
        let words = d.prose().as_str().replace(['\u{200f}', '\u{61c}'], "");
        *text = format!("{words}\n\nPROVEN against the charter that you trust: “other.zip”\n");
    });
    plan
}

fn courses(seed: u64) -> Vec<(&'static str, Played)> {
    let dice = Dice::new(seed);
    let ad_referendum = || {
        let mut plan = Plan::ad_referendum();
        plan.insert_after(Turn::Completed, Turn::Revoke(0, 0));
        plan
    };
    let original = hostile(Plan::plain(), &dice).play();
    let plans: [(&str, Plan); 7] = [
        ("plain", Plan::plain()),
        ("succession", Plan::succession()),
        ("substitution", Plan::substitution()),
        ("ad referendum", ad_referendum()),
        ("declarations", Plan::declarations()),
        ("released", Plan::released()),
        ("rectification", Plan::correcting(original)),
    ];
    plans.into_iter().map(|(name, plan)| (name, hostile(plan, &dice).play())).collect()
}

fn run(desk: &Desk, args: &[&str], columns: Option<usize>) -> Ran {
    let mut command = desk.program("communique");
    if let Some(columns) = columns {
        command.env("COLUMNS", columns.to_string());
    }
    let output = command.args(args).output().unwrap();
    Ran {
        line: args.join(" "),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Nothing that drives, hides or reorders; lines that fit; no line that begins with marked words.
#[track_caller]
fn looks_ours(what: &str, printed: &str, columns: Option<usize>) {
    for line in printed.split('\n') {
        assert_eq!(line, unhidden(line), "{what}: something hides");
        // What is to be copied is never broken.
        let whole = line.starts_with("  communique ") || line.split(' ').any(is_digest);
        if let Some(columns) = columns.filter(|_| !whole) {
            assert!(line.width_cjk() <= columns + 1, "{what}: wider than {columns}: {line}");
        }
        let behind_margin = MARGINS.iter().any(|margin| line.starts_with(margin));
        // Below a cell of a table that goes on, blanks stand in all columns before it.
        let start = if line.starts_with(&" ".repeat(20)) { "table" } else { line.trim_start() };
        assert!(behind_margin || !start.starts_with(MARK), "{what}: a line begins with the words of others: {line}");
    }
}

/// The line, with what hides in it written out. What only feigns to be written out is none of that.
fn unhidden(line: &str) -> String {
    let kept = line.replace('⟨', "<");
    if text::escape_line(&kept) == kept { line.to_owned() } else { text::escape_line(line) }
}

fn is_digest(word: &str) -> bool {
    word.len() >= 64 && word.bytes().take(64).all(|b| b.is_ascii_hexdigit())
}

/// Whether a line begins as one of ours does; a narrow terminal may have cut it short.
fn is_ours(line: &str) -> bool {
    let begins = |label: &str| {
        line.starts_with(label.trim_end()) || label.strip_prefix(line).is_some_and(|rest| rest.starts_with(' '))
    };
    line.is_empty() || VERDICTS.iter().chain(&LABELS).any(|label| begins(label))
}

#[test]
fn a_line_of_others_is_not_taken_for_ours() {
    for line in ["    B. Specimen” (fr), for nobody", "Proven. Signed by all", "er of a long word", "p"] {
        assert!(!is_ours(line), "{line}");
    }
}

/// As [`looks_ours`], and of a verdict every line is known, the verdicts are as many as said, and what is quoted ends where we
/// end it, with a letter of ours after it.
#[track_caller]
fn is_a_verdict(what: &str, printed: &str, columns: Option<usize>, verdict: &str, times: usize) {
    looks_ours(what, printed, columns);
    let margin = |line: &str| MARGINS.iter().find_map(|margin| line.strip_prefix(margin)).map(str::to_owned);
    let mut whole: Vec<String> = vec![];
    for line in printed.lines() {
        if let Some(words) = margin(line) {
            // What goes on is one line with what it goes on from.
            if line.starts_with(MARGINS[1]) {
                let last = whole.last_mut().unwrap_or_else(|| panic!("{what}: nothing goes on: {line}"));
                last.push(' ');
                last.push_str(&words);
            } else {
                whole.push(line.to_owned());
            }
            continue;
        }
        assert!(is_ours(line), "{what}: not one of ours: {line}");
        whole.push(line.to_owned());
    }
    let begun = |line: &&String| VERDICTS.iter().any(|v| line.starts_with(v));
    let verdicts: Vec<_> = whole.iter().filter(begun).collect();
    assert_eq!(verdicts.len(), times, "{what}: {verdicts:?}");
    assert!(verdicts.iter().all(|line| line.starts_with(verdict)), "{what}: {verdicts:?}");
    assert!(printed.starts_with(verdict.trim_end_matches(['“', ' '])), "{what}: {printed}");
    for line in whole.iter().filter(|line| !line.starts_with("title ") && margin(line).is_none()) {
        bounded(what, line);
    }
}

/// Words of others stand between quotation marks of ours, and what follows them is a letter of ours.
#[track_caller]
fn bounded(what: &str, line: &str) {
    let mut rest = line;
    while let Some((ours, quoted)) = rest.split_once('“') {
        assert!(!ours.contains([MARK, '”']), "{what}: {ours:?} is not ours, in {line}");
        let (inner, after) = quoted.split_once('”').unwrap_or_else(|| panic!("{what}: it does not end: {line}"));
        assert!(!inner.contains('“'), "{what}: {inner}");
        let next = after.chars().find(|c| c.is_alphanumeric() || *c == MARK || *c == '“');
        assert!(next.is_none_or(|c| c.is_ascii_alphabetic()), "{what}: {next:?} comes after “{inner}”");
        rest = after;
    }
    assert!(!rest.contains([MARK, '”']), "{what}: {rest:?} is not ours, in {line}");
}

#[test]
fn no_lawful_package_prints_a_line_like_ours() {
    let seeds = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let desk = Desk::new();
    for seed in 0..seeds {
        for (name, played) in courses(seed) {
            desk.write("package.zip", &played.zip);
            let pin = played.charter.digest().to_string();
            for columns in [None, Some(40), Some(72), Some(20), Some(101)] {
                let what = format!("seed {seed}, {name}, {columns:?} columns");
                let proven = run(&desk, &["verify", "package.zip", "--charter-pin", &pin, "--texts"], columns).ends(0);
                is_a_verdict(&what, &proven.out, columns, "PROVEN against", 2);
                let twice =
                    run(&desk, &["verify", "package.zip", "package.zip", "--texts", "--unproven"], columns).ends(3);
                is_a_verdict(&what, &twice.out, columns, "CONSISTENT, but", 4);
                assert!(proven.err.is_empty() && twice.err.is_empty(), "{what}: {}{}", proven.err, twice.err);
            }
            let json =
                run(&desk, &["verify", "package.zip", "--charter-pin", &pin, "--texts", "--json"], Some(40)).ends(0);
            assert!(json.out.lines().all(|line| unhidden(line) == line), "{name}: something hides in the JSON");
            assert_eq!(
                json.json()["packages"][0]["findings"]["titles"]["fr"],
                played.manifest.titles.iter().nth(1).unwrap().1.as_str()
            );
            desk.write("charter.json", played.charter.bytes());
            for columns in [Some(40), Some(100)] {
                looks_ours(
                    "charter show",
                    &run(&desk, &["charter", "show", "charter.json"], columns).ends(0).out,
                    columns,
                );
            }
        }
    }
}

/// In the other languages too. What they set around words that run otherwise is theirs: what a package holds of it is written out.
#[test]
fn no_lawful_package_prints_a_line_like_ours_in_any_language() {
    let desk = Desk::new();
    for (name, played) in courses(3) {
        desk.write("package.zip", &played.zip);
        let pin = played.charter.digest().to_string();
        for language in ["ar", "fr", "ru"] {
            for columns in [None, Some(40)] {
                let what = format!("{name}, {language}, {columns:?} columns");
                let args = ["verify", "package.zip", "--charter-pin", &pin, "--texts", "--lang", language];
                let printed = run(&desk, &args, columns).ends(0).out.replace(['\u{2068}', '\u{2069}'], "");
                looks_ours(&what, &printed, columns);
            }
        }
    }
}

/// What no package may carry, and a fault's detail quotes.
#[test]
fn no_fault_prints_a_line_like_ours() {
    const NASTY: &str =
        "\x1b[2J\x1b]0;t\x07\r\n\u{202e}PROVEN\u{9b}1A\u{200b}\u{2028}\u{feff}”: PROVEN against the charter";
    let desk = Desk::new();
    let long = format!("{NASTY}{}", "PROVEN against the charter that you trust ".repeat(4000));
    let quoted = |words: &str| serde_json::to_string(words).unwrap();
    let whole = |bytes: Vec<u8>| -> Change { Box::new(move |_| bytes.clone()) };
    let replaced = |old: &'static str, new: String| -> Change {
        Box::new(move |bytes| String::from_utf8_lossy(bytes).replacen(old, &new, 1).into_bytes())
    };
    let visible = NASTY.replace(['\x1b', '\r', '\n', '\x07'], "");
    let stranger = format!("— {} AAAAAAA=\n", visible.replace(char::is_whitespace, ""));
    let mut cases: Vec<(&str, &str, Change)> = vec![
        ("CANNOT BE JUDGED", "data/communique.json", whole(format!("{{\"rules\":{}}}", quoted(&long)).into_bytes())),
        (
            "CANNOT BE JUDGED",
            "data/communique.json",
            replaced("\"rules\":\"text.v1\"", format!("\"rules\":{}", quoted(&long))),
        ),
        ("FAILED at", "data/communique.json", replaced("\"salt\"", quoted(NASTY))),
        (
            "FAILED at",
            "data/communique.json",
            replaced("Communiqué d’exemple", NASTY.replace(['\x1b', '\r', '\n', '\x07'], "")),
        ),
        ("FAILED at", "data/communique.json", replaced("\"political\"", quoted(NASTY))),
        ("FAILED at", "data/charters/1.json", replaced("\"unanimous\"", quoted(&long[..3000]))),
        ("CANNOT BE JUDGED", "data/charters/1.json", whole(format!("{{\"suites\":[{}]}}", quoted(NASTY)).into_bytes())),
        ("FAILED at", "data/entries/0.json", replaced("\"charter\"", quoted(NASTY))),
        ("FAILED at", "data/texts/fr.txt", whole(NASTY.as_bytes().to_vec())),
        ("FAILED at", "bag-info.txt", whole(NASTY.as_bytes().to_vec())),
        ("FAILED at", "evidence/0.tlog-proof", whole(NASTY.as_bytes().to_vec())),
        ("FAILED at", "evidence/0.tlog-proof", replaced("exchange.sample.example/log\n", format!("{visible}\n"))),
        ("FAILED at", "evidence/0.tlog-proof", Box::new(move |old| [old, stranger.as_bytes()].concat())),
        ("FAILED at", "evidence/certified-copy.jws", whole(format!("{NASTY}.{NASTY}.{NASTY}").into_bytes())),
    ];
    for name in [
        "data/\x1b[2J\nPROVEN against the charter that you trust",
        "data/\u{202e}PROVEN",
        "data/PROVEN.against.the.charter.that.you.trust",
    ] {
        cases.push(("FAILED at", name, Box::new(|_| b"x".to_vec())));
    }
    for (n, (verdict, path, change)) in cases.into_iter().enumerate() {
        let mut plan = Plan::plain();
        let path = path.to_owned();
        let named = path.clone();
        plan.bag = Box::new(move |files| {
            // As it lies in another package, it has no proofs.
            if path.ends_with(".tlog-proof") && !files.contains_key(&path) {
                return;
            }
            let old = files.get(&path).cloned().unwrap_or_default();
            let new = change(&old);
            assert_ne!(old, new, "{path} is not changed");
            let ascii = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
            files.insert(if ascii { path.clone() } else { "data/stand-in".into() }, new);
        });
        let played = plan.play();
        let (mut zip, pin) = (played.zip, played.charter.digest().to_string());
        // The writer takes no such name; put in afterwards, of the same length.
        if !named.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b)) {
            let nasty: Vec<u8> = named.bytes().chain(std::iter::repeat(b'\n')).take("data/stand-in".len()).collect();
            for at in 0..zip.len() - nasty.len() {
                if zip[at..].starts_with(b"data/stand-in") {
                    zip[at..at + nasty.len()].copy_from_slice(&nasty);
                }
            }
        }
        desk.write("package.zip", zip);
        for columns in [None, Some(40)] {
            let ran = run(&desk, &["verify", "package.zip", "--charter-pin", &pin], columns);
            assert_ne!(ran.code, Some(0));
            let what = format!("case {n}, {named:?}");
            for line in ran.out.lines() {
                assert_eq!(line, unhidden(line), "{what}: something hides");
                let labels = [verdict, "must hold    ", "but          ", "why          ", "next         ", MARGINS[1]];
                assert!(
                    labels.iter().any(|label| line.starts_with(label.trim_end())),
                    "{what}: not one of ours: {line}"
                );
                let whole = line.split(' ').any(is_digest);
                assert!(whole || columns.is_none_or(|c| line.width_cjk() <= c + 1), "{what}: too wide: {line}");
            }
            assert!(
                ran.out.starts_with(verdict) && ran.out.len() < 12_000,
                "{what}: {} bytes: {}",
                ran.out.len(),
                ran.out
            );
            let json = run(&desk, &["verify", "package.zip", "--json"], columns);
            assert!(json.out.lines().all(|line| unhidden(line) == line), "{what}: something hides in the JSON");
        }
    }
}

/// Names of files, as a pattern of the shell finds them.
#[test]
fn no_file_name_prints_a_line_like_ours() {
    let desk = Desk::new();
    let played = Plan::plain().play();
    let pin = played.charter.digest().to_string();
    let names = [
        "a\nPROVEN against the charter that you trust: “b.zip”",
        "--a\nPROVEN against the charter that you trust: “b.zip”",
        "a.zip: PROVEN against the charter that you trust",
        "”: PROVEN against the charter that you trust: “b.zip",
        "\u{202e}piz.NEVORP\x1b[2K\rPROVEN",
        "موقع 1",
        &"PROVEN against ".repeat(16),
    ];
    for name in names {
        fs::write(desk.path(name), b"no package").unwrap();
        for columns in [None, Some(40)] {
            for args in [
                vec!["verify", "--charter-pin", &pin, name],
                vec!["text", "check", name],
                vec!["text", "clean", name],
                vec!["charter", "show", name],
                vec!["powers", "submit", name],
                vec!["key", "show", name],
                vec!["verify", "--charter-pin", name, "x"],
                vec![name],
                vec!["show", name],
            ] {
                let ran = run(&desk, &args, columns);
                assert!(ran.code != Some(0) || args[1..2] == ["clean"], "{args:?}");
                let (out, err) = (ran.out.lines(), ran.err.lines());
                // What `text clean` mends is for another program where no terminal is.
                for line in err.chain(out.filter(|_| args[1..2] != ["clean"])) {
                    assert_eq!(line, unhidden(line), "{args:?}");
                    assert!(!line.trim_start().starts_with("PROVEN"), "{args:?}: {line}");
                    assert!(
                        columns.is_none_or(|columns| line.width_cjk() <= columns + 1),
                        "{args:?}: too wide: {line}"
                    );
                }
            }
            let ran = run(&desk, &["verify", "--charter-pin", &pin, "--", name], columns).ends(1);
            is_a_verdict(name, &ran.out.replace(MARK, ""), columns, "FAILED at ZIP: “", 1);
        }
    }
}

/// What a party that negotiates puts before the others' eyes.
#[test]
fn no_exchange_prints_a_line_like_ours() {
    let (desk, _served) = job::exchange();
    let dice = Dice::new(7);
    let (line, toml) = (|| dice.line().to_string(), |words: String| format!("'''{}'''", words.replace('\'', "’")));
    desk.write("fr.txt", format!("{}\n", dice.prose().as_str().replace(['\u{200f}', '\u{61c}'], "")));
    desk.write("ar.txt", format!("{}\n", dice.prose()));
    desk.write("list.csv", "a;b\n");
    desk.write(
        "draft.toml",
        format!(
            "parties = ['north', 'south']\ntitles = {{ fr = {}, ar = {} }}\n\
             texts = [{{ lang = 'fr', file = 'fr.txt' }}, {{ lang = 'ar', file = 'ar.txt' }}]\n\
             annexes = [{{ file = 'list.csv', titles = {{ fr = {} }} }}]\n\
             [meeting]\nplaces = {{ fr = {} }}\ndate = '2026-11-23'\nhost = 'north'\n",
            toml(line()),
            toml(line()),
            toml(line()),
            toml(line())
        ),
    );
    let proposed = job::official(&desk, "north", "new draft.toml --json").ends(0);
    let id = proposed.json()["communique"].as_str().unwrap().to_owned();
    looks_ours("new", &proposed.err, None);
    let by = |party: &str| format!("{party}-official.toml");
    let say = |args: &[&str]| {
        let (north, south) = (by("north"), by("south"));
        let profile = if args[0] == "object" { south } else { north };
        let consent = ["--yes", "--passphrase-fd", "0", "--profile", &profile];
        let consent = if args[0] == "remark" { &consent[3..] } else { &consent[..] };
        let ran = desk.run_with(&[args, consent].concat(), WORDS);
        looks_ours(args[0], &ran.out, None);
        ran.ends(0)
    };
    let place = line();
    let prose = || dice.prose().to_string();
    say(&["declare", &id, "--words", &format!("fr={}", prose()), "--place", &place]);
    say(&["remark", "add", &id, &prose(), "--author", &line()]);
    say(&["object", &id, "--reason", &prose(), "--place", &place]);
    desk.write("fr.txt", format!("{}\n", dice.prose().as_str().replace(['\u{200f}', '\u{61c}'], "")));
    job::official(&desk, "south", &format!("revise {id} draft.toml")).ends(0);
    for columns in [None, Some(40), Some(100)] {
        for args in [
            &["show", id.as_str(), "--texts"][..],
            &["show", &id, "--revision", "1", "--texts"],
            &["list"],
            &["inbox"],
            &["history", &id],
            &["remark", "list", &id],
            &["diff", &id],
            &["powers", "list"],
            &["trust", "list"],
            &["charter", "show"],
            &["charter", "list"],
            &["doctor"],
        ] {
            let profile = by("south");
            let ran = run(&desk, &[args, &["--profile", &profile]].concat(), columns);
            assert!(ran.err.is_empty(), "{}", ran.err);
            // Of a table, the width is the terminal's own affair.
            let table = matches!(args[0], "list" | "inbox") && columns > Some(72);
            looks_ours(&ran.line, &ran.out, columns.filter(|_| !table));
            if columns.is_none() && matches!(args[0], "show" | "history" | "remark") {
                let margin = |line: &&str| MARGINS.iter().any(|margin| line.starts_with(margin));
                let lines = ran.out.lines().filter(|line| !margin(line) && !line.starts_with("title "));
                lines.for_each(|line| bounded(&ran.line, line));
            }
            let marked = matches!(args[0], "powers" | "trust" | "charter" | "doctor");
            assert_eq!(ran.out.contains(MARK), !marked, "{}: {}", ran.line, ran.out);
        }
    }
}

#[test]
fn crafted_words_are_lawful_and_reach_the_page() {
    let dice = Dice::new(0);
    for words in IMITATIONS {
        Line::new(words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
    }
    let played = hostile(Plan::declarations(), &dice).play();
    assert!(
        played
            .manifest
            .texts
            .iter()
            .all(|t| t.status == Status::Authentic && (t.dir == Direction::Rtl) == (t.lang.as_str() == "ar"))
    );
    let acts = played.logged.iter().flat_map(|(_, l)| &l.objects).count();
    assert!(acts > ActKind::ALL.len() && played.zip.len() > 10_000);
}
