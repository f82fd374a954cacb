//! Keys on tokens, with SoftHSM2 as the token: made there, shown, granted full powers, signed with; PINs that are wrong, and tries that
//! are not burnt.

use std::{fs, path::Path};

use communique::domain::key::PublicKey;

use crate::{
    desk::{Desk, Ran},
    job,
    missing::missing,
};

/// The PIN of every token here.
const PIN: &str = "19481210";
/// Where Debian, Fedora, Arch and Homebrew put the library.
const PLACES: [&str; 6] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];
/// CKF_USER_PIN_COUNT_LOW.
const LOW: u64 = 0x1_0000;
/// CKF_USER_PIN_FINAL_TRY.
const FINAL: u64 = 0x2_0000;
/// CKF_USER_PIN_LOCKED.
const LOCKED: u64 = 0x4_0000;

/// A token at a desk.
struct Shelf<'a> {
    desk: &'a Desk,
    module: &'static str,
}

impl<'a> Shelf<'a> {
    /// `None` if this machine has no SoftHSM2.
    fn at(desk: &'a Desk, labels: &[&str]) -> Option<Self> {
        let install = "install Debian's package softhsm2";
        let Some(module) = PLACES.into_iter().find(|place| Path::new(place).exists()) else {
            missing("SoftHSM2", install);
            return None;
        };
        fs::create_dir(desk.path("tokens")).unwrap();
        let tokens = desk.path("tokens");
        desk.write(
            "softhsm2.conf",
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display()),
        );
        for label in labels {
            let made = std::process::Command::new("softhsm2-util")
                .args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "87654321"])
                .env("SOFTHSM2_CONF", desk.path("softhsm2.conf"))
                .output();
            let Ok(made) = made else {
                missing("softhsm2-util", install);
                return None;
            };
            assert!(made.status.success(), "{made:?}");
        }
        Some(Self { desk, module })
    }
    fn name(&self, path: &str) -> String {
        format!("pkcs11:{path}?module-path={}", self.module)
    }
    /// Runs a command that reads a PIN from its standard input.
    fn with(&self, pin: &str, args: &[&str]) -> Ran {
        let ran = self.desk.run_with(&[args, &["--passphrase-fd", "0"]].concat(), &format!("{pin}\n"));
        let told = |words: &str| pin.len() > 1 && words.contains(pin);
        assert!(!told(&ran.out) && !told(&ran.err), "the PIN is told: {}{}", ran.out, ran.err);
        ran
    }
    /// The flags that the one token has, in the file where SoftHSM2 keeps them.
    fn flags(&self, change: impl Fn(u64) -> u64) -> u64 {
        let token =
            fs::read_dir(self.desk.path("tokens")).unwrap().next().unwrap().unwrap().path().join("token.object");
        let mut bytes = fs::read(&token).unwrap();
        // CKA_OS_TOKENFLAGS; then the kind of the value, a number; then the number.
        let name = 0x8000_534b_u64.to_be_bytes();
        let at = bytes.windows(8).position(|w| w == name).unwrap() + 16;
        let flags = u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        bytes[at..at + 8].copy_from_slice(&change(flags).to_be_bytes());
        // It is read anew if its generation is another: the first eight bytes.
        bytes[7] = bytes[7].wrapping_add(1);
        fs::write(token, bytes).unwrap();
        flags
    }
}

fn jwk(desk: &Desk, file: &str) -> PublicKey {
    serde_json::from_str(&desk.read(file)).unwrap()
}

#[test]
fn a_key_that_never_leaves_its_token_signs_an_act() {
    let (desk, _served) = job::exchange();
    let Some(shelf) = Shelf::at(&desk, &["north token"]) else { return };
    let name = shelf.name("token=north%20token;object=b.sample");

    // Made on the token; its public half goes into the grant.
    let made = shelf.with(PIN, &["key", "new", "--out", &name, "--jwk", "north-b.sample.pem.jwk"]).ends(0);
    made.prints("cannot be taken out").prints("Its name: pkcs11:token=north%20token;object=b.sample;id=");
    job::grant(&desk, "north", "b.sample", "charter.json").ends(0).prints("holds full powers");
    let profile = desk.read("north-official.toml").replace("north-holder.pem", &name);
    desk.write("north-token.toml", profile);
    job::draft(&desk, "draft.toml", "Texte d’essai.\n");

    let new = ["new", "draft.toml", "--yes", "--json", "--profile", "north-token.toml"];
    let proposed = shelf.with(PIN, &new).ends(0).json();
    let id = proposed["communique"].as_str().unwrap();
    // Another person reads it, verifies the signature under the key of the grant, and sees who it was.
    let seen = job::reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    assert_eq!(seen["acts"][0]["statement"]["act"], "propose", "{seen}");
    job::reader(&desk, "south", &format!("show {id}")).ends(0).prints("B. Essai");
    desk.run("doctor --profile north-token.toml").prints("its PIN was not asked");

    // A wrong PIN is said, with what is left; nothing is signed. The next time it is said before.
    let initial = ["initial", id, "--yes", "--profile", "north-token.toml"];
    let wrong = shelf.with("11111111", &initial).ends(1).tells("wrong PIN").tells("one try is used up");
    wrong.tells("few tries may be left");
    let seen = job::reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    assert_eq!(seen["acts"].as_array().unwrap().len(), 1, "{seen}");
    desk.run("doctor --profile north-token.toml").prints("few tries may be left");
    shelf.with(PIN, &initial).ends(0).tells("few tries may be left");

    // The token is gone.
    fs::rename(desk.path("tokens"), desk.path("elsewhere")).unwrap();
    fs::create_dir(desk.path("tokens")).unwrap();
    shelf.with(PIN, &["initial", id, "--yes", "--profile", "north-token.toml"]).ends(1).tells("is it plugged in?");
}

#[test]
fn an_authority_may_keep_its_key_on_a_token() {
    let desk = Desk::new();
    let Some(shelf) = Shelf::at(&desk, &["authority"]) else { return };
    desk.charter();
    let name = shelf.name("token=authority;object=key");
    shelf.with(PIN, &["key", "new", "--out", &name, "--jwk", "east.pem.jwk"]).ends(0);
    desk.party("east", "east.pem", "east.json");
    desk.run("charter draft --host host/host.json --party north.json south.json east.json --out three.json").ends(0);
    shelf.with(PIN, &["charter", "adopt", "three.json", "--key", &name, "--out", "adoption.jws", "--yes"]).ends(0);
    // What is signed by one key is not by another: the charter knows the public half alone.
    shelf.with(PIN, &["charter", "adopt", "charter.json", "--key", &name, "--out", "no.jws", "--yes"]).ends(1);
    assert!(!desk.path("no.jws").exists());
}

#[test]
fn tokens_are_named_exactly_and_what_is_wrong_is_said() {
    let desk = Desk::new();
    let Some(shelf) = Shelf::at(&desk, &["one", "two"]) else { return };
    let new = |path: &str, jwk: &str| shelf.with(PIN, &["key", "new", "--out", &shelf.name(path), "--jwk", jwk]);
    let show = |path: &str| desk.run_with(&["key", "show", &shelf.name(path)], "");

    new("token=one;object=a", "a.jwk").ends(0);
    new("token=one;object=a", "again.jwk").ends(1).tells("is not replaced");
    new("token=one;object=b", "a.jwk").ends(1).tells("not overwritten");
    new("token=one", "b.jwk").ends(64).tells("object=LABEL");
    desk.run_with(&["key", "new", "--out", &shelf.name("token=one;object=b")], "").ends(64).tells("--jwk FILE.jwk");
    new("token=one;object=b", "b.jwk").ends(0);
    new("object=b", "c.jwk").ends(1).tells("2 tokens fit").tells("serial");

    // Shown without a PIN.
    assert!(show("token=one;object=a").ends(0).out.contains(&jwk(&desk, "a.jwk").thumbprint()));
    show("token=one").ends(1).tells("2 keys").tells("object=");
    show("token=one;object=absent").ends(1).tells("no key that fits without its PIN").tells("no terminal to ask at");
    shelf.with(PIN, &["key", "show", &shelf.name("token=one;object=absent")]).ends(1).tells("no Ed25519 key that fits");
    show("token=three;object=a").ends(1).tells("no token fits").tells("“one” (serial");
    desk.run_with(&["key", "show", "pkcs11:token=one;object=a"], "").ends(64).tells("COMMUNIQUE_PKCS11_MODULE");
    let absent = "pkcs11:token=one;object=a?module-path=/nowhere/library.so";
    desk.run_with(&["key", "show", absent], "").ends(1).tells("cannot be loaded");
    let listed = desk.run_with(&["key", "list", &shelf.name(""), "--json"], "").ends(0).json();
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let shown = desk.run_with(&["key", "show", key["key"].as_str().unwrap(), "--json"], "").ends(0).json();
        assert_eq!(shown["thumbprint"], key["thumbprint"]);
    }

    // A secret has no place in a name, and is not said again.
    for line in ["?pin-value=canary", "?pin-source=/canary"] {
        let name = format!("pkcs11:token=one;object=a{line}");
        let refused = desk.run_with(&["key", "show", &name], "").ends(64).tells("--passphrase-fd");
        assert!(!refused.err.contains("canary"), "{}", refused.err);
    }
    let toml = |key: &str| {
        let rest = "charter = 'a'\ncertificate = 'a'\nkey = 'a'\naddress = 'a:1'\n";
        desk.write("p.toml", format!("pin = '{}'\n{rest}signing_key = 'pkcs11:{key}'\n", "0".repeat(64)));
        desk.run("inbox --profile p.toml")
    };
    let refused = toml("object=a?pin-value=canary").ends(64).tells("secret in the open");
    assert!(!refused.err.contains("canary"), "{}", refused.err);
    // No key is taken out.
    desk.run_with(&["key", "backup", &shelf.name("token=one;object=a"), "--out", "page"], "")
        .ends(1)
        .tells("cannot be taken out");

    // A public half that is given must be the token's.
    desk.charter();
    let name = format!("{}&jwk={}", shelf.name("token=one;object=a"), desk.path("b.jwk").display());
    let adopt = ["charter", "adopt", "charter.json", "--key", &name, "--out", "adoption.jws", "--yes"];
    shelf.with(PIN, &adopt).ends(1).tells("another key than the public half");
}

#[test]
fn a_public_half_that_is_not_the_tokens_signs_nothing() {
    let desk = Desk::new();
    let Some(shelf) = Shelf::at(&desk, &["one"]) else { return };
    desk.charter();
    shelf.with(PIN, &["key", "new", "--out", &shelf.name("object=a"), "--jwk", "a.jwk"]).ends(0);
    // A token that shows no public half any more: what it signs is verified all the same.
    for object in fs::read_dir(fs::read_dir(desk.path("tokens")).unwrap().next().unwrap().unwrap().path()).unwrap() {
        let object = object.unwrap().path();
        let bytes = fs::read(&object).unwrap();
        // CKA_CLASS, a number, CKO_PUBLIC_KEY.
        let public = [0_u64, 2, 2].map(u64::to_be_bytes).concat();
        if object.extension().is_some_and(|e| e == "object") && bytes.windows(24).any(|w| w == public) {
            fs::remove_file(object).unwrap();
        }
    }
    desk.run_with(&["key", "show", &shelf.name("object=a"), "--passphrase-fd", "0"], &format!("{PIN}\n")).ends(1);
    let adopt = |jwk: &str, out: &str| {
        let name = format!("{}&jwk={}", shelf.name("object=a"), desk.path(jwk).display());
        shelf.with(PIN, &["charter", "adopt", "charter.json", "--key", &name, "--out", out, "--yes"])
    };
    adopt("north.pem.jwk", "no.jws").ends(1).tells("no signature by the key");
    assert!(!desk.path("no.jws").exists());
    // With its own, it signs.
    desk.party("east", "a", "east.json");
    desk.run("charter draft --host host/host.json --party north.json east.json --out other.json").ends(0);
    let name = format!("{}&jwk={}", shelf.name("object=a"), desk.path("a.jwk").display());
    shelf.with(PIN, &["charter", "adopt", "other.json", "--key", &name, "--out", "yes.jws", "--yes"]).ends(0);
}

#[test]
fn the_last_try_is_nobodys_to_burn() {
    let desk = Desk::new();
    let Some(shelf) = Shelf::at(&desk, &["one"]) else { return };
    let new = |pin: &str, label: &str, more: &[&str]| {
        let (name, jwk) = (shelf.name(&format!("token=one;object={label}")), format!("{label}.jwk"));
        shelf.with(pin, &[&["key", "new", "--out", &name, "--jwk", &jwk][..], more].concat())
    };
    // What cannot be a PIN is not tried.
    for pin in ["", "1", &"1".repeat(300)] {
        new(pin, "a", &[]).ends(1).tells("not tried");
    }
    assert_eq!(shelf.flags(|f| f) & LOW, 0);
    new("11111111", "a", &[]).ends(1).tells("wrong PIN");
    assert_eq!(shelf.flags(|f| f) & LOW, LOW);
    new(PIN, "a", &[]).ends(0).tells("few tries may be left");
    assert_eq!(shelf.flags(|f| f) & LOW, 0);

    // One try is left: without a person nothing is tried, right or wrong.
    shelf.flags(|flags| flags | FINAL);
    for pin in ["11111111", PIN] {
        new(pin, "b", &[]).ends(1).tells("ONE TRY IS LEFT").tells("nothing was tried");
    }
    assert_eq!(shelf.flags(|f| f) & LOW, 0, "it was tried");
    new(PIN, "b", &["--final-try"]).ends(0).tells("ONE TRY IS LEFT");

    // A person is asked, and only `yes` is yes.
    shelf.flags(|flags| flags | FINAL);
    let tool = assert_cmd::cargo::cargo_bin("communique");
    let name = shelf.name("token=one;object=c");
    let type_in = |typed: &str| {
        let command = format!("{} key new --out '{name}' --jwk c.jwk; echo code $?", tool.display());
        desk.write("typed", typed);
        let ran = std::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(desk.0.path())
            .env("SOFTHSM2_CONF", desk.path("softhsm2.conf"))
            .env("LC_ALL", "C")
            .stdin(fs::File::open(desk.path("typed")).unwrap())
            .output();
        ran.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    match type_in("no\n") {
        Ok(said) => assert!(
            said.contains("type `yes`") && said.contains("nothing was tried") && said.contains("code 1"),
            "{said}"
        ),
        Err(_) => missing("script", "install Debian's package bsdutils"),
    }
    assert_eq!(shelf.flags(|f| f) & LOW, 0, "it was tried");

    shelf.flags(|flags| flags | LOCKED);
    new(PIN, "d", &["--final-try"]).ends(1).tells("locked").tells("administrator");
    assert!(!desk.path("d.jwk").exists());
}
