//! What acts mean, and what may be done next, in words for the people who do them.

use communique::{
    client::{
        acting::{self, done_by},
        reading::{Pinned, Reading},
    },
    domain::{
        act::{Act, ActKind},
        id::{CommuniqueId, PartyId},
        life::State,
        manifest::Initialling,
        powers::Powers,
        statement::Statement,
        time::Time,
    },
};

use crate::render::{self, Out};

/// Who acts for whom.
pub fn who(party: &PartyId, grant: &Statement<Powers>) -> String {
    let holder = &grant.body().holder;
    format!("{party}, by {}", render::person(holder))
}

/// What an act on what was read means. Whoever signs reads this last.
pub fn meaning(kind: ActKind, party: &PartyId, reading: &Reading, pinned: &Pinned, declares: bool) -> String {
    let with = if declares { ", WITH THE DECLARATION above" } else { "" };
    let together = || so_far(kind, party, reading, pinned);
    match kind {
        ActKind::Propose => "proposes this text to the other parties".into(),
        ActKind::Object => {
            "objects to this revision, for the reasons above: it cannot be opened for signature, and another revision is needed"
                .into()
        }
        ActKind::Declare => format!(
            "makes the declaration above: every party can read it from now on, it changes nothing in the text, and a signature of {party} may be given with it"
        ),
        ActKind::Initial => "initials this text: it is final; this is not yet consent to it".into(),
        ActKind::Open => "opens this revision for signature: from then on the text is no longer changed".into(),
        ActKind::Sign => {
            format!("SIGNS this text definitively{with}; once every party has signed, this cannot be taken back")
        }
        ActKind::SignAdReferendum => {
            format!("signs this text AD REFERENDUM{with}: the signature counts once {party} has confirmed it")
        }
        ActKind::Confirm => {
            "CONFIRMS the signature ad referendum above: from now on it counts as a definitive one; once every party has signed, this cannot be taken back".into()
        }
        ActKind::Decline => {
            "DECLINES this revision, for the reasons above: it goes back to drafting, what was signed stays sealed for ever, and another revision is needed".into()
        }
        ActKind::Withdraw if reading.state == State::Drafting => {
            "TAKES THIS DRAFT BACK: that ends it at once, for every party; a new text is a new communiqué".into()
        }
        ActKind::Withdraw => format!(
            "agrees to TAKE THIS COMMUNIQUÉ BACK, which ends it and leaves what was signed sealed for ever: {}",
            together()
        ),
        ActKind::Release => {
            let embargo = reading.newest.manifest.procedure.embargo.map(|t| format!(", {t}")).unwrap_or_default();
            format!("agrees to publication before the end of the embargo{embargo}: {}", together())
        }
        ActKind::Purge => format!(
            "agrees that the texts and annexes of every revision are ERASED FOR EVER, while digests and acts remain: {}",
            together()
        ),
    }
}

/// What needs every party: who has agreed, who has not yet.
fn so_far(kind: ActKind, party: &PartyId, reading: &Reading, pinned: &Pinned) -> String {
    let missing: Vec<_> = missing(kind, reading, pinned).into_iter().filter(|p| *p != party).collect();
    let done: Vec<_> = done_by(reading, kind).into_iter().filter(|p| *p != party).collect();
    match (missing.as_slice(), done.as_slice()) {
        ([], _) => "every other party has agreed, so it is so AT ONCE".into(),
        (missing, []) => format!("it needs every party; {} must agree too", list(missing)),
        (missing, done) => {
            format!("it needs every party; {} agreed, {} not yet", agree(done), list(missing))
        }
    }
}

/// Who has still to agree to what needs every party. Who has left the charter can no longer be asked to erase.
fn missing<'a>(kind: ActKind, reading: &'a Reading, pinned: &Pinned) -> Vec<&'a PartyId> {
    let done = done_by(reading, kind);
    let asked = |p: &&PartyId| kind != ActKind::Purge || pinned.standing().party(p).is_ok();
    reading.newest.manifest.parties.iter().filter(asked).filter(|p| !done.contains(p)).collect()
}

fn list(parties: &[&PartyId]) -> String {
    match parties {
        [] => String::new(),
        [one] => one.to_string(),
        [rest @ .., last] => {
            let rest: Vec<_> = rest.iter().map(|p| p.as_str()).collect();
            format!("{} and {last}", rest.join(", "))
        }
    }
}

/// How an act is asked for: “To …, type north”.
pub fn infinitive(kind: ActKind) -> &'static str {
    match kind {
        ActKind::Confirm => "confirm it",
        ActKind::Declare => "make the declaration",
        ActKind::Decline => "decline it",
        ActKind::Initial => "initial it",
        ActKind::Object => "object to it",
        ActKind::Open => "open it for signature",
        ActKind::Propose => "propose it",
        ActKind::Purge => "agree to the erasure",
        ActKind::Release => "release it from the embargo",
        ActKind::Sign => "sign it",
        ActKind::SignAdReferendum => "sign it ad referendum",
        ActKind::Withdraw => "take it back",
    }
}

/// What was done, in a word that heads a line, and what follows who did it.
pub fn past(act: &Act) -> (&'static str, &'static str) {
    match act.act {
        ActKind::Confirm => ("confirmed", ", its signature ad referendum"),
        ActKind::Declare => ("declared", ""),
        ActKind::Decline => ("declined", ""),
        ActKind::Initial => ("initialled", ""),
        ActKind::Object => ("objected", ""),
        ActKind::Open => ("opened", ""),
        ActKind::Propose => ("proposed", ""),
        ActKind::Purge => ("agreed", ", to erase the texts"),
        ActKind::Release => ("released", ", from the embargo"),
        ActKind::Sign => ("signed", ""),
        ActKind::SignAdReferendum => ("signed", ", AD REFERENDUM"),
        ActKind::Withdraw if act.opening.is_some() => ("agreed", ", to withdraw it"),
        ActKind::Withdraw => ("withdrew", ""),
    }
}

/// What was done to which revision, as part of a sentence; `open` says whether a withdrawal was of what was open.
pub fn told(kind: ActKind, revision: u64, open: bool) -> String {
    let revision = format!("revision {revision}");
    match kind {
        ActKind::Confirm => format!("confirmed its signature ad referendum of {revision}"),
        ActKind::Declare => format!("made a declaration on {revision}"),
        ActKind::Decline => format!("declined {revision}"),
        ActKind::Initial => format!("initialled {revision}"),
        ActKind::Object => format!("objected to {revision}"),
        ActKind::Open => format!("opened {revision} for signature"),
        ActKind::Propose => format!("proposed {revision}"),
        ActKind::Purge => "agreed to the erasure of the texts".into(),
        ActKind::Release => format!("released {revision} from the embargo"),
        ActKind::Sign => format!("signed {revision}"),
        ActKind::SignAdReferendum => format!("signed {revision} ad referendum"),
        ActKind::Withdraw if open => "agreed to the withdrawal".into(),
        ActKind::Withdraw => "withdrew the draft".into(),
    }
}

/// What is under way and needs every party, in a line each.
pub fn under_way(reading: &Reading, pinned: &Pinned) -> Vec<String> {
    let kinds = match reading.state {
        State::Open => &[(ActKind::Withdraw, "withdrawal"), (ActKind::Release, "release from the embargo")][..],
        State::Complete => &[(ActKind::Release, "release from the embargo")],
        State::Withdrawn | State::Lapsed if !reading.purged => &[(ActKind::Purge, "erasure of the texts")],
        _ => &[],
    };
    let line = |(kind, what): &(ActKind, &str)| {
        let (done, missing) = (done_by(reading, *kind), missing(*kind, reading, pinned));
        match missing.as_slice() {
            _ if done.is_empty() => None,
            [] => Some(format!("{what}: agreed by every party")),
            missing => Some(format!("{what}: agreed by {}, not yet by {}", list(&done), list(missing))),
        }
    };
    kinds.iter().filter_map(line).collect()
}

/// What may be done next: a sentence, and commands as they are typed.
pub struct Next {
    words: String,
    commands: Vec<String>,
}

impl Next {
    fn new<const N: usize>(words: impl Into<String>, commands: [String; N]) -> Self {
        Self { words: words.into(), commands: commands.into() }
    }
    /// Says it. Commands stand on lines of their own and are never broken, so that they can be copied.
    pub fn say(&self, out: &mut Out) {
        out.paragraph("", &self.words);
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
        let verb = if gone.len() == 1 { "is" } else { "are" };
        let words = format!("{} {verb} no party under the charter in force, so it can only be withdrawn.", list(&gone));
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
        let verb = if left.len() == 1 { "initials" } else { "initial" };
        return Next::new(format!("Next: {} {verb} it too; then it opens for signature.", list(&left)), []);
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
        Some(me) if signed + ad_referendum > 0 => Next::new(
            format!("Next: {me} signs by {quorum} holders of full powers; {} has so far.", signed + confirmed),
            [format!("sign {id}"), decline()],
        ),
        _ => Next::new("Next: sign it, or decline it.", [format!("sign {id}"), decline()]),
    };
    if me.is_some_and(|me| done_by(reading, ActKind::Withdraw).contains(&me)) {
        let left = missing(ActKind::Withdraw, reading, pinned);
        return Next::new(format!("Next: it is withdrawn once {} too agreed to it.", agree(&left)), []);
    }
    if !done_by(reading, ActKind::Withdraw).is_empty() {
        next.words.push_str(" Or agree to its withdrawal.");
        next.commands.push(format!("withdraw {id}"));
    }
    next
}

fn agree(parties: &[&PartyId]) -> String {
    format!("{} {}", list(parties), if parties.len() == 1 { "has" } else { "have" })
}
