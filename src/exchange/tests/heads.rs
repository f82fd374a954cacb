//! Heads and proofs, and a store that shows another past.

use serde_json::{Value, json};

use super::*;
use crate::{
    exchange::access::{GetCheckpoint, GetConsistencyProof, GetInclusionProof, ListDigests, SubmitCosignature},
    log::{
        Fault,
        checkpoint::{Checkpoint, Head, Log, Origin},
        cosignature::{Cosigner, cosign},
        proof::Proof,
        tree::verify_consistency,
    },
};

/// An exchange with one draft of North.
async fn drafted() -> (House, Receipt) {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    let receipt = house.propose(&house.world.manifest()).await.unwrap();
    (house, receipt)
}

async fn log_of(house: &House) -> Log {
    Log::of_charter(&house.exchange.charter_in_force().await.unwrap().charter().log).unwrap()
}

/// What the proof of a receipt shows, verified.
async fn shown(house: &House, receipt: &Receipt) -> Result<Head, Fault> {
    let proof = Proof::parse(receipt.proof.as_ref().unwrap().as_bytes()).unwrap();
    assert_eq!(proof.index(), receipt.index);
    proof.verify(Hash::of_entry(Digest::of(&receipt.entry)), &log_of(house).await)
}

async fn newest(house: &House) -> Head {
    house.exchange.newest().await.unwrap().head
}

#[tokio::test]
async fn every_answer_proves_its_entry_and_a_repeat_does_so_under_the_newest_head() {
    let (mut house, first) = drafted().await;
    let head = shown(&house, &first).await.unwrap();
    assert_eq!(head.checkpoint().size(), first.index + 1);
    let manifest = house.world.manifest();
    let acted = house.submit(ActKind::Initial, "north").await.unwrap();
    assert_eq!(shown(&house, &acted).await.unwrap().checkpoint().size(), acted.index + 1);
    let again = house.propose(&manifest).await.unwrap();
    assert_eq!((again.index, &again.entry), (first.index, &first.entry));
    assert_eq!(shown(&house, &again).await.unwrap().checkpoint().size(), acted.index + 1);
    let wrong = Receipt { entry: acted.entry, ..again };
    assert_eq!(shown(&house, &wrong).await, Err(Fault::NotIncluded { index: first.index, size: acted.index + 1 }));
}

#[tokio::test]
async fn publication_answers_with_its_proof() {
    let house = House::complete().await;
    let permit = House::permit::<PublishCommunique>("north");
    let view = house.exchange.publish(permit, house.world.id).await.unwrap();
    assert!(shown(&house, &view.receipt).await.unwrap().checkpoint().size() > view.receipt.index);
}

#[tokio::test]
async fn any_entry_and_any_two_heads_are_proven() {
    let house = House::complete().await;
    let exchange = &house.exchange;
    let head = newest(&house).await;
    let size = head.checkpoint().size();
    let digests = exchange.digests(House::permit::<ListDigests>("south"), 0).await.unwrap();
    assert_eq!(digests.len() as u64, size);
    for (index, digest) in (0..).zip(&digests) {
        let proof = exchange.inclusion(House::permit::<GetInclusionProof>("south"), index).await.unwrap();
        assert_eq!(proof.verify(Hash::of_entry(*digest), &log_of(&house).await).unwrap(), head);
    }
    let at = |head: &Head| (head.checkpoint().size(), head.checkpoint().root());
    let ask = |old, new| exchange.consistency(House::permit::<GetConsistencyProof>("south"), old, new);
    for old in 1..size {
        let early = ask(0, Some(old)).await.unwrap().head;
        for (new, wanted) in [(None, size), (Some(old + 1), old + 1)] {
            let later = ask(old, new).await.unwrap();
            assert_eq!(later.head.checkpoint().size(), wanted);
            verify_consistency(at(&early), at(&later.head), &later.proof).unwrap();
        }
    }
    let beyond = exchange.inclusion(House::permit::<GetInclusionProof>("south"), size).await;
    let asked = [ask(size + 1, None).await, ask(1, Some(size + 1)).await, ask(2, Some(1)).await];
    let reasons = asked.into_iter().map(|answer| answer.unwrap_err().reason());
    assert!(reasons.chain([beyond.unwrap_err().reason()]).all(|reason| reason == "MALFORMED"));
    assert_eq!(exchange.digests(House::permit::<ListDigests>("south"), size).await, Ok(vec![]));
    let refused = exchange.digests(House::permit::<ListDigests>("south"), size + 1).await;
    assert_eq!(refused.map_err(|refusal| refusal.reason()), Err("MALFORMED"));
    assert_eq!(exchange.ready().await, Ok(()), "wrong questions put nothing in doubt");
}

/// Each way in which a store can show another past than the one that was signed.
#[tokio::test]
async fn a_log_that_does_not_continue_what_was_signed_ends_all_writing() {
    let lies: [fn(&mut Vec<Stored>); 4] = [
        |log| log.truncate(log.len() - 1),
        |log| log.swap(1, 2),
        |log| log[0].digest = Digest::of(b"another"),
        |log| {
            let last = log.len() - 1;
            log[last].digest = Digest::of(b"another")
        },
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        let (mut house, _) = drafted().await;
        house.submit(ActKind::Initial, "north").await.unwrap();
        let signed = newest(&house).await;
        lie(&mut house.memory.log.lock().unwrap());
        let refused = house.submit(ActKind::Initial, "south").await;
        assert_eq!(refused.map_err(|refusal| refusal.reason()), Err("LOG_IN_DOUBT"), "lie {n}");
        let length = house.memory.log.lock().unwrap().len();
        let refused = house.submit(ActKind::Initial, "south").await;
        assert_eq!(refused.map_err(|refusal| refusal.reason()), Err("LOG_IN_DOUBT"), "lie {n}");
        assert_eq!(house.memory.log.lock().unwrap().len(), length, "lie {n}: nothing more is written");
        assert_eq!(house.exchange.ready().await.map_err(|refusal| refusal.reason()), Err("LOG_IN_DOUBT"));
        assert_eq!(house.exchange.last_head().await, Some(signed), "lie {n}: nothing more is signed");
    }
}

#[tokio::test]
async fn a_new_process_continues_the_last_head_or_writes_nothing() {
    let (mut house, _) = drafted().await;
    let signed = newest(&house).await;
    house.submit(ActKind::Initial, "north").await.unwrap();
    let again = || {
        let keys = ["log", "depositary"].map(|name| Arc::new(key(name)) as Arc<dyn Signer>).into();
        let (store, content) = (house.memory.clone(), house.memory.clone());
        Exchange::new(store, content, house.machine.clone(), keys, Arc::default())
    };
    let exchange = again();
    exchange.take_up(signed.checkpoint()).await.unwrap();
    assert_eq!(exchange.newest().await.unwrap().head, newest(&house).await);
    house.memory.log.lock().unwrap().truncate(signed.checkpoint().size() as usize - 1);
    let exchange = again();
    assert_eq!(exchange.take_up(signed.checkpoint()).await.map_err(|refusal| refusal.reason()), Err("LOG_IN_DOUBT"));
    assert_eq!(exchange.ready().await.map_err(|refusal| refusal.reason()), Err("LOG_IN_DOUBT"));
}

/// Remarks of one commit, and what it made.
async fn committed(house: &House, position: &mut Position, count: usize) -> Arc<Growth> {
    let entries = (0..count).map(|_| {
        let entry = Document::made(Entry {
            documents: vec![],
            files: None,
            kind: Kind::Remark,
            previous: position.last,
            salt: Salt::new([0; 32]),
            seq: position.length,
            statements: vec![],
            stream: StreamId::Remarks(house.world.id),
            time: noon(),
        });
        let entry = entry.unwrap();
        position.advance(&entry, entry.digest()).unwrap();
        NewEntry { entry, objects: vec![] }
    });
    let append = Append { expect: vec![], entries: entries.collect(), listings: vec![], unlogged: vec![] };
    house.memory.append(append).await.unwrap().growth
}

#[tokio::test]
async fn a_head_is_signed_once_for_all_that_shared_a_commit() {
    let (house, _) = drafted().await;
    let mut position = Position::default();
    let heads = || house.exchange.heads.count.load(Ordering::Relaxed);
    let reads = || house.memory.tree_reads.load(Ordering::Relaxed);
    let receipts = async |growth: &Arc<Growth>| {
        for index in growth.before().size()..growth.after().size() {
            let receipt = house.exchange.receipt_under(index, vec![], growth).await.unwrap();
            let proof = receipt.proof.unwrap();
            assert!(proof.contains(&format!("\n{}\n", growth.after().size())), "under the head of its commit: {proof}");
        }
    };
    let growth = committed(&house, &mut position, 3).await;
    let (signed, read) = (heads(), reads());
    receipts(&growth).await;
    assert_eq!((heads(), reads()), (signed + 1, read), "nor is the store asked");

    // Whoever made the later commit asks first: each has the head of its own, for one question to the store and not one an entry.
    let (earlier, later) = (committed(&house, &mut position, 5).await, committed(&house, &mut position, 5).await);
    let (signed, read) = (heads(), reads());
    receipts(&later).await;
    receipts(&earlier).await;
    assert_eq!(heads(), signed + 2);
    assert_eq!(reads(), read + 2);
}

#[tokio::test]
async fn cosignatures_are_the_witnesses_own_and_stand_with_their_head() {
    let (house, _) = drafted().await;
    let exchange = &house.exchange;
    let head = newest(&house).await;
    let size = head.checkpoint().size();
    let standing = exchange.charter_in_force().await.unwrap();
    let north = Cosigner::of_party(standing.party(&party("north")).unwrap()).unwrap();
    let now = house.exchange.now().unix() as u64;
    let line = |key: &dyn Signer, head: &Head, time| cosign(head, north.hint().name(), time, key).unwrap().to_string();
    let submit = async |of: &str, size, line: &str| {
        let permit = Permit::<SubmitCosignature>::ask(&party(of), Role::Witness).unwrap();
        exchange.submit_cosignature(permit, size, line).await.map_err(|refusal| refusal.reason())
    };
    let witness = key("witness of north");
    let good = line(&witness, &head, now);
    let root = head.checkpoint().root();
    let other = Origin::parse("other.example/log").unwrap();
    let other = Head::sign(Checkpoint::new(other, size, root).unwrap(), &key("log")).unwrap();
    for (of, size, line, reason) in [
        ("north", size, line(&key("north"), &head, now), "SIGNATURE_INVALID"),
        ("south", size, good.clone(), "SIGNATURE_INVALID"),
        ("north", size, line(&witness, &other, now), "SIGNATURE_INVALID"),
        ("north", size - 1, good.clone(), "SIGNATURE_INVALID"),
        ("north", size + 1, good.clone(), "MALFORMED"),
        ("north", 0, good.clone(), "MALFORMED"),
        ("north", size, line(&witness, &head, now + 301), "MALFORMED"),
        ("north", size, good.repeat(2), "MALFORMED"),
        ("north", size, String::new(), "MALFORMED"),
    ] {
        assert_eq!(submit(of, size, &line).await, Err(reason), "{of} {size} {line}");
    }
    assert_eq!(exchange.newest().await.unwrap().cosigned, None);
    assert_eq!(submit("north", size, &line(&witness, &head, now + 300)).await, Ok(()));
    let permit = House::permit::<GetCheckpoint>("south");
    let cosigned = exchange.checkpoint(permit).await.unwrap().cosigned.unwrap();
    assert_eq!(cosigned.checkpoint(), head.checkpoint());
    assert_eq!(north.time_in(cosigned.note()), Ok(Some(now + 300)));
}

/// The package of what was published, as it is served now, and what it shows of witnesses.
async fn served(house: &House) -> (Package, Value) {
    let life = house.exchange.folds.life(&*house.memory, house.world.id).await.unwrap();
    let package = house.exchange.built(house.world.id, &life).await.unwrap();
    let verdict = verified(house, house.world.id).await;
    assert_eq!(verdict["verdict"], "proven", "{verdict}");
    (package, verdict["findings"]["witnesses"].clone())
}

#[tokio::test]
async fn a_package_is_served_at_once_and_again_with_the_witnesses_that_there_are() {
    let house = House::complete().await;
    let exchange = &house.exchange;
    exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id).await.unwrap();
    let (first, found) = served(&house).await;
    assert_eq!((first.shown.witnesses, &found["found"], &found["wanted"]), (0, &json!(0), &json!(2)));
    let size = newest(&house).await.checkpoint().size();
    let standing = exchange.charter_in_force().await.unwrap();
    let cosigns = async |of: &str, size: u64| {
        let head = exchange.continued(0, Some(size)).await.unwrap().head;
        let cosigner = Cosigner::of_party(standing.party(&party(of)).unwrap()).unwrap();
        let (name, key) = (cosigner.hint().name(), key(&format!("witness of {of}")));
        let line = cosign(&head, name, exchange.now().unix() as u64, &key).unwrap().to_string();
        let permit = Permit::<SubmitCosignature>::ask(&party(of), Role::Witness).unwrap();
        exchange.submit_cosignature(permit, size, &line).await.unwrap();
    };
    cosigns("south", size - 1).await;
    assert_eq!(served(&house).await.0, first, "a head that does not cover `published` shows nothing");
    cosigns("south", size).await;
    let (second, found) = served(&house).await;
    assert_eq!((second.shown.witnesses, &found["parties"][0]["party"]), (1, &json!("south")));
    assert_eq!(served(&house).await.0, second);
    cosigns("north", size).await;
    let (third, found) = served(&house).await;
    assert_eq!((third.shown.witnesses, &found["parties"][0]["party"]), (2, &json!("north")), "by party");
    // A key that has witnessed and is none in the charter any more leaves a line that counts for nothing.
    house.memory.cosigned.lock().unwrap().iter_mut().for_each(|kept| kept.line = kept.line.replace("south", "other"));
    assert_eq!(served(&house).await.0, third);
}
