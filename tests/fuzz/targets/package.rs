//! Packages: whatever is changed, the verifier ends, says one printable line, and proves nothing that is not signed.
#![no_main]

use std::{io::Cursor, sync::LazyLock};

use communique::{
    domain::key::SecretKey,
    package::{
        verdict::Verdict,
        verify::{text, verify},
    },
};
use communique_fuzz::{
    bits::Bits,
    package::{self, Base},
    seeds,
};

static KEYS: LazyLock<Vec<SecretKey>> = LazyLock::new(package::keys);
static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let bases = seeds::bases();
    assert!(bases.iter().any(|base| base.proven), "there is no proven package in the material");
    // Or an edit of one would be caught for how it was sealed, not for what it says.
    assert!(bases.iter().all(|base| !base.proven || base.is_ours(&KEYS)), "what is sealed again is not as it was");
    bases
});

/// What takes long is done before the first input.
fn begin() {
    seeds::offer("package");
    LazyLock::force(&BASES);
}

fn check(data: &[u8]) {
    if data.starts_with(b"PK") {
        let base = &BASES[data.len() % BASES.len()];
        return judge(data, base, false);
    }
    let mut bits = Bits(data);
    let base = &BASES[bits.of(BASES.len())];
    if let (Some(zip), signed) = base.edited(&mut bits, &KEYS) {
        judge(&zip, base, signed);
    }
}

fn judge(zip: &[u8], base: &Base, signed: bool) {
    let verdict = verify(Cursor::new(zip), Some(base.pin));
    let json = verdict.to_json();
    match &verdict {
        Verdict::Proven(findings) => {
            // What fails for its tag files alone is mended with them. Which cosignatures are left, and a time stamp, nobody signs.
            let free = || {
                let said = |verdict: &Verdict| {
                    let mut json = verdict.to_json()["findings"].take();
                    json["witnesses"].take();
                    json["timestamp"].take();
                    json
                };
                BASES.iter().any(|base| said(&verify(Cursor::new(&base.zip), Some(base.pin))) == said(&verdict))
            };
            assert!(signed || !base.proven || free(), "what nobody signed is proven");
            for found in &findings.texts {
                assert!(text(Cursor::new(zip), findings, &found.lang).is_ok());
            }
            // Without the fingerprint the same is found, and nothing proven.
            let unpinned = verify(Cursor::new(zip), None);
            assert!(matches!(unpinned, Verdict::Unpinned(_)), "{unpinned:?}");
            assert_eq!(unpinned.to_json()["proven"], false);
            assert!(!unpinned.to_json().to_string().contains("\"signatories\""));
        }
        Verdict::Unpinned(_) => panic!("not judged by the fingerprint that was given"),
        Verdict::CannotRead { .. } | Verdict::CannotJudge { .. } | Verdict::Failed { .. } => {
            let detail = json["detail"].as_str().unwrap();
            assert!(!detail.chars().any(char::is_control), "{detail:?}");
            assert_eq!(json["proven"], false);
            assert!(verdict.findings().is_none() && verdict.exit_code() != 0);
        }
    }
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| check(data));
