//! Packages that were never published so, told to an archivist of a party that signed nothing and saw nothing else.
//!
//! All that a host can sign is right in them: heads, proofs, certified copy, lists and digests follow from the past that it made up.

use communique::{
    domain::{
        act::{Act, ActKind},
        charter::Charter,
        document::Document,
        entry::{Entry, Kind, StreamId},
        id::{Digest, Role, Salt},
        json,
        key::SecretKey,
        manifest::Manifest,
        powers::Revocation,
        statement::Statement,
        words::Prose,
    },
    log::{
        checkpoint::{Head, Unverified},
        cosignature::cosign,
        note::KeyName,
    },
    wire::v1,
};

use crate::{
    charters,
    host::Lies,
    past::{Made, Past, Row, stranger},
    scene::{Found, Lie, Scene, Telling},
    world::{claims, key, names, now, party},
};

const fn package(
    name: &'static str,
    check: &'static str,
    words: &'static str,
    tell: for<'a> fn(&'a Scene) -> Telling<'a>,
) -> Lie {
    Lie { name, to: "an archivist of West", by: "the verifier of packages", check, words, tell }
}

/// What the archivist makes of this package in place of the published one.
fn archived<'a>(scene: &'a Scene, of: &'a Document<Manifest>, package: Vec<u8>) -> Telling<'a> {
    archived_by(scene, of, package, scene.world.pinned.founding())
}

fn archived_by<'a>(scene: &'a Scene, of: &'a Document<Manifest>, package: Vec<u8>, pin: Digest) -> Telling<'a> {
    Box::pin(async move {
        let manifest = of.bytes().to_vec();
        let (digest, size) = (Digest::of(&package), package.len() as u64);
        let truth = scene.world.remote("north").await.publication(scene.published.communique).await.unwrap();
        let publication = v1::Publication { manifest, ..truth.into() };
        let lies = Lies::default()
            .instead("GetPublication", move |call| {
                let communique = call.asked::<v1::GetPublicationRequest>().communique;
                let (package_sha256, package_size) = (digest.to_string(), size);
                let publication = v1::Publication { communique, package_sha256, package_size, ..publication.clone() };
                Some(v1::GetPublicationResponse { publication: Some(publication) })
            })
            .instead("DownloadPackage", move |_| Some(v1::DownloadPackageResponse { chunk: package.clone() }));
        scene.host.lies(lies);
        let package = scene.archived(of.communique).await;
        scene.host.tells_the_truth();
        Found::by_verifier(&package, pin)
    })
}

/// The published communiqué's package, of another past.
fn told<'a>(scene: &'a Scene, change: impl FnOnce(Past) -> Past) -> Telling<'a> {
    let past = scene.past();
    let package = past.package(scene.published.communique);
    let honest = async move {
        let truth = scene.archived(scene.published.communique).await;
        // Whatever is found out below is found by what was changed, and not by how the package is made here.
        assert!(truth == package, "the package is made as the exchange makes it");
        assert!(Found::by_verifier(&truth, scene.world.pinned.founding()).check.is_empty(), "the truth is proven");
    };
    let forged = change(past).package(scene.published.communique);
    Box::pin(async move {
        honest.await;
        archived(scene, &scene.published, forged).await
    })
}

/// The same, with what is signed last changed.
fn sealed<'a>(scene: &'a Scene, change: impl FnOnce(&Past, &mut Made)) -> Telling<'a> {
    let past = scene.past();
    let forged = past.package_with(scene.published.communique, |made| change(&past, made));
    archived(scene, &scene.published, forged)
}

/// The index of the entry of this kind and number in the communiqué.
fn nth(past: &Past, of: &Document<Manifest>, kind: Kind, n: usize) -> u64 {
    let stream = StreamId::Communique(of.communique);
    let is = |row: &Row| row.entry.stream == stream && row.entry.kind == kind;
    (0..).zip(&past.rows).filter(|(_, row)| is(row)).nth(n).unwrap().0
}

/// The index of the entry with this act of this holder.
fn act(past: &Past, of: &Document<Manifest>, kind: ActKind, who: &str, scene: &Scene) -> u64 {
    let grant = scene.world.granted(who).digest();
    past.find(|row| {
        row.entry.kind == Kind::Act && {
            let body: Act = claims(std::str::from_utf8(&row.objects[0]).unwrap());
            body.communique == of.communique && body.act == kind && body.grant == grant
        }
    })
}

/// The entry records this statement in place of its own.
fn record(row: &mut Row, compact: &str) {
    row.entry.statements = vec![Digest::of(compact.as_bytes())];
    row.objects = vec![compact.as_bytes().to_vec()];
}

/// The `completed` entry without this statement.
fn uncompleted(past: Past, of: &Document<Manifest>, statement: Digest) -> Past {
    let completed = nth(&past, of, Kind::Completed, 0);
    past.with(completed, |row| {
        let at = row.entry.statements.iter().position(|named| *named == statement).unwrap();
        row.entry.statements.remove(at);
        row.objects.remove(row.entry.documents.len() + at);
    })
}

fn witness(of: &str) -> (KeyName, SecretKey) {
    (KeyName::parse(&format!("mfa.{of}.example/witness")).unwrap(), key(&format!("witness of {of}")))
}

fn seconds() -> u64 {
    u64::try_from(now().unix()).unwrap()
}

/// The line by which this key cosigns this head.
fn line(head: &Head, name: &KeyName, signer: &SecretKey) -> communique::log::note::SignatureLine {
    cosign(head, name, seconds(), signer).unwrap()
}

/// A publication before the embargo's end.
fn early(scene: &Scene) -> Past {
    let of = &scene.embargoed;
    scene.past().and(&StreamId::Communique(of.communique), |row| {
        row.entry.kind = Kind::Published;
        row.entry.documents = vec![of.digest()];
        row.entry.files = Some(vec![]);
        row.objects = vec![of.bytes().to_vec()];
    })
}

pub const LIES: &[Lie] = &[
    package("a signature left out of a package", "SEATS", "not every party's quorum of seats is filled", |scene| {
        told(scene, |past| {
            let at = act(&past, &scene.published, ActKind::Sign, "north.b", scene);
            let statement = past.row(at).entry.statements[0];
            uncompleted(past.without(at), &scene.published, statement)
        })
    }),
    package("a signature that was never given", "ACT", "the signature of this act does not verify", |scene| {
        told(scene, |past| {
            let at = act(&past, &scene.published, ActKind::Sign, "north.b", scene);
            let opening = past.row(nth(&past, &scene.published, Kind::Opened, 0)).digest();
            let before = past.row(at).entry.statements[0];
            let forged = scene.forged(ActKind::Sign, "north.b", &scene.published, Some(opening));
            let past = past.with(at, |row| record(row, forged.compact()));
            let completed = nth(&past, &scene.published, Kind::Completed, 0);
            past.with(completed, |row| {
                let at = row.entry.statements.iter().position(|named| *named == before).unwrap();
                row.entry.statements[at] = forged.digest();
                let at = row.entry.documents.len() + at;
                row.objects[at] = forged.compact().as_bytes().to_vec();
            })
        })
    }),
    package("an entry of a package replaced", "ACT", "act.opening is", |scene| {
        told(scene, |past| {
            let opened = nth(&past, &scene.published, Kind::Opened, 0);
            past.with(opened, |row| row.entry.salt = Salt::new([5; 32]))
        })
    }),
    package("an opening without an initial", "OPENING", "nothing opened it here", |scene| {
        told(scene, |past| {
            let at = act(&past, &scene.published, ActKind::Initial, "east.a", scene);
            past.without(at)
        })
    }),
    package("acts of a package reordered", "OPENING", "nothing opened it here", |scene| {
        told(scene, |mut past| {
            let opened = usize::try_from(nth(&past, &scene.published, Kind::Opened, 0)).unwrap();
            past.rows.swap(opened - 1, opened);
            past.linked()
        })
    }),
    package("log time that goes back", "ENTRY-CHAIN", "log time goes back", |scene| {
        told(scene, |past| {
            let at = act(&past, &scene.published, ActKind::Sign, "south.a", scene);
            past.with(at, |row| row.entry.time = row.entry.time.plus(-3600))
        })
    }),
    package("another manifest in a package", "ACT", "act.manifest is", |scene| {
        told(scene, |past| {
            let revision = nth(&past, &scene.published, Kind::Revision, 0);
            let bytes = crate::scene::changed(&past.row(revision).objects[0], |manifest: &mut Manifest| {
                manifest.titles = names("Un autre titre (exemple)");
            });
            let (old, new) = (scene.published.digest(), Digest::of(&bytes));
            let mut past = past;
            for row in &mut past.rows {
                for at in 0..row.entry.documents.len() {
                    if row.entry.documents[at] == old {
                        (row.entry.documents[at], row.objects[at]) = (new, bytes.clone());
                    }
                }
            }
            past.linked()
        })
    }),
    package("full powers used after their revocation", "GRANT", "they were revoked at", |scene| {
        told(scene, |mut past| {
            let grant = scene.world.granted("north.b");
            let body = Revocation {
                founding: grant.body().founding,
                exchange: grant.body().exchange.clone(),
                party: party("north"),
                grant: grant.digest(),
                reason: Prose::new("Fin de mission (exemple).").unwrap(),
                time: now(),
            };
            let revocation = Statement::sign(body, &key("authority of north")).unwrap();
            let at = act(&past, &scene.published, ActKind::Sign, "north.b", scene);
            let opened = past.row(nth(&past, &scene.published, Kind::Opened, 0)).entry.clone();
            let stream = StreamId::Party(party("north"));
            let mut row =
                Row { entry: Entry { kind: Kind::Revocation, stream, documents: vec![], ..opened }, objects: vec![] };
            record(&mut row, revocation.compact());
            past.rows.insert(usize::try_from(at).unwrap(), row);
            past.linked()
        })
    }),
    package("an embargo broken", "EMBARGO", "agreed an embargo until", |scene| {
        archived(scene, &scene.embargoed, early(scene).package(scene.embargoed.communique))
    }),
    package("a package with an older charter", "PIN", "no charter here has the fingerprint", |scene| {
        // Another charter came into force after completion. The package would have to show it, and whose depositary certifies.
        let published = nth(&scene.past(), &scene.published, Kind::Published, 0);
        let (past, row) = (scene.past().first(published), scene.past().row(published).clone());
        let next = charters::successor(scene, |charter: &mut Charter| charter.witnesses = 1);
        let mut newer = charters::adopted(past.clone(), &next, charters::authority);
        let mut older = past;
        for past in [&mut newer, &mut older] {
            let mut row = row.clone();
            row.entry.time = past.rows.last().unwrap().entry.time;
            past.rows.push(row);
        }
        let [newer, older] = [newer, older].map(|past| past.linked().package(scene.published.communique));
        let pin = next.digest();
        assert!(Found::by_verifier(&newer, pin).check.is_empty(), "the newer is proven");
        archived_by(scene, &scene.published, older, pin)
    }),
    package("a package of another exchange", "PIN", "no charter here has the fingerprint", |scene| {
        let forged = scene.past().package(scene.published.communique);
        archived_by(scene, &scene.published, forged, Digest::of(b"the charter of another exchange"))
    }),
    package(
        "a certified copy of another document",
        "CERTIFIED-COPY",
        "attests something else than what is here",
        |scene| sealed(scene, |_, made| made.copy.manifest = scene.open.digest()),
    ),
    package(
        "a certified copy by another key",
        "CERTIFIED-COPY",
        "signature of this certified-copy does not verify",
        |scene| sealed(scene, |_, made| made.depositary = stranger().into()),
    ),
    package("a package without proofs", "FILE-MISSING", "there is no evidence/0.tlog-proof", |scene| {
        sealed(scene, |_, made| made.bare = true)
    }),
    package("a proof in a package that is another entry's", "LOG-PROOF", "does not lead from entry", |scene| {
        sealed(scene, |past, made| {
            let at = act(past, &scene.published, ActKind::Sign, "north.b", scene);
            made.leaves.insert(at, at - 1);
        })
    }),
    package("a package under the head of another log", "LOG-PROOF", "does not lead from entry 0", |scene| {
        sealed(scene, |past, made| {
            let size = made.head.checkpoint().size();
            made.head = crate::receipts::forked(past.clone().first(size)).newest();
        })
    }),
    package(
        "a package under a head that the log did not sign",
        "LOG-HEAD",
        "no key known for exchange.example/log",
        |scene| {
            sealed(scene, |_, made| {
                let checkpoint = Unverified::parse(made.head.to_string().as_bytes()).unwrap().claims().clone();
                made.head = Head::sign(checkpoint, &stranger()).unwrap();
            })
        },
    ),
    package(
        "the cosignature of an old head",
        "WITNESS",
        "a signature in the name of mfa.north.example/witness does not verify",
        |scene| {
            sealed(scene, |past, made| {
                let (name, signer) = witness("north");
                made.lines = vec![line(&past.head(made.head.checkpoint().size() - 1), &name, &signer)];
            })
        },
    ),
    package(
        "a cosignature by no witness",
        "WITNESS",
        "mfa.nowhere.example/witness is no witness of a party",
        |scene| {
            sealed(scene, |_, made| {
                let name = KeyName::parse("mfa.nowhere.example/witness").unwrap();
                made.lines = vec![line(&made.head, &name, &stranger())];
            })
        },
    ),
    package(
        "a cosignature in a witness's name",
        "WITNESS",
        "mfa.north.example/witness is no witness of a party",
        |scene| {
            sealed(scene, |_, made| {
                let (name, _) = witness("north");
                made.lines = vec![line(&made.head, &name, &stranger())];
            })
        },
    ),
    package("two cosignatures of one witness", "WITNESS", "stands out of order", |scene| {
        sealed(scene, |_, made| {
            let (name, signer) = witness("north");
            let again = cosign(&made.head, &name, seconds() - 60, &signer).unwrap();
            made.lines = vec![line(&made.head, &name, &signer), again];
        })
    }),
    Lie {
        name: "other bytes than the publication's",
        to: "an archivist of West",
        by: "the archivist's tool, when it downloads",
        check: "WRONG_DIGEST",
        words: "the bytes have digest",
        tell: |scene| {
            let lies = Lies::default().changed("DownloadPackage", |_, answer: &mut v1::DownloadPackageResponse| {
                let middle = answer.chunk.len() / 2;
                answer.chunk[middle] ^= 1;
            });
            Box::pin(async move {
                scene
                    .caught(lies, async || {
                        let archivist = scene.session("west", Role::Archivist).await;
                        let mut package = Vec::new();
                        let id = scene.published.communique;
                        archivist.remote().download_package(id, &mut package, &|_| ()).await
                    })
                    .await
            })
        },
    },
    Lie {
        name: "a publication of another manifest",
        to: "an archivist of West",
        by: "the archivist's tool, when it reads",
        check: "DISAGREES",
        words: "manifest.communique is",
        tell: |scene| {
            let other = scene.embargoed.bytes().to_vec();
            let lies = Lies::default().changed("GetPublication", move |_, answer: &mut v1::GetPublicationResponse| {
                answer.publication.as_mut().unwrap().manifest = other.clone();
            });
            Box::pin(async move {
                scene
                    .caught(lies, async || {
                        let archivist = scene.session("west", Role::Archivist).await;
                        archivist.publication(scene.published.communique).await
                    })
                    .await
            })
        },
    },
    Lie {
        name: "a rectification of what was never published",
        to: "an official of South",
        by: "the official's tool, when it begins a rectification",
        check: "DISAGREES",
        words: "published is an entry of something else",
        tell: |scene| {
            let lies = Lies::default().changed("GetPublication", move |_, answer: &mut v1::GetPublicationResponse| {
                let receipt = answer.publication.as_mut().unwrap().receipt.as_mut().unwrap();
                let mut entry: Entry = json::parse(&receipt.entry).unwrap();
                (entry.kind, entry.files) = (Kind::Completed, None);
                receipt.entry = json::encode(&entry);
            });
            Box::pin(async move {
                scene
                    .caught(lies, async || scene.south().await.rectifiable(scene.published.communique).await.map(drop))
                    .await
            })
        },
    },
];
