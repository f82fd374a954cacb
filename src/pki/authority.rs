//! A party's certificate authority, as its `trust` statement carries it: DER, judged before it is believed.

use rustls::pki_types::{CertificateDer, TrustAnchor};

use super::certificate::Facts;
use crate::{
    domain::{
        message::{Message, Tell},
        refusal::Refusal,
        time::Time,
    },
    msg,
};

/// The largest authority certificate that is read, in bytes.
pub const MAX_AUTHORITY_BYTES: usize = 8 * 1024;

/// The shortest RSA modulus of an authority, in bits: its signatures are relied on for years.
pub const MIN_AUTHORITY_RSA_BITS: usize = 3072;

/// A certificate that may sign a party's certificates: of X.509 version 3, a CA by `basicConstraints` and `keyUsage`,
/// with a key on P-256 or P-384, or RSA of [`MIN_AUTHORITY_RSA_BITS`]. Trusted because of where it stands, so its own
/// signature is not looked at.
#[derive(Clone, Debug)]
pub struct Authority {
    der: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    path_len: Option<u8>,
    not_before: Time,
    not_after: Time,
}

impl Authority {
    /// Reads one certificate of a `trust` statement. Whether it has expired is not asked here: a statement stays
    /// readable for ever; see [`Authority::valid_at`].
    ///
    /// # Errors
    /// [`Refusal::Malformed`] of `trust.certificates` for anything but an [`Authority`].
    pub fn parse(der: &[u8]) -> Result<Self, Refusal> {
        Self::parse_member("trust.certificates", der)
    }

    /// The same for a certificate that another member carries, which the refusal then names.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] of that member.
    pub fn parse_member(member: impl Tell, der: &[u8]) -> Result<Self, Refusal> {
        let bad = |problem: Message| Refusal::malformed(&member, problem);
        if der.len() > MAX_AUTHORITY_BYTES {
            return Err(bad(msg!("the certificate has more than 8192 bytes")));
        }
        let facts = Facts::read(der)
            .map_err(|e| bad(msg!("not one X.509 certificate in DER: {error}", error = e.to_string())))?;
        if !facts.is_ca {
            return Err(bad(msg!("not a certificate authority: basicConstraints lacks cA")));
        }
        if !facts.may_sign_certificates {
            return Err(bad(msg!("not a certificate authority: keyUsage lacks keyCertSign")));
        }
        if !facts.key.is_strong(MIN_AUTHORITY_RSA_BITS) {
            return Err(bad(msg!("the authority's key must be on P-256 or P-384, or RSA of at least 3072 bits")));
        }
        let der = CertificateDer::from(der.to_vec());
        let anchor = webpki::anchor_from_trusted_cert(&der)
            .map_err(|e| bad(msg!("not an authority that chains can end at: {error}", error = format!("{e:?}"))))?
            .to_owned();
        Ok(Self { anchor, path_len: facts.path_len, not_before: facts.not_before, not_after: facts.not_after, der })
    }

    /// Whether the authority is within its own validity, both ends included. webpki does not ask this of an anchor.
    #[must_use]
    pub fn valid_at(&self, now: Time) -> bool {
        self.not_before <= now && now <= self.not_after
    }
    /// The last second of its validity.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.not_after
    }
    /// How many certificates may stand between it and a leaf; webpki does not ask this of an anchor either.
    pub(super) fn path_len(&self) -> Option<u8> {
        self.path_len
    }
    pub(super) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }
    /// The certificate as it was given.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}
impl Eq for Authority {}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose};

    use super::*;
    use crate::pki::samples::{self, Ca};

    #[test]
    fn only_an_authority_is_one() {
        let day = samples::now();
        let good = samples::root("Sample CA", |_| {});
        let parsed = Authority::parse(good.der()).expect("a good one");
        assert!(parsed.valid_at(day));
        assert!(!parsed.valid_at(parsed.not_after().plus(1)));
        assert!(parsed.valid_at(parsed.not_after()));
        assert!(!parsed.valid_at(parsed.not_before.plus(-1)));

        let with = |change: fn(&mut rcgen::CertificateParams)| samples::root("Sample CA", change).der().to_vec();
        let mut trailing = good.der().to_vec();
        trailing.push(0);
        for (what, der, problem) in [
            ("no CA", with(|p| p.is_ca = IsCa::ExplicitNoCa), "basicConstraints"),
            ("silent about CA", with(|p| p.is_ca = IsCa::NoCa), "basicConstraints"),
            ("no keyUsage", with(|p| p.key_usages.clear()), "keyCertSign"),
            ("CRLs only", with(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]), "keyCertSign"),
            ("Ed25519", Ca::with_key(&rcgen::PKCS_ED25519, "Sample CA").der().to_vec(), "P-256"),
            ("P-521", Ca::with_key(&rcgen::PKCS_ECDSA_P521_SHA512, "Sample CA").der().to_vec(), "P-256"),
            ("RSA 2048", Ca::with_rsa(rcgen::RsaKeySize::_2048, "Sample CA").der().to_vec(), "3072"),
            ("a byte too many", trailing, "X.509"),
            ("cut off", good.der()[..good.der().len() - 1].to_vec(), "X.509"),
            ("nothing", Vec::new(), "X.509"),
            ("too large", vec![0; MAX_AUTHORITY_BYTES + 1], "8192"),
        ] {
            match Authority::parse(&der) {
                Err(Refusal::Malformed { field, problem: said }) => {
                    assert_eq!(field.to_string(), "trust.certificates");
                    assert!(said.to_string().contains(problem), "{what}: {said}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        for good in [
            Ca::with_key(&rcgen::PKCS_ECDSA_P384_SHA384, "Sample CA"),
            Ca::with_rsa(rcgen::RsaKeySize::_3072, "Sample CA"),
            samples::root("Sample CA", |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ] {
            assert!(Authority::parse(good.der()).is_ok());
        }
    }
}
