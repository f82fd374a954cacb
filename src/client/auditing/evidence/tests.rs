use std::collections::BTreeMap;

use super::*;
use crate::{
    domain::{
        act::ActKind,
        id::Salt,
        samples::{World, key, noon},
        statement::Statement,
    },
    log::{
        checkpoint::{Checkpoint, Origin},
        tree::{Edge, Node, Plan},
    },
};

pub const ORIGIN: &str = "exchange.example/log";

/// What an exchange tells: entries, in log order, of which it makes heads and proofs.
#[derive(Clone)]
pub struct Told {
    pub entries: Vec<Vec<u8>>,
    /// The name of its key.
    pub key: &'static str,
    pub origin: &'static str,
}

impl Told {
    pub fn new(entries: Vec<Vec<u8>>) -> Self {
        Self { entries, key: "log", origin: ORIGIN }
    }
    /// All that a world has logged.
    pub fn of(world: &World) -> Self {
        Self::new(world.log.iter().map(|logged| json::encode(&logged.entry)).collect())
    }
    /// The same with another entry of this index.
    pub fn with(mut self, index: usize, entry: impl Into<Vec<u8>>) -> Self {
        self.entries[index] = entry.into();
        self
    }
    fn nodes(&self) -> BTreeMap<Node, Hash> {
        let (mut edge, mut nodes) = (Edge::default(), BTreeMap::new());
        for entry in &self.entries {
            edge.append(Hash::of_entry(Digest::of(entry)), |node, hash| assert!(nodes.insert(node, hash).is_none()))
                .unwrap();
        }
        nodes
    }
    fn build(&self, plan: &Plan) -> Vec<Hash> {
        let nodes = self.nodes();
        plan.build(|node| nodes.get(&node).copied().ok_or(())).unwrap()
    }
    pub fn head(&self, size: u64) -> Head {
        let root = self.build(&Plan::root(size).unwrap()).first().copied().unwrap_or(Hash::EMPTY);
        Head::sign(Checkpoint::new(Origin::parse(self.origin).unwrap(), size, root).unwrap(), &key(self.key)).unwrap()
    }
    pub fn proof(&self, index: u64, size: u64) -> String {
        let hashes = self.build(&Plan::inclusion(index, size).unwrap());
        Proof::new(index, hashes, self.head(size)).unwrap().to_string()
    }
    pub fn joining(&self, old: u64, new: u64) -> Vec<Hash> {
        self.build(&Plan::consistency(old, new).unwrap())
    }
}

/// What evidence about a world begins with.
pub fn background(world: &World) -> Background {
    let of_charters = world.log.iter().filter(|logged| logged.entry.stream == StreamId::Exchange);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let logged = |l: &crate::domain::samples::Logged| Logged {
        index: l.index,
        entry: text(json::encode(&l.entry)),
        object: text(l.objects[0].clone()),
    };
    Background {
        exchange: world.charter.exchange.clone(),
        founding: world.founding(),
        succession: of_charters.map(logged).collect(),
    }
}

fn world() -> World {
    let mut world = World::new(&[("north", 1), ("south", 1)]);
    world.propose().unwrap();
    world.submit(world.act(ActKind::Initial, "north", "a1")).unwrap();
    world
}
fn judged(world: &World, evidence: &Evidence) -> Weight {
    let read: Evidence = json::parse(&evidence.to_bytes()).unwrap();
    assert_eq!(read.to_bytes(), evidence.to_bytes());
    let judgement = read.judge(Some(world.founding()), noon());
    assert!(judgement.pinned, "{:?}", judgement.found);
    judgement.weight
}
fn blank(world: &World) -> Evidence {
    Evidence::new(Kind::Forked, &background(world), "a sample")
}
/// The entry of this index, changed.
fn changed(world: &World, index: usize, change: impl FnOnce(&mut Entry)) -> Vec<u8> {
    let mut entry = world.log[index].entry.clone();
    change(&mut entry);
    json::encode(&entry)
}

#[test]
fn two_heads_of_one_size_prove_and_two_of_different_sizes_ask() {
    let world = world();
    let (told, other) = (Told::of(&world), Told::of(&world).with(3, "another"));
    let heads = |a: &Head, b: &Head| blank(&world).heads([a.to_string(), b.to_string()]);
    let foreign = |told: &Told, key, origin| Told { key, origin, ..told.clone() };
    for (evidence, weight, what) in [
        (heads(&told.head(5), &other.head(5)), Weight::Proven, "a fork"),
        (heads(&told.head(3), &other.head(3)), Weight::Nothing, "one root"),
        (heads(&told.head(5), &told.head(5)), Weight::Nothing, "the same head twice"),
        (heads(&told.head(5), &foreign(&other, "north", ORIGIN).head(5)), Weight::Nothing, "another's key"),
        (heads(&told.head(5), &foreign(&other, "log", "other.example/log").head(5)), Weight::Nothing, "another's log"),
        (heads(&told.head(4), &other.head(6)), Weight::Challenge, "nothing joins them"),
        (heads(&told.head(4), &told.head(6)), Weight::Challenge, "nothing is there to join them"),
        (heads(&told.head(4), &told.head(6)).joined_by(&told.joining(4, 6)), Weight::Nothing, "joined"),
        (
            heads(&told.head(6), &told.head(4)).joined_by(&told.joining(4, 6)),
            Weight::Nothing,
            "joined, the other way round",
        ),
        (heads(&told.head(4), &other.head(6)).joined_by(&other.joining(4, 6)), Weight::Challenge, "joined to another"),
    ] {
        assert_eq!(judged(&world, &evidence), weight, "{what}: {:?}", evidence.judge(None, noon()).found);
    }
}

#[test]
fn two_entries_that_cannot_both_be_prove() {
    let mut world = world();
    world.submit(world.act(ActKind::Initial, "south", "a1")).unwrap();
    let last = world.log.len() - 1;
    let (told, size) = (Told::of(&world), world.log.len() as u64);
    let shown = |evidence: Evidence, told: &Told, index: usize, size: u64| {
        evidence.entry(&told.entries[index], &[], Some(told.proof(index as u64, size)))
    };
    // The last entry, told otherwise; under a head of the same size, or of more.
    let other = told.clone().with(last, changed(&world, last, |e| e.salt = Salt::new([9; 32])));
    let longer = |told: &Told, entry: Vec<u8>| {
        let mut told = told.clone();
        told.entries.push(entry);
        told
    };
    let more = longer(&other, b"more".to_vec());
    let moved = longer(&told.clone().with(last, told.entries[4].clone()), b"more".to_vec());
    let twice = longer(&told, changed(&world, last, |e| e.salt = Salt::new([9; 32])));
    let next = |change: fn(&mut Entry)| {
        let (seq, digest) = (world.log[last].entry.seq, world.log[last].digest);
        longer(
            &told,
            changed(&world, last, |e| {
                (e.seq, e.previous) = (seq + 1, Some(digest));
                change(e);
            }),
        )
    };
    let good = next(|_| ());
    let unlinked = next(|e| e.previous = Some(Digest::of(b"another")));
    let early = next(|e| e.time = e.time.plus(-1));
    let back = next(|e| e.seq -= 2);
    for (one, other, weight, what) in [
        ((&told, last, size), (&other, last, size), Weight::Proven, "one index, one size"),
        ((&told, last, size), (&more, last, size + 1), Weight::Proven, "one index, two sizes"),
        ((&told, last, size), (&moved, last, size + 1), Weight::Proven, "one index, an entry of another stream"),
        ((&told, last, size), (&told, last, size), Weight::Nothing, "the same twice"),
        ((&told, last, size), (&twice, last + 1, size + 1), Weight::Proven, "one number of a stream"),
        ((&told, last, size), (&good, last + 1, size + 1), Weight::Nothing, "one after the other"),
        ((&told, last, size), (&unlinked, last + 1, size + 1), Weight::Proven, "previous is another"),
        ((&early, last + 1, size + 1), (&told, last, size), Weight::Proven, "time goes back"),
        ((&told, last, size), (&back, last + 1, size + 1), Weight::Proven, "the stream goes back"),
        ((&told, last, size), (&told, last - 1, size), Weight::Nothing, "two honest ones"),
    ] {
        let evidence = shown(shown(blank(&world), one.0, one.1, one.2), other.0, other.1, other.2);
        assert_eq!(judged(&world, &evidence), weight, "{what}: {:?}", evidence.judge(None, noon()).found);
    }
    // What is not proven counts for nothing.
    let unproven =
        shown(blank(&world), &told, last, size).entry(&other.entries[last], &[], Some(told.proof(last as u64, size)));
    assert_eq!(judged(&world, &unproven), Weight::Nothing);
    let bare = shown(blank(&world), &told, last, size).entry(&other.entries[last], &[], None);
    assert_eq!(judged(&world, &bare), Weight::Nothing);
}

#[test]
fn an_entry_that_cannot_be_proves_by_itself() {
    let world = world();
    let (told, size) = (Told::of(&world), world.log.len() as u64);
    let at = |kind| world.log.iter().position(|l| l.entry.kind == kind).unwrap();
    let (act, powers) = (at(Records::Act), at(Records::Powers));
    let compact = |index: usize| String::from_utf8(world.log[index].objects.last().unwrap().clone()).unwrap();
    let forged_act = {
        let body = Unverified::<Act>::parse(&compact(act)).unwrap().claims().clone();
        Statement::sign(body, &key("somebody")).unwrap().compact().to_owned()
    };
    let forged_powers = {
        let body = Unverified::<Powers>::parse(&compact(powers)).unwrap().claims().clone();
        Statement::sign(body, &key("somebody")).unwrap().compact().to_owned()
    };
    let grant = Unverified::<Act>::parse(&compact(act)).unwrap().claims().grant;
    let granted = world.log.iter().flat_map(|l| &l.objects).find(|o| Digest::of(o) == grant).unwrap().clone();
    let recording = |index: usize, statement: &str| {
        let digest = Digest::of(statement.as_bytes());
        told.clone().with(index, changed(&world, index, |e| e.statements = vec![digest]))
    };
    let shown = |told: &Told, index: usize, objects: &[&[u8]]| {
        let objects: Vec<_> = objects.iter().map(|o| o.to_vec()).collect();
        blank(&world).entry(&told.entries[index], &objects, Some(told.proof(index as u64, size)))
    };
    let misplaced = told.clone().with(act, changed(&world, act, |e| e.stream = StreamId::Exchange));
    let (by_somebody, granted_by_somebody) = (recording(act, &forged_act), recording(powers, &forged_powers));
    for (evidence, weight, what) in [
        (shown(&told, act, &[compact(act).as_bytes(), &granted]), Weight::Nothing, "an honest act"),
        (shown(&by_somebody, act, &[forged_act.as_bytes(), &granted]), Weight::Proven, "an act by another's key"),
        (shown(&by_somebody, act, &[forged_act.as_bytes()]), Weight::Nothing, "without its full powers"),
        (
            shown(&by_somebody, act, &[compact(act).as_bytes(), &granted]),
            Weight::Nothing,
            "another statement than it names",
        ),
        (shown(&told, powers, &[compact(powers).as_bytes()]), Weight::Nothing, "honest powers"),
        (
            shown(&granted_by_somebody, powers, &[forged_powers.as_bytes()]),
            Weight::Challenge,
            "powers by another's key",
        ),
        (shown(&misplaced, act, &[]), Weight::Proven, "a stream where it cannot stand"),
        (shown(&told.clone().with(act, "{}"), act, &[]), Weight::Proven, "no entry at all"),
    ] {
        assert_eq!(judged(&world, &evidence), weight, "{what}: {:?}", evidence.judge(None, noon()).found);
    }
}

#[test]
fn charters_that_do_not_follow_from_the_pin_prove_nothing() {
    let world = world();
    let (told, other) = (Told::of(&world), Told::of(&world).with(3, "another"));
    let good = blank(&world).heads([told.head(5).to_string(), other.head(5).to_string()]);
    let judge = |evidence: &Evidence, pin| {
        let judgement = evidence.judge(pin, noon());
        (judgement.weight, judgement.pinned)
    };
    assert_eq!(judge(&good, Some(world.founding())), (Weight::Proven, true));
    assert_eq!(judge(&good, None), (Weight::Proven, false));
    assert_eq!(judge(&good, Some(Digest::of(b"another"))), (Weight::Nothing, false));
    let mut without_adoption = good.clone();
    without_adoption.succession.pop();
    assert_eq!(judge(&without_adoption, None), (Weight::Nothing, false));
    let mut other_founding = good.clone();
    other_founding.founding = Digest::of(b"another");
    assert_eq!(judge(&other_founding, None), (Weight::Nothing, false));
    // What a file says of itself is what is found in it.
    assert!(good.clone().weighed(noon()).proves);
    assert!(!Evidence { proves: true, ..blank(&world) }.weighed(noon()).proves);
    assert!(json::parse::<Evidence>(b"{}").is_err());
}
