//! Acts: what a holder of full powers does to a communiqué.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    id::{CommuniqueId, Digest, ExchangeName, Lang, PartyId},
    json::{self, Form},
    manifest::REVISIONS_LIMIT,
    message::{Fact, Message, Tell},
    refusal::Refusal,
    statement::Body,
    time::Time,
    words::{LANGUAGES_LIMIT, Line, Prose},
};
use crate::msg;

/// The acts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Confirms a signature that was given ad referendum.
    Confirm,
    /// Says how its party understands the text (an interpretative declaration).
    Declare,
    /// Refuses this revision, with reasons, once it is open.
    Decline,
    /// Authenticates the text as final (VCLT, article 10).
    Initial,
    /// Objects to this revision, with reasons, while the text is settled.
    Object,
    /// Opens the newest revision for signature, where initialling is waived.
    Open,
    /// Puts forward a revision.
    Propose,
    /// Agrees that the texts of what was withdrawn or has lapsed are erased.
    Purge,
    /// Agrees to publication before the embargo's end.
    Release,
    /// Signs definitively.
    Sign,
    /// Signs subject to confirmation by the capital (VCLT, article 12, paragraph 2 b).
    SignAdReferendum,
    /// Takes the communiqué back.
    Withdraw,
}

/// In which states of a communiqué's opening an act names the `opened` entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opening {
    Always,
    Never,
    /// While it is open, and not while it is drafted.
    Either,
}

impl ActKind {
    /// Every act, by name.
    pub const ALL: [ActKind; 12] = [
        ActKind::Confirm,
        ActKind::Declare,
        ActKind::Decline,
        ActKind::Initial,
        ActKind::Object,
        ActKind::Open,
        ActKind::Propose,
        ActKind::Purge,
        ActKind::Release,
        ActKind::Sign,
        ActKind::SignAdReferendum,
        ActKind::Withdraw,
    ];
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActKind::Confirm => "confirm",
            ActKind::Declare => "declare",
            ActKind::Decline => "decline",
            ActKind::Initial => "initial",
            ActKind::Object => "object",
            ActKind::Open => "open",
            ActKind::Propose => "propose",
            ActKind::Purge => "purge",
            ActKind::Release => "release",
            ActKind::Sign => "sign",
            ActKind::SignAdReferendum => "sign_ad_referendum",
            ActKind::Withdraw => "withdraw",
        }
    }
    /// Whether it speaks of an opening, and so can only be made after one.
    #[must_use]
    pub fn needs_opening(self) -> bool {
        self.opening() == Opening::Always
    }
    fn opening(self) -> Opening {
        use ActKind::{Confirm, Decline, Release, Sign, SignAdReferendum, Withdraw};
        match self {
            Confirm | Decline | Release | Sign | SignAdReferendum => Opening::Always,
            Withdraw => Opening::Either,
            _ => Opening::Never,
        }
    }
    /// Whether it is held in escrow until every party has signed.
    #[must_use]
    pub fn is_signature(self) -> bool {
        matches!(self, ActKind::Sign | ActKind::SignAdReferendum | ActKind::Confirm)
    }
}
impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl Tell for ActKind {
    fn tell(&self) -> Fact {
        match self {
            ActKind::Confirm => msg!("act" => "confirm"),
            ActKind::Declare => msg!("act" => "declare"),
            ActKind::Decline => msg!("act" => "decline"),
            ActKind::Initial => msg!("act" => "initial"),
            ActKind::Object => msg!("act" => "object"),
            ActKind::Open => msg!("act" => "open"),
            ActKind::Propose => msg!("act" => "propose"),
            ActKind::Purge => msg!("act" => "purge"),
            ActKind::Release => msg!("act" => "release"),
            ActKind::Sign => msg!("act" => "sign"),
            ActKind::SignAdReferendum => msg!("act" => "sign_ad_referendum"),
            ActKind::Withdraw => msg!("act" => "withdraw"),
        }
        .into()
    }
}
impl FromStr for ActKind {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|a| a.as_str() == s).ok_or_else(|| {
            Refusal::malformed("act", msg!("is none of {join}", join = Self::ALL.map(Self::as_str).join(", ")))
        })
    }
}

/// A declaration: what a `declare` says, or the one that a signature is given with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Declaration {
    /// The digest of the declaring act, in a signature of the same party.
    Made(Digest),
    /// The declaration by language, in `declare`.
    Texts(BTreeMap<Lang, Prose>),
}

impl<'de> Deserialize<'de> for Declaration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        // By hand, since the derived form of an untagged enum does not say what is wrong with either.
        impl<'de> Visitor<'de> for Either {
            type Value = Declaration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by language, or the digest of a declaring act")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Declaration, E> {
                Digest::parse(s).map(Declaration::Made).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Declaration, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Declaration::Texts)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What one holder does, under one grant, to one revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Which act.
    pub act: ActKind,
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// For whom.
    pub party: PartyId,
    /// Digest of the charter in force.
    pub charter: Digest,
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// Which revision: 1 … [`REVISIONS_LIMIT`].
    pub revision: u64,
    /// Digest of that revision's manifest.
    pub manifest: Digest,
    /// Digest of the `opened` entry that it speaks of; null while the text is settled.
    pub opening: Option<Digest>,
    /// Digest of the full powers under which it is done.
    pub grant: Digest,
    /// When, as the signer says.
    pub time: Time,
    /// Where, as the signer says.
    pub place: Option<Line>,
    /// Why; in `object` and `decline` always, in `withdraw` if its party wishes, in no other.
    pub reason: Option<Prose>,
    /// The declaration that `declare` makes; in a signature the one that it is given with, or null.
    pub declaration: Option<Declaration>,
    /// Digest of the signature ad referendum that `confirm` confirms; null in every other.
    pub confirms: Option<Digest>,
}

impl Form for Act {
    const NAME: &'static str = "act";
    const LIMIT: usize = 48 << 10;
    fn called() -> Message {
        msg!("form" => "act")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::within("act.revision", self.revision, 1, REVISIONS_LIMIT)?;
        use ActKind::{Confirm, Declare, Decline, Object, Sign, SignAdReferendum, Withdraw};
        let opening = self.act.opening();
        if opening != Opening::Either && self.opening.is_some() != (opening == Opening::Always) {
            return Err(Refusal::malformed("act.opening", msg!("is null in acts on a draft and in no other")));
        }
        if self.act != Withdraw && self.reason.is_some() != matches!(self.act, Object | Decline) {
            return Err(Refusal::malformed(
                "act.reason",
                msg!("is present in object and decline, and beside them in withdraw alone"),
            ));
        }
        let declares = match (&self.declaration, self.act) {
            (Some(Declaration::Texts(texts)), Declare) => {
                json::count("act.declaration", texts.len(), 1, LANGUAGES_LIMIT)?;
                true
            }
            (None, kind) => kind != Declare,
            (Some(Declaration::Made(_)), Sign | SignAdReferendum) => true,
            _ => false,
        };
        if !declares {
            return Err(Refusal::malformed(
                "act.declaration",
                msg!("is texts in declare, the digest of a declaring act or null in a signature, null in every other"),
            ));
        }
        if self.confirms.is_some() != (self.act == Confirm) {
            return Err(Refusal::malformed("act.confirms", msg!("is present in confirm and in no other")));
        }
        Ok(())
    }
}
impl Body for Act {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        json::encode,
        manifest::Rectifies,
        powers::Revocation,
        samples::{World, party},
    };

    /// An act of this kind as it must be.
    fn act(kind: ActKind) -> Act {
        let mut world = World::new(&[("aa", 1), ("bb", 1)]);
        world.propose().unwrap();
        world.act(kind, "aa", "a1")
    }
    fn parses(act: &Act) -> Result<Act, String> {
        json::parse(&encode(act)).map_err(|refusal| refusal.to_string())
    }

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum May {
        Must,
        Free,
        Never,
    }
    use May::{Free, Must, Never};

    /// Which members each act has: opening, reason, texts of a declaration, digest of a declaration, what it confirms.
    #[rustfmt::skip]
    const MEMBERS: [(ActKind, May, May, May, May, May); 12] = [
        (ActKind::Confirm,          Must,     Never,    Never, Never,    Must),
        (ActKind::Declare,          Never,    Never,    Must,  Never,    Never),
        (ActKind::Decline,          Must,     Must,     Never, Never,    Never),
        (ActKind::Initial,          Never,    Never,    Never, Never,    Never),
        (ActKind::Object,           Never,    Must,     Never, Never,    Never),
        (ActKind::Open,             Never,    Never,    Never, Never,    Never),
        (ActKind::Propose,          Never,    Never,    Never, Never,    Never),
        (ActKind::Purge,            Never,    Never,    Never, Never,    Never),
        (ActKind::Release,          Must,     Never,    Never, Never,    Never),
        (ActKind::Sign,             Must,     Never,    Never, Free, Never),
        (ActKind::SignAdReferendum, Must,     Never,    Never, Free, Never),
        (ActKind::Withdraw,         Free, Free, Never, Never,    Never),
    ];

    #[test]
    fn each_act_has_its_members_and_no_others() {
        assert_eq!(MEMBERS.map(|(kind, ..)| kind), ActKind::ALL);
        let digest = Digest::of(b"some");
        for (kind, opening, reason, texts, made, confirms) in MEMBERS {
            for n in 0..32u8 {
                let has = |bit: u8| n & (1 << bit) != 0;
                // An act has one declaration at most.
                if has(2) && has(3) {
                    continue;
                }
                let declaration = match (has(2), has(3)) {
                    (true, _) => act(ActKind::Declare).declaration,
                    (_, true) => Some(Declaration::Made(digest)),
                    _ => None,
                };
                let changed = Act {
                    act: kind,
                    opening: has(0).then_some(digest),
                    reason: has(1).then(|| Prose::new("Le deuxième alinéa.").unwrap()),
                    declaration,
                    confirms: has(4).then_some(digest),
                    ..act_once()
                };
                let members = [opening, reason, texts, made, confirms];
                let right = (0..).zip(members).all(|(bit, may)| may == Free || (may == Must) == has(bit));
                let outcome = parses(&changed);
                assert_eq!(outcome.is_ok(), right, "{kind} {n:05b}: {outcome:?}");
                if let Ok(parsed) = outcome {
                    assert_eq!(parsed, changed);
                }
            }
        }
    }
    fn act_once() -> Act {
        static ACT: std::sync::OnceLock<Act> = std::sync::OnceLock::new();
        ACT.get_or_init(|| act(ActKind::Propose)).clone()
    }

    #[test]
    fn the_samples_of_all_kinds_are_well_formed_and_named_as_in_the_format() {
        for kind in ActKind::ALL {
            assert_eq!(parses(&act(kind)), Ok(act(kind)), "{kind}");
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(encode(&kind), format!("\"{kind}\"").into_bytes());
        }
        assert!("Sign".parse::<ActKind>().is_err());
        let zero = Act { revision: 0, ..act(ActKind::Propose) };
        assert!(parses(&zero).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_declaration_is_said() {
        let good = String::from_utf8(encode(&act(ActKind::Declare))).unwrap();
        let from = good.find("\"declaration\":").unwrap() + "\"declaration\":".len();
        let to = from + good[from..].find('}').unwrap() + 1;
        let many: Vec<_> = (0..=LANGUAGES_LIMIT)
            .map(|n| {
                let (a, b) = (char::from(b'a' + (n / 26) as u8), char::from(b'a' + (n % 26) as u8));
                format!("\"{a}{b}\":\"x\"")
            })
            .collect();
        let rows = [
            ("{}".to_owned(), "act.declaration"),
            (format!("{{{}}}", many.join(",")), "act.declaration"),
            ("\"abc\"".to_owned(), "digest"),
            (format!("\"{}\"", "A".repeat(64)), "digest"),
            (format!("\"{}\"", Digest::of(b"x")), "is texts in declare"),
            ("null".to_owned(), "is texts in declare"),
            ("7".to_owned(), "texts by language, or the digest of a declaring act"),
            ("[]".to_owned(), "texts by language, or the digest of a declaring act"),
            ("{\"fr\":7}".to_owned(), "expected a string"),
            ("{\"not a language\":\"x\"}".to_owned(), "language"),
            ("{\"fr\":\"\\u0007\"}".to_owned(), "U+0007"),
            ("{\"fr\":\"x\",\"fr\":\"y\"}".to_owned(), "canonical"),
            ("{\"fr\":\"x\",\"en\":\"y\"}".to_owned(), "canonical"),
        ];
        for (declaration, says) in rows {
            let bytes = format!("{}{declaration}{}", &good[..from], &good[to..]);
            let refusal = json::parse::<Act>(bytes.as_bytes()).unwrap_err();
            assert!(refusal.to_string().contains(says), "{declaration}: {refusal}");
            assert!(matches!(refusal, Refusal::Malformed { .. } | Refusal::TooLarge { .. }), "{refusal:?}");
        }
    }

    /// Every member present, nothing else, in one order: as in every form, for those that came with these acts.
    #[test]
    fn revocations_and_rectifications_have_exactly_their_members() {
        let world = World::new(&[("aa", 1), ("bb", 1)]);
        let revocation = world.revocation("aa", world.grant_of("aa", "a1"));
        let good = String::from_utf8(encode(&revocation)).unwrap();
        assert_eq!(json::parse::<Revocation>(good.as_bytes()), Ok(revocation));
        let mut manifest = world.manifest();
        let rectifies = Rectifies {
            communique: CommuniqueId::new(1, &[3; 10]),
            manifest: Digest::of(b"manifest"),
            entry: Digest::of(b"entry"),
        };
        manifest.rectifies = Some(rectifies);
        let whole = String::from_utf8(encode(&manifest)).unwrap();
        assert_eq!(json::parse::<crate::domain::manifest::Manifest>(whole.as_bytes()), Ok(manifest));
        let inner = String::from_utf8(encode(&rectifies)).unwrap();
        assert!(whole.contains(&inner));
        let parses = |what: &str, bytes: &str| match what {
            "revocation" => json::parse::<Revocation>(bytes.as_bytes()).map(drop),
            _ => json::parse::<crate::domain::manifest::Manifest>(whole.replace(&inner, bytes).as_bytes()).map(drop),
        };
        for (what, good) in [("revocation", &good), ("rectifies", &inner)] {
            parses(what, good).unwrap();
            let value: serde_json::Value = serde_json::from_str(good).unwrap();
            for member in value.as_object().unwrap().keys() {
                let mut without = value.clone();
                without.as_object_mut().unwrap().remove(member);
                assert!(parses(what, &without.to_string()).is_err(), "{what} without {member}");
                let mut null = value.clone();
                null[member] = serde_json::Value::Null;
                assert!(parses(what, &null.to_string()).is_err(), "{what} with {member} null");
            }
            assert!(parses(what, &good.replacen('{', "{\"a\":1,", 1)).is_err(), "{what} with one more");
        }
        assert!(parses("revocation", &good.replace(&party("aa").to_string(), "AA")).is_err());
    }
}
