//! Lies about what is there to be read, told to an official who is about to sign.

use communique::{
    client::{dossier::Dossier, seen::Seen},
    domain::{
        act::ActKind,
        document::Document,
        entry::{Entry, Kind},
        id::{Digest, Role},
        json,
        manifest::Manifest,
        powers::Revocation,
        statement::Statement,
        trust::Trust,
        view::ListFilter,
        words::Prose,
    },
    wire::v1::{self, act::View, event},
};

use crate::{
    host::Lies,
    past::stranger,
    scene::{Lie, Scene, Telling, changed, flipped},
    world::{claims, names, now, party},
};

const fn read(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "an official of South", by: "the official's tool, when it reads", check, words, tell }
}

/// What South reads of the open communiqué, with the answer changed.
fn opened<'a>(scene: &'a Scene, change: impl Fn(&mut v1::Communique) + Send + Sync + 'static) -> Telling<'a> {
    let lies = Lies::default().changed("GetCommunique", move |_, answer: &mut v1::GetCommuniqueResponse| {
        change(answer.communique.as_mut().unwrap());
    });
    Box::pin(async move {
        let id = scene.open.communique;
        scene.caught(lies, async || scene.south().await.read(id).await).await
    })
}

/// What South reads as the course of a communiqué, with the list of events changed.
fn course<'a>(
    scene: &'a Scene,
    of: &'a communique::domain::document::Document<Manifest>,
    change: impl Fn(&mut Vec<v1::Event>) + Send + Sync + 'static,
) -> Telling<'a> {
    let lies =
        Lies::default().changed("ListEvents", move |_, answer: &mut v1::ListEventsResponse| change(&mut answer.events));
    Box::pin(async move { scene.caught(lies, async || scene.south().await.timeline(of.communique).await).await })
}

/// What South gathers before it acts on a communiqué, after it was shown a revision of it.
fn gathered<'a>(scene: &'a Scene, of: &'a Document<Manifest>, seen: &'a Document<Manifest>, lies: Lies) -> Telling<'a> {
    let seen = Seen { revision: seen.revision, manifest: seen.digest(), time: now() };
    Box::pin(async move {
        let ask = async || {
            let session = scene.south().await;
            let papers = session.papers(of.communique, &party("south"), Some(seen.revision)).await?;
            let dossier = Dossier::check(session.pinned(), &papers, now())?;
            dossier.goes_on_from(&seen)?;
            Ok(dossier.reading.state)
        };
        scene.caught(lies, ask).await
    })
}

/// The first revision of what is open in its second one, as the newest.
async fn rolled_back(scene: &Scene) -> Lies {
    let first = scene.world.remote("south").await.revision(scene.open.communique, 1).await.unwrap();
    Lies::default().changed("GetCommunique", move |_, answer: &mut v1::GetCommuniqueResponse| {
        let communique = answer.communique.as_mut().unwrap();
        communique.newest = Some(first.clone().into());
        communique.set_state(v1::State::Drafting);
        (communique.opened, communique.acts) = (None, vec![]);
    })
}

fn shown(act: &mut v1::Act) -> Option<&mut v1::ShownAct> {
    match act.view.as_mut()? {
        View::Shown(shown) => Some(shown),
        View::Escrowed(_) => None,
    }
}

/// The entry of an event, if it is shown.
pub fn entry(event: &v1::Event) -> Option<Entry> {
    match event.view.as_ref()? {
        event::View::Shown(logged) => Some(json::parse(&logged.entry).unwrap()),
        event::View::Escrowed(_) => None,
    }
}

pub const LIES: &[Lie] = &[
    read("another text than its digest", "WRONG_DIGEST", "the bytes have digest", |scene| {
        let lies = Lies::default().changed("DownloadContent", |_, answer: &mut v1::DownloadContentResponse| {
            answer.chunk[0] = b'd';
        });
        Box::pin(async move { scene.caught(lies, async || scene.south().await.texts(&scene.open).await).await })
    }),
    read("more text than was announced", "IO", "sends more than the manifest announces", |scene| {
        let lies = Lies::default().changed("DownloadContent", |_, answer: &mut v1::DownloadContentResponse| {
            answer.chunk.extend(b"Et un article de plus.\n");
        });
        Box::pin(async move { scene.caught(lies, async || scene.south().await.texts(&scene.open).await).await })
    }),
    read("another manifest than its digest", "DISAGREES", "act.manifest is", |scene| {
        opened(scene, |communique| {
            let newest = communique.newest.as_mut().unwrap();
            newest.manifest = changed(&newest.manifest, |manifest: &mut Manifest| {
                manifest.titles = names("Un autre titre (exemple)");
            });
        })
    }),
    read("a manifest of another revision", "DISAGREES", "manifest.revision is 1, but must be 2", |scene| {
        Box::pin(async move {
            let first = scene.world.remote("south").await.revision(scene.open.communique, 1).await.unwrap();
            let lies = Lies::default().changed("GetRevision", move |_, answer: &mut v1::GetRevisionResponse| {
                answer.revision = Some(first.clone().into());
            });
            scene.caught(lies, async || scene.south().await.revision(scene.open.communique, 2).await).await
        })
    }),
    read("another communiqué", "DISAGREES", "communique is", |scene| {
        Box::pin(async move {
            let other = scene.world.remote("south").await.communique(scene.draft.communique).await.unwrap();
            let lies = Lies::default().changed("GetCommunique", move |_, answer: &mut v1::GetCommuniqueResponse| {
                answer.communique = Some(other.clone().into());
            });
            scene.caught(lies, async || scene.south().await.read(scene.open.communique).await).await
        })
    }),
    read("another communiqué under the name", "DISAGREES", "manifest.communique is", |scene| {
        Box::pin(async move {
            let other = scene.world.remote("south").await.communique(scene.draft.communique).await.unwrap();
            let lies = Lies::default().changed("GetCommunique", move |_, answer: &mut v1::GetCommuniqueResponse| {
                let name = answer.communique.as_ref().unwrap().name.clone();
                answer.communique = Some(v1::Communique { name, ..other.clone().into() });
            });
            scene.caught(lies, async || scene.south().await.read(scene.open.communique).await).await
        })
    }),
    read("an act on another communiqué", "DISAGREES", "act.communique is", |scene| {
        Box::pin(async move {
            let other = scene.world.remote("south").await.communique(scene.draft.communique).await.unwrap();
            let act: v1::Act = other.acts[0].clone().into();
            opened(scene, move |communique| communique.acts[0] = act.clone()).await
        })
    }),
    read("an act with another signature", "SIGNATURE_INVALID", "signature of this act does not verify", |scene| {
        opened(scene, |communique| {
            let act = communique.acts.iter_mut().find_map(shown).unwrap();
            act.statement = flipped(&act.statement);
        })
    }),
    read("an act that nobody did", "SIGNATURE_INVALID", "signature of this act does not verify", |scene| {
        let declared = scene.forged(ActKind::Declare, "north.a", &scene.open, None).compact().to_owned();
        opened(scene, move |communique| {
            let act = communique.acts.iter_mut().find_map(shown).unwrap();
            act.statement = declared.clone();
        })
    }),
    read("an initial left out", "DISAGREES", "opened.statements is others", |scene| {
        opened(scene, |communique| {
            let initial = communique.acts.iter_mut().position(|act| shown(act).is_some()).unwrap();
            communique.acts.remove(initial);
        })
    }),
    read("open, though it was never opened", "NOT_FOUND", "there is no `opened` entry of", |scene| {
        opened(scene, |communique| communique.opened = None)
    }),
    read("the opening of another revision", "DISAGREES", "opened is an entry of something else", |scene| {
        let manifest = scene.before.digest();
        opened(scene, move |communique| {
            let opened = communique.opened.as_mut().unwrap();
            opened.entry = changed(&opened.entry, |entry: &mut Entry| entry.documents = vec![manifest]);
        })
    }),
    read(
        "a signer's key swapped in a grant",
        "SIGNATURE_INVALID",
        "signature of this powers does not verify",
        |scene| {
            let lies = Lies::default().changed("GetPowers", |_, answer: &mut v1::GetPowersResponse| {
                let powers = answer.powers.as_mut().unwrap();
                let mut body: communique::domain::powers::Powers = claims(&powers.statement);
                body.key = communique::domain::key::Signer::public(&stranger());
                powers.statement = Statement::sign(body, &stranger()).unwrap().compact().to_owned();
            });
            Box::pin(
                async move { scene.caught(lies, async || scene.south().await.read(scene.open.communique).await).await },
            )
        },
    ),
    read("another grant of the party", "DISAGREES", "powers is", |scene| {
        let other = scene.world.granted("north.c").compact().to_owned();
        let lies = Lies::default().changed("GetPowers", move |_, answer: &mut v1::GetPowersResponse| {
            let powers = answer.powers.as_mut().unwrap();
            if claims::<communique::domain::powers::Powers>(&powers.statement).party == party("north") {
                powers.statement = other.clone();
            }
        });
        Box::pin(
            async move { scene.caught(lies, async || scene.south().await.read(scene.open.communique).await).await },
        )
    }),
    read("a grant forged", "SIGNATURE_INVALID", "signature of this powers does not verify", |scene| {
        let mut body = scene.world.granted("south.a").body().clone();
        body.holder.id = "holder.intruder".parse().unwrap();
        let forged = Statement::sign(body, &stranger()).unwrap().compact().to_owned();
        let lies = Lies::default().changed("ListPowers", move |_, answer: &mut v1::ListPowersResponse| {
            let mut one = answer.powers[0].clone();
            one.statement = forged.clone();
            answer.powers.push(one);
        });
        Box::pin(async move { scene.caught(lies, async || scene.south().await.grants(None).await).await })
    }),
    read("a revocation forged", "SIGNATURE_INVALID", "signature of this revocation does not verify", |scene| {
        let lies = Lies::default().changed("ListPowers", |_, answer: &mut v1::ListPowersResponse| {
            let powers = &mut answer.powers[0];
            let grant: communique::domain::powers::Powers = claims(&powers.statement);
            let body = Revocation {
                founding: grant.founding,
                exchange: grant.exchange,
                party: grant.party,
                grant: Digest::of(powers.statement.as_bytes()),
                reason: Prose::new("Sans raison.").unwrap(),
                time: now(),
            };
            let statement = Statement::sign(body, &stranger()).unwrap().compact().to_owned();
            powers.revocation = Some(v1::Revocation { statement, receipt: powers.receipt.clone() });
        });
        Box::pin(async move { scene.caught(lies, async || scene.south().await.grants(None).await).await })
    }),
    read("a party's authorities swapped", "SIGNATURE_INVALID", "signature of this trust does not verify", |scene| {
        let mut body: Trust = scene.world.trust("east", 2, &[&scene.world.authorities["west"]], &[]).body().clone();
        body.party = party("east");
        let forged = Statement::sign(body, &stranger()).unwrap().compact().to_owned();
        let lies = Lies::default().changed("ListTrust", move |_, answer: &mut v1::ListTrustResponse| {
            answer.trust[0].statement = forged.clone();
        });
        Box::pin(async move { scene.caught(lies, async || scene.south().await.trusts().await).await })
    }),
    read("another deadline in the list", "DISAGREES", "deadline is", |scene| {
        let lies = Lies::default().changed("ListCommuniques", |_, answer: &mut v1::ListCommuniquesResponse| {
            answer.communiques[0].deadline = Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 0 });
        });
        Box::pin(
            async move { scene.caught(lies, async || scene.south().await.list(&ListFilter::default()).await).await },
        )
    }),
    read("a refusal dropped", "INCONSISTENT", "does not continue it", |scene| {
        course(scene, &scene.declined, |events| {
            let declined = events.iter().rposition(|e| entry(e).is_some_and(|e| e.kind == Kind::Act)).unwrap();
            events.remove(declined);
        })
    }),
    read("acts reordered", "INCONSISTENT", "does not continue it", |scene| {
        course(scene, &scene.open, |events| {
            let (a, b) = (events[2].index, events[3].index);
            events.swap(2, 3);
            (events[2].index, events[3].index) = (a, b);
        })
    }),
    read("an act shown twice", "DISAGREES", "event.index is", |scene| {
        course(scene, &scene.open, |events| events.insert(3, events[2].clone()))
    }),
    read("an act at another time", "INCONSISTENT", "does not continue it", |scene| {
        course(scene, &scene.open, |events| {
            let Some(event::View::Shown(logged)) = &mut events[2].view else { panic!("it is shown") };
            logged.entry = changed(&logged.entry, |entry: &mut Entry| entry.time = entry.time.plus(-3600));
        })
    }),
    read("an act in place of another", "WRONG_DIGEST", "the bytes have digest", |scene| {
        let act = scene.declaration("north.a");
        course(scene, &scene.open, move |events| {
            let Some(event::View::Shown(logged)) = &mut events[2].view else { panic!("it is shown") };
            logged.objects[0] = act.clone().into_bytes();
        })
    }),
    read("an initial left out of one list", "DISAGREES", "the list of acts on this revision is another", |scene| {
        let lies = Lies::default().changed("GetCommunique", |_, answer: &mut v1::GetCommuniqueResponse| {
            answer.communique.as_mut().unwrap().acts.pop();
        });
        gathered(scene, &scene.draft, &scene.draft, lies)
    }),
    read("an earlier revision as the newest", "DISAGREES", "which was shown here before", |scene| {
        Box::pin(async move {
            let lies = rolled_back(scene).await;
            let lies = lies.changed("ListActs", |_, answer: &mut v1::ListActsResponse| answer.acts.clear());
            gathered(scene, &scene.open, &scene.open, lies).await
        })
    }),
    read("an earlier revision, and acts on a later one", "DISAGREES", "on which somebody acted", |scene| {
        Box::pin(async move {
            let lies = rolled_back(scene).await;
            gathered(scene, &scene.open, &scene.before, lies).await
        })
    }),
    read("a revision that is not in the log", "DISAGREES", "the proof is one of entry 0", |scene| {
        Box::pin(async move {
            let first = scene.world.remote("south").await.inclusion(0).await.unwrap();
            let lies =
                Lies::default().changed("GetInclusionProof", move |_, answer: &mut v1::GetInclusionProofResponse| {
                    answer.proof = first.clone();
                });
            gathered(scene, &scene.draft, &scene.draft, lies).await
        })
    }),
    Lie {
        name: "the server's authority swapped",
        to: "whoever connects",
        by: "the tool, when it connects",
        check: "UNREACHABLE",
        words: "invalid peer certificate",
        tell: |scene| {
            Box::pin(async move {
                let ca = crate::world::authority("west");
                let leaf = ca.issue_server(&[crate::world::EXCHANGE], now().plus(-60), now().plus(3600)).unwrap();
                let key = leaf.key_pem.as_bytes();
                let other = crate::host::Host::shown_as(&scene.world, leaf.cert_pem.as_bytes(), key).await;
                scene.host.session("south", Role::Official).await.expect("the truth is believed");
                let answer = other.session("south", Role::Official).await;
                crate::scene::Found::by_client(answer.map(|session| session.pinned().founding()))
            })
        },
    },
];
