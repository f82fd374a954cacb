use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::{
    client::{
        reading::Pinned,
        witnessing::{Kept, Unable, Witness},
    },
    domain::{
        key::Signer as _,
        samples::{key, noon},
    },
    exchange::tests::leaves::LongLog,
    http::witness::{self, Declined, Judge},
    log::{checkpoint::Unverified, cosignature::cosign, note::KeyName, tile::Resource},
    pki::issue::CertificateAuthority,
};

/// Our own witness, behind its HTTP.
struct Ours {
    witness: Witness,
    folder: tempfile::TempDir,
}

impl Judge for Ours {
    fn add_checkpoint(&self, body: &[u8]) -> Result<String, Declined> {
        let judged = self.witness.add_checkpoint(body, noon());
        judged.map(|cosigned| cosigned.line).map_err(|unable| match unable {
            Unable::No(no) => Declined::No(no),
            Unable::Ours(_) => Declined::Unable,
        })
    }
    fn checkpoint(&self, origin: &str) -> Option<String> {
        self.witness.checkpoint(origin)
    }
}

async fn ours(long: &LongLog) -> (Arc<Ours>, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let charter = long.charter();
    let kept = Kept::open(&folder.path().join("witness.pem"), charter.digest()).unwrap();
    let witness = Witness::new(kept, Arc::new(key("witness")));
    witness.follow(&Pinned::new(charter.bytes(), charter.digest()).unwrap()).unwrap();
    let ours = Arc::new(Ours { witness, folder });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(witness::serve(listener, ours.clone(), std::future::pending()));
    (ours, address)
}

fn asked(long: &LongLog, address: SocketAddr) -> Asked {
    let url = format!("http://{address}/");
    let mut asked = Asked::new(&config::Witness { party: long.party().id, url, ca: None }).unwrap();
    asked.bounds.time = Duration::from_secs(2);
    asked
}

#[tokio::test]
async fn our_own_witness_cosigns_as_the_log_grows() {
    let long = LongLog::of(7).await;
    let (ours, address) = ours(&long).await;
    let mut asked = asked(&long, address);
    assert_eq!(asked.ask(&long.exchange).await.unwrap(), 7);
    for size in [8, 300, 301] {
        long.grow(size);
        assert_eq!((asked.ask(&long.exchange).await.unwrap(), asked.known), (size, size));
    }
    // Another process of the exchange does not know where the witness stands, and is told.
    asked.known = 0;
    long.grow(310);
    assert_eq!(asked.ask(&long.exchange).await.unwrap(), 310);
    assert_eq!(ours.witness.last(), Some((310, long.edge().root())));
    assert!(ours.folder.path().join("witness.pem.head").exists());
    let sizes: Vec<_> = long.cosignatures().await.into_iter().map(|(size, _)| size).collect();
    assert_eq!(sizes, [310, 301, 300, 8, 7]);
    let shown = long.exchange.resource(Resource::Checkpoint).await.unwrap().unwrap();
    assert_eq!(long.witness().time_in(long.verify(&shown).note()), Ok(Some(noon().unix() as u64)));
}

/// A witness that answers what it likes to a request.
async fn fake(answer: impl Fn(&AddCheckpoint) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let body = loop {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap_or_default();
                request.extend_from_slice(&bytes[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if read == 0 || length == Some(body.len()) {
                    break body.to_owned();
                }
            };
            if let Ok(asked) = AddCheckpoint::parse(body.as_bytes()) {
                // Who has heard enough hangs up.
                let _ = stream.write_all(&answer(&asked)).await;
            }
            if body.is_empty() {
                continue;
            }
            drop(stream);
        }
    });
    address
}

fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A cosignature in this name and by this key, at this time, of a head of this size of a log that is all one's own.
fn line(name: &str, by: &str, time: u64, checkpoint: &Unverified, long_log: &crate::log::checkpoint::Log) -> String {
    let head = checkpoint.clone().verify(long_log).unwrap();
    cosign(&head, &KeyName::parse(name).unwrap(), time, &key(by)).unwrap().to_string()
}

#[tokio::test]
async fn of_a_witness_that_lies_nothing_is_kept() {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let long = LongLog::of(7).await;
    let name = long.witness().hint().name().to_string();
    let log = long.log();
    let earlier = long.exchange.continued(0, Some(5)).await.unwrap().head.into_unverified();
    let late = (noon().unix() + 3600) as u64;
    type Lie = Box<dyn Fn(&AddCheckpoint) -> Vec<u8> + Send + Sync>;
    let lines = |make: Box<dyn Fn(&AddCheckpoint) -> String + Send + Sync>| -> Lie {
        Box::new(move |asked| answer(200, PLAIN, make(asked).as_bytes()))
    };
    let (n, l) = (name.clone(), log.clone());
    let other_key = lines(Box::new(move |asked| line(&n, "another", 1, &asked.checkpoint, &l)));
    let l = log.clone();
    let other_name = lines(Box::new(move |asked| line("w.example/witness", "witness", 1, &asked.checkpoint, &l)));
    let (n, l, e) = (name.clone(), log.clone(), earlier.clone());
    let other_head = lines(Box::new(move |_| line(&n, "witness", 1, &e, &l)));
    let (n, l) = (name.clone(), log.clone());
    let ahead = lines(Box::new(move |asked| line(&n, "witness", late, &asked.checkpoint, &l)));
    let (n, l) = (name.clone(), log.clone());
    let one_bad = lines(Box::new(move |asked| {
        line(&n, "witness", 1, &asked.checkpoint, &l) + &line(&n, "witness", 2, &earlier, &l)
    }));
    let says = |bytes: Vec<u8>| -> Lie { Box::new(move |_| bytes.clone()) };
    let lies = [
        ("another key", other_key),
        ("another name", other_name),
        ("another head", other_head),
        ("a time to come", ahead),
        ("one that does not verify beside one that does", one_bad),
        ("nothing", says(answer(200, PLAIN, b""))),
        ("nonsense", says(answer(200, PLAIN, b"cosigned!\n"))),
        ("a huge body", says(answer(200, PLAIN, &vec![b'a'; NOTE_LIMIT + 1]))),
        ("a body without end", says(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nabc".to_vec())),
        (
            "another place",
            says(b"HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ),
        ("a log larger than there is", says(answer(409, SIZE_TYPE, b"8\n"))),
        ("no size", says(answer(409, SIZE_TYPE, b"07\n"))),
        ("a size of another type", says(answer(409, PLAIN, b"3\n"))),
        ("always the same size", says(answer(409, SIZE_TYPE, b"3\n"))),
        ("its own trouble", says(answer(500, PLAIN, b"sorry\n"))),
        ("no HTTP", says(b"SSH-2.0-sample\r\n".to_vec())),
    ];
    for (what, lie) in lies {
        let mut asked = asked(&long, fake(lie).await);
        let answered = asked.ask(&long.exchange).await;
        assert!(answered.is_err(), "{what}");
        assert_eq!(long.cosignatures().await, [], "{what}");
    }
    // And of one that tells the truth, the latest line, beside lines that nobody knows.
    let (n, l) = (name.clone(), log.clone());
    let truth = lines(Box::new(move |asked| {
        let line = |name, by, time| line(name, by, time, &asked.checkpoint, &l);
        line("w.example/witness", "another", 9) + &line(&n, "witness", 2) + &line(&n, "witness", 1)
    }));
    let mut asked = asked(&long, fake(truth).await);
    assert_eq!(asked.ask(&long.exchange).await.unwrap(), 7);
    let kept = long.cosignatures().await;
    let head = long.exchange.last_head().await.unwrap();
    let lines = crate::log::note::SignatureLine::parse_all(kept[0].1.as_bytes()).unwrap();
    assert_eq!((kept.len(), long.witness().verify(head.note().text(), &lines[0])), (1, Ok(2)));
    assert_eq!(long.witness().key(), key("witness").public());
}

#[tokio::test]
async fn one_that_never_answers_is_left_in_time() {
    let long = LongLog::of(7).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut asked = asked(&long, silent.local_addr().unwrap());
    asked.bounds.time = Duration::from_millis(50);
    assert!(
        matches!(asked.ask(&long.exchange).await, Err(Trouble::Unreachable(e)) if e.kind() == io::ErrorKind::TimedOut)
    );
}

#[tokio::test]
async fn it_is_asked_again_after_trouble_and_only_when_the_log_has_grown() {
    let long = LongLog::of(7).await;
    long.exchange.newest().await.unwrap();
    let (times, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (name, log) = (long.witness().hint().name().to_string(), long.log());
    let address = fake({
        let (times, seen) = (times.clone(), seen.clone());
        move |asked| {
            if times.fetch_add(1, Ordering::Relaxed) == 0 {
                return answer(503, "text/plain", b"later\n");
            }
            seen.lock().unwrap().push((asked.old, asked.checkpoint.claims().size()));
            answer(200, "text/plain", line(&name, "witness", 1, &asked.checkpoint, &log).as_bytes())
        }
    })
    .await;
    let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
    let following = follow_witness(long.exchange.clone(), asked(&long, address), metrics.clone(), stop.clone());
    let following = tokio::spawn(following);
    let shown = |size: u64| {
        let line = format!("communique_log_cosigned_entries{{party=\"north\"}} {size}\n");
        let metrics = metrics.clone();
        async move {
            while !metrics.render().unwrap().contains(&line) {
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shown(7)).await.expect("it is asked again");
    // Two looks at a log that stands still.
    sleep(LOOK_INTERVAL * 2).await;
    assert_eq!(times.load(Ordering::Relaxed), 2);
    long.grow(9);
    long.exchange.newest().await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), shown(9)).await.expect("it has grown");
    assert_eq!(*seen.lock().unwrap(), [(0, 7), (7, 9)]);
    stop.cancel();
    following.await.unwrap();
}

#[test]
fn a_size_has_one_spelling() {
    assert_eq!(size(b"0\n"), Some(0));
    assert_eq!(size(b"20852014\n"), Some(20_852_014));
    for bad in
        [&b""[..], b"\n", b"7", b"07\n", b"+7\n", b" 7\n", b"7\n\n", b"7\r\n", b"99999999999999999999\n", b"\xff\n"]
    {
        assert_eq!(size(bad), None);
    }
}

#[tokio::test]
async fn over_tls_a_witness_is_known_by_the_authorities_that_are_configured() {
    let long = LongLog::of(7).await;
    let (_ours, behind) = ours(&long).await;
    let now = ThisMachine.now();
    let authority = |name: &str| CertificateAuthority::new(name, now.plus(-3600), now.plus(86_400)).unwrap();
    let (right, wrong) = (authority("Sample CA"), authority("Another CA"));
    let issued = right.issue_server(&["localhost"], now.plus(-3600), now.plus(3600)).unwrap();
    let chain = pki::pem::chain(issued.cert_pem.as_bytes()).unwrap();
    let key = pki::pem::private_key(issued.key_pem.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut inner = tokio::net::TcpStream::connect(behind).await.unwrap();
            // Whoever has its answer hangs up.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let ask = async |name: &str, authority: &CertificateAuthority| {
        let ca = dir.path().join("ca.pem");
        fs::write(&ca, &authority.to_pem().cert_pem).unwrap();
        let url = format!("https://{name}:{port}/");
        let mut asked = Asked::new(&config::Witness { party: long.party().id, url, ca: Some(ca) }).unwrap();
        asked.bounds.time = Duration::from_secs(5);
        asked.ask(&long.exchange).await
    };
    assert!(ask("localhost", &wrong).await.is_err(), "of an authority that is not configured");
    assert!(ask("127.0.0.1", &right).await.is_err(), "of another name");
    assert_eq!(long.cosignatures().await, []);
    assert_eq!(ask("localhost", &right).await.unwrap(), 7);
    assert_eq!(long.cosignatures().await.len(), 1);
    fs::write(dir.path().join("none.pem"), "no certificate\n").unwrap();
    let url = format!("https://localhost:{port}/");
    let none = config::Witness { party: long.party().id, url, ca: Some(dir.path().join("none.pem")) };
    assert!(Asked::new(&none).is_err());
}
