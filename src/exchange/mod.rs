//! The use cases: who may, load, decide, append. Knows neither tonic nor SQL.

pub mod access;
mod append;
mod charters;
mod communiques;
mod content;
mod due;
mod events;
mod filling;
mod founding;
pub mod fsck;
mod heads;
mod load;
pub mod migration;
mod packages;
mod parties;
pub mod ports;
mod publications;
mod remarks;
mod scrub;
mod sight;
mod stamps;
mod tiles;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

pub use communiques::SCAN_LIMIT;
pub use content::{CHUNK_LIMIT, Download, HELD_LIMIT, Upload};
pub use events::Watching;
pub use filling::PAGE_BYTES;
pub use founding::found;
pub use heads::{Continued, Newest};
use load::Folds;
use ports::{Content, Machine, Store};
pub use stamps::ToStamp;
use tokio::sync::watch;

use crate::{
    domain::{
        charter::Charter,
        key::{PublicKey, Signer},
        message::Message,
        refusal::Refusal,
        succession::Standing,
        time::Time,
    },
    msg,
    observe::Metrics,
    pki::trust::PartyAnchors,
};

/// The exchange. Clone the [`Arc`] that holds it.
pub struct Exchange {
    store: Arc<dyn Store>,
    content: Arc<dyn Content>,
    machine: Arc<dyn Machine>,
    /// The service's own: those that the charter in force names, and those of the next.
    keys: Vec<Arc<dyn Signer>>,
    metrics: Arc<Metrics>,
    folds: Folds,
    heads: heads::Heads,
    building: tokio::sync::Mutex<()>,
    trust_changed: watch::Sender<u64>,
    due: due::Due,
    stamps: stamps::Stamps,
    /// Where the log goes on, as far as this process has appended: what wakes watchers. The log is what they read.
    grown: watch::Sender<u64>,
    recent: events::Recent,
    own: events::Own,
    /// When the store last failed to take an append, in seconds since 1970; 0 once it took one.
    refused: AtomicI64,
}

/// How long the exchange is unready after a store failed to write and has written nothing since, in seconds: long enough to
/// be seen, and not for ever, since only another request finds out that it is over.
const REFUSED_SECONDS: i64 = 60;

impl Exchange {
    /// Puts the exchange together. Of `keys`, the one that the charter names as depositary signs certified copies; `metrics`
    /// count what is appended.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        content: Arc<dyn Content>,
        machine: Arc<dyn Machine>,
        keys: Vec<Arc<dyn Signer>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (trust_changed, _) = watch::channel(0);
        Self {
            store,
            content,
            machine,
            keys,
            metrics,
            folds: Folds::default(),
            heads: heads::Heads::default(),
            building: tokio::sync::Mutex::default(),
            trust_changed,
            due: due::Due::default(),
            stamps: stamps::Stamps::default(),
            grown: watch::channel(0).0,
            recent: events::Recent::default(),
            own: events::Own::default(),
            refused: AtomicI64::new(0),
        }
    }
    /// What its clock shows: the clock that entries get their times from.
    #[must_use]
    pub fn now(&self) -> Time {
        self.machine.now()
    }
    /// The charter in force.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] if the log was never founded.
    pub async fn charter_in_force(&self) -> Result<Arc<Standing>, Refusal> {
        self.standing(self.machine.now()).await
    }
    /// That its clock can be believed.
    fn believed(&self) -> Result<(), Refusal> {
        match self.machine.suspect() {
            Some(last) => Err(Refusal::ClockSuspect { last, now: self.machine.now() }),
            None => Ok(()),
        }
    }
    /// The log's last time, if it has one.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`].
    pub async fn last_time(&self) -> Result<Option<Time>, Refusal> {
        Ok(self.store.last().await?.map(|stored| stored.entry.time))
    }
    async fn standing(&self, now: Time) -> Result<Arc<Standing>, Refusal> {
        load::in_force(&*self.folds.charters(&*self.store).await?, now)
    }
    /// The service's key of this public half.
    fn key(&self, role: Message, public: &PublicKey) -> Result<&Arc<dyn Signer>, Refusal> {
        let missing = || Refusal::KeyMissing { role, key: public.thumbprint() };
        self.keys.iter().find(|k| k.public() == *public).ok_or_else(missing)
    }
    /// Whether it holds the keys that a charter gives it.
    fn serves(&self, charter: &Charter) -> Result<(), Refusal> {
        self.key(msg!("key" => "log"), &charter.log.key)?;
        self.key(msg!("key" => "depositary"), &charter.depositary).map(drop)
    }
    /// Whether it can serve now: it holds its keys, the store answers and did not just fail to write, the log continues what was
    /// signed of it, and the clock is not behind it and can be believed.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::ClockSuspect`], [`Refusal::KeyMissing`], [`Refusal::LogInDoubt`].
    pub async fn ready(&self) -> Result<(), Refusal> {
        self.undoubted()?;
        self.serves(self.charter_in_force().await?.charter())?;
        let last = self.last_time().await?;
        self.believed()?;
        let now = self.machine.now();
        if let Some(last) = last.filter(|last| now < *last) {
            return Err(Refusal::ClockSuspect { last, now });
        }
        let refused = self.refused.load(Ordering::Relaxed);
        let content = self.content.failed().is_some_and(|ago| ago.as_secs() < REFUSED_SECONDS.unsigned_abs());
        if content || refused > 0 && now < Time::from_unix(refused).plus(REFUSED_SECONDS) {
            return Err(Refusal::StoreFailed);
        }
        Ok(())
    }
    /// Whom the handshake lets in: every party of the charter in force with its newest trust statement.
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`], [`Refusal::Inconsistent`].
    pub async fn anchors(&self) -> Result<Vec<PartyAnchors>, Refusal> {
        let standing = self.charter_in_force().await?;
        let mut anchors = Vec::new();
        for party in standing.parties() {
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
pub(crate) mod tests;
