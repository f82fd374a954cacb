//! What the rows act on, and how: requests that are good but for one thing.

use super::{DAY, GOOD, content::TEXTS};
use crate::world::{self, NAMED, World, domain_of, fresh, key, now, outcome, reason, sign, until};
use communique::{
    client::remote::Remote,
    domain::{
        act::{Act, ActKind},
        document::Document,
        entry::Entry,
        id::{CommuniqueId, Digest, Role},
        json::{self, base64},
        key::{SecretKey, Signer as _},
        life::State,
        manifest::{Initialling, Manifest},
        powers::Powers,
        statement::TYPE_PREFIX,
        time::Time,
        trust::Trust,
        view::Receipt,
    },
    pki::issue::{CertificateAuthority, Issued},
    wire::{
        names,
        v1::{
            self, communique_service_client::CommuniqueServiceClient, content_service_client::ContentServiceClient,
            powers_service_client::PowersServiceClient, upload_content_request::Part,
        },
    },
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use tonic::transport::Channel;

/// Communiqués in every state that the rows need, made before the first row.
pub(super) struct Scene<'w> {
    pub(super) world: &'w World,
    /// In drafting at revision 2; South's revision is the second.
    pub(super) first: Document<Manifest>,
    pub(super) drafting: Document<Manifest>,
    /// In drafting, initialled by South.
    pub(super) begun: Document<Manifest>,
    /// In drafting, with initialling waived.
    pub(super) waived: Document<Manifest>,
    /// Open; signed by the holders `a` of North and South.
    pub(super) open: Document<Manifest>,
    pub(super) opening: Digest,
    /// Lapsed, and the deadline that it was open until.
    pub(super) late: Document<Manifest>,
    pub(super) late_opening: Digest,
    pub(super) deadline: Time,
    /// In drafting, its deadline passed.
    pub(super) overdue: Document<Manifest>,
    /// Open, with a deadline and an embargo; East has signed ad referendum, and released it.
    pub(super) timed: Document<Manifest>,
    pub(super) timed_opening: Digest,
    pub(super) pending: Digest,
    /// In drafting, with initialling waived; East objects to it.
    pub(super) objected: Document<Manifest>,
    /// Withdrawn, and its texts erased.
    pub(super) withdrawn: Document<Manifest>,
    /// Complete.
    pub(super) complete: Document<Manifest>,
    pub(super) complete_opening: Digest,
    /// The signature that completed it, and its first receipt.
    pub(super) last: (String, Receipt),
    /// Of South and East: not North's business.
    pub(super) foreign: Document<Manifest>,
    /// No communiqué yet; North has uploaded `GOOD` and the bad texts for it, South its own text.
    pub(super) blank: CommuniqueId,
    pub(super) souths: Digest,
}

impl<'w> Scene<'w> {
    pub(super) async fn of(world: &'w World) -> Self {
        let deadline = now().plus(5);
        let late = world.draft(&NAMED, |m| m.procedure.deadline = Some(deadline)).await;
        let late_opening = world.open(&late).await;
        let overdue = world.draft(&NAMED, |m| m.procedure.deadline = Some(deadline)).await;
        // Near enough that an act dated after it is not refused as one of the far future.
        let soon = now().plus(285);
        let timed = |m: &mut Manifest| (m.procedure.deadline, m.procedure.embargo) = (Some(soon), Some(soon));
        let timed = world.draft(&NAMED, timed).await;
        let timed_opening = world.open(&timed).await;
        let does = async |kind, who: &str, manifest, opening| {
            let receipt = world.submit(who, world.act(kind, who, manifest, opening)).await.unwrap();
            json::parse::<Entry>(&receipt.entry).unwrap().statements[0]
        };
        let pending = does(ActKind::SignAdReferendum, "east.a", &timed, Some(timed_opening)).await;
        does(ActKind::Release, "east.a", &timed, Some(timed_opening)).await;
        let objected = world.draft(&NAMED, |m| m.procedure.initialling = Initialling::Waived).await;
        does(ActKind::Object, "east.a", &objected, None).await;
        let withdrawn = world.draft(&["north", "south"], |_| ()).await;
        does(ActKind::Withdraw, "north.a", &withdrawn, None).await;
        for who in ["north.a", "south.a"] {
            does(ActKind::Purge, who, &withdrawn, None).await;
        }

        let first = world.draft(&NAMED, |_| ()).await;
        let drafting = world.revise("south.a", &first, "Deuxième texte.\n").await;
        let begun = world.draft(&NAMED, |_| ()).await;
        world.submit("south.a", world.act(ActKind::Initial, "south.a", &begun, None)).await.unwrap();
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
        let mut second = terms("north", "a");
        second.key = key("north.second").public();
        world.grant("north.second", second).await;

        let lapsed = async || {
            let view = world.remote("north").await.communique(late.communique).await;
            view.unwrap().state == State::Lapsed
        };
        until("it lapses", lapsed).await;
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
            begun,
            waived,
            open,
            opening,
            late,
            late_opening,
            deadline,
            overdue,
            timed,
            timed_opening,
            pending,
            objected,
            withdrawn,
            complete,
            complete_opening,
            last: (last, receipt),
            foreign,
            blank,
            souths,
        }
    }

    pub(super) fn manifest(&self) -> Manifest {
        self.world.manifest(self.blank, &NAMED, GOOD)
    }
    /// Proposes revision 1 of the blank communiqué, changed.
    pub(super) async fn propose(&self, change: impl FnOnce(&mut Manifest)) -> String {
        let mut manifest = self.manifest();
        change(&mut manifest);
        self.propose_as("north.a", &manifest, |_| ()).await
    }
    /// Proposes this manifest with an act that agrees with it, then changed.
    pub(super) async fn propose_as(&self, who: &str, manifest: &Manifest, change: impl FnOnce(&mut Act)) -> String {
        let good = Document::of(&self.manifest()).unwrap();
        let mut act = self.world.act(ActKind::Propose, who, &good, None);
        let bytes = json::encode(manifest);
        (act.communique, act.revision, act.manifest) = (manifest.communique, manifest.revision, Digest::of(&bytes));
        change(&mut act);
        self.carry_proposal(bytes, raw(&json::encode(&act), who)).await
    }
    pub(super) async fn carry_proposal(&self, manifest: Vec<u8>, propose: String) -> String {
        let mut client = self.communiques("north").await;
        outcome(&client.propose_revision(v1::ProposeRevisionRequest { manifest, propose }).await)
    }
    /// Proposes the blank communiqué's manifest with other bytes.
    pub(super) async fn propose_bytes(&self, change: impl FnOnce(String) -> Vec<u8>) -> String {
        let good = Document::of(&self.manifest()).unwrap();
        let bytes = change(String::from_utf8(good.bytes().to_vec()).unwrap());
        assert_ne!(bytes, good.bytes(), "nothing was changed");
        let mut act = self.world.act(ActKind::Propose, "north.a", &good, None);
        act.manifest = Digest::of(&bytes);
        self.carry_proposal(bytes, sign(act, &key("north.a"))).await
    }
    /// Hands in an act that is good but for the change.
    pub(super) async fn act(
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
    pub(super) async fn initial(&self, change: impl FnOnce(&mut Act)) -> String {
        self.act(ActKind::Initial, "south.a", &self.drafting, None, change).await
    }
    /// South's initial with another payload.
    pub(super) async fn initial_bytes(&self, change: impl FnOnce(String) -> String) -> String {
        let act = self.world.act(ActKind::Initial, "south.a", &self.drafting, None);
        let good = String::from_utf8(json::encode(&act)).unwrap();
        let bytes = change(good.clone());
        assert_ne!(bytes, good, "nothing was changed");
        self.carry("south", &raw(bytes.as_bytes(), "south.a")).await
    }
    /// South's initial under another header.
    pub(super) async fn initial_headed(&self, change: impl FnOnce(String) -> String) -> String {
        let act = self.world.act(ActKind::Initial, "south.a", &self.drafting, None);
        let good = header("act", &key("south.a"));
        let changed = change(good.clone());
        assert_ne!(changed, good, "nothing was changed");
        self.carry("south", &headed(&changed, &json::encode(&act), "south.a")).await
    }
    pub(super) async fn carry(&self, of: &str, statement: &str) -> String {
        let statement = statement.to_owned();
        outcome(&self.communiques(of).await.submit_act(v1::SubmitActRequest { statement }).await)
    }
    pub(super) async fn powers(&self, by: &str, who: &str, change: impl FnOnce(&mut Powers)) -> String {
        let mut powers = self.world.granted("north.a").body().clone();
        powers.key = key("north.new").public();
        powers.holder.id = "holder.new".parse().unwrap();
        change(&mut powers);
        let statement = statement("powers", &json::encode(&powers), &key(who));
        let mut client = PowersServiceClient::new(self.world.channel(by, Role::Authority).await);
        outcome(&client.submit_powers(v1::SubmitPowersRequest { statement }).await)
    }
    pub(super) async fn trust(&self, by: &str, who: &str, change: impl FnOnce(&mut Trust)) -> String {
        let ca = &self.world.authorities["south"];
        let mut trust = self.world.trust("south", 2, &[ca], &[]).body().clone();
        change(&mut trust);
        let session = self.world.session(by, Role::Authority).await;
        reason(&session.remote().submit_trust(&statement("trust", &json::encode(&trust), &key(who))).await)
    }
    pub(super) async fn communiques(&self, of: &str) -> CommuniqueServiceClient<Channel> {
        CommuniqueServiceClient::new(self.world.channel(of, Role::Official).await)
    }
    /// Uploads these parts for the blank communiqué.
    pub(super) async fn upload(&self, parts: Vec<Part>) -> String {
        let mut client = ContentServiceClient::new(self.world.channel("north", Role::System).await);
        let parts = parts.into_iter().map(|part| v1::UploadContentRequest { part: Some(part) });
        outcome(&client.upload_content(tokio_stream::iter(parts.collect::<Vec<_>>())).await)
    }
    /// Asks what is held of the good text, by a request that is changed.
    pub(super) async fn get_upload(&self, change: impl FnOnce(&mut v1::GetUploadRequest)) -> String {
        let mut client = ContentServiceClient::new(self.world.channel("north", Role::System).await);
        let (communique, sha256) = (names::communique(self.blank), Digest::of(GOOD.as_bytes()).to_string());
        let mut request = v1::GetUploadRequest { communique, sha256 };
        change(&mut request);
        outcome(&client.get_upload(request).await)
    }
    pub(super) fn header(&self, bytes: &[u8], change: impl FnOnce(&mut v1::UploadHeader)) -> Part {
        let communique = names::communique(self.blank);
        let mut header =
            v1::UploadHeader { communique, sha256: Digest::of(bytes).to_string(), size: bytes.len() as u64, offset: 0 };
        change(&mut header);
        Part::Header(header)
    }
    pub(super) async fn download(&self, of: &str, id: CommuniqueId, digest: Digest) -> String {
        let mut sink = Vec::new();
        reason(&self.world.remote(of).await.download(id, digest, &mut sink, &|_| ()).await)
    }
    /// A handshake with this certificate.
    pub(super) async fn knock(&self, issued: &Issued) -> String {
        let remote = Remote::connect(&self.world.connection_with(issued)).await;
        if let Ok(remote) = &remote {
            return reason(&remote.charter(None).await);
        }
        reason(&remote)
    }
    /// A certificate of North's authority that says what it should not.
    pub(super) fn odd(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        odd(&self.world.authorities["north"], change)
    }
}

pub(super) fn odd(ca: &CertificateAuthority, change: impl FnOnce(&mut CertificateParams)) -> Issued {
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

pub(super) fn uri(of: &str, role: &str) -> SanType {
    SanType::URI(format!("spiffe://{}/{role}/sample", domain_of(of)).try_into().unwrap())
}

/// The one header of a statement.
pub(super) fn header(name: &str, key: &SecretKey) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"{TYPE_PREFIX}{name}"}}"#, key.public().thumbprint())
}
/// A statement over any payload, by the one header.
pub(super) fn statement(name: &str, payload: &[u8], key: &SecretKey) -> String {
    signed(&header(name, key), payload, key)
}
/// An act over any payload, by this holder.
pub(super) fn raw(payload: &[u8], who: &str) -> String {
    statement("act", payload, &key(who))
}
pub(super) fn headed(header: &str, payload: &[u8], who: &str) -> String {
    signed(header, payload, &key(who))
}
pub(super) fn signed(header: &str, payload: &[u8], key: &SecretKey) -> String {
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64(&signature))
}
