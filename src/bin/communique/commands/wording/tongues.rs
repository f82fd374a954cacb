//! Languages by name.

use communique::domain::id::Lang;

/// The name of a language; of one that is not listed, its tag.
pub fn language(lang: &Lang) -> String {
    let tag = lang.as_str();
    let whole = NAMES.iter().find(|(known, _)| *known == tag);
    let first = || NAMES.iter().find(|(known, _)| Some(*known) == tag.split('-').next());
    match (whole, first()) {
        (Some((_, name)), _) => (*name).to_owned(),
        (None, Some((_, name))) => format!("{name} ({tag})"),
        (None, None) => format!("the language {tag}"),
    }
}

#[rustfmt::skip]
const NAMES: [(&str, &str); 60] = [
    ("am", "Amharic"), ("ar", "Arabic"), ("az", "Azerbaijani"), ("be", "Belarusian"), ("bg", "Bulgarian"), ("bm", "Bambara"),
    ("bn", "Bengali"), ("cs", "Czech"), ("da", "Danish"), ("de", "German"), ("dyu", "Dyula"), ("el", "Greek"),
    ("en", "English"), ("es", "Spanish"), ("et", "Estonian"), ("fa", "Persian"), ("ff", "Fula"), ("fi", "Finnish"),
    ("fr", "French"), ("ha", "Hausa"), ("he", "Hebrew"), ("hi", "Hindi"), ("hr", "Croatian"), ("hu", "Hungarian"),
    ("hy", "Armenian"), ("id", "Indonesian"), ("it", "Italian"), ("ja", "Japanese"), ("ka", "Georgian"), ("kk", "Kazakh"),
    ("ko", "Korean"), ("ky", "Kyrgyz"), ("lt", "Lithuanian"), ("lv", "Latvian"), ("mn", "Mongolian"), ("mos", "Mooré"),
    ("ms", "Malay"), ("nl", "Dutch"), ("no", "Norwegian"), ("pl", "Polish"), ("pt", "Portuguese"), ("ro", "Romanian"),
    ("ru", "Russian"), ("sk", "Slovak"), ("sl", "Slovene"), ("so", "Somali"), ("sq", "Albanian"), ("sr", "Serbian"),
    ("sv", "Swedish"), ("sw", "Swahili"), ("tg", "Tajik"), ("th", "Thai"), ("tk", "Turkmen"), ("tr", "Turkish"),
    ("uk", "Ukrainian"), ("ur", "Urdu"), ("uz", "Uzbek"), ("vi", "Vietnamese"), ("zh", "Chinese"),
    ("zh-Hant", "Traditional Chinese"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_names() {
        for (tag, name) in [
            ("ru", "Russian"),
            ("zh-Hant", "Traditional Chinese"),
            ("pt-BR", "Portuguese (pt-BR)"),
            ("tpi", "the language tpi"),
        ] {
            assert_eq!(language(&tag.parse().unwrap()), name);
        }
        assert!(NAMES.is_sorted_by_key(|(tag, _)| *tag), "found at a glance");
    }
}
