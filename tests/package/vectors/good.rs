//! Packages that are good: what a communiqué may come to.

use communique::{
    domain::{
        act::ActKind,
        charter::{Charter, LogKey, Succession},
        id::Digest,
        key::Signer as _,
        manifest::{Initialling, LegalEffect, MediaType, Status},
        words::Line,
    },
    package::{
        bag,
        verdict::{Findings, Verdict},
        verify::verify,
    },
};

use crate::{
    played::{self, Plan, SampleAnnex, Turn, cosignature_line, cosignature_line_in_name, key, sample_text},
    table::side_by_side,
};

pub struct Made {
    pub name: String,
    pub says: &'static str,
    pub pin: Option<Digest>,
    pub zip: Vec<u8>,
    pub verdict: Verdict,
}

/// The fingerprint that the reader brings.
#[derive(Clone, Copy)]
enum Pin {
    /// Of this version of the charter.
    Version(u64),
    None,
}
use Pin::{None as Unpinned, Version};

/// A row: name, what it shows, the reader's fingerprint, and how it comes about.
type Row = (&'static str, &'static str, Pin, fn() -> Plan);

const SIGN: ActKind = ActKind::Sign;

const TABLE: &[Row] = &[
    (
        "worked-example",
        "two parties of one signatory each, opened by its proposer, the head cosigned by one: the example of FORMAT.md",
        Version(1),
        Plan::example,
    ),
    ("two-parties", "two parties of two signatories each, initialled by both", Version(1), Plan::plain),
    ("unpinned", "the same without a fingerprint: consistent, and nothing is proven", Unpinned, Plan::plain),
    ("three-parties", "three parties of one signatory each", Version(1), || Plan::new(3, 1, Initialling::Required)),
    ("five-parties-quorum-two", "five parties of two signatories each, initialling waived", Version(1), || {
        Plan::new(5, 2, Initialling::Waived)
    }),
    ("twelve-parties", "twelve parties", Version(1), || Plan::new(12, 1, Initialling::Required)),
    ("thirty-parties", "thirty parties", Version(1), || Plan::new(30, 1, Initialling::Waived)),
    ("quorums-differ", "three parties of one, two and three signatories", Version(1), || {
        let mut plan = Plan::new(3, 3, Initialling::Required);
        plan.charter = Box::new(|c| {
            c.parties.truncate(3);
            (1..).zip(&mut c.parties).for_each(|(quorum, p)| p.quorum = quorum);
        });
        plan.script.retain(|t| !matches!(t, Turn::Grant(p, h) | Turn::Act(SIGN, p, h) if h > p));
        plan
    }),
    ("first-revision", "signed as it was first proposed", Version(1), || {
        let mut plan = Plan::small();
        plan.also_manifest(|m| (m.revision, m.previous) = (1, None));
        plan
    }),
    ("later-revision", "the seventh revision", Version(1), || {
        let mut plan = Plan::small();
        plan.also_manifest(|m| m.revision = 7);
        plan.insert_before(Turn::Propose(0, 0), Turn::Gap(9));
        plan
    }),
    (
        "ad-referendum",
        "a signature ad referendum that is confirmed, and another that is not and is not needed",
        Version(1),
        || Plan::ad_referendum(),
    ),
    ("ad-referendum-confirmed-by-itself", "who signed ad referendum confirms it", Version(1), || {
        let mut plan = Plan::small();
        let at = plan.position(Turn::Act(SIGN, 1, 0));
        plan.script[at] = Turn::Act(ActKind::SignAdReferendum, 1, 0);
        plan.script.insert(at + 1, Turn::Act(ActKind::Confirm, 1, 0));
        plan
    }),
    ("declaration", "a declaration on the signed revision that signatures name", Version(1), declared),
    (
        "declaration-earlier",
        "a declaration on the revision before, another on the signed one, and one that no signature names",
        Version(1),
        || Plan::declarations(),
    ),
    ("declaration-unnamed", "a declaration on the signed revision that no signature names", Version(1), || {
        let mut plan = declared();
        plan.act = Box::new(|a| a.declaration = a.declaration.take().filter(|_| !a.act.is_signature()));
        plan
    }),
    (
        "declaration-in-vain",
        "a declaration that only a signature names which does not count",
        Version(1),
        Plan::declared_in_vain,
    ),
    ("rectification", "it corrects another communiqué, whose package is in it", Version(1), || {
        Plan::correcting(Plan::small().play())
    }),
    ("rectification-of-a-rectification", "it corrects what corrected another", Version(1), || {
        Plan::correcting(Plan::correcting(Plan::small().play()).play())
    }),
    ("rectification-under-a-later-charter", "it corrects what was signed under the charter before", Version(2), || {
        let mut plan = Plan::correcting(Plan::small().play());
        plan.successors = vec![Box::new(|c| c.witnesses = 1)];
        plan.under = 2;
        plan.script.splice(0..0, [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)]);
        plan
    }),
    ("rectification-unpinned", "it corrects another communiqué; nothing of either is proven", Unpinned, || {
        Plan::correcting(Plan::small().play())
    }),
    (
        "all-at-once",
        "declarations, a confirmation, a seat that another fills, a release, the end of full powers",
        Version(1),
        all_at_once,
    ),
    ("all-at-once-unpinned", "the same without a fingerprint", Unpinned, all_at_once),
    (
        "succession",
        "three charters: a party joins, one leaves, one has another authority key, one is absent; a proposal failed",
        Version(1),
        || Plan::succession(),
    ),
    ("succession-pinned-later", "the same, and the reader knows the third charter", Version(3), Plan::succession),
    (
        "succession-late",
        "a charter that was put forward as entry 4,095 of its stream, the last that may be",
        Version(1),
        || Plan::late_succession(0),
    ),
    (
        "succession-all-but-one",
        "a charter that one party of three did not consent to: its key was lost, and it is bound by a new one",
        Version(1),
        all_but_one,
    ),
    ("succession-after-completion", "another depositary since completion, who certifies", Version(1), || {
        let mut plan = Plan::small();
        plan.successors = vec![Box::new(|c| c.depositary = key(91).public())];
        plan.script.extend([Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Failed(0)]);
        plan.signer = Box::new(|kind, _, _| (kind == "certified-copy").then_some(91));
        plan
    }),
    (
        "adopted-at-the-last-second",
        "the adoption with which a charter came into force was logged at its adopt_by",
        Version(1),
        || {
            let mut plan = Plan::small();
            plan.successors = vec![Box::new(|c| c.adopt_by = Some(played::start().plus(86_400)))];
            plan.under = 2;
            for turn in [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)] {
                plan.insert_before(Turn::Propose(0, 0), turn);
            }
            let last = judged(&plan).charters[1].since;
            plan.successors = vec![Box::new(move |c| c.adopt_by = Some(last))];
            plan
        },
    ),
    (
        "revocation-before-completion",
        "full powers end after the signature, and another signs in the seat",
        Version(1),
        || {
            let mut plan = Plan::substitution();
            plan.without(Turn::Revoke(0, 0));
            plan
        },
    ),
    (
        "revocation-after-completion",
        "full powers end after completion, which changes nothing and is told",
        Version(1),
        || {
            let mut plan = Plan::small();
            plan.insert_after(Turn::Completed, Turn::Revoke(0, 0));
            plan
        },
    ),
    ("embargo-released", "published before the embargo's end, as every party wanted", Version(1), Plan::released),
    ("embargo-run-out", "published after the embargo's end", Version(1), || {
        let mut plan = Plan::small();
        plan.also_manifest(|m| m.procedure.embargo = Some(played::start().plus(86_400)));
        plan.insert_after(Turn::Completed, Turn::Wait(86_400));
        plan
    }),
    ("embargo-ends-at-publication", "published at the second of the embargo's end", Version(1), || {
        let until = judged(&Plan::small()).published;
        let mut plan = Plan::small();
        plan.also_manifest(move |m| m.procedure.embargo = Some(until));
        plan
    }),
    ("deadline", "signed before the deadline", Version(1), || {
        let mut plan = Plan::small();
        plan.also_manifest(|m| m.procedure.deadline = Some(played::start().plus(86_400)));
        plan
    }),
    ("deadline-at-the-last-second", "the last signature was given at the deadline", Version(1), || {
        let until = judged(&Plan::small()).completed;
        let mut plan = Plan::small();
        plan.also_manifest(move |m| m.procedure.deadline = Some(until));
        plan
    }),
    ("clocks-ahead", "every act says a time 300 seconds after log time", Version(1), || {
        let mut plan = Plan::small();
        plan.act = Box::new(|a| a.time = a.time.plus(300));
        plan
    }),
    (
        "taken-back-by-one-alone",
        "one party took it back while it was open, and all signed all the same",
        Version(1),
        || {
            let mut plan = Plan::small();
            plan.insert_after(Turn::Opened, Turn::Act(ActKind::Withdraw, 0, 0));
            plan
        },
    ),
    (
        "languages",
        "texts in Arabic, English, Spanish, Persian, French, Hindi, Russian and Chinese; the English one is a translation",
        Version(1),
        || {
            let mut plan = Plan::small();
            plan.texts = ["ar", "en", "es", "fa", "fr", "hi", "ru", "zh-Hans"].map(sample_text).to_vec();
            plan.texts[1].status = Status::Translation;
            plan
        },
    ),
    ("witnessed", "the head is cosigned by the witnesses of both parties, as the charter wants", Version(1), || {
        Plan::small().witnessed(2, 2, &[0, 1])
    }),
    ("witnessed-by-some", "the charter wants three witnesses, and two of four cosigned", Version(1), || {
        Plan::new(4, 1, Initialling::Waived).witnessed(4, 3, &[1, 3])
    }),
    ("witnessed-by-none", "the charter wants two witnesses, and none cosigned yet", Version(1), || {
        Plan::small().witnessed(2, 2, &[])
    }),
    (
        "witnessed-at-the-ends-of-time",
        "cosigned at the first second that is no zero, and at the last of 9998",
        Version(1),
        || {
            let mut plan = Plan::cosigned();
            plan.note = Box::new(|note| {
                let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
                let kept: Vec<_> = note.lines().take(5).collect();
                let cosigned = [(0, 1), (1, 253_370_764_799)].map(|(p, time)| cosignature_line(&text, p, time));
                *note = format!("{}\n{}", kept.join("\n"), cosigned.concat());
            });
            plan
        },
    ),
    (
        "trust-domain-too-long-for-a-witness",
        "of two parties with witnesses, one has so long a trust domain that it counts for none",
        Version(1),
        || {
            let mut plan = Plan::small().witnessed(2, 1, &[0]);
            let long = [&"x".repeat(63); 3].map(String::as_str).join(".") + "." + &"y".repeat(56);
            plan.also_charter(move |c| c.parties[1].trust_domain = long.parse().unwrap());
            plan
        },
    ),
    (
        "trust-domain-as-long-as-a-witness-may-have",
        "a witness whose name has 255 bytes cosigned, and told a time long before publication",
        Version(1),
        || {
            let mut plan = Plan::small().witnessed(2, 1, &[]);
            let long = [&"x".repeat(62); 3].map(String::as_str).join(".") + "." + &"y".repeat(58);
            assert_eq!(long.len(), 247);
            let name = format!("{long}/witness");
            plan.also_charter(move |c| c.parties[1].trust_domain = long.parse().unwrap());
            plan.note = Box::new(move |note| {
                let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
                *note += &cosignature_line_in_name(&name, &text, 1, 86_400);
            });
            plan
        },
    ),
    ("time-stamp-as-large-as-may-be", "a time stamp of 65,536 bytes, which is none", Version(1), || {
        let mut plan = Plan::small();
        plan.stamp = Some(vec![0x30; 65_536]);
        plan
    }),
    ("time-stamp", "a time stamp, which no verifier judges: this one is none", Version(1), || {
        let mut plan = Plan::cosigned();
        plan.stamp = Some(b"sample, not a real time stamp".to_vec());
        plan
    }),
    ("head-later", "the head is of a log that went on since publication", Version(1), || {
        let mut plan = Plan::small();
        plan.later = 23;
        plan
    }),
    ("head-of-the-largest-tree", "the tree has 2^53-1 leaves, and each proof 53 hashes", Version(1), || {
        let mut plan = Plan::small();
        plan.size = Some((1 << 53) - 1);
        plan
    }),
    (
        "log-key-replaced",
        "the charter in force at publication names another key of the log, and other witnesses",
        Version(1),
        || {
            let mut plan = Plan::small().witnessed(1, 1, &[1]);
            plan.successors = vec![Box::new(|c| {
                c.log = LogKey { origin: Line::new("log.sample.example").unwrap(), key: key(91).public() };
                c.parties[0].witness = None;
                c.parties[1].witness = Some(key(played::witness(1)).public());
                c.witnesses = 2;
            })];
            plan.script.extend([Turn::Succession, Turn::Adopt(0), Turn::Adopt(1)]);
            plan.log_key = Some(91);
            plan
        },
    ),
    (
        "rectification-witnessed",
        "it corrects another; both are proven under one head, cosigned and stamped",
        Version(1),
        || {
            let mut plan = Plan::correcting(Plan::small().witnessed(2, 2, &[0]).play());
            (plan.cosigners, plan.later) = (vec![0, 1], 5);
            plan.stamp = Some(b"sample, not a real time stamp".to_vec());
            plan
        },
    ),
    ("persian", "a text in Persian, with the non-joiners that it needs", Version(1), || {
        let mut plan = Plan::small();
        plan.texts = vec![sample_text("fa")];
        plan
    }),
    ("binding", "a binding document in Spanish and Russian, of no meeting, without annexes", Version(1), || {
        let mut plan = Plan::small();
        plan.texts = ["es", "ru"].map(sample_text).to_vec();
        plan.annexes.clear();
        plan.also_manifest(|m| (m.legal_effect, m.meeting) = (LegalEffect::Binding, None));
        plan
    }),
    ("long-text", "a text of more than 64 KiB", Version(1), || {
        let mut plan = Plan::small();
        let mut text = sample_text("en");
        let paragraph =
            |n: usize| format!("{n}. This is paragraph {n} of a sample text; it says nothing and binds nobody.");
        text.text = (1..=850).map(paragraph).collect::<Vec<_>>().join("\n\n") + "\n";
        plan.texts = vec![text];
        plan
    }),
    ("annexes", "annexes of every media type, with titles in other languages than the texts", Version(1), || {
        let mut plan = Plan::small();
        let kinds = [
            (MediaType::Pdf, "%PDF-1.7 sample, not a real document\n"),
            (MediaType::Jpeg, "a sample, not a real photograph\n"),
            (MediaType::Png, "a sample, not a real picture\n"),
            (MediaType::Tiff, "a sample, not a real scan\n"),
            (MediaType::Csv, "station,depth\nsample 1,12\nsample 2,15\n"),
            (MediaType::Plain, "A sample list.\r\n\tText rules do not ask annexes.\r\n"),
        ];
        let titles = [
            &[("en", "Sample annex"), ("ru", "Образец приложения"), ("zh-Hans", "示例附件")][..],
            &[("fa", "پیوست نمونه")],
        ];
        plan.annexes = kinds
            .into_iter()
            .zip(titles.into_iter().cycle())
            .map(|((media_type, bytes), titles)| SampleAnnex { titles, media_type, bytes: bytes.into() })
            .collect();
        plan
    }),
];

/// One declares on the signed revision, and the party's signatures name it.
fn declared() -> Plan {
    let mut plan = Plan::small();
    plan.insert_after(Turn::Propose(0, 0), Turn::Act(ActKind::Declare, 1, 0));
    plan
}

/// As much of what findings may tell as fits into one communiqué.
fn all_at_once() -> Plan {
    let mut plan = Plan::declarations();
    plan.also_manifest(|m| m.procedure.embargo = Some(played::start().plus(86_400)));
    plan.insert_after(Turn::Opened, Turn::Act(ActKind::Release, 0, 0));
    let at = plan.position(Turn::Act(SIGN, 0, 0));
    plan.script[at] = Turn::Act(ActKind::SignAdReferendum, 0, 0);
    plan.insert_after(Turn::Act(SIGN, 0, 1), Turn::Act(ActKind::Confirm, 0, 1));
    // Another signs in the seat of one whose full powers end; the signature that was last is not any more.
    let last = plan.script.remove(plan.position(Turn::Act(SIGN, 1, 0)));
    let at = plan.position(Turn::Act(SIGN, 1, 1)) + 1;
    plan.script.splice(at..at, [Turn::Revoke(1, 1), Turn::Grant(1, 2), Turn::Act(SIGN, 1, 2), last]);
    plan.insert_after(Turn::Completed, Turn::Revoke(0, 0));
    plan.insert_after(Turn::Completed, Turn::Act(ActKind::Release, 1, 0));
    plan
}

fn all_but_one() -> Plan {
    let renewed = |c: &mut Charter| c.parties[2].authority = key(90).public();
    let mut plan = Plan::new(3, 1, Initialling::Required);
    plan.charter = Box::new(|c| {
        c.parties.truncate(3);
        c.succession = Succession::AllButOne;
    });
    plan.successors = vec![Box::new(renewed)];
    plan.under = 2;
    let turns = [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Rekey(2, 90), Turn::Adopt(2)];
    turns.into_iter().for_each(|turn| plan.insert_before(Turn::Grant(0, 0), turn));
    plan
}

/// What is found in it.
fn judged(plan: &Plan) -> Findings {
    plan.play().verify().findings().unwrap().clone()
}

pub fn made() -> Vec<Made> {
    side_by_side(TABLE, |(name, says, pin, plan)| {
        let played = plan().play();
        let pin = match pin {
            Version(version) => Some(Digest::of(&played.files[&bag::charter_path(*version)])),
            Unpinned => None,
        };
        let verdict = verify(std::io::Cursor::new(&played.zip), pin);
        Made { name: (*name).into(), says, pin, zip: played.zip, verdict }
    })
}
