//! `.odt`: `OpenDocument` Text (ISO/IEC 26300, OpenDocument 1.3 part 3).

use std::collections::BTreeSet;

use super::{
    ImportFault, Loss,
    container::Container,
    page::{Look, Page, Style, Styles},
    xml::{Element, Markup, Space, Step},
};
use crate::msg;

pub(super) const MIMETYPE: &str = "mimetype";
const TYPE: &str = "application/vnd.oasis.opendocument.text";
const MANIFEST: &str = "META-INF/manifest.xml";
const CONTENT: &str = "content.xml";
const STYLES: &str = "styles.xml";
/// Most spaces that one element stands for; more are layout.
const SPACES_LIMIT: usize = 64;

pub(super) fn read(container: &mut Container<'_>) -> Result<Page, ImportFault> {
    let kind = container.read(MIMETYPE)?;
    if kind.trim() != TYPE && kind.trim() != format!("{TYPE}-template") {
        return Err(ImportFault::Other(msg!(
            "it is another kind of OpenDocument than a text; save it as .odt or .docx"
        )));
    }
    let program = |name: &&str| name.starts_with("Basic/") || name.starts_with("Scripts/");
    // A folder's own entry holds nothing.
    if let Some(name) = container.names().filter(|name| !name.ends_with('/')).find(program) {
        return Err(ImportFault::Programs(name.to_owned()));
    }
    if container.has(MANIFEST) {
        refuse_encryption(&container.read(MANIFEST)?)?;
    }
    if !container.has(CONTENT) {
        return Err(ImportFault::Damaged(Some(CONTENT.into()), msg!("it is not there")));
    }
    let mut sheet = Sheet::default();
    let mut page = Page::default();
    if container.has(STYLES) {
        let text = container.read(STYLES)?;
        sheet.read(&mut Markup::new(STYLES, &text), &mut page)?;
    }
    let text = container.read(CONTENT)?;
    // Styles stand before what is dressed in them; reading them first keeps one loop for each.
    sheet.read(&mut Markup::new(CONTENT, &text), &mut Page::default())?;
    Body { markup: Markup::new(CONTENT, &text), sheet, page, dressed: Vec::new(), lists: 0 }.read()
}

fn refuse_encryption(text: &str) -> Result<(), ImportFault> {
    let mut markup = Markup::new(MANIFEST, text);
    loop {
        match markup.step()? {
            Step::Open(element) if element.name == "encryption-data" => return Err(ImportFault::Encrypted),
            Step::End => return Ok(()),
            Step::Open(_) | Step::Close(..) | Step::Words(_) => {}
        }
    }
}

#[derive(Default)]
struct Sheet {
    styles: Styles,
    /// Levels of headings that are numbered by the word processor.
    numbered_levels: BTreeSet<String>,
}

impl Sheet {
    fn read(&mut self, markup: &mut Markup<'_>, page: &mut Page) -> Result<(), ImportFault> {
        loop {
            match markup.step()? {
                Step::Open(element) if element.is(Space::Style, "style") => {
                    let name = element.attribute(Space::Style, "name").unwrap_or_default().to_owned();
                    let family = element.attribute(Space::Style, "family").unwrap_or_default().to_owned();
                    let parent = element.attribute(Space::Style, "parent-style-name").map(|p| key(&family, p));
                    let look = look_of(markup)?;
                    self.styles.add(&key(&family, &name), Style { parent, look, numbered: None })?;
                }
                Step::Open(element) if element.is(Space::Style, "default-style") => {
                    let family = element.attribute(Space::Style, "family").unwrap_or_default().to_owned();
                    let look = look_of(markup)?;
                    self.styles.add(&key(&family, ""), Style { look, ..Style::default() })?;
                }
                Step::Open(element) if element.is(Space::Text, "outline-level-style") => {
                    let numbered = element.attribute(Space::Style, "num-format").is_some_and(|f| !f.is_empty());
                    if let Some(level) = element.attribute(Space::Text, "level")
                        && numbered
                        && self.numbered_levels.len() < super::DEPTH_LIMIT
                    {
                        self.numbered_levels.insert(level.to_owned());
                    }
                }
                Step::Open(element)
                    if element.space == Space::Style
                        && (element.name.starts_with("header") || element.name.starts_with("footer"))
                        && !element.name.ends_with("-style") =>
                {
                    let words = markup.words()?;
                    if !words.trim().is_empty() {
                        page.drop(Loss::HeadersFooters);
                    }
                }
                Step::End => return Ok(()),
                Step::Open(_) | Step::Close(..) | Step::Words(_) => {}
            }
        }
    }

    fn look(&self, family: &str, name: Option<&str>) -> Look {
        self.styles.whole(name.map(|name| key(family, name)).as_deref()).look
    }
}

fn key(family: &str, name: &str) -> String {
    format!("{family} {name}")
}

/// Reads a style, which was opened last, to its end.
fn look_of(markup: &mut Markup<'_>) -> Result<Look, ImportFault> {
    let mut look = Look::default();
    markup.inside(|_, element| {
        if !element.is(Space::Style, "text-properties") {
            return Ok(());
        }
        let says = |space, name| element.attribute(space, name);
        look.hidden = says(Space::Text, "display").map(|value| value != "true");
        look.struck = says(Space::Style, "text-line-through-style")
            .or(says(Space::Style, "text-line-through-type"))
            .map(|value| value != "none");
        look.raised = says(Space::Style, "text-position").map(|value| !value.starts_with("0%"));
        look.capitals = match (says(Space::Fo, "text-transform"), says(Space::Fo, "font-variant")) {
            (None, None) => None,
            (transform, variant) => Some(
                transform.is_some_and(|value| value == "uppercase" || value == "capitalize")
                    || variant == Some("small-caps"),
            ),
        };
        Ok(())
    })?;
    Ok(look)
}

struct Body<'a> {
    markup: Markup<'a>,
    sheet: Sheet,
    page: Page,
    /// The open paragraph and the spans in it, with how their words look.
    dressed: Vec<Look>,
    /// How many list items are open that no paragraph has stood in yet.
    lists: usize,
}

impl Body<'_> {
    fn read(mut self) -> Result<Page, ImportFault> {
        let mut numbered = false;
        loop {
            match self.markup.step()? {
                Step::Open(element) if element.space == Space::Text => match element.name.as_str() {
                    "p" | "h" => {
                        if !self.dressed.is_empty() {
                            return Err(self.markup.damaged(msg!("a paragraph inside a paragraph")));
                        }
                        let default = self.sheet.look("paragraph", Some(""));
                        let own = self.sheet.look("paragraph", element.attribute(Space::Text, "style-name"));
                        self.dressed.push(own.over(default));
                        let level = element.attribute(Space::Text, "outline-level").unwrap_or_default();
                        numbered = self.lists > 0
                            || element.name == "h"
                                && self.sheet.numbered_levels.contains(level)
                                && element.attribute(Space::Text, "is-list-header") != Some("true");
                        self.lists = 0;
                    }
                    name => self.text(name, &element)?,
                },
                Step::Open(element) => self.other(&element)?,
                Step::Close(Space::Text, name) => match name.as_str() {
                    "p" | "h" => {
                        self.dressed.clear();
                        self.page.end_paragraph(numbered);
                    }
                    "span" | "a" => {
                        self.dressed.pop();
                    }
                    "list-item" => self.lists = 0,
                    _ => {}
                },
                Step::Close(..) => {}
                Step::Words(words) => self.write(&words)?,
                Step::End => return Ok(self.page),
            }
        }
    }

    /// Words as they stand in the markup: white space is one space, and none at the start of a paragraph (section 6.1.2).
    fn write(&mut self, words: &str) -> Result<(), ImportFault> {
        let Some(look) = self.dressed.last().copied() else { return Ok(()) };
        let mut after_space = self.page.open().is_empty() || self.page.open().ends_with([' ', '\n']);
        let mut written = String::with_capacity(words.len());
        for c in words.chars() {
            let space = matches!(c, ' ' | '\t' | '\n' | '\r');
            if !(space && after_space) {
                written.push(if space { ' ' } else { c });
            }
            after_space = space;
        }
        self.page.write(&written, look)
    }

    fn exactly(&mut self, words: &str) -> Result<(), ImportFault> {
        match self.dressed.last().copied() {
            Some(look) => self.page.write(words, look),
            None => Ok(()),
        }
    }

    /// An element of the text vocabulary that is no paragraph.
    fn text(&mut self, name: &str, element: &Element) -> Result<(), ImportFault> {
        let loss = match name {
            "span" | "a" => {
                if name == "a" {
                    self.page.drop(Loss::Links);
                }
                let around = self.dressed.last().copied().unwrap_or_default();
                let own = self.sheet.look("text", element.attribute(Space::Text, "style-name"));
                self.dressed.push(own.over(around));
                return Ok(());
            }
            "s" => {
                let count = element.attribute(Space::Text, "c").and_then(|c| c.parse().ok()).unwrap_or(1);
                return self.exactly(&" ".repeat(count.min(SPACES_LIMIT)));
            }
            "tab" => return self.exactly(" "),
            "line-break" => return self.exactly("\n"),
            "list-item" => {
                self.lists += 1;
                return Ok(());
            }
            "tracked-changes" => {
                let (mut insertions, mut deletions) = (0, 0);
                self.markup.skip_looking(|inner| {
                    insertions += usize::from(inner.is(Space::Text, "insertion"));
                    deletions += usize::from(inner.is(Space::Text, "deletion"));
                })?;
                self.page.drop_several(Loss::Insertions, insertions);
                self.page.drop_several(Loss::Deletions, deletions);
                return Ok(());
            }
            "section" => {
                if matches!(element.attribute(Space::Text, "display"), Some("none" | "condition")) {
                    self.page.drop(Loss::Hidden);
                    return self.markup.skip();
                }
                return Ok(());
            }
            "note" => match element.attribute(Space::Text, "note-class") {
                Some("endnote") => Loss::Endnotes,
                _ => Loss::Footnotes,
            },
            "hidden-text" | "hidden-paragraph" => Loss::Hidden,
            "ruby-text" => Loss::Readings,
            // Containers and marks. Words enter by paragraphs alone.
            "list"
            | "list-header"
            | "numbered-paragraph"
            | "soft-page-break"
            | "ruby"
            | "ruby-base"
            | "meta"
            | "meta-field"
            | "index-body"
            | "index-title"
            | "bookmark"
            | "bookmark-start"
            | "bookmark-end"
            | "reference-mark"
            | "reference-mark-start"
            | "reference-mark-end"
            | "change"
            | "change-start"
            | "change-end"
            | "number" => {
                // The number that a paragraph had when it was saved.
                return if name == "number" { self.markup.skip() } else { Ok(()) };
            }
            "table-of-content" | "alphabetical-index" | "illustration-index" | "table-index" | "object-index"
            | "user-index" | "bibliography" => {
                self.page.drop(Loss::Fields);
                return Ok(());
            }
            _ if name.ends_with("-source") || name.ends_with("-decls") || name.ends_with("-mark-start") => {
                return self.markup.skip();
            }
            _ if name.ends_with("-mark") || name.ends_with("-mark-end") => return self.markup.skip(),
            _ if self.dressed.is_empty() => Loss::Unknown,
            // Dates, page numbers, references and their like: what they showed last is inside.
            _ => {
                self.page.drop(Loss::Fields);
                return Ok(());
            }
        };
        self.page.drop(loss);
        self.markup.skip()
    }

    /// An element of another vocabulary.
    fn other(&mut self, element: &Element) -> Result<(), ImportFault> {
        let loss = match (element.space, element.name.as_str()) {
            (Space::Office, "document-content" | "body" | "text") => return Ok(()),
            (Space::Office, "annotation") => Loss::Comments,
            (Space::Office, "script") | (Space::Script, _) => {
                return Err(ImportFault::Programs(element.name.clone()));
            }
            // Empty in most documents; what is inside decides.
            (Space::Office, "scripts" | "event-listeners") => return Ok(()),
            (Space::Office, _) => return self.markup.skip(),
            (Space::Form, _) => return self.markup.skip(),
            (Space::Table, "table") => Loss::Tables,
            (Space::Draw, _) => {
                let mut boxed = false;
                self.markup.skip_looking(|inner| boxed |= inner.is(Space::Text, "p"))?;
                self.page.drop(if boxed { Loss::TextBoxes } else { Loss::Pictures });
                return Ok(());
            }
            // Tracked changes of tables, and the names of cells.
            (Space::Table, _) => return self.markup.skip(),
            _ => Loss::Unknown,
        };
        self.page.drop(loss);
        self.markup.skip()
    }
}
