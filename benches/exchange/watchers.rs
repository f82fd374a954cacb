//! A thousand watchers of one log.

use std::{sync::Arc, time::Instant};

use communique::{
    domain::{act::ActKind, id::Role},
    wire::v1::{
        SubmitActRequest, WatchRequest, communique_service_client::CommuniqueServiceClient,
        event_service_client::EventServiceClient, watch_response::Item,
    },
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    PARTIES,
    connections::REST,
    course::Course,
    figures::Run,
    process::Process,
    world::{PATIENCE, World, dial, key, sign},
};

const WATCHERS: usize = 1_000;
/// Watchers on one connection.
const TOGETHER: usize = 50;
/// Acts that they are told.
pub const ACTS: usize = 40;

/// From the moment an act on one of the communiqués from this one on is sent until each watcher has its event; and what a watcher holds in the server.
pub async fn fan_out(world: &World, course: &Course, from: u64) {
    let places = WATCHERS / PARTIES.len();
    let process = Process::start(world, &[("COMMUNIQUE__LIMITS__WATCHERS_PER_PARTY", places.to_string())]);
    let (told, mut hears) = mpsc::unbounded_channel();
    let mut lines = Vec::new();
    for n in 0..WATCHERS / TOGETHER {
        let connection = world.connection_to(process.address, PARTIES[n % PARTIES.len()], Role::Official);
        lines.push(dial(&connection).await.unwrap());
    }
    tokio::time::sleep(REST).await;
    let before = process.resident();
    for n in 0..WATCHERS {
        let mut service = EventServiceClient::new(lines[n % lines.len()].clone());
        let mut events = service.watch(WatchRequest::default()).await.unwrap().into_inner();
        let told = told.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = events.message().await {
                if matches!(message.item, Some(Item::Event(_))) {
                    let _ = told.send(Instant::now());
                }
            }
        });
    }
    tokio::time::sleep(REST).await;
    println!("a watcher: {:.1} kB", (process.resident() - before) / 1e3 / WATCHERS as f64);

    let who = format!("{}.a", PARTIES[1]);
    let mut service = CommuniqueServiceClient::new(lines[1].clone());
    let (mut each, wall) = (Vec::new(), Instant::now());
    for n in 0..ACTS {
        let act = world.act(ActKind::Initial, &who, &course.manifest(from + n as u64), None);
        let statement = sign(act, &key(&who));
        let began = Instant::now();
        service.submit_act(SubmitActRequest { statement }).await.unwrap();
        for _ in 0..WATCHERS {
            let at = timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
            each.push(at - began);
        }
    }
    each.sort();
    let run = Arc::new(Run { wall: wall.elapsed(), each });
    println!("fan-out of an act to {WATCHERS} watchers: {}", run.told());
    println!("fan_out_p99_ms: {:.1}", run.micros(0.99) / 1e3);
}
