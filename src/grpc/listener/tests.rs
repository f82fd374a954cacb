use std::{collections::BTreeSet, net::Ipv4Addr, pin::Pin};

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rustls::{
    ClientConfig, SignatureScheme, client::ResolvesClientCert, pki_types::CertificateDer, sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::StreamExt;

use super::*;
use crate::{
    grpc::gate::{Snapshot, StaleEpoch},
    pki::{
        issue::Issued,
        samples::{self, Clock, NORTH, SOUTH, World, YEAR, now, uri},
        trust::{IdentityFault, PartyAnchors, TrustSet},
    },
};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Longer than anything here takes, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);

/// An exchange's door on a port of its own, with a clock that stands on the samples' day.
struct Door {
    world: Arc<World>,
    gate: Arc<Gate>,
    clock: Arc<Clock>,
    addr: SocketAddr,
    shutdown: CancellationToken,
    incoming: Pin<Box<dyn Stream<Item = io::Result<PeerStream>> + Send>>,
}

impl Door {
    async fn open(limits: Limits) -> Self {
        let world = Arc::new(World::new());
        let parties = world.parties();
        Self::open_with(world, parties, limits).await
    }
    async fn open_with(world: Arc<World>, parties: Vec<PartyAnchors>, limits: Limits) -> Self {
        let clock = Clock::at(now());
        let gate = Gate::new(snapshot(&world, &clock, 1, parties), Arc::default());
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let incoming = Box::pin(incoming(gate.clone(), listener, limits, shutdown.clone()));
        Self { world, gate, clock, addr, shutdown, incoming }
    }
    fn swap(&self, epoch: u64, change: impl FnOnce(&mut Vec<PartyAnchors>)) -> Result<usize, StaleEpoch> {
        let mut parties = self.world.parties();
        change(&mut parties);
        self.gate.swap(snapshot(&self.world, &self.clock, epoch, parties))
    }
    /// Both ends of a new connection, or what the caller saw instead.
    async fn call(
        &mut self,
        config: Arc<ClientConfig>,
        from: Ipv4Addr,
    ) -> Result<(TlsStream<TcpStream>, PeerStream), io::Error> {
        let tcp = dial(self.addr, from).await?;
        let name = samples::SERVER.try_into().expect("a name");
        let both = async {
            let mut tls = TlsConnector::from(config).connect(name, tcp).await?;
            // A refused caller learns it from the first read: its own handshake is over before the server's.
            tokio::select! {
                stream = self.incoming.next() => Ok((tls, stream.expect("an open door")?)),
                read = tls.read_u8() => Err(read.expect_err("nobody writes")),
            }
        };
        timeout(PATIENCE, both).await.expect("an answer")
    }
    async fn enter(&mut self, issued: &Issued) -> Result<(TlsStream<TcpStream>, PeerStream), io::Error> {
        let config = self.world.client(issued);
        self.call(config, HERE).await
    }
}

fn snapshot(world: &World, clock: &Arc<Clock>, epoch: u64, parties: Vec<PartyAnchors>) -> Snapshot {
    let trust = TrustSet::build(epoch, parties).expect("a trust set");
    let (chain, key) = world.server();
    Snapshot::new(Arc::new(trust), chain, key).expect("a snapshot").with_clock(clock.clone())
}

async fn dial(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
/// Whether bytes still go both ways.
async fn speaks(client: &mut TlsStream<TcpStream>, server: &mut PeerStream) -> bool {
    let both = async {
        client.write_all(b"?").await?;
        server.read_u8().await?;
        server.write_all(b"!").await?;
        server.flush().await?;
        client.read_u8().await
    };
    timeout(PATIENCE, both).await.expect("an end").is_ok()
}

#[derive(Debug)]
struct NoCertificate;
impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_good_caller_is_known() {
    let mut door = Door::open(Limits::default()).await;
    let issued = door.world.north.client(NORTH);
    let (mut client, mut stream) = door.enter(&issued).await.expect("let in");
    let peer = stream.peer().clone();
    assert_eq!((peer.caller.party.as_str(), peer.caller.id.to_string().as_str()), ("north", NORTH));
    assert_eq!(peer.caller.leaf, samples::leaf_digest(&issued));
    assert_eq!((peer.epoch, peer.kx, peer.addr.ip()), (1, "X25519MLKEM768", HERE.into()));
    assert!(speaks(&mut client, &mut stream).await);

    assert!(stream.tcp().nodelay().expect("an option"));
    let socket = SockRef::from(stream.tcp());
    assert!(socket.keepalive().expect("an option"));
    assert_eq!(socket.tcp_keepalive_time().expect("an option"), KEEPALIVE_IDLE);

    let metrics = door.gate.metrics();
    assert_eq!((metrics.connections(), metrics.handshakes(Handshake::Accepted)), (1, 1));
    assert_eq!(door.gate.open_of(&peer.caller.party), 1);
    drop(stream);
    assert_eq!(metrics.connections(), 0);
    assert_eq!(door.gate.open_of(&peer.caller.party), 0);
}

/// The reasons themselves are asked for, row by row, in `pki/trust.rs`; here, that each keeps its caller out.
#[tokio::test]
async fn nobody_else_comes_in() {
    let world = Arc::new(World::new());
    let old = samples::root("Old CA", |p| samples::valid(p, now().plus(-YEAR), now().plus(-1)));
    let north = &world.north;
    let revoked = north.client(NORTH);
    let mut parties = world.parties();
    parties[0].revoked = BTreeSet::from([samples::leaf_digest(&revoked)]);
    parties[0].authorities.push(old.der().to_vec());
    let config = |issued: &Issued| world.client(issued);
    let changed = |change: fn(&mut ClientConfig)| {
        let mut config = (*world.client(&north.client(NORTH))).clone();
        change(&mut config);
        Arc::new(config)
    };
    let rows = [
        ("another's CA", config(&world.south.client(NORTH)), "UnknownCa|CertificateUnknown"),
        ("two URIs", config(&north.odd(|p| p.subject_alt_names.push(uri(SOUTH)))), "CertificateUnknown"),
        ("no URI", config(&north.odd(|p| p.subject_alt_names.clear())), "CertificateUnknown"),
        ("no clientAuth", config(&north.odd(|p| p.extended_key_usages.clear())), "CertificateUnknown"),
        (
            "serverAuth",
            config(&north.odd(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
            "CertificateUnknown",
        ),
        (
            "expired leaf",
            config(&north.odd(|p| samples::valid(p, now().plus(-9), now().plus(-1)))),
            "CertificateExpired",
        ),
        ("expired CA", config(&old.odd(|_| {})), "CertificateUnknown"),
        (
            "a CA as leaf",
            config(&north.odd(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)))),
            "CertificateUnknown",
        ),
        (
            "leaf that may sign",
            config(&north.odd(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign))),
            "CertificateUnknown",
        ),
        ("revoked", config(&revoked), "CertificateRevoked"),
        ("unknown domain", config(&north.client("spiffe://mfa.west.example/official/a.sample")), "CertificateUnknown"),
        ("no certificate", changed(|c| c.client_auth_cert_resolver = Arc::new(NoCertificate)), "CertificateRequired"),
        ("another protocol", changed(|c| c.alpn_protocols = vec![b"http/1.1".to_vec()]), "NoApplicationProtocol"),
        ("no protocol", changed(|c| c.alpn_protocols.clear()), ""),
    ];
    let good = config(&north.client(NORTH));
    let mut door = Door::open_with(world.clone(), parties, Limits::default()).await;
    let turned_away = rows.len() as u64;
    for (what, config, alert) in rows {
        let error = door.call(config, HERE).await.map(|_| ()).expect_err(what);
        let said = error.to_string();
        assert!(alert.split('|').any(|alert| said.contains(alert)), "{what}: {said}");
    }
    let metrics = door.gate.metrics();
    until("all counted", || metrics.handshakes(Handshake::Refused) == turned_away).await;
    assert_eq!((metrics.connections(), metrics.handshakes(Handshake::Accepted)), (0, 0));
    assert!(door.call(good, HERE).await.is_ok(), "the door still opens");
}

/// TLS 1.2 is not even compiled in, so its hello is written by hand: RFC 5246, section 7.4.1.2.
#[tokio::test]
async fn tls_1_2_is_refused() {
    let door = Door::open(Limits::default()).await;
    let mut hello = vec![3, 3];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 2, 0xc0, 0x2b]); // ECDHE-ECDSA with AES-128-GCM
    hello.extend([1, 0]); // no compression
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 29][..], // groups: x25519
        &[0, 11, 0, 2, 1, 0],            // uncompressed points
        &[0, 13, 0, 4, 0, 2, 4, 3],      // ECDSA on P-256 with SHA-256
    ]
    .concat();
    hello.extend([0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);

    let mut tcp = dial(door.addr, HERE).await.expect("a socket");
    tcp.write_all(&record).await.expect("written");
    let mut answer = [0; 7];
    timeout(PATIENCE, tcp.read_exact(&mut answer)).await.expect("an answer").expect("seven bytes");
    assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, 70][..]), "a fatal alert: protocol_version");
    until("counted", || door.gate.metrics().handshakes(Handshake::Refused) == 1).await;
}

#[tokio::test]
async fn a_silent_socket_is_dropped() {
    let deadline = Duration::from_millis(200);
    let door = Door::open(Limits { handshake_deadline: deadline, ..Limits::default() }).await;
    let mut silent = dial(door.addr, HERE).await.expect("a socket");
    let mut slow = dial(door.addr, HERE).await.expect("a socket");
    slow.write_all(&[22, 3, 1]).await.expect("written");
    let ends = async {
        let (mut one, mut other) = ([0; 1], [0; 1]);
        let (one, other) = tokio::join!(silent.read(&mut one), slow.read(&mut other));
        // An end or a reset; no byte.
        (one.unwrap_or(0), other.unwrap_or(0))
    };
    assert_eq!(timeout(PATIENCE, ends).await.expect("both are dropped"), (0, 0));
    until("counted", || door.gate.metrics().handshakes(Handshake::TimedOut) == 2).await;
}

#[tokio::test]
async fn one_address_cannot_take_every_slot() {
    let limits = Limits { handshakes: 8, handshakes_per_address: 4, handshake_deadline: PATIENCE, ..Limits::default() };
    let mut door = Door::open(limits).await;
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(dial(door.addr, HERE).await.expect("a socket"));
    }
    until("eight turned away", || door.gate.metrics().handshakes(Handshake::Full) == 8).await;
    let config = door.world.client(&door.world.north.client(NORTH));
    assert!(door.call(config.clone(), ELSEWHERE).await.is_ok(), "another address comes in");
    assert!(door.call(config.clone(), HERE).await.is_err(), "the same one does not");
    // Slots come back.
    silent.clear();
    until("slots are free", || door.gate.metrics().handshakes(Handshake::Refused) == 4).await;
    assert!(door.call(config, HERE).await.is_ok());
}

#[tokio::test]
async fn slots_are_bounded_in_all() {
    let limits = Limits { handshakes: 2, handshakes_per_address: 2, handshake_deadline: PATIENCE, ..Limits::default() };
    let mut door = Door::open(limits).await;
    let _silent = (dial(door.addr, HERE).await, dial(door.addr, ELSEWHERE).await);
    let config = door.world.client(&door.world.north.client(NORTH));
    assert!(door.call(config, Ipv4Addr::new(127, 0, 0, 3)).await.is_err());
    assert_eq!(door.gate.metrics().handshakes(Handshake::Full), 1);
}

#[test]
fn a_host_with_a_whole_prefix_is_one_address() {
    let of = |text: &str| neighbourhood(text.parse().expect("an address"));
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[tokio::test]
async fn a_swap_cuts_whom_it_shuts_out_and_nobody_else() {
    let mut door = Door::open(Limits::default()).await;
    let (lost, kept, south) =
        (door.world.north.client(NORTH), door.world.north.client(NORTH), door.world.south.client(SOUTH));
    let (mut lost_client, mut lost_stream) = door.enter(&lost).await.expect("let in");
    let (mut kept_client, mut kept_stream) = door.enter(&kept).await.expect("let in");
    let (mut south_client, mut south_stream) = door.enter(&south).await.expect("let in");
    assert!(speaks(&mut lost_client, &mut lost_stream).await);

    // A reader that waits is woken.
    let reader = tokio::spawn(async move {
        let read = lost_stream.read(&mut [0; 1]).await;
        let written = lost_stream.write(b"x").await;
        let _ = lost_stream.shutdown().await;
        (read, written.map_err(|e| e.kind()), lost_stream.peer().revoked.is_cancelled())
    });
    let shut_out = |parties: &mut Vec<PartyAnchors>| {
        parties[0].revoked.insert(samples::leaf_digest(&lost));
    };
    assert_eq!(door.swap(2, shut_out), Ok(1));
    assert_eq!(door.gate.metrics().cut(), 1);
    let (read, written, revoked) = timeout(PATIENCE, reader).await.expect("woken").expect("no panic");
    assert_eq!((read.expect("an end"), written, revoked), (0, Err(io::ErrorKind::ConnectionAborted), true));
    assert_eq!(lost_client.read(&mut [0; 1]).await.expect("an orderly end"), 0);
    assert!(speaks(&mut kept_client, &mut kept_stream).await && speaks(&mut south_client, &mut south_stream).await);
    assert!(door.enter(&lost).await.is_err(), "nor does it come back");
    assert_eq!(door.gate.metrics().connections(), 2);

    // A server certificate alone, of the same trust: nobody is cut.
    assert_eq!(door.swap(2, shut_out), Ok(0));
    // Older sets never come back.
    assert_eq!(door.swap(1, |_| {}), Err(StaleEpoch { offered: 1, current: 2 }));
    assert!(door.enter(&lost).await.is_err());

    // A party that leaves, and one whose authority is replaced.
    assert_eq!(door.swap(3, |parties| drop(parties.remove(1))), Ok(1));
    assert!(!speaks(&mut south_client, &mut south_stream).await);
    let renewed = samples::root("Sample North CA 2", |_| {});
    let both = |parties: &mut Vec<PartyAnchors>| parties[0].authorities.push(renewed.der().to_vec());
    assert_eq!(door.swap(4, both), Ok(0), "renewing cuts nobody");
    let (mut new_client, mut new_stream) = door.enter(&renewed.client(NORTH)).await.expect("the new CA counts");
    assert_eq!(door.swap(5, |parties| parties[0].authorities = vec![renewed.der().to_vec()]), Ok(1));
    assert!(!speaks(&mut kept_client, &mut kept_stream).await);
    assert!(speaks(&mut new_client, &mut new_stream).await);
    assert_eq!(new_stream.peer().epoch, 4);
}

#[tokio::test]
async fn a_trust_domain_that_changes_hands_cuts_its_connections() {
    let mut door = Door::open(Limits::default()).await;
    let issued = door.world.north.client(NORTH);
    let (mut client, mut stream) = door.enter(&issued).await.expect("let in");
    assert_eq!(door.swap(2, |parties| parties[0].id = "east".parse().expect("a party")), Ok(1));
    assert!(!speaks(&mut client, &mut stream).await);
}

#[tokio::test]
async fn a_handshake_that_a_swap_overtakes_is_judged_by_the_new_set() {
    let door = Door::open(Limits::default()).await;
    let issued = door.world.north.client(NORTH);
    let chain: Arc<[CertificateDer<'static>]> = samples::files(&issued).0.into();
    let caps = Caps { connections: 9, per_party: 9 };
    let before = door.gate.current();
    let admitted = door.gate.admit(before.clone(), chain.clone(), caps).expect("admitted");
    assert_eq!(door.swap(2, |parties| parties[0].revoked = BTreeSet::from([samples::leaf_digest(&issued)])), Ok(1));
    assert!(admitted.cancel.is_cancelled());
    let late = door.gate.admit(before, chain, caps).map(|_| ());
    assert!(matches!(late, Err(NotAdmitted::Identity(IdentityFault::Revoked(_)))), "{late:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_too() {
    // A big write waits in writing, a small one in flushing.
    for (bytes, flush) in [(65_536, false), (1024, true)] {
        let mut door = Door::open(Limits::default()).await;
        let issued = door.world.north.client(NORTH);
        let (_client, mut stream) = door.enter(&issued).await.expect("let in");
        let writer = tokio::spawn(async move {
            let chunk = vec![0; bytes];
            loop {
                let mut done = stream.write_all(&chunk).await;
                if flush && done.is_ok() {
                    done = stream.flush().await;
                }
                if let Err(error) = done {
                    return (error.kind(), stream.shutdown().await.is_err());
                }
            }
        });
        sleep(Duration::from_millis(500)).await; // until every buffer is full
        assert!(!writer.is_finished());
        assert_eq!(door.gate.cut_all(), 1);
        let (error, stuck) = timeout(PATIENCE, writer).await.expect("it ends").expect("no panic");
        assert_eq!((error, stuck), (io::ErrorKind::ConnectionAborted, true), "{bytes}");
        assert_eq!(door.gate.metrics().connections(), 0);
    }
}

#[tokio::test]
async fn an_expired_certificate_ends_its_connection() {
    let mut door = Door::open(Limits::default()).await;
    let short = door.world.north.odd(|p| samples::valid(p, now(), now().plus(60)));
    let (mut short_client, mut short_stream) = door.enter(&short).await.expect("let in");
    let long = door.world.north.client(NORTH);
    let (mut long_client, mut long_stream) = door.enter(&long).await.expect("let in");
    door.clock.set(now().plus(60));
    assert_eq!(door.gate.sweep(), 0, "its last second counts");
    assert!(speaks(&mut short_client, &mut short_stream).await);
    door.clock.set(now().plus(61));
    // Nobody calls sweep: the listener does.
    timeout(PATIENCE, short_stream.peer().revoked.clone().cancelled()).await.expect("cut");
    assert!(!speaks(&mut short_client, &mut short_stream).await);
    assert!(speaks(&mut long_client, &mut long_stream).await);
    assert!(door.enter(&short).await.is_err());
}

#[tokio::test]
async fn connections_are_bounded_per_party_and_in_all() {
    let limits = Limits { connections: 3, connections_per_party: 2, ..Limits::default() };
    let mut door = Door::open(limits).await;
    let (north, south) = (door.world.north.client(NORTH), door.world.south.client(SOUTH));
    let first = door.enter(&north).await.expect("let in");
    let _second = door.enter(&north).await.expect("let in");
    assert!(door.enter(&north).await.is_err(), "the party is full");
    let _third = door.enter(&south).await.expect("another party is not");
    assert!(door.enter(&south).await.is_err(), "the house is full");
    until("counted", || door.gate.metrics().handshakes(Handshake::Full) == 2).await;
    // A full house does not even begin a handshake …
    let _silent = dial(door.addr, HERE).await.expect("a socket");
    until("dropped unheard", || door.gate.metrics().handshakes(Handshake::Full) == 3).await;
    // … and counts again when one is over.
    let chain: Arc<[CertificateDer<'static>]> = samples::files(&south).0.into();
    let admit = |connections| {
        let caps = Caps { connections, per_party: 2 };
        door.gate.admit(door.gate.current(), chain.clone(), caps).map(|_| ())
    };
    assert!(matches!(admit(3), Err(NotAdmitted::Full)));
    assert!(admit(4).is_ok());
    drop(first);
    assert!(door.enter(&north).await.is_ok(), "a place comes back");
}

#[tokio::test]
async fn shutting_down_closes_the_door_and_draining_ends_what_is_inside() {
    let mut door = Door::open(Limits { handshake_deadline: 10 * PATIENCE, ..Limits::default() }).await;
    let issued = door.world.north.client(NORTH);
    let (mut client, mut stream) = door.enter(&issued).await.expect("let in");
    let mut waiting = dial(door.addr, HERE).await.expect("a socket");
    sleep(Duration::from_millis(200)).await; // until its handshake is under way
    door.shutdown.cancel();
    assert!(timeout(PATIENCE, door.incoming.next()).await.expect("an end").is_none());
    assert_eq!(timeout(PATIENCE, waiting.read(&mut [0; 1])).await.expect("dropped").unwrap_or(0), 0);
    assert!(dial(door.addr, HERE).await.is_err());
    assert!(speaks(&mut client, &mut stream).await, "who is inside may finish");
    assert_eq!(door.gate.cut_all(), 1);
    assert_eq!(door.gate.cut_all(), 0);
    assert!(!speaks(&mut client, &mut stream).await);
}

/// The whole of it under tonic: the peer reaches the handler, and a cut ends an open stream of answers.
#[tokio::test]
async fn under_tonic_a_cut_ends_open_streams() {
    use tonic::transport::{Endpoint, Server, Uri};
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient, health_server::HealthServer};

    use crate::grpc::peer::Peer;

    let door = Door::open(Limits::default()).await;
    let Door { world, gate, addr, shutdown, incoming, .. } = door;
    let reporter = tonic_health::server::HealthReporter::new();
    let service = HealthServer::with_interceptor(
        tonic_health::server::HealthService::from_health_reporter(reporter),
        |request: tonic::Request<()>| {
            let party = request.extensions().get::<Arc<Peer>>().map(|peer| peer.caller.party.to_string());
            assert_eq!(party.as_deref(), Some("north"));
            Ok(request)
        },
    );
    let serving = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
                .await
        })
    };
    let config = world.client(&world.north.client(NORTH));
    let channel = Endpoint::from_static("http://exchange.example")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let config = config.clone();
            async move {
                let tcp = dial(addr, HERE).await?;
                let name = samples::SERVER.try_into().map_err(io::Error::other)?;
                let tls = TlsConnector::from(config).connect(name, tcp).await?;
                Ok::<_, io::Error>(hyper_util::rt::TokioIo::new(tls))
            }
        }))
        .await
        .expect("a channel");
    let mut client = HealthClient::new(channel);
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = client.watch(request).await.expect("a stream").into_inner();
    assert!(watch.message().await.expect("a status").is_some());
    // The open stream holds the shutdown up; the drain deadline is ours.
    shutdown.cancel();
    sleep(Duration::from_millis(200)).await;
    assert!(!serving.is_finished());
    assert_eq!(gate.cut_all(), 1);
    assert!(timeout(PATIENCE, watch.message()).await.expect("an end").is_err());
    timeout(PATIENCE, serving).await.expect("drained").expect("no panic").expect("served");
    assert_eq!(gate.metrics().connections(), 0);
}

#[test]
fn strangers_cause_so_many_lines_a_second() {
    let (lines, start) = (Lines::new(), Instant::now());
    let at = |millis| (0..100).filter(|_| lines.one_more(start + Duration::from_millis(millis))).count() as u64;
    assert_eq!([at(0), at(900), at(1_500), at(2_600)], [LINES_PER_SECOND, 0, LINES_PER_SECOND, LINES_PER_SECOND]);
}
