//! What the service shows of itself: whether it is ready, and what it counts.
//!
//! This room knows no other. Those that do the work write to it, `http` reads from it. All labels are words of this
//! program or of its configuration, never text of a caller: so nothing private gets out this way, and nobody can make the number of series grow.

mod metrics;
mod readiness;

pub use metrics::{Handshake, METRICS_CONTENT_TYPE, Metrics, OpenConnection};
pub use readiness::{Readiness, State};
