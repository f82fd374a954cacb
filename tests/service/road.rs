//! The way to the exchange when it is a bad one: transfers that break, addresses that are dead, proxies in between, answers that
//! never come.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use communique::{
    client::{
        remote::{Connection, Remote, RemoteError},
        road::{Proxies, Road},
        transfer::Held,
    },
    domain::{
        act::ActKind,
        id::{CommuniqueId, Digest, Role},
        view::WatchItem,
    },
    package::zip::ARCHIVE_MAX,
    wire::{
        CHUNK_LIMIT, TIME_HEADER, names,
        v1::{
            self, charter_service_client::CharterServiceClient, content_service_client::ContentServiceClient,
            upload_content_request::Part,
        },
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_stream::StreamExt as _;
use tonic::{Status, transport::Channel};

use crate::world::{NAMED, PATIENCE, World, fresh, key, outcome, reason, sign, until};

/// Bytes that differ at every place that a fault might confuse.
fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect()
}

/// Something between a caller and the exchange.
struct Middle {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How many bytes the next connections may carry before they are cut; after these, connections are not cut.
    allowances: Mutex<VecDeque<usize>>,
    /// Answers are swallowed, and the connection is cut soon after the first one.
    swallow: AtomicBool,
    /// Answers stop on their way, and nothing is cut: as where a machine has lost its power.
    silent: AtomicBool,
    /// New connections are closed at once.
    closed: AtomicBool,
    connections: AtomicUsize,
    /// Bytes from callers to the exchange.
    up: AtomicUsize,
    /// Everything that was seen, both ways.
    seen: Mutex<Vec<u8>>,
    /// As a proxy: the heads of the requests that came.
    heads: Mutex<Vec<String>>,
}

enum Kind {
    /// Carries to this address.
    To(String),
    /// Carries to where CONNECT asks, if it comes with this header, should there be one.
    Proxy(Option<&'static str>),
    /// Takes connections and never says a word.
    Mute,
    /// Answers this to everything.
    Says(&'static str),
}

impl Middle {
    async fn new(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap().to_string(), Arc::new(State::default()));
        let (kind, shared) = (Arc::new(kind), state.clone());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if shared.closed.load(Ordering::Relaxed) {
                    continue;
                }
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(between(tcp, kind.clone(), shared.clone()));
            }
        });
        Self { address, state }
    }
    fn allow(&self, allowances: &[usize]) {
        self.state.allowances.lock().unwrap().extend(allowances);
    }
    fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

async fn between(mut caller: TcpStream, kind: Arc<Kind>, state: Arc<State>) -> Option<()> {
    let target = match &*kind {
        Kind::To(address) => address.clone(),
        Kind::Mute => {
            let mut silence = [0; 1024];
            while caller.read(&mut silence).await.ok()? > 0 {}
            return None;
        }
        Kind::Says(words) => {
            caller.write_all(words.as_bytes()).await.ok()?;
            caller.shutdown().await.ok()?;
            return None;
        }
        Kind::Proxy(wanted) => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(caller.read_u8().await.ok()?);
            }
            let head = String::from_utf8(head).unwrap();
            state.heads.lock().unwrap().push(head.clone());
            if wanted.is_some_and(|wanted| !head.contains(wanted)) {
                caller.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.ok()?;
                return None;
            }
            caller.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
            head.split(' ').nth(1).unwrap().to_owned()
        }
    };
    let mut exchange = TcpStream::connect(target).await.ok()?;
    let mut left = state.allowances.lock().unwrap().pop_front().unwrap_or(usize::MAX);
    let (mut down, mut up) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut cut = None;
    loop {
        tokio::select! {
            n = caller.read(&mut up) => {
                let n = n.ok().filter(|n| *n > 0)?;
                state.up.fetch_add(n, Ordering::Relaxed);
                state.seen.lock().unwrap().extend(&up[..n]);
                left = left.checked_sub(n)?;
                exchange.write_all(&up[..n]).await.ok()?;
            }
            n = exchange.read(&mut down) => {
                let n = n.ok().filter(|n| *n > 0)?;
                state.seen.lock().unwrap().extend(&down[..n]);
                left = left.checked_sub(n)?;
                if state.silent.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                if state.swallow.load(Ordering::Relaxed) {
                    cut.get_or_insert(tokio::time::Instant::now() + Duration::from_millis(300));
                } else {
                    caller.write_all(&down[..n]).await.ok()?;
                }
            }
            () = async { tokio::time::sleep_until(cut.unwrap()).await }, if cut.is_some() => {
                state.swallow.store(false, Ordering::Relaxed);
                return None;
            }
        }
    }
}

fn by(world: &World, of: &str, road: Road) -> Connection {
    Connection { road, ..world.connection(of, Role::Official) }
}
fn direct(addresses: &[&str]) -> Road {
    Road::new(addresses.iter().copied(), Proxies::default()).unwrap()
}
async fn through(world: &World, middle: &Middle) -> Remote {
    Remote::connect(&by(world, "north", direct(&[&middle.address]))).await.unwrap()
}

/// An upload by hand: these chunks from this offset on; broken off at the end, or ended.
struct Hand {
    client: ContentServiceClient<Channel>,
    id: CommuniqueId,
    digest: Digest,
    size: u64,
}

impl Hand {
    async fn of(world: &World, of: &str, id: CommuniqueId, bytes: &[u8]) -> Self {
        let client = ContentServiceClient::new(world.channel(of, Role::System).await);
        Self { client, id, digest: Digest::of(bytes), size: bytes.len() as u64 }
    }
    fn parts(&self, offset: u64, bytes: &[u8]) -> Vec<v1::UploadContentRequest> {
        let (communique, sha256) = (names::communique(self.id), self.digest.to_string());
        let header = Part::Header(v1::UploadHeader { communique, sha256, size: self.size, offset });
        let chunks = bytes.chunks(CHUNK_LIMIT).map(|chunk| Part::Chunk(chunk.to_vec()));
        [header].into_iter().chain(chunks).map(|part| v1::UploadContentRequest { part: Some(part) }).collect()
    }
    async fn held(&self) -> (u64, bool) {
        let (communique, sha256) = (names::communique(self.id), self.digest.to_string());
        let request = v1::GetUploadRequest { communique, sha256 };
        let answer = self.client.clone().get_upload(request).await.unwrap().into_inner();
        (answer.held, answer.complete)
    }
    async fn brings(&self, offset: u64, bytes: &[u8]) -> Result<(), Status> {
        let stream = tokio_stream::iter(self.parts(offset, bytes));
        self.client.clone().upload_content(stream).await.map(drop)
    }
    /// Brings these bytes and hangs up once they have arrived.
    async fn breaks(&self, offset: u64, bytes: &[u8]) {
        let stream = tokio_stream::iter(self.parts(offset, bytes)).chain(tokio_stream::pending());
        let mut client = self.client.clone();
        let call = tokio::spawn(async move { client.upload_content(stream).await });
        let there = offset + bytes.len() as u64;
        until("the bytes are there", || async { self.held().await == (there, false) }).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    /// Goes on, once the exchange has noticed that the stream before is gone.
    async fn goes_on(&self, offset: u64, bytes: &[u8]) -> Result<(), Status> {
        loop {
            match self.brings(offset, bytes).await {
                Err(busy) if outcome::<()>(&Err(busy.clone())) == "BUSY" => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                answered => return answered,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_upload_goes_on_where_it_ended_and_nowhere_else() {
    let world = World::new().await;
    let (id, bytes) = (fresh(), sample((2 << 20) + 321));
    let north = Hand::of(&world, "north", id, &bytes).await;
    assert_eq!(north.held().await, (0, false));
    north.breaks(0, &bytes[..700_001]).await;

    // Nobody else sees it or can go on with it: not another party, not under another communiqué.
    for hand in [Hand::of(&world, "south", id, &bytes).await, Hand::of(&world, "north", fresh(), &bytes).await] {
        assert_eq!(hand.held().await, (0, false));
        let refused = hand.brings(700_001, &bytes[700_001..]).await;
        assert_eq!(outcome(&refused), "WRONG_OFFSET");
        assert!(refused.unwrap_err().message().contains("0 bytes"));
    }
    for wrong in [1, 700_000, 700_002, bytes.len() as u64] {
        let refused = north.goes_on(wrong, &bytes[wrong as usize..]).await;
        assert_eq!(outcome(&refused), "WRONG_OFFSET", "{wrong}");
        assert!(refused.unwrap_err().message().contains("700001 bytes of it are held"));
    }
    let longer = Hand { size: north.size + 1, ..Hand::of(&world, "north", id, &bytes).await };
    assert_eq!(outcome(&longer.goes_on(700_001, &bytes[700_001..]).await), "WRONG_SIZE");
    assert_eq!((north.held().await, world.partials()), ((700_001, false), 1));

    // It breaks again, the exchange restarts, and it goes on to its end.
    let stream = tokio_stream::iter(north.parts(700_001, &bytes[700_001..900_000])).chain(tokio_stream::pending());
    let mut client = north.client.clone();
    let call = tokio::spawn(async move { client.upload_content(stream).await });
    until("more has come", || async { north.held().await.0 == 900_000 }).await;
    world.stop().await;
    assert!(call.await.unwrap().is_err());
    world.start().await;
    let north = Hand::of(&world, "north", id, &bytes).await;
    assert_eq!(north.held().await, (900_000, false));
    assert_eq!(outcome(&north.goes_on(900_000, &bytes[900_000..]).await), "OK");
    assert_eq!((north.held().await, world.partials()), ((bytes.len() as u64, true), 0));
    let mut back = Vec::new();
    world.remote("north").await.download(id, Digest::of(&bytes), &mut back, &|_| ()).await.unwrap();
    assert!(back == bytes);
    // What is there can be brought again from anywhere, and is checked all the same.
    assert_eq!(outcome(&north.brings(5, &bytes[5..]).await), "OK");
    assert_eq!(outcome(&north.brings(5, &bytes[..bytes.len() - 5]).await), "WRONG_DIGEST");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_goes_on_with_other_bytes_is_refused_and_forgotten() {
    let world = World::new().await;
    let (id, bytes) = (fresh(), sample(600_000));
    let before = world.stored();
    let hand = Hand::of(&world, "north", id, &bytes).await;
    hand.breaks(0, &bytes[..300_000]).await;
    let mut other = bytes[300_000..].to_vec();
    other[7] ^= 1;
    assert_eq!(outcome(&hand.goes_on(300_000, &other).await), "WRONG_DIGEST");
    assert_eq!((hand.held().await, world.partials()), ((0, false), 0), "kept what is wrong");
    // The first part is wrong, and the rest right: what is stored is hashed, not what is claimed.
    hand.breaks(0, &other[..1000]).await;
    assert_eq!(outcome(&hand.goes_on(1000, &bytes[1000..]).await), "WRONG_DIGEST");
    assert_eq!((world.partials(), world.stored()), (0, before));
    // Too few is no fault that cannot be mended; too much is.
    assert_eq!(outcome(&hand.brings(0, &bytes[..2000]).await), "WRONG_SIZE");
    until("what came is kept", || async { hand.held().await == (2000, false) }).await;
    assert_eq!(outcome(&hand.goes_on(2000, &[&bytes[2000..], &[0]].concat()).await), "WRONG_SIZE");
    assert_eq!((hand.held().await, world.partials()), ((0, false), 0), "kept what is wrong");

    // The client begins again by itself where an earlier one had left other bytes.
    hand.breaks(0, &other[..1000]).await;
    until("it is let go of", || async { reason(&world.upload("north", id, &bytes).await) == "OK" }).await;
    assert_eq!(hand.held().await, (600_000, true));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_of_our_client_go_on_after_every_break() {
    let world = World::new().await;
    let middle = Middle::new(Kind::To(world.bound().exchange.to_string())).await;
    let (id, bytes) = (fresh(), sample(6 << 20));
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    // The first connection is cut after some MiB, the next ones too; each is a fifth of the way at least.
    middle.allow(&[2_000_000, 40_000, 2_500_000]);
    let remote = through(&world, &middle).await;
    let source = std::io::Cursor::new(bytes.clone());
    remote.upload(id, digest, size, source, |_| ()).await.unwrap();
    assert!(middle.connections() >= 3, "nothing was cut");
    let up = middle.state.up.load(Ordering::Relaxed) as u64;
    assert!(up < size + size / 2, "{up} bytes were sent for {size}: it began again");

    let before = middle.state.seen.lock().unwrap().len() as u64;
    middle.allow(&[2_000_000, 30_000, 2_500_000]);
    let remote = through(&world, &middle).await;
    let (mut sink, told) = (Vec::new(), AtomicUsize::new(0));
    let tell = |n: u64| told.store(usize::try_from(n).unwrap(), Ordering::Relaxed);
    assert_eq!(remote.download(id, digest, &mut sink, &tell).await.unwrap(), size);
    assert!(sink == bytes && told.load(Ordering::Relaxed) == bytes.len());
    let moved = middle.state.seen.lock().unwrap().len() as u64 - before;
    assert!(moved < size + size / 2, "{moved} bytes moved for {size}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_goes_on_and_is_never_larger_than_announced() {
    let world = World::new().await;
    let manifest = world.draft(&NAMED, |_| ()).await;
    let opening = world.open(&manifest).await;
    world.sign_all(&manifest, opening).await;
    let id = manifest.communique;
    let remote = world.remote("south").await;
    let (digest, size) = remote.publish(id).await.unwrap().package;
    let mut whole = Vec::new();
    assert_eq!(remote.download_package(id, &mut whole, &|_| ()).await.unwrap(), (digest, size));
    let rest = async |held: &[u8], announced| {
        let (mut have, mut sink) = (Held::default(), held.to_vec());
        have.take(held);
        let done = remote.rest_of_package(id, announced, have, &mut sink, &|_| ()).await;
        (reason(&done), sink)
    };
    for at in [0, 1, whole.len() / 2, whole.len()] {
        assert_eq!(rest(&whole[..at], (digest, size)).await, ("OK".into(), whole.clone()), "{at}");
    }
    let (refused, sink) = rest(b"", (digest, size - 1)).await;
    assert_eq!(refused, "LOCAL TOO_LARGE");
    assert!((sink.len() as u64) < size);
    assert_eq!(rest(b"", (digest, size + 1)).await.0, "LOCAL WRONG_SIZE");
    // No archive is as long: nothing of it is taken.
    assert_eq!(rest(b"", (digest, ARCHIVE_MAX + 1)).await, ("LOCAL MALFORMED".into(), vec![]));
    let mut wrong = whole[..100].to_vec();
    wrong[3] ^= 1;
    assert_eq!(rest(&wrong, (digest, size)).await.0, "LOCAL WRONG_DIGEST");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_carries_ciphertext_alone() {
    let world = World::new().await;
    let exchange = world.bound().exchange.to_string();
    let road = |proxy: &Middle, user: &str| {
        Road::new([&exchange], Proxies::read(Some(&format!("http://{user}{}", proxy.address)), None).unwrap()).unwrap()
    };
    let text = "Un texte que nul ne lit en chemin.\n".repeat(40);
    let id = fresh();

    let open = Middle::new(Kind::Proxy(None)).await;
    let remote = Remote::connect(&by(&world, "north", road(&open, ""))).await.unwrap();
    let source = std::io::Cursor::new(text.clone().into_bytes());
    remote.upload(id, Digest::of(text.as_bytes()), text.len() as u64, source, |_| ()).await.unwrap();
    let heads = open.state.heads.lock().unwrap().clone();
    assert_eq!(heads, [format!("CONNECT {exchange} HTTP/1.1\r\nHost: {exchange}\r\n\r\n")]);
    let seen = open.state.seen.lock().unwrap().clone();
    let shows = |words: &str| seen.windows(words.len()).any(|window| window == words.as_bytes());
    assert!(seen.len() > text.len() && !shows("nul ne lit") && !shows("communique.v1"), "it can be read on the way");

    // A password that is right, one that is wrong, none.
    let closed = Middle::new(Kind::Proxy(Some("Proxy-Authorization: Basic dXNlcjpzYW1wbGUgd29yZA==\r\n"))).await;
    let knock = async |user: &str| Remote::connect(&by(&world, "north", road(&closed, user))).await;
    assert_eq!(reason(&knock("user:sample%20word@").await), "OK");
    for user in ["user:another@", ""] {
        let refused = knock(user).await.unwrap_err();
        assert!(
            matches!(&refused, RemoteError::Unreachable(why) if ["407", "HTTPS_PROXY"].iter().all(|said| why.to_string().contains(said)))
        );
        assert!(!refused.to_string().contains("another"), "{refused}");
    }

    // One that never answers, one that is no proxy, one that talks without end, one that says no.
    let mute = Middle::new(Kind::Mute).await;
    let began = Instant::now();
    let silent = road(&mute, "").patient_for(Duration::from_millis(300));
    let silent = Remote::connect(&by(&world, "north", silent)).await.unwrap_err().to_string();
    assert!(silent.contains("through the proxy") && began.elapsed() < Duration::from_secs(10), "{silent}");
    let endless: &'static str = Box::leak("x".repeat(9000).into_boxed_str());
    for (says, told) in [
        ("SSH-2.0-other\r\n\r\n", "not answer as an HTTP proxy"),
        (endless, "more than 8192 bytes"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "does not let connections"),
        ("HTTP/1.1 502 \u{1b}[2J\r\n\r\n", "cannot connect"),
        ("", "hung up"),
    ] {
        let other = Middle::new(Kind::Says(says)).await;
        let error = Remote::connect(&by(&world, "north", road(&other, ""))).await.unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains('\u{1b}'), "{error}");
    }
    // A proxy that leads elsewhere is found out: TLS ends at the exchange.
    let liar = Middle::new(Kind::To(mute.address.clone())).await;
    let lied = road(&liar, "").patient_for(Duration::from_millis(300));
    assert_eq!(reason(&Remote::connect(&by(&world, "north", lied)).await), "UNREACHABLE");
    // An exception goes round it.
    let round = Proxies::read(Some(&format!("http://{}", mute.address)), Some("127.0.0.1")).unwrap();
    let round = Road::new([&exchange], round).unwrap();
    assert_eq!(reason(&Remote::connect(&by(&world, "north", round)).await), "OK");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_address_serves_when_the_first_is_dead() {
    let world = World::new().await;
    let exchange = world.bound().exchange.to_string();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mute = Middle::new(Kind::Mute).await;
    let road = direct(&[&dead, &mute.address, &exchange]).patient_for(Duration::from_millis(400));
    let remote = Remote::connect(&by(&world, "north", road)).await.unwrap();
    assert_eq!(reason(&remote.charter(None).await), "OK");

    let all_dead = direct(&[&dead, &mute.address]).patient_for(Duration::from_millis(200));
    let error = Remote::connect(&by(&world, "north", all_dead)).await.unwrap_err().to_string();
    assert!(error.contains(&dead) && error.contains(&mute.address), "{error}");

    // The address in use dies under the connection: the next call goes to the other.
    let first = Middle::new(Kind::To(exchange.clone())).await;
    first.allow(&[30_000]);
    let remote = Remote::connect(&by(&world, "north", direct(&[&first.address, &exchange]))).await.unwrap();
    first.state.closed.store(true, Ordering::Relaxed);
    for _ in 0..40 {
        assert_eq!(reason(&remote.charter(None).await), "OK");
    }
    assert_eq!(first.connections(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_whose_answer_was_lost_is_sent_again_and_counts_once() {
    let world = World::new().await;
    let manifest = world.draft(&NAMED, |_| ()).await;
    let middle = Middle::new(Kind::To(world.bound().exchange.to_string())).await;
    let remote = through(&world, &middle).await;
    remote.charter(None).await.unwrap();
    let before = world.stored();
    let initial = |who: &str| sign(world.act(ActKind::Initial, who, &manifest, None), &key(who));

    middle.state.swallow.store(true, Ordering::Relaxed);
    let act = initial("north.a");
    let receipt = remote.act(&act).await.unwrap();
    assert_eq!(middle.connections(), 2, "the first answer was not lost");
    assert_eq!(world.stored()[0], before[0] + 1, "stored twice");
    assert_eq!(world.carry("north", &act).await.unwrap(), receipt);

    // Where the road is gone afterwards, it stays unknown: that nothing more could be sent says nothing of what was.
    let act = initial("east.a");
    let remote = Remote::connect(&by(&world, "east", direct(&[&middle.address]))).await.unwrap();
    remote.charter(None).await.unwrap();
    middle.state.swallow.store(true, Ordering::Relaxed);
    let sending = tokio::spawn(async move { remote.act(&act).await });
    until("it was stored", || async { world.stored()[0] == before[0] + 2 }).await;
    middle.state.closed.store(true, Ordering::Relaxed);
    assert_eq!(reason(&timeout(PATIENCE, sending).await.unwrap().unwrap()), "OUTCOME_UNKNOWN");
    world.stop().await;
}

/// The address in use dies in the middle of a call, with a broken connection or in silence: what was asked is asked at the next one, and
/// an act is the same act there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_an_answer_is_made_again_at_the_next_address() {
    let world = World::new().await;
    let manifest = world.draft(&NAMED, |_| ()).await;
    let exchange = world.bound().exchange.to_string();
    for (of, silent) in [("north", false), ("east", true)] {
        let (first, second) =
            (Middle::new(Kind::To(exchange.clone())).await, Middle::new(Kind::To(exchange.clone())).await);
        let road = direct(&[&first.address, &second.address]).patient_for(Duration::from_millis(500));
        let remote = Remote::connect(&by(&world, of, road)).await.unwrap();
        let mut stream = remote.watch(Some(0), None).await.unwrap();
        stream.next().await.unwrap();
        remote.charter(None).await.unwrap();
        assert_eq!((first.connections(), second.connections()), (1, 0));

        let before = world.stored()[0];
        let fault = if silent { &first.state.silent } else { &first.state.swallow };
        fault.store(true, Ordering::Relaxed);
        first.state.closed.store(!silent, Ordering::Relaxed);
        let act = sign(world.act(ActKind::Initial, &format!("{of}.a"), &manifest, None), &key(&format!("{of}.a")));
        let receipt = remote.act(&act).await.unwrap();
        assert_eq!(world.stored()[0], before + 1, "stored twice, or by nobody");
        assert_eq!(world.carry(of, &act).await.unwrap(), receipt);
        // What only reads, too; and a stream ends, so that it can be begun again where it stood.
        assert_eq!(reason(&remote.charter(None).await), "OK");
        while stream.next().await.is_ok() {}
        let mut next = remote.watch(Some(receipt.index), None).await.unwrap();
        while !matches!(next.next().await.unwrap(), WatchItem::Event(event) if event.index == receipt.index) {}
        assert_eq!((first.connections(), second.connections()), (1, 1), "{of}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_says_what_time_it_is_there() {
    let world = World::new().await;
    let there = world.remote("north").await.clock().await.unwrap();
    assert!((there.unix() - crate::world::now().unix()).abs() <= 2);
    let mut client = CharterServiceClient::new(world.channel("north", Role::Witness).await);
    let refused = client.list_trust(v1::ListTrustRequest::default()).await.unwrap_err();
    assert!(refused.metadata().contains_key(TIME_HEADER), "a refusal has a time too");
    world.stop().await;
}
