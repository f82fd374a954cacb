//! etcd beside it: durable puts of values of the size of an act, over plain HTTP/2, one member, as Debian ships it.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use tonic::{
    Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{
    Acts, WHOLE,
    figures::in_flight,
    missing::missing,
    ports::free_ports,
    process::{Running, listening},
    share,
};

/// etcdserverpb.PutRequest, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct Put {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// etcdserverpb.PutResponse: nothing of it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct Done {}

/// Bytes of a value: those of an act.
const VALUE: usize = 1_000;

/// Puts at the loads of acts, and acts beside them.
pub async fn puts(acts: &Acts, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let [client, peer] = free_ports().map(|address| format!("http://{address}"));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(folder.path()).args(["--listen-client-urls", &client, "--listen-peer-urls", &peer]);
    command.args(["--advertise-client-urls", &client, "--log-level", "error"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        return missing("etcd", "install Debian's package etcd-server");
    };
    let mut running = Running::of(child);
    let address = client.strip_prefix("http://").unwrap().parse().unwrap();
    listening(address, Instant::now(), || {
        assert!(running.child().try_wait().unwrap().is_none(), "etcd has ended");
    });
    let mut lines = Vec::new();
    for _ in 0..8 {
        lines.push(Endpoint::from_shared(client.clone()).unwrap().connect().await.unwrap());
    }
    // The first one waits until it has elected itself.
    put(&lines[0], "first".into()).await;
    let lines = Arc::new(lines);
    for load in WHOLE {
        let lines = lines.clone();
        let run = in_flight(load, share(count, load), move |worker, n| {
            let channel = lines[worker % lines.len()].clone();
            async move { put(&channel, format!("{load}/{n}")).await }
        });
        let run = run.await;
        println!(
            "etcd: puts, {load} in flight: {}; acts over it {:.2}",
            run.told(),
            acts.runs[&load].rate() / run.rate()
        );
    }
}

async fn put(channel: &Channel, key: String) {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let put = Put { key: key.into_bytes(), value: vec![7; VALUE] };
    let path = http::uri::PathAndQuery::from_static("/etcdserverpb.KV/Put");
    grpc.unary(Request::new(put), path, ProstCodec::<Put, Done>::default()).await.unwrap();
}
