//! What the operator types for a day that nobody wants: `fsck`, `backup`, `restore`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use communique::{
    app::{
        backup::{self, Step},
        config::Data,
        fsck,
    },
    domain::id::Digest,
};
use rusqlite::{Connection, types::Value};
use serde_json::Value as Json;

use crate::{
    desk::{Desk, Ran},
    job::{Served, audited, draft, exchange, official, profiles, reader},
};

/// Runs the operator's program.
fn operator(desk: &Desk, line: &str) -> Ran {
    let output = desk.program("communiqued").args(line.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { line: line.into(), code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn found_by(desk: &Desk, place: &str) -> Json {
    operator(desk, &format!("fsck {place} --json")).json()
}

/// A communiqué that north has proposed.
fn proposed(desk: &Desk, text: &str) -> String {
    draft(desk, "draft.toml", text);
    let new = official(desk, "north", "new draft.toml --json").ends(0).json();
    new["communique"].as_str().unwrap().to_owned()
}

/// One that is published, with its package made.
fn published(desk: &Desk) -> String {
    let id = proposed(desk, "Texte d’essai à publier.\n");
    for act in ["initial", "sign"] {
        for party in ["north", "south"] {
            official(desk, party, &format!("{act} {id}")).ends(0);
        }
    }
    reader(desk, "north", &format!("publish {id}")).ends(0);
    desk.run(&format!("fetch {id} --out {id}.zip --profile south-archivist.toml")).ends(0);
    id
}

fn remark(desk: &Desk, id: &str) -> Ran {
    desk.run_with(&["remark", "add", id, "Une remarque.", "--profile", "north-official.toml"], "")
}

/// Serves again, at another address.
fn serve(desk: &Desk) -> Served {
    let served = Served::start(desk);
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    for party in ["north", "south"] {
        profiles(desk, party, &served.address, &pin);
    }
    served
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_backup_under_load_is_restored_served_and_continued() {
    let (desk, mut served) = exchange();
    let public = published(&desk);
    let open = proposed(&desk, "Texte d’essai ouvert.\n");
    let config = "--config host/communiqued.toml";

    // While acts go on.
    let stop = AtomicBool::new(false);
    let acted = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut acted = 0;
            while !stop.load(Ordering::Relaxed) {
                remark(&desk, &open).ends(0);
                acted += 1;
            }
            acted
        });
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for n in 0..3 {
                operator(&desk, &format!("backup {config} --to under-load-{n}"))
                    .ends(0)
                    .prints("holds a backup of exchange.example");
                operator(&desk, &format!("fsck {config}")).ends(0).prints("sound: ");
            }
        }));
        stop.store(true, Ordering::Relaxed);
        let acted = load.join().unwrap();
        made.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        acted
    });
    assert!(acted > 0);

    // Of an exchange at rest it has all.
    let kept = operator(&desk, &format!("backup {config} --to kept")).ends(0);
    kept.prints("Not in it: the exchange's keys").tells("the copies are being checked");
    let live = found_by(&desk, config);
    let said: Json = serde_json::from_str(&desk.read("kept/backup.json")).unwrap();
    let earlier: Json = serde_json::from_str(&desk.read("under-load-0/backup.json")).unwrap();
    for name in ["exchange", "founding", "size", "root", "last"] {
        assert_eq!(said[name], live[name], "{name}");
    }
    assert_eq!(said["type"], "communique.v1.backup");
    assert!(said["left_out"].as_array().unwrap().contains(&"keys".into()));
    assert!(earlier["size"].as_u64() < said["size"].as_u64());
    assert_eq!(live["counts"]["packages"], 1, "{live}");
    let held: Vec<_> = files(&desk.path("kept")).into_keys().collect();
    assert_eq!(held, ["backup.json", "content.sqlite", "log.sqlite"]);
    #[cfg(unix)]
    for name in ["kept", "kept/log.sqlite", "kept/content.sqlite", "kept/backup.json"] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o077, 0, "{name}");
    }
    operator(&desk, "fsck --data kept").ends(0).prints("sound: ");
    operator(&desk, &format!("backup {config} --to kept")).ends(1).tells("new or empty");
    operator(&desk, "backup --config absent.toml --to other").ends(64);
    operator(&desk, "fsck").ends(64);
    operator(&desk, &format!("restore --from kept {config}")).ends(1).tells("never overwritten");

    // The machine is lost; what is restored is the same log, and goes on.
    served.stop();
    fs::rename(desk.path("host/data"), desk.path("lost")).unwrap();
    let before = files(&desk.path("kept"));
    operator(&desk, &format!("restore --from kept {config}")).ends(0).prints("No log.head lay there").prints("Keys");
    assert!(files(&desk.path("kept")) == before, "a backup is only read");
    let mut served = serve(&desk);
    assert_eq!(found_by(&desk, config)["root"], said["root"]);
    audited(&desk, &["north", "south"]);
    remark(&desk, &open).ends(0);
    desk.run(&format!("fetch {public} --out again.zip --profile south-archivist.toml")).ends(0);
    assert!(fs::read(desk.path("again.zip")).unwrap() == fs::read(desk.path(&format!("{public}.zip"))).unwrap());
    served.stop();

    // Yesterday's copy, where the last head that was signed is still there: what is lacking is told, and nothing is written.
    fs::rename(desk.path("host/data"), desk.path("lost-again")).unwrap();
    fs::create_dir(desk.path("host/data")).unwrap();
    fs::copy(desk.path("lost-again/log.head"), desk.path("host/data/log.head")).unwrap();
    let newest = found_by(&desk, "--data lost-again")["size"].as_u64().unwrap();
    let lacking = newest - earlier["size"].as_u64().unwrap();
    let restored = operator(&desk, &format!("restore --from under-load-0 {config}")).ends(0);
    restored.prints(&format!("{lacking} entries that were acknowledged are LACKING")).prints("LOG_IN_DOUBT");
    operator(&desk, &format!("fsck {config}")).ends(1).prints(&format!("{lacking} that were acknowledged are lacking"));
    let _served = serve(&desk);
    let refused = remark(&desk, &open);
    assert_ne!(refused.code, Some(0), "{}", refused.out);
    assert!(desk.read("served.log").contains("the log is in doubt"), "{}", desk.read("served.log"));
    // A head of another log, or of another past, is not restored beneath.
    fs::create_dir(desk.path("other")).unwrap();
    let head = desk.read("lost/log.head");
    let mut lines: Vec<_> = head.split('\n').map(str::to_owned).collect();
    lines[1] = "3".into();
    desk.write("other/log.head", lines.join("\n"));
    operator(&desk, "restore --from kept --data other").ends(1).tells("another past");
    assert_eq!(files(&desk.path("other")).into_keys().filter(|name| name.ends_with(".sqlite")).count(), 0);
}

/// Texts that are purged after the log was copied and before the content is: both are copied again, and the copy lacks nothing that its
/// own log does not say was purged.
#[test]
fn a_purge_between_the_two_copies_is_seen() {
    let (desk, _served) = exchange();
    proposed(&desk, "Texte d’essai qui reste.\n");
    let ids: Vec<_> = (0..3)
        .map(|n| {
            let id = proposed(&desk, &format!("Texte d’essai à effacer, {n}.\n"));
            official(&desk, "north", &format!("withdraw {id}")).ends(0);
            official(&desk, "north", &format!("purge {id}")).ends(0);
            id
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let data = Data::at(desk.path("host/data"));
    let run = |to: &str, mut purges: Vec<&String>| {
        let mut steps = Vec::new();
        let told = |step| {
            steps.push(step);
            // What comes after the first copy was begun may be in the second alone, and never the other way round.
            if steps.len() == 1 {
                proposed(&desk, "Texte d’essai, venu entre les deux copies.\n");
            }
            if step == Step::Log
                && let Some(id) = purges.pop()
            {
                official(&desk, "south", &format!("purge {id}")).ends(0).prints("its texts were erased");
            }
        };
        let made = runtime.block_on(backup::backup(&data, "exchange.example", &desk.path(to), 0, told));
        (made, steps)
    };
    let (made, steps) = run("kept", vec![&ids[0]]);
    let made = made.unwrap();
    assert_eq!(steps, [Step::Log, Step::Content, Step::Again, Step::Log, Step::Content, Step::Checking]);
    let found = found_by(&desk, "--data kept");
    assert_eq!((&found["sound"], &found["counts"]["purged"]), (&true.into(), &1.into()), "{found}");
    assert_eq!(found["size"], made.size);
    operator(&desk, "restore --from kept --data restored").ends(0);
    operator(&desk, "fsck --data restored").ends(0).prints("(1 purged)");
    // Without end it is not tried.
    let (made, steps) = run("purging", vec![&ids[2], &ids[1]]);
    assert!(made.is_ok() && steps.len() == 9, "{steps:?}");
    // What the log does not say was purged is missing.
    let db = Connection::open(desk.path("restored/content.sqlite")).unwrap();
    db.execute_batch("DELETE FROM uploads; DELETE FROM blobs; DELETE FROM chunks").unwrap();
    let found = found_by(&desk, "--data restored");
    let missing: Vec<_> = found["faults"].as_array().unwrap().iter().map(|fault| fault["at"].to_string()).collect();
    assert!(missing.iter().any(|at| at.contains("data/texts/fr.txt")), "{missing:?}");
    assert!(missing.iter().all(|at| !at.contains(&ids[0])), "{missing:?}");
    assert!(missing.iter().any(|at| at.contains(&ids[1])), "it was purged after this backup: {missing:?}");
}

/// A backup that is not let end.
fn begun(desk: &Desk, to: &str) -> Child {
    let args = ["backup", "--config", "host/communiqued.toml", "--mib-per-second", "1", "--to", to];
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("communiqued"))
        .args(args)
        .current_dir(desk.0.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !line.contains("being checked") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    child.stderr = Some(stderr.into_inner());
    child
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let (desk, _served) = exchange();
    draft(&desk, "draft.toml", "Texte d’essai.\n");
    // Enough that the check takes its time at a mebibyte a second.
    desk.write("list.csv", "0123456789;abcdefghijklmnopqrstuvwxyz\n".repeat(150_000));
    official(&desk, "north", "new draft.toml").ends(0);

    for signal in ["-TERM", "-INT", "-KILL"] {
        let to = format!("interrupted{signal}");
        let mut child = begun(&desk, &to);
        assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait().unwrap();
        if signal != "-KILL" {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert_eq!(ended.code(), Some(1), "{said}");
            assert!(
                said.contains("interrupted") && said.contains("is no backup") && said.contains("Remove it"),
                "{said}"
            );
        }
        assert!(desk.path(&format!("{to}/log.sqlite")).exists() && !desk.path(&format!("{to}/backup.json")).exists());
        operator(&desk, &format!("restore --from {to} --data new")).ends(1).tells("has no backup.json");
        operator(&desk, &format!("backup --config host/communiqued.toml --to {to}")).ends(1).tells("new or empty");
    }

    operator(&desk, "backup --config host/communiqued.toml --to kept").ends(0);
    let whole = files(&desk.path("kept"));
    let said = String::from_utf8(whole["backup.json"].clone()).unwrap();
    let json: Json = serde_json::from_str(&said).unwrap();
    let with = |change: &dyn Fn(&mut Json)| {
        let mut json = json.clone();
        change(&mut json);
        json.to_string().into_bytes()
    };
    let another = "00".repeat(32);
    // What the program says of itself is nobody's to check.
    let cases: Vec<(&str, &str, Option<Vec<u8>>, &str)> = vec![
        ("no log", "log.sqlite", None, "log.sqlite"),
        ("no content", "content.sqlite", None, "content.sqlite"),
        ("no backup.json", "backup.json", None, "has no backup.json"),
        (
            "half a log",
            "log.sqlite",
            Some(whole["log.sqlite"][..whole["log.sqlite"].len() / 2].to_vec()),
            "backup.json says",
        ),
        (
            "content without its end",
            "content.sqlite",
            Some(whole["content.sqlite"][..whole["content.sqlite"].len() - 4096].to_vec()),
            "backup.json says",
        ),
        ("an empty log", "log.sqlite", Some(vec![]), "backup.json says"),
        ("a longer log", "log.sqlite", Some([&whole["log.sqlite"][..], &[0; 4096]].concat()), "backup.json says"),
        ("half a backup.json", "backup.json", Some(said.as_bytes()[..said.len() / 2].to_vec()), "was changed since"),
        ("a space", "backup.json", Some([said.as_bytes(), b" "].concat()), "was changed since"),
        (
            "another exchange",
            "backup.json",
            Some(with(&|j| j["exchange"] = "other.example".into())),
            "it says exchange other.example",
        ),
        (
            "another founding",
            "backup.json",
            Some(with(&|j| j["founding"] = another.clone().into())),
            "it says founding",
        ),
        ("another size", "backup.json", Some(with(&|j| j["size"] = 3.into())), "it says size 3"),
        (
            "another root",
            "backup.json",
            Some(with(&|j| j["root"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into())),
            "it says root",
        ),
        ("another time", "backup.json", Some(with(&|j| j["last"] = "2026-01-01T00:00:00Z".into())), "it says last"),
        (
            "another digest",
            "backup.json",
            Some(with(&|j| j["files"][0]["sha256"] = another.clone().into())),
            "do not have the digest",
        ),
        (
            "another size of a file",
            "backup.json",
            Some(with(&|j| j["files"][1]["size"] = 7.into())),
            "and backup.json says 7",
        ),
        (
            "one file",
            "backup.json",
            Some(with(&|j| drop(j["files"].as_array_mut().unwrap().pop()))),
            "was changed since",
        ),
        ("another type", "backup.json", Some(with(&|j| j["type"] = "communique.v1.entry".into())), "was changed since"),
        ("keys in it", "backup.json", Some(with(&|j| j["left_out"] = Json::Array(vec![]))), "was changed since"),
    ];
    for (n, (name, file, bytes, tells)) in cases.into_iter().enumerate() {
        let folder = format!("changed-{n}");
        fs::create_dir(desk.path(&folder)).unwrap();
        for (name, bytes) in &whole {
            desk.write(&format!("{folder}/{name}"), bytes);
        }
        match bytes {
            Some(bytes) => desk.write(&format!("{folder}/{file}"), bytes),
            None => fs::remove_file(desk.path(&format!("{folder}/{file}"))).unwrap(),
        }
        let refused = operator(&desk, &format!("restore --from {folder} --data new"));
        assert_eq!(refused.code, Some(1), "{name}: {}", refused.out);
        assert!(refused.err.contains(tells), "{name}: {}", refused.err);
        assert!(!desk.path("new/log.sqlite").exists() && !desk.path("new/content.sqlite").exists(), "{name}");
    }
    // Of another exchange than the configuration's.
    let other = desk
        .read("host/communiqued.toml")
        .replace("exchange.example", "other.example")
        .replace("\"data\"", "\"elsewhere\"");
    desk.write("host/other.toml", other);
    operator(&desk, "restore --from kept --config host/other.toml").ends(1).tells("is a backup of exchange.example");
    operator(&desk, "restore --from kept --data new").ends(0);
    operator(&desk, "fsck --data new").ends(0);
    operator(&desk, "restore --from kept --data new").ends(1).tells("never overwritten");
}

/// A copy of an exchange's data that a test damages.
struct Copy {
    folder: PathBuf,
    whole: BTreeMap<String, Vec<u8>>,
    runtime: tokio::runtime::Runtime,
}

impl Copy {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
    fn heal(&self) {
        fs::remove_dir_all(&self.folder).unwrap();
        fs::create_dir(&self.folder).unwrap();
        for (name, bytes) in self.whole.iter().filter(|(name, _)| *name != "backup.json") {
            fs::write(self.path(name), bytes).unwrap();
        }
    }
    /// What is found: a line for each fault, or the sentence that refuses to look.
    fn found(&self) -> Vec<String> {
        let data = Data::at(self.folder.clone());
        match self.runtime.block_on(fsck::fsck(&data, Some("exchange.example"), 0)) {
            Ok(report) => report.faults.listed().iter().map(|found| format!("{}: {}", found.at, found.what)).collect(),
            Err(error) => vec![error.to_string()],
        }
    }
    fn sql(&self, name: &str, sql: &str) {
        let db = Connection::open(self.path(name)).unwrap();
        db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
    }
    /// Every row of a query, as it is in the whole copy.
    fn rows(&self, name: &str, sql: &str) -> Vec<Vec<Value>> {
        rows(&self.path(name), sql).unwrap()
    }
}

fn rows(path: &Path, sql: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let db = Connection::open(path)?;
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|n| row.get(n)).collect())?;
    rows.collect()
}

/// All that a database says; none if it cannot be read.
fn said(path: &Path) -> Option<Vec<(String, Vec<Vec<Value>>)>> {
    let tables = rows(path, "SELECT name, sql FROM sqlite_schema ORDER BY name").ok()?;
    let mut all = vec![("schema".to_owned(), tables.clone())];
    for pragma in ["application_id", "user_version"] {
        all.push((pragma.to_owned(), rows(path, &format!("PRAGMA {pragma}")).ok()?));
    }
    for table in &tables {
        let Value::Text(name) = &table[0] else { return None };
        if let Ok(mut rows) = rows(path, &format!("SELECT * FROM {name}")) {
            rows.sort_by_key(|row| format!("{row:?}"));
            all.push((name.clone(), rows));
        } else if !name.starts_with("sqlite_")
            && matches!(&table[1], Value::Text(sql) if sql.starts_with("CREATE TABLE"))
        {
            return None;
        }
    }
    Some(all)
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);
impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn flipped(bytes: &[u8], at: usize, by: u8) -> String {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= by;
    format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn blob(value: &Value) -> &[u8] {
    match value {
        Value::Blob(bytes) => bytes,
        other => panic!("{other:?} is no blob"),
    }
}
fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}
fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

#[test]
fn damage_is_found_and_the_row_is_named() {
    let (desk, mut served) = exchange();
    let public = published(&desk);
    let open = proposed(&desk, "Texte d’essai ouvert.\n");
    remark(&desk, &open).ends(0);
    operator(&desk, "backup --config host/communiqued.toml --to kept").ends(0);
    served.stop();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let copy = Copy { folder: desk.path("copy"), whole: files(&desk.path("kept")), runtime };
    fs::create_dir(&copy.folder).unwrap();
    copy.heal();
    assert_eq!(copy.found(), Vec::<String>::new());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let expect = |file: &str, sql: &str, named: &str| {
        copy.heal();
        copy.sql(file, sql);
        let found = copy.found();
        assert!(found.iter().any(|found| found.contains(named)), "{sql}: {named:?} is not in {found:?}");
    };

    // A byte of each entry, of what it names, of each node, of each chunk; then the row is gone.
    let entries = copy.rows("log.sqlite", "SELECT idx, stream, bytes, digest FROM entries ORDER BY idx");
    assert!(entries.len() > 15, "{}", entries.len());
    for row in &entries {
        let (index, stream, bytes) = (number(&row[0]), text(&row[1]), blob(&row[2]));
        let named = format!("entry {index} of {stream}");
        let changed = flipped(bytes, numbers.below(bytes.len()), 1 << numbers.below(8));
        expect("log.sqlite", &format!("UPDATE entries SET bytes = {changed} WHERE idx = {index}"), &named);
        if index % 4 == 0 {
            let changed = flipped(blob(&row[3]), numbers.below(32), 1 << numbers.below(8));
            expect("log.sqlite", &format!("UPDATE entries SET digest = {changed} WHERE idx = {index}"), &named);
            expect("log.sqlite", &format!("DELETE FROM entries WHERE idx = {index}"), &format!("entry {index}"));
        }
    }
    for (n, row) in copy.rows("log.sqlite", "SELECT digest, idx, bytes FROM objects").iter().enumerate() {
        let (name, bytes) = (flipped(blob(&row[0]), 0, 0), blob(&row[2]));
        let named = format!("entry {} of ", number(&row[1]));
        let sql = match n % 4 {
            0 => format!("DELETE FROM objects WHERE digest = {name}"),
            _ => {
                let changed = flipped(bytes, numbers.below(bytes.len()), 1 << numbers.below(8));
                format!("UPDATE objects SET bytes = {changed} WHERE digest = {name}")
            }
        };
        expect("log.sqlite", &sql, &named);
    }
    for row in copy.rows("log.sqlite", "SELECT n, hash FROM nodes").iter().step_by(3) {
        let changed = flipped(blob(&row[1]), numbers.below(32), 1 << numbers.below(8));
        expect(
            "log.sqlite",
            &format!("UPDATE nodes SET hash = {changed} WHERE n = {}", number(&row[0])),
            "the tree's node ",
        );
    }
    let parts = "SELECT c.blob, c.n, c.bytes, b.digest, b.id IN (SELECT blob FROM packages) FROM chunks c JOIN blobs b ON b.id = c.blob";
    for row in &copy.rows("content.sqlite", parts) {
        let (bytes, name) = (blob(&row[2]), blob(&row[3]));
        let named = format!("content {}: ", Digest::from_bytes(name.try_into().unwrap()));
        let changed = flipped(bytes, numbers.below(bytes.len()), 1 << numbers.below(8));
        let which = format!("blob = {} AND n = {}", number(&row[0]), number(&row[1]));
        expect("content.sqlite", &format!("UPDATE chunks SET bytes = {changed} WHERE {which}"), &named);
        expect("content.sqlite", &format!("DELETE FROM chunks WHERE {which}"), &named);
        let gone = if number(&row[4]) == 1 { format!("the package of {public}: ") } else { named.clone() };
        expect("content.sqlite", &format!("DELETE FROM blobs WHERE id = {}", number(&row[0])), &gone);
        expect("content.sqlite", &format!("UPDATE blobs SET size = size + 1 WHERE id = {}", number(&row[0])), &named);
    }
    let row = "UPDATE communiques SET";
    for (file, sql, named) in [
        ("log.sqlite", format!("{row} state = 'lapsed' WHERE id = '{open}'"), format!("{open} in the list")),
        ("log.sqlite", format!("{row} state = 'no state' WHERE id = '{open}'"), format!("{open} in the list")),
        ("log.sqlite", format!("{row} revision = 7 WHERE id = '{public}'"), format!("{public} in the list")),
        ("log.sqlite", format!("{row} manifest = zeroblob(32) WHERE id = '{public}'"), format!("{public} in the list")),
        ("log.sqlite", format!("DELETE FROM communiques WHERE id = '{public}'"), format!("{public} in the list")),
        ("log.sqlite", format!("DELETE FROM communique_parties WHERE communique = '{open}' AND n = 1"), format!("{open} in the list")),
        ("log.sqlite", "UPDATE communiques SET id = '019cae6b-6600-7101-8101-010101010101' WHERE state = 'published'".into(), format!("{public} in the list")),
        ("log.sqlite", "UPDATE tree SET root = zeroblob(32)".into(), "the tree's size and root".into()),
        ("log.sqlite", "UPDATE tree SET size = size - 1".into(), "the tree's size and root".into()),
        ("log.sqlite", "INSERT INTO cosignatures VALUES (3, 'north', 'no line')".into(), "the cosignature by north of the head of 3".into()),
        ("log.sqlite", "INSERT INTO cosignatures VALUES (99999, 'north', '— a b')".into(), "the cosignature by north".into()),
        ("log.sqlite", "DROP TABLE nodes".into(), "log.sqlite".into()),
        ("log.sqlite", "PRAGMA application_id = 1".into(), "is not a log of communiqué".into()),
        ("log.sqlite", "PRAGMA user_version = 1".into(), "has schema 1".into()),
        ("log.sqlite", "PRAGMA user_version = 99".into(), "has schema 99".into()),
        ("content.sqlite", format!("INSERT INTO stamps VALUES ('{public}', x'00')"), format!("the time stamp of {public}")),
        ("content.sqlite", format!("INSERT INTO stamps VALUES ('{open}', x'00')"), format!("the package of {open}")),
        ("content.sqlite", "UPDATE packages SET witnesses = 7".into(), format!("the package of {public}")),
        ("content.sqlite", "UPDATE packages SET blob = (SELECT id FROM blobs WHERE digest <> (SELECT digest FROM blobs b JOIN packages p ON p.blob = b.id) LIMIT 1)".into(), format!("the package of {public}")),
        ("content.sqlite", "UPDATE uploads SET blob = 999 WHERE rowid = 1".into(), "content.sqlite".into()),
        ("content.sqlite", "DELETE FROM blobs; DELETE FROM chunks; DELETE FROM uploads; DELETE FROM packages".into(), format!("data/texts/fr.txt of {open}, revision 1")),
    ] {
        expect(file, &sql, &named);
    }
    // Of many, each.
    copy.heal();
    copy.sql("log.sqlite", "UPDATE entries SET bytes = x'00' WHERE idx IN (2, 7, 8)");
    copy.sql("content.sqlite", "UPDATE chunks SET bytes = x'00'");
    let found = copy.found();
    for named in
        ["entry 2 of ", "entry 7 of ", "entry 8 of ", "data/texts/ar.txt", "data/annexes/1.csv", "the package of"]
    {
        assert!(found.iter().any(|found| found.contains(named)), "{named}: {found:?}");
    }

    // Bytes of the files themselves: each is found, or the file says what it said. In a backup each is found.
    let whole: BTreeMap<_, _> = ["log.sqlite", "content.sqlite"]
        .map(|name| {
            copy.heal();
            (name, said(&copy.path(name)).unwrap())
        })
        .into();
    let (mut seen, mut harmless) = (0, 0);
    for (name, before) in &whole {
        for n in 0..120 {
            copy.heal();
            let mut bytes = copy.whole[*name].clone();
            // The header and the first pages of tables too.
            let at = if n < 20 { numbers.below(100) } else { numbers.below(bytes.len()) };
            bytes[at] ^= 1 << numbers.below(8);
            fs::write(copy.path(name), &bytes).unwrap();
            if !copy.found().is_empty() {
                seen += 1;
                continue;
            }
            assert!(said(&copy.path(name)).as_ref() == Some(before), "byte {at} of {name} was changed, and nobody saw");
            harmless += 1;
            fs::write(copy.path("backup.json"), &copy.whole["backup.json"]).unwrap();
            let found = copy.found();
            assert!(
                found.iter().any(|found| found.contains("do not have the digest")),
                "byte {at} of {name}: {found:?}"
            );
        }
    }
    eprintln!("flipped bytes: {seen} found, {harmless} changed nothing that the files say");
    // Small databases are half empty pages.
    assert!(seen * 4 > harmless, "{seen} {harmless}");
}
