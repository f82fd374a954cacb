//! Courses at random: parties, quorums, ways to sign, successions, corrections; most of them broken somewhere, and signed as they are.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use communique::domain::{
    act::{ActKind, Declaration},
    charter::Succession,
    entry::Kind,
    id::{Digest, HolderId},
    key::Signer as _,
    manifest::Initialling,
};

use crate::{
    engine::Dice,
    played::{self, Plan, Played, Turn, id, key, party, start},
};

/// The package of this seed and number, and how it differs from a plain one.
pub fn played(seed: u64, number: u64) -> (String, Played) {
    let mut dice = Dice::new(seed ^ 0x5EED, number);
    loop {
        // What cannot be written at all is drawn again: the samples' own checks stop it.
        if let Ok(done) = catch_unwind(AssertUnwindSafe(|| {
            let (mut what, mut plan) = course(&mut dice);
            what += &shown(&mut plan, &mut dice);
            let broken = dice.below(4);
            for _ in 0..broken.min(2) {
                what = format!("{what}, {}", break_one(&mut plan, &mut dice));
            }
            (what, plan.play())
        })) {
            return done;
        }
        // Not the same again, wherever it stopped.
        dice.next();
    }
}

fn course(dice: &mut Dice) -> (String, Plan) {
    let initialling = if dice.one_in(3) { Initialling::Waived } else { Initialling::Required };
    match dice.below(12) {
        0 => ("succession".into(), Plan::succession()),
        1 => ("substitution".into(), Plan::substitution()),
        2 => ("ad referendum".into(), Plan::ad_referendum()),
        3 => ("declarations".into(), Plan::declarations()),
        4 => ("released".into(), Plan::released()),
        5 => ("rectification".into(), Plan::correcting(Plan::plain().play())),
        6 => {
            ("rectification of a rectification".into(), Plan::correcting(Plan::correcting(Plan::plain().play()).play()))
        }
        7 => ("rectification of substitution".into(), Plan::correcting(Plan::substitution().play())),
        _ => {
            let (parties, quorum) = (2 + dice.below(4), 1 + dice.below(3));
            let mut plan = Plan::new(parties, quorum, initialling);
            let mut what = format!("{parties} parties, quorum {quorum}, {initialling:?}");
            if dice.one_in(4) {
                let seconds = 60 * dice.below(90) as i64;
                plan.also_manifest(move |m| m.procedure.deadline = Some(start().plus(seconds)));
                what += &format!(", deadline after {seconds} s");
            }
            if dice.one_in(4) {
                let seconds = 60 * dice.below(90) as i64;
                plan.also_manifest(move |m| m.procedure.embargo = Some(start().plus(seconds)));
                what += &format!(", embargo of {seconds} s");
            }
            if dice.one_in(4) {
                let (p, h) = (dice.below(parties), dice.below(quorum));
                plan.insert_after(Turn::Completed, Turn::Revoke(p, h));
                what += &format!(", {p}.{h} revoked afterwards");
            }
            if dice.one_in(4) {
                plan.also_manifest(|m| m.meeting = None);
                what += ", no meeting";
            }
            (what, plan)
        }
    }
}

/// What is shown of the log: which witnesses there are and which of them cosigned, how far the log went on, whether there is a stamp.
fn shown(plan: &mut Plan, dice: &mut Dice) -> String {
    plan.later = *dice.of(&[0, 0, 1, 5, 60]).unwrap();
    if dice.one_in(4) {
        plan.stamp = Some(vec![dice.byte(); 1 + dice.below(40)]);
    }
    if dice.one_in(3) {
        return format!(", the head {} later", plan.later);
    }
    // Without a party of its own, a cosignature is one too many.
    let all = plan.listed.min(6);
    let witnesses = 1 + dice.below(all);
    let cosigners: Vec<usize> = (0..witnesses).filter(|_| !dice.one_in(3)).collect();
    let of_original = plan.original.is_some();
    let course = std::mem::replace(plan, Plan::small());
    *plan = course.witnessed(witnesses, dice.below(3) as u64, &cosigners);
    if of_original {
        // Its charter was made with what it corrects: who has no witness there has none here.
        plan.cosigners.clear();
    }
    format!(", the head {} later, cosigned by {:?}", plan.later, plan.cosigners)
}

/// Breaks what is shown of the log.
fn evidence(plan: &mut Plan, dice: &mut Dice) -> String {
    let (how, at, bit) = (dice.below(16), dice.next() as usize, dice.next() as usize);
    let flipped = move |text: &mut String, from: usize| {
        let letters: Vec<usize> =
            text.bytes().enumerate().skip(from).filter(|(_, b)| b.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
        if let Some(at) = letters.get(at % letters.len().max(1)).copied() {
            text.replace_range(at..=at, ["A", "B", "0", "1", "/"][bit % 5]);
        }
    };
    match how {
        0 => plan.log_key = Some(*dice.of(&[1, 91, 700]).unwrap()),
        1 => plan.size = Some(dice.below(24) as u64),
        2 => plan.cosigners.reverse(),
        3 => plan.cosigners.extend(plan.cosigners.clone()),
        4 => plan.cosigners.push(dice.below(5)),
        5 => plan.head = Box::new(move |text| flipped(text, 0)),
        6 => plan.head = Box::new(|text| text.push_str("sample\n")),
        7 => plan.head = Box::new(|text| *text = text.replacen('\n', "\n0", 1)),
        8 => plan.note = Box::new(move |note| flipped(note, 0)),
        9 => plan.note = Box::new(move |note| flipped(note, note.rfind(' ').unwrap_or_default())),
        10 => plan.note = Box::new(|note| note.truncate(note.len() - 1)),
        11 => plan.note = Box::new(|note| note.push('\n')),
        12 => {
            plan.evidence = Box::new(move |files| {
                let paths: Vec<String> = files.keys().filter(|p| p.ends_with(".tlog-proof")).cloned().collect();
                let path = &paths[at % paths.len()];
                match bit % 4 {
                    0 => drop(files.remove(path)),
                    1 => drop(files.insert(path.clone(), files[&paths[bit % paths.len()]].clone())),
                    2 => drop(files.insert("evidence/3.tlog-proof".into(), files[path].clone())),
                    _ => drop(files.insert(path.replace("evidence/", "evidence/0"), files[path].clone())),
                }
            });
        }
        _ => {
            plan.evidence = Box::new(move |files| {
                let paths: Vec<String> = files.keys().filter(|p| p.ends_with(".tlog-proof")).cloned().collect();
                let path = &paths[at % paths.len()];
                let mut text = String::from_utf8(files[path].clone()).unwrap_or_default();
                flipped(&mut text, if how == 15 { 0 } else { 23 });
                files.insert(path.clone(), text.into_bytes());
            });
        }
    }
    format!("evidence changed ({how}, {at}, {bit})")
}

/// Breaks it, perhaps.
fn break_one(plan: &mut Plan, dice: &mut Dice) -> String {
    match dice.below(20) {
        16.. => evidence(plan, dice),
        0..6 => script(plan, dice),
        6..10 => act(plan, dice),
        10 => powers(plan, dice),
        11 => charter(plan, dice),
        12 => manifest(plan, dice),
        13 => signer(plan, dice),
        14 => entry(plan, dice),
        _ => other(plan, dice),
    }
}

fn turn(dice: &mut Dice) -> Turn {
    let (p, h) = (dice.below(3), dice.below(3));
    match dice.below(14) {
        0..5 => Turn::Act(*dice.of(&ActKind::ALL).unwrap(), p, h),
        5 => Turn::Revoke(p, h),
        6 => Turn::Grant(p, h),
        7 => Turn::Wait(*dice.of(&[-61, -60, 1, 299, 300, 301, 86_400, 86_400 * 31]).unwrap()),
        8 => Turn::Others(1 + dice.below(3) as u64),
        9 => Turn::Adopt(p),
        10 => Turn::Earlier(p, h),
        11 => *dice.of(&[Turn::Opened, Turn::Completed, Turn::Charter, Turn::Gap(1)]).unwrap(),
        12 => {
            Turn::Mark(*dice.of(&[Kind::Lapsed, Kind::Returned, Kind::Purged, Kind::Rectified, Kind::Opened]).unwrap())
        }
        _ => *dice.of(&[Turn::Failed(p), Turn::Rekey(p, 91), Turn::Trust(p), Turn::Propose(p, h)]).unwrap(),
    }
}

fn script(plan: &mut Plan, dice: &mut Dice) -> String {
    let (at, to) = (dice.below(plan.script.len()), dice.below(plan.script.len()));
    let here = plan.script[at];
    match dice.below(6) {
        0 | 1 => {
            plan.script.remove(at);
            format!("without {here:?} at {at}")
        }
        2 => {
            plan.script.swap(at, to);
            format!("{here:?} and {:?} swapped", plan.script[at])
        }
        3 => {
            plan.script.insert(to, here);
            format!("{here:?} again at {to}")
        }
        _ => {
            let new = turn(dice);
            plan.script.insert(at, new);
            format!("{new:?} put in at {at}")
        }
    }
}

/// Whether it is this one's turn, of those that come by.
fn nth(n: usize) -> impl Fn() -> bool {
    let met = Cell::new(0);
    move || met.replace(met.get() + 1) == n
}

fn act(plan: &mut Plan, dice: &mut Dice) -> String {
    let (n, how, by) =
        (dice.below(12), dice.below(13), *dice.of(&[-90_000, -601, -301, -300, 299, 300, 301, 90_000]).unwrap());
    let turn = nth(n);
    plan.act = Box::new(move |act| {
        if !turn() {
            return;
        }
        match how {
            0 | 1 => act.time = act.time.plus(by),
            2 => act.place = None,
            3 => act.revision += 1,
            4 => act.charter = Digest::of(b"another charter"),
            5 => act.manifest = Digest::of(b"another manifest"),
            6 => act.opening = act.opening.map(|_| Digest::of(b"another opening")),
            7 => act.grant = Digest::of(b"other powers"),
            8 => act.party = party(1),
            9 => act.communique = id(9),
            10 => act.founding = Digest::of(b"another founding"),
            11 => act.confirms = act.confirms.map(|_| Digest::of(b"another signature")),
            _ => {
                let signs = matches!(act.act, ActKind::Sign | ActKind::SignAdReferendum);
                act.declaration =
                    signs.then(|| Declaration::Made(Digest::of(b"no declaration"))).or(act.declaration.take());
            }
        }
    });
    format!("act {n} changed ({how}, {by} s)")
}

fn powers(plan: &mut Plan, dice: &mut Dice) -> String {
    let (n, how) = (dice.below(5), dice.below(9));
    let turn = nth(n);
    plan.powers = Box::new(move |powers| {
        if !turn() {
            return;
        }
        match how {
            0 => powers.not_before = powers.not_before.plus(3600),
            1 => powers.not_after = powers.not_before.plus(60),
            2 => powers.acts.retain(|act| *act != ActKind::Sign),
            3 => powers.scope = Some(vec![id(5)]),
            4 => powers.scope = Some(vec![id(0), id(1), id(5)]),
            5 => powers.key = key(played::official(1, 0)).public(),
            6 => powers.key = key(played::authority(0)).public(),
            7 => powers.holder.id = HolderId::parse("holder-0").unwrap(),
            _ => powers.party = party(1),
        }
    });
    format!("full powers {n} changed ({how})")
}

fn charter(plan: &mut Plan, dice: &mut Dice) -> String {
    let how = dice.below(6);
    let before = std::mem::replace(&mut plan.charter, Box::new(|_| ()));
    plan.charter = Box::new(move |charter| {
        before(charter);
        match how {
            0 => charter.succession = Succession::AllButOne,
            1 => charter.parties[0].quorum += 1,
            2 => charter.parties[1].witness = Some(key(200).public()),
            3 => charter.witnesses = 1,
            4 => drop(charter.parties.pop()),
            _ => charter.parties[0].quorum = 1,
        }
    });
    format!("charter changed ({how})")
}

fn manifest(plan: &mut Plan, dice: &mut Dice) -> String {
    let how = dice.below(10);
    plan.also_manifest(move |m| match how {
        0 => m.revision = 3,
        1 => (m.revision, m.previous) = (1, None),
        2 => m.parties.reverse(),
        3 => drop(m.parties.pop()),
        4 => m.procedure.initialling = Initialling::Waived,
        5 => m.procedure.embargo = Some(start().plus(86_400 * 30)),
        6 => m.procedure.deadline = Some(start()),
        7 => m.annexes.clear(),
        8 => m.proposer = party(1),
        _ => m.charter = Digest::of(b"another charter"),
    });
    format!("manifest changed ({how})")
}

fn signer(plan: &mut Plan, dice: &mut Dice) -> String {
    let kinds = ["act", "powers", "adoption", "revocation", "certified-copy"];
    let (kind, p, seed) =
        (*dice.of(&kinds).unwrap(), dice.below(3), *dice.of(&[1, 2, 10, 11, 50, 51, 58, 99]).unwrap());
    let whole = kind == "certified-copy";
    plan.signer = Box::new(move |of, by, _| (of == kind && (whole || by == p)).then_some(seed));
    format!("{kind} of {p} by the key {seed}")
}

fn entry(plan: &mut Plan, dice: &mut Dice) -> String {
    let (n, how, by) = (dice.below(20), dice.below(7), *dice.of(&[-3600, -60, -1, 1, 300, 3600]).unwrap());
    let turn = nth(n);
    plan.entry = Box::new(move |entry| {
        if !turn() {
            return;
        }
        match how {
            0 | 1 => entry.time = entry.time.plus(by),
            2 => entry.seq += 1,
            3 => entry.previous = entry.previous.map(|_| Digest::of(b"another entry")),
            4 => entry.statements.reverse(),
            5 => drop(entry.statements.pop()),
            _ => entry.documents.reverse(),
        }
    });
    format!("entry {n} changed ({how}, {by} s)")
}

fn other(plan: &mut Plan, dice: &mut Dice) -> String {
    let how = dice.below(7);
    match how {
        0 => plan.revocation = Box::new(|r| r.grant = Digest::of(b"other powers")),
        1 => plan.adoption = Box::new(|a| a.version += 1),
        2 => plan.published = Box::new(|entry| entry.time = entry.time.plus(-3600)),
        3 => plan.published = Box::new(|entry| drop(entry.files.as_mut().map(Vec::pop))),
        4 => plan.certified = Box::new(|copy| copy.index += 1),
        5 => plan.certified = Box::new(|copy| copy.time = copy.time.plus(1)),
        _ => plan.text = Box::new(|text| text.push_str("\n\nune ligne de trop")),
    }
    format!("something else ({how})")
}
