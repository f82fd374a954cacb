//! `communique witness --audit` at a ministry: before an exchange that is honest, one that cannot be read, and one that lies.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::Child,
    sync::Arc,
    time::Duration,
};

use communique::{
    client::remote::Connection,
    domain::{
        act::ActKind,
        entry::{Kind, StreamId},
        id::{Digest, Role},
        statement::Statement,
    },
    wire::v1,
};
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    host::{Host, Lies},
    past::{Past, stranger},
    witness::{Ministry, Ran, newest, shown},
    world::{NAMED, PATIENCE, World, papers},
};

/// The lines of a program that runs, each as JSON.
struct Lines(mpsc::Receiver<String>);

impl Lines {
    fn of(child: &mut Child) -> Self {
        let (tell, lines) = mpsc::channel(256);
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.blocking_send(line)));
        Self(lines)
    }
    /// The next that is so.
    async fn next(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.0.recv().await {
                let value: Value = serde_json::from_str(&line).unwrap();
                if is(&value) {
                    return value;
                }
            }
            panic!("it ended without {what}");
        });
        found.await.unwrap_or_else(|_| panic!("there is no {what}"))
    }
    /// What is told within this time.
    async fn within(&mut self, time: Duration) -> Vec<Value> {
        let mut told = vec![];
        let _ = timeout(time, async {
            while let Some(line) = self.0.recv().await {
                told.push(serde_json::from_str(&line).unwrap());
            }
        })
        .await;
        told
    }
}

/// The lines of a program that has ended.
fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

impl Ministry {
    /// A profile of this name beside the witness's.
    fn profile(&self, name: &str, world: &World, c: &Connection) {
        let put = |name: String, bytes: &[u8]| fs::write(self.path(&name), bytes).unwrap();
        put(format!("{name}-tls.pem"), &c.certificate_pem);
        put(format!("{name}-tls-key.pem"), &c.key_pem);
        let pin = world.pinned.charter().digest();
        let profile = format!(
            "address = \"{}\"\ncharter = \"charter.json\"\npin = \"{pin}\"\ncertificate = \"{name}-tls.pem\"\nkey = \"{name}-tls-key.pem\"\n",
            c.address()
        );
        put(format!("{name}.toml"), profile.as_bytes());
    }
    fn receipts(&self, world: &World) -> PathBuf {
        self.path(&format!("official.toml.receipts/{}", world.pinned.founding()))
    }
    fn evidence(&self, world: &World) -> Vec<PathBuf> {
        let files = fs::read_dir(self.receipts(world)).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("evidence-")).collect()
    }
}

const AUDIT: [&str; 2] = ["--audit", "./official.toml"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_audits_what_it_cosigns_and_goes_on_without_where_it_cannot() {
    let world = World::new().await;
    let ministry = Ministry::of(&world, "north", "witness of north");
    ministry.profile("official", &world, &world.connection("north", Role::Official));
    let audited = ministry.once(&AUDIT).await.ends(0);
    let [first, cosigned] = <[Value; 2]>::try_from(lines(&audited)).unwrap();
    let size = newest(&world, "north").await.checkpoint().size();
    assert_eq!((&first["audited"]["good"], &first["audited"]["from"]), (&true.into(), &0.into()), "{first}");
    assert_eq!((&first["audited"]["size"], &cosigned["size"]), (&size.into(), &size.into()));
    assert!(first["audited"]["own"].as_array().unwrap().len() >= 4, "its trust and its grants: {first}");

    // It goes on where it stopped, as does `audit`, which keeps the same.
    world.draft(&NAMED, |_| ()).await;
    let again = lines(&ministry.once(&AUDIT).await.ends(0));
    assert_eq!(again[0]["audited"]["from"], size);
    let grown = again[0]["audited"]["size"].as_u64().unwrap();
    assert!(grown > size && again[1]["size"] == grown);
    let by_hand = ministry.runs(&["--json", "--profile", "./official.toml", "audit"]).await.ends(0);
    assert_eq!(serde_json::from_str::<Value>(&by_hand.out).unwrap()["from"], grown);
    let words = ministry.spoken(&["--once", "--audit", "./official.toml"]).await.ends(0);
    assert!(
        words.out.contains(&format!("{grown} entries: audited, nothing is new; no lie was found\n")),
        "{}",
        words.out
    );

    // Another audit runs: it is told, and the head is cosigned all the same.
    let lock = File::options().write(true).open(ministry.receipts(&world).join("audit.lock")).unwrap();
    lock.try_lock().unwrap();
    world.draft(&NAMED, |_| ()).await;
    let held = lines(&ministry.once(&AUDIT).await.ends(1));
    assert!(held[0]["not_audited"].as_str().unwrap().contains("another audit runs"), "{held:?}");
    assert!(held[1]["size"].as_u64().unwrap() > grown, "{held:?}");

    // While it runs, that is told once when it begins, and once when it is over.
    let mut child = ministry.start(&[&AUDIT[..], &["--audit-interval", "1", "--interval", "1"]].concat());
    let mut told = Lines::of(&mut child);
    told.next("outage", |line| line["not_audited"].is_string()).await;
    world.draft(&NAMED, |_| ()).await;
    let longer = newest(&world, "north").await.checkpoint().size();
    told.next("cosignature", |line| line["size"] == longer).await;
    let more = told.within(Duration::from_secs(4)).await;
    assert_eq!(more, [] as [Value; 0], "once is enough");
    lock.unlock().unwrap();
    let over = told.next("audit", |line| line["audited"].is_object()).await;
    assert_eq!((&over["audited"]["from"], &over["audited"]["size"]), (&grown.into(), &longer.into()));
    // Where nothing has come, nothing is audited; and where something has, it is.
    assert_eq!(told.within(Duration::from_secs(3)).await, [] as [Value; 0]);
    world.draft(&NAMED, |_| ()).await;
    let next = told.next("audit", |line| line["audited"].is_object()).await;
    assert_eq!((&next["audited"]["good"], &next["audited"]["from"]), (&true.into(), &longer.into()));
    child.kill().unwrap();
    child.wait().unwrap();

    // An exchange that cannot be reached.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let profile = fs::read_to_string(ministry.path("official.toml")).unwrap();
    fs::write(ministry.path("official.toml"), profile.replace(&world.bound().exchange.to_string(), &nowhere)).unwrap();
    let out = ministry.spoken(&["--once", "--audit", "./official.toml"]).await.ends(69);
    assert!(out.err.contains("the log was not audited: the exchange cannot be reached"), "{}", out.err);
    assert!(out.out.contains("entries: cosigned, and handed in"), "{}", out.out);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_that_may_not_audit_for_a_witness_is_refused_at_once() {
    let world = World::new().await;
    let ministry = Ministry::of(&world, "north", "witness of north");
    for (name, of, role, said) in [
        ("a", "north", Role::Witness, "the role witness, which may not read"),
        ("b", "north", Role::Authority, "the role authority, which may not read"),
        ("c", "north", Role::Archivist, "communique certs issue --role system"),
        ("d", "south", Role::Official, "give a profile of the same party"),
    ] {
        ministry.profile(name, &world, &world.connection(of, role));
        let refused = ministry.once(&["--audit", &format!("./{name}.toml")]).await.ends(64);
        assert!(refused.err.contains(said) && refused.out.is_empty(), "{}", refused.err);
    }
    ministry.profile("system", &world, &world.connection("north", Role::System));
    ministry.once(&["--audit", "./system.toml"]).await.ends(0);
    // Another exchange.
    let elsewhere = papers(tempfile::tempdir().unwrap().path()).charter;
    fs::write(ministry.path("other.json"), elsewhere.bytes()).unwrap();
    let profile = fs::read_to_string(ministry.path("system.toml")).unwrap();
    let pin = world.pinned.charter().digest().to_string();
    let other = profile.replace("charter.json", "other.json").replace(&pin, &elsewhere.digest().to_string());
    fs::write(ministry.path("other.toml"), other).unwrap();
    let refused = ministry.once(&["--audit", "./other.toml"]).await.ends(64);
    assert!(refused.err.contains("of another exchange than the witness's"), "{}", refused.err);
    ministry.once(&["--audit", "./absent.toml"]).await.ends(64);
    // An interval without an audit.
    ministry.once(&["--audit-interval", "5"]).await.ends(64);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_audits_stops_at_an_act_that_nobody_did() {
    let world = Arc::new(World::new().await);
    let host = Host::before(&world).await;
    let manifest = world.draft(&NAMED, |_| ()).await;
    let ministry = Ministry::of(&world, "north", "witness of north");
    for (name, role) in [("profile", Role::Witness), ("official", Role::Official)] {
        ministry.profile(name, &world, &host.connection("north", role));
    }
    let mut child = ministry.start(&[&AUDIT[..], &["--audit-interval", "1", "--interval", "1"]].concat());
    let mut told = Lines::of(&mut child);
    let size = newest(&world, "north").await.checkpoint().size();
    told.next("audit", |line| line["audited"]["good"] == true && line["audited"]["size"] == size).await;
    told.next("cosignature", |line| line["size"] == size).await;
    let before = shown(&world, "north").await.1.unwrap().to_string();

    // The log goes on from what was cosigned, and its heads are signed and proven: a witness alone finds nothing in it.
    let forged = Statement::sign(world.act(ActKind::Initial, "north.a", &manifest, None), &stranger()).unwrap();
    let past = Past::of(&world).and(&StreamId::Communique(manifest.communique), |row| {
        row.entry.kind = Kind::Act;
        row.entry.statements = vec![Digest::of(forged.compact().as_bytes())];
        row.objects = vec![forged.compact().as_bytes().to_vec()];
    });
    host.lies(past.told().with(past.watched()));
    let lie = told.next("lie", |line| line["audited"]["good"] == false).await;
    assert_eq!(lie["audited"]["lie"]["kind"], "against_rules", "{lie}");
    let ended = timeout(PATIENCE, tokio::task::spawn_blocking(move || child.wait_with_output()));
    let ended = ended.await.unwrap().unwrap().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && err.contains("LOG_LIES"), "{err}");
    assert!(err.contains("this witness cosigns nothing more") && err.contains("witness.pem.doubt"), "{err}");

    // The evidence is what `audit` writes: it proves it to anybody.
    let files = ministry.evidence(&world);
    let pin = world.pinned.charter().digest().to_string();
    let file = files[0].display().to_string();
    assert_eq!(files.len(), 1);
    let judged = ministry.runs(&["audit", "verify", &file, "--pin", &pin]).await.ends(0);
    assert!(judged.out.contains("PROVEN: the exchange lied"), "{}", judged.out);
    let doubt: Value = serde_json::from_slice(&fs::read(ministry.path("witness.pem.doubt")).unwrap()).unwrap();
    assert_eq!(doubt["audited"]["kind"], "against_rules");
    assert!(doubt["audited"]["evidence"].as_str().unwrap().ends_with(files[0].file_name().unwrap().to_str().unwrap()));

    // Nothing is cosigned after that, with the audit or without, also where the host tells the truth again.
    let head = fs::read(ministry.path("witness.pem.head")).unwrap();
    for truth in [false, true] {
        if truth {
            host.tells_the_truth();
            world.draft(&NAMED, |_| ()).await;
        }
        for args in [&AUDIT[..], &[]] {
            let refused = ministry.once(args).await.ends(1);
            assert!(refused.out.is_empty() && refused.err.contains("an audit found a lie"), "{}", refused.err);
        }
    }
    assert_eq!(fs::read(ministry.path("witness.pem.head")).unwrap(), head);
    assert_eq!(shown(&world, "north").await.1.unwrap().to_string(), before, "it cosigned after the lie");

    // Who begins with the lie cosigns nothing at all; and it is told in words as by `audit`.
    host.lies(past.told().with(past.watched()));
    let other = Ministry::of(&world, "north", "witness of north");
    for (name, role) in [("profile", Role::Witness), ("official", Role::Official)] {
        other.profile(name, &world, &host.connection("north", role));
    }
    let said = other.spoken(&["--once", "--audit", "./official.toml"]).await.ends(1);
    for words in
        ["A LIE WAS FOUND", "signature of this act does not verify", "This proves it to anybody", "--pin FINGERPRINT"]
    {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(!said.out.contains("cosigned") && !other.path("witness.pem.head").exists(), "{}", said.out);
    // What does not hold, and is signed by nobody, is no doubt; nor is anything cosigned.
    other.profile("profile", &world, &world.connection("north", Role::Witness));
    fs::remove_file(other.path("witness.pem.doubt")).unwrap();
    host.lies(Lies::default().changed("ListCharters", |_, all: &mut v1::ListChartersResponse| all.charters.clear()));
    let broken = other.spoken(&["--once", "--audit", "./official.toml"]).await.ends(1);
    assert!(broken.err.contains("the log cannot be audited") && broken.out.is_empty(), "{}", broken.err);
    assert!(!other.path("witness.pem.doubt").exists() && !other.path("witness.pem.head").exists());

    // A human has acted: what it found is still there.
    host.lies(past.told().with(past.watched()));
    other.once(&AUDIT).await.ends(1);
    assert!(other.path("witness.pem.doubt").exists() && !other.path("witness.pem.head").exists());
    host.tells_the_truth();
    world.stop().await;
}
