//! Messages of the contract: which are read as what, and seeds of them.

use std::fmt::Debug;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use communique::{
    domain::{
        refusal::Refusal,
        view::{
            ActView, Attested, CharterView, CommuniqueView, EventView, PowersView, PublicationView, Receipt,
            RemarkView, RevisionView, Summary, WatchItem,
        },
    },
    language::Language,
    wire::{
        convert,
        status::{Answer, LANGUAGE, status},
        v1,
    },
};
use prost::Message;

/// A message that is read reads the same when it is written again; a refusal reaches the caller as it is.
fn round<M, V>(bytes: &[u8])
where
    M: Message + Default + From<V>,
    V: TryFrom<M, Error = Refusal> + Clone + PartialEq + Debug,
{
    let Ok(message) = M::decode(bytes) else { return };
    match V::try_from(message) {
        Ok(view) => {
            let written = M::from(view.clone()).encode_to_vec();
            assert_eq!(V::try_from(M::decode(&written[..]).expect("what was written decodes")), Ok(view));
        }
        Err(refusal) => said(&refusal),
    }
}

/// A refusal becomes a status and an answer that a terminal may show.
pub fn said(refusal: &Refusal) {
    for language in Language::ALL {
        let mut status = status(refusal, "a-request", language);
        status.metadata_mut().insert(LANGUAGE, language.tag().parse().expect("a tag"));
        let answer = Answer::from(&status);
        assert_eq!(answer.reason, Some(refusal.reason()));
        assert!(!answer.sentence.chars().any(|c| c.is_control()), "{answer:?}");
        assert!(!answer.facts.values().any(|fact| fact.chars().any(char::is_control)), "{answer:?}");
    }
}

macro_rules! rounds {
    ($($message:ident $view:ty),+ $(,)?) => {
        /// Reads a message of the kind of this number.
        pub fn check(kind: u8, bytes: &[u8]) {
            let kinds: &[fn(&[u8])] = &[$(round::<v1::$message, $view>,)+ requests, details];
            kinds[usize::from(kind) % kinds.len()](bytes);
        }
    };
}
rounds! {
    Communique CommuniqueView, Charter CharterView, Powers PowersView, Revision RevisionView, Act ActView,
    Event EventView, WatchResponse WatchItem, CommuniqueSummary Summary, Remark RemarkView, Publication PublicationView,
    Receipt Receipt, Adoption Attested, Trust Attested, Revocation Attested,
}

/// What is read without a view of its own.
fn requests(bytes: &[u8]) {
    if let Ok(request) = v1::ListCommuniquesRequest::decode(bytes) {
        match convert::list_filter(&request) {
            Ok((filter, mark)) => {
                let again = convert::list_request(&filter, request.page_size, request.page_token);
                assert_eq!(convert::list_filter(&again), Ok((filter, mark)));
            }
            Err(refusal) => said(&refusal),
        }
    }
    if let Ok(header) = v1::UploadHeader::decode(bytes)
        && let Err(refusal) = convert::upload_header(&header)
    {
        said(&refusal);
    }
    if let Ok(response) = v1::UploadContentResponse::decode(bytes) {
        drop(convert::uploaded(&response));
    }
    if let Ok(response) = v1::ListCommuniquesResponse::decode(bytes) {
        drop(convert::page::<_, Summary>(response.communiques, response.next_page_token));
    }
}

/// The details of a status, as an answer's head carries them.
fn details(bytes: &[u8]) {
    let mut head = http::HeaderMap::new();
    head.insert("grpc-status", 9.into());
    head.insert("grpc-status-details-bin", STANDARD.encode(bytes).parse().expect("base64 can stand in a head"));
    let answer = Answer::of_head(&head).expect("a status");
    assert!(!format!("{}{:?}{:?}", answer.sentence, answer.facts, answer.request_id).chars().any(char::is_control));
}

/// Messages of each kind around what the vectors hold, the kind's number first.
pub fn seeds(statements: &[String], documents: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let holding =
        |what: &'static str| documents.iter().filter(move |d| d.windows(what.len()).any(|w| w == what.as_bytes()));
    let entry = holding("\"previous\":").find(|d| d.len() < 2048).cloned().unwrap_or_default();
    let manifests: Vec<_> = holding("communique.v1.manifest").take(4).cloned().collect();
    let charters: Vec<_> = holding("communique.v1.charter").take(4).cloned().collect();
    let receipt = || Some(v1::Receipt { index: 7, entry: entry.clone(), proof: String::new() });
    let time = Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 });
    let name = "communiques/0197776a-3800-7707-8707-070707070707".to_owned();
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned();
    let escrowed = v1::EscrowedAct { party: "parties/north".into(), act: 6, revision: 1 };
    let mut seeds = vec![];
    let mut add = |kind: u8, bytes: Vec<u8>| seeds.push([&[kind], &bytes[..]].concat());
    for statement in statements.iter().take(60) {
        let statement = statement.clone();
        let revocation = Some(v1::Revocation { statement: statement.clone(), receipt: receipt() });
        let shown = v1::Act {
            view: Some(v1::act::View::Shown(v1::ShownAct { statement: statement.clone(), receipt: receipt() })),
        };
        let sealed = v1::Act { view: Some(v1::act::View::Escrowed(escrowed.clone())) };
        add(4, shown.encode_to_vec());
        add(4, sealed.encode_to_vec());
        add(2, v1::Powers { statement: statement.clone(), receipt: receipt(), revocation }.encode_to_vec());
        add(11, v1::Adoption { statement: statement.clone(), receipt: receipt() }.encode_to_vec());
        for manifest in &manifests {
            let revision = v1::Revision { manifest: manifest.clone(), propose: statement.clone(), receipt: receipt() };
            add(3, revision.encode_to_vec());
            let communique = v1::Communique {
                name: name.clone(),
                state: 2,
                newest: Some(revision),
                opened: receipt(),
                acts: vec![shown.clone(), sealed.clone()],
                ..v1::Communique::default()
            };
            add(0, communique.encode_to_vec());
        }
        for charter in &charters {
            let adoptions = vec![v1::Adoption { statement: statement.clone(), receipt: receipt() }];
            let absent = vec!["parties/north".into()];
            add(
                1,
                v1::Charter { document: charter.clone(), adoptions, receipt: receipt(), in_force_time: time, absent }
                    .encode_to_vec(),
            );
        }
    }
    let logged = v1::LoggedEntry { entry: entry.clone(), objects: vec![b"object".to_vec()] };
    let event = v1::Event { index: 3, view: Some(v1::event::View::Shown(logged)) };
    add(5, event.encode_to_vec());
    let hidden = v1::EscrowedEntry { communique: name.clone(), act: Some(escrowed) };
    add(5, v1::Event { index: 4, view: Some(v1::event::View::Escrowed(hidden)) }.encode_to_vec());
    add(6, v1::WatchResponse { item: Some(v1::watch_response::Item::Event(event)) }.encode_to_vec());
    let beat = v1::watch_response::Item::Heartbeat(v1::Heartbeat { next_index: 9 });
    add(6, v1::WatchResponse { item: Some(beat) }.encode_to_vec());
    for manifest in manifests {
        let row = v1::CommuniqueSummary {
            name: name.clone(),
            state: 1,
            revision: 2,
            manifest: manifest.clone(),
            deadline: time,
            awaited: vec![1, 6],
        };
        add(7, row.encode_to_vec());
        let publication = v1::Publication {
            communique: name.clone(),
            manifest,
            publish_time: time,
            receipt: receipt(),
            package_sha256: digest.clone(),
            package_size: 9,
            rectified_by: name.clone(),
        };
        add(9, publication.encode_to_vec());
    }
    add(8, v1::Remark { document: b"{}".to_vec(), receipt: receipt() }.encode_to_vec());
    add(10, receipt().unwrap_or_default().encode_to_vec());
    let list = v1::ListCommuniquesRequest {
        state: 2,
        page_size: 5,
        page_token: "abc".into(),
        party: "parties/north".into(),
        awaiting: true,
        text: "Étang".into(),
    };
    add(14, list.encode_to_vec());
    add(15, status(&Refusal::Draining, "a-request", Language::French).details().to_vec());
    add(14, v1::UploadHeader { communique: name, sha256: digest, size: 9, offset: 1 }.encode_to_vec());
    seeds
}
