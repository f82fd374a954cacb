//! A time stamp (RFC 3161) in a package, made and verified by openssl with the command of `docs/FORMAT.md`.

use std::fs;

use communique::package::{bag, verdict::Verdict};

use super::{
    authority::{Authority, openssl},
    bags::unpack,
};
use crate::played::Plan;

#[test]
fn openssl_verifies_a_time_stamp_as_the_format_says() {
    let Some(authority) = Authority::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let plain = Plan::cosigned().play();
    let index = plain.published.0;
    fs::write(at("entry.json"), &plain.published.1).unwrap();
    let asked = "ts -query -data entry.json -sha256 -cert -out query.tsq";
    assert!(openssl(folder.path(), asked), "{asked}");
    let mut plan = Plan::cosigned();
    plan.stamp = Some(authority.reply(&fs::read(at("query.tsq")).unwrap()));
    let stamped = plan.play();
    let verdict = stamped.verify();
    assert!(matches!(verdict, Verdict::Proven(_)), "{verdict:?}");
    assert_eq!(verdict.to_json()["findings"]["timestamp"], true);
    assert!(plain.files.iter().filter(|(path, _)| path.starts_with("data/")).all(|(p, b)| stamped.files[p] == *b));

    let bag = at("bag");
    unpack(&stamped.files, &bag);
    assert!(authority.agrees(&bag, index));
    let entry = bag.join(bag::entry_path(index));
    let mut bytes = fs::read(&entry).unwrap();
    bytes[0] ^= 1;
    fs::write(&entry, bytes).unwrap();
    assert!(!authority.agrees(&bag, index), "another entry");
}
