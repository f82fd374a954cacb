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
        message::{Message, Tell},
        powers::Powers,
        statement::Statement,
    },
    msg,
};

pub use self::{effects::effects, following::next, tongues::language};
use crate::render;

/// What whoever types the party's id does by it: the last thing that is read.
pub fn sentence(prepared: &Prepared<'_>) -> Message {
    let dossier = prepared.dossier();
    let manifest = dossier.manifest();
    let kind = prepared.wish().act;
    let party = named(dossier.pinned.charter(), prepared.party());
    let holder = render::person(&prepared.grant.body().holder);
    let (revision, languages) = (manifest.revision, languages(manifest));
    match kind {
        ActKind::Sign if prepared.with.is_some() => msg!(
            "You sign definitively, with the declaration above, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Sign => msg!(
            "You sign definitively, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::SignAdReferendum if prepared.with.is_some() => msg!(
            "You sign ad referendum, with the declaration above, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::SignAdReferendum => msg!(
            "You sign ad referendum, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Confirm => msg!(
            "You confirm the signature ad referendum above, for {party}, under the full powers of {holder}, on revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Initial => {
            msg!(
                "You initial, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
                party,
                holder,
                revision,
                languages
            )
        }
        ActKind::Open => msg!(
            "You open for signature, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Object => msg!(
            "You object, for the reasons above, for {party}, under the full powers of {holder}, to revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Declare => msg!(
            "You make the declaration above, for {party}, under the full powers of {holder}, on revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Decline => msg!(
            "You decline, for the reasons above, for {party}, under the full powers of {holder}, revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Withdraw if dossier.reading.state == State::Drafting => msg!(
            "You take this draft back, for {party}, under the full powers of {holder}: revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Withdraw => msg!(
            "You agree to take this communiqué back, for {party}, under the full powers of {holder}: revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Release => msg!(
            "You agree to publication before the embargo ends, for {party}, under the full powers of {holder}, of revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        ActKind::Purge => msg!(
            "You agree that the texts and annexes of every revision are erased for ever, for {party}, under the full powers of {holder}; the newest is revision {revision}, in {languages}.",
            party,
            holder,
            revision,
            languages
        ),
        // Proposed by `new` and `revise`, which say it by themselves.
        ActKind::Propose => proposal(dossier.pinned.charter(), prepared.grant, manifest),
    }
}

/// The same of a proposal.
pub fn proposal(charter: &Charter, grant: &Statement<Powers>, manifest: &Manifest) -> Message {
    let party = named(charter, &grant.body().party);
    let holder = render::person(&grant.body().holder);
    let (revision, languages) = (manifest.revision, languages(manifest));
    msg!(
        "You propose, for {party}, under the full powers of {holder}, revision {revision}, in {languages}, to the other parties.",
        party,
        holder,
        revision,
        languages
    )
}

/// A party by name and id.
pub fn named(charter: &Charter, party: &PartyId) -> Message {
    match charter.parties.iter().find(|p| p.id == *party) {
        Some(found) => msg!("{name} ({party})", name = render::quoted(render::name(&found.names)), party),
        None => party.message(),
    }
}

/// The languages of a manifest's texts: the authentic ones first.
pub fn languages(manifest: &Manifest) -> Message {
    let of = |status| {
        let texts = manifest.texts.iter().filter(|t| t.status == status);
        texts.map(|t| language(&t.lang)).collect::<Vec<_>>()
    };
    let (authentic, translated) = (of(Status::Authentic), of(Status::Translation));
    match translated.as_slice() {
        [] => msg!("{authentic}", authentic),
        _ => msg!("{authentic}, with a translation into {translated}", authentic, translated),
    }
}

/// Who has still to agree to what needs every party. Who has left the charter can no longer be asked to erase.
fn missing<'a>(kind: ActKind, reading: &'a Reading, pinned: &Pinned) -> Vec<&'a PartyId> {
    let done = done_by(reading, kind);
    let asked = |p: &&PartyId| kind != ActKind::Purge || pinned.standing().party(p).is_ok();
    reading.newest.manifest.parties.iter().filter(asked).filter(|p| !done.contains(p)).collect()
}

/// How an act is asked for.
pub fn asked(kind: ActKind, party: &PartyId) -> Message {
    match kind {
        ActKind::Confirm => msg!("To confirm it, type {party}:", party),
        ActKind::Declare => msg!("To make the declaration, type {party}:", party),
        ActKind::Decline => msg!("To decline it, type {party}:", party),
        ActKind::Initial => msg!("To initial it, type {party}:", party),
        ActKind::Object => msg!("To object to it, type {party}:", party),
        ActKind::Open => msg!("To open it for signature, type {party}:", party),
        ActKind::Propose => msg!("To propose it, type {party}:", party),
        ActKind::Purge => msg!("To agree to the erasure, type {party}:", party),
        ActKind::Release => msg!("To release it from the embargo, type {party}:", party),
        ActKind::Sign => msg!("To sign it, type {party}:", party),
        ActKind::SignAdReferendum => msg!("To sign it ad referendum, type {party}:", party),
        ActKind::Withdraw => msg!("To take it back, type {party}:", party),
    }
}

/// What was done, in a word that heads a line.
pub fn past(act: &Act) -> Message {
    match act.act {
        ActKind::Confirm => msg!("done" => "confirmed"),
        ActKind::Declare => msg!("done" => "declared"),
        ActKind::Decline => msg!("done" => "declined"),
        ActKind::Initial => msg!("done" => "initialled"),
        ActKind::Object => msg!("done" => "objected"),
        ActKind::Open => msg!("done" => "opened"),
        ActKind::Propose => msg!("done" => "proposed"),
        ActKind::Purge => msg!("done" => "agreed"),
        ActKind::Withdraw if act.opening.is_some() => msg!("done" => "agreed"),
        ActKind::Withdraw => msg!("done" => "withdrew"),
        ActKind::Release => msg!("done" => "released"),
        ActKind::Sign | ActKind::SignAdReferendum => msg!("done" => "signed"),
    }
}

/// What that word does not say, in a line below it.
pub fn more(act: &Act) -> Option<Message> {
    match (act.act, &act.declaration, act.confirms) {
        (ActKind::SignAdReferendum, Some(Declaration::Made(digest)), _) => {
            Some(msg!("ad referendum: it counts once it is confirmed; with the declaration {digest}", digest))
        }
        (ActKind::SignAdReferendum, ..) => Some(msg!("ad referendum: it counts once it is confirmed")),
        (ActKind::Sign, Some(Declaration::Made(digest)), _) => Some(msg!("with the declaration {digest}", digest)),
        (ActKind::Confirm, _, Some(digest)) => Some(msg!("the signature ad referendum {digest}", digest)),
        (ActKind::Purge, ..) => Some(msg!("to the erasure of the texts")),
        (ActKind::Release, ..) => Some(msg!("from the embargo")),
        (ActKind::Withdraw, ..) if act.opening.is_some() => Some(msg!("to the withdrawal")),
        _ => None,
    }
}

/// Who did what to which revision; `open` says whether a withdrawal was of what was open.
pub fn told(who: &(impl Tell + ?Sized), kind: ActKind, revision: u64, open: bool) -> Message {
    match kind {
        ActKind::Confirm => msg!("{who} confirmed its signature ad referendum of revision {revision}", who, revision),
        ActKind::Declare => msg!("{who} made a declaration on revision {revision}", who, revision),
        ActKind::Decline => msg!("{who} declined revision {revision}", who, revision),
        ActKind::Initial => msg!("{who} initialled revision {revision}", who, revision),
        ActKind::Object => msg!("{who} objected to revision {revision}", who, revision),
        ActKind::Open => msg!("{who} opened revision {revision} for signature", who, revision),
        ActKind::Propose => msg!("{who} proposed revision {revision}", who, revision),
        ActKind::Purge => msg!("{who} agreed to the erasure of the texts", who),
        ActKind::Release => msg!("{who} released revision {revision} from the embargo", who, revision),
        ActKind::Sign => msg!("{who} signed revision {revision}", who, revision),
        ActKind::SignAdReferendum => msg!("{who} signed revision {revision} ad referendum", who, revision),
        ActKind::Withdraw if open => msg!("{who} agreed to the withdrawal", who),
        ActKind::Withdraw => msg!("{who} withdrew the draft", who),
    }
}

/// What is under way and needs every party, in a line each.
pub fn under_way(reading: &Reading, pinned: &Pinned) -> Vec<Message> {
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
        let (agreed, others) = (done, missing.clone());
        Some(match (*kind, missing.is_empty()) {
            (ActKind::Withdraw, true) => msg!("The withdrawal is agreed by every party."),
            (ActKind::Withdraw, false) => {
                msg!("The withdrawal is agreed by {agreed}, and not yet by {others}.", agreed, others)
            }
            (ActKind::Release, true) => msg!("The release from the embargo is agreed by every party."),
            (ActKind::Release, false) => {
                msg!("The release from the embargo is agreed by {agreed}, and not yet by {others}.", agreed, others)
            }
            (_, true) => msg!("The erasure of the texts is agreed by every party."),
            (_, false) => {
                msg!("The erasure of the texts is agreed by {agreed}, and not yet by {others}.", agreed, others)
            }
        })
    };
    kinds.iter().filter_map(line).collect()
}
