//! The contract of content.

use std::time::Duration;

use super::{communique, party_id};
use crate::{
    domain::{id::Digest, time::Time},
    exchange::ports::{
        Begin, Content, NotBegun, Owner, PARTIAL_SECONDS, PARTIALS_LIMIT, Package, ReadFailed, STAMP_LIMIT, Seal,
        Shown, Stage, WriteFailed,
    },
};

/// An uploader: party and communiqué by number.
pub(in crate::store) fn owner(n: u32, of: u8) -> Owner {
    Owner { party: party_id(n), communique: communique(of) }
}

/// Bytes that differ at every place that a fault might confuse.
pub(in crate::store) fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect()
}

pub(in crate::store) async fn put(content: &impl Content, bytes: &[u8], pieces: usize, seal: Seal) -> Digest {
    let stage = content.stage().await.unwrap();
    for piece in bytes.chunks(pieces) {
        content.push(stage, piece.to_vec()).await.unwrap();
    }
    let digest = Digest::of(bytes);
    content.seal(stage, digest, bytes.len() as u64, seal).await.unwrap();
    digest
}

pub(in crate::store) async fn pieces_of_any_size_are_put_together<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let sizes =
        [(0, 1), (1, 1), (1000, 7), (256 << 10, 65_536), ((256 << 10) + 1, 99_999), ((2 << 20) + 12_345, 70_001)];
    let mut all = vec![];
    for (size, pieces) in sizes {
        let bytes = sample(size);
        all.push((put(&content, &bytes, pieces, Seal::Upload(owner(1, 1))).await, bytes));
    }
    drop(content);
    let content = open();
    for (digest, bytes) in all {
        let mut read = vec![];
        for most in [1, 100_000, 3, 262_144, 262_143, 1 << 20].into_iter().cycle() {
            let piece = content.read(digest, read.len() as u64, most).await.unwrap().unwrap();
            assert!(piece.len() <= most);
            if piece.is_empty() {
                break;
            }
            read.extend(piece);
        }
        assert!(read == bytes, "{} bytes", bytes.len());
        assert_eq!(content.read(digest, 0, 0).await, Ok(Some(vec![])));
        assert_eq!(content.read(digest, u64::MAX, 9).await, Ok(Some(vec![])));
    }
    assert_eq!(content.read(Digest::of(b"none"), 0, 9).await, Ok(None));
}

pub(in crate::store) async fn one_digest_is_one_content<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let bytes = sample(300_000);
    let digest = put(&content, &bytes, 4096, Seal::Upload(owner(1, 1))).await;
    put(&content, &bytes, 300_000, Seal::Upload(owner(2, 1))).await;
    put(&content, &bytes, 5000, Seal::Upload(owner(2, 1))).await;
    for n in [1, 2] {
        assert_eq!(content.uploaded(&owner(n, 1), digest).await, Ok(Some(300_000)));
        assert_eq!(content.held(&owner(n, 1)).await, Ok(300_000));
    }
    assert_eq!(content.read(digest, 299_999, 9).await, Ok(Some(bytes[299_999..].to_vec())));
    let stage = content.stage().await.unwrap();
    content.push(stage, b"short".to_vec()).await.unwrap();
    let lie = content.seal(stage, digest, 5, Seal::Upload(owner(3, 1))).await;
    assert_eq!(lie, Err(WriteFailed::Failed), "other bytes under a digest that is taken");
    assert_eq!(content.uploaded(&owner(3, 1), digest).await, Ok(None));
}

pub(in crate::store) async fn what_is_sealed_is_listed_by_digest<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let mut expected = Vec::new();
    for size in 1..8 {
        let bytes = sample(size);
        let seal = if size % 2 == 0 { Seal::Upload(owner(1, 1)) } else { Seal::Package(communique(7), shown(0)) };
        // Each package takes the place of the one before.
        expected.retain(|(_, other)| size % 2 == 0 || other % 2 == 0);
        expected.push((put(&content, &bytes, 1, seal).await, bytes.len() as u64));
    }
    let stage = content.stage().await.unwrap();
    content.push(stage, b"not sealed".to_vec()).await.unwrap();
    expected.sort_unstable();
    assert_eq!(content.sealed(None, 99).await.unwrap(), expected);
    for (n, (digest, _)) in expected.iter().enumerate() {
        let rest = &expected[n + 1..];
        assert_eq!(content.sealed(Some(*digest), 2).await.unwrap(), rest[..rest.len().min(2)]);
    }
    assert_eq!(content.sealed(None, 0).await, Ok(vec![]));
    let sizes = |of: Vec<Digest>| content.sizes(of);
    let all: Vec<_> = expected.iter().rev().map(|(digest, _)| *digest).chain([Digest::of(b"not sealed")]).collect();
    let wanted: Vec<_> = expected.iter().rev().map(|(_, size)| Some(*size)).chain([None]).collect();
    assert_eq!(sizes(all).await, Ok(wanted));
    assert_eq!(sizes(vec![]).await, Ok(vec![]));
    let (one, size) = expected[0];
    assert_eq!(sizes(vec![one, one]).await, Ok(vec![Some(size); 2]));
}

pub(in crate::store) async fn uploads_are_their_owners<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let a = put(&content, b"one", 9, Seal::Upload(owner(1, 1))).await;
    let b = put(&content, b"three", 9, Seal::Upload(owner(1, 1))).await;
    put(&content, b"three", 9, Seal::Upload(owner(1, 2))).await;
    let found = async |n, of, digest| content.uploaded(&owner(n, of), digest).await.unwrap();
    assert_eq!((found(1, 1, a).await, found(1, 1, b).await, found(1, 2, b).await), (Some(3), Some(5), Some(5)));
    assert_eq!((found(1, 2, a).await, found(2, 1, a).await), (None, None));
    let held = async |n, of| content.held(&owner(n, of)).await.unwrap();
    assert_eq!((held(1, 1).await, held(1, 2).await, held(2, 1).await), (8, 5, 0));
}

/// What a package with so many witnesses shows.
pub(in crate::store) fn shown(witnesses: u64) -> Shown {
    Shown { witnesses, stamped: witnesses > 1, head: format!("head with {witnesses}") }
}

pub(in crate::store) async fn packages_are_found<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let id = communique(1);
    assert_eq!((content.package(id).await, content.original(id).await), (Ok(None), Ok(None)));
    let first = put(&content, b"package", 3, Seal::Package(id, shown(0))).await;
    put(&content, b"package", 7, Seal::Package(id, shown(0))).await;
    assert_eq!(content.package(id).await, Ok(Some(Package { digest: first, size: 7, shown: shown(0) })));
    let lying = put(&content, b"as it lies in another", 3, Seal::Original(id)).await;
    let newest = put(&content, b"made again", 3, Seal::Package(id, shown(2))).await;
    assert_eq!(content.read(first, 0, 9).await, Ok(None), "it took the place of the one before");
    drop(content);
    let content = open();
    let made = Ok(Some(Package { digest: newest, size: 10, shown: shown(2) }));
    assert_eq!(content.package(id).await, made);
    // What shows less may come later, from another exchange that began earlier.
    for less in [shown(1), Shown { stamped: true, ..shown(1) }, Shown { stamped: false, ..shown(3) }] {
        let dropped = put(&content, b"shows less", 3, Seal::Package(id, less)).await;
        assert_eq!(content.package(id).await, made);
        assert_eq!(content.read(dropped, 0, 1).await, Ok(None));
    }
    assert_eq!(content.original(id).await, Ok(Some((lying, 21))));
    assert_eq!(content.seals(lying).await, Ok(vec![Seal::Original(id)]));
    assert_eq!(content.seals(first).await, Ok(vec![]));
    assert_eq!((content.package(communique(2)).await, content.original(communique(2)).await), (Ok(None), Ok(None)));
    assert_eq!(content.held(&owner(1, 1)).await, Ok(0), "a package is nobody's upload");
    // What somebody uploaded too, or lies in another, stays.
    for (n, seal) in [(4, Seal::Upload(owner(1, 1))), (5, Seal::Original(communique(3)))] {
        let shared = put(&content, b"shared", 3, Seal::Package(communique(n), shown(0))).await;
        put(&content, b"shared", 3, seal).await;
        put(&content, b"made again", 3, Seal::Package(communique(n), shown(2))).await;
        assert_eq!(content.read(shared, 0, 9).await, Ok(Some(b"shared".to_vec())));
    }
    let shared = put(&content, b"shared", 3, Seal::Package(id, shown(2))).await;
    let all = [Seal::Upload(owner(1, 1)), Seal::Original(communique(3)), Seal::Package(id, shown(2))];
    assert_eq!(content.seals(shared).await, Ok(all.to_vec()));
}

pub(in crate::store) async fn the_first_stamp_is_kept<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let id = communique;
    let stamps = async |content: &C| (content.stamp(id(1)).await.unwrap(), content.stamp(id(2)).await.unwrap());
    assert_eq!(stamps(&content).await, (None, None));
    assert_eq!(content.keep_stamp(id(1), vec![]).await, Err(ReadFailed));
    assert_eq!(content.keep_stamp(id(1), vec![1; STAMP_LIMIT + 1]).await, Err(ReadFailed));
    assert_eq!(stamps(&content).await, (None, None));
    content.keep_stamp(id(1), b"first".to_vec()).await.unwrap();
    content.keep_stamp(id(1), b"second".to_vec()).await.unwrap();
    content.keep_stamp(id(2), vec![1; STAMP_LIMIT]).await.unwrap();
    put(&content, b"package", 3, Seal::Package(id(1), shown(0))).await;
    content.purge(id(1)).await.unwrap();
    drop(content);
    let content = open();
    assert_eq!(stamps(&content).await, (Some(b"first".to_vec()), Some(vec![1; STAMP_LIMIT])));
    let among = [4, 1, 3, 2].map(id).to_vec();
    assert_eq!(content.unstamped(among).await, Ok(vec![id(4), id(3)]));
}

pub(in crate::store) async fn a_stage_is_not_content<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let bytes = sample(3 << 20);
    let (digest, size) = (Digest::of(&bytes), 3 << 20);
    let stage = content.stage().await.unwrap();
    content.push(stage, bytes).await.unwrap();
    assert_eq!(content.read(digest, 0, 9).await, Ok(None));
    content.discard(stage).await;
    content.discard(stage).await;
    let seal = || Seal::Upload(owner(1, 1));
    assert_eq!(content.seal(stage, digest, size, seal()).await, Err(WriteFailed::Failed));
    assert_eq!(content.push(stage, vec![1]).await, Err(WriteFailed::Failed));
    assert_eq!(content.push(Stage(u64::MAX), vec![1]).await, Err(WriteFailed::Failed));
    let stage = content.stage().await.unwrap();
    content.push(stage, vec![1]).await.unwrap();
    assert_eq!(content.seal(stage, Digest::of(&[1]), 2, seal()).await, Err(WriteFailed::Failed), "another size");
    assert_eq!(content.read(Digest::of(&[1]), 0, 9).await, Ok(None));
}

pub(in crate::store) async fn stages_end_with_the_process<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let kept = put(&content, b"kept", 9, Seal::Upload(owner(1, 1))).await;
    let stage = content.stage().await.unwrap();
    content.push(stage, sample(2 << 20)).await.unwrap();
    drop(content);
    let content = open();
    assert_eq!(content.push(stage, vec![1]).await, Err(WriteFailed::Failed));
    assert_eq!(content.read(kept, 0, 9).await, Ok(Some(b"kept".to_vec())));
    let stage = content.stage().await.unwrap();
    content.push(stage, b"new".to_vec()).await.unwrap();
    content.seal(stage, Digest::of(b"new"), 3, Seal::Upload(owner(1, 1))).await.unwrap();
    assert_eq!(content.read(Digest::of(b"new"), 0, 9).await, Ok(Some(b"new".to_vec())));
}

pub(in crate::store) async fn a_purge_erases_what_one_communique_alone_holds<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let (mine, shared, packed) = (sample(300_000), sample(70_001), sample(1000));
    let of_mine = put(&content, &mine, 65_536, Seal::Upload(owner(1, 1))).await;
    let of_shared = put(&content, &shared, 65_536, Seal::Upload(owner(2, 1))).await;
    put(&content, &shared, 65_536, Seal::Upload(owner(2, 2))).await;
    let of_packed = put(&content, &packed, 1000, Seal::Upload(owner(2, 1))).await;
    put(&content, &packed, 1000, Seal::Package(owner(1, 9).communique, shown(0))).await;
    let begun = sample(200_000);
    broken(&content, &begun, 150_000).await;
    let of_it = owner(1, 1).communique;
    let among = |numbers: &[u8]| numbers.iter().map(|n| owner(1, *n).communique).collect::<Vec<_>>();
    assert_eq!(content.uploaded_for(among(&[9, 2, 1])).await, Ok(among(&[2, 1])));
    content.purge(of_it).await.unwrap();
    content.purge(of_it).await.unwrap();
    assert_eq!(content.uploaded_for(among(&[9, 2, 1])).await, Ok(among(&[2])));
    drop(content);
    let content = open();
    assert_eq!(content.read(of_mine, 0, 9).await, Ok(None));
    assert_eq!(kept(&content, &begun).await, 0);
    for owner in [owner(1, 1), owner(2, 1)] {
        assert_eq!(content.held(&owner).await, Ok(0));
    }
    for (digest, bytes) in [(of_shared, &shared), (of_packed, &packed)] {
        assert_eq!(content.read(digest, 0, usize::MAX).await.unwrap().as_ref(), Some(bytes), "others hold it");
    }
    assert_eq!(content.uploaded(&owner(2, 2), of_shared).await, Ok(Some(70_001)));
}

/// An upload of these bytes from this offset on, by the first owner, without a narrow quota.
pub(in crate::store) fn beginning(bytes: &[u8], offset: u64) -> Begin {
    let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
    let (quota, silence) = (1 << 30, Duration::from_secs(3600));
    Begin { owner: owner(1, 1), digest, size, offset, quota, silence, now: Time::from_unix(0) }
}

/// Begins an upload, brings so many bytes of it, and breaks off.
async fn broken(content: &impl Content, bytes: &[u8], after: usize) {
    let stage = content.begin(beginning(bytes, 0)).await.unwrap();
    for piece in bytes[..after].chunks(100_000) {
        content.push(stage, piece.to_vec()).await.unwrap();
    }
    content.park(stage).await;
}

pub(in crate::store) async fn kept(content: &impl Content, bytes: &[u8]) -> u64 {
    content.kept(&owner(1, 1), Digest::of(bytes), Time::from_unix(0)).await.unwrap()
}

pub(in crate::store) async fn a_parked_upload_goes_on_where_it_ended<C: Content>(open: impl Fn() -> C) {
    let content = open();
    for (size, breaks) in [
        (10, vec![3, 4]),
        (262_144, vec![262_143]),
        (600_000, vec![262_144, 262_145, 524_288]),
        (3 << 20, vec![1, 1 << 20, (1 << 20) + 7, 2_999_999, 3 << 20]),
    ] {
        let mut bytes = sample(size);
        bytes[0] = breaks.len().to_le_bytes()[0];
        let mut at = 0;
        for next in breaks {
            let stage = content.begin(beginning(&bytes, at as u64)).await.unwrap();
            for piece in bytes[at..next].chunks(70_001) {
                content.push(stage, piece.to_vec()).await.unwrap();
            }
            content.park(stage).await;
            content.park(stage).await;
            at = next;
            assert_eq!(kept(&content, &bytes).await, at as u64);
            let mut read = vec![];
            while read.len() < at {
                let (from, digest) = (read.len() as u64, Digest::of(&bytes));
                read.extend(content.kept_bytes(&owner(1, 1), digest, from, 99_999).await.unwrap());
            }
            assert!(read == bytes[..at], "{at} of {size}");
            assert_eq!(content.read(Digest::of(&bytes), 0, 9).await, Ok(None), "it is not content yet");
        }
        let stage = content.begin(beginning(&bytes, at as u64)).await.unwrap();
        if at < size {
            content.push(stage, bytes[at..].to_vec()).await.unwrap();
        }
        content.seal(stage, Digest::of(&bytes), size as u64, Seal::Upload(owner(1, 1))).await.unwrap();
        assert_eq!(content.read(Digest::of(&bytes), 0, usize::MAX).await.unwrap().unwrap(), bytes);
        assert_eq!(kept(&content, &bytes).await, 0, "what is sealed is no longer kept");
    }
}

pub(in crate::store) async fn a_parked_upload_survives_a_restart<C: Content>(open: impl Fn() -> C) {
    let bytes = sample(3 << 20);
    let content = open();
    broken(&content, &bytes, (2 << 20) + 5).await;
    // Another is cut by the end of the process: at least what was brought before its last mebibyte is there.
    let cut = [b"cut".to_vec(), sample(4 << 20)].concat();
    let stage = content.begin(beginning(&cut, 0)).await.unwrap();
    for piece in cut[..3 << 20].chunks(1 << 18) {
        content.push(stage, piece.to_vec()).await.unwrap();
    }
    drop(content);

    let content = open();
    assert_eq!(kept(&content, &bytes).await, (2 << 20) + 5);
    let held = kept(&content, &cut).await;
    assert!((2 << 20..=3 << 20).contains(&held), "{held}");
    for bytes in [bytes, cut] {
        let held = kept(&content, &bytes).await;
        // Where others use the same database, whether the one before lives is told by its silence alone.
        let begin = Begin { silence: Duration::ZERO, ..beginning(&bytes, held) };
        let stage = content.begin(begin).await.unwrap();
        content.push(stage, bytes[held as usize..].to_vec()).await.unwrap();
        content.seal(stage, Digest::of(&bytes), bytes.len() as u64, Seal::Upload(owner(1, 1))).await.unwrap();
        assert_eq!(content.read(Digest::of(&bytes), 0, usize::MAX).await.unwrap().unwrap(), bytes);
    }
}

pub(in crate::store) async fn only_its_own_upload_goes_on<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let bytes = sample(1000);
    broken(&content, &bytes, 400).await;
    for (other, why) in [
        (Begin { offset: 399, ..beginning(&bytes, 0) }, NotBegun::Offset { held: 400 }),
        (Begin { offset: 401, ..beginning(&bytes, 0) }, NotBegun::Offset { held: 400 }),
        (Begin { owner: owner(2, 1), ..beginning(&bytes, 400) }, NotBegun::Offset { held: 0 }),
        (Begin { owner: owner(1, 2), ..beginning(&bytes, 400) }, NotBegun::Offset { held: 0 }),
        (Begin { digest: Digest::of(b"other"), ..beginning(&bytes, 400) }, NotBegun::Offset { held: 0 }),
        (Begin { size: 1001, ..beginning(&bytes, 400) }, NotBegun::Size { size: 1000 }),
    ] {
        assert_eq!(content.begin(other.clone()).await, Err(why), "{other:?}");
    }
    for (whose, digest) in
        [(owner(2, 1), Digest::of(&bytes)), (owner(1, 2), Digest::of(&bytes)), (owner(1, 1), Digest::of(b"other"))]
    {
        assert_eq!(content.kept(&whose, digest, Time::from_unix(0)).await, Ok(0));
        assert_eq!(content.kept_bytes(&whose, digest, 0, 9).await, Ok(vec![]));
    }
    assert_eq!(kept(&content, &bytes).await, 400);
    let stage = content.begin(beginning(&bytes, 400)).await.unwrap();
    // What is found wrong is forgotten, with what was kept before.
    content.discard(stage).await;
    assert_eq!(kept(&content, &bytes).await, 0);
    assert_eq!(content.begin(beginning(&bytes, 400)).await, Err(NotBegun::Offset { held: 0 }));
}

pub(in crate::store) async fn who_begins_anew_forgets_what_was_kept<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let bytes = sample(2000);
    broken(&content, &bytes, 1500).await;
    broken(&content, &bytes, 7).await;
    assert_eq!(kept(&content, &bytes).await, 7);
    assert_eq!(content.kept_bytes(&owner(1, 1), Digest::of(&bytes), 0, 99).await.unwrap(), bytes[..7]);
    // A stage of the exchange's own is never kept.
    let stage = content.stage().await.unwrap();
    content.push(stage, vec![1; 2 << 20]).await.unwrap();
    content.park(stage).await;
    assert_eq!(content.push(stage, vec![1]).await, Err(WriteFailed::Failed));
}

pub(in crate::store) async fn two_streams_never_mix<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let bytes = sample(1000);
    let first = content.begin(beginning(&bytes, 0)).await.unwrap();
    content.push(first, bytes[..300].to_vec()).await.unwrap();
    assert_eq!(kept(&content, &bytes).await, 300, "what is under way counts");
    assert_eq!(content.begin(beginning(&bytes, 300)).await, Err(NotBegun::UnderWay));
    // From the first byte on there is no harm in a second; it is not kept.
    let second = content.begin(beginning(&bytes, 0)).await.unwrap();
    content.push(second, bytes[..500].to_vec()).await.unwrap();
    content.park(second).await;
    assert_eq!(kept(&content, &bytes).await, 300);

    // Once the first has been silent for long, another goes on in its place, and the first cannot touch that any more.
    let third = content.begin(Begin { silence: Duration::ZERO, ..beginning(&bytes, 300) }).await.unwrap();
    assert_eq!(content.push(first, vec![0; 9]).await, Err(WriteFailed::Failed));
    content.discard(first).await;
    content.push(third, bytes[300..].to_vec()).await.unwrap();
    content.seal(third, Digest::of(&bytes), 1000, Seal::Upload(owner(1, 1))).await.unwrap();
    assert_eq!(content.read(Digest::of(&bytes), 0, usize::MAX).await.unwrap().unwrap(), bytes);
}

pub(in crate::store) async fn the_quota_counts_what_is_announced_and_kept<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let begin = |n: u8, size: u64, quota| Begin { digest: Digest::of(&[n]), size, quota, ..beginning(b"", 0) };
    put(&content, &sample(100), 100, Seal::Upload(owner(1, 1))).await;
    let open = content.begin(begin(1, 300, 400)).await.unwrap();
    assert_eq!(content.begin(begin(2, 1, 400)).await, Err(NotBegun::Quota), "announced, and nothing of it there yet");
    content.push(open, vec![1; 200]).await.unwrap();
    assert_eq!(content.kept(&owner(1, 1), Digest::of(&[1]), Time::from_unix(0)).await, Ok(200));
    assert_eq!(
        content.begin(begin(2, 1, 400)).await,
        Err(NotBegun::Quota),
        "counted once, and not less than announced"
    );
    let other = content.begin(begin(2, 1, 401)).await.unwrap();
    content.discard(other).await;
    content.park(open).await;
    assert_eq!(content.begin(begin(2, 101, 400)).await, Err(NotBegun::Quota), "kept");
    let other = content.begin(begin(2, 100, 400)).await.unwrap();
    content.discard(other).await;
    let elsewhere = Begin { owner: owner(1, 2), ..begin(2, 400, 400) };
    content.begin(elsewhere).await.unwrap();
    // Its own kept bytes are no hindrance to an upload that goes on, or begins anew.
    let on = content.begin(Begin { offset: 200, ..begin(1, 300, 400) }).await.unwrap();
    content.park(on).await;
    content.begin(begin(1, 300, 400)).await.unwrap();
}

pub(in crate::store) async fn what_is_kept_is_bounded_in_number_and_age<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let at = |n: usize, seconds| Begin {
        digest: Digest::of(&n.to_be_bytes()),
        size: 9,
        now: Time::from_unix(seconds),
        ..beginning(b"", 0)
    };
    let held = async |n: usize, seconds| {
        content.kept(&owner(1, 1), Digest::of(&n.to_be_bytes()), Time::from_unix(seconds)).await.unwrap()
    };
    for n in 0..=PARTIALS_LIMIT {
        let stage = content.begin(at(n, n as i64)).await.unwrap();
        content.push(stage, vec![1; 5]).await.unwrap();
        content.park(stage).await;
    }
    let last = PARTIALS_LIMIT as i64;
    assert_eq!((held(0, last).await, held(1, last).await, held(PARTIALS_LIMIT, last).await), (0, 5, 5));
    // One that goes on lives on from then.
    let stage = content.begin(Begin { offset: 5, ..at(2, last + 1) }).await.unwrap();
    content.park(stage).await;
    assert_eq!(held(3, last + PARTIAL_SECONDS).await, 0);
    assert_eq!((held(PARTIALS_LIMIT, last).await, held(2, last).await), (5, 5));
    assert_eq!(held(2, last + PARTIAL_SECONDS + 2).await, 0);
}

pub(in crate::store) async fn what_is_kept_expires_also_when_nobody_calls<C: Content>(open: impl Fn() -> C) {
    let content = open();
    let (sealed, under_way, abandoned) = (sample(1000), sample(300_000), sample(400_000));
    put(&content, &sealed, 1000, Seal::Upload(owner(1, 1))).await;
    broken(&content, &abandoned, 350_000).await;
    let stage = content.begin(beginning(&under_way, 0)).await.unwrap();
    content.push(stage, under_way[..270_000].to_vec()).await.unwrap();
    assert_eq!(kept(&content, &under_way).await, 270_000);
    let expire = async |seconds| content.expire(Time::from_unix(seconds)).await.unwrap();
    assert_eq!((expire(PARTIAL_SECONDS).await, kept(&content, &abandoned).await), (0, 350_000));
    assert_eq!((expire(PARTIAL_SECONDS + 1).await, kept(&content, &abandoned).await), (1, 0));
    assert_eq!(expire(1 << 40).await, 0);
    content.push(stage, under_way[270_000..].to_vec()).await.unwrap();
    let digest = Digest::of(&under_way);
    content.seal(stage, digest, under_way.len() as u64, Seal::Upload(owner(1, 1))).await.unwrap();
    for whole in [sealed, under_way] {
        assert_eq!(content.read(Digest::of(&whole), 0, usize::MAX).await, Ok(Some(whole)));
    }
}
