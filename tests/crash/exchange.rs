//! An exchange in a process of its own: founded, started, killed, cut from its power.

use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use communique::{
    app::config::Config,
    client::{
        remote::{Connection, Remote},
        road::{Proxies, Road},
        session::Session,
    },
    domain::{
        document::Document,
        entry::{Entry, Kind as EntryKind, Position, StreamId},
        id::{CommuniqueId, Role, Salt},
        json,
        remark::{Audience, Remark},
        statement::Type,
        words::{Line, Prose},
    },
    exchange::ports::{Append, NewEntry, Object, Store},
    pki::{self, issue::Issued},
    store::{
        postgres::{PostgresStore, Settings},
        sqlite::{Options, SqliteStore},
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Handle,
    time::{sleep, timeout},
};

use crate::{
    cluster::Cluster,
    disk::{Disk, Left},
    ports::free_ports,
    world::{PATIENCE, World, authority, leaf, now, party},
};

/// What a process says that found its store, or a port, still or already taken.
const TAKEN: [&str; 2] = ["is in use by another process", "cannot listen on"];
/// Entries of one append of those that only make a log long.
const FILLED_AT_ONCE: u64 = 1024;

/// What differs between stores: how an exchange is configured for one, and how the log is opened beside it, to be filled or read.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Sets what its files do not say, before it is founded.
    pub configure: fn(&mut Config),
    /// The same for the process that serves it: variables of the environment.
    pub environment: fn(&Config) -> Vec<(&'static str, String)>,
    /// The log of an exchange that is down, for writing.
    pub open: fn(&World) -> Result<Arc<dyn Store>, String>,
    /// The log, for reading alone.
    pub reading: fn(&World) -> Arc<dyn Store>,
    /// Whether its files are behind the test's disk. Of a database only instants are aimed at.
    pub behind_disk: bool,
    /// What else loses its power.
    pub cut: fn(),
}

/// SQLite in the folder of the exchange's data.
pub const EMBEDDED: Kind = Kind {
    configure: |_| (),
    environment: |_| Vec::new(),
    open: |world| {
        let opened = SqliteStore::open(&world.config.data.log(), Options::default());
        opened.map(|store| Arc::new(store) as Arc<dyn Store>).map_err(|error| error.to_string())
    },
    reading: |world| Arc::new(SqliteStore::reading(&world.config.data.log(), Options::default()).unwrap()),
    behind_disk: true,
    cut: || (),
};

/// A database of the server that all tests of this process share. Where its machine loses its power, all of its processes are killed.
pub const DATABASE: Kind = Kind {
    configure: |config| {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("crashed_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let database = Cluster::shared().unwrap().database(&name);
        config.store.url = database.url;
        config.store.ca = database.ca;
        config.store.password_file = database.password_file;
    },
    environment: |config| {
        let store = &config.store;
        vec![
            ("COMMUNIQUE__STORE__URL", store.url.clone()),
            ("COMMUNIQUE__STORE__CA", store.ca.display().to_string()),
            ("COMMUNIQUE__STORE__PASSWORD_FILE", store.password_file.display().to_string()),
        ]
    },
    open: |world| Ok(in_database(world)),
    reading: in_database,
    behind_disk: false,
    cut: || {
        let server = Cluster::shared().unwrap();
        server.kill();
        server.start_again();
    },
};

fn in_database(world: &World) -> Arc<dyn Store> {
    let store = &world.config.store;
    let settings = Settings {
        url: store.url.clone(),
        password: Some(std::fs::read(&store.password_file).unwrap()),
        tls: pki::client::known_by(&std::fs::read(&store.ca).unwrap()).unwrap(),
        standbys: 0,
        readers: 2,
    };
    let opened = tokio::task::block_in_place(|| Handle::current().block_on(PostgresStore::open(&settings)));
    Arc::new(opened.unwrap())
}

/// Connections by party.
pub type Sessions = BTreeMap<&'static str, Session>;

/// Who calls. Parties and roles as their certificates say, and two whom the door must refuse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Caller {
    Official(&'static str),
    /// West's official whose certificate was revoked.
    Revoked,
    /// Of an authority that no party vouches for.
    Stranger,
}

pub struct Exchange {
    pub world: World,
    pub kind: Kind,
    pub disk: Disk,
    certificates: BTreeMap<Caller, Issued>,
    server_cas: Vec<Vec<u8>>,
    folder: TempDir,
    child: Mutex<Option<Child>>,
    address: SocketAddr,
    http: SocketAddr,
}

impl Exchange {
    /// Founded, with a log of at least so many entries, and not started. None where its disk cannot be made.
    pub async fn new(kind: Kind, entries: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(&folder.path().join("disk"))?;
        let world = World::with(kind.configure).await;
        let mut certificates = BTreeMap::new();
        for of in ["east", "south", "north", "west"] {
            certificates.insert(Caller::Official(of), world.issue(of, Role::Official, "sample"));
        }
        let lost = world.issue("west", Role::Official, "lost");
        let trust = world.trust("west", 2, &[&world.authorities["west"]], &[leaf(&lost)]);
        world.session("west", Role::Authority).await.submit_trust(trust.compact()).await.unwrap();
        certificates.insert(Caller::Revoked, lost);
        let unknown = authority("west");
        let id = format!("spiffe://{}/{}/stranger", crate::world::domain_of("west"), Role::Official);
        certificates.insert(Caller::Stranger, crate::world::issue(&unknown, &id));
        let server_cas = world.connection("east", Role::Official).server_cas;
        world.stop().await;
        fill(&*opened(kind, &world).await, &world, entries).await;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Some(Self {
            world,
            kind,
            disk,
            certificates,
            server_cas,
            folder,
            child: Mutex::default(),
            address: nowhere,
            http: nowhere,
        })
    }

    /// Starts it and waits until it says that it is ready. Answers how long that took, or what it said if it ended.
    pub async fn start(&mut self) -> Result<Duration, String> {
        loop {
            match self.start_once().await {
                Err(said) if TAKEN.iter().any(|taken| said.contains(taken)) => {}
                started => return started,
            }
        }
    }
    async fn start_once(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        let configuration = self.world.config.data.directory.parent().unwrap().join("communiqued.toml");
        [self.address, self.http] = free_ports();
        let log = self.said();
        let mut command = Command::new(env!("CARGO_BIN_EXE_communiqued"));
        command.args(["serve", "--config"]).arg(configuration);
        command.env("COMMUNIQUE__LISTEN__ADDRESS", self.address.to_string());
        command.env("COMMUNIQUE__HTTP__LISTEN", self.http.to_string());
        command.envs((self.kind.environment)(&self.world.config));
        self.disk.before(&mut command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn();
        *self.child.lock().unwrap() = Some(child.unwrap());
        while !self.ready().await {
            if self.died() {
                return Err(std::fs::read_to_string(log).unwrap());
            }
            assert!(began.elapsed() < PATIENCE, "not ready: {}", std::fs::read_to_string(log).unwrap());
            sleep(Duration::from_millis(10)).await;
        }
        Ok(began.elapsed())
    }
    /// Where the process says what it does.
    pub fn said(&self) -> PathBuf {
        self.folder.path().join("said")
    }
    /// Whether the process has ended.
    pub fn died(&self) -> bool {
        self.child.lock().unwrap().as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }
    /// SIGKILL, unless it is dead already.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            // It may just have died by itself.
            let _ = child.kill();
            child.wait().unwrap();
        }
        self.disk.disarm();
    }
    /// Cuts the power; it is killed first.
    pub fn cut(&self, left: Left<'_>) -> usize {
        self.kill();
        (self.kind.cut)();
        self.disk.cut(&self.world.config.data.directory, left)
    }

    /// Whether `/readyz` says so.
    pub async fn ready(&self) -> bool {
        let asked = timeout(Duration::from_secs(2), async {
            let mut stream = TcpStream::connect(self.http).await?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        });
        matches!(asked.await, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 "))
    }

    pub fn connection(&self, caller: Caller) -> Connection {
        let issued = &self.certificates[&caller];
        Connection {
            road: Road::new([self.address.to_string()], Proxies::default()).unwrap(),
            server_name: crate::world::EXCHANGE.into(),
            server_cas: self.server_cas.clone(),
            certificate_pem: issued.cert_pem.clone().into_bytes(),
            key_pem: issued.key_pem.as_bytes().to_vec(),
        }
    }
    /// A connection of each party that acts.
    pub async fn sessions(&self) -> Sessions {
        let mut sessions = Sessions::new();
        for of in ["east", "south"] {
            let remote = Remote::connect(&self.connection(Caller::Official(of))).await.unwrap();
            sessions.insert(of, Session::over(self.world.pinned.clone(), remote));
        }
        sessions
    }
    /// The log, read beside the process. To be dropped before the process is killed: who has it open keeps an index of it alive.
    pub fn reading(&self) -> Arc<dyn Store> {
        (self.kind.reading)(&self.world)
    }
    /// What `communiqued fsck` says, if it finds anything.
    pub fn fsck(&self) -> Result<(), String> {
        let data = &self.world.config.data.directory;
        let configuration = data.parent().unwrap().join("communiqued.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_communiqued"));
        command.envs((self.kind.environment)(&self.world.config));
        let output = command.args(["fsck", "--config"]).arg(configuration).output().unwrap();
        let said = || String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
        if output.status.success() { Ok(()) } else { Err(said()) }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The log, once it is let go: a call that was cut off holds it for a moment longer than the exchange served, and so does a process of
/// another test between its fork and its exec.
async fn opened(kind: Kind, world: &World) -> Arc<dyn Store> {
    let began = Instant::now();
    loop {
        match (kind.open)(world) {
            Ok(store) => return store,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Makes the log as long as this, by remarks that nobody made, in streams of their own.
async fn fill(store: &dyn Store, world: &World, entries: u64) {
    let mut next = store.last().await.unwrap().map_or(0, |last| last.index + 1);
    let (mut positions, time) = (BTreeMap::<u64, Position>::new(), now());
    while next < entries {
        let batch = FILLED_AT_ONCE.min(entries - next);
        let one = |n: u64| {
            let communique = CommuniqueId::new(1_700_000_000_000 + n % 500, &[7; 10]);
            let mut salt = [0; 32];
            salt[..8].copy_from_slice(&n.to_be_bytes());
            let remark = Remark {
                r#type: Type::of::<Remark>(),
                salt: Salt::new(salt),
                founding: world.pinned.founding(),
                exchange: world.pinned.exchange().clone(),
                communique,
                revision: 1,
                party: party("west"),
                author: Line::new("Échantillon").unwrap(),
                audience: Audience::All,
                lang: None,
                text: Prose::new("Le deuxième alinéa est à revoir.").unwrap(),
                time,
            };
            let object = Object::new(json::encode(&remark));
            let position = positions.entry(n % 500).or_default();
            let entry = Entry {
                documents: vec![object.digest()],
                files: None,
                kind: EntryKind::Remark,
                previous: position.last,
                salt: Salt::new(salt),
                seq: position.length,
                statements: vec![],
                stream: StreamId::Remarks(communique),
                time,
            };
            let entry = Document::made(entry).unwrap();
            position.advance(&entry, entry.digest()).unwrap();
            NewEntry { entry, objects: vec![object] }
        };
        let entries = (next..next + batch).map(one).collect();
        store.append(Append { expect: vec![], entries, listings: vec![], unlogged: vec![] }).await.unwrap();
        next += batch;
    }
}
