//! `communiqued init`: the files that an exchange starts from. Nothing is overwritten.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use super::machine::ThisMachine;
use crate::{
    client::{
        chartering::Host,
        keys::keyfile::{self, KeyFileError},
    },
    domain::{
        charter::{Der, LogKey},
        id::ExchangeName,
        json,
        key::{SecretKey, Signer as _},
        refusal::Refusal,
        words::Line,
    },
    pki::issue::{CertificateAuthority, IssueFault},
};

/// How long the server's own CA holds, in seconds: ten years.
const CA_SECONDS: i64 = 3650 * 86_400;
/// How long the server's leaf holds, in seconds: one year and a month.
const LEAF_SECONDS: i64 = 396 * 86_400;

/// What stopped it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum InitError {
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    #[error("{0}: exists already and is not overwritten; choose an empty directory")]
    Exists(PathBuf),
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error("the certificates cannot be made: {0}")]
    Certificate(#[from] IssueFault),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Makes the keys, the server's CA and certificate, the configuration and `host.json` in this directory.
///
/// # Errors
/// [`InitError`]; files that were written before stay.
pub fn init(dir: &Path, exchange: &ExchangeName, listen: &str, http: &str) -> Result<(), InitError> {
    let now = ThisMachine.now();
    for folder in ["keys", "tls", "data"] {
        let path = dir.join(folder);
        fs::create_dir_all(&path).map_err(|e| InitError::Io(path.clone(), e))?;
        private(&path)?;
    }
    let log = SecretKey::from_seed(&ThisMachine.bytes());
    let depositary = SecretKey::from_seed(&ThisMachine.bytes());
    keyfile::write_plain(&dir.join("keys/log.pem"), &log)?;
    keyfile::write_plain(&dir.join("keys/depositary.pem"), &depositary)?;

    let start = now.plus(-60);
    let ca = CertificateAuthority::new(&format!("{exchange} server CA"), start, now.plus(CA_SECONDS))?;
    let leaf = ca.issue_server(&[exchange.as_str()], start, now.plus(LEAF_SECONDS))?;
    let pem = ca.to_pem();
    write(&dir.join("tls/ca.pem"), pem.cert_pem.as_bytes(), false)?;
    write(&dir.join("tls/ca-key.pem"), pem.key_pem.as_bytes(), true)?;
    write(&dir.join("tls/server.pem"), leaf.cert_pem.as_bytes(), false)?;
    write(&dir.join("tls/server-key.pem"), leaf.key_pem.as_bytes(), true)?;

    let host = Host {
        exchange: exchange.clone(),
        log: LogKey { origin: Line::new(format!("{exchange}/log"))?, key: log.public() },
        depositary: depositary.public(),
        server_ca: Der::new(ca.der().to_vec())?,
    };
    write(&dir.join("host.json"), &json::encode(&host), false)?;
    write(&dir.join("communiqued.toml"), configuration(exchange, listen, http).as_bytes(), false)
}

fn configuration(exchange: &ExchangeName, listen: &str, http: &str) -> String {
    format!(
        "# Written by `communiqued init`. Every other setting has a safe default: see deploy/communiqued.toml.\n\
         # Paths are relative to this file.\n\n\
         [exchange]\nname = \"{exchange}\"\n\n\
         [listen]\naddress = \"{listen}\"\n\n\
         [http]\nlisten = \"{http}\"\n\n\
         [data]\ndirectory = \"data\"\n\n\
         [tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server-key.pem\"\n\n\
         [keys]\nlog = \"keys/log.pem\"\ndepositary = \"keys/depositary.pem\"\n"
    )
}

/// Writes a new file, readable by its owner alone if it is secret.
fn write(path: &Path, bytes: &[u8], secret: bool) -> Result<(), InitError> {
    let io = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => InitError::Exists(path.into()),
        _ => InitError::Io(path.into(), e),
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    let mut file = options.open(path).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)
}

#[cfg(unix)]
fn private(path: &Path) -> Result<(), InitError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|e| InitError::Io(path.into(), e))
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), InitError> {
    Ok(())
}
