//! The way to the exchange: its addresses in order, an HTTP proxy where there is one, and TLS to the end of it. A proxy carries
//! ciphertext: the handshake is with the exchange, by the charter's CA, whoever stands in between.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    domain::{
        message::{Message, Tell as _},
        refusal::Refusal,
        text::escape_line,
    },
    language::Language,
    msg,
};

/// Most addresses of one exchange.
pub const ADDRESSES_LIMIT: usize = 8;
/// The longest that the only address may take to connect, proxy and TLS included.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// The longest that one of several may take before the next is tried.
pub const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(5);
/// Largest answer of a proxy, in bytes.
pub const PROXY_ANSWER_LIMIT: usize = 8 << 10;
/// Largest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_LIMIT: usize = 255;
/// Largest address of a proxy, in bytes.
const VARIABLE_LIMIT: usize = 8 << 10;

/// A host and a port, as `host:port`; IPv6 addresses in brackets.
fn host_and_port<'a>(what: &str, s: &'a str) -> Result<(&'a str, u16), Refusal> {
    let bad = |problem: Message| {
        Refusal::malformed(what, msg!("“{written}” {problem}; write host:port", written = escape_line(s), problem))
    };
    let (host, port) = s.rsplit_once(':').ok_or_else(|| bad(msg!("names no port")))?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad(msg!("names no port from 1 to 65535")))?;
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let plain = |h: &str, also: &[u8]| {
        !h.is_empty() && h.len() <= HOST_LIMIT && h.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
    };
    let good = inner.map_or_else(|| plain(host, b".-_"), |ip| plain(ip, b":.%"));
    if good { Ok((host, port)) } else { Err(bad(msg!("is no host and port"))) }
}

/// Where the exchange is and how it is got at.
#[derive(Clone, Debug)]
pub struct Road {
    addresses: Vec<String>,
    proxies: Proxies,
    patience: Duration,
    language: Language,
}

impl Road {
    /// The addresses in the order in which they are tried, each `host:port`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for none, or for what is no address; [`Refusal::TooLarge`] above [`ADDRESSES_LIMIT`].
    pub fn new<S: Into<String>>(addresses: impl IntoIterator<Item = S>, proxies: Proxies) -> Result<Self, Refusal> {
        let addresses: Vec<String> = addresses.into_iter().map(Into::into).collect();
        if addresses.is_empty() {
            return Err(Refusal::malformed("address", msg!("names none; write host:port")));
        }
        if addresses.len() > ADDRESSES_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("the number of addresses"), limit: ADDRESSES_LIMIT as u64 });
        }
        for address in &addresses {
            host_and_port("address", address)?;
        }
        let patience = if addresses.len() == 1 { CONNECT_DEADLINE } else { NEXT_ADDRESS_AFTER };
        Ok(Self { addresses, proxies, patience, language: Language::default() })
    }
    /// The same with another time for each address.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
    /// The addresses, in order.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }
    /// The proxy on the way to this address, if there is one.
    #[must_use]
    pub fn proxy_for(&self, address: &str) -> Option<&Proxy> {
        self.proxies.proxy.as_ref().filter(|_| !self.proxies.passes_by(address))
    }
    /// The same road, on which the exchange is asked to say what it refuses in this language.
    #[must_use]
    pub fn speaking(self, language: Language) -> Self {
        Self { language, ..self }
    }
    /// The language that the exchange is asked to speak.
    pub(super) fn language(&self) -> Language {
        self.language
    }
    /// After how long a silence it is asked whether the connection still stands, and how long the answer may take. Where there is another
    /// address, it is found out while a call may still be sent again.
    pub(super) fn silence(&self) -> (Duration, Duration) {
        match self.addresses.len() {
            1 => (Duration::from_secs(30), Duration::from_secs(20)),
            _ => (self.patience, self.patience.saturating_mul(2)),
        }
    }
    /// The longest that connecting may take, all addresses together.
    pub(super) fn whole_patience(&self) -> Duration {
        self.patience.saturating_mul(u32::try_from(self.addresses.len()).unwrap_or(u32::MAX))
    }
}

/// Which proxy, and for which hosts none: what the environment says.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    proxy: Option<Proxy>,
    except: Vec<String>,
}

impl Proxies {
    /// Reads the values of `HTTPS_PROXY` and `NO_PROXY`; an empty one counts as none.
    ///
    /// A proxy is `http://[user:password@]host[:port]`, port 80 if it names none. The exceptions stand between commas: a host,
    /// with all that is below it; `host:port`; or `*` for every host.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a proxy that is none, or is to be spoken to by another protocol. It never quotes a password.
    pub fn read(https_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Self, Refusal> {
        let proxy = https_proxy.map(str::trim).filter(|s| !s.is_empty()).map(Proxy::parse).transpose()?;
        let except = no_proxy
            .unwrap_or_default()
            .split(',')
            .map(|e| e.trim().to_ascii_lowercase())
            .filter(|e| !e.is_empty())
            .collect();
        Ok(Self { proxy, except })
    }
    fn passes_by(&self, address: &str) -> bool {
        let address = address.to_ascii_lowercase();
        let Ok((host, port)) = host_and_port("address", &address) else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.except.iter().any(|entry| {
            let (name, only) = match host_and_port("NO_PROXY", entry) {
                Ok((name, only)) => (name, Some(only)),
                Err(_) => (entry.as_str(), None),
            };
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let name = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).unwrap_or(name);
            let named = name == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
            named && only.is_none_or(|only| only == port)
        })
    }
}

/// An HTTP proxy that tunnels by CONNECT (RFC 9110, section 9.3.6).
#[derive(Clone)]
pub struct Proxy {
    address: String,
    authorization: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Proxy {
    fn parse(url: &str) -> Result<Self, Refusal> {
        let bad =
            |problem: Message| Refusal::malformed("HTTPS_PROXY", msg!("{problem}; write http://host:port", problem));
        if url.len() > VARIABLE_LIMIT {
            return Err(bad(msg!("is too long")));
        }
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(bad(msg!("names a proxy of another kind than http://"))),
            None => url,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        let with_port = if host_and_port("HTTPS_PROXY", place).is_ok() { place.into() } else { format!("{place}:80") };
        host_and_port("HTTPS_PROXY", &with_port).map_err(|_| bad(msg!("names no host and port")))?;
        let authorization = match user {
            None => None,
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                let decoded = (unescaped(user), unescaped(password));
                let (Some(user), Some(password)) = decoded else {
                    return Err(bad(msg!("has a broken % in its user part")));
                };
                let pair = [user.as_slice(), b":", password.as_slice()].concat();
                Some(format!("Basic {}", STANDARD.encode(pair)))
            }
        };
        Ok(Self { address: with_port, authorization })
    }
    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A connection through the proxy to this address, which was checked to hold nothing but a host and a port.
    async fn tunnel(&self, address: &str) -> io::Result<TcpStream> {
        let said = |problem: Message| {
            io::Error::other(msg!("the proxy {address}: {problem}", address = self.address, problem))
        };
        let mut tcp = TcpStream::connect(&self.address).await.map_err(|e| said(e.message()))?;
        tcp.set_nodelay(true)?;
        let authorization =
            self.authorization.as_ref().map(|a| format!("Proxy-Authorization: {a}\r\n")).unwrap_or_default();
        let request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(|e| said(e.message()))?;
        // Byte by byte: what comes after the head is the exchange's.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= PROXY_ANSWER_LIMIT {
                return Err(said(msg!("it answers more than {limit} bytes", limit = PROXY_ANSWER_LIMIT)));
            }
            match tcp.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(said(msg!("it hung up"))),
                Err(e) => return Err(said(e.message())),
            }
        }
        let first = String::from_utf8_lossy(&head).lines().next().map(escape_line).unwrap_or_default();
        let code = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).map(str::to_owned);
        match code.as_deref() {
            Some(code) if code.len() == 3 && code.starts_with('2') => Ok(tcp),
            Some("407") => Err(said(msg!(
                "it asks for a user and a password (407); set HTTPS_PROXY=http://user:password@host:port"
            ))),
            Some("403" | "405") => Err(said(msg!(
                "it does not let connections to {address} through ({answer}); ask who runs it",
                address,
                answer = first
            ))),
            Some(_) => Err(said(msg!("it cannot connect to {address} ({answer})", address, answer = first))),
            None => Err(said(msg!("it does not answer as an HTTP proxy ({answer})", answer = first))),
        }
    }
}

/// Percent-decoding (RFC 3986, section 2.1).
fn unescaped(s: &str) -> Option<Vec<u8>> {
    let mut bytes = s.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let digits = std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
    }
    Some(out)
}

/// A connection whose first byte has come.
pub(super) type Ahead = BufReader<TlsStream<TcpStream>>;

/// Makes connections, beginning with the address that last worked.
pub(super) struct Dialler {
    road: Road,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    first: AtomicUsize,
}

impl Dialler {
    pub(super) fn new(road: Road, name: ServerName<'static>, tls: Arc<ClientConfig>) -> Self {
        Self { road, name, tls, first: AtomicUsize::new(0) }
    }
    pub(super) fn road(&self) -> &Road {
        &self.road
    }
    /// Begins with the next address from now on.
    pub(super) fn move_on(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }
    /// Tries every address once.
    pub(super) async fn dial(&self) -> io::Result<Ahead> {
        let addresses = self.road.addresses();
        let first = self.first.load(Ordering::Relaxed);
        let mut failed = Vec::new();
        for n in 0..addresses.len() {
            let at = first.wrapping_add(n) % addresses.len();
            let Some(address) = addresses.get(at) else { continue };
            match self.reach(address).await {
                Ok(stream) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) if addresses.len() == 1 => return Err(error),
                Err(error) => failed.push(msg!("{address}: {error}", address, error)),
            }
        }
        // One after another, with what each came to.
        let said = failed.into_iter().reduce(|said, next| msg!("{said}; {next}", said, next));
        Err(io::Error::other(said.unwrap_or_else(|| Message::words(""))))
    }
    /// Connects to one address. Reads one byte ahead before the connection counts as made: TLS 1.3 lets a client finish
    /// before the server has judged its certificate, and a refusal would otherwise show as a broken pipe much later.
    pub(super) async fn reach(&self, address: &str) -> io::Result<Ahead> {
        let proxy = self.road.proxy_for(address);
        let reached = timeout(self.road.patience, async {
            let tcp = match proxy {
                Some(proxy) => proxy.tunnel(address).await?,
                None => TcpStream::connect(address).await?,
            };
            tcp.set_nodelay(true)?;
            let tls = TlsConnector::from(self.tls.clone()).connect(self.name.clone(), tcp).await?;
            let mut stream = BufReader::new(tls);
            if stream.fill_buf().await?.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    msg!("the exchange closed the connection at once"),
                ));
            }
            Ok(stream)
        });
        reached.await.unwrap_or_else(|_| {
            let seconds = format!("{:.1}", self.road.patience.as_secs_f32());
            let said = match proxy {
                Some(proxy) => {
                    let address = proxy.address();
                    msg!("no answer within {seconds} s through the proxy {address}", seconds, address)
                }
                None => msg!("no answer within {seconds} s", seconds),
            };
            Err(io::Error::new(io::ErrorKind::TimedOut, said))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_and_ports_alone() {
        for good in ["exchange.example:8443", "127.0.0.1:1", "[::1]:65535"] {
            assert_eq!(Road::new([good], Proxies::default()).unwrap().addresses(), [good]);
        }
        for bad in
            ["", "a", "a:", ":1", "a:0", "a:65536", "a b:1", "a\r\nX: y:1", "http://a:1", "u@a:1", "::1:1", "a/b:1"]
        {
            assert_eq!(Road::new([bad], Proxies::default()).unwrap_err().reason(), "MALFORMED", "{bad:?}");
        }
        assert!(Road::new(Vec::<String>::new(), Proxies::default()).is_err());
        assert_eq!(Road::new(vec!["a:1"; 9], Proxies::default()).unwrap_err().reason(), "TOO_LARGE");
    }

    #[test]
    fn proxies_are_read_as_the_environment_gives_them() {
        let read = |url| Proxies::read(Some(url), None).map(|p| p.proxy.map(|p| (p.address, p.authorization)));
        let plain = |address: &str| Ok(Some((address.to_owned(), None)));
        assert_eq!(read("http://proxy.example:3128"), plain("proxy.example:3128"));
        assert_eq!(read("HTTP://proxy.example:3128/"), plain("proxy.example:3128"));
        assert_eq!(read("proxy.example"), plain("proxy.example:80"));
        assert_eq!(read("  "), Ok(None));
        let named = read("http://user:p%40ss%3aword@[::1]:3128").unwrap().unwrap();
        assert_eq!(named, ("[::1]:3128".into(), Some("Basic dXNlcjpwQHNzOndvcmQ=".into())));
        for bad in
            ["https://proxy.example:1", "socks5://p:1", "http://", "http://a b:1", "http://u:%4@p:1", "http://p:0"]
        {
            assert_eq!(read(bad).unwrap_err().reason(), "MALFORMED", "{bad}");
        }
        let secret = Proxies::read(Some("http://user:secret@p:1"), None).unwrap();
        assert!(!format!("{secret:?}").contains("dXN"), "{secret:?}");
        assert!(!read("ftp://user:secret@p:1").unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn exceptions_pass_the_proxy_by() {
        let passes = |except, address| {
            let road = Road::new([address], Proxies::read(Some("http://p:1"), Some(except)).unwrap()).unwrap();
            road.proxy_for(address).is_none()
        };
        for (except, address, by) in [
            ("", "a.example:1", false),
            ("*", "a.example:1", true),
            ("a.example", "a.example:1", true),
            ("A.example", "a.EXAMPLE:1", true),
            ("example", "a.example:1", true),
            (".example", "a.example:1", true),
            ("*.example", "a.example:1", true),
            ("b.example, a.example", "a.example:1", true),
            ("ample", "a.example:1", false),
            ("a.example:1", "a.example:1", true),
            ("a.example:2", "a.example:1", false),
            ("::1", "[::1]:9", true),
            ("127.0.0.1", "127.0.0.1:9", true),
        ] {
            assert_eq!(passes(except, address), by, "{except:?} {address}");
        }
    }
}
