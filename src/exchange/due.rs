//! What time and succession make due, and what is to be erased: the exchange does it by itself, also when nobody calls.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{Exchange, append::Plan, load::in_force, ports::ListingQuery};
use crate::{
    domain::{
        entry::{Position, StreamId},
        id::CommuniqueId,
        life::{Life, State},
        refusal::Refusal,
        succession::Standing,
        time::Time,
    },
    msg,
};

/// How often one thing is settled again when somebody was quicker, before it is left for the next look.
const ATTEMPTS: usize = 24;
/// How many communiqués are read at a time.
const AT_ONCE: usize = 256;
/// How often every open communiqué is looked at, in seconds: for deadlines that another process let run.
const WHOLE_LOOK: i64 = 600;

/// What is known of what will be due. It can be lost at any time: the log tells the same again.
#[derive(Default)]
pub(super) struct Due(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Deadlines of open communiqués, and some of such as are open no more.
    deadlines: BTreeSet<(Time, CommuniqueId)>,
    /// What is to be looked at, and stays here until that has gone well.
    wanted: BTreeSet<CommuniqueId>,
    /// The charter's version at the last look at every open communiqué, and its time.
    looked: Option<(u64, Time)>,
    /// Whether it was looked for what is to be erased since this process began.
    erased: bool,
}

impl Known {
    /// Wants to be looked at what has passed its deadline.
    fn pass(&mut self, now: Time) {
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(deadline, _)| now > *deadline) {
            self.deadlines.pop_first();
            self.wanted.insert(id);
        }
    }
}

impl Due {
    fn known<T>(&self, of: impl FnOnce(&mut Known) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// A deadline runs from now on.
    pub(super) fn runs(&self, deadline: Option<(Time, CommuniqueId)>) {
        self.known(|known| known.deadlines.extend(deadline));
    }
    /// This communiqué is to be looked at.
    pub(super) fn wants(&self, id: CommuniqueId) {
        self.known(|known| known.wanted.insert(id));
    }
}

impl Exchange {
    /// Does what time, succession and the parties have made due: communiqués lapse after their deadlines, and return to
    /// drafting under a new charter; what was purged is erased. To be asked again every second.
    ///
    /// # Errors
    /// What keeps the log from growing; otherwise what kept one communiqué from it, after all others were looked at. What was
    /// not done is due the next time.
    pub async fn settle(&self) -> Result<(), Refusal> {
        let now = self.machine.now();
        let version = self.standing(now).await?.charter().version;
        let before = self.due.known(|known| known.looked);
        if before.is_none_or(|(of, _)| of != version) {
            self.trust_changed.send_modify(|epoch| *epoch += 1);
        }
        // A clock that was set back would hold up the next look.
        if before.is_none_or(|(of, at)| of != version || now > at.plus(WHOLE_LOOK) || now < at) {
            let all = self.all_in(State::Open).await?;
            self.due.known(|known| {
                known.wanted.extend(all);
                known.looked = Some((version, now));
            });
        }
        let mut failed = None;
        if !self.due.known(|known| known.erased) {
            match self.unerased().await {
                Ok(all) => self.due.known(|known| {
                    known.wanted.extend(all);
                    known.erased = true;
                }),
                // Content that cannot be read keeps nothing from lapsing.
                Err(refusal) => failed = Some(refusal),
            }
        }
        let wanted = self.due.known(|known| {
            known.pass(now);
            known.wanted.clone()
        });
        for id in wanted {
            match self.settle_one(id).await {
                Ok(()) => {}
                // No other would fare better.
                Err(
                    all @ (Refusal::StoreFull
                    | Refusal::StoreFailed
                    | Refusal::ClockSuspect { .. }
                    | Refusal::OutcomeUnknown),
                ) => {
                    return Err(all);
                }
                Err(one) => failed = failed.or(Some(one)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Every communiqué that is in this state now.
    async fn all_in(&self, state: State) -> Result<Vec<CommuniqueId>, Refusal> {
        let mut all: Vec<CommuniqueId> = Vec::new();
        loop {
            let after = all.last().copied();
            let query = ListingQuery { state: Some(state), after, limit: AT_ONCE, ..Default::default() };
            let page = self.store.listings(query).await?;
            let last = page.len() < AT_ONCE;
            all.extend(page.into_iter().map(|listing| listing.communique));
            if last {
                return Ok(all);
            }
        }
    }

    /// What was purged, and has texts or annexes all the same: a crash or a failure came between.
    async fn unerased(&self) -> Result<Vec<CommuniqueId>, Refusal> {
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let page = self.store.purged(from, AT_ONCE).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            from = last + 1;
            all.extend(self.content.uploaded_for(page.into_iter().map(|(_, id)| id).collect()).await?);
        }
    }

    /// Logs what has become due of this communiqué, if anything has, and erases its texts and annexes if that was asked:
    /// also again, where a crash or a failure came between.
    pub(super) async fn settle_one(&self, id: CommuniqueId) -> Result<(), Refusal> {
        for _ in 0..ATTEMPTS {
            let now = self.machine.now();
            let charters = self.folds.charters(&*self.store).await?;
            let life = self.folds.life(&*self.store, id).await?;
            let standing = in_force(&charters, now)?;
            if let Some(plan) = self.due((id, &life), (&standing, charters.position()), now)? {
                self.land(plan).await?;
                continue;
            }
            // Why not, the store has told the operator; it is tried again at the next look.
            let erased = life.purged().is_none() || self.content.purge(id).await.is_ok();
            self.due.known(|known| {
                if erased {
                    known.wanted.remove(&id);
                }
                known.deadlines.extend(life.deadline().map(|deadline| (deadline, id)));
            });
            return Ok(());
        }
        Err(Refusal::Busy { what: msg!("too many act on this at once") })
    }

    /// What has become due of this communiqué, to be appended before anything else.
    pub(super) fn due(
        &self,
        (id, life): (CommuniqueId, &Life),
        (standing, charters): (&Standing, Position),
        now: Time,
    ) -> Result<Option<Plan>, Refusal> {
        let Some(step) = life.due(standing, now) else { return Ok(None) };
        let mut plan = Plan::new(now, [(StreamId::Exchange, charters)]);
        plan.carry_on(&*self.machine, (id, life), vec![step], None, None)?;
        Ok(Some(plan))
    }
}
