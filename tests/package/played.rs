//! Sample packages, made by hand from a script of what is logged, so that each rule can be broken alone while all the rest is
//! signed, linked and listed consistently. Everything in them is plainly a sample.
//!
//! Other tests, benchmarks and fuzz targets include this file: it knows the crate's public face alone.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::Cursor,
    rc::Rc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use communique::domain::{
    act::{Act, ActKind, Declaration},
    certified::CertifiedCopy,
    charter::{Adoption, Charter, Der, LogKey, Party, Succession},
    document::Document,
    entry::{Entry, FileDigest, Kind, Position, StreamId},
    id::{CommuniqueId, Digest, ExchangeName, HolderId, Lang, PartyId, Salt, TrustDomain},
    json,
    key::{SUITE, SecretKey, Signer as _},
    manifest::{
        Annex, Date, Initialling, LegalEffect, Manifest, MediaType, Meeting, Procedure, Rectifies, Status, Text,
    },
    powers::{Holder, Powers, Revocation},
    statement::{Body, Statement, Type, Unverified},
    text::{Direction, RULES},
    time::Time,
    words::{Line, Names, Prose},
};
use communique::log::{
    checkpoint::{Log as LogKeys, Unverified as UnverifiedHead},
    note::{KeyName, Verifier},
    proof::Proof,
    tree::{Edge, Hash, Node, Plan as Hashes},
};
use communique::package::{
    bag::{self, PartDigests},
    evidence::Evidence,
    verdict::Verdict,
    verify::verify,
    write::Logged,
    zip::{DosTime, Writer},
};

/// Something that the exchange logs, or a step of its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Charter,
    /// Another version is put forward and adopted by this party alone, which no package carries.
    Failed(usize),
    /// The next version is put forward, see [`Plan::successors`].
    Succession,
    /// A party adopts the version put forward last, with the key that it has now.
    Adopt(usize),
    /// A party has another authority key from now on; its number says which.
    Rekey(usize, Seed),
    /// A trust statement, which no package carries.
    Trust(usize),
    Grant(usize, usize),
    /// The holder's full powers end.
    Revoke(usize, usize),
    /// A declaration on the revision before the signed one.
    Earlier(usize, usize),
    /// So many entries of the communiqué before the signed revision.
    Gap(u64),
    /// So many entries about charters that did not come into force.
    Unseen(u64),
    Propose(usize, usize),
    Act(ActKind, usize, usize),
    Opened,
    Completed,
    /// An entry of this kind on the manifest.
    Mark(Kind),
    /// So many entries of others.
    Others(u64),
    /// So many seconds pass.
    Wait(i64),
}

type Hook<T> = Box<dyn Fn(&mut T)>;
/// A number that a sample key is made from.
pub type Seed = u32;
/// The seed of the key that signs this kind of statement for this party and holder, if not the right one.
type Choice = Box<dyn Fn(&str, usize, usize) -> Option<Seed>>;
pub type Files = BTreeMap<String, Vec<u8>>;

/// A text, with the title in its language.
#[derive(Clone)]
pub struct SampleText {
    pub lang: &'static str,
    pub title: &'static str,
    pub text: String,
    pub status: Status,
}

/// An annex; its titles by language.
#[derive(Clone)]
pub struct SampleAnnex {
    pub titles: &'static [(&'static str, &'static str)],
    pub media_type: MediaType,
    pub bytes: Vec<u8>,
}

/// What is played, and where it is broken.
pub struct Plan {
    pub script: Vec<Turn>,
    /// How many parties the first charter lists, before its hook; never fewer than six.
    pub listed: usize,
    /// The texts, by language.
    pub texts: Vec<SampleText>,
    pub annexes: Vec<SampleAnnex>,
    /// What is logged after `published`, and listed by it all the same.
    pub late: Vec<Turn>,
    pub charter: Hook<Charter>,
    /// How each later version differs from the one before.
    pub successors: Vec<Hook<Charter>>,
    /// The version that manifest and acts are under.
    pub under: usize,
    /// What this one corrects; its log goes on.
    pub original: Option<Played>,
    pub adoption: Hook<Adoption>,
    pub manifest: Hook<Manifest>,
    pub powers: Hook<Powers>,
    pub revocation: Hook<Revocation>,
    pub act: Hook<Act>,
    pub signer: Choice,
    pub compact: Hook<String>,
    pub entry: Hook<Entry>,
    /// Changes the French text.
    pub text: Hook<String>,
    /// The files before `published` lists them.
    pub before: Hook<Files>,
    pub published: Hook<Entry>,
    pub certified: Hook<CertifiedCopy>,
    /// The files of `data/` after `published`, before the bag lists them.
    pub after: Hook<Files>,
    /// So many entries of others are logged before the head is signed.
    pub later: u64,
    /// The parties whose witnesses cosign the head, see [`Plan::witnessed`].
    pub cosigners: Vec<usize>,
    /// The time stamp.
    pub stamp: Option<Vec<u8>>,
    /// The text of the head, before it is signed.
    pub head: Hook<String>,
    /// The size of the tree that it is of, if not of all that is logged. It may be as large as one likes: of what is beyond, whole
    /// subtrees are made up at once.
    pub size: Option<u64>,
    /// The key that signs it, if not the right one.
    pub log_key: Option<Seed>,
    /// The note with its signatures, before it is part of any proof.
    pub note: Hook<String>,
    /// Entries that are proven though they are not in the package.
    pub also_proven: Vec<u64>,
    /// The files of `evidence/`, before the bag lists them.
    pub evidence: Hook<Files>,
    /// The files of the bag, with its tag files.
    pub bag: Hook<Files>,
    /// What goes into the archive, by name.
    pub archive: Hook<Vec<(String, Vec<u8>)>>,
    /// The archive's time.
    pub time: Option<DosTime>,
    /// The archive's bytes.
    pub zip: Hook<Vec<u8>>,
    pub pin: Option<Digest>,
}

/// Where a log stands, so that another package can be of the same.
#[derive(Clone)]
struct Log {
    index: u64,
    now: Time,
    streams: BTreeMap<StreamId, Position>,
    charters: Vec<Document<Charter>>,
    grants: BTreeMap<(usize, usize), String>,
}

/// A package and what it was made of.
#[derive(Clone)]
pub struct Played {
    log: Log,
    /// How many documents it corrects, one below another.
    depth: u8,
    pub zip: Vec<u8>,
    /// The same, as it lies in the package of what corrects it.
    pub lying: Vec<u8>,
    /// The indices of the entries that are proven, and of these, those of what it corrects.
    pub proven: BTreeSet<u64>,
    pub below: BTreeSet<u64>,
    pub files: Files,
    pub logged: Vec<(StreamId, Logged)>,
    pub published: (u64, Vec<u8>),
    pub certified: Statement<CertifiedCopy>,
    pub charter: Document<Charter>,
    pub manifest: Document<Manifest>,
    pub pin: Option<Digest>,
}

impl Played {
    /// The fingerprint that a reader brings.
    pub fn pin_given(&self) -> Digest {
        self.pin.unwrap_or(self.charter.digest())
    }
    pub fn verify(&self) -> Verdict {
        verify(Cursor::new(&self.zip), Some(self.pin_given()))
    }
    /// The same package, for something that corrects it in another log.
    pub fn under_the_log_of(self, other: Self) -> Self {
        Self { log: other.log, logged: other.logged, ..self }
    }
    /// The same package, for something that corrects it before it is published.
    pub fn before_publication(mut self) -> Self {
        self.log.index = self.published.0 - 1;
        self
    }
    /// What its evidence is made of.
    pub fn evidence(&self) -> Evidence {
        let proofs = self.files.iter().filter(|(path, _)| path.ends_with(".tlog-proof"));
        let proofs: Vec<_> = proofs.map(|(_, bytes)| Proof::parse(bytes).unwrap()).collect();
        let hashes = proofs.iter().map(|proof| (proof.index(), proof.hashes().to_vec())).collect();
        let head: UnverifiedHead = proofs[0].checkpoint().clone();
        let origin = head.claims().origin().clone();
        let keys = vec![Verifier::new(KeyName::parse(origin.as_str()).unwrap(), key(LOG).public())];
        let head = head.verify(&LogKeys::new(origin, keys)).unwrap();
        Evidence::new(head, hashes, self.files.get(bag::STAMP_PATH).cloned()).unwrap()
    }
    pub fn stream(&self, stream: &StreamId) -> Vec<Logged> {
        self.logged.iter().filter(|(s, _)| s == stream).map(|(_, l)| l.clone()).collect()
    }
}

pub fn party(p: usize) -> PartyId {
    PartyId::parse(format!("sample-{p}")).unwrap()
}
/// The communiqué that corrects so many others.
pub fn id(depth: u8) -> CommuniqueId {
    CommuniqueId::new(1_795_424_400_000, &[7 + depth; 10])
}
pub fn key(seed: Seed) -> SecretKey {
    match u8::try_from(seed) {
        Ok(byte) => SecretKey::from_seed(&[byte; 32]),
        Err(_) => SecretKey::from_seed(Digest::of(format!("sample key {seed}").as_bytes()).as_bytes()),
    }
}
pub const DEPOSITARY: Seed = 1;
pub const LOG: Seed = 2;
/// The second authority key of party 1.
const RENEWED: Seed = 90;
pub fn authority(p: usize) -> Seed {
    if p < 6 { 10 + p as Seed } else { 1000 + p as Seed }
}
pub fn witness(p: usize) -> Seed {
    700 + p as Seed
}
pub fn official(p: usize, h: usize) -> Seed {
    if p < 6 { 50 + (p * 8 + h) as Seed } else { 10_000 + (p * 100 + h) as Seed }
}
pub fn start() -> Time {
    Time::parse("2026-11-23T09:00:00Z").unwrap()
}
fn exchange() -> ExchangeName {
    ExchangeName::parse("exchange.sample.example").unwrap()
}
fn line(s: &str) -> Line {
    Line::new(s).unwrap()
}
fn lang(s: &str) -> Lang {
    Lang::parse(s).unwrap()
}
fn names(fr: &str, ar: &str) -> Names {
    Names::new([(lang("fr"), line(fr)), (lang("ar"), line(ar))]).unwrap()
}
fn salt(s: &str) -> Salt {
    Salt::new(*Digest::of(s.as_bytes()).as_bytes())
}
pub const ARABIC: &str = "نص نموذجي.\n\nاتفق الطرفان.\n";
pub const FRENCH: &str = "Texte d’exemple.\n\nLes parties se sont mises d’accord.\n";
/// Texts in other languages, each plainly a sample: language, title, text.
const OTHERS: &[(&str, &str, &str)] = &[
    ("ar", "بيان نموذجي", "هذا نص نموذجي لا يلزم أحدًا.\n\nتبين به الأطراف النموذجية كيف يوقع البيان المشترك.\n"),
    (
        "en",
        "Sample communiqué",
        "This is a sample text. It binds nobody.\n\nThe sample parties show by it how a joint communiqué is signed.\n",
    ),
    (
        "es",
        "Comunicado de ejemplo",
        "Este es un texto de ejemplo. No obliga a nadie.\n\n¿Qué muestra? Cómo se firma un comunicado conjunto.\n",
    ),
    (
        "fa",
        "بیانیهٔ نمونه",
        "این یک متن نمونه است و برای هیچ\u{200C}کس الزام\u{200C}آور نیست.\n\nطرف\u{200C}های نمونه با آن نشان می\u{200C}دهند که بیانیهٔ مشترک چگونه امضا می\u{200C}شود.\n",
    ),
    (
        "fr",
        "Communiqué d’exemple",
        "Ceci est un texte d’exemple\u{202F}; il n’engage personne.\n\nLes parties d’exemple montrent par «\u{202F}ces mots\u{202F}» comment se signe un communiqué conjoint.\n",
    ),
    (
        "hi",
        "नमूना विज्ञप्ति",
        "यह एक नमूना पाठ है। यह किसी पर बाध्यकारी नहीं है।\n\nनमूना पक्ष इससे दिखाते हैं कि संयुक्त विज्ञप्ति पर हस्ताक्षर कैसे किए जाते हैं।\n",
    ),
    (
        "ru",
        "Образец коммюнике",
        "Это образец текста. Он никого ни к чему не обязывает.\n\nУсловные стороны показывают на нём, как подписывается совместное коммюнике.\n",
    ),
    (
        "zh-Hans",
        "示例公报",
        "\u{3000}\u{3000}本文为示例文本，对任何人均无约束力。\n\n\u{3000}\u{3000}示例各方以此说明联合公报如何签署。\n",
    ),
];
pub const ANNEX: &[u8] = b"%PDF-1.7 sample, not a real document\n";

/// A sample text in this language.
pub fn sample_text(lang: &str) -> SampleText {
    let (lang, title, text) = *OTHERS.iter().find(|(l, ..)| *l == lang).unwrap();
    SampleText { lang, title, text: text.into(), status: Status::Authentic }
}

/// A party joins.
pub fn join(charter: &mut Charter, p: usize) {
    let mut joining = charter.parties[0].clone();
    joining.id = party(p);
    joining.trust_domain = format!("mfa-{p}.sample.example").parse().unwrap();
    joining.authority = key(authority(p)).public();
    joining.witness = None;
    charter.parties.push(joining);
    charter.parties.sort_by(|a, b| a.id.cmp(&b.id));
}

fn none<T>() -> Hook<T> {
    Box::new(|_| ())
}

impl Plan {
    /// A plain course: so many parties, so many holders of each, initialling required or waived.
    pub fn new(parties: usize, quorum: usize, initialling: Initialling) -> Self {
        let all = || (0..parties).flat_map(move |p| (0..quorum).map(move |h| (p, h)));
        let mut script = vec![Turn::Charter];
        script.extend((0..parties).map(Turn::Adopt));
        script.push(Turn::Others(parties as u64));
        script.extend(all().map(|(p, h)| Turn::Grant(p, h)));
        script.extend([Turn::Others(3), Turn::Propose(0, 0)]);
        match initialling {
            Initialling::Required => script.extend((0..parties).map(|p| Turn::Act(ActKind::Initial, p, 0))),
            Initialling::Waived => script.push(Turn::Act(ActKind::Open, 0, 0)),
        }
        script.push(Turn::Opened);
        script.extend(all().map(|(p, h)| Turn::Act(ActKind::Sign, p, h)));
        script.extend([Turn::Completed, Turn::Others(2)]);
        let text = |lang, title, text: &str| SampleText { lang, title, text: text.into(), status: Status::Authentic };
        Self {
            script,
            listed: parties.max(6),
            texts: vec![text("ar", "بيان نموذجي", ARABIC), text("fr", "Communiqué d’exemple", FRENCH)],
            annexes: vec![SampleAnnex {
                titles: &[("ar", "ملحق نموذجي"), ("fr", "Annexe d’exemple")],
                media_type: MediaType::Pdf,
                bytes: ANNEX.to_vec(),
            }],
            late: vec![],
            charter: Box::new(move |c| {
                c.parties.truncate(parties);
                c.parties.iter_mut().for_each(|p| p.quorum = quorum as u64);
            }),
            successors: vec![],
            under: 1,
            original: None,
            adoption: none(),
            manifest: Box::new(move |m| {
                m.parties.truncate(parties);
                m.parties.reverse();
                m.procedure.initialling = initialling;
            }),
            powers: none(),
            revocation: none(),
            act: none(),
            signer: Box::new(|_, _, _| None),
            compact: none(),
            entry: none(),
            text: none(),
            before: none(),
            published: none(),
            certified: none(),
            after: none(),
            later: 0,
            cosigners: vec![],
            stamp: None,
            head: none(),
            size: None,
            log_key: None,
            note: none(),
            also_proven: vec![],
            evidence: none(),
            bag: none(),
            archive: none(),
            time: None,
            zip: none(),
            pin: None,
        }
    }
    /// Two parties of two holders each, initialling required.
    pub fn plain() -> Self {
        Self::new(2, 2, Initialling::Required)
    }
    /// Two parties of one holder each, initialling required.
    pub fn small() -> Self {
        Self::new(2, 1, Initialling::Required)
    }
    /// The example of `docs/FORMAT.md`: opened by its proposer, the head cosigned by the witness of one of the two parties.
    pub fn example() -> Self {
        Self::new(2, 1, Initialling::Waived).witnessed(2, 1, &[0])
    }
    /// Two parties of one holder each, both with a witness that cosigned; the charter wants one.
    pub fn cosigned() -> Self {
        Self::small().witnessed(2, 1, &[0, 1])
    }
    /// The course of what corrects this, in the same log, with the same full powers.
    pub fn correcting(original: Played) -> Self {
        let mut plan = Self::new(2, original.charter.parties[0].quorum as usize, Initialling::Required);
        let logged = |t: &Turn| !matches!(t, Turn::Charter | Turn::Adopt(_) | Turn::Grant(..));
        plan.script.retain(logged);
        plan.original = Some(original);
        plan
    }
    /// Three charters before the revision: in the second party 3 joins, party 2 leaves, and party 1 has another authority key; in
    /// the third, party 4 is listed and stays away. A proposal between them fails.
    pub fn succession() -> Self {
        let mut plan = Self::new(3, 1, Initialling::Required);
        plan.successors = vec![
            Box::new(|c| {
                c.parties.retain(|p| p.id != party(2));
                join(c, 3);
                c.parties.iter_mut().filter(|p| p.id == party(1)).for_each(|p| p.authority = key(RENEWED).public());
            }),
            Box::new(|c| {
                join(c, 4);
                c.adopt_by = Some(start().plus(7200));
            }),
        ];
        plan.under = 3;
        plan.also_manifest(|m| m.parties = [1, 0, 3].map(party).to_vec());
        let here = [0, 1, 3];
        let mut script = vec![Turn::Charter, Turn::Adopt(0), Turn::Adopt(1), Turn::Adopt(2), Turn::Grant(0, 0)];
        script.extend([Turn::Others(2), Turn::Failed(2), Turn::Wait(600), Turn::Succession]);
        script.extend([Turn::Adopt(0), Turn::Adopt(1), Turn::Rekey(1, RENEWED), Turn::Adopt(1), Turn::Adopt(2)]);
        script.extend([Turn::Adopt(3), Turn::Grant(1, 0), Turn::Grant(3, 0), Turn::Succession]);
        script.extend(here.map(Turn::Adopt));
        script.extend([Turn::Wait(7200), Turn::Propose(0, 0)]);
        script.extend(here.map(|p| Turn::Act(ActKind::Initial, p, 0)));
        script.push(Turn::Opened);
        script.extend(here.map(|p| Turn::Act(ActKind::Sign, p, 0)));
        script.push(Turn::Completed);
        plan.script = script;
        plan
    }
    /// A holder signs, loses the full powers, and another signs in his or her place; a third loses them after completion.
    pub fn substitution() -> Self {
        let mut plan = Self::plain();
        plan.insert_after(Turn::Act(ActKind::Sign, 1, 1), Turn::Act(ActKind::Sign, 1, 2));
        plan.insert_after(Turn::Act(ActKind::Sign, 1, 1), Turn::Grant(1, 2));
        plan.insert_after(Turn::Act(ActKind::Sign, 1, 1), Turn::Revoke(1, 1));
        // The signature that was last is not any more.
        let last = plan.script.remove(plan.position(Turn::Act(ActKind::Sign, 1, 0)));
        plan.insert_after(Turn::Act(ActKind::Sign, 1, 2), last);
        plan.insert_after(Turn::Completed, Turn::Revoke(0, 0));
        plan
    }
    /// One signature ad referendum is confirmed, another is not and is not needed.
    pub fn ad_referendum() -> Self {
        let mut plan = Self::plain();
        let at = plan.position(Turn::Act(ActKind::Sign, 0, 0));
        plan.script[at] = Turn::Act(ActKind::SignAdReferendum, 0, 0);
        plan.insert_after(Turn::Act(ActKind::Sign, 0, 1), Turn::Act(ActKind::Confirm, 0, 1));
        plan.insert_before(Turn::Propose(0, 0), Turn::Grant(1, 2));
        plan.insert_after(Turn::Opened, Turn::Act(ActKind::SignAdReferendum, 1, 2));
        plan
    }
    /// A declaration on the revision before, one on the signed revision, both given with signatures, and one given with none.
    pub fn declarations() -> Self {
        let mut plan = Self::plain();
        plan.insert_before(Turn::Propose(0, 0), Turn::Earlier(0, 0));
        plan.insert_before(Turn::Propose(0, 0), Turn::Gap(2));
        plan.insert_after(Turn::Opened, Turn::Others(1));
        plan.insert_before(Turn::Act(ActKind::Initial, 0, 0), Turn::Act(ActKind::Declare, 1, 1));
        plan.insert_before(Turn::Act(ActKind::Initial, 0, 0), Turn::Act(ActKind::Declare, 1, 0));
        plan
    }
    /// A declaration that one signature alone is given with: that under full powers which end.
    pub fn declared_in_vain() -> Self {
        let mut plan = Self::substitution();
        plan.insert_after(Turn::Propose(0, 0), Turn::Act(ActKind::Declare, 1, 1));
        // Only the party's first signature names it.
        let given = std::cell::Cell::new(0);
        plan.act = Box::new(move |a| {
            given.set(if a.act == ActKind::Propose { 0 } else { given.get() + u8::from(a.declaration.is_some()) });
            a.declaration = a.declaration.take().filter(|_| given.get() <= 2);
        });
        plan
    }
    /// A version that is put forward as entry 4,095 of `exchange`, or so many later.
    pub fn late_succession(by: u64) -> Self {
        let mut plan = Self::plain();
        plan.successors = vec![none()];
        plan.under = 2;
        let turns = [Turn::Unseen(4092 + by), Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)];
        let at = plan.position(Turn::Grant(0, 0));
        plan.script.splice(at..at, turns);
        plan
    }
    /// Taken back by every party, who then agree that its texts are erased, and logged as erased.
    pub fn purged() -> Self {
        let mut plan = Self::small();
        let erased = Rc::new(RefCell::new(vec![]));
        let (asked, named) = (erased.clone(), erased);
        plan.compact = Box::new(move |compact| {
            if Unverified::<Act>::parse(compact).is_ok_and(|act| act.claims().act == ActKind::Purge) {
                asked.borrow_mut().push(Digest::of(compact.as_bytes()));
            }
        });
        plan.entry = Box::new(move |entry| {
            if entry.kind == Kind::Purged {
                (entry.documents, entry.statements) = (vec![], std::mem::take(&mut *named.borrow_mut()));
            }
        });
        let acts = [ActKind::Withdraw, ActKind::Purge].into_iter().flat_map(|act| [0, 1].map(|p| Turn::Act(act, p, 0)));
        let at = plan.position(Turn::Opened) + 1;
        plan.script.splice(at..at, acts.chain([Turn::Mark(Kind::Purged)]));
        plan
    }
    /// Published before the embargo's end, as every party wanted: one while it was open, one after completion.
    pub fn released() -> Self {
        let mut plan = Self::plain();
        plan.also_manifest(|m| m.procedure.embargo = Some(start().plus(86_400)));
        plan.insert_after(Turn::Opened, Turn::Act(ActKind::Release, 0, 0));
        plan.insert_after(Turn::Completed, Turn::Act(ActKind::Release, 1, 1));
        plan
    }
    /// Where in the script this turn is.
    pub fn position(&self, turn: Turn) -> usize {
        self.script.iter().position(|t| *t == turn).unwrap()
    }
    pub fn without(&mut self, turn: Turn) {
        self.script.remove(self.position(turn));
    }
    pub fn insert_before(&mut self, place: Turn, turn: Turn) {
        self.script.insert(self.position(place), turn);
    }
    pub fn insert_after(&mut self, place: Turn, turn: Turn) {
        self.script.insert(self.position(place) + 1, turn);
    }
    /// The first so many parties of the charter have witnesses, of which it wants a number. These cosign.
    pub fn witnessed(mut self, witnesses: usize, wanted: u64, cosigners: &[usize]) -> Self {
        self.also_charter(move |c| {
            c.witnesses = wanted;
            for p in 0..witnesses {
                let listed = c.parties.iter_mut().filter(|listed| listed.id == party(p));
                listed.for_each(|listed| listed.witness = Some(key(witness(p)).public()));
            }
        });
        self.cosigners = cosigners.to_vec();
        self
    }
    /// Adds to what the charter's hook does.
    pub fn also_charter(&mut self, more: impl Fn(&mut Charter) + 'static) {
        let first = std::mem::replace(&mut self.charter, none());
        self.charter = Box::new(move |c| {
            first(c);
            more(c);
        });
    }
    /// Adds to what the manifest's hook does.
    pub fn also_manifest(&mut self, more: impl Fn(&mut Manifest) + 'static) {
        let first = std::mem::replace(&mut self.manifest, none());
        self.manifest = Box::new(move |m| {
            first(m);
            more(m);
        });
    }
    /// Plays it.
    pub fn play(&self) -> Played {
        Play::new(self).run()
    }
}

struct Play<'a> {
    plan: &'a Plan,
    depth: u8,
    charters: Vec<Document<Charter>>,
    /// How many versions were put forward.
    proposed: usize,
    manifest: Document<Manifest>,
    index: u64,
    now: Time,
    streams: BTreeMap<StreamId, Position>,
    files: Files,
    logged: Vec<(StreamId, Logged)>,
    initials: Vec<String>,
    /// Signatures and confirmations, with party and holder.
    signatures: Vec<(ActKind, usize, usize, String)>,
    revoked: Vec<(usize, usize)>,
    authorities: BTreeMap<usize, Seed>,
    grants: BTreeMap<(usize, usize), String>,
    declared: BTreeMap<usize, Digest>,
    opening: Option<Digest>,
}

impl<'a> Play<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut charter = Charter {
            r#type: Type::of::<Charter>(),
            exchange: exchange(),
            version: 1,
            previous: None,
            succession: Succession::Unanimous,
            adopt_by: None,
            parties: (0..plan.listed)
                .map(|p| Party {
                    id: party(p),
                    names: names(&format!("Partie d’exemple {p}"), &format!("طرف نموذجي {p}")),
                    trust_domain: TrustDomain::parse(format!("mfa-{p}.sample.example")).unwrap(),
                    authority: key(authority(p)).public(),
                    quorum: 1,
                    witness: None,
                })
                .collect(),
            witnesses: 0,
            log: LogKey { origin: line("exchange.sample.example/log"), key: key(LOG).public() },
            depositary: key(DEPOSITARY).public(),
            server_ca: Der::new(vec![0x30, 0]).unwrap(),
            suites: vec![SUITE.into()],
        };
        charter.parties.sort_by(|a, b| a.id.cmp(&b.id));
        (plan.charter)(&mut charter);
        let mut charters = vec![Document::of(&charter).unwrap()];
        if let Some(original) = &plan.original {
            charters = original.log.charters.clone();
        }
        for change in &plan.successors {
            let last = charters.last().unwrap();
            let mut next = (**last).clone();
            next.version += 1;
            next.previous = Some(last.digest());
            next.adopt_by = Some(start().plus(86_400));
            change(&mut next);
            charters.push(Document::of(&next).unwrap());
        }
        let (founding, charter) = (charters[0].digest(), charters[plan.under - 1].clone());
        let depth = plan.original.as_ref().map_or(0, |o| o.depth + 1);
        let mut texts = plan.texts.clone();
        texts.iter_mut().filter(|t| t.lang == "fr").for_each(|t| (plan.text)(&mut t.text));
        let mut manifest = Manifest {
            r#type: Type::of::<Manifest>(),
            salt: salt("manifest"),
            founding,
            exchange: exchange(),
            charter: charter.digest(),
            communique: id(depth),
            revision: 2,
            previous: Some(Digest::of(b"revision 1")),
            proposer: party(0),
            rules: RULES.into(),
            titles: Names::new(texts.iter().map(|t| (lang(t.lang), line(t.title)))).unwrap(),
            parties: (0..plan.listed).map(party).collect(),
            texts: texts
                .iter()
                .map(|t| Text {
                    lang: lang(t.lang),
                    dir: if ["ar", "fa"].contains(&t.lang) { Direction::Rtl } else { Direction::Ltr },
                    status: t.status,
                    size: t.text.len() as u64,
                    sha256: Digest::of(t.text.as_bytes()),
                })
                .collect(),
            annexes: plan
                .annexes
                .iter()
                .map(|a| Annex {
                    titles: Names::new(a.titles.iter().map(|(tag, title)| (lang(tag), line(title)))).unwrap(),
                    media_type: a.media_type,
                    size: a.bytes.len() as u64,
                    sha256: Digest::of(&a.bytes),
                })
                .collect(),
            meeting: Some(Meeting {
                places: names("Ville d’exemple", "مدينة نموذجية"),
                date: Date::parse("2026-11-23").unwrap(),
                host: Some(party(0)),
            }),
            legal_effect: LegalEffect::Political,
            procedure: Procedure { initialling: Initialling::Required, deadline: None, embargo: None },
            rectifies: plan.original.as_ref().map(|o| Rectifies {
                communique: o.manifest.communique,
                manifest: o.manifest.digest(),
                entry: Digest::of(&o.published.1),
            }),
        };
        let texts = texts.into_iter().map(|t| t.text.into_bytes());
        let parts = manifest.parts().map(|p| p.path).zip(texts.chain(plan.annexes.iter().map(|a| a.bytes.clone())));
        let mut files: Files = parts.collect();
        (plan.manifest)(&mut manifest);
        let manifest = Document::of(&manifest).unwrap();
        files.insert(bag::MANIFEST_PATH.into(), manifest.bytes().to_vec());
        // What came before the package begins: trust in the parties' streams, revision 1 in the communiqué's.
        let earlier = |length| Position { length, last: Some(Digest::of(b"earlier")) };
        let mut streams: BTreeMap<_, _> = (0..plan.listed).map(|p| (StreamId::Party(party(p)), earlier(1))).collect();
        let (mut index, mut now, mut grants, mut logged) = (0, start(), BTreeMap::new(), vec![]);
        if let Some(original) = &plan.original {
            Log { index, now, streams, grants, .. } = original.log.clone();
            logged.clone_from(&original.logged);
            files.insert(bag::original_path(original.manifest.communique), original.lying.clone());
            for charter in &original.log.charters {
                files.insert(bag::charter_path(charter.version), charter.bytes().to_vec());
            }
            for (_, l) in logged.iter().filter(|(s, _)| !matches!(s, StreamId::Communique(_))) {
                files.insert(bag::entry_path(l.index), l.bytes.clone());
                let entry: Entry = json::parse(&l.bytes).unwrap();
                for (digest, object) in entry.statements.iter().zip(&l.objects[entry.documents.len()..]) {
                    files.insert(bag::statement_path(*digest), object.clone());
                }
            }
        }
        if manifest.revision > 1 {
            streams.insert(StreamId::Communique(manifest.communique), earlier(3));
        }
        Self {
            plan,
            depth,
            charters,
            proposed: plan.original.as_ref().map_or(0, |o| o.log.charters.len()),
            manifest,
            index,
            now,
            streams,
            files,
            logged,
            initials: vec![],
            signatures: vec![],
            revoked: vec![],
            authorities: BTreeMap::new(),
            grants,
            declared: BTreeMap::new(),
            opening: None,
        }
    }

    fn sign<B: Body>(&self, body: B, seed: Seed, p: usize, h: usize) -> String {
        let seed = (self.plan.signer)(B::NAME, p, h).unwrap_or(seed);
        let mut compact = Statement::sign(body, &key(seed)).unwrap().compact().to_owned();
        (self.plan.compact)(&mut compact);
        compact
    }

    /// Logs an entry, and puts it and its statements among the files.
    fn log(&mut self, kind: Kind, stream: StreamId, documents: &[Vec<u8>], statements: &[String]) -> (Entry, Vec<u8>) {
        let at = self.streams.entry(stream.clone()).or_default();
        let mut entry = Entry {
            documents: documents.iter().map(|d| Digest::of(d)).collect(),
            files: None,
            kind,
            previous: at.last,
            salt: salt(&format!("entry {}", self.index)),
            seq: at.length,
            statements: statements.iter().map(|s| Digest::of(s.as_bytes())).collect(),
            stream: stream.clone(),
            time: self.now,
        };
        if kind == Kind::Published {
            // The manifest's own digests of texts and annexes: what differs from them later is theirs to find.
            let list =
                self.files.iter().map(|(path, bytes)| FileDigest { path: path.clone(), sha256: Digest::of(bytes) });
            entry.files = Some(list.collect());
            (self.plan.published)(&mut entry);
        }
        (self.plan.entry)(&mut entry);
        let bytes = json::encode(&entry);
        *at = Position { length: entry.seq + 1, last: Some(Digest::of(&bytes)) };
        self.files.insert(bag::entry_path(self.index), bytes.clone());
        for statement in statements {
            self.files.insert(bag::statement_path(Digest::of(statement.as_bytes())), statement.clone().into_bytes());
        }
        let objects = documents.iter().cloned().chain(statements.iter().map(|s| s.clone().into_bytes())).collect();
        self.logged.push((stream, Logged { index: self.index, bytes: bytes.clone(), objects }));
        self.index += 1;
        (entry, bytes)
    }

    fn grant(&self, p: usize, h: usize) -> String {
        let mut powers = Powers {
            founding: self.founding(),
            exchange: exchange(),
            party: party(p),
            holder: Holder {
                id: HolderId::parse(format!("holder-{h}")).unwrap(),
                names: names(&format!("Personne d’exemple {p}.{h}"), &format!("شخص نموذجي {p}.{h}")),
                titles: names("Titre d’exemple", "صفة نموذجية"),
            },
            key: key(official(p, h)).public(),
            acts: ActKind::ALL.to_vec(),
            scope: None,
            not_before: start(),
            not_after: start().plus(30 * 86_400),
        };
        (self.plan.powers)(&mut powers);
        self.sign(powers, self.authority(p), p, h)
    }
    fn founding(&self) -> Digest {
        self.charters[0].digest()
    }
    /// The seed of the party's authority key.
    fn authority(&self, p: usize) -> Seed {
        self.authorities.get(&p).copied().unwrap_or(authority(p))
    }

    fn act(&mut self, kind: ActKind, p: usize, h: usize) -> String {
        let ad_referendum =
            || self.signatures.iter().rfind(|(k, of, ..)| (*k, *of) == (ActKind::SignAdReferendum, p)).map(|s| &s.3);
        let texts =
            || Declaration::Texts([(lang("fr"), Prose::new("Nous l’entendons ainsi (exemple).").unwrap())].into());
        let declaration = match kind {
            ActKind::Declare => Some(texts()),
            ActKind::Sign | ActKind::SignAdReferendum => self.declared.get(&p).copied().map(Declaration::Made),
            _ => None,
        };
        let grant = self.grants.get(&(p, h)).cloned().unwrap_or_else(|| self.grant(p, h));
        let act = Act {
            act: kind,
            founding: self.founding(),
            exchange: exchange(),
            party: party(p),
            charter: self.charters[self.plan.under - 1].digest(),
            communique: self.manifest.communique,
            revision: self.manifest.revision,
            manifest: self.manifest.digest(),
            opening: self.opening.filter(|_| kind.needs_opening() || kind == ActKind::Withdraw),
            grant: Digest::of(grant.as_bytes()),
            time: self.now,
            place: Some(line("Ville d’exemple")),
            reason: matches!(kind, ActKind::Decline | ActKind::Object).then(|| Prose::new("Motif d’exemple").unwrap()),
            declaration,
            confirms: (kind == ActKind::Confirm)
                .then(|| Digest::of(ad_referendum().map_or("no signature", String::as_str).as_bytes())),
        };
        let compact = self.sign_act(act, p, h);
        match kind {
            ActKind::Initial | ActKind::Open => self.initials.push(compact.clone()),
            ActKind::Declare => drop(self.declared.insert(p, Digest::of(compact.as_bytes()))),
            _ if kind.is_signature() => self.signatures.push((kind, p, h, compact.clone())),
            _ => {}
        }
        compact
    }
    fn sign_act(&self, mut act: Act, p: usize, h: usize) -> String {
        (self.plan.act)(&mut act);
        self.sign(act, official(p, h), p, h)
    }
    /// The signatures that count, in log order.
    fn counting(&self) -> Vec<String> {
        let confirms = |kind, p| kind == ActKind::Confirm && self.signatures.iter().any(|s| (s.0, s.1) == (kind, p));
        let counts = |(kind, p, h, _): &&(ActKind, usize, usize, String)| {
            !self.revoked.contains(&(*p, *h)) && (*kind != ActKind::SignAdReferendum || confirms(ActKind::Confirm, *p))
        };
        self.signatures.iter().filter(counts).map(|s| s.3.clone()).collect()
    }

    fn turn(&mut self, turn: Turn) {
        let communique = StreamId::Communique(self.manifest.communique);
        let manifest = [self.manifest.bytes().to_vec()];
        match turn {
            Turn::Charter | Turn::Succession => {
                let Some(charter) = self.charters.get(self.proposed).cloned() else { panic!("no such version") };
                self.proposed += 1;
                self.files.insert(bag::charter_path(charter.version), charter.bytes().to_vec());
                self.log(Kind::Charter, StreamId::Exchange, &[charter.bytes().to_vec()], &[]);
            }
            Turn::Adopt(p) => {
                let charter = self.charters[self.proposed.max(1) - 1].clone();
                let mut adoption = Adoption {
                    founding: self.founding(),
                    exchange: exchange(),
                    party: party(p),
                    charter: charter.digest(),
                    version: charter.version,
                    time: self.now,
                };
                (self.plan.adoption)(&mut adoption);
                let compact = self.sign(adoption, self.authority(p), p, 0);
                self.log(Kind::Adoption, StreamId::Exchange, &[], &[compact]);
            }
            Turn::Failed(p) => {
                let (charters, proposed, files) = (self.charters.clone(), self.proposed, self.files.clone());
                let mut next = (*self.charters[proposed - 1]).clone();
                next.version += 1;
                next.previous = Some(self.charters[proposed - 1].digest());
                next.adopt_by = Some(start().plus(600));
                next.witnesses = 1;
                self.charters.insert(proposed, Document::of(&next).unwrap());
                self.turn(Turn::Succession);
                self.turn(Turn::Adopt(p));
                (self.charters, self.proposed, self.files) = (charters, proposed, files);
            }
            Turn::Rekey(p, seed) => drop(self.authorities.insert(p, seed)),
            Turn::Trust(p) => {
                self.log(Kind::Trust, StreamId::Party(party(p)), &[], &[]);
            }
            Turn::Grant(p, h) => {
                let compact = self.grant(p, h);
                self.grants.insert((p, h), compact.clone());
                self.log(Kind::Powers, StreamId::Party(party(p)), &[], &[compact]);
            }
            Turn::Revoke(p, h) => {
                let grant = self.grants.get(&(p, h)).cloned().unwrap_or_else(|| self.grant(p, h));
                let mut revocation = Revocation {
                    founding: self.founding(),
                    exchange: exchange(),
                    party: party(p),
                    grant: Digest::of(grant.as_bytes()),
                    reason: Prose::new("Fin de mission (exemple).").unwrap(),
                    time: self.now,
                };
                (self.plan.revocation)(&mut revocation);
                let compact = self.sign(revocation, self.authority(p), p, h);
                self.revoked.push((p, h));
                self.log(Kind::Revocation, StreamId::Party(party(p)), &[], &[compact]);
            }
            Turn::Earlier(p, h) => {
                let declared = self.declared.get(&p).copied();
                let compact = self.act(ActKind::Declare, p, h);
                let mut act = Unverified::<Act>::parse(&compact).unwrap().claims().clone();
                act.revision -= 1;
                act.manifest = self.manifest.previous.unwrap();
                let compact = self.sign_act(act, p, h);
                self.declared.insert(p, declared.unwrap_or(Digest::of(compact.as_bytes())));
                self.log(Kind::Act, communique, &[], &[compact]);
            }
            Turn::Gap(n) | Turn::Unseen(n) => {
                let stream = if matches!(turn, Turn::Gap(_)) { communique } else { StreamId::Exchange };
                let at = self.streams.entry(stream).or_default();
                *at = Position { length: at.length + n, last: Some(Digest::of(b"earlier")) };
            }
            Turn::Propose(p, h) => {
                let compact = self.act(ActKind::Propose, p, h);
                self.log(Kind::Revision, communique, &manifest, &[compact]);
            }
            Turn::Act(kind, p, h) => {
                let compact = self.act(kind, p, h);
                self.log(Kind::Act, communique, &[], &[compact]);
            }
            Turn::Opened => {
                let acts = self.initials.clone();
                let (_, bytes) = self.log(Kind::Opened, communique, &manifest, &acts);
                self.opening = Some(Digest::of(&bytes));
            }
            Turn::Completed => {
                let acts = self.counting();
                self.log(Kind::Completed, communique, &manifest, &acts);
            }
            Turn::Mark(kind) => drop(self.log(kind, communique, &manifest, &[])),
            Turn::Others(n) => self.index += n,
            Turn::Wait(seconds) => self.now = self.now.plus(seconds),
        }
        // What is logged in one step has one time.
        if !matches!(turn, Turn::Act(..) | Turn::Propose(..) | Turn::Rekey(..) | Turn::Gap(_)) {
            self.now = self.now.plus(60);
        }
    }

    fn run(mut self) -> Played {
        for turn in &self.plan.script {
            self.turn(*turn);
        }
        let (index, now) = (self.index, self.now);
        self.index += 1;
        for turn in &self.plan.late {
            self.turn(*turn);
        }
        (self.index, self.now) = (index, now);
        (self.plan.before)(&mut self.files);
        let manifest = [self.manifest.bytes().to_vec()];
        let communique = StreamId::Communique(self.manifest.communique);
        let (entry, bytes) = self.log(Kind::Published, communique, &manifest, &[]);
        let mut copy = CertifiedCopy {
            founding: self.founding(),
            exchange: exchange(),
            communique: self.manifest.communique,
            manifest: self.manifest.digest(),
            published: Digest::of(&bytes),
            index,
            time: entry.time,
        };
        (self.plan.certified)(&mut copy);
        let seed = (self.plan.signer)("certified-copy", 0, 0).unwrap_or(DEPOSITARY);
        let certified = Statement::sign(copy, &key(seed)).unwrap();

        let mut data = self.files.clone();
        data.insert(bag::README_PATH.into(), bag::README.as_bytes().to_vec());
        (self.plan.after)(&mut data);
        let certified_bytes = certified.compact().as_bytes().to_vec();
        let mut evidence = Files::from([(bag::CERTIFIED_PATH.to_owned(), certified_bytes)]);
        let (lying, _) = self.packed(&data, &evidence, entry.time);
        let below = self.plan.original.as_ref().map_or_else(BTreeSet::new, |o| o.proven.clone());
        let own =
            data.keys().filter_map(|path| path.strip_prefix("data/entries/")?.strip_suffix(".json")?.parse().ok());
        let proven: BTreeSet<u64> = own.chain(below.iter().copied()).collect();
        evidence.extend(self.proofs(&proven.iter().chain(&self.plan.also_proven).copied().collect()));
        evidence.extend(self.plan.stamp.clone().map(|stamp| (bag::STAMP_PATH.to_owned(), stamp)));
        (self.plan.evidence)(&mut evidence);
        let (zip, all) = self.packed(&data, &evidence, entry.time);
        Played {
            log: Log {
                index: self.index + self.plan.later,
                now: self.now,
                streams: self.streams,
                charters: self.charters[..self.proposed.max(1)].to_vec(),
                grants: self.grants,
            },
            depth: self.depth,
            zip,
            lying,
            proven,
            below,
            files: all,
            logged: self.logged,
            published: (index, bytes),
            certified,
            charter: self.charters.swap_remove(0),
            manifest: self.manifest,
            pin: self.plan.pin,
        }
    }

    /// The archive with this evidence, and its files by path.
    fn packed(&self, data: &Files, evidence: &Files, published: Time) -> (Vec<u8>, Files) {
        let digests = |files: &Files| files.iter().map(|(p, bytes)| (p.clone(), PartDigests::of(bytes))).collect();
        let tags = bag::tag_files(&self.manifest, published, &digests(data), &digests(evidence));
        let mut all: Files = data.iter().chain(evidence).map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        all.extend(tags.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)));
        (self.plan.bag)(&mut all);

        let rank = |path: &str| {
            bag::TAG_FILES.iter().position(|t| *t == path).unwrap_or(6 + usize::from(!path.starts_with("data/")))
        };
        let folder = bag::folder(self.manifest.communique);
        let mut archive: Vec<_> = all.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        archive.sort_by_key(|(path, _)| (rank(path), path.clone()));
        archive.iter_mut().for_each(|(path, _)| *path = format!("{folder}/{path}"));
        (self.plan.archive)(&mut archive);

        let mut writer = Writer::new(vec![], self.plan.time.unwrap_or(bag::archive_time(published)));
        for (name, bytes) in &archive {
            writer.small(name, bytes).unwrap();
        }
        let mut zip = writer.finish().unwrap();
        (self.plan.zip)(&mut zip);
        (zip, all)
    }

    /// The proofs of these entries, by path, in the tree of all that is logged. What this file does not log has leaves all the same.
    fn proofs(&self, proven: &BTreeSet<u64>) -> Files {
        let leaves: BTreeMap<u64, Digest> =
            self.logged.iter().map(|(_, logged)| (logged.index, Digest::of(&logged.bytes))).collect();
        let size = leaves.keys().next_back().map_or(0, |last| last + 1).max(self.index) + self.plan.later;
        let whole = size;
        let size = self.plan.size.unwrap_or(whole);
        let (mut edge, mut nodes) = (Edge::default(), BTreeMap::<Node, Hash>::new());
        for index in 0..size.min(whole) {
            let other = || Digest::of(format!("sample entry {index} of others").as_bytes());
            let leaf = Hash::of_entry(leaves.get(&index).copied().unwrap_or_else(other));
            let keep = |node, hash| {
                nodes.insert(node, hash);
            };
            edge.append(leaf, keep).unwrap();
        }
        let peaks = Edge::nodes(size).unwrap().into_iter().map(|node| made_up(node, whole, &nodes)).collect();
        let note = self.note(size, Edge::new(size, peaks).unwrap().root());
        let hashes = |index| {
            let plan = Hashes::inclusion(index, size).ok();
            plan.map_or_else(Vec::new, |plan| plan.build(|node| Ok::<_, ()>(made_up(node, whole, &nodes))).unwrap())
        };
        let proof = |index: u64| {
            let hashes: String = hashes(index).iter().map(|hash| format!("{hash}\n")).collect();
            format!("c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{note}").into_bytes()
        };
        proven.iter().map(|index| (format!("evidence/{index}.tlog-proof"), proof(*index))).collect()
    }

    /// The head with its signatures.
    fn note(&self, size: u64, root: Hash) -> String {
        let newest = &self.charters[self.proposed.max(1) - 1];
        let origin = newest.log.origin.as_str();
        let mut text = format!("{origin}\n{size}\n{root}\n");
        (self.plan.head)(&mut text);
        let seed = self.plan.log_key.unwrap_or(LOG);
        let mut note = format!("{text}\n{}", signature_line(origin, 1, seed, &[], text.as_bytes()));
        for (n, p) in self.plan.cosigners.iter().enumerate() {
            note += &cosignature_line(&text, *p, self.now.plus(5 * n as i64 + 5).unix() as u64);
        }
        (self.plan.note)(&mut note);
        note
    }
}

/// The hash of a node of a tree whose first leaves are these; a subtree with none of them is made up.
fn made_up(node: Node, leaves: u64, nodes: &BTreeMap<Node, Hash>) -> Hash {
    if let Some(hash) = nodes.get(&node) {
        return *hash;
    }
    if node.leaves().start >= leaves {
        return Hash::of_leaf(format!("sample subtree of {:?}", node.leaves()).as_bytes());
    }
    let child = |side| made_up(Node::new(node.level() - 1, 2 * node.index() + side).unwrap(), leaves, nodes);
    Hash::of_children(&child(0), &child(1))
}

/// A signature line (C2SP signed-note), whatever it is of.
pub fn signature_line(name: &str, kind: u8, seed: Seed, before: &[u8], message: &[u8]) -> String {
    let key = key(seed);
    let id = Digest::of(&[name.as_bytes(), &[b'\n', kind], &key.public().to_bytes()].concat());
    let bytes = [&id.as_bytes()[..4], before, &key.sign(message).unwrap()].concat();
    format!("— {name} {}\n", STANDARD.encode(bytes))
}

/// A cosignature by the witness of this party at this time (C2SP tlog-cosignature).
pub fn cosignature_line(text: &str, p: usize, time: u64) -> String {
    cosignature_line_in_name(&format!("mfa-{p}.sample.example/witness"), text, p, time)
}
/// The same by a witness of another name.
pub fn cosignature_line_in_name(name: &str, text: &str, p: usize, time: u64) -> String {
    let message = format!("cosignature/v1\ntime {time}\n{text}");
    signature_line(name, 4, witness(p), &time.to_be_bytes(), message.as_bytes())
}

/// A statement, well formed and signed, that nothing names.
pub fn stray_statement() -> Vec<u8> {
    let adoption = Adoption {
        founding: Digest::of(b"stray"),
        exchange: exchange(),
        party: party(0),
        charter: Digest::of(b"stray"),
        version: 1,
        time: start(),
    };
    Statement::sign(adoption, &key(authority(0))).unwrap().compact().as_bytes().to_vec()
}
