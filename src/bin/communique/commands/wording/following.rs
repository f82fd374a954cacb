//! What may be done next: a sentence, and commands as they are typed.

use communique::{
    client::{
        acting::{self, done_by},
        reading::{Pinned, Reading},
    },
    domain::{
        act::ActKind,
        id::{CommuniqueId, PartyId},
        life::State,
        manifest::Initialling,
        message::Message,
        time::Time,
    },
    msg,
};

use super::missing;
use crate::render::Out;

/// What may be done next: sentences, and commands as they are typed.
pub struct Next {
    words: Vec<Message>,
    commands: Vec<String>,
}

impl Next {
    fn new<const N: usize>(words: Message, commands: [String; N]) -> Self {
        Self { words: vec![words], commands: commands.into() }
    }
    /// Says it. Commands stand on lines of their own and are never broken, so that they can be copied.
    pub fn say(&self, out: &mut Out) {
        for words in &self.words {
            out.paragraph("", words);
        }
        for command in &self.commands {
            out.command(&format!("  communique {command}"));
        }
    }
}

/// What may be done next, for whoever reads it; `me` is the party, where it is known.
pub fn next(
    reading: &Reading,
    pinned: &Pinned,
    me: Option<&PartyId>,
    rectified_by: Option<CommuniqueId>,
    now: Time,
) -> Next {
    let m = &reading.newest.manifest;
    let id = m.communique;
    match reading.state {
        State::Drafting => drafting(reading, pinned, me, now),
        State::Open => open(reading, pinned, me),
        State::Complete => match m.procedure.embargo.filter(|embargo| now < *embargo) {
            Some(_) if missing(ActKind::Release, reading, pinned).is_empty() => {
                Next::new(msg!("Next: every party has released it from the embargo."), [format!("publish {id}")])
            }
            Some(embargo) => Next::new(
                msg!("Next: it is published from {embargo} on, or sooner once every party has released it.", embargo),
                [format!("publish {id}"), format!("release {id}")],
            ),
            None => Next::new(msg!("Next: it can be published."), [format!("publish {id}")]),
        },
        State::Published => match rectified_by {
            Some(newer) => Next::new(
                msg!("It was rectified by {newer}, the newest. That one, and this one:", newer),
                [format!("show {newer}"), format!("fetch {id} --out package.zip")],
            ),
            None => {
                Next::new(msg!("Next: anybody of the parties can fetch it."), [format!("fetch {id} --out package.zip")])
            }
        },
        State::Withdrawn | State::Lapsed if reading.purged => Next::new(
            msg!("It is over, and its texts were erased; digests and acts remain. A new text is a new communiqué."),
            [],
        ),
        State::Withdrawn => Next::new(
            msg!("It was withdrawn: a new text is a new communiqué. Every party together may have its texts erased:"),
            [format!("purge {id}")],
        ),
        State::Lapsed => Next::new(
            msg!(
                "Its deadline passed, and what was signed stays sealed: a new text is a new communiqué. Every party together may have its texts erased:"
            ),
            [format!("purge {id}")],
        ),
    }
}

fn drafting(reading: &Reading, pinned: &Pinned, me: Option<&PartyId>, now: Time) -> Next {
    let m = &reading.newest.manifest;
    let id = m.communique;
    let revise = || format!("revise {id} DRAFT.toml");
    let object = || format!("object {id} --reason TEXT");
    let gone: Vec<_> = m.parties.iter().filter(|p| pinned.standing().party(p).is_err()).collect();
    if !gone.is_empty() {
        let words = match gone.as_slice() {
            [one] => msg!("{one} is no party under the charter in force, so it can only be withdrawn.", one),
            gone => msg!("{gone} are no parties under the charter in force, so it can only be withdrawn.", gone),
        };
        return Next::new(words, [format!("withdraw {id}")]);
    }
    let again = if reading.declined {
        Some(msg!("It was declined, and what was signed stays sealed: read the reasons, then propose another text."))
    } else if reading.returned {
        Some(msg!(
            "Another charter came into force while it was open, and what was signed stays sealed: propose it again."
        ))
    } else if m.charter != pinned.charter().digest() {
        Some(msg!("Another charter has come into force since it was proposed: propose it again."))
    } else if !done_by(reading, ActKind::Object).is_empty() {
        Some(msg!("An objection stands, so it does not open: read the reasons, then propose another text."))
    } else if m.procedure.deadline.is_some_and(|deadline| now > deadline) {
        Some(msg!("Its deadline has passed: propose it with a later one."))
    } else {
        None
    };
    if let Some(words) = again {
        return Next::new(words, [revise()]);
    }
    if m.procedure.initialling == Initialling::Waived {
        let proposer = &m.proposer;
        return Next::new(
            msg!(
                "Next: {proposer}, its proposer, opens it for signature; any party may object, or change it.",
                proposer
            ),
            [format!("open {id}"), object(), revise()],
        );
    }
    if me.is_some_and(|me| done_by(reading, ActKind::Initial).contains(&me)) {
        let left = missing(ActKind::Initial, reading, pinned);
        let words = match left.as_slice() {
            [one] => msg!("Next: {one} initials it too; then it opens for signature.", one),
            left => msg!("Next: {left} initial it too; then it opens for signature.", left),
        };
        return Next::new(words, []);
    }
    Next::new(msg!("Next: initial it; or object; or change it."), [format!("initial {id}"), object(), revise()])
}

fn open(reading: &Reading, pinned: &Pinned, me: Option<&PartyId>) -> Next {
    let id = reading.newest.manifest.communique;
    let decline = || format!("decline {id} --reason TEXT");
    // Signatures that can be seen while it is open are the reader's own party's.
    let seen = || reading.acts.iter().filter(|a| a.body().act.is_signature()).map(|a| &a.body().party);
    let me = me.or_else(|| seen().next());
    let of = |kind| me.map_or(0, |me| done_by(reading, kind).into_iter().filter(|p| *p == me).count() as u64);
    let (signed, confirmed, ad_referendum) = (of(ActKind::Sign), of(ActKind::Confirm), of(ActKind::SignAdReferendum));
    let quorum = me.and_then(|me| pinned.standing().party(me).ok()).map_or(1, |p| p.quorum);
    let pending = me.is_some_and(|me| !acting::unconfirmed(reading, me).is_empty());
    let mut next = match me {
        Some(me) if pending => Next::new(
            msg!("Next: {me} confirms its signature ad referendum, or declines.", me),
            [format!("confirm {id}"), decline()],
        ),
        Some(_) if signed + confirmed >= quorum => Next::new(
            msg!("Signed; it is complete once every party has signed. Until then it can still be declined."),
            [decline()],
        ),
        Some(me) if signed + ad_referendum > 0 => {
            let count = signed + confirmed;
            Next::new(
                msg!("Next: {me} signs by {quorum} holders of full powers; {count} so far.", me, quorum, count),
                [format!("sign {id}"), decline()],
            )
        }
        _ => Next::new(msg!("Next: sign it, or decline it."), [format!("sign {id}"), decline()]),
    };
    if me.is_some_and(|me| done_by(reading, ActKind::Withdraw).contains(&me)) {
        let left = missing(ActKind::Withdraw, reading, pinned);
        let words = match left.as_slice() {
            [one] => msg!("Next: it is withdrawn once {one} too has agreed to it.", one),
            left => msg!("Next: it is withdrawn once {left} too have agreed to it.", left),
        };
        return Next::new(words, []);
    }
    if !done_by(reading, ActKind::Withdraw).is_empty() {
        next.words.push(msg!("Or agree to its withdrawal."));
        next.commands.push(format!("withdraw {id}"));
    }
    next
}
