//! Away from the network: a request, signed where no exchange is reached, and handed in where one is.

use std::fs;

use communique::{
    client::{reading::Pinned, request::RequestFile},
    domain::{id::Digest, time::Time},
};
use serde_json::Value;

use crate::{
    ceremony::{Terminal, opened},
    desk::{Desk, Ran, WORDS},
    job::{self, Served, draft, official, reader},
    missing::missing,
};

/// A request by this party, whose official may not hold the key.
fn requested(desk: &Desk, party: &str, id: &str, rest: &[&str]) -> Ran {
    let profile = format!("{party}-official.toml");
    desk.run_with(&[&["act", "request", id, "--profile", &profile], rest].concat(), "")
}

/// Signs a request on a machine that has a charter, its pin and a key, and nothing else: no profile, no address.
fn signed(desk: &Desk, party: &str, request: &str, answer: &str, rest: &str) -> Ran {
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let alone = format!("--charter charter.json --charter-pin {pin} --key {party}-holder.pem");
    desk.sign(&format!("act sign {request} --out {answer} {alone} --yes {rest}"))
}

fn submitted(desk: &Desk, party: &str, answer: &str) -> Ran {
    desk.run(&format!("act submit {answer} --profile {party}-official.toml"))
}

/// The exchange is stopped while something is signed: whoever asked it would never get an answer.
fn without_network<T>(served: &Served, work: impl FnOnce() -> T) -> T {
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").args([name, &served.id().to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let done = work();
    signal("-CONT");
    done
}

#[test]
fn a_communique_is_signed_away_from_the_network() {
    let (desk, served) = job::exchange();
    draft(&desk, "draft.toml", "Les parties d’essai se sont réunies hier.\n");
    let id =
        official(&desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();

    // A declaration; then initials, with a place.
    requested(&desk, "north", &id, &["--act", "declare", "--words", "fr=La partie entend.", "--out", "d.request"])
        .ends(0);
    let declared = without_network(&served, || signed(&desk, "north", "d.request", "d.jws", "")).ends(0);
    declared.prints("You make the declaration above").prints("La partie entend.").prints("communique act submit d.jws");
    submitted(&desk, "north", "d.jws").ends(0).prints("Done, entry");
    for party in ["north", "south"] {
        let (request, answer) = (format!("{party}.request"), format!("{party}.jws"));
        requested(&desk, party, &id, &["--act", "initial", "--place", "Essai", "--out", &request]).ends(0);
        let shown = without_network(&served, || signed(&desk, party, &request, &answer, "")).ends(0);
        shown
            .prints("place        “Essai”")
            .prints("You initial, for ")
            .prints("Les parties d’essai se sont réunies hier.");
        submitted(&desk, party, &answer).ends(0);
    }

    // Signatures, of which one is declined again; the same answer twice is one act.
    let asked = requested(&desk, "south", &id, &["--out", "s.request", "--json"]).ends(0).json();
    assert_eq!((&asked["act"], &asked["revision"], &asked["annexes"]), (&"sign".into(), &1.into(), &true.into()));
    let shown = without_network(&served, || signed(&desk, "south", "s.request", "s.jws", "--annexes opened")).ends(0);
    for words in [
        "You sign definitively, for “Partie d’essai south” (south), under the full powers of “A. Essai” (fr), “Ministre d’essai” (fr), revision 1",
        asked["request"].as_str().unwrap(),
        "0 days, 0 hours and 0 minutes ago",
        "What happened after that cannot be seen here",
        "operator of the exchange can read",
        "La partie entend.",
    ] {
        assert!(shown.out.contains(words), "no {words:?} in {}", shown.out);
    }
    assert_eq!(desk.read(&format!("opened/{id}-revision-1-annex-1.csv")), "a;b\n");
    let first = submitted(&desk, "south", "s.jws").ends(0);
    assert_eq!(submitted(&desk, "south", "s.jws").ends(0).out, first.out, "the same answer again");
    let history = reader(&desk, "south", &format!("history {id} --json")).ends(0).json();
    let rows = history["history"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["what"] == "sign").count(), 1);

    let why = ["--act", "decline", "--reason", "Il manque une date.", "--out", "n.request", "--without-annexes"];
    requested(&desk, "north", &id, &why).ends(0);
    let shown = without_network(&served, || signed(&desk, "north", "n.request", "n.jws", "")).ends(0);
    shown
        .prints("Il manque une date.")
        .prints("they are signed by digest, not shown")
        .prints("You decline, for the reasons above");
    submitted(&desk, "north", "n.jws").ends(0).prints("drafting");
    // What was signed before is of a revision that can no longer be signed.
    requested(&desk, "south", &id, &["--out", "t.request"]).ends(1).tells("while the communiqué is drafting");
    assert!(!desk.path("t.request").exists());
    job::audited(&desk, &["north", "south"]);
}

#[test]
fn a_request_says_what_its_act_says_and_nothing_else() {
    let (desk, _served) = job::exchange();
    let id = opened(&desk);
    for (args, code, words) in [
        (&["--act", "decline"][..], 64, "this act has reasons"),
        (&["--act", "sign", "--reason", "x"], 64, "has no reasons"),
        (&["--act", "declare"], 64, "are what `declare` says"),
        (&["--act", "initial", "--words", "fr=x"], 64, "are what `declare` says"),
        (&["--act", "initial", "--declaration", "last"], 64, "for a signature alone"),
        (&["--act", "propose"], 64, "it takes: confirm"),
        (&["--act", "initial"], 1, "initial is not allowed while the communiqué is open"),
        (&["--declaration", "last"], 1, "has made no declaration"),
        (&["--act", "confirm"], 1, "no signature ad referendum"),
    ] {
        requested(&desk, "north", &id, &[args, &["--out", "x.request"]].concat()).ends(code).tells(words);
    }
    assert!(!desk.path("x.request").exists());
    requested(&desk, "north", &id, &["--out", "a.request"]).ends(0);
    requested(&desk, "north", &id, &["--out", "a.request"]).ends(1).tells("not overwritten");
    // What is no answer is not handed in; nor what another key has signed.
    submitted(&desk, "north", "a.request").ends(1);
    signed(&desk, "north", "a.request", "a.jws", "").ends(0);
    signed(&desk, "north", "a.request", "a.jws", "").ends(1).tells("not overwritten");
    signed(&desk, "south", "a.request", "b.jws", "").ends(1).tells("no full powers");
    let answer = desk.read("a.jws");
    let flipped = if answer.ends_with('A') { 'B' } else { 'A' };
    desk.write("c.jws", format!("{}{flipped}{}", &answer[..answer.len() - 10], &answer[answer.len() - 9..]));
    submitted(&desk, "north", "c.jws").ends(1).tells("does not verify");
}

/// At a terminal: the party's id is asked for here as well, and an annex is opened.
#[test]
fn the_ceremony_is_the_same_without_network() {
    let (desk, _served) = job::exchange();
    let id = opened(&desk);
    requested(&desk, "north", &id, &["--out", "a.request"]).ends(0);
    // A profile will do, whatever its address.
    desk.write("away.toml", desk.read("north-official.toml").replace("127.0.0.1", "absent.example"));
    let line = "act sign a.request --out a.jws --profile away.toml";
    let Some(mut terminal) = Terminal::at(&desk, line) else {
        return missing("script", "install Debian's package bsdutils");
    };
    terminal.until("To sign it, type north: ");
    terminal.types("yes\n");
    assert!(terminal.ends(1).contains("nothing was signed"));
    let mut terminal = Terminal::at(&desk, line).unwrap();
    terminal.until("To sign it, type north: ");
    terminal.types("\x03");
    assert!(terminal.ends(130).contains("nothing was signed, and nothing was sent"));
    assert!(!desk.path("a.jws").exists());
    let mut terminal = Terminal::at(&desk, line).unwrap();
    terminal.until("To sign it, type north: ");
    terminal.types("annex 1\nnorth\n");
    terminal.until("Passphrase of ");
    terminal.types(WORDS);
    let shown = terminal.ends(0);
    assert!(shown.contains("You were shown this revision before"), "{shown}");
    assert_eq!(desk.read(&format!("{id}-revision-1-annex-1.csv")), "a;b\n");
    submitted(&desk, "north", "a.jws").ends(0);
}

/// Every member of a request, changed: it is refused, or the change is one that is shown and that no signature covers.
#[test]
fn no_member_of_a_request_is_changed_unseen() {
    let (desk, _served) = job::exchange();
    draft(&desk, "draft.toml", "Premier texte.\n");
    let id =
        official(&desk, "north", "new draft.toml --json").ends(0).json()["communique"].as_str().unwrap().to_owned();
    official(&desk, "south", &format!("declare {id} --words fr=Entendu.")).ends(0);
    draft(&desk, "draft2.toml", "Deuxième texte.\n");
    official(&desk, "south", &format!("revise {id} draft2.toml")).ends(0);
    for party in ["north", "south"] {
        official(&desk, party, &format!("initial {id}")).ends(0);
    }
    official(&desk, "south", &format!("sign {id} --declaration last")).ends(0);
    // A revocation, of full powers under which nobody acts any more.
    desk.key("north-b.sample.pem");
    job::grant(&desk, "north", "b.sample", "charter.json").ends(0);
    let revoke = "powers revoke north-b.sample-powers.jws --charter charter.json --key north.pem --reason Fin --out r.jws --yes --submit";
    desk.sign(&format!("{revoke} --profile north-authority.toml")).ends(0);

    requested(&desk, "north", &id, &["--out", "a.request", "--since", "1"]).ends(0);
    let line = desk.read("a.request");
    let (head, annexes) = line.split_once('\n').unwrap();
    assert_eq!(annexes, "a;b\n");
    let value: Value = serde_json::from_str(head).unwrap();
    assert_eq!(value.to_string(), head, "canonical JSON");
    assert_eq!(value["type"], "communique.v1.request");
    let pin = Digest::parse(desk.run("charter fingerprint charter.json").ends(0).out.trim()).unwrap();
    let pinned = Pinned::new(desk.read("charter.json").trim_end().as_bytes(), pin).unwrap();
    let now = Time::parse(value["asked"].as_str().unwrap()).unwrap();
    let key = key(&desk, "north-holder.pem.jwk");
    let judged = |value: &Value, annexes: &str| -> Result<(), String> {
        desk.write("changed.request", format!("{value}\n{annexes}"));
        let mut file = RequestFile::open(&desk.path("changed.request")).map_err(|e| e.to_string())?;
        let request = file.request.clone();
        let dossier = request.judge(&pinned, now).map_err(|e| e.to_string())?;
        file.whole(dossier.manifest()).map_err(|e| e.to_string())?;
        file.annex(dossier.manifest(), 0, &mut std::io::sink()).map_err(|e| e.to_string())?;
        dossier.prepare(&request.wish, &key, now).map_err(|e| e.to_string())?;
        Ok(())
    };
    judged(&value, annexes).unwrap();

    let mut taken = Vec::new();
    let mut count = 0;
    for path in leaves(&value) {
        for changed in changes(value.pointer(&path).unwrap()) {
            let mut other = value.clone();
            *other.pointer_mut(&path).unwrap() = changed;
            count += 1;
            if judged(&other, annexes).is_ok() {
                taken.push(path.clone());
            }
        }
    }
    assert!(count > 100, "{count}");
    taken.dedup();
    // The exchange's word, which nobody signs: shown as such. And of the wish what is shown before it is signed.
    let word = [
        "/asked",
        "/papers/declined",
        "/papers/purged",
        "/papers/returned",
        "/papers/state",
        "/wish/place",
        "/wish/declaration",
    ];
    let told = |path: &str| {
        word.contains(&path)
            || path.contains("/escrowed/")
            || path.starts_with("/papers/powers/") && path.ends_with("/revoked/entry")
            || path.starts_with("/papers/succession/") && !path.ends_with("/object")
    };
    let unseen: Vec<_> = taken.iter().filter(|path| !told(path)).collect();
    assert!(unseen.is_empty(), "{unseen:#?}");

    // Lists with something less, and something twice.
    for list in ["/papers/acts", "/papers/history", "/papers/succession"] {
        let items = value.pointer(list).unwrap().as_array().unwrap().clone();
        for (n, item) in items.iter().enumerate() {
            let mut other = value.clone();
            other.pointer_mut(list).unwrap().as_array_mut().unwrap().remove(n);
            let shown = item["statement"].is_string() || list.ends_with("succession");
            let on_newest = !list.ends_with("history")
                || item["statement"]
                    .as_str()
                    .is_some_and(|s| claims(s)["revision"] == 2 && claims(s)["act"] != "propose");
            assert_eq!(judged(&other, annexes).is_err(), shown && on_newest, "{list}/{n}");
        }
    }
    for (what, annexes) in [("another annex", "a;c\n"), ("cut", "a;b"), ("more", "a;b\n\n"), ("none", "")] {
        judged(&value, annexes).expect_err(what);
    }
    fs::write(desk.path("cut.request"), &head[..head.len() / 2]).unwrap();
    assert!(RequestFile::open(&desk.path("cut.request")).is_err());
}

/// What the tool says of requests that are not to be relied on.
#[test]
fn a_request_that_was_tampered_with_is_refused_in_words() {
    let (desk, _served) = job::exchange();
    let id = opened(&desk);
    requested(&desk, "north", &id, &["--out", "a.request"]).ends(0);
    let whole = desk.read("a.request");
    let refused = |file: &str| signed(&desk, "north", file, "x.jws", "").ends(1);
    let tampered = |name: &str, from: &str, to: &str| {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{name}");
        desk.write("t.request", changed);
        refused("t.request").tells("nothing was signed")
    };
    tampered("a text", "Texte d’essai.", "Texte d’hier.").tells("it is another text than that");
    tampered("an annex", "a;b\n", "a;c\n").tells("it is another text than that");
    tampered("cut", "a;b\n", "").tells("it was cut, or something was added");
    tampered("more", "a;b\n", "a;b\na").tells("it was cut, or something was added");
    tampered("not canonical", "{\"annexes\":", "{ \"annexes\":").tells("canonical");
    tampered("another exchange", "\"exchange\":\"exchange.example\"", "\"exchange\":\"another.example\"")
        .tells("request.exchange");
    desk.write("half.request", &whole[..whole.len() / 2]);
    refused("half.request").tells("it was cut, or is some other file");
    desk.write("none.request", "{}\n");
    refused("none.request");
    let asked = whole.split_once("\"asked\":\"").unwrap().1[..20].to_owned();
    tampered("made later", &asked, "2999-01-01T00:00:00Z").tells("set the clock");
    tampered("made earlier", &asked, "2001-01-01T00:00:00Z").tells("holds what was logged");

    // Another communiqué's papers under this wish show themselves by their title and text; another pin is another exchange.
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let line = |pin: &str| {
        format!(
            "act sign a.request --out x.jws --charter charter.json --charter-pin {pin} --key north-holder.pem --yes"
        )
    };
    desk.sign(&line(&"0".repeat(64))).ends(1).tells("fingerprint");
    desk.sign("act sign a.request --out x.jws --charter charter.json --yes").ends(64);
    let other = Desk::new();
    other.charter();
    let theirs = other.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    fs::copy(other.path("charter.json"), desk.path("theirs.json")).unwrap();
    let theirs = format!(
        "act sign a.request --out x.jws --charter theirs.json --charter-pin {theirs} --key north-holder.pem --yes"
    );
    desk.sign(&theirs).ends(1).tells("request.founding");
    assert!(!desk.path("x.jws").exists());
    desk.sign(&line(&pin)).ends(0);
}

/// Full powers that ended yesterday sign nothing today, also where no exchange says so.
#[test]
fn full_powers_that_have_expired_sign_nothing() {
    let (desk, _served) = job::exchange();
    let id = opened(&desk);
    requested(&desk, "north", &id, &["--out", "a.request"]).ends(0);
    let file = RequestFile::open(&desk.path("a.request")).unwrap();
    let pin = Digest::parse(desk.run("charter fingerprint charter.json").ends(0).out.trim()).unwrap();
    let pinned = Pinned::new(desk.read("charter.json").trim_end().as_bytes(), pin).unwrap();
    let key = key(&desk, "north-holder.pem.jwk");
    let at = |time: &str| {
        let now = Time::parse(time).unwrap();
        let dossier = file.request.judge(&pinned, now).unwrap();
        dossier.prepare(&file.request.wish, &key, now).map(drop).map_err(|e| e.to_string())
    };
    at("2998-12-31T00:00:00Z").unwrap();
    let refused = at("2999-01-02T00:00:00Z").unwrap_err();
    assert!(refused.contains("expired 2999-01-01"), "{refused}");
}

/// A public key, which signs nothing here.
struct Public(communique::domain::key::PublicKey);
impl communique::domain::key::Signer for Public {
    fn public(&self) -> communique::domain::key::PublicKey {
        self.0
    }
    fn sign(&self, _: &[u8]) -> Result<[u8; 64], communique::domain::message::Message> {
        Err(communique::domain::message::Message::words("it is not asked for here"))
    }
}
fn key(desk: &Desk, jwk: &str) -> Public {
    Public(serde_json::from_str(&desk.read(jwk)).unwrap())
}

fn claims(compact: &str) -> Value {
    let payload = compact.split('.').nth(1).unwrap();
    serde_json::from_slice(&communique::domain::json::unbase64(payload).unwrap()).unwrap()
}

/// The pointers of everything in a value that is no list and no object.
fn leaves(value: &Value) -> Vec<String> {
    let within = |name: String, inner: &Value| leaves(inner).into_iter().map(move |path| format!("/{name}{path}"));
    match value {
        Value::Object(members) => members.iter().flat_map(|(name, inner)| within(name.clone(), inner)).collect(),
        Value::Array(items) => items.iter().enumerate().flat_map(|(n, inner)| within(n.to_string(), inner)).collect(),
        _ => vec![String::new()],
    }
}

/// What each could become.
fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec!["x".into(), "0".repeat(64).into()],
        Value::Bool(b) => vec![(!b).into()],
        Value::Number(n) => vec![(n.as_u64().unwrap() + 1).into(), 0.into()],
        Value::String(s) => {
            let middle = s.char_indices().nth(s.chars().count() / 2).map_or(0, |(at, _)| at);
            let letter = s[middle..].chars().next().unwrap_or('a');
            let other = if letter == 'a' { 'b' } else { 'a' };
            let flipped = format!("{}{other}{}", &s[..middle], &s[(middle + letter.len_utf8()).min(s.len())..]);
            vec![flipped.into(), "".into(), format!("{s}a").into(), Value::Null]
        }
        _ => vec![],
    }
}
