//! A small certificate authority: for trials, for ministries that have none, for the demo and for tests.
//!
//! P-256 throughout, since every TLS library knows it. Keys are PKCS#8 in PEM, serial numbers are random.

use std::{net::IpAddr, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use x509_cert::{
    Certificate,
    der::{Decode, Tag, Tagged},
    ext::pkix::SubjectKeyIdentifier,
    name::Name,
};
use zeroize::Zeroizing;

use super::{authority::Authority, certificate::public_key};
use crate::{
    domain::{
        id::SpiffeId,
        message::{Fact, Message, Tell},
        refusal::Refusal,
        time::Time,
    },
    msg,
};

/// The most names that a server's certificate may have.
pub const MAX_SERVER_NAMES: usize = 32;
/// The longest common name, in characters (RFC 5280, appendix A.1, ub-common-name).
pub const MAX_COMMON_NAME: usize = 64;

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
pub enum IssueFault {
    /// The system gave no random bytes.
    Random(getrandom::Error),
    /// The files are not an authority, or its key.
    Refused(#[from] Refusal),
    /// The key is not the certificate's.
    OtherKey,
    /// The authority's own name cannot be written into certificates by this program.
    NameForm,
    /// The validity asked for.
    Validity {
        /// The authority's last second.
        ends: Time,
    },
    /// A name that cannot stand in a certificate.
    ServerName(String),
    /// None or too many names.
    ServerNames,
    /// A common name that cannot stand in a certificate.
    CommonName,
    /// The encoder refused.
    Encoding(#[from] rcgen::Error),
}

impl Tell for IssueFault {
    fn tell(&self) -> Fact {
        match self {
            Self::Random(error) => msg!("the system's random source failed: {error}", error = error.to_string()),
            Self::OtherKey => msg!("the key is not the one of the authority's certificate"),
            Self::NameForm => msg!(
                "the authority's name is of a form that this program cannot repeat; issue with the tool that made it"
            ),
            Self::Validity { ends } => msg!(
                "the certificate would not end after it begins, or would outlive its authority, which ends {ends}",
                ends
            ),
            Self::ServerName(name) => {
                msg!("{name} is neither a DNS name nor an IP address", name = format!("{name:?}"))
            }
            Self::ServerNames => {
                msg!("a server's certificate needs between 1 and {limit} names", limit = MAX_SERVER_NAMES)
            }
            Self::CommonName => msg!(
                "a common name has between 1 and {limit} characters, none of them a control",
                limit = MAX_COMMON_NAME
            ),
            Self::Encoding(error) => msg!("the certificate could not be made: {error}", error = error.to_string()),
            Self::Refused(error) => return error.tell(),
        }
        .into()
    }
}

/// A new certificate with its key, both PEM. The key's text is wiped from memory when dropped.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub cert_pem: String,
    /// Its private key: PKCS#8, not encrypted.
    pub key_pem: Zeroizing<String>,
}

/// An authority with its private key.
pub struct CertificateAuthority {
    der: CertificateDer<'static>,
    ends: Time,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Makes a new authority with a new key. It signs callers' and servers' certificates, and no further authorities.
    ///
    /// # Errors
    /// [`IssueFault`] for a common name or validity that cannot be, or without random bytes.
    pub fn new(common_name: &str, not_before: Time, not_after: Time) -> Result<Self, IssueFault> {
        let mut params = params(common_name, not_before, not_after)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self::root(params, KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?, not_after)
    }

    pub(super) fn root(params: CertificateParams, key: KeyPair, ends: Time) -> Result<Self, IssueFault> {
        let der = params.self_signed(&key)?.der().clone();
        Ok(Self { der, ends, issuer: Issuer::new(params, key) })
    }
    #[cfg(test)]
    pub(super) fn with_certificate(
        der: CertificateDer<'static>,
        params: CertificateParams,
        key: KeyPair,
        ends: Time,
    ) -> Self {
        Self { der, ends, issuer: Issuer::new(params, key) }
    }

    /// Takes up an authority from its two files.
    ///
    /// # Errors
    /// [`IssueFault`] if they are no authority ([`Authority`]), do not belong together, or carry a name that this
    /// program cannot repeat: one with two attributes in a set, the same attribute twice, or a rare string type.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, IssueFault> {
        let bad = |what: Message, problem: Message| IssueFault::Refused(Refusal::malformed(what, problem));
        let der = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|_| bad(msg!("authority certificate"), msg!("no CERTIFICATE in the file")))?;
        let authority = Authority::parse_member(msg!("authority certificate"), &der)?;
        let key = KeyPair::from_pem(key_pem)
            .map_err(|_| bad(msg!("authority key"), msg!("no PRIVATE KEY (PKCS#8, not encrypted) in the file")))?;
        if public_key(&der).ok() != Some(key.subject_public_key_info()) {
            return Err(IssueFault::OtherKey);
        }
        let unreadable = |_| bad(msg!("authority certificate"), msg!("it cannot be read"));
        let certificate = Certificate::from_der(&der).map_err(unreadable)?;
        let tbs = certificate.tbs_certificate();
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(tbs.subject()).ok_or(IssueFault::NameForm)?;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        if let Some((_, id)) = tbs.get_extension::<SubjectKeyIdentifier>().map_err(unreadable)? {
            params.key_identifier_method = KeyIdMethod::PreSpecified(id.0.as_bytes().to_vec());
        }
        Ok(Self { der, ends: authority.not_after(), issuer: Issuer::new(params, key) })
    }

    /// A caller's certificate with a new key: one URI, for clients only.
    ///
    /// # Errors
    /// [`IssueFault::Validity`] if it would outlive the authority.
    pub fn issue_client(&self, id: &SpiffeId, not_before: Time, not_after: Time) -> Result<Issued, IssueFault> {
        // The common name is for people who list files: the identity is the URI, however long.
        let shown: String = id.name.chars().take(MAX_COMMON_NAME).collect();
        let mut params = self.leaf(&shown, not_before, not_after)?;
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// A server's certificate with a new key, for these DNS names and IP addresses.
    ///
    /// # Errors
    /// [`IssueFault`] for a name that is neither, or a validity beyond the authority's.
    pub fn issue_server(
        &self,
        names: &[impl AsRef<str>],
        not_before: Time,
        not_after: Time,
    ) -> Result<Issued, IssueFault> {
        let (Some(first), 1..=MAX_SERVER_NAMES) = (names.first(), names.len()) else {
            return Err(IssueFault::ServerNames);
        };
        let shown: String = first.as_ref().chars().take(MAX_COMMON_NAME).collect();
        let alternatives = names
            .iter()
            .map(|name| {
                let bad = || IssueFault::ServerName(name.as_ref().chars().take(80).collect());
                match ServerName::try_from(name.as_ref()).map_err(|_| bad())? {
                    ServerName::DnsName(dns) => {
                        Ok(SanType::DnsName(dns.as_ref().to_ascii_lowercase().try_into().map_err(|_| bad())?))
                    }
                    ServerName::IpAddress(ip) => Ok(SanType::IpAddress(IpAddr::from(ip))),
                    _ => Err(bad()),
                }
            })
            .collect::<Result<_, IssueFault>>()?;
        let mut params = self.leaf(&shown, not_before, not_after)?;
        params.subject_alt_names = alternatives;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// The authority's certificate in DER, as a `trust` statement or a charter's `server_ca` carries it.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
    /// The authority's certificate and key as files.
    #[must_use]
    pub fn to_pem(&self) -> Issued {
        Issued { cert_pem: certificate_pem(&self.der), key_pem: Zeroizing::new(self.issuer.key().serialize_pem()) }
    }

    fn leaf(&self, common_name: &str, not_before: Time, not_after: Time) -> Result<CertificateParams, IssueFault> {
        if not_after > self.ends || not_after < not_before {
            return Err(IssueFault::Validity { ends: self.ends });
        }
        let mut params = params(common_name, not_before, not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    /// Signs whatever stands in `params` for a new P-256 key.
    pub(super) fn sign(&self, params: CertificateParams) -> Result<Issued, IssueFault> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        self.sign_key(params, &key)
    }
    pub(super) fn sign_key(&self, params: CertificateParams, key: &KeyPair) -> Result<Issued, IssueFault> {
        let certificate = params.signed_by(key, &self.issuer)?;
        Ok(Issued { cert_pem: certificate.pem(), key_pem: Zeroizing::new(key.serialize_pem()) })
    }
    #[cfg(test)]
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

pub(super) fn params(common_name: &str, not_before: Time, not_after: Time) -> Result<CertificateParams, IssueFault> {
    if !(1..=MAX_COMMON_NAME).contains(&common_name.chars().count()) || common_name.chars().any(char::is_control) {
        return Err(IssueFault::CommonName);
    }
    if not_after < not_before {
        return Err(IssueFault::Validity { ends: not_after });
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let moment = |t: Time| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(t.unix().unsigned_abs());
    params.not_before = moment(not_before);
    params.not_after = moment(not_after);
    params.serial_number = Some(serial_number()?);
    Ok(params)
}

/// 16 random bytes whose first bits are 01: positive, never empty, of one length (RFC 5280, section 4.1.2.2).
fn serial_number() -> Result<SerialNumber, IssueFault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(IssueFault::Random)?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// A name for the encoder; none if it would come out in other bytes, since chains are matched by them.
fn distinguished_name(name: &Name) -> Option<DistinguishedName> {
    let mut out = DistinguishedName::new();
    for set in name.iter_rdn() {
        let [attribute] = set.iter().collect::<Vec<_>>()[..] else { return None };
        let arcs: Vec<u64> = attribute.oid.arcs().map(u64::from).collect();
        let kind = DnType::from_oid(&arcs);
        let text = || std::str::from_utf8(attribute.value.value()).ok();
        let value = match attribute.value.tag() {
            Tag::Utf8String => DnValue::Utf8String(text()?.to_owned()),
            Tag::PrintableString => DnValue::PrintableString(text()?.try_into().ok()?),
            Tag::Ia5String => DnValue::Ia5String(text()?.try_into().ok()?),
            _ => return None,
        };
        if out.get(&kind).is_some() {
            return None;
        }
        out.push(kind, value);
    }
    Some(out)
}

fn certificate_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use x509_cert::der::Encode;

    use super::*;
    use crate::pki::{
        pem,
        samples::{self, YEAR, now},
        trust::{PartyAnchors, TrustSet},
    };

    #[test]
    fn an_authority_survives_its_files_and_issues() {
        let made = CertificateAuthority::new("Sample Ministry CA", now(), now().plus(YEAR)).expect("made");
        let files = made.to_pem();
        let loaded = CertificateAuthority::from_pem(&files.cert_pem, &files.key_pem).expect("loaded");
        assert_eq!(made.der(), loaded.der());
        assert!(files.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
        let id: SpiffeId = "spiffe://mfa.north.example/official/a.sample".parse().expect("an id");
        let set = TrustSet::build(
            1,
            vec![PartyAnchors {
                id: "north".parse().expect("a party"),
                trust_domain: id.trust_domain.clone(),
                authorities: vec![made.der().to_vec()],
                revoked: Default::default(),
            }],
        )
        .expect("a set");
        let mut serials = std::collections::BTreeSet::new();
        for ca in [&made, &loaded] {
            let issued = ca.issue_client(&id, now(), now().plus(YEAR)).expect("issued");
            let chain = pem::chain(issued.cert_pem.as_bytes()).expect("a chain");
            let verified = set.examine(&chain, samples::unix(now())).expect("verified");
            assert_eq!((verified.caller.id, verified.valid_until), (id.clone(), now().plus(YEAR)));
            let serial = Certificate::from_der(&chain[0]).expect("X.509").tbs_certificate().serial_number().to_string();
            assert!(serials.insert(serial), "serial numbers are random");
        }
    }

    #[test]
    fn foreign_names_are_repeated_to_the_byte_or_not_at_all() {
        let subject =
            |change: fn(&mut DistinguishedName)| samples::root("Sample CA", move |p| change(&mut p.distinguished_name));
        let rich = subject(|dn| {
            dn.push(DnType::CountryName, DnValue::PrintableString("XX".try_into().expect("printable")));
            dn.push(DnType::OrganizationName, "Ministère de l’Exemple");
            dn.push(
                DnType::from_oid(&[0, 9, 2342, 19200300, 100, 1, 25]),
                DnValue::Ia5String("example".try_into().expect("ascii")),
            );
        });
        let files = rich.ca.to_pem();
        let loaded = CertificateAuthority::from_pem(&files.cert_pem, &files.key_pem).expect("loaded");
        let id: SpiffeId = "spiffe://mfa.north.example/official/a.sample".parse().expect("an id");
        let leaf = loaded.issue_client(&id, now(), now().plus(1)).expect("issued");
        let leaf = pem::chain(leaf.cert_pem.as_bytes()).expect("a chain").remove(0);
        let name = |der: &[u8], issuer: bool| {
            let certificate = Certificate::from_der(der).expect("X.509");
            let tbs = certificate.tbs_certificate();
            (if issuer { tbs.issuer() } else { tbs.subject() }).to_der().expect("DER")
        };
        assert_eq!(name(&leaf, true), name(rich.der(), false));

        let rare = subject(|dn| dn.push(DnType::LocalityName, DnValue::BmpString("Nord".try_into().expect("BMP"))));
        let files = rare.ca.to_pem();
        assert!(matches!(CertificateAuthority::from_pem(&files.cert_pem, &files.key_pem), Err(IssueFault::NameForm)));
    }

    #[test]
    fn what_cannot_hold_is_not_issued() {
        let ca = CertificateAuthority::new("Sample CA", now(), now().plus(YEAR)).expect("made");
        let id: SpiffeId = "spiffe://mfa.north.example/official/a.sample".parse().expect("an id");
        assert!(matches!(ca.issue_client(&id, now(), now().plus(YEAR + 1)), Err(IssueFault::Validity { .. })));
        assert!(matches!(ca.issue_client(&id, now(), now().plus(-1)), Err(IssueFault::Validity { .. })));
        assert!(matches!(CertificateAuthority::new("", now(), now().plus(1)), Err(IssueFault::CommonName)));
        assert!(matches!(CertificateAuthority::new("a\u{7}", now(), now().plus(1)), Err(IssueFault::CommonName)));
        assert!(matches!(ca.issue_server(&[] as &[&str], now(), now()), Err(IssueFault::ServerNames)));
        for bad in ["", "a b", "*.example", "exämple.test", "host:443"] {
            assert!(matches!(ca.issue_server(&[bad], now(), now()), Err(IssueFault::ServerName(_))), "{bad}");
        }
        assert!(ca.issue_server(&["exchange.example", "127.0.0.1", "::1"], now(), now()).is_ok());
        let (one, other) = (ca.to_pem(), samples::root("Sample CA", |_| {}).ca.to_pem());
        assert!(matches!(CertificateAuthority::from_pem(&one.cert_pem, &other.key_pem), Err(IssueFault::OtherKey)));
        let leaf = ca.issue_client(&id, now(), now()).expect("issued");
        assert!(matches!(CertificateAuthority::from_pem(&leaf.cert_pem, &leaf.key_pem), Err(IssueFault::Refused(_))));
    }
}
