//! A scene: an exchange with some communiqués, the host that stands before it, and what it takes to catch it.

use std::{
    fmt::Debug,
    future::Future,
    io::Cursor,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use communique::{
    client::{auditing::evidence::Weight, receipts::Receipts, remote::RemoteError, session::Session},
    domain::{
        act::{Act, ActKind},
        document::Document,
        id::{CommuniqueId, Digest, Role},
        json::{self, Form},
        manifest::Manifest,
        statement::Statement,
    },
    package::{verdict::Verdict, verify::verify},
};
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    host::{Host, Lies},
    past::Past,
    world::{NAMED, World, key, now, sign},
};

/// A lie, and who finds it out.
pub struct Lie {
    pub name: &'static str,
    /// To whom it is told.
    pub to: &'static str,
    /// Who finds it out.
    pub by: &'static str,
    /// By which check: a refusal's reason, what a file of evidence is about, or a verifier's check.
    pub check: &'static str,
    /// A part of the sentence that he or she reads.
    pub words: &'static str,
    pub tell: for<'a> fn(&'a Scene) -> Telling<'a>,
}

pub type Telling<'a> = Pin<Box<dyn Future<Output = Found> + 'a>>;

/// What was found out; nothing, where the lie was believed.
#[derive(Debug)]
pub struct Found {
    pub check: String,
    pub sentence: String,
    /// Whether a file of evidence shows it to anybody else, where one was written.
    pub proves: Option<Weight>,
}

impl Found {
    fn new(check: impl Into<String>, sentence: impl ToString) -> Self {
        Self { check: check.into(), sentence: sentence.to_string(), proves: None }
    }
    pub fn panicked() -> Self {
        Self::new("PANIC", "")
    }
    /// The check, or that it was believed.
    pub fn name(&self) -> &str {
        if self.check.is_empty() { "BELIEVED" } else { &self.check }
    }
    /// What a file of evidence shows to anybody else.
    pub fn weight(&self) -> &'static str {
        match self.proves {
            Some(Weight::Proven) => "proven to anybody",
            Some(Weight::Challenge) => "the exchange must answer",
            Some(Weight::Nothing) => "one's own word",
            None => "-",
        }
    }
    pub fn nothing(believed: impl Debug) -> Self {
        Self::new("", format!("{believed:?}"))
    }
    /// What the client says.
    pub fn by_client<T: Debug>(answer: Result<T, RemoteError>) -> Self {
        match answer {
            Ok(believed) => Self::nothing(believed),
            Err(error) => {
                let check = match &error {
                    RemoteError::Refused { reason, .. } => reason.clone(),
                    RemoteError::Local(refusal) => refusal.reason().to_owned(),
                    RemoteError::Contradicted(lie) => lie.evidence.kind.as_str().to_owned(),
                    RemoteError::Unreachable(_) => "UNREACHABLE".into(),
                    RemoteError::OutcomeUnknown(_) => "OUTCOME_UNKNOWN".into(),
                    RemoteError::Io(_) | RemoteError::NotKept(_) => "IO".into(),
                };
                let proves = match &error {
                    RemoteError::Contradicted(lie) => Some(lie.evidence.judge(None, now()).weight),
                    _ => None,
                };
                Self { proves, ..Self::new(check, error) }
            }
        }
    }
    /// What the verifier of packages says.
    pub fn by_verifier(package: &[u8], pin: Digest) -> Self {
        match verify(Cursor::new(package), Some(pin)) {
            Verdict::Failed { check, detail } => Self::new(check.id(), detail),
            Verdict::CannotJudge { detail } => Self::new("CANNOT-JUDGE", detail),
            Verdict::CannotRead { detail } => Self::new("CANNOT-READ", detail),
            believed => Self::nothing(believed),
        }
    }
}

/// An exchange behind its host, and what stands in it.
pub struct Scene {
    pub world: Arc<World>,
    pub host: Host,
    /// Open in its second revision; South has signed.
    pub open: Document<Manifest>,
    pub opening: Digest,
    /// The revision before.
    pub before: Document<Manifest>,
    /// Declined by East in its first revision, and revised.
    pub declined: Document<Manifest>,
    /// In drafting; South and East have initialled.
    pub draft: Document<Manifest>,
    /// South's initial on it.
    pub initial: String,
    /// Published.
    pub published: Document<Manifest>,
    /// Published, and a rectification of what was.
    pub rectification: Document<Manifest>,
    /// Complete, and to be published in an hour.
    pub embargoed: Document<Manifest>,
    grown: AtomicU64,
}

impl Scene {
    pub async fn new() -> Self {
        let world = Arc::new(World::new().await);
        let before = world.draft(&NAMED, |_| ()).await;
        let open = world.revise("south.a", &before, "Deuxième texte.\n").await;
        let opening = world.open(&open).await;
        world.sign_for("south.a", &open, opening).await;
        let refused = world.draft(&NAMED, |_| ()).await;
        let at = world.open(&refused).await;
        let decline = world.act(ActKind::Decline, "east.a", &refused, Some(at));
        world.submit("east.a", decline).await.unwrap();
        let declined = world.revise("south.a", &refused, "Autre texte.\n").await;
        let draft = world.draft(&NAMED, |_| ()).await;
        let [initial, other] =
            ["south.a", "east.a"].map(|who| sign(world.act(ActKind::Initial, who, &draft, None), &key(who)));
        world.carry("south", &initial).await.unwrap();
        world.carry("east", &other).await.unwrap();
        let published = world.draft(&NAMED, |_| ()).await;
        let at = world.open(&published).await;
        world.sign_all(&published, at).await;
        world.remote("north").await.publish(published.communique).await.unwrap();
        let corrected = world.session("north", Role::Official).await.rectifiable(published.communique).await.unwrap().0;
        let rectification = world.draft(&NAMED, |manifest| manifest.rectifies = Some(corrected)).await;
        let at = world.open(&rectification).await;
        world.sign_all(&rectification, at).await;
        world.remote("north").await.publish(rectification.communique).await.unwrap();
        let later = now().plus(3600);
        let embargoed = world.draft(&NAMED, |manifest| manifest.procedure.embargo = Some(later)).await;
        let at = world.open(&embargoed).await;
        world.sign_all(&embargoed, at).await;
        let host = Host::before(&world).await;
        Self {
            world,
            host,
            open,
            opening,
            before,
            declined,
            draft,
            initial,
            published,
            rectification,
            embargoed,
            grown: AtomicU64::new(0),
        }
    }
    pub async fn south(&self) -> Session {
        self.session("south", Role::Official).await
    }
    pub async fn session(&self, of: &str, role: Role) -> Session {
        self.host.session(of, role).await.unwrap()
    }
    /// A session that keeps what it sees in a new folder.
    pub async fn keeping(&self, of: &str) -> (Session, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (self.again(of, &folder).await.unwrap(), folder)
    }
    /// The next session with what is kept there.
    pub async fn again(&self, of: &str, folder: &TempDir) -> Result<Session, RemoteError> {
        let mut session = self.host.session(of, Role::Official).await?;
        session.keep(Receipts::in_folder(folder.path().join("receipts")).unwrap()).await?;
        Ok(session)
    }
    pub fn past(&self) -> Past {
        Past::of(&self.world)
    }
    /// Asks without lies, which must go well, and with them.
    pub async fn caught<T: Debug>(&self, lies: Lies, ask: impl AsyncFn() -> Result<T, RemoteError>) -> Found {
        self.host.tells_the_truth();
        ask().await.expect("the truth is believed");
        self.told(lies, ask).await
    }
    /// Asks with lies alone.
    pub async fn told<T: Debug>(&self, lies: Lies, ask: impl AsyncFn() -> Result<T, RemoteError>) -> Found {
        self.host.lies(lies);
        let answer = ask().await;
        self.host.tells_the_truth();
        Found::by_client(answer)
    }
    /// Lets the log grow by an entry of West's.
    pub async fn grows(&self) {
        let holder = format!("more{}", self.grown.fetch_add(1, Ordering::Relaxed));
        self.world.grant(&format!("west.{holder}"), self.world.terms("west", &holder)).await;
    }
    /// A new declaration on the draft, signed: an act that can be done again and again.
    pub fn declaration(&self, who: &str) -> String {
        sign(self.world.act(ActKind::Declare, who, &self.draft, None), &key(who))
    }
    /// An act of this holder on this manifest, signed with a key of the host's.
    pub fn forged(&self, kind: ActKind, who: &str, on: &Document<Manifest>, opening: Option<Digest>) -> Statement<Act> {
        Statement::sign(self.world.act(kind, who, on, opening), &crate::past::stranger()).unwrap()
    }
    /// Hands an act in over the host, as a session does.
    pub async fn carries(&self, session: &Session, act: &str) -> Result<u64, RemoteError> {
        session.carry(act, None).await.map(|receipt| receipt.index)
    }
    /// What an archivist of a party that signed nothing downloads.
    pub async fn archived(&self, id: CommuniqueId) -> Vec<u8> {
        let archivist = self.session("west", Role::Archivist).await;
        let mut package = Vec::new();
        archivist.remote().download_package(id, &mut package, &|_| ()).await.unwrap();
        package
    }
}

/// The bytes of a document, with something changed.
pub fn changed<F: Form + Serialize>(bytes: &[u8], change: impl FnOnce(&mut F)) -> Vec<u8> {
    let mut body: F = json::parse(bytes).unwrap();
    change(&mut body);
    json::encode(&body)
}

/// The statement with another signature.
pub fn flipped(compact: &str) -> String {
    let at = compact.len() - 20;
    let other = if compact.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &compact[..at], &compact[at + 1..])
}
