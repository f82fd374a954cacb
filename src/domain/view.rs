//! What a caller gets to see: bytes to be checked by him or her, and the exchange's word where there is no more.

use std::sync::Arc;

use super::{
    act::ActKind,
    id::{CommuniqueId, Digest, PartyId},
    life::State,
    time::Time,
    words::Sought,
};

/// Proof of receipt: where an entry stands in the log, and its bytes. Its digest commits the exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The entry's index in the log.
    pub index: u64,
    /// Its canonical bytes.
    pub entry: Vec<u8>,
    /// That it is in the log, under a signed head: the text of a C2SP tlog-proof. With the answer to what was sent; not with what is
    /// read.
    pub proof: Option<String>,
}

/// A charter, with its adoptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CharterView {
    /// The document's bytes.
    pub charter: Vec<u8>,
    /// Where it was put forward.
    pub receipt: Receipt,
    /// Its adoptions, in log order.
    pub adoptions: Vec<Attested>,
    /// From when on it is or was in force, by log time.
    pub in_force: Option<Time>,
    /// Those whom it lists and who did not adopt it in time.
    pub absent: Vec<PartyId>,
}

/// A statement in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attested {
    /// The statement, compact.
    pub statement: String,
    /// Where it was logged.
    pub receipt: Receipt,
}

/// An act, as far as the caller may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActView {
    /// An act that is open to every party, or the caller's own.
    Shown {
        /// The statement, compact.
        statement: String,
        /// Where it was logged.
        receipt: Receipt,
    },
    /// Another party's signature, in escrow: only that it is there.
    Escrowed {
        /// Whose.
        party: PartyId,
        /// Which act.
        act: ActKind,
        /// On which revision.
        revision: u64,
    },
}

/// One revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevisionView {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The act that proposed it, compact.
    pub propose: String,
    /// Where it was logged.
    pub receipt: Receipt,
}

/// A communiqué as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommuniqueView {
    /// Which.
    pub communique: CommuniqueId,
    /// Its state.
    pub state: State,
    /// The newest revision.
    pub newest: RevisionView,
    /// The `opened` entry of the newest revision, once it is or was open.
    pub opened: Option<Receipt>,
    /// The acts on the newest revision, in log order, without the one that proposed it.
    pub acts: Vec<ActView>,
    /// Whether a party declined the newest revision, so that a new one is needed.
    pub declined: bool,
    /// Whether another charter came into force while it was open, so that a new one is needed.
    pub returned: bool,
    /// Whether texts and annexes were erased.
    pub purged: bool,
}

/// An entry of the log, as far as the caller may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventView {
    /// Its index in the log.
    pub index: u64,
    /// How much of it.
    pub happening: Happening,
}

/// What an event shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// All of it.
    Shown(Arc<Logged>),
    /// Another party's signature, in escrow: only that it is there. The entry itself would name it.
    Escrowed {
        /// On which communiqué.
        communique: CommuniqueId,
        /// Whose.
        party: PartyId,
        /// Which act.
        act: ActKind,
        /// On which revision.
        revision: u64,
    },
}

/// What a stream of events carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchItem {
    /// An entry.
    Event(EventView),
    /// From which index to watch again.
    Heartbeat(u64),
}

/// An entry with what it names. Shared: one reading of the log serves every watcher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// Its canonical bytes.
    pub entry: Vec<u8>,
    /// The bytes of the documents and then of the statements that it names, in its order.
    pub objects: Vec<Vec<u8>>,
}

/// A remark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemarkView {
    /// The document's bytes.
    pub remark: Vec<u8>,
    /// Where it was logged.
    pub receipt: Receipt,
}

/// Which communiqués of those that name the caller's party.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListFilter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only those that name this party too.
    pub party: Option<PartyId>,
    /// Only those where an act of the caller's party is awaited.
    pub awaiting: bool,
    /// Only those whose title, in any language, holds these words, whatever their case.
    pub text: Option<Sought>,
}

/// A row of the list of communiqués.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Which.
    pub communique: CommuniqueId,
    /// Its state.
    pub state: State,
    /// The newest revision's number.
    pub revision: u64,
    /// The newest manifest's bytes.
    pub manifest: Vec<u8>,
    /// The newest manifest's deadline.
    pub deadline: Option<Time>,
    /// The acts of the caller's party that would bring it on and that it could do now.
    pub awaited: Vec<ActKind>,
}

/// Full powers in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PowersView {
    /// The statement, compact.
    pub statement: String,
    /// Where it was logged.
    pub receipt: Receipt,
    /// Its end, if it was revoked.
    pub revocation: Option<Attested>,
}

/// A published communiqué.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicationView {
    /// Which.
    pub communique: CommuniqueId,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// When the `published` entry was logged.
    pub published: Time,
    /// The `published` entry.
    pub receipt: Receipt,
    /// The package's digest and size in bytes.
    pub package: (Digest, u64),
    /// The newest published rectification of it.
    pub rectified_by: Option<CommuniqueId>,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where to go on, empty at the end: in the exchange the last row's key, on the wire and at the client the opaque token.
    pub next: String,
}
