use super::*;
use crate::{
    client::auditing::evidence::{
        Weight,
        tests::{Told, background},
    },
    domain::{
        act::ActKind,
        json,
        samples::{World, noon},
    },
};

/// An exchange that is asked for proofs, and what it was asked for.
struct Asked {
    told: Told,
    asked: Mutex<Vec<(u64, u64)>>,
}

impl Asked {
    fn of(told: &Told) -> Self {
        Self { told: told.clone(), asked: Mutex::default() }
    }
}
impl Proofs for Asked {
    async fn joining(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        self.asked.lock().unwrap().push((old, new));
        Ok(self.told.joining(old, new))
    }
}

fn world() -> World {
    let mut world = World::new(&[("north", 1), ("south", 1)]);
    world.propose().unwrap();
    world.submit(world.act(ActKind::Initial, "north", "a1")).unwrap();
    world
}
fn pinned(world: &World) -> Pinned {
    Pinned::new(world.charter.bytes(), world.charter.digest()).unwrap()
}
fn case<'a>(world: &World, pinned: &'a Pinned) -> Case<'a> {
    Case { pinned, succession: Arc::new(background(world).succession), now: noon() }
}
fn receipt(told: &Told, index: u64, size: u64) -> Receipt {
    let entry = told.entries[usize::try_from(index).unwrap()].clone();
    Receipt { index, entry, proof: Some(told.proof(index, size)) }
}
fn lie(outcome: Result<impl Sized>) -> Contradiction {
    match outcome {
        Err(RemoteError::Contradicted(contradiction)) => *contradiction,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("believed"),
    }
}
fn sizes(receipts: &Receipts) -> Option<u64> {
    receipts.head().unwrap().map(|head| head.claims().size())
}

#[tokio::test]
async fn the_highest_head_is_kept_and_every_other_goes_together_with_it() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (pinned, told) = (pinned(&world), Told::of(&world));
    let (case, asked) = (case(&world, &pinned), Asked::of(&told));
    for receipts in [Receipts::in_folder(dir.path().join("kept")).unwrap(), Receipts::unkept()] {
        asked.asked.lock().unwrap().clear();
        for (size, kept) in [(3, 3), (3, 3), (7, 7), (5, 7), (8, 8)] {
            receipts.newest(&case, &told.head(size).to_string(), None, &asked).await.unwrap();
            assert_eq!(sizes(&receipts), Some(kept));
        }
        assert_eq!(*asked.asked.lock().unwrap(), [(3, 7), (5, 7), (7, 8)], "what is the same needs no proof");
    }
    let mode = |path: &str| {
        let metadata = fs::metadata(dir.path().join(path)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!((mode("kept"), mode("kept/head"), mode("kept/lock")), (0o700, 0o600, 0o600));
    // Kept as it came; the next run begins with it.
    assert_eq!(fs::read_to_string(dir.path().join("kept/head")).unwrap(), told.head(8).to_string());
    assert_eq!(sizes(&Receipts::in_folder(dir.path().join("kept")).unwrap()), Some(8));
}

#[tokio::test]
async fn a_head_that_does_not_go_on_is_refused_and_both_are_kept_as_evidence() {
    let world = world();
    let (pinned, told) = (pinned(&world), Told::of(&world));
    let case = case(&world, &pinned);
    let other = told.clone().with(2, "another");
    let by_another = Told { key: "north", ..told.clone() };
    let of_another = Told { origin: "other.example/log", ..told.clone() };
    let rows: [(&Told, u64, Kind, Weight, &str); 6] = [
        (&other, 6, Kind::Forked, Weight::Proven, "differs"),
        (&other, 8, Kind::Unjoined, Weight::Challenge, "continues"),
        (&told, 5, Kind::Shrunk, Weight::Challenge, "5 entries, but it signed one of 6 before"),
        (&other, 4, Kind::Shrunk, Weight::Challenge, "entries are gone"),
        (&by_another, 8, Kind::Unsigned, Weight::Nothing, "does not count"),
        (&of_another, 8, Kind::Unsigned, Weight::Nothing, "does not count"),
    ];
    for (liar, size, kind, weight, words) in rows {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::in_folder(dir.path().to_owned()).unwrap();
        receipts.newest(&case, &told.head(6).to_string(), None, &Asked::of(&told)).await.unwrap();
        let before = receipts.head().unwrap().map(|head| head.claims().clone());
        let shown = liar.head(size).to_string();
        let found = lie(receipts.newest(&case, &shown, before.as_ref(), &Asked::of(liar)).await);
        assert_eq!(found.evidence.kind, kind, "{found}");
        let sentence = found.to_string();
        assert!(sentence.contains(words) && sentence.contains("tell the other parties"), "{sentence}");
        assert!(sentence.contains("communique audit"), "{sentence}");
        // Nothing is overwritten; both heads are in the file.
        assert_eq!(fs::read_to_string(dir.path().join("head")).unwrap(), told.head(6).to_string());
        let file: Evidence = json::parse(&fs::read(found.file.unwrap()).unwrap()).unwrap();
        assert!(file.heads.contains(&shown), "{kind:?}");
        assert_eq!(file.heads.contains(&told.head(6).to_string()), kind != Kind::Unsigned);
        assert_eq!(file.judge(Some(world.founding()), noon()).weight, weight, "{kind:?}");
        assert_eq!(file.proves, weight == Weight::Proven);
    }
}

/// Between asking for a head and hearing it, another run may have kept a higher one: that is no lie.
#[tokio::test]
async fn two_runs_at_once_never_lose_the_higher_head() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (pinned, told) = (pinned(&world), Told::of(&world));
    let case = case(&world, &pinned);
    let one = Receipts::in_folder(dir.path().to_owned()).unwrap();
    let two = Receipts::in_folder(dir.path().to_owned()).unwrap();
    one.newest(&case, &told.head(3).to_string(), None, &Asked::of(&told)).await.unwrap();
    let before = one.head().unwrap().map(|head| head.claims().clone());
    two.newest(&case, &told.head(8).to_string(), None, &Asked::of(&told)).await.unwrap();
    one.newest(&case, &told.head(6).to_string(), before.as_ref(), &Asked::of(&told)).await.unwrap();
    assert_eq!(sizes(&one), Some(8));

    /// Between the proof and the keeping, the other run keeps a higher head.
    struct Meanwhile<'a>(Asked, &'a Receipts, &'a Case<'a>);
    impl Proofs for Meanwhile<'_> {
        async fn joining(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
            let hashes = self.0.joining(old, new).await?;
            let higher = self.0.told.head(10);
            if self.1.head()?.is_some_and(|head| head.claims().size() < 10) {
                self.1.join(self.2, &higher, &self.0).await?;
            }
            Ok(hashes)
        }
    }
    let meanwhile = Meanwhile(Asked::of(&told), &two, &case);
    one.newest(&case, &told.head(9).to_string(), None, &meanwhile).await.unwrap();
    assert_eq!(sizes(&one), Some(10));

    // Many at once.
    let tasks: Vec<_> = (1..=told.entries.len() as u64)
        .map(|size| {
            let (folder, told, world) = (dir.path().to_owned(), told.clone(), world.clone());
            std::thread::spawn(move || {
                let pinned = Pinned::new(world.charter.bytes(), world.charter.digest()).unwrap();
                let case = Case { pinned: &pinned, succession: Arc::default(), now: noon() };
                let receipts = Receipts::in_folder(folder).unwrap();
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(receipts.join(&case, &told.head(size), &Asked::of(&told))).unwrap();
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| task.join().unwrap());
    assert_eq!(sizes(&one), Some(told.entries.len() as u64));
}

#[tokio::test]
async fn an_answer_counts_only_with_its_proof() {
    let world = world();
    let (pinned, told) = (pinned(&world), Told::of(&world));
    let case = case(&world, &pinned);
    let good = receipt(&told, 7, 9);
    let other = told.clone().with(7, "another");
    let by_another = Told { key: "north", ..told.clone() };
    let rows: [(Receipt, Option<Kind>, &str); 8] = [
        (good.clone(), None, "good"),
        (receipt(&told, 2, 4), None, "good, under an older head"),
        (Receipt { proof: None, ..good.clone() }, Some(Kind::Unproven), "no proof"),
        (Receipt { entry: b"{}".to_vec(), ..good.clone() }, Some(Kind::WrongProof), "another entry"),
        (Receipt { index: 6, ..good.clone() }, Some(Kind::WrongProof), "another index"),
        (
            Receipt { proof: Some("c2sp.org/tlog-proof@v1\n".into()), ..good.clone() },
            Some(Kind::WrongProof),
            "no proof at all",
        ),
        (receipt(&by_another, 7, 9), Some(Kind::WrongProof), "by another's key"),
        (receipt(&other, 7, 9), Some(Kind::Unjoined), "in another log"),
    ];
    for (receipt, expected, what) in rows {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::in_folder(dir.path().to_owned()).unwrap();
        receipts.newest(&case, &told.head(8).to_string(), None, &Asked::of(&told)).await.unwrap();
        let outcome = receipts.receipt(&case, &receipt, &Asked::of(&told)).await;
        let kept = receipts.entries().unwrap();
        match expected {
            None => {
                outcome.unwrap();
                let kept: Vec<_> = kept.iter().map(|k| (k.index, &k.entry, Some(&k.proof))).collect();
                assert_eq!(kept, [(receipt.index, &receipt.entry, receipt.proof.as_ref())], "{what}: as it came");
            }
            Some(kind) => {
                let found = lie(outcome);
                assert_eq!((found.evidence.kind, kept.len()), (kind, 0), "{what}: {found}");
                assert!(found.file.is_some_and(|file| file.exists()), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn another_entry_in_place_of_one_that_was_proven_is_a_lie_that_anybody_sees() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (pinned, told) = (pinned(&world), Told::of(&world));
    let case = case(&world, &pinned);
    let receipts = Receipts::in_folder(dir.path().to_owned()).unwrap();
    let (first, again) = (receipt(&told, 7, 9), receipt(&told, 7, 10));
    receipts.receipt(&case, &first, &Asked::of(&told)).await.unwrap();
    receipts.receipt(&case, &again, &Asked::of(&told)).await.unwrap();
    assert_eq!(receipts.entries().unwrap()[0].proof, first.proof.clone().unwrap(), "the first proof stays");
    // The head was lost; the receipt remains, and is enough.
    fs::remove_file(dir.path().join("head")).unwrap();
    let other = told.clone().with(7, "another");
    let found = lie(receipts.receipt(&case, &receipt(&other, 7, 9), &Asked::of(&other)).await);
    assert_eq!((found.evidence.kind, found.evidence.proves), (Kind::OtherEntry, true));
}

#[test]
fn charters_never_go_back() {
    let world = World::new(&[("north", 1), ("south", 1)]);
    let first = pinned(&world);
    let chain = |worlds: &[&crate::domain::document::Document<crate::domain::charter::Charter>]| {
        let lines: Vec<_> = worlds.iter().map(|c| c.bytes()).collect();
        Pinned::new(&lines.join(b"\n".as_slice()), world.founding()).unwrap()
    };
    let next = world.successor(|c| c.witnesses = 0);
    let fork = world.successor(|c| c.adopt_by = Some(noon().plus(7)));
    let (second, forked) = (chain(&[&world.charter, &next]), chain(&[&world.charter, &fork]));
    let dir = tempfile::tempdir().unwrap();
    let receipts = Receipts::in_folder(dir.path().to_owned()).unwrap();
    let shown = |pinned: &Pinned| receipts.charters(&case(&world, pinned));
    shown(&first).unwrap();
    shown(&first).unwrap();
    shown(&second).unwrap();
    let later = [&first, &second, &forked].map(|pinned| receipts.knows_later(&case(&world, pinned)).unwrap());
    assert_eq!(later, [true, false, false], "those who read them before another run did read them again");
    for (pinned, words) in [(&first, "rolled back"), (&forked, "do not come from charter 2")] {
        let found = lie(shown(pinned));
        assert_eq!(found.evidence.kind, Kind::CharterRolledBack);
        assert!(found.to_string().contains(words), "{found}");
    }
    shown(&second).unwrap();
}

#[tokio::test]
async fn a_kept_file_that_was_changed_is_told_as_that() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (pinned, told) = (pinned(&world), Told::of(&world));
    let case = case(&world, &pinned);
    let receipts = Receipts::in_folder(dir.path().to_owned()).unwrap();
    let by_another = Told { key: "north", ..told.clone() };
    for kept in ["", "cut", &by_another.head(4).to_string()] {
        fs::write(dir.path().join("head"), kept).unwrap();
        let outcome = receipts.newest(&case, &told.head(6).to_string(), None, &Asked::of(&told)).await;
        assert!(matches!(outcome, Err(RemoteError::Io(e)) if e.to_string().contains("backup")), "{kept:?}");
    }
}
