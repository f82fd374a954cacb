//! From one store to another and back: the same log, the same content, and nothing that was not checked.

use std::process::{Command, Output};

use communique::{
    app::config::Store,
    domain::id::{CommuniqueId, Digest},
};

use crate::{
    cluster::{Cluster, Database},
    world::{NAMED, World},
};

fn migrate(from: &str, to: &str, database: &Database) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_communiqued"));
    command.args(["migrate", "--from", from, "--to", to]);
    command.arg("--ca").arg(&database.ca).arg("--password-file").arg(&database.password_file).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn in_database(database: &Database) -> Store {
    Store {
        url: database.url.clone(),
        ca: database.ca.clone(),
        password_file: database.password_file.clone(),
        ..Store::default()
    }
}

/// A communiqué that is published, and the digest of its package.
async fn published(world: &World) -> (CommuniqueId, (Digest, u64)) {
    let manifest = world.draft(&NAMED, |_| ()).await;
    let opening = world.open(&manifest).await;
    world.sign_all(&manifest, opening).await;
    let view = world.remote("north").await.publish(manifest.communique).await.unwrap();
    (manifest.communique, view.package)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_moves_to_a_database_and_back() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database("moved");
    let mut world = World::new().await;
    let (id, package) = published(&world).await;
    let head = async |world: &World| world.remote("north").await.checkpoint().await.unwrap();
    let before = head(&world).await;
    let files = format!("sqlite:{}", world.config.data.directory.display());

    let output = migrate(&files, &database.url, &database);
    assert!(!output.status.success() && said(&output).contains("in use"), "{}", said(&output));
    world.stop().await;
    let output = migrate(&files, &database.url, &database);
    assert!(output.status.success() && said(&output).contains("0 of them were there"), "{}", said(&output));

    world.config.store = in_database(&database);
    world.start().await;
    assert_eq!(head(&world).await, before, "the same log, and the same key");
    assert_eq!(world.remote("south").await.publication(id).await.unwrap().package, package);
    let (other, _) = published(&world).await;
    world.stop().await;

    // Back into the files, which hold the beginning of it.
    let output = migrate(&database.url, &files, &database);
    assert!(output.status.success() && !said(&output).contains(" 0 of them were there; root"), "{}", said(&output));
    world.config.store = Store::default();
    world.start().await;
    assert_eq!(world.remote("south").await.publication(other).await.unwrap().communique, other);
    published(&world).await;
    world.stop().await;
    let mut fsck = Command::new(env!("CARGO_BIN_EXE_communiqued"));
    let checked = fsck.arg("fsck").arg("--data").arg(&world.config.data.directory).output().unwrap();
    assert!(checked.status.success(), "{}", said(&checked));

    // What has gone another way is not written over.
    let output = migrate(&files, &database.url, &database);
    assert!(output.status.success(), "it goes on: {}", said(&output));
    let apart = World::new().await;
    apart.stop().await;
    let others = format!("sqlite:{}", apart.config.data.directory.display());
    let output = migrate(&others, &database.url, &database);
    assert!(!output.status.success() && said(&output).contains("holds another log"), "{}", said(&output));

    // What is damaged is not carried.
    let log = rusqlite::Connection::open(world.config.data.content()).unwrap();
    log.execute("UPDATE chunks SET bytes = zeroblob(length(bytes))", []).unwrap();
    drop(log);
    let output = migrate(&files, &cluster.database("damaged").url, &database);
    assert!(!output.status.success() && said(&output).contains("the source is damaged"), "{}", said(&output));
}
