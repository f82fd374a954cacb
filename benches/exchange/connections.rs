//! New connections, what an idle one costs, and how an exchange starts.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use communique::{
    client::remote::Connection,
    domain::id::Role,
    pki::{self, pem},
};
use rustls::ClientConfig;
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{
    PARTIES,
    echo::Bare,
    figures::{Run, in_flight},
    process::Process,
    world::{EXCHANGE, PATIENCE, World, dial},
};

/// Connections that are made and closed.
const MADE: usize = 3_000;
/// How many are being made at once: as many handshakes as one address may have, and some room.
const AT_ONCE: usize = 16;
/// Connections that are left idle.
const IDLE: usize = 400;
/// Starts.
const STARTS: usize = 5;

/// After how long what memory is held is looked at.
pub const REST: Duration = Duration::from_secs(2);

/// Handshakes, until the first byte of the server.
async fn made(address: SocketAddr, tls: Vec<Arc<ClientConfig>>) -> Run {
    let tls = Arc::new(tls);
    in_flight(AT_ONCE, MADE, move |_, n| {
        let tls = TlsConnector::from(tls[n % tls.len()].clone());
        async move {
            let tcp = TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let mut stream = tls.connect(pki::client::server_name(EXCHANGE).unwrap(), tcp).await.unwrap();
            let mut first = [0];
            assert_eq!(timeout(PATIENCE, stream.read(&mut first)).await.unwrap().unwrap(), 1);
        }
    })
    .await
}

fn tls(c: &Connection) -> Arc<ClientConfig> {
    let chain = pem::chain(&c.certificate_pem).unwrap();
    pki::client::client_config(&c.server_cas, chain, pem::private_key(&c.key_pem).unwrap()).unwrap()
}

/// New connections a second, of the exchange and of rustls alone: in turn, twice, after a round of both that counts for nothing.
pub async fn rates(world: &World, bare: &Bare) {
    let process = Process::start(world, &[]);
    let tls = || PARTIES.map(|of| tls(&world.connection_to(bare.handshakes, of, Role::Official))).to_vec();
    let (mut ours, mut theirs) = (0.0, 0.0);
    for share in [0.0, 0.5, 0.5] {
        theirs += made(bare.handshakes, tls()).await.rate() * share;
        ours += made(process.address, tls()).await.rate() * share;
    }
    println!("new connections, {AT_ONCE} at once: {ours:.0}/s; bare rustls: {theirs:.0}/s");
    println!("connections_over_bare: {:.2}", ours / theirs);
}

/// Of an exchange that was just founded: how fast it starts, what it holds then, and for each idle connection.
pub async fn small() {
    let world = World::with(|_| ()).await;
    world.stop().await;
    let world = &world;
    let mut starts: Vec<_> = (0..STARTS).map(|_| Process::start(world, &[]).started.as_secs_f64() * 1e3).collect();
    starts.sort_by(f64::total_cmp);
    println!("start_ms, until it listens: {:.0}", starts[STARTS / 2]);
    let process = Process::start(world, &[]);
    sleep(REST).await;
    println!("idle_megabytes: {:.1}", process.resident() / 1e6);
    let bare = Bare::start(world);
    let ours = idle(world, process.address, || process.resident()).await;
    let theirs = idle(world, bare.echo, || bare.running.resident()).await;
    println!("an idle connection: {:.1} kB; of bare tonic: {:.1} kB", ours / 1e3, theirs / 1e3);
    println!("connection_over_bare: {:.2}", ours / theirs);
}

/// What an idle connection holds in the server.
async fn idle(world: &World, address: SocketAddr, resident: impl Fn() -> f64) -> f64 {
    // What the first ones bring about is not theirs.
    let mut held = Vec::new();
    let mut before = 0.0;
    for n in 0..IDLE + IDLE / 4 {
        if n == IDLE / 4 {
            sleep(REST).await;
            before = resident();
        }
        held.push(dial(&world.connection_to(address, PARTIES[n % PARTIES.len()], Role::Official)).await.unwrap());
    }
    sleep(REST).await;
    (resident() - before) / IDLE as f64
}
