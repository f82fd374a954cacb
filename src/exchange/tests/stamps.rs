//! Time stamps: which are wanted, which are kept, and that packages show them.

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::message::Tell as _,
    exchange::{ToStamp, access::SubmitCosignature},
    log::cosignature::{Cosigner, cosign},
    package::{
        bag::STAMP_PATH,
        stamp::{NoStamp, samples::Parts},
    },
};

/// An exchange with one published communiqué.
async fn one() -> House {
    let house = House::complete().await;
    house.exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id).await.unwrap();
    house
}

/// The same for those who ask an authority.
pub(crate) async fn published() -> Arc<Exchange> {
    one().await.exchange
}

/// What an authority answers.
fn answer(asked: &ToStamp) -> Vec<u8> {
    Parts::asked(&asked.request()).response()
}

/// Digest and verdict of the package as it is served now, and how many packages were written until then.
async fn served(house: &House) -> (Package, Value, usize) {
    let life = house.exchange.folds.life(&*house.memory, house.world.id).await.unwrap();
    let package = house.exchange.built(house.world.id, &life).await.unwrap();
    let verdict = verified(house, house.world.id).await;
    assert_eq!(verdict["verdict"], "proven", "{verdict}");
    (package, verdict["findings"].clone(), house.memory.next.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_package_is_served_at_once_and_made_again_once_for_its_stamp() {
    let house = one().await;
    let (first, found, made) = served(&house).await;
    assert_eq!((first.shown.stamped, &found["timestamp"]), (false, &json!(false)));
    let asked = house.exchange.to_stamp().await.unwrap().unwrap();
    assert_eq!(asked.communique(), house.world.id);
    assert_eq!(served(&house).await, (first.clone(), found, made), "nothing waits for it");
    house.exchange.keep_stamp(&asked, answer(&asked)).await.unwrap();
    let (second, found, made_again) = served(&house).await;
    assert_eq!((second.shown.stamped, &found["timestamp"]), (true, &json!(true)));
    assert_eq!((second.shown.witnesses, &second.shown.head), (0, &first.shown.head));
    assert_eq!(made_again, made + 1);
    assert_eq!(served(&house).await.2, made_again, "once");
    let zip = house.memory.blobs.lock().unwrap()[&second.digest].clone();
    let holds = |bytes: &[u8]| zip.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(STAMP_PATH.as_bytes()) && holds(&answer(&asked)));
    assert_eq!(house.exchange.to_stamp().await, Ok(None), "and nobody is asked again");
}

#[tokio::test]
async fn only_an_answer_to_the_question_is_kept() {
    let house = one().await;
    let asked = house.exchange.to_stamp().await.unwrap().unwrap();
    let life = house.exchange.folds.life(&*house.memory, house.world.id).await.unwrap();
    let right = Parts::asked(&asked.request());
    assert_eq!(right.digest, life.published().unwrap().entry.as_bytes(), "it is the entry that is stamped");
    let other = Parts { digest: Digest::of(b"another").as_bytes().to_vec(), ..right.clone() };
    let refused = house.exchange.keep_stamp(&asked, other.response()).await;
    assert_eq!(refused, Err(Refusal::malformed("time stamp", NoStamp::OtherBytes.message())));
    assert!(house.memory.stamps.lock().unwrap().is_empty());
    assert_eq!(house.exchange.to_stamp().await, Ok(Some(asked)), "it is asked for again");
    assert!(!served(&house).await.0.shown.stamped);
}

#[tokio::test]
async fn what_was_published_before_anybody_asked_is_stamped_and_what_is_not_published_never() {
    let mut house = House::complete().await;
    assert_eq!(house.exchange.to_stamp().await, Ok(None), "complete, and not published");
    house.exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id).await.unwrap();
    let first = house.exchange.to_stamp().await.unwrap().expect("at once, without a whole look").communique();
    assert_eq!(first, house.world.id);
    // A newer one goes before.
    house.world.life = Life::default();
    house.world.id = CommuniqueId::new(1_900_000_000_000, &[1; 10]);
    house.upload("north", house.world.id, TEXT).await;
    house.propose(&house.world.manifest()).await.unwrap();
    for kind in [ActKind::Initial, ActKind::Sign] {
        house.submit(kind, "north").await.unwrap();
        house.submit(kind, "south").await.unwrap();
    }
    house.exchange.publish(House::permit::<PublishCommunique>("north"), house.world.id).await.unwrap();
    let again = {
        let keys = ["log", "depositary"].map(|name| Arc::new(key(name)) as Arc<dyn Signer>).into();
        Exchange::new(house.memory.clone(), house.memory.clone(), house.machine.clone(), keys, Arc::default())
    };
    for exchange in [&*house.exchange, &again] {
        let newest = exchange.to_stamp().await.unwrap().unwrap();
        assert_eq!(newest.communique(), house.world.id);
        // One that fails holds up no other.
        exchange.put_off_stamp(newest.communique());
        assert_eq!(exchange.to_stamp().await.unwrap().unwrap().communique(), first);
    }
    // What one process keeps, another does not ask for.
    let asked = again.to_stamp().await.unwrap().unwrap();
    again.keep_stamp(&asked, answer(&asked)).await.unwrap();
    assert_eq!(house.exchange.to_stamp().await.unwrap().unwrap().communique(), house.world.id);
    assert!(!served(&house).await.0.shown.stamped, "it is another's");
}

/// The newest head, cosigned by this party's witness.
async fn cosigned(house: &House, of: &str) {
    let exchange = &house.exchange;
    let head = exchange.newest().await.unwrap().head;
    let standing = exchange.charter_in_force().await.unwrap();
    let cosigner = Cosigner::of_party(standing.party(&party(of)).unwrap()).unwrap();
    let (time, key) = (exchange.now().unix() as u64, key(&format!("witness of {of}")));
    let line = cosign(&head, cosigner.hint().name(), time, &key).unwrap().to_string();
    let permit = Permit::<SubmitCosignature>::ask(&party(of), Role::Witness).unwrap();
    exchange.submit_cosignature(permit, head.checkpoint().size(), &line).await.unwrap();
}

/// Asks for the stamp of what was published, and keeps it.
async fn stamped(house: &House) {
    let asked = house.exchange.to_stamp().await.unwrap().unwrap();
    house.exchange.keep_stamp(&asked, answer(&asked)).await.unwrap();
}

/// Cosignatures are kept for few heads: by the time the stamp comes, those that the package shows may be gone.
#[tokio::test]
async fn a_stamp_costs_no_cosignature() {
    let house = one().await;
    let exchange = &house.exchange;
    cosigned(&house, "north").await;
    let (before, ..) = served(&house).await;
    assert_eq!(before.shown.witnesses, 1);
    house.memory.cosigned.lock().unwrap().clear();
    stamped(&house).await;
    let (after, found, made) = served(&house).await;
    assert_eq!((after.shown.witnesses, after.shown.stamped, &found["witnesses"]["found"]), (1, true, &json!(1)));
    assert_eq!(after.shown.head, before.shown.head);
    assert_eq!(served(&house).await.2, made);
    // A package of an earlier program, whose head nobody kept, stays as it is rather than lose its witness.
    let earlier = Shown { head: String::new(), ..before.shown.clone() };
    house.memory.packages.lock().unwrap().insert(house.world.id, Package { shown: earlier.clone(), ..before });
    let life = exchange.folds.life(&*house.memory, house.world.id).await.unwrap();
    assert_eq!(exchange.built(house.world.id, &life).await.unwrap().shown, earlier);
}

#[tokio::test]
async fn a_cosignature_costs_no_stamp() {
    let house = one().await;
    stamped(&house).await;
    let (before, ..) = served(&house).await;
    assert_eq!((before.shown.witnesses, before.shown.stamped), (0, true));
    for (witnesses, of) in [(1, "north"), (2, "south")] {
        cosigned(&house, of).await;
        let (after, found, _) = served(&house).await;
        assert_eq!((after.shown.witnesses, after.shown.stamped), (witnesses, true));
        assert_eq!((&found["timestamp"], &found["witnesses"]["found"]), (&json!(true), &json!(witnesses)));
    }
}

/// The keys of a charter that was succeeded are asked for no longer than it takes to build a package once.
#[tokio::test]
async fn a_package_whose_keys_are_gone_is_served_on_without_the_stamp() {
    let house = one().await;
    let (before, ..) = served(&house).await;
    stamped(&house).await;
    let keys = vec![Arc::new(key("log")) as Arc<dyn Signer>];
    let again = Exchange::new(house.memory.clone(), house.memory.clone(), house.machine.clone(), keys, Arc::default());
    let life = again.folds.life(&*house.memory, house.world.id).await.unwrap();
    assert_eq!(again.built(house.world.id, &life).await, Ok(before));
    house.memory.packages.lock().unwrap().clear();
    let refused = again.built(house.world.id, &life).await;
    assert!(matches!(refused, Err(Refusal::KeyMissing { .. })), "there is none to serve: {refused:?}");
    assert!(served(&house).await.0.shown.stamped);
}
