//! Signing keys, wherever they lie: in an encrypted file, on a token (PKCS#11), in an ssh-agent. A key is named by a
//! [`KeyRef`], known by its public half before anybody types a secret, and signs through the one port
//! [`Signer`](crate::domain::key::Signer).

pub mod agent;
pub mod backup;
pub mod keyfile;
mod reference;
pub mod strength;
pub mod token;

pub use self::reference::{AgentKey, KeyRef, REFERENCE_LIMIT, ReferenceFault, TokenUri};
use crate::{
    domain::{
        key::{PublicKey, Signer},
        message::Message,
    },
    msg,
};

/// What a token or an agent answered is another program's word: it is verified under the public half that was announced before
/// it is used.
pub struct Checked<S> {
    public: PublicKey,
    inner: S,
}

impl<S: Fn(&[u8]) -> Result<Vec<u8>, Message> + Send + Sync> Checked<S> {
    /// The key of this public half, by what signs for it.
    pub const fn new(public: PublicKey, inner: S) -> Self {
        Self { public, inner }
    }
}

impl<S: Fn(&[u8]) -> Result<Vec<u8>, Message> + Send + Sync> Signer for Checked<S> {
    fn public(&self) -> PublicKey {
        self.public
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Message> {
        let signature = (self.inner)(message)?;
        match <[u8; 64]>::try_from(signature) {
            Ok(signature) if self.public.verifies(message, &signature) => Ok(signature),
            _ => Err(msg!(
                "what came back is no signature by the key {thumbprint}; nothing was signed with it",
                thumbprint = self.public.thumbprint()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::SecretKey;

    #[test]
    fn what_is_no_signature_by_the_announced_key_is_refused() {
        let [key, other] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let by = |key: &'static [u8; 32]| move |m: &[u8]| Ok(SecretKey::from_seed(key).sign(m).unwrap().to_vec());
        let honest = Checked::new(key.public(), by(&[1; 32]));
        assert_eq!(honest.sign(b"text").unwrap(), key.sign(b"text").unwrap());
        for lie in [
            other.sign(b"text").unwrap().to_vec(),
            key.sign(b"texT").unwrap().to_vec(),
            vec![0; 64],
            vec![],
            vec![1; 65],
        ] {
            let signer = Checked::new(key.public(), move |_: &[u8]| Ok(lie.clone()));
            assert!(signer.sign(b"text").unwrap_err().to_string().contains("no signature by the key"));
        }
        let failing = Checked::new(key.public(), |_: &[u8]| Err(Message::words("gone")));
        assert_eq!(failing.sign(b"text").unwrap_err().to_string(), "gone");
    }
}
