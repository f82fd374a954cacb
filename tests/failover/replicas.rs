//! Two exchanges over a trio.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use communique::{
    client::remote::Remote, domain::id::Role, exchange::ports::Stored, log::tree::Hash, pki, store::postgres::Settings,
};
use tokio::time::{sleep, timeout};

use crate::{
    serving,
    trio::Trio,
    world::{PATIENCE, World},
};

/// As everybody holds them.
pub type Both = Arc<Replicas>;

pub struct Replicas {
    pub trio: Trio,
    pub world: World,
    /// Of each: gRPC, and HTTP.
    addresses: Vec<[SocketAddr; 2]>,
}

impl Replicas {
    /// Founded, and both serving. None where a program is missing.
    pub async fn new(asynchronous: bool) -> Option<Self> {
        let trio = Trio::start(asynchronous)?;
        let world = World::with(|config| {
            config.store.url.clone_from(&trio.url);
            config.store.ca = trio.folder.join("tls/ca.pem");
            config.store.password_file = trio.folder.join("password");
            config.store.synchronous_standbys = u32::from(!asynchronous);
        })
        .await;
        world.stop().await;
        let configuration = world.config.data.directory.parent().unwrap().join("communiqued.toml");
        let served = trio.ask(&["serve", configuration.to_str().unwrap()]);
        let addresses = served.lines().map(|line| {
            let mut words = line.split(' ').skip(1).map(|word| word.trim_start_matches("http://").parse().unwrap());
            [(); 2].map(|()| words.next().unwrap())
        });
        let addresses = addresses.collect();
        Some(Self { trio, world, addresses })
    }

    /// A connection of a party's official to one of them.
    pub async fn remote(&self, of: &str, at: usize) -> Option<Remote> {
        let connection = self.world.connection_to(self.addresses[at][0], of, Role::Official);
        timeout(Duration::from_secs(10), Remote::connect(&connection)).await.ok()?.ok()
    }
    pub async fn until_ready(&self) {
        let began = Instant::now();
        for [_, http] in &self.addresses {
            while !serving::ready(*http).await {
                assert!(began.elapsed() < 3 * PATIENCE, "{http} does not serve again; {:?} says why", self.trio.folder);
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    /// The newest head of one of them, verified.
    pub async fn head(&self, at: usize) -> (u64, Hash) {
        serving::head(&self.world, &self.remote("east", at).await.unwrap()).await
    }
    /// The whole log, read beside them.
    pub async fn log(&self) -> Vec<Stored> {
        serving::whole(&Settings {
            url: self.trio.url.clone(),
            password: Some(std::fs::read(self.trio.folder.join("password")).unwrap()),
            tls: pki::client::known_by(&std::fs::read(self.trio.folder.join("tls/ca.pem")).unwrap()).unwrap(),
            standbys: 0,
            readers: 1,
        })
        .await
    }
}

/// The most seconds between two entries, as their times say.
pub fn longest_silence(log: &[Stored]) -> i64 {
    log.windows(2).map(|two| two[1].entry.time.unix() - two[0].entry.time.unix()).max().unwrap_or(0)
}
