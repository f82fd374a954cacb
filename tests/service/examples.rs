//! The examples for systems: a Python and a Node program, made from the published protos alone, each play one party's whole
//! negotiation, while the others are played here. In the middle one of two roads to the exchange is cut for good, and the exchange starts again.
//!
//! `COMMUNIQUE_TEST_PYTHON` names the Python that has the packages of `examples/python/requirements.txt`, `python3` if it is
//! not set; `COMMUNIQUE_TEST_NODE_MODULES` the `node_modules` made from `examples/node/package-lock.json`, that in
//! `examples/node` if it is not set.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Cursor, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use communique::{
    client::keys::keyfile,
    domain::{
        act::ActKind,
        document::Document,
        id::{CommuniqueId, Digest, Role},
        manifest::Manifest,
        remark::Audience,
        words::Prose,
    },
    package::{
        verdict::Verdict,
        verify::{text, verify},
    },
    wire::{
        names,
        v1::{
            UploadContentRequest, UploadHeader, content_service_client::ContentServiceClient,
            upload_content_request::Part,
        },
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    missing::missing,
    watch::remark,
    world::{NAMED, PATIENCE, World, fresh, key, outcome, reason},
};

/// The passphrase of the example's key.
const WORDS: &str = "a sample passphrase";
/// More lines than the example says in all.
const LINES: usize = 1000;
const TEXT: &str = "Premier alinéa.\n\nDeuxième alinéa.\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[expect(clippy::disallowed_methods, reason = "which Python there is is the machine's to say")]
fn python() -> Option<Command> {
    let python = std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let imports = "import cryptography, grpc, grpc_status, grpc_tools";
    if Command::new(&python).args(["-c", imports]).output().is_ok_and(|there| there.status.success()) {
        let mut program = Command::new(python);
        // No compiled files in the source tree.
        program.arg("-B").arg(root().join("examples/python/negotiate.py"));
        return Some(program);
    }
    missing(
        &format!("a Python package that {python} needs to negotiate"),
        "`pip install -r examples/python/requirements.txt`, or name a Python in COMMUNIQUE_TEST_PYTHON",
    );
    None
}

#[expect(clippy::disallowed_methods, reason = "where the packages of npm are is the machine's to say")]
fn node() -> Option<Command> {
    let modules = std::env::var_os("COMMUNIQUE_TEST_NODE_MODULES")
        .map_or_else(|| root().join("examples/node/node_modules"), PathBuf::from);
    let there = Command::new("node").arg("--version").output().is_ok_and(|there| there.status.success());
    if there && modules.join("@grpc/grpc-js").is_dir() {
        let mut program = Command::new("node");
        program.arg(root().join("examples/node/negotiate.js")).env("NODE_PATH", modules);
        return Some(program);
    }
    missing(
        "node 20, or a package that it needs to negotiate,",
        "`npm ci` in examples/node, or name a node_modules in COMMUNIQUE_TEST_NODE_MODULES",
    );
    None
}

/// A road to the exchange that can be cut: whoever travels on it loses the connection, and it takes nobody any more. It finds the
/// exchange also when that has started again, on another port.
struct Ferry {
    address: SocketAddr,
    exchange: Arc<Mutex<SocketAddr>>,
    travelling: Arc<Mutex<JoinSet<()>>>,
    harbour: JoinHandle<()>,
}

impl Ferry {
    async fn to(exchange: SocketAddr) -> Self {
        let harbour = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = harbour.local_addr().unwrap();
        let exchange = Arc::new(Mutex::new(exchange));
        let travelling = Arc::new(Mutex::new(JoinSet::new()));
        let (boats, to) = (travelling.clone(), exchange.clone());
        let harbour = tokio::spawn(async move {
            while let Ok((mut here, _)) = harbour.accept().await {
                let exchange = *to.lock().unwrap();
                boats.lock().unwrap().spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(exchange).await {
                        let _ = copy_bidirectional(&mut here, &mut there).await;
                    }
                });
            }
        });
        Self { address, exchange, travelling, harbour }
    }
    fn cut(&self) {
        let mut travelling = self.travelling.lock().unwrap();
        assert!(!travelling.is_empty(), "somebody is connected");
        self.harbour.abort();
        travelling.abort_all();
    }
}

/// The example at work for South: its lines of JSON as they come, and all of them so far.
struct Desk {
    dir: TempDir,
    child: Child,
    lines: mpsc::Receiver<Value>,
    said: Vec<Value>,
}

impl Desk {
    /// Puts on the desk what an engineer of South has, and starts the program.
    fn start(mut program: Command, world: &World, addresses: [SocketAddr; 2], id: CommuniqueId) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let connection = world.connection("south", Role::System);
        let path = |name: &str| dir.path().join(name);
        keyfile::write_encrypted(&path("signing.pem"), &key("south.a"), WORDS).unwrap();
        for (name, bytes) in [
            ("charter.json", world.pinned.charter().bytes()),
            ("system.pem", &connection.certificate_pem),
            ("system-key.pem", &connection.key_pem),
            ("fr.txt", TEXT.as_bytes()),
        ] {
            std::fs::write(path(name), bytes).unwrap();
        }
        let desk = json!({
            "protos": root().join("proto"), "address": addresses, "charter": path("charter.json"),
            "pin": world.pinned.founding().to_string(),
            "certificate": path("system.pem"), "key": path("system-key.pem"), "signing_key": path("signing.pem"),
            "party": "south", "parties": ["south", "north", "east"], "lang": "fr",
            "title": "Communiqué conjoint (exemple)", "text": path("fr.txt"),
            "communique": id.to_string(), "package": path("package.zip"),
        });
        std::fs::write(path("desk.json"), desk.to_string()).unwrap();
        let mut child = program
            .arg(path("desk.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(path("stderr")).unwrap())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{WORDS}").unwrap();
        let (tell, lines) = mpsc::channel(LINES);
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines() {
                let line = line.unwrap();
                let _ = tell.blocking_send(
                    serde_json::from_str(&line).unwrap_or_else(|_| json!({"step": "no JSON", "it": line})),
                );
            }
        });
        Self { dir, child, lines, said: vec![] }
    }
    /// Waits for the next line of this step.
    async fn says(&mut self, step: &str) -> Value {
        loop {
            let line = timeout(PATIENCE, self.lines.recv()).await.ok().flatten();
            let Some(line) = line else { panic!("never {step}: {:#?}\n{}", self.said, self.stderr()) };
            self.said.push(line.clone());
            if line["step"] == step {
                return line;
            }
        }
    }
    /// Waits until it has proposed this revision.
    async fn proposes(&mut self, world: &World, revision: u64) -> Document<Manifest> {
        let line = self.says("proposed").await;
        assert_eq!(line["revision"], revision, "{:#?}", self.said);
        let id = line["communique"].as_str().unwrap().parse().unwrap();
        let held = world.remote("north").await.revision(id, revision).await.unwrap();
        let manifest = Document::<Manifest>::parse(held.manifest).unwrap();
        assert_eq!(line["manifest"], manifest.digest().to_string());
        manifest
    }
    fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }
    /// Waits for its end; every line with its step.
    async fn ends(mut self) -> (Vec<Value>, Vec<u8>) {
        self.says("package").await;
        while let Ok(Some(line)) = timeout(PATIENCE, self.lines.recv()).await {
            self.said.push(line);
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {:#?}\n{}", self.said, self.stderr());
        let mut package = vec![];
        File::open(self.dir.path().join("package.zip")).unwrap().read_to_end(&mut package).unwrap();
        (std::mem::take(&mut self.said), package)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A part of South's text, as of an upload that broke off.
async fn upload_a_part(world: &World, id: CommuniqueId, held: usize) {
    let header = Part::Header(UploadHeader {
        communique: names::communique(id),
        sha256: Digest::of(TEXT.as_bytes()).to_string(),
        size: TEXT.len() as u64,
        offset: 0,
    });
    let parts = [header, Part::Chunk(TEXT.as_bytes()[..held].to_vec())];
    let parts = parts.map(|part| UploadContentRequest { part: Some(part) });
    let channel = world.channel("south", Role::System).await;
    let broken = ContentServiceClient::new(channel).upload_content(tokio_stream::iter(parts)).await;
    assert_eq!(outcome(&broken), "WRONG_SIZE", "what came is kept");
}

/// One of these of each: the steps of the negotiation, without what was merely heard.
fn steps(said: &[Value]) -> Vec<String> {
    said.iter()
        .filter(|line| !["heard", "watching", "broken"].contains(&line["step"].as_str().unwrap()))
        .map(|line| match line["step"].as_str().unwrap() {
            "acted" => format!("{} {}", line["act"].as_str().unwrap(), line["revision"]),
            "proposed" => format!("proposed {}", line["revision"]),
            "refused" => format!("refused {}", line["reason"].as_str().unwrap()),
            other => other.to_owned(),
        })
        .collect()
}

/// A program plays South; North and East are played here.
async fn negotiates(program: Command) {
    let world = World::new().await;
    let (other, ferry) = (Ferry::to(world.bound().exchange).await, Ferry::to(world.bound().exchange).await);
    let id = fresh();
    upload_a_part(&world, id, 10).await;
    let mut south = Desk::start(program, &world, [other.address, ferry.address], id);

    let first = south.proposes(&world, 1).await;
    // A remark of North's to its own ministry is none of South's business; one to all is taken up.
    let north = world.remote("north").await;
    for (audience, words) in [(Audience::Own, "Rester ferme."), (Audience::All, "Troisième alinéa.")] {
        north.add_remark(remark(&world, "north", &first, audience, words).bytes()).await.unwrap();
    }
    let second = south.proposes(&world, 2).await;
    let answer = south.says("remarked").await;
    let remarks = north.remarks(id, Some(2)).await.unwrap();
    drop(north);
    assert_eq!(remarks.iter().map(|r| json!(r.receipt.index)).collect::<Vec<_>>(), [answer["index"].clone()]);

    // What happens while the road is cut is heard afterwards, by the other one.
    assert!(ferry.travelling.lock().unwrap().is_empty(), "the first address is enough while it serves");
    other.cut();
    let mut objection = world.act(ActKind::Object, "east.a", &second, None);
    objection.reason = Some(Prose::new("Quatrième alinéa.").unwrap());
    world.submit("east.a", objection).await.unwrap();
    let third = south.proposes(&world, 3).await;
    south.says("remarked").await;

    // The exchange goes down, says so, and comes back.
    world.stop().await;
    world.start().await;
    *ferry.exchange.lock().unwrap() = world.bound().exchange;

    // It is opened and signed by South, and then declined: the signature stays sealed.
    world.submit("north.a", world.act(ActKind::Initial, "north.a", &third, None)).await.unwrap();
    world.submit("east.a", world.act(ActKind::Initial, "east.a", &third, None)).await.unwrap();
    while south.says("acted").await["act"] != "sign" {}
    let opening = world.opening(&third).await;
    let mut refused = world.act(ActKind::Decline, "east.a", &third, Some(opening));
    refused.reason = Some(Prose::new("Cinquième alinéa.").unwrap());
    world.submit("east.a", refused).await.unwrap();
    let fourth = south.proposes(&world, 4).await;

    for who in ["north.a", "east.a"] {
        world.submit(who, world.act(ActKind::Initial, who, &fourth, None)).await.unwrap();
    }
    while south.says("acted").await["act"] != "sign" {}
    let opening = world.opening(&fourth).await;
    // The others' signatures: South hears of them that they are there.
    for who in ["north.a", "north.b", "east.a"] {
        world.sign_for(who, &fourth, opening).await;
    }
    let (said, package) = south.ends().await;

    // It took what was held of its text, did everything once, and heard the refusals by name.
    let uploaded = said.iter().find(|line| line["step"] == "uploaded").unwrap();
    assert_eq!((&uploaded["held"], &uploaded["size"]), (&json!(10), &json!(TEXT.len())));
    let round = |n: u64| [format!("initial {n}"), format!("sign {n}")];
    let revised = |n: u64| ["uploaded".to_owned(), format!("proposed {n}"), "remarked".to_owned()];
    let mut expected: Vec<String> = ["charter", "powers", "uploaded", "proposed 1"].map(str::to_owned).to_vec();
    expected.extend(revised(2).into_iter().chain(revised(3)).chain(round(3)).chain(revised(4)).chain(round(4)));
    expected.extend(["refused NOT_PUBLISHED", "published", "package"].map(str::to_owned));
    assert_eq!(steps(&said), expected, "{said:#?}");
    assert!(said.iter().filter(|line| line["step"] == "acted").all(|line| line["same"] == true), "{said:#?}");
    let no = said.iter().find(|line| line["step"] == "refused").unwrap();
    assert_eq!((&no["code"], &no["facts"]["communique"]), (&json!("FAILED_PRECONDITION"), &json!(id.to_string())));

    // It lost the road, and the exchange at its end, and yet heard everything once and in order: its own ministry's view of the log, without a gap.
    for reason in ["UNAVAILABLE", "DRAINING"] {
        assert!(said.iter().any(|line| line["step"] == "broken" && line["reason"] == reason), "{reason}: {said:#?}");
    }
    let heard: Vec<_> =
        said.iter().filter(|line| line["step"] == "heard").map(|l| l["index"].as_u64().unwrap()).collect();
    assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
    let south = world.remote("south").await;
    let mut there: Vec<_> = south.events(id).await.unwrap().iter().map(|event| event.index).collect();
    there.extend(south.remarks(id, None).await.unwrap().iter().map(|remark| remark.receipt.index));
    there.sort_unstable();
    // It left once it had published: that entry came back with the receipt.
    assert_eq!(heard, there[..there.len() - 1]);
    assert_eq!(reason(&world.remote("west").await.publication(id).await), "OK");

    let Verdict::Proven(findings) = verify(Cursor::new(&package), Some(world.pinned.founding())) else { panic!() };
    assert_eq!((findings.communique, findings.revision, findings.manifest), (id, 4, fourth.digest()));
    assert_eq!(findings.parties.iter().map(|p| p.signatories.len()).sum::<usize>(), NAMED.len() + 1);
    let words = text(Cursor::new(&package), &findings, &"fr".parse().unwrap()).unwrap();
    assert_eq!(words, format!("{TEXT}\nTroisième alinéa.\n\nQuatrième alinéa.\n\nCinquième alinéa.\n"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_program_negotiates() {
    if let Some(program) = python() {
        negotiates(program).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_program_negotiates() {
    if let Some(program) = node() {
        negotiates(program).await;
    }
}
