//! The services: each method reads its request, does one use case, writes its answer.

use std::{cell::Cell, pin::Pin};

use tokio::time::timeout_at;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::call::{Desk, current_request};
use crate::{
    domain::{
        id::Digest,
        refusal::Refusal,
        statement::Unverified,
        trust::Trust,
        view::{ActView, Attested, CharterView, PowersView, PublicationView, RevisionView, Summary},
    },
    exchange::{
        Download,
        access::{
            AddRemark, DownloadContent, DownloadPackage, GetCharter, GetCommunique, GetPowers, GetPublication,
            GetRevision, GetUpload, ListActs, ListCharters, ListCommuniques, ListPowers, ListPublications, ListRemarks,
            ListRevisions, ListTrust, ProposeCharter, ProposeRevision, PublishCommunique, SubmitAct, SubmitAdoption,
            SubmitPowers, SubmitRevocation, SubmitTrust, UploadContent,
        },
    },
    msg,
    wire::{
        convert, names, page,
        v1::{
            self, charter_service_server::CharterService, communique_service_server::CommuniqueService,
            content_service_server::ContentService, powers_service_server::PowersService,
            publication_service_server::PublicationService,
        },
    },
};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl CharterService for Desk {
    async fn get_charter(&self, request: Request<v1::GetCharterRequest>) -> Answer<v1::GetCharterResponse> {
        self.call::<GetCharter, _, _, _>(request, |permit, m| async move {
            let version = names::parse_charter("name", &m.name)?;
            let charter = self.exchange.charter(permit, version).await?;
            Ok(v1::GetCharterResponse { charter: Some(charter.into()) })
        })
        .await
    }
    async fn list_charters(&self, request: Request<v1::ListChartersRequest>) -> Answer<v1::ListChartersResponse> {
        self.call::<ListCharters, _, _, _>(request, |permit, m| async move {
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after(&m.page_token)?;
            let found = self.exchange.charters(permit, after, limit).await?;
            let (charters, next_page_token) = page::fill(found, |c: &CharterView| c.receipt.index.to_string());
            Ok(v1::ListChartersResponse { charters, next_page_token })
        })
        .await
    }
    async fn propose_charter(&self, request: Request<v1::ProposeCharterRequest>) -> Answer<v1::ProposeCharterResponse> {
        self.call::<ProposeCharter, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.propose_charter(permit, m.document, &m.adoption).await?;
            Ok(v1::ProposeCharterResponse { receipt: Some(receipt.into()) })
        })
        .await
    }
    async fn submit_adoption(&self, request: Request<v1::SubmitAdoptionRequest>) -> Answer<v1::SubmitAdoptionResponse> {
        self.call::<SubmitAdoption, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.submit_adoption(permit, &m.statement).await?;
            let adoption = Attested { statement: m.statement, receipt };
            Ok(v1::SubmitAdoptionResponse { adoption: Some(adoption.into()) })
        })
        .await
    }
    async fn submit_trust(&self, request: Request<v1::SubmitTrustRequest>) -> Answer<v1::SubmitTrustResponse> {
        self.call::<SubmitTrust, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.submit_trust(permit, &m.statement).await?;
            let trust = Attested { statement: m.statement, receipt };
            Ok(v1::SubmitTrustResponse { trust: Some(trust.into()) })
        })
        .await
    }
    async fn list_trust(&self, request: Request<v1::ListTrustRequest>) -> Answer<v1::ListTrustResponse> {
        self.call::<ListTrust, _, _, _>(request, |permit, m| async move {
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after(&m.page_token)?;
            let found = self.exchange.trusts(permit, after.as_ref(), limit).await?;
            let (trust, next_page_token) = page::fill(found, |t: &Attested| {
                Unverified::<Trust>::parse(&t.statement).map(|s| s.claims().party.to_string()).unwrap_or_default()
            });
            Ok(v1::ListTrustResponse { trust, next_page_token })
        })
        .await
    }
}

#[tonic::async_trait]
impl PowersService for Desk {
    async fn submit_powers(&self, request: Request<v1::SubmitPowersRequest>) -> Answer<v1::SubmitPowersResponse> {
        self.call::<SubmitPowers, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.submit_powers(permit, &m.statement).await?;
            let powers = PowersView { statement: m.statement, receipt, revocation: None };
            Ok(v1::SubmitPowersResponse { powers: Some(powers.into()) })
        })
        .await
    }
    async fn submit_revocation(
        &self,
        request: Request<v1::SubmitRevocationRequest>,
    ) -> Answer<v1::SubmitRevocationResponse> {
        self.call::<SubmitRevocation, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.submit_revocation(permit, &m.statement).await?;
            let revocation = Attested { statement: m.statement, receipt };
            Ok(v1::SubmitRevocationResponse { revocation: Some(revocation.into()) })
        })
        .await
    }
    async fn list_powers(&self, request: Request<v1::ListPowersRequest>) -> Answer<v1::ListPowersResponse> {
        self.call::<ListPowers, _, _, _>(request, |permit, m| async move {
            let party = match m.party.as_str() {
                "" => None,
                name => Some(names::parse_party("party", name)?),
            };
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after(&m.page_token)?;
            let found = self.exchange.powers_list(permit, party.as_ref(), after, limit).await?;
            let (powers, next_page_token) = page::fill(found, |p: &PowersView| p.receipt.index.to_string());
            Ok(v1::ListPowersResponse { powers, next_page_token })
        })
        .await
    }
    async fn get_powers(&self, request: Request<v1::GetPowersRequest>) -> Answer<v1::GetPowersResponse> {
        self.call::<GetPowers, _, _, _>(request, |permit, m| async move {
            let digest = convert::digest("digest", &m.digest)?;
            let powers = self.exchange.powers(permit, digest).await?;
            Ok(v1::GetPowersResponse { powers: Some(powers.into()) })
        })
        .await
    }
}

#[tonic::async_trait]
impl CommuniqueService for Desk {
    async fn propose_revision(
        &self,
        request: Request<v1::ProposeRevisionRequest>,
    ) -> Answer<v1::ProposeRevisionResponse> {
        self.call::<ProposeRevision, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.propose(permit, m.manifest.clone(), &m.propose).await?;
            let revision = RevisionView { manifest: m.manifest, propose: m.propose, receipt };
            Ok(v1::ProposeRevisionResponse { revision: Some(revision.into()) })
        })
        .await
    }
    async fn submit_act(&self, request: Request<v1::SubmitActRequest>) -> Answer<v1::SubmitActResponse> {
        self.call::<SubmitAct, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.act(permit, &m.statement).await?;
            Ok(v1::SubmitActResponse { receipt: Some(receipt.into()) })
        })
        .await
    }
    async fn get_communique(&self, request: Request<v1::GetCommuniqueRequest>) -> Answer<v1::GetCommuniqueResponse> {
        self.call::<GetCommunique, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("name", &m.name)?;
            let communique = self.exchange.communique(permit, id).await?;
            Ok(v1::GetCommuniqueResponse { communique: Some(communique.into()) })
        })
        .await
    }
    async fn list_communiques(
        &self,
        request: Request<v1::ListCommuniquesRequest>,
    ) -> Answer<v1::ListCommuniquesResponse> {
        self.call::<ListCommuniques, _, _, _>(request, |permit, m| async move {
            let (filter, mark) = convert::list_filter(&m)?;
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after_marked(&m.page_token, &mark)?;
            let mut found = self.exchange.communiques(permit, &filter, after, limit).await?;
            found.next = page::marked(&found.next, &mark);
            let key = |s: &Summary| page::marked(&s.communique.to_string(), &mark);
            let (communiques, next_page_token) = page::fill(found, key);
            Ok(v1::ListCommuniquesResponse { communiques, next_page_token })
        })
        .await
    }
    async fn get_revision(&self, request: Request<v1::GetRevisionRequest>) -> Answer<v1::GetRevisionResponse> {
        self.call::<GetRevision, _, _, _>(request, |permit, m| async move {
            let (id, number) = names::parse_revision("name", &m.name)?;
            let revision = self.exchange.revision(permit, id, number).await?;
            Ok(v1::GetRevisionResponse { revision: Some(revision.into()) })
        })
        .await
    }
    async fn list_revisions(&self, request: Request<v1::ListRevisionsRequest>) -> Answer<v1::ListRevisionsResponse> {
        self.call::<ListRevisions, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("parent", &m.parent)?;
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after(&m.page_token)?.unwrap_or(0);
            let found = self.exchange.revisions(permit, id, after, limit).await?;
            let ordinal = Counter::from(after);
            let (revisions, next_page_token) = page::fill(found, |_: &RevisionView| ordinal.next());
            Ok(v1::ListRevisionsResponse { revisions, next_page_token })
        })
        .await
    }
    async fn list_acts(&self, request: Request<v1::ListActsRequest>) -> Answer<v1::ListActsResponse> {
        self.call::<ListActs, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("parent", &m.parent)?;
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after(&m.page_token)?.unwrap_or(0);
            let start = usize::try_from(after).unwrap_or(usize::MAX);
            let found = self.exchange.acts(permit, id, start, limit).await?;
            let ordinal = Counter::from(after);
            let (acts, next_page_token) = page::fill(found, |_: &ActView| ordinal.next());
            Ok(v1::ListActsResponse { acts, next_page_token })
        })
        .await
    }
    async fn publish_communique(
        &self,
        request: Request<v1::PublishCommuniqueRequest>,
    ) -> Answer<v1::PublishCommuniqueResponse> {
        self.transfer::<PublishCommunique, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("name", &m.name)?;
            let publication = self.exchange.publish(permit, id).await?;
            Ok(v1::PublishCommuniqueResponse { publication: Some(publication.into()) })
        })
        .await
    }
    async fn add_remark(&self, request: Request<v1::AddRemarkRequest>) -> Answer<v1::AddRemarkResponse> {
        self.call::<AddRemark, _, _, _>(request, |permit, m| async move {
            let receipt = self.exchange.remark(permit, m.document).await?;
            Ok(v1::AddRemarkResponse { receipt: Some(receipt.into()) })
        })
        .await
    }
    async fn list_remarks(&self, request: Request<v1::ListRemarksRequest>) -> Answer<v1::ListRemarksResponse> {
        self.call::<ListRemarks, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("parent", &m.parent)?;
            let limit = page::size(m.page_size, self.limits.pages)?;
            let mark = page::mark(&[&m.revision.to_string()]);
            let after = page::after_marked(&m.page_token, &mark)?.unwrap_or(0);
            let revision = Some(m.revision).filter(|n| *n > 0);
            let found = self.exchange.remarks(permit, id, revision, after, limit).await?;
            let (remarks, next_page_token) = page::fill_placed(found, &mark);
            Ok(v1::ListRemarksResponse { remarks, next_page_token })
        })
        .await
    }
}

type Pieces<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ContentService for Desk {
    async fn upload_content(
        &self,
        request: Request<Streaming<v1::UploadContentRequest>>,
    ) -> Answer<v1::UploadContentResponse> {
        use v1::upload_content_request::Part::{Chunk, Header};
        self.transfer::<UploadContent, _, _, _>(request, |permit, mut stream| async move {
            let _turn = self.upload_turn(permit.party())?;
            let Some(Header(header)) = next(&mut stream).await? else {
                return Err(Refusal::malformed("header", msg!("must come first")));
            };
            let (communique, sha256, size, offset) = convert::upload_header(&header)?;
            let mut upload = self.exchange.upload(permit, communique, sha256, size, offset).await?;
            loop {
                // What breaks off here, or at the deadline, is kept; what is wrong is not.
                let Some(part) = next(&mut stream).await? else { break };
                let taken = match part {
                    Chunk(chunk) => match convert::chunk(chunk) {
                        Ok(chunk) => upload.push(chunk).await,
                        Err(refusal) => Err(refusal),
                    },
                    Header(_) => Err(Refusal::malformed("header", msg!("must come once"))),
                };
                if let Err(refusal) = taken {
                    upload.forget().await;
                    return Err(refusal);
                }
            }
            upload.finish().await?;
            self.content_stored(size);
            Ok(v1::UploadContentResponse { sha256: sha256.to_string(), size })
        })
        .await
    }
    async fn get_upload(&self, request: Request<v1::GetUploadRequest>) -> Answer<v1::GetUploadResponse> {
        self.call::<GetUpload, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("communique", &m.communique)?;
            let digest: Digest = convert::digest("sha256", &m.sha256)?;
            let (held, complete) = self.exchange.uploaded(permit, id, digest).await?;
            Ok(v1::GetUploadResponse { held, complete })
        })
        .await
    }

    type DownloadContentStream = Pieces<v1::DownloadContentResponse>;
    async fn download_content(
        &self,
        request: Request<v1::DownloadContentRequest>,
    ) -> Answer<Self::DownloadContentStream> {
        self.call::<DownloadContent, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("communique", &m.communique)?;
            let digest: Digest = convert::digest("sha256", &m.sha256)?;
            let download = self.exchange.download(permit, id, digest).await?;
            self.pieces(download, m.offset, |chunk| v1::DownloadContentResponse { chunk })
        })
        .await
    }
}

#[tonic::async_trait]
impl PublicationService for Desk {
    async fn get_publication(&self, request: Request<v1::GetPublicationRequest>) -> Answer<v1::GetPublicationResponse> {
        self.transfer::<GetPublication, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("communique", &m.communique)?;
            let publication = self.exchange.publication(permit, id).await?;
            Ok(v1::GetPublicationResponse { publication: Some(publication.into()) })
        })
        .await
    }
    async fn list_publications(
        &self,
        request: Request<v1::ListPublicationsRequest>,
    ) -> Answer<v1::ListPublicationsResponse> {
        self.call::<ListPublications, _, _, _>(request, |permit, m| async move {
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after(&m.page_token)?;
            let found = self.exchange.publications(permit, after, limit).await?;
            let (publications, next_page_token) = page::fill(found, |p: &PublicationView| p.communique.to_string());
            Ok(v1::ListPublicationsResponse { publications, next_page_token })
        })
        .await
    }

    type DownloadPackageStream = Pieces<v1::DownloadPackageResponse>;
    async fn download_package(
        &self,
        request: Request<v1::DownloadPackageRequest>,
    ) -> Answer<Self::DownloadPackageStream> {
        self.transfer::<DownloadPackage, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("communique", &m.communique)?;
            let download = self.exchange.package(permit, id).await?;
            self.pieces(download, m.offset, |chunk| v1::DownloadPackageResponse { chunk })
        })
        .await
    }
}

impl Desk {
    /// The bytes from this offset on, piece by piece, until the transfer's deadline.
    fn pieces<T: Send + 'static>(
        &self,
        download: Download,
        offset: u64,
        message: fn(Vec<u8>) -> T,
    ) -> Result<Pieces<T>, Refusal> {
        if offset > download.size() {
            return Err(Refusal::malformed("offset", msg!("is beyond the end, {size}", size = download.size())));
        }
        let (limit, asked) = (self.limits.transfer, current_request());
        let deadline = tokio::time::Instant::now() + limit;
        let pieces = futures_util::stream::try_unfold((download, offset), move |(download, offset)| {
            let asked = asked.clone();
            async move {
                let piece = timeout_at(deadline, download.piece(offset)).await;
                let piece = piece.unwrap_or(Err(Refusal::DeadlineExceeded { seconds: limit.as_secs() }));
                let piece = piece.map_err(|refusal| asked.refused(&refusal))?;
                if piece.is_empty() {
                    return Ok(None);
                }
                let offset = offset + piece.len() as u64;
                Ok(Some((message(piece), (download, offset))))
            }
        });
        Ok(Box::pin(pieces))
    }
}

/// The next part of an upload. A stream that breaks is the caller's to go on with.
async fn next(
    stream: &mut Streaming<v1::UploadContentRequest>,
) -> Result<Option<v1::upload_content_request::Part>, Refusal> {
    let message = stream
        .message()
        .await
        .map_err(|e| Refusal::malformed("upload", msg!("broke off: {message}", message = e.message())))?;
    message.map(|m| convert::required("part", m.part)).transpose()
}

/// The place of a list's rows, where it is their key.
struct Counter(Cell<u64>);

impl Counter {
    fn from(after: u64) -> Self {
        Self(Cell::new(after))
    }
    fn next(&self) -> String {
        self.0.set(self.0.get() + 1);
        self.0.get().to_string()
    }
}
