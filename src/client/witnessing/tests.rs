use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::{
    client::auditing::evidence::Evidence,
    domain::{
        charter::Charter,
        document::Document,
        key::{PublicKey, SecretKey},
        message::Message,
        samples::{self, key, noon},
    },
    log::tree::{Edge, Node, Plan},
};

/// A log whose entries are numbers behind this word.
struct Tree {
    word: &'static str,
    edges: Vec<Edge>,
    nodes: HashMap<Node, Hash>,
}

impl Tree {
    fn of(word: &'static str, size: u64) -> Self {
        let mut tree = Self { word, edges: vec![Edge::default()], nodes: HashMap::new() };
        for n in 0..size {
            let mut edge = tree.edges[n as usize].clone();
            let leaf = Hash::of_entry(Digest::of(format!("{} {n}", tree.word).as_bytes()));
            edge.append(leaf, |node, hash| tree.nodes.extend([(node, hash)])).unwrap();
            tree.edges.push(edge);
        }
        tree
    }
    fn signed(&self, size: u64, by: &str) -> Unverified {
        let origin = crate::log::checkpoint::Origin::parse("exchange.example/log").unwrap();
        let checkpoint = Checkpoint::new(origin, size, self.edges[size as usize].root()).unwrap();
        Head::sign(checkpoint, &key(by)).unwrap().into_unverified()
    }
    fn head(&self, size: u64) -> Unverified {
        self.signed(size, "log")
    }
    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        Plan::consistency(old, new).unwrap().build(|node| self.nodes.get(&node).copied().ok_or(())).unwrap()
    }
    fn shown(&self, old: u64, new: u64) -> Shown {
        let proof = if old < new { self.proof(old, new) } else { vec![] };
        Shown { newest: self.head(new), proven: self.head(new), proof }
    }
    fn request(&self, old: u64, new: u64) -> Vec<u8> {
        let proof = if old < new { self.proof(old, new) } else { vec![] };
        AddCheckpoint { old, proof, checkpoint: self.head(new) }.to_string().into_bytes()
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn key(&self) -> PathBuf {
        self.0.path().join("witness.pem")
    }
    fn file(&self, ending: &str) -> PathBuf {
        beside(&self.key(), ending)
    }
    fn open(&self) -> Result<Kept, WitnessError> {
        Kept::open(&self.key(), charter(|_| ()).digest())
    }
    fn witness(&self) -> Witness {
        let witness = Witness::new(self.open().unwrap(), Arc::new(key("witness")));
        witness.follow(&charter_pinned()).unwrap();
        witness
    }
    fn doubt(&self) -> Doubt {
        serde_json::from_slice(&fs::read(self.file("doubt")).unwrap()).unwrap()
    }
}

fn charter(change: impl FnOnce(&mut Charter)) -> Document<Charter> {
    let mut charter = samples::charter(&[("north", 1), ("south", 1)]);
    charter.parties[0].witness = Some(key("witness").public());
    change(&mut charter);
    Document::of(&charter).unwrap()
}

fn charter_pinned() -> Pinned {
    let charter = charter(|_| ());
    Pinned::new(charter.bytes(), charter.digest()).unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::of_party(&charter(|_| ()).parties[0]).unwrap()
}

/// Whether it is a cosignature of the head, at noon.
fn verifies(cosigned: &Cosigned) -> bool {
    let lines = crate::log::note::SignatureLine::parse_all(cosigned.line.as_bytes()).unwrap();
    cosigner().verify(&cosigned.checkpoint.to_string(), &lines[0]) == Ok(noon().unix() as u64)
}

fn refused(result: Result<Option<Cosigned>, WitnessError>) -> String {
    result.unwrap_err().to_string()
}

fn status(result: Result<Cosigned, Unable>) -> Result<Cosigned, u16> {
    result.map_err(|unable| match unable {
        Unable::No(no) => no.status(),
        Unable::Ours(_) => 503,
    })
}

#[test]
fn what_continues_is_kept_and_cosigned() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 12));
    let mut before = None;
    for size in [3, 3, 7, 12] {
        // Each time another process.
        let witness = folder.witness();
        assert_eq!(witness.last(), before);
        let old = before.map_or(0, |(size, _)| size);
        let cosigned = witness.take(before, &tree.shown(old, size), noon()).unwrap().unwrap();
        assert!(verifies(&cosigned));
        before = Some((size, tree.edges[size as usize].root()));
        assert_eq!(witness.last(), before);
        let origin = Digest::of(b"exchange.example/log").to_string();
        let shown = Unverified::parse(witness.checkpoint(&origin).unwrap().as_bytes()).unwrap();
        assert_eq!(cosigner().time_in(shown.note()), Ok(Some(noon().unix() as u64)));
        assert_eq!(witness.checkpoint(&Digest::of(b"another").to_string()), None);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for ending in ["head", "lock"] {
            assert_eq!(fs::metadata(folder.file(ending)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn a_lie_is_kept_and_nothing_is_cosigned_after_it() {
    let (ours, theirs) = (Tree::of("a", 12), Tree::of("b", 12));
    let mixed = |mut shown: Shown, change: fn(&mut Shown, &Tree)| {
        change(&mut shown, &theirs);
        shown
    };
    let lies = [
        ("rolled its log back: it shows one of 4 entries", ours.shown(7, 4)),
        ("rolled its log back", theirs.shown(7, 4)),
        ("two different logs of 7 entries", theirs.shown(7, 7)),
        ("does not prove that its log of 12 entries continues the one of 7", theirs.shown(7, 12)),
        ("does not prove that its log of 12", mixed(ours.shown(7, 12), |s, _| s.proof.clear())),
        ("does not prove that its log of 12", mixed(ours.shown(7, 12), |s, _| s.proof[0] = Hash::EMPTY)),
        ("does not prove that its log of 12", mixed(ours.shown(7, 12), |s, _| s.proof.push(Hash::EMPTY))),
        ("two different logs of 12 entries", mixed(ours.shown(7, 12), |s, theirs| s.newest = theirs.head(12))),
    ];
    for (said, lie) in lies {
        let folder = Folder::new();
        let witness = folder.witness();
        let first = witness.take(None, &ours.shown(0, 7), noon()).unwrap().unwrap();
        let before = witness.last();
        let error = refused(witness.take(before, &lie, noon()));
        assert!(error.contains(said) && error.contains("witness.pem.doubt"), "{error}");

        let doubt = folder.doubt();
        assert!(error.starts_with(&doubt.what), "{error}");
        let known = Unverified::parse(doubt.known.as_bytes()).unwrap();
        if said == "two different logs of 12 entries" {
            assert_eq!(known, ours.head(12));
        } else {
            assert_eq!(*known.claims(), first.checkpoint);
        }
        assert_eq!(doubt.shown, lie.newest.note().to_string());

        // Not what is right either, here, to whoever asks over HTTP, or in another process.
        assert_eq!(refused(witness.take(before, &ours.shown(7, 12), noon())), error);
        assert_eq!(status(witness.add_checkpoint(&ours.request(7, 12), noon())), Err(503));
        assert_eq!(witness.last(), before);
        drop(witness);
        assert_eq!(folder.open().err().unwrap().to_string(), error);
        fs::remove_file(folder.file("doubt")).unwrap();
        assert_eq!(folder.witness().last(), before, "a human has acted");
    }
}

#[test]
fn what_an_audit_found_is_kept_and_nothing_is_cosigned_after_it() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 12));
    let witness = folder.witness();
    let first = witness.take(None, &tree.shown(0, 7), noon()).unwrap().unwrap();
    let before = witness.last();
    let lie = |file: Option<&str>| Contradiction {
        evidence: Evidence::new(Kind::AgainstRules, &background(), "entry 9 is what nobody did"),
        file: file.map(PathBuf::from),
    };
    witness.accused(&lie(Some("receipts/evidence-1.json")), noon());
    let error = witness.undoubted().unwrap_err().to_string();
    for said in ["an audit found a lie: entry 9 is what nobody did", "receipts/evidence-1.json", "witness.pem.doubt"] {
        assert!(error.contains(said), "{said}: {error}");
    }
    // The first that was found stays.
    witness.accused(&lie(None), noon());
    let doubt = folder.doubt();
    assert_eq!(*Unverified::parse(doubt.known.as_bytes()).unwrap().claims(), first.checkpoint);
    let evidence = Some("receipts/evidence-1.json".to_owned());
    assert_eq!(doubt.audited, Some(Audited { kind: Kind::AgainstRules, evidence }));

    // A head that continues what was cosigned is not cosigned, by whatever way it comes, in this process or in another.
    assert_eq!(refused(witness.take(before, &tree.shown(7, 12), noon())), error);
    assert_eq!(status(witness.add_checkpoint(&tree.request(7, 12), noon())), Err(503));
    assert_eq!(witness.last(), before);
    drop(witness);
    // What lies in the file is English; of which kind the lie is can be said in any language.
    let again = folder.open().err().unwrap().to_string();
    let observed = "an entry that the rules do not allow (“entry 9 is what nobody did”)";
    assert_eq!(again, error.replace("entry 9 is what nobody did", observed));
    fs::remove_file(folder.file("doubt")).unwrap();
    assert_eq!(folder.witness().last(), before, "a human has acted");

    // Where it cannot be kept, it counts as long as the witness runs, and that is said.
    let witness = folder.witness();
    fs::create_dir(folder.file("doubt")).unwrap();
    witness.accused(&lie(None), noon());
    let error = refused(witness.take(before, &tree.shown(7, 12), noon()));
    assert!(
        error.contains("do not start this witness again") && error.contains("evidence could not be written"),
        "{error}"
    );
}

fn background() -> crate::client::auditing::evidence::Background {
    let charter = charter_pinned();
    crate::client::auditing::evidence::Background {
        exchange: charter.exchange().clone(),
        founding: charter.founding(),
        succession: vec![],
    }
}

#[test]
fn who_asks_over_http_is_answered_by_the_specification() {
    let (ours, theirs) = (Tree::of("a", 12), Tree::of("b", 12));
    let folder = Folder::new();
    let witness = folder.witness();
    let ask = |body: &[u8]| status(witness.add_checkpoint(body, noon()));
    assert_eq!(ask(&ours.request(3, 7)), Err(409), "nothing is kept");
    assert!(verifies(&ask(&ours.request(0, 7)).unwrap()));
    assert!(verifies(&ask(&ours.request(7, 7)).unwrap()));
    let forged = |by: &str| AddCheckpoint { old: 7, proof: ours.proof(7, 12), checkpoint: ours.signed(12, by) };
    let mut elsewhere = forged("log").to_string();
    elsewhere = elsewhere.replace("\n\nexchange.example/log\n", "\n\nanother.example/log\n");
    let shrunk = AddCheckpoint { old: 9, proof: vec![], checkpoint: ours.head(7) };
    let unproven = AddCheckpoint { old: 7, proof: vec![], checkpoint: ours.head(12) };
    for (body, expected) in [
        (b"old 7\n".to_vec(), 400),
        (shrunk.to_string().into_bytes(), 400),
        (forged("another").to_string().into_bytes(), 403),
        (elsewhere.into_bytes(), 404),
        (ours.request(0, 12), 409),
        (ours.request(8, 12), 409),
        (unproven.to_string().into_bytes(), 422),
        (theirs.request(7, 12), 422),
    ] {
        assert_eq!(ask(&body), Err(expected), "{}", String::from_utf8_lossy(&body));
    }
    // None of these halts it: anybody can send them.
    assert!(!folder.file("doubt").exists());
    assert!(verifies(&ask(&ours.request(7, 12)).unwrap()));
    assert_eq!(folder_size(&folder), 12);

    // Two signed heads of one size cannot be made by anybody but the log.
    assert_eq!(ask(&theirs.request(12, 12)), Err(503));
    assert!(folder.doubt().what.contains("two different logs of 12 entries"));
}

fn folder_size(folder: &Folder) -> u64 {
    let sheet: Sheet = serde_json::from_slice(&fs::read(folder.file("head")).unwrap()).unwrap();
    Unverified::parse(sheet.checkpoint.as_bytes()).unwrap().claims().size()
}

/// A key that looks at the disk before it signs, and then may fail.
struct Watching {
    key: SecretKey,
    head: PathBuf,
    seen: AtomicBool,
}

impl Signer for Watching {
    fn public(&self) -> PublicKey {
        self.key.public()
    }
    fn sign(&self, _: &[u8]) -> Result<[u8; 64], Message> {
        self.seen.store(self.head.exists(), Ordering::Relaxed);
        Err(Message::words("it is locked"))
    }
}

#[test]
fn a_head_is_kept_before_it_is_cosigned() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 4));
    let signer = Arc::new(Watching { key: key("witness"), head: folder.file("head"), seen: AtomicBool::default() });
    let witness = Witness::new(folder.open().unwrap(), signer.clone());
    witness.follow(&charter_pinned()).unwrap();
    assert!(matches!(witness.take(None, &tree.shown(0, 4), noon()), Err(WitnessError::Signing(_))));
    assert!(signer.seen.load(Ordering::Relaxed), "it was to be signed before it was kept");
    assert_eq!((folder_size(&folder), witness.last().map(|(size, _)| size)), (4, Some(4)));
}

#[test]
fn what_cannot_be_kept_is_not_cosigned() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 4));
    let witness = folder.witness();
    fs::remove_dir_all(folder.0.path()).unwrap();
    assert!(matches!(witness.take(None, &tree.shown(0, 4), noon()), Err(WitnessError::Io(..))));
    assert_eq!(status(witness.add_checkpoint(&tree.request(0, 4), noon())), Err(503));
    assert_eq!(witness.last(), None);
}

#[test]
fn one_key_has_one_witness_and_one_exchange() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 4));
    let witness = folder.witness();
    assert!(matches!(folder.open(), Err(WitnessError::Running(_))));
    witness.take(None, &tree.shown(0, 4), noon()).unwrap();
    drop(witness);
    assert!(matches!(Kept::open(&folder.key(), Digest::of(b"another")), Err(WitnessError::Broken(..))));
    for broken in ["", "{}", "{\"founding\":1}"] {
        fs::write(folder.file("head"), broken).unwrap();
        assert!(
            matches!(folder.open(), Err(WitnessError::Broken(..))),
            "{broken}: begun anew, it could cosign a second truth"
        );
    }
}

#[test]
fn the_charter_says_whose_witness_it_is_and_by_which_keys_the_log_signs() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 12));
    let witness = folder.witness();
    witness.take(None, &tree.shown(0, 4), noon()).unwrap();
    let before = witness.last();

    // By nobody's key.
    let mut forged = tree.shown(4, 7);
    forged.newest = tree.signed(7, "another");
    assert!(matches!(witness.take(before, &forged, noon()), Err(WitnessError::NoHead(_))));
    assert!(!folder.file("doubt").exists(), "whoever signed this is not the log");

    // The next charter gives the log another key; the one before still counts, and the one before that does not.
    let mut charters = vec![charter(|_| ())];
    for by in ["next log", "last log"] {
        let previous = charters.last().unwrap().digest();
        let version = charters.len() as u64 + 1;
        charters.push(charter(|c| {
            c.log.key = key(by).public();
            (c.version, c.previous, c.adopt_by) = (version, Some(previous), Some(noon().plus(1)));
        }));
    }
    let follow = |count: usize| {
        let lines = charters[..count].iter().flat_map(|c| [c.bytes(), b"\n"].concat()).collect::<Vec<_>>();
        witness.follow(&Pinned::new(&lines, charters[0].digest()).unwrap())
    };
    let by =
        |size, by| Shown { newest: tree.signed(size, by), proven: tree.signed(size, by), proof: tree.proof(4, size) };
    follow(2).unwrap();
    assert!(witness.take(before, &by(5, "log"), noon()).unwrap().is_some());
    let before = witness.last();
    let by = |size, by| Shown { proof: tree.proof(5, size), ..by_(&tree, size, by) };
    follow(3).unwrap();
    assert!(matches!(witness.take(before, &by(6, "log"), noon()), Err(WitnessError::NoHead(_))));
    assert!(witness.take(before, &by(6, "last log"), noon()).unwrap().is_some());

    // And one that gives the key to nobody ends it.
    let without = charter(|c| c.parties[0].witness = None);
    let error = witness.follow(&Pinned::new(without.bytes(), without.digest()).unwrap());
    assert!(matches!(error, Err(WitnessError::NoWitness(_))));
    assert!(matches!(witness.take(witness.last(), &tree.shown(6, 7), noon()), Err(WitnessError::NoWitness(_))));
    assert_eq!(status(witness.add_checkpoint(&tree.request(6, 7), noon())), Err(404));
}

fn by_(tree: &Tree, size: u64, by: &str) -> Shown {
    Shown { newest: tree.signed(size, by), proven: tree.signed(size, by), proof: vec![] }
}

#[test]
fn who_was_overtaken_has_seen_no_lie() {
    let (folder, tree) = (Folder::new(), Tree::of("a", 12));
    let witness = folder.witness();
    witness.take(None, &tree.shown(0, 4), noon()).unwrap();
    let before = witness.last();
    // While the exchange answers 7, it has 12 cosigned over HTTP.
    witness.add_checkpoint(&tree.request(4, 12), noon()).unwrap();
    assert_eq!(witness.take(before, &tree.shown(4, 7), noon()).unwrap(), None);
    assert_eq!(folder_size(&folder), 12);
}
