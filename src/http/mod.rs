//! Health and metrics, on a port of their own: plain HTTP, read-only, for probes and the metrics collector beside the
//! service. Nothing here speaks of drafts, signatures or parties.
//!
//! | path | answer |
//! | --- | --- |
//! | `/livez` | 200 as long as the process can answer at all |
//! | `/readyz` | 200 when the exchange takes requests, 503 with the reason when it does not |
//! | `/metrics` | the counters, in the OpenMetrics text format |
//!
//! Beside them, each for itself: the public log ([`tiles`]), a witness that is asked ([`witness`]), and asking one ([`post`]).

mod bounded;
pub mod post;
pub mod tiles;
pub mod witness;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::observe::{METRICS_CONTENT_TYPE, Metrics, Readiness, State};

pub use bounded::{CONNECTION_TIME, MAX_CONNECTIONS};

/// What the pages show.
#[derive(Debug, Clone)]
pub struct Pages {
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
}

/// Serves `pages` on `listener` until `shutdown` is over and the open connections have ended, at the latest
/// [`CONNECTION_TIME`] later.
///
/// # Errors
///
/// The listener's, if it cannot be used at all.
pub async fn serve<F>(listener: TcpListener, pages: Pages, shutdown: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = bounded::Listener::new(listener, MAX_CONNECTIONS, CONNECTION_TIME);
    axum::serve(listener, router(pages)).with_graceful_shutdown(shutdown).await
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(pages)
}

async fn live() -> &'static str {
    "live\n"
}

async fn ready(Shared(pages): Shared<Pages>) -> Response {
    match pages.readiness.state() {
        State::Ready => "ready\n".into_response(),
        State::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn metrics(Shared(pages): Shared<Pages>) -> Response {
    match pages.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: SocketAddr,
        pages: Pages,
        stop: oneshot::Sender<()>,
        served: JoinHandle<io::Result<()>>,
    }

    async fn run() -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Pages { readiness: Readiness::not_yet("starting"), metrics: Arc::default() };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, pages.clone(), async { stopped.await.unwrap_or_default() }));
        Running { address, pages, stop, served }
    }

    async fn request(address: SocketAddr, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn probes_are_told_what_is_so() {
        let running = run().await;
        let ask = |path: &'static str| request(running.address, "GET", path);

        assert!(ask("/livez").await.starts_with("HTTP/1.1 200 "));
        let answer = ask("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("not ready: starting\n"), "{answer}");

        running.pages.readiness.ready();
        let answer = ask("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nready\n"), "{answer}");

        running.pages.readiness.not_ready("the log cannot be written");
        assert!(ask("/readyz").await.ends_with("not ready: the log cannot be written\n"));

        running.pages.metrics.entries_appended(3);
        let answer = ask("/metrics").await;
        assert!(answer.contains(METRICS_CONTENT_TYPE) && answer.contains("communique_log_entries_total 3"), "{answer}");

        assert!(ask("/").await.starts_with("HTTP/1.1 404 "));
        assert!(request(running.address, "POST", "/readyz").await.starts_with("HTTP/1.1 405 "));
    }

    #[tokio::test]
    async fn it_ends_when_asked_though_a_collector_stays_connected() {
        let running = run().await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: sample\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);

        running.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), running.served).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn silent_connections_take_no_more_than_their_places_and_are_cut() {
        const PLACES: usize = 3;
        const TIME: Duration = Duration::from_millis(500);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Pages { readiness: Readiness::not_yet("starting"), metrics: Arc::default() };
        let listener = bounded::Listener::new(listener, PLACES, TIME);
        tokio::spawn(async move { axum::serve(listener, router(pages)).await });

        let mut silent = Vec::new();
        for _ in 0..PLACES {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut ask = std::pin::pin!(request(address, "GET", "/livez"));
        let early = tokio::time::timeout(TIME / 2, &mut ask).await;
        assert!(early.is_err(), "one more connection than there are places was served");

        let late = tokio::time::timeout(Duration::from_secs(10), ask).await;
        assert!(late.expect("the silent connections were cut").starts_with("HTTP/1.1 200 "));
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or_default(), 0);
        }
    }
}
