//! What we read in a certificate ourselves (RFC 5280, section 4): webpki judges chains, and leaves these to its caller.

use rustls::pki_types::UnixTime;
use x509_cert::{
    Certificate,
    der::{
        Decode, Encode,
        asn1::{AnyRef, UintRef},
        oid::{
            ObjectIdentifier,
            db::{rfc5280, rfc5912},
        },
    },
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, name::GeneralName},
    spki::SubjectPublicKeyInfoOwned,
};

use crate::domain::time::Time;

/// The facts of one certificate. They are claims until its chain is verified.
#[derive(Debug)]
pub(super) struct Facts {
    /// URIs among the subject's alternative names, in order.
    pub uris: Vec<String>,
    /// `basicConstraints` says cA.
    pub is_ca: bool,
    /// `basicConstraints` bounds the number of certificates between this one and a leaf.
    pub path_len: Option<u8>,
    /// `keyUsage` is there and has keyCertSign.
    pub may_sign_certificates: bool,
    /// `extKeyUsage` names id-kp-clientAuth itself; anyExtendedKeyUsage does not count.
    pub for_clients: bool,
    /// What kind of key, and how long.
    pub key: Key,
    /// First second of validity.
    pub not_before: Time,
    /// Last second of validity.
    pub not_after: Time,
}

/// The kinds of public key that we tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    P256,
    P384,
    /// With the bits of its modulus.
    Rsa(usize),
    Other,
}

impl Key {
    /// ECDSA on P-256 or P-384, or RSA of at least so many bits.
    pub fn is_strong(self, rsa_bits: usize) -> bool {
        match self {
            Key::P256 | Key::P384 => true,
            Key::Rsa(bits) => bits >= rsa_bits,
            Key::Other => false,
        }
    }
    fn of(spki: &SubjectPublicKeyInfoOwned) -> Self {
        let algorithm = &spki.algorithm;
        if algorithm.oid == rfc5912::ID_EC_PUBLIC_KEY {
            let curve = algorithm.parameters.as_ref().and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
            return match curve {
                Some(rfc5912::SECP_256_R_1) => Key::P256,
                Some(rfc5912::SECP_384_R_1) => Key::P384,
                _ => Key::Other,
            };
        }
        if algorithm.oid == rfc5912::RSA_ENCRYPTION {
            return spki.subject_public_key.as_bytes().and_then(modulus_bits).map_or(Key::Other, Key::Rsa);
        }
        Key::Other
    }
}

/// Bits of an RSA modulus: RSAPublicKey ::= SEQUENCE { modulus, publicExponent } (RFC 8017, appendix A.1.1).
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let sequence = AnyRef::from_der(key).ok()?;
    let mut rest = x509_cert::der::SliceReader::new(sequence.value()).ok()?;
    let modulus = UintRef::decode(&mut rest).ok()?;
    let bytes = modulus.as_bytes();
    let first = bytes.first()?;
    Some(bytes.len() * 8 - first.leading_zeros() as usize)
}

impl Facts {
    /// Reads one certificate; bytes after it, and an extension that stands twice, are faults.
    pub fn read(der: &[u8]) -> Result<Self, x509_cert::der::Error> {
        let certificate = Certificate::from_der(der)?;
        let tbs = certificate.tbs_certificate();
        let uris = tbs.get_extension::<SubjectAltName>()?.map_or_else(Vec::new, |(_, names)| {
            let uri = |n: GeneralName| match n {
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
                _ => None,
            };
            names.0.into_iter().filter_map(uri).collect()
        });
        let basic = tbs.get_extension::<BasicConstraints>()?.map(|(_, basic)| basic);
        let usage = tbs.get_extension::<KeyUsage>()?.map(|(_, usage)| usage);
        let purposes = tbs.get_extension::<ExtendedKeyUsage>()?.map(|(_, purposes)| purposes);
        let moment = |t: x509_cert::time::Time| {
            Time::from_unix(i64::try_from(t.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        Ok(Self {
            uris,
            is_ca: basic.as_ref().is_some_and(|b| b.ca),
            path_len: basic.and_then(|b| b.path_len_constraint),
            may_sign_certificates: usage.is_some_and(|u| u.key_cert_sign()),
            for_clients: purposes.is_some_and(|p| p.0.contains(&rfc5280::ID_KP_CLIENT_AUTH)),
            key: Key::of(tbs.subject_public_key_info()),
            not_before: moment(tbs.validity().not_before),
            not_after: moment(tbs.validity().not_after),
        })
    }
}

/// The public key of a certificate in DER, to compare it with a private key's.
pub(super) fn public_key(der: &[u8]) -> Result<Vec<u8>, x509_cert::der::Error> {
    Certificate::from_der(der)?.tbs_certificate().subject_public_key_info().to_der()
}

/// rustls' moment as ours.
pub(super) fn moment(now: UnixTime) -> Time {
    Time::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}
