//! What is PostgreSQL's own: several writers, and a server that says less than it seems to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tokio::runtime::Handle;

use super::{PostgresStore, Settings, cluster::Cluster};
use crate::pki;

crate::store::contract::store_contract!(|path: &Path| open(path), Cluster::shared().is_some());

/// A database of this path's own, the same one again for the same path.
pub(super) fn settings(path: &Path) -> Settings {
    static MADE: Mutex<Option<HashMap<PathBuf, Settings>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    let number = made.len();
    made.entry(path.to_owned())
        .or_insert_with(|| of(&Cluster::shared().unwrap().database(&format!("sample_{number}"))))
        .clone()
}

pub(super) fn of(database: &super::cluster::Database) -> Settings {
    Settings {
        url: database.url.clone(),
        password: Some(std::fs::read(&database.password_file).unwrap()),
        tls: pki::client::known_by(&std::fs::read(&database.ca).unwrap()).unwrap(),
        standbys: 0,
        readers: 4,
    }
}

/// Waits for what an asynchronous function answers, within a synchronous one.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(future))
}

fn open(path: &Path) -> PostgresStore {
    wait(PostgresStore::open(&settings(path))).unwrap()
}
