//! The contract, and what is PostgreSQL's own: several exchanges on one database, and a server that says less than it seems to.

use std::path::Path;

use super::*;
use crate::store::postgres::{
    cluster::Cluster,
    tests::{of, settings, wait},
};

crate::store::contract::content_contract!(|path: &Path| open(&settings(path)), Cluster::shared().is_some());

fn open(settings: &Settings) -> PostgresContent {
    wait(PostgresContent::open(settings)).unwrap()
}
