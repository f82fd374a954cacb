//! A database and two exchanges over it, each a process of its own, and what is done to them.

use std::{
    fs::File,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use communique::{
    client::remote::Remote, domain::id::Role, exchange::ports::Stored, log::tree::Hash, pki, store::postgres::Settings,
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    cluster::{Cluster, Database},
    ports::free_ports,
    serving,
    world::{PATIENCE, World},
};

/// How long a process or a server is stopped.
const STOPPED: Duration = Duration::from_millis(700);

/// One exchange.
struct Replica {
    name: &'static str,
    folder: PathBuf,
    address: SocketAddr,
    http: SocketAddr,
    child: Mutex<Option<Child>>,
}

pub struct Replicas {
    pub world: World,
    cluster: Cluster,
    database: Database,
    replicas: [Replica; 2],
    _folder: TempDir,
}

impl Replicas {
    /// Founded, and both serving. None where there is no PostgreSQL.
    pub async fn new() -> Option<Self> {
        let cluster = Cluster::start("")?;
        let database = cluster.database("exchange");
        let world = World::with(|config| {
            config.store.url.clone_from(&database.url);
            config.store.ca.clone_from(&database.ca);
            config.store.password_file.clone_from(&database.password_file);
        })
        .await;
        world.stop().await;
        let folder = tempfile::tempdir().unwrap();
        let replicas = ["a", "b"].map(|name| {
            let own = folder.path().join(name);
            std::fs::create_dir(&own).unwrap();
            let [address, http] = free_ports();
            Replica { name, folder: own, address, http, child: Mutex::default() }
        });
        let these = Self { world, cluster, database, replicas, _folder: folder };
        for at in 0..2 {
            these.start(at).await;
        }
        Some(these)
    }

    async fn start(&self, at: usize) {
        let Replica { name, folder, address, http, child } = &self.replicas[at];
        let configuration = self.world.config.data.directory.parent().unwrap().join("communiqued.toml");
        let said = File::options().create(true).append(true).open(folder.join("said")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_communiqued"));
        command.args(["serve", "--config"]).arg(configuration);
        for (variable, value) in [
            ("COMMUNIQUE__LISTEN__ADDRESS", address.to_string()),
            ("COMMUNIQUE__HTTP__LISTEN", http.to_string()),
            ("COMMUNIQUE__DATA__DIRECTORY", folder.display().to_string()),
            ("COMMUNIQUE__STORE__URL", self.database.url.clone()),
            ("COMMUNIQUE__STORE__CA", self.database.ca.display().to_string()),
            ("COMMUNIQUE__STORE__PASSWORD_FILE", self.database.password_file.display().to_string()),
        ] {
            command.env(variable, value);
        }
        *child.lock().unwrap() = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap());
        let began = Instant::now();
        while !self.ready(at).await {
            assert!(began.elapsed() < PATIENCE, "{name} is not ready: {}", self.said(at));
            // The database may have been away when it started.
            if child.lock().unwrap().as_mut().unwrap().try_wait().unwrap().is_some() {
                return Box::pin(self.start(at)).await;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    fn said(&self, at: usize) -> String {
        std::fs::read_to_string(self.replicas[at].folder.join("said")).unwrap()
    }
    fn signal(&self, at: usize, signal: &str) {
        let id = self.replicas[at].child.lock().unwrap().as_ref().unwrap().id();
        assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
    }
    fn kill(&self, at: usize) {
        if let Some(mut child) = self.replicas[at].child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A fault of one of four kinds, until it is over.
    pub async fn fault(&self, n: usize) {
        let at = n / 4 % 2;
        match n % 4 {
            0 => {
                self.kill(at);
                self.start(at).await;
            }
            1 => {
                self.signal(at, "-STOP");
                sleep(STOPPED).await;
                self.signal(at, "-CONT");
            }
            2 => {
                let others =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'communiqued'";
                self.cluster.sql("postgres", others);
            }
            _ if n % 8 == 3 => {
                self.cluster.kill();
                self.cluster.start_again();
            }
            _ => {
                self.cluster.signal(Signal::STOP);
                sleep(STOPPED).await;
                self.cluster.signal(Signal::CONT);
            }
        }
    }
    /// Until both serve.
    pub async fn heal(&self) {
        let began = Instant::now();
        for at in 0..2 {
            while !self.ready(at).await {
                assert!(began.elapsed() < 2 * PATIENCE, "{at} does not serve again: {}", self.said(at));
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn ready(&self, at: usize) -> bool {
        serving::ready(self.replicas[at].http).await
    }

    /// A connection of a party's official to one of them.
    pub async fn remote(&self, of: &str, at: usize) -> Option<Remote> {
        let connection = self.world.connection_to(self.replicas[at].address, of, Role::Official);
        timeout(Duration::from_secs(10), Remote::connect(&connection)).await.ok()?.ok()
    }

    /// The whole log, read beside them.
    pub async fn log(&self) -> Vec<Stored> {
        serving::whole(&Settings {
            url: self.database.url.clone(),
            password: Some(std::fs::read(&self.database.password_file).unwrap()),
            tls: pki::client::known_by(&std::fs::read(&self.database.ca).unwrap()).unwrap(),
            standbys: 0,
            readers: 1,
        })
        .await
    }
    /// The newest head of one of them, verified.
    pub async fn head(&self, at: usize) -> (u64, Hash) {
        serving::head(&self.world, &self.remote("east", at).await.unwrap()).await
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for at in 0..2 {
            self.kill(at);
        }
    }
}

/// As everybody holds them.
pub type Both = Arc<Replicas>;
