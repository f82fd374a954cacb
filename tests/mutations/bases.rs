//! The good packages that mutations begin with.

use communique::{domain::manifest::Initialling, package::verdict::Verdict};

use crate::{
    engine::Base,
    played::{self, Plan, Turn},
};

/// Good packages of every course that a package tells.
pub fn bases() -> Vec<Base> {
    let original = || Plan::plain().play();
    let twice = || Plan::correcting(original()).play();
    let mut late = Plan::plain();
    late.also_manifest(|m| m.procedure.deadline = Some(played::start().plus(86_400)));
    late.insert_after(Turn::Completed, Turn::Revoke(1, 1));
    let mut later = Plan::new(3, 1, Initialling::Required).witnessed(3, 2, &[1, 2]);
    later.later = 7;
    let mut stamped = Plan::correcting(Plan::small().witnessed(2, 2, &[]).play());
    stamped.cosigners = vec![0, 1];
    stamped.stamp = Some(b"sample, not a real time stamp".to_vec());
    let plans = [
        ("plain", Plan::plain()),
        ("waived", Plan::new(2, 1, Initialling::Waived)),
        ("five parties", Plan::new(5, 1, Initialling::Required)),
        ("quorum of three", Plan::new(2, 3, Initialling::Required)),
        ("succession", Plan::succession()),
        ("substitution", Plan::substitution()),
        ("ad referendum", Plan::ad_referendum()),
        ("declarations", Plan::declarations()),
        ("released", Plan::released()),
        ("deadline and revocation", late),
        ("rectification", Plan::correcting(original())),
        ("rectification of one", Plan::correcting(twice())),
        ("cosigned", Plan::new(3, 1, Initialling::Required).witnessed(3, 2, &[0, 1, 2])),
        ("cosigned, later and by others", later),
        ("rectification, cosigned and stamped", stamped),
    ];
    let mut bases = vec![];
    for (name, plan) in plans {
        let played = plan.play();
        let pin = played.charter.digest();
        let verdict = played.verify();
        assert!(matches!(verdict, Verdict::Proven(_)), "{name}: {}", verdict.to_json());
        bases.push(Base::new(name, played.zip, pin));
    }
    bases
}
