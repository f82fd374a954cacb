//! Commands that need no exchange, exit codes, what reaches a terminal and what does not.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    desk::{Desk, Ran, WORDS},
    missing::missing,
};

#[test]
fn wrong_arguments_end_with_64_and_say_what_is_right() {
    let desk = Desk::new();
    for line in [
        "",
        "sing 1",
        "verify",
        "verify a.zip --charter-pin 12",
        "verify a.zip --unproven",
        "show not-an-id",
        "list --state signed",
        "decline 0193b8c0-0000-7000-8000-000000000000",
        "certs ca --party A --trust-domain a.example --out ca",
        "certs ca --party ab --trust-domain a.example --out ca --days 0",
        "charter party --id ab --name french --trust-domain a.example --authority-key a --out b",
        "powers show 12",
        "text check a --dir up",
    ] {
        let ran = desk.run(line).ends(64);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{line}");
    }
    desk.run("--help").ends(0).prints("verify");
    desk.run("--version").ends(0).prints("communique");
    for (line, program) in [("", "communiqued"), ("init host", "communiqued"), ("serve", "communiqued")] {
        let code = desk.program(program).args(line.split_whitespace()).output().unwrap().status.code();
        assert_eq!(code, Some(64), "{program} {line}");
    }
}

#[test]
fn without_a_profile_the_tool_says_where_one_belongs() {
    let desk = Desk::new();
    let id = "0193b8c0-0000-7000-8000-000000000000";
    for line in ["list", "trust list", "powers list", "charter show", &format!("show {id}"), &format!("sign {id}")] {
        desk.run(line).ends(64).tells("config/communique/default.toml").tells("--profile FILE");
    }
    desk.run("list --profile ./absent.toml").ends(64).tells("./absent.toml");
    desk.write("bad.toml", "address = 'x'\nstray = 1\n");
    desk.run("list --profile bad.toml").ends(64).tells("stray");
}

#[test]
fn a_profile_that_pins_another_charter_is_refused_before_anything_is_sent() {
    let desk = Desk::new();
    desk.charter();
    let profile = |pin: &str| {
        format!("address='127.0.0.1:9'\ncharter='charter.json'\npin='{pin}'\ncertificate='c.pem'\nkey='k.pem'\n")
    };
    desk.write("wrong.toml", profile(&"0".repeat(64)));
    desk.run("list --profile wrong.toml").ends(1).tells("profile pins 0000");
    let pin = desk.run("charter fingerprint charter.json").ends(0).out;
    desk.write("right.toml", profile(pin.trim()));
    desk.run("list --profile right.toml").ends(1).tells("c.pem");
    let id = "0193b8c0-0000-7000-8000-000000000000";
    desk.run(&format!("sign {id} --profile right.toml")).ends(64).tells("signing_key");
}

#[test]
fn keys_are_made_shown_and_never_overwritten() {
    let desk = Desk::new();
    let made = desk.sign("key new --out a.pem").ends(0);
    assert!(desk.read("a.pem").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let before = desk.read("a.pem");
    desk.sign("key new --out a.pem").ends(1).tells("not overwritten");
    assert_eq!(desk.read("a.pem"), before);

    let thumbprint = |ran: Ran| ran.ends(0).json()["thumbprint"].clone();
    let public = thumbprint(desk.run("key show a.pem.jwk --json"));
    assert!(made.out.contains(public.as_str().unwrap()));
    assert_eq!(thumbprint(desk.sign("key show a.pem --json")), public);
    desk.sign("key show a.pem --out b.jwk").ends(0);
    assert_eq!(desk.read("b.jwk"), desk.read("a.pem.jwk"));

    let wrong = |input| desk.run_with(&["key", "show", "a.pem", "--passphrase-fd", "0"], input);
    wrong("another passphrase\n").ends(1).tells("wrong passphrase");
    wrong("").ends(1).tells("wrong passphrase");
    desk.run_with(&["key", "new", "--out", "c.pem", "--passphrase-fd", "0"], "short\n").ends(1).tells("at least 12");
    assert!(!desk.path("c.pem").exists());
    desk.run_with(&["key", "new", "--out", "c.pem", "--passphrase-fd", "999"], "").ends(1).tells("999");
    desk.run("key show absent.pem").ends(1).tells("absent.pem");
    let json = desk.run_with(&["key", "show", "a.pem", "--passphrase-fd", "0", "--json"], "x\n").ends(1);
    let error: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((&error["error"]["exit_code"], &error["error"]["reason"]), (&1.into(), &"KEY_FILE".into()));
}

#[test]
fn a_charter_is_drafted_adopted_and_shown() {
    let desk = Desk::new();
    desk.charter();
    let fingerprint = desk.run("charter fingerprint charter.json").ends(0).out;
    assert_eq!(fingerprint.len(), 65);
    desk.run("charter show charter.json").ends(0).prints(fingerprint.trim()).prints("“Partie d’essai north” (fr)");
    let shown = desk.run("charter show charter.json --json").ends(0).json();
    assert_eq!(shown["charter"]["parties"][1]["id"], "south");

    let adopted = desk.sign("charter adopt charter.json --key north.pem --out north.jws --yes").ends(0);
    adopted.prints(fingerprint.trim()).prints("north adopts");
    assert_eq!(desk.read("north.jws").split('.').count(), 3);
    desk.sign("charter adopt charter.json --key north.pem --out north.jws --yes").ends(1).tells("not overwritten");

    // Nobody there to type the party's id: nothing is signed.
    desk.sign("charter adopt charter.json --key south.pem --out south.jws").ends(64).tells("--yes");
    desk.key("stranger.pem");
    desk.sign("charter adopt charter.json --key stranger.pem --out s.jws --yes")
        .ends(1)
        .tells("no party's authority key");
    let wrong = ["charter", "adopt", "charter.json", "--key", "south.pem", "--out", "south.jws", "--yes"];
    desk.run_with(&[&wrong[..], &["--passphrase-fd", "0"]].concat(), "not the passphrase\n")
        .ends(1)
        .tells("passphrase");
    // A public half that is another key's: found out before anything is signed.
    fs::copy(desk.path("south.pem.jwk"), desk.path("north.pem.jwk")).unwrap();
    desk.sign("charter adopt charter.json --key north.pem --out x.jws --yes").ends(1).tells("nothing was signed");
    fs::remove_file(desk.path("north.pem.jwk")).unwrap();
    desk.sign("charter adopt charter.json --key north.pem --out x.jws --yes").ends(1).tells("communique key show");
    for absent in ["south.jws", "s.jws", "x.jws"] {
        assert!(!desk.path(absent).exists(), "{absent}");
    }

    let draft = "charter draft --host host/host.json --party north.json --out one.json";
    desk.run(draft).ends(1).tells("at least 2");
    let draft = "charter draft --host host/host.json --party north.json north.json --out two.json";
    desk.run(draft).ends(1);
    desk.run("charter draft --host charter.json --party north.json south.json --out three.json")
        .ends(1)
        .tells("charter.json");
    let text = desk.read("charter.json").replace("\"version\":1", "\"version\": 1");
    desk.write("spaced.json", text);
    desk.run("charter fingerprint spaced.json").ends(1).tells("canonical");
}

#[test]
fn certificates_are_issued_and_trusted() {
    let desk = Desk::new();
    desk.charter();
    desk.run("certs ca --party north --trust-domain mfa.north.example --out ca").ends(0);
    desk.run("certs ca --party north --trust-domain mfa.north.example --out ca").ends(1).tells("not overwritten");
    let issued = desk.run("certs issue --ca ca --role official --name a.sample --out people --json").ends(0).json();
    assert_eq!(issued["id"], "spiffe://mfa.north.example/official/a.sample");
    assert!(desk.read("people/official-a.sample.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    use std::os::unix::fs::PermissionsExt as _;
    for key in ["people/official-a.sample-key.pem", "ca/ca-key.pem"] {
        assert_eq!(fs::metadata(desk.path(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    desk.run("certs issue --ca ca --role official --name A --out people").ends(1).tells("spiffe");
    desk.run("certs issue --ca people --role official --name b --out people").ends(1).tells("ca.toml");
    desk.run("certs ca --party north --trust-domain mfa.north.example --out brief --days 30").ends(0);
    desk.run("certs issue --ca brief --role official --name b --out people").ends(1).tells("outlive");

    let sign = "trust sign --charter charter.json --key north.pem --serial 1 --yes --ca";
    desk.sign(&format!("{sign} ca/ca.pem --out trust.jws")).ends(0).prints("trust submit");
    let leaf = "people/official-a.sample.pem";
    desk.sign(&format!("{sign} {leaf} --out leaf.jws")).ends(1).tells("not a certificate authority");
    let revoked = desk.sign(&format!("{sign} ca/ca.pem --revoke {leaf} --out revoked.jws --json")).ends(0).json();
    assert_eq!(revoked["trust"]["statement"]["revoked"].as_array().unwrap().len(), 1);
    assert!(!desk.path("leaf.jws").exists());
}

#[test]
fn full_powers_are_granted() {
    let desk = Desk::new();
    desk.charter();
    desk.key("holder.pem");
    let grant = |key: &str, extra: &[&str]| {
        let args = ["powers", "grant", "--charter", "charter.json", "--key", "north.pem", "--holder", "a.sample"];
        let names = ["--holder-name", "fr=A. Essai", "--title", "fr=Ministre d’essai", "--holder-key", key];
        let rest = ["--act", "sign", "--act", "propose", "--yes", "--passphrase-fd", "0", "--not-after"];
        desk.run_with(&[&args[..], &names[..], &rest[..], extra].concat(), WORDS)
    };
    let made = grant("holder.pem.jwk", &["2999-01-01", "--out", "p.jws", "--json"]).ends(0);
    let statement = &made.json()["powers"]["statement"];
    assert_eq!(statement["acts"], serde_json::json!(["propose", "sign"]));
    assert_eq!(statement["not_after"], "2999-01-01T00:00:00Z");
    assert!(made.err.contains("“Ministre d’essai” (fr)"), "what is signed is shown, apart from the JSON");
    grant("holder.pem.jwk", &["1999-01-01", "--out", "q.jws"]).ends(1).tells("not_before");
    grant("holder.pem.jwk", &["tomorrow", "--out", "q.jws"]).ends(64);
    grant("south.pem.jwk", &["2999-01-01", "--out", "q.jws"]).ends(1).tells("a key of his or her own");
    assert!(!desk.path("q.jws").exists());
}

#[test]
fn texts_are_checked_and_mended() {
    let desk = Desk::new();
    desk.write("good.txt", "Les parties se félicitent.\n");
    desk.write("bad.txt", "Les parties\u{a0}: \u{202e}oui\u{1b}[31m\r\n");
    desk.write("latin1.txt", b"\xe9t\xe9\n");
    desk.run("text check good.txt").ends(0).prints("obeys text.v1");
    let bad = desk.run("text check good.txt bad.txt").ends(1).prints("line 1, column 15");
    assert!(!bad.out.contains(['\u{202e}', '\u{1b}', '\r']));
    desk.run("text check latin1.txt").ends(1).prints("save the file as UTF-8");
    desk.run("text check absent.txt").ends(1).tells("absent.txt");
    assert_eq!(desk.run("text check bad.txt --json").ends(1).json()["files"][0]["good"], false);

    desk.write("word.txt", "\u{feff}Les parties \r\nse fe\u{301}licitent.\u{200b}");
    desk.run("text clean word.txt --out clean.txt").ends(0).tells("mended");
    assert_eq!(desk.read("clean.txt"), "Les parties\nse félicitent.\n");
    assert_eq!(desk.run("text clean word.txt").ends(0).out, desk.read("clean.txt"));
    desk.run("text clean word.txt --out clean.txt").ends(1).tells("not overwritten");
    desk.run("text clean bad.txt --out half.txt").ends(1).tells("by a person");
    desk.write("mixed.txt", "Le P\u{430}rlement.\n");
    desk.run("text check mixed.txt").ends(0).prints("worth a look").prints("Cyrillic");
    // Direction marks are a matter of the language.
    desk.write("ar.txt", "نص\u{200f}.\n");
    desk.run("text check ar.txt").ends(1);
    desk.run("text check ar.txt --lang ar").ends(0);
    desk.run("text check ar.txt --dir rtl").ends(0);
}

#[test]
fn verify_judges_what_is_no_package() {
    let desk = Desk::new();
    desk.write("junk.zip", "PK\x03\x04 no package \x1b[31m");
    desk.write("empty.zip", "");
    desk.run("verify junk.zip").ends(1).prints("FAILED at ZIP");
    desk.run("verify empty.zip").ends(1).prints("FAILED at ZIP");
    desk.run("verify absent.zip").ends(2).prints("CANNOT BE READ");
    std::fs::create_dir(desk.path("bare")).unwrap();
    desk.run("verify bare").ends(2).prints("CANNOT BE READ").prints("a folder without packages");
    desk.run("verify absent.zip junk.zip").ends(1);
    let json = desk.run("verify junk.zip absent.zip --json").ends(1).json();
    assert_eq!(json["exit_code"], 1);
    assert_eq!(json["packages"][1]["verdict"], "cannot_read");
}

/// Packages of the vectors, in a folder: each gets its line, in the order of names, and all are counted.
#[test]
fn verify_judges_a_folder() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/packages");
    let desk = Desk::new();
    std::fs::create_dir(desk.path("held")).unwrap();
    for name in ["annexes", "binding", "persian", "readme--another-readme"] {
        let from = std::fs::read_dir(&vectors).unwrap().map(|e| e.unwrap().path());
        let stem = |p: &std::path::PathBuf| p.file_stem().unwrap().to_str().unwrap().starts_with(name);
        let zip = from.filter(|p| p.extension().is_some_and(|e| e == "zip")).find(stem).unwrap();
        std::fs::copy(zip, desk.path(&format!("held/{name}.zip"))).unwrap();
    }
    desk.write("held/note.txt", "no package");
    let pin = "badd895507a4012827bc5d57217f94942dc94a03b1a2cab36a5dc175a1adc0f8";
    let said = desk.run(&format!("verify held --charter-pin {pin}")).ends(1).out;
    let words: Vec<_> = said.lines().map(|l| l.split(':').next().unwrap().trim()).collect();
    assert_eq!(words.iter().filter(|w| **w == "PROVEN against the charter that you trust").count(), 3, "{said}");
    assert!(said.contains("FAILED at README: “held/readme--another-readme.zip”"), "{said}");
    assert!(said.lines().last().unwrap().starts_with("3 proven and 1 failed of 4 packages in “held”"), "{said}");
    desk.run("verify held").ends(1).prints("3 consistent but unpinned and 1 failed of 4 packages");
    desk.run("verify held --texts").ends(64).tells("named one by one");
    let json = desk.run(&format!("verify held --charter-pin {pin} --json")).ends(1).json();
    let paths: Vec<_> =
        json["packages"].as_array().unwrap().iter().map(|p| p["path"].as_str().unwrap().to_owned()).collect();
    assert!(paths.is_sorted() && paths.len() == 4, "{paths:?}");
    assert_eq!((&json["packages"][0]["verdict"], &json["packages"][3]["check"]), (&"proven".into(), &"README".into()));
}

#[test]
fn nothing_from_outside_drives_the_terminal() {
    let desk = Desk::new();
    let name = "a\u{1b}[31m\u{9b}2J\u{202e}.txt";
    desk.write(name, "Texte.\n");
    for args in [
        vec!["text", "check", name],
        vec!["verify", name],
        vec!["verify", name, "--json"],
        vec!["charter", "show", name],
        vec!["key", "show", name],
        vec!["show", name],
        vec!["list", "--profile", name],
    ] {
        let ran = desk.run_with(&args, "");
        let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ran.out.contains(hidden), "{args:?}: {:?}", ran.out);
        assert!(!ran.err.contains(hidden), "{args:?}: {:?}", ran.err);
    }
}

#[test]
fn a_reader_that_leaves_is_no_fault_of_the_tool() {
    let desk = Desk::new();
    desk.write("long.txt", "Un paragraphe d’essai.\n\n".repeat(20_000).trim_end().to_owned() + "\n");
    let tool = assert_cmd::cargo::cargo_bin("communique");
    let pipe = |line: &str| {
        let script = format!("set -o pipefail; {line}");
        let mut bash = std::process::Command::new("bash");
        let output = bash.args(["-c", &script]).env("T", &tool).current_dir(desk.0.path()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = pipe("\"$T\" text clean long.txt | head -n 1 >/dev/null");
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    let (code, err) = pipe("\"$T\" --help | head -n 1 >/dev/null");
    assert!(code == Some(0) && err.is_empty(), "{code:?} {err}");
    // A full disk is one.
    if Path::new("/dev/full").exists() {
        let (code, err) = pipe("\"$T\" text clean long.txt >/dev/full");
        assert_eq!(code, Some(1));
        assert!(err.contains("could not be written"), "{err}");
    }
}

#[test]
fn colour_and_width_follow_the_terminal() {
    let desk = Desk::new();
    desk.charter();
    let narrow =
        desk.program("communique").args(["charter", "show", "charter.json"]).env("COLUMNS", "60").output().unwrap();
    let table = String::from_utf8(narrow.stdout).unwrap();
    let table: Vec<_> = table.lines().skip_while(|line| !line.contains("trust domain")).collect();
    assert!(table[0].contains(".example"), "a name beside its value, both whole: {table:#?}");
    assert!(table.len() > 3 && table.iter().all(|line| line.chars().count() <= 60), "{table:#?}");

    let typed = |command: &str| {
        let script = std::process::Command::new("script")
            .args(["-qec", command, "/dev/null"])
            .env("T", assert_cmd::cargo::cargo_bin("communique"))
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .current_dir(desk.0.path())
            .stdin(std::process::Stdio::null())
            .output();
        script.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Ok(bold) = typed("\"$T\" charter show charter.json") else {
        return missing("script", "install Debian's package bsdutils");
    };
    assert!(bold.contains("\x1b[1m") && bold.contains('─'), "{bold:?}");
    for plain in ["NO_COLOR=1 \"$T\" charter show charter.json", "\"$T\" charter show charter.json --no-color"] {
        let shown = typed(plain).unwrap();
        assert!(shown.contains("Charter 1") && !shown.contains('\x1b'), "{shown:?}");
    }
}

#[test]
fn the_exchange_says_all_that_is_wrong_and_ends_with_64() {
    let desk = Desk::new();
    let run = |args: &[&str]| desk.program("communiqued").args(args).output().unwrap();
    assert_eq!(
        run(&["init", "host", "--exchange", "exchange.example", "--listen", "127.0.0.1:0"]).status.code(),
        Some(0)
    );
    assert_eq!(run(&["check", "--config", "host/communiqued.toml"]).status.code(), Some(0));
    assert_eq!(
        run(&["init", "host", "--exchange", "exchange.example"]).status.code(),
        Some(1),
        "nothing is overwritten"
    );
    desk.write("bad.toml", "stray = 1\n[exchange]\nname = \"NO\"\n[limits]\nconections = 5\n");
    for command in ["check", "serve"] {
        let output = run(&[command, "--config", "bad.toml"]);
        assert_eq!(output.status.code(), Some(64), "{command}");
        let told = String::from_utf8(output.stderr).unwrap();
        for key in ["stray", "exchange.name", "limits.conections", "tls.key", "keys.log"] {
            assert!(told.contains(key), "{command}: no {key} in {told}");
        }
    }
    fs::remove_file(desk.path("host/keys/log.pem")).unwrap();
    let output = run(&["serve", "--config", "host/communiqued.toml"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("keys.log"));
}

/// At a terminal of its own (`script` of util-linux), since without one nothing is asked.
#[test]
fn nothing_is_asked_before_what_is_to_be_signed_was_shown() {
    let desk = Desk::new();
    desk.charter();
    let tool = assert_cmd::cargo::cargo_bin("communique");
    let adopt = format!("{} charter adopt charter.json --key north.pem --out by-hand.jws", tool.display());
    let typed = |answer: &str, command: &str| {
        let mut script = assert_cmd::Command::new("script");
        let ran = script.current_dir(desk.0.path()).args(["-qec", command, "/dev/null"]).write_stdin(answer).output();
        let ran = ran.expect("script, of Debian's essential package bsdutils");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let screen = typed("south\n", &adopt);
    let (scene, question) = (screen.find("With this key"), screen.find("type north"));
    assert!(scene.is_some() && scene < question, "{screen}");
    assert!(screen.contains("that is not north; nothing was signed"), "{screen}");
    let screen = typed("north\n", &format!("{adopt} > elsewhere.txt"));
    assert!(screen.contains("did not reach a terminal"), "{screen}");
    assert!(!desk.path("by-hand.jws").exists());
}

#[test]
fn an_interrupted_command_ends_with_130() {
    let desk = Desk::new();
    desk.key("a.pem");
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("communique"))
        .args(["key", "show", "a.pem", "--passphrase-fd", "0"])
        .current_dir(desk.0.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Its input stays open: it waits for a passphrase that never comes, until it is told to stop.
    let caught = format!("/proc/{}/status", child.id());
    let handles = |status: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 2 != 0)
    };
    for _ in 0..500 {
        if fs::read_to_string(&caught).is_ok_and(|status| handles(&status)) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let held = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(held);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
}
