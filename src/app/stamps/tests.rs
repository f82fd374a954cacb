//! Authorities that answer, that lie, and that are not there.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

use super::*;
use crate::{exchange::tests::stamps::published, package::stamp::samples::Parts};

/// An authority that answers what it likes to a question, on as many connections as come. Also what it heard, from the head on.
async fn fake(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> (Authority, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/deep/tsr", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while request.len() < 69 || !request[..request.len() - 69].ends_with(b"\r\n\r\n") {
                let mut bytes = [0; 4096];
                match stream.read(&mut bytes).await.unwrap_or_default() {
                    0 => break,
                    read => request.extend_from_slice(&bytes[..read]),
                }
            }
            let (head, body) = request.split_at(request.len().saturating_sub(69));
            hears.lock().unwrap().push(String::from_utf8_lossy(head).to_lowercase());
            // Who has heard enough hangs up.
            let _ = stream.write_all(&answer(body)).await;
        }
    });
    (authority(url), heard)
}

fn authority(url: String) -> Authority {
    let configured = config::Timestamp { url, ..config::Timestamp::default() };
    let mut authority = Authority::new(&configured).unwrap().unwrap();
    authority.bounds.time = Duration::from_secs(5);
    authority.pauses = (Duration::from_millis(10), Duration::from_millis(40));
    authority
}

fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn right(request: &[u8]) -> Vec<u8> {
    answer(200, REPLY_TYPE, &Parts::asked(request).response())
}

#[tokio::test]
async fn an_authority_is_asked_as_the_standard_says_and_its_stamp_kept() {
    for kind in [REPLY_TYPE, "Application/Timestamp-Reply; charset=binary"] {
        let exchange = published().await;
        let (authority, heard) = fake(move |request| answer(200, kind, &Parts::asked(request).response())).await;
        let next = exchange.to_stamp().await.unwrap().unwrap();
        authority.stamp(&exchange, &next).await.unwrap();
        assert_eq!(exchange.to_stamp().await, Ok(None));
        let heard = heard.lock().unwrap().concat();
        assert!(heard.starts_with("post /deep/tsr http/1.1\r\n"), "{heard}");
        assert!(heard.contains("\r\ncontent-type: application/timestamp-query\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn of_an_authority_that_lies_nothing_is_kept() {
    type Lie = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;
    let parts = |change: fn(Parts) -> Parts| -> Lie {
        Box::new(move |request| answer(200, REPLY_TYPE, &change(Parts::asked(request)).response()))
    };
    let says = |bytes: Vec<u8>| -> Lie { Box::new(move |_| bytes.clone()) };
    let lies: Vec<(&str, Lie)> = vec![
        ("a refusal", parts(|parts| Parts { status: vec![2], ..parts })),
        ("a stamp of other bytes", parts(|parts| Parts { digest: vec![1; 32], ..parts })),
        ("a stamp for another question", parts(|parts| Parts { nonce: Some(vec![1; 8]), ..parts })),
        ("a stamp for nobody's question", parts(|parts| Parts { nonce: None, ..parts })),
        ("another status", Box::new(|r| answer(201, REPLY_TYPE, &Parts::asked(r).response()))),
        ("its own trouble", says(answer(503, "text/html", b"<p>later</p>"))),
        ("another type", Box::new(|r| answer(200, "application/octet-stream", &Parts::asked(r).response()))),
        ("no type", Box::new(|r| [b"HTTP/1.1 200 OK\r\n\r\n", &*Parts::asked(r).response()].concat())),
        ("a page", says(answer(200, REPLY_TYPE, b"<!doctype html><title>Sample</title>"))),
        ("nothing", says(answer(200, REPLY_TYPE, b""))),
        ("too much", parts(|parts| Parts { certificates: Some(vec![0; STAMP_LIMIT]), ..parts })),
        (
            "a body without end",
            says(format!("HTTP/1.1 200 OK\r\ncontent-type: {REPLY_TYPE}\r\ncontent-length: 99999\r\n\r\na").into()),
        ),
        (
            "another place",
            says(b"HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ),
        ("no HTTP", says(b"SSH-2.0-sample\r\n".to_vec())),
    ];
    let exchange = published().await;
    let next = exchange.to_stamp().await.unwrap().unwrap();
    for (what, lie) in lies {
        let (authority, _) = fake(lie).await;
        assert!(authority.stamp(&exchange, &next).await.is_err(), "{what}");
        assert_eq!(exchange.to_stamp().await, Ok(Some(next)), "{what}: it is still to be stamped");
    }
}

#[tokio::test]
async fn one_that_never_answers_is_left_in_time() {
    let exchange = published().await;
    let next = exchange.to_stamp().await.unwrap().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut authority = authority(format!("http://{}", silent.local_addr().unwrap()));
    authority.bounds.time = Duration::from_millis(50);
    let left = timeout(Duration::from_secs(10), authority.stamp(&exchange, &next)).await.expect("it is left");
    assert!(matches!(left, Err(Trouble::Unreachable(e)) if e.kind() == io::ErrorKind::TimedOut));
}

#[tokio::test]
async fn it_is_asked_again_after_trouble_and_never_for_what_is_stamped() {
    let exchange = published().await;
    let times = Arc::new(AtomicUsize::new(0));
    let counts = times.clone();
    let (authority, _) = fake(move |request| {
        if counts.fetch_add(1, Ordering::Relaxed) < 2 {
            return answer(503, "text/plain", b"later\n");
        }
        right(request)
    })
    .await;
    let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
    let following = tokio::spawn(follow_publications(exchange.clone(), authority, metrics.clone(), stop.clone()));
    let stamped = async {
        while exchange.to_stamp().await.unwrap().is_some() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), stamped).await.expect("it is asked again");
    sleep(LOOK_INTERVAL * 2).await;
    assert_eq!(times.load(Ordering::Relaxed), 3);
    let shown = metrics.render().unwrap();
    for line in
        ["communique_time_stamps_total{result=\"failed\"} 2\n", "communique_time_stamps_total{result=\"kept\"} 1\n"]
    {
        assert!(shown.contains(line), "{shown}");
    }
    stop.cancel();
    following.await.unwrap();
}

#[test]
fn nobody_is_asked_unless_one_is_named() {
    assert!(Authority::new(&config::Timestamp::default()).unwrap().is_none());
    let none = tempfile::NamedTempFile::new().unwrap();
    let url = "https://tsa.example/tsr".to_owned();
    assert!(Authority::new(&config::Timestamp { url: url.clone(), ca: none.path().into() }).is_err());
    assert!(Authority::new(&config::Timestamp { url, ca: none.path().with_extension("gone") }).is_err());
}
