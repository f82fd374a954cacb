//! What a document comes to while it is read: paragraphs, and counts of what is left behind.

use std::collections::{BTreeMap, HashMap};

use super::{Dropped, ImportFault, Loss, Measured, PARENTS_LIMIT, STYLES_LIMIT, WORDS_LIMIT};

/// How words look, as far as it changes what is read. `None`: as whatever stands around it says.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Look {
    pub(super) hidden: Option<bool>,
    pub(super) struck: Option<bool>,
    pub(super) raised: Option<bool>,
    pub(super) capitals: Option<bool>,
}

impl Look {
    /// This, and where it says nothing, the other.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            hidden: self.hidden.or(under.hidden),
            struck: self.struck.or(under.struck),
            raised: self.raised.or(under.raised),
            capitals: self.capitals.or(under.capitals),
        }
    }
}

/// A named style.
#[derive(Clone, Default, Debug)]
pub(super) struct Style {
    pub(super) parent: Option<String>,
    pub(super) look: Look,
    /// Whether its paragraphs are numbered by the word processor.
    pub(super) numbered: Option<bool>,
}

/// The styles of a document.
#[derive(Default)]
pub(super) struct Styles {
    named: HashMap<String, Style>,
}

impl Styles {
    pub(super) fn add(&mut self, name: &str, style: Style) -> Result<(), ImportFault> {
        if self.named.len() == STYLES_LIMIT {
            return Err(ImportFault::TooLarge { what: Measured::Styles, limit: STYLES_LIMIT as u64 });
        }
        self.named.insert(name.to_owned(), style);
        Ok(())
    }

    /// What a style says together with those that it stands upon.
    pub(super) fn whole(&self, name: Option<&str>) -> Style {
        let mut whole = Style::default();
        let mut next = name;
        for _ in 0..PARENTS_LIMIT {
            let Some(style) = next.and_then(|name| self.named.get(name)) else { break };
            whole.look = whole.look.over(style.look);
            whole.numbered = whole.numbered.or(style.numbered);
            next = style.parent.as_deref();
        }
        whole
    }
}

/// The text so far.
#[derive(Default)]
pub(super) struct Page {
    paragraphs: Vec<String>,
    open: String,
    /// The words that were written last looked like this.
    last: Look,
    size: usize,
    dropped: BTreeMap<Loss, usize>,
}

impl Page {
    pub(super) fn drop(&mut self, what: Loss) {
        self.drop_several(what, 1);
    }

    pub(super) fn drop_several(&mut self, what: Loss, count: usize) {
        if count > 0 {
            *self.dropped.entry(what).or_default() += count;
        }
    }

    /// Words of the open paragraph; what is hidden is left behind.
    pub(super) fn write(&mut self, words: &str, look: Look) -> Result<(), ImportFault> {
        if words.is_empty() {
            return Ok(());
        }
        let last = std::mem::replace(&mut self.last, look);
        let begins = |now: Option<bool>, before: Option<bool>| now == Some(true) && before != Some(true);
        if begins(look.hidden, last.hidden) {
            self.drop(Loss::Hidden);
        }
        if look.hidden == Some(true) {
            return Ok(());
        }
        for (now, before, what) in [
            (look.struck, last.struck, Loss::Struck),
            (look.raised, last.raised, Loss::Raised),
            (look.capitals, last.capitals, Loss::Capitals),
        ] {
            if begins(now, before) {
                self.drop(what);
            }
        }
        self.size += words.len();
        if self.size > WORDS_LIMIT {
            return Err(ImportFault::TooLarge { what: Measured::Text, limit: WORDS_LIMIT as u64 });
        }
        self.open.push_str(words);
        Ok(())
    }

    /// The words of the open paragraph.
    pub(super) fn open(&self) -> &str {
        &self.open
    }

    /// Ends the open paragraph; one that shows nothing was none.
    pub(super) fn end_paragraph(&mut self, numbered: bool) {
        self.last = Look::default();
        let words = std::mem::take(&mut self.open);
        if words.trim().is_empty() {
            return;
        }
        if numbered {
            self.drop(Loss::AutomaticNumbers);
        }
        self.paragraphs.push(words);
    }

    pub(super) fn done(mut self) -> (Vec<String>, Vec<Dropped>) {
        self.end_paragraph(false);
        let dropped = self.dropped.into_iter().map(|(what, count)| Dropped { what, count }).collect();
        (self.paragraphs, dropped)
    }
}
