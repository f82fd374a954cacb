//! The door of a running exchange: who is cut when trust changes, how it goes down, and what keeps it from opening.

use std::{sync::Arc, time::Duration};

use communique::{
    app::{
        config::Config,
        serve::{self, Bound, ServeError},
    },
    client::remote::Remote,
    domain::id::Role,
    pki::{self, issue::Issued},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{Streaming, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::world::{
    EXCHANGE, PATIENCE, World, authority, dial, dial_with, domain_of, issue, leaf, papers, party, reason, until,
};

/// A stream that lasts as long as its connection.
struct Watch(Streaming<HealthCheckResponse>);

impl Watch {
    async fn over(channel: Channel) -> Self {
        Self(HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner())
    }
    /// Waits for its end.
    async fn ended(&mut self) {
        let end = async { while let Ok(Some(_)) = self.0.message().await {} };
        timeout(PATIENCE, end).await.expect("the stream is cut");
    }
    /// Whether it is open: there is nothing more to hear, and no end.
    async fn is_open(&mut self) -> bool {
        loop {
            match timeout(Duration::from_millis(1), self.0.message()).await {
                Err(_) => return true,
                Ok(Ok(Some(_))) => {}
                Ok(_) => return false,
            }
        }
    }
}

async fn watch(world: &World, issued: &Issued) -> Watch {
    Watch::over(dial(&world.connection_with(issued)).await.unwrap()).await
}

async fn let_in(world: &World, issued: &Issued) -> bool {
    Remote::connect(&world.connection_with(issued)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trust_changes_on_a_running_system() {
    let world = World::new().await;
    let old = &world.authorities["south"];
    let (one, two) = (world.issue("south", Role::Official, "one"), world.issue("south", Role::Official, "two"));
    let (mut cut, mut lives) = (watch(&world, &one).await, watch(&world, &two).await);
    let mut norths = watch(&world, &world.issue("north", Role::System, "x")).await;

    // South revokes a leaf. North carries the statement, as it may for a party that cannot call.
    let carrier = world.session("north", Role::Authority).await;
    carrier.submit_trust(world.trust("south", 2, &[old], &[leaf(&one)]).compact()).await.unwrap();
    cut.ended().await;
    assert!(!let_in(&world, &one).await, "a revoked certificate was let in");
    assert!(lives.is_open().await && norths.is_open().await);
    assert!(let_in(&world, &two).await);

    // South renews its authority: the old and the new one beside each other, then the new one alone.
    let new = authority("south");
    let three = issue(&new, &format!("spiffe://{}/official/three", domain_of("south")));
    assert!(!let_in(&world, &three).await);
    carrier.submit_trust(world.trust("south", 3, &[old, &new], &[leaf(&one)]).compact()).await.unwrap();
    until("the new authority counts", || let_in(&world, &three)).await;
    assert!(lives.is_open().await && let_in(&world, &two).await && !let_in(&world, &one).await);

    let mut renewed = watch(&world, &three).await;
    carrier.submit_trust(world.trust("south", 4, &[&new], &[]).compact()).await.unwrap();
    lives.ended().await;
    assert!(!let_in(&world, &two).await && !let_in(&world, &one).await, "by an authority that counts no more");
    assert!(renewed.is_open().await && norths.is_open().await);
    let remote = Remote::connect(&world.connection_with(&three)).await.unwrap();
    assert_eq!(reason(&remote.powers_list(Some(&party("south"))).await), "OK");

    // A restart knows it from the log.
    world.stop().await;
    world.start().await;
    assert!(let_in(&world, &three).await && !let_in(&world, &two).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_counted() {
    let world = World::new().await;
    let counted = || async {
        let answer = answer(world.bound(), "/metrics").await.unwrap();
        let of = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect(name);
            line.parse::<i64>().unwrap()
        };
        ["handshakes_total{result=\"accepted\"}", "connections", "log_entries_total"]
            .map(|name| of(&format!("communique_{name}")))
    };
    let before = counted().await;
    let carrier = Remote::connect(&world.connection("north", Role::System)).await.unwrap();
    carrier.submit_trust(world.trust("north", 2, &[&world.authorities["north"]], &[]).compact()).await.unwrap();
    assert_eq!(counted().await, [before[0] + 1, before[1] + 1, before[2] + 1]);
    drop(carrier);
    until("the connection is closed", || async { counted().await[1] == before[1] }).await;
    world.stop().await;
}

/// The status of a page of the operator's port; `None` if nobody answers.
async fn page(bound: Bound, path: &str) -> Option<u16> {
    answer(bound, path).await?.split(' ').nth(1)?.parse().ok()
}

/// The whole answer of a page of the operator's port; `None` if nobody answers.
async fn answer(bound: Bound, path: &str) -> Option<String> {
    let mut tcp = TcpStream::connect(bound.http).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {EXCHANGE}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_down_in_order_and_in_time() {
    let world = World::with(|config| config.limits.drain_seconds = 2).await;
    let bound = world.bound();
    until("ready", || async { page(bound, "/readyz").await == Some(200) }).await;
    assert_eq!(page(bound, "/livez").await, Some(200));
    // A stream that nobody ends.
    let mut watched = watch(&world, &world.issue("north", Role::System, "x")).await;
    assert!(watched.is_open().await);
    let connection = world.connection("south", Role::Official);

    let served = world.going_down();
    until("not ready", || async { page(bound, "/readyz").await == Some(503) }).await;
    assert_eq!(page(bound, "/livez").await, Some(200), "what drains is alive");
    assert!(Remote::connect(&connection).await.is_err(), "a new connection while it drains");
    timeout(PATIENCE, served).await.expect("an open stream does not keep it up").unwrap().unwrap();
    watched.ended().await;
    until("the operator's port is closed", || async { page(bound, "/livez").await.is_none() }).await;
    world.start().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_exchanged_by_the_hybrid_of_x25519_and_ml_kem() {
    let world = World::new().await;
    let connection = world.connection("north", Role::Official);
    let config = || {
        let chain = pki::pem::chain(&connection.certificate_pem).unwrap();
        let key = pki::pem::private_key(&connection.key_pem).unwrap();
        pki::client::client_config(&connection.server_cas, chain, key).unwrap()
    };
    let connect = async |config| {
        let tcp = TcpStream::connect(connection.address()).await.unwrap();
        let name = pki::client::server_name(EXCHANGE).unwrap();
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap();
        let tls = stream.get_ref().1;
        (tls.negotiated_key_exchange_group().unwrap().name(), tls.protocol_version().unwrap())
    };
    let hybrid = rustls::NamedGroup::X25519MLKEM768;
    assert_eq!(connect(config()).await, (hybrid, rustls::ProtocolVersion::TLSv1_3));
    world.stop().await;
}

/// A caller that shows no certificate.
#[derive(Debug)]
struct Nobody;

impl rustls::client::ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_served_without_a_certificate_or_without_tls() {
    let world = World::new().await;
    let connection = world.connection("north", Role::Official);
    let chain = pki::pem::chain(&connection.certificate_pem).unwrap();
    let key = pki::pem::private_key(&connection.key_pem).unwrap();
    let known = pki::client::client_config(&connection.server_cas, chain, key).unwrap();
    assert!(dial_with(connection.address(), known.clone()).await.is_ok());
    let mut nobody = rustls::ClientConfig::clone(&known);
    nobody.client_auth_cert_resolver = Arc::new(Nobody);
    assert!(dial_with(connection.address(), Arc::new(nobody)).await.is_err());
    let mut unspoken = rustls::ClientConfig::clone(&known);
    unspoken.alpn_protocols = vec![];
    assert!(dial_with(connection.address(), Arc::new(unspoken)).await.is_err(), "without h2");

    let plain = tonic::transport::Endpoint::from_shared(format!("http://{}", connection.address())).unwrap();
    let answered = match plain.connect().await {
        Ok(channel) => HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered, "in plain text");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_before_a_port_is_bound() {
    let dir = tempfile::tempdir().unwrap();
    let papers = papers(dir.path());
    // The port is taken: whoever gets so far as to bind it says so.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        listen: communique::app::config::Listen { address: taken.local_addr().unwrap() },
        ..papers.config.clone()
    };
    let refused = async |change: fn(&mut Config)| {
        let mut config = config.clone();
        change(&mut config);
        let bound = |_: Bound| panic!("it was bound");
        let ended = timeout(PATIENCE, serve::serve(config, bound, std::future::pending())).await;
        ended.expect("it ends").unwrap_err()
    };
    let missing = |path: &mut std::path::PathBuf| *path = path.join("missing");
    assert!(matches!(refused(|_| ()).await, ServeError::Refused(_)), "not founded");
    let (charter, adoptions, trusts) = (papers.charter.bytes().to_vec(), papers.adoptions, papers.trusts);
    serve::found(&papers.config, charter, adoptions, trusts).await.unwrap();

    assert!(matches!(refused(|_| ()).await, ServeError::Bind(..)), "good, but for the port");
    let other = refused(|c| c.exchange.name = "other.example".into()).await;
    assert!(matches!(other, ServeError::Refused(_)), "{other}");
    let swapped = refused(|c| std::mem::swap(&mut c.keys.log, &mut c.keys.depositary)).await;
    assert!(matches!(swapped, ServeError::Refused(_)), "{swapped}");
    for (what, change) in [
        ("keys.log", (|c| c.keys.log.push("missing")) as fn(&mut Config)),
        ("keys.depositary", |c| c.keys.depositary.push("missing")),
        ("tls.certificate", |c| c.tls.certificate.push("missing")),
        ("tls.key", |c| c.tls.key.push("missing")),
        ("data.directory", |c| c.data.directory.push("missing")),
    ] {
        let error = refused(change).await;
        assert!(!matches!(error, ServeError::Bind(..)), "{what}: {error}");
    }
    let mut all = papers.config.clone();
    missing(&mut all.keys.log);
    missing(&mut all.tls.key);
    missing(&mut all.data.directory);
    all.limits.connections = 0;
    let said: Vec<_> = all.check().into_iter().map(|problem| problem.key).collect();
    for key in ["keys.log", "tls.key", "data.directory", "limits.connections"] {
        assert!(said.iter().any(|said| said == key), "{key} among {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_exchanges_do_not_share_one_log() {
    let world = World::new().await;
    let second = serve::serve(world.config.clone(), |_| (), std::future::pending());
    let error = timeout(PATIENCE, second).await.expect("it ends").unwrap_err();
    assert!(matches!(error, ServeError::Open(_)), "{error}");
    assert_eq!(reason(&world.remote("north").await.charter(None).await), "OK");
    world.stop().await;
}
