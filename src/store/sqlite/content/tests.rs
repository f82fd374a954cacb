//! What the contract does not say of the content store: what it leaves in its file, and a disk that is full.

use super::*;
use crate::store::contract::{owner, shown};

crate::store::contract::content_contract!(|path: &Path| SqliteContent::open(path, Options::default()).unwrap());

fn chunks(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0)).unwrap()
}

/// Of an earlier program's file, packages stay, and show what they showed.
#[tokio::test]
async fn packages_of_a_program_without_stamps_are_carried_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("content");
    let schema = migrations::Schema { steps: &migrations::CONTENT.steps[..3], ..migrations::CONTENT };
    let (db, lock) = connection::writer(&path, &schema).unwrap();
    let (id, bytes) = (owner(1, 1).communique, b"package".to_vec());
    db.execute("INSERT INTO blobs (id, digest, size) VALUES (1, ?1, 7)", [Digest::of(&bytes).as_bytes()]).unwrap();
    db.execute("INSERT INTO chunks (blob, n, bytes) VALUES (1, 0, ?1)", [&bytes]).unwrap();
    db.execute("INSERT INTO packages VALUES (?1, 1, 2)", [id.to_string()]).unwrap();
    drop((db, lock));
    let content = SqliteContent::open(&path, Options::default()).unwrap();
    let shown = Shown { witnesses: 2, stamped: false, head: String::new() };
    let digest = Digest::of(&bytes);
    assert_eq!(content.package(id).await, Ok(Some(Package { digest, size: 7, shown })));
    assert_eq!(content.read(digest, 0, 9).await, Ok(Some(bytes)));
    assert_eq!(content.unstamped(vec![id]).await, Ok(vec![id]));
}

#[test]
fn nothing_is_looked_for_among_all_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("content");
    drop(SqliteContent::open(&path, Options::default()).unwrap());
    let db = Connection::open(&path).unwrap();
    for sql in [FORGET, LAST, UPLOADED] {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.replace("?1", "'x'"))).unwrap();
        let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.collect::<Result<_, _>>().unwrap();
        let walks = |step: &String| step.starts_with("SCAN") && step != "SCAN stages" && step != "SCAN CONSTANT ROW";
        assert!(!steps.iter().any(walks), "{sql}: {steps:?}");
    }
}

#[tokio::test]
async fn stages_of_an_older_program_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("content");
    let mut db = Connection::open(&path).unwrap();
    let older = migrations::Schema { steps: &migrations::CONTENT.steps[..5], ..migrations::CONTENT };
    migrations::run(&mut db, &older).unwrap();
    db.execute_batch(
        "INSERT INTO blobs VALUES (1, zeroblob(32), 1);
         INSERT INTO partials VALUES ('p', 'c', zeroblob(32), 2, 1, 1, 0);
         INSERT INTO chunks VALUES (1, 0, x'00'), (2, 0, x'00'), (3, 0, x'00'), (3, 1, x'00')",
    )
    .unwrap();
    drop(db);
    drop(SqliteContent::open(&path, Options::default()).unwrap());
    assert_eq!(chunks(&path), 2);
}

/// As of the log.
#[tokio::test]
async fn content_that_is_closed_leaves_no_write_ahead_log() {
    let dir = tempfile::tempdir().unwrap();
    let content = SqliteContent::open(&dir.path().join("content"), Options::default()).unwrap();
    content.keep_stamp(owner(1, 1).communique, b"stamp".to_vec()).await.unwrap();
    assert_eq!(content.unstamped(vec![owner(1, 1).communique]).await, Ok(vec![]));
    let left = dir.path().join("content-wal");
    assert!(left.exists());
    drop(content);
    assert!(!left.exists());
}

#[tokio::test]
async fn what_is_dropped_leaves_no_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("content");
    let content = SqliteContent::open(&path, Options::default()).unwrap();
    let bytes = vec![3; GATHERED + 5];
    let (kept, twin, gone, left) = (
        content.stage().await.unwrap(),
        content.stage().await.unwrap(),
        content.stage().await.unwrap(),
        content.stage().await.unwrap(),
    );
    for stage in [kept, twin, gone, left] {
        content.push(stage, bytes.clone()).await.unwrap();
    }
    assert_eq!(chunks(&path), 16);
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    content.seal(kept, digest, size, Seal::Upload(owner(1, 1))).await.unwrap();
    content.seal(twin, digest, size, Seal::Upload(owner(2, 1))).await.unwrap();
    content.discard(gone).await;
    assert_eq!(chunks(&path), 5 + 4);
    drop(content);
    let content = SqliteContent::open(&path, Options::default()).unwrap();
    assert_eq!(chunks(&path), 5);
    assert_eq!(content.read(digest, 0, usize::MAX).await, Ok(Some(bytes)));
}

#[tokio::test]
async fn a_full_disk_fails_the_upload_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("content");
    let (db, _lock) = connection::writer(&path, &migrations::CONTENT).unwrap();
    let mut shelves = Shelves::new(db, 1);
    let limit = |shelves: &Shelves, pages: u32| {
        shelves.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    let ask = |shelves: &mut Shelves, what| {
        let (answer, mut outcome) = oneshot::channel();
        shelves.take(vec![Request { what, answer }]);
        outcome.try_recv().unwrap()
    };
    let stage = ask(&mut shelves, What::Stage).unwrap();
    ask(&mut shelves, What::Push(stage, vec![1; GATHERED])).unwrap();
    limit(&shelves, 1);
    assert!(shelves.failed.lock().unwrap().is_none());
    assert_eq!(ask(&mut shelves, What::Push(stage, vec![1; GATHERED])), Err(NotBegun::Failed(WriteFailed::Full)));
    limit(&shelves, 1_000_000);
    assert!(shelves.failed.lock().unwrap().is_some(), "nothing has been written since");
    assert_eq!(
        ask(&mut shelves, What::Push(stage, vec![1])),
        Err(NotBegun::Failed(WriteFailed::Failed)),
        "a broken stage is gone"
    );
    let stage = ask(&mut shelves, What::Stage).unwrap();
    ask(&mut shelves, What::Push(stage, vec![1; GATHERED])).unwrap();
    let seal = Seal::Upload(owner(1, 1));
    ask(&mut shelves, What::Seal(stage, Digest::of(&[1; GATHERED]), GATHERED as u64, seal)).unwrap();
    assert!(shelves.failed.lock().unwrap().is_none());
    assert_eq!(chunks(&path), 4);
}

#[test]
fn a_stage_whose_caller_has_gone_keeps_no_place() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _lock) = connection::writer(&dir.path().join("content"), &migrations::CONTENT).unwrap();
    let mut shelves = Shelves::new(db, 1);
    let (gone, _) = oneshot::channel();
    let (here, mut outcome) = oneshot::channel();
    shelves.take(vec![Request { what: What::Stage, answer: gone }, Request { what: What::Stage, answer: here }]);
    let kept = outcome.try_recv().unwrap().unwrap();
    assert_eq!(shelves.stages.keys().collect::<Vec<_>>(), [&kept]);
}

#[tokio::test]
async fn uploads_leave_places_for_packages() {
    let dir = tempfile::tempdir().unwrap();
    let content = SqliteContent::open(&dir.path().join("content"), Options::default()).unwrap();
    let begin = |n: usize| Begin {
        owner: owner(1, 1),
        digest: Digest::of(&n.to_be_bytes()),
        size: 1,
        offset: 0,
        quota: u64::MAX,
        silence: Duration::ZERO,
        now: Time::from_unix(0),
    };
    for n in 0..UPLOADS_LIMIT {
        content.begin(begin(n)).await.unwrap();
    }
    assert_eq!(content.begin(begin(UPLOADS_LIMIT)).await, Err(NotBegun::Full));
    let package = content.stage().await.unwrap();
    content.push(package, b"package".to_vec()).await.unwrap();
    let seal = Seal::Package(owner(1, 1).communique, shown(0));
    content.seal(package, Digest::of(b"package"), 7, seal).await.unwrap();
}

#[tokio::test]
async fn stages_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let content = SqliteContent::open(&dir.path().join("content"), Options::default()).unwrap();
    let first = content.stage().await.unwrap();
    for _ in 1..STAGES_LIMIT {
        content.stage().await.unwrap();
    }
    assert_eq!(content.stage().await, Err(WriteFailed::Failed));
    content.discard(first).await;
    assert!(content.stage().await.is_ok());
}
