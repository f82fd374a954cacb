use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<KeyRef, ReferenceFault> {
    KeyRef::read(text.as_ref())
}
fn token(text: &str) -> TokenUri {
    match read(text).unwrap() {
        KeyRef::Token(uri) => *uri,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_begins_otherwise_is_a_path() {
    for path in ["a.pem", "keys/a.pem", "./pkcs11:token=x", "", "PKCS11:token=x", "ssh-agent", "a:b"] {
        assert_eq!(read(path), Ok(KeyRef::File(path.into())), "{path}");
    }
    assert_eq!(read("a.pem").unwrap().within("/etc/x".as_ref()), KeyRef::File("/etc/x/a.pem".into()));
    assert_eq!(read("ssh-agent:a.pub").unwrap().within("b".as_ref()), read("ssh-agent:b/a.pub").unwrap());
    assert_eq!(read("ssh-agent:a").unwrap().within("b".as_ref()), read("ssh-agent:a").unwrap());
    assert_eq!(token("pkcs11:object=a?jwk=a.jwk").jwk, Some("a.jwk".into()));
    let moved = read("pkcs11:object=a?jwk=a.jwk").unwrap().within("/b".as_ref());
    assert_eq!(moved, read("pkcs11:object=a?jwk=/b/a.jwk").unwrap());
}

#[test]
fn uris_are_read_as_rfc_7512_writes_them() {
    let uri = token(
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=%20x;\
         object=my-cl%C3%A9;type=private;id=%69%95%3E%5c%f4%bd%ec%91?module-path=/usr/lib/x.so",
    );
    assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
    assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
    assert_eq!(uri.object.as_deref(), Some("my-clé"));
    assert_eq!(uri.id.as_deref(), Some(&b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91"[..]));
    assert_eq!(uri.module, Some("/usr/lib/x.so".into()));
    assert!(uri.names_a_key() && !token("pkcs11:").names_a_key() && token("pkcs11:id=a").names_a_key());
    assert_eq!(token("pkcs11:"), TokenUri::default());
}

#[test]
fn what_no_reference_may_say() {
    let long = format!("pkcs11:object={}", "a".repeat(256));
    let longest = format!("ssh-agent:{}", "a".repeat(REFERENCE_LIMIT));
    for (text, why) in [
        ("pkcs11:object=a?pin-value=1234", "secret in the open"),
        ("pkcs11:object=a?pin-source=file:/x", "PIN in a file"),
        ("pkcs11:object=a?module-name=x", "module-path="),
        ("pkcs11:object=a?module-path=x.so", "from / on"),
        ("pkcs11:slot-id=1", "names a slot"),
        ("pkcs11:library-version=3", "not looked at"),
        ("pkcs11:type=cert", "type private"),
        ("pkcs11:object=a;object=b", "twice"),
        ("pkcs11:object=a?jwk=a&jwk=b", "twice"),
        ("pkcs11:object", "name=value"),
        ("pkcs11:object=a;", "name=value"),
        ("pkcs11:object=", "1 to 255"),
        ("pkcs11:object=%4", "two hex digits"),
        ("pkcs11:object=%+1", "two hex digits"),
        ("pkcs11:object=%FF", "not UTF-8"),
        ("pkcs11:object=%0a", "control character"),
        ("pkcs11:colour=red", "no attribute"),
        ("pkcs11:object=a?colour=red", "no attribute"),
        ("pkcs11:token=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1 to 32"),
        (&long, "1 to 255"),
        (&longest, "longer than"),
        ("ssh-agent:SHA256:x", "43 characters"),
        ("ssh-agent:a\nb", "control character"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(why), "{text}: {said}");
        assert!(!said.contains("1234"), "{said}");
    }
}

#[test]
fn the_agents_keys_have_three_kinds_of_names() {
    let digest = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let named = [
        ("ssh-agent:".to_owned(), AgentKey::Only),
        (format!("ssh-agent:{digest}"), AgentKey::Fingerprint([0; 32])),
        ("ssh-agent:keys/a.pub".into(), AgentKey::Public("keys/a.pub".into())),
        ("ssh-agent:a sample".into(), AgentKey::Comment("a sample".into())),
    ];
    for (text, key) in named {
        assert_eq!(key.to_string(), text);
        assert_eq!(read(&text), Ok(KeyRef::Agent(key)));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        token in proptest::option::of("\\PC{1,8}"),
        object in proptest::option::of("\\PC{1,20}"),
        id in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..ID_LIMIT)),
        module in proptest::option::of("/[a-z ?&;=%]{1,20}"),
    ) {
        let uri = TokenUri { token, object, id, module: module.map(Into::into), ..TokenUri::default() };
        let text = uri.to_string();
        prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
        prop_assert_eq!(read(&text), Ok(KeyRef::Token(Box::new(uri))));
    }
    #[test]
    fn nothing_makes_it_panic_or_answer_in_two_lines(text in "(pkcs11:|ssh-agent:)?[\\x00-\\x7f%;=?&é\u{202e}]{0,60}") {
        match read(&text) {
            Ok(key @ KeyRef::Token(_)) => prop_assert_eq!(read(&key.to_string()), Ok(key)),
            Ok(key) => prop_assert!(!key.to_string().chars().any(char::is_control)),
            Err(fault) => prop_assert!(!fault.to_string().chars().any(char::is_control)),
        }
    }
}
