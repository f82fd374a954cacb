//! Acting: statements made from what was read and verified, and from nothing else.

use super::{
    granted::{Force, Granted},
    reading::{Pinned, Reading},
};
use crate::{
    domain::{
        act::{Act, ActKind, Declaration},
        document::Document,
        id::{Digest, PartyId},
        key::Signer,
        life::{ACTS, Relation, State, advice},
        manifest::{Initialling, Manifest},
        message::{Message, Tell},
        powers::Powers,
        refusal::Refusal,
        statement::Statement,
        time::Time,
        words::{Line, Prose},
    },
    msg,
};

/// What the signer adds to what was read.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// When.
    pub time: Time,
    /// Where, if he or she says.
    pub place: Option<Line>,
    /// Why; for an objection or a declination, and for a withdrawal if its party wishes.
    pub reason: Option<Prose>,
    /// What is declared, or the declaration that a signature is given with.
    pub declaration: Option<Declaration>,
    /// The signature ad referendum that is confirmed.
    pub confirms: Option<Digest>,
}

/// The act that proposes this manifest.
#[must_use]
pub fn proposal(manifest: &Document<Manifest>, grant: &Statement<Powers>, circumstances: Circumstances) -> Act {
    on(manifest, ActKind::Propose, None, grant, circumstances)
}

/// Any other act, on the newest revision that was read.
///
/// # Errors
/// [`Refusal::NotNow`] for an act that needs an opening, where there is none.
pub fn act(
    pinned: &Pinned,
    reading: &Reading,
    kind: ActKind,
    grant: &Statement<Powers>,
    circumstances: Circumstances,
) -> Result<Act, Refusal> {
    // A withdrawal speaks of the opening while there is one, and of the draft otherwise.
    let withdraws = kind == ActKind::Withdraw && reading.state == State::Open;
    let opening = reading.opening.filter(|_| withdraws || kind.needs_opening());
    if kind.needs_opening() && opening.is_none() {
        return Err(Refusal::NotNow {
            act: kind.message(),
            state: reading.state.message(),
            advice: msg!("it is not open for signature yet"),
        });
    }
    let act = on(&reading.newest.manifest, kind, opening, grant, circumstances);
    // What takes a communiqué back is done under the charter in force, whatever it was drafted under.
    let charter =
        if matches!(kind, ActKind::Withdraw | ActKind::Purge) { pinned.charter().digest() } else { act.charter };
    Ok(Act { charter, ..act })
}

fn on(
    manifest: &Document<Manifest>,
    act: ActKind,
    opening: Option<Digest>,
    grant: &Statement<Powers>,
    Circumstances { time, place, reason, declaration, confirms }: Circumstances,
) -> Act {
    Act {
        act,
        founding: manifest.founding,
        exchange: manifest.exchange.clone(),
        party: grant.body().party.clone(),
        charter: manifest.charter,
        communique: manifest.communique,
        revision: manifest.revision,
        manifest: manifest.digest(),
        opening,
        grant: grant.digest(),
        time,
        place,
        reason,
        declaration,
        confirms,
    }
}

/// Signs an act with the key that its grant names.
///
/// # Errors
/// [`Refusal::KeyRefused`] for another key; [`Refusal::GrantForbids`]; what the signer fails with.
pub fn sign(act: Act, grant: &Statement<Powers>, signer: &dyn Signer) -> Result<Statement<Act>, Refusal> {
    if signer.public() != grant.body().key {
        return Err(Refusal::KeyRefused { problem: msg!("it is not the key that the full powers name") });
    }
    grant.body().cover(&act)?;
    Statement::sign(act, signer)
}

/// Whether the life of a communiqué allows this party the act, as far as what was read tells. The exchange decides; this says
/// what is plain before anybody reads and types.
///
/// # Errors
/// [`Refusal::NotNow`], [`Refusal::NotYourAct`], [`Refusal::DeadlinePassed`].
pub fn allowed(pinned: &Pinned, reading: &Reading, kind: ActKind, party: &PartyId, now: Time) -> Result<(), Refusal> {
    let (manifest, state) = (&reading.newest.manifest, reading.state);
    let not_now = |advice: Message| Err(Refusal::NotNow { act: kind.message(), state: state.message(), advice });
    let rows = || ACTS.iter().filter(|(act, ..)| *act == kind);
    let Some((_, _, relation)) = rows().find(|(_, when, _)| *when == state) else {
        return not_now(advice(kind));
    };
    let there = |party: &PartyId| pinned.standing().party(party).is_ok();
    if *relation == Relation::Proposer && there(&manifest.proposer) && manifest.proposer != *party {
        let whose = msg!("the proposer, {party}", party = manifest.proposer);
        return Err(Refusal::NotYourAct { act: kind.message(), whose });
    }
    let heals = matches!(kind, ActKind::Propose | ActKind::Withdraw | ActKind::Purge);
    if state == State::Drafting && !heals {
        if reading.declined {
            return not_now(msg!("this revision was declined: a new revision is needed"));
        }
        if reading.returned || manifest.charter != pinned.charter().digest() {
            return not_now(msg!("another charter is in force: a new revision is needed"));
        }
    }
    let waived = manifest.procedure.initialling == Initialling::Waived;
    let objected = reading.acts.iter().any(|a| a.body().act == ActKind::Object);
    match kind {
        ActKind::Open if !waived => not_now(msg!("it opens by itself once every party has initialled it")),
        ActKind::Open if objected => not_now(msg!("an objection stands: a new revision is needed")),
        ActKind::Initial if waived => not_now(msg!("initialling is waived: its proposer opens it")),
        ActKind::Release if manifest.procedure.embargo.is_none() => {
            not_now(msg!("there is no embargo to release it from"))
        }
        ActKind::Purge if reading.purged => not_now(msg!("the texts were erased already")),
        ActKind::Initial | ActKind::Open | ActKind::Sign | ActKind::SignAdReferendum | ActKind::Confirm => {
            match manifest.procedure.deadline.filter(|deadline| now > *deadline) {
                Some(deadline) => Err(Refusal::DeadlinePassed { deadline }),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// The parties that have done this to the newest revision, under the opening that stands.
#[must_use]
pub fn done_by(reading: &Reading, kind: ActKind) -> Vec<&PartyId> {
    let opening = reading.opening.filter(|_| reading.state == State::Open || kind.needs_opening());
    let counts = |a: &&Statement<Act>| {
        a.body().act == kind && (kind != ActKind::Withdraw && !kind.needs_opening() || a.body().opening == opening)
    };
    reading.acts.iter().filter(counts).map(|a| &a.body().party).collect()
}

/// The signatures ad referendum of a party, under the opening that stands, that nobody has confirmed. Only the party itself sees
/// them while it is open.
#[must_use]
pub fn unconfirmed<'a>(reading: &'a Reading, party: &PartyId) -> Vec<&'a Statement<Act>> {
    let of = |kind| {
        let mine = move |a: &&Statement<Act>| a.body().act == kind && a.body().party == *party;
        reading.acts.iter().filter(mine)
    };
    let confirmed = |digest| of(ActKind::Confirm).any(|a| a.body().confirms == Some(digest));
    let pending = |a: &&Statement<Act>| a.body().opening == reading.opening && !confirmed(a.digest());
    of(ActKind::SignAdReferendum).filter(pending).collect()
}

/// The newest standing grant of this key that covers the act, among a party's.
///
/// # Errors
/// [`Refusal::GrantForbids`] saying what is missing.
pub fn choose<'a>(
    pinned: &Pinned,
    grants: impl IntoIterator<Item = &'a Granted>,
    signer: &dyn Signer,
    kind: ActKind,
    manifest: &Manifest,
    time: Time,
) -> Result<&'a Statement<Powers>, Refusal> {
    let forbid = |problem: Message| Refusal::GrantForbids { problem };
    let mine: Vec<_> = grants.into_iter().filter(|g| g.powers.body().key == signer.public()).collect();
    let Some(newest) = mine.last() else {
        return Err(forbid(msg!("no full powers in the log name this key")));
    };
    pinned.standing().party(&newest.powers.body().party)?;
    let covers = |g: &&&Granted| {
        let p = g.powers.body();
        p.acts.contains(&kind) && p.scope.as_ref().is_none_or(|s| s.contains(&manifest.communique))
    };
    if let Some(found) = mine.iter().rev().filter(covers).find(|g| g.force(pinned, time) == Force::Stands) {
        return Ok(&found.powers);
    }
    Err(match mine.iter().rev().find(covers).map(|g| g.force(pinned, time)) {
        Some(force) => forbid(msg!("those that allow to {kind} here are not in force ({force})", kind, force)),
        None => forbid(msg!("none that name this key allow to {kind} in this communiqué at {time}", kind, time)),
    })
}
