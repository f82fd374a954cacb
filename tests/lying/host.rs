//! The host: it stands where the exchange stands, with the exchange's own certificate, and lies as it is told.
//!
//! Who calls is seen from the certificate; the real exchange is asked in the caller's name. What passes is changed message by message.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Buf as _, Bytes, BytesMut};
use communique::{
    client::{
        remote::{Connection, RemoteError},
        road::{Proxies, Road},
        session::Session,
    },
    domain::id::Role,
    pki::{
        issue::Issued,
        pem, server,
        trust::{PartyAnchors, TrustSet},
    },
};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::pki_types::UnixTime;
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{body::Body, transport::Channel};
use tower::{Service as _, ServiceExt as _};

use crate::world::{EXCHANGE, PARTIES, World, domain_of, now, party};

/// A call, as a liar sees it.
pub struct Call {
    pub party: String,
    pub method: String,
    /// No two calls have the same.
    pub number: u64,
    /// The first message that was sent.
    pub asked: Vec<u8>,
}

impl Call {
    pub fn asked<M: Message + Default>(&self) -> M {
        M::decode(&*self.asked).unwrap()
    }
}

static CALLS: AtomicU64 = AtomicU64::new(0);

type Instead = Box<dyn Fn(&Call) -> Option<Vec<u8>> + Send + Sync>;
type Change = Box<dyn Fn(&Call, Vec<u8>) -> Vec<Vec<u8>> + Send + Sync>;

/// What is told instead of the truth.
#[derive(Default)]
pub struct Lies {
    instead: Vec<(&'static str, Instead)>,
    changed: Vec<(&'static str, Change)>,
}

impl Lies {
    /// The answers of this method, each changed.
    pub fn changed<M: Message + Default>(
        mut self,
        method: &'static str,
        change: impl Fn(&Call, &mut M) + Send + Sync + 'static,
    ) -> Self {
        let change = move |call: &Call, bytes: Vec<u8>| {
            let mut message = M::decode(&*bytes).unwrap();
            change(call, &mut message);
            vec![message.encode_to_vec()]
        };
        self.changed.push((method, Box::new(change)));
        self
    }
    /// Each message of an answer's stream as these.
    pub fn streamed<M: Message + Default>(
        mut self,
        method: &'static str,
        change: impl Fn(&Call, M) -> Vec<M> + Send + Sync + 'static,
    ) -> Self {
        let change = move |call: &Call, bytes: Vec<u8>| {
            change(call, M::decode(&*bytes).unwrap()).iter().map(Message::encode_to_vec).collect()
        };
        self.changed.push((method, Box::new(change)));
        self
    }
    /// An answer of the host's own: the exchange hears nothing of the call.
    pub fn instead<M: Message>(
        mut self,
        method: &'static str,
        answer: impl Fn(&Call) -> Option<M> + Send + Sync + 'static,
    ) -> Self {
        self.instead.push((method, Box::new(move |call| answer(call).map(|message| message.encode_to_vec()))));
        self
    }
    /// These lies and those.
    pub fn with(mut self, more: Self) -> Self {
        self.instead.extend(more.instead);
        self.changed.extend(more.changed);
        self
    }
    fn answer(&self, call: &Call) -> Option<Vec<u8>> {
        self.instead.iter().filter(|(method, _)| *method == call.method).find_map(|(_, answer)| answer(call))
    }
    fn change(&self, call: &Call, message: Vec<u8>) -> Vec<Vec<u8>> {
        let mut messages = vec![message];
        for (_, change) in self.changed.iter().filter(|(method, _)| *method == call.method) {
            messages = messages.into_iter().flat_map(|message| change(call, message)).collect();
        }
        messages
    }
}

/// The host, between the parties and the exchange of a world.
pub struct Host {
    world: Arc<World>,
    address: SocketAddr,
    told: Arc<Mutex<Arc<Lies>>>,
    upstream: Arc<Upstream>,
    issued: Mutex<BTreeMap<(String, Role), Arc<Issued>>>,
}

struct Upstream {
    world: Arc<World>,
    channels: tokio::sync::Mutex<BTreeMap<(String, Role), Channel>>,
}

impl Upstream {
    async fn channel(&self, of: &str, role: Role) -> Channel {
        let mut channels = self.channels.lock().await;
        if let Some(channel) = channels.get(&(of.to_owned(), role)) {
            return channel.clone();
        }
        let channel = self.world.channel(of, role).await;
        channels.insert((of.to_owned(), role), channel.clone());
        channel
    }
}

impl Host {
    pub async fn before(world: &Arc<World>) -> Self {
        let read = |path: &std::path::Path| std::fs::read(path).unwrap();
        let (chain, key) = (read(&world.config.tls.certificate), read(&world.config.tls.key));
        Self::shown_as(world, &chain, &key).await
    }
    /// The same with another certificate.
    pub async fn shown_as(world: &Arc<World>, chain: &[u8], key: &[u8]) -> Self {
        let anchors = PARTIES.iter().map(|(id, _)| PartyAnchors {
            id: party(id),
            trust_domain: domain_of(id).parse().unwrap(),
            authorities: vec![world.authorities[id].der().to_vec()],
            revoked: BTreeSet::new(),
        });
        let trust = Arc::new(TrustSet::build(1, anchors.collect()).unwrap());
        let tls = server::server_config(trust.clone(), pem::chain(chain).unwrap(), pem::private_key(key).unwrap());
        let tls = tokio_rustls::TlsAcceptor::from(tls.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Arc::new(Lies::default())));
        let upstream = Arc::new(Upstream { world: world.clone(), channels: Default::default() });
        let (truths, asked) = (told.clone(), upstream.clone());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).unwrap();
                let (tls, trust, told, upstream) = (tls.clone(), trust.clone(), truths.clone(), asked.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(tcp).await else { return };
                    let chain = stream.get_ref().1.peer_certificates().unwrap();
                    let caller = trust.verify(chain, UnixTime::now()).unwrap();
                    let serve = hyper::service::service_fn(move |request| {
                        let lies = told.lock().unwrap().clone();
                        let (upstream, caller) = (upstream.clone(), caller.clone());
                        async move {
                            let (of, role) = (caller.party.as_str(), caller.id.role);
                            Ok::<_, Infallible>(pass(request, of, role, &upstream, lies).await)
                        }
                    });
                    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // A client that hangs up is no fault of the host.
                    let _ = served.serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        Self { world: world.clone(), address, told, upstream, issued: Mutex::default() }
    }
    pub fn lies(&self, lies: Lies) {
        *self.told.lock().unwrap() = Arc::new(lies);
    }
    pub fn tells_the_truth(&self) {
        self.lies(Lies::default());
    }
    /// Forgets its connections to an exchange that was stopped.
    pub async fn dials_anew(&self) {
        self.upstream.channels.lock().await.clear();
    }
    pub fn connection(&self, of: &str, role: Role) -> Connection {
        let mut issued = self.issued.lock().unwrap();
        let issued = issued.entry((of.to_owned(), role)).or_insert_with(|| self.world.issue(of, role, "sample").into());
        let road = Road::new([self.address.to_string()], Proxies::default()).unwrap();
        Connection { road, server_name: EXCHANGE.into(), ..self.world.connection_with(issued) }
    }
    /// A new session, which has seen nothing but the charters.
    pub async fn session(&self, of: &str, role: Role) -> Result<Session, RemoteError> {
        let c = self.connection(of, role);
        Session::open_by(self.world.pinned.clone(), c.road, c.certificate_pem, c.key_pem, now()).await
    }
}

/// A call, asked of the exchange and answered with what the lies make of it.
async fn pass(
    request: Request<hyper::body::Incoming>,
    of: &str,
    role: Role,
    upstream: &Upstream,
    lies: Arc<Lies>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let sent = body.collect().await.unwrap().to_bytes();
    let method = parts.uri.path().rsplit('/').next().unwrap().to_owned();
    let asked = messages(&mut BytesMut::from(&*sent)).into_iter().next().unwrap_or_default();
    let call = Call { party: of.to_owned(), method, asked, number: CALLS.fetch_add(1, Ordering::Relaxed) };
    if let Some(answer) = lies.answer(&call) {
        let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = [Frame::data(framed(&answer)), Frame::trailers(status)].map(Ok::<_, tonic::Status>);
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        return Response::builder().header("content-type", "application/grpc").body(body).unwrap();
    }
    let mut channel = upstream.channel(of, role).await;
    let request = Request::from_parts(parts, Body::new(http_body_util::Full::new(sent)));
    let answer = channel.ready().await.unwrap().call(request).await;
    let answer = answer.unwrap_or_else(|e| tonic::Status::unavailable(format!("{e:?}")).into_http());
    let (parts, mut body) = answer.into_parts();
    let (tell, told) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut held = BytesMut::new();
        loop {
            let frame = tokio::select! {
                // Who hangs up is not watched for: the exchange counts its watchers.
                () = tell.closed() => return,
                frame = body.frame() => frame,
            };
            let Some(frame) = frame else { return };
            let frames = match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    held.extend_from_slice(&data);
                    let messages = messages(&mut held).into_iter().flat_map(|m| lies.change(&call, m));
                    messages.map(|m| Ok(Frame::data(framed(&m)))).collect()
                }
                Ok(Err(other)) => vec![Ok(other)],
                Err(status) => vec![Err(status)],
            };
            for frame in frames {
                if tell.send(frame).await.is_err() {
                    return;
                }
            }
        }
    });
    Response::from_parts(parts, Body::new(StreamBody::new(ReceiverStream::new(told))))
}

/// The whole messages at the beginning of these bytes, taken out of them.
fn messages(held: &mut BytesMut) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while held.len() >= 5 {
        let size = u32::from_be_bytes(held[1..5].try_into().unwrap()) as usize;
        if held.len() < 5 + size {
            break;
        }
        held.advance(5);
        messages.push(held.split_to(size).to_vec());
    }
    messages
}

fn framed(message: &[u8]) -> Bytes {
    let size = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &size[..], message].concat().into()
}
