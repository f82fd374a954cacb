//! What the service counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::render`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the buckets of `communique_request_seconds`, in seconds: from an answer out of memory to the default
/// deadline of a call.
pub const REQUEST_BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handshake {
    /// The peer was let in.
    Accepted,
    /// It failed: no or a wrong certificate, no TLS 1.3, no h2, a peer that hung up.
    Refused,
    /// It took too long.
    TimedOut,
    /// Every place was taken, for handshakes (in all or of one address) or for connections (in all or of one party). Mostly the
    /// socket is dropped before a handshake begins.
    Full,
}

impl Handshake {
    const ALL: [Self; 4] = [Self::Accepted, Self::Refused, Self::TimedOut, Self::Full];

    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Full => "full",
        }
    }
}

impl EncodeLabelValue for Handshake {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.word(), encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
}

/// A party, as the operator's configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartyLabels {
    party: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StampLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    result: Handshake,
}

/// All counters of one exchange. Shared behind an `Arc`; counting takes no lock that a reader holds for long.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_time: Family<MethodLabels, Histogram, fn() -> Histogram>,
    handshakes: Family<HandshakeLabels, Counter>,
    connections: Gauge,
    cut: Counter<u64, AtomicU64>,
    entries: Counter<u64, AtomicU64>,
    content: Counter<u64, AtomicU64>,
    cosigned: Family<PartyLabels, Gauge>,
    stamps: Family<StampLabels, Counter>,
    /// Calls answered, of any method.
    answered: AtomicU64,
    scrub_passes: Counter<u64, AtomicU64>,
    scrub_bytes: Counter<u64, AtomicU64>,
    scrub_damaged: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let request_time: Family<MethodLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS));
        let mut metrics = Self {
            registry: Registry::with_prefix("communique"),
            requests: Family::default(),
            request_time,
            handshakes: Family::default(),
            connections: Gauge::default(),
            cut: Counter::default(),
            entries: Counter::default(),
            content: Counter::default(),
            cosigned: Family::default(),
            stamps: Family::default(),
            answered: AtomicU64::new(0),
            scrub_passes: Counter::default(),
            scrub_bytes: Counter::default(),
            scrub_damaged: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Calls answered, by method and outcome", metrics.requests.clone());
        let help = "Time from a call's arrival to its answer, by method";
        registry.register_with_unit("request", help, Unit::Seconds, metrics.request_time.clone());
        registry.register("handshakes", "TLS handshakes, by how they ended", metrics.handshakes.clone());
        registry.register("connections", "Connections open now", metrics.connections.clone());
        let help = "Connections cut since the start: by another trust set, an expiry or a drain";
        registry.register("connections_cut", help, metrics.cut.clone());
        registry.register("log_entries", "Entries appended to the log since the start", metrics.entries.clone());
        let help = "Bytes of texts and annexes taken in since the start";
        registry.register_with_unit("content", help, Unit::Bytes, metrics.content.clone());
        let help = "Entries under the last head that the witness of a party cosigned when it was asked";
        registry.register("log_cosigned_entries", help, metrics.cosigned.clone());
        let help = "Time stamps that the authority was asked for, by whether one came";
        registry.register("time_stamps", help, metrics.stamps.clone());
        let help = "Passes of the scrubber over log and content that have ended since the start";
        registry.register("scrub_passes", help, metrics.scrub_passes.clone());
        let help = "Bytes that the scrubber has read since the start";
        registry.register_with_unit("scrub", help, Unit::Bytes, metrics.scrub_bytes.clone());
        let help = "Faults that the scrubber found in its last pass, or has found in this one if these are more";
        registry.register("scrub_damaged", help, metrics.scrub_damaged.clone());
        // A collector sees the first of a kind only where it saw none before.
        for result in Handshake::ALL {
            drop(metrics.handshakes.get_or_create(&HandshakeLabels { result }));
        }
        metrics
    }
}

impl Metrics {
    /// A call was answered. `method` is the method's name in the contract, `outcome` the reason of the refusal or `OK`:
    /// both words of this program, never of the caller (an unknown method has one name for all).
    pub fn request(&self, method: &'static str, outcome: &'static str, took: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.requests.get_or_create(&RequestLabels { method, outcome }).inc();
        self.request_time.get_or_create(&MethodLabels { method }).observe(took.as_secs_f64());
    }

    /// A handshake ended.
    pub fn handshake(&self, result: Handshake) {
        self.handshakes.get_or_create(&HandshakeLabels { result }).inc();
    }

    /// A connection is open for as long as the answer lives.
    #[must_use = "the connection counts as closed when this is dropped"]
    pub fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection { connections: self.connections.clone() }
    }

    /// An open connection was cut.
    pub fn connection_cut(&self) {
        self.cut.inc();
    }

    /// `count` entries were appended and are durable.
    pub fn entries_appended(&self, count: u64) {
        self.entries.inc_by(count);
    }

    /// `bytes` of content were taken in and are durable.
    pub fn content_stored(&self, bytes: u64) {
        self.content.inc_by(bytes);
    }

    /// The witness of a party cosigned a head of so many entries when it was asked. The party is one that the configuration names.
    pub fn cosigned(&self, party: &str, size: u64) {
        let labels = PartyLabels { party: party.to_owned() };
        self.cosigned.get_or_create(&labels).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    /// The authority was asked for a time stamp, and one was kept, or none.
    pub fn asked_for_stamp(&self, kept: bool) {
        self.stamps.get_or_create(&StampLabels { result: if kept { "kept" } else { "failed" } }).inc();
    }

    /// How many calls were answered, of any method.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// The scrubber has read so many bytes more.
    pub fn scrubbed(&self, bytes: u64) {
        self.scrub_bytes.inc_by(bytes);
    }

    /// The scrubber has found so many faults in the pass under way.
    pub fn scrub_found(&self, faults: u64) {
        let faults = i64::try_from(faults).unwrap_or(i64::MAX);
        self.scrub_damaged.set(faults.max(self.scrub_damaged.get()));
    }

    /// A pass of the scrubber has ended, with so many faults.
    pub fn scrub_ended(&self, faults: u64) {
        self.scrub_passes.inc();
        self.scrub_damaged.set(i64::try_from(faults).unwrap_or(i64::MAX));
    }

    /// Everything, as a collector reads it ([`METRICS_CONTENT_TYPE`]).
    ///
    /// # Errors
    ///
    /// Only if a metric cannot be written as text, which is a mistake in this file.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
impl Metrics {
    /// How many handshakes ended so.
    pub(crate) fn handshakes(&self, result: Handshake) -> u64 {
        self.handshakes.get_or_create(&HandshakeLabels { result }).get()
    }
    /// How many connections are open now.
    pub(crate) fn connections(&self) -> i64 {
        self.connections.get()
    }
    /// How many connections were cut.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.get()
    }
    /// How many bytes the scrubber has read.
    pub(crate) fn scrub_bytes(&self) -> u64 {
        self.scrub_bytes.get()
    }
    /// How many passes of the scrubber have ended, and the faults of the last.
    pub(crate) fn scrub(&self) -> (u64, i64) {
        (self.scrub_passes.get(), self.scrub_damaged.get())
    }
    /// How many entries were appended.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.get()
    }
}

/// Counts one open connection until it is dropped, however the connection ends.
#[derive(Debug)]
pub struct OpenConnection {
    connections: Gauge,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.request("SubmitAct", "OK", Duration::from_millis(3));
        metrics.request("SubmitAct", "OK", Duration::from_millis(3));
        metrics.request("SubmitAct", "SEAT_TAKEN", Duration::from_millis(1));
        metrics.handshake(Handshake::Accepted);
        metrics.handshake(Handshake::TimedOut);
        let open = metrics.connection();
        drop(metrics.connection());
        metrics.connection_cut();
        metrics.entries_appended(5);
        metrics.content_stored(1024);
        metrics.cosigned("north", 7);
        metrics.asked_for_stamp(true);
        [1, 2].iter().for_each(|_| metrics.asked_for_stamp(false));
        metrics.scrubbed(4096);
        metrics.scrub_found(3);
        metrics.scrub_ended(2);
        metrics.scrub_found(1);

        let text = metrics.render().unwrap();
        for line in [
            "communique_requests_total{method=\"SubmitAct\",outcome=\"OK\"} 2",
            "communique_requests_total{method=\"SubmitAct\",outcome=\"SEAT_TAKEN\"} 1",
            "communique_request_seconds_count{method=\"SubmitAct\"} 3",
            "communique_request_seconds_bucket{le=\"0.0025\",method=\"SubmitAct\"} 1",
            "communique_handshakes_total{result=\"accepted\"} 1",
            "communique_handshakes_total{result=\"timed_out\"} 1",
            "communique_handshakes_total{result=\"refused\"} 0",
            "communique_handshakes_total{result=\"full\"} 0",
            "communique_connections 1",
            "communique_connections_cut_total 1",
            "communique_log_entries_total 5",
            "communique_content_bytes_total 1024",
            "communique_log_cosigned_entries{party=\"north\"} 7",
            "communique_time_stamps_total{result=\"kept\"} 1",
            "communique_time_stamps_total{result=\"failed\"} 2",
            "communique_scrub_passes_total 1",
            "communique_scrub_bytes_total 4096",
            "communique_scrub_damaged 2",
            "# EOF",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }

        drop(open);
        assert!(metrics.render().unwrap().contains("communique_connections 0\n"));
    }
}
