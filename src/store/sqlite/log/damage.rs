//! Rows that were changed while nobody looked: no append goes on from them.

use super::*;
use crate::{
    exchange::ports::Object,
    store::contract::{Chain, Place as _, append, party},
};

/// A log of three entries each of two parties, changed by this SQL while it was closed. Beside it, where the two chains then are.
async fn damaged(sql: &str) -> (tempfile::TempDir, SqliteStore, [Chain; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("log"), Options::default()).unwrap();
    let mut chains = [1, 2].map(|n| Chain::new(party(n)));
    for chain in &mut chains {
        for document in [vec![b"a document".to_vec()], vec![], vec![]] {
            store.place(append(vec![chain.next(1, document)])).await.unwrap();
        }
    }
    drop(store);
    let path = dir.path().join("log");
    Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    (dir, store, chains)
}

#[tokio::test]
async fn what_an_append_relies_on_is_checked_first() {
    let failed = Err(AppendError::Failed);
    for (sql, first, second) in [
        ("SELECT 1", Ok(6), Ok(7)),
        ("UPDATE entries SET bytes = x'7b7d' WHERE idx = 2", failed, Ok(6)),
        ("UPDATE entries SET digest = zeroblob(32) WHERE idx = 2", failed, Ok(6)),
        // Bytes and digest agree with one another, and not with the tree.
        (
            "UPDATE entries SET (bytes, digest, seq) = (SELECT bytes, digest, 9 FROM entries WHERE idx = 1) WHERE idx = 2;
             DELETE FROM entries WHERE idx = 1; UPDATE entries SET seq = 1 WHERE idx = 2",
            failed,
            Ok(6),
        ),
        ("UPDATE entries SET seq = 9 WHERE idx = 2", failed, Ok(6)),
        ("UPDATE entries SET time = 0 WHERE idx = 2", failed, Ok(6)),
        ("UPDATE entries SET stream = 'party/sample-9' WHERE idx = 2", failed, Ok(6)),
        ("UPDATE entries SET stream = 'party/sample-1', seq = 9 WHERE idx = 4", failed, Ok(6)),
        // Beside the entry, in the tree.
        ("UPDATE entries SET digest = zeroblob(32) WHERE idx = 3", failed, Ok(6)),
        ("UPDATE nodes SET hash = zeroblob(32) WHERE n = 0", failed, Ok(6)),
        ("DELETE FROM nodes WHERE n = 0", failed, Ok(6)),
        // The log's end is everybody's.
        ("UPDATE entries SET bytes = x'7b7d' WHERE idx = 5", failed, failed),
        ("UPDATE entries SET time = 7 WHERE idx = 5", failed, failed),
        ("UPDATE entries SET time = 0 WHERE idx = 5", failed, failed),
    ] {
        let (_dir, store, mut chains) = damaged(sql).await;
        let mut new = chains.iter_mut().map(|chain| append(vec![chain.next(1, vec![])]));
        let (one, other) = (new.next().unwrap(), new.next().unwrap());
        assert_eq!((store.place(one).await, store.place(other).await), (first, second), "{sql}");
    }
}

#[tokio::test]
async fn an_object_that_was_changed_is_not_named_again() {
    for (sql, expected) in [("SELECT 1", Ok(6)), ("UPDATE objects SET bytes = x'00'", Err(AppendError::Failed))] {
        let document = b"a document".to_vec();
        let (_dir, store, [mut chain, _]) = damaged(sql).await;
        let name = Object::new(document.clone()).digest();
        assert_eq!(store.place(append(vec![chain.naming(1, vec![name])])).await, expected, "{sql}");
        let (_dir, store, [..]) = damaged(sql).await;
        assert_eq!(store.place(append(vec![chain.next(1, vec![document])])).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_row_that_says_something_else_than_its_bytes_is_not_read() {
    for (column, value) in [("time", "0"), ("seq", "9"), ("stream", "'party/sample-9'")] {
        let (_dir, store, _) = damaged(&format!("UPDATE entries SET {column} = {value} WHERE idx = 1")).await;
        assert_eq!(store.log(1, 1).await, Err(ReadFailed), "{column}");
        assert!(store.log(2, 9).await.is_ok());
    }
}

#[tokio::test]
async fn another_stream_s_entry_is_no_end_of_a_stream_that_was_read() {
    let moved = "DELETE FROM entries WHERE idx = 2; UPDATE entries SET stream = 'party/sample-1' WHERE idx = 5";
    for (sql, expected) in [("SELECT 1", Ok(6)), (moved, Err(AppendError::Failed))] {
        let (_dir, store, _) = damaged(sql).await;
        let new = Append { expect: vec![(party(1), 3)], ..append(vec![Chain::new(party(3)).next(1, vec![])]) };
        assert_eq!(store.place(new).await, expected, "{sql}");
    }
}
