//! The machine's clock and source of randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{domain::time::Time, exchange::ports::Machine};

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl ThisMachine {
    /// Now.
    #[must_use]
    pub fn now(self) -> Time {
        Time::from_unix(i64::try_from(self.millis() / 1000).unwrap_or(i64::MAX))
    }
    /// Milliseconds since 1970 began.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn millis(self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
    /// Random bytes from the system's source. A machine without one cannot go on safely, and does not.
    #[must_use]
    #[expect(clippy::panic, reason = "without randomness no salt or key may be made")]
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        if getrandom::fill(&mut bytes).is_err() {
            panic!("the system's source of randomness failed");
        }
        bytes
    }
    /// Between half of a pause and all of it: whoever failed together does not come back together.
    #[must_use]
    pub fn jittered(self, pause: Duration) -> Duration {
        let [byte] = self.bytes::<1>();
        pause / 2 + pause * u32::from(byte) / 512
    }
}

impl Machine for ThisMachine {
    fn now(&self) -> Time {
        Self::now(*self)
    }
    fn random(&self) -> [u8; 32] {
        self.bytes()
    }
}
