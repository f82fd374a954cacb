//! The exchange, reached over mutual TLS: domain types in, domain types out. What it answers is not believed here; see
//! [`super::reading`].

use std::{io, sync::Arc, time::Duration};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::{
    domain::{
        id::{CommuniqueId, Digest, PartyId},
        refusal::Refusal,
        view::{
            ActView, CharterView, CommuniqueView, EventView, ListFilter, Page, PowersView, PublicationView, Receipt,
            RemarkView, RevisionView, Summary, TrustView, WatchItem,
        },
    },
    pki,
    wire::{
        CHUNK_LIMIT, RESPONSE_LIMIT, convert, names,
        status::Answer,
        v1::{
            self, charter_service_client::CharterServiceClient, communique_service_client::CommuniqueServiceClient,
            content_service_client::ContentServiceClient, event_service_client::EventServiceClient,
            powers_service_client::PowersServiceClient, publication_service_client::PublicationServiceClient,
        },
    },
};

/// The longest that a connection may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// The longest that a call without a transfer may take.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// The longest that a transfer may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest that a stream of events may be silent: a heartbeat is due every 30 s, unless the operator chose up to an hour.
const WATCH_SILENCE: Duration = Duration::from_secs(3900);
/// Rows asked for at a time.
const PAGE: i32 = 200;
/// Pages read at most: a list that never ends is cut.
const PAGES: usize = 5_000;

/// Where the exchange is, how it is known, and who calls.
#[derive(Clone)]
pub struct Connection {
    /// `host:port`.
    pub address: String,
    /// The exchange's name: the server's certificate must bear it.
    pub server_name: String,
    /// The charter's server CA, in DER.
    pub server_ca: Vec<u8>,
    /// The caller's certificate chain, in PEM.
    pub certificate_pem: Vec<u8>,
    /// Its key, in PEM.
    pub key_pem: Vec<u8>,
}

/// Why a call has no answer, or what the answer was.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RemoteError {
    #[error("{sentence}")]
    Refused { reason: String, sentence: String, request_id: Option<String> },
    #[error("the exchange cannot be reached: {0}; check the address, your certificate and the network, then try again")]
    Unreachable(String),
    #[error("it is not known whether the exchange stored this ({0}); run the same command again, which is safe")]
    OutcomeUnknown(String),
    #[error(transparent)]
    Local(#[from] Refusal),
    #[error(transparent)]
    Io(#[from] io::Error),
}

type Result<T> = std::result::Result<T, RemoteError>;

/// A call that only reads: whatever breaks it, nothing was stored.
fn reading(status: Status) -> RemoteError {
    let answer = Answer::from(&status);
    match answer.reason {
        Some(reason) => refused(reason, answer),
        None if answer.unreachable() || answer.outcome_unknown() => RemoteError::Unreachable(answer.sentence),
        None => refused("UNKNOWN", answer),
    }
}

/// A call that writes: what breaks it may have broken it after it was stored.
fn writing(status: Status) -> RemoteError {
    let answer = Answer::from(&status);
    if answer.unreachable() {
        RemoteError::Unreachable(answer.sentence)
    } else if answer.outcome_unknown() {
        RemoteError::OutcomeUnknown(answer.sentence)
    } else {
        refused(answer.reason.unwrap_or("UNKNOWN"), answer)
    }
}

fn refused(reason: &str, answer: Answer) -> RemoteError {
    RemoteError::Refused { reason: reason.into(), sentence: answer.sentence, request_id: answer.request_id }
}

fn lacks<T>(field: &str, value: Option<T>) -> Result<T> {
    Ok(convert::required(field, value)?)
}

/// A connection to the exchange. Cheap to clone; calls share it.
#[derive(Clone, Debug)]
pub struct Remote {
    channel: Channel,
}

/// Reads one byte ahead before the connection counts as made: TLS 1.3 lets a client finish before the server has judged its
/// certificate, and a refusal would otherwise show as a broken pipe much later.
async fn dial(address: String, name: ServerName<'static>, tls: Arc<ClientConfig>) -> io::Result<Ahead> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let mut stream = BufReader::new(TlsConnector::from(tls).connect(name, tcp).await?);
    if stream.fill_buf().await?.is_empty() {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the exchange closed the connection at once"));
    }
    Ok(stream)
}

type Ahead = BufReader<TlsStream<TcpStream>>;

impl Remote {
    /// Connects.
    ///
    /// # Errors
    /// [`RemoteError::Unreachable`] with the TLS alert if the certificate is refused; [`RemoteError::Local`] for a
    /// certificate or name that cannot be used.
    pub async fn connect(c: &Connection) -> Result<Self> {
        let chain = pki::pem::chain(&c.certificate_pem)?;
        let key = pki::pem::private_key(&c.key_pem)?;
        let tls = pki::client::client_config(&c.server_ca, chain, key)?;
        let name = pki::client::server_name(&c.server_name)?;
        let address = c.address.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let (address, name, tls) = (address.clone(), name.clone(), tls.clone());
            async move { dial(address, name, tls).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_shared(format!("http://{}", c.server_name))
            .map_err(|e| Refusal::malformed("exchange name", e.to_string()))?
            .connect_timeout(CONNECT_DEADLINE)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true);
        let connected = timeout(CONNECT_DEADLINE, endpoint.connect_with_connector(connector)).await;
        match connected {
            Ok(Ok(channel)) => Ok(Self { channel }),
            Ok(Err(e)) => Err(RemoteError::Unreachable(Answer::unconnected(&e).sentence)),
            Err(_) => Err(RemoteError::Unreachable(format!("no answer within {} s", CONNECT_DEADLINE.as_secs()))),
        }
    }

    fn charters(&self) -> CharterServiceClient<Channel> {
        CharterServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn powers_service(&self) -> PowersServiceClient<Channel> {
        PowersServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn service(&self) -> CommuniqueServiceClient<Channel> {
        CommuniqueServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn content(&self) -> ContentServiceClient<Channel> {
        ContentServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn happenings(&self) -> EventServiceClient<Channel> {
        EventServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn publishing(&self) -> PublicationServiceClient<Channel> {
        PublicationServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }

    /// The charter of this version, or the one in force.
    ///
    /// # Errors
    /// Any [`RemoteError`], here and below.
    pub async fn charter(&self, version: Option<u64>) -> Result<CharterView> {
        let request = call(v1::GetCharterRequest { name: names::charter(version) });
        let response = self.charters().get_charter(request).await.map_err(reading)?.into_inner();
        Ok(lacks("charter", response.charter)?.try_into()?)
    }
    /// Hands in a trust statement.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub async fn submit_trust(&self, compact: &str) -> Result<Receipt> {
        let request = call(v1::SubmitTrustRequest { statement: compact.into() });
        let response = self.charters().submit_trust(request).await.map_err(writing)?.into_inner();
        Ok(TrustView::try_from(lacks("trust", response.trust)?)?.receipt)
    }
    /// Every party's trust statement in force.
    #[allow(clippy::missing_errors_doc)]
    pub async fn trusts(&self) -> Result<Vec<TrustView>> {
        pages(async |page_token| {
            let request = call(v1::ListTrustRequest { page_size: PAGE, page_token });
            let response = self.charters().list_trust(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.trust, response.next_page_token)?)
        })
        .await
    }
    /// Hands in full powers.
    #[allow(clippy::missing_errors_doc)]
    pub async fn submit_powers(&self, compact: &str) -> Result<Receipt> {
        let request = call(v1::SubmitPowersRequest { statement: compact.into() });
        let response = self.powers_service().submit_powers(request).await.map_err(writing)?.into_inner();
        Ok(PowersView::try_from(lacks("powers", response.powers)?)?.receipt)
    }
    /// Full powers of one party or of all, in log order.
    #[allow(clippy::missing_errors_doc)]
    pub async fn powers_list(&self, party: Option<&PartyId>) -> Result<Vec<PowersView>> {
        let party = party.map(names::party).unwrap_or_default();
        pages(async |page_token| {
            let request = call(v1::ListPowersRequest { party: party.clone(), page_size: PAGE, page_token });
            let response = self.powers_service().list_powers(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.powers, response.next_page_token)?)
        })
        .await
    }
    /// Full powers by digest.
    #[allow(clippy::missing_errors_doc)]
    pub async fn powers(&self, digest: Digest) -> Result<PowersView> {
        let request = call(v1::GetPowersRequest { digest: digest.to_string() });
        let response = self.powers_service().get_powers(request).await.map_err(reading)?.into_inner();
        Ok(lacks("powers", response.powers)?.try_into()?)
    }
    /// Proposes a revision.
    #[allow(clippy::missing_errors_doc)]
    pub async fn propose(&self, manifest: &[u8], act: &str) -> Result<Receipt> {
        let request = call(v1::ProposeRevisionRequest { manifest: manifest.to_vec(), propose: act.into() });
        let response = self.service().propose_revision(request).await.map_err(writing)?.into_inner();
        Ok(RevisionView::try_from(lacks("revision", response.revision)?)?.receipt)
    }
    /// Hands in any other act.
    #[allow(clippy::missing_errors_doc)]
    pub async fn act(&self, act: &str) -> Result<Receipt> {
        let request = call(v1::SubmitActRequest { statement: act.into() });
        let response = self.service().submit_act(request).await.map_err(writing)?.into_inner();
        Ok(lacks("receipt", response.receipt)?.try_into()?)
    }
    /// A communiqué as it stands.
    #[allow(clippy::missing_errors_doc)]
    pub async fn communique(&self, id: CommuniqueId) -> Result<CommuniqueView> {
        let request = call(v1::GetCommuniqueRequest { name: names::communique(id) });
        let response = self.service().get_communique(request).await.map_err(reading)?.into_inner();
        Ok(lacks("communique", response.communique)?.try_into()?)
    }
    /// The communiqués that name the caller's party, as far as the filter wants them.
    #[allow(clippy::missing_errors_doc)]
    pub async fn communiques(&self, filter: &ListFilter) -> Result<Vec<Summary>> {
        pages(async |page_token| {
            let request = call(convert::list_request(filter, PAGE, page_token));
            let response = self.service().list_communiques(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.communiques, response.next_page_token)?)
        })
        .await
    }
    /// One revision.
    #[allow(clippy::missing_errors_doc)]
    pub async fn revision(&self, id: CommuniqueId, number: u64) -> Result<RevisionView> {
        let request = call(v1::GetRevisionRequest { name: names::revision(id, number) });
        let response = self.service().get_revision(request).await.map_err(reading)?.into_inner();
        Ok(lacks("revision", response.revision)?.try_into()?)
    }
    /// Every revision, oldest first.
    #[allow(clippy::missing_errors_doc)]
    pub async fn revisions(&self, id: CommuniqueId) -> Result<Vec<RevisionView>> {
        pages(async |page_token| {
            let request = call(v1::ListRevisionsRequest { parent: names::communique(id), page_size: PAGE, page_token });
            let response = self.service().list_revisions(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.revisions, response.next_page_token)?)
        })
        .await
    }
    /// Every act on every revision, in log order.
    #[allow(clippy::missing_errors_doc)]
    pub async fn acts(&self, id: CommuniqueId) -> Result<Vec<ActView>> {
        pages(async |page_token| {
            let request = call(v1::ListActsRequest { parent: names::communique(id), page_size: PAGE, page_token });
            let response = self.service().list_acts(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.acts, response.next_page_token)?)
        })
        .await
    }
    /// Adds a remark.
    #[allow(clippy::missing_errors_doc)]
    pub async fn add_remark(&self, remark: &[u8]) -> Result<Receipt> {
        let request = call(v1::AddRemarkRequest { document: remark.to_vec() });
        let response = self.service().add_remark(request).await.map_err(writing)?.into_inner();
        Ok(lacks("receipt", response.receipt)?.try_into()?)
    }
    /// The remarks that the caller may read, of one revision or of all, in log order.
    #[allow(clippy::missing_errors_doc)]
    pub async fn remarks(&self, id: CommuniqueId, revision: Option<u64>) -> Result<Vec<RemarkView>> {
        let (parent, revision) = (names::communique(id), revision.unwrap_or(0));
        pages(async |page_token| {
            let request =
                call(v1::ListRemarksRequest { parent: parent.clone(), page_size: PAGE, page_token, revision });
            let response = self.service().list_remarks(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.remarks, response.next_page_token)?)
        })
        .await
    }
    /// The entries of a communiqué, in log order.
    #[allow(clippy::missing_errors_doc)]
    pub async fn events(&self, id: CommuniqueId) -> Result<Vec<EventView>> {
        pages(async |page_token| {
            let request = call(v1::ListEventsRequest { parent: names::communique(id), page_size: PAGE, page_token });
            let response = self.happenings().list_events(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.events, response.next_page_token)?)
        })
        .await
    }
    /// Watches from an index on (from now on, without one), everything or one communiqué.
    #[allow(clippy::missing_errors_doc)]
    pub async fn watch(&self, from_index: Option<u64>, of: Option<CommuniqueId>) -> Result<Watched> {
        let communique = of.map(names::communique).unwrap_or_default();
        let request = v1::WatchRequest { from_index, communique };
        let begun = timeout(SILENCE, self.happenings().watch(request)).await;
        let begun = begun.map_err(|_| RemoteError::Unreachable(format!("silent for {} s", SILENCE.as_secs())))?;
        Ok(Watched(begun.map_err(reading)?.into_inner()))
    }
    /// Publishes a complete communiqué.
    #[allow(clippy::missing_errors_doc)]
    pub async fn publish(&self, id: CommuniqueId) -> Result<PublicationView> {
        let request = call(v1::PublishCommuniqueRequest { name: names::communique(id) });
        let response = self.service().publish_communique(request).await.map_err(writing)?.into_inner();
        Ok(lacks("publication", response.publication)?.try_into()?)
    }
    /// A published communiqué.
    #[allow(clippy::missing_errors_doc)]
    pub async fn publication(&self, id: CommuniqueId) -> Result<PublicationView> {
        let request = call(v1::GetPublicationRequest { communique: names::communique(id) });
        let response = self.publishing().get_publication(request).await.map_err(reading)?.into_inner();
        Ok(lacks("publication", response.publication)?.try_into()?)
    }
    /// Everything that is published.
    #[allow(clippy::missing_errors_doc)]
    pub async fn publications(&self) -> Result<Vec<PublicationView>> {
        pages(async |page_token| {
            let request = call(v1::ListPublicationsRequest { page_size: PAGE, page_token });
            let response = self.publishing().list_publications(request).await.map_err(reading)?.into_inner();
            Ok(convert::page(response.publications, response.next_page_token)?)
        })
        .await
    }

    /// Uploads content in pieces; `progress` hears how many bytes were handed on so far.
    #[allow(clippy::missing_errors_doc)]
    pub async fn upload(
        &self,
        id: CommuniqueId,
        digest: Digest,
        size: u64,
        mut source: impl AsyncRead + Unpin + Send + 'static,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<()> {
        let (pieces, stream) = mpsc::channel(4);
        let header = v1::UploadHeader { communique: names::communique(id), sha256: digest.to_string(), size };
        let part = |part| v1::UploadContentRequest { part: Some(part) };
        let reader = tokio::spawn(async move {
            if pieces.send(part(v1::upload_content_request::Part::Header(header))).await.is_err() {
                return Ok(());
            }
            let mut sent = 0;
            loop {
                let mut piece = Vec::with_capacity(CHUNK_LIMIT);
                (&mut source).take(CHUNK_LIMIT as u64).read_to_end(&mut piece).await?;
                if piece.is_empty() {
                    return Ok::<_, io::Error>(());
                }
                sent += piece.len() as u64;
                // The exchange has answered already: its answer says why.
                if pieces.send(part(v1::upload_content_request::Part::Chunk(piece))).await.is_err() {
                    return Ok(());
                }
                progress(sent);
            }
        });
        let answered = self.content().upload_content(ReceiverStream::new(stream)).await;
        reader.abort();
        if let Ok(read) = reader.await {
            read?;
        }
        let (stored, _) = convert::uploaded(&answered.map_err(writing)?.into_inner())?;
        if stored != digest {
            return Err(Refusal::WrongDigest { expected: digest, actual: stored }.into());
        }
        Ok(())
    }

    /// Downloads content and checks its digest. Answers its size.
    #[allow(clippy::missing_errors_doc)]
    pub async fn download(
        &self,
        id: CommuniqueId,
        digest: Digest,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64> {
        let request =
            v1::DownloadContentRequest { communique: names::communique(id), sha256: digest.to_string(), offset: 0 };
        let stream = self.content().download_content(request).await.map_err(reading)?.into_inner();
        let (actual, size) = receive(stream, |m| m.chunk, sink, progress).await?;
        if actual != digest {
            return Err(Refusal::WrongDigest { expected: digest, actual }.into());
        }
        Ok(size)
    }

    /// Downloads a package and checks that it is the one that the publication announces.
    #[allow(clippy::missing_errors_doc)]
    pub async fn download_package(
        &self,
        id: CommuniqueId,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Digest, u64)> {
        let (expected, _) = self.publication(id).await?.package;
        let request = v1::DownloadPackageRequest { communique: names::communique(id), offset: 0 };
        let stream = self.publishing().download_package(request).await.map_err(reading)?.into_inner();
        let (actual, size) = receive(stream, |m| m.chunk, sink, progress).await?;
        if actual != expected {
            return Err(Refusal::WrongDigest { expected, actual }.into());
        }
        Ok((actual, size))
    }
}

/// A stream of events.
pub struct Watched(Streaming<v1::WatchResponse>);

impl Watched {
    /// The next event or heartbeat.
    ///
    /// # Errors
    /// Any [`RemoteError`]: why the stream ended. It never ends well.
    pub async fn next(&mut self) -> Result<WatchItem> {
        let message = timeout(WATCH_SILENCE, self.0.message()).await;
        let message = message
            .map_err(|_| RemoteError::Unreachable(format!("no heartbeat within {} s", WATCH_SILENCE.as_secs())))?;
        let message = message.map_err(reading)?;
        let message = message.ok_or_else(|| RemoteError::Unreachable("the exchange ended the stream".into()))?;
        Ok(message.try_into()?)
    }
}

/// A call with the deadline that every call without a transfer has.
fn call<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_DEADLINE);
    request
}

/// Reads a list to its end.
async fn pages<T>(mut page: impl AsyncFnMut(String) -> Result<Page<T>>) -> Result<Vec<T>> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let next = page(token).await?;
        rows.extend(next.rows);
        if next.next.is_empty() {
            return Ok(rows);
        }
        token = next.next;
    }
    Err(Refusal::TooLarge { what: "the number of pages of a list".into(), limit: PAGES as u64 }.into())
}

async fn receive<M>(
    mut stream: Streaming<M>,
    chunk: impl Fn(M) -> Vec<u8>,
    sink: &mut (dyn AsyncWrite + Unpin + Send),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Digest, u64)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        let message = timeout(SILENCE, stream.message()).await;
        let message = message.map_err(|_| RemoteError::Unreachable(format!("silent for {} s", SILENCE.as_secs())))?;
        let Some(message) = message.map_err(reading)? else { break };
        let piece = convert::chunk(chunk(message))?;
        hash.update(&piece);
        sink.write_all(&piece).await?;
        size += piece.len() as u64;
        progress(size);
    }
    sink.flush().await?;
    Ok((Digest::from_bytes(hash.finalize().into()), size))
}
