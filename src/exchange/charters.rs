//! Reading charters.

use super::{
    Exchange,
    access::{GetCharter, ListCharters, Permit},
    filling::Filling,
};
use crate::domain::{
    charter::Charter,
    document::Document,
    refusal::Refusal,
    register::Charters,
    view::{CharterView, Page},
};

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
    /// Charters above the version `after`, oldest first.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn charters(
        &self,
        _: Permit<ListCharters>,
        after: u64,
        limit: usize,
    ) -> Result<Page<CharterView>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let mut page = Filling::new(limit);
        for charter in charters.versions().map(|(c, _)| c).filter(|c| c.version > after) {
            if page.is_full() {
                return Ok(page.more());
            }
            let row = view(&charters, charter);
            let bytes = row.charter.len() + row.adoptions.iter().map(String::len).sum::<usize>();
            page.push(charter.version, bytes, row);
        }
        Ok(page.end())
    }
}

fn view(charters: &Charters, charter: &Document<Charter>) -> CharterView {
    CharterView {
        charter: charter.bytes().to_vec(),
        adoptions: charters.adoptions_of(charter.digest()).map(|a| a.compact.clone()).collect(),
    }
}
