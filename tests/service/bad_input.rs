//! Everything bad that the wire can reach, as one table: what is done, and the refusal. After each row nothing is stored,
//! nothing is lost, and good requests still work. What a package can be given stands with the package.

use std::pin::Pin;

use communique::{
    app::serve::{self, ServeError},
    client::remote::{Remote, RemoteError},
    domain::{
        act::{Act, ActKind},
        charter::Der,
        document::Document,
        id::{CommuniqueId, Digest, Role},
        json::{self, base64},
        key::{SecretKey, Signer as _},
        manifest::{ANNEX_LIMIT, Annex, Initialling, Manifest, MediaType, Procedure},
        powers::Powers,
        statement::{STATEMENT_LIMIT, TYPE_PREFIX},
        text::TEXT_LIMIT,
        time::Time,
        trust::Trust,
        view::Receipt,
    },
    pki::issue::{CertificateAuthority, Issued},
    wire::{
        CHUNK_LIMIT, names,
        status::Answer,
        v1::{
            self, communique_service_client::CommuniqueServiceClient, content_service_client::ContentServiceClient,
            powers_service_client::PowersServiceClient, upload_content_request::Part,
        },
    },
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use tonic::{Request, Status, transport::Channel};

use crate::world::{
    self, EXCHANGE, NAMED, World, claims, domain_of, fresh, issue, key, now, outcome, papers, party, reason, sign,
    until,
};

const DAY: i64 = 86_400;
/// A text that obeys the rules.
const GOOD: &str = "Texte d'essai.\n";

/// Texts that break the rules, one fault each.
const TEXTS: &[(&str, &[u8])] = &[
    ("a text that is not UTF-8", b"caf\xe9\n"),
    ("a text that is not NFC", "e\u{301}tat\n".as_bytes()),
    ("a text with a bidi override", "a\u{202e}b\n".as_bytes()),
    ("a text with a bidi isolate", "a\u{2066}b\u{2069}\n".as_bytes()),
    ("a text with a bidi embedding", "a\u{202a}b\u{202c}\n".as_bytes()),
    ("a left-to-right text with a right-to-left mark", "a\u{200f}b\n".as_bytes()),
    ("a text with an invisible letter", "a\u{200b}b\n".as_bytes()),
    ("a text with a soft hyphen", "a\u{ad}b\n".as_bytes()),
    ("a text with a tag character", "a\u{e0041}b\n".as_bytes()),
    ("a text with a word joiner", "a\u{2060}b\n".as_bytes()),
    ("a text with an unassigned code point", "a\u{378}b\n".as_bytes()),
    ("a text with a code point of a later Unicode", "a\u{20c1}b\n".as_bytes()),
    ("a text with a private code point", "a\u{e000}b\n".as_bytes()),
    ("a text with a byte order mark", "\u{feff}ab\n".as_bytes()),
    ("a text with a carriage return", b"ab\r\n"),
    ("a text with an escape sequence", b"a\x1b[2Jb\n"),
    ("a text without its last line feed", b"ab"),
];

/// Titles that break the rules, as JSON writes them.
const TITLES: &[(&str, &str)] = &[
    ("a title that is not NFC", "e\u{301}tat"),
    ("a title with a bidi override", "a\u{202e}b"),
    ("a title with an invisible letter", "a\u{200b}b"),
    ("a title with an unassigned code point", "a\u{378}b"),
    ("a title with a line feed", "a\\nb"),
    ("a title with an escape sequence", "a\\u001b[2Jb"),
    ("a title with a lone surrogate", "a\\ud800b"),
];

type Outcome<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

/// What is done, what is answered, and the doing.
type Row<'a> = (String, &'static str, Outcome<'a>);

fn row<'a>(what: impl Into<String>, expected: &'static str, act: impl Future<Output = String> + 'a) -> Row<'a> {
    (what.into(), expected, Box::pin(act))
}

/// Communiqués in every state that the rows need, made before the first row.
struct Scene<'w> {
    world: &'w World,
    /// In drafting at revision 2; South's revision is the second.
    first: Document<Manifest>,
    drafting: Document<Manifest>,
    /// In drafting, with initialling waived.
    waived: Document<Manifest>,
    /// Open; signed by the holders `a` of North and South.
    open: Document<Manifest>,
    opening: Digest,
    /// Open, with a deadline that passes while the rows run.
    late: Document<Manifest>,
    late_opening: Digest,
    deadline: Time,
    /// Complete.
    complete: Document<Manifest>,
    complete_opening: Digest,
    /// The signature that completed it, and its first receipt.
    last: (String, Receipt),
    /// Of South and East: not North's business.
    foreign: Document<Manifest>,
    /// No communiqué yet; North has uploaded `GOOD` and the bad texts for it, South its own text.
    blank: CommuniqueId,
    souths: Digest,
}

impl<'w> Scene<'w> {
    async fn of(world: &'w World) -> Self {
        let deadline = now().plus(5);
        let late = world.draft(&NAMED, |m| m.procedure.deadline = Some(deadline)).await;
        let late_opening = world.open(&late).await;

        let first = world.draft(&NAMED, |_| ()).await;
        let drafting = world.revise("south.a", &first, "Deuxième texte.\n").await;
        let waived = world.draft(&NAMED, |m| m.procedure.initialling = Initialling::Waived).await;
        let open = world.draft(&NAMED, |_| ()).await;
        let opening = world.open(&open).await;
        world.sign_for("north.a", &open, opening).await;
        world.sign_for("south.a", &open, opening).await;
        let complete = world.draft(&NAMED, |_| ()).await;
        let complete_opening = world.open(&complete).await;
        for who in ["north.a", "north.b", "south.a"] {
            world.sign_for(who, &complete, complete_opening).await;
        }
        let last = sign(world.act(ActKind::Sign, "east.a", &complete, Some(complete_opening)), &key("east.a"));
        let receipt = world.carry("east", &last).await.unwrap();
        let foreign = world.draft(&["south", "east"], |_| ()).await;

        let terms = |of: &str, holder: &str| world.terms(of, holder);
        let mut limited = terms("south", "d");
        limited.acts = [ActKind::Initial].into();
        world.grant("south.d", limited).await;
        let mut elsewhere = terms("south", "e");
        elsewhere.scope = Some([fresh()].into());
        world.grant("south.e", elsewhere).await;
        let mut expired = terms("south", "f");
        expired.not_after = now().plus(-60);
        world.grant("south.f", expired).await;
        let mut early = terms("south", "g");
        early.not_before = now().plus(DAY / 2);
        world.grant("south.g", early).await;
        // A second key of the holder `a`.
        let mut second = terms("south", "a");
        second.key = key("south.second").public();
        world.grant("south.second", second).await;

        let blank = fresh();
        for text in TEXTS.iter().map(|(_, text)| *text).chain([GOOD.as_bytes()]) {
            world.upload("north", blank, text).await.unwrap();
        }
        let souths = world.upload("south", blank, "Texte du Sud.\n".as_bytes()).await.unwrap();
        world.upload("south", drafting.communique, "Texte du Sud.\n".as_bytes()).await.unwrap();
        Self {
            world,
            first,
            drafting,
            waived,
            open,
            opening,
            late,
            late_opening,
            deadline,
            complete,
            complete_opening,
            last: (last, receipt),
            foreign,
            blank,
            souths,
        }
    }

    fn manifest(&self) -> Manifest {
        self.world.manifest(self.blank, &NAMED, GOOD)
    }
    /// Proposes revision 1 of the blank communiqué, changed.
    async fn propose(&self, change: impl FnOnce(&mut Manifest)) -> String {
        let mut manifest = self.manifest();
        change(&mut manifest);
        self.propose_as("north.a", &manifest, |_| ()).await
    }
    /// Proposes this manifest with an act that agrees with it, then changed.
    async fn propose_as(&self, who: &str, manifest: &Manifest, change: impl FnOnce(&mut Act)) -> String {
        let good = Document::of(&self.manifest()).unwrap();
        let mut act = self.world.act(ActKind::Propose, who, &good, None);
        let bytes = json::encode(manifest);
        (act.communique, act.revision, act.manifest) = (manifest.communique, manifest.revision, Digest::of(&bytes));
        change(&mut act);
        self.carry_proposal(bytes, raw(&json::encode(&act), who)).await
    }
    async fn carry_proposal(&self, manifest: Vec<u8>, propose: String) -> String {
        let mut client = self.communiques("north").await;
        outcome(&client.propose_revision(v1::ProposeRevisionRequest { manifest, propose }).await)
    }
    /// Proposes the blank communiqué's manifest with other bytes.
    async fn propose_bytes(&self, change: impl FnOnce(String) -> Vec<u8>) -> String {
        let good = Document::of(&self.manifest()).unwrap();
        let bytes = change(String::from_utf8(good.bytes().to_vec()).unwrap());
        assert_ne!(bytes, good.bytes(), "nothing was changed");
        let mut act = self.world.act(ActKind::Propose, "north.a", &good, None);
        act.manifest = Digest::of(&bytes);
        self.carry_proposal(bytes, sign(act, &key("north.a"))).await
    }
    /// Hands in an act that is good but for the change.
    async fn act(
        &self,
        kind: ActKind,
        who: &str,
        manifest: &Document<Manifest>,
        opening: Option<Digest>,
        change: impl FnOnce(&mut Act),
    ) -> String {
        let mut act = self.world.act(kind, who, manifest, opening);
        change(&mut act);
        self.carry(world::party_of(who), &raw(&json::encode(&act), who)).await
    }
    /// South's initial on the newest revision, changed.
    async fn initial(&self, change: impl FnOnce(&mut Act)) -> String {
        self.act(ActKind::Initial, "south.a", &self.drafting, None, change).await
    }
    /// South's initial with another payload.
    async fn initial_bytes(&self, change: impl FnOnce(String) -> String) -> String {
        let act = self.world.act(ActKind::Initial, "south.a", &self.drafting, None);
        let good = String::from_utf8(json::encode(&act)).unwrap();
        let bytes = change(good.clone());
        assert_ne!(bytes, good, "nothing was changed");
        self.carry("south", &raw(bytes.as_bytes(), "south.a")).await
    }
    /// South's initial under another header.
    async fn initial_headed(&self, change: impl FnOnce(String) -> String) -> String {
        let act = self.world.act(ActKind::Initial, "south.a", &self.drafting, None);
        let good = header("act", &key("south.a"));
        let changed = change(good.clone());
        assert_ne!(changed, good, "nothing was changed");
        self.carry("south", &headed(&changed, &json::encode(&act), "south.a")).await
    }
    async fn carry(&self, of: &str, statement: &str) -> String {
        let statement = statement.to_owned();
        outcome(&self.communiques(of).await.submit_act(v1::SubmitActRequest { statement }).await)
    }
    async fn powers(&self, by: &str, who: &str, change: impl FnOnce(&mut Powers)) -> String {
        let mut powers = self.world.granted("north.a").body().clone();
        powers.key = key("north.new").public();
        powers.holder.id = "holder.new".parse().unwrap();
        change(&mut powers);
        let statement = statement("powers", &json::encode(&powers), &key(who));
        let mut client = PowersServiceClient::new(self.world.channel(by, Role::Authority).await);
        outcome(&client.submit_powers(v1::SubmitPowersRequest { statement }).await)
    }
    async fn trust(&self, by: &str, who: &str, change: impl FnOnce(&mut Trust)) -> String {
        let ca = &self.world.authorities["south"];
        let mut trust = self.world.trust("south", 2, &[ca], &[]).body().clone();
        change(&mut trust);
        let session = self.world.session(by, Role::Authority).await;
        reason(&session.remote().submit_trust(&statement("trust", &json::encode(&trust), &key(who))).await)
    }
    async fn communiques(&self, of: &str) -> CommuniqueServiceClient<Channel> {
        CommuniqueServiceClient::new(self.world.channel(of, Role::Official).await)
    }
    /// Uploads these parts for the blank communiqué.
    async fn upload(&self, parts: Vec<Part>) -> String {
        let mut client = ContentServiceClient::new(self.world.channel("north", Role::System).await);
        let parts = parts.into_iter().map(|part| v1::UploadContentRequest { part: Some(part) });
        outcome(&client.upload_content(tokio_stream::iter(parts.collect::<Vec<_>>())).await)
    }
    fn header(&self, bytes: &[u8], change: impl FnOnce(&mut v1::UploadHeader)) -> Part {
        let communique = names::communique(self.blank);
        let mut header =
            v1::UploadHeader { communique, sha256: Digest::of(bytes).to_string(), size: bytes.len() as u64 };
        change(&mut header);
        Part::Header(header)
    }
    async fn download(&self, of: &str, id: CommuniqueId, digest: Digest) -> String {
        let mut sink = Vec::new();
        reason(&self.world.remote(of).await.download(id, digest, &mut sink, &|_| ()).await)
    }
    /// A handshake with this certificate.
    async fn knock(&self, issued: &Issued) -> String {
        let remote = Remote::connect(&self.world.connection_with(issued)).await;
        if let Ok(remote) = &remote {
            return reason(&remote.charter(None).await);
        }
        reason(&remote)
    }
    /// A certificate of North's authority that says what it should not.
    fn odd(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        odd(&self.world.authorities["north"], change)
    }
}

fn odd(ca: &CertificateAuthority, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let files = ca.to_pem();
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    issuer.distinguished_name.push(DnType::CommonName, "Sample north CA");
    let issuer = Issuer::new(issuer, KeyPair::from_pem(&files.key_pem).unwrap());
    let moment = |t: Time| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(t.unix().unsigned_abs());
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "sample");
    (params.not_before, params.not_after) = (moment(now().plus(-60)), moment(now().plus(DAY)));
    params.subject_alt_names = vec![uri("north", "official")];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Issued { cert_pem: certificate.pem(), key_pem: key.serialize_pem().into() }
}

fn uri(of: &str, role: &str) -> SanType {
    SanType::URI(format!("spiffe://{}/{role}/sample", domain_of(of)).try_into().unwrap())
}

/// The one header of a statement.
fn header(name: &str, key: &SecretKey) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"{TYPE_PREFIX}{name}"}}"#, key.public().thumbprint())
}
/// A statement over any payload, by the one header.
fn statement(name: &str, payload: &[u8], key: &SecretKey) -> String {
    signed(&header(name, key), payload, key)
}
/// An act over any payload, by this holder.
fn raw(payload: &[u8], who: &str) -> String {
    statement("act", payload, &key(who))
}
fn headed(header: &str, payload: &[u8], who: &str) -> String {
    signed(header, payload, &key(who))
}
fn signed(header: &str, payload: &[u8], key: &SecretKey) -> String {
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64(&signature))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_input_has_its_refusal_and_leaves_nothing() {
    let world = World::new().await;
    let scene = Scene::of(&world).await;
    let s = &scene;
    assert_eq!(s.knock(&s.odd(|_| ())).await, "OK", "the odd certificates would be refused for another reason");
    let table = [
        who_calls(s),
        whose_statement(s),
        acts_for_something_else(s),
        not_now(s),
        grants(s),
        headers_of_statements(s),
        json_of_acts(s),
        manifests(s),
        texts(s),
        content(s),
        forms(s),
        repeats(s),
    ];
    let mut failed = Vec::new();
    let before = world.stored();
    for (what, expected, act) in table.into_iter().flatten() {
        let answered = act.await;
        if answered != expected {
            failed.push(format!("{what}: {answered}, not {expected}"));
        }
        let after = world.stored();
        if after != before {
            failed.push(format!("{what}: stored {after:?} over {before:?}"));
            break;
        }
        // Good requests still work, reading and writing: this upload is an exact repeat.
        let view = world.remote("south").await.communique(s.drafting.communique).await;
        assert_eq!(view.unwrap().newest.manifest, s.drafting.bytes(), "after: {what}");
        assert_eq!(reason(&world.upload("north", s.blank, GOOD.as_bytes()).await), "OK", "after: {what}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));

    // And the whole way on is open.
    let opening = world.open(&scene.drafting).await;
    world.sign_all(&scene.drafting, opening).await;
    world.remote("east").await.publish(scene.drafting.communique).await.unwrap();
    world.propose("north.a", &scene.manifest()).await.unwrap();
    world.stop().await;
}

/// Who is not let in.
fn who_calls<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let south = &s.world.authorities["south"];
    vec![
        row("a certificate of South's CA naming North", "UNREACHABLE", async move {
            s.knock(&issue(south, &format!("spiffe://{}/system/sample", domain_of("north")))).await
        }),
        row("a certificate naming no party", "UNREACHABLE", async move {
            s.knock(&issue(south, "spiffe://mfa.atlantis.example/system/sample")).await
        }),
        row("two URIs", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.subject_alt_names.push(uri("north", "system")))).await
        }),
        row("no URI", "UNREACHABLE", async move { s.knock(&s.odd(|p| p.subject_alt_names.clear())).await }),
        row("a URI of an unknown role", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.subject_alt_names = vec![uri("north", "king")])).await
        }),
        row("no clientAuth", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])).await
        }),
        row("no extended key usage at all", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.extended_key_usages.clear())).await
        }),
        row("an expired certificate", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| {
                let day = std::time::Duration::from_secs(u64::try_from(DAY).unwrap());
                (p.not_before, p.not_after) = (p.not_before - day, p.not_before - day / 2);
            }))
            .await
        }),
        row("the party's own CA as a caller", "UNREACHABLE", async move { s.knock(&south.to_pem()).await }),
    ]
}

/// Signed by one, carried by another, or by nobody who may.
fn whose_statement<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    vec![
        row("a manifest that names an unknown party", "UNKNOWN_PARTY", async move {
            s.propose(|m| m.parties.push(party("atlantis"))).await
        }),
        row("a trust statement of an unknown party", "UNKNOWN_PARTY", async move {
            s.trust("north", "authority of south", |t| t.party = party("atlantis")).await
        }),
        row("another party's act, carried", "NOT_YOUR_PARTY", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("north", &sign(act, &key("south.a"))).await
        }),
        row("another party's proposal, carried", "NOT_YOUR_PARTY", async move {
            let manifest = s.manifest();
            s.propose_as("south.a", &manifest, |_| ()).await
        }),
        row("another party's powers, carried", "NOT_YOUR_PARTY", async move {
            s.powers("south", "authority of north", |_| ()).await
        }),
        row("another party's trust statement, carried", "OK", async move {
            let trusts = world.remote("south").await.trusts().await.unwrap();
            let souths = trusts.iter().find(|t| claims::<Trust>(&t.statement).party == party("south")).unwrap();
            let session = world.session("north", Role::Authority).await;
            let again = session.remote().submit_trust(&souths.statement).await;
            assert_eq!(again.as_ref().ok(), Some(&souths.receipt));
            reason(&again)
        }),
        row("a trust statement by another party's authority", "SIGNATURE_INVALID", async move {
            s.trust("north", "authority of north", |_| ()).await
        }),
        row("a trust statement with a serial that does not rise", "STALE_SERIAL", async move {
            s.trust("north", "authority of south", |t| (t.serial, t.time) = (1, t.time.plus(1))).await
        }),
        row("a trust statement of another exchange", "DISAGREES", async move {
            s.trust("north", "authority of south", |t| t.exchange = "other.example".parse().unwrap()).await
        }),
        row("a trust statement of another founding", "DISAGREES", async move {
            s.trust("north", "authority of south", |t| t.founding = Digest::of(b"rehearsal")).await
        }),
        row("a trust statement that trusts a leaf", "MALFORMED", async move {
            let der = communique::pki::pem::chain(world.issue("south", Role::System, "x").cert_pem.as_bytes()).unwrap();
            s.trust("north", "authority of south", |t| t.certificates = vec![Der::new(der[0].to_vec()).unwrap()]).await
        }),
        row("a trust statement that trusts nobody", "MALFORMED", async move {
            s.trust("north", "authority of south", |t| t.certificates.clear()).await
        }),
        row("an act signed with another party's key", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("south", &sign(act, &key("north.a"))).await
        }),
        row("an act signed with another holder's key", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("south", &sign(act, &key("south.b"))).await
        }),
        row("an act whose signature was cut", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            let compact = sign(act, &key("south.a"));
            s.carry("south", &compact[..compact.len() - 4]).await
        }),
        row("an act without a signature", "SIGNATURE_INVALID", async move {
            let act = world.act(ActKind::Initial, "south.a", &s.drafting, None);
            let compact = sign(act, &key("south.a"));
            s.carry("south", &compact[..=compact.rfind('.').unwrap()]).await
        }),
        row("an act under another party's grant", "UNKNOWN_GRANT", async move {
            s.initial(|a| a.grant = world.granted("north.a").digest()).await
        }),
        row("an act under a grant that there is not", "UNKNOWN_GRANT", async move {
            s.initial(|a| a.grant = Digest::of(b"none")).await
        }),
        row("an act by a party that the manifest does not name", "NOT_FOUND", async move {
            s.act(ActKind::Initial, "west.a", &s.drafting, None, |_| ()).await
        }),
    ]
}

/// An act for another revision, communiqué, exchange, founding, charter.
fn acts_for_something_else<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    vec![
        row("an act for another exchange", "DISAGREES", async move {
            s.initial(|a| a.exchange = "other.example".parse().unwrap()).await
        }),
        row("an act for another founding", "DISAGREES", async move {
            s.initial(|a| a.founding = Digest::of(b"rehearsal")).await
        }),
        row("an act for another charter", "DISAGREES", async move {
            s.initial(|a| a.charter = Digest::of(b"charter")).await
        }),
        row("an act for another communiqué that is there", "DISAGREES", async move {
            s.act(ActKind::Initial, "south.a", &s.first, None, |a| a.communique = s.waived.communique).await
        }),
        row("an act for a communiqué that is not there", "NOT_FOUND", async move {
            s.initial(|a| a.communique = fresh()).await
        }),
        row("an act for a communiqué of others", "NOT_FOUND", async move {
            s.act(ActKind::Initial, "north.a", &s.foreign, None, |_| ()).await
        }),
        row("an act for the revision before", "STALE_REVISION", async move {
            s.act(ActKind::Initial, "south.a", &s.first, None, |_| ()).await
        }),
        row("an act for a revision to come", "STALE_REVISION", async move { s.initial(|a| a.revision = 3).await }),
        row("an act on another manifest of this revision", "DISAGREES", async move {
            s.initial(|a| a.manifest = s.first.digest()).await
        }),
        row("a signature under another opening", "DISAGREES", async move {
            s.act(ActKind::Sign, "east.a", &s.open, Some(s.complete_opening), |_| ()).await
        }),
        row("a proposal for another exchange", "DISAGREES", async move {
            let manifest = Manifest { exchange: "other.example".parse().unwrap(), ..s.manifest() };
            s.propose_as("north.a", &manifest, |a| a.exchange = manifest.exchange.clone()).await
        }),
        row("a proposal for another founding", "DISAGREES", async move {
            let manifest = Manifest { founding: Digest::of(b"rehearsal"), ..s.manifest() };
            s.propose_as("north.a", &manifest, |a| a.founding = manifest.founding).await
        }),
        row("a proposal for another charter", "DISAGREES", async move {
            let manifest = Manifest { charter: Digest::of(b"charter"), ..s.manifest() };
            s.propose_as("north.a", &manifest, |a| a.charter = manifest.charter).await
        }),
        row("a proposal of another manifest", "DISAGREES", async move {
            s.propose_as("north.a", &s.manifest(), |a| a.manifest = s.first.digest()).await
        }),
        row("a proposal in another party's name", "DISAGREES", async move {
            s.propose(|m| m.proposer = party("south")).await
        }),
        row("a proposal under an id that is taken", "ALREADY_EXISTS", async move {
            s.propose(|m| m.communique = s.drafting.communique).await
        }),
        row("a revision that changes the parties", "DISAGREES", async move {
            let mut next = s.world.next(&s.drafting, GOOD);
            next.parties.swap(1, 2);
            s.propose_as("north.a", &next, |_| ()).await
        }),
        row("a revision that changes the proposer", "DISAGREES", async move {
            let next = Manifest { proposer: party("south"), ..s.world.next(&s.drafting, GOOD) };
            s.propose_as("north.a", &next, |_| ()).await
        }),
        row("a revision over one that there was not", "DISAGREES", async move {
            let next = Manifest { previous: Some(s.first.digest()), ..s.world.next(&s.drafting, GOOD) };
            s.propose_as("north.a", &next, |_| ()).await
        }),
        row("a revision of a communiqué of others", "NOT_FOUND", async move {
            s.propose_as("north.a", &s.world.next(&s.foreign, GOOD), |_| ()).await
        }),
    ]
}

/// Right in itself, but not in this state, or not any more.
fn not_now<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    let far = Some(Digest::of(b"an opening"));
    vec![
        row("a stale revision, with the newest in the details", "STALE_REVISION, newest 2", async move {
            let stale = Document::of(&world.next(&s.first, GOOD)).unwrap();
            let propose = sign(world.act(ActKind::Propose, "north.a", &stale, None), &key("north.a"));
            let request = v1::ProposeRevisionRequest { manifest: stale.bytes().to_vec(), propose };
            let refused = s.communiques("north").await.propose_revision(request).await;
            let answer = Answer::from(refused.as_ref().unwrap_err());
            assert_eq!(answer.code, tonic::Code::Aborted);
            format!("{}, newest {}", outcome(&refused), answer.facts["newest"])
        }),
        row("an initial after a newer revision", "STALE_REVISION", async move {
            s.act(ActKind::Initial, "east.a", &s.first, None, |_| ()).await
        }),
        row("a signature before the opening", "NOT_NOW", async move {
            s.act(ActKind::Sign, "south.a", &s.drafting, far, |_| ()).await
        }),
        row("a declination before the opening", "NOT_NOW", async move {
            s.act(ActKind::Decline, "south.a", &s.drafting, far, |_| ()).await
        }),
        row("an initial after the opening", "NOT_NOW", async move {
            s.act(ActKind::Initial, "south.b", &s.open, None, |_| ()).await
        }),
        row("a revision after the opening", "NOT_NOW", async move {
            s.propose_as("north.a", &world.next(&s.open, GOOD), |_| ()).await
        }),
        row("a signature after completion", "NOT_NOW", async move {
            s.act(ActKind::Sign, "east.b", &s.complete, Some(s.complete_opening), |_| ()).await
        }),
        row("a declination after completion", "NOT_NOW", async move {
            s.act(ActKind::Decline, "east.b", &s.complete, Some(s.complete_opening), |_| ()).await
        }),
        row("an initial where initialling is waived", "NOT_NOW", async move {
            s.act(ActKind::Initial, "south.a", &s.waived, None, |_| ()).await
        }),
        row("an opening where initialling is required", "NOT_NOW", async move {
            s.act(ActKind::Open, "north.a", &s.drafting, None, |_| ()).await
        }),
        row("an opening by another than the proposer", "NOT_YOUR_ACT", async move {
            s.act(ActKind::Open, "south.a", &s.waived, None, |_| ()).await
        }),
        row("a publication before completion", "NOT_NOW", async move {
            reason(&world.remote("north").await.publish(s.open.communique).await)
        }),
        row("a package before publication", "NOT_FOUND", async move {
            let mut sink = Vec::new();
            reason(&world.remote("north").await.download_package(s.complete.communique, &mut sink, &|_| ()).await)
        }),
        row("a deadline that has passed", "DEADLINE_PASSED", async move {
            s.propose(|m| m.procedure = Procedure { deadline: Some(now().plus(-1)), ..m.procedure.clone() }).await
        }),
        row("a signature dated after the deadline", "DEADLINE_PASSED", async move {
            s.act(ActKind::Sign, "south.a", &s.late, Some(s.late_opening), |a| a.time = s.deadline.plus(60)).await
        }),
        row("a signature after the deadline, dated before it", "DEADLINE_PASSED", async move {
            until("the deadline", || async { now() > s.deadline }).await;
            s.act(ActKind::Sign, "south.a", &s.late, Some(s.late_opening), |a| a.time = s.deadline).await
        }),
        row("an act dated ahead of the log", "TIME_OUT_OF_BOUNDS", async move {
            s.initial(|a| a.time = now().plus(900)).await
        }),
        row("an act dated before what it builds on", "TIME_OUT_OF_BOUNDS", async move {
            s.initial(|a| a.time = now().plus(-900)).await
        }),
        row("one holder with two keys", "SEAT_TAKEN", async move {
            s.act(ActKind::Sign, "south.second", &s.open, Some(s.opening), |_| ()).await
        }),
        row("one holder twice with one key", "SEAT_TAKEN", async move {
            s.act(ActKind::Sign, "south.a", &s.open, Some(s.opening), |_| ()).await
        }),
    ]
}

/// Acts that their grants do not cover, and grants that cannot be.
fn grants<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let north = "authority of north";
    vec![
        row("an act outside its grant's acts", "GRANT_FORBIDS", async move {
            s.act(ActKind::Sign, "south.d", &s.open, Some(s.opening), |_| ()).await
        }),
        row("an act outside its grant's scope", "GRANT_FORBIDS", async move {
            s.act(ActKind::Initial, "south.e", &s.drafting, None, |_| ()).await
        }),
        row("an act after its grant's last day", "GRANT_FORBIDS", async move {
            s.act(ActKind::Initial, "south.f", &s.drafting, None, |_| ()).await
        }),
        row("an act before its grant's first day", "GRANT_FORBIDS", async move {
            s.act(ActKind::Initial, "south.g", &s.drafting, None, |_| ()).await
        }),
        row("a proposal outside its grant's scope", "GRANT_FORBIDS", async move {
            let mut next = s.world.next(&s.drafting, GOOD);
            next.texts = s.drafting.texts.clone();
            let mut act = s.world.act(ActKind::Propose, "south.e", &s.drafting, None);
            let bytes = json::encode(&next);
            (act.revision, act.manifest) = (next.revision, Digest::of(&bytes));
            let propose = raw(&json::encode(&act), "south.e");
            let request = v1::ProposeRevisionRequest { manifest: bytes, propose };
            outcome(&s.communiques("south").await.propose_revision(request).await)
        }),
        row("powers by another party's authority", "SIGNATURE_INVALID", async move {
            s.powers("north", "authority of south", |_| ()).await
        }),
        row("powers by a holder", "SIGNATURE_INVALID", async move { s.powers("north", "north.a", |_| ()).await }),
        row("powers of another exchange", "DISAGREES", async move {
            s.powers("north", north, |p| p.exchange = "other.example".parse().unwrap()).await
        }),
        row("powers of another founding", "DISAGREES", async move {
            s.powers("north", north, |p| p.founding = Digest::of(b"rehearsal")).await
        }),
        row("powers for a key that another holder has", "KEY_REFUSED", async move {
            s.powers("north", north, |p| p.key = key("north.a").public()).await
        }),
        row("powers for a key that another party has", "KEY_REFUSED", async move {
            s.powers("north", north, |p| p.key = key("south.a").public()).await
        }),
        row("powers for an authority's key", "KEY_REFUSED", async move {
            s.powers("north", north, |p| p.key = key(north).public()).await
        }),
        row("powers for no act", "MALFORMED", async move { s.powers("north", north, |p| p.acts.clear()).await }),
        row("powers that end before they begin", "MALFORMED", async move {
            s.powers("north", north, |p| p.not_after = p.not_before.plus(-1)).await
        }),
        row(
            "powers with unsorted acts",
            "MALFORMED",
            async move { s.powers("north", north, |p| p.acts.reverse()).await },
        ),
    ]
}

/// Statements have one header.
fn headers_of_statements<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let headed = |what: &str, change: fn(String) -> String| row(what, "SIGNATURE_INVALID", s.initial_headed(change));
    vec![
        headed("a header with another alg", |h| h.replace("EdDSA", "Ed25519")),
        headed("a header with alg none", |h| h.replace("EdDSA", "none")),
        headed("a header with an added member", |h| h.replace("{", r#"{"aaa":1,"#)),
        headed("a header with crit", |h| h.replace(r#","kid""#, r#","crit":["b64"],"kid""#)),
        headed("a header with its own key", |h| h.replace(r#","kid""#, r#","jwk":{},"kid""#)),
        headed("a header in another order", |h| {
            let (alg, rest) = h[1..h.len() - 1].split_once(',').unwrap();
            format!("{{{rest},{alg}}}")
        }),
        headed("a header with a space", |h| h.replace(":", ": ")),
        headed("a header of another statement", |h| h.replace("v1.act", "v1.powers")),
        headed("a header with another kid", |h| {
            let theirs = key("south.b").public().thumbprint();
            h.replace(&key("south.a").public().thumbprint(), &theirs)
        }),
        row("an act with a fourth part", "MALFORMED", async move {
            let act = s.world.act(ActKind::Initial, "south.a", &s.drafting, None);
            s.carry("south", &format!("{}.", sign(act, &key("south.a")))).await
        }),
        row("an act with padding", "MALFORMED", async move {
            let act = s.world.act(ActKind::Initial, "south.a", &s.drafting, None);
            let compact = sign(act, &key("south.a"));
            let [head, payload, signature] = compact.split('.').collect::<Vec<_>>()[..] else { panic!("{compact}") };
            s.carry("south", &format!("{head}.{payload}=.{signature}")).await
        }),
    ]
}

/// JSON has one encoding: in the payload of an act.
fn json_of_acts<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = |what: &str, change: fn(String) -> String| row(what, "MALFORMED", s.initial_bytes(change));
    vec![
        bytes("an act with a duplicate key", |j| j.replacen('{', r#"{"act":"initial","#, 1)),
        bytes("an act with a space", |j| j.replacen(':', ": ", 1)),
        bytes("an act with a float", |j| j.replace(r#""revision":2"#, r#""revision":2.0"#)),
        bytes("an act with an exponent", |j| j.replace(r#""revision":2"#, r#""revision":2e0"#)),
        bytes("an act with a needless escape", |j| j.replace("initial", "\\u0069nitial")),
        bytes("an act with a missing member", |j| j.replace(r#""confirms":null,"#, "")),
        bytes("an act with an added member", |j| j.replacen('{', r#"{"aaa":null,"#, 1)),
        bytes("an act in another order", |j| {
            let rest = j.strip_prefix(r#"{"act":"initial","#).unwrap().strip_suffix('}').unwrap();
            format!(r#"{{{rest},"act":"initial"}}"#)
        }),
        bytes("an act with a byte after it", |j| format!("{j}\n")),
        bytes("an act that is no JSON", |_| "initial".into()),
        bytes("an act of an unknown kind", |j| j.replace(r#""initial""#, r#""object""#)),
        bytes("an act with a declaration", |j| j.replace(r#""declaration":null"#, r#""declaration":"x""#)),
        bytes("an act with an invisible place", |j| j.replace("Salle", "Sal\u{200b}le")),
        bytes("an act with a revision below 1", |j| j.replace(r#""revision":2"#, r#""revision":0"#)),
        row("an initial with a reason", "MALFORMED", async move {
            s.initial(|a| a.reason = Some(communique::domain::words::Prose::new("Non.").unwrap())).await
        }),
        row("an initial with an opening", "MALFORMED", async move { s.initial(|a| a.opening = Some(s.opening)).await }),
        row("a declination without reasons", "MALFORMED", async move {
            s.act(ActKind::Decline, "south.a", &s.open, Some(s.opening), |a| a.reason = None).await
        }),
        row("a proposal without its manifest", "NOT_NOW or MALFORMED", async move {
            let answered = s.act(ActKind::Propose, "south.a", &s.drafting, None, |_| ()).await;
            if ["NOT_NOW", "MALFORMED"].contains(&answered.as_str()) { "NOT_NOW or MALFORMED".into() } else { answered }
        }),
        row("an initial as a proposal", "DISAGREES", async move {
            s.propose_as("north.a", &s.manifest(), |a| a.act = ActKind::Initial).await
        }),
    ]
}

/// JSON has one encoding: in a manifest. And what a manifest may say.
fn manifests<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = |what: &str, change: fn(String) -> String| {
        row(what, "MALFORMED", s.propose_bytes(move |j| change(j).into_bytes()))
    };
    let annex = |size| Annex {
        titles: world::names("Annexe"),
        media_type: MediaType::Pdf,
        size,
        sha256: Digest::of(b"an annex"),
    };
    let mut rows =
        vec![
            bytes("a manifest with a duplicate key", |j| j.replacen('{', r#"{"annexes":[],"#, 1)),
            bytes("a manifest with a space", |j| j.replacen(':', ": ", 1)),
            bytes("a manifest with a float", |j| j.replace(r#""revision":1"#, r#""revision":1.0"#)),
            bytes("a manifest with a needless escape", |j| j.replace("Communiqu", "\\u0043ommuniqu")),
            bytes("a manifest with a missing member", |j| j.replace(r#""rectifies":null,"#, "")),
            bytes("a manifest with an added member", |j| j.replacen('{', r#"{"aaa":null,"#, 1)),
            bytes("a manifest with a byte after it", |j| format!("{j} ")),
            bytes("a manifest in another order", |j| {
                let rest = j.strip_prefix(r#"{"annexes":[],"#).unwrap().strip_suffix('}').unwrap();
                format!(r#"{{{rest},"annexes":[]}}"#)
            }),
            bytes("a manifest of another type", |j| j.replace("v1.manifest", "v1.charter")),
            bytes("a manifest of other text rules", |j| j.replace("text.v1", "text.v2")),
            bytes("a manifest that rectifies", |j| j.replace(r#""rectifies":null"#, r#""rectifies":"x""#)),
            row(
                "a manifest that is not UTF-8",
                "MALFORMED",
                s.propose_bytes(|j| {
                    let at = j.find("Communiqu").unwrap();
                    let mut bytes = j.into_bytes();
                    bytes[at] = 0xff;
                    bytes
                }),
            ),
            row("a manifest without a text", "MALFORMED", async move { s.propose(|m| m.texts.clear()).await }),
            row("a manifest with an empty text", "MALFORMED", async move { s.propose(|m| m.texts[0].size = 0).await }),
            row("a manifest of one party", "MALFORMED", async move { s.propose(|m| m.parties.truncate(1)).await }),
            row("a manifest that names a party twice", "MALFORMED", async move {
                s.propose(|m| m.parties.push(party("north"))).await
            }),
            row("a manifest whose proposer is not named", "MALFORMED", async move {
                s.propose(|m| m.proposer = party("west")).await
            }),
            row("a first revision that follows one", "MALFORMED", async move {
                s.propose(|m| m.previous = Some(Digest::of(b"before"))).await
            }),
            row("an oversized text", "TOO_LARGE", async move {
                s.propose(|m| m.texts[0].size = TEXT_LIMIT as u64 + 1).await
            }),
            row("an oversized annex", "TOO_LARGE", async move {
                s.propose(|m| m.annexes.push(annex(ANNEX_LIMIT + 1))).await
            }),
            row("too much in all", "TOO_LARGE", async move {
                s.propose(|m| m.annexes = (0..17).map(|_| annex(ANNEX_LIMIT)).collect()).await
            }),
            row("too many annexes", "TOO_LARGE", async move {
                s.propose(|m| m.annexes = (0..100).map(|_| annex(1)).collect()).await
            }),
            row(
                "an oversized manifest",
                "TOO_LARGE",
                s.propose_bytes(|j| j.replace("Communiqu", &"C".repeat(600 << 10)).into_bytes()),
            ),
            row(
                "an oversized title",
                "MALFORMED",
                s.propose_bytes(|j| j.replace("Communiqu", &"C".repeat(2 << 10)).into_bytes()),
            ),
        ];
    for (what, title) in TITLES {
        rows.push(row(
            *what,
            "MALFORMED",
            s.propose_bytes(move |j| j.replace("Communiqué conjoint (exemple)", title).into_bytes()),
        ));
    }
    rows
}

/// Texts are looked at when a manifest first names them.
fn texts<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    TEXTS
        .iter()
        .map(|(what, text)| {
            row(*what, "TEXT_RULES", async move { s.propose(|m| m.texts = vec![world::french(text)]).await })
        })
        .collect()
}

/// Content: whose it is, and that it is what was announced.
fn content<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = b"some bytes";
    let chunk = || Part::Chunk(bytes.to_vec());
    vec![
        row("a digest that nobody has uploaded", "CONTENT_MISSING", async move {
            s.propose(|m| m.texts = vec![world::french(b"Jamais.\n")]).await
        }),
        row("a foreign blob's digest", "CONTENT_MISSING", async move {
            s.propose(|m| m.texts = vec![world::french("Texte du Sud.\n".as_bytes())]).await
        }),
        row("a digest of another communiqué of one's own", "CONTENT_MISSING", async move {
            s.propose(|m| m.communique = fresh()).await
        }),
        row("a text of another size", "WRONG_SIZE", async move { s.propose(|m| m.texts[0].size += 1).await }),
        row("a foreign blob, downloaded", "NOT_FOUND", async move { s.download("north", s.blank, s.souths).await }),
        row("one's own blob in another communiqué, downloaded", "NOT_FOUND", async move {
            s.download("north", s.drafting.communique, Digest::of("a\u{202e}b\n".as_bytes())).await
        }),
        row("a foreign blob that no manifest names yet, downloaded", "NOT_FOUND", async move {
            s.download("north", s.drafting.communique, s.souths).await
        }),
        row("a blob of a communiqué of others, downloaded", "NOT_FOUND", async move {
            s.download("north", s.foreign.communique, s.foreign.texts[0].sha256).await
        }),
        row("an upload of another digest", "WRONG_DIGEST", async move {
            s.upload(vec![s.header(bytes, |h| h.sha256 = Digest::of(b"other").to_string()), chunk()]).await
        }),
        row("a repeated upload with other bytes", "WRONG_DIGEST", async move {
            let other = vec![b'x'; GOOD.len()];
            s.upload(vec![s.header(GOOD.as_bytes(), |_| ()), Part::Chunk(other)]).await
        }),
        row("an upload shorter than announced", "WRONG_SIZE", async move {
            s.upload(vec![s.header(bytes, |h| h.size += 1), chunk()]).await
        }),
        row("an upload longer than announced", "WRONG_SIZE", async move {
            s.upload(vec![s.header(bytes, |h| h.size -= 1), chunk()]).await
        }),
        row("an upload of nothing", "MALFORMED", async move { s.upload(vec![s.header(b"", |_| ())]).await }),
        row("an upload that says nothing", "MALFORMED", async move { s.upload(vec![]).await }),
        row("an upload without a header", "MALFORMED", async move { s.upload(vec![chunk()]).await }),
        row("an upload with two headers", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |_| ()), s.header(bytes, |_| ()), chunk()]).await
        }),
        row("an upload with an empty chunk", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |_| ()), Part::Chunk(vec![]), chunk()]).await
        }),
        row("an upload with an oversized chunk", "TOO_LARGE", async move {
            let bytes = vec![b'x'; CHUNK_LIMIT + 1];
            s.upload(vec![s.header(&bytes, |_| ()), Part::Chunk(bytes)]).await
        }),
        row("an oversized upload", "TOO_LARGE", async move {
            s.upload(vec![s.header(bytes, |h| h.size = ANNEX_LIMIT + 1), chunk()]).await
        }),
        row("an upload for no communiqué", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |h| h.communique = "communiques/-".into()), chunk()]).await
        }),
        row("an upload with a digest in capitals", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |h| h.sha256 = h.sha256.to_uppercase()), chunk()]).await
        }),
        row("a download from beyond the end", "MALFORMED", async move {
            let mut client = ContentServiceClient::new(s.world.channel("north", Role::Official).await);
            let request = v1::DownloadContentRequest {
                communique: names::communique(s.blank),
                sha256: Digest::of(GOOD.as_bytes()).to_string(),
                offset: GOOD.len() as u64 + 1,
            };
            outcome(&client.download_content(request).await)
        }),
    ]
}

/// Requests that say what no request says.
fn forms<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let get = |name: String| async move {
        outcome(&s.communiques("north").await.get_communique(v1::GetCommuniqueRequest { name }).await)
    };
    let list = |change: fn(&mut v1::ListCommuniquesRequest)| async move {
        let mut request = v1::ListCommuniquesRequest::default();
        change(&mut request);
        outcome(&s.communiques("north").await.list_communiques(request).await)
    };
    vec![
        row("a name in capitals", "MALFORMED", get(names::communique(s.drafting.communique).to_uppercase())),
        row("a name with more to it", "MALFORMED", get(format!("{}/", names::communique(s.drafting.communique)))),
        row("no name", "MALFORMED", get(String::new())),
        row("an id of another version", "MALFORMED", get("communiques/c232ab00-9414-41ec-b3c8-9f6bdeced846".into())),
        row("a negative page", "MALFORMED", list(|r| r.page_size = -1)),
        row("a page token of nobody's", "MALFORMED", list(|r| r.page_token = "42".into())),
        row("a state that there is not", "MALFORMED", list(|r| r.state = 99)),
        row(
            "an oversized statement",
            "TOO_LARGE",
            async move { s.carry("north", &"x".repeat(STATEMENT_LIMIT + 1)).await },
        ),
        row("a request over the limit", "TOO_LARGE", async move { s.carry("north", &"x".repeat(2 << 20)).await }),
        row("a statement that is not UTF-8", "MALFORMED", async move {
            // The codec of a lone bytes field writes what a string field may not hold.
            let mut client = tonic::client::Grpc::new(s.world.channel("north", Role::Official).await);
            client.ready().await.unwrap();
            let path = http::uri::PathAndQuery::from_static("/communique.v1.CommuniqueService/SubmitAct");
            let codec = tonic_prost::ProstCodec::<Vec<u8>, v1::SubmitActResponse>::default();
            outcome(&client.unary(Request::new(b"caf\xe9".to_vec()), path, codec).await)
        }),
        row("oversized metadata", "Unknown without a reason, for 431", async move {
            // HTTP/2 itself answers, before there is a call.
            let mut request = Request::new(v1::GetCommuniqueRequest::default());
            request.metadata_mut().insert("x-sample", "x".repeat(20 << 10).parse().unwrap());
            let answered = s.communiques("north").await.get_communique(request).await;
            let said = answered.as_ref().map_or_else(|s| s.message().to_owned(), |_| String::new());
            if said.ends_with(" 431") { format!("{}, for 431", outcome(&answered)) } else { said }
        }),
        row("unknown and foreign ids answer alike", "alike", alike(s)),
    ]
}

/// Every method that takes a communiqué answers an id of others as it answers one that there is not.
async fn alike(s: &Scene<'_>) -> String {
    let world = s.world;
    let mut client = s.communiques("north").await;
    let mut content = ContentServiceClient::new(world.channel("north", Role::Official).await);
    let foreign = s.foreign.communique;
    let mut answers: Vec<Vec<(tonic::Code, String)>> = Vec::new();
    for id in [foreign, fresh()] {
        let (name, parent) = (names::communique(id), names::communique(id));
        let mut act = world.act(ActKind::Initial, "north.a", &s.foreign, None);
        act.communique = id;
        let next = Manifest { communique: id, ..world.next(&s.foreign, GOOD) };
        let next = Document::of(&next).unwrap();
        let propose = sign(world.act(ActKind::Propose, "north.a", &next, None), &key("north.a"));
        let refused: Vec<Status> = vec![
            client.get_communique(v1::GetCommuniqueRequest { name: name.clone() }).await.unwrap_err(),
            client.get_revision(v1::GetRevisionRequest { name: names::revision(id, 1) }).await.unwrap_err(),
            client
                .list_revisions(v1::ListRevisionsRequest { parent: parent.clone(), ..Default::default() })
                .await
                .unwrap_err(),
            client.list_acts(v1::ListActsRequest { parent, ..Default::default() }).await.unwrap_err(),
            client.publish_communique(v1::PublishCommuniqueRequest { name: name.clone() }).await.unwrap_err(),
            client.submit_act(v1::SubmitActRequest { statement: sign(act, &key("north.a")) }).await.unwrap_err(),
            client
                .propose_revision(v1::ProposeRevisionRequest { manifest: next.bytes().to_vec(), propose })
                .await
                .unwrap_err(),
            content
                .download_content(v1::DownloadContentRequest {
                    communique: name,
                    sha256: s.foreign.texts[0].sha256.to_string(),
                    offset: 0,
                })
                .await
                .unwrap_err(),
        ];
        answers.push(
            refused
                .iter()
                .map(|status| {
                    let mut answer = Answer::from(status);
                    assert_eq!(answer.reason, Some("NOT_FOUND"));
                    answer.request_id = None;
                    let said = format!("{answer:?} {} {}", status.message(), status.details().len());
                    (status.code(), said.replace(&id.to_string(), "ID"))
                })
                .collect(),
        );
    }
    if answers[0] == answers[1] { "alike".into() } else { format!("{answers:#?}") }
}

/// The same again gets the first answer again.
fn repeats<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let world = s.world;
    vec![
        row("the same act twice, after completion", "the first receipt", async move {
            let (compact, first) = &s.last;
            same(first, &world.carry("east", compact).await)
        }),
        row("the same powers twice", "the first receipt", async move {
            let session = world.session("north", Role::Authority).await;
            let list = session.remote().powers_list(Some(&party("north"))).await.unwrap();
            same(&list[0].receipt, &session.remote().submit_powers(&list[0].statement).await)
        }),
        row("the same proposal twice, after a newer one", "the first receipt", async move {
            let view = world.remote("north").await.revision(s.first.communique, 1).await.unwrap();
            same(&view.receipt, &world.carry_proposal("north", &view.manifest, &view.propose).await)
        }),
    ]
}

fn same(first: &Receipt, again: &Result<Receipt, RemoteError>) -> String {
    match again {
        Ok(again) if again == first => "the first receipt".into(),
        other => format!("{other:?}"),
    }
}

/// What the founding refuses, whole: nothing is in the log, and the good papers found it afterwards.
#[tokio::test]
async fn a_founding_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let good = papers(dir.path());
    let refused = |result: Result<Digest, ServeError>| match result {
        Err(ServeError::Refused(refusal)) => refusal.reason(),
        other => panic!("{other:?}"),
    };
    let bytes = || good.charter.bytes().to_vec();
    let text = || String::from_utf8(bytes()).unwrap();
    let found = async |charter: Vec<u8>, adoptions: &[String], trusts: &[String]| {
        refused(serve::found(&good.config, charter, adoptions.to_vec(), trusts.to_vec()).await)
    };
    let (a, t) = (&good.adoptions[..], &good.trusts[..]);
    let zero = text().replace(r#""quorum":2"#, r#""quorum":0"#).into_bytes();
    assert_ne!(zero, bytes());
    assert_eq!(found(zero, a, t).await, "MALFORMED", "quorum zero");
    let float = text().replace(r#""quorum":2"#, r#""quorum":2.0"#).into_bytes();
    assert_eq!(found(float, a, t).await, "MALFORMED", "a float");
    let other = text().replace(EXCHANGE, "other.example").into_bytes();
    assert_eq!(found(other, a, t).await, "DISAGREES", "a charter of another exchange");
    let depositary = base64(&good.host.depositary.to_bytes());
    let other = text().replace(&depositary, &base64(&key("another").public().to_bytes())).into_bytes();
    assert_eq!(found(other, a, t).await, "DISAGREES", "a charter of another depositary");
    assert_eq!(found(bytes(), &a[1..], t).await, "NOT_FOUND", "an adoption is missing");
    assert_eq!(found(bytes(), a, &t[1..]).await, "NOT_FOUND", "a trust statement is missing");
    let twice: Vec<String> = a.iter().chain(&a[..1]).cloned().collect();
    assert_eq!(found(bytes(), &twice, t).await, "ALREADY_EXISTS", "an adoption stands twice");
    let mut forged = a.to_vec();
    forged[0] = sign(claims::<communique::domain::charter::Adoption>(&a[0]), &key("authority of west"));
    assert_eq!(found(bytes(), &forged, t).await, "SIGNATURE_INVALID", "an adoption by another authority");

    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let count = || {
        let db = rusqlite::Connection::open_with_flags(good.config.data.log(), flags).unwrap();
        db.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(), 0);
    serve::found(&good.config, bytes(), a.to_vec(), t.to_vec()).await.unwrap();
    assert_eq!(count(), 9, "a charter, four adoptions, four trust statements");
    assert_eq!(found(bytes(), a, t).await, "ALREADY_EXISTS", "founded already");
    assert_eq!(count(), 9);
}
