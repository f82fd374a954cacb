//! Clients that act at once: each drafts for itself, and sends one thing after another, upload, proposal, two initials.

use std::{
    io::Cursor,
    sync::{Mutex, PoisonError},
};

use communique::{
    client::remote::RemoteError,
    domain::{
        act::ActKind,
        document::Document,
        id::{CommuniqueId, Digest},
        manifest::Manifest,
        view::Receipt,
    },
};
use futures_util::future::join_all;

use crate::{
    exchange::Sessions,
    ledger::Ledger,
    world::{World, fresh, key, reason, sign},
};

/// Something that is sent, and sent again as it is.
#[derive(Clone)]
enum Sent {
    Upload { of: &'static str, id: CommuniqueId, text: String },
    Proposal { of: &'static str, manifest: Document<Manifest>, act: String },
    Act { of: &'static str, act: String },
}

impl Sent {
    async fn send(&self, sessions: &Sessions) -> Result<Option<Receipt>, RemoteError> {
        match self {
            Self::Upload { of, id, text } => {
                let (digest, size) = (Digest::of(text.as_bytes()), text.len() as u64);
                let source = Cursor::new(text.clone().into_bytes());
                sessions[of].remote().upload(*id, digest, size, source, |_| ()).await.map(|()| None)
            }
            Self::Proposal { of, manifest, act } => sessions[of].carry(act, Some(manifest)).await.map(Some),
            Self::Act { of, act } => sessions[of].carry(act, None).await.map(Some),
        }
    }
    fn acknowledged(self, receipt: Option<Receipt>, ledger: &mut Ledger) {
        match (self, receipt) {
            (Self::Upload { of, id, text }, _) => ledger.upload(of, id, Digest::of(text.as_bytes())),
            (Self::Proposal { act, .. } | Self::Act { act, .. }, Some(receipt)) => ledger.act(&act, &receipt),
            _ => unreachable!("acts have receipts"),
        }
    }
}

/// The clients: of each, what it has sent and had no answer to.
pub struct Clients {
    unanswered: Vec<Mutex<Option<Sent>>>,
    ledger: Mutex<Ledger>,
}

impl Clients {
    pub fn new(clients: usize) -> Self {
        Self { unanswered: (0..clients).map(|_| Mutex::default()).collect(), ledger: Mutex::default() }
    }
    pub fn ledger(&mut self) -> &mut Ledger {
        self.ledger.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
    /// How many wait for an answer.
    pub fn unanswered(&self) -> usize {
        self.unanswered.iter().filter(|slot| slot.lock().unwrap().is_some()).count()
    }

    /// Lets each draft so many communiqués; a client that is refused, or that has no answer, ends. Answers why each of these ended.
    pub async fn act(&self, world: &World, sessions: &Sessions, drafts: usize) -> Vec<String> {
        let clients = self.unanswered.iter().map(|slot| async move {
            for _ in 0..drafts {
                for sent in draft(world) {
                    if let Err(error) = self.send(slot, sent, sessions).await {
                        return Some(reason::<()>(&Err(error)));
                    }
                }
            }
            None
        });
        join_all(clients).await.into_iter().flatten().collect()
    }
    /// Sends everything again that had no answer, the same bytes: now each is answered.
    pub async fn settle(&self, sessions: &Sessions) {
        for slot in &self.unanswered {
            let sent = slot.lock().unwrap().clone();
            if let Some(sent) = sent {
                let settled = self.send(slot, sent, sessions).await;
                assert!(settled.is_ok(), "what had no answer is refused now: {}", settled.unwrap_err());
            }
        }
    }
    async fn send(&self, slot: &Mutex<Option<Sent>>, sent: Sent, sessions: &Sessions) -> Result<(), RemoteError> {
        *slot.lock().unwrap() = Some(sent.clone());
        let receipt = sent.send(sessions).await?;
        *slot.lock().unwrap() = None;
        sent.acknowledged(receipt, &mut self.ledger.lock().unwrap());
        Ok(())
    }
}

/// Everything that one communiqué needs until it is open, signed.
fn draft(world: &World) -> Vec<Sent> {
    let (id, of) = (fresh(), "east");
    let text = format!("Texte d'essai {id}.\n");
    let manifest = Document::of(&world.manifest(id, &["east", "south"], &text)).unwrap();
    let act = |kind, of: &str| {
        let who = format!("{of}.a");
        sign(world.act(kind, &who, &manifest, None), &key(&who))
    };
    let (propose, initials) = (act(ActKind::Propose, of), ["east", "south"].map(|of| (of, act(ActKind::Initial, of))));
    let initials = initials.into_iter().map(|(of, act)| Sent::Act { of, act });
    [Sent::Upload { of, id, text }, Sent::Proposal { of, manifest, act: propose }].into_iter().chain(initials).collect()
}
