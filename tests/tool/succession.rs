//! One charter succeeds another, typed: a party joins, one leaves, a key changes, and what was open comes back.

use std::time::{SystemTime, UNIX_EPOCH};

use communique::domain::time::Time;
use serde_json::Value;

use crate::{
    desk::{Desk, told},
    job::{audited, audited_anew, draft, exchange, grant, ministry, official, profiles, reader},
};

/// A day that is so many seconds from now.
fn later(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Time::from_unix((now + seconds) as i64).to_string()
}

fn authority(desk: &Desk, line: &str) -> crate::desk::Ran {
    desk.run(&format!("{line} --profile north-authority.toml"))
}

fn adopt(desk: &Desk, charters: &str, key: &str, out: &str) -> crate::desk::Ran {
    desk.sign(&format!("charter adopt {charters} --key {key}.pem --out {out} --yes"))
}

#[test]
fn a_party_joins_a_key_changes_one_leaves_and_what_was_open_comes_back() {
    let (desk, served) = exchange();
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let joint = |desk: &Desk| -> String {
        let made = official(desk, "north", "new draft.toml --json").ends(0).json();
        let id = made["communique"].as_str().unwrap().to_owned();
        for party in ["north", "south"] {
            official(desk, party, &format!("initial {id}")).ends(0);
        }
        id
    };
    draft(&desk, "draft.toml", "Texte d’essai.\n");
    let id = joint(&desk);
    official(&desk, "south", &format!("sign {id}")).ends(0);
    audited(&desk, &["north", "south"]);

    // Charter 2: east joins.
    desk.key("east.pem");
    desk.party("east", "east.pem", "east.json");
    let by = later(30 * 86_400);
    let next = format!("charter next charter.json --adopt-by {by}");
    desk.run(&format!("{next} --out nothing.jsonl")).ends(1).tells("it would change nothing");
    desk.run(&format!("{next} --leave west --out nothing.jsonl")).ends(1).tells("lists no party west");
    desk.run(&format!("{next} --join north.json --out nothing.jsonl")).ends(1).tells("never used again");
    desk.run(&format!(
        "charter next charter.json --adopt-by {} --join east.json --out nothing.jsonl",
        later(400 * 86_400)
    ))
    .ends(1)
    .tells("366 days");
    assert!(!desk.path("nothing.jsonl").exists());
    desk.run(&format!("{next} --join east.json --out two.jsonl")).ends(0).prints("east JOINS").prints("charter adopt");
    desk.run("charter show two.jsonl").ends(0).prints("Charter 2").prints("succeeds").prints(&told(&by));
    desk.write("alone.json", desk.read("two.jsonl").lines().last().unwrap());
    desk.run("charter show alone.json").ends(1).tells("communique charter fetch");
    desk.key("stranger.pem");
    adopt(&desk, "two.jsonl", "stranger", "stranger-2.jws").ends(1).tells("no party's authority key");
    let scene = adopt(&desk, "two.jsonl", "north", "north-2.jws").ends(0);
    scene.prints("east JOINS").prints("it consents that it succeeds charter 1").prints("can adopt no other");
    adopt(&desk, "two.jsonl", "east", "east-2.jws").ends(0).prints("east JOINS by charter 2");
    adopt(&desk, "two.jsonl", "south", "south-2.jws").ends(0);

    // A second charter in place of the same one is not adopted while the first stands; the same one is, again.
    desk.run(&format!("{next} --join east.json --witnesses 1 --out other.jsonl")).ends(0);
    adopt(&desk, "other.jsonl", "north", "north-other.jws")
        .ends(1)
        .tells("it stands until")
        .tells("north.pem.adoptions");
    assert!(!desk.path("north-other.jws").exists());
    adopt(&desk, "two.jsonl", "north", "north-2-again.jws").ends(0);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(desk.path("north.pem.adoptions")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    desk.write("north.pem.adoptions", "no record");
    adopt(&desk, "other.jsonl", "north", "north-other.jws").ends(1).tells("find out what was");

    // Put forward; carried by one party for the others.
    authority(&desk, "charter propose other.jsonl --adoption north-2.jws").ends(1).tells("adopts another charter");
    authority(&desk, "charter submit-adoption east-2.jws").ends(1).tells("no proposed charter");
    let put = authority(&desk, "charter propose two.jsonl --adoption north-2.jws").ends(0);
    put.prints("put forward").prints("pending").prints("missing      east and south");
    let listed = reader(&desk, "south", "charter list --json").ends(0).json();
    assert_eq!(listed["charters"][1]["state"], "pending");
    assert_eq!(listed["charters"][1]["missing"], serde_json::json!(["east", "south"]));
    let fingerprint = listed["charters"][1]["fingerprint"].as_str().unwrap().to_owned();
    reader(&desk, "south", &format!("charter show --proposed {fingerprint}"))
        .ends(0)
        .prints("Charter 2")
        .prints("pending");
    reader(&desk, "south", &format!("charter show --proposed {pin}")).ends(0).prints("in force since");
    reader(&desk, "south", &format!("charter show --proposed {}", "0".repeat(64))).ends(1).tells("charter list");
    reader(&desk, "south", &format!("charter fetch --proposed {fingerprint} --out proposed.jsonl")).ends(0);
    assert_eq!(desk.read("proposed.jsonl"), desk.read("two.jsonl"));
    authority(&desk, "charter submit-adoption south-2.jws").ends(0).prints("missing      east");
    authority(&desk, "charter submit-adoption south-2.jws").ends(0);
    authority(&desk, "charter submit-adoption east-2.jws").ends(0).prints("in force since");
    authority(&desk, "charter propose two.jsonl --adoption north-2-again.jws").ends(1).tells("charter fetch");
    reader(&desk, "south", "charter list").ends(0).prints("was succeeded").prints("in force since");
    reader(&desk, "south", "charter fetch --out fetched.jsonl").ends(0);
    assert_eq!(desk.read("fetched.jsonl"), desk.read("two.jsonl"));

    // What was open came back; it is proposed again under the new charter, and signed.
    let seen = reader(&desk, "south", &format!("show {id} --json")).ends(0).json();
    assert_eq!((&seen["state"], &seen["returned"]), (&"drafting".into(), &true.into()));
    reader(&desk, "south", &format!("show {id}")).ends(0).prints("Another charter came into force").prints("revise");
    official(&desk, "south", &format!("initial {id}")).ends(1).tells("another charter is in force");
    official(&desk, "north", &format!("revise {id} draft.toml")).ends(0);
    for act in ["initial", "sign"] {
        for party in ["north", "south"] {
            official(&desk, party, &format!("{act} {id}")).ends(0);
        }
    }
    assert_eq!(reader(&desk, "south", &format!("show {id} --json")).ends(0).json()["state"], "complete");

    // What was signed under charter 2 is proven from charter 1.
    reader(&desk, "north", &format!("publish {id}")).ends(0);
    reader(&desk, "north", &format!("fetch {id} --out package.zip")).ends(0);
    desk.run(&format!("verify package.zip --charter-pin {pin}")).ends(0).prints("PROVEN");

    // The newcomer: its trust is carried by another; then it comes by itself, with the charters or with charter 1.
    ministry(&desk, "east", "two.jsonl");
    profiles(&desk, "east", &served.address, &pin);
    reader(&desk, "east", "list").ends(69);
    authority(&desk, "trust submit east-trust.jws").ends(0).prints("Statement 1 of east is in force");
    reader(&desk, "east", "list").ends(0).prints("None yet");
    grant(&desk, "east", "a.sample", "two.jsonl").ends(0).prints("holds full powers");
    let profile = desk.read("east-official.toml").replace("charter.json", "two.jsonl");
    desk.write("east-official.toml", profile.clone());
    reader(&desk, "east", "charter show").ends(0).prints("Charter 2");
    desk.write("east-official.toml", profile.replace(&pin, &fingerprint));
    reader(&desk, "east", "charter show").ends(0).prints("Charter 2");

    // Charter 3: south leaves, and north's authority has a new key, with which it adopts too.
    let waiting = joint(&desk);
    desk.key("north-new.pem");
    desk.party("north", "north-new.pem", "north-new.json");
    let next =
        format!("charter next two.jsonl --adopt-by {by} --leave south --replace north-new.json --out three.jsonl");
    desk.run(&next).ends(0).prints("south LEAVES").prints("north: authority key");
    std::fs::remove_file(desk.path("north.pem.adoptions")).unwrap();
    adopt(&desk, "three.jsonl", "north", "north-3-old.jws").ends(0).prints("with its new key too");
    adopt(&desk, "three.jsonl", "north-new", "north-3.jws").ends(0).prints("with its new key: it agrees");
    adopt(&desk, "three.jsonl", "south", "south-3.jws").ends(0).prints("LEAVES: it is no party from then on");
    adopt(&desk, "three.jsonl", "east", "east-3.jws").ends(0);
    authority(&desk, "charter propose three.jsonl --adoption north-3-old.jws")
        .ends(0)
        .prints("by the key of the charter before");
    for adoption in ["south-3.jws", "east-3.jws"] {
        authority(&desk, &format!("charter submit-adoption {adoption}")).ends(0).prints("pending");
    }
    authority(&desk, "charter submit-adoption north-3.jws").ends(0).prints("in force since");

    // Powers that the old key gave are dead; new ones are given under the new key.
    let powers = reader(&desk, "north", "powers list --json").ends(0).json();
    let states: Vec<_> = powers["powers"].as_array().unwrap().iter().map(|p| p["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["authority_changed", "party_left", "in_force"], "{powers}");
    let seen = reader(&desk, "north", &format!("show {waiting}")).ends(0);
    seen.prints("south is no party under the charter in force, so it can only be withdrawn");
    official(&desk, "north", &format!("withdraw {waiting}")).ends(1).tells("authority key that gave them");
    std::fs::rename(desk.path("north.pem"), desk.path("north-old.pem")).unwrap();
    for end in ["", ".jwk"] {
        std::fs::copy(desk.path(&format!("north-new.pem{end}")), desk.path(&format!("north.pem{end}"))).unwrap();
    }
    std::fs::remove_file(desk.path("north-a.sample-powers.jws")).unwrap();
    grant(&desk, "north", "a.sample", "three.jsonl").ends(0);
    official(&desk, "north", &format!("withdraw {waiting}")).ends(0).prints("withdrawn");
    let listed: Value = reader(&desk, "east", "charter list --json").ends(0).json();
    let states: Vec<_> = listed["charters"].as_array().unwrap().iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["succeeded", "succeeded", "in_force"]);
    audited_anew(&desk, &["north", "east"]);
}
