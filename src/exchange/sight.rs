//! What a party may see of what is logged: one rule, asked by every read and for every entry that a stream sends.

use std::sync::Arc;

use super::{Exchange, ports::Stored};
use crate::{
    domain::{
        act::{Act, ActKind},
        entry::{Kind, StreamId},
        id::{CommuniqueId, PartyId},
        json,
        life::Life,
        refusal::Refusal,
        remark::Remark,
        statement::Unverified,
    },
    msg,
};

/// Of another's signature in escrow, no more than this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Escrowed {
    pub party: PartyId,
    pub act: ActKind,
    pub revision: u64,
}

/// How much of an entry a party may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Sight {
    /// All of it.
    Shown,
    /// Only that it is there.
    Escrowed(CommuniqueId, Escrowed),
    /// Not even that.
    Hidden,
}

/// Whom an entry is for, as far as the entry alone tells. What may change with what is logged later is asked each time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Every party: charters, adoptions, trust, powers; and what is published.
    Everyone,
    /// Every party that the communiqué names. Its parties are fixed at creation.
    Named(Arc<[PartyId]>),
    /// The same, and a remark may be its own party's alone.
    Remark(Arc<[PartyId]>, Box<Remark>),
    /// The same, and a signature may be in escrow.
    Act(Arc<[PartyId]>, Box<Act>),
}

/// Unknown and foreign answer alike.
pub(super) fn visible(life: &Life, party: &PartyId, id: CommuniqueId) -> Result<(), Refusal> {
    if life.parties().contains(party) { Ok(()) } else { Err(Refusal::not_found(msg!("communiqué"), id)) }
}

/// Escrow: another's signature shows only that it is there, until all have signed. `None` if all of the act may be seen.
pub(super) fn act_sight(life: &Life, viewer: &PartyId, act: &Act) -> Option<Escrowed> {
    if life.may_see(viewer, act) {
        return None;
    }
    // That it is ad referendum is sealed with it, until its capital confirms it.
    let kind = if act.act == ActKind::SignAdReferendum { ActKind::Sign } else { act.act };
    Some(Escrowed { party: act.party.clone(), act: kind, revision: act.revision })
}

impl Exchange {
    /// Whom this entry is for.
    pub(super) async fn scope(&self, stored: &Stored) -> Result<Scope, Refusal> {
        let (StreamId::Communique(id) | StreamId::Remarks(id)) = &stored.entry.stream else {
            return Ok(Scope::Everyone);
        };
        if stored.entry.kind == Kind::Published {
            return Ok(Scope::Everyone);
        }
        let life = self.folds.life(&*self.store, *id).await?;
        let named: Arc<[PartyId]> = life.parties().into();
        let recorded = stored.recorded();
        Ok(match stored.entry.kind {
            Kind::Remark => {
                let remark = json::parse(recorded.document(0)?).map_err(|_| broken(stored))?;
                Scope::Remark(named, Box::new(remark))
            }
            Kind::Act => {
                let act = Unverified::<Act>::parse(recorded.statement(0)?).map_err(|_| broken(stored))?;
                let act = act.claims().clone();
                // What all could see once is never hidden again, and need not be asked of the life each time.
                if named.iter().all(|party| life.may_see(party, &act)) {
                    Scope::Named(named)
                } else {
                    Scope::Act(named, Box::new(act))
                }
            }
            _ => Scope::Named(named),
        })
    }

    /// How much of an entry of this scope a party may see now.
    pub(super) async fn sight(&self, viewer: &PartyId, stored: &Stored, scope: &Scope) -> Result<Sight, Refusal> {
        let (named, id) = match (scope, &stored.entry.stream) {
            (Scope::Everyone, _) => return Ok(Sight::Shown),
            (
                Scope::Named(named) | Scope::Remark(named, _) | Scope::Act(named, _),
                StreamId::Communique(id) | StreamId::Remarks(id),
            ) => (named, *id),
            _ => return Ok(Sight::Hidden),
        };
        if !named.contains(viewer) {
            return Ok(Sight::Hidden);
        }
        match scope {
            Scope::Remark(_, remark) if !remark.may_be_read_by(viewer) => Ok(Sight::Hidden),
            Scope::Act(_, act) => {
                let life = self.folds.life(&*self.store, id).await?;
                let escrowed = act_sight(&life, viewer, act);
                Ok(escrowed.map_or(Sight::Shown, |escrowed| Sight::Escrowed(id, escrowed)))
            }
            _ => Ok(Sight::Shown),
        }
    }
}

/// What was parsed before it was taken must parse now. The fault itself may quote a draft.
fn broken(stored: &Stored) -> Refusal {
    Refusal::Inconsistent { what: msg!("entry {index} cannot be parsed", index = stored.index) }
}
