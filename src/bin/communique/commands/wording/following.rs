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
        time::Time,
    },
};

use super::{list, missing};
use crate::render::Out;

/// What may be done next: sentences, and commands as they are typed.
pub struct Next {
    words: Vec<String>,
    commands: Vec<String>,
}

impl Next {
    fn new<const N: usize>(words: impl Into<String>, commands: [String; N]) -> Self {
        Self { words: vec![words.into()], commands: commands.into() }
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
                Next::new("Next: every party has released it from the embargo.", [format!("publish {id}")])
            }
            Some(embargo) => Next::new(
                format!("Next: it is published from {embargo} on, or sooner once every party has released it."),
                [format!("publish {id}"), format!("release {id}")],
            ),
            None => Next::new("Next: it can be published.", [format!("publish {id}")]),
        },
        State::Published => match rectified_by {
            Some(newer) => Next::new(
                format!("It was rectified by {newer}, the newest. That one, and this one:"),
                [format!("show {newer}"), format!("fetch {id} --out package.zip")],
            ),
            None => Next::new("Next: anybody of the parties can fetch it.", [format!("fetch {id} --out package.zip")]),
        },
        State::Withdrawn | State::Lapsed if reading.purged => Next::new(
            "It is over, and its texts were erased; digests and acts remain. A new text is a new communiqué.",
            [],
        ),
        State::Withdrawn => Next::new(
            "It was withdrawn: a new text is a new communiqué. Every party together may have its texts erased:",
            [format!("purge {id}")],
        ),
        State::Lapsed => Next::new(
            "Its deadline passed, and what was signed stays sealed: a new text is a new communiqué. Every party together may have its texts erased:",
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
            [one] => format!("{one} is no party under the charter in force, so it can only be withdrawn."),
            several => {
                let gone = list(several);
                format!("{gone} are no parties under the charter in force, so it can only be withdrawn.")
            }
        };
        return Next::new(words, [format!("withdraw {id}")]);
    }
    let again = if reading.declined {
        Some("It was declined, and what was signed stays sealed: read the reasons, then propose another text.")
    } else if reading.returned {
        Some("Another charter came into force while it was open, and what was signed stays sealed: propose it again.")
    } else if m.charter != pinned.charter().digest() {
        Some("Another charter has come into force since it was proposed: propose it again.")
    } else if !done_by(reading, ActKind::Object).is_empty() {
        Some("An objection stands, so it does not open: read the reasons, then propose another text.")
    } else if m.procedure.deadline.is_some_and(|deadline| now > deadline) {
        Some("Its deadline has passed: propose it with a later one.")
    } else {
        None
    };
    if let Some(words) = again {
        return Next::new(words, [revise()]);
    }
    if m.procedure.initialling == Initialling::Waived {
        let proposer = &m.proposer;
        return Next::new(
            format!("Next: {proposer}, its proposer, opens it for signature; any party may object, or change it."),
            [format!("open {id}"), object(), revise()],
        );
    }
    if me.is_some_and(|me| done_by(reading, ActKind::Initial).contains(&me)) {
        let left = missing(ActKind::Initial, reading, pinned);
        let words = match left.as_slice() {
            [one] => format!("Next: {one} initials it too; then it opens for signature."),
            several => {
                let left = list(several);
                format!("Next: {left} initial it too; then it opens for signature.")
            }
        };
        return Next::new(words, []);
    }
    Next::new("Next: initial it; or object; or change it.", [format!("initial {id}"), object(), revise()])
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
            format!("Next: {me} confirms its signature ad referendum, or declines."),
            [format!("confirm {id}"), decline()],
        ),
        Some(_) if signed + confirmed >= quorum => Next::new(
            "Signed; it is complete once every party has signed. Until then it can still be declined.",
            [decline()],
        ),
        Some(me) if signed + ad_referendum > 0 => {
            let count = signed + confirmed;
            Next::new(
                format!("Next: {me} signs by {quorum} holders of full powers; {count} so far."),
                [format!("sign {id}"), decline()],
            )
        }
        _ => Next::new("Next: sign it, or decline it.", [format!("sign {id}"), decline()]),
    };
    if me.is_some_and(|me| done_by(reading, ActKind::Withdraw).contains(&me)) {
        let left = missing(ActKind::Withdraw, reading, pinned);
        let words = match left.as_slice() {
            [one] => format!("Next: it is withdrawn once {one} too has agreed to it."),
            several => {
                let left = list(several);
                format!("Next: it is withdrawn once {left} too have agreed to it.")
            }
        };
        return Next::new(words, []);
    }
    if !done_by(reading, ActKind::Withdraw).is_empty() {
        next.words.push("Or agree to its withdrawal.".into());
        next.commands.push(format!("withdraw {id}"));
    }
    next
}
