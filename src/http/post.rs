//! One request to a place that an operator named, and its answer: bounded in time and bytes, without redirects, on a connection of its
//! own.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Most bytes of an answer's head.
const HEAD_LIMIT: usize = 16 << 10;
/// Longest address, in bytes.
const URL_LIMIT: usize = 2048;

/// What an answer is bounded by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// How long all of it may take: looking the name up, connecting, TLS, asking, and reading the answer.
    pub time: Duration,
    /// Most bytes of its body.
    pub bytes: usize,
}

/// An address, and a prefix of addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    secure: bool,
    /// As the request names it.
    authority: String,
    host: String,
    port: u16,
    /// Itself.
    exact: String,
    /// As a prefix: ends in a slash.
    path: String,
}

/// What came back: any status, a redirect too, which is not followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The type that its head gives the body.
    pub kind: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is posted.
struct Letter {
    path: String,
    kind: &'static str,
    body: Vec<u8>,
}

impl Place {
    /// Parses `http://host[:port][/path]` or the same with `https`: without user, query and fragment. A last slash may be left out.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if url.len() > URL_LIMIT || url.contains('#') {
            return Err("is too long, or names a part of a page");
        }
        let uri: Uri = url.parse().map_err(|_| "is no address")?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("begins neither with http:// nor with https://"),
        };
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err("has a user or a query, which is not sent");
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() != authority.host() => return Err("names no port behind its colon"),
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
        };
        if host.is_empty() || port == 0 {
            return Err("names no host, or port 0");
        }
        let exact = uri.path().to_owned();
        let path = format!("{}/", exact.trim_end_matches('/'));
        Ok(Self { secure, authority: authority.as_str().to_owned(), host, port, exact, path })
    }
    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }
    /// Posts text to the resource of this name below the prefix; `tls` is needed for a secure place.
    ///
    /// # Errors
    /// What kept it from an answer, in words for an operator.
    pub async fn post(
        &self,
        name: &str,
        body: Vec<u8>,
        tls: Option<&Arc<ClientConfig>>,
        bounds: Bounds,
    ) -> io::Result<Answer> {
        let path = format!("{}{name}", self.path);
        self.ask(Letter { path, kind: "text/plain; charset=utf-8", body }, tls, bounds).await
    }
    /// Posts a body of this type to the address itself; `tls` is needed for a secure place.
    ///
    /// # Errors
    /// As [`Place::post`].
    pub async fn post_here(
        &self,
        kind: &'static str,
        body: Vec<u8>,
        tls: Option<&Arc<ClientConfig>>,
        bounds: Bounds,
    ) -> io::Result<Answer> {
        self.ask(Letter { path: self.exact.clone(), kind, body }, tls, bounds).await
    }
    async fn ask(&self, letter: Letter, tls: Option<&Arc<ClientConfig>>, bounds: Bounds) -> io::Result<Answer> {
        let asked = async {
            let tcp = TcpStream::connect((&*self.host, self.port)).await?;
            tcp.set_nodelay(true)?;
            if !self.secure {
                return self.over(tcp, letter, bounds.bytes).await;
            }
            let tls = tls.ok_or_else(|| io::Error::other("no authorities are known for its certificate"))?;
            let server = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
            let stream = TlsConnector::from(tls.clone()).connect(server, tcp).await?;
            self.over(stream, letter, bounds.bytes).await
        };
        timeout(bounds.time, asked).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no whole answer within {} s", bounds.time.as_secs())))
        })
    }
    async fn over<S>(&self, stream: S, letter: Letter, limit: usize) -> io::Result<Answer>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_LIMIT);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(letter.path)
            .header(header::HOST, &self.authority)
            .header(header::CONNECTION, "close")
            .header(header::CONTENT_TYPE, letter.kind)
            .body(Full::new(Bytes::from(letter.body)))
            .map_err(io::Error::other)?;
        let answer = async move {
            let (head, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(io::Error::other)?.to_bytes().into();
            let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
            Ok(Answer { status: head.status.as_u16(), kind, body })
        };
        // The connection moves the bytes. It may end before the answer was taken out of it.
        let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn a_place_is_a_host_and_a_prefix() {
        let parse = |url| Place::parse(url).map(|p| (p.secure, p.host, p.port, p.path));
        let place = |secure, host: &str, port, path: &str| Ok((secure, host.to_owned(), port, path.to_owned()));
        assert_eq!(parse("http://w.example"), place(false, "w.example", 80, "/"));
        assert_eq!(parse("https://w.example/a/b"), place(true, "w.example", 443, "/a/b/"));
        assert_eq!(parse("https://w.example:8/a/"), place(true, "w.example", 8, "/a/"));
        assert_eq!(parse("http://[::1]:8/"), place(false, "::1", 8, "/"));
        for bad in [
            "",
            "w.example",
            "/a",
            "ftp://w",
            "http://",
            "http://u:p@w",
            "http://w/?a",
            "http://w/#a",
            "http://w:0",
            "http://w:",
            "http://w:65536",
            "http://a b/",
            "file:///etc",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("http://w/{}", "a".repeat(URL_LIMIT))).is_err());
    }

    fn within(bytes: usize) -> Bounds {
        Bounds { time: Duration::from_secs(30), bytes }
    }

    /// Reads a request to its end and answers these bytes.
    async fn server(answer: Vec<u8>) -> (Place, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::parse(&format!("http://{}/deep", listener.local_addr().unwrap())).unwrap();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let mut length = 0;
            while !request[..length].ends_with(b"body") {
                length += stream.read(&mut request[length..]).await.unwrap();
            }
            // Who hangs up early has heard enough.
            let _ = stream.write_all(&answer).await;
            String::from_utf8_lossy(&request[..length]).to_lowercase()
        });
        (place, heard)
    }

    #[tokio::test]
    async fn it_posts_and_reads_what_is_within_the_limits() {
        let answer = b"HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 3\r\n\r\n42\n";
        let (place, heard) = server(answer.to_vec()).await;
        let got = place.post("add-checkpoint", b"body".to_vec(), None, within(3)).await.unwrap();
        assert_eq!(got, Answer { status: 409, kind: Some("text/x.tlog.size".into()), body: b"42\n".to_vec() });
        let heard = heard.await.unwrap();
        assert!(
            heard.starts_with("post /deep/add-checkpoint http/1.1\r\n") && heard.contains("\r\ncontent-length: 4\r\n")
        );
        assert!(heard.contains(&format!("\r\nhost: {}\r\n", place.authority)), "{heard}");

        // To the address itself, as it was written.
        let (place, heard) = server(answer.to_vec()).await;
        place.post_here("application/sample", b"body".to_vec(), None, within(3)).await.unwrap();
        let heard = heard.await.unwrap();
        assert!(heard.starts_with("post /deep http/1.1\r\n"), "{heard}");
        assert!(heard.contains("\r\ncontent-type: application/sample\r\n"), "{heard}");

        // To the end of the connection, and in chunks.
        for (answer, body) in [
            ("HTTP/1.1 200 OK\r\n\r\nabc", "abc"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
        ] {
            let (place, _) = server(answer.into()).await;
            assert_eq!(place.post("a", b"body".to_vec(), None, within(3)).await.unwrap().body, body.as_bytes());
            let (place, _) = server(answer.into()).await;
            assert!(place.post("a", b"body".to_vec(), None, within(2)).await.is_err(), "{answer}");
        }
    }

    #[tokio::test]
    async fn redirects_are_answers_and_nonsense_is_none() {
        let (elsewhere, listening) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        let answer =
            format!("HTTP/1.1 307 There\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.authority);
        let (place, _) = server(answer.into_bytes()).await;
        assert_eq!(place.post("a", b"body".to_vec(), None, within(9)).await.unwrap().status, 307);
        assert!(!listening.is_finished(), "it was followed");
        for answer in ["", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
            let (place, _) = server(answer.into()).await;
            assert!(place.post("a", b"body".to_vec(), None, within(9)).await.is_err(), "{answer}");
        }
        let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "a".repeat(HEAD_LIMIT));
        let (place, _) = server(long.into_bytes()).await;
        assert!(place.post("a", b"body".to_vec(), None, within(9)).await.is_err());
    }

    #[tokio::test]
    async fn who_never_answers_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let short = Bounds { time: Duration::from_millis(50), bytes: 9 };
        let refused = place.post("a", b"body".to_vec(), None, short).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }
}
