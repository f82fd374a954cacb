//! What the exchange answers of its log: signed heads, proofs, digests. Believed only as far as it verifies.

use super::remote::{Remote, RemoteError, Result, call, reading};
use crate::{
    domain::{message::Message, refusal::Refusal},
    log::{
        note::NOTE_LIMIT,
        proof::PROOF_LIMIT,
        tree::{CONSISTENCY_LIMIT, Hash},
    },
    msg,
    wire::v1,
};

/// Most digests that are taken at once: as many as an exchange lists.
pub const DIGESTS_LIMIT: usize = 32_768;

/// Who can be asked for proofs that one head continues another.
pub trait Proofs {
    /// The hashes that show that the head of `new` leaves continues the one of `old`.
    fn joining(&self, old: u64, new: u64) -> impl Future<Output = Result<Vec<Hash>>> + Send;
}

impl Proofs for Remote {
    async fn joining(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        let request = call(v1::GetConsistencyProofRequest { old_size: old, new_size: new });
        let answer = self.log_service().get_consistency_proof(request).await.map_err(reading)?.into_inner();
        if answer.hashes.len() > CONSISTENCY_LIMIT {
            return Err(too_large(msg!("hashes of a consistency proof"), CONSISTENCY_LIMIT));
        }
        answer.hashes.iter().map(|hash| one(hash)).collect()
    }
}

impl Remote {
    /// The newest signed head, as text.
    ///
    /// # Errors
    /// Any [`RemoteError`], here and below.
    pub async fn checkpoint(&self) -> Result<String> {
        let request = call(v1::GetCheckpointRequest {});
        let note = self.log_service().get_checkpoint(request).await.map_err(reading)?.into_inner().checkpoint;
        if note.len() > NOTE_LIMIT { Err(too_large(msg!("a checkpoint, in bytes,"), NOTE_LIMIT)) } else { Ok(note) }
    }
    /// The proof that the log has an entry at this index, as text.
    #[allow(clippy::missing_errors_doc)]
    pub async fn inclusion(&self, index: u64) -> Result<String> {
        let request = call(v1::GetInclusionProofRequest { index });
        let proof = self.log_service().get_inclusion_proof(request).await.map_err(reading)?.into_inner().proof;
        if proof.len() > PROOF_LIMIT { Err(too_large(msg!("a proof, in bytes,"), PROOF_LIMIT)) } else { Ok(proof) }
    }
    /// The digests of the log's entries from this index on, in a row, each of 32 bytes: at most [`DIGESTS_LIMIT`] of them.
    #[allow(clippy::missing_errors_doc)]
    pub async fn digests(&self, start: u64) -> Result<Vec<u8>> {
        let request = call(v1::ListDigestsRequest { start });
        let digests = self.log_service().list_digests(request).await.map_err(reading)?.into_inner().digests;
        if digests.len() > 32 * DIGESTS_LIMIT {
            return Err(too_large(msg!("digests of entries"), DIGESTS_LIMIT));
        }
        if digests.len() % 32 == 0 {
            Ok(digests)
        } else {
            Err(Refusal::malformed("digests", msg!("are not of 32 bytes each")).into())
        }
    }
}

fn one(hash: &[u8]) -> Result<Hash> {
    let bytes = hash.try_into().map_err(|_| Refusal::malformed("hashes", msg!("are not of 32 bytes each")))?;
    Ok(Hash::from_bytes(bytes))
}

fn too_large(what: Message, limit: usize) -> RemoteError {
    Refusal::TooLarge { what, limit: limit as u64 }.into()
}
