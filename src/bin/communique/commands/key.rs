//! `key`: signing keys.

use communique::{
    client::keys::keyfile,
    domain::key::{PublicKey, SecretKey, Signer as _},
};
use serde_json::json;

use super::{Context, random};
use crate::{args::Key, confirm, errors::Failure, profile, render};

pub fn run(ctx: &mut Context, command: Key) -> Result<(), Failure> {
    match command {
        Key::New { out, passphrase } => {
            let jwk = confirm::jwk_path(&out);
            [&out, &jwk].into_iter().try_for_each(|path| profile::must_be_new(path))?;
            let words = confirm::new_passphrase(&passphrase)?;
            let seed = zeroize::Zeroizing::new(random());
            let key = SecretKey::from_seed(&seed);
            keyfile::write_encrypted(&out, &key, &words)?;
            profile::write_new(&jwk, &confirm::jwk(&key.public()), false)?;
            show(ctx, &key.public());
            ctx.say(&format!(
                "File {} is the key, encrypted; {} is its public half, to give away.",
                render::path(&out),
                render::path(&jwk)
            ));
            Ok(())
        }
        Key::Show { file, out, passphrase } => {
            if let Some(out) = &out {
                profile::must_be_new(out)?;
            }
            let public = if file.extension().is_some_and(|e| e == "jwk") {
                confirm::public(&file)?
            } else {
                let prompt = format!("Passphrase of {}: ", file.display());
                keyfile::read_encrypted(&file, || confirm::ask(&passphrase, &prompt))?.public()
            };
            if let Some(out) = &out {
                profile::write_new(out, &confirm::jwk(&public), false)?;
            }
            show(ctx, &public);
            Ok(())
        }
    }
}

fn show(ctx: &mut Context, key: &PublicKey) {
    if ctx.json {
        ctx.out.json(&json!({ "jwk": key, "thumbprint": key.thumbprint() }));
    } else {
        ctx.out.field("public key", String::from_utf8_lossy(&confirm::jwk(key)).trim_end());
        ctx.out.field("thumbprint", &key.thumbprint());
    }
}
