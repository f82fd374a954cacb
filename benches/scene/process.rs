//! Programs in processes of their own, as they are shipped, and what the system says of them.

use std::{
    fs::File,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use communique::store::sqlite::{Options, SqliteStore};

use crate::{ports::free_ports, world::World};

/// Longer than anything takes to start here.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether a program listens.
const PAUSE: Duration = Duration::from_micros(500);

/// A program that runs until this is dropped.
pub struct Running(Child);

impl Running {
    pub fn of(child: Child) -> Self {
        Self(child)
    }
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
    /// Resident memory, in bytes (proc(5), `status`, VmRSS).
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
    }
    /// Processor time of the process, user and system, in seconds (proc(5), `stat`, fields 14 and 15).
    pub fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        [fields[11], fields[12]].map(|ticks| ticks.parse::<f64>().unwrap()).iter().sum::<f64>() / 100.0
    }
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `communiqued serve` over the files of a founded exchange, which is not served otherwise.
pub struct Process {
    running: Running,
    /// Where it is reached.
    pub address: SocketAddr,
    /// How long it took until it accepted connections.
    pub started: Duration,
}

impl Process {
    /// Starts it with these settings over its configuration, as variables of the environment.
    pub fn start(world: &World, settings: &[(&str, String)]) -> Self {
        let configuration = configuration(world);
        let [address, http] = free_ports();
        let mut command = Command::new(env!("CARGO_BIN_EXE_communiqued"));
        command.args(["serve", "--config"]).arg(&configuration).stdin(Stdio::null());
        command.env("COMMUNIQUE__LISTEN__ADDRESS", address.to_string());
        command.env("COMMUNIQUE__HTTP__LISTEN", http.to_string());
        command.envs(settings.iter().map(|(key, value)| (key, value)));
        let said = configuration.with_file_name("said");
        command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
        let began = Instant::now();
        let mut running = Running::of(command.spawn().unwrap());
        listening(address, began, || {
            let ended = running.child().try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(&said).unwrap());
        });
        Self { running, address, started: began.elapsed() }
    }
    /// What it has said up to now, while it runs.
    pub fn said(&mut self, world: &World) -> String {
        let said = std::fs::read_to_string(configuration(world).with_file_name("said")).unwrap();
        assert!(self.running.child().try_wait().unwrap().is_none(), "it has ended: {said}");
        said
    }
    pub fn resident(&self) -> f64 {
        self.running.resident()
    }
    pub fn processor(&self) -> f64 {
        self.running.processor()
    }
}

/// The log of an exchange that was stopped, once it is let go: a call that was cut off may hold it for a moment.
pub fn log_of(world: &World) -> SqliteStore {
    let began = Instant::now();
    loop {
        match SqliteStore::open(&world.config.data.log(), Options::default()) {
            Ok(store) => return store,
            Err(why) => assert!(began.elapsed() < PATIENCE, "{why}"),
        }
        sleep(Duration::from_millis(20));
    }
}

/// The file with an exchange's configuration.
pub fn configuration(world: &World) -> PathBuf {
    world.config.data.directory.with_file_name("communiqued.toml")
}

/// # Panics
/// If files for a while lie in memory, where a sync does nothing.
pub fn on_a_disk() {
    let folder = std::env::temp_dir();
    let asked = Command::new("stat").args(["--file-system", "--format=%T"]).arg(&folder).output().unwrap();
    let kind = String::from_utf8(asked.stdout).unwrap();
    println!("what is durable lies in {} ({})", folder.display(), kind.trim());
    assert!(
        !["tmpfs", "ramfs"].contains(&kind.trim()),
        "in memory nothing is durable: set TMPDIR to a folder on a disk"
    );
}

/// Waits until somebody listens there.
pub fn listening(address: SocketAddr, began: Instant, mut alive: impl FnMut()) {
    while TcpStream::connect(address).is_err() {
        alive();
        assert!(began.elapsed() < PATIENCE, "nobody listens on {address}");
        sleep(PAUSE);
    }
}
