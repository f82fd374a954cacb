//! Acts and other statements that parse, and that the exchange must not take.

use super::{
    GOOD, Row, row,
    scene::{Scene, raw},
};
use crate::world::{claims, fresh, key, now, outcome, party, reason, sign};
use communique::{
    domain::{
        act::ActKind,
        charter::Der,
        document::Document,
        id::{Digest, Role},
        json,
        key::Signer as _,
        manifest::{Manifest, Procedure},
        trust::Trust,
        view::Receipt,
    },
    wire::{status::Answer, v1},
};

/// Signed by one, carried by another, or by nobody who may.
pub(super) fn whose_statement<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    vec![
        row("a manifest that names an unknown party", "UNKNOWN_PARTY", async move {
            s.propose(|m| m.parties.push(party("atlantis"))).await
        }),
        row("a trust statement of an unknown party", "UNKNOWN_PARTY", async move {
            s.trust("north", "authority of south", |t| t.party = party("atlantis")).await
        }),
        row("another party's act, carried", "NOT_YOUR_PARTY", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("north", &sign(act, &key("south.a"))).await
        }),
        row("another party's proposal, carried", "NOT_YOUR_PARTY", async move {
            let manifest = s.manifest();
            s.propose_as("south.a", &manifest, |_| ()).await
        }),
        row("another party's powers, carried", "NOT_YOUR_PARTY", async move {
            s.powers("south", "authority of north", |_| ()).await
        }),
        row("another party's trust statement, carried", "OK", async move {
            let trusts = world.remote("south").await.trusts().await.unwrap();
            let souths = trusts.iter().find(|t| claims::<Trust>(&t.statement).party == party("south")).unwrap();
            let session = world.session("north", Role::Authority).await;
            let again = session.remote().submit_trust(&souths.statement).await;
            // The proof is another, under the head of now.
            let place = |receipt: &Receipt| (receipt.index, receipt.entry.clone());
            assert_eq!(again.as_ref().ok().map(place), Some(place(&souths.receipt)));
            reason(&again)
        }),
        row("a trust statement by another party's authority", "SIGNATURE_INVALID", async move {
            s.trust("north", "authority of north", |_| ()).await
        }),
        row("a trust statement with a serial that does not rise", "STALE_SERIAL", async move {
            s.trust("north", "authority of south", |t| (t.serial, t.time) = (1, t.time.plus(1))).await
        }),
        row("a trust statement of another exchange", "DISAGREES", async move {
            s.trust("north", "authority of south", |t| t.exchange = "other.example".parse().unwrap()).await
        }),
        row("a trust statement of another founding", "DISAGREES", async move {
            s.trust("north", "authority of south", |t| t.founding = Digest::of(b"rehearsal")).await
        }),
        row("a trust statement that trusts a leaf", "MALFORMED", async move {
            let der = communique::pki::pem::chain(world.issue("south", Role::System, "x").cert_pem.as_bytes()).unwrap();
            s.trust("north", "authority of south", |t| t.certificates = vec![Der::new(der[0].to_vec()).unwrap()]).await
        }),
        row("a trust statement that trusts nobody", "MALFORMED", async move {
            s.trust("north", "authority of south", |t| t.certificates.clear()).await
        }),
        row("an act signed with another party's key", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("south", &sign(act, &key("north.a"))).await
        }),
        row("an act signed with another holder's key", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("south", &sign(act, &key("south.b"))).await
        }),
        row("an act whose signature was cut", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            let compact = sign(act, &key("south.a"));
            s.carry("south", &compact[..compact.len() - 4]).await
        }),
        row("an act without a signature", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            let compact = sign(act, &key("south.a"));
            s.carry("south", &compact[..=compact.rfind('.').unwrap()]).await
        }),
        row("an act under another party's grant", "UNKNOWN_GRANT", async move {
            s.initial(|a| a.grant = world.granted("north.a").digest()).await
        }),
        row("an act under a grant that there is not", "UNKNOWN_GRANT", async move {
            s.initial(|a| a.grant = Digest::of(b"none")).await
        }),
        row("an act by a party that the manifest does not name", "NOT_FOUND", async move {
            s.act(ActKind::Initial, "west.a", &s.drafting, None, |_| ()).await
        }),
    ]
}

/// An act for another revision, communiqué, exchange, founding, charter.
pub(super) fn acts_for_something_else<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    vec![
        row("an act for another exchange", "DISAGREES", async move {
            s.initial(|a| a.exchange = "other.example".parse().unwrap()).await
        }),
        row("an act for another founding", "DISAGREES", async move {
            s.initial(|a| a.founding = Digest::of(b"rehearsal")).await
        }),
        row("an act for another charter", "DISAGREES", async move {
            s.initial(|a| a.charter = Digest::of(b"charter")).await
        }),
        row("an act for another communiqué that is there", "DISAGREES", async move {
            s.act(ActKind::Initial, "south.a", &s.first, None, |a| a.communique = s.waived.communique).await
        }),
        row("an act for a communiqué that is not there", "NOT_FOUND", async move {
            s.initial(|a| a.communique = fresh()).await
        }),
        row("an act for a communiqué of others", "NOT_FOUND", async move {
            s.act(ActKind::Initial, "north.a", &s.foreign, None, |_| ()).await
        }),
        row("an act for the revision before", "STALE_REVISION", async move {
            s.act(ActKind::Initial, "south.a", &s.first, None, |_| ()).await
        }),
        row("an act for a revision to come", "STALE_REVISION", async move { s.initial(|a| a.revision = 3).await }),
        row("an act on another manifest of this revision", "DISAGREES", async move {
            s.initial(|a| a.manifest = s.first.digest()).await
        }),
        row("a signature under another opening", "DISAGREES", async move {
            s.act(ActKind::Sign, "east.a", &s.open, Some(s.complete_opening), |_| ()).await
        }),
        row("a proposal for another exchange", "DISAGREES", async move {
            let manifest = Manifest { exchange: "other.example".parse().unwrap(), ..s.manifest() };
            s.propose_as("north.a", &manifest, |a| a.exchange = manifest.exchange.clone()).await
        }),
        row("a proposal for another founding", "DISAGREES", async move {
            let manifest = Manifest { founding: Digest::of(b"rehearsal"), ..s.manifest() };
            s.propose_as("north.a", &manifest, |a| a.founding = manifest.founding).await
        }),
        row("a proposal for another charter", "DISAGREES", async move {
            let manifest = Manifest { charter: Digest::of(b"charter"), ..s.manifest() };
            s.propose_as("north.a", &manifest, |a| a.charter = manifest.charter).await
        }),
        row("a proposal of another manifest", "DISAGREES", async move {
            s.propose_as("north.a", &s.manifest(), |a| a.manifest = s.first.digest()).await
        }),
        row("a proposal in another party's name", "DISAGREES", async move {
            s.propose(|m| m.proposer = party("south")).await
        }),
        row("a proposal under an id that is taken", "ALREADY_EXISTS", async move {
            s.propose(|m| m.communique = s.drafting.communique).await
        }),
        row("a revision that changes the parties", "DISAGREES", async move {
            let mut next = s.world.next(&s.drafting, GOOD);
            next.parties.swap(1, 2);
            s.propose_as("north.a", &next, |_| ()).await
        }),
        row("a revision that changes the proposer", "DISAGREES", async move {
            let next = Manifest { proposer: party("south"), ..s.world.next(&s.drafting, GOOD) };
            s.propose_as("north.a", &next, |_| ()).await
        }),
        row("a revision over one that there was not", "DISAGREES", async move {
            let next = Manifest { previous: Some(s.first.digest()), ..s.world.next(&s.drafting, GOOD) };
            s.propose_as("north.a", &next, |_| ()).await
        }),
        row("a revision of a communiqué of others", "NOT_FOUND", async move {
            s.propose_as("north.a", &s.world.next(&s.foreign, GOOD), |_| ()).await
        }),
    ]
}

/// Right in itself, but not in this state, or not any more.
pub(super) fn not_now<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    let far = Some(Digest::of(b"an opening"));
    vec![
        row("a stale revision, with the newest in the details", "STALE_REVISION, newest 2", async move {
            let stale = Document::of(&world.next(&s.first, GOOD)).unwrap();
            let propose = sign(world.act(ActKind::Propose, "north.a", &stale, None), &key("north.a"));
            let request = v1::ProposeRevisionRequest { manifest: stale.bytes().to_vec(), propose };
            let refused = s.communiques("north").await.propose_revision(request).await;
            let answer = Answer::from(refused.as_ref().unwrap_err());
            assert_eq!(answer.code, tonic::Code::Aborted);
            format!("{}, newest {}", outcome(&refused), answer.facts["newest"])
        }),
        row("an initial after a newer revision", "STALE_REVISION", async move {
            s.act(ActKind::Initial, "east.a", &s.first, None, |_| ()).await
        }),
        row("a signature before the opening", "NOT_NOW", async move {
            s.act(ActKind::Sign, "south.a", &s.drafting, far, |_| ()).await
        }),
        row("a declination before the opening", "NOT_NOW", async move {
            s.act(ActKind::Decline, "south.a", &s.drafting, far, |_| ()).await
        }),
        row("an initial after the opening", "NOT_NOW", async move {
            s.act(ActKind::Initial, "south.b", &s.open, None, |_| ()).await
        }),
        row("a revision after the opening", "NOT_NOW", async move {
            s.propose_as("north.a", &world.next(&s.open, GOOD), |_| ()).await
        }),
        row("a signature after completion", "NOT_NOW", async move {
            s.act(ActKind::Sign, "east.b", &s.complete, Some(s.complete_opening), |_| ()).await
        }),
        row("a declination after completion", "NOT_NOW", async move {
            s.act(ActKind::Decline, "east.b", &s.complete, Some(s.complete_opening), |_| ()).await
        }),
        row("an initial where initialling is waived", "NOT_NOW", async move {
            s.act(ActKind::Initial, "south.a", &s.waived, None, |_| ()).await
        }),
        row("an opening where initialling is required", "NOT_NOW", async move {
            s.act(ActKind::Open, "north.a", &s.drafting, None, |_| ()).await
        }),
        row("an opening by another than the proposer", "NOT_YOUR_ACT", async move {
            s.act(ActKind::Open, "south.a", &s.waived, None, |_| ()).await
        }),
        row("a publication before completion", "NOT_NOW", async move {
            reason(&world.remote("north").await.publish(s.open.communique).await)
        }),
        row("a package before publication, by one who is named", "NOT_PUBLISHED", async move {
            let mut sink = Vec::new();
            reason(&world.remote("north").await.download_package(s.complete.communique, &mut sink, &|_| ()).await)
        }),
        row("a package before publication, by another", "NOT_FOUND", async move {
            let mut sink = Vec::new();
            reason(&world.remote("west").await.download_package(s.complete.communique, &mut sink, &|_| ()).await)
        }),
        row("a deadline that has passed", "DEADLINE_PASSED", async move {
            s.propose(|m| m.procedure = Procedure { deadline: Some(now().plus(-1)), ..m.procedure.clone() }).await
        }),
        row("a signature dated after the deadline", "DEADLINE_PASSED", async move {
            let deadline = s.timed.procedure.deadline.unwrap();
            s.act(ActKind::Sign, "south.a", &s.timed, Some(s.timed_opening), |a| a.time = deadline.plus(10)).await
        }),
        row("a signature after the deadline, dated before it", "NOT_NOW", async move {
            s.act(ActKind::Sign, "south.a", &s.late, Some(s.late_opening), |a| a.time = s.deadline).await
        }),
        row("an initial on a draft whose deadline has passed", "DEADLINE_PASSED", async move {
            s.act(ActKind::Initial, "south.a", &s.overdue, None, |_| ()).await
        }),
        row("an act dated ahead of the log", "TIME_OUT_OF_BOUNDS", async move {
            s.initial(|a| a.time = now().plus(900)).await
        }),
        row("an act dated before what it builds on", "TIME_OUT_OF_BOUNDS", async move {
            s.initial(|a| a.time = now().plus(-900)).await
        }),
        // North's quorum is two: it is the holder who has no second seat.
        row("one holder with two keys", "SEAT_TAKEN", async move {
            s.act(ActKind::Sign, "north.second", &s.open, Some(s.opening), |_| ()).await
        }),
        row("one holder twice with one key", "SEAT_TAKEN", async move {
            s.act(ActKind::Sign, "north.a", &s.open, Some(s.opening), |_| ()).await
        }),
        row("a holder beyond the quorum", "SEAT_TAKEN", async move {
            s.act(ActKind::Sign, "south.b", &s.open, Some(s.opening), |_| ()).await
        }),
        row("a second initial of a party", "SEAT_TAKEN", async move {
            s.act(ActKind::Initial, "south.b", &s.begun, None, |_| ()).await
        }),
    ]
}

/// Acts that their grants do not cover, and grants that cannot be.
pub(super) fn grants<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let north = "authority of north";
    vec![
        row("an act outside its grant's acts", "GRANT_FORBIDS", async move {
            s.act(ActKind::Sign, "south.d", &s.open, Some(s.opening), |_| ()).await
        }),
        row("an act outside its grant's scope", "GRANT_FORBIDS", async move {
            s.act(ActKind::Initial, "south.e", &s.drafting, None, |_| ()).await
        }),
        row("an act after its grant's last day", "GRANT_FORBIDS", async move {
            s.act(ActKind::Initial, "south.f", &s.drafting, None, |_| ()).await
        }),
        row("an act before its grant's first day", "GRANT_FORBIDS", async move {
            s.act(ActKind::Initial, "south.g", &s.drafting, None, |_| ()).await
        }),
        row("a proposal outside its grant's scope", "GRANT_FORBIDS", async move {
            let mut next = s.world.next(&s.drafting, GOOD);
            next.texts = s.drafting.texts.clone();
            let mut act = s.world.act(ActKind::Propose, "south.e", &s.drafting, None);
            let bytes = json::encode(&next);
            (act.revision, act.manifest) = (next.revision, Digest::of(&bytes));
            let propose = raw(&json::encode(&act), "south.e");
            let request = v1::ProposeRevisionRequest { manifest: bytes, propose };
            outcome(&s.communiques("south").await.propose_revision(request).await)
        }),
        row("powers by another party's authority", "SIGNATURE_INVALID", async move {
            s.powers("north", "authority of south", |_| ()).await
        }),
        row("powers by a holder", "SIGNATURE_INVALID", async move { s.powers("north", "north.a", |_| ()).await }),
        row("powers of another exchange", "DISAGREES", async move {
            s.powers("north", north, |p| p.exchange = "other.example".parse().unwrap()).await
        }),
        row("powers of another founding", "DISAGREES", async move {
            s.powers("north", north, |p| p.founding = Digest::of(b"rehearsal")).await
        }),
        row("powers for a key that another holder has", "KEY_REFUSED", async move {
            s.powers("north", north, |p| p.key = key("north.a").public()).await
        }),
        row("powers for a key that another party has", "KEY_REFUSED", async move {
            s.powers("north", north, |p| p.key = key("south.a").public()).await
        }),
        row("powers for an authority's key", "KEY_REFUSED", async move {
            s.powers("north", north, |p| p.key = key(north).public()).await
        }),
        row("powers for no act", "MALFORMED", async move { s.powers("north", north, |p| p.acts.clear()).await }),
        row("powers that end before they begin", "MALFORMED", async move {
            s.powers("north", north, |p| p.not_after = p.not_before.plus(-1)).await
        }),
        row(
            "powers with unsorted acts",
            "MALFORMED",
            async move { s.powers("north", north, |p| p.acts.reverse()).await },
        ),
    ]
}
