//! Acting: statements made from what was read and verified, and from nothing else.

use super::reading::{Pinned, Reading};
use crate::domain::{
    act::{Act, ActKind, Declaration},
    document::Document,
    id::Digest,
    key::Signer,
    life::State,
    manifest::Manifest,
    powers::Powers,
    refusal::Refusal,
    statement::Statement,
    time::Time,
    words::{Line, Prose},
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
            act: kind.to_string(),
            state: reading.state.to_string(),
            advice: "it is not open for signature yet".into(),
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
        return Err(Refusal::KeyRefused { problem: "it is not the key that the full powers name".into() });
    }
    grant.body().cover(&act)?;
    Statement::sign(act, signer)
}

/// The newest grant of this key that covers the act, among a party's.
///
/// # Errors
/// [`Refusal::GrantForbids`] saying what is missing.
pub fn choose<'a>(
    pinned: &Pinned,
    grants: &'a [Statement<Powers>],
    signer: &dyn Signer,
    kind: ActKind,
    manifest: &Manifest,
    time: Time,
) -> Result<&'a Statement<Powers>, Refusal> {
    let forbid = |problem: &str| Refusal::GrantForbids { problem: problem.into() };
    let mine: Vec<_> = grants.iter().filter(|g| g.body().key == signer.public()).collect();
    if mine.is_empty() {
        return Err(forbid("no full powers in the log name this key"));
    }
    pinned.standing().party(&mine[0].body().party)?;
    let covers = |g: &&&Statement<Powers>| {
        let p = g.body();
        p.acts.contains(&kind)
            && p.scope.as_ref().is_none_or(|s| s.contains(&manifest.communique))
            && (p.not_before..=p.not_after).contains(&time)
    };
    mine.iter()
        .rev()
        .find(covers)
        .copied()
        .ok_or_else(|| forbid(&format!("none that name this key allow to {kind} in this communiqué at {time}")))
}
