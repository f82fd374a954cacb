//! Negotiations as they go, typed: an objection, a declaration, a signature ad referendum, an embargo lifted; a declination, a
//! withdrawal, an erasure; a rectification; a substitution in the middle of signing.

use serde_json::Value;

use crate::{
    desk::{Desk, Ran, WORDS},
    job::{audited, audited_anew, draft, exchange, grant, official, reader},
};

/// As a party's official, who has read everything, with arguments that hold spaces.
fn act(desk: &Desk, party: &str, args: &[&str]) -> Ran {
    let profile = format!("{party}-official.toml");
    desk.run_with(&[args, &["--yes", "--passphrase-fd", "0", "--profile", &profile]].concat(), WORDS)
}

fn proposed(desk: &Desk, file: &str, more: &str) -> String {
    let made = official(desk, "north", &format!("new {file} {more} --json")).ends(0).json();
    made["communique"].as_str().unwrap().to_owned()
}

fn shown(desk: &Desk, party: &str, id: &str) -> Value {
    reader(desk, party, &format!("show {id} --json")).ends(0).json()
}

fn opened(desk: &Desk, id: &str) {
    official(desk, "north", &format!("initial {id}")).ends(0).prints("south initials it too");
    official(desk, "south", &format!("initial {id}")).ends(0).prints("open");
}

#[test]
fn an_objection_a_declaration_a_signature_ad_referendum_and_an_embargo_lifted() {
    let (desk, _served) = exchange();
    draft(&desk, "draft.toml", "Les parties d’essai se sont réunies hier.\n");
    let embargo = "[procedure]\nembargo = '2990-01-01T00:00:00Z'\n";
    desk.write("draft.toml", desk.read("draft.toml") + embargo);
    let id = proposed(&desk, "draft.toml", "");

    // An objection keeps it from opening; the next revision sets it aside.
    act(&desk, "south", &["object", &id]).ends(64).tells("--reason");
    act(&desk, "south", &["decline", &id, "--reason", "Non."]).ends(1).tells("object or propose another text");
    let objected = act(&desk, "south", &["object", &id, "--reason", "Il manque un alinéa."]).ends(0);
    objected.prints("You object, for the reasons above").prints("Il manque un alinéa.");
    let seen = reader(&desk, "north", &format!("show {id}")).ends(0);
    seen.prints("Il manque un alinéa.").prints("An objection stands");
    for party in ["north", "south"] {
        official(&desk, party, &format!("initial {id}")).ends(0).prints("drafting");
    }
    draft(&desk, "draft2.toml", "Les parties d’essai se sont réunies hier.\n\nUn alinéa.\n");
    desk.write("draft2.toml", desk.read("draft2.toml") + embargo);
    official(&desk, "north", &format!("revise {id} draft2.toml")).ends(0);
    let seen = reader(&desk, "south", &format!("show {id}")).ends(0);
    assert!(!seen.out.contains("An objection stands"), "{}", seen.out);

    // A declaration, in two languages, readable by all at once; what breaks the text rules is shown where.
    act(&desk, "south", &["declare", &id]).ends(64).tells("--text");
    let hidden = act(&desk, "south", &["declare", &id, "--words", "fr=À l’\u{202e}envers."]).ends(1);
    hidden.tells("the declaration fr").tells("line 1, column 5");
    act(&desk, "south", &["declare", &id, "--words", "fr=Un.", "--words", "fr=Deux."]).ends(64).tells("given twice");
    desk.write("declared.txt", "إعلان تجريبي.\n");
    let declared =
        act(&desk, "south", &["declare", &id, "--words", "fr=Le sud l’entend ainsi.", "--text", "ar=declared.txt"]);
    declared.ends(0).prints("You make the declaration above").prints("إعلان تجريبي.").prints("--declaration last");
    let seen = reader(&desk, "north", &format!("show {id}")).ends(0);
    seen.prints("Le sud l’entend ainsi.").prints("declared");
    act(&desk, "north", &["release", &id]).ends(1).tells("released once it is open");
    opened(&desk, &id);
    act(&desk, "south", &["declare", &id, "--words", "fr=Trop tard."]).ends(1).tells("while the text is settled");
    act(&desk, "south", &["object", &id, "--reason", "Trop tard."]).ends(1).tells("decline it");

    // A signature ad referendum counts once it is confirmed.
    act(&desk, "north", &["confirm", &id]).ends(1).tells("no signature ad referendum of north waits");
    act(&desk, "north", &["sign", &id, "--declaration", "last"]).ends(1).tells("north has made no declaration");
    act(&desk, "north", &["sign", &id, "--declaration", "first"]).ends(64).tells("`last`");
    let signed = act(&desk, "north", &["sign", &id, "--ad-referendum"]).ends(0);
    signed.prints("You sign ad referendum").prints(&format!("communique confirm {id}"));
    reader(&desk, "north", &format!("show {id}")).ends(0).prints("north confirms its signature ad referendum");
    let south = reader(&desk, "south", &format!("show {id}")).ends(0);
    assert!(south.out.contains("in escrow") && !south.out.contains("confirm"), "{}", south.out);
    let signed = act(&desk, "south", &["sign", &id, "--declaration", "last"]).ends(0);
    signed
        .prints("You sign definitively, with the declaration above")
        .prints("Le sud l’entend ainsi.")
        .prints("on revision 2:");
    assert_eq!(shown(&desk, "south", &id)["state"], "open");
    act(&desk, "north", &["confirm", &id, &"0".repeat(64)]).ends(1).tells("no signature 0000");
    let confirmed = act(&desk, "north", &["confirm", &id]).ends(0);
    confirmed.prints("You confirm the signature ad referendum above").prints("complete").prints("release");

    // Publication before the embargo needs everybody.
    reader(&desk, "north", &format!("publish {id}")).ends(1).tells("embargo until 1 January 2990");
    act(&desk, "north", &["release", &id]).ends(0).prints("It needs every party; still to agree besides yours: south");
    let seen = reader(&desk, "south", &format!("show {id}")).ends(0);
    seen.prints("The release from the embargo is agreed by north, and not yet by south");
    reader(&desk, "north", &format!("publish {id}")).ends(1).tells("embargo until 1 January 2990");
    act(&desk, "south", &["release", &id]).ends(0).prints("Every other party has agreed").prints("publish");
    let seen = shown(&desk, "south", &id);
    let acts: Vec<_> =
        seen["acts"].as_array().unwrap().iter().map(|a| a["statement"]["act"].as_str().unwrap()).collect();
    assert_eq!(
        acts,
        ["propose", "declare", "initial", "initial", "sign_ad_referendum", "sign", "confirm", "release", "release"]
    );
    assert_eq!(seen["acts"][5]["statement"]["declaration"], seen["acts"][1]["digest"]);
    assert_eq!(seen["acts"][6]["statement"]["confirms"], seen["acts"][4]["digest"]);
    let history = reader(&desk, "north", &format!("history {id}")).ends(0);
    history
        .prints("signed revision 2 ad referendum")
        .prints("confirmed")
        .prints("Le sud l’entend ainsi.")
        .prints("objected");
    reader(&desk, "north", &format!("publish {id}")).ends(0);
    reader(&desk, "north", &format!("fetch {id} --out package.zip")).ends(0);
    verified(&desk, "package.zip").prints("Le sud l’entend ainsi.");
    audited_anew(&desk, &["north", "south"]);
}

#[test]
fn a_declination_after_a_signature_a_withdrawal_and_an_erasure() {
    let (desk, _served) = exchange();
    draft(&desk, "draft.toml", "Texte d’essai.\n");
    let id = proposed(&desk, "draft.toml", "");
    opened(&desk, &id);
    act(&desk, "north", &["sign", &id]).ends(0).prints("Signed; it is complete once every party has signed");
    let declined = act(&desk, "north", &["decline", &id, "--reason", "La capitale refuse."]).ends(0);
    declined.prints("what was signed stays sealed for ever").prints("drafting");
    reader(&desk, "south", &format!("show {id}")).ends(0).prints("It was declined, and what was signed stays sealed");
    official(&desk, "south", &format!("initial {id}")).ends(1).tells("a new revision is needed");
    official(&desk, "south", &format!("revise {id} draft.toml")).ends(0);
    opened(&desk, &id);

    // Open, it is taken back by all; each sees who has agreed.
    official(&desk, "north", &format!("release {id}")).ends(1).tells("no embargo");
    let first = act(&desk, "south", &["withdraw", &id, "--reason", "Sans objet."]).ends(0);
    first
        .prints("You agree to take this communiqué back")
        .prints("It needs every party; still to agree besides yours: north")
        .prints("Sans objet.");
    assert_eq!(shown(&desk, "north", &id)["state"], "open");
    let seen = reader(&desk, "north", &format!("show {id}")).ends(0);
    seen.prints("The withdrawal is agreed by south, and not yet by north").prints("Sans objet.");
    official(&desk, "south", &format!("withdraw {id}")).ends(1).tells("has done this already");
    official(&desk, "south", &format!("purge {id}")).ends(1).tells("withdrawn or has lapsed alone");
    let last = official(&desk, "north", &format!("withdraw {id}")).ends(0);
    last.prints("Every other party has agreed, so it is done AT ONCE").prints("withdrawn");
    reader(&desk, "south", &format!("show {id} --texts")).ends(0).prints("Texte d’essai.").prints("communique purge");

    // The texts are erased when all ask; what was done remains.
    official(&desk, "north", &format!("purge {id}"))
        .ends(0)
        .prints("erased for ever")
        .prints("still to agree besides yours: south");
    reader(&desk, "south", &format!("show {id}"))
        .ends(0)
        .prints("The erasure of the texts is agreed by north, and not yet by south");
    let purged = official(&desk, "south", &format!("purge {id}")).ends(0);
    purged.prints("AT ONCE").prints("its texts were erased");
    let seen = reader(&desk, "north", &format!("show {id} --texts")).ends(0);
    let seen = seen.prints("Its texts and annexes were erased").prints("to the withdrawal");
    assert!(!seen.out.contains("Texte d’essai."), "{}", seen.out);
    assert_eq!(shown(&desk, "north", &id)["purged"], true);
    reader(&desk, "north", &format!("history {id}")).ends(0).prints("were erased, as every party asked");
    official(&desk, "north", &format!("purge {id}")).ends(1).tells("erased already");

    // A draft is its proposer's to take back, at once.
    let id = proposed(&desk, "draft.toml", "");
    official(&desk, "south", &format!("withdraw {id}")).ends(1).tells("the act of the proposer, north");
    let taken = official(&desk, "north", &format!("withdraw {id}")).ends(0);
    taken.prints("You take this draft back").prints("withdrawn");
    official(&desk, "north", &format!("revise {id} draft.toml")).ends(1).tells("new communiqué");
    audited_anew(&desk, &["north", "south"]);
}

#[test]
fn a_rectification_names_what_it_corrects_and_is_signed_by_the_same() {
    let (desk, _served) = exchange();
    draft(&desk, "draft.toml", "Les parties d’essai se sont réunies le 23 octobre.\n");
    let original = proposed(&desk, "draft.toml", "");
    let correct = format!("new draft.toml --rectifies {original}");
    official(&desk, "north", &correct).ends(1).tells("not published");
    official(&desk, "north", "new draft.toml --anyway").ends(64);
    opened(&desk, &original);
    for party in ["north", "south"] {
        official(&desk, party, &format!("sign {original}")).ends(0);
    }
    reader(&desk, "south", &format!("publish {original}")).ends(0);

    draft(&desk, "draft.toml", "Les parties d’essai se sont réunies le 23 novembre.\n");
    let right = desk.read("draft.toml");
    desk.write("draft.toml", right.replace("'north', 'south'", "'north', 'east'").replace("host = 'north'", ""));
    official(&desk, "north", &correct).ends(1).tells("exactly north and south");
    desk.write("draft.toml", right);
    let made = official(&desk, "north", &correct).ends(0);
    made.prints(&format!("What it corrects in {original}")).prints("fr: 1 paragraph changed");
    let listed = reader(&desk, "south", "inbox --json").ends(0).json();
    let id = listed["inbox"][0]["communique"].as_str().unwrap().to_owned();
    reader(&desk, "south", &format!("show {id}")).ends(0).prints("rectifies").prints(&original);
    official(&desk, "south", &format!("revise {id} draft.toml")).ends(0).prints("rectifies");
    assert_eq!(shown(&desk, "south", &id)["manifest"]["rectifies"]["communique"], original.as_str());
    opened(&desk, &id);
    for party in ["north", "south"] {
        official(&desk, party, &format!("sign {id}")).ends(0);
    }
    assert_eq!(shown(&desk, "south", &id)["state"], "complete");
    assert_eq!(shown(&desk, "south", &original)["rectified_by"], Value::Null, "it is not published yet");

    // Published, it is named wherever the original is: the newest one, and the one to correct from then on.
    reader(&desk, "south", &format!("publish {id}")).ends(0);
    assert_eq!(shown(&desk, "north", &original)["rectified_by"], id.as_str());
    let named = format!("It was rectified by {id}");
    reader(&desk, "north", &format!("show {original}")).ends(0).prints(&named);
    reader(&desk, "north", &format!("history {original}"))
        .ends(0)
        .prints("a communiqué that corrects it was published");
    reader(&desk, "north", &format!("publish {original}")).ends(0).prints("rectified by").prints(&id);
    reader(&desk, "north", &format!("fetch {original} --out original.zip")).ends(0).prints("rectified by").prints(&id);
    reader(&desk, "north", &format!("fetch {id} --out package.zip")).ends(0);
    verified(&desk, "original.zip");
    verified(&desk, "package.zip").prints(&original);
    official(&desk, "north", &correct).ends(1).tells(&format!("--rectifies {id}"));
    official(&desk, "north", &format!("{correct} --anyway")).ends(0);
    official(&desk, "north", &format!("new draft.toml --rectifies {id}"))
        .ends(0)
        .prints("Nothing that is read changed.");
    audited_anew(&desk, &["north", "south"]);
}

fn verified(desk: &Desk, package: &str) -> Ran {
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    desk.run(&format!("verify {package} --charter-pin {pin}")).ends(0).prints("PROVEN")
}

#[test]
fn a_signatory_is_replaced_in_the_middle_without_a_new_revision() {
    let (desk, _served) = exchange();
    draft(&desk, "draft.toml", "Texte d’essai.\n");
    let id = proposed(&desk, "draft.toml", "");
    opened(&desk, &id);
    official(&desk, "north", &format!("sign {id}")).ends(0);
    audited(&desk, &["north", "south"]);

    // Revoked offline; of the file, it is shown whose powers end.
    let revoke = ["--charter", "charter.json", "--key", "north.pem", "--passphrase-fd", "0"];
    let file = ["powers", "revoke", "north-a.sample-powers.jws", "--out", "end.jws"];
    desk.run_with(&[&file[..], &revoke, &["--yes"]].concat(), WORDS).ends(64).tells("--reason");
    let reason = ["--reason", "Fin de mission."];
    desk.run_with(&[&file[..], &revoke, &reason].concat(), WORDS).ends(64).tells("nobody is there to confirm");
    let foreign = ["--charter", "charter.json", "--key", "south.pem", "--passphrase-fd", "0", "--yes"];
    desk.run_with(&[&file[..], &foreign, &reason].concat(), WORDS).ends(1).tells("are of north");
    let ended = desk.run_with(&[&file[..], &revoke, &reason, &["--yes"]].concat(), WORDS).ends(0);
    ended.prints("A. Essai").prints("Fin de mission.").prints("powers submit end.jws");
    let listed = reader(&desk, "south", "powers list --party north --json").ends(0).json();
    assert_eq!(listed["powers"][0]["state"], "in_force", "it ends nothing until it is handed in");
    desk.run("powers submit end.jws --profile south-authority.toml").ends(1).tells("north");
    desk.run("powers submit end.jws --profile north-authority.toml").ends(0).prints("north has ended full powers");
    let listed = reader(&desk, "south", "powers list --party north --json").ends(0).json();
    assert_eq!(listed["powers"][0]["state"], "revoked");
    let digest = listed["powers"][0]["digest"].as_str().unwrap().to_owned();
    reader(&desk, "south", &format!("powers show {digest}"))
        .ends(0)
        .prints("state        revoked ")
        .prints("Fin de mission.");
    let again = ["powers", "revoke", &digest, "--out", "again.jws"];
    let reason = ["--reason", "Deux fois."];
    let again = desk.run_with(&[&again[..], &revoke, &reason, &["--yes"]].concat(), WORDS).ends(0);
    again.prints("only the digest was given");
    desk.run("powers submit again.jws --profile north-authority.toml").ends(1).tells("exists already");
    reader(&desk, "north", "doctor").ends(1).prints("do not stand: revoked");

    // What was signed no longer counts, and nobody signs under what was revoked.
    official(&desk, "south", &format!("sign {id}")).ends(0);
    audited(&desk, &["north", "south"]);
    assert_eq!(shown(&desk, "south", &id)["state"], "open");
    official(&desk, "north", &format!("sign {id}")).ends(1).tells("not in force (revoked");
    desk.key("north-b.sample.pem");
    grant(&desk, "north", "b.sample", "charter.json").ends(0);
    desk.write(
        "north-official.toml",
        desk.read("north-official.toml").replace("north-holder.pem", "north-b.sample.pem"),
    );
    official(&desk, "north", &format!("sign {id}")).ends(0).prints("B. Essai").prints("complete");
    audited(&desk, &["north", "south"]);
    reader(&desk, "south", &format!("publish {id}")).ends(0);
    reader(&desk, "south", &format!("fetch {id} --out package.zip")).ends(0);
    let proven = verified(&desk, "package.zip").prints("signed by “B. Essai”");
    let north = proven.out.split("\nparty ").find(|party| party.trim_start().starts_with("north is")).unwrap();
    assert!(!north.contains("  signed by “A. Essai”"), "{}", proven.out);
    audited_anew(&desk, &["north", "south"]);
}
