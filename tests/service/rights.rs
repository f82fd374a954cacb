//! Who may call what: every method of every service, called as every role, as strangers and as a party that it does not
//! concern. The table is written by hand: it is what the contract says, not what the code says.

use std::collections::BTreeSet;

use communique::{
    domain::{
        act::ActKind,
        charter::Charter,
        document::Document,
        id::{Digest, Role},
        manifest::Manifest,
        remark::Audience,
        trust::Trust,
    },
    exchange::access::RIGHTS,
    wire::{
        DESCRIPTORS, names,
        v1::{
            self, charter_service_client::CharterServiceClient, communique_service_client::CommuniqueServiceClient,
            content_service_client::ContentServiceClient, event::View, event_service_client::EventServiceClient,
            log_service_client::LogServiceClient, powers_service_client::PowersServiceClient,
            publication_service_client::PublicationServiceClient, upload_content_request::Part, watch_response::Item,
        },
    },
};
use prost::Message as _;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use crate::course::{adoption, revocation, successor};
use crate::watch::remark;
use crate::witness::{cosign, newest};
use crate::world::{NAMED, World, authority, claims, dial, domain_of, fresh, issue, key, now, outcome, sign, until};

/// Method; the roles that may call it; what a party that it does not concern is answered.
const TABLE: &[(&str, &str, &str)] = &[
    ("CharterService/GetCharter", "system official authority witness archivist", "OK"),
    ("CharterService/ListCharters", "system official authority witness archivist", "OK"),
    ("CharterService/ProposeCharter", "system authority", "OK"),
    ("CharterService/SubmitAdoption", "system authority", "OK"),
    ("CharterService/SubmitTrust", "system authority", "OK"),
    ("CharterService/ListTrust", "system official authority", "OK"),
    ("PowersService/SubmitPowers", "system authority", "NOT_YOUR_PARTY"),
    ("PowersService/SubmitRevocation", "system authority", "NOT_YOUR_PARTY"),
    ("PowersService/ListPowers", "system official authority", "OK"),
    ("PowersService/GetPowers", "system official authority", "OK"),
    ("CommuniqueService/ProposeRevision", "system official", "NOT_YOUR_PARTY"),
    ("CommuniqueService/SubmitAct", "system official", "NOT_YOUR_PARTY"),
    ("CommuniqueService/GetCommunique", "system official", "NOT_FOUND"),
    ("CommuniqueService/ListCommuniques", "system official", "OK, but for it"),
    ("CommuniqueService/GetRevision", "system official", "NOT_FOUND"),
    ("CommuniqueService/ListRevisions", "system official", "NOT_FOUND"),
    ("CommuniqueService/ListActs", "system official", "NOT_FOUND"),
    ("CommuniqueService/PublishCommunique", "system official", "NOT_FOUND"),
    ("CommuniqueService/AddRemark", "system official", "NOT_YOUR_PARTY"),
    ("CommuniqueService/ListRemarks", "system official", "NOT_FOUND"),
    ("ContentService/UploadContent", "system official", "OK"),
    ("ContentService/GetUpload", "system official", "OK, but for it"),
    ("ContentService/DownloadContent", "system official", "NOT_FOUND"),
    ("PublicationService/GetPublication", "system official archivist", "OK"),
    ("PublicationService/ListPublications", "system official archivist", "OK"),
    ("PublicationService/DownloadPackage", "system official archivist", "OK"),
    ("EventService/Watch", "system official", "OK, but for it"),
    ("EventService/ListEvents", "system official", "NOT_FOUND"),
    ("LogService/GetCheckpoint", "system official authority witness archivist", "OK"),
    ("LogService/GetInclusionProof", "system official authority witness archivist", "OK"),
    ("LogService/GetConsistencyProof", "system official authority witness archivist", "OK"),
    ("LogService/ListDigests", "system official authority witness archivist", "OK"),
    // West has no witness.
    ("LogService/SubmitCosignature", "witness", "NOT_FOUND"),
];

/// Every method of the contract, from the contract.
fn methods() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    services.flat_map(|s| s.method.iter().map(move |m| format!("{}/{}", s.name(), m.name()))).collect()
}

fn roles(row: &str) -> Vec<Role> {
    row.split(' ').map(|role| role.parse().unwrap()).collect()
}

#[test]
fn the_table_the_contract_and_the_code_name_the_same_methods() {
    let table: BTreeSet<_> = TABLE.iter().map(|(method, ..)| (*method).to_owned()).collect();
    assert_eq!(table, methods(), "a method without a row, or a row without a method");
    let coded: BTreeSet<_> = RIGHTS.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(table, coded);
    for (method, row, _) in TABLE {
        let (_, coded) = RIGHTS.iter().find(|(name, _)| name == method).unwrap();
        let sorted = |roles: &[Role]| roles.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&roles(row)), sorted(coded), "{method}");
    }
}

/// A published communiqué of North, South and East, and the statements that made it.
struct Scene {
    manifest: Document<Manifest>,
    proposal: String,
    signature: String,
    powers: String,
    revocation: String,
    trust: String,
    /// Put forward, and adopted by North alone.
    next: Document<Charter>,
    adoption: String,
    remark: Vec<u8>,
    text: &'static [u8],
    /// North's, of the head of this size.
    cosignature: (u64, String),
}

impl Scene {
    async fn of(world: &World) -> Self {
        let text = "Texte d'essai.\n";
        let manifest = Document::of(&world.manifest(fresh(), &NAMED, text)).unwrap();
        world.upload("north", manifest.communique, text.as_bytes()).await.unwrap();
        let proposal = sign(world.act(ActKind::Propose, "north.a", &manifest, None), &key("north.a"));
        world.carry_proposal("north", manifest.bytes(), &proposal).await.unwrap();
        let opening = world.open(&manifest).await;
        let signature = sign(world.act(ActKind::Sign, "north.a", &manifest, Some(opening)), &key("north.a"));
        world.carry("north", &signature).await.unwrap();
        for who in ["north.b", "south.a", "east.a"] {
            world.sign_for(who, &manifest, opening).await;
        }
        world.remote("south").await.publish(manifest.communique).await.unwrap();
        world.grant("north.spare", world.terms("north", "spare")).await;
        let revocation = revocation(world, "north.spare").compact().to_owned();
        let authority = world.session("north", Role::Authority).await;
        authority.remote().submit_revocation(&revocation).await.unwrap();
        let next = successor(world, |c| c.witnesses = 1);
        let adoption = adoption(world, &next, "north", "authority of north");
        authority.remote().propose_charter(next.bytes(), &adoption).await.unwrap();
        // What is called last must be what was logged last.
        let remark = remark_of(world, &manifest).await;
        let trusts = world.remote("north").await.trusts().await.unwrap();
        let ours = trusts.iter().find(|t| claims::<Trust>(&t.statement).party.as_str() == "north");
        Self {
            manifest,
            proposal,
            signature,
            powers: world.granted("north.a").compact().to_owned(),
            revocation,
            trust: ours.unwrap().statement.clone(),
            next,
            adoption,
            remark,
            text: text.as_bytes(),
            cosignature: {
                let head = newest(world, "north").await;
                (head.checkpoint().size(), cosign(&head, "north", now()))
            },
        }
    }

    /// Calls a method with a request that North may make. What was stored stays as it was: each is an exact repeat.
    async fn call(&self, channel: Channel, method: &str) -> Result<String, Status> {
        let id = self.manifest.communique;
        let name = names::communique(id);
        let sha256 = Digest::of(self.text).to_string();
        let mut charters = CharterServiceClient::new(channel.clone());
        let mut powers = PowersServiceClient::new(channel.clone());
        let mut communiques = CommuniqueServiceClient::new(channel.clone());
        let mut content = ContentServiceClient::new(channel.clone());
        let mut events = EventServiceClient::new(channel.clone());
        let mut log = LogServiceClient::new(channel.clone());
        let mut publications = PublicationServiceClient::new(channel);
        let ok = "OK".to_owned();
        match method {
            "CharterService/GetCharter" => {
                charters.get_charter(v1::GetCharterRequest { name: "charters/1".into() }).await.map(|_| ok)
            }
            "CharterService/ListCharters" => {
                charters.list_charters(v1::ListChartersRequest::default()).await.map(|_| ok)
            }
            "CharterService/ProposeCharter" => {
                let (document, adoption) = (self.next.bytes().to_vec(), self.adoption.clone());
                charters.propose_charter(v1::ProposeCharterRequest { document, adoption }).await.map(|_| ok)
            }
            "CharterService/SubmitAdoption" => {
                let statement = self.adoption.clone();
                charters.submit_adoption(v1::SubmitAdoptionRequest { statement }).await.map(|_| ok)
            }
            "CharterService/SubmitTrust" => {
                charters.submit_trust(v1::SubmitTrustRequest { statement: self.trust.clone() }).await.map(|_| ok)
            }
            "CharterService/ListTrust" => charters.list_trust(v1::ListTrustRequest::default()).await.map(|_| ok),
            "PowersService/SubmitPowers" => {
                powers.submit_powers(v1::SubmitPowersRequest { statement: self.powers.clone() }).await.map(|_| ok)
            }
            "PowersService/SubmitRevocation" => {
                let statement = self.revocation.clone();
                powers.submit_revocation(v1::SubmitRevocationRequest { statement }).await.map(|_| ok)
            }
            "PowersService/ListPowers" => powers.list_powers(v1::ListPowersRequest::default()).await.map(|_| ok),
            "PowersService/GetPowers" => {
                let digest = Digest::of(self.powers.as_bytes()).to_string();
                powers.get_powers(v1::GetPowersRequest { digest }).await.map(|_| ok)
            }
            "CommuniqueService/ProposeRevision" => {
                let (manifest, propose) = (self.manifest.bytes().to_vec(), self.proposal.clone());
                communiques.propose_revision(v1::ProposeRevisionRequest { manifest, propose }).await.map(|_| ok)
            }
            "CommuniqueService/SubmitAct" => {
                let statement = self.signature.clone();
                communiques.submit_act(v1::SubmitActRequest { statement }).await.map(|_| ok)
            }
            "CommuniqueService/GetCommunique" => {
                communiques.get_communique(v1::GetCommuniqueRequest { name }).await.map(|_| ok)
            }
            "CommuniqueService/ListCommuniques" => {
                let page = communiques.list_communiques(v1::ListCommuniquesRequest::default()).await?.into_inner();
                Ok(if page.communiques.iter().any(|c| c.name == name) { ok } else { "OK, but for it".into() })
            }
            "CommuniqueService/GetRevision" => {
                let name = names::revision(id, 1);
                communiques.get_revision(v1::GetRevisionRequest { name }).await.map(|_| ok)
            }
            "CommuniqueService/ListRevisions" => {
                let request = v1::ListRevisionsRequest { parent: name, ..Default::default() };
                communiques.list_revisions(request).await.map(|_| ok)
            }
            "CommuniqueService/ListActs" => {
                let request = v1::ListActsRequest { parent: name, ..Default::default() };
                communiques.list_acts(request).await.map(|_| ok)
            }
            "CommuniqueService/PublishCommunique" => {
                communiques.publish_communique(v1::PublishCommuniqueRequest { name }).await.map(|_| ok)
            }
            "CommuniqueService/AddRemark" => {
                communiques.add_remark(v1::AddRemarkRequest { document: self.remark.clone() }).await.map(|_| ok)
            }
            "CommuniqueService/ListRemarks" => {
                let request = v1::ListRemarksRequest { parent: name, ..Default::default() };
                communiques.list_remarks(request).await.map(|_| ok)
            }
            "EventService/Watch" => {
                let request = v1::WatchRequest { from_index: Some(0), communique: String::new() };
                let mut stream = events.watch(request).await?.into_inner();
                // It is the last thing that was logged.
                loop {
                    match stream.message().await?.and_then(|m| m.item) {
                        Some(Item::Heartbeat(beat)) if beat.next_index > 0 => break Ok("OK, but for it".into()),
                        Some(Item::Event(v1::Event { view: Some(View::Shown(shown)), .. }))
                            if shown.objects.contains(&self.remark) =>
                        {
                            break Ok(ok);
                        }
                        Some(_) => {}
                        None => break Ok("an end".into()),
                    }
                }
            }
            "EventService/ListEvents" => {
                let request = v1::ListEventsRequest { parent: name, ..Default::default() };
                events.list_events(request).await.map(|_| ok)
            }
            "ContentService/UploadContent" => {
                let header = v1::UploadHeader { communique: name, sha256, size: self.text.len() as u64, offset: 0 };
                let parts = [Part::Header(header), Part::Chunk(self.text.to_vec())];
                let parts = parts.map(|part| v1::UploadContentRequest { part: Some(part) });
                content.upload_content(tokio_stream::iter(parts)).await.map(|_| ok)
            }
            "ContentService/GetUpload" => {
                let answer = content.get_upload(v1::GetUploadRequest { communique: name, sha256 }).await?.into_inner();
                let ours = (answer.held, answer.complete) == (self.text.len() as u64, true);
                Ok(if ours { ok } else { format!("OK, but for {}", if answer.held == 0 { "it" } else { "some" }) })
            }
            "ContentService/DownloadContent" => {
                let request = v1::DownloadContentRequest { communique: name, sha256, offset: 0 };
                let mut stream = content.download_content(request).await?.into_inner();
                stream.message().await.map(|_| ok)
            }
            "PublicationService/GetPublication" => {
                publications.get_publication(v1::GetPublicationRequest { communique: name }).await.map(|_| ok)
            }
            "PublicationService/ListPublications" => {
                publications.list_publications(v1::ListPublicationsRequest::default()).await.map(|_| ok)
            }
            "PublicationService/DownloadPackage" => {
                let request = v1::DownloadPackageRequest { communique: name, offset: 0 };
                let mut stream = publications.download_package(request).await?.into_inner();
                stream.message().await.map(|_| ok)
            }
            "LogService/GetCheckpoint" => log.get_checkpoint(v1::GetCheckpointRequest {}).await.map(|_| ok),
            "LogService/GetInclusionProof" => {
                log.get_inclusion_proof(v1::GetInclusionProofRequest { index: 1 }).await.map(|_| ok)
            }
            "LogService/GetConsistencyProof" => {
                let request = v1::GetConsistencyProofRequest { old_size: 1, new_size: 0 };
                log.get_consistency_proof(request).await.map(|_| ok)
            }
            "LogService/ListDigests" => log.list_digests(v1::ListDigestsRequest { start: 1 }).await.map(|_| ok),
            "LogService/SubmitCosignature" => {
                let (size, cosignature) = self.cosignature.clone();
                log.submit_cosignature(v1::SubmitCosignatureRequest { size, cosignature }).await.map(|_| ok)
            }
            other => panic!("{other} has no case here"),
        }
    }
}

async fn remark_of(world: &World, manifest: &Manifest) -> Vec<u8> {
    let remark = remark(world, "north", manifest, Audience::All, "Remarque.").bytes().to_vec();
    world.remote("north").await.add_remark(&remark).await.unwrap();
    remark
}

/// `OK` and its like, or the reason.
fn word(result: Result<String, Status>) -> String {
    match result {
        Ok(word) => word,
        refused => outcome(&refused),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_as_every_role_as_the_wrong_party_and_as_a_stranger() {
    let world = World::new().await;
    let scene = Scene::of(&world).await;
    let stored = world.stored();

    for role in Role::ALL {
        let (ours, theirs) = (world.channel("north", role).await, world.channel("west", role).await);
        for method in methods() {
            let (_, row, foreign) = TABLE.iter().find(|(name, ..)| *name == method).unwrap();
            let may = roles(row).contains(&role);
            let expected = if may { "OK" } else { "NOT_PERMITTED" };
            assert_eq!(word(scene.call(ours.clone(), &method).await), expected, "{role} calls {method}");
            // Of the party that it does not concern, the right is asked for first all the same.
            if method != "ContentService/UploadContent" {
                let expected = if may { foreign } else { "NOT_PERMITTED" };
                let answered = word(scene.call(theirs.clone(), &method).await);
                assert_eq!(answered, expected, "{role} of another party calls {method}");
            }
        }
        health_and_reflection(ours, role).await;
    }
    assert_eq!(world.stored(), stored, "a repeat, or what was refused, was stored");

    // Anybody may upload under any id; it stays his own.
    let theirs = world.channel("west", Role::Official).await;
    assert_eq!(word(scene.call(theirs, "ContentService/UploadContent").await), "OK");

    let unknown = authority("north");
    let atlantis = authority("atlantis");
    let strangers = [
        ("an unknown authority in a known trust domain", issue(&unknown, &id_of("north", "system"))),
        ("a trust domain that no party has", issue(&atlantis, &id_of("atlantis", "system"))),
        (
            "a party's authority in a trust domain that no party has",
            issue(&world.authorities["north"], &id_of("atlantis", "system")),
        ),
        (
            "a party's authority in another party's trust domain",
            issue(&world.authorities["south"], &id_of("north", "system")),
        ),
    ];
    for (what, issued) in strangers {
        for method in methods() {
            let answered = match dial(&world.connection_with(&issued)).await {
                Err(_) => "refused at the handshake".to_owned(),
                Ok(channel) => word(scene.call(channel, &method).await),
            };
            assert_eq!(answered, "refused at the handshake", "{what} calls {method}");
        }
    }
    world.stop().await;
}

fn id_of(of: &str, role: &str) -> String {
    format!("spiffe://{}/{role}/sample", domain_of(of))
}

/// Both are for everyone who was let in; and what there is not is refused, whoever asks.
async fn health_and_reflection(channel: Channel, role: Role) {
    let mut health = HealthClient::new(channel.clone());
    let check = || HealthCheckRequest { service: String::new() };
    until("serving", || {
        let mut health = health.clone();
        async move { health.check(check()).await.unwrap().into_inner().status() == ServingStatus::Serving }
    })
    .await;
    let mut watched = health.watch(check()).await.unwrap().into_inner();
    assert!(watched.message().await.unwrap().is_some(), "{role} watches health");

    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let path = http::uri::PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    let codec = tonic_prost::ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
    let answer = client.streaming(Request::new(tokio_stream::once(list)), path, codec).await.unwrap();
    let answer = answer.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{role}: {answer:?}")
    };
    let listed: BTreeSet<_> = services.service.iter().filter_map(|s| s.name.strip_prefix("communique.v1.")).collect();
    let ours = methods();
    let ours: BTreeSet<_> = ours.iter().map(|m| m.split('/').next().unwrap()).collect();
    assert_eq!(listed, ours, "{role} asks for reflection");

    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/communique.v1.CommuniqueService/DropEverything");
    let codec = tonic_prost::ProstCodec::<v1::GetCharterRequest, v1::GetCharterResponse>::default();
    let answer = client.unary(Request::new(v1::GetCharterRequest::default()), path, codec).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented, "{role}");
}
