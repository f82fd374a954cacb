//! Lies about which charter is in force, told to whoever connects.

use communique::{
    client::reading::Pinned,
    domain::{
        charter::{Adoption, Charter},
        document::Document,
        entry::{Kind, StreamId},
        id::{Digest, Role},
        key::SecretKey,
        statement::Statement,
    },
    wire::v1,
};

use crate::{
    host::Lies,
    past::{Past, Row, stranger},
    scene::{Found, Lie, Scene, Telling},
    world::{PARTIES, World, claims, key, now, party},
};

const fn charter(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "an official of South", by: "the official's tool, when it connects", check, words, tell }
}

/// The charters that this past records, as the exchange lists them.
pub fn listed(past: &Past) -> v1::ListChartersResponse {
    let mut charters: Vec<(Digest, v1::Charter)> = vec![];
    for (index, row) in (0..).zip(&past.rows) {
        let receipt = Some(v1::Receipt { index, entry: row.bytes(), proof: String::new() });
        match row.entry.kind {
            Kind::Charter => {
                let document = row.objects[0].clone();
                charters.push((Digest::of(&document), v1::Charter { document, receipt, ..Default::default() }));
            }
            Kind::Adoption => {
                let statement = String::from_utf8(row.objects[0].clone()).unwrap();
                let of = claims::<Adoption>(&statement).charter;
                let (_, charter) = charters.iter_mut().find(|(digest, _)| *digest == of).unwrap();
                charter.adoptions.push(v1::Adoption { statement, receipt });
            }
            _ => {}
        }
    }
    let charters = charters.into_iter().map(|(_, charter)| charter).collect();
    v1::ListChartersResponse { charters, next_page_token: String::new() }
}

/// The charter in force, changed, as its successor.
pub fn successor(scene: &Scene, change: impl FnOnce(&mut Charter)) -> Document<Charter> {
    let mut next = Charter::clone(scene.world.pinned.charter());
    next.version = 2;
    next.previous = Some(scene.world.pinned.charter().digest());
    next.adopt_by = Some(now().plus(86_400));
    change(&mut next);
    Document::of(&next).unwrap()
}

/// The past, with this charter put forward and adopted by every party, each with the key that `by` answers.
pub fn adopted(past: Past, next: &Document<Charter>, by: impl Fn(&str) -> SecretKey) -> Past {
    let mut past = past.and(&StreamId::Exchange, |row| {
        row.entry.kind = Kind::Charter;
        record(row, next.bytes());
    });
    let founding = past.rows.iter().find(|row| row.entry.kind == Kind::Charter).unwrap().entry.documents[0];
    for (of, _) in PARTIES {
        let body = Adoption {
            founding,
            exchange: next.exchange.clone(),
            party: party(of),
            charter: next.digest(),
            version: next.version,
            time: now(),
        };
        let adoption = Statement::sign(body, &by(of)).unwrap();
        past = past.and(&StreamId::Exchange, |row| {
            row.entry.kind = Kind::Adoption;
            row.entry.statements = vec![adoption.digest()];
            row.objects = vec![adoption.compact().as_bytes().to_vec()];
        });
    }
    past
}

fn record(row: &mut Row, document: &[u8]) {
    row.entry.documents = vec![Digest::of(document)];
    row.objects = vec![document.to_vec()];
}

pub fn authority(of: &str) -> SecretKey {
    key(&format!("authority of {of}"))
}

fn shown(past: &Past) -> Lies {
    let answer = listed(past);
    Lies::default().instead("ListCharters", move |_| Some(answer.clone()))
}

pub const LIES: &[Lie] = &[
    charter(
        "a charter that nobody adopted",
        "SIGNATURE_INVALID",
        "signature of this adoption does not verify",
        |scene| {
            let next =
                successor(scene, |charter| charter.log.key = communique::domain::key::Signer::public(&stranger()));
            let lies = shown(&adopted(scene.past(), &next, |_| stranger()));
            Box::pin(async move {
                scene.caught(lies, async || scene.host.session("south", Role::Official).await.map(drop)).await
            })
        },
    ),
    charter(
        "a charter with an adoption left out",
        "DISAGREES",
        "follows from the pinned charter by adoption",
        |scene| {
            // All but one adopt: it is not in force, and what is drafted under it is not read.
            let next = successor(scene, |charter| charter.witnesses = 1);
            let mut past = adopted(scene.past(), &next, authority);
            past.rows.pop();
            let under = next.digest();
            let lies = shown(&past);
            Box::pin(async move {
                scene
                    .caught(lies, async || {
                        let session = scene.host.session("south", Role::Official).await?;
                        if session.pinned().charter().version == 1 && session.remote().charters().await?.len() == 2 {
                            session.pinned().of(under)?;
                        }
                        Ok(())
                    })
                    .await
            })
        },
    ),
    charter(
        "charters of other parties",
        "DISAGREES",
        "charter is another, but must be a chain with the pinned",
        |scene| {
            Box::pin(async move {
                // Another founding, in the name of the same exchange.
                let other = World::new().await;
                let lies = shown(&Past::of(&other));
                other.stop().await;
                scene.caught(lies, async || scene.host.session("south", Role::Official).await.map(drop)).await
            })
        },
    ),
    charter("a charter under an entry of another", "DISAGREES", "an entry of something else", |scene| {
        let mut answer = listed(&scene.past());
        let document = &mut answer.charters[0].document;
        *document = crate::scene::changed(document, |charter: &mut Charter| charter.parties[0].quorum = 9);
        let lies = Lies::default().instead("ListCharters", move |_| Some(answer.clone()));
        Box::pin(async move {
            scene.caught(lies, async || scene.host.session("south", Role::Official).await.map(drop)).await
        })
    }),
    charter("a charter rolled back", "charter_rolled_back", "it was rolled back", |scene| {
        Box::pin(async move {
            let next = successor(scene, |charter| charter.parties[0].quorum = 2);
            scene.host.lies(shown(&adopted(scene.past(), &next, authority)));
            let (session, folder) = scene.keeping("south").await;
            assert_eq!(session.pinned().charter().version, 2, "the second charter is believed");
            // And now it was never there.
            scene.told(Lies::default(), async || scene.again("south", &folder).await.map(drop)).await
        })
    }),
    charter("a charter forked", "charter_rolled_back", "do not come from charter 2", |scene| {
        Box::pin(async move {
            let [one, other] = [2, 3].map(|quorum| successor(scene, |charter| charter.parties[0].quorum = quorum));
            let [one, other] = [one, other].map(|next| shown(&adopted(scene.past(), &next, authority)));
            scene.host.lies(one);
            let (session, folder) = scene.keeping("south").await;
            assert_eq!(session.pinned().charter().version, 2, "the second charter is believed");
            scene.told(other, async || scene.again("south", &folder).await.map(drop)).await
        })
    }),
    Lie {
        name: "a charter that does not go with the pin",
        to: "a newcomer",
        by: "the newcomer's tool, before it connects",
        check: "WRONG_DIGEST",
        words: "the bytes have digest",
        tell: |scene| {
            Box::pin(async move {
                // What is handed over by the host, and a fingerprint that was got by hand.
                let charter = scene.world.pinned.charter();
                Pinned::new(charter.bytes(), charter.digest()).expect("the truth is believed");
                let forged = crate::scene::changed(charter.bytes(), |charter: &mut Charter| charter.witnesses = 1);
                Found::by_client(Pinned::new(&forged, charter.digest()).map_err(Into::into))
            })
        },
    },
];
