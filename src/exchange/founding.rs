//! Founding: what a new log begins with.

use super::{
    append::Plan,
    ports::{AppendError, Machine, Object, Store},
};
use crate::{
    domain::{
        charter::{Adoption, Charter},
        document::Document,
        entry::{Kind, Position, Step, StreamId},
        refusal::Refusal,
        statement::Unverified,
        succession,
        trust::Trust,
    },
    msg,
    pki::authority::Authority,
};

/// Writes charter 1, its adoptions and every party's first trust statement into an empty log.
///
/// # Errors
/// What [`succession::found`] finds wrong; [`Refusal::AlreadyExists`] if the log was founded before.
pub async fn found(
    store: &dyn Store,
    machine: &dyn Machine,
    charter: &Document<Charter>,
    adoptions: Vec<Unverified<Adoption>>,
    trusts: Vec<Unverified<Trust>>,
) -> Result<(), Refusal> {
    for certificate in trusts.iter().flat_map(|t| &t.claims().certificates) {
        Authority::parse(certificate.as_bytes())?;
    }
    let founding = succession::found(charter, adoptions, trusts)?;
    let nothing = Position::default();
    let mut plan = Plan::new(machine.now(), [(StreamId::Exchange, nothing)]);
    let step = |kind, documents, statements| vec![Step { kind, documents, statements }];
    let first = step(Kind::Charter, vec![charter.digest()], vec![]);
    let mut after = plan.steps(machine, &StreamId::Exchange, nothing, first, vec![Object::from(charter)], None)?;
    for adoption in &founding.adoptions {
        let next = step(Kind::Adoption, vec![], vec![adoption.digest()]);
        after = plan.steps(machine, &StreamId::Exchange, after, next, vec![adoption.into()], None)?;
    }
    for (party, trust) in &founding.trusts {
        let first = step(Kind::Trust, vec![], vec![trust.digest()]);
        let stream = StreamId::Party(party.clone());
        plan.steps(machine, &stream, nothing, first, vec![trust.into()], None)?;
    }
    match store.append(plan.into_append()).await {
        Ok(_) => Ok(()),
        Err(AppendError::Conflict | AppendError::Behind(_)) => {
            Err(Refusal::AlreadyExists { what: msg!("this log was founded before: its charter 1") })
        }
        Err(AppendError::Full) => Err(Refusal::StoreFull),
        Err(AppendError::Failed) => Err(Refusal::StoreFailed),
        Err(AppendError::Unknown) => Err(Refusal::OutcomeUnknown),
    }
}
