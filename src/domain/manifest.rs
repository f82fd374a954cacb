//! The manifest: one revision of a communiqué, whole, by digests. Whoever acts, acts on it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    charter::PARTIES_LIMIT,
    id::{CommuniqueId, Digest, ExchangeName, Lang, PartyId, Salt},
    json::{self, Form},
    message::{Fact, Message, Tell},
    refusal::Refusal,
    statement::Type,
    text::{Direction, RULES, TEXT_LIMIT},
    time::Time,
    words::{LANGUAGES_LIMIT, Names},
};
use crate::msg;

/// Most annexes.
pub const ANNEXES_LIMIT: usize = 99;
/// Largest annex, in bytes.
pub const ANNEX_LIMIT: u64 = 64 << 20;
/// Largest sum of all texts and annexes, in bytes: a package stays well below what a plain zip can hold.
pub const PARTS_LIMIT: u64 = 1 << 30;
/// Most documents below a rectification: what it corrects, what that one corrects, and so on.
pub const RECTIFICATIONS_LIMIT: usize = 8;
/// Most revisions of one communiqué.
pub const REVISIONS_LIMIT: u64 = 999;

/// Whether a text is equally authoritative with the others so marked (VCLT, article 33).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is.
    Authentic,
    /// It is a convenience.
    Translation,
}
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentic => "authentic",
            Self::Translation => "translation",
        })
    }
}

impl Tell for Status {
    fn tell(&self) -> Fact {
        match self {
            Self::Authentic => msg!("text" => "authentic"),
            Self::Translation => msg!("text" => "translation"),
        }
        .into()
    }
}

/// A text of the communiqué.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Its language.
    pub lang: Lang,
    /// Its direction.
    pub dir: Direction,
    /// Its status.
    pub status: Status,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// What an annex may be: the closed list. Formats that carry programs are not on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum MediaType {
    #[serde(rename = "application/pdf")]
    Pdf,
    #[serde(rename = "image/jpeg")]
    Jpeg,
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/tiff")]
    Tiff,
    #[serde(rename = "text/csv")]
    Csv,
    #[serde(rename = "text/plain")]
    Plain,
}

impl MediaType {
    /// Every type.
    pub const ALL: [MediaType; 6] =
        [MediaType::Pdf, MediaType::Jpeg, MediaType::Png, MediaType::Tiff, MediaType::Csv, MediaType::Plain];
    /// The file name's ending in a package.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Tiff => "tif",
            Self::Csv => "csv",
            Self::Plain => "txt",
        }
    }
    /// The type of a file of this ending, in lower case.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        let extension = match extension {
            "jpeg" => "jpg",
            "tiff" => "tif",
            other => other,
        };
        Self::ALL.into_iter().find(|m| m.extension() == extension)
    }
}

/// A table, map or list that forms part of the communiqué.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annex {
    /// Its titles by language.
    pub titles: Names,
    /// What it is.
    pub media_type: MediaType,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// A day of the calendar, `2026-11-23`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(jiff::civil::Date);
impl Date {
    /// Parses `2026-11-23`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for other spellings and days that do not exist.
    pub fn parse(s: &str) -> Result<Self, Refusal> {
        s.parse::<jiff::civil::Date>()
            .ok()
            .filter(|d| d.to_string() == s && (1970..=9998).contains(&d.year()))
            .map(Self)
            .ok_or_else(|| Refusal::malformed("date", msg!("not a date such as 2026-11-23")))
    }
    /// Year, month and day.
    #[must_use]
    pub fn civil(self) -> (i16, i8, i8) {
        (self.0.year(), self.0.month(), self.0.day())
    }
}
impl Tell for Date {
    fn tell(&self) -> Fact {
        Fact::Day(*self)
    }
}
impl TryFrom<String> for Date {
    type Error = Refusal;
    fn try_from(s: String) -> Result<Self, Refusal> {
        Self::parse(&s)
    }
}
impl From<Date> for String {
    fn from(d: Date) -> String {
        d.0.to_string()
    }
}
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The meeting that the communiqué is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meeting {
    /// The place's names by language.
    pub places: Names,
    /// The day.
    pub date: Date,
    /// The party that hosts; null if none of the parties does.
    pub host: Option<PartyId>,
}

/// What the parties mean the document to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalEffect {
    /// A political statement: the default of the trade.
    Political,
    /// Legally binding.
    Binding,
}
impl fmt::Display for LegalEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Political => "political",
            Self::Binding => "binding",
        })
    }
}

impl Tell for LegalEffect {
    fn tell(&self) -> Fact {
        match self {
            Self::Political => msg!("legal effect" => "political"),
            Self::Binding => msg!("legal effect" => "binding"),
        }
        .into()
    }
}

/// Whether the text is initialled before it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialling {
    /// It opens once every party has initialled it.
    Required,
    /// Its proposer opens it.
    Waived,
}

/// How it is to be signed and published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// Whether initials are asked.
    pub initialling: Initialling,
    /// No signature counts after it; null for none.
    pub deadline: Option<Time>,
    /// No publication before it; null for none.
    pub embargo: Option<Time>,
}

/// What a rectification corrects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rectifies {
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// Digest of its signed manifest.
    pub manifest: Digest,
    /// Digest of its `published` entry.
    pub entry: Digest,
}

/// One revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `communique.v1.manifest`.
    pub r#type: Type,
    /// Keeps the digest from confirming a guessed draft.
    pub salt: Salt,
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Digest of the charter in force.
    pub charter: Digest,
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// From 1.
    pub revision: u64,
    /// Digest of the manifest that this one changes; null in revision 1.
    pub previous: Option<Digest>,
    /// The party of revision 1. Fixed at creation.
    pub proposer: PartyId,
    /// The text rules: `text.v1`.
    pub rules: String,
    /// Titles, in exactly the languages of the texts.
    pub titles: Names,
    /// The parties in protocol order. Fixed at creation.
    pub parties: Vec<PartyId>,
    /// The texts, by language; one authentic at least.
    pub texts: Vec<Text>,
    /// The annexes, in order.
    pub annexes: Vec<Annex>,
    /// The meeting; null if there is none.
    pub meeting: Option<Meeting>,
    /// What it is meant to be.
    pub legal_effect: LegalEffect,
    /// How it is signed and published.
    pub procedure: Procedure,
    /// The published document that this one corrects (VCLT, article 79); null if it corrects none.
    pub rectifies: Option<Rectifies>,
}

/// A file that a manifest names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its path in a package.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

impl Manifest {
    /// Every file that it names: texts, then annexes, with their paths in a package.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let texts = self.texts.iter().map(|t| Part {
            path: format!("data/texts/{}.txt", t.lang),
            size: t.size,
            sha256: t.sha256,
        });
        let annexes = self.annexes.iter().enumerate().map(|(n, a)| Part {
            path: format!("data/annexes/{}.{}", n + 1, a.media_type.extension()),
            size: a.size,
            sha256: a.sha256,
        });
        texts.chain(annexes)
    }
}

impl Form for Manifest {
    const NAME: &'static str = "manifest";
    const LIMIT: usize = 512 << 10;
    fn called() -> Message {
        msg!("form" => "manifest")
    }
    fn check(&self) -> Result<(), Refusal> {
        self.r#type.check::<Self>()?;
        if self.rules != RULES {
            return Err(Refusal::malformed("manifest.rules", msg!("must be {rules}", rules = RULES)));
        }
        json::within("manifest.revision", self.revision, 1, REVISIONS_LIMIT)?;
        if self.previous.is_none() != (self.revision == 1) {
            return Err(Refusal::malformed("manifest.previous", msg!("is null in revision 1 and in no other")));
        }
        json::count("manifest.parties", self.parties.len(), 2, PARTIES_LIMIT)?;
        let mut sorted: Vec<_> = self.parties.iter().collect();
        sorted.sort();
        json::ascending("manifest.parties (as a set)", sorted)?;
        if !self.parties.contains(&self.proposer) {
            return Err(Refusal::malformed("manifest.proposer", msg!("is not among the parties")));
        }
        json::count("manifest.texts", self.texts.len(), 1, LANGUAGES_LIMIT)?;
        json::ascending("manifest.texts", self.texts.iter().map(|t| &t.lang))?;
        if !self.texts.iter().any(|t| t.status == Status::Authentic) {
            return Err(Refusal::malformed("manifest.texts", msg!("none is authentic; mark one at least")));
        }
        if !self.titles.languages().eq(self.texts.iter().map(|t| &t.lang)) {
            return Err(Refusal::malformed("manifest.titles", msg!("must be in exactly the languages of the texts")));
        }
        for text in &self.texts {
            size(&format!("the text {}", text.lang), text.size, TEXT_LIMIT as u64)?;
        }
        json::count("manifest.annexes", self.annexes.len(), 0, ANNEXES_LIMIT)?;
        for (n, annex) in self.annexes.iter().enumerate() {
            size(&format!("annex {}", n + 1), annex.size, ANNEX_LIMIT)?;
        }
        if self.parts().map(|p| p.size).sum::<u64>() > PARTS_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("all texts and annexes in bytes"), limit: PARTS_LIMIT });
        }
        let host = self.meeting.as_ref().and_then(|m| m.host.as_ref());
        if host.is_some_and(|host| !self.parties.contains(host)) {
            return Err(Refusal::malformed("manifest.meeting.host", msg!("is not among the parties; use null")));
        }
        if self.rectifies.is_some_and(|r| r.communique == self.communique) {
            return Err(Refusal::malformed(
                "manifest.rectifies.communique",
                msg!("is this communiqué; name the one it corrects"),
            ));
        }
        Ok(())
    }
}

fn size(what: &str, size: u64, limit: u64) -> Result<(), Refusal> {
    match size {
        0 => Err(Refusal::malformed(what, msg!("is empty"))),
        s if s > limit => Err(Refusal::TooLarge { what: msg!("{what} in bytes", what), limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annex_is_of_the_type_that_its_name_ends_with() {
        for media_type in MediaType::ALL {
            assert_eq!(MediaType::of_extension(media_type.extension()), Some(media_type));
        }
        let rows = [("jpeg", Some(MediaType::Jpeg)), ("tiff", Some(MediaType::Tiff)), ("docx", None), ("PDF", None)];
        for (extension, media_type) in rows {
            assert_eq!(MediaType::of_extension(extension), media_type, "{extension}");
        }
    }

    #[test]
    fn what_is_shown_is_spelt_as_what_is_signed() {
        let signed = |value: serde_json::Result<serde_json::Value>| value.unwrap().as_str().unwrap().to_owned();
        for status in [Status::Authentic, Status::Translation] {
            assert_eq!(status.to_string(), signed(serde_json::to_value(status)));
        }
        for effect in [LegalEffect::Political, LegalEffect::Binding] {
            assert_eq!(effect.to_string(), signed(serde_json::to_value(effect)));
        }
        assert_eq!(Date::parse("2026-11-23").map(|date| date.to_string()), Ok("2026-11-23".into()));
    }
}
