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
        view::{ActView, CharterView, CommuniqueView, PowersView},
    },
    wire::v1,
};
use communique_fuzz::seeds;
use prost::Message as _;

/// Successions of charters, each pinned by its newest, and every grant of the vectors that verifies under it.
static PINNED: LazyLock<Vec<(Pinned, GrantBook)>> = LazyLock::new(|| {
    let (statements, mut followed) = (seeds::statements(), false);
    let pinned = seeds::shown().into_iter().map(|shown| {
        let pin = shown.pin.expect("a package has a charter");
        let pinned = Pinned::new(&shown.charters, pin).expect("a package's charters are a chain");
        let mut grants = GrantBook::default();
        statements.iter().filter_map(|s| pinned.powers(s).ok()).for_each(|powers| grants.add(powers));
        // What refused everything would find nothing.
        let view = CommuniqueView::try_from(shown.communique).expect("a view");
        Reading::check(&pinned, view.communique, &view, &grants).expect("what a package holds is believed");
        let views: Vec<_> = shown.succession.charters.into_iter().map(|c| c.try_into().expect("a view")).collect();
        // A package may leave out entries of charters that were never adopted.
        followed |= pinned.chain().count() > 1 && pinned.clone().follow(&views, now()).is_ok();
        for powers in shown.powers {
            Granted::check(&pinned, &powers.try_into().expect("a view")).expect("what a package holds is granted");
        }
        (pinned, grants)
    });
    let pinned: Vec<_> = pinned.collect();
    assert!(!pinned.is_empty(), "there is no proven package in the material");
    assert!(followed, "no succession of the material is followed");
    pinned
});

/// What takes long is done before the first input.
fn begin() {
    seeds::offer("reading");
    LazyLock::force(&PINNED);
}

fn now() -> Time {
    Time::from_unix(1_900_000_000)
}

fn check(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let (pinned, grants) = &PINNED[usize::from(mode / 5) % PINNED.len()];
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
            let read =
                |view: &CommuniqueView, grants: &GrantBook| Reading::check(pinned, view.communique, view, grants);
            let Ok(_) = read(&view, grants) else { return };
            assert!(read(&view, &GrantBook::default()).is_err(), "acts without full powers are believed");
            let mut forged = view.clone();
            let shown = forged.acts.iter_mut().filter_map(|act| match act {
                ActView::Shown { statement, .. } => Some(statement),
                ActView::Escrowed { .. } => None,
            });
            let mut statements: Vec<_> = [&mut forged.newest.propose].into_iter().chain(shown).collect();
            let which = data.len() % statements.len();
            forge(statements[which], data);
            assert!(read(&forged, grants).is_err(), "a forged act is believed");
        }
        2 => {
            let view = v1::Powers::decode(data).ok().and_then(|m| PowersView::try_from(m).ok());
            if let Some(granted) = view.and_then(|view| Granted::check(pinned, &view).ok()) {
                drop(granted.force(pinned, now()));
            }
        }
        3 => {
            let views: Vec<CharterView> = v1::ListChartersResponse::decode(data)
                .ok()
                .map(|m| m.charters.into_iter().filter_map(|c| c.try_into().ok()).collect())
                .unwrap_or_default();
            let mut followed = pinned.clone();
            let Ok(()) = followed.follow(&views, now()) else { return };
            assert_eq!(followed.founding(), pinned.founding());
            for standing in followed.chain() {
                assert!(views.iter().any(|view| Digest::of(&view.charter) == standing.digest()));
            }
            let mut forged = views;
            let mut adoptions: Vec<_> = forged.iter_mut().flat_map(|view| &mut view.adoptions).collect();
            let which = data.len() % adoptions.len();
            forge(&mut adoptions[which].statement, data);
            assert!(succession(&forged, now()).is_err(), "a forged adoption is believed");
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

/// Another letter at a place that the input says.
fn forge(statement: &mut String, data: &[u8]) {
    let at = data.iter().fold(0, |sum: usize, b| sum.wrapping_mul(31).wrapping_add(usize::from(*b))) % statement.len();
    let other = if &statement[at..=at] == "A" { "B" } else { "A" };
    statement.replace_range(at..=at, other);
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| check(data));
