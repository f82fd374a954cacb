//! Languages by name.

use communique::{
    domain::{id::Lang, message::Message},
    msg,
};

/// The name of a language; of one that is not listed, its tag.
pub fn language(lang: &Lang) -> Message {
    let tag = lang.as_str();
    let primary = tag.split('-').next().unwrap_or_default();
    match (name(tag), name(primary)) {
        (Some(name), _) => name,
        (None, Some(name)) => msg!("{name} ({tag})", name, tag),
        (None, None) => msg!("the language {tag}", tag),
    }
}

fn name(tag: &str) -> Option<Message> {
    Some(match tag {
        "am" => msg!("language" => "Amharic"),
        "ar" => msg!("language" => "Arabic"),
        "az" => msg!("language" => "Azerbaijani"),
        "be" => msg!("language" => "Belarusian"),
        "bg" => msg!("language" => "Bulgarian"),
        "bm" => msg!("language" => "Bambara"),
        "bn" => msg!("language" => "Bengali"),
        "cs" => msg!("language" => "Czech"),
        "da" => msg!("language" => "Danish"),
        "de" => msg!("language" => "German"),
        "dyu" => msg!("language" => "Dyula"),
        "el" => msg!("language" => "Greek"),
        "en" => msg!("language" => "English"),
        "es" => msg!("language" => "Spanish"),
        "et" => msg!("language" => "Estonian"),
        "fa" => msg!("language" => "Persian"),
        "ff" => msg!("language" => "Fula"),
        "fi" => msg!("language" => "Finnish"),
        "fr" => msg!("language" => "French"),
        "ha" => msg!("language" => "Hausa"),
        "he" => msg!("language" => "Hebrew"),
        "hi" => msg!("language" => "Hindi"),
        "hr" => msg!("language" => "Croatian"),
        "hu" => msg!("language" => "Hungarian"),
        "hy" => msg!("language" => "Armenian"),
        "id" => msg!("language" => "Indonesian"),
        "it" => msg!("language" => "Italian"),
        "ja" => msg!("language" => "Japanese"),
        "ka" => msg!("language" => "Georgian"),
        "kk" => msg!("language" => "Kazakh"),
        "ko" => msg!("language" => "Korean"),
        "ky" => msg!("language" => "Kyrgyz"),
        "lt" => msg!("language" => "Lithuanian"),
        "lv" => msg!("language" => "Latvian"),
        "mn" => msg!("language" => "Mongolian"),
        "mos" => msg!("language" => "Mooré"),
        "ms" => msg!("language" => "Malay"),
        "nl" => msg!("language" => "Dutch"),
        "no" => msg!("language" => "Norwegian"),
        "pl" => msg!("language" => "Polish"),
        "pt" => msg!("language" => "Portuguese"),
        "ro" => msg!("language" => "Romanian"),
        "ru" => msg!("language" => "Russian"),
        "sk" => msg!("language" => "Slovak"),
        "sl" => msg!("language" => "Slovene"),
        "so" => msg!("language" => "Somali"),
        "sq" => msg!("language" => "Albanian"),
        "sr" => msg!("language" => "Serbian"),
        "sv" => msg!("language" => "Swedish"),
        "sw" => msg!("language" => "Swahili"),
        "tg" => msg!("language" => "Tajik"),
        "th" => msg!("language" => "Thai"),
        "tk" => msg!("language" => "Turkmen"),
        "tr" => msg!("language" => "Turkish"),
        "uk" => msg!("language" => "Ukrainian"),
        "ur" => msg!("language" => "Urdu"),
        "uz" => msg!("language" => "Uzbek"),
        "vi" => msg!("language" => "Vietnamese"),
        "zh" => msg!("language" => "Chinese"),
        "zh-Hant" => msg!("language" => "Traditional Chinese"),
        _ => return None,
    })
}

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
            assert_eq!(language(&tag.parse().unwrap()).to_string(), name);
        }
    }
}
