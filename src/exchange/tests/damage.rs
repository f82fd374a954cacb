//! The check of everything, over a backend that compares nothing by itself: what is changed in it is found and named all the same.

use super::*;
use crate::{
    exchange::fsck::{Continues, Report, Scope, fsck},
    log::checkpoint::Unverified,
};

async fn checked(house: &House, head: Option<Unverified>) -> Report {
    fsck(house.memory.clone(), house.memory.clone(), Scope { head, ..Scope::default() }).await
}

fn told(report: &Report) -> Vec<String> {
    report.faults.listed().iter().map(|found| format!("{}: {}", found.at, found.what)).collect()
}

/// Changes something in memory behind the exchange's back.
type Change = fn(&House);

/// What is found of a change: words of one line.
const CHANGES: &[(&str, Change, &str, &str)] = &[
    (
        "a text",
        |h| drop(h.memory.blobs.lock().unwrap().insert(Digest::of(TEXT), b"Texte d'essay.\n".to_vec())),
        "data/texts/fr.txt of",
        "its bytes have the digest",
    ),
    (
        "a shorter text",
        |h| drop(h.memory.blobs.lock().unwrap().insert(Digest::of(TEXT), b"Texte".to_vec())),
        "data/texts/fr.txt of",
        "5 bytes",
    ),
    ("no text", |h| h.memory.blobs.lock().unwrap().clear(), "data/texts/fr.txt of", "it is not there"),
    ("no row", |h| h.memory.rows.lock().unwrap().clear(), "in the list of communiqués", "not there"),
    (
        "a row's state",
        |h| h.memory.rows.lock().unwrap().values_mut().for_each(|row| row.state = State::Lapsed),
        "in the list",
        "it says lapsed",
    ),
    (
        "a row's parties",
        |h| h.memory.rows.lock().unwrap().values_mut().for_each(|row| row.parties.reverse()),
        "in the list",
        "other parties",
    ),
    ("an entry's bytes", |h| h.memory.log.lock().unwrap()[3].bytes.push(b' '), "entry 3 of", "do not have its digest"),
    (
        "what an entry says",
        |h| h.memory.log.lock().unwrap()[3].entry.salt = Salt::new([1; 32]),
        "entry 3 of",
        "canonical form",
    ),
    ("an object", |h| h.memory.log.lock().unwrap()[3].objects[0].push(b' '), "entry 3 of", "has another digest"),
    ("no object", |h| h.memory.log.lock().unwrap()[3].objects.clear(), "entry 3 of", "not all that it names"),
    ("another index", |h| h.memory.log.lock().unwrap()[3].index = 4, "entry 3", "was changed or is missing"),
    (
        "another order",
        |h| {
            h.memory.log.lock().unwrap().iter_mut().for_each(|s| {
                if s.index == 2 {
                    let mut e = s.entry.clone();
                    e.time = noon().plus(9);
                    s.entry = e;
                    s.bytes = json::encode(&s.entry);
                    s.digest = Digest::of(&s.bytes)
                }
            })
        },
        "entry 3 of",
        "its time is before",
    ),
    (
        "another past of a stream",
        |h| {
            h.memory.log.lock().unwrap().iter_mut().for_each(|s| {
                if s.index == 1 {
                    let mut e = s.entry.clone();
                    e.salt = Salt::new([9; 32]);
                    s.entry = e;
                    s.bytes = json::encode(&s.entry);
                    s.digest = Digest::of(&s.bytes)
                }
            })
        },
        "entry 2 of exchange (adoption)",
        "it names another entry before it",
    ),
    (
        "an entry that cannot be read",
        |h| *h.memory.lost.lock().unwrap() = Some(1),
        "entry 1 of exchange",
        "was changed or is missing",
    ),
    (
        "another place",
        |h| {
            let mut log = h.memory.log.lock().unwrap();
            log.swap(1, 2);
            (log[1].index, log[2].index) = (1, 2);
        },
        "entry 1 of exchange (adoption)",
        "it is number 2 of its stream, where number 1 comes",
    ),
    (
        "a stream's entry that is not found as such",
        |h| {
            let mut aside = h.memory.log.lock().unwrap().clone();
            aside.retain(|s| s.entry.stream != StreamId::Party(party("north")));
            *h.memory.aside.lock().unwrap() = Some(aside);
        },
        "party/north, from its entry 0 on",
        "it is not found as the stream's, though the log has it",
    ),
    (
        "a stream that ends otherwise than in the log",
        |h| {
            let mut aside = h.memory.log.lock().unwrap().clone();
            let last = aside.iter_mut().rfind(|s| s.entry.stream == StreamId::Exchange).unwrap();
            last.entry.salt = Salt::new([9; 32]);
            last.bytes = json::encode(&last.entry);
            last.digest = Digest::of(&last.bytes);
            *h.memory.aside.lock().unwrap() = Some(aside);
        },
        "exchange, from its entry",
        "the log has other entries of it than are found as the stream's",
    ),
    (
        "a stream that is not listed",
        |h| h.memory.unlisted.lock().unwrap().push(StreamId::Party(party("north"))),
        "the list of streams",
        "other entries than the log",
    ),
    (
        "a stream that is not listed, and a row of the list",
        |h| {
            h.memory.unlisted.lock().unwrap().push(StreamId::Party(party("north")));
            h.memory.rows.lock().unwrap().values_mut().for_each(|row| row.revision += 1);
        },
        "the list of streams",
        "other entries than the log",
    ),
    (
        "a text, and nobody is said to have brought it",
        |h| {
            h.memory.blobs.lock().unwrap().insert(Digest::of(TEXT), b"Texte d'essay.\n".to_vec());
            h.memory.uploads.lock().unwrap().clear();
        },
        "data/texts/fr.txt of",
        "its bytes have the digest",
    ),
    (
        "a cosignature",
        |h| {
            h.memory.cosigned.lock().unwrap().push(Cosignature {
                size: 3,
                party: party("north"),
                line: "no line\n".into(),
            })
        },
        "the cosignature by north of the head of 3",
        "not one signature line",
    ),
];

#[tokio::test]
async fn what_is_changed_is_found_and_named() {
    let house = House::complete().await;
    assert!(house.exchange.scrub(0).await.unwrap().faults.is_empty());
    assert_eq!(house.exchange.metrics.scrub(), (1, 0));
    let bytes = house.exchange.metrics.scrub_bytes();
    let report = checked(&house, None).await;
    assert_eq!(told(&report), Vec::<String>::new());
    let edge = house.memory.tree().await.unwrap();
    assert_eq!((report.size, report.root, report.continues), (edge.size(), Some(edge.root()), Continues::NotAsked));
    assert_eq!(report.founding, Some(house.world.charter.digest()));
    assert_eq!((report.counts.contents, report.counts.communiques, report.counts.entries), (1, 1, edge.size()));
    // Each entry in both orders, and whatever first names what it names.
    assert!(bytes >= 4096 * (2 * report.counts.entries + report.counts.objects), "{bytes}");
    for (name, change, at, what) in CHANGES {
        let house = House::complete().await;
        change(&house);
        let report = house.exchange.scrub(0).await.unwrap();
        assert_eq!(house.exchange.metrics.scrub(), (1, report.faults.count() as i64), "{name}");
        let head = house.exchange.last_head().await.map(crate::log::checkpoint::Head::into_unverified);
        assert_eq!(told(&report), told(&checked(&house, head).await), "{name}");
        let told = told(&report);
        assert!(told.iter().any(|told| told.contains(at) && told.contains(what)), "{name}: {told:?}");
        // What is wrong by itself is not told of a second time, as what its stream or a blob comes to.
        assert!(told.iter().filter(|told| told.starts_with("content ")).count() < 2, "{name}: {told:?}");
        assert!(!told.iter().any(|told| told.contains("does not fit")), "{name}: {told:?}");
    }
}

/// What is complete, published, and has its package.
async fn published() -> House {
    let house = House::complete().await;
    let (id, publish) = (house.world.id, House::permit::<PublishCommunique>("north"));
    house.exchange.publish(publish, id).await.unwrap();
    house.exchange.publication(House::permit::<GetPublication>("north"), id).await.unwrap();
    house
}

/// At whichever of its reads log and content go away, a pass ends without a word; and if it is for a moment, it goes on.
#[tokio::test]
async fn what_is_away_is_not_damaged() {
    let house = published().await;
    let scrub = async |unreadable| {
        *house.memory.unreadable.lock().unwrap() = unreadable;
        house.memory.asked.store(0, Ordering::Relaxed);
        house.exchange.scrub(0).await
    };
    let whole = scrub(0..0).await.unwrap();
    assert_eq!((told(&whole), whole.counts.packages), (vec![], 1));
    let reads = house.memory.asked.load(Ordering::Relaxed);
    assert!(reads > 30, "{reads}");
    for n in 0..reads {
        assert!(scrub(n..usize::MAX).await.is_none(), "read {n} of {reads}");
        assert_eq!(scrub(n..n + 1).await.map(|report| told(&report)), Some(vec![]), "read {n} of {reads}");
    }
    assert_eq!(house.exchange.metrics.scrub(), (1 + reads as u64, 0));
}

/// Log, list and content, at a moment.
#[derive(Clone)]
struct Moment {
    log: Vec<Stored>,
    rows: std::collections::BTreeMap<CommuniqueId, Listing>,
    blobs: HashMap<Digest, Vec<u8>>,
    packages: HashMap<CommuniqueId, Package>,
}

fn moment(memory: &Memory) -> Moment {
    let (log, rows) = (memory.log.lock().unwrap().clone(), memory.rows.lock().unwrap().clone());
    let (blobs, packages) = (memory.blobs.lock().unwrap().clone(), memory.packages.lock().unwrap().clone());
    Moment { log, rows, blobs, packages }
}
fn turn(memory: &Memory, Moment { log, rows, blobs, packages }: Moment) {
    *memory.log.lock().unwrap() = log;
    *memory.rows.lock().unwrap() = rows;
    *memory.blobs.lock().unwrap() = blobs;
    *memory.packages.lock().unwrap() = packages;
}

/// Checks while the memory becomes what it is now, at whichever of the reads; what is told, each time.
async fn checked_meanwhile(house: &House, before: &Moment) -> Vec<Vec<String>> {
    let (after, mut all) = (moment(&house.memory), vec![]);
    for n in 0.. {
        turn(&house.memory, before.clone());
        let change = after.clone();
        *house.memory.meanwhile.lock().unwrap() = Some((n, Box::new(move |memory| turn(memory, change))));
        house.memory.asked.store(0, Ordering::Relaxed);
        all.push(told(&checked(house, None).await));
        if house.memory.meanwhile.lock().unwrap().take().is_some() {
            break;
        }
    }
    assert!(all.len() > 20, "{}", all.len());
    all
}

/// What is begun, and what is purged, while all is read, at whichever of the reads.
#[tokio::test]
async fn what_goes_on_meanwhile_is_not_damage() {
    for purged in [true, false] {
        let mut house = House::of(&[("north", 1), ("south", 1)]).await;
        let first = house.world.manifest();
        house.upload("north", first.communique, TEXT).await;
        house.propose(&first).await.unwrap();
        if purged {
            house.submit(ActKind::Withdraw, "north").await.unwrap();
            house.submit(ActKind::Purge, "north").await.unwrap();
        }
        let before = moment(&house.memory);
        if purged {
            house.submit(ActKind::Purge, "south").await.unwrap();
            house.memory.blobs.lock().unwrap().clear();
        } else {
            // It is another by then, one is listed before it, and one after it.
            house.submit(ActKind::Withdraw, "north").await.unwrap();
            for millis in [1, 1 << 45] {
                let next = Manifest { communique: CommuniqueId::new(millis, &[7; 10]), ..first.clone() };
                house.upload("north", next.communique, TEXT).await;
                house.propose(&next).await.unwrap();
            }
        }
        for (n, told) in checked_meanwhile(&house, &before).await.iter().enumerate() {
            assert_eq!(told, &Vec::<String>::new(), "at read {n}");
        }
    }
}

/// A package that is made anew meanwhile: the one before is not missed, and is judged by no bytes that it lacks.
#[tokio::test]
async fn a_package_that_gives_way_is_not_damage() {
    let house = published().await;
    let id = house.world.id;
    let before = moment(&house.memory);
    let made = (Digest::of(b"anew"), before.packages[&id].digest);
    house.memory.blobs.lock().unwrap().remove(&made.1);
    house.memory.blobs.lock().unwrap().insert(made.0, b"anew".to_vec());
    let anew = Package { digest: made.0, size: 4, ..before.packages[&id].clone() };
    house.memory.packages.lock().unwrap().insert(id, anew);
    let all = checked_meanwhile(&house, &before).await;
    // What is no package is found where it is the one that is judged.
    let judged = &all[0];
    assert!(matches!(judged.as_slice(), [one] if one.starts_with("the package of")), "{judged:?}");
    for (n, told) in all.iter().enumerate() {
        assert!(told.is_empty() || told == judged, "at read {n}: {told:?}");
    }
    assert!(all.last().unwrap().is_empty());
}

/// Who asks for a check of what cannot be read at all is told so, and soon.
#[tokio::test]
async fn a_log_of_which_nothing_can_be_read_is_not_searched_for_its_end() {
    let house = House::complete().await;
    *house.memory.unreadable.lock().unwrap() = 0..usize::MAX;
    house.memory.asked.store(0, Ordering::Relaxed);
    let report = checked(&house, None).await;
    assert!(told(&report).iter().any(|told| told.starts_with("the tree's size and root")), "{:?}", told(&report));
    let reads = house.memory.asked.load(Ordering::Relaxed);
    assert!(reads < 20, "{reads}");
}

#[tokio::test]
async fn what_the_log_says_was_purged_may_be_gone() {
    let mut house = House::of(&[("north", 1), ("south", 1)]).await;
    house.upload("north", house.world.id, TEXT).await;
    house.propose(&house.world.manifest()).await.unwrap();
    house.submit(ActKind::Withdraw, "north").await.unwrap();
    house.submit(ActKind::Purge, "north").await.unwrap();
    house.memory.blobs.lock().unwrap().clear();
    let before = told(&checked(&house, None).await);
    assert!(
        matches!(before.as_slice(), [one] if one.contains("it is not there")),
        "one party alone has asked: {before:?}"
    );
    house.submit(ActKind::Purge, "south").await.unwrap();
    let report = checked(&house, None).await;
    assert_eq!((told(&report), report.counts.purged), (vec![], 1));
}

#[tokio::test]
async fn a_head_that_the_log_does_not_continue_is_told() {
    let house = House::complete().await;
    let head = house.exchange.head().await.unwrap();
    let of = |head: &crate::log::checkpoint::Head| Some(head.clone().into_unverified());
    assert_eq!(checked(&house, of(&head)).await.continues, Continues::Yes);
    // Lost: the last two.
    let last = house.memory.log.lock().unwrap().split_off(head.checkpoint().size() as usize - 2);
    let report = checked(&house, of(&head)).await;
    assert_eq!(report.continues, Continues::Lacks(2));
    assert!(
        told(&report).iter().any(|told| told.contains("2 that were acknowledged are lacking")),
        "{:?}",
        told(&report)
    );
    house.memory.log.lock().unwrap().extend(last);
    // Another past, whoever signed it.
    let root = Hash::of_entry(Digest::of(b"another past"));
    let other = crate::log::checkpoint::Checkpoint::new(head.checkpoint().origin().clone(), 3, root).unwrap();
    for (by, faults) in [("log", 1), ("nobody", 2)] {
        let signed = crate::log::checkpoint::Head::sign(other.clone(), &key(by)).unwrap();
        let report = checked(&house, of(&signed)).await;
        assert_eq!((report.continues, told(&report).len()), (Continues::No, faults), "{:?}", told(&report));
    }
}

#[tokio::test]
async fn what_a_witness_said_of_a_head_must_verify() {
    let witness = |charter: &mut Charter| charter.parties[0].witness = Some(key("witness").public());
    let house = House::in_world(World::changed(&[("north", 1), ("south", 1)], witness)).await;
    let head = house.exchange.head().await.unwrap();
    let cosigner = crate::log::cosignature::Cosigner::of_party(&house.world.charter.parties[0]).unwrap();
    let line = crate::log::cosignature::cosign(&head, cosigner.hint().name(), 1, &key("witness")).unwrap().to_string();
    let size = head.checkpoint().size();
    for (size, of, line, sound) in [
        (size, "north", line.clone(), true),
        (size - 1, "north", line.clone(), false),
        (size + 1, "north", line.clone(), false),
        (size, "south", line.clone(), false),
        (size, "north", line.replace("A", "B"), false),
    ] {
        *house.memory.cosigned.lock().unwrap() = vec![Cosignature { size, party: party(of), line }];
        let report = checked(&house, None).await;
        assert_eq!(report.faults.is_empty(), sound, "{size} {of}: {:?}", told(&report));
        assert_eq!(report.counts.cosignatures, 1);
    }
}
