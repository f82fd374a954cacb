//! Turns: how much of one kind one party may have under way at once, so that no party takes the places of the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::gate::lock;
use crate::{
    domain::{id::PartyId, message::Message, refusal::Refusal},
    msg,
};

/// So many turns for each party.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    full: fn(usize, &PartyId) -> Message,
    limit: usize,
    open: Arc<Mutex<HashMap<PartyId, usize>>>,
}

impl Turns {
    /// `limit` turns of this kind for each party; `full` says that it has them all.
    pub(super) fn new(full: fn(usize, &PartyId) -> Message, limit: usize) -> Self {
        Self { full, limit, open: Arc::default() }
    }
    /// Takes a turn.
    ///
    /// # Errors
    /// [`Refusal::Busy`] if the party has all of its turns.
    pub(super) fn take(&self, party: &PartyId) -> Result<Turn, Refusal> {
        let mut open = lock(&self.open);
        let taken = open.entry(party.clone()).or_default();
        if *taken >= self.limit {
            return Err(Refusal::Busy { what: (self.full)(self.limit, party) });
        }
        *taken += 1;
        Ok(Turn { party: party.clone(), open: self.open.clone() })
    }
}

/// A party has as many calls under way as it may.
pub(super) fn calls(limit: usize, party: &PartyId) -> Message {
    msg!("{limit} calls of {party} are under way", limit, party)
}
/// A party has as many uploads under way as it may.
pub(super) fn uploads(limit: usize, party: &PartyId) -> Message {
    msg!("{limit} uploads of {party} are under way", limit, party)
}
/// A party has as many watchers as it may.
pub(super) fn watchers(limit: usize, party: &PartyId) -> Message {
    msg!("{limit} watchers of {party} are under way", limit, party)
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
        let turns = Turns::new(calls, 2);
        let held = [turns.take(&north).unwrap(), turns.take(&north).unwrap()];
        assert_eq!(turns.take(&north).unwrap_err().reason(), "BUSY");
        turns.take(&south).unwrap();
        drop(held);
        turns.take(&north).unwrap();
        assert!(lock(&turns.open).is_empty(), "a party without turns costs nothing");
    }
}
