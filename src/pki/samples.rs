//! Sample authorities and certificates for the tests of this room and of the listener. Nobody here exists.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    time_provider::TimeProvider,
};

use super::{
    client::client_config,
    issue::{self, CertificateAuthority, Issued},
    pem,
    trust::{PartyAnchors, TrustSet},
};
use crate::domain::{
    id::{Digest, SpiffeId},
    time::Time,
};

pub(crate) const YEAR: i64 = 365 * 86_400;
pub(crate) const SERVER: &str = "exchange.example";
pub(crate) const NORTH: &str = "spiffe://mfa.north.example/official/a.sample";
pub(crate) const SOUTH: &str = "spiffe://mfa.south.example/system/registry";

/// The samples' today: 2026-11-23T00:00:00Z.
pub(crate) fn now() -> Time {
    Time::from_unix(1_795_392_000)
}
pub(crate) fn unix(t: Time) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(t.unix().unsigned_abs()))
}
/// Sets a certificate's validity.
pub(crate) fn valid(params: &mut CertificateParams, from: Time, until: Time) {
    let moment = |t: Time| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(t.unix().unsigned_abs());
    (params.not_before, params.not_after) = (moment(from), moment(until));
}

/// An authority that signs whatever it is told to.
pub(crate) struct Ca {
    pub ca: CertificateAuthority,
}

/// An authority that is valid for two years around today, changed at will.
pub(crate) fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Ca {
    Ca::make(name, KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key"), change)
}

impl Ca {
    fn make(name: &str, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = issue::params(name, now().plus(-YEAR), now().plus(YEAR)).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut params);
        Self { ca: CertificateAuthority::root(params, key, now().plus(10 * YEAR)).expect("an authority") }
    }
    pub fn with_key(algorithm: &'static rcgen::SignatureAlgorithm, name: &str) -> Self {
        Self::make(name, KeyPair::generate_for(algorithm).expect("a key"), |_| {})
    }
    pub fn with_rsa(size: rcgen::RsaKeySize, name: &str) -> Self {
        Self::make(name, KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).expect("a key"), |_| {})
    }
    pub fn der(&self) -> &[u8] {
        self.ca.der()
    }
    /// A caller's certificate for a year from now.
    pub fn client(&self, id: &str) -> Issued {
        let id: SpiffeId = id.parse().expect("an id");
        self.ca.issue_client(&id, now().plus(-60), now().plus(YEAR)).expect("a certificate")
    }
    /// A caller's certificate, changed at will before it is signed.
    pub fn odd(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        self.ca.sign(odd(change)).expect("a certificate")
    }
    /// The same for a key of another kind.
    pub fn odd_key(&self, key: &KeyPair) -> Issued {
        self.ca.sign_key(odd(|_| {}), key).expect("a certificate")
    }
    pub fn server_until(&self, until: Time) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let issued =
            self.ca.issue_server(&[SERVER, "127.0.0.1"], now().plus(-60), until).expect("a server's certificate");
        files(&issued)
    }
    /// An authority below this one, changed at will.
    pub fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Ca {
        self.below_key(name, &rcgen::PKCS_ECDSA_P256_SHA256, change)
    }
    pub fn below_key(
        &self,
        name: &str,
        algorithm: &'static rcgen::SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Ca {
        let mut params = issue::params(name, now().plus(-YEAR), now().plus(YEAR)).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let der = params.signed_by(&key, self.ca.issuer()).expect("a certificate").der().clone();
        Ca { ca: CertificateAuthority::with_certificate(der, params, key, now().plus(10 * YEAR)) }
    }
}

/// What an official's certificate of North says, changed at will.
fn odd(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = issue::params("a.sample", now().plus(-60), now().plus(YEAR)).expect("parameters");
    params.subject_alt_names = vec![uri(NORTH)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    params
}
pub(crate) fn uri(text: &str) -> rcgen::SanType {
    rcgen::SanType::URI(text.try_into().expect("ASCII"))
}

pub(crate) fn files(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (
        pem::chain(issued.cert_pem.as_bytes()).expect("a chain"),
        pem::private_key(issued.key_pem.as_bytes()).expect("a key"),
    )
}
pub(crate) fn leaf_digest(issued: &Issued) -> Digest {
    Digest::of(&files(issued).0[0])
}

/// Two parties and an exchange.
pub(crate) struct World {
    pub north: Ca,
    pub south: Ca,
    pub exchange: Ca,
}

impl World {
    pub fn new() -> Self {
        Self {
            north: root("Sample North CA", |_| {}),
            south: root("Sample South CA", |_| {}),
            exchange: root("Sample exchange CA", |_| {}),
        }
    }
    pub fn parties(&self) -> Vec<PartyAnchors> {
        let party = |id: &str, domain: &str, ca: &Ca| PartyAnchors {
            id: id.parse().expect("a party"),
            trust_domain: domain.parse().expect("a trust domain"),
            authorities: vec![ca.der().to_vec()],
            revoked: BTreeSet::new(),
        };
        vec![party("north", "mfa.north.example", &self.north), party("south", "mfa.south.example", &self.south)]
    }
    pub fn trust(&self, epoch: u64) -> TrustSet {
        TrustSet::build(epoch, self.parties()).expect("a trust set")
    }
    pub fn server(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        self.exchange.server_until(now().plus(YEAR))
    }
    /// A caller's configuration, living today.
    pub fn client(&self, issued: &Issued) -> Arc<ClientConfig> {
        let (chain, key) = files(issued);
        client_at(&client_config(&[self.exchange.der()], chain, key).expect("a configuration"), now())
    }
}

/// A clock that stands, until it is set.
#[derive(Debug)]
pub(crate) struct Clock(std::sync::atomic::AtomicI64);
impl Clock {
    pub fn at(t: Time) -> Arc<Self> {
        Arc::new(Self(t.unix().into()))
    }
    pub fn set(&self, t: Time) {
        self.0.store(t.unix(), std::sync::atomic::Ordering::SeqCst);
    }
}
impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix(Time::from_unix(self.0.load(std::sync::atomic::Ordering::SeqCst))))
    }
}

/// The same configuration with this clock.
pub(crate) fn with_clock(config: &ServerConfig, clock: Arc<Clock>) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.time_provider = clock;
    Arc::new(config)
}
pub(crate) fn at(config: &ServerConfig, t: Time) -> Arc<ServerConfig> {
    with_clock(config, Clock::at(t))
}
pub(crate) fn client_at(config: &ClientConfig, t: Time) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.time_provider = Clock::at(t);
    Arc::new(config)
}

/// A whole handshake in memory; both sides' first error ends it.
pub(crate) fn shake(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    for _ in 0..16 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory");
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).expect("memory");
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory");
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).expect("memory");
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}
