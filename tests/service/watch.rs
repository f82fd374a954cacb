//! What happens, as it happens: every entry that a party may see, once, in order, after any break; remarks; the filters of the
//! list.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use communique::{
    client::remote::{RemoteError, Watched},
    domain::{
        act::ActKind,
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest, Role, Salt},
        json,
        manifest::{Initialling, Manifest},
        remark::{Audience, Remark},
        statement::Type,
        view::{EventView, Happening, ListFilter, Receipt, WatchItem},
        words::{Line, Names, Prose, Sought},
    },
    exchange::ports::Machine as _,
    wire::{
        names,
        status::Answer,
        v1::{
            self, communique_service_client::CommuniqueServiceClient, event_service_client::EventServiceClient,
            watch_response::Item,
        },
    },
};
use tokio::time::{sleep, timeout};

use crate::world::{NAMED, PATIENCE, World, bare, fresh, key, leaf, now, outcome, party, reason, sign, until};

/// Far less than a heartbeat's pause: what is logged, or passed over, is told at once.
const SOON: Duration = Duration::from_secs(15);

/// A remark as a party's system would make it now; no two are the same.
pub fn remark(world: &World, of: &str, manifest: &Manifest, audience: Audience, text: &str) -> Document<Remark> {
    Document::of(&Remark {
        r#type: Type::of::<Remark>(),
        salt: Salt::new(communique::app::machine::ThisMachine.random()),
        founding: world.pinned.founding(),
        exchange: world.pinned.exchange().clone(),
        communique: manifest.communique,
        revision: manifest.revision,
        party: party(of),
        author: Line::new("Secrétariat (exemple)").unwrap(),
        audience,
        lang: None,
        text: Prose::new(text).unwrap(),
        time: now(),
    })
    .unwrap()
}

async fn say(world: &World, of: &str, manifest: &Manifest, audience: Audience, text: &str) -> Receipt {
    world.remote(of).await.add_remark(remark(world, of, manifest, audience, text).bytes()).await.unwrap()
}

/// Where the log ends.
fn end(world: &World) -> u64 {
    u64::try_from(world.stored()[0]).unwrap()
}

/// A watcher and what it has heard.
struct Reader {
    stream: Watched,
    next: u64,
    heard: Vec<EventView>,
}

impl Reader {
    async fn from(world: &World, of: &str, from: u64, only: Option<CommuniqueId>) -> Self {
        let stream = world.remote(of).await.watch(Some(from), only).await.unwrap();
        Self { stream, next: from, heard: vec![] }
    }
    async fn item(&mut self) -> Result<(), RemoteError> {
        match timeout(SOON, self.stream.next()).await.expect("an event or a heartbeat, at once")? {
            WatchItem::Event(event) => {
                assert!(event.index >= self.next, "{} after {}", event.index, self.next);
                self.next = event.index + 1;
                self.heard.push(event);
            }
            WatchItem::Heartbeat(next) => {
                assert!(next >= self.next, "a heartbeat of {next} after {}", self.next);
                self.next = next;
            }
        }
        Ok(())
    }
    async fn until(&mut self, end: u64) {
        while self.next < end {
            self.item().await.unwrap();
        }
    }
    /// Why it ends, once it does.
    async fn ends(mut self) -> (RemoteError, u64, Vec<EventView>) {
        loop {
            if let Err(error) = self.item().await {
                return (error, self.next, self.heard);
            }
        }
    }
}

/// What an event is, in one word.
fn word(event: &EventView) -> String {
    match &event.happening {
        Happening::Escrowed { party, act, revision, .. } => format!("{party} {act} {revision} in escrow"),
        Happening::Shown(logged) => {
            let entry: Entry = json::parse(&logged.entry).unwrap();
            let named: Vec<_> = entry.documents.iter().chain(&entry.statements).copied().collect();
            assert_eq!(named, logged.objects.iter().map(|o| Digest::of(o)).collect::<Vec<_>>());
            let kind = serde_json::to_value(entry.kind).unwrap();
            kind.as_str().unwrap().to_owned()
        }
    }
}

fn words(events: &[EventView]) -> Vec<String> {
    events.iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_party_hears_what_it_may_see_once_and_in_order() {
    let world = World::new().await;
    let founded = end(&world);
    let mut readers = BTreeMap::new();
    for of in ["north", "south", "east", "west"] {
        let mut reader = Reader::from(&world, of, 0, None).await;
        reader.until(founded).await;
        // The registers are every party's to see.
        assert_eq!(reader.heard.len() as u64, founded, "{of}");
        assert!(reader.heard.iter().all(|e| matches!(e.happening, Happening::Shown(_))));
        reader.heard.clear();
        readers.insert(of, reader);
    }
    /// After each step all hear of it: what they hear does not hang on how fast they are.
    async fn all(world: &World, readers: &mut BTreeMap<&str, Reader>) {
        for reader in readers.values_mut() {
            reader.until(end(world)).await;
        }
    }
    let m = world.draft(&NAMED, |_| ()).await;
    all(&world, &mut readers).await;
    say(&world, "north", &m, Audience::All, "Le deuxième alinéa manque.").await;
    say(&world, "south", &m, Audience::Own, "Rester ferme sur ce point.").await;
    all(&world, &mut readers).await;
    let opening = world.open(&m).await;
    all(&world, &mut readers).await;
    let mut signatures = vec![];
    for who in ["north.a", "south.a"] {
        let signature = sign(world.act(ActKind::Sign, who, &m, Some(opening)), &key(who));
        let receipt = world.carry(&who[..5], &signature).await.unwrap();
        signatures.push((signature, receipt));
        all(&world, &mut readers).await;
    }
    for who in ["north.b", "east.a"] {
        world.sign_for(who, &m, opening).await;
        all(&world, &mut readers).await;
    }
    world.remote("north").await.publish(m.communique).await.unwrap();
    all(&world, &mut readers).await;

    let expect = |of: &str| -> Vec<String> {
        let sign = |by: &str| if by == of { "act".into() } else { format!("{by} sign 1 in escrow") };
        let mut all: Vec<String> = vec!["revision".into(), "remark".into()];
        all.extend((of == "south").then(|| "remark".to_owned()));
        all.extend(["act", "act", "act", "opened"].map(str::to_owned));
        // The last signature completes it: it is nobody's secret any more.
        all.extend([sign("north"), sign("south"), sign("north"), "act".into(), "completed".into(), "published".into()]);
        all
    };
    for of in NAMED {
        assert_eq!(words(&readers[of].heard), expect(of), "{of}");
    }
    assert_eq!(words(&readers["west"].heard), ["published"], "a party that it does not name");
    // Nothing of a signature in escrow reached another party before all had signed.
    let completed = |heard: &[EventView]| heard.iter().position(|e| word(e) == "completed").unwrap();
    for (of, (signature, receipt)) in [("south", &signatures[0]), ("north", &signatures[1])] {
        let heard = &readers[of].heard;
        let before = format!("{:?}", &heard[..completed(heard)]);
        let entry: Entry = json::parse(&receipt.entry).unwrap();
        assert!(!before.contains(&format!("{:?}", signature.as_bytes())));
        for secret in [Digest::of(signature.as_bytes()).to_string(), String::from(entry.salt)] {
            assert!(!before.contains(&secret), "{of} heard of another's signature");
        }
        // The completion brings all of them.
        let Happening::Shown(logged) = &heard[completed(heard)].happening else { panic!() };
        assert!(logged.objects.contains(&signature.as_bytes().to_vec()));
    }
    // Read again from the start, all is there; and the entries of the communiqué alone are the same.
    let mut again = Reader::from(&world, "east", founded, None).await;
    again.until(end(&world)).await;
    assert!(again.heard.iter().all(|e| matches!(e.happening, Happening::Shown(_))), "{:?}", words(&again.heard));
    let mut only = Reader::from(&world, "east", 0, Some(m.communique)).await;
    only.until(end(&world)).await;
    assert_eq!(only.heard, again.heard);
    let listed = world.remote("east").await.events(m.communique).await.unwrap();
    let of_life: Vec<_> = again.heard.iter().filter(|e| word(e) != "remark").cloned().collect();
    assert_eq!(listed, of_life);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_break_nothing_is_lost_and_nothing_comes_twice() {
    let world = Arc::new(World::new().await);
    let m = Arc::new(world.draft(&NAMED, |_| ()).await);
    // What South may see and what it may not, mixed, while it reads.
    let writing = tokio::spawn({
        let (world, m) = (world.clone(), m.clone());
        async move {
            for n in 0..60 {
                let (of, audience) =
                    [("north", Audience::All), ("north", Audience::Own), ("south", Audience::Own)][n % 3];
                say(&world, of, &m, audience, &format!("Remarque {n}.")).await;
            }
        }
    });
    let (mut next, mut heard, mut breaks, mut dice) = (0, vec![], 0, 7_u64);
    while !writing.is_finished() || next < end(&world) {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut reader = Reader::from(&world, "south", next, None).await;
        for _ in 0..(dice >> 33) % 9 {
            if reader.next >= end(&world) {
                break;
            }
            reader.item().await.unwrap();
        }
        next = reader.next;
        heard.extend(reader.heard);
        breaks += 1;
    }
    writing.await.unwrap();
    let mut whole = Reader::from(&world, "south", 0, None).await;
    whole.until(end(&world)).await;
    assert!(breaks > 10, "{breaks}");
    assert_eq!(heard, whole.heard);
    assert_eq!(words(&heard).iter().filter(|w| *w == "remark").count(), 40);
    drop((whole, world));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_says_that_it_lives_and_ends_when_it_must() {
    let world = World::with(|config| {
        config.limits.heartbeat_seconds = 1;
        config.limits.watchers_per_party = 3;
    })
    .await;
    let m = world.draft(&["north", "south"], |_| ()).await;
    let at = end(&world);
    let raw = |of: &'static str| async { EventServiceClient::new(world.channel(of, Role::System).await) };
    let ask = |from_index, communique: String| v1::WatchRequest { from_index, communique };

    // From now on: the first word is where that is. Then it lives, though nothing happens.
    let mut stream = raw("south").await.watch(ask(None, String::new())).await.unwrap().into_inner();
    for n in 0..3 {
        let began = tokio::time::Instant::now();
        let item = timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap().item;
        assert_eq!(item, Some(Item::Heartbeat(v1::Heartbeat { next_index: at })));
        assert!(n == 0 || began.elapsed() > Duration::from_millis(500), "a heartbeat too many");
    }
    // What it may not see moves the resume point at once.
    say(&world, "north", &m, Audience::Own, "Entre nous.").await;
    let moved = async {
        loop {
            let item = stream.message().await.unwrap().unwrap().item;
            if item == Some(Item::Heartbeat(v1::Heartbeat { next_index: at + 1 })) {
                return;
            }
            assert_eq!(item, Some(Item::Heartbeat(v1::Heartbeat { next_index: at })));
        }
    };
    timeout(PATIENCE, moved).await.unwrap();

    // Beyond the end, and what is not for the caller.
    let refused = |of, from, id: String| {
        let raw = raw(of);
        async move { outcome(&raw.await.watch(ask(from, id)).await) }
    };
    assert_eq!(refused("south", Some(at + 1), String::new()).await, "OK", "the end itself");
    assert_eq!(refused("south", Some(at + 2), String::new()).await, "MALFORMED");
    assert_eq!(refused("west", Some(0), names::communique(m.communique)).await, "NOT_FOUND");
    assert_eq!(refused("south", Some(0), names::communique(fresh())).await, "NOT_FOUND");

    // So many watchers, and a place is given back.
    let mut held = vec![];
    for _ in 0..2 {
        held.push(raw("south").await.watch(ask(None, String::new())).await.unwrap());
    }
    until("its places are taken", || async { refused("south", None, String::new()).await == "BUSY" }).await;
    assert_eq!(refused("north", None, String::new()).await, "OK", "another party's places");
    drop(held);
    until("a place is free", || async { refused("south", None, String::new()).await == "OK" }).await;

    // Who is no longer trusted hears no more.
    let shut_out = world.issue("east", Role::System, "x");
    let channel = crate::world::dial(&world.connection_with(&shut_out)).await.unwrap();
    let mut cut = EventServiceClient::new(channel).watch(ask(None, String::new())).await.unwrap().into_inner();
    assert!(cut.message().await.unwrap().is_some());
    let carrier = world.session("north", Role::Authority).await;
    let trust = world.trust("east", 2, &[&world.authorities["east"]], &[leaf(&shut_out)]);
    carrier.submit_trust(trust.compact()).await.unwrap();
    let cut = async { while let Ok(Some(_)) = cut.message().await {} };
    timeout(PATIENCE, cut).await.expect("the stream is cut");

    // Going down ends it, in words, before the drain's deadline would.
    let mut reader = Reader::from(&world, "north", 0, None).await;
    reader.until(at).await;
    let served = world.going_down();
    let (error, next, _) = reader.ends().await;
    assert_eq!(reason::<()>(&Err(error)), "DRAINING");
    assert!(next >= at);
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_dropped_and_goes_on_from_where_it_was() {
    let world = World::with(|config| config.limits.slow_reader_seconds = 1).await;
    let m = world.draft(&["north", "south"], |_| ()).await;
    let mut client = EventServiceClient::new(world.channel("south", Role::System).await);
    let request = v1::WatchRequest { from_index: Some(0), communique: String::new() };
    let mut stream = client.watch(request).await.unwrap().into_inner();
    // More than the queue, the window and the buffers hold, and nobody reads.
    let words = "Trop long. ".repeat(1400);
    for _ in 0..220 {
        say(&world, "north", &m, Audience::All, words.trim_end()).await;
    }
    sleep(Duration::from_secs(3)).await;
    let (mut heard, mut next) = (vec![], 0);
    let error = loop {
        match timeout(PATIENCE, stream.message()).await.unwrap() {
            Ok(Some(message)) => match WatchItem::try_from(message).unwrap() {
                WatchItem::Event(event) => {
                    next = event.index + 1;
                    heard.push(event);
                }
                WatchItem::Heartbeat(reached) => next = reached,
            },
            Ok(None) => panic!("it ended well"),
            Err(status) => break status,
        }
    };
    let answer = Answer::from(&error);
    assert_eq!((answer.reason, error.code()), (Some("SLOW_READER"), tonic::Code::ResourceExhausted));
    assert_eq!(answer.facts["next_index"], next.to_string());
    assert!(next < end(&world), "it was told all the same");
    let mut rest = Reader::from(&world, "south", next, None).await;
    rest.until(end(&world)).await;
    heard.extend(rest.heard);
    let mut whole = Reader::from(&world, "south", 0, None).await;
    whole.until(end(&world)).await;
    assert!(heard == whole.heard, "{} of {} events", heard.len(), whole.heard.len());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remarks_are_said_once_and_read_by_whom_they_are_for() {
    let world = World::new().await;
    let first = world.draft(&NAMED, |_| ()).await;
    let to_all = remark(&world, "north", &first, Audience::All, "À tous.");
    let within = remark(&world, "south", &first, Audience::Own, "Entre nous.");
    let (north, south) = (world.remote("north").await, world.remote("south").await);
    let receipt = north.add_remark(to_all.bytes()).await.unwrap();
    south.add_remark(within.bytes()).await.unwrap();
    let second = world.revise("south.a", &first, "Deuxième texte.\n").await;
    let on_second = remark(&world, "east", &second, Audience::All, "Mieux.");
    world.remote("east").await.add_remark(on_second.bytes()).await.unwrap();
    // The same again is the first answer; in every state, and of a revision that was overtaken.
    let opening = world.open(&second).await;
    world.sign_all(&second, opening).await;
    let stored = world.stored();
    assert_eq!(bare(north.add_remark(to_all.bytes()).await.unwrap()), bare(receipt));
    assert_eq!(world.stored(), stored);
    let late = remark(&world, "north", &first, Audience::All, "Pour mémoire.");
    north.add_remark(late.bytes()).await.unwrap();

    for (of, revision, expected) in [
        ("north", None, vec![&to_all, &on_second, &late]),
        ("south", None, vec![&to_all, &within, &on_second, &late]),
        ("east", Some(1), vec![&to_all, &late]),
        ("south", Some(2), vec![&on_second]),
        ("south", Some(3), vec![]),
    ] {
        let session = world.session(of, Role::Official).await;
        let read = session.remarks(first.communique, revision).await.unwrap();
        let read: Vec<_> = read.iter().map(|(remark, _)| remark).collect();
        assert_eq!(read, expected, "{of} {revision:?}");
    }
    // Page by page, over what is passed over; a token goes with its revision.
    let mut client = CommuniqueServiceClient::new(world.channel("north", Role::System).await);
    let (mut pages, mut page_token) = (vec![], String::new());
    loop {
        let parent = names::communique(first.communique);
        let request = v1::ListRemarksRequest { parent, page_size: 1, page_token, revision: 0 };
        let page = client.list_remarks(request.clone()).await.unwrap().into_inner();
        pages.extend(page.remarks.into_iter().map(|r| r.document));
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
        let other = v1::ListRemarksRequest { page_token: page_token.clone(), revision: 1, ..request };
        assert_eq!(outcome(&client.list_remarks(other).await), "MALFORMED");
    }
    assert_eq!(pages, [&to_all, &on_second, &late].map(|r| r.bytes().to_vec()));
    // The life of the communiqué does not know of them.
    let entries = world.remote("east").await.events(first.communique).await.unwrap();
    let of = |e: &EventView| match &e.happening {
        Happening::Shown(logged) => json::parse::<Entry>(&logged.entry).unwrap(),
        Happening::Escrowed { .. } => panic!(),
    };
    assert!(
        entries.iter().map(of).all(|e| e.kind != Kind::Remark && e.stream == StreamId::Communique(first.communique))
    );
    north.publish(first.communique).await.unwrap();
    north.add_remark(remark(&world, "north", &second, Audience::Own, "Enfin.").bytes()).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_filtered_and_its_pages_hold_while_it_changes() {
    let world = World::new().await;
    let titled = |m: &mut Manifest, words: &str| {
        m.titles = Names::new([("fr".parse().unwrap(), Line::new(words).unwrap())]).unwrap();
    };
    let a = world.draft(&["north", "south"], |m| titled(m, "Sur l’Étang commun")).await;
    let b = world.draft(&NAMED, |m| titled(m, "Sur les pêcheries")).await;
    let c = world.draft(&["south", "east"], |m| titled(m, "Sur l’étang voisin")).await;
    let d = world.draft(&NAMED, |m| m.procedure.initialling = Initialling::Waived).await;
    let deadline = now().plus(3600);
    let e = world.draft(&["north", "east"], |m| m.procedure.deadline = Some(deadline)).await;
    let opening = world.open(&e).await;
    world.submit("south.a", world.act(ActKind::Initial, "south.a", &b, None)).await.unwrap();

    let ids = async |of: &str, filter: ListFilter| -> Vec<CommuniqueId> {
        let rows = world.remote(of).await.communiques(&filter).await.unwrap();
        rows.iter().map(|row| row.communique).collect()
    };
    let all = ListFilter::default;
    let text = |words: &str| ListFilter { text: Some(Sought::new(words).unwrap()), ..all() };
    let awaiting = || ListFilter { awaiting: true, ..all() };
    let id = |m: &Document<Manifest>| m.communique;
    assert_eq!(ids("south", all()).await, [id(&a), id(&b), id(&c), id(&d)]);
    assert_eq!(ids("south", text("ÉTANG")).await, [id(&a), id(&c)]);
    assert_eq!(ids("north", text("étang")).await, [id(&a)], "a title that is not for the caller");
    let with = |p: &str| ListFilter { party: Some(party(p)), ..all() };
    assert_eq!(ids("north", with("east")).await, [id(&b), id(&d), id(&e)]);
    assert_eq!(ids("north", with("west")).await, []);
    let open = ListFilter { state: Some("open".parse().unwrap()), ..all() };
    assert_eq!(ids("north", open.clone()).await, [id(&e)]);
    assert_eq!(ids("north", ListFilter { text: Some(Sought::new("pêch").unwrap()), ..with("east") }).await, [id(&b)]);
    // South has initialled b; d waits for its proposer alone.
    assert_eq!(ids("south", awaiting()).await, [id(&a), id(&c)]);
    assert_eq!(ids("north", awaiting()).await, [id(&a), id(&b), id(&d), id(&e)]);
    let rows = world.remote("north").await.communiques(&awaiting()).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|r| (r.awaited.clone(), r.deadline)).collect();
    let (initial, sign_it) = (vec![ActKind::Initial], vec![ActKind::Sign]);
    let expected =
        [(initial.clone(), None), (initial, None), (vec![ActKind::Open], None), (sign_it.clone(), Some(deadline))];
    assert_eq!(shown, expected);
    // North's quorum is two.
    world.sign_for("north.a", &e, opening).await;
    assert_eq!(ids("north", open.clone()).await, [id(&e)]);
    assert_eq!(world.remote("north").await.communiques(&open).await.unwrap()[0].awaited, sign_it);
    world.sign_for("north.b", &e, opening).await;
    assert!(!ids("north", awaiting()).await.contains(&id(&e)));

    // Page by page, while rows change and come: none is skipped, none comes twice.
    let mut client = CommuniqueServiceClient::new(world.channel("north", Role::System).await);
    let request = v1::ListCommuniquesRequest { awaiting: true, page_size: 1, ..Default::default() };
    let first = client.list_communiques(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.communiques[0].name, names::communique(id(&a)));
    let token = first.next_page_token;
    for other in [
        v1::ListCommuniquesRequest { page_token: token.clone(), ..Default::default() },
        v1::ListCommuniquesRequest { page_token: token.clone(), text: "Sur".into(), ..request.clone() },
        v1::ListCommuniquesRequest { page_token: token.clone(), state: 1, ..request.clone() },
        v1::ListCommuniquesRequest { page_token: token.clone(), party: "parties/east".into(), ..request.clone() },
    ] {
        assert_eq!(outcome(&client.list_communiques(other).await), "MALFORMED", "a token of other filters");
    }
    world.submit("north.a", world.act(ActKind::Initial, "north.a", &a, None)).await.unwrap();
    let f = world.draft(&["south", "north"], |_| ()).await;
    let (mut rest, mut page_token) = (vec![], token);
    while !page_token.is_empty() {
        let request = v1::ListCommuniquesRequest { page_token, ..request.clone() };
        let page = client.list_communiques(request).await.unwrap().into_inner();
        rest.extend(page.communiques.into_iter().map(|row| row.name));
        page_token = page.next_page_token;
    }
    assert_eq!(rest, [&b, &d, &f].map(|m| names::communique(id(m))));
    world.stop().await;
}
