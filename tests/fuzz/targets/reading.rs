//! What an exchange sends, read under a pinned charter: believed only as far as it is signed.
#![no_main]

use std::sync::LazyLock;

use communique::{
    client::{
        granted::Granted,
        reading::{GrantBook, Pinned, Reading, charters, covered, grants_named, succession},
    },
    domain::{
        id::Digest,
        time::Time,
        view::{CharterView, CommuniqueView, PowersView},
    },
    wire::v1,
};
use communique_fuzz::seeds;
use prost::Message as _;

/// A charter of the vectors, and every grant that verifies under it.
static PINNED: LazyLock<(Pinned, GrantBook)> = LazyLock::new(|| {
    let documents = seeds::documents();
    let known = documents.iter().filter(|d| d.len() < 16_384).find_map(|d| Pinned::new(d, Digest::of(d)).ok());
    let pinned = known.expect("there is no first charter in the material");
    let mut grants = GrantBook::default();
    let powers = seeds::statements().into_iter().filter_map(|s| pinned.powers(&s).ok());
    powers.for_each(|powers| grants.add(powers));
    (pinned, grants)
});

/// What takes long is done before the first input.
fn begin() {
    seeds::offer("reading");
    LazyLock::force(&PINNED);
}

fn check(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let (pinned, grants) = &*PINNED;
    let now = Time::from_unix(1_900_000_000);
    match mode % 5 {
        0 => {
            let Ok(chain) = charters(data) else { return };
            for charter in &chain {
                let pinned = Pinned::new(data, charter.digest()).expect("a chain with one that is pinned");
                assert_eq!(pinned.founding(), chain[0].digest());
            }
            assert!(Pinned::new(data, Digest::of(b"another")).is_err());
        }
        1 => {
            let view = v1::Communique::decode(data).ok().and_then(|m| CommuniqueView::try_from(m).ok());
            let Some(view) = view else { return };
            drop(grants_named(&view));
            let read = Reading::check(pinned, view.communique, &view, grants);
            assert!(read.is_err() || covered(pinned, &view.newest.propose, grants).is_ok());
        }
        2 => {
            let view = v1::Powers::decode(data).ok().and_then(|m| PowersView::try_from(m).ok());
            if let Some(granted) = view.and_then(|view| Granted::check(pinned, &view).ok()) {
                drop(granted.force(pinned, now));
            }
        }
        3 => {
            let views: Vec<CharterView> = v1::ListChartersResponse::decode(data)
                .ok()
                .map(|m| m.charters.into_iter().filter_map(|c| c.try_into().ok()).collect())
                .unwrap_or_default();
            if pinned.clone().follow(&views, now).is_ok() {
                assert!(succession(&views, now).is_ok());
            }
        }
        _ => {
            let Ok(compact) = std::str::from_utf8(data) else { return };
            drop((
                pinned.powers(compact),
                pinned.revocation(compact),
                pinned.trust(compact),
                covered(pinned, compact, grants),
            ));
        }
    }
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| check(data));
