//! Receipts and the audit, as typed: what is kept of what was sent, and the whole log checked against it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use crate::{
    desk::{Desk, WORDS},
    job::{draft, exchange, official, reader},
    missing::missing,
};

/// The folder of a profile's receipts.
fn receipts(desk: &Desk, profile: &str) -> PathBuf {
    let mut folders = fs::read_dir(desk.path(&format!("{profile}.toml.receipts"))).unwrap();
    folders.next().unwrap().unwrap().path()
}
fn kept(desk: &Desk, profile: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(receipts(desk, profile).join("entries")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}
fn head(desk: &Desk, profile: &str) -> u64 {
    let note = fs::read_to_string(receipts(desk, profile).join("head")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}
fn evidence(desk: &Desk, profile: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(receipts(desk, profile)).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("evidence-")).collect()
}
/// A negotiation up to the first of two signatures.
fn half_signed(desk: &Desk) -> String {
    draft(desk, "draft.toml", "Texte d’essai.\n");
    let made = official(desk, "north", "new draft.toml --json").ends(0).json();
    let id = made["communique"].as_str().unwrap().to_owned();
    for party in ["north", "south"] {
        official(desk, party, &format!("initial {id}")).ends(0);
    }
    official(desk, "north", &format!("sign {id}")).ends(0);
    id
}

#[test]
fn an_audit_sees_that_all_is_in_its_place_and_goes_on_where_it_stopped() {
    let (desk, _served) = exchange();
    let id = half_signed(&desk);
    desk.run_with(&["remark", "add", &id, "Entre nous.", "--own", "--profile", "north-official.toml"], "").ends(0);
    desk.run_with(&["remark", "add", &id, "Pour tous.", "--profile", "north-official.toml"], "").ends(0);

    // What was sent is kept, as it came; the head is the highest seen.
    let sent = kept(&desk, "north-official");
    assert_eq!(sent.len(), 5, "proposal, initial, signature, two remarks: {sent:?}");
    let receipt = fs::read_to_string(&sent[0]).unwrap();
    let (entry, proof) = receipt.split_once('\n').unwrap();
    assert!(entry.starts_with("{\"documents\":") && proof.starts_with("c2sp.org/tlog-proof@v1\nindex "), "{receipt}");
    for path in [&sent[0], &receipts(&desk, "north-official").join("head")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }

    let north = reader(&desk, "north", "audit").ends(0).prints("No lie was found");
    let norths = north.prints("Receipts of what was sent with this profile, all in their place: 5.");
    norths.prints("signatures of others in escrow: 0; entries that are not for north: 0").prints("full powers");
    let south = reader(&desk, "south", "audit --json").ends(0).json();
    let size = south["size"].as_u64().unwrap();
    assert_eq!(head(&desk, "south-official"), size);
    assert_eq!((&south["good"], &south["from"], &south["receipts"]), (&true.into(), &0.into(), &1.into()));
    assert_eq!((&south["escrowed"], &south["unseen"]), (&1.into(), &1.into()), "a signature, a remark: {south}");
    assert_eq!(south["shown"].as_u64().unwrap(), size - 2);
    let own: Vec<_> = south["own"].as_array().unwrap().iter().map(|o| o["kind"].as_str().unwrap()).collect();
    assert_eq!(own, ["trust", "powers"]);
    assert_eq!(south["own"][1]["statement"]["holder"]["id"], "a.sample");

    // Nothing new; then only what is new, and what was sealed before.
    reader(&desk, "south", "audit").ends(0).prints("Nothing new").prints("No lie was found");
    official(&desk, "south", &format!("sign {id}")).ends(0);
    reader(&desk, "south", &format!("publish {id}")).ends(0);
    let next = reader(&desk, "south", "audit --json").ends(0).json();
    assert_eq!((&next["from"], &next["own"]), (&size.into(), &serde_json::json!([])));
    assert_eq!((&next["shown"], &next["escrowed"], &next["receipts"]), (&3.into(), &0.into(), &3.into()), "{next}");
    let anew = reader(&desk, "south", "audit --anew --json").ends(0).json();
    assert_eq!((&anew["from"], &anew["escrowed"], &anew["unseen"]), (&0.into(), &0.into(), &1.into()), "{anew}");
    assert_eq!(anew["size"], next["size"]);
    let statements = |audit: &serde_json::Value| audit["statements"].as_u64().unwrap();
    assert_eq!(statements(&anew), statements(&south) + statements(&next), "what was sealed counts once it can be seen");

    // Grants and their end are told to who must know of them.
    let grant = south["own"][1]["digest"].as_str().unwrap().to_owned();
    let revoke = format!(
        "powers revoke {grant} --charter charter.json --key south.pem --out end.jws --submit --yes --passphrase-fd 0 \
         --profile south-authority.toml"
    );
    let reason: Vec<_> = revoke.split_whitespace().chain(["--reason", "Fin d’essai"]).collect();
    desk.run_with(&reason, WORDS).ends(0);
    let told = reader(&desk, "south", "audit").ends(0).prints("Done in the name of the authority of south");
    told.prints(&format!("the end of full powers {grant}: “Fin d’essai”")).prints("replace the key");
    reader(&desk, "north", "audit").ends(0).prints("No lie was found");
    // Who may not watch cannot audit.
    desk.run("audit --profile north-archivist.toml").ends(1);
}

/// How far it came is for a person at a terminal: standard error, and nothing of it for programs.
#[test]
fn an_audit_shows_its_progress_to_a_person_alone() {
    let (desk, _served) = exchange();
    let piped = reader(&desk, "north", "audit --anew").ends(0);
    assert_eq!(piped.err, "");
    let typed = |command: &str| {
        let script = std::process::Command::new("script")
            .args(["-qec", command, "/dev/null"])
            .env("T", assert_cmd::cargo::cargo_bin("communique"))
            .env("TERM", "xterm")
            .current_dir(desk.0.path())
            .stdin(std::process::Stdio::null())
            .output();
        script.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Ok(shown) = typed("\"$T\" audit --anew --profile north-official.toml 3>&1 >audited 2>&3") else {
        return missing("script", "install Debian's package bsdutils");
    };
    let size = head(&desk, "north-official");
    assert!(shown.contains("entries checked") && shown.contains(&format!("/{size} ")), "{shown:?}");
    assert!(desk.read("audited").contains("No lie was found"));
    let for_programs = typed("\"$T\" audit --anew --json --profile north-official.toml").unwrap();
    assert!(for_programs.contains("\"good\": true") && !for_programs.contains("checked"), "{for_programs:?}");
    let elsewhere = typed("\"$T\" audit --anew --profile north-official.toml 2>said").unwrap();
    assert!(elsewhere.contains("No lie was found") && desk.read("said").is_empty(), "{elsewhere:?}");
}

/// What the exchange shows is held against what this side kept, also when it was another exchange that it kept it of.
#[test]
fn an_exchange_that_does_not_go_on_from_what_was_kept_is_refused() {
    let (desk, _served) = exchange();
    half_signed(&desk);
    reader(&desk, "north", "audit").ends(0);
    let folder = receipts(&desk, "north-official");
    assert_eq!(evidence(&desk, "north-official"), [] as [PathBuf; 0]);

    // A file that was changed on this side is told as that, and is no lie of the exchange.
    let (good, size) = (fs::read_to_string(folder.join("head")).unwrap(), head(&desk, "north-official"));
    let larger = good.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 9), 1);
    fs::write(folder.join("head"), &larger).unwrap();
    reader(&desk, "north", "list").ends(1).tells("put it back from a backup");
    fs::write(folder.join("head"), &good).unwrap();
    reader(&desk, "north", "list").ends(0);

    // A charter that was seen and is not there any more.
    let charter = folder.join("charter");
    let seen = fs::read_to_string(&charter).unwrap();
    fs::write(&charter, seen.replace("\"version\":1", "\"version\":2")).unwrap();
    let refused = reader(&desk, "north", "list --json").ends(76).tells("\"CONTRADICTED\"").tells("rolled back");
    refused.tells("communique audit");
    let files = evidence(&desk, "north-official");
    assert_eq!(files.len(), 1);
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let audit = reader(&desk, "north", "audit").ends(1).prints("A LIE WAS FOUND").prints("rolled back");
    audit.prints("It does not prove it to others by itself").prints("communique audit verify");
    let lie = reader(&desk, "north", "audit --json").ends(1).json();
    assert_eq!((&lie["good"], &lie["lie"]["kind"]), (&false.into(), &"charter_rolled_back".into()));

    // Offline: what the file proves, and to whom.
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let file = files[0].display().to_string();
    desk.run(&format!("audit verify {file} --pin {pin}"))
        .ends(1)
        .prints("NOT PROVEN")
        .prints("proves a lie of the exchange");
    desk.run(&format!("audit verify {file} --pin {}", "0".repeat(64))).ends(1).prints("not those that you pin");
    desk.run("audit verify absent.json").ends(2);
    desk.write("cut.json", &fs::read(&files[0]).unwrap()[..100]);
    desk.run("audit verify cut.json").ends(2);
    let verdict = desk.run(&format!("audit verify {file} --json")).ends(1).json();
    assert_eq!((&verdict["weight"], &verdict["kind"]), (&"nothing".into(), &"charter_rolled_back".into()));
    fs::write(&charter, seen).unwrap();
    reader(&desk, "north", "audit").ends(0);

    // A receipt of something else.
    let receipt = kept(&desk, "north-official").remove(0);
    let words = fs::read_to_string(&receipt).unwrap();
    fs::write(&receipt, words.replace("\"seq\":0", "\"seq\":7")).unwrap();
    reader(&desk, "north", "audit --anew").ends(1).prints("is another than the one that the exchange proved");
    fs::write(&receipt, words).unwrap();
    reader(&desk, "north", "audit --anew").ends(0);
}
