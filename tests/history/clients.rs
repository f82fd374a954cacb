//! Who acts: on what each has read, which others may have changed meanwhile, at the one exchange or the other.

use std::{
    io::Cursor,
    sync::Arc,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use communique::{
    client::remote::{Remote, RemoteError},
    domain::{
        act::ActKind,
        document::Document,
        id::{CommuniqueId, Digest},
        life::State,
        manifest::Manifest,
        view::Receipt,
    },
    log::{proof::Proof, tree::Hash},
};
use tokio::time::{sleep, timeout};

use crate::{
    chance::Chance,
    replicas::Both,
    world::{fresh, key, sign},
};

pub const CLIENTS: u64 = 12;
/// Communiqués that are drafted and acted on at once: few, so that many act on the same one.
const AT_ONCE: usize = 8;
/// Longer than any answer takes: who waits so long asks another.
const SILENCE: Duration = Duration::from_secs(15);

/// What all clients know.
pub struct Shared {
    left: AtomicU64,
    drafts: Mutex<Vec<CommuniqueId>>,
    pub unknown: AtomicU64,
}

impl Shared {
    pub fn new(ops: u64) -> Self {
        Self { left: AtomicU64::new(ops), drafts: Mutex::default(), unknown: AtomicU64::new(0) }
    }
    /// Nothing more is begun.
    pub fn stop(&self) {
        self.left.store(0, Ordering::Relaxed);
    }
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
    /// Waits until so many more operations were begun; false if none are left before.
    pub async fn after(&self, operations: u64) -> bool {
        let until = self.left.load(Ordering::Relaxed).saturating_sub(operations);
        while self.left.load(Ordering::Relaxed) > until {
            sleep(Duration::from_millis(20)).await;
        }
        until > 0
    }
    fn takes_one(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
    fn some(&self, chance: &mut Chance) -> Option<CommuniqueId> {
        let drafts = self.drafts.lock().unwrap();
        let n = drafts.len() as u64;
        (n > 0).then(|| drafts[usize::try_from(chance.below(n)).unwrap()])
    }
    fn begun(&self, id: CommuniqueId) {
        self.drafts.lock().unwrap().push(id);
    }
    fn ended(&self, id: CommuniqueId) {
        self.drafts.lock().unwrap().retain(|draft| *draft != id);
    }
}

/// What the clients were told.
#[derive(Default)]
pub struct Record {
    /// Acts with their entries' indices and digests, as acknowledged.
    pub acknowledged: Vec<(Digest, u64, Digest)>,
    pub refused: u64,
    pub heads: Vec<(u64, Hash)>,
}

impl Record {
    pub fn join(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.refused += other.refused;
        self.heads.extend(other.heads);
    }
    fn keep(&mut self, act: &str, receipt: &Receipt) {
        let proof = Proof::parse(receipt.proof.as_deref().unwrap_or_default().as_bytes()).unwrap();
        let head = proof.checkpoint().claims();
        self.heads.push((head.size(), head.root()));
        self.acknowledged.push((Digest::of(act.as_bytes()), receipt.index, Digest::of(&receipt.entry)));
    }
}

/// A client, with its connections.
struct Client {
    replicas: Both,
    shared: Arc<Shared>,
    of: &'static str,
    remotes: [Option<Remote>; 2],
    record: Record,
}

pub async fn work(replicas: Both, shared: Arc<Shared>, n: u64, mut chance: Chance) -> Record {
    let of = ["east", "south", "north"][usize::try_from(n % 3).unwrap()];
    let mut client = Client::new(replicas, shared.clone(), of);
    while shared.takes_one() {
        client.one(&mut chance).await;
    }
    client.record
}

/// Carries one communiqué to its end: within few operations chance alone may complete none.
pub async fn complete(replicas: Both, shared: Arc<Shared>, mut chance: Chance) -> Record {
    let mut clients = ["north", "south", "east"].map(|of| Client::new(replicas.clone(), shared.clone(), of));
    clients[0].draft(&mut chance).await;
    let id = *shared.drafts.lock().unwrap().last().unwrap();
    for kind in [ActKind::Initial, ActKind::Sign] {
        for client in &mut clients {
            // As many as any party's quorum asks for; one too many is refused.
            for holder in ["a", "b"] {
                let view = client.ask(0, async |remote| remote.communique(id).await).await.unwrap();
                let manifest = Document::<Manifest>::parse(view.newest.manifest).unwrap();
                let opening = view.opened.as_ref().map(|opened| Digest::of(&opened.entry));
                let who = format!("{}.{holder}", client.of);
                client.act(kind, &who, &manifest, opening.filter(|_| kind == ActKind::Sign), &mut chance).await;
            }
        }
    }
    let mut record = Record::default();
    clients.into_iter().for_each(|client| record.join(client.record));
    record
}

impl Client {
    fn new(replicas: Both, shared: Arc<Shared>, of: &'static str) -> Self {
        Self { replicas, shared, of, remotes: [None, None], record: Record::default() }
    }
    async fn one(&mut self, chance: &mut Chance) {
        let few = self.shared.drafts.lock().unwrap().len() < AT_ONCE;
        let Some(id) = self.shared.some(chance).filter(|_| !few) else { return self.draft(chance).await };
        let at = usize::try_from(chance.below(2)).unwrap();
        let Some(view) = self.ask(at, async |remote| remote.communique(id).await).await else { return };
        let manifest = Document::<Manifest>::parse(view.newest.manifest.clone()).unwrap();
        let opening = view.opened.as_ref().map(|opened| Digest::of(&opened.entry));
        // Others act meanwhile.
        sleep(Duration::from_millis(chance.below(5))).await;
        let who = format!("{}.{}", self.of, ["a", "b"][usize::try_from(chance.below(2)).unwrap()]);
        match view.state {
            State::Open => match chance.below(20) {
                // Nobody signs all of them: some stay in escrow.
                0 => self.act(ActKind::Decline, &who, &manifest, opening, chance).await,
                _ => self.act(ActKind::Sign, &who, &manifest, opening, chance).await,
            },
            State::Drafting => match chance.below(8) {
                0 => {
                    let text = format!("Texte d'essai {}.\n", chance.below(u64::MAX));
                    self.propose(&self.replicas.world.next(&manifest, &text), &text, chance).await;
                }
                1 => self.act(ActKind::Object, &who, &manifest, None, chance).await,
                _ => self.act(ActKind::Initial, &who, &manifest, None, chance).await,
            },
            _ => self.shared.ended(id),
        }
        if chance.below(60) == 0 {
            self.shared.ended(id);
        }
    }

    async fn draft(&mut self, chance: &mut Chance) {
        let (id, text) = (fresh(), "Texte d'essai.\n");
        let parties = ["north", "south", "east"];
        let mut parties: Vec<_> = parties.into_iter().filter(|of| *of != self.of).collect();
        parties.insert(0, self.of);
        let manifest = self.replicas.world.manifest(id, &parties, text);
        self.shared.begun(id);
        self.propose(&manifest, text, chance).await;
    }
    async fn propose(&mut self, manifest: &Manifest, text: &str, chance: &mut Chance) {
        let who = format!("{}.a", self.of);
        let manifest = Document::of(manifest).unwrap();
        let act = sign(self.replicas.world.act(ActKind::Propose, &who, &manifest, None), &key(&who));
        let (id, digest, size) = (manifest.communique, Digest::of(text.as_bytes()), text.len() as u64);
        let at = usize::try_from(chance.below(2)).unwrap();
        let uploaded = self
            .ask(at, async |remote| {
                let source = Cursor::new(text.as_bytes().to_vec());
                remote.upload(id, digest, size, source, |_| ()).await
            })
            .await;
        if uploaded.is_some() {
            self.hand_in(&act, Some(&manifest), chance).await;
        }
    }
    async fn act(
        &mut self,
        kind: ActKind,
        who: &str,
        manifest: &Document<Manifest>,
        opening: Option<Digest>,
        chance: &mut Chance,
    ) {
        let act = sign(self.replicas.world.act(kind, who, manifest, opening), &key(who));
        self.hand_in(&act, None, chance).await;
    }
    /// Hands in an act, here and there, until it is known what became of it.
    async fn hand_in(&mut self, act: &str, proposed: Option<&Document<Manifest>>, chance: &mut Chance) {
        let mut at = usize::try_from(chance.below(2)).unwrap();
        loop {
            let Some(remote) = self.remote(at).await else {
                at = 1 - at;
                continue;
            };
            let carried = timeout(SILENCE, async {
                match proposed {
                    Some(manifest) => remote.propose(manifest.bytes(), act).await,
                    None => remote.act(act).await,
                }
            });
            match carried.await {
                Ok(Ok(receipt)) => return self.record.keep(act, &receipt),
                Ok(Err(RemoteError::Refused { reason, .. })) if !is_passing(&reason) => {
                    self.record.refused += 1;
                    return;
                }
                // It may be in; the same bytes find out.
                _ => {
                    self.shared.unknown.fetch_add(1, Ordering::Relaxed);
                    self.remotes[at] = None;
                    at = 1 - at;
                }
            }
        }
    }
    /// Asks, here or there; nothing if it was refused.
    async fn ask<T>(&mut self, mut at: usize, ask: impl AsyncFn(&Remote) -> Result<T, RemoteError>) -> Option<T> {
        loop {
            let Some(remote) = self.remote(at).await else {
                at = 1 - at;
                continue;
            };
            match timeout(SILENCE, ask(&remote)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(RemoteError::Refused { reason, .. })) if !is_passing(&reason) => {
                    self.record.refused += 1;
                    return None;
                }
                _ => {
                    self.remotes[at] = None;
                    at = 1 - at;
                }
            }
        }
    }
    async fn remote(&mut self, at: usize) -> Option<Remote> {
        if self.remotes[at].is_none() {
            self.remotes[at] = self.replicas.remote(self.of, at).await;
            if self.remotes[at].is_none() {
                sleep(Duration::from_millis(50)).await;
            }
        }
        self.remotes[at].clone()
    }
}

/// Whether it may go when it is asked again.
fn is_passing(reason: &str) -> bool {
    ["STORE_FAILED", "OUTCOME_UNKNOWN", "BUSY", "DEADLINE_EXCEEDED", "DRAINING", "CLOCK_SUSPECT"].contains(&reason)
}
