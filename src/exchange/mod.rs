//! The use cases: who may, load, decide, append. Knows neither tonic nor SQL.

pub mod access;
mod append;
mod charters;
mod communiques;
mod content;
mod events;
mod filling;
mod founding;
mod load;
mod parties;
pub mod ports;
mod publications;
mod remarks;
mod sight;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

pub use communiques::SCAN_LIMIT;
pub use content::{CHUNK_LIMIT, Download, HELD_LIMIT, Upload};
pub use events::Watching;
pub use filling::PAGE_BYTES;
pub use founding::found;
use load::Folds;
use ports::{Content, Machine, Store};
use tokio::sync::watch;

use crate::{
    domain::{charter::Charter, document::Document, key::Signer, refusal::Refusal, time::Time},
    observe::Metrics,
    pki::trust::PartyAnchors,
};

/// The exchange. Clone the [`Arc`] that holds it.
pub struct Exchange {
    store: Arc<dyn Store>,
    content: Arc<dyn Content>,
    machine: Arc<dyn Machine>,
    depositary: Arc<dyn Signer>,
    metrics: Arc<Metrics>,
    folds: Folds,
    building: tokio::sync::Mutex<()>,
    trust_changed: watch::Sender<u64>,
    /// Where the log goes on, as far as this process has appended: what wakes watchers. The log is what they read.
    grown: watch::Sender<u64>,
    recent: events::Recent,
    /// When the store last refused an append, in seconds since 1970; 0 once it took one.
    refused: AtomicI64,
}

/// How long the exchange is unready after the store refused an append and has taken none since, in seconds: long enough to
/// be seen, and not for ever, since only another request finds out that it is over.
const REFUSED_SECONDS: i64 = 60;

impl Exchange {
    /// Puts the exchange together. `depositary` signs certified copies, nothing else; `metrics` count what is
    /// appended.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        content: Arc<dyn Content>,
        machine: Arc<dyn Machine>,
        depositary: Arc<dyn Signer>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (trust_changed, _) = watch::channel(0);
        Self {
            store,
            content,
            machine,
            depositary,
            metrics,
            folds: Folds::default(),
            building: tokio::sync::Mutex::default(),
            trust_changed,
            grown: watch::channel(0).0,
            recent: events::Recent::default(),
            refused: AtomicI64::new(0),
        }
    }
    /// The charter in force.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if the log was never founded.
    pub async fn charter_in_force(&self) -> Result<Document<Charter>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        Ok(load::in_force(&charters)?.0.clone())
    }
    /// Whether it can serve now: the store answers and did not just refuse an append, and the clock is not behind the log.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::ClockSuspect`].
    pub async fn ready(&self) -> Result<(), Refusal> {
        let last = self.store.last().await?.map(|stored| stored.entry.time);
        let now = self.machine.now();
        if let Some(last) = last.filter(|last| now < *last) {
            return Err(Refusal::ClockSuspect { last, now });
        }
        let refused = self.refused.load(Ordering::Relaxed);
        if refused > 0 && now < Time::from_unix(refused).plus(REFUSED_SECONDS) {
            return Err(Refusal::StoreFailed);
        }
        Ok(())
    }
    /// Whom the handshake lets in: every party of the charter in force with its newest trust statement.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::Inconsistent`].
    pub async fn anchors(&self) -> Result<Vec<PartyAnchors>, Refusal> {
        let charters = self.folds.charters(&*self.store).await?;
        let (charter, _) = load::in_force(&charters)?;
        let mut anchors = Vec::new();
        for party in &charter.parties {
            let record = self.folds.party(&*self.store, &party.id).await?;
            if let Some(trust) = record.trusted() {
                anchors.push(PartyAnchors {
                    id: party.id.clone(),
                    trust_domain: party.trust_domain.clone(),
                    authorities: trust.body.certificates.iter().map(|c| c.as_bytes().to_vec()).collect(),
                    revoked: trust.body.revoked.iter().copied().collect(),
                });
            }
        }
        Ok(anchors)
    }
    /// Ticks whenever [`Exchange::anchors`] may answer otherwise.
    #[must_use]
    pub fn trust_changes(&self) -> watch::Receiver<u64> {
        self.trust_changed.subscribe()
    }
}

#[cfg(test)]
mod tests;
