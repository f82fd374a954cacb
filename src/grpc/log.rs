//! The service of the log's heads and proofs.

use tonic::{Request, Response, Status};

use super::call::Desk;
use crate::{
    domain::refusal::Refusal,
    exchange::access::{GetCheckpoint, GetConsistencyProof, GetInclusionProof, ListDigests, SubmitCosignature},
    msg,
    wire::v1::{self, log_service_server::LogService},
};

/// Longest cosignature, in bytes: a line of one large signature in base64, with its key's name.
const COSIGNATURE_LIMIT: usize = 16 << 10;

#[tonic::async_trait]
impl LogService for Desk {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        self.call::<GetCheckpoint, _, _, _>(request, |permit, _| async move {
            let newest = self.exchange.checkpoint(permit).await?;
            let cosigned_checkpoint = newest.cosigned.map(|head| head.to_string()).unwrap_or_default();
            Ok(v1::GetCheckpointResponse { checkpoint: newest.head.to_string(), cosigned_checkpoint })
        })
        .await
    }
    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        self.call::<GetInclusionProof, _, _, _>(request, |permit, m| async move {
            let proof = self.exchange.inclusion(permit, m.index).await?;
            Ok(v1::GetInclusionProofResponse { proof: proof.to_string() })
        })
        .await
    }
    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        self.call::<GetConsistencyProof, _, _, _>(request, |permit, m| async move {
            let new = Some(m.new_size).filter(|size| *size > 0);
            let continued = self.exchange.consistency(permit, m.old_size, new).await?;
            let hashes = continued.proof.iter().map(|hash| hash.as_bytes().to_vec()).collect();
            Ok(v1::GetConsistencyProofResponse { checkpoint: continued.head.to_string(), hashes })
        })
        .await
    }
    async fn list_digests(
        &self,
        request: Request<v1::ListDigestsRequest>,
    ) -> Result<Response<v1::ListDigestsResponse>, Status> {
        self.call::<ListDigests, _, _, _>(request, |permit, m| async move {
            let digests = self.exchange.digests(permit, m.start).await?;
            Ok(v1::ListDigestsResponse { digests: digests.iter().flat_map(|digest| *digest.as_bytes()).collect() })
        })
        .await
    }
    async fn submit_cosignature(
        &self,
        request: Request<v1::SubmitCosignatureRequest>,
    ) -> Result<Response<v1::SubmitCosignatureResponse>, Status> {
        self.call::<SubmitCosignature, _, _, _>(request, |permit, m| async move {
            if m.cosignature.len() > COSIGNATURE_LIMIT {
                let limit = COSIGNATURE_LIMIT as u64;
                return Err(Refusal::TooLarge { what: msg!("cosignature, in bytes,"), limit });
            }
            self.exchange.submit_cosignature(permit, m.size, &m.cosignature).await?;
            Ok(v1::SubmitCosignatureResponse {})
        })
        .await
    }
}
