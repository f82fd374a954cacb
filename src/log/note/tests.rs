use super::*;
use crate::domain::key::SecretKey;

/// The example of C2SP signed-note: "Example" under "Verifier keys".
const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n— example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// Key, text and signature of the tests of Go's `golang.org/x/mod/sumdb/note`.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SEED: &str = "810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173";
const GO_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_LINE: &str = "— PeterNeumann \
    x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signed_with(line: &str) -> String {
    format!("text\n\n{line}")
}

#[test]
fn the_example_of_the_specification() {
    let verifier: Verifier = SPEC_KEY.parse().unwrap();
    assert_eq!((verifier.hint().name().as_str(), verifier.hint().id()), ("example.com/foo", 0x530d_903a));
    let note = Note::parse(SPEC_NOTE.as_bytes()).unwrap();
    assert_eq!(note.is_signed_by(&verifier), Ok(true));
    assert_eq!((note.to_string().as_str(), verifier.to_string().as_str()), (SPEC_NOTE, SPEC_KEY));
}

#[test]
fn what_go_signs() {
    let key = SecretKey::from_seed(Digest::parse(GO_SEED).unwrap().as_bytes());
    let verifier: Verifier = GO_KEY.parse().unwrap();
    assert_eq!(verifier, Verifier::new(KeyName::parse("PeterNeumann").unwrap(), key.public()));
    let note = Note::sign(GO_TEXT.into(), verifier.hint().name(), &key).unwrap();
    assert_eq!(note.to_string(), format!("{GO_TEXT}\n{GO_LINE}"));
    assert_eq!(note.is_signed_by(&verifier), Ok(true));
}

#[test]
fn unknown_lines_are_kept_and_ignored() {
    let verifier: Verifier = SPEC_KEY.parse().unwrap();
    let go: Verifier = GO_KEY.parse().unwrap();
    let long =
        SignatureLine::new(KeyHint { name: KeyName::parse("post.quantum.example/w").unwrap(), id: 7 }, vec![1; 2428]);
    let text = format!("{SPEC_NOTE}{GO_LINE}{long}");
    let note = Note::parse(text.as_bytes()).unwrap();
    assert_eq!(note.to_string(), text);
    assert_eq!(note.is_signed_by(&verifier), Ok(true));
    // Go's line is of another text: known, it spoils the note.
    assert_eq!(note.is_signed_by(&go), Err(Fault::SignatureInvalid { name: "PeterNeumann".into() }));
    // The same key under another name, and the same name with another key, are other keys.
    let renamed = Verifier::new(KeyName::parse("example.com/bar").unwrap(), verifier.key());
    let rekeyed = Verifier::new(verifier.hint().name().clone(), go.key());
    assert_eq!((note.is_signed_by(&renamed), note.is_signed_by(&rekeyed)), (Ok(false), Ok(false)));
    // Which lines an archived note has.
    let pq = long.hint();
    assert!(note.has_lines_of_these_alone([verifier.hint(), go.hint(), pq]));
    assert!(note.has_lines_of_these_alone([renamed.hint(), verifier.hint(), go.hint(), rekeyed.hint(), pq]));
    assert!(!note.has_lines_of_these_alone([verifier.hint(), pq]));
    assert!(!note.has_lines_of_these_alone([pq, go.hint(), verifier.hint()]));
    let twice = Note::parse(format!("{SPEC_NOTE}{GO_LINE}{GO_LINE}").as_bytes()).unwrap();
    assert!(!twice.has_lines_of_these_alone([verifier.hint(), go.hint()]));
}

#[test]
fn every_bit_of_a_signed_note_counts() {
    let verifier: Verifier = SPEC_KEY.parse().unwrap();
    for at in 0..SPEC_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = SPEC_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let counts = Note::parse(&bytes).and_then(|note| note.is_signed_by(&verifier));
            assert_ne!(counts, Ok(true), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn malformed_notes_are_refused() {
    let line = GO_LINE;
    for (what, bad) in [
        ("nothing", String::new()),
        ("a newline", "\n".into()),
        ("no signature", "text\n\n".into()),
        ("no empty line", format!("text\n{line}")),
        ("no text", format!("\n{line}")),
        ("no last newline", signed_with(line.trim_end())),
        ("an empty line at the end", signed_with(line) + "\n"),
        ("text behind the signatures", signed_with(line) + "more\n"),
        ("CRLF", signed_with(line).replace('\n', "\r\n")),
        ("a tab", signed_with(line).replace("text", "te\txt")),
        ("a control character", signed_with(line).replace("text", "te\u{1}xt")),
        ("a NUL in the name", signed_with(line).replace("PeterNeumann", "Peter\0Neumann")),
        ("a hyphen for a dash", signed_with(line).replace('—', "-")),
        ("two spaces", signed_with(line).replace(" x08", "  x08")),
        ("a space at the end", signed_with(line).replace("=\n", "= \n")),
        ("no name", signed_with(line).replace("PeterNeumann", "")),
        ("a plus in the name", signed_with(line).replace("PeterNeumann", "Peter+Neumann")),
        ("a no-break space in the name", signed_with(line).replace("PeterNeumann", "Peter\u{a0}Neumann")),
        ("an ideographic space in the name", signed_with(line).replace("PeterNeumann", "Peter\u{3000}Neumann")),
        ("no padding", signed_with(line).replace("=\n", "\n")),
        ("bits behind the end", signed_with(line).replace("nAM=", "nAN=")),
        ("base64url", signed_with(line).replace('/', "_")),
        ("a key id alone", signed_with("— n AAAAAA==\n")),
        ("nothing in base64", signed_with("— n \n")),
        ("too long a name", signed_with(line).replace("PeterNeumann", &"n".repeat(NAME_LIMIT + 1))),
        ("too long a signature", signed_with(&format!("— n {}\n", STANDARD.encode(vec![0; SIGNATURE_LIMIT + 8])))),
        ("too many signatures", signed_with(&line.repeat(SIGNATURES_LIMIT + 1))),
        ("too large", format!("{}\n\n{line}", "x".repeat(NOTE_LIMIT))),
    ] {
        assert!(Note::parse(bad.as_bytes()).is_err(), "{what}");
    }
    assert!(Note::parse(b"te\xffxt\n\n").is_err());
    assert!(Note::parse(signed_with(line).as_bytes()).is_ok());
    assert!(Note::parse(signed_with(&line.repeat(SIGNATURES_LIMIT)).as_bytes()).is_ok());
}

#[test]
fn a_text_may_have_empty_lines_and_ends_at_the_last() {
    for text in ["\n", "a\n\nb\n", "a\n\n", "a\n\n\n", "— n AAAAAAA=\n\nx\n"] {
        let note = Note::parse(format!("{text}\n{GO_LINE}").as_bytes()).unwrap();
        assert_eq!((note.text(), note.to_string()), (text, format!("{text}\n{GO_LINE}")));
    }
    let key = SecretKey::from_seed(&[1; 32]);
    let name = KeyName::parse("n").unwrap();
    for bad in ["", "a", "a\r\n", "a\u{7}\n"] {
        assert!(Note::sign(bad.into(), &name, &key).is_err(), "{bad:?}");
    }
}

#[test]
fn a_name_shows_as_what_it_is() {
    for bad in ["", "a b", "a+b", "a\u{7f}", "a\u{85}b", "\u{1b}[1m", "a\u{2003}b"] {
        assert!(KeyName::parse(bad).is_err(), "{bad:?}");
    }
    assert_eq!(KeyName::parse("é.example/w").unwrap().as_str(), "é.example/w");
    assert!(KeyName::parse(&"n".repeat(NAME_LIMIT)).is_ok());
}

#[test]
fn a_text_is_signed_up_to_half_of_what_a_note_holds() {
    let (key, name) = (SecretKey::from_seed(&[1; 32]), KeyName::parse("n").unwrap());
    let text = |bytes: usize| "x".repeat(bytes - 1) + "\n";
    assert!(Note::sign(text(256 << 10), &name, &key).is_ok());
    let refused = Note::sign(text((256 << 10) + 1), &name, &key);
    assert_eq!(refused, Err(Fault::TooLarge { what: msg!("the text of a note, in bytes,"), limit: 256 << 10 }));
}

#[test]
fn a_note_of_as_many_bytes_as_may_be_is_read_and_made() {
    let note = |bytes: usize| {
        let line = signed_with(GO_LINE);
        line.replacen("text", &"x".repeat(bytes - line.len() + 4), 1)
    };
    let most = note(NOTE_LIMIT);
    assert_eq!(most.len(), NOTE_LIMIT);
    let read = Note::parse(most.as_bytes()).unwrap();
    assert!(Note::parse(note(NOTE_LIMIT + 1).as_bytes()).is_err());
    let bare = |bytes: usize| Note { text: "x".repeat(bytes) + "\n", lines: vec![] };
    let line = read.lines[0].clone();
    let around = 2 + line.to_string().len();
    assert_eq!(bare(NOTE_LIMIT - around).push(line.clone()), Ok(()));
    assert!(bare(NOTE_LIMIT - around + 1).push(line).is_err());
}

#[test]
fn malformed_keys_are_refused() {
    for bad in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+0c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq_LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW ",
        // From Go's tests: a key of another length, and an unknown type, with ids to match.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(bad.parse::<Verifier>().is_err(), "{bad}");
    }
    // A point of small order: enrolled nowhere, so not here either.
    let weak = KeyName::parse("weak").unwrap();
    let text = format!("{weak}+00000000+{}", STANDARD.encode([&[1_u8], [0; 32].as_slice()].concat()));
    assert!(matches!(text.parse::<Verifier>(), Err(Fault::KeyRefused { name, .. }) if name == "weak"));
}

#[test]
fn a_note_grows_no_further_than_it_can_be_read() {
    let mut note = Note::parse(SPEC_NOTE.as_bytes()).unwrap();
    let line = |bytes| SignatureLine::new(KeyHint { name: KeyName::parse("n").unwrap(), id: 7 }, vec![1; bytes]);
    while note.push(line(2428)).is_ok() {}
    assert_eq!(note.lines().len(), SIGNATURES_LIMIT);
    assert!(Note::parse(note.to_string().as_bytes()).is_ok());
    let mut note = Note::parse(SPEC_NOTE.as_bytes()).unwrap();
    while note.push(line(SIGNATURE_LIMIT)).is_ok() {}
    assert!(note.lines().len() < SIGNATURES_LIMIT);
    assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
}
