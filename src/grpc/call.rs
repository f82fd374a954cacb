//! What every call goes through, in this order: a name for it, the caller's permit, a deadline, the work, the answer counted
//! and logged. Services hold nothing but the work.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, field::display, info, info_span, warn};

use super::{
    peer::Peer,
    turns::{self, Turn, Turns},
    watch::Pace,
};
use crate::{
    domain::{
        id::PartyId,
        refusal::{Class, Refusal},
    },
    exchange::{
        Exchange,
        access::{Method, Permit},
    },
    language::Language,
    observe::Metrics,
    wire::{
        page::PageLimits,
        status::{asked, status},
    },
};

tokio::task_local! {
    /// The call under way: what it streams later bears the same name, and speaks the same language.
    static REQUEST: Asked;
}

/// What a refusal says of the call that it refuses, and in which language.
#[derive(Clone, Default, Debug)]
pub(super) struct Asked {
    /// Its name, in every line that the exchange logs of it.
    pub(super) id: Arc<str>,
    /// What its caller reads.
    pub(super) language: Language,
}

impl Asked {
    /// A new name for the call with these headers.
    fn of(headers: &http::HeaderMap) -> Self {
        Self { id: request_id().into(), language: asked(headers) }
    }
    /// The refusal, as this caller is told it.
    pub(super) fn refused(&self, refusal: &Refusal) -> Status {
        status(refusal, &self.id, self.language)
    }
}

/// How much one call may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest for a call without a transfer.
    pub request: Duration,
    /// The longest for a transfer.
    pub transfer: Duration,
    /// Calls of one party under way at once, over all its connections.
    pub calls_per_party: usize,
    /// Uploads of one party under way at once.
    pub uploads_per_party: usize,
    /// Watchers of one party at once.
    pub watchers_per_party: usize,
    /// How streams of events are kept going.
    pub pace: Pace,
    /// Rows of a page.
    pub pages: PageLimits,
}

/// What every service works with. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub(super) exchange: Arc<Exchange>,
    pub(super) limits: Limits,
    metrics: Arc<Metrics>,
    calls: Turns,
    uploads: Turns,
    watchers: Turns,
    /// Cancelled once the exchange goes down: a stream that has no end of its own ends then.
    pub(super) draining: CancellationToken,
}

impl Desk {
    /// Joins the use cases with the limits of calls. `draining` is cancelled once the exchange goes down.
    #[must_use]
    pub fn new(exchange: Arc<Exchange>, metrics: Arc<Metrics>, limits: Limits, draining: CancellationToken) -> Self {
        let calls = Turns::new(turns::calls, limits.calls_per_party);
        let uploads = Turns::new(turns::uploads, limits.uploads_per_party);
        let watchers = Turns::new(turns::watchers, limits.watchers_per_party);
        Self { exchange, limits, metrics, calls, uploads, watchers, draining }
    }

    /// Answers a call that transfers nothing.
    pub(super) async fn call<M: Method, T, R, F>(
        &self,
        request: Request<T>,
        work: impl FnOnce(Permit<M>, T) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, Refusal>>,
    {
        self.within(self.limits.request, request, work).await
    }

    /// Answers a call that transfers content: a longer deadline, nothing else.
    pub(super) async fn transfer<M: Method, T, R, F>(
        &self,
        request: Request<T>,
        work: impl FnOnce(Permit<M>, T) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, Refusal>>,
    {
        self.within(self.limits.transfer, request, work).await
    }

    async fn within<M: Method, T, R, F>(
        &self,
        limit: Duration,
        request: Request<T>,
        work: impl FnOnce(Permit<M>, T) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, Refusal>>,
    {
        let asked = Asked::of(request.metadata().as_ref());
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let caller = peer.as_ref().map(|peer| display(&peer.caller.id));
        let span = info_span!("call", request = %asked.id, method = M::NAME, caller);
        let outcome = async {
            let started = Instant::now();
            let outcome = async {
                let caller = &peer.as_ref().ok_or(Refusal::IdentityUnknown)?.caller;
                let _turn = self.calls.take(&caller.party)?;
                let permit = Permit::<M>::ask(&caller.party, caller.id.role)?;
                match timeout(limit, work(permit, request.into_inner())).await {
                    Ok(done) => done,
                    Err(_) => Err(Refusal::DeadlineExceeded { seconds: limit.as_secs() }),
                }
            }
            .await;
            let took = started.elapsed();
            let name = outcome.as_ref().map_or_else(Refusal::reason, |_| "OK");
            self.metrics.request(M::NAME, name, took);
            match &outcome {
                Ok(_) => info!(took_us = micros(took), "done"),
                Err(r) if matches!(r.class(), Class::Internal | Class::Unavailable) => {
                    warn!(took_us = micros(took), reason = r.reason(), refusal = %r, "failed");
                }
                Err(r) => info!(took_us = micros(took), reason = r.reason(), "refused"),
            }
            outcome
        }
        .instrument(span);
        let outcome = REQUEST.scope(asked.clone(), outcome).await;
        outcome.map(Response::new).map_err(|refusal| asked.refused(&refusal))
    }

    /// A turn to upload: each party has so many.
    pub(super) fn upload_turn(&self, party: &PartyId) -> Result<Turn, Refusal> {
        self.uploads.take(party)
    }
    /// A turn to watch: each party has so many.
    pub(super) fn watch_turn(&self, party: &PartyId) -> Result<Turn, Refusal> {
        self.watchers.take(party)
    }
    /// Counts content that was taken in.
    pub(super) fn content_stored(&self, bytes: u64) {
        self.metrics.content_stored(bytes);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// The call under way.
pub(super) fn current_request() -> Asked {
    REQUEST.try_with(Clone::clone).unwrap_or_default()
}

/// A name for one call, in every line that the exchange logs of it and in every refusal.
pub(super) fn request_id() -> String {
    let mut bytes = [0; 8];
    // A name that repeats is a nuisance, not a danger.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}
