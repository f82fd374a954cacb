//! Witnesses that the exchange asks (C2SP tlog-witness): each in a task of its own, for every head that is larger than the last one that
//! it cosigned. Nothing waits for them.

use std::{fs, io, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{config, machine::ThisMachine, serve::ServeError};
use crate::{
    domain::{id::PartyId, refusal::Refusal},
    exchange::Exchange,
    http::post::{Bounds, Place},
    log::{
        note::NOTE_LIMIT,
        witness::{AddCheckpoint, SIZE_TYPE},
    },
    observe::Metrics,
    pki,
};

/// How often it is looked whether the log has grown: no witness is asked more often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// First and longest pause after a witness did not cosign.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// What one question may take, and how much may be answered: as many signature lines as a note may have.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(15), bytes: NOTE_LIMIT };

/// A witness, and what it is known to have seen.
pub(super) struct Asked {
    party: PartyId,
    place: Place,
    tls: Option<Arc<ClientConfig>>,
    bounds: Bounds,
    /// The size of the last head that it cosigned, as far as is known; it says so if it is another.
    known: u64,
}

/// What keeps a witness from cosigning.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    #[error("it answers {0}")]
    Status(u16),
    #[error("it says that it has cosigned a log of {theirs} entries, and this one has {ours}")]
    Ahead { theirs: u64, ours: u64 },
    #[error("what it answers is no size of a log")]
    NoSize,
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl Asked {
    /// A witness as it is configured.
    ///
    /// # Errors
    /// [`ServeError::Io`] for authorities that cannot be read or used, or an address that is none.
    pub(super) fn new(witness: &config::Witness) -> Result<Self, ServeError> {
        let failed = |what: String| ServeError::Io("log.witness".into(), io::Error::other(what));
        let place = Place::parse(&witness.url).map_err(|what| failed(format!("{} {what}", witness.url)))?;
        let tls = if place.is_secure() {
            let file = witness.authorities();
            let pem = fs::read(file).map_err(|e| ServeError::Io(file.into(), e))?;
            Some(pki::client::known_by(&pem)?)
        } else {
            None
        };
        Ok(Self { party: witness.party.clone(), place, tls, bounds: BOUNDS, known: 0 })
    }
    /// Asks for a cosignature of the newest head, and keeps what was verified. Answers the size of that head.
    async fn ask(&mut self, exchange: &Exchange) -> Result<u64, Trouble> {
        // Twice: a witness that stands elsewhere says where.
        for _ in 0..2 {
            let continued = exchange.continued(self.known, None).await?;
            let head = continued.head;
            let request =
                AddCheckpoint { old: self.known, proof: continued.proof, checkpoint: head.clone().into_unverified() };
            let body = request.to_string().into_bytes();
            let answer = self.place.post("add-checkpoint", body, self.tls.as_ref(), self.bounds).await?;
            let ours = head.checkpoint().size();
            match answer.status {
                200 => {
                    exchange.keep_answer(&self.party, &head, &answer.body).await?;
                    self.known = ours;
                    return Ok(ours);
                }
                409 if answer.kind.as_deref() == Some(SIZE_TYPE) => {
                    let theirs = size(&answer.body).ok_or(Trouble::NoSize)?;
                    if theirs > ours {
                        return Err(Trouble::Ahead { theirs, ours });
                    }
                    self.known = theirs;
                }
                status => return Err(Trouble::Status(status)),
            }
        }
        Err(Trouble::Status(409))
    }
}

/// Asks a witness whenever the log has grown, until it is told to stop.
pub(super) async fn follow_witness(
    exchange: Arc<Exchange>,
    mut asked: Asked,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let party = asked.party.clone();
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut cosigned, mut pause) = (0, None::<Duration>);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let grown = exchange.last_head().await.is_none_or(|head| head.checkpoint().size() > cosigned);
        if !grown {
            continue;
        }
        let answered = tokio::select! {
            () = stop.cancelled() => return,
            answered = asked.ask(&exchange) => answered,
        };
        let rest = match answered {
            Ok(size) => {
                if pause.take().is_some() {
                    info!(%party, size, "the witness cosigns again");
                }
                metrics.cosigned(party.as_str(), size);
                cosigned = size;
                continue;
            }
            Err(trouble) => {
                // One line when it begins: the metric shows how long it lasts.
                match (&trouble, pause) {
                    (Trouble::Ahead { .. }, None) => {
                        error!(%party, %trouble, "a witness has seen a longer log than this one")
                    }
                    (_, None) => warn!(%party, %trouble, "a witness does not cosign; it is asked again and again"),
                    (_, Some(_)) => {}
                }
                pause.map_or(PAUSES.0, |pause| (pause * 2).min(PAUSES.1))
            }
        };
        pause = Some(rest);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(ThisMachine.jittered(rest)) => {}
        }
    }
}

/// The size in the body of a conflict ("add-checkpoint"): decimal, and a newline.
fn size(body: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let size: u64 = digits.parse().ok()?;
    (size.to_string() == digits).then_some(size)
}

#[cfg(test)]
mod tests;
