//! What follows from an act: the sentences behind the one that says what is done.

use communique::{
    client::{acting::done_by, dossier::Prepared},
    domain::{act::ActKind, id::PartyId, life::State, message::Message},
    msg,
};

use super::missing;

/// What follows from an act, in whole sentences.
pub fn effects(prepared: &Prepared<'_>) -> Vec<Message> {
    let party = prepared.party();
    let reading = &prepared.dossier().reading;
    match prepared.wish().act {
        ActKind::Propose => vec![],
        ActKind::Object => {
            vec![msg!(
                "It cannot be opened for signature, and another revision is needed. Every party reads the reasons."
            )]
        }
        ActKind::Declare => vec![msg!(
            "Every party can read it from now on. It changes nothing in the text, and a signature of {party} may be given with it.",
            party
        )],
        ActKind::Initial => vec![msg!(
            "The text is final for your party. This is not yet consent to it. The last party’s initial opens it for signature."
        )],
        ActKind::Open => vec![msg!("From then on the text is no longer changed.")],
        ActKind::Sign => vec![msg!(
            "Until every party has signed, your signature lies in escrow and your party can still decline. Once every party has signed, this cannot be taken back."
        )],
        ActKind::SignAdReferendum => {
            vec![msg!("The signature counts once {party} has confirmed it (communique confirm).", party)]
        }
        ActKind::Confirm => vec![msg!(
            "From now on it counts as a definitive signature. Once every party has signed, this cannot be taken back."
        )],
        ActKind::Decline => vec![msg!(
            "It goes back to drafting, what was signed stays sealed for ever, and another revision is needed. Every party reads the reasons."
        )],
        ActKind::Withdraw if reading.state == State::Drafting => {
            vec![msg!("That ends it at once, for every party; a new text is a new communiqué.")]
        }
        ActKind::Withdraw => vec![msg!("That ends it, and leaves what was signed sealed for ever."), so_far(prepared)],
        ActKind::Release => match reading.newest.manifest.procedure.embargo {
            Some(embargo) => vec![msg!("The embargo would end {embargo}.", embargo), so_far(prepared)],
            None => vec![so_far(prepared)],
        },
        ActKind::Purge => {
            vec![msg!("Digests and acts remain. It cannot be taken back."), so_far(prepared)]
        }
    }
}

/// What needs every party: who has agreed, who has not yet.
fn so_far(prepared: &Prepared<'_>) -> Message {
    let (kind, dossier) = (prepared.wish().act, prepared.dossier());
    let others = |parties: Vec<&PartyId>| -> Vec<PartyId> {
        parties.into_iter().filter(|p| *p != prepared.party()).cloned().collect()
    };
    let left = others(missing(kind, &dossier.reading, &dossier.pinned));
    let agreed = others(done_by(&dossier.reading, kind));
    match (left.is_empty(), agreed.is_empty()) {
        (true, _) => msg!("Every other party has agreed, so it is done AT ONCE."),
        (false, true) => msg!("It needs every party; still to agree besides yours: {left}.", left),
        (false, false) => {
            msg!("It needs every party; agreed so far: {agreed}; still to agree besides yours: {left}.", agreed, left)
        }
    }
}
