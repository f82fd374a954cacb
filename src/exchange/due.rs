//! What time and succession make due: the exchange logs it by itself, also when nobody calls.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{Exchange, append::Plan, load::in_force, ports::ListingQuery};
use crate::domain::{
    entry::StreamId,
    id::CommuniqueId,
    life::{Life, State},
    refusal::Refusal,
    succession::Charters,
    time::Time,
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
    /// The charter's version at the last look at every open communiqué, and its time.
    looked: Option<(u64, Time)>,
}

impl Due {
    fn known<T>(&self, of: impl FnOnce(&mut Known) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// A deadline runs from now on.
    pub(super) fn runs(&self, deadline: Option<(Time, CommuniqueId)>) {
        self.known(|known| known.deadlines.extend(deadline));
    }
}

impl Exchange {
    /// Logs what time and succession have made due: communiqués lapse after their deadlines, and return to drafting under a
    /// new charter. To be asked again every second.
    ///
    /// # Errors
    /// What keeps the log from growing; what was not done is due the next time.
    pub async fn settle(&self) -> Result<(), Refusal> {
        let now = self.machine.now();
        let version = self.standing(now).await?.charter().version;
        let before = self.due.known(|known| known.looked);
        if before.is_none_or(|(of, _)| of != version) {
            self.trust_changed.send_modify(|epoch| *epoch += 1);
        }
        if before.is_none_or(|(of, at)| of != version || now > at.plus(WHOLE_LOOK)) {
            for id in self.all_in(State::Open).await? {
                let deadline = self.settle_one(id).await?;
                self.due.runs(deadline.map(|deadline| (deadline, id)));
            }
            if before.is_none() {
                for id in self.all_in(State::Withdrawn).await?.into_iter().chain(self.all_in(State::Lapsed).await?) {
                    self.purge(id).await?;
                }
            }
            self.due.known(|known| known.looked = Some((version, now)));
        }
        let first = || self.due.known(|known| known.deadlines.first().copied().filter(|(deadline, _)| now > *deadline));
        while let Some((deadline, id)) = first() {
            self.settle_one(id).await?;
            self.due.known(|known| known.deadlines.remove(&(deadline, id)));
        }
        Ok(())
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

    /// Logs what has become due of this communiqué, if anything has; answers the deadline that runs for it then.
    async fn settle_one(&self, id: CommuniqueId) -> Result<Option<Time>, Refusal> {
        for _ in 0..ATTEMPTS {
            let now = self.machine.now();
            let charters = self.folds.charters(&*self.store).await?;
            let life = self.folds.life(&*self.store, id).await?;
            match self.due(id, &life, &charters, now)? {
                Some(plan) => self.land(plan).await?,
                None => return Ok(life.deadline()),
            };
        }
        Err(Refusal::Busy { what: "too many act on this at once".into() })
    }

    /// What has become due of this communiqué, to be appended before anything else.
    pub(super) fn due(
        &self,
        id: CommuniqueId,
        life: &Life,
        charters: &Charters,
        now: Time,
    ) -> Result<Option<Plan>, Refusal> {
        let Some(step) = life.due(&*in_force(charters, now)?, now) else { return Ok(None) };
        let stream = StreamId::Communique(id);
        let read = [(StreamId::Exchange, charters.position()), (stream.clone(), life.position())];
        let mut plan = Plan::new(now, read);
        plan.steps(&*self.machine, &stream, life.position(), vec![step], vec![], None)?;
        plan.list(id, life)?;
        Ok(Some(plan))
    }
}
