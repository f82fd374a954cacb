//! Four sample parties and an exchange that they founded. Nobody here exists.
//!
//! Keys depend on their names alone, so a test names whom it means: `key("north.a")` is the key of North's holder `a`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use communique::{
    app::{
        config::Config,
        init,
        machine::ThisMachine,
        serve::{self, Bound, ServeError},
    },
    client::{
        acting::Circumstances,
        chartering::{self, Host, Terms},
        reading::Pinned,
        remote::{Connection, Remote, RemoteError},
        road::{Proxies, Road},
        session::Session,
    },
    domain::{
        act::{Act, ActKind, Declaration},
        charter::{Charter, Der, Party, Succession},
        document::Document,
        id::{CommuniqueId, Digest, PartyId, Role, Salt, SpiffeId},
        key::{SecretKey, Signer as _},
        manifest::{self, Initialling, LegalEffect, Manifest, Procedure, Text},
        powers::{Holder, Powers},
        statement::{Body, Statement, Type, Unverified},
        text::{Direction, RULES},
        time::Time,
        trust::Trust,
        view::Receipt,
        words::{Line, Names, Prose},
    },
    exchange::ports::Machine as _,
    pki::{self, issue::CertificateAuthority, issue::Issued},
    wire::status::Answer,
};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{
    io::AsyncBufReadExt as _,
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

/// The exchange's name: its certificate bears it.
pub const EXCHANGE: &str = "exchange.example";
/// The parties with their quorums. West is party to the charter and, unless a test says so, to no communiqué.
pub const PARTIES: [(&str, u64); 4] = [("east", 1), ("north", 2), ("south", 1), ("west", 1)];
/// The parties of most communiqués, in protocol order.
pub const NAMED: [&str; 3] = ["north", "south", "east"];
/// Longer than anything waited for here takes: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

const DAY: i64 = 86_400;

pub fn now() -> Time {
    ThisMachine.now()
}

pub fn party(id: &str) -> PartyId {
    PartyId::parse(id).unwrap()
}

/// A key that depends on its name alone.
pub fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(Digest::of(name.as_bytes()).as_bytes())
}

pub fn names(words: &str) -> Names {
    Names::new([("fr".parse().unwrap(), Line::new(words).unwrap())]).unwrap()
}

/// An id that no other call gives.
pub fn fresh() -> CommuniqueId {
    CommuniqueId::new(ThisMachine.millis(), &ThisMachine.bytes())
}

pub fn domain_of(of: &str) -> String {
    format!("mfa.{of}.example")
}

/// The part before the dot of `party.holder`.
pub fn party_of(who: &str) -> &str {
    who.split('.').next().unwrap()
}

/// A receipt without its proof, which is under the newest head at each answer.
pub fn bare(receipt: Receipt) -> Receipt {
    Receipt { proof: None, ..receipt }
}

/// What happened, in one word: `OK` or a reason.
pub fn reason<T>(result: &Result<T, RemoteError>) -> String {
    match result {
        Ok(_) => "OK".into(),
        Err(RemoteError::Refused { reason, .. }) => reason.clone(),
        Err(RemoteError::Unreachable(_)) => "UNREACHABLE".into(),
        Err(RemoteError::OutcomeUnknown(_)) => "OUTCOME_UNKNOWN".into(),
        Err(RemoteError::Local(refusal)) => format!("LOCAL {}", refusal.reason()),
        Err(RemoteError::Io(error)) => format!("IO {error}"),
        Err(RemoteError::Contradicted(contradiction)) => {
            format!("CONTRADICTED {}", contradiction.evidence.kind.as_str())
        }
        Err(RemoteError::NotKept(error)) => format!("NOT_KEPT {error}"),
    }
}

/// The same of a raw call. A failure without a reason of ours shows its code.
pub fn outcome<T>(result: &Result<T, Status>) -> String {
    match result {
        Ok(_) => "OK".into(),
        Err(status) => {
            let answer = Answer::from(status);
            answer.reason.map_or_else(|| format!("{:?} without a reason", answer.code), str::to_owned)
        }
    }
}

/// Asks until it is so.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asked = async {
        while !ask().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A running exchange.
struct Running {
    bound: Bound,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

/// The parties, their exchange and what they hold.
pub struct World {
    pub config: Config,
    pub pinned: Pinned,
    pub authorities: BTreeMap<&'static str, CertificateAuthority>,
    server_ca: Vec<u8>,
    grants: Mutex<BTreeMap<String, Statement<Powers>>>,
    certificates: Mutex<BTreeMap<(String, Role), Issued>>,
    sessions: tokio::sync::Mutex<BTreeMap<(String, Role), Arc<Session>>>,
    running: Mutex<Option<Running>>,
    ticks: AtomicU64,
    _dir: TempDir,
}

/// What a founding needs, all of it good.
pub struct Papers {
    pub charter: Document<Charter>,
    pub adoptions: Vec<String>,
    pub trusts: Vec<String>,
    pub authorities: BTreeMap<&'static str, CertificateAuthority>,
    pub host: Host,
    pub config: Config,
}

/// Makes the exchange's files in `dir`, and everything that its parties sign to found it.
pub fn papers(dir: &Path) -> Papers {
    init::init(dir, &EXCHANGE.parse().unwrap(), "127.0.0.1:0", "127.0.0.1:0").unwrap();
    let config = Config::load(&dir.join("communiqued.toml"), std::iter::empty()).unwrap();
    let host: Host = chartering::description(&std::fs::read(dir.join("host.json")).unwrap()).unwrap();
    let parties = PARTIES
        .iter()
        .map(|(id, quorum)| Party {
            id: party(id),
            names: names(&format!("Échantillon {id}")),
            trust_domain: domain_of(id).parse().unwrap(),
            authority: key(&format!("authority of {id}")).public(),
            quorum: *quorum,
            // North and South run a witness.
            witness: ["north", "south"].contains(id).then(|| key(&format!("witness of {id}")).public()),
        })
        .collect();
    let charter = chartering::draft(host.clone(), parties, Succession::Unanimous, 0).unwrap();
    let pinned = Pinned::new(charter.bytes(), charter.digest()).unwrap();
    let authorities: BTreeMap<_, _> = PARTIES.iter().map(|(id, _)| (*id, authority(id))).collect();
    let (mut adoptions, mut trusts) = (Vec::new(), Vec::new());
    for (id, ca) in &authorities {
        let signer = key(&format!("authority of {id}"));
        adoptions.push(chartering::adopt(&charter, &signer, now()).unwrap().compact().to_owned());
        let der = Der::new(ca.der().to_vec()).unwrap();
        trusts.push(chartering::trust(&pinned, &signer, 1, [der], [], now()).unwrap().compact().to_owned());
    }
    Papers { charter, adoptions, trusts, authorities, host, config }
}

/// A new certificate authority of a party.
pub fn authority(id: &str) -> CertificateAuthority {
    CertificateAuthority::new(&format!("Sample {id} CA"), now().plus(-DAY), now().plus(30 * DAY)).unwrap()
}

impl World {
    /// Founds an exchange and serves it. Each party has the holders `a`, `b` and `c` with powers for every act.
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }
    /// The same with other settings.
    pub async fn with(settings: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let Papers { charter, adoptions, trusts, authorities, host, mut config } = papers(dir.path());
        // No test waits for a stream that it has left open.
        config.limits.drain_seconds = 1;
        settings(&mut config);
        serve::found(&config, charter.bytes().to_vec(), adoptions, trusts).await.unwrap();
        let world = Self {
            config,
            pinned: Pinned::new(charter.bytes(), charter.digest()).unwrap(),
            authorities,
            server_ca: host.server_ca.as_bytes().to_vec(),
            grants: Mutex::default(),
            certificates: Mutex::default(),
            sessions: tokio::sync::Mutex::default(),
            running: Mutex::default(),
            ticks: AtomicU64::new(0),
            _dir: dir,
        };
        world.start().await;
        for (id, _) in PARTIES {
            for holder in ["a", "b", "c"] {
                world.grant(&format!("{id}.{holder}"), world.terms(id, holder)).await;
            }
        }
        world
    }

    /// Serves until [`World::stop`].
    pub async fn start(&self) {
        let running = timeout(PATIENCE, async {
            loop {
                let (stop, stopped) = oneshot::channel::<()>();
                let (tell, told) = oneshot::channel();
                let bound = |bound| tell.send(bound).unwrap_or_default();
                let serve = serve::serve(self.config.clone(), bound, async { stopped.await.unwrap_or_default() });
                let served = tokio::spawn(serve);
                if let Ok(bound) = told.await {
                    return Running { bound, stop, served };
                }
                let error = served.await.unwrap().unwrap_err().to_string();
                // A call that was cut off may hold the store for a moment longer than the exchange served.
                assert!(error.contains("in use"), "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        *self.running.lock().unwrap() = Some(running.await.expect("the exchange starts"));
        self.sessions.lock().await.clear();
    }
    /// Tells the exchange to go down; what it answers when it has.
    pub fn going_down(&self) -> JoinHandle<Result<(), ServeError>> {
        let Running { stop, served, .. } = self.running.lock().unwrap().take().expect("it is running");
        stop.send(()).unwrap();
        served
    }
    /// Stops the exchange and waits until it has ended.
    pub async fn stop(&self) {
        let served = self.going_down();
        self.sessions.lock().await.clear();
        timeout(PATIENCE, served).await.expect("it ends").unwrap().unwrap();
    }
    pub fn bound(&self) -> Bound {
        self.running.lock().unwrap().as_ref().expect("it is running").bound
    }

    /// The connection of a party's certificate of this role.
    pub fn connection(&self, of: &str, role: Role) -> Connection {
        self.connection_to(self.bound().exchange, of, role)
    }
    /// The same to another address.
    pub fn connection_to(&self, address: SocketAddr, of: &str, role: Role) -> Connection {
        let mut certificates = self.certificates.lock().unwrap();
        let issued = certificates.entry((of.to_owned(), role)).or_insert_with(|| self.issue(of, role, "sample"));
        self.connection_by(address, issued)
    }
    pub fn connection_with(&self, issued: &Issued) -> Connection {
        self.connection_by(self.bound().exchange, issued)
    }
    fn connection_by(&self, address: SocketAddr, issued: &Issued) -> Connection {
        Connection {
            road: Road::new([address.to_string()], Proxies::default()).unwrap(),
            server_name: EXCHANGE.into(),
            server_cas: vec![self.server_ca.clone()],
            certificate_pem: issued.cert_pem.clone().into_bytes(),
            key_pem: issued.key_pem.as_bytes().to_vec(),
        }
    }
    /// A new certificate by the party's own authority.
    pub fn issue(&self, of: &str, role: Role, name: &str) -> Issued {
        issue(&self.authorities[of], &format!("spiffe://{}/{role}/{name}", domain_of(of)))
    }
    /// A session of the party's certificate of this role. One connection for each, kept.
    pub async fn session(&self, of: &str, role: Role) -> Arc<Session> {
        let mut sessions = self.sessions.lock().await;
        if let Some(session) = sessions.get(&(of.to_owned(), role)) {
            return session.clone();
        }
        let remote = Remote::connect(&self.connection(of, role)).await.unwrap();
        let session = Arc::new(Session::over(self.pinned.clone(), remote));
        sessions.insert((of.to_owned(), role), session.clone());
        session
    }
    pub async fn remote(&self, of: &str) -> Remote {
        self.session(of, Role::Official).await.remote().clone()
    }
    /// A connection without our client: for requests that it would not make.
    pub async fn channel(&self, of: &str, role: Role) -> Channel {
        dial(&self.connection(of, role)).await.unwrap()
    }

    /// Powers for every act, for two days around now.
    pub fn terms(&self, of: &str, holder: &str) -> Terms {
        Terms {
            holder: Holder {
                id: format!("holder.{holder}").parse().unwrap(),
                names: names("Personne Exemple"),
                titles: names("Ministre (exemple)"),
            },
            key: key(&format!("{of}.{holder}")).public(),
            acts: ActKind::ALL.into_iter().collect(),
            scope: None,
            not_before: now().plus(-DAY),
            not_after: now().plus(DAY),
        }
    }
    /// Grants powers and logs them under this name.
    pub async fn grant(&self, who: &str, terms: Terms) -> Statement<Powers> {
        let of = party_of(who);
        let signed = chartering::grant(&self.pinned, &key(&format!("authority of {of}")), terms).unwrap();
        let session = self.session(of, Role::Authority).await;
        let (granted, _) = session.submit_powers(signed.compact()).await.unwrap();
        self.grants.lock().unwrap().insert(who.to_owned(), granted.clone());
        granted
    }
    /// The powers logged under this name.
    pub fn granted(&self, who: &str) -> Statement<Powers> {
        self.grants.lock().unwrap()[who].clone()
    }
    /// A trust statement of this party.
    pub fn trust(&self, of: &str, serial: u64, cas: &[&CertificateAuthority], revoked: &[Digest]) -> Statement<Trust> {
        let ders = cas.iter().map(|ca| Der::new(ca.der().to_vec()).unwrap());
        let signer = key(&format!("authority of {of}"));
        chartering::trust(&self.pinned, &signer, serial, ders, revoked.iter().copied(), now()).unwrap()
    }

    /// Revision 1 of a communiqué with one French text, proposed by the first of these parties.
    pub fn manifest(&self, id: CommuniqueId, parties: &[&str], text: &str) -> Manifest {
        Manifest {
            r#type: Type::of::<Manifest>(),
            salt: Salt::new(ThisMachine.random()),
            founding: self.pinned.founding(),
            exchange: self.pinned.charter().exchange.clone(),
            charter: self.pinned.charter().digest(),
            communique: id,
            revision: 1,
            previous: None,
            proposer: party(parties[0]),
            rules: RULES.into(),
            titles: names("Communiqué conjoint (exemple)"),
            parties: parties.iter().map(|p| party(p)).collect(),
            texts: vec![french(text.as_bytes())],
            annexes: vec![],
            meeting: None,
            legal_effect: LegalEffect::Political,
            procedure: Procedure { initialling: Initialling::Required, deadline: None, embargo: None },
            rectifies: None,
        }
    }
    /// The revision after this one, with another text.
    pub fn next(&self, before: &Document<Manifest>, text: &str) -> Manifest {
        Manifest {
            salt: Salt::new(ThisMachine.random()),
            revision: before.revision + 1,
            previous: Some(before.digest()),
            texts: vec![french(text.as_bytes())],
            ..Manifest::clone(before)
        }
    }
    /// An act as this holder would do it now; `opening` where it needs one. Two are never the same.
    pub fn act(&self, kind: ActKind, who: &str, manifest: &Document<Manifest>, opening: Option<Digest>) -> Act {
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        Act {
            act: kind,
            founding: self.pinned.founding(),
            exchange: self.pinned.charter().exchange.clone(),
            party: party(party_of(who)),
            charter: self.pinned.charter().digest(),
            communique: manifest.communique,
            revision: manifest.revision,
            manifest: manifest.digest(),
            opening: opening.filter(|_| kind.needs_opening() || kind == ActKind::Withdraw),
            grant: self.granted(who).digest(),
            time: now(),
            place: Some(Line::new(format!("Salle {tick}")).unwrap()),
            reason: matches!(kind, ActKind::Decline | ActKind::Object)
                .then(|| Prose::new("Le deuxième alinéa.").unwrap()),
            declaration: (kind == ActKind::Declare).then(|| {
                let words = Prose::new("Nous entendons l’alinéa ainsi.").unwrap();
                Declaration::Texts([("fr".parse().unwrap(), words)].into())
            }),
            confirms: None,
        }
    }
    /// Uploads this text for a communiqué, by this party's official.
    pub async fn upload(&self, of: &str, id: CommuniqueId, bytes: &[u8]) -> Result<Digest, RemoteError> {
        let digest = Digest::of(bytes);
        let source = std::io::Cursor::new(bytes.to_vec());
        self.remote(of).await.upload(id, digest, bytes.len() as u64, source, |_| ()).await?;
        Ok(digest)
    }
    /// Proposes a manifest, whose content is there.
    pub async fn propose(&self, who: &str, manifest: &Manifest) -> Result<Document<Manifest>, RemoteError> {
        let manifest = Document::of(manifest).unwrap();
        let act = self.act(ActKind::Propose, who, &manifest, None);
        self.carry_proposal(party_of(who), manifest.bytes(), &sign(act, &key(who))).await?;
        Ok(manifest)
    }
    /// Hands in a proposal as it is.
    pub async fn carry_proposal(&self, of: &str, manifest: &[u8], act: &str) -> Result<Receipt, RemoteError> {
        self.remote(of).await.propose(manifest, act).await
    }
    /// Signs an act with this holder's key and hands it in by his or her party.
    pub async fn submit(&self, who: &str, act: Act) -> Result<Receipt, RemoteError> {
        self.carry(party_of(who), &sign(act, &key(who))).await
    }
    /// Hands in an act as it is.
    pub async fn carry(&self, of: &str, act: &str) -> Result<Receipt, RemoteError> {
        self.remote(of).await.act(act).await
    }
    /// Uploads the text and proposes revision 1 of a new communiqué.
    pub async fn draft(&self, parties: &[&str], change: impl FnOnce(&mut Manifest)) -> Document<Manifest> {
        let (id, text) = (fresh(), "Texte d'essai.\n");
        let mut manifest = self.manifest(id, parties, text);
        change(&mut manifest);
        self.upload(parties[0], id, text.as_bytes()).await.unwrap();
        self.propose(&format!("{}.a", parties[0]), &manifest).await.unwrap()
    }
    /// Uploads the text and proposes the next revision, by this holder.
    pub async fn revise(&self, who: &str, before: &Document<Manifest>, text: &str) -> Document<Manifest> {
        self.upload(party_of(who), before.communique, text.as_bytes()).await.unwrap();
        self.propose(who, &self.next(before, text)).await.unwrap()
    }
    /// Initials by every party; answers the digest of the opening.
    pub async fn open(&self, manifest: &Document<Manifest>) -> Digest {
        for of in &manifest.parties {
            let who = format!("{of}.a");
            self.submit(&who, self.act(ActKind::Initial, &who, manifest, None)).await.unwrap();
        }
        self.opening(manifest).await
    }
    /// The digest of the `opened` entry.
    pub async fn opening(&self, manifest: &Document<Manifest>) -> Digest {
        let of = manifest.parties[0].as_str();
        let view = self.remote(of).await.communique(manifest.communique).await.unwrap();
        Digest::of(&view.opened.expect("it is open").entry)
    }
    /// A signature, signed and handed in.
    pub async fn sign_for(&self, who: &str, manifest: &Document<Manifest>, opening: Digest) -> Receipt {
        self.submit(who, self.act(ActKind::Sign, who, manifest, Some(opening))).await.unwrap()
    }
    /// Signatures by every party's quorum.
    pub async fn sign_all(&self, manifest: &Document<Manifest>, opening: Digest) {
        for of in &manifest.parties {
            let quorum = self.pinned.standing().party(of).unwrap().quorum;
            for holder in ["a", "b", "c"].iter().take(usize::try_from(quorum).unwrap()) {
                self.sign_for(&format!("{of}.{holder}"), manifest, opening).await;
            }
        }
    }

    /// How much is stored: entries, objects, listings, blobs and who holds them. What came of uploads that broke off is
    /// counted by [`World::partials`].
    pub fn stored(&self) -> Vec<i64> {
        let mut counts = read(
            &self.config.data.log(),
            &[
                "SELECT count(*) FROM entries",
                "SELECT count(*) FROM objects",
                "SELECT count(*) FROM communiques",
                "SELECT coalesce(sum(revision), 0) FROM communiques",
            ],
        );
        counts.extend(read(
            &self.config.data.content(),
            &["SELECT count(*) FROM blobs", "SELECT count(*) FROM uploads", "SELECT count(*) FROM packages"],
        ));
        counts
    }
    /// How many broken uploads are kept.
    pub fn partials(&self) -> i64 {
        read(&self.config.data.content(), &["SELECT count(*) FROM partials"])[0]
    }
}

/// What these queries count in a database.
fn read(path: &Path, sql: &[&str]) -> Vec<i64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    sql.iter().map(|sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()).collect()
}

/// A certificate for this id, by this authority.
pub fn issue(ca: &CertificateAuthority, id: &str) -> Issued {
    let id: SpiffeId = id.parse().unwrap();
    ca.issue_client(&id, now().plus(-60), now().plus(7 * DAY)).unwrap()
}

/// The digest of a certificate, as a revocation names it.
pub fn leaf(issued: &Issued) -> Digest {
    Digest::of(&pki::pem::chain(issued.cert_pem.as_bytes()).unwrap()[0])
}

pub fn french(bytes: &[u8]) -> Text {
    Text {
        lang: "fr".parse().unwrap(),
        dir: Direction::Ltr,
        status: manifest::Status::Authentic,
        size: bytes.len() as u64,
        sha256: Digest::of(bytes),
    }
}

/// Signs whatever it says, and does not ask whether it may.
pub fn sign<B: Body>(body: B, signer: &SecretKey) -> String {
    Statement::sign(body, signer).unwrap().compact().to_owned()
}

/// The body of a statement that came from somewhere.
pub fn claims<B: Body + Clone>(compact: &str) -> B {
    Unverified::<B>::parse(compact).unwrap().claims().clone()
}

pub fn circumstances() -> Circumstances {
    Circumstances { time: now(), place: None, reason: None, declaration: None, confirms: None }
}

/// Connects without our client. As that one does, it waits for the server's first byte: before, TLS 1.3 has not told
/// whether the certificate was taken.
pub async fn dial(c: &Connection) -> Result<Channel, String> {
    let chain = pki::pem::chain(&c.certificate_pem).unwrap();
    let key = pki::pem::private_key(&c.key_pem).unwrap();
    let tls = pki::client::client_config(&c.server_cas, chain, key).unwrap();
    dial_with(c.address(), tls).await
}

/// The same with any configuration of TLS.
pub async fn dial_with(address: &str, tls: Arc<rustls::ClientConfig>) -> Result<Channel, String> {
    let (address, name) = (address.to_owned(), pki::client::server_name(EXCHANGE).unwrap());
    let connector = tower::service_fn(move |_: http::Uri| {
        let (address, name, tls) = (address.clone(), name.clone(), tls.clone());
        async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await?;
            let mut stream = tokio::io::BufReader::new(stream);
            if stream.fill_buf().await?.is_empty() {
                return Err(std::io::Error::other("closed at once"));
            }
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let endpoint = Endpoint::from_static("http://exchange.example").connect_timeout(PATIENCE);
    endpoint.connect_with_connector(connector).await.map_err(|e| format!("{e:?}"))
}
