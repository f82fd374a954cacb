//! What programs of others make of a package: openssl, coreutils and unzip as the README says, openssl of a time stamp, verifiers of statements, and
//! the Python package bagit.

#[path = "../foreign/authority.rs"]
mod authority;
mod bags;
#[path = "../foreign/judges.rs"]
mod judges;
mod log;
#[path = "../foreign/missing.rs"]
mod missing;
mod readme;
mod stamps;
mod statements;
