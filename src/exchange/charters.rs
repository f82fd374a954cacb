//! Reading charters.

use super::{
    Exchange,
    access::{GetCharter, ListCharters, Permit},
};
use crate::domain::{charter::Charter, document::Document, refusal::Refusal, register::Charters, view::CharterView};

impl Exchange {
    /// The charter of this version, or the one in force.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn charter(&self, _: Permit<GetCharter>, version: Option<u64>) -> Result<CharterView, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let found = match version {
            None => charters.in_force(),
            Some(version) => charters.versions().map(|(c, _)| c).find(|c| c.version == version),
        };
        found.map(|c| view(&charters, c)).ok_or_else(|| Refusal::not_found("charter", version.unwrap_or(0)))
    }
    /// Every charter, oldest first.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn charters(&self, _: Permit<ListCharters>) -> Result<Vec<CharterView>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        Ok(charters.versions().map(|(c, _)| view(&charters, c)).collect())
    }
}

fn view(charters: &Charters, charter: &Document<Charter>) -> CharterView {
    CharterView {
        charter: charter.bytes().to_vec(),
        adoptions: charters.adoptions_of(charter.digest()).map(|a| a.compact.clone()).collect(),
    }
}
