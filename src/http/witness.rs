//! A witness that others ask (C2SP tlog-witness), in plain HTTP: what is asked is signed by the log, what is answered by the witness,
//! and both are public.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /add-checkpoint` | 200 and the signature line; 400, 403, 404, 409 with the size, 422 as the specification says |
//! | `GET /<origin hash>/checkpoint` | the last head that was cosigned, or 404 |

use std::{io, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{net::TcpListener, task::spawn_blocking};

use super::bounded::{CONNECTION_TIME, Listener, MAX_CONNECTIONS};
use crate::log::witness::{No, REQUEST_LIMIT, SIZE_TYPE};

/// Who judges, and cosigns.
pub trait Judge: Send + Sync + 'static {
    /// The signature line for the body of a request. It may wait for a disk.
    ///
    /// # Errors
    /// [`Declined`].
    fn add_checkpoint(&self, body: &[u8]) -> Result<String, Declined>;
    /// The last head that was cosigned of the log whose origin has this SHA-256, in hex.
    fn checkpoint(&self, origin: &str) -> Option<String>;
}

/// Why there is no cosignature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Declined {
    /// What was asked for may not be cosigned.
    No(No),
    /// Nothing can be cosigned now: 503. Why is its keeper's to know.
    Unable,
}

/// Serves `judge` on `listener` until `shutdown` is over and the open connections have ended. At most [`MAX_CONNECTIONS`] at a time, each
/// for at most [`CONNECTION_TIME`]; a request has at most [`REQUEST_LIMIT`] bytes.
///
/// # Errors
/// The listener's, if it cannot be used at all.
pub async fn serve<F>(listener: TcpListener, judge: Arc<dyn Judge>, shutdown: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = Listener::new(listener, MAX_CONNECTIONS, CONNECTION_TIME);
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT))
        .with_state(judge);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn add_checkpoint(Shared(judge): Shared<Arc<dyn Judge>>, body: Bytes) -> Response {
    let judged = spawn_blocking(move || judge.add_checkpoint(&body)).await;
    match judged.unwrap_or(Err(Declined::Unable)) {
        Ok(line) => text(StatusCode::OK, line),
        Err(Declined::No(no)) => {
            let status = StatusCode::from_u16(no.status()).unwrap_or(StatusCode::BAD_REQUEST);
            match no {
                No::Conflict { size } => {
                    (status, [(header::CONTENT_TYPE, SIZE_TYPE)], format!("{size}\n")).into_response()
                }
                other => text(status, format!("{other}\n")),
            }
        }
        Err(Declined::Unable) => text(StatusCode::SERVICE_UNAVAILABLE, "this witness cosigns nothing now\n".into()),
    }
}

async fn checkpoint(Shared(judge): Shared<Arc<dyn Judge>>, Path(origin): Path<String>) -> Response {
    match judge.checkpoint(&origin) {
        Some(note) => text(StatusCode::OK, note),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn text(status: StatusCode, words: String) -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    (status, [kind, (header::CACHE_CONTROL, "no-store")], words).into_response()
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Mutex};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::log::Fault;

    /// Answers what it is told to, and counts.
    struct Told(Mutex<(Vec<Result<String, Declined>>, usize)>);

    impl Judge for Told {
        fn add_checkpoint(&self, body: &[u8]) -> Result<String, Declined> {
            let mut told = self.0.lock().unwrap();
            told.1 += body.len();
            told.0.pop().unwrap()
        }
        fn checkpoint(&self, origin: &str) -> Option<String> {
            (origin == "ab").then(|| "note".to_owned())
        }
    }

    async fn run(answers: Vec<Result<String, Declined>>) -> (SocketAddr, Arc<Told>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Told(Mutex::new((answers, 0))));
        tokio::spawn(serve(listener, told.clone(), std::future::pending()));
        (address, told)
    }

    async fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // Who is refused for the length alone hangs up before the end.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        (answer.split(' ').nth(1).unwrap_or("0").parse().unwrap(), answer)
    }

    #[tokio::test]
    async fn statuses_and_bodies_are_the_specification_s() {
        let fault = || Fault::Forked { size: 7 };
        let answers = [
            (Ok("— w line\n".to_owned()), 200, "\r\n\r\n— w line\n"),
            (Err(Declined::No(No::BadRequest(fault()))), 400, "\n"),
            (Err(Declined::No(No::Forbidden(fault()))), 403, "\n"),
            (Err(Declined::No(No::UnknownLog { origin: "a".into() })), 404, "\n"),
            (Err(Declined::No(No::Conflict { size: 42 })), 409, "\r\n\r\n42\n"),
            (Err(Declined::No(No::Unprocessable(fault()))), 422, "\n"),
            (Err(Declined::Unable), 503, "\r\n\r\nthis witness cosigns nothing now\n"),
        ];
        let (address, _) = run(answers.iter().rev().map(|(answer, ..)| answer.clone()).collect()).await;
        for (_, status, end) in answers {
            let (got, answer) = ask(address, "POST", "/add-checkpoint", b"x").await;
            assert!(got == status && answer.ends_with(end), "{answer}");
            let sized = answer.contains("content-type: text/x.tlog.size\r\n");
            assert_eq!(sized, status == 409, "{answer}");
        }
        assert_eq!(ask(address, "GET", "/add-checkpoint", b"").await.0, 405);
        assert_eq!(ask(address, "POST", "/", b"").await.0, 404);
        assert_eq!(ask(address, "GET", "/ab/checkpoint", b"").await.0, 200);
        assert_eq!(ask(address, "GET", "/cd/checkpoint", b"").await.0, 404);
        assert_eq!(ask(address, "POST", "/ab/checkpoint", b"").await.0, 405);
    }

    #[tokio::test]
    async fn no_body_over_the_limit_is_judged() {
        let (address, told) = run(vec![Ok(String::new())]).await;
        let (status, _) = ask(address, "POST", "/add-checkpoint", &vec![b'a'; REQUEST_LIMIT + 1]).await;
        assert!(status == 413 || status == 0, "{status}");
        assert_eq!(told.0.lock().unwrap().1, 0);
        assert_eq!(ask(address, "POST", "/add-checkpoint", &vec![b'a'; REQUEST_LIMIT]).await.0, 200);
        assert_eq!(told.0.lock().unwrap().1, REQUEST_LIMIT);
    }
}
