//! `trust`: the certificate authorities that a party is known by.

use std::path::{Path, PathBuf};

use communique::{
    client::chartering,
    domain::{
        charter::Der,
        id::Digest,
        message::{Fact, Tell as _},
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

            ctx.begin_scene();
            let scene = ctx.scene();
            scene.heading(&msg!(
                "Statement {serial} of {party}: it is known by certificates of these authorities, and of no others",
                serial,
                party
            ));
            for (file, der, authority) in &authorities {
                let of = msg!(
                    "authority of {file} until {time}, SHA-256 {digest}",
                    file = render::path(file),
                    time = authority.not_after(),
                    digest = Digest::of(der.as_bytes())
                );
                scene.item(1, &of);
            }
            for (file, digest) in &revoked {
                let file = render::path(file);
                scene.item(1, &msg!("refused from now on: {file}, SHA-256 {digest}", file, digest));
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
                ctx.out.next(&msg!("Signed; hand it in:"), &format!("communique trust submit {}", out.display()));
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
                ctx.out.line(&msg!(
                    "Statement {serial} of {party} is in force, entry {index} of the log.",
                    serial = body.serial,
                    party = body.party,
                    index = receipt.index
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
                        let authority = Authority::parse(der.as_bytes());
                        authority.map_or_else(|_| msg!("unreadable").tell(), |a| a.not_after().tell())
                    });
                    vec![
                        body.party.tell(),
                        body.serial.tell(),
                        Fact::All(until.collect()),
                        body.revoked.len().tell(),
                        body.time.tell(),
                    ]
                });
                let header =
                    [msg!("party"), msg!("serial"), msg!("authorities until"), msg!("revoked"), msg!("signed")];
                ctx.out.table(&header, rows.collect());
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
        let failed = |e| Failure::from(e).of(file);
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
        let chain = pem::chain(&profile::read(file, MAX_PEM_BYTES)?).map_err(|e| Failure::from(e).of(file))?;
        leaves.extend(chain.first().map(|leaf| (file.as_path(), Digest::of(leaf))));
    }
    Ok(leaves)
}
