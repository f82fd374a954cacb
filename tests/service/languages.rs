//! In which language an exchange says what it refuses: the caller's, whatever the rest of the answer is.

use communique::{
    client::remote::{Remote, RemoteError},
    domain::{id::Role, message::Tell as _, refusal::Refusal},
    language::Language,
    msg,
    wire::{
        names,
        v1::{
            self, communique_service_client::CommuniqueServiceClient, content_service_client::ContentServiceClient,
            event_service_client::EventServiceClient,
        },
    },
};
use tokio::time::timeout;
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::world::{PATIENCE, World, dial, fresh, outcome};

/// A request with this header, if any.
fn asked<T>(message: T, header: Option<&[u8]>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(header) = header {
        // A value that no program would send, but that HTTP allows.
        let mut headers = http::HeaderMap::new();
        headers.insert("accept-language", http::HeaderValue::from_bytes(header).unwrap());
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    }
    request
}

/// Demands that a status carries this refusal: in this language for people, in English for everybody else.
fn carries(status: &Status, refusal: &Refusal, language: Language) {
    let details = status.get_error_details();
    let localized = details.localized_message().unwrap();
    assert_eq!((&*localized.locale, &*localized.message), (language.tag(), &*language.say(&refusal.message())));
    assert_eq!(status.message(), refusal.to_string());
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, refusal.reason());
    for (name, fact) in refusal.facts() {
        assert_eq!(info.metadata[name], fact.to_string());
    }
}

async fn unknown(channel: &Channel, header: Option<&[u8]>) -> (Status, Refusal) {
    let id = fresh();
    let request = asked(v1::GetCommuniqueRequest { name: names::communique(id) }, header);
    let answer = CommuniqueServiceClient::new(channel.clone()).get_communique(request).await;
    (answer.unwrap_err(), Refusal::not_found(msg!("communiqué"), id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_speaks_the_callers_language() {
    let world = World::new().await;
    let channel = world.channel("north", Role::Official).await;
    for (header, language) in [
        (None, Language::English),
        (Some(&b"en"[..]), Language::English),
        (Some(b"fr"), Language::French),
        (Some(b"ru-RU, en;q=0.5"), Language::Russian),
        (Some(b"de, ar;q=0.3"), Language::Arabic),
        (Some(b"tlh"), Language::English),
        (Some(b";q=;,,=fr"), Language::English),
        (Some(b"\xff\xfe fr"), Language::English),
    ] {
        let (status, refusal) = unknown(&channel, header).await;
        carries(&status, &refusal, language);
    }

    // What tonic itself refuses is of our words too.
    let long = v1::GetCommuniqueRequest { name: "x".repeat(2 << 20) };
    let mut client = CommuniqueServiceClient::new(channel.clone());
    let status = client.get_communique(asked(long, Some(b"fr"))).await.unwrap_err();
    let limit = communique::wire::REQUEST_LIMIT as u64;
    carries(&status, &Refusal::TooLarge { what: msg!("the request message in bytes"), limit }, Language::French);

    // An upload whose first part is not the header.
    let part = Some(v1::upload_content_request::Part::Chunk(b"x".to_vec()));
    let parts = tokio_stream::iter([v1::UploadContentRequest { part }]);
    let status =
        ContentServiceClient::new(channel.clone()).upload_content(asked(parts, Some(b"ru"))).await.unwrap_err();
    carries(&status, &Refusal::malformed("header", msg!("must come first")), Language::Russian);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_in_the_callers_language() {
    let world = World::new().await;
    let channel = world.channel("north", Role::Official).await;
    let mut events = EventServiceClient::new(channel);
    let watched = events.watch(asked(v1::WatchRequest::default(), Some(b"ar"))).await.unwrap();
    let mut watched = watched.into_inner();
    watched.message().await.unwrap();
    let going = world.going_down();
    let end = timeout(PATIENCE, async {
        loop {
            if let Err(status) = watched.message().await {
                return status;
            }
        }
    });
    carries(&end.await.unwrap(), &Refusal::Draining, Language::Arabic);
    drop(watched);
    drop(events);
    going.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_of_any_length_is_bounded() {
    let world = World::new().await;
    let connection = world.connection("north", Role::Official);
    // Within the bound, however many languages it lists.
    let channel = dial(&connection).await.unwrap();
    let (status, refusal) = unknown(&channel, Some("de,".repeat(3000).as_bytes())).await;
    carries(&status, &refusal, Language::English);
    // Beyond it, and the exchange serves on.
    let long = "fr,".repeat(33_000);
    let (status, _) = timeout(PATIENCE, unknown(&channel, Some(long.as_bytes()))).await.unwrap();
    assert!(outcome(&Err::<(), _>(status.clone())) != "NOT_FOUND", "{status:?}");
    let (status, refusal) = unknown(&dial(&connection).await.unwrap(), Some(b"fr")).await;
    carries(&status, &refusal, Language::French);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_hears_what_it_asked_for() {
    let world = World::new().await;
    for language in Language::ALL {
        let mut connection = world.connection("north", Role::Official);
        connection.road = connection.road.speaking(language);
        let remote = Remote::connect(&connection).await.unwrap();
        let id = fresh();
        let refused = remote.communique(id).await.map(drop);
        let Err(RemoteError::Refused { reason, sentence, .. }) = refused else { panic!("{refused:?}") };
        let refusal = Refusal::not_found(msg!("communiqué"), id);
        assert_eq!((&*reason, &*sentence), (refusal.reason(), &*language.say(&refusal.message())));
    }
    world.stop().await;
}
