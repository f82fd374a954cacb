//! What a party's side needs: key files, the exchange reached over the network in domain types, reading with every digest
//! computed again, acts made from what was read.

pub mod acting;
pub mod aligning;
pub mod auditing;
pub mod chartering;
pub mod comparing;
pub mod dossier;
pub mod drafting;
pub mod granted;
pub mod importing;
pub mod keys;
mod line;
pub mod mirroring;
pub mod numbers;
pub mod proving;
pub mod reading;
pub mod receipts;
pub mod remote;
pub mod request;
pub mod road;
pub mod seen;
pub mod session;
pub mod succeeding;
pub mod timeline;
pub mod transfer;
pub mod witnessing;
