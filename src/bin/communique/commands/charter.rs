//! `charter`: who the parties are. Drafted from their own descriptions, adopted by each with its authority key.

use std::path::Path;

use communique::{
    client::{
        chartering::{self, Host},
        reading::{self, CHARTERS_FILE_LIMIT, Pinned},
        succeeding::{self, Version},
    },
    domain::{
        charter::{Charter, Party, Succession},
        document::Document,
        id::Digest,
        json::{self, Form},
        refusal::Refusal,
        words::Names,
    },
    msg,
};
use serde_json::json;

use super::{Context, now, succession};
use crate::{
    args, confirm,
    errors::Failure,
    profile,
    render::{self, Out},
};

pub fn run(ctx: &mut Context, command: args::Charter) -> Result<(), Failure> {
    match command {
        args::Charter::Party { id, name, trust_domain, authority_key, quorum, witness, out } => {
            profile::must_be_new(&out)?;
            let party = Party {
                id,
                names: Names::new(name)?,
                trust_domain,
                authority: confirm::public(&authority_key)?,
                quorum,
                witness: witness.as_deref().map(confirm::public).transpose()?,
            };
            profile::write_new(&out, &json::encode(&party), false)?;
            if ctx.json {
                ctx.out.json(&json!({ "file": out, "party": party }));
            } else {
                ctx.out.line(&msg!(
                    "File {file} describes {party}; give it to whoever drafts the charter.",
                    file = render::path(&out),
                    party = party.id
                ));
            }
        }
        args::Charter::Draft { host, party, succession, witnesses, out } => {
            profile::must_be_new(&out)?;
            let parties = party.iter().map(|path| described::<Party>(path)).collect::<Result<_, _>>()?;
            let charter = chartering::draft(described::<Host>(&host)?, parties, succession.into(), witnesses)?;
            profile::write_new(&out, charter.bytes(), false)?;
            if ctx.json {
                ctx.out.json(&json!({ "file": out, "fingerprint": charter.digest() }));
            } else {
                ctx.out.field(&msg!("charter"), &render::path(&out));
                ctx.out.field(&msg!("fingerprint"), &charter.digest());
                ctx.out.line(&msg!(
                    "Next: every party reads it (`communique charter show`) and adopts it (`communique charter adopt`)."
                ));
            }
        }
        args::Charter::Next(args) => succession::next(ctx, args)?,
        args::Charter::Adopt { file, key, out, consent } => succession::adopt(ctx, &file, &key, &out, &consent)?,
        args::Charter::Propose { file, adoption } => succession::propose(ctx, &file, &adoption)?,
        args::Charter::SubmitAdoption { file } => succession::submit(ctx, &file)?,
        args::Charter::List => succession::list(ctx)?,
        args::Charter::Fetch { proposed, out } => succession::fetch(ctx, proposed, &out)?,
        args::Charter::Show { file: Some(file), .. } => tell(ctx, &read(&file)?, None),
        args::Charter::Show { file: None, proposed } => {
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let fingerprint = proposed.unwrap_or_else(|| session.pinned().charter().digest());
            let versions = ctx.wait(session.succession(now()))?;
            let version = succession::of(versions, fingerprint).ok_or_else(|| succession::unlisted(fingerprint))?;
            tell(ctx, &version.charter, Some(&version));
        }
        args::Charter::Fingerprint { file } => {
            let fingerprint = read(&file)?.digest();
            if ctx.json {
                ctx.out.json(&json!({ "fingerprint": fingerprint }));
            } else {
                ctx.out.line(&fingerprint);
            }
        }
    }
    Ok(())
}

/// The charters of a file, from version 1 on.
pub fn chain(path: &Path) -> Result<Vec<Document<Charter>>, Failure> {
    reading::charters(&profile::read(path, CHARTERS_FILE_LIMIT)?).map_err(|e| match e {
        Refusal::Disagrees { .. } => Failure::refused(msg!(
            "{path}: no file of charters, which holds charter 1 and every one after it, one per line, each naming the one before; fetch one: `communique charter fetch --out FILE`",
            path
        )),
        other => Failure::from(other).of(path),
    })
}

/// The last charter of a file.
fn read(path: &Path) -> Result<Document<Charter>, Failure> {
    chain(path)?.pop().ok_or_else(|| empty(path))
}

/// A file without a charter.
pub fn empty(path: &Path) -> Failure {
    Failure::refused(msg!("{path}: there is no charter in it", path))
}

/// A charter from a file, believed because the person named the file.
pub fn pinned(path: &Path) -> Result<Pinned, Failure> {
    let charters = chain(path)?;
    let newest = charters.last().map(Document::digest);
    let newest = newest.ok_or_else(|| empty(path))?;
    Pinned::new(&succeeding::file(&charters), newest).map_err(|e| Failure::from(e).of(path))
}

/// A description that a party or the operator passed on.
pub fn described<F: Form>(path: &Path) -> Result<F, Failure> {
    let bytes = profile::read(path, F::LIMIT + 1)?;
    chartering::description(&bytes).map_err(|e| Failure::from(e).of(path))
}

fn tell(ctx: &mut Context, charter: &Document<Charter>, version: Option<&Version>) {
    if ctx.json {
        // As the parties, each with the time that the exchange logged it.
        let adopted = version.map(|v| v.adopted.iter().map(|(p, t)| format!("{p} ({t})")).collect::<Vec<_>>());
        ctx.out.json(&json!({ "fingerprint": charter.digest(), "charter": **charter, "adopted": adopted,
            "state": version.map(|v| v.progress.as_str()), "in_force_since": version.and_then(|v| v.since),
            "missing": version.map(|v| &v.missing), "consent_missing": version.map(|v| &v.consent_missing) }));
    } else {
        show(&mut ctx.out, charter);
        if let Some(version) = version {
            succession::tell(&mut ctx.out, version);
        }
    }
}

/// What a charter says.
pub fn show(out: &mut Out, charter: &Document<Charter>) {
    out.heading(&msg!(
        "Charter {version} of the exchange {exchange}",
        version = charter.version,
        exchange = charter.exchange
    ));
    out.field(&msg!("fingerprint"), &charter.digest());
    if let Some(previous) = charter.previous {
        out.field(&msg!("succeeds"), &previous);
    }
    if let Some(adopt_by) = charter.adopt_by {
        out.field(&msg!("adopt by"), &adopt_by);
    }
    let succession = match charter.succession {
        Succession::Unanimous => msg!("needs the consent of every party"),
        Succession::AllButOne => msg!("needs the consent of all parties but one"),
    };
    out.field(&msg!("next charter"), &succession);
    out.field(&msg!("witnesses"), &charter.witnesses.to_string());
    out.field(&msg!("log"), &format!("{} {}", charter.log.origin, charter.log.key.thumbprint()));
    out.field(&msg!("depositary"), &charter.depositary.thumbprint());
    out.field(&msg!("server CA"), &Digest::of(charter.server_ca.as_bytes()));
    out.field(&msg!("suites"), &charter.suites.join(", "));
    let rows = charter.parties.iter().map(|p| vec![p.id.to_string(), p.trust_domain.to_string(), p.quorum.to_string()]);
    out.table(&[msg!("party"), msg!("trust domain"), msg!("must sign")], rows.collect());
    // Beside the table, since a key that is broken over lines cannot be compared.
    for p in &charter.parties {
        out.line(&msg!("Party {party}: {names}", party = p.id, names = render::names(&p.names)));
        out.item(1, &msg!("authority key {thumbprint}", thumbprint = p.authority.thumbprint()));
        if let Some(witness) = &p.witness {
            out.item(1, &msg!("witness key   {thumbprint}", thumbprint = witness.thumbprint()));
        }
    }
}
