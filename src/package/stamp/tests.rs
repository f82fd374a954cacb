//! Answers that are kept, and all others.

use proptest::prelude::*;

use super::{
    samples::{POLICY, Parts, SHA_256, tlv},
    *,
};

fn question() -> Question {
    Question::new(Digest::of(b"entry (sample)"), [0xff, 1, 2, 3, 4, 5, 6, 7])
}

fn right() -> Parts {
    Parts::asked(&question().request())
}

#[test]
fn a_question_names_the_entry_and_a_nonce() {
    let request = question().request();
    let hex = request.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = format!(
        "3043020101 3031300d06096086480165030402010500 0420{} 02087f01020304050607 0101ff",
        Digest::of(b"entry (sample)")
    );
    assert_eq!(hex, expected.replace(' ', ""));
    // Positive, and of the fewest bytes, whatever the dice say.
    for first in 0..=255 {
        let nonce = Question::new(Digest::of(b""), [first; 8]).nonce;
        assert!((0x40..0x80).contains(&nonce[0]), "{first}");
        assert_eq!(nonce[1..], [first; 7]);
    }
}

#[test]
fn an_answer_to_the_question_is_taken() {
    let accuracy = tlv(0x30, &[&[0x02, 0x01, 0x01]]);
    let (ordering, authority, extensions) = (tlv(0x01, &[&[0xff]]), tlv(0xa0, &[b"name"]), tlv(0xa1, &[b"more"]));
    for parts in [
        right(),
        Parts { status: vec![1], ..right() },
        Parts { before_nonce: [accuracy.clone(), ordering.clone()].concat(), ..right() },
        Parts { after_nonce: [authority, extensions].concat(), ..right() },
        Parts { certificates: Some(vec![0x30; 60_000]), ..right() },
    ] {
        assert_eq!(question().check(&parts.response()), Ok(()));
    }
}

#[test]
fn what_answers_something_else_is_not() {
    let other = Digest::of(b"another entry (sample)").as_bytes().to_vec();
    let sha_512 = [&SHA_256[..10], &[3]].concat();
    let integer = |byte| tlv(0x02, &[&[byte]]);
    let malformed = |what| NoStamp::Malformed(what);
    for (parts, fault) in [
        (Parts { status: vec![2], ..right() }, NoStamp::NotGranted),
        (Parts { status: vec![0, 0], ..right() }, NoStamp::NotGranted),
        (Parts { status: vec![], ..right() }, NoStamp::NotGranted),
        (Parts { digest: other, ..right() }, NoStamp::OtherBytes),
        (Parts { digest: right().digest[..31].to_vec(), ..right() }, NoStamp::OtherBytes),
        (Parts { algorithm: sha_512, ..right() }, NoStamp::OtherBytes),
        (Parts { nonce: None, ..right() }, NoStamp::OtherNonce),
        (Parts { nonce: Some(vec![0x7f, 1, 2, 3, 4, 5, 6, 8]), ..right() }, NoStamp::OtherNonce),
        (Parts { nonce: Some(vec![0, 0x7f, 1, 2, 3, 4, 5, 6, 7]), ..right() }, NoStamp::OtherNonce),
        (Parts { nonce: Some(vec![0x7f, 1, 2, 3, 4, 5, 6]), ..right() }, NoStamp::OtherNonce),
        (Parts { certificates: None, ..right() }, NoStamp::NoCertificates),
        (Parts { certificates: Some(vec![]), ..right() }, NoStamp::NoCertificates),
        (Parts { signers: 0, ..right() }, malformed("one signer")),
        (Parts { signers: 2, ..right() }, malformed("one signer")),
        (Parts { version: 2, ..right() }, malformed("TSTInfo of another version")),
        (Parts { kinds: [POLICY.to_vec(), right().kinds[1].clone()], ..right() }, malformed("signed data")),
        (Parts { kinds: [right().kinds[0].clone(), POLICY.to_vec()], ..right() }, malformed("a stamp's content")),
        // A second integer where the nonce is ours, before it or behind it.
        (Parts { before_nonce: integer(1), ..right() }, malformed("TSTInfo")),
        (Parts { after_nonce: integer(1), ..right() }, malformed("TSTInfo")),
    ] {
        assert_eq!(question().check(&parts.response()), Err(fault), "{:02x?}", parts.response());
    }
    assert_eq!(question().check(&[]), Err(NoStamp::Size(0)));
    let refusal = tlv(0x30, &[&tlv(0x30, &[&[0x02, 0x01, 0x02], &tlv(0x30, &[&tlv(0x0c, &[b"no"])])])]);
    assert_eq!(question().check(&refusal), Err(NoStamp::NotGranted));
    let empty = tlv(0x30, &[&tlv(0x30, &[&[0x02, 0x01, 0x00]])]);
    assert_eq!(question().check(&empty), Err(malformed("a token")));
}

#[test]
fn an_answer_is_of_so_many_bytes_and_no_more() {
    let of = |bytes| Parts { certificates: Some(vec![0; bytes]), ..right() }.response();
    let beside = of(60_000).len() - 60_000;
    let largest = of(STAMP_LIMIT - beside);
    assert_eq!((largest.len(), question().check(&largest)), (STAMP_LIMIT, Ok(())));
    let over = of(STAMP_LIMIT - beside + 1);
    assert_eq!(question().check(&over), Err(NoStamp::Size(STAMP_LIMIT + 1)));
}

#[test]
fn der_is_read_strictly() {
    let good = right().response();
    for length in 0..good.len() {
        assert!(question().check(&good[..length]).is_err(), "the first {length} bytes");
    }
    assert!(question().check(&[&good[..], &[0]].concat()).is_err(), "bytes behind it");
    // Lengths that are longer than they need be, and lengths that are none.
    let body = &good[3..];
    assert_eq!(good[1], 0x81, "of the length that the next lines are of");
    let long = [&[0x30, 0x82, 0, body.len() as u8], body].concat();
    let endless = [&[0x30, 0x80], body, &[0, 0]].concat();
    assert!(question().check(&long).is_err() && question().check(&endless).is_err());
    let huge = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff];
    assert!(question().check(&huge).is_err());
    // As deep as bytes allow.
    let mut deep = vec![];
    while deep.len() < 60_000 {
        deep = tlv(0x30, &[&deep]);
    }
    assert!(question().check(&deep).is_err());
}

proptest! {
    /// Whatever comes, it is judged, and nothing that lacks digest or nonce is taken.
    #[test]
    fn no_bytes_are_too_much(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = question().check(&noise);
        let mut bytes = right().response();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
        }
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        if question().check(&bytes).is_ok() {
            prop_assert!(holds(&right().digest) && holds(&right().nonce.unwrap()));
        }
    }
}
