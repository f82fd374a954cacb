//! Certificates and keys from PEM files (RFC 7468), bounded.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::trust::{MAX_CERTIFICATE_BYTES, MAX_CHAIN};
use crate::{
    domain::{message::Message, refusal::Refusal},
    msg,
};

/// The largest PEM file that is read, in bytes: a chain of the largest certificates in base64, with room for comments.
pub const MAX_PEM_BYTES: usize = 2 * MAX_CHAIN * MAX_CERTIFICATE_BYTES;

/// The certificates of a PEM file, leaf first, as TLS sends them.
///
/// # Errors
/// [`Refusal::Malformed`] for none, more than [`MAX_CHAIN`], broken PEM, or more than [`MAX_PEM_BYTES`].
pub fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let bad = |problem: Message| Refusal::malformed(msg!("certificate file"), problem);
    bounded(msg!("certificate file"), pem)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .take(MAX_CHAIN + 1)
        .collect::<Result<_, _>>()
        .map_err(|e| bad(msg!("broken PEM: {error}", error = format!("{e:?}"))))?;
    match chain.len() {
        0 => Err(bad(msg!("no CERTIFICATE in it"))),
        n if n > MAX_CHAIN => Err(bad(msg!("more than {limit} certificates", limit = MAX_CHAIN))),
        _ => Ok(chain),
    }
}

/// The one private key of a PEM file: PKCS#8, SEC 1 or PKCS#1, not encrypted.
///
/// # Errors
/// [`Refusal::Malformed`] for none, an encrypted one, broken PEM, or more than [`MAX_PEM_BYTES`]. Quotes nothing of it.
pub fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Refusal> {
    bounded(msg!("key file"), pem)?;
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        Refusal::malformed(msg!("key file"), msg!("no PRIVATE KEY in it that can be read (an encrypted one cannot)"))
    })
}

fn bounded(what: Message, pem: &[u8]) -> Result<(), Refusal> {
    if pem.len() > MAX_PEM_BYTES {
        return Err(Refusal::TooLarge { what, limit: MAX_PEM_BYTES as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::samples;

    #[test]
    fn files_are_read_or_refused() {
        let issued = samples::root("Sample CA", |_| {}).client("spiffe://mfa.north.example/official/a.sample");
        assert_eq!(chain(issued.cert_pem.as_bytes()).map(|c| c.len()), Ok(1));
        assert_eq!(chain(issued.cert_pem.repeat(MAX_CHAIN).as_bytes()).map(|c| c.len()), Ok(MAX_CHAIN));
        assert!(chain(issued.cert_pem.repeat(MAX_CHAIN + 1).as_bytes()).is_err());
        assert!(private_key(issued.key_pem.as_bytes()).is_ok());
        for bad in ["", "hello", issued.key_pem.as_str(), "-----BEGIN CERTIFICATE-----\nAAAA"] {
            assert!(chain(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(chain(&vec![b'\n'; MAX_PEM_BYTES + 1]).is_err());
        assert!(private_key(issued.cert_pem.as_bytes()).is_err());
        assert!(private_key(&vec![b'\n'; MAX_PEM_BYTES + 1]).is_err());
    }
}
