//! What exchanges over one database say, wherever they run.

use std::{net::SocketAddr, time::Duration};

use communique::{
    client::remote::Remote,
    exchange::ports::{Store as _, Stored},
    log::{
        checkpoint::{Log, Unverified},
        tree::Hash,
    },
    store::postgres::{PostgresStore, Settings},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::World;

/// Whether `/readyz` says so.
pub async fn ready(http: SocketAddr) -> bool {
    let asked = timeout(Duration::from_secs(2), async {
        let mut stream = TcpStream::connect(http).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    matches!(asked.await, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 "))
}

/// The newest head that an exchange shows, verified.
pub async fn head(world: &World, remote: &Remote) -> (u64, Hash) {
    let log = Log::of_charter(&world.pinned.charter().log).unwrap();
    let head = remote.checkpoint().await.unwrap();
    let head = Unverified::parse(head.as_bytes()).unwrap().verify(&log).unwrap();
    (head.checkpoint().size(), head.checkpoint().root())
}

/// The whole log, read beside them.
pub async fn whole(database: &Settings) -> Vec<Stored> {
    let store = PostgresStore::open(database).await.unwrap();
    let mut log = Vec::new();
    loop {
        let more = store.log(log.len() as u64, 1000).await.unwrap();
        if more.is_empty() {
            return log;
        }
        log.extend(more);
    }
}
