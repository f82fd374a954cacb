//! The log's public face, on a port of its own: plain HTTP, read-only, for anybody (C2SP tlog-tiles).
//!
//! | path | answer |
//! | --- | --- |
//! | `/checkpoint` | the newest signed head, with the cosignatures of it |
//! | `/tile/<L>/<N>[.p/<W>]` | hashes of the tree |
//! | `/tile/entries/<N>[.p/<W>]` | digests of entries, 32 bytes each with their length before them |
//!
//! Whoever reads this verifies it against the log's key: it needs no TLS to be believed. A proxy or cache in front may add that, a
//! prefix, and places for more readers than there are here.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State as Shared,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, time::timeout};

use super::bounded::{CONNECTION_TIME, Listener};
use crate::{exchange::Exchange, log::tile::Resource};

/// Connections that are served at a time; more wait in the system's queue. Each lives for [`CONNECTION_TIME`] at most, and asks for one
/// thing at a time, of 8,704 bytes at most.
pub const MAX_READERS: usize = 256;
/// How long one answer may take to be made.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long a cache may show a checkpoint, in seconds: "a few" at most.
const CHECKPOINT_SECONDS: u32 = 1;

/// Serves the public log on `listener` until `shutdown` is over and the open connections have ended.
///
/// # Errors
/// The listener's, if it cannot be used at all.
pub async fn serve<F>(listener: TcpListener, exchange: Arc<Exchange>, shutdown: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = Listener::new(listener, MAX_READERS, CONNECTION_TIME);
    let router = Router::new().route("/{*path}", get(resource)).with_state(exchange);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// The path as it was sent: each resource has one, and no other spelling of it.
async fn resource(Shared(exchange): Shared<Arc<Exchange>>, uri: Uri) -> Response {
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    let Ok(resource) = path.parse::<Resource>() else { return absent() };
    let (kind, caching) = match resource {
        Resource::Checkpoint => ("text/plain; charset=utf-8", format!("public, max-age={CHECKPOINT_SECONDS}")),
        Resource::Tile(_) | Resource::Bundle(_) => {
            ("application/octet-stream", "public, max-age=31536000, immutable".to_owned())
        }
    };
    match timeout(ANSWER_TIME, exchange.resource(resource)).await {
        Ok(Ok(Some(bytes))) => {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, &*caching)], bytes).into_response()
        }
        Ok(Ok(None)) => absent(),
        // Why is the operator's to know: it stands in the log, and on the other port.
        Ok(Err(_)) | Err(_) => without(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// It may be there later.
fn absent() -> Response {
    without(StatusCode::NOT_FOUND)
}

fn without(status: StatusCode) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::SocketAddr};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::{
        domain::id::Role,
        exchange::{
            access::{Permit, SubmitCosignature},
            tests::leaves::{LongLog, digest},
        },
        log::{
            tile::{Bundle, Tile, WIDTH},
            tree::{Edge, Hash, Plan, verify_consistency},
        },
    };

    struct Answer {
        status: u16,
        head: String,
        body: Vec<u8>,
    }

    async fn run(long: &LongLog) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, long.exchange.clone(), std::future::pending()));
        address
    }

    async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: answer[end + 4..].to_vec() }
    }

    async fn fetch(address: SocketAddr, resource: Resource) -> Vec<u8> {
        let answer = ask(address, "GET", &format!("/{resource}")).await;
        assert_eq!(answer.status, 200, "{resource}");
        answer.body
    }

    #[tokio::test]
    async fn the_tree_is_made_again_from_what_is_public() {
        for size in [1, 255, 256, 257, 70_000] {
            let long = LongLog::of(size).await;
            let address = run(&long).await;
            let head = long.verify(&fetch(address, Resource::Checkpoint).await);
            let (shown, root) = (head.checkpoint().size(), head.checkpoint().root());
            assert_eq!(shown, size);

            // From the digests of entries.
            let mut edge = Edge::default();
            for bundle in (0..size.div_ceil(WIDTH)).map(|n| Bundle::of_tree(n, size).unwrap()) {
                let bytes = fetch(address, Resource::Bundle(bundle)).await;
                for digest in bundle.parse(&bytes).unwrap() {
                    edge.append(Hash::of_entry(digest), |_, _| ()).unwrap();
                }
            }
            assert_eq!((edge.size(), edge.root()), (size, root));

            // From the tiles that the root needs, and from all that there are.
            let plan = Plan::root(size).unwrap();
            let mut tiles = BTreeMap::new();
            for tile in Tile::needed(&plan, size) {
                tiles.insert(tile, tile.parse(&fetch(address, Resource::Tile(tile)).await).unwrap());
            }
            let read = |node| {
                let tile = Tile::holding(node, size).unwrap();
                tile.hash_of(node, &tiles[&tile]).ok_or(())
            };
            assert_eq!(plan.build(read), Ok(vec![root]), "{size}");
            let mut all = 0;
            for level in 0..8 {
                let there = (0..).map_while(|n| Tile::of_tree(level, n, size));
                for tile in there {
                    tile.parse(&fetch(address, Resource::Tile(tile)).await).unwrap();
                    all += 1;
                }
            }
            // Of 70,000 leaves: what "Partial Tiles" counts.
            assert_eq!(
                all,
                match size {
                    1 | 255 => 1,
                    256 => 2,
                    257 => 3,
                    _ => 273 + 1 + 1 + 1 + 1,
                },
                "{size}"
            );
        }
    }

    #[tokio::test]
    async fn what_no_signed_head_covers_is_not_there() {
        let long = LongLog::of(600).await;
        let address = run(&long).await;
        for (path, expected) in [
            ("/checkpoint", 200),
            ("/tile/0/000", 200),
            ("/tile/0/002.p/88", 200),
            // A narrower one is what an earlier head covered.
            ("/tile/0/002.p/1", 200),
            ("/tile/0/000.p/255", 200),
            ("/tile/1/000.p/2", 200),
            ("/tile/entries/002.p/88", 200),
            ("/tile/0/002", 404),
            ("/tile/0/002.p/89", 404),
            ("/tile/0/003.p/1", 404),
            ("/tile/1/000", 404),
            ("/tile/1/000.p/3", 404),
            ("/tile/2/000.p/1", 404),
            ("/tile/8/000", 404),
            ("/tile/entries/002", 404),
            ("/tile/entries/002.p/89", 404),
            ("/tile/entries/003.p/1", 404),
            ("/tile/0/000.p/256", 404),
            ("/tile/0/000.p/0", 404),
            ("/tile/0/0", 404),
            ("/tile/00/000", 404),
            ("/tile/0/x000/000", 404),
            ("/tile/0/%30%30%30", 404),
            ("/tile/0/000/", 404),
            ("//checkpoint", 404),
            ("/checkpoint/", 404),
            ("/tile/data/000", 404),
            ("/metrics", 404),
            ("/readyz", 404),
            ("/", 404),
        ] {
            let answer = ask(address, "GET", path).await;
            assert_eq!(answer.status, expected, "{path}");
            if expected == 404 {
                assert!(
                    answer.body.is_empty() && path == "/" || answer.head.contains("cache-control: no-store"),
                    "{path}"
                );
            }
        }
        long.grow(601);
        assert_eq!(ask(address, "GET", "/tile/0/002.p/89").await.status, 200, "a head is signed of what has come");
    }

    #[tokio::test]
    async fn types_caching_and_methods_are_the_specification_s() {
        let long = LongLog::of(300).await;
        let address = run(&long).await;
        let checkpoint = ask(address, "GET", "/checkpoint").await;
        assert!(checkpoint.head.contains("content-type: text/plain; charset=utf-8\r\n"), "{}", checkpoint.head);
        assert!(checkpoint.head.contains("cache-control: public, max-age=1"), "{}", checkpoint.head);
        for path in ["/tile/0/000", "/tile/0/001.p/44", "/tile/entries/000", "/tile/entries/001.p/44"] {
            let got = ask(address, "GET", path).await;
            assert!(got.head.contains("content-type: application/octet-stream"), "{path} {}", got.head);
            assert!(got.head.contains("immutable"), "{path} {}", got.head);
            let looked = ask(address, "HEAD", path).await;
            let length = format!("content-length: {}", got.body.len());
            assert!(looked.status == 200 && looked.body.is_empty() && looked.head.contains(&length), "{path}");
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                assert_eq!(ask(address, method, path).await.status, 405, "{method} {path}");
            }
        }
        assert_eq!(ask(address, "GET", "/tile/0/000").await.body.len(), 8192);
        let bundle = ask(address, "GET", "/tile/entries/001.p/44").await.body;
        assert_eq!(bundle[..34], [&[0, 32], digest(256).as_bytes().as_slice()].concat());
    }

    #[tokio::test]
    async fn the_checkpoint_shows_the_cosignatures_of_this_very_head() {
        let long = LongLog::of(5).await;
        let address = run(&long).await;
        let bare = ask(address, "GET", "/checkpoint").await.body;
        let head = long.verify(&bare);
        assert_eq!(head.note().lines().len(), 1);
        let permit = Permit::<SubmitCosignature>::ask(&long.party().id, Role::Witness).unwrap();
        long.exchange.submit_cosignature(permit, 5, &long.cosign(&head)).await.unwrap();
        let cosigned = long.verify(&ask(address, "GET", "/checkpoint").await.body);
        assert_eq!(long.witness().time_in(cosigned.note()), Ok(Some(1)));

        long.grow(6);
        let grown = long.verify(&ask(address, "GET", "/checkpoint").await.body);
        assert_eq!((grown.checkpoint().size(), grown.note().lines().len()), (6, 1), "nobody has seen this one");
        let at = long.edge();
        assert_eq!((grown.checkpoint().size(), grown.checkpoint().root()), (at.size(), at.root()));
        let continued = long.exchange.continued(5, None).await.unwrap();
        let place = |head: &crate::log::checkpoint::Head| (head.checkpoint().size(), head.checkpoint().root());
        assert_eq!(verify_consistency(place(&head), place(&continued.head), &continued.proof), Ok(()));
    }
}
