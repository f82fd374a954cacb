//! The exchange put together: configuration, telemetry, founding, serving. The one room, besides the binaries, that reads the
//! environment and the clock.

pub mod backup;
pub mod config;
pub mod fsck;
mod head;
pub mod init;
pub mod machine;
pub mod migrate;
pub mod serve;
mod stamps;
mod store;
pub mod telemetry;
mod witnesses;
