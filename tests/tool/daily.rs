//! What drafters and systems need day by day: the inbox, history, remarks, and watching.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    desk::Desk,
    job::{draft, exchange, official, reader},
};

/// Longer than anything waited for here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn proposed(desk: &Desk) -> String {
    draft(desk, "draft.toml", "Texte d’essai.\n");
    let made = official(desk, "north", "new draft.toml --json").ends(0).json();
    made["communique"].as_str().unwrap().to_owned()
}

#[test]
fn what_waits_what_was_done_and_what_was_said() {
    let (desk, _served) = exchange();
    reader(&desk, "south", "inbox").ends(0).prints("Nothing waits");
    let id = proposed(&desk);
    let inbox = reader(&desk, "south", "inbox --json").ends(0).json();
    assert_eq!(inbox["inbox"][0]["communique"], id.as_str());
    assert_eq!(inbox["inbox"][0]["awaited"], serde_json::json!(["initial"]));
    assert_eq!(inbox["inbox"][0]["deadline"], Value::Null);
    reader(&desk, "south", "inbox").ends(0).prints("initial").prints(&id);

    // Filters.
    let listed = |filter: &str| {
        let rows = reader(&desk, "south", &format!("list {filter} --json")).ends(0).json();
        rows["communiques"].as_array().unwrap().len()
    };
    for (filter, rows) in [
        ("--text COMMUNIQUÉ", 1),
        ("--text تجريبي", 1),
        ("--text rien", 0),
        ("--party north", 1),
        ("--awaiting", 1),
        ("--awaiting --state open", 0),
        ("--state drafting --party south --text essai", 1),
    ] {
        assert_eq!(listed(filter), rows, "{filter}");
    }
    reader(&desk, "south", "list --text rien").ends(0).prints("None that these filters leave");
    reader(&desk, "south", "list --state ajar").ends(64);

    // Remarks, to all and within; by revision.
    let say = |party: &str, args: &[&str]| {
        let profile = format!("{party}-official.toml");
        let args = [&["remark", "add", &id][..], args, &["--profile", &profile]].concat();
        desk.run_with(&args, "")
    };
    say("north", &["Le deuxième alinéa manque.", "--lang", "fr"]).ends(0).prints("every party");
    let own = say("south", &["Rester ferme.", "--own", "--author", "Cabinet (exemple)", "--json"]).ends(0).json();
    assert_eq!((&own["remark"]["audience"], &own["remark"]["party"]), (&"own".into(), &"south".into()));
    say("north", &["De la suite.", "--revision", "2"]).ends(1).tells("no revision 2");
    say("north", &["\u{202e}à l’envers"]).ends(1);
    desk.write("said.txt", "D’un fichier.\n");
    say("north", &["--text-file", "said.txt"]).ends(0);
    say("north", &[]).ends(64);
    let souths = reader(&desk, "south", &format!("remark list {id}")).ends(0);
    souths.prints("deuxième alinéa").prints("official/a.sample").prints("Rester ferme.").prints("within the party");
    let norths = reader(&desk, "north", &format!("remark list {id}")).ends(0).prints("D’un fichier.");
    assert!(!norths.out.contains("Rester ferme."), "{}", norths.out);
    let own = reader(&desk, "south", &format!("remark list {id} --own --json")).ends(0).json();
    assert_eq!(own["remarks"].as_array().unwrap().len(), 1);
    reader(&desk, "north", &format!("remark list {id} --revision 2")).ends(0).prints("None yet");

    // History.
    for party in ["north", "south"] {
        official(&desk, party, &format!("initial {id}")).ends(0);
    }
    official(&desk, "north", &format!("sign {id}")).ends(0);
    let open = reader(&desk, "south", "inbox --json").ends(0).json();
    assert_eq!(open["inbox"][0]["awaited"], serde_json::json!(["sign"]));
    let history = reader(&desk, "south", &format!("history {id}")).ends(0);
    history.prints("proposed revision 1").prints("A. Essai").prints("open for signature").prints("in escrow");
    let profile = ["--yes", "--passphrase-fd", "0", "--profile", "south-official.toml"];
    let declined = [&["decline", &id, "--reason", "Il manque une date."][..], &profile].concat();
    desk.run_with(&declined, crate::desk::WORDS).ends(0);
    reader(&desk, "north", &format!("history {id}")).ends(0).prints("declined").prints("Il manque une date.");
    reader(&desk, "north", "inbox").ends(0).prints("propose");
    let history = reader(&desk, "south", &format!("history {id} --json")).ends(0).json();
    let what: Vec<_> = history["history"].as_array().unwrap().iter().map(|h| h["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["propose", "initial", "initial", "opened", "sign", "decline"]);
    assert_eq!(history["history"][4]["escrowed"], true);
    assert_eq!(history["history"][4]["time"], Value::Null);
    assert_eq!(history["history"][5]["reason"], "Il manque une date.");
    let times: Vec<_> = history["history"].as_array().unwrap().iter().filter_map(|h| h["time"].as_str()).collect();
    assert!(times.len() == 5 && times.is_sorted(), "{times:?}");
    reader(&desk, "north", &format!("history {}", "019a0000-0000-7000-8000-000000000000"))
        .ends(1)
        .tells("no communiqué");
}

/// A watcher, killed when the test ends.
struct Watching(Child);

impl Watching {
    fn start(desk: &Desk, party: &str, args: &[&str]) -> Self {
        let profile = format!("{party}-official.toml");
        let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("communique"))
            .arg("watch")
            .args(args)
            .args(["--profile", &profile])
            .current_dir(desk.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(fs::File::create(desk.path("watched.log")).unwrap()))
            .spawn()
            .unwrap();
        Self(child)
    }
    fn code(&mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it goes on");
    }
}
impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_watch_tells_every_event_and_runs_a_command_for_each() {
    let (desk, mut served) = exchange();
    let id = proposed(&desk);
    // Printed, one line for each, from the first entry on.
    let mut printing = Watching::start(&desk, "south", &["--from", "0", "--json"]);
    let mut lines = BufReader::new(printing.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let charter = next();
    assert_eq!(
        (&charter["index"], &charter["kind"], &charter["next_index"]),
        (&0.into(), &"charter".into(), &1.into())
    );
    let revision = loop {
        let event = next();
        if event["kind"] == "revision" {
            break event;
        }
    };
    assert_eq!(revision["communique"], id.as_str());
    assert_eq!(revision["documents"][0]["document"]["titles"]["fr"], "Communiqué d’essai");
    assert_eq!(revision["statements"][0]["statement"]["act"], "propose");
    let last = revision["index"].as_u64().unwrap();
    drop(printing);
    let mut words = Watching::start(&desk, "south", &["--from", &last.to_string(), "--of", &id]);
    let mut line = String::new();
    BufReader::new(words.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(&format!("communique/{id}: revision north propose revision 1")), "{line}");
    drop(words);
    reader(&desk, "south", "watch --from 9999").ends(1).tells("beyond the log");

    // A command that fails is run again, and watching stops with the index; nothing is marked as done.
    let from = last.to_string();
    let failing = ["--from", &from, "--retries", "1", "--exec", "cat >> tried.txt; exit 3"];
    assert_eq!(Watching::start(&desk, "south", &failing).code(), Some(1));
    assert_eq!(desk.read("tried.txt").lines().count(), 2, "{}", desk.read("watched.log"));
    assert!(desk.read("watched.log").contains(&format!("goes on from index {last}")), "{}", desk.read("watched.log"));
    assert!(
        !desk.path("south-official.toml.watch").exists() || {
            let point: Value = serde_json::from_str(&desk.read("south-official.toml.watch")).unwrap();
            point["next_index"] == last
        }
    );

    // Mended, it goes on with the same event; through a restart of the exchange it comes back by itself.
    let exec = ["--from", &from, "--exec", "cat >> done.txt"];
    let mut watching = Watching::start(&desk, "south", &exec);
    let done = || -> Vec<u64> {
        let lines = fs::read_to_string(desk.path("done.txt")).unwrap_or_default();
        let index = |line: &str| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap();
        lines.lines().map(index).collect()
    };
    until("the event that was not done is done", || done() == [last]);
    let second = ["--exec", "true"];
    assert_eq!(Watching::start(&desk, "south", &second).code(), Some(1), "two for one resume point");
    assert!(desk.read("watched.log").contains("another watch"), "{}", desk.read("watched.log"));
    official(&desk, "north", &format!("initial {id}")).ends(0);
    until("the initial is heard of", || done() == [last, last + 1]);
    let address = served.address.clone();
    served.stop();
    let text = desk.read("host/communiqued.toml");
    let listen = text.lines().find(|line| line.contains("127.0.0.1:0") && line.starts_with("address")).unwrap();
    desk.write("host/communiqued.toml", text.replacen(listen, &format!("address = \"{address}\""), 1));
    let _served = crate::job::Served::start(&desk);
    official(&desk, "south", &format!("initial {id}")).ends(0);
    // The initial, and the opening that followed from it.
    until("it came back", || done() == [last, last + 1, last + 2, last + 3]);
    until("the point is kept", || {
        let point: Value = serde_json::from_str(&desk.read("south-official.toml.watch")).unwrap();
        point["next_index"] == last + 4
    });
    let _ = watching.0.kill();
    drop(watching);

    // Killed while a command ran: the event comes again, and none is left out.
    official(&desk, "north", &format!("sign {id}")).ends(0);
    let slow = ["--exec", "cat >> done.txt; sleep 30"];
    let watching = Watching::start(&desk, "south", &slow);
    until("it has begun", || done().last() == Some(&(last + 4)));
    drop(watching);
    let _watching = Watching::start(&desk, "south", &["--exec", "cat >> done.txt"]);
    until("again", || done().ends_with(&[last + 4, last + 4]));
    let escrowed: Value = serde_json::from_str(desk.read("done.txt").lines().last().unwrap()).unwrap();
    assert_eq!(escrowed["escrowed"]["party"], "north");
    assert_eq!(escrowed["statements"], serde_json::json!([]));

    // A resume point is of one exchange and of one choice.
    desk.write("other.watch", format!("{{\"founding\":\"{}\",\"communique\":null,\"next_index\":1}}", "0".repeat(64)));
    reader(&desk, "south", "watch --state other.watch --exec true").ends(1).tells("another exchange");
}
