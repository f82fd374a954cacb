//! Key files, with openssl: what the tool writes openssl reads and signs with, what openssl writes the tool reads and signs
//! with; and what neither takes.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Output,
};

use communique::domain::{charter::Adoption, json, key::PublicKey, statement::Unverified};

use crate::{
    desk::{Desk, WORDS},
    missing::missing,
};

/// A desk with openssl at it; `None` if this machine has none that knows Ed25519.
struct Bench(Desk);

impl Bench {
    fn new() -> Option<Self> {
        let bench = Self(Desk::new());
        let there = assert_cmd::Command::new("openssl").args(["pkeyutl", "-help"]).output();
        if there.is_ok_and(|help| String::from_utf8_lossy(&help.stderr).contains("-rawin")) {
            return Some(bench);
        }
        missing("openssl", "install Debian's package openssl, 3.0 or newer");
        None
    }
    fn try_openssl(&self, line: &str) -> Output {
        // The shell's quotes are not needed: the passphrase has no space here.
        assert_cmd::Command::new("openssl").args(line.split(' ')).current_dir(self.0.path("")).output().unwrap()
    }
    fn openssl(&self, line: &str) -> Vec<u8> {
        let ran = self.try_openssl(line);
        assert!(ran.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    }
    /// The public half of a key file, as openssl reads it.
    fn public_by_openssl(&self, args: &str) -> [u8; 32] {
        let der = self.openssl(&format!("pkey {args} -pubout -outform DER"));
        // RFC 8410, section 4: twelve bytes, then the key.
        assert_eq!(der.len(), 44);
        der[12..].try_into().unwrap()
    }
    /// The public half of a key file, as the tool reads it.
    fn public_by_tool(&self, file: &str) -> [u8; 32] {
        let shown = self.0.sign(&format!("key show {file} --json")).ends(0).json();
        serde_json::from_value::<PublicKey>(shown["jwk"].clone()).unwrap().to_bytes()
    }
    fn write_words(&self) {
        // Where a command reads and writes a key, openssl takes the second line for what it writes.
        self.0.write("words", WORDS.repeat(2));
        self.0.write("wrong", "another passphrase\n");
    }
}

#[test]
fn openssl_reads_and_uses_a_key_that_the_tool_wrote() {
    let Some(bench) = Bench::new() else { return };
    bench.write_words();
    bench.0.key("ours.pem");
    let jwk: PublicKey = serde_json::from_str(&bench.0.read("ours.pem.jwk")).unwrap();
    assert_eq!(bench.public_by_openssl("-in ours.pem -passin file:words"), jwk.to_bytes());
    assert!(!bench.try_openssl("pkey -in ours.pem -passin file:wrong -noout").status.success());

    bench.0.write("text", "what openssl signs\n");
    let sign = "pkeyutl -sign -inkey ours.pem -rawin -in text -out signature -passin";
    bench.openssl(&format!("{sign} file:words"));
    let signature = fs::read(bench.0.path("signature")).unwrap();
    assert!(jwk.verifies(b"what openssl signs\n", &signature));
    assert!(!bench.try_openssl(&format!("{sign} file:wrong")).status.success());
    // One changed byte in the first block of what is encrypted, and openssl takes it no more. (In the last, the padding alone
    // would tell, which one in 256 others is.)
    let pem = bench.0.read("ours.pem");
    let (head, rest) = pem.split_once('\n').unwrap();
    let (body, foot) = rest.split_once("\n-----END").unwrap();
    let mut body = body.replace('\n', "").into_bytes();
    let at = body.len() - 80;
    body[at] = if body[at] == b'A' { b'B' } else { b'A' };
    let lines: Vec<_> = body.chunks(64).map(String::from_utf8_lossy).collect();
    let broken = format!("{head}\n{}\n-----END{foot}", lines.join("\n"));
    bench.0.write("broken.pem", broken);
    assert!(!bench.try_openssl("pkey -in broken.pem -passin file:words -noout").status.success());
}

#[test]
fn openssl_reads_the_keys_that_an_exchange_starts_with() {
    let Some(bench) = Bench::new() else { return };
    let init = bench.0.program("communiqued").args(["init", "exchange", "--exchange", "exchange.example"]).output();
    assert!(init.unwrap().status.success());
    let host: serde_json::Value = serde_json::from_str(&bench.0.read("exchange/host.json")).unwrap();
    for (file, jwk) in [("log", &host["log"]["key"]), ("depositary", &host["depositary"])] {
        let told: PublicKey = serde_json::from_value(jwk.clone()).unwrap();
        assert_eq!(bench.public_by_openssl(&format!("-in exchange/keys/{file}.pem")), told.to_bytes(), "{file}");
    }
}

/// How openssl may encrypt a key so that the tool reads it.
const READ: [&str; 5] = [
    "-scrypt",
    "-scrypt -v2 aes-128-cbc",
    "-v2 aes-256-cbc",
    "-v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 10000",
    "-v2 aes-192-cbc -v2prf hmacWithSHA256",
];
/// And how not.
const NOT_READ: [&str; 4] =
    ["-v2 aes-256-cbc -v2prf hmacWithSHA1", "-v2 des3", "-v2 camellia-256-cbc", "-v1 PBE-SHA1-3DES"];

#[test]
fn the_tool_reads_and_uses_a_key_that_openssl_wrote() {
    let Some(bench) = Bench::new() else { return };
    bench.write_words();
    let desk = &bench.0;
    bench.openssl("genpkey -algorithm ed25519 -out plain.pem");
    let public = bench.public_by_openssl("-in plain.pem");
    for (n, how) in READ.iter().enumerate() {
        let file = format!("read-{n}.pem");
        bench.openssl(&format!("pkcs8 -topk8 -in plain.pem -out {file} -passout file:words {how}"));
        assert_eq!(bench.public_by_tool(&file), public, "{how}");
        let wrong = desk.run_with(&["key", "show", &file, "--passphrase-fd", "0"], "another passphrase\n");
        wrong.ends(1).tells("wrong passphrase");
    }
    for (n, how) in NOT_READ.iter().enumerate() {
        let file = format!("not-{n}.pem");
        bench.openssl(&format!("pkcs8 -topk8 -in plain.pem -out {file} -passout file:words {how}"));
        desk.sign(&format!("key show {file}")).ends(1).tells("encrypted otherwise").tells("-topk8 -scrypt");
        // What it says to do helps.
        let anew = format!("pkcs8 -in {file} -topk8 -scrypt -out anew-{n}.pem -passin file:words -passout file:words");
        bench.openssl(&anew);
        assert_eq!(bench.public_by_tool(&format!("anew-{n}.pem")), public, "{how}");
    }
    // In one step, encrypted as openssl does by default.
    bench.openssl("genpkey -algorithm ed25519 -aes-256-cbc -pass file:words -out direct.pem");
    assert_eq!(bench.public_by_tool("direct.pem"), bench.public_by_openssl("-in direct.pem -passin file:words"));
}

#[test]
fn the_tool_refuses_what_is_no_officials_key() {
    let Some(bench) = Bench::new() else { return };
    bench.write_words();
    let desk = &bench.0;
    bench.openssl("genpkey -algorithm ed25519 -out plain.pem");
    desk.sign("key show plain.pem").ends(1).tells("not encrypted").tells("-topk8 -scrypt");
    for algorithm in ["ed448", "x25519", "rsa", "ec -pkeyopt ec_paramgen_curve:P-256"] {
        let name = algorithm.split(' ').next().unwrap();
        let make = format!("genpkey -algorithm {algorithm} -aes-256-cbc -pass file:words -out {name}.pem");
        bench.openssl(&make);
        desk.sign(&format!("key show {name}.pem")).ends(1).tells("not an Ed25519 key");
    }
    bench.openssl("pkcs8 -topk8 -scrypt -in plain.pem -out shared.pem -passout file:words");
    fs::set_permissions(desk.path("shared.pem"), Permissions::from_mode(0o640)).unwrap();
    desk.sign("key show shared.pem").ends(1).tells("others may read it");
    bench.openssl("pkcs8 -topk8 -scrypt -in plain.pem -outform DER -out der.pem -passout file:words");
    desk.sign("key show der.pem").ends(1);
}

#[test]
fn a_key_with_another_ones_public_half_beside_it_signs_nothing() {
    let desk = Desk::new();
    desk.charter();
    desk.write("north.pem.jwk", desk.read("south.pem.jwk"));
    let adopt = "charter adopt charter.json --key north.pem --out adoption.jws --yes";
    desk.sign(adopt).ends(1).tells("not the key whose public half lies beside it");
    assert!(!desk.path("adoption.jws").exists());
}

#[test]
fn what_is_signed_with_a_key_of_openssl_openssl_verifies() {
    let Some(bench) = Bench::new() else { return };
    bench.write_words();
    let desk = &bench.0;
    desk.charter();
    bench.openssl("genpkey -algorithm ed25519 -out plain.pem");
    bench.openssl("pkcs8 -topk8 -scrypt -in plain.pem -out theirs.pem -passout file:words");
    desk.sign("key show theirs.pem --out theirs.pem.jwk").ends(0);
    desk.party("east", "theirs.pem", "east.json");
    desk.run("charter draft --host host/host.json --party north.json south.json east.json --out three.json").ends(0);
    desk.sign("charter adopt three.json --key theirs.pem --out adoption.jws --yes").ends(0);

    let adoption = desk.read("adoption.jws");
    let (signed, signature) = adoption.trim_end().rsplit_once('.').unwrap();
    desk.write("signed", signed);
    desk.write("signature", json::unbase64(signature).unwrap());
    bench.openssl("pkey -in plain.pem -pubout -out public.pem");
    let verify = "pkeyutl -verify -pubin -inkey public.pem -rawin -sigfile signature -in";
    bench.openssl(&format!("{verify} signed"));
    desk.write("tampered", signed.replacen("ey", "eY", 1));
    assert!(!bench.try_openssl(&format!("{verify} tampered")).status.success());
    let read = Unverified::<Adoption>::parse(adoption.trim_end()).unwrap();
    assert!(read.is_by(&PublicKey::from_bytes(&bench.public_by_openssl("-in plain.pem")).unwrap()));
}
