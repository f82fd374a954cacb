//! `certs`: a small certificate authority.

use std::{fs, path::Path};

use communique::{
    domain::{
        id::{PartyId, SpiffeId, TrustDomain},
        message::Message,
    },
    msg,
    pki::{issue::CertificateAuthority, pem::MAX_PEM_BYTES},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, now};
use crate::{args::Certs, errors::Failure, profile, render};

/// How far back a certificate begins, in seconds: clocks differ a little.
const SLACK: i64 = 60;
const DAY: i64 = 86_400;
/// Largest `ca.toml`, in bytes.
const ABOUT_LIMIT: usize = 4 << 10;

/// `ca.toml`: whose authority it is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    party: PartyId,
    trust_domain: TrustDomain,
}

pub fn run(ctx: &mut Context, command: Certs) -> Result<(), Failure> {
    match command {
        Certs::Ca { party, trust_domain, out, days } => {
            let start = now().plus(-SLACK);
            let ca = CertificateAuthority::new(&format!("{party} CA"), start, now().plus(days * DAY))?;
            directory(&out)?;
            let (cert, key, about) = (out.join("ca.pem"), out.join("ca-key.pem"), out.join("ca.toml"));
            [&cert, &key, &about].into_iter().try_for_each(|path| profile::must_be_new(path))?;
            let pem = ca.to_pem();
            let words = toml::to_string(&About { party: party.clone(), trust_domain })
                .map_err(|e| Failure::refused(Message::words(e.to_string())))?;
            profile::write_new(&key, pem.key_pem.as_bytes(), true)?;
            profile::write_new(&cert, pem.cert_pem.as_bytes(), false)?;
            profile::write_new(&about, words.as_bytes(), false)?;
            if ctx.json {
                ctx.out.json(&json!({ "certificate": cert, "key": key }));
            } else {
                ctx.out.line(&msg!(
                    "File {file} is the certificate authority of {party}; {key} must stay there",
                    file = render::path(&cert),
                    party,
                    key = render::path(&key)
                ));
                ctx.out.line(&msg!(
                    "Next: `communique certs issue` for those who call, `communique trust sign` so that the exchange knows it."
                ));
            }
        }
        Certs::Issue { ca, role, name, out, days } => {
            let about = profile::read_passed_on(&ca.join("ca.toml"), ABOUT_LIMIT)?;
            let about: About = toml::from_str(&about)
                .map_err(|e| Failure::refused(Message::words(e.to_string())).of(ca.join("ca.toml")))?;
            let id = format!("spiffe://{}/{role}/{name}", about.trust_domain).parse::<SpiffeId>()?;
            let pem = |name| profile::read_passed_on(&ca.join(name), MAX_PEM_BYTES);
            let key = zeroize::Zeroizing::new(pem("ca-key.pem")?);
            let authority = CertificateAuthority::from_pem(&pem("ca.pem")?, &key)?;
            let issued = authority.issue_client(&id, now().plus(-SLACK), now().plus(days * DAY))?;
            directory(&out)?;
            let (cert, key) = (out.join(format!("{role}-{name}.pem")), out.join(format!("{role}-{name}-key.pem")));
            [&cert, &key].into_iter().try_for_each(|path| profile::must_be_new(path))?;
            profile::write_new(&key, issued.key_pem.as_bytes(), true)?;
            profile::write_new(&cert, issued.cert_pem.as_bytes(), false)?;
            if ctx.json {
                ctx.out.json(&json!({ "id": id.to_string(), "certificate": cert, "key": key }));
            } else {
                let (cert, key) = (render::path(&cert), render::path(&key));
                ctx.out.line(&msg!(
                    "File {file} is for {id}, for one day; its key is {key}"
                        | "File {file} is for {id}, for {n} days; its key is {key}",
                    file = cert,
                    id,
                    n = u64::try_from(days).unwrap_or_default(),
                    key
                ));
            }
        }
    }
    Ok(())
}

fn directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| Failure::refused(e).of(path))
}
