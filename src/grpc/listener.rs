//! The accept loop: bounded in every direction before anybody is known.
//!
//! Each handshake runs in a task of its own, with a deadline, in one of a limited number of slots: limited in all, and
//! per address, so that one address full of silent sockets keeps nobody else out.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::NamedGroup;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    gate::{Caps, Gate, NotAdmitted, lock},
    peer::PeerStream,
};
use crate::{observe::Handshake, pki::ALPN};

/// How long a connection may be silent before the kernel asks whether its peer is still there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// How long between such questions.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How many questions may go unanswered.
pub const KEEPALIVE_PROBES: u32 = 4;
/// How often open connections are searched for expired certificates.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long accepting rests when the system has no file descriptor or memory left.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// How many connections may wait between the handshake and the server.
const BACKLOG: usize = 64;

/// Lines that strangers can cause in the operator's log each second; the rest is counted, and said at debug level.
const LINES_PER_SECOND: u64 = 10;

/// How much one listener takes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest that a handshake may take.
    pub handshake_deadline: Duration,
    /// Handshakes under way at once, in all.
    pub handshakes: usize,
    /// Handshakes under way at once from one address (an IPv4 address; the /64 of an IPv6 address).
    pub handshakes_per_address: usize,
    /// Connections open at once, in all, over all listeners of the gate.
    pub connections: usize,
    /// Connections open at once of one party, over all listeners of the gate.
    pub connections_per_party: usize,
}

impl Default for Limits {
    /// 10 seconds; 256 handshakes, 32 of one address; 4,096 connections, 512 of one party.
    fn default() -> Self {
        Self {
            handshake_deadline: Duration::from_secs(10),
            handshakes: 256,
            handshakes_per_address: 32,
            connections: 4096,
            connections_per_party: 512,
        }
    }
}

/// Accepts, shakes hands and gives out the connections that the gate lets in, for tonic's
/// `serve_with_incoming_shutdown`. Ends when `shutdown` is cancelled or the stream is dropped; connections that are open
/// then stay so, until the server lets them go or [`Gate::cut_all`] does. Must be called within a tokio runtime.
pub fn incoming(
    gate: Arc<Gate>,
    listener: TcpListener,
    limits: Limits,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<PeerStream>> {
    let (out, connections) = mpsc::channel(BACKLOG);
    tokio::spawn(sweep(Arc::downgrade(&gate)));
    tokio::spawn(accept(gate, listener, limits, shutdown, out));
    ReceiverStream::new(connections)
}

/// Looks at the clock rather than waiting for a moment: a clock that is set, or a machine that slept, changes nothing.
async fn sweep(gate: std::sync::Weak<Gate>) {
    let mut ticks = interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(gate) = gate.upgrade() else { return };
        let cut = gate.sweep();
        if cut > 0 {
            info!(cut, "connections cut: certificates expired");
        }
    }
}

async fn accept(
    gate: Arc<Gate>,
    listener: TcpListener,
    limits: Limits,
    shutdown: CancellationToken,
    out: mpsc::Sender<io::Result<PeerStream>>,
) {
    let slots = Arc::new(Slots::default());
    let lines = Arc::new(Lines::new());
    let caps = Caps { connections: limits.connections, per_party: limits.connections_per_party };
    loop {
        let (tcp, addr) = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = out.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "accept failed");
                    sleep(ACCEPT_REST).await;
                    continue;
                }
            },
        };
        if !gate.has_room(caps) {
            gate.metrics().handshake(Handshake::Full);
            debug!(%addr, "connection dropped: as many as may be are open");
            continue;
        }
        let Some(slot) = slots.take(addr.ip(), &limits) else {
            gate.metrics().handshake(Handshake::Full);
            debug!(%addr, "connection dropped: too many handshakes under way");
            continue;
        };
        if let Err(error) = set_options(&tcp) {
            // The peer is gone already.
            debug!(%addr, %error, "connection dropped: socket options");
            continue;
        }
        let (gate, out, shutdown, lines) = (gate.clone(), out.clone(), shutdown.clone(), lines.clone());
        tokio::spawn(async move {
            let stream = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                shaken = timeout(limits.handshake_deadline, shake(&gate, tcp, addr, caps)) => shaken,
            };
            drop(slot);
            let metrics = gate.metrics();
            match stream {
                Ok(Ok(stream)) => {
                    metrics.handshake(Handshake::Accepted);
                    let peer = stream.peer();
                    debug!(%addr, party = %peer.caller.party, caller = %peer.caller.id, kx = peer.kx, "connection open");
                    // Fails only if the server is gone: the connection goes with it.
                    let _ = out.send(Ok(stream)).await;
                }
                Ok(Err(Fault::Full(why))) => {
                    metrics.handshake(Handshake::Full);
                    lines.tell(addr, "connection refused", &why);
                }
                Ok(Err(Fault::Refused(why))) => {
                    metrics.handshake(Handshake::Refused);
                    lines.tell(addr, "handshake refused", &why);
                }
                Err(_) => {
                    metrics.handshake(Handshake::TimedOut);
                    lines.tell(addr, "handshake timed out", "");
                }
            }
        });
    }
}

/// What strangers at the door cause in the log: so many lines a second, since anybody can knock.
struct Lines(Mutex<(Instant, u64)>);

impl Lines {
    fn new() -> Self {
        Self(Mutex::new((Instant::now(), 0)))
    }
    /// Whether one more line may be written at this moment.
    fn one_more(&self, now: Instant) -> bool {
        let mut second = lock(&self.0);
        if now.duration_since(second.0) >= Duration::from_secs(1) {
            *second = (now, 0);
        }
        second.1 += 1;
        second.1 <= LINES_PER_SECOND
    }
    fn tell(&self, addr: SocketAddr, what: &'static str, why: &str) {
        if self.one_more(Instant::now()) {
            info!(%addr, reason = %why.escape_debug(), "{what}");
        } else {
            debug!(%addr, reason = %why.escape_debug(), "{what}");
        }
    }
}

/// Without TCP_NODELAY a call takes 44 ms; without keepalive a peer that lost its power keeps its place for ever.
fn set_options(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// Why no connection came of a socket.
enum Fault {
    Refused(String),
    Full(String),
}

async fn shake(gate: &Arc<Gate>, tcp: TcpStream, addr: SocketAddr, caps: Caps) -> Result<PeerStream, Fault> {
    let refused = |why: &str| Fault::Refused(why.to_owned());
    let snapshot = gate.current();
    let io = TlsAcceptor::from(snapshot.tls().clone()).accept(tcp).await.map_err(|e| Fault::Refused(e.to_string()))?;
    let connection = io.get_ref().1;
    // rustls lets a client pass that offers no protocol at all.
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(refused("the client does not speak h2"));
    }
    let chain = connection.peer_certificates().ok_or_else(|| refused("no certificate was sent"))?;
    let chain: Arc<[_]> = chain.iter().map(|c| c.clone().into_owned()).collect();
    let kx = match connection.negotiated_key_exchange_group().map(|g| g.name()) {
        Some(NamedGroup::X25519MLKEM768) => "X25519MLKEM768",
        Some(NamedGroup::X25519) => "X25519",
        Some(NamedGroup::secp256r1) => "secp256r1",
        Some(NamedGroup::secp384r1) => "secp384r1",
        _ => "other",
    };
    // Judged a second time, against the newest set: a swap during the handshake cannot be missed.
    let admission = gate.admit(snapshot, chain, caps).map_err(|fault| match fault {
        NotAdmitted::Full | NotAdmitted::PartyFull(_) => Fault::Full(fault.to_string()),
        NotAdmitted::Identity(_) | NotAdmitted::Unsettled => Fault::Refused(fault.to_string()),
    })?;
    Ok(PeerStream::new(io, admission, addr, kx))
}

/// The handshakes under way, by address.
#[derive(Default)]
struct Slots(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    fn take(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Option<Slot> {
        let address = neighbourhood(address);
        let mut taken = lock(&self.0);
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.in_all >= limits.handshakes || of_address >= limits.handshakes_per_address {
            return None;
        }
        taken.in_all += 1;
        taken.by_address.insert(address, of_address + 1);
        Some(Slot { slots: self.clone(), address })
    }
}

/// One handshake's slot; dropping it gives it back.
struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.slots.0);
        taken.in_all = taken.in_all.saturating_sub(1);
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: an IPv6 host commands its whole /64; an IPv4 address is one however it is written.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
