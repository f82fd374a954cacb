//! The exchange over the network, in domain types. Nothing that comes back is believed here: `reading` checks it.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::domain::{
    id::{CommuniqueId, Digest, PartyId},
    life::State,
    refusal::Refusal,
    view::{
        ActView, CharterView, CommuniqueView, PowersView, PublicationView, Receipt, RevisionView, Summary, TrustView,
    },
};

/// Where the exchange is, by which CA it is known, and as whom to call.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `host:port`.
    pub address: String,
    /// The exchange's name, which its certificate must bear.
    pub server_name: String,
    /// The CA that its certificate must chain to, in DER: the charter's.
    pub server_ca: Vec<u8>,
    /// The caller's certificate, with intermediates, in PEM.
    pub certificate_pem: Vec<u8>,
    /// Its key, in PEM.
    pub key_pem: Vec<u8>,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The exchange said no.
    #[error("{sentence}")]
    Refused {
        /// The refusal's name.
        reason: String,
        /// The refusal in words.
        sentence: String,
        /// What the exchange's log calls the request.
        request_id: Option<String>,
    },
    /// It could not be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Whether it was stored is not known.
    #[error("{0}")]
    OutcomeUnknown(String),
    /// What was to be sent, or what came, does not hold.
    #[error(transparent)]
    Local(#[from] Refusal),
    /// A file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A connection.
#[derive(Debug)]
pub struct Remote;

fn absent<T>() -> Result<T, RemoteError> {
    Err(RemoteError::Unreachable("this build has no network side".into()))
}

#[allow(missing_docs, clippy::missing_errors_doc, clippy::unused_async)]
impl Remote {
    pub async fn connect(_: &Connection) -> Result<Self, RemoteError> {
        absent()
    }
    pub async fn charter(&self, _version: Option<u64>) -> Result<CharterView, RemoteError> {
        absent()
    }
    pub async fn submit_trust(&self, _compact: &str) -> Result<Receipt, RemoteError> {
        absent()
    }
    pub async fn trusts(&self) -> Result<Vec<TrustView>, RemoteError> {
        absent()
    }
    pub async fn submit_powers(&self, _compact: &str) -> Result<Receipt, RemoteError> {
        absent()
    }
    pub async fn powers_list(&self, _party: Option<&PartyId>) -> Result<Vec<PowersView>, RemoteError> {
        absent()
    }
    pub async fn powers(&self, _digest: Digest) -> Result<PowersView, RemoteError> {
        absent()
    }
    pub async fn propose(&self, _manifest: &[u8], _act: &str) -> Result<Receipt, RemoteError> {
        absent()
    }
    pub async fn act(&self, _act: &str) -> Result<Receipt, RemoteError> {
        absent()
    }
    pub async fn communique(&self, _id: CommuniqueId) -> Result<CommuniqueView, RemoteError> {
        absent()
    }
    pub async fn communiques(&self, _state: Option<State>) -> Result<Vec<Summary>, RemoteError> {
        absent()
    }
    pub async fn revision(&self, _id: CommuniqueId, _number: u64) -> Result<RevisionView, RemoteError> {
        absent()
    }
    pub async fn revisions(&self, _id: CommuniqueId) -> Result<Vec<RevisionView>, RemoteError> {
        absent()
    }
    pub async fn acts(&self, _id: CommuniqueId) -> Result<Vec<ActView>, RemoteError> {
        absent()
    }
    pub async fn publish(&self, _id: CommuniqueId) -> Result<PublicationView, RemoteError> {
        absent()
    }
    pub async fn publication(&self, _id: CommuniqueId) -> Result<PublicationView, RemoteError> {
        absent()
    }
    pub async fn publications(&self) -> Result<Vec<PublicationView>, RemoteError> {
        absent()
    }
    pub async fn upload(
        &self,
        _id: CommuniqueId,
        _digest: Digest,
        _size: u64,
        _source: impl AsyncRead + Unpin + Send + 'static,
        _progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<(), RemoteError> {
        absent()
    }
    pub async fn download(
        &self,
        _id: CommuniqueId,
        _digest: Digest,
        _sink: &mut (dyn AsyncWrite + Unpin + Send),
        _progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64, RemoteError> {
        absent()
    }
    pub async fn download_package(
        &self,
        _id: CommuniqueId,
        _sink: &mut (dyn AsyncWrite + Unpin + Send),
        _progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Digest, u64), RemoteError> {
        absent()
    }
}
