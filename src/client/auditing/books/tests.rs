use std::sync::Arc;

use super::*;
use crate::domain::{
    act::ActKind,
    charter::Adoption,
    id::Salt,
    samples::{World, key, noon, party},
    statement::Body,
};

/// An entry to be told, with what it names.
type Said = (Entry, Vec<Vec<u8>>);

/// What a world has logged, each entry with all that it names.
fn said(world: &World) -> Vec<Said> {
    let bag: BTreeMap<Digest, &Vec<u8>> =
        world.log.iter().flat_map(|l| &l.objects).map(|o| (Digest::of(o), o)).collect();
    let objects = |entry: &Entry| entry.documents.iter().chain(&entry.statements).map(|d| bag[d].clone()).collect();
    world.log.iter().map(|logged| (logged.entry.clone(), objects(&logged.entry))).collect()
}
/// Numbers and chains them anew: an exchange that lies does so from the beginning.
fn chained(said: Vec<Said>) -> Vec<Said> {
    let mut positions: BTreeMap<StreamId, Position> = BTreeMap::new();
    let chain = |(mut entry, objects): Said| {
        let position = positions.entry(entry.stream.clone()).or_default();
        (entry.seq, entry.previous) = (position.length, position.last);
        position.advance(&entry, Digest::of(&json::encode(&entry))).unwrap();
        (entry, objects)
    };
    said.into_iter().map(chain).collect()
}
/// As events, with the leaves of the tree.
fn events(said: Vec<Said>) -> Vec<(EventView, Digest)> {
    let event = |(index, (entry, objects)): (usize, Said)| {
        let entry = json::encode(&entry);
        let leaf = Digest::of(&entry);
        let happening = Happening::Shown(Arc::new(Logged { entry, objects }));
        (EventView { index: index as u64, happening }, leaf)
    };
    said.into_iter().enumerate().map(event).collect()
}
/// The same, with the entry of this index in escrow.
fn escrow(mut events: Vec<(EventView, Digest)>, index: usize, world: &World, of: &str) -> Vec<(EventView, Digest)> {
    events[index].0.happening =
        Happening::Escrowed { communique: world.id, party: party(of), act: ActKind::Sign, revision: 1 };
    events
}
fn books(world: &World) -> Books {
    Books::new(party("south"), world.founding())
}
fn take(books: &mut Books, events: &[(EventView, Digest)]) -> Result<(), Finding> {
    for (event, leaf) in events {
        assert_eq!(books.wants(event), [], "nothing was forgotten");
        books.take(event, *leaf)?;
    }
    Ok(())
}
fn world() -> World {
    let mut world = World::new(&[("north", 1), ("south", 1)]);
    world.trust("north", 1, "authority of north").unwrap();
    world.trust("south", 1, "authority of south").unwrap();
    world.now = world.now.plus(60);
    world.propose().unwrap();
    world.open();
    world
}
fn signed(world: &World) -> World {
    let mut world = world.clone();
    world.sign_all();
    world
}
fn at(said: &[Said], kind: Records) -> usize {
    said.iter().rposition(|(entry, _)| entry.kind == kind).unwrap()
}
/// The statement of an entry, signed by somebody else.
fn forged<B: Body + Clone>(objects: &[Vec<u8>]) -> Vec<u8> {
    let compact = std::str::from_utf8(objects.last().unwrap()).unwrap();
    let body = Unverified::<B>::parse(compact).unwrap().claims().clone();
    Statement::sign(body, &key("somebody")).unwrap().compact().as_bytes().to_vec()
}
fn with_statement((entry, objects): &mut Said, statement: Vec<u8>) {
    entry.statements = vec![Digest::of(&statement)];
    *objects.last_mut().unwrap() = statement;
}
#[test]
fn what_an_honest_exchange_tells_is_believed_and_counted() {
    let mut world = signed(&world());
    let sealed = world.grant_of("south", "d1");
    world.revoke("south", sealed).unwrap();
    let said = said(&world);
    assert_eq!(chained(said.clone()), said);
    let mut books = books(&world);
    take(&mut books, &events(said.clone())).unwrap();
    let statements = said.iter().filter(|(e, _)| !matches!(e.kind, Records::Opened | Records::Completed));
    let statements: usize = statements.map(|(e, _)| e.statements.len()).sum();
    assert_eq!(books.tally, Tally { shown: said.len() as u64, escrowed: 0, statements: statements as u64 });
    let own = books.own_entries.iter().map(|(index, time, own)| {
        assert_eq!(said[usize::try_from(*index).unwrap()].0.time, *time);
        match own {
            Own::Trust(trust) => format!("trust {}", trust.serial),
            Own::Powers(_, powers) => powers.holder.id.to_string(),
            Own::Revocation(revocation) => format!("revocation {}", revocation.grant == sealed),
        }
    });
    assert_eq!(own.collect::<Vec<_>>(), ["a1", "b1", "c1", "d1", "trust 1", "revocation true"]);
}

#[test]
fn every_lie_is_found_where_it_stands() {
    type Lie = fn(&World, &mut Vec<Said>) -> Option<u64>;
    // Each answers at which index it must be found, if not at the last entry.
    let rows: [(&str, Lie, Kind, &str); 17] = [
        (
            "an act by another's key",
            |_, said| {
                let index = at(said, Records::Act);
                let statement = forged::<Act>(&said[index].1);
                with_statement(&mut said[index], statement);
                Some(index as u64)
            },
            Kind::AgainstRules,
            "signature",
        ),
        (
            "a proposal by another's key",
            |_, said| {
                let index = at(said, Records::Revision);
                let statement = forged::<Act>(&said[index].1);
                with_statement(&mut said[index], statement);
                Some(index as u64)
            },
            Kind::AgainstRules,
            "signature",
        ),
        (
            "full powers by another's key",
            |_, said| {
                let index = at(said, Records::Powers);
                let statement = forged::<Powers>(&said[index].1);
                with_statement(&mut said[index], statement);
                Some(index as u64)
            },
            Kind::AgainstRules,
            "signature",
        ),
        (
            "trust by another's key",
            |_, said| {
                let index = at(said, Records::Trust);
                let statement = forged::<Trust>(&said[index].1);
                with_statement(&mut said[index], statement);
                Some(index as u64)
            },
            Kind::AgainstRules,
            "signature",
        ),
        (
            "an adoption by another's key",
            |_, said| {
                let index = at(said, Records::Adoption);
                let statement = forged::<Adoption>(&said[index].1);
                with_statement(&mut said[index], statement);
                Some(index as u64)
            },
            Kind::AgainstRules,
            "signature",
        ),
        (
            "a party's powers in another's stream",
            |_, said| {
                let index = said.iter().position(|(e, _)| e.kind == Records::Powers).unwrap();
                said[index].0.stream = StreamId::Party(party("south"));
                Some(index as u64)
            },
            Kind::AgainstRules,
            "entry.stream",
        ),
        (
            "the same trust again",
            |_, said| {
                let index = at(said, Records::Trust);
                said.push(said[index].clone());
                let time = said[said.len() - 2].0.time;
                said.last_mut().unwrap().0.time = time;
                None
            },
            Kind::AgainstRules,
            "serial",
        ),
        (
            "a grant left out",
            |_, said| {
                let index = said
                    .iter()
                    .position(|(e, objects)| {
                        let of = |o: &Vec<u8>| {
                            Unverified::<Powers>::parse(std::str::from_utf8(o).unwrap()).unwrap().claims().clone()
                        };
                        e.kind == Records::Powers
                            && of(&objects[0]).party == party("south")
                            && of(&objects[0]).holder.id.as_str() == "a1"
                    })
                    .unwrap();
                said.remove(index);
                Some(at(said, Records::Opened) as u64 - 1)
            },
            Kind::AgainstRules,
            "full powers",
        ),
        (
            "opened although one has not initialled",
            |_, said| {
                let index = at(said, Records::Act);
                said.remove(index);
                None
            },
            Kind::AgainstRules,
            "nothing made opened due",
        ),
        (
            "not opened although all have initialled",
            |world, said| {
                let mut world = world.clone();
                world.sign_all();
                let index = at(said, Records::Opened);
                *said = super::tests::said(&world);
                said.remove(index);
                Some(index as u64)
            },
            Kind::AgainstRules,
            "where the entry before asks for opened",
        ),
        (
            "opened by others' initials",
            |_, said| {
                let index = at(said, Records::Opened);
                said[index].0.statements.pop();
                said[index].1.pop();
                None
            },
            Kind::AgainstRules,
            "not the opened",
        ),
        (
            "completed by one signature",
            |world, said| {
                let mut world = world.clone();
                world.submit(world.act(ActKind::Sign, "north", "a1")).unwrap();
                *said = super::tests::said(&world);
                let (entry, objects) = said.last().unwrap().clone();
                let manifest = said[at(said, Records::Revision)].1[0].clone();
                let documents = vec![Digest::of(&manifest)];
                said.push((Entry { kind: Records::Completed, documents, ..entry }, [vec![manifest], objects].concat()));
                None
            },
            Kind::AgainstRules,
            "nothing made completed due",
        ),
        (
            "lapsed without a deadline",
            |_, said| {
                let (entry, objects) = said[at(said, Records::Opened)].clone();
                let entry = Entry { kind: Records::Lapsed, statements: vec![], ..entry };
                said.push((entry, vec![objects[0].clone()]));
                None
            },
            Kind::AgainstRules,
            "neither time nor another charter",
        ),
        (
            "an act under powers that were revoked",
            |world, said| {
                let mut world = world.clone();
                let act = world.act(ActKind::Sign, "north", "a1");
                world.submit(act).unwrap();
                let signature = said_last(&world);
                let mut world = super::tests::world();
                world.revoke("north", world.grant_of("north", "a1")).unwrap();
                *said = super::tests::said(&world);
                said.push(signature);
                None
            },
            Kind::AgainstRules,
            "revoked",
        ),
        (
            "a charter that nobody may put forward",
            |_, said| {
                let charter = said[0].clone();
                let time = said[said.len() - 1].0.time;
                said.push((Entry { time, ..charter.0 }, charter.1));
                None
            },
            Kind::AgainstRules,
            "charter",
        ),
        (
            "an act in the stream of charters",
            |_, said| {
                let index = at(said, Records::Act);
                said[index].0.stream = StreamId::Exchange;
                Some(index as u64)
            },
            Kind::AgainstRules,
            "records act in the stream exchange",
        ),
        (
            "time that goes back",
            |_, said| {
                let index = at(said, Records::Opened);
                said[index].0.time = noon();
                None
            },
            Kind::OutOfOrder,
            "log time went back",
        ),
    ];
    for (what, lie, kind, words) in rows {
        let world = world();
        let mut told = said(&world);
        let expected = lie(&world, &mut told);
        let told = events(chained(told));
        let mut books = books(&world);
        let found = take(&mut books, &told).expect_err(what);
        let expected = expected.unwrap_or(told.len() as u64 - 1);
        assert_eq!((found.kind, found.entries.first()), (kind, Some(&expected)), "{what}: {}", found.words);
        assert!(found.words.to_string().contains(words), "{what}: no {words:?} in {:?}", found.words);
        assert!(!found.words.to_string().contains("its operator must look"), "{what}: {}", found.words);
    }
}
fn said_last(world: &World) -> Said {
    said(world).pop().unwrap()
}

#[test]
fn what_is_shown_must_be_what_the_tree_has() {
    type Lie = fn(&World, &mut Vec<(EventView, Digest)>);
    fn logged(event: &mut EventView) -> &mut Logged {
        let Happening::Shown(logged) = &mut event.happening else { panic!() };
        Arc::make_mut(logged)
    }
    let rows: [(&str, Lie, Kind); 8] = [
        ("another leaf", |_, told| told[9].1 = Digest::of(b"another"), Kind::OtherEntry),
        (
            "two in each other's place",
            |_, told| {
                let other = told[8].0.happening.clone();
                told[9].0.happening = other;
            },
            Kind::OtherEntry,
        ),
        (
            "no entry",
            |_, told| {
                logged(&mut told[9].0).entry = b"{}".to_vec();
                told[9].1 = Digest::of(b"{}");
            },
            Kind::AgainstRules,
        ),
        (
            "another statement than the entry names",
            |_, told| {
                let other = logged(&mut told[8].0).objects.clone();
                logged(&mut told[9].0).objects = other;
            },
            Kind::OtherObject,
        ),
        ("an entry of a party left out", |_, told| drop(told.remove(5)), Kind::Withheld),
        (
            "the proposal left out",
            |_, told| {
                let index = told.iter_mut().position(|(event, _)| {
                    json::parse::<Entry>(&logged(event).entry).unwrap().kind == Records::Revision
                });
                told.remove(index.unwrap());
            },
            Kind::Withheld,
        ),
        (
            "the own signature as if it were another's",
            |world, told| {
                let last = told.len() - 1;
                *told = escrow(told.clone(), last, world, "south");
            },
            Kind::Withheld,
        ),
        (
            "a signature on what nobody showed",
            |world, told| {
                told.truncate(5);
                *told = escrow(told.clone(), 4, world, "north");
            },
            Kind::Withheld,
        ),
    ];
    for (what, lie, kind) in rows {
        let world = world();
        let mut told = events(said(&world));
        take(&mut books(&world), &told).unwrap();
        lie(&world, &mut told);
        let found = take(&mut books(&world), &told).expect_err(what);
        assert_eq!(found.kind, kind, "{what}: {}", found.words);
    }
    // An entry that does not continue its stream, though the tree has it.
    let world = world();
    let mut told = said(&world);
    let last = told.len() - 1;
    told[last].0.previous = Some(Digest::of(b"another"));
    let found = take(&mut books(&world), &events(told)).unwrap_err();
    assert_eq!((found.kind, found.entries), (Kind::OutOfOrder, vec![last as u64, last as u64 - 1]));
    // Charters of another exchange.
    let other = World::new(&[("north", 2), ("south", 1)]);
    let found = take(&mut books(&other), &events(said(&world))).unwrap_err();
    assert_eq!((found.kind, found.entries), (Kind::AgainstRules, vec![0]));
}

#[test]
fn what_was_published_of_others_is_seen_alone_and_of_ones_own_never() {
    let world = world();
    let mut told = said(&world);
    let revision = at(&told, Records::Revision);
    let (manifest, time) = (told[revision].1[0].clone(), told[revision].0.time);
    told.truncate(revision);
    let files = vec![crate::domain::entry::FileDigest { path: "a".into(), sha256: Digest::of(b"a") }];
    told.push((
        Entry {
            documents: vec![Digest::of(&manifest)],
            files: Some(files),
            kind: Records::Published,
            previous: Some(Digest::of(b"unseen")),
            salt: Salt::new([5; 32]),
            seq: 9,
            statements: vec![],
            stream: StreamId::Communique(world.id),
            time,
        },
        vec![manifest],
    ));
    let told = events(told);
    let found = take(&mut books(&world), &told).unwrap_err();
    assert_eq!(found.kind, Kind::Withheld, "{}", found.words);
    take(&mut Books::new(party("east"), world.founding()), &told).unwrap();
}

#[test]
fn what_lies_in_escrow_is_passed_over_and_judged_once_it_can_be_seen() {
    let world = signed(&world());
    let all = said(&world);
    let signature = all.iter().position(|(e, objects)| {
        e.kind == Records::Act
            && Unverified::<Act>::parse(std::str::from_utf8(objects.last().unwrap()).unwrap()).unwrap().claims().act
                == ActKind::Sign
    });
    let signature = signature.unwrap();
    let told = escrow(events(all.clone()), signature, &world, "north");
    let visible = |said: &[Said]| -> Vec<EventView> {
        let own = |event: &EventView| match &event.happening {
            Happening::Shown(logged) => {
                json::parse::<Entry>(&logged.entry).unwrap().stream == StreamId::Communique(world.id)
            }
            Happening::Escrowed { .. } => true,
        };
        events(said.to_vec()).into_iter().map(|(event, _)| event).filter(own).collect()
    };
    let mut books = books(&world);
    take(&mut books, &told).unwrap();
    assert_eq!(books.tally.escrowed, 1);
    let before = books.tally.statements;
    assert_eq!(books.unsealed(), Some(world.id), "it is complete");
    assert_eq!(books.unsealed(), None);
    books.load(world.id, &visible(&all)).unwrap();
    assert_eq!(books.tally.statements, before + 1, "the signature");
    books.load(world.id, &visible(&all)).unwrap();
    assert_eq!(books.tally.statements, before + 1, "once");

    // What was logged in escrow and nobody signed: unseen while it was sealed, told when it is not.
    let mut lie = all.clone();
    let statement = forged::<Act>(&lie[signature].1);
    let digest = Digest::of(&statement);
    with_statement(&mut lie[signature], statement.clone());
    let completed = at(&lie, Records::Completed);
    let was = all[signature].0.statements[0];
    let place = lie[completed].0.statements.iter().position(|d| *d == was).unwrap();
    lie[completed].0.statements[place] = digest;
    lie[completed].1[1 + place] = statement;
    let lie = chained(lie);
    let mut books = self::books(&world);
    take(&mut books, &escrow(events(lie.clone()), signature, &world, "north")).unwrap();
    let found = books.load(world.id, &visible(&lie)).unwrap_err();
    assert_eq!((found.kind, found.entries.first()), (Kind::AgainstRules, Some(&(signature as u64))), "{}", found.words);
    assert_eq!(found.entries.len(), 2, "the full powers tell the key");
    // Nor can another history be told then.
    let mut books = self::books(&world);
    take(&mut books, &told).unwrap();
    let mut shorter = visible(&all);
    shorter.remove(2);
    assert_eq!(books.load(world.id, &shorter).unwrap_err().kind, Kind::AgainstRules);
    shorter.clear();
    assert_eq!(books.load(world.id, &shorter).unwrap_err().kind, Kind::OutOfOrder);
}

#[test]
fn an_audit_goes_on_where_it_stopped() {
    let mut world = signed(&world());
    world.now = world.now.plus(1);
    world.revoke("north", world.grant_of("north", "c1")).unwrap();
    let told = events(said(&world));
    let mut whole = books(&world);
    take(&mut whole, &told).unwrap();
    let of_it: Vec<EventView> = told
        .iter()
        .map(|(event, _)| event.clone())
        .filter(|event| {
            let Happening::Shown(logged) = &event.happening else { return false };
            json::parse::<Entry>(&logged.entry).unwrap().stream == StreamId::Communique(world.id)
        })
        .collect();
    for stop in 0..=told.len() {
        let mut first = books(&world);
        take(&mut first, &told[..stop]).unwrap();
        let stand: Stand = serde_json::from_slice(&serde_json::to_vec(&first.stand()).unwrap()).unwrap();
        let mut second = books(&world).resume(stand, &first.registered).unwrap();
        for (event, leaf) in &told[stop..] {
            for id in second.wants(event) {
                second.load(id, &of_it).unwrap();
            }
            second.take(event, *leaf).unwrap();
        }
        assert_eq!(second.stand(), whole.stand(), "{stop}");
        assert_eq!(first.tally.shown + second.tally.shown, whole.tally.shown);
        assert_eq!(first.tally.statements + second.tally.statements, whole.tally.statements);
        assert_eq!([&first.own_entries[..], &second.own_entries].concat(), whole.own_entries);
    }
    // What was kept and changed since.
    let (stand, kept) = (whole.stand(), whole.registered.clone());
    let resumed = |stand: &Stand, kept: &[Registered]| books(&world).resume(stand.clone(), kept).map(|_| ());
    resumed(&stand, &kept).unwrap();
    assert!(resumed(&stand, &kept[..kept.len() - 1]).is_err());
    assert!(resumed(&stand, &kept[1..]).is_err());
    let mut other = kept.clone();
    other[3].entry = other[3].entry.replacen("2026-03-02", "2026-03-01", 1);
    assert_ne!(other, kept);
    assert!(resumed(&stand, &other).is_err());
    let mut further = stand.clone();
    further.streams.get_mut(&StreamId::Exchange).unwrap().length += 1;
    assert!(resumed(&further, &kept).is_err());
}
