//! What a certificate that somebody shows says of itself: for people who look after it, never to let anybody in.

use super::certificate::Facts;
use crate::{
    domain::{id::SpiffeId, refusal::Refusal, time::Time},
    msg,
};

/// Claims of one certificate; its chain was not looked at.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Whose it is, if it bears exactly one URI that is a SPIFFE id of ours. A server's bears none.
    pub id: Option<SpiffeId>,
    /// First second of validity.
    pub not_before: Time,
    /// Last second of validity.
    pub not_after: Time,
}

impl Leaf {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for anything else.
    pub fn read(der: &[u8]) -> Result<Self, Refusal> {
        let facts = Facts::read(der).map_err(|e| {
            Refusal::malformed(
                msg!("certificate"),
                msg!("not one X.509 certificate in DER: {error}", error = e.to_string()),
            )
        })?;
        let id = match facts.uris.as_slice() {
            [uri] => uri.parse().ok(),
            _ => None,
        };
        Ok(Self { id, not_before: facts.not_before, not_after: facts.not_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{pem, samples::World};

    #[test]
    fn a_callers_certificate_says_who_and_until_when() {
        let world = World::new();
        let id = "spiffe://mfa.north.example/official/a.sample";
        let issued = world.north.client(id);
        let leaf = Leaf::read(&pem::chain(issued.cert_pem.as_bytes()).unwrap()[0]).unwrap();
        assert_eq!(leaf.id.map(|id| id.to_string()).as_deref(), Some(id));
        assert!(leaf.not_before < leaf.not_after);
        assert!(Leaf::read(&world.server().0[0]).unwrap().id.is_none());
        assert!(Leaf::read(b"none").is_err());
    }
}
