//! Names of things, in files, certificates, on the wire and on the command line: one spelling each.
#![no_main]

use std::{fmt::Display, str::FromStr};

use communique::{
    client::{
        keys::{KeyRef, REFERENCE_LIMIT},
        road::{Proxies, Road},
    },
    domain::{
        act::ActKind,
        entry::StreamId,
        id::{CommuniqueId, Digest, ExchangeName, HolderId, Lang, PartyId, Role, SpiffeId, TrustDomain},
        key::PublicKey,
        life::State,
        manifest::{Date, MediaType},
        refusal::Refusal,
        remark::Audience,
        time::Time,
        words::{Line, Prose, Sought},
    },
    pki::client::server_name,
    wire::{names, page, status::Answer},
};

fn check(data: &[u8]) {
    if let Some(key) = data.first_chunk::<32>()
        && let Ok(key) = PublicKey::from_bytes(key)
    {
        assert_eq!(key.to_bytes(), data[..32]);
    }
    let Ok(s) = std::str::from_utf8(data) else { return };
    one::<CommuniqueId>(s);
    one::<Digest>(s);
    one::<ExchangeName>(s);
    one::<HolderId>(s);
    one::<Lang>(s);
    one::<PartyId>(s);
    one::<Role>(s);
    one::<SpiffeId>(s);
    one::<StreamId>(s);
    one::<Time>(s);
    one::<TrustDomain>(s);
    let spelt = |known: Option<&str>| assert!(known.is_none_or(|known| known == s));
    spelt(s.parse::<ActKind>().ok().map(ActKind::as_str));
    spelt(s.parse::<State>().ok().map(State::as_str));
    spelt(s.parse::<Audience>().ok().map(Audience::as_str));
    drop((MediaType::of_extension(s), Date::parse(s).map(|date| assert_eq!(date.to_string(), s))));
    drop((Line::new(s).map(|line| assert_eq!(line.as_str(), s)), Prose::new(s), Sought::new(s), server_name(s)));

    match KeyRef::read(s.as_ref()) {
        Ok(key) => {
            let shown = key.to_string();
            assert!(!shown.chars().any(char::is_control), "{shown}");
            // Written out, what was just short enough is longer.
            if matches!(key, KeyRef::Token(_)) && shown.len() <= REFERENCE_LIMIT {
                assert_eq!(KeyRef::read(shown.as_ref()), Ok(key));
            }
        }
        Err(fault) => assert!(!fault.to_string().chars().any(char::is_control), "{fault}"),
    }

    let written = |again: Option<String>| assert!(again.is_none_or(|again| again == s));
    written(names::parse_communique("f", s).ok().map(names::communique));
    written(names::parse_revision("f", s).ok().map(|(id, n)| names::revision(id, n)));
    written(names::parse_party("f", s).ok().map(|party| names::party(&party)));
    written(names::parse_charter("f", s).ok().map(names::charter));
    drop((page::after::<u64>(s), page::after_marked::<PartyId>(s, "0123456789abcdef")));
    if s.len() <= page::KEY_LIMIT && !s.is_empty() {
        assert_eq!(page::after::<String>(&page::token(s)), Ok(Some(s.to_owned())));
    }

    let (first, rest) = s.split_once('\n').unwrap_or((s, ""));
    let proxies = Proxies::read(Some(first), Some(rest));
    let road = Road::new(rest.split(' ').map(str::to_owned), proxies.unwrap_or_default());
    if let Ok(road) = road {
        let one_line = |s: &str| !s.chars().any(|c| c.is_control() || c == ' ');
        for address in road.addresses() {
            assert!(one_line(address));
            assert!(road.proxy_for(address).is_none_or(|proxy| one_line(proxy.address())));
        }
    }
    answer(s);
}

/// What stands in the head of an answer, `name: value` between bars.
fn answer(s: &str) {
    let mut head = http::HeaderMap::new();
    for (name, value) in s.split('|').filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::from_str(name), http::HeaderValue::from_str(value)) {
            head.append(name, value);
        }
    }
    if let Some(answer) = Answer::of_head(&head) {
        assert!(!answer.sentence.chars().any(char::is_control), "{answer:?}");
        assert!(!format!("{:?}{:?}", answer.facts, answer.request_id).chars().any(char::is_control));
    }
}

fn one<T: FromStr<Err = Refusal> + Display>(s: &str) {
    match s.parse::<T>() {
        Ok(name) => assert_eq!(name.to_string(), s),
        Err(refusal) => assert!(!refusal.to_string().chars().any(char::is_control), "{refusal}"),
    }
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("name"), |data: &[u8]| check(data));
