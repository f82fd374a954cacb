//! The trio, as `deploy/patroni/trial` makes it.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    thread::panicking,
    time::{Duration, Instant},
};

use communique::{app::machine::ThisMachine, exchange::ports::Machine as _};
use tokio::time::sleep;

use crate::missing::missing;

pub const NODES: [&str; 3] = ["node1", "node2", "node3"];
const TRIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/patroni/trial");
/// What the script exits with when a program of others is not there.
const UNAVAILABLE: i32 = 69;
/// How long another primary may take: the lease of the one before, and an election on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many lines of each log are told if a test fails: more than come while it waits.
const TOLD: usize = 200;

/// Dropping it ends all of it.
pub struct Trio {
    pub folder: PathBuf,
    pub url: String,
    port: u16,
    holder: Child,
    held: Option<ChildStdin>,
}

impl Trio {
    /// None where a program is missing.
    pub fn start(asynchronous: bool) -> Option<Self> {
        let random = ThisMachine.random();
        let port = 10_000 + u16::from_be_bytes([random[0], random[1]]) % 20_000;
        let folder = std::env::temp_dir().join(format!("trio-{port}"));
        let mut command = Command::new(TRIAL);
        command.arg("hold").arg("--folder").arg(&folder).args(["--port", &port.to_string()]);
        if asynchronous {
            command.arg("--asynchronous");
        }
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (held, mut url) = (holder.stdin.take(), String::new());
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut url).unwrap();
        if url.is_empty() {
            drop(held);
            let status = holder.wait().unwrap();
            assert_eq!(status.code(), Some(UNAVAILABLE), "the trio did not come up");
            missing("the trio of PostgreSQL", "deploy/patroni/trial says what, and how to install it");
            return None;
        }
        Some(Self { folder, url: url.trim_end().to_owned(), port, holder, held })
    }
    /// Runs the script, which must succeed; answers what it prints.
    pub fn ask(&self, what: &[&str]) -> String {
        let output = self.command(what).output().unwrap();
        assert!(output.status.success(), "trial {what:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
    pub fn command(&self, what: &[&str]) -> Command {
        let mut command = Command::new(TRIAL);
        command.args(what).arg("--folder").arg(&self.folder).args(["--port", &self.port.to_string()]);
        command.args(["--program", env!("CARGO_BIN_EXE_communiqued")]).stdin(Stdio::null());
        command
    }
    /// The name of the node that takes writes.
    pub fn primary(&self) -> String {
        self.ask(&["primary"]).trim_end().to_owned()
    }
    /// Prints what each program said last: the folder goes with the trio.
    fn tell(&self) {
        for log in
            NODES.iter().flat_map(|node| std::fs::read_dir(self.folder.join(node).join("log"))).flatten().flatten()
        {
            let said = std::fs::read(log.path()).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let lines: Vec<_> = said.lines().collect();
            println!("{}:\n{}", log.path().display(), lines[lines.len().saturating_sub(TOLD)..].join("\n"));
        }
    }
    pub async fn until_another_than(&self, before: &str) {
        let began = Instant::now();
        loop {
            let output = self.command(&["primary"]).output().unwrap();
            let now = String::from_utf8(output.stdout).unwrap();
            if output.status.success() && now.trim_end() != before {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "nobody took the place of {before}");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        if panicking() {
            self.tell();
        }
        drop(self.held.take());
        let _ = self.holder.wait();
    }
}
