//! Events, streamed: a task for each watcher reads on and fills a bounded queue; the stream empties it. Whoever does not
//! empty it is dropped, with the index from which on nothing was sent.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    call::{Asked, Desk, current_request},
    gate::lock,
    turns::Turn,
};
use crate::{
    domain::{refusal::Refusal, view::WatchItem},
    exchange::{
        Watching,
        access::{ListEvents, Watch},
    },
    wire::{
        names, page,
        v1::{self, event_service_server::EventService},
    },
};

/// Events on their way to one reader: what HTTP/2 has not taken yet.
pub const QUEUE: usize = 64;

/// How a stream of events is kept going.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The longest that nothing is sent.
    pub heartbeat: Duration,
    /// The longest that a full queue may stay full.
    pub patience: Duration,
}

#[tonic::async_trait]
impl EventService for Desk {
    type WatchStream = Events;
    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Events>, Status> {
        self.call::<Watch, _, _, _>(request, |permit, m| async move {
            let of = match m.communique.as_str() {
                "" => None,
                name => Some(names::parse_communique("communique", name)?),
            };
            let turn = self.watch_turn(permit.party())?;
            let watching = self.exchange.watch(permit, m.from_index, of).await?;
            Ok(Events::begin(watching, turn, self.limits.pace, self.draining.clone()))
        })
        .await
    }
    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        self.call::<ListEvents, _, _, _>(request, |permit, m| async move {
            let id = names::parse_communique("parent", &m.parent)?;
            let limit = page::size(m.page_size, self.limits.pages)?;
            let after = page::after_marked(&m.page_token, "")?.unwrap_or(0);
            let found = self.exchange.events(permit, id, after, limit).await?;
            let (events, next_page_token) = page::fill_placed(found, "");
            Ok(v1::ListEventsResponse { events, next_page_token })
        })
        .await
    }
}

/// The stream of one watcher.
pub struct Events {
    queue: Option<mpsc::Receiver<WatchItem>>,
    /// Why the task stopped; told before what is still in the queue.
    ended: Arc<Mutex<Option<End>>>,
    /// From which index on nothing was sent.
    next: u64,
    request: Asked,
}

/// How a task of a watcher ends.
#[derive(Debug)]
enum End {
    /// Its queue stayed full.
    Slow,
    /// Anything else, in words.
    Refused(Refusal),
}

impl Events {
    fn begin(watching: Watching, turn: Turn, pace: Pace, draining: CancellationToken) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let (next, ended) = (watching.next_index(), Arc::default());
        let feed = Feed { watching, queue: sender, pace, draining };
        let told: Arc<Mutex<Option<End>>> = Arc::clone(&ended);
        tokio::spawn(async move {
            // The turn is the task's: it is given back when nothing is read on any more.
            let _turn = turn;
            feed.run(&told).await;
        });
        Self { queue: Some(queue), ended, next, request: current_request() }
    }
}

impl Stream for Events {
    type Item = Result<v1::WatchResponse, Status>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(queue) = &mut self.queue else { return Poll::Ready(None) };
        let polled = queue.poll_recv(cx);
        // A reader that was too slow is not sent the rest first: it would be slow with that too.
        let ended = {
            let mut ended = lock(&self.ended);
            let now = matches!(*ended, Some(End::Slow)) || matches!(polled, Poll::Ready(None));
            if now { ended.take() } else { None }
        };
        if let Some(end) = ended {
            self.queue = None;
            let refusal = match end {
                End::Slow => Refusal::SlowReader { next_index: self.next },
                End::Refused(refusal) => refusal,
            };
            return Poll::Ready(Some(Err(self.request.refused(&refusal))));
        }
        polled.map(|item| {
            let item = item?;
            self.next = match &item {
                WatchItem::Event(event) => event.index + 1,
                WatchItem::Heartbeat(next) => *next,
            };
            Some(Ok(item.into()))
        })
    }
}

/// What fills the queue.
struct Feed {
    watching: Watching,
    queue: mpsc::Sender<WatchItem>,
    pace: Pace,
    draining: CancellationToken,
}

impl Feed {
    async fn run(mut self, told: &Mutex<Option<End>>) {
        let reader_left = self.queue.clone();
        let draining = self.draining.clone();
        let end = tokio::select! {
            () = reader_left.closed() => return,
            () = draining.cancelled() => End::Refused(Refusal::Draining),
            end = self.feed() => end,
        };
        // Before the queue closes, which is what wakes the stream.
        *lock(told) = Some(end);
    }

    /// Feeds until there is a reason to stop.
    async fn feed(&mut self) -> End {
        let mut sent = self.watching.next_index();
        if let Err(end) = self.send(WatchItem::Heartbeat(sent)).await {
            return end;
        }
        let mut beat = Instant::now() + self.pace.heartbeat;
        loop {
            let events = tokio::select! {
                events = self.watching.events() => match events {
                    Ok(events) => events,
                    Err(refusal) => return End::Refused(refusal),
                },
                () = sleep_until(beat) => vec![],
            };
            let silent = events.is_empty() && Instant::now() >= beat;
            for event in events {
                sent = event.index + 1;
                if let Err(end) = self.send(WatchItem::Event(event)).await {
                    return end;
                }
                beat = Instant::now() + self.pace.heartbeat;
            }
            let next = self.watching.next_index();
            if next > sent || silent {
                sent = next;
                if let Err(end) = self.send(WatchItem::Heartbeat(next)).await {
                    return end;
                }
                beat = Instant::now() + self.pace.heartbeat;
            }
        }
    }

    async fn send(&self, item: WatchItem) -> Result<(), End> {
        match timeout(self.pace.patience, self.queue.send(item)).await {
            Err(_) => Err(End::Slow),
            // Nobody reads any more, and nobody hears this.
            Ok(sent) => sent.map_err(|_| End::Refused(Refusal::Draining)),
        }
    }
}
