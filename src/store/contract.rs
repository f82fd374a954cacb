//! What every backend must do, as tests: the comments of [`crate::exchange::ports`], made executable.
//!
//! A backend names its opening function in [`store_contract!`] or [`content_contract!`] and gets one test for each rule. The
//! function is given a path of its own; the same path again is the same database, opened anew. A backend that needs what a machine may
//! not have says whether it is there.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use crate::{
    domain::{
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{CommuniqueId, Digest, PartyId, Salt},
        life::State,
        time::Time,
    },
    exchange::ports::{
        Append, AppendError, COSIGNED_LIMIT, Cosignature, Listing, ListingQuery, NewEntry, Object, ReadFailed, Store,
        Stored,
    },
    log::tree::{Edge, Hash, Node, Plan, verify_inclusion},
};

mod content;
pub(super) use content::*;

macro_rules! rules {
    ($open:expr, $ready:expr; $($rule:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $rule() {
            if !$ready {
                return;
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("database");
            $crate::store::contract::$rule(|| ($open)(&path)).await;
        }
    )* };
}
macro_rules! store_contract {
    ($open:expr) => { $crate::store::contract::store_contract!($open, true); };
    ($open:expr, $ready:expr) => {
        $crate::store::contract::rules!($open, $ready; indices_follow_without_gaps every_expected_stream_is_compared
            an_append_is_whole time_never_goes_back what_breaks_the_contract_is_refused objects_keep_their_first_entry
            pages_of_the_list_are_stable what_was_purged_is_found what_is_open_is_found_among_what_has_ended
            what_was_answered_survives a_dropped_caller_leaves_a_whole_append_or_none
            concurrent_appends_all_land of_rivals_one_wins what_is_said_to_be_new_is_compared what_stands_has_not_grown
            remarks_and_the_communique_are_two_streams streams_are_listed_by_name the_tree_is_of_all_entries
            cosignatures_of_the_largest_heads_are_kept);
    };
}
macro_rules! content_contract {
    ($open:expr) => { $crate::store::contract::content_contract!($open, true); };
    ($open:expr, $ready:expr) => {
        $crate::store::contract::rules!($open, $ready; pieces_of_any_size_are_put_together one_digest_is_one_content
            a_purge_erases_what_one_communique_alone_holds what_is_sealed_is_listed_by_digest
            uploads_are_their_owners packages_are_found the_first_stamp_is_kept a_stage_is_not_content stages_end_with_the_process
            a_parked_upload_goes_on_where_it_ended a_parked_upload_survives_a_restart only_its_own_upload_goes_on
            who_begins_anew_forgets_what_was_kept two_streams_never_mix the_quota_counts_what_is_announced_and_kept
            what_is_kept_is_bounded_in_number_and_age what_is_kept_expires_also_when_nobody_calls);
    };
}
pub(super) use {content_contract, rules, store_contract};

/// An append of which a test asks no more than where it went.
pub(super) trait Place: Store {
    async fn place(&self, append: Append) -> Result<u64, AppendError> {
        self.append(append).await.map(|appended| appended.index)
    }
}
impl<S: Store> Place for S {}

/// A stream as a caller builds it.
#[derive(Clone)]
pub(super) struct Chain {
    stream: StreamId,
    length: u64,
    last: Option<Digest>,
}

impl Chain {
    pub(super) fn new(stream: StreamId) -> Self {
        Self { stream, length: 0, last: None }
    }

    /// What follows this entry.
    pub(super) fn after(last: &Stored) -> Self {
        Self { stream: last.entry.stream.clone(), length: last.entry.seq + 1, last: Some(last.digest) }
    }

    /// The next entry, at this time, recording these documents.
    pub(super) fn next(&mut self, time: i64, documents: Vec<Vec<u8>>) -> NewEntry {
        let objects: Vec<_> = documents.into_iter().map(Object::new).collect();
        let names = objects.iter().map(Object::digest).collect();
        let new = NewEntry { objects, ..self.naming(time, names) };
        self.length += 1;
        self.last = Some(new.entry.digest());
        new
    }

    /// What the next entry would be, with names alone.
    pub(super) fn naming(&self, time: i64, documents: Vec<Digest>) -> NewEntry {
        let entry = Entry {
            documents,
            files: None,
            kind: Kind::Act,
            previous: self.last,
            salt: Salt::new([9; 32]),
            seq: self.length,
            statements: vec![],
            stream: self.stream.clone(),
            time: Time::from_unix(time),
        };
        NewEntry { entry: Document::made(entry).unwrap(), objects: vec![] }
    }

    fn seen(&self) -> (StreamId, u64) {
        (self.stream.clone(), self.length)
    }
}

/// An append that expects nothing but that its streams are as its entries say.
pub(super) fn append(entries: Vec<NewEntry>) -> Append {
    Append { expect: vec![], entries, listings: vec![], unlogged: vec![] }
}

fn expecting<const N: usize>(expect: [(StreamId, u64); N], entries: Vec<NewEntry>) -> Append {
    Append { expect: expect.into(), ..append(entries) }
}

fn party_id(n: u32) -> PartyId {
    format!("sample-{n}").parse().unwrap()
}

pub(super) fn party(n: u32) -> StreamId {
    StreamId::Party(party_id(n))
}

fn communique(n: u8) -> CommuniqueId {
    CommuniqueId::new(u64::from(n), &[n; 10])
}

/// Appends one entry to each of so many streams, all at once.
pub(super) async fn crowd<S: Store>(store: &Arc<S>, size: u32) -> Vec<u64> {
    let tasks: Vec<_> = (0..size)
        .map(|n| {
            let store = Arc::clone(store);
            let mut chain = Chain::new(party(n));
            let (seen, new) = (chain.seen(), chain.next(5, vec![vec![7; n as usize]]));
            tokio::spawn(async move { store.place(expecting([seen], vec![new])).await.unwrap() })
        })
        .collect();
    let mut indices = vec![];
    for task in tasks {
        indices.push(task.await.unwrap());
    }
    indices.sort_unstable();
    indices
}

pub(super) async fn indices_follow_without_gaps<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut a, mut b) = (Chain::new(party(1)), Chain::new(StreamId::Exchange));
    assert_eq!(store.log(0, 9).await.unwrap(), []);
    assert_eq!(store.last().await.unwrap(), None);
    let first = vec![a.next(1, vec![b"one".to_vec(), b"two".to_vec()]), b.next(1, vec![]), a.next(2, vec![])];
    assert_eq!(store.place(append(first.clone())).await, Ok(0));
    let second = b.next(2, vec![]);
    assert_eq!(store.place(append(vec![second.clone()])).await, Ok(3));

    let log = store.log(0, 9).await.unwrap();
    let given: Vec<_> = first.iter().chain([&second]).collect();
    assert_eq!(log.len(), 4);
    for ((n, stored), given) in (0..).zip(&log).zip(given) {
        assert_eq!((stored.index, &stored.entry, &stored.bytes[..]), (n, &*given.entry, given.entry.bytes()));
        assert_eq!(stored.digest, given.entry.digest());
    }
    assert_eq!(log[0].objects, [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(store.log(1, 2).await.unwrap(), log[1..3]);
    assert_eq!(store.last().await.unwrap().as_ref(), log.last());
    assert_eq!(store.log(4, 2).await.unwrap(), []);
    assert_eq!(store.log(u64::MAX, usize::MAX).await.unwrap(), []);
    assert_eq!(store.log(0, 0).await.unwrap(), []);
    assert_eq!(store.stream(&party(1), 0, usize::MAX).await.unwrap(), [log[0].clone(), log[2].clone()]);
    assert_eq!(store.stream(&StreamId::Exchange, 1, 5).await.unwrap(), log[3..]);
    assert_eq!(store.stream(&party(1), 0, 1).await.unwrap(), log[..1]);
    assert_eq!(store.stream(&party(3), 0, 1).await.unwrap(), []);
}

pub(super) async fn every_expected_stream_is_compared<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut a, mut read) = (Chain::new(party(1)), Chain::new(party(2)));
    let seen = read.seen();
    store.place(expecting([seen.clone()], vec![read.next(1, vec![])])).await.unwrap();
    let before = a.clone();
    let stale = expecting([a.seen(), seen], vec![a.next(1, vec![])]);
    assert_eq!(store.place(stale.clone()).await, Err(AppendError::Conflict));
    assert_eq!(store.log(0, 9).await.unwrap().len(), 1);
    let ahead = expecting([(party(3), 1)], stale.entries.clone());
    assert_eq!(store.place(ahead).await, Err(AppendError::Conflict));
    let right = expecting([before.seen(), read.seen(), (party(3), 0)], stale.entries);
    assert_eq!(store.place(right.clone()).await, Ok(1));
    assert_eq!(store.place(right).await, Err(AppendError::Conflict));
    let again = append(vec![before.clone().next(1, vec![])]);
    assert_eq!(store.place(again).await, Err(AppendError::Conflict), "also where nothing was expected");
}

pub(super) async fn what_is_said_to_be_new_is_compared<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut a, mut b) = (Chain::new(party(1)), Chain::new(party(2)));
    let (said, digest) = (b"said".to_vec(), Digest::of(b"said"));
    let new = |entries| Append { unlogged: vec![digest], ..append(entries) };
    assert_eq!(store.place(new(vec![a.next(1, vec![said.clone()])])).await, Ok(0));
    let twice = new(vec![b.clone().next(1, vec![said.clone()])]);
    assert_eq!(store.place(twice.clone()).await, Err(AppendError::Conflict));
    assert_eq!(store.place(append(twice.entries)).await, Ok(1), "where nobody says so, it may be named again");
    b.next(1, vec![said]);
    assert_eq!(store.place(new(vec![b.next(1, vec![b"other".to_vec()])])).await, Ok(2), "it names something else");
    drop(store);
    let again = new(vec![a.next(1, vec![b"said".to_vec()])]);
    assert_eq!(open().place(again).await, Err(AppendError::Conflict), "also once it is opened again");
}

/// What is known without reading is never behind what an append has answered.
pub(super) async fn what_stands_has_not_grown<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let mut a = Chain::new(party(1));
    let Some(mark) = store.mark() else {
        assert!(!store.stands(&party(1), 0, 0), "only reading tells");
        return;
    };
    assert!(store.stands(&party(1), 0, mark) && store.stands(&party(2), 0, mark));
    store.place(append(vec![a.next(1, vec![])])).await.unwrap();
    assert!(!store.stands(&party(1), 0, mark));
    assert!(store.stands(&party(1), 1, mark) && store.stands(&party(2), 0, mark));
    let mut stale = a.clone();
    store.place(append(vec![a.next(1, vec![]), a.next(1, vec![])])).await.unwrap();
    assert_eq!(store.place(append(vec![stale.next(1, vec![])])).await, Err(AppendError::Conflict));
    assert!(store.stands(&party(1), 3, mark) && !store.stands(&party(1), 2, mark), "by what was appended alone");
    assert!(!store.stands(&party(1), 3, mark + 1), "a mark of another time");
}

pub(super) async fn remarks_and_the_communique_are_two_streams<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut life, mut remarks) =
        (Chain::new(StreamId::Communique(communique(1))), Chain::new(StreamId::Remarks(communique(1))));
    let before = life.clone();
    store.place(append(vec![life.next(1, vec![]), remarks.next(1, vec![b"said".to_vec()])])).await.unwrap();
    // What is said meanwhile is no conflict for an act, nor an act for what is said.
    let (seen, act) = (life.seen(), life.next(1, vec![]));
    store.place(append(vec![remarks.next(1, vec![])])).await.unwrap();
    assert_eq!(store.place(expecting([seen], vec![act])).await, Ok(3));
    assert_eq!(
        store.place(expecting([before.seen()], vec![remarks.clone().next(1, vec![])])).await,
        Err(AppendError::Conflict)
    );
    drop(store);
    let store = open();
    let of = async |stream| {
        let entries = store.stream(&stream, 0, 9).await.unwrap();
        entries.iter().map(|e| e.index).collect::<Vec<_>>()
    };
    assert_eq!(of(StreamId::Communique(communique(1))).await, [0, 3]);
    assert_eq!(of(StreamId::Remarks(communique(1))).await, [1, 2]);
    assert_eq!(of(StreamId::Remarks(communique(2))).await, [0_u64; 0]);
}

/// Many that saw the same stream, also within one batch: one of them is in time.
pub(super) async fn of_rivals_one_wins<S: Store>(open: impl Fn() -> S) {
    let store = Arc::new(open());
    let mut shared = Chain::new(party(0));
    for round in 0..4 {
        let tasks: Vec<_> = (1..=32)
            .map(|n| {
                let (store, mut shared) = (Arc::clone(&store), shared.clone());
                // Half of them append to the stream that all have read, half to one of their own.
                let (seen, mut own) = (shared.seen(), Chain::new(party(1000 * (round + 1) + n)));
                let to = if n % 2 == 0 { &mut shared } else { &mut own };
                let new = to.next(1, vec![n.to_be_bytes().to_vec()]);
                tokio::spawn(async move { (n, store.place(expecting([seen], vec![new])).await) })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                (n, Ok(_)) if n % 2 == 0 => won += 1,
                (_, Ok(_) | Err(AppendError::Conflict)) => {}
                (n, Err(error)) => panic!("{n}: {error}"),
            }
        }
        assert_eq!(won, 1);
        let stored = store.stream(&party(0), 0, 99).await.unwrap();
        shared.length += 1;
        assert_eq!(stored.len() as u64, shared.length);
        shared.last = stored.last().map(|entry| entry.digest);
        // Whoever read the stream at its old length is before it in the log.
        let log = store.log(0, 999).await.unwrap();
        let winner = stored.last().unwrap().index;
        assert!(log.iter().skip(winner as usize + 1).all(|entry| entry.entry.seq == 0));
        assert_eq!(log.len() as u64, winner + 1, "an append that had seen the shorter stream came after it grew");
    }
}

pub(super) async fn an_append_is_whole<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut a, mut b) = (Chain::new(party(1)), Chain::new(party(2)));
    let mut entries: Vec<_> = (0..20).map(|n| a.next(1, vec![vec![n]])).collect();
    entries.push(b.next(1, vec![]));
    let mut broken = entries.clone();
    broken.push(Chain::new(party(2)).next(1, vec![b"late".to_vec()]));
    let listing = Listing {
        communique: communique(1),
        state: State::Open,
        revision: 1,
        manifest: Digest::of(b""),
        parties: vec![party_id(1), party_id(2)],
    };
    let whole = |entries| Append { listings: vec![listing.clone()], ..append(entries) };
    assert_eq!(store.place(whole(broken)).await, Err(AppendError::Conflict));
    assert_eq!(store.log(0, 99).await.unwrap(), []);
    assert_eq!(store.first_naming(Digest::of(&[0])).await.unwrap(), None);
    assert_eq!(store.listings(ListingQuery { limit: 9, ..ListingQuery::default() }).await.unwrap(), []);
    assert_eq!(store.place(whole(entries)).await, Ok(0));
    assert_eq!(store.log(0, 99).await.unwrap().len(), 21);
    assert_eq!(store.listings(ListingQuery { limit: 9, ..ListingQuery::default() }).await.unwrap(), [listing]);
}

pub(super) async fn time_never_goes_back<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut a, b) = (Chain::new(party(1)), Chain::new(party(2)));
    store.place(append(vec![a.next(100, vec![])])).await.unwrap();
    let late = append(vec![b.clone().next(99, vec![])]);
    assert_eq!(store.place(late.clone()).await, Err(AppendError::Behind(Time::from_unix(100))));
    drop(store);
    let store = open();
    assert_eq!(store.place(late).await, Err(AppendError::Behind(Time::from_unix(100))));
    assert_eq!(store.place(append(vec![b.clone().next(100, vec![])])).await, Ok(1));
    let back = append(vec![a.next(102, vec![]), a.next(101, vec![])]);
    assert_eq!(store.place(back).await, Err(AppendError::Failed));
}

pub(super) async fn what_breaks_the_contract_is_refused<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let mut a = Chain::new(party(1));
    store.place(append(vec![a.next(1, vec![b"held".to_vec()])])).await.unwrap();
    let good = a.clone().next(1, vec![b"document".to_vec()]);
    let mut bad = vec![append(vec![])];
    let mut change = |change: &dyn Fn(&mut NewEntry)| {
        let mut new = good.clone();
        change(&mut new);
        bad.push(append(vec![new]));
    };
    change(&|new| new.objects.clear());
    change(&|new| new.objects.push(Object::new(b"not named".to_vec())));
    let but = |new: &NewEntry| Entry::clone(&new.entry);
    change(&|new| new.entry = Document::made(Entry { seq: 2, ..but(new) }).unwrap());
    let another = Some(Digest::of(b"another"));
    change(&|new| new.entry = Document::made(Entry { previous: another, ..but(new) }).unwrap());
    for (n, bad) in bad.into_iter().enumerate() {
        assert_eq!(store.place(bad).await, Err(AppendError::Failed), "case {n}");
    }
    assert_eq!(store.log(0, 9).await.unwrap().len(), 1);
    assert_eq!(store.place(append(vec![good])).await, Ok(1));
    let held = a.naming(1, vec![Digest::of(b"held")]);
    assert_eq!(store.place(append(vec![held])).await, Err(AppendError::Conflict));
}

pub(super) async fn objects_keep_their_first_entry<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (mut a, mut b) = (Chain::new(party(1)), Chain::new(party(2)));
    let (x, y) = (b"x".to_vec(), b"y".to_vec());
    store.place(append(vec![a.next(1, vec![]), a.next(1, vec![x.clone()])])).await.unwrap();
    // Once more with its bytes, and once by name alone.
    store.place(append(vec![b.next(1, vec![y.clone(), x.clone()])])).await.unwrap();
    let named = a.naming(1, vec![Digest::of(&y), Digest::of(&x)]);
    store.place(append(vec![named])).await.unwrap();
    let first = async |bytes| store.first_naming(Digest::of(bytes)).await.unwrap();
    assert_eq!(first(&x).await.map(|stored| (stored.index, stored.objects)), Some((1, vec![x.clone()])));
    assert_eq!(first(&y).await.map(|stored| stored.index), Some(2));
    assert_eq!(first(b"z").await, None);
    assert_eq!(store.log(3, 1).await.unwrap()[0].objects, [y, x]);
}

pub(super) async fn pages_of_the_list_are_stable<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let mut chain = Chain::new(StreamId::Exchange);
    let listing = |n: u8, state, revision| Listing {
        communique: communique(n),
        state,
        revision,
        manifest: Digest::of(&[n]),
        parties: if n.is_multiple_of(2) { vec![party_id(2), party_id(1)] } else { vec![party_id(1), party_id(3)] },
    };
    let mut put = async |listing| {
        let entries = vec![chain.next(1, vec![])];
        store.place(Append { listings: vec![listing], ..append(entries) }).await.unwrap();
    };
    let page = async |party: Option<u32>, state, after: Option<u8>, limit| {
        let (party, after) = (party.map(party_id), after.map(communique));
        store.listings(ListingQuery { party, state, open: false, after, limit }).await.unwrap()
    };
    // Created out of order; a page is by id all the same.
    for n in [5, 1, 4, 2, 8] {
        put(listing(n, State::Drafting, 1)).await;
    }
    let l = |n| listing(n, State::Drafting, 1);
    assert_eq!(page(None, None, None, 2).await, [l(1), l(2)]);
    // Between two pages rows change, and rows come before and after.
    put(listing(4, State::Open, 2)).await;
    put(listing(3, State::Drafting, 1)).await;
    put(listing(0, State::Drafting, 1)).await;
    let changed = listing(4, State::Open, 2);
    assert_eq!(page(None, None, Some(2), 2).await, [l(3), changed.clone()]);
    assert_eq!(page(None, None, Some(4), 9).await, [l(5), l(8)]);
    assert_eq!(page(None, None, Some(8), 9).await, []);
    assert_eq!(page(None, None, None, 0).await, []);
    assert_eq!(page(Some(2), None, Some(0), 9).await, [l(2), changed.clone(), l(8)]);
    assert_eq!(page(Some(2), Some(State::Drafting), None, 2).await, [l(0), l(2)]);
    assert_eq!(page(Some(2), Some(State::Drafting), Some(2), 2).await, [l(8)]);
    assert_eq!(page(Some(3), Some(State::Open), None, 9).await, []);
    assert_eq!(page(None, Some(State::Open), None, 9).await, [changed]);
    assert_eq!(page(Some(9), None, None, 9).await, []);
}

pub(super) async fn what_was_purged_is_found<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let of = |n| Chain::new(StreamId::Communique(communique(n)));
    let purged = |n| {
        let new = of(n).next(1, vec![]);
        let entry = Entry { kind: Kind::Purged, ..Entry::clone(&new.entry) };
        NewEntry { entry: Document::made(entry).unwrap(), objects: vec![] }
    };
    assert_eq!(store.purged(0, 9).await.unwrap(), []);
    let entries = vec![of(4).next(1, vec![]), purged(3), of(1).next(1, vec![]), purged(2), of(5).next(1, vec![])];
    store.place(append(entries)).await.unwrap();
    let (first, second) = ((1, communique(3)), (3, communique(2)));
    assert_eq!(store.purged(0, 9).await.unwrap(), [first, second]);
    assert_eq!(store.purged(0, 1).await.unwrap(), [first]);
    assert_eq!(store.purged(2, 9).await.unwrap(), [second]);
    assert_eq!(store.purged(4, 9).await.unwrap(), []);
}

pub(super) async fn streams_are_listed_by_name<S: Store>(open: impl Fn() -> S) {
    let store = open();
    assert_eq!(store.streams(None, 9).await, Ok(vec![]));
    // Names rise otherwise than these values.
    let of = |n| [StreamId::Remarks(communique(n)), StreamId::Communique(communique(n))];
    let streams: Vec<_> = (1..4).flat_map(of).chain([party(1), StreamId::Exchange, party(10), party(2)]).collect();
    for _ in 0..2 {
        for stream in &streams {
            let stored = store.stream(stream, 0, 9).await.unwrap();
            let mut chain = stored.last().map_or(Chain::new(stream.clone()), Chain::after);
            store.place(append(vec![chain.next(1, vec![]), chain.next(1, vec![])])).await.unwrap();
        }
    }
    let mut expected = streams;
    expected.sort_by_key(StreamId::to_string);
    assert_eq!(store.streams(None, 99).await.as_ref(), Ok(&expected));
    for (n, stream) in expected.iter().enumerate() {
        let rest = &expected[n + 1..];
        for limit in [1, 3] {
            let page = store.streams(Some(stream.clone()), limit).await.unwrap();
            assert_eq!(page, rest[..rest.len().min(limit)], "after {stream}");
        }
    }
    let between = StreamId::Remarks(communique(0));
    assert_eq!(store.streams(Some(between), 1).await, Ok(vec![StreamId::Remarks(communique(1))]), "after none of them");
}

pub(super) async fn what_is_open_is_found_among_what_has_ended<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let mut chain = Chain::new(StreamId::Exchange);
    let mut put = async |n: u8, state| {
        let parties = if n == 2 { vec![party_id(2)] } else { vec![party_id(1), party_id(2)] };
        let listing = Listing { communique: communique(n), state, revision: 1, manifest: Digest::of(b""), parties };
        let entries = vec![chain.next(1, vec![])];
        store.place(Append { listings: vec![listing], ..append(entries) }).await.unwrap();
    };
    let ask = async |query: ListingQuery| {
        let rows = store.listings(query.clone()).await.unwrap();
        assert!(rows.iter().all(|row| query.party.as_ref().is_none_or(|party| row.parties.contains(party))));
        rows.into_iter().map(|row| row.communique).collect::<Vec<_>>()
    };
    let of = |party: Option<u32>, limit| ListingQuery {
        party: party.map(party_id),
        open: true,
        limit,
        ..ListingQuery::default()
    };
    for (n, state) in (0..12).zip(State::ALL.into_iter().cycle()) {
        put(n, state).await;
    }
    let ids = |numbers: &[u8]| numbers.iter().map(|n| communique(*n)).collect::<Vec<_>>();
    // Drafting, open, complete, by id and not by state.
    for (party, open) in [(None, &[0, 1, 2, 6, 7, 8][..]), (Some(1), &[0, 1, 6, 7, 8]), (Some(3), &[])] {
        assert_eq!(ask(of(party, 9)).await, ids(open));
        let (first, rest) = open.split_at(open.len().min(2));
        assert_eq!(ask(of(party, 2)).await, ids(first));
        let after = first.last().map(|n| communique(*n));
        assert_eq!(ask(ListingQuery { after, ..of(party, 9) }).await, ids(rest));
        for (state, found) in [(State::Open, &[1, 7][..]), (State::Lapsed, &[])] {
            let found = if open.is_empty() { &[] } else { found };
            assert_eq!(ask(ListingQuery { state: Some(state), ..of(party, 9) }).await, ids(found));
        }
    }
    // Rows come and go as states change.
    put(7, State::Withdrawn).await;
    put(5, State::Open).await;
    assert_eq!(ask(of(Some(1), 9)).await, ids(&[0, 1, 5, 6, 8]));
    let withdrawn = ListingQuery { state: Some(State::Withdrawn), open: false, ..of(Some(1), 9) };
    assert_eq!(ask(withdrawn).await, ids(&[4, 7, 10]));
}

pub(super) async fn what_was_answered_survives<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let mut a = Chain::new(party(1));
    store.place(append(vec![a.next(7, vec![b"document".to_vec()]), a.next(8, vec![])])).await.unwrap();
    let before = store.log(0, 9).await.unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.log(0, 9).await.unwrap(), before);
    assert_eq!(store.place(expecting([a.seen()], vec![a.clone().next(8, vec![])])).await, Ok(2));
}

pub(super) async fn a_dropped_caller_leaves_a_whole_append_or_none<S: Store>(open: impl Fn() -> S) {
    let store = open();
    for n in 0..40 {
        let mut chain = Chain::new(party(n));
        let entries = (0..3).map(|m| chain.next(1, vec![format!("{n}.{m}").into_bytes()])).collect();
        {
            let mut going = pin!(store.place(append(entries)));
            for _ in 0..n % 3 {
                if going.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // An append that is answered afterwards has passed whatever was still under way.
        let mut fence = Chain::new(party(1000 + n));
        store.place(append(vec![fence.next(1, vec![])])).await.unwrap();
        let stored = store.stream(&party(n), 0, 9).await.unwrap().len();
        assert!(stored == 3 || stored == 0, "{stored} of 3");
        assert!(n % 3 != 0 || stored == 0, "what was never polled is not appended");
    }
    let log = store.log(0, 999).await.unwrap();
    assert!((0..).zip(&log).all(|(n, stored)| stored.index == n));
}

pub(super) async fn concurrent_appends_all_land<S: Store>(open: impl Fn() -> S) {
    let store = Arc::new(open());
    assert_eq!(crowd(&store, 64).await, (0..64).collect::<Vec<_>>());
    for n in 0..64 {
        assert_eq!(store.stream(&party(n), 0, 9).await.unwrap()[0].objects, [vec![7; n as usize]]);
    }
}

pub(super) async fn the_tree_is_of_all_entries<S: Store>(open: impl Fn() -> S) {
    let store = open();
    assert_eq!(store.tree().await, Ok(Edge::default()));
    let (mut chain, mut edge, mut digests) = (Chain::new(party(1)), Edge::default(), Vec::new());
    for size in [1, 2, 5, 1, 7] {
        let before = edge.clone();
        let entries: Vec<_> = (0..size).map(|_| chain.next(1, vec![])).collect();
        for new in &entries {
            digests.push(new.entry.digest());
            edge.append(Hash::of_entry(new.entry.digest()), |_, _| ()).unwrap();
        }
        let growth = store.append(append(entries)).await.unwrap().growth;
        assert_eq!((growth.before(), growth.after()), (&before, &edge));
        assert_eq!(store.tree().await.as_ref(), Ok(&edge));
    }
    assert_eq!(store.place(append(vec![Chain::new(party(1)).next(1, vec![])])).await, Err(AppendError::Conflict));
    drop(store);
    let store = open();
    assert_eq!(store.tree().await.as_ref(), Ok(&edge), "what was refused left no leaf, and the rest survives");
    assert_eq!(store.digests(0, 99).await.as_ref(), Ok(&digests));
    assert_eq!(store.digests(14, 1).await, Ok(digests[14..15].to_vec()));
    for index in 0..16 {
        let plan = Plan::inclusion(index, 16).unwrap();
        let mut hashes = store.nodes(plan.nodes().collect()).await.unwrap().into_iter();
        let proof = plan.build(|_| hashes.next().ok_or(())).unwrap();
        verify_inclusion(Hash::of_entry(digests[index as usize]), index, 16, edge.root(), &proof).unwrap();
    }
    assert_eq!(store.nodes(vec![Node::new(0, 16).unwrap()]).await, Err(ReadFailed), "there is no such leaf yet");
    assert_eq!(store.nodes(vec![Node::new(4, 1).unwrap()]).await, Err(ReadFailed));
}

pub(super) async fn cosignatures_of_the_largest_heads_are_kept<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let of = |size: u64, n: u32, line: &str| Cosignature { size, party: party_id(n), line: line.into() };
    for size in (1..=COSIGNED_LIMIT as u64 + 2).rev() {
        store.cosign(of(size, 2, "later replaced")).await.unwrap();
        store.cosign(of(size, 1, "one")).await.unwrap();
        store.cosign(of(size, 2, "two")).await.unwrap();
    }
    drop(store);
    let wanted: Vec<_> =
        (3..=COSIGNED_LIMIT as u64 + 2).rev().flat_map(|size| [of(size, 1, "one"), of(size, 2, "two")]).collect();
    assert_eq!(open().cosignatures().await, Ok(wanted));
}
