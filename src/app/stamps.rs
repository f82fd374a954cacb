//! The authority that stamps what is published (RFC 3161): asked in a task of its own, one question after another. Nothing waits for it.

use std::{fs, io, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{config, machine::ThisMachine, serve::ServeError};
use crate::{
    domain::refusal::Refusal,
    exchange::{Exchange, ToStamp},
    http::post::{Bounds, Place},
    observe::Metrics,
    package::{
        evidence::STAMP_LIMIT,
        stamp::{QUERY_TYPE, REPLY_TYPE},
    },
    pki,
};

/// How often it is looked for something to stamp, and how many are asked for at one look: one.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// First and longest pause after no stamp came.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// What one question may take, and how much may be answered: what a package takes.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(15), bytes: STAMP_LIMIT };

/// The authority.
pub(super) struct Authority {
    place: Place,
    tls: Option<Arc<ClientConfig>>,
    bounds: Bounds,
    pauses: (Duration, Duration),
}

/// What keeps an authority from stamping.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    #[error("it answers {0}")]
    Status(u16),
    #[error("what it answers is of another type than {REPLY_TYPE}")]
    Type,
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl Authority {
    /// The authority that is configured, if one is.
    ///
    /// # Errors
    /// [`ServeError::Io`] for authorities of its certificate that cannot be read or used, or an address that is none.
    pub(super) fn new(configured: &config::Timestamp) -> Result<Option<Self>, ServeError> {
        let config::Timestamp { url, ca } = configured;
        if url.is_empty() {
            return Ok(None);
        }
        let failed = |what| ServeError::Io("timestamp.url".into(), io::Error::other(format!("{url} {what}")));
        let place = Place::parse(url).map_err(failed)?;
        let tls = if place.is_secure() {
            let pem = fs::read(ca).map_err(|e| ServeError::Io(ca.clone(), e))?;
            Some(pki::client::known_by(&pem)?)
        } else {
            None
        };
        Ok(Some(Self { place, tls, bounds: BOUNDS, pauses: PAUSES }))
    }
    /// Asks for one stamp, and keeps the answer if it is one.
    async fn stamp(&self, exchange: &Exchange, next: &ToStamp) -> Result<(), Trouble> {
        let answer = self.place.post_here(QUERY_TYPE, next.request(), self.tls.as_ref(), self.bounds).await?;
        if answer.status != 200 {
            return Err(Trouble::Status(answer.status));
        }
        // Parameters say nothing here.
        let kind = answer.kind.as_deref().and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case(REPLY_TYPE) {
            return Err(Trouble::Type);
        }
        Ok(exchange.keep_stamp(next, answer.body).await?)
    }
}

/// Asks for a stamp of all that is published, one after another, until it is told to stop.
pub(super) async fn follow_publications(
    exchange: Arc<Exchange>,
    authority: Authority,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = None::<Duration>;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let asked = async {
            let Some(next) = exchange.to_stamp().await? else { return Ok(None) };
            let stamped = authority.stamp(&exchange, &next).await;
            metrics.asked_for_stamp(stamped.is_ok());
            if stamped.is_err() {
                exchange.put_off_stamp(next.communique());
            }
            stamped.map(|()| Some(next.communique()))
        };
        let answered = tokio::select! {
            () = stop.cancelled() => return,
            answered = asked => answered,
        };
        let rest = match answered {
            Ok(None) => continue,
            Ok(Some(communique)) => {
                if pause.take().is_some() {
                    info!(%communique, "the authority stamps again");
                }
                continue;
            }
            Err(trouble) => {
                // One line when it begins, and one when it ends.
                if pause.is_none() {
                    warn!(%trouble, "no time stamp came; it is asked for again and again");
                }
                pause.map_or(authority.pauses.0, |pause: Duration| (pause * 2).min(authority.pauses.1))
            }
        };
        pause = Some(rest);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(ThisMachine.jittered(rest)) => {}
        }
    }
}

#[cfg(test)]
mod tests;
