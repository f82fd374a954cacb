//! The exchange, reached over mutual TLS: domain types in, domain types out. What it answers is not believed here; see
//! [`super::reading`].

use std::{error::Error, io, time::Duration};

use prost::Message as _;
use tokio::time::timeout;
use tonic::Status;

use super::{
    line::Line,
    receipts::Contradiction,
    road::{Dialler, Road},
};
use crate::{
    domain::{
        id::{CommuniqueId, Digest, PartyId},
        message::{Fact, Message, Tell},
        refusal::Refusal,
        time::Time,
        view::{
            ActView, Attested, CharterView, CommuniqueView, EventView, ListFilter, Page, PowersView, PublicationView,
            Receipt, RemarkView, RevisionView, Summary, WatchItem,
        },
    },
    msg, pki,
    wire::{
        RESPONSE_LIMIT, TIME_HEADER, convert, names,
        status::Answer,
        v1::{
            self, charter_service_client::CharterServiceClient, communique_service_client::CommuniqueServiceClient,
            content_service_client::ContentServiceClient, event_service_client::EventServiceClient,
            log_service_client::LogServiceClient, powers_service_client::PowersServiceClient,
            publication_service_client::PublicationServiceClient,
        },
    },
};

/// The longest that a call without a transfer may take.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// The longest that a stream of events may be silent: a heartbeat is due every 30 s, unless the operator chose up to an hour.
const WATCH_SILENCE: Duration = Duration::from_secs(3900);
/// Rows asked for at a time.
const PAGE: i32 = 200;
/// Pages read at most: a list that never ends is cut.
const PAGES: usize = 5_000;
/// Largest list that is held in memory, in bytes as its pages came.
pub const LIST_LIMIT: usize = 1 << 30;

/// Where the exchange is, how it is known, and who calls.
#[derive(Clone)]
pub struct Connection {
    /// Where it is, and how it is got at.
    pub road: Road,
    /// The exchange's name: the server's certificate must bear it.
    pub server_name: String,
    /// The server CA of every charter known, in DER.
    pub server_cas: Vec<Vec<u8>>,
    /// The caller's certificate chain, in PEM.
    pub certificate_pem: Vec<u8>,
    /// Its key, in PEM.
    pub key_pem: Vec<u8>,
}

impl Connection {
    /// The first address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.road.addresses().first().map(String::as_str).unwrap_or_default()
    }
}

/// Why a call has no answer, or what the answer was.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum RemoteError {
    Refused { reason: String, sentence: String, request_id: Option<String> },
    Unreachable(Message),
    OutcomeUnknown(Message),
    Local(#[from] Refusal),
    Io(#[from] io::Error),
    Contradicted(#[from] Box<Contradiction>),
    NotKept(io::Error),
}

impl Tell for RemoteError {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Refused { sentence, .. } => return sentence.tell(),
            Self::Unreachable(why) => msg!(
                "the exchange cannot be reached: {why}; check the address, your certificate and the network, then try again",
                why
            ),
            Self::OutcomeUnknown(why) => msg!(
                "it is not known whether the exchange stored this ({why}); run the same command again, which is safe",
                why
            ),
            Self::Local(refusal) => return refusal.tell(),
            Self::Io(error) => return error.tell(),
            Self::Contradicted(contradiction) => return contradiction.tell(),
            Self::NotKept(error) => msg!(
                "the exchange took this and proved it, but the receipt cannot be kept ({error}); make room for it and run the same command again, which is safe",
                error
            ),
        };
        message.into()
    }
}

pub(super) type Result<T> = std::result::Result<T, RemoteError>;

/// A call that only reads: whatever breaks it, nothing was stored.
pub(super) fn reading(status: Status) -> RemoteError {
    let answer = Answer::from(&status);
    match answer.reason {
        Some(reason) => refused(reason, answer),
        None if answer.unreachable() || answer.outcome_unknown() => RemoteError::Unreachable(why(&status, &answer)),
        None => refused("UNKNOWN", answer),
    }
}

/// A call that writes: what breaks it may have broken it after it was stored.
pub(super) fn writing(status: Status) -> RemoteError {
    let answer = Answer::from(&status);
    if answer.unreachable() {
        RemoteError::Unreachable(why(&status, &answer))
    } else if answer.outcome_unknown() {
        RemoteError::OutcomeUnknown(why(&status, &answer))
    } else {
        refused(answer.reason.unwrap_or("UNKNOWN"), answer)
    }
}

/// Why a call was broken: in words of ours where there are some.
fn why(status: &Status, answer: &Answer) -> Message {
    status.source().and_then(in_words).unwrap_or_else(|| Message::words(answer.sentence.as_str()))
}

/// What is said of the fault of the network that is among the causes of an error, if it is one that there are words for.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> Option<Message> {
    let fault = std::iter::successors(Some(error), |&e| e.source()).find_map(<dyn Error>::downcast_ref::<io::Error>)?;
    match fault.tell() {
        Fact::Message(message) => Some(message),
        _ => None,
    }
}

fn refused(reason: &str, answer: Answer) -> RemoteError {
    RemoteError::Refused { reason: reason.into(), sentence: answer.sentence, request_id: answer.request_id }
}

pub(super) fn lacks<T>(field: &str, value: Option<T>) -> Result<T> {
    Ok(convert::required(field, value)?)
}

/// A connection to the exchange. Cheap to clone; calls share it.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) channel: Line,
}

fn dialler(c: &Connection) -> Result<Dialler> {
    let chain = pki::pem::chain(&c.certificate_pem)?;
    let key = pki::pem::private_key(&c.key_pem)?;
    let tls = pki::client::client_config(&c.server_cas, chain, key)?;
    let name = pki::client::server_name(&c.server_name)?;
    Ok(Dialler::new(c.road.clone(), name, tls))
}

impl Remote {
    /// Connects.
    ///
    /// # Errors
    /// [`RemoteError::Unreachable`] with the TLS alert if the certificate is refused; [`RemoteError::Local`] for a
    /// certificate or name that cannot be used.
    pub async fn connect(c: &Connection) -> Result<Self> {
        Ok(Self { channel: Line::connect(dialler(c)?, &c.server_name).await? })
    }

    /// Connects to one of the addresses and hangs up: what certificate the exchange shows there, in DER. It was verified.
    ///
    /// # Errors
    /// As [`Remote::connect`].
    pub async fn knock(c: &Connection, address: &str) -> Result<Vec<u8>> {
        let stream = dialler(c)?.reach(address).await.map_err(|e| RemoteError::Unreachable(e.message()))?;
        let shown = stream.get_ref().get_ref().1.peer_certificates().and_then(|chain| chain.first());
        lacks("server certificate", shown.map(|leaf| leaf.to_vec()))
    }

    fn charter_service(&self) -> CharterServiceClient<Line> {
        CharterServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn powers_service(&self) -> PowersServiceClient<Line> {
        PowersServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn service(&self) -> CommuniqueServiceClient<Line> {
        CommuniqueServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    pub(super) fn content(&self) -> ContentServiceClient<Line> {
        ContentServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    fn happenings(&self) -> EventServiceClient<Line> {
        EventServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    pub(super) fn log_service(&self) -> LogServiceClient<Line> {
        LogServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }
    pub(super) fn publishing(&self) -> PublicationServiceClient<Line> {
        PublicationServiceClient::new(self.channel.clone()).max_decoding_message_size(RESPONSE_LIMIT)
    }

    /// The charter of this version, or the one in force.
    ///
    /// # Errors
    /// Any [`RemoteError`], here and below.
    pub async fn charter(&self, version: Option<u64>) -> Result<CharterView> {
        let request = call(v1::GetCharterRequest { name: names::charter(version) });
        let response = self.charter_service().get_charter(request).await.map_err(reading)?.into_inner();
        Ok(lacks("charter", response.charter)?.try_into()?)
    }
    /// Every charter that was put forward, with its adoptions.
    #[allow(clippy::missing_errors_doc)]
    pub async fn charters(&self) -> Result<Vec<CharterView>> {
        pages(|page_token| async move {
            let request = call(v1::ListChartersRequest { page_size: PAGE, page_token });
            let response = self.charter_service().list_charters(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.charters, response.next_page_token)?))
        })
        .await
    }
    /// Puts forward a charter, with an adoption of it.
    #[allow(clippy::missing_errors_doc)]
    pub async fn propose_charter(&self, document: &[u8], adoption: &str) -> Result<Receipt> {
        let request = call(v1::ProposeCharterRequest { document: document.into(), adoption: adoption.into() });
        let response = self.charter_service().propose_charter(request).await.map_err(writing)?.into_inner();
        Ok(lacks("receipt", response.receipt)?.try_into()?)
    }
    /// Hands in an adoption.
    #[allow(clippy::missing_errors_doc)]
    pub async fn submit_adoption(&self, compact: &str) -> Result<Receipt> {
        let request = call(v1::SubmitAdoptionRequest { statement: compact.into() });
        let response = self.charter_service().submit_adoption(request).await.map_err(writing)?.into_inner();
        Ok(Attested::try_from(lacks("adoption", response.adoption)?)?.receipt)
    }
    /// Hands in the end of a grant.
    #[allow(clippy::missing_errors_doc)]
    pub async fn submit_revocation(&self, compact: &str) -> Result<Receipt> {
        let request = call(v1::SubmitRevocationRequest { statement: compact.into() });
        let response = self.powers_service().submit_revocation(request).await.map_err(writing)?.into_inner();
        Ok(Attested::try_from(lacks("revocation", response.revocation)?)?.receipt)
    }
    /// The exchange's clock, as its answer to a call says.
    ///
    /// # Errors
    /// As every call; [`RemoteError::Local`] if an answer does not say.
    pub async fn clock(&self) -> Result<Time> {
        let request = call(v1::GetCharterRequest { name: names::charter(None) });
        let answer = self.charter_service().get_charter(request).await.map_err(reading)?;
        let said = answer.metadata().get(TIME_HEADER).and_then(|value| value.to_str().ok());
        Ok(Time::parse(lacks(TIME_HEADER, said)?)?)
    }
    /// Hands in a trust statement.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub async fn submit_trust(&self, compact: &str) -> Result<Receipt> {
        let request = call(v1::SubmitTrustRequest { statement: compact.into() });
        let response = self.charter_service().submit_trust(request).await.map_err(writing)?.into_inner();
        Ok(Attested::try_from(lacks("trust", response.trust)?)?.receipt)
    }
    /// Every party's trust statement in force.
    #[allow(clippy::missing_errors_doc)]
    pub async fn trusts(&self) -> Result<Vec<Attested>> {
        pages(|page_token| async move {
            let request = call(v1::ListTrustRequest { page_size: PAGE, page_token });
            let response = self.charter_service().list_trust(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.trust, response.next_page_token)?))
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
        let party = &party.map(names::party).unwrap_or_default();
        pages(|page_token| async move {
            let request = call(v1::ListPowersRequest { party: party.clone(), page_size: PAGE, page_token });
            let response = self.powers_service().list_powers(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.powers, response.next_page_token)?))
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
        pages(|page_token| async move {
            let request = call(convert::list_request(filter, PAGE, page_token));
            let response = self.service().list_communiques(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.communiques, response.next_page_token)?))
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
        pages(|page_token| async move {
            let request = call(v1::ListRevisionsRequest { parent: names::communique(id), page_size: PAGE, page_token });
            let response = self.service().list_revisions(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.revisions, response.next_page_token)?))
        })
        .await
    }
    /// Every act on every revision, in log order.
    #[allow(clippy::missing_errors_doc)]
    pub async fn acts(&self, id: CommuniqueId) -> Result<Vec<ActView>> {
        pages(|page_token| async move {
            let request = call(v1::ListActsRequest { parent: names::communique(id), page_size: PAGE, page_token });
            let response = self.service().list_acts(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.acts, response.next_page_token)?))
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
        let (parent, revision) = (&names::communique(id), revision.unwrap_or(0));
        pages(|page_token| async move {
            let request =
                call(v1::ListRemarksRequest { parent: parent.clone(), page_size: PAGE, page_token, revision });
            let response = self.service().list_remarks(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.remarks, response.next_page_token)?))
        })
        .await
    }
    /// The entries of a communiqué, in log order.
    #[allow(clippy::missing_errors_doc)]
    pub async fn events(&self, id: CommuniqueId) -> Result<Vec<EventView>> {
        pages(|page_token| async move {
            let request = call(v1::ListEventsRequest { parent: names::communique(id), page_size: PAGE, page_token });
            let response = self.happenings().list_events(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.events, response.next_page_token)?))
        })
        .await
    }
    /// Watches from an index on (from now on, without one), everything or one communiqué.
    #[allow(clippy::missing_errors_doc)]
    pub async fn watch(&self, from_index: Option<u64>, of: Option<CommuniqueId>) -> Result<Watched> {
        let communique = of.map(names::communique).unwrap_or_default();
        let request = v1::WatchRequest { from_index, communique };
        let begun = timeout(CALL_DEADLINE, self.happenings().watch(request)).await;
        let begun = begun.map_err(|_| RemoteError::Unreachable(silent(CALL_DEADLINE)))?;
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
        pages(|page_token| async move {
            let request = call(v1::ListPublicationsRequest { page_size: PAGE, page_token });
            let response = self.publishing().list_publications(request).await.map_err(reading)?.into_inner();
            Ok((response.encoded_len(), convert::page(response.publications, response.next_page_token)?))
        })
        .await
    }
}

/// A stream of events.
pub struct Watched(tonic::Streaming<v1::WatchResponse>);

impl Watched {
    /// The next event or heartbeat.
    ///
    /// # Errors
    /// Any [`RemoteError`]: why the stream ended. It never ends well.
    pub async fn next(&mut self) -> Result<WatchItem> {
        let message = timeout(WATCH_SILENCE, self.0.message()).await;
        let message = message.map_err(|_| {
            RemoteError::Unreachable(msg!("no heartbeat within {seconds} s", seconds = WATCH_SILENCE.as_secs()))
        })?;
        let message = message.map_err(reading)?;
        let message = message.ok_or_else(|| RemoteError::Unreachable(msg!("the exchange ended the stream")))?;
        Ok(message.try_into()?)
    }
}

/// That nothing came for so long.
pub(super) fn silent(within: Duration) -> Message {
    msg!("silent for {seconds} s", seconds = within.as_secs())
}

/// A call with the deadline that every call without a transfer has.
pub(super) fn call<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_DEADLINE);
    request
}

/// Reads a list to its end: pages, each with how many bytes it came in.
async fn pages<T, F>(mut page: impl FnMut(String) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<(usize, Page<T>)>>,
{
    let (mut rows, mut token, mut bytes) = (Vec::new(), String::new(), 0);
    for _ in 0..PAGES {
        let (size, next) = page(token).await?;
        bytes += size;
        if bytes > LIST_LIMIT {
            return Err(Refusal::TooLarge { what: msg!("a list in bytes"), limit: LIST_LIMIT as u64 }.into());
        }
        rows.extend(next.rows);
        if next.next.is_empty() {
            return Ok(rows);
        }
        token = next.next;
    }
    Err(Refusal::TooLarge { what: msg!("the number of pages of a list"), limit: PAGES as u64 }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_ends_by_its_bytes_and_by_its_pages() {
        for (size, asked) in [(LIST_LIMIT / 2, 3), (0, PAGES)] {
            let mut pages_asked = 0;
            let read = pages(|_| {
                pages_asked += 1;
                std::future::ready(Ok((size, Page { rows: vec![()], next: "more".into() })))
            });
            assert!(matches!(read.await, Err(RemoteError::Local(Refusal::TooLarge { .. }))));
            assert_eq!(pages_asked, asked);
        }
    }
}
