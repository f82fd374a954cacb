//! Lies by what is stored: a log put back to what it was, or written over, beneath an exchange that is honest.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use communique::{
    client::receipts::Receipts,
    domain::{act::ActKind, document::Document, entry::Kind, id::Role, manifest::Manifest},
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    host::Host,
    scene::{Found, Lie, changed},
    world::{NAMED, World},
};

/// An exchange that goes down and comes back with another store.
struct Machine {
    world: Arc<World>,
    draft: Document<Manifest>,
    copies: TempDir,
}

impl Machine {
    async fn new() -> Self {
        let world = Arc::new(World::new().await);
        let draft = world.draft(&NAMED, |_| ()).await;
        Self { world, draft, copies: tempfile::tempdir().unwrap() }
    }
    fn files(&self) -> [PathBuf; 3] {
        let log = self.world.config.data.log();
        let beside = |ending: &str| PathBuf::from(format!("{}{ending}", log.display()));
        [log.clone(), beside("-wal"), beside("-shm")]
    }
    /// Copies the log, while nothing writes.
    async fn copied(&self) {
        self.world.stop().await;
        for file in self.files().iter().filter(|file| file.exists()) {
            fs::copy(file, self.copies.path().join(file.file_name().unwrap())).unwrap();
        }
        self.world.start().await;
    }
    /// Puts the copy back beneath the exchange, and starts it again.
    async fn rolled_back(&self, also: impl FnOnce()) {
        self.world.stop().await;
        for file in self.files() {
            let copy = self.copies.path().join(file.file_name().unwrap());
            if copy.exists() { fs::copy(copy, file).map(drop).unwrap() } else { fs::remove_file(file).unwrap_or(()) }
        }
        also();
        self.world.start().await;
    }
    async fn initial(&self, who: &str) {
        let act = self.world.act(ActKind::Initial, who, &self.draft, None);
        self.world.submit(who, act).await.unwrap();
    }
    /// What the exchange says of its own readiness, once that it has been said that it is not ready.
    async fn unready(&self) -> String {
        let http = self.world.bound().http;
        let ask = async || {
            let mut stream = tokio::net::TcpStream::connect(http).await.unwrap();
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let asked = async {
            loop {
                let answer = ask().await;
                if answer.contains("the log does not continue") {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap_or_default()
    }
}

pub const LIES: &[Lie] = &[
    Lie {
        name: "a log put back to what it was",
        to: "an exchange that starts",
        by: "the exchange, by the head that it keeps beside the log",
        check: "LOG_IN_DOUBT",
        words: "writes nothing more",
        tell: |_| {
            Box::pin(async {
                let machine = Machine::new().await;
                machine.copied().await;
                machine.initial("north.a").await;
                machine.rolled_back(|| ()).await;
                let says = machine.unready().await;
                let act = machine.world.act(ActKind::Initial, "south.a", &machine.draft, None);
                let refused = machine.world.submit("south.a", act).await;
                let unready = says.starts_with("HTTP/1.1 503 ");
                assert_eq!(unready, refused.is_err(), "it says itself that it is not ready: {says}");
                machine.world.stop().await;
                Found::by_client(refused)
            })
        },
    },
    Lie {
        name: "a log put back, with the head beside it",
        to: "who comes back",
        by: "the tool, by the highest head that it keeps",
        check: "shrunk",
        words: "entries are gone",
        tell: |_| {
            Box::pin(async {
                let machine = Machine::new().await;
                machine.copied().await;
                machine.initial("north.a").await;
                let host = Host::before(&machine.world).await;
                let folder = tempfile::tempdir().unwrap();
                let comes_back = async || {
                    let mut session = host.session("south", Role::Official).await?;
                    session.keep(Receipts::in_folder(folder.path().join("receipts")).unwrap()).await
                };
                comes_back().await.unwrap();
                comes_back().await.expect("the truth is believed");
                machine.rolled_back(|| fs::remove_file(machine.world.config.data.head()).unwrap()).await;
                host.dials_anew().await;
                let answer = comes_back().await;
                machine.world.stop().await;
                Found::by_client(answer)
            })
        },
    },
    Lie {
        name: "an entry written over in the store",
        to: "an official of South",
        by: "the exchange, when it reads its log",
        check: "INCONSISTENT",
        words: "does not fold",
        tell: |_| {
            Box::pin(async {
                let machine = Machine::new().await;
                machine.initial("north.a").await;
                machine.initial("south.a").await;
                machine.initial("east.a").await;
                machine.world.stop().await;
                let db = rusqlite::Connection::open(machine.world.config.data.log()).unwrap();
                let past = crate::past::Past::of(&machine.world);
                let at = past.find(|row| row.entry.kind == Kind::Act);
                let bytes = changed(&past.row(at).bytes(), |entry: &mut communique::domain::entry::Entry| {
                    entry.time = entry.time.plus(-1);
                });
                let digest = communique::domain::id::Digest::of(&bytes);
                let told = "UPDATE entries SET bytes = ?1, digest = ?2, time = time - 1 WHERE idx = ?3";
                let index = i64::try_from(at).unwrap();
                db.execute(told, rusqlite::params![bytes, digest.as_bytes(), index]).unwrap();
                drop(db);
                machine.world.start().await;
                let session = machine.world.session("south", Role::Official).await;
                let answer = session.timeline(machine.draft.communique).await;
                machine.world.stop().await;
                Found::by_client(answer)
            })
        },
    },
];
