//! Lies that an audit finds: of the whole log, told to an auditor of South, with heads and proofs that hold.

use communique::{
    client::{auditing::audit, receipts::Receipts, remote::RemoteError},
    domain::{
        act::{Act, ActKind},
        charter::Charter,
        document::Document,
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest, Role},
        key::Signer as _,
        manifest::Manifest,
        powers::{Powers, Revocation},
        statement::Statement,
        trust::Trust,
        words::Prose,
    },
    wire::{
        names,
        v1::{self, event::View, watch_response::Item},
    },
};
use tempfile::TempDir;

use crate::{
    charters,
    host::{Call, Lies},
    past::{Past, Row, stranger},
    reading::entry,
    receipts::forked,
    scene::{Lie, Scene, Telling},
    world::{claims, key, now, party},
};

const fn lie(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "an auditor of South", by: "the audit", check, words, tell }
}

/// An audit by South of all that it may see, keeping what it keeps in this folder.
pub async fn audited(scene: &Scene, folder: &TempDir) -> Result<u64, RemoteError> {
    let mut session = scene.host.session("south", Role::Official).await?;
    let receipts = Receipts::in_folder(folder.path().join("receipts")).unwrap();
    let report = audit(&mut session, receipts, &party("south"), true, |_, _| ()).await?;
    match report.lie {
        Some(lie) => Err(lie.into()),
        None => Ok(report.head.unwrap().0),
    }
}

/// An auditor who comes for the first time, and hears lies from the first word on.
fn from_the_first<'a>(scene: &'a Scene, lies: Lies) -> Telling<'a> {
    Box::pin(async move {
        scene
            .caught(lies, async || {
                let folder = tempfile::tempdir().unwrap();
                audited(scene, &folder).await
            })
            .await
    })
}

/// The same, of a whole past that the host made up.
fn made_up<'a>(scene: &'a Scene, past: &Past) -> Telling<'a> {
    from_the_first(scene, past.told().with(past.watched()))
}

/// The same, with the stream of events changed. What the heartbeats say stays.
fn watched<'a>(
    scene: &'a Scene,
    change: impl Fn(&Call, v1::Event) -> Vec<v1::Event> + Send + Sync + 'static,
) -> Telling<'a> {
    from_the_first(scene, events(change))
}

pub fn events(change: impl Fn(&Call, v1::Event) -> Vec<v1::Event> + Send + Sync + 'static) -> Lies {
    Lies::default().streamed("Watch", move |call, message: v1::WatchResponse| match message.item {
        Some(Item::Event(event)) => {
            let next = event.index + 1;
            let told = change(call, event);
            if told.is_empty() { vec![beat(next)] } else { told.into_iter().map(told_of).collect() }
        }
        _ => vec![message],
    })
}

fn told_of(event: v1::Event) -> v1::WatchResponse {
    v1::WatchResponse { item: Some(Item::Event(event)) }
}

fn beat(next_index: u64) -> v1::WatchResponse {
    v1::WatchResponse { item: Some(Item::Heartbeat(v1::Heartbeat { next_index })) }
}

/// Whether an event is an entry of this kind of the communiqué.
fn is(event: &v1::Event, of: CommuniqueId, kind: Kind) -> bool {
    entry(event).is_some_and(|entry| entry.stream == StreamId::Communique(of) && entry.kind == kind)
}

/// The index of this holder's act in the log.
fn act_of(past: &Past, of: &Document<Manifest>, kind: ActKind, grant: Digest) -> u64 {
    past.find(|row| {
        row.entry.kind == Kind::Act && {
            let body: Act = claims(std::str::from_utf8(&row.objects[0]).unwrap());
            body.communique == of.communique && body.act == kind && body.grant == grant
        }
    })
}

pub fn records(row: &mut Row, kind: Kind, compact: &str) {
    row.entry.kind = kind;
    row.entry.statements = vec![Digest::of(compact.as_bytes())];
    row.objects = vec![compact.as_bytes().to_vec()];
}

fn revocation(grant: &Statement<Powers>) -> Statement<Revocation> {
    let Powers { founding, exchange, party, .. } = grant.body().clone();
    let signer = key(&format!("authority of {party}"));
    let reason = Prose::new("Fin de mission (exemple).").unwrap();
    let body = Revocation { founding, exchange, party, grant: grant.digest(), reason, time: now() };
    Statement::sign(body, &signer).unwrap()
}

pub const LIES: &[Lie] = &[
    lie("full powers used that were revoked", "against_rules", "were revoked at", |scene| {
        let (grant, past) = (scene.world.granted("north.b"), scene.past());
        let at = usize::try_from(act_of(&past, &scene.published, ActKind::Sign, grant.digest())).unwrap();
        let mut past = past.and(&StreamId::Party(party("north")), |row| {
            records(row, Kind::Revocation, revocation(&grant).compact());
        });
        let mut revoked = past.rows.pop().unwrap();
        revoked.entry.time = past.rows[at].entry.time;
        past.rows.insert(at, revoked);
        made_up(scene, &past.linked())
    }),
    lie("an embargo that the log itself breaks", "against_rules", "agreed an embargo until", |scene| {
        let of = &scene.embargoed;
        let past = scene.past().and(&StreamId::Communique(of.communique), |row| {
            row.entry.kind = Kind::Published;
            row.entry.documents = vec![of.digest()];
            row.entry.files = Some(vec![]);
            row.objects = vec![of.bytes().to_vec()];
        });
        // What it lists is the archive's matter.
        let published = past.size() - 1;
        let files = past.row(0).entry.documents[0];
        let past = past.with(published, |row| {
            let file = communique::domain::entry::FileDigest { path: "data/communique.json".into(), sha256: files };
            row.entry.files = Some(vec![file]);
        });
        made_up(scene, &past)
    }),
    lie("complete without a quorum", "against_rules", "nothing made completed due", |scene| {
        let grant = scene.world.granted("north.b").digest();
        let past = scene.past();
        let at = act_of(&past, &scene.embargoed, ActKind::Sign, grant);
        let statement = past.row(at).entry.statements[0];
        let past = past.without(at);
        let completed = past.find(|row| row.entry.kind == Kind::Completed && row.entry.statements.contains(&statement));
        let past = past.with(completed, |row| {
            let at = row.entry.statements.iter().position(|named| *named == statement).unwrap();
            row.entry.statements.remove(at);
            row.objects.remove(row.entry.documents.len() + at);
        });
        made_up(scene, &past)
    }),
    lie("a logged act that nobody did", "against_rules", "signature of this act does not verify", |scene| {
        let forged = scene.forged(ActKind::Decline, "north.a", &scene.open, Some(scene.opening));
        let past = scene.past().and(&StreamId::Communique(scene.open.communique), |row| {
            records(row, Kind::Act, forged.compact());
        });
        made_up(scene, &past)
    }),
    lie(
        "a logged refusal without effect",
        "against_rules",
        "sign is not allowed while the communiqué is drafting",
        |scene| {
            // East declines, and North signs all the same.
            let signed = |kind, who| {
                let act = scene.world.act(kind, who, &scene.open, Some(scene.opening));
                Statement::sign(act, &key(who)).unwrap().compact().to_owned()
            };
            let of = StreamId::Communique(scene.open.communique);
            let (decline, sign) = (signed(ActKind::Decline, "east.a"), signed(ActKind::Sign, "north.a"));
            let past = scene.past().and(&of, |row| records(row, Kind::Act, &decline));
            let past = past.and(&of, |row| records(row, Kind::Act, &sign));
            made_up(scene, &past)
        },
    ),
    lie("full powers that nobody gave", "against_rules", "signature of this powers does not verify", |scene| {
        let mut body = scene.world.granted("west.a").body().clone();
        body.key = stranger().public();
        let forged = Statement::sign(body, &stranger()).unwrap();
        let past =
            scene.past().and(&StreamId::Party(party("west")), |row| records(row, Kind::Powers, forged.compact()));
        made_up(scene, &past)
    }),
    lie(
        "certificate authorities that nobody named",
        "against_rules",
        "signature of this trust does not verify",
        |scene| {
            let mut body: Trust =
                scene.world.trust("south", 2, &[&scene.world.authorities["west"]], &[]).body().clone();
            body.serial = 2;
            let forged = Statement::sign(body, &stranger()).unwrap();
            let past =
                scene.past().and(&StreamId::Party(party("south")), |row| records(row, Kind::Trust, forged.compact()));
            made_up(scene, &past)
        },
    ),
    lie("time going back in the log", "out_of_order", "log time went back", |scene| {
        let past = scene.past();
        let last = past.size() - 1;
        made_up(scene, &past.with(last, |row| row.entry.time = row.entry.time.plus(-3600)))
    }),
    lie("a charter told and not logged", "charter_rolled_back", "is not in the log", |scene| {
        let next = charters::successor(scene, |charter: &mut Charter| charter.witnesses = 1);
        let answer = charters::listed(&charters::adopted(scene.past(), &next, charters::authority));
        from_the_first(scene, Lies::default().instead("ListCharters", move |_| Some(answer.clone())))
    }),
    lie("one act shown to North and not to South", "withheld", "something is left out", |scene| {
        // The first act of East there, which more follow.
        let grant = scene.world.granted("east.a").digest();
        let hidden = act_of(&scene.past(), &scene.declined, ActKind::Initial, grant);
        watched(
            scene,
            move |call, event| {
                if call.party == "south" && event.index == hidden { vec![] } else { vec![event] }
            },
        )
    }),
    lie("a watch that leaves out a refusal", "withheld", "something is left out", |scene| {
        let grant = scene.world.granted("east.a").digest();
        let hidden = act_of(&scene.past(), &scene.declined, ActKind::Decline, grant);
        watched(scene, move |_, event| if event.index == hidden { vec![] } else { vec![event] })
    }),
    lie("a watch that shows another entry", "other_entry", "the log's tree has", |scene| {
        let fork = forked(scene.past());
        watched(scene, move |_, mut event| {
            if event.index == fork.size() - 1 {
                let row = fork.row(event.index);
                let (entry, objects) = (row.bytes(), row.objects.clone());
                event.view = Some(View::Shown(v1::LoggedEntry { entry, objects }));
            }
            vec![event]
        })
    }),
    lie("a watch that shows another act under an entry", "other_object", "is not what the entry names", |scene| {
        let (other, of) = (scene.declaration("north.b"), scene.draft.communique);
        watched(scene, move |_, mut event| {
            if is(&event, of, Kind::Act)
                && let Some(View::Shown(logged)) = &mut event.view
            {
                logged.objects[0] = other.clone().into_bytes();
            }
            vec![event]
        })
    }),
    lie("a watch that repeats", "out_of_order", "after it said that it had shown all below", |scene| {
        let of = scene.published.communique;
        watched(
            scene,
            move |_, event| {
                if is(&event, of, Kind::Opened) { vec![event.clone(), event] } else { vec![event] }
            },
        )
    }),
    lie("a completion hidden", "withheld", "which must record completed", |scene| {
        let of = scene.embargoed.communique;
        watched(scene, move |_, event| if is(&event, of, Kind::Completed) { vec![] } else { vec![event] })
    }),
    lie("a watch out of order", "withheld", "which must record opened", |scene| {
        let first = std::sync::Mutex::new(None);
        let of = scene.published.communique;
        watched(scene, move |_, event| {
            let mut first = first.lock().unwrap();
            if is(&event, of, Kind::Opened) {
                *first = Some(event);
                return vec![];
            }
            [Some(event), first.take()].into_iter().flatten().collect()
        })
    }),
    lie("a watch that falls silent", "withheld", "says nothing of them from entry", |scene| {
        let lies = Lies::default().streamed("Watch", |call, _: v1::WatchResponse| {
            vec![beat(call.asked::<v1::WatchRequest>().from_index.unwrap_or(0))]
        });
        from_the_first(scene, lies)
    }),
    lie(
        "a communiqué kept from a party until it is published",
        "withheld",
        "nothing of it was shown before",
        |scene| {
            let of = scene.published.communique;
            watched(scene, move |_, event| {
                let hidden =
                    entry(&event).is_some_and(|e| e.stream == StreamId::Communique(of) && e.kind != Kind::Published);
                if hidden { vec![] } else { vec![event] }
            })
        },
    ),
    lie("a rectification hidden", "withheld", "which must record rectified", |scene| {
        let of = scene.published.communique;
        watched(scene, move |_, event| if is(&event, of, Kind::Rectified) { vec![] } else { vec![event] })
    }),
    lie("the publication of a rectification hidden", "withheld", "the publication before it is not shown", |scene| {
        let of = scene.rectification.communique;
        watched(scene, move |_, event| if is(&event, of, Kind::Published) { vec![] } else { vec![event] })
    }),
    lie("a party's own signature sealed before it", "withheld", "a signature of your own party", |scene| {
        let grant = scene.world.granted("south.a").digest();
        let at = act_of(&scene.past(), &scene.open, ActKind::Sign, grant);
        let communique = names::communique(scene.open.communique);
        watched(scene, move |_, mut event| {
            if event.index == at {
                let (party, act) = ("parties/south".to_owned(), v1::ActKind::Sign.into());
                let act = Some(v1::EscrowedAct { party, act, revision: 2 });
                event.view = Some(View::Escrowed(v1::EscrowedEntry { communique: communique.clone(), act }));
            }
            vec![event]
        })
    }),
    lie("other digests than the tree's", "wrong_root", "do not make the tree", |scene| {
        let lies =
            Lies::default().changed("ListDigests", |_, answer: &mut v1::ListDigestsResponse| answer.digests[40] ^= 1);
        from_the_first(scene, lies)
    }),
    lie("fewer digests than the head has", "wrong_root", "lists fewer", |scene| {
        let lies = Lies::default().changed("ListDigests", |_, answer: &mut v1::ListDigestsResponse| {
            let all = answer.digests.len();
            answer.digests.truncate(all.saturating_sub(32));
        });
        from_the_first(scene, lies)
    }),
    lie("a head that stands still", "frozen", "its head stands still", |scene| {
        let past = scene.past();
        let head = past.head(past.size() - 6).to_string();
        let lies = Lies::default().instead("GetCheckpoint", move |_| {
            Some(v1::GetCheckpointResponse { checkpoint: head.clone(), cosigned_checkpoint: String::new() })
        });
        // The last that the head has is left out, so that what comes next is beyond it.
        let last = past.size() - 7;
        let lies =
            lies.with(Lies::default().streamed("Watch", move |_, message: v1::WatchResponse| match &message.item {
                Some(Item::Event(event)) if event.index == last => vec![],
                _ => vec![message],
            }));
        from_the_first(scene, lies)
    }),
    Lie {
        to: "who handed in an act",
        ..lie("one's own act not shown to oneself", "withheld", "which your party sent itself", |scene| {
            Box::pin(async move {
                let act = scene.declaration("south.a");
                let (session, folder) = scene.keeping("south").await;
                let at = scene.carries(&session, &act).await.unwrap();
                audited(scene, &folder).await.expect("the truth is believed");
                let hidden = events(move |_, event| if event.index == at { vec![] } else { vec![event] });
                scene.told(hidden, async || audited(scene, &folder).await).await
            })
        })
    },
    Lie {
        to: "who handed in an act",
        ..lie("a log without one's own act", "forked", "differs from the one", |scene| {
            Box::pin(async move {
                let act = scene.declaration("east.c");
                let folder = tempfile::tempdir().unwrap();
                // East's act is there when South audits, and has never been there when South audits again.
                scene.world.carry("east", &act).await.unwrap();
                audited(scene, &folder).await.expect("the truth is believed");
                let past = scene.past();
                let without = past.clone().without(past.find(|row| row.records(&act)));
                let same_size = without.and(&StreamId::Communique(scene.draft.communique), |row| {
                    records(row, Kind::Act, &scene.declaration("east.b"));
                });
                let lies = same_size.told().with(same_size.watched());
                scene.told(lies, async || audited(scene, &folder).await).await
            })
        })
    },
];
