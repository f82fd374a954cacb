//! Certificates: whose they are, and whether they hold. Nothing but the one good chain is a caller.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use communique::pki::{
    authority::Authority,
    client,
    leaf::Leaf,
    pem,
    trust::{PartyAnchors, TrustSet},
};
use communique_fuzz::{
    bits::Bits,
    seeds::{CA, LEAF},
};
use rustls_pki_types::{CertificateDer, UnixTime};

static TRUST: LazyLock<TrustSet> = LazyLock::new(|| {
    let north = PartyAnchors {
        id: "north".parse().expect("a party"),
        trust_domain: "mfa.north.example".parse().expect("a trust domain"),
        authorities: vec![CA.to_vec()],
        revoked: Default::default(),
    };
    let trust = TrustSet::build(1, vec![north]).expect("a trust set");
    assert!(trust.verify(&[LEAF.into()], now()).is_ok(), "the good chain holds");
    trust
});

/// Within the validity of the samples: 2030.
fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000))
}

fn check(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    match mode % 3 {
        0 => {
            drop((Leaf::read(data), Authority::parse(data)));
            one_of_ours(&[data.into()]);
        }
        1 => {
            drop((pem::chain(data).map(|chain| one_of_ours(&chain)), pem::private_key(data), client::caller(data)));
        }
        _ => {
            let mut bits = Bits(data);
            let chain: Vec<_> =
                (0..6).map_while(|_| (!bits.is_empty()).then(|| CertificateDer::from(bits.some(65_535)))).collect();
            one_of_ours(&chain);
        }
    }
}

fn one_of_ours(chain: &[CertificateDer<'_>]) {
    match TRUST.verify(chain, now()) {
        Ok(caller) => assert!(chain[0].as_ref() == LEAF && caller.party.as_str() == "north", "a forged certificate"),
        Err(fault) => assert!(!fault.to_string().chars().any(char::is_control), "{fault}"),
    }
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("certificate"), |data: &[u8]| check(data));
