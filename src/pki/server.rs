//! The exchange's side of TLS: 1.3 only, every caller with a certificate, nothing remembered between connections.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{NoServerSessionStorage, danger::ClientCertVerifier},
};

use super::trust::TrustSet;
use crate::{
    domain::{message::Message, refusal::Refusal},
    msg,
};

/// The TLS configuration of a listener. Validity is judged by rustls' own clock, in `time_provider`.
///
/// # Errors
/// [`Refusal::Malformed`] if the key is not the certificate's, or of a kind that TLS 1.3 cannot use.
pub fn server_config(
    trust: Arc<TrustSet>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, Refusal> {
    config(trust, chain, key)
}

fn config(
    verifier: Arc<dyn ClientCertVerifier>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, Refusal> {
    let bad = |e: rustls::Error| Refusal::malformed(msg!("server certificate"), Message::words(e.to_string()));
    let mut config = ServerConfig::builder_with_provider(super::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(bad)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(bad)?;
    config.alpn_protocols = vec![super::ALPN.to_vec()];
    // A resumed session skips the verifier: a certificate revoked since would come in on its old ticket.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls::{
        ClientConnection, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind, NamedGroup, ServerConnection,
        SignatureScheme, client::danger::HandshakeSignatureValid, pki_types::UnixTime,
        server::danger::ClientCertVerified,
    };

    use super::*;
    use crate::pki::samples::{self, World};

    /// Counts how often a certificate is looked at.
    #[derive(Debug)]
    struct Counting(Arc<TrustSet>, AtomicUsize);
    impl ClientCertVerifier for Counting {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            self.0.root_hint_subjects()
        }
        fn verify_client_cert(
            &self,
            leaf: &CertificateDer<'_>,
            rest: &[CertificateDer<'_>],
            now: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.verify_client_cert(leaf, rest, now)
        }
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.0.verify_tls12_signature(message, leaf, signed)
        }
        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.0.verify_tls13_signature(message, leaf, signed)
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.supported_verify_schemes()
        }
    }

    #[test]
    fn every_connection_is_verified_in_full() {
        let world = World::new();
        let (chain, key) = world.server();
        let verifier = Arc::new(Counting(Arc::new(world.trust(1)), AtomicUsize::new(0)));
        let server = samples::at(&config(verifier.clone(), chain, key).expect("a configuration"), samples::now());
        let mut client = (*world.client(&world.north.client("spiffe://mfa.north.example/official/a.sample"))).clone();
        // A client that would resume if it could.
        client.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let client = Arc::new(client);
        for round in 1..=3 {
            let name = samples::SERVER.try_into().expect("a name");
            let mut client = ClientConnection::new(client.clone(), name).expect("a client");
            let mut server = ServerConnection::new(server.clone()).expect("a server");
            samples::shake(&mut client, &mut server).expect("a handshake");
            assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(client.tls13_tickets_received(), 0);
            assert_eq!(verifier.1.load(Ordering::Relaxed), round);
            assert_eq!(server.negotiated_key_exchange_group().map(|g| g.name()), Some(NamedGroup::X25519MLKEM768));
            assert_eq!(server.alpn_protocol(), Some(super::super::ALPN));
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_at_once() {
        let world = World::new();
        let ((chain, _), (_, key)) = (world.server(), world.server());
        assert!(server_config(Arc::new(world.trust(1)), chain, key).is_err());
    }
}
