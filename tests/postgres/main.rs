//! The server of the tests, tested: who gets in, and what is left of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, and starts itself again"
)]

mod cluster;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use cluster::{Cluster, Database};
use rustix::process::Signal;

/// What a client gets to see that comes as the exchange does, but for `mode` of TLS and the password.
fn asked(database: &Database, mode: &str, password: &str, sql: &str) -> Result<String, String> {
    let mut psql = Command::new("psql");
    psql.args(["-XAt", "-c", sql]).env("PGPASSWORD", password);
    psql.arg(format!("{}?sslmode={mode}&sslrootcert={}", database.url, database.ca.display()));
    let output = psql.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn clients_come_over_tls_with_a_password_and_are_no_superusers() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database("admitted");
    let password = fs::read_to_string(&database.password_file).unwrap();
    let who =
        "SELECT version, rolsuper FROM pg_stat_ssl, pg_roles WHERE pid = pg_backend_pid() AND rolname = current_user";
    assert_eq!(asked(&database, "verify-full", &password, who).unwrap(), "TLSv1.3|f");
    assert!(asked(&database, "disable", &password, who).unwrap_err().contains("no encryption"));
    assert!(asked(&database, "verify-full", "guessed", who).unwrap_err().contains("authentication failed"));
}

#[test]
fn what_was_committed_is_there_after_every_end_and_on_a_standby() {
    let Some(cluster) = Cluster::start("") else { return };
    cluster.database("kept");
    cluster.sql("kept", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    cluster.kill();
    cluster.start_again();
    cluster.stop_immediately();
    cluster.start_again();
    let standby = cluster.standby("second");
    cluster.sql("kept", "ALTER SYSTEM SET synchronous_standby_names = 'second'");
    cluster.sql("kept", "ALTER SYSTEM SET synchronous_commit = 'remote_apply'");
    cluster.sql("kept", "SELECT pg_reload_conf()");
    cluster.sql("kept", "INSERT INTO t VALUES (2)");
    assert_eq!(standby.sql("kept", "SELECT sum(n), pg_is_in_recovery() FROM t"), "3|t");
}

/// Not a test: what `nothing_is_left_of_a_test_that_was_killed` starts and kills.
#[test]
#[ignore = "started by another test"]
fn held() {
    let cluster = Cluster::start("").unwrap();
    let folder = cluster.reach("none").ca.parent().unwrap().to_owned();
    // A server that was stopped does not hear a signal.
    cluster.signal(Signal::STOP);
    fs::write(std::env::var_os("SAY_TO").unwrap(), folder.to_str().unwrap()).unwrap();
    sleep(Duration::from_secs(600));
}

#[test]
fn nothing_is_left_of_a_test_that_was_killed() {
    let Some(_) = Cluster::shared() else { return };
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "held", "--ignored"]).env("SAY_TO", said.path());
    let mut other = other.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let folder = || fs::read_to_string(said.path()).unwrap();
    until("it holds a server", || !folder().is_empty());
    let folder = PathBuf::from(folder());
    assert!(folder.exists() && works_in(&folder.join("data")) > 0);
    other.kill().unwrap();
    other.wait().unwrap();
    until("all of it is gone", || !folder.exists() && works_in(&folder.join("data")) == 0);
}

/// How many processes work in this folder, be it there or not.
fn works_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let places = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    places
        .filter(|place| {
            place.to_str().is_some_and(|place| place.trim_end_matches(" (deleted)") == folder.to_str().unwrap())
        })
        .count()
}

fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("waited in vain until {what}");
}
