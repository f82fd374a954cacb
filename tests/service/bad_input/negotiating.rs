//! The acts beside the straight road, revocations and charters: what the exchange must not take of them.

use super::{
    Row, row,
    scene::{Scene, statement},
};
use crate::{
    course::{adoption, revocation, successor},
    world::{fresh, key, now, outcome, party, reason, sign},
};
use communique::{
    domain::{
        act::{ActKind, Declaration},
        charter::{Adoption, Charter, Succession},
        document::Document,
        id::{Digest, Role},
        json,
        key::Signer as _,
        manifest::Rectifies,
        powers::Revocation,
    },
    wire::v1::{self, communique_service_client::CommuniqueServiceClient},
};

/// Acts that are good in form, and not allowed.
pub(super) fn acts<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    use ActKind::{Confirm, Declare, Decline, Object, Open, Purge, Release, Sign, SignAdReferendum, Withdraw};
    let (opening, timed) = (Some(s.opening), Some(s.timed_opening));
    let mut rows = vec![
        row("an opening while an objection stands", "NOT_NOW", s.act(Open, "north.a", &s.objected, None, |_| ())),
        row("an objection once it is open", "NOT_NOW", s.act(Object, "south.b", &s.open, None, |_| ())),
        row("a declaration once it is open", "NOT_NOW", s.act(Declare, "south.b", &s.open, None, |_| ())),
        row("a withdrawal of a draft by another than the proposer", "NOT_YOUR_ACT", async move {
            s.act(Withdraw, "south.a", &s.drafting, None, |_| ()).await
        }),
        row("a withdrawal that forgets that it is open", "DISAGREES", async move {
            s.act(Withdraw, "south.a", &s.open, None, |_| ()).await
        }),
        row("a withdrawal once it is complete", "NOT_NOW", async move {
            s.act(Withdraw, "south.a", &s.complete, Some(s.complete_opening), |_| ()).await
        }),
        row("a release where there is no embargo", "NOT_NOW", s.act(Release, "south.a", &s.open, opening, |_| ())),
        row("a second release of a party", "SEAT_TAKEN", s.act(Release, "east.b", &s.timed, timed, |_| ())),
        row("a confirmation by another party", "NOT_FOUND", async move {
            s.act(Confirm, "south.a", &s.timed, timed, |a| a.confirms = Some(s.pending)).await
        }),
        row("a confirmation of nothing", "NOT_FOUND", async move {
            s.act(Confirm, "east.b", &s.timed, timed, |a| a.confirms = Some(Digest::of(b"nothing"))).await
        }),
        row("a second signature ad referendum of one holder", "SEAT_TAKEN", async move {
            s.act(SignAdReferendum, "east.a", &s.timed, timed, |_| ()).await
        }),
        row("a signature of whoever has signed ad referendum", "SEAT_TAKEN", async move {
            s.act(Sign, "east.a", &s.timed, timed, |_| ()).await
        }),
        row("a signature with an unknown declaration", "NOT_FOUND", async move {
            let unknown = Declaration::Made(Digest::of(b"unknown"));
            s.act(Sign, "south.a", &s.timed, timed, |a| a.declaration = Some(unknown)).await
        }),
        row("an erasure of what is alive", "NOT_NOW", s.act(Purge, "south.a", &s.open, None, |_| ())),
        row("texts that were erased", "PURGED", async move {
            s.download("south", s.withdrawn.communique, s.withdrawn.texts[0].sha256).await
        }),
        row("an embargo that stands", "NOT_NOW", async move {
            reason(&s.world.remote("north").await.publish(s.timed.communique).await)
        }),
        row("a correction of nothing", "NOT_FOUND", async move {
            let (manifest, entry) = (Digest::of(b"none"), Digest::of(b"none"));
            s.propose(|m| m.rectifies = Some(Rectifies { communique: fresh(), manifest, entry })).await
        }),
    ];
    for kind in [Object, Declare, Decline, Withdraw, Release, Sign, SignAdReferendum] {
        rows.push(row(format!("{kind} after the withdrawal"), "NOT_NOW", async move {
            s.act(kind, "south.b", &s.withdrawn, opening, |_| ()).await
        }));
        rows.push(row(format!("{kind} after the lapse"), "NOT_NOW", async move {
            s.act(kind, "south.b", &s.late, Some(s.late_opening), |_| ()).await
        }));
    }
    rows
}

/// Every act on a communiqué at every stage, by the proposer, by another that it names and by a stranger, as every role
/// that does not act: the role decides before anything else does. What the other roles may do at each of these cells is the
/// domain's table.
pub(super) fn roles<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let stages = [
        ("drafting", &s.drafting, None),
        ("objected", &s.objected, None),
        ("waived", &s.waived, None),
        ("overdue", &s.overdue, None),
        ("open", &s.open, Some(s.opening)),
        ("signed ad referendum", &s.timed, Some(s.timed_opening)),
        ("complete", &s.complete, Some(s.complete_opening)),
        ("lapsed", &s.late, Some(s.late_opening)),
        ("withdrawn", &s.withdrawn, None),
    ];
    let mut rows = Vec::new();
    for (stage, manifest, opening) in stages {
        for (relation, of) in [("the proposer", "north"), ("a party", "south"), ("a stranger", "west")] {
            for role in [Role::Authority, Role::Witness, Role::Archivist] {
                let what = format!("acts by {relation} as {role} on what is {stage}");
                rows.push(row(what, "NOT_PERMITTED", async move {
                    let mut client = CommuniqueServiceClient::new(s.world.channel(of, role).await);
                    for kind in ActKind::ALL {
                        let who = format!("{of}.a");
                        let mut act = s.world.act(kind, &who, manifest, opening.or(Some(s.opening)));
                        act.confirms = (kind == ActKind::Confirm).then_some(s.pending);
                        let statement = sign(act, &key(&who));
                        let answered = if kind == ActKind::Propose {
                            let manifest = manifest.bytes().to_vec();
                            outcome(
                                &client
                                    .propose_revision(v1::ProposeRevisionRequest { manifest, propose: statement })
                                    .await,
                            )
                        } else {
                            outcome(&client.submit_act(v1::SubmitActRequest { statement }).await)
                        };
                        if answered != "NOT_PERMITTED" {
                            return format!("{answered} to {kind}");
                        }
                    }
                    "NOT_PERMITTED".into()
                }));
            }
        }
    }
    rows
}

/// Acts whose members do not belong to them.
pub(super) fn forms<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    use ActKind::{Confirm, Declare, Initial, Object, Sign};
    let timed = Some(s.timed_opening);
    vec![
        row(
            "an objection without reasons",
            "MALFORMED",
            s.act(Object, "south.a", &s.drafting, None, |a| a.reason = None),
        ),
        row("a declaration without words", "MALFORMED", async move {
            s.act(Declare, "south.a", &s.drafting, None, |a| a.declaration = None).await
        }),
        row("a declaration in no language", "MALFORMED", async move {
            s.act(Declare, "south.a", &s.drafting, None, |a| {
                a.declaration = Some(Declaration::Texts([].into()));
            })
            .await
        }),
        row("a signature with the words of a declaration", "MALFORMED", async move {
            let words = s.world.act(Declare, "south.a", &s.drafting, None).declaration;
            s.act(Sign, "south.a", &s.timed, timed, |a| a.declaration = words).await
        }),
        row("an initial with a declaration", "MALFORMED", async move {
            s.initial(|a| a.declaration = Some(Declaration::Made(Digest::of(b"x")))).await
        }),
        row("a confirmation that names nothing", "MALFORMED", s.act(Confirm, "east.b", &s.timed, timed, |_| ())),
        row("an initial that confirms", "MALFORMED", s.initial(|a| a.confirms = Some(s.pending))),
        row(
            "an initial with an opening",
            "MALFORMED",
            s.act(Initial, "south.a", &s.drafting, None, |a| {
                a.opening = Some(s.opening);
            }),
        ),
        row("a correction of itself", "MALFORMED", async move {
            let (manifest, entry) = (Digest::of(b"none"), Digest::of(b"none"));
            s.propose(|m| m.rectifies = Some(Rectifies { communique: m.communique, manifest, entry })).await
        }),
    ]
}

/// Ends of grants.
pub(super) fn revocations<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    let revoke = async |of: &str, with: &str, change: fn(&mut Revocation)| {
        let mut body = revocation(world, "south.c").body().clone();
        change(&mut body);
        let session = world.session(of, Role::Authority).await;
        let signed = statement("revocation", &json::encode(&body), &key(with));
        reason(&session.remote().submit_revocation(&signed).await)
    };
    let south = "authority of south";
    vec![
        row("another party's revocation, carried", "NOT_YOUR_PARTY", revoke("north", south, |_| ())),
        row("a revocation by a holder's key", "SIGNATURE_INVALID", revoke("south", "south.c", |_| ())),
        row(
            "a revocation of an unknown grant",
            "UNKNOWN_GRANT",
            revoke("south", south, |r| r.grant = Digest::of(b"x")),
        ),
        row("a revocation of another party's grant", "UNKNOWN_GRANT", async move {
            let grant = world.granted("north.a").digest();
            let body = Revocation { grant, ..revocation(world, "south.c").body().clone() };
            let session = world.session("south", Role::Authority).await;
            reason(&session.remote().submit_revocation(&sign(body, &key(south))).await)
        }),
        row("a revocation of another exchange", "DISAGREES", async move {
            revoke("south", south, |r| r.exchange = "other.example".parse().unwrap()).await
        }),
        row("a revocation of another founding", "DISAGREES", async move {
            revoke("south", south, |r| r.founding = Digest::of(b"rehearsal")).await
        }),
    ]
}

type Change = fn(&mut Charter);

/// Charters that cannot succeed the one in force, and adoptions of what is not there.
pub(super) fn charters<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    let propose_by = async |change: fn(&mut Charter), with: &str, adopt: fn(&mut Adoption)| {
        let mut body = Charter::clone(&successor(world, |_| ()));
        change(&mut body);
        let bytes = json::encode(&body);
        let mut consent = Adoption {
            founding: world.pinned.founding(),
            exchange: body.exchange.clone(),
            party: party("north"),
            charter: Digest::of(&bytes),
            version: body.version,
            time: now(),
        };
        adopt(&mut consent);
        let session = world.session("north", Role::Authority).await;
        let signed = statement("adoption", &json::encode(&consent), &key(with));
        reason(&session.remote().propose_charter(&bytes, &signed).await)
    };
    let propose = async move |change| propose_by(change, "authority of north", |_| ()).await;
    let adopt = async |charter: &Document<Charter>| {
        let session = world.session("north", Role::Authority).await;
        let signed = adoption(world, charter, "north", "authority of north");
        reason(&session.remote().submit_adoption(&signed).await)
    };
    let rows: [(&str, &str, Change); 12] = [
        ("of the same version", "MALFORMED", |c| c.version = 1),
        ("that skips a version", "DISAGREES", |c| c.version = 3),
        ("that follows another", "DISAGREES", |c| c.previous = Some(Digest::of(b"another"))),
        ("of another exchange", "DISAGREES", |c| c.exchange = "other.example".parse().unwrap()),
        ("to be adopted yesterday", "MALFORMED", |c| c.adopt_by = Some(now().plus(-86_400))),
        ("to be adopted in two years", "MALFORMED", |c| c.adopt_by = Some(now().plus(2 * 366 * 86_400))),
        ("without a day to be adopted by", "MALFORMED", |c| c.adopt_by = None),
        ("with another way of succession", "MALFORMED", |c| c.succession = Succession::AllButOne),
        ("of one party", "MALFORMED", |c| c.parties.truncate(1)),
        ("whose depositary the exchange is not", "KEY_MISSING", |c| c.depositary = key("a thief").public()),
        ("with a holder's key", "KEY_REFUSED", |c| c.parties[0].authority = key("south.a").public()),
        ("with a key of another role", "KEY_REFUSED", |c| {
            let (west, north) = (c.parties[3].authority, c.parties[1].authority);
            (c.parties[1].authority, c.parties[3].authority) = (west, north);
        }),
    ];
    let mut all: Vec<Row<'a>> = Vec::new();
    for (what, expected, change) in rows {
        all.push(row(format!("a charter {what}"), expected, async move { propose(change).await }));
    }
    all.extend([
        row("a charter with an adoption by another key", "SIGNATURE_INVALID", async move {
            propose_by(|_| (), "authority of south", |_| ()).await
        }),
        row("a charter with an adoption of another", "DISAGREES", async move {
            propose_by(|_| (), "authority of north", |a| a.charter = Digest::of(b"another")).await
        }),
        row("a charter proposed by a stranger", "UNKNOWN_PARTY", async move {
            propose_by(|_| (), "authority of atlantis", |a| a.party = party("atlantis")).await
        }),
        row("an adoption of what nobody proposed", "NOT_FOUND", async move { adopt(&successor(world, |_| ())).await }),
        row("an adoption of what is in force", "SUCCESSION", async move { adopt(world.pinned.charter()).await }),
    ]);
    all
}
