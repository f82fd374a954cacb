//! How catalogues are kept whole, for the tests of all of them: what is said is translated, with its facts, and nothing else is. With
//! `MESSAGES=write` in the environment they are brought up to date instead; what is new then stands without translation, for somebody
//! to write.

use std::{collections::BTreeSet, env, fs, io::BufWriter, path::Path};

use polib::{catalog::Catalog, message::MessageView, metadata::CatalogMetadata, po_file};

/// The number that decides between the forms of what is counted.
const COUNT: &str = "n";

/// The languages that are translated into, with their plural rule as gettext writes it.
pub const TRANSLATED: [(&str, usize, &str); 3] = [
    ("ar", 6, "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5"),
    ("fr", 2, "n > 1"),
    ("ru", 3, "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2"),
];

/// What is said somewhere in the sources: its form for one thing, that for many if it counts, and the file.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug, Clone)]
pub struct Said {
    pub context: Option<String>,
    pub english: String,
    pub many: Option<String>,
    pub file: String,
}

/// Demands that the catalogues in this folder have just what is said, or brings them up to date. `counts` if some of it is counted.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment what to do")]
pub fn keep(folder: &Path, said: &[Said], counts: bool) {
    let write = env::var("MESSAGES").is_ok_and(|v| v == "write");
    let mut wrong = Vec::new();
    for (tag, forms, rule) in TRANSLATED {
        let path = folder.join(format!("{tag}.po"));
        let old = po_file::parse(&path).unwrap_or_else(|_| Catalog::new(CatalogMetadata::new()));
        if write {
            update(&old, said, &path, tag, forms, rule);
            continue;
        }
        if counts {
            assert_eq!(old.metadata.plural_rules.expr, rule, "{tag}.po has another plural rule than Language::plural");
            assert_eq!(old.metadata.plural_rules.nplurals, forms);
        }
        faults(&old, said, tag, forms, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} faults in catalogues:\n{}", wrong.len(), wrong.join("\n"));
}

fn faults(catalogue: &Catalog, said: &[Said], tag: &str, forms: usize, wrong: &mut Vec<String>) {
    let context = |m: &dyn MessageView| m.msgctxt().filter(|c| !c.is_empty()).map(str::to_owned);
    let mut unused: BTreeSet<_> = catalogue.messages().map(|m| (context(m), m.msgid().to_owned())).collect();
    for Said { context, english, many, file } in said {
        unused.remove(&(context.clone(), english.clone()));
        let Some(found) = catalogue.find_message(context.as_deref(), english, many.as_deref()) else {
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
                has.extend(wanted.get(COUNT));
            }
            if has != wanted {
                wrong.push(format!("{tag}: names {has:?} and not {wanted:?} ({file}): {english}"));
            }
        }
    }
    wrong.extend(unused.iter().map(|(_, english)| format!("{tag}: nobody says: {english}")));
}

/// The names of facts in a form.
fn facts(form: &str) -> BTreeSet<&str> {
    form.split('{').skip(1).map(|after| after.split_once('}').map_or(after, |(name, _)| name)).collect()
}

/// Writes the catalogue with just these messages, in their order, with the translations that it had.
fn update(old: &Catalog, said: &[Said], path: &Path, tag: &str, forms: usize, rule: &str) {
    let mut metadata = CatalogMetadata::new();
    metadata.project_id_version = "communique".into();
    metadata.language = tag.into();
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
    let file = fs::File::create(path).unwrap();
    po_file::write(&new, &mut BufWriter::new(file)).unwrap();
}
