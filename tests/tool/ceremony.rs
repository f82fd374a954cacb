//! The ceremony as a person meets it, at a terminal: what is shown, what is asked, and that nothing leaves the machine before both are
//! answered.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    desk::{Desk, WORDS},
    job::{self, Served, draft, official, reader},
    missing::missing,
};

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(90);

/// A terminal at which a command runs.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<String>>,
    heard: std::thread::JoinHandle<()>,
}

impl Terminal {
    /// Runs `communique` there; none if there is no program to make a terminal. What it ended with, and whether the terminal still
    /// shows what is typed, is said last.
    pub fn at(desk: &Desk, line: &str) -> Option<Self> {
        let tool = assert_cmd::cargo::cargo_bin("communique");
        // The shell that `script` finds may be one that an interrupt of its command ends too: what follows would not be said.
        let command = format!(
            "trap : INT; stty columns 200; {} {line}; echo code $?; stty -a | grep -o -e '-\\?\\becho\\b'",
            tool.display()
        );
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(desk.0.path())
            .env("HOME", desk.0.path())
            .env_remove("XDG_STATE_HOME")
            .env_remove("COLUMNS")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(String::new()));
        let page = Arc::clone(&shown);
        let heard = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            let mut left: Vec<u8> = Vec::new();
            while let Ok(n @ 1..) = screen.read(&mut piece) {
                left.extend_from_slice(&piece[..n]);
                *page.lock().unwrap() = String::from_utf8_lossy(&left).into_owned();
            }
        });
        Some(Self { child, keys, shown, heard })
    }
    pub fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }
    /// Waits until this is shown.
    #[track_caller]
    pub fn until(&self, words: &str) {
        let begun = Instant::now();
        while !self.shown().contains(words) {
            assert!(begun.elapsed() < PATIENCE, "no {words:?} in {}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }
    /// Waits for the end; everything that was shown.
    #[track_caller]
    pub fn ends(mut self, code: i32) -> String {
        self.until("code ");
        self.until("echo\r");
        drop(self.keys);
        self.child.wait().unwrap();
        self.heard.join().unwrap();
        let shown = self.shown.lock().unwrap().clone();
        assert!(shown.contains(&format!("code {code}")), "{shown}");
        assert!(!shown.contains("-echo"), "the terminal no longer shows what is typed: {shown}");
        shown
    }
}

/// A communiqué that is open for signature.
pub fn opened(desk: &Desk) -> String {
    draft(desk, "draft.toml", "Texte d’essai.\n");
    let id = official(desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();
    for party in ["north", "south"] {
        official(desk, party, &format!("initial {id}")).ends(0);
    }
    id
}

/// How many entries the log has, and with what: counted by the exchange's own log.
fn entries(desk: &Desk, id: &str) -> usize {
    reader(desk, "north", &format!("history {id} --json")).ends(0).json()["history"].as_array().unwrap().len()
}

fn kept(desk: &Desk) -> Vec<std::path::PathBuf> {
    let charters = fs::read_dir(desk.path(".local/state/communique/unanswered")).into_iter().flatten();
    let files = charters.flat_map(|charter| fs::read_dir(charter.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json")).collect()
}

fn signal(name: &str, id: u32) {
    assert!(Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
}

/// Waits for something outside of the terminal.
#[track_caller]
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_is_sent_before_the_party_and_the_passphrase_are_typed() {
    let (desk, _served) = job::exchange();
    let id = opened(&desk);
    let before = entries(&desk, &id);
    let line = format!("sign {id} --profile north-official.toml");
    let Some(mut terminal) = Terminal::at(&desk, &line) else {
        return missing("script", "install Debian's package bsdutils");
    };
    terminal.until("To sign it, type north: ");
    terminal.types("south\n");
    let shown = terminal.ends(1);
    assert!(shown.contains("that is not north; nothing was signed"), "{shown}");
    assert!(shown.contains("This is the first revision."), "{shown}");

    let at = |line: &str| Terminal::at(&desk, line).unwrap();
    let mut terminal = at(&line);
    terminal.until("To sign it, type north: ");
    terminal.types("north\n");
    terminal.until("Passphrase of ");
    terminal.types("another passphrase\n");
    assert!(terminal.ends(1).contains("wrong passphrase"));

    // Interrupted, at each point.
    for (typed, until) in
        [("", "To sign it, type north: "), ("nor", "To sign it, type north: "), ("north\n", "Passphrase of ")]
    {
        let mut terminal = at(&line);
        terminal.until("To sign it, type north: ");
        terminal.types(typed);
        terminal.until(until);
        std::thread::sleep(Duration::from_millis(200));
        terminal.types("\x03");
        let shown = terminal.ends(130);
        assert!(shown.contains("nothing was signed, and nothing was sent"), "{typed:?}: {shown}");
    }
    assert_eq!(entries(&desk, &id), before);
    assert_eq!(kept(&desk), [] as [std::path::PathBuf; 0]);

    let mut terminal = at(&line);
    terminal.until("To sign it, type north: ");
    terminal.types("north\n");
    terminal.until("Passphrase of ");
    terminal.types(WORDS);
    let shown = terminal.ends(0);
    let last = "You sign definitively, for “Partie d’essai north” (north), under the full powers of “A. Essai” (fr), “Ministre d’essai” (fr), revision 1, in French, with a translation into Arabic.";
    for words in [
        last,
        "operator of the exchange can read",
        "authentic    French",
        "You were shown this revision before",
        "Done, entry",
    ] {
        assert!(shown.replace("\r\n  ┆ ", " ").contains(words), "no {words:?} in {shown}");
    }
    assert_eq!(entries(&desk, &id), before + 1);
}

/// After the passphrase: the exchange stands still, and then is gone. What became of it is found out by the same command.
#[test]
fn an_exchange_that_is_gone_while_it_is_sent_is_asked_again() {
    let (desk, served) = job::exchange();
    let id = opened(&desk);
    let before = entries(&desk, &id);
    let line = format!("sign {id} --profile north-official.toml");
    let Some(mut terminal) = Terminal::at(&desk, &line) else {
        return missing("script", "install Debian's package bsdutils");
    };
    terminal.until("To sign it, type north: ");
    terminal.types("north\n");
    terminal.until("Passphrase of ");
    signal("-STOP", served.id());
    terminal.types(WORDS);
    wait_for("nothing was kept before it was sent", || !kept(&desk).is_empty());
    terminal.types("\x03");
    let shown = terminal.ends(130);
    assert!(shown.contains("it is not known whether the exchange has it"), "{shown}");
    assert_eq!(kept(&desk).len(), 1);

    // The same command, against an exchange that dies of it.
    signal("-CONT", served.id());
    signal("-KILL", served.id());
    drop(served);
    official(&desk, "north", &format!("sign {id}")).ends(69).tells("cannot be reached");
    assert_eq!(kept(&desk).len(), 1, "it is still not known what became of it");

    let served = Served::start(&desk);
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    for party in ["north", "south"] {
        job::profiles(&desk, party, &served.address, &pin);
    }
    let settled = official(&desk, "north", &format!("sign {id}")).ends(0).prints("Done, entry");
    settled.tells("it is sent again as it was");
    assert_eq!(kept(&desk), [] as [std::path::PathBuf; 0]);
    assert_eq!(entries(&desk, &id), before + 1, "one signature, and no second one");
}

#[test]
fn what_changed_since_it_was_seen_is_shown_and_an_annex_is_opened_on_request() {
    let (desk, _served) = job::exchange();
    draft(&desk, "draft.toml", "Les parties d’essai se sont réunies hier.\n");
    let id =
        official(&desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();
    let Some(terminal) = Terminal::at(&desk, &format!("show {id} --texts --profile south-official.toml")) else {
        return missing("script", "install Debian's package bsdutils");
    };
    terminal.ends(0);
    draft(&desk, "draft2.toml", "Les parties d’essai se sont réunies ce matin.\n");
    official(&desk, "north", &format!("revise {id} draft2.toml")).ends(0);

    let mut terminal = Terminal::at(&desk, &format!("initial {id} --profile south-official.toml")).unwrap();
    terminal.until("To initial it, type south: ");
    terminal.types("annex 2\n");
    terminal.until("There are 1 annexes");
    terminal.types("annex 1\n");
    terminal.until("its digest is the one above");
    assert_eq!(desk.read(&format!("{id}-revision-2-annex-1.csv")), "a;b\n");
    terminal.types("annex 1\n");
    terminal.types("south\n");
    terminal.until("Passphrase of ");
    terminal.types(WORDS);
    let shown = terminal.ends(0);
    for words in [
        "What changed since revision 1, which you were shown last",
        "fr: 1 paragraph changed",
        "signed by digest, not shown",
    ] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }

    // North proposed it, and so acted on it last; in the scene of a script, that counts. Nothing was seen there.
    let scripted = official(&desk, "north", &format!("initial {id}")).ends(0);
    scripted.prints("This").prints("You initial, for “Partie d’essai north” (north)");

    // A state that says that another text was shown is a lie told by somebody.
    let folder = fs::read_dir(desk.path("south-official.toml.receipts")).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("seen").join(format!("{id}.json"));
    let seen = fs::read_to_string(&file).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(value["revision"], 2);
    value["manifest"] = "0".repeat(64).into();
    fs::write(&file, value.to_string()).unwrap();
    official(&desk, "south", &format!("sign {id}")).ends(1).tells("which was shown here before");
    fs::write(&file, "{").unwrap();
    official(&desk, "south", &format!("sign {id}")).ends(1).tells("it was changed or cut");
    fs::write(&file, seen).unwrap();
    official(&desk, "south", &format!("sign {id}")).ends(0).prints("You were shown this revision before");
}

#[test]
fn letters_of_other_scripts_are_pointed_out() {
    let (desk, _served) = job::exchange();
    draft(&desk, "draft.toml", "Le P\u{430}rlement d’essai.\n");
    let id =
        official(&desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();
    let shown = official(&desk, "south", &format!("initial {id}")).ends(0);
    shown.prints("has letters of Latin and of others").prints("The letter “\u{430}” is of Cyrillic (U+0430)");
}
