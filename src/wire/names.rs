//! Resource names (Google AIP-122), both ways. Each name has one spelling.

use crate::{
    domain::{
        id::{CommuniqueId, PartyId},
        json::INTEGER_LIMIT,
        refusal::Refusal,
    },
    msg,
};

/// Writes `communiques/{id}`.
#[must_use]
pub fn communique(id: CommuniqueId) -> String {
    format!("communiques/{id}")
}

/// Writes `communiques/{id}/revisions/{n}`.
#[must_use]
pub fn revision(id: CommuniqueId, revision: u64) -> String {
    format!("communiques/{id}/revisions/{revision}")
}

/// Writes `parties/{party}`.
#[must_use]
pub fn party(id: &PartyId) -> String {
    format!("parties/{id}")
}

/// Writes `charters/{version}`; for `None`, the empty name, which asks for the one in force.
#[must_use]
pub fn charter(version: Option<u64>) -> String {
    version.map(|v| format!("charters/{v}")).unwrap_or_default()
}

/// Reads `communiques/{id}` out of this field.
///
/// # Errors
/// [`Refusal::Malformed`] for any other spelling.
pub fn parse_communique(field: &str, name: &str) -> Result<CommuniqueId, Refusal> {
    name.strip_prefix("communiques/")
        .and_then(|id| CommuniqueId::parse(id).ok())
        .ok_or_else(|| not(field, "communiques/{id}, with a lower-case UUID of version 7"))
}

/// Reads `communiques/{id}/revisions/{n}` out of this field; `n` from 1.
///
/// # Errors
/// [`Refusal::Malformed`] for any other spelling.
pub fn parse_revision(field: &str, name: &str) -> Result<(CommuniqueId, u64), Refusal> {
    name.strip_prefix("communiques/")
        .and_then(|rest| rest.split_once("/revisions/"))
        .and_then(|(id, n)| Some((CommuniqueId::parse(id).ok()?, number(n)?)))
        .ok_or_else(|| not(field, "communiques/{id}/revisions/{n}"))
}

/// Reads `parties/{party}` out of this field.
///
/// # Errors
/// [`Refusal::Malformed`] for any other spelling.
pub fn parse_party(field: &str, name: &str) -> Result<PartyId, Refusal> {
    name.strip_prefix("parties/")
        .and_then(|id| PartyId::parse(id).ok())
        .ok_or_else(|| not(field, "parties/{party}, with a party id ([a-z][a-z0-9-]{1,31})"))
}

/// Reads `charters/{version}` out of this field, version from 1; the empty name is `None`, the charter in force.
///
/// # Errors
/// [`Refusal::Malformed`] for any other spelling.
pub fn parse_charter(field: &str, name: &str) -> Result<Option<u64>, Refusal> {
    if name.is_empty() {
        return Ok(None);
    }
    name.strip_prefix("charters/")
        .and_then(number)
        .map(Some)
        .ok_or_else(|| not(field, "charters/{version}, nor empty for the one in force"))
}

/// An integer of the format from 1, in its one decimal spelling.
fn number(s: &str) -> Option<u64> {
    s.parse().ok().filter(|n: &u64| (1..=INTEGER_LIMIT).contains(n) && n.to_string() == s)
}

fn not(field: &str, form: &str) -> Refusal {
    Refusal::malformed(field, msg!("is not {form}", form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let id = CommuniqueId::new(1_750_000_000_000, &[7; 10]);
        let p = PartyId::parse("north").unwrap();
        assert_eq!(parse_communique("name", &communique(id)), Ok(id));
        assert_eq!(parse_revision("name", &revision(id, 12)), Ok((id, 12)));
        assert_eq!(parse_party("party", &party(&p)), Ok(p));
        assert_eq!(parse_charter("name", &charter(Some(3))), Ok(Some(3)));
        assert_eq!(parse_charter("name", &charter(None)), Ok(None));
    }

    #[test]
    fn names_have_one_spelling() {
        let id = CommuniqueId::new(1_750_000_000_000, &[7; 10]);
        for bad in [
            String::new(),
            id.to_string(),
            format!("communiques/{id}/"),
            format!("/communiques/{id}"),
            format!("Communiques/{id}"),
            format!("communiques/{}", id.to_string().to_uppercase()),
            format!("communiques/{id}\n"),
            format!("communiques//{id}"),
            "communiques/-".into(),
        ] {
            assert_eq!(parse_communique("name", &bad).map_err(|r| r.reason()), Err("MALFORMED"), "{bad:?}");
        }
        for n in ["", "0", "01", "+1", "-1", " 1", "1 ", "1/", "x", "9007199254740992", "99999999999999999999"] {
            assert!(parse_revision("name", &format!("communiques/{id}/revisions/{n}")).is_err(), "{n:?}");
            assert!(parse_charter("name", &format!("charters/{n}")).is_err(), "{n:?}");
        }
        assert!(parse_revision("name", &communique(id)).is_err());
        assert!(parse_revision("name", &format!("communiques/{id}/revisions/1/revisions/1")).is_err());
        for bad in ["", "parties/", "north", "parties/North", "parties/north/", "party/north"] {
            assert!(parse_party("party", bad).is_err(), "{bad:?}");
        }
        for bad in ["charters", "charters/", "charter/1", "1"] {
            assert!(parse_charter("name", bad).is_err(), "{bad:?}");
        }
    }
}
