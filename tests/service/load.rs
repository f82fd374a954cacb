//! How many acts a second: a figure to look at, not a test. In release, alone on the machine:
//! `cargo test --release --test service load -- --ignored --nocapture`

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use communique::domain::{act::ActKind, document::Document, id::Role, manifest::Manifest};

use crate::world::{World, fresh, key, sign};

/// Acts under way at once.
const IN_FLIGHT: usize = 64;
/// Communiqués, each with one proposal and two initials, the second of which opens it.
const COMMUNIQUES: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run it in release, alone on the machine"]
async fn acts_per_second() {
    let world = Arc::new(World::with(|config| config.limits.uploads_per_party = IN_FLIGHT).await);
    let text = b"Texte d'essai.\n";
    let mut drafts: Vec<Document<Manifest>> = Vec::new();
    for _ in 0..COMMUNIQUES {
        let manifest = world.manifest(fresh(), &["east", "south"], std::str::from_utf8(text).unwrap());
        drafts.push(Document::of(&manifest).unwrap());
    }
    let drafts = Arc::new(drafts);
    spread(&world, &drafts, "uploads", async |world, draft| {
        world.upload("east", draft.communique, text).await.unwrap();
    })
    .await;
    // Signed before the clock runs: what is measured is the exchange.
    let initials = |of: &str| {
        let initial = |d: &Document<Manifest>| {
            let who = format!("{of}.a");
            (d.communique, sign(world.act(ActKind::Initial, &who, d, None), &key(&who)))
        };
        Arc::new(drafts.iter().map(initial).collect::<std::collections::BTreeMap<_, _>>())
    };
    let (east, south) = (initials("east"), initials("south"));
    spread(&world, &drafts, "proposals (with a text to check)", async |world, draft| {
        world.propose("east.a", draft).await.unwrap();
    })
    .await;
    spread(&world, &drafts, "initials", async |world, draft| {
        world.carry("east", &east[&draft.communique]).await.unwrap();
    })
    .await;
    spread(&world, &drafts, "initials that open", async |world, draft| {
        world.carry("south", &south[&draft.communique]).await.unwrap();
    })
    .await;
    world.stop().await;
}

/// Does it for every draft, 64 at a time, over one connection of each party, and says how many a second.
async fn spread(
    world: &World,
    drafts: &[Document<Manifest>],
    what: &str,
    act: impl AsyncFn(&World, &Document<Manifest>),
) {
    for of in ["east", "south"] {
        world.session(of, Role::Official).await;
    }
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let workers = (0..IN_FLIGHT).map(|_| async {
        while let Some(draft) = drafts.get(next.fetch_add(1, Ordering::Relaxed)) {
            act(world, draft).await;
        }
    });
    futures_util::future::join_all(workers).await;
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = drafts.len() as f64 / seconds;
    let _ = writeln!(std::io::stderr(), "{what}: {rate:.0} a second, {IN_FLIGHT} in flight");
}
