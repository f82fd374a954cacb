//! Cosignatures (C2SP tlog-cosignature) with Ed25519: a witness says that at this time this checkpoint was the largest that it had seen
//! of the log, and that it continues all that it saw before.
//!
//! The message does not name the cosigner, so the specification forbids two cosigners with one key ("Ed25519 signed message"); a
//! charter refuses one key in two roles.

use std::{fmt, str::FromStr};

use super::{
    Fault,
    checkpoint::Head,
    note::{KeyHint, KeyName, Note, SignatureLine, signed},
};
use crate::{
    domain::{
        charter::Party,
        id::PartyId,
        key::{PublicKey, Signer},
        succession::Standing,
        time::Time,
    },
    msg,
};

/// Latest time of a cosignature, in seconds since 1970 began: 2^63 − 1 ("Format").
pub const TIMESTAMP_LIMIT: u64 = i64::MAX as u64;

/// An Ed25519 key that cosigns checkpoints under a name (type 0x04).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosigner {
    hint: KeyHint,
    key: PublicKey,
}

impl Cosigner {
    /// The type of its signatures (C2SP signed-note, "Signature types").
    pub const KIND: u8 = 0x04;
    /// The key under this name.
    #[must_use]
    pub fn new(name: KeyName, key: PublicKey) -> Self {
        Self { hint: KeyHint::new(name, Self::KIND, &key), key }
    }
    /// The witness of a party, as its charter names it: `witness` under the name `<trust domain>/witness`. None for a party that has
    /// none, or whose name would be over [`super::note::NAME_LIMIT`].
    #[must_use]
    pub fn of_party(party: &Party) -> Option<Self> {
        let name = KeyName::parse(&format!("{}/witness", party.trust_domain)).ok()?;
        Some(Self::new(name, party.witness?))
    }
    /// The witnesses of all parties under this charter, by party: of who is absent there is none, since the others put its key there.
    pub fn of_parties(charter: &Standing) -> impl Iterator<Item = (&PartyId, Self)> {
        charter.parties().filter_map(|party| Some((&party.id, Self::of_party(party)?)))
    }
    /// Name and id of its signature lines.
    #[must_use]
    pub fn hint(&self) -> &KeyHint {
        &self.hint
    }
    /// The key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }
    /// The time at which it cosigned this note, in seconds since 1970 began: the latest one if it did so more than once.
    ///
    /// # Errors
    /// [`Fault::SignatureInvalid`] if a line that claims to be its does not verify: then nothing in the note counts.
    pub fn time_in(&self, note: &Note) -> Result<Option<u64>, Fault> {
        let mut latest = None;
        for line in note.lines_of(&self.hint) {
            latest = latest.max(Some(self.verify(note.text(), line)?));
        }
        Ok(latest)
    }
    /// Verifies one line over the text of a note; answers its time, in seconds since 1970 began.
    ///
    /// # Errors
    /// [`Fault::SignatureInvalid`], also for a line of another key.
    pub fn verify(&self, text: &str, line: &SignatureLine) -> Result<u64, Fault> {
        let time = line.signature().split_first_chunk().and_then(|(time, signature)| {
            let time = u64::from_be_bytes(*time);
            let ours = *line.hint() == self.hint && time <= TIMESTAMP_LIMIT;
            (ours && self.key.verifies(&message(time, text), signature)).then_some(time)
        });
        time.ok_or_else(|| self.invalid())
    }
    /// Verifies one line as [`Cosigner::verify`] does, and that its time is one that is written elsewhere too: not 0, which would say
    /// that none is meant, and within the years that a [`Time`] has.
    ///
    /// # Errors
    /// [`Fault::SignatureInvalid`].
    pub fn moment(&self, text: &str, line: &SignatureLine) -> Result<Time, Fault> {
        let seconds = i64::try_from(self.verify(text, line)?).unwrap_or_default();
        let time = Time::from_unix(seconds);
        if seconds > 0 && time.unix() == seconds { Ok(time) } else { Err(self.invalid()) }
    }

    fn invalid(&self) -> Fault {
        Fault::SignatureInvalid { name: self.hint.name().to_string() }
    }
}
impl FromStr for Cosigner {
    type Err = Fault;
    /// Parses the text form (C2SP signed-note, "Verifier keys").
    fn from_str(vkey: &str) -> Result<Self, Fault> {
        KeyHint::parse_key(vkey, Self::KIND).map(|(hint, key)| Self { hint, key })
    }
}
impl fmt::Display for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hint.key_text(Self::KIND, &self.key))
    }
}

/// Cosigns a head, under this name, at this time in seconds since 1970 began. That it continues what this cosigner saw before is the
/// caller's to have verified.
///
/// # Errors
/// [`Fault::Malformed`] for the time 0, which would say that none is meant, or one beyond [`TIMESTAMP_LIMIT`];
/// [`Fault::SigningFailed`].
pub fn cosign(head: &Head, name: &KeyName, time: u64, signer: &dyn Signer) -> Result<SignatureLine, Fault> {
    if !(1..=TIMESTAMP_LIMIT).contains(&time) {
        return Err(Fault::malformed(msg!("a cosignature"), msg!("its time is 0 or too late")));
    }
    let cosigner = Cosigner::new(name.clone(), signer.public());
    let signature = signed(name, signer, &message(time, head.note().text()))?;
    Ok(SignatureLine::new(cosigner.hint, [time.to_be_bytes().as_slice(), &signature].concat()))
}

/// What is signed ("Ed25519 signed message"). The first line keeps it apart from a note, whose text is a checkpoint's.
fn message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}
