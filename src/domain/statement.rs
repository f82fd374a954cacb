//! Statements: what one key says, as a compact JWS (RFC 7515) with one possible encoding.

use std::{convert::Infallible, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    id::Digest,
    json::{self, Form, base64, unbase64},
    key::{PublicKey, Signer},
    memo::Memo,
    refusal::Refusal,
};
use crate::msg;

/// The prefix of every `typ` and `type`.
pub const TYPE_PREFIX: &str = "communique.v1.";
/// Largest compact form of any statement, in bytes.
pub const STATEMENT_LIMIT: usize = 128 << 10;

/// The payload of a statement.
pub trait Body: Form {}

/// A statement whose signature was verified under the key that it must be by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement<B> {
    body: B,
    compact: String,
    digest: Digest,
}

impl<B: Body> Statement<B> {
    /// Signs a body.
    ///
    /// # Errors
    /// The body's own bounds; [`Refusal::NotSigned`] if the signer fails, [`Refusal::SignatureInvalid`] if it signs with another key.
    pub fn sign(body: B, signer: &dyn Signer) -> Result<Self, Refusal> {
        let key = signer.public();
        let signed = format!("{}.{}", header::<B>(&key), base64(&json::encode(&body)));
        let signature =
            signer.sign(signed.as_bytes()).map_err(|problem| Refusal::NotSigned { statement: B::called(), problem })?;
        Unverified::parse(&format!("{signed}.{}", base64(&signature)))?.verify(&key)
    }
    /// What it says.
    pub fn body(&self) -> &B {
        &self.body
    }
    /// The compact form, byte for byte as signed and archived.
    pub fn compact(&self) -> &str {
        &self.compact
    }
    /// The digest of the compact form: the statement's name.
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// Body, compact form and digest.
    pub fn into_parts(self) -> (B, String, Digest) {
        (self.body, self.compact, self.digest)
    }
}

/// A statement that parses, and is not verified yet: its body says by which key it must be.
#[derive(Clone, Debug)]
pub struct Unverified<B> {
    body: B,
    compact: String,
}

impl<B: Body> Unverified<B> {
    /// Parses the compact form. The header is not looked at: [`Unverified::verify`] compares it with the one expected.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub fn parse(compact: &str) -> Result<Self, Refusal> {
        if compact.len() > STATEMENT_LIMIT {
            return Err(Refusal::TooLarge {
                what: msg!("{what} in bytes", what = B::called()),
                limit: STATEMENT_LIMIT as u64,
            });
        }
        let (_, payload, _) = parts(compact)
            .ok_or_else(|| Refusal::malformed(B::NAME, msg!("not a compact JWS of three parts (RFC 7515)")))?;
        let payload = unbase64(payload)
            .ok_or_else(|| Refusal::malformed(B::NAME, msg!("its payload is not base64url without padding")))?;
        Ok(Self { body: json::parse(&payload)?, compact: compact.to_owned() })
    }
    /// What it claims to say. Enough to find the key that it must be by, and no more.
    pub fn claims(&self) -> &B {
        &self.body
    }
    /// The digest of the compact form.
    pub fn digest(&self) -> Digest {
        Digest::of(self.compact.as_bytes())
    }
    /// Whether its header names this key. It proves nothing until [`Unverified::verify`] does.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        is_by::<B>(&self.compact, key)
    }
    /// Verifies it under the key that it must be by.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`] if the header is not exactly the expected one, or the signature does not verify.
    pub fn verify(self, key: &PublicKey) -> Result<Statement<B>, Refusal> {
        let holds = parts(&self.compact).is_some_and(|(head, payload, signature)| {
            let signed = &self.compact[..head.len() + 1 + payload.len()];
            head == &*header::<B>(key)
                && unbase64(signature).is_some_and(|signature| key.verifies(signed.as_bytes(), &signature))
        });
        if !holds {
            return Err(invalid::<B>());
        }
        let digest = self.digest();
        Ok(Statement { body: self.body, compact: self.compact, digest })
    }
}

/// Whether a statement's header is the one that this key makes. Of what the log holds, which was verified under the header that it
/// has, this says whose it is.
#[must_use]
pub fn is_by<B: Body>(compact: &str, key: &PublicKey) -> bool {
    compact.split_once('.').is_some_and(|(head, _)| head == &*header::<B>(key))
}

fn parts(compact: &str) -> Option<(&str, &str, &str)> {
    let mut parts = compact.split('.');
    let three = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(three)
}

fn invalid<B: Body>() -> Refusal {
    Refusal::SignatureInvalid { statement: B::called() }
}

/// The one protected header that a statement of this kind by this key can have.
fn header<B: Body>(key: &PublicKey) -> Arc<str> {
    let make = || Ok::<_, Infallible>(make_header::<B>(key).into());
    match HEADERS.get((key.to_bytes(), B::NAME), make) {
        Ok(header) => header,
    }
}

/// Headers by key and type: whose a statement is is asked again and again, and a thumbprint is a digest.
static HEADERS: Memo<([u8; 32], &'static str), Arc<str>> = Memo::new(4096);

fn make_header<B: Body>(key: &PublicKey) -> String {
    #[derive(Serialize)]
    struct Header {
        alg: &'static str,
        kid: String,
        typ: String,
    }
    base64(&json::encode(&Header { alg: "EdDSA", kid: key.thumbprint(), typ: format!("{TYPE_PREFIX}{}", B::NAME) }))
}

/// The `type` member of a document: parses only as the name that it must be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Type(String);

impl Type {
    /// The type of this form.
    #[must_use]
    pub fn of<F: Form>() -> Self {
        Self(format!("{TYPE_PREFIX}{}", F::NAME))
    }
    /// Checks it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is another's.
    pub fn check<F: Form>(&self) -> Result<(), Refusal> {
        if *self == Self::of::<F>() {
            Ok(())
        } else {
            Err(Refusal::malformed(
                format!("{}.type", F::NAME),
                msg!("must be {type_prefix}{value}", type_prefix = TYPE_PREFIX, value = F::NAME),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{key::SecretKey, message::Message};

    #[derive(Clone, Serialize, Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Note {
        n: u64,
    }
    impl Form for Note {
        const NAME: &'static str = "note";
        const LIMIT: usize = 64;
        fn called() -> Message {
            msg!("form" => "note")
        }
        fn check(&self) -> Result<(), Refusal> {
            Ok(())
        }
    }
    impl Body for Note {}

    fn with_header(header: &str) -> String {
        let key = SecretKey::from_seed(&[1; 32]);
        let signed = format!("{}.{}", base64(header.as_bytes()), base64(br#"{"n":1}"#));
        format!("{signed}.{}", base64(&key.sign(signed.as_bytes()).unwrap()))
    }

    #[test]
    fn only_the_one_header_verifies() {
        let key = SecretKey::from_seed(&[1; 32]);
        let kid = key.public().thumbprint();
        let exact = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"communique.v1.note"}}"#);
        let verify = |compact: &str| Unverified::<Note>::parse(compact).and_then(|u| u.verify(&key.public()));
        assert_eq!(verify(&with_header(&exact)).map(|s| s.body().n), Ok(1));
        for (what, header) in [
            ("another alg", exact.replace("EdDSA", "Ed25519")),
            ("alg none", exact.replace("EdDSA", "none")),
            ("an added member", exact.replace("{", r#"{"aaa":1,"#)),
            ("crit", exact.replace(r#","kid""#, r#","crit":["b64"],"kid""#)),
            ("another order", format!(r#"{{"kid":"{kid}","alg":"EdDSA","typ":"communique.v1.note"}}"#)),
            ("a space", exact.replace(":", ": ")),
            ("another kid", exact.replace(&kid, "x")),
            ("another typ", exact.replace("note", "act")),
            ("an escape", exact.replace("note", "\\u006eote")),
        ] {
            assert_eq!(
                verify(&with_header(&header)),
                Err(Refusal::SignatureInvalid { statement: Note::called() }),
                "{what}"
            );
        }
    }

    #[test]
    fn a_statement_has_three_parts_and_nothing_else() {
        let key = SecretKey::from_seed(&[1; 32]);
        let good = Statement::sign(Note { n: 1 }, &key).unwrap().compact().to_owned();
        for bad in
            [format!("{good}\n"), format!("{good}."), format!("{good}="), good.replacen('.', "", 1), format!(" {good}")]
        {
            assert!(Unverified::<Note>::parse(&bad).and_then(|u| u.verify(&key.public())).is_err(), "{bad:?}");
        }
        let other = SecretKey::from_seed(&[2; 32]);
        assert!(Unverified::<Note>::parse(&good).unwrap().verify(&other.public()).is_err());
    }

    #[test]
    fn a_statement_of_too_many_bytes_is_not_read() {
        let of = |bytes| Unverified::<Note>::parse(&"x".repeat(bytes)).unwrap_err();
        assert!(matches!(of(STATEMENT_LIMIT), Refusal::Malformed { .. }));
        assert!(matches!(of(STATEMENT_LIMIT + 1), Refusal::TooLarge { .. }));
    }
}
