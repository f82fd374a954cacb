//! Founding: what a new log begins with.

use std::collections::BTreeMap;

use super::ports::{Append, AppendError, Machine, NewEntry, Object, Store};
use crate::domain::{
    charter::{Adoption, Charter},
    document::Document,
    entry::{Entry, Kind, Position, StreamId},
    id::{Digest, PartyId, Salt},
    json::{self, Form},
    refusal::Refusal,
    register,
    statement::Unverified,
    trust::Trust,
};
use crate::pki::authority::Authority;

/// Writes charter 1, its adoptions and every party's first trust statement into an empty log.
///
/// # Errors
/// What [`register::found`] finds wrong; [`Refusal::AlreadyExists`] if the log was founded before.
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
    let founding = register::found(charter, adoptions, trusts)?;
    let now = machine.now();
    let mut positions: BTreeMap<StreamId, Position> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut add = |stream: StreamId, kind, documents: Vec<Digest>, statements: Vec<Digest>, bytes: Vec<u8>| {
        let position = positions.entry(stream.clone()).or_default();
        let entry = Entry {
            kind,
            time: now,
            stream,
            seq: position.length,
            previous: position.last,
            salt: Salt::new(machine.random()),
            documents,
            statements,
            files: None,
        };
        entry.check()?;
        let encoded = json::encode(&entry);
        position.advance(&entry, Digest::of(&encoded))?;
        entries.push(NewEntry { entry, bytes: encoded, objects: vec![Object::new(bytes)] });
        Ok::<_, Refusal>(())
    };
    add(StreamId::Exchange, Kind::Charter, vec![charter.digest()], vec![], charter.bytes().to_vec())?;
    for adoption in &founding.adoptions {
        add(StreamId::Exchange, Kind::Adoption, vec![], vec![adoption.digest()], adoption.compact().into())?;
    }
    for (party, trust) in &founding.trusts {
        add(StreamId::Party(PartyId::clone(party)), Kind::Trust, vec![], vec![trust.digest()], trust.compact().into())?;
    }
    let expect = [(StreamId::Exchange, 0)].into();
    match store.append(Append { expect, entries, listing: None }).await {
        Ok(_) => Ok(()),
        Err(AppendError::Conflict | AppendError::Behind(_)) => {
            Err(Refusal::AlreadyExists { what: "this log was founded before: its charter 1".into() })
        }
        Err(AppendError::Failed) => Err(Refusal::StoreFailed),
        Err(AppendError::Unknown) => Err(Refusal::OutcomeUnknown),
    }
}
