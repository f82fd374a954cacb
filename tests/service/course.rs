//! What a negotiation meets beside the straight road: objections, declarations, capitals that confirm, embargoes, withdrawals,
//! deadlines, substitutes, corrections, and parties that come and go.

use std::{
    io::{Cursor, Write as _},
    time::Duration,
};

use communique::{
    client::remote::{Remote, RemoteError},
    domain::{
        act::{Act, ActKind, Declaration},
        charter::{Adoption, Charter, Der, Party},
        document::Document,
        entry::{Entry, Kind},
        id::{CommuniqueId, Digest, Role},
        json,
        key::Signer as _,
        life::State,
        manifest::{Initialling, Manifest, Rectifies},
        powers::Revocation,
        statement::Statement,
        trust::Trust,
        view::{ActView, Happening, Receipt},
        words::Prose,
    },
    package::{verdict::Verdict, verify::verify},
};

use crate::world::{
    NAMED, World, authority, bare, domain_of, fresh, issue, key, names, now, party, party_of, reason, sign, until,
};

async fn state(world: &World, of: &str, id: CommuniqueId) -> State {
    world.remote(of).await.communique(id).await.unwrap().state
}

async fn does(
    world: &World,
    kind: ActKind,
    who: &str,
    manifest: &Document<Manifest>,
    opening: Option<Digest>,
) -> Receipt {
    world.submit(who, world.act(kind, who, manifest, opening)).await.unwrap()
}

/// The digest of the statement that this receipt is for.
fn logged(receipt: &Receipt) -> Digest {
    json::parse::<Entry>(&receipt.entry).unwrap().statements[0]
}

pub fn revocation(world: &World, who: &str) -> Statement<Revocation> {
    let of = party_of(who);
    let body = Revocation {
        founding: world.pinned.founding(),
        exchange: world.pinned.exchange().clone(),
        party: party(of),
        grant: world.granted(who).digest(),
        reason: Prose::new("Fin de mission (exemple).").unwrap(),
        time: now(),
    };
    Statement::sign(body, &key(&format!("authority of {of}"))).unwrap()
}

async fn revoke(world: &World, who: &str) -> Result<Receipt, RemoteError> {
    let session = world.session(party_of(who), Role::Authority).await;
    session.remote().submit_revocation(revocation(world, who).compact()).await
}

/// What a verifier makes of the package that a stranger downloads.
async fn verdict(world: &World, id: CommuniqueId) -> Verdict {
    let archivist = world.session("west", Role::Archivist).await;
    let mut package = Vec::new();
    archivist.remote().download_package(id, &mut package, &|_| ()).await.unwrap();
    verify(Cursor::new(&package), Some(world.pinned.founding()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objected_declared_confirmed_and_released() {
    let world = World::new().await;
    let embargo = now().plus(3600);
    let first = world.draft(&NAMED, |m| m.procedure.embargo = Some(embargo)).await;
    // Every party initials, and an objection stands: it does not open.
    does(&world, ActKind::Object, "east.a", &first, None).await;
    for who in ["north.a", "south.a", "east.a"] {
        does(&world, ActKind::Initial, who, &first, None).await;
    }
    assert_eq!(state(&world, "south", first.communique).await, State::Drafting);
    let second = world.revise("south.a", &first, "Deuxième texte.\n").await;
    let declared = logged(&does(&world, ActKind::Declare, "south.a", &second, None).await);
    let id = second.communique;
    for of in NAMED {
        let acts = world.remote(of).await.communique(id).await.unwrap().acts;
        assert!(matches!(&acts[..], [ActView::Shown { .. }]), "every party reads a declaration");
    }
    let opening = world.open(&second).await;

    // South signs with its declaration; East's capital must confirm.
    let with = |of: &str| {
        let mut act = world.act(ActKind::Sign, &format!("{of}.a"), &second, Some(opening));
        act.declaration = Some(Declaration::Made(declared));
        act
    };
    assert_eq!(reason(&world.submit("north.a", with("north")).await), "NOT_FOUND", "another party's declaration");
    world.submit("south.a", with("south")).await.unwrap();
    let pending = logged(&does(&world, ActKind::SignAdReferendum, "east.a", &second, Some(opening)).await);
    for who in ["north.a", "north.b"] {
        world.sign_for(who, &second, opening).await;
    }
    assert_eq!(state(&world, "south", id).await, State::Open, "East's signature waits");
    let confirm =
        |who: &str| Act { confirms: Some(pending), ..world.act(ActKind::Confirm, who, &second, Some(opening)) };
    assert_eq!(reason(&world.submit("south.b", confirm("south.b")).await), "SEAT_TAKEN");
    let confirmation = sign(confirm("east.b"), &key("east.b"));
    let receipt = world.carry("east", &confirmation).await.unwrap();
    assert_eq!(state(&world, "south", id).await, State::Complete);
    assert_eq!(world.carry("east", &confirmation).await.unwrap(), receipt, "the first answer again");

    // Published before the embargo's end once every party has released it.
    let publish = async || reason(&world.remote("north").await.publish(id).await);
    for who in ["north.a", "south.a"] {
        does(&world, ActKind::Release, who, &second, Some(opening)).await;
        assert_eq!(publish().await, "EMBARGOED");
    }
    let again = world.act(ActKind::Release, "south.b", &second, Some(opening));
    assert_eq!(reason(&world.submit("south.b", again).await), "SEAT_TAKEN", "once for its party");
    does(&world, ActKind::Release, "east.c", &second, Some(opening)).await;
    assert_eq!(publish().await, "OK");
    assert_eq!(verdict(&world, id).await.name(), "proven");
    let again = world.carry("east", &confirmation).await.unwrap();
    assert_eq!(bare(again), bare(receipt), "the first answer, at any later time");
    world.stop().await;
}

/// What East can learn of South's signature before completion, by every method that it may call.
async fn bytes_seen_by_east(world: &World, id: CommuniqueId) -> String {
    let remote = world.remote("east").await;
    let mut seen = format!(
        "{:?} {:?} {:?}",
        remote.communique(id).await.unwrap(),
        remote.acts(id).await.unwrap(),
        remote.events(id).await.unwrap()
    );
    let mut stream = remote.watch(Some(0), Some(id)).await.unwrap();
    let last = remote.events(id).await.unwrap().last().unwrap().index;
    loop {
        let item = stream.next().await.unwrap();
        seen.push_str(&format!("{item:?}"));
        if let communique::domain::view::WatchItem::Event(event) = &item {
            if let Happening::Shown(logged) = &event.happening {
                seen.push_str(&String::from_utf8_lossy(&logged.entry));
                for object in &logged.objects {
                    seen.push_str(&String::from_utf8_lossy(object));
                }
            }
            if event.index >= last {
                return seen;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn escrow_is_sealed_for_ever_by_a_declination() {
    let world = World::new().await;
    let manifest = world.draft(&NAMED, |_| ()).await;
    let (id, opening) = (manifest.communique, world.open(&manifest).await);
    let signatures = [(ActKind::Sign, "south.a"), (ActKind::SignAdReferendum, "north.a")]
        .map(|(kind, who)| sign(world.act(kind, who, &manifest, Some(opening)), &key(who)));
    for (of, signature) in ["south", "north"].into_iter().zip(&signatures) {
        world.carry(of, signature).await.unwrap();
    }
    let sealed = async |when: &str| {
        let seen = bytes_seen_by_east(&world, id).await;
        for signature in &signatures {
            assert!(!seen.contains(signature.as_str()), "the statement, {when}");
            assert!(!seen.contains(&Digest::of(signature.as_bytes()).to_string()), "its digest, {when}");
        }
        assert!(!seen.contains("SignAdReferendum"), "that it is to be confirmed, {when}");
    };
    sealed("while it is open").await;
    // Who has signed may still decline.
    does(&world, ActKind::Decline, "south.a", &manifest, Some(opening)).await;
    sealed("after the declination").await;
    let second = world.revise("east.a", &manifest, "Deuxième texte.\n").await;
    let opening = world.open(&second).await;
    world.sign_all(&second, opening).await;
    assert_eq!(state(&world, "east", id).await, State::Complete);
    sealed("after another revision is complete").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_drafts_texts_are_erased_when_all_ask() {
    let world = World::new().await;
    let text = "Texte d'essai.\n";
    let manifest = world.draft(&NAMED, |_| ()).await;
    let id = manifest.communique;
    let draft = world.act(ActKind::Withdraw, "south.a", &manifest, None);
    assert_eq!(reason(&world.submit("south.a", draft).await), "NOT_YOUR_ACT", "a draft is its proposer's");
    let opening = world.open(&manifest).await;
    for who in ["south.a", "north.a"] {
        does(&world, ActKind::Withdraw, who, &manifest, Some(opening)).await;
        assert_eq!(state(&world, "east", id).await, State::Open);
    }
    does(&world, ActKind::Withdraw, "east.a", &manifest, Some(opening)).await;
    assert_eq!(state(&world, "east", id).await, State::Withdrawn);
    assert_eq!(reason(&world.propose("south.a", &world.next(&manifest, text)).await), "NOT_NOW");

    let read = async |of: &str| {
        let mut sink = Vec::new();
        reason(&world.remote(of).await.download(id, Digest::of(text.as_bytes()), &mut sink, &|_| ()).await)
    };
    let purge = sign(world.act(ActKind::Purge, "north.b", &manifest, None), &key("north.b"));
    let receipt = world.carry("north", &purge).await.unwrap();
    does(&world, ActKind::Purge, "south.a", &manifest, None).await;
    assert_eq!(read("east").await, "OK", "East has not asked");
    let before = world.stored();
    does(&world, ActKind::Purge, "east.a", &manifest, None).await;
    assert_eq!(read("east").await, "PURGED");
    assert_eq!(read("west").await, "NOT_FOUND");
    let (blobs, uploads) = (before.len() - 3, before.len() - 2);
    let after = world.stored();
    assert_eq!((after[blobs], after[uploads]), (before[blobs] - 1, before[uploads] - 1), "the bytes are gone");
    let view = world.remote("south").await.communique(id).await.unwrap();
    assert!(view.purged && view.newest.manifest == manifest.bytes(), "digests and acts stay");
    assert_eq!(bare(world.carry("north", &purge).await.unwrap()), bare(receipt));
    let raw = std::fs::read(world.config.data.content()).unwrap();
    assert!(!raw.windows(text.len()).any(|w| w == text.as_bytes()), "no trace in the file");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_signed_in_time_lapses_also_when_nobody_calls() {
    let world = World::new().await;
    let deadline = now().plus(8);
    let manifest = world.draft(&NAMED, |m| m.procedure.deadline = Some(deadline)).await;
    let (id, opening) = (manifest.communique, world.open(&manifest).await);
    world.sign_for("south.a", &manifest, opening).await;
    let entries = world.stored()[0];
    // The store is looked at, and the exchange is not called.
    until("it lapses", || async { world.stored()[0] == entries + 1 }).await;
    assert!(now() > deadline);
    let events = world.remote("north").await.events(id).await.unwrap();
    let Happening::Shown(last) = &events.last().unwrap().happening else { panic!("it is shown") };
    let entry: Entry = json::parse(&last.entry).unwrap();
    assert_eq!((entry.kind, entry.documents), (Kind::Lapsed, vec![manifest.digest()]));
    assert!(entry.time > deadline);
    assert_eq!(state(&world, "north", id).await, State::Lapsed);
    let late = world.act(ActKind::Sign, "east.a", &manifest, Some(opening));
    assert_eq!(reason(&world.submit("east.a", Act { time: deadline, ..late }).await), "NOT_NOW");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_substitute_signs_the_same_revision() {
    let world = World::new().await;
    let manifest = world.draft(&NAMED, |_| ()).await;
    let (id, opening) = (manifest.communique, world.open(&manifest).await);
    let first = sign(world.act(ActKind::Sign, "south.a", &manifest, Some(opening)), &key("south.a"));
    let receipt = world.carry("south", &first).await.unwrap();
    let revoked = revocation(&world, "south.a");
    let authority = world.session("south", Role::Authority).await;
    let ended = authority.remote().submit_revocation(revoked.compact()).await.unwrap();
    assert_eq!(authority.remote().submit_revocation(revoked.compact()).await.unwrap(), ended, "the first answer again");
    let another =
        Statement::sign(Revocation { time: now().plus(1), ..revoked.body().clone() }, &key("authority of south"));
    let another = authority.remote().submit_revocation(another.unwrap().compact()).await;
    assert_eq!(reason(&another), "ALREADY_EXISTS");
    assert_eq!(bare(world.carry("south", &first).await.unwrap()), bare(receipt), "what was said stays said");
    for who in ["north.a", "north.b", "east.a"] {
        world.sign_for(who, &manifest, opening).await;
    }
    assert_eq!(state(&world, "south", id).await, State::Open, "a signature without powers fills no seat");
    let again = world.act(ActKind::Sign, "south.a", &manifest, Some(opening));
    assert_eq!(reason(&world.submit("south.a", again).await), "GRANT_FORBIDS");
    world.grant("south.d", world.terms("south", "d")).await;
    world.sign_for("south.d", &manifest, opening).await;
    assert_eq!(state(&world, "south", id).await, State::Complete);
    // What was complete stays so.
    revoke(&world, "south.d").await.unwrap();
    world.remote("north").await.publish(id).await.unwrap();
    let verdict = verdict(&world, id).await;
    let Verdict::Proven(findings) = &verdict else { panic!("{verdict:?}") };
    let south = findings.parties.iter().find(|p| p.id == party("south")).unwrap();
    let signed: Vec<_> = south.signatories.iter().map(|s| s.deed.holder.as_str()).collect();
    assert_eq!(signed, ["holder.d"]);
    world.stop().await;
}

/// A revocation and the signature that would complete, at once: whatever the log says first is what happened, for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_races_with_a_signature() {
    let world = World::new().await;
    let (mut completed, mut refused) = (0, 0);
    for n in 0..24 {
        let who = format!("south.race{n}");
        world.grant(&who, world.terms("south", &format!("race{n}"))).await;
        let manifest = world.draft(&["north", "south"], |_| ()).await;
        let (id, opening) = (manifest.communique, world.open(&manifest).await);
        for who in ["north.a", "north.b"] {
            world.sign_for(who, &manifest, opening).await;
        }
        let act = sign(world.act(ActKind::Sign, &who, &manifest, Some(opening)), &key(&who));
        let (signature, revocation) = tokio::join!(world.carry("south", &act), async {
            tokio::time::sleep(Duration::from_micros(400 * n)).await;
            revoke(&world, &who).await
        },);
        let revoked = revocation.unwrap().index;
        let state = state(&world, "north", id).await;
        match signature {
            Ok(receipt) => {
                assert!(receipt.index < revoked, "a signature was taken after its powers had ended");
                assert_eq!(state, State::Complete);
                completed += 1;
            }
            Err(_) => {
                assert_eq!(reason(&signature), "GRANT_FORBIDS");
                assert_eq!(state, State::Open);
                refused += 1;
            }
        }
        assert_eq!(world.carry("south", &act).await.is_ok(), state == State::Complete, "asked again, the same outcome");
    }
    let _ = writeln!(std::io::stderr(), "races: signature first {completed}, revocation first {refused}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_names_and_carries_what_it_corrects() {
    let world = World::new().await;
    let finish = async |manifest: &Document<Manifest>| {
        let opening = world.open(manifest).await;
        world.sign_all(manifest, opening).await;
        world.remote("north").await.publish(manifest.communique).await.unwrap()
    };
    let original = world.draft(&NAMED, |_| ()).await;
    let names = |manifest: &Document<Manifest>, entry: Digest| Rectifies {
        communique: manifest.communique,
        manifest: manifest.digest(),
        entry,
    };
    let (text, unpublished) = ("Texte d'essai.\n", names(&original, Digest::of(b"no entry")));
    let correcting = async |rectifies: Rectifies, parties: &[&str]| {
        let id = fresh();
        world.upload(parties[0], id, text.as_bytes()).await.unwrap();
        let manifest = Manifest { rectifies: Some(rectifies), ..world.manifest(id, parties, text) };
        world.propose(&format!("{}.a", parties[0]), &manifest).await
    };
    assert_eq!(reason(&correcting(unpublished, &NAMED).await), "NOT_FOUND", "it is not published");
    let publication = finish(&original).await;
    let rectifies = names(&original, Digest::of(&publication.receipt.entry));
    assert_eq!(reason(&correcting(unpublished, &NAMED).await), "DISAGREES");
    assert_eq!(reason(&correcting(rectifies, &["north", "south"]).await), "DISAGREES", "by other parties");
    let correction = correcting(rectifies, &["south", "east", "north"]).await.unwrap();
    let next = Manifest { rectifies: None, ..world.next(&correction, text) };
    assert_eq!(reason(&world.propose("south.a", &next).await), "MALFORMED", "it is fixed at creation");
    let published = finish(&correction).await;
    assert_eq!(published.rectified_by, None);
    let archivist = world.session("west", Role::Archivist).await;
    let named = archivist.publication(original.communique).await.unwrap().rectified_by;
    assert_eq!(named, Some(correction.communique));

    // A correction of the correction; the first names the newest.
    let again = correcting(names(&correction, Digest::of(&published.receipt.entry)), &NAMED).await.unwrap();
    finish(&again).await;
    for id in [original.communique, correction.communique] {
        assert_eq!(archivist.publication(id).await.unwrap().rectified_by, Some(again.communique));
    }
    let verdict = verdict(&world, again.communique).await;
    let Verdict::Proven(findings) = &verdict else { panic!("{verdict:?}") };
    let corrected = findings.original.as_ref().unwrap();
    assert_eq!(corrected.communique, correction.communique);
    assert_eq!(corrected.original.as_ref().unwrap().communique, original.communique);
    world.stop().await;
}

/// The charter in force, changed, as its successor.
pub fn successor(world: &World, change: impl FnOnce(&mut Charter)) -> Document<Charter> {
    let mut next = Charter::clone(world.pinned.charter());
    (next.version, next.previous) = (2, Some(world.pinned.charter().digest()));
    next.adopt_by = Some(now().plus(3600));
    change(&mut next);
    next.parties.sort_by(|a, b| a.id.cmp(&b.id));
    Document::of(&next).unwrap()
}

pub fn adoption(world: &World, charter: &Document<Charter>, of: &str, with: &str) -> String {
    let body = Adoption {
        founding: world.pinned.founding(),
        exchange: charter.exchange.clone(),
        party: party(of),
        charter: charter.digest(),
        version: charter.version,
        time: now(),
    };
    Statement::sign(body, &key(with)).unwrap().compact().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_charter_succeeds_another() {
    let world = World::new().await;
    let open = world.draft(&NAMED, |_| ()).await;
    let opening = world.open(&open).await;
    world.sign_for("south.a", &open, opening).await;
    let drafted = world.draft(&["north", "west"], |m| m.procedure.initialling = Initialling::Waived).await;

    // A newcomer joins, West leaves, South has a new authority key.
    let newcomer = Party {
        id: party("far"),
        names: names("Échantillon far"),
        trust_domain: domain_of("far").parse().unwrap(),
        authority: key("authority of far").public(),
        quorum: 1,
        witness: None,
    };
    let next = successor(&world, |c| {
        c.parties.retain(|p| p.id != party("west"));
        c.parties.push(newcomer);
        let south = c.parties.iter_mut().find(|p| p.id == party("south")).unwrap();
        south.authority = key("next authority of south").public();
    });
    let remote = world.session("north", Role::Authority).await;
    let remote = remote.remote();
    let first = adoption(&world, &next, "north", "authority of north");
    let proposed = remote.propose_charter(next.bytes(), &first).await.unwrap();
    assert_eq!(remote.propose_charter(next.bytes(), &first).await.unwrap(), proposed, "the first answer again");
    // Whoever is admitted cannot call yet: North carries all of them.
    for (of, with) in [
        ("east", "authority of east"),
        ("far", "authority of far"),
        ("south", "authority of south"),
        ("south", "next authority of south"),
    ] {
        assert_eq!(state(&world, "north", open.communique).await, State::Open, "before {with} has adopted");
        let statement = adoption(&world, &next, of, with);
        let receipt = remote.submit_adoption(&statement).await.unwrap();
        assert_eq!(remote.submit_adoption(&statement).await.unwrap(), receipt);
    }
    assert_eq!(state(&world, "north", open.communique).await, State::Open, "West has not consented to leave");
    let west = world.remote("west").await;
    remote.submit_adoption(&adoption(&world, &next, "west", "authority of west")).await.unwrap();

    // What was open returns to drafting; the escrow stays shut.
    let view = world.remote("north").await.communique(open.communique).await.unwrap();
    assert_eq!((view.state, view.returned), (State::Drafting, true));
    assert!(view.acts.iter().any(|a| matches!(a, ActView::Escrowed { .. })));
    let act = world.act(ActKind::Initial, "north.b", &drafted, None);
    assert_eq!(reason(&world.submit("north.b", act).await), "DISAGREES", "it was drafted under another charter");
    // West is shut out, on the connection that it has.
    until("West is out", || async { west.communiques(&Default::default()).await.is_err() }).await;

    // The newcomer's trust is carried by another, and then it calls.
    let ca = authority("far");
    let standing = remote.charters().await.unwrap();
    assert_eq!(standing.iter().filter(|c| c.in_force.is_some()).count(), 2);
    let trust = Trust {
        founding: world.pinned.founding(),
        exchange: world.pinned.exchange().clone(),
        party: party("far"),
        serial: 1,
        certificates: vec![Der::new(ca.der().to_vec()).unwrap()],
        revoked: vec![],
        time: now(),
    };
    remote.submit_trust(&sign(trust, &key("authority of far"))).await.unwrap();
    let issued = issue(&ca, &format!("spiffe://{}/official/sample", domain_of("far")));
    until("the newcomer is let in", || async { Remote::connect(&world.connection_with(&issued)).await.is_ok() }).await;
    let far = Remote::connect(&world.connection_with(&issued)).await.unwrap();
    let mut followed = world.pinned.clone();
    followed.follow(&far.charters().await.unwrap(), now()).unwrap();
    assert_eq!(followed.charter().digest(), next.digest(), "it follows the succession from the first charter");

    let under = |mut act: Act| {
        act.charter = next.digest();
        act
    };
    // The text goes on under the new charter; South acts under powers of its new key, the old ones have died.
    let second = Manifest { charter: next.digest(), ..world.next(&open, "Texte d'essai.\n") };
    let second = Document::of(&second).unwrap();
    let by_south = under(world.act(ActKind::Propose, "south.a", &second, None));
    let refused = world.carry_proposal("south", second.bytes(), &sign(by_south, &key("south.a"))).await;
    assert_eq!(reason(&refused), "GRANT_FORBIDS");
    let by_north = under(world.act(ActKind::Propose, "north.a", &second, None));
    world.carry_proposal("north", second.bytes(), &sign(by_north, &key("north.a"))).await.unwrap();
    // A draft that names who has left can only be taken back.
    let back = under(world.act(ActKind::Withdraw, "north.a", &drafted, None));
    world.submit("north.a", back).await.unwrap();
    assert_eq!(state(&world, "north", drafted.communique).await, State::Withdrawn);
    world.stop().await;
}
