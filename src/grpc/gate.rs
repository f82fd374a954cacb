//! The door's keeper: the trust set and TLS configuration of the moment, and every connection that it let in.
//!
//! A swap takes effect on new connections at once, and cuts the open ones that would no longer be let in. Chains are
//! verified off the lock, some 0.1 ms each; only registers are kept under it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    domain::{id::PartyId, refusal::Refusal, time::Time},
    observe::{Metrics, OpenConnection},
    pki::{
        server::server_config,
        trust::{Caller, IdentityFault, TrustSet},
    },
};

/// How often a connection is judged again because the trust set changed meanwhile, before it is let go.
const ADMISSION_TRIES: usize = 8;

/// What new connections are judged by: one value, so that trust and TLS never disagree.
#[derive(Debug)]
pub struct Snapshot {
    trust: Arc<TrustSet>,
    tls: Arc<ServerConfig>,
}

impl Snapshot {
    /// Joins a trust set with the exchange's own certificate chain and key.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if the key is not the certificate's.
    pub fn new(
        trust: Arc<TrustSet>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Refusal> {
        let tls = server_config(trust.clone(), chain, key)?;
        Ok(Self { trust, tls })
    }
    /// The trust set.
    #[must_use]
    pub fn trust(&self) -> &Arc<TrustSet> {
        &self.trust
    }
    pub(super) fn tls(&self) -> &Arc<ServerConfig> {
        &self.tls
    }
    /// The moment by the clock that handshakes are judged by. Without a clock it is 1970, when nothing is valid yet.
    fn now(&self) -> UnixTime {
        self.tls.time_provider.current_time().unwrap_or(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub connections: usize,
    pub per_party: usize,
}

/// Why a caller whose handshake went well is sent away.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAdmitted {
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    #[error("as many connections as may be are open")]
    Full,
    #[error("party {0} has as many connections open as it may")]
    PartyFull(PartyId),
    #[error("the trust set changed faster than a certificate can be judged")]
    Unsettled,
}

/// A trust set that is older than the one in force was offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("trust epoch {offered} is older than {current}, which is in force")]
pub struct StaleEpoch {
    /// The epoch offered.
    pub offered: u64,
    /// The epoch in force.
    pub current: u64,
}

#[derive(Debug)]
struct Open {
    caller: Caller,
    chain: Arc<[CertificateDer<'static>]>,
    valid_until: Time,
    cancel: CancellationToken,
}

#[derive(Debug, Default)]
struct Register {
    next: u64,
    open: HashMap<u64, Open>,
    per_party: HashMap<PartyId, usize>,
}

/// The door's keeper. One per exchange, shared by all its listeners.
#[derive(Debug)]
pub struct Gate {
    current: ArcSwap<Snapshot>,
    register: Mutex<Register>,
    /// Held through a whole swap, so that two never interleave.
    swapping: Mutex<()>,
    metrics: Arc<Metrics>,
}

impl Gate {
    /// A door judged by this snapshot, with nobody inside. What happens at it is counted in `metrics`.
    #[must_use]
    pub fn new(snapshot: Snapshot, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::from_pointee(snapshot),
            register: Mutex::default(),
            swapping: Mutex::default(),
            metrics,
        })
    }

    /// What new connections are judged by now.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
    /// Where what happens at the door is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }
    /// How many connections a party has open.
    #[must_use]
    pub fn open_of(&self, party: &PartyId) -> usize {
        lock(&self.register).per_party.get(party).copied().unwrap_or(0)
    }

    /// Puts another snapshot in force: a new trust set, a new server certificate, or both. New connections meet it at
    /// once; open ones that it would not let in are cut. Gives how many were cut.
    ///
    /// Verifies the chains of the parties that changed, some 0.1 ms each, on the caller's thread: with thousands of
    /// connections, call it where blocking is allowed.
    ///
    /// # Errors
    /// [`StaleEpoch`] if its trust set is older than the one in force; nothing changes then.
    pub fn swap(&self, next: Snapshot) -> Result<usize, StaleEpoch> {
        let _one_at_a_time = lock(&self.swapping);
        let next = Arc::new(next);
        let epoch = next.trust.epoch();
        let now = next.now();
        let suspects: Vec<_> = {
            // Under the lock: who registers before is among the suspects, who registers after sees the new snapshot.
            let register = lock(&self.register);
            let previous = self.current.load_full();
            if epoch < previous.trust.epoch() {
                return Err(StaleEpoch { offered: epoch, current: previous.trust.epoch() });
            }
            self.current.store(next.clone());
            let changed = |open: &&Open| !previous.trust.agrees_on(&next.trust, &open.caller.id.trust_domain);
            // The comparison is of whole authority sets: ask it once per party.
            let mut known = HashMap::new();
            register
                .open
                .iter()
                .filter(|(_, open)| *known.entry(&open.caller.party).or_insert_with(|| changed(open)))
                .map(|(id, open)| (*id, open.chain.clone()))
                .collect()
        };
        let verdicts: Vec<_> = suspects.into_iter().map(|(id, chain)| (id, next.trust.examine(&chain, now))).collect();

        let mut cut = 0;
        let mut register = lock(&self.register);
        for (id, verdict) in verdicts {
            let Some(open) = register.open.get_mut(&id) else { continue };
            match verdict {
                // A trust domain that changed hands: the connection speaks for the former party.
                Ok(verified) if verified.caller == open.caller => open.valid_until = verified.valid_until,
                Ok(_) => cut += self.cut(open, "its trust domain is another party's now"),
                Err(fault) => cut += self.cut(open, &fault.to_string()),
            }
        }
        drop(register);
        info!(epoch, cut, "trust and certificate swapped");
        Ok(cut)
    }

    /// Cuts the connections of which a certificate has expired. [`super::listener::incoming`] calls it by itself.
    pub fn sweep(&self) -> usize {
        let now = Time::from_unix(i64::try_from(self.current().now().as_secs()).unwrap_or(i64::MAX));
        lock(&self.register)
            .open
            .values()
            .filter(|open| open.valid_until < now)
            .map(|open| self.cut(open, "a certificate of its chain has expired"))
            .sum()
    }

    /// Cuts every open connection: the end of a drain. Gives how many were cut.
    pub fn cut_all(&self) -> usize {
        lock(&self.register).open.values().map(|open| self.cut(open, "the exchange is going down")).sum()
    }

    /// Cancels one connection; 1 if it was not cancelled before.
    fn cut(&self, open: &Open, why: &str) -> usize {
        if open.cancel.is_cancelled() {
            return 0;
        }
        open.cancel.cancel();
        self.metrics.connection_cut();
        debug!(party = %open.caller.party, caller = %open.caller.id, why = %why.escape_debug(), "connection cut");
        1
    }

    /// Registers a connection whose handshake was judged by `snapshot`, or by whatever is in force by now.
    pub(super) fn admit(
        self: &Arc<Self>,
        mut snapshot: Arc<Snapshot>,
        chain: Arc<[CertificateDer<'static>]>,
        caps: Caps,
    ) -> Result<Admission, NotAdmitted> {
        for _ in 0..ADMISSION_TRIES {
            let verified = snapshot.trust.examine(&chain, snapshot.now())?;
            let mut register = lock(&self.register);
            let newest = self.current.load_full();
            if !Arc::ptr_eq(&newest, &snapshot) {
                // Swapped while we judged: judge again, off the lock.
                drop(register);
                snapshot = newest;
                continue;
            }
            if register.open.len() >= caps.connections {
                return Err(NotAdmitted::Full);
            }
            let caller = verified.caller;
            let of_party = register.per_party.entry(caller.party.clone()).or_default();
            if *of_party >= caps.per_party {
                return Err(NotAdmitted::PartyFull(caller.party));
            }
            *of_party += 1;
            let id = register.next;
            register.next += 1;
            let cancel = CancellationToken::new();
            let open =
                Open { caller: caller.clone(), chain, valid_until: verified.valid_until, cancel: cancel.clone() };
            register.open.insert(id, open);
            let open = self.metrics.connection();
            return Ok(Admission {
                gate: self.clone(),
                id,
                caller,
                epoch: snapshot.trust.epoch(),
                cancel,
                _open: open,
            });
        }
        Err(NotAdmitted::Unsettled)
    }

    /// Whether there is room for one more connection at all: spares a handshake that would be for nothing.
    pub(super) fn has_room(&self, caps: Caps) -> bool {
        lock(&self.register).open.len() < caps.connections
    }
}

/// One registered connection; dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Admission {
    gate: Arc<Gate>,
    id: u64,
    pub caller: Caller,
    pub epoch: u64,
    pub cancel: CancellationToken,
    _open: OpenConnection,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut register = lock(&self.gate.register);
        if register.open.remove(&self.id).is_none() {
            return;
        }
        if let Some(count) = register.per_party.get_mut(&self.caller.party) {
            *count -= 1;
            if *count == 0 {
                register.per_party.remove(&self.caller.party);
            }
        }
    }
}

/// Every section under these locks leaves the data whole, so a panic in another thread is no reason for one here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Snapshot {
    /// The same with a clock that the test sets.
    pub(super) fn with_clock(mut self, clock: Arc<crate::pki::samples::Clock>) -> Self {
        self.tls = crate::pki::samples::with_clock(&self.tls, clock);
        self
    }
}
