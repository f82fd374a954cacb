//! What a party's side needs: key files, the exchange reached over the network in domain types, reading with every digest
//! computed again, acts made from what was read.

pub mod acting;
pub mod chartering;
pub mod drafting;
pub mod keyfile;
pub mod reading;
pub mod remote;
pub mod session;
pub mod timeline;
