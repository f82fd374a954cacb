//! No line begins with the words of others, in any language: a sentence begins with words of ours, or with a fact that is known to be ours or to be
//! quoted. What is known of a fact is known by its name.

use super::*;

/// Facts that are ours, or have a grammar that leaves no room for words: ids, digests, numbers, moments, sizes, words that are
/// translated by themselves.
const OURS: [&str; 31] = [
    "act",
    "acts",
    "address",
    "asked",
    "communique",
    "counts",
    "deed",
    "exchange",
    "fingerprint",
    "from",
    "grant",
    "holder",
    "id",
    "index",
    "kept",
    "log",
    "n",
    "newer",
    "observation",
    "parties",
    "party",
    "revision",
    "seconds",
    "size",
    "status",
    "step",
    "thumbprint",
    "time",
    "version",
    "what",
    "who",
];
/// Facts that stand in quotation marks wherever they are said.
const QUOTED: [&str; 7] = ["name", "names", "new", "old", "places", "titles", "value"];
/// Words of others, in sentences that stand behind a label: the program's name before what went wrong, the name of a field, a
/// level.
const LABELLED: [&str; 7] = ["adoption", "file", "folder", "jwk", "path", "sentence", "why"];
/// What prints a line that nothing stands before.
const LINES: [&str; 6] = ["heading", "item", "line", "paragraph", "say", "step"];

/// The fact that a form begins with.
fn first(form: &str) -> Option<&str> {
    form.trim_start().strip_prefix('{')?.split_once('}').map(|(name, _)| name)
}

/// Sentences that are said where a line begins.
fn lines(tokens: &[TokenTree], said: &mut Vec<String>) {
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let inside: Vec<_> = group.stream().into_iter().collect();
        let called = at.checked_sub(1).and_then(|at| tokens.get(at));
        if matches!(called, Some(TokenTree::Ident(name)) if LINES.contains(&name.to_string().as_str())) {
            let mut found = Vec::new();
            find(&inside, "", &mut found);
            said.extend(found.into_iter().flat_map(|s| [Some(s.english), s.many]).flatten());
        }
        lines(&inside, said);
    }
}

#[test]
fn no_sentence_of_the_tool_begins_with_words_of_others() {
    let ours = |name: &str| OURS.contains(&name) || QUOTED.contains(&name);
    for Said { english, many, file, .. } in said().iter().filter(|s| s.file.starts_with("src/bin/communique/")) {
        for form in [Some(english), many.as_ref()].into_iter().flatten() {
            let Some(name) = first(form) else { continue };
            assert!(ours(name) || LABELLED.contains(&name), "{file}: whose is {{{name}}}, in {form:?}");
        }
    }
    let mut files = Vec::new();
    sources(&root().join("src/bin/communique"), &mut files);
    let mut seen = 0;
    for path in files {
        let tokens: TokenStream = fs::read_to_string(&path).unwrap().parse().unwrap();
        let mut said = Vec::new();
        lines(&tokens.into_iter().collect::<Vec<_>>(), &mut said);
        seen += said.len();
        for (name, form) in said.iter().filter_map(|form| Some((first(form)?, form))) {
            assert!(ours(name), "{}: a line begins with {{{name}}}: {form:?}", path.display());
        }
    }
    assert!(seen > 100, "{seen} lines were found");
}

#[test]
fn no_translation_begins_with_words_of_others() {
    let ours = |name: &str| OURS.contains(&name) || QUOTED.contains(&name);
    for (tag, ..) in TRANSLATED {
        let path = root().join(format!("src/language/{tag}.po"));
        let Ok(catalogue) = polib::po_file::parse(&path) else { continue };
        for message in catalogue.messages() {
            let forms = match message.msgstr_plural() {
                Ok(forms) => forms.clone(),
                Err(_) => message.msgstr().map(|form| vec![form.to_owned()]).unwrap_or_default(),
            };
            let many = message.msgid_plural().ok().and_then(first);
            let english = first(message.msgid()).or(many);
            for form in &forms {
                let Some(name) = first(form) else { continue };
                assert!(
                    english == Some(name) || ours(name) && english.is_some(),
                    "{}: begins with {{{name}}}, and the English does not: {form:?}",
                    tag
                );
            }
        }
    }
}

#[test]
fn what_a_line_begins_with_is_seen() {
    let source = r#"fn a() { out.line(&msg!("{why}; a", why)); f(msg!("{path}", path)); out.item(1, &msg!("one" | "{n} b", n)); }"#;
    let tokens: TokenStream = source.parse().unwrap();
    let mut said = Vec::new();
    lines(&tokens.into_iter().collect::<Vec<_>>(), &mut said);
    assert_eq!(said, ["{why}; a", "one", "{n} b"]);
    assert_eq!(said.iter().filter_map(|form| first(form)).collect::<Vec<_>>(), ["why", "n"]);
}
