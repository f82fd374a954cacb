//! Trust: which certificate authorities a party's machines and officials are known by.

use serde::{Deserialize, Serialize};

use super::{
    charter::Der,
    id::{Digest, ExchangeName, PartyId},
    json::{self, Form},
    message::Message,
    refusal::Refusal,
    statement::Body,
    time::Time,
};
use crate::msg;

/// Most CA certificates of one party: the one in use, the next, and room for both again.
pub const AUTHORITIES_LIMIT: usize = 8;
/// Most revoked leaf certificates that one statement lists.
pub const REVOKED_LIMIT: usize = 512;

/// A party's newest CA set and the leaves that it shuts out, by its authority key. In force when logged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Whose.
    pub party: PartyId,
    /// Above the one before; from 1.
    pub serial: u64,
    /// CA certificates, sorted by their bytes.
    pub certificates: Vec<Der>,
    /// SHA-256 of leaf certificates (DER) that are refused, sorted.
    pub revoked: Vec<Digest>,
    /// When, as the signer says.
    pub time: Time,
}

impl Form for Trust {
    const NAME: &'static str = "trust";
    const LIMIT: usize = 96 << 10;
    fn called() -> Message {
        msg!("form" => "trust")
    }
    fn check(&self) -> Result<(), Refusal> {
        json::integer("trust.serial", self.serial, 1)?;
        json::count("trust.certificates", self.certificates.len(), 1, AUTHORITIES_LIMIT)?;
        json::ascending("trust.certificates", &self.certificates)?;
        json::count("trust.revoked", self.revoked.len(), 0, REVOKED_LIMIT)?;
        json::ascending("trust.revoked", &self.revoked)
    }
}
impl Body for Trust {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{noon, party};

    #[test]
    fn certificates_and_what_is_revoked_are_sorted_and_bounded() {
        let good = Trust {
            founding: Digest::of(b"charter"),
            exchange: "exchange.example".parse().unwrap(),
            party: party("north"),
            serial: 1,
            certificates: [1, 2].map(|n| Der::new(vec![0x30, n]).unwrap()).to_vec(),
            revoked: [1, 2].map(|n| Digest::from_bytes([n; 32])).to_vec(),
            time: noon(),
        };
        let many = |n: usize| -> Vec<Vec<u8>> { (0..n).map(|n| vec![0x30, (n >> 8) as u8, n as u8]).collect() };
        type Change = Box<dyn Fn(&mut Trust)>;
        let certificates = |n| -> Change {
            Box::new(move |trust| {
                trust.certificates = many(n).into_iter().map(Der::new).collect::<Result<_, _>>().unwrap();
            })
        };
        let revoked = |n| -> Change {
            Box::new(move |trust| {
                trust.revoked = many(n).iter().map(|bytes| Digest::of(bytes)).collect();
                trust.revoked.sort();
            })
        };
        let rows: [(&str, Change, bool); 12] = [
            ("good", Box::new(|_| ()), true),
            ("serial 0", Box::new(|trust| trust.serial = 0), false),
            ("no certificate", certificates(0), false),
            ("as many certificates as may be", certificates(AUTHORITIES_LIMIT), true),
            ("too many certificates", certificates(AUTHORITIES_LIMIT + 1), false),
            ("certificates in another order", Box::new(|trust| trust.certificates.reverse()), false),
            ("a certificate twice", Box::new(|trust| trust.certificates[1] = trust.certificates[0].clone()), false),
            ("none revoked", revoked(0), true),
            ("as many revoked as may be", revoked(REVOKED_LIMIT), true),
            ("too many revoked", revoked(REVOKED_LIMIT + 1), false),
            ("revoked in another order", Box::new(|trust| trust.revoked.reverse()), false),
            ("revoked twice", Box::new(|trust| trust.revoked[1] = trust.revoked[0]), false),
        ];
        for (what, change, holds) in rows {
            let mut trust = good.clone();
            change(&mut trust);
            assert_eq!(json::parse::<Trust>(&json::encode(&trust)).is_ok(), holds, "{what}");
        }
    }
}
