//! `doctor` as typed, and the roads that a profile and the environment name.

use serde_json::Value;

use crate::{
    desk::{Desk, Ran, WORDS},
    job::exchange,
};

/// A profile of North's official, changed.
fn profile(desk: &Desk, name: &str, change: impl FnOnce(String) -> String) {
    let good = desk.read("north-official.toml");
    let changed = change(good.clone());
    assert_ne!(changed, good, "nothing was changed");
    desk.write(name, changed);
}
fn doctor(desk: &Desk, profile: &str) -> Ran {
    desk.run(&format!("doctor --profile {profile}"))
}
/// Runs with these variables.
fn within(desk: &Desk, line: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = desk.program("communique");
    let output = command.args(line.split_whitespace()).envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}
fn findings(value: &Value, level: &str) -> Vec<String> {
    let all = value["findings"].as_array().unwrap().iter();
    all.filter(|f| f["level"] == level).map(|f| f["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_profile_is_looked_after() {
    let (desk, mut served) = exchange();
    let well = doctor(&desk, "north-official.toml").ends(0);
    well.prints("ok       tool: communique ")
        .prints("the charter of exchange.example is the one that is pinned")
        .prints("spiffe://mfa.north.example/official/a.sample of north; role official")
        .prints("answers directly, by the charter's server CA")
        .prints("ok       server certificate")
        .prints("ok       clock: within")
        .prints("charter in force: version 1, the one that is pinned")
        .prints("ok       your party's CA")
        .prints("a.sample may do every act in every communiqué; the grant holds until 1 January 2999");
    let value = desk.run("doctor --json --profile north-official.toml").ends(0).json();
    assert_eq!(value["good"], true);
    assert!(findings(&value, "fault").is_empty() && findings(&value, "warning").is_empty(), "{value}");
    doctor(&desk, "south-archivist.toml").ends(0).prints("role archivist fetches packages");
    doctor(&desk, "south-authority.toml").ends(0).prints("the profile names none; it only reads");

    // What will end soon, what names nobody, what is another's.
    desk.run("certs issue --ca north-ca --role official --name short --days 1 --out north-certs").ends(0);
    profile(&desk, "short.toml", |p| p.replace("official-a.sample", "official-short"));
    doctor(&desk, "short.toml").ends(0).prints("warning  certificate: yours ends").prints("ask your party's authority");
    desk.key("nobody.pem");
    profile(&desk, "nobody.toml", |p| p.replace("north-holder.pem", "nobody.pem"));
    doctor(&desk, "nobody.toml").ends(1).prints("fault    full powers: none in the log name your key");
    let own = ["--holder-name", "fr=B. Essai", "--title", "fr=Ministre", "--passphrase-fd", "0"];
    let grant = "powers grant --charter charter.json --key north.pem --holder b.sample --holder-key nobody.pem.jwk --act sign \
                 --not-before 2026-01-01 --not-after 2026-01-02 --out b.jws --submit --yes --profile north-authority.toml";
    let args: Vec<_> = grant.split_whitespace().chain(own).collect();
    desk.run_with(&args, WORDS).ends(0);
    doctor(&desk, "nobody.toml")
        .ends(1)
        .prints("fault    full powers: the last that name your key ended 2 January 2026");
    let pin = between(&desk.read("north-official.toml"), "pin = '", "'");
    profile(&desk, "pinned.toml", |p| p.replace(&pin, &"0".repeat(64)));
    doctor(&desk, "pinned.toml").ends(1).prints("fault    charter:").prints("ask the other parties");
    profile(&desk, "other.toml", |p| format!("party = 'south'\n{p}"));
    doctor(&desk, "other.toml").ends(1).prints("fault    party: the profile says south, the certificate is of north");
    profile(&desk, "mixed.toml", |p| p.replace("key = 'north-certs/official", "key = 'south-certs/official"));
    doctor(&desk, "mixed.toml").ends(1).prints("fault    address");
    profile(&desk, "keyless.toml", |p| p.replace("north-holder.pem", "absent.pem"));
    doctor(&desk, "keyless.toml").ends(1).prints("fault    signing key");

    // With the exchange down it says what it can.
    served.stop();
    let down = desk.run("doctor --json --profile north-official.toml").ends(1).json();
    assert_eq!(findings(&down, "fault"), ["address", "exchange"], "{down}");
    assert!(findings(&down, "ok").contains(&"certificate".to_owned()), "{down}");
}

fn between(text: &str, before: &str, after: &str) -> String {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0.to_owned()
}

#[test]
fn several_addresses_and_proxies_are_tried_as_they_are_named() {
    let (desk, served) = exchange();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let address = served.address.clone();
    profile(&desk, "two.toml", |p| p.replace(&format!("'{address}'"), &format!("['{dead}', '{address}']")));
    desk.run("list --profile two.toml").ends(0);
    doctor(&desk, "two.toml").ends(0).prints(&format!("warning  address: {dead}")).prints("nobody answers there");
    for bad in ["[]", "'exchange.example'", "['a b:1']", "7"] {
        profile(&desk, "bad.toml", |p| p.replace(&format!("'{address}'"), bad));
        desk.run("list --profile bad.toml").ends(64).tells("address");
    }

    let list = "list --profile north-official.toml";
    let proxy = format!("http://user:a-secret@{dead}");
    let (code, said) = within(&desk, list, &[("HTTPS_PROXY", &proxy)]);
    assert!(code == Some(69) && said.contains("proxy") && !said.contains("a-secret"), "{said}");
    let (code, said) = within(&desk, "doctor --profile north-official.toml", &[("https_proxy", &proxy)]);
    assert!(
        code == Some(1) && said.contains(&format!("through the proxy {dead}")) && !said.contains("a-secret"),
        "{said}"
    );
    for name in ["NO_PROXY", "no_proxy"] {
        let (code, said) = within(&desk, list, &[("HTTPS_PROXY", &proxy), (name, "example.org,127.0.0.1")]);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = within(&desk, list, &[("HTTPS_PROXY", "socks5://127.0.0.1:1")]);
    assert!(code == Some(64) && said.contains("another kind than http://"), "{said}");
    assert_eq!(within(&desk, list, &[("HTTPS_PROXY", "")]).0, Some(0));
}
