//! Witnesses of a real exchange: `communique witness` at a ministry, and the exchange that asks.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use communique::{
    client::{
        keys::keyfile,
        reading::Pinned,
        witnessing::{Kept, Witness},
    },
    domain::{id::Role, key::Signer as _, time::Time},
    log::{
        checkpoint::{Head, Log, Unverified},
        cosignature::{self, Cosigner},
        note::{KeyName, SignatureLine},
        tree::{Edge, Hash},
    },
    wire::v1::{self, log_service_client::LogServiceClient},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::{EXCHANGE, NAMED, PATIENCE, World, domain_of, key, now, party, until};

const WORDS: &str = "a sample passphrase";

/// The newest head that the exchange shows this party's witness.
pub async fn newest(world: &World, of: &str) -> Head {
    shown(world, of).await.0
}

/// The newest head, and the largest that was cosigned.
pub async fn shown(world: &World, of: &str) -> (Head, Option<Head>) {
    let mut client = LogServiceClient::new(world.channel(of, Role::Witness).await);
    let answer = client.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap().into_inner();
    let log = Log::of_charter(&world.pinned.charter().log).unwrap();
    let verify = |note: &str| Unverified::parse(note.as_bytes()).unwrap().verify(&log).unwrap();
    let cosigned = Some(answer.cosigned_checkpoint).filter(|note| !note.is_empty());
    (verify(&answer.checkpoint), cosigned.map(|note| verify(&note)))
}

/// What this party's witness says of a head, at this time.
pub fn cosign(head: &Head, of: &str, time: Time) -> String {
    sign_in_name(head, &format!("{}/witness", domain_of(of)), &format!("witness of {of}"), time)
}

/// What a key of this name says of a head, in any name.
pub fn sign_in_name(head: &Head, name: &str, by: &str, time: Time) -> String {
    let name = KeyName::parse(name).unwrap();
    cosignature::cosign(head, &name, u64::try_from(time.unix()).unwrap(), &key(by)).unwrap().to_string()
}

fn cosigner(world: &World, of: &str) -> Cosigner {
    Cosigner::of_party(world.pinned.standing().party(&party(of)).unwrap()).unwrap()
}

/// A folder with a witness's profile and key.
pub struct Ministry {
    dir: tempfile::TempDir,
}

impl Ministry {
    pub fn of(world: &World, of: &str, by: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
        let connection = world.connection(of, Role::Witness);
        put("charter.json", world.pinned.charter().bytes());
        put("witness-tls.pem", &connection.certificate_pem);
        put("witness-tls-key.pem", &connection.key_pem);
        let signer = key(by);
        keyfile::write_encrypted(&dir.path().join("witness.pem"), &signer, WORDS).unwrap();
        put("witness.pem.jwk", &serde_json::to_vec(&signer.public()).unwrap());
        let profile = format!(
            "address = \"{}\"\ncharter = \"charter.json\"\npin = \"{}\"\ncertificate = \"witness-tls.pem\"\nkey = \"witness-tls-key.pem\"\n",
            world.bound().exchange,
            world.pinned.charter().digest()
        );
        put("profile.toml", profile.as_bytes());
        Self { dir }
    }
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
    fn begin(&self, args: &[&str]) -> Child {
        let mut child = Command::new(Path::new(env!("CARGO_BIN_EXE_communique")))
            .args(args)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What fails before it asks for the passphrase does not read it.
        let _ = child.stdin.take().unwrap().write_all(format!("{WORDS}\n").as_bytes());
        child
    }
    /// Any command.
    pub async fn runs(&self, args: &[&str]) -> Ran {
        let child = self.begin(args);
        let ended = timeout(PATIENCE, tokio::task::spawn_blocking(move || child.wait_with_output()));
        let ended = ended.await.unwrap().unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: ended.status.code().unwrap(), out: text(ended.stdout), err: text(ended.stderr) }
    }
    /// The witness, for programs.
    pub fn start(&self, args: &[&str]) -> Child {
        self.begin(&[&["--json"], &WITNESS[..], args].concat())
    }
    /// It looks once.
    pub async fn once(&self, args: &[&str]) -> Ran {
        self.runs(&[&["--json"], &WITNESS[..], &["--once"], args].concat()).await
    }
    /// The witness, for people.
    pub async fn spoken(&self, args: &[&str]) -> Ran {
        self.runs(&[&WITNESS[..], args].concat()).await
    }
}

const WITNESS: [&str; 7] = ["--profile", "./profile.toml", "witness", "--key", "witness.pem", "--passphrase-fd", "0"];

/// What a program answered.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ministry_witnesses_the_log_and_stops_at_a_lie() {
    let world = World::new().await;
    let ministry = Ministry::of(&world, "north", "witness of north");
    let Ran { code, out, err } = ministry.once(&[]).await;
    assert_eq!(code, 0, "{err}");
    let (head, cosigned) = shown(&world, "north").await;
    let size = head.checkpoint().size();
    assert!(out.contains(&format!("\"size\":{size}")), "{out}");
    let cosigned = cosigned.expect("it was handed in");
    let time = cosigner(&world, "north").time_in(cosigned.note()).unwrap();
    assert!(time.is_some_and(|time| time.abs_diff(now().unix() as u64) < 60) && cosigned.checkpoint().size() == size);

    // It goes on from there, in another process.
    world.draft(&NAMED, |_| ()).await;
    let Ran { code, err, .. } = ministry.once(&[]).await;
    assert_eq!(code, 0, "{err}");
    let kept = std::fs::read_to_string(ministry.path("witness.pem.head")).unwrap();
    let grown = newest(&world, "north").await.checkpoint().size();
    assert!(grown > size && kept.contains(&format!("\\n{grown}\\n")), "{kept}");

    // Two cannot run: another has the lock.
    let held = Kept::open(&ministry.path("witness.pem"), world.pinned.founding()).unwrap();
    let Ran { code, err, .. } = ministry.once(&[]).await;
    assert!(code == 1 && err.contains("another witness runs"), "{err}");
    drop(held);

    // A key that is no witness's, and a certificate of another role.
    let wrong = Ministry::of(&world, "north", "another");
    let Ran { code, err, .. } = wrong.once(&[]).await;
    assert!(code == 1 && err.contains("to no witness"), "{err}");

    // It has seen a longer log than there is: as if the exchange had gone back to an older copy.
    let longer = Edge::new(1 << 20, vec![Hash::of_leaf(b"longer")]).unwrap();
    let origin = head.checkpoint().origin().clone();
    let checkpoint = communique::log::checkpoint::Checkpoint::new(origin, longer.size(), longer.root()).unwrap();
    let forged = Head::sign(checkpoint, &keyfile::read_plain(&world.config.keys.log).unwrap()).unwrap();
    let sheet = serde_json::json!({ "founding": world.pinned.founding(), "checkpoint": forged.to_string() });
    std::fs::write(ministry.path("witness.pem.head"), sheet.to_string()).unwrap();
    let before = shown(&world, "north").await.1.unwrap().to_string();
    for said in ["rolled its log back", "rolled its log back"] {
        let Ran { code, out, err } = ministry.once(&[]).await;
        assert!(code == 1 && out.is_empty() && err.contains(said) && err.contains("LOG_LIES"), "{err}");
        assert!(err.contains("witness.pem.doubt"), "{err}");
    }
    let doubt: serde_json::Value =
        serde_json::from_slice(&std::fs::read(ministry.path("witness.pem.doubt")).unwrap()).unwrap();
    assert_eq!(doubt["known"], forged.to_string());
    assert!(doubt["shown"].as_str().unwrap().contains(&format!("\n{grown}\n")));
    assert_eq!(shown(&world, "north").await.1.unwrap().to_string(), before, "it cosigned after the lie");
    world.stop().await;
}

/// `GET` of a path.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchange_asks_a_witness_and_shows_the_public_log() {
    // The witness's port has to be known before the exchange starts.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::with(|config| {
        config.log.listen = Some("127.0.0.1:0".parse().unwrap());
        config.log.witness =
            vec![communique::app::config::Witness { party: party("south"), url: format!("http://{port}/"), ca: None }];
    })
    .await;
    let ministry = Ministry::of(&world, "south", "witness of south");
    // It never looks by itself, but for once at the start.
    let mut child = ministry.start(&["--listen", &port.to_string(), "--interval", "86400"]);
    let (tell, mut lines) = tokio::sync::mpsc::channel(64);
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.blocking_send(line)));
    let first = timeout(PATIENCE, lines.recv()).await.unwrap();
    assert!(first.as_ref().is_some_and(|line| line.contains("listening")), "{first:?}");

    let manifest = world.draft(&NAMED, |_| ()).await;
    world.open(&manifest).await;
    let size = newest(&world, "south").await.checkpoint().size();
    let south = cosigner(&world, "south");
    until("the newest head is cosigned", || async {
        let (head, cosigned) = shown(&world, "south").await;
        cosigned.is_some_and(|cosigned| {
            cosigned.checkpoint() == head.checkpoint() && south.time_in(cosigned.note()).unwrap().is_some()
        })
    })
    .await;
    let told = timeout(PATIENCE, async {
        loop {
            let line = lines.recv().await.expect("it goes on");
            if line.contains(&format!("\"size\":{size}")) {
                break line;
            }
        }
    });
    assert!(told.await.unwrap().contains("\"asked\":true"));

    // What anybody sees.
    let public = world.bound().log.unwrap();
    let (status, note) = get(public, "/checkpoint").await;
    let log = Log::of_charter(&world.pinned.charter().log).unwrap();
    let head = Unverified::parse(&note).unwrap().verify(&log).unwrap();
    assert!(status == 200 && south.time_in(head.note()).unwrap().is_some());
    let size = head.checkpoint().size();
    let (status, bytes) = get(public, &format!("/tile/entries/000.p/{size}")).await;
    let mut edge = Edge::default();
    // Each leaf behind its length in two bytes.
    bytes.chunks(34).for_each(|leaf| edge.append(Hash::of_leaf(&leaf[2..]), |_, _| ()).unwrap());
    assert_eq!((status, edge.root()), (200, head.checkpoint().root()));
    assert_eq!(get(public, "/metrics").await.0, 404);
    assert_eq!(get(world.bound().http, "/checkpoint").await.0, 404);
    let (_, metrics) = get(world.bound().http, "/metrics").await;
    assert!(String::from_utf8_lossy(&metrics).contains("communique_log_cosigned_entries{party=\"south\"} "));

    // A witness that is gone delays nothing.
    child.kill().unwrap();
    child.wait().unwrap();
    let began = tokio::time::Instant::now();
    world.draft(&NAMED, |_| ()).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_in_a_program_looks_and_hands_in() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::open(&dir.path().join("key"), world.pinned.founding()).unwrap();
    let witness = Witness::new(kept, Arc::new(key("witness of north")));
    witness.follow(&Pinned::clone(&world.pinned)).unwrap();
    let session = world.session("north", Role::Witness).await;
    let first = witness.look(session.remote(), None, now).await.unwrap().expect("nothing was cosigned before");
    let size = first.checkpoint.size();
    assert_eq!(witness.look(session.remote(), Some(size), now).await.unwrap(), None, "it stands still");
    world.draft(&NAMED, |_| ()).await;
    let next = witness.look(session.remote(), Some(size), now).await.unwrap().expect("it has grown");
    assert!(next.checkpoint.size() > size);
    let line = SignatureLine::parse_all(next.line.as_bytes()).unwrap();
    assert!(cosigner(&world, "north").verify(&next.checkpoint.to_string(), &line[0]).is_ok());
    assert_eq!(world.pinned.exchange().as_str(), EXCHANGE);
    world.stop().await;
}
