//! A foreign system: a Python client made from the published protos reads a communiqué over mutual TLS.
//!
//! `COMMUNIQUE_TEST_PYTHON` names the Python that has grpcio and grpcio-tools; `python3` if it is not set.

use std::{io::Write as _, path::Path, process::Command};

use communique::domain::{
    act::ActKind,
    id::{Digest, Role},
};
use serde_json::{Value, json};

use crate::world::{EXCHANGE, NAMED, World, key, sign};

/// Whether a Python with grpcio is there. Without one the test is skipped aloud; where `CI` is set it fails.
#[expect(clippy::disallowed_methods, reason = "which Python there is, and whether it must be, is the machine's to say")]
fn python() -> Option<String> {
    let python = std::env::var("COMMUNIQUE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import grpc, grpc_tools"]).output();
    if there.is_ok_and(|there| there.status.success()) {
        return Some(python);
    }
    let why = format!(
        "{python} cannot import grpc and grpc_tools; install grpcio and grpcio-tools, or name a Python that has them in COMMUNIQUE_TEST_PYTHON"
    );
    assert!(std::env::var_os("CI").is_none(), "{why}");
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: a Python client reads a communiqué: {why}");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_lists_and_reads_communiques() {
    let Some(python) = python() else { return };
    let world = World::new().await;
    let first = world.draft(&NAMED, |_| ()).await;
    let second = world.revise("south.a", &first, "Deuxième texte.\n").await;
    let opening = world.open(&second).await;
    let escrowed = sign(world.act(ActKind::Sign, "south.a", &second, Some(opening)), &key("south.a"));
    world.carry("south", &escrowed).await.unwrap();
    for _ in 0..2 {
        world.draft(&["north", "west"], |_| ()).await;
    }
    let foreign = world.draft(&["south", "east"], |_| ()).await;

    let dir = tempfile::tempdir().unwrap();
    let connection = world.connection("north", Role::System);
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let certificate = file("certificate.pem", &connection.certificate_pem);
    let private = file("key.pem", &connection.key_pem);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut client = Command::new(python);
    client
        .arg(root.join("tests/foreign/read_communique.py"))
        .arg("--protos")
        .arg(root.join("proto"))
        .args(["--address", connection.address(), "--name", EXCHANGE])
        .arg("--ca")
        .arg(world.config.tls.certificate.with_file_name("ca.pem"))
        .arg("--certificate")
        .arg(certificate)
        .arg("--key")
        .arg(private);
    let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&read["agree"], &read["unknown"]), (&json!(true), &json!("NOT_FOUND")));
    let communiques = read["communiques"].as_array().unwrap();
    assert_eq!(communiques.len(), 3, "three name North: {said}");
    let name = |id| json!(format!("communiques/{id}"));
    assert!(!communiques.iter().any(|c| c["name"] == name(foreign.communique)));
    let read = communiques.iter().find(|c| c["name"] == name(second.communique)).unwrap();
    assert_eq!((&read["state"], &read["revision"]), (&json!("STATE_OPEN"), &json!(2)));
    assert_eq!(read["revisions"], json!([1, 2]));
    assert_eq!(read["manifest"], json!(second.digest().to_string()));
    assert_eq!(read["texts"], json!({"fr": {"text": "Deuxième texte.\n", "agrees": true}}));
    let acts = read["acts"].as_array().unwrap();
    assert_eq!(acts.len(), 4, "three initials and a signature");
    assert_eq!(acts[3], json!({"escrowed": "parties/south", "revision": 2}));
    assert!(!said.contains(&Digest::of(escrowed.as_bytes()).to_string()));
    world.stop().await;
}
