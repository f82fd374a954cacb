//! Serving: the door, the services and every limit of HTTP/2 that tonic leaves unset; and going down in order.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::HeaderValue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, transport::Server};
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::{Service, layer::layer_fn, util::MapResponseLayer};
use tracing::{info, warn};

use super::{
    call::{Desk, request_id},
    gate::Gate,
    listener::{self, incoming},
};
use crate::{
    domain::time::Time,
    wire::{
        DESCRIPTORS, REQUEST_LIMIT, TIME_HEADER,
        status::{asked, in_our_words},
        v1::{
            charter_service_server::CharterServiceServer, communique_service_server::CommuniqueServiceServer,
            content_service_server::ContentServiceServer, event_service_server::EventServiceServer,
            log_service_server::LogServiceServer, powers_service_server::PowersServiceServer,
            publication_service_server::PublicationServiceServer,
        },
    },
};

/// Streams that a peer may reset before it is thought to attack (CVE-2023-44487) and cut.
const RESETS: usize = 32;
/// Bytes in flight on one stream, and on one connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// What one connection may take, and how the server goes down.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Before anybody is known.
    pub door: listener::Limits,
    /// Calls at once on one connection.
    pub streams_per_connection: u32,
    /// Bytes of a header list.
    pub header_bytes: u32,
    /// Between keepalive pings, and for their answer.
    pub keepalive: Duration,
    /// Age at which a connection is asked to end.
    pub connection_age: Duration,
    /// For open calls to end once the server goes down.
    pub drain: Duration,
}

/// Serves until `shutdown`, then drains: no new connection, open calls end or are cut at the deadline.
///
/// # Errors
/// What tonic fails with.
pub async fn serve<H: Health>(
    desk: Desk,
    health: HealthServer<H>,
    gate: Arc<Gate>,
    listener: TcpListener,
    limits: Limits,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    let reflection = match reflection {
        Ok(service) => Some(service),
        Err(error) => {
            warn!(%error, "no reflection");
            None
        }
    };
    let clock = desk.exchange.clone();
    let served = Server::builder()
        .max_concurrent_streams(limits.streams_per_connection)
        .concurrency_limit_per_connection(limits.streams_per_connection as usize)
        .http2_max_header_list_size(limits.header_bytes)
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .http2_max_local_error_reset_streams(Some(RESETS))
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_connection_age(limits.connection_age)
        .layer(layer_fn(Worded))
        .layer(MapResponseLayer::new(move |response| timed::<Body>(response, clock.now())))
        .add_service(health)
        .add_optional_service(reflection)
        .add_service(CharterServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_LIMIT))
        .add_service(PowersServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_LIMIT))
        .add_service(CommuniqueServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_LIMIT))
        .add_service(ContentServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_LIMIT))
        .add_service(EventServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_LIMIT))
        .add_service(LogServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_LIMIT))
        .add_service(PublicationServiceServer::new(desk).max_decoding_message_size(REQUEST_LIMIT))
        .serve_with_incoming_shutdown(
            incoming(gate.clone(), listener, limits.door, shutdown.clone()),
            shutdown.clone().cancelled_owned(),
        );
    draining(served, &gate, limits.drain, shutdown).await
}

/// Puts what tonic itself refuses into our words, in the language of whoever called.
#[derive(Clone)]
struct Worded<S>(S);

impl<S, B> Service<http::Request<B>> for Worded<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let language = asked(request.headers());
        let answer = self.0.call(request);
        Box::pin(async move { Ok(in_our_words(answer.await?, request_id, language)) })
    }
}

/// Says in every answer what the exchange's clock shows.
fn timed<B>(mut response: http::Response<B>, now: Time) -> http::Response<B> {
    if let Ok(value) = HeaderValue::try_from(now.to_string()) {
        response.headers_mut().insert(TIME_HEADER, value);
    }
    response
}

async fn draining<T>(served: impl Future<Output = T>, gate: &Gate, drain: Duration, shutdown: CancellationToken) -> T {
    tokio::pin!(served);
    tokio::select! {
        done = &mut served => return done,
        () = async { shutdown.cancelled().await; tokio::time::sleep(drain).await } => {}
    }
    let cut = gate.cut_all();
    info!(cut, "drained: connections still open were cut");
    served.await
}
