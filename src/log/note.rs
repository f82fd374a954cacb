//! Signed notes (C2SP signed-note): a text, an empty line, and one line for each signature.
//!
//! Of the types of signature that the specification assigns ("Signature types"), those of Ed25519 are judged: 0x01 here, 0x04 in
//! [`super::cosignature`]. Lines of other keys and types, such as ML-DSA-44 cosignatures (0x06), are kept as they came and ignored
//! ("Signatures": unknown keys must be ignored).

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Fault, lines};
use crate::{
    domain::{
        id::Digest,
        key::{PublicKey, Signer},
        memo::Memo,
        message::{Message, Tell},
    },
    msg,
};

/// Largest note, in bytes: [`SIGNATURES_LIMIT`] ML-DSA-44 cosignatures fit.
pub const NOTE_LIMIT: usize = 512 << 10;
/// Most signature lines of a note: two for every party that a charter can have. The specification asks that 16 be accepted at least.
pub const SIGNATURES_LIMIT: usize = 128;
/// Largest signature, in bytes behind the key id. The specification speaks of nearly 5 kB.
pub const SIGNATURE_LIMIT: usize = 8 << 10;
/// Longest name of a key, in bytes: what `cosigner_name` in C2SP tlog-cosignature can hold.
pub const NAME_LIMIT: usize = 255;

/// What a signature line begins with: an em dash and a space ("Format").
const DASH: &str = "— ";

/// Signatures that were verified, by key, signature and text. A head is met with every receipt under it.
static VERIFIED: Memo<Digest, ()> = Memo::new(4096);

/// The name of a key: not empty, without Unicode spaces, `+` and control characters ("Format").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse(s: &str) -> Result<Self, Fault> {
        if s.len() > NAME_LIMIT {
            return Err(Fault::TooLarge { what: msg!("the name of a key, in bytes,"), limit: NAME_LIMIT as u64 });
        }
        if s.is_empty() || s.chars().any(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(Fault::malformed(
                msg!("the name of a key"),
                msg!("it is empty, or has a space, a plus or a control character"),
            ));
        }
        Ok(Self(s.to_owned()))
    }
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a signature line claims to be: name and key id, which together tell key and algorithm ("Signatures"). The id is short and
/// proves nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyHint {
    name: KeyName,
    id: u32,
}

impl KeyHint {
    /// That of an Ed25519 key for this type of signature: the first four bytes of SHA-256 over name, newline, type and key.
    pub(super) fn new(name: KeyName, kind: u8, key: &PublicKey) -> Self {
        let digest = Digest::of(&[name.0.as_bytes(), b"\n", &[kind], &key.to_bytes()].concat());
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self { name, id: u32::from_be_bytes([a, b, c, d]) }
    }
    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }
    /// The key id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }
    /// Reads an Ed25519 key of one type of signature from its text form ("Verifier keys"): name, id, type and key.
    pub(super) fn parse_key(vkey: &str, kind: u8) -> Result<(Self, PublicKey), Fault> {
        let (name, rest) =
            vkey.split_once('+').ok_or_else(|| Fault::malformed(msg!("a verifier key"), msg!("it has no `+`")))?;
        let name = KeyName::parse(name)?;
        let refuse = |problem: Message| Fault::KeyRefused { name: name.to_string(), problem };
        let bytes = rest.split_once('+').and_then(|(_, key)| STANDARD.decode(key).ok());
        let key = bytes.as_deref().and_then(|bytes| bytes.split_first()).filter(|(first, _)| **first == kind);
        let key = key.and_then(|(_, key)| <&[u8; 32]>::try_from(key).ok());
        let key =
            key.ok_or_else(|| refuse(msg!("it is not an Ed25519 key of type {kind}", kind = format!("{kind:#04x}"))))?;
        let key = PublicKey::from_bytes(key).map_err(|refusal| refuse(refusal.message()))?;
        let hint = Self::new(name.clone(), kind, &key);
        if hint.key_text(kind, &key) == vkey {
            Ok((hint, key))
        } else {
            Err(refuse(msg!("its id is not that of the key")))
        }
    }
    /// Writes what [`KeyHint::parse_key`] reads.
    pub(super) fn key_text(&self, kind: u8, key: &PublicKey) -> String {
        let key = STANDARD.encode([&[kind], key.to_bytes().as_slice()].concat());
        format!("{}+{:08x}+{key}", self.name, self.id)
    }
}

/// One signature line: whose it claims to be, and bytes that only the algorithm understands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignatureLine {
    hint: KeyHint,
    signature: Vec<u8>,
}

impl SignatureLine {
    pub(super) fn new(hint: KeyHint, signature: Vec<u8>) -> Self {
        Self { hint, signature }
    }
    /// Whose it claims to be.
    #[must_use]
    pub fn hint(&self) -> &KeyHint {
        &self.hint
    }
    /// The bytes behind the key id.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
    /// Parses signature lines alone, each with its newline: what a witness answers (C2SP tlog-witness, "add-checkpoint").
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, Fault> {
        let text = lines::text(bytes, || msg!("signature lines, in bytes,"), NOTE_LIMIT)?;
        let malformed = || {
            Fault::malformed(msg!("signature lines"), msg!("there is none, or the last one does not end in a newline"))
        };
        let all = text.strip_suffix('\n').ok_or_else(malformed)?;
        let mut found = Vec::new();
        for line in all.split('\n') {
            if found.len() == SIGNATURES_LIMIT {
                return Err(Fault::TooLarge { what: msg!("signature lines"), limit: SIGNATURES_LIMIT as u64 });
            }
            found.push(line.parse()?);
        }
        Ok(found)
    }
}
impl FromStr for SignatureLine {
    type Err = Fault;
    /// Parses a line without its newline.
    fn from_str(line: &str) -> Result<Self, Fault> {
        let refuse = |problem: Message| Fault::malformed(msg!("a signature line"), problem);
        let (name, base64) = line
            .strip_prefix(DASH)
            .and_then(|line| line.split_once(' '))
            .ok_or_else(|| refuse(msg!("it is not an em dash, a name and a signature, with one space between")))?;
        let name = KeyName::parse(name)?;
        if base64.len() > (SIGNATURE_LIMIT + 4).div_ceil(3) * 4 {
            return Err(Fault::TooLarge { what: msg!("a signature, in bytes,"), limit: SIGNATURE_LIMIT as u64 });
        }
        let bytes = STANDARD.decode(base64).map_err(|_| refuse(msg!("its signature is not base64")))?;
        match bytes.split_first_chunk() {
            Some((id, signature)) if !signature.is_empty() => {
                Ok(Self::new(KeyHint { name, id: u32::from_be_bytes(*id) }, signature.to_vec()))
            }
            _ => Err(refuse(msg!("its signature is shorter than five bytes"))),
        }
    }
}
impl fmt::Display for SignatureLine {
    /// Writes the line with its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.hint.id.to_be_bytes(), self.signature.as_slice()].concat();
        writeln!(f, "{DASH}{} {}", self.hint.name, STANDARD.encode(bytes))
    }
}

/// A note. It proves nothing until a signature by a key that one knows was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    text: String,
    lines: Vec<SignatureLine>,
}

impl Note {
    /// Parses a note ("Format"): the last empty line parts text and signatures.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let note = lines::text(bytes, || msg!("a note, in bytes,"), NOTE_LIMIT)?;
        let (text, signatures) = note
            .rfind("\n\n")
            .and_then(|at| note.split_at_checked(at + 1))
            .ok_or_else(|| Fault::malformed(msg!("a note"), msg!("it has no empty line before its signatures")))?;
        check_text(text)?;
        let signatures = signatures.strip_prefix('\n').unwrap_or(signatures);
        Ok(Self { text: text.to_owned(), lines: SignatureLine::parse_all(signatures.as_bytes())? })
    }
    /// Signs a text with an Ed25519 key under this name ("Ed25519 signatures", type 0x01).
    ///
    /// # Errors
    /// [`Fault::Malformed`] for a text that a note cannot hold; [`Fault::SigningFailed`].
    pub fn sign(text: String, name: &KeyName, signer: &dyn Signer) -> Result<Self, Fault> {
        check_text(&text)?;
        if text.len() > NOTE_LIMIT / 2 {
            return Err(Fault::TooLarge { what: msg!("the text of a note, in bytes,"), limit: NOTE_LIMIT as u64 / 2 });
        }
        let verifier = Verifier::new(name.clone(), signer.public());
        let signature = signed(name, signer, text.as_bytes())?;
        Ok(Self { text, lines: vec![SignatureLine::new(verifier.hint, signature.to_vec())] })
    }
    /// The text, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The signature lines, known or not, in their order.
    #[must_use]
    pub fn lines(&self) -> &[SignatureLine] {
        &self.lines
    }
    /// The signature lines that claim to be by this key.
    pub fn lines_of(&self, hint: &KeyHint) -> impl Iterator<Item = &SignatureLine> {
        self.lines.iter().filter(move |line| line.hint == *hint)
    }
    /// Adds a line at the end.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] if the note would have too many lines, or be too large.
    pub fn push(&mut self, line: SignatureLine) -> Result<(), Fault> {
        if self.lines.len() >= SIGNATURES_LIMIT {
            return Err(Fault::TooLarge { what: msg!("signature lines"), limit: SIGNATURES_LIMIT as u64 });
        }
        if self.to_string().len() + line.to_string().len() > NOTE_LIMIT {
            return Err(Fault::TooLarge { what: msg!("a note, in bytes,"), limit: NOTE_LIMIT as u64 });
        }
        self.lines.push(line);
        Ok(())
    }
    /// The same text with these lines, some of its own.
    pub(super) fn with_lines(&self, lines: Vec<SignatureLine>) -> Self {
        Self { text: self.text.clone(), lines }
    }
    /// Whether this key signed it.
    ///
    /// # Errors
    /// [`Fault::SignatureInvalid`] if a line that claims to be by this key does not verify: then nothing in the note counts.
    pub fn is_signed_by(&self, verifier: &Verifier) -> Result<bool, Fault> {
        let mut signed = false;
        for line in self.lines_of(&verifier.hint) {
            if !verifier.verifies(&self.text, line) {
                return Err(Fault::SignatureInvalid { name: verifier.hint.name.to_string() });
            }
            signed = true;
        }
        Ok(signed)
    }
    /// Whether its lines claim to be by some of these keys and no other, in this order, none twice: so that what is archived has one
    /// form. It says nothing of whether they verify.
    #[must_use]
    pub fn has_lines_of_these_alone<'a>(&self, hints: impl IntoIterator<Item = &'a KeyHint>) -> bool {
        let mut hints = hints.into_iter();
        self.lines.iter().all(|line| hints.any(|hint| *hint == line.hint))
    }
}
impl fmt::Display for Note {
    /// Writes the note byte for byte as it was parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| write!(f, "{line}"))
    }
}

fn check_text(text: &str) -> Result<(), Fault> {
    if !text.ends_with('\n') {
        return Err(Fault::malformed(msg!("a note"), msg!("its text does not end in a newline")));
    }
    if text.bytes().any(|b| b < b' ' && b != b'\n') {
        return Err(Fault::malformed(msg!("a note"), msg!("its text has a control character")));
    }
    Ok(())
}

/// Signs, and says under which name that failed.
pub(super) fn signed(name: &KeyName, signer: &dyn Signer, message: &[u8]) -> Result<[u8; 64], Fault> {
    signer.sign(message).map_err(|problem| Fault::SigningFailed { name: name.to_string(), problem })
}

/// An Ed25519 key that signs notes under a name (type 0x01).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verifier {
    hint: KeyHint,
    key: PublicKey,
}

impl Verifier {
    /// The type of its signatures ("Signature types").
    pub const KIND: u8 = 0x01;
    /// The key under this name.
    #[must_use]
    pub fn new(name: KeyName, key: PublicKey) -> Self {
        Self { hint: KeyHint::new(name, Self::KIND, &key), key }
    }
    /// Name and id of its signature lines.
    #[must_use]
    pub fn hint(&self) -> &KeyHint {
        &self.hint
    }
    /// The key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }
    /// Whether this line is its signature over the text of a note.
    #[must_use]
    pub fn verifies(&self, text: &str, line: &SignatureLine) -> bool {
        let of = Digest::of(&[&self.key.to_bytes(), &*line.signature, text.as_bytes()].concat());
        let verify = || if self.key.verifies(text.as_bytes(), &line.signature) { Ok(()) } else { Err(()) };
        line.hint == self.hint && line.signature.len() == 64 && VERIFIED.get(of, verify).is_ok()
    }
}
impl FromStr for Verifier {
    type Err = Fault;
    /// Parses the text form ("Verifier keys").
    fn from_str(vkey: &str) -> Result<Self, Fault> {
        KeyHint::parse_key(vkey, Self::KIND).map(|(hint, key)| Self { hint, key })
    }
}
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hint.key_text(Self::KIND, &self.key))
    }
}
