//! Time stamps (RFC 3161) as operators and archivists meet them: an authority over HTTP that is down and comes back, an exchange
//! that is configured to ask it, packages that are fetched, and openssl.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use communique::{
    domain::id::Digest,
    package::{
        bag::STAMP_PATH,
        zip::{Archive, Limits},
    },
};

use crate::{
    authority::Authority,
    desk::Desk,
    job::{draft, exchange_with, official, reader},
};

/// Longer than an authority that is back waits to be asked after a few refusals.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a question is: an entry's digest and a nonce, and nothing else that could be told.
const QUESTION: usize = 69;

/// The authority's server. It is down until it is told otherwise.
struct Server {
    authority: Arc<Authority>,
    up: AtomicBool,
    /// How many questions it did not answer, and how many it did.
    refused: AtomicUsize,
    answered: AtomicUsize,
}

impl Server {
    /// Serves for as long as the test runs, at this address.
    fn start(authority: Arc<Authority>) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server =
            Arc::new(Self { authority, up: false.into(), refused: AtomicUsize::new(0), answered: AtomicUsize::new(0) });
        let serves = server.clone();
        thread::spawn(move || listener.incoming().for_each(|stream| serves.answer(stream.unwrap())));
        (server, address)
    }
    fn answer(&self, mut stream: TcpStream) {
        let mut heard = vec![];
        let body = loop {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).unwrap();
            heard.extend_from_slice(&bytes[..read]);
            let head = heard.windows(4).position(|end| end == b"\r\n\r\n");
            match head {
                Some(head) if heard.len() >= head + 4 + QUESTION => break head + 4,
                _ => assert!(read > 0, "{}", String::from_utf8_lossy(&heard)),
            }
        };
        assert_eq!(heard.len(), body + QUESTION);
        let up = self.up.load(Ordering::SeqCst);
        let answer = if up { self.authority.reply(&heard[body..]) } else { b"later\n".to_vec() };
        let (status, counted) = if up { ("200 OK", &self.answered) } else { ("503 Down", &self.refused) };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(&[head.as_bytes(), &answer].concat()).unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
    }
}

/// A package's files by their paths in the folder that it is.
fn files(desk: &Desk, name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut archive = Archive::open(File::open(desk.path(name)).unwrap(), Limits::PACKAGE).unwrap();
    let names: Vec<_> = archive.entries().iter().map(|entry| entry.name.clone()).collect();
    let read = names.into_iter().enumerate().map(|(n, name)| {
        let (_, path) = name.split_once('/').unwrap();
        (path.to_owned(), archive.read_small(n, 1 << 20).unwrap())
    });
    read.collect()
}

/// A published communiqué.
fn published(desk: &Desk) -> String {
    draft(desk, "draft.toml", "Texte d’essai.\n");
    let made = official(desk, "north", "new draft.toml --json").ends(0).json();
    let id = made["communique"].as_str().unwrap().to_owned();
    for act in ["initial", "sign"] {
        for party in ["north", "south"] {
            official(desk, party, &format!("{act} {id}")).ends(0);
        }
    }
    reader(desk, "south", &format!("publish {id}")).ends(0);
    id
}

#[test]
fn an_authority_that_was_down_stamps_afterwards_and_openssl_agrees() {
    let Some(authority) = Authority::new().map(Arc::new) else { return };
    let (server, address) = Server::start(authority.clone());
    let (desk, mut served) = exchange_with(&format!("[timestamp]\nurl = \"http://{address}/tsr\"\n"));
    let until = |what: &str, so: &mut dyn FnMut() -> bool| {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}: {}", desk.read("served.log"));
            thread::sleep(Duration::from_millis(200));
        }
    };
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let verify = |name: &str| desk.run(&format!("verify {name} --charter-pin {pin}"));
    let id = published(&desk);
    let fetch = |name: &str| {
        desk.run(&format!("fetch {id} --out {name} --profile south-archivist.toml")).ends(0);
        files(&desk, name)
    };

    // The authority is down, and nothing waits for it.
    let plain = fetch("plain.zip");
    assert!(!plain.contains_key(STAMP_PATH));
    let said = verify("plain.zip").ends(0).prints("PROVEN");
    assert!(!said.out.contains("time stamp"), "{}", said.out);
    until("it is asked while it is down", &mut || server.refused.load(Ordering::SeqCst) > 0);
    assert!(fetch("again.zip") == plain && server.answered.load(Ordering::SeqCst) == 0);

    // It comes back.
    server.up.store(true, Ordering::SeqCst);
    let mut stamped = BTreeMap::new();
    until("its stamp is in the package", &mut || {
        let _ = fs::remove_file(desk.path("stamped.zip"));
        stamped = fetch("stamped.zip");
        stamped.contains_key(STAMP_PATH)
    });
    assert_eq!(server.answered.load(Ordering::SeqCst), 1, "it is asked for one stamp");
    verify("stamped.zip").ends(0).prints("PROVEN").prints("time stamp");
    let told = desk.run(&format!("verify stamped.zip --charter-pin {pin} --json")).ends(0).json();
    assert_eq!(told["packages"][0]["findings"]["timestamp"], true);
    let lines = desk.read("served.log");
    assert_eq!(lines.matches("no time stamp came").count(), 1, "{lines}");
    assert_eq!(lines.matches("the authority stamps again").count(), 1, "{lines}");

    // What was signed, its lists and its proofs are the same bytes.
    let differ: BTreeSet<_> = plain.keys().chain(stamped.keys()).filter(|p| plain.get(*p) != stamped.get(*p)).collect();
    assert_eq!(Vec::from_iter(differ), [STAMP_PATH, "tagmanifest-sha256.txt", "tagmanifest-sha512.txt"]);

    served.stop();

    // By the command of the page, in the unpacked package.
    let index = told["packages"][0]["findings"]["published_index"].as_u64().unwrap();
    let bag = desk.path("bag");
    let put = |path: &str, bytes: &[u8]| {
        fs::create_dir_all(bag.join(path).parent().unwrap()).unwrap();
        fs::write(bag.join(path), bytes).unwrap();
    };
    stamped.iter().for_each(|(path, bytes)| put(path, bytes));
    assert!(authority.agrees(&bag, index));
    let entry = format!("data/entries/{index}.json");
    // What is stamped, the time behind it, and the signature, which is last: a certificate beside them is nobody's word.
    let stamp = &stamped[STAMP_PATH];
    let found = |what: &[u8]| stamp.windows(what.len()).position(|window| window == what).unwrap();
    let imprint = found(Digest::of(&stamped[&entry]).as_bytes());
    let time = imprint + stamp[imprint..].windows(3).position(|year| year == b"\x0f20").unwrap() + 4;
    for (path, at) in [(&*entry, 0), (STAMP_PATH, imprint), (STAMP_PATH, time), (STAMP_PATH, stamp.len() - 1)] {
        let mut other = stamped[path].clone();
        other[at] ^= 1;
        put(path, &other);
        assert!(!authority.agrees(&bag, index), "{path} with another byte {at}");
        put(path, &stamped[path]);
    }
    assert!(authority.agrees(&bag, index), "put back");
    assert!(!Authority::new().unwrap().agrees(&bag, index), "another authority's root");
    let (earlier, bytes) =
        stamped.iter().find(|(path, _)| path.starts_with("data/entries/") && **path != entry).unwrap();
    put(&entry, bytes);
    assert!(!authority.agrees(&bag, index), "{earlier} is not what was stamped");
}
