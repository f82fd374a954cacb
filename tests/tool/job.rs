//! The whole job, typed: an exchange is founded and served, a text is drafted, declined, revised, signed, published,
//! fetched and verified.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::{
    desk::{Desk, Ran, WORDS},
    missing::missing,
};

const PARTIES: [&str; 2] = ["north", "south"];

/// `communiqued serve`, killed when the test ends.
pub struct Served {
    child: Child,
    pub address: String,
}

impl Served {
    pub fn start(desk: &Desk) -> Self {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("communiqued"))
            .args(["serve", "--config", "host/communiqued.toml"])
            .current_dir(desk.0.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(fs::File::create(desk.path("served.log")).unwrap()))
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("serving on ").and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{line:?}: {}", desk.read("served.log"))).to_owned();
        Self { child, address }
    }
    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "SIGTERM drains and ends well");
    }
}
impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An exchange of two parties with officials, authorities and an archivist, each with a profile.
pub fn exchange() -> (Desk, Served) {
    exchange_with("")
}

/// The same with more settings, in TOML.
pub fn exchange_with(settings: &str) -> (Desk, Served) {
    let desk = Desk::new();
    desk.charter();
    let (served, pin) = founded(&desk, &PARTIES, settings);
    for party in PARTIES {
        profiles(&desk, party, &served.address, &pin);
        grant(&desk, party, "a.sample", "charter.json").ends(0).prints("holds full powers");
    }
    (desk, served)
}

/// An exchange of the parties of `charter.json`, each with a ministry; and the charter's fingerprint.
pub fn founded(desk: &Desk, parties: &[&str], settings: &str) -> (Served, String) {
    for party in parties {
        let adoption = format!("--key {party}.pem --out {party}-adoption.jws");
        desk.sign(&format!("charter adopt charter.json {adoption} --yes")).ends(0);
        ministry(desk, party, "charter.json");
    }
    found(desk, parties, settings)
}

/// Founds the exchange with what these parties' authorities have signed, and serves it.
pub fn found(desk: &Desk, parties: &[&str], settings: &str) -> (Served, String) {
    let text = desk.read("host/communiqued.toml");
    let text = text.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
    desk.write("host/communiqued.toml", format!("{text}\n{settings}"));
    let files = |what: &str| parties.iter().map(|party| format!("{party}-{what}.jws")).collect::<Vec<_>>();
    let found = ["found", "--config", "host/communiqued.toml", "--charter", "charter.json", "--adoption"];
    let mut founding = desk.program("communiqued");
    let founded = founding.args(found).args(files("adoption")).arg("--trust").args(files("trust")).output().unwrap();
    assert!(founded.status.success(), "{founded:?}");
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    assert!(String::from_utf8_lossy(&founded.stdout).contains(&pin));
    (Served::start(desk), pin)
}

/// A profile for each role of a party.
pub fn profiles(desk: &Desk, party: &str, address: &str, pin: &str) {
    for role in ["official", "authority", "archivist"] {
        let key = if role == "official" { format!("signing_key = '{party}-holder.pem'\n") } else { String::new() };
        let profile = format!(
            "address = '{address}'\ncharter = 'charter.json'\npin = '{pin}'\n\
             certificate = '{party}-certs/{role}-a.sample.pem'\nkey = '{party}-certs/{role}-a.sample-key.pem'\n{key}"
        );
        desk.write(&format!("{party}-{role}.toml"), profile);
    }
}

/// A certificate authority of a party, trust in it, certificates and a holder's key.
pub fn ministry(desk: &Desk, party: &str, charter: &str) {
    desk.run(&format!("certs ca --party {party} --trust-domain mfa.{party}.example --out {party}-ca")).ends(0);
    let trust = format!("--ca {party}-ca/ca.pem --out {party}-trust.jws --yes");
    desk.sign(&format!("trust sign --charter {charter} --key {party}.pem --serial 1 {trust}")).ends(0);
    for role in ["official", "authority", "archivist"] {
        desk.run(&format!("certs issue --ca {party}-ca --role {role} --name a.sample --out {party}-certs")).ends(0);
    }
    desk.key(&format!("{party}-holder.pem"));
}

/// Grants full powers for every act to the holder of `PARTY-holder.pem`, or of `PARTY-HOLDER.pem` if he or she is another than
/// `a.sample`, and hands them in.
pub fn grant(desk: &Desk, party: &str, holder: &str, charter: &str) -> Ran {
    let key = if holder == "a.sample" { format!("{party}-holder.pem") } else { format!("{party}-{holder}.pem") };
    let name = format!("fr={}. Essai", holder[..1].to_uppercase());
    grant_to(desk, party, holder, &format!("{key}.jwk"), charter, [&name, "fr=Ministre d’essai", "2999-01-01"])
}

/// The same to whoever has this key: name, title, until when.
pub fn grant_to(desk: &Desk, party: &str, holder: &str, jwk: &str, charter: &str, said: [&str; 3]) -> Ran {
    let [name, title, until] = said;
    let grant = format!(
        "powers grant --charter {charter} --key {party}.pem --holder {holder} --holder-key {jwk} \
         --not-after {until} --out {party}-{holder}-powers.jws \
         --submit --yes --passphrase-fd 0 --profile {party}-authority.toml"
    );
    let args = grant.split_whitespace().chain(["--holder-name", name, "--title", title]);
    let acts = communique::domain::act::ActKind::ALL.iter().flat_map(|act| ["--act", act.as_str()]);
    desk.run_with(&args.chain(acts).collect::<Vec<_>>(), WORDS)
}

/// Runs a command as a party's official, who has read everything.
pub fn official(desk: &Desk, party: &str, line: &str) -> Ran {
    desk.sign(&format!("{line} --yes --profile {party}-official.toml"))
}
pub fn reader(desk: &Desk, party: &str, line: &str) -> Ran {
    desk.run(&format!("{line} --profile {party}-official.toml"))
}

/// An audit by each of these parties, from where its last one stopped: an honest exchange is never called a liar.
pub fn audited(desk: &Desk, parties: &[&str]) {
    for party in parties {
        reader(desk, party, "audit").ends(0).prints("No lie was found");
    }
}
/// The same, and from the first entry on.
pub fn audited_anew(desk: &Desk, parties: &[&str]) {
    audited(desk, parties);
    for party in parties {
        reader(desk, party, "audit --anew").ends(0).prints("No lie was found");
    }
}

pub fn draft(desk: &Desk, file: &str, fr: &str) {
    desk.write("fr.txt", fr);
    desk.write("ar.txt", "نص تجريبي.\n");
    desk.write("list.csv", "a;b\n");
    desk.write(
        file,
        "parties = ['north', 'south']\n\
         titles = { fr = 'Communiqué d’essai', ar = 'بيان تجريبي' }\n\
         texts = [{ lang = 'fr', file = 'fr.txt' }, { lang = 'ar', file = 'ar.txt', status = 'translation' }]\n\
         annexes = [{ file = 'list.csv', titles = { fr = 'Liste d’essai' } }]\n\
         [meeting]\nplaces = { fr = 'Ville d’essai' }\ndate = '2026-11-23'\nhost = 'north'\n",
    );
}

#[test]
fn from_the_first_draft_to_a_verified_package() {
    let (desk, mut served) = exchange();
    reader(&desk, "north", "charter show").ends(0).prints("adopted by");
    reader(&desk, "north", "trust list").ends(0).prints("south");
    let powers = reader(&desk, "south", "powers list --party north --json").ends(0).json();
    let grant = powers["powers"][0]["digest"].as_str().unwrap().to_owned();
    reader(&desk, "south", &format!("powers show {grant}")).ends(0).prints("Ministre d’essai");
    reader(&desk, "south", "list").ends(0).prints("None yet");

    // A draft; nobody to read it first: nothing is sent. Then with somebody.
    draft(&desk, "draft.toml", "Les parties d’essai se sont réunies hier.\n");
    desk.sign("new draft.toml --profile north-official.toml").ends(64).tells("--yes");
    reader(&desk, "south", "list").ends(0).prints("None yet");
    let proposed = official(&desk, "north", "new draft.toml --json").ends(0);
    assert!(proposed.err.contains("réunies hier") && proposed.err.contains("operator of the exchange can read"));
    let id = proposed.json()["communique"].as_str().unwrap().to_owned();
    reader(&desk, "south", "list").ends(0).prints(&id).prints("drafting");
    let shown = reader(&desk, "south", &format!("show {id} --texts")).ends(0);
    shown.prints("réunies hier").prints("from right to left").prints("A. Essai");
    reader(&desk, "south", &format!("diff {id}")).ends(1).tells("one revision alone");

    // A second revision by the other party, and what it changes.
    draft(&desk, "draft2.toml", "Les parties d’essai se sont réunies ce matin.\n");
    official(&desk, "south", &format!("revise {id} draft2.toml")).ends(0);
    let diff = reader(&desk, "north", &format!("diff {id}")).ends(0);
    diff.prints("“hier” becomes “ce matin”").prints("ar: unchanged");

    // Initials open it; a declination with reasons; a third revision.
    official(&desk, "north", &format!("sign {id}")).ends(1).tells("it is signed once it is open");
    official(&desk, "north", &format!("initial {id}")).ends(0);
    official(&desk, "north", &format!("initial {id} --place Essai")).ends(1).tells("has done this already");
    official(&desk, "south", &format!("initial {id}")).ends(0).prints("open");
    let args = ["decline", &id, "--reason", "Il manque une date.", "--yes", "--passphrase-fd", "0", "--profile"];
    desk.run_with(&[&args[..], &["north-official.toml"]].concat(), WORDS).ends(0).prints("drafting");
    reader(&desk, "south", &format!("show {id}")).ends(0).prints("Il manque une date.").prints("It was declined");
    draft(&desk, "draft3.toml", "Les parties d’essai se sont réunies le 23 novembre.\n");
    official(&desk, "north", &format!("revise {id} draft3.toml")).ends(0);
    for party in PARTIES {
        official(&desk, party, &format!("initial {id}")).ends(0);
    }
    reader(&desk, "south", &format!("show {id} --revision 2")).ends(0).prints("overtaken").prints("declined");

    // Signatures: a wrong passphrase commits nothing; the first lies in escrow; the second completes the set.
    let wrong = ["sign", &id, "--yes", "--passphrase-fd", "0", "--profile", "north-official.toml"];
    desk.run_with(&wrong, "another passphrase\n").ends(1).tells("wrong passphrase");
    let signed = official(&desk, "north", &format!("sign {id}")).ends(0);
    signed
        .prints("You sign definitively, for “Partie d’essai ")
        .prints("23 novembre")
        .prints("operator of the exchange can read");
    let seen = reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    assert_eq!(seen["escrowed"], serde_json::json!(["north"]), "{seen}");
    reader(&desk, "south", &format!("publish {id}")).ends(1).tells("must have signed");
    let last = official(&desk, "south", &format!("sign {id} --json")).ends(0).json();
    assert_eq!(last["state"], "complete");

    // Publication, by whom it is for; the package, verified with the exchange gone.
    let archivist = |line: &str| desk.run(&format!("{line} --profile south-archivist.toml"));
    archivist(&format!("fetch {id} --out package.zip")).ends(1).tells("is not published");
    assert!(!desk.path("package.zip").exists());
    reader(&desk, "south", &format!("publish {id}")).ends(0).prints("package");
    archivist(&format!("fetch {id} --out package.zip")).ends(0).prints("--charter-pin");
    archivist(&format!("fetch {id} --out package.zip")).ends(1).tells("not overwritten");
    // What an earlier run left is gone on with, if it is of this package; whatever it is, it is not believed.
    let whole = fs::read(desk.path("package.zip")).unwrap();
    let mut other = whole[..whole.len() / 2].to_vec();
    other[9] ^= 1;
    for part in [&whole[..whole.len() / 2], &whole[..], &other[..], &vec![b'x'; whole.len() + 1][..]] {
        desk.write("again.zip.part", part);
        archivist(&format!("fetch {id} --out again.zip")).ends(0);
        assert!(fs::read(desk.path("again.zip")).unwrap() == whole, "{} bytes were there", part.len());
        fs::remove_file(desk.path("again.zip")).unwrap();
    }
    std::os::unix::fs::symlink("charter.json", desk.path("again.zip.part")).unwrap();
    archivist(&format!("fetch {id} --out again.zip")).ends(1).tells("not a file of its own");
    fs::remove_file(desk.path("again.zip.part")).unwrap();
    let left: Vec<_> = fs::read_dir(desk.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
    audited_anew(&desk, &PARTIES);
    served.stop();
    reader(&desk, "north", "list").ends(69).tells("cannot be reached");

    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let proven = desk.run(&format!("verify package.zip --charter-pin {pin} --texts")).ends(0);
    proven
        .prints("PROVEN")
        .prints("signed by “A. Essai” (fr), “Ministre d’essai” (fr)")
        .prints("23 novembre")
        .prints("Not proven:");
    let unpinned = desk.run("verify package.zip --texts").ends(3).prints("claims to be “Partie d’essai north” (fr)");
    assert!(!unpinned.out.contains("signed") && !unpinned.out.contains("23 novembre"), "{}", unpinned.out);
    desk.run("verify package.zip --texts --unproven").ends(3).prints("23 novembre");
    desk.run(&format!("verify package.zip --charter-pin {}", "0".repeat(64))).ends(1).prints("FAILED at PIN");
    let json = desk.run(&format!("verify package.zip absent.zip --charter-pin {pin} --json")).ends(2).json();
    assert_eq!(json["packages"][0]["proven"], true);
    let mut bytes = fs::read(desk.path("package.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    desk.write("altered.zip", bytes);
    desk.run(&format!("verify package.zip altered.zip --charter-pin {pin}")).ends(1).prints("FAILED");
}

/// At a terminal: the party's id must be typed exactly, and anything else signs nothing.
#[test]
fn a_wrong_key_press_commits_nothing() {
    let (desk, _served) = exchange();
    draft(&desk, "draft.toml", "Texte d’essai.\n");
    let id =
        official(&desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();
    let initials = || -> usize {
        let seen: Value = reader(&desk, "north", &format!("show {id} --json")).ends(0).json();
        seen["acts"].as_array().unwrap().len() - 1
    };
    let type_in = |typed: &str| {
        let tool = assert_cmd::cargo::cargo_bin("communique");
        let command = format!(
            "{} initial {id} --profile north-official.toml --passphrase-fd 9 9<words; echo code $?",
            tool.display()
        );
        desk.write("words", WORDS);
        desk.write("typed", typed);
        std::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(desk.0.path())
            .stdin(fs::File::open(desk.path("typed")).unwrap())
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Ok(refused) = type_in("nort\n") else {
        return missing("script", "install Debian's package bsdutils");
    };
    assert!(refused.contains("type north") && refused.contains("code 1"), "{refused}");
    for typed in ["\n", "yes\n", "y\n", "NORTH\n"] {
        let refused = type_in(typed).unwrap();
        assert!(refused.contains("nothing was signed"), "{refused}");
    }
    assert_eq!(initials(), 0);
    let done = type_in("north\n").unwrap();
    assert!(done.contains("code 0"), "{done}");
    assert_eq!(initials(), 1);
}

/// Cut off between signing and the answer, the same command sends the same bytes again; with other words it asks first.
#[test]
fn an_act_without_an_answer_is_sent_again_as_it_was() {
    let (desk, served) = exchange();
    draft(&desk, "draft.toml", "Texte d’essai.\n");
    let id =
        official(&desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();
    let kept = || -> Vec<std::path::PathBuf> {
        let charters = fs::read_dir(desk.path(".local/state/communique/unanswered")).into_iter().flatten();
        let files = charters.flat_map(|charter| fs::read_dir(charter.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).collect()
    };
    assert_eq!(kept(), [] as [std::path::PathBuf; 0], "what was answered is kept");
    let signal = |name: &str, id: u32| {
        assert!(std::process::Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
    };

    // Everything was read and shown; now the exchange stands still.
    let line = format!("initial {id} --place Essai --yes --json --passphrase-fd 0 --profile north-official.toml");
    let mut tool = std::process::Command::new(assert_cmd::cargo::cargo_bin("communique"))
        .args(line.split_whitespace())
        .current_dir(desk.0.path())
        .env("HOME", desk.0.path())
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut scene = BufReader::new(tool.stderr.take().unwrap()).lines();
    assert!(scene.any(|line| line.unwrap().contains("You initial, for ")));
    signal("-STOP", served.child.id());
    std::io::Write::write_all(&mut tool.stdin.take().unwrap(), WORDS.as_bytes()).unwrap();
    let begun = std::time::Instant::now();
    while !kept().iter().any(|path| path.extension().is_some_and(|ending| ending == "json")) {
        assert!(begun.elapsed().as_secs() < 60, "nothing was kept before it was sent");
    }
    let sheet_file = kept().remove(0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&sheet_file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let signed = fs::read_to_string(&sheet_file).unwrap();
    signal("-INT", tool.id());
    assert_eq!(tool.wait().unwrap().code(), Some(130));
    signal("-CONT", served.child.id());

    official(&desk, "north", &format!("initial {id} --place Autre")).ends(1).tells("has no answer yet");
    let again = official(&desk, "north", &format!("initial {id} --place Essai --json")).ends(0);
    assert!(again.err.contains("it is sent again as it was"), "{}", again.err);
    assert_eq!(again.json()["act"], "initial");
    assert_eq!(kept(), [] as [std::path::PathBuf; 0]);
    let acts = reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    let digest = acts["acts"].as_array().unwrap().iter().find(|a| a["statement"]["act"] == "initial").unwrap();
    let sheet: Value = serde_json::from_str(&signed).unwrap();
    let sent = communique::domain::id::Digest::of(sheet["act"].as_str().unwrap().as_bytes()).to_string();
    assert_eq!(digest["digest"], sent, "another signature was stored");

    // What was on an earlier revision is never taken for an act on the newest.
    draft(&desk, "draft2.toml", "Texte d’essai, revu.\n");
    official(&desk, "north", &format!("revise {id} draft2.toml")).ends(0);
    fs::write(sheet_file, signed).unwrap();
    official(&desk, "north", &format!("initial {id} --place Essai")).ends(1).tells("on revision 2, the newest");
    assert_eq!(kept(), [] as [std::path::PathBuf; 0]);
    let acts = reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    assert!(acts["acts"].as_array().unwrap().iter().all(|a| a["statement"]["act"] != "initial"));

    // Where nothing can be kept, it is said, and sent all the same.
    fs::remove_dir_all(desk.path(".local")).unwrap();
    desk.write(".local", "in the way");
    official(&desk, "south", &format!("initial {id}")).ends(0).tells("for want of a place");
}
