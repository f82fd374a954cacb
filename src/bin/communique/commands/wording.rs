//! What acts mean, and what may be done next, in whole sentences for the people who do them.

mod effects;
mod following;
mod tongues;

use communique::{
    client::{
        acting::done_by,
        dossier::Prepared,
        reading::{Pinned, Reading},
    },
    domain::{
        act::{Act, ActKind, Declaration},
        charter::Charter,
        id::PartyId,
        life::State,
        manifest::{Manifest, Status},
        powers::Powers,
        statement::Statement,
    },
};

pub use self::{effects::effects, following::next, tongues::language};
use crate::render;

/// What whoever types the party's id does by it: the last thing that is read.
pub fn sentence(prepared: &Prepared<'_>) -> String {
    let dossier = prepared.dossier();
    let manifest = dossier.manifest();
    let kind = prepared.wish().act;
    let party = named(dossier.pinned.charter(), prepared.party());
    let holder = render::person(&prepared.grant.body().holder);
    let (revision, languages) = (manifest.revision, languages(manifest));
    match kind {
        ActKind::Sign if prepared.with.is_some() => format!(
            "You sign definitively, with the declaration above, for {party}, under the full powers of {holder}, revision {revision}, in {languages}."
        ),
        ActKind::Sign => format!(
            "You sign definitively, for {party}, under the full powers of {holder}, revision {revision}, in {languages}."
        ),
        ActKind::SignAdReferendum if prepared.with.is_some() => format!(
            "You sign ad referendum, with the declaration above, for {party}, under the full powers of {holder}, revision {revision}, in {languages}."
        ),
        ActKind::SignAdReferendum => format!(
            "You sign ad referendum, for {party}, under the full powers of {holder}, revision {revision}, in {languages}."
        ),
        ActKind::Confirm => format!(
            "You confirm the signature ad referendum above, for {party}, under the full powers of {holder}, on revision {revision}, in {languages}."
        ),
        ActKind::Initial => {
            format!("You initial, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.")
        }
        ActKind::Open => format!(
            "You open for signature, for {party}, under the full powers of {holder}, revision {revision}, in {languages}."
        ),
        ActKind::Object => format!(
            "You object, for the reasons above, for {party}, under the full powers of {holder}, to revision {revision}, in {languages}."
        ),
        ActKind::Declare => format!(
            "You make the declaration above, for {party}, under the full powers of {holder}, on revision {revision}, in {languages}."
        ),
        ActKind::Decline => format!(
            "You decline, for the reasons above, for {party}, under the full powers of {holder}, revision {revision}, in {languages}."
        ),
        ActKind::Withdraw if dossier.reading.state == State::Drafting => format!(
            "You take this draft back, for {party}, under the full powers of {holder}: revision {revision}, in {languages}."
        ),
        ActKind::Withdraw => format!(
            "You agree to take this communiqué back, for {party}, under the full powers of {holder}: revision {revision}, in {languages}."
        ),
        ActKind::Release => format!(
            "You agree to publication before the embargo ends, for {party}, under the full powers of {holder}, of revision {revision}, in {languages}."
        ),
        ActKind::Purge => format!(
            "You agree that the texts and annexes of every revision are erased for ever, for {party}, under the full powers of {holder}; the newest is revision {revision}, in {languages}."
        ),
        // Proposed by `new` and `revise`, which say it by themselves.
        ActKind::Propose => proposal(dossier.pinned.charter(), prepared.grant, manifest),
    }
}

/// The same of a proposal.
pub fn proposal(charter: &Charter, grant: &Statement<Powers>, manifest: &Manifest) -> String {
    let party = named(charter, &grant.body().party);
    let holder = render::person(&grant.body().holder);
    let (revision, languages) = (manifest.revision, languages(manifest));
    format!(
        "You propose, for {party}, under the full powers of {holder}, revision {revision}, in {languages}, to the other parties."
    )
}

/// A party by name and id.
pub fn named(charter: &Charter, party: &PartyId) -> String {
    match charter.parties.iter().find(|p| p.id == *party) {
        Some(found) => format!("{} ({party})", render::quoted(render::name(&found.names))),
        None => party.to_string(),
    }
}

/// The languages of a manifest's texts: the authentic ones first.
pub fn languages(manifest: &Manifest) -> String {
    let of = |status| {
        let texts = manifest.texts.iter().filter(|t| t.status == status);
        texts.map(|t| language(&t.lang)).collect::<Vec<_>>()
    };
    let (authentic, translated) = (of(Status::Authentic), of(Status::Translation));
    let authentic = all(&authentic);
    if translated.is_empty() {
        authentic
    } else {
        let translated = all(&translated);
        format!("{authentic}, with a translation into {translated}")
    }
}

/// Several things in a row.
pub fn all(things: &[String]) -> String {
    match things {
        [] => String::new(),
        [one] => one.clone(),
        [first, last] => format!("{first} and {last}"),
        [first @ .., last] => {
            let first = first.join(", ");
            format!("{first} and {last}")
        }
    }
}

fn list(parties: &[&PartyId]) -> String {
    all(&parties.iter().map(|party| party.to_string()).collect::<Vec<_>>())
}

/// Who has still to agree to what needs every party. Who has left the charter can no longer be asked to erase.
fn missing<'a>(kind: ActKind, reading: &'a Reading, pinned: &Pinned) -> Vec<&'a PartyId> {
    let done = done_by(reading, kind);
    let asked = |p: &&PartyId| kind != ActKind::Purge || pinned.standing().party(p).is_ok();
    reading.newest.manifest.parties.iter().filter(asked).filter(|p| !done.contains(p)).collect()
}

/// How an act is asked for.
pub fn asked(kind: ActKind, party: &PartyId) -> String {
    match kind {
        ActKind::Confirm => format!("To confirm it, type {party}: "),
        ActKind::Declare => format!("To make the declaration, type {party}: "),
        ActKind::Decline => format!("To decline it, type {party}: "),
        ActKind::Initial => format!("To initial it, type {party}: "),
        ActKind::Object => format!("To object to it, type {party}: "),
        ActKind::Open => format!("To open it for signature, type {party}: "),
        ActKind::Propose => format!("To propose it, type {party}: "),
        ActKind::Purge => format!("To agree to the erasure, type {party}: "),
        ActKind::Release => format!("To release it from the embargo, type {party}: "),
        ActKind::Sign => format!("To sign it, type {party}: "),
        ActKind::SignAdReferendum => format!("To sign it ad referendum, type {party}: "),
        ActKind::Withdraw => format!("To take it back, type {party}: "),
    }
}

/// What was done, in a word that heads a line.
pub fn past(act: &Act) -> &'static str {
    match act.act {
        ActKind::Confirm => "confirmed",
        ActKind::Declare => "declared",
        ActKind::Decline => "declined",
        ActKind::Initial => "initialled",
        ActKind::Object => "objected",
        ActKind::Open => "opened",
        ActKind::Propose => "proposed",
        ActKind::Purge => "agreed",
        ActKind::Withdraw if act.opening.is_some() => "agreed",
        ActKind::Withdraw => "withdrew",
        ActKind::Release => "released",
        ActKind::Sign | ActKind::SignAdReferendum => "signed",
    }
}

/// What that word does not say, in a line below it.
pub fn more(act: &Act) -> Option<String> {
    match (act.act, &act.declaration, act.confirms) {
        (ActKind::SignAdReferendum, Some(Declaration::Made(digest)), _) => {
            Some(format!("ad referendum: it counts once it is confirmed; with the declaration {digest}"))
        }
        (ActKind::SignAdReferendum, ..) => Some("ad referendum: it counts once it is confirmed".into()),
        (ActKind::Sign, Some(Declaration::Made(digest)), _) => Some(format!("with the declaration {digest}")),
        (ActKind::Confirm, _, Some(digest)) => Some(format!("the signature ad referendum {digest}")),
        (ActKind::Purge, ..) => Some("to the erasure of the texts".into()),
        (ActKind::Release, ..) => Some("from the embargo".into()),
        (ActKind::Withdraw, ..) if act.opening.is_some() => Some("to the withdrawal".into()),
        _ => None,
    }
}

/// Who did what to which revision; `open` says whether a withdrawal was of what was open.
pub fn told(who: &str, kind: ActKind, revision: u64, open: bool) -> String {
    match kind {
        ActKind::Confirm => format!("{who} confirmed its signature ad referendum of revision {revision}"),
        ActKind::Declare => format!("{who} made a declaration on revision {revision}"),
        ActKind::Decline => format!("{who} declined revision {revision}"),
        ActKind::Initial => format!("{who} initialled revision {revision}"),
        ActKind::Object => format!("{who} objected to revision {revision}"),
        ActKind::Open => format!("{who} opened revision {revision} for signature"),
        ActKind::Propose => format!("{who} proposed revision {revision}"),
        ActKind::Purge => format!("{who} agreed to the erasure of the texts"),
        ActKind::Release => format!("{who} released revision {revision} from the embargo"),
        ActKind::Sign => format!("{who} signed revision {revision}"),
        ActKind::SignAdReferendum => format!("{who} signed revision {revision} ad referendum"),
        ActKind::Withdraw if open => format!("{who} agreed to the withdrawal"),
        ActKind::Withdraw => format!("{who} withdrew the draft"),
    }
}

/// What is under way and needs every party, in a line each.
pub fn under_way(reading: &Reading, pinned: &Pinned) -> Vec<String> {
    let kinds: &[ActKind] = match reading.state {
        State::Open => &[ActKind::Withdraw, ActKind::Release],
        State::Complete => &[ActKind::Release],
        State::Withdrawn | State::Lapsed if !reading.purged => &[ActKind::Purge],
        _ => &[],
    };
    let line = |kind: &ActKind| {
        let (done, missing) = (done_by(reading, *kind), missing(*kind, reading, pinned));
        if done.is_empty() {
            return None;
        }
        let (agreed, others) = (list(&done), list(&missing));
        Some(match (*kind, missing.is_empty()) {
            (ActKind::Withdraw, true) => "The withdrawal is agreed by every party.".to_owned(),
            (ActKind::Withdraw, false) => format!("The withdrawal is agreed by {agreed}, and not yet by {others}."),
            (ActKind::Release, true) => "The release from the embargo is agreed by every party.".to_owned(),
            (ActKind::Release, false) => {
                format!("The release from the embargo is agreed by {agreed}, and not yet by {others}.")
            }
            (_, true) => "The erasure of the texts is agreed by every party.".to_owned(),
            (_, false) => format!("The erasure of the texts is agreed by {agreed}, and not yet by {others}."),
        })
    };
    kinds.iter().filter_map(line).collect()
}
