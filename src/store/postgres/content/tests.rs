//! The contract, and what is PostgreSQL's own: several exchanges on one database, and a server that says less than it seems to.

use std::{path::Path, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::{
    exchange::ports::Shown,
    store::{
        contract::{beginning, kept, owner, put, sample, shown},
        postgres::{
            cluster::Cluster,
            connection::Session,
            tests::{of, settings, wait},
            transaction::WRITERS_LIMIT,
        },
    },
};

crate::store::contract::content_contract!(|path: &Path| open(&settings(path)), Cluster::shared().is_some());

/// How long what must come is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(settings: &Settings) -> PostgresContent {
    wait(PostgresContent::open(settings)).unwrap()
}

/// Two exchanges on one database.
struct Pair {
    a: Arc<PostgresContent>,
    b: Arc<PostgresContent>,
    settings: Settings,
    cluster: &'static Cluster,
    _dir: TempDir,
}

impl Pair {
    fn open() -> Option<Self> {
        let cluster = Cluster::shared()?;
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        let (a, b) = (Arc::new(open(&settings)), Arc::new(open(&settings)));
        Some(Self { a, b, settings, cluster, _dir: dir })
    }

    fn sql(&self, sql: &str) -> String {
        self.cluster.sql(self.settings.url.rsplit('/').next().unwrap(), sql).trim().to_owned()
    }

    /// A connection of neither, within a transaction.
    async fn third(&self) -> Session {
        let session = Database::new(&self.settings, None).unwrap().connect().await.unwrap();
        session.client.batch_execute("BEGIN").await.unwrap();
        session
    }

    /// Waits until so many statements wait for another transaction.
    fn waits(&self, statements: u32) {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let begun = Instant::now();
        while self.sql(sql) != statements.to_string() {
            assert!(begun.elapsed() < PATIENCE, "nothing waits");
        }
    }

    /// How many blobs there are, how many chunks of them and of stages, and how many chunks of nothing.
    fn counts(&self) -> (u32, u32, u32) {
        let of = "FROM chunks WHERE blob IN (SELECT id FROM blobs UNION ALL SELECT blob FROM stages)";
        let count = |sql: &str| self.sql(&format!("SELECT count(*) {sql}")).parse().unwrap();
        (count("FROM blobs"), count(of), count(&of.replace("IN", "NOT IN")))
    }
}

/// A stage with these bytes.
async fn staged(content: &PostgresContent, bytes: &[u8]) -> Stage {
    let stage = content.stage().await.unwrap();
    content.push(stage, bytes.to_vec()).await.unwrap();
    stage
}

async fn seal(content: &PostgresContent, stage: Stage, bytes: &[u8], seal: Seal) -> Result<(), WriteFailed> {
    content.seal(stage, Digest::of(bytes), bytes.len() as u64, seal).await
}

async fn whole(content: &PostgresContent, bytes: &[u8]) -> bool {
    content.read(Digest::of(bytes), 0, usize::MAX).await.unwrap().as_deref() == Some(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_holds_for_all_exchanges_together() {
    let Some(pair) = Pair::open() else { return };
    for round in 0..8_u8 {
        let begin = |n: u8| Begin { digest: Digest::of(&[round, n]), size: 60, quota: 100, ..beginning(b"", 0) };
        let begin = |n| Begin { owner: owner(1, round), ..begin(n) };
        let both = tokio::join!(pair.a.begin(begin(0)), pair.b.begin(begin(1)));
        assert!(matches!(both, (Ok(_), Err(NotBegun::Quota)) | (Err(NotBegun::Quota), Ok(_))), "{both:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_exchange_goes_on_and_the_first_is_overtaken() {
    let Some(pair) = Pair::open() else { return };
    let bytes = sample((4 << 20) + 5);
    let half = 2 << 20;
    let on = Begin { silence: Duration::ZERO, ..beginning(&bytes, half as u64) };
    let bring = async || {
        let stage = pair.a.begin(beginning(&bytes, 0)).await.unwrap();
        for piece in bytes[..half].chunks(1 << 18) {
            pair.a.push(stage, piece.to_vec()).await.unwrap();
        }
        stage
    };
    let first = bring().await;
    assert_eq!(kept(&*pair.b, &bytes).await, half as u64);
    assert_eq!(pair.b.begin(beginning(&bytes, half as u64)).await, Err(NotBegun::UnderWay));
    let second = pair.b.begin(on.clone()).await.unwrap();
    assert_eq!(pair.a.push(first, vec![0; GATHERED]).await, Err(WriteFailed::Failed));
    assert_eq!(pair.a.push(first, vec![0]).await, Err(WriteFailed::Failed));
    pair.b.push(second, bytes[half..].to_vec()).await.unwrap();
    seal(&pair.b, second, &bytes, Seal::Upload(owner(1, 1))).await.unwrap();
    assert!(whole(&pair.a, &bytes).await);

    // Nor can one that was overtaken park, discard or seal what goes on without it.
    pair.a.purge(owner(1, 1).communique).await.unwrap();
    for end in 0..3 {
        let first = bring().await;
        pair.a.push(first, vec![0; 9]).await.unwrap();
        let second = pair.b.begin(on.clone()).await.unwrap();
        match end {
            0 => pair.a.park(first).await,
            1 => pair.a.discard(first).await,
            _ => {
                let wrong = [&bytes[..half], &[0; 9]].concat();
                assert_eq!(seal(&pair.a, first, &wrong, Seal::Upload(owner(1, 1))).await, Err(WriteFailed::Failed));
            }
        }
        pair.b.push(second, bytes[half..].to_vec()).await.unwrap();
        pair.b.park(second).await;
        assert_eq!(kept(&*pair.a, &bytes).await, bytes.len() as u64);
        let read = pair.a.kept_bytes(&owner(1, 1), Digest::of(&bytes), 0, usize::MAX).await.unwrap();
        assert!(read == bytes, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_bytes_come_to_says_that_it_is_alive() {
    let Some(pair) = Pair::open() else { return };
    let bytes = sample(1000);
    let stage = pair.a.begin(beginning(&bytes, 0)).await.unwrap();
    let passes = async || {
        pair.sql("UPDATE stages SET heard = heard - interval '10 seconds'");
        let place = locked(&pair.a.0.open).stages[&stage.0].pending.clone();
        place.lock().await.as_mut().unwrap().touched -= HEARD;
    };
    passes().await;
    pair.a.push(stage, bytes[..9].to_vec()).await.unwrap();
    let on = Begin { silence: Duration::from_secs(5), ..beginning(&bytes, 9) };
    assert_eq!(pair.b.begin(on.clone()).await, Err(NotBegun::UnderWay));
    passes().await;
    assert_eq!(pair.b.begin(on).await, Err(NotBegun::Offset { held: 0 }), "its tail is in the other's memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_seal_at_once_is_one_content() {
    let Some(pair) = Pair::open() else { return };
    for round in 0..5_u8 {
        let bytes = [vec![round], sample(GATHERED)].concat();
        let (one, two) = (staged(&pair.a, &bytes).await, staged(&pair.b, &bytes).await);
        let both = tokio::join!(
            seal(&pair.a, one, &bytes, Seal::Upload(owner(1, round))),
            seal(&pair.b, two, &bytes, Seal::Upload(owner(2, round)))
        );
        assert_eq!(both, (Ok(()), Ok(())));
        assert!(whole(&pair.a, &bytes).await);
        let found = async |n| pair.b.uploaded(&owner(n, round), Digest::of(&bytes)).await;
        assert_eq!((found(1).await, found(2).await), (Ok(Some(GATHERED as u64 + 1)), Ok(Some(GATHERED as u64 + 1))));
        let rounds = u32::from(round) + 1;
        assert_eq!(pair.counts(), (rounds, 5 * rounds, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_packages_at_once_one_is_left() {
    let Some(pair) = Pair::open() else { return };
    let id = owner(1, 1).communique;
    for round in 0..5_u8 {
        let of = |n| [vec![round, n], sample(300_000)].concat();
        let (one, two) = (of(1), of(2));
        let (first, second) = (staged(&pair.a, &one).await, staged(&pair.b, &two).await);
        let both = tokio::join!(
            seal(&pair.a, first, &one, Seal::Package(id, shown(1))),
            seal(&pair.b, second, &two, Seal::Package(id, shown(2)))
        );
        assert_eq!(both, (Ok(()), Ok(())));
        let Package { digest, shown: Shown { witnesses, .. }, .. } = pair.a.package(id).await.unwrap().unwrap();
        let left = if witnesses == 1 { &one } else { &two };
        assert_eq!(digest, Digest::of(left));
        assert!(whole(&pair.b, left).await);
        assert_eq!(pair.counts(), (1, 2, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_reaches_what_comes_to_another_exchange() {
    let Some(pair) = Pair::open() else { return };
    let id = owner(1, 1).communique;
    let bytes = sample(3 << 20);
    let stage = pair.b.begin(beginning(&bytes, 0)).await.unwrap();
    pair.b.push(stage, bytes[..GATHERED].to_vec()).await.unwrap();
    pair.a.purge(id).await.unwrap();
    assert_eq!(pair.counts(), (0, 0, 0));
    assert_eq!(pair.b.push(stage, bytes[..GATHERED].to_vec()).await, Err(WriteFailed::Failed));
    let stage = pair.b.begin(beginning(&bytes, 0)).await.unwrap();
    pair.b.push(stage, bytes.clone()).await.unwrap();
    pair.a.purge(id).await.unwrap();
    assert_eq!(seal(&pair.b, stage, &bytes, Seal::Upload(owner(1, 1))).await, Err(WriteFailed::Failed));
    assert_eq!(pair.counts(), (0, 0, 0));
    for _ in 0..5 {
        let stage = pair.b.begin(beginning(&bytes, 0)).await.unwrap();
        pair.b.push(stage, bytes.clone()).await.unwrap();
        let (purged, _) = tokio::join!(pair.a.purge(id), seal(&pair.b, stage, &bytes, Seal::Upload(owner(1, 1))));
        assert_eq!(purged, Ok(()));
        assert_eq!(pair.counts().2, 0);
    }
    pair.b.purge(id).await.unwrap();
    assert_eq!(pair.counts(), (0, 0, 0));
}

/// A blob that is let go of at one exchange stays where another is just about to hold it.
#[tokio::test(flavor = "multi_thread")]
async fn who_drops_content_sees_who_comes_to_hold_it() {
    let Some(pair) = Pair::open() else { return };
    let id = owner(1, 1).communique;
    for (n, held) in [Seal::Upload(owner(1, 1)), Seal::Package(id, shown(0))].into_iter().enumerate() {
        let bytes = sample(1000 + n);
        put(&*pair.a, &bytes, 1000, held.clone()).await;
        let third = pair.third().await;
        let digest = Digest::of(&bytes);
        let sql = format!(
            "INSERT INTO uploads (party, communique, blob)
             SELECT 'another', '{}', id FROM blobs WHERE digest = '\\x{digest}' FOR KEY SHARE",
            owner(2, 2).communique
        );
        third.client.batch_execute(&sql).await.unwrap();
        let content = pair.a.clone();
        let dropping = tokio::spawn(async move {
            match held {
                Seal::Upload(owner) => content.purge(owner.communique).await,
                _ => {
                    let stage = staged(&content, b"made again").await;
                    Ok(seal(&content, stage, b"made again", held).await?)
                }
            }
        });
        pair.waits(1);
        third.client.batch_execute("COMMIT").await.unwrap();
        assert_eq!(dropping.await.unwrap(), Ok(()), "{n}");
        assert!(whole(&pair.b, &bytes).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_seals_what_is_just_dropped_stores_it_again() {
    let Some(pair) = Pair::open() else { return };
    let bytes = sample(600_000);
    put(&*pair.a, &bytes, 600_000, Seal::Upload(owner(1, 1))).await;
    let third = pair.third().await;
    third.client.batch_execute("DELETE FROM uploads; DELETE FROM blobs; DELETE FROM chunks").await.unwrap();
    let stage = staged(&pair.b, &bytes).await;
    let sealing = tokio::spawn({
        let (b, bytes) = (pair.b.clone(), bytes.clone());
        async move { seal(&b, stage, &bytes, Seal::Upload(owner(2, 2))).await }
    });
    pair.waits(1);
    third.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sealing.await.unwrap(), Ok(()));
    assert!(whole(&pair.a, &bytes).await);
    assert_eq!(pair.counts(), (1, 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_the_server_lost_a_part_of_is_lost() {
    let Some(pair) = Pair::open() else { return };
    let bytes = sample(4 << 20);
    let stage = pair.a.begin(beginning(&bytes, 0)).await.unwrap();
    pair.a.push(stage, bytes[..2 << 20].to_vec()).await.unwrap();
    // As a standby has it that was behind.
    pair.sql("UPDATE stages SET held = 1048576; DELETE FROM chunks WHERE n >= 4");
    assert_eq!(pair.a.push(stage, bytes[2 << 20..3 << 20].to_vec()).await, Err(WriteFailed::Failed));
    assert_eq!(kept(&*pair.b, &bytes).await, 1 << 20);
    let stage = pair.b.begin(beginning(&bytes, 1 << 20)).await.unwrap();
    pair.b.push(stage, bytes[1 << 20..].to_vec()).await.unwrap();
    seal(&pair.b, stage, &bytes, Seal::Upload(owner(1, 1))).await.unwrap();
    assert!(whole(&pair.a, &bytes).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_exchange_left_that_died_is_forgotten_but_for_what_is_kept() {
    let Some(pair) = Pair::open() else { return };
    let (bytes, other) = (sample(3 << 20), sample(2 << 20));
    let stage = pair.a.begin(beginning(&bytes, 0)).await.unwrap();
    pair.a.push(stage, bytes[..GATHERED].to_vec()).await.unwrap();
    let package = staged(&pair.a, &other).await;
    let living = staged(&pair.a, &other).await;
    pair.b.expire(Time::from_unix(0)).await.unwrap();
    assert_eq!(pair.counts(), (0, 4 + 8 + 8, 0));
    pair.sql("UPDATE stages SET heard = heard - interval '16 minutes'");
    pair.a.push(living, other[..GATHERED].to_vec()).await.unwrap();
    // Counted as what is there of it, and gone on with as if it was parked.
    let quota = (GATHERED + 10) as u64;
    let beside = Begin { digest: Digest::of(b"beside"), size: 10, quota, ..beginning(b"", 0) };
    let begun = pair.b.begin(beside).await.unwrap();
    pair.b.discard(begun).await;
    assert_eq!(pair.counts(), (0, 4 + 8 + 4, 0));
    pair.b.begin(beginning(&bytes, GATHERED as u64)).await.unwrap();
    assert_eq!(pair.a.push(package, other[..GATHERED].to_vec()).await, Err(WriteFailed::Failed));
    let both = [&other[..], &other[..GATHERED]].concat();
    seal(&pair.a, living, &both, Seal::Package(owner(1, 1).communique, shown(0))).await.unwrap();
    assert!(whole(&pair.b, &both).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_each_exchanges_own_and_uploads_leave_some() {
    let Some(pair) = Pair::open() else { return };
    let begin = |n: usize| Begin { digest: Digest::of(&n.to_be_bytes()), size: 1, ..beginning(b"", 0) };
    for n in 0..UPLOADS_LIMIT {
        pair.a.begin(begin(n)).await.unwrap();
    }
    assert_eq!(pair.a.begin(begin(UPLOADS_LIMIT)).await, Err(NotBegun::Full));
    pair.b.begin(begin(UPLOADS_LIMIT)).await.unwrap();
    let package = pair.a.stage().await.unwrap();
    for _ in UPLOADS_LIMIT + 1..STAGES_LIMIT {
        pair.a.stage().await.unwrap();
    }
    assert_eq!(pair.a.stage().await, Err(WriteFailed::Failed));
    pair.a.discard(package).await;
    assert!(pair.a.stage().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_whose_caller_has_gone_keeps_no_place() {
    let Some(pair) = Pair::open() else { return };
    let third = pair.third().await;
    third.client.batch_execute(&format!("INSERT INTO places VALUES ('{}')", owner(1, 1).party)).await.unwrap();
    let content = pair.a.clone();
    let beginning = tokio::spawn(async move { content.begin(beginning(b"bytes", 0)).await });
    pair.waits(1);
    beginning.abort();
    assert!(beginning.await.unwrap_err().is_cancelled());
    third.client.batch_execute("COMMIT").await.unwrap();
    let begun = Instant::now();
    while !locked(&pair.a.0.open).stages.is_empty() || pair.sql("SELECT count(*) FROM stages") != "0" {
        assert!(begun.elapsed() < PATIENCE, "the stage keeps its place");
    }
    assert_eq!(pair.sql("SELECT count(*) FROM places"), "1", "it was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_ended_are_made_again() {
    let Some(pair) = Pair::open() else { return };
    let bytes = sample(2 << 20);
    let (first, second) = (staged(&pair.a, &bytes).await, staged(&pair.a, &bytes).await);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    pair.sql(end);
    let both = tokio::join!(
        seal(&pair.a, first, &bytes, Seal::Upload(owner(1, 1))),
        seal(&pair.a, second, &bytes, Seal::Upload(owner(1, 2)))
    );
    assert_eq!(both, (Ok(()), Ok(())));
    assert!(whole(&pair.a, &bytes).await);
    pair.sql(end);
    assert!(whole(&pair.a, &bytes).await);
}

/// There is no such standby, so every commit waits for it; and PostgreSQL says that all is well once the wait is cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_lost_with_the_primary_is_neither_sealed_nor_uploaded() {
    let Some(cluster) = Cluster::start("") else { return };
    let settings = of(&cluster.database("sample"));
    let (a, b) = (Arc::new(open(&settings)), Arc::new(open(&settings)));
    let demand = |names: &str| {
        cluster.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
    };
    // Ends what waits for a standby, once something does.
    let end = |how: &str| {
        let sql = format!(
            "SELECT {how}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"
        );
        let begun = Instant::now();
        while cluster.sql("sample", &sql).is_empty() {
            assert!(begun.elapsed() < PATIENCE, "no commit waits for the standby");
        }
    };
    let (n, digest) = (owner(1, 1), Digest::of(b"lasts"));
    put(&*a, b"lasts", 9, Seal::Upload(n.clone())).await;
    for how in ["pg_cancel_backend", "pg_terminate_backend"] {
        let (bytes, named) = (how.as_bytes(), Digest::of(how.as_bytes()));
        let (one, two, purged) = (staged(&a, bytes).await, staged(&b, bytes).await, owner(1, 7).communique);
        demand("nobody");
        let sealing = tokio::spawn({
            let (a, n) = (a.clone(), n.clone());
            async move { seal(&a, one, how.as_bytes(), Seal::Upload(n)).await }
        });
        end(how);
        assert_eq!(sealing.await.unwrap(), Err(WriteFailed::Unknown), "{how}");
        // It is there, and nobody relies on it; nor on what writes nothing since it is there already.
        let count = format!("SELECT count(*) FROM blobs WHERE digest = '\\x{named}'");
        assert_eq!(cluster.sql("sample", &count), "1");
        for what in ["uploaded", "sealed", "purged", "stamped"] {
            let (b, n) = (b.clone(), n.clone());
            let relying = tokio::spawn(async move {
                match what {
                    "uploaded" => b.uploaded(&n, named).await.map(drop),
                    "sealed" => Ok(seal(&b, two, how.as_bytes(), Seal::Upload(n)).await?),
                    "purged" => b.purge(purged).await,
                    _ => b.keep_stamp(purged, vec![1]).await,
                }
            });
            end(how);
            assert_eq!(relying.await.unwrap(), Err(ReadFailed), "{what} {how}");
        }
        assert_eq!(a.uploaded(&n, digest).await, Ok(Some(5)), "sealed by itself, and committed by all who must");
        demand("");
        assert_eq!(b.uploaded(&n, named).await, Ok(Some(bytes.len() as u64)));
        demand("nobody");
        assert_eq!(b.uploaded(&n, named).await, Ok(Some(bytes.len() as u64)), "it has committed since");
        demand("");
        put(&*a, bytes, 9, Seal::Upload(n.clone())).await;
        assert_eq!(a.uploaded(&n, named).await, Ok(Some(bytes.len() as u64)));
    }
}

/// Where PostgreSQL says that its disk is full, whoever uploads is told so, and it goes on once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_apart() {
    let Some(pair) = Pair::open() else { return };
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON chunks EXECUTE FUNCTION full_disk()";
    let bytes = sample(GATHERED);
    let stage = pair.a.begin(beginning(&bytes, 0)).await.unwrap();
    pair.sql(full);
    assert_eq!(pair.a.push(stage, bytes.clone()).await, Err(WriteFailed::Full));
    pair.sql("DROP TRIGGER full_disk ON chunks; DROP FUNCTION full_disk");
    let stage = staged(&pair.a, &bytes).await;
    assert_eq!(seal(&pair.a, stage, &bytes, Seal::Upload(owner(1, 1))).await, Ok(()));
}

/// What becomes of a primary whose Patroni died, as for the log: what may be done twice goes on at the one in its place, and of all else it
/// is said that nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_commits_nothing_any_more_is_left_for_the_one_in_its_place() {
    let Some(cluster) = Cluster::start("") else { return };
    cluster.database("sample");
    let standby = cluster.standby("peer");
    cluster.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'peer'");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    let mut both = of(&cluster.reach("sample"));
    both.url = both.url.replace("/sample", &format!(",localhost:{}/sample", standby.port()));
    let (sealing, many) = (open(&both), Arc::new(open(&both)));
    let stage = staged(&sealing, b"bytes").await;
    standby.sql("postgres", "SELECT pg_promote()");
    // As many as may write at once, and one more by another exchange.
    let stuck: Vec<_> = (0..WRITERS_LIMIT)
        .map(|_| {
            let many = many.clone();
            tokio::spawn(async move { many.stage().await })
        })
        .collect();
    let sealed = tokio::spawn(async move { seal(&sealing, stage, b"bytes", Seal::Upload(owner(1, 1))).await });
    let commits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let begun = Instant::now();
    while cluster.sql("postgres", commits) != (WRITERS_LIMIT + 1).to_string() {
        assert!(begun.elapsed() < PATIENCE, "no commit waits for the standby");
    }
    assert_eq!(sealed.await.unwrap(), Err(WriteFailed::Unknown));
    for stuck in stuck {
        assert!(stuck.await.unwrap().is_ok());
    }
    // None of those that wait there for ever keeps a place here.
    put(&*many, b"others", 6, Seal::Upload(owner(1, 2))).await;
    assert_eq!(standby.sql("sample", "SELECT count(*) FROM blobs").trim(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_promises_less_takes_no_content() {
    let Some(cluster) = Cluster::start("") else { return };
    let database = cluster.database("sample");
    let content = open(&of(&database));
    let stage = staged(&content, b"bytes").await;
    cluster.sql("postgres", "ALTER SYSTEM SET fsync = off");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    let begun = Instant::now();
    while cluster.sql("sample", "SHOW fsync") != "off" {
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(seal(&content, stage, b"bytes", Seal::Upload(owner(1, 1))).await, Err(WriteFailed::Failed));
    assert_eq!(content.stage().await, Err(WriteFailed::Failed));
    assert_eq!(content.read(Digest::of(b"bytes"), 0, 9).await, Ok(None));
}
