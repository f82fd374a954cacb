//! Content as every backend lays it down: in chunks of one size, so that any offset is found without reading what precedes it.

use std::time::Duration;

/// The size of every chunk but a blob's last, in bytes.
pub const CHUNK: usize = 256 << 10;
/// What a stage gathers in memory before it is written, in bytes: a sync for each mebibyte, not for each push.
pub const GATHERED: usize = 4 * CHUNK;
/// Most stages open at once in one process; together they hold at most 128 MiB in memory.
pub const STAGES_LIMIT: usize = 128;
/// Of these, most that uploads may take: the others are for packages, so that uploads cannot hold up a publication.
pub const UPLOADS_LIMIT: usize = STAGES_LIMIT - 16;
/// Most bytes of one stage: far above every limit of the exchange, and a bound nevertheless.
pub const STAGE_LIMIT: u64 = 4 << 30;
/// When all places for stages are taken, one that has been silent for so long is forgotten for a new one.
pub const STAGE_IDLE: Duration = Duration::from_secs(300);
/// Requests that wait to write, each with the bytes of one push; further callers wait for a place.
pub const QUEUE_LIMIT: usize = 64;
