//! Lies about the log: to who hands something in, to who comes back, and to two who compare.

use communique::{
    domain::{
        entry::{Kind, StreamId},
        id::{Digest, Salt},
    },
    log::{checkpoint::Unverified, tree::Hash},
    wire::v1,
};

use crate::{
    host::Lies,
    past::{Past, stranger},
    scene::{Lie, Scene, Telling},
};

const fn receipt(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "who hands in an act", by: "the sender's tool, by the receipt", check, words, tell }
}

const fn head(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "who comes back", by: "the tool, by the highest head that it keeps", check, words, tell }
}

/// South hands in again what it has handed in before, and the answer is changed.
fn handed_in<'a>(scene: &'a Scene, change: impl Fn(&mut v1::Receipt) + Send + Sync + 'static) -> Telling<'a> {
    let lies = Lies::default()
        .changed("SubmitAct", move |_, answer: &mut v1::SubmitActResponse| change(answer.receipt.as_mut().unwrap()));
    Box::pin(async move {
        scene
            .caught(lies, async || {
                let (session, _folder) = scene.keeping("south").await;
                scene.carries(&session, &scene.initial).await
            })
            .await
    })
}

/// Who keeps what it saw comes back, and is told this.
fn comes_back<'a>(scene: &'a Scene, lies: Lies) -> Telling<'a> {
    Box::pin(async move {
        let (_, folder) = scene.keeping("south").await;
        scene.again("south", &folder).await.expect("the truth is believed");
        scene.told(lies, async || scene.again("south", &folder).await.map(drop)).await
    })
}

fn heads(note: impl Fn() -> String + Send + Sync + 'static) -> Lies {
    let answer =
        move |_: &_| Some(v1::GetCheckpointResponse { checkpoint: note(), cosigned_checkpoint: String::new() });
    Lies::default().instead("GetCheckpoint", answer)
}

/// The log with another last entry.
pub fn forked(past: Past) -> Past {
    let last = past.size() - 1;
    past.with(last, |row| row.entry.salt = Salt::new([7; 32]))
}

/// One more of the last entry's stream.
pub fn longer(past: Past) -> Past {
    let stream = past.rows.last().unwrap().entry.stream.clone();
    past.and(&stream, |row| row.entry.salt = Salt::new([9; 32]))
}

pub const LIES: &[Lie] = &[
    receipt("an answer without a proof", "unproven", "answered without a proof", |scene| {
        handed_in(scene, |receipt| receipt.proof.clear())
    }),
    receipt("a receipt for another entry", "DISAGREES", "an entry of something else", |scene| {
        let (past, act) = (scene.past(), scene.initial.clone());
        let other = past.find(|row| row.entry.kind == Kind::Act && !row.records(&act));
        handed_in(scene, move |receipt| *receipt = past.receipt(other))
    }),
    receipt(
        "a proof for another entry",
        "wrong_proof",
        "proves nothing (the proof does not lead from entry",
        |scene| {
            let past = scene.past();
            handed_in(scene, move |receipt| receipt.proof = past.proof(receipt.index - 1).to_string())
        },
    ),
    receipt("the right proof at another index", "wrong_proof", "proves nothing", |scene| {
        handed_in(scene, |receipt| receipt.index += 1)
    }),
    receipt("a proof under a head of another key", "wrong_proof", "no key known for", |scene| {
        let past = scene.past();
        handed_in(scene, move |receipt| {
            let head = past.head_by(past.size(), &stranger());
            receipt.proof = past.proof_under(receipt.index, head).to_string();
        })
    }),
    receipt("a proof under a forged head", "wrong_proof", "does not verify", |scene| {
        // The log's own signature, under other words.
        handed_in(scene, |receipt| {
            let (path, note) = receipt.proof.split_once("\n\n").unwrap();
            let mut lines: Vec<_> = note.split('\n').collect();
            lines[1] = "999999";
            receipt.proof = format!("{path}\n\n{}", lines.join("\n"));
        })
    }),
    receipt("a proof under a head that forks the log", "forked", "differs from the one", |scene| {
        let past = scene.past();
        let fork = forked(past.clone());
        handed_in(scene, move |receipt| {
            // Not the last entry, which is another in the fork.
            receipt.proof = fork.proof(receipt.index).to_string();
        })
    }),
    Lie {
        by: "the sender's tool, when it comes back",
        ..receipt("an act taken and proven, and denied later", "forked", "differs from the one", |scene| {
            Box::pin(async move {
                // The host keeps the act to itself: the exchange never hears of it. The proof is good, of a tree that nobody else sees.
                let act = scene.declaration("south.b");
                let of = StreamId::Communique(scene.draft.communique);
                let shadow = scene.past().and(&of, |row| {
                    row.entry.kind = Kind::Act;
                    row.entry.statements = vec![Digest::of(act.as_bytes())];
                    row.objects = vec![act.clone().into_bytes()];
                });
                let receipt = shadow.receipt(shadow.size() - 1);
                let (session, folder) = scene.keeping("south").await;
                let denied = Lies::default()
                    .instead("SubmitAct", move |_| Some(v1::SubmitActResponse { receipt: Some(receipt.clone()) }));
                let shadowed = shadow.told();
                scene.host.lies(denied.with(shadowed));
                scene.carries(&session, &act).await.expect("the receipt looks good");
                // Somebody else's entry stands where the act should.
                scene.grows().await;
                scene.told(Lies::default(), async || scene.again("south", &folder).await.map(drop)).await
            })
        })
    },
    head("a head smaller than one seen", "shrunk", "entries are gone", |scene| {
        let past = scene.past();
        let old = past.head(past.size() - 2).to_string();
        comes_back(scene, heads(move || old.clone()))
    }),
    head("a log frozen before one's own act", "shrunk", "entries are gone", |scene| {
        Box::pin(async move {
            let frozen = scene.past().newest().to_string();
            let (session, folder) = scene.keeping("south").await;
            let act = scene.declaration("south.c");
            scene.carries(&session, &act).await.unwrap();
            scene.again("south", &folder).await.expect("the truth is believed");
            scene.told(heads(move || frozen.clone()), async || scene.again("south", &folder).await.map(drop)).await
        })
    }),
    head("another log of the same size", "forked", "differs from the one", |scene| {
        comes_back(scene, forked(scene.past()).told())
    }),
    head("a longer log that is another", "unjoined", "continues the one of", |scene| {
        comes_back(scene, longer(forked(scene.past())).told())
    }),
    head("hashes that join nothing", "unjoined", "continues the one of", |scene| {
        Box::pin(async move {
            let lies =
                Lies::default().changed("GetConsistencyProof", |_, answer: &mut v1::GetConsistencyProofResponse| {
                    answer.hashes.iter_mut().for_each(|hash| *hash = Hash::EMPTY.as_bytes().to_vec());
                });
            let (_, folder) = scene.keeping("south").await;
            scene.grows().await;
            scene.told(lies, async || scene.again("south", &folder).await.map(drop)).await
        })
    }),
    head("a head by another key", "unsigned", "no key known for", |scene| {
        let past = scene.past();
        let note = past.head_by(past.size(), &stranger()).to_string();
        comes_back(scene, heads(move || note.clone()))
    }),
    head("a head with other words under the signature", "unsigned", "does not verify", |scene| {
        let past = scene.past();
        let (size, note) = (past.size(), past.newest().to_string());
        let note = note.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
        comes_back(scene, heads(move || note.clone()))
    }),
    head("the head of another log", "unsigned", "this is a checkpoint of", |scene| {
        let note = scene.past().newest().to_string().replacen("exchange.example/log", "other.example/log", 1);
        comes_back(scene, heads(move || note.clone()))
    }),
    Lie {
        name: "one log to South and another to North",
        to: "two parties",
        by: "the two, by what their tools keep",
        check: "forked",
        words: "differs from the one",
        tell: |scene| {
            Box::pin(async move {
                let act = scene.declaration("east.b");
                let of = StreamId::Communique(scene.draft.communique);
                let shadow = scene.past().and(&of, |row| {
                    row.entry.kind = Kind::Act;
                    row.entry.statements = vec![Digest::of(act.as_bytes())];
                    row.objects = vec![act.into_bytes()];
                });
                scene.grows().await;
                let to_south = shadow.newest().to_string();
                scene.host.lies(Lies::default().changed(
                    "GetCheckpoint",
                    move |call, answer: &mut v1::GetCheckpointResponse| {
                        if call.party == "south" {
                            answer.checkpoint = to_south.clone();
                        }
                    },
                ));
                let ((_, folder), (_, theirs)) = (scene.keeping("south").await, scene.keeping("north").await);
                scene.host.tells_the_truth();
                // They compare: North's head, in South's hands.
                let head = std::fs::read_to_string(theirs.path().join("receipts/head")).unwrap();
                assert!(Unverified::parse(head.as_bytes()).is_ok());
                scene.told(heads(move || head.clone()), async || scene.again("south", &folder).await.map(drop)).await
            })
        },
    },
];
