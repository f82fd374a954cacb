//! What a party's authority signs: the adoption of a charter, trust in its own CAs, full powers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reading::Pinned;
use crate::{
    domain::{
        act::ActKind,
        charter::{Adoption, Charter, Der, LogKey, Party, Succession},
        document::Document,
        id::{CommuniqueId, Digest, ExchangeName},
        json::{self, Form},
        key::{PublicKey, SUITE, Signer},
        message::Message,
        powers::{Holder, Powers, Revocation},
        refusal::Refusal,
        statement::{Statement, Type, Unverified},
        succession,
        time::Time,
        trust::Trust,
        words::Prose,
    },
    msg,
};

/// What the operator of the exchange puts into the charter: `host.json`, written by `communiqued init`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The exchange's name.
    pub exchange: ExchangeName,
    /// Its log.
    pub log: LogKey,
    /// Its key for certified copies.
    pub depositary: PublicKey,
    /// The CA of its server certificates.
    pub server_ca: Der,
}

impl Form for Host {
    const NAME: &'static str = "host";
    const LIMIT: usize = 32 << 10;
    fn called() -> Message {
        msg!("form" => "host")
    }
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A party's own description of itself, to be put into a charter: `party.json`.
impl Form for Party {
    const NAME: &'static str = "party";
    const LIMIT: usize = 64 << 10;
    fn called() -> Message {
        msg!("form" => "party")
    }
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Drafts charter 1.
///
/// # Errors
/// The charter's own bounds.
pub fn draft(
    host: Host,
    mut parties: Vec<Party>,
    succession: Succession,
    witnesses: u64,
) -> Result<Document<Charter>, Refusal> {
    parties.sort_by(|a, b| a.id.cmp(&b.id));
    Document::of(&Charter {
        r#type: Type::of::<Charter>(),
        exchange: host.exchange,
        version: 1,
        previous: None,
        succession,
        adopt_by: None,
        parties,
        witnesses,
        log: host.log,
        depositary: host.depositary,
        server_ca: host.server_ca,
        suites: vec![SUITE.into()],
    })
}

/// The party whose authority key this signer holds.
///
/// # Errors
/// [`Refusal::KeyRefused`] if it is no party's.
pub fn authority_of<'a>(charter: &'a Charter, signer: &dyn Signer) -> Result<&'a Party, Refusal> {
    charter
        .parties
        .iter()
        .find(|p| p.authority == signer.public())
        .ok_or_else(|| Refusal::KeyRefused { problem: msg!("it is no party's authority key in this charter") })
}

/// Adopts charter 1 for the party whose authority key this is. For later ones see [`super::succeeding`].
///
/// # Errors
/// [`Refusal::KeyRefused`]; what the signer fails with.
pub fn adopt(charter: &Document<Charter>, signer: &dyn Signer, time: Time) -> Result<Statement<Adoption>, Refusal> {
    let adoption = Statement::sign(
        Adoption {
            founding: charter.digest(),
            exchange: charter.exchange.clone(),
            party: authority_of(charter, signer)?.id.clone(),
            charter: charter.digest(),
            version: charter.version,
            time,
        },
        signer,
    )?;
    succession::adopt_first(charter, Unverified::parse(adoption.compact())?)
}

/// States which CAs the party is known by, and which leaves it shuts out.
///
/// # Errors
/// [`Refusal::KeyRefused`]; the statement's own bounds.
pub fn trust(
    pinned: &Pinned,
    signer: &dyn Signer,
    serial: u64,
    certificates: impl IntoIterator<Item = Der>,
    revoked: impl IntoIterator<Item = Digest>,
    time: Time,
) -> Result<Statement<Trust>, Refusal> {
    let body = Trust {
        founding: pinned.founding(),
        exchange: pinned.exchange().clone(),
        party: authority_of(pinned.charter(), signer)?.id.clone(),
        serial,
        certificates: certificates.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        revoked: revoked.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        time,
    };
    Statement::sign(body, signer)
}

/// What a grant is to cover.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The person.
    pub holder: Holder,
    /// His or her key.
    pub key: PublicKey,
    /// The acts.
    pub acts: BTreeSet<ActKind>,
    /// The communiqués; none for all.
    pub scope: Option<BTreeSet<CommuniqueId>>,
    /// From when on.
    pub not_before: Time,
    /// Until when, inclusive.
    pub not_after: Time,
}

/// The full powers that these terms are, of the party whose authority key this is.
///
/// # Errors
/// [`Refusal::KeyRefused`].
pub fn offer(pinned: &Pinned, authority: &dyn Signer, terms: Terms) -> Result<Powers, Refusal> {
    Ok(Powers {
        founding: pinned.founding(),
        exchange: pinned.exchange().clone(),
        party: authority_of(pinned.charter(), authority)?.id.clone(),
        holder: terms.holder,
        key: terms.key,
        acts: terms.acts.into_iter().collect(),
        scope: terms.scope.map(|s| s.into_iter().collect()),
        not_before: terms.not_before,
        not_after: terms.not_after,
    })
}

/// Grants full powers for the party whose authority key this is.
///
/// # Errors
/// [`Refusal::KeyRefused`]; the statement's own bounds.
pub fn grant(pinned: &Pinned, signer: &dyn Signer, terms: Terms) -> Result<Statement<Powers>, Refusal> {
    Statement::sign(offer(pinned, signer, terms)?, signer)
}

/// Ends a grant for the party whose authority key this is.
///
/// # Errors
/// [`Refusal::KeyRefused`]; the statement's own bounds.
pub fn revoke(
    pinned: &Pinned,
    signer: &dyn Signer,
    grant: Digest,
    reason: Prose,
    time: Time,
) -> Result<Statement<Revocation>, Refusal> {
    let body = Revocation {
        founding: pinned.founding(),
        exchange: pinned.exchange().clone(),
        party: authority_of(pinned.charter(), signer)?.id.clone(),
        grant,
        reason,
        time,
    };
    Statement::sign(body, signer)
}

/// Reads `host.json` or `party.json`: canonical JSON, a final line feed allowed, since people pass these files on.
///
/// # Errors
/// As [`json::parse`].
pub fn description<F: Form>(bytes: &[u8]) -> Result<F, Refusal> {
    json::parse(bytes.strip_suffix(b"\n").unwrap_or(bytes))
}
