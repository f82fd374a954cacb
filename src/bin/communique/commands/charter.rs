//! `charter`: who the parties are. Drafted from their own descriptions, adopted by each with its authority key.

use std::path::Path;

use communique::{
    client::{
        chartering::{self, Host},
        reading::{self, CHARTERS_FILE_LIMIT, Pinned},
    },
    domain::{
        charter::{Adoption, Charter, Party, Succession},
        document::Document,
        id::Digest,
        json::{self, Form},
        refusal::Refusal,
        statement::Unverified,
        words::Names,
    },
};
use serde_json::json;

use super::{Context, now};
use crate::{
    args,
    confirm::{self, Announced},
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
                ctx.out.line(&format!(
                    "{} describes {}; give it to whoever drafts the charter.",
                    out.display(),
                    party.id
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
                ctx.out.field("charter", &out.display().to_string());
                ctx.out.field("fingerprint", &charter.digest().to_string());
                ctx.out.line("Next: every party reads it (`communique charter show`) and adopts it (`communique charter adopt`).");
            }
        }
        args::Charter::Adopt { file, key, out, consent } => {
            profile::must_be_new(&out)?;
            let charter = read(&file)?;
            let announced = Announced::beside(&key)?;
            let party = chartering::authority_of(&charter, &announced)?.id.clone();
            let scene = ctx.scene();
            show(scene, &charter);
            scene.gap();
            scene.heading(&format!(
                "With this key {party} adopts this charter: it agrees to exactly these parties, keys and rules."
            ));
            confirm::typed(ctx, &consent, "adopt it", &party)?;
            let adoption = chartering::adopt(&charter, &announced.unlock(&consent.passphrase)?, now())?;
            profile::write_new(&out, adoption.compact().as_bytes(), false)?;
            if ctx.json {
                ctx.out.json(&json!({ "file": out, "party": party, "digest": adoption.digest(), "fingerprint": charter.digest() }));
            } else {
                ctx.out.line(&format!(
                    "{}: {party} adopts the charter; give it to the operator of the exchange.",
                    out.display()
                ));
            }
        }
        args::Charter::Show { file: Some(file) } => {
            let charter = read(&file)?;
            tell(ctx, &charter, None);
        }
        args::Charter::Show { file: None } => {
            let profile = ctx.profile()?;
            let session = ctx.session(&profile)?;
            let view = ctx.wait(session.remote().charter(None))?;
            let charter = Document::<Charter>::parse(view.charter)?;
            session.pinned().of(charter.digest())?;
            let mut by = Vec::new();
            for adoption in &view.adoptions {
                let adoption = Unverified::<Adoption>::parse(&adoption.statement)?;
                by.push(format!("{} ({})", adoption.claims().party, adoption.claims().time));
            }
            tell(ctx, &charter, Some(&by));
        }
        args::Charter::Fingerprint { file } => {
            let fingerprint = read(&file)?.digest();
            if ctx.json {
                ctx.out.json(&json!({ "fingerprint": fingerprint }));
            } else {
                ctx.out.line(&fingerprint.to_string());
            }
        }
    }
    Ok(())
}

/// A charter from a file.
pub fn read(path: &Path) -> Result<Document<Charter>, Failure> {
    let bytes = profile::read_passed_on(path, Charter::LIMIT)?.into_bytes();
    Document::parse(bytes).map_err(|e| Failure::from(e).of(path.display()))
}

/// A charter from a file, believed because the person named the file.
pub fn pinned(path: &Path) -> Result<Pinned, Failure> {
    let bytes = profile::read(path, CHARTERS_FILE_LIMIT)?;
    let named = |e: Refusal| Failure::from(e).of(path.display());
    let newest = reading::charters(&bytes).map_err(named)?.pop();
    let newest = newest.ok_or_else(|| Failure::refused(format!("{}: there is no charter in it", path.display())))?;
    Pinned::new(&bytes, newest.digest()).map_err(named)
}

fn described<F: Form>(path: &Path) -> Result<F, Failure> {
    let bytes = profile::read(path, F::LIMIT + 1)?;
    chartering::description(&bytes).map_err(|e| Failure::from(e).of(path.display()))
}

fn tell(ctx: &mut Context, charter: &Document<Charter>, adopted: Option<&[String]>) {
    if ctx.json {
        ctx.out.json(&json!({ "fingerprint": charter.digest(), "charter": **charter, "adopted": adopted }));
    } else {
        show(&mut ctx.out, charter);
        if let Some(by) = adopted {
            ctx.out.field("adopted by", &by.join(", "));
        }
    }
}

fn show(out: &mut Out, charter: &Document<Charter>) {
    out.heading(&format!("Charter {} of the exchange {}", charter.version, charter.exchange));
    out.field("fingerprint", &charter.digest().to_string());
    let succession = match charter.succession {
        Succession::Unanimous => "adopted by every party",
        Succession::AllButOne => "adopted by all parties but one",
    };
    out.field("next charter", succession);
    out.field("witnesses", &charter.witnesses.to_string());
    out.field("log", &format!("{} {}", charter.log.origin, charter.log.key.thumbprint()));
    out.field("depositary", &charter.depositary.thumbprint());
    out.field("server CA", &Digest::of(charter.server_ca.as_bytes()).to_string());
    out.field("suites", &charter.suites.join(", "));
    let rows = charter.parties.iter().map(|p| {
        vec![
            p.id.to_string(),
            render::names(&p.names),
            p.trust_domain.to_string(),
            p.quorum.to_string(),
            p.authority.thumbprint(),
        ]
    });
    out.table(&["party", "names", "trust domain", "must sign", "authority key"], rows.collect());
}
