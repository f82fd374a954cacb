//! What this process knows to be kept for good, and so must find in every database that is offered to it as its own.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::Client;

use super::connection::{Fault, integer};
use crate::{domain::id::Digest, log::tree::Edge};

/// An entry of the log, as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) digest: Digest,
}

/// The last entry that a clean commit of this process covers. All before it are covered with it.
#[derive(Default)]
pub(super) struct Known(Mutex<Covered>);

#[derive(Default)]
struct Covered {
    last: Option<Place>,
    /// The tree that our own last commit left.
    edge: Option<Edge>,
}

impl Known {
    pub(super) fn last(&self) -> Option<Place> {
        self.covered(|covered| covered.last)
    }
    /// Whether an entry of this index is covered.
    pub(super) fn covers(&self, index: u64) -> bool {
        self.last().is_some_and(|last| index <= last.index)
    }
    /// A clean commit covers this entry.
    pub(super) fn learn(&self, place: Place) {
        self.covered(|covered| {
            if covered.last.is_none_or(|last| last.index < place.index) {
                covered.last = Some(place);
            }
        });
    }
    /// The tree that our own last commit left.
    pub(super) fn edge(&self) -> Option<Edge> {
        self.covered(|covered| covered.edge.clone())
    }
    pub(super) fn left(&self, edge: Edge) {
        self.covered(|covered| covered.edge = Some(edge));
    }
    fn covered<T>(&self, of: impl FnOnce(&mut Covered) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Refuses a database that does not hold what was covered: a standby that was behind when it was put in the primary's place, or
    /// an old copy.
    pub(super) async fn check(&self, db: &Client) -> Result<(), Fault> {
        let Some(last) = self.last() else { return Ok(()) };
        let row = db.query_opt("SELECT digest FROM entries WHERE idx = $1", &[&integer(last.index)]).await?;
        let found = row.map(|row| row.try_get::<_, Vec<u8>>(0)).transpose()?;
        if found.as_deref() == Some(&last.digest.as_bytes()[..]) {
            Ok(())
        } else {
            Err(Fault::Damaged("it has lost what it had acknowledged, or is another one"))
        }
    }
}
