//! The whole job over the wire: from the first draft to a package that verifies, with a declination on the way, a quorum of
//! two, signatures in escrow, an embargo, and the exchange going down in the middle.

use std::{collections::BTreeMap, io::Cursor};

use communique::{
    client::{reading, session::Session},
    domain::{
        act::ActKind,
        document::Document,
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest, Role},
        life::{Life, State},
        manifest::{Initialling, Manifest},
        register::PartyRecord,
        view::{ListFilter, PublicationView, Receipt},
        words::Prose,
    },
    exchange::ports::{ListingQuery, Store as _},
    package::{
        verdict::Verdict,
        verify::{text, verify},
    },
    store::sqlite::{Options, SqliteStore},
    wire::{
        names,
        v1::{
            self, communique_service_client::CommuniqueServiceClient, content_service_client::ContentServiceClient,
            event_service_client::EventServiceClient, powers_service_client::PowersServiceClient,
            publication_service_client::PublicationServiceClient,
        },
    },
};
use prost::Message;
use tonic::{Response, Status};

use crate::world::{NAMED, World, bare, circumstances, key, now, outcome, reason, sign, until};

/// Everything that a party can be told of a communiqué, in the bytes of the answers, refusals included.
async fn told(world: &World, of: &str, id: CommuniqueId, digests: &[Digest]) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut hear = |answer: Result<Vec<u8>, Status>| heard.extend(said(answer));
    fn bytes<M: Message>(answer: Result<Response<M>, Status>) -> Result<Vec<u8>, Status> {
        answer.map(|r| {
            format!("{:?}", r.metadata()).into_bytes().into_iter().chain(r.get_ref().encode_to_vec()).collect()
        })
    }
    let channel = world.channel(of, Role::System).await;
    let mut communiques = CommuniqueServiceClient::new(channel.clone());
    let mut powers = PowersServiceClient::new(channel.clone());
    let mut content = ContentServiceClient::new(channel.clone());
    let mut events = EventServiceClient::new(channel.clone());
    let mut publications = PublicationServiceClient::new(channel);
    let (name, parent) = (names::communique(id), names::communique(id));
    hear(bytes(communiques.get_communique(v1::GetCommuniqueRequest { name: name.clone() }).await));
    hear(bytes(communiques.list_communiques(v1::ListCommuniquesRequest::default()).await));
    for revision in 1..=4 {
        let request = v1::GetRevisionRequest { name: names::revision(id, revision) };
        hear(bytes(communiques.get_revision(request).await));
    }
    let request = v1::ListRevisionsRequest { parent: parent.clone(), ..Default::default() };
    hear(bytes(communiques.list_revisions(request).await));
    hear(bytes(communiques.list_acts(v1::ListActsRequest { parent: parent.clone(), ..Default::default() }).await));
    // Row by row, as a page ends in other places then.
    let mut page_token = String::new();
    loop {
        let request = v1::ListActsRequest { parent: parent.clone(), page_size: 1, page_token };
        let answer = communiques.list_acts(request).await;
        page_token = answer.as_ref().map(|r| r.get_ref().next_page_token.clone()).unwrap_or_default();
        hear(bytes(answer));
        if page_token.is_empty() {
            break;
        }
    }
    hear(bytes(
        communiques.list_remarks(v1::ListRemarksRequest { parent: parent.clone(), ..Default::default() }).await,
    ));
    hear(bytes(events.list_events(v1::ListEventsRequest { parent, ..Default::default() }).await));
    // All of the log that it is told, as far as it goes now.
    let end = u64::try_from(world.stored()[0]).unwrap();
    let mut stream = events.watch(v1::WatchRequest { from_index: Some(0), communique: String::new() }).await.unwrap();
    loop {
        let message = stream.get_mut().message().await.unwrap().unwrap();
        let next = match message.item.as_ref().unwrap() {
            v1::watch_response::Item::Event(event) => event.index + 1,
            v1::watch_response::Item::Heartbeat(beat) => beat.next_index,
        };
        hear(Ok(message.encode_to_vec()));
        if next >= end {
            break;
        }
    }
    hear(bytes(publications.get_publication(v1::GetPublicationRequest { communique: name.clone() }).await));
    hear(bytes(publications.list_publications(v1::ListPublicationsRequest::default()).await));
    let package = v1::DownloadPackageRequest { communique: name.clone(), offset: 0 };
    hear(bytes_of(publications.download_package(package).await).await);
    for digest in digests {
        // A refusal repeats the digest that it was asked for: that tells nothing.
        let asked = said(bytes(powers.get_powers(v1::GetPowersRequest { digest: digest.to_string() }).await));
        heard.extend(without(asked, digest));
        let (communique, sha256) = (name.clone(), digest.to_string());
        let request = v1::DownloadContentRequest { communique, sha256, offset: 0 };
        let asked = said(bytes_of(content.download_content(request).await).await);
        heard.extend(without(asked, digest));
    }
    heard
}

/// The bytes of an answer, or all that a refusal says.
fn said(answer: Result<Vec<u8>, Status>) -> Vec<u8> {
    answer.unwrap_or_else(|status| {
        let sentence = format!("{:?} {} {:?}", status.code(), status.message(), status.metadata());
        sentence.into_bytes().into_iter().chain(status.details().to_vec()).collect()
    })
}

fn without(mut bytes: Vec<u8>, digest: &Digest) -> Vec<u8> {
    let digest = digest.to_string();
    while let Some(at) = bytes.windows(digest.len()).position(|window| window == digest.as_bytes()) {
        bytes.drain(at..at + digest.len());
    }
    bytes
}

async fn bytes_of<M: Message>(answer: Result<Response<tonic::Streaming<M>>, Status>) -> Result<Vec<u8>, Status> {
    let (mut stream, mut all) = (answer?.into_inner(), Vec::new());
    while let Some(message) = stream.message().await? {
        all.extend(message.encode_to_vec());
    }
    Ok(all)
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Whether anything of a signature is in there: the statement, its payload, its signature, its digest.
fn betrayed(heard: &[u8], compact: &str) -> Option<String> {
    let digest = Digest::of(compact.as_bytes()).to_string();
    compact.split('.').skip(1).chain([digest.as_str()]).find(|part| holds(heard, part.as_bytes())).map(str::to_owned)
}

async fn package(session: &Session, id: CommuniqueId) -> Vec<u8> {
    let mut bytes = Vec::new();
    session.remote().download_package(id, &mut bytes, &|_| ()).await.unwrap();
    bytes
}

async fn state(world: &World, id: CommuniqueId) -> State {
    world.remote("south").await.communique(id).await.unwrap().state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_first_draft_to_a_package_that_verifies() {
    let world = World::new().await;
    let first = world.draft(&NAMED, |_| ()).await;
    let id = first.communique;
    let second = world.revise("south.a", &first, "Deuxième texte.\n").await;
    let opening = world.open(&second).await;
    assert_eq!(state(&world, id).await, State::Open);

    // North signs; East declines: back to drafting, and the escrow is sealed.
    let sealed = sign(world.act(ActKind::Sign, "north.a", &second, Some(opening)), &key("north.a"));
    world.carry("north", &sealed).await.unwrap();
    let east = world.session("east", Role::Official).await;
    let reading = east.read(id).await.unwrap();
    assert_eq!(reading.escrowed, [crate::world::party("north")]);
    let reasons = Some(Prose::new("Le deuxième alinéa.").unwrap());
    let why = communique::client::acting::Circumstances { reason: reasons, ..circumstances() };
    east.act(&reading, ActKind::Decline, &world.granted("east.a"), &key("east.a"), why).await.unwrap();
    let reading = east.read(id).await.unwrap();
    assert_eq!((reading.state, reading.declined), (State::Drafting, true));
    let refused = world.submit("south.a", world.act(ActKind::Sign, "south.a", &second, Some(opening))).await;
    assert_eq!(reason(&refused), "NOT_NOW");

    let third = world.revise("north.b", &second, "Troisième texte.\n").await;
    let opening = world.open(&third).await;

    // Escrow. South has not signed: of the others' signatures it sees that they are there, and nothing else.
    let mut signatures = Vec::new();
    for who in ["north.a", "north.b", "east.a"] {
        let compact = sign(world.act(ActKind::Sign, who, &third, Some(opening)), &key(who));
        let receipt = world.carry(crate::world::party_of(who), &compact).await.unwrap();
        signatures.push((compact, receipt));
    }
    let digests: Vec<_> = [&sealed]
        .into_iter()
        .chain(signatures.iter().map(|(compact, _)| compact))
        .map(|c| Digest::of(c.as_bytes()))
        .collect();
    let heard = told(&world, "south", id, &digests).await;
    for compact in signatures.iter().map(|(compact, _)| compact).chain([&sealed]) {
        assert_eq!(betrayed(&heard, compact), None, "South is shown what lies in escrow");
    }
    // What North hears holds its own and not East's: the search finds what there is to find.
    let heard = told(&world, "north", id, &digests).await;
    assert!(betrayed(&heard, &signatures[0].0).is_some() && betrayed(&heard, &signatures[2].0).is_none());
    let south = world.session("south", Role::Official).await;
    let reading = south.read(id).await.unwrap();
    assert_eq!(reading.escrowed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["north", "north", "east"]);
    assert_eq!(south.history(id).await.unwrap().escrowed.len(), 4, "with the one that was sealed");
    assert_eq!(reason(&world.remote("south").await.publish(id).await), "NOT_NOW");

    // The exchange goes down and comes back: nothing has changed.
    let before = (seen(&world, id).await, world.stored());
    world.stop().await;
    world.start().await;
    assert_eq!((seen(&world, id).await, world.stored()), before, "a restart changed something");

    // South's is the last: it completes, and the acts leave the escrow. What was sealed stays so.
    let last = sign(world.act(ActKind::Sign, "south.a", &third, Some(opening)), &key("south.a"));
    let receipt = world.carry("south", &last).await.unwrap();
    assert_eq!(state(&world, id).await, State::Complete);
    let heard = told(&world, "south", id, &digests).await;
    for (compact, _) in &signatures {
        assert!(holds(&heard, compact.as_bytes()));
    }
    assert_eq!(betrayed(&heard, &sealed), None, "a signature on a declined revision was shown");

    // Repeats, after completion and by the bytes: the first receipts.
    assert_eq!(bare(world.carry("south", &last).await.unwrap()), bare(receipt));
    let [(first_signature, first_receipt), ..] = &signatures[..] else { panic!() };
    assert_eq!(bare(world.carry("north", first_signature).await.unwrap()), bare(first_receipt.clone()));

    published(&world, &third).await;
    rebuilt(world).await;
}

/// What every party sees, without what differs from call to call.
async fn seen(world: &World, id: CommuniqueId) -> Vec<String> {
    let mut seen = Vec::new();
    for of in NAMED {
        let remote = world.remote(of).await;
        seen.push(format!("{:?}", remote.communique(id).await.unwrap()));
        seen.push(format!("{:?}", remote.acts(id).await.unwrap()));
        seen.push(format!("{:?}", remote.revisions(id).await.unwrap()));
        seen.push(format!("{:?}", remote.communiques(&ListFilter::default()).await.unwrap()));
        seen.push(format!("{:?}", remote.events(id).await.unwrap()));
        seen.push(format!("{:?}", remote.powers_list(None).await.unwrap()));
        seen.push(format!("{:?}", remote.trusts().await.unwrap()));
        seen.push(format!("{:?}", remote.charter(None).await.unwrap()));
    }
    seen
}

/// Publishes, and verifies what an archivist of a party that signed nothing downloads.
async fn published(world: &World, manifest: &Document<Manifest>) {
    let id = manifest.communique;
    let archivist = world.session("west", Role::Archivist).await;
    assert_eq!(reason(&archivist.publication(id).await), "NOT_FOUND", "complete is not published");
    let north = world.session("north", Role::Official).await;
    let bare = |view: PublicationView| PublicationView { receipt: bare(view.receipt), ..view };
    let publication = bare(north.publish(id).await.unwrap());
    let stored = world.stored();
    let again = world.session("east", Role::System).await.publish(id).await.unwrap();
    assert_eq!(bare(again), publication, "the same answer");
    assert_eq!(world.stored(), stored);
    assert_eq!(state(world, id).await, State::Published);
    assert_eq!(archivist.publication(id).await.unwrap(), publication);
    assert_eq!(archivist.remote().publications().await.unwrap(), std::slice::from_ref(&publication));
    assert_eq!(reason(&archivist.remote().communique(id).await), "NOT_PERMITTED");

    let bytes = package(&archivist, id).await;
    assert_eq!((Digest::of(&bytes), bytes.len() as u64), publication.package);
    assert_eq!(package(&north, id).await, bytes);
    let verdict = verify(Cursor::new(&bytes), Some(world.pinned.founding()));
    let Verdict::Proven(findings) = &verdict else { panic!("{verdict:?}") };
    assert_eq!((findings.communique, findings.revision, findings.manifest), (id, 3, manifest.digest()));
    let signed: Vec<_> = findings
        .parties
        .iter()
        .map(|p| (p.id.as_str(), p.signatories.iter().map(|s| s.deed.holder.as_str()).collect::<Vec<_>>()))
        .collect();
    let (a, b) = ("holder.a", "holder.b");
    assert_eq!(signed, [("north", vec![a, b]), ("south", vec![a]), ("east", vec![a])]);
    let fr = "fr".parse().unwrap();
    assert_eq!(text(Cursor::new(&bytes), findings, &fr).unwrap(), "Troisième texte.\n");
    assert_eq!(verify(Cursor::new(&bytes), None).exit_code(), 3, "without a pin nothing is proven");
    assert_eq!(verify(Cursor::new(&bytes), Some(Digest::of(b"another charter"))).exit_code(), 1);
    let mut forged = bytes.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    assert_eq!(verify(Cursor::new(&forged), Some(world.pinned.founding())).exit_code(), 1);
    // A text, by the client that checks it against the manifest.
    let texts = north.texts(manifest).await.unwrap();
    assert_eq!(texts[&fr], "Troisième texte.\n");
    assert!(reading::texts(manifest, BTreeMap::from([(fr, b"Autre.\n".to_vec())])).is_err());
}

/// The log alone tells what the exchange tells: every projection is rebuilt from it.
async fn rebuilt(world: World) {
    let mut listed = BTreeMap::new();
    for of in ["north", "south", "east", "west"] {
        for row in world.remote(of).await.communiques(&ListFilter::default()).await.unwrap() {
            listed.insert(row.communique, (row.state, row.revision, row.manifest));
        }
    }
    let grants: Vec<_> = world.remote("north").await.powers_list(None).await.unwrap();
    let trusts: Vec<_> = world.remote("north").await.trusts().await.unwrap();
    world.stop().await;

    let store = SqliteStore::open(&world.config.data.log(), Options::default()).unwrap();
    let mut log = Vec::new();
    loop {
        let batch = store.log(log.len() as u64, 7).await.unwrap();
        if batch.is_empty() {
            break;
        }
        log.extend(batch);
    }
    let mut lives: BTreeMap<CommuniqueId, Life> = BTreeMap::new();
    let mut records: BTreeMap<_, PartyRecord> = BTreeMap::new();
    for (n, stored) in log.iter().enumerate() {
        assert_eq!((stored.index, stored.digest), (n as u64, Digest::of(&stored.bytes)));
        match &stored.entry.stream {
            StreamId::Exchange => assert!(matches!(stored.entry.kind, Kind::Charter | Kind::Adoption)),
            StreamId::Party(id) => records.entry(id.clone()).or_default().apply(stored.recorded()).unwrap(),
            StreamId::Remarks(id) => panic!("nobody remarked on {id}"),
            StreamId::Communique(id) => lives.entry(*id).or_default().apply(stored.recorded()).unwrap(),
        }
    }
    assert!(log.is_sorted_by_key(|stored| stored.entry.time));

    let folded: BTreeMap<_, _> = lives
        .iter()
        .map(|(id, life)| {
            let newest = &life.newest().unwrap().manifest;
            (*id, (life.state(), newest.revision, newest.bytes().to_vec()))
        })
        .collect();
    assert_eq!(folded, listed, "what the list says is not what the log says");
    for (id, life) in &lives {
        let newest = &life.newest().unwrap().manifest;
        let rows = store.listings(ListingQuery { limit: 1000, ..Default::default() }).await.unwrap();
        let row = rows.iter().find(|row| row.communique == *id).unwrap();
        assert_eq!(
            (row.state, row.revision, row.manifest, &row.parties),
            (life.state(), newest.revision, newest.digest(), &newest.parties)
        );
    }
    let receipt =
        |index: u64| Receipt { index, entry: log[usize::try_from(index).unwrap()].bytes.clone(), proof: None };
    let mut held: Vec<_> =
        records.values().flat_map(|r| r.grants().values().map(|g| (g.place.index, g.compact.clone()))).collect();
    held.sort();
    assert_eq!(held, grants.iter().map(|g| (g.receipt.index, g.statement.clone())).collect::<Vec<_>>());
    assert!(grants.iter().all(|g| g.receipt == receipt(g.receipt.index)));
    let held: Vec<_> = records.values().filter_map(PartyRecord::trusted).map(|t| t.compact.clone()).collect();
    assert_eq!(held, trusts.iter().map(|t| t.statement.clone()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initialling_waived_and_an_embargo_honoured() {
    let world = World::new().await;
    let embargo = now().plus(3);
    let manifest = world
        .draft(&["east", "south"], |m| {
            m.procedure.initialling = Initialling::Waived;
            m.procedure.embargo = Some(embargo);
        })
        .await;
    let id = manifest.communique;
    let east = world.session("east", Role::Official).await;
    let reading = east.read(id).await.unwrap();
    assert_eq!(reading.opening, None);
    east.act(&reading, ActKind::Open, &world.granted("east.a"), &key("east.a"), circumstances()).await.unwrap();
    let opening = east.read(id).await.unwrap().opening.unwrap();
    world.sign_all(&manifest, opening).await;

    assert_eq!(reason(&east.publish(id).await), "EMBARGOED");
    let west = world.channel("west", Role::Archivist).await;
    let request = || v1::GetPublicationRequest { communique: names::communique(id) };
    assert_eq!(outcome(&PublicationServiceClient::new(west).get_publication(request()).await), "NOT_FOUND");
    until("the embargo", || async { now() >= embargo }).await;
    east.publish(id).await.unwrap();
    let bytes = package(&*world.session("west", Role::Archivist).await, id).await;
    let verdict = verify(Cursor::new(bytes), Some(world.pinned.founding()));
    assert_eq!(verdict.exit_code(), 0, "{verdict:?}");
    assert!(verdict.findings().unwrap().published >= embargo);
    world.stop().await;
}
