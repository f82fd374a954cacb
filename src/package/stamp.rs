//! Time stamps of `published` entries (RFC 3161): what an authority is asked, and whether what it answers is an answer to that. What
//! the stamp proves, and by whose key, is not judged here.

use x509_cert::der::{
    Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _,
    asn1::{AnyRef, ObjectIdentifier},
};

use super::evidence::STAMP_LIMIT;
use crate::{
    domain::{
        id::Digest,
        message::{Fact, Tell},
    },
    msg,
};

/// The media type of a question (RFC 3161, section 3.4).
pub const QUERY_TYPE: &str = "application/timestamp-query";
/// The media type of an answer.
pub const REPLY_TYPE: &str = "application/timestamp-reply";

/// `id-signedData` (RFC 5652, section 5.1).
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-ct-TSTInfo` (RFC 3161, section 2.4.2).
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `id-sha256` (RFC 5754, section 2.2).
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const CONTEXT_0: Tag = context(0);
const CONTEXT_1: Tag = context(1);

const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// One question to an authority: it stamps these bytes, and answers nobody else by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    entry: Digest,
    /// As the content of a DER integer: positive, and of the fewest bytes.
    nonce: [u8; 8],
}

/// Why an answer is none to the question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoStamp {
    /// Of no bytes, or of more than a package takes.
    Size(usize),
    /// The authority says no (RFC 3161, section 2.4.2, `PKIStatus`).
    NotGranted,
    /// It is not what RFC 3161 describes, in DER.
    Malformed(&'static str),
    /// A stamp of something else.
    OtherBytes,
    /// A stamp that was made for another question.
    OtherNonce,
    /// A stamp without the certificates that were asked for: nobody could verify it with the authority's root alone.
    NoCertificates,
}

impl Tell for NoStamp {
    fn tell(&self) -> Fact {
        match self {
            Self::Size(size) => msg!("it has {size} bytes, and 1 to {limit} are allowed", size, limit = STAMP_LIMIT),
            Self::NotGranted => msg!("the authority grants none"),
            Self::Malformed(what) => msg!("it is no TimeStampResp in DER: {what}", what),
            Self::OtherBytes => msg!("it stamps other bytes"),
            Self::OtherNonce => msg!("it answers another question"),
            Self::NoCertificates => msg!("it brings no certificates"),
        }
        .into()
    }
}
crate::told!(NoStamp);

impl Question {
    /// A question for a stamp of the entry of this digest, told from all others by random bytes.
    #[must_use]
    pub fn new(entry: Digest, random: [u8; 8]) -> Self {
        let [first, rest @ ..] = random;
        let [a, b, c, d, e, f, g] = rest;
        Self { entry, nonce: [first & 0x3f | 0x40, a, b, c, d, e, f, g] }
    }
    /// The `TimeStampReq` in DER: version 1, the digest under SHA-256, the nonce, and that certificates are wanted.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        // SEQUENCE { INTEGER 1, SEQUENCE { SEQUENCE { OBJECT IDENTIFIER sha256, NULL }, OCTET STRING …
        const BEFORE: [u8; 24] = [
            0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
            0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
        ];
        // … }, INTEGER nonce, BOOLEAN TRUE }
        [&BEFORE[..], self.entry.as_bytes(), &[0x02, 0x08], &self.nonce, &[0x01, 0x01, 0xff]].concat()
    }
    /// Whether this is a granted stamp of these bytes, made for this question: status, imprint, nonce, one signer, certificates. No
    /// signature is verified.
    ///
    /// # Errors
    /// [`NoStamp`].
    pub fn check(&self, answer: &[u8]) -> Result<(), NoStamp> {
        check(self.entry, Some(&self.nonce), answer)
    }
}

/// Whether this is a granted stamp of these bytes, whichever question it answered: what can be asked of one that was kept.
///
/// # Errors
/// [`NoStamp`].
pub fn is_of(entry: Digest, answer: &[u8]) -> Result<(), NoStamp> {
    check(entry, None, answer)
}

fn check(entry: Digest, asked: Option<&[u8]>, answer: &[u8]) -> Result<(), NoStamp> {
    if answer.is_empty() || answer.len() > STAMP_LIMIT {
        return Err(NoStamp::Size(answer.len()));
    }
    let mut response = Fields::of(Fields::over(answer)?.last(Tag::Sequence, "a response")?)?;
    let mut status = Fields::of(response.next(Tag::Sequence, "a status")?)?;
    // granted, grantedWithMods
    if !matches!(status.next(Tag::Integer, "a status")?.value(), [0 | 1]) {
        return Err(NoStamp::NotGranted);
    }
    let mut token = Fields::of(response.last(Tag::Sequence, "a token")?)?;
    token.names(SIGNED_DATA, "signed data")?;
    let explicit = Fields::of(token.last(CONTEXT_0, "signed data")?)?;
    let mut signed = Fields::of(explicit.last(Tag::Sequence, "signed data")?)?;
    signed.next(Tag::Integer, "a version")?;
    signed.next(Tag::Set, "digest algorithms")?;
    let mut content = Fields::of(signed.next(Tag::Sequence, "content")?)?;
    content.names(TST_INFO, "a stamp's content")?;
    let explicit = Fields::of(content.last(CONTEXT_0, "content")?)?;
    let info = Fields::over(explicit.last(Tag::OctetString, "content")?.value())?;
    check_info(entry, asked, info.last(Tag::Sequence, "TSTInfo")?)?;
    let certificates = signed.optional(CONTEXT_0)?;
    signed.optional(CONTEXT_1)?;
    Fields::of(signed.last(Tag::Set, "signers")?)?.last(Tag::Sequence, "one signer")?;
    match certificates {
        Some(some) if !some.value().is_empty() => Ok(()),
        _ => Err(NoStamp::NoCertificates),
    }
}
/// TSTInfo (RFC 3161, section 2.4.2).
fn check_info(entry: Digest, asked: Option<&[u8]>, info: AnyRef<'_>) -> Result<(), NoStamp> {
    let mut info = Fields::of(info)?;
    if info.next(Tag::Integer, "a version")?.value() != [1] {
        return Err(NoStamp::Malformed("TSTInfo of another version"));
    }
    info.next(Tag::ObjectIdentifier, "a policy")?;
    let mut imprint = Fields::of(info.next(Tag::Sequence, "an imprint")?)?;
    let mut algorithm = Fields::of(imprint.next(Tag::Sequence, "an algorithm")?)?;
    let named = algorithm.next(Tag::ObjectIdentifier, "an algorithm")?;
    algorithm.optional(Tag::Null)?;
    algorithm.end("an algorithm")?;
    let hashed = imprint.last(Tag::OctetString, "a digest")?;
    if named.value() != SHA_256.as_bytes() || hashed.value() != entry.as_bytes() {
        return Err(NoStamp::OtherBytes);
    }
    info.next(Tag::Integer, "a serial number")?;
    info.next(Tag::GeneralizedTime, "a time")?;
    // accuracy, ordering
    info.optional(Tag::Sequence)?;
    info.optional(Tag::Boolean)?;
    let nonce = info.optional(Tag::Integer)?;
    // tsa, extensions
    info.optional(CONTEXT_0)?;
    info.optional(CONTEXT_1)?;
    info.end("TSTInfo")?;
    let answers = asked.is_none_or(|asked| nonce.map(AnyRef::value) == Some(asked));
    if answers { Ok(()) } else { Err(NoStamp::OtherNonce) }
}

/// What stands in a value, field by field.
struct Fields<'a>(SliceReader<'a>);

impl<'a> Fields<'a> {
    fn over(bytes: &'a [u8]) -> Result<Self, NoStamp> {
        SliceReader::new(bytes).map(Self).map_err(|_| NoStamp::Malformed("it is too large"))
    }
    fn of(value: AnyRef<'a>) -> Result<Self, NoStamp> {
        Self::over(value.value())
    }
    fn next(&mut self, tag: Tag, what: &'static str) -> Result<AnyRef<'a>, NoStamp> {
        let field = AnyRef::decode(&mut self.0).map_err(|_| NoStamp::Malformed(what))?;
        if field.tag() == tag { Ok(field) } else { Err(NoStamp::Malformed(what)) }
    }
    fn optional(&mut self, tag: Tag) -> Result<Option<AnyRef<'a>>, NoStamp> {
        if self.0.is_finished() || Tag::peek(&self.0).ok() != Some(tag) {
            return Ok(None);
        }
        self.next(tag, "an optional field").map(Some)
    }
    /// The field, behind which there is no other.
    fn last(mut self, tag: Tag, what: &'static str) -> Result<AnyRef<'a>, NoStamp> {
        let field = self.next(tag, what)?;
        self.end(what)?;
        Ok(field)
    }
    fn names(&mut self, wanted: ObjectIdentifier, what: &'static str) -> Result<(), NoStamp> {
        let found = self.next(Tag::ObjectIdentifier, what)?;
        if found.value() == wanted.as_bytes() { Ok(()) } else { Err(NoStamp::Malformed(what)) }
    }
    fn end(&self, what: &'static str) -> Result<(), NoStamp> {
        if self.0.is_finished() { Ok(()) } else { Err(NoStamp::Malformed(what)) }
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
