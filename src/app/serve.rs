//! The exchange, put together from its configuration: founded once, then served.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{net::TcpListener, sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{error, info};

use super::{
    config::{Config, Limits},
    head,
    machine::ThisMachine,
    stamps::{Authority, follow_publications},
    store::{self, OpenError},
    witnesses::{Asked, follow_witness},
};
use crate::{
    client::keys::keyfile::{self, KeyFileError},
    domain::{charter::Charter, document::Document, id::Digest, key::Signer, refusal::Refusal, statement::Unverified},
    exchange::{self, Exchange},
    grpc::{
        call,
        gate::{Gate, Snapshot},
        listener,
        serve::{self as server},
        watch::Pace,
    },
    http, msg,
    observe::{Metrics, Readiness},
    pki::{
        pem,
        trust::{PartyAnchors, TrustSet},
    },
    wire::page::PageLimits,
};

/// How often readiness is looked at.
const READINESS_INTERVAL: Duration = Duration::from_secs(2);

/// How often it is looked at what time has made due: how late a lapse may be logged.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long the store may take to answer before it counts as one that cannot be used.
const READINESS_DEADLINE: Duration = Duration::from_secs(10);
/// How often the log's trust is compared with the door's, beside every change that is heard of: how long one that was not
/// heard (its caller hung up, the store could not be read) may stay without force.
const TRUST_INTERVAL: Duration = Duration::from_secs(5);

/// What keeps an exchange from starting, or ended it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ServeError {
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("cannot listen on {0}: {1}; another process may have the port, or the address is not this machine's")]
    Bind(SocketAddr, io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the gRPC server ended: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Founds the exchange of this configuration: charter 1, every party's adoption and first trust statement. Answers the
/// charter's fingerprint.
///
/// # Errors
/// [`ServeError`]; nothing is stored then.
pub async fn found(
    config: &Config,
    charter: Vec<u8>,
    adoptions: Vec<String>,
    trusts: Vec<String>,
) -> Result<Digest, ServeError> {
    let charter = Document::<Charter>::parse(charter)?;
    let keys = Keys::read(config)?;
    keys.match_charter(config, &charter)?;
    let adoptions = adoptions.iter().map(|s| Unverified::parse(s)).collect::<Result<_, _>>()?;
    let trusts = trusts.iter().map(|s| Unverified::parse(s)).collect::<Result<_, _>>()?;
    let store = store::log(&config.store, &config.data).await?;
    exchange::found(&*store, &ThisMachine, &charter, adoptions, trusts).await?;
    Ok(charter.digest())
}

/// Where a served exchange is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The gRPC port.
    pub exchange: SocketAddr,
    /// Health and metrics.
    pub http: SocketAddr,
    /// The public log, where it is served.
    pub log: Option<SocketAddr>,
}

/// Serves until `shutdown`, then drains. `bound` hears the addresses once connections are accepted.
///
/// # Errors
/// [`ServeError`]: before any port is bound for what is wrong with files, keys and log.
pub async fn serve(
    config: Config,
    bound: impl FnOnce(Bound),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let keys = Keys::read(&config)?;
    let (store, content) =
        (store::log(&config.store, &config.data).await?, store::content(&config.store, &config.data).await?);
    let (metrics, readiness) = (Arc::new(Metrics::default()), Readiness::not_yet("starting"));
    let exchange = Arc::new(Exchange::new(store, content, Arc::new(ThisMachine), keys.all(), metrics.clone()));
    let charter = exchange.charter_in_force().await?;
    keys.match_charter(&config, charter.charter())?;
    head::take_up(&exchange, &config.data.head()).await?;
    let identity = Identity::read(&config)?;
    let gate = Gate::new(identity.snapshot(0, exchange.anchors().await?)?, metrics.clone());

    let authority = Authority::new(&config.timestamp)?;
    let witnesses = config.log.witness.iter().map(Asked::new).collect::<Result<Vec<_>, _>>()?;

    let listener = bind(config.listen.address).await?;
    let pages = bind(config.http.listen).await?;
    let public = match config.log.listen {
        Some(address) => Some((bind(address).await?, address)),
        None => None,
    };
    let local = |l: &TcpListener, configured| l.local_addr().unwrap_or(configured);
    let addresses = Bound {
        exchange: local(&listener, config.listen.address),
        http: local(&pages, config.http.listen),
        log: public.as_ref().map(|(listener, configured)| local(listener, *configured)),
    };

    let stop = CancellationToken::new();
    let (reporter, health) = tonic_health::server::health_reporter();
    let watching = stop.child_token();
    let _ends_with_this = watching.clone().drop_guard();
    tokio::spawn(follow_trust(exchange.clone(), gate.clone(), identity, watching.clone()));
    tokio::spawn(follow_time(exchange.clone(), watching.clone()));
    tokio::spawn(follow_others(exchange.clone(), watching.clone()));
    // Heads are signed until the last call has ended.
    let keeping = CancellationToken::new();
    let _kept_with_this = keeping.clone().drop_guard();
    let kept = tokio::spawn(head::follow(exchange.clone(), config.data.head().into(), keeping.clone()));
    tokio::spawn(follow_readiness(exchange.clone(), readiness.clone(), reporter, watching.clone()));
    let operators = http::Pages { readiness: readiness.clone(), metrics: metrics.clone() };
    // Probes are answered until the last call has ended: that it drains is no reason to kill it.
    let drained = CancellationToken::new();
    let _drained_with_this = drained.clone().drop_guard();
    tokio::spawn(http::serve(pages, operators, drained.cancelled_owned()));
    for asked in witnesses {
        tokio::spawn(follow_witness(exchange.clone(), asked, metrics.clone(), watching.clone()));
    }
    if let Some(authority) = authority {
        tokio::spawn(follow_publications(exchange.clone(), authority, metrics.clone(), watching.clone()));
    }
    if let Some((listener, _)) = public {
        tokio::spawn(http::tiles::serve(listener, exchange.clone(), watching.clone().cancelled_owned()));
    }
    tokio::spawn({
        let (stop, readiness) = (stop.clone(), readiness);
        async move {
            shutdown.await;
            readiness.not_ready("going down");
            stop.cancel();
        }
    });
    info!(exchange = %addresses.exchange, http = %addresses.http, name = config.exchange.name, "serving");
    bound(addresses);
    let desk = call::Desk::new(exchange, metrics, calls(&config.limits), stop.clone());
    server::serve(desk, health, gate, listener, connections(&config.limits), stop).await?;
    keeping.cancel();
    if let Err(error) = kept.await {
        error!(%error, "the newest head was not kept");
    }
    info!("stopped");
    Ok(())
}

fn calls(limits: &Limits) -> call::Limits {
    call::Limits {
        request: Duration::from_secs(limits.request_seconds),
        transfer: Duration::from_secs(limits.transfer_seconds),
        calls_per_party: limits.calls_per_party,
        uploads_per_party: limits.uploads_per_party,
        watchers_per_party: limits.watchers_per_party,
        pace: Pace {
            heartbeat: Duration::from_secs(limits.heartbeat_seconds),
            patience: Duration::from_secs(limits.slow_reader_seconds),
        },
        pages: PageLimits { default: limits.page_default as usize, most: limits.page_max as usize },
    }
}

fn connections(limits: &Limits) -> server::Limits {
    server::Limits {
        door: listener::Limits {
            handshake_deadline: Duration::from_secs(limits.handshake_seconds),
            handshakes: limits.handshakes,
            handshakes_per_address: limits.handshakes_per_address,
            connections: limits.connections,
            connections_per_party: limits.connections_per_party,
        },
        streams_per_connection: limits.streams_per_connection,
        header_bytes: limits.header_bytes,
        keepalive: Duration::from_secs(limits.keepalive_seconds),
        connection_age: Duration::from_secs(limits.connection_age_seconds),
        drain: Duration::from_secs(limits.drain_seconds),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|e| ServeError::Bind(address, e))
}

/// The exchange's own two keys, and those of its next charter.
struct Keys {
    log: Arc<dyn Signer>,
    depositary: Arc<dyn Signer>,
    next: Vec<Arc<dyn Signer>>,
}

impl Keys {
    fn read(config: &Config) -> Result<Self, KeyFileError> {
        Ok(Self {
            log: Arc::new(keyfile::read_plain(&config.keys.log)?),
            depositary: Arc::new(keyfile::read_plain(&config.keys.depositary)?),
            next: config
                .keys
                .next
                .iter()
                .map(|path| Ok(Arc::new(keyfile::read_plain(path)?) as Arc<dyn Signer>))
                .collect::<Result<_, KeyFileError>>()?,
        })
    }
    fn all(&self) -> Vec<Arc<dyn Signer>> {
        [&self.log, &self.depositary].into_iter().chain(&self.next).cloned().collect()
    }
    /// A charter for other keys or another name would found an exchange that cannot start.
    fn match_charter(&self, config: &Config, charter: &Charter) -> Result<(), Refusal> {
        if charter.exchange.as_str() != config.exchange.name {
            return Err(Refusal::disagrees("charter.exchange", &config.exchange.name, &charter.exchange));
        }
        let has = |key, current: &Arc<dyn Signer>| [current].into_iter().chain(&self.next).any(|k| k.public() == key);
        if !has(charter.log.key, &self.log) {
            return Err(Refusal::disagrees(
                "charter.log.key",
                msg!("the key configured"),
                msg!("another value" => "another"),
            ));
        }
        if !has(charter.depositary, &self.depositary) {
            return Err(Refusal::disagrees(
                "charter.depositary",
                msg!("the key configured"),
                msg!("another value" => "another"),
            ));
        }
        Ok(())
    }
}

/// The server's certificate chain and key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn read(config: &Config) -> Result<Self, ServeError> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| ServeError::Io(path.into(), e));
        Ok(Self {
            chain: pem::chain(&read(&config.tls.certificate)?)?,
            key: pem::private_key(&read(&config.tls.key)?)?,
        })
    }
    fn snapshot(&self, epoch: u64, anchors: Vec<PartyAnchors>) -> Result<Snapshot, Refusal> {
        let trust = TrustSet::build(epoch, anchors)?;
        Snapshot::new(Arc::new(trust), self.chain.clone(), self.key.clone_key())
    }
}

/// Puts every new trust statement in force at the door, on a running system.
async fn follow_trust(exchange: Arc<Exchange>, gate: Arc<Gate>, identity: Identity, stop: CancellationToken) {
    let mut door = Door { gate, identity, held: None };
    let mut looks = Looks::every(TRUST_INTERVAL, exchange.trust_changes());
    loop {
        let epoch = tokio::select! {
            () = stop.cancelled() => return,
            look = looks.next() => match look {
                Some(epoch) => epoch,
                None => return,
            },
        };
        if let Err(refusal) = door.match_to(epoch, exchange.anchors().await).await {
            error!(%refusal, "trust not swapped; it is tried again");
        }
    }
}

/// When to look at the log's trust: at once, at every change that is heard of, and now and then.
struct Looks {
    changes: watch::Receiver<u64>,
    ticks: tokio::time::Interval,
}

impl Looks {
    fn every(interval: Duration, changes: watch::Receiver<u64>) -> Self {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { changes, ticks }
    }
    /// The epoch to look at; `None` when nothing can change any more.
    async fn next(&mut self) -> Option<u64> {
        tokio::select! {
            changed = self.changes.changed() => changed.ok()?,
            _ = self.ticks.tick() => {}
        }
        Some(*self.changes.borrow_and_update())
    }
}

/// The door and what it was last matched to.
struct Door {
    gate: Arc<Gate>,
    identity: Identity,
    held: Option<Vec<PartyAnchors>>,
}

impl Door {
    /// What fails is not held, and so is done again at the next look.
    async fn match_to(&mut self, epoch: u64, anchors: Result<Vec<PartyAnchors>, Refusal>) -> Result<(), Refusal> {
        let anchors = anchors?;
        if self.held.as_ref() == Some(&anchors) {
            return Ok(());
        }
        let (gate, snapshot) = (self.gate.clone(), self.identity.snapshot(epoch, anchors.clone())?);
        let swapped = tokio::task::spawn_blocking(move || gate.swap(snapshot)).await;
        match swapped {
            Ok(Ok(_)) => self.held = Some(anchors),
            Ok(Err(stale)) => error!(%stale, "trust not swapped"),
            Err(error) => error!(%error, "trust not swapped"),
        }
        Ok(())
    }
}

/// Does what time makes due, also when nobody calls.
async fn follow_time(exchange: Arc<Exchange>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SETTLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(refusal) = exchange.settle().await {
            error!(%refusal, "not all that is due was done; it is tried again");
        }
    }
}

/// Looks at what other exchanges over the same store append, when one of them says so and now and then.
async fn follow_others(exchange: Arc<Exchange>, stop: CancellationToken) {
    let mut heard = exchange.heard();
    let mut next = None;
    loop {
        match exchange.look(next).await {
            Ok(end) => next = Some(end),
            Err(refusal) => error!(%refusal, "what others appended was not looked at; it is tried again"),
        }
        let others = async {
            match tokio::time::timeout(TRUST_INTERVAL, heard.changed()).await {
                Ok(Err(_)) => false,
                Ok(Ok(())) | Err(_) => true,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            there_are = others => if !there_are { return },
        }
    }
}

/// Follows whether the exchange can serve, for both ports. A service that cannot append does not serve.
async fn follow_readiness(
    exchange: Arc<Exchange>,
    readiness: Readiness,
    reporter: HealthReporter,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(READINESS_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let asked = tokio::time::timeout(READINESS_DEADLINE, exchange.ready()).await;
        let status = match asked.unwrap_or(Err(Refusal::StoreFailed)) {
            Ok(()) => {
                readiness.ready();
                ServingStatus::Serving
            }
            Err(Refusal::ClockSuspect { .. }) => {
                readiness.not_ready("the clock is behind the log");
                ServingStatus::NotServing
            }
            Err(Refusal::KeyMissing { .. }) => {
                readiness.not_ready("a key that the charter in force names is not configured");
                ServingStatus::NotServing
            }
            Err(Refusal::LogInDoubt { .. }) => {
                readiness.not_ready(
                    "the log does not continue what was signed of it; the exchange's own messages say where",
                );
                ServingStatus::NotServing
            }
            Err(_) => {
                readiness.not_ready("the store cannot be used");
                ServingStatus::NotServing
            }
        };
        reporter.set_service_status("", status).await;
    }
    readiness.not_ready("going down");
    reporter.set_service_status("", ServingStatus::NotServing).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::samples::World;

    #[tokio::test]
    async fn trust_is_looked_at_also_when_nobody_said_that_it_changed() {
        let (sender, changes) = watch::channel(0);
        let mut looks = Looks::every(Duration::from_millis(5), changes);
        let soon = Duration::from_secs(10);
        for _ in 0..3 {
            assert_eq!(tokio::time::timeout(soon, looks.next()).await, Ok(Some(0)));
        }
        sender.send_replace(7);
        assert_eq!(tokio::time::timeout(soon, looks.next()).await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn trust_that_could_not_be_swapped_is_swapped_at_the_next_look() {
        let m = World::new();
        let (chain, key) = m.server();
        let identity = Identity { chain, key };
        let gate = Gate::new(identity.snapshot(0, m.parties()).unwrap(), Arc::default());
        let mut door = Door { gate: gate.clone(), identity, held: None };
        door.match_to(0, Ok(m.parties())).await.unwrap();
        let mut revoking = m.parties();
        revoking[0].revoked.insert(Digest::of(b"a lost laptop's"));
        let wanted = TrustSet::build(0, revoking.clone()).unwrap();
        let domain = revoking[0].trust_domain.clone();
        assert!(door.match_to(0, Err(Refusal::StoreFailed)).await.is_err());
        assert!(!gate.current().trust().agrees_on(&wanted, &domain));
        door.match_to(0, Ok(revoking.clone())).await.unwrap();
        let swapped = gate.current();
        assert!(swapped.trust().agrees_on(&wanted, &domain));
        door.match_to(0, Ok(revoking)).await.unwrap();
        assert!(Arc::ptr_eq(&swapped, &gate.current()), "nothing new, nothing swapped");
    }
}
