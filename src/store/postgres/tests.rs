//! What is PostgreSQL's own: several writers, and a server that says less than it seems to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{PostgresStore, Settings, cluster::Cluster};
use crate::{
    exchange::ports::{AppendError, ReadFailed, Store as _},
    log::tree::{Edge, Hash},
    pki,
    store::contract::{Chain, Place as _, append, party},
};

crate::store::contract::store_contract!(|path: &Path| open(path), Cluster::shared().is_some());

/// A database of this path's own, the same one again for the same path.
pub(super) fn settings(path: &Path) -> Settings {
    static MADE: Mutex<Option<HashMap<PathBuf, Settings>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    let number = made.len();
    made.entry(path.to_owned())
        .or_insert_with(|| of(&Cluster::shared().unwrap().database(&format!("sample_{number}"))))
        .clone()
}

pub(super) fn of(database: &super::cluster::Database) -> Settings {
    Settings {
        url: database.url.clone(),
        password: Some(std::fs::read(&database.password_file).unwrap()),
        tls: pki::client::known_by(&std::fs::read(&database.ca).unwrap()).unwrap(),
        standbys: 0,
        readers: 4,
    }
}

/// Waits for what an asynchronous function answers, within a synchronous one.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(future))
}

fn open(path: &Path) -> PostgresStore {
    wait(PostgresStore::open(&settings(path))).unwrap()
}

/// What is appended, and by whom it is asked for.
async fn one(store: &PostgresStore, chain: &mut Chain) -> Result<u64, AppendError> {
    store.place(append(vec![chain.next(1, vec![])])).await
}

/// The first party's stream, as it is to be carried on.
async fn chain_of(store: &PostgresStore) -> Chain {
    store.stream(&party(1), 0, 99).await.unwrap().last().map_or_else(|| Chain::new(party(1)), Chain::after)
}

/// A server of the test's own, which may be broken.
fn server(settings: &str) -> Option<Cluster> {
    Cluster::start(settings)
}

async fn opened(cluster: &Cluster) -> PostgresStore {
    PostgresStore::open(&of(&cluster.reach("sample"))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_make_one_log() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = of(&cluster.database("two_writers"));
    let stores = [PostgresStore::open(&settings).await.unwrap(), PostgresStore::open(&settings).await.unwrap()];
    let stores = stores.map(Arc::new);
    let mut shared = Chain::new(party(0));
    for round in 0..4 {
        let tasks: Vec<_> = (0..32)
            .map(|n| {
                let (store, mut shared) = (Arc::clone(&stores[n % 2]), shared.clone());
                let mut own = Chain::new(party(1000 * (round + 1) + n as u32));
                tokio::spawn(async move {
                    let of_shared = n % 4 < 2;
                    let to = if of_shared { &mut shared } else { &mut own };
                    (of_shared, one(&store, to).await)
                })
            })
            .collect();
        let (mut won, mut own) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                (true, Ok(_)) => won += 1,
                (true, Err(AppendError::Conflict)) => {}
                (false, Ok(_)) => own += 1,
                (_, Err(error)) => panic!("{error}"),
            }
        }
        assert_eq!((won, own), (1, 16));
        let last = stores[0].stream(&party(0), u64::from(round), 9).await.unwrap();
        shared = Chain::after(&last[0]);
    }
    let log = stores[0].log(0, 999).await.unwrap();
    assert_eq!(log.len(), 4 * 17);
    assert_eq!(stores[1].log(0, 999).await.unwrap(), log);
    let (one, other) = (stores[0].tree().await.unwrap(), stores[1].tree().await.unwrap());
    assert_eq!(one, other);
    let mut tree = Edge::default();
    for stored in &log {
        tree.append(Hash::of_entry(stored.digest), |_, _| {}).unwrap();
    }
    assert_eq!(tree, one);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_others_is_woken_and_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = of(&cluster.database("woken"));
    let (a, b) = (PostgresStore::open(&settings).await.unwrap(), PostgresStore::open(&settings).await.unwrap());
    let (mut heard, mut chain) = (b.heard(), Chain::new(party(1)));
    // The first is that it listens from now on.
    heard.changed().await.unwrap();
    let (appended, woken) = tokio::join!(
        a.append(append(vec![chain.next(1, vec![])])),
        tokio::time::timeout(Duration::from_secs(60), heard.changed())
    );
    appended.unwrap();
    assert!(matches!(woken, Ok(Ok(()))));
    assert_eq!(b.log(0, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_promises_less_is_refused_at_start_and_as_it_runs() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    let store = opened(&cluster).await;
    let mut chain = Chain::new(party(1));
    assert_eq!(one(&store, &mut chain).await, Ok(0));
    for (setting, less) in [("full_page_writes", "off"), ("fsync", "off")] {
        cluster.sql("postgres", &format!("ALTER SYSTEM SET {setting} = {less}"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        let refused = async || PostgresStore::open(&of(&cluster.reach("sample"))).await.err().map(|e| e.to_string());
        let begun = tokio::time::Instant::now();
        let said = loop {
            match refused().await {
                Some(said) => break said,
                None => assert!(begun.elapsed() < Duration::from_secs(60), "{setting} is not asked for"),
            }
        };
        assert!(said.contains(setting) && said.contains("may lose"), "{said}");
        assert_eq!(one(&store, &mut chain.clone()).await, Err(AppendError::Failed), "{setting}");
        cluster.sql("postgres", &format!("ALTER SYSTEM RESET {setting}"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        let begun = tokio::time::Instant::now();
        while refused().await.is_some() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{setting} is not taken back");
        }
    }
    let mut settings = of(&cluster.reach("sample"));
    settings.standbys = 1;
    let said = PostgresStore::open(&settings).await.err().unwrap().to_string();
    assert!(said.contains("wait for 0 standbys"), "{said}");
    cluster.sql("postgres", "ALTER ROLE communique SET synchronous_commit = off");
    let said = PostgresStore::open(&of(&cluster.reach("sample"))).await.err().unwrap().to_string();
    assert!(said.contains("synchronous_commit"), "{said}");
    assert_eq!(one(&store, &mut chain.clone()).await, Err(AppendError::Failed));
    cluster.sql("postgres", "ALTER ROLE communique RESET synchronous_commit");
    assert_eq!(one(&store, &mut chain).await, Ok(1));
}

/// There is no such standby, so every commit waits for it; and PostgreSQL says that all is well once the wait is cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_was_cancelled_is_unknown_and_shown_to_nobody() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    let (store, other) = (Arc::new(opened(&cluster).await), opened(&cluster).await);
    let waits = |names: &str| {
        cluster.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
    };
    for (end, entries) in [("pg_cancel_backend", 0), ("pg_terminate_backend", 1)] {
        waits("nobody");
        let before = chain_of(&other).await;
        let appending = tokio::spawn({
            let (store, mut chain) = (store.clone(), before.clone());
            async move { one(&store, &mut chain).await }
        });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let begun = tokio::time::Instant::now();
        while cluster.sql("postgres", waiting).trim() == "0" {
            assert!(begun.elapsed() < Duration::from_secs(60), "no commit waits for the standby");
        }
        cluster.sql("postgres", &format!("SELECT {end}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
        assert_eq!(appending.await.unwrap(), Err(AppendError::Unknown), "{end}");
        // It is in the table, and may be gone with the primary: nobody is shown it as long as nothing covers it.
        assert_eq!(cluster.sql("sample", "SELECT count(*) FROM entries").trim(), (entries + 1).to_string());
        if entries == 0 {
            assert_eq!(other.log(0, 9).await, Err(ReadFailed));
        }
        waits("");
        let begun = tokio::time::Instant::now();
        let shown = loop {
            match other.log(entries, 9).await {
                Ok(shown) => break shown,
                Err(ReadFailed) => assert!(begun.elapsed() < Duration::from_secs(60)),
            }
        };
        assert_eq!(shown.len(), 1);
        // The same again finds that it is there.
        assert_eq!(one(&store, &mut before.clone()).await, Err(AppendError::Conflict));
        assert_eq!(other.log(0, 9).await.unwrap().len() as u64, entries + 1);
    }
}

/// Whoever waits is let go without a word when the server is told to wait for fewer.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_let_go_without_its_standby_is_unknown() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    drop(opened(&cluster).await);
    let waits = |names: &str| {
        cluster.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
    };
    waits("nobody");
    let mut settings = of(&cluster.reach("sample"));
    settings.standbys = 1;
    let begun = tokio::time::Instant::now();
    let store = loop {
        match PostgresStore::open(&settings).await {
            Ok(store) => break store,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
        }
    };
    let appending = tokio::spawn(async move { one(&store, &mut Chain::new(party(1))).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while cluster.sql("postgres", waiting).trim() == "0" {
        assert!(begun.elapsed() < Duration::from_secs(60), "no commit waits for the standby");
    }
    waits("");
    assert_eq!(appending.await.unwrap(), Err(AppendError::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_what_it_acknowledged_is_not_written_to() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    let store = opened(&cluster).await;
    let mut chain = Chain::new(party(1));
    for n in 0..3 {
        assert_eq!(one(&store, &mut chain).await, Ok(n));
    }
    // As a standby has it that was behind.
    let tree = store.nodes(Edge::nodes(2).unwrap()).await.unwrap();
    let root = Edge::new(2, tree).unwrap().root();
    let root: String = root.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let back = format!("DELETE FROM entries WHERE idx = 2; UPDATE tree SET size = 2, root = '\\x{root}'");
    cluster.sql("sample", &back);
    let before = chain_of(&opened(&cluster).await).await;
    assert_eq!(one(&store, &mut before.clone()).await, Err(AppendError::Failed));
    assert_eq!(cluster.sql("sample", "SELECT count(*) FROM entries").trim(), "2");
    // One that knows of nothing takes it as it is; the head that it has signed is what it must be held against.
    assert_eq!(one(&opened(&cluster).await, &mut before.clone()).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_are_neither_built_upon_nor_read() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    let store = opened(&cluster).await;
    let mut chain = Chain::new(party(1));
    let first = chain.next(1, vec![b"a document".to_vec()]);
    let name = first.objects[0].digest();
    assert_eq!(store.place(append(vec![first])).await, Ok(0));
    let again = Chain::new(party(2)).naming(1, vec![name]);
    for (sql, back) in [
        ("UPDATE objects SET bytes = '\\x00'", "UPDATE objects SET bytes = 'a document'"),
        ("UPDATE tree SET root = digest FROM entries", ""),
    ] {
        cluster.sql("sample", sql);
        assert_eq!(store.place(append(vec![again.clone()])).await, Err(AppendError::Failed), "{sql}");
        assert!(store.first_naming(name).await.is_err() || store.tree().await.is_err(), "{sql}");
        cluster.sql("sample", back);
    }
    assert!(matches!(PostgresStore::open(&of(&cluster.reach("sample"))).await, Err(super::OpenError::Damaged { .. })));
    assert_eq!(store.log(0, 9).await.unwrap().len(), 1);
    cluster.sql("sample", "UPDATE entries SET bytes = '\\x00'");
    assert_eq!(store.log(0, 9).await, Err(ReadFailed));
    assert_eq!(one(&store, &mut chain).await, Err(AppendError::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_and_comes_back_needs_no_restart() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    let store = opened(&cluster).await;
    let mut chain = Chain::new(party(1));
    assert_eq!(one(&store, &mut chain).await, Ok(0));
    cluster.stop_immediately();
    assert!(one(&store, &mut chain.clone()).await.is_err());
    assert_eq!(store.log(0, 9).await, Err(ReadFailed));
    cluster.start_again();
    assert_eq!(store.log(0, 9).await.unwrap().len(), 1);
    assert_eq!(one(&store, &mut chain).await, Ok(1));
}

/// What becomes of a primary whose Patroni died: its standby takes its place, and it lets itself be written to all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_commits_nothing_any_more_is_left_for_the_one_in_its_place() {
    let Some(cluster) = server("") else { return };
    cluster.database("sample");
    let standby = cluster.standby("peer");
    cluster.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'peer'");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    let mut both = of(&cluster.reach("sample"));
    both.url = both.url.replace("/sample", &format!(",localhost:{}/sample", standby.port()));
    let open = async || Arc::new(PostgresStore::open(&both).await.unwrap());
    let (first, second) = (open().await, open().await);
    let mut chain = Chain::new(party(1));
    assert_eq!(one(&first, &mut chain).await, Ok(0));
    assert_eq!(second.log(0, 9).await.unwrap().len(), 1);
    standby.sql("postgres", "SELECT pg_promote()");
    let stuck = tokio::spawn({
        let (first, mut chain) = (first.clone(), chain.clone());
        async move { one(&first, &mut chain).await }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let begun = tokio::time::Instant::now();
    while cluster.sql("postgres", waiting).trim() == "0" {
        assert!(begun.elapsed() < Duration::from_secs(60), "no commit waits for the standby");
    }
    // What the first waits with holds up the second, which looks elsewhere; what it commits there the first meets once its own is unknown.
    assert_eq!(one(&second, &mut chain.clone()).await, Ok(1));
    cluster.sql("postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    assert_eq!(stuck.await.unwrap(), Err(AppendError::Unknown));
    assert_eq!(one(&first, &mut chain.clone()).await, Err(AppendError::Conflict));
    assert_eq!(first.log(0, 9).await.unwrap(), second.log(0, 9).await.unwrap());
    assert_eq!(standby.sql("sample", "SELECT count(*) FROM entries").trim(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_program_has_written_is_left_alone() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database("newer");
    drop(PostgresStore::open(&of(&database)).await.unwrap());
    cluster.sql("newer", "UPDATE communique_schema SET version = version + 1");
    let error = PostgresStore::open(&of(&database)).await.err().unwrap();
    assert!(matches!(error, super::OpenError::Newer { kind: "log", found: 3, known: 2 }), "{error}");
    cluster.sql("newer", "UPDATE communique_schema SET version = version - 1");
    // Many that start at once make the tables once.
    let settings = of(&cluster.database("at_once"));
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let settings = settings.clone();
            tokio::spawn(async move { PostgresStore::open(&settings).await.map(drop).map_err(|e| e.to_string()) })
        })
        .collect();
    for start in starts {
        assert_eq!(start.await.unwrap(), Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_but_verified_tls_and_no_password_in_an_address() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = of(&cluster.database("reached"));
    drop(PostgresStore::open(&settings).await.unwrap());
    let refused = async |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings.clone();
        change(&mut settings);
        PostgresStore::open(&settings).await.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let said = refused(&|s| s.url = s.url.replace("communique@", "communique:secret-word@")).await;
    assert!(said.contains("store.password_file") && !said.contains("secret-word"), "{said}");
    let said = refused(&|s| s.url.push_str("?sslmode=disable")).await;
    assert!(said.contains("TLS"), "{said}");
    let said = refused(&|s| s.url = "postgres:///sample".to_owned()).await;
    assert!(said.contains("names no host"), "{said}");
    let said = refused(&|s| s.url = "postgres://communique@%2Ftmp/sample".to_owned()).await;
    assert!(said.contains("names no host"), "{said}");
    let said = refused(&|s| s.url = s.url.replace("localhost", "127.0.0.1")).await;
    assert!(said.contains("cannot reach"), "another name than the certificate's: {said}");
    let said = refused(&|s| s.password = Some(b"another password".to_vec())).await;
    assert!(said.contains("authentication") && !said.contains("another password"), "{said}");
    let other = crate::pki::samples::World::new();
    let (authority, _) = other.server();
    let other = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &authority[authority.len() - 1])
    );
    let said = refused(&|s| s.tls = pki::client::known_by(other.as_bytes()).unwrap()).await;
    assert!(said.contains("cannot reach"), "another authority: {said}");
}
