//! Deciding on what is kept of the log, before it is read.

use super::*;

/// A communiqué before its initials, and another exchange over the same log.
async fn two() -> (House, Exchange) {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    let (store, content) = (house.memory.clone(), house.memory.clone());
    let keys: Vec<Arc<dyn Signer>> = vec![Arc::new(key("log")), Arc::new(key("depositary"))];
    let other = Exchange::new(store, content, house.machine.clone(), keys, Arc::default());
    house.propose(&house.world.manifest()).await.unwrap();
    (house, other)
}

/// An act on what the log holds now, signed.
async fn act(house: &mut House, kind: ActKind, of: &str) -> Statement<crate::domain::act::Act> {
    house.world.life = told(house).await.life().clone();
    Statement::sign(house.world.act(kind, of, "a1"), &key(&format!("{of}.a1"))).unwrap()
}

/// What the log tells of the communiqué.
async fn told(house: &House) -> Arc<load::Course> {
    load::Folds::default().life(&*house.memory, house.world.id).await.unwrap()
}

fn permit(of: &str) -> Permit<SubmitAct> {
    House::permit(of)
}

#[tokio::test]
async fn what_was_done_here_is_kept_as_the_log_tells_it() {
    let (mut house, _) = two().await;
    let id = house.world.id;
    for (kind, of) in [
        (None, ""),
        (Some(ActKind::Initial), "north"),
        (Some(ActKind::Initial), "south"),
        (Some(ActKind::Sign), "north"),
        (Some(ActKind::Sign), "south"),
    ] {
        if let Some(kind) = kind {
            let act = act(&mut house, kind, of).await;
            house.exchange.act(permit(of), act.compact()).await.unwrap();
        }
        let told = told(&house).await;
        let before = house.memory.looks.load(Ordering::Relaxed);
        let look = load::Look { folds: &house.exchange.folds, store: &*house.memory, kept: true };
        let kept = look.life(id).await.unwrap();
        assert_eq!(house.memory.looks.load(Ordering::Relaxed), before, "{kind:?}");
        assert_eq!(kept.life(), told.life(), "{kind:?}");
        assert_eq!(house.memory.rows.lock().unwrap()[&id], append::listing(id, kept.life()).unwrap(), "{kind:?}");
        for index in 0..house.memory.log.lock().unwrap().len() as u64 {
            assert_eq!(kept.receipt(index), told.receipt(index), "{kind:?}, {index}");
        }
    }
}

#[tokio::test]
async fn who_comes_first_is_answered_without_a_read() {
    let (mut house, _) = two().await;
    let north = act(&mut house, ActKind::Initial, "north").await;
    house.exchange.act(permit("north"), north.compact()).await.unwrap();
    let south = act(&mut house, ActKind::Initial, "south").await;
    let before = house.memory.looks.load(Ordering::Relaxed);
    house.exchange.act(permit("south"), south.compact()).await.unwrap();
    assert_eq!(house.memory.looks.load(Ordering::Relaxed), before);
    let life = house.exchange.folds.life(&*house.memory, house.world.id).await.unwrap();
    assert_eq!(life.state(), State::Open, "what was carried on in memory is what the log says");
}

#[tokio::test]
async fn what_is_kept_and_behind_is_not_believed() {
    let (mut house, other) = two().await;
    let id = house.world.id;
    let north = act(&mut house, ActKind::Initial, "north").await;
    let south = act(&mut house, ActKind::Initial, "south").await;
    other.act(permit("north"), north.compact()).await.unwrap();
    // What this one keeps is behind, and takes it; the append does not.
    house.exchange.act(permit("south"), south.compact()).await.unwrap();
    let life = house.exchange.folds.life(&*house.memory, id).await.unwrap();
    assert_eq!(life.state(), State::Open, "both initials count");
    // What the other one keeps is behind, and refuses it; the log does not.
    let signature = act(&mut house, ActKind::Sign, "north").await;
    let kept = load::Look { folds: &other.folds, store: &*house.memory, kept: true }.life(id).await.unwrap();
    assert_eq!(kept.state(), State::Drafting);
    other.act(permit("north"), signature.compact()).await.unwrap();
}

#[tokio::test]
async fn what_was_logged_before_is_answered_as_before() {
    let (mut house, other) = two().await;
    // It may be said more than once, but each statement stands once in the log.
    let declared = act(&mut house, ActKind::Declare, "south").await;
    let first = house.exchange.act(permit("south"), declared.compact()).await.unwrap();
    let length = house.memory.log.lock().unwrap().len();
    for exchange in [&house.exchange, &other] {
        let again = exchange.act(permit("south"), declared.compact()).await.unwrap();
        assert_eq!((again.index, &again.entry), (first.index, &first.entry));
    }
    // Also while nothing new is taken.
    house.memory.full.store(true, Ordering::Relaxed);
    let again = house.exchange.act(permit("south"), declared.compact()).await.unwrap();
    assert_eq!((again.index, &again.entry), (first.index, &first.entry));
    assert_eq!(house.memory.log.lock().unwrap().len(), length);
}
