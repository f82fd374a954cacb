//! Heads, proofs and cosignatures.

use communique::{
    domain::id::Role,
    wire::v1::{self, log_service_client::LogServiceClient},
};

use super::{Row, row, scene::Scene};
use crate::witness::{cosign, newest, sign_in_name};
use crate::world::{domain_of, now, outcome};

/// Proofs of what there is not.
pub(super) fn proofs<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let consistency = |what: &str, expected, old_size, new_size| {
        row(what, expected, async move {
            let mut client = LogServiceClient::new(s.world.channel("north", Role::System).await);
            outcome(&client.get_consistency_proof(v1::GetConsistencyProofRequest { old_size, new_size }).await)
        })
    };
    let inclusion = |what: &str, expected, index| {
        row(what, expected, async move {
            let mut client = LogServiceClient::new(s.world.channel("north", Role::System).await);
            outcome(&client.get_inclusion_proof(v1::GetInclusionProofRequest { index }).await)
        })
    };
    let digests = |what: &str, expected, start| {
        row(what, expected, async move {
            let mut client = LogServiceClient::new(s.world.channel("north", Role::System).await);
            outcome(&client.list_digests(v1::ListDigestsRequest { start }).await)
        })
    };
    vec![
        inclusion("a proof of an entry beyond the log", "MALFORMED", 1_000_000),
        inclusion("a proof of an entry beyond all logs", "MALFORMED", u64::MAX),
        consistency("a proof from a head beyond the log", "MALFORMED", 1_000_000, 0),
        consistency("a proof from a head beyond all logs", "MALFORMED", u64::MAX, 0),
        consistency("a proof to a head beyond the log", "MALFORMED", 1, 1_000_000),
        consistency("a proof to a head beyond all logs", "MALFORMED", 1, u64::MAX),
        consistency("a proof from a later head to an earlier one", "MALFORMED", 3, 2),
        digests("digests from beyond the log's end", "MALFORMED", 1_000_000),
        digests("digests from beyond all logs", "MALFORMED", u64::MAX),
    ]
}

/// Cosignatures that are good but for one thing.
pub(super) fn cosignatures<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    type Made = fn(&communique::log::checkpoint::Head) -> (u64, String);
    let submit = |what: &str, expected, of: &'static str, made: Made| {
        row(what, expected, async move {
            let (size, cosignature) = made(&newest(s.world, of).await);
            let mut client = LogServiceClient::new(s.world.channel(of, Role::Witness).await);
            outcome(&client.submit_cosignature(v1::SubmitCosignatureRequest { size, cosignature }).await)
        })
    };
    fn size(head: &communique::log::checkpoint::Head) -> u64 {
        head.checkpoint().size()
    }
    vec![
        submit("a cosignature of a party without a witness", "NOT_FOUND", "west", |h| {
            (size(h), cosign(h, "north", now()))
        }),
        submit("a cosignature of another party's witness, carried", "SIGNATURE_INVALID", "south", |h| {
            (size(h), cosign(h, "north", now()))
        }),
        submit("a cosignature by another key in the witness's name", "SIGNATURE_INVALID", "north", |h| {
            (size(h), sign_in_name(h, &format!("{}/witness", domain_of("north")), "witness of south", now()))
        }),
        submit("a cosignature in another name by the witness's key", "SIGNATURE_INVALID", "north", |h| {
            (size(h), sign_in_name(h, &format!("{}/other", domain_of("north")), "witness of north", now()))
        }),
        submit("a cosignature of another head", "SIGNATURE_INVALID", "north", |h| {
            (size(h) - 1, cosign(h, "north", now()))
        }),
        submit("a cosignature of a head beyond the log", "MALFORMED", "north", |h| {
            (size(h) + 1000, cosign(h, "north", now()))
        }),
        submit("a cosignature of no head", "MALFORMED", "north", |h| (0, cosign(h, "north", now()))),
        submit("a cosignature from the future", "MALFORMED", "north", |h| {
            (size(h), cosign(h, "north", now().plus(900)))
        }),
        submit("two cosignatures at once", "MALFORMED", "north", |h| (size(h), cosign(h, "north", now()).repeat(2))),
        submit("a cosignature without its newline", "MALFORMED", "north", |h| {
            (size(h), cosign(h, "north", now()).trim_end().to_owned())
        }),
        submit("no cosignature", "MALFORMED", "north", |h| (size(h), String::new())),
        submit("what is no signature line", "MALFORMED", "north", |h| (size(h), "cosigned\n".to_owned())),
        submit("the log's own signature", "SIGNATURE_INVALID", "north", |h| (size(h), h.note().lines()[0].to_string())),
        submit("an oversized cosignature", "TOO_LARGE", "north", |h| (size(h), "x".repeat((16 << 10) + 1))),
    ]
}
