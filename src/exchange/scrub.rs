//! The check of everything, beside the calls: so that damage is found while there are still copies that mend it.

use super::{
    Exchange,
    fsck::{Report, Scope, unless_away},
};
use crate::log::checkpoint::Head;

impl Exchange {
    /// One pass over log and content, of so many mebibytes a second at most, and more slowly beside many calls. It reads alone, and may be
    /// dropped at any time. Each fault is told to the operator's log and to the metrics as it is found.
    ///
    /// What is found stops nothing by itself: no append goes on from a damaged row, what is damaged is not read as if it were whole, and all
    /// else is as good as before.
    ///
    /// None if log or content went away meanwhile, so that nothing of it could be read: then nothing is known of it, and the pass is to be
    /// begun again.
    pub async fn scrub(&self, mib_per_second: u64) -> Option<Report> {
        let head = self.last_head().await.map(Head::into_unverified);
        let scope = Scope { head, mib_per_second, beside: Some(self.metrics.clone()) };
        let report = unless_away(self.store.clone(), self.content.clone(), scope).await?;
        self.metrics.scrub_ended(report.faults.count());
        Some(report)
    }
}
