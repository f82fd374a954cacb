//! The caller's side of TLS: the exchange is pinned by the authorities that its charters name, not by the system's.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};

use super::{
    authority::Authority,
    certificate::{Facts, moment},
    pem,
};
use crate::{
    domain::{id::SpiffeId, message::Message, refusal::Refusal},
    msg,
};

/// The TLS configuration of a caller: the server must chain to one of `server_cas` (DER, of
/// each charter known: while one succeeds another, either may be shown) and bear the name
/// that the connection is made with ([`server_name`]); the caller shows `chain`.
///
/// # Errors
/// [`Refusal::Malformed`] if one of `server_cas` is no [`Authority`], or the key is not the certificate's.
pub fn client_config(
    server_cas: &[impl AsRef<[u8]>],
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ClientConfig>, Refusal> {
    let mut by = Vec::new();
    for server_ca in server_cas {
        let authority = Authority::parse_member("charter.server_ca", server_ca.as_ref())?;
        let mut roots = RootCertStore::empty();
        roots.roots.push(authority.anchor().clone());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), super::provider())
            .build()
            .map_err(|e| Refusal::malformed("charter.server_ca", Message::words(e.to_string())))?;
        by.push((authority, verifier));
    }
    let bad = |e: Error| Refusal::malformed(msg!("client certificate"), Message::words(e.to_string()));
    let mut config = ClientConfig::builder_with_provider(super::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(bad)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedServer {
            by,
            schemes: super::provider().signature_verification_algorithms,
        }))
        .with_client_auth_cert(chain, key)
        .map_err(bad)?;
    config.alpn_protocols = vec![super::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The TLS configuration of a caller who shows no certificate, to whoever has one of these authorities (PEM) and bears the name that the
/// connection is made with. For what is believed by its signatures, wherever it came from.
///
/// # Errors
/// [`Refusal::Malformed`] for broken PEM, or no authority that can be used; of a system's many, some may be of forms that are not.
pub fn known_by(authorities: &[u8]) -> Result<Arc<ClientConfig>, Refusal> {
    let bad = |problem: Message| Refusal::malformed(msg!("authorities"), problem);
    let certificates = CertificateDer::pem_slice_iter(authorities).collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(
        certificates.map_err(|e| bad(msg!("broken PEM: {error}", error = format!("{e:?}"))))?,
    );
    if taken == 0 {
        return Err(bad(msg!("none of them can be used")));
    }
    let config = ClientConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(Message::words(e.to_string())))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The name that the server's certificate must bear: a DNS name or an IP address.
///
/// # Errors
/// [`Refusal::Malformed`] for anything else.
pub fn server_name(name: &str) -> Result<ServerName<'static>, Refusal> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| Refusal::malformed(msg!("server name"), msg!("neither a DNS name nor an IP address")))
}

/// The caller that a certificate chain in PEM names. A claim, as long as nobody has verified the chain.
///
/// # Errors
/// [`Refusal::Malformed`] for what is no certificate, or names no caller or several.
pub fn caller(chain_pem: &[u8]) -> Result<SpiffeId, Refusal> {
    let bad = |problem: Message| Refusal::malformed(msg!("client certificate"), problem);
    let chain = pem::chain(chain_pem)?;
    let leaf = chain.first().ok_or_else(|| bad(msg!("is not there")))?;
    let facts = Facts::read(leaf).map_err(|e| bad(Message::words(e.to_string())))?;
    match facts.uris.as_slice() {
        [uri] => uri.parse(),
        uris => Err(bad(msg!("has {uris} URIs, not the one that names its caller", uris = uris.len()))),
    }
}

/// webpki's verifier of servers, with the anchor's own validity, which webpki does not look at.
#[derive(Debug)]
struct PinnedServer {
    by: Vec<(Authority, Arc<WebPkiServerVerifier>)>,
    schemes: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for (authority, verifier) in &self.by {
            if !authority.valid_at(moment(now)) {
                refused = Error::InvalidCertificate(CertificateError::Expired);
                continue;
            }
            match verifier.verify_server_cert(leaf, rest, name, ocsp, now) {
                Err(error) => refused = error,
                verified => return verified,
            }
        }
        Err(refused)
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
        verify_tls13_signature(message, leaf, signed, &self.schemes)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConnection, ServerConnection};

    use super::*;
    use crate::pki::{
        samples::{self, World, YEAR, now},
        server::server_config,
    };

    #[test]
    fn a_certificate_names_its_caller() {
        let world = World::new();
        let named = world.north.client("spiffe://mfa.north.example/official/a.sample");
        let id = caller(named.cert_pem.as_bytes()).expect("a caller");
        assert_eq!(id.to_string(), "spiffe://mfa.north.example/official/a.sample");
        for bad in [named.key_pem.as_bytes(), b"", b"none"] {
            assert!(caller(bad).is_err());
        }
    }

    #[test]
    fn only_the_pinned_server_is_spoken_to() {
        let world = World::new();
        let caller = world.north.client("spiffe://mfa.north.example/official/a.sample");
        let (chain, key) = world.server();
        let server = server_config(Arc::new(world.trust(1)), chain, key).expect("a configuration");
        let stranger = samples::root("Sample exchange CA", |_| {});
        // Its anchor ends before its leaf does: what webpki lets pass.
        let short = samples::root("Short CA", |p| samples::valid(p, now(), now().plus(10)));
        let (short_chain, short_key) = short.server_until(now().plus(YEAR));
        let short_server = server_config(Arc::new(world.trust(1)), short_chain, short_key).expect("a configuration");

        for (what, server, pin, name, when, good) in [
            ("the pinned one", &server, world.exchange.der(), samples::SERVER, now(), true),
            ("another name", &server, world.exchange.der(), "other.example", now(), false),
            ("another authority", &server, stranger.der(), samples::SERVER, now(), false),
            ("expired", &server, world.exchange.der(), samples::SERVER, now().plus(2 * YEAR), false),
            ("short authority", &short_server, short.der(), samples::SERVER, now(), true),
            ("expired authority", &short_server, short.der(), samples::SERVER, now().plus(11), false),
        ] {
            let chain = pem::chain(caller.cert_pem.as_bytes()).expect("a chain");
            let key = pem::private_key(caller.key_pem.as_bytes()).expect("a key");
            let client = samples::client_at(&client_config(&[pin], chain, key).expect("a configuration"), when);
            let mut client = ClientConnection::new(client, server_name(name).expect("a name")).expect("a client");
            let mut server = ServerConnection::new(samples::at(server, now())).expect("a server");
            assert_eq!(samples::shake(&mut client, &mut server).is_ok(), good, "{what}");
        }
    }
    #[test]
    fn any_of_the_charters_authorities_will_do() {
        let world = World::new();
        let caller = world.north.client("spiffe://mfa.north.example/official/a.sample");
        let stranger = samples::root("Sample exchange CA, the next", |_| {});
        let (chain, key) = world.server();
        let server = server_config(Arc::new(world.trust(1)), chain, key).expect("a configuration");
        for (pins, good) in [
            (vec![stranger.der(), world.exchange.der()], true),
            (vec![world.exchange.der(), stranger.der()], true),
            (vec![stranger.der()], false),
            (vec![], false),
        ] {
            let chain = pem::chain(caller.cert_pem.as_bytes()).expect("a chain");
            let key = pem::private_key(caller.key_pem.as_bytes()).expect("a key");
            let client = samples::client_at(&client_config(&pins, chain, key).expect("a configuration"), now());
            let mut client =
                ClientConnection::new(client, server_name(samples::SERVER).expect("a name")).expect("a client");
            let mut server = ServerConnection::new(samples::at(&server, now())).expect("a server");
            assert_eq!(samples::shake(&mut client, &mut server).is_ok(), good, "{} authorities", pins.len());
        }
    }
}
