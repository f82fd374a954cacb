//! Documents: canonical JSON files that others name by the digest of their bytes.

use std::{ops::Deref, sync::Arc};

use super::{
    id::Digest,
    json::{self, Form},
    refusal::Refusal,
};

/// A document with the bytes that its digest is of. Kept, sent and archived byte for byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document<F> {
    /// Shared: a document is held in many places, and large.
    parts: Arc<Parts<F>>,
}

#[derive(PartialEq, Eq, Debug)]
struct Parts<F> {
    body: F,
    bytes: Vec<u8>,
    digest: Digest,
}

impl<F: Form> Document<F> {
    /// Encodes what it says.
    ///
    /// # Errors
    /// The form's own bounds.
    pub fn of(body: &F) -> Result<Self, Refusal> {
        Self::parse(json::encode(body))
    }
    /// Encodes what this program says itself: only that it is within its bounds is looked at.
    ///
    /// # Errors
    /// The form's own bounds.
    pub fn made(body: F) -> Result<Self, Refusal> {
        body.check()?;
        let bytes = json::encode(&body);
        json::bounded::<F>(&bytes)?;
        Ok(Self::with(body, bytes))
    }
    /// Parses its bytes.
    ///
    /// # Errors
    /// As [`json::parse`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Refusal> {
        Ok(Self::with(json::parse(&bytes)?, bytes))
    }
    fn with(body: F, bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { parts: Arc::new(Parts { body, bytes, digest }) }
    }
}
impl<F> Document<F> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.parts.bytes
    }
    /// Its name.
    pub fn digest(&self) -> Digest {
        self.parts.digest
    }
}
impl<F> Deref for Document<F> {
    type Target = F;
    fn deref(&self) -> &F {
        &self.parts.body
    }
}
