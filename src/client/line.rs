//! One line to the exchange under all calls: it connects again when it must, goes on to the next address, and sends a call again
//! where that is safe.
//!
//! Every call may be sent twice: reading changes nothing, and the exchange answers the same bytes as it did the first time. Only what
//! says that trying later may help is sent again, a bounded number of times, with jitter, out of a budget that answered calls fill:
//! an exchange in trouble gets less, not more.

use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use http_body::{Body as _, Frame};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, timeout};
use tonic::{
    Code,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt as _};

use super::{
    remote::{RemoteError, in_words},
    road::Dialler,
};
use crate::{
    domain::{message::Message, refusal::Refusal},
    language::Language,
    msg,
    wire::{
        REQUEST_LIMIT,
        status::{Answer, drop_broken_details, note_asked},
    },
};

/// How often one call is sent at most.
const TRIES: u32 = 4;
/// After this no call is sent again, however often it was.
const TRY_WITHIN: Duration = Duration::from_secs(20);
/// The first wait before a call is sent again, at most; each further one may be twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// What the budget holds at most; sending again takes [`RESEND_COST`], an answer gives 1 back.
const BUDGET: u32 = 100;
/// What sending one call again takes from the budget.
const RESEND_COST: u32 = 10;

type Failed = Box<dyn Error + Send + Sync>;
type Outcome = Result<Response<Body>, Failed>;

/// Marks a request whose body is a stream, which cannot be sent again from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed;

/// The line. Cheap to clone; calls share it.
#[derive(Clone)]
pub struct Line {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    dialler: Arc<Dialler>,
    /// The connection in use, and how many there were before it.
    current: Mutex<(u64, Channel)>,
    budget: Mutex<Budget>,
}

/// What may be spent on sending again: answers fill it, so that calls that fail one and all are soon sent once each.
struct Budget(u32);

impl Budget {
    fn full() -> Self {
        Self(BUDGET)
    }
    /// Takes the cost of sending once more, if it is there.
    fn spend(&mut self) -> bool {
        let rest = self.0.checked_sub(RESEND_COST);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
    fn earn(&mut self) {
        self.0 = (self.0 + 1).min(BUDGET);
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("road", self.inner.dialler.road()).finish_non_exhaustive()
    }
}

/// What an outcome says about sending the same again.
enum Verdict {
    /// It is the answer.
    Final,
    /// Nothing was sent, or it was refused unread; the wait that was asked for.
    Undone(Option<Duration>),
    /// It may have been done.
    Doubtful,
}

impl Line {
    /// Connects: the first address that answers.
    pub(super) async fn connect(dialler: Dialler, server_name: &str) -> Result<Self, RemoteError> {
        // The addresses share this time; each has its own share of it within the dialler.
        let patience = dialler.road().whole_patience() + Duration::from_secs(1);
        let (silence, answer) = dialler.road().silence();
        let endpoint = Endpoint::from_shared(format!("http://{server_name}"))
            .map_err(|e| Refusal::malformed(msg!("exchange name"), Message::words(e.to_string())))?
            .connect_timeout(patience)
            .http2_keep_alive_interval(silence)
            .keep_alive_timeout(answer)
            .keep_alive_while_idle(true);
        let dialler = Arc::new(dialler);
        let connecting = endpoint.connect_with_connector(connector(dialler.clone()));
        match timeout(patience, connecting).await {
            Ok(Ok(channel)) => {
                let (current, budget) = (Mutex::new((0, channel)), Mutex::new(Budget::full()));
                Ok(Self { inner: Arc::new(Inner { endpoint, dialler, current, budget }) })
            }
            Ok(Err(e)) => {
                let why = in_words(&e).unwrap_or_else(|| Message::words(Answer::unconnected(&e).sentence));
                Err(RemoteError::Unreachable(why))
            }
            Err(_) => Err(RemoteError::Unreachable(msg!("no answer within {seconds} s", seconds = patience.as_secs()))),
        }
    }

    fn channel(&self) -> (u64, Channel) {
        self.inner.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Leaves the connection of this number for the next address, if there is another.
    fn move_on(&self, from: u64) {
        if self.inner.dialler.road().addresses().len() == 1 {
            return;
        }
        let mut current = self.inner.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == from {
            self.inner.dialler.move_on();
            let channel = self.inner.endpoint.connect_with_connector_lazy(connector(self.inner.dialler.clone()));
            *current = (from + 1, channel);
        }
    }
    /// Leaves the connection in use for the next address, if there is another.
    pub(super) fn elsewhere(&self) {
        self.move_on(self.channel().0);
    }
    /// Waits before the try of this number, from 1, and not always for as long.
    pub(super) async fn pause(&self, attempt: u32, asked: Option<Duration>) {
        sleep(asked.unwrap_or_default() + jittered(FIRST_WAIT.saturating_mul(1 << attempt.min(6)))).await;
    }

    fn may_resend(&self) -> bool {
        self.inner.budget.lock().unwrap_or_else(PoisonError::into_inner).spend()
    }
    fn answered(&self) {
        self.inner.budget.lock().unwrap_or_else(PoisonError::into_inner).earn();
    }

    async fn carry(self, request: Request<Body>) -> Outcome {
        let language = self.inner.dialler.road().language();
        let (mut parts, body) = request.into_parts();
        note_asked(&mut parts.headers, language);
        if parts.extensions.get::<Streamed>().is_some() {
            let (_, channel) = self.channel();
            return once(channel, Request::from_parts(parts, body), language).await;
        }
        let body = whole(body).await?;
        let began = Instant::now();
        let mut doubt: Option<Outcome> = None;
        for attempt in 1.. {
            let (number, channel) = self.channel();
            let request = Request::from_parts(parts.clone(), Body::new(Whole(Some(body.clone()))));
            let outcome = once(channel, request, language).await;
            let verdict = self.judge(&outcome, doubt.is_some());
            if matches!(verdict, Verdict::Final) {
                self.answered();
                return outcome;
            }
            if attempt >= TRIES || began.elapsed() > TRY_WITHIN || !self.may_resend() {
                // That the last one was not sent says nothing of those before it.
                return doubt.unwrap_or(outcome);
            }
            let asked = match verdict {
                Verdict::Undone(asked) => asked,
                _ => {
                    doubt.get_or_insert(outcome);
                    None
                }
            };
            self.move_on(number);
            self.pause(attempt, asked).await;
        }
        Err("no attempt was made".into())
    }

    fn judge(&self, outcome: &Outcome, doubted: bool) -> Verdict {
        let answer = match outcome {
            Ok(response) => Answer::of_head(response.headers()),
            Err(e) if Answer::is_unsent(&**e) => return Verdict::Undone(None),
            // The deadline of the call is over, and with it the time for trying.
            Err(e) if late(&**e) => return Verdict::Final,
            Err(_) => return Verdict::Doubtful,
        };
        let Some(answer) = answer else { return Verdict::Final };
        let several = self.inner.dialler.road().addresses().len() > 1;
        match answer.code {
            Code::Unavailable if answer.outcome_unknown() => Verdict::Doubtful,
            Code::Unavailable if answer.retryable() || several || doubted => Verdict::Undone(answer.retry_after),
            // Refused before it was looked at: what became of it the first time is still not known.
            Code::ResourceExhausted | Code::Unauthenticated if doubted => Verdict::Undone(None),
            _ => Verdict::Final,
        }
    }
}

impl Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}

fn connector(
    dialler: Arc<Dialler>,
) -> impl Service<Uri, Response = TokioIo<super::road::Ahead>, Error = std::io::Error, Future: Send> + Send + 'static {
    tower::service_fn(move |_: Uri| {
        let dialler = dialler.clone();
        Box::pin(async move { dialler.dial().await.map(TokioIo::new) })
    })
}

async fn once(mut channel: Channel, request: Request<Body>, language: Language) -> Outcome {
    let mut response = channel.ready().await?.call(request).await?;
    drop_broken_details(response.headers_mut());
    note_asked(response.headers_mut(), language);
    Ok(response.map(|body| Body::new(Readable(body, language))))
}

/// The body of an answer whose trailers can be read.
struct Readable(Body, Language);

impl http_body::Body for Readable {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut frame = std::task::ready!(Pin::new(&mut self.0).poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            drop_broken_details(trailers);
            note_asked(trailers, self.1);
        }
        Poll::Ready(frame)
    }
    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

fn late(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&e| e.source()).any(<dyn Error>::is::<tonic::TimeoutExpired>)
}

/// A random part of a time.
fn jittered(most: Duration) -> Duration {
    let mut random = [0; 4];
    // Without randomness it waits for as long as it may.
    if getrandom::fill(&mut random).is_err() {
        return most;
    }
    most.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}

/// The body of a request that is one message, whole.
async fn whole(mut body: Body) -> Result<Bytes, Failed> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            if bytes.len() + data.len() > REQUEST_LIMIT + FRAMING {
                return Err(
                    Refusal::TooLarge { what: msg!("the request in bytes"), limit: REQUEST_LIMIT as u64 }.into()
                );
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// What gRPC puts before a message, in bytes.
const FRAMING: usize = 5;

/// Those bytes, once.
struct Whole(Option<Bytes>);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_ends_and_answers_fill_it() {
        let mut budget = Budget::full();
        budget.earn();
        let spent = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(spent, (BUDGET / RESEND_COST) as usize);
        for _ in 1..RESEND_COST {
            budget.earn();
            assert!(!budget.spend());
        }
        budget.earn();
        assert!(budget.spend());
    }

    #[test]
    fn waits_differ_and_stay_below_their_bound() {
        let waits: std::collections::BTreeSet<_> = (0..100).map(|_| jittered(FIRST_WAIT)).collect();
        assert!(waits.len() > 50 && waits.iter().all(|wait| *wait <= FIRST_WAIT));
    }

    /// One frame of trailers.
    struct Trailers(Option<http::HeaderMap>);
    impl http_body::Body for Trailers {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.take().map(|trailers| Ok(Frame::trailers(trailers))))
        }
    }

    #[tokio::test]
    async fn trailers_that_would_panic_are_mended() {
        let trailers = [("grpc-status", "9"), ("grpc-status-details-bin", "-")]
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        let mut body = Readable(Body::new(Trailers(Some(trailers.into_iter().collect()))), Language::French);
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        let trailers = frame.into_trailers().unwrap();
        // The broken details are gone; the language that was asked for is noted.
        assert_eq!(
            trailers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(),
            ["grpc-status", "accept-language"]
        );
    }

    #[tokio::test]
    async fn a_body_is_taken_whole_and_not_without_end() {
        let once = |size: usize| Body::new(Whole(Some(Bytes::from(vec![1; size]))));
        assert_eq!(whole(once(1000)).await.unwrap().len(), 1000);
        assert!(whole(once(REQUEST_LIMIT + FRAMING)).await.is_ok());
        assert!(whole(once(REQUEST_LIMIT + FRAMING + 1)).await.is_err());
    }
}
