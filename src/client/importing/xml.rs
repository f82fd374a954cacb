//! Markup, element by element: no document types, no entities but the five of XML, bounded depth.

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use super::{ATTRIBUTES_LIMIT, DEPTH_LIMIT, ImportFault};
use crate::{domain::message::Tell, msg};

/// The vocabularies that are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Space {
    /// No namespace: most attributes of containers' parts.
    None,
    /// `xml:`
    Xml,
    /// WordprocessingML, of either edition.
    Word,
    /// Markup compatibility of Office Open XML.
    Compatibility,
    /// Formulas of Office Open XML.
    Math,
    /// What lists parts and relationships of Office Open XML.
    Package,
    /// OpenDocument's own vocabularies.
    Office,
    Text,
    Table,
    Draw,
    Style,
    Fo,
    Script,
    Form,
    Manifest,
    /// Any other.
    Other,
}

const ODF: &str = "urn:oasis:names:tc:opendocument:xmlns:";

impl Space {
    fn of(uri: &str) -> Self {
        if let Some(name) = uri.strip_prefix(ODF) {
            return match name.strip_suffix(":1.0").unwrap_or(name) {
                "office" => Self::Office,
                "text" => Self::Text,
                "table" => Self::Table,
                "drawing" => Self::Draw,
                "style" => Self::Style,
                "xsl-fo-compatible" => Self::Fo,
                "script" => Self::Script,
                "form" => Self::Form,
                "manifest" => Self::Manifest,
                _ => Self::Other,
            };
        }
        match uri {
            "http://www.w3.org/XML/1998/namespace" => Self::Xml,
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
            | "http://purl.oclc.org/ooxml/wordprocessingml/main" => Self::Word,
            "http://schemas.openxmlformats.org/markup-compatibility/2006" => Self::Compatibility,
            "http://schemas.openxmlformats.org/officeDocument/2006/math"
            | "http://purl.oclc.org/ooxml/officeDocument/math" => Self::Math,
            "http://schemas.openxmlformats.org/package/2006/content-types"
            | "http://schemas.openxmlformats.org/package/2006/relationships" => Self::Package,
            _ => Self::Other,
        }
    }
}

/// An element's name and attributes.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) space: Space,
    pub(super) name: String,
    attributes: Vec<(Space, String, String)>,
}

impl Element {
    pub(super) fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && self.name == name
    }
    pub(super) fn attribute(&self, space: Space, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(s, n, _)| *s == space && n == name).map(|(_, _, value)| value.as_str())
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Open(Element),
    /// The end of the element that was opened last and is still open.
    Close(Space, String),
    Words(String),
    End,
}

pub(super) struct Markup<'a> {
    part: &'a str,
    reader: NsReader<&'a [u8]>,
    open: Vec<(Space, String)>,
}

impl<'a> Markup<'a> {
    pub(super) fn new(part: &'a str, text: &'a str) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { part, reader, open: Vec::new() }
    }

    pub(super) fn damaged(&self, why: impl Tell) -> ImportFault {
        ImportFault::Damaged(Some(self.part.to_owned()), why.message())
    }

    pub(super) fn step(&mut self) -> Result<Step, ImportFault> {
        loop {
            let event = self
                .reader
                .read_event()
                .map_err(|e| ImportFault::Damaged(Some(self.part.to_owned()), e.to_string().message()))?;
            match event {
                Event::Start(start) => {
                    let element = self.element(&start)?;
                    if self.open.len() == DEPTH_LIMIT {
                        return Err(ImportFault::TooDeep(self.part.to_owned()));
                    }
                    self.open.push((element.space, element.name.clone()));
                    return Ok(Step::Open(element));
                }
                Event::End(_) => {
                    let (space, name) =
                        self.open.pop().ok_or_else(|| self.damaged(msg!("an end without a beginning")))?;
                    return Ok(Step::Close(space, name));
                }
                // Asked to make two events of it.
                Event::Empty(_) => return Err(self.damaged(msg!("an empty element"))),
                Event::Text(words) => return Ok(Step::Words(words.xml10_content().into_owned())),
                Event::CData(words) => return Ok(Step::Words(words.xml10_content().into_owned())),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().map_err(|e| self.damaged(e.to_string()))? {
                        Some(c) => c,
                        None => match reference.xml10_content().as_ref() {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return Err(self.damaged(msg!("an entity that XML does not have"))),
                        },
                    };
                    return Ok(Step::Words(character.into()));
                }
                Event::Decl(declaration) => {
                    if let Some(encoding) = declaration.encoding() {
                        let encoding = encoding.map_err(|e| self.damaged(e.to_string()))?;
                        if !encoding.eq_ignore_ascii_case("utf-8") {
                            return Err(self.damaged(msg!("not UTF-8")));
                        }
                    }
                }
                Event::DocType(_) => return Err(ImportFault::DocumentType(self.part.to_owned())),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof if self.open.is_empty() => return Ok(Step::End),
                Event::Eof => return Err(self.damaged(msg!("it ends in the middle"))),
            }
        }
    }

    fn element(&self, start: &BytesStart<'_>) -> Result<Element, ImportFault> {
        let resolver = self.reader.resolver();
        let (space, local) = resolver.resolve_element(start.name());
        let (space, name) = (known(&space), local.as_ref().to_owned());
        let mut attributes = Vec::new();
        // Unchecked: telling doubles apart costs their square, and the first of two is what is asked for.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|e| self.damaged(e.to_string()))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            if attributes.len() == ATTRIBUTES_LIMIT {
                return Err(self.damaged(msg!("an element with too many attributes")));
            }
            let (space, local) = resolver.resolve_attribute(attribute.key);
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| self.damaged(e.to_string()))?;
            attributes.push((known(&space), local.as_ref().to_owned(), value.into_owned()));
        }
        Ok(Element { space, name, attributes })
    }

    /// Passes the rest of the element that was opened last, and what is inside.
    pub(super) fn skip(&mut self) -> Result<(), ImportFault> {
        self.skip_looking(|_| ())
    }

    /// The same, with a look at every element inside.
    pub(super) fn skip_looking(&mut self, mut look: impl FnMut(&Element)) -> Result<(), ImportFault> {
        self.inside(|_, element| {
            look(&element);
            Ok(())
        })
        .map(drop)
    }

    /// The words of the element that was opened last, with those of elements inside.
    pub(super) fn words(&mut self) -> Result<String, ImportFault> {
        self.inside(|_, _| Ok(()))
    }

    /// Reads to the end of the element that was opened last; answers its words. `visit` is given every element inside, and
    /// may read it to its end itself.
    pub(super) fn inside(
        &mut self,
        mut visit: impl FnMut(&mut Self, Element) -> Result<(), ImportFault>,
    ) -> Result<String, ImportFault> {
        let depth = self.open.len();
        let mut words = String::new();
        loop {
            match self.step()? {
                Step::Open(element) => visit(self, element)?,
                Step::Close(..) if self.open.len() < depth => return Ok(words),
                Step::Close(..) => {}
                Step::Words(more) => words.push_str(&more),
                Step::End => return Err(self.damaged(msg!("it ends in the middle"))),
            }
        }
    }
}

fn known(space: &ResolveResult<'_>) -> Space {
    match space {
        ResolveResult::Bound(Namespace(uri)) => Space::of(uri),
        ResolveResult::Unbound => Space::None,
        ResolveResult::Unknown(_) => Space::Other,
    }
}
