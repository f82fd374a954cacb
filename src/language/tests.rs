//! Catalogues are whole: what the sources say is translated, with the same facts, and nothing else is. `MESSAGES=write cargo test --lib
//! language` brings the catalogues' English up to date; what is new in them stands without translation, for somebody to write.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::BufWriter,
    path::{Path, PathBuf},
};

use polib::{catalog::Catalog, message::MessageView, po_file};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::*;
use crate::{domain::refusal::Refusal, msg};

/// The languages that are translated into, with their plural rule as gettext writes it.
const TRANSLATED: [(Language, usize, &str); 3] = [
    (Language::Arabic, 6, "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5"),
    (Language::French, 2, "n > 1"),
    (Language::Russian, 3, "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2"),
];

/// What is said somewhere in the sources: its form for one thing, that for many if it counts, and the file.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug, Clone)]
struct Said {
    context: Option<String>,
    english: String,
    many: Option<String>,
    file: String,
}

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
        } else if name.ends_with(".rs") && !["tests.rs", "contract.rs", "samples.rs"].contains(&name.as_str()) {
            files.push(path);
        }
    }
}

/// What `msg!` says in these tokens, and the table of refusals.
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
            TokenTree::Ident(name) if is_call(tokens, at) && (name == "msg" || name == "refusals") => {
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

/// The names of facts in a form.
fn facts(form: &str) -> BTreeSet<&str> {
    form.split('{').skip(1).map(|after| after.split_once('}').map_or(after, |(name, _)| name)).collect()
}

fn path(language: Language) -> PathBuf {
    root().join(format!("src/language/{}.po", language.tag()))
}

#[expect(clippy::disallowed_methods, reason = "a variable says whether to write")]
#[test]
fn what_is_said_is_translated_with_its_facts_and_nothing_else_is() {
    let said = said();
    assert!(!said.is_empty(), "the sources were not read");
    let write = env::var("MESSAGES").is_ok_and(|v| v == "write");
    let mut wrong = Vec::new();
    for (language, forms, rule) in TRANSLATED {
        let path = path(language);
        let old = po_file::parse(&path).unwrap_or_else(|_| Catalog::new(polib::metadata::CatalogMetadata::new()));
        if write {
            update(&old, &said, language, forms, rule);
            continue;
        }
        let tag = language.tag();
        assert_eq!(old.metadata.plural_rules.expr, rule, "{tag}.po has another plural rule than Language::plural");
        assert_eq!(old.metadata.plural_rules.nplurals, forms);
        let context = |m: &dyn MessageView| m.msgctxt().filter(|c| !c.is_empty()).map(str::to_owned);
        let mut unused: BTreeSet<_> = old.messages().map(|m| (context(m), m.msgid().to_owned())).collect();
        for Said { context, english, many, file } in &said {
            unused.remove(&(context.clone(), english.clone()));
            let Some(found) = old.find_message(context.as_deref(), english, many.as_deref()) else {
                wrong.push(format!("{tag}: not there ({file}): {english}"));
                continue;
            };
            let translated = match found.msgstr_plural() {
                Ok(all) => all.clone(),
                Err(_) => vec![found.msgstr().unwrap().to_owned()],
            };
            let expected = if many.is_some() { forms } else { 1 };
            if translated.len() != expected || translated.iter().any(String::is_empty) || found.is_fuzzy() {
                wrong.push(format!("{tag}: not translated ({file}): {english}"));
                continue;
            }
            let wanted = facts(many.as_deref().unwrap_or(english));
            for form in &translated {
                let mut has = facts(form);
                if many.is_some() {
                    has.extend(wanted.get(crate::domain::message::COUNT));
                }
                if has != wanted {
                    wrong.push(format!("{tag}: names {has:?} and not {wanted:?} ({file}): {english}"));
                }
            }
        }
        wrong.extend(unused.iter().map(|(_, english)| format!("{tag}: nobody says: {english}")));
    }
    assert!(wrong.is_empty(), "{} faults in catalogues:\n{}", wrong.len(), wrong.join("\n"));
}

/// Writes the catalogue with just these messages, in their order, with the translations that it had.
fn update(old: &Catalog, said: &[Said], language: Language, forms: usize, rule: &str) {
    let mut metadata = polib::metadata::CatalogMetadata::new();
    metadata.project_id_version = "communique".into();
    metadata.language = language.tag().into();
    metadata.mime_version = "1.0".into();
    metadata.content_type = "text/plain; charset=UTF-8".into();
    metadata.content_transfer_encoding = "8bit".into();
    metadata.plural_rules.nplurals = forms;
    metadata.plural_rules.expr = rule.into();
    let mut new = Catalog::new(metadata);
    for Said { context, english, many, file } in said {
        let found = old.find_message(context.as_deref(), english, many.as_deref());
        let mut builder = match many {
            Some(many) => {
                let mut builder = polib::message::Message::build_plural();
                let had = found.and_then(|m| m.msgstr_plural().ok().cloned());
                builder.with_msgid_plural(many.clone());
                builder.with_msgstr_plural(had.unwrap_or_else(|| vec![String::new(); forms]));
                builder
            }
            None => {
                let mut builder = polib::message::Message::build_singular();
                builder.with_msgstr(found.and_then(|m| m.msgstr().ok()).unwrap_or_default().to_owned());
                builder
            }
        };
        builder.with_msgid(english.clone()).with_source(file.clone());
        if let Some(context) = context {
            builder.with_msgctxt(context.clone());
        }
        if let Some(found) = found {
            builder.with_translator_comments(found.translator_comments().to_owned());
        }
        new.append_or_update(builder.done());
    }
    let file = fs::File::create(path(language)).unwrap();
    po_file::write(&new, &mut BufWriter::new(file)).unwrap();
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
