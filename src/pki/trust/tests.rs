use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RsaKeySize, SanType};

use super::*;
use crate::pki::samples::{self, Ca, NORTH, SOUTH, World, YEAR, files, now, unix, uri};

fn chain(issued: &crate::pki::issue::Issued, above: &[&Ca]) -> Vec<CertificateDer<'static>> {
    let mut chain = files(issued).0;
    chain.extend(above.iter().map(|ca| ca.ca.der().clone()));
    chain
}

#[test]
fn a_caller_is_whom_its_own_party_vouches_for() {
    let world = World::new();
    let set = world.trust(7);
    assert_eq!(set.epoch(), 7);
    let north = world.north.client(NORTH);
    let caller = set.verify(&chain(&north, &[]), unix(now())).expect("the good one");
    assert_eq!(caller.party.as_str(), "north");
    assert_eq!(caller.id.to_string(), NORTH);
    assert_eq!(caller.leaf, samples::leaf_digest(&north));
    let south = set.verify(&chain(&world.south.client(SOUTH), &[]), unix(now())).expect("the other good one");
    assert_eq!(south.party.as_str(), "south");
    assert!(set.root_hint_subjects().is_empty(), "nobody outside learns who takes part");
}

/// One row per control: take the control away and its row fails.
#[test]
fn everybody_else_is_nobody() {
    let world = World::new();
    let north = &world.north;
    let deep = samples::root("Deep CA", |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let under = deep.below("Sample bureau CA", |_| {});
    let not_ca = deep.below("Not a CA", |p| p.is_ca = IsCa::ExplicitNoCa);
    let mute = deep.below("May not sign", |p| p.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let weak_under = deep.below_key("Weak", &rcgen::PKCS_ECDSA_P521_SHA512, |_| {});
    let short_under = deep.below("Short", |p| samples::valid(p, now(), now().plus(10)));
    let flat_under = north.below("Below a flat CA", |_| {});
    let old = samples::root("Old CA", |p| samples::valid(p, now().plus(-YEAR), now().plus(-1)));
    let future = samples::root("Future CA", |p| samples::valid(p, now().plus(1), now().plus(YEAR)));
    let shut_out = north.client(NORTH);
    let party = |id: &str, domain: &str, authorities: &[&Ca]| PartyAnchors {
        id: id.parse().expect("a party"),
        trust_domain: domain.parse().expect("a trust domain"),
        authorities: authorities.iter().map(|a| a.der().to_vec()).collect(),
        revoked: BTreeSet::from([samples::leaf_digest(&shut_out)]),
    };
    let set = TrustSet::build(
        1,
        vec![
            party("north", "mfa.north.example", &[north, &deep]),
            party("south", "mfa.south.example", &[&world.south]),
            party("east", "mfa.east.example", &[&old, &future]),
        ],
    )
    .expect("a set");
    let domain = |d: &str| d.parse::<TrustDomain>().expect("a trust domain");
    let east = |p: &mut rcgen::CertificateParams| {
        p.subject_alt_names = vec![uri("spiffe://mfa.east.example/official/a.sample")]
    };
    let weak = |kind: &'static rcgen::SignatureAlgorithm| north.odd_key(&KeyPair::generate_for(kind).expect("a key"));
    let many: Vec<&Ca> = vec![&under; MAX_CHAIN];
    let large = north.odd(|p| {
        p.subject_alt_names.extend(
            (0..600).map(|i| SanType::DnsName(format!("host-number-{i}.sample.example").try_into().expect("ASCII"))),
        );
    });

    let rows: Vec<(&str, Vec<CertificateDer<'static>>, Result<(), IdentityFault>)> = vec![
        ("good", chain(&north.odd(|_| {}), &[]), Ok(())),
        (
            "good with a DNS name beside",
            chain(
                &north
                    .odd(|p| p.subject_alt_names.push(SanType::DnsName("pc.north.example".try_into().expect("ASCII")))),
                &[],
            ),
            Ok(()),
        ),
        ("good through a bureau", chain(&under.client(NORTH), &[&under]), Ok(())),
        ("good on P-384", chain(&weak(&rcgen::PKCS_ECDSA_P384_SHA384), &[]), Ok(())),
        (
            "good with RSA 2048",
            chain(
                &north.odd_key(&KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key")),
                &[],
            ),
            Ok(()),
        ),
        ("nothing", vec![], Err(IdentityFault::NoCertificate)),
        ("too many", chain(&under.client(NORTH), &many), Err(IdentityFault::ChainTooLong(MAX_CHAIN + 1))),
        ("too large", chain(&large, &[]), Err(IdentityFault::CertificateTooLarge(files(&large).0[0].len()))),
        (
            "another's CA",
            chain(&world.south.client(NORTH), &[]),
            Err(IdentityFault::UnknownIssuer("north".parse().expect("a party"))),
        ),
        (
            "one's CA for another",
            chain(&north.client(SOUTH), &[]),
            Err(IdentityFault::UnknownIssuer("south".parse().expect("a party"))),
        ),
        (
            "unknown domain",
            chain(&north.client("spiffe://mfa.west.example/official/a.sample"), &[]),
            Err(IdentityFault::UnknownTrustDomain(domain("mfa.west.example"))),
        ),
        (
            "no URI",
            chain(
                &north.odd(|p| {
                    p.subject_alt_names = vec![SanType::DnsName("mfa.north.example".try_into().expect("ASCII"))]
                }),
                &[],
            ),
            Err(IdentityFault::NoUri),
        ),
        ("no names", chain(&north.odd(|p| p.subject_alt_names.clear()), &[]), Err(IdentityFault::NoUri)),
        (
            "two URIs",
            chain(&north.odd(|p| p.subject_alt_names.push(uri(SOUTH))), &[]),
            Err(IdentityFault::SeveralUris(2)),
        ),
        (
            "the same URI twice",
            chain(&north.odd(|p| p.subject_alt_names.push(uri(NORTH))), &[]),
            Err(IdentityFault::SeveralUris(2)),
        ),
        (
            "a second URI of another kind",
            chain(&north.odd(|p| p.subject_alt_names.push(uri("https://a.example"))), &[]),
            Err(IdentityFault::SeveralUris(2)),
        ),
        ("no clientAuth", chain(&north.odd(|p| p.extended_key_usages.clear()), &[]), Err(IdentityFault::NotForClients)),
        (
            "serverAuth only",
            chain(&north.odd(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), &[]),
            Err(IdentityFault::NotForClients),
        ),
        (
            "any purpose",
            chain(&north.odd(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]), &[]),
            Err(IdentityFault::NotForClients),
        ),
        (
            "expired leaf",
            chain(&north.odd(|p| samples::valid(p, now().plus(-9), now().plus(-1))), &[]),
            Err(IdentityFault::Expired),
        ),
        (
            "leaf of tomorrow",
            chain(&north.odd(|p| samples::valid(p, now().plus(1), now().plus(9))), &[]),
            Err(IdentityFault::NotYetValid),
        ),
        (
            "expired CA",
            chain(&old.odd(east), &[]),
            Err(IdentityFault::NoValidAuthority("east".parse().expect("a party"))),
        ),
        (
            "CA of tomorrow",
            chain(&future.odd(east), &[]),
            Err(IdentityFault::NoValidAuthority("east".parse().expect("a party"))),
        ),
        (
            "CA as a leaf",
            chain(&north.odd(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))), &[]),
            Err(IdentityFault::LeafIsAuthority),
        ),
        (
            "leaf that may sign",
            chain(&north.odd(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign)), &[]),
            Err(IdentityFault::LeafMaySign),
        ),
        ("revoked", chain(&shut_out, &[]), Err(IdentityFault::Revoked(samples::leaf_digest(&shut_out)))),
        ("Ed25519", chain(&weak(&rcgen::PKCS_ED25519), &[]), Err(IdentityFault::WeakKey)),
        ("P-521", chain(&weak(&rcgen::PKCS_ECDSA_P521_SHA512), &[]), Err(IdentityFault::WeakKey)),
        ("through a non-CA", chain(&not_ca.client(NORTH), &[&not_ca]), Err(IdentityFault::IntermediateUnfit)),
        ("through one that may not sign", chain(&mute.client(NORTH), &[&mute]), Err(IdentityFault::IntermediateUnfit)),
        ("through a weak key", chain(&weak_under.client(NORTH), &[&weak_under]), Err(IdentityFault::WeakKey)),
        (
            "longer than the anchor allows",
            chain(&flat_under.client(NORTH), &[&flat_under]),
            Err(IdentityFault::PathTooLong),
        ),
        (
            "not DER",
            vec![CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])],
            Err(IdentityFault::Unreadable(String::new())),
        ),
    ];
    for (what, chain, expected) in rows {
        let got = set.verify(&chain, unix(now())).map(|_| ());
        let got = got.map_err(|e| {
            if matches!(e, IdentityFault::Unreadable(_)) { IdentityFault::Unreadable(String::new()) } else { e }
        });
        assert_eq!(got, expected, "{what}");
    }
    for id in [
        "spiffe://mfa.north.example/king/a",
        "https://mfa.north.example/official/a",
        "spiffe://mfa.north.example/official/a\u{1b}[2J",
    ] {
        let odd = north.odd(|p| p.subject_alt_names = vec![uri(id)]);
        let fault = set.verify(&chain(&odd, &[]), unix(now())).expect_err(id);
        assert!(matches!(fault, IdentityFault::NotSpiffe(_)), "{id}: {fault:?}");
        assert!(!fault.to_string().chars().any(char::is_control), "{id}: {fault}");
    }
    // Until when a chain holds is the shortest of its parts.
    let until = |chain: &[CertificateDer<'static>]| set.examine(chain, unix(now())).map(|v| v.valid_until);
    assert_eq!(until(&chain(&short_under.client(NORTH), &[&short_under])), Ok(now().plus(10)));
    assert_eq!(until(&chain(&north.odd(|p| samples::valid(p, now(), now().plus(5))), &[])), Ok(now().plus(5)));
    assert_eq!(
        until(&chain(&north.odd(|p| samples::valid(p, now(), now().plus(9 * YEAR))), &[])),
        Ok(now().plus(YEAR))
    );
}

#[test]
fn a_set_is_unambiguous() {
    let world = World::new();
    let twice = |change: fn(&mut PartyAnchors)| {
        let mut parties = world.parties();
        let mut third = parties[0].clone();
        change(&mut third);
        parties.push(third);
        TrustSet::build(1, parties)
    };
    assert!(twice(|p| p.id = "east".parse().expect("a party")).is_err(), "one trust domain, two parties");
    assert!(twice(|p| p.trust_domain = "mfa.east.example".parse().expect("a domain")).is_err(), "one party twice");
    let east = |p: &mut PartyAnchors| {
        p.id = "east".parse().expect("a party");
        p.trust_domain = "mfa.east.example".parse().expect("a domain");
    };
    assert!(twice(east).is_ok());
    assert!(
        twice(|p| {
            p.id = "east".parse().expect("a party");
            p.trust_domain = "mfa.east.example".parse().expect("a domain");
            p.authorities = vec![p.authorities[0].clone(); MAX_AUTHORITIES + 1];
        })
        .is_err()
    );
    let (one, mut other) = (world.trust(1), world.parties());
    other[1].revoked.insert(Digest::of(b"a leaf"));
    let other = TrustSet::build(2, other).expect("a set");
    assert!(one.agrees_on(&other, &"mfa.north.example".parse().expect("a domain")));
    assert!(!one.agrees_on(&other, &"mfa.south.example".parse().expect("a domain")));
}
