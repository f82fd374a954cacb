//! What has one form, in another: headers, JSON, requests. And what is the same again.

use super::{GOOD, Row, row, scene::Scene};
use crate::watch::remark;
use crate::world::{fresh, key, outcome, party, sign};
use communique::{
    client::remote::RemoteError,
    domain::{
        act::ActKind, document::Document, id::Role, key::Signer as _, manifest::Manifest, remark::Audience,
        statement::STATEMENT_LIMIT, view::Receipt,
    },
    wire::{
        names,
        status::Answer,
        v1::{self, content_service_client::ContentServiceClient, event_service_client::EventServiceClient},
    },
};
use tonic::{Request, Status};

/// Statements have one header.
pub(super) fn headers_of_statements<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let headed = |what: &str, change: fn(String) -> String| row(what, "SIGNATURE_INVALID", s.initial_headed(change));
    vec![
        headed("a header with another alg", |h| h.replace("EdDSA", "Ed25519")),
        headed("a header with alg none", |h| h.replace("EdDSA", "none")),
        headed("a header with an added member", |h| h.replace("{", r#"{"aaa":1,"#)),
        headed("a header with crit", |h| h.replace(r#","kid""#, r#","crit":["b64"],"kid""#)),
        headed("a header with its own key", |h| h.replace(r#","kid""#, r#","jwk":{},"kid""#)),
        headed("a header in another order", |h| {
            let (alg, rest) = h[1..h.len() - 1].split_once(',').unwrap();
            format!("{{{rest},{alg}}}")
        }),
        headed("a header with a space", |h| h.replace(":", ": ")),
        headed("a header of another statement", |h| h.replace("v1.act", "v1.powers")),
        headed("a header with another kid", |h| {
            let theirs = key("south.b").public().thumbprint();
            h.replace(&key("south.a").public().thumbprint(), &theirs)
        }),
        row("an act with a fourth part", "MALFORMED", async move {
            let act = s.world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("south", &format!("{}.", sign(act, &key("south.a")))).await
        }),
        row("an act with padding", "MALFORMED", async move {
            let act = s.world.act(ActKind::Initial, "south.a", &s.drafting, None);
            let compact = sign(act, &key("south.a"));
            let [head, payload, signature] = compact.split('.').collect::<Vec<_>>()[..] else { panic!("{compact}") };
            s.carry("south", &format!("{head}.{payload}=.{signature}")).await
        }),
    ]
}

/// JSON has one encoding: in the payload of an act.
pub(super) fn json_of_acts<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = |what: &str, change: fn(String) -> String| row(what, "MALFORMED", s.initial_bytes(change));
    vec![
        bytes("an act with a duplicate key", |j| j.replacen('{', r#"{"act":"initial","#, 1)),
        bytes("an act with a space", |j| j.replacen(':', ": ", 1)),
        bytes("an act with a float", |j| j.replace(r#""revision":2"#, r#""revision":2.0"#)),
        bytes("an act with an exponent", |j| j.replace(r#""revision":2"#, r#""revision":2e0"#)),
        bytes("an act with a needless escape", |j| j.replace("initial", "\\u0069nitial")),
        bytes("an act with a missing member", |j| j.replace(r#""confirms":null,"#, "")),
        bytes("an act with an added member", |j| j.replacen('{', r#"{"aaa":null,"#, 1)),
        bytes("an act in another order", |j| {
            let rest = j.strip_prefix(r#"{"act":"initial","#).unwrap().strip_suffix('}').unwrap();
            format!(r#"{{{rest},"act":"initial"}}"#)
        }),
        bytes("an act with a byte after it", |j| format!("{j}\n")),
        bytes("an act that is no JSON", |_| "initial".into()),
        bytes("an act of an unknown kind", |j| j.replace(r#""initial""#, r#""object""#)),
        bytes("an act with a declaration", |j| j.replace(r#""declaration":null"#, r#""declaration":"x""#)),
        bytes("an act with an invisible place", |j| j.replace("Salle", "Sal\u{200b}le")),
        bytes("an act with a revision below 1", |j| j.replace(r#""revision":2"#, r#""revision":0"#)),
        row("an initial with a reason", "MALFORMED", async move {
            s.initial(|a| a.reason = Some(communique::domain::words::Prose::new("Non.").unwrap())).await
        }),
        row("an initial with an opening", "MALFORMED", async move { s.initial(|a| a.opening = Some(s.opening)).await }),
        row("a declination without reasons", "MALFORMED", async move {
            s.act(ActKind::Decline, "south.a", &s.open, Some(s.opening), |a| a.reason = None).await
        }),
        row("a proposal without its manifest", "NOT_NOW or MALFORMED", async move {
            let answered = s.act(ActKind::Propose, "south.a", &s.drafting, None, |_| ()).await;
            if ["NOT_NOW", "MALFORMED"].contains(&answered.as_str()) { "NOT_NOW or MALFORMED".into() } else { answered }
        }),
        row("an initial as a proposal", "DISAGREES", async move {
            s.propose_as("north.a", &s.manifest(), |a| a.act = ActKind::Initial).await
        }),
    ]
}

/// Requests that say what no request says.
pub(super) fn forms<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let get = |name: String| async move {
        outcome(&s.communiques("north").await.get_communique(v1::GetCommuniqueRequest { name }).await)
    };
    let list = |change: fn(&mut v1::ListCommuniquesRequest)| async move {
        let mut request = v1::ListCommuniquesRequest::default();
        change(&mut request);
        outcome(&s.communiques("north").await.list_communiques(request).await)
    };
    vec![
        row("a name in capitals", "MALFORMED", get(names::communique(s.drafting.communique).to_uppercase())),
        row("a name with more to it", "MALFORMED", get(format!("{}/", names::communique(s.drafting.communique)))),
        row("no name", "MALFORMED", get(String::new())),
        row("an id of another version", "MALFORMED", get("communiques/c232ab00-9414-41ec-b3c8-9f6bdeced846".into())),
        row("a negative page", "MALFORMED", list(|r| r.page_size = -1)),
        row("a page token of nobody's", "MALFORMED", list(|r| r.page_token = "42".into())),
        row("a state that there is not", "MALFORMED", list(|r| r.state = 99)),
        row("a filter by what is no party", "MALFORMED", list(|r| r.party = "north".into())),
        row("a filter by too many words", "TOO_LARGE", list(|r| r.text = "x".repeat(257))),
        row(
            "an oversized statement",
            "TOO_LARGE",
            async move { s.carry("north", &"x".repeat(STATEMENT_LIMIT + 1)).await },
        ),
        row("a request over the limit", "TOO_LARGE", async move { s.carry("north", &"x".repeat(2 << 20)).await }),
        row("a statement that is not UTF-8", "MALFORMED", async move {
            // The codec of a lone bytes field writes what a string field may not hold.
            let mut client = tonic::client::Grpc::new(s.world.channel("north", Role::Official).await);
            client.ready().await.unwrap();
            let path = http::uri::PathAndQuery::from_static("/communique.v1.CommuniqueService/SubmitAct");
            let codec = tonic_prost::ProstCodec::<Vec<u8>, v1::SubmitActResponse>::default();
            outcome(&client.unary(Request::new(b"caf\xe9".to_vec()), path, codec).await)
        }),
        row("oversized metadata", "Unknown without a reason, for 431", async move {
            // HTTP/2 itself answers, before there is a call.
            let mut request = Request::new(v1::GetCommuniqueRequest::default());
            request.metadata_mut().insert("x-sample", "x".repeat(20 << 10).parse().unwrap());
            let answered = s.communiques("north").await.get_communique(request).await;
            let said = answered.as_ref().map_or_else(|s| s.message().to_owned(), |_| String::new());
            if said.ends_with(" 431") { format!("{}, for 431", outcome(&answered)) } else { said }
        }),
        row("unknown and foreign ids answer alike", "alike", alike(s)),
    ]
}

/// Every method that takes a communiqué answers an id of others as it answers one that there is not.
pub(super) async fn alike(s: &Scene<'_>) -> String {
    let world = s.world;
    let mut client = s.communiques("north").await;
    let mut content = ContentServiceClient::new(world.channel("north", Role::Official).await);
    let mut events = EventServiceClient::new(world.channel("north", Role::Official).await);
    let foreign = s.foreign.communique;
    let mut answers: Vec<Vec<(tonic::Code, String)>> = Vec::new();
    for id in [foreign, fresh()] {
        let (name, parent) = (names::communique(id), names::communique(id));
        let mut act = world.act(ActKind::Initial, "north.a", &s.foreign, None);
        act.communique = id;
        let next = Manifest { communique: id, ..world.next(&s.foreign, GOOD) };
        let next = Document::of(&next).unwrap();
        let propose = sign(world.act(ActKind::Propose, "north.a", &next, None), &key("north.a"));
        let said = Manifest { communique: id, ..Manifest::clone(&s.foreign) };
        let said = remark(world, "north", &said, Audience::All, "Remarque.").bytes().to_vec();
        let refused: Vec<Status> = vec![
            client.get_communique(v1::GetCommuniqueRequest { name: name.clone() }).await.unwrap_err(),
            client.get_revision(v1::GetRevisionRequest { name: names::revision(id, 1) }).await.unwrap_err(),
            client
                .list_revisions(v1::ListRevisionsRequest { parent: parent.clone(), ..Default::default() })
                .await
                .unwrap_err(),
            client.list_acts(v1::ListActsRequest { parent: parent.clone(), ..Default::default() }).await.unwrap_err(),
            client
                .list_remarks(v1::ListRemarksRequest { parent: parent.clone(), ..Default::default() })
                .await
                .unwrap_err(),
            client.add_remark(v1::AddRemarkRequest { document: said }).await.unwrap_err(),
            events.list_events(v1::ListEventsRequest { parent, ..Default::default() }).await.unwrap_err(),
            events.watch(v1::WatchRequest { from_index: Some(0), communique: name.clone() }).await.unwrap_err(),
            client.publish_communique(v1::PublishCommuniqueRequest { name: name.clone() }).await.unwrap_err(),
            client.submit_act(v1::SubmitActRequest { statement: sign(act, &key("north.a")) }).await.unwrap_err(),
            client
                .propose_revision(v1::ProposeRevisionRequest { manifest: next.bytes().to_vec(), propose })
                .await
                .unwrap_err(),
            content
                .download_content(v1::DownloadContentRequest {
                    communique: name,
                    sha256: s.foreign.texts[0].sha256.to_string(),
                    offset: 0,
                })
                .await
                .unwrap_err(),
        ];
        answers.push(
            refused
                .iter()
                .map(|status| {
                    let mut answer = Answer::from(status);
                    assert_eq!(answer.reason, Some("NOT_FOUND"));
                    answer.request_id = None;
                    let said = format!("{answer:?} {} {}", status.message(), status.details().len());
                    (status.code(), said.replace(&id.to_string(), "ID"))
                })
                .collect(),
        );
    }
    if answers[0] == answers[1] { "alike".into() } else { format!("{answers:#?}") }
}

/// The same again gets the first answer again.
pub(super) fn repeats<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    vec![
        row("the same act twice, after completion", "the first receipt", async move {
            let (compact, first) = &s.last;
            same(first, &world.carry("east", compact).await)
        }),
        row("the same powers twice", "the first receipt", async move {
            let session = world.session("north", Role::Authority).await;
            let list = session.remote().powers_list(Some(&party("north"))).await.unwrap();
            same(&list[0].receipt, &session.remote().submit_powers(&list[0].statement).await)
        }),
        row("the same proposal with another manifest", "DISAGREES", async move {
            let view = world.remote("north").await.revision(s.first.communique, 1).await.unwrap();
            s.carry_proposal(s.drafting.bytes().to_vec(), view.propose).await
        }),
        row("the same proposal twice, after a newer one", "the first receipt", async move {
            let view = world.remote("north").await.revision(s.first.communique, 1).await.unwrap();
            same(&view.receipt, &world.carry_proposal("north", &view.manifest, &view.propose).await)
        }),
    ]
}

/// Of the same entry: the proof is another, under the head of now.
pub(super) fn same(first: &Receipt, again: &Result<Receipt, RemoteError>) -> String {
    match again {
        Ok(again) if (again.index, &again.entry) == (first.index, &first.entry) => "the first receipt".into(),
        other => format!("{other:?}"),
    }
}
