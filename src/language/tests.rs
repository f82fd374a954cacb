//! Catalogues are whole: what the sources say is translated, with the same facts, and nothing else is. `MESSAGES=write cargo test --lib
//! language` brings the catalogues' English up to date; what is new in them stands without translation, for somebody to write.

mod begins;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{
    upkeep::{Said, TRANSLATED, keep},
    *,
};
use crate::{domain::refusal::Refusal, msg};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every message of the sources, in the order of files and lines, each once.
fn said() -> Vec<Said> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.sort();
    let mut said: Vec<Said> = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        find(&tokens.into_iter().collect::<Vec<_>>(), &file, &mut said);
    }
    let mut seen = BTreeMap::<_, Option<String>>::new();
    said.retain(|s| match seen.insert((s.context.clone(), s.english.clone()), s.many.clone()) {
        None => true,
        Some(before) => {
            assert_eq!(before, s.many, "{}: said with two forms for many: {:?}", s.file, s.english);
            false
        }
    });
    said
}

/// The sources, but for those that hold tests alone.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, files);
            }
        } else if name.ends_with(".rs")
            && !["tests.rs", "contract.rs", "samples.rs", "upkeep.rs"].contains(&name.as_str())
        {
            files.push(path);
        }
    }
}

/// What `msg!` says in these tokens, and the tables of refusals and of a verifier's checks.
fn find(tokens: &[TokenTree], file: &str, said: &mut Vec<Said>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            // What only tests say need not be translated.
            TokenTree::Punct(p) if p.as_char() == '#' && is_cfg_test(tokens.get(at + 1)) => {
                while !matches!(tokens.get(at), None | Some(TokenTree::Group(_))) || is_attribute(tokens, at) {
                    at += 1;
                }
            }
            TokenTree::Ident(name)
                if is_call(tokens, at) && (name == "msg" || name == "refusals" || name == "checks") =>
            {
                let Some(TokenTree::Group(group)) = tokens.get(at + 2) else { unreachable!() };
                let inside: Vec<_> = group.stream().into_iter().collect();
                if name == "msg" {
                    if let Some(english) = inside.first().and_then(words) {
                        let file = file.to_owned();
                        said.push(match (inside.get(1), inside.get(2), inside.get(3)) {
                            (Some(TokenTree::Punct(bar)), Some(many), _) if bar.as_char() == '|' => {
                                Said { context: None, english, many: words(many), file }
                            }
                            (Some(TokenTree::Punct(arrow)), Some(_), Some(term)) if arrow.as_char() == '=' => {
                                Said { context: Some(english), english: words(term).unwrap(), many: None, file }
                            }
                            _ => Said { context: None, english, many: None, file },
                        });
                    }
                } else {
                    for pair in inside.windows(2) {
                        if let (Some(english), TokenTree::Punct(end)) = (words(&pair[0]), &pair[1])
                            && end.as_char() == ';'
                        {
                            said.push(Said { context: None, english, many: None, file: file.to_owned() });
                        }
                    }
                }
                find(&inside, file, said);
                at += 2;
            }
            TokenTree::Group(group) => find(&group.stream().into_iter().collect::<Vec<_>>(), file, said),
            _ => {}
        }
        at += 1;
    }
}

fn is_cfg_test(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Bracket
        && g.stream().to_string().replace(' ', "") == "cfg(test)")
}
/// Whether the group here is an attribute's, and not what it stands before.
fn is_attribute(tokens: &[TokenTree], at: usize) -> bool {
    at > 0 && matches!(&tokens[at - 1], TokenTree::Punct(p) if p.as_char() == '#')
}
fn is_call(tokens: &[TokenTree], at: usize) -> bool {
    matches!((tokens.get(at + 1), tokens.get(at + 2)),
        (Some(TokenTree::Punct(p)), Some(TokenTree::Group(_))) if p.as_char() == '!')
}
/// What a string literal says.
fn words(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    let written = literal.to_string();
    let inside = written.strip_prefix('"')?.strip_suffix('"')?;
    let mut words = String::new();
    let mut letters = inside.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            words.push(letter);
            continue;
        }
        match letters.next()? {
            'n' => words.push('\n'),
            't' => words.push('\t'),
            '\n' => while letters.next_if(|c| c.is_whitespace()).is_some() {},
            'u' => {
                let code: String = letters.by_ref().skip(1).take_while(|c| *c != '}').collect();
                words.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
            }
            other => words.push(other),
        }
    }
    Some(words)
}

#[test]
fn what_is_said_is_translated_with_its_facts_and_nothing_else_is() {
    let said = said();
    assert!(!said.is_empty(), "the sources were not read");
    keep(&root().join("src/language"), &said, true);
}

#[test]
fn what_is_said_is_found_in_the_sources() {
    let source = r#"
        fn a() { vec![msg!("one {a}", a), f(&msg!("one" | "{n} many", n = 3))]; }
        refusals! { /// Why.
            A { b: String } = Invalid "A" "no {b}; try
                \u{201c}again\u{201d}"; }
        #[cfg(test)]
        mod tests { fn b() { msg!("never") } }
        fn c() { crate::msg!("last\n\
            of all") }
    "#;
    let tokens: TokenStream = source.parse().unwrap();
    let mut found = Vec::new();
    find(&tokens.into_iter().collect::<Vec<_>>(), "x", &mut found);
    let found: Vec<_> = found.iter().map(|s| (s.english.as_str(), s.many.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("one {a}", None),
            ("one", Some("{n} many")),
            ("no {b}; try\n                “again”", None),
            ("last\nof all", None)
        ]
    );
    let all: BTreeSet<_> = said().into_iter().map(|s| s.english).collect();
    assert!(Refusal::TABLE.len() > 30 && all.contains("the deadline was {deadline}; it can no longer be signed"));
}

#[test]
fn numbers_choose_their_form() {
    let forms = |language: Language, of: &[u64]| of.iter().map(|n| language.plural(*n)).collect::<Vec<_>>();
    assert_eq!(forms(Language::English, &[0, 1, 2]), [1, 0, 1]);
    assert_eq!(forms(Language::French, &[0, 1, 2]), [0, 0, 1]);
    assert_eq!(
        forms(Language::Russian, &[0, 1, 2, 4, 5, 11, 12, 14, 21, 22, 25, 101, 111, 112]),
        [2, 0, 1, 1, 2, 2, 2, 2, 0, 1, 2, 0, 2, 2]
    );
    assert_eq!(
        forms(Language::Arabic, &[0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 103, 111, 200]),
        [0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 3, 4, 5]
    );
}

#[test]
fn each_language_writes_numbers_moments_and_lists_in_its_way() {
    let time = Time::parse("2026-11-01T09:05:00Z").unwrap();
    for (language, number, moment, list) in [
        (Language::Arabic, "1,048,576", "1 تشرين الثاني/نوفمبر 2026، 09:05:00 UTC", "a وb وc"),
        (Language::English, "1,048,576", "1 November 2026, 09:05:00 UTC", "a, b and c"),
        (Language::French, "1\u{202f}048\u{202f}576", "1er novembre 2026, 09:05:00 UTC", "a, b et c"),
        (Language::Russian, "1\u{a0}048\u{a0}576", "1 ноября 2026\u{a0}г., 09:05:00 UTC", "a, b и c"),
    ] {
        assert_eq!(language.number(1 << 20), number);
        assert_eq!(language.number(9999), "9999");
        assert_eq!(language.moment(time), moment);
        assert_eq!(language.list(&["a", "b", "c"].map(String::from)), list);
        assert_eq!(language.list(&["a".into()]), "a");
        assert_eq!(Language::of_tag(language.tag()), Some(language));
    }
}

#[test]
fn the_language_that_is_liked_best_is_taken() {
    for (header, expected) in [
        ("fr", Some(Language::French)),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Some(Language::French)),
        ("de, en;q=0.5, ru;q=0.7", Some(Language::Russian)),
        ("ar-EG;q=0.3,en;q=0", Some(Language::Arabic)),
        ("en;q=0", None),
        ("en;q=2", None),
        ("de, *", None),
        ("", None),
        ("FR", Some(Language::French)),
    ] {
        assert_eq!(Language::accepted(header), expected, "{header}");
    }
    assert_eq!(Language::of_tag("ru_RU.UTF-8"), Some(Language::Russian));
    assert_eq!(Language::of_tag("C"), None);
}

#[test]
fn what_is_not_translated_is_said_in_english() {
    let path = "a";
    assert_eq!(Language::French.say(&msg!("only this test says {path}", path)), "only this test says a");
    assert_eq!(Language::Arabic.say(&Message::words("a")), "a");
}
