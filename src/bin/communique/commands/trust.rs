//! `trust`: the certificate authorities that a party is known by.

use std::path::{Path, PathBuf};

use communique::{
    client::chartering,
    domain::{
        charter::Der,
        id::Digest,
        statement::{STATEMENT_LIMIT, Statement},
        trust::Trust,
    },
    msg,
    pki::{
        authority::Authority,
        pem::{self, MAX_PEM_BYTES},
    },
};
use serde_json::{Value, json};

use super::{Context, charter, now};
use crate::{
    args,
    confirm::{self, Announced},
    errors::Failure,
    profile, render,
};

pub fn run(ctx: &mut Context, command: args::Trust) -> Result<(), Failure> {
    match command {
        args::Trust::Sign { charter, key, serial, ca, revoke, out, consent } => {
            profile::must_be_new(&out)?;
            let pinned = charter::pinned(&charter)?;
            let announced = Announced::of(&key)?;
            let party = chartering::authority_of(pinned.charter(), &announced)?.id.clone();
            let authorities = authorities(&ca)?;
            let revoked = leaves(&revoke)?;

            let scene = ctx.scene();
            scene.heading(&format!(
                "Statement {serial} of {party}: it is known by certificates of these authorities, and of no others"
            ));
            for (file, der, authority) in &authorities {
                scene.line(&format!(
                    "  authority of {} until {}, SHA-256 {}",
                    render::path(file),
                    authority.not_after(),
                    Digest::of(der.as_bytes())
                ));
            }
            for (file, digest) in &revoked {
                scene.line(&format!("  refused from now on: {}, SHA-256 {digest}", render::path(file)));
            }
            confirm::typed(ctx, &consent, &msg!("To sign it, type {party}:", party), &party)?;
            let key = announced.unlock(&consent.passphrase)?;
            let certificates = authorities.into_iter().map(|(_, der, _)| der);
            let trust =
                chartering::trust(&pinned, &*key, serial, certificates, revoked.into_iter().map(|(_, d)| d), now())?;
            profile::write_new(&out, trust.compact().as_bytes(), false)?;
            if ctx.json {
                ctx.out.json(&json!({ "file": out, "trust": value(&trust) }));
            } else {
                ctx.out.command(&format!("Signed; hand it in: communique trust submit {}", out.display()));
            }
        }
        args::Trust::Submit { file } => {
            let compact = profile::read_passed_on(&file, STATEMENT_LIMIT)?;
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let (trust, receipt) = ctx.wait(session.submit_trust(&compact))?;
            if ctx.json {
                ctx.out.json(&json!({ "trust": value(&trust), "receipt": render::receipt(&receipt) }));
            } else {
                let body = trust.body();
                ctx.out.line(&format!(
                    "Statement {} of {} is in force, entry {} of the log.",
                    body.serial, body.party, receipt.index
                ));
            }
        }
        args::Trust::List => {
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let trusts = ctx.wait(session.trusts())?;
            if ctx.json {
                ctx.out.json(&json!({ "trusts": trusts.iter().map(value).collect::<Vec<_>>() }));
            } else {
                let rows = trusts.iter().map(|t| {
                    let body = t.body();
                    let until = body.certificates.iter().map(|der| {
                        Authority::parse(der.as_bytes())
                            .map_or_else(|_| "unreadable".into(), |a| a.not_after().to_string())
                    });
                    let until = until.collect::<Vec<_>>().join(", ");
                    vec![
                        body.party.to_string(),
                        body.serial.to_string(),
                        until,
                        body.revoked.len().to_string(),
                        body.time.to_string(),
                    ]
                });
                ctx.out.table(&["party", "serial", "authorities until", "revoked", "signed"], rows.collect());
            }
        }
    }
    Ok(())
}

fn value(trust: &Statement<Trust>) -> Value {
    json!({ "digest": trust.digest(), "statement": trust.body() })
}

fn authorities(files: &[PathBuf]) -> Result<Vec<(&Path, Der, Authority)>, Failure> {
    let mut authorities = Vec::new();
    for file in files {
        let failed = |e| Failure::from(e).of(file.display());
        for der in pem::chain(&profile::read(file, MAX_PEM_BYTES)?).map_err(failed)? {
            let authority = Authority::parse(&der).map_err(failed)?;
            authorities.push((file.as_path(), Der::new(der.to_vec()).map_err(failed)?, authority));
        }
    }
    Ok(authorities)
}

/// Of a file with a chain, the leaf is meant: it stands first.
fn leaves(files: &[PathBuf]) -> Result<Vec<(&Path, Digest)>, Failure> {
    let mut leaves = Vec::new();
    for file in files {
        let chain =
            pem::chain(&profile::read(file, MAX_PEM_BYTES)?).map_err(|e| Failure::from(e).of(file.display()))?;
        leaves.extend(chain.first().map(|leaf| (file.as_path(), Digest::of(leaf))));
    }
    Ok(leaves)
}
