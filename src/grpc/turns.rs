//! Turns: how much of one kind one party may have under way at once, so that no party takes the places of the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::gate::lock;
use crate::domain::{id::PartyId, refusal::Refusal};

/// So many turns for each party.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    what: &'static str,
    limit: usize,
    open: Arc<Mutex<HashMap<PartyId, usize>>>,
}

impl Turns {
    /// `limit` turns of this kind for each party; `what` names the kind in the plural.
    pub(super) fn new(what: &'static str, limit: usize) -> Self {
        Self { what, limit, open: Arc::default() }
    }
    /// Takes a turn.
    ///
    /// # Errors
    /// [`Refusal::Busy`] if the party has all of its turns.
    pub(super) fn take(&self, party: &PartyId) -> Result<Turn, Refusal> {
        let mut open = lock(&self.open);
        let taken = open.entry(party.clone()).or_default();
        if *taken >= self.limit {
            return Err(Refusal::Busy { what: format!("{} {} of {party} are under way", self.limit, self.what) });
        }
        *taken += 1;
        Ok(Turn { party: party.clone(), open: self.open.clone() })
    }
}

/// A turn; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    party: PartyId,
    open: Arc<Mutex<HashMap<PartyId, usize>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(taken) = open.get_mut(&self.party) {
            *taken -= 1;
            if *taken == 0 {
                open.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_party_has_its_own_turns_and_gives_them_back() {
        let (north, south) = (PartyId::parse("north").unwrap(), PartyId::parse("south").unwrap());
        let turns = Turns::new("calls", 2);
        let held = [turns.take(&north).unwrap(), turns.take(&north).unwrap()];
        assert_eq!(turns.take(&north).unwrap_err().reason(), "BUSY");
        turns.take(&south).unwrap();
        drop(held);
        turns.take(&north).unwrap();
        assert!(lock(&turns.open).is_empty(), "a party without turns costs nothing");
    }
}
