//! The bare limits of the same stack, in a process of their own: tonic over rustls that answers what it is told, and rustls that shakes
//! hands, says one byte and hangs up. Same certificates, same versions of TLS, no rules of ours.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    process::{Command, Stdio},
    sync::Arc,
    task::{Context, Poll},
};

use communique::{
    pki::{
        pem,
        server::server_config,
        trust::{PartyAnchors, TrustSet},
    },
    wire::v1::SubmitActRequest,
};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    client::Grpc,
    server::{NamedService, UnaryService},
    transport::{Channel, Server, server::Connected},
};
use tonic_prost::ProstCodec;

use crate::{
    process::{Running, configuration},
    world::{PARTIES, World, domain_of, party},
};

/// Names the folder of a process that is to echo.
const FOLDER: &str = "COMMUNIQUE_BENCH_ECHO";
/// The method.
const SAY: &str = "/bench.Echo/Say";

/// The process.
pub struct Bare {
    pub running: Running,
    /// tonic.
    pub echo: SocketAddr,
    /// rustls alone.
    pub handshakes: SocketAddr,
}

impl Bare {
    /// Starts it over the certificates of this exchange and its parties.
    pub fn start(world: &World) -> Self {
        let configuration = configuration(world);
        let folder = configuration.parent().unwrap();
        for (of, authority) in &world.authorities {
            std::fs::write(folder.join(format!("{of}.der")), authority.der()).unwrap();
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::of(command.spawn().unwrap());
        let mut lines = BufReader::new(running.child().stdout.take().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap().parse().unwrap();
        Self { echo: next(), handshakes: next(), running }
    }
}

/// Says something and hears it again.
pub async fn say(channel: &Channel, what: SubmitActRequest) -> SubmitActRequest {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(SAY);
    grpc.unary(Request::new(what), path, ProstCodec::default()).await.unwrap().into_inner()
}

/// Echoes until standard input ends, if this process is the one that is to; answers whether it was.
pub fn is_this_process() -> bool {
    let Some(folder) = std::env::var_os(FOLDER) else { return false };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.spawn(serve(std::path::PathBuf::from(folder)));
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    true
}

async fn serve(folder: std::path::PathBuf) {
    let [echo, handshakes] = [(), ()].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    println!("{}\n{}", echo.local_addr().unwrap(), handshakes.local_addr().unwrap());
    let [echo, handshakes] = [echo, handshakes].map(|listener| {
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    });
    tokio::spawn(shake(handshakes, plain(&folder)));
    let (out, streams) = mpsc::channel(64);
    let tls = TlsAcceptor::from(ours(&folder));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = echo.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (tls, out) = (tls.clone(), out.clone());
            tokio::spawn(async move {
                let stream = tls.accept(tcp).await.map(Tls);
                let _ = out.send(stream).await;
            });
        }
    });
    let streams = ReceiverStream::new(streams);
    Server::builder().add_service(Echo).serve_with_incoming(streams).await.unwrap();
}

/// Shakes hands with whoever comes, says one byte, hangs up.
async fn shake(listener: TcpListener, tls: Arc<ServerConfig>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let tls = TlsAcceptor::from(tls.clone());
        tokio::spawn(async move {
            if let Ok(mut stream) = tls.accept(tcp).await {
                let _ = stream.write_all(b"!").await;
                let _ = stream.shutdown().await;
            }
        });
    }
}

fn identity(
    folder: &Path,
) -> (Vec<rustls::pki_types::CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>) {
    let config = communique::app::config::Config::load(&folder.join("communiqued.toml"), std::iter::empty()).unwrap();
    let chain = pem::chain(&std::fs::read(config.tls.certificate).unwrap()).unwrap();
    (chain, pem::private_key(&std::fs::read(config.tls.key).unwrap()).unwrap())
}

/// The exchange's own configuration of TLS.
fn ours(folder: &Path) -> Arc<ServerConfig> {
    let anchors = PARTIES.map(|(of, _)| PartyAnchors {
        id: party(of),
        trust_domain: domain_of(of).parse().unwrap(),
        authorities: vec![std::fs::read(folder.join(format!("{of}.der"))).unwrap()],
        revoked: [].into(),
    });
    let (chain, key) = identity(folder);
    server_config(Arc::new(TrustSet::build(0, anchors.to_vec()).unwrap()), chain, key).unwrap()
}

/// As rustls itself would have it: its own verifier of clients, one set of roots for all.
fn plain(folder: &Path) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    for (of, _) in PARTIES {
        roots.add(std::fs::read(folder.join(format!("{of}.der"))).unwrap().into()).unwrap();
    }
    let (chain, key) = identity(folder);
    let exchange = ours(folder);
    let provider = exchange.crypto_provider().clone();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols.clone_from(&exchange.alpn_protocols);
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

#[derive(Clone)]
struct Echo;

impl UnaryService<SubmitActRequest> for Echo {
    type Response = SubmitActRequest;
    type Future = Ready<Result<Response<SubmitActRequest>, Status>>;
    fn call(&mut self, request: Request<SubmitActRequest>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async {
            let codec = ProstCodec::<SubmitActRequest, SubmitActRequest>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Echo, request).await)
        })
    }
}

/// A stream that tonic knows nothing of.
struct Tls(TlsStream<TcpStream>);

impl Connected for Tls {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}
impl AsyncRead for Tls {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}
impl AsyncWrite for Tls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
