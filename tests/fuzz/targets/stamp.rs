//! What an authority answers for a time stamp: no answer is taken to another question than its own.
#![no_main]

use std::sync::LazyLock;

use communique::{domain::id::Digest, package::stamp::Question};
use communique_fuzz::seeds::{STAMP, offer};

/// What the sample answers, and what it does not: another question of the same entry, and one of another entry.
static QUESTIONS: LazyLock<[Question; 3]> = LazyLock::new(|| {
    let entry = Digest::of(b"an entry (sample)");
    let others = [Question::new(entry, [8; 8]), Question::new(Digest::of(b"another"), [7; 8])];
    let asked = Question::new(entry, [7; 8]);
    assert_eq!(asked.check(STAMP), Ok(()), "the sample is an answer");
    [asked, others[0], others[1]]
});

fn check(data: &[u8]) {
    let [asked, others @ ..] = &*QUESTIONS;
    if let Err(no) = asked.check(data) {
        assert!(!no.to_string().chars().any(char::is_control), "{no}");
        return;
    }
    assert!(others.iter().all(|other| other.check(data).is_err()), "one answer to two questions");
    // The question's digest and nonce, where `TimeStampReq` has them.
    let request = asked.request();
    for part in [&request[24..56], &request[58..66]] {
        assert!(data.windows(part.len()).any(|window| window == part), "an answer to what was not asked");
    }
    assert!(asked.check(&data[..data.len() - 1]).is_err(), "an answer without its end");
    assert!(asked.check(&[data, &[0]].concat()).is_err(), "an answer with more behind it");
}

fn begin() {
    offer("stamp");
    LazyLock::force(&QUESTIONS);
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| check(data));
