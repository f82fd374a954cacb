//! What cannot be read beside an exchange: damage, if anything else can be read; and if nothing can, a store that is away, of which
//! nothing is known.

use std::{
    future::{Future, pending},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{Check, Report, Scope};
use crate::{
    domain::id::Digest,
    exchange::ports::{Content, ListingQuery, ReadFailed, Store},
};

/// How often what could not be read is read again, if all else can be: the store may have been away just then.
const AGAIN: usize = 2;

/// The same as [`super::fsck()`], of a store that may go away meanwhile, as a database on another machine does. Then there is no report: what
/// was not read is neither sound nor damaged.
pub async fn unless_away(store: Arc<dyn Store>, content: Arc<dyn Content>, scope: Scope) -> Option<Report> {
    let away = Arc::new(Notify::new());
    let check = Check { away: Some(away.clone()), ..Check::new(store, content, &scope) };
    tokio::select! {
        report = check.run(scope.head) => Some(report),
        () = away.notified() => None,
    }
}

impl Check {
    /// Reads the log.
    pub(super) async fn log<T, F>(&self, read: impl Fn() -> F + Send + Sync) -> Result<T, ReadFailed>
    where
        F: Future<Output = Result<T, ReadFailed>> + Send,
        T: Send,
    {
        let there = || async {
            // Of rows and tables apart, so that no one damaged thing passes for a log that is away.
            self.store.tree().await.is_ok()
                || self.store.digests(0, 1).await.is_ok()
                || self.store.cosignatures().await.is_ok()
                || self.store.listings(ListingQuery { limit: 1, ..ListingQuery::default() }).await.is_ok()
        };
        self.read(read, there).await
    }

    /// Reads content.
    pub(super) async fn kept<T, F>(&self, read: impl Fn() -> F + Send + Sync) -> Result<T, ReadFailed>
    where
        F: Future<Output = Result<T, ReadFailed>> + Send,
        T: Send,
    {
        let nothing = Digest::of(b"");
        let there = || async move {
            self.content.sealed(None, 1).await.is_ok()
                || self.content.seals(nothing).await.is_ok()
                || self.content.read(nothing, 0, 1).await.is_ok()
        };
        self.read(read, there).await
    }

    async fn read<T, F, G>(&self, read: impl Fn() -> F, there: impl Fn() -> G) -> Result<T, ReadFailed>
    where
        F: Future<Output = Result<T, ReadFailed>>,
        G: Future<Output = bool>,
    {
        let mut found = read().await;
        let Some(away) = &self.away else { return found };
        for _ in 0..AGAIN {
            if found.is_ok() {
                break;
            }
            if !there().await {
                away.notify_one();
                // Whoever waits for the check drops it here, before it says anything of what it could not read.
                return pending().await;
            }
            found = read().await;
        }
        found
    }
}
