//! `.docx`: WordprocessingML (ECMA-376 part 1, section 17).

use super::{
    ImportFault, Loss,
    container::Container,
    page::{Look, Page, Style, Styles},
    xml::{Element, Markup, Space, Step},
};
use crate::msg;

pub(super) const CONTENT_TYPES: &str = "[Content_Types].xml";
const RELATIONSHIPS: &str = "_rels/.rels";
/// How much of what a file calls something is said of it, in characters.
const SAID: usize = 100;
const MAIN: &str = "word/document.xml";
/// Stands for the look that a document gives to everything, in the list of styles; no style id begins with a space.
const DEFAULTS: &str = " defaults";

pub(super) fn read(container: &mut Container<'_>) -> Result<Page, ImportFault> {
    refuse_programs(container)?;
    let main = target(container, RELATIONSHIPS, "", "/officeDocument")?.unwrap_or_else(|| MAIN.to_owned());
    if !container.has(&main) {
        return Err(ImportFault::Other(msg!(
            "it has no text part, as a spreadsheet has none; import a .docx or an .odt"
        )));
    }
    let (folder, file) = main.rsplit_once('/').unwrap_or(("", &main));
    let beside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let listed = target(container, &beside(&format!("_rels/{file}.rels")), folder, "/styles")?;
    let styles = listed.unwrap_or_else(|| beside("styles.xml"));
    let styles =
        if container.has(&styles) { read_styles(&styles, &container.read(&styles)?)? } else { Sheet::default() };
    let text = container.read(&main)?;
    Body { markup: Markup::new(&main, &text), styles, page: Page::default(), fields: Vec::new(), choices: Vec::new() }
        .read()
}

/// Macros, their settings, and controls that run on opening.
fn refuse_programs(container: &mut Container<'_>) -> Result<(), ImportFault> {
    let program = |name: &&str| {
        let name = name.to_ascii_lowercase();
        name.ends_with("vbaproject.bin") || name.ends_with("vbadata.xml") || name.contains("/activex/")
    };
    if let Some(name) = container.names().find(program) {
        return Err(ImportFault::Programs(name.chars().take(SAID).collect()));
    }
    let text = container.read(CONTENT_TYPES)?;
    let mut markup = Markup::new(CONTENT_TYPES, &text);
    loop {
        match markup.step()? {
            Step::Open(element) => {
                let kind = element.attribute(Space::None, "ContentType").unwrap_or_default().to_ascii_lowercase();
                if kind.contains("macroenabled") || kind.contains("vbaproject") || kind.contains("activex") {
                    return Err(ImportFault::Programs(kind.chars().take(SAID).collect()));
                }
            }
            Step::End => return Ok(()),
            Step::Close(..) | Step::Words(_) => {}
        }
    }
}

/// The part that a list of relationships names for a purpose, by the end of the relationship's type.
fn target(container: &mut Container<'_>, list: &str, folder: &str, kind: &str) -> Result<Option<String>, ImportFault> {
    if !container.has(list) {
        return Ok(None);
    }
    let text = container.read(list)?;
    let mut markup = Markup::new(list, &text);
    loop {
        match markup.step()? {
            Step::Open(element) if element.is(Space::Package, "Relationship") => {
                let purpose = element.attribute(Space::None, "Type").unwrap_or_default();
                let external = element.attribute(Space::None, "TargetMode") == Some("External");
                if let Some(target) = element.attribute(Space::None, "Target")
                    && purpose.ends_with(kind)
                    && !external
                {
                    return Ok(Some(match target.strip_prefix('/') {
                        Some(absolute) => absolute.to_owned(),
                        None if folder.is_empty() => target.to_owned(),
                        None => format!("{folder}/{target}"),
                    }));
                }
            }
            Step::End => return Ok(None),
            Step::Open(_) | Step::Close(..) | Step::Words(_) => {}
        }
    }
}

#[derive(Default)]
struct Sheet {
    styles: Styles,
    /// What paragraphs without a style of their own have.
    paragraph: Option<String>,
}

fn read_styles(part: &str, text: &str) -> Result<Sheet, ImportFault> {
    let mut sheet = Sheet::default();
    let mut markup = Markup::new(part, text);
    loop {
        match markup.step()? {
            Step::Open(element) if element.is(Space::Word, "rPrDefault") => {
                let mut look = Look::default();
                markup.inside(|markup, inner| {
                    if inner.is(Space::Word, "rPr") {
                        look = run_properties(markup)?.look;
                    }
                    Ok(())
                })?;
                sheet.styles.add(DEFAULTS, Style { look, ..Style::default() })?;
            }
            Step::Open(element) if element.is(Space::Word, "style") => {
                let Some(id) = element.attribute(Space::Word, "styleId").map(str::to_owned) else {
                    markup.skip()?;
                    continue;
                };
                let is_default = element.attribute(Space::Word, "default").is_some_and(yes);
                if is_default && element.attribute(Space::Word, "type") == Some("paragraph") {
                    sheet.paragraph = Some(id.clone());
                }
                let mut style = Style::default();
                markup.inside(|markup, inner| {
                    if inner.space != Space::Word {
                        return Ok(());
                    }
                    match inner.name.as_str() {
                        "basedOn" => style.parent = value(&inner).map(str::to_owned),
                        "rPr" => style.look = run_properties(markup)?.look,
                        "pPr" => style.numbered = paragraph_properties(markup, None)?.numbered,
                        // What a table style says of its rows is not for what stands outside of tables.
                        "tblStylePr" => markup.skip()?,
                        _ => {}
                    }
                    Ok(())
                })?;
                sheet.styles.add(&id, style)?;
            }
            Step::End => return Ok(sheet),
            Step::Open(_) | Step::Close(..) | Step::Words(_) => {}
        }
    }
}

fn value(element: &Element) -> Option<&str> {
    element.attribute(Space::Word, "val")
}

/// ST_OnOff.
fn yes(value: &str) -> bool {
    !matches!(value, "0" | "false" | "off" | "none")
}

/// Whether a property that is on by being there is on.
fn on(element: &Element) -> Option<bool> {
    Some(value(element).is_none_or(yes))
}

#[derive(Default)]
struct RunProperties {
    look: Look,
    style: Option<String>,
    /// Of a paragraph's mark: whether somebody proposes it, proposes to delete it, or to move it away.
    inserted: bool,
    deleted: bool,
    moved: bool,
}

/// Reads `rPr`, which was opened last, to its end.
fn run_properties(markup: &mut Markup<'_>) -> Result<RunProperties, ImportFault> {
    let mut properties = RunProperties::default();
    markup.inside(|markup, element| {
        if element.space != Space::Word {
            return Ok(());
        }
        let look = &mut properties.look;
        match element.name.as_str() {
            "rStyle" => properties.style = value(&element).map(str::to_owned),
            "vanish" => look.hidden = on(&element),
            "strike" | "dstrike" => look.struck = Some(look.struck == Some(true) || on(&element) == Some(true)),
            "caps" | "smallCaps" => look.capitals = Some(look.capitals == Some(true) || on(&element) == Some(true)),
            "vertAlign" => look.raised = value(&element).map(|value| value != "baseline"),
            "ins" => properties.inserted = true,
            "del" => properties.deleted = true,
            "moveFrom" => properties.moved = true,
            // How it was before somebody changed the formatting.
            "rPrChange" => markup.skip()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(properties)
}

#[derive(Default)]
struct ParagraphProperties {
    style: Option<String>,
    numbered: Option<bool>,
    mark: RunProperties,
}

/// Reads `pPr`, which was opened last, to its end; counts the headers and footers of a section that ends there.
fn paragraph_properties(
    markup: &mut Markup<'_>,
    mut page: Option<&mut Page>,
) -> Result<ParagraphProperties, ImportFault> {
    let mut properties = ParagraphProperties::default();
    markup.inside(|markup, element| {
        if element.space != Space::Word {
            return Ok(());
        }
        match element.name.as_str() {
            "pStyle" => properties.style = value(&element).map(str::to_owned),
            "numId" => properties.numbered = Some(value(&element) != Some("0")),
            "rPr" => properties.mark = run_properties(markup)?,
            "pPrChange" => markup.skip()?,
            "headerReference" | "footerReference" => {
                if let Some(page) = page.as_deref_mut() {
                    page.drop(Loss::HeadersFooters);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(properties)
}

struct Field {
    /// Between its beginning and its separator, where its code stands.
    in_code: bool,
    code: String,
}

struct Body<'a> {
    markup: Markup<'a>,
    styles: Sheet,
    page: Page,
    /// Fields that are open; they may span paragraphs.
    fields: Vec<Field>,
    /// For each open set of alternatives, whether one was taken.
    choices: Vec<bool>,
}

impl Body<'_> {
    fn read(mut self) -> Result<Page, ImportFault> {
        // Of the open paragraph and run.
        let mut paragraph: Option<ParagraphProperties> = None;
        let mut base = Style::default();
        let mut run = None;
        loop {
            match self.markup.step()? {
                Step::Open(element) => match (element.space, element.name.as_str()) {
                    (Space::Word, "p") => {
                        if paragraph.is_some() {
                            return Err(self.markup.damaged(msg!("a paragraph inside a paragraph")));
                        }
                        base = self.base(None);
                        paragraph = Some(ParagraphProperties::default());
                    }
                    (Space::Word, "pPr") => {
                        let properties = paragraph_properties(&mut self.markup, Some(&mut self.page))?;
                        base = self.base(properties.style.as_deref());
                        paragraph = Some(properties);
                    }
                    (Space::Word, "r") => run = Some(base.look),
                    (Space::Word, "rPr") => {
                        let properties = run_properties(&mut self.markup)?;
                        let named = self.styles.styles.whole(properties.style.as_deref()).look;
                        run = Some(properties.look.over(named).over(base.look));
                    }
                    (Space::Word, name) => self.word(name, &element, run.filter(|_| paragraph.is_some()))?,
                    (Space::Compatibility, "AlternateContent") => self.choices.push(false),
                    (Space::Compatibility, "Choice") => match self.choices.last_mut() {
                        Some(taken) if !*taken => *taken = true,
                        _ => self.markup.skip()?,
                    },
                    // What older programs show in place of the choice that was taken.
                    (Space::Compatibility, _) => self.markup.skip()?,
                    (Space::Math, _) => {
                        self.page.drop(Loss::Formulas);
                        self.markup.skip()?;
                    }
                    _ => {
                        self.page.drop(Loss::Unknown);
                        self.markup.skip()?;
                    }
                },
                Step::Close(Space::Word, name) if name == "p" => {
                    let properties = paragraph.take().unwrap_or_default();
                    let mark = &properties.mark;
                    if mark.inserted {
                        self.page.drop(Loss::Insertions);
                    }
                    if mark.deleted {
                        self.page.drop(Loss::Deletions);
                    }
                    // A mark that is deleted or moved away joins its paragraph to the next.
                    if !(mark.deleted || mark.moved) {
                        let numbered = properties.numbered.or(base.numbered).unwrap_or(false);
                        self.page.end_paragraph(numbered);
                    }
                }
                Step::Close(Space::Word, name) if name == "r" => run = None,
                Step::Close(Space::Compatibility, name) if name == "AlternateContent" => {
                    self.choices.pop();
                }
                Step::Close(..) | Step::Words(_) => {}
                Step::End if self.fields.is_empty() => return Ok(self.page),
                Step::End => return Err(self.markup.damaged(msg!("a field has no end"))),
            }
        }
    }

    /// What a paragraph's style says, above what the document says of everything.
    fn base(&self, style: Option<&str>) -> Style {
        let sheet = &self.styles;
        let mut base = sheet.styles.whole(style.or(sheet.paragraph.as_deref()));
        base.look = base.look.over(sheet.styles.whole(Some(DEFAULTS)).look);
        base
    }

    /// An element of WordprocessingML that is neither paragraph nor run. `look` is that of the open run, if words may stand here.
    fn word(&mut self, name: &str, element: &Element, look: Option<Look>) -> Result<(), ImportFault> {
        let loss = match name {
            "t" => {
                let words = self.markup.words()?;
                let kept = element.attribute(Space::Xml, "space") == Some("preserve");
                let white = [' ', '\t', '\n', '\r'];
                // A line feed of the markup is white space; line breaks are elements.
                let words =
                    if kept { words.as_str() } else { words.trim_matches(white) }.replace(['\n', '\r', '\t'], " ");
                return self.write(&words, look);
            }
            "tab" | "ptab" => return self.write(" ", look),
            "br" | "cr" => return self.write("\n", look),
            "noBreakHyphen" => return self.write("\u{2011}", look),
            "softHyphen" => return Ok(()),
            "ins" => {
                self.page.drop(Loss::Insertions);
                return Ok(());
            }
            "moveTo" => {
                self.page.drop(Loss::Moves);
                return Ok(());
            }
            "del" => Loss::Deletions,
            // Counted where it was moved to.
            "moveFrom" => return self.markup.skip(),
            "tbl" => Loss::Tables,
            "drawing" | "pict" | "object" | "contentPart" => {
                let mut boxed = false;
                self.markup.skip_looking(|inner| boxed |= inner.is(Space::Word, "txbxContent"))?;
                self.page.drop(if boxed { Loss::TextBoxes } else { Loss::Pictures });
                return Ok(());
            }
            "footnoteReference" => Loss::Footnotes,
            "endnoteReference" => Loss::Endnotes,
            "commentReference" => Loss::Comments,
            "headerReference" | "footerReference" => Loss::HeadersFooters,
            "sym" => Loss::Symbols,
            "altChunk" | "subDoc" => Loss::Embedded,
            "pgNum" | "dayShort" | "monthShort" | "yearShort" | "dayLong" | "monthLong" | "yearLong" => Loss::Fields,
            "rt" => Loss::Readings,
            "fldSimple" => {
                let code = element.attribute(Space::Word, "instr").unwrap_or_default();
                self.page.drop(field(code));
                return Ok(());
            }
            "hyperlink" => {
                self.page.drop(Loss::Links);
                return Ok(());
            }
            "bdo" => {
                self.page.drop(Loss::Turned);
                return Ok(());
            }
            "fldChar" => return self.field(element),
            "instrText" => {
                let code = self.markup.words()?;
                if let Some(field) = self.fields.last_mut() {
                    field.code.push_str(&code);
                }
                return Ok(());
            }
            // Words that are no words of the document.
            "background" | "delText" | "delInstrText" | "sdtPr" | "sdtEndPr" | "customXmlPr" | "smartTagPr"
            | "rubyPr" => {
                return self.markup.skip();
            }
            // Containers, marks and properties: what is inside is looked at, words enter by `t` alone.
            _ => return Ok(()),
        };
        self.page.drop(loss);
        self.markup.skip()
    }

    fn write(&mut self, words: &str, look: Option<Look>) -> Result<(), ImportFault> {
        // Tabs of paragraphs' properties were read with them; what stands outside of a run is no text.
        let Some(look) = look else { return Ok(()) };
        if self.fields.iter().any(|field| field.in_code) {
            return Ok(());
        }
        self.page.write(words, look)
    }

    fn field(&mut self, element: &Element) -> Result<(), ImportFault> {
        match element.attribute(Space::Word, "fldCharType") {
            Some("begin") => {
                if self.fields.len() == super::DEPTH_LIMIT {
                    return Err(self.markup.damaged(msg!("fields inside fields without end")));
                }
                self.fields.push(Field { in_code: true, code: String::new() });
            }
            Some("separate") => {
                if let Some(field) = self.fields.last_mut() {
                    field.in_code = false;
                }
            }
            Some("end") => {
                let ended = self.fields.pop().ok_or_else(|| self.markup.damaged(msg!("a field has no beginning")))?;
                self.page.drop(field(&ended.code));
            }
            _ => {}
        }
        self.markup.skip()
    }
}

fn field(code: &str) -> Loss {
    let name = code.split_whitespace().next().unwrap_or_default();
    if name.eq_ignore_ascii_case("hyperlink") { Loss::Links } else { Loss::Fields }
}
