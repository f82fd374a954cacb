//! Certificates: whose they are, and whether they hold. Nothing but the one good chain is a caller.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use communique::{
    domain::refusal::Refusal,
    pki::{
        authority::Authority,
        client,
        leaf::Leaf,
        pem,
        trust::{PartyAnchors, TrustSet},
    },
};
use communique_fuzz::{
    bits::Bits,
    seeds::{CA, LEAF, offer},
    wire::said,
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
            refused(Leaf::read(data));
            refused(Authority::parse(data));
            one_of_ours(&[data.into()]);
        }
        1 => {
            refused(pem::chain(data).map(|chain| one_of_ours(&chain)));
            refused(pem::private_key(data));
            refused(client::caller(data));
        }
        _ => {
            let mut bits = Bits(data);
            let chain: Vec<_> =
                (0..6).map_while(|_| (!bits.is_empty()).then(|| CertificateDer::from(bits.some(65_535)))).collect();
            one_of_ours(&chain);
        }
    }
}

/// What is not read is refused in words that a terminal may show.
fn refused<T>(read: Result<T, Refusal>) {
    if let Err(refusal) = read {
        said(&refusal);
    }
}

fn one_of_ours(chain: &[CertificateDer<'_>]) {
    match TRUST.verify(chain, now()) {
        Ok(caller) => assert!(chain[0].as_ref() == LEAF && caller.party.as_str() == "north", "a forged certificate"),
        Err(fault) => assert!(!fault.to_string().chars().any(char::is_control), "{fault}"),
    }
}

/// What takes long is done before the first input.
fn begin() {
    offer("certificate");
    LazyLock::force(&TRUST);
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| check(data));
