//! Lies about the log's heads, told to the witness of a party.

use std::sync::Arc;

use communique::{
    client::{
        reading::Pinned,
        receipts::Receipts,
        witnessing::{Kept, Unable, Witness, WitnessError},
    },
    domain::{
        act::ActKind,
        entry::{Kind, StreamId},
        id::Role,
    },
    log::{checkpoint::Unverified, tree::Hash, witness::AddCheckpoint},
    wire::v1,
};
use tempfile::TempDir;

use crate::{
    auditing::records,
    host::Lies,
    past::stranger,
    receipts::{forked, longer},
    scene::{Found, Lie, Scene, Telling},
    world::{key, now, party},
};

const fn lie(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "the witness of North", by: "the witness", check, words, tell }
}

/// The witness of a party, and where it keeps what it has cosigned.
fn witness(of: &str, pinned: &Pinned) -> (Witness, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::open(&folder.path().join("key"), pinned.founding()).unwrap();
    let witness = Witness::new(kept, Arc::new(key(&format!("witness of {of}"))));
    witness.follow(pinned).unwrap();
    (witness, folder)
}

fn found(error: &WitnessError) -> Found {
    let check = match error {
        WitnessError::Doubt(_) => "doubt",
        WitnessError::NoHead(_) => "no head",
        _ => "another",
    };
    Found { check: check.into(), sentence: error.to_string(), proves: None }
}

async fn looks(scene: &Scene, witness: &Witness, of: &str) -> Result<(), WitnessError> {
    let session = scene.session(of, Role::Witness).await;
    witness.look(session.remote(), None, now).await.map(drop)
}

/// What came of a look: where the witness has cosigned another head than before, it believed it, whatever the exchange says of the
/// cosignature.
fn believed(witness: &Witness, before: Option<(u64, Hash)>, looked: Result<(), WitnessError>) -> Found {
    match looked {
        Err(error) if witness.last() == before => found(&error),
        _ => Found::nothing("it was cosigned"),
    }
}

/// A witness that has cosigned the true head, and is told this then.
fn then<'a>(scene: &'a Scene, lies: Lies) -> Telling<'a> {
    Box::pin(async move {
        let (witness, _folder) = witness("north", &scene.world.pinned);
        looks(scene, &witness, "north").await.unwrap();
        looks(scene, &witness, "north").await.expect("the truth is believed");
        let before = witness.last();
        scene.host.lies(lies);
        let looked = looks(scene, &witness, "north").await;
        scene.host.tells_the_truth();
        let found = believed(&witness, before, looked);
        if !found.check.is_empty() {
            // And from now on it cosigns nothing, whatever it is shown.
            let again = looks(scene, &witness, "north").await;
            assert_eq!(again.is_err(), found.check == "doubt");
        }
        found
    })
}

pub const LIES: &[Lie] = &[
    lie("a log rolled back before a witness", "doubt", "has rolled its log back", |scene| {
        let past = scene.past();
        let size = past.size() - 1;
        then(scene, past.first(size).told())
    }),
    lie("two logs of one size before a witness", "doubt", "two different logs", |scene| {
        then(scene, forked(scene.past()).told())
    }),
    lie("a log that does not continue before a witness", "doubt", "does not prove that its log of", |scene| {
        then(scene, longer(forked(scene.past())).told())
    }),
    lie("a proof of nothing before a witness", "doubt", "does not prove that its log of", |scene| {
        Box::pin(async move {
            let lies =
                Lies::default().changed("GetConsistencyProof", |_, answer: &mut v1::GetConsistencyProofResponse| {
                    answer.hashes.iter_mut().for_each(|hash| *hash = Hash::EMPTY.as_bytes().to_vec());
                });
            let (witness, _folder) = witness("north", &scene.world.pinned);
            looks(scene, &witness, "north").await.unwrap();
            scene.grows().await;
            let before = witness.last();
            scene.host.lies(lies);
            let looked = looks(scene, &witness, "north").await;
            scene.host.tells_the_truth();
            believed(&witness, before, looked)
        })
    }),
    lie("a head of another key before a witness", "no head", "no key known for", |scene| {
        let past = scene.past();
        let note = past.head_by(past.size(), &stranger()).to_string();
        let lies = Lies::default().instead("GetCheckpoint", move |_| {
            Some(v1::GetCheckpointResponse { checkpoint: note.clone(), cosigned_checkpoint: String::new() })
        });
        then(scene, lies)
    }),
    lie("one head shown, and the proof of another", "doubt", "two different logs", |scene| {
        Box::pin(async move {
            let (witness, _folder) = witness("north", &scene.world.pinned);
            looks(scene, &witness, "north").await.unwrap();
            scene.grows().await;
            let fork = forked(scene.past()).newest().to_string();
            let lies = Lies::default().instead("GetCheckpoint", move |_| {
                Some(v1::GetCheckpointResponse { checkpoint: fork.clone(), cosigned_checkpoint: String::new() })
            });
            let before = witness.last();
            scene.host.lies(lies);
            let looked = looks(scene, &witness, "north").await;
            scene.host.tells_the_truth();
            believed(&witness, before, looked)
        })
    }),
    Lie {
        by: "the audit beside the witness",
        ..lie("a logged act that nobody did, before a witness that audits", "doubt", "an audit found a lie", |scene| {
            Box::pin(async move {
                let (witness, folder) = witness("north", &scene.world.pinned);
                let forged = scene.forged(ActKind::Decline, "north.a", &scene.open, Some(scene.opening));
                let stream = StreamId::Communique(scene.open.communique);
                let past = scene.past().and(&stream, |row| records(row, Kind::Act, forged.compact()));
                let audits = async || {
                    let mut session = scene.session("north", Role::Official).await;
                    let receipts = Receipts::in_folder(folder.path().join("receipts")).unwrap();
                    witness.audit(&mut session, receipts, &party("north"), |_, _| (), now).await.unwrap().lie
                };
                assert_eq!(audits().await, None, "the truth is believed");
                looks(scene, &witness, "north").await.unwrap();
                scene.host.lies(past.told().with(past.watched()));
                let lie = audits().await;
                // By what its heads and proofs say, the log goes on from what was cosigned.
                let looked = looks(scene, &witness, "north").await;
                scene.host.tells_the_truth();
                drop(witness);
                let restarted = Kept::open(&folder.path().join("key"), scene.world.pinned.founding());
                match (looked, restarted) {
                    (Err(error @ WitnessError::Doubt(_)), Err(WitnessError::Doubt(_))) => {
                        Found { proves: lie.map(|lie| lie.evidence.judge(None, now()).weight), ..found(&error) }
                    }
                    (looked, _) => Found::nothing(format!("{looked:?}")),
                }
            })
        })
    },
    Lie {
        to: "the witnesses of North and South",
        by: "either witness, when it is shown the other's head",
        ..lie("one log to North's witness and another to South's", "doubt", "two different logs", |scene| {
            Box::pin(async move {
                let ((north, _a), (south, _b)) =
                    (witness("north", &scene.world.pinned), witness("south", &scene.world.pinned));
                looks(scene, &north, "north").await.unwrap();
                let fork = forked(scene.past());
                scene.host.lies(fork.told());
                // It has never seen another: it cosigns. To hand it in at the exchange fails, and that is all the same to the lie.
                let _ = looks(scene, &south, "south").await;
                scene.host.tells_the_truth();
                let (size, _) = south.last().expect("it has cosigned the other truth");
                assert_ne!(north.last(), south.last());
                let checkpoint = Unverified::parse(fork.head(size).to_string().as_bytes()).unwrap();
                let request = AddCheckpoint { old: size, proof: vec![], checkpoint };
                match north.add_checkpoint(request.to_string().as_bytes(), now()) {
                    Ok(_) => Found::nothing("it was cosigned"),
                    Err(Unable::Ours(error)) => found(&error),
                    Err(Unable::No(no)) => Found { check: "no".into(), sentence: format!("{no:?}"), proves: None },
                }
            })
        })
    },
];
