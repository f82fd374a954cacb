//! Where secrets may not be; and keys on paper, the one place where one may.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
};

use communique::{
    client::keys::{backup, keyfile},
    domain::key::SecretKey,
};
use zeroize::Zeroizing;

use crate::{
    desk::{Desk, Ran},
    missing::missing,
};

/// A passphrase that is looked for everywhere.
const CANARY: &str = "canary-7c1f-oblique-harbour-velvet";

/// A key as it could be left behind: its passphrase, its seed in the usual spellings, its words.
struct Canary {
    key: SecretKey,
    words: String,
    traces: Vec<Vec<u8>>,
}

impl Canary {
    fn new() -> Self {
        let seed: [u8; 32] = std::array::from_fn(|n| 0xa7 ^ (n as u8).wrapping_mul(29));
        let key = SecretKey::from_seed(&seed);
        let page = backup::page(&key, communique::language::Language::English);
        let all: Vec<_> = page.split_whitespace().collect();
        let numbered = all.windows(2).filter(|w| w[0].strip_suffix('.').is_some_and(|n| n.parse::<u8>().is_ok()));
        let words = numbered.map(|w| w[1]).collect::<Vec<_>>().join(" ");
        let hex: String = seed.iter().map(|b| format!("{b:02x}")).collect();
        let first = words.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let traces = vec![
            CANARY.into(),
            seed[4..28].to_vec(),
            hex[8..56].to_owned().into_bytes(),
            hex[8..56].to_uppercase().into_bytes(),
            communique::domain::json::base64(&seed).as_bytes()[..40].to_vec(),
            format!("{:?}", &seed[4..28]).trim_matches(['[', ']']).to_owned().into_bytes(),
            first.into_bytes(),
        ];
        Self { key, words, traces }
    }
    #[track_caller]
    fn absent(&self, place: &str, bytes: &[u8]) {
        for trace in &self.traces {
            assert!(
                !bytes.windows(trace.len()).any(|w| w == trace),
                "{place} holds {}",
                String::from_utf8_lossy(trace)
            );
        }
    }
    /// No file below a directory holds it.
    fn absent_below(&self, directory: &Path, except: &[&str]) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                self.absent_below(&path, except);
            } else if path.is_file() && !except.contains(&name.as_str()) {
                self.absent(&name, &fs::read(&path).unwrap());
            }
        }
    }
}

#[test]
fn a_secret_is_told_nowhere() {
    let (desk, canary) = (Desk::new(), Canary::new());
    desk.charter();
    fs::create_dir(desk.path("tmp")).unwrap();
    keyfile::write_encrypted(&desk.path("c.pem"), &canary.key, CANARY).unwrap();
    desk.write("c.pem.jwk", serde_json::to_vec(&communique::domain::key::Signer::public(&canary.key)).unwrap());
    desk.write("north.pem.saved", desk.read("north.pem"));

    let pass = format!("{CANARY}\n");
    let wrong = format!("{CANARY}-wrong\n");
    let words = format!("{}\n", canary.words);
    let mistyped = words.replacen(' ', " communique ", 1).replacen(" communique", "", 0);
    let adopt = "charter adopt charter.json --out adoption.jws --yes --passphrase-fd 0 --key";
    for (line, input) in [
        ("key show c.pem --passphrase-fd 0", &pass),
        ("key show c.pem --passphrase-fd 0 --json", &pass),
        ("key show c.pem --passphrase-fd 0", &wrong),
        ("key show absent.pem --passphrase-fd 0", &pass),
        ("key new --out new.pem --passphrase-fd 0", &pass),
        ("key new --out new.pem --passphrase-fd 0 --json", &pass),
        ("key backup c.pem --out page.txt --passphrase-fd 0", &pass),
        ("key backup c.pem --out page2.txt --passphrase-fd 0", &wrong),
        ("key backup c.pem --passphrase-fd 0", &pass),
        ("key restore --out r.pem --words-fd 0 --passphrase-fd 99", &words),
        ("key restore --out r.pem --words-fd 0 --passphrase-fd 99", &mistyped),
        ("key restore --out r.pem --words-fd 0 --expect other", &words),
        (&format!("{adopt} c.pem"), &pass),
        (&format!("{adopt} north.pem"), &wrong),
        ("watch --passphrase-fd 0", &pass),
    ] {
        let ran = desk
            .program("communique")
            .args(line.split(' '))
            .write_stdin(input.as_str())
            .envs([("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1")])
            .env("TMPDIR", desk.path("tmp"))
            .output()
            .unwrap();
        canary.absent(&format!("standard output of {line}"), &ran.stdout);
        canary.absent(&format!("standard error of {line}"), &ran.stderr);
    }
    // The page holds the words and is for its owner alone; nothing else holds anything, nor does anything lie about.
    assert!(fs::metadata(desk.path("page.txt")).unwrap().permissions().mode().trailing_zeros() >= 6);
    assert!(desk.read("page.txt").contains(canary.words.split(' ').next().unwrap()));
    canary.absent_below(desk.0.path(), &["page.txt"]);
    assert_eq!(fs::read_dir(desk.path("tmp")).unwrap().count(), 0);
    assert!(!desk.path("page2.txt").exists() && !desk.path("r.pem").exists());
}

/// While it holds a secret: what others can see of the process.
#[test]
fn a_process_that_holds_a_secret_shows_and_dumps_nothing() {
    let (desk, canary) = (Desk::new(), Canary::new());
    if Command::new("mkfifo").arg(desk.path("fifo")).status().is_err() {
        return missing("mkfifo", "install Debian's package coreutils");
    }
    // Whose the files of a process in /proc are tells whether it may be dumped, unless it is root's: then it runs as somebody else.
    let tool = desk.path("communique");
    fs::copy(assert_cmd::cargo::cargo_bin("communique"), &tool).unwrap();
    for (path, mode) in [("", 0o777), ("communique", 0o755), ("fifo", 0o666)] {
        fs::set_permissions(desk.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let own = fs::metadata(desk.path("fifo")).unwrap().uid();
    let uid = if own == 0 { 65_534 } else { own };
    desk.write("words", &canary.words);
    // Both ends, so that nobody waits for the other here.
    let mut fifo = fs::File::options().read(true).write(true).open(desk.path("fifo")).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited 2>/dev/null; exec ./communique key restore --out r.pem --words-fd 8 --passphrase-fd 9 8<words 9<>fifo"])
        .current_dir(desk.0.path())
        .env("HOME", desk.0.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if own == 0 {
        command.uid(uid).gid(uid);
    }
    let child = command.spawn().unwrap();
    let proc = Path::new("/proc").join(child.id().to_string());

    let begun = std::time::Instant::now();
    let waits = || {
        fs::read_to_string(proc.join("comm")).is_ok_and(|comm| comm.trim() == "communique")
            && fs::read_to_string(proc.join("limits")).is_ok_and(|limits| core_limit(&limits) == Some("0"))
            && fs::metadata(proc.join("status")).is_ok_and(|status| status.uid() != uid)
    };
    while !waits() {
        let limits = fs::read_to_string(proc.join("limits")).unwrap_or_default();
        let owner = fs::metadata(proc.join("status")).map(|status| status.uid());
        assert!(
            begun.elapsed().as_secs() < 30,
            "its core limit is {:?}, its files are of {owner:?}",
            core_limit(&limits)
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for file in ["environ", "cmdline", "comm", "status"] {
        // Those that not even its own user may read any more hold nothing for that user.
        canary.absent(file, &fs::read(proc.join(file)).unwrap_or_default());
    }
    fifo.write_all(format!("{CANARY}\n").as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    canary.absent("standard error", &ended.stderr);
    let shown = desk.run_with(&["key", "show", "r.pem", "--passphrase-fd", "0"], &format!("{CANARY}\n")).ends(0);
    shown.prints(&communique::domain::key::Signer::public(&canary.key).thumbprint());
}

fn core_limit(limits: &str) -> Option<&str> {
    limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?.split_whitespace().next()
}

/// The words on a page, as somebody types them.
pub fn words_on(page: &str) -> Vec<String> {
    let all: Vec<_> = page.split_whitespace().collect();
    let numbered = all.windows(2).filter(|w| w[0].strip_suffix('.').is_some_and(|n| n.parse::<u8>().is_ok()));
    numbered.map(|w| w[1].to_owned()).collect()
}

/// Runs a command with a passphrase on descriptor 8 and words on 9.
fn restore(desk: &Desk, line: &str, words: &str) -> Ran {
    desk.write("words", words);
    desk.write("passphrase", "harbour velvet nineteen oblique\n");
    let tool = assert_cmd::cargo::cargo_bin("communique");
    let command =
        format!("'{}' key restore {line} --words-fd 9 --passphrase-fd 8 8<passphrase 9<words", tool.display());
    let ran = Command::new("sh").args(["-c", &command]).current_dir(desk.0.path()).output().unwrap();
    Ran {
        line: line.into(),
        code: ran.status.code(),
        out: String::from_utf8(ran.stdout).unwrap(),
        err: String::from_utf8(ran.stderr).unwrap(),
    }
}

#[test]
fn a_key_on_paper_is_the_key_again() {
    let desk = Desk::new();
    desk.key("a.pem");
    desk.sign("key backup a.pem").ends(64).tells("not sent down a pipe");
    desk.sign("key backup a.pem --json").ends(64);
    desk.sign("key backup a.pem --out page.txt").ends(0).prints("print it").prints("thumbprint");
    desk.sign("key backup a.pem --out page.txt").ends(1).tells("not overwritten");
    let page = desk.read("page.txt");
    assert_eq!(fs::metadata(desk.path("page.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    let words = words_on(&page);
    assert_eq!(words.len(), 24, "{page}");
    let thumbprint = desk.sign("key show a.pem --json").ends(0).json()["thumbprint"].as_str().unwrap().to_owned();
    assert!(page.contains(&format!("--expect {thumbprint}")));

    let typed = words.join(" ");
    restore(&desk, &format!("--out b.pem --expect {thumbprint}"), &typed).ends(0).prints(&thumbprint);
    assert_eq!(desk.read("b.pem.jwk"), desk.read("a.pem.jwk"));
    let shown = desk.run_with(&["key", "show", "b.pem", "--passphrase-fd", "0"], "harbour velvet nineteen oblique\n");
    shown.ends(0).prints(&thumbprint);

    // Another key, words that are wrong, too few; a file that is there.
    desk.key("c.pem");
    let other = desk.sign("key show c.pem --json").ends(0).json()["thumbprint"].as_str().unwrap().to_owned();
    restore(&desk, &format!("--out d.pem --expect {other}"), &typed).ends(1).tells("no file was written");
    restore(&desk, "--out d.pem", &words[1..].join(" ")).ends(1).tells("not 23");
    restore(&desk, "--out d.pem", &typed.replacen(&words[4], "harbour", 1)).ends(1).tells("is not on the list");
    let mut swapped = words.clone();
    swapped.swap(3, 4);
    if words[3] != words[4] {
        // One in 256 such mistakes has the right check sum; then it is another key, which --expect finds.
        restore(&desk, &format!("--out d.pem --expect {thumbprint}"), &swapped.join(" ")).ends(1);
    }
    restore(&desk, "--out a.pem", &typed).ends(1).tells("not overwritten");
    assert!(!desk.path("d.pem").exists() && !desk.path("d.pem.jwk").exists());
}

#[test]
fn words_are_typed_at_a_terminal_and_a_mistake_is_told_at_once() {
    let desk = Desk::new();
    desk.key("a.pem");
    desk.sign("key backup a.pem --out page.txt").ends(0);
    let words = words_on(&desk.read("page.txt"));
    let mut typed = format!("{} {} nonesuch {}\n", words[0], words[1], words[3]);
    for line in words.chunks(4) {
        typed.push_str(&format!("{}\n", line.join(" ")));
    }
    typed.push_str(&"harbour velvet nineteen oblique\n".repeat(2));
    desk.write("typed", typed);
    let tool = assert_cmd::cargo::cargo_bin("communique");
    let command = format!("{} key restore --out b.pem; echo code $?", tool.display());
    let ran = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(desk.0.path())
        .stdin(fs::File::open(desk.path("typed")).unwrap())
        .output();
    let Ok(ran) = ran else {
        return missing("script", "install Debian's package bsdutils");
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(said.contains("word 3 is not on the list") && said.contains("code 0"), "{said}");
    assert_eq!(desk.read("b.pem.jwk"), desk.read("a.pem.jwk"));
}

#[test]
fn a_weak_passphrase_is_told_and_taken() {
    let desk = Desk::new();
    let new = |file: &str, words: &str| {
        desk.run_with(&["key", "new", "--out", file, "--passphrase-fd", "0"], &format!("{words}\n"))
    };
    new("a.pem", "qwertyuiop12").ends(0).tells("A hint:").tells("a program would guess");
    assert!(!new("b.pem", "harbour velvet nineteen oblique").ends(0).err.contains("A hint:"));
    new("c.pem", "qwertyuiop1").ends(1).tells("at least 12 characters");
}

/// A secret is wiped by what holds it.
#[test]
fn the_types_that_hold_secrets_wipe_them() {
    fn wipes<T: zeroize::ZeroizeOnDrop>(_: &T) {}
    let key = SecretKey::from_seed(&[7; 32]);
    wipes(&key.seed());
    wipes(&Zeroizing::new(String::new()));
    wipes(&backup::page(&key, communique::language::Language::English));
}
