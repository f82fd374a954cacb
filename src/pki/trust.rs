//! Who may come in: one immutable set of every party's authorities and revoked certificates, replaced as a whole.
//!
//! The identity is the one URI of the leaf. Its trust domain names the party, and the chain must end at that party's
//! own authorities: no pooled roots, so no party's authority can speak for another party.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use webpki::aws_lc_rs as algorithm;

use super::{
    authority::Authority,
    certificate::{Facts, moment},
};
use crate::{
    domain::{
        id::{Digest, PartyId, SpiffeId, TrustDomain},
        message::{Fact, Tell},
        refusal::Refusal,
        time::Time,
    },
    msg,
};

/// The most certificates that a chain may have, leaf included.
pub const MAX_CHAIN: usize = 4;
/// The largest certificate of a chain, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;
/// The shortest RSA modulus of a leaf or an intermediate, in bits.
pub const MIN_RSA_BITS: usize = 2048;
/// The most authorities that a party may have at once: the old, the new, and some for its bureaus.
pub const MAX_AUTHORITIES: usize = 16;

/// How certificates may be signed: ECDSA on P-256 and P-384, RSA from 2048 bits; nothing with SHA-1.
static SIGNATURES: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P256_SHA384,
    algorithm::ECDSA_P384_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::RSA_PKCS1_2048_8192_SHA256,
    algorithm::RSA_PKCS1_2048_8192_SHA384,
    algorithm::RSA_PKCS1_2048_8192_SHA512,
    algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// One party's part of the set, as the charter and its `trust` statement in force say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyAnchors {
    /// The party.
    pub id: PartyId,
    /// Its trust domain, from the charter.
    pub trust_domain: TrustDomain,
    /// Its authorities' certificates in DER; at most [`MAX_AUTHORITIES`]. None lets nobody of the party in.
    pub authorities: Vec<Vec<u8>>,
    /// SHA-256 of the DER of the leaf certificates that it shuts out.
    pub revoked: BTreeSet<Digest>,
}

/// Who is calling, from a verified certificate and nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The party whose authority vouches for the caller.
    pub party: PartyId,
    /// The identity in the certificate.
    pub id: SpiffeId,
    /// SHA-256 of the leaf's DER: what a revocation names.
    pub leaf: Digest,
}

/// A chain that holds: whose it is, and until when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Who it is.
    pub caller: Caller,
    /// The last second at which every certificate of the chain, the authority's too, is valid.
    pub valid_until: Time,
}

/// Why a chain is nobody's. The text is for the exchange's log: the peer learns a TLS alert, no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IdentityFault {
    /// TLS without a client certificate.
    NoCertificate,
    /// More than [`MAX_CHAIN`].
    ChainTooLong(usize),
    /// More than [`MAX_CERTIFICATE_BYTES`].
    CertificateTooLarge(usize),
    /// Not X.509 in DER.
    Unreadable(String),
    /// The leaf has no URI.
    NoUri,
    /// The leaf has more URIs than one: which is meant, nobody can say.
    SeveralUris(usize),
    /// The URI is no identity of ours.
    NotSpiffe(Refusal),
    /// The trust domain is no party's.
    UnknownTrustDomain(TrustDomain),
    /// The leaf is itself an authority.
    LeafIsAuthority,
    /// The leaf may sign certificates.
    LeafMaySign,
    /// The leaf does not say clientAuth.
    NotForClients,
    /// The leaf's or an intermediate's key.
    WeakKey,
    /// An intermediate without cA or keyCertSign.
    IntermediateUnfit,
    /// The party shut this leaf out.
    Revoked(Digest),
    /// The party has no authority within its validity.
    NoValidAuthority(PartyId),
    /// A certificate of the chain is past its validity.
    Expired,
    /// A certificate of the chain is before its validity.
    NotYetValid,
    /// The chain does not end at an authority of the party that it names.
    UnknownIssuer(PartyId),
    /// More intermediates than the authority allows.
    PathTooLong,
    /// Any other fault of the chain (RFC 5280, section 6).
    Chain(webpki::Error),
}

impl Tell for IdentityFault {
    fn tell(&self) -> Fact {
        match self {
            Self::NoCertificate => msg!("no certificate was sent"),
            Self::ChainTooLong(certificates) => {
                msg!("the chain has {certificates} certificates, more than {limit}", certificates, limit = MAX_CHAIN)
            }
            Self::CertificateTooLarge(bytes) => {
                msg!("a certificate has {bytes} bytes, more than {limit}", bytes, limit = MAX_CERTIFICATE_BYTES)
            }
            Self::Unreadable(error) => msg!("a certificate cannot be read: {error}", error),
            Self::NoUri => msg!("the certificate has no URI among its names"),
            Self::SeveralUris(uris) => msg!("the certificate has {uris} URIs among its names; it must have one", uris),
            Self::NotSpiffe(refusal) => return refusal.tell(),
            Self::UnknownTrustDomain(domain) => msg!("no party has the trust domain {domain}", domain),
            Self::LeafIsAuthority => msg!("an authority's certificate was used as a caller's"),
            Self::LeafMaySign => msg!("the caller's certificate has keyCertSign"),
            Self::NotForClients => msg!("the certificate is not for clients: extKeyUsage lacks clientAuth"),
            Self::WeakKey => {
                msg!("a key is neither on P-256 or P-384 nor RSA of at least {limit} bits", limit = MIN_RSA_BITS)
            }
            Self::IntermediateUnfit => {
                msg!("a certificate between the caller's and the authority's is not an authority's")
            }
            Self::Revoked(certificate) => msg!("certificate {certificate} is revoked", certificate),
            Self::NoValidAuthority(party) => msg!("party {party} has no authority that is valid now", party),
            Self::Expired => msg!("a certificate has expired"),
            Self::NotYetValid => msg!("a certificate is not valid yet"),
            Self::UnknownIssuer(party) => msg!("the chain does not end at an authority of party {party}", party),
            Self::PathTooLong => msg!("the chain is longer than its authority allows"),
            Self::Chain(error) => msg!("the chain does not hold: {error}", error = format!("{error:?}")),
        }
        .into()
    }
}
crate::told!(IdentityFault);

impl From<IdentityFault> for Error {
    /// The alert that the caller sees: what its owner can mend (an expired certificate) is told, the rest is not.
    fn from(fault: IdentityFault) -> Self {
        Error::InvalidCertificate(match fault {
            IdentityFault::Expired => CertificateError::Expired,
            IdentityFault::NotYetValid => CertificateError::NotValidYet,
            IdentityFault::Revoked(_) => CertificateError::Revoked,
            fault => CertificateError::Other(OtherError(Arc::new(fault))),
        })
    }
}

#[derive(PartialEq, Eq, Debug)]
struct PartyTrust {
    id: PartyId,
    trust_domain: TrustDomain,
    authorities: Vec<Authority>,
    revoked: BTreeSet<Digest>,
}

/// Every party's authorities at one epoch. Is itself the TLS layer's verifier of client certificates.
#[derive(Debug)]
pub struct TrustSet {
    epoch: u64,
    by_domain: BTreeMap<TrustDomain, PartyTrust>,
    schemes: WebPkiSupportedAlgorithms,
}

impl TrustSet {
    /// Puts a set together. An expired authority is no fault here; it lets nobody in.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if an authority does not parse or a party or trust domain stands twice;
    /// [`Refusal::LimitReached`] over [`MAX_AUTHORITIES`].
    pub fn build(epoch: u64, parties: Vec<PartyAnchors>) -> Result<Self, Refusal> {
        let mut ids = BTreeSet::new();
        let mut by_domain = BTreeMap::new();
        for party in parties {
            if party.authorities.len() > MAX_AUTHORITIES {
                return Err(Refusal::LimitReached {
                    what: msg!("authorities of {party}", party = party.id),
                    limit: MAX_AUTHORITIES as u64,
                });
            }
            if !ids.insert(party.id.clone()) {
                return Err(Refusal::malformed(
                    msg!("trust set"),
                    msg!("party {party} stands twice", party = party.id),
                ));
            }
            let authorities = party.authorities.iter().map(|der| Authority::parse(der)).collect::<Result<_, _>>()?;
            let trust = PartyTrust {
                id: party.id,
                trust_domain: party.trust_domain.clone(),
                authorities,
                revoked: party.revoked,
            };
            if by_domain.insert(party.trust_domain, trust).is_some() {
                return Err(Refusal::malformed(msg!("trust set"), msg!("two parties have the same trust domain")));
            }
        }
        Ok(Self { epoch, by_domain, schemes: super::provider().signature_verification_algorithms })
    }

    /// Which state of the log this set stands for; a later one is higher.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether this set and another treat every certificate of this trust domain alike.
    #[must_use]
    pub fn agrees_on(&self, other: &Self, domain: &TrustDomain) -> bool {
        self.by_domain.get(domain) == other.by_domain.get(domain)
    }

    /// Whose chain this is, leaf first. Some 0.1 ms of work.
    ///
    /// # Errors
    /// [`IdentityFault`]: the first thing that is wrong.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Caller, IdentityFault> {
        self.examine(chain, now).map(|v| v.caller)
    }

    /// The same, with the moment until when it holds.
    ///
    /// # Errors
    /// [`IdentityFault`]: the first thing that is wrong.
    pub fn examine(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Verified, IdentityFault> {
        let (leaf, rest) = chain.split_first().ok_or(IdentityFault::NoCertificate)?;
        self.examine_parts(leaf, rest, now)
    }

    fn examine_parts(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Verified, IdentityFault> {
        // Bounds first: nothing is parsed, let alone verified, that is too much.
        if rest.len() >= MAX_CHAIN {
            return Err(IdentityFault::ChainTooLong(rest.len() + 1));
        }
        if let Some(large) = std::iter::once(leaf).chain(rest).find(|c| c.len() > MAX_CERTIFICATE_BYTES) {
            return Err(IdentityFault::CertificateTooLarge(large.len()));
        }

        let facts = read(leaf)?;
        let uri = match facts.uris.as_slice() {
            [uri] => uri,
            [] => return Err(IdentityFault::NoUri),
            more => return Err(IdentityFault::SeveralUris(more.len())),
        };
        let id: SpiffeId = uri.parse().map_err(IdentityFault::NotSpiffe)?;
        let party = self
            .by_domain
            .get(&id.trust_domain)
            .ok_or_else(|| IdentityFault::UnknownTrustDomain(id.trust_domain.clone()))?;

        // What webpki accepts in a leaf and we do not.
        if facts.is_ca {
            return Err(IdentityFault::LeafIsAuthority);
        }
        if facts.may_sign_certificates {
            return Err(IdentityFault::LeafMaySign);
        }
        if !facts.for_clients {
            return Err(IdentityFault::NotForClients);
        }
        if !facts.key.is_strong(MIN_RSA_BITS) {
            return Err(IdentityFault::WeakKey);
        }
        let digest = Digest::of(leaf);
        if party.revoked.contains(&digest) {
            return Err(IdentityFault::Revoked(digest));
        }
        for intermediate in rest {
            let facts = read(intermediate)?;
            if !facts.is_ca || !facts.may_sign_certificates {
                return Err(IdentityFault::IntermediateUnfit);
            }
            if !facts.key.is_strong(MIN_RSA_BITS) {
                return Err(IdentityFault::WeakKey);
            }
        }

        let valid_until = party.verify_path(leaf, rest, now)?.min(facts.not_after);
        Ok(Verified { caller: Caller { party: party.id.clone(), id, leaf: digest }, valid_until })
    }
}

impl PartyTrust {
    /// Builds and checks the path to one of the party's own authorities (RFC 5280, section 6).
    /// Gives the last second at which the path above the leaf is valid.
    fn verify_path(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Time, IdentityFault> {
        // webpki takes an anchor as it is, however old.
        let anchors: Vec<_> =
            self.authorities.iter().filter(|a| a.valid_at(moment(now))).map(|a| a.anchor().clone()).collect();
        if anchors.is_empty() {
            return Err(IdentityFault::NoValidAuthority(self.id.clone()));
        }
        let end = webpki::EndEntityCert::try_from(leaf).map_err(IdentityFault::Chain)?;
        let path = end
            .verify_for_usage(SIGNATURES, &anchors, rest, now, webpki::KeyUsage::client_auth(), None, None)
            .map_err(|e| match e {
            webpki::Error::CertExpired { .. } => IdentityFault::Expired,
            webpki::Error::CertNotValidYet { .. } => IdentityFault::NotYetValid,
            webpki::Error::UnknownIssuer => IdentityFault::UnknownIssuer(self.id.clone()),
            other => IdentityFault::Chain(other),
        })?;

        // Authorities may share a name and a key (a renewed one does): the kindest of those that are valid counts.
        let ends_at = || self.authorities.iter().filter(|a| a.valid_at(moment(now)) && a.anchor() == path.anchor());
        let between = path.intermediate_certificates().count();
        if !ends_at().any(|a| a.path_len().is_none_or(|most| between <= usize::from(most))) {
            return Err(IdentityFault::PathTooLong);
        }
        let mut until = ends_at().map(Authority::not_after).max().unwrap_or(moment(now));
        for intermediate in path.intermediate_certificates() {
            until = until.min(read(&intermediate.der())?.not_after);
        }
        Ok(until)
    }
}

/// Reads a peer's certificate. The parser's message may not carry the peer's bytes raw into a log.
fn read(der: &CertificateDer<'_>) -> Result<Facts, IdentityFault> {
    Facts::read(der).map_err(|e| IdentityFault::Unreadable(e.to_string().escape_debug().to_string()))
}

impl ClientCertVerifier for TrustSet {
    /// Nobody outside learns which ministries take part.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.examine_parts(leaf, rest, now)?;
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is off".into()))
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &self.schemes)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
