//! Remarks and events.

use communique::{
    domain::{
        document::Document,
        id::{Digest, Role},
        json,
        remark::{Audience, Remark},
    },
    wire::{
        names,
        v1::{self, event_service_client::EventServiceClient},
    },
};

use super::{Row, row, scene::Scene};
use crate::watch::remark;
use crate::world::{fresh, outcome, party};

/// Remarks that are good but for one thing.
pub(super) fn remarks<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = |what: &str, expected, change: fn(String) -> Vec<u8>| {
        row(what, expected, async move {
            let good = String::from_utf8(made(s).bytes().to_vec()).unwrap();
            let changed = change(good.clone());
            assert_ne!(changed, good.as_bytes(), "nothing was changed");
            add(s, changed).await
        })
    };
    let said = |what: &str, expected, change: fn(&mut Remark)| {
        row(what, expected, async move {
            let mut remark = Remark::clone(&made(s));
            change(&mut remark);
            add(s, json::encode(&remark)).await
        })
    };
    vec![
        said("another party's remark, carried", "NOT_YOUR_PARTY", |r| r.party = party("south")),
        said("a remark on a revision that there is not", "NOT_FOUND", |r| r.revision = 3),
        said("a remark on revision 0", "MALFORMED", |r| r.revision = 0),
        said("a remark on a communiqué that there is not", "NOT_FOUND", |r| r.communique = fresh()),
        row("a remark on a communiqué of others", "NOT_FOUND", async move {
            add(s, remark(s.world, "north", &s.foreign, Audience::All, "Remarque.").bytes().to_vec()).await
        }),
        said("a remark for another exchange", "DISAGREES", |r| r.exchange = "other.example".parse().unwrap()),
        said("a remark of another founding", "DISAGREES", |r| r.founding = Digest::of(b"rehearsal")),
        said("a remark from the future", "TIME_OUT_OF_BOUNDS", |r| r.time = r.time.plus(600)),
        said("a remark from before its revision", "TIME_OUT_OF_BOUNDS", |r| r.time = r.time.plus(-86_400)),
        bytes("a remark of another type", "MALFORMED", |j| j.replace("v1.remark", "v1.act").into_bytes()),
        bytes("a remark for nobody", "MALFORMED", |j| j.replace(r#""all""#, r#""none""#).into_bytes()),
        bytes("a remark with an added member", "MALFORMED", |j| j.replacen('{', r#"{"aaa":null,"#, 1).into_bytes()),
        bytes("a remark with a missing member", "MALFORMED", |j| j.replace(r#""lang":null,"#, "").into_bytes()),
        bytes("a remark with a space", "MALFORMED", |j| j.replacen(':', ": ", 1).into_bytes()),
        bytes("a remark with a bidi override", "MALFORMED", |j| j.replace("Remarque", "Rem\u{202e}arque").into_bytes()),
        bytes("an author with a line feed", "MALFORMED", |j| j.replace("Secr", "S\\necr").into_bytes()),
        bytes("a remark that is not UTF-8", "MALFORMED", |j| [j.as_bytes(), b"\xff"].concat()),
        bytes("an oversized remark", "TOO_LARGE", |j| j.replace("Remarque", &"x".repeat(48 << 10)).into_bytes()),
        bytes("a remark of too many words", "MALFORMED", |j| j.replace("Remarque", &"x".repeat(17 << 10)).into_bytes()),
        row("no remark", "MALFORMED", async move { add(s, vec![]).await }),
        row("remarks of what is no communiqué", "MALFORMED", async move {
            let request = v1::ListRemarksRequest { parent: "communiques/-".into(), ..Default::default() };
            outcome(&s.communiques("north").await.list_remarks(request).await)
        }),
        row("a page of remarks by a token of nobody's", "MALFORMED", async move {
            let parent = names::communique(s.drafting.communique);
            let request = v1::ListRemarksRequest { parent, page_token: "42".into(), ..Default::default() };
            outcome(&s.communiques("north").await.list_remarks(request).await)
        }),
    ]
}

/// Events that nobody is sent.
pub(super) fn watching<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let watch = move |from_index, communique: &str| {
        let communique = communique.to_owned();
        async move {
            let mut client = EventServiceClient::new(s.world.channel("north", Role::System).await);
            outcome(&client.watch(v1::WatchRequest { from_index, communique }).await)
        }
    };
    let list = |change: fn(&mut v1::ListEventsRequest)| async move {
        let mut client = EventServiceClient::new(s.world.channel("north", Role::System).await);
        let parent = names::communique(s.drafting.communique);
        let mut request = v1::ListEventsRequest { parent, ..Default::default() };
        change(&mut request);
        outcome(&client.list_events(request).await)
    };
    vec![
        row("watching from beyond the log's end", "MALFORMED", watch(Some(1 << 40), "")),
        row("watching from the last index there is", "MALFORMED", watch(Some(u64::MAX), "")),
        row("watching what is no communiqué", "MALFORMED", watch(Some(0), "communiques/x")),
        row("watching a communiqué that there is not", "NOT_FOUND", async move {
            watch(Some(0), &names::communique(fresh())).await
        }),
        row("events of what is no communiqué", "MALFORMED", list(|r| r.parent = "x".into())),
        row("events by a token of nobody's", "MALFORMED", list(|r| r.page_token = "42".into())),
        row("a negative page of events", "MALFORMED", list(|r| r.page_size = -1)),
    ]
}

/// A good one, by North.
fn made(s: &Scene<'_>) -> Document<Remark> {
    remark(s.world, "north", &s.drafting, Audience::All, "Remarque.")
}

async fn add(s: &Scene<'_>, document: Vec<u8>) -> String {
    outcome(&s.communiques("north").await.add_remark(v1::AddRemarkRequest { document }).await)
}
