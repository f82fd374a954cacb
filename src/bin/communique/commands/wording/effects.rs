//! What follows from an act: the sentences behind the one that says what is done.

use communique::{
    client::{acting::done_by, dossier::Prepared},
    domain::{act::ActKind, id::PartyId, life::State},
};

use super::{list, missing};

/// What follows from an act, in whole sentences.
pub fn effects(prepared: &Prepared<'_>) -> Vec<String> {
    let party = prepared.party();
    let reading = &prepared.dossier().reading;
    match prepared.wish().act {
        ActKind::Propose => vec![],
        ActKind::Object => {
            vec!["It cannot be opened for signature, and another revision is needed. Every party reads the reasons.".into()]
        }
        ActKind::Declare => vec![format!(
            "Every party can read it from now on. It changes nothing in the text, and a signature of {party} may be given with it."
        )],
        ActKind::Initial => vec![
            "The text is final for your party. This is not yet consent to it. The last party’s initial opens it for signature."
                .into(),
        ],
        ActKind::Open => vec!["From then on the text is no longer changed.".into()],
        ActKind::Sign => vec![
            "Until every party has signed, your signature lies in escrow and your party can still decline. Once every party has signed, this cannot be taken back."
                .into(),
        ],
        ActKind::SignAdReferendum => {
            vec![format!("The signature counts once {party} has confirmed it (communique confirm).")]
        }
        ActKind::Confirm => vec![
            "From now on it counts as a definitive signature. Once every party has signed, this cannot be taken back.".into(),
        ],
        ActKind::Decline => vec![
            "It goes back to drafting, what was signed stays sealed for ever, and another revision is needed. Every party reads the reasons."
                .into(),
        ],
        ActKind::Withdraw if reading.state == State::Drafting => {
            vec!["That ends it at once, for every party; a new text is a new communiqué.".into()]
        }
        ActKind::Withdraw => vec!["That ends it, and leaves what was signed sealed for ever.".into(), so_far(prepared)],
        ActKind::Release => match reading.newest.manifest.procedure.embargo {
            Some(embargo) => vec![format!("The embargo would end {embargo}."), so_far(prepared)],
            None => vec![so_far(prepared)],
        },
        ActKind::Purge => {
            vec!["Digests and acts remain. It cannot be taken back.".into(), so_far(prepared)]
        }
    }
}

/// What needs every party: who has agreed, who has not yet.
fn so_far(prepared: &Prepared<'_>) -> String {
    let (kind, dossier) = (prepared.wish().act, prepared.dossier());
    let others = |parties: Vec<&PartyId>| -> String {
        list(&parties.into_iter().filter(|p| *p != prepared.party()).collect::<Vec<_>>())
    };
    let left = others(missing(kind, &dossier.reading, &dossier.pinned));
    let agreed = others(done_by(&dossier.reading, kind));
    match (left.is_empty(), agreed.is_empty()) {
        (true, _) => "Every other party has agreed, so it is done AT ONCE.".into(),
        (false, true) => format!("It needs every party; still to agree besides yours: {left}."),
        (false, false) => {
            format!("It needs every party; agreed so far: {agreed}; still to agree besides yours: {left}.")
        }
    }
}
