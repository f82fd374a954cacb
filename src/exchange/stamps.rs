//! Time stamps of what is published (RFC 3161): which are wanted, and which answers are kept. Whoever asks an authority does it in
//! a task of its own; nothing here waits for one.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{Exchange, ports::ListingQuery};
use crate::{
    domain::{id::CommuniqueId, life::State, message::Tell, refusal::Refusal, time::Time},
    package::stamp::Question,
};

/// How many wait at most in memory; more are found at a later look.
const WAITING_LIMIT: usize = 4096;
/// How many communiqués are read at a time.
const AT_ONCE: usize = 256;
/// How often all that is published is looked at, in seconds: for what another process published, and what did not fit.
const WHOLE_LOOK: i64 = 600;

/// What waits for a stamp. It can be lost at any time: the list and the stamps tell the same again. Nothing waits until somebody
/// asks what does.
#[derive(Default)]
pub(super) struct Stamps(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Those that failed the fewest times first; of these the newest by id, which begins with the time of creation.
    waiting: BTreeSet<(u32, Reverse<CommuniqueId>)>,
    /// When all were looked at last.
    looked: Option<Time>,
    /// Some did not fit.
    more: bool,
}

impl Known {
    fn add(&mut self, id: CommuniqueId, failures: u32) {
        self.waiting.insert((failures, Reverse(id)));
        if self.waiting.len() > WAITING_LIMIT {
            self.waiting.pop_last();
            self.more = true;
        }
    }
    fn drop(&mut self, id: CommuniqueId) -> u32 {
        let found = self.waiting.iter().find(|(_, waiting)| waiting.0 == id).copied();
        found.map_or(0, |found| {
            self.waiting.remove(&found);
            found.0
        })
    }
    /// Whether all are to be looked at again. A clock that was set back would hold it up.
    fn is_due(&self, now: Time) -> bool {
        let exhausted = self.more && self.waiting.is_empty();
        exhausted || self.looked.is_none_or(|at| now > at.plus(WHOLE_LOOK) || now < at)
    }
}

impl Stamps {
    fn known<T>(&self, of: impl FnOnce(&mut Known) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// This was published.
    pub(super) fn wants(&self, id: CommuniqueId) {
        self.known(|known| {
            if known.looked.is_some() {
                known.add(id, 0);
            }
        });
    }
}

/// What is to be stamped next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToStamp {
    communique: CommuniqueId,
    question: Question,
}

impl ToStamp {
    /// Whose `published` entry it is.
    #[must_use]
    pub fn communique(&self) -> CommuniqueId {
        self.communique
    }
    /// The TimeStampReq.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        self.question.request()
    }
}

impl Exchange {
    /// The next `published` entry that no authority has stamped yet, whenever it was published, with a new question; `None` for none.
    /// The same again, until [`Exchange::keep_stamp`] or [`Exchange::put_off_stamp`].
    ///
    /// # Errors
    /// [`Refusal::StoreFailed`]; what keeps this one from being asked for, which is then put off.
    pub async fn to_stamp(&self) -> Result<Option<ToStamp>, Refusal> {
        let now = self.machine.now();
        if self.stamps.known(|known| known.is_due(now)) {
            self.look_for_unstamped(now).await?;
        }
        let next = || self.stamps.known(|known| known.waiting.first().map(|(_, id)| id.0));
        while let Some(id) = next() {
            if self.content.unstamped(vec![id]).await?.is_empty() {
                self.stamps.known(|known| known.drop(id));
                continue;
            }
            let published = match self.folds.life(&*self.store, id).await {
                Ok(life) => life.published(),
                Err(refusal) => {
                    self.put_off_stamp(id);
                    return Err(refusal);
                }
            };
            let Some(published) = published else {
                self.stamps.known(|known| known.drop(id));
                continue;
            };
            let [a, b, c, d, e, f, g, h, ..] = self.machine.random();
            let question = Question::new(published.entry, [a, b, c, d, e, f, g, h]);
            return Ok(Some(ToStamp { communique: id, question }));
        }
        Ok(None)
    }
    /// Keeps what an authority answered, if it is an answer to this: from now on packages show it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is none; [`Refusal::StoreFailed`].
    pub async fn keep_stamp(&self, asked: &ToStamp, answer: Vec<u8>) -> Result<(), Refusal> {
        asked.question.check(&answer).map_err(|no| Refusal::malformed("time stamp", no.message()))?;
        self.content.keep_stamp(asked.communique, answer).await?;
        self.stamps.known(|known| known.drop(asked.communique));
        Ok(())
    }
    /// Asks for this one after the others the next time, so that one that fails holds up no other.
    pub fn put_off_stamp(&self, id: CommuniqueId) {
        self.stamps.known(|known| {
            let failures = known.drop(id);
            known.add(id, failures.saturating_add(1));
        });
    }

    /// Looks at all that is published.
    async fn look_for_unstamped(&self, now: Time) -> Result<(), Refusal> {
        // What is published meanwhile is wanted from here on.
        let before = self.stamps.known(|known| {
            known.more = false;
            known.looked.replace(now)
        });
        let looked = async {
            let mut after = None;
            loop {
                let query = ListingQuery { state: Some(State::Published), after, limit: AT_ONCE, ..Default::default() };
                let page: Vec<_> = self.store.listings(query).await?.into_iter().map(|row| row.communique).collect();
                let last = page.len() < AT_ONCE;
                after = page.last().copied();
                let unstamped = self.content.unstamped(page).await?;
                self.stamps.known(|known| {
                    for id in unstamped {
                        let failures = known.drop(id);
                        known.add(id, failures);
                    }
                });
                if last {
                    return Ok(());
                }
            }
        };
        let looked: Result<(), Refusal> = looked.await;
        if looked.is_err() {
            self.stamps.known(|known| known.looked = before);
        }
        looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> CommuniqueId {
        CommuniqueId::new(n, &[0; 10])
    }

    #[test]
    fn the_newest_waits_first_and_what_failed_behind_the_others() {
        let mut known = Known::default();
        (1..=3).for_each(|n| known.add(id(n), 0));
        let failures = known.drop(id(3));
        known.add(id(3), failures + 1);
        assert_eq!(
            known.waiting.iter().map(|(n, id)| (*n, id.0)).collect::<Vec<_>>(),
            [(0, id(2)), (0, id(1)), (1, id(3))]
        );
        assert_eq!((known.drop(id(3)), known.drop(id(3))), (1, 0));
    }

    #[test]
    fn what_waits_is_bounded_and_the_rest_is_found_again() {
        let stamps = Stamps::default();
        stamps.wants(id(1));
        assert_eq!(stamps.known(|known| known.waiting.len()), 0, "nobody asks");
        let noon = Time::from_unix(43_200);
        assert!(stamps.known(|known| known.is_due(noon)));
        stamps.known(|known| known.looked = Some(noon));
        (1..=WAITING_LIMIT as u64 + 1).for_each(|n| stamps.wants(id(n)));
        stamps.known(|known| {
            assert_eq!(known.waiting.len(), WAITING_LIMIT);
            assert_eq!(known.waiting.last(), Some(&(0, Reverse(id(2)))), "the oldest");
            assert!(!known.is_due(noon) && !known.is_due(noon.plus(WHOLE_LOOK)));
            assert!(known.is_due(noon.plus(WHOLE_LOOK + 1)) && known.is_due(noon.plus(-1)));
            known.waiting.clear();
            assert!(known.is_due(noon));
        });
    }
}
