//! Front doors of one exchange that can die, and a load that goes on while they do.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    desk::WORDS,
    job::{exchange, reader},
};

/// A front door of the exchange that can die.
pub struct Door {
    pub address: SocketAddr,
    closed: Arc<AtomicBool>,
    through: Arc<Mutex<Vec<TcpStream>>>,
}
impl Door {
    pub fn to(exchange: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (closed, through) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec![])));
        let (exchange, shut, kept) = (exchange.to_owned(), closed.clone(), through.clone());
        std::thread::spawn(move || {
            while let Ok((here, _)) = listener.accept() {
                if shut.load(Ordering::SeqCst) {
                    return;
                }
                let there = TcpStream::connect(&exchange).unwrap();
                kept.lock().unwrap().push(here.try_clone().unwrap());
                for (mut from, mut to) in [(here.try_clone().unwrap(), there.try_clone().unwrap()), (there, here)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, closed, through }
    }
    /// Dies, with all that goes through it. Answers how many went.
    pub fn dies(&self) -> usize {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes who accepts.
        let _ = TcpStream::connect(self.address);
        let through = self.through.lock().unwrap();
        through.iter().for_each(|caller| _ = caller.shutdown(Shutdown::Both));
        through.len()
    }
}

/// The load that operators try failures under: negotiations one after another, with the tool as typed. An address dies in between, and nothing
/// that was acknowledged is lost or done twice.
#[test]
fn negotiations_go_on_while_an_address_dies() {
    let (desk, served) = exchange();
    let doors = [Door::to(&served.address), Door::to(&served.address)];
    for party in ["north", "south"] {
        let file = format!("{party}-official.toml");
        let several = format!("['{}', '{}']", doors[0].address, doors[1].address);
        let profile = desk.read(&file).replace(&format!("'{}'", served.address), &several);
        desk.write(&file, format!("{profile}party = '{party}'\n"));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/load/negotiate");
    let load = |args: &[&str]| {
        let mut load = Command::new("bash");
        load.arg(&script).args(args).current_dir(desk.0.path()).env("HOME", desk.0.path());
        load.env("COMMUNIQUE", assert_cmd::cargo::cargo_bin("communique")).env_remove("XDG_STATE_HOME");
        load.stdin(Stdio::piped()).stdout(Stdio::piped());
        load
    };
    let mut run = load(&["3", "north-official.toml", "south-official.toml"]).spawn().unwrap();
    run.stdin.take().unwrap().write_all(WORDS.as_bytes()).unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.starts_with("round 1: ") && first.contains(" published, "), "{first}");
    assert!(doors[0].dies() > 0);
    let rest: Vec<_> = lines.collect();
    assert_eq!(rest.last().unwrap(), "3 rounds, 0 failures", "{rest:?}");
    assert!(run.wait().unwrap().success());
    let published = reader(&desk, "south", "list --state published --json").ends(0).json();
    assert_eq!(published["communiques"].as_array().unwrap().len(), 3);
    let acts = reader(&desk, "south", "audit --anew --json").ends(0).json();
    // A revision, two initials, an opening, two signatures, completion and publication of each; before them the founding and two grants.
    assert_eq!(acts["size"].as_u64().unwrap(), 3 * 8 + 7, "{acts}");

    // Where nothing can be reached, it says so round by round; and how it is called.
    assert!(doors[1].dies() > 0);
    assert_eq!(load(&["0", "north-official.toml", "south-official.toml"]).output().unwrap().status.code(), Some(64));
}
