//! A catalogue of translations: a file of gettext, read once.

use std::collections::HashMap;

use polib::message::MessageView;

/// The translations of one language, by the English sentence, and what it is said among.
#[derive(Debug, Default)]
pub struct Catalogue(HashMap<(Option<String>, String), Vec<String>>);

impl Catalogue {
    /// Reads a catalogue of the program's own. What does not parse holds nothing, which no test lets pass.
    #[must_use]
    pub fn read(po: &str) -> Self {
        // The parser cannot begin with an empty comment, as some editors leave it there.
        let po = po.trim_start_matches("#\n");
        let Ok(catalogue) = polib::po_file::parse_from_reader(po.as_bytes()) else { return Self::default() };
        let translated = catalogue.messages().filter(|m| m.is_translated() && !m.is_fuzzy()).map(|m| {
            let forms = match m.msgstr_plural() {
                Ok(forms) => forms.clone(),
                Err(_) => m.msgstr().map(|form| vec![form.to_owned()]).unwrap_or_default(),
            };
            ((context(m), m.msgid().to_owned()), forms)
        });
        Self(translated.collect())
    }
    /// A message in the form with this number, or in its only one.
    #[must_use]
    pub fn form(&self, context: Option<&str>, english: &str, plural: Option<usize>) -> Option<&str> {
        self.0
            .get(&(context.map(str::to_owned), english.to_owned()))?
            .get(plural.unwrap_or_default())
            .map(String::as_str)
    }
    /// Every message with its forms.
    pub fn messages(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|((_, english), forms)| (english.as_str(), forms.as_slice()))
    }
}

/// What a message is said among, if that is told.
fn context(message: &dyn MessageView) -> Option<String> {
    message.msgctxt().filter(|context| !context.is_empty()).map(str::to_owned)
}
